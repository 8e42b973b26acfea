/* The tree of prefixes: what is found in it, what goes first when room is needed, and how many blocks are looked at for that. */
#include "harness.h"
#include "model/model_testing.h"

typedef struct
{
  Device *dev;
  KvPool *pool;
} Fixture;

/* Of one layer of one head of 8 elements. */
static KvPool *
pool_of (Device *dev, guint blocks)
{
  const LanguageConfig config = { .hidden = 8, .heads = 1, .kv_heads = 1, .layers = 1 };
  KvPool *pool = kv_pool_new (dev, &config, blocks * KV_BLOCK, KV_F32);
  g_autoptr (GError) error = NULL;

  kv_pool_commit (pool, &error);
  g_assert_no_error (error);
  return pool;
}

static void
set_up (Fixture *f, gconstpointer blocks)
{
  f->dev = harness_device (NULL);
  f->pool = pool_of (f->dev, GPOINTER_TO_UINT (blocks));
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  kv_pool_free (f->pool);
  device_free (f->dev);
}

/* Keys of one text each: those of two texts have none in common. */
static KvKey *
keys_of (guint text, guint n)
{
  KvKey *keys = g_new0 (KvKey, n);

  for (guint i = 0; i < n; i++) {
    keys[i].id = text;
    keys[i].row = i;
  }
  return keys;
}

/* Computes what is not there. Returns what was, G_MAXUINT when there is no room. */
static guint
compute (KvPool *pool, const KvKey *keys, guint n, KvSequence **seq)
{
  g_autoptr (GError) error = NULL;
  guint found;

  *seq = kv_sequence_new (pool, keys, n, n, FALSE);
  if (!*seq)
    return G_MAXUINT;
  kv_sequence_prepare (*seq, &error);
  g_assert_no_error (error);
  found = kv_sequence_length (*seq);
  kv_sequence_extend (*seq, keys + found, n - found);
  return found;
}

static guint
compute_and_leave (KvPool *pool, const KvKey *keys, guint n)
{
  KvSequence *seq;
  guint found = compute (pool, keys, n, &seq);

  kv_sequence_free (seq);
  return found;
}

/* --- what goes first ------------------------------------------------------------------------------------------------------- */

static void
test_the_longest_unused_goes_first (Fixture *f, gconstpointer unused)
{
  KvKey *texts[5];

  for (guint i = 0; i < 5; i++)
    texts[i] = keys_of (i, 2 * KV_BLOCK);
  for (guint i = 0; i < 4; i++)
    compute_and_leave (f->pool, texts[i], 2 * KV_BLOCK);
  compute_and_leave (f->pool, texts[0], 2 * KV_BLOCK);
  compute_and_leave (f->pool, texts[4], 2 * KV_BLOCK);
  g_assert_cmpuint (compute_and_leave (f->pool, texts[0], 2 * KV_BLOCK), ==, 2 * KV_BLOCK - 1);
  g_assert_cmpuint (compute_and_leave (f->pool, texts[2], 2 * KV_BLOCK), ==, 2 * KV_BLOCK - 1);
  g_assert_cmpuint (compute_and_leave (f->pool, texts[1], 2 * KV_BLOCK), ==, 0);
  for (guint i = 0; i < 5; i++)
    g_free (texts[i]);
}

static void
test_a_beginning_goes_after_what_follows_it (Fixture *f, gconstpointer unused)
{
  g_autofree KvKey *old = keys_of (1, 6 * KV_BLOCK), *other = keys_of (2, 4 * KV_BLOCK);

  compute_and_leave (f->pool, old, 6 * KV_BLOCK);
  compute_and_leave (f->pool, other, 4 * KV_BLOCK);
  g_assert_cmpuint (compute_and_leave (f->pool, old, 6 * KV_BLOCK), ==, 4 * KV_BLOCK);
}

/* The copy takes a block that follows the one which is copied. */
static void
test_what_is_copied_outlives_the_copy (Fixture *f, gconstpointer unused)
{
  g_autofree KvKey *text = keys_of (1, 8 * KV_BLOCK), *branch = keys_of (1, 8 * KV_BLOCK);
  KvSequence *seq;
  guint32 wrote = 77, read = 0;
  guint n;

  compute (f->pool, text, 8 * KV_BLOCK, &seq);
  g_assert_true (tensor_write (&kv_pool_layer (f->pool, 0)->k, kv_sequence_slot (seq, 3 * KV_BLOCK) * 32, &wrote, 4, NULL));
  kv_sequence_free (seq);
  branch[3 * KV_BLOCK + 5].id = 2;
  g_assert_cmpuint (compute (f->pool, branch, 8 * KV_BLOCK, &seq), ==, 3 * KV_BLOCK + 5);
  g_assert_true (tensor_read (&kv_pool_layer (f->pool, 0)->k, kv_sequence_slot (seq, 3 * KV_BLOCK) * 32, &read, 4, NULL));
  g_assert_cmpuint (read, ==, 77);
  kv_sequence_blocks (seq, &n);
  g_assert_cmpuint (n, ==, 8);
  kv_sequence_free (seq);
}

static void
test_what_is_held_stays (Fixture *f, gconstpointer unused)
{
  g_autofree KvKey *held = keys_of (1, 5 * KV_BLOCK), *other = keys_of (2, 4 * KV_BLOCK);
  KvSequence *seq, *none;

  compute (f->pool, held, 5 * KV_BLOCK, &seq);
  g_assert_cmpuint (kv_pool_taken (f->pool), ==, 5);
  g_assert_cmpuint (compute (f->pool, other, 4 * KV_BLOCK, &none), ==, G_MAXUINT);
  g_assert_cmpuint (compute_and_leave (f->pool, other, 3 * KV_BLOCK), ==, 0);
  g_assert_cmpuint (kv_pool_taken (f->pool), ==, 5);
  kv_sequence_free (seq);
  g_assert_cmpuint (kv_pool_taken (f->pool), ==, 0);
  g_assert_cmpuint (compute_and_leave (f->pool, held, 5 * KV_BLOCK), ==, 5 * KV_BLOCK - 1);
}

/* A chunk that is given up was counted already. */
static void
test_what_failed_is_not_found (Fixture *f, gconstpointer unused)
{
  g_autofree KvKey *keys = keys_of (1, 4 * KV_BLOCK);
  KvSequence *seq;

  compute (f->pool, keys, 4 * KV_BLOCK, &seq);
  kv_sequence_forget (seq, 3 * KV_BLOCK - 2);
  kv_sequence_free (seq);
  g_assert_cmpuint (compute_and_leave (f->pool, keys, 4 * KV_BLOCK), ==, KV_BLOCK + 2);
}

/* --- at random ------------------------------------------------------------------------------------------------------------- */

#define BLOCKS 24
#define MOST 6 /* sequences at a time */

/* A number of what stands at `position` and in front of it. */
static guint32
history (const KvKey *keys, guint position)
{
  guint32 h = 1;

  for (guint i = 0; i <= position; i++)
    h = h * 31 + keys[i].id + 1;
  return h;
}

/* Every slot of the cache holds such a number: of those that are found, the right one. */
static void
test_at_random (Fixture *f, gconstpointer unused)
{
  const Tensor *k = &kv_pool_layer (f->pool, 0)->k;
  KvSequence *seqs[MOST] = { NULL };
  guint found_at_all = 0, refused = 0;

  for (guint turn = 0; turn < 600; turn++) {
    guint at = g_test_rand_int_range (0, MOST), n = g_test_rand_int_range (2, 8 * KV_BLOCK), found;
    g_autofree KvKey *keys = g_new0 (KvKey, n);

    kv_sequence_free (g_steal_pointer (&seqs[at]));
    for (guint i = 0; i < n; i++) /* two ways on, every 20 tokens */
      keys[i].id = i % 20 ? 0 : g_test_rand_int_range (0, 2);
    found = compute (f->pool, keys, n, &seqs[at]);
    if (!seqs[at]) {
      refused++;
      continue;
    }
    g_assert_cmpuint (found, <, n);
    found_at_all += found;
    for (guint i = 0; i < n; i++) {
      guint32 word = history (keys, i), there;
      guint64 offset = (guint64)kv_sequence_slot (seqs[at], i) * 8 * sizeof word;

      if (i < found) {
        g_assert_true (tensor_read (k, offset, &there, 4, NULL));
        g_assert_cmpuint (there, ==, word);
      } else {
        g_assert_true (tensor_write (k, offset, &word, 4, NULL));
      }
    }
    g_assert_cmpuint (kv_pool_taken (f->pool), <=, BLOCKS);
  }
  for (guint i = 0; i < MOST; i++)
    kv_sequence_free (seqs[i]);
  g_assert_cmpuint (kv_pool_taken (f->pool), ==, 0);
  g_assert_cmpuint (found_at_all, >, 600);
  g_assert_cmpuint (refused, >, 0);
}

/* --- at the longest context ------------------------------------------------------------------------------------------------ */

#define LONG_BLOCKS 4096 /* of 131,072 tokens */

/* Each block is looked at once for what it holds, and once when it goes. */
static void
test_131072_tokens (Fixture *f, gconstpointer unused)
{
  const guint n = LONG_BLOCKS * KV_BLOCK;
  g_autofree KvKey *first = keys_of (1, n), *second = keys_of (2, n);
  guint64 before;
  gint64 start;

  compute_and_leave (f->pool, first, n);

  before = kv_pool_looked_at (f->pool);
  start = g_get_monotonic_time ();
  g_assert_cmpuint (compute_and_leave (f->pool, first, n), ==, n - 1);
  g_test_message ("found in %.1f ms", (g_get_monotonic_time () - start) / 1e3);
  g_assert_cmpuint (kv_pool_looked_at (f->pool) - before, <=, LONG_BLOCKS);

  before = kv_pool_looked_at (f->pool);
  start = g_get_monotonic_time ();
  g_assert_cmpuint (compute_and_leave (f->pool, second, n), ==, 0);
  g_test_message ("replaced in %.1f ms", (g_get_monotonic_time () - start) / 1e3);
  g_assert_cmpuint (kv_pool_looked_at (f->pool) - before, <=, LONG_BLOCKS + 1);
}

/* As many sequences as there are blocks, which have one in common. */
static void
test_many_branches (Fixture *f, gconstpointer unused)
{
  g_autofree KvKey *keys = keys_of (1, 2 * KV_BLOCK);
  guint64 before = kv_pool_looked_at (f->pool);

  for (guint i = 0; i < 2 * LONG_BLOCKS; i++) {
    for (guint j = KV_BLOCK; j < 2 * KV_BLOCK; j++)
      keys[j].id = 2 + i;
    g_assert_cmpuint (compute_and_leave (f->pool, keys, 2 * KV_BLOCK), ==, i ? KV_BLOCK : 0);
  }
  /* The branches there are, for each; what goes is found at once. */
  g_assert_cmpuint (kv_pool_looked_at (f->pool) - before, <, 2 * LONG_BLOCKS * (guint64)(LONG_BLOCKS + 2));
}

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
#define RULE(name, blocks) g_test_add ("/kv/" #name, Fixture, GUINT_TO_POINTER (blocks), set_up, test_##name, tear_down)
  RULE (the_longest_unused_goes_first, 8);
  RULE (a_beginning_goes_after_what_follows_it, 8);
  RULE (what_is_copied_outlives_the_copy, 8);
  RULE (what_is_held_stays, 8);
  RULE (what_failed_is_not_found, 8);
  RULE (at_random, BLOCKS);
  RULE (131072_tokens, LONG_BLOCKS);
  RULE (many_branches, LONG_BLOCKS);
#undef RULE
  return g_test_run ();
}

/* The cache of keys and values in each of its precisions: what is copied, what it takes, and what it costs. */
#include <math.h>
#include <string.h>

#include "harness.h"
#include "synth.h"
#include "model/engine.h"
#include "vk/vk.h"
#include "model/model_testing.h"

static void
read_block (const Tensor *t, guint32 block, gpointer bytes)
{
  guint64 size = tensor_bytes (t) / t->rows;
  g_autoptr (GError) error = NULL;

  tensor_read (t, block * size, bytes, size, &error);
  g_assert_no_error (error);
}

/* Of blocks of bytes that are all different. */
static void
fill (const Tensor *t)
{
  guint64 size = tensor_bytes (t);
  g_autofree guint8 *bytes = g_malloc (size);
  g_autoptr (GError) error = NULL;

  for (guint64 i = 0; i < size; i++)
    bytes[i] = g_test_rand_int ();
  tensor_write (t, 0, bytes, size, &error);
  g_assert_no_error (error);
}

static void
assert_same_blocks (const Tensor *t, guint32 a, guint32 b)
{
  guint64 size = tensor_bytes (t) / t->rows;
  g_autofree gpointer bytes_a = g_malloc (size), bytes_b = g_malloc (size);

  read_block (t, a, bytes_a);
  read_block (t, b, bytes_b);
  g_assert_cmpmem (bytes_a, size, bytes_b, size);
}

/* A sequence that leaves another in mid-block has a copy of that block, whatever it holds: steps as well as bytes. */
static void
test_begun_blocks_are_copied (void)
{
  enum
  {
    N = 45,
    COMMON = 37,
    LAYERS = 2,
  };
  const LanguageConfig config = { .hidden = 72, .heads = 3, .kv_heads = 3, .layers = LAYERS };
  g_autoptr (Device) dev = harness_device (NULL);
  KvKey keys[N], others[N];

  for (guint i = 0; i < N; i++) {
    keys[i] = (KvKey){ .id = i };
    others[i] = (KvKey){ .id = i < COMMON ? i : 1000 + i };
  }
  for (KvType type = KV_F32; type <= KV_INT8; type++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (KvPool) pool = kv_pool_new (dev, &config, 6 * KV_BLOCK, type);
    g_autoptr (KvSequence) first = NULL, second = NULL;
    const guint32 *from, *to;
    guint n;

    kv_pool_commit (pool, &error);
    g_assert_no_error (error);
    first = kv_sequence_new (pool, keys, N, N, FALSE);
    kv_sequence_extend (first, keys, N);
    for (guint i = 0; i < LAYERS; i++) {
      fill (&kv_pool_layer (pool, i)->k);
      fill (&kv_pool_layer (pool, i)->v);
    }
    second = kv_sequence_new (pool, others, N, N, FALSE);
    g_assert_cmpuint (kv_sequence_length (second), ==, COMMON);
    kv_sequence_prepare (second, &error);
    g_assert_no_error (error);
    from = kv_sequence_blocks (first, &n);
    to = kv_sequence_blocks (second, &n);
    g_assert_cmpuint (n, ==, 2);
    g_assert_cmpuint (from[0], ==, to[0]);
    g_assert_cmpuint (from[1], !=, to[1]);
    for (guint i = 0; i < LAYERS; i++) {
      assert_same_blocks (&kv_pool_layer (pool, i)->k, from[1], to[1]);
      assert_same_blocks (&kv_pool_layer (pool, i)->v, from[1], to[1]);
    }
  }
}

/* --- an engine --------------------------------------------------------------------------------------------------------------- */

static MinivlEngine *
open_small (MinivlPrecision precision, MinivlCachePrecision cache, guint context)
{
  g_autofree gchar *path = g_build_filename (TEST_DATA, "small", "config.json", NULL);
  const MinivlEngineOptions options = { .precision = precision, .cache_precision = cache, .context_size = context };
  g_autoptr (TensorSet) set = NULL;
  g_autoptr (GError) error = NULL;
  ModelConfig config = { 0 };
  EngineParts parts = { .name = "small", .config = &config, .image_token = 3, .end_token = -1 };
  MinivlEngine *engine;

  model_config_load (&config, path, options.context_size, &error);
  g_assert_no_error (error);
  parts.tensors = set = synth_tensors (&config, 7, DTYPE_BF16);
  engine = engine_new (&parts, &options, &error);
  g_assert_no_error (error);
  return engine;
}

/* A prompt of two chunks, and some tokens of answer. Logits are those of the prompt's end. */
static void
ask (MinivlEngine *engine, MinivlAnswer *answer)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MinivlSession) session = minivl_session_new (engine, &error);
  MinivlParams params = MINIVL_PARAMS_INIT;
  gint32 ids[300];

  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (ids); i++)
    ids[i] = 10 + (i * 37 + i * i) % 70;
  params.max_tokens = 5;
  params.want_logits = TRUE;
  session_ask_ids (session, ids, G_N_ELEMENTS (ids), NULL, 0, &params, NULL, NULL, answer, &error);
  g_assert_no_error (error);
}

static double
nmse (const MinivlAnswer *a, const MinivlAnswer *b)
{
  double difference = 0, power = 0;

  for (guint i = 0; i < b->n_logits; i++) {
    difference += pow (a->logits[i] - b->logits[i], 2);
    power += pow (b->logits[i], 2);
  }
  return difference / power;
}

/* The same at once and again, near to 16 bits and not equal, in half the memory and what the steps take: heads are of 48. */
static void
test_q8 (void)
{
  for (MinivlPrecision precision = MINIVL_PRECISION_F32; precision <= MINIVL_PRECISION_F16; precision++) {
    g_autoptr (MinivlEngine) wide = open_small (precision, MINIVL_CACHE_PRECISION_F16, 512),
                             narrow = open_small (precision, MINIVL_CACHE_PRECISION_Q8, 512);
    g_auto (MinivlAnswer) a = { NULL }, b = { NULL }, again = { NULL };
    double share = (double)kv_pool_bytes (narrow->kv) / kv_pool_bytes (wide->kv);
    gboolean f32 = precision == MINIVL_PRECISION_F32;

    g_assert_cmpstr (wide->info.cache_precision, ==, f32 ? "f32" : "f16");
    g_assert_cmpstr (narrow->info.cache_precision, ==, "q8");
    g_assert_cmpfloat (share, <, f32 ? 0.265 : 0.53);
    g_assert_cmpuint (
        wide->info.device_bytes - narrow->info.device_bytes, ==, kv_pool_bytes (wide->kv) - kv_pool_bytes (narrow->kv));
    ask (wide, &a);
    ask (narrow, &b);
    ask (narrow, &again);
    g_test_message ("%s: NMSE %g, %g of the memory", wide->info.precision, nmse (&b, &a), share);
    g_assert_cmpfloat (nmse (&b, &a), <, 1e-3);
    g_assert_cmpfloat (nmse (&b, &a), >, 1e-9);
    g_assert_cmpfloat (nmse (&again, &b), <, 1e-3);
  }
}

/* 300 keys are seen, in a cache of so many: each op in a submit of its own. */
static guint64
submits_of (guint context)
{
  g_autoptr (MinivlEngine) engine = open_small (MINIVL_PRECISION_F16, MINIVL_CACHE_PRECISION_Q8, context);
  g_auto (MinivlAnswer) answer = { NULL };

  engine->dev->limits.submit_ns = 1;
  ask (engine, &answer);
  return language_submits (engine->language);
}

static void
test_slices_are_of_what_is_seen (void)
{
  guint64 few = submits_of (512);

  g_assert_cmpuint (few, >, 0);
  g_assert_cmpuint (submits_of (131072), ==, few);
}

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
  g_test_add_func ("/cache/begun_blocks_are_copied", test_begun_blocks_are_copied);
  g_test_add_func ("/cache/q8_is_near_in_half_the_memory", test_q8);
  g_test_add_func ("/cache/slices_are_of_what_is_seen", test_slices_are_of_what_is_seen);
  return g_test_run ();
}

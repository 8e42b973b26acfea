#include "kv.h"

#include "model_testing.h"

#define NONE -1
#define ROOT_SHORT -2
#define ROOT_LONG -3

typedef struct
{
  gint parent; /* block in front, or a root; NONE: not in the tree, free */
  gint child;  /* its first one */
  gint next, previous;
  gint newer, older; /* in the ring of those that nobody holds */
  guint n;           /* tokens computed */
  guint holders;     /* sequences that use it; each also holds all blocks in front of it */
  KvKey keys[KV_BLOCK];
} Block;

/*
 * The blocks that nobody holds, free ones first, then by when they were let go of. A sequence lets go of its last block first, and
 * whoever holds a block holds those in front of it: so a block comes behind all of its children, and the oldest one has none.
 */
struct _KvPool
{
  Arena *arena;
  KvLayer *layers;
  guint n_layers;
  Block *blocks; /* and one more, where the ring begins and ends */
  guint n_blocks;
  gint roots[2]; /* their first children */
  guint n_sequences;
  guint held;     /* blocks that sequences hold */
  guint promised; /* blocks that they may still ask for */
  guint64 looked_at;
};

struct _KvSequence
{
  KvPool *pool;
  GArray *blocks; /* guint32 */
  gboolean is_long;
  guint length;
  guint promised;
  gboolean copy;
  guint32 copy_from, copy_to;
};

gboolean
kv_key_equal (const KvKey *a, const KvKey *b)
{
  return a->id == b->id && a->row == b->row && a->picture == b->picture;
}

KvPool *
kv_pool_new (Device *dev, const LanguageConfig *config, guint tokens, KvType type)
{
  KvPool *pool = g_new0 (KvPool, 1);

  pool->n_blocks = (tokens + KV_BLOCK - 1) / KV_BLOCK;
  pool->arena = arena_new (dev, ARENA_DEVICE, "kv cache");
  pool->layers = g_new0 (KvLayer, config->layers);
  pool->n_layers = config->layers;
  for (guint i = 0; i < config->layers; i++)
    pool->layers[i] = kv_layer_add (pool->arena, type, pool->n_blocks, config->kv_heads, language_head_dim (config));
  return pool;
}

gboolean
kv_pool_commit (KvPool *pool, GError **error)
{
  if (!arena_commit (pool->arena, error))
    return FALSE;
  pool->blocks = g_new0 (Block, pool->n_blocks + 1);
  for (guint i = 0; i <= pool->n_blocks; i++) {
    Block *b = &pool->blocks[i];

    b->parent = b->child = b->next = b->previous = NONE;
    b->newer = i < pool->n_blocks ? i + 1 : 0;
    b->older = i > 0 ? i - 1 : pool->n_blocks;
  }
  pool->roots[0] = pool->roots[1] = NONE;
  return TRUE;
}

void
kv_pool_free (KvPool *pool)
{
  if (!pool)
    return;
  g_assert (pool->n_sequences == 0);
  arena_free (pool->arena);
  g_free (pool->blocks);
  g_free (pool->layers);
  g_free (pool);
}

const KvLayer *
kv_pool_layer (const KvPool *pool, guint layer)
{
  return &pool->layers[layer];
}

guint
kv_pool_blocks (const KvPool *pool)
{
  return pool->n_blocks;
}

guint64
kv_pool_bytes (const KvPool *pool)
{
  return arena_bytes (pool->arena);
}

guint
kv_pool_taken (const KvPool *pool)
{
  return pool->held + pool->promised;
}

guint64
kv_pool_looked_at (const KvPool *pool)
{
  return pool->looked_at;
}

/* --- the tree -------------------------------------------------------------------------------------------------------------- */

static gint *
first_child (KvPool *pool, gint parent)
{
  return parent >= 0 ? &pool->blocks[parent].child : &pool->roots[ROOT_SHORT - parent];
}

static void
add_child (KvPool *pool, gint parent, gint block)
{
  Block *b = &pool->blocks[block];
  gint *first = first_child (pool, parent);

  b->parent = parent;
  b->previous = NONE;
  b->next = *first;
  if (*first != NONE)
    pool->blocks[*first].previous = block;
  *first = block;
}

static void
remove_child (KvPool *pool, Block *b)
{
  g_assert (b->child == NONE);
  if (b->next != NONE)
    pool->blocks[b->next].previous = b->previous;
  if (b->previous != NONE)
    pool->blocks[b->previous].next = b->next;
  else
    *first_child (pool, b->parent) = b->next;
  b->parent = NONE;
}

static void
hold_block (KvPool *pool, gint block)
{
  Block *b = &pool->blocks[block];

  if (b->holders++ > 0)
    return;
  pool->held++;
  pool->blocks[b->newer].older = b->older;
  pool->blocks[b->older].newer = b->newer;
}

static void
let_go_of_block (KvPool *pool, gint block)
{
  Block *b = &pool->blocks[block];

  if (--b->holders > 0)
    return;
  pool->held--;
  if (b->n == 0)
    remove_child (pool, b);
  b->older = b->parent == NONE ? (gint)pool->n_blocks : pool->blocks[pool->n_blocks].older;
  b->newer = pool->blocks[b->older].newer;
  pool->blocks[b->older].newer = pool->blocks[b->newer].older = block;
}

/* A free block, or the one that has been unused the longest. There is one, because it was promised. */
static guint
take_block (KvPool *pool, gint parent)
{
  gint found = pool->blocks[pool->n_blocks].newer;
  Block *b = &pool->blocks[found];

  g_assert (pool->held < pool->n_blocks);
  pool->looked_at++;
  if (b->parent != NONE)
    remove_child (pool, b);
  hold_block (pool, found);
  add_child (pool, parent, found);
  b->n = 0;
  return found;
}

static guint
in_common (const Block *b, const KvKey *keys, guint n)
{
  guint same = 0;

  while (same < MIN (b->n, n) && kv_key_equal (&b->keys[same], &keys[same]))
    same++;
  return same;
}

/* The child of `parent` that begins most like keys. */
static gint
find_child (KvPool *pool, gint parent, const KvKey *keys, guint n, guint *common)
{
  gint best = NONE;

  *common = 0;
  for (gint i = *first_child (pool, parent); i != NONE && *common < KV_BLOCK; i = pool->blocks[i].next) {
    guint same = in_common (&pool->blocks[i], keys, n);

    pool->looked_at++;
    if (same > *common) {
      *common = same;
      best = i;
    }
  }
  return best;
}

static void
add_block (KvSequence *seq, guint32 block)
{
  g_array_append_val (seq->blocks, block);
}

static gint
last_block (const KvSequence *seq)
{
  if (seq->blocks->len)
    return g_array_index (seq->blocks, guint32, seq->blocks->len - 1);
  return seq->is_long ? ROOT_LONG : ROOT_SHORT;
}

/* --- sequences ------------------------------------------------------------------------------------------------------------- */

/* The sequence's last block begins like another one, which is taken over when nobody needs the rest of it, and else copied. */
static void
share_begun_block (KvSequence *seq, guint32 block, guint common)
{
  KvPool *pool = seq->pool;
  Block *from = &pool->blocks[block];

  if (from->holders == 0 && from->child == NONE) {
    hold_block (pool, block);
    add_block (seq, block);
    from->n = common;
  } else {
    /* Not the one to copy from: that is held, or has a child, which goes first. */
    guint32 to = take_block (pool, last_block (seq));

    add_block (seq, to);
    for (guint i = 0; i < common; i++)
      pool->blocks[to].keys[i] = from->keys[i];
    pool->blocks[to].n = common;
    seq->copy = TRUE;
    seq->copy_from = block;
    seq->copy_to = to;
  }
  seq->length += common;
  seq->promised--;
  pool->promised--;
}

KvSequence *
kv_sequence_new (KvPool *pool, const KvKey *keys, guint n_keys, guint total, gboolean is_long)
{
  KvSequence *seq = g_new0 (KvSequence, 1);
  guint need = (total + KV_BLOCK - 1) / KV_BLOCK, common;
  gint child;

  seq->pool = pool;
  seq->is_long = is_long;
  seq->blocks = g_array_new (FALSE, FALSE, sizeof (guint32));
  pool->n_sequences++;

  while ((child = find_child (pool, last_block (seq), keys + seq->length, n_keys - 1 - seq->length, &common)) != NONE
         && common == KV_BLOCK) {
    hold_block (pool, child);
    add_block (seq, child);
    seq->length += KV_BLOCK;
  }
  seq->promised = need - seq->blocks->len;
  pool->promised += seq->promised;
  if (kv_pool_taken (pool) > pool->n_blocks) {
    kv_sequence_free (seq);
    return NULL;
  }
  if (child != NONE)
    share_begun_block (seq, child, common);
  return seq;
}

void
kv_sequence_free (KvSequence *seq)
{
  KvPool *pool;

  if (!seq)
    return;
  pool = seq->pool;
  for (guint i = seq->blocks->len; i > 0; i--)
    let_go_of_block (pool, g_array_index (seq->blocks, guint32, i - 1));
  pool->promised -= seq->promised;
  pool->n_sequences--;
  g_array_unref (seq->blocks);
  g_free (seq);
}

guint
kv_sequence_length (const KvSequence *seq)
{
  return seq->length;
}

gboolean
kv_sequence_is_long (const KvSequence *seq)
{
  return seq->is_long;
}

void
kv_sequence_extend (KvSequence *seq, const KvKey *keys, guint n_keys)
{
  KvPool *pool = seq->pool;

  for (guint i = 0; i < n_keys; i++) {
    guint place = seq->length / KV_BLOCK;
    Block *b;

    if (place == seq->blocks->len) {
      g_assert (seq->promised > 0);
      seq->promised--;
      pool->promised--;
      add_block (seq, take_block (pool, last_block (seq)));
    }
    b = &pool->blocks[g_array_index (seq->blocks, guint32, place)];
    b->keys[b->n++] = keys[i];
    seq->length++;
  }
}

void
kv_sequence_forget (KvSequence *seq, guint n)
{
  for (; n > 0; n--) {
    Block *b = &seq->pool->blocks[g_array_index (seq->blocks, guint32, --seq->length / KV_BLOCK)];

    b->n--;
  }
}

/* Through the host: this is rare, and takes a few milliseconds. */
static gboolean
copy_block (const Tensor *t, guint32 from, guint32 to, GError **error)
{
  guint64 bytes = (guint64)t->stride * type_size (t->type);
  g_autofree gpointer block = g_malloc (bytes);

  return tensor_read (t, from * bytes, block, bytes, error) && tensor_write (t, to * bytes, block, bytes, error);
}

gboolean
kv_sequence_prepare (KvSequence *seq, GError **error)
{
  if (!seq->copy)
    return TRUE;
  seq->copy = FALSE;
  for (guint i = 0; i < seq->pool->n_layers; i++) {
    const KvLayer *l = &seq->pool->layers[i];

    if (!copy_block (&l->k, seq->copy_from, seq->copy_to, error) || !copy_block (&l->v, seq->copy_from, seq->copy_to, error)) {
      seq->pool->blocks[seq->copy_to].n = 0;
      return FALSE;
    }
  }
  return TRUE;
}

const guint32 *
kv_sequence_blocks (const KvSequence *seq, guint *n_blocks)
{
  *n_blocks = seq->blocks->len;
  return (const guint32 *)(gpointer)seq->blocks->data;
}

guint32
kv_sequence_slot (const KvSequence *seq, guint position)
{
  return g_array_index (seq->blocks, guint32, position / KV_BLOCK) * KV_BLOCK + position % KV_BLOCK;
}

#include "kv.h"

#define ROOT_SHORT -1
#define ROOT_LONG -2
#define NOWHERE -3 /* not in the tree: free */

typedef struct
{
  gint parent; /* block in front, or a root */
  guint n;     /* tokens computed */
  KvKey keys[KV_BLOCK];
  guint holders;  /* sequences that use it; each also holds all blocks in front of it */
  guint64 unused; /* when the last holder left */
} Block;

struct _KvPool
{
  Arena *arena;
  KvLayer *layers;
  guint n_layers;
  Block *blocks;
  guint n_blocks;
  guint n_sequences;
  guint promised; /* blocks that sequences may still ask for */
  guint64 clock;
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
kv_pool_new (Device *dev, const LanguageConfig *config, guint tokens, TensorType type)
{
  KvPool *pool = g_new0 (KvPool, 1);
  guint elements = kv_block_elements (config->kv_heads, language_head_dim (config));

  pool->n_blocks = (tokens + KV_BLOCK - 1) / KV_BLOCK;
  pool->arena = arena_new (dev, ARENA_DEVICE, "kv cache");
  pool->layers = g_new0 (KvLayer, config->layers);
  pool->n_layers = config->layers;
  for (guint i = 0; i < config->layers; i++) {
    KvLayer *l = &pool->layers[i];

    l->k = arena_add (pool->arena, type, LAYOUT_ROWS, pool->n_blocks, elements);
    l->v = arena_add (pool->arena, type, LAYOUT_ROWS, pool->n_blocks, elements);
    l->heads = config->kv_heads;
    l->head_dim = language_head_dim (config);
  }
  return pool;
}

gboolean
kv_pool_commit (KvPool *pool, GError **error)
{
  if (!arena_commit (pool->arena, error))
    return FALSE;
  pool->blocks = g_new0 (Block, pool->n_blocks);
  for (guint i = 0; i < pool->n_blocks; i++)
    pool->blocks[i].parent = NOWHERE;
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
  guint taken = pool->promised;

  for (guint i = 0; i < pool->n_blocks; i++)
    taken += pool->blocks[i].holders > 0;
  return taken;
}

/* --- the tree -------------------------------------------------------------------------------------------------------------- */

static gboolean
has_children (const KvPool *pool, guint block)
{
  for (guint i = 0; i < pool->n_blocks; i++)
    if (pool->blocks[i].parent == (gint)block)
      return TRUE;
  return FALSE;
}

/* A free block, or the leaf that has been unused the longest. There is one, because it was promised. */
static guint
take_block (KvPool *pool, gint parent)
{
  gint found = -1;

  for (guint i = 0; i < pool->n_blocks; i++) {
    const Block *b = &pool->blocks[i];

    if (b->holders > 0)
      continue;
    if (b->parent == NOWHERE) {
      found = i;
      break;
    }
    if ((found < 0 || b->unused < pool->blocks[found].unused) && !has_children (pool, i))
      found = i;
  }
  g_assert (found >= 0);
  pool->blocks[found].parent = parent;
  pool->blocks[found].n = 0;
  pool->blocks[found].holders = 1;
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
find_child (const KvPool *pool, gint parent, const KvKey *keys, guint n, guint *common)
{
  gint best = -1;

  *common = 0;
  for (guint i = 0; i < pool->n_blocks; i++) {
    guint same = pool->blocks[i].parent == parent ? in_common (&pool->blocks[i], keys, n) : 0;

    if (same > *common) {
      *common = same;
      best = i;
    }
  }
  return best;
}

static void
hold (KvSequence *seq, guint32 block)
{
  seq->pool->blocks[block].holders++;
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

  if (from->holders == 0 && !has_children (pool, block)) {
    hold (seq, block);
    from->n = common;
  } else {
    gint parent = last_block (seq);
    guint32 to;

    from->holders++; /* so that it is not chosen as the block to copy to */
    to = take_block (pool, parent);
    from->holders--;
    g_array_append_val (seq->blocks, to);
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

  while ((child = find_child (pool, last_block (seq), keys + seq->length, n_keys - 1 - seq->length, &common)) >= 0
         && common == KV_BLOCK) {
    hold (seq, child);
    seq->length += KV_BLOCK;
  }
  seq->promised = need - seq->blocks->len;
  pool->promised += seq->promised;
  if (kv_pool_taken (pool) > pool->n_blocks) {
    kv_sequence_free (seq);
    return NULL;
  }
  /* The source of a copy must stay until it is made. Where there is not one block more than promised, nothing is copied. */
  if (child >= 0 && (pool->blocks[child].holders > 0 || !has_children (pool, child) || kv_pool_taken (pool) < pool->n_blocks))
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
  pool->clock++;
  for (guint i = 0; i < seq->blocks->len; i++) {
    Block *b = &pool->blocks[g_array_index (seq->blocks, guint32, i)];

    b->holders--;
    b->unused = pool->clock;
    if (b->n == 0)
      b->parent = NOWHERE;
  }
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
      guint32 block;

      g_assert (seq->promised > 0);
      seq->promised--;
      pool->promised--;
      block = take_block (pool, last_block (seq));
      g_array_append_val (seq->blocks, block);
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

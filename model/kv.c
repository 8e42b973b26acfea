#include "kv.h"

struct _KvPool
{
  Arena *arena;
  KvLayer *layers;
  guint n_blocks;
  GArray *free;     /* guint32: block numbers */
  GQueue sequences; /* longest idle first */
};

struct _KvSequence
{
  KvPool *pool;
  GArray *blocks; /* guint32 */
  guint length;
  GList link; /* in pool->sequences */
};

KvPool *
kv_pool_new (Device *dev, const LanguageConfig *config, guint tokens, TensorType type, GError **error)
{
  g_autoptr (KvPool) pool = g_new0 (KvPool, 1);
  guint elements = kv_block_elements (config->kv_heads, language_head_dim (config));

  pool->n_blocks = (tokens + KV_BLOCK - 1) / KV_BLOCK;
  pool->arena = arena_new (dev, ARENA_DEVICE, "kv cache");
  pool->layers = g_new0 (KvLayer, config->layers);
  pool->free = g_array_new (FALSE, FALSE, sizeof (guint32));
  g_queue_init (&pool->sequences);

  for (guint i = 0; i < config->layers; i++) {
    KvLayer *l = &pool->layers[i];

    l->k = arena_add (pool->arena, type, LAYOUT_ROWS, pool->n_blocks, elements);
    l->v = arena_add (pool->arena, type, LAYOUT_ROWS, pool->n_blocks, elements);
    l->heads = config->kv_heads;
    l->head_dim = language_head_dim (config);
  }
  /* From the end, so that blocks are first handed out in order. */
  for (guint i = pool->n_blocks; i-- > 0;) {
    guint32 block = i;
    g_array_append_val (pool->free, block);
  }
  if (!arena_commit (pool->arena, error))
    return NULL;
  return g_steal_pointer (&pool);
}

void
kv_pool_free (KvPool *pool)
{
  if (!pool)
    return;
  g_assert (g_queue_is_empty (&pool->sequences));
  arena_free (pool->arena);
  g_array_unref (pool->free);
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

KvSequence *
kv_sequence_new (KvPool *pool)
{
  KvSequence *seq = g_new0 (KvSequence, 1);

  seq->pool = pool;
  seq->blocks = g_array_new (FALSE, FALSE, sizeof (guint32));
  seq->link.data = seq;
  g_queue_push_tail_link (&pool->sequences, &seq->link);
  return seq;
}

void
kv_sequence_free (KvSequence *seq)
{
  if (!seq)
    return;
  kv_sequence_truncate (seq, 0);
  g_queue_unlink (&seq->pool->sequences, &seq->link);
  g_array_unref (seq->blocks);
  g_free (seq);
}

guint
kv_sequence_length (const KvSequence *seq)
{
  return seq->length;
}

void
kv_sequence_truncate (KvSequence *seq, guint n)
{
  guint keep = (n + KV_BLOCK - 1) / KV_BLOCK;

  if (n >= seq->length)
    return;
  while (seq->blocks->len > keep) {
    g_array_append_val (seq->pool->free, g_array_index (seq->blocks, guint32, seq->blocks->len - 1));
    g_array_set_size (seq->blocks, seq->blocks->len - 1);
  }
  seq->length = n;
}

gboolean
kv_sequence_extend (KvSequence *seq, guint n)
{
  KvPool *pool = seq->pool;
  guint need = (n + KV_BLOCK - 1) / KV_BLOCK;

  if (need > pool->n_blocks)
    return FALSE;

  g_queue_unlink (&pool->sequences, &seq->link);
  g_queue_push_tail_link (&pool->sequences, &seq->link);
  for (GList *l = pool->sequences.head; l != &seq->link && seq->blocks->len + pool->free->len < need; l = l->next)
    kv_sequence_truncate (l->data, 0);

  while (seq->blocks->len < need) {
    g_array_append_val (seq->blocks, g_array_index (pool->free, guint32, pool->free->len - 1));
    g_array_set_size (pool->free, pool->free->len - 1);
  }
  seq->length = MAX (seq->length, n);
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

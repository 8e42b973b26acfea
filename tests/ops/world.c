#include "world.h"

#include "tensors.h"
#include "vk/twins.h"

void
world_plan (World *w, Device *dev, KvType type, guint heads, guint head_dim, guint n_sequences, guint keys)
{
  guint n;

  *w = (World){ .dev = dev, .arena = arena_new (dev, ARENA_DEVICE, "world"), .n_sequences = n_sequences, .keys = keys, .spare = 3 };
  w->blocks = (keys + KV_BLOCK - 1) / KV_BLOCK;
  n = n_sequences * w->blocks + w->spare;
  w->kv = kv_layer_add (w->arena, type, n, heads, head_dim);
  w->table_tensor = arena_add (w->arena, TYPE_U32, LAYOUT_ROWS, n_sequences, w->blocks);
  w->table = g_new (guint32, n);
  for (guint i = 0; i < n; i++)
    w->table[i] = i;
  for (guint i = n - 1; i > 0; i--) {
    guint j = g_test_rand_int_range (0, i + 1);
    guint32 other = w->table[j];
    w->table[j] = w->table[i];
    w->table[i] = other;
  }
}

void
world_fill (World *w)
{
  const KvLayer *kv = &w->kv;
  gsize n = (gsize)w->n_sequences * w->keys * kv->heads * kv->head_dim;
  g_autofree guint8 *keys = g_malloc0 (tensor_bytes (&kv->k)), *values = g_malloc0 (tensor_bytes (&kv->v));
  g_autoptr (GError) error = NULL;

  arena_commit (w->arena, &error);
  g_assert_no_error (error);
  rows_write (&w->table_tensor, w->table);
  w->k = random_floats (n, 0);
  w->v = random_floats (n, 0.5);
  for (guint i = 0; i < kv->k.rows * KV_BLOCK * kv->heads; i++) {
    float rubbish[2][128];

    for (guint j = 0; j < kv->head_dim; j++)
      rubbish[0][j] = rubbish[1][j] = 1000;
    twin_kv_put (kv, keys, values, i / kv->heads / KV_BLOCK, i / kv->heads % KV_BLOCK, i % kv->heads, rubbish[0], rubbish[1]);
  }
  for (guint s = 0; s < w->n_sequences; s++)
    for (guint j = 0; j < w->keys * kv->heads; j++) {
      guint key = j / kv->heads, block = w->table[s * w->blocks + key / KV_BLOCK];
      gsize at = ((gsize)s * w->keys * kv->heads + j) * kv->head_dim;

      twin_kv_put (kv, keys, values, block, key % KV_BLOCK, j % kv->heads, w->k + at, w->v + at);
    }
  tensor_write (&kv->k, 0, keys, tensor_bytes (&kv->k), &error);
  g_assert_no_error (error);
  tensor_write (&kv->v, 0, values, tensor_bytes (&kv->v), &error);
  g_assert_no_error (error);
}

void
world_clear (World *w)
{
  arena_free (w->arena);
  g_free (w->table);
  g_free (w->k);
  g_free (w->v);
}

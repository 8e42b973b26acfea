/* Rotation and the cache of blocks against their twins. */
#include "tensors.h"

#include <math.h>

#include "harness.h"
#include "vk/twins.h"
#include "world.h"

#define PADDING G_MAXUINT32

typedef struct
{
  KvType type;
  guint head_dim, heads_q, heads, m;
  gboolean rotate;
} RopeCase;

/* How far a number may be from what the cache holds of it: half a unit in the last place of 11 bits, or half a step; and what f32
 * adds. */
static double
rope_tolerance (KvType type, double want, float step)
{
  switch (type) {
    case KV_F16:
      return 0x1.01p-11 * fabs (want) + 1e-6;
    case KV_INT8:
      return 0.5001 * step + 1e-6;
    case KV_F32:
      break;
  }
  return 1e-6 * (1 + fabs (want));
}

static void
rope_check_head (const RopeCase *c, const float *got, const double *want)
{
  float narrow[128];
  guint16 bits;

  for (guint i = 0; i < c->head_dim; i++)
    narrow[i] = want[i];
  for (guint i = 0; i < c->head_dim; i++)
    g_assert_cmpfloat (fabs (got[i] - want[i]), <=, rope_tolerance (c->type, want[i], twin_kv_step (narrow, c->head_dim, &bits)));
}

/* Where no row was put there are zeros. */
static void
rope_check_cache (const World *w, const RopeCase *c, const guint32 *rows, const double *k_want, const double *v_want)
{
  static const double zeros[128];
  const KvLayer *kv = &w->kv;
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *keys = g_malloc (tensor_bytes (&kv->k)), *values = g_malloc (tensor_bytes (&kv->v));

  tensor_read (&kv->k, 0, keys, tensor_bytes (&kv->k), &error);
  g_assert_no_error (error);
  tensor_read (&kv->v, 0, values, tensor_bytes (&kv->v), &error);
  g_assert_no_error (error);
  for (guint slot = 0; slot < kv->k.rows * KV_BLOCK; slot++) {
    guint row = 0;

    while (row < c->m && rows[row * 4] != slot)
      row++;
    for (guint h = 0; h < c->heads; h++) {
      gsize at = ((gsize)row * c->heads + h) * c->head_dim;
      float key[128], value[128];

      twin_kv_get (kv, keys, values, slot / KV_BLOCK, slot % KV_BLOCK, h, key, value);
      rope_check_head (c, key, row < c->m ? k_want + at : zeros);
      rope_check_head (c, value, row < c->m ? v_want + at : zeros);
    }
  }
}

static void
rope_case (Device *dev, const RopeCase *c)
{
  const guint n_q = c->heads_q * c->head_dim, n_kv = c->heads * c->head_dim, n = n_q + 2 * n_kv;
  World w;
  g_autoptr (OpStream) s = op_stream_new (dev, "rope");
  g_autoptr (GError) error = NULL;
  g_autofree guint32 *rows = g_new0 (guint32, c->m * 4);
  g_autofree float *xs = random_floats ((gsize)c->m * n, 0.2), *ropes = random_floats (c->m * c->head_dim, 0);
  g_autofree float *qs = g_new (float, c->m *n_q);
  g_autofree double *q_want = g_new (double, c->m *n_q), *k_want = g_new (double, c->m *n_kv), *v_want = g_new (double, c->m *n_kv);
  g_autofree gchar *what =
      g_strdup_printf ("rope_kv type %d, head_dim %u, %u:%u heads, %u rows", c->type, c->head_dim, c->heads_q, c->heads, c->m);
  Tensor q, qkv, rope, rows_tensor;
  Step step;

  world_plan (&w, dev, c->type, c->heads, c->head_dim, 2, 3 * KV_BLOCK);
  q = arena_add (w.arena, TYPE_F32, LAYOUT_ROWS, c->m, n_q);
  qkv = arena_add (w.arena, TYPE_F32, LAYOUT_ROWS, c->m, n);
  rope = arena_add (w.arena, TYPE_F32, LAYOUT_ROWS, c->m, c->head_dim);
  rows_tensor = arena_add (w.arena, TYPE_U32, LAYOUT_ROWS, c->m, 4);
  arena_commit (w.arena, &error);
  g_assert_no_error (error);
  step = (Step){ .rows = &rows_tensor, .table = &w.table_tensor, .rope = c->rotate ? &rope : NULL };

  if (c->type == KV_F16)
    xs[c->m * n - 1] = 1e6; /* beyond f16: a value of the last row */
  for (guint i = 0; i < c->m; i++) {
    const float *turn = ropes + i * c->head_dim;

    /* Each row at another place, the last place of the cache among them; one row in five is padding. */
    rows[i * 4] = i % 5 == 4 ? PADDING : (w.kv.k.rows * KV_BLOCK - 1 - i * 11);
    for (guint j = 0; j < n; j++) {
      double *to = j < n_q          ? q_want + i * n_q + j
                   : j < n_q + n_kv ? k_want + i * n_kv + j - n_q
                                    : v_want + i * n_kv + j - n_q - n_kv;
      *to = xs[i * n + j];
    }
    for (guint h = 0; c->rotate && h < c->heads_q; h++)
      twin_rotate (q_want + i * n_q + h * c->head_dim, c->head_dim, turn);
    for (guint h = 0; c->rotate && h < c->heads; h++)
      twin_rotate (k_want + i * n_kv + h * c->head_dim, c->head_dim, turn);
  }
  if (c->type == KV_F16)
    v_want[c->m * n_kv - 1] = 65504;
  rows_write (&qkv, xs);
  rows_write (&rope, ropes);
  rows_write (&rows_tensor, rows);
  op_rope_kv (s, &q, &w.kv, &qkv, &step);
  stream_go (s);
  rows_read (&q, qs);
  check_nmse (what, qs, q_want, c->m * n_q, 1e-10);
  rope_check_cache (&w, c, rows, k_want, v_want);
  world_clear (&w);
}

static const RopeCase rope_cases[] = {
  { KV_F32, 96, 4, 2, 11, TRUE },
  { KV_F16, 96, 4, 2, 11, TRUE },
  { KV_F32, 64, 3, 3, 7, FALSE },
  { KV_F16, 40, 2, 1, 6, TRUE },
  { KV_F16, 8, 1, 1, 1, TRUE },
  { KV_F32, 24, 6, 1, 20, TRUE },
  { KV_INT8, 96, 4, 2, 11, TRUE },
  { KV_INT8, 64, 3, 3, 7, FALSE },
  { KV_INT8, 40, 2, 1, 6, TRUE },
  { KV_INT8, 8, 1, 1, 1, TRUE },
  { KV_INT8, 24, 6, 1, 20, TRUE },
  { KV_INT8, 128, 2, 2, 9, TRUE },
};

static void
test_rope_kv (Device *dev)
{
  for (guint i = 0; i < G_N_ELEMENTS (rope_cases); i++)
    rope_case (dev, &rope_cases[i]);
}

/* A binding holds 2 of the 9 blocks, or 4 of bytes. */
static void
test_rope_kv_windows (Device *dev)
{
  guint64 range = dev->limits.storage_range;
  static const RopeCase c = { KV_F32, 32, 2, 2, 20, TRUE }, bytes = { KV_INT8, 64, 2, 2, 20, TRUE };

  dev->limits.storage_range = 20000;
  rope_case (dev, &c);
  rope_case (dev, &bytes);
  dev->limits.storage_range = range;
}

/* --- memory ---------------------------------------------------------------------------------------------------------------- */

static guint64
cache_bytes (KvType type, guint tokens)
{
  enum
  {
    LAYERS = 32,
    HEADS = 32,
    DIM = 96,
  };
  g_autoptr (Arena) a = arena_new (form_device (0), ARENA_DEVICE, "cache");

  for (guint i = 0; i < LAYERS; i++)
    kv_layer_add (a, type, (tokens + KV_BLOCK - 1) / KV_BLOCK, HEADS, DIM);
  return arena_bytes (a);
}

/* Of Mini-InternVL-Chat-4B. 16 cameras, 8 frames of a tile and a question each. */
static void
test_bytes_of_16_cameras (void)
{
  guint64 bytes = cache_bytes (KV_INT8, 16 * 2300), halves = cache_bytes (KV_F16, 16 * 2300);

  g_test_message ("%" G_GUINT64_FORMAT " bytes, at 16 bits %" G_GUINT64_FORMAT, bytes, halves);
  g_assert_cmpuint (bytes, <, (guint64)7 << 30);
  g_assert_cmpfloat (bytes, <, 0.511 * halves);
}

int
main (int argc, char **argv)
{
  int failures;

  harness_init (&argc, &argv);
  add_in_every_form ("/rope_kv/rotates_and_fills_the_cache_but_for_padding", test_rope_kv);
  add_in_every_form ("/rope_kv/cache_beyond_one_binding", test_rope_kv_windows);
  g_test_add_func ("/kv/16_cameras_fit_7_gib_at_8_bits", test_bytes_of_16_cameras);
  failures = g_test_run ();
  forms_close ();
  return failures;
}

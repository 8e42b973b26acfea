/* Rows of single ops. Weights rotate over more memory than any cache holds. */
#include "bench.h"

#include <string.h>

#include "vk/twins.h"

#define ROTATED (G_GUINT64_CONSTANT (1) << 30) /* bytes */
#define QUICK_ROTATED (G_GUINT64_CONSTANT (1) << 24)
#define TWIN_OPERATIONS 2e8 /* about a tenth of a second */
#define SECONDS 2.0
#define GPU_SECONDS 0.5 /* of thousands of runs, which nothing else disturbs */
#define QUICK_SECONDS 0.1
#define LEAST_RUNS 5
#define QUICK_RUNS 2
#define QUICK_ROWS 32

typedef struct
{
  guint m, n, k;
} Shape;

/* The linear layers of Phi-3-mini for a chunk of a prompt, and of InternViT-300M for a tile. */
static const Shape matmul_shapes[] = {
  { 256, 16384, 3072 },
  { 256, 3072, 8192 },
  { 1025, 4096, 1024 },
  { 1025, 1024, 4096 },
};

/* A decode step's: q, k and v; gate and up; down; the head. */
static const Shape matvec_shapes[] = {
  { 1, 9216, 3072 },
  { 1, 16384, 3072 },
  { 1, 3072, 8192 },
  { 1, 32064, 3072 },
  { 4, 16384, 3072 },
};

static const struct
{
  TensorType type;
  const gchar *name;
} weight_types[] = { { TYPE_F32, "f32" }, { TYPE_F16, "f16" }, { TYPE_BF16, "bf16" }, { TYPE_Q8, "q8" }, { TYPE_Q4, "q4" } };

static void
fill (float *values, gsize n, float most)
{
  guint32 state = 1;

  for (gsize i = 0; i < n; i++) {
    state = state * 1664525 + 1013904223;
    values[i] = ((gint32)state >> 8) * 0x1p-23f * most;
  }
}

static double
twin_gflops (const Shape *shape)
{
  guint n = CLAMP (TWIN_OPERATIONS / (2.0 * shape->m * shape->k), 1, shape->n);
  g_autofree float *x = g_new (float, (gsize)shape->m * shape->k), *w = g_new (float, (gsize)n * shape->k);
  g_autofree double *y = g_new (double, (gsize)shape->m *n);
  const TwinEpilogue plain = { .period = 1 };
  gint64 start;

  fill (x, (gsize)shape->m * shape->k, 1);
  fill (w, (gsize)n * shape->k, 1);
  start = g_get_monotonic_time ();
  twin_matmul (y, x, w, shape->m, n, shape->k, &plain);
  return 2e-3 * shape->m * n * shape->k / MAX (g_get_monotonic_time () - start, 1);
}

static guint
copies_of (const Bench *b, guint64 bytes)
{
  guint64 all = b->quick ? QUICK_ROTATED : ROTATED;

  return (all + bytes - 1) / bytes + 1;
}

/* The streams in turn. */
static void
time_streams (Bench *b, GPtrArray *streams, BenchRow *row)
{
  double seconds = b->quick ? QUICK_SECONDS : device_limits (b->dev)->cpu ? SECONDS : GPU_SECONDS;
  BenchTimer timer;

  bench_run_stream (streams->pdata[streams->len - 1]); /* drivers compile when a kernel first runs */
  bench_timer_start (&timer, seconds, b->quick ? QUICK_RUNS : LEAST_RUNS);
  for (guint i = 0; bench_goes_on (&timer); i = (i + 1) % streams->len)
    bench_ran (&timer, bench_run_stream (streams->pdata[i]), 1);
  bench_timer_stop (&timer, row);
}

/* --- linear layers ----------------------------------------------------------------------------------------------------------- */

/* One row of the table: enough weights, a stream for each of them, run in turn. */
static void
time_linear (Bench *b, const gchar *name, const Shape *shape, guint type)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Arena) arena = arena_new (b->dev, ARENA_DEVICE, name);
  g_autoptr (GPtrArray) streams = g_ptr_array_new_with_free_func ((GDestroyNotify)op_stream_free);
  g_autofree float *values = g_new (float, (gsize)MAX (shape->m, 8) * shape->k);
  Tensor x = arena_add (arena, TYPE_F32, LAYOUT_ROWS, shape->m, shape->k);
  Tensor y = arena_add (arena, TYPE_F32, LAYOUT_ROWS, shape->m, shape->n);
  Tensor first = arena_add (arena, weight_types[type].type, LAYOUT_WEIGHTS, shape->n, shape->k);
  guint64 bytes = tensor_bytes (&first);
  guint copies = copies_of (b, bytes);
  g_autofree Tensor *w = g_new (Tensor, copies);
  g_autofree guint8 *packed = g_malloc (bytes);
  BenchRow row = {
    .name = name,
    .precision = weight_types[type].name,
    .shape = g_strdup_printf ("%ux%ux%u", shape->m, shape->n, shape->k),
    .flops = 2.0 * shape->m * shape->n * shape->k,
    .weights = (double)shape->n * shape->k,
    .limit = g_str_equal (name, "matmul") ? bench_matmul_limit (weight_types[type].type) : LIMIT_READ,
  };

  w[0] = first;
  for (guint i = 1; i < copies; i++)
    w[i] = arena_add (arena, first.type, LAYOUT_WEIGHTS, shape->n, shape->k);
  arena_commit (arena, &error);
  bench_assert (error);

  /* Eight rows, again and again: the values do not change the time, as long as they are normal numbers. */
  fill (values, 8 * (gsize)shape->k, 0.05f);
  for (guint r = 0; r + 8 <= shape->n; r += 8)
    weights_pack (packed + row_bytes (first.type, (guint64)r * first.stride), first.type, values, TYPE_F32, 8, shape->k);
  for (guint i = 0; i < copies; i++) {
    tensor_write (&w[i], 0, packed, bytes, &error);
    bench_assert (error);
  }
  fill (values, (gsize)shape->m * shape->k, 1);
  tensor_write (&x, 0, values, (gsize)shape->m * shape->k * sizeof *values, &error);
  bench_assert (error);

  for (guint i = 0; i < copies; i++) {
    OpStream *s = op_stream_new (b->dev, name);

    g_ptr_array_add (streams, s);
    op_matmul (s, &y, &x, &w[i], NULL);
    op_stream_end (s, &error);
    bench_assert (error);
  }
  time_streams (b, streams, &row);
  row.bytes = (double)row_bytes (first.type, (guint64)shape->n * first.stride);
  row.twin_gflops = twin_gflops (shape);
  bench_add (b, row);
}

static void
time_shapes (Bench *b, const gchar *name, const Shape *shapes, guint n)
{
  for (guint type = 0; type < G_N_ELEMENTS (weight_types); type++)
    for (guint i = 0; bench_wants (b, weight_types[type].type) && i < n; i++) {
      Shape shape = shapes[i];

      shape.m = b->quick ? MIN (shape.m, QUICK_ROWS) : shape.m;
      time_linear (b, name, &shape, type);
    }
}

void
bench_matmul (Bench *b)
{
  time_shapes (b, "matmul", matmul_shapes, G_N_ELEMENTS (matmul_shapes));
}

void
bench_matvec (Bench *b)
{
  time_shapes (b, "matvec", matvec_shapes, G_N_ELEMENTS (matvec_shapes));
}

/* --- attention --------------------------------------------------------------------------------------------------------------- */

typedef struct
{
  KvType type;
  guint rows, keys, heads, head_dim;
  gboolean causal; /* the last row sees all keys, the row before it one less */
} AttentionShape;

/* A tile in InternViT-300M; the second half of 512 tokens in Phi-3-mini. */
static const AttentionShape attention_shapes[] = {
  { KV_F32, 1025, 1025, 16, 64, FALSE },
  { KV_F16, 256, 512, 32, 96, TRUE },
  { KV_INT8, 256, 512, 32, 96, TRUE },
};

/* A decode step of Phi-3-mini: each row is a sequence of its own. */
static const AttentionShape decode_shapes[] = {
  { KV_F16, 1, 512, 32, 96, FALSE },
  { KV_F16, 1, 4096, 32, 96, FALSE },
  { KV_F16, 4, 512, 32, 96, FALSE },
  { KV_INT8, 1, 512, 32, 96, FALSE },
  { KV_INT8, 1, 4096, 32, 96, FALSE },
};

static double
twin_attention_gflops (const AttentionShape *c)
{
  double flops = 4.0 * c->keys * c->head_dim;
  guint n = MAX (TWIN_OPERATIONS / flops, 1);
  gsize values = (gsize)c->keys * c->head_dim;
  g_autofree float *k = g_new (float, values), *v = g_new (float, values);
  g_autofree double *out = g_new (double, c->head_dim);
  gint64 start;

  fill (k, values, 1);
  fill (v, values, 1);
  start = g_get_monotonic_time ();
  for (guint i = 0; i < n; i++)
    twin_attention (out, k, k, v, c->keys, c->head_dim, c->head_dim, 0.1);
  return 1e-3 * n * flops / MAX (g_get_monotonic_time () - start, 1);
}

static void
write_blocks (const Tensor *t, guint8 *first)
{
  g_autoptr (GError) error = NULL;
  guint64 bytes = tensor_bytes (t), block = bytes / t->rows;
  g_autofree guint8 *image = g_malloc (bytes);

  for (guint i = 0; i < t->rows; i++)
    memcpy (image + i * block, first, block);
  tensor_write (t, 0, image, bytes, &error);
  bench_assert (error);
}

/* All blocks are equal. */
static void
fill_cache (const KvLayer *kv)
{
  g_autofree guint8 *keys = g_malloc0 (tensor_bytes (&kv->k) / kv->k.rows),
                    *values = g_malloc0 (tensor_bytes (&kv->v) / kv->v.rows);

  for (guint i = 0; i < KV_BLOCK * kv->heads; i++) {
    float x[2][128];

    fill (x[0], kv->head_dim, 1);
    fill (x[1], kv->head_dim, 1);
    twin_kv_put (kv, keys, values, 0, i / kv->heads, i % kv->heads, x[0], x[1]);
  }
  write_blocks (&kv->k, keys);
  write_blocks (&kv->v, values);
}

static void
fill_attention_step (const AttentionShape *c, const Tensor *rows, const Tensor *table, const Tensor *q)
{
  guint32 *row = tensor_map (rows), *block = tensor_map (table);

  for (guint i = 0; i < c->rows; i++) {
    row[(gsize)i * rows->stride] = G_MAXUINT32;
    row[(gsize)i * rows->stride + 1] = c->causal ? c->keys - c->rows + i + 1 : c->keys;
    row[(gsize)i * rows->stride + 2] = table->rows > 1 ? i : 0;
    fill ((float *)tensor_map (q) + (gsize)i * q->stride, q->cols, 1);
  }
  for (guint s = 0; s < table->rows; s++)
    for (guint i = 0; i < table->cols; i++)
      block[(gsize)s * table->stride + i] = s * table->cols + i;
}

/* decode: rotates over caches as a decode step does over layers. */
static void
time_attention (Bench *b, const gchar *name, const AttentionShape *c, gboolean decode)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Arena) arena = arena_new (b->dev, ARENA_DEVICE, name), host = arena_new (b->dev, ARENA_HOST, name);
  g_autoptr (GPtrArray) streams = g_ptr_array_new_with_free_func ((GDestroyNotify)op_stream_free);
  guint sequences = decode ? c->rows : 1, blocks = (c->keys + KV_BLOCK - 1) / KV_BLOCK, width = c->heads * c->head_dim;
  guint64 bytes = 2 * (guint64)sequences * blocks * KV_BLOCK * width * twin_kv_size (c->type);
  guint copies = decode ? copies_of (b, bytes) : 1;
  g_autofree KvLayer *kv = g_new (KvLayer, copies);
  Tensor rows = arena_add (host, TYPE_U32, LAYOUT_ROWS, c->rows, 4);
  Tensor table = arena_add (host, TYPE_U32, LAYOUT_ROWS, sequences, blocks);
  Tensor q = arena_add (host, TYPE_F32, LAYOUT_ROWS, c->rows, width);
  Tensor out = arena_add (arena, TYPE_F32, LAYOUT_ROWS, c->rows, width);
  Tensor work = { NULL };
  Step step = { .rows = &rows, .table = &table };
  guint columns;
  double seen = (double)c->rows * (c->causal ? c->keys - (c->rows - 1) / 2.0 : c->keys);
  BenchRow row = {
    .name = name,
    .precision = kv_type_name (c->type),
    .shape = g_strdup_printf ("%ux%ux%ux%u", c->rows, c->keys, c->heads, c->head_dim),
    .flops = 4 * seen * width,
    .bytes = bytes,
    .limit = decode ? LIMIT_READ : LIMIT_MULADD,
  };

  for (guint i = 0; i < copies; i++)
    kv[i] = kv_layer_add (arena, c->type, sequences * blocks, c->heads, c->head_dim);
  columns = attention_work_columns (b->dev, kv, c->heads, c->keys, decode);
  if (columns) {
    work = arena_add (arena, TYPE_F32, LAYOUT_ROWS, c->rows, columns);
    step.work = &work;
  }
  if (arena_commit (arena, &error))
    arena_commit (host, &error);
  bench_assert (error);
  fill_attention_step (c, &rows, &table, &q);

  for (guint i = 0; i < copies; i++) {
    OpStream *s = op_stream_new (b->dev, name);

    fill_cache (&kv[i]);
    g_ptr_array_add (streams, s);
    (decode ? op_attention_decode : op_attention) (s, &out, &q, &kv[i], 0.1f, &step);
    op_stream_end (s, &error);
    bench_assert (error);
  }
  time_streams (b, streams, &row);
  row.twin_gflops = twin_attention_gflops (c);
  bench_add (b, row);
}

/* The cache of a model of 16-bit weights is f16 or bytes, and the vision transformer's f32. */
void
bench_attention (Bench *b)
{
  for (guint i = 0; i < G_N_ELEMENTS (attention_shapes); i++)
    time_attention (b, "attention", &attention_shapes[i], FALSE);
}

void
bench_attention_decode (Bench *b)
{
  for (guint i = 0; i < G_N_ELEMENTS (decode_shapes); i++)
    time_attention (b, "attention_decode", &decode_shapes[i], TRUE);
}

/* Rows of single ops. Weights rotate over more than any cache holds. */
#include "bench.h"

#include <string.h>

#include "ops/twins.h"

#define ALL_WEIGHTS (G_GUINT64_CONSTANT (1) << 30) /* bytes */
#define TWIN_OPERATIONS 2e8                        /* about a tenth of a second */
#define SECONDS 2.0

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
} weight_types[] = { { TYPE_F32, "f32" }, { TYPE_F16, "f16" }, { TYPE_BF16, "bf16" } };

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

/* One row of rows: weights enough, a stream for each of them, run in turn. */
static void
time_linear (Bench *b, const gchar *name, const Shape *shape, guint type, BenchLimit limit)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Arena) arena = arena_new (b->dev, ARENA_DEVICE, name);
  g_autoptr (GPtrArray) streams = g_ptr_array_new_with_free_func ((GDestroyNotify)op_stream_free);
  g_autofree float *values = g_new (float, (gsize)MAX (shape->m, 8) * shape->k);
  Tensor x = arena_add (arena, TYPE_F32, LAYOUT_ROWS, shape->m, shape->k);
  Tensor y = arena_add (arena, TYPE_F32, LAYOUT_ROWS, shape->m, shape->n);
  Tensor first = arena_add (arena, weight_types[type].type, LAYOUT_WEIGHTS, shape->n, shape->k);
  guint64 bytes = tensor_bytes (&first);
  guint copies = (ALL_WEIGHTS + bytes - 1) / bytes + 1;
  g_autofree Tensor *w = g_new (Tensor, copies);
  g_autofree guint8 *packed = g_malloc (bytes);
  BenchRow row = {
    .name = name,
    .precision = weight_types[type].name,
    .shape = g_strdup_printf ("%ux%ux%u", shape->m, shape->n, shape->k),
    .flops = 2.0 * shape->m * shape->n * shape->k,
    .weights = (double)shape->n * shape->k,
    .limit = limit,
  };
  BenchTimer timer;

  w[0] = first;
  for (guint i = 1; i < copies; i++)
    w[i] = arena_add (arena, first.type, LAYOUT_WEIGHTS, shape->n, shape->k);
  arena_commit (arena, &error);
  bench_assert (error);

  /* Eight rows, again and again: what the numbers are changes no time, as long as they are normal ones. */
  fill (values, 8 * (gsize)shape->k, 0.05f);
  for (guint r = 0; r + 8 <= shape->n; r += 8)
    weights_pack (packed + (gsize)r * first.stride * type_size (first.type), first.type, values, TYPE_F32, 8, shape->k);
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
  bench_run_stream (streams->pdata[copies - 1]); /* drivers compile when a kernel first runs */
  bench_timer_start (&timer, SECONDS);
  for (guint i = 0; bench_goes_on (&timer); i = (i + 1) % copies)
    bench_ran (&timer, bench_run_stream (streams->pdata[i]));
  bench_timer_stop (&timer, &row);
  row.bytes = row.weights * type_size (first.type);
  row.twin_gflops = twin_gflops (shape);
  bench_add (b, row);
}

static void
time_shapes (Bench *b, const gchar *name, const Shape *shapes, guint n, BenchLimit limit)
{
  for (guint type = 0; type < G_N_ELEMENTS (weight_types); type++)
    for (guint i = 0; bench_wants (b, weight_types[type].type) && i < n; i++)
      time_linear (b, name, &shapes[i], type, limit);
}

void
bench_matmul (Bench *b)
{
  time_shapes (b, "matmul", matmul_shapes, G_N_ELEMENTS (matmul_shapes), LIMIT_MULADD);
}

void
bench_matvec (Bench *b)
{
  time_shapes (b, "matvec", matvec_shapes, G_N_ELEMENTS (matvec_shapes), LIMIT_READ);
}

double
bench_copy (Device *dev)
{
  enum
  {
    TENSORS = 16,
    ROWS = 4096,
    COLUMNS = 4096,
    BYTES = ROWS * COLUMNS * 4,
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (Arena) arena = arena_new (dev, ARENA_DEVICE, "copy");
  g_autoptr (OpStream) s = op_stream_new (dev, "copy");
  Tensor t[TENSORS];
  guint64 best = G_MAXUINT64;

  for (guint i = 0; i < TENSORS; i++)
    t[i] = arena_add (arena, TYPE_F32, LAYOUT_ROWS, ROWS, COLUMNS);
  arena_commit (arena, &error);
  bench_assert (error);
  for (guint i = 0; i + 1 < TENSORS; i += 2)
    op_copy (s, &t[i], &t[i + 1]);
  op_stream_end (s, &error);
  bench_assert (error);
  for (guint i = 0; i < 3; i++)
    best = MIN (best, bench_run_stream (s));
  return (double)TENSORS * BYTES / best;
}

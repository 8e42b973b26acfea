/* Norms, the gated unit, tables and copies against their twins. */
#include "tensors.h"

#include <math.h>
#include <string.h>

#include "harness.h"
#include "vk/twins.h"

/* Columns around a view, which an op on the view must not touch. */
#define BESIDE 8

static Tensor
rows_of (Arena *a, guint rows, guint cols)
{
  return arena_add (a, TYPE_F32, LAYOUT_ROWS, rows, cols);
}

typedef struct
{
  guint m, n;
  NormKind kind;
  gboolean bias;
} NormCase;

static const NormCase norm_cases[] = {
  { 3, 1024, NORM_LAYER, TRUE },
  { 2, 3072, NORM_RMS, FALSE },
  { 1, 1, NORM_RMS, FALSE },
  { 5, 3, NORM_LAYER, FALSE },
  { 9, 33, NORM_LAYER, TRUE },
  { 7, 257, NORM_RMS, TRUE },
  { 2, 9001, NORM_LAYER, TRUE },
};

static void
test_norm (Device *dev)
{
  for (guint i = 0; i < G_N_ELEMENTS (norm_cases); i++) {
    const NormCase *c = &norm_cases[i];
    gsize n = (gsize)c->m * c->n;
    g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "norm");
    Tensor x = rows_of (a, c->m, c->n), y = rows_of (a, c->m, c->n), w = rows_of (a, 1, c->n), b = rows_of (a, 1, c->n);
    g_autoptr (OpStream) s = op_stream_new (dev, "norm");
    g_autofree float *xs = random_floats (n, 3), *ws = random_floats (c->n, 1), *bs = random_floats (c->n, 0),
                     *ys = g_new (float, n);
    g_autofree double *want = g_new (double, n);
    g_autofree gchar *what = g_strdup_printf ("norm %u x %u, kind %d", c->m, c->n, c->kind);

    g_assert_true (arena_commit (a, NULL));
    rows_write (&x, xs);
    rows_write (&w, ws);
    rows_write (&b, bs);
    op_norm (s, &y, &x, c->kind, 1e-6f, &w, c->bias ? &b : NULL);
    stream_go (s);
    rows_read (&y, ys);
    twin_norm (want, xs, c->m, c->n, c->kind == NORM_LAYER, 1e-6, ws, c->bias ? bs : NULL);
    check_nmse (what, ys, want, n, 1e-10);
  }
}

/* As q/k normalisation does it: a window of columns, onto itself. */
static void
test_norm_in_place (Device *dev)
{
  enum
  {
    M = 5,
    N = 100,
    ALL = N + 2 * BESIDE,
  };
  g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "norm");
  Tensor all = rows_of (a, M, ALL), x = tensor_columns (&all, BESIDE, N), w = rows_of (a, 1, N);
  g_autoptr (OpStream) s = op_stream_new (dev, "norm");
  g_autofree float *before = random_floats (M * ALL, 1), *xs = g_new (float, M *N), *ws = random_floats (N, 1);
  g_autofree float *after = g_new (float, M *ALL), *ys = g_new (float, M *N);
  g_autofree double *want = g_new (double, M *N);

  for (guint i = 0; i < M * N; i++)
    xs[i] = before[i / N * ALL + BESIDE + i % N];
  g_assert_true (arena_commit (a, NULL));
  rows_write (&all, before);
  rows_write (&w, ws);
  op_norm (s, &x, &x, NORM_RMS, 1e-5f, &w, NULL);
  stream_go (s);
  rows_read (&all, after);
  rows_read (&x, ys);
  twin_norm (want, xs, M, N, FALSE, 1e-5, ws, NULL);
  check_nmse ("norm in place", ys, want, M * N, 1e-10);
  for (guint i = 0; i < M * ALL; i++)
    if (i % ALL < BESIDE || i % ALL >= BESIDE + N)
      g_assert_cmpfloat (after[i], ==, before[i]);
}

static void
test_glu (Device *dev)
{
  static const guint cases[][2] = { { 3, 8192 }, { 1, 4 }, { 9, 36 }, { 5, 260 } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    guint m = cases[i][0], n = cases[i][1];
    g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "glu");
    Tensor x = rows_of (a, m, 2 * n), y = rows_of (a, m, n);
    g_autoptr (OpStream) s = op_stream_new (dev, "glu");
    g_autofree float *xs = random_floats ((gsize)m * 2 * n, 0), *ys = g_new (float, m *n);
    g_autofree double *want = g_new (double, m *n);
    g_autofree gchar *what = g_strdup_printf ("glu %u x %u", m, n);

    /* Gates so large that exp overflows or underflows. */
    xs[0] = 200;
    xs[1] = -200;
    g_assert_true (arena_commit (a, NULL));
    rows_write (&x, xs);
    op_glu (s, &y, &x);
    stream_go (s);
    rows_read (&y, ys);
    twin_glu (want, xs, m, n);
    want[0] = ys[0]; /* 200 * up: checked here, as it would drown the others */
    g_assert_cmpfloat_with_epsilon (ys[0], 200 * xs[n], 1e-4);
    check_nmse (what, ys, want, m * n, 1e-10);
  }
}

static void
test_gather (Device *dev, TensorType type, guint rows, guint cols)
{
  static const gint32 ids[] = { 0, 7, -1, 31, 32, -5, 8, 3, 3, 39, 1000000, -1000000 };
  enum
  {
    M = G_N_ELEMENTS (ids),
    EXTRA = 5,
  };
  g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "gather");
  Tensor table = arena_add (a, type, LAYOUT_WEIGHTS, rows, cols), extra = rows_of (a, EXTRA, cols), y = rows_of (a, M, cols);
  Tensor at = arena_add (a, TYPE_U32, LAYOUT_ROWS, 1, M);
  g_autoptr (OpStream) s = op_stream_new (dev, "gather");
  g_autofree float *ts = random_floats ((gsize)rows * cols, 0), *es = random_floats (EXTRA * cols, 0), *ys = g_new (float, M *cols);

  g_assert_true (arena_commit (a, NULL));
  weights_write (&table, ts);
  rows_write (&extra, es);
  rows_write (&at, ids);
  op_gather (s, &y, &table, &extra, &at);
  stream_go (s);
  rows_read (&y, ys);
  for (guint i = 0; i < M; i++)
    for (guint j = 0; j < cols; j++) {
      gint32 id = ids[i], other = -1 - id;
      float want = 0;

      if (id >= 0 && id < (gint)rows)
        want = ts[id * cols + j];
      else if (id < 0 && other < EXTRA)
        want = es[other * cols + j];
      g_assert_cmpfloat (ys[i * cols + j], ==, want);
    }
}

static void
test_gather_types (Device *dev)
{
  static const guint cols[] = { 4, 36, 3, 192 };

  for (TensorType type = TYPE_F32; type <= TYPE_BF16; type++)
    for (guint i = 0; i < G_N_ELEMENTS (cols); i++)
      test_gather (dev, type, 40, cols[i]);
}

/* The table's bytes are all the halves in turn. NaN stays NaN, all else is itself bit by bit. */
static void
test_gather_every_half (void)
{
  enum
  {
    ROWS = 64,
    COLS = 1024,
  };
  const DeviceOptions options = { .plain_halves = TRUE };
  g_autoptr (Device) dev = harness_device (&options);
  g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "halves");
  Tensor table = arena_add (a, TYPE_F16, LAYOUT_WEIGHTS, ROWS, COLS), y = rows_of (a, ROWS, COLS);
  Tensor at = arena_add (a, TYPE_U32, LAYOUT_ROWS, 1, ROWS);
  g_autoptr (OpStream) s = op_stream_new (dev, "halves");
  g_autofree guint16 *halves = g_new (guint16, ROWS * COLS);
  g_autofree float *wide = g_new (float, ROWS *COLS), *got = g_new (float, ROWS *COLS);
  guint32 ids[ROWS];

  for (guint i = 0; i < ROWS * COLS; i++)
    halves[i] = i;
  convert_to_f32 (wide, halves, TYPE_F16, ROWS * COLS);
  for (guint i = 0; i < ROWS; i++)
    ids[i] = i;
  g_assert_true (arena_commit (a, NULL));
  g_assert_true (tensor_write (&table, 0, halves, tensor_bytes (&table), NULL));
  rows_write (&at, ids);
  op_gather (s, &y, &table, NULL, &at);
  stream_go (s);
  rows_read (&y, got);
  for (guint i = 0; i < ROWS; i++)
    for (guint j = 0; j < COLS; j++) {
      const float *want = &wide[(((i / 8 * COLS + j) / 8 * 8 + i % 8) * 8) + j % 8], *v = &got[i * COLS + j];

      if (isnan (*want))
        g_assert_true (isnan (*v));
      else
        g_assert_cmpmem (v, sizeof *v, want, sizeof *want);
    }
}

/* Bindings so small that tables take several. */
static void
test_gather_windows (Device *dev)
{
  guint64 range = dev->limits.bulk_range;

  dev->limits.bulk_range = 2 * 32 * 64 * 4 + 100;
  test_gather (dev, TYPE_F32, 200, 64);
  dev->limits.bulk_range = range;
}

static void
test_rows (Device *dev)
{
  static const guint32 ids[] = { 6, 0, 6, 7, 3 };
  enum
  {
    M = 7,
    N = 37,
    K = G_N_ELEMENTS (ids),
  };
  g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "rows");
  Tensor x = rows_of (a, M, N), y = rows_of (a, K, N), at = arena_add (a, TYPE_U32, LAYOUT_ROWS, 1, K);
  g_autoptr (OpStream) s = op_stream_new (dev, "rows");
  g_autofree float *xs = random_floats (M * N, 0), *ys = g_new (float, K *N);

  g_assert_true (arena_commit (a, NULL));
  rows_write (&x, xs);
  rows_write (&at, ids);
  op_rows (s, &y, &x, &at);
  stream_go (s);
  rows_read (&y, ys);
  for (guint i = 0; i < K * N; i++)
    g_assert_cmpfloat (ys[i], ==, ids[i / N] < M ? xs[ids[i / N] * N + i % N] : 0);
}

/* More rows than one dimension of a dispatch has workgroups. */
static void
test_copy_many_rows (Device *dev)
{
  enum
  {
    M = 70001,
    N = 5,
  };
  g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "copy");
  g_autoptr (GError) error = NULL;
  Tensor x = arena_add (a, TYPE_U32, LAYOUT_ROWS, M, N), y = arena_add (a, TYPE_U32, LAYOUT_ROWS, M, N);
  g_autoptr (OpStream) s = op_stream_new (dev, "copy");
  g_autofree guint32 *xs = NULL, *ys = NULL;

  g_assert_true (arena_commit (a, NULL));
  xs = g_malloc (tensor_bytes (&x));
  ys = g_malloc (tensor_bytes (&x));
  for (guint i = 0; i < M * 32; i++)
    xs[i] = i % 32 < N ? i * 2654435761u : 0;
  tensor_write (&x, 0, xs, tensor_bytes (&x), &error);
  g_assert_no_error (error);
  op_copy (s, &y, &x);
  stream_go (s);
  tensor_read (&y, 0, ys, tensor_bytes (&y), &error);
  g_assert_no_error (error);
  g_assert_cmpmem (ys, M * 128, xs, M * 128);
}

static void
test_copy_between_views (Device *dev)
{
  enum
  {
    M = 6,
    N = 48,
  };
  g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "copy");
  Tensor x = rows_of (a, M, N), y = rows_of (a, M, N), from, to;
  g_autoptr (OpStream) s = op_stream_new (dev, "copy");
  g_autofree float *xs = random_floats (M * N, 0), *ys = random_floats (M * N, 0), *after = g_new (float, M *N);

  g_assert_true (arena_commit (a, NULL));
  rows_write (&x, xs);
  rows_write (&y, ys);
  from = tensor_columns (&x, 4, 20);
  from = tensor_rows (&from, 2, 3);
  to = tensor_columns (&y, 28, 20);
  to = tensor_rows (&to, 0, 3);
  op_copy (s, &to, &from);
  stream_go (s);
  rows_read (&y, after);
  for (guint i = 0; i < M; i++)
    for (guint j = 0; j < N; j++)
      g_assert_cmpfloat (after[i * N + j], ==, i < 3 && j >= 28 ? xs[(i + 2) * N + j - 24] : ys[i * N + j]);
}

static void
test_wrong_shapes (void)
{
  Device *dev = form_device (0);
  g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "shapes");
  Tensor x = rows_of (a, 4, 10), y = rows_of (a, 4, 12), ids = arena_add (a, TYPE_U32, LAYOUT_ROWS, 1, 3);
  OpStream *s;

  g_assert_true (arena_commit (a, NULL));
  s = op_stream_new (dev, "s");
  op_norm (s, &y, &x, NORM_RMS, 1e-5f, &x, NULL);
  stream_refused (s, "norm");
  s = op_stream_new (dev, "s");
  op_glu (s, &x, &y);
  stream_refused (s, "glu");
  s = op_stream_new (dev, "s");
  op_gather (s, &y, &x, NULL, &ids);
  stream_refused (s, "gather");
  s = op_stream_new (dev, "s");
  op_rows (s, &y, &y, &ids);
  stream_refused (s, "rows");
  s = op_stream_new (dev, "s");
  op_copy (s, &y, &x);
  stream_refused (s, "copy");
}

/* A table of blocks is no table of numbers, nor are words. */
static void
test_gather_refuses_other_types (void)
{
  static const TensorType types[] = { TYPE_Q8, TYPE_Q4, TYPE_U32 };
  Device *dev = form_device (0);
  g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "types");
  Tensor y = rows_of (a, 2, 32), ids = arena_add (a, TYPE_U32, LAYOUT_ROWS, 1, 2), tables[G_N_ELEMENTS (types)];

  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    tables[i] = arena_add (a, types[i], LAYOUT_WEIGHTS, 8, 32);
  g_assert_true (arena_commit (a, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (types); i++) {
    OpStream *s = op_stream_new (dev, "s");

    op_gather (s, &y, &tables[i], NULL, &ids);
    stream_refused (s, "gather: the table is not of");
  }
}

int
main (int argc, char **argv)
{
  int failures;

  harness_init (&argc, &argv);
  add_in_every_form ("/ops/norm/matches_twin_over_odd_sizes", test_norm);
  add_in_every_form ("/ops/norm/of_a_window_leaves_its_neighbours", test_norm_in_place);
  add_in_every_form ("/ops/glu/matches_twin_over_odd_sizes", test_glu);
  add_in_every_form ("/ops/gather/takes_rows_of_every_type_extra_rows_and_zeros_for_unknown_ids", test_gather_types);
  add_in_every_form ("/ops/gather/table_beyond_one_binding", test_gather_windows);
  g_test_add_func ("/ops/gather/refuses_types_that_are_no_rows_of_numbers", test_gather_refuses_other_types);
  g_test_add_func ("/ops/gather/every_half_is_itself_where_shaders_convert", test_gather_every_half);
  add_in_every_form ("/ops/rows/takes_rows_by_ids", test_rows);
  add_in_every_form ("/ops/copy/any_number_of_rows", test_copy_many_rows);
  add_in_every_form ("/ops/copy/between_views", test_copy_between_views);
  g_test_add_func ("/ops/wrong_shapes_fail_by_name", test_wrong_shapes);
  failures = g_test_run ();
  forms_close ();
  return failures;
}

/* The best of rows of logits, and what is masked of them, against their twins: to the bit, whatever the numbers are. */
#include "tensors.h"

#include <math.h>
#include <string.h>

#include "harness.h"
#include "vk/twins.h"

static void
check_row (const gchar *what, const Top *got, const float *x, guint n)
{
  Top want;
  double sum = twin_top (want.ids, want.values, &want.next, x, n, TOP_COUNT);

  for (guint i = 0; i < TOP_COUNT; i++)
    if (got->ids[i] != want.ids[i] || got->values[i] != want.values[i]) {
      g_test_fail_printf ("top of %s: place %u is %u: %.9g, the twin has %u: %.9g", what, i, got->ids[i], got->values[i],
          want.ids[i], want.values[i]);
      return;
    }
  if (got->next != want.next)
    g_test_fail_printf ("top of %s: %.9g follows, the twin has %.9g", what, got->next, want.next);
  if (!(fabs (got->sum - sum) <= 1e-5 * sum))
    g_test_fail_printf ("top of %s: the sum is %.9g, the twin has %.9g", what, got->sum, sum);
}

typedef struct
{
  guint m, n;
} TopCase;

static const TopCase cases[] = {
  { 2, 32064 }, /* Phi-3's */
  { 1, 151674 },
  { 8, 96 },
  { 1, 1 },
  { 3, 63 },
  { 3, 64 },
  { 3, 65 },
  { 2, 4096 },
  { 2, 4097 },
  { 9, 1000 },
};

/* Like real logits; with many equals; with anything that a broken model may give. */
static void
fill (float *x, gsize n, guint kind)
{
  static const float odd[] = { NAN, INFINITY, -INFINITY, 0.0f, -0.0f, 1e-40f, -1e-40f, 3e38f, -3e38f, -NAN };

  for (gsize i = 0; i < n; i++) {
    x[i] = g_test_rand_double_range (-20, 20);
    if (kind == 1)
      x[i] = floorf (x[i] / 8);
    if (kind == 2 && g_test_rand_int_range (0, 4) == 0)
      x[i] = odd[g_test_rand_int_range (0, G_N_ELEMENTS (odd))];
    if (kind == 3) /* nothing but infinity, and no more than a few */
      x[i] = i % 50 == 7 ? -1.5f : i % 3 ? NAN : -INFINITY;
  }
}

static void
test_top (Device *dev)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const TopCase *c = &cases[i];
    g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "logits");
    Tensor x = arena_add (a, TYPE_F32, LAYOUT_ROWS, c->m, c->n), top = arena_add (a, TYPE_U32, LAYOUT_ROWS, c->m, TOP_COLUMNS);
    Tensor work = arena_add (a, TYPE_U32, LAYOUT_ROWS, c->m, top_work_columns (c->n));
    g_autoptr (OpStream) s = op_stream_new (dev, "top");
    g_autoptr (GError) error = NULL;
    g_autofree float *xs = g_new (float, (gsize)c->m * c->n);
    g_autofree Top *tops = g_new (Top, c->m);

    g_assert_true (arena_commit (a, NULL));
    op_top (s, &top, &x, &work);
    op_stream_end (s, &error);
    g_assert_no_error (error);
    /* One recording: what one run leaves behind does not matter to the next. */
    for (guint kind = 0; kind < 4; kind++) {
      fill (xs, (gsize)c->m * c->n, kind);
      rows_write (&x, xs);
      op_stream_run (s, NULL, &error);
      g_assert_no_error (error);
      rows_read (&top, tops);
      for (guint r = 0; r < c->m; r++) {
        g_autofree gchar *what = g_strdup_printf ("%u x %u, kind %u, row %u", c->m, c->n, kind, r);

        check_row (what, &tops[r], xs + (gsize)r * c->n, c->n);
      }
    }
  }
}

static void
test_top_of_views (Device *dev)
{
  enum
  {
    M = 6,
    N = 300,
    FIRST = 20,
    COLS = 204,
  };
  g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "logits");
  Tensor x = arena_add (a, TYPE_F32, LAYOUT_ROWS, M, N), top = arena_add (a, TYPE_U32, LAYOUT_ROWS, M, TOP_COLUMNS);
  Tensor work = arena_add (a, TYPE_U32, LAYOUT_ROWS, M, top_work_columns (COLS)), x_view, top_view, work_view;
  g_autoptr (OpStream) s = op_stream_new (dev, "top");
  g_autofree float *xs = random_floats (M * N, 0);
  Top tops[M];

  /* Larger than anything in the view, right beside it. */
  for (guint i = 0; i < M; i++)
    xs[i * N + FIRST - 1] = xs[i * N + FIRST + COLS] = 100;
  g_assert_true (arena_commit (a, NULL));
  memset (tops, 0x5a, sizeof tops);
  rows_write (&x, xs);
  rows_write (&top, tops);
  x_view = tensor_columns (&x, FIRST, COLS);
  x_view = tensor_rows (&x_view, 2, 3);
  top_view = tensor_rows (&top, 1, 3);
  work_view = tensor_rows (&work, 3, 3);
  op_top (s, &top_view, &x_view, &work_view);
  stream_go (s);
  rows_read (&top, tops);
  for (guint i = 0; i < 3; i++)
    check_row ("a view", &tops[1 + i], xs + (2 + i) * N + FIRST, COLS);
  for (guint i = 0; i < M; i++)
    g_assert_cmpint (i >= 1 && i < 4, ==, tops[i].ids[0] != 0x5a5a5a5a);
}

/* Rows with a mask and without one, in a view; the other rows and the padding stay. */
static void
test_mask (Device *dev)
{
  static const guint widths[] = { 1, 31, 32, 33, 100, 32064 };

  for (guint i = 0; i < G_N_ELEMENTS (widths); i++) {
    enum
    {
      M = 5,
    };
    guint n = widths[i], columns = MASK_COLUMNS (n);
    g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "logits");
    Tensor x = arena_add (a, TYPE_F32, LAYOUT_ROWS, M, n), mask = arena_add (a, TYPE_U32, LAYOUT_ROWS, M, columns), view, masks;
    g_autoptr (OpStream) s = op_stream_new (dev, "mask");
    g_autofree float *want = random_floats (M * n, 0), *got = g_new (float, M *n);
    g_autofree guint32 *bits = g_new (guint32, M * columns);

    g_assert_true (arena_commit (a, NULL));
    rows_write (&x, want);
    for (guint r = 0; r < M; r++) {
      for (guint j = 0; j < columns; j++)
        bits[r * columns + j] = j ? (guint32)g_test_rand_int () : r == 2 ? 0 : r == 3 ? 0x80 : 1;
      if (r >= 1)
        twin_mask (want + r * n, n, bits + r * columns);
    }
    rows_write (&mask, bits);
    view = tensor_rows (&x, 1, M - 1);
    masks = tensor_rows (&mask, 1, M - 1);
    op_mask (s, &view, &masks);
    stream_go (s);
    rows_read (&x, got);
    g_assert_cmpmem (got, M * n * sizeof *got, want, M * n * sizeof *want);
  }
}

static void
test_wrong_shapes (void)
{
  Device *dev = form_device (0);
  g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "shapes");
  Tensor x = arena_add (a, TYPE_F32, LAYOUT_ROWS, 2, 100), top = arena_add (a, TYPE_U32, LAYOUT_ROWS, 2, TOP_COLUMNS);
  Tensor work = arena_add (a, TYPE_U32, LAYOUT_ROWS, 2, top_work_columns (100)), narrow, one = tensor_rows (&top, 0, 1);
  OpStream *s;

  g_assert_true (arena_commit (a, NULL));
  narrow = tensor_columns (&work, 0, 64);
  s = op_stream_new (dev, "s");
  op_top (s, &top, &x, &narrow);
  stream_refused (s, "top");
  s = op_stream_new (dev, "s");
  op_top (s, &one, &x, &work);
  stream_refused (s, "top");
  s = op_stream_new (dev, "s");
  op_top (s, &x, &x, &work);
  stream_refused (s, "top");
  s = op_stream_new (dev, "s");
  op_mask (s, &x, &work);
  stream_refused (s, "mask");
}

int
main (int argc, char **argv)
{
  int failures;

  harness_init (&argc, &argv);
  add_in_every_form ("/ops/top/is_the_twins_to_the_bit", test_top);
  add_in_every_form ("/ops/top/of_views_looks_nowhere_else", test_top_of_views);
  add_in_every_form ("/ops/mask/is_the_twins_to_the_bit", test_mask);
  g_test_add_func ("/ops/top/wrong_shapes_fail_by_name", test_wrong_shapes);
  failures = g_test_run ();
  forms_close ();
  return failures;
}

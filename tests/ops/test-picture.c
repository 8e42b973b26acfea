/* Pictures: bytes to pixels, resizing bit by bit, patches, pixel shuffle. */
#include "tensors.h"

#include <string.h>

#include "harness.h"
#include "twins.h"

static guint8 *
random_bytes (gsize n)
{
  guint8 *v = g_malloc (n);

  for (gsize i = 0; i < n; i++)
    v[i] = g_test_rand_int_range (0, 256);
  return v;
}

static guint32 *
random_pixels (gsize n)
{
  guint32 *v = g_new (guint32, n);

  for (gsize i = 0; i < n; i++)
    v[i] = g_test_rand_int_range (0, 1 << 24);
  return v;
}

static Tensor
words_of (Arena *a, guint rows, guint cols)
{
  return arena_add (a, TYPE_U32, LAYOUT_ROWS, rows, cols);
}

/* Compares all pixels; names the first that differs. */
static void
check_pixels (const gchar *what, const guint32 *got, const guint32 *want, guint width, guint height)
{
  for (guint i = 0; i < width * height; i++)
    if (got[i] != want[i]) {
      g_test_fail_printf ("%s: pixel (%u, %u) is %06x, the twin has %06x", what, i % width, i / width, got[i], want[i]);
      return;
    }
}

/* --- unpacking -------------------------------------------------------------------------------------------------------------- */

static void
unpack_case (Device *dev, guint width, guint height, guint stride)
{
  gsize bytes = (gsize)(height - 1) * stride + 3 * width, words = (bytes + 3) / 4;
  g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "unpack");
  Tensor src = words_of (a, 1, words), y = words_of (a, height, width);
  g_autoptr (OpStream) s = op_stream_new (dev, "unpack");
  g_autofree guint8 *in = random_bytes (words * 4);
  g_autofree guint32 *got = g_new (guint32, width * height), *want = g_new (guint32, width * height);
  g_autofree gchar *what = g_strdup_printf ("unpack_rgb %u x %u, stride %u", width, height, stride);

  g_assert_true (arena_commit (a, NULL));
  rows_write (&src, in);
  op_unpack_rgb (s, &y, &src, stride);
  stream_go (s);
  rows_read (&y, got);
  for (guint i = 0; i < width * height; i++) {
    const guint8 *p = in + (gsize)(i / width) * stride + 3 * (i % width);
    want[i] = p[0] | p[1] << 8 | p[2] << 16;
  }
  check_pixels (what, got, want, width, height);
}

static void
test_unpack (Device *dev)
{
  static const guint cases[][3] = { { 1, 1, 3 }, { 33, 5, 99 }, { 33, 5, 101 }, { 64, 3, 194 }, { 257, 9, 775 },
    { 8192, 2, 24577 } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    unpack_case (dev, cases[i][0], cases[i][1], cases[i][2]);
}

static void
test_unpack_windows (Device *dev)
{
  DeviceLimits limits = dev->limits;

  dev->limits.storage_range = 5000;
  unpack_case (dev, 61, 40, 185);
  dev->limits = limits;
  dev->limits.bulk_range = 4096;
  unpack_case (dev, 61, 40, 187);
  dev->limits = limits;
}

/* --- resizing --------------------------------------------------------------------------------------------------------------- */

/* A filter unlike any that resizes: any start, any count, and sums far beyond a byte on both sides. */
typedef struct
{
  guint n, most;
  guint32 *bounds;
  gint32 *taps;
} TestFilter;

static TestFilter
filter_random (guint in, guint out, guint most)
{
  TestFilter f = { out, most, g_new (guint32, 2 * out), g_new (gint32, out * most) };

  for (guint i = 0; i < out; i++) {
    guint count = g_test_rand_int_range (1, MIN (most, in) + 1), start = g_test_rand_int_range (0, in - count + 1);

    /* The edges come first and last, as in a resize. */
    if (i == 0)
      start = 0;
    if (i == out - 1)
      start = in - count;
    f.bounds[2 * i] = start;
    f.bounds[2 * i + 1] = count;
    for (guint j = 0; j < most; j++)
      f.taps[i * most + j] = g_test_rand_int_range (-(1 << 22), 3 << 21) / (gint32)count;
  }
  return f;
}

static void
filter_clear (TestFilter *f)
{
  g_free (f->bounds);
  g_free (f->taps);
}

/* columns: along rows of `width`; else down columns. */
static void
resize_case (Device *dev, gboolean columns, guint width, guint height, guint out, guint most)
{
  guint out_width = columns ? out : width, out_height = columns ? height : out;
  TestFilter f = filter_random (columns ? width : height, out, most);
  g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "resize");
  Tensor x = words_of (a, height, width), y = words_of (a, out_height, out_width);
  Tensor bounds = words_of (a, out, 2), taps = words_of (a, out, most);
  const Filter filter = { &bounds, &taps };
  g_autoptr (OpStream) s = op_stream_new (dev, "resize");
  g_autofree guint32 *in = random_pixels (width * height), *got = g_new (guint32, out_width * out_height);
  g_autofree guint32 *want = g_new0 (guint32, out_width * out_height);
  g_autofree gchar *what =
      g_strdup_printf ("resize_%s %u x %u to %u, %u taps", columns ? "columns" : "rows", width, height, out, most);

  g_assert_true (arena_commit (a, NULL));
  rows_write (&x, in);
  rows_write (&bounds, f.bounds);
  rows_write (&taps, f.taps);
  if (columns)
    op_resize_columns (s, &y, &x, &filter);
  else
    op_resize_rows (s, &y, &x, &filter);
  stream_go (s);
  rows_read (&y, got);
  for (guint i = 0; i < out_width * out_height; i++) {
    guint u = i % out_width, v = i / out_width, at = columns ? u : v;
    const guint8 *from = (const guint8 *)(in + (columns ? v * width + f.bounds[2 * at] : f.bounds[2 * at] * width + u));

    for (guint c = 0; c < 3; c++)
      want[i] |= twin_resample (from + c, columns ? 4 : 4 * width, f.taps + at * most, f.bounds[2 * at + 1]) << 8 * c;
  }
  check_pixels (what, got, want, out_width, out_height);
  filter_clear (&f);
}

static void
test_resize_columns (Device *dev)
{
  resize_case (dev, TRUE, 100, 7, 33, 13);
  resize_case (dev, TRUE, 5, 3, 448, 4);
  resize_case (dev, TRUE, 1, 2, 9, 1);
  resize_case (dev, TRUE, 8192, 3, 65, 75);
}

static void
test_resize_rows (Device *dev)
{
  resize_case (dev, FALSE, 33, 100, 41, 13);
  resize_case (dev, FALSE, 130, 5, 64, 4);
  resize_case (dev, FALSE, 3, 1, 9, 1);
  resize_case (dev, FALSE, 5, 1000, 21, 90);
}

static void
test_resize_windows (Device *dev)
{
  DeviceLimits limits = dev->limits;

  dev->limits.storage_range = 6000;
  resize_case (dev, TRUE, 50, 40, 35, 6);
  dev->limits = limits;
  dev->limits.bulk_range = 16384;
  resize_case (dev, TRUE, 70, 50, 35, 6);
  dev->limits = limits;
}

/* --- patches ---------------------------------------------------------------------------------------------------------------- */

static void
patches_case (Device *dev, guint side, guint patch)
{
  enum
  {
    COLUMNS = 3,
    ROWS = 2,
    COLUMN = 2,
    ROW = 1,
    FIRST = 2,
  };
  const PatchParams p = { side, patch, { 0.485f, 0.456f, 0.406f }, { 0.229f, 0.224f, 0.225f } };
  guint across = side / patch, m = FIRST + across * across + 1, n = 3 * patch * patch;
  g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "patches");
  Tensor x = words_of (a, ROWS * side, COLUMNS * side), y = arena_add (a, TYPE_F32, LAYOUT_ROWS, m, n);
  g_autoptr (OpStream) s = op_stream_new (dev, "patches");
  g_autofree guint32 *in = random_pixels (ROWS * side * COLUMNS * side);
  g_autofree float *before = random_floats (m * n, 0), *got = g_new (float, m *n);
  g_autofree double *want = g_new (double, m *n);
  g_autofree gchar *what = g_strdup_printf ("patches %u / %u", side, patch);

  g_assert_true (arena_commit (a, NULL));
  rows_write (&x, in);
  rows_write (&y, before);
  op_patches (s, &y, FIRST, &x, COLUMN, ROW, &p);
  stream_go (s);
  rows_read (&y, got);
  for (guint i = 0; i < m * n; i++) {
    guint row = i / n, c = i % n / (patch * patch), v = i % n / patch % patch, u = i % patch;

    if (row < FIRST || row >= FIRST + across * across) {
      g_assert_cmpfloat (got[i], ==, before[i]);
      want[i] = got[i];
    } else {
      guint at_v = ROW * side + (row - FIRST) / across * patch + v, at_u = COLUMN * side + (row - FIRST) % across * patch + u;
      want[i] = ((in[at_v * COLUMNS * side + at_u] >> 8 * c & 255) / 255.0 - p.mean[c]) / p.std[c];
    }
  }
  check_nmse (what, got, want, m * n, 1e-12);
}

static void
test_patches (Device *dev)
{
  patches_case (dev, 56, 14);
  patches_case (dev, 21, 7);
  patches_case (dev, 80, 16);
}

/* --- pixel shuffle ---------------------------------------------------------------------------------------------------------- */

static void
pixel_shuffle_case (Device *dev, guint side, guint r, guint d, gboolean v1)
{
  guint out = side / r, n = d * r * r;
  g_autoptr (Arena) arena = arena_new (dev, ARENA_DEVICE, "shuffle");
  /* The first row of the vision model's result is the class. */
  Tensor all = arena_add (arena, TYPE_F32, LAYOUT_ROWS, 1 + side * side, d), x = tensor_rows (&all, 1, side * side);
  Tensor y = arena_add (arena, TYPE_F32, LAYOUT_ROWS, out * out, n);
  g_autoptr (OpStream) s = op_stream_new (dev, "shuffle");
  g_autofree float *xs = random_floats (side * side * d, 0), *ys = g_new (float, out *out *n);

  g_assert_true (arena_commit (arena, NULL));
  rows_write (&x, xs);
  op_pixel_shuffle (s, &y, &x, side, r, v1);
  stream_go (s);
  rows_read (&y, ys);
  for (guint a = 0; a < out; a++)
    for (guint b = 0; b < out; b++)
      for (guint i = 0; i < r; i++)
        for (guint j = 0; j < r; j++)
          for (guint c = 0; c < d; c++) {
            guint row = v1 ? b * out + a : a * out + b;
            g_assert_cmpfloat (ys[row * n + (i * r + j) * d + c], ==, xs[((a * r + i) * side + b * r + j) * d + c]);
          }
}

static void
test_pixel_shuffle (Device *dev)
{
  for (guint v1 = 0; v1 < 2; v1++) {
    pixel_shuffle_case (dev, 8, 2, 128, v1);
    pixel_shuffle_case (dev, 6, 2, 36, v1);
    pixel_shuffle_case (dev, 9, 3, 4, v1);
    pixel_shuffle_case (dev, 2, 1, 8, v1);
  }
}

/* --- what is refused -------------------------------------------------------------------------------------------------------- */

static void
expect_failure (OpStream *s, const gchar *part)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (op_stream_end (s, &error));
  g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, part));
  op_stream_free (s);
}

static void
test_wrong_shapes (void)
{
  Device *dev = form_device (0);
  g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "shapes");
  Tensor src = words_of (a, 1, 10), x = words_of (a, 4, 4), y = arena_add (a, TYPE_F32, LAYOUT_ROWS, 4, 12);
  const Filter f = { &x, &x };
  const PatchParams p = { 4, 3, { 0 }, { 1, 1, 1 } };
  OpStream *s;

  g_assert_true (arena_commit (a, NULL));
  s = op_stream_new (dev, "s");
  op_unpack_rgb (s, &x, &src, 12);
  expect_failure (s, "10 words");
  s = op_stream_new (dev, "s");
  op_resize_columns (s, &x, &x, &f);
  expect_failure (s, "bounds");
  s = op_stream_new (dev, "s");
  op_resize_rows (s, &x, &x, &f);
  expect_failure (s, "bounds");
  s = op_stream_new (dev, "s");
  op_patches (s, &y, 0, &x, 0, 0, &p);
  expect_failure (s, "patches of side 3");
  s = op_stream_new (dev, "s");
  op_pixel_shuffle (s, &y, &x, 3, 2, FALSE);
  expect_failure (s, "side 3");
}

int
main (int argc, char **argv)
{
  int failures;

  harness_init (&argc, &argv);
  add_in_every_form ("/unpack_rgb/rows_at_any_byte", test_unpack);
  add_in_every_form ("/unpack_rgb/picture_beyond_one_binding", test_unpack_windows);
  add_in_every_form ("/resize/columns_equal_the_twin_to_the_bit", test_resize_columns);
  add_in_every_form ("/resize/rows_equal_the_twin_to_the_bit", test_resize_rows);
  add_in_every_form ("/resize/picture_beyond_one_binding", test_resize_windows);
  add_in_every_form ("/patches/one_tile_among_rows_that_stay", test_patches);
  add_in_every_form ("/pixel_shuffle/of_both_versions", test_pixel_shuffle);
  g_test_add_func ("/picture/wrong_shapes_fail_by_name", test_wrong_shapes);
  failures = g_test_run ();
  forms_close ();
  return failures;
}

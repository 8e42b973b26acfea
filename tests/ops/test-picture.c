/* Pictures: bytes to pixels, resizing bit by bit, patches, pixel shuffle. */
#include "tensors.h"

#include "harness.h"
#include "vk/twins.h"

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

/* The part of a picture that is looked at. */
typedef struct
{
  guint width, height, x, y;
} Part;

/* Planes that begin at odd places, rows with `slack` bytes between them. Sets params' planes; returns the bytes of all. */
static gsize
place_planes (UnpackParams *p, const Part *part, guint slack)
{
  static const guint bytes[][3] = { { 3 }, { 3 }, { 4 }, { 4 }, { 1 }, { 1, 2 }, { 1, 1, 1 } };
  gsize end = 0;

  for (guint i = 0; i < 3 && bytes[p->format][i]; i++) {
    guint share = i ? 2 : 1;

    p->first[i] = end + slack;
    p->stride[i] = bytes[p->format][i] * ((part->x + part->width + share - 1) / share) + slack;
    end = p->first[i] + (gsize)p->stride[i] * ((part->y + part->height + share - 1) / share);
  }
  p->x = part->x;
  p->y = part->y;
  return end;
}

/* Equal to the bit where nothing is computed, else within 2 levels a channel. */
static void
check_unpacked (const gchar *what, const guint32 *got, const guint32 *want, guint width, guint height, guint most)
{
  for (guint i = 0; i < width * height; i++)
    for (guint c = 0; c < 24; c += 8)
      if (ABS ((gint)(got[i] >> c & 255) - (gint)(want[i] >> c & 255)) > (gint)most || got[i] >> 24) {
        g_test_fail_printf ("%s: pixel (%u, %u) is %06x, the twin has %06x", what, i % width, i / width, got[i], want[i]);
        return;
      }
}

static void
unpack_case (Device *dev, UnpackParams p, Part part, guint slack)
{
  gboolean turned = p.orientation >= 5;
  guint width = turned ? part.height : part.width, height = turned ? part.width : part.height;
  gsize words = (place_planes (&p, &part, slack) + 3) / 4;
  g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "unpack");
  Tensor src = words_of (a, 1, words), y = words_of (a, height, width);
  g_autoptr (OpStream) s = op_stream_new (dev, "unpack");
  g_autofree guint8 *in = random_bytes (words * 4);
  g_autofree guint32 *got = g_new (guint32, width * height), *want = g_new (guint32, width * height);
  g_autofree gchar *what = g_strdup_printf ("unpack format %d, %u x %u from (%u, %u), slack %u, orientation %u", p.format,
      part.width, part.height, part.x, part.y, slack, p.orientation);

  g_assert_true (arena_commit (a, NULL));
  rows_write (&src, in);
  op_unpack (s, &y, &src, &p);
  stream_go (s);
  rows_read (&y, got);
  twin_unpack (want, width, height, in, &p);
  check_unpacked (what, got, want, width, height, p.format < PIXELS_GRAY ? 0 : 2);
}

/* Numbers of no standard, all different, so that mixing them up is seen; large enough to leave a byte's range on both sides. */
static UnpackParams
params_of (PixelFormat format, guint orientation)
{
  return (UnpackParams){ format, .orientation = orientation, .luma_first = 16, .luma_scale = 1.1f, .red_v = 1.7f, .green_u = -0.3f,
    .green_v = -0.6f, .blue_u = 1.9f };
}

static void
test_unpack_rows (Device *dev)
{
  static const guint cases[][3] = { { 1, 1, 0 }, { 33, 5, 0 }, { 33, 5, 2 }, { 64, 3, 1 }, { 257, 9, 3 }, { 8192, 2, 1 } };

  for (PixelFormat f = PIXELS_RGB; f <= PIXELS_I420; f++)
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
      unpack_case (dev, params_of (f, 1), (Part){ cases[i][0], cases[i][1], i % 2, i / 2 % 2 }, cases[i][2]);
}

static void
test_unpack_turned (Device *dev)
{
  static const Part parts[] = { { 7, 4, 0, 0 }, { 37, 18, 5, 3 }, { 1, 9, 1, 0 } };

  for (PixelFormat f = PIXELS_RGB; f <= PIXELS_I420; f++)
    for (guint o = 2; o <= 8; o++)
      for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
        unpack_case (dev, params_of (f, o), parts[i], i);
}

/* --- resizing --------------------------------------------------------------------------------------------------------------- */

/* A filter unlike those of a resize: any start, any count, and sums far beyond a byte on both sides. */
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

/* Each band of rows is a view of a result too large for a binding. */
static void
test_resize_bands (Device *dev)
{
  enum
  {
    WIDTH = 50,
    HEIGHT = 80,
    OUT = 35,
    BAND = 17,
  };
  TestFilter f = filter_random (WIDTH, OUT, 6);
  g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "resize");
  Tensor x = words_of (a, HEIGHT, WIDTH), y = words_of (a, HEIGHT, OUT), whole = words_of (a, HEIGHT, OUT);
  Tensor bounds = words_of (a, OUT, 2), taps = words_of (a, OUT, f.most);
  const Filter filter = { &bounds, &taps };
  g_autofree guint32 *in = random_pixels (WIDTH * HEIGHT), *got = g_new (guint32, OUT * HEIGHT),
                     *want = g_new (guint32, OUT * HEIGHT);
  g_autoptr (OpStream) s = op_stream_new (dev, "resize");
  g_autoptr (OpStream) s_whole = op_stream_new (dev, "resize");
  DeviceLimits limits = dev->limits;

  g_assert_true (arena_commit (a, NULL));
  rows_write (&x, in);
  rows_write (&bounds, f.bounds);
  rows_write (&taps, f.taps);
  op_resize_columns (s_whole, &whole, &x, &filter);
  stream_go (s_whole);
  rows_read (&whole, want);

  dev->limits.storage_range = 4 * y.stride * (BAND + 1);
  dev->limits.align = 512;
  for (guint first = 0; first < HEIGHT; first += BAND) {
    guint rows = MIN (BAND, HEIGHT - first);
    Tensor to = tensor_rows (&y, first, rows), from = tensor_rows (&x, first, rows);

    op_resize_columns (s, &to, &from, &filter);
  }
  dev->limits = limits;
  stream_go (s);
  rows_read (&y, got);
  check_pixels ("resize_columns in bands", got, want, OUT, HEIGHT);
  filter_clear (&f);
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
  for (guint i = 0; i < m * n; i++)
    want[i] = before[i];
  twin_patches (want + FIRST * n, in + (ROW * COLUMNS * side + COLUMN) * side, COLUMNS * side, side, patch, p.mean, p.std);
  for (guint i = 0; i < m * n; i++)
    if (i < FIRST * n || i >= (FIRST + across * across) * n)
      g_assert_cmpfloat (got[i], ==, before[i]);
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
  g_autofree float *xs = random_floats (side * side * d, 0), *ys = g_new (float, out *out *n), *want = g_new (float, out *out *n);

  g_assert_true (arena_commit (arena, NULL));
  rows_write (&x, xs);
  op_pixel_shuffle (s, &y, &x, side, r, v1);
  stream_go (s);
  rows_read (&y, ys);
  twin_pixel_shuffle (want, xs, side, r, d, v1);
  g_assert_cmpmem (ys, out * out * n * sizeof *ys, want, out * out * n * sizeof *want);
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
  op_unpack (s, &x, &src, &(UnpackParams){ PIXELS_RGB, .stride = { 12 }, .orientation = 1 });
  stream_refused (s, "10 words");
  s = op_stream_new (dev, "s");
  op_unpack (s, &x, &src, &(UnpackParams){ PIXELS_I420, .stride = { 4, 2, 2 }, .first = { 0, 16, 37 }, .orientation = 1 });
  stream_refused (s, "plane 2");
  s = op_stream_new (dev, "s");
  op_unpack (s, &x, &src, &(UnpackParams){ PIXELS_GRAY, .stride = { 3 }, .orientation = 6 });
  stream_refused (s, "rows of 3 bytes");
  s = op_stream_new (dev, "s");
  op_unpack (s, &x, &src, &(UnpackParams){ PIXELS_GRAY, .stride = { 4 }, .orientation = 9 });
  stream_refused (s, "orientation 9");
  s = op_stream_new (dev, "s");
  op_resize_columns (s, &x, &x, &f);
  stream_refused (s, "bounds");
  s = op_stream_new (dev, "s");
  op_resize_rows (s, &x, &x, &f);
  stream_refused (s, "bounds");
  s = op_stream_new (dev, "s");
  op_patches (s, &y, 0, &x, 0, 0, &p);
  stream_refused (s, "patches of side 3");
  s = op_stream_new (dev, "s");
  op_pixel_shuffle (s, &y, &x, 3, 2, FALSE);
  stream_refused (s, "side 3");
}

int
main (int argc, char **argv)
{
  int failures;

  harness_init (&argc, &argv);
  add_in_every_form ("/unpack/every_format_from_any_byte", test_unpack_rows);
  add_in_every_form ("/unpack/every_format_turned_upright", test_unpack_turned);
  add_in_every_form ("/resize/columns_equal_the_twin_to_the_bit", test_resize_columns);
  add_in_every_form ("/resize/rows_equal_the_twin_to_the_bit", test_resize_rows);
  add_in_every_form ("/resize/bands_of_rows_beyond_one_binding", test_resize_bands);
  add_in_every_form ("/patches/one_tile_among_rows_that_stay", test_patches);
  add_in_every_form ("/pixel_shuffle/of_both_versions", test_pixel_shuffle);
  g_test_add_func ("/picture/wrong_shapes_fail_by_name", test_wrong_shapes);
  failures = g_test_run ();
  forms_close ();
  return failures;
}

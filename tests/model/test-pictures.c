/* A picture gives the same tiles however its bytes lie: in every format, by rows of any stride, cut from a larger one, turned. */
#include <math.h>
#include <string.h>

#include "harness.h"
#include "model/tiles.h"
#include "variant.h"
#include "vk/vk.h"

static MinivlEngine *engine;

static void
open_engine (void)
{
  g_autoptr (GError) error = NULL;

  engine = variant_open ("long-crossing", 256, &error);
  g_assert_no_error (error);
}

typedef struct
{
  guint n;
  guint8 *bytes; /* [n][side][side][3] */
} Tiles;

static void
tiles_clear (Tiles *tiles)
{
  g_clear_pointer (&tiles->bytes, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Tiles, tiles_clear)

static Tiles
tiles_of (const MinivlImage *image, guint max_tiles)
{
  g_autoptr (GError) error = NULL;
  Tiles tiles;

  tiles.bytes = minivl_engine_read_tiles (engine, image, max_tiles, &tiles.n, &error);
  g_assert_no_error (error);
  return tiles;
}

/* most: levels that a channel may differ by */
static void
check_tiles (const gchar *what, const Tiles *got, const Tiles *want, guint most)
{
  guint side = engine->info.tile_side;

  g_assert_cmpuint (got->n, ==, want->n);
  for (guint i = 0; i < got->n * side * side * 3; i++)
    if (ABS (got->bytes[i] - want->bytes[i]) > (gint)most) {
      g_test_fail_printf ("%s: tile %u, (%u, %u), channel %u is %u, not %u", what, i / (side * side * 3), i / 3 % side,
          i / (3 * side) % side, i % 3, got->bytes[i], want->bytes[i]);
      return;
    }
}

static void
check_same (const gchar *what, const MinivlImage *image, const MinivlImage *as, guint most)
{
  g_auto (Tiles) got = tiles_of (image, 4);
  g_auto (Tiles) want = tiles_of (as, 4);

  check_tiles (what, &got, &want, most);
}

static guint8 *
random_bytes (gsize n)
{
  guint8 *v = g_malloc (n);

  for (gsize i = 0; i < n; i++)
    v[i] = g_test_rand_int_range (0, 256);
  return v;
}

/* --- pictures of every kind, and the RGB that they mean ---------------------------------------------------------------------- */

/* Smooth, for what is resized by noise is gray; with noise, so that nothing is symmetric. */
static guint8
sample (guint x, guint y, guint channel)
{
  return 40 + (x * (5 + channel) + y * (3 + 2 * channel)) % 150 + g_test_rand_int_range (0, 60);
}

typedef struct
{
  MinivlImage image;
  guint8 *planes[3];
  guint8 *rgb; /* packed, of the whole picture as it lies */
} Picture;

static void
picture_clear (Picture *p)
{
  for (guint i = 0; i < 3; i++)
    g_clear_pointer (&p->planes[i], g_free);
  g_clear_pointer (&p->rgb, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Picture, picture_clear)

static guint8
rounded (double v)
{
  return CLAMP ((gint)(v + 0.5), 0, 255);
}

/* ITU-R BT.601, 709 and 2020, from luma's weights, in numbers from 0 to 1. */
static void
colour (guint8 *rgb, guint y, guint u, guint v, MinivlMatrix matrix, gboolean full)
{
  static const double weights[][3] = { { 0.299, 0.587, 0.114 }, { 0.2126, 0.7152, 0.0722 }, { 0.2627, 0.6780, 0.0593 } };
  const double *k = weights[matrix];
  double luma = full ? y / 255.0 : (y - 16.0) / 219, blue = (u - 128.0) / (full ? 255 : 224),
         red = (v - 128.0) / (full ? 255 : 224);
  double r = luma + 2 * (1 - k[0]) * red, b = luma + 2 * (1 - k[2]) * blue, g = (luma - k[0] * r - k[2] * b) / k[1];

  rgb[0] = rounded (255 * MAX (r, 0));
  rgb[1] = rounded (255 * MAX (g, 0));
  rgb[2] = rounded (255 * MAX (b, 0));
}

static void
fill_rgb (Picture *p)
{
  const MinivlImage *i = &p->image;
  gboolean full = i->range == MINIVL_RANGE_FULL || (i->range == MINIVL_RANGE_DEFAULT && i->format == MINIVL_FORMAT_GRAY8);

  for (guint y = 0; y < i->height; y++)
    for (guint x = 0; x < i->width; x++) {
      guint8 *rgb = p->rgb + 3 * ((gsize)y * i->width + x);
      const guint8 *row = i->data[0] + y * i->stride[0];
      const guint8 *row1 = i->data[1] ? i->data[1] + y / 2 * i->stride[1] : NULL;
      const guint8 *row2 = i->data[2] ? i->data[2] + y / 2 * i->stride[2] : NULL;

      switch (i->format) {
        case MINIVL_FORMAT_RGB:
          memcpy (rgb, row + 3 * x, 3);
          break;
        case MINIVL_FORMAT_BGR:
          for (guint c = 0; c < 3; c++)
            rgb[c] = row[3 * x + 2 - c];
          break;
        case MINIVL_FORMAT_RGBX:
          memcpy (rgb, row + 4 * x, 3);
          break;
        case MINIVL_FORMAT_BGRX:
          for (guint c = 0; c < 3; c++)
            rgb[c] = row[4 * x + 2 - c];
          break;
        case MINIVL_FORMAT_GRAY8:
          colour (rgb, row[x], 128, 128, i->matrix, full);
          break;
        case MINIVL_FORMAT_NV12:
          colour (rgb, row[x], row1[x / 2 * 2], row1[x / 2 * 2 + 1], i->matrix, full);
          break;
        case MINIVL_FORMAT_I420:
          colour (rgb, row[x], row1[x / 2], row2[x / 2], i->matrix, full);
          break;
      }
    }
}

/* slack: bytes behind a row */
static Picture
picture_new (MinivlFormat format, guint width, guint height, guint slack, MinivlMatrix matrix, MinivlRange range)
{
  static const guint sizes[][3] = { { 3 }, { 3 }, { 4 }, { 4 }, { 1 }, { 1, 2 }, { 1, 1, 1 } };
  Picture p = { .image = { .width = width, .height = height, .format = format, .matrix = matrix, .range = range } };

  for (guint i = 0; i < 3 && sizes[format][i]; i++) {
    guint share = i ? 2 : 1, rows = (height + share - 1) / share, bytes = sizes[format][i] * ((width + share - 1) / share);

    p.image.stride[i] = bytes + slack;
    p.image.data[i] = p.planes[i] = random_bytes (p.image.stride[i] * rows);
    for (guint y = 0; y < rows; y++)
      for (guint x = 0; x < bytes; x++)
        p.planes[i][y * p.image.stride[i] + x] = sample (x / sizes[format][i], y, i + x % sizes[format][i]);
  }
  p.rgb = g_malloc (3 * (gsize)width * height);
  fill_rgb (&p);
  return p;
}

/* --- formats --------------------------------------------------------------------------------------------------------------- */

static void
test_rgb_in_any_order_is_exact (void)
{
  static const guint sizes[][3] = { { 45, 31, 0 }, { 64, 20, 1 }, { 20, 66, 7 } };

  for (MinivlFormat f = MINIVL_FORMAT_RGB; f <= MINIVL_FORMAT_BGRX; f++)
    for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
      g_auto (Picture) p = picture_new (f, sizes[i][0], sizes[i][1], sizes[i][2], MINIVL_MATRIX_BT709, MINIVL_RANGE_DEFAULT);
      g_autofree gchar *what = g_strdup_printf ("format %d, %u x %u", f, sizes[i][0], sizes[i][1]);
      guint side = engine->info.tile_side;
      g_auto (Tiles) got = tiles_of (&p.image, 1), want = { 1, g_malloc (3 * side * side) };

      resize_rgb (p.rgb, 3 * sizes[i][0], sizes[i][0], sizes[i][1], want.bytes, side, side);
      check_tiles (what, &got, &want, 0);
      check_same (what, &p.image, &(MinivlImage){ { p.rgb }, sizes[i][0], sizes[i][1], { 3 * sizes[i][0] } }, 0);
    }
}

static void
test_luma_and_chroma_become_rgb (void)
{
  static const guint sizes[][3] = { { 45, 31, 0 }, { 64, 20, 1 }, { 21, 66, 7 } };

  for (MinivlFormat f = MINIVL_FORMAT_GRAY8; f <= MINIVL_FORMAT_I420; f++)
    for (MinivlMatrix m = MINIVL_MATRIX_BT601; m <= MINIVL_MATRIX_BT2020; m++)
      for (MinivlRange r = MINIVL_RANGE_DEFAULT; r <= MINIVL_RANGE_FULL; r++) {
        const guint *size = sizes[(m + r) % G_N_ELEMENTS (sizes)];
        g_auto (Picture) p = picture_new (f, size[0], size[1], size[2], m, r);
        g_autofree gchar *what = g_strdup_printf ("format %d, matrix %d, range %d", f, m, r);

        check_same (what, &p.image, &(MinivlImage){ { p.rgb }, size[0], size[1], { 3 * size[0] } }, 2);
      }
}

/* --- crop and turn --------------------------------------------------------------------------------------------------------- */

static void
test_crop_is_the_part_alone (void)
{
  static const guint crops[][4] = { { 0, 0, 20, 10 }, { 3, 5, 21, 17 }, { 4, 2, 0, 0 }, { 1, 0, 8, 0 }, { 44, 30, 1, 1 } };

  for (MinivlFormat f = MINIVL_FORMAT_RGB; f <= MINIVL_FORMAT_I420; f++) {
    g_auto (Picture) p = picture_new (f, 45, 31, 3, MINIVL_MATRIX_BT601, MINIVL_RANGE_DEFAULT);

    for (guint i = 0; i < G_N_ELEMENTS (crops); i++) {
      const guint *c = crops[i], w = c[2] ? c[2] : 45 - c[0], h = c[3] ? c[3] : 31 - c[1];
      MinivlImage part = { { p.rgb + 3 * (c[1] * 45 + c[0]) }, w, h, { 3 * 45 } };
      g_autofree gchar *what = g_strdup_printf ("format %d, %u x %u from (%u, %u)", f, c[2], c[3], c[0], c[1]);

      p.image.crop_x = c[0];
      p.image.crop_y = c[1];
      p.image.crop_width = c[2];
      p.image.crop_height = c[3];
      check_same (what, &p.image, &part, f < MINIVL_FORMAT_GRAY8 ? 0 : 2);
    }
  }
}

/* Where the tag says that the first row and the first column of what is stored are seen. */
typedef enum
{
  TOP,
  BOTTOM,
  LEFT,
  RIGHT,
} Edge;

static const Edge edges[9][2] = { { 0 }, { TOP, LEFT }, { TOP, RIGHT }, { BOTTOM, RIGHT }, { BOTTOM, LEFT }, { LEFT, TOP },
  { RIGHT, TOP }, { RIGHT, BOTTOM }, { LEFT, BOTTOM } };

/* Hangs a row or column, the i'th of n, on its edge. */
static void
hang (Edge edge, guint i, guint n, guint *x, guint *y)
{
  if (edge == TOP || edge == BOTTOM)
    *y = edge == TOP ? i : n - 1 - i;
  else
    *x = edge == LEFT ? i : n - 1 - i;
}

/* rgb: width x height pixels of a picture that is `across` wide. (transfer full): packed, upright */
static guint8 *
upright (const guint8 *rgb, guint across, guint width, guint height, guint orientation)
{
  guint8 *to = g_malloc (3 * (gsize)width * height);

  for (guint r = 0; r < height; r++)
    for (guint c = 0; c < width; c++) {
      guint x = 0, y = 0;

      hang (edges[orientation][0], r, height, &x, &y);
      hang (edges[orientation][1], c, width, &x, &y);
      memcpy (to + 3 * ((gsize)y * (orientation < 5 ? width : height) + x), rgb + 3 * ((gsize)r * across + c), 3);
    }
  return to;
}

static void
test_turned_as_the_tag_says (void)
{
  for (MinivlFormat f = MINIVL_FORMAT_RGB; f <= MINIVL_FORMAT_I420; f++) {
    g_auto (Picture) p = picture_new (f, 47, 30, 1, MINIVL_MATRIX_BT709, MINIVL_RANGE_DEFAULT);

    p.image.crop_x = 5;
    p.image.crop_y = 2;
    p.image.crop_width = 37;
    p.image.crop_height = 19;
    for (guint o = 1; o <= 8; o++) {
      g_autofree guint8 *rgb = upright (p.rgb + 3 * (2 * 47 + 5), 47, 37, 19, o);
      guint width = o < 5 ? 37 : 19, height = o < 5 ? 19 : 37;
      g_autofree gchar *what = g_strdup_printf ("format %d, orientation %u", f, o);

      p.image.orientation = o;
      check_same (what, &p.image, &(MinivlImage){ { rgb }, width, height, { 3 * width } }, f < MINIVL_FORMAT_GRAY8 ? 0 : 2);
    }
  }
}

/* --- sizes ----------------------------------------------------------------------------------------------------------------- */

/* More pixels than are unpacked at once, the second part of which begins in the middle of a sample of U and V. */
static void
test_large_picture_has_no_seam (void)
{
  static const MinivlFormat formats[] = { MINIVL_FORMAT_BGR, MINIVL_FORMAT_NV12 };
  static const guint orientations[] = { 1, 3, 6 };

  for (guint f = 0; f < G_N_ELEMENTS (formats); f++) {
    g_auto (Picture) p = picture_new (formats[f], 2049, 2200, 0, MINIVL_MATRIX_BT601, MINIVL_RANGE_DEFAULT);

    for (guint i = 0; i < G_N_ELEMENTS (orientations); i++) {
      guint o = orientations[i], width = o < 5 ? 2049 : 2200, height = o < 5 ? 2200 : 2049, side = engine->info.tile_side;
      g_autofree guint8 *rgb = upright (p.rgb, 2049, 2049, 2200, o);
      g_auto (Tiles) got = { 0 }, want = { 1, g_malloc (3 * side * side) };
      g_autofree gchar *what = g_strdup_printf ("format %d, orientation %u", formats[f], o);

      p.image.orientation = o;
      got = tiles_of (&p.image, 1);
      resize_rgb (rgb, 3 * width, width, height, want.bytes, side, side);
      check_tiles (what, &got, &want, formats[f] == MINIVL_FORMAT_BGR ? 0 : 2);
    }
  }
}

/* A slope that every tile of every size shows alike. */
static void
test_absurd_sizes_work (void)
{
  static const guint sizes[][2] = { { 1, 1 }, { 1, 8192 }, { 8192, 1 }, { 8192, 8192 }, { 65535, 1 }, { 1, 65535 } };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    guint width = sizes[i][0], height = sizes[i][1], side = engine->info.tile_side;
    g_autofree guint8 *bytes = g_malloc ((gsize)width * height);
    MinivlImage image = { { bytes }, width, height, { width }, MINIVL_FORMAT_GRAY8 };
    g_auto (Tiles) one = { 0 }, most = { 0 };

    for (guint y = 0; y < height; y++)
      for (guint x = 0; x < width; x++)
        bytes[(gsize)y * width + x] = x * 120.0 / width + y * 120.0 / height;
    one = tiles_of (&image, 1);
    g_assert_cmpuint (one.n, ==, 1);
    for (guint y = 0; y < side; y++)
      for (guint x = 0; x < side; x++) {
        double want = (width > 1 ? (x + 0.5) * 120.0 / side : 0) + (height > 1 ? (y + 0.5) * 120.0 / side : 0);

        g_assert_cmpfloat (ABS (one.bytes[3 * (y * side + x)] - want), <=, 3);
      }
    most = tiles_of (&image, 40);
    g_assert_cmpuint (most.n, ==, width == height ? (width == 1 ? 1 : 37) : 41);
    for (guint k = 0; k < most.n * side * side; k++)
      g_assert_cmpuint (most.bytes[3 * k], <=, 242);
  }
}

static void
test_what_no_binding_holds_is_refused_by_its_size (void)
{
  g_auto (Picture) p = picture_new (MINIVL_FORMAT_GRAY8, 40, 900, 0, MINIVL_MATRIX_BT601, MINIVL_RANGE_DEFAULT);
  DeviceLimits limits = engine->dev->limits;
  g_autoptr (GError) error = NULL;
  guint n_tiles = 77;

  engine->dev->limits.bulk_range = 100000;
  g_assert_null (minivl_engine_read_tiles (engine, &p.image, 1, &n_tiles, &error));
  engine->dev->limits = limits;
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_MEMORY);
  g_assert_nonnull (strstr (error->message, "40x900"));
  g_assert_nonnull (strstr (error->message, "100000"));
  g_assert_cmpuint (n_tiles, ==, 77);
}

/* --- the entries ----------------------------------------------------------------------------------------------------------- */

static void
test_arguments_are_checked (void)
{
  g_auto (Picture) p = picture_new (MINIVL_FORMAT_NV12, 40, 20, 0, MINIVL_MATRIX_BT601, MINIVL_RANGE_DEFAULT);
  guint n_tiles = 77;

  p.image.stride[1]--;
  for (guint max_tiles = 0; max_tiles <= 41; max_tiles++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (GError) again = NULL;

    g_assert_null (minivl_engine_read_tiles (engine, &p.image, max_tiles, &n_tiles, &error));
    g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_USAGE);
    g_assert_nonnull (strstr (error->message, max_tiles >= 1 && max_tiles <= 40 ? "stride[1]" : "tiles a picture"));
    g_assert_null (minivl_picture_new (engine, &p.image, max_tiles, NULL, &again));
    g_assert_error (again, MINIVL_ERROR, MINIVL_ERROR_USAGE);
    g_assert_cmpstr (again->message, ==, error->message);
  }
  g_assert_cmpuint (n_tiles, ==, 77);
}

static MinivlPicture *
encode (const MinivlImage *image)
{
  g_autoptr (GError) error = NULL;
  MinivlPicture *picture = minivl_picture_new (engine, image, 4, NULL, &error);

  g_assert_no_error (error);
  return picture;
}

static void
test_pictures_of_one_reading_are_one (void)
{
  g_auto (Picture) p = picture_new (MINIVL_FORMAT_I420, 45, 31, 2, MINIVL_MATRIX_BT709, MINIVL_RANGE_DEFAULT);
  MinivlImage part = p.image, turned = p.image, limited = p.image;
  g_autoptr (MinivlPicture) a = encode (&p.image), b = NULL, c = NULL, d = NULL;

  limited.range = MINIVL_RANGE_LIMITED;
  part.crop_width = 44;
  turned.orientation = 3;
  b = encode (&limited);
  c = encode (&part);
  d = encode (&turned);
  g_assert_true (a == b);
  g_assert_true (a != c && a != d && c != d);
  g_assert_cmpuint (a->result.n_tokens, ==, d->result.n_tokens);
  g_assert_true (memcmp (a->result.features, d->result.features, d->result.n_tokens * sizeof (float)) != 0);
}

/* --- similarity -------------------------------------------------------------------------------------------------------------- */

/* (transfer full): a slope, with another shade in a square of 28 at (x, y) of a picture of 112 when x is not negative */
static MinivlPicture *
make_scene (gint x, gint y)
{
  guint side = 112;
  g_autofree guint8 *bytes = g_malloc (side * side);
  MinivlImage image = { { bytes }, side, side, { side }, MINIVL_FORMAT_GRAY8 };

  for (guint k = 0; k < side * side; k++) {
    gint column = k % side, row = k / side;
    gboolean inside = x >= 0 && column >= x && column < x + 28 && row >= y && row < y + 28;

    bytes[k] = inside ? 250 : column + row;
  }
  return encode (&image);
}

static float *
row_of (MinivlPicture *p, guint row)
{
  return p->result.features + (gsize)row * engine->config.language.hidden;
}

/* The plainest there is: of lengths of 1, the distance. */
static double
cosine_of_rows (MinivlPicture *a, MinivlPicture *b, guint row)
{
  const float *left = row_of (a, row), *right = row_of (b, row);
  double l = 0, r = 0, d = 0;

  for (gint i = 0; i < engine->config.language.hidden; i++) {
    l += (double)left[i] * left[i];
    r += (double)right[i] * right[i];
  }
  for (gint i = 0; i < engine->config.language.hidden; i++)
    d += pow (left[i] / sqrt (l) - right[i] / sqrt (r), 2);
  return 1 - d / 2;
}

static void
test_similarity_is_that_of_the_place_that_differs_most (void)
{
  g_autoptr (MinivlPicture) empty = make_scene (-1, 0), again = make_scene (-1, 0), here = make_scene (28, 56),
                            there = make_scene (84, 0);
  MinivlPicture *others[] = { here, there };

  g_assert_cmpfloat (minivl_picture_similarity (empty, empty), ==, 1);
  g_assert_cmpfloat (minivl_picture_similarity (empty, again), ==, 1);
  for (guint i = 0; i < G_N_ELEMENTS (others); i++) {
    double least = 2, mean = 0;

    for (guint row = 0; row < empty->result.n_tokens; row++) {
      double c = cosine_of_rows (empty, others[i], row);

      least = MIN (least, c);
      mean += c / empty->result.n_tokens;
    }
    g_assert_cmpfloat_with_epsilon (minivl_picture_similarity (empty, others[i]), least, 1e-6);
    g_assert_cmpfloat_with_epsilon (minivl_picture_similarity (others[i], empty), least, 1e-6);
    g_assert_cmpfloat (least, <, mean - 1e-3);
  }
}

static void
test_pictures_of_other_grids_and_engines_are_not_similar (void)
{
  g_auto (Picture) p = picture_new (MINIVL_FORMAT_GRAY8, 40, 20, 0, MINIVL_MATRIX_BT601, MINIVL_RANGE_DEFAULT);
  MinivlImage high = p.image;
  g_autoptr (MinivlPicture) wide = encode (&p.image), upright = NULL, elsewhere = NULL;
  MinivlEngine *first = engine;

  high.orientation = 6;
  upright = encode (&high);
  g_assert_cmpuint (wide->result.n_tokens, ==, upright->result.n_tokens);
  g_assert_cmpfloat (minivl_picture_similarity (wide, upright), ==, -1);

  open_engine ();
  elsewhere = encode (&p.image);
  g_assert_cmpuint (wide->content, ==, elsewhere->content);
  g_assert_cmpfloat (minivl_picture_similarity (wide, elsewhere), ==, -1);
  minivl_engine_unref (engine);
  engine = first;
}

static void
test_features_without_a_direction_are_not_similar (void)
{
  g_autoptr (MinivlPicture) a = make_scene (-1, 0), b = make_scene (0, 0);
  gsize n = engine->config.language.hidden;

  memcpy (b->result.features, a->result.features, b->result.n_tokens * n * sizeof (float));
  g_assert_cmpfloat_with_epsilon (minivl_picture_similarity (a, b), 1, 1e-9);
  memset (row_of (b, 1), 0, n * sizeof (float));
  g_assert_cmpfloat (minivl_picture_similarity (a, b), ==, -1);
  row_of (b, 1)[0] = NAN;
  g_assert_cmpfloat (minivl_picture_similarity (a, b), ==, -1);
}

int
main (int argc, char **argv)
{
  int failures;

  harness_init (&argc, &argv);
  open_engine ();
  g_test_add_func ("/pictures/rgb_in_any_order_is_exact", test_rgb_in_any_order_is_exact);
  g_test_add_func ("/pictures/luma_and_chroma_become_rgb", test_luma_and_chroma_become_rgb);
  g_test_add_func ("/pictures/crop_is_the_part_alone", test_crop_is_the_part_alone);
  g_test_add_func ("/pictures/turned_as_the_tag_says", test_turned_as_the_tag_says);
  g_test_add_func ("/pictures/large_picture_has_no_seam", test_large_picture_has_no_seam);
  g_test_add_func ("/pictures/absurd_sizes_work", test_absurd_sizes_work);
  g_test_add_func ("/pictures/what_no_binding_holds_is_refused_by_its_size", test_what_no_binding_holds_is_refused_by_its_size);
  g_test_add_func ("/pictures/arguments_are_checked", test_arguments_are_checked);
  g_test_add_func ("/pictures/of_one_reading_are_one", test_pictures_of_one_reading_are_one);
  g_test_add_func (
      "/pictures/similarity_is_that_of_the_place_that_differs_most", test_similarity_is_that_of_the_place_that_differs_most);
  g_test_add_func (
      "/pictures/of_other_grids_and_engines_are_not_similar", test_pictures_of_other_grids_and_engines_are_not_similar);
  g_test_add_func ("/pictures/features_without_a_direction_are_not_similar", test_features_without_a_direction_are_not_similar);
  failures = g_test_run ();
  minivl_engine_unref (engine);
  return failures;
}

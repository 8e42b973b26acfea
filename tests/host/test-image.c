/* What of a picture is checked, seen, told apart and copied: no device is needed for that. */
#include "model/image.h"

#include <string.h>

#define WIDTH 7
#define HEIGHT 5

static guint8 bytes[3][64 * 16];

/* Planes with room behind their rows, whose bytes are all different from their neighbours'. */
static MinivlImage
picture (MinivlFormat format)
{
  MinivlImage image = { { NULL }, WIDTH, HEIGHT, { 40, 24, 16 }, format };
  guint n_planes = format == MINIVL_FORMAT_I420 ? 3 : format == MINIVL_FORMAT_NV12 ? 2 : 1;

  for (guint i = 0; i < 3; i++) {
    for (guint k = 0; k < sizeof bytes[i]; k++)
      bytes[i][k] = 31 * k + 7 * i + k / 40;
    image.data[i] = i < n_planes ? bytes[i] : NULL;
  }
  return image;
}

/* --- check ----------------------------------------------------------------------------------------------------------------- */

typedef struct
{
  const gchar *name;
  MinivlImage image; /* data: whether there is any */
  const gchar *says;
} BadCase;

#define ANY ((const guint8 *)"")
#define PLANES                                                                                                                     \
  {                                                                                                                                \
    ANY, ANY, ANY                                                                                                                  \
  }

static const BadCase bad_cases[] = {
  { "width-0", { PLANES, 0, 5, { 40 } }, "0x5" },
  { "height-0", { PLANES, 7, 0, { 40 } }, "7x0" },
  { "side-beyond-the-limit", { PLANES, 65536, 5, { 400000 } }, "65535" },
  { "no-bytes", { { NULL }, 7, 5, { 40 } }, "data[0]" },
  { "no-second-plane", { { ANY, NULL, ANY }, 7, 5, { 7, 8 }, MINIVL_FORMAT_NV12 }, "data[1]" },
  { "no-third-plane", { { ANY, ANY, NULL }, 7, 5, { 7, 4, 4 }, MINIVL_FORMAT_I420 }, "data[2]" },
  { "rows-that-overlap", { PLANES, 7, 5, { 20 } }, "stride[0]" },
  { "rows-of-4-bytes-that-overlap", { PLANES, 7, 5, { 27 }, MINIVL_FORMAT_BGRX }, "28 bytes" },
  { "pairs-that-overlap", { PLANES, 7, 5, { 7, 7 }, MINIVL_FORMAT_NV12 }, "stride[1]" },
  { "samples-that-overlap", { PLANES, 7, 5, { 7, 4, 3 }, MINIVL_FORMAT_I420 }, "stride[2]" },
  { "rows-beyond-all-memory", { PLANES, 7, 5, { G_MAXSIZE - 40 } }, "stride[0]" },
  { "unknown-format", { PLANES, 7, 5, { 40 }, 7 }, "format 7" },
  { "format-below-0", { PLANES, 7, 5, { 40 }, -1 }, "format -1" },
  { "unknown-matrix", { PLANES, 7, 5, { 40 }, .matrix = 3 }, "matrix 3" },
  { "unknown-range", { PLANES, 7, 5, { 40 }, .range = 3 }, "range 3" },
  { "limited-rgb", { PLANES, 7, 5, { 40 }, MINIVL_FORMAT_BGRX, .range = MINIVL_RANGE_LIMITED }, "BGRX" },
  { "orientation-9", { PLANES, 7, 5, { 40 }, .orientation = 9 }, "orientation 9" },
  { "crop-to-the-right", { PLANES, 7, 5, { 40 }, .crop_x = 7 }, "crop_width" },
  { "crop-below", { PLANES, 7, 5, { 40 }, .crop_y = 5 }, "crop_height" },
  { "crop-too-wide", { PLANES, 7, 5, { 40 }, .crop_x = 3, .crop_width = 5 }, "crop_width" },
  { "crop-too-high", { PLANES, 7, 5, { 40 }, .crop_y = 1, .crop_height = G_MAXUINT }, "crop_height" },
};

static void
test_refused (gconstpointer data)
{
  const BadCase *c = data;
  g_autoptr (GError) error = NULL;

  g_assert_false (image_check (&c->image, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_USAGE);
  if (!strstr (error->message, c->says))
    g_test_fail_printf ("\"%s\" does not say \"%s\"", error->message, c->says);
  g_assert_false (image_check (&c->image, NULL));
}

static void
test_edges_are_taken (void)
{
  static const MinivlImage good[] = {
    { PLANES, 1, 1, { 3 } },
    { PLANES, 65535, 1, { 3 * 65535 } },
    { PLANES, 1, 65535, { 3 } },
    { PLANES, 7, 5, { 21 } },
    { PLANES, 7, 5, { 28 }, MINIVL_FORMAT_RGBX },
    { { ANY }, 7, 5, { 7 }, MINIVL_FORMAT_GRAY8, .range = MINIVL_RANGE_LIMITED },
    { { ANY, ANY }, 7, 5, { 7, 8 }, MINIVL_FORMAT_NV12, MINIVL_MATRIX_BT2020, MINIVL_RANGE_FULL, .orientation = 8 },
    { PLANES, 7, 5, { 7, 4, 4 }, MINIVL_FORMAT_I420 },
    { PLANES, 7, 5, { 21 }, .crop_x = 6, .crop_y = 4, .crop_width = 1, .crop_height = 1 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++) {
    g_autoptr (GError) error = NULL;

    image_check (&good[i], &error);
    g_assert_no_error (error);
  }
}

/* --- identity -------------------------------------------------------------------------------------------------------------- */

static void
test_hash_covers_what_is_seen (void)
{
  static const MinivlFormat formats[] = { MINIVL_FORMAT_RGB, MINIVL_FORMAT_RGBX, MINIVL_FORMAT_GRAY8, MINIVL_FORMAT_NV12,
    MINIVL_FORMAT_I420 };

  /* Every byte of every plane: it counts just when the part has a share in it. */
  for (guint f = 0; f < G_N_ELEMENTS (formats); f++) {
    MinivlImage image = picture (formats[f]);
    guint64 hash;

    image.crop_x = 2;
    image.crop_y = 1;
    image.crop_width = image.crop_height = 3;
    hash = image_hash (&image, 1);
    for (guint i = 0; i < 3 && image.data[i]; i++)
      for (guint k = 0; k < image.stride[i] * HEIGHT; k++) {
        guint x = k % image.stride[i], y = k / image.stride[i];
        gboolean seen;

        if (i > 0)
          seen =
              (formats[f] == MINIVL_FORMAT_NV12 ? x / 2 : x) >= 1 && (formats[f] == MINIVL_FORMAT_NV12 ? x / 2 : x) <= 2 && y <= 1;
        else if (formats[f] == MINIVL_FORMAT_RGB)
          seen = x / 3 >= 2 && x / 3 < 5 && y >= 1 && y < 4;
        else if (formats[f] == MINIVL_FORMAT_RGBX)
          seen = x / 4 >= 2 && x / 4 < 5 && x % 4 < 3 && y >= 1 && y < 4;
        else
          seen = x >= 2 && x < 5 && y >= 1 && y < 4;
        bytes[i][k]++;
        if ((image_hash (&image, 1) != hash) != seen)
          g_test_fail_printf ("format %d, plane %u, byte %u of row %u", formats[f], i, x, y);
        bytes[i][k]--;
      }
  }
}

static void
test_hash_tells_readings_apart (void)
{
  const MinivlImage rgb = picture (MINIVL_FORMAT_RGB), nv12 = picture (MINIVL_FORMAT_NV12), gray = picture (MINIVL_FORMAT_GRAY8);
  const guint64 of_rgb = image_hash (&rgb, 1), of_nv12 = image_hash (&nv12, 1), of_gray = image_hash (&gray, 1);
  MinivlImage i = rgb;

  g_assert_cmpuint (image_hash (&rgb, 2), !=, of_rgb);
  i.format = MINIVL_FORMAT_BGR;
  g_assert_cmpuint (image_hash (&i, 1), !=, of_rgb);
  i = rgb;
  i.crop_x = 1;
  g_assert_cmpuint (image_hash (&i, 1), !=, of_rgb);
  for (i = rgb, i.orientation = 2; i.orientation <= 8; i.orientation++)
    for (MinivlImage k = rgb; k.orientation < i.orientation; k.orientation++)
      g_assert_cmpuint (image_hash (&i, 1), !=, image_hash (&k, 1));
  i = nv12;
  i.matrix = MINIVL_MATRIX_BT709;
  g_assert_cmpuint (image_hash (&i, 1), !=, of_nv12);
  i = nv12;
  i.range = MINIVL_RANGE_FULL;
  g_assert_cmpuint (image_hash (&i, 1), !=, of_nv12);
  i = gray;
  i.range = MINIVL_RANGE_LIMITED;
  g_assert_cmpuint (image_hash (&i, 1), !=, of_gray);
}

static void
test_hash_is_one_for_one_reading (void)
{
  MinivlImage a = picture (MINIVL_FORMAT_RGB), b = a;
  guint8 packed[WIDTH * HEIGHT * 3];

  b.orientation = 1;
  b.range = MINIVL_RANGE_FULL;
  b.matrix = MINIVL_MATRIX_BT2020;
  g_assert_cmpuint (image_hash (&a, 1), ==, image_hash (&b, 1));

  /* The part of a picture is the picture of the part. */
  a.crop_x = 3;
  a.crop_y = 2;
  for (guint y = 0; y < HEIGHT - 2; y++)
    memcpy (packed + y * 13, a.data[0] + (y + 2) * a.stride[0] + 9, 12);
  b = (MinivlImage){ { packed }, WIDTH - 3, HEIGHT - 2, { 13 } };
  g_assert_cmpuint (image_hash (&a, 1), ==, image_hash (&b, 1));

  a = b = picture (MINIVL_FORMAT_I420);
  b.range = MINIVL_RANGE_LIMITED;
  g_assert_cmpuint (image_hash (&a, 1), ==, image_hash (&b, 1));
}

/* --- bytes ----------------------------------------------------------------------------------------------------------------- */

/* Every band of every orientation, in every format: each pixel's samples lie where the layout says. */
static void
test_bands_are_packed_whole (void)
{
  static const guint sizes[][3] = { { 3 }, { 3 }, { 4 }, { 4 }, { 1 }, { 1, 2 }, { 1, 1, 1 } };

  for (MinivlFormat f = MINIVL_FORMAT_RGB; f <= MINIVL_FORMAT_I420; f++)
    for (guint o = 1; o <= 8; o++) {
      MinivlImage image = picture (f);
      guint width, height, pixels = 0;

      image.orientation = o;
      image.crop_x = image.crop_y = 1;
      image.crop_width = 4;
      image_size (&image, &width, &height);
      g_assert_cmpuint (width, ==, 4);
      g_assert_cmpuint (height, ==, 4);
      for (guint first = 0; first < height; first += 3) {
        ImageRect part = image_band (&image, first, MIN (3, height - first));
        ImageLayout layout = image_layout (&image, &part);
        g_autofree guint8 *packed = g_malloc (layout.size);

        g_assert_cmpuint (part.x >= 1 && part.x + part.width <= 5 && part.y >= 1 && part.y + part.height <= 5, ==, TRUE);
        pixels += part.width * part.height;
        image_pack (&image, &part, packed);
        for (guint y = 0; y < part.height; y++)
          for (guint x = 0; x < part.width; x++)
            for (guint i = 0; i < 3 && sizes[f][i]; i++) {
              guint share = i ? 2 : 1, size = sizes[f][i];

              g_assert_cmpmem (packed + layout.first[i] + (layout.y + y) / share * layout.stride[i] + (layout.x + x) / share * size,
                  size, image.data[i] + (part.y + y) / share * image.stride[i] + (part.x + x) / share * size, size);
            }
      }
      g_assert_cmpuint (pixels, ==, 16);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (bad_cases); i++) {
    g_autofree gchar *name = g_strconcat ("/image/refused/", bad_cases[i].name, NULL);

    g_test_add_data_func (name, &bad_cases[i], test_refused);
  }
  g_test_add_func ("/image/edges-are-taken", test_edges_are_taken);
  g_test_add_func ("/image/hash-covers-what-is-seen", test_hash_covers_what_is_seen);
  g_test_add_func ("/image/hash-tells-readings-apart", test_hash_tells_readings_apart);
  g_test_add_func ("/image/hash-is-one-for-one-reading", test_hash_is_one_for_one_reading);
  g_test_add_func ("/image/bands-are-packed-whole", test_bands_are_packed_whole);
  return g_test_run ();
}

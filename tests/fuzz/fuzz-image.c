/* The picture entry: what a caller says of its bytes is refused, or every byte that is read is the caller's. */
#include "model/image.h"
#include "parts.h"

#define MOST_BYTES (1 << 15)

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  return 0;
}

/* A number that is small, or whatever 4 bytes can be. */
static guint
side (Part *rest)
{
  guint kind = part_number (rest, 1);

  return kind < 250 ? kind : part_number (rest, 4);
}

/* Bytes that the header promises of a plane: rows, the last of which ends with its pixels. */
static guint64
plane_bytes (const MinivlImage *image, guint i)
{
  static const guint bytes[][3] = { { 3 }, { 3 }, { 4 }, { 4 }, { 1 }, { 1, 2 }, { 1, 1, 1 } };
  guint shared = i > 0 ? 2 : 1;
  guint64 columns = (image->width + shared - 1) / shared, rows = (image->height + shared - 1) / shared;

  return bytes[image->format][i] == 0 ? 0 : (rows - 1) * image->stride[i] + columns * bytes[image->format][i];
}

static void
check_parts (const MinivlImage *image, Part *rest)
{
  guint width, height, first, n;

  image_size (image, &width, &height);
  g_assert (width >= 1 && width <= IMAGE_MAX_SIDE && height >= 1 && height <= IMAGE_MAX_SIDE);
  first = part_number (rest, 2) % height;
  n = part_number (rest, 2) % (height - first) + 1;
  {
    ImageRect band = image_band (image, first, n);
    ImageLayout layout = image_layout (image, &band);
    g_autofree guint8 *packed = g_malloc (layout.size);

    g_assert ((guint64)band.width * band.height == (guint64)width * n);
    g_assert (band.x + band.width <= image->width && band.y + band.height <= image->height && layout.x <= 1 && layout.y <= 1);
    image_pack (image, &band, packed);
  }
  g_assert (image_hash (image, 1) != 0 && image_hash (image, 1) == image_hash (image, 1));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  Part rest = { data, size };
  MinivlImage image = { 0 };
  guint8 *planes[3] = { NULL };
  g_autoptr (GError) error = NULL;
  gboolean fits = TRUE;
  guint missing;

  image.format = (gint8)part_number (&rest, 1);
  image.matrix = (gint8)part_number (&rest, 1);
  image.range = (gint8)part_number (&rest, 1);
  image.orientation = part_number (&rest, 1);
  image.width = side (&rest);
  image.height = side (&rest);
  image.crop_x = side (&rest);
  image.crop_y = side (&rest);
  image.crop_width = side (&rest);
  image.crop_height = side (&rest);
  for (guint i = 0; i < 3; i++)
    image.stride[i] = part_number (&rest, 1) < 250 ? image.width * 4 + part_number (&rest, 1) : part_number (&rest, 8);
  missing = part_number (&rest, 1);
  for (guint i = 0; i < 3; i++)
    image.data[i] = missing >> i & 1 ? NULL : data;

  if (!image_check (&image, &error)) {
    g_assert (error && error->domain == MINIVL_ERROR && error->code == MINIVL_ERROR_USAGE);
    return 0;
  }
  g_assert (!error);
  for (guint i = 0; i < 3; i++) {
    guint64 bytes = plane_bytes (&image, i);

    fits = fits && bytes <= MOST_BYTES;
    if (!fits)
      break;
    image.data[i] = planes[i] = g_malloc (bytes);
    for (guint64 k = 0; k < bytes; k++)
      planes[i][k] = k;
  }
  if (fits)
    check_parts (&image, &rest);
  for (guint i = 0; i < 3; i++)
    g_free (planes[i]);
  return 0;
}

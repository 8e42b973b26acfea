#include "image.h"

#include <string.h>

typedef struct
{
  const gchar *name;
  gboolean rgb;
  guint n_planes, block; /* side of the square of pixels that shares a sample */
  struct
  {
    guint bytes, pixels; /* of a sample; pixels that share one, in x and in y */
  } planes[3];
} Format;

static const Format formats[] = {
  [MINIVL_FORMAT_RGB] = { "RGB", TRUE, 1, 1, { { 3, 1 } } },
  [MINIVL_FORMAT_BGR] = { "BGR", TRUE, 1, 1, { { 3, 1 } } },
  [MINIVL_FORMAT_RGBX] = { "RGBX", TRUE, 1, 1, { { 4, 1 } } },
  [MINIVL_FORMAT_BGRX] = { "BGRX", TRUE, 1, 1, { { 4, 1 } } },
  [MINIVL_FORMAT_GRAY8] = { "GRAY8", FALSE, 1, 1, { { 1, 1 } } },
  [MINIVL_FORMAT_NV12] = { "NV12", FALSE, 2, 2, { { 1, 1 }, { 2, 2 } } },
  [MINIVL_FORMAT_I420] = { "I420", FALSE, 3, 2, { { 1, 1 }, { 1, 2 }, { 1, 2 } } },
};

static const Format *
format_of (const MinivlImage *image)
{
  return &formats[image->format];
}

/* --- check ----------------------------------------------------------------------------------------------------------------- */

static gboolean G_GNUC_PRINTF (2, 3) bad (GError **error, const gchar *format, ...)
{
  va_list args;

  va_start (args, format);
  if (error)
    *error = g_error_new_valist (MINIVL_ERROR, MINIVL_ERROR_USAGE, format, args);
  va_end (args);
  return FALSE;
}

static gboolean
check_plane (const MinivlImage *image, guint i, GError **error)
{
  const Format *f = format_of (image);
  guint pixels = f->planes[i].pixels, rows = (image->height + pixels - 1) / pixels;
  gsize bytes = (image->width + pixels - 1) / pixels * (gsize)f->planes[i].bytes, stride = image->stride[i];

  if (!image->data[i])
    return bad (error, "a picture of format %s has %u planes: data[%u] is NULL", f->name, f->n_planes, i);
  if (stride < bytes || stride > G_MAXSSIZE / rows)
    return bad (error,
        "rows of plane %u of a %s picture of %ux%u pixels have %" G_GSIZE_FORMAT " bytes and cannot be %" G_GSIZE_FORMAT
        " bytes apart: see stride[%u]",
        i, f->name, image->width, image->height, bytes, stride, i);
  return TRUE;
}

/* One side of the crop rectangle. */
static gboolean
check_crop (const gchar *name, guint first, guint n, guint side, GError **error)
{
  if (first < side && n <= side - first)
    return TRUE;
  return bad (error, "crop_%s: %u pixels from %u on are not within %u", name, n, first, side);
}

gboolean
image_check (const MinivlImage *image, GError **error)
{
  if ((guint)image->format >= G_N_ELEMENTS (formats))
    return bad (error, "format %d of a picture: there is none of that number", image->format);
  if ((guint)image->matrix > MINIVL_MATRIX_BT2020)
    return bad (error, "matrix %d of a picture: there is none of that number", image->matrix);
  if ((guint)image->range > MINIVL_RANGE_FULL)
    return bad (error, "range %d of a picture: there is none of that number", image->range);
  if (image->range == MINIVL_RANGE_LIMITED && format_of (image)->rgb)
    return bad (error, "a %s picture of limited range is not taken: convert it to the full range", format_of (image)->name);
  if (image->orientation > 8)
    return bad (error, "orientation %u of a picture: 1 to 8 are possible, and 0 for upright", image->orientation);
  if (image->width < 1 || image->height < 1 || image->width > IMAGE_MAX_SIDE || image->height > IMAGE_MAX_SIDE)
    return bad (error, "a picture of %ux%u pixels: sides of 1 to %u are possible", image->width, image->height, IMAGE_MAX_SIDE);
  if (!check_crop ("width", image->crop_x, image->crop_width, image->width, error)
      || !check_crop ("height", image->crop_y, image->crop_height, image->height, error))
    return FALSE;
  for (guint i = 0; i < format_of (image)->n_planes; i++)
    if (!check_plane (image, i, error))
      return FALSE;
  return TRUE;
}

/* --- geometry -------------------------------------------------------------------------------------------------------------- */

guint
image_orientation (const MinivlImage *image)
{
  return MAX (image->orientation, 1);
}

gboolean
image_is_full_range (const MinivlImage *image)
{
  if (image->range == MINIVL_RANGE_DEFAULT)
    return format_of (image)->n_planes == 1;
  return image->range == MINIVL_RANGE_FULL;
}

static ImageRect
seen (const MinivlImage *image)
{
  return (ImageRect){
    .x = image->crop_x,
    .y = image->crop_y,
    .width = image->crop_width ? image->crop_width : image->width - image->crop_x,
    .height = image->crop_height ? image->crop_height : image->height - image->crop_y,
  };
}

void
image_size (const MinivlImage *image, guint *width, guint *height)
{
  ImageRect r = seen (image);
  gboolean turned = image_orientation (image) >= 5;

  *width = turned ? r.height : r.width;
  *height = turned ? r.width : r.height;
}

ImageRect
image_band (const MinivlImage *image, guint first, guint n)
{
  ImageRect r = seen (image);

  /* Upright rows are rows from the top or from the bottom, or columns from the left or from the right. */
  switch (image_orientation (image)) {
    case 1:
    case 2:
      return (ImageRect){ r.x, r.y + first, r.width, n };
    case 3:
    case 4:
      return (ImageRect){ r.x, r.y + r.height - first - n, r.width, n };
    case 5:
    case 6:
      return (ImageRect){ r.x + first, r.y, n, r.height };
    default:
      return (ImageRect){ r.x + r.width - first - n, r.y, n, r.height };
  }
}

/* --- bytes ----------------------------------------------------------------------------------------------------------------- */

/* Rows of bytes in a plane. */
typedef struct
{
  gsize first, stride, bytes; /* where the first begins; from row to row; of a row */
  guint rows;
} Window;

/* The samples of a plane that pixels of the part have a share in. */
static Window
plane_window (const MinivlImage *image, const ImageRect *part, guint i)
{
  guint pixels = format_of (image)->planes[i].pixels, bytes = format_of (image)->planes[i].bytes;
  guint left = part->x / pixels, right = (part->x + part->width - 1) / pixels;
  guint top = part->y / pixels, bottom = (part->y + part->height - 1) / pixels;

  return (Window){
    .first = top * image->stride[i] + (gsize)left * bytes,
    .stride = image->stride[i],
    .bytes = (right - left + 1) * (gsize)bytes,
    .rows = bottom - top + 1,
  };
}

/* The layout begins at a pixel where every plane has a sample. */
static ImageRect
whole_samples (const MinivlImage *image, const ImageRect *part)
{
  guint x = part->x % format_of (image)->block, y = part->y % format_of (image)->block;

  return (ImageRect){ part->x - x, part->y - y, part->width + x, part->height + y };
}

ImageLayout
image_layout (const MinivlImage *image, const ImageRect *part)
{
  ImageRect whole = whole_samples (image, part);
  ImageLayout layout = { .x = part->x - whole.x, .y = part->y - whole.y };

  for (guint i = 0; i < format_of (image)->n_planes; i++) {
    Window w = plane_window (image, &whole, i);

    layout.first[i] = layout.size;
    layout.stride[i] = w.bytes;
    layout.size += w.bytes * w.rows;
  }
  return layout;
}

void
image_pack (const MinivlImage *image, const ImageRect *part, guint8 *to)
{
  ImageRect whole = whole_samples (image, part);

  for (guint i = 0; i < format_of (image)->n_planes; i++) {
    Window w = plane_window (image, &whole, i);

    for (guint y = 0; y < w.rows; y++, to += w.bytes)
      memcpy (to, image->data[i] + w.first + y * w.stride, w.bytes);
  }
}

/* The fourth byte of a pixel may be anything, so it is not hashed. */
static void
hash_threes (GChecksum *sum, const guint8 *row, gsize bytes, guint8 *threes)
{
  for (gsize i = 0; i < bytes / 4; i++)
    memcpy (threes + 3 * i, row + 4 * i, 3);
  g_checksum_update (sum, threes, bytes / 4 * 3);
}

guint64
image_hash (const MinivlImage *image, guint max_tiles)
{
  const Format *f = format_of (image);
  ImageRect part = seen (image);
  gboolean coloured = f->n_planes > 1;
  const guint32 shape[] = { part.width, part.height, max_tiles, image->format, coloured ? image->matrix : 0,
    image_is_full_range (image), image_orientation (image), part.x % f->block, part.y % f->block };
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autofree guint8 *threes = g_malloc (3 * (gsize)part.width);
  guint8 digest[32];
  gsize length = sizeof digest;
  guint64 hash;

  g_checksum_update (sum, (const guchar *)shape, sizeof shape);
  for (guint i = 0; i < f->n_planes; i++) {
    Window w = plane_window (image, &part, i);

    for (guint y = 0; y < w.rows; y++) {
      const guint8 *row = image->data[i] + w.first + y * w.stride;

      if (f->planes[i].bytes == 4)
        hash_threes (sum, row, w.bytes, threes);
      else
        g_checksum_update (sum, row, w.bytes);
    }
  }
  g_checksum_get_digest (sum, digest, &length);
  memcpy (&hash, digest, sizeof hash);
  return hash | 1;
}

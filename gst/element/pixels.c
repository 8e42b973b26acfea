#include "pixels.h"

#include <string.h>

/* --- what is copied ---------------------------------------------------------------------------------------------------------- */

/* FALSE: it is converted. */
static gboolean
image_format (const GstVideoInfo *info, MinivlFormat *format)
{
  switch (GST_VIDEO_INFO_FORMAT (info)) {
    case GST_VIDEO_FORMAT_RGB:
      *format = MINIVL_FORMAT_RGB;
      return TRUE;
    case GST_VIDEO_FORMAT_BGR:
      *format = MINIVL_FORMAT_BGR;
      return TRUE;
    case GST_VIDEO_FORMAT_RGBx:
    case GST_VIDEO_FORMAT_RGBA:
      *format = MINIVL_FORMAT_RGBX;
      return TRUE;
    case GST_VIDEO_FORMAT_BGRx:
    case GST_VIDEO_FORMAT_BGRA:
      *format = MINIVL_FORMAT_BGRX;
      return TRUE;
    case GST_VIDEO_FORMAT_GRAY8:
      *format = MINIVL_FORMAT_GRAY8;
      return TRUE;
    /* In interlaced video a line of colours is of two lines of one field, which the model knows nothing of. */
    case GST_VIDEO_FORMAT_NV12:
      *format = MINIVL_FORMAT_NV12;
      return !GST_VIDEO_INFO_IS_INTERLACED (info);
    case GST_VIDEO_FORMAT_I420:
      *format = MINIVL_FORMAT_I420;
      return !GST_VIDEO_INFO_IS_INTERLACED (info);
    default:
      return FALSE;
  }
}

static gboolean
is_copied (const GstVideoInfo *info)
{
  MinivlFormat format;

  return image_format (info, &format);
}

static MinivlMatrix
image_matrix (const GstVideoInfo *info)
{
  switch (info->colorimetry.matrix) {
    case GST_VIDEO_COLOR_MATRIX_BT709:
    case GST_VIDEO_COLOR_MATRIX_SMPTE240M: /* differs by two levels at most */
      return MINIVL_MATRIX_BT709;
    case GST_VIDEO_COLOR_MATRIX_BT2020:
      return MINIVL_MATRIX_BT2020;
    default:
      return MINIVL_MATRIX_BT601;
  }
}

static MinivlRange
image_range (const GstVideoInfo *info)
{
  if (GST_VIDEO_INFO_IS_RGB (info) || info->colorimetry.range == GST_VIDEO_COLOR_RANGE_UNKNOWN)
    return MINIVL_RANGE_DEFAULT;
  return info->colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255 ? MINIVL_RANGE_FULL : MINIVL_RANGE_LIMITED;
}

static guint
component_of_plane (const GstVideoInfo *info, guint plane)
{
  guint c = 0;

  while (GST_VIDEO_INFO_COMP_PLANE (info, c) != plane)
    c++;
  return c;
}

static gsize
row_bytes (const GstVideoInfo *info, guint plane)
{
  guint c = component_of_plane (info, plane);

  return (gsize)GST_VIDEO_INFO_COMP_WIDTH (info, c) * GST_VIDEO_INFO_COMP_PSTRIDE (info, c);
}

static guint
rows (const GstVideoInfo *info, guint plane)
{
  return GST_VIDEO_INFO_COMP_HEIGHT (info, component_of_plane (info, plane));
}

static void
copy_plane (guint8 *to, const GstVideoFrame *from, guint plane)
{
  const guint8 *row = GST_VIDEO_FRAME_PLANE_DATA (from, plane);
  gssize stride = GST_VIDEO_FRAME_PLANE_STRIDE (from, plane);
  gsize bytes = row_bytes (&from->info, plane);
  guint n = rows (&from->info, plane);

  if (stride == (gssize)bytes) {
    memcpy (to, row, n * bytes);
    return;
  }
  for (guint y = 0; y < n; y++)
    memcpy (to + y * bytes, row + y * stride, bytes);
}

/* --- what is converted ------------------------------------------------------------------------------------------------------- */

/* As videoconvert makes it: neither primaries nor transfer function are converted, so they do not matter. */
static GstVideoInfo
converted (const GstVideoInfo *info)
{
  GstVideoInfo rgb;

  gst_video_info_set_interlaced_format (
      &rgb, GST_VIDEO_FORMAT_RGB, GST_VIDEO_INFO_INTERLACE_MODE (info), GST_VIDEO_INFO_WIDTH (info), GST_VIDEO_INFO_HEIGHT (info));
  rgb.fps_n = info->fps_n; /* the converter insists */
  rgb.fps_d = info->fps_d;
  return rgb;
}

/* The converter is made anew, which takes 20 us: one that is used again shows a picture of a line or two as it was before. */
static gboolean
convert (MinivlImage *image, const GstVideoInfo *info, const GstVideoFrame *from)
{
  GstVideoFrame to = { .info = converted (info), .flags = from->flags, .data = { (gpointer)image->data[0] } };
  GstVideoConverter *converter = gst_video_converter_new (info, &to.info, NULL);

  if (converter == NULL)
    return FALSE;
  gst_video_converter_frame (converter, from, &to);
  gst_video_converter_free (converter);
  return TRUE;
}

/* --- both -------------------------------------------------------------------------------------------------------------------- */

gsize
pixels_size (const GstVideoInfo *info)
{
  gsize size = 0;

  if (!is_copied (info))
    return converted (info).size;
  for (guint p = 0; p < GST_VIDEO_INFO_N_PLANES (info); p++)
    size += row_bytes (info, p) * rows (info, p);
  return size;
}

MinivlImage
pixels_layout (const GstVideoInfo *info)
{
  MinivlImage image = { .width = GST_VIDEO_INFO_WIDTH (info), .height = GST_VIDEO_INFO_HEIGHT (info) };

  if (image_format (info, &image.format)) {
    image.matrix = image_matrix (info);
    image.range = image_range (info);
  } else {
    image.format = MINIVL_FORMAT_RGB;
  }
  return image;
}

void
pixels_place (MinivlImage *image, const GstVideoInfo *info, guint8 *pixels)
{
  if (!is_copied (info)) {
    image->data[0] = pixels;
    image->stride[0] = converted (info).stride[0];
    return;
  }
  for (guint p = 0; p < GST_VIDEO_INFO_N_PLANES (info); p++) {
    image->data[p] = pixels;
    image->stride[p] = row_bytes (info, p);
    pixels += row_bytes (info, p) * rows (info, p);
  }
}

gboolean
pixels_fill (MinivlImage *image, const GstVideoInfo *info, const GstVideoFrame *from)
{
  if (!is_copied (info))
    return convert (image, info, from);
  for (guint p = 0; p < GST_VIDEO_INFO_N_PLANES (info); p++)
    copy_plane ((guint8 *)image->data[p], from, p);
  return TRUE;
}

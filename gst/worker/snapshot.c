#include "snapshot.h"

#include <gst/video/video.h>
#include <string.h>

#define PATIENCE (10 * GST_SECOND)
/* Of a picture in pixels; JPEG has 65,535 */
#define LONGEST_SIDE 16384
/* Most bytes of the stream's name in a file name, which may have 255. */
#define LONGEST_NAME 200

/* --- encoding ---------------------------------------------------------------------------------------------------------------- */

static GstVideoFormat
video_format (MinivlFormat format)
{
  static const GstVideoFormat formats[] = {
    [MINIVL_FORMAT_RGB] = GST_VIDEO_FORMAT_RGB,
    [MINIVL_FORMAT_BGR] = GST_VIDEO_FORMAT_BGR,
    [MINIVL_FORMAT_RGBX] = GST_VIDEO_FORMAT_RGBx,
    [MINIVL_FORMAT_BGRX] = GST_VIDEO_FORMAT_BGRx,
    [MINIVL_FORMAT_GRAY8] = GST_VIDEO_FORMAT_GRAY8,
    [MINIVL_FORMAT_NV12] = GST_VIDEO_FORMAT_NV12,
    [MINIVL_FORMAT_I420] = GST_VIDEO_FORMAT_I420,
  };

  return formats[format];
}

/* The reverse of what frame-copier.c makes of a GstVideoInfo. */
static void
fill_info (GstVideoInfo *info, const MinivlImage *image)
{
  static const GstVideoColorMatrix matrices[] = {
    [MINIVL_MATRIX_BT601] = GST_VIDEO_COLOR_MATRIX_BT601,
    [MINIVL_MATRIX_BT709] = GST_VIDEO_COLOR_MATRIX_BT709,
    [MINIVL_MATRIX_BT2020] = GST_VIDEO_COLOR_MATRIX_BT2020,
  };

  gst_video_info_set_format (info, video_format (image->format), image->width, image->height);
  if (!GST_VIDEO_INFO_IS_YUV (info))
    return;
  info->colorimetry.matrix = matrices[image->matrix];
  info->colorimetry.range = image->range == MINIVL_RANGE_FULL ? GST_VIDEO_COLOR_RANGE_0_255 : GST_VIDEO_COLOR_RANGE_16_235;
}

static GstBuffer *
wrap_pixels (const Frame *frame, const GstVideoInfo *info)
{
  const MinivlImage *image = &frame->image;
  GstBuffer *buffer =
      gst_buffer_new_wrapped_full (GST_MEMORY_FLAG_READONLY, frame->pixels, frame->size, 0, frame->size, NULL, NULL);
  gsize offsets[GST_VIDEO_MAX_PLANES] = { 0 };
  gint strides[GST_VIDEO_MAX_PLANES] = { 0 };

  for (guint p = 0; p < GST_VIDEO_INFO_N_PLANES (info); p++) {
    offsets[p] = image->data[p] - frame->pixels;
    strides[p] = image->stride[p];
  }
  gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT (info), image->width, image->height,
      GST_VIDEO_INFO_N_PLANES (info), offsets, strides);
  GST_BUFFER_PTS (buffer) = 0;
  return buffer;
}

/* sample: (transfer full) */
static GstSample *
convert (GstSample *sample, const gchar *to, GError **error)
{
  g_autoptr (GstSample) from = sample;
  g_autoptr (GstCaps) caps = gst_caps_from_string (to);

  return gst_video_convert_sample (from, caps, PATIENCE, error);
}

/* Copies what is seen of the picture, upright. from: all of it as it lies, RGB. */
static void
turn (GstVideoFrame *to, const GstVideoFrame *from, const MinivlImage *image)
{
  guint o = image->orientation; /* EXIF's number, 1 to 8; 0 is 1 */
  gboolean swap = o >= 5, mirror_x = o == 2 || o == 3 || o == 7 || o == 8, mirror_y = o == 3 || o == 4 || o == 6 || o == 7;
  guint width = swap ? to->info.height : to->info.width, height = swap ? to->info.width : to->info.height;

  for (guint y = 0; y < (guint)to->info.height; y++) {
    guint8 *pixel = (guint8 *)GST_VIDEO_FRAME_PLANE_DATA (to, 0) + (gsize)y * GST_VIDEO_FRAME_PLANE_STRIDE (to, 0);

    for (guint x = 0; x < (guint)to->info.width; x++, pixel += 3) {
      guint at_x = swap ? y : x, at_y = swap ? x : y;

      at_x = image->crop_x + (mirror_x ? width - 1 - at_x : at_x);
      at_y = image->crop_y + (mirror_y ? height - 1 - at_y : at_y);
      memcpy (pixel,
          (guint8 *)GST_VIDEO_FRAME_PLANE_DATA (from, 0) + (gsize)at_y * GST_VIDEO_FRAME_PLANE_STRIDE (from, 0) + 3 * at_x, 3);
    }
  }
}

/* sample: RGB. What is seen of the picture, upright. (transfer full) (nullable) */
static GstSample *
make_upright (GstSample *sample, const MinivlImage *image)
{
  guint width = image->crop_width > 0 ? image->crop_width : image->width;
  guint height = image->crop_height > 0 ? image->crop_height : image->height;
  g_autoptr (GstBuffer) buffer = NULL;
  g_autoptr (GstCaps) caps = NULL;
  GstVideoInfo info, upright;
  GstVideoFrame from, to;

  gst_video_info_set_format (
      &upright, GST_VIDEO_FORMAT_RGB, image->orientation >= 5 ? height : width, image->orientation >= 5 ? width : height);
  gst_video_info_from_caps (&info, gst_sample_get_caps (sample));
  buffer = gst_buffer_new_allocate (NULL, upright.size, NULL);
  caps = gst_video_info_to_caps (&upright);
  gst_video_frame_map (&from, &info, gst_sample_get_buffer (sample), GST_MAP_READ);
  gst_video_frame_map (&to, &upright, buffer, GST_MAP_WRITE);
  turn (&to, &from, image);
  gst_video_frame_unmap (&to);
  gst_video_frame_unmap (&from);
  return gst_sample_new (buffer, caps, NULL, NULL);
}

/* The size in square pixels of n to d: the shorter side of a pixel grows, or where that is too large the longer one shrinks. */
static void
square_size (const GstVideoInfo *info, guint n, guint d, guint *width, guint *height)
{
  guint64 wide = gst_util_uint64_scale_int_round (GST_VIDEO_INFO_WIDTH (info), n, d);
  guint64 high = gst_util_uint64_scale_int_round (GST_VIDEO_INFO_HEIGHT (info), d, n);

  *width = GST_VIDEO_INFO_WIDTH (info);
  *height = GST_VIDEO_INFO_HEIGHT (info);
  if ((n > d && wide <= LONGEST_SIDE) || (n < d && high > LONGEST_SIDE))
    *width = MAX (wide, 1);
  else
    *height = MAX (high, 1);
}

/* sample: RGB, upright. Not by videoscale, which would rather add borders than round the shape. (transfer full) */
static GstSample *
make_square (GstSample *sample, const Frame *frame)
{
  g_autoptr (GstSample) own = sample;
  gboolean turned = frame->image.orientation >= 5;
  guint n = turned ? frame->par_d : frame->par_n, d = turned ? frame->par_n : frame->par_d, width, height;
  g_autoptr (GstBuffer) buffer = NULL;
  g_autoptr (GstCaps) caps = NULL;
  GstVideoConverter *converter;
  GstVideoInfo info, square;
  GstVideoFrame from, to;

  if (n == d)
    return g_steal_pointer (&own);
  gst_video_info_from_caps (&info, gst_sample_get_caps (sample));
  square_size (&info, n, d, &width, &height);
  gst_video_info_set_format (&square, GST_VIDEO_FORMAT_RGB, width, height);
  buffer = gst_buffer_new_allocate (NULL, square.size, NULL);
  caps = gst_video_info_to_caps (&square);
  converter = gst_video_converter_new (&info, &square, NULL);
  gst_video_frame_map (&from, &info, gst_sample_get_buffer (sample), GST_MAP_READ);
  gst_video_frame_map (&to, &square, buffer, GST_MAP_WRITE);
  gst_video_converter_frame (converter, &from, &to);
  gst_video_frame_unmap (&to);
  gst_video_frame_unmap (&from);
  gst_video_converter_free (converter);
  return gst_sample_new (buffer, caps, NULL, NULL);
}

static GBytes *
copy_bytes (GstSample *sample)
{
  GstBuffer *buffer = gst_sample_get_buffer (sample);
  gpointer data;
  gsize size;

  gst_buffer_extract_dup (buffer, 0, -1, &data, &size);
  return g_bytes_new_take (data, size);
}

/* By way of RGB, for jpegenc takes any Y for the full range of BT.601, which videoconvert does not make of another: measured. */
GBytes *
snapshot_encode (Frame *frame, GError **error)
{
  g_autoptr (GstSample) rgb = NULL, jpeg = NULL;
  g_autoptr (GstBuffer) buffer = NULL;
  g_autoptr (GstCaps) caps = NULL;
  GstVideoInfo info;

  if (!frame_await (frame, error))
    return NULL;
  fill_info (&info, &frame->image);
  caps = gst_video_info_to_caps (&info);
  buffer = wrap_pixels (frame, &info);
  rgb = convert (gst_sample_new (buffer, caps, NULL, NULL), "video/x-raw,format=RGB", error);
  if (rgb != NULL)
    jpeg = convert (make_square (make_upright (rgb, &frame->image), frame), "image/jpeg", error);
  return jpeg != NULL ? copy_bytes (jpeg) : NULL;
}

/* --- files ------------------------------------------------------------------------------------------------------------------- */

/* stream: UTF-8. (transfer full) */
static gchar *
safe_name (const gchar *stream)
{
  GString *name = g_string_new (NULL);

  for (const gchar *p = stream; *p != '\0' && name->len < LONGEST_NAME; p = g_utf8_next_char (p)) {
    gboolean is_unsafe =
        strchr ("/\\:*?\"<>|", *p) != NULL || g_unichar_iscntrl (g_utf8_get_char (p)) || (p == stream && *p == '.');

    g_string_append_unichar (name, is_unsafe ? '_' : g_utf8_get_char (p));
  }
  return g_string_free (name, FALSE);
}

gboolean
snapshot_save (GBytes *jpeg, const gchar *folder, const gchar *stream, guint64 id, GError **error)
{
  g_autofree gchar *name = safe_name (stream);
  g_autofree gchar *file = g_strdup_printf ("%s-%" G_GUINT64_FORMAT ".jpg", name, id);
  g_autofree gchar *path = g_build_filename (folder, file, NULL);
  gsize size;
  const gchar *data = g_bytes_get_data (jpeg, &size);

  return g_file_set_contents (path, data, size, error);
}

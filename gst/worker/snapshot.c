#include "snapshot.h"

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/video/video.h>
#include <string.h>

/* By way of RGB, for jpegenc takes any Y for the full range of BT.601, which videoconvert does not make of another: measured. */
#define PIPELINE                                                                                                                   \
  "appsrc name=src ! videocrop name=crop ! videoconvert ! video/x-raw,format=RGB ! videoflip name=flip ! jpegenc ! "               \
  "appsink name=sink sync=false"
#define PATIENCE (10 * GST_SECOND)
/* Bytes of a stream's name in a file's, which may have 255. */
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

/* The other way round of what frame.c makes of a GstVideoInfo. */
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

/* From EXIF's number to what makes it upright. */
static GstVideoOrientationMethod
turn (guint orientation)
{
  static const GstVideoOrientationMethod methods[] = { GST_VIDEO_ORIENTATION_IDENTITY, GST_VIDEO_ORIENTATION_IDENTITY,
    GST_VIDEO_ORIENTATION_HORIZ, GST_VIDEO_ORIENTATION_180, GST_VIDEO_ORIENTATION_VERT, GST_VIDEO_ORIENTATION_UL_LR,
    GST_VIDEO_ORIENTATION_90R, GST_VIDEO_ORIENTATION_UR_LL, GST_VIDEO_ORIENTATION_90L };

  return methods[orientation];
}

static void
set_up (GstBin *pipeline, const MinivlImage *image)
{
  g_autoptr (GstElement) crop = gst_bin_get_by_name (pipeline, "crop"), flip = gst_bin_get_by_name (pipeline, "flip");

  if (image->crop_width > 0)
    g_object_set (crop, "left", image->crop_x, "right", image->width - image->crop_x - image->crop_width, NULL);
  if (image->crop_height > 0)
    g_object_set (crop, "top", image->crop_y, "bottom", image->height - image->crop_y - image->crop_height, NULL);
  g_object_set (flip, "video-direction", turn (image->orientation), NULL);
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

/* Why there is no picture. */
static void
take_error (GstElement *pipeline, GError **error)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);

  if (message != NULL)
    gst_message_parse_error (message, error, NULL);
  else
    g_set_error_literal (error, GST_CORE_ERROR, GST_CORE_ERROR_FAILED, "no JPEG came out of jpegenc");
}

GBytes *
snapshot_encode (Frame *frame, GError **error)
{
  g_autoptr (GstElement) pipeline = NULL, src = NULL, sink = NULL;
  g_autoptr (GstSample) sample = NULL;
  g_autoptr (GstCaps) caps = NULL;
  GstVideoInfo info;

  if (!frame_await (frame, error))
    return NULL;
  pipeline = gst_parse_launch_full (PIPELINE, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
  if (pipeline == NULL)
    return NULL;
  gst_object_ref_sink (pipeline);
  src = gst_bin_get_by_name (GST_BIN (pipeline), "src");
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  set_up (GST_BIN (pipeline), &frame->image);
  fill_info (&info, &frame->image);
  caps = gst_video_info_to_caps (&info);
  g_object_set (src, "format", GST_FORMAT_TIME, "caps", caps, NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  gst_app_src_push_buffer (GST_APP_SRC (src), wrap_pixels (frame, &info));
  gst_app_src_end_of_stream (GST_APP_SRC (src));
  sample = gst_app_sink_try_pull_sample (GST_APP_SINK (sink), PATIENCE);
  if (sample == NULL)
    take_error (pipeline, error);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return sample != NULL ? copy_bytes (sample) : NULL;
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

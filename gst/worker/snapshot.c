#include "snapshot.h"

#include "gst/backends/jpeg.h"

#include <gst/video/video.h>
#include <string.h>

/* jpegenc's */
#define QUALITY 85
/* Of a picture in pixels; JPEG has 65,535 */
#define LONGEST_SIDE 16384
/* Most bytes of the stream's name in a file name, which may have 255. */
#define LONGEST_NAME 200

/* --- encoding ---------------------------------------------------------------------------------------------------------------- */

/* The size in square pixels of n to d: the shorter side of a pixel grows, or where that is too large the longer one shrinks. */
static void
square_size (guint n, guint d, guint *width, guint *height)
{
  guint64 wide = gst_util_uint64_scale_int_round (*width, n, d), high = gst_util_uint64_scale_int_round (*height, d, n);

  if ((n > d && wide <= LONGEST_SIDE) || (n < d && high > LONGEST_SIDE))
    *width = MAX (wide, 1);
  else
    *height = MAX (high, 1);
}

static void
fill_frame (GstVideoFrame *frame, guint8 *rgb, guint width, guint height)
{
  *frame = (GstVideoFrame){ .data = { rgb } };
  gst_video_info_set_format (&frame->info, GST_VIDEO_FORMAT_RGB, width, height);
  frame->info.stride[0] = 3 * width;
}

/* rgb: (transfer full): rows without padding, upright, as the result has them. Not by videoscale, which would rather add borders
 * than round the shape. */
static guint8 *
make_square (guint8 *rgb, guint *width, guint *height, const Frame *frame)
{
  gboolean turned = frame->image.orientation >= 5;
  guint n = turned ? frame->par_d : frame->par_n, d = turned ? frame->par_n : frame->par_d;
  g_autofree guint8 *own = rgb;
  GstVideoConverter *converter;
  GstVideoFrame from, to;
  guint8 *square;

  if (n == d)
    return g_steal_pointer (&own);
  fill_frame (&from, rgb, *width, *height);
  square_size (n, d, width, height);
  square = g_malloc ((gsize)*width * *height * 3);
  fill_frame (&to, square, *width, *height);
  converter = gst_video_converter_new (&from.info, &to.info, NULL);
  gst_video_converter_frame (converter, &from, &to);
  gst_video_converter_free (converter);
  return square;
}

GBytes *
snapshot_encode (Frame *frame, GError **error)
{
  g_autofree guint8 *rgb = NULL;
  guint width, height;

  if (!frame_await (frame, error))
    return NULL;
  rgb = make_square (jpeg_rgb_of (&frame->image, &width, &height), &width, &height, frame);
  return jpeg_encode (rgb, width, height, QUALITY, error);
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

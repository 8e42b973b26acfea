/* Every format of raw video: what the model sees of it is what came, or what videoconvert makes of it. */
#include "gst/element/gstminivl.h"
#include "rig.h"

#include <gst/video/video.h>
#include <string.h>

/* Odd: neither rows nor planes end on a word, and the last sample of a colour is of fewer pixels. */
#define WIDTH 37
#define HEIGHT 19

static const GstVideoFormat copied[] = { GST_VIDEO_FORMAT_NV12, GST_VIDEO_FORMAT_I420, GST_VIDEO_FORMAT_RGB, GST_VIDEO_FORMAT_BGR,
  GST_VIDEO_FORMAT_RGBx, GST_VIDEO_FORMAT_BGRx, GST_VIDEO_FORMAT_RGBA, GST_VIDEO_FORMAT_BGRA, GST_VIDEO_FORMAT_GRAY8 };

static gboolean
is_copied (GstVideoFormat format)
{
  for (guint i = 0; i < G_N_ELEMENTS (copied); i++)
    if (copied[i] == format)
      return TRUE;
  return FALSE;
}

/* GStreamer leaves the last pixels of MT2110R and MT2110T as they were, unless they fill a tile. */
static guint
width_of (GstVideoFormat format)
{
  return g_str_has_prefix (gst_video_format_to_string (format), "MT2110") ? 48 : WIDTH;
}

static gboolean
has_halved_lines (GstVideoFormat format)
{
  return format == GST_VIDEO_FORMAT_NV12 || format == GST_VIDEO_FORMAT_I420;
}

/* --- frames ------------------------------------------------------------------------------------------------------------------ */

/* Noise. padded: its rows have gaps, and so have its planes. (transfer full) */
static GstBuffer *
make_frame (const GstVideoInfo *info, gboolean padded, guint seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  GstVideoInfo laid = *info;
  GstVideoAlignment align = { .padding_bottom = 6, .padding_right = 20 };
  GstBuffer *buffer;
  GstMapInfo map;

  if (padded)
    g_assert_true (gst_video_info_align (&laid, &align));
  buffer = gst_buffer_new_and_alloc (laid.size);
  gst_buffer_map (buffer, &map, GST_MAP_WRITE);
  for (gsize i = 0; i < map.size; i++)
    map.data[i] = g_rand_int (rand);
  gst_buffer_unmap (buffer, &map);
  if (padded)
    gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT (info), GST_VIDEO_INFO_WIDTH (info),
        GST_VIDEO_INFO_HEIGHT (info), GST_VIDEO_INFO_N_PLANES (info), laid.offset, laid.stride);
  return buffer;
}

/* What videoconvert makes of a frame, in rows without gaps. (transfer full) */
static GBytes *
converted (GstCaps *caps, GstBuffer *frame)
{
  GstHarness *h = gst_harness_new ("videoconvert");
  g_autoptr (GstBuffer) rgb = NULL;
  g_autoptr (GstCaps) to = NULL;
  GByteArray *bytes = g_byte_array_new ();
  GstVideoInfo info;
  GstVideoFrame mapped;

  gst_harness_set_sink_caps_str (h, "video/x-raw, format = RGB");
  gst_harness_set_src_caps (h, gst_caps_ref (caps));
  g_assert_cmpint (gst_harness_push (h, gst_buffer_ref (frame)), ==, GST_FLOW_OK);
  rgb = gst_harness_pull (h);
  to = gst_pad_get_current_caps (h->sinkpad);
  g_assert_true (gst_video_info_from_caps (&info, to));
  g_assert_true (gst_video_frame_map (&mapped, &info, rgb, GST_MAP_READ));
  for (gint y = 0; y < GST_VIDEO_INFO_HEIGHT (&info); y++)
    g_byte_array_append (bytes, (guint8 *)GST_VIDEO_FRAME_PLANE_DATA (&mapped, 0) + y * GST_VIDEO_FRAME_PLANE_STRIDE (&mapped, 0),
        3 * GST_VIDEO_INFO_WIDTH (&info));
  gst_video_frame_unmap (&mapped);
  gst_harness_teardown (h);
  return g_byte_array_free_to_bytes (bytes);
}

/* The planes of a frame as they came, in rows without gaps. (transfer full) */
static GBytes *
as_it_came (const GstVideoInfo *info, GstBuffer *frame)
{
  GByteArray *bytes = g_byte_array_new ();
  GstVideoFrame mapped;

  g_assert_true (gst_video_frame_map (&mapped, info, frame, GST_MAP_READ));
  for (guint p = 0; p < GST_VIDEO_FRAME_N_PLANES (&mapped); p++) {
    gint c[GST_VIDEO_MAX_COMPONENTS];

    gst_video_format_info_component (info->finfo, p, c);
    for (gint y = 0; y < GST_VIDEO_FRAME_COMP_HEIGHT (&mapped, c[0]); y++)
      g_byte_array_append (bytes, (guint8 *)GST_VIDEO_FRAME_PLANE_DATA (&mapped, p) + y * GST_VIDEO_FRAME_PLANE_STRIDE (&mapped, p),
          GST_VIDEO_FRAME_COMP_WIDTH (&mapped, c[0]) * GST_VIDEO_FRAME_COMP_PSTRIDE (&mapped, c[0]));
  }
  gst_video_frame_unmap (&mapped);
  return g_byte_array_free_to_bytes (bytes);
}

/* --- what the model sees ------------------------------------------------------------------------------------------------------ */

/* A stream whose format changes from frame to frame, and what was seen of the last one. */
typedef struct
{
  Rig *rig;
  MinivlImage image;
  GByteArray *bytes; /* of all its planes, in rows without gaps */
  guint n_pushed;
} Stream;

static void
note_image (const MinivlImage *image, gpointer data)
{
  Stream *stream = data;
  gboolean nv12 = image->format == MINIVL_FORMAT_NV12, i420 = image->format == MINIVL_FORMAT_I420;
  gboolean four = image->format == MINIVL_FORMAT_RGBX || image->format == MINIVL_FORMAT_BGRX;
  guint pixel = nv12 || i420 || image->format == MINIVL_FORMAT_GRAY8 ? 1 : four ? 4 : 3;

  stream->image = *image;
  g_byte_array_set_size (stream->bytes, 0);
  for (guint y = 0; y < image->height; y++)
    g_byte_array_append (stream->bytes, image->data[0] + y * image->stride[0], image->width * pixel);
  for (guint p = 1; p < (i420 ? 3 : nv12 ? 2 : 1); p++)
    for (guint y = 0; y < (image->height + 1) / 2; y++)
      g_byte_array_append (stream->bytes, image->data[p] + y * image->stride[p], (image->width + 1) / 2 * (nv12 ? 2 : 1));
}

static void
stream_init (Stream *stream)
{
  *stream = (Stream){ .rig = rig_new ("num-segments=1"), .bytes = g_byte_array_new () };
  fake_watch (note_image, stream);
}

static void
stream_clear (Stream *stream)
{
  rig_free (stream->rig);
  g_byte_array_unref (stream->bytes);
}

/* Pushes a frame that is a segment of its own, and asserts that the model saw `expected`. frame: (transfer full) */
static void
assert_seen (Stream *stream, GstCaps *caps, GstBuffer *frame, GBytes *expected)
{
  g_autoptr (GstStructure) result = NULL;

  gst_harness_set_src_caps (stream->rig->video, gst_caps_ref (caps));
  GST_BUFFER_PTS (frame) = stream->n_pushed++ * 100 * GST_MSECOND;
  GST_BUFFER_DURATION (frame) = 100 * GST_MSECOND;
  g_assert_cmpint (gst_harness_push (stream->rig->video, frame), ==, GST_FLOW_OK);
  gst_buffer_unref (gst_harness_pull (stream->rig->video));
  g_assert_true (gst_harness_push_event (
      stream->rig->video, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty ("minivl-segment"))));
  result = rig_await_result (stream->rig);
  g_assert_cmpstr (gst_structure_get_string (result, "finish_reason"), ==, "stop");
  g_assert_cmpmem (stream->bytes->data, stream->bytes->len, g_bytes_get_data (expected, NULL), g_bytes_get_size (expected));
}

/* One format with further caps, as `more` has them; with and without gaps. flags: of the buffer. */
static void
check_size (Stream *stream, GstVideoFormat format, guint width, guint height, const gchar *more, guint flags)
{
  g_autofree gchar *line = g_strdup_printf ("video/x-raw, format = %s, width = %u, height = %u, framerate = 10/1%s",
      gst_video_format_to_string (format), width, height, more);
  g_autoptr (GstCaps) caps = gst_caps_from_string (line);
  gboolean as_is;
  GstVideoInfo info;

  g_test_message ("%s", line);
  g_assert_true (gst_video_info_from_caps (&info, caps));
  as_is = is_copied (format) && !(GST_VIDEO_INFO_IS_INTERLACED (&info) && has_halved_lines (format));
  for (guint padded = 0; padded < (GST_VIDEO_FORMAT_INFO_IS_TILED (info.finfo) ? 1 : 2); padded++) {
    GstBuffer *frame = make_frame (&info, padded, 1 + padded);
    g_autoptr (GBytes) expected = NULL;

    GST_BUFFER_FLAG_SET (frame, flags);
    expected = as_is ? as_it_came (&info, frame) : converted (caps, frame);
    assert_seen (stream, caps, frame, expected);
    g_assert_true (as_is || stream->image.format == MINIVL_FORMAT_RGB);
    g_assert_cmpuint (stream->image.width, ==, width);
    g_assert_cmpuint (stream->image.height, ==, height);
  }
}

static void
check (Stream *stream, GstVideoFormat format, const gchar *more, guint flags)
{
  check_size (stream, format, width_of (format), HEIGHT, more, flags);
}

static void
check_all (const gchar *more, guint flags)
{
  Stream stream;
  guint n;
  const GstVideoFormat *formats = gst_video_formats_raw (&n);

  g_assert_cmpuint (n, >, 100);
  stream_init (&stream);
  for (guint i = 0; i < n; i++)
    check (&stream, formats[i], more, flags);
  stream_clear (&stream);
}

static void
test_each_is_seen_as_it_came_or_as_videoconvert_makes_it (void)
{
  check_all ("", 0);
}

static void
test_small_ones (void)
{
  static const guint sizes[][2] = { { 1, 1 }, { 3, 2 }, { 16, 4 } };
  Stream stream;
  guint n;
  const GstVideoFormat *formats = gst_video_formats_raw (&n);

  stream_init (&stream);
  for (guint i = 0; i < n; i++)
    for (guint k = 0; k < G_N_ELEMENTS (sizes); k++)
      if (width_of (formats[i]) == WIDTH || sizes[k][0] == 16)
        check_size (&stream, formats[i], sizes[k][0], sizes[k][1], k < 2 ? "" : ", interlace-mode = interleaved", 0);
  stream_clear (&stream);
}

static void
test_interlaced_ones_too (void)
{
  check_all (", interlace-mode = interleaved, field-order = top-field-first",
      GST_VIDEO_BUFFER_FLAG_INTERLACED | GST_VIDEO_BUFFER_FLAG_TFF);
}

static void
test_mixed_ones_by_the_flag_of_each_frame (void)
{
  check_all (", interlace-mode = mixed", GST_VIDEO_BUFFER_FLAG_INTERLACED);
  check_all (", interlace-mode = mixed", 0);
}

static void
test_colours_are_converted_by_their_caps (void)
{
  static const gchar *const colours[] = { "bt601", "bt709", "bt2020", "bt2100-pq", "smpte240m", "1:4:0:0", "1:3:5:1" };
  static const GstVideoFormat formats[] = { GST_VIDEO_FORMAT_YUY2, GST_VIDEO_FORMAT_UYVY, GST_VIDEO_FORMAT_NV21,
    GST_VIDEO_FORMAT_NV16, GST_VIDEO_FORMAT_Y42B, GST_VIDEO_FORMAT_Y444, GST_VIDEO_FORMAT_P010_10LE, GST_VIDEO_FORMAT_I420_10LE,
    GST_VIDEO_FORMAT_AYUV, GST_VIDEO_FORMAT_v210 };

  Stream stream;

  stream_init (&stream);
  for (guint i = 0; i < G_N_ELEMENTS (colours); i++) {
    g_autofree gchar *more = g_strdup_printf (", colorimetry = (string)%s", colours[i]);
    g_autofree gchar *sited = g_strconcat (more, ", chroma-site = (string)mpeg2", NULL);

    for (guint k = 0; k < G_N_ELEMENTS (formats); k++)
      check (&stream, formats[k], more, 0);
    check (&stream, GST_VIDEO_FORMAT_P010_10LE, sited, 0);
    check (&stream, GST_VIDEO_FORMAT_YV12, sited, 0);
  }
  stream_clear (&stream);
}

/* A buffer with a meta has the caps' colours. */
static void
test_copied_ones_keep_their_colours (void)
{
  static const struct
  {
    const gchar *colorimetry;
    MinivlMatrix matrix;
    MinivlRange range;
  } cases[] = {
    { "bt601", MINIVL_MATRIX_BT601, MINIVL_RANGE_LIMITED },
    { "bt709", MINIVL_MATRIX_BT709, MINIVL_RANGE_LIMITED },
    { "bt2020", MINIVL_MATRIX_BT2020, MINIVL_RANGE_LIMITED },
    { "1:4:0:0", MINIVL_MATRIX_BT601, MINIVL_RANGE_FULL },
    { "1:3:5:1", MINIVL_MATRIX_BT709, MINIVL_RANGE_FULL },
  };

  Stream stream;

  stream_init (&stream);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree gchar *more = g_strdup_printf (", colorimetry = (string)%s", cases[i].colorimetry);

    check (&stream, GST_VIDEO_FORMAT_I420, more, 0); /* the last frame of it has a meta */
    g_assert_cmpint (stream.image.matrix, ==, cases[i].matrix);
    g_assert_cmpint (stream.image.range, ==, cases[i].range);
  }
  stream_clear (&stream);
}

/* The whole of it is converted, and the crop is the model's to make. */
static void
test_a_crop_of_a_converted_frame (void)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string ("video/x-raw, format = YUY2, width = 11, height = 7, framerate = 10/1");
  g_autoptr (GstCaps) whole = gst_caps_from_string ("video/x-raw, format = YUY2, width = 37, height = 19, framerate = 10/1");
  g_autoptr (GBytes) expected = NULL;
  GstBuffer *frame;
  GstVideoCropMeta *crop;
  GstVideoInfo info;
  Stream stream;

  g_assert_true (gst_video_info_from_caps (&info, whole));
  stream_init (&stream);
  frame = make_frame (&info, TRUE, 5);
  expected = converted (whole, frame);
  crop = gst_buffer_add_video_crop_meta (frame);
  *crop = (GstVideoCropMeta){ .meta = crop->meta, .x = 13, .y = 5, .width = 11, .height = 7 };
  assert_seen (&stream, caps, frame, expected);
  g_assert_cmpuint (stream.image.crop_x, ==, 13);
  g_assert_cmpuint (stream.image.crop_y, ==, 5);
  g_assert_cmpuint (stream.image.crop_width, ==, 11);
  g_assert_cmpuint (stream.image.crop_height, ==, 7);
  stream_clear (&stream);
}

/* Where nobody asks for another format, it is one that need not be converted. */
static void
test_formats_that_are_copied_are_preferred (void)
{
  g_autoptr (GstElement) pipeline = gst_parse_launch (
      "videotestsrc num-buffers=12 ! video/x-raw, framerate=10/1 ! minivl name=m model-path=/fake ! fakesink", NULL);
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (pipeline), "m");
  g_autoptr (GstPad) sink = gst_element_get_static_pad (element, "sink");
  g_autoptr (GstCaps) caps = NULL;
  GstVideoInfo info;

  fake_reset ();
  gst_element_set_state (pipeline, GST_STATE_PAUSED);
  g_assert_cmpint (gst_element_get_state (pipeline, NULL, NULL, GST_CLOCK_TIME_NONE), ==, GST_STATE_CHANGE_SUCCESS);
  caps = gst_pad_get_current_caps (sink);
  g_assert_true (gst_video_info_from_caps (&info, caps));
  g_assert_true (is_copied (GST_VIDEO_INFO_FORMAT (&info)));
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  fake_reset ();
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));

#define RULE(name) g_test_add_func ("/formats/" #name, test_##name)
  RULE (each_is_seen_as_it_came_or_as_videoconvert_makes_it);
  RULE (small_ones);
  RULE (interlaced_ones_too);
  RULE (mixed_ones_by_the_flag_of_each_frame);
  RULE (colours_are_converted_by_their_caps);
  RULE (copied_ones_keep_their_colours);
  RULE (a_crop_of_a_converted_frame);
  RULE (formats_that_are_copied_are_preferred);
#undef RULE
  return g_test_run ();
}

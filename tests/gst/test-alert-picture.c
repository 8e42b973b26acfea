/* The rules of alert-picture: which frame is kept, and what becomes of it. */
#include "gst/element/gstminivl.h"
#include "rig.h"

#include <glib/gstdio.h>
#include <gst/video/video.h>

#define WIDTH 64
#define HEIGHT 32

static gchar *folder;

/* The next result, with no warning in front of it. */
static GstStructure *
await_result (Rig *rig)
{
  for (;;) {
    g_autoptr (GstMessage) message = rig_await_message (rig, GST_MESSAGE_ELEMENT | GST_MESSAGE_WARNING);

    g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_ELEMENT);
    if (gst_message_has_name (message, "minivl"))
      return gst_structure_copy (gst_message_get_structure (message));
  }
}

/* The next result is an alert, whose id it returns: that is the next one when it is told, and may be in front of an open segment's.
 */
static guint64
await_alert (Rig *rig)
{
  g_autoptr (GstStructure) s = await_result (rig);

  g_assert_cmpstr (gst_structure_get_string (s, "kind"), ==, "alert");
  return rig_uint64 (s, "id");
}

/* The next result is a segment's. */
static void
await_segment (Rig *rig)
{
  g_autoptr (GstStructure) s = await_result (rig);

  g_assert_cmpstr (gst_structure_get_string (s, "kind"), ==, "segment");
}

/* A frame whose left half is black, and whose right half is the brighter the later it comes. */
static GstBuffer *
make_frame (guint number)
{
  GstBuffer *buffer = gst_buffer_new_and_alloc (3 * WIDTH * HEIGHT);
  GstMapInfo map;

  gst_buffer_map (buffer, &map, GST_MAP_WRITE);
  for (gsize i = 0; i < map.size; i++)
    map.data[i] = i % (3 * WIDTH) < 3 * WIDTH / 2 ? 0 : 20 * (number % 12);
  gst_buffer_unmap (buffer, &map);
  GST_BUFFER_PTS (buffer) = number * 100 * GST_MSECOND;
  GST_BUFFER_DURATION (buffer) = 100 * GST_MSECOND;
  return buffer;
}

static void
push_frames (Rig *rig, guint from, guint to)
{
  for (guint i = from; i < to; i++)
    g_assert_cmpint (gst_harness_push (rig->video, make_frame (i)), ==, GST_FLOW_OK);
}

static Rig *
rig_with_pictures (const gchar *properties)
{
  g_autofree gchar *line = g_strdup_printf ("alerts=\"A dog?\" alert-picture=%s %s", folder, properties);
  Rig *rig = rig_new (line);

  rig_set_caps (rig, "RGB", WIDTH, HEIGHT, 10, 1);
  return rig;
}

/* Takes the file away. (transfer full) */
static GstSample *
take_picture (const gchar *stream, guint64 id)
{
  g_autofree gchar *name = g_strdup_printf ("%s-%" G_GUINT64_FORMAT ".jpg", stream, id);
  g_autofree gchar *path = g_build_filename (folder, name, NULL);
  g_autofree gchar *line =
      g_strdup_printf ("filesrc location=\"%s\" ! jpegdec ! videoconvert ! video/x-raw,format=RGB ! appsink name=sink", path);
  g_autoptr (GstElement) pipeline = gst_parse_launch (line, NULL), sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  GstSample *sample = NULL;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_signal_emit_by_name (sink, "pull-sample", &sample);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  g_assert_nonnull (sample);
  g_assert_cmpint (g_unlink (path), ==, 0);
  return sample;
}

/* component: 0, 1, 2: red, green, blue */
static guint
pixel (GstSample *sample, guint x, guint y, guint component)
{
  GstVideoInfo info;
  GstVideoFrame frame;
  guint value;

  g_assert_true (gst_video_info_from_caps (&info, gst_sample_get_caps (sample)));
  g_assert_cmpuint (x, <, info.width);
  g_assert_cmpuint (y, <, info.height);
  g_assert_true (gst_video_frame_map (&frame, &info, gst_sample_get_buffer (sample), GST_MAP_READ));
  value = GST_VIDEO_FRAME_COMP_DATA (&frame, component)[y * GST_VIDEO_FRAME_COMP_STRIDE (&frame, component) + 3 * x];
  gst_video_frame_unmap (&frame);
  return value;
}

static void
assert_size (GstSample *sample, gint width, gint height)
{
  GstVideoInfo info;

  g_assert_true (gst_video_info_from_caps (&info, gst_sample_get_caps (sample)));
  g_assert_cmpint (info.width, ==, width);
  g_assert_cmpint (info.height, ==, height);
}

/* The picture is the frame of that number. */
static void
assert_picture (GstSample *sample, guint number)
{
  assert_size (sample, WIDTH, HEIGHT);
  g_assert_cmpint (pixel (sample, 8, 16, 0), <, 8);
  g_assert_cmpint (ABS ((gint)pixel (sample, 56, 16, 0) - (gint)(20 * (number % 12))), <, 6);
}

static guint
count_files (void)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static guint
frame_of (const GstStructure *result, guint n)
{
  const GValue *frames = gst_structure_get_value (result, "frames");

  return (guint)(g_value_get_uint64 (gst_value_array_get_value (frames, n)) / (100 * GST_MSECOND));
}

static void
test_an_alert_leaves_the_middle_frame_as_a_jpeg (void)
{
  Rig *rig = rig_with_pictures ("num-segments=4 stream=door");
  g_autoptr (GstStructure) rise = NULL, fall = NULL;
  g_autoptr (GstSample) first = NULL, second = NULL;
  guint middle;

  fake_add_scores ("0.9 0.9 0.1");
  push_frames (rig, 0, 11);
  rise = await_result (rig);
  middle = frame_of (rise, 2);
  first = take_picture ("door", rig_uint64 (rise, "id")); /* there as soon as it is told */
  assert_picture (first, middle);
  await_segment (rig);
  push_frames (rig, 11, 21);
  await_segment (rig);
  g_assert_cmpuint (count_files (), ==, 0);
  push_frames (rig, 21, 31);
  fall = await_result (rig);
  second = take_picture ("door", rig_uint64 (fall, "id"));
  assert_picture (second, 20 + middle);
  rig_free (rig);
}

static void
test_a_segment_cut_short_shows_its_last_frame_up_to_the_middle (void)
{
  Rig *rig = rig_with_pictures ("num-segments=4 stream=door");
  g_autoptr (GstStructure) alert = NULL;
  g_autoptr (GstSample) picture = NULL;

  fake_add_scores ("0.9");
  push_frames (rig, 0, 5); /* two of the four places */
  rig_eos (rig);
  alert = await_result (rig);
  g_assert_cmpuint (gst_value_array_get_size (gst_structure_get_value (alert, "frames")), ==, 2);
  picture = take_picture ("door", rig_uint64 (alert, "id"));
  assert_picture (picture, frame_of (alert, 1));
  rig_free (rig);
}

static void
test_pictures_can_be_wanted_and_not_while_playing (void)
{
  Rig *rig = rig_with_pictures ("stream=door");
  g_autoptr (GstSample) first = NULL, third = NULL;
  guint64 id;

  fake_add_scores ("0.9 0.1 0.9 0.1");
  push_frames (rig, 0, 11);
  id = await_alert (rig);
  await_segment (rig);
  first = take_picture ("door", id);
  g_object_set (rig->element, "alert-picture", NULL, NULL);
  push_frames (rig, 11, 31);
  id = await_alert (rig);
  await_segment (rig);
  await_alert (rig);
  await_segment (rig);
  third = take_picture ("door", id); /* opened before */
  g_assert_cmpuint (count_files (), ==, 0);
  rig_free (rig);
}

static void
test_pictures_are_upright_and_cropped (void)
{
  Rig *rig = rig_with_pictures ("num-segments=1 stream=door");
  g_autoptr (GstSample) picture = NULL;
  GstTagList *tags = gst_tag_list_new (GST_TAG_IMAGE_ORIENTATION, "rotate-90", NULL);

  fake_add_scores ("0.9");
  g_assert_true (gst_harness_push_event (rig->video, gst_event_new_tag (tags)));
  for (guint i = 0; i < 11; i++) {
    GstBuffer *buffer = make_frame (11);
    GstVideoCropMeta *crop;

    gst_buffer_add_video_meta (buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_RGB, WIDTH, HEIGHT);
    crop = gst_buffer_add_video_crop_meta (buffer);
    crop->x = 24;
    crop->width = 40;
    crop->height = 20;
    GST_BUFFER_PTS (buffer) = i * 100 * GST_MSECOND;
    g_assert_cmpint (gst_harness_push (rig->video, buffer), ==, GST_FLOW_OK);
  }
  picture = take_picture ("door", await_alert (rig));
  /* of 40 x 20 the left 8 columns are black; turned clockwise, what was left is up */
  assert_size (picture, 20, 40);
  g_assert_cmpuint (pixel (picture, 10, 3, 0), <, 20);
  g_assert_cmpuint (pixel (picture, 10, 30, 0), >, 200);
  rig_free (rig);
}

/* The right half stays the right half, or below. */
static void
test_pictures_have_square_pixels (void)
{
  static const struct
  {
    const gchar *shape, *turn;
    gint width, height;
  } cases[] = {
    { "1/1", "rotate-0", WIDTH, HEIGHT },
    { "2/1", "rotate-0", 2 * WIDTH, HEIGHT },
    { "1/2", "rotate-0", WIDTH, 2 * HEIGHT },
    { "12/11", "rotate-0", 70, HEIGHT },
    { "2/1", "rotate-90", HEIGHT, 2 * WIDTH },
    { "1/2", "rotate-270", 2 * HEIGHT, WIDTH },
    { "1000/1", "rotate-0", WIDTH, 1 }, /* too wide for a JPEG */
    { "1/1000", "rotate-0", 1, HEIGHT },
    { "0/1", "rotate-0", WIDTH, HEIGHT },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Rig *rig = rig_with_pictures ("num-segments=1 stream=door");
    g_autofree gchar *caps = g_strdup_printf ("video/x-raw, format = RGB, width = %u, height = %u, framerate = 10/1, "
                                              "pixel-aspect-ratio = (fraction)%s",
        WIDTH, HEIGHT, cases[i].shape);
    GstTagList *tags = gst_tag_list_new (GST_TAG_IMAGE_ORIENTATION, cases[i].turn, NULL);
    g_autoptr (GstSample) picture = NULL;

    gst_harness_set_src_caps_str (rig->video, caps);
    g_assert_true (gst_harness_push_event (rig->video, gst_event_new_tag (tags)));
    fake_add_scores ("0.9");
    push_frames (rig, 0, 11);
    picture = take_picture ("door", await_alert (rig));
    assert_size (picture, cases[i].width, cases[i].height);
    if (cases[i].width > 1 && g_str_equal (cases[i].turn, "rotate-0")) {
      g_assert_cmpuint (pixel (picture, cases[i].width / 4, cases[i].height / 2, 0), <, 16);
      g_assert_cmpuint (pixel (picture, 3 * cases[i].width / 4, cases[i].height / 2, 0), >, 80);
    }
    g_assert_cmpuint (fake_last_layout ().width, ==, WIDTH); /* the model has the pixels as they are */
    rig_free (rig);
  }
}

static GstBuffer *
make_plain (const GstVideoInfo *info, const guint8 *values)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, info->size, NULL);
  GstVideoFrame frame;

  g_assert_true (gst_video_frame_map (&frame, info, buffer, GST_MAP_WRITE));
  for (guint c = 0; c < GST_VIDEO_INFO_N_COMPONENTS (info); c++) {
    guint8 *to = GST_VIDEO_FRAME_COMP_DATA (&frame, c);

    for (guint y = 0; y < GST_VIDEO_FRAME_COMP_HEIGHT (&frame, c); y++)
      for (guint x = 0; x < GST_VIDEO_FRAME_COMP_WIDTH (&frame, c); x++)
        to[y * GST_VIDEO_FRAME_COMP_STRIDE (&frame, c) + x * GST_VIDEO_FRAME_COMP_PSTRIDE (&frame, c)] = values[c];
  }
  gst_video_frame_unmap (&frame);
  return buffer;
}

/* All are red, but for a dark gray of the full range and of what has no colour. */
static void
test_every_format_gives_a_picture_of_its_colours (void)
{
  static const guint8 rgb[] = { 255, 0, 0, 255 }, bt601[] = { 81, 90, 240, 255 }, bt709[] = { 63, 102, 240 },
                      full[] = { 40, 128, 128 };
  static const struct
  {
    const gchar *format;
    const guint8 *values;
  } cases[] = {
    { "NV12", bt601 },
    { "I420", bt601 },
    { "I420,colorimetry=bt709", bt709 },
    { "NV12,colorimetry=1:4:0:0", full },
    { "RGB", rgb },
    { "BGR", rgb },
    { "RGBx", rgb },
    { "BGRx", rgb },
    { "RGBA", rgb },
    { "BGRA", rgb },
    { "GRAY8", full },
    { "Y444", bt601 },
    { "AYUV", bt601 },
    { "ARGB", rgb },
    { "I420,interlace-mode=interleaved", bt601 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Rig *rig = rig_with_pictures ("num-segments=1 stream=door");
    g_autofree gchar *line = g_strdup_printf ("video/x-raw,width=33,height=17,framerate=10/1,format=%s", cases[i].format);
    g_autoptr (GstSample) picture = NULL;
    g_autoptr (GstCaps) caps = gst_caps_from_string (line);
    GstVideoInfo info;
    gint red, others;

    gst_harness_set_src_caps_str (rig->video, line);
    g_assert_true (gst_video_info_from_caps (&info, caps));
    red = cases[i].values == full ? 40 : 255;
    others = cases[i].values == full ? 40 : 0;
    fake_add_scores ("0.9");
    for (guint k = 0; k < 11; k++) {
      GstBuffer *buffer = make_plain (&info, cases[i].values);

      GST_BUFFER_PTS (buffer) = k * 100 * GST_MSECOND;
      g_assert_cmpint (gst_harness_push (rig->video, buffer), ==, GST_FLOW_OK);
    }
    picture = take_picture ("door", await_alert (rig));
    assert_size (picture, 33, 17);
    g_assert_cmpint (ABS ((gint)pixel (picture, 16, 8, 0) - red), <, 6);
    g_assert_cmpint (ABS ((gint)pixel (picture, 16, 8, 1) - others), <, 6);
    g_assert_cmpint (ABS ((gint)pixel (picture, 16, 8, 2) - others), <, 6);
    rig_free (rig);
  }
}

static void
test_the_name_is_safe_for_a_file (void)
{
  g_autofree gchar *longest = g_strnfill (300, 'x');
  g_autofree gchar *line = g_strdup_printf ("stream=%s", longest);
  g_autofree gchar *cut = g_strdup_printf ("%.200s", longest);
  const struct
  {
    const gchar *properties, *name;
  } cases[] = { { "stream=\"../rtsp://h:8554/a?b\"", "_._rtsp___h_8554_a_b" }, { "stream=\"T\xc3\xbcr 1\"", "T\xc3\xbcr 1" },
    { line, cut } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Rig *rig = rig_with_pictures (cases[i].properties);
    g_autoptr (GstSample) picture = NULL;

    fake_add_scores ("0.9");
    push_frames (rig, 0, 11);
    picture = take_picture (cases[i].name, await_alert (rig));
    rig_free (rig);
  }
}

static void
test_a_folder_that_is_not_there_is_a_warning (void)
{
  Rig *rig = rig_with_pictures ("stream=door");
  g_autofree gchar *missing = g_build_filename (folder, "missing", NULL);
  g_autoptr (GstMessage) warning = NULL;

  g_object_set (rig->element, "alert-picture", missing, NULL);
  fake_add_scores ("0.9");
  push_frames (rig, 0, 11);
  await_alert (rig);
  warning = rig_await_message (rig, GST_MESSAGE_WARNING);
  rig_assert_error (warning, "door: alert-picture: ");
  rig_assert_error (warning, missing);
  await_segment (rig);
  rig_free (rig);
}

/* Upstream's buffers go back as soon as they are copied, and the video does not wait for the picture. */
static void
test_no_buffer_is_held_for_a_picture (void)
{
  Rig *rig = rig_with_pictures ("num-segments=4 stream=door");
  g_autoptr (GstSample) picture = NULL;
  g_autoptr (GAsyncQueue) freed = g_async_queue_new ();

  fake_add_scores ("0.9");
  fake_hold (FAKE_ASK);
  for (guint i = 0; i < 11; i++)
    rig_push_watched (rig, make_frame (i), freed);
  fake_await (FAKE_ASK, 1);
  rig_await_freed (freed, 11);
  fake_release_all (FAKE_ASK);
  picture = take_picture ("door", await_alert (rig));
  rig_free (rig);
}

int
main (int argc, char **argv)
{
  int code;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  fake_reset ();
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));
  folder = g_dir_make_tmp ("minivl-picture-XXXXXX", NULL);

#define RULE(name) g_test_add_func ("/picture/" #name, test_##name)
  RULE (an_alert_leaves_the_middle_frame_as_a_jpeg);
  RULE (a_segment_cut_short_shows_its_last_frame_up_to_the_middle);
  RULE (pictures_can_be_wanted_and_not_while_playing);
  RULE (pictures_are_upright_and_cropped);
  RULE (pictures_have_square_pixels);
  RULE (every_format_gives_a_picture_of_its_colours);
  RULE (the_name_is_safe_for_a_file);
  RULE (a_folder_that_is_not_there_is_a_warning);
  RULE (no_buffer_is_held_for_a_picture);
#undef RULE
  code = g_test_run ();
  g_rmdir (folder);
  g_free (folder);
  return code;
}

/* Whole pipelines, against the fake back end. */
#include "gst/element/gstminivl.h"
#include "gst/results/result.h"
#include "pipeline.h"
#include "rig.h"

#include <glib/gstdio.h>
#include <gst/app/gstappsrc.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

#define PATIENCE (60 * GST_SECOND)
#define VIDEO "video/x-raw,format=RGB,width=16,height=8,framerate=10/1"

static void
add_probe (GstElement *pipeline, const gchar *element_name, const gchar *pad_name, GstPadProbeType type,
    GstPadProbeCallback callback, gpointer data)
{
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (pipeline), element_name);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (element, pad_name);

  gst_pad_add_probe (pad, type, callback, data, NULL);
}

static GstStructure *
next_result (GstElement *pipeline)
{
  for (;;) {
    g_autoptr (GstMessage) message = pipeline_await (pipeline, GST_MESSAGE_ELEMENT);

    if (gst_message_has_name (message, "minivl"))
      return gst_structure_copy (gst_message_get_structure (message));
  }
}

static guint64
frame_time (const GstStructure *result, guint n)
{
  return g_value_get_uint64 (gst_value_array_get_value (gst_structure_get_value (result, "frames"), n));
}

static void
test_a_file_is_described_to_its_end (void)
{
  g_autofree gchar *folder = g_dir_make_tmp ("minivl-XXXXXX", NULL), *path = g_build_filename (folder, "out.jsonl", NULL);
  g_autofree gchar *text = NULL;
  g_auto (GStrv) lines = NULL;
  GstElement *pipeline =
      pipeline_new ("videotestsrc num-buffers=795 ! " VIDEO " ! minivl name=m model-path=/fake stop-time=79500000000 "
                    "! fakesink m.text_src ! filesink location=%s",
          path);

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_assert_cmpuint (pipeline_count_results (pipeline), ==, 8);
  pipeline_free (pipeline);
  fake_finish ();

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  lines = g_strsplit (text, "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, 9);
  g_assert_cmpstr (lines[8], ==, "");
  for (guint i = 0; i < 8; i++) {
    g_autoptr (JsonNode) node = json_from_string (lines[i], NULL);

    g_assert_cmpint (json_object_get_int_member (json_node_get_object (node), "id"), ==, i + 1);
  }
  g_unlink (path);
  g_rmdir (folder);
}

/* --- a real file, all forms --------------------------------------------------------------------------------------------------- */

#define VTEST "/usr/share/doc/opencv-doc/examples/data/vtest.avi"

static GstPadProbeReturn
note_meta (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstCustomMeta *meta = gst_buffer_get_custom_meta (GST_PAD_PROBE_INFO_BUFFER (info), RESULT_META_NAME);
  GArray *ids = data;

  if (meta != NULL) {
    guint64 id = rig_uint64 (gst_custom_meta_get_structure (meta), "id");

    g_array_append_val (ids, id);
  }
  return GST_PAD_PROBE_OK;
}

static guint
count_ids (GArray *ids)
{
  for (guint i = 0; i < ids->len; i++)
    g_assert_cmpuint (g_array_index (ids, guint64, i), ==, i + 1);
  return ids->len;
}

/* 795 frames at 10 a second, which makes 8 segments. What is said behind the last frame has none to be a meta of. */
static void
test_vtest_is_reported_in_all_forms (void)
{
  g_autofree gchar *folder = g_dir_make_tmp ("minivl-XXXXXX", NULL), *path = g_build_filename (folder, "out.jsonl", NULL);
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (guint64));
  g_autofree gchar *text = NULL;
  g_auto (GStrv) lines = NULL;
  GstElement *pipeline;

  if (!g_file_test (VTEST, G_FILE_TEST_EXISTS)) {
    g_test_skip ("opencv-doc is not installed");
    g_rmdir (folder);
    return;
  }
  pipeline = pipeline_new ("filesrc location=" VTEST " ! decodebin ! videoconvert ! minivl name=m model-path=/fake ! fakesink "
                           "m.text_src ! filesink location=%s",
      path);
  add_probe (pipeline, "m", "src", GST_PAD_PROBE_TYPE_BUFFER, note_meta, ids);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (guint i = 0; i < 8; i++) {
    g_autoptr (GstStructure) s = next_result (pipeline);

    g_assert_cmpuint (rig_uint64 (s, "id"), ==, i + 1);
    g_assert_cmpuint (rig_uint64 (s, "segment_start"), ==, 10 * i * GST_SECOND);
    g_assert_cmpuint (rig_uint64 (s, "segment_stop"), ==, MIN (10 * (i + 1) * 1000, 79500) * GST_MSECOND);
    g_assert_cmpstr (gst_structure_get_string (s, "finish_reason"), ==, "stop");
    g_assert_cmpuint (gst_value_array_get_size (gst_structure_get_value (s, "frames")), ==, 8);
  }
  g_assert_cmpuint (pipeline_count_results (pipeline), ==, 0);
  pipeline_free (pipeline);
  fake_finish ();

  g_assert_cmpuint (count_ids (ids), ==, 7);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  lines = g_strsplit (text, "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, 8 + 1);
  for (guint i = 0; i < 8; i++) {
    g_autoptr (JsonNode) node = json_from_string (lines[i], NULL);

    g_assert_cmpint (json_object_get_int_member (json_node_get_object (node), "id"), ==, i + 1);
  }
  g_unlink (path);
  g_rmdir (folder);
}

/* The text branch's sink gets its first GAP with the first buffer, and the model is not waited for. */
static void
test_preroll_does_not_wait_for_the_model (void)
{
  GstElement *pipeline = pipeline_new ("videotestsrc num-buffers=100 ! " VIDEO " ! minivl name=m model-path=/fake ! fakesink "
                                       "m.text_src ! fakesink");

  fake_hold (FAKE_OPEN);
  gst_element_set_state (pipeline, GST_STATE_PAUSED);
  g_assert_cmpint (gst_element_get_state (pipeline, NULL, NULL, PATIENCE), ==, GST_STATE_CHANGE_SUCCESS);
  fake_release_all (FAKE_OPEN);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_assert_cmpuint (pipeline_count_results (pipeline), ==, 1);
  pipeline_free (pipeline);
  fake_finish ();
}

static void
test_a_flushing_seek_starts_over (void)
{
  GstElement *pipeline = pipeline_new (
      "videotestsrc num-buffers=1000 ! " VIDEO " ! minivl name=m model-path=/fake segment-duration=1000000000 num-segments=2 ! "
      "fakesink m.text_src ! fakesink");
  guint stopped = 0;
  guint64 last = 0;

  fake_hold (FAKE_ASK);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  fake_await (FAKE_ASK, 1);
  g_assert_true (gst_element_seek_simple (pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, 50 * GST_SECOND));
  fake_release_all (FAKE_ASK);
  for (gboolean eos = FALSE; !eos;) {
    g_autoptr (GstMessage) message = pipeline_await (pipeline, GST_MESSAGE_ELEMENT | GST_MESSAGE_EOS);
    const GstStructure *s = gst_message_get_structure (message);

    eos = GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;
    if (eos || !gst_structure_has_name (s, "minivl"))
      continue;
    if (g_str_equal (gst_structure_get_string (s, "finish_reason"), "flush"))
      continue;
    g_assert_cmpuint (rig_uint64 (s, "segment_start"), ==, 50 * GST_SECOND + stopped * GST_SECOND);
    g_assert_cmpuint (rig_uint64 (s, "id"), >, last);
    last = rig_uint64 (s, "id");
    stopped++;
  }
  g_assert_cmpuint (stopped, >=, 50);
  pipeline_free (pipeline);
  fake_finish ();
}

/* An app shows the first error; it has to be the reason. */
static void
test_the_first_error_is_the_models (void)
{
  GstElement *pipeline = pipeline_new ("videotestsrc ! " VIDEO " ! minivl name=m model-path=/fake ! fakesink");
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GError) error = NULL;

  fake_fail_next (FAKE_OPEN, MINIVL_ERROR_FILE, "no such folder");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = pipeline_await (pipeline, GST_MESSAGE_ERROR);
  gst_message_parse_error (message, &error, NULL);
  g_assert_cmpstr (error->message, ==, "no such folder");
  g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ);
  pipeline_free (pipeline);
  fake_finish ();
}

static void
test_two_elements_in_a_row (void)
{
  GstElement *pipeline =
      pipeline_new ("videotestsrc num-buffers=100 ! " VIDEO " ! minivl model-path=/fake segment-duration=2000000000 ! "
                    "minivl model-path=/fake segment-duration=5000000000 ! fakesink");

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_assert_cmpuint (pipeline_count_results (pipeline), ==, 5 + 2);
  pipeline_free (pipeline);
  fake_finish ();
}

/* --- streams whose PTS are not stream time ------------------------------------------------------------------------------------ */

static void
write_u32 (gchar *at, guint32 value)
{
  guint32 big = GUINT32_TO_BE (value);

  memcpy (at, &big, 4);
}

/* A clip of 5 s, of which the edit list shows the last 3. */
static void
write_edited_clip (const gchar *path)
{
  GstElement *pipeline = pipeline_new ("videotestsrc num-buffers=50 ! video/x-raw,format=I420,width=64,height=48,framerate=10/1 ! "
                                       "jpegenc ! qtmux ! filesink location=%s",
      path);
  g_autofree gchar *data = NULL;
  gsize size;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  pipeline_count_results (pipeline);
  pipeline_free (pipeline);
  fake_finish ();
  g_assert_true (g_file_get_contents (path, &data, &size, NULL));
  for (gchar *p = data; p < data + size - 20; p++) {
    guint32 duration;

    if (memcmp (p, "elst", 4) != 0)
      continue;
    memcpy (&duration, p + 12, 4); /* behind version and the number of entries, which is 1 */
    write_u32 (p + 12, GUINT32_FROM_BE (duration) * 3 / 5);
    write_u32 (p + 16, 2000); /* where the media starts, in ms */
  }
  g_assert_true (g_file_set_contents (path, data, size, NULL));
}

static GstPadProbeReturn
note_first_pts (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  *(guint64 *)data = GST_BUFFER_PTS (GST_PAD_PROBE_INFO_BUFFER (info));
  return GST_PAD_PROBE_REMOVE;
}

static void
test_an_edit_list_is_described_in_stream_time (void)
{
  g_autofree gchar *folder = g_dir_make_tmp ("minivl-XXXXXX", NULL), *path = g_build_filename (folder, "clip.mov", NULL);
  GstElement *pipeline;
  guint64 first = 0;

  write_edited_clip (path);
  pipeline = pipeline_new ("filesrc location=%s ! qtdemux ! jpegdec ! minivl name=m model-path=/fake segment-duration=1000000000 "
                           "num-segments=2 ! fakesink",
      path);
  add_probe (pipeline, "m", "sink", GST_PAD_PROBE_TYPE_BUFFER, note_first_pts, &first);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (guint i = 0; i < 3; i++) {
    g_autoptr (GstStructure) s = next_result (pipeline);

    g_assert_cmpuint (rig_uint64 (s, "segment_start"), ==, i * GST_SECOND);
    g_assert_cmpuint (rig_uint64 (s, "segment_stop"), ==, (i + 1) * GST_SECOND);
    g_assert_cmpuint (frame_time (s, 0), ==, i * GST_SECOND + 200 * GST_MSECOND);
  }
  g_assert_cmpuint (pipeline_count_results (pipeline), ==, 0);
  g_assert_cmpuint (first, ==, 2 * GST_SECOND);
  pipeline_free (pipeline);
  fake_finish ();
  g_unlink (path);
  g_rmdir (folder);
}

#define SHIFT (95443 * GST_SECOND) /* where the clock of a transport stream is about to wrap */

/* As broadcasts come: time stamps begin anywhere, the segment says what they mean, and how long a frame is nobody does
 * (GStreamer 1.26 does). */
static GstPadProbeReturn
shift (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstSegment segment;

  if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    info->data = gst_buffer_make_writable (GST_BUFFER (info->data));
    GST_BUFFER_PTS (info->data) += SHIFT;
    GST_BUFFER_DURATION (info->data) = GST_CLOCK_TIME_NONE;
  } else if (GST_EVENT_TYPE (info->data) == GST_EVENT_SEGMENT) {
    gst_event_copy_segment (info->data, &segment);
    segment.start += SHIFT;
    segment.position += SHIFT;
    gst_event_unref (info->data);
    info->data = gst_event_new_segment (&segment);
  } else if (GST_EVENT_TYPE (info->data) == GST_EVENT_CAPS) {
    GstCaps *caps;
    g_autoptr (GstCaps) no_rate = NULL;

    gst_event_parse_caps (info->data, &caps);
    no_rate = gst_caps_copy (caps);
    gst_caps_set_simple (no_rate, "framerate", GST_TYPE_FRACTION, 0, 1, NULL);
    gst_event_unref (info->data);
    info->data = gst_event_new_caps (no_rate);
  }
  return GST_PAD_PROBE_OK;
}

/* tsdemux knows neither rate nor length, nor how long a frame is; the first one comes at 0.125 s. */
static void
test_a_transport_stream_is_described_in_stream_time (void)
{
  static const struct
  {
    guint64 stop, frames[2]; /* ms */
  } expected[] = { { 1000, { 285, 765 } }, { 2000, { 1285, 1765 } }, { 3000, { 2285, 2765 } }, { 3085, { 3005, 0 } } };
  g_autofree gchar *folder = g_dir_make_tmp ("minivl-XXXXXX", NULL), *path = g_build_filename (folder, "clip.ts", NULL);
  GstElement *pipeline = pipeline_new ("videotestsrc num-buffers=75 ! video/x-raw,format=I420,width=64,height=48,framerate=25/1 ! "
                                       "avenc_mpeg4 ! mpeg4videoparse ! mpegtsmux ! filesink location=%s",
      path);
  guint64 first = 0;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  pipeline_count_results (pipeline);
  pipeline_free (pipeline);

  pipeline = pipeline_new ("filesrc location=%s ! tsdemux ! mpeg4videoparse ! avdec_mpeg4 name=decoder ! minivl name=m "
                           "model-path=/fake segment-duration=1000000000 num-segments=2 ! fakesink",
      path);
  add_probe (pipeline, "decoder", "src", GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, shift, NULL);
  add_probe (pipeline, "m", "sink", GST_PAD_PROBE_TYPE_BUFFER, note_first_pts, &first);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (guint i = 0; i < G_N_ELEMENTS (expected); i++) {
    g_autoptr (GstStructure) s = next_result (pipeline);

    g_assert_cmpuint (rig_uint64 (s, "segment_start"), ==, i * GST_SECOND);
    g_assert_cmpuint (rig_uint64 (s, "segment_stop"), ==, expected[i].stop * GST_MSECOND);
    for (guint k = 0; k < 2 && expected[i].frames[k] > 0; k++)
      g_assert_cmpuint (frame_time (s, k), ==, expected[i].frames[k] * GST_MSECOND);
  }
  g_assert_cmpuint (pipeline_count_results (pipeline), ==, 0);
  g_assert_cmpuint (first, ==, SHIFT + 125 * GST_MSECOND);
  pipeline_free (pipeline);
  fake_finish ();
  g_unlink (path);
  g_rmdir (folder);
}

/* --- a queue that loses frames ------------------------------------------------------------------------------------------------ */

static GstPadProbeReturn
count_discont (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  *(guint *)data += GST_BUFFER_FLAG_IS_SET (GST_PAD_PROBE_INFO_BUFFER (info), GST_BUFFER_FLAG_DISCONT);
  return GST_PAD_PROBE_OK;
}

/* All of the video is shorter than a jump: whatever the queue drops, only its DISCONT could close the segment. */
static void
test_a_leaky_queue_in_front_closes_no_segment (void)
{
  GstElement *pipeline =
      pipeline_new ("videotestsrc num-buffers=2000 ! video/x-raw,format=RGB,width=16,height=8,framerate=10000/1 ! "
                    "identity sleep-time=100 ! queue leaky=downstream max-size-buffers=2 max-size-bytes=0 max-size-time=0 ! "
                    "identity sleep-time=1000 ! "
                    "minivl name=m model-path=/fake segment-duration=2000000000 num-segments=2 ! fakesink");
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (pipeline), "m");
  g_autoptr (GstPad) sink = gst_element_get_static_pad (element, "sink");
  guint disconts = 0;

  gst_pad_add_probe (sink, GST_PAD_PROBE_TYPE_BUFFER, count_discont, &disconts, NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_assert_cmpuint (pipeline_count_results (pipeline), ==, 1);
  g_assert_cmpuint (disconts, >, 1); /* frames were lost */
  pipeline_free (pipeline);
  fake_finish ();
}

/* --- the reference's rows ---------------------------------------------------------------------------------------------------- */

typedef struct
{
  gint64 frames;
  double fps;
  gint fps_n, fps_d;
} Clip;

static void
push_clip (GstElement *pipeline, const Clip *clip)
{
  g_autoptr (GstElement) src = gst_bin_get_by_name (GST_BIN (pipeline), "src");
  g_autoptr (GstCaps) caps = gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING, "RGB", "width", G_TYPE_INT, 8, "height",
      G_TYPE_INT, 4, "framerate", GST_TYPE_FRACTION, clip->fps_n, clip->fps_d, NULL);
  Rig numbers = { .fps_n = clip->fps_n, .fps_d = clip->fps_d, .width = 8, .height = 4 };

  gst_app_src_set_caps (GST_APP_SRC (src), caps);
  gst_app_src_set_duration (GST_APP_SRC (src), gst_util_uint64_scale (clip->frames, GST_SECOND * clip->fps_d, clip->fps_n));
  for (guint i = 0; i < clip->frames; i++)
    gst_app_src_push_buffer (GST_APP_SRC (src), rig_frame (&numbers, i));
  gst_app_src_end_of_stream (GST_APP_SRC (src));
}

static void
check_row (const Clip *clip, JsonObject *row)
{
  JsonArray *indices = json_object_get_array_member (row, "indices");
  g_autofree gchar *bound = g_strdup ("");
  GstElement *pipeline;

  if (!json_object_get_null_member (row, "bound")) {
    JsonArray *seconds = json_object_get_array_member (row, "bound");

    g_free (bound);
    bound = g_strdup_printf ("start-time=%" G_GUINT64_FORMAT " stop-time=%" G_GUINT64_FORMAT,
        (guint64)llround (json_array_get_double_element (seconds, 0) * 1e9),
        (guint64)llround (json_array_get_double_element (seconds, 1) * 1e9));
  }
  pipeline =
      pipeline_new ("appsrc name=src format=time max-bytes=0 ! minivl model-path=/fake segment-duration=0 num-segments=%u %s ! "
                    "fakesink",
          (guint)json_object_get_int_member (row, "segments"), bound);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  push_clip (pipeline, clip);
  g_assert_cmpuint (pipeline_count_results (pipeline), ==, 1);

  g_assert_cmpuint (fake_question (0)->n_pictures, ==, json_array_get_length (indices));
  for (guint i = 0; i < json_array_get_length (indices); i++)
    g_assert_cmpint (fake_question (0)->frames[i], ==, json_array_get_int_element (indices, i));
  pipeline_free (pipeline);
  fake_finish ();
}

static gboolean
row_exists (JsonArray *indices, gint64 frames)
{
  gint64 last = 0;

  for (guint i = 0; i < json_array_get_length (indices); i++) {
    gint64 index = json_array_get_int_element (indices, i);

    if (index < last || index >= frames)
      return FALSE;
    last = index;
  }
  return TRUE;
}

static void
test_rows_of_the_reference (void)
{
  /* 29.97002997 in the rows is 30000/1001 in caps. */
  static const Clip clips[] = { { 1, 25, 25, 1 }, { 7, 25, 25, 1 }, { 32, 30, 30, 1 }, { 250, 29.97002997, 30000, 1001 },
    { 795, 10, 10, 1 }, { 1801, 59.94005994, 60000, 1001 }, { 100000, 23.976023976, 24000, 1001 } };
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonArray *rows;
  guint checked = 0;

  g_assert_true (json_parser_load_from_file (parser, TEST_DATA "/small/segments.json", NULL));
  rows = json_node_get_array (json_parser_get_root (parser));
  for (guint i = 0; i < json_array_get_length (rows); i++) {
    JsonObject *row = json_array_get_object_element (rows, i);
    gint64 frames = json_object_get_int_member (row, "frames");
    double fps = json_object_get_double_member (row, "fps");

    for (guint k = 0; k < G_N_ELEMENTS (clips); k++) {
      if (clips[k].frames != frames || clips[k].fps != fps || !row_exists (json_object_get_array_member (row, "indices"), frames))
        continue;
      check_row (&clips[k], row);
      checked++;
    }
  }
  g_assert_cmpuint (checked, ==, 140);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  fake_reset ();
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));

#define RULE(name) g_test_add_func ("/pipeline/" #name, test_##name)
  RULE (a_file_is_described_to_its_end);
  RULE (vtest_is_reported_in_all_forms);
  RULE (preroll_does_not_wait_for_the_model);
  RULE (a_flushing_seek_starts_over);
  RULE (the_first_error_is_the_models);
  RULE (two_elements_in_a_row);
  RULE (an_edit_list_is_described_in_stream_time);
  RULE (a_transport_stream_is_described_in_stream_time);
  RULE (a_leaky_queue_in_front_closes_no_segment);
  RULE (rows_of_the_reference);
#undef RULE
  return g_test_run ();
}

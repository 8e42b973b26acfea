/* The element's rules, each driven through a harness against the fake back end. */
#include "gstminivl.h"
#include "rig.h"

#include <gst/video/video.h>
#include <json-glib/json-glib.h>
#include <string.h>

/* --- results ----------------------------------------------------------------------------------------------------------------- */

static GstStructure *
meta_of (GstBuffer *buffer)
{
  GstCustomMeta *meta = gst_buffer_get_custom_meta (buffer, "GstMinivlMeta");

  return meta != NULL ? gst_custom_meta_get_structure (meta) : NULL;
}

static gchar *
pull_text (Rig *rig)
{
  g_autoptr (GstBuffer) buffer = gst_harness_pull (rig->text);
  gchar *text;
  gsize size;

  g_assert_nonnull (buffer);
  size = gst_buffer_get_size (buffer);
  text = g_malloc0 (size + 1);
  gst_buffer_extract (buffer, 0, text, size);
  g_assert_cmpuint (strlen (text), ==, size); /* no final NUL within */
  return text;
}

static JsonObject *
pull_json (Rig *rig)
{
  g_autofree gchar *line = pull_text (rig);
  g_autoptr (JsonNode) node = json_from_string (line, NULL);

  g_assert_true (g_str_has_suffix (line, "}\n"));
  g_assert_nonnull (node);
  return json_object_ref (json_node_get_object (node));
}

static void
test_result_in_three_forms_with_one_id (void)
{
  Rig *rig = rig_new ("stream=door prompt=\"{n} {stream} {start} {stop}\" seed=5 max-tiles=2");
  g_autoptr (GstStructure) message = NULL;
  g_autoptr (JsonObject) json = NULL;
  g_autoptr (GstBuffer) buffer = NULL;
  const GstStructure *meta;

  rig_add_text (rig, NULL);
  rig_push (rig, 0, 11);
  message = rig_await_result (rig);
  json = pull_json (rig);
  rig_push (rig, 11, 12);
  for (guint i = 0; i < 12; i++) {
    gst_clear_buffer (&buffer);
    buffer = gst_harness_pull (rig->video);
    g_assert_true (i == 11 || meta_of (buffer) == NULL);
  }
  meta = meta_of (buffer);

  g_assert_cmpuint (rig_uint64 (message, "id"), ==, 1);
  g_assert_cmpuint (rig_uint64 (meta, "id"), ==, 1);
  g_assert_cmpint (json_object_get_int_member (json, "id"), ==, 1);
  g_assert_cmpstr (gst_structure_get_string (message, "text"), ==, "answer 1");
  g_assert_cmpstr (gst_structure_get_string (meta, "text"), ==, "answer 1");
  g_assert_cmpstr (json_object_get_string_member (json, "text"), ==, "answer 1");
  g_assert_cmpint (gst_structure_n_fields (meta), ==, gst_structure_n_fields (message));

  g_assert_cmpstr (json_object_get_string_member (json, "kind"), ==, "segment");
  g_assert_true (json_object_get_boolean_member (json, "final"));
  g_assert_cmpstr (json_object_get_string_member (json, "stream"), ==, "door");
  g_assert_cmpstr (json_object_get_string_member (json, "prompt"), ==, "1 door 0:00:00.000 0:00:01.000");
  g_assert_cmpstr (json_object_get_string_member (json, "model"), ==, "fake-model");
  g_assert_cmpstr (json_object_get_string_member (json, "model_hash"), ==, "cafe");
  g_assert_cmpstr (json_object_get_string_member (json, "precision"), ==, "f32");
  g_assert_cmpstr (json_object_get_string_member (json, "device"), ==, "fake device");
  g_assert_cmpint (json_object_get_int_member (json, "segment_start"), ==, 0);
  g_assert_cmpint (json_object_get_int_member (json, "segment_stop"), ==, GST_SECOND);
  g_assert_cmpint (json_object_get_int_member (json, "running_time"), ==, GST_SECOND);
  g_assert_cmpint (json_object_get_int_member (json, "prompt_tokens"), ==, 100);
  g_assert_cmpint (json_object_get_int_member (json, "output_tokens"), ==, 7);
  g_assert_cmpint (json_object_get_int_member (json, "cached_tokens"), ==, 5);
  g_assert_cmpint (json_object_get_int_member (json, "seed"), ==, 5);
  g_assert_cmpstr (json_object_get_string_member (json, "finish_reason"), ==, "stop");
  g_assert_cmpint (json_array_get_int_element (json_object_get_array_member (json, "frames"), 0), ==, 200 * GST_MSECOND);
  g_assert_cmpint (json_array_get_int_element (json_object_get_array_member (json, "frames"), 1), ==, 700 * GST_MSECOND);
  g_assert_cmpint (
      json_array_get_int_element (json_array_get_array_element (json_object_get_array_member (json, "tiles"), 1), 0), ==, 2);
  g_assert_cmpint (json_object_get_int_member (json_object_get_object_member (json, "timings"), "preprocess"), ==, 2000);
  g_assert_cmpint (json_object_get_int_member (json_object_get_object_member (json, "timings"), "encode"), ==, 4000);
  g_assert_cmpint (json_object_get_int_member (json_object_get_object_member (json, "timings"), "prefill"), ==, 3000);
  g_assert_cmpint (json_object_get_int_member (json_object_get_object_member (json, "timings"), "decode"), ==, 4000);
  g_assert_true (json_object_get_null_member (json, "utc"));
  rig_free (rig);
}

static void
test_question_is_the_references (void)
{
  Rig *rig = rig_new ("prompt=What? num-segments=3 system-prompt=\"Be brief.\" max-tokens=9 temperature=0.5 top-k=3 top-p=0.25 "
                      "repetition-penalty=1.5 seed=77");
  const FakeQuestion *q;

  rig_push (rig, 0, 11);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  q = fake_question (0);
  g_assert_cmpstr (q->text, ==, "Frame1: <image>\nFrame2: <image>\nFrame3: <image>\nWhat?");
  g_assert_cmpstr (q->system, ==, "Be brief.");
  g_assert_cmpuint (q->params.max_tokens, ==, 9);
  g_assert_cmpfloat (q->params.temperature, ==, 0.5);
  g_assert_cmpuint (q->params.top_k, ==, 3);
  g_assert_cmpfloat (q->params.top_p, ==, 0.25);
  g_assert_cmpfloat (q->params.repetition_penalty, ==, 1.5);
  g_assert_cmpuint (q->params.seed, ==, 77);
  rig_assert_frames (0, 1, 4, 8, G_MAXUINT);
  rig_free (rig);
}

static void
test_prompt_changes_from_the_next_segment (void)
{
  Rig *rig = rig_new ("prompt=old");

  rig_push (rig, 0, 5);
  g_object_set (rig->element, "prompt", "new", "system-prompt", "", "max-tokens", 3, NULL);
  rig_push (rig, 5, 21);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_result (rig, 2, 1000, 2000, "stop");
  g_assert_true (g_str_has_suffix (fake_question (0)->text, "old"));
  g_assert_null (fake_question (0)->system);
  g_assert_cmpuint (fake_question (0)->params.max_tokens, ==, 128);
  g_assert_true (g_str_has_suffix (fake_question (1)->text, "new"));
  g_assert_cmpstr (fake_question (1)->system, ==, "");
  g_assert_cmpuint (fake_question (1)->params.max_tokens, ==, 3);
  rig_free (rig);
}

static void
test_meta_is_one_a_buffer_in_order (void)
{
  Rig *rig = rig_new (NULL);

  fake_hold (FAKE_ASK);
  rig_push (rig, 0, 21);
  fake_release (FAKE_ASK, 2);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_result (rig, 2, 1000, 2000, "stop");
  rig_push (rig, 21, 24);
  for (guint i = 0; i < 24; i++) {
    g_autoptr (GstBuffer) buffer = gst_harness_pull (rig->video);
    const GstStructure *meta = meta_of (buffer);

    if (i == 21 || i == 22)
      g_assert_cmpuint (rig_uint64 (meta, "id"), ==, i - 20);
    else
      g_assert_null (meta);
  }
  rig_free (rig);
}

static void
test_meta_waits_for_a_buffer_without_one (void)
{
  Rig *rig = rig_new (NULL);
  GstBuffer *taken = rig_frame (rig, 11);
  g_autoptr (GstBuffer) first = NULL, second = NULL;

  gst_structure_set (
      gst_custom_meta_get_structure (gst_buffer_add_custom_meta (taken, "GstMinivlMeta")), "id", G_TYPE_UINT64, (guint64)99, NULL);
  rig_push (rig, 0, 11);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  gst_harness_push (rig->video, taken);
  rig_push (rig, 12, 13);
  for (guint i = 0; i < 11; i++)
    gst_buffer_unref (gst_harness_pull (rig->video));
  first = gst_harness_pull (rig->video);
  second = gst_harness_pull (rig->video);
  g_assert_cmpuint (rig_uint64 (meta_of (first), "id"), ==, 99);
  g_assert_cmpuint (rig_uint64 (meta_of (second), "id"), ==, 1);
  rig_free (rig);
}

static void
test_pixels_stay_where_they_are (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstBuffer) plain = rig_frame (rig, 0), held = rig_frame (rig, 11);
  g_autoptr (GstBuffer) out = NULL, with_meta = NULL;

  gst_harness_push (rig->video, gst_buffer_ref (plain));
  out = gst_harness_pull (rig->video);
  g_assert_true (out == plain);
  rig_push (rig, 1, 11);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  /* a buffer that somebody else looks at is not written to, but its memory is shared */
  gst_harness_push (rig->video, gst_buffer_ref (held));
  for (guint i = 1; i < 11; i++)
    gst_buffer_unref (gst_harness_pull (rig->video));
  with_meta = gst_harness_pull (rig->video);
  g_assert_nonnull (meta_of (with_meta));
  g_assert_null (meta_of (held));
  g_assert_true (gst_buffer_peek_memory (with_meta, 0) == gst_buffer_peek_memory (held, 0));
  rig_free (rig);
}

/* --- segments ---------------------------------------------------------------------------------------------------------------- */

static void
test_frames_are_encoded_on_arrival (void)
{
  Rig *rig = rig_new (NULL);

  rig_push (rig, 0, 3);
  fake_await (FAKE_ENCODE, 1);
  rig_push (rig, 3, 8);
  fake_await (FAKE_ENCODE, 2);
  g_assert_cmpuint (fake_count (FAKE_ASK), ==, 0);
  g_assert_cmpuint (fake_encoded_frame (0), ==, 2);
  rig_free (rig);
}

static void
test_last_segment_before_eos (void)
{
  Rig *rig = rig_new (NULL);

  rig_push (rig, 0, 15);
  rig_eos (rig);
  /* both results were posted before EOS went on */
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_result (rig, 2, 1000, 1500, "stop");
  rig_assert_frames (1, 12, G_MAXUINT);
  rig_free (rig);
}

static void
test_too_short_segment_shows_its_first_frame (void)
{
  Rig *rig = rig_new (NULL);

  rig_push (rig, 0, 12);
  rig_eos (rig);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_result (rig, 2, 1000, 1200, "stop");
  rig_assert_frames (1, 10, G_MAXUINT);
  g_assert_cmpuint (fake_count (FAKE_ENCODE), ==, 3);
  rig_free (rig);
}

static void
test_caps_change_closes_segment (void)
{
  Rig *rig = rig_new (NULL);
  guint8 rgb[3];
  guint width, height;

  rig_push (rig, 0, 5);
  rig_set_caps (rig, "RGB", 16, 6, 10, 1);
  rig_push (rig, 5, 16);
  rig_assert_result (rig, 1, 0, 500, "stop");
  rig_assert_result (rig, 2, 500, 1500, "stop");
  fake_last_image (rgb, &width, &height);
  g_assert_cmpuint (width, ==, 16);
  g_assert_cmpuint (height, ==, 6);
  rig_free (rig);
}

static void
test_same_caps_keep_segment (void)
{
  Rig *rig = rig_new (NULL);

  rig_push (rig, 0, 5);
  rig_set_caps (rig, "RGB", 8, 4, 10, 1);
  rig_push (rig, 5, 11);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_free (rig);
}

static void
test_backward_pts_closes_segment (void)
{
  Rig *rig = rig_new (NULL);

  rig_push (rig, 0, 8);
  rig_push (rig, 2, 13);
  rig_assert_result (rig, 1, 0, 800, "stop");
  rig_assert_result (rig, 2, 200, 1200, "stop");
  rig_free (rig);
}

static void
test_jump_closes_segment (void)
{
  Rig *rig = rig_new ("segment-duration=10000000000");

  rig_push (rig, 0, 8);
  rig_push (rig, 17, 19); /* one second */
  rig_push (rig, 50, 52);
  rig_eos (rig);
  rig_assert_result (rig, 1, 0, 1900, "stop");
  rig_assert_result (rig, 2, 5000, 5200, "stop");
  rig_free (rig);
}

static void
test_discont_and_gap_keep_segment (void)
{
  Rig *rig = rig_new (NULL);
  GstBuffer *discont = rig_frame (rig, 5), *gap = rig_frame (rig, 6);

  GST_BUFFER_FLAG_SET (discont, GST_BUFFER_FLAG_DISCONT);
  GST_BUFFER_FLAG_SET (gap, GST_BUFFER_FLAG_GAP);
  rig_push (rig, 0, 4);
  gst_harness_push_event (rig->video, gst_event_new_gap (400 * GST_MSECOND, 100 * GST_MSECOND));
  gst_harness_push (rig->video, discont);
  gst_harness_push (rig->video, gap);
  rig_push (rig, 7, 11);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_free (rig);
}

static void
push_segment (Rig *rig, guint64 start, guint64 time, guint64 base)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = segment.position = start;
  segment.time = time;
  segment.base = base;
  g_assert_true (gst_harness_push_event (rig->video, gst_event_new_segment (&segment)));
}

static void
test_new_segment_closes_segment (void)
{
  Rig *rig = rig_new (NULL);

  rig_push (rig, 0, 5);
  push_segment (rig, 500 * GST_MSECOND, 500 * GST_MSECOND, 700 * GST_MSECOND);
  rig_push (rig, 5, 16);
  rig_assert_result (rig, 1, 0, 500, "stop");
  rig_assert_result (rig, 2, 500, 1500, "stop");
  rig_free (rig);
}

static void
test_times_are_stream_time (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstStructure) result = NULL;

  /* frame 20 is shown at stream time 0, after three seconds */
  push_segment (rig, 2 * GST_SECOND, 0, 3 * GST_SECOND);
  rig_push (rig, 20, 31);
  result = rig_await_result (rig);
  g_assert_cmpuint (rig_uint64 (result, "segment_start"), ==, 0);
  g_assert_cmpuint (rig_uint64 (result, "segment_stop"), ==, GST_SECOND);
  g_assert_cmpuint (rig_uint64 (result, "running_time"), ==, 4 * GST_SECOND);
  rig_assert_frames (0, 22, 27, G_MAXUINT);
  rig_free (rig);
}

static void
test_overlapping_segments_encode_a_frame_once (void)
{
  /* [0, 2), [1, 3): middles 5, 15 and 15, 25 */
  Rig *rig = rig_new ("segment-duration=2000000000 segment-overlap=1000000000");

  rig_push (rig, 0, 31);
  rig_assert_result (rig, 1, 0, 2000, "stop");
  rig_assert_result (rig, 2, 1000, 3000, "stop");
  rig_assert_frames (0, 5, 15, G_MAXUINT);
  rig_assert_frames (1, 15, 25, G_MAXUINT);
  for (guint i = 0; i < fake_count (FAKE_ENCODE) - 1; i++)
    g_assert_cmpuint (fake_encoded_frame (i), <, fake_encoded_frame (i + 1));
  rig_free (rig);
}

static void
test_whole_stream_is_one_segment (void)
{
  Rig *rig = rig_new ("segment-duration=0 start-time=500000000 stop-time=2500000000");

  rig_push (rig, 0, 40);
  rig_eos (rig);
  rig_assert_result (rig, 1, 500, 2500, "stop");
  rig_assert_no_result (rig);
  rig_assert_frames (0, 10, 20, G_MAXUINT);
  rig_free (rig);
}

static void
test_variable_rate_samples_by_time (void)
{
  Rig *rig = rig_new (NULL);
  static const guint at[] = { 0, 100, 300, 700, 800, 1000 };

  rig_set_caps (rig, "RGB", 8, 4, 0, 1);
  for (guint i = 0; i < G_N_ELEMENTS (at); i++) {
    GstBuffer *buffer = rig_frame (rig, i);

    GST_BUFFER_PTS (buffer) = at[i] * GST_MSECOND;
    if (i + 1 < G_N_ELEMENTS (at))
      GST_BUFFER_DURATION (buffer) = (at[i + 1] - at[i]) * GST_MSECOND;
    gst_harness_push (rig->video, buffer);
  }
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_frames (0, 1, 3, G_MAXUINT);
  rig_free (rig);
}

/* Grey stays grey in every format, and the size what it is. */
static void
test_formats_become_rgb (void)
{
  static const gchar *const formats[] = { "RGB", "RGBx", "BGRx", "NV12", "I420" };

  for (guint i = 0; i < G_N_ELEMENTS (formats); i++) {
    Rig *rig = rig_new ("num-segments=1");
    GstVideoInfo info;
    guint8 rgb[3];
    guint width, height;

    rig_set_caps (rig, formats[i], 34, 18, 10, 1);
    gst_video_info_set_format (&info, gst_video_format_from_string (formats[i]), 34, 18);
    for (guint k = 0; k < 11; k++) {
      GstBuffer *buffer = gst_buffer_new_and_alloc (info.size);

      gst_buffer_memset (buffer, 0, 128, info.size);
      GST_BUFFER_PTS (buffer) = k * 100 * GST_MSECOND;
      g_assert_cmpint (gst_harness_push (rig->video, buffer), ==, GST_FLOW_OK);
    }
    rig_assert_result (rig, 1, 0, 1000, "stop");
    fake_last_image (rgb, &width, &height);
    g_assert_cmpuint (width, ==, 34);
    g_assert_cmpuint (height, ==, 18);
    /* 128 of 16..235 is 130; GStreamer's converter, in 8 bits, says 128 */
    g_assert_cmpuint (rgb[0], >=, 128);
    g_assert_cmpuint (rgb[0], <=, i < 3 ? 128 : 131);
    g_assert_cmpuint (rgb[1], ==, rgb[0]);
    g_assert_cmpuint (rgb[2], ==, rgb[0]);
    rig_free (rig);
  }
}

/* Order of the bytes; and rows as the meta says. */
static void
test_strides_and_byte_order_are_honoured (void)
{
  Rig *rig = rig_new ("num-segments=1");
  gsize offset[GST_VIDEO_MAX_PLANES] = { 16 };
  gint stride[GST_VIDEO_MAX_PLANES] = { 64 };
  guint8 rgb[3];
  guint width, height;

  rig_set_caps (rig, "BGRx", 8, 4, 10, 1);
  for (guint k = 0; k < 11; k++) {
    GstBuffer *buffer = gst_buffer_new_and_alloc (16 + 4 * 64);
    static const guint8 pixel[] = { 30, 20, 10, 0 };

    gst_buffer_memset (buffer, 0, 0, -1);
    gst_buffer_fill (buffer, 16, pixel, sizeof pixel);
    gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_BGRx, 8, 4, 1, offset, stride);
    GST_BUFFER_PTS (buffer) = k * 100 * GST_MSECOND;
    g_assert_cmpint (gst_harness_push (rig->video, buffer), ==, GST_FLOW_OK);
  }
  rig_assert_result (rig, 1, 0, 1000, "stop");
  fake_last_image (rgb, &width, &height);
  g_assert_cmpuint (rgb[0], ==, 10);
  g_assert_cmpuint (rgb[1], ==, 20);
  g_assert_cmpuint (rgb[2], ==, 30);
  rig_free (rig);
}

/* --- live and not ------------------------------------------------------------------------------------------------------------ */

static void
test_live_drops_the_oldest_that_waits (void)
{
  Rig *rig = rig_new_live (NULL);
  g_autoptr (GstMessage) qos = NULL;
  g_autoptr (GstStructure) dropped = NULL;
  GstFormat format;
  guint64 n_processed, n_dropped;

  fake_hold (FAKE_ASK);
  rig_push (rig, 0, 11);
  fake_await (FAKE_ASK, 1);
  /* 1 is in hand, 2 and 3 wait, 4 pushes 2 out */
  rig_push (rig, 11, 41);
  qos = rig_await_message (rig, GST_MESSAGE_QOS);
  gst_message_parse_qos_stats (qos, &format, &n_processed, &n_dropped);
  g_assert_cmpuint (n_dropped, ==, 1);
  fake_release_all (FAKE_ASK);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  dropped = rig_await_result (rig);
  g_assert_cmpuint (rig_uint64 (dropped, "id"), ==, 2);
  g_assert_cmpstr (gst_structure_get_string (dropped, "finish_reason"), ==, "dropped");
  g_assert_cmpstr (gst_structure_get_string (dropped, "text"), ==, "");
  g_assert_cmpuint (rig_uint64 (dropped, "dropped_segments"), ==, 1);
  g_assert_cmpuint (gst_value_array_get_size (gst_structure_get_value (dropped, "frames")), ==, 2);
  g_assert_false (gst_structure_has_field (dropped, "prompt_tokens"));
  rig_assert_result (rig, 3, 2000, 3000, "stop");
  rig_assert_result (rig, 4, 3000, 4000, "stop");
  rig_free (rig);
}

static void
test_live_never_waits_while_loading (void)
{
  Rig *rig = rig_new_live (NULL);

  /* the fake was reset, and the element began to open it, in rig_new_live(); start anew with the gate shut */
  gst_element_set_state (rig->element, GST_STATE_NULL);
  fake_reset ();
  fake_hold (FAKE_OPEN);
  gst_harness_play (rig->video);
  rig_set_caps (rig, "RGB", 8, 4, 10, 1);
  rig_push (rig, 0, 101);
  g_assert_cmpuint (gst_harness_buffers_received (rig->video), ==, 101);
  fake_release_all (FAKE_OPEN);
  for (guint i = 0; i < 10; i++) {
    g_autoptr (GstStructure) s = rig_await_result (rig);

    g_assert_cmpuint (rig_uint64 (s, "id"), ==, i + 1);
    g_assert_cmpstr (gst_structure_get_string (s, "finish_reason"), ==, i < 8 ? "dropped" : "stop");
  }
  rig_free (rig);
}

typedef struct
{
  GMutex lock;
  GCond changed;
  guint passed;
} Counter;

static GstPadProbeReturn
count_buffer (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Counter *counter = data;

  g_mutex_lock (&counter->lock);
  counter->passed++;
  g_cond_signal (&counter->changed);
  g_mutex_unlock (&counter->lock);
  return GST_PAD_PROBE_OK;
}

static void
await_passed (Counter *counter, guint passed)
{
  g_mutex_lock (&counter->lock);
  while (counter->passed < passed)
    g_cond_wait (&counter->changed, &counter->lock);
  g_assert_cmpuint (counter->passed, ==, passed);
  g_mutex_unlock (&counter->lock);
}

static void
test_not_live_waits_for_room_and_loses_nothing (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstPad) src = gst_element_get_static_pad (rig->element, "src");
  Counter counter = { .passed = 0 };

  gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_BUFFER, count_buffer, &counter, NULL);
  fake_hold (FAKE_ASK);
  rig_push_in_thread (rig, 0, 100);
  /* 1 in hand, 2 and 3 wait; the buffer that completes 4 does not pass */
  await_passed (&counter, 40);
  for (guint i = 1; i <= 6; i++) {
    fake_await (FAKE_ASK, i);
    await_passed (&counter, 30 + 10 * i);
    fake_release (FAKE_ASK, 1);
  }
  fake_release_all (FAKE_ASK);
  g_assert_cmpint (rig_join (rig), ==, GST_FLOW_OK);
  for (guint i = 0; i < 10; i++)
    rig_assert_result (rig, i + 1, 1000 * i, 1000 * (i + 1), "stop");
  g_assert_cmpuint (gst_harness_buffers_received (rig->video), ==, 100);
  g_mutex_clear (&counter.lock);
  rig_free (rig);
}

/* --- events ------------------------------------------------------------------------------------------------------------------ */

static GstPadProbeReturn
count_eos (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) == GST_EVENT_EOS)
    g_atomic_int_inc ((gint *)data);
  return GST_PAD_PROBE_OK;
}

static void
test_eos_waits_for_results (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstPad) src = gst_element_get_static_pad (rig->element, "src");
  gint eos = 0;

  gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, count_eos, &eos, NULL);
  fake_hold (FAKE_ASK);
  rig_push_in_thread (rig, 0, 15);
  fake_await (FAKE_ASK, 1);
  fake_release (FAKE_ASK, 1);
  fake_await (FAKE_ASK, 2); /* of the segment that EOS closed */
  g_assert_cmpint (g_atomic_int_get (&eos), ==, 0);
  fake_release (FAKE_ASK, 1);
  g_assert_cmpint (rig_join (rig), ==, GST_FLOW_OK);
  g_assert_cmpint (g_atomic_int_get (&eos), ==, 1);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_result (rig, 2, 1000, 1500, "stop");
  rig_free (rig);
}

static void
test_flush_cancels_the_answer (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstStructure) first = NULL;

  fake_hold (FAKE_ASK);
  rig_push (rig, 0, 25); /* 1 is asked, 2 waits, 3 is open */
  fake_await (FAKE_ASK, 1);
  gst_harness_push_event (rig->video, gst_event_new_flush_start ());
  first = rig_await_result (rig);
  g_assert_cmpuint (rig_uint64 (first, "id"), ==, 1);
  g_assert_cmpstr (gst_structure_get_string (first, "finish_reason"), ==, "flush");
  g_assert_cmpuint (fake_count_cancelled (FAKE_ASK), ==, 1);
  fake_release_all (FAKE_ASK);
  gst_harness_push_event (rig->video, gst_event_new_flush_stop (TRUE));
  rig_assert_result (rig, 2, 1000, 2000, "flush");
  rig_assert_result (rig, 3, 2000, 2500, "flush");
  g_assert_cmpuint (fake_count (FAKE_ASK), ==, 1);

  push_segment (rig, 0, 0, 0);
  rig_push (rig, 300, 311);
  rig_assert_result (rig, 4, 30000, 31000, "stop");
  rig_free (rig);
}

static void
test_flush_frees_a_video_that_waits (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstPad) src = gst_element_get_static_pad (rig->element, "src");
  Counter counter = { .passed = 0 };

  gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_BUFFER, count_buffer, &counter, NULL);
  fake_hold (FAKE_ASK);
  rig_push_in_thread (rig, 0, 100);
  await_passed (&counter, 40);
  gst_harness_push_event (rig->video, gst_event_new_flush_start ());
  g_assert_cmpint (rig_join (rig), ==, GST_FLOW_FLUSHING);
  fake_release_all (FAKE_ASK);
  gst_harness_push_event (rig->video, gst_event_new_flush_stop (TRUE));
  g_mutex_clear (&counter.lock);
  rig_free (rig);
}

static void
test_flush_frees_an_eos_that_waits (void)
{
  Rig *rig = rig_new (NULL);

  fake_hold (FAKE_ASK);
  rig_push_in_thread (rig, 0, 15);
  fake_await (FAKE_ASK, 1);
  gst_harness_push_event (rig->video, gst_event_new_flush_start ());
  rig_join (rig);
  rig_free (rig);
}

static void
test_a_seek_goes_upstream_once (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstEvent) seek =
      gst_event_new_seek (1, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, 0);
  guint seeks = 0;
  GstEvent *event;

  rig_add_text (rig, NULL);
  rig_push (rig, 0, 1);
  gst_harness_push_upstream_event (rig->video, gst_event_ref (seek));
  gst_harness_push_upstream_event (rig->text, gst_event_ref (seek));
  gst_harness_push_upstream_event (rig->text, gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 2, 1, 1));
  while ((event = gst_harness_try_pull_upstream_event (rig->video)) != NULL) {
    seeks += GST_EVENT_TYPE (event) == GST_EVENT_SEEK;
    g_assert_cmpint (GST_EVENT_TYPE (event), !=, GST_EVENT_QOS);
    gst_event_unref (event);
  }
  g_assert_cmpuint (seeks, ==, 1);
  rig_free (rig);
}

static void
test_backward_playback_is_refused_once (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstMessage) warning = NULL, second = NULL;
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.rate = -1;
  segment.stop = 10 * GST_SECOND;
  gst_harness_push_event (rig->video, gst_event_new_segment (&segment));
  for (guint i = 20; i-- > 0;)
    g_assert_cmpint (gst_harness_push (rig->video, rig_frame (rig, i)), ==, GST_FLOW_OK);
  warning = rig_await_message (rig, GST_MESSAGE_WARNING);
  second = gst_bus_pop_filtered (rig->bus, GST_MESSAGE_WARNING);
  g_assert_null (second);
  rig_assert_no_result (rig);
  rig_free (rig);
}

/* --- text_src ---------------------------------------------------------------------------------------------------------------- */

static void
test_text_starts_with_the_first_buffer (void)
{
  Rig *rig = rig_new (NULL);
  static const GstEventType expected[] = { GST_EVENT_STREAM_START, GST_EVENT_CAPS, GST_EVENT_SEGMENT, GST_EVENT_GAP };

  rig_add_text (rig, NULL);
  rig_push (rig, 0, 1);
  for (guint i = 0; i < G_N_ELEMENTS (expected); i++) {
    g_autoptr (GstEvent) event = gst_harness_pull_event (rig->text);

    while (GST_EVENT_TYPE (event) == GST_EVENT_RECONFIGURE || GST_EVENT_TYPE (event) == GST_EVENT_LATENCY) {
      gst_event_unref (event);
      event = gst_harness_pull_event (rig->text);
    }
    g_assert_cmpint (GST_EVENT_TYPE (event), ==, expected[i]);
    if (expected[i] == GST_EVENT_STREAM_START) {
      GstStreamFlags flags;
      g_autoptr (GstStream) stream = NULL;

      gst_event_parse_stream_flags (event, &flags);
      gst_event_parse_stream (event, &stream);
      g_assert_true (flags & GST_STREAM_FLAG_SPARSE);
      g_assert_nonnull (stream);
      g_assert_true (gst_stream_get_stream_flags (stream) & GST_STREAM_FLAG_SPARSE);
    }
  }
  rig_free (rig);
}

static void
test_gaps_follow_the_video (void)
{
  Rig *rig = rig_new ("segment-duration=100000000000");
  guint64 end = 0;

  rig_add_text (rig, NULL);
  rig_push (rig, 0, 31);
  while (end < 2800 * GST_MSECOND) {
    g_autoptr (GstEvent) event = gst_harness_pull_event (rig->text);
    GstClockTime at, duration;

    g_assert_nonnull (event);
    if (GST_EVENT_TYPE (event) != GST_EVENT_GAP)
      continue;
    gst_event_parse_gap (event, &at, &duration);
    g_assert_cmpuint (at, ==, end);
    end = at + duration;
    g_assert_cmpuint (end, <=, 3 * GST_SECOND);
  }
  rig_free (rig);
}

static void
test_text_has_time_and_duration_of_now (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstBuffer) buffer = NULL;

  rig_add_text (rig, NULL);
  rig_push (rig, 0, 11);
  buffer = gst_harness_pull (rig->text);
  g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, GST_SECOND); /* the video's, not the segment's */
  g_assert_cmpuint (GST_BUFFER_DURATION (buffer), ==, GST_SECOND);
  rig_free (rig);
}

static void
test_text_duration_is_set (void)
{
  Rig *rig = rig_new ("text-duration=123");
  g_autoptr (GstBuffer) buffer = NULL;

  rig_add_text (rig, NULL);
  rig_push (rig, 0, 11);
  buffer = gst_harness_pull (rig->text);
  g_assert_cmpuint (GST_BUFFER_DURATION (buffer), ==, 123);
  rig_free (rig);
}

static void
assert_text_caps (Rig *rig, const gchar *media_type)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (rig->element, "text_src");
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);

  g_assert_true (gst_structure_has_name (gst_caps_get_structure (caps, 0), media_type));
}

static void
test_json_comes_first (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (JsonObject) json = NULL;

  rig_add_text (rig, "ANY");
  rig_push (rig, 0, 11);
  json = pull_json (rig);
  assert_text_caps (rig, "application/x-json");
  rig_free (rig);
}

static void
test_plain_text_where_it_is_asked_for (void)
{
  Rig *rig = rig_new (NULL);
  g_autofree gchar *text = NULL;

  rig_add_text (rig, "text/x-raw, format = (string) { pango-markup, utf8 }");
  rig_push (rig, 0, 11);
  text = pull_text (rig);
  g_assert_cmpstr (text, ==, "answer 1");
  assert_text_caps (rig, "text/x-raw");
  rig_free (rig);
}

static void
test_plain_text_says_nothing_of_errors (void)
{
  Rig *rig = rig_new (NULL);
  g_autofree gchar *text = NULL;

  rig_add_text (rig, "text/x-raw");
  fake_fail_next (FAKE_ASK, MINIVL_ERROR_BUDGET, "no");
  rig_push (rig, 0, 21);
  text = pull_text (rig);
  g_assert_cmpstr (text, ==, "answer 2");
  rig_free (rig);
}

static GstPadProbeReturn
block (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  return GST_PAD_PROBE_OK; /* stays blocked until the probe is removed */
}

static void
test_blocked_text_branch_passes_video_and_eos (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstPad) pad = NULL;
  gulong probe;

  rig_add_text (rig, NULL);
  pad = gst_element_get_static_pad (rig->element, "text_src");
  probe = gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM, block, NULL, NULL);
  rig_push (rig, 0, 50);
  rig_eos (rig);
  g_assert_cmpuint (gst_harness_buffers_received (rig->video), ==, 50);
  for (guint i = 0; i < 5; i++)
    rig_assert_result (rig, i + 1, 1000 * i, 1000 * (i + 1), "stop");

  /* and what was said is still there when somebody takes it, with EOS behind */
  gst_pad_remove_probe (pad, probe);
  for (guint i = 0; i < 5; i++) {
    g_autoptr (JsonObject) json = pull_json (rig);

    g_assert_cmpint (json_object_get_int_member (json, "id"), ==, i + 1);
  }
  for (gboolean eos = FALSE; !eos;) {
    g_autoptr (GstEvent) event = gst_harness_pull_event (rig->text);

    g_assert_nonnull (event);
    eos = GST_EVENT_TYPE (event) == GST_EVENT_EOS;
  }
  rig_free (rig);
}

static void
test_unlinked_text_pad_harms_nothing (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstPad) pad = gst_element_request_pad_simple (rig->element, "text_src");

  rig_push (rig, 0, 15);
  rig_eos (rig);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_result (rig, 2, 1000, 1500, "stop");
  gst_element_release_request_pad (rig->element, pad);
  rig_free (rig);
}

static void
test_text_pad_comes_and_goes (void)
{
  Rig *rig = rig_new (NULL);

  rig_push (rig, 0, 11);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  for (guint round = 0; round < 3; round++) {
    GstPad *pad = gst_element_request_pad_simple (rig->element, "text_src");
    GstHarness *text;
    GstBuffer *buffer;

    gst_object_unref (pad);
    text = gst_harness_new_with_element (rig->element, NULL, "text_src");
    rig_push (rig, 10 * round + 11, 10 * round + 21);
    buffer = gst_harness_pull (text);
    g_assert_nonnull (buffer);
    gst_buffer_unref (buffer);
    pad = gst_element_get_static_pad (rig->element, "text_src");
    gst_element_release_request_pad (rig->element, pad);
    gst_object_unref (pad);
    gst_harness_teardown (text);
    rig_assert_result (rig, round + 2, 1000 * (round + 1), 1000 * (round + 2), "stop");
  }
  rig_free (rig);
}

/* --- errors ------------------------------------------------------------------------------------------------------------------ */

static void
assert_error (GstMessage *message, const gchar *part)
{
  g_autoptr (GError) error = NULL;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &error, NULL);
  else
    gst_message_parse_warning (message, &error, NULL);
  g_assert_nonnull (strstr (error->message, part));
}

static void
test_trouble_is_a_warning_and_a_result (FakeStep step)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstMessage) warning = NULL;

  fake_fail_next (step, MINIVL_ERROR_DEVICE, "the device was lost");
  rig_push (rig, 0, 21);
  warning = rig_await_message (rig, GST_MESSAGE_WARNING | GST_MESSAGE_ELEMENT);
  g_assert_cmpint (GST_MESSAGE_TYPE (warning), ==, GST_MESSAGE_WARNING);
  assert_error (warning, "the device was lost");
  rig_assert_result (rig, 1, 0, 1000, "error");
  rig_assert_result (rig, 2, 1000, 2000, "stop");
  g_assert_cmpuint (gst_harness_buffers_received (rig->video), ==, 21);
  rig_free (rig);
}

static void
test_trouble_in_answering (void)
{
  test_trouble_is_a_warning_and_a_result (FAKE_ASK);
}

static void
test_trouble_in_encoding (void)
{
  test_trouble_is_a_warning_and_a_result (FAKE_ENCODE);
}

static void
test_buffers_without_pts_are_an_error (void)
{
  Rig *rig = rig_new (NULL);
  GstBuffer *buffer = rig_frame (rig, 0);
  g_autoptr (GstMessage) error = NULL;

  GST_BUFFER_PTS (buffer) = GST_CLOCK_TIME_NONE;
  g_assert_cmpint (gst_harness_push (rig->video, buffer), ==, GST_FLOW_ERROR);
  error = rig_await_message (rig, GST_MESSAGE_ERROR);
  assert_error (error, "PTS");
  rig_free (rig);
}

static void
test_whole_of_an_endless_stream_is_an_error (void)
{
  Rig *rig = rig_new ("segment-duration=0");
  g_autoptr (GstMessage) error = NULL;

  g_assert_cmpint (gst_harness_push (rig->video, rig_frame (rig, 0)), ==, GST_FLOW_ERROR);
  error = rig_await_message (rig, GST_MESSAGE_ERROR);
  assert_error (error, "stop-time");
  rig_free (rig);
}

static void
assert_refused (const gchar *properties, const gchar *part)
{
  g_autofree gchar *line = g_strdup_printf ("minivl %s", properties);
  GstElement *element = gst_object_ref_sink (gst_parse_launch (line, NULL));
  GstBus *bus = gst_bus_new ();
  g_autoptr (GstMessage) message = NULL;

  fake_reset ();
  gst_element_set_bus (element, bus);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  assert_error (message, part);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_element_set_bus (element, NULL);
  gst_object_unref (element);
  gst_object_unref (bus);
  g_assert_cmpuint (fake_count (FAKE_OPEN), ==, 0);
}

static void
test_mistakes_name_the_property (void)
{
  assert_refused ("", "model-path");
  assert_refused ("model-path=/x segment-duration=5 segment-overlap=5", "segment-overlap");
  assert_refused ("model-path=/x start-time=5 stop-time=5", "stop-time");
}

static void
test_a_model_that_cannot_be_opened_is_an_error (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstMessage) error = NULL;

  gst_element_set_state (rig->element, GST_STATE_NULL);
  gst_bus_set_flushing (rig->bus, TRUE);
  gst_bus_set_flushing (rig->bus, FALSE);
  fake_reset ();
  fake_fail_next (FAKE_OPEN, MINIVL_ERROR_FILE, "/fake/config.json: no such file");
  gst_harness_play (rig->video);
  error = rig_await_message (rig, GST_MESSAGE_ERROR);
  assert_error (error, "/fake/config.json");
  rig_set_caps (rig, "RGB", 8, 4, 10, 1);
  g_assert_cmpint (gst_harness_push (rig->video, rig_frame (rig, 0)), ==, GST_FLOW_ERROR);
  rig_eos (rig); /* does not wait for answers that never come */
  rig_free (rig);
}

/* --- states ------------------------------------------------------------------------------------------------------------------ */

static GstProgressType
next_progress (Rig *rig)
{
  g_autoptr (GstMessage) message = rig_await_message (rig, GST_MESSAGE_PROGRESS);
  g_autofree gchar *code = NULL;
  GstProgressType type;

  gst_message_parse_progress (message, &type, &code, NULL);
  g_assert_cmpstr (code, ==, "loading");
  return type;
}

static void
restart_with_open_held (Rig *rig)
{
  gst_element_set_state (rig->element, GST_STATE_NULL);
  gst_bus_set_flushing (rig->bus, TRUE);
  gst_bus_set_flushing (rig->bus, FALSE);
  fake_reset ();
  fake_hold (FAKE_OPEN);
  gst_harness_play (rig->video);
  rig_set_caps (rig, "RGB", 8, 4, 10, 1);
}

static void
test_loading_is_told_and_passes_video (void)
{
  Rig *rig = rig_new (NULL);

  restart_with_open_held (rig);
  g_assert_cmpint (next_progress (rig), ==, GST_PROGRESS_TYPE_START);
  g_assert_cmpint (next_progress (rig), ==, GST_PROGRESS_TYPE_CONTINUE);
  rig_push (rig, 0, 15);
  g_assert_cmpuint (gst_harness_buffers_received (rig->video), ==, 15);
  fake_release_all (FAKE_OPEN);
  g_assert_cmpint (next_progress (rig), ==, GST_PROGRESS_TYPE_COMPLETE);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_free (rig);
}

static void
test_stopping_cancels_loading (void)
{
  Rig *rig = rig_new (NULL);

  restart_with_open_held (rig);
  g_assert_cmpint (next_progress (rig), ==, GST_PROGRESS_TYPE_START);
  fake_await (FAKE_OPEN, 1);
  gst_element_set_state (rig->element, GST_STATE_READY);
  while (next_progress (rig) != GST_PROGRESS_TYPE_CANCELED)
    ;
  g_assert_cmpuint (fake_count_cancelled (FAKE_OPEN), ==, 1);
  rig_free (rig);
}

static void
test_stopping_cancels_an_answer (void)
{
  Rig *rig = rig_new (NULL);

  fake_hold (FAKE_ASK);
  rig_push (rig, 0, 11);
  fake_await (FAKE_ASK, 1);
  gst_element_set_state (rig->element, GST_STATE_NULL);
  g_assert_cmpuint (fake_count_cancelled (FAKE_ASK), ==, 1);
  rig_assert_no_result (rig);
  rig_free (rig);
}

static void
test_stopping_frees_an_eos_that_waits (void)
{
  Rig *rig = rig_new (NULL);

  fake_hold (FAKE_ENCODE);
  rig_push_in_thread (rig, 0, 8);
  fake_await (FAKE_ENCODE, 1);
  gst_element_set_state (rig->element, GST_STATE_NULL);
  rig_join (rig);
  rig_free (rig);
}

static void
test_runs_again_after_null (void)
{
  Rig *rig = rig_new (NULL);

  rig_add_text (rig, NULL);
  for (guint round = 0; round < 5; round++) {
    g_autoptr (JsonObject) json = NULL;

    rig_push (rig, 0, 11);
    rig_assert_result (rig, round * 2 + 1, 0, 1000, "stop");
    json = pull_json (rig);
    g_assert_cmpint (json_object_get_int_member (json, "id"), ==, round * 2 + 1);
    gst_element_set_state (rig->element, GST_STATE_NULL); /* with the next segment open */
    g_assert_cmpuint (fake_open_backends (), ==, 0);
    gst_harness_play (rig->video);
    rig_set_caps (rig, "RGB", 8, 4, 10, 1);
  }
  rig_free (rig);
}

static void
test_facts_of_the_factory (void)
{
  g_autoptr (GstElementFactory) factory = gst_element_factory_find ("minivl");

  g_assert_cmpstr (gst_element_factory_get_metadata (factory, GST_ELEMENT_METADATA_KLASS), ==, "Filter/Analyzer/Video/Text");
  g_assert_cmpuint (gst_plugin_feature_get_rank (GST_PLUGIN_FEATURE (factory)), ==, GST_RANK_NONE);
  g_assert_cmpuint (fake_count (FAKE_OPEN), ==, 0);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  fake_reset ();
  g_assert_true (gst_minivl_register (NULL, &backend_fake));

#define RULE(name) g_test_add_func ("/element/" #name, test_##name)
  RULE (facts_of_the_factory);
  RULE (result_in_three_forms_with_one_id);
  RULE (question_is_the_references);
  RULE (prompt_changes_from_the_next_segment);
  RULE (meta_is_one_a_buffer_in_order);
  RULE (meta_waits_for_a_buffer_without_one);
  RULE (pixels_stay_where_they_are);
  RULE (frames_are_encoded_on_arrival);
  RULE (last_segment_before_eos);
  RULE (too_short_segment_shows_its_first_frame);
  RULE (caps_change_closes_segment);
  RULE (same_caps_keep_segment);
  RULE (backward_pts_closes_segment);
  RULE (jump_closes_segment);
  RULE (discont_and_gap_keep_segment);
  RULE (new_segment_closes_segment);
  RULE (times_are_stream_time);
  RULE (overlapping_segments_encode_a_frame_once);
  RULE (whole_stream_is_one_segment);
  RULE (variable_rate_samples_by_time);
  RULE (formats_become_rgb);
  RULE (strides_and_byte_order_are_honoured);
  RULE (live_drops_the_oldest_that_waits);
  RULE (live_never_waits_while_loading);
  RULE (not_live_waits_for_room_and_loses_nothing);
  RULE (eos_waits_for_results);
  RULE (flush_cancels_the_answer);
  RULE (flush_frees_a_video_that_waits);
  RULE (flush_frees_an_eos_that_waits);
  RULE (a_seek_goes_upstream_once);
  RULE (backward_playback_is_refused_once);
  RULE (text_starts_with_the_first_buffer);
  RULE (gaps_follow_the_video);
  RULE (text_has_time_and_duration_of_now);
  RULE (text_duration_is_set);
  RULE (json_comes_first);
  RULE (plain_text_where_it_is_asked_for);
  RULE (plain_text_says_nothing_of_errors);
  RULE (blocked_text_branch_passes_video_and_eos);
  RULE (unlinked_text_pad_harms_nothing);
  RULE (text_pad_comes_and_goes);
  RULE (trouble_in_answering);
  RULE (trouble_in_encoding);
  RULE (buffers_without_pts_are_an_error);
  RULE (whole_of_an_endless_stream_is_an_error);
  RULE (mistakes_name_the_property);
  RULE (a_model_that_cannot_be_opened_is_an_error);
  RULE (loading_is_told_and_passes_video);
  RULE (stopping_cancels_loading);
  RULE (stopping_cancels_an_answer);
  RULE (stopping_frees_an_eos_that_waits);
  RULE (runs_again_after_null);
#undef RULE
  return g_test_run ();
}

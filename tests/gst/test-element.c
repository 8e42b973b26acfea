/* The element's rules about segments, results and mistakes, each driven through a harness against the fake back end. */
#include "gst/element/gstminivl.h"
#include "rig.h"

#include <gst/video/video.h>
#include <string.h>

/* --- results ----------------------------------------------------------------------------------------------------------------- */

static GstStructure *
meta_of (GstBuffer *buffer)
{
  GstCustomMeta *meta = gst_buffer_get_custom_meta (buffer, "GstMinivlMeta");

  return meta != NULL ? gst_custom_meta_get_structure (meta) : NULL;
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
  json = rig_pull_json (rig);
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
  g_assert_cmpstr (json_object_get_string_member (json, "tokenizer"), ==, "fast");
  g_assert_cmpstr (json_object_get_string_member (json, "system_source"), ==, "v1.5");
  g_assert_cmpstr (json_object_get_string_member (json, "device"), ==, "fake device");
  g_assert_cmpint (json_object_get_int_member (json, "segment_start"), ==, 0);
  g_assert_cmpint (json_object_get_int_member (json, "segment_stop"), ==, GST_SECOND);
  g_assert_cmpint (json_object_get_int_member (json, "running_time"), ==, GST_SECOND);
  g_assert_cmpint (json_object_get_int_member (json, "prompt_tokens"), ==, 100);
  g_assert_cmpint (json_object_get_int_member (json, "output_tokens"), ==, 7);
  g_assert_cmpint (json_object_get_int_member (json, "cached_tokens"), ==, 5);
  g_assert_cmpint (json_object_get_int_member (json, "drafted"), ==, 4);
  g_assert_cmpint (json_object_get_int_member (json, "accepted"), ==, 3);
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

/* However long it is before they are encoded: decoders have a few buffers, and stop without them. */
static void
test_sampled_frames_are_copied_at_once (void)
{
  Rig *rig = rig_new ("num-segments=10");
  g_autoptr (GAsyncQueue) freed = g_async_queue_new ();

  fake_hold (FAKE_ENCODE);
  for (guint i = 0; i < 10; i++)
    rig_push_watched (rig, rig_frame (rig, i), freed);
  fake_await (FAKE_ENCODE, 1);
  rig_await_freed (freed, 10);
  fake_release_all (FAKE_ENCODE);
  rig_eos (rig);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_frames (0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, G_MAXUINT);
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
test_new_segment_closes_segment (void)
{
  Rig *rig = rig_new (NULL);

  rig_push (rig, 0, 5);
  rig_push_segment (rig, 500 * GST_MSECOND, 500 * GST_MSECOND, 700 * GST_MSECOND);
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
  rig_push_segment (rig, 2 * GST_SECOND, 0, 3 * GST_SECOND);
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

typedef struct
{
  const gchar *caps, *colorimetry;
  MinivlFormat format;
  MinivlMatrix matrix;
  MinivlRange range;
} Layout;

/* Nothing is converted in the streaming thread: the model gets the planes, and is told what they mean. */
static void
test_planes_are_copied_with_what_they_mean (void)
{
  static const Layout layouts[] = {
    { "RGB", NULL, MINIVL_FORMAT_RGB, MINIVL_MATRIX_BT601, MINIVL_RANGE_DEFAULT },
    { "BGR", NULL, MINIVL_FORMAT_BGR, MINIVL_MATRIX_BT601, MINIVL_RANGE_DEFAULT },
    { "RGBx", NULL, MINIVL_FORMAT_RGBX, MINIVL_MATRIX_BT601, MINIVL_RANGE_DEFAULT },
    { "BGRA", NULL, MINIVL_FORMAT_BGRX, MINIVL_MATRIX_BT601, MINIVL_RANGE_DEFAULT },
    { "GRAY8", NULL, MINIVL_FORMAT_GRAY8, MINIVL_MATRIX_BT601, MINIVL_RANGE_FULL },
    { "NV12", "bt709", MINIVL_FORMAT_NV12, MINIVL_MATRIX_BT709, MINIVL_RANGE_LIMITED },
    { "NV12", "bt601", MINIVL_FORMAT_NV12, MINIVL_MATRIX_BT601, MINIVL_RANGE_LIMITED },
    { "I420", "bt2020", MINIVL_FORMAT_I420, MINIVL_MATRIX_BT2020, MINIVL_RANGE_LIMITED },
    { "I420", "1:4:0:0", MINIVL_FORMAT_I420, MINIVL_MATRIX_BT601, MINIVL_RANGE_FULL }, /* JPEG */
  };

  for (guint i = 0; i < G_N_ELEMENTS (layouts); i++) {
    const Layout *expected = &layouts[i];
    Rig *rig = rig_new ("num-segments=1");
    GstCaps *caps = gst_caps_from_string ("video/x-raw, width = 35, height = 19, framerate = 10/1");
    GstVideoInfo info;
    MinivlImage image;

    gst_caps_set_simple (caps, "format", G_TYPE_STRING, expected->caps, NULL);
    if (expected->colorimetry != NULL)
      gst_caps_set_simple (caps, "colorimetry", G_TYPE_STRING, expected->colorimetry, NULL);
    g_assert_true (gst_video_info_from_caps (&info, caps));
    gst_harness_set_src_caps (rig->video, caps);
    for (guint k = 0; k < 11; k++) {
      GstBuffer *buffer = gst_buffer_new_and_alloc (info.size);

      gst_buffer_memset (buffer, 0, 16 + i, info.size);
      GST_BUFFER_PTS (buffer) = k * 100 * GST_MSECOND;
      g_assert_cmpint (gst_harness_push (rig->video, buffer), ==, GST_FLOW_OK);
    }
    rig_assert_result (rig, 1, 0, 1000, "stop");
    image = fake_last_layout ();
    g_assert_cmpuint (image.width, ==, 35);
    g_assert_cmpuint (image.height, ==, 19);
    g_assert_cmpint (image.format, ==, expected->format);
    g_assert_cmpint (image.matrix, ==, expected->matrix);
    g_assert_cmpint (image.range, ==, expected->range);
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
  g_assert_cmpuint (rgb[0], ==, 30);
  g_assert_cmpuint (rgb[1], ==, 20);
  g_assert_cmpuint (rgb[2], ==, 10);
  g_assert_cmpint (fake_last_layout ().format, ==, MINIVL_FORMAT_BGRX);
  rig_free (rig);
}

/* --- errors ------------------------------------------------------------------------------------------------------------------ */

static void
test_trouble_is_a_warning_and_a_result (FakeStep step)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstMessage) warning = NULL;

  fake_fail_next (step, MINIVL_ERROR_DEVICE, "the device was lost");
  rig_push (rig, 0, 21);
  warning = rig_await_message (rig, GST_MESSAGE_WARNING | GST_MESSAGE_ELEMENT);
  g_assert_cmpint (GST_MESSAGE_TYPE (warning), ==, GST_MESSAGE_WARNING);
  rig_assert_error (warning, "the device was lost");
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
  g_autoptr (GstMessage) error = NULL;

  for (guint i = 1; i <= 10; i++) {
    GstBuffer *buffer = rig_frame (rig, 0);

    GST_BUFFER_PTS (buffer) = GST_CLOCK_TIME_NONE;
    g_assert_cmpint (gst_harness_push (rig->video, buffer), ==, i < 10 ? GST_FLOW_OK : GST_FLOW_ERROR);
  }
  error = rig_await_message (rig, GST_MESSAGE_ERROR);
  rig_assert_error (error, "PTS");
  rig_free (rig);
}

static void
test_a_segment_of_bytes_is_an_error (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstMessage) error = NULL;
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_BYTES);
  g_assert_true (gst_harness_push_event (rig->video, gst_event_new_segment (&segment)));
  g_assert_cmpint (gst_harness_push (rig->video, rig_frame (rig, 0)), ==, GST_FLOW_ERROR);
  error = rig_await_message (rig, GST_MESSAGE_ERROR);
  rig_assert_error (error, "a segment of time");
  rig_free (rig);
}

static void
test_whole_of_an_endless_stream_is_an_error (void)
{
  Rig *rig = rig_new ("segment-duration=0");
  g_autoptr (GstMessage) error = NULL;

  g_assert_cmpint (gst_harness_push (rig->video, rig_frame (rig, 0)), ==, GST_FLOW_ERROR);
  error = rig_await_message (rig, GST_MESSAGE_ERROR);
  rig_assert_error (error, "stop-time");
  rig_free (rig);
}

static void
assert_not_opened (MinivlError code, const gchar *message, GstResourceError expected)
{
  Rig *rig = rig_new (NULL);
  GstFlowReturn flow = GST_FLOW_OK;
  g_autoptr (GstMessage) told = NULL;
  g_autoptr (GError) error = NULL;

  gst_element_set_state (rig->element, GST_STATE_NULL);
  gst_bus_set_flushing (rig->bus, TRUE);
  gst_bus_set_flushing (rig->bus, FALSE);
  fake_reset ();
  fake_fail_next (FAKE_OPEN, code, message);
  gst_harness_play (rig->video);
  told = rig_await_message (rig, GST_MESSAGE_ERROR);
  gst_message_parse_error (told, &error, NULL);
  g_assert_cmpstr (error->message, ==, message);
  g_assert_error (error, GST_RESOURCE_ERROR, (gint)expected);
  rig_set_caps (rig, "RGB", 8, 4, 10, 1);
  for (guint i = 0; flow == GST_FLOW_OK; i++) { /* the reason is told first, the video stops second */
    g_assert_cmpuint (i, <, 5000);
    flow = gst_harness_push (rig->video, rig_frame (rig, i));
    g_usleep (1000);
  }
  g_assert_cmpint (flow, ==, GST_FLOW_ERROR);
  rig_eos (rig); /* does not wait for answers that never come */
  rig_free (rig);
}

static void
test_a_model_that_cannot_be_opened_is_an_error (void)
{
  assert_not_opened (MINIVL_ERROR_FILE, "/fake/config.json: no such file", GST_RESOURCE_ERROR_OPEN_READ);
  assert_not_opened (MINIVL_ERROR_MEMORY, "it does not fit: lower context-size to 1024", GST_RESOURCE_ERROR_NO_SPACE_LEFT);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  fake_reset ();
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));

#define RULE(name) g_test_add_func ("/element/" #name, test_##name)
  RULE (result_in_three_forms_with_one_id);
  RULE (question_is_the_references);
  RULE (prompt_changes_from_the_next_segment);
  RULE (meta_is_one_a_buffer_in_order);
  RULE (meta_waits_for_a_buffer_without_one);
  RULE (pixels_stay_where_they_are);
  RULE (frames_are_encoded_on_arrival);
  RULE (sampled_frames_are_copied_at_once);
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
  RULE (planes_are_copied_with_what_they_mean);
  RULE (strides_and_byte_order_are_honoured);
  RULE (trouble_in_answering);
  RULE (trouble_in_encoding);
  RULE (buffers_without_pts_are_an_error);
  RULE (a_segment_of_bytes_is_an_error);
  RULE (whole_of_an_endless_stream_is_an_error);
  RULE (a_model_that_cannot_be_opened_is_an_error);
#undef RULE
  return g_test_run ();
}

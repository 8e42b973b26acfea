/* The rules about what comes with the video: tags, metas, memories, clocks, rates; and what is told besides the results. */
#include "gst/element/gstminivl.h"
#include "gst/element/frame-copier.h"
#include "rig.h"

#include <gst/video/video.h>
#include <string.h>

/* --- pictures ---------------------------------------------------------------------------------------------------------------- */

static void
push_orientation (Rig *rig, const gchar *orientation)
{
  GstTagList *tags = gst_tag_list_new (GST_TAG_IMAGE_ORIENTATION, orientation, NULL);

  g_assert_true (gst_harness_push_event (rig->video, gst_event_new_tag (tags)));
}

static void
test_pictures_are_upright_by_the_tag (void)
{
  static const gchar *const tags[] = { "rotate-0", "flip-rotate-0", "rotate-180", "flip-rotate-180", "flip-rotate-270", "rotate-90",
    "flip-rotate-90", "rotate-270" };
  Rig *rig = rig_new ("num-segments=1");

  for (guint i = 0; i < G_N_ELEMENTS (tags); i++) {
    push_orientation (rig, tags[i]);
    rig_push (rig, i == 0 ? 0 : 10 * i + 1, 10 * i + 11);
    rig_assert_result (rig, i + 1, 1000 * i, 1000 * (i + 1), "stop");
    g_assert_cmpuint (fake_last_layout ().orientation, ==, i + 1);
  }
  /* another stream is not turned as the one before */
  g_assert_true (gst_harness_push_event (rig->video, gst_event_new_stream_start ("other")));
  rig_push_segment (rig, 0, 0, 0);
  rig_push (rig, 90, 101);
  rig_assert_result (rig, 9, 8000, 8100, "stop"); /* what was begun of the stream before */
  rig_assert_result (rig, 10, 9000, 10000, "stop");
  g_assert_cmpuint (fake_last_layout ().orientation, <=, 1);
  rig_free (rig);
}

static void
test_a_crop_meta_is_seen_by_the_model (void)
{
  Rig *rig = rig_new ("num-segments=1");
  MinivlImage image;

  for (guint i = 0; i < 11; i++) {
    /* decoded as 16 x 8, of which the caps' 8 x 4 are shown */
    GstBuffer *buffer = gst_buffer_new_and_alloc (48 * 8);
    GstVideoCropMeta *crop;

    gst_buffer_memset (buffer, 0, 9, -1);
    gst_buffer_add_video_meta (buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_RGB, 16, 8);
    crop = gst_buffer_add_video_crop_meta (buffer);
    crop->x = 3;
    crop->y = 2;
    crop->width = 8;
    crop->height = 4;
    GST_BUFFER_PTS (buffer) = i * 100 * GST_MSECOND;
    g_assert_cmpint (gst_harness_push (rig->video, buffer), ==, GST_FLOW_OK);
  }
  rig_assert_result (rig, 1, 0, 1000, "stop");
  image = fake_last_layout ();
  g_assert_cmpuint (image.width, ==, 16);
  g_assert_cmpuint (image.height, ==, 8);
  g_assert_cmpuint (image.crop_x, ==, 3);
  g_assert_cmpuint (image.crop_y, ==, 2);
  g_assert_cmpuint (image.crop_width, ==, 8);
  g_assert_cmpuint (image.crop_height, ==, 4);
  rig_free (rig);
}

/* Planes in memories of their own, with odd strides: every byte of the copy is checked. */
static void
test_planes_in_several_memories (void)
{
  GstVideoInfo info;
  FrameCopier copier = { .pool = NULL };
  GstBuffer *buffer = gst_buffer_new ();
  gsize offset[GST_VIDEO_MAX_PLANES] = { 0, 37 * 5, 37 * 5 + 23 * 3 };
  gint stride[GST_VIDEO_MAX_PLANES] = { 37, 23, 21 };
  static const guint widths[] = { 7, 4, 4 }, heights[] = { 5, 3, 3 };
  Frame *frame;

  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_I420, 7, 5);
  for (guint p = 0; p < 3; p++) {
    GstMemory *memory = gst_allocator_alloc (NULL, stride[p] * heights[p], NULL);
    GstMapInfo map;

    gst_memory_map (memory, &map, GST_MAP_WRITE);
    for (guint i = 0; i < map.size; i++)
      map.data[i] = (guint8)(50 * p + i % stride[p] + 10 * (i / stride[p]));
    gst_memory_unmap (memory, &map);
    gst_buffer_append_memory (buffer, memory);
  }
  gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_I420, 7, 5, 3, offset, stride);
  frame_copier_init (&copier, &info);
  frame = frame_copier_copy (&copier, buffer, 5, &backend_fake);
  g_assert_nonnull (frame);
  g_assert_true (frame_await (frame, NULL));
  for (guint p = 0; p < 3; p++)
    for (guint y = 0; y < heights[p]; y++)
      for (guint x = 0; x < widths[p]; x++)
        g_assert_cmpuint (frame->image.data[p][y * frame->image.stride[p] + x], ==, (guint8)(50 * p + x + 10 * y));
  frame_copier_clear (&copier);                    /* the frame may outlive it */
  g_assert_true (gst_buffer_is_writable (buffer)); /* nobody else has it any more */
  frame_unref (frame);
  gst_buffer_unref (buffer);
}

/* The memory of an encoded frame serves the next one: fresh pages are what a copy costs most by. */
static void
test_copies_are_made_in_used_memory (void)
{
  GstVideoInfo info;
  FrameCopier copier = { .pool = NULL };
  GstBuffer *buffer;
  GHashTable *blocks = g_hash_table_new (NULL, NULL);

  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_NV12, 640, 480);
  buffer = gst_buffer_new_and_alloc (info.size);
  gst_buffer_memset (buffer, 0, 1, -1);
  frame_copier_init (&copier, &info);
  for (guint i = 0; i < 50; i++) {
    Frame *frame = frame_copier_copy (&copier, buffer, i, &backend_fake);

    g_assert_true (frame_await (frame, NULL));
    g_hash_table_add (blocks, frame->pixels);
    frame_unref (frame);
  }
  g_assert_cmpuint (g_hash_table_size (blocks), <=, 4);
  g_hash_table_unref (blocks);
  frame_copier_clear (&copier);
  gst_buffer_unref (buffer);
}

static GstPadProbeReturn
black_out (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstBuffer *buffer = gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));

  gst_buffer_memset (buffer, 0, 0, -1);
  GST_PAD_PROBE_INFO_DATA (info) = buffer;
  return GST_PAD_PROBE_OK;
}

static void
count_other_bytes (const MinivlImage *image, gpointer data)
{
  guint *n = data;

  for (guint y = 0; y < image->height; y++)
    for (guint x = 0; x < 3 * image->width; x++)
      *n += image->data[0][y * image->stride[0] + x] != (guint8)(5 >> 8 * (x % 3));
}

/* The copy is made while the buffer goes on: it is of what came. 25 MB take long enough to be overtaken. */
static void
test_who_writes_downstream_is_not_seen (void)
{
  Rig *rig = rig_new ("num-segments=1");
  g_autoptr (GstPad) src = gst_element_get_static_pad (rig->element, "src");
  guint wrong = 0;

  rig_set_caps (rig, "RGB", 3840, 2160, 10, 1);
  gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_BUFFER, black_out, NULL, NULL);
  fake_watch (count_other_bytes, &wrong);
  rig_push (rig, 0, 11);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  g_assert_cmpuint (fake_encoded_frame (0), ==, 5);
  g_assert_cmpuint (wrong, ==, 0);
  rig_free (rig);
}

static void
test_allocation_queries_pass (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstCaps) caps = gst_caps_from_string ("video/x-raw, format = RGB, width = 8, height = 4, framerate = 10/1");
  g_autoptr (GstQuery) query = gst_query_new_allocation (caps, TRUE);
  g_autoptr (GstPad) sink = gst_element_get_static_pad (rig->element, "sink");

  gst_harness_add_propose_allocation_meta (rig->video, GST_VIDEO_META_API_TYPE, NULL);
  rig_push (rig, 0, 1);
  g_assert_true (gst_pad_query (sink, query));
  g_assert_true (gst_query_find_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL));
  rig_free (rig);
}

/* --- times ------------------------------------------------------------------------------------------------------------------- */

static void
push_with_reference (Rig *rig, const gchar *kind, guint64 timestamp)
{
  g_autoptr (GstCaps) caps = gst_caps_new_empty_simple (kind);

  for (guint i = 0; i < 11; i++) {
    GstBuffer *buffer = rig_frame (rig, i);

    gst_buffer_add_reference_timestamp_meta (buffer, caps, timestamp + i * 100 * GST_MSECOND, GST_CLOCK_TIME_NONE);
    g_assert_cmpint (gst_harness_push (rig->video, buffer), ==, GST_FLOW_OK);
  }
}

static void
test_utc_is_what_the_source_wrote (void)
{
  static const struct
  {
    const gchar *kind;
    guint64 seconds;
  } cases[] = { { "timestamp/x-unix", 1700000000 }, { "timestamp/x-ntp", 1700000000 + G_GUINT64_CONSTANT (2208988800) } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Rig *rig = rig_new ("prompt=\"At {utc}:\"");
    g_autoptr (GstStructure) result = NULL;

    push_with_reference (rig, cases[i].kind, cases[i].seconds * GST_SECOND + 123 * GST_MSECOND);
    result = rig_await_result (rig);
    g_assert_cmpstr (gst_structure_get_string (result, "utc"), ==, "2023-11-14T22:13:20.123Z");
    g_assert_cmpstr (gst_structure_get_string (result, "prompt"), ==, "At 2023-11-14T22:13:20.123Z:");
    rig_free (rig);
  }
}

static void
test_utc_of_a_live_source_is_the_clocks (void)
{
  Rig *rig = rig_new_live (NULL);
  g_autoptr (GstStructure) result = NULL;
  g_autoptr (GstClock) clock = gst_system_clock_obtain ();
  g_autoptr (GDateTime) told = NULL;
  guint64 running;
  gint64 expected;

  gst_element_set_clock (rig->element, clock);
  running = gst_clock_get_time (clock) - gst_element_get_base_time (rig->element);
  expected = g_get_real_time () / G_TIME_SPAN_SECOND;
  rig_push_segment (rig, 0, 0, running); /* frame 0 is of this very moment */
  rig_push (rig, 0, 11);
  result = rig_await_result (rig);
  g_assert_true (gst_structure_has_field (result, "utc"));
  told = g_date_time_new_from_iso8601 (gst_structure_get_string (result, "utc"), NULL);
  g_assert_nonnull (told);
  g_assert_cmpint (ABS (g_date_time_to_unix (told) - expected), <=, 2);
  rig_free (rig);
}

static void
test_utc_of_a_file_is_not_known (void)
{
  Rig *rig = rig_new ("prompt={utc}");
  g_autoptr (GstStructure) result = NULL;

  rig_push (rig, 0, 11);
  result = rig_await_result (rig);
  g_assert_false (gst_structure_has_field (result, "utc"));
  g_assert_cmpstr (gst_structure_get_string (result, "prompt"), ==, "unknown");
  rig_free (rig);
}

static void
push_segment_with_rates (Rig *rig, double rate, double applied_rate)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.rate = rate;
  segment.applied_rate = applied_rate;
  g_assert_true (gst_harness_push_event (rig->video, gst_event_new_segment (&segment)));
}

static void
test_twice_as_fast_is_half_the_running_time (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstStructure) result = NULL;

  push_segment_with_rates (rig, 2, 1);
  rig_push (rig, 0, 11);
  result = rig_await_result (rig);
  g_assert_cmpuint (rig_uint64 (result, "segment_stop"), ==, GST_SECOND);
  g_assert_cmpuint (rig_uint64 (result, "running_time"), ==, GST_SECOND / 2);
  rig_assert_frames (0, 2, 7, G_MAXUINT);
  rig_free (rig);
}

/* Somebody upstream plays faster: a second of buffers is two of the stream. */
static void
test_an_applied_rate_counts_in_stream_time (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstStructure) result = NULL;

  push_segment_with_rates (rig, 1, 2);
  rig_push (rig, 0, 6);
  result = rig_await_result (rig);
  g_assert_cmpuint (rig_uint64 (result, "segment_stop"), ==, GST_SECOND);
  g_assert_cmpuint (rig_uint64 (result, "running_time"), ==, GST_SECOND / 2);
  rig_assert_frames (0, 1, 3, G_MAXUINT); /* shown over 0.2..0.4 and 0.6..0.8 */
  rig_free (rig);
}

static void
test_what_plays_backwards_upstream_is_refused_too (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstMessage) warning = NULL;

  push_segment_with_rates (rig, 1, -1);
  rig_push (rig, 0, 15);
  warning = rig_await_message (rig, GST_MESSAGE_WARNING);
  rig_assert_error (warning, "backwards");
  rig_assert_no_result (rig);
  rig_free (rig);
}

static void
test_the_end_of_a_segment_seek_is_an_end (void)
{
  Rig *rig = rig_new (NULL);

  rig_push (rig, 0, 15);
  g_assert_true (gst_harness_push_event (rig->video, gst_event_new_segment_done (GST_FORMAT_TIME, 1500 * GST_MSECOND)));
  /* as at EOS, both are out by now */
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_result (rig, 2, 1000, 1500, "stop");
  rig_free (rig);
}

/* --- what is told ------------------------------------------------------------------------------------------------------------ */

static GstStructure *
await_named (Rig *rig, const gchar *name)
{
  for (;;) {
    g_autoptr (GstMessage) message = rig_await_message (rig, GST_MESSAGE_ELEMENT);

    if (gst_message_has_name (message, name))
      return gst_structure_copy (gst_message_get_structure (message));
  }
}

static void
test_partial_texts_are_told_when_wanted (void)
{
  Rig *rig = rig_new ("partial=true stream=door");
  g_autoptr (GstStructure) first = NULL, second = NULL;
  g_autoptr (GstMessage) third = NULL;
  gboolean final;

  fake_set_text ("a dog and a cat");
  rig_push (rig, 0, 11);
  first = await_named (rig, "minivl-partial");
  g_assert_cmpstr (gst_structure_get_string (first, "kind"), ==, "segment");
  second = await_named (rig, "minivl-partial");
  rig_assert_result (rig, 1, 0, 1000, "stop");
  g_assert_cmpuint (rig_uint64 (first, "id"), ==, 1);
  g_assert_cmpstr (gst_structure_get_string (first, "stream"), ==, "door");
  g_assert_cmpstr (gst_structure_get_string (first, "text"), ==, "a dog a");
  g_assert_cmpuint (rig_uint64 (first, "segment_start"), ==, 0);
  g_assert_true (gst_structure_get_boolean (first, "final", &final) && !final);
  g_assert_cmpstr (gst_structure_get_string (second, "text"), ==, "a dog and a cat");

  g_object_set (rig->element, "partial", FALSE, NULL);
  rig_push (rig, 11, 21);
  third = rig_await_message (rig, GST_MESSAGE_ELEMENT);
  g_assert_true (gst_message_has_name (third, "minivl"));
  rig_free (rig);
}

static void
assert_stats (const GstStructure *stats)
{
  static const gchar *const names[] = { "segments", "results", "dropped", "unchanged", "errors", "text_lost", "backlog",
    "preprocess", "encode", "prefill", "decode", "drafted", "accepted", "device_bytes" };
  static const guint64 expected[] = { 6, 6, 1, 0, 1, 0, 0, 2000, 4000, 3000, 4000, 16, 12, 12345 };
  double rate;

  g_assert_true (gst_structure_has_name (stats, "minivl-stats"));
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    g_assert_cmpuint (rig_uint64 (stats, names[i]), ==, expected[i]);
  g_assert_true (gst_structure_get_double (stats, "prefill_tokens_per_second", &rate));
  g_assert_cmpfloat_with_epsilon (rate, 95 / 3e-6, 1);
  g_assert_true (gst_structure_get_double (stats, "decode_tokens_per_second", &rate));
  g_assert_cmpfloat_with_epsilon (rate, 7 / 4e-6, 1);
}

static void
test_stats_are_a_property_and_a_message_at_eos (void)
{
  Rig *rig = rig_new_live (NULL);
  g_autoptr (GstStructure) property = NULL, message = NULL;

  fake_hold (FAKE_ASK);
  rig_push (rig, 0, 11);
  fake_await (FAKE_ASK, 1);
  rig_push (rig, 11, 41); /* 2 is dropped */
  fake_fail_next (FAKE_ASK, MINIVL_ERROR_BUDGET, "too much");
  fake_release_all (FAKE_ASK);
  fake_await (FAKE_ASK, 3);
  rig_push (rig, 41, 60);
  rig_eos (rig);
  g_object_get (rig->element, "stats", &property, NULL);
  assert_stats (property);
  message = await_named (rig, "minivl-stats");
  assert_stats (message);
  rig_free (rig);
}

static void
test_too_much_is_refused_before_the_first_picture (void)
{
  Rig *rig = rig_new ("num-segments=8 max-tiles=4 context-size=2048");
  g_autoptr (GstMessage) error = NULL;

  fake_set_frame_tokens (300);
  rig_push (rig, 0, 1);
  for (guint i = 1; i < 20 && gst_harness_push (rig->video, rig_frame (rig, i)) == GST_FLOW_OK; i++)
    ;
  error = rig_await_message (rig, GST_MESSAGE_ERROR);
  rig_assert_error (error, "Lower num-segments to 6 or max-tiles, or raise context-size");
  g_assert_cmpuint (fake_count (FAKE_ENCODE), ==, 0);
  rig_free (rig);
}

/* 6 pictures of 311 and 3 tokens, 34 of words, and 128 of the answer. */
static void
test_what_just_fits_is_not_refused (void)
{
  Rig *rig = rig_new ("num-segments=6 max-tiles=4 context-size=2048 prompt=?");

  fake_set_frame_tokens (311);
  rig_push (rig, 0, 11);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_free (rig);
}

static GMutex log_lock;
static GString *log_lines;

static void
keep_line (GstDebugCategory *category, GstDebugLevel level, const gchar *file, const gchar *function, gint line, GObject *object,
    GstDebugMessage *message, gpointer data)
{
  g_mutex_lock (&log_lock);
  if (g_str_equal (gst_debug_category_get_name (category), "minivl"))
    g_string_append_printf (log_lines, "%s\n", gst_debug_message_get (message));
  g_mutex_unlock (&log_lock);
}

/* One segment's way can be read by grep. */
static void
test_debug_lines_carry_stream_and_segment (void)
{
  static const gchar *const steps[] = { "opens at", "frame at", "closes at", "encodes", "asked about", "result: stop", "text at" };
  Rig *rig = rig_new ("stream=door");

  log_lines = g_string_new (NULL);
  gst_debug_remove_log_function (gst_debug_log_default);
  gst_debug_add_log_function (keep_line, NULL, NULL);
  gst_debug_set_threshold_for_name ("minivl", GST_LEVEL_DEBUG);
  rig_add_text (rig, NULL);
  rig_push (rig, 0, 21);
  json_object_unref (rig_pull_json (rig));
  json_object_unref (rig_pull_json (rig));
  rig_free (rig);
  gst_debug_remove_log_function (keep_line);
  gst_debug_set_threshold_for_name ("minivl", GST_LEVEL_NONE);
  for (guint i = 0; i < G_N_ELEMENTS (steps); i++) {
    g_autofree gchar *expected = g_strdup_printf ("door: 2: %s", steps[i]);

    if (strstr (log_lines->str, expected) == NULL)
      g_error ("no line \"%s\" in:\n%s", expected, log_lines->str);
  }
  g_string_free (log_lines, TRUE);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  fake_reset ();
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));

#define RULE(name) g_test_add_func ("/media/" #name, test_##name)
  RULE (pictures_are_upright_by_the_tag);
  RULE (a_crop_meta_is_seen_by_the_model);
  RULE (planes_in_several_memories);
  RULE (copies_are_made_in_used_memory);
  RULE (who_writes_downstream_is_not_seen);
  RULE (allocation_queries_pass);
  RULE (utc_is_what_the_source_wrote);
  RULE (utc_of_a_live_source_is_the_clocks);
  RULE (utc_of_a_file_is_not_known);
  RULE (twice_as_fast_is_half_the_running_time);
  RULE (an_applied_rate_counts_in_stream_time);
  RULE (what_plays_backwards_upstream_is_refused_too);
  RULE (the_end_of_a_segment_seek_is_an_end);
  RULE (partial_texts_are_told_when_wanted);
  RULE (stats_are_a_property_and_a_message_at_eos);
  RULE (too_much_is_refused_before_the_first_picture);
  RULE (what_just_fits_is_not_refused);
  RULE (debug_lines_carry_stream_and_segment);
#undef RULE
  return g_test_run ();
}

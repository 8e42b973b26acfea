/* The element's rules about text_src: when it has which events, what stands on it, and what waits for a branch behind it. */
#include "gst/element/gstminivl.h"
#include "rig.h"

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
    g_assert_cmpuint (end, <=, 3100 * GST_MSECOND); /* where frame 30 ends */
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
  /* the video's, not the segment's: frame 10, or its end if that is told already */
  g_assert_cmpuint (GST_BUFFER_PTS (buffer), >=, GST_SECOND);
  g_assert_cmpuint (GST_BUFFER_PTS (buffer), <=, 1100 * GST_MSECOND);
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

/* The half of a frame may be a nanosecond more than that of the one before. */
static void
test_a_text_at_the_end_is_no_shorter_than_files_can_tell (void)
{
  Rig *rig = rig_new ("segment-duration=200000000 num-segments=1 max-backlog=1000");
  GstSegment segment;

  rig_set_caps (rig, "RGB", 8, 4, 30, 1);
  rig_add_text (rig, "text/x-raw");
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.stop = GST_SECOND;
  g_assert_true (gst_harness_push_event (rig->video, gst_event_new_segment (&segment)));
  fake_hold (FAKE_ASK);
  rig_push (rig, 0, 27);
  fake_release (FAKE_ASK, 1);
  gst_buffer_unref (gst_harness_pull (rig->text)); /* up to the end */
  rig_push (rig, 27, 28);
  fake_release_all (FAKE_ASK);
  for (guint i = 0; i < 3; i++) {
    g_autoptr (GstBuffer) buffer = gst_harness_pull (rig->text);

    g_assert_cmpuint (GST_BUFFER_DURATION (buffer), >=, GST_MSECOND);
  }
  rig_free (rig);
}

static void
test_json_comes_first (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (JsonObject) json = NULL;

  rig_add_text (rig, "ANY");
  rig_push (rig, 0, 11);
  json = rig_pull_json (rig);
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
  text = rig_pull_text (rig);
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
  text = rig_pull_text (rig);
  g_assert_cmpstr (text, ==, "answer 2");
  rig_free (rig);
}

static GstPadProbeReturn
add_text_on_segment (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) != GST_EVENT_SEGMENT)
    return GST_PAD_PROBE_OK;
  rig_add_text (data, NULL);
  return GST_PAD_PROBE_REMOVE;
}

/* It passes the element, and is not kept on the sink pad before it is through. */
static void
test_a_pad_that_comes_while_a_segment_passes_has_it (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstPad) src = gst_element_get_static_pad (rig->element, "src");
  g_autoptr (GstEvent) event = NULL;
  const GstSegment *segment;

  gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, add_text_on_segment, rig, NULL);
  rig_push_segment (rig, 2 * GST_SECOND, 0, 0);
  rig_push (rig, 20, 21);
  event = rig_await_text_event (rig, GST_EVENT_SEGMENT);
  gst_event_parse_segment (event, &segment);
  g_assert_cmpuint (segment->start, ==, 2 * GST_SECOND);
  rig_free (rig);
}

/* That the next stream is of that video; the harness has one of its own, which may come first. */
static void
assert_text_stream (Rig *rig, const gchar *video_id)
{
  g_autofree gchar *id = g_strconcat (video_id, "/text", NULL);

  for (;;) {
    g_autoptr (GstEvent) start = rig_await_text_event (rig, GST_EVENT_STREAM_START);
    const gchar *text_id;

    gst_event_parse_stream_start (start, &text_id);
    if (!g_str_has_prefix (text_id, "stream "))
      continue;
    g_assert_cmpstr (text_id, ==, id);
    return;
  }
}

/* As what several files in turn are: the video's pads come to life again, and so does the text. */
static void
test_a_stream_behind_eos_has_its_text (void)
{
  Rig *rig = rig_new (NULL);

  rig_add_text (rig, NULL);
  for (guint i = 0; i < 3; i++) {
    g_autofree gchar *id = g_strdup_printf ("stream %u", i);
    g_autoptr (JsonObject) json = NULL;
    guint64 asked;

    if (i == 1) { /* what is said between two streams is in none, and ends nothing */
      g_signal_emit_by_name (rig->element, "ask", "Who?", 1.0, &asked);
      rig_await_text_lost (rig, 1);
    }
    g_assert_true (gst_harness_push_event (rig->video, gst_event_new_stream_start (id)));
    rig_set_caps (rig, "RGB", 8, 4, 10, 1);
    rig_push_segment (rig, 0, 0, i * GST_SECOND);
    rig_push (rig, 0, 10);
    rig_eos (rig);
    assert_text_stream (rig, id);
    gst_event_unref (rig_await_text_event (rig, GST_EVENT_SEGMENT));
    gst_event_unref (rig_await_text_event (rig, GST_EVENT_EOS));
    json = rig_pull_json (rig);
    g_assert_cmpint (json_object_get_int_member (json, "id"), ==, i == 0 ? 1 : i + 2);
  }
  rig_free (rig);
}

/* Also when the text is told of it so late that the video is streams ahead. */
static void
test_a_stream_of_text_has_the_name_of_its_own_video (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstPad) pad = NULL;
  gulong probe;

  rig_add_text (rig, NULL);
  pad = gst_element_get_static_pad (rig->element, "text_src");
  probe = gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM, rig_block, NULL, NULL);
  for (guint i = 0; i < 3; i++) {
    g_autofree gchar *id = g_strdup_printf ("stream %u", i);

    g_assert_true (gst_harness_push_event (rig->video, gst_event_new_stream_start (id)));
    rig_set_caps (rig, "RGB", 8, 4, 10, 1);
    rig_push (rig, 0, 10);
    rig_eos (rig);
  }
  gst_pad_remove_probe (pad, probe);
  for (guint i = 0; i < 3; i++) {
    g_autofree gchar *id = g_strdup_printf ("stream %u", i);

    assert_text_stream (rig, id);
  }
  rig_free (rig);
}

static void
test_equal_caps_are_not_sent_again (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstPad) pad = NULL;

  rig_add_text (rig, NULL);
  rig_push (rig, 0, 1);
  gst_event_unref (rig_await_text_event (rig, GST_EVENT_GAP));
  pad = gst_element_get_static_pad (rig->element, "text_src");
  g_assert_true (gst_pad_send_event (pad, gst_event_new_reconfigure ()));
  rig_push (rig, 1, 2);
  for (gboolean gap = FALSE; !gap;) {
    g_autoptr (GstEvent) event = gst_harness_pull_event (rig->text);

    g_assert_cmpint (GST_EVENT_TYPE (event), !=, GST_EVENT_CAPS);
    gap = GST_EVENT_TYPE (event) == GST_EVENT_GAP;
  }
  rig_free (rig);
}

static GstPadProbeReturn
count_gap (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  return GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) == GST_EVENT_GAP ? rig_count (pad, info, data) : GST_PAD_PROBE_OK;
}

/* What was offered while nobody was there is nothing that whoever comes has to take. */
static void
test_a_late_link_is_negotiated_before_a_gap (void)
{
  Rig *rig = rig_new ("segment-duration=100000000000");
  g_autoptr (GstPad) pad = gst_element_request_pad_simple (rig->element, "text_src");
  RigCounter gaps = { .passed = 0 };
  guint64 time;

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, count_gap, &gaps, NULL);
  rig_push (rig, 0, 1);
  rig_await_passed (&gaps, 1);
  assert_text_caps (rig, "application/x-json");
  rig_add_text (rig, "text/x-raw");
  rig_push (rig, 1, 2);
  do { /* the first one may still be on its way */
    g_autoptr (GstEvent) gap = rig_await_text_event (rig, GST_EVENT_GAP);

    gst_event_parse_gap (gap, &time, NULL);
  } while (time < 100 * GST_MSECOND);
  assert_text_caps (rig, "text/x-raw");
  rig_free (rig);
  g_mutex_clear (&gaps.lock);
}

static void
test_blocked_text_branch_passes_video_and_eos (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstPad) pad = NULL;
  gulong probe;

  rig_add_text (rig, NULL);
  pad = gst_element_get_static_pad (rig->element, "text_src");
  probe = gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM, rig_block, NULL, NULL);
  rig_push (rig, 0, 50);
  rig_eos (rig);
  g_assert_cmpuint (gst_harness_buffers_received (rig->video), ==, 50);
  for (guint i = 0; i < 5; i++)
    rig_assert_result (rig, i + 1, 1000 * i, 1000 * (i + 1), "stop");

  /* and what was said is still there when somebody takes it, with EOS behind */
  gst_pad_remove_probe (pad, probe);
  for (guint i = 0; i < 5; i++) {
    g_autoptr (JsonObject) json = rig_pull_json (rig);

    g_assert_cmpint (json_object_get_int_member (json, "id"), ==, i + 1);
  }
  gst_event_unref (rig_await_text_event (rig, GST_EVENT_EOS));
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
  rig_await_text_lost (rig, 2);
  gst_element_release_request_pad (rig->element, pad);
  rig_await_text_lost (rig, 2);
  gst_element_set_state (rig->element, GST_STATE_NULL);
  gst_harness_play (rig->video);
  rig_await_text_lost (rig, 0); /* since the start */
  rig_free (rig);
}

static void
test_what_waits_for_a_blocked_branch_is_bounded (void)
{
  Rig *rig = rig_new ("segment-duration=100000000 num-segments=1");
  g_autoptr (JsonObject) json = NULL;
  g_autoptr (GstPad) pad = NULL;
  gulong probe;

  rig_add_text (rig, NULL);
  pad = gst_element_get_static_pad (rig->element, "text_src");
  probe = gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM, rig_block, NULL, NULL);
  rig_push (rig, 0, 1030);
  rig_eos (rig);
  rig_await_text_lost (rig, 6); /* the oldest */
  gst_pad_remove_probe (pad, probe);
  json = rig_pull_json (rig);
  g_assert_cmpint (json_object_get_int_member (json, "id"), ==, 7);
  rig_free (rig);
}

static void
test_texts_that_are_thrown_away_are_counted (void)
{
  for (guint i = 0; i < 2; i++) {
    Rig *rig = rig_new (NULL);
    g_autoptr (GstPad) pad = NULL;

    rig_add_text (rig, NULL);
    pad = gst_element_get_static_pad (rig->element, "text_src");
    gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM, rig_block, NULL, NULL);
    rig_push (rig, 0, 30);
    rig_eos (rig);
    rig_await_text_lost (rig, 0);
    if (i == 0) {
      gst_harness_push_event (rig->video, gst_event_new_flush_start ());
      gst_harness_push_event (rig->video, gst_event_new_flush_stop (TRUE));
    } else {
      gst_element_set_state (rig->element, GST_STATE_NULL);
    }
    rig_await_text_lost (rig, 3);
    rig_free (rig);
  }
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

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  fake_reset ();
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));

#define RULE(name) g_test_add_func ("/stream/" #name, test_##name)
  RULE (text_starts_with_the_first_buffer);
  RULE (gaps_follow_the_video);
  RULE (text_has_time_and_duration_of_now);
  RULE (text_duration_is_set);
  RULE (a_text_at_the_end_is_no_shorter_than_files_can_tell);
  RULE (json_comes_first);
  RULE (plain_text_where_it_is_asked_for);
  RULE (plain_text_says_nothing_of_errors);
  RULE (a_pad_that_comes_while_a_segment_passes_has_it);
  RULE (a_stream_behind_eos_has_its_text);
  RULE (a_stream_of_text_has_the_name_of_its_own_video);
  RULE (equal_caps_are_not_sent_again);
  RULE (a_late_link_is_negotiated_before_a_gap);
  RULE (blocked_text_branch_passes_video_and_eos);
  RULE (unlinked_text_pad_harms_nothing);
  RULE (what_waits_for_a_blocked_branch_is_bounded);
  RULE (texts_that_are_thrown_away_are_counted);
  RULE (text_pad_comes_and_goes);
#undef RULE
  return g_test_run ();
}

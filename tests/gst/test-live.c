/* The element's rules about time: live or not, what is dropped, deadlines, a model that is too slow, and a device that is lost. */
#include "gst/element/gstminivl.h"
#include "gst/element/too-slow.h"
#include "rig.h"

#include <string.h>

/* --- what is dropped --------------------------------------------------------------------------------------------------------- */

static guint
count_qos (Rig *rig)
{
  GstMessage *message;
  guint n = 0;

  while ((message = gst_bus_pop_filtered (rig->bus, GST_MESSAGE_QOS)) != NULL) {
    n++;
    gst_message_unref (message);
  }
  return n;
}

/* 1 is in hand; the others come while it is. */
static void
push_four_segments (Rig *rig)
{
  fake_hold (FAKE_ASK);
  rig_push (rig, 0, 11);
  fake_await (FAKE_ASK, 1);
  rig_push (rig, 11, 41);
}

static void
test_live_is_asked_again_on_latency (void)
{
  Rig *rig = rig_new (NULL);

  rig_push (rig, 0, 1);
  gst_harness_set_live (rig->video, TRUE);
  gst_harness_push_upstream_event (rig->video, gst_event_new_latency (0));
  fake_hold (FAKE_ASK);
  rig_push (rig, 1, 11);
  fake_await (FAKE_ASK, 1);
  rig_push (rig, 11, 41); /* does not wait */
  g_assert_cmpuint (count_qos (rig), ==, 1);
  fake_release_all (FAKE_ASK);
  rig_free (rig);
}

static void
test_live_goes_before_what_is_not (void)
{
  Rig *rig = rig_new (NULL);

  rig_push (rig, 0, 11);
  fake_await (FAKE_ASK, 1);
  gst_harness_set_live (rig->video, TRUE);
  gst_harness_push_upstream_event (rig->video, gst_event_new_latency (0));
  rig_push (rig, 11, 21);
  fake_await (FAKE_ASK, 2);
  g_assert_cmpint (fake_question (0)->priority, ==, 0);
  g_assert_cmpint (fake_question (1)->priority, ==, 1);
  rig_free (rig);
}

static void
test_leaky_upstream_drops_the_new_segment (void)
{
  Rig *rig = rig_new_live ("leaky=upstream");

  push_four_segments (rig);
  g_assert_cmpuint (count_qos (rig), ==, 1);
  fake_release_all (FAKE_ASK);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_result (rig, 2, 1000, 2000, "stop");
  rig_assert_result (rig, 3, 2000, 3000, "stop");
  rig_assert_result (rig, 4, 3000, 4000, "dropped");
  rig_free (rig);
}

static void
test_leaky_downstream_drops_even_if_not_live (void)
{
  Rig *rig = rig_new ("leaky=downstream");
  g_autoptr (GstMessage) qos = NULL;
  gboolean live;

  push_four_segments (rig);
  qos = rig_await_message (rig, GST_MESSAGE_QOS);
  gst_message_parse_qos (qos, &live, NULL, NULL, NULL, NULL);
  g_assert_false (live);
  fake_release_all (FAKE_ASK);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_result (rig, 2, 1000, 2000, "dropped");
  rig_assert_result (rig, 3, 2000, 3000, "stop");
  rig_free (rig);
}

static void
test_leaky_no_waits_even_if_live (void)
{
  Rig *rig = rig_new_live ("leaky=no");

  fake_hold (FAKE_ASK);
  rig_push_in_thread (rig, 0, 80);
  for (guint i = 1; i <= 8; i++) {
    fake_await (FAKE_ASK, i);
    g_assert_cmpuint (gst_harness_buffers_received (rig->video), <=, 10 * (i + 3));
    fake_release (FAKE_ASK, 1);
  }
  g_assert_cmpint (rig_join (rig), ==, GST_FLOW_OK);
  for (guint i = 0; i < 8; i++)
    rig_assert_result (rig, i + 1, 1000 * i, 1000 * (i + 1), "stop");
  rig_free (rig);
}

static void
test_max_backlog_is_how_many_wait (void)
{
  Rig *rig = rig_new_live ("max-backlog=1");

  push_four_segments (rig);
  fake_release_all (FAKE_ASK);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_result (rig, 2, 1000, 2000, "dropped");
  rig_assert_result (rig, 3, 2000, 3000, "dropped");
  rig_assert_result (rig, 4, 3000, 4000, "stop");
  rig_free (rig);
}

/* --- deadlines --------------------------------------------------------------------------------------------------------------- */

static void
test_deadline_gives_the_text_so_far (void)
{
  Rig *rig = rig_new ("deadline=3600000000000");
  g_autoptr (GstStructure) result = NULL;
  guint64 begun = g_get_monotonic_time () * 1000, ended;

  fake_hold (FAKE_ASK); /* until the deadline */
  rig_push (rig, 0, 11);
  ended = g_get_monotonic_time () * 1000;
  result = rig_await_result (rig);
  g_assert_cmpuint (fake_question (0)->params.deadline, >=, begun + 3600 * GST_SECOND); /* from when the segment was complete */
  g_assert_cmpuint (fake_question (0)->params.deadline, <=, ended + 3600 * GST_SECOND);
  g_assert_cmpstr (gst_structure_get_string (result, "finish_reason"), ==, "deadline");
  g_assert_cmpstr (gst_structure_get_string (result, "text"), ==, "answer 1");
  rig_free (rig);
}

static void
test_deadline_that_passed_before_the_question (void)
{
  Rig *rig = rig_new ("deadline=50000000");
  g_autoptr (GstStructure) result = NULL;

  fake_hold (FAKE_ENCODE);
  rig_push (rig, 0, 8);
  fake_await (FAKE_ENCODE, 1);
  rig_push (rig, 8, 11);
  g_usleep (60 * G_TIME_SPAN_MILLISECOND); /* the deadline itself */
  fake_release (FAKE_ENCODE, 1);
  result = rig_await_result (rig);
  g_assert_cmpstr (gst_structure_get_string (result, "finish_reason"), ==, "deadline");
  g_assert_cmpstr (gst_structure_get_string (result, "text"), ==, "");
  g_assert_cmpuint (fake_count (FAKE_ASK), ==, 0);
  g_assert_cmpuint (fake_count (FAKE_ENCODE), ==, 1); /* the second frame was not even looked at */
  rig_free (rig);
}

static void
test_eos_timeout_gives_up_with_a_message (void)
{
  Rig *rig = rig_new ("eos-timeout=50000000");
  g_autoptr (GstMessage) warning = NULL;

  fake_hold (FAKE_ASK);
  rig_push (rig, 0, 25);
  fake_await (FAKE_ASK, 1);
  rig_eos (rig);
  rig_assert_result (rig, 1, 0, 1000, "deadline");
  rig_assert_result (rig, 2, 1000, 2000, "dropped");
  rig_assert_result (rig, 3, 2000, 2500, "dropped");
  rig_free (rig);

  rig = rig_new ("eos-timeout=50000000");
  fake_hold (FAKE_ASK);
  rig_push (rig, 0, 15);
  rig_eos (rig);
  warning = rig_await_message (rig, GST_MESSAGE_WARNING);
  rig_assert_error (warning, "eos-timeout");
  rig_free (rig);
}

/* The last segment has no room before the end: closing it must not wait for an answer, or the time would count from that. */
static void
test_eos_timeout_counts_from_eos (void)
{
  Rig *rig = rig_new ("eos-timeout=50000000 max-backlog=1");

  fake_hold (FAKE_ASK);
  rig_push (rig, 0, 11);
  fake_await (FAKE_ASK, 1);
  rig_push (rig, 11, 25);
  rig_eos (rig);
  rig_assert_result (rig, 1, 0, 1000, "deadline");
  rig_assert_result (rig, 2, 1000, 2000, "dropped");
  rig_assert_result (rig, 3, 2000, 2500, "dropped");
  rig_free (rig);
}

static void
test_eos_timeout_is_not_told_when_it_is_kept (void)
{
  Rig *rig = rig_new ("eos-timeout=20000000000");
  g_autoptr (GstMessage) warning = NULL;

  rig_push (rig, 0, 15);
  rig_eos (rig);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_result (rig, 2, 1000, 1500, "stop");
  warning = gst_bus_pop_filtered (rig->bus, GST_MESSAGE_WARNING);
  g_assert_null (warning);
  rig_free (rig);
}

/* --- too slow ---------------------------------------------------------------------------------------------------------------- */

static void
push_answered (Rig *rig, guint segments)
{
  for (guint i = 0; i < segments; i++) {
    rig_push (rig, i == 0 ? 0 : 10 * i + 1, 10 * (i + 1) + 1);
    fake_await (FAKE_ASK, i + 1);
  }
}

static guint
count_warnings (Rig *rig, const gchar *part)
{
  GstMessage *message;
  guint n = 0;

  while ((message = gst_bus_pop_filtered (rig->bus, GST_MESSAGE_WARNING)) != NULL) {
    rig_assert_error (message, part);
    n++;
    gst_message_unref (message);
  }
  return n;
}

static void
test_too_slow_is_said_once_with_what_to_lower (void)
{
  Rig *rig = rig_new_live (NULL);
  g_autoptr (GstMessage) warning = NULL;

  fake_set_timings (GST_MSECOND, 2 * GST_MSECOND, 300 * GST_MSECOND, 1200 * GST_MSECOND);
  push_answered (rig, 6);
  rig_eos (rig);
  warning = rig_await_message (rig, GST_MESSAGE_WARNING);
  rig_assert_error (warning, "a segment every 1.0 s takes 1.5 s");
  rig_assert_error (warning, "2 frames of together 2 tiles");
  rig_assert_error (warning, "100 tokens of prompt: 0.3 s; 7 tokens of answer: 1.2 s");
  rig_assert_error (warning, "precision f32");
  rig_assert_error (warning, "34% of the segments will be dropped");
  rig_assert_error (warning, "Lower max-tokens, precision, num-segments or max-tiles");
  g_assert_cmpuint (count_warnings (rig, ""), ==, 0);
  rig_free (rig);
}

static void
test_alerts_count_for_the_pace (void)
{
  Rig *rig = rig_new_live ("alerts=\"Fire?;Smoke?;Water?\"");
  g_autoptr (GstMessage) warning = NULL;

  fake_set_timings (GST_MSECOND, 2 * GST_MSECOND, 100 * GST_MSECOND, 200 * GST_MSECOND);
  push_answered (rig, 4);
  rig_eos (rig);
  warning = rig_await_message (rig, GST_MESSAGE_WARNING);
  rig_assert_error (warning, "a segment every 1.0 s takes 1.2 s");
  rig_assert_error (warning, "alerts: 0.9 s");
  rig_assert_error (warning, "Lower the number of alerts");
  rig_free (rig);
}

static void
test_too_slow_is_said_where_live_video_waits (void)
{
  Rig *rig = rig_new_live ("leaky=no");
  g_autoptr (GstMessage) warning = NULL;

  fake_set_timings (GST_MSECOND, 2 * GST_MSECOND, 300 * GST_MSECOND, 1200 * GST_MSECOND);
  push_answered (rig, 3);
  rig_eos (rig);
  warning = rig_await_message (rig, GST_MESSAGE_WARNING);
  rig_assert_error (warning, "the video will have to wait");
  g_assert_cmpuint (count_warnings (rig, ""), ==, 0);
  rig_free (rig);
}

static void
test_a_file_is_never_too_slow (void)
{
  Rig *rig = rig_new (NULL);

  fake_set_timings (GST_MSECOND, 2 * GST_MSECOND, 300 * GST_MSECOND, 1200 * GST_MSECOND);
  push_answered (rig, 4);
  rig_eos (rig);
  g_assert_cmpuint (count_warnings (rig, ""), ==, 0);
  rig_free (rig);
}

static gboolean
says (TooSlow *pace, guint64 encode_ms, guint64 decode_ms, const gchar *part)
{
  g_autoptr (Result) result = result_new ();
  g_autofree gchar *text = NULL;

  result->answered = TRUE;
  result->encode = encode_ms * GST_MSECOND;
  result->decode = decode_ms * GST_MSECOND;
  text = too_slow_note (pace, result, &(Pace){ GST_SECOND, 0, 8, TRUE });
  g_assert_true (text == NULL || strstr (text, part) != NULL);
  return text != NULL;
}

static void
test_too_slow_is_said_again_only_when_it_changes (void)
{
  TooSlow pace = { FALSE };

  g_assert_false (says (&pace, 1500, 0, "")); /* one may be chance */
  g_assert_true (says (&pace, 1500, 0, "num-segments"));
  g_assert_false (says (&pace, 1600, 0, ""));
  g_assert_false (says (&pace, 2900, 0, ""));
  g_assert_true (says (&pace, 100, 3000, "max-tokens")); /* twice as slow as was said */
  g_assert_false (says (&pace, 950, 0, ""));             /* hardly keeps up: nothing new */
  g_assert_false (says (&pace, 1500, 0, ""));
  g_assert_false (says (&pace, 1500, 0, ""));
  g_assert_false (says (&pace, 500, 0, "")); /* keeps up again */
  g_assert_false (says (&pace, 1500, 0, ""));
  g_assert_true (says (&pace, 1500, 0, ""));
}

/* --- a device that is lost --------------------------------------------------------------------------------------------------- */

static void
test_a_lost_device_is_opened_again (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstMessage) info = NULL;

  fake_fail_next (FAKE_ASK, MINIVL_ERROR_DEVICE, "the device was lost");
  rig_push (rig, 0, 11);
  rig_assert_result (rig, 1, 0, 1000, "error");
  info = rig_await_message (rig, GST_MESSAGE_INFO);
  g_assert_cmpuint (fake_count (FAKE_OPEN), ==, 2);
  rig_push (rig, 11, 21);
  rig_assert_result (rig, 2, 1000, 2000, "stop");
  g_assert_cmpuint (gst_harness_buffers_received (rig->video), ==, 21);
  g_assert_cmpuint (fake_open_backends (), ==, 1);
  rig_free (rig);
}

/* An app that has seen COMPLETE expects none, and would see no end of it. */
static void
test_opening_again_is_no_progress (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstMessage) info = NULL;
  GstProgressType type = GST_PROGRESS_TYPE_START;

  while (type != GST_PROGRESS_TYPE_COMPLETE) {
    g_autoptr (GstMessage) message = rig_await_message (rig, GST_MESSAGE_PROGRESS);

    gst_message_parse_progress (message, &type, NULL, NULL);
  }
  fake_hold (FAKE_OPEN); /* which is when it calls the progress */
  fake_fail_next (FAKE_ASK, MINIVL_ERROR_DEVICE, "the device was lost");
  rig_push (rig, 0, 11);
  fake_await (FAKE_OPEN, 2);
  fake_release_all (FAKE_OPEN);
  info = rig_await_message (rig, GST_MESSAGE_INFO | GST_MESSAGE_PROGRESS);
  g_assert_cmpint (GST_MESSAGE_TYPE (info), ==, GST_MESSAGE_INFO);
  rig_free (rig);
}

static void
test_stopping_cancels_opening_again (void)
{
  Rig *rig = rig_new (NULL);

  fake_fail_next (FAKE_ASK, MINIVL_ERROR_DEVICE, "the device was lost");
  fake_hold (FAKE_ASK);
  rig_push (rig, 0, 11);
  fake_await (FAKE_ASK, 1);
  fake_hold (FAKE_OPEN);
  fake_release_all (FAKE_ASK);
  fake_await (FAKE_OPEN, 2);
  gst_element_set_state (rig->element, GST_STATE_NULL);
  g_assert_cmpuint (fake_count_cancelled (FAKE_OPEN), ==, 1);
  rig_free (rig);
}

static void
test_other_trouble_does_not_open_again (void)
{
  Rig *rig = rig_new (NULL);

  fake_fail_next (FAKE_ASK, MINIVL_ERROR_BUDGET, "too much");
  rig_push (rig, 0, 21);
  rig_assert_result (rig, 1, 0, 1000, "error");
  rig_assert_result (rig, 2, 1000, 2000, "stop");
  g_assert_cmpuint (fake_count (FAKE_OPEN), ==, 1);
  rig_free (rig);
}

static void
test_a_device_that_stays_lost_costs_answers_not_video (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstMessage) error = NULL;

  rig_push (rig, 0, 1);
  fake_await (FAKE_OPEN, 1);
  fake_fail_times (FAKE_OPEN, MINIVL_ERROR_DEVICE, "no such device", G_MAXUINT);
  fake_fail_next (FAKE_ENCODE, MINIVL_ERROR_DEVICE, "the device was lost");
  rig_push (rig, 1, 4);
  fake_await (FAKE_ENCODE, 1);
  rig_push_in_thread (rig, 4, 100); /* more than may wait */
  for (guint i = 0; i < 10; i++) {
    g_autoptr (GstStructure) s = rig_await_result (rig);

    g_assert_cmpuint (rig_uint64 (s, "id"), ==, i + 1);
    if (i < 3)
      g_assert_cmpstr (gst_structure_get_string (s, "finish_reason"), ==, "error");
    if (i == 2)
      fake_fail_times (FAKE_OPEN, MINIVL_ERROR_DEVICE, "no such device", 0);
  }
  g_assert_cmpint (rig_join (rig), ==, GST_FLOW_OK);
  error = gst_bus_pop_filtered (rig->bus, GST_MESSAGE_ERROR);
  g_assert_null (error);
  g_assert_cmpuint (gst_harness_buffers_received (rig->video), ==, 100);
  rig_free (rig);
}

/* [0, 2), [1, 3): frame 15 was encoded for both, on the device that is gone. */
static void
test_pictures_of_a_lost_device_are_not_asked_about (void)
{
  Rig *rig = rig_new ("segment-duration=2000000000 segment-overlap=1000000000");

  fake_fail_next (FAKE_ASK, MINIVL_ERROR_DEVICE, "the device was lost");
  rig_push (rig, 0, 21);
  rig_assert_result (rig, 1, 0, 2000, "error");
  rig_push (rig, 21, 31);
  rig_assert_result (rig, 2, 1000, 3000, "stop");
  rig_assert_frames (1, 25, G_MAXUINT);
  rig_free (rig);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  fake_reset ();
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));

#define RULE(name) g_test_add_func ("/live/" #name, test_##name)
  RULE (live_is_asked_again_on_latency);
  RULE (live_goes_before_what_is_not);
  RULE (leaky_upstream_drops_the_new_segment);
  RULE (leaky_downstream_drops_even_if_not_live);
  RULE (leaky_no_waits_even_if_live);
  RULE (max_backlog_is_how_many_wait);
  RULE (deadline_gives_the_text_so_far);
  RULE (deadline_that_passed_before_the_question);
  RULE (eos_timeout_gives_up_with_a_message);
  RULE (eos_timeout_counts_from_eos);
  RULE (eos_timeout_is_not_told_when_it_is_kept);
  RULE (too_slow_is_said_once_with_what_to_lower);
  RULE (alerts_count_for_the_pace);
  RULE (too_slow_is_said_where_live_video_waits);
  RULE (a_file_is_never_too_slow);
  RULE (too_slow_is_said_again_only_when_it_changes);
  RULE (a_lost_device_is_opened_again);
  RULE (opening_again_is_no_progress);
  RULE (stopping_cancels_opening_again);
  RULE (other_trouble_does_not_open_again);
  RULE (a_device_that_stays_lost_costs_answers_not_video);
  RULE (pictures_of_a_lost_device_are_not_asked_about);
#undef RULE
  return g_test_run ();
}

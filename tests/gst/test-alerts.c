/* The rules of alerts: what is asked, when one rises and falls, and what it leaves behind. */
#include "gst/element/gstminivl.h"
#include "gst/worker/alert-list.h"
#include "gst/worker/alerts.h"
#include "rig.h"

#include <gst/video/video.h>
#include <string.h>

/* --- helpers ----------------------------------------------------------------------------------------------------------------- */

static void
assert_alert (const GstStructure *s, const gchar *question, gboolean active, double score, guint n)
{
  g_autofree gchar *text = g_strdup_printf (active ? "ALERT: %s" : "ALERT OVER: %s", question);
  gboolean is_active;
  double found = -1;

  g_assert_cmpstr (gst_structure_get_string (s, "kind"), ==, "alert");
  g_assert_cmpstr (gst_structure_get_string (s, "question"), ==, question);
  g_assert_cmpstr (gst_structure_get_string (s, "text"), ==, text);
  g_assert_true (gst_structure_get_boolean (s, "active", &is_active));
  g_assert_cmpint (is_active, ==, active);
  gst_structure_get_double (s, "score", &found);
  g_assert_cmpfloat (found, ==, score);
  g_assert_cmpuint (rig_uint64 (s, "segment_start"), ==, n * GST_SECOND);
  g_assert_cmpuint (rig_uint64 (s, "segment_stop"), ==, (n + 1) * GST_SECOND);
}

/* The next result is an alert about segment n. score: -1: none. */
static void
await_alert (Rig *rig, const gchar *question, gboolean active, double score, guint n)
{
  g_autoptr (GstStructure) s = rig_await_result (rig);

  assert_alert (s, question, active, score, n);
}

static void
assert_question (guint n, const gchar *text)
{
  g_assert_cmpstr (fake_question (n)->text, ==, text);
}

static void
assert_list (const gchar *property, const gchar *joined)
{
  g_auto (GStrv) list = alert_list (property);
  g_autofree gchar *found = g_strjoinv ("|", list);

  g_assert_cmpstr (found, ==, joined);
}

/* --- what is asked ----------------------------------------------------------------------------------------------------------- */

static void
test_questions_are_separated_by_semicolons_and_lines (void)
{
  assert_list (NULL, "");
  assert_list (" ;\n; ", "");
  assert_list ("A dog?", "A dog?");
  assert_list (" A dog? ;\n\n A cat?\r\nFire?;", "A dog?|A cat?|Fire?");
  assert_list ("A dog?;A cat?;A dog?", "A dog?|A cat?");
}

static void
test_they_are_asked_behind_the_description_with_all_that_is_in_front_of_it (void)
{
  Rig *rig = rig_new ("alerts=\"A dog?;A cat?\" system-prompt=Look. history-size=2 temperature=0.9 seed=7 max-tokens=50");
  const FakeQuestion *asked, *described;

  rig_push_second (rig, 0);
  rig_await_second (rig, 0, "stop");
  g_object_set (rig->element, "prompt", "First <image>, then <image>. What changed?", NULL);
  rig_push_second (rig, 1); /* was opened with the old prompt */
  rig_await_second (rig, 1, "stop");
  rig_push_second (rig, 2);
  rig_await_second (rig, 2, "stop");

  assert_question (1, "Frame1: <image>\nFrame2: <image>\nA dog?");
  assert_question (2, "Frame1: <image>\nFrame2: <image>\nA cat?");
  assert_question (7, "First <image>, then <image>\nA dog?");
  described = fake_question (3);
  for (guint i = 4; i < 6; i++) {
    asked = fake_question (i);
    g_assert_cmpstr (asked->system, ==, "Look.");
    g_assert_cmpuint (asked->n_history, ==, 1);
    g_assert_cmpstr (asked->history[0].answer, ==, described->history[0].answer);
    g_assert_cmpuint (asked->n_pictures, ==, 2);
    g_assert_cmpmem (asked->frames, sizeof (guint) * 2, described->frames, sizeof (guint) * 2);
    g_assert_cmpuint (asked->params.max_tokens, ==, 1);
    g_assert_cmpfloat (asked->params.temperature, ==, 0);
    g_assert_true (asked->params.want_yes);
  }
  g_assert_cmpuint (fake_count (FAKE_ENCODE), ==, 6);
  g_assert_cmpuint (fake_count (FAKE_YES), ==, 6);
  rig_free (rig);
}

static void
test_no_question_nothing_asked (void)
{
  Rig *rig = rig_new ("alerts=\" ; \"");

  rig_push_second (rig, 0);
  rig_await_second (rig, 0, "stop");
  g_assert_cmpuint (fake_count (FAKE_YES), ==, 0);
  rig_free (rig);
}

/* --- rising and falling ------------------------------------------------------------------------------------------------------ */

static void
test_it_rises_above_the_threshold_and_falls_below_it_less_the_hysteresis (void)
{
  Rig *rig = rig_new ("alerts=\"A dog?\"");

  fake_add_scores ("0.5 0.51 0.9 0.4 0.39 0.45 0.5");
  rig_push_second (rig, 0);
  rig_await_second (rig, 0, "stop"); /* not above */
  rig_push_second (rig, 1);
  await_alert (rig, "A dog?", TRUE, 0.51, 1);
  rig_await_second (rig, 1, "stop");
  rig_push_second (rig, 2);
  rig_await_second (rig, 2, "stop");
  rig_push_second (rig, 3);
  rig_await_second (rig, 3, "stop"); /* not below */
  rig_push_second (rig, 4);
  await_alert (rig, "A dog?", FALSE, 0.39, 4);
  rig_await_second (rig, 4, "stop");
  for (guint i = 5; i < 7; i++) {
    rig_push_second (rig, i);
    rig_await_second (rig, i, "stop");
  }
  rig_free (rig);
}

static void
test_an_alert_is_told_in_all_forms_with_an_id_of_its_own (void)
{
  Rig *rig = rig_new ("alerts=\"A dog?\" stream=door text-timestamp=segment");
  g_autoptr (GstStructure) result = NULL, meta = NULL;
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (JsonObject) json = NULL, segment = NULL;
  const GstStructure *alert;

  rig_add_text (rig, NULL);
  fake_add_scores ("0.9");
  rig_push_second (rig, 0);
  result = rig_await_result (rig);
  assert_alert (result, "A dog?", TRUE, 0.9, 0);
  g_assert_cmpuint (rig_uint64 (result, "id"), ==, 3); /* the second segment has begun */
  g_assert_cmpstr (gst_structure_get_string (result, "stream"), ==, "door");
  g_assert_cmpstr (gst_structure_get_string (result, "prompt"), ==, "A dog?");
  g_assert_cmpstr (gst_structure_get_string (result, "finish_reason"), ==, "length");
  g_assert_cmpuint (rig_uint64 (result, "running_time"), ==, GST_SECOND);
  g_assert_cmpuint (rig_uint64 (result, "output_tokens"), ==, 1);
  g_assert_cmpuint (rig_uint64 (result, "cached_tokens"), ==, 90);
  g_assert_cmpuint (gst_value_array_get_size (gst_structure_get_value (result, "frames")), ==, 2);
  g_assert_cmpuint (gst_value_array_get_size (gst_structure_get_value (result, "tiles")), ==, 2);

  message = rig_await_message (rig, GST_MESSAGE_ELEMENT);
  alert = gst_message_get_structure (message);
  g_assert_true (gst_structure_has_name (alert, "minivl-alert"));
  g_assert_cmpint (gst_structure_n_fields (alert), ==, gst_structure_n_fields (result));
  assert_alert (alert, "A dog?", TRUE, 0.9, 0);
  g_assert_cmpuint (rig_uint64 (alert, "id"), ==, 3);
  rig_await_second (rig, 0, "stop");

  json = rig_pull_json (rig);
  segment = rig_pull_json (rig);
  g_assert_cmpstr (json_object_get_string_member (json, "text"), ==, "ALERT: A dog?");
  g_assert_cmpint (json_object_get_int_member (json, "id"), ==, 3);
  g_assert_cmpfloat (json_object_get_double_member (json, "score"), ==, 0.9);
  g_assert_true (json_object_get_boolean_member (json, "active"));
  g_assert_cmpint (json_object_get_int_member (segment, "id"), ==, 1);

  rig_push (rig, 11, 13);
  for (guint i = 0; i < 13; i++) {
    g_autoptr (GstBuffer) buffer = gst_harness_pull (rig->video);
    GstCustomMeta *found = gst_buffer_get_custom_meta (buffer, "GstMinivlMeta");

    if (found != NULL && meta == NULL)
      meta = gst_structure_copy (gst_custom_meta_get_structure (found));
  }
  g_assert_nonnull (meta);
  assert_alert (meta, "A dog?", TRUE, 0.9, 0);
  g_assert_cmpint (gst_structure_n_fields (meta), ==, gst_structure_n_fields (result));
  rig_free (rig);
}

static void
test_plain_text_says_what_rose_and_what_is_over (void)
{
  Rig *rig = rig_new ("alerts=\"A dog?\"");
  static const gchar *const texts[] = { "ALERT: A dog?", "answer 1", "ALERT OVER: A dog?", "answer 2" };

  rig_add_text (rig, "text/x-raw,format=utf8");
  fake_add_scores ("0.9 0.1");
  for (guint i = 0; i < 2; i++) {
    rig_push_second (rig, i);
    for (guint k = 0; k < 2; k++) {
      g_autofree gchar *text = rig_pull_text (rig);

      g_assert_cmpstr (text, ==, texts[2 * i + k]);
    }
  }
  rig_free (rig);
}

/* Where a text stands at its segment, an alert does. */
static void
test_an_alert_stands_at_its_segment (void)
{
  Rig *rig = rig_new ("alerts=\"A dog?\" text-timestamp=segment");

  rig_add_text (rig, NULL);
  fake_add_scores ("0 0.9");
  fake_hold (FAKE_ASK);
  rig_push (rig, 0, 25);
  fake_release_all (FAKE_ASK);
  for (guint i = 0; i < 3; i++) {
    g_autoptr (GstBuffer) buffer = gst_harness_pull (rig->text);

    g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, (i > 0 ? 1 : 0) * GST_SECOND);
    g_assert_cmpuint (GST_BUFFER_DURATION (buffer), ==, GST_SECOND);
  }
  rig_free (rig);
}

static void
test_thresholds_change_while_playing (void)
{
  Rig *rig = rig_new ("alerts=\"A dog?\" alert-threshold=0.9 alert-hysteresis=0");

  fake_add_scores ("0.7 0.7 0.7 0.5 0.49");
  rig_push_second (rig, 0);
  rig_await_second (rig, 0, "stop");
  g_object_set (rig->element, "alert-threshold", 0.6, NULL);
  rig_push_second (rig, 1); /* was opened with the old one */
  rig_await_second (rig, 1, "stop");
  g_object_set (rig->element, "alert-threshold", 0.75, "alert-hysteresis", 0.25, NULL);
  rig_push_second (rig, 2);
  await_alert (rig, "A dog?", TRUE, 0.7, 2);
  rig_await_second (rig, 2, "stop");
  rig_push_second (rig, 3);
  rig_await_second (rig, 3, "stop");
  rig_push_second (rig, 4);
  await_alert (rig, "A dog?", FALSE, 0.49, 4);
  rig_free (rig);
}

/* --- other questions --------------------------------------------------------------------------------------------------------- */

static void
test_a_question_that_stays_keeps_its_state_and_one_that_goes_falls (void)
{
  Rig *rig = rig_new ("alerts=\"A dog?;A cat?\"");

  fake_add_scores ("0.9 0.9 0.9 0.9 0.8 0.9 0.8 0.1");
  rig_push_second (rig, 0);
  await_alert (rig, "A dog?", TRUE, 0.9, 0);
  await_alert (rig, "A cat?", TRUE, 0.9, 0);
  rig_await_second (rig, 0, "stop");
  g_object_set (rig->element, "alerts", "Fire?\nA cat?", NULL);
  rig_push_second (rig, 1);
  rig_await_second (rig, 1, "stop");
  rig_push_second (rig, 2);
  await_alert (rig, "A dog?", FALSE, -1, 2);
  await_alert (rig, "Fire?", TRUE, 0.8, 2);
  rig_await_second (rig, 2, "stop");
  g_object_set (rig->element, "alerts", NULL, NULL);
  rig_push_second (rig, 3);
  await_alert (rig, "A cat?", FALSE, 0.1, 3);
  rig_await_second (rig, 3, "stop");
  rig_push_second (rig, 4);
  await_alert (rig, "Fire?", FALSE, -1, 4);
  rig_await_second (rig, 4, "stop");
  g_assert_cmpuint (fake_count (FAKE_YES), ==, 8);
  rig_free (rig);
}

static void
test_a_restart_forgets_what_was_active (void)
{
  Rig *rig = rig_new ("alerts=\"A dog?\"");

  fake_add_scores ("0.9 0.9");
  rig_push_second (rig, 0);
  await_alert (rig, "A dog?", TRUE, 0.9, 0);
  rig_await_second (rig, 0, "stop");
  gst_element_set_state (rig->element, GST_STATE_NULL);
  gst_element_set_state (rig->element, GST_STATE_PLAYING);
  gst_harness_push_event (rig->video, gst_event_new_stream_start ("again"));
  rig_set_caps (rig, "RGB", 8, 4, 10, 1);
  rig_push_segment (rig, 0, 0, 0);
  rig_push_second (rig, 0);
  await_alert (rig, "A dog?", TRUE, 0.9, 0);
  rig_free (rig);
}

/* --- segments that say nothing ----------------------------------------------------------------------------------------------- */

static void
test_a_dropped_segment_changes_nothing (void)
{
  Rig *rig = rig_new_live ("alerts=\"A dog?\" max-backlog=1");

  fake_add_scores ("0.9 0.9 0.1");
  fake_hold (FAKE_ASK);
  rig_push_second (rig, 0);
  fake_await (FAKE_ASK, 1);
  rig_push_second (rig, 1); /* waits, and is dropped for the next */
  rig_push_second (rig, 2);
  fake_release (FAKE_ASK, 2);
  await_alert (rig, "A dog?", TRUE, 0.9, 0);
  rig_await_second (rig, 0, "stop");
  rig_await_second (rig, 1, "dropped");
  rig_await_second (rig, 2, "stop");
  fake_release_all (FAKE_ASK);
  rig_push_second (rig, 3);
  await_alert (rig, "A dog?", FALSE, 0.1, 3);
  rig_free (rig);
}

static void
test_a_failed_segment_changes_nothing (void)
{
  Rig *rig = rig_new ("alerts=\"A dog?\"");

  fake_add_scores ("0.9 0.9");
  rig_push_second (rig, 0);
  await_alert (rig, "A dog?", TRUE, 0.9, 0);
  rig_await_second (rig, 0, "stop");
  fake_fail_next (FAKE_ASK, MINIVL_ERROR_MEMORY, "full");
  rig_push_second (rig, 1);
  rig_await_second (rig, 1, "error");
  rig_push_second (rig, 2);
  rig_await_second (rig, 2, "stop");
  g_assert_cmpuint (fake_count (FAKE_YES), ==, 2);
  rig_free (rig);
}

static double
all_alike (guint a, guint b)
{
  return 1;
}

static void
test_an_unchanged_segment_is_not_asked_but_a_new_question_is (void)
{
  Rig *rig = rig_new ("alerts=\"A dog?\" skip-similar=0.9");

  fake_set_similarity (all_alike);
  fake_add_scores ("0.9 0.1 0.8");
  rig_push_second (rig, 0);
  await_alert (rig, "A dog?", TRUE, 0.9, 0);
  rig_await_second (rig, 0, "stop");
  rig_push_second (rig, 1);
  rig_await_second (rig, 1, "unchanged");
  g_assert_cmpuint (fake_count (FAKE_YES), ==, 1);
  g_object_set (rig->element, "alerts", "A dog?;A cat?", NULL);
  rig_push_second (rig, 2);
  rig_await_second (rig, 2, "unchanged"); /* opened before */
  rig_push_second (rig, 3);
  await_alert (rig, "A dog?", FALSE, 0.1, 3);
  await_alert (rig, "A cat?", TRUE, 0.8, 3);
  rig_await_second (rig, 3, "stop");
  rig_free (rig);
}

static void
push_with_region (Rig *rig, guint from, guint to, gboolean has_region)
{
  for (guint i = from; i < to; i++) {
    GstBuffer *buffer = rig_frame (rig, i);

    if (has_region)
      gst_buffer_add_video_region_of_interest_meta (buffer, "person", 0, 0, 4, 4);
    g_assert_cmpint (gst_harness_push (rig->video, buffer), ==, GST_FLOW_OK);
  }
}

/* Nobody is to wait for the end of what is not there any more. */
static void
test_an_alert_about_regions_falls_when_there_are_none (void)
{
  Rig *rig = rig_new ("alerts=\"Does he lie?\" roi=person");

  fake_add_scores ("0.9");
  push_with_region (rig, 0, 11, TRUE);
  await_alert (rig, "Does he lie?", TRUE, 0.9, 0);
  rig_await_second (rig, 0, "stop");
  push_with_region (rig, 11, 21, FALSE);
  await_alert (rig, "Does he lie?", FALSE, -1, 1);
  rig_await_second (rig, 1, "stop");
  g_assert_cmpuint (fake_count (FAKE_YES), ==, 1);
  rig_free (rig);
}

/* --- other kinds of results -------------------------------------------------------------------------------------------------- */

static void
test_a_question_of_an_application_is_not_followed_by_alerts (void)
{
  Rig *rig = rig_new ("alerts=\"A dog?\"");
  g_autoptr (GstStructure) s = NULL;
  guint64 id = 0;

  rig_push_second (rig, 0);
  rig_await_second (rig, 0, "stop");
  g_signal_emit_by_name (rig->element, "ask", "Who?", 1.0, &id);
  s = rig_await_result (rig);
  g_assert_cmpuint (rig_uint64 (s, "id"), ==, id);
  g_assert_cmpstr (gst_structure_get_string (s, "kind"), ==, "question");
  g_assert_cmpuint (fake_count (FAKE_YES), ==, 1);
  rig_free (rig);
}

static void
test_alerts_are_summed_up (void)
{
  Rig *rig = rig_new ("alerts=\"A dog?\" summary-interval=18446744073709551615");

  fake_add_scores ("0.9 0.1");
  rig_push_second (rig, 0);
  rig_push_second (rig, 1);
  rig_eos (rig);
  g_assert_cmpuint (fake_count (FAKE_YES), ==, 3); /* of three segments, of which the last is a frame */
  g_assert_nonnull (strstr (fake_question (6)->text, "ALERT: A dog?"));
  g_assert_nonnull (strstr (fake_question (6)->text, "ALERT OVER: A dog?"));
  rig_free (rig);
}

/* --- late, flushed, given up ------------------------------------------------------------------------------------------------- */

static void
test_a_segment_cut_short_by_its_deadline_is_asked_all_the_same (void)
{
  Rig *rig = rig_new ("alerts=\"A dog?\" deadline=3600000000000");

  fake_add_scores ("0.9");
  fake_hold (FAKE_ASK);
  rig_push_second (rig, 0);
  await_alert (rig, "A dog?", TRUE, 0.9, 0);
  rig_await_second (rig, 0, "deadline");
  g_assert_cmpuint (fake_question (1)->params.deadline, ==, 0);
  rig_free (rig);
}

static void
test_a_segment_without_a_token_in_time_is_not_asked (void)
{
  Rig *rig = rig_new ("alerts=\"A dog?\" deadline=3600000000000");

  fake_add_scores ("0.9");
  fake_set_text ("");
  fake_hold (FAKE_ASK);
  rig_push_second (rig, 0);
  rig_await_second (rig, 0, "deadline");
  g_assert_cmpuint (fake_count (FAKE_ASK), ==, 1);
  g_assert_cmpuint (fake_count (FAKE_YES), ==, 0);
  rig_free (rig);

  rig = rig_new ("alerts=\"A dog?\" deadline=1"); /* over before it is asked about at all */
  fake_add_scores ("0.9");
  rig_push_second (rig, 0);
  rig_await_second (rig, 0, "deadline");
  g_assert_cmpuint (fake_count (FAKE_YES), ==, 0);
  rig_free (rig);
}

static void
flush (Rig *rig)
{
  g_assert_true (gst_harness_push_event (rig->video, gst_event_new_flush_start ()));
  g_assert_true (gst_harness_push_event (rig->video, gst_event_new_flush_stop (TRUE)));
  rig_push_segment (rig, 0, 0, 0);
}

static void
test_a_flush_lets_no_alert_through (void)
{
  Rig *rig = rig_new ("alerts=\"A dog?;A cat?\"");

  fake_add_scores ("0.9 0.9 0.9 0.1");
  fake_hold (FAKE_YES);
  rig_push_second (rig, 0);
  fake_release (FAKE_YES, 1);
  fake_await (FAKE_YES, 2); /* one is answered, one is not */
  flush (rig);
  rig_await_second (rig, 0, "flush");
  fake_release_all (FAKE_YES);
  rig_push_second (rig, 0);
  for (gboolean done = FALSE; !done;) {
    g_autoptr (GstStructure) s = rig_await_result (rig);

    if (g_strcmp0 (gst_structure_get_string (s, "finish_reason"), "flush") == 0)
      continue;
    assert_alert (s, "A dog?", TRUE, 0.9, 0); /* it had not risen before */
    done = TRUE;
  }
  rig_free (rig);
}

/* Ends the open segment, without a frame of the next one. */
static void
cut (Rig *rig)
{
  g_assert_true (gst_harness_push_event (
      rig->video, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty ("minivl-segment"))));
}

static void
test_the_end_of_patience_ends_the_questions (void)
{
  Rig *rig = rig_new ("alerts=\"A dog?;A cat?\" eos-timeout=50000000");

  fake_add_scores ("0.9");
  fake_hold (FAKE_YES);
  rig_push (rig, 0, 10);
  cut (rig);
  fake_release (FAKE_YES, 1);
  fake_await (FAKE_YES, 2);
  rig_eos (rig);
  await_alert (rig, "A dog?", TRUE, 0.9, 0);
  rig_await_second (rig, 0, "stop");
  g_assert_cmpuint (fake_count_cancelled (FAKE_YES), ==, 1);
  rig_free (rig);
}

static void
test_a_question_that_is_given_up_changes_nothing (void)
{
  Rig *rig = rig_new ("alerts=\"A dog?\" eos-timeout=50000000");

  fake_add_scores ("0.9");
  rig_push_second (rig, 0);
  await_alert (rig, "A dog?", TRUE, 0.9, 0);
  rig_await_second (rig, 0, "stop");
  fake_hold (FAKE_YES);
  rig_push (rig, 11, 20);
  cut (rig);
  fake_await (FAKE_YES, 2);
  rig_eos (rig);
  rig_await_second (rig, 1, "stop");
  g_assert_cmpuint (fake_count_cancelled (FAKE_YES), ==, 1);
  rig_free (rig);
}

/* --- trouble ----------------------------------------------------------------------------------------------------------------- */

/* How many warnings say part on the way to the next result. */
static guint
count_warnings (Rig *rig, const gchar *part)
{
  guint n = 0;

  for (;;) {
    g_autoptr (GstMessage) message = rig_await_message (rig, GST_MESSAGE_ELEMENT | GST_MESSAGE_WARNING);

    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ELEMENT)
      return n;
    rig_assert_error (message, part);
    n++;
  }
}

static void
test_a_model_without_yes_or_no_is_told_once_for_a_list (void)
{
  Rig *rig = rig_new ("stream=door alerts=\"A dog?;A cat?\"");

  fake_fail_times (FAKE_YES, MINIVL_ERROR_MODEL, "the tokenizer has no token for `yes`", 100);
  for (guint i = 0; i < 3; i++) {
    rig_push_second (rig, i);
    g_assert_cmpuint (
        count_warnings (rig, "door: alerts: \"A dog?\" is not asked: the tokenizer has no token for `yes`"), ==, i == 0 ? 1 : 0);
    g_assert_cmpuint (fake_count (FAKE_YES), ==, i + 1); /* the second question is none either */
  }
  g_object_set (rig->element, "alerts", "Fire?", NULL);
  rig_push_second (rig, 3);
  g_assert_cmpuint (count_warnings (rig, ""), ==, 0);
  rig_push_second (rig, 4);
  g_assert_cmpuint (count_warnings (rig, "Fire?"), ==, 1);
  rig_free (rig);
}

static void
test_a_question_that_does_not_fit_is_told_and_the_others_are_asked (void)
{
  Rig *rig = rig_new ("alerts=\"A dog?;A cat?\"");
  g_autoptr (GstMessage) warning = NULL;

  fake_fail_next (FAKE_YES, MINIVL_ERROR_BUDGET, "too long");
  fake_add_scores ("0.9");
  rig_push_second (rig, 0);
  warning = rig_await_message (rig, GST_MESSAGE_WARNING);
  rig_assert_error (warning, "alerts: \"A dog?\" is not asked: too long");
  await_alert (rig, "A cat?", TRUE, 0.9, 0);
  rig_await_second (rig, 0, "stop");
  rig_free (rig);
}

static void
test_a_device_lost_over_a_question_costs_the_questions (void)
{
  Rig *rig = rig_new ("alerts=\"A dog?;A cat?\"");
  g_autoptr (GstMessage) warning = NULL;

  fake_fail_next (FAKE_YES, MINIVL_ERROR_DEVICE, "the device was lost");
  rig_push_second (rig, 0);
  warning = rig_await_message (rig, GST_MESSAGE_WARNING);
  rig_assert_error (warning, "alerts");
  rig_await_second (rig, 0, "stop");
  fake_await (FAKE_OPEN, 2);
  fake_add_scores ("0.9");
  rig_push_second (rig, 1);
  await_alert (rig, "A dog?", TRUE, 0.9, 1);
  rig_free (rig);
}

static void
assert_too_long (const gchar *properties, const gchar *part)
{
  g_autoptr (GstMessage) error = NULL;
  Rig *rig = rig_new (properties);

  fake_set_frame_tokens (10);
  gst_harness_push (rig->video, rig_frame (rig, 0));
  for (guint i = 1; i < 11; i++)
    gst_harness_push (rig->video, rig_frame (rig, i));
  error = rig_await_message (rig, GST_MESSAGE_ERROR);
  rig_assert_error (error, part);
  rig_free (rig);
}

static void
test_the_longest_question_counts_for_the_budget (void)
{
  g_autofree gchar *words = g_strnfill (600, 'x');
  g_autofree gchar *line = g_strdup_printf ("alerts=\"Fire?;%s\" max-tokens=4 context-size=100 prompt=?", words);

  assert_too_long (line, "the longest question of alerts (175)");
  assert_too_long (line, "Lower the length of alerts, or raise context-size.");
  assert_too_long ("alerts=\"Fire?\" max-tokens=90 context-size=100 prompt=?", "max-tokens=90");
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  fake_reset ();
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));

#define RULE(name) g_test_add_func ("/alerts/" #name, test_##name)
  RULE (questions_are_separated_by_semicolons_and_lines);
  RULE (they_are_asked_behind_the_description_with_all_that_is_in_front_of_it);
  RULE (no_question_nothing_asked);
  RULE (it_rises_above_the_threshold_and_falls_below_it_less_the_hysteresis);
  RULE (an_alert_is_told_in_all_forms_with_an_id_of_its_own);
  RULE (plain_text_says_what_rose_and_what_is_over);
  RULE (an_alert_stands_at_its_segment);
  RULE (thresholds_change_while_playing);
  RULE (a_question_that_stays_keeps_its_state_and_one_that_goes_falls);
  RULE (a_restart_forgets_what_was_active);
  RULE (a_dropped_segment_changes_nothing);
  RULE (a_failed_segment_changes_nothing);
  RULE (an_unchanged_segment_is_not_asked_but_a_new_question_is);
  RULE (an_alert_about_regions_falls_when_there_are_none);
  RULE (a_question_of_an_application_is_not_followed_by_alerts);
  RULE (alerts_are_summed_up);
  RULE (a_segment_cut_short_by_its_deadline_is_asked_all_the_same);
  RULE (a_segment_without_a_token_in_time_is_not_asked);
  RULE (a_flush_lets_no_alert_through);
  RULE (the_end_of_patience_ends_the_questions);
  RULE (a_question_that_is_given_up_changes_nothing);
  RULE (a_model_without_yes_or_no_is_told_once_for_a_list);
  RULE (a_question_that_does_not_fit_is_told_and_the_others_are_asked);
  RULE (a_device_lost_over_a_question_costs_the_questions);
  RULE (the_longest_question_counts_for_the_budget);
#undef RULE
  return g_test_run ();
}

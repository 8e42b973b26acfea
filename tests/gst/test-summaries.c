/* Summaries in the element: when one is made, of what, and where it is told. */
#include "gst/element/gstminivl.h"
#include "rig.h"

#include <string.h>

#define INTERVAL "summary-interval=3000000000 "

/* --- when, and of what ------------------------------------------------------------------------------------------------------- */

static void
test_all_three_ways (void)
{
  Rig *rig = rig_new (INTERVAL "stream=yard system-prompt=short seed=7");
  g_autoptr (GHashTable) ids = g_hash_table_new (NULL, NULL);
  g_autoptr (GstStructure) s = NULL;
  g_autoptr (JsonObject) json = NULL;
  gboolean found = FALSE;
  guint64 id;

  rig_add_text (rig, "application/x-json");
  fake_set_timings (1, 2, 30, 40);
  rig_push (rig, 0, 35);
  for (guint i = 0; i < 3; i++) {
    g_autoptr (GstStructure) segment = rig_await_kind (rig, "segment", 1000 * i, 1000 * (i + 1), "stop");

    g_hash_table_add (ids, GUINT_TO_POINTER (rig_uint64 (segment, "id")));
  }
  s = rig_await_kind (rig, "summary", 0, 3000, "stop");
  id = rig_uint64 (s, "id");
  g_assert_true (g_hash_table_add (ids, GUINT_TO_POINTER (id)));
  g_assert_cmpstr (gst_structure_get_string (s, "text"), ==, "answer 4");
  g_assert_cmpstr (gst_structure_get_string (s, "stream"), ==, "yard");
  g_assert_cmpstr (gst_structure_get_string (s, "prompt"), ==,
      "Sum up what happened.\n0:00:00 - 0:00:01: answer 1\n0:00:01 - 0:00:02: answer 2\n0:00:02 - 0:00:03: answer 3");
  g_assert_cmpstr (gst_structure_get_string (s, "model"), ==, "fake-model");
  g_assert_cmpuint (rig_uint64 (s, "running_time"), ==, 3 * GST_SECOND);
  g_assert_cmpuint (rig_uint64 (s, "prompt_tokens"), ==, 100);
  g_assert_cmpuint (rig_uint64 (s, "output_tokens"), ==, 7);
  g_assert_cmpuint (rig_uint64 (s, "drafted"), ==, 4);
  g_assert_cmpuint (rig_uint64 (s, "accepted"), ==, 3);
  g_assert_cmpuint (rig_uint64 (s, "seed"), ==, 7);
  g_assert_false (gst_structure_has_field (s, "frames"));
  g_assert_false (gst_structure_has_field (s, "tiles"));
  {
    const GstStructure *timings = gst_value_get_structure (gst_structure_get_value (s, "timings"));

    g_assert_cmpuint (rig_uint64 (timings, "prefill"), ==, 30);
    g_assert_cmpuint (rig_uint64 (timings, "decode"), ==, 40);
  }

  /* In text only, with the same system message. */
  g_assert_cmpuint (fake_question (3)->n_pictures, ==, 0);
  g_assert_cmpuint (fake_question (3)->n_history, ==, 0);
  g_assert_cmpstr (fake_question (3)->system, ==, "short");

  for (guint i = 0; i < 4; i++) {
    g_clear_pointer (&json, json_object_unref);
    json = rig_pull_json (rig);
  }
  g_assert_cmpint (json_object_get_int_member (json, "id"), ==, (gint64)id);
  g_assert_cmpstr (json_object_get_string_member (json, "kind"), ==, "summary");
  g_assert_cmpstr (json_object_get_string_member (json, "text"), ==, "answer 4");
  g_assert_true (json_object_get_null_member (json, "frames"));

  /* One result a buffer. */
  rig_push (rig, 35, 39);
  for (guint n = gst_harness_buffers_in_queue (rig->video); n > 0; n--) {
    g_autoptr (GstBuffer) buffer = gst_harness_pull (rig->video);
    GstCustomMeta *meta = gst_buffer_get_custom_meta (buffer, "GstMinivlMeta");

    found = found || (meta != NULL && rig_uint64 (gst_custom_meta_get_structure (meta), "id") == id);
  }
  g_assert_true (found);
  rig_free (rig);
}

static void
test_every_interval_and_the_rest_at_the_end (void)
{
  Rig *rig = rig_new (INTERVAL);

  rig_push (rig, 0, 75);
  rig_eos (rig);
  for (guint i = 0; i < 3; i++)
    rig_await_second (rig, i, "stop");
  rig_await_summary (rig, 0, 3000, "0:00:00 - 0:00:01: answer 1\n0:00:01 - 0:00:02: answer 2\n0:00:02 - 0:00:03: answer 3");
  for (guint i = 3; i < 6; i++)
    rig_await_second (rig, i, "stop");
  rig_await_summary (rig, 3000, 6000, "0:00:03 - 0:00:04: answer 5\n0:00:04 - 0:00:05: answer 6\n0:00:05 - 0:00:06: answer 7");
  rig_await_second (rig, 6, "stop");
  gst_structure_free (rig_await_kind (rig, "segment", 7000, 7500, "stop"));
  rig_await_summary (rig, 6000, 7500, "0:00:06 - 0:00:07: answer 9\n0:00:07 - 0:00:08: answer 10");
  rig_assert_no_result (rig);
  rig_free (rig);
}

static void
test_nothing_is_left_at_the_end (void)
{
  Rig *rig = rig_new (INTERVAL);

  rig_push (rig, 0, 30);
  rig_eos (rig);
  for (guint i = 0; i < 3; i++)
    rig_await_second (rig, i, "stop");
  gst_structure_free (rig_await_kind (rig, "summary", 0, 3000, "stop"));
  rig_assert_no_result (rig);
  rig_free (rig);
}

static void
test_none_is_only_at_the_end (void)
{
  Rig *rig = rig_new ("summary-interval=18446744073709551615");

  rig_push (rig, 0, 60);
  rig_eos (rig);
  for (guint i = 0; i < 6; i++)
    rig_await_second (rig, i, "stop");
  gst_structure_free (rig_await_kind (rig, "summary", 0, 6000, "stop"));
  rig_assert_no_result (rig);
  rig_free (rig);
}

static void
test_off_by_default (void)
{
  Rig *rig = rig_new (NULL);

  rig_push (rig, 0, 60);
  rig_eos (rig);
  for (guint i = 0; i < 6; i++)
    rig_await_second (rig, i, "stop");
  rig_assert_no_result (rig);
  rig_free (rig);
}

static gint
count_eos (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) == GST_EVENT_EOS)
    g_atomic_int_inc ((gint *)data);
  return GST_PAD_PROBE_OK;
}

static void
test_eos_waits (void)
{
  Rig *rig = rig_new ("summary-interval=-1");
  g_autoptr (GstPad) src = gst_element_get_static_pad (rig->element, "src");
  gint eos = 0;

  gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, (GstPadProbeCallback)count_eos, &eos, NULL);
  fake_hold (FAKE_ASK);
  rig_push_in_thread (rig, 0, 10);
  fake_release (FAKE_ASK, 1);
  rig_await_second (rig, 0, "stop");
  fake_await (FAKE_ASK, 2); /* the summary */
  g_assert_cmpint (g_atomic_int_get (&eos), ==, 0);
  fake_release_all (FAKE_ASK);
  rig_join (rig);
  g_assert_cmpint (g_atomic_int_get (&eos), ==, 1);
  gst_structure_free (rig_await_kind (rig, "summary", 0, 1000, "stop"));
  rig_free (rig);
}

/* Whether the summary was begun in time; it is held. */
static gboolean
end_within (Rig *rig, guint64 timeout)
{
  g_object_set (rig->element, "eos-timeout", timeout, NULL);
  fake_hold (FAKE_ASK);
  rig_push_in_thread (rig, 0, 10);
  fake_release (FAKE_ASK, 1);
  rig_join (rig);
  return fake_count (FAKE_ASK) == 2;
}

/* The summary begins behind EOS, from where on the time counts: a machine that has no time for that gets more of it. */
static void
test_eos_timeout (void)
{
  Rig *rig = rig_new ("summary-interval=-1");
  g_autoptr (GstStructure) s = NULL;

  for (guint64 timeout = 300 * GST_MSECOND; !end_within (rig, timeout); timeout *= 2) {
    g_assert_cmpuint (timeout, <, 20 * GST_SECOND);
    rig_free (rig);
    rig = rig_new ("summary-interval=-1");
  }
  rig_await_second (rig, 0, "stop");
  s = rig_await_kind (rig, "summary", 0, 1000, "deadline");
  g_assert_cmpuint (fake_count_cancelled (FAKE_ASK), ==, 1);
  rig_await_warning (rig, "eos-timeout");
  rig_free (rig);
}

/* One that is due by what was given up is not begun: the end of the stream would wait for it as well. */
static void
test_eos_timeout_begins_none (void)
{
  Rig *rig = rig_new ("summary-interval=1000000000 eos-timeout=50000000");

  fake_hold (FAKE_ASK);
  rig_push (rig, 0, 11);
  fake_await (FAKE_ASK, 1);
  rig_eos (rig);
  gst_structure_free (rig_await_kind (rig, "segment", 0, 1000, "deadline"));
  gst_structure_free (rig_await_kind (rig, "segment", 1000, 1100, "dropped"));
  rig_assert_no_result (rig);
  gst_element_set_state (rig->element, GST_STATE_NULL);
  g_assert_cmpuint (fake_count (FAKE_ASK), ==, 1);
  rig_free (rig);
}

static void
test_changes_while_playing (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstStructure) s = NULL;

  rig_push_second (rig, 0);
  rig_await_second (rig, 0, "stop");
  g_object_set (
      rig->element, "summary-interval", 2 * GST_SECOND, "summary-prompt", "{stream} {n}: {start} to {stop}: {reports}!", NULL);
  rig_push_second (rig, 1); /* was open */
  rig_await_second (rig, 1, "stop");
  rig_push_second (rig, 2);
  rig_await_second (rig, 2, "stop");
  rig_push_second (rig, 3);
  rig_await_second (rig, 3, "stop");
  s = rig_await_kind (rig, "summary", 2000, 4000, "stop");
  g_assert_cmpstr (gst_structure_get_string (s, "prompt"), ==,
      "m 1: 0:00:02.000 to 0:00:04.000: 0:00:02 - 0:00:03: answer 3\n0:00:03 - 0:00:04: answer 4!");

  /* What was reported by then is forgotten. */
  g_object_set (rig->element, "summary-interval", (guint64)0, "summary-prompt", NULL, NULL);
  rig_push_second (rig, 4); /* was open */
  rig_await_second (rig, 4, "stop");
  rig_push_second (rig, 5);
  rig_await_second (rig, 5, "stop");
  g_object_set (rig->element, "summary-interval", GST_CLOCK_TIME_NONE, NULL);
  rig_push_second (rig, 6); /* was open */
  rig_await_second (rig, 6, "stop");
  rig_push_second (rig, 7);
  rig_await_second (rig, 7, "stop");
  rig_push (rig, 81, 90);
  rig_eos (rig);
  rig_await_second (rig, 8, "stop");
  rig_await_summary (rig, 7000, 9000, "0:00:07 - 0:00:08: answer 9\n0:00:08 - 0:00:09: answer 10");
  rig_free (rig);
}

/* What is not a report of the model's is told as what it is. */
static void
test_alerts_and_runs (void)
{
  Rig *rig = rig_new_live ("summary-interval=6000000000 max-backlog=1 leaky=upstream alerts=Fire?");

  fake_add_scores ("0.9 0.1");
  fake_hold (FAKE_ASK);
  rig_push_second (rig, 0);
  fake_await (FAKE_ASK, 1);
  rig_push_second (rig, 1);
  rig_push_second (rig, 2);
  rig_push_second (rig, 3);
  fake_release_all (FAKE_ASK);
  gst_structure_free (rig_await_kind (rig, "alert", 0, 1000, "length"));
  rig_await_second (rig, 0, "stop");
  gst_structure_free (rig_await_kind (rig, "alert", 1000, 2000, "length"));
  rig_await_second (rig, 1, "stop");
  gst_structure_free (rig_await_kind (rig, "segment", 2000, 3000, "dropped"));
  gst_structure_free (rig_await_kind (rig, "segment", 3000, 4000, "dropped"));
  fake_fail_next (FAKE_ASK, MINIVL_ERROR_MEMORY, "no memory");
  rig_push_second (rig, 4);
  gst_structure_free (rig_await_kind (rig, "segment", 4000, 5000, "error"));
  rig_push_second (rig, 5);
  rig_await_second (rig, 5, "stop");
  rig_await_summary (rig, 0, 6000,
      "0:00:00 - 0:00:01: ALERT: Fire?\n0:00:00 - 0:00:01: answer 1\n0:00:01 - 0:00:02: ALERT OVER: Fire?\n"
      "0:00:01 - 0:00:02: answer 2\n0:00:02 - 0:00:05: Not watched.\n0:00:05 - 0:00:06: answer 4");
  rig_free (rig);
}

static double
all_alike (guint a, guint b)
{
  return 1;
}

static void
test_unchanged_runs (void)
{
  Rig *rig = rig_new ("summary-interval=-1 skip-similar=0.9");

  fake_set_similarity (all_alike);
  rig_push (rig, 0, 50);
  rig_eos (rig);
  rig_await_second (rig, 0, "stop");
  for (guint i = 1; i < 5; i++)
    gst_structure_free (rig_await_kind (rig, "segment", 1000 * i, 1000 * (i + 1), "unchanged"));
  rig_await_summary (rig, 0, 5000, "0:00:00 - 0:00:01: answer 1\n0:00:01 - 0:00:05: Nothing changed.");
  rig_free (rig);
}

/* --- trouble ----------------------------------------------------------------------------------------------------------------- */

static void
test_failure (void)
{
  Rig *rig = rig_new ("summary-interval=2000000000");
  g_autoptr (GstStructure) s = NULL;

  rig_push_second (rig, 0);
  rig_await_second (rig, 0, "stop");
  fake_hold (FAKE_ASK);
  rig_push_second (rig, 1);
  fake_release (FAKE_ASK, 1);
  rig_await_second (rig, 1, "stop");
  fake_await (FAKE_ASK, 3);
  fake_fail_next (FAKE_ASK, MINIVL_ERROR_MEMORY, "no memory");
  fake_release_all (FAKE_ASK);
  rig_await_warning (rig, "m: no answer about summary");
  s = rig_await_kind (rig, "summary", 0, 2000, "error");
  g_assert_cmpstr (gst_structure_get_string (s, "text"), ==, "");
  g_assert_false (gst_structure_has_field (s, "prompt_tokens"));
  rig_push_second (rig, 2);
  rig_await_second (rig, 2, "stop"); /* and no other try */
  rig_push_second (rig, 3);
  rig_await_second (rig, 3, "stop");
  rig_await_summary (rig, 0, 4000,
      "0:00:00 - 0:00:01: answer 1\n0:00:01 - 0:00:02: answer 2\n0:00:02 - 0:00:03: answer 4\n0:00:03 - 0:00:04: answer 5");
  rig_free (rig);
}

static void
test_lost_device (void)
{
  Rig *rig = rig_new ("summary-interval=2000000000");

  rig_push_second (rig, 0);
  rig_await_second (rig, 0, "stop");
  fake_hold (FAKE_ASK);
  rig_push_second (rig, 1);
  fake_release (FAKE_ASK, 1);
  rig_await_second (rig, 1, "stop");
  fake_await (FAKE_ASK, 3);
  fake_fail_next (FAKE_ASK, MINIVL_ERROR_DEVICE, "gone");
  fake_release_all (FAKE_ASK);
  gst_structure_free (rig_await_kind (rig, "summary", 0, 2000, "error"));
  gst_message_unref (rig_await_message (rig, GST_MESSAGE_INFO)); /* it is open again */
  rig_push_second (rig, 2);
  rig_await_second (rig, 2, "stop");
  rig_push_second (rig, 3);
  rig_await_second (rig, 3, "stop");
  gst_structure_free (rig_await_kind (rig, "summary", 0, 4000, "stop"));
  rig_free (rig);
}

/* The end of the stream does not wait for a device that may never come back. */
static void
test_lost_device_at_the_end (void)
{
  Rig *rig = rig_new ("summary-interval=-1");

  rig_push_second (rig, 0);
  rig_await_second (rig, 0, "stop");
  fake_fail_times (FAKE_OPEN, MINIVL_ERROR_DEVICE, "gone", 1000);
  fake_fail_next (FAKE_ASK, MINIVL_ERROR_DEVICE, "gone");
  rig_push_second (rig, 1);
  gst_structure_free (rig_await_kind (rig, "segment", 1000, 2000, "error"));
  rig_push (rig, 21, 25);
  rig_eos (rig);
  gst_structure_free (rig_await_kind (rig, "segment", 2000, 2500, "error"));
  gst_structure_free (rig_await_kind (rig, "summary", 0, 2500, "error"));
  rig_free (rig);
}

static void
test_flush (void)
{
  Rig *rig = rig_new ("summary-interval=2000000000");

  rig_push_second (rig, 0);
  rig_await_second (rig, 0, "stop");
  fake_hold (FAKE_ASK);
  rig_push_second (rig, 1);
  fake_release (FAKE_ASK, 1);
  rig_await_second (rig, 1, "stop");
  fake_await (FAKE_ASK, 3);
  gst_harness_push_event (rig->video, gst_event_new_flush_start ());
  gst_structure_free (rig_await_kind (rig, "summary", 0, 2000, "flush"));
  gst_harness_push_event (rig->video, gst_event_new_flush_stop (TRUE));
  fake_release_all (FAKE_ASK);
  gst_structure_free (rig_await_kind (rig, "segment", 2000, 2100, "flush"));
  rig_push_segment (rig, 0, 0, 0);

  /* Reports stay, for they were reported; time that goes back counts on. */
  rig_push_second (rig, 0);
  rig_await_second (rig, 0, "stop");
  rig_push_second (rig, 1);
  rig_await_second (rig, 1, "stop");
  rig_await_summary (rig, 0, 2100,
      "0:00:00 - 0:00:01: answer 1\n0:00:01 - 0:00:02: answer 2\n0:00:02 - 0:00:02: Not watched.\n0:00:00 - 0:00:01: answer 4\n"
      "0:00:01 - 0:00:02: answer 5");
  rig_free (rig);
}

static void
test_too_small_a_context (void)
{
  Rig *rig = rig_new ("summary-interval=-1 max-tokens=400 context-size=1000 num-segments=1");
  g_autoptr (GstMessage) message = NULL;

  rig_push_in_thread (rig, 0, 10000);
  message = rig_await_message (rig, GST_MESSAGE_ERROR);
  rig_assert_error (message, "A summary does not fit the model's context");
  rig_assert_error (message, "Lower max-tokens to 282, or raise context-size.");
  g_assert_cmpint (rig_join (rig), ==, GST_FLOW_ERROR);
  rig_free (rig);
}

static GstBusSyncReply
count_warnings (GstBus *bus, GstMessage *message, gpointer data)
{
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING)
    g_atomic_int_inc ((gint *)data);
  return GST_BUS_PASS;
}

/* Told once, not with each report. */
static void
test_stages_that_fail (void)
{
  gint warnings = 0;
  Rig *rig = rig_new ("summary-interval=-1 context-size=600 max-tokens=50");
  g_autofree gchar *text = g_strnfill (300, 'x');

  fake_set_text (text);
  for (guint i = 0; i < 6; i++) {
    rig_push_second (rig, i);
    rig_await_second (rig, i, "stop");
  }
  gst_bus_set_sync_handler (rig->bus, count_warnings, &warnings, NULL);
  g_object_set (rig->element, "max-tokens", 500, NULL);
  rig_push_second (rig, 6); /* was open */
  rig_push_second (rig, 7);
  rig_await_warning (rig, "m: reports could not be summed up, and are kept: A summary does not fit");
  for (guint i = 8; i < 12; i++) {
    rig_push_second (rig, i);
    rig_await_second (rig, i, "stop");
  }
  rig_push (rig, 121, 125);
  rig_eos (rig);
  rig_await_warning (rig, "m: no answer about summary");
  g_assert_cmpint (g_atomic_int_get (&warnings), ==, 2);
  rig_free (rig);
}

/* --- text_src ---------------------------------------------------------------------------------------------------------------- */

/* Time on the pad never goes back, and no text is shown for hours. */
static void
test_text_stands_where_it_can (void)
{
  Rig *rig = rig_new ("text-timestamp=segment summary-interval=8000000000");
  GstClockTime last = 0;
  guint summaries = 0;

  rig_add_text (rig, NULL);
  rig_push (rig, 0, 160);
  rig_eos (rig);
  for (guint i = 0; i < 18; i++) {
    g_autoptr (GstBuffer) buffer = gst_harness_pull (rig->text);
    g_autofree gchar *line = g_malloc0 (gst_buffer_get_size (buffer) + 1);

    gst_buffer_extract (buffer, 0, line, gst_buffer_get_size (buffer));
    g_assert_cmpuint (GST_BUFFER_PTS (buffer), >=, last);
    last = GST_BUFFER_PTS (buffer);
    if (strstr (line, "\"kind\":\"summary\"") == NULL)
      continue;
    summaries++;
    g_assert_cmpuint (GST_BUFFER_DURATION (buffer), ==, 5 * GST_SECOND);
    g_assert_cmpuint (GST_BUFFER_PTS (buffer), >=, 7 * GST_SECOND); /* behind what it speaks of */
  }
  g_assert_cmpuint (summaries, ==, 2);
  rig_free (rig);
}

/* The next segment is open and its text owed when the summary is there. */
static void
test_text_goes_before_what_is_owed (void)
{
  Rig *rig = rig_new ("text-timestamp=segment summary-interval=2000000000");
  static const gchar *const kinds[] = { "segment", "segment", "summary", "segment" };
  const guint pts[] = { 0, 1, 2, 2 };

  rig_add_text (rig, NULL);
  fake_hold (FAKE_ASK);
  rig_push (rig, 0, 25);
  fake_release (FAKE_ASK, 3);
  for (guint i = 0; i < 4; i++) {
    g_autoptr (GstBuffer) buffer = NULL;
    g_autofree gchar *line = NULL, *kind = g_strdup_printf ("\"kind\":\"%s\"", kinds[i]);

    if (i == 3) {
      fake_release_all (FAKE_ASK);
      rig_push (rig, 25, 31);
    }
    buffer = gst_harness_pull (rig->text);
    line = g_malloc0 (gst_buffer_get_size (buffer) + 1);
    gst_buffer_extract (buffer, 0, line, gst_buffer_get_size (buffer));
    g_assert_nonnull (strstr (line, kind));
    g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, pts[i] * GST_SECOND);
  }
  rig_free (rig);
}

/* Nothing is owed when the summary is there; but when it goes, for somebody held up the text, a later text has its place. */
static void
test_text_that_was_held_up (void)
{
  Rig *rig = rig_new ("text-timestamp=segment summary-interval=1500000000");
  g_autoptr (GstPad) pad = NULL;
  const guint pts_ms[] = { 0, 1000, 1600, 1600, 2600 };
  gulong probe;

  rig_add_text (rig, NULL);
  pad = gst_element_get_static_pad (rig->element, "text_src");
  probe = gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BLOCK | GST_PAD_PROBE_TYPE_BUFFER, rig_block, NULL, NULL);
  rig_push (rig, 0, 16);
  rig_await_second (rig, 0, "stop");
  gst_harness_push_event (
      rig->video, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty ("minivl-segment")));
  gst_structure_free (rig_await_kind (rig, "segment", 1000, 1600, "stop"));
  gst_structure_free (rig_await_kind (rig, "summary", 0, 1600, "stop"));
  rig_push (rig, 16, 40);
  gst_structure_free (rig_await_kind (rig, "segment", 1600, 2600, "stop"));
  gst_structure_free (rig_await_kind (rig, "segment", 2600, 3600, "stop"));
  gst_pad_remove_probe (pad, probe);
  for (guint i = 0; i < G_N_ELEMENTS (pts_ms); i++) {
    g_autoptr (GstBuffer) buffer = gst_harness_pull (rig->text);

    g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, pts_ms[i] * GST_MSECOND);
  }
  rig_free (rig);
}

static void
test_plain_text (void)
{
  Rig *rig = rig_new ("summary-interval=-1");
  g_autofree gchar *first = NULL, *second = NULL;

  rig_add_text (rig, "text/x-raw,format=utf8");
  rig_push (rig, 0, 10);
  rig_eos (rig);
  first = rig_pull_text (rig);
  second = rig_pull_text (rig);
  g_assert_cmpstr (first, ==, "answer 1");
  g_assert_cmpstr (second, ==, "answer 2");
  rig_free (rig);
}

static void
test_partial (void)
{
  Rig *rig = rig_new ("summary-interval=-1 partial=true");
  gboolean found = FALSE;

  rig_push (rig, 0, 10);
  rig_eos (rig);
  for (;;) {
    g_autoptr (GstMessage) message = rig_await_message (rig, GST_MESSAGE_ELEMENT);
    const GstStructure *s = gst_message_get_structure (message);

    if (gst_structure_has_name (s, "minivl-stats"))
      break;
    if (!gst_structure_has_name (s, "minivl-partial") || g_strcmp0 (gst_structure_get_string (s, "kind"), "summary") != 0)
      continue;
    g_assert_true (g_str_has_prefix ("answer 2", gst_structure_get_string (s, "text")));
    g_assert_cmpuint (rig_uint64 (s, "segment_stop"), ==, GST_SECOND);
    found = TRUE;
  }
  g_assert_true (found);
  rig_free (rig);
}

/* --- properties -------------------------------------------------------------------------------------------------------------- */

static void
test_properties (void)
{
  g_autoptr (GstElement) element = gst_object_ref_sink (gst_element_factory_make ("minivl", NULL));
  g_autofree gchar *prompt = NULL, *journal = NULL, *back = NULL;
  guint64 interval;

  g_object_get (element, "summary-prompt", &prompt, "journal", &journal, "summary-interval", &interval, NULL);
  g_assert_cmpstr (prompt, ==, "Sum up what happened.\n{reports}");
  g_assert_null (journal);
  g_assert_cmpuint (interval, ==, 0);
  g_object_set (element, "summary-prompt", "What?", "journal", "/tmp/j", "summary-interval", 5 * GST_SECOND, NULL);
  g_object_get (element, "summary-interval", &interval, "journal", &journal, NULL);
  g_assert_cmpstr (journal, ==, "/tmp/j");
  g_assert_cmpuint (interval, ==, 5 * GST_SECOND);
  g_object_set (element, "summary-prompt", NULL, NULL);
  g_object_get (element, "summary-prompt", &back, NULL);
  g_assert_cmpstr (back, ==, "Sum up what happened.\n{reports}");
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  GST_ELEMENT_REGISTER (minivl_fake, NULL);
#define RULE(name, function) g_test_add_func ("/summaries/" name, function)
  RULE ("properties_have_the_defaults_of_the_interface", test_properties);
  RULE ("a_summary_goes_the_same_three_ways", test_all_three_ways);
  RULE ("one_every_interval_and_the_rest_at_the_end", test_every_interval_and_the_rest_at_the_end);
  RULE ("no_rest_no_summary_at_the_end", test_nothing_is_left_at_the_end);
  RULE ("interval_none_is_only_at_the_end", test_none_is_only_at_the_end);
  RULE ("off_by_default", test_off_by_default);
  RULE ("the_end_of_the_stream_waits_for_it", test_eos_waits);
  RULE ("eos_timeout_covers_it", test_eos_timeout);
  RULE ("none_is_begun_when_eos_timeout_has_passed", test_eos_timeout_begins_none);
  RULE ("interval_and_prompt_change_while_playing", test_changes_while_playing);
  RULE ("alerts_and_what_was_not_watched_are_told_as_such", test_alerts_and_runs);
  RULE ("unchanged_segments_are_one_line", test_unchanged_runs);
  RULE ("a_failure_is_told_and_the_next_one_has_its_reports", test_failure);
  RULE ("a_device_lost_in_it_keeps_the_reports", test_lost_device);
  RULE ("the_end_does_not_wait_for_a_lost_device", test_lost_device_at_the_end);
  RULE ("reports_survive_a_flush", test_flush);
  RULE ("a_context_too_small_for_it_is_an_error_at_the_start", test_too_small_a_context);
  RULE ("stages_that_fail_are_told_once", test_stages_that_fail);
  RULE ("its_text_never_goes_back_in_time", test_text_stands_where_it_can);
  RULE ("its_text_goes_before_the_one_that_is_owed", test_text_goes_before_what_is_owed);
  RULE ("its_text_stands_before_a_later_one_that_was_held_up_with_it", test_text_that_was_held_up);
  RULE ("plain_text_is_the_text_alone", test_plain_text);
  RULE ("partial_tells_of_it", test_partial);
  return g_test_run ();
}

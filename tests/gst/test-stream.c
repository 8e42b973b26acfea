/* The element's rules about streams: live or not, events, states. Each drives a harness and the fake back end. */
#include "gst/element/gstminivl.h"
#include "rig.h"

#include <string.h>

/* --- live and not ------------------------------------------------------------------------------------------------------------ */

static void
assert_qos (GstMessage *message, guint64 running_time, guint64 processed, guint64 dropped)
{
  guint64 said_time, n_processed, n_dropped;
  GstFormat format;
  gboolean live;

  gst_message_parse_qos (message, &live, &said_time, NULL, NULL, NULL);
  g_assert_true (live);
  g_assert_cmpuint (said_time, ==, running_time);
  gst_message_parse_qos_stats (message, &format, &n_processed, &n_dropped);
  g_assert_cmpint (format, ==, GST_FORMAT_DEFAULT);
  g_assert_cmpuint (n_processed, ==, processed);
  g_assert_cmpuint (n_dropped, ==, dropped);
}

static void
test_live_drops_the_oldest_that_waits (void)
{
  Rig *rig = rig_new_live (NULL);
  g_autoptr (GstMessage) qos = NULL;
  g_autoptr (GstStructure) dropped = NULL;

  rig_push_segment (rig, 0, 0, 5 * GST_SECOND);
  rig_push (rig, 0, 11);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  fake_hold (FAKE_ASK);
  rig_push (rig, 11, 21);
  fake_await (FAKE_ASK, 2);
  /* 2 is in hand, 3 and 4 wait, 5 pushes 3 out */
  rig_push (rig, 21, 51);
  qos = rig_await_message (rig, GST_MESSAGE_QOS);
  assert_qos (qos, 8 * GST_SECOND, 1, 1);
  fake_release_all (FAKE_ASK);
  rig_assert_result (rig, 2, 1000, 2000, "stop");
  dropped = rig_await_result (rig);
  g_assert_cmpuint (rig_uint64 (dropped, "id"), ==, 3);
  g_assert_cmpstr (gst_structure_get_string (dropped, "finish_reason"), ==, "dropped");
  g_assert_cmpstr (gst_structure_get_string (dropped, "text"), ==, "");
  g_assert_cmpuint (rig_uint64 (dropped, "dropped_segments"), ==, 1);
  g_assert_cmpuint (gst_value_array_get_size (gst_structure_get_value (dropped, "frames")), ==, 2);
  g_assert_false (gst_structure_has_field (dropped, "prompt_tokens"));
  rig_assert_result (rig, 4, 3000, 4000, "stop");
  rig_assert_result (rig, 5, 4000, 5000, "stop");
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

static void
test_not_live_waits_for_room_and_loses_nothing (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstPad) src = gst_element_get_static_pad (rig->element, "src");
  RigCounter counter = { .passed = 0 };

  gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_BUFFER, rig_count, &counter, NULL);
  fake_hold (FAKE_ASK);
  rig_push_in_thread (rig, 0, 100);
  /* 1 in hand, 2 and 3 wait; the buffer that completes 4 does not pass */
  rig_await_passed (&counter, 40);
  for (guint i = 1; i <= 6; i++) {
    fake_await (FAKE_ASK, i);
    rig_await_passed (&counter, 30 + 10 * i);
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

  rig_push_segment (rig, 0, 0, 0);
  rig_push (rig, 300, 311);
  rig_assert_result (rig, 4, 30000, 31000, "stop");
  rig_free (rig);
}

static void
test_flush_frees_a_video_that_waits (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstPad) src = gst_element_get_static_pad (rig->element, "src");
  RigCounter counter = { .passed = 0 };

  gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_BUFFER, rig_count, &counter, NULL);
  fake_hold (FAKE_ASK);
  rig_push_in_thread (rig, 0, 100);
  rig_await_passed (&counter, 40);
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

/* --- states ------------------------------------------------------------------------------------------------------------------ */

/* It says `part`. */
static GstProgressType
next_progress (Rig *rig, const gchar *part)
{
  g_autoptr (GstMessage) message = rig_await_message (rig, GST_MESSAGE_PROGRESS);
  g_autofree gchar *code = NULL, *text = NULL;
  GstProgressType type;

  gst_message_parse_progress (message, &type, &code, &text);
  g_assert_cmpstr (code, ==, "loading");
  g_assert_nonnull (strstr (text, part));
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
  g_assert_cmpint (next_progress (rig, "Loading the model"), ==, GST_PROGRESS_TYPE_START);
  g_assert_cmpint (next_progress (rig, ": 50%"), ==, GST_PROGRESS_TYPE_CONTINUE);
  rig_push (rig, 0, 15);
  g_assert_cmpuint (gst_harness_buffers_received (rig->video), ==, 15);
  fake_release_all (FAKE_OPEN);
  g_assert_cmpint (next_progress (rig, "is loaded"), ==, GST_PROGRESS_TYPE_COMPLETE);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_free (rig);
}

static void
test_loading_that_fails_is_told (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstMessage) error = NULL;

  restart_with_open_held (rig);
  g_assert_cmpint (next_progress (rig, "Loading the model"), ==, GST_PROGRESS_TYPE_START);
  g_assert_cmpint (next_progress (rig, ": 50%"), ==, GST_PROGRESS_TYPE_CONTINUE);
  fake_fail_next (FAKE_OPEN, MINIVL_ERROR_FILE, "/fake: no such model");
  fake_release_all (FAKE_OPEN);
  g_assert_cmpint (next_progress (rig, "/fake: no such model"), ==, GST_PROGRESS_TYPE_ERROR);
  error = rig_await_message (rig, GST_MESSAGE_ERROR);
  rig_assert_error (error, "/fake: no such model");
  rig_free (rig);
}

static void
test_stopping_cancels_loading (void)
{
  Rig *rig = rig_new (NULL);

  restart_with_open_held (rig);
  g_assert_cmpint (next_progress (rig, "Loading the model"), ==, GST_PROGRESS_TYPE_START);
  fake_await (FAKE_OPEN, 1);
  gst_element_set_state (rig->element, GST_STATE_READY);
  while (next_progress (rig, "Loading the model") != GST_PROGRESS_TYPE_CANCELED)
    ;
  g_assert_cmpuint (fake_count_cancelled (FAKE_OPEN), ==, 1);
  rig_free (rig);
}

static void
end_loading (Rig *rig, guint how)
{
  if (how == 0) {
    gst_element_set_state (rig->element, GST_STATE_NULL);
    return;
  }
  if (how == 1)
    fake_fail_next (FAKE_OPEN, MINIVL_ERROR_FILE, "no such model");
  fake_release_all (FAKE_OPEN);
}

/* However loading ends, it is told, and once. */
static void
test_what_was_given_up_while_loading_is_told (void)
{
  for (guint how = 0; how < 3; how++) {
    Rig *rig = rig_new ("eos-timeout=1000000");

    restart_with_open_held (rig);
    rig_push (rig, 0, 15);
    rig_eos (rig);
    end_loading (rig, how);
    rig_assert_result (rig, 1, 0, 1000, "dropped");
    rig_assert_result (rig, 2, 1000, 1500, "dropped");
    gst_element_set_state (rig->element, GST_STATE_NULL);
    rig_assert_no_result (rig);
    rig_free (rig);
  }
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
    g_autoptr (GstPad) pad = gst_element_get_static_pad (rig->element, "text_src");
    g_autoptr (GstStructure) stats = NULL;
    g_autoptr (JsonObject) json = NULL;

    rig_push (rig, 0, 11);
    rig_assert_result (rig, round * 3 + 1, 0, 1000, "stop");
    json = rig_pull_json (rig);
    g_assert_cmpint (json_object_get_int_member (json, "id"), ==, round * 3 + 1);
    gst_pad_push_event (pad, gst_event_new_eos ()); /* whoever is behind it is through */
    rig_push (rig, 11, 21);
    rig_assert_result (rig, round * 3 + 2, 1000, 2000, "stop");
    rig_await_text_lost (rig, 1);
    g_object_get (rig->element, "stats", &stats, NULL);
    g_assert_cmpuint (rig_uint64 (stats, "results"), ==, 2);
    gst_element_set_state (rig->element, GST_STATE_NULL); /* with the next segment open */
    g_assert_cmpuint (fake_open_backends (), ==, 0);
    gst_harness_play (rig->video);
    rig_set_caps (rig, "RGB", 8, 4, 10, 1);
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
  RULE (live_drops_the_oldest_that_waits);
  RULE (live_never_waits_while_loading);
  RULE (not_live_waits_for_room_and_loses_nothing);
  RULE (eos_waits_for_results);
  RULE (flush_cancels_the_answer);
  RULE (flush_frees_a_video_that_waits);
  RULE (flush_frees_an_eos_that_waits);
  RULE (a_seek_goes_upstream_once);
  RULE (backward_playback_is_refused_once);
  RULE (loading_is_told_and_passes_video);
  RULE (loading_that_fails_is_told);
  RULE (stopping_cancels_loading);
  RULE (what_was_given_up_while_loading_is_told);
  RULE (stopping_cancels_an_answer);
  RULE (stopping_frees_an_eos_that_waits);
  RULE (runs_again_after_null);
#undef RULE
  return g_test_run ();
}

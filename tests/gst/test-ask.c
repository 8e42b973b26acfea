/* The element is asked, not only telling: the action signal `ask`, against the fake back end. */
#include "gst/element/gstminivl.h"
#include "rig.h"

#include <math.h>
#include <string.h>

#define THREADS 4
#define ASKED_BY_EACH 5

static guint64
ask (Rig *rig, const gchar *prompt, gdouble n_seconds)
{
  guint64 id = G_MAXUINT64;

  g_signal_emit_by_name (rig->element, "ask", prompt, n_seconds, &id);
  return id;
}

static guint64
must_ask (Rig *rig, const gchar *prompt, gdouble n_seconds)
{
  guint64 id = ask (rig, prompt, n_seconds);

  g_assert_cmpuint (id, >, 0);
  return id;
}

/* Where more are asked at once than may wait. */
static guint64
ask_when_there_is_room (Rig *rig, const gchar *prompt)
{
  guint64 id;

  while ((id = ask (rig, prompt, 1)) == 0)
    g_usleep (1000); /* eight wait */
  return id;
}

static void
must_not_ask (Rig *rig, const gchar *prompt, gdouble n_seconds, const gchar *why)
{
  g_autoptr (GstMessage) warning = NULL;

  g_assert_cmpuint (ask (rig, prompt, n_seconds), ==, 0);
  warning = rig_await_message (rig, GST_MESSAGE_WARNING);
  rig_assert_error (warning, why);
}

static void
assert_kind (const GstStructure *s, const gchar *kind, guint64 id, const gchar *finish_reason)
{
  g_assert_cmpstr (gst_structure_get_string (s, "kind"), ==, kind);
  g_assert_cmpuint (rig_uint64 (s, "id"), ==, id);
  g_assert_cmpstr (gst_structure_get_string (s, "finish_reason"), ==, finish_reason);
}

static void
await_kind (Rig *rig, const gchar *kind, guint64 id, const gchar *finish_reason)
{
  g_autoptr (GstStructure) s = rig_await_result (rig);

  assert_kind (s, kind, id, finish_reason);
}

static GstBuffer *
next_with_meta (Rig *rig)
{
  for (;;) {
    GstBuffer *buffer = gst_harness_pull (rig->video);

    g_assert_nonnull (buffer);
    if (gst_buffer_get_custom_meta (buffer, "GstMinivlMeta") != NULL)
      return buffer;
    gst_buffer_unref (buffer);
  }
}

static void
test_an_answer_is_a_result_of_kind_question (void)
{
  Rig *rig = rig_new ("partial=true stream=door");
  g_autoptr (GstStructure) message = NULL;
  g_autoptr (GstMessage) partial = NULL;
  g_autoptr (JsonObject) json = NULL;
  g_autoptr (GstBuffer) buffer = NULL;
  guint64 id;

  rig_add_text (rig, NULL);
  rig_push (rig, 0, 9); /* the segment is open, frames 2 and 7 are sampled */
  fake_await (FAKE_ENCODE, 2);
  id = must_ask (rig, "Is {stream} open? {start} {stop} {n}", 1);
  do {
    gst_clear_message (&partial);
    partial = rig_await_message (rig, GST_MESSAGE_ELEMENT);
  } while (!gst_message_has_name (partial, "minivl-partial"));
  g_assert_cmpstr (gst_structure_get_string (gst_message_get_structure (partial), "kind"), ==, "question");
  message = rig_await_result (rig);
  json = rig_pull_json (rig);
  rig_push (rig, 9, 10);
  buffer = next_with_meta (rig);

  assert_kind (message, "question", id, "stop");
  assert_kind (gst_custom_meta_get_structure (gst_buffer_get_custom_meta (buffer, "GstMinivlMeta")), "question", id, "stop");
  g_assert_cmpstr (json_object_get_string_member (json, "kind"), ==, "question");
  g_assert_cmpint (json_object_get_int_member (json, "id"), ==, id);
  g_assert_cmpstr (json_object_get_string_member (json, "text"), ==, "answer 1");
  g_assert_cmpstr (json_object_get_string_member (json, "prompt"), ==, "Is door open? 0:00:00.200 0:00:00.900 1");
  g_assert_cmpuint (rig_uint64 (message, "segment_start"), ==, 200 * GST_MSECOND);
  g_assert_cmpuint (rig_uint64 (message, "segment_stop"), ==, 900 * GST_MSECOND);
  g_assert_cmpuint (rig_uint64 (message, "running_time"), ==, 900 * GST_MSECOND);
  g_assert_cmpint (json_array_get_int_element (json_object_get_array_member (json, "frames"), 1), ==, 700 * GST_MSECOND);
  rig_assert_frames (0, 2, 7, G_MAXUINT);
  g_assert_true (g_str_has_prefix (fake_question (0)->text, "Frame1: <image>\nFrame2: <image>\nIs door open?"));
  rig_free (rig);
}

/* Frame 2 was written at 1000 s since 1970. */
static void
test_its_time_of_day_is_that_of_its_first_frame (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstCaps) unix_time = gst_caps_new_empty_simple ("timestamp/x-unix");
  g_autoptr (GstStructure) s = NULL;

  for (guint i = 0; i < 9; i++) {
    GstBuffer *buffer = rig_frame (rig, i);

    gst_buffer_add_reference_timestamp_meta (
        buffer, unix_time, 1000 * GST_SECOND + (i * 100 - 200) * GST_MSECOND, GST_CLOCK_TIME_NONE);
    gst_harness_push (rig->video, buffer);
  }
  must_ask (rig, "{utc}", 1);
  s = rig_await_result (rig);
  g_assert_cmpstr (gst_structure_get_string (s, "utc"), ==, "1970-01-01T00:16:40.000Z");
  g_assert_cmpstr (gst_structure_get_string (s, "prompt"), ==, "1970-01-01T00:16:40.000Z");
  rig_free (rig);
}

static void
assert_asked (Rig *rig, guint n, gdouble n_seconds, guint first, guint second)
{
  must_ask (rig, "?", n_seconds);
  fake_await (FAKE_ASK, n + 1);
  if (second < G_MAXUINT)
    rig_assert_frames (n, first, second, G_MAXUINT);
  else
    rig_assert_frames (n, first, G_MAXUINT);
}

/* Sampled are 2, 7, 12 and so on, of which as many are kept as a segment has; the last frame ends at 2.9 s. */
static void
test_the_frames_are_those_of_the_last_seconds (void)
{
  Rig *rig = rig_new (NULL);

  rig_push (rig, 0, 29);
  fake_await (FAKE_ENCODE, 6);
  fake_await (FAKE_ASK, 2);
  assert_asked (rig, 2, 0.3, 27, G_MAXUINT);
  assert_asked (rig, 3, 0.7, 22, 27);
  assert_asked (rig, 4, 0, 27, G_MAXUINT); /* none is as new as that: the last one */
  assert_asked (rig, 5, 3600 * 24, 22, 27);
  assert_asked (rig, 6, G_MAXDOUBLE, 22, 27);
  g_assert_cmpuint (fake_count (FAKE_ENCODE), ==, 6);
  rig_free (rig);
}

/* Of 12, 17, 22 and 27, which all wait to be encoded, as many as a segment has. */
static void
test_of_many_frames_some_are_chosen_evenly (void)
{
  Rig *rig = rig_new_live (NULL);

  fake_hold (FAKE_ENCODE);
  rig_push (rig, 0, 29);
  fake_await (FAKE_ENCODE, 1);
  must_ask (rig, "?", 1.7);
  fake_release_all (FAKE_ENCODE);
  fake_await (FAKE_ASK, 1);
  rig_assert_frames (0, 17, 27, G_MAXUINT);
  rig_free (rig);
}

static void
test_a_frame_that_waits_is_encoded_once (void)
{
  Rig *rig = rig_new (NULL);
  guint64 id;

  fake_hold (FAKE_ENCODE);
  rig_push (rig, 0, 8);
  fake_await (FAKE_ENCODE, 1);
  id = must_ask (rig, "?", 1);
  fake_release_all (FAKE_ENCODE);
  await_kind (rig, "question", id, "stop");
  rig_assert_frames (0, 2, 7, G_MAXUINT);
  rig_push (rig, 8, 11);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_frames (1, 2, 7, G_MAXUINT);
  g_assert_cmpuint (fake_count (FAKE_ENCODE), ==, 2);
  rig_free (rig);
}

static void
test_a_question_goes_between_segments_and_no_two_before_one (void)
{
  Rig *rig = rig_new_live (NULL);
  guint64 first, second;

  fake_hold (FAKE_ASK);
  rig_push (rig, 0, 11);
  fake_await (FAKE_ASK, 1);
  rig_push (rig, 11, 29); /* 2 waits, 3 is open */
  first = must_ask (rig, "?", 1);
  second = must_ask (rig, "?", 1);
  fake_release_all (FAKE_ASK);
  await_kind (rig, "segment", 1, "stop");
  await_kind (rig, "question", first, "stop");
  await_kind (rig, "segment", 2, "stop");
  await_kind (rig, "question", second, "stop");
  rig_free (rig);
}

/* What segments say of themselves, apart from how long it took and the ids that questions take between. */
static GPtrArray *
describe_stream (guint ask_every)
{
  Rig *rig = rig_new ("segment-overlap=500000000 history-size=2 skip-similar=0");
  GPtrArray *said = g_ptr_array_new_with_free_func (g_free);
  guint questions = 0;

  fake_set_text ("the same");
  for (guint i = 0; i < 60; i++) {
    rig_push (rig, i, i + 1);
    if (ask_every > 0 && i > 5 && i % ask_every == 0) {
      ask_when_there_is_room (rig, "And now?");
      questions++;
    }
  }
  rig_eos (rig);
  for (;;) {
    g_autoptr (GstMessage) message = gst_bus_pop_filtered (rig->bus, GST_MESSAGE_ELEMENT);
    g_autoptr (GstStructure) s = NULL;

    if (message == NULL)
      break;
    if (!gst_message_has_name (message, "minivl"))
      continue;
    s = gst_structure_copy (gst_message_get_structure (message));
    if (g_str_equal (gst_structure_get_string (s, "kind"), "question")) {
      questions--;
      continue;
    }
    gst_structure_remove_fields (s, "id", "timings", "cached_tokens", NULL);
    g_ptr_array_add (said, gst_structure_to_string (s));
  }
  g_assert_cmpuint (questions, ==, 0);
  g_assert_cmpuint (fake_count (FAKE_ENCODE), ==, 12);
  rig_free (rig);
  return said;
}

static void
test_segments_are_not_disturbed (void)
{
  g_autoptr (GPtrArray) undisturbed = describe_stream (0), asked = describe_stream (3);

  g_assert_cmpuint (undisturbed->len, ==, 12);
  g_assert_cmpuint (asked->len, ==, undisturbed->len);
  for (guint i = 0; i < asked->len; i++)
    g_assert_cmpstr (g_ptr_array_index (asked, i), ==, g_ptr_array_index (undisturbed, i));
}

static void
test_a_question_is_neither_told_history_nor_asked_alerts (void)
{
  Rig *rig = rig_new ("history-size=2 alerts=fire?");
  guint64 id;

  rig_push (rig, 0, 11);
  await_kind (rig, "segment", 1, "stop");
  fake_await (FAKE_YES, 1);
  id = must_ask (rig, "?", 1);
  await_kind (rig, "question", id, "stop");
  rig_push (rig, 11, 21);
  await_kind (rig, "segment", 2, "stop");
  g_assert_cmpuint (fake_count (FAKE_YES), ==, 2);
  for (guint i = 0; i < fake_count (FAKE_ASK) + fake_count (FAKE_YES); i++) {
    const FakeQuestion *q = fake_question (i);

    if (g_str_has_suffix (q->text, "\n?"))
      g_assert_cmpuint (q->n_history, ==, 0);
    else if (q->n_history > 0) /* of the second segment */
      g_assert_cmpstr (q->history[q->n_history - 1].answer, ==, "answer 1");
  }
  rig_free (rig);
}

static void
test_a_question_counts_as_no_segment (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstStructure) stats = NULL;
  guint64 id;

  fake_set_timings (1000, 1000, 1000, 1000);
  rig_push (rig, 0, 11);
  await_kind (rig, "segment", 1, "stop");
  fake_set_timings (1000, 1000, 5000, 5000);
  id = must_ask (rig, "?", 1);
  await_kind (rig, "question", id, "stop");
  g_object_get (rig->element, "stats", &stats, NULL);
  g_assert_cmpuint (rig_uint64 (stats, "segments"), ==, 2); /* one of them open */
  g_assert_cmpuint (rig_uint64 (stats, "results"), ==, 2);
  g_assert_cmpuint (rig_uint64 (stats, "prefill"), ==, 1000);
  rig_free (rig);
}

static void
test_what_cannot_be_asked_is_0_and_a_warning (void)
{
  Rig *rig = rig_new (NULL);

  must_not_ask (rig, "?", 1, "no frame");
  rig_push (rig, 0, 2);
  must_not_ask (rig, "?", 1, "no frame"); /* none was sampled */
  rig_push (rig, 2, 3);
  must_not_ask (rig, NULL, 1, "prompt is empty");
  must_not_ask (rig, "", 1, "prompt is empty");
  must_not_ask (rig, "?", -1, "n_seconds");
  must_not_ask (rig, "?", NAN, "n_seconds");
  gst_element_set_state (rig->element, GST_STATE_NULL);
  must_not_ask (rig, "?", 1, "not running");
  rig_free (rig);
}

static void
test_no_more_wait_than_eight (void)
{
  Rig *rig = rig_new (NULL);
  guint64 ids[9];

  fake_hold (FAKE_ASK);
  rig_push (rig, 0, 3);
  ids[0] = must_ask (rig, "?", 1);
  fake_await (FAKE_ASK, 1); /* in hand: it does not wait any more */
  for (guint i = 1; i < G_N_ELEMENTS (ids); i++)
    ids[i] = must_ask (rig, "?", 1);
  must_not_ask (rig, "?", 1, "waiting");
  fake_release_all (FAKE_ASK);
  for (guint i = 0; i < G_N_ELEMENTS (ids); i++)
    await_kind (rig, "question", ids[i], "stop");
  rig_free (rig);
}

static void
test_a_flush_ends_questions_and_forgets (void)
{
  Rig *rig = rig_new (NULL);
  guint64 in_hand, waiting;

  rig_push (rig, 0, 8);
  fake_hold (FAKE_ASK);
  in_hand = must_ask (rig, "?", 1);
  fake_await (FAKE_ASK, 1);
  waiting = must_ask (rig, "?", 1);
  gst_harness_push_event (rig->video, gst_event_new_flush_start ());
  await_kind (rig, "question", in_hand, "flush");
  await_kind (rig, "question", waiting, "flush");
  must_not_ask (rig, "?", 1, "no frame");
  fake_release_all (FAKE_ASK);
  gst_harness_push_event (rig->video, gst_event_new_flush_stop (TRUE));
  await_kind (rig, "segment", 1, "flush");
  g_assert_cmpuint (fake_count_cancelled (FAKE_ASK), ==, 1);

  rig_push_segment (rig, 0, 0, 0);
  rig_push (rig, 100, 102);
  must_not_ask (rig, "?", 1000, "no frame");
  rig_push (rig, 102, 103);
  must_ask (rig, "?", 1000);
  fake_await (FAKE_ASK, 2);
  rig_assert_frames (1, 102, G_MAXUINT);
  rig_free (rig);
}

static void
test_the_end_of_the_element_ends_questions (void)
{
  Rig *rig = rig_new (NULL);
  guint64 in_hand, waiting;

  rig_push (rig, 0, 8);
  fake_hold (FAKE_ASK);
  in_hand = must_ask (rig, "?", 1);
  fake_await (FAKE_ASK, 1);
  waiting = must_ask (rig, "?", 1);
  gst_element_set_state (rig->element, GST_STATE_NULL);
  await_kind (rig, "question", in_hand, "flush");
  await_kind (rig, "question", waiting, "flush");
  rig_assert_no_result (rig);
  rig_free (rig);
}

/* With the model held that is loaded. */
static void
start_anew (Rig *rig)
{
  gst_element_set_state (rig->element, GST_STATE_NULL);
  fake_reset ();
  fake_hold (FAKE_OPEN);
  gst_harness_play (rig->video);
  rig_set_caps (rig, "RGB", 8, 4, 10, 1);
}

static void
test_a_model_that_fails_ends_questions (void)
{
  Rig *rig = rig_new (NULL);
  guint64 id;

  start_anew (rig);
  rig_push (rig, 0, 4);
  id = must_ask (rig, "?", 1);
  fake_fail_next (FAKE_OPEN, MINIVL_ERROR_FILE, "no such folder");
  fake_release_all (FAKE_OPEN);
  await_kind (rig, "question", id, "flush");
  must_not_ask (rig, "?", 1, "not running");
  rig_free (rig);
}

static void
test_eos_waits_for_answers (void)
{
  Rig *rig = rig_new (NULL);
  guint64 id;

  rig_push (rig, 0, 8);
  fake_hold (FAKE_ASK);
  id = must_ask (rig, "?", 1);
  rig_push_in_thread (rig, 8, 9);
  fake_await (FAKE_ASK, 1);
  fake_release_all (FAKE_ASK);
  g_assert_cmpint (rig_join (rig), ==, GST_FLOW_OK);
  await_kind (rig, "question", id, "stop");
  id = must_ask (rig, "?", 1); /* and can be asked behind it */
  await_kind (rig, "segment", 1, "stop");
  await_kind (rig, "question", id, "stop");
  rig_free (rig);
}

static void
test_eos_timeout_gives_questions_up (void)
{
  Rig *rig = rig_new ("eos-timeout=10000000");
  guint64 in_hand, waiting;

  rig_push (rig, 0, 8);
  fake_hold (FAKE_ASK);
  in_hand = must_ask (rig, "?", 1);
  fake_await (FAKE_ASK, 1);
  waiting = must_ask (rig, "?", 1);
  rig_eos (rig);
  await_kind (rig, "question", in_hand, "deadline");
  await_kind (rig, "segment", 1, "dropped");
  await_kind (rig, "question", waiting, "dropped");
  rig_free (rig);
}

static void
test_trouble_with_an_answer_is_its_own (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstMessage) warning = NULL;
  guint64 id;

  fake_fail_next (FAKE_ENCODE, MINIVL_ERROR_IMAGES, "cannot be read");
  rig_push (rig, 0, 3);
  fake_await (FAKE_ENCODE, 1);
  rig_push (rig, 3, 8);
  fake_await (FAKE_ENCODE, 2);
  id = must_ask (rig, "?", 1);
  await_kind (rig, "question", id, "stop");
  rig_assert_frames (0, 7, G_MAXUINT); /* and not frame 2 */
  fake_fail_next (FAKE_ASK, MINIVL_ERROR_BUDGET, "too long");
  id = must_ask (rig, "?", 1);
  warning = rig_await_message (rig, GST_MESSAGE_WARNING);
  rig_assert_error (warning, "no answer about question");
  await_kind (rig, "question", id, "error");
  rig_push (rig, 8, 21);
  await_kind (rig, "segment", 1, "error"); /* for frame 2 */
  await_kind (rig, "segment", 4, "stop");
  rig_free (rig);
}

/* It is for the question that the first frame is encoded, before which it is looked whether a segment fits. */
static void
test_a_question_too_long_for_the_context_is_no_fault_of_the_settings (void)
{
  Rig *rig = rig_new ("context-size=200");
  g_autofree gchar *longest = g_strnfill (10000, 'x');
  guint64 id;

  start_anew (rig);
  rig_push (rig, 0, 8);
  id = must_ask (rig, longest, 1);
  fake_release_all (FAKE_OPEN);
  await_kind (rig, "question", id, "stop"); /* the fake takes all */
  rig_push (rig, 8, 11);
  await_kind (rig, "segment", 1, "stop");
  rig_free (rig);
}

static void
test_pictures_of_a_lost_device_are_forgotten (void)
{
  Rig *rig = rig_new (NULL);
  guint64 asking, waiting, later;

  rig_push (rig, 0, 8);
  fake_await (FAKE_ENCODE, 2);
  fake_hold (FAKE_ASK);
  fake_fail_next (FAKE_ASK, MINIVL_ERROR_DEVICE, "the device was lost");
  asking = must_ask (rig, "?", 1);
  fake_await (FAKE_ASK, 1);
  waiting = must_ask (rig, "?", 1);
  fake_release_all (FAKE_ASK);
  await_kind (rig, "question", asking, "error");
  await_kind (rig, "question", waiting, "error");
  rig_push (rig, 8, 14);
  later = must_ask (rig, "?", 10);
  await_kind (rig, "segment", 1, "error");
  await_kind (rig, "question", later, "stop");
  rig_assert_frames (1, 12, G_MAXUINT);
  rig_free (rig);
}

static void
test_a_device_that_stays_lost_holds_no_question_up (void)
{
  Rig *rig = rig_new (NULL);
  guint64 asking, waiting;

  rig_push (rig, 0, 8);
  fake_await (FAKE_ENCODE, 2);
  fake_hold (FAKE_ASK);
  fake_fail_next (FAKE_ASK, MINIVL_ERROR_DEVICE, "the device was lost");
  fake_fail_times (FAKE_OPEN, MINIVL_ERROR_DEVICE, "no such device", G_MAXUINT);
  asking = must_ask (rig, "?", 1);
  fake_await (FAKE_ASK, 1);
  waiting = must_ask (rig, "?", 1);
  fake_release_all (FAKE_ASK);
  await_kind (rig, "question", asking, "error");
  await_kind (rig, "question", waiting, "error");
  rig_free (rig);
}

/* Frame 27 was sampled, but is not of the last seconds of a video that has gone back to 1.3 s. */
static void
test_after_a_step_back_what_lies_ahead_is_not_asked_about (void)
{
  Rig *rig = rig_new (NULL);

  rig_push (rig, 0, 29);
  fake_await (FAKE_ENCODE, 6);
  fake_await (FAKE_ASK, 2);
  rig_push (rig, 10, 13);
  fake_await (FAKE_ASK, 3);
  fake_await (FAKE_ENCODE, 7);
  assert_asked (rig, 3, 0.5, 12, G_MAXUINT);
  rig_free (rig);
}

typedef struct
{
  Rig *rig;
  guint64 ids[ASKED_BY_EACH];
} Asker;

static gpointer
ask_often (gpointer data)
{
  Asker *asker = data;

  for (guint i = 0; i < ASKED_BY_EACH; i++)
    asker->ids[i] = ask_when_there_is_room (asker->rig, "?");
  return NULL;
}

static void
test_from_any_thread_one_result_an_id (void)
{
  Rig *rig = rig_new (NULL);
  Asker askers[THREADS];
  GThread *threads[THREADS];
  g_autoptr (GHashTable) ids = g_hash_table_new (NULL, NULL);

  rig_push (rig, 0, 3);
  fake_await (FAKE_ENCODE, 1);
  for (guint i = 0; i < THREADS; i++) {
    askers[i].rig = rig;
    threads[i] = g_thread_new ("asker", ask_often, &askers[i]);
  }
  rig_push (rig, 3, 60);
  for (guint i = 0; i < THREADS; i++) {
    g_thread_join (threads[i]);
    for (guint k = 0; k < ASKED_BY_EACH; k++)
      g_assert_true (g_hash_table_add (ids, GUINT_TO_POINTER ((guint)askers[i].ids[k])));
  }
  rig_eos (rig);
  while (g_hash_table_size (ids) > 0) {
    g_autoptr (GstStructure) s = rig_await_result (rig);
    gboolean is_question = g_str_equal (gst_structure_get_string (s, "kind"), "question");

    g_assert_cmpint (g_hash_table_remove (ids, GUINT_TO_POINTER ((guint)rig_uint64 (s, "id"))), ==, is_question);
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

#define RULE(name) g_test_add_func ("/ask/" #name, test_##name)
  RULE (an_answer_is_a_result_of_kind_question);
  RULE (its_time_of_day_is_that_of_its_first_frame);
  RULE (the_frames_are_those_of_the_last_seconds);
  RULE (of_many_frames_some_are_chosen_evenly);
  RULE (a_frame_that_waits_is_encoded_once);
  RULE (a_question_goes_between_segments_and_no_two_before_one);
  RULE (segments_are_not_disturbed);
  RULE (a_question_is_neither_told_history_nor_asked_alerts);
  RULE (a_question_counts_as_no_segment);
  RULE (what_cannot_be_asked_is_0_and_a_warning);
  RULE (no_more_wait_than_eight);
  RULE (a_flush_ends_questions_and_forgets);
  RULE (the_end_of_the_element_ends_questions);
  RULE (a_model_that_fails_ends_questions);
  RULE (eos_waits_for_answers);
  RULE (eos_timeout_gives_questions_up);
  RULE (trouble_with_an_answer_is_its_own);
  RULE (a_question_too_long_for_the_context_is_no_fault_of_the_settings);
  RULE (pictures_of_a_lost_device_are_forgotten);
  RULE (a_device_that_stays_lost_holds_no_question_up);
  RULE (after_a_step_back_what_lies_ahead_is_not_asked_about);
  RULE (from_any_thread_one_result_an_id);
#undef RULE
  return g_test_run ();
}

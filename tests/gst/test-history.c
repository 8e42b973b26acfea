/* What the model is told of the segments before, when that is forgotten, and what never gets in. */
#include "gst/element/gstminivl.h"
#include "rig.h"

#define PROMPT "prompt=\"From {start}?\""

/* Asserts the rounds of the n-th question: pairs of prompt and answer, oldest first, ended by NULL. */
static void
assert_history (guint n, ...)
{
  const FakeQuestion *q = fake_question (n);
  const gchar *prompt;
  guint i = 0;
  va_list args;

  va_start (args, n);
  while ((prompt = va_arg (args, const gchar *)) != NULL) {
    g_assert_cmpuint (i, <, q->n_history);
    g_assert_cmpstr (q->history[i].prompt, ==, prompt);
    g_assert_cmpstr (q->history[i].answer, ==, va_arg (args, const gchar *));
    i++;
  }
  va_end (args);
  g_assert_cmpuint (i, ==, q->n_history);
}

/* Segments of a second, from the one that frame `from` begins on; they are answered. */
static void
push_segments (Rig *rig, guint from, guint n)
{
  rig_push (rig, from, from + 10 * n);
  rig_eos (rig);
}

static void
test_the_last_answers_are_told_oldest_first (void)
{
  Rig *rig = rig_new ("history-size=2 " PROMPT);

  push_segments (rig, 0, 4);
  assert_history (0, NULL);
  assert_history (1, "From 0:00:00.000?", "answer 1", NULL);
  assert_history (2, "From 0:00:00.000?", "answer 1", "From 0:00:01.000?", "answer 2", NULL);
  assert_history (3, "From 0:00:01.000?", "answer 2", "From 0:00:02.000?", "answer 3", NULL);
  g_assert_cmpstr (fake_question (3)->text, ==, "Frame1: <image>\nFrame2: <image>\nFrom 0:00:03.000?");
  g_assert_cmpuint (fake_question (3)->n_pictures, ==, 2);
  rig_free (rig);
}

static void
test_nothing_is_told_by_default (void)
{
  Rig *rig = rig_new (NULL);

  push_segments (rig, 0, 3);
  assert_history (2, NULL);
  rig_free (rig);
}

static void
test_marks_of_frames_are_not_told (void)
{
  Rig *rig = rig_new ("history-size=1 prompt=\"First <image>, then <image>: what?\"");

  push_segments (rig, 0, 2);
  assert_history (1, "First , then : what?", "answer 1", NULL);
  rig_free (rig);
}

static void
test_the_size_changes_while_playing (void)
{
  Rig *rig = rig_new ("history-size=3");
  g_object_set (rig->element, "prompt", "?", NULL);
  rig_push (rig, 0, 20);
  g_object_set (rig->element, "history-size", 1, NULL);
  rig_push (rig, 20, 30);
  g_object_set (rig->element, "history-size", 0, NULL);
  rig_push (rig, 30, 40);
  g_object_set (rig->element, "history-size", 32, NULL);
  push_segments (rig, 40, 2);
  assert_history (1, "?", "answer 1", NULL);
  assert_history (2, "?", "answer 2", NULL);
  assert_history (3, NULL);
  assert_history (4, "?", "answer 4", NULL);
  assert_history (5, "?", "answer 4", "?", "answer 5", NULL);
  rig_free (rig);
}

static void
test_what_got_no_answer_is_not_told (void)
{
  Rig *rig = rig_new ("history-size=8 prompt=?");

  fake_fail_next (FAKE_ASK, MINIVL_ERROR_MEMORY, "no");
  rig_push (rig, 0, 11);
  rig_assert_result (rig, 1, 0, 1000, "error");
  fake_set_text ("");
  rig_push (rig, 11, 21);
  rig_assert_result (rig, 2, 1000, 2000, "stop");
  fake_set_text ("Something.");
  rig_push (rig, 21, 40);
  rig_eos (rig);
  assert_history (2, NULL);
  assert_history (3, "?", "Something.", NULL);
  rig_free (rig);
}

static void
test_dropped_segments_are_not_told (void)
{
  Rig *rig = rig_new_live ("history-size=8 prompt=?");

  fake_hold (FAKE_ASK);
  rig_push (rig, 0, 11);
  fake_await (FAKE_ASK, 1);
  rig_push (rig, 11, 41); /* 2 is dropped; 3 and 4 wait */
  fake_release_all (FAKE_ASK);
  rig_eos (rig);
  assert_history (1, "?", "answer 1", NULL);
  assert_history (2, "?", "answer 1", "?", "answer 2", NULL);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_result (rig, 2, 1000, 2000, "dropped");
  rig_free (rig);
}

static void
test_what_a_deadline_cut_short_is_told_as_far_as_it_goes (void)
{
  Rig *rig = rig_new ("history-size=1 prompt=? deadline=3600000000000");

  fake_hold (FAKE_ASK);
  rig_push (rig, 0, 10);
  g_object_set (rig->element, "deadline", G_GUINT64_CONSTANT (0), NULL);
  rig_push (rig, 10, 11);
  rig_assert_result (rig, 1, 0, 1000, "deadline");
  fake_release_all (FAKE_ASK);
  push_segments (rig, 11, 1);
  assert_history (1, "?", "answer 1", NULL);
  rig_free (rig);
}

/* --- the context ------------------------------------------------------------------------------------------------------------- */

static void
test_rounds_that_do_not_fit_are_left_out_oldest_first (void)
{
  Rig *rig = rig_new ("history-size=8 " PROMPT);

  rig_push (rig, 0, 31);
  for (guint i = 0; i < 3; i++)
    rig_assert_result (rig, i + 1, i * 1000, (i + 1) * 1000, "stop");
  fake_fail_times (FAKE_ASK, MINIVL_ERROR_BUDGET, "too long", 2);
  push_segments (rig, 31, 1);
  rig_assert_result (rig, 4, 3000, 4000, "stop");
  assert_history (4, "From 0:00:01.000?", "answer 2", "From 0:00:02.000?", "answer 3", NULL);
  assert_history (5, "From 0:00:02.000?", "answer 3", NULL);
  rig_free (rig);
}

static void
test_a_question_that_does_not_fit_alone_is_an_error (void)
{
  Rig *rig = rig_new ("history-size=8");

  rig_push (rig, 0, 11);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  fake_fail_times (FAKE_ASK, MINIVL_ERROR_BUDGET, "too long", 2);
  rig_push (rig, 11, 21);
  rig_assert_result (rig, 2, 1000, 2000, "error");
  g_assert_cmpuint (fake_count (FAKE_ASK), ==, 3);
  rig_free (rig);
}

static void
test_other_errors_cost_no_rounds (void)
{
  Rig *rig = rig_new ("history-size=8 prompt=?");

  rig_push (rig, 0, 11);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  fake_fail_next (FAKE_ASK, MINIVL_ERROR_DEVICE, "lost");
  rig_push (rig, 11, 21);
  rig_assert_result (rig, 2, 1000, 2000, "error");
  g_assert_cmpuint (fake_count (FAKE_ASK), ==, 2);
  push_segments (rig, 21, 1); /* on the device that came back */
  assert_history (2, "?", "answer 1", NULL);
  rig_free (rig);
}

/* --- what is forgotten ------------------------------------------------------------------------------------------------------- */

static void
test_a_flush_forgets (void)
{
  Rig *rig = rig_new ("history-size=8 prompt=?");

  rig_push (rig, 0, 21);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_result (rig, 2, 1000, 2000, "stop");
  assert_history (1, "?", "answer 1", NULL);
  gst_harness_push_event (rig->video, gst_event_new_flush_start ());
  gst_harness_push_event (rig->video, gst_event_new_flush_stop (TRUE));
  rig_push_segment (rig, 0, 0, 0);
  push_segments (rig, 300, 2);
  assert_history (2, NULL);
  assert_history (3, "?", "answer 3", NULL);
  rig_free (rig);
}

static void
test_another_segment_forgets_and_a_continuation_does_not (void)
{
  Rig *rig = rig_new ("history-size=8 prompt=?");

  rig_push_segment (rig, 0, 0, 0);
  rig_push (rig, 0, 10);
  rig_push_segment (rig, 0, 0, 0); /* told again */
  rig_push (rig, 10, 20);
  rig_push_segment (rig, 0, 0, GST_SECOND); /* of a seek without a flush */
  push_segments (rig, 20, 1);
  assert_history (1, "?", "answer 1", NULL);
  assert_history (2, NULL);
  rig_free (rig);
}

static void
test_another_stream_forgets (void)
{
  Rig *rig = rig_new ("history-size=8");

  rig_push (rig, 0, 10);
  g_assert_true (gst_harness_push_event (rig->video, gst_event_new_stream_start ("another")));
  push_segments (rig, 10, 1);
  assert_history (1, NULL);
  rig_free (rig);
}

static void
test_null_forgets (void)
{
  Rig *rig = rig_new ("history-size=8");

  rig_push (rig, 0, 11);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  gst_element_set_state (rig->element, GST_STATE_NULL);
  gst_harness_play (rig->video);
  rig_set_caps (rig, "RGB", 8, 4, 10, 1);
  rig_push (rig, 0, 11);
  rig_assert_result (rig, 3, 0, 1000, "stop");
  assert_history (1, NULL);
  rig_free (rig);
}

/* A camera that stutters is the same camera. */
static void
test_a_jump_of_time_does_not_forget (void)
{
  Rig *rig = rig_new ("history-size=8 prompt=?");

  rig_push (rig, 0, 10);
  push_segments (rig, 500, 1);
  assert_history (1, "?", "answer 1", NULL);
  rig_free (rig);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  fake_reset ();
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));

#define RULE(name) g_test_add_func ("/history/" #name, test_##name)
  RULE (the_last_answers_are_told_oldest_first);
  RULE (nothing_is_told_by_default);
  RULE (marks_of_frames_are_not_told);
  RULE (the_size_changes_while_playing);
  RULE (what_got_no_answer_is_not_told);
  RULE (dropped_segments_are_not_told);
  RULE (what_a_deadline_cut_short_is_told_as_far_as_it_goes);
  RULE (rounds_that_do_not_fit_are_left_out_oldest_first);
  RULE (a_question_that_does_not_fit_alone_is_an_error);
  RULE (other_errors_cost_no_rounds);
  RULE (a_flush_forgets);
  RULE (another_segment_forgets_and_a_continuation_does_not);
  RULE (another_stream_forgets);
  RULE (null_forgets);
  RULE (a_jump_of_time_does_not_forget);
#undef RULE
  return g_test_run ();
}

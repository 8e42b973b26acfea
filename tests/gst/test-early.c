/* Frames that are prepared while their segment is still open: what is prepared, what comes before it, and that it changes no
 * answer. */
#include "gst/element/gstminivl.h"
#include "gst/worker/prompt.h"
#include "rig.h"

#include <string.h>

/* Two frames a segment of a second, 2 and 7 of its ten: pushes up to the one that is `behind` the n-th of them, from 0. */
static void
push_sample (Rig *rig, guint *pushed, guint n, guint behind)
{
  guint to = n / 2 * 10 + (n % 2 ? 8 : 3) + behind;

  rig_push (rig, *pushed, to);
  *pushed = to;
}

/* Segments of two frames each, every frame prepared before the next one comes; they are asked about. */
static void
push_prepared (Rig *rig, guint segments)
{
  guint pushed = 0;

  for (guint n = 0; n < 2 * segments; n++) {
    push_sample (rig, &pushed, n, 0);
    fake_await (FAKE_PREPARE, n + 1);
    if (n % 2 == 1) {
      rig_push (rig, pushed, n / 2 * 10 + 11);
      pushed = n / 2 * 10 + 11;
      fake_await (FAKE_ASK, n / 2 + 1);
    }
  }
}

/* The first n frames of a segment are being prepared, or have been. */
static void
await_prepared (guint n)
{
  guint calls = 0;

  do
    fake_await (FAKE_PREPARE, ++calls);
  while (fake_prepared (calls - 1)->n_pictures < n);
}

static guint64
stat (Rig *rig, const gchar *field)
{
  g_autoptr (GstStructure) stats = NULL;

  g_object_get (rig->element, "stats", &stats, NULL);
  return rig_uint64 (stats, field);
}

/* A prompt of the question's beginning is of use only if all that is in front of its end is the same. */
static void
assert_begins (const FakeQuestion *asked, const FakeQuestion *prepared)
{
  g_assert_true (g_str_has_prefix (asked->text, prepared->text));
  g_assert_cmpstr (asked->system, ==, prepared->system);
  g_assert_cmpuint (prepared->n_pictures, <=, asked->n_pictures);
  g_assert_cmpmem (asked->frames, prepared->n_pictures * sizeof (guint), prepared->frames, prepared->n_pictures * sizeof (guint));
  g_assert_cmpuint (asked->n_history, ==, prepared->n_history);
  for (guint i = 0; i < asked->n_history; i++) {
    g_assert_cmpstr (asked->history[i].prompt, ==, prepared->history[i].prompt);
    g_assert_cmpstr (asked->history[i].answer, ==, prepared->history[i].answer);
  }
  g_assert_cmpuint (asked->params.max_tokens, ==, prepared->params.max_tokens);
  g_assert_cmpuint (minivl_prompt_count_marks (prepared->text), ==, prepared->n_pictures);
}

static void
test_frames_are_prepared_as_they_come (void)
{
  Rig *rig = rig_new ("prompt=What?");

  push_prepared (rig, 1);
  g_assert_cmpstr (fake_prepared (0)->text, ==, "Frame1: <image>");
  g_assert_cmpuint (fake_prepared (0)->frames[0], ==, 2);
  g_assert_cmpstr (fake_prepared (1)->text, ==, "Frame1: <image>\nFrame2: <image>");
  g_assert_cmpuint (fake_prepared (1)->frames[1], ==, 7);
  g_assert_cmpuint (fake_count (FAKE_PREPARE), ==, 2);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  g_assert_cmpuint (stat (rig, "prepared"), ==, 1);
  g_assert_cmpuint (stat (rig, "cached_tokens"), ==, 5);
  rig_free (rig);
}

static void
test_what_is_asked_begins_with_what_was_prepared (void)
{
  /* How many pictures are prepared of a segment's two, where not all are. */
  static const struct
  {
    const gchar *properties;
    guint least;
  } cases[] = {
    { "history-size=2", 2 },
    { "system-prompt=\"You watch a yard.\" alerts=\"Is it dark?\" seed=3 temperature=1", 2 },
    { "prompt=\"At {start} of {stream}, {n}, {utc}: <image>, then <image>?\" history-size=1", 2 },
    { "prompt=\"First <image>. Until {stop}, <image>?\"", 1 },
    { "prompt=\"{label} until {stop}: <image> and <image>?\"", 0 },
    { "prompt=\"From {start} until {stop}?\"", 2 },
  };

  for (guint k = 0; k < G_N_ELEMENTS (cases); k++) {
    Rig *rig = rig_new (cases[k].properties);
    guint step = strstr (cases[k].properties, "alerts") != NULL ? 2 : 1;

    push_prepared (rig, 3);
    for (guint n = 0; n < 6; n++)
      assert_begins (fake_question (n / 2 * step), fake_prepared (n));
    for (guint n = 1; n < 6; n += 2)
      g_assert_cmpuint (fake_prepared (n)->n_pictures, ==, cases[k].least);
    rig_free (rig);
  }
}

static void
test_pictures_come_first (void)
{
  Rig *rig = rig_new (NULL);
  guint pushed = 0;

  fake_hold (FAKE_PREPARE);
  push_sample (rig, &pushed, 0, 0);
  fake_await (FAKE_PREPARE, 1);
  push_sample (rig, &pushed, 1, 0);
  fake_await (FAKE_ENCODE, 2);
  fake_await (FAKE_PREPARE, 2);
  g_assert_cmpuint (fake_count_cancelled (FAKE_PREPARE), ==, 1);
  g_assert_cmpuint (fake_prepared (1)->n_pictures, ==, 2);
  fake_release_all (FAKE_PREPARE);
  rig_push (rig, pushed, 11);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_free (rig);
}

static void
test_answers_come_first (void)
{
  Rig *rig = rig_new (NULL);
  guint pushed = 0;

  fake_hold (FAKE_PREPARE);
  push_sample (rig, &pushed, 1, 0);
  await_prepared (2);
  rig_push (rig, pushed, 11);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  g_assert_cmpuint (stat (rig, "prepared"), ==, 0);
  rig_free (rig);
}

static void
test_questions_come_first (void)
{
  Rig *rig = rig_new (NULL);
  guint pushed = 0;
  guint64 id;

  fake_hold (FAKE_PREPARE);
  push_sample (rig, &pushed, 0, 0);
  fake_await (FAKE_PREPARE, 1);
  g_signal_emit_by_name (rig->element, "ask", "Who?", 1.0, &id);
  gst_structure_free (rig_await_kind (rig, "question", 200, 300, "stop"));
  g_assert_cmpuint (fake_count_cancelled (FAKE_PREPARE), ==, 1);
  /* It goes on behind it. */
  fake_await (FAKE_PREPARE, 2);
  fake_release_all (FAKE_PREPARE);
  rig_free (rig);
}

/* All frames of several segments are there at once: nothing is idle. */
static void
test_nothing_is_prepared_while_there_is_work (void)
{
  Rig *rig = rig_new (NULL);

  fake_hold (FAKE_ENCODE);
  rig_push (rig, 0, 21);
  fake_release_all (FAKE_ENCODE);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_result (rig, 2, 1000, 2000, "stop");
  g_assert_cmpuint (fake_count (FAKE_PREPARE), ==, 0);
  rig_free (rig);
}

static void
test_a_flush_ends_it (void)
{
  Rig *rig = rig_new (NULL);
  guint pushed = 0, n, calls;

  fake_hold (FAKE_PREPARE);
  push_sample (rig, &pushed, 1, 0);
  await_prepared (2);
  n = fake_count_cancelled (FAKE_PREPARE);
  calls = fake_count (FAKE_PREPARE);
  gst_harness_push_event (rig->video, gst_event_new_flush_start ());
  fake_await_cancelled (FAKE_PREPARE, n + 1);
  gst_harness_push_event (rig->video, gst_event_new_flush_stop (TRUE));
  rig_assert_result (rig, 1, 0, 800, "flush");
  g_assert_cmpuint (fake_count (FAKE_PREPARE), ==, calls);
  fake_release_all (FAKE_PREPARE);
  rig_push_segment (rig, 0, 0, 0);
  pushed = 0;
  push_sample (rig, &pushed, 1, 0);
  rig_push (rig, pushed, 11);
  rig_assert_result (rig, 2, 0, 1000, "stop");
  rig_free (rig);
}

static void
test_a_stop_ends_it (void)
{
  Rig *rig = rig_new (NULL);
  guint pushed = 0;

  fake_hold (FAKE_PREPARE);
  push_sample (rig, &pushed, 1, 0);
  fake_await (FAKE_PREPARE, 1);
  rig_free (rig);
  g_assert_cmpuint (fake_count_cancelled (FAKE_PREPARE), >=, 1);
}

/* The last segment is cut short, and its frames have been prepared. */
static void
test_a_short_last_segment_is_asked_about_what_it_has (void)
{
  Rig *rig = rig_new ("prompt=What?");
  guint pushed = 0;

  push_sample (rig, &pushed, 0, 1);
  fake_await (FAKE_PREPARE, 1);
  rig_eos (rig);
  rig_assert_result (rig, 1, 0, 400, "stop");
  assert_begins (fake_question (0), fake_prepared (0));
  g_assert_cmpstr (fake_question (0)->text, ==, "Frame1: <image>\nWhat?");
  g_assert_cmpuint (stat (rig, "prepared"), ==, 1);
  rig_free (rig);
}

/* The prompt that the event brings has marks of its own, so that nothing of what was prepared is of use. */
static void
test_a_prompt_of_the_moment_is_asked_as_it_is (void)
{
  Rig *rig = rig_new (NULL);
  guint pushed = 0;

  push_sample (rig, &pushed, 0, 1);
  fake_await (FAKE_PREPARE, 1);
  gst_harness_push_event (
      rig->video, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM,
                      gst_structure_new ("minivl-segment", "prompt", G_TYPE_STRING, "Who is in <image>?", NULL)));
  rig_assert_result (rig, 1, 0, 400, "stop");
  g_assert_cmpstr (fake_question (0)->text, ==, "Who is in <image>?");
  rig_free (rig);
}

/* What fails is left to the question; the next frame is tried again. */
static void
test_failures_are_left_to_the_question (void)
{
  Rig *rig = rig_new (NULL);

  fake_fail_times (FAKE_PREPARE, MINIVL_ERROR_BUDGET, "too much", 3);
  push_prepared (rig, 2);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_result (rig, 2, 1000, 2000, "stop");
  for (guint n = 0; n < 4; n++)
    g_assert_cmpuint (fake_prepared (n)->n_pictures, ==, 1 + n % 2);
  g_assert_cmpuint (stat (rig, "prepared"), ==, 1);
  rig_assert_no_warning (rig);
  rig_free (rig);
}

static void
test_a_device_that_is_lost_is_opened_again (void)
{
  Rig *rig = rig_new (NULL);
  guint pushed = 0;

  fake_fail_next (FAKE_PREPARE, MINIVL_ERROR_DEVICE, "the device was lost");
  push_sample (rig, &pushed, 0, 0);
  fake_await (FAKE_OPEN, 2);
  push_sample (rig, &pushed, 1, 0);
  fake_await (FAKE_PREPARE, 2);
  rig_push (rig, pushed, 11);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  g_assert_cmpuint (fake_question (0)->n_pictures, ==, 1); /* the other one went with the device */
  g_assert_cmpuint (fake_prepared (1)->n_pictures, ==, 1);
  g_assert_cmpuint (fake_prepared (1)->frames[0], ==, 7);
  rig_free (rig);
}

static gint last_compared; /* atomic */

/* Frame 27 shows something new. */
static double
until_27 (guint a, guint b)
{
  g_atomic_int_set (&last_compared, b);
  return b == 27 ? 0.5 : 0.95;
}

static void
push_compared (Rig *rig, guint *pushed, guint n)
{
  push_sample (rig, pushed, n, 0);
  while (g_atomic_int_get (&last_compared) != n / 2 * 10 + (n % 2 ? 7 : 2))
    g_thread_yield ();
}

/* A quiet scene is not to cost anything. */
static void
test_what_shows_nothing_new_is_not_prepared (void)
{
  Rig *rig = rig_new ("skip-similar=0.9");
  guint pushed = 0, calls;

  fake_set_similarity (until_27);
  rig_push (rig, 0, 11);
  pushed = 11;
  rig_await_second (rig, 0, "stop");
  calls = fake_count (FAKE_PREPARE);
  for (guint n = 2; n < 5; n++)
    push_compared (rig, &pushed, n);
  rig_await_second (rig, 1, "unchanged");
  push_compared (rig, &pushed, 5);
  fake_await (FAKE_PREPARE, calls + 1);
  g_assert_cmpuint (fake_prepared (calls)->n_pictures, ==, 2);
  g_assert_cmpuint (fake_prepared (calls)->frames[1], ==, 27);
  rig_free (rig);
}

static void
test_a_beginning_ends_before_what_is_not_known (void)
{
  static const struct
  {
    const gchar *prompt, *begins;
    guint pictures, known; /* of them */
  } cases[] = {
    { "What?", "Frame1: <image>\nFrame2: <image>", 2, 2 },
    { "From {start} to {stop}, {label}?", "Frame1: <image>", 1, 1 },
    { "{n}: <image> {utc} <image>, <image>?", "4: <image> unknown <image>", 2, 2 },
    { "<image> {stream} <image>", "<image> s <image>", 2, 2 },
    { "<image> {label} <image> {stop} <image>?", "<image>", 3, 1 },
    { "<image> {stop} <image> {label} <image>?", "<image>", 3, 1 },
    { "{label}: <image>", "", 1, 0 },
    { "One <image>", "One <image>", 2, 1 },
    { "What?", "", 0, 0 },
  };
  const PromptFacts facts = { .number = 4, .stream = "s", .label = "person" };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    guint n = cases[i].pictures;
    g_autofree gchar *text = prompt_begin (cases[i].prompt, &facts, &n);

    g_assert_cmpstr (text, ==, cases[i].begins);
    g_assert_cmpuint (n, ==, cases[i].known);
  }
}

/* What is in front of the second one's frames is the answer to the first, if it is told of it. */
static void
test_overlapping_segments_wait_for_what_they_are_told (void)
{
  for (guint history = 0; history < 2; history++) {
    g_autofree gchar *properties = g_strdup_printf ("segment-overlap=500000000 history-size=%u", history);
    Rig *rig = rig_new (properties);

    rig_push (rig, 0, 3);
    fake_await (FAKE_PREPARE, 1);
    rig_push (rig, 3, 8); /* frame 7 is the second one of the first, and the first one of the second */
    fake_await (FAKE_PREPARE, 3 - history);
    rig_push (rig, 8, 11);
    fake_await (FAKE_PREPARE, 3);
    rig_push (rig, 11, 16);
    fake_await (FAKE_ASK, 2);
    assert_begins (fake_question (0), fake_prepared (1));
    assert_begins (fake_question (1), fake_prepared (2));
    g_assert_cmpuint (fake_prepared (2)->n_history, ==, history);
    rig_free (rig);
  }
}

static void
test_the_whole_question_is_expected (void)
{
  Rig *rig = rig_new ("prompt=What? system-prompt=Yard. history-size=1");

  fake_set_frame_tokens (100);
  push_prepared (rig, 2);
  /* 20 tokens of the chat's own, four bytes each of the rest, and three a picture beside its 100 */
  g_assert_cmpuint (fake_prepared (0)->expected, ==, 20 + (strlen ("Frame1: \nFrame2: \nWhat?Yard.") + 3) / 4 + 2 * 103);
  g_assert_cmpuint (fake_prepared (1)->expected, ==, fake_prepared (0)->expected);
  g_assert_cmpuint (
      fake_prepared (2)->expected, ==, 20 + (strlen ("Frame1: \nFrame2: \nWhat?Yard.What?answer 1") + 3) / 4 + 2 * 103);
  rig_free (rig);
}

/* As when it is asked. */
static void
test_rounds_that_do_not_fit_are_left_out (void)
{
  Rig *rig = rig_new ("prompt=What? system-prompt=\"\" history-size=4 context-size=150 max-tokens=10");
  g_autofree gchar *text = g_strnfill (150, 'x');

  fake_set_frame_tokens (20);
  fake_set_text (text);
  push_prepared (rig, 4);
  g_assert_cmpuint (fake_prepared (2)->n_history, ==, 1);
  g_assert_cmpuint (fake_prepared (6)->n_history, ==, 1);
  g_assert_true (fake_prepared (6)->expected + 10 <= 150);
  rig_free (rig);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  GST_ELEMENT_REGISTER (minivl_fake, NULL);
#define RULE(name) g_test_add_func ("/early/" #name, test_##name)
  RULE (frames_are_prepared_as_they_come);
  RULE (what_is_asked_begins_with_what_was_prepared);
  RULE (pictures_come_first);
  RULE (answers_come_first);
  RULE (questions_come_first);
  RULE (nothing_is_prepared_while_there_is_work);
  RULE (a_flush_ends_it);
  RULE (a_stop_ends_it);
  RULE (a_short_last_segment_is_asked_about_what_it_has);
  RULE (a_prompt_of_the_moment_is_asked_as_it_is);
  RULE (failures_are_left_to_the_question);
  RULE (a_device_that_is_lost_is_opened_again);
  RULE (what_shows_nothing_new_is_not_prepared);
  RULE (overlapping_segments_wait_for_what_they_are_told);
  RULE (a_beginning_ends_before_what_is_not_known);
  RULE (the_whole_question_is_expected);
  RULE (rounds_that_do_not_fit_are_left_out);
#undef RULE
  return g_test_run ();
}

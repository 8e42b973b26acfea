/* Which segments are not asked about because they show what was described already, and what that leaves behind. */
#include "gst/element/gstminivl.h"
#include "rig.h"

/* Two frames a segment, 2 and 7 of its ten. */
#define FIRST_FRAME(frame) ((frame) % 10 == 2)

static double
always (guint a, guint b)
{
  return 0.9;
}

static double
first_frame_differs (guint a, guint b)
{
  return FIRST_FRAME (a) ? 0.5 : 1;
}

/* Something comes in frame 20 and stays. */
static double
since_20 (guint a, guint b)
{
  return (a < 20) == (b < 20) ? 1 : 0;
}

/* Each is like the one before, and less like the one before that. */
static double
drifts (guint a, guint b)
{
  return 1 - 0.1 * (ABS ((gint)a - (gint)b) / 10);
}

static void
assert_result (Rig *rig, guint64 id, const gchar *finish_reason, guint64 same_as)
{
  g_autoptr (GstStructure) s = rig_await_result (rig);

  g_assert_cmpuint (rig_uint64 (s, "id"), ==, id);
  g_assert_cmpstr (gst_structure_get_string (s, "finish_reason"), ==, finish_reason);
  g_assert_cmpint (gst_structure_has_field (s, "same_as"), ==, same_as > 0);
  if (same_as > 0)
    g_assert_cmpuint (rig_uint64 (s, "same_as"), ==, same_as);
}

static Rig *
make (const gchar *properties, double (*similarity) (guint a, guint b))
{
  Rig *rig = rig_new (properties);

  fake_set_similarity (similarity);
  return rig;
}

static void
test_what_shows_the_same_is_unchanged_and_not_asked (void)
{
  Rig *rig = make ("skip-similar=0.9", always);
  g_autoptr (GstStructure) s = NULL;
  g_autoptr (GstStructure) timings = NULL;

  rig_push (rig, 0, 11);
  assert_result (rig, 1, "stop", 0);
  rig_push (rig, 11, 21);
  s = rig_await_result (rig);
  g_assert_cmpstr (gst_structure_get_string (s, "finish_reason"), ==, "unchanged");
  g_assert_cmpuint (rig_uint64 (s, "same_as"), ==, 1);
  g_assert_cmpstr (gst_structure_get_string (s, "text"), ==, "");
  g_assert_cmpuint (gst_value_array_get_size (gst_structure_get_value (s, "frames")), ==, 2);
  g_assert_cmpuint (gst_value_array_get_size (gst_structure_get_value (s, "tiles")), ==, 2);
  g_assert_false (gst_structure_has_field (s, "prompt_tokens"));
  g_assert_true (gst_structure_get (s, "timings", GST_TYPE_STRUCTURE, &timings, NULL));
  g_assert_cmpuint (rig_uint64 (timings, "encode"), ==, 2 * 2000);
  g_assert_cmpuint (rig_uint64 (timings, "prefill"), ==, 0);
  g_assert_cmpuint (rig_uint64 (timings, "decode"), ==, 0);
  g_assert_cmpuint (fake_count (FAKE_ENCODE), ==, 4);
  g_assert_cmpuint (fake_count (FAKE_ASK), ==, 1);
  rig_free (rig);
}

static void
test_nothing_is_skipped_by_default (void)
{
  Rig *rig = make (NULL, always);

  rig_push (rig, 0, 31);
  for (guint i = 1; i <= 3; i++)
    assert_result (rig, i, "stop", 0);
  rig_free (rig);
}

static void
test_the_frame_that_differs_most_counts (void)
{
  Rig *rig = make ("skip-similar=0.51", first_frame_differs);

  rig_push (rig, 0, 21);
  assert_result (rig, 1, "stop", 0);
  assert_result (rig, 2, "stop", 0);
  g_object_set (rig->element, "skip-similar", 0.5, NULL);
  rig_push (rig, 21, 41); /* 3 is open already */
  assert_result (rig, 3, "stop", 0);
  assert_result (rig, 4, "unchanged", 3);
  rig_free (rig);
}

static void
test_segments_are_held_against_the_last_described (void)
{
  Rig *rig = make ("skip-similar=0.85", drifts);

  rig_push (rig, 0, 51);
  assert_result (rig, 1, "stop", 0);
  assert_result (rig, 2, "unchanged", 1);
  assert_result (rig, 3, "stop", 0);
  assert_result (rig, 4, "unchanged", 3);
  assert_result (rig, 5, "stop", 0);
  rig_free (rig);
}

static void
test_what_comes_and_stays_is_described_once (void)
{
  Rig *rig = make ("skip-similar=0.9", since_20);

  rig_push (rig, 0, 51);
  assert_result (rig, 1, "stop", 0);
  assert_result (rig, 2, "unchanged", 1);
  assert_result (rig, 3, "stop", 0);
  assert_result (rig, 4, "unchanged", 3);
  assert_result (rig, 5, "unchanged", 3);
  rig_free (rig);
}

static void
test_another_number_of_frames_is_not_similar (void)
{
  Rig *rig = make ("skip-similar=0.1", always);

  rig_push (rig, 0, 13);
  rig_eos (rig); /* before the second frame of 2 */
  assert_result (rig, 1, "stop", 0);
  assert_result (rig, 2, "stop", 0);
  rig_free (rig);
}

static void
test_another_question_is_asked (void)
{
  Rig *rig = make ("skip-similar=0.9 prompt=\"{n}?\"", always);

  rig_push (rig, 0, 20);
  g_object_set (rig->element, "prompt", "Who?", NULL);
  rig_push (rig, 20, 40);
  g_object_set (rig->element, "system-prompt", "You are a guard.", NULL);
  rig_push (rig, 40, 60);
  g_object_set (rig->element, "alerts", "Is anyone there?", NULL);
  rig_push (rig, 60, 81);
  assert_result (rig, 1, "stop", 0);
  assert_result (rig, 2, "unchanged", 1);
  assert_result (rig, 3, "stop", 0);
  assert_result (rig, 4, "unchanged", 3);
  assert_result (rig, 5, "stop", 0);
  assert_result (rig, 6, "unchanged", 5);
  assert_result (rig, 7, "stop", 0);
  assert_result (rig, 8, "unchanged", 7);
  rig_free (rig);
}

static void
test_what_got_no_answer_stands_for_nothing (void)
{
  Rig *rig = make ("skip-similar=0.9", always);

  fake_fail_next (FAKE_ASK, MINIVL_ERROR_MEMORY, "no");
  rig_push (rig, 0, 11);
  assert_result (rig, 1, "error", 0);
  fake_set_text ("");
  rig_push (rig, 11, 21);
  assert_result (rig, 2, "stop", 0);
  fake_set_text ("A yard.");
  rig_push (rig, 21, 41);
  assert_result (rig, 3, "stop", 0);
  assert_result (rig, 4, "unchanged", 3);
  rig_free (rig);
}

static void
test_a_flush_is_followed_by_a_description (void)
{
  Rig *rig = make ("skip-similar=0.9", always);

  rig_push (rig, 0, 11);
  assert_result (rig, 1, "stop", 0);
  gst_harness_push_event (rig->video, gst_event_new_flush_start ());
  gst_harness_push_event (rig->video, gst_event_new_flush_stop (TRUE));
  assert_result (rig, 2, "flush", 0);
  rig_push_segment (rig, 0, 0, 0);
  rig_push (rig, 100, 121);
  assert_result (rig, 3, "stop", 0);
  assert_result (rig, 4, "unchanged", 3);
  rig_free (rig);
}

/* Its pictures are of an engine that is gone. */
static void
test_a_lost_device_is_followed_by_a_description (void)
{
  Rig *rig = make ("skip-similar=0.9", always);

  rig_push (rig, 0, 11);
  assert_result (rig, 1, "stop", 0);
  g_object_set (rig->element, "prompt", "Who?", NULL);
  rig_push (rig, 11, 21); /* unchanged: it was open already */
  assert_result (rig, 2, "unchanged", 1);
  fake_fail_next (FAKE_ASK, MINIVL_ERROR_DEVICE, "lost");
  rig_push (rig, 21, 31);
  assert_result (rig, 3, "error", 0);
  fake_await (FAKE_OPEN, 2);
  g_object_set (rig->element, "prompt", NULL, NULL); /* as 1 was asked */
  rig_push (rig, 31, 51);
  assert_result (rig, 4, "stop", 0);
  assert_result (rig, 5, "stop", 0);
  rig_free (rig);
}

static void
test_pictures_are_kept_only_while_the_property_is_set (void)
{
  static const gchar *const texts[] = { "A yard.", "" };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    Rig *rig = make ("skip-similar=0.9", always);

    rig_push (rig, 0, 10);
    g_object_set (rig->element, "skip-similar", 0.0, NULL);
    rig_push (rig, 10, 11);
    assert_result (rig, 1, "stop", 0);
    fake_set_text (texts[i]);
    rig_push (rig, 11, 20);
    g_object_set (rig->element, "skip-similar", 0.9, NULL);
    rig_push (rig, 20, 31);
    assert_result (rig, 2, "stop", 0);
    assert_result (rig, 3, "stop", 0); /* neither 1 nor 2 is there to hold it against */
    rig_free (rig);
  }
}

static void
test_plain_text_says_nothing_and_json_what_it_resembles (void)
{
  Rig *rig = make ("skip-similar=0.9", always);
  g_autoptr (JsonObject) first = NULL;
  g_autoptr (JsonObject) second = NULL;
  g_autofree gchar *text = NULL;

  rig_add_text (rig, NULL);
  rig_push (rig, 0, 21);
  first = rig_pull_json (rig);
  second = rig_pull_json (rig);
  g_assert_true (json_object_get_null_member (first, "same_as"));
  g_assert_cmpint (json_object_get_int_member (second, "same_as"), ==, 1);
  g_assert_cmpstr (json_object_get_string_member (second, "text"), ==, "");
  rig_free (rig);

  rig = make ("skip-similar=0.9", since_20);
  rig_add_text (rig, "text/x-raw,format=utf8");
  rig_push (rig, 0, 31);
  rig_eos (rig);
  text = rig_pull_text (rig);
  g_assert_cmpstr (text, ==, "answer 1");
  g_clear_pointer (&text, g_free);
  text = rig_pull_text (rig);
  g_assert_cmpstr (text, ==, "answer 2");
  rig_free (rig);
}

static void
test_unchanged_segments_are_not_told_as_history (void)
{
  Rig *rig = make ("skip-similar=0.9 history-size=8", since_20);

  rig_push (rig, 0, 30);
  rig_eos (rig);
  g_assert_cmpuint (fake_count (FAKE_ASK), ==, 2);
  g_assert_cmpuint (fake_question (1)->n_history, ==, 1);
  g_assert_cmpstr (fake_question (1)->history[0].answer, ==, "answer 1");
  rig_free (rig);
}

static void
test_stats_tell_what_a_quiet_scene_costs (void)
{
  Rig *rig = make ("skip-similar=0.9", always);
  g_autoptr (GstStructure) stats = NULL;
  double rate;

  rig_push (rig, 0, 40);
  rig_eos (rig);
  g_object_get (rig->element, "stats", &stats, NULL);
  g_assert_cmpuint (rig_uint64 (stats, "results"), ==, 4);
  g_assert_cmpuint (rig_uint64 (stats, "unchanged"), ==, 3);
  g_assert_cmpuint (rig_uint64 (stats, "preprocess"), ==, 2 * 1000);
  g_assert_cmpuint (rig_uint64 (stats, "encode"), ==, 2 * 2000);
  g_assert_cmpuint (rig_uint64 (stats, "prefill"), ==, 3000 / 4);
  g_assert_cmpuint (rig_uint64 (stats, "decode"), ==, 4000 / 4);
  g_assert_true (gst_structure_get_double (stats, "decode_tokens_per_second", &rate));
  g_assert_cmpfloat_with_epsilon (rate, 7 / 4e-6, 1); /* of what was decoded */
  rig_free (rig);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  fake_reset ();
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));

#define RULE(name) g_test_add_func ("/similar/" #name, test_##name)
  RULE (what_shows_the_same_is_unchanged_and_not_asked);
  RULE (nothing_is_skipped_by_default);
  RULE (the_frame_that_differs_most_counts);
  RULE (segments_are_held_against_the_last_described);
  RULE (what_comes_and_stays_is_described_once);
  RULE (another_number_of_frames_is_not_similar);
  RULE (another_question_is_asked);
  RULE (what_got_no_answer_stands_for_nothing);
  RULE (a_flush_is_followed_by_a_description);
  RULE (a_lost_device_is_followed_by_a_description);
  RULE (pictures_are_kept_only_while_the_property_is_set);
  RULE (plain_text_says_nothing_and_json_what_it_resembles);
  RULE (unchanged_segments_are_not_told_as_history);
  RULE (stats_tell_what_a_quiet_scene_costs);
#undef RULE
  return g_test_run ();
}

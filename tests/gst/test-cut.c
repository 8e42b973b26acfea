/* Somebody sees that something happens, and says so in the stream: the event `minivl-segment`, against the fake back end. */
#include "gst/element/gstminivl.h"
#include "rig.h"

#include <string.h>

static void
send_cut (Rig *rig, const gchar *prompt)
{
  GstStructure *s = gst_structure_new_empty ("minivl-segment");

  if (prompt != NULL)
    gst_structure_set (s, "prompt", G_TYPE_STRING, prompt, NULL);
  g_assert_true (gst_harness_push_event (rig->video, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM, s)));
}

static void
test_the_event_ends_the_segment_at_once (void)
{
  Rig *rig = rig_new ("prompt=old");

  rig_push (rig, 0, 5);
  send_cut (rig, "Who is at {stream} at {stop}?");
  rig_assert_result (rig, 1, 0, 500, "stop");
  rig_assert_frames (0, 2, G_MAXUINT);
  g_assert_nonnull (strstr (fake_question (0)->text, "Who is at m at 0:00:00.500?"));
  rig_push (rig, 7, 18);
  rig_assert_result (rig, 2, 700, 1700, "stop");
  g_assert_true (g_str_has_suffix (fake_question (1)->text, "old"));
  rig_free (rig);
}

/* As an application does that has the element at hand, and no pad in front of it. */
static void
test_the_event_can_be_sent_to_the_element (void)
{
  Rig *rig = rig_new (NULL);

  rig_push (rig, 0, 5);
  g_assert_true (gst_element_send_event (
      rig->element, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty ("minivl-segment"))));
  rig_assert_result (rig, 1, 0, 500, "stop");
  rig_free (rig);
}

static void
test_the_event_needs_no_prompt (void)
{
  Rig *rig = rig_new ("prompt=old");

  rig_push (rig, 0, 5);
  send_cut (rig, NULL);
  rig_assert_result (rig, 1, 0, 500, "stop");
  g_assert_true (g_str_has_suffix (fake_question (0)->text, "old"));
  rig_free (rig);
}

static void
test_the_event_goes_on (void)
{
  Rig *rig = rig_new (NULL);
  GstEvent *event;

  rig_push (rig, 0, 1);
  send_cut (rig, "?");
  do {
    event = gst_harness_pull_event (rig->video);
    g_assert_nonnull (event);
    if (GST_EVENT_TYPE (event) == GST_EVENT_CUSTOM_DOWNSTREAM)
      break;
    gst_event_unref (event);
  } while (TRUE);
  g_assert_true (gst_event_has_name (event, "minivl-segment"));
  g_assert_cmpstr (gst_structure_get_string (gst_event_get_structure (event), "prompt"), ==, "?");
  gst_event_unref (event);
  rig_free (rig);
}

/* Whatever is open has seen what happened; each is a result, as after a jump. */
static void
test_the_event_ends_all_that_overlap (void)
{
  Rig *rig = rig_new ("segment-overlap=500000000 prompt=old");

  rig_push (rig, 0, 8);
  send_cut (rig, "new");
  rig_assert_result (rig, 1, 0, 800, "stop");
  rig_assert_result (rig, 2, 500, 800, "stop");
  g_assert_true (g_str_has_suffix (fake_question (0)->text, "new"));
  g_assert_true (g_str_has_suffix (fake_question (1)->text, "new"));
  rig_push (rig, 8, 19);
  rig_assert_result (rig, 3, 800, 1800, "stop");
  g_assert_true (g_str_has_suffix (fake_question (2)->text, "old"));
  rig_free (rig);
}

static void
test_without_an_open_segment_the_event_is_nothing (void)
{
  Rig *rig = rig_new ("prompt=old");

  send_cut (rig, "new");
  rig_push (rig, 0, 5);
  send_cut (rig, "newer");
  send_cut (rig, "newest");
  rig_push (rig, 5, 16);
  rig_assert_result (rig, 1, 0, 500, "stop");
  rig_assert_result (rig, 2, 500, 1500, "stop");
  g_assert_true (g_str_has_suffix (fake_question (0)->text, "newer"));
  g_assert_true (g_str_has_suffix (fake_question (1)->text, "old"));
  rig_free (rig);
}

static void
test_other_events_of_that_kind_are_not_meant (void)
{
  Rig *rig = rig_new (NULL);

  rig_push (rig, 0, 5);
  gst_harness_push_event (rig->video, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty ("motion")));
  gst_harness_push_event (rig->video, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM, NULL));
  rig_push (rig, 5, 11);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_free (rig);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  fake_reset ();
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));

#define RULE(name) g_test_add_func ("/cut/" #name, test_##name)
  RULE (the_event_ends_the_segment_at_once);
  RULE (the_event_can_be_sent_to_the_element);
  RULE (the_event_needs_no_prompt);
  RULE (the_event_goes_on);
  RULE (the_event_ends_all_that_overlap);
  RULE (without_an_open_segment_the_event_is_nothing);
  RULE (other_events_of_that_kind_are_not_meant);
#undef RULE
  return g_test_run ();
}

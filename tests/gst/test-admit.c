/* Buffers that lack something: what is an error, and what passes without being looked at. */
#include "gst/element/gstminivl.h"
#include "gst/overlay/gstminivloverlay.h"
#include "rig.h"

#include <gst/video/video.h>

/* As many as the element waits for a PTS. */
#define FIRST_BUFFERS 10

static GstBuffer *
untimed_frame (Rig *rig, guint number)
{
  GstBuffer *buffer = rig_frame (rig, number);

  GST_BUFFER_PTS (buffer) = GST_BUFFER_DURATION (buffer) = GST_CLOCK_TIME_NONE;
  return buffer;
}

static void
push_untimed (Rig *rig, guint from, guint to)
{
  for (guint i = from; i < to; i++)
    g_assert_cmpint (gst_harness_push (rig->video, untimed_frame (rig, i)), ==, GST_FLOW_OK);
}

static void
assert_untimed (Rig *rig, guint64 n)
{
  g_autoptr (GstStructure) stats = NULL;

  g_object_get (rig->element, "stats", &stats, NULL);
  g_assert_cmpuint (rig_uint64 (stats, "untimed"), ==, n);
}

/* --- caps -------------------------------------------------------------------------------------------------------------------- */

static void
test_no_caps_with (const gchar *properties)
{
  Rig *rig = rig_new (properties);
  GstPad *src = rig->video->srcpad;
  g_autoptr (GstMessage) error = NULL;
  GstSegment segment;

  gst_element_set_state (rig->element, GST_STATE_NULL);
  gst_pad_set_active (src, FALSE); /* no event is sticky any more */
  gst_pad_set_active (src, TRUE);
  gst_element_set_state (rig->element, GST_STATE_PLAYING);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  g_assert_true (gst_pad_push_event (src, gst_event_new_stream_start ("no caps")));
  g_assert_true (gst_pad_push_event (src, gst_event_new_segment (&segment)));
  g_assert_cmpint (gst_pad_push (src, rig_frame (rig, 0)), ==, GST_FLOW_NOT_NEGOTIATED);
  error = rig_await_message (rig, GST_MESSAGE_ERROR);
  rig_assert_error (error, "caps");
  rig_free (rig);
}

static void
test_no_caps_are_an_error (void)
{
  test_no_caps_with (NULL);
  test_no_caps_with ("roi=*");
  test_no_caps_with ("roi=person skip-similar=0.9");
}

/* --- time stamps ------------------------------------------------------------------------------------------------------------- */

static void
test_a_frame_without_pts_passes (void)
{
  Rig *rig = rig_new (NULL);

  rig_push (rig, 0, 2);
  push_untimed (rig, 2, 3); /* which would be sampled */
  rig_await_warning (rig, "time stamp");
  rig_push (rig, 3, 14);
  push_untimed (rig, 14, 16);
  rig_push (rig, 16, 31);
  g_assert_cmpuint (gst_harness_buffers_received (rig->video), ==, 31);
  for (guint i = 0; i < 3; i++)
    rig_assert_result (rig, i + 1, 1000 * i, 1000 * (i + 1), "stop");
  rig_assert_frames (0, 3, 7, G_MAXUINT);
  rig_assert_frames (1, 12, 17, G_MAXUINT);
  assert_untimed (rig, 3);
  rig_assert_no_warning (rig);
  rig_free (rig);
}

static void
test_a_stream_may_begin_without_pts (void)
{
  Rig *rig = rig_new ("text-timestamp=segment");

  rig_add_text (rig, NULL);
  push_untimed (rig, 0, FIRST_BUFFERS - 1);
  rig_assert_no_warning (rig);
  rig_push (rig, 9, 21);
  rig_await_warning (rig, "time stamp");
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_result (rig, 2, 1000, 2000, "stop");
  g_assert_cmpuint (gst_harness_buffers_received (rig->video), ==, 21);
  assert_untimed (rig, FIRST_BUFFERS - 1);
  push_untimed (rig, 21, 21 + 2 * FIRST_BUFFERS); /* later ones stop nothing, however many */
  rig_push (rig, 21, 31);
  rig_assert_result (rig, 3, 2000, 3000, "stop");
  rig_assert_no_warning (rig);
  rig_free (rig);
}

/* Less than first buffers would be no error without the end. */
static void
test_a_short_stream_without_pts_is_an_error (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstMessage) error = NULL;

  push_untimed (rig, 0, 3);
  rig_assert_no_warning (rig);
  rig_eos (rig);
  error = rig_await_message (rig, GST_MESSAGE_ERROR);
  rig_assert_error (error, "PTS");
  rig_free (rig);
}

static void
test_each_stream_has_its_own_first_buffers (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstMessage) error = NULL;

  rig_push (rig, 0, 11);
  g_assert_true (gst_harness_push_event (rig->video, gst_event_new_stream_start ("another")));
  rig_push_segment (rig, 0, 0, 0);
  push_untimed (rig, 0, FIRST_BUFFERS - 1);
  rig_assert_no_warning (rig);
  g_assert_cmpint (gst_harness_push (rig->video, untimed_frame (rig, 0)), ==, GST_FLOW_ERROR);
  error = rig_await_message (rig, GST_MESSAGE_ERROR);
  rig_assert_error (error, "PTS");
  rig_free (rig);
}

/* textoverlay, which is in it, leaves them out. */
static void
test_an_overlay_goes_on_over_frames_without_pts (void)
{
  Rig *rig = rig_new_overlay (NULL, FALSE);

  push_untimed (rig, 0, 2);
  rig_push (rig, 2, 9);
  push_untimed (rig, 9, 10);
  rig_push (rig, 10, 25);
  rig_eos (rig);
  for (guint i = 3; i < 25; i++)
    gst_buffer_unref (gst_harness_pull (rig->video));
  rig_free (rig);
}

/* --- damaged frames ---------------------------------------------------------------------------------------------------------- */

/* marks: a letter a frame from 0 on; `x` is CORRUPTED, `r` has a region in a damaged frame, `R` in a good one */
static void
push_marks (Rig *rig, const gchar *marks)
{
  for (guint i = 0; marks[i] != '\0'; i++) {
    GstBuffer *buffer = rig_frame (rig, i);

    if (marks[i] == 'x' || marks[i] == 'r')
      GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_CORRUPTED);
    if (g_ascii_tolower (marks[i]) == 'r')
      gst_buffer_add_video_region_of_interest_meta (buffer, "person", 0, 0, 4, 4);
    g_assert_cmpint (gst_harness_push (rig->video, buffer), ==, GST_FLOW_OK);
  }
}

static void
test_damaged_frames_are_sampled_only_for_want_of_others (void)
{
  Rig *rig = rig_new (NULL);

  push_marks (rig, "..x....xxx"
                   "x.xxxxxxxx"
                   ".xxxxxx..x.");
  for (guint i = 0; i < 3; i++)
    rig_assert_result (rig, i + 1, 1000 * i, 1000 * (i + 1), "stop");
  rig_assert_frames (0, 3, 5, G_MAXUINT);
  rig_assert_frames (1, 11, 17, G_MAXUINT);
  rig_assert_frames (2, 20, 27, G_MAXUINT);
  rig_free (rig);
}

static void
test_the_end_takes_what_is_held (void)
{
  Rig *rig = rig_new (NULL);

  push_marks (rig, "xxx"); /* frame 2 would be sampled, and nothing better comes */
  rig_eos (rig);
  rig_assert_result (rig, 1, 0, 300, "stop");
  rig_assert_frames (0, 2, G_MAXUINT);
  rig_free (rig);
}

static void
test_a_flush_drops_what_is_held (void)
{
  Rig *rig = rig_new (NULL);

  push_marks (rig, "xxx");
  gst_harness_push_event (rig->video, gst_event_new_flush_start ());
  gst_harness_push_event (rig->video, gst_event_new_flush_stop (TRUE));
  rig_assert_result (rig, 1, 0, 300, "flush");
  g_assert_cmpuint (fake_count (FAKE_ASK), ==, 0);
  g_assert_cmpuint (fake_count (FAKE_ENCODE), ==, 0);
  rig_free (rig);
}

static void
test_overlapping_segments_hold_the_same_frame (void)
{
  Rig *rig = rig_new ("segment-overlap=500000000 num-segments=1");

  push_marks (rig, "......xxxxxxxxx......");
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_result (rig, 2, 500, 1500, "stop");
  rig_assert_result (rig, 3, 1000, 2000, "stop");
  rig_assert_frames (0, 5, G_MAXUINT);
  rig_assert_frames (1, 5, G_MAXUINT);
  rig_assert_frames (2, 15, G_MAXUINT);
  g_assert_cmpuint (fake_encoded_frame (0), ==, 5); /* once */
  g_assert_cmpuint (fake_encoded_frame (1), ==, 15);
  rig_free (rig);
}

/* Its regions are held with the frame; a damaged frame with one is no better than a good one without. */
static void
test_regions_of_a_held_frame_are_asked_about (void)
{
  Rig *rig = rig_new ("roi=person");

  push_marks (rig, "R.xxx..rxxR");
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_frames (0, 0, G_MAXUINT); /* and 5 without a region */
  rig_free (rig);
}

static double
never (guint a, guint b)
{
  return a == b ? 1 : 0;
}

static void
test_held_frames_are_compared (void)
{
  Rig *rig = rig_new ("skip-similar=0.9 num-segments=1");

  fake_set_similarity (never);
  push_marks (rig, ".....xxxxx"
                   "....xxxxxx.");
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_result (rig, 2, 1000, 2000, "stop");
  rig_assert_frames (0, 0, G_MAXUINT);
  rig_assert_frames (1, 10, G_MAXUINT);
  rig_free (rig);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));
  g_assert_true (GST_ELEMENT_REGISTER (minivloverlay, NULL));

#define RULE(name) g_test_add_func ("/admit/" #name, test_##name)
  RULE (no_caps_are_an_error);
  RULE (a_frame_without_pts_passes);
  RULE (a_stream_may_begin_without_pts);
  RULE (a_short_stream_without_pts_is_an_error);
  RULE (each_stream_has_its_own_first_buffers);
  RULE (an_overlay_goes_on_over_frames_without_pts);
  RULE (damaged_frames_are_sampled_only_for_want_of_others);
  RULE (the_end_takes_what_is_held);
  RULE (a_flush_drops_what_is_held);
  RULE (overlapping_segments_hold_the_same_frame);
  RULE (regions_of_a_held_frame_are_asked_about);
  RULE (held_frames_are_compared);
#undef RULE
  return g_test_run ();
}

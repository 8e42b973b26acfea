/* A live camera that stands still: its segment ends by the pipeline's clock, with what it has. */
#include "gst/element/gstminivl.h"
#include "gst/element/standstill.h"
#include "rig.h"

#define MS GST_MSECOND

/* --- alone ------------------------------------------------------------------------------------------------------------------- */

static void
note_due (GstElement *element, GstClockTime running_time)
{
  GstClockTime *due = g_new (GstClockTime, 1);

  *due = running_time;
  g_async_queue_push (g_object_get_data (G_OBJECT (element), "due"), due);
}

static void
assert_due (GAsyncQueue *dues, GstClockTime at_least)
{
  g_autofree GstClockTime *due = g_async_queue_timeout_pop (dues, 20 * G_USEC_PER_SEC);

  g_assert_nonnull (due);
  g_assert_cmpuint (*due, >=, at_least);
  g_assert_cmpint (g_async_queue_length (dues), ==, 0);
}

/* Earlier or later than the moment before, after a pause, and once each. */
static void
test_the_moment_may_move (void)
{
  GstElement *element = gst_object_ref_sink (gst_bin_new (NULL));
  g_autoptr (GAsyncQueue) dues = g_async_queue_new_full (g_free);
  GstClock *clock = gst_test_clock_new ();
  Standstill *s = standstill_new (element, note_due);

  g_object_set_data (G_OBJECT (element), "due", dues);
  gst_element_set_clock (element, clock);
  gst_element_set_base_time (element, 1000 * MS);
  standstill_set (s, 500 * MS);
  gst_test_clock_set_time (GST_TEST_CLOCK (clock), 2000 * MS);
  standstill_play (s, TRUE);
  assert_due (dues, 1000 * MS);

  standstill_set (s, 3000 * MS);
  gst_test_clock_set_time (GST_TEST_CLOCK (clock), 3999 * MS);
  standstill_set (s, 3500 * MS);
  gst_test_clock_set_time (GST_TEST_CLOCK (clock), 4499 * MS);
  standstill_set (s, 3499 * MS);
  assert_due (dues, 3499 * MS);

  standstill_set (s, 3600 * MS);
  standstill_play (s, FALSE);
  gst_test_clock_set_time (GST_TEST_CLOCK (clock), 9000 * MS);
  gst_element_set_base_time (element, 5500 * MS); /* 3500 again */
  standstill_play (s, TRUE);
  gst_test_clock_set_time (GST_TEST_CLOCK (clock), 9100 * MS);
  assert_due (dues, 3600 * MS);

  standstill_set (s, 3700 * MS);
  standstill_set (s, GST_CLOCK_TIME_NONE);
  standstill_stop (s);
  standstill_stop (s);
  standstill_set (s, 0); /* it may begin anew */
  assert_due (dues, 3600 * MS);
  standstill_stop (s);
  standstill_free (s);
  gst_object_unref (clock);
  gst_object_unref (element);
}

/* --- in the element ---------------------------------------------------------------------------------------------------------- */

static Rig *
make_rig (const gchar *properties)
{
  Rig *rig = rig_new_live (properties);

  gst_harness_use_testclock (rig->video);
  return rig;
}

static void
set_time (Rig *rig, guint ms)
{
  g_assert_true (gst_harness_set_time (rig->video, ms * MS));
}

/* Each when it is its time. */
static void
push_on_time (Rig *rig, guint from, guint to)
{
  for (guint i = from; i < to; i++) {
    set_time (rig, i * 100);
    rig_push (rig, i, i + 1);
  }
}

static void
test_it_ends_with_what_it_has (void)
{
  Rig *rig = make_rig (NULL);

  rig_add_text (rig, "text/x-raw,format=utf8");
  push_on_time (rig, 0, 5);
  set_time (rig, 2000);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_frames (0, 2, G_MAXUINT);
  g_free (rig_pull_text (rig)); /* though no buffer passes */
  rig_assert_no_result (rig);
  rig_free (rig);
}

/* A frame that comes in the last moment is in it, and how late that was is waited for from then on. */
static void
test_it_waits_as_long_as_frames_are_late (void)
{
  Rig *rig = make_rig (NULL);

  push_on_time (rig, 0, 5);
  set_time (rig, 1999);
  rig_push (rig, 7, 8); /* 1299 ms late */
  set_time (rig, 3298);
  rig_push (rig, 8, 9); /* 2498 ms late */
  set_time (rig, 4498);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_frames (0, 2, 7, G_MAXUINT);
  rig_free (rig);
}

static void
test_it_waits_two_frames_if_those_are_longer (void)
{
  Rig *rig = make_rig ("segment-duration=10000000000 num-segments=5");

  rig_set_caps (rig, "RGB", 8, 4, 1, 2);
  for (guint i = 0; i < 4; i++) {
    set_time (rig, i * 2000);
    rig_push (rig, i, i + 1);
  }
  set_time (rig, 13999); /* the end and nearly two frames: one that is late may come */
  rig_push (rig, 4, 5);
  set_time (rig, 19999);
  rig_assert_result (rig, 1, 0, 10000, "stop");
  rig_assert_frames (0, 0, 1, 2, 3, 4, G_MAXUINT);
  rig_free (rig);
}

static void
test_each_of_overlapping_segments_ends_in_its_time (void)
{
  Rig *rig = make_rig ("segment-overlap=500000000");

  push_on_time (rig, 0, 8);
  set_time (rig, 2000);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  set_time (rig, 2499);
  rig_push (rig, 12, 13); /* is in the second one, which still is open; 1299 ms late */
  set_time (rig, 1500 + 1299 + 1000);
  rig_assert_result (rig, 2, 500, 1500, "stop");
  rig_assert_frames (1, 7, 12, G_MAXUINT);
  rig_free (rig);
}

/* What still comes of the segment passes; then the next one begins where it should. */
static void
test_the_camera_goes_on (void)
{
  Rig *rig = make_rig ("history-size=4");

  push_on_time (rig, 0, 5);
  set_time (rig, 2000);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_push (rig, 5, 21);
  rig_assert_result (rig, 2, 1000, 2000, "stop");
  rig_assert_frames (1, 12, 17, G_MAXUINT);
  g_assert_cmpuint (fake_question (1)->n_history, ==, 1);
  /* and after a gap it is a jump */
  set_time (rig, 9000);
  rig_assert_result (rig, 3, 2000, 3000, "stop");
  rig_push (rig, 80, 91);
  rig_assert_result (rig, 4, 8000, 9000, "stop");
  rig_free (rig);
}

static void
pause_until (Rig *rig, guint ms)
{
  GstClockTime base = gst_element_get_base_time (rig->element);
  guint64 was = gst_clock_get_time (GST_ELEMENT_CLOCK (rig->element));

  gst_element_set_state (rig->element, GST_STATE_PAUSED);
  set_time (rig, ms);
  gst_element_set_base_time (rig->element, base + ms * MS - was); /* as a pipeline does */
  gst_element_set_state (rig->element, GST_STATE_PLAYING);
}

static void
test_a_pause_is_no_standstill (void)
{
  Rig *rig = make_rig (NULL);

  push_on_time (rig, 0, 5);
  set_time (rig, 1500);
  pause_until (rig, 60000);
  rig_push (rig, 7, 8); /* is in the segment: 800 ms late */
  set_time (rig, 60000 + 1300);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_frames (0, 2, 7, G_MAXUINT);
  rig_free (rig);
}

static void
test_what_is_not_live_waits_for_its_frames (void)
{
  Rig *rig = rig_new (NULL);

  gst_harness_use_testclock (rig->video);
  rig_push (rig, 0, 5);
  set_time (rig, 3600000);
  rig_push (rig, 5, 11);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_frames (0, 2, 7, G_MAXUINT);
  rig_free (rig);
}

/* Frames that may be strays still wait, and are believed when the third comes. */
static void
test_frames_wait_through_a_standstill (void)
{
  Rig *rig = make_rig ("num-segments=10");

  push_on_time (rig, 0, 5);
  rig_push (rig, 100, 102);
  set_time (rig, 2000);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_push (rig, 102, 111);
  rig_assert_result (rig, 2, 10000, 11000, "stop");
  rig_assert_frames (1, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, G_MAXUINT);
  rig_free (rig);
}

/* A damaged frame waited for a better one. */
static void
test_what_is_held_is_used (void)
{
  Rig *rig = make_rig ("num-segments=1");
  GstBuffer *damaged = rig_frame (rig, 5);

  push_on_time (rig, 0, 5);
  GST_BUFFER_FLAG_SET (damaged, GST_BUFFER_FLAG_CORRUPTED);
  g_assert_cmpint (gst_harness_push (rig->video, damaged), ==, GST_FLOW_OK);
  set_time (rig, 2000);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_frames (0, 0, G_MAXUINT);
  rig_free (rig);
}

static void
test_a_flush_and_the_end_come_first (void)
{
  Rig *rig = make_rig (NULL);

  push_on_time (rig, 0, 5);
  gst_harness_push_event (rig->video, gst_event_new_flush_start ());
  gst_harness_push_event (rig->video, gst_event_new_flush_stop (TRUE));
  rig_assert_result (rig, 1, 0, 500, "flush");
  rig_push_segment (rig, 0, 0, 0);
  rig_push (rig, 5, 8);
  rig_eos (rig);
  rig_assert_result (rig, 2, 0, 800, "stop");
  set_time (rig, 10000);
  rig_assert_no_result (rig);
  rig_free (rig);
}

/* leaky=no: the thread waits for room, and must let go of it when the element stops or is flushed. */
static void
test_it_stops_while_there_is_no_room (void)
{
  for (guint how = 0; how < 2; how++) {
    Rig *rig = make_rig ("leaky=no max-backlog=1 segment-overlap=900000000");

    fake_hold (FAKE_ASK);
    push_on_time (rig, 0, 8);
    set_time (rig, 5000); /* one is in hand, one waits, and others end */
    fake_await (FAKE_ASK, 1);
    if (how == 0)
      gst_harness_push_event (rig->video, gst_event_new_flush_start ());
    rig_free (rig);
  }
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));

#define RULE(name) g_test_add_func ("/standstill/" #name, test_##name)
  RULE (the_moment_may_move);
  RULE (it_ends_with_what_it_has);
  RULE (it_waits_as_long_as_frames_are_late);
  RULE (it_waits_two_frames_if_those_are_longer);
  RULE (each_of_overlapping_segments_ends_in_its_time);
  RULE (the_camera_goes_on);
  RULE (a_pause_is_no_standstill);
  RULE (what_is_not_live_waits_for_its_frames);
  RULE (frames_wait_through_a_standstill);
  RULE (what_is_held_is_used);
  RULE (a_flush_and_the_end_come_first);
  RULE (it_stops_while_there_is_no_room);
#undef RULE
  return g_test_run ();
}

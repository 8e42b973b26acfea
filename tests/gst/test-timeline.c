/* Camera clocks: jitter, strays and jumps, on numbers alone and in the element. */
#include "gst/element/gstminivl.h"
#include "rig.h"
#include "segmenter-run.h"

#include <math.h>

#define HOUR (3600 * SECOND)
#define FPS 25
#define FRAME (SECOND / FPS)

/* --- on numbers alone -------------------------------------------------------------------------------------------------------- */

static Run *
make_run (guint64 duration, double fps)
{
  Run *run = run_new ((SegmenterConfig){ .duration = duration, .stop = SEGMENTER_NONE, .frames = 4 }, fps, SEGMENTER_NONE);

  timeline_start (&run->timeline, 0);
  return run;
}

static void
push_at (Run *run, guint64 frame, gint64 time)
{
  run_push (run, frame, (guint64)time, FRAME);
}

static void
push_steady (Run *run, guint64 from, guint64 to)
{
  for (guint64 i = from; i < to; i++)
    push_at (run, i, i * FRAME);
}

/* The segments are as of a steady video of so many frames, whichever of them were strays. */
static void
assert_steady (Run *run, guint64 duration, guint64 frames)
{
  guint n = (guint)((frames * FRAME + duration - 1) / duration);

  run_finish (run);
  g_assert_cmpuint (run->seen->len, ==, n);
  for (guint k = 0; k < n; k++)
    run_assert_bounds (run, k, k * duration / MS, MIN ((k + 1) * duration, frames * FRAME) / MS);
}

static void
test_random_jitter_moves_no_segment (void)
{
  for (guint round = 0; round < 300; round++) {
    enum
    {
      FRAMES = 500
    };
    guint64 duration = g_test_rand_int_range (1, 6) * SECOND;
    double fps = round % 2 == 0 ? FPS : 0, most = 1.49 * FRAME * g_test_rand_double ();
    g_autoptr (Run) run = make_run (duration, fps);

    push_at (run, 0, 0);
    for (guint i = 1; i < FRAMES - 1; i++) {
      double time = i * (double)FRAME + g_test_rand_double_range (-most, most);

      push_at (run, i, (gint64)MAX (0, time));
    }
    push_at (run, FRAMES - 1, (FRAMES - 1) * FRAME);
    g_assert_cmpuint (run->strays, ==, 0);
    for (guint k = 0; k + 1 < FRAMES * FRAME / duration; k++) { /* where no frame is missing, all places are filled in order */
      const Seen *seen = run_get (run, k);

      g_assert_cmpuint (seen->frames->len, ==, 4);
      for (guint m = 0; m < 4; m++)
        g_assert_cmpfloat (
            fabs (g_array_index (seen->frames, guint64, m) * (double)FRAME - (seen->start + (m + 0.5) * duration / 4)), <=,
            most + 2 * FRAME);
    }
    run_finish (run);
    for (guint k = 0; k < run->seen->len; k++)
      g_assert_cmpuint (run_get (run, k)->start, ==, k * duration);
  }
}

static void
test_a_step_back_of_two_frames_is_no_jitter (void)
{
  for (guint tenths = 10; tenths < 40; tenths++) {
    g_autoptr (Run) run = make_run (10 * SECOND, FPS);
    gint64 shift = FRAME + tenths * FRAME / 10; /* so that the step is `tenths` back */

    push_steady (run, 0, 100);
    for (guint i = 100; i < 200; i++)
      push_at (run, i, i * FRAME - shift);
    run_finish (run);
    g_assert_cmpuint (run->seen->len, ==, tenths < 20 ? 1 : 2);
    g_assert_cmpuint (run->strays, ==, 0);
    if (tenths >= 20) {
      run_assert_bounds (run, 0, 0, 4000);
      g_assert_cmpuint (run_get (run, 1)->start, ==, 100 * FRAME - shift);
    }
  }
}

static void
test_single_strays_cut_nothing (void)
{
  static const gint64 aways[] = { 10 * HOUR, -3 * SECOND, 3 * SECOND, 1100 * MS, 500 * MS, -200 * MS, -40 * SECOND };

  for (guint k = 0; k < G_N_ELEMENTS (aways); k++) {
    g_autoptr (Run) run = make_run (2 * SECOND, FPS);

    for (guint i = 0; i < 500; i++)
      push_at (run, i, i % 47 == 46 ? MAX (0, i * (gint64)FRAME + aways[k]) : i * (gint64)FRAME);
    /* what is less than a second ahead is known to be a stray afterwards */
    g_assert_cmpuint (run->strays, ==, aways[k] == 500 * MS ? 0 : 10);
    assert_steady (run, 2 * SECOND, 500);
  }
}

static void
test_two_strays_in_a_row_cut_nothing_and_three_do (void)
{
  for (guint n = 1; n <= 4; n++) {
    g_autoptr (Run) run = make_run (2 * SECOND, FPS);

    push_steady (run, 0, 110);
    for (guint i = 0; i < n; i++)
      push_at (run, 110 + i, HOUR + i * FRAME);
    push_steady (run, 110 + n, 500);
    if (n < 3) {
      g_assert_cmpuint (run->strays, ==, n);
      assert_steady (run, 2 * SECOND, 500);
      continue;
    }
    run_finish (run);
    g_assert_cmpuint (run->strays, ==, 0);
    run_assert_bounds (run, 2, 4000, 4400);
    run_assert_bounds (run, 3, HOUR / MS, HOUR / MS + n * 40);
    run_assert_bounds (run, 4, (110 + n) * 40, (110 + n) * 40 + 2000);
  }
}

static void
test_strays_that_fit_nowhere_cut_nothing (void)
{
  static const guint64 hours[] = { 10, 3, 20, 7, 50 };
  g_autoptr (Run) run = make_run (2 * SECOND, FPS);

  push_steady (run, 0, 110);
  for (guint i = 0; i < G_N_ELEMENTS (hours); i++)
    push_at (run, 110 + i, hours[i] * HOUR);
  push_steady (run, 115, 500);
  g_assert_cmpuint (run->strays, ==, 5);
  assert_steady (run, 2 * SECOND, 500);
}

/* Every other frame, the first, the last, one on either side of a bound. */
static void
test_strays_where_they_hurt_most (void)
{
  static const guint at[] = { 0, 48, 49, 50, 51, 99, 101, 103, 105, 499 };
  g_autoptr (Run) run = make_run (2 * SECOND, FPS);
  guint next = 0;

  for (guint i = 0; i < 500; i++) {
    gboolean is_stray = next < G_N_ELEMENTS (at) && at[next] == i;

    push_at (run, i, is_stray ? (gint64)((i % 3 + 1) * HOUR) : (gint64)(i * FRAME));
    next += is_stray;
  }
  assert_steady (run, 2 * SECOND, 499);
  g_assert_cmpuint (run->strays, ==, G_N_ELEMENTS (at));
}

static void
test_frames_of_a_jump_belong_to_the_new_segment (void)
{
  static const gint64 to[] = { 100 * SECOND, 1 * SECOND };

  for (guint k = 0; k < G_N_ELEMENTS (to); k++) {
    g_autoptr (Run) run =
        run_new ((SegmenterConfig){ .duration = SECOND, .stop = SEGMENTER_NONE, .frames = FPS }, FPS, SEGMENTER_NONE);

    push_steady (run, 0, 90);
    for (guint i = 0; i < 26; i++)
      push_at (run, 90 + i, to[k] + i * FRAME);
    run_assert_bounds (run, 3, 3000, 3600);
    run_assert_bounds (run, 4, to[k] / MS, to[k] / MS + 1000);
    g_assert_cmpuint (run_get (run, 4)->frames->len, ==, FPS);
    for (guint i = 0; i < FPS; i++)
      g_assert_cmpuint (g_array_index (run_get (run, 4)->frames, guint64, i), ==, 90 + i);
    g_assert_cmpuint (run->strays, ==, 0);
  }
}

static void
test_the_end_believes_two_in_a_row_and_no_single_one (void)
{
  for (guint n = 1; n <= 2; n++) {
    g_autoptr (Run) run = make_run (10 * SECOND, FPS);

    push_steady (run, 0, 50);
    for (guint i = 0; i < n; i++)
      push_at (run, 50 + i, HOUR + i * FRAME);
    run_finish (run);
    g_assert_cmpuint (run->seen->len, ==, n);
    g_assert_cmpuint (run->strays, ==, n == 1);
  }
}

/* A picture is a stream of one frame, wherever it lies. */
static void
test_the_only_frame_is_no_stray (void)
{
  g_autoptr (Run) run = make_run (10 * SECOND, FPS);

  push_at (run, 0, HOUR);
  run_finish (run);
  g_assert_cmpuint (run->seen->len, ==, 1);
  g_assert_cmpuint (run->strays, ==, 0);
  run_assert_frames (run, 0, 0, -1);
}

/* A first frame that lies nowhere near the start of its segment, with and without others there. */
static void
test_a_first_frame_elsewhere_waits (void)
{
  static const gint64 aways[] = { 2 * SECOND, 10 * SECOND, 10 * HOUR };

  for (guint k = 0; k < G_N_ELEMENTS (aways); k++) {
    g_autoptr (Run) stray = make_run (2 * SECOND, FPS), late = make_run (2 * SECOND, FPS);

    push_at (stray, 0, aways[k]);
    for (guint i = 1; i < 500; i++)
      push_at (stray, i, i * FRAME);
    g_assert_cmpuint (stray->strays, ==, 1);
    assert_steady (stray, 2 * SECOND, 500);
    for (guint i = 0; i < 51; i++)
      push_at (late, i, aways[k] + i * FRAME);
    g_assert_cmpuint (late->strays, ==, 0);
    run_assert_bounds (late, 0, aways[k] / MS, aways[k] / MS + 2000);
    g_assert_cmpuint (run_get (late, 0)->frames->len, ==, 4);
  }
}

/* The caps promise 25 frames a second; a frame comes every three seconds, or two every 1.5 s. Not one is lost. */
static void
test_long_steps_are_believed (void)
{
  g_autoptr (Run) slow =
      run_new ((SegmenterConfig){ .duration = 30 * SECOND, .stop = SEGMENTER_NONE, .frames = 10 }, FPS, SEGMENTER_NONE);
  g_autoptr (Run) bursts =
      run_new ((SegmenterConfig){ .duration = 30 * SECOND, .stop = SEGMENTER_NONE, .frames = 10 }, 0, SEGMENTER_NONE);

  for (guint i = 0; i < 41; i++)
    push_at (slow, i, i * 3 * SECOND);
  g_assert_cmpuint (slow->strays, ==, 0);
  for (guint k = 0; k < 4; k++) {
    run_assert_bounds (slow, k, 30000 * k, 30000 * (k + 1));
    g_assert_cmpuint (run_get (slow, k)->frames->len, ==, 9); /* the last place is reached by the next one's first */
  }
  for (guint i = 0; i < 82; i++)
    run_push (bursts, i, i / 2 * 1500 * MS + i % 2 * 10 * MS, SEGMENTER_NONE);
  g_assert_cmpuint (bursts->strays, ==, 0);
  for (guint k = 0; k < 2; k++)
    run_assert_bounds (bursts, k, 30000 * k, 30000 * (k + 1));
}

/* A frame a second: two are the longest step, and a step back of less than two is jitter. */
static void
test_a_frame_a_second (void)
{
  g_autoptr (Run) run =
      run_new ((SegmenterConfig){ .duration = 10 * SECOND, .stop = SEGMENTER_NONE, .frames = 2 }, 1, SEGMENTER_NONE);
  static const guint64 ms[] = { 0, 1000, 2000, 4000, 3500, 5000, 90000, 6000, 7000, 6500, 8500, 10000 };

  timeline_start (&run->timeline, 0);
  for (guint i = 0; i < G_N_ELEMENTS (ms); i++)
    run_push (run, i, ms[i] * MS, SECOND);
  run_assert_bounds (run, 0, 0, 10000);
  g_assert_cmpuint (run->strays, ==, 1);
  g_assert_cmpuint (run->seen->len, ==, 2);
}

/* The rule, written down once more in the plainest way: of a steady video with strays anywhere, two in a row at most. */
static void
test_random_strays (void)
{
  for (guint round = 0; round < 300; round++) {
    enum
    {
      FRAMES = 400
    };
    guint64 duration = g_test_rand_int_range (1, 6) * SECOND;
    g_autoptr (Run) run = make_run (duration, round % 3 == 0 ? 0 : FPS);
    double share = g_test_rand_double_range (0, 0.4);
    guint strays = 0, in_a_row = 0;

    for (guint i = 0; i < FRAMES; i++) {
      gint64 time = i * (gint64)FRAME;
      gboolean is_stray = i > 0 && i < FRAMES - 1 && in_a_row < 2 && g_test_rand_double () < share;

      in_a_row = is_stray ? in_a_row + 1 : 0;
      strays += is_stray;
      if (is_stray && time > 2 * (gint64)SECOND && g_test_rand_bit ())
        time -= g_test_rand_int_range (8, 40) * (gint64)FRAME;
      else if (is_stray)
        time += g_test_rand_int_range (2, 100000) * (gint64)SECOND;
      push_at (run, i, time);
    }
    g_assert_cmpuint (run->strays, ==, strays);
    assert_steady (run, duration, FRAMES);
  }
}

/* --- in the element ---------------------------------------------------------------------------------------------------------- */

static GstFlowReturn
push_moved (Rig *rig, guint number, gint64 away)
{
  GstBuffer *buffer = rig_frame (rig, number);

  GST_BUFFER_PTS (buffer) += away;
  return gst_harness_push (rig->video, buffer);
}

static void
assert_strays (Rig *rig, guint64 n)
{
  g_autoptr (GstStructure) stats = NULL;

  g_object_get (rig->element, "stats", &stats, NULL);
  g_assert_cmpuint (rig_uint64 (stats, "strays"), ==, n);
}

/* Frame 12 would be sampled; the history, which a step back forgets, is told. */
static void
test_a_stray_passes_unsampled (void)
{
  Rig *rig = rig_new ("history-size=4 skip-similar=0 roi=");

  rig_add_text (rig, NULL);
  rig_push (rig, 0, 12);
  g_assert_cmpint (push_moved (rig, 12, HOUR), ==, GST_FLOW_OK);
  rig_push (rig, 13, 31);
  for (guint i = 0; i < 3; i++)
    rig_assert_result (rig, i + 1, 1000 * i, 1000 * (i + 1), "stop");
  g_assert_cmpuint (gst_harness_buffers_received (rig->video), ==, 31);
  rig_assert_frames (1, 13, 17, G_MAXUINT);
  g_assert_cmpuint (fake_question (2)->n_history, ==, 2);
  assert_strays (rig, 1);
  rig_free (rig);
}

static void
test_jitter_forgets_no_history (void)
{
  Rig *rig = rig_new ("history-size=4");

  for (guint i = 0; i < 31; i++)
    g_assert_cmpint (push_moved (rig, i, i % 4 == 3 ? -120 * (gint64)MS : 0), ==, GST_FLOW_OK);
  for (guint i = 0; i < 3; i++)
    rig_assert_result (rig, i + 1, 1000 * i, 1000 * (i + 1), "stop");
  g_assert_cmpuint (fake_question (2)->n_history, ==, 2);
  assert_strays (rig, 0);
  rig_free (rig);
}

static void
test_a_jump_back_forgets_history_and_has_its_frames (void)
{
  Rig *rig = rig_new ("history-size=4 num-segments=10");

  rig_push (rig, 700, 715); /* the first three wait, for the video should begin at 0 */
  rig_push (rig, 10, 21);
  rig_assert_result (rig, 1, 70000, 71000, "stop");
  rig_assert_result (rig, 2, 71000, 71500, "stop");
  rig_assert_result (rig, 3, 1000, 2000, "stop");
  rig_assert_frames (0, 700, 701, 702, 703, 704, 705, 706, 707, 708, 709, G_MAXUINT);
  rig_assert_frames (2, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, G_MAXUINT);
  g_assert_cmpuint (fake_question (1)->n_history, ==, 1);
  g_assert_cmpuint (fake_question (2)->n_history, ==, 0);
  assert_strays (rig, 0);
  rig_free (rig);
}

/* What waits has passed already: its buffer is free, and it may have been of other caps. */
static void
test_frames_that_wait_are_copies (void)
{
  Rig *rig = rig_new ("num-segments=10");
  g_autoptr (GAsyncQueue) freed = g_async_queue_new ();

  rig_push (rig, 0, 5);
  for (guint i = 0; i < 5; i++)
    gst_buffer_unref (gst_harness_pull (rig->video));
  rig_push_watched (rig, rig_frame (rig, 100), freed);
  rig_push_watched (rig, rig_frame (rig, 101), freed);
  rig_await_freed (freed, 2);
  rig_set_caps (rig, "RGB", 16, 8, 10, 1); /* and two in a row are believed here */
  rig_push (rig, 102, 113);
  rig_assert_result (rig, 1, 0, 500, "stop");
  rig_assert_result (rig, 2, 10000, 10200, "stop");
  rig_assert_frames (1, 100, 101, G_MAXUINT);
  rig_assert_result (rig, 3, 10200, 11200, "stop");
  assert_strays (rig, 0);
  rig_free (rig);
}

static void
test_a_caps_change_ends_what_waits (void)
{
  Rig *rig = rig_new (NULL);

  rig_push (rig, 0, 15);
  rig_push (rig, 1000, 1001);
  rig_set_caps (rig, "RGB", 16, 8, 10, 1);
  rig_push (rig, 15, 31);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_result (rig, 2, 1000, 1500, "stop");
  rig_assert_result (rig, 3, 1500, 2500, "stop");
  assert_strays (rig, 1);
  rig_free (rig);
}

static void
test_a_flush_and_a_seek_forget_what_waits (void)
{
  Rig *rig = rig_new (NULL);

  rig_push (rig, 0, 15);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_push (rig, 1000, 1002);
  gst_harness_push_event (rig->video, gst_event_new_flush_start ());
  gst_harness_push_event (rig->video, gst_event_new_flush_stop (TRUE));
  rig_push_segment (rig, 30 * GST_SECOND, 30 * GST_SECOND, 0);
  rig_push (rig, 300, 311);
  rig_assert_result (rig, 2, 1000, 1500, "flush");
  rig_assert_result (rig, 3, 30000, 31000, "stop");
  assert_strays (rig, 0);
  g_assert_cmpuint (fake_question (1)->frames[0], ==, 302);
  rig_free (rig);
}

static void
test_eos_counts_a_single_one (void)
{
  Rig *rig = rig_new (NULL);

  rig_push (rig, 0, 15);
  rig_push (rig, 1000, 1001);
  rig_eos (rig);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_result (rig, 2, 1000, 1500, "stop");
  rig_assert_no_result (rig);
  assert_strays (rig, 1);
  rig_free (rig);
}

/* The event ends what the frames have jumped to, with its prompt. */
static void
test_a_cut_while_two_wait (void)
{
  Rig *rig = rig_new ("prompt=Ordinary");

  rig_push (rig, 0, 5);
  rig_push (rig, 1000, 1002);
  gst_harness_push_event (rig->video, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM,
                                          gst_structure_new ("minivl-segment", "prompt", G_TYPE_STRING, "Special", NULL)));
  rig_assert_result (rig, 1, 0, 500, "stop");
  rig_assert_result (rig, 2, 100000, 100200, "stop");
  g_assert_nonnull (g_strrstr (fake_question (0)->text, "Ordinary"));
  g_assert_nonnull (g_strrstr (fake_question (1)->text, "Special"));
  rig_free (rig);
}

static void
test_it_stops_while_frames_wait (void)
{
  Rig *rig = rig_new ("skip-similar=0.9");

  rig_push (rig, 0, 5);
  rig_push (rig, 1000, 1002);
  rig_free (rig);
}

static GstBuffer *
region_frame (Rig *rig, guint number)
{
  GstBuffer *buffer = rig_frame (rig, number);

  gst_buffer_add_video_region_of_interest_meta (buffer, "person", 0, 0, 4, 4);
  return buffer;
}

/* Regions are cut from the copies. */
static void
test_regions_of_frames_that_wait (void)
{
  Rig *rig = rig_new ("roi=person num-segments=10");

  rig_push (rig, 0, 5);
  for (guint i = 100; i < 111; i++)
    g_assert_cmpint (gst_harness_push (rig->video, i == 101 ? rig_frame (rig, i) : region_frame (rig, i)), ==, GST_FLOW_OK);
  rig_assert_result (rig, 1, 0, 500, "stop");
  rig_assert_result (rig, 2, 10000, 11000, "stop");
  rig_assert_frames (0, 100, 102, 103, 104, 105, 106, 107, 108, 109, G_MAXUINT);
  rig_free (rig);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));

#define RULE(name) g_test_add_func ("/timeline/" #name, test_##name)
  RULE (random_jitter_moves_no_segment);
  RULE (a_step_back_of_two_frames_is_no_jitter);
  RULE (single_strays_cut_nothing);
  RULE (two_strays_in_a_row_cut_nothing_and_three_do);
  RULE (strays_that_fit_nowhere_cut_nothing);
  RULE (strays_where_they_hurt_most);
  RULE (frames_of_a_jump_belong_to_the_new_segment);
  RULE (the_end_believes_two_in_a_row_and_no_single_one);
  RULE (the_only_frame_is_no_stray);
  RULE (a_first_frame_elsewhere_waits);
  RULE (long_steps_are_believed);
  RULE (a_frame_a_second);
  RULE (random_strays);
  RULE (a_stray_passes_unsampled);
  RULE (jitter_forgets_no_history);
  RULE (a_jump_back_forgets_history_and_has_its_frames);
  RULE (frames_that_wait_are_copies);
  RULE (a_caps_change_ends_what_waits);
  RULE (a_flush_and_a_seek_forget_what_waits);
  RULE (eos_counts_a_single_one);
  RULE (a_cut_while_two_wait);
  RULE (it_stops_while_frames_wait);
  RULE (regions_of_frames_that_wait);
#undef RULE
  return g_test_run ();
}

/* Which frames of which segment: the rules of segmenter.h, on numbers alone. */
#include "segmenter-run.h"

#include <json-glib/json-glib.h>
#include <math.h>

/* --- constant rate ----------------------------------------------------------------------------------------------------------- */

static gboolean
row_exists (JsonArray *indices, gint64 frames)
{
  gint64 last = 0;

  for (guint i = 0; i < json_array_get_length (indices); i++) {
    gint64 index = json_array_get_int_element (indices, i);

    if (index >= frames || index < last)
      return FALSE;
    last = index;
  }
  return TRUE;
}

static void
check_row (JsonObject *row)
{
  JsonArray *indices = json_object_get_array_member (row, "indices");
  gint64 frames = json_object_get_int_member (row, "frames");
  double fps = json_object_get_double_member (row, "fps");
  SegmenterConfig config = { .stop = SEGMENTER_NONE, .frames = json_object_get_int_member (row, "segments") };
  g_autoptr (Run) run = NULL;
  const Seen *seen;

  if (!json_object_get_null_member (row, "bound")) {
    JsonArray *bound = json_object_get_array_member (row, "bound");

    config.start = (guint64)llround (json_array_get_double_element (bound, 0) * 1e9);
    config.stop = (guint64)llround (json_array_get_double_element (bound, 1) * 1e9);
  }
  run = run_new (config, fps, run_frame_time (frames, fps));
  run_push_frames (run, 0, frames, fps);
  run_finish (run);

  g_assert_cmpuint (run->seen->len, ==, 1);
  seen = run_get (run, 0);
  g_assert_cmpuint (seen->frames->len, ==, json_array_get_length (indices));
  for (guint i = 0; i < seen->frames->len; i++)
    g_assert_cmpint (g_array_index (seen->frames, guint64, i), ==, json_array_get_int_element (indices, i));
}

/* Every row of the reference whose frames exist, fed frame by frame. */
static void
test_rows_of_the_reference (void)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonArray *rows;
  guint checked = 0;

  g_assert_true (json_parser_load_from_file (parser, TEST_DATA "/small/segments.json", NULL));
  rows = json_node_get_array (json_parser_get_root (parser));
  for (guint i = 0; i < json_array_get_length (rows); i++) {
    JsonObject *row = json_array_get_object_element (rows, i);

    if (!row_exists (json_object_get_array_member (row, "indices"), json_object_get_int_member (row, "frames")))
      continue;
    check_row (row);
    checked++;
  }
  g_assert_cmpuint (checked, ==, 140);
}

static void
test_last_segment_ends_with_the_stream (void)
{
  /* 795 frames at 10 a second: the street scene */
  g_autoptr (Run) run = run_new ((SegmenterConfig){ .duration = 10 * SECOND, .stop = SEGMENTER_NONE, .frames = 8 }, 10, 79500 * MS);

  run_push_frames (run, 0, 795, 10);
  run_finish (run);
  g_assert_cmpuint (run->seen->len, ==, 8);
  for (guint k = 0; k < 7; k++)
    run_assert_bounds (run, k, 10000 * k, 10000 * (k + 1));
  run_assert_frames (run, 0, 6, 18, 31, 44, 56, 68, 81, 94, -1);
  /* bound=(70, 80) of 795 frames: start 700, end min (800, 794) */
  run_assert_bounds (run, 7, 70000, 79500);
  run_assert_frames (run, 7, 705, 717, 729, 740, 752, 764, 775, 787, -1);
}

static void
test_unknown_length_reports_the_frames_it_has (void)
{
  g_autoptr (Run) run =
      run_new ((SegmenterConfig){ .duration = 10 * SECOND, .stop = SEGMENTER_NONE, .frames = 8 }, 10, SEGMENTER_NONE);

  run_push_frames (run, 0, 145, 10);
  run_finish (run);
  run_assert_frames (run, 1, 106, 118, 131, 144, -1);
  run_assert_bounds (run, 1, 10000, 14500);
}

static void
test_stop_time_ends_the_last_segment (void)
{
  SegmenterConfig config = { .duration = 10 * SECOND, .start = 1500 * MS, .stop = 14250 * MS, .frames = 2 };
  g_autoptr (Run) run = run_new (config, 25, SEGMENTER_NONE);

  run_push_frames (run, 0, 500, 25);
  run_finish (run);
  g_assert_cmpuint (run->seen->len, ==, 2);
  run_assert_bounds (run, 0, 1500, 11500);
  /* round (37.5) is 38, round (287.5) is 288, round (356.25) 356: parts of 125 and 34 frames */
  run_assert_frames (run, 0, 100, 225, -1);
  run_assert_bounds (run, 1, 11500, 14250);
  run_assert_frames (run, 1, 305, 339, -1);
}

static void
test_a_frame_takes_several_places (void)
{
  /* Three frames for eight places, as bound=(0, 0.3) at 10 frames a second: indices 0.1875 + round (0.375 k) */
  g_autoptr (Run) run = run_new ((SegmenterConfig){ .duration = 300 * MS, .stop = 300 * MS, .frames = 8 }, 10, SEGMENTER_NONE);

  run_push_frames (run, 0, 10, 10);
  g_assert_cmpuint (run->seen->len, ==, 1);
  /* the last place is frame 3, which lies past the segment: the reference takes it, too */
  run_assert_frames (run, 0, 0, 0, 1, 1, 2, 2, 2, 3, -1);
}

static void
test_a_missing_frame_is_replaced_by_the_next (void)
{
  g_autoptr (Run) run = run_new ((SegmenterConfig){ .duration = SECOND, .stop = SEGMENTER_NONE, .frames = 2 }, 10, SEGMENTER_NONE);

  for (guint i = 0; i < 20; i++)
    if (i != 2 && (i < 17 || i > 19))
      run_push (run, i, i * 100 * MS, 100 * MS);
  run_finish (run);
  run_assert_frames (run, 0, 3, 7, -1);
  run_assert_frames (run, 1, 12, -1);
}

static void
test_jitter_does_not_move_an_index (void)
{
  g_autoptr (Run) run = run_new ((SegmenterConfig){ .duration = SECOND, .stop = SEGMENTER_NONE, .frames = 2 }, 10, 2 * SECOND);

  for (guint i = 0; i < 20; i++)
    run_push (run, i, i * 100 * MS + (i % 2 ? 30 : 0) * MS, 100 * MS);
  run_finish (run);
  run_assert_frames (run, 0, 2, 7, -1);
  /* round (20) - 1 is the last index: [10, 19], parts of 4.5 */
  run_assert_frames (run, 1, 12, 16, -1);
}

/* --- variable rate ----------------------------------------------------------------------------------------------------------- */

static void
test_variable_rate_takes_the_frame_that_is_shown (void)
{
  g_autoptr (Run) run = run_new ((SegmenterConfig){ .duration = SECOND, .stop = SEGMENTER_NONE, .frames = 2 }, 0, SEGMENTER_NONE);

  /* middles at 250 and 750 ms */
  run_push (run, 0, 0, 200 * MS);
  run_push (run, 1, 200 * MS, 400 * MS);
  run_push (run, 2, 600 * MS, 150 * MS);
  run_push (run, 3, 750 * MS, 250 * MS);
  run_push (run, 4, 1000 * MS, 250 * MS);
  run_finish (run);
  run_assert_frames (run, 0, 1, 3, -1);
}

static void
test_variable_rate_without_durations_takes_the_next (void)
{
  g_autoptr (Run) run = run_new ((SegmenterConfig){ .duration = SECOND, .stop = SEGMENTER_NONE, .frames = 2 }, 0, SEGMENTER_NONE);

  run_push (run, 0, 0, SEGMENTER_NONE);
  run_push (run, 1, 200 * MS, SEGMENTER_NONE);
  run_push (run, 2, 260 * MS, SEGMENTER_NONE);
  run_push (run, 3, 750 * MS, SEGMENTER_NONE);
  run_push (run, 4, 1000 * MS, SEGMENTER_NONE);
  run_assert_frames (run, 0, 2, 3, -1);
}

static void
test_variable_rate_ends_with_the_stream (void)
{
  g_autoptr (Run) run = run_new ((SegmenterConfig){ .duration = 2 * SECOND, .stop = SEGMENTER_NONE, .frames = 2 }, 0, SECOND);

  /* of [0, 1 s): 250 and 750 ms */
  for (guint i = 0; i < 10; i++)
    run_push (run, i, i * 100 * MS, 100 * MS);
  run_finish (run);
  run_assert_frames (run, 0, 2, 7, -1);
  run_assert_bounds (run, 0, 0, 1000);
}

/* --- segments ---------------------------------------------------------------------------------------------------------------- */

static void
test_overlapping_segments_share_frames (void)
{
  SegmenterConfig config = { .duration = 2 * SECOND, .overlap = SECOND, .stop = SEGMENTER_NONE, .frames = 2 };
  g_autoptr (Run) run = run_new (config, 10, 4 * SECOND);

  run_push_frames (run, 0, 40, 10);
  run_finish (run);
  g_assert_cmpuint (run->seen->len, ==, 4);
  for (guint k = 0; k < 3; k++)
    run_assert_bounds (run, k, 1000 * k, 1000 * k + 2000);
  run_assert_bounds (run, 3, 3000, 4000);
  run_assert_frames (run, 0, 5, 15, -1);
  run_assert_frames (run, 1, 15, 25, -1);
}

static void
test_frames_outside_the_bound_are_left_out (void)
{
  SegmenterConfig config = { .duration = SECOND, .start = 2 * SECOND, .stop = 3 * SECOND, .frames = 1 };
  g_autoptr (Run) run = run_new (config, 10, 10 * SECOND);

  run_push_frames (run, 0, 100, 10);
  run_finish (run);
  g_assert_cmpuint (run->seen->len, ==, 1);
  run_assert_bounds (run, 0, 2000, 3000);
  run_assert_frames (run, 0, 25, -1);
}

static void
test_a_backward_frame_starts_anew (void)
{
  g_autoptr (Run) run = run_new ((SegmenterConfig){ .duration = SECOND, .stop = SEGMENTER_NONE, .frames = 1 }, 10, SEGMENTER_NONE);

  run_push_frames (run, 10, 17, 10);
  run_push_frames (run, 3, 14, 10);
  run_assert_bounds (run, 0, 1000, 1700);
  run_assert_bounds (run, 1, 300, 1300);
}

static void
test_a_jump_starts_anew (void)
{
  g_autoptr (Run) run =
      run_new ((SegmenterConfig){ .duration = 10 * SECOND, .stop = SEGMENTER_NONE, .frames = 1 }, 10, SEGMENTER_NONE);

  run_push_frames (run, 0, 10, 10);
  run_push_frames (run, 19, 21, 10); /* one second is no jump */
  run_push_frames (run, 45, 50, 10);
  run_finish (run);
  g_assert_cmpuint (run->seen->len, ==, 2);
  run_assert_bounds (run, 0, 0, 2100);
  run_assert_bounds (run, 1, 4500, 5000);
}

static void
test_slow_video_does_not_jump (void)
{
  g_autoptr (Run) run =
      run_new ((SegmenterConfig){ .duration = 20 * SECOND, .stop = SEGMENTER_NONE, .frames = 2 }, 0.2, SEGMENTER_NONE);

  run_push_frames (run, 0, 4, 0.2);
  run_push_frames (run, 5, 8, 0.2); /* a frame is missing: ten seconds, two frames */
  g_assert_cmpuint (run->seen->len, ==, 2);
  g_assert_false (run_get (run, 1)->closed);
  run_assert_bounds (run, 0, 0, 20000);
}

/* As from a camera of one picture every three seconds that says nothing of its rate; and from one that becomes such. */
static void
test_slow_video_of_unknown_rate_does_not_jump (void)
{
  SegmenterConfig config = { .duration = 60 * SECOND, .stop = SEGMENTER_NONE, .frames = 2 };
  g_autoptr (Run) slow = run_new (config, 0, SEGMENTER_NONE), slower = run_new (config, 0, SEGMENTER_NONE);

  for (guint i = 0; i < 6; i++)
    run_push (slow, i, i * 3 * SECOND, SEGMENTER_NONE);
  run_finish (slow);
  g_assert_cmpuint (slow->seen->len, ==, 1);
  run_assert_bounds (slow, 0, 0, 15000);

  for (guint i = 0; i < 6; i++)
    run_push (slower, i, i * 40 * MS, SEGMENTER_NONE);
  for (guint i = 6; i < 12; i++)
    run_push (slower, i, (i - 5) * 3 * SECOND, SEGMENTER_NONE);
  run_push (slower, 12, 18 * SECOND, SEGMENTER_NONE); /* of the same time */
  for (guint i = 0; i < 3; i++)
    run_push (slower, 13 + i, (25 + 3 * i) * SECOND, SEGMENTER_NONE); /* more than two frames: a jump */
  run_finish (slower);
  g_assert_cmpuint (slower->seen->len, ==, 3);
  run_assert_bounds (slower, 0, 0, 200);
  run_assert_bounds (slower, 1, 3000, 18000);
  run_assert_bounds (slower, 2, 25000, 31000);
}

static void
test_a_short_segment_has_its_first_frame (void)
{
  g_autoptr (Run) run =
      run_new ((SegmenterConfig){ .duration = 10 * SECOND, .stop = SEGMENTER_NONE, .frames = 2 }, 10, SEGMENTER_NONE);

  run_push_frames (run, 0, 103, 10);
  run_finish (run);
  g_assert_cmpuint (run->seen->len, ==, 2);
  run_assert_bounds (run, 1, 10000, 10300);
  run_assert_frames (run, 1, 100, -1);
}

static void
test_the_first_frame_may_come_late (void)
{
  g_autoptr (Run) near = run_new ((SegmenterConfig){ .duration = SECOND, .stop = SEGMENTER_NONE, .frames = 1 }, 10, SEGMENTER_NONE);
  g_autoptr (Run) far = run_new ((SegmenterConfig){ .duration = SECOND, .stop = SEGMENTER_NONE, .frames = 1 }, 10, SEGMENTER_NONE);

  run_push_frames (near, 1, 11, 10);
  run_assert_bounds (near, 0, 0, 1000);
  run_push_frames (far, 345, 356, 10);
  run_assert_bounds (far, 0, 34500, 35500);
}

static void
test_a_length_that_is_outrun_is_ignored (void)
{
  g_autoptr (Run) run = run_new ((SegmenterConfig){ .duration = SECOND, .stop = SEGMENTER_NONE, .frames = 2 }, 10, 1500 * MS);

  run_push_frames (run, 0, 31, 10);
  g_assert_cmpuint (run->seen->len, ==, 4);
  run_assert_frames (run, 1, 11, 13, -1); /* [10, 14] */
  run_assert_bounds (run, 1, 1000, 2000);
  run_assert_frames (run, 2, 22, 27, -1);
}

static void
test_reset_allows_the_start_again (void)
{
  g_autoptr (Run) run = run_new ((SegmenterConfig){ .duration = SECOND, .stop = SEGMENTER_NONE, .frames = 1 }, 10, SEGMENTER_NONE);

  run_push_frames (run, 0, 5, 10);
  run_reset (run);
  run_assert_bounds (run, 0, 0, 500);
  run_push_frames (run, 1, 11, 10);
  run_assert_bounds (run, 1, 0, 1000);
}

static void
test_no_end_is_said_beforehand (void)
{
  SegmenterConfig whole = { .stop = SEGMENTER_NONE, .frames = 1 }, bound = { .stop = SECOND, .frames = 1 };
  g_autoptr (Run) endless = run_new (whole, 10, SEGMENTER_NONE);
  g_autoptr (Run) file = run_new (whole, 10, SECOND);
  g_autoptr (Run) bounded = run_new (bound, 10, SEGMENTER_NONE);

  g_assert_false (segmenter_is_bounded (&endless->segmenter));
  g_assert_true (segmenter_is_bounded (&file->segmenter));
  g_assert_true (segmenter_is_bounded (&bounded->segmenter));
}

static void
test_segments_shorter_than_frames_are_passed_over (void)
{
  g_autoptr (Run) run = run_new ((SegmenterConfig){ .duration = 30 * MS, .stop = SEGMENTER_NONE, .frames = 1 }, 0, SEGMENTER_NONE);
  g_autoptr (Run) tiny = run_new ((SegmenterConfig){ .duration = 1, .stop = SEGMENTER_NONE, .frames = 1 }, 10, SEGMENTER_NONE);

  run_push_frames (run, 0, 5, 10);
  run_finish (run);
  g_assert_cmpuint (run->seen->len, ==, 5);
  run_assert_bounds (run, 1, 90, 120);
  run_push_frames (tiny, 0, 50, 10);
  g_assert_cmpuint (tiny->seen->len, >=, 50);
  g_assert_cmpuint (tiny->seen->len, <=, 100);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/segmenter/rows_of_the_reference", test_rows_of_the_reference);
  g_test_add_func ("/segmenter/last_segment_ends_with_the_stream", test_last_segment_ends_with_the_stream);
  g_test_add_func ("/segmenter/unknown_length_reports_the_frames_it_has", test_unknown_length_reports_the_frames_it_has);
  g_test_add_func ("/segmenter/stop_time_ends_the_last_segment", test_stop_time_ends_the_last_segment);
  g_test_add_func ("/segmenter/a_frame_takes_several_places", test_a_frame_takes_several_places);
  g_test_add_func ("/segmenter/a_missing_frame_is_replaced_by_the_next", test_a_missing_frame_is_replaced_by_the_next);
  g_test_add_func ("/segmenter/jitter_does_not_move_an_index", test_jitter_does_not_move_an_index);
  g_test_add_func ("/segmenter/variable_rate_takes_the_frame_that_is_shown", test_variable_rate_takes_the_frame_that_is_shown);
  g_test_add_func (
      "/segmenter/variable_rate_without_durations_takes_the_next", test_variable_rate_without_durations_takes_the_next);
  g_test_add_func ("/segmenter/variable_rate_ends_with_the_stream", test_variable_rate_ends_with_the_stream);
  g_test_add_func ("/segmenter/overlapping_segments_share_frames", test_overlapping_segments_share_frames);
  g_test_add_func ("/segmenter/frames_outside_the_bound_are_left_out", test_frames_outside_the_bound_are_left_out);
  g_test_add_func ("/segmenter/a_backward_frame_starts_anew", test_a_backward_frame_starts_anew);
  g_test_add_func ("/segmenter/a_jump_starts_anew", test_a_jump_starts_anew);
  g_test_add_func ("/segmenter/slow_video_does_not_jump", test_slow_video_does_not_jump);
  g_test_add_func ("/segmenter/slow_video_of_unknown_rate_does_not_jump", test_slow_video_of_unknown_rate_does_not_jump);
  g_test_add_func ("/segmenter/a_short_segment_has_its_first_frame", test_a_short_segment_has_its_first_frame);
  g_test_add_func ("/segmenter/the_first_frame_may_come_late", test_the_first_frame_may_come_late);
  g_test_add_func ("/segmenter/a_length_that_is_outrun_is_ignored", test_a_length_that_is_outrun_is_ignored);
  g_test_add_func ("/segmenter/reset_allows_the_start_again", test_reset_allows_the_start_again);
  g_test_add_func ("/segmenter/no_end_is_said_beforehand", test_no_end_is_said_beforehand);
  g_test_add_func ("/segmenter/segments_shorter_than_frames_are_passed_over", test_segments_shorter_than_frames_are_passed_over);
  return g_test_run ();
}

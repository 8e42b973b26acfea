/* Which frames are sampled where some are damaged: the rules of segmenter.h, on numbers alone. */
#include "segmenter-run.h"

#include <math.h>

/* marks: a letter a frame at 10 a second; `x` is damaged */
static void
push_marks (Run *run, const gchar *marks)
{
  for (guint i = 0; marks[i] != '\0'; i++)
    run_push_marked (run, i, i * 100 * MS, 100 * MS, marks[i] == 'x');
}

/* Places 2 and 7 of parts 0..4 and 5..9. */
static Run *
run_of_marks (const gchar *marks)
{
  Run *run = run_new ((SegmenterConfig){ .duration = SECOND, .stop = SEGMENTER_NONE, .frames = 2 }, 10, SEGMENTER_NONE);

  push_marks (run, marks);
  return run;
}

static void
test_a_damaged_frame_gives_way_to_the_next_of_its_part (void)
{
  g_autoptr (Run) run = run_of_marks ("..x....xx..");

  run_assert_frames (run, 0, 3, 9, -1);
}

static void
test_a_damaged_frame_gives_way_to_an_earlier_one_of_its_part (void)
{
  g_autoptr (Run) run = run_of_marks ("x.xxx.xxxxx");

  run_assert_frames (run, 0, 1, 5, -1);
}

static void
test_a_damaged_frame_is_sampled_where_its_part_has_no_other (void)
{
  g_autoptr (Run) run = run_of_marks (".....xxxxx.xxxxxxxxxxx.");

  run_assert_frames (run, 0, 2, 7, -1);
  run_assert_frames (run, 1, 10, 17, -1); /* 10 is the first good frame of 10..14 */
}

static void
test_a_short_segment_of_damaged_frames_has_one (void)
{
  g_autoptr (Run) bad = run_of_marks ("x"), better = run_of_marks ("x."), due = run_of_marks ("xxx");

  run_finish (bad);
  run_assert_frames (bad, 0, 0, -1);
  run_finish (better);
  run_assert_frames (better, 0, 1, -1);
  run_finish (due);
  run_assert_frames (due, 0, 2, -1);
}

static void
test_damaged_frames_share_the_places_of_a_better_one (void)
{
  /* Three frames for eight places: see above. */
  g_autoptr (Run) run = run_new ((SegmenterConfig){ .duration = 300 * MS, .stop = 300 * MS, .frames = 8 }, 10, SEGMENTER_NONE);

  push_marks (run, "..x.");
  g_assert_cmpuint (run_get (run, 0)->frames->len, ==, 8);
}

static gboolean
part_has_good (const gboolean *damaged, guint64 from, guint64 to, double frame)
{
  for (guint64 i = (guint64)ceil (from / frame - 1e-6); i * frame < to - 1e-3; i++)
    if (!damaged[i])
      return TRUE;
  return FALSE;
}

/* Whatever is damaged: a damaged frame is sampled only where its part has no good one, and a good one that would have been sampled
 * anyway is. */
static void
test_random_damage (void)
{
  enum
  {
    FRAMES = 600,
    PLACES = 5
  };

  for (guint round = 0; round < 400; round++) {
    gboolean by_time = round % 2 == 1;
    guint64 segment = g_test_rand_int_range (2, 9) * SECOND;
    double share = g_test_rand_double (), frame = 1e9 / 25;
    SegmenterConfig config = {
      .duration = segment, .overlap = round % 3 == 0 ? SECOND : 0, .stop = SEGMENTER_NONE, .frames = PLACES
    };
    g_autoptr (Run) run = run_new (config, by_time ? 0 : 25, FRAMES / 25 * SECOND);
    g_autoptr (Run) clean = run_new (config, by_time ? 0 : 25, FRAMES / 25 * SECOND);
    gboolean damaged[FRAMES];
    gboolean bad = FALSE;

    for (guint i = 0; i < FRAMES; i++) {
      bad = g_test_rand_int_range (0, 10) == 0 ? g_test_rand_double () < share : bad; /* in runs */
      damaged[i] = bad;
      run_push_marked (run, i, i * 40 * MS, 40 * MS, bad);
      run_push (clean, i, i * 40 * MS, 40 * MS);
    }
    run_finish (run);
    run_finish (clean);
    g_assert_cmpuint (run->seen->len, ==, clean->seen->len);
    for (guint n = 0; n < run->seen->len; n++) {
      const Seen *seen = run_get (run, n), *wanted = run_get (clean, n);

      g_assert_cmpuint (seen->frames->len, ==, wanted->frames->len);
      for (guint k = 0; k < seen->frames->len; k++) {
        guint64 got = g_array_index (seen->frames, guint64, k), place = g_array_index (wanted->frames, guint64, k);
        guint64 length = MIN (segment, FRAMES / 25 * SECOND - seen->start);
        guint64 from = seen->start + k * length / PLACES, to = seen->start + (k + 1) * length / PLACES;

        if (!damaged[place])
          g_assert_cmpuint (got, ==, place);
        else if (part_has_good (damaged, from, to, frame))
          g_assert_false (damaged[got]);
        else
          g_assert_cmpuint (got, ==, place);
        g_assert_cmpuint (got * 40 * MS + 20 * MS, >=, from);
        g_assert_cmpuint (got * 40 * MS, <, to + 20 * MS);
      }
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

#define RULE(name) g_test_add_func ("/damaged/" #name, test_##name)
  RULE (a_damaged_frame_gives_way_to_the_next_of_its_part);
  RULE (a_damaged_frame_gives_way_to_an_earlier_one_of_its_part);
  RULE (a_damaged_frame_is_sampled_where_its_part_has_no_other);
  RULE (a_short_segment_of_damaged_frames_has_one);
  RULE (damaged_frames_share_the_places_of_a_better_one);
  RULE (random_damage);
#undef RULE
  return g_test_run ();
}

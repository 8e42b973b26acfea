/* Which frames stand for a video: the oracle's rows, and numbers that no video has. */
#include "rows.h"

#include <math.h>

static void
test_segments_of_the_oracle (void)
{
  Rows rows = { 0 };

  conformance_segments (TEST_DATA "/small", rows_report, &rows);
  g_assert_cmpuint (rows.failed, ==, 0);
  g_assert_cmpuint (rows.n, ==, 175);
}

static void
assert_frames (guint64 n_frames, double fps, double start, double stop, guint n, const gint64 *expected)
{
  g_autofree gint64 *indices = g_new (gint64, n);

  minivl_sample_frames (n_frames, fps, start, stop, n, indices);
  for (guint i = 0; i < n; i++)
    g_assert_cmpint (indices[i], ==, expected[i]);
}

#define ASSERT_FRAMES(n_frames, fps, start, stop, ...)                                                                             \
  assert_frames (                                                                                                                  \
      n_frames, fps, start, stop, sizeof ((const gint64[]){ __VA_ARGS__ }) / sizeof (gint64), (const gint64[]){ __VA_ARGS__ })

static void
test_ties_to_even (void)
{
  /* [0.5, 2.5) s at 1 fps is [0, 2), not [1, 3) */
  ASSERT_FRAMES (100, 1, 0.5, 2.5, 1);
  ASSERT_FRAMES (100, 1, 1.5, 3.5, 3);
  /* parts of 2.5: 1.25 + 0, 2 (2.5 to even), 5, 8 (7.5 to even) */
  ASSERT_FRAMES (11, 1, 0, 100, 1, 3, 6, 9);
}

static void
test_no_bound_is_all (void)
{
  ASSERT_FRAMES (795, 10, 0, -1, 397);
  ASSERT_FRAMES (795, 10, 5, 4, 198, 595);
  ASSERT_FRAMES (795, 10, NAN, NAN, 397);
  ASSERT_FRAMES (795, 10, 1, NAN, 397);
}

/* The reference takes no bound for 100,000 seconds. */
static void
test_all_of_a_long_video (void)
{
  ASSERT_FRAMES (10000000, 25, 0, -1, 2499999, 7499999);
  ASSERT_FRAMES (200, 1.0 / 3600, 0, -1, 24, 74, 124, 173);
  ASSERT_FRAMES (20, 0, 0, -1, 2, 7, 12, 16);
}

static void
test_empty_bound_is_its_start (void)
{
  ASSERT_FRAMES (795, 10, 3, 3, 30, 30, 30);
}

static void
test_start_past_the_end (void)
{
  ASSERT_FRAMES (1, 25, 1.5, 4.25, 28, 9);
}

static void
test_numbers_of_no_video (void)
{
  const gint64 far = G_GINT64_CONSTANT (1) << 53;

  ASSERT_FRAMES (1, 0, 0, -1, 0);
  ASSERT_FRAMES (100, 25, -1e308, 1e308, 24, 74);
  ASSERT_FRAMES (100, INFINITY, 1, INFINITY, far / 2 + 50);
  ASSERT_FRAMES (G_MAXUINT64, 1e300, 1e300, 1e308, far, far);
  ASSERT_FRAMES (100, 1e300, -1e308, -1e300, -far / 2);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/segments/segments_of_the_oracle", test_segments_of_the_oracle);
  g_test_add_func ("/segments/ties_to_even", test_ties_to_even);
  g_test_add_func ("/segments/no_bound_is_all", test_no_bound_is_all);
  g_test_add_func ("/segments/all_of_a_long_video", test_all_of_a_long_video);
  g_test_add_func ("/segments/empty_bound_is_its_start", test_empty_bound_is_its_start);
  g_test_add_func ("/segments/start_past_the_end", test_start_past_the_end);
  g_test_add_func ("/segments/numbers_of_no_video", test_numbers_of_no_video);
  return g_test_run ();
}

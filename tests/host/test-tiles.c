/* Grids and resizing: the oracle's rows bit for bit, and sizes that no picture should have. */
#include "model/tiles.h"
#include "rows.h"

#include <string.h>

static void
test_grids_of_the_oracle (void)
{
  ModelConfig config = { 0 };
  Rows rows = { 0 };

  rows_load_config (&config);
  conformance_grids (TEST_DATA "/small", &config, rows_report, &rows);
  g_assert_cmpuint (rows.failed, ==, 0);
  g_assert_cmpuint (rows.n, ==, 1890);
  model_config_clear (&config);
}

static void
test_tiles_of_the_oracle (void)
{
  ModelConfig config = { 0 };
  Rows rows = { 0 };

  rows_load_config (&config);
  conformance_resize (TEST_DATA "/small", &config, rows_report, &rows);
  g_assert_cmpuint (rows.failed, ==, 0);
  g_assert_cmpuint (rows.n, ==, 12);
  model_config_clear (&config);
}

static void
assert_grid (guint width, guint height, guint min_num, guint max_num, guint columns, guint rows)
{
  guint c = 0, r = 0;

  tiles_grid (width, height, 448, min_num, max_num, &c, &r);
  g_assert_cmpuint (c, ==, columns);
  g_assert_cmpuint (r, ==, rows);
}

static void
test_absurd_sizes (void)
{
  assert_grid (0, 0, 1, 12, 1, 1);
  assert_grid (0, 5, 1, 12, 1, 1);
  assert_grid (5, 0, 1, 12, 1, 1);
  assert_grid (65535, 1, 1, 12, 12, 1);
  assert_grid (1, 65535, 1, 12, 1, 12);
  assert_grid (65535, 65535, 1, 40, 6, 6);
  assert_grid (G_MAXUINT, G_MAXUINT, 1, 40, 6, 6);
  assert_grid (G_MAXUINT, 1, 1, 40, 40, 1);
  assert_grid (640, 480, 1, 0, 1, 1);
  assert_grid (640, 480, 5, 3, 1, 1);
}

static void
test_equal_shape_needs_area (void)
{
  guint columns, rows;

  /* 2:1 is 2x1 and 4x2: more tiles from half their pixels on, not at it */
  assert_grid (896, 448, 1, 8, 2, 1);
  assert_grid (1264, 632, 1, 8, 2, 1);
  assert_grid (1268, 634, 1, 8, 4, 2);
  assert_grid (1268, 634, 1, 7, 2, 1);
  /* As far from 24:1 as from 25:1, and exactly half the pixels of 25 tiles of side 14, then a few more */
  tiles_grid (245, 10, 14, 1, 25, &columns, &rows);
  g_assert_cmpuint (columns, ==, 24);
  tiles_grid (245 * 3, 10 * 3, 14, 1, 25, &columns, &rows);
  g_assert_cmpuint (columns, ==, 25);
}

static void
test_fewest_tiles (void)
{
  assert_grid (100, 100, 2, 6, 2, 2);
  assert_grid (400, 100, 6, 6, 6, 1);
}

/* --- filters ----------------------------------------------------------------------------------------------------------------- */

static void
test_taps_of_known_filters (void)
{
  /* by Pillow's formula: halving, and stretching 2 to 3 */
  static const gint32 halved[2][4] = { { 1923834, 1923834, 502623, -155987 }, { -155987, 502623, 1923834, 1923834 } };
  static const gint32 stretched[3][2] = { { 4470245, -275941 }, { 2097152, 2097152 }, { -275941, 4470245 } };
  ResizeFilter f;

  resize_filter_init (&f, 4, 2);
  for (guint i = 0; i < 2; i++)
    g_assert_cmpmem (f.taps + i * f.most, f.bounds[2 * i + 1] * sizeof (gint32), halved[i], sizeof halved[i]);
  resize_filter_clear (&f);
  resize_filter_init (&f, 2, 3);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpmem (f.taps + i * f.most, f.bounds[2 * i + 1] * sizeof (gint32), stretched[i], sizeof stretched[i]);
  resize_filter_clear (&f);
}

static void
test_same_size_is_identity (void)
{
  ResizeFilter f;

  resize_filter_init (&f, 7, 7);
  for (guint i = 0; i < 7; i++)
    for (guint k = 0; k < f.bounds[2 * i + 1]; k++)
      g_assert_cmpint (f.taps[i * f.most + k], ==, f.bounds[2 * i] + k == i ? 1 << RESIZE_FILTER_BITS : 0);
  resize_filter_clear (&f);
}

static void
test_taps_sum_to_one (void)
{
  static const guint sizes[][2] = { { 1, 1 }, { 1, 448 }, { 448, 1 }, { 3, 448 }, { 449, 448 }, { 447, 448 }, { 1920, 448 },
    { 65535, 448 }, { 1, 17920 }, { 65535, 1 }, { 1000000, 3 } };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    guint in = sizes[i][0], out = sizes[i][1];
    ResizeFilter f;

    resize_filter_init (&f, in, out);
    g_assert_cmpuint (f.out, ==, out);
    for (guint o = 0; o < out; o++) {
      guint first = f.bounds[2 * o], n = f.bounds[2 * o + 1];
      gint64 sum = 0;

      g_assert_cmpuint (n, >, 0);
      g_assert_cmpuint (n, <=, f.most);
      g_assert_cmpuint (first + n, <=, in);
      for (guint k = 0; k < f.most; k++) {
        sum += f.taps[(gsize)o * f.most + k];
        g_assert_true (k < n || f.taps[(gsize)o * f.most + k] == 0);
      }
      /* each tap is rounded on its own */
      g_assert_cmpint (ABS (sum - (1 << RESIZE_FILTER_BITS)), <=, n / 2 + 1);
    }
    resize_filter_clear (&f);
  }
}

static void
test_flat_picture_stays_flat (void)
{
  static const guint sizes[][4] = { { 1, 1, 5, 7 }, { 9, 2, 3, 11 }, { 64, 3, 64, 3 }, { 30, 1, 1, 30 } };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    gsize n = (gsize)sizes[i][2] * sizes[i][3] * 3;
    g_autofree guint8 *src = g_malloc ((gsize)sizes[i][0] * sizes[i][1] * 3), *dst = g_malloc0 (n);

    memset (src, 201, (gsize)sizes[i][0] * sizes[i][1] * 3);
    resize_rgb (src, (gsize)sizes[i][0] * 3, sizes[i][0], sizes[i][1], dst, sizes[i][2], sizes[i][3]);
    for (gsize k = 0; k < n; k++)
      g_assert_cmpuint (dst[k], ==, 201);
  }
}

static void
test_stride_is_skipped (void)
{
  guint8 packed[4 * 5 * 3], wide[4 * 32], a[3 * 7 * 3], b[3 * 7 * 3];

  memset (wide, 255, sizeof wide);
  for (guint i = 0; i < sizeof packed; i++)
    packed[i] = wide[i / 15 * 32 + i % 15] = g_test_rand_int_range (0, 256);
  resize_rgb (packed, 15, 5, 4, a, 3, 7);
  resize_rgb (wide, 32, 5, 4, b, 3, 7);
  g_assert_cmpmem (a, sizeof a, b, sizeof b);
}

static void
test_overshoot_is_clipped (void)
{
  guint8 edge[8 * 3], wide[64 * 3];

  memset (edge, 0, 12);
  memset (edge + 12, 255, 12);
  resize_rgb (edge, sizeof edge, 8, 1, wide, 64, 1);
  g_assert_cmpuint (wide[0], ==, 0);
  g_assert_cmpuint (wide[63 * 3], ==, 255);
  /* beside the edge bicubic goes below 0 and above 255 */
  g_assert_cmpuint (wide[27 * 3], ==, 0);
  g_assert_cmpuint (wide[36 * 3], ==, 255);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tiles/grids_of_the_oracle", test_grids_of_the_oracle);
  g_test_add_func ("/tiles/tiles_of_the_oracle", test_tiles_of_the_oracle);
  g_test_add_func ("/tiles/absurd_sizes", test_absurd_sizes);
  g_test_add_func ("/tiles/equal_shape_needs_area", test_equal_shape_needs_area);
  g_test_add_func ("/tiles/fewest_tiles", test_fewest_tiles);
  g_test_add_func ("/tiles/taps_of_known_filters", test_taps_of_known_filters);
  g_test_add_func ("/tiles/same_size_is_identity", test_same_size_is_identity);
  g_test_add_func ("/tiles/taps_sum_to_one", test_taps_sum_to_one);
  g_test_add_func ("/tiles/flat_picture_stays_flat", test_flat_picture_stays_flat);
  g_test_add_func ("/tiles/stride_is_skipped", test_stride_is_skipped);
  g_test_add_func ("/tiles/overshoot_is_clipped", test_overshoot_is_clipped);
  return g_test_run ();
}

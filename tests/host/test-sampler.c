/* From logits to a token: each step of the reference's order by what it lets through, chance by its frequencies. */
#include "model/sampler.h"

#include <math.h>
#include <string.h>

#define DRAWS 20000

/* Draws often from the same logits; counts[id]. */
static void
draw (const MinivlParams *params, const float *logits, guint n, const gint32 *seen, guint n_seen, guint *counts)
{
  Sampler s;

  memset (counts, 0, n * sizeof *counts);
  sampler_init (&s, params);
  for (guint i = 0; i < DRAWS; i++) {
    gint32 id = sampler_next (&s, logits, n, seen, n_seen);

    g_assert_cmpint (id, >=, 0);
    g_assert_cmpint (id, <, n);
    counts[id]++;
  }
}

/* Four standard deviations: one seed in some thousands would fail, and the seeds are fixed. */
static void
assert_share (guint count, double share)
{
  double expected = share * DRAWS;

  g_assert_cmpfloat (fabs (count - expected), <=, 4 * sqrt (expected * (1 - share)));
}

static gint32
greedy (const float *logits, guint n, double penalty, const gint32 *seen, guint n_seen)
{
  MinivlParams params = MINIVL_PARAMS_INIT;
  Sampler s;

  params.repetition_penalty = penalty;
  sampler_init (&s, &params);
  return sampler_next (&s, logits, n, seen, n_seen);
}

static void
test_greedy_takes_the_lowest_of_equals (void)
{
  g_assert_cmpint (greedy ((const float[]){ 1, 3, 2, 3 }, 4, 1, NULL, 0), ==, 1);
  g_assert_cmpint (greedy ((const float[]){ 0, 0, 0 }, 3, 1, NULL, 0), ==, 0);
  g_assert_cmpint (greedy ((const float[]){ -5 }, 1, 1, NULL, 0), ==, 0);
}

static void
test_nan_is_never_taken (void)
{
  static const float logits[] = { NAN, 1, NAN, 1, NAN };
  MinivlParams params = MINIVL_PARAMS_INIT;
  guint counts[5];

  g_assert_cmpint (greedy (logits, 5, 1, NULL, 0), ==, 1);
  params.temperature = 1;
  for (params.top_k = 0; params.top_k < 5; params.top_k += 2) {
    draw (&params, logits, 5, NULL, 0, counts);
    g_assert_cmpuint (counts[1] + counts[3], ==, DRAWS);
  }
  g_assert_cmpint (greedy ((const float[]){ NAN, -INFINITY, NAN }, 3, 1, NULL, 0), ==, 0);
  params.temperature = 0.5;
  draw (&params, (const float[]){ NAN, -INFINITY, 0, INFINITY, 1 }, 5, NULL, 0, counts);
  g_assert_cmpuint (counts[3], ==, DRAWS);
}

static void
test_penalty_is_once_for_each_id (void)
{
  static const gint32 twice[] = { 0, 0, -1, 4, 100 };

  /* 3 / 2 < 2 */
  g_assert_cmpint (greedy ((const float[]){ 3, 2, 0, 0 }, 4, 2, twice, 5), ==, 1);
  /* 3 / 2 > 1, and 3 / 2 / 2 would not be */
  g_assert_cmpint (greedy ((const float[]){ 3, 1, 0, 0 }, 4, 2, twice, 5), ==, 0);
  /* -1 * 2 < -1.5: negative logits are multiplied */
  g_assert_cmpint (greedy ((const float[]){ -1, -1.5, -9, -9 }, 4, 2, twice, 5), ==, 1);
  g_assert_cmpint (greedy ((const float[]){ -1, -2.5, -9, -9 }, 4, 2, twice, 5), ==, 0);
  g_assert_cmpint (greedy ((const float[]){ 3, 2, 0, 0 }, 4, 1, twice, 5), ==, 0);
}

static void
test_temperature_is_in_the_exponent (void)
{
  static const float logits[] = { 0, 1, -1 };
  MinivlParams params = MINIVL_PARAMS_INIT;
  guint counts[3];

  params.top_k = 0;
  params.top_p = 1;
  for (params.temperature = 0.5; params.temperature <= 2; params.temperature *= 2) {
    double e = exp (1 / params.temperature), sum = 1 + e + 1 / e;

    draw (&params, logits, 3, NULL, 0, counts);
    assert_share (counts[0], 1 / sum);
    assert_share (counts[1], e / sum);
    assert_share (counts[2], 1 / e / sum);
  }
  params.temperature = 1e-30;
  draw (&params, logits, 3, NULL, 0, counts);
  g_assert_cmpuint (counts[1], ==, DRAWS);
  params.temperature = 1e30;
  draw (&params, logits, 3, NULL, 0, counts);
  assert_share (counts[2], 1.0 / 3);
}

static void
test_top_k_keeps_equals_of_the_last (void)
{
  static const float logits[] = { 1, 5, 2, 2, 4, 0 };
  MinivlParams params = MINIVL_PARAMS_INIT;
  guint counts[6];

  params.temperature = 10;
  params.top_p = 1;
  params.top_k = 2;
  draw (&params, logits, 6, NULL, 0, counts);
  g_assert_cmpuint (counts[1] + counts[4], ==, DRAWS);
  g_assert_cmpuint (MIN (counts[1], counts[4]), >, 0);
  params.top_k = 3;
  draw (&params, logits, 6, NULL, 0, counts);
  g_assert_cmpuint (counts[0] + counts[5], ==, 0);
  g_assert_cmpuint (MIN (counts[2], counts[3]), >, 0);
  params.top_k = 1;
  draw (&params, logits, 6, NULL, 0, counts);
  g_assert_cmpuint (counts[1], ==, DRAWS);
  params.top_k = 100;
  draw (&params, logits, 6, NULL, 0, counts);
  g_assert_cmpuint (counts[5], >, 0);
}

static void
test_top_k_of_many (void)
{
  enum
  {
    N = 1000,
    K = 37
  };
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_autofree float *logits = g_new (float, N);
  g_autofree guint *counts = g_new (guint, N);
  guint n_drawn = 0;

  /* a permutation of 0..N-1, flat enough that every one of the K is drawn */
  for (guint i = 0; i < N; i++)
    logits[i] = (i * 1237) % N;
  params.temperature = 1000;
  params.top_p = 1;
  params.top_k = K;
  draw (&params, logits, N, NULL, 0, counts);
  for (guint i = 0; i < N; i++) {
    g_assert_true (counts[i] == 0 || logits[i] >= N - K);
    n_drawn += counts[i] > 0;
  }
  g_assert_cmpuint (n_drawn, ==, K);
}

static void
test_top_p_keeps_the_smallest_set (void)
{
  /* shares 0.5, 0.25, 0.125, 0.125 */
  const float logits[] = { log (0.125), log (0.5), log (0.125), log (0.25) };
  MinivlParams params = MINIVL_PARAMS_INIT;
  guint counts[4];

  params.temperature = 1;
  params.top_k = 0;
  params.top_p = 0.45;
  draw (&params, logits, 4, NULL, 0, counts);
  g_assert_cmpuint (counts[1], ==, DRAWS);
  params.top_p = 0.6;
  draw (&params, logits, 4, NULL, 0, counts);
  assert_share (counts[1], 2.0 / 3);
  assert_share (counts[3], 1.0 / 3);
  params.top_p = 0.8;
  draw (&params, logits, 4, NULL, 0, counts);
  assert_share (counts[1], 4.0 / 7);
  assert_share (counts[0] + counts[2], 1.0 / 7);
  params.top_p = 0;
  draw (&params, logits, 4, NULL, 0, counts);
  g_assert_cmpuint (counts[1], ==, DRAWS);
  params.top_p = 1;
  draw (&params, logits, 4, NULL, 0, counts);
  assert_share (counts[0], 0.125);
  assert_share (counts[2], 0.125);
}

static void
test_top_p_is_of_what_top_k_left (void)
{
  /* of the best three, 0.4 : 0.3 : 0.2, the first two are 7/9 and enough; of all five they would be 0.7 */
  const float logits[] = { log (0.4), log (0.3), log (0.2), log (0.05), log (0.05) };
  MinivlParams params = MINIVL_PARAMS_INIT;
  guint counts[5];

  params.temperature = 1;
  params.top_k = 3;
  params.top_p = 0.75;
  draw (&params, logits, 5, NULL, 0, counts);
  g_assert_cmpuint (counts[2], ==, 0);
  assert_share (counts[0], 4.0 / 7);
}

static void
test_top_p_is_after_temperature (void)
{
  /* at temperature 2 the first has sqrt (8) / (sqrt (8) + 1) = 0.74, at 1 it would have 0.89 */
  const float logits[] = { log (8), 0 };
  MinivlParams params = MINIVL_PARAMS_INIT;
  guint counts[2];

  params.temperature = 2;
  params.top_p = 0.8;
  draw (&params, logits, 2, NULL, 0, counts);
  assert_share (counts[1], 1 / (sqrt (8) + 1));
}

static void
test_same_seed_same_tokens (void)
{
  MinivlParams params = MINIVL_PARAMS_INIT;
  const float logits[16] = { 0 };
  guint same = 0, differing = 0;
  Sampler a, b, c;

  params.temperature = 1;
  params.top_k = 0;
  params.top_p = 1;
  params.seed = 7;
  sampler_init (&a, &params);
  sampler_init (&b, &params);
  params.seed = 8;
  sampler_init (&c, &params);
  for (guint i = 0; i < 100; i++) {
    gint32 x = sampler_next (&a, logits, 16, NULL, 0), y = sampler_next (&b, logits, 16, NULL, 0);

    same += x == y;
    differing += x != sampler_next (&c, logits, 16, NULL, 0);
  }
  g_assert_cmpuint (same, ==, 100);
  g_assert_cmpuint (differing, >, 50);
}

/* --- from the best alone --------------------------------------------------------------------------------------------------- */

#define N_BEST 64
#define N_MOST 300

typedef struct
{
  float logits[N_MOST];
  guint n;
  guint32 ids[N_MOST]; /* best first */
  float values[N_MOST];
  SamplerBest best;
} Row;

static gint
compare_in_row (gconstpointer a, gconstpointer b, gpointer data)
{
  const Row *r = data;
  guint32 x = *(const guint32 *)a, y = *(const guint32 *)b;

  if (r->values[x] != r->values[y])
    return r->values[x] > r->values[y] ? -1 : 1;
  return (x > y) - (x < y);
}

/* kind 1 has many equals, 2 has NaN and infinities */
static void
fill_row (Row *r, guint n, guint kind)
{
  static const float odd[] = { NAN, -INFINITY, 0.0f, -0.0f, 30, -NAN };
  float sorted[N_MOST];

  r->n = n;
  for (guint i = 0; i < n; i++) {
    float v = g_test_rand_double_range (-3, 3);

    r->logits[i] = kind == 1 ? roundf (v * 4) / 4 : kind == 2 && i % 3 == 0 ? odd[g_test_rand_int_range (0, 6)] : v;
    r->values[i] = isnan (r->logits[i]) ? -INFINITY : r->logits[i];
    r->ids[i] = i;
  }
  g_qsort_with_data (r->ids, n, sizeof r->ids[0], compare_in_row, r);
  for (guint i = 0; i < n; i++)
    sorted[i] = r->values[r->ids[i]];
  memcpy (r->values, sorted, n * sizeof sorted[0]);
  r->best = (SamplerBest){ r->ids, r->values, MIN (n, N_BEST), n > N_BEST ? r->values[N_BEST] : -INFINITY };
}

static void
test_best_alone_give_the_same_tokens (void)
{
  static const guint sizes[] = { 1, 5, 63, 64, 65, 200, N_MOST };
  static const guint top_k[] = { 0, 1, 2, 40, 63, 64, 65, 1000 };
  guint decided = 0, undecided = 0;

  for (guint i = 0; i < 20000; i++) {
    MinivlParams params = MINIVL_PARAMS_INIT;
    Sampler whole, few, before;
    gint32 id, want;
    Row r;

    fill_row (&r, sizes[g_test_rand_int_range (0, G_N_ELEMENTS (sizes))], i % 3);
    params.temperature = i % 7 == 0 ? 0 : g_test_rand_double_range (0.1, 3);
    params.top_k = top_k[g_test_rand_int_range (0, G_N_ELEMENTS (top_k))];
    params.top_p = g_test_rand_bit () ? 1 : g_test_rand_double_range (0, 1);
    params.seed = g_test_rand_int ();
    sampler_init (&whole, &params);
    sampler_init (&few, &params);
    sampler_init (&before, &params);
    id = sampler_next_of_best (&few, &r.best, r.n);
    if (id < 0) {
      g_assert_cmpuint (few.state, ==, before.state);
      undecided++;
      continue;
    }
    decided++;
    want = sampler_next (&whole, r.logits, r.n, NULL, 0);
    g_assert_cmpint (id, ==, want);
    g_assert_cmpuint (few.state, ==, whole.state);
  }
  g_assert_cmpuint (decided, >, 10000);
  g_assert_cmpuint (undecided, >, 1000);
}

static void
test_best_alone_are_not_enough (void)
{
  MinivlParams params = MINIVL_PARAMS_INIT;
  float logits[100];
  guint32 ids[N_BEST];
  SamplerBest best = { ids, logits, N_BEST, 36 };
  Sampler s;

  for (guint i = 0; i < 100; i++)
    logits[i] = 100 - i;
  for (guint i = 0; i < N_BEST; i++)
    ids[i] = i;

  params.repetition_penalty = 1.1;
  sampler_init (&s, &params);
  g_assert_cmpint (sampler_next_of_best (&s, &best, 100), ==, -1);
  params.repetition_penalty = 1;
  sampler_init (&s, &params);
  g_assert_cmpint (sampler_next_of_best (&s, &best, 100), ==, 0);

  params.temperature = 1e30;
  for (params.top_k = 0; params.top_k <= 101; params.top_k++) {
    gboolean enough = params.top_k > 0 && params.top_k <= N_BEST;

    sampler_init (&s, &params);
    g_assert_cmpint (enough, ==, sampler_next_of_best (&s, &best, 100) >= 0);
  }
  /* The 65th is as good as the 64th, which is let in: so is the 65th. */
  params.top_k = 64;
  best.next = 37;
  sampler_init (&s, &params);
  g_assert_cmpint (sampler_next_of_best (&s, &best, 100), ==, -1);
  params.top_k = 63;
  sampler_init (&s, &params);
  g_assert_cmpint (sampler_next_of_best (&s, &best, 100), >=, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sampler/greedy_takes_the_lowest_of_equals", test_greedy_takes_the_lowest_of_equals);
  g_test_add_func ("/sampler/nan_is_never_taken", test_nan_is_never_taken);
  g_test_add_func ("/sampler/penalty_is_once_for_each_id", test_penalty_is_once_for_each_id);
  g_test_add_func ("/sampler/temperature_is_in_the_exponent", test_temperature_is_in_the_exponent);
  g_test_add_func ("/sampler/top_k_keeps_equals_of_the_last", test_top_k_keeps_equals_of_the_last);
  g_test_add_func ("/sampler/top_k_of_many", test_top_k_of_many);
  g_test_add_func ("/sampler/top_p_keeps_the_smallest_set", test_top_p_keeps_the_smallest_set);
  g_test_add_func ("/sampler/top_p_is_of_what_top_k_left", test_top_p_is_of_what_top_k_left);
  g_test_add_func ("/sampler/top_p_is_after_temperature", test_top_p_is_after_temperature);
  g_test_add_func ("/sampler/same_seed_same_tokens", test_same_seed_same_tokens);
  g_test_add_func ("/sampler/best_alone_give_the_same_tokens", test_best_alone_give_the_same_tokens);
  g_test_add_func ("/sampler/best_alone_are_not_enough", test_best_alone_are_not_enough);
  return g_test_run ();
}

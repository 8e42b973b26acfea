/* The kernel of cooperative matrices: how it is chosen, and that what it multiplies in f16 loses nothing that f16's bound sees.
 * What it does to numbers is done here in C, step by step; where the device has such matrices, it is held against that. */
#include <math.h>
#include <string.h>

#include "harness.h"
#include "survey.h"
#include "tensors.h"
#include "vk/twins.h"

#define F16_NMSE 1e-5  /* of what is computed in f16 */
#define SAME_NMSE 1e-9 /* of two who round alike, and add in another order */

/* --- in C ------------------------------------------------------------------------------------------------------------------- */

static guint
exponent_of (float f)
{
  guint32 u;

  memcpy (&u, &f, 4);
  return u >> 23 & 255;
}

/* To f16. */
static double
rounded (float f)
{
  return fabsf (f) < 32768 ? float_from_half (half_from_float (f)) : fabsf (f) < 65520 ? nearbyint (f / 32) * 32 : f * INFINITY;
}

/* A row of numbers as the kernel has them: f16, and the top they have been divided by, a piece of k after the other. */
typedef struct
{
  double *halves;
  guint *tops; /* one a piece */
} CoopRow;

static CoopRow
row_new (const float *v, guint k, guint first_top, gboolean raises)
{
  CoopRow r = { g_new0 (double, k), g_new0 (guint, k / COOP_PIECE) };
  guint top = first_top;

  for (guint piece = 0; piece < k / COOP_PIECE; piece++) {
    const float *from = v + piece * COOP_PIECE;
    guint peak = 0;

    for (guint i = 0; i < COOP_PIECE; i++)
      peak = MAX (peak, exponent_of (from[i]));
    if (raises && peak > top)
      top = CLAMP (peak + COOP_ROOM, COOP_LEAST, 255);
    for (guint i = 0; i < COOP_PIECE; i++) {
      float scaled = ldexpf (from[i], (gint)COOP_UNIT - (gint)MAX (top, COOP_LEAST));

      r.halves[piece * COOP_PIECE + i] = rounded (scaled);
    }
    r.tops[piece] = top;
  }
  return r;
}

static void
row_clear (CoopRow *r)
{
  g_free (r->halves);
  g_free (r->tops);
}

/* What sums are multiplied by where a top is raised. */
static double
shrink (guint from, guint to)
{
  return (gint)(127 + from) > (gint)to ? ldexp (1, (gint)from - (gint)to) : 0;
}

/* y[m][n] = x . w^T, as matmul_coop.comp computes it but for the order of the sums; k a multiple of 32. raises: FALSE leaves the
 * scaling out. */
static void
in_c (double *y, const float *x, const float *w, TensorType type, guint m, guint n, guint k, gboolean raises)
{
  g_autofree CoopRow *xs = g_new (CoopRow, m), *ws = g_new (CoopRow, n);

  for (guint i = 0; i < m; i++)
    xs[i] = row_new (x + i * k, k, raises ? 0 : COOP_UNIT, raises);
  for (guint j = 0; j < n; j++)
    ws[j] = row_new (w + j * k, k, raises && type == TYPE_BF16 ? 0 : COOP_UNIT, raises && type == TYPE_BF16);
  for (guint i = 0; i < m; i++)
    for (guint j = 0; j < n; j++) {
      guint x_top = 0, w_top = 0;
      double sum = 0;

      for (guint piece = 0; piece < k / COOP_PIECE; piece++) {
        sum *= piece ? shrink (x_top, xs[i].tops[piece]) * shrink (w_top, ws[j].tops[piece]) : 1;
        x_top = xs[i].tops[piece];
        w_top = ws[j].tops[piece];
        for (guint l = piece * COOP_PIECE; l < (piece + 1) * COOP_PIECE; l++)
          sum += xs[i].halves[l] * ws[j].halves[l];
      }
      y[i * n + j] = ldexp (sum, (gint)(MAX (x_top, COOP_LEAST) + MAX (w_top, COOP_LEAST)) - 2 * (gint)COOP_UNIT);
    }
  for (guint i = 0; i < m; i++)
    row_clear (&xs[i]);
  for (guint j = 0; j < n; j++)
    row_clear (&ws[j]);
}

/* --- numbers ---------------------------------------------------------------------------------------------------------------- */

enum
{
  M = 40,
  N = 70,
  K = 320,
};

/* x and w of one kind; row i of x is made 2^(i * x_step) times as large, and row j of w. */
typedef struct
{
  const gchar *name;
  TensorType type;
  double x_size, w_size;
  gint x_step, w_step;
  double first, last; /* what the first piece of a row of x is multiplied by, and its last number */
  gboolean plain;     /* f16 would do without scaling */
} Numbers;

static const Numbers numbers[] = {
  { "as models have them", TYPE_BF16, 1, 0.02, 0, 0, 1, 1, TRUE },
  { "as models have them, f16", TYPE_F16, 1, 0.02, 0, 0, 1, 1, TRUE },
  { "weights below f16's normal range, activations of a million", TYPE_BF16, 1e6, 1e-6, 0, 0, 1, 1 },
  { "weights below all of f16, activations of a million", TYPE_BF16, 1e6, 1e-9, 0, 0, 1, 1 },
  { "activations of a million", TYPE_F16, 1e6, 0.02, 0, 0, 1, 1 },
  { "next to the ends of f32", TYPE_BF16, 1e36, 1e-34, 0, 0, 1, 1 },
  { "and the other way round", TYPE_BF16, 1e-34, 1e36, 0, 0, 1, 1 },
  { "rows of all sizes", TYPE_BF16, 1e-12, 1e-9, 2, 1, 1, 1 },
  { "an outlier at the beginning", TYPE_BF16, 1, 0.02, 0, 0, 3000, 1, TRUE },
  { "outliers at both ends", TYPE_BF16, 1, 0.02, 0, 0, 1000, 1e7 },
  { "rows that begin with next to nothing", TYPE_BF16, 1, 0.02, 0, 0, 1e-20, 3000, TRUE },
};

typedef struct
{
  float *x, *w;
} Inputs;

static Inputs
inputs_new (const Numbers *c)
{
  Inputs in = { random_floats (M * K, 0), random_floats (N * K, 0) };

  for (guint i = 0; i < M * K; i++)
    in.x[i] *= ldexp (c->x_size, i / K * c->x_step) * (i % K < COOP_PIECE ? c->first : i % K == K - 1 ? c->last : 1);
  for (guint i = 0; i < N * K; i++) {
    float w = in.w[i] * ldexp (c->w_size, i / K * c->w_step);

    if (c->type == TYPE_F16) {
      in.w[i] = float_from_half (half_from_float (w));
    } else {
      guint32 u;

      memcpy (&u, &w, 4);
      u &= 0xffff0000;
      memcpy (&in.w[i], &u, 4);
    }
  }
  return in;
}

static void
inputs_clear (Inputs *in)
{
  g_free (in->x);
  g_free (in->w);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Inputs, inputs_clear)

/* The worst row's, or column's, so that no small one hides behind a large one; infinity where there is no number. What numbers have
 * been multiplied by is taken from them again: else a row was judged by its last few columns, whose sums may all be next to
 * nothing. */
static double
worst_nmse (const Numbers *c, const double *got, const double *want)
{
  double worst = 0;

  for (guint by = 0; by < 2; by++) {
    for (guint a = 0; a < (by ? N : M); a++) {
      double difference = 0, sum = 0;

      for (guint b = 0; b < (by ? M : N); b++) {
        guint row = by ? b : a, column = by ? a : b, at = row * N + column;
        gint size = (gint)row * c->x_step + (gint)column * c->w_step;

        difference += pow (ldexp (got[at] - want[at], -size), 2);
        sum += pow (ldexp (want[at], -size), 2);
      }
      worst = isfinite (difference) ? MAX (worst, difference / sum) : INFINITY;
      if (isinf (worst))
        return worst;
    }
  }
  return worst;
}

static void
test_f16_is_enough (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++) {
    const Numbers *c = &numbers[i];
    g_auto (Inputs) in = inputs_new (c);
    g_autofree double *exact = g_new (double, M *N), *got = g_new (double, M *N), *unscaled = g_new (double, M *N);
    double nmse, plain;

    twin_matmul (exact, in.x, in.w, M, N, K, &(TwinEpilogue){ .period = M });
    in_c (got, in.x, in.w, c->type, M, N, K, TRUE);
    in_c (unscaled, in.x, in.w, c->type, M, N, K, FALSE);
    nmse = worst_nmse (c, got, exact);
    plain = worst_nmse (c, unscaled, exact);
    g_test_message ("%s: NMSE %.3g, unscaled %.3g", c->name, nmse, plain);
    if (!(nmse <= F16_NMSE))
      g_test_fail_printf ("%s: NMSE %g", c->name, nmse);
    if ((plain <= F16_NMSE) != c->plain)
      g_test_fail_printf ("%s: without scaling NMSE %g", c->name, plain);
  }
}

/* --- on a device ------------------------------------------------------------------------------------------------------------ */

static void
test_the_device_does_as_c_does (Device *dev)
{
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++) {
    const Numbers *c = &numbers[i];
    g_auto (Inputs) in = inputs_new (c);
    g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "coop");
    Tensor w = arena_add (a, c->type, LAYOUT_WEIGHTS, N, K), x = arena_add (a, TYPE_F32, LAYOUT_ROWS, M, K);
    Tensor y = arena_add (a, TYPE_F32, LAYOUT_ROWS, M, N);
    g_autoptr (OpStream) s = op_stream_new (dev, "coop");
    g_autofree float *narrow = g_new (float, M *N);
    g_autofree double *want = g_new (double, M *N), *got = g_new (double, M *N);
    double nmse;

    g_assert_true (arena_commit (a, NULL));
    weights_write (&w, in.w);
    rows_write (&x, in.x);
    op_matmul (s, &y, &x, &w, NULL);
    stream_go (s);
    rows_read (&y, narrow);
    for (guint j = 0; j < M * N; j++)
      got[j] = narrow[j];
    in_c (want, in.x, in.w, c->type, M, N, K, TRUE);
    nmse = worst_nmse (c, got, want);
    g_test_message ("%s: NMSE %.3g", c->name, nmse);
    if (!(nmse <= SAME_NMSE))
      g_test_fail_printf ("%s: NMSE %g", c->name, nmse);
  }
}

static gboolean
is_other (gpointer variant, gpointer op, gpointer data)
{
  return !g_str_has_prefix (((const Variant *)variant)->shader->name, "matmul_coop");
}

/* Every variant that a model of true size takes. */
static void
test_the_self_check_passes (Device *form)
{
  const DeviceOptions options = { .coop = COOP_ALWAYS, .cache_dir = "" };
  g_autoptr (Device) dev = harness_device (&options);

  for (TensorType type = TYPE_F16; type <= TYPE_BF16; type++) {
    g_autoptr (OpStream) survey = survey_model (dev, type, KV_F16);
    g_autoptr (GError) error = NULL;
    SelfCheck result;

    g_hash_table_foreach_remove (op_survey_variants (survey, NULL), is_other, NULL);
    device_self_check (dev, survey, &result, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (result.checked, >=, 6);
  }
}

static void
test_there_are_none (void)
{
  g_test_skip ("the device has no cooperative matrices, or the build does not know them");
}

/* --- the choice ------------------------------------------------------------------------------------------------------------- */

static CoopGeometry
chosen (guint lanes, guint shared_bytes, const CoopReport *report, const DeviceOptions *options, gboolean cpu)
{
  DeviceLimits limits = {
    .cpu = cpu,
    .subgroup = lanes,
    .shuffles = TRUE,
    .converts_halves = TRUE,
    .shared_bytes = shared_bytes,
    .texels = 1 << 27,
    .max_local = 1024,
    .matrices = *report,
  };

  geometry_choose (&limits, options);
  return limits.geometry.coop;
}

static void
test_the_choice (void)
{
  static const CoopReport gpu = { { 8, 16 }, 32 }, fixed = { { 16 }, 0 }, other = { { 32 }, 32 }, lavapipe = { { 8 }, 8 }, none;
  const DeviceOptions plain = { 0 }, never = { .coop = COOP_NEVER }, always = { .coop = COOP_ALWAYS };
  CoopGeometry c = chosen (64, 65536, &gpu, &plain, FALSE);

  g_assert_cmpuint (c.side, ==, 16);
  g_assert_cmpuint (c.subgroup, ==, 32);
  g_assert_true (c.choose);
  g_assert_cmpuint (c.tiles[0].rows, ==, 128);
  g_assert_cmpuint (coop_tile_subgroups (&c.tiles[0]) * c.subgroup, ==, 256);
  g_assert_cmpuint (c.tiles[2].rows, ==, 32);

  /* One size of subgroups. If they are wide, a tile that they have too little to do in is left out. */
  g_assert_cmpuint (chosen (32, 65536, &fixed, &plain, FALSE).tiles[2].rows, ==, 32);
  c = chosen (64, 65536, &fixed, &plain, FALSE);
  g_assert_cmpuint (c.subgroup, ==, 64);
  g_assert_false (c.choose);
  g_assert_cmpuint (c.tiles[1].rows, ==, 64);
  g_assert_cmpuint (c.tiles[2].rows, ==, 0);

  /* Little shared memory. */
  c = chosen (64, 16384, &gpu, &plain, FALSE);
  g_assert_cmpuint (c.tiles[0].rows, ==, 64);
  g_assert_cmpuint (chosen (64, 4096, &gpu, &plain, FALSE).side, ==, 0);

  g_assert_cmpuint (chosen (64, 65536, &none, &plain, FALSE).side, ==, 0);
  g_assert_cmpuint (chosen (64, 65536, &other, &plain, FALSE).side, ==, 0);
  g_assert_cmpuint (chosen (64, 65536, &gpu, &never, FALSE).side, ==, 0);
  g_assert_cmpuint (chosen (64, 65536, &gpu, &(DeviceOptions){ .no_subgroup = TRUE }, FALSE).side, ==, 0);

  /* Of lavapipe only if asked for, and with tiles of as many matrices. */
  g_assert_cmpuint (chosen (8, 65536, &lavapipe, &plain, TRUE).side, ==, 0);
  c = chosen (8, 65536, &lavapipe, &always, TRUE);
  g_assert_cmpuint (c.side, ==, 8);
  g_assert_cmpuint (c.tiles[0].rows, ==, 64);
  g_assert_cmpuint (c.tiles[2].rows, ==, 16);
}

int
main (int argc, char **argv)
{
  gint result;

  harness_init (&argc, &argv);
  g_test_add_func ("/coop/the-choice", test_the_choice);
  g_test_add_func ("/coop/f16-is-enough", test_f16_is_enough);
  add_in_coop ("/coop/the-device-does-as-c-does", test_the_device_does_as_c_does);
  add_in_coop ("/coop/the-self-check-passes", test_the_self_check_passes);
  if (!device_limits (form_device (FORM_COOP))->geometry.coop.side)
    g_test_add_func ("/coop/on-a-device", test_there_are_none);
  result = g_test_run ();
  forms_close ();
  return result;
}

/* What dispatches cost besides their work: a decode step of the true model has as many as this, one behind the other. */
#include "bench.h"

#include "true_widths.h"

#define KEYS 2048
#define SECONDS 2.0
#define LEAST_RUNS 20
#define QUICK_RUNS 2

/* n of a quad each, each of which waits for the one before. */
static OpStream *
new_chain (Bench *b, Tensor t[2], guint n)
{
  g_autoptr (GError) error = NULL;
  OpStream *s = op_stream_new (b->dev, "empty");

  for (guint i = 0; i < n; i++)
    op_copy (s, &t[(i + 1) % 2], &t[i % 2]);
  op_stream_end (s, &error);
  bench_assert (error);
  return s;
}

static void
time_step (Bench *b, Tensor t[2], MinivlPrecision precision)
{
  g_autoptr (GError) error = NULL;
  guint n = true_step_dispatches (b->dev, precision, 1, KEYS, &error);
  g_autoptr (OpStream) s = NULL;
  BenchRow row = { .name = "dispatches", .precision = precision_name (precision), .limit = LIMIT_NONE };
  BenchTimer timer;

  bench_assert (error);
  s = new_chain (b, t, n);
  bench_run_stream (s); /* drivers compile when a kernel first runs */
  bench_timer_start (&timer, b->quick ? 0 : SECONDS, b->quick ? QUICK_RUNS : LEAST_RUNS);
  while (bench_goes_on (&timer)) {
    const gint64 start = g_get_monotonic_time ();

    bench_run_stream (s);
    bench_ran (&timer, (g_get_monotonic_time () - start) * 1000, 1); /* with what submitting takes */
  }
  bench_timer_stop (&timer, &row);
  row.shape = g_strdup_printf ("%u, %u layers", n, TRUE_LANGUAGE_LAYERS);
  bench_add (b, row);
}

void
bench_dispatches (Bench *b)
{
  static const struct
  {
    TensorType type;
    MinivlPrecision precision;
  } rows[] = { { TYPE_F16, MINIVL_PRECISION_F16 }, { TYPE_Q8, MINIVL_PRECISION_Q8 }, { TYPE_Q4, MINIVL_PRECISION_Q4 } };
  g_autoptr (GError) error = NULL;
  g_autoptr (Arena) arena = arena_new (b->dev, ARENA_DEVICE, "empty");
  Tensor t[2];

  for (guint i = 0; i < 2; i++)
    t[i] = arena_add (arena, TYPE_F32, LAYOUT_ROWS, 1, 4);
  arena_commit (arena, &error);
  bench_assert (error);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    if (bench_wants (b, rows[i].type))
      time_step (b, t, rows[i].precision);
}

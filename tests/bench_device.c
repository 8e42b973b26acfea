/* What a device can do at most, by shaders that do nothing else: measure.comp. */
#include "bench.h"

#include "measure.h"

#define BYTES (G_GUINT64_CONSTANT (1) << 30) /* more than any cache holds */
#define QUICK_BYTES (G_GUINT64_CONSTANT (1) << 26)
#define TENSOR_BYTES (G_GUINT64_CONSTANT (1) << 29)
#define COLUMNS 4096
#define ROW_BYTES (4 * COLUMNS)
#define INVOCATIONS (1u << 20)
#define LONG_NS 20000000 /* a dispatch for which its start and its end do not count */
#define QUICK_LONG_NS 1000000
#define RUNS 5

static guint64
best_of (OpStream *s)
{
  guint64 best = G_MAXUINT64;

  for (guint i = 0; i < RUNS; i++)
    best = MIN (best, bench_run_stream (s));
  return best;
}

static guint64
bytes_of (const Bench *b)
{
  return b->quick ? QUICK_BYTES : BYTES;
}

static double
measure_copy (Bench *b)
{
  enum
  {
    TENSORS = 16,
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (Arena) arena = arena_new (b->dev, ARENA_DEVICE, "copy");
  g_autoptr (OpStream) s = op_stream_new (b->dev, "copy");
  guint rows = bytes_of (b) / TENSORS / ROW_BYTES;
  Tensor t[TENSORS];

  for (guint i = 0; i < TENSORS; i++)
    t[i] = arena_add (arena, TYPE_F32, LAYOUT_ROWS, rows, COLUMNS);
  arena_commit (arena, &error);
  bench_assert (error);
  for (guint i = 0; i + 1 < TENSORS; i += 2)
    op_copy (s, &t[i], &t[i + 1]);
  op_stream_end (s, &error);
  bench_assert (error);
  return (double)TENSORS * rows * ROW_BYTES / best_of (s);
}

static double
measure_read (Bench *b)
{
  const guint64 each = MIN (MIN (bytes_of (b), TENSOR_BYTES), device_limits (b->dev)->bulk_range);
  const guint row_quads = ROW_BYTES / 16, together = MEASURE_LOCAL * MEASURE_QUADS / row_quads; /* rows of a workgroup */
  const guint rows = each / ROW_BYTES / together * together, n = MAX (bytes_of (b) / rows / ROW_BYTES, 1);
  g_autoptr (GError) error = NULL;
  g_autoptr (Arena) arena = arena_new (b->dev, ARENA_DEVICE, "read");
  g_autoptr (OpStream) s = op_stream_new (b->dev, "read");
  g_autofree Tensor *x = g_new (Tensor, n);
  Tensor y = arena_add (arena, TYPE_U32, LAYOUT_ROWS, 1, 4);

  for (guint i = 0; i < n; i++)
    x[i] = arena_add (arena, TYPE_U32, LAYOUT_ROWS, rows, COLUMNS);
  arena_commit (arena, &error);
  bench_assert (error);
  op_stream_begin_op (s, "read");
  for (guint i = 0; i < n; i++)
    op_stream_dispatch (s, &(Dispatch){
                               .shader = "measure_read",
                               .bind = { { BIND_BULK, &x[i] }, { BIND_WRITE, &y } },
                               .local = MEASURE_LOCAL,
                               .workgroups = { rows / together, 1, 1 },
                               .bytes = (guint64)rows * ROW_BYTES,
                           });
  op_stream_end (s, &error);
  bench_assert (error);
  return (double)n * rows * ROW_BYTES / best_of (s);
}

static double
measure_muladd (Bench *b)
{
  const double turn_flops = 2.0 * 4 * MEASURE_CHAINS * MEASURE_UNROLLED * INVOCATIONS;
  struct
  {
    guint32 turns;
    float factor, term;
  } push = { 1, 0.75f, 0.25f };
  g_autoptr (GError) error = NULL;
  g_autoptr (Arena) arena = arena_new (b->dev, ARENA_DEVICE, "muladd");
  Tensor y = arena_add (arena, TYPE_F32, LAYOUT_ROWS, INVOCATIONS * 4 / COLUMNS, COLUMNS);

  arena_commit (arena, &error);
  bench_assert (error);
  for (;; push.turns *= 2) {
    g_autoptr (OpStream) s = op_stream_new (b->dev, "muladd");
    guint64 ns;

    op_stream_begin_op (s, "muladd");
    op_stream_dispatch (s, &(Dispatch){
                               .shader = "measure_muladd",
                               .bind = { { BIND_WRITE, &y } },
                               .push = &push,
                               .push_size = sizeof push,
                               .local = MEASURE_LOCAL,
                               .workgroups = { INVOCATIONS / MEASURE_LOCAL, 1, 1 },
                               .turns = push.turns,
                               .flops = push.turns * turn_flops,
                           });
    op_stream_end (s, &error);
    bench_assert (error);
    ns = best_of (s);
    if (ns >= (b->quick ? QUICK_LONG_NS : LONG_NS) || push.turns * 2 > DISPATCH_MAX_TURNS)
      return push.turns * turn_flops / ns;
  }
}

void
bench_device (Bench *b)
{
  b->peak.copy_gbps = measure_copy (b);
  b->peak.read_gbps = measure_read (b);
  b->peak.muladd_gflops = measure_muladd (b);
}

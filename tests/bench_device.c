/* What a device can do at most, by shaders that do nothing else: measure.comp, measure_matrix.comp. */
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

/* What a dispatch does of operations in a nanosecond, whose turns do turn_flops each and which is made as long as it needs to be.
 * y: of arena. */
static double
most_flops (Bench *b, Arena *arena, Dispatch *d, double turn_flops)
{
  struct
  {
    guint32 turns;
    float factor, term;
  } push = { 1, 0.75f, 0.25f };
  g_autoptr (GError) error = NULL;

  arena_commit (arena, &error);
  bench_assert (error);
  d->push = &push;
  d->push_size = sizeof push;
  for (;; push.turns *= 2) {
    g_autoptr (OpStream) s = op_stream_new (b->dev, d->shader);
    guint64 ns;

    d->turns = push.turns;
    d->flops = push.turns * turn_flops;
    op_stream_begin_op (s, d->shader);
    op_stream_dispatch (s, d);
    op_stream_end (s, &error);
    bench_assert (error);
    ns = best_of (s);
    if (ns >= (b->quick ? QUICK_LONG_NS : LONG_NS) || push.turns * 2 > DISPATCH_MAX_TURNS)
      return push.turns * turn_flops / ns;
  }
}

static double
measure_muladd (Bench *b)
{
  g_autoptr (Arena) arena = arena_new (b->dev, ARENA_DEVICE, "muladd");
  Tensor y = arena_add (arena, TYPE_F32, LAYOUT_ROWS, INVOCATIONS * 4 / COLUMNS, COLUMNS);
  Dispatch d = {
    .shader = "measure_muladd",
    .bind = { { BIND_WRITE, &y } },
    .local = MEASURE_LOCAL,
    .workgroups = { INVOCATIONS / MEASURE_LOCAL, 1, 1 },
  };

  return most_flops (b, arena, &d, 2.0 * 4 * MEASURE_CHAINS * MEASURE_UNROLLED * INVOCATIONS);
}

/* 0: it has no matrices that matmul takes. */
static double
measure_matrix (Bench *b)
{
  const CoopGeometry *coop = &device_limits (b->dev)->geometry.coop;
  const guint side = coop->side, groups = side ? INVOCATIONS / (MEASURE_SUBGROUPS * coop->subgroup) : 0;
  g_autoptr (Arena) arena = arena_new (b->dev, ARENA_DEVICE, "matrix");
  Tensor y;

  if (groups == 0)
    return 0;
  y = arena_add (arena, TYPE_F32, LAYOUT_ROWS, groups * MEASURE_SUBGROUPS, side * side);
  Dispatch d = {
    .shader = "measure_matrix",
    .bind = { { BIND_WRITE, &y } },
    .spec = { side },
    .n_spec = 1,
    .subgroup = coop->choose ? coop->subgroup : 0,
    .full_subgroups = TRUE,
    .local = MEASURE_SUBGROUPS * coop->subgroup,
    .workgroups = { groups, 1, 1 },
  };
  return most_flops (b, arena, &d, 2.0 * side * side * side * MEASURE_CHAINS * MEASURE_UNROLLED * groups * MEASURE_SUBGROUPS);
}

void
bench_device (Bench *b)
{
  b->peak.copy_gbps = measure_copy (b);
  b->peak.read_gbps = measure_read (b);
  b->peak.muladd_gflops = measure_muladd (b);
  b->peak.matrix_gflops = measure_matrix (b);
}

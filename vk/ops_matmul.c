/* The linear layer: which kernel computes it, and in which slices. */
#include "ops_private.h"

#define TILE_ROWS 16  /* of the tiled kernel; 8 where 16 would compute much that nobody asked for */
#define MATVEC_ROWS 7 /* most rows of the kernel that reads each weight once for all of them */
/* Most operations of a dispatch: some 50 ms of the slowest device, so that a submit can be kept short anywhere. */
#define DISPATCH_FLOPS G_GUINT64_CONSTANT (2000000000)

static const gchar *
kernel_for (TensorType type, gboolean few)
{
  switch (type) {
    case TYPE_F32:
      return few ? "matvec_f32" : "matmul_f32";
    case TYPE_F16:
      return few ? "matvec_f16" : "matmul_f16";
    case TYPE_BF16:
      return few ? "matvec_bf16" : "matmul_bf16";
    default:
      return NULL;
  }
}

static guint
tile_rows (guint m)
{
  return m < 8 * TILE_ROWS && (m - 1) % TILE_ROWS < 8 ? 8 : TILE_ROWS;
}

/* Views begin and step by whole quads. */
static gboolean
is_rows (const Tensor *t)
{
  return t->layout == LAYOUT_ROWS && t->type == TYPE_F32 && t->first % 4 == 0 && t->stride % 4 == 0;
}

static gboolean
is_vector (const Tensor *t, guint n)
{
  return !t || (is_rows (t) && t->rows == 1 && t->cols == n);
}

static gboolean
same_memory (const Tensor *a, const Tensor *b)
{
  return a->arena == b->arena && a->index == b->index;
}

static gboolean
matmul_check (OpStream *s, const Tensor *y, const Tensor *x, const Tensor *w, const MatmulParams *p, guint period)
{
  guint m = x->rows, n = w->rows, k = w->cols;
  const Tensor *r = p->residual;

  if (m == 0 || n == 0 || k == 0 || x->cols != k || y->rows != m || y->cols != n)
    op_stream_fail (s, "y is %u x %u, x %u x %u, w %u x %u", y->rows, y->cols, x->rows, x->cols, w->rows, w->cols);
  else if (w->layout != LAYOUT_WEIGHTS || !kernel_for (w->type, FALSE))
    op_stream_fail (s, "w is not of weights");
  else if (!is_rows (x) || !is_rows (y) || same_memory (x, y))
    op_stream_fail (s, "x and y are two tensors of F32 rows, their views begin at multiples of 4");
  else if (!is_vector (p->bias, n) || !is_vector (p->scale, n))
    op_stream_fail (s, "bias and scale are F32 rows of %u columns", n);
  else if (r && (!is_rows (r) || r->cols != n || r->rows < MIN (period, m)))
    op_stream_fail (s, "residual is %u x %u, its period %u, y %u x %u", r->rows, r->cols, period, m, n);
  else if (r && same_memory (r, y) && (r->first != y->first || r->stride != y->stride || period < m))
    op_stream_fail (s, "a residual in y's memory is y itself, each row for its own");
  else if (((guint64)x->first + (guint64)(m - 1) * x->stride + w->stride) * 4 > tensor_bytes (x))
    op_stream_fail (s, "x ends within %u columns behind the first of its last row; k is read in steps of 32", w->stride);
  else
    return TRUE;
  return FALSE;
}

/* Cuts an op into windows of the weights that can be bound, windows into dispatches of at most DISPATCH_FLOPS. */
static void
matmul_dispatch (OpStream *s, Dispatch *d, struct MatmulPush *push, guint rows)
{
  const DeviceLimits *limits = stream_limits (s);
  const Tensor *w = d->bind[0].tensor;
  guint64 row_bytes = (guint64)w->stride * type_size (w->type), column_flops = 2 * (guint64)w->stride;
  guint64 window = window_units (s, limits->bulk_range, row_bytes * TILE_COLUMNS) * TILE_COLUMNS;
  guint n = (push->n + TILE_COLUMNS - 1) / TILE_COLUMNS * TILE_COLUMNS, octets = d->local / 8;
  gboolean few = push->m <= MATVEC_ROWS;
  guint64 row_step = CLAMP (DISPATCH_FLOPS / (column_flops * TILE_COLUMNS) / rows * rows, rows, push->m);
  guint64 column_step = MAX (DISPATCH_FLOPS / (column_flops * row_step) / TILE_COLUMNS, 1) * TILE_COLUMNS;

  if (window == 0) {
    op_stream_fail (s, "32 rows of %u weights are more than the device binds", w->stride);
    return;
  }
  column_step = MIN (column_step, (guint64)limits->max_workgroups[few ? 0 : 1] * TILE_COLUMNS);
  row_step = MIN (row_step, (guint64)limits->max_workgroups[0] * rows);
  for (guint64 first = 0; first < n; first += window) {
    guint64 end = MIN (first + window, n);

    d->bind[0].offset = first * row_bytes;
    d->bind[0].size = (end - first) * row_bytes;
    push->window_first = first;
    push->window_rows = end - first;
    for (guint64 column = first; column < end; column += column_step) {
      guint64 columns = MIN (column_step, end - column), tiles = columns / TILE_COLUMNS;

      for (guint64 row = 0; row < push->m; row += row_step) {
        guint64 m = MIN (row_step, push->m - row), strips = (m + rows - 1) / rows;

        push->row_first = row;
        push->column_first = column;
        d->workgroups[0] = ((few ? tiles : strips) + octets - 1) / octets;
        d->workgroups[1] = few ? 1 : tiles;
        d->workgroups[2] = 1;
        d->flops = column_flops * m * columns;
        d->bytes = columns * row_bytes + m * 4 * (w->stride + columns);
        op_stream_dispatch (s, d);
      }
    }
  }
}

void
op_matmul (OpStream *s, const Tensor *y, const Tensor *x, const Tensor *w, const MatmulParams *p)
{
  static const MatmulParams plain = { 0 };
  guint m = x->rows, period;
  gboolean few = m <= MATVEC_ROWS;

  op_stream_begin_op (s, few ? "matvec" : "matmul");
  p = p ? p : &plain;
  period = p->residual_period ? p->residual_period : m;
  if (!matmul_check (s, y, x, w, p, period))
    return;

  guint rows = few ? m : tile_rows (m);
  guint epilogue = (p->bias ? EPILOGUE_BIAS : 0) | (p->act == ACT_GELU ? EPILOGUE_GELU : 0) | (p->scale ? EPILOGUE_SCALE : 0)
                   | (p->residual ? EPILOGUE_RESIDUAL : 0);
  struct MatmulPush push = {
    .m = m,
    .n = w->rows,
    .k = w->stride,
    .x = view_of (x),
    .y = view_of (y),
    .bias_first = p->bias ? p->bias->first : 0,
    .scale_first = p->scale ? p->scale->first : 0,
    .residual = view_of (p->residual),
    .residual_period = period,
  };
  Dispatch d = {
    .shader = kernel_for (w->type, few),
    .bind = { { BIND_BULK, w }, { BIND_BULK, x }, { BIND_WRITE, y }, { BIND_BULK, p->bias ? p->bias : x },
        { BIND_BULK, p->scale ? p->scale : x }, { BIND_BULK, p->residual ? p->residual : x } },
    .push = &push,
    .push_size = sizeof push,
    .local = stream_limits (s)->local,
    .spec = { epilogue, rows },
    .n_spec = 2,
    .turns = w->stride / (few ? 32 : 8),
  };

  matmul_dispatch (s, &d, &push, rows);
}

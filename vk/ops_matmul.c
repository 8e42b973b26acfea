/* The linear layer: which kernel computes it, and in which slices. */
#include "ops_private.h"

#define OCTET_ROWS 16 /* of an octet's tile; 8 where 16 would mostly compute rows that there are not */
#define MATVEC_ROWS 7 /* most rows of the kernel that reads each weight once for all of them */
#define BLOCK_ROWS 8  /* of both kernels for weights in blocks, which are one: it is as fast as larger tiles */
#define BUSY 64       /* workgroups that keep most GPUs busy: smaller tiles rather than fewer */
/* Most operations of a slice: about 50 ms on the slowest device, so that submits can be kept short on any. */
#define DISPATCH_FLOPS G_GUINT64_CONSTANT (2000000000)

static const gchar *const matvec_shaders[] = {
  [TYPE_F32] = "matvec_f32",
  [TYPE_F16] = "matvec_f16",
  [TYPE_BF16] = "matvec_bf16",
  [TYPE_Q8] = "matvec_q8",
  [TYPE_Q4] = "matvec_q4",
};

static const gchar *const tile_shaders[] = {
  [TYPE_F32] = "matmul_tile_f32",
  [TYPE_F16] = "matmul_tile_f16",
  [TYPE_BF16] = "matmul_tile_bf16",
};

static const gchar *const matmul_shaders[] = {
  [TYPE_F32] = "matmul_f32",
  [TYPE_F16] = "matmul_f16",
  [TYPE_BF16] = "matmul_bf16",
  [TYPE_Q8] = "matmul_q8",
  [TYPE_Q4] = "matmul_q4",
};

static gboolean
has_blocks (const Tensor *w)
{
  return w->type == TYPE_Q8 || w->type == TYPE_Q4;
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
  else if (w->layout != LAYOUT_WEIGHTS || w->type >= G_N_ELEMENTS (matmul_shaders))
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

static guint64
column_flops (const struct MatmulPush *push)
{
  return 2 * (guint64)push->k;
}

/* Columns of a slice of `rows` rows: whole tiles of `columns` columns, of at most DISPATCH_FLOPS and `most` tiles, at least one. */
static guint64
slice_columns (const struct MatmulPush *push, guint64 rows, guint columns, guint most)
{
  return CLAMP (DISPATCH_FLOPS / (column_flops (push) * rows) / columns, 1, most) * columns;
}

/* Binds the weights of as many columns of y as the device binds at once, from `first` on. The first column behind them; 0 and a
 * failure when it binds fewer than a tile's. */
static guint64
bind_window (OpStream *s, Dispatch *d, struct MatmulPush *push, guint64 first)
{
  const Tensor *w = d->bind[0].tensor;
  guint64 bytes = row_bytes (w->type, w->stride);
  guint64 window = window_units (s, stream_limits (s)->bulk_range, bytes * TILE_COLUMNS) * TILE_COLUMNS;
  guint64 n = ((guint64)w->rows + TILE_COLUMNS - 1) / TILE_COLUMNS * TILE_COLUMNS, end = MIN (first + window, n);

  if (window == 0) {
    op_stream_fail (s, "%u rows of %u weights are more than the device binds", TILE_COLUMNS, w->stride);
    return 0;
  }
  d->bind[0].offset = first * bytes;
  d->bind[0].size = (end - first) * bytes;
  push->window_first = first;
  push->window_rows = end - first;
  return end;
}

/* A slice: m rows from `row` on of `columns` columns from `column` on. Its last workgroup may reach beyond it, and must not store
 * there: what another slice adds to y would be added twice. */
static void
dispatch_slice (OpStream *s, Dispatch *d, struct MatmulPush *push, guint64 row, guint64 m, guint64 column, guint64 columns)
{
  const Tensor *w = d->bind[0].tensor;

  push->row_first = row;
  push->m = row + m;
  push->column_first = column;
  push->n = MIN (column + columns, w->rows);
  d->flops = column_flops (push) * m * columns;
  d->bytes = columns * row_bytes (w->type, w->stride) + m * 4 * (w->stride + columns);
  op_stream_dispatch (s, d);
}

/* The kernel that reads each weight once for all rows, which are few: slices are of columns. */
static void
matvec_dispatch (OpStream *s, Dispatch *d, struct MatmulPush *push)
{
  guint octets = d->local / 8;
  const guint m = push->m, n = push->n;
  guint64 step = slice_columns (push, m, TILE_COLUMNS, stream_limits (s)->max_workgroups[0]), end;

  d->shader = matvec_shaders[d->bind[0].tensor->type];
  d->spec[1] = m;
  d->turns = push->k / 32;
  d->workgroups[1] = d->workgroups[2] = 1;
  for (guint64 first = 0; first < n; first = end) {
    end = bind_window (s, d, push, first);
    if (end == 0)
      return;
    for (guint64 column = first; column < end; column += step) {
      guint64 columns = MIN (step, end - column);

      d->workgroups[0] = (columns / TILE_COLUMNS + octets - 1) / octets;
      dispatch_slice (s, d, push, 0, m, column, columns);
    }
  }
}

/* Kernels whose workgroups compute tiles of y: slices are of rows and columns. */
static void
dispatch_tiles (OpStream *s, Dispatch *d, struct MatmulPush *push, guint rows, guint columns)
{
  const guint *most = stream_limits (s)->max_workgroups;
  const guint m = push->m, n = push->n;
  guint64 row_step = CLAMP (DISPATCH_FLOPS / (column_flops (push) * columns) / rows * rows, rows, m);
  guint64 column_step = slice_columns (push, row_step, columns, most[1]), end;

  row_step = MIN (row_step, (guint64)most[0] * rows);
  d->workgroups[2] = 1;
  for (guint64 first = 0; first < n; first = end) {
    end = bind_window (s, d, push, first);
    if (end == 0)
      return;
    for (guint64 column = first; column < end; column += column_step) {
      guint64 columns_here = MIN (column_step, end - column);

      d->workgroups[1] = (columns_here + columns - 1) / columns;
      for (guint64 row = 0; row < m; row += row_step) {
        guint64 rows_here = MIN (row_step, m - row);

        d->workgroups[0] = (rows_here + rows - 1) / rows;
        dispatch_slice (s, d, push, row, rows_here, column, columns_here);
      }
    }
  }
}

/* The kernel of octets. */
static void
matmul_dispatch (OpStream *s, Dispatch *d, struct MatmulPush *push)
{
  gboolean blocks = has_blocks (d->bind[0].tensor), half = push->m < 8 * OCTET_ROWS && (push->m - 1) % OCTET_ROWS < 8;
  guint rows = blocks ? BLOCK_ROWS : half ? 8 : OCTET_ROWS;

  d->shader = matmul_shaders[d->bind[0].tensor->type];
  d->spec[1] = rows;
  d->turns = push->k / (blocks ? 32 : 8);
  dispatch_tiles (s, d, push, d->local / 8 * rows, TILE_COLUMNS);
}

/* The largest tile that keeps a GPU busy, else the smallest. */
static const MatmulTile *
choose_tile (const DeviceLimits *limits, guint m, guint n)
{
  const MatmulTile *tile = limits->tiles, *end = tile + MATMUL_TILES;

  while (tile + 1 < end && tile[1].rows
         && (guint64)((m + tile->rows - 1) / tile->rows) * ((n + tile->columns - 1) / tile->columns) < BUSY)
    tile++;
  return tile;
}

/* The kernel of tiles in shared memory. */
static void
matmul_tile_dispatch (OpStream *s, Dispatch *d, struct MatmulPush *push)
{
  const MatmulTile *tile = choose_tile (stream_limits (s), push->m, push->n);

  d->shader = tile_shaders[d->bind[0].tensor->type];
  d->local = matmul_tile_invocations (tile);
  d->spec[1] = tile->rows;
  d->spec[2] = tile->columns;
  d->spec[3] = tile->splits;
  d->n_spec = 4;
  d->turns = push->k / 16;
  dispatch_tiles (s, d, push, tile->rows, tile->columns);
}

void
op_matmul (OpStream *s, const Tensor *y, const Tensor *x, const Tensor *w, const MatmulParams *p)
{
  static const MatmulParams plain = { 0 };
  guint m = x->rows, period;
  gboolean few = m <= (has_blocks (w) ? BLOCK_ROWS : MATVEC_ROWS);

  op_stream_begin_op (s, few ? "matvec" : "matmul");
  p = p ? p : &plain;
  period = p->residual_period ? p->residual_period : m;
  if (!matmul_check (s, y, x, w, p, period))
    return;

  guint epilogue = (p->bias ? EPILOGUE_BIAS : 0) | (p->act == ACT_GELU ? EPILOGUE_GELU : 0) | (p->scale ? EPILOGUE_SCALE : 0)
                   | (p->residual ? EPILOGUE_RESIDUAL : 0);
  struct MatmulPush push = {
    .m = m,
    .n = w->rows,
    .k = w->stride,
    .k_end = w->cols,
    .x = view_of (x),
    .y = view_of (y),
    .bias_first = p->bias ? p->bias->first : 0,
    .scale_first = p->scale ? p->scale->first : 0,
    .residual = view_of (p->residual),
    .residual_period = period,
  };
  Dispatch d = {
    .bind = { { BIND_BULK, w }, { BIND_BULK, x }, { BIND_WRITE, y }, { BIND_BULK, p->bias ? p->bias : x },
        { BIND_BULK, p->scale ? p->scale : x }, { BIND_BULK, p->residual ? p->residual : x } },
    .push = &push,
    .push_size = sizeof push,
    .local = stream_limits (s)->local,
    .spec = { epilogue, 0, w->cols % 32 != 0 },
    .n_spec = w->type == TYPE_Q4 ? 3 : 2,
    .apart = TRUE,
  };

  if (few)
    matvec_dispatch (s, &d, &push);
  else if (stream_limits (s)->tiles[0].rows && !has_blocks (w))
    matmul_tile_dispatch (s, &d, &push);
  else
    matmul_dispatch (s, &d, &push);
}

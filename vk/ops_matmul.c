/* The linear layer: which kernel computes it, and in which slices. */
#include "ops_private.h"

#define OCTET_ROWS 16 /* of an octet's tile; 8 where 16 would mostly compute rows that there are not */
#define MATVEC_ROWS 7 /* most rows of the kernel that reads each weight once for all of them */
#define BLOCK_ROWS 8  /* of both kernels for weights in blocks, which are one: it is as fast as larger tiles */
#define SPLIT_ROWS 8  /* most rows of the kernel that splits k */

#define N_WEIGHT_TYPES (TYPE_Q4 + 1)

static gboolean
has_blocks (TensorType type)
{
  return type == TYPE_Q8 || type == TYPE_Q4;
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
matmul_check (OpStream *s, const Tensor *y, const Tensor *x, const Tensor *w, const MatmulParams *p, guint period, gboolean norms)
{
  guint m = x->rows, n = w->rows, k = w->cols;
  const Tensor *r = p->residual;

  if (m == 0 || n == 0 || k == 0 || x->cols != k || y->rows != m || y->cols != n)
    op_stream_fail (s, "y is %u x %u, x %u x %u, w %u x %u", y->rows, y->cols, x->rows, x->cols, w->rows, w->cols);
  else if (w->layout != LAYOUT_WEIGHTS || w->type >= N_WEIGHT_TYPES)
    op_stream_fail (s, "w is not of weights");
  else if (!is_rows (x) || !is_rows (y) || same_memory (x, y))
    op_stream_fail (s, "x and y are two tensors of F32 rows, their views begin at multiples of 4");
  else if (!is_vector (p->bias, n) || !is_vector (p->scale, n))
    op_stream_fail (s, "bias and scale are F32 rows of %u columns", n);
  else if (p->norm && (!norms || p->bias || !is_vector (p->norm, k)))
    op_stream_fail (s, "%u rows of %u columns are not normed here, nor beside a bias", m, k);
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

/* Columns of a slice of `rows` rows: whole tiles of `columns` columns, of at most matmul_flops and `most` tiles, at least one. */
static guint64
slice_columns (OpStream *s, const struct MatmulPush *push, guint64 rows, guint columns, guint64 most)
{
  return CLAMP (stream_geometry (s)->matmul_flops / (column_flops (push) * rows) / columns, 1, most) * columns;
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

/* What a kernel is compiled for: the epilogue is there, `shape` follows, and for Q4 whether there are columns of padding. */
static void
set_shape (Dispatch *d, const guint32 *shape, guint n)
{
  const Tensor *w = d->bind[0].tensor;

  for (guint i = 0; i < n; i++)
    d->spec[d->n_spec++] = shape[i];
  if (w->type == TYPE_Q4)
    d->spec[d->n_spec++] = w->cols % 32 != 0;
}

/* Kernels that read each weight once for all rows, which are few: workgroups are of `columns` columns, slices of whole tiles. */
static void
dispatch_columns (OpStream *s, Dispatch *d, struct MatmulPush *push, guint columns)
{
  const guint m = push->m, n = push->n;
  guint64 most = (guint64)stream_limits (s)->max_workgroups[0] * columns / TILE_COLUMNS;
  guint64 step = slice_columns (s, push, m, TILE_COLUMNS, most), end;

  d->workgroups[1] = d->workgroups[2] = 1;
  for (guint64 first = 0; first < n; first = end) {
    end = bind_window (s, d, push, first);
    if (end == 0)
      return;
    for (guint64 column = first; column < end; column += step) {
      guint64 columns_here = MIN (step, end - column);

      d->workgroups[0] = (columns_here + columns - 1) / columns;
      dispatch_slice (s, d, push, 0, m, column, columns_here);
    }
  }
}

/* Kernels whose workgroups compute tiles of y: slices are of rows and columns. */
static void
dispatch_tiles (OpStream *s, Dispatch *d, struct MatmulPush *push, guint rows, guint columns)
{
  const guint *most = stream_limits (s)->max_workgroups;
  const guint m = push->m, n = push->n;
  guint64 row_step = CLAMP (stream_geometry (s)->matmul_flops / (column_flops (push) * columns) / rows * rows, rows, m);
  guint64 column_step = slice_columns (s, push, row_step, columns, most[1]), end;

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

/* --- the kernels ------------------------------------------------------------------------------------------------------------- */

/* Octets that compute a tile of 32 columns of all rows. */
static void
record_matvec (OpStream *s, Dispatch *d, struct MatmulPush *push)
{
  set_shape (d, (const guint32[]){ push->m }, 1);
  d->turns = push->k / 32;
  dispatch_columns (s, d, push, d->local / 8 * TILE_COLUMNS);
}

static gboolean
takes_matvec (const DeviceLimits *limits, const Tensor *w, guint m)
{
  return m <= (has_blocks (w->type) ? BLOCK_ROWS : MATVEC_ROWS);
}

/* Workgroups that compute a few columns of all rows and split k. */
static void
record_matvec_split (OpStream *s, Dispatch *d, struct MatmulPush *push)
{
  guint columns = geometry_matvec_columns (push->n), splits;

  d->local = stream_geometry (s)->matvec_local;
  splits = d->local / (columns / 2);
  set_shape (d, (const guint32[]){ push->m, columns, splits }, 3);
  d->turns = push->k / 4 / splits + 1 + splits;
  dispatch_columns (s, d, push, columns);
}

static gboolean
takes_matvec_split (const DeviceLimits *limits, const Tensor *w, guint m)
{
  return limits->geometry.matvec_local > 0 && m <= SPLIT_ROWS;
}

/* Octets that compute a tile of 32 columns of some rows. */
static void
record_matmul (OpStream *s, Dispatch *d, struct MatmulPush *push)
{
  gboolean blocks = has_blocks (d->bind[0].tensor->type), half = push->m < 8 * OCTET_ROWS && (push->m - 1) % OCTET_ROWS < 8;
  guint rows = blocks ? BLOCK_ROWS : half ? 8 : OCTET_ROWS;

  set_shape (d, &rows, 1);
  d->turns = push->k / (blocks ? 32 : 8);
  dispatch_tiles (s, d, push, d->local / 8 * rows, blocks ? TILE_COLUMNS : OCTET_TILES * TILE_COLUMNS);
}

static gboolean
takes_matmul (const DeviceLimits *limits, const Tensor *w, guint m)
{
  return TRUE;
}

/* Whether so large tiles are enough to keep a GPU busy. */
static gboolean
is_busy (const DeviceLimits *limits, guint m, guint n, guint rows, guint columns)
{
  return (guint64)((m + rows - 1) / rows) * ((n + columns - 1) / columns) >= limits->geometry.busy;
}

/* The largest tile that keeps a GPU busy, else the smallest. */
static const MatmulTile *
choose_tile (const DeviceLimits *limits, const struct MatmulPush *push)
{
  const MatmulTile *tile = limits->geometry.tiles, *end = tile + MATMUL_TILES;

  while (tile + 1 < end && tile[1].rows && !is_busy (limits, push->m, push->n, tile->rows, tile->columns))
    tile++;
  return tile;
}

static const CoopTile *
choose_coop_tile (const DeviceLimits *limits, const struct MatmulPush *push)
{
  const CoopTile *tile = limits->geometry.coop.tiles, *end = tile + COOP_TILES;

  while (tile + 1 < end && tile[1].rows && !is_busy (limits, push->m, push->n, tile->rows, tile->columns))
    tile++;
  return tile;
}

/* Workgroups that compute tiles in shared memory. */
static void
record_matmul_tile (OpStream *s, Dispatch *d, struct MatmulPush *push)
{
  const MatmulTile *tile = choose_tile (stream_limits (s), push);

  d->local = matmul_tile_invocations (tile);
  set_shape (d, (const guint32[]){ tile->rows, tile->columns, tile->splits }, 3);
  d->turns = push->k / 16;
  dispatch_tiles (s, d, push, tile->rows, tile->columns);
}

/* Subgroups that multiply cooperative matrices. */
static void
record_matmul_coop (OpStream *s, Dispatch *d, struct MatmulPush *push)
{
  const CoopGeometry *coop = &stream_limits (s)->geometry.coop;
  const CoopTile *tile = choose_coop_tile (stream_limits (s), push);

  d->subgroup = coop->choose ? coop->subgroup : 0;
  d->full_subgroups = TRUE;
  d->local = coop_tile_subgroups (tile) * coop->subgroup;
  set_shape (d, (const guint32[]){ tile->rows, tile->columns, tile->share_rows, tile->share_columns, coop->side }, 5);
  d->turns = push->k / COOP_PIECE;
  dispatch_tiles (s, d, push, tile->rows, tile->columns);
}

static gboolean
takes_matmul_coop (const DeviceLimits *limits, const Tensor *w, guint m)
{
  return limits->geometry.coop.side > 0 && (w->type == TYPE_F16 || w->type == TYPE_BF16);
}

/* Workgroups that multiply bytes, where they are enough. */
static void
record_matmul_dot (OpStream *s, Dispatch *d, struct MatmulPush *push)
{
  d->local = DOT_LOCAL;
  d->turns = push->k / 32;
  dispatch_tiles (s, d, push, DOT_ROWS, DOT_COLUMNS);
}

static gboolean
takes_matmul_dot (const DeviceLimits *limits, const Tensor *w, guint m)
{
  return limits->geometry.dots && has_blocks (w->type) && is_busy (limits, m, w->rows, DOT_ROWS, DOT_COLUMNS);
}

static gboolean
takes_matmul_tile (const DeviceLimits *limits, const Tensor *w, guint m)
{
  return limits->geometry.tiles[0].rows > 0;
}

/* One kernel of the linear layer: a row of the variant table for each type of weights. */
typedef struct
{
  const gchar *op, *shaders[N_WEIGHT_TYPES];
  gboolean (*takes) (const DeviceLimits *limits, const Tensor *w, guint m);
  void (*record) (OpStream *s, Dispatch *d, struct MatmulPush *push);
  gboolean norms; /* of x, on the way */
} Kernel;

#define SHADERS(name)                                                                                                              \
  {                                                                                                                                \
    [TYPE_F32] = name "_f32", [TYPE_F16] = name "_f16", [TYPE_BF16] = name "_bf16", [TYPE_Q8] = name "_q8", [TYPE_Q4] = name "_q4" \
  }

/* The first that takes an op computes it. */
static const Kernel kernels[] = {
  { "matvec", SHADERS ("matvec_split"), takes_matvec_split, record_matvec_split, TRUE },
  { "matvec", SHADERS ("matvec"), takes_matvec, record_matvec },
  { "matmul", SHADERS ("matmul_coop"), takes_matmul_coop, record_matmul_coop },
  { "matmul", SHADERS ("matmul_dot"), takes_matmul_dot, record_matmul_dot },
  { "matmul", SHADERS ("matmul_tile"), takes_matmul_tile, record_matmul_tile },
  { "matmul", SHADERS ("matmul"), takes_matmul, record_matmul },
};

static const Kernel *
kernel_of (OpStream *s, guint m, const Tensor *w)
{
  const Kernel *kernel = kernels;

  while (!kernel->takes (stream_limits (s), w, m))
    kernel++;
  return kernel;
}

/* Columns of padding would count. */
gboolean
op_matmul_norms (OpStream *s, guint m, const Tensor *w)
{
  return kernel_of (s, m, w)->norms && w->cols == w->stride;
}

void
op_matmul (OpStream *s, const Tensor *y, const Tensor *x, const Tensor *w, const MatmulParams *p)
{
  static const MatmulParams plain = { 0 };
  const Kernel *kernel = kernel_of (s, x->rows, w);
  guint m = x->rows, period;

  op_stream_begin_op (s, kernel->op);
  p = p ? p : &plain;
  period = p->residual_period ? p->residual_period : m;
  if (!matmul_check (s, y, x, w, p, period, op_matmul_norms (s, m, w)))
    return;

  guint epilogue = (p->bias ? EPILOGUE_BIAS : 0) | (p->act == ACT_GELU ? EPILOGUE_GELU : 0) | (p->scale ? EPILOGUE_SCALE : 0)
                   | (p->residual ? EPILOGUE_RESIDUAL : 0) | (p->norm ? EPILOGUE_NORM : 0);
  const Tensor *bias = p->norm ? p->norm : p->bias;
  struct MatmulPush push = {
    .m = m,
    .n = w->rows,
    .k = w->stride,
    .k_end = w->cols,
    .x = view_of (x),
    .y = view_of (y),
    .bias_first = bias ? bias->first : 0,
    .scale_first = p->scale ? p->scale->first : 0,
    .residual = view_of (p->residual),
    .residual_period = period,
    .eps = p->eps,
  };
  Dispatch d = {
    .shader = kernel->shaders[w->type],
    .bind = { { BIND_BULK, w }, { BIND_BULK, x }, { BIND_WRITE, y }, { BIND_BULK, bias ? bias : x },
        { BIND_BULK, p->scale ? p->scale : x }, { BIND_BULK, p->residual ? p->residual : x } },
    .push = &push,
    .push_size = sizeof push,
    .local = stream_geometry (s)->local,
    .spec = { epilogue },
    .n_spec = 1,
    .apart = TRUE,
  };

  kernel->record (s, &d, &push);
}

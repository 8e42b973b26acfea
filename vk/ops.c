/* Ops that go over rows: norms, the gated unit, tables, copies. */
#include "ops_private.h"

void
op_norm (OpStream *s, const Tensor *y, const Tensor *x, NormKind kind, float eps, const Tensor *weight, const Tensor *bias)
{
  guint local = stream_local (s), quads = (x->cols + 3) / 4;
  struct NormPush push = {
    .m = x->rows,
    .n = x->cols,
    .x = view_of (x),
    .y = view_of (y),
    .weight_first = weight->first,
    .bias_first = bias ? bias->first : 0,
    .eps = eps,
  };
  Dispatch d = {
    .shader = "norm",
    .bind = { { BIND_WRITE, y }, { BIND_BULK, x }, { BIND_BULK, weight }, { BIND_BULK, bias ? bias : weight } },
    .push = &push,
    .push_size = sizeof push,
    .local = local,
    .spec = { kind == NORM_LAYER, bias != NULL },
    .n_spec = 2,
    .turns = 3 * ((guint64)quads + local - 1) / local + 2 * local / 8,
    .flops = 8 * (guint64)x->rows * x->cols,
    .bytes = 8 * (guint64)x->rows * x->cols,
  };

  op_stream_begin_op (s, "norm");
  if (y->rows != x->rows || y->cols != x->cols || weight->cols != x->cols || (bias && bias->cols != x->cols)) {
    op_stream_fail (s, "y is %u x %u, x %u x %u, weight has %u columns", y->rows, y->cols, x->rows, x->cols, weight->cols);
    return;
  }
  dispatch_rows (&d, 1, x->rows);
  op_stream_dispatch (s, &d);
}

void
op_glu (OpStream *s, const Tensor *y, const Tensor *x)
{
  struct GluPush push = {
    .m = y->rows,
    .n = y->cols,
    .x = view_of (x),
    .y = view_of (y),
  };
  Dispatch d = {
    .shader = "glu",
    .bind = { { BIND_WRITE, y }, { BIND_BULK, x } },
    .push = &push,
    .push_size = sizeof push,
    .flops = 5 * (guint64)y->rows * y->cols,
    .bytes = 12 * (guint64)y->rows * y->cols,
  };

  op_stream_begin_op (s, "glu");
  if (y->rows != x->rows || x->cols != 2 * y->cols || y->cols % 4) {
    op_stream_fail (
        s, "y is %u x %u, x %u x %u; y's columns are a multiple of 4, x has twice as many", y->rows, y->cols, x->rows, x->cols);
    return;
  }
  dispatch_quads (&d, y->cols / 4, y->rows);
  op_stream_dispatch (s, &d);
}

static const gchar *const gather_shaders[] = {
  [TYPE_F32] = "gather_f32",
  [TYPE_F16] = "gather_f16",
  [TYPE_BF16] = "gather_bf16",
};

void
op_gather (OpStream *s, const Tensor *y, const Tensor *table, const Tensor *extra, const Tensor *ids)
{
  guint64 bytes = row_bytes (table->type, table->stride);
  guint64 window = MIN (window_units (s, stream_limits (s)->bulk_range, 32 * bytes) * 32, G_MAXUINT32 / 2);

  op_stream_begin_op (s, "gather");
  if (table->layout != LAYOUT_WEIGHTS || table->type >= G_N_ELEMENTS (gather_shaders)) {
    op_stream_fail (s, "the table is not of weights of 16 or 32 bits");
    return;
  }
  if (y->cols != table->cols || ids->cols < y->rows || (extra && extra->cols != y->cols) || window == 0) {
    op_stream_fail (s, "y is %u x %u, the table %u x %u, %u ids, %u columns of extra rows", y->rows, y->cols, table->rows,
        table->cols, ids->cols, extra ? extra->cols : 0);
    return;
  }

  for (guint first = 0; first < table->rows; first += window) {
    guint rows = MIN (window, table->rows - first), size = type_size (table->type);
    struct GatherPush push = {
      .m = y->rows,
      .n = y->cols,
      .y = view_of (y),
      .ids_first = ids->first,
      .extra = view_of (extra),
      .extra_rows = extra ? extra->rows : 0,
      .table_quads = bytes / 16,
      .table_rows = table->rows,
      .window_first = first,
      .window_rows = rows,
    };
    Dispatch d = {
      .shader = gather_shaders[table->type],
      .bind = { { BIND_WRITE, y }, { BIND_BULK, table, first * bytes, (guint64)(rows + 31) / 32 * 32 * bytes },
          { BIND_BULK, extra ? extra : table, 0, extra ? 0 : 32 * bytes }, { BIND_READ, ids } },
      .push = &push,
      .push_size = sizeof push,
      .bytes = first ? 0 : (guint64)y->rows * y->cols * (4 + size),
      .apart = TRUE, /* a row is written by the window that has its id */
    };

    dispatch_quads (&d, (y->cols * size + 15) / 16, y->rows);
    op_stream_dispatch (s, &d);
  }
}

/* y[i] = x[i], or x[ids[i]]. */
static void
copy_rows (OpStream *s, const gchar *name, const Tensor *y, const Tensor *x, const Tensor *ids)
{
  struct CopyPush push = {
    .m = y->rows,
    .n = y->cols,
    .x = view_of (x),
    .x_rows = x->rows,
    .y = view_of (y),
    .ids_first = ids ? ids->first : 0,
  };
  Dispatch d = {
    .shader = "copy",
    .bind = { { BIND_WRITE, y }, { BIND_BULK, x }, { BIND_READ, ids ? ids : y } },
    .push = &push,
    .push_size = sizeof push,
    .spec = { ids != NULL },
    .n_spec = 1,
    .bytes = 8 * (guint64)y->rows * y->cols,
  };

  op_stream_begin_op (s, name);
  if (type_size (x->type) != 4 || type_size (y->type) != 4 || y->cols != x->cols || y->rows != (ids ? ids->cols : x->rows)) {
    op_stream_fail (
        s, "y is %u x %u, x %u x %u, %u ids; elements have 4 bytes", y->rows, y->cols, x->rows, x->cols, ids ? ids->cols : 0);
    return;
  }
  dispatch_quads (&d, (y->cols + 3) / 4, y->rows);
  op_stream_dispatch (s, &d);
}

void
op_rows (OpStream *s, const Tensor *y, const Tensor *x, const Tensor *ids)
{
  copy_rows (s, "rows", y, x, ids);
}

void
op_copy (OpStream *s, const Tensor *y, const Tensor *x)
{
  copy_rows (s, "copy", y, x, NULL);
}

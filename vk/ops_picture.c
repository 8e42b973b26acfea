/* Ops on pictures: bytes to tiles to patch rows, and the pixel shuffle behind the vision model. */
#include "ops_private.h"

/* Rows of y that one dispatch writes: as many as there are, unless y, or what it is made from, is more than a binding holds.
 * from_row: bytes of `from` for a row of y. 0 and a failure when there is no way. */
static guint
picture_window (OpStream *s, const Tensor *y, const Tensor *from, guint64 from_row)
{
  const DeviceLimits *limits = stream_limits (s);
  guint64 row = 4 * (guint64)y->stride, rows;

  if (tensor_bytes (y) <= limits->storage_range && tensor_bytes (from) <= limits->bulk_range)
    return y->rows;

  /* A window on bytes begins a little before them, where a binding may. */
  rows = (limits->bulk_range - limits->align - 16) / from_row;
  rows = window_units (s, MIN (limits->storage_range, rows * row), row);
  if (rows == 0 || y->first || from->first) {
    op_stream_fail (s, "a picture of %u x %u with rows of %" G_GUINT64_FORMAT " bytes is more than this device binds at once",
        y->cols, y->rows, from_row);
    return 0;
  }
  return MIN (rows, y->rows);
}

void
op_unpack_rgb (OpStream *s, const Tensor *y, const Tensor *src, guint stride)
{
  const DeviceLimits *limits = stream_limits (s);
  guint64 first_byte = 4 * (guint64)src->first, total = tensor_bytes (src);
  guint window;

  op_stream_begin_op (s, "unpack_rgb");
  if (stride < 3 * y->cols || (y->rows - 1) * (guint64)stride + 3 * y->cols > 4 * (guint64)src->cols) {
    op_stream_fail (s, "%u x %u pixels in rows of %u bytes are not in %u words", y->cols, y->rows, stride, src->cols);
    return;
  }
  if (!(window = picture_window (s, y, src, stride)))
    return;

  for (guint first = 0; first < y->rows; first += window) {
    guint rows = MIN (window, y->rows - first);
    guint64 low = first_byte + first * (guint64)stride, base = low - low % limits->align;
    guint64 end = MIN ((low + rows * (guint64)stride + 15) / 16 * 16, total);
    struct UnpackPush push = {
      .m = rows,
      .n = y->cols,
      .src_first = low - base,
      .src_stride = stride,
      .src_pieces = (end - base) / 16,
      .y_first = y->first,
      .y_stride = y->stride,
    };
    Dispatch d = {
      .shader = "unpack_rgb",
      .bind = { { BIND_WRITE, y, first * 4 * (guint64)y->stride, window < y->rows ? rows * 4 * (guint64)y->stride : 0 },
          { BIND_BULK, src, base, end - base } },
      .push = &push,
      .push_size = sizeof push,
      .bytes = 7 * (guint64)rows * y->cols,
    };

    dispatch_pieces (&d, (y->cols + 3) / 4, rows);
    op_stream_dispatch (s, &d);
  }
}

static gboolean
filter_check (OpStream *s, const Filter *f, guint outputs)
{
  if (f->bounds->rows == outputs && f->bounds->cols == 2 && f->taps->rows == outputs)
    return TRUE;
  op_stream_fail (
      s, "%u outputs, bounds of %u x %u, taps of %u x %u", outputs, f->bounds->rows, f->bounds->cols, f->taps->rows, f->taps->cols);
  return FALSE;
}

static void
resize_dispatch (
    OpStream *s, const gchar *shader, const Tensor *y, const Tensor *x, const Filter *f, guint first, guint rows, gboolean windowed)
{
  guint64 y_row = 4 * (guint64)y->stride, x_row = 4 * (guint64)x->stride;
  guint64 x_bytes = windowed ? rows * x_row : tensor_bytes (x);
  struct ResizePush push = {
    .m = rows,
    .n = y->cols,
    .x_first = x->first,
    .x_stride = x->stride,
    .x_pieces = x_bytes / 16,
    .x_rows = x->rows,
    .y_first = y->first,
    .y_stride = y->stride,
    .bounds_first = f->bounds->first,
    .bounds_stride = f->bounds->stride,
    .taps_first = f->taps->first,
    .taps_stride = f->taps->stride,
  };
  Dispatch d = {
    .shader = shader,
    .bind = { { BIND_WRITE, y, first * y_row, windowed ? rows * y_row : 0 },
        { BIND_BULK, x, first * x_row, windowed ? x_bytes : 0 }, { BIND_BULK, f->taps }, { BIND_READ, f->bounds } },
    .push = &push,
    .push_size = sizeof push,
    .turns = (f->taps->cols + 3) / 4,
    .flops = 6 * (guint64)rows * y->cols * f->taps->cols,
    .bytes = 4 * (guint64)rows * y->cols + x_bytes,
  };

  dispatch_pieces (&d, g_str_equal (shader, "resize_columns") ? y->cols : (y->cols + 3) / 4, rows);
  op_stream_dispatch (s, &d);
}

void
op_resize_columns (OpStream *s, const Tensor *y, const Tensor *x, const Filter *f)
{
  guint window;

  op_stream_begin_op (s, "resize_columns");
  if (y->rows != x->rows) {
    op_stream_fail (s, "y has %u rows, x %u", y->rows, x->rows);
    return;
  }
  if (!filter_check (s, f, y->cols) || !(window = picture_window (s, y, x, 4 * (guint64)x->stride)))
    return;
  for (guint first = 0; first < y->rows; first += window)
    resize_dispatch (s, "resize_columns", y, x, f, first, MIN (window, y->rows - first), window < y->rows);
}

void
op_resize_rows (OpStream *s, const Tensor *y, const Tensor *x, const Filter *f)
{
  op_stream_begin_op (s, "resize_rows");
  if (y->cols != x->cols) {
    op_stream_fail (s, "y has %u columns, x %u", y->cols, x->cols);
    return;
  }
  if (filter_check (s, f, y->rows))
    resize_dispatch (s, "resize_rows", y, x, f, 0, y->rows, FALSE);
}

void
op_patches (OpStream *s, const Tensor *y, guint first_row, const Tensor *x, guint column, guint row, const PatchParams *p)
{
  guint across = p->patch ? p->side / p->patch : 0;
  struct PatchesPush push = {
    .side = p->side,
    .size = p->patch,
    .x_first = x->first + row * p->side * x->stride + column * p->side,
    .x_stride = x->stride,
    .y_first = y->first + first_row * y->stride,
    .y_stride = y->stride,
    .mean = { p->mean[0], p->mean[1], p->mean[2] },
    .std = { p->std[0], p->std[1], p->std[2] },
  };
  Dispatch d = {
    .shader = "patches",
    .bind = { { BIND_WRITE, y }, { BIND_READ, x } },
    .push = &push,
    .push_size = sizeof push,
    .flops = 9 * (guint64)p->side * p->side,
    .bytes = 16 * (guint64)p->side * p->side,
  };

  op_stream_begin_op (s, "patches");
  if (across == 0 || p->side % p->patch || y->cols != 3 * p->patch * p->patch || first_row + across * across > y->rows
      || (row + 1) * p->side > x->rows || (column + 1) * p->side > x->cols) {
    op_stream_fail (s, "tile (%u, %u) of side %u from %u x %u pixels to patches of side %u, rows from %u on of %u x %u", column,
        row, p->side, x->cols, x->rows, p->patch, first_row, y->rows, y->cols);
    return;
  }
  dispatch_pieces (&d, p->side, p->side);
  op_stream_dispatch (s, &d);
}

void
op_pixel_shuffle (OpStream *s, const Tensor *y, const Tensor *x, guint side, guint r, gboolean v1)
{
  struct PixelShufflePush push = {
    .side = side,
    .r = r,
    .d = x->cols,
    .x_first = x->first,
    .x_stride = x->stride,
    .y_first = y->first,
    .y_stride = y->stride,
  };
  Dispatch d = {
    .shader = "pixel_shuffle",
    .bind = { { BIND_WRITE, y }, { BIND_BULK, x } },
    .push = &push,
    .push_size = sizeof push,
    .spec = { v1 },
    .n_spec = 1,
    .bytes = 8 * (guint64)y->rows * y->cols,
  };

  op_stream_begin_op (s, "pixel_shuffle");
  if (r == 0 || side % r || x->rows != side * side || y->rows != (side / r) * (side / r) || y->cols != x->cols * r * r
      || x->cols % 4) {
    op_stream_fail (s, "a square of side %u by %u, x is %u x %u, y %u x %u; x's columns are a multiple of 4", side, r, x->rows,
        x->cols, y->rows, y->cols);
    return;
  }
  dispatch_pieces (&d, y->cols / 4, y->rows);
  op_stream_dispatch (s, &d);
}

/* Ops on pictures: from bytes to tiles to patch rows, and the pixel shuffle after the vision model. */
#include "ops_private.h"

/* --- unpacking -------------------------------------------------------------------------------------------------------------- */

typedef struct
{
  guint n_planes;
  struct
  {
    guint bytes, pixels; /* of a sample; that share one, in x and in y */
  } planes[3];
} FormatRow;

static const FormatRow formats[] = {
  [PIXELS_RGB] = { 1, { { 3, 1 } } },
  [PIXELS_BGR] = { 1, { { 3, 1 } } },
  [PIXELS_RGBX] = { 1, { { 4, 1 } } },
  [PIXELS_BGRX] = { 1, { { 4, 1 } } },
  [PIXELS_GRAY] = { 1, { { 1, 1 } } },
  [PIXELS_NV12] = { 2, { { 1, 1 }, { 2, 2 } } },
  [PIXELS_I420] = { 3, { { 1, 1 }, { 1, 2 }, { 1, 2 } } },
};

/* Whether every sample of width x height pixels lies in src. */
static gboolean
unpack_check (OpStream *s, const Tensor *src, const UnpackParams *p, guint width, guint height)
{
  const FormatRow *row = &formats[p->format];

  for (guint i = 0; i < row->n_planes; i++) {
    guint pixels = row->planes[i].pixels;
    guint64 columns = ((guint64)p->x + width - 1) / pixels + 1, last_row = ((guint64)p->y + height - 1) / pixels;

    if (columns * row->planes[i].bytes > p->stride[i]
        || p->first[i] + last_row * p->stride[i] + columns * row->planes[i].bytes > 4 * (guint64)src->cols) {
      op_stream_fail (s, "plane %u: pixels (%u, %u) + %u x %u in rows of %u bytes from byte %u on are not in %u words", i, p->x,
          p->y, width, height, p->stride[i], p->first[i], src->cols);
      return FALSE;
    }
  }
  return TRUE;
}

void
op_unpack (OpStream *s, const Tensor *y, const Tensor *src, const UnpackParams *p)
{
  guint o = p->orientation;
  gboolean turned = o >= 5, from_right = o == 2 || o == 3 || o == 7 || o == 8, from_below = o == 3 || o == 4 || o == 6 || o == 7;
  guint width = turned ? y->rows : y->cols, height = turned ? y->cols : y->rows;
  gint step_x = from_right ? -1 : 1, step_y = from_below ? -1 : 1;
  struct UnpackPush push = {
    .m = y->rows,
    .n = y->cols,
    .y = view_of (y),
    .src_quads = tensor_bytes (src) / 16,
    .from_x = p->x + (from_right ? width - 1 : 0),
    .from_y = p->y + (from_below ? height - 1 : 0),
    .right_x = turned ? 0 : step_x,
    .right_y = turned ? step_y : 0,
    .down_x = turned ? step_x : 0,
    .down_y = turned ? 0 : step_y,
    .luma_first = p->luma_first,
    .luma_scale = p->luma_scale,
    .red_v = p->red_v,
    .green_u = p->green_u,
    .green_v = p->green_v,
    .blue_u = p->blue_u,
  };
  Dispatch d = {
    .shader = "unpack",
    .bind = { { BIND_WRITE, y }, { BIND_BULK, src } },
    .push = &push,
    .push_size = sizeof push,
    .spec = { p->format, push.right_x == 1 },
    .n_spec = 2,
    .bytes = (4 + formats[p->format].planes[0].bytes) * (guint64)y->rows * y->cols,
  };

  op_stream_begin_op (s, "unpack");
  if (o < 1 || o > 8 || src->first) {
    op_stream_fail (s, "orientation %u of a source that begins at word %u", o, src->first);
    return;
  }
  if (!unpack_check (s, src, p, width, height))
    return;
  for (guint i = 0; i < 3; i++) {
    push.plane_first[i] = p->first[i];
    push.plane_stride[i] = p->stride[i];
  }
  dispatch_quads (&d, (y->cols + 3) / 4, y->rows);
  op_stream_dispatch (s, &d);
}

/* --- resizing --------------------------------------------------------------------------------------------------------------- */

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
resize_dispatch (OpStream *s, const gchar *shader, const Tensor *y, const Tensor *x, const Filter *f)
{
  /* Only the rows that are written are bound, so that y may be part of a tensor too large for one binding. */
  guint64 low = 4 * (guint64)y->first, base = low - low % stream_limits (s)->align;
  struct ResizePush push = {
    .m = y->rows,
    .n = y->cols,
    .x = view_of (x),
    .x_quads = tensor_bytes (x) / 16,
    .x_rows = x->rows,
    .y = { (low - base) / 4, y->stride },
    .bounds = view_of (f->bounds),
    .taps = view_of (f->taps),
  };
  Dispatch d = {
    .shader = shader,
    .bind = { { BIND_WRITE, y, base, low - base + y->rows * 4 * (guint64)y->stride }, { BIND_BULK, x }, { BIND_BULK, f->taps },
        { BIND_READ, f->bounds } },
    .push = &push,
    .push_size = sizeof push,
    .turns = (f->taps->cols + 3) / 4,
    .flops = 6 * (guint64)y->rows * y->cols * f->taps->cols,
    .bytes = 4 * (guint64)y->rows * y->cols + tensor_bytes (x),
  };

  dispatch_quads (&d, g_str_equal (shader, "resize_columns") ? y->cols : (y->cols + 3) / 4, y->rows);
  op_stream_dispatch (s, &d);
}

void
op_resize_columns (OpStream *s, const Tensor *y, const Tensor *x, const Filter *f)
{
  op_stream_begin_op (s, "resize_columns");
  if (y->rows != x->rows) {
    op_stream_fail (s, "y has %u rows, x %u", y->rows, x->rows);
    return;
  }
  if (filter_check (s, f, y->cols))
    resize_dispatch (s, "resize_columns", y, x, f);
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
    resize_dispatch (s, "resize_rows", y, x, f);
}

/* --- patches ---------------------------------------------------------------------------------------------------------------- */

void
op_patches (OpStream *s, const Tensor *y, guint first_row, const Tensor *x, guint column, guint row, const PatchParams *p)
{
  guint across = p->patch ? p->side / p->patch : 0;
  struct PatchesPush push = {
    .side = p->side,
    .size = p->patch,
    .x = { x->first + row * p->side * x->stride + column * p->side, x->stride },
    .y = { y->first + first_row * y->stride, y->stride },
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
  dispatch_quads (&d, p->side, p->side);
  op_stream_dispatch (s, &d);
}

void
op_pixel_shuffle (OpStream *s, const Tensor *y, const Tensor *x, guint side, guint r, gboolean v1)
{
  struct PixelShufflePush push = {
    .side = side,
    .r = r,
    .d = x->cols,
    .x = view_of (x),
    .y = view_of (y),
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
  dispatch_quads (&d, y->cols / 4, y->rows);
  op_stream_dispatch (s, &d);
}

/* The ops that save the host from reading whole rows of logits. */
#include "ops_private.h"

void
op_mask (OpStream *s, const Tensor *y, const Tensor *mask)
{
  struct MaskPush push = {
    .m = y->rows,
    .n = y->cols,
    .y = view_of (y),
    .mask = view_of (mask),
  };
  Dispatch d = {
    .shader = "mask",
    .bind = { { BIND_WRITE, y }, { BIND_READ, mask } },
    .push = &push,
    .push_size = sizeof push,
    .bytes = 4 * (guint64)y->rows * y->cols,
  };

  op_stream_begin_op (s, "mask");
  if (y->type != TYPE_F32 || mask->type != TYPE_U32 || mask->rows != y->rows || mask->cols != MASK_COLUMNS (y->cols)) {
    op_stream_fail (s, "y is %u x %u, its masks %u x %u: they take %u columns for a row", y->rows, y->cols, mask->rows, mask->cols,
        MASK_COLUMNS (y->cols));
    return;
  }
  dispatch_quads (&d, (y->cols + 3) / 4, y->rows);
  op_stream_dispatch (s, &d);
}

G_STATIC_ASSERT (sizeof (Top) == 4 * (2 * TOP_COUNT + 2));

static guint
top_spans (guint n)
{
  return (n + TOP_BLOCK * TOP_BLOCK - 1) / (TOP_BLOCK * TOP_BLOCK);
}

guint
top_work_columns (guint n)
{
  return top_spans (n) * (2 * TOP_BLOCK + 1); /* a key and a sum a block, a key a span */
}

void
op_top (OpStream *s, const Tensor *top, const Tensor *x, const Tensor *work)
{
  guint spans = top_spans (x->cols), blocks = spans * TOP_BLOCK;
  struct TopPush push = {
    .m = x->rows,
    .n = x->cols,
    .x = view_of (x),
    .y = view_of (top),
    .work = view_of (work),
    .blocks = blocks,
  };
  Dispatch first = {
    .shader = "top_blocks",
    .bind = { { BIND_WRITE, work }, { BIND_BULK, x } },
    .push = &push,
    .push_size = sizeof push,
    .turns = 2 * TOP_BLOCK / 4,
    .flops = 4 * (guint64)x->rows * x->cols,
    .bytes = 4 * (guint64)x->rows * x->cols,
  };
  /* One octet, whatever the device's local size: each step depends on the one before. */
  Dispatch second = {
    .shader = "top",
    .bind = { { BIND_WRITE, top }, { BIND_BULK, x }, { BIND_WRITE, work } },
    .push = &push,
    .push_size = sizeof push,
    .local = 8,
    .turns = spans + blocks / 8 + (TOP_COUNT + 1) * (2 + (guint64)spans / 8),
    .flops = 64 * (guint64)TOP_COUNT * x->rows,
    .bytes = (guint64)x->rows * (4 * work->cols + sizeof (Top)),
  };

  op_stream_begin_op (s, "top");
  if (x->type != TYPE_F32 || x->cols == 0 || top->type != TYPE_U32 || top->rows != x->rows || top->cols != TOP_COLUMNS
      || work->type != TYPE_U32 || work->rows != x->rows || work->cols != top_work_columns (x->cols)) {
    op_stream_fail (s, "top is %u x %u, x %u x %u, the room to work in %u x %u: it takes %u columns for a row, %u to work in",
        top->rows, top->cols, x->rows, x->cols, work->rows, work->cols, TOP_COLUMNS, top_work_columns (x->cols));
    return;
  }
  dispatch_quads (&first, blocks, x->rows);
  op_stream_dispatch (s, &first);
  dispatch_rows (&second, 1, x->rows);
  op_stream_dispatch (s, &second);
}

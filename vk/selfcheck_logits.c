/* Small cases for the ops over logits, as in selfcheck_plans.c. */
#include <math.h>
#include <string.h>

#include "selfcheck.h"
#include "twins.h"

static void
record_mask (const Case *c, OpStream *s)
{
  op_mask (s, TENSOR (c, 0), TENSOR (c, 1));
}

/* What is masked, as a number larger than the others. */
static double
mask_element (const CaseTensor *own, gconstpointer bytes, gsize i)
{
  float f = ((const float *)bytes)[i];

  return f == -INFINITY ? -8 : f;
}

void
case_plan_mask (Case *c)
{
  enum
  {
    M = 3,
    N = 301,
  };
  g_autofree float *x = case_numbers (c, M * N, 1, 0);
  guint32 masks[M][MASK_COLUMNS (N)];
  CaseTensor *y = case_add (c, TYPE_F32, LAYOUT_ROWS, M, N);

  y->bytes = g_malloc0 (tensor_bytes (&y->tensor));
  y->element = mask_element;
  for (guint i = 0; i < M; i++) {
    memcpy ((float *)y->bytes + (gsize)i * y->tensor.stride, x + i * N, N * sizeof (float));
    for (guint j = 0; j < MASK_COLUMNS (N); j++)
      masks[i][j] = j ? (guint32)case_number (c, 0, 1 << 16) * 65537 : i != 1; /* the second row has none */
    twin_mask (x + i * N, N, masks[i]);
  }
  y->want = case_widened (x, M * N);
  for (guint i = 0; i < M * N; i++)
    y->want[i] = MAX (y->want[i], -8);
  case_add_rows (c, TYPE_U32, M, MASK_COLUMNS (N), masks);
  c->record = record_mask;
}

static void
record_top (const Case *c, OpStream *s)
{
  op_top (s, TENSOR (c, 0), TENSOR (c, 1), TENSOR (c, 2));
}

/* Ids and the sum scaled to the size of the values, so that an error of one is seen among the others. */
#define TOP_SCALE (1.0 / 1024)

static double
top_element (const CaseTensor *own, gconstpointer bytes, gsize i)
{
  const Tensor *t = &own->tensor;
  const guint32 *row = (const guint32 *)bytes + i / t->stride * t->stride;
  guint column = i % t->stride;
  float f;

  memcpy (&f, row + column, sizeof f);
  return column < TOP_COUNT ? row[column] * TOP_SCALE : column == 2 * TOP_COUNT + 1 ? f * TOP_SCALE : f;
}

void
case_plan_top (Case *c)
{
  enum
  {
    M = 2,
    N = 4200, /* more than a span of blocks */
  };
  g_autofree float *x = case_numbers (c, M * N, 1, 0);
  double *want = g_new (double, M *TOP_COLUMNS);

  for (guint i = 0; i < M; i++) {
    double *row = want + i * TOP_COLUMNS;
    Top top;

    for (guint j = 0; j < N; j++)
      x[i * N + j] += j * 0x1p-11f; /* the best are not all of one block, and not all equal */
    row[2 * TOP_COUNT + 1] = twin_top (top.ids, top.values, &top.next, x + i * N, N, TOP_COUNT) * TOP_SCALE;
    row[2 * TOP_COUNT] = top.next;
    for (guint j = 0; j < TOP_COUNT; j++) {
      row[j] = top.ids[j] * TOP_SCALE;
      row[TOP_COUNT + j] = top.values[j];
    }
  }
  case_add_output (c, TYPE_U32, M, TOP_COLUMNS, want);
  c->tensors[0].element = top_element;
  case_add_rows (c, TYPE_F32, M, N, x);
  case_add (c, TYPE_U32, LAYOUT_ROWS, M, top_work_columns (N));
  c->record = record_top;
}

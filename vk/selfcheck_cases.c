/*
 * What cases are made of, and how the results of the device differ.
 */
#include "selfcheck.h"

#include <math.h>
#include <string.h>

/* --- numbers ---------------------------------------------------------------------------------------------------------------- */

gint
case_number (Case *c, gint low, gint high)
{
  c->random = c->random * 1664525 + 1013904223;
  return low + (gint)((c->random >> 8) % (guint)(high - low));
}

float *
case_numbers (Case *c, gsize n, float step, float offset)
{
  float *v = g_new (float, n);

  for (gsize i = 0; i < n; i++)
    v[i] = offset + case_number (c, -16, 16) / 8.0f * step;
  return v;
}

guint32 *
case_pixels (Case *c, gsize n)
{
  guint32 *v = g_new (guint32, n);

  for (gsize i = 0; i < n; i++)
    v[i] = case_number (c, 0, 1 << 24);
  return v;
}

/* --- tensors ---------------------------------------------------------------------------------------------------------------- */

CaseTensor *
case_own (Case *c, const Tensor *t)
{
  CaseTensor *own = &c->tensors[c->n_tensors++];

  g_assert (c->n_tensors <= CASE_MAX_TENSORS);
  own->tensor = *t;
  return own;
}

CaseTensor *
case_add (Case *c, TensorType type, TensorLayout layout, guint rows, guint cols)
{
  Tensor t = arena_add (c->arena, type, layout, rows, cols);

  return case_own (c, &t);
}

const Tensor *
case_add_rows (Case *c, TensorType type, guint rows, guint cols, gconstpointer dense)
{
  CaseTensor *own = case_add (c, type, LAYOUT_ROWS, rows, cols);

  own->bytes = g_malloc0 (tensor_bytes (&own->tensor));
  for (guint i = 0; i < rows; i++)
    memcpy ((guint32 *)own->bytes + (gsize)i * own->tensor.stride, (const guint32 *)dense + (gsize)i * cols, cols * 4);
  return &own->tensor;
}

const Tensor *
case_add_weights (Case *c, TensorType type, guint rows, guint cols, float *dense)
{
  CaseTensor *own = case_add (c, type, LAYOUT_WEIGHTS, rows, cols);

  own->bytes = g_malloc0 (tensor_bytes (&own->tensor));
  weights_pack (own->bytes, type, dense, TYPE_F32, rows, cols);
  if (type == TYPE_Q8 || type == TYPE_Q4)
    weights_unpack (dense, own->bytes, type, rows, cols);
  return &own->tensor;
}

const Tensor *
case_add_output (Case *c, TensorType type, guint rows, guint cols, double *want)
{
  CaseTensor *own = case_add (c, type, LAYOUT_ROWS, rows, cols);

  own->want = want;
  return &own->tensor;
}

double *
case_widened (const float *v, gsize n)
{
  double *wide = g_new (double, n);

  for (gsize i = 0; i < n; i++)
    wide[i] = v[i];
  return wide;
}

double *
case_widened_words (const guint32 *v, gsize n)
{
  double *wide = g_new (double, n);

  for (gsize i = 0; i < n; i++)
    wide[i] = v[i];
  return wide;
}

TensorType
case_type (const Case *c)
{
  const gchar *name = c->variant->shader->name;

  return strstr (name, "_bf16")  ? TYPE_BF16
         : strstr (name, "_f16") ? TYPE_F16
         : strstr (name, "_q8")  ? TYPE_Q8
         : strstr (name, "_q4")  ? TYPE_Q4
                                 : TYPE_F32;
}

/* --- cases ------------------------------------------------------------------------------------------------------------------ */

void
case_clear (Case *c)
{
  for (guint i = 0; i < c->n_tensors; i++) {
    g_free (c->tensors[i].bytes);
    g_free (c->tensors[i].want);
  }
}

gboolean
case_write (const Case *c, GError **error)
{
  for (guint i = 0; i < c->n_tensors; i++) {
    const CaseTensor *own = &c->tensors[i];

    if (own->bytes && !tensor_write (&own->tensor, 0, own->bytes, tensor_bytes (&own->tensor), error))
      return FALSE;
  }
  return TRUE;
}

static double
element (const CaseTensor *own, gconstpointer bytes, gsize i)
{
  TensorType type = own->tensor.type;
  float f;

  if (own->element)
    return own->element (own, bytes, i);
  if (type == TYPE_U32)
    return ((const guint32 *)bytes)[i];
  convert_to_f32 (&f, (const guint8 *)bytes + i * type_size (type), type, 1);
  return f;
}

static double
tensor_nmse (const CaseTensor *own, gconstpointer bytes)
{
  const Tensor *t = &own->tensor;
  double difference = 0, sum = 0;
  guint parts = MAX (own->parts, 1), cols = t->cols * parts, stride = t->stride * parts;

  for (guint i = 0; i < t->rows; i++)
    for (guint j = 0; j < stride; j++) {
      double got = element (own, bytes, (gsize)i * stride + j), want = j < cols ? own->want[(gsize)i * cols + j] : 0;

      difference += (got - want) * (got - want);
      sum += want * want;
    }
  return isfinite (difference) ? (difference > 0 ? difference / sum : 0) : INFINITY;
}

gboolean
case_read (const Case *c, double *nmse, GError **error)
{
  *nmse = 0;
  for (guint i = 0; i < c->n_tensors; i++) {
    const CaseTensor *own = &c->tensors[i];
    g_autofree gpointer bytes = own->want ? g_malloc (tensor_bytes (&own->tensor)) : NULL;

    if (!bytes)
      continue;
    if (!tensor_read (&own->tensor, 0, bytes, tensor_bytes (&own->tensor), error))
      return FALSE;
    *nmse = MAX (*nmse, tensor_nmse (own, bytes));
  }
  return TRUE;
}

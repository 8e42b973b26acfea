#include "load.h"

#include <math.h>
#include <string.h>

/* Bytes packed at a time; more only where 8 rows are wider than this. */
#define STRIPE (8u << 20)

static TensorType
type_of (Dtype dtype)
{
  return dtype == DTYPE_F32 ? TYPE_F32 : dtype == DTYPE_F16 ? TYPE_F16 : TYPE_BF16;
}

/* finite: what count_finite() says of all of it. Only f16 has a smaller range than the type of the file. */
static gboolean
check_finite (const TensorInfo *info, guint64 finite, GError **error)
{
  g_autofree gchar *number = NULL;
  const gchar *why;
  float value;

  if (finite == tensor_elements (info))
    return TRUE;
  convert_to_f32 (&value, (const guint8 *)info->data + finite * dtype_size (info->dtype), type_of (info->dtype), 1);
  number = isnan (value) ? g_strdup ("NaN") : isinf (value) ? g_strdup ("infinity") : g_strdup_printf ("%.9g", value);
  why = isfinite (value) ? "more than f16 holds: precision f32 keeps it" : "the file is damaged";
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE, "%s: tensor %s: %s at element %" G_GUINT64_FORMAT ", %s", info->file,
      info->name, number, finite, why);
  return FALSE;
}

static float *
read_vector (const TensorInfo *info, guint64 n, GError **error)
{
  TensorType type = type_of (info->dtype);
  float *values;

  if (!check_finite (info, count_finite (info->data, type, TYPE_F32, n), error))
    return NULL;
  values = g_new (float, n);
  convert_to_f32 (values, info->data, type, n);
  return values;
}

static gboolean
copy_vector (const Slot *slot, const TensorInfo *info, GError **error)
{
  guint64 n = slot_cols (slot);
  g_autofree float *values = read_vector (info, n, error);

  return values && tensor_write (slot->tensor, 0, values, n * sizeof *values, error);
}

static guint64
packed_row_bytes (const Tensor *t)
{
  return row_bytes (t->type, t->stride);
}

/* Rows packed at a time: weights_pack() takes them by 8. */
static guint
stripe_rows (const Tensor *t)
{
  return MAX (STRIPE / packed_row_bytes (t) / 8, 1) * 8;
}

/* stripe: of stripe_rows() */
static gboolean
copy_matrix (const Slot *slot, const TensorInfo *info, gpointer stripe, GError **error)
{
  const Tensor *t = slot->tensor;
  guint64 row_bytes = packed_row_bytes (t), source_row = t->cols * (guint64)dtype_size (info->dtype);
  guint step = stripe_rows (t);

  for (guint r = 0; r < t->rows; r += step) {
    guint n = MIN (step, t->rows - r), padded = (n + 7) / 8 * 8;
    guint64 from = slot->first_row + r;
    guint64 finite =
        weights_pack (stripe, t->type, (const guint8 *)info->data + from * source_row, type_of (info->dtype), n, t->cols);

    if (finite < (guint64)n * t->cols)
      return check_finite (info, from * t->cols + finite, error);
    if (!tensor_write (t, r * row_bytes, stripe, padded * row_bytes, error))
      return FALSE;
  }
  return TRUE;
}

/* torch's bicubic interpolation (a = -0.75, align_corners false), by which the reference makes position embeddings for a tile side
 * that they were not trained for. */
static double
cubic (double x)
{
  const double a = -0.75;

  x = fabs (x);
  if (x <= 1.0)
    return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  return x < 2.0 ? ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a : 0.0;
}

static void
interpolate (const float *from, guint n, float *to, guint m, guint d)
{
  for (guint y = 0; y < m; y++)
    for (guint x = 0; x < m; x++) {
      double fy = (y + 0.5) * n / m - 0.5, fx = (x + 0.5) * n / m - 0.5;
      gint iy = floor (fy), ix = floor (fx);
      float *out = to + ((gsize)y * m + x) * d;

      memset (out, 0, d * sizeof *out);
      for (gint j = -1; j <= 2; j++)
        for (gint i = -1; i <= 2; i++) {
          gint sy = CLAMP (iy + j, 0, (gint)n - 1), sx = CLAMP (ix + i, 0, (gint)n - 1);
          double weight = cubic (fy - (iy + j)) * cubic (fx - (ix + i));
          const float *in = from + ((gsize)sy * n + sx) * d;

          for (guint k = 0; k < d; k++)
            out[k] += weight * in[k];
        }
    }
}

/* A tile's class token and patches go through one matmul, in which the class token's row is zero. So the row added to it is the
 * class embedding and its position, less the bias that the matmul adds to every row. */
static gboolean
copy_positions (Weights *w, const TensorSet *set, GError **error)
{
  const ModelConfig *config = w->config;
  guint d = config->vision.hidden, n = config->vision.image_size / config->vision.patch_size,
        m = config->tile_side / config->vision.patch_size;
  g_autofree float *class = read_vector (tensor_set_lookup (set, CLASS), d, error);
  g_autofree float *position = class ? read_vector (tensor_set_lookup (set, POSITION), ((gsize)n * n + 1) * d, error) : NULL;
  g_autofree float *bias = position ? read_vector (tensor_set_lookup (set, PATCH_BIAS), d, error) : NULL;
  g_autofree float *patches = g_new (float, (gsize)m *m *d);
  guint64 row_bytes = w->position.stride * sizeof (float);

  if (!bias)
    return FALSE;
  for (guint k = 0; k < d; k++)
    class[k] = class[k] + position[k] - bias[k];
  if (m == n)
    memcpy (patches, position + d, (gsize)m * m * d * sizeof *patches);
  else
    interpolate (position + d, n, patches, m, d);

  if (!tensor_write (&w->position, 0, class, d * sizeof *class, error))
    return FALSE;
  for (guint i = 0; i < m * m; i++)
    if (!tensor_write (&w->position, (i + 1) * row_bytes, patches + (gsize)i * d, d * sizeof *patches, error))
      return FALSE;
  return TRUE;
}

static gboolean
copy_all (GArray *slots, const TensorSet *set, MinivlProgressFunc on_progress, gpointer user_data, GError **error)
{
  g_autofree gpointer stripe = NULL;
  guint64 total = 0, done = 0, most = 0;

  for (guint i = 0; i < slots->len; i++) {
    const Slot *slot = &g_array_index (slots, Slot, i);

    if (!slot->tensor)
      continue;
    total += tensor_bytes (slot->tensor);
    if (slot->matrix)
      most = MAX (most, stripe_rows (slot->tensor) * packed_row_bytes (slot->tensor));
  }
  stripe = g_malloc (most);

  for (guint i = 0; i < slots->len; i++) {
    const Slot *slot = &g_array_index (slots, Slot, i);
    const TensorInfo *info = tensor_set_lookup (set, slot->name);

    if (!slot->tensor)
      continue;
    if (!(slot->matrix ? copy_matrix (slot, info, stripe, error) : copy_vector (slot, info, error)))
      return FALSE;
    done += tensor_bytes (slot->tensor);
    if (on_progress && !on_progress ((double)done / total, user_data)) {
      g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED, "loading was cancelled");
      return FALSE;
    }
  }
  return TRUE;
}

gboolean
weights_load (Weights *w, const TensorSet *set, MinivlProgressFunc on_progress, gpointer user_data, GError **error)
{
  return arena_commit (w->arena, error) && copy_positions (w, set, error)
         && copy_all (w->slots, set, on_progress, user_data, error);
}

#include "load.h"
#include "team.h"

#include <math.h>
#include <string.h>

/* Of a matrix, for one thread at a time: little enough to be cancelled after a moment, whatever is computed for each. */
#define PIECE_ELEMENTS (128u << 10)
/* Between calls of on_progress, if there was not one in a hundred done. */
#define REPORT_US 10000

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

/* --- a slot at a time ------------------------------------------------------------------------------------------------------ */

typedef struct
{
  Arena *arena;
  Team *team;
  MinivlProgressFunc on_progress; /* nullable */
  gpointer user_data;
  guint64 total, done; /* bytes of the result */
  guint64 told;        /* what was done when on_progress was called last */
  gint64 told_at;      /* 0: never */

  /* What the team packs at present: rows of one tensor. */
  const Slot *slot;
  const TensorInfo *info;
  guint first, rows, piece_rows;
  guint8 *out;    /* the place of row `first` */
  GMutex lock;    /* of what follows, and of `sum` */
  guint64 finite; /* elements of the file's tensor before the first that is none, as far as it was packed */

  /* The file of converted weights. */
  Converted *converted; /* nullable */
  guint place;          /* in it, of the next slot that has one */
  const guint8 *kept;   /* the tensor that it has in place of what would be packed; NULL: it has none */
  gboolean summed;      /* packed or copied, the tensor's checksum is asked for */
  guint64 sum;
  guint8 *buffer; /* what is packed for the file as well, for the device's memory may be slow to read */
  gsize buffer_bytes;
  gboolean damaged; /* the file is, but for its header */
} Loader;

/* Called much more often than anybody wants to know. */
static gboolean
report (Loader *l, guint64 done)
{
  gint64 now = g_get_monotonic_time ();

  done = MAX (done, l->told); /* what is converted again after all is not told twice */
  if (!l->on_progress || (done < l->total && done - l->told < l->total / 100 && now - l->told_at < REPORT_US))
    return TRUE;
  l->told = done;
  l->told_at = now;
  return l->on_progress ((double)done / l->total, l->user_data);
}

static gboolean
fail_cancelled (GError **error)
{
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED, "loading was cancelled");
  return FALSE;
}

static gboolean
copy_vector (Loader *l, const Slot *slot, const TensorInfo *info, GError **error)
{
  guint64 n = slot_cols (slot), bytes = tensor_bytes (slot->tensor);
  g_autofree float *values = read_vector (info, n, error);
  guint8 *out = values ? tensor_fill_begin (slot->tensor, 0, bytes, error) : NULL;

  if (!out)
    return FALSE;
  memcpy (out, values, n * sizeof *values);
  memset (out + n * sizeof *values, 0, bytes - n * sizeof *values);
  l->done += bytes;
  return tensor_fill_end (slot->tensor, 0, bytes, error) && (report (l, l->done) || fail_cancelled (error));
}

/* About so many as `room` holds of `each`: weights_pack() takes rows by 8. */
static guint
octets_of_rows (guint64 room, guint64 each)
{
  return MAX (room / each / 8, 1) * 8;
}

/* Packs rows first .. first + n, with what an adapter adds to them. Returns what weights_pack() does. */
static guint64
pack_rows (const Slot *slot, const TensorInfo *info, guint first, guint n, gpointer out)
{
  const Tensor *t = slot->tensor;
  TensorType type = type_of (info->dtype);
  const guint8 *rows = (const guint8 *)info->data + first * (guint64)t->cols * dtype_size (info->dtype);
  g_autofree float *merged = NULL;

  if (!slot->lora)
    return weights_pack (out, t->type, rows, type, n, t->cols);
  merged = g_new (float, (gsize)n * t->cols);
  convert_to_f32 (merged, rows, type, (guint64)n * t->cols);
  lora_add (slot->lora, first, n, merged);
  return weights_pack (out, t->type, merged, TYPE_F32, n, t->cols);
}

/* finite: what pack_rows() says of all of the file's tensor. */
static gboolean
check_packed (const Slot *slot, const TensorInfo *info, guint64 finite, GError **error)
{
  const guint8 *number = (const guint8 *)info->data + finite * dtype_size (info->dtype);

  if (!slot->lora || finite == tensor_elements (info) || count_finite (number, type_of (info->dtype), slot->tensor->type, 1) == 0)
    return check_finite (info, finite, error);
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE,
      "%s: tensor %s: with the adapter merged, what is at element %" G_GUINT64_FORMAT " is no number, or too large a one",
      info->file, info->name, finite);
  return FALSE;
}

static void
note_sum (Loader *l, const guint8 *rows, guint first, guint n, guint64 row)
{
  guint64 sum;

  if (!l->summed)
    return;
  sum = converted_sum (rows, first / 8, n / 8, 8 * row);
  g_mutex_lock (&l->lock);
  l->sum += sum;
  g_mutex_unlock (&l->lock);
}

/* A piece's rows, and the zeroes below the last one; or both as they are in the file of converted weights. */
static void
pack_piece (guint piece, gpointer data)
{
  Loader *l = data;
  const Tensor *t = l->slot->tensor;
  guint64 packed_row = row_bytes (t->type, t->stride);
  guint begin = piece * l->piece_rows, n = MIN (l->piece_rows, l->rows - begin), first = l->first + begin,
        there = MIN (n, t->rows - MIN (t->rows, first)), packed = (there + 7) / 8 * 8;
  guint64 from = l->slot->first_row + first;
  guint8 *out = l->out + begin * packed_row;
  guint64 finite;

  if (l->kept) {
    note_sum (l, l->kept + first * packed_row, first, n, packed_row);
    memcpy (out, l->kept + first * packed_row, n * packed_row);
    return;
  }
  finite = pack_rows (l->slot, l->info, from, there, out);
  memset (out + packed * packed_row, 0, (n - packed) * packed_row);
  note_sum (l, out, first, n, packed_row);
  if (finite == (guint64)there * t->cols)
    return;
  g_mutex_lock (&l->lock);
  l->finite = MIN (l->finite, from * t->cols + finite);
  g_mutex_unlock (&l->lock);
}

static gboolean
before_piece (guint begun, gpointer data)
{
  Loader *l = data;

  return report (l, l->done + MIN (begun * l->piece_rows, l->rows) * row_bytes (l->slot->tensor->type, l->slot->tensor->stride));
}

static guint8 *
buffer_of (Loader *l, gsize bytes)
{
  if (bytes > l->buffer_bytes) {
    g_free (l->buffer);
    l->buffer = g_malloc (bytes);
    l->buffer_bytes = bytes;
  }
  return l->buffer;
}

/* Whether the slot in hand is written to the file of converted weights. */
static gboolean
begin_converted (Loader *l)
{
  gboolean has_place = l->converted && slot_is_converted (l->slot), is_written = has_place && converted_is_begun (l->converted);

  l->kept = has_place && converted_is_open (l->converted) ? converted_data (l->converted, l->place) : NULL;
  l->summed = l->kept || is_written;
  l->sum = 0;
  return is_written;
}

/* FALSE, without an error: what the file had is not what was written, and all is to be converted. */
static gboolean
end_converted (Loader *l)
{
  if (l->kept)
    l->damaged = !converted_is_whole (l->converted, l->place, l->sum);
  else if (l->summed)
    converted_append_sum (l->converted, l->sum);
  l->place += l->summed;
  return !l->damaged;
}

static gboolean
copy_matrix (Loader *l, const Slot *slot, const TensorInfo *info, GError **error)
{
  const Tensor *t = slot->tensor;
  guint64 packed_row = row_bytes (t->type, t->stride), source_row = t->cols * (guint64)dtype_size (info->dtype);
  guint stored_rows = tensor_bytes (t) / packed_row, step = octets_of_rows (FILL_BYTES, packed_row);
  gboolean is_written;
  guint8 *place;

  l->slot = slot;
  l->info = info;
  l->finite = tensor_elements (info);
  l->piece_rows = octets_of_rows (PIECE_ELEMENTS, t->cols);
  is_written = begin_converted (l);
  for (l->first = 0; l->first < stored_rows; l->first += step) {
    guint64 at = l->first * packed_row, rows_left = t->rows - MIN (l->first, t->rows),
            source_at = (slot->first_row + t->rows - rows_left) * source_row, source_left = rows_left * source_row,
            source_bytes = MIN (step * source_row, source_left);

    l->rows = MIN (step, stored_rows - l->first);
    place = tensor_fill_begin (t, at, l->rows * packed_row, error);
    if (!place)
      return FALSE;
    l->out = is_written ? buffer_of (l, l->rows * packed_row) : place;
    if (l->kept)
      converted_expect (l->converted, l->place, at, 2 * step * packed_row);
    else
      tensor_info_expect (info, source_at, MIN (2 * source_bytes, source_left));
    if (!team_run (l->team, (l->rows + l->piece_rows - 1) / l->piece_rows, pack_piece, before_piece, l))
      return fail_cancelled (error);
    if (is_written) {
      converted_append (l->converted, l->out, l->rows * packed_row);
      memcpy (place, l->out, l->rows * packed_row);
    }
    if (!check_packed (slot, info, l->finite, error) || !tensor_fill_end (t, at, l->rows * packed_row, error))
      return FALSE;
    if (l->kept)
      converted_forget (l->converted, l->place, at, l->rows * packed_row);
    else
      tensor_info_forget (info, source_at, source_bytes);
    l->done += l->rows * packed_row;
  }
  return end_converted (l);
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
  gsize stride = w->position.stride;
  g_autofree float *class = read_vector (tensor_set_lookup (set, CLASS), d, error);
  g_autofree float *position = class ? read_vector (tensor_set_lookup (set, POSITION), ((gsize)n * n + 1) * d, error) : NULL;
  g_autofree float *bias = position ? read_vector (tensor_set_lookup (set, PATCH_BIAS), d, error) : NULL;
  g_autofree float *patches = NULL, *rows = NULL;

  if (!bias)
    return FALSE;
  patches = g_new (float, (gsize)m *m *d);
  if (m == n)
    memcpy (patches, position + d, (gsize)m * m * d * sizeof *patches);
  else
    interpolate (position + d, n, patches, m, d);

  rows = g_malloc0 (tensor_bytes (&w->position));
  for (guint k = 0; k < d; k++)
    rows[k] = class[k] + position[k] - bias[k];
  for (guint i = 0; i < m * m; i++)
    memcpy (rows + (i + 1) * stride, patches + (gsize)i * d, d * sizeof *rows);
  return tensor_write (&w->position, 0, rows, tensor_bytes (&w->position), error);
}

static gboolean
copy_all (Loader *l, GArray *slots, const TensorSet *set, GError **error)
{
  l->total = l->done = l->place = 0;
  for (guint i = 0; i < slots->len; i++) {
    const Slot *slot = &g_array_index (slots, Slot, i);

    l->total += slot->tensor ? tensor_bytes (slot->tensor) : 0;
  }
  for (guint i = 0; i < slots->len; i++) {
    const Slot *slot = &g_array_index (slots, Slot, i);
    const TensorInfo *info = tensor_set_lookup (set, slot->name);

    if (!slot->tensor)
      continue;
    if (!(slot->matrix ? copy_matrix (l, slot, info, error) : copy_vector (l, slot, info, error)))
      return FALSE;
  }
  /* A tensor that is read brings pages of its neighbours along, those that were given back as well. */
  for (guint i = 0; i < slots->len; i++) {
    const TensorInfo *info = tensor_set_lookup (set, g_array_index (slots, Slot, i).name);

    tensor_info_forget (info, 0, tensor_info_bytes (info));
  }
  return report (l, l->total) || fail_cancelled (error);
}

gboolean
weights_load (Weights *w, const TensorSet *set, MinivlProgressFunc on_progress, gpointer user_data, GError **error)
{
  Loader l = { .arena = w->arena, .on_progress = on_progress, .user_data = user_data, .converted = w->converted };
  gboolean ok;

  if (!arena_allocate (w->arena, error))
    return FALSE;
  l.team = team_new ();
  g_mutex_init (&l.lock);
  if (l.converted && !converted_open (l.converted))
    converted_begin (l.converted);
  ok = copy_positions (w, set, error) && copy_all (&l, w->slots, set, error);
  if (l.damaged) {
    l.damaged = FALSE;
    converted_begin (l.converted);
    ok = copy_all (&l, w->slots, set, error);
  }
  if (ok && l.converted)
    converted_finish (l.converted);
  /* Also after a failure: memory that the device still copies to must not be freed. */
  ok = arena_settle (w->arena, ok ? error : NULL) && ok;
  g_clear_pointer (&w->converted, converted_free);
  g_mutex_clear (&l.lock);
  g_free (l.buffer);
  team_free (l.team);
  return ok;
}

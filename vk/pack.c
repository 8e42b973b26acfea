/* Converts a checkpoint's numbers to what the device reads: types, and rows interleaved by 8. */
#include "quant.h"

#include <string.h>

#define QUAD 16       /* bytes of a row that lie together */
#define INTERLEAVED 8 /* rows */
#define PADDED 32     /* columns are padded to a multiple of it */
#define RUN 512       /* bytes of numbers that are looked at together */

/* Whether its numbers are, or are made from, those of f16. */
static gboolean
has_halves (TensorType type)
{
  return type == TYPE_F16 || type == TYPE_Q8 || type == TYPE_Q4;
}

/* The smallest bits, without the sign, of a number that is not finite as `type`. */
static guint32
bits_beyond (TensorType source, TensorType type)
{
  switch (source) {
    case TYPE_F16:
      return 0x7c00;
    case TYPE_BF16:
      return has_halves (type) ? 0x4780 : 0x7f80;
    default:
      return has_halves (type) ? 0x477ff000 : type == TYPE_BF16 ? 0x7f7f8000 : 0x7f800000;
  }
}

/* Words of two or four numbers. At -O2 compilers do not vectorise a loop over plain ones. */
typedef guint64 Words __attribute__ ((vector_size (QUAD)));

/* `lift` is added to numbers without their sign: it carries into the sign bit of those that are not finite. */
typedef struct
{
  guint64 unsigned_mask, lift;
} Limit;

static Limit
limit_of (TensorType source, TensorType type)
{
  gboolean wide = source == TYPE_F32;
  guint64 each = wide ? 0x0000000100000001 : 0x0001000100010001, sign = wide ? 0x80000000 : 0x8000;

  return (Limit){ (sign - 1) * each, (sign - bits_beyond (source, type)) * each };
}

static inline Words
twice (guint64 word)
{
  return (Words){ word, word };
}

/* lifted: words with `lift` added, or-ed together. */
static inline gboolean
are_finite (Words lifted, Limit limit)
{
  return ((lifted[0] | lifted[1]) & ~limit.unsigned_mask) == 0;
}

static gboolean
run_is_finite (const guint8 *bytes, Limit limit)
{
  const Words masks = twice (limit.unsigned_mask), lifts = twice (limit.lift);
  Words even = { 0 }, odd = { 0 };

  for (guint i = 0; i < RUN; i += 2 * sizeof (Words)) {
    Words words[2];

    memcpy (words, bytes + i, sizeof words);
    even |= (words[0] & masks) + lifts;
    odd |= (words[1] & masks) + lifts;
  }
  return are_finite (even | odd, limit);
}

guint64
count_finite (gconstpointer numbers, TensorType source, TensorType type, guint64 n)
{
  gboolean wide = source == TYPE_F32;
  guint32 beyond = bits_beyond (source, type);
  Limit limit = limit_of (source, type);
  guint64 step = RUN / type_size (source), at = 0;

  while (n - at >= step && run_is_finite ((const guint8 *)numbers + at * type_size (source), limit))
    at += step;
  while (at < n && (wide ? ((const guint32 *)numbers)[at] & 0x7fffffff : ((const guint16 *)numbers)[at] & 0x7fffu) < beyond)
    at++;
  return at;
}

/* Interleaves eight rows of `bytes` bytes; absent ones are NULL. Returns whether all numbers are finite, which is checked here
 * because they are in registers anyway. */
static gboolean
interleave (guint8 *out, const guint8 *const rows[INTERLEAVED], gsize bytes, gsize padded, Limit limit)
{
  const Words masks = twice (limit.unsigned_mask), lifts = twice (limit.lift);
  gsize whole = bytes / QUAD * QUAD;
  Words lifted = { 0 };

  for (gsize at = 0; at < padded; at += QUAD)
    for (guint r = 0; r < INTERLEAVED; r++, out += QUAD) {
      Words quad = { 0 };

      if (rows[r] && at < whole)
        memcpy (&quad, rows[r] + at, sizeof quad);
      else if (rows[r] && at == whole)
        memcpy (&quad, rows[r] + at, bytes - whole);
      lifted |= (quad & masks) + lifts;
      memcpy (out, &quad, sizeof quad);
    }
  return are_finite (lifted, limit);
}

static guint64
pack_blocks (gpointer out, TensorType type, gconstpointer rows, TensorType source, guint n_rows, guint cols)
{
  gsize from_bytes = (gsize)cols * type_size (source), padded = row_bytes (type, (guint64)(cols + PADDED - 1) / PADDED * PADDED);
  g_autofree float *wide = g_new (float, (gsize)INTERLEAVED *cols);

  for (guint first = 0; first < n_rows; first += INTERLEAVED) {
    const float *eight[INTERLEAVED] = { NULL };
    guint here = MIN (INTERLEAVED, n_rows - first);

    convert_to_f32 (wide, (const guint8 *)rows + first * from_bytes, source, (guint64)here * cols);
    for (guint r = 0; r < here; r++)
      eight[r] = wide + (gsize)r * cols;
    quantise_rows ((guint8 *)out + first * padded, type, eight, cols);
  }
  return count_finite (rows, source, type, (guint64)n_rows * cols);
}

static guint64
pack_numbers (gpointer out, TensorType type, gconstpointer rows, TensorType source, guint n_rows, guint cols)
{
  gsize bytes = (gsize)cols * type_size (type), from_bytes = (gsize)cols * type_size (source);
  gsize padded = (gsize)(cols + PADDED - 1) / PADDED * PADDED * type_size (type);
  gboolean convert = type != source;
  Limit limit = convert ? (Limit){ 0, 0 } : limit_of (source, type);
  guint64 finite = 0;
  g_autofree float *wide = convert ? g_new (float, cols) : NULL;
  g_autofree guint8 *converted = convert ? g_malloc (INTERLEAVED * bytes) : NULL;

  for (guint first = 0; first < n_rows; first += INTERLEAVED) {
    const guint8 *eight[INTERLEAVED] = { NULL }, *from_rows = (const guint8 *)rows + first * from_bytes;
    guint64 here = (guint64)MIN (INTERLEAVED, n_rows - first) * cols;
    gboolean known;

    for (guint r = 0; r < INTERLEAVED && first + r < n_rows; r++) {
      const guint8 *from = from_rows + r * from_bytes;

      if (convert) {
        convert_to_f32 (wide, from, source, cols);
        convert_from_f32 (converted + r * bytes, type, wide, cols);
        from = converted + r * bytes;
      }
      eight[r] = from;
    }
    known = interleave ((guint8 *)out + first * padded, eight, bytes, padded, limit) && !convert;
    if (finite == (guint64)first * cols)
      finite += known ? here : count_finite (from_rows, source, type, here);
  }
  return finite;
}

guint64
weights_pack (gpointer out, TensorType type, gconstpointer rows, TensorType source, guint n_rows, guint cols)
{
  return (type == TYPE_Q8 || type == TYPE_Q4 ? pack_blocks : pack_numbers) (out, type, rows, source, n_rows, cols);
}

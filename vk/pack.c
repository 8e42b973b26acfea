/* Checkpoints' numbers as the device wants them: types, and rows interleaved by 8. */
#include "memory.h"

#include <string.h>

#define PIECE 16      /* bytes of a row that lie together */
#define INTERLEAVED 8 /* rows */
#define PADDED 32     /* columns are padded to a multiple of it */

static inline float
float_of_bits (guint32 u)
{
  float f;

  memcpy (&f, &u, sizeof f);
  return f;
}

static inline guint32
bits_of_float (float f)
{
  guint32 u;

  memcpy (&u, &f, sizeof u);
  return u;
}

/* The four conversions know no branch, for compilers make vector code of such loops only. */

static inline float
from_half (guint16 h)
{
  guint32 rest = (guint32)(h & 0x7fff) << 13;
  guint32 finite = bits_of_float (float_of_bits (rest) * 0x1p112f); /* also right for subnormals */

  return float_of_bits ((guint32)(h & 0x8000) << 16 | (rest >= 0x0f800000 ? rest | 0x7f800000 : finite));
}

static inline guint16
to_half (float f)
{
  guint32 u = bits_of_float (f), rest = u & 0x7fffffff;
  guint32 normal = (rest - (112u << 23) + 0xfff + (rest >> 13 & 1)) >> 13;
  guint32 small = bits_of_float (float_of_bits (rest) + 0.5f) - bits_of_float (0.5f); /* rounded by the sum to 2^-24 */
  guint32 h = rest < 113u << 23 ? small : normal;

  h = rest >= 143u << 23 ? 0x7c00 : h; /* 65536 and more; what rounds to it got there by itself */
  h = rest > 0x7f800000 ? 0x7e00 : h;
  return (u >> 16 & 0x8000) | h;
}

static inline float
from_bfloat (guint16 h)
{
  return float_of_bits ((guint32)h << 16);
}

static inline guint16
to_bfloat (float f)
{
  guint32 u = bits_of_float (f), rounded = (u + 0x7fff + (u >> 16 & 1)) >> 16;

  return (u & 0x7fffffff) > 0x7f800000 ? u >> 16 | 0x40 : rounded;
}

void
convert_to_f32 (float *out, gconstpointer in, TensorType type, guint64 n)
{
  const guint16 *narrow = in;

  switch (type) {
    case TYPE_F16:
      for (guint64 i = 0; i < n; i++)
        out[i] = from_half (narrow[i]);
      break;
    case TYPE_BF16:
      for (guint64 i = 0; i < n; i++)
        out[i] = from_bfloat (narrow[i]);
      break;
    default:
      memcpy (out, in, n * sizeof *out);
  }
}

static void
convert_from_f32 (gpointer data, TensorType type, const float *in, gsize n)
{
  guint16 *out = data;

  switch (type) {
    case TYPE_F16:
      for (gsize i = 0; i < n; i++)
        out[i] = to_half (in[i]);
      break;
    case TYPE_BF16:
      for (gsize i = 0; i < n; i++)
        out[i] = to_bfloat (in[i]);
      break;
    default:
      memcpy (data, in, n * sizeof *in);
  }
}

/* Eight rows of `bytes` bytes, of which some may be absent. */
static void
interleave (guint8 *out, const guint8 *const rows[INTERLEAVED], gsize bytes, gsize padded)
{
  gsize whole = bytes / PIECE * PIECE;

  for (gsize at = 0; at < whole; at += PIECE)
    for (guint r = 0; r < INTERLEAVED; r++, out += PIECE)
      if (rows[r])
        memcpy (out, rows[r] + at, PIECE);
      else
        memset (out, 0, PIECE);
  memset (out, 0, (padded - whole) * INTERLEAVED);
  for (guint r = 0; r < INTERLEAVED; r++)
    if (rows[r])
      memcpy (out + r * PIECE, rows[r] + whole, bytes - whole);
}

void
weights_pack (gpointer out, TensorType type, gconstpointer rows, TensorType source, guint n_rows, guint cols)
{
  gsize bytes = (gsize)cols * type_size (type), from_bytes = (gsize)cols * type_size (source);
  gsize padded = (gsize)(cols + PADDED - 1) / PADDED * PADDED * type_size (type);
  gboolean convert = type != source;
  g_autofree float *wide = convert ? g_new (float, cols) : NULL;
  g_autofree guint8 *converted = convert ? g_malloc (INTERLEAVED * bytes) : NULL;

  for (guint first = 0; first < n_rows; first += INTERLEAVED) {
    const guint8 *eight[INTERLEAVED] = { NULL };

    for (guint r = 0; r < INTERLEAVED && first + r < n_rows; r++) {
      const guint8 *from = (const guint8 *)rows + (first + r) * from_bytes;

      if (convert) {
        convert_to_f32 (wide, from, source, cols);
        convert_from_f32 (converted + r * bytes, type, wide, cols);
        from = converted + r * bytes;
      }
      eight[r] = from;
    }
    interleave ((guint8 *)out + first * padded, eight, bytes, padded);
  }
}

/* Numbers of 16 bits to and from f32. */
#include "memory.h"

#include <string.h>

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

/* The four conversions have no branches: compilers vectorise only such loops. */

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

  h = rest >= 143u << 23 ? 0x7c00 : h; /* 65536 and more; smaller numbers that round to it are there already */
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

void
convert_from_f32 (gpointer data, TensorType type, const float *in, guint64 n)
{
  guint16 *out = data;

  switch (type) {
    case TYPE_F16:
      for (guint64 i = 0; i < n; i++)
        out[i] = to_half (in[i]);
      break;
    case TYPE_BF16:
      for (guint64 i = 0; i < n; i++)
        out[i] = to_bfloat (in[i]);
      break;
    default:
      memcpy (data, in, n * sizeof *in);
  }
}

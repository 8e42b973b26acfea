/* Weights in blocks: 32 numbers of a row share a scale, and with 4 bits also a least value. Eight rows are converted together, so
 * that what is computed for one is computed for four at once, in plain C. */
#include "quant.h"

#include <string.h>

#define ROWS 8
#define COLUMNS 32

/* What is computed at once: the same column of four rows. */
typedef float Floats __attribute__ ((vector_size (16)));
typedef gint32 Masks __attribute__ ((vector_size (16)));
typedef guint32 Words __attribute__ ((vector_size (16)));
#define HALVES 2 /* of the eight rows */

typedef struct
{
  Floats column[COLUMNS][HALVES];
} Block;

static inline Floats
all (float f)
{
  return (Floats){ f, f, f, f };
}

static inline Floats
choose (Masks mask, Floats a, Floats b)
{
  return (Floats)(((Masks)a & mask) | ((Masks)b & ~mask));
}

static inline Floats
least (Floats a, Floats b)
{
  return choose (a < b, a, b);
}

static inline Floats
most (Floats a, Floats b)
{
  return choose (a > b, a, b);
}

/* The sum of it and a number of at most 22 bits is rounded to an integer, whose bits are the sum's lowest. */
#define ROUNDING 12582912.0f

static inline Floats
rounded (Floats v)
{
  return (v + all (ROUNDING)) - all (ROUNDING);
}

static inline Words
integers (Floats v)
{
  return (Words)(v + all (ROUNDING));
}

/* 1 / v, and 0 for 0. */
static inline Floats
inverse (Floats v)
{
  return choose (v > all (0), all (1) / v, all (0));
}

/* Rounds to f16, of which `halves` gets the bits. */
static Floats
to_half (Floats v, guint16 *halves)
{
  convert_from_f32 (halves, TYPE_F16, (const float *)&v, 4);
  convert_to_f32 ((float *)&v, halves, TYPE_F16, 4);
  return v;
}

/* Half of the least step of f16: added to a scale, which so is not rounded down where that would be by much. */
#define HALF_STEP 0x1p-25f
#define LARGEST_HALF 65504.0f

/* --- 8 bits ----------------------------------------------------------------------------------------------------------------- */

static void
quantise_q8 (const Block *b, guint8 *out)
{
  guint16 scales[ROWS];

  for (guint h = 0; h < HALVES; h++) {
    Floats largest = all (0), scale, by;

    for (guint c = 0; c < COLUMNS; c++)
      largest = most (largest, most (b->column[c][h], -b->column[c][h]));
    scale = choose (largest > all (0), largest * all (1 / 127.0f) + all (HALF_STEP), all (0));
    by = inverse (to_half (scale, scales + 4 * h));
    for (guint c = 0; c < COLUMNS; c++) {
      Words q = integers (least (most (b->column[c][h] * by, all (-127)), all (127)));

      for (guint r = 0; r < 4; r++)
        out[QUANT_QUAD + ((c / 16) * ROWS + 4 * h + r) * QUANT_QUAD + c % 16] = q[r];
    }
  }
  memcpy (out, scales, sizeof scales);
}

/* --- 4 bits ----------------------------------------------------------------------------------------------------------------- */

/* A scale and a least value of four rows. */
typedef struct
{
  Floats scale, least;
} Fit;

/* Codes for the fit, then the fit of least squares for these codes. Of b only what is above `base` counts, which keeps the sums
 * exact where numbers differ little. Returns how much of the variance the new fit explains. */
static Floats
improve (const Block *b, guint half, Floats base, Floats sum, Fit *fit)
{
  const Floats by = inverse (fit->scale), n = all (COLUMNS);
  Floats q = all (0), qq = all (0), qb = all (0), spread, slope, mixed;
  Masks known;

  for (guint c = 0; c < COLUMNS; c++) {
    Floats v = b->column[c][half] - base;
    Floats code = rounded (least (most ((v - fit->least) * by, all (0)), all (15)));

    q += code;
    qq += code * code;
    qb += code * v;
  }
  spread = n * qq - q * q;
  mixed = n * qb - q * sum;
  known = (spread > all (0)) & (mixed > all (0));
  slope = choose (known, mixed / most (spread, all (1)), fit->scale);
  fit->scale = slope;
  fit->least = choose (known, (sum - slope * q) * all (1.0f / COLUMNS), fit->least);
  return choose (known, mixed * slope, all (0));
}

static void
quantise_q4 (const Block *b, guint8 *out)
{
  /* Steps of the range that the first codes are made for; more of them explain no more. */
  static const float steps[] = { 13.8f, 14.4f, 15, 15.6f, 16.2f };
  guint16 scales[ROWS], leasts[ROWS];

  memset (out + 2 * QUANT_QUAD, 0, 8 * QUANT_QUAD);
  for (guint h = 0; h < HALVES; h++) {
    Floats low = b->column[0][h], high = low, sum = all (0), explained = all (-1), by, base;
    Fit best = { all (0), all (0) };

    for (guint c = 1; c < COLUMNS; c++) {
      low = least (low, b->column[c][h]);
      high = most (high, b->column[c][h]);
    }
    for (guint c = 0; c < COLUMNS; c++)
      sum += b->column[c][h] - low;
    for (guint i = 0; i < G_N_ELEMENTS (steps); i++) {
      Fit fit = { (high - low) * all (1 / steps[i]), all (0) };
      Floats now;
      Masks better;

      improve (b, h, low, sum, &fit);
      now = improve (b, h, low, sum, &fit);
      better = now > explained;
      explained = choose (better, now, explained);
      best.scale = choose (better, fit.scale, best.scale);
      best.least = choose (better, fit.least, best.least);
    }
    best.scale = choose (high > low, best.scale + all (HALF_STEP), all (0));
    base = least (most (low + best.least, all (-LARGEST_HALF)), all (LARGEST_HALF));
    by = inverse (to_half (best.scale, scales + 4 * h));
    base = to_half (base, leasts + 4 * h);
    for (guint c = 0; c < COLUMNS; c++) {
      Words q = integers (least (most ((b->column[c][h] - base) * by, all (0)), all (15)));

      for (guint r = 0; r < 4; r++) {
        guint row = 4 * h + r, byte = (c % 16) / 4 * 4 + row % 2 * 2 + c % 4 / 2;

        out[(2 + c / 16 * 4 + row / 2) * QUANT_QUAD + byte] |= (q[r] & 15) << c % 2 * 4;
      }
    }
  }
  for (guint r = 0; r < ROWS; r++) {
    memcpy (out + 4 * r, &scales[r], 2);
    memcpy (out + 4 * r + 2, &leasts[r], 2);
  }
}

/* --- rows ------------------------------------------------------------------------------------------------------------------- */

/* 32 columns from `first` on, of rows of which absent ones are NULL; behind the last there are zeros. */
static void
take (Block *b, const float *const rows[ROWS], guint first, guint cols)
{
  guint here = MIN (cols - first, COLUMNS);

  memset (b, 0, sizeof *b);
  for (guint r = 0; r < ROWS; r++)
    for (guint c = 0; rows[r] && c < here; c++)
      b->column[c][r / 4][r % 4] = rows[r][first + c];
}

void
quantise_rows (gpointer out, TensorType type, const float *const rows[8], guint cols)
{
  guint8 *to = out;

  for (guint c = 0; c < cols; c += COLUMNS, to += row_bytes (type, ROWS * COLUMNS)) {
    Block b;

    take (&b, rows, c, cols);
    if (type == TYPE_Q8)
      quantise_q8 (&b, to);
    else
      quantise_q4 (&b, to);
  }
}

static float
half_at (const guint8 *bytes)
{
  float f;

  convert_to_f32 (&f, bytes, TYPE_F16, 1);
  return f;
}

void
weights_unpack (float *rows, gconstpointer packed, TensorType type, guint n_rows, guint cols)
{
  guint64 eight = row_bytes (type, (guint64)(cols + COLUMNS - 1) / COLUMNS * COLUMNS * ROWS),
          block = row_bytes (type, ROWS * COLUMNS);

  g_assert (type == TYPE_Q8 || type == TYPE_Q4);
  for (guint i = 0; i < n_rows; i++)
    for (guint j = 0; j < cols; j++) {
      const guint8 *b = (const guint8 *)packed + i / ROWS * eight + j / COLUMNS * block;
      guint r = i % ROWS, c = j % COLUMNS;
      const guint8 *quad;
      float *v = &rows[(gsize)i * cols + j];

      if (type == TYPE_Q8) {
        quad = b + (1 + c / 16 * ROWS + r) * QUANT_QUAD;
        *v = half_at (b + 2 * r) * (gint8)quad[c % 16];
      } else {
        quad = b + (2 + c / 16 * 4 + r / 2) * QUANT_QUAD;
        *v = half_at (b + 4 * r) * (quad[c % 16 / 4 * 4 + r % 2 * 2 + c % 4 / 2] >> c % 2 * 4 & 15) + half_at (b + 4 * r + 2);
      }
    }
}

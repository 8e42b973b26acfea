/* Weights of 8 and 4 bits: how they lie in memory, and how near they are to what they are made of. */
#include <math.h>
#include <string.h>

#include "tensors.h"

#define BLOCK 32

static const TensorType block_types[] = { TYPE_Q8, TYPE_Q4 };
static const TensorType sources[] = { TYPE_F32, TYPE_F16, TYPE_BF16 };

/* A number about 0 with few large ones, as weights have them. */
static float
weight (void)
{
  double sum = 0;

  for (guint i = 0; i < 6; i++)
    sum += g_test_rand_double_range (-1, 1);
  return sum * 0.02 * (g_test_rand_int_range (0, 100) == 0 ? 5 : 1);
}

static float *
weights (gsize n)
{
  float *v = g_new (float, n);

  for (gsize i = 0; i < n; i++)
    v[i] = weight ();
  return v;
}

static guint64
packed_bytes (TensorType type, guint rows, guint cols)
{
  return row_bytes (type, (rows + 7) / 8 * 8 * (guint64)((cols + 31) / 32 * 32));
}

/* Packs and unpacks. (transfer full) */
static float *
there_and_back (TensorType type, const float *dense, guint rows, guint cols)
{
  g_autofree guint8 *packed = g_malloc (packed_bytes (type, rows, cols));
  float *back = g_new (float, (gsize)rows *cols);

  g_assert_cmpuint (weights_pack (packed, type, dense, TYPE_F32, rows, cols), ==, (guint64)rows * cols);
  weights_unpack (back, packed, type, rows, cols);
  return back;
}

static guint
bits_at (const guint8 *bytes, guint64 first, guint n)
{
  guint value = 0;

  for (guint i = 0; i < n; i++)
    value |= (guint)(bytes[(first + i) / 8] >> (first + i) % 8 & 1) << i;
  return value;
}

/* As memory.h says where a weight's bits are, counted one by one. */
static double
weight_of_bits (const guint8 *packed, TensorType type, guint blocks, guint row, guint column)
{
  guint r = row % 8, c = column % BLOCK;
  const guint8 *block = packed + (row / 8 * blocks + column / BLOCK) * (type == TYPE_Q8 ? 17 : 10) * 16;

  if (type == TYPE_Q8)
    return float_from_half (bits_at (block, 16 * r, 16)) * (gint8)bits_at (block, 128 * (1 + 8 * (c / 16) + r) + 8 * (c % 16), 8);
  return float_from_half (bits_at (block, 32 * r, 16))
             * bits_at (block, 128 * (2 + 4 * (c / 16) + r / 2) + 32 * (c % 16 / 4) + 16 * (r % 2) + 4 * (c % 4), 4)
         + float_from_half (bits_at (block, 32 * r + 16, 16));
}

static void
test_bits_are_where_they_are_said_to_be (void)
{
  static const guint shapes[][2] = { { 1, 1 }, { 8, 32 }, { 9, 33 }, { 31, 70 }, { 17, 5 }, { 40, 256 } };

  for (guint i = 0; i < G_N_ELEMENTS (shapes) * 6; i++) {
    TensorType type = block_types[i % 2], from = sources[i / 2 % 3];
    guint rows = shapes[i / 6][0], cols = shapes[i / 6][1], blocks = (cols + 31) / 32, from_size = type_size (from);
    guint64 bytes = packed_bytes (type, rows, cols);
    g_autofree float *dense = weights ((gsize)rows * cols), *back = g_new (float, (gsize)rows *cols);
    g_autofree guint8 *in = g_malloc ((gsize)rows * cols * from_size), *out = g_malloc (bytes + 1), *one = g_malloc (bytes);

    convert_from_f32 (in, from, dense, (guint64)rows * cols);
    memset (out, 0xff, bytes + 1);
    for (guint r = 0; r < rows; r += 16)
      weights_pack (out + row_bytes (type, r * blocks * 32), type, in + r * cols * from_size, from, MIN (16, rows - r), cols);
    g_assert_cmpuint (out[bytes], ==, 0xff);
    weights_pack (one, type, in, from, rows, cols);
    g_assert_cmpmem (one, bytes, out, bytes);

    weights_unpack (back, out, type, rows, cols);
    convert_to_f32 (dense, in, from, (guint64)rows * cols);
    for (guint r = 0; r < (rows + 7) / 8 * 8; r++)
      for (guint c = 0; c < blocks * 32; c++) {
        double v = weight_of_bits (out, type, blocks, r, c);

        if (r >= rows)
          g_assert_cmpfloat (v, ==, 0);
        else if (c < cols)
          g_assert_cmpfloat_with_epsilon (v, back[r * cols + c], 1e-7);
        else
          g_assert_cmpfloat (fabs (v), <=, type == TYPE_Q8 ? 0 : 0.05);
      }
  }
}

static double
block_error (const float *a, const float *b)
{
  double sum = 0;

  for (guint i = 0; i < BLOCK; i++)
    sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
  return sum;
}

static double
block_largest (const float *a)
{
  double most = 0;

  for (guint i = 0; i < BLOCK; i++)
    most = MAX (most, fabs (a[i]));
  return most;
}

/* The error of 16 levels from the least to the largest. */
static double
error_of_levels (const float *a)
{
  double low = a[0], high = a[0], sum = 0;

  for (guint i = 0; i < BLOCK; i++) {
    low = MIN (low, a[i]);
    high = MAX (high, a[i]);
  }
  for (guint i = 0; i < BLOCK; i++) {
    double v = (a[i] - low) / (high - low) * 15;

    sum += (v - nearbyint (v)) * (v - nearbyint (v)) * (high - low) * (high - low) / 225;
  }
  return sum;
}

/* 8 bits: half a step of the largest. 4 bits: nearer than levels from the least to the largest, block by block, and on average
 * by a tenth. */
static void
test_numbers_are_near (void)
{
  enum
  {
    ROWS = 64,
    COLS = 256,
  };
  g_autofree float *dense = weights (ROWS * COLS), *q8 = there_and_back (TYPE_Q8, dense, ROWS, COLS),
                   *q4 = there_and_back (TYPE_Q4, dense, ROWS, COLS);
  double levels = 0, fitted = 0;

  for (guint i = 0; i < ROWS * COLS; i += BLOCK) {
    double step = block_largest (dense + i) / 127, own = error_of_levels (dense + i), error = block_error (dense + i, q4 + i);

    for (guint j = 0; j < BLOCK; j++)
      g_assert_cmpfloat (fabs (dense[i + j] - q8[i + j]), <=, 0.56 * step); /* the scale is rounded, too */
    g_assert_cmpfloat (error, <=, 1.02 * own);
    levels += own;
    fitted += error;
  }
  g_test_message ("4 bits: %.3f of the squared error of levels from the least to the largest", fitted / levels);
  g_assert_cmpfloat (fitted, <=, 0.9 * levels);
}

/* A block of one row, repeated in a matrix among others; where: the column at which it begins. */
static void
check_block (TensorType type, const float *block, double most)
{
  enum
  {
    ROWS = 9,
    COLS = 96,
  };
  for (guint place = 0; place < 3; place++) {
    g_autofree float *dense = weights (ROWS * COLS), *back = NULL;
    const float *at;

    memcpy (dense + 8 * COLS + place * BLOCK, block, BLOCK * sizeof *block);
    back = there_and_back (type, dense, ROWS, COLS);
    at = back + 8 * COLS + place * BLOCK;
    for (guint i = 0; i < BLOCK; i++)
      if (!(fabs ((double)at[i] - block[i]) <= most))
        g_test_fail_printf ("type %u: %g became %g, more than %g from it", type, block[i], at[i], most);
  }
}

static void
test_blocks_that_differ_little (void)
{
  const float values[] = { 0, 1, -1, 0.3f, -0.3f, 65504, -65504, 65519, 1e-3f, -1e-5f, 6e-8f, 1e-8f, 1e-40f, -1e-45f };

  for (guint t = 0; t < G_N_ELEMENTS (block_types); t++)
    for (guint i = 0; i < G_N_ELEMENTS (values); i++) {
      double least = block_types[t] == TYPE_Q8 ? 0x1p-25 : 0x1p-24,
             near = MAX (fabs (values[i]) * (block_types[t] == TYPE_Q8 ? 0.56 / 127 : 0x1p-10), least);
      float block[BLOCK];

      for (guint j = 0; j < BLOCK; j++)
        block[j] = values[i];
      check_block (block_types[t], block, near);
      /* The same with one that differs by little. */
      block[7] = nextafterf (values[i], 0);
      check_block (block_types[t], block, near);
      /* And as the only one that is not zero. */
      memset (block, 0, sizeof block);
      block[31] = values[i];
      check_block (block_types[t], block, MAX (fabs (values[i]) * (block_types[t] == TYPE_Q8 ? 0.56 / 127 : 0x1p-9), least));
    }
}

static void
test_blocks_of_subnormals (void)
{
  float block[BLOCK];

  for (guint t = 0; t < G_N_ELEMENTS (block_types); t++) {
    for (guint j = 0; j < BLOCK; j++)
      block[j] = (j - 16.0f) * 0x1p-149f;
    check_block (block_types[t], block, 0x1p-25);
    for (guint j = 0; j < BLOCK; j++)
      block[j] = (j - 16.0f) * 0x1p-24f; /* f16's own */
    check_block (block_types[t], block, block_types[t] == TYPE_Q8 ? 0x1p-25 : 2 * 0x1p-24);
  }
}

/* From the largest to the least that is held: no scale and no least value becomes infinite. */
static void
test_blocks_of_the_widest_range (void)
{
  float block[BLOCK];

  for (guint j = 0; j < BLOCK; j++)
    block[j] = j % 2 ? 65519 : -65519;
  check_block (TYPE_Q8, block, 65519 * 0x1p-8);
  check_block (TYPE_Q4, block, 65519 * 0x1p-8);
  for (guint j = 0; j < BLOCK; j++)
    block[j] = 65519 - j * 100.0f;
  check_block (TYPE_Q8, block, 65519 / 127.0 * 0.56);
  check_block (TYPE_Q4, block, 3100 / 15.0);
}

static void
test_what_is_not_held_is_told (void)
{
  enum
  {
    ROWS = 20,
    COLS = 300,
    N = ROWS * COLS,
  };
  const float bad[] = { NAN, INFINITY, -INFINITY, 65520, -3e38f };
  g_autofree guint8 *packed = g_malloc (packed_bytes (TYPE_Q8, ROWS, COLS)), *in = g_malloc (N * 4);

  for (guint i = 0; i < 6 * G_N_ELEMENTS (bad); i++) {
    TensorType type = block_types[i % 2], from = sources[i / 2 % 3];
    float value = bad[i / 6];
    guint at = g_test_rand_int_range (0, N);
    g_autofree float *dense = weights (N);

    dense[at] = value;
    dense[N - 1] = NAN;
    convert_from_f32 (in, from, dense, N);
    g_assert_cmpuint (weights_pack (packed, type, in, from, ROWS, COLS), ==, at);
    g_assert_cmpuint (count_finite (in, from, type, N), ==, at);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/quant/bits-are-where-they-are-said-to-be", test_bits_are_where_they_are_said_to_be);
  g_test_add_func ("/quant/numbers-are-near", test_numbers_are_near);
  g_test_add_func ("/quant/blocks-that-differ-little", test_blocks_that_differ_little);
  g_test_add_func ("/quant/blocks-of-subnormals", test_blocks_of_subnormals);
  g_test_add_func ("/quant/blocks-of-the-widest-range", test_blocks_of_the_widest_range);
  g_test_add_func ("/quant/what-is-not-held-is-told", test_what_is_not_held_is_told);
  return g_test_run ();
}

/* How weights are packed: widened, rounded and interleaved. */
#include "tensors.h"

#include <math.h>
#include <string.h>

static float
bfloat (guint16 h)
{
  guint32 u = (guint32)h << 16;
  float f;

  memcpy (&f, &u, sizeof f);
  return f;
}

static void
test_every_half_is_widened_exactly (void)
{
  g_autofree guint16 *all = g_new (guint16, 65536);
  g_autofree float *halves = g_new (float, 65536), *bfloats = g_new (float, 65536);

  for (guint i = 0; i < 65536; i++)
    all[i] = i;
  convert_to_f32 (halves, all, TYPE_F16, 65536);
  convert_to_f32 (bfloats, all, TYPE_BF16, 65536);
  for (guint i = 0; i < 65536; i++) {
    guint16 h = i;
    float wide = bfloat (h);

    g_assert_cmpmem (&wide, sizeof wide, &bfloats[i], sizeof bfloats[i]);
    if ((h & 0x7c00) != 0x7c00)
      g_assert_cmpfloat (halves[i], ==, float_from_half (h));
    else if (h & 0x3ff)
      g_assert_true (isnan (halves[i]));
    else
      g_assert_cmpfloat (halves[i], ==, h & 0x8000 ? -INFINITY : INFINITY);
  }
}

/* One number packed as a 1 x 1 matrix. */
static guint16
packed (TensorType type, float f)
{
  guint16 out[8 * 32];

  weights_pack (out, type, &f, TYPE_F32, 1, 1);
  return out[0];
}

static void
test_numbers_are_rounded_to_nearest_even (void)
{
  /* Of both types: a tie down, a tie up, just off a tie, zeros, beyond the range, no number. */
  g_assert_cmphex (packed (TYPE_F16, 1 + 0x1p-11f), ==, 0x3c00);
  g_assert_cmphex (packed (TYPE_F16, 1 + 0x3p-11f), ==, 0x3c02);
  g_assert_cmphex (packed (TYPE_F16, 1 + 0x1p-11f + 0x1p-20f), ==, 0x3c01);
  g_assert_cmphex (packed (TYPE_F16, -0.0f), ==, 0x8000);
  g_assert_cmphex (packed (TYPE_F16, 0x1p-25f), ==, 0);
  g_assert_cmphex (packed (TYPE_F16, 0x3p-25f), ==, 2);
  g_assert_cmphex (packed (TYPE_F16, 65519), ==, 0x7bff);
  g_assert_cmphex (packed (TYPE_F16, -65520), ==, 0xfc00);
  g_assert_cmphex (packed (TYPE_F16, 1e30f), ==, 0x7c00);
  g_assert_cmphex (packed (TYPE_F16, NAN) & 0x7e00, ==, 0x7e00);
  g_assert_cmphex (packed (TYPE_BF16, 1 + 0x1p-8f), ==, 0x3f80);
  g_assert_cmphex (packed (TYPE_BF16, 1 + 0x3p-8f), ==, 0x3f82);
  g_assert_cmphex (packed (TYPE_BF16, G_MAXFLOAT), ==, 0x7f80);
  g_assert_cmphex (packed (TYPE_BF16, NAN) & 0x7fc0, ==, 0x7fc0);
  for (guint i = 0; i < 100000; i++) {
    float f = ldexp (g_test_rand_double_range (-2, 2), g_test_rand_int_range (-27, 14));

    g_assert_cmphex (packed (TYPE_F16, f), ==, half_from_float (f));
  }
}

/* Types by types, rows and columns that fill no quad, and a tensor packed some rows at a time. */
static void
test_packed_rows_are_interleaved (void)
{
  static const TensorType types[] = { TYPE_F32, TYPE_F16, TYPE_BF16 };
  static const guint shapes[][2] = { { 1, 1 }, { 8, 32 }, { 9, 33 }, { 31, 70 }, { 17, 5 } };

  for (guint i = 0; i < G_N_ELEMENTS (shapes) * 9; i++) {
    TensorType to = types[i % 3], from = types[i / 3 % 3];
    guint rows = shapes[i / 9][0], cols = shapes[i / 9][1], stride = (cols + 31) / 32 * 32, padded = (rows + 7) / 8 * 8;
    gsize to_size = type_size (to), from_size = type_size (from), bytes = (gsize)padded * stride * to_size;
    g_autofree guint8 *in = g_malloc ((gsize)rows * cols * from_size), *out = g_malloc (bytes + 1);

    for (guint j = 0; j < rows * cols; j++) {
      float f = (gint)(j % 251) - 125; /* held by every type */
      guint16 h = half_from_float (f);
      guint32 u;

      memcpy (&u, &f, 4);
      u >>= 16;
      memcpy (in + j * from_size, from == TYPE_F32 ? (gpointer)&f : from == TYPE_F16 ? (gpointer)&h : (gpointer)&u, from_size);
    }
    memset (out, 0xff, bytes + 1);
    for (guint r = 0; r < rows; r += 16)
      weights_pack (out + r * stride * to_size, to, in + r * cols * from_size, from, MIN (16, rows - r), cols);
    g_assert_cmpuint (out[bytes], ==, 0xff);
    for (guint r = 0; r < padded; r++)
      for (guint c = 0; c < stride; c++) {
        guint byte = c * to_size;
        guint8 *at = out + ((gsize)(r / 8 * stride) * 8 * to_size) + (byte / 16 * 8 + r % 8) * 16 + byte % 16;
        float f;

        convert_to_f32 (&f, at, to, 1);
        g_assert_cmpfloat (f, ==, r < rows && c < cols ? (gint)((r * cols + c) % 251) - 125 : 0);
      }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pack/every-half-is-widened-exactly", test_every_half_is_widened_exactly);
  g_test_add_func ("/pack/numbers-are-rounded-to-nearest-even", test_numbers_are_rounded_to_nearest_even);
  g_test_add_func ("/pack/packed-rows-are-interleaved", test_packed_rows_are_interleaved);
  return g_test_run ();
}

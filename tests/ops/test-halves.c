/* How f32 becomes the f16 of the cache. */
#include <string.h>

#include "harness.h"
#include "tensors.h"
#include "vk/twins.h"

enum
{
  DIM = 128,
  HEADS = 4,
  ROW = HEADS * DIM,
  HALVES = 0x7c00, /* that are finite and not negative */
  N = 12 * HALVES, /* numbers */
  M = N / ROW,
};

/* Every half, what lies midway to the next one, and the floats beside both, of either sign; and what is no number, or too large. */
static void
numbers_fill (guint32 *bits)
{
  for (guint16 h = 0; h < HALVES; h++) {
    const guint16 next = h + 1;
    float own, above, middle;

    convert_to_f32 (&own, &h, TYPE_F16, 1);
    convert_to_f32 (&above, &next, TYPE_F16, 1);
    middle = next == HALVES ? 65520 : (own + above) / 2;
    for (guint i = 0; i < 6; i++) {
      guint32 *to = &bits[2 * (6 * h + i)];

      memcpy (to, i < 3 ? &own : &middle, sizeof *to);
      to[0] += i % 3 - 1;
      /* What floats below the normal ones are, devices say themselves. */
      to[0] = to[0] < 0x00800000 || to[0] > 0x7f800000 ? 0 : to[0];
      to[1] = to[0] | 0x80000000;
    }
  }
  bits[0] = 0x7f800000; /* infinite */
  bits[1] = 0xff800000;
  bits[2] = 0x7fc00001; /* no number */
}

/* Rounded to nearest even, to the bit; beyond the largest half that one, and where there is no number as well. */
static void
wanted_fill (guint16 *want, const guint32 *bits)
{
  for (guint i = 0; i < N; i++) {
    float x;

    memcpy (&x, &bits[i], sizeof x);
    x = CLAMP (x, -65504, 65504);
    convert_from_f32 (&want[i], TYPE_F16, i == 2 ? &(float){ 65504 } : &x, 1);
  }
}

static void
test_the_cache_rounds_to_nearest_even (Device *dev)
{
  g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "halves");
  g_autoptr (OpStream) s = op_stream_new (dev, "halves");
  g_autofree guint32 *rows = g_new0 (guint32, M * 4), *bits = g_new (guint32, N), *xs = g_new0 (guint32, M * 3 * ROW);
  g_autofree guint16 *want = g_new (guint16, N);
  g_autofree guint8 *keys = NULL, *values = NULL;
  g_autoptr (GError) error = NULL;
  const KvLayer kv = kv_layer_add (a, KV_F16, (M + KV_BLOCK - 1) / KV_BLOCK, HEADS, DIM);
  Tensor q = arena_add (a, TYPE_F32, LAYOUT_ROWS, M, ROW), qkv = arena_add (a, TYPE_F32, LAYOUT_ROWS, M, 3 * ROW);
  Tensor rows_tensor = arena_add (a, TYPE_U32, LAYOUT_ROWS, M, 4);
  const Step step = { .rows = &rows_tensor };

  G_STATIC_ASSERT (N % ROW == 0);
  numbers_fill (bits);
  wanted_fill (want, bits);
  for (guint i = 0; i < M; i++) {
    rows[i * 4] = i;
    memcpy (xs + (i * 3 + 1) * ROW, bits + i * ROW, ROW * sizeof *bits); /* keys */
    memcpy (xs + (i * 3 + 2) * ROW, bits + i * ROW, ROW * sizeof *bits); /* values */
  }
  g_assert_true (arena_commit (a, &error));
  rows_write (&qkv, xs);
  rows_write (&rows_tensor, rows);
  op_rope_kv (s, &q, &kv, &qkv, &step);
  stream_go (s);

  keys = g_malloc (tensor_bytes (&kv.k));
  values = g_malloc (tensor_bytes (&kv.v));
  g_assert_true (tensor_read (&kv.k, 0, keys, tensor_bytes (&kv.k), &error));
  g_assert_true (tensor_read (&kv.v, 0, values, tensor_bytes (&kv.v), &error));
  for (guint i = 0; i < N; i++) {
    const guint slot = i / ROW, block = slot / KV_BLOCK, place = slot % KV_BLOCK, head = i / DIM % HEADS;
    guint16 key, value;

    memcpy (&key, keys + twin_kv_byte (&kv, TRUE, block, place, head, i % DIM), sizeof key);
    memcpy (&value, values + twin_kv_byte (&kv, FALSE, block, place, head, i % DIM), sizeof value);
    if (key != want[i] || value != want[i])
      g_error ("float %08x is %04x as a key and %04x as a value, %04x is nearest", bits[i], key, value, want[i]);
  }
}

int
main (int argc, char **argv)
{
  int failures;

  harness_init (&argc, &argv);
  add_in_every_form ("/halves/the-cache-rounds-to-nearest-even", test_the_cache_rounds_to_nearest_even);
  failures = g_test_run ();
  forms_close ();
  return failures;
}

/* Weights that no device should see: found while they are copied, and named. */
#include <math.h>
#include <string.h>

#include "harness.h"
#include "model/weights.h"
#include "synth.h"

#define MATRIX "language_model.model.layers.1.mlp.down_proj.weight"
#define VECTOR "vision_model.encoder.layers.0.norm1.weight"

typedef struct
{
  Device *dev;
  ModelConfig config;
} Fixture;

static void
set_up (Fixture *f, gconstpointer unused)
{
  g_autofree gchar *path = g_build_filename (TEST_DATA, "variants", "long-crossing", "config.json", NULL);
  g_autoptr (GError) error = NULL;

  f->dev = harness_device (NULL);
  model_config_load (&f->config, path, 256, &error);
  g_assert_no_error (error);
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  model_config_clear (&f->config);
  device_free (f->dev);
}

/* Not a number, or a number that the type has. */
static void
put (const TensorSet *set, const gchar *name, guint64 at, float value)
{
  const TensorInfo *info = tensor_set_lookup (set, name);
  guint16 *narrow = (guint16 *)info->data;
  guint32 bits;

  g_assert_cmpuint (at, <, tensor_elements (info));
  memcpy (&bits, &value, sizeof bits);
  if (info->dtype == DTYPE_F32)
    ((float *)info->data)[at] = value;
  else if (info->dtype == DTYPE_BF16)
    narrow[at] = bits >> 16;
  else
    narrow[at] = isnan (value) ? 0x7e01 : value > 0 ? 0x7c00 : 0xfc00;
}

/* Weights with one number that is put there; what: of the message, NULL when they load. */
static void
load (Fixture *f, Dtype dtype, MinivlPrecision precision, const gchar *name, guint64 at, float value, const gchar *what)
{
  g_autoptr (TensorSet) set = synth_tensors (&f->config, 7, dtype);
  g_autoptr (GError) error = NULL;
  g_autoptr (Weights) weights = NULL;
  g_autofree gchar *message = g_strdup_printf ("(memory): tensor %s: %s", name, what);

  put (set, name, at, value);
  weights = weights_new (f->dev, &f->config, set, precision, &error);
  g_assert_no_error (error);
  if (!what) {
    g_assert_true (weights_load (weights, set, NULL, NULL, &error));
    g_assert_no_error (error);
    return;
  }
  g_assert_false (weights_load (weights, set, NULL, NULL, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE);
  g_assert_cmpstr (error->message, ==, message);
}

static void
test_numbers_that_are_none_are_named (Fixture *f, gconstpointer unused)
{
  static const Dtype dtypes[] = { DTYPE_BF16, DTYPE_F16, DTYPE_F32 };

  for (guint i = 0; i < G_N_ELEMENTS (dtypes); i++)
    for (guint p = MINIVL_PRECISION_F32; p <= MINIVL_PRECISION_F16; p++) {
      load (f, dtypes[i], p, MATRIX, 12345, NAN, "NaN at element 12345, the file is damaged");
      load (f, dtypes[i], p, MATRIX, 0, -INFINITY, "infinity at element 0, the file is damaged");
      load (f, dtypes[i], p, VECTOR, 63, INFINITY, "infinity at element 63, the file is damaged");
    }
}

static void
test_numbers_read_on_the_host_are_named (Fixture *f, gconstpointer unused)
{
  static const gchar *const names[] = { "vision_model.embeddings.class_embedding", "vision_model.embeddings.position_embedding",
    "vision_model.embeddings.patch_embedding.bias" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    load (f, DTYPE_BF16, MINIVL_PRECISION_F16, names[i], 5, NAN, "NaN at element 5, the file is damaged");
}

static void
test_last_element_of_each_kind_is_looked_at (Fixture *f, gconstpointer unused)
{
  guint64 last = (guint64)f->config.language.vocab * f->config.language.hidden - 1;
  g_autofree gchar *what = g_strdup_printf ("NaN at element %" G_GUINT64_FORMAT ", the file is damaged", last);

  load (f, DTYPE_F16, MINIVL_PRECISION_F16, "language_model.model.embed_tokens.weight", last, NAN, what);
  load (f, DTYPE_F16, MINIVL_PRECISION_F16, "language_model.model.norm.weight", f->config.language.hidden - 1, NAN,
      "NaN at element 95, the file is damaged");
}

static void
test_numbers_beyond_f16_are_named (Fixture *f, gconstpointer unused)
{
  load (
      f, DTYPE_F32, MINIVL_PRECISION_F16, MATRIX, 700, 70000, "70000 at element 700, more than f16 holds: precision f32 keeps it");
  load (f, DTYPE_F32, MINIVL_PRECISION_F16, MATRIX, 700, -65520,
      "-65520 at element 700, more than f16 holds: precision f32 keeps it");
  load (f, DTYPE_F32, MINIVL_PRECISION_F16, MATRIX, 700, 65519, NULL);
  load (f, DTYPE_F32, MINIVL_PRECISION_F32, MATRIX, 700, 70000, NULL);
  /* Vectors are never narrower than the file's. */
  load (f, DTYPE_F32, MINIVL_PRECISION_F16, VECTOR, 7, 70000, NULL);
  /* Nor is bf16 made f16. */
  load (f, DTYPE_BF16, MINIVL_PRECISION_F16, MATRIX, 700, 1e30f, NULL);
}

/* Eight of which are more than is packed at a time. */
static void
test_rows_of_any_width_are_copied (Fixture *f, gconstpointer unused)
{
  const guint rows = 16, cols = 262208;
  g_autoptr (TensorSet) set = NULL;
  g_autoptr (Weights) weights = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *packed = g_malloc (rows * cols * sizeof (float)), *copied = g_malloc (rows * cols * sizeof (float));
  const Tensor *t;

  f->config.vision.hidden = rows;
  f->config.vision.heads = f->config.vision.layers = 1;
  f->config.vision.intermediate = cols;
  f->config.select_layer = -1;
  set = synth_tensors (&f->config, 7, DTYPE_F32);
  weights = weights_new (f->dev, &f->config, set, MINIVL_PRECISION_F32, &error);
  g_assert_no_error (error);
  g_assert_true (weights_load (weights, set, NULL, NULL, &error));
  g_assert_no_error (error);

  t = &weights->vision[0].fc2;
  g_assert_cmpuint (t->rows, ==, rows);
  g_assert_cmpuint (t->stride, ==, cols);
  weights_pack (
      packed, TYPE_F32, tensor_set_lookup (set, "vision_model.encoder.layers.0.mlp.fc2.weight")->data, TYPE_F32, rows, cols);
  g_assert_true (tensor_read (t, 0, copied, rows * cols * sizeof (float), &error));
  g_assert_no_error (error);
  g_assert_true (memcmp (packed, copied, rows * cols * sizeof (float)) == 0);
}

static void
test_every_half_is_judged (void)
{
  static const TensorType types[] = { TYPE_F16, TYPE_BF16 };

  for (guint t = 0; t < G_N_ELEMENTS (types); t++)
    for (guint h = 0; h <= G_MAXUINT16; h++) {
      guint16 bits = h;
      float value;

      convert_to_f32 (&value, &bits, types[t], 1);
      g_assert_cmpuint (count_finite (&bits, types[t], TYPE_F32, 1), ==, isfinite (value) ? 1 : 0);
      g_assert_cmpuint (count_finite (&bits, types[t], TYPE_F16, 1), ==, fabsf (value) < 65520 ? 1 : 0);
    }
}

static void
test_every_place_is_looked_at (void)
{
  static const TensorType types[] = { TYPE_F32, TYPE_F16, TYPE_BF16 };
  const guint n = 1111;
  g_autofree guint8 *bytes = g_malloc0 (n * 4);

  for (guint t = 0; t < G_N_ELEMENTS (types); t++)
    for (guint at = 0; at <= n; at++) {
      guint size = type_size (types[t]);

      g_assert_cmpuint (count_finite (bytes, types[t], types[t], n), ==, n);
      if (at == n)
        continue;
      memset (bytes + at * size, 0xff, size);
      g_assert_cmpuint (count_finite (bytes, types[t], types[t], n), ==, at);
      g_assert_cmpuint (count_finite (bytes, types[t], types[t], at), ==, at);
      memset (bytes + at * size, 0, size);
    }
}

static void
test_packing_tells_the_first (void)
{
  g_autofree float *in = g_new0 (float, 20 * 300);
  g_autofree guint16 *out = g_new (guint16, 24 * 320);

  g_assert_cmpuint (weights_pack (out, TYPE_BF16, in, TYPE_F32, 20, 300), ==, 6000);
  in[5999] = in[2700] = INFINITY;
  g_assert_cmpuint (weights_pack (out, TYPE_BF16, in, TYPE_F32, 20, 300), ==, 2700);
  in[2700] = 3.4e38f; /* rounds to infinity in bf16 */
  g_assert_cmpuint (weights_pack (out, TYPE_BF16, in, TYPE_F32, 20, 300), ==, 2700);
  g_assert_cmpuint (weights_pack (out, TYPE_F16, in, TYPE_F32, 20, 300), ==, 2700);
  in[2700] = 3.38e38f;
  g_assert_cmpuint (weights_pack (out, TYPE_BF16, in, TYPE_F32, 20, 300), ==, 5999);
}

#define ADD(test) g_test_add ("/weights/" #test, Fixture, NULL, set_up, test_##test, tear_down)

/* A head that is saved beside the embeddings that it is tied to. */
static void
test_tied_head_may_be_there_as_well (Fixture *f, gconstpointer unused)
{
  static const gchar name[] = "language_model.lm_head.weight";
  const guint64 shape[] = { f->config.language.vocab, f->config.language.hidden };
  g_autoptr (GError) error = NULL;

  f->config.language.tied = TRUE;
  for (guint differs = 0; differs < 2; differs++) {
    g_autoptr (TensorSet) set = synth_tensors (&f->config, 7, DTYPE_BF16);
    const TensorInfo *embed = tensor_set_lookup (set, "language_model.model.embed_tokens.weight");
    g_autoptr (Weights) weights = NULL;
    guint8 *head = g_memdup2 (embed->data, tensor_info_bytes (embed));

    head[tensor_info_bytes (embed) - 1] ^= differs;
    tensor_set_add (set, name, DTYPE_BF16, 2, shape, head);
    if (!differs)
      g_test_expect_message ("minivl", G_LOG_LEVEL_WARNING, "(memory): tensors*not read: language_model.lm_head.weight");
    weights = weights_new (f->dev, &f->config, set, MINIVL_PRECISION_F16, &error);
    g_assert_no_error (error);
    g_assert_true (weights_check (weights, set, &error) == !differs);
    g_test_assert_expected_messages ();
  }
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE);
  g_assert_cmpstr (error->message, ==,
      "(memory): tensor language_model.lm_head.weight: is another than language_model.model.embed_tokens.weight, and config.json's "
      "llm_config.tie_word_embeddings makes them one");
}

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
  ADD (numbers_that_are_none_are_named);
  ADD (numbers_read_on_the_host_are_named);
  ADD (last_element_of_each_kind_is_looked_at);
  ADD (numbers_beyond_f16_are_named);
  ADD (rows_of_any_width_are_copied);
  ADD (tied_head_may_be_there_as_well);
  g_test_add_func ("/weights/every_half_is_judged", test_every_half_is_judged);
  g_test_add_func ("/weights/every_place_is_looked_at", test_every_place_is_looked_at);
  g_test_add_func ("/weights/packing_tells_the_first", test_packing_tells_the_first);
  return g_test_run ();
}

/* What a precision stores: the demo model's matrices, each in the bits it stands. */
#include "harness.h"
#include "model/weights.h"

typedef struct
{
  ModelConfig config;
  TensorSet *tensors;
  Device *dev;
} Fixture;

static void
set_up (Fixture *f, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;

  model_config_load (&f->config, CHECKPOINT "/config.json", 512, &error);
  g_assert_no_error (error);
  f->tensors = tensor_set_open (CHECKPOINT, &error);
  g_assert_no_error (error);
  f->dev = harness_device (NULL);
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  device_free (f->dev);
  tensor_set_free (f->tensors);
  model_config_clear (&f->config);
}

static Weights *
plan (Fixture *f, MinivlPrecision precision)
{
  g_autoptr (GError) error = NULL;
  Weights *w = weights_new (f->dev, &f->config, f->tensors, precision, &error);

  g_assert_no_error (error);
  return w;
}

/* Types of the language model's matrices; the rest is at 16 bits, and vectors at 32. */
static void
assert_types (const Weights *w, TensorType most, TensorType down, TensorType v, TensorType head)
{
  const TensorType file = w->embed.type;

  g_assert_true (file == TYPE_F16 || file == TYPE_BF16);
  for (guint i = 0; i < w->n_language; i++) {
    const LanguageLayer *l = &w->language[i];

    g_assert_cmpint (l->qkv.type, ==, most);
    g_assert_cmpint (l->o.type, ==, most);
    g_assert_cmpint (l->gate_up.type, ==, most);
    g_assert_cmpint (l->down.type, ==, down);
    g_assert_cmpint (l->v.rows ? l->v.type : l->qkv.type, ==, v);
    g_assert_cmpint (l->input_norm.type, ==, TYPE_F32);
  }
  g_assert_cmpint (w->head.type, ==, head);
  for (guint i = 0; i < w->n_vision; i++)
    g_assert_true (w->vision[i].qkv.type == file && w->vision[i].fc1.type == file && w->vision[i].fc2.type == file);
  g_assert_true (w->mlp1.type == file && w->mlp2.type == file && w->patch.type == file);
}

static void
test_matrices_have_the_bits_they_stand (Fixture *f, gconstpointer unused)
{
  g_autoptr (Weights) f16 = plan (f, MINIVL_PRECISION_F16);
  g_autoptr (Weights) q8 = plan (f, MINIVL_PRECISION_Q8);
  g_autoptr (Weights) q4 = plan (f, MINIVL_PRECISION_Q4);

  assert_types (f16, f16->embed.type, f16->embed.type, f16->embed.type, f16->embed.type);
  assert_types (q8, TYPE_Q8, TYPE_Q8, TYPE_Q8, TYPE_Q8);
  assert_types (q4, TYPE_Q4, TYPE_Q8, TYPE_Q8, TYPE_Q8);
}

static void
test_a_tied_head_has_its_own_bits (Fixture *f, gconstpointer unused)
{
  f->config.language.tied = TRUE; /* the head that is there is surplus, which is not looked at */
  for (MinivlPrecision p = MINIVL_PRECISION_F32; p <= MINIVL_PRECISION_Q4; p++) {
    g_autoptr (Weights) w = plan (f, p);

    g_assert_true ((w->head.index == w->embed.index) == (p < MINIVL_PRECISION_Q8));
    g_assert_cmpint (w->head.type, ==, p < MINIVL_PRECISION_Q8 ? w->embed.type : TYPE_Q8);
    g_assert_cmpuint (w->head.rows, ==, w->embed.rows);
  }
}

/* t holds rows first .. first + t->rows of the file's tensor. */
static void
assert_holds (Fixture *f, const Tensor *t, guint first, const gchar *name)
{
  const TensorInfo *info = tensor_set_lookup (f->tensors, name);
  TensorType source = info->dtype == DTYPE_F32 ? TYPE_F32 : info->dtype == DTYPE_F16 ? TYPE_F16 : TYPE_BF16;
  guint64 bytes = row_bytes (t->type, (guint64)(t->rows + 7) / 8 * 8 * t->stride);
  g_autofree guint8 *there = g_malloc (bytes), *wanted = g_malloc (bytes);
  g_autoptr (GError) error = NULL;

  weights_pack (
      wanted, t->type, (const guint8 *)info->data + (gsize)first * t->cols * dtype_size (info->dtype), source, t->rows, t->cols);
  tensor_read (t, 0, there, bytes, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (there, bytes, wanted, bytes);
}

static void
test_rows_go_where_they_belong (Fixture *f, gconstpointer unused)
{
  static const gchar qkv[] = "language_model.model.layers.1.self_attn.qkv_proj.weight";
  guint v_rows = f->config.language.kv_heads * language_head_dim (&f->config.language);

  for (MinivlPrecision p = MINIVL_PRECISION_F16; p <= MINIVL_PRECISION_Q4; p++) {
    g_autoptr (Weights) w = plan (f, p);
    const LanguageLayer *l = &w->language[1];
    g_autoptr (GError) error = NULL;

    weights_load (w, f->tensors, NULL, NULL, &error);
    g_assert_no_error (error);
    assert_holds (f, &l->qkv, 0, qkv);
    g_assert_cmpuint (l->v.rows, ==, p == MINIVL_PRECISION_Q4 ? v_rows : 0);
    if (l->v.rows)
      assert_holds (f, &l->v, l->qkv.rows, qkv);
    assert_holds (f, &l->down, 0, "language_model.model.layers.1.mlp.down_proj.weight");
    assert_holds (f, &w->embed, 0, "language_model.model.embed_tokens.weight");
  }
}

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
#define RULE(name) g_test_add ("/stored/" #name, Fixture, NULL, set_up, test_##name, tear_down)
  RULE (matrices_have_the_bits_they_stand);
  RULE (a_tied_head_has_its_own_bits);
  RULE (rows_go_where_they_belong);
#undef RULE
  return g_test_run ();
}

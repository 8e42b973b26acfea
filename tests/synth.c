/* Weights from a formula. Compiled without contraction to fused multiply-add, which would change the last bit. */
#include "synth.h"

#include <math.h>
#include <string.h>

#define GOLDEN 0x9E3779B97F4A7C15u

static guint64
fnv1a64 (const gchar *name)
{
  guint64 h = 0xCBF29CE484222325u;

  for (; *name != '\0'; name++)
    h = (h ^ (guchar)*name) * 0x100000001B3u;
  return h;
}

static guint64
mix (guint64 z)
{
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

static void
moments (const TensorInfo *t, double *mean, double *std)
{
  const gchar *name = t->name;

  *mean = 0.0;
  if (g_str_has_suffix (name, ".ls1") || g_str_has_suffix (name, ".ls2")) {
    *mean = 0.3;
    *std = 0.1;
  } else if (g_str_has_suffix (name, ".weight") && (strstr (name, "norm") != NULL || strcmp (name, "mlp1.0.weight") == 0)) {
    *mean = 1.0;
    *std = 0.1;
  } else if (g_str_has_suffix (name, ".bias")) {
    *std = 0.05;
  } else if (strstr (name, "class_embedding") != NULL || strstr (name, "position_embedding") != NULL) {
    *std = 0.3;
  } else if (strstr (name, "embed_tokens") != NULL) {
    *std = 0.5;
  } else {
    double fan_in = tensor_elements (t) / t->shape[0];

    *std = (strstr (name, "lm_head") != NULL ? 3.0 : 1.0) / pow (fan_in, 0.5);
  }
}

static guint16
to_bf16 (float value)
{
  guint32 bits;

  memcpy (&bits, &value, sizeof bits);
  return (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
}

/* Of values far below half's range, as all of ours are. */
static guint16
to_f16 (float value)
{
  guint32 bits, sign, magnitude;

  memcpy (&bits, &value, sizeof bits);
  sign = (bits >> 16) & 0x8000;
  magnitude = bits & 0x7FFFFFFF;
  if (magnitude < 0x38800000) /* 2^-14: the result is subnormal, a multiple of 2^-24 */
    return sign | (guint16)nearbyint (fabs ((double)value) * 0x1p24);
  magnitude += 0xFFF + ((magnitude >> 13) & 1);
  return sign | ((magnitude - 0x38000000) >> 13);
}

void
synth_fill (const TensorInfo *tensor, guint64 seed, guint64 first, gsize n, gpointer out)
{
  guint64 s = seed * GOLDEN + fnv1a64 (tensor->name) + first * GOLDEN;
  double mean, std, scale;
  float *f32 = out;
  guint16 *u16 = out;

  moments (tensor, &mean, &std);
  scale = std * pow (3.0, 0.5);
  for (gsize i = 0; i < n; i++) {
    double u = (double)(mix (s += GOLDEN) >> 40) * 0x1p-23 - 1.0;
    float value = (float)(mean + scale * u);

    if (tensor->dtype == DTYPE_BF16)
      u16[i] = to_bf16 (value);
    else if (tensor->dtype == DTYPE_F16)
      u16[i] = to_f16 (value);
    else
      f32[i] = value;
  }
}

/* --- the tensors a configuration has ----------------------------------------------------------------------------------------- */

typedef struct
{
  GPtrArray *list;
  Dtype dtype;
  gchar prefix[64]; /* of the layer in hand */
} Builder;

static void
info_free (gpointer data)
{
  TensorInfo *t = data;

  g_free ((gchar *)t->name);
  g_free (t);
}

/* The dimensions end at the first zero. */
static void
add (Builder *b, const gchar *name, guint64 d0, guint64 d1, guint64 d2, guint64 d3)
{
  TensorInfo *t = g_new0 (TensorInfo, 1);

  *t = (TensorInfo){ .name = g_strconcat (b->prefix, name, NULL), .dtype = b->dtype, .shape = { d0, d1, d2, d3 } };
  while (t->n_dims < TENSOR_MAX_DIMS && t->shape[t->n_dims] > 0)
    t->n_dims++;
  g_ptr_array_add (b->list, t);
}

static void
add_vector (Builder *b, const gchar *name, guint64 n)
{
  add (b, name, n, 0, 0, 0);
}

static void
add_matrix (Builder *b, const gchar *name, guint64 rows, guint64 columns)
{
  add (b, name, rows, columns, 0, 0);
}

static void
add_linear (Builder *b, const gchar *name, guint64 rows, guint64 columns, gboolean bias)
{
  g_autofree gchar *weight_name = g_strconcat (name, ".weight", NULL);
  g_autofree gchar *bias_name = g_strconcat (name, ".bias", NULL);

  add_matrix (b, weight_name, rows, columns);
  if (bias)
    add_vector (b, bias_name, rows);
}

static void
add_vision (Builder *b, const VisionConfig *v)
{
  guint64 d = v->hidden, side = v->image_size / v->patch_size;

  g_strlcpy (b->prefix, "vision_model.embeddings.", sizeof b->prefix);
  add (b, "class_embedding", 1, 1, d, 0);
  add (b, "position_embedding", 1, side * side + 1, d, 0);
  add (b, "patch_embedding.weight", d, 3, v->patch_size, v->patch_size);
  add_vector (b, "patch_embedding.bias", d);
  for (guint i = 0; i < v->layers; i++) {
    g_snprintf (b->prefix, sizeof b->prefix, "vision_model.encoder.layers.%u.", i);
    add_vector (b, "ls1", d);
    add_vector (b, "ls2", d);
    add_linear (b, "attn.qkv", 3 * d, d, v->qkv_bias);
    if (v->qk_normalization) {
      add_vector (b, "attn.q_norm.weight", d);
      add_vector (b, "attn.k_norm.weight", d);
    }
    add_linear (b, "attn.proj", d, d, TRUE);
    add_linear (b, "mlp.fc1", v->intermediate, d, TRUE);
    add_linear (b, "mlp.fc2", d, v->intermediate, TRUE);
    add_vector (b, "norm1.weight", d);
    if (!v->rms_norm)
      add_vector (b, "norm1.bias", d);
    add_vector (b, "norm2.weight", d);
    if (!v->rms_norm)
      add_vector (b, "norm2.bias", d);
  }
}

static void
add_language (Builder *b, const LanguageConfig *l)
{
  guint64 h = l->hidden, m = l->intermediate, qkv = h + 2 * l->kv_heads * (guint64)language_head_dim (l);

  g_strlcpy (b->prefix, "language_model.", sizeof b->prefix);
  add_matrix (b, "model.embed_tokens.weight", l->vocab, h);
  for (guint i = 0; i < l->layers; i++) {
    g_snprintf (b->prefix, sizeof b->prefix, "language_model.model.layers.%u.", i);
    add_matrix (b, "self_attn.o_proj.weight", h, h);
    add_matrix (b, "self_attn.qkv_proj.weight", qkv, h);
    add_matrix (b, "mlp.gate_up_proj.weight", 2 * m, h);
    add_matrix (b, "mlp.down_proj.weight", h, m);
    add_vector (b, "input_layernorm.weight", h);
    add_vector (b, "post_attention_layernorm.weight", h);
  }
  g_strlcpy (b->prefix, "language_model.", sizeof b->prefix);
  add_vector (b, "model.norm.weight", h);
  if (!l->tied)
    add_matrix (b, "lm_head.weight", l->vocab, h);
}

GPtrArray *
synth_list (const ModelConfig *config, Dtype dtype)
{
  Builder b = { .list = g_ptr_array_new_with_free_func (info_free), .dtype = dtype };
  guint64 c = (guint64)config->vision.hidden * config->shuffle * config->shuffle, h = config->language.hidden;

  add_vision (&b, &config->vision);
  add_language (&b, &config->language);
  b.prefix[0] = '\0';
  add_vector (&b, "mlp1.0.weight", c);
  add_vector (&b, "mlp1.0.bias", c);
  add_linear (&b, "mlp1.1", h, c, TRUE);
  add_linear (&b, "mlp1.3", h, h, TRUE);
  return b.list;
}

TensorSet *
synth_tensors (const ModelConfig *config, guint64 seed, Dtype dtype)
{
  g_autoptr (GPtrArray) list = synth_list (config, dtype);
  TensorSet *set = tensor_set_new ();

  for (guint i = 0; i < list->len; i++) {
    const TensorInfo *t = g_ptr_array_index (list, i);
    gpointer data = g_malloc (tensor_info_bytes (t));

    synth_fill (t, seed, 0, tensor_elements (t), data);
    tensor_set_add (set, t->name, dtype, t->n_dims, t->shape, data);
  }
  return set;
}

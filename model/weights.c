#include "load.h"

#include <string.h>

static void
slot_clear (gpointer data)
{
  g_free (((Slot *)data)->name);
}

guint
vision_rows (const ModelConfig *config)
{
  guint side = config->tile_side / config->vision.patch_size;

  return (side * side + 1 + 7) / 8 * 8;
}

/* --- the list -------------------------------------------------------------------------------------------------------------- */

static void
add (GArray *slots, Tensor *tensor, gboolean matrix, gchar *name, guint n_dims, guint64 a, guint64 b, guint64 c, guint64 d)
{
  Slot slot = { .name = name, .n_dims = n_dims, .shape = { a, b, c, d }, .tensor = tensor, .matrix = matrix };

  g_array_append_val (slots, slot);
}

static void
add_vector (GArray *slots, Tensor *tensor, const gchar *prefix, const gchar *name, guint64 n)
{
  add (slots, tensor, FALSE, g_strconcat (prefix, name, NULL), 1, n, 0, 0, 0);
}

static void
add_matrix (GArray *slots, Tensor *tensor, const gchar *prefix, const gchar *name, guint64 out, guint64 in)
{
  add (slots, tensor, TRUE, g_strconcat (prefix, name, NULL), 2, out, in, 0, 0);
}

#define EMBED "language_model.model.embed_tokens.weight"
#define HEAD "language_model.lm_head.weight"

/* unused: blocks after the selected layer are checked and left in the file. */
static void
list_vision (GArray *slots, Weights *w, const ModelConfig *config, VisionLayer *unused)
{
  const VisionConfig *c = &config->vision;
  guint64 d = c->hidden, side = c->image_size / c->patch_size;

  add (slots, NULL, FALSE, g_strdup (CLASS), 3, 1, 1, d, 0);
  add (slots, NULL, FALSE, g_strdup (POSITION), 3, 1, side * side + 1, d, 0);
  add (slots, &w->patch, TRUE, g_strdup ("vision_model.embeddings.patch_embedding.weight"), 4, d, 3, c->patch_size, c->patch_size);
  add_vector (slots, &w->patch_bias, PATCH_BIAS, "", d);

  for (guint i = 0; i < c->layers; i++) {
    g_autofree gchar *p = g_strdup_printf ("vision_model.encoder.layers.%u.", i);
    gboolean used = i < w->n_vision;
    VisionLayer *l = used ? &w->vision[i] : unused;
    guint first = slots->len;

    add_vector (slots, &l->ls1, p, "ls1", d);
    add_vector (slots, &l->ls2, p, "ls2", d);
    add_matrix (slots, &l->qkv, p, "attn.qkv.weight", 3 * d, d);
    if (c->qkv_bias)
      add_vector (slots, &l->qkv_bias, p, "attn.qkv.bias", 3 * d);
    if (c->qk_normalization) {
      add_vector (slots, &l->q_norm, p, "attn.q_norm.weight", d);
      add_vector (slots, &l->k_norm, p, "attn.k_norm.weight", d);
    }
    add_matrix (slots, &l->proj, p, "attn.proj.weight", d, d);
    add_vector (slots, &l->proj_bias, p, "attn.proj.bias", d);
    add_matrix (slots, &l->fc1, p, "mlp.fc1.weight", c->intermediate, d);
    add_vector (slots, &l->fc1_bias, p, "mlp.fc1.bias", c->intermediate);
    add_matrix (slots, &l->fc2, p, "mlp.fc2.weight", d, c->intermediate);
    add_vector (slots, &l->fc2_bias, p, "mlp.fc2.bias", d);
    add_vector (slots, &l->norm1, p, "norm1.weight", d);
    add_vector (slots, &l->norm2, p, "norm2.weight", d);
    if (!c->rms_norm) {
      add_vector (slots, &l->norm1_bias, p, "norm1.bias", d);
      add_vector (slots, &l->norm2_bias, p, "norm2.bias", d);
    }
    for (guint j = first; !used && j < slots->len; j++)
      g_array_index (slots, Slot, j).tensor = NULL;
  }
}

static void
list_language (GArray *slots, Weights *w, const ModelConfig *config)
{
  const LanguageConfig *c = &config->language;
  guint64 h = c->hidden, kv = (guint64)c->kv_heads * language_head_dim (c), shuffled = (guint64)config->vision.hidden;

  add_matrix (slots, &w->embed, EMBED, "", c->vocab, h);
  for (guint i = 0; i < c->layers; i++) {
    g_autofree gchar *p = g_strdup_printf ("language_model.model.layers.%u.", i);
    LanguageLayer *l = &w->language[i];

    add_matrix (slots, &l->o, p, "self_attn.o_proj.weight", h, h);
    add_matrix (slots, &l->qkv, p, "self_attn.qkv_proj.weight", h + 2 * kv, h);
    add_matrix (slots, &l->gate_up, p, "mlp.gate_up_proj.weight", 2 * (guint64)c->intermediate, h);
    add_matrix (slots, &l->down, p, "mlp.down_proj.weight", h, c->intermediate);
    add_vector (slots, &l->input_norm, p, "input_layernorm.weight", h);
    add_vector (slots, &l->post_norm, p, "post_attention_layernorm.weight", h);
  }
  add_vector (slots, &w->norm, "language_model.model.norm.weight", "", h);
  if (!c->tied)
    add_matrix (slots, &w->head, HEAD, "", c->vocab, h);

  shuffled *= config->shuffle * config->shuffle;
  add_vector (slots, &w->mlp_norm, "mlp1.0.weight", "", shuffled);
  add_vector (slots, &w->mlp_norm_bias, "mlp1.0.bias", "", shuffled);
  add_matrix (slots, &w->mlp1, "mlp1.1.weight", "", h, shuffled);
  add_vector (slots, &w->mlp1_bias, "mlp1.1.bias", "", h);
  add_matrix (slots, &w->mlp2, "mlp1.3.weight", "", h, h);
  add_vector (slots, &w->mlp2_bias, "mlp1.3.bias", "", h);
}

/* Some save a head that is the embeddings once more. One that is not leaves open which of the two is meant. */
static gboolean
check_tied (const TensorSet *set, GError **error)
{
  const TensorInfo *embed = tensor_set_lookup (set, EMBED), *head = tensor_set_lookup (set, HEAD);

  if (!head
      || (head->dtype == embed->dtype && tensor_info_bytes (head) == tensor_info_bytes (embed)
          && memcmp (head->data, embed->data, tensor_info_bytes (head)) == 0))
    return TRUE;
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE,
      "%s: tensor %s: is another than " EMBED ", and config.json's llm_config.tie_word_embeddings makes them one", head->file,
      head->name);
  return FALSE;
}

static gboolean
check_names (GArray *slots, gboolean tied, const TensorSet *set, GError **error)
{
  g_autofree const gchar **names = g_new (const gchar *, slots->len);

  for (guint i = 0; i < slots->len; i++) {
    const Slot *slot = &g_array_index (slots, Slot, i);

    names[i] = slot->name;
    if (!tensor_set_expect (set, slot->name, slot->n_dims, slot->shape, error))
      return FALSE;
  }
  return (!tied || check_tied (set, error)) && tensor_set_expect_only (set, names, slots->len, tied ? HEAD : NULL, error);
}

static TensorType
stored_type (Dtype dtype, MinivlPrecision precision)
{
  if (precision == MINIVL_PRECISION_F32)
    return TYPE_F32;
  return dtype == DTYPE_BF16 ? TYPE_BF16 : TYPE_F16;
}

guint64
slot_rows (const Slot *slot)
{
  return slot->matrix ? slot->shape[0] : 1;
}

guint64
slot_cols (const Slot *slot)
{
  guint64 n = 1;

  for (guint i = slot->matrix ? 1 : 0; i < slot->n_dims; i++)
    n *= slot->shape[i];
  return n;
}

/* --- loading --------------------------------------------------------------------------------------------------------------- */

Weights *
weights_new (Device *dev, const ModelConfig *config, const TensorSet *set, MinivlPrecision precision, GError **error)
{
  g_autoptr (Weights) w = g_new0 (Weights, 1);
  VisionLayer unused = { 0 };

  w->config = config;
  w->slots = g_array_new (FALSE, FALSE, sizeof (Slot));
  g_array_set_clear_func (w->slots, slot_clear);
  w->n_vision = model_select_layer (config);
  w->n_language = config->language.layers;
  w->vision = g_new0 (VisionLayer, config->vision.layers);
  w->language = g_new0 (LanguageLayer, w->n_language);
  list_vision (w->slots, w, config, &unused);
  list_language (w->slots, w, config);
  if (!check_names (w->slots, config->language.tied, set, error))
    return NULL;

  w->arena = arena_new (dev, ARENA_DEVICE, "weights");
  for (guint i = 0; i < w->slots->len; i++) {
    Slot *slot = &g_array_index (w->slots, Slot, i);
    Dtype dtype = tensor_set_lookup (set, slot->name)->dtype;

    if (slot->tensor)
      *slot->tensor = arena_add (w->arena, slot->matrix ? stored_type (dtype, precision) : TYPE_F32,
          slot->matrix ? LAYOUT_WEIGHTS : LAYOUT_ROWS, slot_rows (slot), slot_cols (slot));
  }
  w->position = arena_add (w->arena, TYPE_F32, LAYOUT_ROWS, vision_rows (config), config->vision.hidden);
  if (config->language.tied)
    w->head = w->embed;
  return g_steal_pointer (&w);
}

guint64
weights_bytes (const Weights *w)
{
  return arena_bytes (w->arena);
}

void
weights_free (Weights *w)
{
  if (!w)
    return;
  arena_free (w->arena);
  g_array_unref (w->slots);
  g_free (w->vision);
  g_free (w->language);
  g_free (w);
}

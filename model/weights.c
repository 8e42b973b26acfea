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

static Slot *
add (GArray *slots, Tensor *tensor, gboolean matrix, gchar *name, guint n_dims, guint64 a, guint64 b, guint64 c, guint64 d)
{
  Slot slot = { .name = name,
    .n_dims = n_dims,
    .shape = { a, b, c, d },
    .tensor = tensor,
    .matrix = matrix,
    .rows = matrix ? a : 1,
    .least = matrix ? MINIVL_PRECISION_F16 : MINIVL_PRECISION_F32 };

  g_array_append_val (slots, slot);
  return &g_array_index (slots, Slot, slots->len - 1);
}

static void
add_vector (GArray *slots, Tensor *tensor, const gchar *prefix, const gchar *name, guint64 n)
{
  add (slots, tensor, FALSE, g_strconcat (prefix, name, NULL), 1, n, 0, 0, 0);
}

static Slot *
add_matrix (GArray *slots, Tensor *tensor, const gchar *prefix, const gchar *name, guint64 out, guint64 in)
{
  return add (slots, tensor, TRUE, g_strconcat (prefix, name, NULL), 2, out, in, 0, 0);
}

/* One of the language model's. */
static Slot *
add_weights (GArray *slots, Tensor *tensor, MinivlPrecision least, const gchar *prefix, const gchar *name, guint64 out, guint64 in)
{
  Slot *slot = add_matrix (slots, tensor, prefix, name, out, in);

  slot->least = least;
  return slot;
}

/* At q4 the rows of v have more bits than those of q and k: they are a tensor of their own. */
static void
add_qkv (GArray *slots, LanguageLayer *l, MinivlPrecision precision, const gchar *prefix, guint64 qk, guint64 v, guint64 in)
{
  static const gchar name[] = "self_attn.qkv_proj.weight";
  Slot *slot = add_weights (slots, &l->qkv, MINIVL_PRECISION_Q4, prefix, name, qk + v, in);

  if (precision < MINIVL_PRECISION_Q4)
    return;
  slot->rows = qk;
  slot = add_weights (slots, &l->v, MINIVL_PRECISION_Q8, prefix, name, qk + v, in);
  slot->first_row = qk;
  slot->rows = v;
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

/* What 4 bits cost was measured on trained weights (README): most in `down` and v. Embeddings are looked up, not multiplied: a head
 * that is tied to them is a tensor of its own where it has fewer bits. */
static void
list_language (GArray *slots, Weights *w, const ModelConfig *config, MinivlPrecision precision)
{
  const LanguageConfig *c = &config->language;
  guint64 h = c->hidden, kv = (guint64)c->kv_heads * language_head_dim (c), shuffled = (guint64)config->vision.hidden;

  add_matrix (slots, &w->embed, EMBED, "", c->vocab, h);
  for (guint i = 0; i < c->layers; i++) {
    g_autofree gchar *p = g_strdup_printf ("language_model.model.layers.%u.", i);
    LanguageLayer *l = &w->language[i];

    add_weights (slots, &l->o, MINIVL_PRECISION_Q4, p, "self_attn.o_proj.weight", h, h);
    add_qkv (slots, l, precision, p, h + kv, kv, h);
    add_weights (slots, &l->gate_up, MINIVL_PRECISION_Q4, p, "mlp.gate_up_proj.weight", 2 * (guint64)c->intermediate, h);
    add_weights (slots, &l->down, MINIVL_PRECISION_Q8, p, "mlp.down_proj.weight", h, c->intermediate);
    add_vector (slots, &l->input_norm, p, "input_layernorm.weight", h);
    add_vector (slots, &l->post_norm, p, "post_attention_layernorm.weight", h);
  }
  add_vector (slots, &w->norm, "language_model.model.norm.weight", "", h);
  if (!c->tied || precision >= MINIVL_PRECISION_Q8)
    add_weights (slots, &w->head, MINIVL_PRECISION_Q8, c->tied ? EMBED : HEAD, "", c->vocab, h);

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
check_names (GArray *slots, const TensorSet *set, GError **error)
{
  for (guint i = 0; i < slots->len; i++) {
    const Slot *slot = &g_array_index (slots, Slot, i);

    if (!tensor_set_expect (set, slot->name, slot->n_dims, slot->shape, error))
      return FALSE;
  }
  return TRUE;
}

gboolean
weights_check (const Weights *w, const TensorSet *set, GError **error)
{
  g_autofree const gchar **names = g_new (const gchar *, w->slots->len);
  gboolean tied = w->config->language.tied;

  for (guint i = 0; i < w->slots->len; i++)
    names[i] = g_array_index (w->slots, Slot, i).name;
  return (!tied || check_tied (set, error)) && tensor_set_expect_only (set, names, w->slots->len, tied ? HEAD : NULL, error);
}

/* Precisions are in the order of their bits, the most first. */
static TensorType
stored_type (const Slot *slot, Dtype dtype, MinivlPrecision precision)
{
  switch (MIN (precision, slot->least)) {
    case MINIVL_PRECISION_Q4:
      return TYPE_Q4;
    case MINIVL_PRECISION_Q8:
      return TYPE_Q8;
    case MINIVL_PRECISION_F16:
      return dtype == DTYPE_BF16 ? TYPE_BF16 : TYPE_F16;
    default:
      return TYPE_F32;
  }
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
  list_language (w->slots, w, config, precision);
  if (!check_names (w->slots, set, error))
    return NULL;

  w->arena = arena_new (dev, ARENA_DEVICE, "weights");
  for (guint i = 0; i < w->slots->len; i++) {
    Slot *slot = &g_array_index (w->slots, Slot, i);
    Dtype dtype = tensor_set_lookup (set, slot->name)->dtype;

    if (slot->tensor)
      *slot->tensor = arena_add (w->arena, stored_type (slot, dtype, precision), slot->matrix ? LAYOUT_WEIGHTS : LAYOUT_ROWS,
          slot->rows, slot_cols (slot));
  }
  w->position = arena_add (w->arena, TYPE_F32, LAYOUT_ROWS, vision_rows (config), config->vision.hidden);
  if (w->head.rows == 0)
    w->head = w->embed;
  return g_steal_pointer (&w);
}

void
weights_merge (Weights *w, const Lora *lora)
{
  for (guint i = 0; i < w->slots->len; i++) {
    Slot *slot = &g_array_index (w->slots, Slot, i);

    slot->lora = lora_lookup (lora, slot->name);
  }
}

void
weights_keep (Weights *w, const gchar *folder, const gchar *source, const gchar *identity)
{
  GArray *tensors = g_array_new (FALSE, FALSE, sizeof (ConvertedTensor));
  g_autofree gchar *what = NULL;
  gboolean q4 = FALSE;

  for (guint i = 0; i < w->slots->len; i++) {
    const Slot *slot = &g_array_index (w->slots, Slot, i);
    ConvertedTensor t;

    if (!slot_is_converted (slot))
      continue;
    q4 |= slot->tensor->type == TYPE_Q4;
    t.octet_bytes = row_bytes (slot->tensor->type, 8 * (guint64)slot->tensor->stride);
    t.octets = tensor_bytes (slot->tensor) / t.octet_bytes;
    t.name = g_strdup_printf (
        "%s[%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT "]", slot->name, slot->first_row, slot->first_row + slot->rows);
    g_array_append_val (tensors, t);
  }
  what = g_strdup_printf ("%s, %s", source, q4 ? "q4" : "q8");
  if (tensors->len > 0)
    w->converted = converted_new (folder, what, identity, tensors);
  else
    g_array_unref (tensors);
}

gboolean
slot_is_converted (const Slot *slot)
{
  return slot->tensor && (slot->tensor->type == TYPE_Q8 || slot->tensor->type == TYPE_Q4);
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
  converted_free (w->converted);
  arena_free (w->arena);
  g_array_unref (w->slots);
  g_free (w->vision);
  g_free (w->language);
  g_free (w);
}

/* config.json: what the reference's configuration classes make of it, and refusal of what this model does not do. */
#include "config.h"
#include "strictjson.h"

#include <math.h>
#include <string.h>

/* Bounds far above any checkpoint's numbers, and so small that a product of two of them fits into 64 bits. */
#define MAX_WIDTH 65536
#define MAX_INTERMEDIATE (1 << 20)
#define MAX_LAYERS 1024
#define MAX_VOCAB (1 << 20)
#define MAX_POSITION (1 << 24)
#define MAX_SIDE 4096
#define MAX_SHUFFLE 16
#define MAX_TILES 128
/* Bounds of a RoPE factor: public ones are 1 to 65. Frequencies are divided by them, and stay finite. */
#define MIN_FACTOR 1e-3
#define MAX_FACTOR 1e6
/* The attention shaders read keys in runs of 8 elements and keep a head in registers. */
#define HEAD_DIM_STEP 8
#define MAX_HEAD_DIM 128
/* Gate and up projections are read 4 columns at a time. */
#define GLU_STEP 4

/* One object of the file. Once an error is set the getters do nothing, and return something that can be divided by. */
typedef struct
{
  JsonObject *object;
  const gchar *prefix; /* of the keys in messages */
  const gchar *file;
  GError **error;
  GString *unknown; /* keys to warn of */
} Section;

static void G_GNUC_PRINTF (4, 5) refuse (const Section *s, MinivlError code, const gchar *key, const gchar *format, ...)
{
  g_autofree gchar *what = NULL;
  va_list args;

  if (*s->error != NULL)
    return;
  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (s->error, MINIVL_ERROR, code, "%s: %s%s %s", s->file, s->prefix, key, what);
}

static gchar *
value_text (JsonNode *node)
{
  g_autofree gchar *text = json_to_string (node, FALSE);

  return g_utf8_strlen (text, -1) > 80 ? g_utf8_substring (text, 0, 80) : g_steal_pointer (&text);
}

static void
refuse_type (const Section *s, const gchar *key, const gchar *wanted)
{
  g_autofree gchar *text = value_text (json_object_get_member (s->object, key));

  refuse (s, MINIVL_ERROR_FILE, key, "is %s; it must be %s", text, wanted);
}

static void
refuse_value (const Section *s, const gchar *key, const gchar *known)
{
  g_autofree gchar *text = value_text (json_object_get_member (s->object, key));

  refuse (s, MINIVL_ERROR_MODEL, key, "is %s, which minivl does not know; it knows %s", text, known);
}

static gboolean
is_set (const Section *s, const gchar *key)
{
  return json_object_has_member (s->object, key) && !json_object_get_null_member (s->object, key);
}

static gboolean
is_integer (JsonNode *node)
{
  return JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_INT64;
}

static gboolean
is_number (JsonNode *node)
{
  return is_integer (node) || (JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_DOUBLE);
}

static gint64
get_integer (const Section *s, const gchar *key, gint64 missing, gint64 least, gint64 most)
{
  JsonNode *node = json_object_get_member (s->object, key);
  gint64 value;

  if (*s->error != NULL || node == NULL)
    return missing;
  value = is_integer (node) ? json_node_get_int (node) : least - 1;
  if (value >= least && value <= most)
    return value;
  {
    g_autofree gchar *wanted = g_strdup_printf ("an integer from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, least, most);

    refuse_type (s, key, wanted);
  }
  return missing;
}

static guint
need_integer (const Section *s, const gchar *key, gint64 most)
{
  if (!json_object_has_member (s->object, key))
    refuse (s, MINIVL_ERROR_FILE, key, "is missing");
  return get_integer (s, key, 1, 1, most);
}

static double
get_number (const Section *s, const gchar *key, double missing, double least, double most)
{
  JsonNode *node = json_object_get_member (s->object, key);
  double value;

  if (*s->error != NULL || node == NULL)
    return missing;
  value = is_number (node) ? json_node_get_double (node) : NAN;
  if (value >= least && value <= most)
    return value;
  {
    g_autofree gchar *wanted = g_strdup_printf ("a number from %g to %g", least, most);

    refuse_type (s, key, wanted);
  }
  return missing;
}

static gboolean
get_boolean (const Section *s, const gchar *key, gboolean missing)
{
  JsonNode *node = json_object_get_member (s->object, key);

  if (*s->error != NULL || node == NULL)
    return missing;
  if (JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_BOOLEAN)
    return json_node_get_boolean (node);
  refuse_type (s, key, "true or false");
  return missing;
}

static const gchar *
get_string (const Section *s, const gchar *key, const gchar *missing)
{
  JsonNode *node = json_object_get_member (s->object, key);

  if (*s->error != NULL || node == NULL)
    return missing;
  if (JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING)
    return json_node_get_string (node);
  refuse_type (s, key, "a string");
  return missing;
}

static void
get_section (const Section *from, const gchar *key, const gchar *prefix, Section *s)
{
  JsonNode *node = json_object_get_member (from->object, key);

  *s = *from;
  s->prefix = prefix;
  if (*s->error != NULL)
    return;
  if (node == NULL)
    refuse (from, MINIVL_ERROR_FILE, key, "is missing");
  else if (!JSON_NODE_HOLDS_OBJECT (node))
    refuse_type (from, key, "an object");
  else
    s->object = json_node_get_object (node);
}

/* --- keys that are only checked or ignored ---------------------------------------------------------------------------------- */

/* No influence on the logits: training, generation, and what transformers writes into every configuration, nested ones included. */
static const gchar *const harmless[] = {
  "_attn_implementation",
  "_attn_implementation_autoset",
  "_commit_hash",
  "_name_or_path",
  "attention_dropout",
  "attn_implementation",
  "auto_map",
  "bad_words_ids",
  "begin_suppress_tokens",
  "bos_token_id",
  "chunk_size_feed_forward",
  "decoder_start_token_id",
  "diversity_penalty",
  "do_sample",
  "drop_path_rate",
  "dropout",
  "dtype",
  "dynamic_image_size",
  "early_stopping",
  "embd_pdrop",
  "encoder_no_repeat_ngram_size",
  "eos_token_id",
  "exponential_decay_length_penalty",
  "finetuning_task",
  "forced_bos_token_id",
  "forced_eos_token_id",
  "id2label",
  "initializer_factor",
  "initializer_range",
  "is_composition",
  "is_decoder",
  "label2id",
  "length_penalty",
  "max_length",
  "min_length",
  "no_repeat_ngram_size",
  "num_beam_groups",
  "num_beams",
  "num_return_sequences",
  "output_attentions",
  "output_hidden_states",
  "output_scores",
  "pad_token_id",
  "prefix",
  "problem_type",
  "remove_invalid_values",
  "repetition_penalty",
  "resid_pdrop",
  "return_dict",
  "return_dict_in_generate",
  "sep_token_id",
  "suppress_tokens",
  "task_specific_params",
  "temperature",
  "tf_legacy_loss",
  "tie_word_embeddings",
  "tokenizer_class",
  "top_k",
  "top_p",
  "torch_dtype",
  "torchscript",
  "transformers_version",
  "typical_p",
  "use_bfloat16",
  "use_cache",
  "use_flash_attn",
  NULL,
};

/* null, false, 0 or empty: anything else asks for something that is not implemented. */
static const gchar *const off[] = {
  "add_cross_attention",
  "attention_bias",
  "attention_factor",
  "cross_attention_hidden_size",
  "factor",
  "image_fold",
  "is_encoder_decoder",
  "lm_head_bias",
  "long_mscale",
  "mlp_bias",
  "pad2square",
  "pruned_heads",
  "quantization_config",
  "rope_parameters",
  "short_mscale",
  "tie_encoder_decoder",
  "use_backbone_lora",
  "use_llm_lora",
  NULL,
};

/* Read below. */
static const gchar *const model_keys[] = {
  "architectures",
  "downsample_ratio",
  "force_image_size",
  "llm_config",
  "max_dynamic_patch",
  "min_dynamic_patch",
  "model_type",
  "ps_version",
  "select_layer",
  "template",
  "use_thumbnail",
  "vision_config",
  NULL,
};
static const gchar *const vision_keys[] = {
  "architectures",
  "hidden_act",
  "hidden_size",
  "image_size",
  "intermediate_size",
  "layer_norm_eps",
  "model_type",
  "norm_type",
  "num_attention_heads",
  "num_channels",
  "num_hidden_layers",
  "patch_size",
  "qk_normalization",
  "qkv_bias",
  NULL,
};
static const gchar *const language_keys[] = {
  "architectures",
  "head_dim",
  "hidden_act",
  "hidden_size",
  "intermediate_size",
  "max_position_embeddings",
  "model_type",
  "num_attention_heads",
  "num_hidden_layers",
  "num_key_value_heads",
  "original_max_position_embeddings",
  "partial_rotary_factor",
  "rms_norm_eps",
  "rope_scaling",
  "rope_theta",
  "sliding_window",
  "vocab_size",
  NULL,
};
static const gchar *const rope_keys[] = { "long_factor", "rope_type", "short_factor", "type", NULL };

static gboolean
is_off (JsonNode *node)
{
  if (JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  if (JSON_NODE_HOLDS_OBJECT (node))
    return json_object_get_size (json_node_get_object (node)) == 0;
  if (JSON_NODE_HOLDS_ARRAY (node))
    return json_array_get_length (json_node_get_array (node)) == 0;
  if (json_node_get_value_type (node) == G_TYPE_BOOLEAN)
    return !json_node_get_boolean (node);
  return is_number (node) && json_node_get_double (node) == 0;
}

/* read: the keys of this section that are read */
static void
check_keys (const Section *s, const gchar *const *read)
{
  JsonObjectIter iter;
  const gchar *key;
  JsonNode *node;

  if (*s->error != NULL)
    return;
  json_object_iter_init_ordered (&iter, s->object);
  while (json_object_iter_next_ordered (&iter, &key, &node)) {
    if (g_strv_contains (off, key)) {
      if (!is_off (node))
        refuse_value (s, key, "only models without it");
    } else if (!g_strv_contains (read, key) && !g_strv_contains (harmless, key)) {
      g_string_append_printf (s->unknown, "%s%s%s", s->unknown->len > 0 ? ", " : "", s->prefix, key);
    }
  }
}

static void
check_names (const Section *s, const gchar *architecture, const gchar *model_type)
{
  JsonNode *node = json_object_get_member (s->object, "architectures");

  if (*s->error != NULL)
    return;
  if (node != NULL) {
    JsonArray *list = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
    JsonNode *first = list != NULL && json_array_get_length (list) == 1 ? json_array_get_element (list, 0) : NULL;

    if (first == NULL || json_node_get_value_type (first) != G_TYPE_STRING)
      refuse_type (s, "architectures", "a list of one name");
    else if (strcmp (json_node_get_string (first), architecture) != 0)
      refuse_value (s, "architectures", architecture);
  }
  if (strcmp (get_string (s, "model_type", model_type), model_type) != 0)
    refuse_value (s, "model_type", model_type);
}

/* --- the three parts -------------------------------------------------------------------------------------------------------- */

static void
check_heads (const Section *s, guint hidden, guint heads)
{
  guint head_dim = hidden / heads;

  if (hidden % heads != 0)
    refuse (s, MINIVL_ERROR_FILE, "num_attention_heads", "is %u, which does not divide hidden_size %u", heads, hidden);
  else if (head_dim % HEAD_DIM_STEP != 0 || head_dim > MAX_HEAD_DIM)
    refuse (s, MINIVL_ERROR_MODEL, "hidden_size", "%u / num_attention_heads %u is %u; minivl knows multiples of %u up to %u",
        hidden, heads, head_dim, HEAD_DIM_STEP, MAX_HEAD_DIM);
}

static void
read_vision (const Section *s, VisionConfig *c)
{
  const gchar *norm;

  check_names (s, "InternVisionModel", "intern_vit_6b");
  c->hidden = need_integer (s, "hidden_size", MAX_WIDTH);
  c->heads = need_integer (s, "num_attention_heads", MAX_WIDTH);
  c->intermediate = need_integer (s, "intermediate_size", MAX_INTERMEDIATE);
  c->layers = need_integer (s, "num_hidden_layers", MAX_LAYERS);
  c->image_size = need_integer (s, "image_size", MAX_SIDE);
  c->patch_size = need_integer (s, "patch_size", MAX_SIDE);
  c->qkv_bias = get_boolean (s, "qkv_bias", FALSE);
  c->qk_normalization = get_boolean (s, "qk_normalization", TRUE);
  c->eps = get_number (s, "layer_norm_eps", 1e-6, 1e-30, 1);
  norm = get_string (s, "norm_type", "rms_norm");
  c->rms_norm = strcmp (norm, "rms_norm") == 0;
  if (!c->rms_norm && strcmp (norm, "layer_norm") != 0)
    refuse_value (s, "norm_type", "layer_norm and rms_norm");
  if (strcmp (get_string (s, "hidden_act", "gelu"), "gelu") != 0)
    refuse_value (s, "hidden_act", "gelu");
  if (get_integer (s, "num_channels", 3, 1, MAX_WIDTH) != 3)
    refuse_value (s, "num_channels", "3");
  if (c->image_size < c->patch_size)
    refuse (s, MINIVL_ERROR_FILE, "image_size", "is %u, less than patch_size %u", c->image_size, c->patch_size);
  check_heads (s, c->hidden, c->heads);
}

static double *
read_factors (const Section *s, const gchar *key, guint n)
{
  JsonNode *node = json_object_get_member (s->object, key);
  JsonArray *list = node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  g_autofree double *factors = g_new (double, n);

  if (*s->error != NULL)
    return NULL;
  if (list == NULL) {
    refuse (s, MINIVL_ERROR_FILE, key, node == NULL ? "is missing" : "is no list of numbers");
    return NULL;
  }
  if (json_array_get_length (list) != n) {
    refuse (s, MINIVL_ERROR_FILE, key, "has %u numbers; half of a head's dimensions are %u", json_array_get_length (list), n);
    return NULL;
  }
  for (guint i = 0; i < n; i++) {
    JsonNode *element = json_array_get_element (list, i);

    factors[i] = is_number (element) ? json_node_get_double (element) : NAN;
    if (!(factors[i] >= MIN_FACTOR && factors[i] <= MAX_FACTOR)) {
      g_autofree gchar *text = value_text (element);

      refuse (s, MINIVL_ERROR_FILE, key, "has %s as number %u; it must be a number from %g to %g", text, i, MIN_FACTOR, MAX_FACTOR);
      return NULL;
    }
  }
  return g_steal_pointer (&factors);
}

static void
read_rope (const Section *from, LanguageConfig *c)
{
  static const struct
  {
    const gchar *type;
    RopeKind kind;
  } kinds[] = { { "su", ROPE_SU }, { "longrope", ROPE_SU }, { "yarn", ROPE_YARN } };
  Section s;
  const gchar *key, *type;

  c->rope = ROPE_PLAIN;
  c->original_max_position = get_integer (from, "original_max_position_embeddings", c->max_position, 2, MAX_POSITION);
  if (!is_set (from, "rope_scaling"))
    return;
  get_section (from, "rope_scaling", "llm_config.rope_scaling.", &s);
  check_keys (&s, rope_keys);
  if (*s.error != NULL)
    return;
  key = is_set (&s, "type") ? "type" : "rope_type";
  if (!is_set (&s, key)) {
    if (is_set (&s, "short_factor") || is_set (&s, "long_factor"))
      refuse (&s, MINIVL_ERROR_FILE, "type", "is missing");
    return;
  }
  type = get_string (&s, key, "");
  if (*s.error == NULL && is_set (&s, "rope_type") && strcmp (type, get_string (&s, "rope_type", "")) != 0)
    refuse (&s, MINIVL_ERROR_FILE, "rope_type", "is another than type, %s", type);
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (strcmp (type, kinds[i].type) == 0)
      c->rope = kinds[i].kind;
  if (c->rope == ROPE_PLAIN) {
    refuse_value (&s, key, "su, longrope and yarn");
    return;
  }
  if (!json_object_has_member (from->object, "original_max_position_embeddings"))
    refuse (from, MINIVL_ERROR_FILE, "original_max_position_embeddings", "is missing; rope_scaling needs it");
  c->short_factor = read_factors (&s, "short_factor", language_head_dim (c) / 2);
  c->long_factor = read_factors (&s, "long_factor", language_head_dim (c) / 2);
}

/* A token id, or a list, of which the first one counts: an answer also ends at the chat template's own token. null: -1. */
static gint32
read_token (const Section *s, const gchar *key, gint32 missing, guint vocab)
{
  JsonNode *node = json_object_get_member (s->object, key);
  JsonArray *list = node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  if (*s->error != NULL)
    return -1;
  if (node != NULL && JSON_NODE_HOLDS_NULL (node))
    return -1;
  if (list == NULL)
    missing = get_integer (s, key, missing, 0, vocab - 1);
  for (guint i = 0; list != NULL && i < json_array_get_length (list); i++) {
    JsonNode *element = json_array_get_element (list, i);
    gint64 id = is_integer (element) ? json_node_get_int (element) : -1;

    if (id < 0 || id >= vocab)
      refuse_type (s, key, "a token id, or a list of them");
    else if (i == 0)
      missing = id;
  }
  if (list != NULL && json_array_get_length (list) == 0)
    refuse_type (s, key, "a token id, or a list of them");
  if (*s->error == NULL && missing >= (gint64)vocab)
    refuse (s, MINIVL_ERROR_FILE, key, "is missing, and the default %d is no id below vocab_size %u", missing, vocab);
  return missing;
}

static void
read_language (const Section *s, LanguageConfig *c, guint context)
{
  guint head_dim;
  gint64 window;

  if (*s->error == NULL && !json_object_has_member (s->object, "architectures"))
    refuse (s, MINIVL_ERROR_FILE, "architectures", "is missing");
  check_names (s, "Phi3ForCausalLM", "phi3");
  c->hidden = need_integer (s, "hidden_size", MAX_WIDTH);
  c->heads = need_integer (s, "num_attention_heads", MAX_WIDTH);
  c->kv_heads = is_set (s, "num_key_value_heads") ? need_integer (s, "num_key_value_heads", MAX_WIDTH) : c->heads;
  c->intermediate = need_integer (s, "intermediate_size", MAX_INTERMEDIATE);
  c->layers = need_integer (s, "num_hidden_layers", MAX_LAYERS);
  c->vocab = need_integer (s, "vocab_size", MAX_VOCAB);
  c->max_position = need_integer (s, "max_position_embeddings", MAX_POSITION);
  c->eps = get_number (s, "rms_norm_eps", 1e-5, 1e-30, 1);
  c->rope_theta = get_number (s, "rope_theta", 10000, 1, 1e12);
  c->tied = get_boolean (s, "tie_word_embeddings", FALSE);
  c->bos = read_token (s, "bos_token_id", 1, c->vocab);
  c->eos = read_token (s, "eos_token_id", 32000, c->vocab);
  check_heads (s, c->hidden, c->heads);
  if (c->heads % c->kv_heads != 0)
    refuse (
        s, MINIVL_ERROR_FILE, "num_key_value_heads", "is %u, which does not divide num_attention_heads %u", c->kv_heads, c->heads);
  if (c->intermediate % GLU_STEP != 0)
    refuse (s, MINIVL_ERROR_MODEL, "intermediate_size", "is %u; minivl knows multiples of %u", c->intermediate, GLU_STEP);
  head_dim = language_head_dim (c);
  if (is_set (s, "head_dim") && get_integer (s, "head_dim", head_dim, 1, MAX_WIDTH) != head_dim)
    refuse (s, MINIVL_ERROR_MODEL, "head_dim", "is not hidden_size / num_attention_heads, %u", head_dim);
  if (strcmp (get_string (s, "hidden_act", "silu"), "silu") != 0)
    refuse_value (s, "hidden_act", "silu");
  if (get_number (s, "partial_rotary_factor", 1, 0, 1) != 1)
    refuse_value (s, "partial_rotary_factor", "1");
  window = is_set (s, "sliding_window") ? get_integer (s, "sliding_window", G_MAXINT64, 1, G_MAXINT64) : G_MAXINT64;
  if (window < context)
    refuse (s, MINIVL_ERROR_MODEL, "sliding_window",
        "is %" G_GINT64_FORMAT
        ", less than the context of %u tokens; windows are not known: use a context of at most %" G_GINT64_FORMAT,
        window, context, window);
  read_rope (s, c);
}

static void
read_tiles (const Section *s, ModelConfig *c)
{
  const gchar *version;
  double ratio = get_number (s, "downsample_ratio", 0.5, 1.0 / MAX_SHUFFLE, 1);
  guint grid;

  c->shuffle = lround (1 / ratio);
  if (fabs (c->shuffle * ratio - 1) > 1e-9)
    refuse_value (s, "downsample_ratio", "1 / n for whole n");
  c->tile_side = is_set (s, "force_image_size") ? need_integer (s, "force_image_size", MAX_SIDE) : c->vision.image_size;
  grid = c->tile_side / c->vision.patch_size;
  if (c->tile_side % c->vision.patch_size != 0)
    refuse (s, MINIVL_ERROR_MODEL, "force_image_size", "(or vision_config.image_size) is %u, no multiple of patch_size %u",
        c->tile_side, c->vision.patch_size);
  else if (grid % c->shuffle != 0)
    refuse (s, MINIVL_ERROR_MODEL, "downsample_ratio", "is 1 / %u, which does not divide a tile of %u x %u patches", c->shuffle,
        grid, grid);
  version = get_string (s, "ps_version", "v1");
  c->ps_v1 = strcmp (version, "v1") == 0;
  if (!c->ps_v1 && strcmp (version, "v2") != 0)
    refuse_value (s, "ps_version", "v1 and v2");
  c->select_layer = get_integer (s, "select_layer", -1, -(gint64)c->vision.layers - 1, c->vision.layers);
  c->use_thumbnail = get_boolean (s, "use_thumbnail", FALSE);
  c->min_tiles = get_integer (s, "min_dynamic_patch", 1, 1, MAX_TILES);
  c->max_tiles = get_integer (s, "max_dynamic_patch", 6, 1, MAX_TILES);
  if (c->min_tiles > c->max_tiles)
    refuse (s, MINIVL_ERROR_FILE, "min_dynamic_patch", "is %u, more than max_dynamic_patch %u", c->min_tiles, c->max_tiles);
}

guint
vision_head_dim (const VisionConfig *c)
{
  return c->hidden / c->heads;
}

guint
language_head_dim (const LanguageConfig *c)
{
  return c->hidden / c->heads;
}

guint
model_tile_tokens (const ModelConfig *c)
{
  guint side = c->tile_side / c->vision.patch_size / c->shuffle;

  return side * side;
}

guint
model_select_layer (const ModelConfig *c)
{
  return c->select_layer >= 0 ? (guint)c->select_layer : c->vision.layers + 1 + c->select_layer;
}

/* Everything of an object that is one. */
static void
read_model (JsonObject *root, const gchar *name, guint context, ModelConfig *c, GString *unknown, GError **error)
{
  Section s = { .object = root, .prefix = "", .file = name, .error = error, .unknown = unknown };
  Section vision, language;

  check_names (&s, "InternVLChatModel", "internvl_chat");
  get_section (&s, "vision_config", "vision_config.", &vision);
  get_section (&s, "llm_config", "llm_config.", &language);
  check_keys (&s, model_keys);
  check_keys (&vision, vision_keys);
  check_keys (&language, language_keys);
  if (*error != NULL)
    return;
  read_vision (&vision, &c->vision);
  read_language (&language, &c->language, context);
  if (*error != NULL)
    return;
  read_tiles (&s, c);
  /* The language model's own decides: this one is transformers' default for the whole. */
  get_boolean (&s, "tie_word_embeddings", FALSE);
  if (*error == NULL && !is_set (&s, "template"))
    refuse (&s, MINIVL_ERROR_FILE, "template", "is missing");
  c->template = g_strdup (get_string (&s, "template", NULL));
}

static gboolean
take_object (ModelConfig *config, JsonObject *root, const gchar *name, guint context, GError **error)
{
  g_autoptr (GString) unknown = g_string_new (NULL);
  GError *failure = NULL;
  ModelConfig c = { 0 };

  read_model (root, name, context, &c, unknown, &failure);
  if (failure != NULL) {
    g_propagate_error (error, failure);
    model_config_clear (&c);
    return FALSE;
  }
  if (unknown->len > 0)
    g_warning ("%s: keys that minivl does not know, ignored: %s", name, unknown->str);
  *config = c;
  return TRUE;
}

gboolean
model_config_parse (ModelConfig *config, const gchar *json, gssize length, const gchar *name, guint context, GError **error)
{
  g_autoptr (JsonObject) root = strict_json_parse (json, length < 0 ? strlen (json) : (gsize)length, name, error);

  return root != NULL && take_object (config, root, name, context, error);
}

gboolean
model_config_load (ModelConfig *config, const gchar *path, guint context, GError **error)
{
  g_autoptr (JsonObject) root = strict_json_load (path, error);

  return root != NULL && take_object (config, root, path, context, error);
}

void
model_config_clear (ModelConfig *config)
{
  g_clear_pointer (&config->language.short_factor, g_free);
  g_clear_pointer (&config->language.long_factor, g_free);
  g_clear_pointer (&config->template, g_free);
}

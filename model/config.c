/* config.json: what the reference's configuration classes make of it, and refusal of what this model does not do. */
#include "config.h"
#include "section.h"
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

/* --- keys ------------------------------------------------------------------------------------------------------------------- */

typedef enum
{
  MODEL = 1,
  VISION = 2,
  LANGUAGE = 4,
  ROPE = 8,
  ALL = 15,
} Part;

typedef enum
{
  READ,    /* below */
  OFF,     /* null, false, 0 or empty: anything else asks for something that is not implemented */
  IGNORED, /* no influence on the logits: training, generation, and what transformers writes into every configuration, nested ones
              too */
} Use;

/* The first row that has key and part decides; what is in no row is warned of. */
static const struct
{
  const gchar *key;
  guint parts;
  Use use;
} keys[] = {
  { "add_cross_attention", ALL, OFF },
  { "architectures", MODEL | VISION | LANGUAGE, READ },
  { "attention_bias", ALL, OFF },
  { "attention_dropout", ALL, IGNORED },
  { "attention_factor", ROPE, READ },
  { "attn_implementation", ALL, IGNORED },
  { "_attn_implementation", ALL, IGNORED },
  { "_attn_implementation_autoset", ALL, IGNORED },
  { "_attn_implementation_internal", ALL, IGNORED },
  { "auto_map", ALL, IGNORED },
  { "bad_words_ids", ALL, IGNORED },
  { "begin_suppress_tokens", ALL, IGNORED },
  { "bos_token_id", LANGUAGE, READ },
  { "bos_token_id", ALL, IGNORED },
  { "chunk_size_feed_forward", ALL, IGNORED },
  { "_commit_hash", ALL, IGNORED },
  { "cross_attention_hidden_size", ALL, OFF },
  { "decoder_start_token_id", ALL, IGNORED },
  { "diversity_penalty", ALL, IGNORED },
  { "do_sample", ALL, IGNORED },
  { "downsample_ratio", MODEL, READ },
  { "drop_path_rate", ALL, IGNORED },
  { "dropout", ALL, IGNORED },
  { "dtype", ALL, IGNORED },
  { "dynamic_image_size", ALL, IGNORED },
  { "early_stopping", ALL, IGNORED },
  { "embd_pdrop", ALL, IGNORED },
  { "encoder_no_repeat_ngram_size", ALL, IGNORED },
  { "eos_token_id", LANGUAGE, READ },
  { "eos_token_id", ALL, IGNORED },
  { "_experts_implementation_internal", ALL, IGNORED },
  { "exponential_decay_length_penalty", ALL, IGNORED },
  { "factor", ROPE, READ },
  { "finetuning_task", ALL, IGNORED },
  { "force_image_size", MODEL, READ },
  { "forced_bos_token_id", ALL, IGNORED },
  { "forced_eos_token_id", ALL, IGNORED },
  { "head_dim", LANGUAGE, READ },
  { "hidden_act", VISION | LANGUAGE, READ },
  { "hidden_size", VISION | LANGUAGE, READ },
  { "hidden_size", MODEL, IGNORED },
  { "id2label", ALL, IGNORED },
  { "image_fold", ALL, OFF },
  { "image_size", VISION, READ },
  { "initializer_factor", ALL, IGNORED },
  { "initializer_range", ALL, IGNORED },
  { "intermediate_size", VISION | LANGUAGE, READ },
  { "is_composition", ALL, IGNORED },
  { "is_decoder", ALL, IGNORED },
  { "is_encoder_decoder", ALL, OFF },
  { "label2id", ALL, IGNORED },
  { "layer_norm_eps", VISION, READ },
  { "length_penalty", ALL, IGNORED },
  { "llm_config", MODEL, READ },
  { "lm_head_bias", ALL, OFF },
  { "long_factor", ROPE, READ },
  { "long_mscale", ALL, OFF },
  { "max_dynamic_patch", MODEL, READ },
  { "max_length", ALL, IGNORED },
  { "max_position_embeddings", LANGUAGE, READ },
  { "min_dynamic_patch", MODEL, READ },
  { "min_length", ALL, IGNORED },
  { "mlp_bias", ALL, OFF },
  { "model_type", MODEL | VISION | LANGUAGE, READ },
  { "_name_or_path", ALL, IGNORED },
  { "no_repeat_ngram_size", ALL, IGNORED },
  { "norm_type", VISION, READ },
  { "num_attention_heads", VISION | LANGUAGE, READ },
  { "num_beam_groups", ALL, IGNORED },
  { "num_beams", ALL, IGNORED },
  { "num_channels", VISION, READ },
  { "num_hidden_layers", VISION | LANGUAGE, READ },
  { "num_key_value_heads", LANGUAGE, READ },
  { "num_return_sequences", ALL, IGNORED },
  { "original_max_position_embeddings", LANGUAGE | ROPE, READ },
  { "output_attentions", ALL, IGNORED },
  { "_output_attentions", ALL, IGNORED },
  { "output_hidden_states", ALL, IGNORED },
  { "output_scores", ALL, IGNORED },
  { "pad2square", ALL, OFF },
  { "pad_token_id", ALL, IGNORED },
  { "partial_rotary_factor", LANGUAGE | ROPE, READ },
  { "patch_size", VISION, READ },
  { "_post_init_done", ALL, IGNORED },
  { "prefix", ALL, IGNORED },
  { "problem_type", ALL, IGNORED },
  { "pruned_heads", ALL, OFF },
  { "ps_version", MODEL, READ },
  { "qk_normalization", VISION, READ },
  { "qkv_bias", VISION, READ },
  { "quantization_config", ALL, OFF },
  { "remove_invalid_values", ALL, IGNORED },
  { "repetition_penalty", ALL, IGNORED },
  { "resid_pdrop", ALL, IGNORED },
  { "return_dict", ALL, IGNORED },
  { "return_dict_in_generate", ALL, IGNORED },
  { "rms_norm_eps", LANGUAGE, READ },
  { "rope_parameters", LANGUAGE, READ },
  { "rope_scaling", LANGUAGE, READ },
  { "rope_theta", LANGUAGE | ROPE, READ },
  { "rope_type", ROPE, READ },
  { "select_layer", MODEL, READ },
  { "sep_token_id", ALL, IGNORED },
  { "short_factor", ROPE, READ },
  { "short_mscale", ALL, OFF },
  { "sliding_window", LANGUAGE, READ },
  { "suppress_tokens", ALL, IGNORED },
  { "task_specific_params", ALL, IGNORED },
  { "temperature", ALL, IGNORED },
  { "template", MODEL, READ },
  { "tf_legacy_loss", ALL, IGNORED },
  { "tie_encoder_decoder", ALL, OFF },
  { "tie_word_embeddings", MODEL | LANGUAGE, READ },
  { "tie_word_embeddings", ALL, IGNORED },
  { "tokenizer_class", ALL, IGNORED },
  { "top_k", ALL, IGNORED },
  { "top_p", ALL, IGNORED },
  { "torch_dtype", ALL, IGNORED },
  { "torchscript", ALL, IGNORED },
  { "transformers_version", ALL, IGNORED },
  { "type", ROPE, READ },
  { "typical_p", ALL, IGNORED },
  { "use_backbone_lora", ALL, OFF },
  { "use_bfloat16", ALL, IGNORED },
  { "use_cache", ALL, IGNORED },
  { "use_flash_attn", ALL, IGNORED },
  { "use_llm_lora", ALL, OFF },
  { "use_thumbnail", MODEL, READ },
  { "vision_config", MODEL, READ },
  { "vocab_size", LANGUAGE, READ },
};

static void
check_keys (const Section *s, Part part)
{
  JsonObjectIter iter;
  const gchar *key;
  JsonNode *node;

  if (*s->error != NULL)
    return;
  json_object_iter_init_ordered (&iter, s->object);
  while (json_object_iter_next_ordered (&iter, &key, &node)) {
    guint row = 0;

    while (row < G_N_ELEMENTS (keys) && !((keys[row].parts & part) && strcmp (keys[row].key, key) == 0))
      row++;
    if (row == G_N_ELEMENTS (keys))
      g_string_append_printf (s->unknown, "%s%s%s", s->unknown->len > 0 ? ", " : "", s->prefix, key);
    else if (keys[row].use == OFF && !json_is_off (node))
      section_refuse_value (s, key, "only models without it");
  }
}

static void
check_names (const Section *s, const gchar *architecture, const gchar *model_type)
{
  JsonNode *node = section_member (s, "architectures");

  if (*s->error != NULL)
    return;
  if (node != NULL) {
    JsonArray *list = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
    JsonNode *first = list != NULL && json_array_get_length (list) == 1 ? json_array_get_element (list, 0) : NULL;

    if (first == NULL || json_node_get_value_type (first) != G_TYPE_STRING)
      section_refuse_type (s, "architectures", "a list of one name");
    else if (strcmp (json_node_get_string (first), architecture) != 0)
      section_refuse_value (s, "architectures", architecture);
  }
  if (strcmp (section_string (s, "model_type", model_type), model_type) != 0)
    section_refuse_value (s, "model_type", model_type);
}

/* --- the three parts -------------------------------------------------------------------------------------------------------- */

static void
check_heads (const Section *s, guint hidden, guint heads)
{
  guint head_dim = hidden / heads;

  if (hidden % heads != 0)
    section_refuse (s, MINIVL_ERROR_FILE, "num_attention_heads", "is %u, which does not divide hidden_size %u", heads, hidden);
  else if (head_dim % HEAD_DIM_STEP != 0 || head_dim > MAX_HEAD_DIM)
    section_refuse (s, MINIVL_ERROR_MODEL, "hidden_size",
        "%u / num_attention_heads %u is %u; minivl knows multiples of %u up to %u", hidden, heads, head_dim, HEAD_DIM_STEP,
        MAX_HEAD_DIM);
}

static void
read_vision (const Section *s, VisionConfig *c)
{
  const gchar *norm;

  check_names (s, "InternVisionModel", "intern_vit_6b");
  c->hidden = section_need_integer (s, "hidden_size", MAX_WIDTH);
  c->heads = section_need_integer (s, "num_attention_heads", MAX_WIDTH);
  c->intermediate = section_need_integer (s, "intermediate_size", MAX_INTERMEDIATE);
  c->layers = section_need_integer (s, "num_hidden_layers", MAX_LAYERS);
  c->image_size = section_need_integer (s, "image_size", MAX_SIDE);
  c->patch_size = section_need_integer (s, "patch_size", MAX_SIDE);
  c->qkv_bias = section_boolean (s, "qkv_bias", FALSE);
  c->qk_normalization = section_boolean (s, "qk_normalization", TRUE);
  c->eps = section_number (s, "layer_norm_eps", 1e-6, 1e-30, 1);
  norm = section_string (s, "norm_type", "rms_norm");
  c->rms_norm = strcmp (norm, "rms_norm") == 0;
  if (!c->rms_norm && strcmp (norm, "layer_norm") != 0)
    section_refuse_value (s, "norm_type", "layer_norm and rms_norm");
  if (strcmp (section_string (s, "hidden_act", "gelu"), "gelu") != 0)
    section_refuse_value (s, "hidden_act", "gelu");
  if (section_integer (s, "num_channels", 3, 1, MAX_WIDTH) != 3)
    section_refuse_value (s, "num_channels", "3");
  if (c->image_size < c->patch_size)
    section_refuse (s, MINIVL_ERROR_FILE, "image_size", "is %u, less than patch_size %u", c->image_size, c->patch_size);
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
    section_refuse (s, MINIVL_ERROR_FILE, key, node == NULL ? "is missing" : "is no list of numbers");
    return NULL;
  }
  if (json_array_get_length (list) != n) {
    section_refuse (
        s, MINIVL_ERROR_FILE, key, "has %u numbers; half of a head's dimensions are %u", json_array_get_length (list), n);
    return NULL;
  }
  for (guint i = 0; i < n; i++) {
    JsonNode *element = json_array_get_element (list, i);

    factors[i] = json_is_number (element) ? json_node_get_double (element) : NAN;
    if (!(factors[i] >= MIN_FACTOR && factors[i] <= MAX_FACTOR)) {
      g_autofree gchar *text = json_value_text (element);

      section_refuse (
          s, MINIVL_ERROR_FILE, key, "has %s as number %u; it must be a number from %g to %g", text, i, MIN_FACTOR, MAX_FACTOR);
      return NULL;
    }
  }
  return g_steal_pointer (&factors);
}

/* The kind under one of the two keys that name it. FALSE: it is not there. */
static gboolean
read_rope_kind (const Section *s, const gchar *key, RopeKind *kind)
{
  static const struct
  {
    const gchar *type;
    RopeKind kind;
  } kinds[] = { { "default", ROPE_PLAIN }, { "su", ROPE_SU }, { "longrope", ROPE_SU }, { "yarn", ROPE_YARN } };
  const gchar *type = section_string (s, key, NULL);

  if (type == NULL)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (strcmp (type, kinds[i].type) == 0) {
      *kind = kinds[i].kind;
      return TRUE;
    }
  section_refuse_value (s, key, "default, su, longrope and yarn");
  return TRUE;
}

/* What follows from the rest may be said as well. */
static void
check_implied (const Section *s, const gchar *key, double implied)
{
  double value = section_number (s, key, implied, -G_MAXDOUBLE, G_MAXDOUBLE);

  if (fabs (value - implied) > 1e-6 * implied)
    section_refuse (s, MINIVL_ERROR_MODEL, key, "is %g; minivl knows only what the positions make it, %g", value, implied);
}

/* A number that may be in either object, or in both. */
static void
check_said_twice (const Section *outer, const Section *s, const gchar *key, double inner)
{
  double value = section_number (outer, key, inner, -G_MAXDOUBLE, G_MAXDOUBLE);

  if (section_member (s, key) != NULL && value != inner)
    section_refuse (s, MINIVL_ERROR_FILE, key, "is %g, and %s%s is %g", inner, outer->prefix, key, value);
}

/* One object that describes the embedding: rope_scaling, which transformers 5 calls rope_parameters and puts more into. */
static void
read_rope_object (const Section *from, const gchar *name, const gchar *prefix, LanguageConfig *c)
{
  Section s;
  RopeKind other;
  gboolean typed;
  double scale;

  section_open (from, name, prefix, &s);
  check_keys (&s, ROPE);
  c->rope_theta = section_number (&s, "rope_theta", c->rope_theta, 1, 1e12);
  check_said_twice (from, &s, "rope_theta", c->rope_theta);
  c->original_max_position = section_integer (&s, "original_max_position_embeddings", c->original_max_position, 2, MAX_POSITION);
  check_said_twice (from, &s, "original_max_position_embeddings", c->original_max_position);
  if (section_number (&s, "partial_rotary_factor", 1, 0, 1) != 1)
    section_refuse_value (&s, "partial_rotary_factor", "1");
  typed = read_rope_kind (&s, "type", &c->rope);
  other = c->rope;
  if (read_rope_kind (&s, "rope_type", &other) && typed && other != c->rope)
    section_refuse (&s, MINIVL_ERROR_FILE, "rope_type", "is another than type, %s", section_string (&s, "type", ""));
  c->rope = other;
  if (*s.error != NULL)
    return;
  if (!typed && section_member (&s, "rope_type") == NULL
      && (section_member (&s, "short_factor") != NULL || section_member (&s, "long_factor") != NULL))
    section_refuse (&s, MINIVL_ERROR_FILE, "type", "is missing");
  scale = c->rope != ROPE_PLAIN ? (double)c->max_position / c->original_max_position : 1;
  check_implied (&s, "factor", scale);
  check_implied (&s, "attention_factor", rope_attention_factor (c));
  if (c->rope == ROPE_PLAIN)
    return;
  if (section_member (from, "original_max_position_embeddings") == NULL
      && section_member (&s, "original_max_position_embeddings") == NULL)
    section_refuse (from, MINIVL_ERROR_FILE, "original_max_position_embeddings", "is missing; %s needs it", name);
  c->short_factor = read_factors (&s, "short_factor", language_head_dim (c) / 2);
  c->long_factor = read_factors (&s, "long_factor", language_head_dim (c) / 2);
}

static gboolean
is_same_rope (const LanguageConfig *a, const LanguageConfig *b)
{
  gsize bytes = language_head_dim (a) / 2 * sizeof (double);

  return a->rope == b->rope && a->rope_theta == b->rope_theta && a->original_max_position == b->original_max_position
         && (a->rope == ROPE_PLAIN
             || (memcmp (a->short_factor, b->short_factor, bytes) == 0 && memcmp (a->long_factor, b->long_factor, bytes) == 0));
}

static void
read_rope (const Section *s, LanguageConfig *c)
{
  LanguageConfig other;

  c->rope = ROPE_PLAIN;
  c->rope_theta = section_number (s, "rope_theta", 10000, 1, 1e12);
  c->original_max_position = section_integer (s, "original_max_position_embeddings", c->max_position, 2, MAX_POSITION);
  other = *c;
  if (section_member (s, "rope_scaling") != NULL)
    read_rope_object (s, "rope_scaling", "llm_config.rope_scaling.", c);
  if (section_member (s, "rope_parameters") == NULL)
    return;
  read_rope_object (s, "rope_parameters", "llm_config.rope_parameters.", &other);
  if (*s->error == NULL && section_member (s, "rope_scaling") != NULL && !is_same_rope (c, &other))
    section_refuse (s, MINIVL_ERROR_FILE, "rope_parameters", "says something else than rope_scaling");
  g_free (c->short_factor);
  g_free (c->long_factor);
  *c = other;
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
    missing = section_integer (s, key, missing, 0, vocab - 1);
  for (guint i = 0; list != NULL && i < json_array_get_length (list); i++) {
    JsonNode *element = json_array_get_element (list, i);
    gint64 id = json_is_integer (element) ? json_node_get_int (element) : -1;

    if (id < 0 || id >= vocab)
      section_refuse_type (s, key, "a token id, or a list of them");
    else if (i == 0)
      missing = id;
  }
  if (list != NULL && json_array_get_length (list) == 0)
    section_refuse_type (s, key, "a token id, or a list of them");
  if (*s->error == NULL && missing >= (gint64)vocab)
    section_refuse (s, MINIVL_ERROR_FILE, key, "is missing, and the default %d is no id below vocab_size %u", missing, vocab);
  return missing;
}

static void
read_language (const Section *s, LanguageConfig *c, guint context)
{
  guint head_dim;
  gint64 window;

  if (section_member (s, "architectures") == NULL && section_member (s, "model_type") == NULL)
    section_refuse (s, MINIVL_ERROR_FILE, "architectures", "is missing, and so is model_type");
  check_names (s, "Phi3ForCausalLM", "phi3");
  c->hidden = section_need_integer (s, "hidden_size", MAX_WIDTH);
  c->heads = section_need_integer (s, "num_attention_heads", MAX_WIDTH);
  c->kv_heads = section_member (s, "num_key_value_heads") ? section_need_integer (s, "num_key_value_heads", MAX_WIDTH) : c->heads;
  c->intermediate = section_need_integer (s, "intermediate_size", MAX_INTERMEDIATE);
  c->layers = section_need_integer (s, "num_hidden_layers", MAX_LAYERS);
  c->vocab = section_need_integer (s, "vocab_size", MAX_VOCAB);
  c->max_position = section_need_integer (s, "max_position_embeddings", MAX_POSITION);
  c->eps = section_number (s, "rms_norm_eps", 1e-5, 1e-30, 1);
  c->tied = section_boolean (s, "tie_word_embeddings", FALSE);
  c->bos = read_token (s, "bos_token_id", 1, c->vocab);
  c->eos = read_token (s, "eos_token_id", 32000, c->vocab);
  check_heads (s, c->hidden, c->heads);
  if (c->heads % c->kv_heads != 0)
    section_refuse (
        s, MINIVL_ERROR_FILE, "num_key_value_heads", "is %u, which does not divide num_attention_heads %u", c->kv_heads, c->heads);
  if (c->intermediate % GLU_STEP != 0)
    section_refuse (s, MINIVL_ERROR_MODEL, "intermediate_size", "is %u; minivl knows multiples of %u", c->intermediate, GLU_STEP);
  head_dim = language_head_dim (c);
  if (section_member (s, "head_dim") && section_integer (s, "head_dim", head_dim, 1, MAX_WIDTH) != head_dim)
    section_refuse (s, MINIVL_ERROR_MODEL, "head_dim", "is not hidden_size / num_attention_heads, %u", head_dim);
  if (strcmp (section_string (s, "hidden_act", "silu"), "silu") != 0)
    section_refuse_value (s, "hidden_act", "silu");
  if (section_number (s, "partial_rotary_factor", 1, 0, 1) != 1)
    section_refuse_value (s, "partial_rotary_factor", "1");
  window = section_member (s, "sliding_window") ? section_integer (s, "sliding_window", G_MAXINT64, 1, G_MAXINT64) : G_MAXINT64;
  if (window < context)
    section_refuse (s, MINIVL_ERROR_MODEL, "sliding_window",
        "is %" G_GINT64_FORMAT
        ", less than the context of %u tokens; windows are not known: use a context of at most %" G_GINT64_FORMAT,
        window, context, window);
  c->window = MIN (window, G_MAXUINT);
  read_rope (s, c);
}

static void
read_tiles (const Section *s, ModelConfig *c)
{
  const gchar *version;
  double ratio = section_number (s, "downsample_ratio", 0.5, 1.0 / MAX_SHUFFLE, 1);
  guint grid;

  c->shuffle = lround (1 / ratio);
  if (fabs (c->shuffle * ratio - 1) > 1e-9)
    section_refuse_value (s, "downsample_ratio", "1 / n for whole n");
  c->tile_side =
      section_member (s, "force_image_size") ? section_need_integer (s, "force_image_size", MAX_SIDE) : c->vision.image_size;
  grid = c->tile_side / c->vision.patch_size;
  if (c->tile_side % c->vision.patch_size != 0)
    section_refuse (s, MINIVL_ERROR_MODEL, "force_image_size", "(or vision_config.image_size) is %u, no multiple of patch_size %u",
        c->tile_side, c->vision.patch_size);
  else if (grid % c->shuffle != 0)
    section_refuse (s, MINIVL_ERROR_MODEL, "downsample_ratio", "is 1 / %u, which does not divide a tile of %u x %u patches",
        c->shuffle, grid, grid);
  version = section_string (s, "ps_version", "v1");
  c->ps_v1 = strcmp (version, "v1") == 0;
  if (!c->ps_v1 && strcmp (version, "v2") != 0)
    section_refuse_value (s, "ps_version", "v1 and v2");
  c->select_layer = section_integer (s, "select_layer", -1, -(gint64)c->vision.layers - 1, c->vision.layers);
  c->use_thumbnail = section_boolean (s, "use_thumbnail", FALSE);
  c->min_tiles = section_integer (s, "min_dynamic_patch", 1, 1, MAX_TILES);
  c->max_tiles = section_integer (s, "max_dynamic_patch", 6, 1, MAX_TILES);
  if (c->min_tiles > c->max_tiles)
    section_refuse (s, MINIVL_ERROR_FILE, "min_dynamic_patch", "is %u, more than max_dynamic_patch %u", c->min_tiles, c->max_tiles);
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

double
rope_attention_factor (const LanguageConfig *c)
{
  double scale = c->rope == ROPE_PLAIN ? 1 : (double)c->max_position / c->original_max_position;

  if (scale <= 1)
    return 1;
  return c->rope == ROPE_SU ? sqrt (1 + log (scale) / log (c->original_max_position)) : 0.1 * log (scale) + 1;
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
  section_open (&s, "vision_config", "vision_config.", &vision);
  section_open (&s, "llm_config", "llm_config.", &language);
  check_keys (&s, MODEL);
  check_keys (&vision, VISION);
  check_keys (&language, LANGUAGE);
  if (*error != NULL)
    return;
  read_vision (&vision, &c->vision);
  read_language (&language, &c->language, context);
  if (*error != NULL)
    return;
  read_tiles (&s, c);
  /* The language model's own decides: this one is transformers' default for the whole. */
  section_boolean (&s, "tie_word_embeddings", FALSE);
  if (*error == NULL && section_member (&s, "template") == NULL)
    section_refuse (&s, MINIVL_ERROR_FILE, "template", "is missing");
  c->template = g_strdup (section_string (&s, "template", NULL));
}

static gboolean
take_object (ModelConfig *config, JsonObject *root, const gchar *name, guint context, gboolean warn, GError **error)
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
  if (unknown->len > 0 && warn)
    g_warning ("%s: keys that minivl does not know, ignored: %s", name, unknown->str);
  *config = c;
  return TRUE;
}

gboolean
model_config_parse (ModelConfig *config, const gchar *json, gssize length, const gchar *name, guint context, GError **error)
{
  g_autoptr (JsonObject) root = strict_json_parse (json, length < 0 ? strlen (json) : (gsize)length, name, error);

  return root != NULL && take_object (config, root, name, context, TRUE, error);
}

gboolean
model_config_load (ModelConfig *config, const gchar *path, guint context, GError **error)
{
  g_autoptr (JsonObject) root = strict_json_load (path, error);

  return root != NULL && take_object (config, root, path, context, TRUE, error);
}

gboolean
model_config_peek (ModelConfig *config, const gchar *path, guint context, GError **error)
{
  g_autoptr (JsonObject) root = strict_json_load (path, error);

  return root != NULL && take_object (config, root, path, context, FALSE, error);
}

void
model_config_clear (ModelConfig *config)
{
  g_clear_pointer (&config->language.short_factor, g_free);
  g_clear_pointer (&config->language.long_factor, g_free);
  g_clear_pointer (&config->template, g_free);
}

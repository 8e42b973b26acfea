/* config.json: what is read, what is assumed when it is missing, and every refusal with the key in its message. */
#include "model/config.h"

#include <string.h>

#define CONTEXT 8192
#define VISION "\"patch_size\": 14," /* where keys are put into the parts of small/config.json */
#define LANGUAGE "\"vocab_size\": 32020,"
#define ARCHITECTURE(indent, name) "\"architectures\": [\n    " indent "\"" name "\"\n  " indent "]"
#define MODEL "\"use_thumbnail\": true,"

static gchar *
read_data (const gchar *file)
{
  g_autofree gchar *path = g_build_filename (TEST_DATA, file, NULL);
  g_autoptr (GError) error = NULL;
  gchar *text;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  return text;
}

/* small/config.json with one place changed */
static gchar *
mutate (const gchar *find, const gchar *replacement)
{
  g_autofree gchar *text = read_data ("small/config.json");
  gchar *at = strstr (text, find);

  if (at == NULL)
    g_error ("no \"%s\" in small/config.json", find);
  *at = '\0';
  return g_strconcat (text, replacement, at + strlen (find), NULL);
}

static void
parse (ModelConfig *config, const gchar *text)
{
  g_autoptr (GError) error = NULL;

  model_config_parse (config, text, -1, "FILE", CONTEXT, &error);
  g_assert_no_error (error);
}

/* --- refusals ---------------------------------------------------------------------------------------------------------------- */

typedef struct
{
  const gchar *name, *find, *replacement, *expected;
  MinivlError code;
} Refusal;

#define F MINIVL_ERROR_FILE
#define M MINIVL_ERROR_MODEL

static const Refusal refusals[] = {
  { "broken", "\"llm_config\": {", "\"llm_config\": ", "FILE: line ", F },
  { "twice", "\"hidden_size\": 64,", "\"hidden_size\": 64, \"hidden_size\": 64,", "\"hidden_size\" is there twice", F },
  { "nan", "\"rope_theta\": 10000.0", "\"rope_theta\": NaN", "FILE: line ", F },
  { "huge", "\"hidden_size\": 64,", "\"hidden_size\": 123456789012345678901,", "does not fit", F },
  /* missing */
  { "no-vision", "\"vision_config\"", "\"unknown\"", "vision_config is missing", F },
  { "no-language", "\"llm_config\"", "\"unknown\"", "llm_config is missing", F },
  { "no-vision-hidden", "\"hidden_size\": 64,", "", "vision_config.hidden_size is missing", F },
  { "no-vision-intermediate", "\"intermediate_size\": 160,", "", "vision_config.intermediate_size is missing", F },
  { "no-image-size", "\"image_size\": 112,", "", "vision_config.image_size is missing", F },
  { "no-patch-size", "\"patch_size\": 14,", "", "vision_config.patch_size is missing", F },
  { "no-language-hidden", "\"hidden_size\": 96,", "", "llm_config.hidden_size is missing", F },
  { "no-language-intermediate", "\"intermediate_size\": 224,", "", "llm_config.intermediate_size is missing", F },
  { "no-vocab", "\"vocab_size\": 32020,", "", "llm_config.vocab_size is missing", F },
  { "no-max-position", "\"max_position_embeddings\": 131072,", "", "llm_config.max_position_embeddings is missing", F },
  { "no-original-position", "\"original_max_position_embeddings\": 4096,", "",
      "llm_config.original_max_position_embeddings is missing; rope_scaling needs it", F },
  { "no-template", "\"template\": \"phi3-chat\",", "", "template is missing", F },
  { "no-rope-type", "\"type\": \"su\",", "", "llm_config.rope_scaling.type is missing", F },
  { "no-short-factor", "\"short_factor\"", "\"type2\"", "llm_config.rope_scaling.short_factor is missing", F },
  { "no-long-factor", "\"long_factor\"", "\"type2\"", "llm_config.rope_scaling.long_factor is missing", F },
  /* types and bounds */
  { "vision-is-list", "\"vision_config\": {", "\"vision_config\": [], \"unknown\": {", "vision_config is []; it must be an object",
      F },
  { "rope-is-list", "\"rope_scaling\": {", "\"rope_scaling\": [1], \"unknown\": {", "llm_config.rope_scaling is [1]; it must be",
      F },
  { "hidden-zero", "\"hidden_size\": 64,", "\"hidden_size\": 0,", "vision_config.hidden_size is 0; it must be an integer from 1",
      F },
  { "hidden-negative", "\"hidden_size\": 96,", "\"hidden_size\": -96,", "llm_config.hidden_size is -96; it must be", F },
  { "hidden-string", "\"hidden_size\": 96,", "\"hidden_size\": \"96\",", "llm_config.hidden_size is \"96\"; it must be", F },
  { "hidden-number", "\"hidden_size\": 96,", "\"hidden_size\": 96.0,", "llm_config.hidden_size is 96.0; it must be", F },
  { "hidden-null", "\"hidden_size\": 96,", "\"hidden_size\": null,", "llm_config.hidden_size is missing", F },
  { "hidden-list", "\"hidden_size\": 96,", "\"hidden_size\": [96],", "llm_config.hidden_size is [96]; it must be", F },
  { "hidden-too-large", "\"hidden_size\": 96,", "\"hidden_size\": 65537,", "llm_config.hidden_size is 65537; it must be", F },
  { "intermediate-not-by-four", "\"intermediate_size\": 224", "\"intermediate_size\": 222",
      "llm_config.intermediate_size is 222; minivl knows multiples of 4", M },
  { "intermediate-too-large", "\"intermediate_size\": 224", "\"intermediate_size\": 1048577", "intermediate_size is 1048577", F },
  { "layers-too-many", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1025", "num_hidden_layers is 1025", F },
  { "heads-zero", "\"num_attention_heads\": 2", "\"num_attention_heads\": 0", "num_attention_heads is 0; it must be", F },
  { "vocab-too-large", "\"vocab_size\": 32020", "\"vocab_size\": 1048577", "llm_config.vocab_size is 1048577", F },
  { "image-too-large", "\"image_size\": 112", "\"image_size\": 4112", "vision_config.image_size is 4112", F },
  { "tile-too-large", "\"force_image_size\": 112", "\"force_image_size\": 4480", "force_image_size is 4480; it must be", F },
  { "tile-zero", "\"force_image_size\": 112", "\"force_image_size\": 0", "force_image_size is 0; it must be", F },
  { "patch-too-large", "\"patch_size\": 14", "\"patch_size\": 113", "vision_config.image_size is 112, less than patch_size 113",
      F },
  { "boolean-is-integer", "\"qkv_bias\": true", "\"qkv_bias\": 1", "vision_config.qkv_bias is 1; it must be true or false", F },
  { "thumbnail-is-string", MODEL, "\"use_thumbnail\": \"yes\",", "use_thumbnail is \"yes\"; it must be true or false", F },
  { "tied-is-string", "\"tie_word_embeddings\": false,", "\"tie_word_embeddings\": \"no\",",
      "llm_config.tie_word_embeddings is \"no\"", F },
  { "eps-zero", "\"layer_norm_eps\": 1e-06", "\"layer_norm_eps\": 0", "vision_config.layer_norm_eps is 0; it must be a number", F },
  { "eps-string", "\"rms_norm_eps\": 1e-05", "\"rms_norm_eps\": \"small\"", "llm_config.rms_norm_eps is \"small\"", F },
  { "theta-negative", "\"rope_theta\": 10000.0", "\"rope_theta\": -1", "llm_config.rope_theta is -1; it must be a number", F },
  { "template-is-list", "\"template\": \"phi3-chat\"", "\"template\": []", "template is []; it must be a string", F },
  { "select-too-low", "\"select_layer\": -1", "\"select_layer\": -4", "select_layer is -4; it must be an integer from -3 to 2", F },
  { "select-too-high", "\"select_layer\": -1", "\"select_layer\": 3", "select_layer is 3; it must be an integer from -3 to 2", F },
  { "min-over-max", "\"min_dynamic_patch\": 1", "\"min_dynamic_patch\": 13",
      "min_dynamic_patch is 13, more than max_dynamic_patch 12", F },
  { "max-too-many", "\"max_dynamic_patch\": 12", "\"max_dynamic_patch\": 129", "max_dynamic_patch is 129; it must be", F },
  { "eos-beyond-vocab", "\"eos_token_id\": 32000", "\"eos_token_id\": 32020", "llm_config.eos_token_id is 32020; it must be", F },
  { "eos-empty", "\"eos_token_id\": 32000", "\"eos_token_id\": []", "llm_config.eos_token_id is []; it must be a token id", F },
  { "eos-list-of-strings", "\"eos_token_id\": 32000", "\"eos_token_id\": [1, \"2\"]", "llm_config.eos_token_id is [1,\"2\"]", F },
  { "bos-negative", "\"bos_token_id\": 1", "\"bos_token_id\": -1", "llm_config.bos_token_id is -1; it must be", F },
  { "original-position-one", "\"original_max_position_embeddings\": 4096", "\"original_max_position_embeddings\": 1",
      "llm_config.original_max_position_embeddings is 1", F },
  { "factors-short", "\"short_factor\": [\n        1.0,", "\"short_factor\": [",
      "short_factor has 23 numbers; half of a head's dimensions are 24", F },
  { "factors-long", "\"long_factor\": [", "\"long_factor\": [1,", "long_factor has 25 numbers", F },
  { "factor-zero", "1.0137", "0", "llm_config.rope_scaling.short_factor has 0 as number 1; it must be a number from 0.001 to 1e+06",
      F },
  { "factor-negative", "2.2196", "-2", "llm_config.rope_scaling.long_factor has -2 as number 1; it must be a number", F },
  { "factor-tiny", "1.0137", "1e-310", "short_factor has 9.9999999999999694e-311 as number 1; it must be a number", F },
  { "factor-small", "2.2196", "0.0009765625", "long_factor has 0.0009765625 as number 1; it must be a number", F },
  { "factor-large", "2.2196", "1000001", "long_factor has 1000001 as number 1; it must be a number", F },
  { "factor-string", "1.0137", "\"1\"", "short_factor has \"1\" as number 1", F },
  { "factor-null", "1.0137", "null", "short_factor has null as number 1", F },
  { "factors-object", "\"short_factor\": [", "\"short_factor\": {}, \"unknown\": [", "short_factor is no list of numbers", F },
  { "architectures-is-string", "\"architectures\": [\n    \"InternVLChatModel\"\n  ],", "\"architectures\": \"InternVLChatModel\",",
      "architectures is \"InternVLChatModel\"; it must be a list", F },
  /* relations */
  { "vision-heads", "\"num_attention_heads\": 2", "\"num_attention_heads\": 3",
      "vision_config.num_attention_heads is 3, which does not divide hidden_size 64", F },
  { "kv-heads", "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3",
      "llm_config.num_key_value_heads is 3, which does not divide num_attention_heads 2", F },
  { "vision-head-dim-step", "\"num_attention_heads\": 2", "\"num_attention_heads\": 16",
      "vision_config.hidden_size 64 / num_attention_heads 16 is 4", M },
  { "language-head-dim-large", "\"hidden_size\": 96", "\"hidden_size\": 272",
      "llm_config.hidden_size 272 / num_attention_heads 2 is 136", M },
  { "head-dim-other", LANGUAGE, LANGUAGE "\"head_dim\": 32,", "llm_config.head_dim is not hidden_size / num_attention_heads, 48",
      M },
  { "tile-no-multiple", "\"force_image_size\": 112", "\"force_image_size\": 120", "is 120, no multiple of patch_size 14", M },
  { "shuffle-no-divisor", "\"force_image_size\": 112", "\"force_image_size\": 98",
      "downsample_ratio is 1 / 2, which does not divide", M },
  { "window-small", "\"sliding_window\": null", "\"sliding_window\": 8191",
      "llm_config.sliding_window is 8191, less than the context of 8192", M },
  { "window-zero", "\"sliding_window\": null", "\"sliding_window\": 0", "llm_config.sliding_window is 0; it must be", F },
  { "window-string", "\"sliding_window\": null", "\"sliding_window\": \"big\"", "llm_config.sliding_window is \"big\"; it must be",
      F },
  { "rope-types-differ", "\"type\": \"su\",", "\"type\": \"su\", \"rope_type\": \"yarn\",", "rope_type is another than type, su",
      F },
  /* values not understood */
  { "architecture", "\"InternVLChatModel\"", "\"LlavaModel\"", "architectures is [\"LlavaModel\"], which minivl does not know", M },
  { "vision-architecture", "\"InternVisionModel\"", "\"CLIPVisionModel\"", "vision_config.architectures is [\"CLIPVisionModel\"]",
      M },
  { "language-architecture", "\"Phi3ForCausalLM\"", "\"InternLM2ForCausalLM\"",
      "llm_config.architectures is [\"InternLM2ForCausalLM\"]", M },
  { "model-type", "\"internvl_chat\"", "\"llava\"", "model_type is \"llava\", which minivl does not know; it knows internvl_chat",
      M },
  { "vision-model-type", "\"intern_vit_6b\"", "\"clip\"", "vision_config.model_type is \"clip\"", M },
  { "language-model-type", "\"phi3\"", "\"llama\"", "llm_config.model_type is \"llama\"", M },
  { "vision-act", "\"hidden_act\": \"gelu\"", "\"hidden_act\": \"gelu_new\"", "vision_config.hidden_act is \"gelu_new\"", M },
  { "language-act", "\"hidden_act\": \"silu\"", "\"hidden_act\": \"gelu\"", "llm_config.hidden_act is \"gelu\"", M },
  { "norm-type", "\"norm_type\": \"layer_norm\"", "\"norm_type\": \"batch_norm\"", "vision_config.norm_type is \"batch_norm\"", M },
  { "channels", VISION, VISION "\"num_channels\": 1,", "vision_config.num_channels is 1, which minivl does not know; it knows 3",
      M },
  { "ps-version", "\"ps_version\": \"v2\"", "\"ps_version\": \"v3\"", "ps_version is \"v3\", which minivl does not know", M },
  { "ratio", "\"downsample_ratio\": 0.5", "\"downsample_ratio\": 0.4", "downsample_ratio is 0.4", M },
  { "ratio-zero", "\"downsample_ratio\": 0.5", "\"downsample_ratio\": 0", "downsample_ratio is 0; it must be a number", F },
  { "ratio-above-one", "\"downsample_ratio\": 0.5", "\"downsample_ratio\": 2", "downsample_ratio is 2; it must be a number", F },
  { "rope-type", "\"type\": \"su\"", "\"type\": \"linear\"",
      "llm_config.rope_scaling.type is \"linear\", which minivl does not know", M },
  { "rope-type-number", "\"type\": \"su\"", "\"type\": 3", "llm_config.rope_scaling.type is 3; it must be a string", F },
  { "rope-factor", "\"type\": \"su\",", "\"type\": \"su\", \"factor\": 16,", "llm_config.rope_scaling.factor is 16", M },
  { "rope-plain-factor", "\"type\": \"su\",", "\"type\": \"default\", \"factor\": 32,", "llm_config.rope_scaling.factor is 32", M },
  { "rope-untyped-factor", "\"rope_scaling\": {", "\"rope_scaling\": {\"factor\": 2}, \"id2label\": {", "rope_scaling.factor is 2",
      M },
  { "rope-theta-twice", "\"type\": \"su\",", "\"type\": \"su\", \"rope_theta\": 20000,",
      "rope_scaling.rope_theta is 20000, and llm_config.rope_theta is 10000", F },
  { "rope-position-twice", "\"type\": \"su\",", "\"type\": \"su\", \"original_max_position_embeddings\": 2048,",
      "rope_scaling.original_max_position_embeddings is 2048, and llm_config.original_max_position_embeddings is 4096", F },
  { "rope-partial", "\"type\": \"su\",", "\"type\": \"su\", \"partial_rotary_factor\": 0.5,",
      "rope_scaling.partial_rotary_factor is 0.5, which minivl does not know", M },
  { "rope-parameters-type", "\"rope_scaling\": {", "\"rope_parameters\": {\"rope_type\": \"linear\"}, \"rope_scaling\": {",
      "llm_config.rope_parameters.rope_type is \"linear\", which minivl does not know", M },
  { "rope-attention-factor", "\"type\": \"su\",", "\"type\": \"su\", \"attention_factor\": 1.2,",
      "rope_scaling.attention_factor is 1.2", M },
  { "rope-mscale", "\"type\": \"su\",", "\"type\": \"su\", \"short_mscale\": 1.2,", "llm_config.rope_scaling.short_mscale is 1.2",
      M },
  { "rope-parameters", LANGUAGE, LANGUAGE "\"rope_parameters\": {\"a\": 1},",
      "llm_config.rope_parameters says something else than rope_scaling", F },
  { "square", "\"pad2square\": false", "\"pad2square\": true", "pad2square is true, which minivl does not know", M },
  { "backbone-lora", "\"use_backbone_lora\": 0", "\"use_backbone_lora\": 16", "use_backbone_lora is 16", M },
  { "language-lora", "\"use_llm_lora\": 0", "\"use_llm_lora\": 16", "use_llm_lora is 16", M },
  { "fold", "\"image_fold\": null", "\"image_fold\": 2", "image_fold is 2", M },
  { "attention-bias", LANGUAGE, LANGUAGE "\"attention_bias\": true,", "llm_config.attention_bias is true", M },
  { "mlp-bias", LANGUAGE, LANGUAGE "\"mlp_bias\": true,", "llm_config.mlp_bias is true", M },
  { "head-bias", LANGUAGE, LANGUAGE "\"lm_head_bias\": true,", "llm_config.lm_head_bias is true", M },
  { "partial-rotary", LANGUAGE, LANGUAGE "\"partial_rotary_factor\": 0.75,", "llm_config.partial_rotary_factor is 0.75", M },
  { "pruned", VISION, VISION "\"pruned_heads\": {\"0\": [1]},", "vision_config.pruned_heads is {\"0\":[1]}", M },
  { "quantized", MODEL, MODEL "\"quantization_config\": {\"bits\": 4},", "quantization_config is {\"bits\":4}", M },
  { "quantized-language", LANGUAGE, LANGUAGE "\"quantization_config\": {\"bits\": 4},", "llm_config.quantization_config is", M },
};

static void
test_refused (gconstpointer data)
{
  const Refusal *r = data;
  g_autofree gchar *text = mutate (r->find, r->replacement);
  ModelConfig config = { .tile_side = 77 };
  g_autoptr (GError) error = NULL;

  g_assert_false (model_config_parse (&config, text, -1, "FILE", CONTEXT, &error));
  g_assert_error (error, MINIVL_ERROR, (gint)r->code);
  g_assert_true (g_str_has_prefix (error->message, "FILE: "));
  if (strstr (error->message, r->expected) == NULL)
    g_error ("\"%s\" lacks \"%s\"", error->message, r->expected);
  g_assert_cmpuint (config.tile_side, ==, 77);
}

/* --- what is read ------------------------------------------------------------------------------------------------------------ */

static void
test_small_is_read (void)
{
  g_autofree gchar *path = g_build_filename (TEST_DATA, "small", "config.json", NULL);
  g_autoptr (GError) error = NULL;
  ModelConfig c;

  model_config_load (&c, path, CONTEXT, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (c.vision.hidden, ==, 64);
  g_assert_cmpuint (c.vision.heads, ==, 2);
  g_assert_cmpuint (c.vision.intermediate, ==, 160);
  g_assert_cmpuint (c.vision.layers, ==, 2);
  g_assert_cmpuint (c.vision.image_size, ==, 112);
  g_assert_cmpuint (c.vision.patch_size, ==, 14);
  g_assert_true (c.vision.qkv_bias);
  g_assert_false (c.vision.qk_normalization);
  g_assert_false (c.vision.rms_norm);
  g_assert_cmpfloat (c.vision.eps, ==, 1e-6f);
  g_assert_cmpuint (c.language.hidden, ==, 96);
  g_assert_cmpuint (c.language.heads, ==, 2);
  g_assert_cmpuint (c.language.kv_heads, ==, 2);
  g_assert_cmpuint (c.language.intermediate, ==, 224);
  g_assert_cmpuint (c.language.layers, ==, 2);
  g_assert_cmpuint (c.language.vocab, ==, 32020);
  g_assert_cmpuint (c.language.max_position, ==, 131072);
  g_assert_cmpuint (c.language.original_max_position, ==, 4096);
  g_assert_cmpfloat (c.language.eps, ==, 1e-5f);
  g_assert_cmpfloat (c.language.rope_theta, ==, 10000.0);
  g_assert_cmpint (c.language.rope, ==, ROPE_SU);
  g_assert_cmpfloat (c.language.short_factor[23], ==, 1.3426);
  g_assert_cmpfloat (c.language.long_factor[23], ==, 26.6186);
  g_assert_false (c.language.tied);
  g_assert_cmpint (c.language.bos, ==, 1);
  g_assert_cmpint (c.language.eos, ==, 32000);
  g_assert_cmpuint (c.tile_side, ==, 112);
  g_assert_cmpuint (c.shuffle, ==, 2);
  g_assert_false (c.ps_v1);
  g_assert_cmpint (c.select_layer, ==, -1);
  g_assert_cmpstr (c.template, ==, "phi3-chat");
  g_assert_true (c.use_thumbnail);
  g_assert_cmpuint (c.min_tiles, ==, 1);
  g_assert_cmpuint (c.max_tiles, ==, 12);
  g_assert_cmpuint (vision_head_dim (&c.vision), ==, 32);
  g_assert_cmpuint (language_head_dim (&c.language), ==, 48);
  g_assert_cmpuint (model_tile_tokens (&c), ==, 16);
  g_assert_cmpuint (model_select_layer (&c), ==, 2);
  model_config_clear (&c);
  model_config_clear (&c);
}

/* The keys of the public 4B checkpoint, all that transformers writes beside them included: not one is warned of. Its RoPE factors
 * are made up. */
static void
test_public_checkpoint_is_read_without_a_warning (void)
{
  g_autofree gchar *text = read_data ("public-config.json");
  ModelConfig c;

  parse (&c, text);
  g_assert_cmpuint (c.vision.hidden, ==, 1024);
  g_assert_cmpuint (c.vision.layers, ==, 24);
  g_assert_cmpuint (c.language.hidden, ==, 3072);
  g_assert_cmpuint (c.language.layers, ==, 32);
  g_assert_cmpuint (vision_head_dim (&c.vision), ==, 64);
  g_assert_cmpuint (language_head_dim (&c.language), ==, 96);
  g_assert_cmpuint (model_tile_tokens (&c), ==, 256);
  g_assert_false (c.language.tied);
  g_assert_cmpint (c.language.eos, ==, 32000);
  g_assert_cmpuint (c.max_tiles, ==, 12);
  model_config_clear (&c);
}

/* What is written for the other 4B checkpoints, by transformers 4.48 to 5 and by SWIFT. */
static void
test_configurations_of_tools_are_read_without_a_warning (void)
{
  static const struct
  {
    const gchar *file;
    RopeKind rope;
  } rows[] = { { "internvl2-4b", ROPE_SU }, { "mini-internvl2-4b-da", ROPE_SU }, { "swift-transformers-4.48", ROPE_SU },
    { "transformers-4.57", ROPE_SU }, { "transformers-5", ROPE_SU }, { "transformers-5-default", ROPE_PLAIN } };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree gchar *file = g_strdup_printf ("configs/%s.json", rows[i].file), *text = read_data (file);
    ModelConfig c;

    parse (&c, text);
    g_assert_cmpint (c.language.rope, ==, rows[i].rope);
    g_assert_cmpuint (c.language.original_max_position, ==, 4096);
    g_assert_cmpuint (c.language.max_position, ==, rows[i].rope == ROPE_SU ? 131072 : 4096);
    g_assert_cmpfloat (c.language.rope_theta, ==, 10000);
    if (rows[i].rope == ROPE_SU)
      g_assert_cmpfloat (c.language.long_factor[47], ==, 63.51);
    g_assert_cmpuint (c.vision.layers, ==, 24);
    g_assert_cmpuint (model_tile_tokens (&c), ==, 256);
    g_assert_cmpint (c.language.eos, ==, 32000);
    model_config_clear (&c);
  }
}

/* The language model's kind is in one of the two. */
static void
test_language_model_of_no_kind_is_refused (void)
{
  g_autofree gchar *text = mutate (ARCHITECTURE ("  ", "Phi3ForCausalLM") ",", "");
  gchar *at = strstr (text, "\"model_type\": \"phi3\"");
  g_autoptr (GError) error = NULL;
  ModelConfig c;

  memcpy (at, "\"_name_or_path\": \"\" ", strlen ("\"model_type\": \"phi3\""));
  g_assert_false (model_config_parse (&c, text, -1, "FILE", CONTEXT, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE);
  g_assert_cmpstr (error->message, ==, "FILE: llm_config.architectures is missing, and so is model_type");
}

/* The defaults of InternVLChatConfig, InternVisionConfig and Phi3Config. */
static void
test_missing_keys_have_the_reference_defaults (void)
{
  static const gchar text[] =
      "{\"template\": \"phi3-chat\", \"vision_config\": {\"hidden_size\": 3200, \"num_attention_heads\": 25, "
      "\"intermediate_size\": "
      "12800, \"num_hidden_layers\": 48, \"image_size\": 448, \"patch_size\": 14}, \"llm_config\": {\"architectures\": "
      "[\"Phi3ForCausalLM\"], \"hidden_size\": 3072, \"num_attention_heads\": 32, \"intermediate_size\": 8192, "
      "\"num_hidden_layers\": 32, \"vocab_size\": 32064, \"max_position_embeddings\": 4096}}";
  ModelConfig c;

  parse (&c, text);
  g_assert_false (c.vision.qkv_bias);
  g_assert_true (c.vision.qk_normalization);
  g_assert_true (c.vision.rms_norm);
  g_assert_cmpfloat (c.vision.eps, ==, 1e-6f);
  g_assert_cmpuint (c.language.kv_heads, ==, 32);
  g_assert_cmpuint (c.language.original_max_position, ==, 4096);
  g_assert_cmpfloat (c.language.eps, ==, 1e-5f);
  g_assert_cmpfloat (c.language.rope_theta, ==, 10000.0);
  g_assert_cmpint (c.language.rope, ==, ROPE_PLAIN);
  g_assert_null (c.language.short_factor);
  g_assert_false (c.language.tied);
  g_assert_cmpint (c.language.bos, ==, 1);
  g_assert_cmpint (c.language.eos, ==, 32000);
  g_assert_cmpuint (c.tile_side, ==, 448);
  g_assert_cmpuint (c.shuffle, ==, 2);
  g_assert_true (c.ps_v1);
  g_assert_cmpint (c.select_layer, ==, -1);
  g_assert_false (c.use_thumbnail);
  g_assert_cmpuint (c.min_tiles, ==, 1);
  g_assert_cmpuint (c.max_tiles, ==, 6);
  model_config_clear (&c);
}

/* --- variants: one row, one change and the field it shows in ---------------------------------------------------------------- */

typedef struct
{
  const gchar *name, *find, *replacement;
  double (*field) (const ModelConfig *c);
  double expected;
} Variant;

#define FIELD(name, expression)                                                                                                    \
  static double name (const ModelConfig *c)                                                                                        \
  {                                                                                                                                \
    return expression;                                                                                                             \
  }

FIELD (get_rms_norm, c->vision.rms_norm)
FIELD (get_qkv_bias, c->vision.qkv_bias)
FIELD (get_qk_normalization, c->vision.qk_normalization)
FIELD (get_vision_eps, (float)c->vision.eps == 0.25f)
FIELD (get_ps_v1, c->ps_v1)
FIELD (get_select, model_select_layer (c))
FIELD (get_tile_side, c->tile_side)
FIELD (get_tokens, model_tile_tokens (c))
FIELD (get_shuffle, c->shuffle)
FIELD (get_kv_heads, c->language.kv_heads)
FIELD (get_rope, c->language.rope)
FIELD (get_theta, c->language.rope_theta)
FIELD (get_original, c->language.original_max_position)
FIELD (get_tied, c->language.tied)
FIELD (get_bos, c->language.bos)
FIELD (get_eos, c->language.eos)
FIELD (get_min_tiles, c->min_tiles)
FIELD (get_thumbnail, c->use_thumbnail)

static const Variant variants[] = {
  { "rms-norm", "\"norm_type\": \"layer_norm\"", "\"norm_type\": \"rms_norm\"", get_rms_norm, TRUE },
  { "no-qkv-bias", "\"qkv_bias\": true", "\"qkv_bias\": false", get_qkv_bias, FALSE },
  { "qk-normalization", "\"qk_normalization\": false", "\"qk_normalization\": true", get_qk_normalization, TRUE },
  { "eps", "\"layer_norm_eps\": 1e-06", "\"layer_norm_eps\": 0.25", get_vision_eps, TRUE },
  { "eps-integer", "\"rope_theta\": 10000.0", "\"rope_theta\": 10000", get_shuffle, 2 },
  { "channels", VISION, VISION "\"num_channels\": 3,", get_shuffle, 2 },
  { "ps-v1", "\"ps_version\": \"v2\"", "\"ps_version\": \"v1\"", get_ps_v1, TRUE },
  { "select-last-but-one", "\"select_layer\": -1", "\"select_layer\": -2", get_select, 1 },
  { "select-embeddings", "\"select_layer\": -1", "\"select_layer\": -3", get_select, 0 },
  { "select-first", "\"select_layer\": -1", "\"select_layer\": 0", get_select, 0 },
  { "select-from-front", "\"select_layer\": -1", "\"select_layer\": 2", get_select, 2 },
  { "no-forced-size", "\"force_image_size\": 112", "\"force_image_size\": null", get_tile_side, 112 },
  { "forced-size", "\"force_image_size\": 112", "\"force_image_size\": 224", get_tokens, 64 },
  { "odd-side", "\"force_image_size\": 112", "\"force_image_size\": 84", get_tokens, 9 },
  { "no-shuffle", "\"downsample_ratio\": 0.5", "\"downsample_ratio\": 1", get_tokens, 64 },
  { "shuffle-4", "\"downsample_ratio\": 0.5", "\"downsample_ratio\": 0.25", get_shuffle, 4 },
  { "one-kv-head", "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 1", get_kv_heads, 1 },
  { "null-kv-heads", "\"num_key_value_heads\": 2", "\"num_key_value_heads\": null", get_kv_heads, 2 },
  { "head-dim", LANGUAGE, LANGUAGE "\"head_dim\": 48,", get_shuffle, 2 },
  { "yarn", "\"type\": \"su\"", "\"type\": \"yarn\"", get_rope, ROPE_YARN },
  { "longrope", "\"type\": \"su\"", "\"type\": \"longrope\"", get_rope, ROPE_SU },
  { "rope-type", "\"type\": \"su\"", "\"rope_type\": \"longrope\"", get_rope, ROPE_SU },
  { "rope-both", "\"type\": \"su\"", "\"type\": \"yarn\", \"rope_type\": \"yarn\"", get_rope, ROPE_YARN },
  { "rope-null-factor", "\"type\": \"su\"", "\"type\": \"su\", \"factor\": null", get_rope, ROPE_SU },
  { "su-and-longrope", "\"type\": \"su\"", "\"type\": \"su\", \"rope_type\": \"longrope\"", get_rope, ROPE_SU },
  { "rope-default", "\"type\": \"su\"", "\"rope_type\": \"default\"", get_rope, ROPE_PLAIN },
  { "rope-factor", "\"type\": \"su\"", "\"type\": \"longrope\", \"factor\": 32.0", get_rope, ROPE_SU },
  { "rope-attention-factor", "\"type\": \"su\"", "\"type\": \"su\", \"attention_factor\": 1.19023807142", get_rope, ROPE_SU },
  { "rope-parameters", "\"rope_scaling\": {", "\"rope_parameters\": {", get_rope, ROPE_SU },
  { "rope-parameters-default", "\"rope_scaling\": {",
      "\"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 10000}, \"id2label\": {", get_rope, ROPE_PLAIN },
  { "rope-parameters-theta", "\"rope_theta\": 10000.0,\n    \"rope_scaling\": {", "\"rope_parameters\": {\"rope_theta\": 5000, ",
      get_theta, 5000 },
  { "rope-parameters-empty", "\"rope_scaling\": {", "\"rope_parameters\": {}, \"id2label\": {", get_rope, ROPE_PLAIN },
  { "rope-position-inside",
      "\"original_max_position_embeddings\": 4096,\n    \"rms_norm_eps\": 1e-05,\n    \"rope_theta\": 10000.0,\n    "
      "\"rope_scaling\": {",
      "\"rope_scaling\": {\"original_max_position_embeddings\": 2048, ", get_original, 2048 },
  { "null-thumbnail", MODEL, "\"use_thumbnail\": null,", get_thumbnail, FALSE },
  { "null-version", "\"ps_version\": \"v2\"", "\"ps_version\": null", get_ps_v1, TRUE },
  { "null-theta", "\"rope_theta\": 10000.0", "\"rope_theta\": null", get_theta, 10000 },
  { "null-architecture", ARCHITECTURE ("", "InternVLChatModel"), "\"architectures\": null", get_shuffle, 2 },
  { "null-vision-architecture", ARCHITECTURE ("  ", "InternVisionModel"), "\"architectures\": null", get_shuffle, 2 },
  { "null-language-architecture", ARCHITECTURE ("  ", "Phi3ForCausalLM"), "\"architectures\": null", get_shuffle, 2 },
  { "no-language-architecture", ARCHITECTURE ("  ", "Phi3ForCausalLM") ",", "", get_shuffle, 2 },
  { "no-rope", "\"rope_scaling\": {", "\"rope_scaling\": null, \"id2label\": {", get_rope, ROPE_PLAIN },
  { "null-rope-type", "\"rope_scaling\": {", "\"rope_scaling\": {\"type\": null}, \"id2label\": {", get_rope, ROPE_PLAIN },
  { "tied", "\"tie_word_embeddings\": false,", "\"tie_word_embeddings\": true,", get_tied, TRUE },
  { "tied-by-the-whole", "\"tie_word_embeddings\": false\n}", "\"tie_word_embeddings\": true\n}", get_tied, FALSE },
  { "untied-by-default", "\"tie_word_embeddings\": false,", "", get_tied, FALSE },
  { "window-context", "\"sliding_window\": null", "\"sliding_window\": 8192", get_shuffle, 2 },
  { "window-real", "\"sliding_window\": null", "\"sliding_window\": 262144", get_shuffle, 2 },
  { "window-missing", "\"sliding_window\": null,", "", get_shuffle, 2 },
  { "eos-list", "\"eos_token_id\": 32000", "\"eos_token_id\": [32007, 32000]", get_eos, 32007 },
  { "no-eos", "\"eos_token_id\": 32000", "\"eos_token_id\": null", get_eos, -1 },
  { "bos", "\"bos_token_id\": 1", "\"bos_token_id\": 0", get_bos, 0 },
  { "min-tiles", "\"min_dynamic_patch\": 1", "\"min_dynamic_patch\": 12", get_min_tiles, 12 },
  { "no-thumbnail", MODEL, "\"use_thumbnail\": false,", get_thumbnail, FALSE },
  { "partial-rotary", LANGUAGE, LANGUAGE "\"partial_rotary_factor\": 1.0,", get_shuffle, 2 },
  { "bias-off", LANGUAGE, LANGUAGE "\"attention_bias\": false, \"mlp_bias\": false,", get_shuffle, 2 },
  { "lora-false", "\"use_llm_lora\": 0", "\"use_llm_lora\": false", get_shuffle, 2 },
  { "no-quantization", MODEL, MODEL "\"quantization_config\": null,", get_shuffle, 2 },
};

static void
test_variant (gconstpointer data)
{
  const Variant *v = data;
  g_autofree gchar *text = mutate (v->find, v->replacement);
  ModelConfig c;

  parse (&c, text);
  g_assert_cmpfloat (v->field (&c), ==, v->expected);
  model_config_clear (&c);
}

/* --- the rest ---------------------------------------------------------------------------------------------------------------- */

static void
test_unknown_keys_are_warned_of_once (void)
{
  g_autofree gchar *text = mutate (LANGUAGE, LANGUAGE "\"brand_new\": 1, \"newer\": [],");
  ModelConfig c;

  g_test_expect_message ("minivl", G_LOG_LEVEL_WARNING, "FILE: *ignored: llm_config.brand_new, llm_config.newer");
  parse (&c, text);
  g_test_assert_expected_messages ();
  model_config_clear (&c);
}

static void
test_default_eos_must_be_in_the_vocabulary (void)
{
  g_autofree gchar *text = mutate ("\"eos_token_id\": 32000,", "");
  gchar *at = strstr (text, "32020");
  g_autoptr (GError) error = NULL;
  ModelConfig c;

  memcpy (at, "  100", 5);
  g_assert_false (model_config_parse (&c, text, -1, "FILE", CONTEXT, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE);
  g_assert_nonnull (
      strstr (error->message, "llm_config.eos_token_id is missing, and the default 32000 is no id below vocab_size 100"));
}

static void
test_missing_file_is_named (void)
{
  g_autoptr (GError) error = NULL;
  ModelConfig c;

  g_assert_false (model_config_load (&c, "/nonexistent/config.json", CONTEXT, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE);
  g_assert_nonnull (strstr (error->message, "/nonexistent/config.json"));
}

static void
ignore (const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer user_data)
{
}

/* Random damage is an error or a configuration that can be computed with, and nothing else. */
static void
test_damage_does_no_harm (void)
{
  g_autofree gchar *text = read_data ("small/config.json");
  gsize length = strlen (text);
  guint handler = g_log_set_handler ("minivl", G_LOG_LEVEL_WARNING, ignore, NULL);
  GLogLevelFlags fatal = g_log_set_always_fatal (G_LOG_FATAL_MASK);
  guint read = 0, rounds = 3000;

  for (guint i = 0; i < rounds; i++) {
    g_autofree gchar *damaged = g_strdup (text);
    g_autoptr (GError) error = NULL;
    ModelConfig c;

    for (guint k = g_test_rand_int_range (1, 4); k > 0; k--)
      damaged[g_test_rand_int_range (0, length)] = "0123456789-\"{}[],:.eE \\utfnals\xff"[g_test_rand_int_range (0, 32)];
    if (model_config_parse (&c, damaged, g_test_rand_int_range (0, 8) > 0 ? (gssize)length : g_test_rand_int_range (0, length),
            "FILE", CONTEXT, &error)) {
      g_assert_no_error (error);
      g_assert_cmpuint (model_tile_tokens (&c), >, 0);
      g_assert_cmpuint (model_select_layer (&c), <=, c.vision.layers);
      g_assert_cmpuint (language_head_dim (&c.language) % 8, ==, 0);
      g_assert_cmpuint (c.language.heads % c.language.kv_heads, ==, 0);
      g_assert_nonnull (c.template);
      model_config_clear (&c);
      read++;
    } else {
      g_assert_true (error != NULL && error->domain == MINIVL_ERROR);
    }
  }
  g_log_set_always_fatal (fatal);
  g_log_remove_handler ("minivl", handler);
  g_test_message ("%u of %u were read", read, rounds);
  g_assert_cmpuint (read, >, 0);
  g_assert_cmpuint (read, <, rounds);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++) {
    g_autofree gchar *path = g_strconcat ("/config/refused/", refusals[i].name, NULL);

    g_test_add_data_func (path, &refusals[i], test_refused);
  }
  for (guint i = 0; i < G_N_ELEMENTS (variants); i++) {
    g_autofree gchar *path = g_strconcat ("/config/variant/", variants[i].name, NULL);

    g_test_add_data_func (path, &variants[i], test_variant);
  }
  g_test_add_func ("/config/small-is-read", test_small_is_read);
  g_test_add_func ("/config/public-checkpoint-is-read-without-a-warning", test_public_checkpoint_is_read_without_a_warning);
  g_test_add_func (
      "/config/configurations-of-tools-are-read-without-a-warning", test_configurations_of_tools_are_read_without_a_warning);
  g_test_add_func ("/config/language-model-of-no-kind-is-refused", test_language_model_of_no_kind_is_refused);
  g_test_add_func ("/config/missing-keys-have-the-reference-defaults", test_missing_keys_have_the_reference_defaults);
  g_test_add_func ("/config/unknown-keys-are-warned-of-once", test_unknown_keys_are_warned_of_once);
  g_test_add_func ("/config/default-eos-must-be-in-the-vocabulary", test_default_eos_must_be_in_the_vocabulary);
  g_test_add_func ("/config/missing-file-is-named", test_missing_file_is_named);
  g_test_add_func ("/config/damage-does-no-harm", test_damage_does_no_harm);
  return g_test_run ();
}

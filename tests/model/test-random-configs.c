/* What config.json may say runs: random configurations, and numbers in them changed at random. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "model/engine.h"
#include "synth.h"
#include "model/model_testing.h"

#define IMAGE_TOKEN 3
#define MOST_CONTEXT 256
#define MOST_WEIGHTS (4 << 20) /* what a changed configuration may have to be run */

static guint n_configs = 12;

#define ANY(...) any ((const gint[]){ __VA_ARGS__ }, sizeof ((const gint[]){ __VA_ARGS__ }) / sizeof (gint))

static gint
any (const gint *values, guint n)
{
  return values[g_test_rand_int_range (0, n)];
}

static gint
between (gint least, gint most)
{
  return g_test_rand_int_range (least, most + 1);
}

static const gchar *
truth (void)
{
  return g_test_rand_bit () ? "true" : "false";
}

/* --- configurations ---------------------------------------------------------------------------------------------------------- */

static guint
add_vision (GString *s)
{
  guint heads = between (1, 3), head_dim = 8 * between (1, 8), patch = between (1, 9), layers = between (1, 3);

  g_string_append_printf (s,
      "\"vision_config\": {\"hidden_size\": %u, \"num_attention_heads\": %u, \"intermediate_size\": %d, \"num_hidden_layers\": %u, "
      "\"image_size\": %d, \"patch_size\": %u, \"qkv_bias\": %s, \"qk_normalization\": %s, \"norm_type\": \"%s\", "
      "\"layer_norm_eps\": %s}, ",
      heads * head_dim, heads, between (1, 150), layers, between (patch, patch * 6), patch, truth (), truth (),
      g_test_rand_bit () ? "layer_norm" : "rms_norm", g_test_rand_bit () ? "1e-6" : "0.01");
  g_string_append_printf (s, "\"select_layer\": %d, ", between (-(gint)layers - 1, layers));
  return patch;
}

static void
add_factors (GString *s, const gchar *key, guint n)
{
  g_string_append_printf (s, ", \"%s\": [", key);
  for (guint i = 0; i < n; i++)
    g_string_append_printf (s, "%s%d.%02d", i ? ", " : "", between (1, 20), between (0, 99));
  g_string_append_c (s, ']');
}

static void
add_language (GString *s)
{
  static const gchar *const ropes[] = { NULL, "su", "longrope", "yarn" };
  guint heads = ANY (1, 2, 3, 4, 6), head_dim = 8 * between (1, 8), position = ANY (100, 256, 1000), vocab = between (8, 300);
  const gchar *rope = ropes[between (0, G_N_ELEMENTS (ropes) - 1)];
  guint kv_heads = heads;

  do
    kv_heads = between (1, heads);
  while (heads % kv_heads);
  g_string_append_printf (s,
      "\"llm_config\": {\"architectures\": [\"Phi3ForCausalLM\"], \"hidden_size\": %u, \"num_attention_heads\": %u, "
      "\"num_key_value_heads\": %u, \"intermediate_size\": %d, \"num_hidden_layers\": %d, \"vocab_size\": %u, "
      "\"max_position_embeddings\": %u, \"original_max_position_embeddings\": %d, \"rms_norm_eps\": %s, \"rope_theta\": %s, "
      "\"tie_word_embeddings\": %s, \"bos_token_id\": 1, \"eos_token_id\": %s, \"rope_scaling\": ",
      heads * head_dim, heads, kv_heads, 4 * between (1, 40), between (1, 3), vocab, position, ANY (2, 40, (gint)position),
      g_test_rand_bit () ? "1e-5" : "0.5", g_test_rand_bit () ? "10000.0" : "1", truth (), g_test_rand_bit () ? "2" : "null");
  if (rope) {
    g_string_append_printf (s, "{\"type\": \"%s\"", rope);
    add_factors (s, "short_factor", head_dim / 2);
    add_factors (s, "long_factor", head_dim / 2);
    g_string_append (s, "}}, ");
  } else
    g_string_append (s, "null}, ");
}

static gchar *
random_config (void)
{
  static const gchar *const ratios[] = { "1", "0.5", "0.3333333333333333", "0.25" };
  GString *s = g_string_new ("{");
  guint patch = add_vision (s), shuffle = between (1, 4), least = between (1, 3);

  add_language (s);
  g_string_append_printf (s,
      "\"downsample_ratio\": %s, \"force_image_size\": %u, \"ps_version\": \"%s\", \"use_thumbnail\": %s, \"min_dynamic_patch\": "
      "%u, "
      "\"max_dynamic_patch\": %d, \"template\": \"phi3-chat\"}",
      ratios[shuffle - 1], patch * shuffle * between (1, 7 - shuffle), g_test_rand_bit () ? "v1" : "v2", truth (), least,
      between (least, 12));
  return g_string_free (s, FALSE);
}

/* One number of the text is another, or none. */
static gchar *
changed_config (const gchar *text)
{
  static const gchar *const values[] = { "0", "1", "2", "3", "7", "12", "40", "-1", "2.5", "1e9", "65536", "null", "true", "\"x\"",
    "[]", "{}", "18446744073709551616" };
  g_autoptr (GRegex) number = g_regex_new ("(?<=[ \\[])-?[0-9][0-9.e-]*(?=[,}\\]])", 0, 0, NULL);
  g_autoptr (GMatchInfo) match = NULL;
  GString *s = g_string_new (NULL);
  gint n, start, end;

  g_regex_match (number, text, 0, &match);
  for (n = 0; g_match_info_matches (match); n++)
    g_match_info_next (match, NULL);
  g_clear_pointer (&match, g_match_info_free);
  g_assert_cmpint (n, >, 15);
  /* A list of factors would have most of the numbers. */
  n = between (0, MIN (n, 30) - 1);
  g_regex_match (number, text, 0, &match);
  for (; n > 0; n--)
    g_match_info_next (match, NULL);
  g_match_info_fetch_pos (match, 0, &start, &end);
  g_string_append_len (s, text, start);
  g_string_append (s, values[between (0, G_N_ELEMENTS (values) - 1)]);
  g_string_append (s, text + end);
  return g_string_free (s, FALSE);
}

/* --- a run ------------------------------------------------------------------------------------------------------------------- */

static MinivlPicture *
random_picture (MinivlEngine *engine)
{
  const MinivlFormat format = between (MINIVL_FORMAT_RGB, MINIVL_FORMAT_I420);
  guint width = between (1, 90), height = between (1, 90), row = 4 * width + between (0, 5);
  gsize bytes = (gsize)row * height;
  g_autofree guint8 *pixels = g_malloc (bytes);
  const MinivlImage image = { .data = { pixels, pixels, pixels },
    .width = width,
    .height = height,
    .stride = { row, row, row },
    .format = format,
    .matrix = between (MINIVL_MATRIX_BT601, MINIVL_MATRIX_BT2020),
    .crop_x = between (0, width - 1),
    .orientation = between (0, 8) };
  g_autoptr (GError) error = NULL;
  MinivlPicture *picture;

  for (gsize i = 0; i < bytes; i++)
    pixels[i] = g_test_rand_int ();
  picture = minivl_picture_new (engine, &image, between (1, 4), NULL, &error);
  g_assert_no_error (error);
  return picture;
}

static void
ask (MinivlEngine *engine, guint vocab, MinivlPicture *picture)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MinivlSession) session = minivl_session_new (engine, &error);
  MinivlParams params = MINIVL_PARAMS_INIT;
  MinivlPictureInfo info;
  g_auto (MinivlAnswer) answer = { 0 };
  gint32 ids[MOST_CONTEXT];
  guint n = between (1, 40), visual, context = engine->info.context_size;

  g_assert_no_error (error);
  params.max_tokens = between (1, 3);
  params.want_logits = TRUE;
  minivl_picture_get_info (picture, &info);
  visual = info.tiles * engine->info.tile_tokens;
  if (n + visual + params.max_tokens > context)
    visual = 0;
  for (guint i = 0; i < n + visual; i++)
    do
      ids[i] = i >= n / 2 && i < n / 2 + visual ? IMAGE_TOKEN : between (0, vocab - 1);
    while ((ids[i] == IMAGE_TOKEN) != (i >= n / 2 && i < n / 2 + visual));
  session_ask_ids (session, ids, n + visual, &picture, visual ? 1 : 0, &params, NULL, NULL, &answer, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (answer.n_logits, ==, vocab);
  for (guint i = 0; i < vocab; i++)
    g_assert_true (isfinite (answer.logits[i]));
  for (guint i = 0; i < answer.output_tokens; i++)
    g_assert_true (answer.token_ids[i] >= 0 && answer.token_ids[i] < vocab);
}

static void
run_config (ModelConfig *config)
{
  guint vocab = config->language.vocab;
  g_autoptr (TensorSet) set = synth_tensors (config, g_test_rand_int (), ANY (DTYPE_F32, DTYPE_F16, DTYPE_BF16));
  EngineParts parts = { .name = "random", .config = config, .tensors = set, .image_token = IMAGE_TOKEN, .end_token = 2 };
  MinivlEngineOptions options = { .precision = ANY (MINIVL_PRECISION_F32, MINIVL_PRECISION_F16),
    .context_size = MIN (MOST_CONTEXT, config->language.max_position) };
  g_autoptr (GError) error = NULL;
  g_autoptr (MinivlEngine) engine = engine_new (&parts, &options, &error);
  g_autoptr (MinivlPicture) picture = NULL;

  g_assert_no_error (error);
  picture = random_picture (engine);
  ask (engine, vocab, picture);
}

static void
test_what_is_accepted_runs (void)
{
  for (guint i = 0; i < n_configs; i++) {
    g_autofree gchar *text = random_config ();
    g_autoptr (GError) error = NULL;
    ModelConfig config = { 0 };

    g_test_message ("%s", text);
    model_config_parse (&config, text, -1, "random.json", MOST_CONTEXT, &error);
    g_assert_no_error (error);
    run_config (&config);
  }
}

static guint64
count_weights (const ModelConfig *config)
{
  g_autoptr (GPtrArray) list = NULL;
  guint64 n = 0;

  if (config->vision.layers + config->language.layers > 50)
    return G_MAXUINT64;
  list = synth_list (config, DTYPE_F32);
  for (guint i = 0; i < list->len; i++)
    n += tensor_elements (g_ptr_array_index (list, i));
  return n;
}

static void
test_what_is_changed_runs_or_is_refused (void)
{
  guint refused = 0, ran = 0;

  while (refused < n_configs * 4 || ran < n_configs / 3) {
    g_autofree gchar *text = random_config (), *changed = changed_config (text);
    g_autoptr (GError) error = NULL;
    ModelConfig config = { 0 };

    if (!model_config_parse (&config, changed, -1, "changed.json", MOST_CONTEXT, &error)) {
      g_assert_true (error && error->domain == MINIVL_ERROR && g_str_has_prefix (error->message, "changed.json: "));
      refused++;
    } else if (ran < n_configs / 3 && config.language.vocab > IMAGE_TOKEN + 1 && config.language.max_position > 50
               && config.tile_side <= 64 && count_weights (&config) <= MOST_WEIGHTS) {
      g_test_message ("%s", changed);
      run_config (&config);
      ran++;
    } else
      model_config_clear (&config);
  }
}

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
  if (argc > 1)
    n_configs = atoi (argv[1]);
  g_test_add_func ("/random-configs/what_is_accepted_runs", test_what_is_accepted_runs);
  g_test_add_func ("/random-configs/what_is_changed_runs_or_is_refused", test_what_is_changed_runs_or_is_refused);
  return g_test_run ();
}

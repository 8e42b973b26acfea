/* From a checkpoint folder to an engine. */
#include "device-error.h"
#include "known.h"

#include <string.h>

static gboolean
hash_file (GChecksum *sum, const gchar *folder, const gchar *name, GError **error)
{
  g_autofree gchar *path = g_build_filename (folder, name, NULL), *text = NULL;
  g_autoptr (GError) failure = NULL;
  gsize length;

  if (!g_file_get_contents (path, &text, &length, &failure)) {
    g_set_error_literal (error, MINIVL_ERROR, MINIVL_ERROR_FILE, failure->message);
    return FALSE;
  }
  g_checksum_update (sum, (const guchar *)text, length);
  return TRUE;
}

static gchar *
hash_model (const gchar *folder, const Tokenizer *tokenizer, const TensorSet *set, const Lora *lora, GError **error)
{
  static const gchar *const optional[] = { "conversation.py", "generation_config.json" };
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);

  if (!hash_file (sum, folder, "config.json", error))
    return NULL;
  for (guint i = 0; i < G_N_ELEMENTS (optional); i++) {
    g_autofree gchar *path = g_build_filename (folder, optional[i], NULL);

    if (g_file_test (path, G_FILE_TEST_EXISTS) && !hash_file (sum, folder, optional[i], error))
      return NULL;
  }
  tokenizer_checksum (tokenizer, sum);
  tensor_set_checksum (set, sum);
  if (lora)
    lora_checksum (lora, sum);
  return g_strdup (g_checksum_get_string (sum));
}

/* What the weights are converted from: its hash, and when the files were written. (transfer full) */
static gchar *
identify (const gchar *hash, const TensorSet *set, const Lora *lora)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);

  g_checksum_update (sum, (const guchar *)hash, strlen (hash));
  tensor_set_stamp (set, sum);
  if (lora)
    lora_stamp (lora, sum);
  return g_strdup (g_checksum_get_string (sum));
}

gboolean
minivl_engine_check (const MinivlEngineOptions *options, GError **error)
{
  g_autofree gchar *lora = NULL;
  double scale;

  if (!options->model_path) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_USAGE, "no checkpoint folder is given");
    return FALSE;
  }
  if (!g_file_test (options->model_path, G_FILE_TEST_IS_DIR)) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE,
        "%s is no folder: a checkpoint folder holds config.json, safetensors and tokenizer files", options->model_path);
    return FALSE;
  }
  return !options->lora || lora_parse (options->lora, &lora, &scale, error);
}

/* V1.5's card takes the fast one; InternVL2's, whose models differ in the system message, the slow one. */
static gboolean
wants_slow (MinivlTokenizer which, const ChatTemplate *template, const gchar *folder)
{
  return which == MINIVL_TOKENIZER_SLOW
         || (which == MINIVL_TOKENIZER_AUTO && chat_template_has_other_system (template) && tokenizer_has_model (folder));
}

MinivlPrecision
minivl_precision_find (const MinivlEngineOptions *options, GError **error)
{
  g_autofree gchar *config_path = NULL;
  g_autoptr (TensorSet) set = NULL;
  g_autoptr (Device) dev = NULL;
  g_auto (ModelConfig) config = { 0 };
  g_auto (Plan) plan = { 0 };
  GError *failure = NULL;

  if (!minivl_engine_check (options, error))
    return MINIVL_PRECISION_AUTO;
  config_path = g_build_filename (options->model_path, "config.json", NULL);
  if (!model_config_peek (&config, config_path, options->context_size, error))
    return MINIVL_PRECISION_AUTO;
  set = tensor_set_open (options->model_path, error);
  if (!set)
    return MINIVL_PRECISION_AUTO;
  dev = device_open (options->device, NULL, &failure);
  if (!dev || !plan_init (&plan, dev, &config, set, options, &failure))
    device_error_propagate (error, failure);
  return plan.precision;
}

MinivlEngine *
minivl_engine_open (const MinivlEngineOptions *options, GError **error)
{
  gint64 start = g_get_monotonic_time ();
  g_autofree gchar *config_path = NULL, *name = NULL, *folder = NULL, *hash = NULL, *source = NULL, *identity = NULL;
  g_autoptr (TensorSet) set = NULL;
  g_autoptr (Lora) lora = NULL;
  g_autoptr (Tokenizer) tokenizer = NULL;
  g_autoptr (ChatTemplate) template = NULL;
  g_auto (Generation) generation = { NULL };
  g_auto (ModelConfig) config = { 0 };
  EngineParts parts = { 0 };
  MinivlEngine *engine;

  if (!minivl_engine_check (options, error))
    return NULL;
  folder = g_canonicalize_filename (options->model_path, NULL);
  name = g_path_get_basename (folder);
  config_path = g_build_filename (folder, "config.json", NULL);

  if (!model_config_load (&config, config_path, options->context_size, error))
    return NULL;
  template = chat_template_new (config.template, folder, error);
  tokenizer = template ? tokenizer_load (folder, wants_slow (options->tokenizer, template, folder), error) : NULL;
  set = tokenizer ? tensor_set_open (folder, error) : NULL;
  if (!set || (options->lora && !(lora = lora_open (options->lora, &config.language, error))))
    return NULL;
  hash = hash_model (folder, tokenizer, set, lora, error);
  if (!hash || !generation_load (&generation, folder, config.language.vocab, error))
    return NULL;

  parts.name = name;
  parts.config = &config;
  parts.tensors = set;
  parts.lora = lora;
  source = lora ? g_strdup_printf ("%s with %s", folder, options->lora) : g_strdup (folder);
  identity = identify (hash, set, lora);
  parts.source = source;
  parts.identity = identity;
  parts.tokenizer = g_steal_pointer (&tokenizer);
  parts.template = g_steal_pointer (&template);
  parts.generation = generation;
  generation.stop_ids = NULL;
  engine = engine_new (&parts, options, error);
  if (engine) {
    engine->info.model_hash = engine->model_hash = g_steal_pointer (&hash);
    if (!known_answer_check (engine, folder, error))
      g_clear_pointer (&engine, minivl_engine_unref);
  }
  if (engine)
    engine->info.load_ns = (g_get_monotonic_time () - start) * 1000;
  return engine;
}

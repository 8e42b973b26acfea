/* From a checkpoint folder to an engine. */
#include "known.h"

static gchar *
hash_model (const gchar *config_path, const Tokenizer *tokenizer, const TensorSet *set, GError **error)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autoptr (GError) failure = NULL;
  g_autofree gchar *text = NULL;
  gsize length;

  if (!g_file_get_contents (config_path, &text, &length, &failure)) {
    g_set_error_literal (error, MINIVL_ERROR, MINIVL_ERROR_FILE, failure->message);
    return NULL;
  }
  g_checksum_update (sum, (const guchar *)text, length);
  tokenizer_checksum (tokenizer, sum);
  tensor_set_checksum (set, sum);
  return g_strdup (g_checksum_get_string (sum));
}

gboolean
minivl_engine_check (const MinivlEngineOptions *options, GError **error)
{
  if (!options->model_path) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_USAGE, "no checkpoint folder is given");
    return FALSE;
  }
  if (!g_file_test (options->model_path, G_FILE_TEST_IS_DIR)) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE,
        "%s is no folder: a checkpoint folder holds config.json, safetensors and tokenizer files", options->model_path);
    return FALSE;
  }
  return TRUE;
}

MinivlEngine *
minivl_engine_open (const MinivlEngineOptions *options, GError **error)
{
  guint context = options->context_size ? options->context_size : ENGINE_DEFAULT_CONTEXT;
  gint64 start = g_get_monotonic_time ();
  g_autofree gchar *config_path = NULL, *name = NULL, *folder = NULL, *hash = NULL;
  g_autoptr (TensorSet) set = NULL;
  g_autoptr (Tokenizer) tokenizer = NULL;
  ModelConfig config = { 0 };
  EngineParts parts = { 0 };
  MinivlEngine *engine;

  if (!minivl_engine_check (options, error))
    return NULL;
  folder = g_canonicalize_filename (options->model_path, NULL);
  name = g_path_get_basename (folder);
  config_path = g_build_filename (folder, "config.json", NULL);

  tokenizer = tokenizer_load (folder, error);
  if (!tokenizer)
    return NULL;
  set = tensor_set_open (folder, error);
  if (!set)
    return NULL;
  hash = hash_model (config_path, tokenizer, set, error);
  if (!hash || !model_config_load (&config, config_path, context, error))
    return NULL;

  parts.name = name;
  parts.config = &config;
  parts.tensors = set;
  parts.tokenizer = g_steal_pointer (&tokenizer);
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

#include "variant.h"

#include "synth.h"

MinivlEngine *
variant_open (const gchar *variant, guint context, GError **error)
{
  return variant_open_with_cache (variant, context, context, error);
}

MinivlEngine *
variant_open_with_cache (const gchar *variant, guint context, guint cache, GError **error)
{
  g_autofree gchar *path = g_build_filename (TEST_DATA, "variants", variant, "config.json", NULL);
  g_autoptr (TensorSet) set = NULL;
  ModelConfig config = { 0 };
  EngineParts parts = { .name = variant, .config = &config, .image_token = 3, .end_token = 2 };
  MinivlEngineOptions options = { .precision = MINIVL_PRECISION_F32, .context_size = context, .cache_size = cache };

  if (!model_config_load (&config, path, context, error))
    return NULL;
  parts.tensors = set = synth_tensors (&config, 7, DTYPE_BF16);
  return engine_new (&parts, &options, error);
}

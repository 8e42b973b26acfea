#include "variant.h"

#include "synth.h"

MinivlEngine *
variant_open (const gchar *variant, guint context, GError **error)
{
  g_autofree gchar *path = g_build_filename (TEST_DATA, "variants", variant, "config.json", NULL);
  g_autoptr (TensorSet) set = NULL;
  ModelConfig config = { 0 };
  EngineParts parts = { .name = variant, .config = &config, .image_token = 3, .end_token = 2 };
  MinivlEngineOptions options = { .precision = MINIVL_PRECISION_F32, .context_size = context };

  if (!model_config_load (&config, path, context, error))
    return NULL;
  parts.tensors = set = synth_tensors (&config, 7, DTYPE_BF16);
  return engine_new (&parts, &options, error);
}

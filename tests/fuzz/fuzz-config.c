/* config.json. What is accepted obeys what the rest of the model relies on. */
#include "model/config.h"
#include "parts.h"

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  fuzz_quiet ();
  return 0;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree gchar *text = g_memdup2 (data, size); /* of this size to the byte, unlike the fuzzer's own buffer */
  g_autoptr (GError) error = NULL;
  ModelConfig c = { 0 };
  guint side;

  if (!model_config_parse (&c, text ? text : "", size, "config.json", 0, &error)) {
    g_assert (error && error->domain == MINIVL_ERROR);
    return 0;
  }
  g_assert (!error && c.template);
  side = c.tile_side / c.vision.patch_size;
  g_assert (side * c.vision.patch_size == c.tile_side && side % c.shuffle == 0 && model_tile_tokens (&c) > 0);
  g_assert (model_select_layer (&c) <= c.vision.layers);
  g_assert (c.vision.hidden == vision_head_dim (&c.vision) * c.vision.heads);
  g_assert (c.language.hidden == language_head_dim (&c.language) * c.language.heads);
  g_assert (c.language.heads % c.language.kv_heads == 0);
  g_assert ((c.language.rope == ROPE_PLAIN) == (c.language.short_factor == NULL));
  g_assert (c.language.bos < (gint32)c.language.vocab && c.language.eos < (gint32)c.language.vocab);
  g_assert (c.min_tiles >= 1 && c.min_tiles <= c.max_tiles);
  for (guint i = 0; c.language.short_factor && i < language_head_dim (&c.language) / 2; i++)
    g_assert (c.language.short_factor[i] > 0 && c.language.long_factor[i] > 0);
  model_config_clear (&c);
  return 0;
}

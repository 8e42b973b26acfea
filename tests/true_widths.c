#include "true_widths.h"

#include "model/model_testing.h"
#include "synth.h"
#include "vk/vk.h"

ModelConfig
true_widths (guint vision_layers, guint language_layers)
{
  return (ModelConfig){
    .vision = { .hidden = 1024,
        .heads = 16,
        .intermediate = 4096,
        .layers = vision_layers,
        .image_size = 448,
        .patch_size = 14,
        .qkv_bias = TRUE,
        .eps = 1e-6f },
    .language = { .hidden = 3072,
        .heads = 32,
        .kv_heads = 32,
        .intermediate = 8192,
        .layers = language_layers,
        .vocab = 32020,
        .max_position = 131072,
        .original_max_position = 4096,
        .window = G_MAXUINT,
        .eps = 1e-5f,
        .rope_theta = 10000,
        .rope = ROPE_PLAIN,
        .bos = 1,
        .eos = -1 },
    .tile_side = 448,
    .shuffle = 2,
    .select_layer = -1,
    .use_thumbnail = TRUE,
    .min_tiles = 1,
    .max_tiles = 12,
  };
}

/* Names and shapes, which are all that planning looks at. */
static TensorSet *
tensors_without_data (const ModelConfig *config)
{
  g_autoptr (GPtrArray) list = synth_list (config, DTYPE_BF16);
  TensorSet *set = tensor_set_new ();

  for (guint i = 0; i < list->len; i++) {
    const TensorInfo *t = g_ptr_array_index (list, i);

    tensor_set_add (set, t->name, t->dtype, t->n_dims, t->shape, NULL);
  }
  return set;
}

guint
true_step_dispatches (Device *dev, MinivlPrecision precision, guint sequences, guint keys, GError **error)
{
  const MinivlEngineOptions options = { .precision = precision, .context_size = keys, .cache_size = sequences * keys };
  const ModelConfig config = true_widths (TRUE_VISION_LAYERS, TRUE_LANGUAGE_LAYERS);
  g_autoptr (TensorSet) tensors = tensors_without_data (&config);
  g_autoptr (OpStream) survey = op_survey_new (dev);
  g_auto (Plan) plan = { 0 };

  if (!plan_init (&plan, dev, &config, tensors, &options, error))
    return 0;
  language_survey_step (plan.language, survey, sequences, keys);
  return op_survey_variants (survey, error) ? op_stream_dispatches (survey) : 0;
}

#include "plan.h"

#include <string.h>

#include "sizes.h"

const gchar *
precision_name (MinivlPrecision precision)
{
  static const gchar *const names[] = { [MINIVL_PRECISION_AUTO] = "auto",
    [MINIVL_PRECISION_F32] = "f32",
    [MINIVL_PRECISION_F16] = "f16",
    [MINIVL_PRECISION_Q8] = "q8",
    [MINIVL_PRECISION_Q4] = "q4" };

  return names[precision];
}

/* Conversations of so many tokens, and so many of them in the cache. */
static void
plan_tokens (Plan *plan, Device *dev, const ModelConfig *config, MinivlCachePrecision cache_precision, guint context, guint cache)
{
  KvType wide = plan->precision == MINIVL_PRECISION_F32 ? KV_F32 : KV_F16;

  language_free (plan->language);
  kv_pool_free (plan->kv);
  plan->context_size = context;
  plan->cache_size = cache;
  plan->kv = kv_pool_new (dev, &config->language, cache, cache_precision == MINIVL_CACHE_PRECISION_Q8 ? KV_INT8 : wide);
  plan->language = language_new (dev, config, plan->weights, plan->kv, context);
}

static gboolean
plan_precision (Plan *plan, Device *dev, const ModelConfig *config, const TensorSet *tensors, MinivlPrecision precision,
    const MinivlEngineOptions *options, GError **error)
{
  guint context = options->context_size ? options->context_size : sizes_wanted_context (&config->language);

  *plan = (Plan){ .precision = precision };
  plan->weights = weights_new (dev, config, tensors, precision, error);
  if (!plan->weights) {
    plan->precision = MINIVL_PRECISION_AUTO;
    return FALSE;
  }
  plan->vision = vision_new (dev, config, plan->weights);
  plan_tokens (plan, dev, config, options->cache_precision, context, MAX (context, options->cache_size));
  return TRUE;
}

/* Sizes that are not asked for, as they fit. */
static void
plan_sizes (Plan *plan, Device *dev, const ModelConfig *config, const MinivlEngineOptions *options)
{
  const gchar *type = device_info (dev)->type;
  PlanBytes bytes = plan_bytes (plan);
  const SizesMemory memory = {
    .total = device_memory_total (dev, ARENA_DEVICE),
    .left = device_memory_left (dev, ARENA_DEVICE),
    .is_host = g_str_equal (type, "cpu") || g_str_equal (type, "integrated"),
    .rest = bytes.weights + bytes.rest,
    .block = bytes.cache / kv_pool_blocks (plan->kv),
  };
  guint context = options->context_size ? options->context_size : sizes_context (plan->context_size, &memory);

  plan_tokens (plan, dev, config, options->cache_precision, context, sizes_cache (options->cache_size, context, &memory));
}

/* The first of f16, q8 and q4 that fits. */
static gboolean
plan_auto (Plan *plan, Device *dev, const ModelConfig *config, const TensorSet *tensors, const MinivlEngineOptions *options,
    GError **error)
{
  MinivlPrecision precision = MINIVL_PRECISION_F16;

  for (; plan_precision (plan, dev, config, tensors, precision, options, error); precision++) {
    if (precision == MINIVL_PRECISION_Q4 || plan_fits (plan, dev))
      return TRUE;
    plan_clear (plan);
  }
  return FALSE;
}

gboolean
plan_init (Plan *plan, Device *dev, const ModelConfig *config, const TensorSet *tensors, const MinivlEngineOptions *options,
    GError **error)
{
  gboolean ok = options->precision == MINIVL_PRECISION_AUTO
                    ? plan_auto (plan, dev, config, tensors, options, error)
                    : plan_precision (plan, dev, config, tensors, options->precision, options, error);

  if (ok)
    plan_sizes (plan, dev, config, options);
  return ok;
}

void
plan_clear (Plan *plan)
{
  language_free (plan->language);
  kv_pool_free (plan->kv);
  vision_free (plan->vision);
  weights_free (plan->weights);
  memset (plan, 0, sizeof *plan);
}

PlanBytes
plan_bytes (const Plan *plan)
{
  return (PlanBytes){ weights_bytes (plan->weights), kv_pool_bytes (plan->kv),
    vision_bytes (plan->vision) + language_bytes (plan->language) };
}

gboolean
plan_fits (const Plan *plan, const Device *dev)
{
  PlanBytes bytes = plan_bytes (plan);

  return bytes.weights + bytes.cache + bytes.rest <= device_memory_total (dev, ARENA_DEVICE);
}

static gchar *
size_text (guint64 bytes)
{
  return g_format_size_full (bytes, G_FORMAT_SIZE_IEC_UNITS);
}

gboolean
plan_check (const Plan *plan, Device *dev, const gchar *name, GError **error)
{
  PlanBytes bytes = plan_bytes (plan);
  guint64 left = device_memory_left (dev, ARENA_DEVICE),
          tokens = (left - MIN (left, bytes.weights + bytes.rest)) / (bytes.cache / kv_pool_blocks (plan->kv)) * KV_BLOCK;
  g_autofree gchar *weights = size_text (bytes.weights), *cache = size_text (bytes.cache), *rest = size_text (bytes.rest),
                   *left_text = size_text (left), *total = size_text (device_memory_total (dev, ARENA_DEVICE));
  g_autoptr (GString) fix = g_string_new (NULL);

  if (bytes.weights + bytes.cache + bytes.rest <= left)
    return TRUE;
  if (tokens > plan->context_size)
    g_string_append_printf (fix, "Lower cache-size to %" G_GUINT64_FORMAT, tokens);
  else if (tokens > 0)
    g_string_append_printf (fix, "Lower context-size to %" G_GUINT64_FORMAT, tokens);
  if (plan->precision < MINIVL_PRECISION_Q4)
    g_string_append_printf (
        fix, "%s %s", fix->len ? ", or precision to" : "Lower precision to", precision_name (plan->precision + 1));
  /* A little more than q8 takes. */
  if (kv_pool_layer (plan->kv, 0)->type != KV_INT8 && bytes.weights + bytes.rest + bytes.cache / 2 + bytes.cache / 32 <= left)
    g_string_append (fix, fix->len ? ", or cache-precision to q8" : "Lower cache-precision to q8");
  if (fix->len == 0)
    g_string_append (fix, "Free memory, or choose another device");
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_MEMORY,
      "%s does not fit into the memory of %s: weights of %s at precision=%s, a cache of %s for context-size=%u and cache-size=%u, "
      "and activations of %s, and there are %s free of %s. %s.",
      name, device_info (dev)->name, weights, precision_name (plan->precision), cache, plan->context_size, plan->cache_size, rest,
      left_text, total, fix->str);
  return FALSE;
}

#include "plan.h"

#include <string.h>

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

static gboolean
plan_precision (Plan *plan, Device *dev, const ModelConfig *config, const TensorSet *tensors, MinivlPrecision precision,
    guint context_size, GError **error)
{
  KvType kv_type = precision == MINIVL_PRECISION_F32 ? KV_F32 : KV_F16;

  *plan = (Plan){ .precision = precision, .context_size = context_size };
  plan->weights = weights_new (dev, config, tensors, precision, error);
  if (!plan->weights) {
    plan->precision = MINIVL_PRECISION_AUTO;
    return FALSE;
  }
  plan->vision = vision_new (dev, config, plan->weights);
  plan->kv = kv_pool_new (dev, &config->language, context_size, kv_type);
  plan->language = language_new (dev, config, plan->weights, plan->kv);
  return TRUE;
}

gboolean
plan_init (Plan *plan, Device *dev, const ModelConfig *config, const TensorSet *tensors, MinivlPrecision precision,
    guint context_size, GError **error)
{
  if (precision != MINIVL_PRECISION_AUTO)
    return plan_precision (plan, dev, config, tensors, precision, context_size, error);
  for (precision = MINIVL_PRECISION_F16; plan_precision (plan, dev, config, tensors, precision, context_size, error); precision++) {
    if (precision == MINIVL_PRECISION_Q4 || plan_fits (plan, dev))
      return TRUE;
    plan_clear (plan);
  }
  return FALSE;
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
  if (tokens > 0)
    g_string_append_printf (fix, "Lower context-size to %" G_GUINT64_FORMAT, tokens);
  if (plan->precision < MINIVL_PRECISION_Q4)
    g_string_append_printf (
        fix, "%s %s", fix->len ? ", or precision to" : "Lower precision to", precision_name (plan->precision + 1));
  if (fix->len == 0)
    g_string_append (fix, "Free memory, or choose another device");
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_MEMORY,
      "%s does not fit into the memory of %s: weights of %s at precision=%s, a cache of %s for context-size=%u and activations of "
      "%s, and there are %s free of %s. %s.",
      name, device_info (dev)->name, weights, precision_name (plan->precision), cache, plan->context_size, rest, left_text, total,
      fix->str);
  return FALSE;
}

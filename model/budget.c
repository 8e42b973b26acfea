/* What an engine would take, for every precision and context. */
#include "minivl-budget.h"

#include "device-error.h"
#include "language.h"
#include "vision.h"

#include <string.h>

#define LEAST_CONTEXT 2048
#define MOST_CONTEXT 131072

static MinivlBudgetRow
plan_row (Device *dev, const ModelConfig *config, const Weights *weights, const Vision *vision, MinivlPrecision precision,
    KvType type, guint context_size)
{
  g_autoptr (KvPool) kv = kv_pool_new (dev, &config->language, context_size, type);
  g_autoptr (Language) language = language_new (dev, config, weights, kv, context_size);
  MinivlBudgetRow row = { .precision = precision,
    .context_size = context_size,
    .weights = weights_bytes (weights),
    .cache = kv_pool_bytes (kv),
    .scratch = vision_bytes (vision) + language_bytes (language) };

  row.fits = row.weights + row.cache + row.scratch <= device_memory_total (dev, ARENA_DEVICE);
  return row;
}

static gboolean
plan_precision (GArray *rows, Device *dev, const ModelConfig *config, const TensorSet *set, MinivlPrecision precision, KvType type,
    GError **error)
{
  guint most = MIN (config->language.max_position, MOST_CONTEXT), least = MIN (most, LEAST_CONTEXT);
  g_autoptr (Weights) weights = weights_new (dev, config, set, precision, error);
  g_autoptr (Vision) vision = weights ? vision_new (dev, config, weights) : NULL;

  for (guint context = least; weights && context <= most; context *= 2) {
    MinivlBudgetRow row = plan_row (dev, config, weights, vision, precision, type, context);

    g_array_append_val (rows, row);
  }
  return weights != NULL;
}

gboolean
minivl_budget_init (MinivlBudget *budget, const MinivlEngineOptions *options, GError **error)
{
  KvType type = options->cache_precision == MINIVL_CACHE_PRECISION_Q8 ? KV_INT8 : KV_F16;
  g_autoptr (GArray) rows = g_array_new (FALSE, FALSE, sizeof (MinivlBudgetRow));
  g_autoptr (GError) failure = NULL;
  g_autofree gchar *path = NULL;
  g_autoptr (Device) dev = NULL;
  g_autoptr (TensorSet) set = NULL;
  g_auto (ModelConfig) config = { 0 };

  if (!minivl_engine_check (options, error))
    return FALSE;
  path = g_build_filename (options->model_path, "config.json", NULL);
  if (!model_config_load (&config, path, 0, error))
    return FALSE;
  set = tensor_set_open (options->model_path, error);
  if (!set)
    return FALSE;
  dev = device_open (options->device, NULL, &failure);
  for (MinivlPrecision p = MINIVL_PRECISION_F16; dev && !failure && p <= MINIVL_PRECISION_Q4; p++)
    plan_precision (rows, dev, &config, set, p, type, &failure);
  if (failure) {
    device_error_propagate (error, g_steal_pointer (&failure));
    return FALSE;
  }
  budget->device = g_strdup (device_info (dev)->name);
  budget->memory = device_memory_total (dev, ARENA_DEVICE);
  budget->n_rows = rows->len;
  budget->rows = (MinivlBudgetRow *)g_array_free (g_steal_pointer (&rows), FALSE);
  return TRUE;
}

void
minivl_budget_clear (MinivlBudget *budget)
{
  g_free (budget->device);
  g_free (budget->rows);
  memset (budget, 0, sizeof *budget);
}

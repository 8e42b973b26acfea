/* An engine: the weights of a checkpoint on a device, and what works with them. */
#include "engine.h"
#include "sizes.h"

#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

typedef struct
{
  MinivlEngine *engine;
  const EngineParts *parts;
  const MinivlEngineOptions *options;
} Build;

/* What is converted from the checkpoint, if anything is, is looked for in the cache. */
static void
keep_converted (const Build *b)
{
  g_autofree gchar *folder = device_cache_folder (b->options->cache_dir);

  if (folder && b->parts->identity)
    weights_keep (b->engine->weights, folder, b->parts->source, b->parts->identity);
}

static gboolean
build (gpointer data, GError **error)
{
  Build *b = data;
  MinivlEngine *e = b->engine;
  g_auto (Plan) plan = { 0 };
  const DeviceOptions device = { .cache_dir = b->options->cache_dir };
  g_autoptr (OpStream) survey = NULL;
  PlanBytes bytes;

  e->dev = device_open (b->options->device, &device, error);
  if (!e->dev)
    return FALSE;
  e->device_name = g_strdup (device_info (e->dev)->name);
  e->driver = g_strdup (device_info (e->dev)->driver);
  if (!plan_init (&plan, e->dev, &e->config, b->parts->tensors, b->options, error)
      || !weights_check (plan.weights, b->parts->tensors, error) || !plan_check (&plan, e->dev, e->model, error))
    return FALSE;
  bytes = plan_bytes (&plan);
  e->info.precision = precision_name (plan.precision);
  e->info.context_size = plan.context_size;
  e->info.cache_size = plan.cache_size;
  e->info.cache_precision = kv_type_name (kv_pool_layer (plan.kv, 0)->type);
  e->weights = g_steal_pointer (&plan.weights);
  e->vision = g_steal_pointer (&plan.vision);
  e->kv = g_steal_pointer (&plan.kv);
  e->language = g_steal_pointer (&plan.language);
  if (b->parts->lora)
    weights_merge (e->weights, b->parts->lora);
  keep_converted (b);
  if (!weights_load (e->weights, b->parts->tensors, b->options->on_progress, b->options->user_data, error)
      || !vision_commit (e->vision, error) || !kv_pool_commit (e->kv, error) || !language_commit (e->language, error))
    return FALSE;
  survey = op_survey_new (e->dev);
  vision_survey (e->vision, survey);
  language_survey (e->language, survey);
  if (!device_self_check (e->dev, survey, &e->self_check, error) || !language_compare_rows (e->language, error))
    return FALSE;
  scheduler_set_model (e->scheduler, e->vision, e->kv, e->language);
  e->info.device_bytes = bytes.weights + bytes.cache + bytes.rest;
  return TRUE;
}

static gboolean
tear_down (gpointer data, GError **error)
{
  MinivlEngine *e = data;

  language_free (e->language);
  kv_pool_free (e->kv);
  vision_free (e->vision);
  weights_free (e->weights);
  device_free (e->dev);
  return TRUE;
}

/* The token that ends an answer, -1 when there is none. White space behind it is no part of the token. */
static gint32
find_end (const Tokenizer *t, const ChatTemplate *template)
{
  g_autofree gchar *end = g_strstrip (g_strdup (template->end));

  return tokenizer_id (t, end);
}

static void
list_ends (MinivlEngine *e)
{
  const GArray *more = e->generation.stop_ids;

  e->end_tokens = g_array_new (FALSE, FALSE, sizeof (gint32));
  g_array_append_val (e->end_tokens, e->end_token);
  g_array_append_val (e->end_tokens, e->config.language.eos);
  if (more)
    g_array_append_vals (e->end_tokens, more->data, more->len);
}

MinivlEngine *
engine_new (EngineParts *parts, const MinivlEngineOptions *options, GError **error)
{
  MinivlEngine *e = g_new0 (MinivlEngine, 1);
  Build b = { e, parts, options };
  gint64 start = g_get_monotonic_time ();
  gboolean ok = TRUE;

  e->ref_count = 1;
  e->model = g_strdup (parts->name);
  e->config = *parts->config;
  memset (parts->config, 0, sizeof *parts->config);
  e->tokenizer = g_steal_pointer (&parts->tokenizer);
  e->image_token = e->tokenizer ? tokenizer_id (e->tokenizer, "<IMG_CONTEXT>") : parts->image_token;
  e->end_token = parts->end_token;
  e->template = g_steal_pointer (&parts->template);
  e->generation = parts->generation;
  parts->generation = (Generation){ NULL };
  e->yes_no = parts->yes_no;
  if (e->tokenizer)
    yes_no_init (&e->yes_no, e->tokenizer);
  g_mutex_init (&e->lock);
  g_cond_init (&e->encoded);
  e->pictures = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  e->asked = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  e->scheduler = scheduler_new ();

  if (e->tokenizer) {
    if (!e->template)
      e->template = chat_template_new (e->config.template, NULL, error);
    ok = e->template != NULL;
  }
  if (ok && e->tokenizer)
    e->end_token = find_end (e->tokenizer, e->template);
  list_ends (e);
  e->shapes = shapes_new (e->tokenizer, e->end_tokens, e->config.language.vocab);
  e->info.max_context_size = sizes_most_context (&e->config.language);
  if (ok && options->context_size > e->info.max_context_size) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_USAGE, "a context of %u tokens is more than the %u that %s was made for",
        options->context_size, e->info.max_context_size, e->model);
    ok = FALSE;
  }
  if (ok && e->tokenizer && (e->image_token < 0 || e->end_token < 0)) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE, "%s: the tokenizer has no %s token", e->model,
        e->image_token < 0 ? "<IMG_CONTEXT>" : e->template->end);
    ok = FALSE;
  }
  if (ok && e->tokenizer && tokenizer_size (e->tokenizer) > e->config.language.vocab) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE,
        "%s: the tokenizer's %u tokens are more than config.json's vocab_size of %u", e->model, tokenizer_size (e->tokenizer),
        e->config.language.vocab);
    ok = FALSE;
  }
  if (!ok || !scheduler_run (e->scheduler, build, &b, error)) {
    minivl_engine_unref (e);
    return NULL;
  }

  e->info.model = e->model;
  e->info.device = e->device_name;
  e->info.tokenizer = e->tokenizer && tokenizer_is_slow (e->tokenizer) ? "slow" : "fast";
  e->info.system_source = e->template ? chat_template_system_source (e->template) : NULL;
  e->info.tile_side = e->config.tile_side;
  e->info.tile_tokens = model_tile_tokens (&e->config);
  e->info.load_ns = (g_get_monotonic_time () - start) * 1000;
  return e;
}

MinivlEngine *
minivl_engine_ref (MinivlEngine *engine)
{
  g_atomic_int_inc (&engine->ref_count);
  return engine;
}

void
minivl_engine_unref (MinivlEngine *engine)
{
  if (!engine || !g_atomic_int_dec_and_test (&engine->ref_count))
    return;
  scheduler_run (engine->scheduler, tear_down, engine, NULL);
  scheduler_free (engine->scheduler);
  shapes_free (engine->shapes);
  tokenizer_free (engine->tokenizer);
  chat_template_free (engine->template);
  g_array_unref (engine->end_tokens);
  generation_clear (&engine->generation);
  model_config_clear (&engine->config);
  g_hash_table_unref (engine->pictures);
  g_hash_table_unref (engine->asked);
  g_mutex_clear (&engine->lock);
  g_cond_clear (&engine->encoded);
  g_free (engine->model);
  g_free (engine->model_hash);
  g_free (engine->device_name);
  g_free (engine->driver);
  g_free (engine);
#ifdef __GLIBC__
  /* A CPU device's memory came out of the arenas of threads that are gone, which would keep it. */
  malloc_trim (0);
#endif
}

const MinivlEngineInfo *
minivl_engine_get_info (MinivlEngine *engine)
{
  return &engine->info;
}

gboolean
minivl_engine_get_sampling (MinivlEngine *engine, MinivlParams *params)
{
  const Generation *g = &engine->generation;

  if (!g->stop_ids)
    return FALSE;
  params->temperature = g->temperature;
  params->top_k = g->top_k;
  params->top_p = g->top_p;
  params->repetition_penalty = g->repetition_penalty;
  return TRUE;
}

GBytes *
minivl_engine_get_token (MinivlEngine *engine, gint32 id)
{
  return tokenizer_token_bytes (engine->tokenizer, id);
}

void
minivl_engine_get_work (MinivlEngine *engine, MinivlWork *work)
{
  scheduler_get_work (engine->scheduler, work);
}

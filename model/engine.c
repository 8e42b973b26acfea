#include "engine.h"

#include <math.h>
#include <string.h>

#include "image.h"
#include "known.h"

#define DEFAULT_CONTEXT 8192
/* How often one who waits for another's picture looks at whether it is still wanted. */
#define POLL_INTERVAL (20 * G_TIME_SPAN_MILLISECOND)

/* --- devices --------------------------------------------------------------------------------------------------------------- */

gboolean
minivl_devices_list (MinivlDevice **devices, guint *n_devices, GError **error)
{
  g_autoptr (GError) failure = NULL;
  DeviceInfo *infos;
  guint n;

  if (!device_list (&infos, &n, &failure)) {
    g_set_error_literal (error, MINIVL_ERROR, MINIVL_ERROR_DEVICE, failure->message);
    return FALSE;
  }
  *devices = g_new0 (MinivlDevice, n);
  *n_devices = n;
  for (guint i = 0; i < n; i++)
    (*devices)[i] = (MinivlDevice){
      .name = g_strdup (infos[i].name),
      .type = infos[i].type,
      .driver = g_strdup (infos[i].driver),
      .uuid = g_strdup (infos[i].uuid),
      .memory = infos[i].memory,
      .chosen = infos[i].chosen,
      .refusal = g_strdup (infos[i].refusal),
    };
  device_infos_free (infos, n);
  return TRUE;
}

void
minivl_devices_free (MinivlDevice *devices, guint n_devices)
{
  for (guint i = 0; i < n_devices; i++) {
    g_free (devices[i].name);
    g_free (devices[i].driver);
    g_free (devices[i].uuid);
    g_free (devices[i].refusal);
  }
  g_free (devices);
}

gchar *
minivl_device_find (const gchar *device, GError **error)
{
  g_autoptr (GError) failure = NULL;
  gchar *uuid = device_find (device, &failure);

  if (!uuid)
    g_set_error_literal (error, MINIVL_ERROR, MINIVL_ERROR_DEVICE, failure->message);
  return uuid;
}

/* --- engine ---------------------------------------------------------------------------------------------------------------- */

typedef struct
{
  MinivlEngine *engine;
  const EngineParts *parts;
  const MinivlEngineOptions *options;
  MinivlPrecision precision;
} Build;

static gchar *
size_text (guint64 bytes)
{
  return g_format_size_full (bytes, G_FORMAT_SIZE_IEC_UNITS);
}

/* Before the first byte is copied: what all of it takes, what there is, and what would make it fit. */
static gboolean
check_memory (const Build *b, GError **error)
{
  const MinivlEngine *e = b->engine;
  guint64 weights = weights_bytes (e->weights), cache = kv_pool_bytes (e->kv),
          rest = vision_bytes (e->vision) + language_bytes (e->language), left = device_memory_left (e->dev, ARENA_DEVICE),
          tokens = (left - MIN (left, weights + rest)) / (cache / kv_pool_blocks (e->kv)) * KV_BLOCK;
  g_autofree gchar *weights_text = size_text (weights), *cache_text = size_text (cache), *rest_text = size_text (rest),
                   *left_text = size_text (left);
  g_autoptr (GString) fix = g_string_new (NULL);

  if (weights + cache + rest <= left)
    return TRUE;
  if (tokens > 0)
    g_string_append_printf (fix, "Lower context-size to %" G_GUINT64_FORMAT, tokens);
  if (b->precision == MINIVL_PRECISION_F32)
    g_string_append (fix, fix->len ? ", or precision to f16" : "Lower precision to f16");
  if (fix->len == 0)
    g_string_append (fix, "Free memory, or choose another device");
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_MEMORY,
      "%s does not fit into the memory of %s: weights of %s, a cache of %s for context-size=%u and activations of %s, and there "
      "are %s. %s.",
      e->model, e->device_name, weights_text, cache_text, e->info.context_size, rest_text, left_text, fix->str);
  return FALSE;
}

static gboolean
build (gpointer data, GError **error)
{
  Build *b = data;
  MinivlEngine *e = b->engine;
  TensorType kv_type = b->precision == MINIVL_PRECISION_F32 ? TYPE_F32 : TYPE_F16;
  g_autoptr (OpStream) survey = NULL;

  e->dev = device_open (b->options->device, NULL, error);
  if (!e->dev)
    return FALSE;
  e->device_name = g_strdup (device_info (e->dev)->name);
  e->driver = g_strdup (device_info (e->dev)->driver);
  e->weights = weights_new (e->dev, &e->config, b->parts->tensors, b->precision, error);
  if (!e->weights)
    return FALSE;
  e->vision = vision_new (e->dev, &e->config, e->weights);
  e->kv = kv_pool_new (e->dev, &e->config.language, e->info.context_size, kv_type);
  e->language = language_new (e->dev, &e->config, e->weights, e->kv);
  if (!check_memory (b, error)
      || !weights_load (e->weights, b->parts->tensors, b->options->on_progress, b->options->user_data, error)
      || !vision_commit (e->vision, error) || !kv_pool_commit (e->kv, error) || !language_commit (e->language, error))
    return FALSE;
  survey = op_survey_new (e->dev);
  vision_survey (e->vision, survey);
  language_survey (e->language, survey);
  if (!device_self_check (e->dev, survey, &e->self_check, error))
    return FALSE;
  scheduler_set_model (e->scheduler, e->vision, e->kv, e->language);
  e->info.device_bytes =
      weights_bytes (e->weights) + vision_bytes (e->vision) + kv_pool_bytes (e->kv) + language_bytes (e->language);
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

MinivlEngine *
engine_new (EngineParts *parts, const MinivlEngineOptions *options, GError **error)
{
  MinivlEngine *e = g_new0 (MinivlEngine, 1);
  Build b = { e, parts, options, options->precision };
  gint64 start = g_get_monotonic_time ();
  gboolean ok = TRUE;

  e->ref_count = 1;
  e->model = g_strdup (parts->name);
  e->config = *parts->config;
  memset (parts->config, 0, sizeof *parts->config);
  e->tokenizer = g_steal_pointer (&parts->tokenizer);
  e->image_token = e->tokenizer ? tokenizer_id (e->tokenizer, "<IMG_CONTEXT>") : parts->image_token;
  e->end_token = e->tokenizer ? tokenizer_id (e->tokenizer, "<|end|>") : parts->end_token;
  e->yes_no = parts->yes_no;
  if (e->tokenizer)
    yes_no_init (&e->yes_no, e->tokenizer);
  g_mutex_init (&e->lock);
  g_cond_init (&e->encoded);
  e->pictures = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  e->scheduler = scheduler_new ();
  if (b.precision == MINIVL_PRECISION_AUTO)
    b.precision = MINIVL_PRECISION_F16;
  e->info.context_size = options->context_size ? options->context_size : DEFAULT_CONTEXT;

  if (e->tokenizer) {
    e->template = chat_template_find (e->config.template, error);
    ok = e->template != NULL;
  }
  if (ok && e->info.context_size > e->config.language.max_position) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_USAGE, "a context of %u tokens is more than the %u that %s was made for",
        e->info.context_size, e->config.language.max_position, e->model);
    ok = FALSE;
  }
  if (ok && e->tokenizer && (e->image_token < 0 || e->end_token < 0)) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE, "%s: the tokenizer has no %s token", e->model,
        e->image_token < 0 ? "<IMG_CONTEXT>" : "<|end|>");
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
  e->info.precision = b.precision == MINIVL_PRECISION_F32 ? "f32" : "f16";
  e->info.device = e->device_name;
  e->info.tile_side = e->config.tile_side;
  e->info.tile_tokens = model_tile_tokens (&e->config);
  e->info.load_ns = (g_get_monotonic_time () - start) * 1000;
  return e;
}

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

MinivlEngine *
minivl_engine_open (const MinivlEngineOptions *options, GError **error)
{
  guint context = options->context_size ? options->context_size : DEFAULT_CONTEXT;
  gint64 start = g_get_monotonic_time ();
  g_autofree gchar *config_path = NULL, *name = NULL, *folder = NULL, *hash = NULL;
  g_autoptr (TensorSet) set = NULL;
  g_autoptr (Tokenizer) tokenizer = NULL;
  ModelConfig config = { 0 };
  EngineParts parts = { 0 };
  MinivlEngine *engine;

  if (!options->model_path) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_USAGE, "no checkpoint folder is given");
    return NULL;
  }
  if (!g_file_test (options->model_path, G_FILE_TEST_IS_DIR)) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE,
        "%s is no folder: a checkpoint folder holds config.json, safetensors and tokenizer files", options->model_path);
    return NULL;
  }
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
  tokenizer_free (engine->tokenizer);
  model_config_clear (&engine->config);
  g_hash_table_unref (engine->pictures);
  g_mutex_clear (&engine->lock);
  g_cond_clear (&engine->encoded);
  g_free (engine->model);
  g_free (engine->model_hash);
  g_free (engine->device_name);
  g_free (engine->driver);
  g_free (engine);
}

const MinivlEngineInfo *
minivl_engine_get_info (MinivlEngine *engine)
{
  return &engine->info;
}

/* --- pictures -------------------------------------------------------------------------------------------------------------- */

static gboolean
check_picture (const MinivlImage *image, guint max_tiles, GError **error)
{
  if (max_tiles >= 1 && max_tiles <= 40)
    return image_check (image, error);
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_USAGE, "%u tiles a picture: 1 to 40 are possible", max_tiles);
  return FALSE;
}

static gboolean
is_on_its_way (MinivlEngine *engine, guint64 content)
{
  gpointer picture;

  return g_hash_table_lookup_extended (engine->pictures, &content, NULL, &picture) && !picture;
}

/* picture (transfer full): the one of this content that is alive, or NULL, and then the caller is to make it. FALSE: cancelled. */
static gboolean
find_picture (MinivlEngine *engine, guint64 content, gint priority, const gint *cancel, MinivlPicture **picture)
{
  gboolean cancelled = FALSE;

  g_mutex_lock (&engine->lock);
  /* Who sets the flag wakes nobody. */
  while (!(cancelled = cancel && g_atomic_int_get (cancel)) && is_on_its_way (engine, content)) {
    scheduler_raise_encode (engine->scheduler, content, priority); /* anew each time: at first it may not be handed in yet */
    g_cond_wait_until (&engine->encoded, &engine->lock, g_get_monotonic_time () + POLL_INTERVAL);
  }
  *picture = cancelled ? NULL : g_hash_table_lookup (engine->pictures, &content);
  if (*picture)
    minivl_picture_ref (*picture);
  else if (!cancelled)
    g_hash_table_insert (engine->pictures, g_memdup2 (&content, sizeof content), NULL);
  g_mutex_unlock (&engine->lock);
  return !cancelled;
}

/* picture NULL: it was not to be made. */
static void
register_picture (MinivlEngine *engine, guint64 content, MinivlPicture *picture)
{
  g_mutex_lock (&engine->lock);
  if (picture)
    g_hash_table_insert (engine->pictures, g_memdup2 (&content, sizeof content), picture);
  else
    g_hash_table_remove (engine->pictures, &content);
  g_cond_broadcast (&engine->encoded);
  g_mutex_unlock (&engine->lock);
}

MinivlPicture *
engine_encode (MinivlEngine *engine, const MinivlImage *image, guint max_tiles, gint priority, const gint *cancel, GError **error)
{
  MinivlPicture *picture;
  guint64 content;

  if (!check_picture (image, max_tiles, error))
    return NULL;
  content = image_hash (image, max_tiles);
  if (!find_picture (engine, content, priority, cancel, &picture)) {
    g_set_error_literal (error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED, "encoding was cancelled");
    return NULL;
  }
  if (picture)
    return picture;
  picture = g_new0 (MinivlPicture, 1);
  picture->ref_count = 1;
  picture->content = content;
  if (!scheduler_encode (engine->scheduler, image, max_tiles, content, priority, cancel, &picture->result, error))
    g_clear_pointer (&picture, g_free);
  else
    picture->engine = minivl_engine_ref (engine);
  register_picture (engine, content, picture);
  return picture;
}

MinivlPicture *
minivl_picture_new (MinivlEngine *engine, const MinivlImage *image, guint max_tiles, const gint *cancel, GError **error)
{
  return engine_encode (engine, image, max_tiles, 0, cancel, error);
}

typedef struct
{
  MinivlEngine *engine;
  const MinivlImage *image;
  guint max_tiles, n_tiles;
  guint8 *tiles;
} Look;

static gboolean
look (gpointer data, GError **error)
{
  Look *l = data;
  g_autoptr (VisionPicture) picture = vision_picture_new (l->engine->vision, l->image, l->max_tiles, NULL, error);

  if (!picture)
    return FALSE;
  l->n_tiles = vision_picture_tiles (picture);
  l->tiles = vision_picture_read (picture, error);
  return l->tiles != NULL;
}

guint8 *
minivl_engine_read_tiles (MinivlEngine *engine, const MinivlImage *image, guint max_tiles, guint *n_tiles, GError **error)
{
  Look l = { .engine = engine, .image = image, .max_tiles = max_tiles };

  if (!check_picture (image, max_tiles, error) || !scheduler_run (engine->scheduler, look, &l, error))
    return NULL;
  *n_tiles = l.n_tiles;
  return l.tiles;
}

MinivlPicture *
minivl_picture_ref (MinivlPicture *picture)
{
  g_atomic_int_inc (&picture->ref_count);
  return picture;
}

void
minivl_picture_unref (MinivlPicture *picture)
{
  MinivlEngine *engine;
  gboolean last;

  if (!picture)
    return;
  engine = picture->engine;
  /* Under the lock, or another thread could find a picture that is going. */
  g_mutex_lock (&engine->lock);
  last = g_atomic_int_dec_and_test (&picture->ref_count);
  if (last)
    g_hash_table_remove (engine->pictures, &picture->content);
  g_mutex_unlock (&engine->lock);
  if (!last)
    return;
  g_free (picture->result.features);
  g_free (picture);
  minivl_engine_unref (engine);
}

void
minivl_picture_get_info (MinivlPicture *picture, MinivlPictureInfo *info)
{
  *info = (MinivlPictureInfo){
    .columns = picture->result.columns,
    .rows = picture->result.rows,
    .tiles = picture->result.tiles,
    .preprocess_ns = picture->result.preprocess_ns,
    .encode_ns = picture->result.encode_ns,
  };
}

static double
cosine (const float *a, const float *b, guint n)
{
  double ab = 0, aa = 0, bb = 0;

  for (guint i = 0; i < n; i++) {
    ab += (double)a[i] * b[i];
    aa += (double)a[i] * a[i];
    bb += (double)b[i] * b[i];
  }
  return ab / sqrt (aa * bb);
}

double
minivl_picture_similarity (MinivlPicture *a, MinivlPicture *b)
{
  const VisionResult *left = &a->result, *right = &b->result;
  guint hidden = a->engine->config.language.hidden;
  double least = 1;

  if (a == b)
    return 1;
  if (a->engine != b->engine || left->columns != right->columns || left->rows != right->rows)
    return -1;
  for (guint i = 0; i < left->n_tokens; i++) {
    double here = cosine (left->features + (gsize)i * hidden, right->features + (gsize)i * hidden, hidden);

    if (isnan (here)) /* a place of nothing, or of no number */
      return -1;
    least = MIN (least, here);
  }
  return MAX (least, -1);
}

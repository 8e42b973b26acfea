/*
 * The back end that answers in this process, by libminivl. Elements with the same checkpoint, adapter, device, precisions, context
 * and cache size share one engine; each has a session of its own.
 */
#include "backend.h"

#include <stdlib.h>

/* How often an opener that waits for another's loading checks whether it is still wanted. */
#define POLL_INTERVAL (50 * G_TIME_SPAN_MILLISECOND)

/* Under `lock`. In `engines` from the moment somebody opens it until the last one that uses it is gone. */
typedef struct
{
  gchar *key;
  MinivlEngine *engine; /* NULL while it is loaded */
  double progress;
  guint users;
  gboolean lost; /* its device was lost: no longer in `engines`, so that the next open makes another one */
} SharedEngine;

typedef struct
{
  SharedEngine *shared;
  MinivlSession *session;
} Local;

typedef struct
{
  const MinivlEngineOptions *options;
  SharedEngine *shared;
} Opening;

static GMutex lock;
static GCond changed;
static GHashTable *engines; /* key -> SharedEngine */

/* That the demo model is meant, and not for want of another. A folder of that name is ./demo. */
#define DEMO "demo"

/* Fills *filled, which borrows from options and *path. */
static gboolean
fill_options (const MinivlEngineOptions *options, MinivlEngineOptions *filled, gchar **path, GError **error)
{
  *filled = *options;
  if (options->model_path != NULL && options->model_path[0] != '\0' && !g_str_equal (options->model_path, DEMO))
    return TRUE;
  filled->model_path = *path = minivl_default_model_path ();
  if (*path == NULL)
    g_set_error_literal (error, MINIVL_ERROR, MINIVL_ERROR_USAGE,
        "No model: the demo model is not beside libminivl. Set the property model-path to a checkpoint folder.");
  return *path != NULL;
}

static gboolean
local_check (const BackendOptions *options, GError **error)
{
  g_autofree gchar *path = NULL;
  g_autoptr (GError) failure = NULL;
  MinivlEngineOptions filled, alone;

  if (!fill_options (&options->engine, &filled, &path, error))
    return FALSE;
  if (minivl_engine_check (&filled, &failure))
    return TRUE;
  alone = filled;
  alone.lora = NULL;
  if (minivl_engine_check (&alone, NULL))
    g_set_error (
        error, MINIVL_ERROR, failure->code, "No adapter: %s. Set the property lora to DIR or DIR:SCALE.", failure->message);
  else
    g_set_error (
        error, MINIVL_ERROR, failure->code, "No model: %s. Set the property model-path to a checkpoint folder.", failure->message);
  return FALSE;
}

/* Equal for equal engines, however path and device are written. */
static gchar *
make_key (const MinivlEngineOptions *options)
{
  g_autofree gchar *path = realpath (options->model_path, NULL), *found = minivl_device_find (options->device, NULL);
  const gchar *device = found != NULL ? found : options->device; /* opening will say what is wrong */
  MinivlPrecision precision =
      options->precision == MINIVL_PRECISION_AUTO ? minivl_precision_find (options, NULL) : options->precision;

  return g_strdup_printf ("%s\n%s\n%d\n%u\n%u\n%d\n%d\n%s", path != NULL ? path : options->model_path, device != NULL ? device : "",
      precision, options->context_size, options->cache_size, options->tokenizer, options->cache_precision,
      options->lora != NULL ? options->lora : "");
}

static gboolean
note_progress (double fraction, gpointer user_data)
{
  Opening *opening = user_data;

  g_mutex_lock (&lock);
  opening->shared->progress = fraction;
  g_mutex_unlock (&lock);
  return opening->options->on_progress (fraction, opening->options->user_data);
}

/* Holds the lock before and after. NULL when loading failed. */
static SharedEngine *
load (const gchar *key, const MinivlEngineOptions *options, GError **error)
{
  SharedEngine *shared = g_new0 (SharedEngine, 1);
  Opening opening = { options, shared };
  MinivlEngineOptions noting = *options;
  MinivlEngine *engine;

  shared->key = g_strdup (key);
  shared->users = 1;
  g_hash_table_insert (engines, shared->key, shared);
  noting.on_progress = note_progress;
  noting.user_data = &opening;
  g_mutex_unlock (&lock);
  engine = minivl_engine_open (&noting, error);
  g_mutex_lock (&lock);
  shared->engine = engine;
  g_cond_broadcast (&changed);
  if (engine != NULL)
    return shared;
  g_hash_table_remove (engines, shared->key);
  g_free (shared->key);
  g_free (shared);
  return NULL;
}

static SharedEngine *
acquire (const MinivlEngineOptions *options, GError **error)
{
  g_autofree gchar *key = make_key (options);
  SharedEngine *shared;

  g_mutex_lock (&lock);
  if (engines == NULL)
    engines = g_hash_table_new (g_str_hash, g_str_equal);
  /* If the one that loads it gives up or fails, this one tries. */
  while ((shared = g_hash_table_lookup (engines, key)) != NULL && shared->engine == NULL) {
    double progress = shared->progress;
    gboolean wanted;

    g_mutex_unlock (&lock);
    wanted = options->on_progress (progress, options->user_data);
    g_mutex_lock (&lock);
    if (!wanted) {
      g_mutex_unlock (&lock);
      g_set_error_literal (error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED, "loading was cancelled");
      return NULL;
    }
    g_cond_wait_until (&changed, &lock, g_get_monotonic_time () + POLL_INTERVAL);
  }
  if (shared != NULL)
    shared->users++;
  else
    shared = load (key, options, error);
  g_mutex_unlock (&lock);
  return shared;
}

static void
release (SharedEngine *shared)
{
  MinivlEngine *engine = NULL;

  g_mutex_lock (&lock);
  if (--shared->users == 0) {
    engine = shared->engine;
    if (!shared->lost)
      g_hash_table_remove (engines, shared->key);
    g_free (shared->key);
    g_free (shared);
  }
  g_mutex_unlock (&lock);
  minivl_engine_unref (engine);
}

/* The engine of a lost device is useless: the first to notice removes it from the table. */
static void
note_loss (SharedEngine *shared, const GError *error)
{
  if (!g_error_matches (error, MINIVL_ERROR, MINIVL_ERROR_DEVICE))
    return;
  g_mutex_lock (&lock);
  if (!shared->lost)
    g_hash_table_remove (engines, shared->key);
  shared->lost = TRUE;
  g_mutex_unlock (&lock);
}

static gpointer
local_open (const BackendOptions *options, GError **error)
{
  g_autofree gchar *path = NULL;
  MinivlEngineOptions filled;
  SharedEngine *shared;
  MinivlSession *session;
  Local *self;

  if (!fill_options (&options->engine, &filled, &path, error))
    return NULL;
  shared = acquire (&filled, error);
  if (shared == NULL)
    return NULL;
  session = minivl_session_new (shared->engine, error);
  if (session == NULL) {
    release (shared);
    return NULL;
  }
  self = g_new0 (Local, 1);
  self->shared = shared;
  self->session = session;
  return self;
}

static void
local_close (gpointer data)
{
  Local *self = data;

  minivl_session_free (self->session);
  release (self->shared);
  g_free (self);
}

static void
local_get_info (gpointer data, BackendInfo *info)
{
  Local *self = data;
  const MinivlEngineInfo *engine = minivl_engine_get_info (self->shared->engine);

  *info = (BackendInfo){ engine->model, engine->model_hash, engine->precision, engine->device, engine->device_bytes,
    engine->context_size, engine->max_context_size, engine->tokenizer, engine->system_source };
}

static gboolean
local_count_tokens (gpointer data, const MinivlImage *image, guint max_tiles, guint *tokens, GError **error)
{
  Local *self = data;
  guint n_tiles = 1;

  if (max_tiles > 1) {
    g_autofree guint8 *tiles = minivl_engine_read_tiles (self->shared->engine, image, max_tiles, &n_tiles, error);

    if (tiles == NULL) {
      note_loss (self->shared, *error);
      return FALSE;
    }
  }
  *tokens = n_tiles * minivl_engine_get_info (self->shared->engine)->tile_tokens;
  return TRUE;
}

/* Begins a conversation, without the question itself and its pictures. */
static void
begin (Local *self, const BackendQuestion *question)
{
  minivl_session_reset (self->session);
  minivl_session_set_system (self->session, question->system);
  for (guint i = 0; i < question->n_history; i++)
    minivl_session_add_round (self->session, question->history[i].prompt, question->history[i].answer);
}

static gboolean
local_count_text (gpointer data, const BackendQuestion *question, guint *tokens, GError **error)
{
  Local *self = data;

  begin (self, question);
  return minivl_session_count_tokens (self->session, question->text, &question->params, tokens, error);
}

static gpointer
local_encode (
    gpointer data, const MinivlImage *image, guint max_tiles, const gint *cancel, BackendPictureInfo *info, GError **error)
{
  Local *self = data;
  MinivlPicture *picture = minivl_session_encode (self->session, image, max_tiles, cancel, error);
  MinivlPictureInfo from;

  if (picture == NULL) {
    note_loss (self->shared, *error);
    return NULL;
  }
  minivl_picture_get_info (picture, &from);
  *info = (BackendPictureInfo){ from.columns, from.rows, from.preprocess_ns, from.encode_ns };
  return picture;
}

static void
show (Local *self, const BackendQuestion *question)
{
  for (guint i = 0; i < question->n_pictures; i++)
    minivl_session_add_pictures (self->session, (MinivlPicture *const *)&question->pictures[i], 1);
}

static gboolean
local_prepare (gpointer data, const BackendQuestion *question, guint expected, const gint *cancel, GError **error)
{
  Local *self = data;
  MinivlParams params = question->params;

  params.cancel = cancel;
  begin (self, question);
  show (self, question);
  if (minivl_session_prepare (self->session, question->text, expected, &params, error))
    return TRUE;
  note_loss (self->shared, *error);
  return FALSE;
}

static gboolean
local_ask (gpointer data, const BackendQuestion *question, const gint *cancel, BackendAnswer *answer, GError **error)
{
  Local *self = data;
  MinivlParams params = question->params;
  g_auto (MinivlAnswer) from = { NULL };

  params.cancel = cancel;
  begin (self, question);
  show (self, question);
  if (!minivl_session_ask (self->session, question->text, &params, question->on_text, question->user_data, &from, error)) {
    note_loss (self->shared, *error);
    return FALSE;
  }
  *answer = (BackendAnswer){
    .text = g_steal_pointer (&from.text),
    .finish_reason = minivl_finish_to_string (from.finish),
    .prompt_tokens = from.prompt_tokens,
    .output_tokens = from.output_tokens,
    .cached_tokens = from.cached_tokens,
    .drafted = from.drafted,
    .accepted = from.accepted,
    .prefill_ns = from.prefill_ns,
    .decode_ns = from.decode_ns,
    .yes = from.yes,
    .n_choices = from.n_choices,
    .choice = from.choice,
    .choice_probabilities = g_steal_pointer (&from.choice_probabilities),
  };
  return TRUE;
}

static void
local_cancel (gpointer data)
{
  Local *self = data;

  minivl_session_cancel (self->session);
}

static void
local_set_priority (gpointer data, gint priority)
{
  Local *self = data;

  minivl_session_set_priority (self->session, priority);
}

static void
local_picture_unref (gpointer picture)
{
  minivl_picture_unref (picture);
}

static double
local_similarity (gpointer a, gpointer b)
{
  return minivl_picture_similarity (a, b);
}

const Backend backend_local = {
  .check = local_check,
  .check_shape = minivl_shape_check,
  .open = local_open,
  .get_info = local_get_info,
  .count_tokens = local_count_tokens,
  .count_text = local_count_text,
  .encode = local_encode,
  .ask = local_ask,
  .prepare = local_prepare,
  .cancel = local_cancel,
  .set_priority = local_set_priority,
  .picture_unref = local_picture_unref,
  .similarity = local_similarity,
  .close = local_close,
  .has_demo_model = TRUE,
};

#include "gst/results/log.h"
#include "worker-private.h"

/* How long the back end may take to stop what was given up. */
#define GRACE G_TIME_SPAN_SECOND
#define LIVE_PRIORITY 1

/* --- under the lock ---------------------------------------------------------------------------------------------------------- */

static Segment *
find_segment (Worker *w, guint64 id)
{
  for (GList *l = w->segments.tail; l != NULL; l = l->prev) {
    Segment *s = l->data;

    if (s->id == id)
      return s;
  }
  return NULL;
}

/* What is begun is being answered. */
static gboolean
waits_for_room (const Segment *s)
{
  return segment_waits (s) && s->begun == NULL;
}

static guint
count_waiting (Worker *w)
{
  guint n = 0;

  for (GList *l = w->segments.head; l != NULL; l = l->next)
    n += waits_for_room (l->data);
  return n;
}

static gboolean
may_wait (Worker *w)
{
  return w->leak == WORKER_WAITS && !g_atomic_int_get (&w->quit) && !w->flushing && !w->failed && !w->closing;
}

static gsize
count_bytes (Worker *w)
{
  gsize bytes = 0;

  for (GList *l = w->segments.head; l != NULL; l = l->next)
    bytes += segment_bytes (l->data);
  return bytes;
}

static void
drop (Worker *w, Segment *s)
{
  GST_DEBUG ("%s: %" G_GUINT64_FORMAT ": dropped", w->stream, s->id);
  segment_drop (s);
  w->n_dropped++;
}

static Segment *
drop_oldest (Worker *w)
{
  for (GList *l = w->segments.head; l != NULL; l = l->next) {
    Segment *s = l->data;

    if (waits_for_room (s)) {
      drop (w, s);
      return s;
    }
  }
  return NULL;
}

static void
cancel_backend (Worker *w)
{
  g_atomic_int_set (&w->cancel, 1);
  g_atomic_int_set (&w->stirred, 1);
  if (w->self != NULL)
    w->backend->cancel (w->self);
}

void
worker_stir (Worker *w)
{
  g_atomic_int_set (&w->stirred, 1);
  if (w->self != NULL && w->backend->stir != NULL)
    w->backend->stir (w->self);
  g_cond_broadcast (&w->changed);
}

void
worker_await_ids (Worker *w)
{
  while (!w->looked_back && !w->flushing && !g_atomic_int_get (&w->quit))
    g_cond_wait (&w->changed, &w->lock);
}

/* Returns how many segments were dropped. */
static guint
give_up (Worker *w)
{
  guint n = 0;

  for (GList *l = w->segments.head; l != NULL; l = l->next) {
    Segment *s = l->data;

    if (!segment_waits (s))
      continue;
    drop (w, s);
    n++;
  }
  for (GList *l = w->questions.head; l != NULL; l = l->next)
    segment_drop (l->data);
  w->ending = FALSE;
  w->gave_up = TRUE;
  if (w->summaries.length > 0)
    ((Segment *)g_queue_peek_head (&w->summaries))->given_up = TRUE;
  if (w->in_hand != NULL)
    w->in_hand->given_up = TRUE;
  cancel_backend (w);
  return n;
}

/* --- start and stop ---------------------------------------------------------------------------------------------------------- */

Worker *
worker_new (const Backend *backend, const WorkerCallbacks *callbacks, gpointer user_data)
{
  Worker *w = g_new0 (Worker, 1);

  w->own = w->backend = backend;
  w->callbacks = *callbacks;
  w->user_data = user_data;
  w->text = g_string_new (NULL);
  history_init (&w->history);
  w->summary = summary_new ();
  w->earlier = g_ptr_array_new_with_free_func ((GDestroyNotify)result_unref);
  alerts_init (&w->alerts);
  recent_init (&w->recent);
  g_atomic_int_set (&w->quit, 1); /* until it is started */
  g_mutex_init (&w->lock);
  g_cond_init (&w->changed);
  return w;
}

void
worker_free (Worker *w)
{
  g_mutex_clear (&w->lock);
  g_cond_clear (&w->changed);
  g_string_free (w->text, TRUE);
  history_clear (&w->history);
  summary_free (w->summary);
  g_ptr_array_unref (w->earlier);
  alerts_clear (&w->alerts);
  g_ptr_array_unref (w->recent.frames);
  g_free (w);
}

void
worker_start (Worker *w, const WorkerConfig *config)
{
  w->backend = config->backend != NULL ? config->backend : w->own;
  backend_options_copy (&w->options, &config->options);
  w->stream = g_strdup (config->stream);
  w->n_frames = config->frames;
  w->max_tiles = config->max_tiles;
  w->max_backlog = config->max_backlog;
  w->max_bytes = config->max_bytes;
  w->flushing = w->failed = w->lost = w->encoded = FALSE;
  w->leak = WORKER_WAITS;
  w->priority = 0;
  w->opening = TRUE;
  w->n_answered = w->n_dropped = 0;
  w->journal = config->journal;
  w->looked_back = FALSE;
  w->closing = w->gave_up = w->ending = w->reduce_failed = w->too_many = w->staged = FALSE;
  g_atomic_int_set (&w->cancel, 0);
  g_atomic_int_set (&w->quit, 0);
  w->thread = g_thread_new ("minivl-worker", worker_run, w);
}

void
worker_interrupt (Worker *w)
{
  g_mutex_lock (&w->lock);
  g_atomic_int_set (&w->quit, 1);
  if (w->in_hand != NULL)
    w->in_hand->flushed = TRUE;
  cancel_backend (w);
  g_cond_broadcast (&w->changed);
  g_mutex_unlock (&w->lock);
}

gboolean
worker_stop (Worker *w)
{
  if (w->thread == NULL)
    return FALSE;
  worker_interrupt (w);
  g_thread_join (g_steal_pointer (&w->thread));
  g_queue_clear_full (&w->segments, (GDestroyNotify)segment_free);
  g_queue_clear_full (&w->summaries, (GDestroyNotify)segment_free);
  g_clear_error (&w->stage_error);
  backend_options_clear (&w->options);
  alerts_forget (&w->alerts);
  summary_free (w->summary);
  w->summary = summary_new ();
  g_ptr_array_set_size (w->earlier, 0);
  segment_settings_clear (&w->summing);
  g_clear_pointer (&w->stream, g_free);
  g_clear_pointer (&w->model, g_free);
  g_clear_pointer (&w->model_hash, g_free);
  g_clear_pointer (&w->precision, g_free);
  g_clear_pointer (&w->tokenizer, g_free);
  g_clear_pointer (&w->system_source, g_free);
  g_clear_pointer (&w->device, g_free);
  return w->opening;
}

gboolean
worker_has_failed (Worker *w)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&w->lock);

  return w->failed;
}

void
worker_set_live (Worker *w, gboolean live, WorkerLeak leak)
{
  g_mutex_lock (&w->lock);
  w->priority = live ? LIVE_PRIORITY : 0;
  w->leak = leak;
  worker_stir (w);
  g_mutex_unlock (&w->lock);
}

guint
worker_count_waiting (Worker *w)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&w->lock);

  return count_waiting (w);
}

gboolean
worker_is_answering (Worker *w)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&w->lock);

  for (GList *l = w->segments.head; l != NULL; l = l->next)
    if (((Segment *)l->data)->complete)
      return TRUE;
  return w->finishing;
}

guint64
worker_get_device_bytes (Worker *w)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&w->lock);

  return w->device_bytes;
}

/* --- the streaming thread ---------------------------------------------------------------------------------------------------- */

guint64
worker_open_segment (Worker *w, guint64 number, guint64 start, gint64 utc, const SegmentSettings *settings)
{
  Segment *s = segment_new (settings);
  guint64 id = 0;

  s->number = number;
  s->start = s->stop = start;
  s->utc = utc;

  g_mutex_lock (&w->lock);
  worker_await_ids (w);
  s->run = w->run;
  if (!w->flushing && !w->failed && !g_atomic_int_get (&w->quit)) {
    s->id = id = ++w->last_id;
    w->number = number;
    g_queue_push_tail (&w->segments, s);
  } else {
    segment_free (s);
  }
  g_mutex_unlock (&w->lock);
  return id;
}

void
worker_add_frame (Worker *w, guint64 id, Frame *frame, guint times)
{
  Segment *s;

  g_mutex_lock (&w->lock);
  s = find_segment (w, id);
  if (s != NULL && !s->flushed) {
    segment_add_frame (s, frame, times);
    worker_stir (w);
  }
  g_mutex_unlock (&w->lock);
}

void
worker_add_picture (Worker *w, guint64 id, Frame *picture, guint times)
{
  Segment *s;

  g_mutex_lock (&w->lock);
  s = find_segment (w, id);
  if (s != NULL && !s->flushed)
    segment_add_picture (s, picture, times, w->n_frames / 2);
  g_mutex_unlock (&w->lock);
}

void
worker_set_prompt (Worker *w, guint64 id, const gchar *prompt)
{
  Segment *s;

  g_mutex_lock (&w->lock);
  s = find_segment (w, id);
  if (s != NULL) {
    g_free (s->settings.prompt);
    s->settings.prompt = g_strdup (prompt);
  }
  g_mutex_unlock (&w->lock);
}

void
worker_close_segment (Worker *w, guint64 id, guint64 stop, guint64 running_time)
{
  guint64 n_answered, n_dropped, late = GST_CLOCK_TIME_NONE;
  gboolean dropped = FALSE;
  Segment *s;

  g_mutex_lock (&w->lock);
  while ((s = find_segment (w, id)) != NULL && !s->flushed && may_wait (w) && count_waiting (w) >= w->max_backlog)
    g_cond_wait (&w->changed, &w->lock);
  dropped = s != NULL && !s->flushed && w->leak != WORKER_WAITS && count_waiting (w) >= w->max_backlog;
  if (s != NULL) {
    s->stop = stop;
    s->running_time = running_time;
    s->completed = g_get_monotonic_time ();
    s->complete = TRUE;
    worker_stir (w);
  }
  if (dropped && w->leak == WORKER_DROPS_NEWEST)
    drop (w, s);
  else if (dropped)
    s = drop_oldest (w);
  if (dropped)
    late = s->running_time;
  n_answered = w->n_answered;
  n_dropped = w->n_dropped;
  g_mutex_unlock (&w->lock);
  if (dropped)
    w->callbacks.dropped (n_answered, n_dropped, late, w->user_data);
}

void
worker_forget (Worker *w)
{
  g_mutex_lock (&w->lock);
  w->run++;
  g_mutex_unlock (&w->lock);
}

void
worker_pass (Worker *w, guint64 now, guint64 running_time, gint64 utc)
{
  g_mutex_lock (&w->lock);
  w->now = now;
  w->now_running = running_time;
  w->now_utc = utc;
  g_mutex_unlock (&w->lock);
}

void
worker_close (Worker *w)
{
  g_mutex_lock (&w->lock);
  w->closing = TRUE;
  g_mutex_unlock (&w->lock);
}

void
worker_end (Worker *w)
{
  g_mutex_lock (&w->lock);
  w->ending = !w->flushing;
  worker_stir (w);
  g_mutex_unlock (&w->lock);
}

void
worker_wait_for_room (Worker *w)
{
  g_mutex_lock (&w->lock);
  /* Nothing is encoded while the device is lost, and it may never come back. */
  while (may_wait (w) && !w->lost && count_bytes (w) > w->max_bytes)
    g_cond_wait (&w->changed, &w->lock);
  g_mutex_unlock (&w->lock);
}

/* Holds the lock. Returns whether `until` has passed with something left. */
static gboolean
wait_until_idle (Worker *w, gint64 until)
{
  gboolean in_time = TRUE;

  while (in_time && !w->flushing && !w->failed && !g_atomic_int_get (&w->quit)
         && (w->finishing || w->ending || w->segments.length > 0 || w->questions.length > 0 || w->summaries.length > 0)) {
    if (until < 0)
      g_cond_wait (&w->changed, &w->lock);
    else
      in_time = g_cond_wait_until (&w->changed, &w->lock, until);
  }
  return !in_time;
}

WorkerDrain
worker_drain (Worker *w, guint64 timeout)
{
  gint64 until = timeout < G_MAXINT64 ? g_get_monotonic_time () + (gint64)(timeout / 1000) : -1;
  guint64 n_answered, n_dropped;
  gboolean timed_out, interrupted;
  guint n_given_up = 0;

  g_mutex_lock (&w->lock);
  timed_out = wait_until_idle (w, until);
  if (timed_out) {
    n_given_up = give_up (w);
    wait_until_idle (w, g_get_monotonic_time () + GRACE);
  }
  w->closing = w->gave_up = FALSE;
  interrupted = w->flushing || g_atomic_int_get (&w->quit);
  n_answered = w->n_answered;
  n_dropped = w->n_dropped;
  g_mutex_unlock (&w->lock);
  if (n_given_up > 0)
    w->callbacks.dropped (n_answered, n_dropped, GST_CLOCK_TIME_NONE, w->user_data);
  if (interrupted)
    return WORKER_INTERRUPTED;
  return timed_out ? WORKER_TIMED_OUT : WORKER_DRAINED;
}

void
worker_flush_start (Worker *w)
{
  g_mutex_lock (&w->lock);
  w->flushing = TRUE;
  w->ending = FALSE;
  w->run++;
  for (GList *l = w->segments.head; l != NULL; l = l->next)
    ((Segment *)l->data)->flushed = TRUE;
  for (GList *l = w->questions.head; l != NULL; l = l->next)
    ((Segment *)l->data)->flushed = TRUE;
  if (w->summaries.length > 0)
    ((Segment *)g_queue_peek_head (&w->summaries))->flushed = TRUE;
  if (w->in_hand != NULL)
    w->in_hand->flushed = TRUE;
  cancel_backend (w);
  g_cond_broadcast (&w->changed);
  g_mutex_unlock (&w->lock);
}

void
worker_flush_stop (Worker *w)
{
  g_mutex_lock (&w->lock);
  w->flushing = FALSE;
  g_mutex_unlock (&w->lock);
}

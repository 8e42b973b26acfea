#include "worker.h"

#include "prompt.h"

typedef struct
{
  guint64 id, number, start, stop, running_time;
  Question question;
  GPtrArray *frames; /* Frame, one a place */
  GArray *times;     /* guint64, stream time, one a place; outlives the frames of a dropped segment */
  Frame *spare;      /* the first frame, as long as no place is filled */
  gboolean complete, dropped, flushed;
  gint64 completed; /* monotonic time, us */
} Segment;

struct _Worker
{
  const Backend *backend;
  WorkerCallbacks callbacks;
  gpointer user_data;
  GThread *thread;

  MinivlEngineOptions options;
  gchar *stream;
  guint max_tiles, max_backlog;
  gsize max_bytes;
  BackendInfo info; /* the worker's thread alone */

  GMutex lock; /* never held over a call of the back end, cancel apart */
  GCond changed;
  GQueue segments;    /* Segment, oldest first */
  Segment *in_hand;   /* being asked; not in `segments` any more */
  gboolean finishing; /* from there until its result is out */
  gpointer self;      /* of the back end, while open */
  gint cancel;        /* atomic: what the back end looks at; reset by the thread when it runs nothing that is to be cancelled */
  gint quit;          /* atomic, for the progress of opening */
  gboolean flushing, failed, opening, live;
  guint64 n_answered, n_dropped;
};

void
question_copy (Question *to, const Question *from)
{
  *to = *from;
  to->prompt = g_strdup (from->prompt);
  to->system = g_strdup (from->system);
}

void
question_clear (Question *question)
{
  g_clear_pointer (&question->prompt, g_free);
  g_clear_pointer (&question->system, g_free);
}

static void
segment_free (Segment *s)
{
  question_clear (&s->question);
  g_ptr_array_unref (s->frames);
  g_array_unref (s->times);
  frame_unref (s->spare);
  g_free (s);
}

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

static guint
count_waiting (Worker *w)
{
  guint n = 0;

  for (GList *l = w->segments.head; l != NULL; l = l->next) {
    Segment *s = l->data;

    n += s->complete && !s->dropped && !s->flushed;
  }
  return n;
}

static gboolean
may_wait (Worker *w)
{
  return !w->live && !w->quit && !w->flushing && !w->failed;
}

static gsize
count_bytes (Worker *w)
{
  gsize bytes = 0;

  for (GList *l = w->segments.head; l != NULL; l = l->next) {
    Segment *s = l->data;

    for (guint i = 0; i < s->frames->len; i++) {
      Frame *frame = g_ptr_array_index (s->frames, i);

      if (i == 0 || frame != g_ptr_array_index (s->frames, i - 1))
        bytes += frame->size;
    }
  }
  return bytes;
}

static Frame *
first_to_encode (Segment *s)
{
  if (s->dropped || s->flushed)
    return NULL;
  for (guint i = 0; i < s->frames->len; i++) {
    Frame *frame = g_ptr_array_index (s->frames, i);

    if (frame->picture == NULL && frame->error == NULL)
      return frame;
  }
  return NULL;
}

/* The oldest segment goes first, its answer before the pictures of those behind it. */
static Frame *
next_to_encode (Worker *w)
{
  Frame *frame = NULL;

  for (GList *l = w->segments.head; l != NULL && frame == NULL; l = l->next) {
    Segment *s = l->data;

    frame = first_to_encode (s);
    if (s->complete)
      break;
  }
  return frame;
}

static void
add_place (Segment *s, Frame *frame)
{
  g_ptr_array_add (s->frames, frame_ref (frame));
  g_array_append_val (s->times, frame->time);
}

/* Pixels go at once. Pictures are left to the worker's thread: the back end may take its time to free one. */
static void
drop_segment (Worker *w, Segment *s)
{
  s->dropped = TRUE;
  w->n_dropped++;
  for (guint i = s->frames->len; i-- > 0;) {
    Frame *frame = g_ptr_array_index (s->frames, i);

    if (frame->picture == NULL)
      g_ptr_array_remove_index (s->frames, i);
  }
}

static Segment *
drop_oldest (Worker *w)
{
  for (GList *l = w->segments.head; l != NULL; l = l->next) {
    Segment *s = l->data;

    if (s->complete && !s->dropped && !s->flushed) {
      drop_segment (w, s);
      return s;
    }
  }
  return NULL;
}

static void
cancel_backend (Worker *w)
{
  g_atomic_int_set (&w->cancel, 1);
  if (w->self != NULL)
    w->backend->cancel (w->self);
}

/* --- the worker's thread ----------------------------------------------------------------------------------------------------- */

static guint64
since (gint64 from, gint64 to)
{
  return (guint64)MAX (0, to - from) * 1000;
}

static Result *
make_result (Worker *w, const Segment *s)
{
  PromptFacts facts = { s->start, s->stop, s->number, w->stream };
  Result *result = result_new ();

  result->id = s->id;
  result->stream = g_strdup (w->stream);
  result->text = g_strdup ("");
  result->segment_start = s->start;
  result->segment_stop = s->stop;
  result->running_time = s->running_time;
  g_array_append_vals (result->frames, s->times->data, s->times->len);
  result->prompt = prompt_expand (s->question.prompt, &facts);
  result->model = g_strdup (w->info.model);
  result->model_hash = g_strdup (w->info.model_hash);
  result->precision = g_strdup (w->info.precision);
  result->device = g_strdup (w->info.device);
  result->seed = s->question.params.seed;
  return result;
}

static void
add_pictures (Result *result, const Segment *s, GPtrArray *pictures)
{
  for (guint i = 0; i < s->frames->len; i++) {
    const Frame *frame = g_ptr_array_index (s->frames, i);

    g_ptr_array_add (pictures, frame->picture);
    g_array_append_val (result->tiles, frame->info.columns);
    g_array_append_val (result->tiles, frame->info.rows);
    if (i > 0 && frame == g_ptr_array_index (s->frames, i - 1))
      continue;
    result->preprocess += frame->info.preprocess_ns;
    result->encode += frame->info.encode_ns;
  }
}

static const GError *
first_error (const Segment *s)
{
  for (guint i = 0; i < s->frames->len; i++) {
    const Frame *frame = g_ptr_array_index (s->frames, i);

    if (frame->error != NULL)
      return frame->error;
  }
  return NULL;
}

static gboolean
ask (Worker *w, const Segment *s, Result *result, GError **error)
{
  g_autoptr (GPtrArray) pictures = g_ptr_array_new ();
  g_autofree gchar *text = prompt_add_marks (result->prompt, s->frames->len);
  BackendAnswer answer = { NULL };
  BackendQuestion question = { .text = text, .system = s->question.system, .params = s->question.params };

  add_pictures (result, s, pictures);
  question.pictures = pictures->pdata;
  question.n_pictures = pictures->len;
  if (!w->backend->ask (w->self, &question, &w->cancel, &answer, error))
    return FALSE;
  g_free (result->text);
  result->text = answer.text;
  result->answered = TRUE;
  result->prompt_tokens = answer.prompt_tokens;
  result->output_tokens = answer.output_tokens;
  result->cached_tokens = answer.cached_tokens;
  result->prefill = answer.prefill_ns;
  result->decode = answer.decode_ns;
  result->finish_reason = answer.finish_reason;
  return TRUE;
}

/* The oldest segment is complete and has nothing left to encode, or will not be answered. */
static void
finish_segment (Worker *w)
{
  Segment *s = w->in_hand = g_queue_pop_head (&w->segments);
  gboolean answers = !s->dropped && !s->flushed;
  gint64 begun = g_get_monotonic_time ();
  g_autoptr (GError) error = NULL;
  g_autoptr (Result) result = NULL;

  w->finishing = TRUE;
  g_cond_broadcast (&w->changed);
  g_mutex_unlock (&w->lock);
  result = make_result (w, s);
  if (answers && s->frames->len == 0)
    g_set_error_literal (&error, MINIVL_ERROR, MINIVL_ERROR_IMAGES, "no frame of the segment could be read");
  else if (answers && first_error (s) != NULL)
    error = g_error_copy (first_error (s));
  else if (answers)
    ask (w, s, result, &error);
  g_mutex_lock (&w->lock);

  w->in_hand = NULL;
  if (s->flushed) {
    result->finish_reason = "flush";
    g_clear_error (&error);
  } else if (s->dropped) {
    result->finish_reason = "dropped";
  } else if (error != NULL) {
    result->finish_reason = "error";
  } else {
    w->n_answered++;
  }
  result->dropped_segments = w->n_dropped;
  result->wait = since (s->completed, begun);
  result->total = since (s->completed, g_get_monotonic_time ());
  g_mutex_unlock (&w->lock);

  if (!g_atomic_int_get (&w->quit))
    w->callbacks.result (result, error, w->user_data);
  segment_free (s);

  g_mutex_lock (&w->lock);
  w->finishing = FALSE;
  g_cond_broadcast (&w->changed);
}

static void
encode_frame (Worker *w, Frame *frame)
{
  BackendPictureInfo info = { 0 };
  GError *error = NULL;
  gpointer picture;

  frame_ref (frame);
  g_mutex_unlock (&w->lock);
  picture = w->backend->encode (w->self, &frame->image, w->max_tiles, &w->cancel, &info, &error);
  g_mutex_lock (&w->lock);

  frame->picture = picture;
  frame->info = info;
  /* Segments whose frames were cancelled are flushed, and never look at them again. */
  frame->error = error;
  frame_drop_pixels (frame);
  g_cond_broadcast (&w->changed);
  g_mutex_unlock (&w->lock);
  frame_unref (frame);
  g_mutex_lock (&w->lock);
}

static gboolean
on_progress (double fraction, gpointer user_data)
{
  Worker *w = user_data;

  if (g_atomic_int_get (&w->quit))
    return FALSE;
  w->callbacks.progress (fraction, w->user_data);
  return TRUE;
}

static gboolean
open_backend (Worker *w)
{
  g_autoptr (GError) error = NULL;
  gpointer self;
  gboolean quit;

  w->options.on_progress = on_progress;
  w->options.user_data = w;
  self = w->backend->open (&w->options, &error);
  if (self != NULL)
    w->backend->get_info (self, &w->info);

  g_mutex_lock (&w->lock);
  w->self = self;
  quit = g_atomic_int_get (&w->quit);
  w->opening = quit;
  g_mutex_unlock (&w->lock);

  if (!quit)
    w->callbacks.opened (error, w->user_data);

  /* The reason has been told by now; the video that stops for it complains second. */
  g_mutex_lock (&w->lock);
  w->failed = self == NULL;
  g_cond_broadcast (&w->changed);
  g_mutex_unlock (&w->lock);
  return self != NULL;
}

static void
work (Worker *w)
{
  g_mutex_lock (&w->lock);
  while (!g_atomic_int_get (&w->quit)) {
    Segment *s = g_queue_peek_head (&w->segments);
    Frame *frame = next_to_encode (w);

    /* What was to be cancelled has ended, and what comes now is not flushed. */
    g_atomic_int_set (&w->cancel, 0);
    if (frame != NULL)
      encode_frame (w, frame);
    else if (s != NULL && s->complete)
      finish_segment (w);
    else
      g_cond_wait (&w->changed, &w->lock);
  }
  g_mutex_unlock (&w->lock);
}

static gpointer
run (gpointer data)
{
  Worker *w = data;
  gpointer self;

  if (!open_backend (w))
    return NULL;
  work (w);

  g_mutex_lock (&w->lock);
  self = g_steal_pointer (&w->self);
  g_mutex_unlock (&w->lock);
  w->info = (BackendInfo){ NULL };
  w->backend->close (self);
  return NULL;
}

/* --- start and stop ---------------------------------------------------------------------------------------------------------- */

Worker *
worker_new (const Backend *backend, const WorkerCallbacks *callbacks, gpointer user_data)
{
  Worker *w = g_new0 (Worker, 1);

  w->backend = backend;
  w->callbacks = *callbacks;
  w->user_data = user_data;
  g_mutex_init (&w->lock);
  g_cond_init (&w->changed);
  return w;
}

void
worker_free (Worker *w)
{
  g_mutex_clear (&w->lock);
  g_cond_clear (&w->changed);
  g_free (w);
}

void
worker_start (Worker *w, const WorkerConfig *config)
{
  w->options = config->options;
  w->options.model_path = g_strdup (config->options.model_path);
  w->options.device = g_strdup (config->options.device);
  w->stream = g_strdup (config->stream);
  w->max_tiles = config->max_tiles;
  w->max_backlog = config->max_backlog;
  w->max_bytes = config->max_bytes;
  w->flushing = w->failed = w->live = FALSE;
  w->opening = TRUE;
  w->n_answered = w->n_dropped = 0;
  g_atomic_int_set (&w->cancel, 0);
  g_atomic_int_set (&w->quit, 0);
  w->thread = g_thread_new ("minivl-worker", run, w);
}

void
worker_interrupt (Worker *w)
{
  g_mutex_lock (&w->lock);
  g_atomic_int_set (&w->quit, 1);
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
  g_free ((gchar *)w->options.model_path);
  g_free ((gchar *)w->options.device);
  w->options = (MinivlEngineOptions){ NULL };
  g_clear_pointer (&w->stream, g_free);
  return w->opening;
}

gboolean
worker_has_failed (Worker *w)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&w->lock);

  return w->failed;
}

void
worker_set_live (Worker *w, gboolean live)
{
  g_mutex_lock (&w->lock);
  w->live = live;
  g_cond_broadcast (&w->changed);
  g_mutex_unlock (&w->lock);
}

/* --- the streaming thread ---------------------------------------------------------------------------------------------------- */

void
worker_open_segment (Worker *w, guint64 id, guint64 number, guint64 start, const Question *question)
{
  Segment *s = g_new0 (Segment, 1);

  s->id = id;
  s->number = number;
  s->start = s->stop = start;
  s->frames = g_ptr_array_new_with_free_func ((GDestroyNotify)frame_unref);
  s->times = g_array_new (FALSE, FALSE, sizeof (guint64));
  question_copy (&s->question, question);

  g_mutex_lock (&w->lock);
  if (w->flushing || w->failed || g_atomic_int_get (&w->quit))
    segment_free (s);
  else
    g_queue_push_tail (&w->segments, s);
  g_mutex_unlock (&w->lock);
}

void
worker_add_frame (Worker *w, guint64 id, Frame *frame, guint times)
{
  Frame *spare = NULL;
  Segment *s;

  g_mutex_lock (&w->lock);
  s = find_segment (w, id);
  if (s != NULL && !s->flushed) {
    for (guint i = 0; i < times; i++)
      add_place (s, frame);
    if (times > 0)
      spare = g_steal_pointer (&s->spare);
    else
      s->spare = frame_ref (frame);
    g_cond_broadcast (&w->changed);
  }
  g_mutex_unlock (&w->lock);
  frame_unref (spare);
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
  if (s != NULL) {
    s->stop = stop;
    s->running_time = running_time;
    s->completed = g_get_monotonic_time ();
    s->complete = TRUE;
    if (s->frames->len == 0 && s->spare != NULL && !s->flushed)
      add_place (s, s->spare);
    g_cond_broadcast (&w->changed);
  }
  if (w->live && count_waiting (w) > w->max_backlog) {
    late = drop_oldest (w)->running_time;
    dropped = TRUE;
  }
  n_answered = w->n_answered;
  n_dropped = w->n_dropped;
  g_mutex_unlock (&w->lock);
  if (dropped)
    w->callbacks.dropped (n_answered, n_dropped, late, w->user_data);
}

void
worker_wait_for_room (Worker *w)
{
  g_mutex_lock (&w->lock);
  while (may_wait (w) && count_bytes (w) > w->max_bytes)
    g_cond_wait (&w->changed, &w->lock);
  g_mutex_unlock (&w->lock);
}

gboolean
worker_drain (Worker *w)
{
  gboolean drained;

  g_mutex_lock (&w->lock);
  while (!w->flushing && !w->failed && !g_atomic_int_get (&w->quit) && (w->finishing || w->segments.length > 0))
    g_cond_wait (&w->changed, &w->lock);
  drained = !w->flushing && !g_atomic_int_get (&w->quit);
  g_mutex_unlock (&w->lock);
  return drained;
}

void
worker_flush_start (Worker *w)
{
  g_mutex_lock (&w->lock);
  w->flushing = TRUE;
  for (GList *l = w->segments.head; l != NULL; l = l->next)
    ((Segment *)l->data)->flushed = TRUE;
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

#include "budget.h"
#include "gstminivl.h"
#include "prompt.h"
#include "worker-private.h"

#define GST_CAT_DEFAULT gst_minivl_debug

/* Between tries to open a lost device again: the first, and the longest of those that double. */
#define FIRST_DELAY (100 * G_TIME_SPAN_MILLISECOND)
#define LONGEST_DELAY (30 * G_TIME_SPAN_SECOND)
/* The oldest segment goes first, its answer before the pictures of those behind it. */
static Frame *
next_to_encode (Worker *w, const Segment **owner)
{
  Frame *frame = NULL;

  for (GList *l = w->segments.head; l != NULL && frame == NULL; l = l->next) {
    Segment *s = l->data;

    *owner = s;
    frame = segment_first_to_encode (s);
    if (s->complete)
      break;
  }
  return frame;
}

static guint64
since (gint64 from, gint64 to)
{
  return (guint64)MAX (0, to - from) * 1000;
}

static Result *
make_result (Worker *w, const Segment *s)
{
  g_autofree gchar *utc = result_format_utc (s->utc);
  PromptFacts facts = { s->start, s->stop, s->number, w->stream, utc };
  Result *result = result_new ();

  result->id = s->id;
  result->stream = g_strdup (w->stream);
  result->text = g_strdup ("");
  result->segment_start = s->start;
  result->segment_stop = s->stop;
  result->running_time = s->running_time;
  g_array_append_vals (result->frames, s->times->data, s->times->len);
  result->prompt = prompt_expand (s->question.prompt, &facts);
  result->utc = g_steal_pointer (&utc);
  result->model = g_strdup (w->model);
  result->model_hash = g_strdup (w->model_hash);
  result->precision = g_strdup (w->precision);
  result->device = g_strdup (w->device);
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

typedef struct
{
  Worker *w;
  const Segment *segment;
} Answering;

static void
on_text (const gchar *piece, gpointer user_data)
{
  Answering *answering = user_data;
  const Segment *s = answering->segment;
  Worker *w = answering->w;

  g_string_append (w->text, piece);
  w->callbacks.partial (s->id, s->start, s->stop, w->text->str, w->user_data);
}

static gboolean
ask (Worker *w, const Segment *s, Result *result, GError **error)
{
  g_autoptr (GPtrArray) pictures = g_ptr_array_new ();
  g_autofree gchar *text = prompt_add_marks (result->prompt, s->frames->len);
  BackendAnswer answer = { NULL };
  Answering answering = { w, s };
  BackendQuestion question = {
    .text = text, .system = s->question.system, .params = s->question.params, .on_text = on_text, .user_data = &answering
  };

  GST_DEBUG ("%s: %" G_GUINT64_FORMAT ": asked about %u frames", w->stream, s->id, s->frames->len);
  add_pictures (result, s, pictures);
  question.pictures = pictures->pdata;
  question.n_pictures = pictures->len;
  question.params.deadline = segment_deadline (s);
  g_string_truncate (w->text, 0);
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

/* An answer, or why there is none. */
static void
answer_segment (Worker *w, const Segment *s, Result *result, GError **error)
{
  const GError *failure = segment_first_error (s);

  if (failure != NULL)
    g_propagate_error (error, g_error_copy (failure));
  else if (w->lost)
    g_set_error_literal (
        error, MINIVL_ERROR, MINIVL_ERROR_DEVICE, "the device was lost, and could not be opened again in time for it");
  else if (segment_is_late (s))
    result->finish_reason = "deadline";
  else if (s->frames->len == 0)
    g_set_error_literal (error, MINIVL_ERROR, MINIVL_ERROR_IMAGES, "no frame of the segment could be read");
  else
    ask (w, s, result, error);
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
  if (answers)
    answer_segment (w, s, result, &error);
  g_mutex_lock (&w->lock);

  w->in_hand = NULL;
  w->lost = w->lost || g_error_matches (error, MINIVL_ERROR, MINIVL_ERROR_DEVICE);
  if (s->flushed) {
    result->finish_reason = "flush";
    g_clear_error (&error);
  } else if (s->dropped) {
    result->finish_reason = "dropped";
  } else if (error != NULL) {
    result->finish_reason = "error";
  } else {
    w->n_answered++;
    if (s->given_up && g_strcmp0 (result->finish_reason, "cancelled") == 0)
      result->finish_reason = "deadline";
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

static gboolean
same_geometry (const MinivlImage *a, const MinivlImage *b)
{
  return a->width == b->width && a->height == b->height && a->crop_width == b->crop_width && a->crop_height == b->crop_height
         && a->orientation == b->orientation;
}

static gboolean
fits (Worker *w, const MinivlImage *image, const Question *question, GError **error)
{
  guint tokens;

  if (w->encoded && same_geometry (image, &w->last_checked))
    return TRUE;
  if (!w->backend->count_tokens (w->self, image, w->max_tiles, &tokens, error))
    return FALSE;
  w->last_checked = *image;
  return budget_check (w->context_size, w->n_frames, w->max_tiles, tokens, question, error);
}

static void
encode_frame (Worker *w, Frame *frame, const Segment *owner)
{
  BackendPictureInfo info = { 0 };
  GError *error = NULL;
  gpointer picture = NULL;
  Question question;
  gboolean refused;

  GST_DEBUG (
      "%s: %" G_GUINT64_FORMAT ": encodes the frame at %" GST_TIME_FORMAT, w->stream, owner->id, GST_TIME_ARGS (frame->time));
  frame_ref (frame);
  question_copy (&question, &owner->question);
  g_mutex_unlock (&w->lock);
  if (fits (w, &frame->image, &question, &error))
    picture = w->backend->encode (w->self, &frame->image, w->max_tiles, &w->cancel, &info, &error);
  question_clear (&question);
  refused = !w->encoded && g_error_matches (error, MINIVL_ERROR, MINIVL_ERROR_BUDGET);
  if (refused)
    w->callbacks.refused (error, w->user_data);
  g_mutex_lock (&w->lock);

  w->encoded = w->encoded || picture != NULL;
  w->failed = w->failed || refused;
  w->lost = w->lost || g_error_matches (error, MINIVL_ERROR, MINIVL_ERROR_DEVICE);
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

static void
replace_string (gchar **to, const gchar *value)
{
  g_free (*to);
  *to = g_strdup (value);
}

/* Without the lock. NULL on failure. */
static gpointer
try_open (Worker *w, GError **error)
{
  gpointer self = w->backend->open (&w->options, error);
  BackendInfo info = { NULL };

  if (self != NULL) {
    w->backend->get_info (self, &info);
    replace_string (&w->model, info.model);
    replace_string (&w->model_hash, info.model_hash);
    replace_string (&w->precision, info.precision);
    replace_string (&w->device, info.device);
    w->context_size = info.context_size;
  }
  g_mutex_lock (&w->lock);
  w->self = self;
  w->device_bytes = info.device_bytes;
  g_mutex_unlock (&w->lock);
  return self;
}

static gboolean
open_backend (Worker *w)
{
  g_autoptr (GError) error = NULL;
  gboolean opened, quit;

  w->options.on_progress = on_progress;
  w->options.user_data = w;
  opened = try_open (w, &error) != NULL;

  g_mutex_lock (&w->lock);
  quit = g_atomic_int_get (&w->quit);
  w->opening = quit;
  g_mutex_unlock (&w->lock);

  if (!quit)
    w->callbacks.opened (error, w->user_data);

  /* The reason has been told by now; the video that stops for it complains second. */
  g_mutex_lock (&w->lock);
  w->failed = !opened;
  g_cond_broadcast (&w->changed);
  g_mutex_unlock (&w->lock);
  return opened;
}

/* Holds the lock before and after. */
static void
close_backend (Worker *w)
{
  gpointer self = g_steal_pointer (&w->self);

  w->device_bytes = 0;
  g_mutex_unlock (&w->lock);
  if (self != NULL)
    w->backend->close (self);
  g_mutex_lock (&w->lock);
}

/* Holds the lock before and after. fails: what is complete meanwhile gives its result, so that the video does not wait for a device
 * that may never come back. */
static void
wait_and_finish (Worker *w, gint64 until, gboolean fails)
{
  while (!g_atomic_int_get (&w->quit)) {
    Segment *s = g_queue_peek_head (&w->segments);

    if (s != NULL && s->complete && (fails || !segment_waits (s)))
      finish_segment (w);
    else if (!g_cond_wait_until (&w->changed, &w->lock, until))
      return;
    if (g_get_monotonic_time () >= until)
      return;
  }
}

/* Holds the lock before and after. */
static void
reopen (Worker *w)
{
  g_autoptr (GPtrArray) gone = g_ptr_array_new_with_free_func ((GDestroyNotify)frame_unref);
  gint64 delay = FIRST_DELAY;
  gboolean opened = FALSE;
  guint tries = 0;

  GST_WARNING ("%s: the device was lost", w->stream);
  for (GList *l = w->segments.head; l != NULL; l = l->next)
    segment_forget_pictures (l->data, gone);
  close_backend (w);
  while (!opened && !g_atomic_int_get (&w->quit)) {
    wait_and_finish (w, g_get_monotonic_time () + delay, tries > 0);
    if (g_atomic_int_get (&w->quit))
      break;
    g_mutex_unlock (&w->lock);
    opened = try_open (w, NULL) != NULL;
    tries++;
    if (opened)
      w->callbacks.reopened (tries, w->user_data);
    g_mutex_lock (&w->lock);
    delay = MIN (2 * delay, LONGEST_DELAY);
  }
  w->lost = !opened;
  g_mutex_unlock (&w->lock);
  g_ptr_array_set_size (gone, 0);
  g_mutex_lock (&w->lock);
}

static void
work (Worker *w)
{
  while (!g_atomic_int_get (&w->quit) && !w->failed) {
    Segment *s = g_queue_peek_head (&w->segments);
    const Segment *owner = NULL;
    Frame *frame = next_to_encode (w, &owner);

    /* What was to be cancelled has ended, and what comes now is not flushed. */
    g_atomic_int_set (&w->cancel, 0);
    if (w->lost)
      reopen (w);
    else if (frame != NULL)
      encode_frame (w, frame, owner);
    else if (s != NULL && s->complete)
      finish_segment (w);
    else
      g_cond_wait (&w->changed, &w->lock);
  }
}

gpointer
worker_run (gpointer data)
{
  Worker *w = data;

  if (!open_backend (w))
    return NULL;
  g_mutex_lock (&w->lock);
  work (w);
  close_backend (w);
  g_mutex_unlock (&w->lock);
  return NULL;
}

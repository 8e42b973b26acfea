#include "ahead.h"
#include "answer.h"
#include "budget.h"
#include "early.h"
#include "gst/results/log.h"
#include "prompt.h"
#include "similar.h"
#include "summaries.h"
#include "worker-private.h"

/* Delay between tries to open a lost device again: doubles from the first to the longest. */
#define FIRST_DELAY (100 * G_TIME_SPAN_MILLISECOND)
#define LONGEST_DELAY (30 * G_TIME_SPAN_SECOND)

static gboolean
is_question (const Segment *s)
{
  return g_str_equal (s->kind, RESULT_QUESTION);
}

static gboolean
is_segment (const Segment *s)
{
  return g_str_equal (s->kind, RESULT_SEGMENT);
}

static gboolean
is_summary (const Segment *s)
{
  return g_str_equal (s->kind, RESULT_SUMMARY);
}

static gboolean
segment_is_complete (Worker *w)
{
  const Segment *s = g_queue_peek_head (&w->segments);

  return s != NULL && s->complete;
}

static gboolean
wants_stage (Worker *w)
{
  return w->too_many || w->summaries.length > 0;
}

/* A question comes next when nothing is being answered, but two in a row never delay a complete segment, nor a stage of a summary
 * whose turn it is. */
static gboolean
question_is_next (Worker *w)
{
  return w->questions.length > 0 && !(w->questioned && (segment_is_complete (w) || (wants_stage (w) && !w->staged)));
}

/* Between two segments there is one stage of a summary, however many it takes; more of them only when there is nothing else to do.
 */
static gboolean
stage_is_next (Worker *w, gboolean is_idle)
{
  return wants_stage (w) && !question_is_next (w) && (is_idle || !w->staged);
}

/* The oldest segment first; its answer comes before the pictures of later ones. */
static Frame *
next_to_encode (Worker *w, Segment **owner)
{
  Frame *frame = NULL;

  if (question_is_next (w)) {
    *owner = g_queue_peek_head (&w->questions);
    return segment_first_to_encode (*owner);
  }
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

static void
add_pictures (Result *result, const Segment *s, guint frame_tokens)
{
  for (guint i = 0; i < s->frames->len; i++) {
    const Frame *frame = g_ptr_array_index (s->frames, i);

    g_array_append_val (result->tiles, frame->info.columns);
    g_array_append_val (result->tiles, frame->info.rows);
  }
  result->picture_tokens = (guint64)s->frames->len * frame_tokens;
  result->prepared = s->prepared == s->frames->len;
  result->preprocess = s->preprocess;
  result->encode = s->encode;
}

static void go_on (gpointer worker);

static void
on_segment_text (const gchar *piece, gpointer data)
{
  Worker *w = data;

  alerts_begin (w, w->in_hand, w->asked);
  answer_on_text (piece, data);
}

static gboolean
ask_about_frames (Worker *w, Segment *s, Result *result, GError **error)
{
  g_autoptr (GPtrArray) pictures = g_ptr_array_new ();
  g_autofree gchar *text = minivl_prompt_add_marks (result->prompt, 0, s->frames->len);
  g_auto (GStrv) choices = s->settings.choices != NULL ? minivl_choices_split (s->settings.choices) : NULL;
  BackendAnswer answer = { NULL };
  BackendQuestion question = answer_make_question (s, text, pictures, choices);

  GST_DEBUG ("%s: %" G_GUINT64_FORMAT ": asked about %u frames", w->stream, s->id, s->frames->len);
  question.on_text = answer_on_text;
  question.meanwhile = w->backend->begin != NULL ? go_on : NULL;
  question.user_data = w;
  g_string_truncate (w->text, 0);
  if (is_question (s)) { /* segments are not told of it */
    if (!w->backend->ask (w->self, &question, &w->cancel, &answer, error))
      return FALSE;
  } else {
    history_begin (&w->history, s->run, s->settings.history);
    question.history = (const BackendRound *)(gpointer)w->history.rounds->data;
    question.n_history = w->history.rounds->len;
    question.on_text = on_segment_text;
    w->asked = &question;
    ahead_begin (w, s, &question);
    question.begun = ahead_take (s, 0);
    if (!history_ask (&w->history, w->backend, w->self, &question, &w->cancel, &answer, error)) {
      answer_name_shape (&question.params, error);
      return FALSE;
    }
    /* Without a first token the frames are not in the cache, and alerts would have to compute them again. */
    if (answer.output_tokens > 0 || !g_str_equal (answer.finish_reason, "deadline"))
      alerts_put (w, s, &question);
  }
  g_free (result->text);
  result->text = answer.text;
  answer_add (result, &answer);
  answer_add_data (result, &answer, &question.params);
  g_free (answer.choice_probabilities);
  return TRUE;
}

static gboolean
is_unchanged (Worker *w, const Segment *s)
{
  double similarity;

  if (s->settings.similar <= 0 || is_question (s) || w->described == NULL || w->described->run != s->run)
    return FALSE;
  similarity = similar (w->described, s);
  GST_DEBUG ("%s: %" G_GUINT64_FORMAT ": resembles %" G_GUINT64_FORMAT " by %.4f", w->stream, s->id, w->described->id, similarity);
  return similarity >= s->settings.similar;
}

/* All frames are there. */
static void
answer_if_new (Worker *w, Segment *s, Result *result, GError **error)
{
  add_pictures (result, s, w->frame_tokens);
  if (is_unchanged (w, s)) {
    result->finish_reason = "unchanged";
    result->same_as = w->described->id;
  } else {
    ask_about_frames (w, s, result, error);
  }
}

/* Keeps what later segments are told of and compared with. Takes s over. */
static void
remember (Worker *w, Segment *s, const Result *result)
{
  gboolean described = is_segment (s) && result_has_text (result);
  gboolean compared = s->settings.similar > 0;

  if (described)
    history_add (&w->history, result->prompt, result->text);
  if (described || !compared)
    g_clear_pointer (&w->described, segment_free);
  if (described && compared) {
    frame_unref (g_steal_pointer (&s->picture)); /* only alerts need it, and it is large */
    w->described = g_steal_pointer (&s);
  }
  if (s != NULL)
    segment_free (s);
}

/* Nothing was to be seen. The result says so: it has neither prompt nor frames. */
static void
answer_blank (Result *result)
{
  g_clear_pointer (&result->prompt, g_free);
  result->finish_reason = "stop";
}

/* Fills the answer, or says why there is none. */
static void
answer_segment (Worker *w, Segment *s, Result *result, GError **error)
{
  const GError *failure = segment_first_error (s);

  if (failure != NULL)
    g_propagate_error (error, g_error_copy (failure));
  else if (segment_is_blank (s))
    answer_blank (result);
  else if (w->lost)
    g_set_error_literal (
        error, MINIVL_ERROR, MINIVL_ERROR_DEVICE, "the device was lost, and could not be opened again in time for it");
  else if (s->given_up)
    result->finish_reason = "deadline";
  else if (is_summary (s))
    summaries_answer (w, s, result, error);
  else if (s->begun == NULL && segment_is_late (s))
    result->finish_reason = "deadline";
  else if (s->frames->len == 0)
    g_set_error_literal (error, MINIVL_ERROR, MINIVL_ERROR_IMAGES, "no frame of the segment could be read");
  else
    answer_if_new (w, s, result, error);
}

/* Gives the result of the queue's first segment: it is complete and encoded, or will not be answered. */
static void
finish_segment (Worker *w, GQueue *queue)
{
  Segment *s = w->in_hand = g_queue_pop_head (queue);
  gboolean answers = !s->dropped && !s->flushed;
  gint64 begun = g_get_monotonic_time ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) alerts = NULL;
  g_autoptr (Result) result = NULL;

  w->questioned = is_question (s) || (w->questioned && is_summary (s));
  w->staged = is_summary (s) || (w->staged && is_question (s));
  w->finishing = TRUE;
  g_cond_broadcast (&w->changed);
  g_mutex_unlock (&w->lock);
  result = answer_make_result (w, s);
  if (answers)
    answer_segment (w, s, result, &error);
  ahead_forget (w, s);
  g_mutex_lock (&w->lock);

  w->in_hand = NULL;
  /* A frame's own error was noted when it was encoded, and the device may have been reopened since. */
  w->lost = w->lost || (segment_first_error (s) == NULL && g_error_matches (error, MINIVL_ERROR, MINIVL_ERROR_DEVICE));
  if (s->flushed) {
    result->finish_reason = "flush";
    result->same_as = 0;
    g_clear_error (&error);
  } else if (s->dropped) {
    result->finish_reason = "dropped";
  } else if (error != NULL) {
    result->finish_reason = "error";
  } else {
    w->n_answered += is_segment (s);
    if (s->given_up && g_strcmp0 (result->finish_reason, "cancelled") == 0)
      result->finish_reason = "deadline";
  }
  result->dropped_segments = w->n_dropped;
  result->wait = since (s->completed, begun);
  result->total = since (s->completed, g_get_monotonic_time ());
  alerts = alerts_settle (w, s, result);
  g_mutex_unlock (&w->lock);

  if (!g_atomic_int_get (&w->quit))
    alerts_tell (w, s, alerts);
  g_clear_pointer (&s->picture, frame_unref);
  if (is_question (s) || s->dropped || s->given_up || !g_atomic_int_get (&w->quit))
    w->callbacks.result (result, error, w->user_data);
  if (is_segment (s) && !g_atomic_int_get (&w->quit)) {
    summaries_note (w, s, result);
    summaries_settle (w, s);
  }
  if (is_summary (s))
    summaries_close (w, result);
  remember (w, s, result);

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
fits (Worker *w, const MinivlImage *image, guint max_tiles, const SegmentSettings *settings, GError **error)
{
  Budget budget = { w->backend, w->self, w->context_size, w->max_context_size, w->n_frames, max_tiles, 0, w->stream, settings };

  if (w->encoded && same_geometry (image, &w->last_checked))
    return TRUE;
  if (!w->backend->count_tokens (w->self, image, max_tiles, &w->frame_tokens, error))
    return FALSE;
  w->last_checked = *image;
  budget.frame_tokens = w->frame_tokens;
  return budget_check (&budget, error) && (w->encoded || summaries_fit (w, settings, error));
}

/* Holds the lock before and after. How many regions of each frame fit is counted without it. */
static void
count_room (Worker *w, Segment *s)
{
  SegmentSettings settings;
  Budget budget = { w->backend, w->self, w->context_size, w->max_context_size, w->n_frames, 1, w->frame_tokens, w->stream,
    &settings };
  guint room;

  segment_settings_copy (&settings, &s->settings);
  g_mutex_unlock (&w->lock);
  room = budget_regions (&budget);
  segment_settings_clear (&settings);
  g_mutex_lock (&w->lock);
  s->room = room;
}

/* Holds the lock before and after. Whether the segment has room for this frame; if not, it and all others of its rank or above are
 * removed, encoded or not. Also FALSE when the room has just been counted: the frame may be gone by then. The tokens of a picture's
 * first region have been counted, and every region takes as many. */
static gboolean
has_room (Worker *w, const Frame *frame, Segment *s)
{
  g_autoptr (GPtrArray) gone = NULL;

  if (frame->rank == 0)
    return TRUE;
  if (s->room == 0) {
    count_room (w, s);
    return FALSE;
  }
  if (frame->rank < s->room)
    return TRUE;
  gone = g_ptr_array_new_with_free_func ((GDestroyNotify)frame_unref);
  segment_keep_regions (s, s->room, gone);
  GST_INFO ("%s: %" G_GUINT64_FORMAT ": context-size has room for %u regions of each frame: %u smaller ones are left out",
      w->stream, s->id, s->room, gone->len);
  g_mutex_unlock (&w->lock);
  g_ptr_array_set_size (gone, 0);
  g_mutex_lock (&w->lock);
  return FALSE;
}

static void
encode_frame (Worker *w, Frame *frame, Segment *owner)
{
  g_autoptr (GPtrArray) gone = g_ptr_array_new_with_free_func ((GDestroyNotify)frame_unref);
  guint max_tiles = frame->label != NULL ? 1 : w->max_tiles;
  gboolean counts = !is_question (owner); /* whether a question fits is found out when it is asked */
  BackendPictureInfo info = { 0 };
  g_autoptr (GError) error = NULL;
  gpointer picture = NULL;
  SegmentSettings settings;
  gboolean arrived, refused;

  GST_DEBUG (
      "%s: %" G_GUINT64_FORMAT ": encodes the frame at %" GST_TIME_FORMAT, w->stream, owner->id, GST_TIME_ARGS (frame->time));
  frame_ref (frame);
  segment_settings_copy (&settings, &owner->settings);
  g_mutex_unlock (&w->lock);
  arrived = frame_await (frame, &error);
  if (arrived && (!counts || fits (w, &frame->image, max_tiles, &settings, &error)))
    picture = w->backend->encode (w->self, &frame->image, max_tiles, &w->cancel, &info, &error);
  segment_settings_clear (&settings);
  refused = counts && !w->encoded && g_error_matches (error, MINIVL_ERROR, MINIVL_ERROR_BUDGET);
  if (refused)
    w->callbacks.refused (error, w->user_data);
  if (!arrived)
    w->callbacks.unread (error, w->user_data);
  g_mutex_lock (&w->lock);

  w->encoded = w->encoded || (counts && picture != NULL);
  w->failed = w->failed || refused;
  w->lost = w->lost || g_error_matches (error, MINIVL_ERROR, MINIVL_ERROR_DEVICE);
  frame->picture = picture;
  frame->info = info;
  owner->preprocess += info.preprocess_ns;
  owner->encode += info.encode_ns;
  /* Segments with cancelled frames are flushed, and never read this. */
  frame->error = arrived ? g_steal_pointer (&error) : NULL;
  if (arrived)
    frame_drop_pixels (frame);
  else
    segment_leave_out (owner, frame, gone); /* and of others in their turn */
  if (picture != NULL && owner->run == w->run)
    recent_keep (&w->recent, frame, w->run, w->n_frames, gone);
  g_ptr_array_add (gone, frame);
  g_cond_broadcast (&w->changed);
  g_mutex_unlock (&w->lock);
  g_ptr_array_set_size (gone, 0);
  g_mutex_lock (&w->lock);
}

/* Holds the lock before and after. Encodes a frame of the segments that wait, while an answer is awaited. FALSE: there is none. */
static gboolean
encode_ahead (Worker *w)
{
  for (GList *l = w->segments.head; l != NULL; l = l->next) {
    Segment *s = l->data;
    Frame *frame = segment_first_to_encode (s);

    if (frame == NULL)
      continue;
    if (has_room (w, frame, s))
      encode_frame (w, frame, s);
    return TRUE;
  }
  return FALSE;
}

/* The `meanwhile` of a question. worker: a Worker */
static void
go_on (gpointer worker)
{
  Worker *w = worker;

  g_mutex_lock (&w->lock);
  while (!g_atomic_int_get (&w->cancel) && encode_ahead (w))
    continue;
  ahead_begin_waiting (w);
  g_mutex_unlock (&w->lock);
}

static gboolean
on_reopening (double fraction, gpointer user_data)
{
  return !g_atomic_int_get (&((Worker *)user_data)->quit);
}

static gboolean
on_opening (double fraction, gpointer user_data)
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
    replace_string (&w->tokenizer, info.tokenizer);
    replace_string (&w->system_source, info.system_source);
    w->context_size = info.context_size;
    w->max_context_size = info.max_context_size;
    w->told_priority = 0;
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

  w->options.engine.on_progress = on_opening;
  w->options.engine.user_data = w;
  opened = try_open (w, &error) != NULL;

  g_mutex_lock (&w->lock);
  quit = g_atomic_int_get (&w->quit);
  w->opening = quit;
  g_mutex_unlock (&w->lock);

  if (!quit)
    w->callbacks.opened (error, w->user_data);

  /* Only now, so that the reason is told before the video stops for it. */
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
  g_autoptr (GPtrArray) gone = g_ptr_array_new_with_free_func ((GDestroyNotify)frame_unref);
  gpointer self = g_steal_pointer (&w->self);

  w->device_bytes = 0;
  recent_clear (&w->recent, gone);
  g_mutex_unlock (&w->lock);
  g_clear_pointer (&w->described, segment_free); /* its pictures belong to this back end */
  g_ptr_array_set_size (gone, 0);
  if (self != NULL)
    w->backend->close (self);
  g_mutex_lock (&w->lock);
}

/* Holds the lock before and after. fails: segments that are complete give their result meanwhile, so that the video does not
 * wait for a device that may never come back. */
static void
wait_and_finish (Worker *w, gint64 until, gboolean fails)
{
  while (!g_atomic_int_get (&w->quit)) {
    Segment *s = g_queue_peek_head (&w->segments), *question = g_queue_peek_head (&w->questions);
    const Segment *summary = g_queue_peek_head (&w->summaries);

    if (question != NULL && (fails || !segment_waits (question)))
      finish_segment (w, &w->questions);
    else if (s != NULL && s->complete && (fails || !segment_waits (s)))
      finish_segment (w, &w->segments);
    else if (summary != NULL && (fails || summary->flushed || summary->given_up))
      finish_segment (w, &w->summaries);
    else if (w->ending && s == NULL && summary == NULL)
      summaries_end (w);
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
  w->options.engine.on_progress = on_reopening;
  for (GList *l = w->segments.head; l != NULL; l = l->next)
    segment_forget_pictures (l->data, gone);
  for (GList *l = w->questions.head; l != NULL; l = l->next)
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

/* Holds the lock before and after. */
static void
tell_priority (Worker *w)
{
  w->told_priority = w->priority;
  g_mutex_unlock (&w->lock);
  w->backend->set_priority (w->self, w->told_priority);
  g_mutex_lock (&w->lock);
}

/* Holds the lock before and after. */
static void
sum_up (Worker *w)
{
  const Segment *due = g_queue_peek_head (&w->summaries);

  if ((due != NULL && (due->flushed || due->given_up)) || summaries_step (w))
    finish_segment (w, &w->summaries);
}

static void
work (Worker *w)
{
  while (!g_atomic_int_get (&w->quit) && !w->failed) {
    GQueue *queue = question_is_next (w) ? &w->questions : &w->segments;
    Segment *s = g_queue_peek_head (queue);
    Segment *owner = NULL;
    Frame *frame = next_to_encode (w, &owner);

    /* What had to be cancelled has ended, and what comes next must not be. */
    g_atomic_int_set (&w->cancel, 0);
    if (w->lost)
      reopen (w);
    else if (w->priority != w->told_priority)
      tell_priority (w);
    else if (stage_is_next (w, frame == NULL && !(s != NULL && s->complete)))
      sum_up (w);
    else if (frame != NULL) {
      if (has_room (w, frame, owner))
        encode_frame (w, frame, owner);
    } else if (s != NULL && s->complete)
      finish_segment (w, queue);
    else if (w->ending)
      summaries_end (w);
    else if (!early_prepare (w))
      g_cond_wait (&w->changed, &w->lock);
  }
}

/* Holds the lock before and after. No more answers are made, but these segments were announced as dropped, and their results have
 * to follow. */
static void
finish_dropped (Worker *w)
{
  GQueue dropped = G_QUEUE_INIT;

  for (GList *l = w->segments.head, *next; l != NULL; l = next) {
    next = l->next;
    if (!((Segment *)l->data)->dropped)
      continue;
    g_queue_unlink (&w->segments, l);
    g_queue_push_tail_link (&dropped, l);
  }
  while (!g_queue_is_empty (&dropped))
    finish_segment (w, &dropped);
}

/* Before the model is opened, which takes longer; the first segment waits for no more than the ids. */
static void
look_back (Worker *w)
{
  if (w->journal != NULL)
    journal_look_back (w->journal, &w->quit);
  g_mutex_lock (&w->lock);
  if (w->journal != NULL)
    w->last_id = MAX (w->last_id, journal_get_last_id (w->journal));
  w->looked_back = TRUE;
  g_cond_broadcast (&w->changed);
  g_mutex_unlock (&w->lock);
  if (w->journal != NULL)
    summaries_look_back (w);
}

gpointer
worker_run (gpointer data)
{
  Worker *w = data;
  gboolean opened;

  look_back (w);
  opened = open_backend (w);
  g_mutex_lock (&w->lock);
  if (opened)
    work (w);
  /* The application waits for these results. */
  while (!g_queue_is_empty (&w->questions)) {
    ((Segment *)g_queue_peek_head (&w->questions))->flushed = TRUE;
    finish_segment (w, &w->questions);
  }
  finish_dropped (w);
  close_backend (w);
  g_mutex_unlock (&w->lock);
  return NULL;
}

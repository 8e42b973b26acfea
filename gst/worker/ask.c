#include "worker-private.h"

/* Questions that may wait. Each may keep frames that nothing else needs any more. */
#define MOST_WAITING 8

/* Holds the lock. NULL, and *why, when it cannot be asked. */
static Segment *
make_question (Worker *w, const SegmentSettings *settings, guint64 duration, const gchar **why)
{
  g_autoptr (GPtrArray) frames = NULL;
  Segment *s;

  *why = NULL;
  if (g_atomic_int_get (&w->quit) || w->failed)
    *why = "the element is not running";
  else if (w->questions.length >= MOST_WAITING)
    *why = "as many questions as may wait are waiting for their answers already";
  else
    frames = recent_choose (&w->recent, &w->segments, w->run, w->now - MIN (w->now, duration), w->n_frames);
  if (*why == NULL && (frames == NULL || frames->len == 0))
    *why = "no frame of the video has been sampled yet";
  if (*why != NULL)
    return NULL;

  s = segment_new (settings);
  s->kind = RESULT_QUESTION;
  for (guint i = 0; i < frames->len; i++)
    segment_add_place (s, g_ptr_array_index (frames, i));
  s->number = w->number;
  s->run = w->run;
  s->start = g_array_index (s->times, guint64, 0);
  s->stop = w->now;
  s->running_time = w->now_running;
  s->utc = w->now_utc < 0 ? -1 : w->now_utc - GST_CLOCK_DIFF (s->start, s->stop);
  s->completed = g_get_monotonic_time ();
  s->complete = TRUE;
  return s;
}

guint64
worker_ask (Worker *w, const SegmentSettings *settings, guint64 duration, const gchar **why)
{
  guint64 id = 0;
  Segment *s;

  g_mutex_lock (&w->lock);
  worker_await_ids (w);
  s = make_question (w, settings, duration, why);
  if (s != NULL) {
    s->id = id = ++w->last_id;
    g_queue_push_tail (&w->questions, s);
    worker_stir (w);
  }
  g_mutex_unlock (&w->lock);
  return id;
}

#include "summaries.h"

#include "answer.h"
#include "gst/results/log.h"
#include "worker-private.h"

static SummaryAsker
asker_of (Worker *w, const SegmentSettings *settings)
{
  return (SummaryAsker){ w->backend, w->self, &w->cancel, w->context_size, settings, w->stream, NULL, w };
}

gboolean
summaries_fit (Worker *w, const SegmentSettings *settings, GError **error)
{
  SummaryAsker asker = asker_of (w, settings);

  return settings->summary_interval == 0 || summary_check (w->summary, &asker, error);
}

/* Sums up early when the reports no longer fit one prompt. A failure is tried again when the summary is due. */
static void
reduce (Worker *w, const SegmentSettings *settings)
{
  SummaryAsker asker = asker_of (w, settings);
  g_autoptr (GError) error = NULL;
  g_autofree gchar *text = NULL;

  if (w->lost)
    return;
  if (summary_reduce (w->summary, &asker, &error)) {
    w->reduce_failed = FALSE;
    return;
  }
  GST_DEBUG ("%s: reports could not be summed up: %s", w->stream, error->message);
  if (g_error_matches (error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED))
    return;
  g_mutex_lock (&w->lock);
  w->lost = w->lost || g_error_matches (error, MINIVL_ERROR, MINIVL_ERROR_DEVICE);
  g_mutex_unlock (&w->lock);
  text = g_strdup_printf ("%s: reports could not be summed up, and are kept: %s", w->stream, error->message);
  if (!w->reduce_failed)
    w->callbacks.trouble (text, w->user_data);
  w->reduce_failed = TRUE;
}

/* Adds the reports of earlier runs before the first one of this run; if interrupted, it continues with the next report. */
static void
recall (Worker *w, const SegmentSettings *settings)
{
  Result *result;

  while (w->journal != NULL && !w->lost && !g_atomic_int_get (&w->cancel) && (result = journal_read (w->journal)) != NULL) {
    if (summary_is_report (result)) {
      summary_recall (w->summary, result);
      reduce (w, settings);
    }
    result_unref (result);
  }
}

void
summaries_note (Worker *w, const Segment *s, const Result *result)
{
  if (s->settings.summary_interval == 0 || !summary_is_report (result))
    return;
  recall (w, &s->settings);
  summary_add (w->summary, result);
}

/* Holds the lock. It goes before the questions that wait, so that it covers just what has been told so far. */
static void
push (Worker *w)
{
  Segment *s = segment_new (&w->summing);

  s->kind = RESULT_SUMMARY;
  s->id = ++w->last_id;
  s->run = w->run;
  summary_get_span (w->summary, &s->start, &s->stop, &s->utc);
  s->running_time = w->summing_running;
  g_free (s->settings.prompt);
  s->settings.prompt = g_strdup (s->settings.summary_prompt);
  s->settings.deadline = 0; /* deadlines are for segments */
  s->completed = g_get_monotonic_time ();
  s->complete = TRUE;
  g_queue_push_head (&w->questions, s);
}

void
summaries_settle (Worker *w, const Segment *s)
{
  segment_settings_clear (&w->summing);
  segment_settings_copy (&w->summing, &s->settings);
  w->summing_running = s->running_time;
  if (w->summing.summary_interval == 0) {
    summary_forget (w->summary);
  } else if (summary_is_due (w->summary, w->summing.summary_interval)) {
    g_mutex_lock (&w->lock);
    push (w);
    g_mutex_unlock (&w->lock);
  } else {
    reduce (w, &w->summing);
  }
}

void
summaries_end (Worker *w)
{
  guint64 start, stop;
  gint64 utc;

  w->ending = FALSE;
  if (summary_get_span (w->summary, &start, &stop, &utc))
    push (w);
  g_cond_broadcast (&w->changed);
}

void
summaries_answer (Worker *w, const Segment *s, Result *result, GError **error)
{
  SummaryAsker asker = asker_of (w, &s->settings);
  BackendAnswer answer = { NULL };
  g_autofree gchar *prompt = NULL;
  GError *failure = NULL;

  GST_DEBUG ("%s: %" G_GUINT64_FORMAT ": sums up", w->stream, s->id);
  g_string_truncate (w->text, 0);
  asker.on_text = answer_on_text;
  if (summary_ask (w->summary, &asker, &answer, &prompt, &failure)) {
    g_free (result->text);
    g_free (result->prompt);
    result->text = answer.text;
    result->prompt = g_steal_pointer (&prompt);
    answer_add (result, &answer);
    if (result_is_made_summary (result))
      summary_clear (w->summary);
  } else if (g_error_matches (failure, MINIVL_ERROR, MINIVL_ERROR_CANCELLED)) {
    g_error_free (failure);
    result->finish_reason = "cancelled";
  } else {
    g_propagate_error (error, failure);
  }
  summary_rearm (w->summary, s->settings.summary_interval);
}

#include "summaries.h"

#include "answer.h"
#include "gst/results/log.h"
#include "worker-private.h"

static SummaryAsker
asker_of (Worker *w, const SegmentSettings *settings)
{
  return (SummaryAsker){ w->backend, w->self, &w->cancel, w->context_size, settings, w->stream, NULL, w, w->max_context_size };
}

gboolean
summaries_fit (Worker *w, const SegmentSettings *settings, GError **error)
{
  SummaryAsker asker = asker_of (w, settings);

  return settings->summary_interval == 0 || summary_check (w->summary, &asker, error);
}

/* Index of the first of the newest reports, of which there is one, that lie within one interval of stream time, which begins anew
 * with each run. */
static guint
first_within (const GPtrArray *reports, guint64 interval)
{
  const Result *next = g_ptr_array_index (reports, reports->len - 1);
  guint64 left = interval, stop = next->segment_stop;

  for (guint i = reports->len - 1; i > 0; i--) {
    const Result *r = g_ptr_array_index (reports, i - 1);

    if (r->segment_start > next->segment_start || r->segment_stop > next->segment_stop) {
      left -= MIN (left, stop - next->segment_start);
      stop = r->segment_stop;
    }
    if (stop - r->segment_start > left)
      return i;
    next = r;
  }
  return 0;
}

void
summaries_look_back (Worker *w)
{
  Result *result;

  while (!g_atomic_int_get (&w->quit) && (result = journal_read (w->journal)) != NULL) {
    if (summary_is_report (result))
      g_ptr_array_add (w->earlier, result);
    else
      result_unref (result);
  }
}

/* Adds the reports of earlier runs, before the first one of this run. */
static void
recall (Worker *w, guint64 interval)
{
  g_autofree gchar *text = NULL;
  guint first;

  if (w->earlier->len == 0)
    return;
  first = first_within (w->earlier, interval);
  if (first > 0 || journal_is_cut (w->journal)) {
    text = g_strdup_printf ("%s: journal: the newest %u reports of earlier runs go into the next summary, and older ones are left "
                            "out: at most %u are read, of one summary-interval",
        w->stream, w->earlier->len - first, JOURNAL_MOST_REPORTS);
    w->callbacks.trouble (text, w->user_data);
    summary_leave_out (w->summary, g_ptr_array_index (w->earlier, first));
  }
  for (guint i = first; i < w->earlier->len; i++)
    summary_recall (w->summary, g_ptr_array_index (w->earlier, i));
  g_ptr_array_set_size (w->earlier, 0);
}

void
summaries_note (Worker *w, const Segment *s, const Result *result)
{
  if (s->settings.summary_interval == 0 || !summary_is_report (result))
    return;
  recall (w, s->settings.summary_interval);
  summary_add (w->summary, result);
}

/* Holds the lock. */
static void
begin (Worker *w)
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
  summary_begin (w->summary, s->settings.summary_interval);
  g_queue_push_tail (&w->summaries, s);
}

void
summaries_settle (Worker *w, const Segment *s)
{
  gboolean forgets = s->settings.summary_interval == 0;

  segment_settings_clear (&w->summing);
  segment_settings_copy (&w->summing, &s->settings);
  w->summing_running = s->running_time;
  if (forgets)
    g_ptr_array_set_size (w->earlier, 0);
  g_mutex_lock (&w->lock);
  if (forgets && w->summaries.length == 0)
    summary_forget (w->summary);
  else if (w->summaries.length == 0 && !w->gave_up && summary_is_due (w->summary, w->summing.summary_interval))
    begin (w);
  w->too_many = !forgets;
  g_mutex_unlock (&w->lock);
}

void
summaries_end (Worker *w)
{
  guint64 start, stop;
  gint64 utc;

  w->ending = FALSE;
  if (w->summing.summary_interval > 0 && summary_get_span (w->summary, &start, &stop, &utc))
    begin (w);
  g_cond_broadcast (&w->changed);
}

/* A stage for which no summary was due has failed: it is tried again behind the next segment. */
static void
tell_failure (Worker *w, const GError *error)
{
  g_autofree gchar *text = NULL;

  GST_DEBUG ("%s: reports could not be summed up: %s", w->stream, error->message);
  text = g_strdup_printf ("%s: reports could not be summed up, and are kept: %s", w->stream, error->message);
  if (!w->reduce_failed)
    w->callbacks.trouble (text, w->user_data);
  w->reduce_failed = TRUE;
}

gboolean
summaries_step (Worker *w)
{
  const Segment *due = g_queue_peek_head (&w->summaries);
  SummaryAsker asker = asker_of (w, due != NULL ? &due->settings : &w->summing);
  g_autoptr (GError) error = NULL;
  SummaryState state;

  g_mutex_unlock (&w->lock);
  state = summary_step (w->summary, &asker, &error);
  if (state == SUMMARY_FAILED && due == NULL && !g_error_matches (error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED))
    tell_failure (w, error);
  w->reduce_failed = w->reduce_failed && state == SUMMARY_FAILED;
  g_mutex_lock (&w->lock);
  w->staged = w->staged || state != SUMMARY_FITS;
  w->too_many = state == SUMMARY_SHORTER;
  w->lost = w->lost || g_error_matches (error, MINIVL_ERROR, MINIVL_ERROR_DEVICE);
  if (due != NULL && state == SUMMARY_FAILED)
    w->stage_error = g_steal_pointer (&error);
  return due != NULL && state != SUMMARY_SHORTER;
}

void
summaries_close (Worker *w, const Result *result)
{
  summary_end (w->summary, result_is_made_summary (result));
  g_clear_error (&w->stage_error);
  w->too_many = w->summing.summary_interval > 0;
}

void
summaries_answer (Worker *w, const Segment *s, Result *result, GError **error)
{
  SummaryAsker asker = asker_of (w, &s->settings);
  BackendAnswer answer = { NULL };
  g_autofree gchar *prompt = NULL;
  GError *failure = g_steal_pointer (&w->stage_error);

  GST_DEBUG ("%s: %" G_GUINT64_FORMAT ": sums up", w->stream, s->id);
  g_string_truncate (w->text, 0);
  asker.on_text = answer_on_text;
  if (failure == NULL && summary_ask (w->summary, &asker, &answer, &prompt, &failure)) {
    g_free (result->text);
    g_free (result->prompt);
    result->text = answer.text;
    result->prompt = g_steal_pointer (&prompt);
    answer_add (result, &answer);
  } else if (g_error_matches (failure, MINIVL_ERROR, MINIVL_ERROR_CANCELLED)) {
    g_error_free (failure);
    result->finish_reason = "cancelled";
  } else {
    g_propagate_error (error, failure);
  }
}

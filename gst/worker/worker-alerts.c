/* What the worker's thread does with yes/no questions: it has them answered, and tells what rises and falls. */
#include "snapshot.h"
#include "worker-private.h"

#include "gst/element/gstminivl.h"

#define GST_CAT_DEFAULT gst_minivl_debug

void
alerts_put (Worker *w, const Segment *s, const BackendQuestion *asked)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *text = NULL;

  if (alerts_ask (&w->alerts, w->backend, w->self, s->question.alerts, asked, &w->cancel, &error))
    return;
  text = g_strdup_printf ("%s: %s", w->stream, error->message);
  w->callbacks.trouble (text, w->user_data);
  g_mutex_lock (&w->lock);
  w->lost = w->lost || g_error_matches (error, MINIVL_ERROR, MINIVL_ERROR_DEVICE);
  g_mutex_unlock (&w->lock);
}

/* Holds the lock. answer (nullable): NULL: nobody asks any more. (transfer full) */
static Result *
make_alert (
    Worker *w, const Segment *s, const Result *described, const gchar *question, gboolean rises, const BackendAnswer *answer)
{
  Result *result = worker_make_result (w, s);

  result->id = ++w->last_id;
  result->kind = RESULT_ALERT;
  result->beside = s->id;
  g_free (result->text);
  result->text = g_strdup_printf (rises ? "ALERT: %s" : "ALERT OVER: %s", question);
  g_free (result->prompt);
  result->prompt = answer != NULL ? g_strdup (question) : NULL;
  g_array_append_vals (result->tiles, described->tiles->data, described->tiles->len);
  result->question = g_strdup (question);
  result->active = rises;
  result->finish_reason = "stop";
  result->dropped_segments = described->dropped_segments;
  result->wait = described->wait;
  result->total = described->total;
  if (answer != NULL) {
    result->score = answer->yes;
    worker_add_answer (result, answer);
  }
  return result;
}

GPtrArray *
alerts_settle (Worker *w, const Segment *s, Result *described)
{
  GPtrArray *told = g_ptr_array_new_with_free_func ((GDestroyNotify)result_unref);
  gboolean nothing_seen = described->prompt == NULL;
  g_autoptr (GPtrArray) dropped = NULL;

  if (s->flushed || !g_str_equal (s->kind, RESULT_SEGMENT)) {
    alerts_take_back (&w->alerts);
    return told;
  }
  dropped = alerts_drop_others (&w->alerts, nothing_seen ? NULL : s->question.alerts);
  for (guint i = 0; i < dropped->len; i++)
    g_ptr_array_add (told, make_alert (w, s, described, g_ptr_array_index (dropped, i), FALSE, NULL));
  for (guint i = 0; i < w->alerts.answers->len; i++) {
    const AlertAnswer *alert = &g_array_index (w->alerts.answers, AlertAnswer, i);
    AlertChange change =
        alerts_note (&w->alerts, alert->question, alert->answer.yes, s->question.alert_threshold, s->question.alert_hysteresis);

    GST_DEBUG ("%s: %" G_GUINT64_FORMAT ": %.3f: %s", w->stream, s->id, alert->answer.yes, alert->question);
    described->alerts += alert->answer.prefill_ns + alert->answer.decode_ns;
    if (change != ALERT_STAYS)
      g_ptr_array_add (told, make_alert (w, s, described, alert->question, change == ALERT_RISES, &alert->answer));
  }
  alerts_take_back (&w->alerts);
  return told;
}

void
alerts_tell (Worker *w, const Segment *s, GPtrArray *alerts)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) jpeg = alerts->len > 0 && s->picture != NULL ? snapshot_encode (s->picture, &error) : NULL;
  g_autofree gchar *text = NULL;

  for (guint i = 0; i < alerts->len; i++) {
    Result *alert = g_ptr_array_index (alerts, i);

    if (jpeg != NULL && error == NULL)
      snapshot_save (jpeg, s->question.alert_picture, w->stream, alert->id, &error);
    w->callbacks.result (alert, NULL, w->user_data);
    summaries_note (w, s, alert);
  }
  if (error == NULL)
    return;
  text = g_strdup_printf ("%s: alert-picture: %s", w->stream, error->message);
  w->callbacks.trouble (text, w->user_data);
}

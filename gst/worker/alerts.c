#include "alerts.h"

#include "ahead.h"
#include "alert-list.h"
#include "answer.h"
#include "gst/results/log.h"
#include "prompt.h"
#include "snapshot.h"
#include "summaries.h"
#include "worker-private.h"

#include <string.h>

typedef struct
{
  gchar *question;
  BackendAnswer answer;
} AlertAnswer;

typedef enum
{
  ALERT_STAYS,
  ALERT_RISES,
  ALERT_FALLS,
} AlertChange;

static void
answer_clear (gpointer data)
{
  AlertAnswer *alert = data;

  g_free (alert->question);
  g_free (alert->answer.text);
}

void
alerts_init (Alerts *a)
{
  a->active = g_ptr_array_new_with_free_func (g_free);
  a->answers = g_array_new (FALSE, FALSE, sizeof (AlertAnswer));
  g_array_set_clear_func (a->answers, answer_clear);
  a->told_of = NULL;
}

void
alerts_clear (Alerts *a)
{
  g_clear_pointer (&a->active, g_ptr_array_unref);
  g_clear_pointer (&a->answers, g_array_unref);
  g_clear_pointer (&a->told_of, g_free);
}

void
alerts_forget (Alerts *a)
{
  g_ptr_array_set_size (a->active, 0);
  g_array_set_size (a->answers, 0);
  g_clear_pointer (&a->told_of, g_free);
}

/* --- asking ------------------------------------------------------------------------------------------------------------------ */

/* text: the alert's words behind the marks of `asked`, the segment's question. */
static BackendQuestion
make_question (const gchar *text, const BackendQuestion *asked)
{
  BackendQuestion question = *asked;

  question.text = text;
  question.on_text = NULL;
  question.begun = NULL;
  question.params = (MinivlParams)MINIVL_PARAMS_INIT;
  question.params.max_tokens = ALERT_TOKENS;
  question.params.want_yes = TRUE;
  return question;
}

/* begun: (transfer full) (nullable): see ahead.h. FALSE: with an error, or cancelled. */
static gboolean
ask_one (Alerts *a, const Backend *backend, gpointer self, const gchar *alert, const BackendQuestion *asked, gpointer begun,
    const gint *cancel, GError **error)
{
  g_autofree gchar *text = prompt_replace_words (asked->text, alert);
  BackendQuestion question = make_question (text, asked);
  AlertAnswer answer = { NULL };

  question.begun = begun;
  if (!backend->ask (self, &question, cancel, &answer.answer, error))
    return FALSE;
  if (answer.answer.yes < 0) {
    g_free (answer.answer.text);
    return FALSE;
  }
  answer.question = g_strdup (alert);
  g_array_append_val (a->answers, answer);
  return TRUE;
}

static gboolean
is_told (Alerts *a, const gchar *property, const GError *failure)
{
  if (g_error_matches (failure, MINIVL_ERROR, MINIVL_ERROR_DEVICE))
    return FALSE;
  if (g_strcmp0 (a->told_of, property) == 0)
    return TRUE;
  g_free (a->told_of);
  a->told_of = g_strdup (property);
  return FALSE;
}

/* asked: the question of the segment s with its history. Questions that fail have no answer; being cancelled is no error. Returns
 * FALSE when the user should be warned: once for the same list, and each time the device is lost. */
static gboolean
ask_all (Alerts *a, const Backend *backend, gpointer self, const Segment *s, const BackendQuestion *asked, const gint *cancel,
    GError **error)
{
  const gchar *property = s->settings.alerts;
  g_auto (GStrv) list = alert_list (property);
  g_autoptr (GError) first = NULL;

  for (guint i = 0; list[i] != NULL; i++) {
    g_autoptr (GError) failure = NULL;

    if (g_atomic_int_get (cancel))
      break;
    if (ask_one (a, backend, self, list[i], asked, ahead_take (s, 1 + i), cancel, &failure))
      continue;
    if (failure != NULL && first == NULL) {
      first = g_error_copy (failure);
      g_prefix_error (&first, "alerts: \"%s\" is not asked: ", list[i]);
    }
    /* Other errors come from the question itself: its length, or a mark in it. */
    if (failure == NULL || g_error_matches (failure, MINIVL_ERROR, MINIVL_ERROR_MODEL)
        || g_error_matches (failure, MINIVL_ERROR, MINIVL_ERROR_DEVICE))
      break;
  }
  if (first == NULL || is_told (a, property, first))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&first));
  return FALSE;
}

/* Forgets the answers. */
static void
take_back_answers (Alerts *a)
{
  g_array_set_size (a->answers, 0);
}

/* --- states ------------------------------------------------------------------------------------------------------------------ */

static gboolean
find_active (Alerts *a, const gchar *question, guint *at)
{
  return g_ptr_array_find_with_equal_func (a->active, question, g_str_equal, at);
}

/* How the score, 0..1, changes the question's state. */
static AlertChange
note_score (Alerts *a, const gchar *question, double score, double threshold, double hysteresis)
{
  guint at;

  if (!find_active (a, question, &at)) {
    if (score <= threshold)
      return ALERT_STAYS;
    g_ptr_array_add (a->active, g_strdup (question));
    return ALERT_RISES;
  }
  if (score >= threshold - hysteresis)
    return ALERT_STAYS;
  g_ptr_array_remove_index (a->active, at);
  return ALERT_FALLS;
}

/* Deactivates active questions that are no longer in the property, and returns them.
 * (transfer full): gchar */
static GPtrArray *
drop_others (Alerts *a, const gchar *property)
{
  GPtrArray *dropped = g_ptr_array_new_with_free_func (g_free);
  g_auto (GStrv) list = alert_list (property);

  for (guint i = 0; i < a->active->len;) {
    if (g_strv_contains ((const gchar *const *)list, g_ptr_array_index (a->active, i)))
      i++;
    else
      g_ptr_array_add (dropped, g_ptr_array_steal_index (a->active, i));
  }
  return dropped;
}

/* --- for the worker ---------------------------------------------------------------------------------------------------------- */

void
alerts_begin (Worker *w, Segment *s, const BackendQuestion *asked)
{
  g_auto (GStrv) list = alert_list (s->settings.alerts);

  if (!ahead_takes_alerts (w, s))
    return;
  for (guint i = 0; list[i] != NULL; i++) {
    g_autofree gchar *text = prompt_replace_words (asked->text, list[i]);
    BackendQuestion question = make_question (text, asked);

    ahead_begin_alert (w, s, &question);
  }
}

void
alerts_put (Worker *w, Segment *s, const BackendQuestion *asked)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *text = NULL;

  alerts_begin (w, s, asked);
  if (ask_all (&w->alerts, w->backend, w->self, s, asked, &w->cancel, &error))
    return;
  text = g_strdup_printf ("%s: %s", w->stream, error->message);
  w->callbacks.trouble (text, w->user_data);
  g_mutex_lock (&w->lock);
  w->lost = w->lost || g_error_matches (error, MINIVL_ERROR, MINIVL_ERROR_DEVICE);
  g_mutex_unlock (&w->lock);
}

/* Holds the lock. answer (nullable): NULL: the question is no longer asked. (transfer full) */
static Result *
make_alert (
    Worker *w, const Segment *s, const Result *described, const gchar *question, gboolean rises, const BackendAnswer *answer)
{
  Result *result = answer_make_result (w, s);

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
    answer_add (result, answer);
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
    take_back_answers (&w->alerts);
    return told;
  }
  dropped = drop_others (&w->alerts, nothing_seen ? NULL : s->settings.alerts);
  for (guint i = 0; i < dropped->len; i++)
    g_ptr_array_add (told, make_alert (w, s, described, g_ptr_array_index (dropped, i), FALSE, NULL));
  for (guint i = 0; i < w->alerts.answers->len; i++) {
    const AlertAnswer *alert = &g_array_index (w->alerts.answers, AlertAnswer, i);
    AlertChange change =
        note_score (&w->alerts, alert->question, alert->answer.yes, s->settings.alert_threshold, s->settings.alert_hysteresis);

    GST_DEBUG ("%s: %" G_GUINT64_FORMAT ": %.3f: %s", w->stream, s->id, alert->answer.yes, alert->question);
    described->alerts += alert->answer.prefill_ns + alert->answer.decode_ns;
    if (change != ALERT_STAYS)
      g_ptr_array_add (told, make_alert (w, s, described, alert->question, change == ALERT_RISES, &alert->answer));
  }
  take_back_answers (&w->alerts);
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
      snapshot_save (jpeg, s->settings.alert_picture, w->stream, alert->id, &error);
    w->callbacks.result (alert, NULL, w->user_data);
    summaries_note (w, s, alert);
  }
  if (error == NULL)
    return;
  text = g_strdup_printf ("%s: alert-picture: %s", w->stream, error->message);
  w->callbacks.trouble (text, w->user_data);
}

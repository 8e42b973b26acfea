#include "alerts.h"

#include "prompt.h"

#include <string.h>

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

/* --- the list ---------------------------------------------------------------------------------------------------------------- */

GStrv
alerts_list (const gchar *property)
{
  g_auto (GStrv) parts = g_strsplit_set (property != NULL ? property : "", ";\r\n", -1);
  g_autoptr (GStrvBuilder) list = g_strv_builder_new ();
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; parts[i] != NULL; i++)
    if (g_strstrip (parts[i])[0] != '\0' && g_hash_table_add (seen, parts[i]))
      g_strv_builder_add (list, parts[i]);
  return g_strv_builder_end (list);
}

gsize
alerts_longest (const gchar *property)
{
  g_auto (GStrv) list = alerts_list (property);
  gsize longest = 0;

  for (guint i = 0; list[i] != NULL; i++)
    longest = MAX (longest, strlen (list[i]));
  return longest;
}

/* --- asking ------------------------------------------------------------------------------------------------------------------ */

/* FALSE: with an error, or cancelled. */
static gboolean
ask_one (Alerts *a, const Backend *backend, gpointer self, const gchar *alert, const BackendQuestion *asked, const gint *cancel,
    GError **error)
{
  g_autofree gchar *text = prompt_replace_words (asked->text, alert);
  BackendQuestion question = *asked;
  AlertAnswer answer = { NULL };

  question.text = text;
  question.on_text = NULL;
  question.params = (MinivlParams)MINIVL_PARAMS_INIT;
  question.params.max_tokens = ALERT_TOKENS;
  question.params.want_yes = TRUE;
  if (g_atomic_int_get (cancel) || !backend->ask (self, &question, cancel, &answer.answer, error))
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

gboolean
alerts_ask (Alerts *a, const Backend *backend, gpointer self, const gchar *property, const BackendQuestion *asked,
    const gint *cancel, GError **error)
{
  g_auto (GStrv) list = alerts_list (property);
  g_autoptr (GError) first = NULL;

  for (guint i = 0; list[i] != NULL; i++) {
    g_autoptr (GError) failure = NULL;

    if (ask_one (a, backend, self, list[i], asked, cancel, &failure))
      continue;
    if (failure != NULL && first == NULL) {
      first = g_error_copy (failure);
      g_prefix_error (&first, "alerts: \"%s\" is not asked: ", list[i]);
    }
    /* What else goes wrong is the question's own: its length, or a mark in it. */
    if (failure == NULL || g_error_matches (failure, MINIVL_ERROR, MINIVL_ERROR_MODEL)
        || g_error_matches (failure, MINIVL_ERROR, MINIVL_ERROR_DEVICE))
      break;
  }
  if (first == NULL || is_told (a, property, first))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&first));
  return FALSE;
}

void
alerts_take_back (Alerts *a)
{
  g_array_set_size (a->answers, 0);
}

/* --- states ------------------------------------------------------------------------------------------------------------------ */

static gboolean
find_active (Alerts *a, const gchar *question, guint *at)
{
  return g_ptr_array_find_with_equal_func (a->active, question, g_str_equal, at);
}

AlertChange
alerts_note (Alerts *a, const gchar *question, double score, double threshold, double hysteresis)
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

GPtrArray *
alerts_drop_others (Alerts *a, const gchar *property)
{
  GPtrArray *dropped = g_ptr_array_new_with_free_func (g_free);
  g_auto (GStrv) list = alerts_list (property);

  for (guint i = 0; i < a->active->len;) {
    if (g_strv_contains ((const gchar *const *)list, g_ptr_array_index (a->active, i)))
      i++;
    else
      g_ptr_array_add (dropped, g_ptr_array_steal_index (a->active, i));
  }
  return dropped;
}

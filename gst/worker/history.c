#include "history.h"

#include "prompt.h"

static void
round_clear (gpointer data)
{
  BackendRound *r = data;

  g_free ((gchar *)r->prompt);
  g_free ((gchar *)r->answer);
}

void
history_init (History *h)
{
  h->run = 0;
  h->rounds = g_array_new (FALSE, FALSE, sizeof (BackendRound));
  g_array_set_clear_func (h->rounds, round_clear);
}

void
history_clear (History *h)
{
  g_clear_pointer (&h->rounds, g_array_unref);
}

const BackendRound *
history_last (const History *h, guint run, guint size, guint *n_rounds)
{
  *n_rounds = h->run == run ? MIN (h->rounds->len, size) : 0;
  return (const BackendRound *)(gpointer)h->rounds->data + (h->rounds->len - *n_rounds);
}

void
history_begin (History *h, guint run, guint size)
{
  guint kept;

  history_last (h, run, size, &kept);
  h->run = run;
  g_array_remove_range (h->rounds, 0, h->rounds->len - kept);
}

void
history_add (History *h, const gchar *prompt, const gchar *answer)
{
  BackendRound r = { prompt_remove_marks (prompt), g_strdup (answer) };

  g_array_append_val (h->rounds, r);
}

gboolean
history_ask (History *h, const Backend *backend, gpointer self, BackendQuestion *question, const gint *cancel,
    BackendAnswer *answer, GError **error)
{
  for (;;) {
    g_autoptr (GError) refusal = NULL;

    question->history = (const BackendRound *)(gpointer)h->rounds->data;
    question->n_history = h->rounds->len;
    if (backend->ask (self, question, cancel, answer, &refusal))
      return TRUE;
    question->begun = NULL;
    if (h->rounds->len == 0 || !g_error_matches (refusal, MINIVL_ERROR, MINIVL_ERROR_BUDGET)) {
      g_propagate_error (error, g_steal_pointer (&refusal));
      return FALSE;
    }
    g_array_remove_index (h->rounds, 0);
  }
}

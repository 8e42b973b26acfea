#include "ahead.h"

#include "answer.h"

/* Takes it over. */
static void
keep (Worker *w, Segment *s, GPtrArray *begun)
{
  g_mutex_lock (&w->lock);
  s->begun = begun;
  g_cond_broadcast (&w->changed); /* it no longer waits */
  g_mutex_unlock (&w->lock);
}

void
ahead_begin (Worker *w, Segment *s, const BackendQuestion *asked)
{
  gpointer begun = w->backend->begin != NULL && s->begun == NULL ? w->backend->begin (w->self, asked) : NULL;

  if (begun == NULL)
    return;
  keep (w, s, g_ptr_array_new ());
  g_ptr_array_add (s->begun, begun);
}

gboolean
ahead_takes_alerts (const Worker *w, const Segment *s)
{
  return w->backend->begin != NULL && (s->begun == NULL || s->begun->len <= 1);
}

void
ahead_begin_alert (Worker *w, Segment *s, const BackendQuestion *asked)
{
  if (s->begun == NULL) {
    keep (w, s, g_ptr_array_new ());
    g_ptr_array_add (s->begun, NULL);
  }
  g_ptr_array_add (s->begun, w->backend->begin (w->self, asked));
}

gpointer
ahead_take (const Segment *s, guint n)
{
  gpointer begun = NULL;

  if (s->begun != NULL && n < s->begun->len) {
    begun = g_ptr_array_index (s->begun, n);
    g_ptr_array_index (s->begun, n) = NULL;
  }
  return begun;
}

void
ahead_forget (Worker *w, Segment *s)
{
  for (guint i = 0; s->begun != NULL && i < s->begun->len; i++) {
    gpointer begun = ahead_take (s, i);

    if (begun != NULL)
      w->backend->forget (w->self, begun);
  }
}

/* Holds the lock. Complete: nothing of it changes any more but whether it is dropped or flushed. */
static gboolean
may_begin (const Segment *s)
{
  return segment_waits (s) && s->begun == NULL && s->settings.history == 0 && s->frames->len > 0 && !segment_is_late (s)
         && segment_first_error (s) == NULL && segment_count_encoded (s) == s->frames->len;
}

/* Without the lock. */
static void
begin_waiting (Worker *w, Segment *s)
{
  g_autoptr (Result) result = answer_make_result (w, s);
  g_autoptr (GPtrArray) pictures = g_ptr_array_new ();
  g_autofree gchar *text = minivl_prompt_add_marks (result->prompt, 0, s->frames->len);
  g_auto (GStrv) choices = s->settings.choices != NULL ? minivl_choices_split (s->settings.choices) : NULL;
  BackendQuestion question = answer_make_question (s, text, pictures, choices);

  ahead_begin (w, s, &question);
}

void
ahead_begin_waiting (Worker *w)
{
  /* The streaming thread adds segments at the end, and only this one takes some away. */
  for (GList *l = w->segments.head; l != NULL && !g_atomic_int_get (&w->cancel); l = l->next) {
    Segment *s = l->data;

    if (!may_begin (s))
      continue;
    g_mutex_unlock (&w->lock);
    begin_waiting (w, s);
    g_mutex_lock (&w->lock);
    if (s->begun == NULL)
      break;
  }
}

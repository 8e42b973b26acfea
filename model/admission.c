#include "admission.h"

void
admission_add (Admission *a, Request *r)
{
  g_queue_push_tail (&a->requests, r);
}

static gpointer
copy_reference (gconstpointer request, gpointer data)
{
  return request_ref ((Request *)request);
}

static gint
compare_priorities (gconstpointer a, gconstpointer b)
{
  return ((const Request *)b)->priority - ((const Request *)a)->priority;
}

GList *
admission_list (Admission *a)
{
  return g_list_sort (g_list_copy_deep (a->requests.head, copy_reference, NULL), compare_priorities);
}

void
admission_to_the_end (Admission *a, Request *r)
{
  g_queue_remove (&a->requests, r);
  g_queue_push_tail (&a->requests, r);
}

void
admission_finish (Admission *a, Request *r, MinivlFinish how, GError *error)
{
  g_clear_pointer (&r->seq, kv_sequence_free);
  g_queue_remove (&a->requests, r);
  request_finish (r, how, error);
  request_unref (r);
}

void
admission_end_unwanted (Admission *a)
{
  g_autolist (Request) requests = admission_list (a);
  MinivlFinish how;

  for (GList *l = requests; l; l = l->next)
    if (l->data != a->busy && request_is_over (l->data, &how))
      admission_finish (a, l->data, how, NULL);
}

/* Whether its prompt, or the one that it begins, is computed with the long RoPE factors. */
static gboolean
becomes_long (const Admission *a, const Request *r)
{
  return language_is_long (a->language, MAX (r->tokens->len, r->expected));
}

/* FALSE: there is no room. The request may be done after it: when it failed, or when all that it wants is there. */
static gboolean
let_in (Admission *a, Request *r)
{
  guint n = r->tokens->len;
  g_autofree KvKey *keys = g_new (KvKey, n);
  GError *error = NULL;

  for (guint i = 0; i < n; i++)
    keys[i] = g_array_index (r->tokens, LanguageToken, i).key;
  r->seq = kv_sequence_new (a->kv, keys, n, r->n_prompt + r->max_tokens, becomes_long (a, r));
  if (!r->seq)
    return FALSE;
  if (!r->started)
    r->cached = kv_sequence_length (r->seq);
  r->started = TRUE;
  if (!kv_sequence_prepare (r->seq, &error))
    admission_finish (a, r, MINIVL_FINISH_CANCELLED, error);
  else if (request_is_prepared (r))
    admission_finish (a, r, MINIVL_FINISH_LENGTH, NULL);
  return TRUE;
}

static guint
in_common (const Request *a, const Request *b)
{
  guint n = MIN (a->tokens->len, b->tokens->len), i = 0;

  while (i < n && kv_key_equal (&g_array_index (a->tokens, LanguageToken, i).key, &g_array_index (b->tokens, LanguageToken, i).key))
    i++;
  return i;
}

/* Whether a prompt is being computed whose beginning is this one's as well: let in now, the request would compute it once more. */
static gboolean
will_share (const Admission *a, const Request *r, GList *requests)
{
  gboolean is_long = becomes_long (a, r);

  for (GList *l = requests; l; l = l->next) {
    const Request *other = l->data;

    if (other->seq && request_missing (other) > 1 && other->priority >= r->priority && kv_sequence_is_long (other->seq) == is_long
        && in_common (r, other) >= kv_sequence_length (other->seq) + KV_BLOCK)
      return TRUE;
  }
  return FALSE;
}

gboolean
admission_is_occupied (const Admission *a)
{
  gboolean answers = FALSE;

  for (const GList *l = a->requests.head; l && !answers; l = l->next)
    answers = ((const Request *)l->data)->max_tokens > 0;
  return answers || a->pictures;
}

static void
put_out_prepared (Admission *a)
{
  for (GList *l = a->requests.head; l; l = l->next) {
    Request *r = l->data;

    if (r->max_tokens == 0)
      g_clear_pointer (&r->seq, kv_sequence_free);
  }
}

/* Of those that were let in before, or of those that were not. FALSE: one of them waits. */
static gboolean
let_in_all (Admission *a, GList *requests, gboolean occupied, gboolean started)
{
  gboolean all = TRUE;

  for (GList *l = requests; l; l = l->next) {
    Request *r = l->data;

    if (r->seq || r->started != started || (occupied && r->max_tokens == 0))
      continue;
    if (will_share (a, r, requests))
      all = FALSE;
    else if (!let_in (a, r))
      return FALSE;
  }
  return all;
}

void
admission_let_in (Admission *a)
{
  g_autolist (Request) requests = admission_list (a);
  gboolean occupied = admission_is_occupied (a);

  if (occupied)
    put_out_prepared (a);
  if (let_in_all (a, requests, occupied, TRUE))
    let_in_all (a, requests, occupied, FALSE);
}

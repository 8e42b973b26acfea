#include "request.h"

#include <math.h>

#include "device-error.h"

Request *
request_new (GArray *tokens)
{
  Request *r = g_new0 (Request, 1);

  r->ref_count = 1;
  r->tokens = tokens;
  r->n_prompt = tokens->len;
  r->seen = g_array_new (FALSE, FALSE, sizeof (gint32));
  for (guint i = 0; i < tokens->len; i++)
    g_array_append_val (r->seen, g_array_index (tokens, LanguageToken, i).key.id);
  g_mutex_init (&r->lock);
  g_cond_init (&r->changed);
  r->ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  r->logprobs = g_array_new (FALSE, FALSE, sizeof (double));
  r->top_ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  r->top_logprobs = g_array_new (FALSE, FALSE, sizeof (double));
  return r;
}

Request *
request_ref (Request *r)
{
  g_atomic_int_inc (&r->ref_count);
  return r;
}

void
request_unref (Request *r)
{
  if (!r || !g_atomic_int_dec_and_test (&r->ref_count))
    return;
  g_assert (!r->seq);
  g_array_unref (r->tokens);
  g_array_unref (r->seen);
  g_array_unref (r->ids);
  g_array_unref (r->logprobs);
  g_array_unref (r->top_ids);
  g_array_unref (r->top_logprobs);
  draft_free (r->draft);
  shape_run_free (r->shape);
  g_free (r->logits);
  g_free (r->prompt_logits);
  g_clear_error (&r->error);
  g_mutex_clear (&r->lock);
  g_cond_clear (&r->changed);
  g_free (r);
}

/* --- the asker ------------------------------------------------------------------------------------------------------------- */

guint
request_wait (Request *r, guint seen, gboolean *done)
{
  guint n;

  g_mutex_lock (&r->lock);
  while (!r->done && r->ids->len <= seen)
    g_cond_wait (&r->changed, &r->lock);
  n = r->ids->len;
  *done = r->done;
  g_mutex_unlock (&r->lock);
  return n;
}

gint32
request_token (Request *r, guint n)
{
  gint32 id;

  g_mutex_lock (&r->lock);
  id = g_array_index (r->ids, gint32, n);
  g_mutex_unlock (&r->lock);
  return id;
}

void
request_stop (Request *r)
{
  g_mutex_lock (&r->lock);
  r->enough = TRUE;
  g_mutex_unlock (&r->lock);
}

gboolean
request_end (Request *r, GError **error)
{
  g_mutex_lock (&r->lock);
  while (!r->done)
    g_cond_wait (&r->changed, &r->lock);
  g_mutex_unlock (&r->lock);
  if (!r->error)
    return TRUE;
  device_error_propagate (error, g_steal_pointer (&r->error));
  return FALSE;
}

/* --- the scheduler --------------------------------------------------------------------------------------------------------- */

guint
request_missing (const Request *r)
{
  return r->tokens->len - kv_sequence_length (r->seq);
}

/* A prompt's last token is never taken from the cache, as its logits are needed. */
gboolean
request_is_prepared (const Request *r)
{
  return r->max_tokens == 0 && request_missing (r) <= 1;
}

static gboolean
is_set (const gint *flag)
{
  return flag && g_atomic_int_get (flag);
}

gboolean
request_is_over (Request *r, MinivlFinish *how)
{
  gboolean enough;

  g_mutex_lock (&r->lock);
  enough = r->enough;
  g_mutex_unlock (&r->lock);
  if (enough)
    *how = MINIVL_FINISH_STOP;
  else if (is_set (r->cancel[0]) || is_set (r->cancel[1]))
    *how = MINIVL_FINISH_CANCELLED;
  else if (r->deadline && (guint64)g_get_monotonic_time () * 1000 >= r->deadline)
    *how = MINIVL_FINISH_DEADLINE;
  else
    return FALSE;
  return TRUE;
}

gboolean
request_is_over_in_chunk (Request *r)
{
  MinivlFinish how;

  return r->max_tokens == 0 ? is_set (r->cancel[0]) : request_is_over (r, &how);
}

void
request_set_prefilled (Request *r, float *logits)
{
  g_mutex_lock (&r->lock);
  r->prompt_logits = logits;
  r->prefilled = g_get_monotonic_time ();
  g_mutex_unlock (&r->lock);
}

static double
logprob (const Top *top, float logit)
{
  return (double)logit - top->values[0] - log (top->sum);
}

/* The logit of a token that was chosen: one that is not among the best was chosen from all. */
static float
logit_of (const Request *r, const Top *top, gint32 id)
{
  for (guint i = 0; i < TOP_COUNT; i++)
    if (top->ids[i] == (guint32)id)
      return top->values[i];
  return r->logits[id];
}

void
request_add_token (Request *r, const Top *top, gint32 id)
{
  double chosen = logprob (top, logit_of (r, top, id));

  g_mutex_lock (&r->lock);
  g_array_append_val (r->ids, id);
  g_array_append_val (r->logprobs, chosen);
  g_array_append_vals (r->top_ids, top->ids, r->n_logprobs);
  for (guint i = 0; i < r->n_logprobs; i++) {
    double best = logprob (top, top->values[i]);

    g_array_append_val (r->top_logprobs, best);
  }
  g_cond_broadcast (&r->changed);
  g_mutex_unlock (&r->lock);
}

void
request_finish (Request *r, MinivlFinish how, GError *error)
{
  g_mutex_lock (&r->lock);
  r->finish = how;
  r->error = error;
  r->done = TRUE;
  g_cond_broadcast (&r->changed);
  g_mutex_unlock (&r->lock);
}

#include "answering.h"

#include <math.h>

G_STATIC_ASSERT (SHAPE_MASK_WORDS (33) == MASK_COLUMNS (33) && SHAPE_MASK_WORDS (64) == MASK_COLUMNS (64));

/* The next token: from all logits where the best are not enough to tell. -1: it failed. */
static gint32
choose_token (Answering *w, Request *r, const Top *top, guint row, GError **error)
{
  guint vocab = language_vocab (w->language);
  const SamplerBest best = { top->ids, top->values, MIN (vocab, TOP_COUNT), top->next };
  gint32 id;

  if (!isfinite (top->values[0])) { /* whatever is chosen then is gibberish */
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_MODEL,
        "the model's numbers overflow: its weights are damaged, or too large for this precision (f32 holds the most)");
    return -1;
  }
  id = sampler_next_of_best (&r->sampler, &best, vocab);
  if (id >= 0)
    return id;
  if (!r->logits)
    r->logits = g_new (float, vocab);
  if (!language_logits (w->language, row, r->logits, error))
    return -1;
  return sampler_next (
      &r->sampler, r->logits, vocab, (const gint32 *)(gpointer)r->seen->data + r->n_prompt, r->seen->len - r->n_prompt);
}

/* What the tokens that may follow say of choices, before one of them is chosen. */
static gboolean
weigh_choices (Answering *w, Request *r, const Top *top, guint row, GError **error)
{
  guint vocab = language_vocab (w->language);

  if (!r->shape || !shape_run_parts (r->shape))
    return TRUE;
  if (shape_run_allowed (r->shape) <= TOP_COUNT) {
    shape_run_weigh (r->shape, top->ids, top->values, MIN (vocab, TOP_COUNT), top->values[0], top->sum);
    return TRUE;
  }
  if (!r->logits)
    r->logits = g_new (float, vocab);
  if (!language_logits (w->language, row, r->logits, error))
    return FALSE;
  shape_run_weigh (r->shape, NULL, r->logits, vocab, top->values[0], top->sum);
  return TRUE;
}

static gboolean
end_prompt (Answering *w, Request *r, guint row, GError **error)
{
  g_autofree float *logits = r->want_logits ? g_new (float, language_vocab (w->language)) : NULL;

  if (logits && !language_logits (w->language, row, logits, error))
    return FALSE;
  request_set_prefilled (r, g_steal_pointer (&logits));
  return TRUE;
}

static gboolean
is_end (const Request *r, gint32 id)
{
  for (guint i = 0; r->end_tokens && i < r->end_tokens->len; i++)
    if (g_array_index (r->end_tokens, gint32, i) == id)
      return TRUE;
  return FALSE;
}

/* The token that follows, from the row of logits of the step that has just been made. -1: the request is done. */
static gint32
take_token (Answering *w, Request *r, const Top *top, guint row)
{
  LanguageToken token = { 0 };
  GError *error = NULL;
  gint32 id = -1;

  if (r->ids->len > 0 || end_prompt (w, r, row, &error))
    id = choose_token (w, r, top, row, &error);
  if (error || !weigh_choices (w, r, top, row, &error)) {
    admission_finish (w->admission, r, MINIVL_FINISH_CANCELLED, error);
    return -1;
  }
  if (is_end (r, id)) {
    admission_finish (w->admission, r, r->shape ? shape_run_finish (r->shape) : MINIVL_FINISH_STOP, NULL);
    return -1;
  }
  g_array_append_val (r->seen, id);
  request_add_token (r, top, id);
  if (r->draft)
    draft_add (r->draft, id);
  if (r->shape)
    shape_run_take (r->shape, id);
  if (r->seen->len == r->n_prompt + r->max_tokens || (r->shape && shape_run_is_over (r->shape))) {
    admission_finish (w->admission, r, r->shape ? shape_run_finish (r->shape) : MINIVL_FINISH_LENGTH, NULL);
    return -1;
  }

  token.key.id = id;
  g_array_append_val (r->tokens, token);
  /* All of a conversation that grows into the long factors is computed anew with them: see README. */
  if (language_is_long (w->language, r->tokens->len) != kv_sequence_is_long (r->seq))
    g_clear_pointer (&r->seq, kv_sequence_free);
  return id;
}

/* Of the highest priority, in turns. (transfer full) (nullable) */
static Request *
next_prefill (Answering *w)
{
  g_autolist (Request) requests = admission_list (w->admission);

  for (GList *l = requests; l; l = l->next) {
    Request *r = l->data;

    if (r->seq && request_missing (r) > 1)
      return request_ref (r);
  }
  return NULL;
}

typedef struct
{
  Answering *answering;
  Request *request;
} Chunk;

/* admission_end_unwanted() ends it then, or what is prepared waits until nothing else is to be done. */
static gboolean
chunk_is_unwanted (gpointer data)
{
  const Chunk *c = data;

  c->answering->look_around (c->answering->data);
  return request_is_over_in_chunk (c->request) || (c->request->max_tokens == 0 && admission_is_occupied (c->answering->admission));
}

void
answering_prefill (Answering *w)
{
  g_autoptr (Request) r = next_prefill (w);
  Chunk chunk = { w, r };
  const OpCancel cancel = { chunk_is_unwanted, &chunk };
  g_autoptr (GError) error = NULL;
  gboolean ok;
  gboolean last;
  Top top;
  guint n;

  if (!r)
    return;
  n = MIN (request_missing (r), LANGUAGE_CHUNK);
  last = n == request_missing (r) && r->max_tokens > 0;
  if (last && r->shape)
    language_set_mask (w->language, 0, shape_run_mask (r->shape));
  admission_to_the_end (w->admission, r);
  w->admission->busy = r;
  ok = language_prefill (w->language, r->seq, &g_array_index (r->tokens, LanguageToken, kv_sequence_length (r->seq)), n,
      last ? &top : NULL, &cancel, &error);
  w->admission->busy = NULL;
  if (ok && request_is_prepared (r))
    admission_finish (w->admission, r, MINIVL_FINISH_LENGTH, NULL);
  else if (ok && request_missing (r) == 0)
    take_token (w, r, &top, 0);
  else if (!ok && !g_error_matches (error, DEVICE_ERROR, DEVICE_ERROR_CANCELLED))
    admission_finish (w->admission, r, MINIVL_FINISH_CANCELLED, g_steal_pointer (&error));
}

/* An answer in a step: its last token, and behind it a draft of what may follow. */
typedef struct
{
  Request *request;
  gint32 draft[DRAFT_ROWS - 1];
  guint n_draft;
} Writer;

/* Tokens that may be drafted: none that ends the answer, none behind its last one or on other factors. */
static guint
find_draft (const Answering *w, Writer *writer)
{
  Request *r = writer->request;
  guint n = 0, left = r->n_prompt + r->max_tokens - r->seen->len, found;

  if (!r->draft)
    return 0;
  found = draft_find (r->draft, writer->draft, MIN (left - 1, DRAFT_ROWS - 1));
  while (n < found && !is_end (r, writer->draft[n])
         && language_is_long (w->language, r->tokens->len + n + 1) == kv_sequence_is_long (r->seq))
    n++;
  return n;
}

static void
find_drafts (const Answering *w, Writer *writers, guint n)
{
  DraftShare shares[DRAFT_ROWS];

  for (guint i = 0; i < n; i++)
    writers[i].n_draft = 0;
  if (n >= w->draft_rows)
    return;
  for (guint i = 0; i < n; i++)
    shares[i] = (DraftShare){ .draft = writers[i].request->draft, .found = find_draft (w, &writers[i]) };
  draft_share (shares, n, w->draft_rows);
  for (guint i = 0; i < n; i++)
    writers[i].n_draft = shares[i].n;
}

/* What a step makes of an answer. Of each row that follows on what the answer is, it takes the token. */
static void
take_tokens (Answering *w, const Writer *writer, const Top *tops, guint row)
{
  Request *r = writer->request;

  kv_sequence_forget (r->seq, writer->n_draft);
  r->drafted += writer->n_draft;
  for (guint i = 0;; i++) {
    gint32 id = take_token (w, r, &tops[row + i], row + i);
    const KvKey key = { .id = id };

    if (i == writer->n_draft || id != writer->draft[i])
      return;
    kv_sequence_extend (r->seq, &key, 1); /* its keys and values are there */
    r->accepted++;
  }
}

void
answering_decode (Answering *w)
{
  g_autolist (Request) requests = admission_list (w->admission);
  Writer writers[LANGUAGE_BATCH];
  KvSequence *seqs[LANGUAGE_BATCH];
  LanguageToken tokens[LANGUAGE_BATCH];
  Top tops[LANGUAGE_BATCH];
  g_autoptr (GError) error = NULL;
  guint n = 0, rows = 0, row = 0;

  for (GList *l = requests; l && n < LANGUAGE_BATCH; l = l->next) {
    Request *r = l->data;

    if (r->seq && request_missing (r) == 1)
      writers[n++].request = r;
  }
  if (n == 0)
    return;

  find_drafts (w, writers, n);
  for (guint i = 0; i < n; i++) {
    const Request *r = writers[i].request;

    if (r->shape)
      language_set_mask (w->language, rows, shape_run_mask (r->shape));
    seqs[rows] = r->seq;
    tokens[rows++] = g_array_index (r->tokens, LanguageToken, r->tokens->len - 1);
    for (guint j = 0; j < writers[i].n_draft; j++) {
      seqs[rows] = r->seq;
      tokens[rows++] = (LanguageToken){ .key.id = writers[i].draft[j] };
    }
  }
  language_decode (w->language, seqs, tokens, rows, tops, &error);
  g_atomic_pointer_add (&w->steps, 1);
  g_atomic_pointer_add (&w->step_answers, n);
  for (guint i = 0; i < n; i++) {
    Request *r = writers[i].request;

    if (n == LANGUAGE_BATCH) /* there may be more of them than go together */
      admission_to_the_end (w->admission, r);
    if (error)
      admission_finish (w->admission, r, MINIVL_FINISH_CANCELLED, g_error_copy (error));
    else
      take_tokens (w, &writers[i], tops, row);
    row += 1 + writers[i].n_draft;
  }
}

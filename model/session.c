/* Conversations: rounds and pictures become a prompt, a request, and an answer. */
#include "engine.h"

#include <string.h>

#include "model_testing.h"

typedef struct
{
  gchar *question, *answer;
} Round;

struct _MinivlSession
{
  MinivlEngine *engine;
  gchar *system;
  GPtrArray *rounds; /* Round */
  GPtrArray *marks;  /* GPtrArray of MinivlPicture: what each `<image>` mark stands for, pending ones last */
  guint n_marks_asked;
  gint cancelled;
  gint priority;
  DraftMemory *memory;
  Request *asked; /* the asking thread's own, as the next: whose text is being handed over; NULL: none is */
  guint n_told;   /* tokens that it is the text of */

  GMutex lock; /* see engine.h */
  GCond idle;
  gboolean asking; /* under the lock */
};

static void
round_free (gpointer data)
{
  Round *r = data;

  g_free (r->question);
  g_free (r->answer);
  g_free (r);
}

MinivlSession *
minivl_session_new (MinivlEngine *engine, GError **error)
{
  MinivlSession *s = g_new0 (MinivlSession, 1);

  s->engine = minivl_engine_ref (engine);
  s->memory = draft_memory_new ();
  s->rounds = g_ptr_array_new_with_free_func (round_free);
  s->marks = g_ptr_array_new_with_free_func ((GDestroyNotify)g_ptr_array_unref);
  g_mutex_init (&s->lock);
  g_cond_init (&s->idle);
  return s;
}

void
minivl_session_free (MinivlSession *s)
{
  if (!s)
    return;
  g_mutex_lock (&s->lock);
  minivl_session_cancel (s);
  while (s->asking)
    g_cond_wait (&s->idle, &s->lock);
  g_mutex_unlock (&s->lock);
  g_ptr_array_unref (s->rounds);
  g_ptr_array_unref (s->marks);
  draft_memory_free (s->memory);
  g_free (s->system);
  g_mutex_clear (&s->lock);
  g_cond_clear (&s->idle);
  minivl_engine_unref (s->engine);
  g_free (s);
}

void
minivl_session_reset (MinivlSession *s)
{
  g_ptr_array_set_size (s->rounds, 0);
  g_ptr_array_set_size (s->marks, 0);
  s->n_marks_asked = 0;
}

void
minivl_session_set_system (MinivlSession *s, const gchar *system)
{
  g_free (s->system);
  s->system = g_strdup (system);
}

void
minivl_session_add_pictures (MinivlSession *s, MinivlPicture *const *pictures, guint n_pictures)
{
  GPtrArray *mark = g_ptr_array_new_with_free_func ((GDestroyNotify)minivl_picture_unref);

  for (guint i = 0; i < n_pictures; i++)
    g_ptr_array_add (mark, minivl_picture_ref (pictures[i]));
  g_ptr_array_add (s->marks, mark);
}

static void
add_round (MinivlSession *s, const gchar *question, const gchar *answer)
{
  Round *r = g_new (Round, 1);

  r->question = g_strdup (question);
  r->answer = g_strdup (answer);
  g_ptr_array_add (s->rounds, r);
  s->n_marks_asked = s->marks->len;
}

/* The reference puts a mark in front of a question that has pictures and no marks. */
static gchar *
with_marks (MinivlSession *s, const gchar *prompt)
{
  GString *text = g_string_new (NULL);

  if (minivl_prompt_count_marks (prompt) == 0)
    for (guint i = s->n_marks_asked; i < s->marks->len; i++)
      g_string_append (text, MINIVL_IMAGE_MARK "\n");
  g_string_append (text, prompt);
  return g_string_free (text, FALSE);
}

void
minivl_session_add_round (MinivlSession *s, const gchar *question, const gchar *answer)
{
  g_autofree gchar *marked = with_marks (s, question);

  add_round (s, marked, answer);
}

void
minivl_session_set_priority (MinivlSession *s, gint priority)
{
  s->priority = priority;
}

MinivlPicture *
minivl_session_encode (MinivlSession *s, const MinivlImage *image, guint max_tiles, const gint *cancel, GError **error)
{
  return engine_encode (s->engine, image, max_tiles, s->priority, cancel, error);
}

void
minivl_session_cancel (MinivlSession *s)
{
  g_atomic_int_set (&s->cancelled, TRUE);
}

void
minivl_answer_clear (MinivlAnswer *answer)
{
  g_free (answer->text);
  g_free (answer->input_ids);
  g_free (answer->token_ids);
  g_free (answer->logprobs);
  g_free (answer->top_ids);
  g_free (answer->top_logprobs);
  g_free (answer->logits);
  g_free (answer->choice_probabilities);
  memset (answer, 0, sizeof *answer);
}

const gchar *
minivl_finish_to_string (MinivlFinish finish)
{
  switch (finish) {
    case MINIVL_FINISH_STOP:
      return "stop";
    case MINIVL_FINISH_LENGTH:
      return "length";
    case MINIVL_FINISH_CANCELLED:
      return "cancelled";
    case MINIVL_FINISH_DEADLINE:
      return "deadline";
  }
  g_return_val_if_reached ("");
}

/* --- one answer ------------------------------------------------------------------------------------------------------------ */

/* The prompt's tokens, those of pictures with their features. (transfer full) */
static GArray *
place_pictures (MinivlSession *s, const gint32 *ids, guint n_ids, MinivlPicture *const *pictures, guint n_pictures, GError **error)
{
  guint hidden = s->engine->config.language.hidden, picture = 0, row = 0, wanted = 0, there = 0;
  GArray *tokens;

  for (guint i = 0; i < n_pictures; i++)
    there += pictures[i]->result.n_tokens;
  for (guint i = 0; i < n_ids; i++)
    wanted += ids[i] == s->engine->image_token;
  if (wanted != there) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_IMAGES,
        "the prompt has %u visual tokens and its pictures have %u: <IMG_CONTEXT> cannot be written by hand", wanted, there);
    return NULL;
  }
  tokens = g_array_sized_new (FALSE, FALSE, sizeof (LanguageToken), n_ids);
  for (guint i = 0; i < n_ids; i++) {
    LanguageToken t = { .key.id = ids[i] };

    if (ids[i] == s->engine->image_token) {
      while (row == pictures[picture]->result.n_tokens) {
        picture++;
        row = 0;
      }
      t.key.picture = pictures[picture]->content;
      t.key.row = row;
      t.feature = pictures[picture]->result.features + (gsize)row++ * hidden;
    }
    g_array_append_val (tokens, t);
  }
  return tokens;
}

static void
give_text (gchar *text, MinivlTextFunc on_text, gpointer user_data)
{
  if (text && on_text)
    on_text (text, user_data);
  g_free (text);
}

/* What would help depends on what there is. */
static gboolean
check_budget (const MinivlSession *s, const gint32 *ids, guint n_ids, guint max_tokens, GError **error)
{
  guint context = s->engine->info.context_size;
  gboolean pictures = FALSE;

  if (n_ids == 0 || max_tokens == 0) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_BUDGET, "a prompt of %u tokens and an answer of %u: each has one at least",
        n_ids, max_tokens);
    return FALSE;
  }
  if ((guint64)n_ids + max_tokens <= context)
    return TRUE;
  for (guint i = 0; i < n_ids; i++)
    pictures = pictures || ids[i] == s->engine->image_token;
  if (n_ids >= context) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_BUDGET,
        "a prompt of %u tokens is alone %u too many for a context of %u: %s%s would do", n_ids, n_ids + 1 - context, context,
        pictures ? "fewer pictures, frames or tiles, a shorter prompt" : "a shorter prompt or conversation",
        context < s->engine->info.max_context_size ? " or a larger context" : "");
    return FALSE;
  }
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_BUDGET,
      "a prompt of %u tokens and an answer of %u are %" G_GUINT64_FORMAT " too many for a context of %u: %s, a shorter answer or a "
      "larger context would do",
      n_ids, max_tokens, (guint64)n_ids + max_tokens - context, context,
      pictures ? "fewer pictures, frames or tiles" : "a shorter prompt or conversation");
  return FALSE;
}

static gboolean
check_prompt (MinivlSession *s, const gint32 *ids, guint n_ids, const MinivlParams *params, GError **error)
{
  guint vocab = s->engine->config.language.vocab;

  if (!check_budget (s, ids, n_ids, params->max_tokens, error))
    return FALSE;
  if (params->n_logprobs > TOP_COUNT) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_USAGE, "log probabilities of %u tokens: at most %u are possible",
        params->n_logprobs, TOP_COUNT);
    return FALSE;
  }
  if (params->want_yes && (!s->engine->yes_no.n_yes || !s->engine->yes_no.n_no)) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_MODEL,
        "the tokenizer of %s has no token for `%s`, in no case: there is no yes or no to ask for", s->engine->model,
        s->engine->yes_no.n_yes ? "no" : "yes");
    return FALSE;
  }
  for (guint i = 0; i < n_ids; i++) {
    if (ids[i] < 0 || ids[i] >= vocab) {
      g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_USAGE, "token %d is not in the model's vocabulary of %u", ids[i], vocab);
      return FALSE;
    }
  }
  return TRUE;
}

/* Text as the tokens come; whether a stop string ended it. */
static gboolean
follow (MinivlSession *s, Request *r, TextStream *stream, MinivlTextFunc on_text, gpointer user_data, guint *n_tokens)
{
  gboolean done = FALSE, stopped = FALSE;
  guint n = 0;

  s->asked = r;
  while (!done && !stopped) {
    guint there = request_wait (r, n, &done);

    for (; n < there && !stopped; n++) {
      s->n_told = n + 1;
      if (stream)
        give_text (text_stream_push (stream, request_token (r, n), &stopped), on_text, user_data);
    }
  }
  if (stopped)
    request_stop (r);
  else if (stream)
    give_text (text_stream_end (stream), on_text, user_data);
  s->asked = NULL;
  *n_tokens = n;
  return stopped;
}

/* n tokens of an answer, from the first'th on, of which nothing changes any more. */
static void
copy_tokens (MinivlAnswer *answer, const Request *r, guint first, guint n)
{
  guint first_best = first * r->n_logprobs, n_best = n * r->n_logprobs;

  answer->output_tokens = n;
  answer->token_ids = g_memdup2 ((const gint32 *)(gpointer)r->ids->data + first, n * sizeof (gint32));
  answer->logprobs = g_memdup2 ((const double *)(gpointer)r->logprobs->data + first, n * sizeof (double));
  answer->top_ids = g_memdup2 ((const gint32 *)(gpointer)r->top_ids->data + first_best, n_best * sizeof (gint32));
  answer->top_logprobs = g_memdup2 ((const double *)(gpointer)r->top_logprobs->data + first_best, n_best * sizeof (double));
}

void
minivl_session_get_tokens (MinivlSession *s, guint first, MinivlAnswer *tokens)
{
  *tokens = (MinivlAnswer){ NULL };
  if (!s->asked || first >= s->n_told)
    return;
  g_mutex_lock (&s->asked->lock);
  copy_tokens (tokens, s->asked, first, s->n_told - first);
  g_mutex_unlock (&s->asked->lock);
}

/* NULL: what is asked cannot be. (transfer full) */
static Request *
make_request (MinivlSession *s, const gint32 *ids, guint n_ids, MinivlPicture *const *pictures, guint n_pictures,
    const MinivlParams *params, GError **error)
{
  GError *failure = NULL;
  g_autoptr (ShapeRun) shape = shapes_begin (s->engine->shapes, params, &failure);
  GArray *tokens;
  Request *r;

  if (failure) {
    g_propagate_error (error, failure);
    return NULL;
  }
  tokens = check_prompt (s, ids, n_ids, params, error) ? place_pictures (s, ids, n_ids, pictures, n_pictures, error) : NULL;
  if (!tokens)
    return NULL;
  r = request_new (tokens);
  r->max_tokens = params->max_tokens;
  r->end_tokens = s->engine->end_tokens;
  r->priority = s->priority;
  r->deadline = params->deadline;
  r->cancel[0] = &s->cancelled;
  r->cancel[1] = params->cancel;
  r->want_logits = params->want_logits || params->want_yes;
  r->n_logprobs = params->n_logprobs;
  r->shape = g_steal_pointer (&shape);
  sampler_init (&r->sampler, params);
  return r;
}

/* Of the session's earlier answers and the prompt. */
static Draft *
make_draft (const MinivlSession *s, const GArray *tokens)
{
  g_autofree gint32 *ids = g_new (gint32, tokens->len);

  for (guint i = 0; i < tokens->len; i++) {
    const KvKey *key = &g_array_index (tokens, LanguageToken, i).key;

    ids[i] = key->picture ? DRAFT_GAP : key->id;
  }
  return draft_new (s->memory, ids, tokens->len);
}

void
session_remember (MinivlSession *s, const gint32 *prompt, guint n_prompt, const gint32 *answer, guint n_answer)
{
  draft_memory_add (s->memory, NULL, prompt, n_prompt, answer, n_answer);
}

/* An answer of n tokens, from a request that is done. */
static void
fill_answer (MinivlAnswer *answer, Request *r, guint n, const MinivlParams *params, const MinivlEngine *e)
{
  answer->input_ids = g_memdup2 (r->seen->data, r->n_prompt * sizeof (gint32));
  answer->prompt_tokens = r->n_prompt;
  answer->cached_tokens = r->cached;
  answer->drafted = r->drafted;
  answer->accepted = MIN (r->accepted, n); /* more may have been there when a stop string was seen */
  copy_tokens (answer, r, 0, n);
  answer->yes = r->prefilled && params->want_yes ? yes_no_share (&e->yes_no, r->prompt_logits) : -1;
  answer->choice = -1;
  if (r->prefilled && params->choices) {
    const double *chances;

    answer->choice = shape_run_choice (r->shape, &chances);
    answer->n_choices = g_strv_length ((gchar **)params->choices);
    answer->choice_probabilities = g_memdup2 (chances, answer->n_choices * sizeof *chances);
  }
  if (r->prefilled && params->want_logits) {
    answer->n_logits = e->config.language.vocab;
    answer->logits = g_steal_pointer (&r->prompt_logits);
  }
}

static gboolean
answer_ids (MinivlSession *s, const gint32 *ids, guint n_ids, MinivlPicture *const *pictures, guint n_pictures,
    const MinivlParams *params, MinivlTextFunc on_text, gpointer user_data, MinivlAnswer *answer, GError **error)
{
  MinivlEngine *e = s->engine;
  g_autoptr (TextStream) stream =
      e->tokenizer ? text_stream_new (e->tokenizer, params->choices || params->json_schema ? NULL : params->stop) : NULL;
  gint64 start = g_get_monotonic_time (), prefilled, done;
  g_autoptr (Request) r = make_request (s, ids, n_ids, pictures, n_pictures, params, error);
  gboolean stopped;
  guint n_tokens;

  if (!r)
    return FALSE;
  if (!r->shape) /* what is drafted would have to be masked as well */
    r->draft = make_draft (s, r->tokens);
  scheduler_ask (e->scheduler, r);
  stopped = follow (s, r, stream, on_text, user_data, &n_tokens);
  if (!request_end (r, error))
    return FALSE;
  done = g_get_monotonic_time ();
  prefilled = r->prefilled ? r->prefilled : done;
  *answer = (MinivlAnswer){
    .text = stream ? g_strstrip (g_strdup (text_stream_text (stream))) : NULL,
    .finish = stopped ? MINIVL_FINISH_STOP : r->finish,
    .prefill_ns = (prefilled - start) * 1000,
    .decode_ns = (done - prefilled) * 1000,
    .total_ns = (done - start) * 1000,
  };
  fill_answer (answer, r, n_tokens, params, e);
  draft_memory_add (s->memory, r->draft, answer->input_ids, r->n_prompt, answer->token_ids, n_tokens);
  return TRUE;
}

static void
set_asking (MinivlSession *s, gboolean asking)
{
  g_mutex_lock (&s->lock);
  if (asking)
    g_atomic_int_set (&s->cancelled, FALSE);
  s->asking = asking;
  g_cond_broadcast (&s->idle);
  g_mutex_unlock (&s->lock);
}

gboolean
session_ask_ids (MinivlSession *s, const gint32 *ids, guint n_ids, MinivlPicture *const *pictures, guint n_pictures,
    const MinivlParams *params, MinivlTextFunc on_text, gpointer user_data, MinivlAnswer *answer, GError **error)
{
  gboolean ok;

  set_asking (s, TRUE);
  ok = answer_ids (s, ids, n_ids, pictures, n_pictures, params, on_text, user_data, answer, error);
  set_asking (s, FALSE);
  return ok;
}

/* The whole conversation up to the answer to `question`, or with is_open up to where more of the question is to come. pictures:
 * those of all its marks are added. (transfer full) */
static gint32 *
encode_round (MinivlSession *s, const gchar *question, gboolean is_open, const MinivlParams *params, GPtrArray *pictures,
    guint *n_ids, GError **error)
{
  g_autoptr (ChatPrompt) parts = NULL;
  g_autofree ChatRound *rounds = g_new0 (ChatRound, s->rounds->len + 1);
  g_autofree guint *mark_tokens = g_new0 (guint, s->marks->len + 1);
  guint n_pending = s->marks->len - s->n_marks_asked;

  if (minivl_prompt_count_marks (question) != n_pending) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_IMAGES,
        "the prompt has %u " MINIVL_IMAGE_MARK " marks and there are pictures for %u", minivl_prompt_count_marks (question),
        n_pending);
    return NULL;
  }
  for (guint i = 0; i < s->rounds->len; i++) {
    const Round *r = g_ptr_array_index (s->rounds, i);

    rounds[i] = (ChatRound){ r->question, r->answer, FALSE };
  }
  rounds[s->rounds->len] = (ChatRound){ question, NULL, is_open };
  for (guint i = 0; i < s->marks->len; i++) {
    GPtrArray *mark = g_ptr_array_index (s->marks, i);

    for (guint j = 0; j < mark->len; j++) {
      MinivlPicture *picture = g_ptr_array_index (mark, j);

      mark_tokens[i] += picture->result.n_tokens;
      g_ptr_array_add (pictures, picture);
    }
  }

  parts = chat_prompt_new (
      s->engine->template, s->system, rounds, s->rounds->len + 1, mark_tokens, s->marks->len, params->special_tokens, error);
  return parts ? chat_prompt_encode (parts, s->engine->tokenizer, n_ids) : NULL;
}

static gboolean
ask_round (MinivlSession *s, const gchar *prompt, const MinivlParams *params, MinivlTextFunc on_text, gpointer user_data,
    MinivlAnswer *answer, GError **error)
{
  g_autofree gchar *question = with_marks (s, prompt);
  g_autoptr (GPtrArray) pictures = g_ptr_array_new ();
  guint n_ids;
  g_autofree gint32 *ids = encode_round (s, question, FALSE, params, pictures, &n_ids, error);

  if (!ids
      || !answer_ids (
          s, ids, n_ids, (MinivlPicture *const *)pictures->pdata, pictures->len, params, on_text, user_data, answer, error))
    return FALSE;
  add_round (s, question, answer->text);
  return TRUE;
}

static gboolean
prepare_ids (MinivlSession *s, const gint32 *ids, guint n_ids, MinivlPicture *const *pictures, guint n_pictures, guint expected,
    const MinivlParams *params, GError **error)
{
  g_autoptr (Request) r = make_request (s, ids, n_ids, pictures, n_pictures, params, error);

  if (!r)
    return FALSE;
  r->max_tokens = 0;
  r->expected = expected;
  r->want_logits = FALSE;
  scheduler_ask (s->engine->scheduler, r);
  if (!request_end (r, error))
    return FALSE;
  if (r->finish == MINIVL_FINISH_LENGTH)
    return TRUE;
  g_set_error_literal (error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED, "preparing was cancelled");
  return FALSE;
}

gboolean
minivl_session_prepare (MinivlSession *s, const gchar *beginning, guint expected, const MinivlParams *params, GError **error)
{
  const MinivlParams defaults = MINIVL_PARAMS_INIT;
  g_autofree gchar *question = with_marks (s, beginning);
  g_autoptr (GPtrArray) pictures = g_ptr_array_new ();
  g_autofree gint32 *ids = NULL;
  gboolean ok;
  guint n_ids;

  params = params ? params : &defaults;
  set_asking (s, TRUE);
  ids = encode_round (s, question, TRUE, params, pictures, &n_ids, error);
  ok = ids && prepare_ids (s, ids, n_ids, (MinivlPicture *const *)pictures->pdata, pictures->len, expected, params, error);
  set_asking (s, FALSE);
  return ok;
}

gboolean
minivl_session_count_tokens (MinivlSession *s, const gchar *prompt, const MinivlParams *params, guint *n_tokens, GError **error)
{
  const MinivlParams defaults = MINIVL_PARAMS_INIT;
  g_autofree gchar *question = with_marks (s, prompt);
  g_autoptr (GPtrArray) pictures = g_ptr_array_new ();
  guint n_ids;
  g_autofree gint32 *ids = encode_round (s, question, FALSE, params ? params : &defaults, pictures, &n_ids, error);

  if (!ids)
    return FALSE;
  *n_tokens = n_ids;
  return TRUE;
}

gboolean
minivl_session_ask (MinivlSession *s, const gchar *prompt, const MinivlParams *params, MinivlTextFunc on_text, gpointer user_data,
    MinivlAnswer *answer, GError **error)
{
  const MinivlParams defaults = MINIVL_PARAMS_INIT;
  gboolean ok;

  set_asking (s, TRUE);
  ok = ask_round (s, prompt, params ? params : &defaults, on_text, user_data, answer, error);
  set_asking (s, FALSE);
  return ok;
}

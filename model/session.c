#include "engine.h"
#include "sampler.h"

#include <string.h>

/* One token of the conversation as the cache knows it: visual tokens by the picture and row they come from. */
typedef struct
{
  gint32 id;
  MinivlPicture *picture; /* NULL: text */
  guint row;
} Token;

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

  GArray *tokens; /* Token: what the cache was made from, kept alive by `pictures` */
  GPtrArray *pictures;
  gboolean is_long;  /* RoPE factors of the cache */
  KvSequence *cache; /* scheduler's thread only */
};

static void
round_free (gpointer data)
{
  Round *r = data;

  g_free (r->question);
  g_free (r->answer);
  g_free (r);
}

static gboolean
make_cache (gpointer data, GError **error)
{
  MinivlSession *s = data;

  s->cache = kv_sequence_new (s->engine->kv);
  return TRUE;
}

static gboolean
free_cache (gpointer data, GError **error)
{
  MinivlSession *s = data;

  kv_sequence_free (s->cache);
  return TRUE;
}

MinivlSession *
minivl_session_new (MinivlEngine *engine, GError **error)
{
  g_autoptr (MinivlSession) s = g_new0 (MinivlSession, 1);

  s->engine = minivl_engine_ref (engine);
  s->rounds = g_ptr_array_new_with_free_func (round_free);
  s->marks = g_ptr_array_new_with_free_func ((GDestroyNotify)g_ptr_array_unref);
  s->tokens = g_array_new (FALSE, FALSE, sizeof (Token));
  s->pictures = g_ptr_array_new_with_free_func ((GDestroyNotify)minivl_picture_unref);
  if (!scheduler_run (engine->scheduler, make_cache, s, error))
    return NULL;
  return g_steal_pointer (&s);
}

void
minivl_session_free (MinivlSession *s)
{
  if (!s)
    return;
  scheduler_run (s->engine->scheduler, free_cache, s, NULL);
  g_ptr_array_unref (s->rounds);
  g_ptr_array_unref (s->marks);
  g_ptr_array_unref (s->pictures);
  g_array_unref (s->tokens);
  g_free (s->system);
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

  if (chat_count_marks (prompt) == 0)
    for (guint i = s->n_marks_asked; i < s->marks->len; i++)
      g_string_append (text, "<image>\n");
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
  g_free (answer->logits);
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

/* Each of its steps is a job of its own, so that sessions take turns, and whatever the cache lacks is computed: also after its
 * blocks went to another session, and anew when a conversation grows into the long factors. */
typedef struct
{
  MinivlSession *session;
  const MinivlParams *params;
  guint keep; /* tokens the cache may keep at the first step */
  gboolean started;
  guint cached;
  float *logits;     /* [vocab] */
  gboolean complete; /* logits are those of the last token */
} Run;

static gboolean
step (gpointer data, GError **error)
{
  Run *run = data;
  MinivlSession *s = run->session;
  guint total = s->tokens->len, done, n, hidden = s->engine->config.language.hidden;
  gboolean is_long = language_is_long (&s->engine->config.language, total);
  LanguageToken chunk[LANGUAGE_CHUNK];

  if (!run->started)
    kv_sequence_truncate (s->cache, run->keep);
  if (is_long != s->is_long)
    kv_sequence_truncate (s->cache, 0);
  s->is_long = is_long;
  done = kv_sequence_length (s->cache);
  if (!run->started)
    run->cached = done;
  run->started = TRUE;

  n = MIN (LANGUAGE_CHUNK, total - done);
  for (guint i = 0; i < n; i++) {
    const Token *t = &g_array_index (s->tokens, Token, done + i);

    chunk[i].id = t->id;
    chunk[i].feature = t->picture ? t->picture->result.features + (gsize)t->row * hidden : NULL;
  }
  run->complete = done + n == total;
  return language_step (s->engine->language, s->cache, chunk, n, is_long, run->complete ? run->logits : NULL, error);
}

/* TRUE with *finish set when the answer ends here. */
static gboolean
is_over (Run *run, MinivlFinish *finish)
{
  if (g_atomic_int_get (&run->session->cancelled)) {
    *finish = MINIVL_FINISH_CANCELLED;
    return TRUE;
  }
  if (run->params->deadline && (guint64)g_get_monotonic_time () * 1000 >= run->params->deadline) {
    *finish = MINIVL_FINISH_DEADLINE;
    return TRUE;
  }
  return FALSE;
}

/* Logits of the last token. *over: cancelled or late before they were there. */
static gboolean
advance (Run *run, gboolean *over, MinivlFinish *finish, GError **error)
{
  run->complete = FALSE;
  while (!run->complete) {
    *over = is_over (run, finish);
    if (*over)
      return TRUE;
    if (!scheduler_run (run->session->engine->scheduler, step, run, error))
      return FALSE;
  }
  return TRUE;
}

/* Takes the new conversation's tokens; returns how many of the cache's they have in common. */
static guint
take_tokens (MinivlSession *s, GArray *tokens, GPtrArray *pictures)
{
  guint same = 0, most = MIN (s->tokens->len, tokens->len - 1);

  while (same < most) {
    const Token *a = &g_array_index (s->tokens, Token, same), *b = &g_array_index (tokens, Token, same);

    if (a->id != b->id || a->picture != b->picture || a->row != b->row)
      break;
    same++;
  }
  g_array_unref (s->tokens);
  s->tokens = tokens;
  g_ptr_array_unref (s->pictures);
  s->pictures = pictures;
  return same;
}

static gboolean
place_pictures (MinivlSession *s, const gint32 *ids, guint n_ids, MinivlPicture *const *pictures, guint n_pictures, GArray *tokens,
    GPtrArray *held, GError **error)
{
  guint picture = 0, row = 0, wanted = 0, there = 0;

  for (guint i = 0; i < n_pictures; i++)
    there += pictures[i]->result.n_tokens;
  for (guint i = 0; i < n_ids; i++)
    wanted += ids[i] == s->engine->image_token;
  if (wanted != there) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_IMAGES,
        "the prompt has %u visual tokens and its pictures have %u: <IMG_CONTEXT> cannot be written by hand", wanted, there);
    return FALSE;
  }
  for (guint i = 0; i < n_ids; i++) {
    Token t = { .id = ids[i] };

    if (ids[i] == s->engine->image_token) {
      while (row == pictures[picture]->result.n_tokens) {
        picture++;
        row = 0;
      }
      t.picture = pictures[picture];
      t.row = row++;
    }
    g_array_append_val (tokens, t);
  }
  for (guint i = 0; i < n_pictures; i++)
    g_ptr_array_add (held, minivl_picture_ref (pictures[i]));
  return TRUE;
}

static void
give_text (gchar *text, MinivlTextFunc on_text, gpointer user_data)
{
  if (text && on_text)
    on_text (text, user_data);
  g_free (text);
}

gboolean
session_ask_ids (MinivlSession *s, const gint32 *ids, guint n_ids, MinivlPicture *const *pictures, guint n_pictures,
    const MinivlParams *params, MinivlTextFunc on_text, gpointer user_data, MinivlAnswer *answer, GError **error)
{
  MinivlEngine *e = s->engine;
  guint vocab = e->config.language.vocab, context = e->info.context_size;
  g_autoptr (GArray) tokens = g_array_new (FALSE, FALSE, sizeof (Token));
  g_autoptr (GPtrArray) held = g_ptr_array_new_with_free_func ((GDestroyNotify)minivl_picture_unref);
  g_autoptr (GArray) seen = g_array_new (FALSE, FALSE, sizeof (gint32));
  g_autoptr (TextStream) stream = e->tokenizer ? text_stream_new (e->tokenizer, params->stop) : NULL;
  g_autofree float *logits = g_new (float, vocab);
  g_autofree float *first_logits = NULL;
  Run run = { .session = s, .params = params, .logits = logits };
  Sampler sampler;
  MinivlFinish finish = MINIVL_FINISH_LENGTH;
  gint64 start = g_get_monotonic_time (), prefilled, done;
  gboolean over = FALSE, stopped = FALSE;
  guint n_answer = 0;

  if (n_ids == 0 || params->max_tokens == 0 || (guint64)n_ids + params->max_tokens > context) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_BUDGET,
        "a prompt of %u tokens and an answer of %u do not fit a context of %u: fewer pictures, frames or tiles, a shorter answer "
        "or a "
        "larger context would",
        n_ids, params->max_tokens, context);
    return FALSE;
  }
  for (guint i = 0; i < n_ids; i++) {
    if (ids[i] < 0 || ids[i] >= vocab) {
      g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_USAGE, "token %d is not in the model's vocabulary of %u", ids[i], vocab);
      return FALSE;
    }
  }
  if (!place_pictures (s, ids, n_ids, pictures, n_pictures, tokens, held, error))
    return FALSE;

  g_atomic_int_set (&s->cancelled, FALSE);
  run.keep = take_tokens (s, g_steal_pointer (&tokens), g_steal_pointer (&held));
  sampler_init (&sampler, params);
  g_array_append_vals (seen, ids, n_ids);
  if (!advance (&run, &over, &finish, error))
    return FALSE;
  prefilled = g_get_monotonic_time ();
  if (!over && params->want_logits)
    first_logits = g_memdup2 (logits, vocab * sizeof *logits);

  while (!over) {
    gint32 id = sampler_next (&sampler, logits, vocab, (const gint32 *)(gpointer)seen->data, seen->len);
    Token t = { .id = id };

    if (id == e->end_token || id == e->config.language.eos) {
      finish = MINIVL_FINISH_STOP;
      break;
    }
    g_array_append_val (seen, id);
    n_answer++;
    if (stream)
      give_text (text_stream_push (stream, id, &stopped), on_text, user_data);
    if (stopped)
      finish = MINIVL_FINISH_STOP;
    if (stopped || n_answer == params->max_tokens)
      break;
    g_array_append_val (s->tokens, t);
    if (!advance (&run, &over, &finish, error))
      return FALSE;
  }
  if (stream && !stopped)
    give_text (text_stream_end (stream), on_text, user_data);
  done = g_get_monotonic_time ();

  *answer = (MinivlAnswer){
    .text = stream ? g_strstrip (g_strdup (text_stream_text (stream))) : NULL,
    .finish = finish,
    .input_ids = g_memdup2 (ids, n_ids * sizeof *ids),
    .prompt_tokens = n_ids,
    .token_ids = g_memdup2 (&g_array_index (seen, gint32, n_ids), n_answer * sizeof (gint32)),
    .output_tokens = n_answer,
    .cached_tokens = run.cached,
    .logits = first_logits,
    .n_logits = first_logits ? vocab : 0,
    .prefill_ns = (prefilled - start) * 1000,
    .decode_ns = (done - prefilled) * 1000,
    .total_ns = (done - start) * 1000,
  };
  first_logits = NULL;
  return TRUE;
}

gboolean
minivl_session_ask (MinivlSession *s, const gchar *prompt, const MinivlParams *params, MinivlTextFunc on_text, gpointer user_data,
    MinivlAnswer *answer, GError **error)
{
  const MinivlParams defaults = MINIVL_PARAMS_INIT;
  g_autofree gchar *question = with_marks (s, prompt), *text = NULL;
  g_autofree ChatRound *rounds = g_new0 (ChatRound, s->rounds->len + 1);
  g_autofree guint *mark_tokens = g_new0 (guint, s->marks->len + 1);
  g_autofree gint32 *ids = NULL;
  g_autoptr (GPtrArray) pictures = g_ptr_array_new ();
  guint n_ids, n_pending = s->marks->len - s->n_marks_asked;

  if (chat_count_marks (question) != n_pending) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_IMAGES, "the prompt has %u <image> marks and there are pictures for %u",
        chat_count_marks (question), n_pending);
    return FALSE;
  }
  for (guint i = 0; i < s->rounds->len; i++) {
    const Round *r = g_ptr_array_index (s->rounds, i);

    rounds[i] = (ChatRound){ r->question, r->answer };
  }
  rounds[s->rounds->len].question = question;
  for (guint i = 0; i < s->marks->len; i++) {
    GPtrArray *mark = g_ptr_array_index (s->marks, i);

    for (guint j = 0; j < mark->len; j++) {
      MinivlPicture *picture = g_ptr_array_index (mark, j);

      mark_tokens[i] += picture->result.n_tokens;
      g_ptr_array_add (pictures, picture);
    }
  }

  text = chat_prompt (s->engine->template, s->system, rounds, s->rounds->len + 1, mark_tokens, s->marks->len, error);
  if (!text)
    return FALSE;
  ids = tokenizer_encode (s->engine->tokenizer, text, -1, &n_ids);
  if (!session_ask_ids (s, ids, n_ids, (MinivlPicture *const *)pictures->pdata, pictures->len, params ? params : &defaults, on_text,
          user_data, answer, error))
    return FALSE;
  add_round (s, question, answer->text);
  return TRUE;
}

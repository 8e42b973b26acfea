/* Conversations do what the public header says, through the shared library. */
#include <string.h>

#include "api.h"

/* --- conversations --------------------------------------------------------------------------------------------------------- */

static void
append_text (const gchar *text, gpointer user_data)
{
  g_assert_cmpuint (strlen (text), >, 0);
  g_assert_true (g_utf8_validate (text, -1, NULL));
  g_string_append (user_data, text);
}

static void
test_answer_is_whole (void)
{
  g_autoptr (MinivlSession) session = api_new_session ();
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  g_auto (MinivlAnswer) a = { 0 };
  MinivlParams params = MINIVL_PARAMS_INIT;
  guint best = 0;

  params.max_tokens = 6;
  params.want_logits = TRUE;
  params.n_logprobs = 3;
  g_assert_true (minivl_session_ask (session, "Hello, who are you?", &params, append_text, text, &a, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (g_strstrip (text->str), ==, a.text);
  g_assert_cmpint (a.finish, ==, MINIVL_FINISH_LENGTH);
  g_assert_cmpuint (a.output_tokens, ==, 6);
  g_assert_cmpuint (a.prompt_tokens, >, 10);
  g_assert_nonnull (a.input_ids);
  g_assert_cmpfloat (a.yes, ==, -1);
  g_assert_cmpuint (a.prefill_ns, >, 0);
  g_assert_cmpuint (a.total_ns, >=, a.prefill_ns + a.decode_ns);
  for (guint i = 0; i < a.n_logits; i++)
    if (a.logits[i] > a.logits[best])
      best = i;
  g_assert_cmpuint (a.n_logits, >, 1000);
  g_assert_cmpint (a.token_ids[0], ==, best);
  /* Greedy: the best one is the chosen one. */
  for (guint i = 0; i < a.output_tokens; i++) {
    g_assert_cmpint (a.top_ids[3 * i], ==, a.token_ids[i]);
    g_assert_cmpfloat_with_epsilon (a.top_logprobs[3 * i], a.logprobs[i], 1e-9);
    g_assert_cmpfloat (a.top_logprobs[3 * i + 1], >=, a.top_logprobs[3 * i + 2]);
    g_assert_cmpfloat (a.logprobs[i], <, 0);
  }
  minivl_answer_clear (&a);
  g_assert_null (a.text);
  g_assert_null (a.top_ids);
  g_assert_cmpuint (a.output_tokens, ==, 0);
}

typedef struct
{
  MinivlSession *session;
  guint n; /* tokens so far */
  GArray *ids, *logprobs, *top_ids, *top_logprobs;
} Told;

static void
tell_tokens (const gchar *text, gpointer user_data)
{
  Told *t = user_data;
  g_auto (MinivlAnswer) tokens = { 0 };

  minivl_session_get_tokens (t->session, t->n, &tokens);
  g_assert_cmpuint (tokens.output_tokens, >, 0); /* there is no text without */
  g_array_append_vals (t->ids, tokens.token_ids, tokens.output_tokens);
  g_array_append_vals (t->logprobs, tokens.logprobs, tokens.output_tokens);
  g_array_append_vals (t->top_ids, tokens.top_ids, tokens.output_tokens * 2);
  g_array_append_vals (t->top_logprobs, tokens.top_logprobs, tokens.output_tokens * 2);
  t->n += tokens.output_tokens;
  minivl_answer_clear (&tokens);
  minivl_session_get_tokens (t->session, t->n, &tokens);
  g_assert_cmpuint (tokens.output_tokens, ==, 0);
}

/* Piece by piece they are the answer's; each is a step, but the first where the prompt was not there already. */
static void
test_tokens_come_with_their_text (void)
{
  g_autoptr (MinivlSession) session = api_new_session ();
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, 4), top_ids = g_array_new (FALSE, FALSE, 4);
  g_autoptr (GArray) logprobs = g_array_new (FALSE, FALSE, 8), top_logprobs = g_array_new (FALSE, FALSE, 8);
  Told told = { session, 0, ids, logprobs, top_ids, top_logprobs };
  g_autoptr (GError) error = NULL;
  g_auto (MinivlAnswer) a = { 0 };
  MinivlParams params = MINIVL_PARAMS_INIT;
  MinivlWork before, after;

  params.max_tokens = 12;
  params.n_logprobs = 2;
  minivl_engine_get_work (api_engine, &before);
  g_assert_true (minivl_session_ask (session, "Hello, who are you?", &params, tell_tokens, &told, &a, &error));
  minivl_engine_get_work (api_engine, &after);
  g_assert_true (told.n > a.output_tokens / 2 && told.n <= a.output_tokens);
  g_assert_cmpmem (ids->data, told.n * sizeof (gint32), a.token_ids, told.n * sizeof (gint32));
  g_assert_cmpmem (logprobs->data, told.n * sizeof (double), a.logprobs, told.n * sizeof (double));
  g_assert_cmpmem (top_ids->data, told.n * 2 * sizeof (gint32), a.top_ids, told.n * 2 * sizeof (gint32));
  g_assert_cmpmem (top_logprobs->data, told.n * 2 * sizeof (double), a.top_logprobs, told.n * 2 * sizeof (double));
  g_assert_cmpuint (a.output_tokens - (after.steps - before.steps + a.accepted), <=, 1);
  g_assert_cmpuint (after.step_answers - before.step_answers, ==, after.steps - before.steps);
  minivl_answer_clear (&a);
  minivl_session_get_tokens (session, 0, &a); /* nothing is being answered any more */
  g_assert_cmpuint (a.output_tokens, ==, 0);
}

static void
test_finish_has_a_word (void)
{
  g_assert_cmpstr (minivl_finish_to_string (MINIVL_FINISH_STOP), ==, "stop");
  g_assert_cmpstr (minivl_finish_to_string (MINIVL_FINISH_LENGTH), ==, "length");
  g_assert_cmpstr (minivl_finish_to_string (MINIVL_FINISH_CANCELLED), ==, "cancelled");
  g_assert_cmpstr (minivl_finish_to_string (MINIVL_FINISH_DEADLINE), ==, "deadline");
}

static void
test_rounds_follow_one_another (void)
{
  g_autoptr (MinivlSession) asked = api_new_session (), told = api_new_session ();
  g_auto (MinivlAnswer) first = { 0 }, second = { 0 }, as_told = { 0 }, anew = { 0 };

  api_ask (asked, "Hello", 4, &first);
  api_ask (asked, "And?", 4, &second);
  g_assert_cmpuint (second.prompt_tokens, >, first.prompt_tokens);
  g_assert_cmpuint (second.cached_tokens, >=, first.prompt_tokens - 1);
  g_assert_cmpmem (first.input_ids, (first.prompt_tokens - 1) * 4, second.input_ids, (first.prompt_tokens - 1) * 4);

  minivl_session_add_round (told, "Hello", first.text);
  api_ask (told, "And?", 4, &as_told);
  api_assert_same (&as_told, &second);

  minivl_session_reset (asked);
  api_ask (asked, "Hello", 4, &anew);
  api_assert_same (&anew, &first);
  g_assert_cmpuint (anew.cached_tokens, ==, first.prompt_tokens - 1);
}

/* What counts is the whole conversation, pictures and all; and it is as it was. */
static void
test_tokens_are_counted_as_they_are_asked (void)
{
  g_autoptr (MinivlPicture) picture = api_make_picture (40, 40);
  g_autoptr (MinivlSession) session = api_new_session ();
  g_auto (MinivlAnswer) answer = { 0 };
  g_autoptr (GError) error = NULL;
  guint n_tokens = 0;

  minivl_session_set_system (session, "Watch.");
  minivl_session_add_round (session, "Hello", "A yard.");
  minivl_session_add_pictures (session, &picture, 1);
  for (guint i = 0; i < 2; i++) {
    n_tokens = 0;
    g_assert_true (minivl_session_count_tokens (session, "What is – this?", NULL, &n_tokens, &error));
    g_assert_no_error (error);
  }
  api_ask (session, "What is – this?", 1, &answer);
  g_assert_cmpuint (n_tokens, ==, answer.prompt_tokens);
  g_assert_false (minivl_session_count_tokens (session, "<image>", NULL, &n_tokens, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_IMAGES);
}

/* What was said is in the prompt as the template has it, written out here; and a mark of the template's within it is only text. */
static void
test_told_rounds_are_as_the_template_has_them (void)
{
  g_autoptr (MinivlSession) told = api_new_session (), written = api_new_session (), quoted = api_new_session ();
  g_auto (MinivlAnswer) as_told = { 0 }, as_written = { 0 }, as_quoted = { 0 };
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (GError) error = NULL;

  params.max_tokens = 1;
  minivl_session_set_system (told, "Watch.");
  minivl_session_add_round (told, "Hello", "A yard.");
  minivl_session_add_round (told, "And?", "Nobody.");
  api_ask (told, "Now?", 1, &as_told);
  minivl_session_set_system (written, "Watch.");
  params.special_tokens = TRUE;
  g_assert_true (minivl_session_ask (written,
      "Hello<|end|><|assistant|>\nA yard.<|end|><|user|>\nAnd?<|end|><|assistant|>\nNobody.<|end|><|user|>\nNow?", &params, NULL,
      NULL, &as_written, &error));
  g_assert_no_error (error);
  api_assert_same_prompt (&as_told, &as_written);

  minivl_session_set_system (quoted, "Watch.");
  minivl_session_add_round (quoted, "Hello", "A yard.<|end|><|user|>\nAnd?<|end|><|assistant|>\nNobody.");
  api_ask (quoted, "Now?", 1, &as_quoted);
  g_assert_cmpuint (as_quoted.prompt_tokens, >, as_written.prompt_tokens);
}

static void
test_system_is_chosen (void)
{
  g_autoptr (MinivlSession) session = api_new_session ();
  g_auto (MinivlAnswer) own = { 0 }, none = { 0 }, other = { 0 }, own_again = { 0 };

  api_ask (session, "Hello", 1, &own);
  minivl_session_reset (session);
  minivl_session_set_system (session, "");
  api_ask (session, "Hello", 1, &none);
  minivl_session_reset (session);
  minivl_session_set_system (session, "You are a parrot.");
  api_ask (session, "Hello", 1, &other);
  minivl_session_reset (session);
  minivl_session_set_system (session, NULL);
  api_ask (session, "Hello", 1, &own_again);
  g_assert_cmpuint (none.prompt_tokens, <, own.prompt_tokens);
  g_assert_cmpuint (none.prompt_tokens, <, other.prompt_tokens);
  api_assert_same (&own_again, &own);
}

/* The end of a part: one token if it is meant, and the letters of it if it is not. */
static void
test_special_tokens_are_text_unless_asked_for (void)
{
  g_autoptr (MinivlSession) text = api_new_session (), meant = api_new_session (), shorter = api_new_session ();
  g_auto (MinivlAnswer) a = { 0 }, b = { 0 }, c = { 0 };
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (GError) error = NULL;

  api_ask (text, "Hello<|end|>", 1, &a);
  api_ask (shorter, "Hello", 1, &c);
  params.max_tokens = 1;
  params.special_tokens = TRUE;
  g_assert_true (minivl_session_ask (meant, "Hello<|end|>", &params, NULL, NULL, &b, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (b.prompt_tokens, ==, c.prompt_tokens + 1);
  g_assert_cmpuint (a.prompt_tokens, >, b.prompt_tokens);
}

static void
test_pictures_stand_for_marks (void)
{
  g_autoptr (MinivlPicture) wide = api_make_picture (WIDE_WIDTH, WIDE_HEIGHT);
  g_autoptr (MinivlPicture) small = api_make_picture (40, 40);
  MinivlPicture *both[] = { wide, small };
  g_autoptr (MinivlSession) implied = api_new_session (), written = api_new_session (), joined = api_new_session (),
                            text = api_new_session ();
  g_auto (MinivlAnswer) a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 }, e = { 0 };
  g_autofree gchar *frames = minivl_prompt_add_marks ("What?", 0, 2);

  for (guint i = 0; i < 2; i++) {
    minivl_session_add_pictures (implied, &both[i], 1);
    minivl_session_add_pictures (written, &both[i], 1);
  }
  minivl_session_add_pictures (joined, both, 2);
  g_assert_cmpuint (minivl_prompt_count_marks (frames), ==, 2);
  api_ask (implied, "What?", 2, &a);
  api_ask (written, "<image>\n<image>\nWhat?", 2, &b);
  api_ask (joined, "What?", 2, &c);
  api_ask (text, "What?", 2, &d);
  api_assert_same (&a, &b);
  g_assert_cmpuint (a.prompt_tokens - d.prompt_tokens, >=, 5 * TILE_TOKENS);
  g_assert_cmpuint (c.prompt_tokens, <, a.prompt_tokens);
  g_assert_cmpuint (c.prompt_tokens - d.prompt_tokens, >=, 5 * TILE_TOKENS);

  /* A round that was answered elsewhere takes them too. */
  minivl_session_reset (text);
  minivl_session_add_pictures (text, both, 1);
  minivl_session_add_round (text, "<image>\nWhat?", "That.");
  api_ask (text, "And?", 2, &e);
  g_assert_cmpuint (e.prompt_tokens, >, 4 * TILE_TOKENS);
}

static void
test_choices (void)
{
  g_auto (GStrv) choices = minivl_choices_split ("a dog | a bus");
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (MinivlSession) session = api_new_session ();
  g_autoptr (GError) error = NULL;
  g_auto (MinivlAnswer) a = { 0 };

  params.max_tokens = 20;
  params.choices = (const gchar *const *)choices;
  minivl_session_ask (session, "What?", &params, NULL, NULL, &a, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (a.n_choices, ==, 2);
  g_assert_cmpstr (a.text, ==, choices[a.choice]);
  g_assert_cmpfloat_with_epsilon (a.choice_probabilities[0] + a.choice_probabilities[1], 1, 1e-5);
}

static void
test_shapes_are_checked_without_a_model (void)
{
  static const gchar *const choices[] = { "a", "b", NULL }, *const equal[] = { "a", "a", NULL };
  const gchar *const object = "{\"type\": \"object\"}", *const unknown = "{\"type\": \"string\", \"pattern\": \"a\"}";
  g_autoptr (GError) error = NULL;

  g_assert_true (minivl_shape_check (NULL, NULL, &error));
  g_assert_true (minivl_shape_check (choices, NULL, &error));
  g_assert_true (minivl_shape_check (NULL, object, &error));
  g_assert_no_error (error);
  g_assert_false (minivl_shape_check (equal, NULL, NULL));
  g_assert_false (minivl_shape_check (choices, object, NULL));
  g_assert_false (minivl_shape_check (NULL, unknown, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_USAGE);
  g_assert_nonnull (strstr (error->message, "`pattern`"));
}

static void
test_marks_and_pictures_that_differ (void)
{
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (MinivlPicture) picture = api_make_picture (40, 40);
  g_autoptr (MinivlSession) session = api_new_session (), fresh = api_new_session ();
  g_auto (MinivlAnswer) after = { 0 }, without = { 0 }, told = { 0 };

  params.max_tokens = 2;
  api_refuse (session, "<image>\nWhat?", &params, MINIVL_ERROR_IMAGES);
  minivl_session_add_pictures (session, &picture, 1);
  api_refuse (session, "<image> <image>\nWhat?", &params, MINIVL_ERROR_IMAGES);
  /* It still waits. */
  api_ask (session, "What?", 2, &after);
  minivl_session_add_pictures (fresh, &picture, 1);
  api_ask (fresh, "<image>\nWhat?", 2, &without);
  api_assert_same (&after, &without);

  minivl_session_reset (session);
  minivl_session_add_round (session, "<image>\nWhat?", "That.");
  api_refuse (session, "And?", &params, MINIVL_ERROR_IMAGES);
  minivl_session_reset (session);
  api_ask (session, "And?", 2, &told);
}

static void
test_refused_and_as_before (void)
{
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (MinivlSession) session = api_new_session (), fresh = api_new_session ();
  g_auto (MinivlAnswer) after = { 0 }, without = { 0 };

  /* The defaults' 512 tokens and a prompt are more than the context. */
  api_refuse (session, "Hello", NULL, MINIVL_ERROR_BUDGET);
  api_refuse (session, "Hello", &params, MINIVL_ERROR_BUDGET);
  params.max_tokens = 0;
  api_refuse (session, "Hello", &params, MINIVL_ERROR_BUDGET);
  params.max_tokens = 2;
  params.n_logprobs = 65;
  api_refuse (session, "Hello", &params, MINIVL_ERROR_USAGE);
  g_assert_false (minivl_session_ask (session, "Hello", &params, NULL, NULL, &after, NULL));
  api_ask (session, "Hello", 2, &after);
  api_ask (fresh, "Hello", 2, &without);
  api_assert_same (&after, &without);
}

/* Neither a shorter answer nor a larger context would help where they are at their ends. */
static void
test_a_prompt_that_alone_is_too_long_says_so (void)
{
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (MinivlSession) session = api_new_session ();
  g_autofree gchar *prompt = g_strnfill (20 * CONTEXT, '7');
  g_autoptr (GError) error = NULL;
  MinivlAnswer answer = { NULL };

  params.max_tokens = 1;
  g_assert_false (minivl_session_ask (session, prompt, &params, NULL, NULL, &answer, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_BUDGET);
  g_assert_nonnull (strstr (error->message, "tokens is alone "));
  g_assert_nonnull (strstr (error->message, "a shorter prompt or conversation or a larger context would do"));
}

static void
test_deadline_that_has_passed (void)
{
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (MinivlSession) session = api_new_session ();
  g_autoptr (GError) error = NULL;
  g_auto (MinivlAnswer) answer = { 0 };

  params.max_tokens = 2;
  params.deadline = 1;
  g_assert_true (minivl_session_ask (session, "A question of its own", &params, NULL, NULL, &answer, &error));
  g_assert_no_error (error);
  g_assert_cmpint (answer.finish, ==, MINIVL_FINISH_DEADLINE);
  g_assert_cmpuint (answer.output_tokens, ==, 0);
  g_assert_cmpstr (answer.text, ==, "");
}

static gpointer
ask_low (gpointer data)
{
  MinivlAnswer *answer = g_new0 (MinivlAnswer, 1);

  api_ask (data, "Who is first?", 20, answer);
  return answer;
}

static void
test_a_session_encodes_what_its_engine_does (void)
{
  g_autoptr (MinivlSession) session = api_new_session ();
  g_autoptr (MinivlPicture) picture = api_make_picture (40, 30), same = NULL;
  g_autoptr (GError) error = NULL;
  MinivlImage image;
  G_GNUC_UNUSED g_autofree guint8 *data = api_make_pixels (40, 30, &image);
  gint cancel = TRUE;

  minivl_session_set_priority (session, 1);
  same = minivl_session_encode (session, &image, 12, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (same == picture);
  g_assert_null (minivl_session_encode (session, &image, 11, &cancel, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED);
}

static void
test_priority_changes_no_answer (void)
{
  g_autoptr (MinivlSession) low = api_new_session (), high = api_new_session ();
  g_auto (MinivlAnswer) answer = { 0 };
  MinivlAnswer *other;
  GThread *thread;

  minivl_session_set_priority (low, -1);
  minivl_session_set_priority (high, 1);
  thread = g_thread_new ("low", ask_low, low);
  api_ask (high, "Who is first?", 20, &answer);
  other = g_thread_join (thread);
  api_assert_same (&answer, other);
  minivl_answer_clear (other);
  g_free (other);
}

/* --- cancelling ------------------------------------------------------------------------------------------------------------ */

typedef struct
{
  MinivlSession *session;
  GThreadFunc func;
  GThread *thread;
} Interruption;

static gpointer
cancel_session (gpointer data)
{
  minivl_session_cancel (data);
  return NULL;
}

static gpointer
free_session (gpointer data)
{
  minivl_session_free (data);
  return NULL;
}

/* At the first text, from another thread. */
static void
interrupt (const gchar *text, gpointer user_data)
{
  Interruption *i = user_data;

  if (!i->thread)
    i->thread = g_thread_new ("interrupt", i->func, i->session);
}

static void
ask_interrupted (Interruption *i)
{
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (GError) error = NULL;
  g_auto (MinivlAnswer) answer = { 0 };
  gboolean ok;

  params.max_tokens = CONTEXT - 64;
  ok = minivl_session_ask (i->session, "Tell me a story.", &params, interrupt, i, &answer, &error);
  g_assert_no_error (error);
  g_assert_true (ok);
  g_assert_nonnull (i->thread);
  g_thread_join (i->thread);
  g_assert_cmpint (answer.finish, ==, MINIVL_FINISH_CANCELLED);
  g_assert_cmpuint (answer.output_tokens, >, 0);
  g_assert_cmpuint (answer.output_tokens, <, params.max_tokens);
  g_assert_true (g_utf8_validate (answer.text, -1, NULL));
}

static void
test_cancelled_from_another_thread (void)
{
  g_autoptr (MinivlSession) session = api_new_session ();
  Interruption i = { session, cancel_session, NULL };
  g_auto (MinivlAnswer) next = { 0 };

  ask_interrupted (&i);
  /* Without an answer in hand nothing happens. */
  minivl_session_cancel (session);
  api_ask (session, "And?", 2, &next);
  g_assert_cmpint (next.finish, ==, MINIVL_FINISH_LENGTH);
}

typedef struct
{
  gint cancel;
  guint at, n;
} Patience;

static void
lose_patience (const gchar *text, gpointer user_data)
{
  Patience *p = user_data;

  if (++p->n == p->at)
    g_atomic_int_set (&p->cancel, TRUE);
}

/* The flag counts whenever it was set: before the question is asked, and while it is answered. */
static void
test_cancelled_by_a_flag (void)
{
  g_autoptr (MinivlSession) session = api_new_session ();
  Patience before = { .cancel = TRUE }, amid = { .at = 2 };
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_auto (MinivlAnswer) none = { 0 }, some = { 0 }, next = { 0 };
  g_autoptr (GError) error = NULL;

  params.max_tokens = CONTEXT - 64;
  params.cancel = &before.cancel;
  g_assert_true (minivl_session_ask (session, "Tell me another story.", &params, lose_patience, &before, &none, &error));
  g_assert_no_error (error);
  g_assert_cmpint (none.finish, ==, MINIVL_FINISH_CANCELLED);
  g_assert_cmpuint (none.output_tokens, ==, 0);
  g_assert_cmpuint (before.n, ==, 0);
  params.cancel = &amid.cancel;
  g_assert_true (minivl_session_ask (session, "And another one.", &params, lose_patience, &amid, &some, &error));
  g_assert_no_error (error);
  g_assert_cmpint (some.finish, ==, MINIVL_FINISH_CANCELLED);
  g_assert_cmpuint (some.output_tokens, >, 0);
  g_assert_cmpuint (some.output_tokens, <, params.max_tokens);
  api_ask (session, "And?", 2, &next);
  g_assert_cmpint (next.finish, ==, MINIVL_FINISH_LENGTH);
}

static void
test_freed_in_mid_answer (void)
{
  Interruption i = { api_new_session (), free_session, NULL };

  ask_interrupted (&i);
}

/* --- preparing ------------------------------------------------------------------------------------------------------------- */

#define BEGINNING "Frame1: <image>\nFrame2: <image>\n"

/* Two pictures that no other test shows. */
static void
show_frames (MinivlSession *session, MinivlEngine *engine)
{
  for (guint i = 0; i < 2; i++) {
    g_autoptr (GError) error = NULL;
    MinivlImage image;
    G_GNUC_UNUSED g_autofree guint8 *data = api_make_pixels (61, 37 + i, &image);
    g_autoptr (MinivlPicture) picture = minivl_picture_new (engine, &image, 1, NULL, &error);

    g_assert_no_error (error);
    minivl_session_add_pictures (session, &picture, 1);
  }
}

static void
prepare (MinivlSession *session, const gchar *beginning)
{
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (GError) error = NULL;

  params.max_tokens = 8;
  g_assert_true (minivl_session_prepare (session, beginning, 0, &params, &error));
  g_assert_no_error (error);
}

static void
refuse_to_prepare (MinivlSession *session, const gchar *beginning, const MinivlParams *params, MinivlError code)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (minivl_session_prepare (session, beginning, 0, params, &error));
  g_assert_error (error, MINIVL_ERROR, code);
  g_assert_cmpuint (strlen (error->message), >, 10);
  g_assert_false (minivl_session_prepare (session, beginning, 0, params, NULL));
}

/* The same ids and text as where nothing was computed before; all but the words that follow is taken from the cache. */
static void
test_prepared_is_answered_as_without (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MinivlEngine) engine = api_open_model (api_model, NULL, &error);
  g_autoptr (MinivlSession) prepared = api_new_session (), plain = minivl_session_new (engine, &error);
  g_auto (MinivlAnswer) with = { 0 }, without = { 0 }, words = { 0 }, next = { 0 };

  g_assert_no_error (error);
  show_frames (prepared, api_engine);
  prepare (prepared, BEGINNING);
  api_ask (prepared, BEGINNING "What happens here?", 8, &with);
  show_frames (plain, engine);
  api_ask (plain, BEGINNING "What happens here?", 8, &without);
  g_assert_cmpuint (without.cached_tokens, ==, 0);
  api_assert_same (&with, &without);
  minivl_session_reset (plain);
  minivl_session_set_system (plain, "");
  api_ask (plain, "What happens here?", 1, &words);
  g_assert_cmpuint (with.prompt_tokens - with.cached_tokens, <=, words.prompt_tokens);
  /* The round was added once, with its pictures. */
  api_ask (prepared, "And then?", 1, &next);
  g_assert_cmpuint (next.cached_tokens, >=, with.prompt_tokens - 1);
}

static void
test_prepared_bit_by_bit (void)
{
  g_autoptr (MinivlSession) session = api_new_session ();
  g_autoptr (MinivlPicture) a = api_make_picture (63, 31), b = api_make_picture (63, 32);
  g_auto (MinivlAnswer) answer = { 0 }, system = { 0 };

  minivl_session_set_system (session, "You watch a yard, and nothing but the yard.");
  prepare (session, "");
  minivl_session_add_pictures (session, &a, 1);
  prepare (session, "Frame1: <image>\n");
  minivl_session_add_pictures (session, &b, 1);
  prepare (session, BEGINNING);
  api_ask (session, BEGINNING "Who?", 2, &answer);
  g_assert_cmpuint (answer.cached_tokens, >=, 2 * TILE_TOKENS + 10);
  g_assert_cmpuint (answer.prompt_tokens - answer.cached_tokens, <=, 12);
  /* The system message alone was prepared as well. */
  minivl_session_reset (session);
  prepare (session, "");
  api_ask (session, "Zzz", 1, &system);
  g_assert_cmpuint (system.cached_tokens, >=, 10);
}

static void
test_preparing_is_refused_and_cancelled (void)
{
  g_autoptr (MinivlSession) session = api_new_session (), fresh = api_new_session ();
  g_autoptr (MinivlPicture) picture = api_make_picture (65, 33);
  g_auto (MinivlAnswer) after = { 0 }, without = { 0 };
  MinivlParams params = MINIVL_PARAMS_INIT;
  gint cancel = TRUE;

  /* The defaults' 512 tokens of an answer are the whole context. */
  refuse_to_prepare (session, "Prepare this", NULL, MINIVL_ERROR_BUDGET);
  refuse_to_prepare (session, "Prepare this", &params, MINIVL_ERROR_BUDGET);
  params.max_tokens = 4;
  refuse_to_prepare (session, "Prepare <image>", &params, MINIVL_ERROR_IMAGES);
  minivl_session_add_pictures (session, &picture, 1);
  refuse_to_prepare (session, "Prepare <image> and <image>", &params, MINIVL_ERROR_IMAGES);
  params.cancel = &cancel;
  refuse_to_prepare (session, "Prepare <image>", &params, MINIVL_ERROR_CANCELLED);
  params.cancel = NULL;
  params.deadline = 1;
  refuse_to_prepare (session, "Prepare <image>", &params, MINIVL_ERROR_CANCELLED);
  /* The picture still waits. */
  api_ask (session, "Prepare <image>", 4, &after);
  minivl_session_add_pictures (fresh, &picture, 1);
  api_ask (fresh, "Prepare <image>", 4, &without);
  api_assert_same (&after, &without);
}

static void
add_tests (void)
{
  g_test_add_func ("/api/answer-is-whole", test_answer_is_whole);
  g_test_add_func ("/api/tokens-come-with-their-text", test_tokens_come_with_their_text);
  g_test_add_func ("/api/finish-has-a-word", test_finish_has_a_word);
  g_test_add_func ("/api/rounds-follow-one-another", test_rounds_follow_one_another);
  g_test_add_func ("/api/tokens-are-counted-as-they-are-asked", test_tokens_are_counted_as_they_are_asked);
  g_test_add_func ("/api/told-rounds-are-as-the-template-has-them", test_told_rounds_are_as_the_template_has_them);
  g_test_add_func ("/api/system-is-chosen", test_system_is_chosen);
  g_test_add_func ("/api/special-tokens-are-text-unless-asked-for", test_special_tokens_are_text_unless_asked_for);
  g_test_add_func ("/api/pictures-stand-for-marks", test_pictures_stand_for_marks);
  g_test_add_func ("/api/choices", test_choices);
  g_test_add_func ("/api/shapes-are-checked-without-a-model", test_shapes_are_checked_without_a_model);
  g_test_add_func ("/api/marks-and-pictures-that-differ", test_marks_and_pictures_that_differ);
  g_test_add_func ("/api/refused-and-as-before", test_refused_and_as_before);
  g_test_add_func ("/api/a-prompt-that-alone-is-too-long-says-so", test_a_prompt_that_alone_is_too_long_says_so);
  g_test_add_func ("/api/deadline-that-has-passed", test_deadline_that_has_passed);
  g_test_add_func ("/api/priority-changes-no-answer", test_priority_changes_no_answer);
  g_test_add_func ("/api/a-session-encodes-what-its-engine-does", test_a_session_encodes_what_its_engine_does);
  g_test_add_func ("/api/cancelled-from-another-thread", test_cancelled_from_another_thread);
  g_test_add_func ("/api/cancelled-by-a-flag", test_cancelled_by_a_flag);
  g_test_add_func ("/api/freed-in-mid-answer", test_freed_in_mid_answer);
  g_test_add_func ("/api/prepared-is-answered-as-without", test_prepared_is_answered_as_without);
  g_test_add_func ("/api/prepared-bit-by-bit", test_prepared_bit_by_bit);
  g_test_add_func ("/api/preparing-is-refused-and-cancelled", test_preparing_is_refused_and_cancelled);
}

int
main (int argc, char **argv)
{
  return api_run (argc, argv, add_tests);
}

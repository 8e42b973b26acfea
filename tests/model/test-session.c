/* Sessions by token ids, on small models whose weights are made in memory. */
#include <math.h>
#include <string.h>

#include "harness.h"
#include "variant.h"
#include "watch.h"
#include "model/model_testing.h"

typedef struct
{
  MinivlEngine *engine;
  gint32 ids[256];
} Fixture;

static void
set_up (Fixture *f, gconstpointer variant)
{
  g_autoptr (GError) error = NULL;

  f->engine = variant_open (variant, 256, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (f->ids); i++)
    f->ids[i] = 10 + (i * 37 + i * i) % 70;
  f->ids[0] = 1;
}

static void
tear_down (Fixture *f, gconstpointer variant)
{
  minivl_engine_unref (f->engine);
}

static void
ask (MinivlSession *session, const gint32 *ids, guint n, guint max_tokens, MinivlAnswer *answer)
{
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (GError) error = NULL;

  params.max_tokens = max_tokens;
  params.want_logits = TRUE;
  session_ask_ids (session, ids, n, NULL, 0, &params, NULL, NULL, answer, &error);
  g_assert_no_error (error);
}

static double
nmse (const MinivlAnswer *a, const MinivlAnswer *b)
{
  double error = 0, power = 0;

  g_assert_cmpuint (a->n_logits, ==, b->n_logits);
  for (guint i = 0; i < a->n_logits; i++) {
    error += pow (a->logits[i] - b->logits[i], 2);
    power += pow (b->logits[i], 2);
  }
  return error / power;
}

static MinivlSession *
session_on (MinivlEngine *engine)
{
  g_autoptr (GError) error = NULL;
  MinivlSession *session = minivl_session_new (engine, &error);

  g_assert_no_error (error);
  return session;
}

static MinivlSession *
new_session (Fixture *f)
{
  return session_on (f->engine);
}

static void
assert_same (const MinivlAnswer *a, const MinivlAnswer *b)
{
  g_assert_cmpfloat (nmse (a, b), <=, 1e-8);
  g_assert_cmpmem (a->token_ids, a->output_tokens * 4, b->token_ids, b->output_tokens * 4);
}

/* What the same question gets where nothing was asked before. */
static void
ask_from_the_start (const gint32 *ids, guint n, guint max_tokens, MinivlAnswer *answer)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MinivlEngine) engine = variant_open ("long-crossing", 256, &error);
  g_autoptr (MinivlSession) session = NULL;

  g_assert_no_error (error);
  session = session_on (engine);
  ask (session, ids, n, max_tokens, answer);
  g_assert_cmpuint (answer->cached_tokens, ==, 0);
}

static void
assert_as_from_the_start (const gint32 *ids, guint n, guint max_tokens, const MinivlAnswer *answer)
{
  g_auto (MinivlAnswer) fresh = { 0 };

  ask_from_the_start (ids, n, max_tokens, &fresh);
  assert_same (answer, &fresh);
}

static void
test_second_round_computes_only_what_follows (Fixture *f, gconstpointer variant)
{
  g_autoptr (MinivlSession) session = new_session (f);
  g_auto (MinivlAnswer) first = { 0 }, second = { 0 };
  guint64 before;

  ask (session, f->ids, 20, 4, &first);
  g_assert_cmpuint (first.cached_tokens, ==, 0);
  before = language_tokens_computed (f->engine->language);
  ask (session, f->ids, 50, 4, &second);
  g_assert_cmpuint (second.cached_tokens, ==, 20);
  g_assert_cmpuint (language_tokens_computed (f->engine->language) - before, ==, 30 + 3);
  assert_as_from_the_start (f->ids, 50, 4, &second);
}

static void
test_same_prompt_again_computes_one_token (Fixture *f, gconstpointer variant)
{
  g_autoptr (MinivlSession) session = new_session (f);
  g_auto (MinivlAnswer) first = { 0 }, again = { 0 };

  ask (session, f->ids, 33, 3, &first);
  ask (session, f->ids, 33, 3, &again);
  g_assert_cmpuint (again.cached_tokens, ==, 32);
  assert_same (&again, &first);
}

static void
test_long_factors_compute_all_anew (Fixture *f, gconstpointer variant)
{
  g_autoptr (MinivlSession) session = new_session (f);
  g_auto (MinivlAnswer) before = { 0 }, across = { 0 }, back = { 0 };

  /* original_max_position_embeddings is 64. */
  ask (session, f->ids, 60, 1, &before);
  ask (session, f->ids, 70, 4, &across);
  g_assert_cmpuint (across.cached_tokens, ==, 0);
  assert_as_from_the_start (f->ids, 70, 4, &across);
  ask (session, f->ids, 60, 1, &back);
  g_assert_cmpuint (back.cached_tokens, ==, 59);
  assert_same (&back, &before);
}

static void
test_answer_that_grows_into_the_long_factors_is_computed_anew (Fixture *f, gconstpointer variant)
{
  g_autoptr (MinivlSession) session = new_session (f);
  g_auto (MinivlAnswer) answer = { 0 }, last = { 0 };
  gint32 ids[70];

  ask (session, f->ids, 60, 10, &answer);
  g_assert_cmpuint (answer.output_tokens, ==, 10);
  /* Its last token is the first one of a question that holds all tokens before. */
  memcpy (ids, f->ids, 60 * sizeof *ids);
  memcpy (ids + 60, answer.token_ids, 9 * sizeof *ids);
  ask_from_the_start (ids, 69, 1, &last);
  g_assert_cmpint (last.token_ids[0], ==, answer.token_ids[9]);
}

static void
test_sessions_share_what_they_have_in_common (Fixture *f, gconstpointer variant)
{
  g_autoptr (MinivlSession) a = new_session (f), b = new_session (f);
  g_auto (MinivlAnswer) first = { 0 }, second = { 0 };
  gint32 ids[60];

  memcpy (ids, f->ids, sizeof ids);
  for (guint i = 45; i < 60; i++)
    ids[i] = 11 + i;
  ask (a, f->ids, 60, 4, &first);
  ask (b, ids, 60, 4, &second);
  g_assert_cmpuint (second.cached_tokens, ==, 45);
  assert_as_from_the_start (ids, 60, 4, &second);
}

static void
test_prompts_larger_than_what_is_left_push_the_oldest_out (Fixture *f, gconstpointer variant)
{
  g_autoptr (MinivlSession) a = new_session (f), b = new_session (f);
  g_auto (MinivlAnswer) first = { 0 }, other = { 0 }, again = { 0 };

  ask (a, f->ids, 200, 4, &first);
  ask (b, f->ids + 50, 200, 4, &other);
  ask (a, f->ids, 200, 4, &again);
  g_assert_cmpuint (again.cached_tokens, <, 199);
  assert_same (&again, &first);
}

static void
test_too_much_is_refused_before_anything_is_computed (Fixture *f, gconstpointer variant)
{
  g_autoptr (MinivlSession) session = new_session (f);
  g_auto (MinivlAnswer) answer = { 0 }, small = { 0 };
  g_autoptr (GError) error = NULL;
  MinivlParams params = MINIVL_PARAMS_INIT;

  ask (session, f->ids, 20, 2, &small);
  params.max_tokens = 100;
  g_assert_false (session_ask_ids (session, f->ids, 200, NULL, 0, &params, NULL, NULL, &answer, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_BUDGET);
  g_assert_nonnull (strstr (error->message, "200"));
  g_assert_nonnull (strstr (error->message, "256"));
  g_assert_nonnull (strstr (error->message, " 44 too many"));
  g_assert_null (strstr (error->message, "picture"));
  g_clear_error (&error);
  /* A picture's token is among them. */
  f->ids[199] = 3;
  g_assert_false (session_ask_ids (session, f->ids, 200, NULL, 0, &params, NULL, NULL, &answer, &error));
  g_assert_nonnull (strstr (error->message, " 44 too many for a context of 256: fewer pictures"));
  minivl_answer_clear (&small);
  ask (session, f->ids, 20, 2, &small);
  g_assert_cmpuint (small.cached_tokens, ==, 19);
}

static void
test_ids_outside_the_vocabulary_are_refused (Fixture *f, gconstpointer variant)
{
  g_autoptr (MinivlSession) session = new_session (f);
  g_auto (MinivlAnswer) answer = { 0 };
  g_autoptr (GError) error = NULL;
  MinivlParams params = MINIVL_PARAMS_INIT;
  gint32 bad[] = { 1, 5000 }, mark[] = { 1, 3 };

  params.max_tokens = 2;
  g_assert_false (session_ask_ids (session, bad, 2, NULL, 0, &params, NULL, NULL, &answer, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_USAGE);
  g_clear_error (&error);
  g_assert_false (session_ask_ids (session, mark, 2, NULL, 0, &params, NULL, NULL, &answer, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_IMAGES);
}

static void
test_deadline_in_the_past_answers_nothing (Fixture *f, gconstpointer variant)
{
  g_autoptr (MinivlSession) session = new_session (f);
  g_auto (MinivlAnswer) answer = { 0 };
  g_autoptr (GError) error = NULL;
  MinivlParams params = MINIVL_PARAMS_INIT;

  params.max_tokens = 8;
  params.deadline = 1;
  session_ask_ids (session, f->ids, 20, NULL, 0, &params, NULL, NULL, &answer, &error);
  g_assert_no_error (error);
  g_assert_cmpint (answer.finish, ==, MINIVL_FINISH_DEADLINE);
  g_assert_cmpuint (answer.output_tokens, ==, 0);
}

static void
test_seed_decides_the_text (Fixture *f, gconstpointer variant)
{
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (GError) error = NULL;
  gint32 texts[3][12];

  params.max_tokens = 12;
  params.temperature = 30;
  params.top_p = 1;
  for (guint i = 0; i < 3; i++) {
    g_autoptr (MinivlSession) session = new_session (f);
    g_auto (MinivlAnswer) answer = { 0 };

    params.seed = i == 2 ? 6 : 5;
    session_ask_ids (session, f->ids, 20, NULL, 0, &params, NULL, NULL, &answer, &error);
    g_assert_no_error (error);
    memset (texts[i], 0, sizeof texts[i]);
    memcpy (texts[i], answer.token_ids, answer.output_tokens * sizeof (gint32));
  }
  g_assert_cmpmem (texts[0], sizeof texts[0], texts[1], sizeof texts[1]);
  g_assert_cmpint (memcmp (texts[0], texts[2], sizeof texts[0]), !=, 0);
}

typedef struct
{
  MinivlEngine *engine;
  const gint32 *ids;
  guint n, max_tokens;
  MinivlAnswer answer;
} Asker;

static gpointer
ask_in_a_thread (gpointer data)
{
  Asker *a = data;
  g_autoptr (MinivlSession) session = session_on (a->engine);

  ask (session, a->ids, a->n, a->max_tokens, &a->answer);
  return NULL;
}

static void
ask_together (Fixture *f, Asker *askers, guint n)
{
  g_autofree GThread **threads = g_new (GThread *, n);

  for (guint i = 0; i < n; i++) {
    askers[i].engine = f->engine;
    threads[i] = g_thread_new ("asker", ask_in_a_thread, &askers[i]);
  }
  for (guint i = 0; i < n; i++)
    g_thread_join (threads[i]);
}

static void
test_questions_on_one_beginning_cost_their_own_tokens (Fixture *f, gconstpointer variant)
{
  gint32 questions[3][60];
  g_autoptr (MinivlSession) session = new_session (f);
  g_auto (MinivlAnswer) beginning = { 0 };
  guint64 before;

  ask (session, f->ids, 50, 1, &beginning);
  before = language_tokens_computed (f->engine->language);
  for (guint i = 0; i < 3; i++) {
    g_auto (MinivlAnswer) answer = { 0 };

    memcpy (questions[i], f->ids, sizeof questions[i]);
    for (guint j = 50; j < 60; j++)
      questions[i][j] = 20 + 13 * i + j % 7;
    ask (session, questions[i], 60, 1, &answer);
    g_assert_cmpuint (answer.cached_tokens, ==, 50);
    assert_as_from_the_start (questions[i], 60, 1, &answer);
  }
  g_assert_cmpuint (language_tokens_computed (f->engine->language) - before, ==, 30);
}

static void
test_asks_that_do_not_fit_together_wait (Fixture *f, gconstpointer variant)
{
  Asker askers[3] = { { 0 } };

  /* Each takes most of the 256 tokens there is room for. */
  for (guint i = 0; i < G_N_ELEMENTS (askers); i++) {
    askers[i].ids = f->ids + 5 * i;
    askers[i].n = 150;
    askers[i].max_tokens = 30;
  }
  ask_together (f, askers, G_N_ELEMENTS (askers));
  for (guint i = 0; i < G_N_ELEMENTS (askers); i++) {
    assert_as_from_the_start (askers[i].ids, 150, 30, &askers[i].answer);
    minivl_answer_clear (&askers[i].answer);
  }
}

typedef struct
{
  MinivlSession *session;
  Fixture *f;
  MinivlAnswer answer;
} Interrupted;

static gpointer
ask_at_length (gpointer data)
{
  Interrupted *i = data;
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (GError) error = NULL;

  params.max_tokens = 200;
  session_ask_ids (i->session, i->f->ids, 20, NULL, 0, &params, NULL, NULL, &i->answer, &error);
  g_assert_no_error (error);
  return NULL;
}

/* Until the engine has begun to compute: then the answer is being written. */
static void
wait_for_work (Fixture *f, guint64 before)
{
  while (language_tokens_computed (f->engine->language) < before + 22)
    g_thread_yield ();
}

static void
test_cancelling_ends_the_answer_at_a_token (Fixture *f, gconstpointer variant)
{
  g_autoptr (MinivlSession) session = new_session (f);
  Interrupted i = { session, f, { 0 } };
  GThread *thread = g_thread_new ("asker", ask_at_length, &i);

  wait_for_work (f, 0);
  minivl_session_cancel (session);
  g_thread_join (thread);
  g_assert_cmpint (i.answer.finish, ==, MINIVL_FINISH_CANCELLED);
  g_assert_cmpuint (i.answer.output_tokens, >, 0);
  g_assert_cmpuint (i.answer.output_tokens, <, 200);
  minivl_answer_clear (&i.answer);
}

static void
test_session_freed_in_mid_answer_leaves_nothing (Fixture *f, gconstpointer variant)
{
  Interrupted i = { new_session (f), f, { 0 } };
  GThread *thread = g_thread_new ("asker", ask_at_length, &i);

  wait_for_work (f, 0);
  minivl_session_free (i.session);
  g_thread_join (thread);
  g_assert_cmpint (i.answer.finish, ==, MINIVL_FINISH_CANCELLED);
  g_assert_cmpuint (kv_pool_taken (f->engine->kv), ==, 0);
  minivl_answer_clear (&i.answer);
}

typedef struct
{
  GMutex gate;
  gint held;
} Hold;

static gboolean
hold_the_device (gpointer data, GError **error)
{
  Hold *hold = data;

  g_atomic_int_set (&hold->held, TRUE);
  g_mutex_lock (&hold->gate);
  g_mutex_unlock (&hold->gate);
  return TRUE;
}

static gpointer
hold_in_a_thread (gpointer data)
{
  gpointer *args = data;

  return GINT_TO_POINTER (scheduler_run (args[0], hold_the_device, args[1], NULL));
}

static GArray *
text_tokens (const gint32 *ids, guint n)
{
  GArray *tokens = g_array_new (FALSE, FALSE, sizeof (LanguageToken));

  for (guint i = 0; i < n; i++) {
    LanguageToken t = { .key.id = ids[i % 256] + i / 256 };

    g_array_append_val (tokens, t);
  }
  return tokens;
}

static void
test_long_prompt_holds_an_answer_up_for_a_chunk_at_most (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MinivlEngine) engine = variant_open ("long-crossing", 1024, &error);
  MinivlParams params = MINIVL_PARAMS_INIT;
  gint32 ids[257];
  g_autoptr (Request) answer = NULL, prompt = NULL;
  Hold hold = { .held = FALSE };
  gpointer args[2];
  GThread *holder;

  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (ids); i++)
    ids[i] = 10 + i % 70;
  answer = request_new (text_tokens (ids, 20));
  answer->max_tokens = 60;
  prompt = request_new (text_tokens (ids + 1, 900));
  prompt->max_tokens = 1;
  sampler_init (&answer->sampler, &params);
  sampler_init (&prompt->sampler, &params);
  watch_request (engine, answer);
  args[0] = engine->scheduler;
  args[1] = &hold;
  g_mutex_init (&hold.gate);
  g_mutex_lock (&hold.gate);
  holder = g_thread_new ("holder", hold_in_a_thread, args);
  scheduler_ask (engine->scheduler, answer);
  scheduler_ask (engine->scheduler, prompt);
  g_mutex_unlock (&hold.gate);
  g_thread_join (holder);
  g_assert_true (request_end (prompt, &error));
  g_assert_true (request_end (answer, &error));
  g_assert_cmpuint (answer->ids->len, ==, 60);
  /* Its own token, a chunk, and the other's token. */
  g_assert_cmpuint (watch_most (), >=, LANGUAGE_CHUNK);
  g_assert_cmpuint (watch_most (), <=, LANGUAGE_CHUNK + 2);
  g_mutex_clear (&hold.gate);
}

static void
test_equal_pictures_are_encoded_once (Fixture *f, gconstpointer variant)
{
  g_autofree guint8 *pixels = g_malloc0 (30 * 20 * 3), *copy = g_malloc0 (20 * 100);
  MinivlImage image = { { pixels }, 30, 20, { 90 } }, padded = { { copy }, 30, 20, { 100 } };
  g_autoptr (MinivlPicture) a = NULL, b = NULL, c = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 1800; i++)
    copy[i / 90 * 100 + i % 90] = pixels[i] = i * 7;
  a = minivl_picture_new (f->engine, &image, 1, NULL, &error);
  g_assert_no_error (error);
  b = minivl_picture_new (f->engine, &padded, 1, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (a == b);
  g_assert_cmpuint (vision_tiles_encoded (f->engine->vision), ==, 1);
  pixels[0]++;
  c = minivl_picture_new (f->engine, &image, 1, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (c != a);
  g_assert_cmpuint (vision_tiles_encoded (f->engine->vision), ==, 2);
}

static void
test_picture_tokens_are_reused (Fixture *f, gconstpointer variant)
{
  g_autoptr (MinivlSession) session = new_session (f);
  g_auto (MinivlAnswer) first = { 0 }, other = { 0 }, again = { 0 };
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *pixels = g_malloc (30 * 20 * 3);
  MinivlImage image = { { pixels }, 30, 20, { 90 } };
  g_autoptr (MinivlPicture) a = NULL, b = NULL;
  MinivlParams params = MINIVL_PARAMS_INIT;
  gint32 ids[32];
  guint n = 0, tokens = f->engine->info.tile_tokens;

  for (guint i = 0; i < 1800; i++)
    pixels[i] = i * 7;
  a = minivl_picture_new (f->engine, &image, 1, NULL, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < 1800; i++)
    pixels[i] = 255 - i * 5;
  b = minivl_picture_new (f->engine, &image, 1, NULL, &error);
  g_assert_no_error (error);

  ids[n++] = 1;
  ids[n++] = 11;
  for (guint i = 0; i < tokens; i++)
    ids[n++] = 3;
  ids[n++] = 12;
  ids[n++] = 13;
  params.max_tokens = 2;
  params.want_logits = TRUE;
  session_ask_ids (session, ids, n, &a, 1, &params, NULL, NULL, &first, &error);
  g_assert_no_error (error);
  session_ask_ids (session, ids, n, &b, 1, &params, NULL, NULL, &other, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (other.cached_tokens, ==, 2);
  g_assert_cmpfloat (nmse (&other, &first), >, 1e-6);
  session_ask_ids (session, ids, n, &b, 1, &params, NULL, NULL, &again, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (again.cached_tokens, ==, n - 1);
  g_assert_cmpfloat (nmse (&again, &other), <=, 1e-10);
}

static void
test_picture_arguments_are_checked (Fixture *f, gconstpointer variant)
{
  guint8 pixels[30] = { 0 };
  const struct
  {
    MinivlImage image;
    guint max_tiles;
  } bad[] = {
    { { { pixels }, 0, 1, { 30 } }, 1 },
    { { { pixels }, 10, 0, { 30 } }, 1 },
    { { { NULL }, 10, 1, { 30 } }, 1 },
    { { { pixels }, 10, 1, { 29 } }, 1 },
    { { { pixels }, 10, 1, { 30 } }, 0 },
    { { { pixels }, 10, 1, { 30 } }, 41 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (minivl_picture_new (f->engine, &bad[i].image, bad[i].max_tiles, NULL, &error));
    g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_USAGE);
  }
}

static void
test_cancelled_picture_is_an_error (Fixture *f, gconstpointer variant)
{
  guint8 pixels[30] = { 0 };
  MinivlImage image = { { pixels }, 10, 1, { 30 } };
  g_autoptr (GError) error = NULL;
  gint cancel = TRUE;

  g_assert_null (minivl_picture_new (f->engine, &image, 1, &cancel, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED);
}

#define ADD(test) g_test_add ("/session/" #test, Fixture, "long-crossing", set_up, test_##test, tear_down)

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
  ADD (second_round_computes_only_what_follows);
  ADD (same_prompt_again_computes_one_token);
  ADD (long_factors_compute_all_anew);
  ADD (answer_that_grows_into_the_long_factors_is_computed_anew);
  ADD (sessions_share_what_they_have_in_common);
  ADD (prompts_larger_than_what_is_left_push_the_oldest_out);
  ADD (too_much_is_refused_before_anything_is_computed);
  ADD (ids_outside_the_vocabulary_are_refused);
  ADD (deadline_in_the_past_answers_nothing);
  ADD (seed_decides_the_text);
  ADD (questions_on_one_beginning_cost_their_own_tokens);
  ADD (asks_that_do_not_fit_together_wait);
  ADD (cancelling_ends_the_answer_at_a_token);
  ADD (session_freed_in_mid_answer_leaves_nothing);
  ADD (equal_pictures_are_encoded_once);
  ADD (picture_tokens_are_reused);
  ADD (picture_arguments_are_checked);
  ADD (cancelled_picture_is_an_error);
  g_test_add_func (
      "/session/long_prompt_holds_an_answer_up_for_a_chunk_at_most", test_long_prompt_holds_an_answer_up_for_a_chunk_at_most);
  return g_test_run ();
}

/* Several askers on one engine, by token ids: what they get, what they share, and in which order they are served. */
#include <math.h>

#include "crowd.h"
#include "harness.h"
#include "variant.h"
#include "watch.h"
#include "model/model_testing.h"

#define MANY (LANGUAGE_BATCH + 4) /* more than go into a step */

typedef struct
{
  gint32 ids[2400];
  guint n, max_tokens;
  gint priority;
  guint64 deadline;
  MinivlEngine *engine;
  MinivlAnswer answer;
  gint *n_done, place; /* (nullable) n_done: how many were answered before */
} Asker;

static MinivlEngine *
open_variant (const gchar *variant, guint context)
{
  g_autoptr (GError) error = NULL;
  MinivlEngine *engine = variant_open (variant, context, &error);

  g_assert_no_error (error);
  return engine;
}

static MinivlEngine *
engine_of (guint context)
{
  return open_variant ("plain-gqa-tied", context);
}

/* Prompts of different seeds have nothing in common. */
static void
fill (Asker *a, guint first, guint n, guint seed)
{
  for (guint i = first; i < n; i++)
    a->ids[i] = 10 + (seed * 11 + i * 37 + i * i) % 70;
  a->n = n;
}

static gpointer
ask (gpointer data)
{
  Asker *a = data;
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (GError) error = NULL;
  g_autoptr (MinivlSession) session = minivl_session_new (a->engine, &error);

  g_assert_no_error (error);
  minivl_session_set_priority (session, a->priority);
  params.max_tokens = a->max_tokens;
  params.deadline = a->deadline;
  params.want_logits = TRUE;
  session_ask_ids (session, a->ids, a->n, NULL, 0, &params, NULL, NULL, &a->answer, &error);
  g_assert_no_error (error);
  if (a->n_done)
    a->place = g_atomic_int_add (a->n_done, 1);
  return NULL;
}

static void
ask_together (MinivlEngine *engine, Asker *askers, guint n)
{
  g_autofree GThread **threads = g_new (GThread *, n);

  for (guint i = 0; i < n; i++)
    askers[i].engine = engine;
  crowd_begin (engine->scheduler, ask, askers, sizeof *askers, n, threads);
  crowd_end (threads, n);
}

static void
clear_answers (Asker *askers, guint n)
{
  for (guint i = 0; i < n; i++)
    minivl_answer_clear (&askers[i].answer);
}

static void
assert_as_alone (const Asker *a)
{
  MinivlEngine *engine = engine_of (256);
  Asker *alone = g_memdup2 (a, sizeof *a);
  double error = 0, power = 0;

  alone->answer = (MinivlAnswer){ 0 };
  ask_together (engine, alone, 1);
  g_assert_cmpmem (a->answer.token_ids, a->answer.output_tokens * 4, alone->answer.token_ids, alone->answer.output_tokens * 4);
  for (guint i = 0; i < a->answer.n_logits; i++) {
    error += pow (a->answer.logits[i] - alone->answer.logits[i], 2);
    power += pow (alone->answer.logits[i], 2);
  }
  g_assert_cmpfloat (error, <=, 1e-8 * power);
  clear_answers (alone, 1);
  g_free (alone);
  minivl_engine_unref (engine);
}

static void
test_answers_together_are_what_they_are_alone (void)
{
  MinivlEngine *engine = engine_of (512);
  Asker askers[5] = { { .n = 0 } };
  guint64 before;

  for (guint i = 0; i < G_N_ELEMENTS (askers); i++) {
    askers[i].max_tokens = 16;
    fill (&askers[i], 0, 20 + i, i);
  }
  before = language_steps (engine->language);
  ask_together (engine, askers, G_N_ELEMENTS (askers));
  /* A step for all of them, but for the first ones of those whose prompts were computed first. */
  g_assert_cmpuint (language_steps (engine->language) - before, <, 16 + G_N_ELEMENTS (askers));
  for (guint i = 0; i < G_N_ELEMENTS (askers); i++)
    assert_as_alone (&askers[i]);
  clear_answers (askers, G_N_ELEMENTS (askers));
  minivl_engine_unref (engine);
}

static void
test_thirty_two_answers_are_one_batch (void)
{
  enum
  {
    N = 32,
    TOKENS = 40,
  };
  MinivlEngine *engine = engine_of (2048);
  Asker askers[N] = { { .n = 0 } };
  guint64 before;

  for (guint i = 0; i < N; i++) {
    askers[i].max_tokens = TOKENS;
    fill (&askers[i], 0, 20, i);
  }
  before = language_steps (engine->language);
  ask_together (engine, askers, N);
  /* The last one to join is there a prompt a step later than the first. */
  g_assert_cmpuint (language_steps (engine->language) - before, <, TOKENS + N);
  for (guint i = 0; i < N; i += 5)
    assert_as_alone (&askers[i]);
  clear_answers (askers, N);
  minivl_engine_unref (engine);
}

/* A context holds three of them, and without another room the cache held one. */
static void
test_cameras_do_not_wait_for_each_other (void)
{
  enum
  {
    CAMERAS = 7,
    PROMPT = 2300,
    TOKENS = 128,
  };
  MinivlEngine *engine = variant_open_with_cache ("plain-gqa-tied", 8192, 0, NULL);
  Asker askers[CAMERAS] = { { .n = 0 } };
  guint64 before;

  g_assert_cmpuint (minivl_engine_get_info (engine)->cache_size, ==, 8 * 8192);
  for (guint i = 0; i < CAMERAS; i++) {
    askers[i].max_tokens = TOKENS;
    fill (&askers[i], 0, PROMPT, i);
  }
  before = language_steps (engine->language);
  ask_together (engine, askers, CAMERAS);
  /* Each joins when its prompt is computed, a chunk a step; none waits for the end of another. */
  g_assert_cmpuint (language_steps (engine->language) - before, <, TOKENS + CAMERAS * (PROMPT / LANGUAGE_CHUNK + 1));
  for (guint i = 0; i < CAMERAS; i++)
    g_assert_cmpuint (askers[i].answer.output_tokens, ==, TOKENS);
  clear_answers (askers, CAMERAS);
  minivl_engine_unref (engine);
}

static void
test_more_answers_than_go_together_take_turns (void)
{
  MinivlEngine *engine = engine_of (4096);
  Asker askers[MANY] = { { .n = 0 } };
  guint64 before;
  guint tokens = 0;

  for (guint i = 0; i < MANY; i++) {
    askers[i].max_tokens = 24;
    fill (&askers[i], 0, 20, i);
  }
  before = language_steps (engine->language);
  ask_together (engine, askers, MANY);
  for (guint i = 0; i < MANY; i++)
    tokens += askers[i].answer.output_tokens;
  /* Without turns the last ones would be on their own when the first ones are done. */
  g_assert_cmpuint (language_steps (engine->language) - before, <, tokens / LANGUAGE_BATCH + MANY);
  clear_answers (askers, MANY);
  minivl_engine_unref (engine);
}

static void
test_questions_asked_at_once_share_their_beginning (void)
{
  MinivlEngine *engine = engine_of (512);
  Asker askers[3] = { { .n = 0 } };
  guint64 before;

  for (guint i = 0; i < G_N_ELEMENTS (askers); i++) {
    askers[i].max_tokens = 1;
    fill (&askers[i], 0, 100, 0);
    fill (&askers[i], 100, 110, i + 1);
  }
  before = language_tokens_computed (engine->language);
  ask_together (engine, askers, G_N_ELEMENTS (askers));
  g_assert_cmpuint (language_tokens_computed (engine->language) - before, ==, 100 + 3 * 10);
  g_assert_cmpuint (askers[0].answer.cached_tokens, ==, 0);
  g_assert_cmpuint (askers[1].answer.cached_tokens, ==, 100);
  g_assert_cmpuint (askers[2].answer.cached_tokens, ==, 100);
  for (guint i = 0; i < G_N_ELEMENTS (askers); i++)
    assert_as_alone (&askers[i]);
  clear_answers (askers, G_N_ELEMENTS (askers));
  minivl_engine_unref (engine);
}

/* The one who would compute it first has given up before. */
static void
test_who_waits_for_a_beginning_computes_it_if_need_be (void)
{
  MinivlEngine *engine = engine_of (512);
  Asker askers[2] = { { .max_tokens = 1, .deadline = 1 }, { .max_tokens = 1 } };

  for (guint i = 0; i < G_N_ELEMENTS (askers); i++)
    fill (&askers[i], 0, 100, 0);
  ask_together (engine, askers, G_N_ELEMENTS (askers));
  g_assert_cmpint (askers[0].answer.finish, ==, MINIVL_FINISH_DEADLINE);
  g_assert_cmpuint (askers[1].answer.output_tokens, ==, 1);
  clear_answers (askers, G_N_ELEMENTS (askers));
  minivl_engine_unref (engine);
}

static void
test_prompts_are_computed_in_turns (void)
{
  MinivlEngine *engine = engine_of (2048);
  Asker askers[2] = { { .max_tokens = 1 }, { .max_tokens = 1 } };

  fill (&askers[0], 0, 4 * LANGUAGE_CHUNK, 0);
  fill (&askers[1], 0, LANGUAGE_CHUNK + 10, 1);
  ask_together (engine, askers, G_N_ELEMENTS (askers));
  g_assert_cmpuint (askers[1].answer.prefill_ns, <, askers[0].answer.prefill_ns); /* began later, was done earlier */
  clear_answers (askers, G_N_ELEMENTS (askers));
  minivl_engine_unref (engine);
}

/* context: for both, or so that one waits for the other's end. */
static void
higher_priority_is_served_first (guint context, guint n)
{
  MinivlEngine *engine = engine_of (context);
  Asker askers[2] = { { .max_tokens = 30, .priority = 0 }, { .max_tokens = 30, .priority = 1 } };

  fill (&askers[0], 0, n, 0);
  fill (&askers[1], 0, n, 1);
  ask_together (engine, askers, G_N_ELEMENTS (askers));
  g_assert_cmpuint (askers[1].answer.prefill_ns, <, askers[0].answer.prefill_ns);
  clear_answers (askers, G_N_ELEMENTS (askers));
  minivl_engine_unref (engine);
}

static void
test_higher_priority_is_let_in_first (void)
{
  higher_priority_is_served_first (256, 150);
}

#define LONG_CONTEXT 256
#define LONG_ANSWER 100

/* One whose answer grows into the long factors, at 65 tokens, and then gives all of the cache back; and those who would hold it up
 * for whole answers. */
typedef struct
{
  MinivlEngine *engine;
  Request *grower;
  Asker others[2];
  GThread *thread, *threads[2];
  gint n_done, place;
} Growth;

static gpointer
ask_grower (gpointer data)
{
  Growth *g = data;

  scheduler_ask (g->engine->scheduler, g->grower);
  g_assert_true (request_end (g->grower, NULL));
  g->place = g_atomic_int_add (&g->n_done, 1);
  return NULL;
}

static void
hand_in_others (Growth *g)
{
  crowd_hand_in (g->engine->scheduler, ask, g->others, sizeof g->others[0], G_N_ELEMENTS (g->others), g->threads);
}

static gboolean
hand_in_grower (gpointer data, GError **error)
{
  Growth *g = data;

  g->thread = g_thread_new ("grower", ask_grower, g);
  while (scheduler_waiting (g->engine->scheduler) == 0)
    g_thread_yield ();
  if (g->others[0].priority == 0)
    hand_in_others (g);
  return TRUE;
}

/* The others come at once with it or, of a higher priority, when its answer has begun. */
static void
half_an_answer_is_let_in_first (gint priority)
{
  Growth g = { .engine = open_variant ("long-crossing", LONG_CONTEXT) };
  MinivlParams params = MINIVL_PARAMS_INIT;
  GArray *prompt = g_array_new (FALSE, FALSE, sizeof (LanguageToken));
  gboolean done;

  for (gint32 i = 0; i < 20; i++)
    g_array_append_val (prompt, ((LanguageToken){ .key.id = 20 + i }));
  g.grower = request_new (prompt);
  g.grower->max_tokens = LONG_ANSWER;
  sampler_init (&g.grower->sampler, &params);
  for (guint i = 0; i < G_N_ELEMENTS (g.others); i++) {
    fill (&g.others[i], 0, LONG_CONTEXT - LONG_ANSWER, i);
    g.others[i].max_tokens = LONG_ANSWER;
    g.others[i].priority = priority;
    g.others[i].engine = g.engine;
    g.others[i].n_done = &g.n_done;
  }
  scheduler_run (g.engine->scheduler, hand_in_grower, &g, NULL);
  request_wait (g.grower, 0, &done);
  if (priority > 0)
    hand_in_others (&g);
  crowd_end (g.threads, G_N_ELEMENTS (g.others));
  g_thread_join (g.thread);
  g_assert_cmpuint (g.grower->ids->len, ==, LONG_ANSWER);
  g_assert_cmpint (g.place, ==, 0);
  request_unref (g.grower);
  clear_answers (g.others, G_N_ELEMENTS (g.others));
  minivl_engine_unref (g.engine);
}

static void
test_half_an_answer_is_let_in_before_others (void)
{
  half_an_answer_is_let_in_first (0);
}

static void
test_half_an_answer_is_let_in_before_higher_priorities (void)
{
  half_an_answer_is_let_in_first (1);
}

static void
test_higher_priority_is_computed_first (void)
{
  higher_priority_is_served_first (2048, 2 * LANGUAGE_CHUNK);
}

static void
test_higher_priority_gets_every_step (void)
{
  MinivlEngine *engine = engine_of (16384);
  MinivlParams params = MINIVL_PARAMS_INIT;
  Asker askers[3 * LANGUAGE_BATCH] = { { .n = 0 } };
  GArray *prompt = g_array_new (FALSE, FALSE, sizeof (LanguageToken));
  g_autoptr (Request) high = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (askers); i++) {
    askers[i].max_tokens = 100;
    fill (&askers[i], 0, 5, i + 1);
  }
  for (gint32 i = 0; i < 5; i++)
    g_array_append_val (prompt, ((LanguageToken){ .key.id = 20 + i }));
  high = request_new (prompt);
  high->max_tokens = 1000;
  high->priority = 1;
  sampler_init (&high->sampler, &params);
  watch_request (engine, high);
  scheduler_ask (engine->scheduler, high);
  ask_together (engine, askers, G_N_ELEMENTS (askers));
  request_stop (high);
  g_assert_true (request_end (high, &error));
  /* A step, and one prompt in front of it; in turns with the others it would be several steps. */
  g_assert_cmpuint (watch_most (), >, LANGUAGE_BATCH);
  g_assert_cmpuint (watch_most (), <=, LANGUAGE_BATCH + 5);
  clear_answers (askers, G_N_ELEMENTS (askers));
  minivl_engine_unref (engine);
}

static void
test_a_deadline_cuts_the_answer (void)
{
  MinivlEngine *engine = engine_of (32768);
  Asker askers[2] = { { .max_tokens = 1 }, { .max_tokens = 32000 } };
  MinivlAnswer *cut = &askers[1].answer;
  gint64 time = 100 * G_TIME_SPAN_MILLISECOND;

  fill (&askers[0], 0, 20, 0); /* the driver compiles */
  ask_together (engine, askers, 1);
  fill (&askers[1], 0, 20, 1);
  for (;; time *= 2) { /* a machine that has no time for a first token gets more of it */
    askers[1].deadline = (g_get_monotonic_time () + time) * 1000;
    ask_together (engine, &askers[1], 1);
    g_test_message ("%u tokens in %" G_GINT64_FORMAT " ms", cut->output_tokens, time / 1000);
    g_assert_cmpint (cut->finish, ==, MINIVL_FINISH_DEADLINE);
    if (cut->output_tokens > 0)
      break;
    minivl_answer_clear (cut);
  }
  g_assert_cmpuint (cut->output_tokens, <, 32000);
  clear_answers (askers, G_N_ELEMENTS (askers));
  minivl_engine_unref (engine);
}

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
#define RULE(name) g_test_add_func ("/together/" #name, test_##name)
  RULE (answers_together_are_what_they_are_alone);
  RULE (thirty_two_answers_are_one_batch);
  RULE (cameras_do_not_wait_for_each_other);
  RULE (more_answers_than_go_together_take_turns);
  RULE (questions_asked_at_once_share_their_beginning);
  RULE (who_waits_for_a_beginning_computes_it_if_need_be);
  RULE (prompts_are_computed_in_turns);
  RULE (higher_priority_is_let_in_first);
  RULE (half_an_answer_is_let_in_before_others);
  RULE (half_an_answer_is_let_in_before_higher_priorities);
  RULE (higher_priority_is_computed_first);
  RULE (higher_priority_gets_every_step);
  RULE (a_deadline_cuts_the_answer);
#undef RULE
  return g_test_run ();
}

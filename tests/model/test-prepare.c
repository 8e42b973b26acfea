/* What is prepared gives way to all else, in time and in room, and is found by the question that follows. What computes a chunk is
 * watched on its way (the linker's --wrap). */
#include <string.h>

#include "harness.h"
#include "variant.h"
#include "model/model_testing.h"

#define CONTEXT 512
#define SIDE 40
#define N_PREPARED (LANGUAGE_CHUNK + 100)
#define MOST_ASKS 16

static MinivlEngine *engine;

/* --- chunks ------------------------------------------------------------------------------------------------------------------ */

typedef struct
{
  gboolean ok;
  guint n;
  guint taken;   /* blocks of the cache, while it was computed */
  guint64 tiles; /* encoded before */
} Chunk;

static Chunk chunks[64]; /* by the scheduler's thread, until the requests are done */
static guint n_chunks;
static GThreadFunc inject; /* called from another thread when the chunk of that number begins */
static guint inject_at;

gboolean __real_language_prefill (
    Language *l, KvSequence *seq, const LanguageToken *tokens, guint n, Top *top, const OpCancel *cancel, GError **error);
gboolean __wrap_language_prefill (
    Language *l, KvSequence *seq, const LanguageToken *tokens, guint n, Top *top, const OpCancel *cancel, GError **error);

gboolean
__wrap_language_prefill (
    Language *l, KvSequence *seq, const LanguageToken *tokens, guint n, Top *top, const OpCancel *cancel, GError **error)
{
  Chunk *c = &chunks[n_chunks];

  g_assert_cmpuint (n_chunks, <, G_N_ELEMENTS (chunks));
  if (inject != NULL && n_chunks == inject_at)
    g_thread_join (g_thread_new ("injected", inject, NULL));
  *c = (Chunk){ .n = n, .taken = kv_pool_taken (engine->kv), .tiles = vision_tiles_encoded (engine->vision) };
  n_chunks++;
  c->ok = __real_language_prefill (l, seq, tokens, n, top, cancel, error);
  return c->ok;
}

/* --- requests ---------------------------------------------------------------------------------------------------------------- */

/* Of different seeds: different prompts. (transfer full) */
static Request *
make (guint seed, guint n, guint max_tokens)
{
  GArray *tokens = g_array_new (FALSE, FALSE, sizeof (LanguageToken));
  MinivlParams params = MINIVL_PARAMS_INIT;
  Request *r;

  for (guint i = 0; i < n; i++)
    g_array_append_val (tokens, ((LanguageToken){ .key.id = i == 0 ? 10 + seed : 10 + (i * 37 + i * i) % 70 }));
  r = request_new (tokens);
  r->max_tokens = max_tokens;
  sampler_init (&r->sampler, &params);
  return r;
}

static void
finish (Request *r, MinivlFinish how)
{
  g_autoptr (GError) error = NULL;

  request_end (r, &error);
  g_assert_no_error (error);
  g_assert_cmpint (r->finish, ==, how);
}

/* (transfer full) */
static Request *
run (guint seed, guint n, guint max_tokens)
{
  Request *r = make (seed, n, max_tokens);

  scheduler_ask (engine->scheduler, r);
  finish (r, MINIVL_FINISH_LENGTH);
  return r;
}

static void
begin (GThreadFunc func, guint at)
{
  n_chunks = 0;
  inject = func;
  inject_at = at;
}

/* --- tests ------------------------------------------------------------------------------------------------------------------- */

static Request *asks[MOST_ASKS];
static guint n_asks;

/* As many as fill the cache. */
static gpointer
ask (gpointer data)
{
  n_asks = kv_pool_blocks (engine->kv) * KV_BLOCK / CONTEXT;
  g_assert_cmpuint (n_asks, <=, MOST_ASKS);
  for (guint i = 0; i < n_asks; i++) {
    asks[i] = make (20 + i, CONTEXT - 2, 2);
    scheduler_ask (engine->scheduler, asks[i]);
  }
  return NULL;
}

static void
test_answers_come_first_and_have_the_room (void)
{
  g_autoptr (Request) prepared = make (1, N_PREPARED, 0);

  begin (ask, 1);
  scheduler_ask (engine->scheduler, prepared);
  finish (prepared, MINIVL_FINISH_LENGTH);
  /* The chunk that was being computed was given up, and all were let in. */
  g_assert_true (chunks[0].ok);
  g_assert_false (chunks[1].ok);
  g_assert_cmpuint (chunks[1].n, ==, N_PREPARED - LANGUAGE_CHUNK);
  g_assert_cmpuint (chunks[2].n, ==, LANGUAGE_CHUNK);
  g_assert_cmpuint (chunks[2].taken, ==, n_asks * CONTEXT / KV_BLOCK);
  /* It goes on when all are done. */
  for (guint i = 0; i < n_asks; i++)
    g_assert_true (asks[i]->done);
  for (guint i = 0; i < n_asks; i++) {
    finish (asks[i], MINIVL_FINISH_LENGTH);
    request_unref (asks[i]);
  }
}

/* What had been computed when it gave way is found again, where there is room. */
static gpointer
ask_briefly (gpointer data)
{
  asks[0] = make (40, 10, 1);
  scheduler_ask (engine->scheduler, asks[0]);
  return NULL;
}

static void
test_it_goes_on_where_it_was (void)
{
  g_autoptr (Request) prepared = make (2, N_PREPARED, 0), question = NULL;

  begin (ask_briefly, 1);
  scheduler_ask (engine->scheduler, prepared);
  finish (prepared, MINIVL_FINISH_LENGTH);
  g_assert_true (asks[0]->done);
  g_assert_cmpuint (n_chunks, ==, 4);
  g_assert_false (chunks[1].ok);
  g_assert_cmpuint (chunks[2].n, ==, 10);
  g_assert_cmpuint (chunks[3].n, ==, N_PREPARED - LANGUAGE_CHUNK);
  question = run (2, N_PREPARED + 5, 2);
  g_assert_cmpuint (question->cached, ==, N_PREPARED);
  request_unref (asks[0]);
}

static GThread *looker;

static gpointer
encode (gpointer data)
{
  static const guint8 pixels[SIDE * SIDE] = { 7, 2, 3 };
  const MinivlImage image = { { pixels }, SIDE, SIDE, { SIDE }, MINIVL_FORMAT_GRAY8 };
  g_autoptr (MinivlSession) session = minivl_session_new (engine, NULL);

  minivl_session_set_priority (session, -1);
  return minivl_session_encode (session, &image, 1, NULL, NULL);
}

static gpointer
begin_to_encode (gpointer data)
{
  guint waiting = scheduler_waiting (engine->scheduler);

  looker = g_thread_new ("looker", encode, NULL);
  while (scheduler_waiting (engine->scheduler) == waiting)
    g_thread_yield ();
  return NULL;
}

static void
test_pictures_come_first (void)
{
  guint64 before = vision_tiles_encoded (engine->vision);
  g_autoptr (Request) prepared = make (3, N_PREPARED, 0);
  MinivlPicture *picture;

  begin (begin_to_encode, 1);
  prepared->priority = 1;
  scheduler_ask (engine->scheduler, prepared);
  finish (prepared, MINIVL_FINISH_LENGTH);
  g_assert_cmpuint (n_chunks, ==, 3);
  g_assert_cmpuint (chunks[1].tiles, ==, before);
  g_assert_false (chunks[1].ok);
  g_assert_cmpuint (chunks[2].tiles, ==, before + 1);
  picture = g_thread_join (looker);
  g_assert_nonnull (picture);
  minivl_picture_unref (picture);
}

static gint given_up; /* atomic */

static gpointer
give_up (gpointer data)
{
  g_atomic_int_set (&given_up, TRUE);
  return NULL;
}

/* The question needs what is being computed; but a session that is gone needs nothing. */
static void
test_who_gives_up_has_the_chunk_in_hand (void)
{
  for (guint k = 0; k < 2; k++) {
    g_autoptr (Request) prepared = make (4 + k, N_PREPARED, 0), question = NULL;

    g_atomic_int_set (&given_up, FALSE);
    begin (give_up, 0);
    prepared->cancel[k] = &given_up;
    scheduler_ask (engine->scheduler, prepared);
    finish (prepared, MINIVL_FINISH_CANCELLED);
    g_assert_cmpuint (n_chunks, ==, 1);
    g_assert_cmpint (chunks[0].ok, ==, k == 1);
    question = run (4 + k, N_PREPARED + 5, 2);
    g_assert_cmpuint (question->cached, ==, k * LANGUAGE_CHUNK);
  }
}

/* Wherever the chunks begin. */
static void
test_an_answer_is_the_one_without (void)
{
  static const guint lengths[] = { 70, LANGUAGE_CHUNK + 3, N_PREPARED };
  const guint n = N_PREPARED + 9, vocab = engine->config.language.vocab;
  g_autoptr (MinivlSession) session = NULL;
  g_autofree gint32 *ids = g_new (gint32, n);
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_auto (MinivlAnswer) with = { 0 }, without = { 0 };
  double error = 0, power = 0;
  MinivlEngine *fresh = variant_open ("plain-gqa-tied", CONTEXT, NULL);

  begin (NULL, 0);
  params.max_tokens = 20;
  params.want_logits = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (lengths); i++)
    request_unref (run (7, lengths[i], 0));
  for (guint k = 0; k < 2; k++) {
    g_autoptr (Request) same = make (7, n, 0);

    memcpy (ids, same->seen->data, n * sizeof *ids);
    g_clear_pointer (&session, minivl_session_free);
    session = minivl_session_new (k == 0 ? engine : fresh, NULL);
    g_assert_true (session_ask_ids (session, ids, n, NULL, 0, &params, NULL, NULL, k == 0 ? &with : &without, NULL));
  }
  g_clear_pointer (&session, minivl_session_free);
  minivl_engine_unref (fresh);
  g_assert_cmpuint (with.cached_tokens, >=, N_PREPARED - 1);
  g_assert_cmpuint (without.cached_tokens, ==, 0);
  g_assert_cmpmem (with.token_ids, with.output_tokens * 4, without.token_ids, without.output_tokens * 4);
  for (guint i = 0; i < vocab; i++) {
    error += (with.logits[i] - without.logits[i]) * (with.logits[i] - without.logits[i]);
    power += without.logits[i] * without.logits[i];
  }
  g_test_message ("NMSE of the logits: %g", error / power);
  g_assert_cmpfloat (error, <=, 1e-8 * power);
}

/* original_max_position_embeddings is 64. */
static void
test_a_long_question_is_prepared_with_its_factors (void)
{
  g_autoptr (Request) prepared = make (6, 40, 0), question = NULL, plain = NULL;

  begin (NULL, 0);
  minivl_engine_unref (engine);
  engine = variant_open ("long-crossing", 256, NULL);
  prepared->expected = 80;
  scheduler_ask (engine->scheduler, prepared);
  finish (prepared, MINIVL_FINISH_LENGTH);
  question = run (6, 80, 8);
  g_assert_cmpuint (question->cached, ==, 40);
  minivl_engine_unref (engine);
  engine = variant_open ("long-crossing", 256, NULL);
  plain = run (6, 80, 8);
  g_assert_cmpuint (plain->cached, ==, 0);
  g_assert_cmpmem (question->ids->data, 8 * sizeof (gint32), plain->ids->data, 8 * sizeof (gint32));
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  gint failures;

  harness_init (&argc, &argv);
  engine = variant_open ("plain-gqa-tied", CONTEXT, &error);
  g_assert_no_error (error);
#define RULE(name) g_test_add_func ("/prepare/" #name, test_##name)
  RULE (answers_come_first_and_have_the_room);
  RULE (it_goes_on_where_it_was);
  RULE (pictures_come_first);
  RULE (who_gives_up_has_the_chunk_in_hand);
  RULE (an_answer_is_the_one_without);
  RULE (a_long_question_is_prepared_with_its_factors);
#undef RULE
  failures = g_test_run ();
  minivl_engine_unref (engine);
  return failures;
}

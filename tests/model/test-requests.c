/* Requests whose askers come and go, and locks, of which a thread holds one at a time. What the parts of the scheduler call of one
 * another, and what they lock, is watched on its way (the linker's --wrap). */
#include <malloc.h>

#include "crowd.h"
#include "harness.h"
#include "model/model_testing.h"
#include "variant.h"

#define SIDE 40

static MinivlEngine *engine;

/* --- what is wrapped --------------------------------------------------------------------------------------------------------- */

static gint fail_next; /* atomic; the next sequence cannot be prepared */
static gint join_next; /* atomic; an asker whose request fails is gone before its scheduler goes on */
static GThread *asker;

gboolean __real_kv_sequence_prepare (KvSequence *seq, GError **error);
gboolean __wrap_kv_sequence_prepare (KvSequence *seq, GError **error);
void __real_request_finish (Request *r, MinivlFinish how, GError *error);
void __wrap_request_finish (Request *r, MinivlFinish how, GError *error);

gboolean
__wrap_kv_sequence_prepare (KvSequence *seq, GError **error)
{
  if (!g_atomic_int_compare_and_exchange (&fail_next, TRUE, FALSE))
    return __real_kv_sequence_prepare (seq, error);
  g_set_error_literal (error, DEVICE_ERROR, DEVICE_ERROR_MEMORY, "a copy that fails");
  return FALSE;
}

void
__wrap_request_finish (Request *r, MinivlFinish how, GError *error)
{
  __real_request_finish (r, how, error);
  if (error && g_atomic_int_compare_and_exchange (&join_next, TRUE, FALSE))
    g_thread_join (g_steal_pointer (&asker));
}

static GPrivate n_held;
static gint n_locks, most_held; /* atomic */

void __real_g_mutex_lock (GMutex *mutex);
void __wrap_g_mutex_lock (GMutex *mutex);
void __real_g_mutex_unlock (GMutex *mutex);
void __wrap_g_mutex_unlock (GMutex *mutex);

void
__wrap_g_mutex_lock (GMutex *mutex)
{
  gint held = GPOINTER_TO_INT (g_private_get (&n_held)) + 1;

  __real_g_mutex_lock (mutex);
  g_private_set (&n_held, GINT_TO_POINTER (held));
  g_atomic_int_inc (&n_locks);
  if (held > g_atomic_int_get (&most_held))
    g_atomic_int_set (&most_held, held);
}

void
__wrap_g_mutex_unlock (GMutex *mutex)
{
  g_private_set (&n_held, GINT_TO_POINTER (GPOINTER_TO_INT (g_private_get (&n_held)) - 1));
  __real_g_mutex_unlock (mutex);
}

/* --- askers ------------------------------------------------------------------------------------------------------------------ */

typedef struct
{
  gint32 ids[60];
  MinivlAnswer answer;
  GError *error;
} Asker;

static void
asker_init (Asker *a, guint seed)
{
  *a = (Asker){ .error = NULL };
  for (guint i = 0; i < G_N_ELEMENTS (a->ids); i++)
    a->ids[i] = 10 + (seed * 11 + i * 37 + i * i) % 70;
}

static gpointer
ask (gpointer data)
{
  Asker *a = data;
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (MinivlSession) session = minivl_session_new (engine, NULL);

  params.max_tokens = 3;
  session_ask_ids (session, a->ids, G_N_ELEMENTS (a->ids), NULL, 0, &params, NULL, NULL, &a->answer, &a->error);
  return NULL;
}

/* --- tests ------------------------------------------------------------------------------------------------------------------- */

typedef struct
{
  Asker *first, *second;
  GThread *thread;
} Two;

static gboolean
hand_in_both (gpointer data, GError **error)
{
  Two *t = data;

  asker = g_thread_new ("first", ask, t->first);
  while (scheduler_waiting (engine->scheduler) < 1)
    g_thread_yield ();
  t->thread = g_thread_new ("second", ask, t->second);
  while (scheduler_waiting (engine->scheduler) < 2)
    g_thread_yield ();
  return TRUE;
}

/* The second one begins like the first, so that the first is looked at once more when the second is let in. What was freed is
 * overwritten at once (M_PERTURB). */
static void
test_a_request_that_cannot_be_let_in_may_be_gone_at_once (void)
{
  Asker first, second;
  Two two = { &first, &second, NULL };

  asker_init (&first, 1);
  asker_init (&second, 1);
  g_atomic_int_set (&fail_next, TRUE);
  g_atomic_int_set (&join_next, TRUE);
  scheduler_run (engine->scheduler, hand_in_both, &two, NULL);
  g_thread_join (two.thread);
  g_assert_error (first.error, MINIVL_ERROR, MINIVL_ERROR_MEMORY);
  g_assert_null (asker);
  g_assert_no_error (second.error);
  g_assert_cmpuint (second.answer.output_tokens, ==, 3);
  g_assert_cmpuint (kv_pool_taken (engine->kv), ==, 0);
  g_clear_error (&first.error);
  minivl_answer_clear (&second.answer);
}

/* (transfer full) */
static Request *
hand_in_prompt (const gint32 *ids, guint n, guint max_tokens)
{
  GArray *tokens = g_array_new (FALSE, FALSE, sizeof (LanguageToken));
  MinivlParams params = MINIVL_PARAMS_INIT;
  Request *r;

  for (guint i = 0; i < n; i++)
    g_array_append_val (tokens, ((LanguageToken){ .key.id = ids[i] }));
  r = request_new (tokens);
  r->max_tokens = max_tokens;
  sampler_init (&r->sampler, &params);
  scheduler_ask (engine->scheduler, r);
  return r;
}

/* Tokens computed for it, and how many of the prompt were in the cache. */
static guint64
compute (const gint32 *ids, guint n, guint max_tokens, guint *cached)
{
  guint64 before = language_tokens_computed (engine->language);
  g_autoptr (Request) r = hand_in_prompt (ids, n, max_tokens);
  g_autoptr (GError) error = NULL;

  request_end (r, &error);
  g_assert_no_error (error);
  g_assert_cmpint (r->finish, ==, MINIVL_FINISH_LENGTH);
  g_assert_cmpuint (r->ids->len, ==, max_tokens);
  *cached = r->cached;
  return language_tokens_computed (engine->language) - before;
}

/* Also where one token is left behind the last whole chunk, or all but one are there already. */
static void
test_a_prompt_is_prepared_once (void)
{
  static const guint lengths[] = { 2, KV_BLOCK, LANGUAGE_CHUNK - 1, LANGUAGE_CHUNK, LANGUAGE_CHUNK + 1, LANGUAGE_CHUNK + 40 };

  for (guint k = 0; k < G_N_ELEMENTS (lengths); k++) {
    guint n = lengths[k], cached;
    gint32 ids[LANGUAGE_CHUNK + 60];
    guint64 computed, asked;

    for (guint i = 0; i < n + 10; i++)
      ids[i] = 10 + (k * 23 + i * 37 + i * i) % 70;
    computed = compute (ids, n, 0, &cached);
    g_assert_cmpuint (computed, >=, n - 1);
    g_assert_cmpuint (computed, <=, n);
    g_assert_cmpuint (compute (ids, n, 0, &cached), ==, 0);
    g_assert_cmpuint (cached, ==, n - 1);
    asked = compute (ids, n + 10, 1, &cached);
    g_assert_cmpuint (cached, ==, n - 1);
    g_assert_cmpuint (asked, ==, 11);
  }
}

typedef struct
{
  gint priority;
  MinivlPicture *picture;
} Looker;

static gpointer
look (gpointer data)
{
  static const guint8 pixels[SIDE * SIDE] = { 1, 2, 3 };
  const MinivlImage image = { { pixels }, SIDE, SIDE, { SIDE }, MINIVL_FORMAT_GRAY8 };
  g_autoptr (MinivlSession) session = minivl_session_new (engine, NULL);
  Looker *l = data;

  minivl_session_set_priority (session, l->priority);
  l->picture = minivl_session_encode (session, &image, 1, NULL, NULL);
  return NULL;
}

static GThread *second_looker;

static gboolean
look_twice (gpointer data, GError **error)
{
  Looker *lookers = data;

  asker = g_thread_new ("first", look, &lookers[0]);
  while (scheduler_waiting (engine->scheduler) < 1)
    g_thread_yield ();
  second_looker = g_thread_new ("second", look, &lookers[1]);
  g_usleep (50 * G_TIME_SPAN_MILLISECOND); /* it finds the picture on its way, and raises its priority */
  return TRUE;
}

static void
test_a_thread_holds_one_lock_at_a_time (void)
{
  Looker lookers[2] = { { 0, NULL }, { 1, NULL } };
  Asker a;

  asker_init (&a, 2);
  g_atomic_int_set (&n_locks, 0);
  g_atomic_int_set (&most_held, 0);
  ask (&a);
  g_assert_no_error (a.error);
  scheduler_run (engine->scheduler, look_twice, lookers, NULL);
  g_thread_join (g_steal_pointer (&asker));
  g_thread_join (second_looker);
  g_assert_nonnull (lookers[0].picture);
  g_assert_true (lookers[0].picture == lookers[1].picture);
  minivl_picture_unref (lookers[0].picture);
  minivl_picture_unref (lookers[1].picture);
  g_assert_cmpint (g_atomic_int_get (&n_locks), >, 20);
  g_assert_cmpint (g_atomic_int_get (&most_held), ==, 1);
  minivl_answer_clear (&a.answer);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  gint failures;

  mallopt (M_PERTURB, 0x5a);
  harness_init (&argc, &argv);
  engine = variant_open ("plain-gqa-tied", 1024, &error);
  g_assert_no_error (error);
#define RULE(name) g_test_add_func ("/requests/" #name, test_##name)
  RULE (a_request_that_cannot_be_let_in_may_be_gone_at_once);
  RULE (a_prompt_is_prepared_once);
  RULE (a_thread_holds_one_lock_at_a_time);
#undef RULE
  failures = g_test_run ();
  minivl_engine_unref (engine);
  return failures;
}

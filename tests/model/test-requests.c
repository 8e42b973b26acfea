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
  engine = variant_open ("long-crossing", 256, &error);
  g_assert_no_error (error);
#define RULE(name) g_test_add_func ("/requests/" #name, test_##name)
  RULE (a_request_that_cannot_be_let_in_may_be_gone_at_once);
  RULE (a_thread_holds_one_lock_at_a_time);
#undef RULE
  failures = g_test_run ();
  minivl_engine_unref (engine);
  return failures;
}

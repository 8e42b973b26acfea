/* Pictures and prompts of several askers on one engine: who goes first, and who gives up while the device works. */
#define _GNU_SOURCE /* SCHED_BATCH */
#include <sched.h>
#include <string.h>
#include <sys/resource.h>

#include "crowd.h"
#include "harness.h"
#include "variant.h"
#include "vk/vk.h"
#include "model/model_testing.h"

#define SIDE 40
#define TRIES 1000

static MinivlEngine *engine;
static guint64 usual_submit_ns, short_submit_ns = 1;

/* --- askers ------------------------------------------------------------------------------------------------------------------ */

typedef struct
{
  guint8 pixels[SIDE * SIDE];
  guint tiles; /* 0: one */
  gint priority, cancel;
  MinivlPicture *picture; /* NULL: there is none, by `error` */
  GError *error;
  GThread *thread;
} Asker;

/* Pictures of different seeds are different. */
static void
asker_init (Asker *a, guint32 seed)
{
  memset (a, 0, sizeof *a);
  for (guint i = 0; i < sizeof a->pixels; i++) {
    seed = seed * 1664525 + 1013904223;
    a->pixels[i] = seed >> 24;
  }
}

static gpointer
encode (gpointer data)
{
  Asker *a = data;
  const MinivlImage image = { { a->pixels }, SIDE, a->tiles ? SIDE / a->tiles : SIDE, { SIDE }, MINIVL_FORMAT_GRAY8 };
  g_autoptr (GError) error = NULL;
  g_autoptr (MinivlSession) session = minivl_session_new (engine, &error);

  g_assert_no_error (error);
  minivl_session_set_priority (session, a->priority);
  a->picture = minivl_session_encode (session, &image, MAX (a->tiles, 1), &a->cancel, &a->error);
  g_assert_true ((a->picture == NULL) == (a->error != NULL));
  return NULL;
}

static void
join (Asker *a)
{
  g_thread_join (g_steal_pointer (&a->thread));
}

static void
assert_cancelled (const Asker *a)
{
  g_assert_null (a->picture);
  g_assert_error (a->error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED);
}

static void
assert_picture (const Asker *a)
{
  g_assert_no_error (a->error);
  g_assert_nonnull (a->picture);
}

static void
asker_clear (Asker *a)
{
  minivl_picture_unref (a->picture);
  g_clear_error (&a->error);
}

static void
run_job (SchedulerFunc func, gpointer data)
{
  g_autoptr (GError) error = NULL;

  scheduler_run (engine->scheduler, func, data, &error);
  g_assert_no_error (error);
}

/* --- a scheduler that is held ------------------------------------------------------------------------------------------------- */

static GMutex lock;
static GCond changed;
static gboolean held, holding;

static gboolean
hold_job (gpointer data, GError **error)
{
  g_mutex_lock (&lock);
  holding = TRUE;
  g_cond_broadcast (&changed);
  while (held)
    g_cond_wait (&changed, &lock);
  holding = FALSE;
  g_mutex_unlock (&lock);
  return TRUE;
}

static gpointer
hold_thread (gpointer data)
{
  run_job (hold_job, NULL);
  return NULL;
}

static GThread *
hold (void)
{
  GThread *holder;

  held = TRUE;
  holder = g_thread_new ("hold", hold_thread, NULL);
  g_mutex_lock (&lock);
  while (!holding)
    g_cond_wait (&changed, &lock);
  g_mutex_unlock (&lock);
  g_assert_cmpuint (scheduler_waiting (engine->scheduler), ==, 0); /* or what is waited for below is another's */
  return holder;
}

static void
let_go (GThread *holder)
{
  g_mutex_lock (&lock);
  held = FALSE;
  g_cond_broadcast (&changed);
  g_mutex_unlock (&lock);
  g_thread_join (holder);
}

/* --- priority ---------------------------------------------------------------------------------------------------------------- */

/* The threads that the driver makes from this one inherit both. */
static gboolean
look_at_the_thread (gpointer data, GError **error)
{
  g_assert_cmpint (getpriority (PRIO_PROCESS, 0), ==, 10);
  g_assert_cmpint (sched_getscheduler (0), ==, SCHED_BATCH);
  return TRUE;
}

static void
test_the_video_goes_before_the_model (void)
{
  run_job (look_at_the_thread, NULL);
}

static void
test_higher_priority_is_encoded_first (void)
{
  Asker askers[2 * VISION_BATCH + 1];
  GThread *threads[G_N_ELEMENTS (askers)];
  Asker *last = &askers[2 * VISION_BATCH];
  guint64 before = vision_tiles_encoded (engine->vision), order = 0;

  for (guint i = 0; i < G_N_ELEMENTS (askers); i++)
    asker_init (&askers[i], i);
  last->priority = 1;
  crowd_begin (engine->scheduler, encode, askers, sizeof *askers, G_N_ELEMENTS (askers), threads);
  crowd_end (threads, G_N_ELEMENTS (askers));
  for (guint i = 0; i < G_N_ELEMENTS (askers); i++) {
    assert_picture (&askers[i]);
    order = MAX (order, askers[i].picture->result.order);
  }
  g_assert_cmpuint (last->picture->result.order, ==, before + VISION_BATCH);
  g_assert_cmpuint (order, ==, before + G_N_ELEMENTS (askers));
  for (guint i = 0; i < G_N_ELEMENTS (askers); i++)
    asker_clear (&askers[i]);
}

/* Whether the other one waits already when the scheduler goes on is chance, but that the picture then comes before others is not.
 */
static void
test_a_picture_has_the_highest_priority_of_those_who_want_it (void)
{
  for (guint i = 0;; i++) {
    Asker askers[2 * VISION_BATCH], urgent;
    GThread *threads[G_N_ELEMENTS (askers)];
    guint64 before = vision_tiles_encoded (engine->vision), order;
    GThread *holder = hold ();

    g_assert_cmpuint (i, <, TRIES);
    for (guint k = 0; k < G_N_ELEMENTS (askers); k++)
      asker_init (&askers[k], 100 + k);
    crowd_hand_in (engine->scheduler, encode, askers, sizeof *askers, G_N_ELEMENTS (askers), threads);
    asker_init (&urgent, 100 + G_N_ELEMENTS (askers) - 1); /* as the last of them */
    urgent.priority = 1;
    urgent.thread = g_thread_new ("asker", encode, &urgent);
    g_usleep (1000 * i);
    let_go (holder);
    crowd_end (threads, G_N_ELEMENTS (askers));
    join (&urgent);
    order = urgent.picture->result.order;
    for (guint k = 0; k < G_N_ELEMENTS (askers); k++)
      asker_clear (&askers[k]);
    asker_clear (&urgent);
    if (order == before + VISION_BATCH)
      return;
  }
}

/* --- giving up --------------------------------------------------------------------------------------------------------------- */

static gboolean
set_submits (gpointer data, GError **error)
{
  engine->dev->limits.submit_ns = *(guint64 *)data;
  return TRUE;
}

/* When it is asked for the n-th time. */
typedef struct
{
  guint n, asked;
} Patience;

static gboolean
is_over (gpointer data)
{
  Patience *p = data;

  return ++p->asked >= p->n;
}

static gboolean
encode_impatiently (gpointer data, GError **error)
{
  Asker *a = data;
  const MinivlImage image = { { a->pixels }, SIDE, SIDE, { SIDE }, MINIVL_FORMAT_GRAY8 };
  Patience patience = { .n = 5 };
  const OpCancel cancel = { is_over, &patience };
  g_autoptr (VisionPicture) picture = vision_picture_new (engine->vision, &image, 1, NULL, error);
  const VisionTile tile = { picture, 0 };
  guint64 before = vision_tiles_encoded (engine->vision);

  g_assert_nonnull (picture);
  g_assert_false (vision_encode (engine->vision, &tile, 1, &cancel, &a->error));
  g_assert_cmpuint (patience.asked, ==, 5);
  g_assert_cmpuint (vision_tiles_encoded (engine->vision), ==, before);
  return TRUE;
}

static void
test_encoding_is_given_up_between_submits (void)
{
  Asker a;

  asker_init (&a, 20);
  run_job (set_submits, &short_submit_ns);
  run_job (encode_impatiently, &a);
  g_assert_error (a.error, DEVICE_ERROR, DEVICE_ERROR_CANCELLED);
  run_job (set_submits, &usual_submit_ns);
  asker_clear (&a);
}

/* Both are in one batch; which of its submits runs when the one gives up is chance, but that one does run is not. */
static void
test_who_gives_up_in_a_batch_leaves_the_others (void)
{
  g_autofree float *features = NULL;
  gsize bytes;
  Asker alone;

  asker_init (&alone, 31);
  encode (&alone);
  assert_picture (&alone);
  bytes = (gsize)alone.picture->result.n_tokens * engine->config.language.hidden * sizeof *features;
  features = g_memdup2 (alone.picture->result.features, bytes);
  asker_clear (&alone); /* or it would not be encoded again */
  run_job (set_submits, &short_submit_ns);
  for (guint i = 0, n = 0; n == 0; i++) {
    guint64 before = vision_tiles_encoded (engine->vision);
    Asker askers[2];
    GThread *threads[2];

    g_assert_cmpuint (i, <, TRIES);
    asker_init (&askers[0], 30);
    asker_init (&askers[1], 31);
    crowd_begin (engine->scheduler, encode, askers, sizeof *askers, 2, threads);
    g_usleep (100 * (i % 100));
    g_atomic_int_set (&askers[0].cancel, TRUE);
    crowd_end (threads, 2);
    assert_picture (&askers[1]);
    g_assert_cmpmem (askers[1].picture->result.features, bytes, features, bytes);
    if (askers[0].picture == NULL) {
      assert_cancelled (&askers[0]);
      n += vision_tiles_encoded (engine->vision) == before + 2;
    }
    asker_clear (&askers[0]);
    asker_clear (&askers[1]);
  }
  run_job (set_submits, &usual_submit_ns);
}

/* When the flag is seen is chance; what counts is that nothing is used that has been freed. */
static void
test_a_picture_of_many_tiles_is_given_up_at_any_moment (void)
{
  guint given_up = 0;

  for (guint i = 0; i < 400; i++) {
    Asker a;

    asker_init (&a, 60);
    a.tiles = 5;
    a.thread = g_thread_new ("asker", encode, &a);
    g_usleep (10 * (i % 100));
    g_atomic_int_set (&a.cancel, TRUE);
    join (&a);
    given_up += a.picture == NULL;
    asker_clear (&a);
  }
  g_assert_cmpuint (given_up, >, 0);
}

static void
test_who_waits_for_anothers_picture_can_give_up (void)
{
  GThread *holder = hold ();
  Asker first, second;

  asker_init (&first, 40);
  asker_init (&second, 40);
  first.thread = g_thread_new ("asker", encode, &first);
  while (scheduler_waiting (engine->scheduler) < 1)
    g_thread_yield ();
  second.thread = g_thread_new ("asker", encode, &second);
  g_atomic_int_set (&second.cancel, TRUE);
  join (&second);
  assert_cancelled (&second);
  let_go (holder);
  join (&first);
  assert_picture (&first);
  asker_clear (&first);
  asker_clear (&second);
}

static void
test_a_picture_given_up_is_made_for_who_waits_for_it (void)
{
  GThread *holder = hold ();
  Asker first, second;

  asker_init (&first, 50);
  asker_init (&second, 50);
  first.thread = g_thread_new ("asker", encode, &first);
  while (scheduler_waiting (engine->scheduler) < 1)
    g_thread_yield ();
  second.thread = g_thread_new ("asker", encode, &second);
  g_atomic_int_set (&first.cancel, TRUE);
  let_go (holder);
  join (&first);
  join (&second);
  assert_cancelled (&first);
  assert_picture (&second);
  asker_clear (&first);
  asker_clear (&second);
}

/* --- prompts ----------------------------------------------------------------------------------------------------------------- */

#define PROMPT 100

static gboolean
prefill (gpointer data, GError **error)
{
  LanguageToken tokens[PROMPT] = { 0 };
  KvKey keys[PROMPT] = { 0 };
  Patience patience = { .n = 5 };
  const OpCancel cancel = { is_over, &patience };
  g_autoptr (GError) failure = NULL;
  g_autoptr (KvSequence) seq = NULL;
  guint64 before = language_tokens_computed (engine->language);
  Top *tops = data;

  for (guint i = 0; i < PROMPT; i++)
    tokens[i].key.id = keys[i].id = 10 + i * 37 % 70;
  seq = kv_sequence_new (engine->kv, keys, PROMPT, PROMPT, FALSE);
  g_assert_nonnull (seq);
  g_assert_cmpuint (kv_sequence_length (seq), ==, 0);
  g_assert_false (language_prefill (engine->language, seq, tokens, PROMPT, &tops[0], &cancel, &failure));
  g_assert_error (failure, DEVICE_ERROR, DEVICE_ERROR_CANCELLED);
  g_assert_cmpuint (patience.asked, ==, 5);
  g_assert_cmpuint (kv_sequence_length (seq), ==, 0);
  g_assert_cmpuint (language_tokens_computed (engine->language), ==, before);

  if (!language_prefill (engine->language, seq, tokens, PROMPT, &tops[0], NULL, error))
    return FALSE;
  kv_sequence_forget (seq, PROMPT);
  return language_prefill (engine->language, seq, tokens, PROMPT, &tops[1], NULL, error);
}

static void
test_a_prompt_is_given_up_between_submits (void)
{
  Top tops[2];

  run_job (set_submits, &short_submit_ns);
  run_job (prefill, tops);
  run_job (set_submits, &usual_submit_ns);
  g_assert_cmpmem (&tops[0], sizeof tops[0], &tops[1], sizeof tops[1]);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  gint failures;

  harness_init (&argc, &argv);
  engine = variant_open ("long-crossing", 256, &error);
  g_assert_no_error (error);
  usual_submit_ns = engine->dev->limits.submit_ns;
#define RULE(name) g_test_add_func ("/giving-up/" #name, test_##name)
  RULE (the_video_goes_before_the_model);
  RULE (higher_priority_is_encoded_first);
  RULE (a_picture_has_the_highest_priority_of_those_who_want_it);
  RULE (encoding_is_given_up_between_submits);
  RULE (who_gives_up_in_a_batch_leaves_the_others);
  RULE (a_picture_of_many_tiles_is_given_up_at_any_moment);
  RULE (who_waits_for_anothers_picture_can_give_up);
  RULE (a_picture_given_up_is_made_for_who_waits_for_it);
  RULE (a_prompt_is_given_up_between_submits);
#undef RULE
  failures = g_test_run ();
  minivl_engine_unref (engine);
  return failures;
}

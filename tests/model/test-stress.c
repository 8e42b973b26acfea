/* Many threads at one engine, at random: what each gets is what it would get alone, or why not. */
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "model/engine.h"
#include "synth.h"
#include "model/model_testing.h"

#define N_THREADS 16
#define N_PROMPTS 8
#define N_IMAGES 3
#define MOST_TOKENS 8
#define CONTEXT 256
#define IMAGE_TOKEN 3
#define SIDE 40
/* Between the best and the second logit: what a batch adds up in another order does not turn it round. */
#define SURE 1e-3

static guint n_seconds = 5;

/* An answer as it is alone. */
typedef struct
{
  gint32 ids[CONTEXT];
  guint n_ids;
  gint image; /* -1: none */
  gint32 answer[MOST_TOKENS];
  guint n_answer, n_sure;
} Row;

/* A thread's place, where others find its session to cancel it, and its picture's flag. */
typedef struct
{
  GMutex lock;
  MinivlSession *session;
  gint cancel; /* atomic */
} Place;

typedef struct
{
  MinivlEngine *engine;
  Row rows[N_PROMPTS];
  guint8 pixels[N_IMAGES][SIDE * SIDE * 3];
  GMutex lock;
  MinivlPicture *pictures[N_IMAGES]; /* shared: replaced by others of the same content */
  Place places[N_THREADS];
  gint64 end;
  gint asked, answered, cut, refused, encoded, given_up;
} Stress;

typedef struct
{
  Stress *stress;
  guint number;
  GRand *rand;
} Worker;

static gboolean
chance (Worker *w, guint one_in)
{
  return g_rand_int_range (w->rand, 0, one_in) == 0;
}

/* --- pictures ---------------------------------------------------------------------------------------------------------------- */

static MinivlPicture *
encode (Stress *s, guint i, const guint8 *pixels, guint max_tiles, const gint *cancel, GError **error)
{
  const MinivlImage image = { .data = { pixels }, .width = SIDE, .height = (SIDE - i) * 2 / max_tiles, .stride = { SIDE * 3 } };

  return minivl_picture_new (s->engine, &image, max_tiles, cancel, error);
}

static MinivlPicture *
shared_picture (Stress *s, guint i)
{
  MinivlPicture *picture;

  g_mutex_lock (&s->lock);
  picture = minivl_picture_ref (s->pictures[i]);
  g_mutex_unlock (&s->lock);
  return picture;
}

static MinivlPicture *
swap (MinivlPicture **place, MinivlPicture *picture)
{
  MinivlPicture *old = *place;

  *place = picture;
  return old;
}

/* A picture that others have, or one of many tiles that nobody has: only that must be encoded. */
static void
make_picture (Worker *w)
{
  Stress *s = w->stress;
  guint i = g_rand_int_range (w->rand, 0, N_IMAGES);
  gint *cancel = &s->places[w->number].cancel;
  g_autofree guint8 *fresh = chance (w, 2) ? g_memdup2 (s->pixels[i], sizeof s->pixels[i]) : NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (MinivlPicture) picture = NULL;

  for (guint k = 0; fresh && k < 8; k++)
    fresh[k] = g_rand_int (w->rand);
  g_atomic_int_set (cancel, chance (w, 8));
  picture = encode (s, i, fresh ? fresh : s->pixels[i], fresh ? 10 : 2, cancel, &error);
  if (!picture) {
    g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED);
    g_assert_true (g_atomic_int_get (cancel));
    g_atomic_int_inc (&s->given_up);
    return;
  }
  g_assert_no_error (error);
  g_atomic_int_inc (&s->encoded);
  if (fresh)
    return;
  g_mutex_lock (&s->lock);
  picture = swap (&s->pictures[i], picture);
  g_mutex_unlock (&s->lock);
}

/* --- questions --------------------------------------------------------------------------------------------------------------- */

static gboolean
ask_row (MinivlSession *session, Stress *s, const Row *row, const MinivlParams *params, MinivlAnswer *answer, GError **error)
{
  g_autoptr (MinivlPicture) picture = row->image >= 0 ? shared_picture (s, row->image) : NULL;

  return session_ask_ids (session, row->ids, row->n_ids, &picture, picture ? 1 : 0, params, NULL, NULL, answer, error);
}

static void
check_answer (const Row *row, const MinivlParams *params, const MinivlAnswer *answer)
{
  guint n = MIN (answer->output_tokens, row->n_sure);

  g_assert_cmpuint (answer->output_tokens, <=, params->max_tokens);
  g_assert_cmpuint (answer->cached_tokens, <, row->n_ids);
  g_assert_cmpmem (answer->input_ids, answer->prompt_tokens * sizeof (gint32), row->ids, row->n_ids * sizeof (gint32));
  g_assert_cmpmem (answer->token_ids, n * sizeof (gint32), row->answer, n * sizeof (gint32));
  switch (answer->finish) {
    case MINIVL_FINISH_LENGTH:
      g_assert_cmpuint (answer->output_tokens, ==, params->max_tokens);
      break;
    case MINIVL_FINISH_STOP:
      g_assert_cmpuint (answer->output_tokens, >=, n);
      break;
    case MINIVL_FINISH_DEADLINE:
      g_assert_cmpuint (params->deadline, >, 0);
      break;
    case MINIVL_FINISH_CANCELLED:
      break;
  }
}

static void
ask_well (Worker *w, MinivlSession *session)
{
  Stress *s = w->stress;
  const Row *row = &s->rows[g_rand_int_range (w->rand, 0, N_PROMPTS)];
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_auto (MinivlAnswer) answer = { 0 };
  g_autoptr (GError) error = NULL;

  params.max_tokens = g_rand_int_range (w->rand, 1, MOST_TOKENS + 1);
  params.want_logits = chance (w, 4);
  if (chance (w, 4))
    params.deadline = (g_get_monotonic_time () + g_rand_int_range (w->rand, -10000, 50000)) * 1000;
  g_atomic_int_inc (&s->asked);
  if (ask_row (session, s, row, &params, &answer, &error)) {
    g_assert_no_error (error);
    check_answer (row, &params, &answer);
    g_atomic_int_inc (answer.finish < MINIVL_FINISH_CANCELLED ? &s->answered : &s->cut);
  } else {
    /* There may be no room for all of them at once. */
    g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_BUDGET);
    g_atomic_int_inc (&s->refused);
  }
}

static void
ask_badly (Worker *w, MinivlSession *session)
{
  static const gint32 outside[] = { 1, 1 << 20 }, mark[] = { 1, IMAGE_TOKEN };
  Stress *s = w->stress;
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_auto (MinivlAnswer) answer = { 0 };
  g_autoptr (GError) error = NULL;
  guint kind = g_rand_int_range (w->rand, 0, 3);
  const gint codes[] = { MINIVL_ERROR_USAGE, MINIVL_ERROR_IMAGES, MINIVL_ERROR_BUDGET };

  params.max_tokens = kind == 2 ? CONTEXT : 1;
  g_atomic_int_inc (&s->asked);
  g_assert_false (
      session_ask_ids (session, kind == 0 ? outside : mark, kind == 2 ? 1 : 2, NULL, 0, &params, NULL, NULL, &answer, &error));
  g_assert_error (error, MINIVL_ERROR, codes[kind]);
  g_assert_null (answer.token_ids);
  g_atomic_int_inc (&s->refused);
}

/* --- threads ----------------------------------------------------------------------------------------------------------------- */

static void
set_session (Place *place, MinivlSession *session)
{
  MinivlSession *old;

  g_mutex_lock (&place->lock);
  old = place->session;
  place->session = session;
  g_mutex_unlock (&place->lock);
  minivl_session_free (old);
}

static void
cancel_another (Worker *w)
{
  Place *place = &w->stress->places[g_rand_int_range (w->rand, 0, N_THREADS)];

  g_atomic_int_set (&place->cancel, TRUE);
  g_mutex_lock (&place->lock);
  if (place->session)
    minivl_session_cancel (place->session);
  g_mutex_unlock (&place->lock);
}

static gpointer
work (gpointer data)
{
  Worker *w = data;
  Stress *s = w->stress;
  Place *place = &s->places[w->number];

  while (g_get_monotonic_time () < s->end) {
    if (!place->session || chance (w, 6)) {
      g_autoptr (GError) error = NULL;
      MinivlSession *session = minivl_session_new (s->engine, &error);

      g_assert_no_error (error);
      set_session (place, session);
    }
    switch (g_rand_int_range (w->rand, 0, 10)) {
      case 0:
        make_picture (w);
        break;
      case 1:
      case 2:
        cancel_another (w);
        break;
      case 3:
        ask_badly (w, place->session);
        break;
      case 4:
        minivl_session_reset (place->session);
        break;
      default:
        ask_well (w, place->session);
    }
  }
  set_session (place, NULL);
  return NULL;
}

/* --- alone ------------------------------------------------------------------------------------------------------------------- */

static double
margin (const MinivlAnswer *answer)
{
  float best = -G_MAXFLOAT, second = -G_MAXFLOAT;

  for (guint i = 0; i < answer->n_logits; i++)
    if (answer->logits[i] > best) {
      second = best;
      best = answer->logits[i];
    } else
      second = MAX (second, answer->logits[i]);
  return best - second;
}

/* A token at a time, each from the logits of a prompt. */
static void
answer_alone (Stress *s, Row *row)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MinivlSession) session = minivl_session_new (s->engine, &error);
  MinivlParams params = MINIVL_PARAMS_INIT;
  Row longer = *row;
  gboolean sure = TRUE;

  g_assert_no_error (error);
  params.max_tokens = 1;
  params.want_logits = TRUE;
  row->n_answer = row->n_sure = 0;
  while (row->n_answer < MOST_TOKENS) {
    g_auto (MinivlAnswer) answer = { 0 };

    ask_row (session, s, &longer, &params, &answer, &error);
    g_assert_no_error (error);
    if (answer.output_tokens == 0)
      break;
    sure = sure && margin (&answer) > SURE;
    row->answer[row->n_answer++] = longer.ids[longer.n_ids++] = answer.token_ids[0];
    row->n_sure += sure;
  }
}

static void
make_rows (Stress *s)
{
  guint tokens = s->engine->info.tile_tokens, tiles;

  for (guint i = 0; i < N_PROMPTS; i++) {
    Row *row = &s->rows[i];
    MinivlPictureInfo info;

    row->image = (gint)(i % (N_IMAGES + 1)) - 1;
    row->ids[row->n_ids++] = 1;
    for (guint k = 0; k < 5 + 20 * (i / 2); k++)
      row->ids[row->n_ids++] = 10 + (k * 37 + k * k + i / 4) % 70;
    if (row->image >= 0) {
      minivl_picture_get_info (s->pictures[row->image], &info);
      tiles = info.tiles;
      for (guint k = 0; k < tokens * tiles; k++)
        row->ids[row->n_ids++] = IMAGE_TOKEN;
    }
    row->ids[row->n_ids++] = 12 + i;
    g_assert_cmpuint (row->n_ids + MOST_TOKENS, <, CONTEXT);
    answer_alone (s, row);
  }
}

static MinivlEngine *
open_engine (void)
{
  g_autofree gchar *path = g_build_filename (TEST_DATA, "variants", "long-crossing", "config.json", NULL);
  g_autoptr (TensorSet) set = NULL;
  g_autoptr (GError) error = NULL;
  ModelConfig config = { 0 };
  EngineParts parts = { .name = "stress", .config = &config, .image_token = IMAGE_TOKEN, .end_token = 2 };
  MinivlEngineOptions options = { .precision = MINIVL_PRECISION_F32, .context_size = CONTEXT };
  MinivlEngine *engine;

  model_config_load (&config, path, CONTEXT, &error);
  g_assert_no_error (error);
  parts.tensors = set = synth_tensors (&config, 7, DTYPE_BF16);
  engine = engine_new (&parts, &options, &error);
  g_assert_no_error (error);
  return engine;
}

static void
test_all_at_once (void)
{
  Stress *s = g_new0 (Stress, 1);
  Worker workers[N_THREADS];
  GThread *threads[N_THREADS];
  guint sure = 0;

  s->engine = open_engine ();
  g_mutex_init (&s->lock);
  for (guint i = 0; i < N_IMAGES; i++) {
    g_autoptr (GError) error = NULL;

    for (guint k = 0; k < sizeof s->pixels[i]; k++)
      s->pixels[i][k] = k * (7 + i) + k / 50;
    s->pictures[i] = encode (s, i, s->pixels[i], 2, NULL, &error);
    g_assert_no_error (error);
  }
  make_rows (s);

  s->end = g_get_monotonic_time () + n_seconds * G_USEC_PER_SEC;
  for (guint i = 0; i < N_THREADS; i++) {
    g_mutex_init (&s->places[i].lock);
    workers[i] = (Worker){ s, i, g_rand_new_with_seed (g_test_rand_int ()) };
  }
  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("stress", work, &workers[i]);
  for (guint i = 0; i < N_THREADS; i++) {
    g_thread_join (threads[i]);
    g_rand_free (workers[i].rand);
    g_mutex_clear (&s->places[i].lock);
  }
  g_test_message ("%d asked: %d answered, %d cut short, %d refused; %d pictures encoded, %d given up", s->asked, s->answered,
      s->cut, s->refused, s->encoded, s->given_up);
  g_assert_cmpint (s->asked, ==, s->answered + s->cut + s->refused);
  g_assert_cmpint (s->answered, >, 0);

  /* And when all is quiet again, as before. */
  for (guint i = 0; i < N_PROMPTS; i++) {
    Row again = s->rows[i];

    answer_alone (s, &again);
    g_assert_cmpmem (again.answer, again.n_sure * sizeof (gint32), s->rows[i].answer, s->rows[i].n_sure * sizeof (gint32));
    sure += again.n_sure;
  }
  g_assert_cmpuint (sure, >, N_PROMPTS * MOST_TOKENS / 2);
  for (guint i = 0; i < N_IMAGES; i++)
    minivl_picture_unref (s->pictures[i]);
  g_mutex_clear (&s->lock);
  minivl_engine_unref (s->engine);
  g_free (s);
}

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
  if (argc > 1)
    n_seconds = atoi (argv[1]);
  g_test_add_func ("/stress/all_at_once", test_all_at_once);
  return g_test_run ();
}

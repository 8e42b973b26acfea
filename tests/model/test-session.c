/* Sessions by token ids, on small models whose weights are made in memory. */
#include <math.h>
#include <string.h>

#include "harness.h"
#include "model/engine.h"
#include "synth.h"

typedef struct
{
  MinivlEngine *engine;
  gint32 ids[256];
} Fixture;

static MinivlEngine *
open_variant (const gchar *variant, guint context, GError **error)
{
  g_autofree gchar *path = g_build_filename (TEST_DATA, "variants", variant, "config.json", NULL);
  g_autoptr (TensorSet) set = NULL;
  ModelConfig config = { 0 };
  EngineParts parts = { .name = variant, .config = &config, .image_token = 3, .end_token = 2 };
  MinivlEngineOptions options = { .precision = MINIVL_PRECISION_F32, .context_size = context };

  if (!model_config_load (&config, path, context, error))
    return NULL;
  set = synth_tensors (&config, 7, DTYPE_BF16);
  parts.tensors = set;
  return engine_new (&parts, &options, error);
}

static void
set_up (Fixture *f, gconstpointer variant)
{
  g_autoptr (GError) error = NULL;

  f->engine = open_variant (variant, 256, &error);
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
new_session (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  MinivlSession *session = minivl_session_new (f->engine, &error);

  g_assert_no_error (error);
  return session;
}

static void
test_second_round_computes_only_what_follows (Fixture *f, gconstpointer variant)
{
  g_autoptr (MinivlSession) warm = new_session (f), cold = new_session (f);
  g_auto (MinivlAnswer) first = { 0 }, second = { 0 }, fresh = { 0 };

  ask (warm, f->ids, 20, 4, &first);
  g_assert_cmpuint (first.cached_tokens, ==, 0);
  ask (warm, f->ids, 50, 4, &second);
  g_assert_cmpuint (second.cached_tokens, ==, 20);
  ask (cold, f->ids, 50, 4, &fresh);
  g_assert_cmpuint (fresh.cached_tokens, ==, 0);
  g_assert_cmpfloat (nmse (&second, &fresh), <=, 1e-10);
  g_assert_cmpmem (second.token_ids, second.output_tokens * 4, fresh.token_ids, fresh.output_tokens * 4);
}

static void
test_same_prompt_again_computes_one_token (Fixture *f, gconstpointer variant)
{
  g_autoptr (MinivlSession) session = new_session (f);
  g_auto (MinivlAnswer) first = { 0 }, again = { 0 };

  ask (session, f->ids, 33, 3, &first);
  ask (session, f->ids, 33, 3, &again);
  g_assert_cmpuint (again.cached_tokens, ==, 32);
  g_assert_cmpfloat (nmse (&again, &first), <=, 1e-10);
}

static void
test_long_factors_compute_all_anew (Fixture *f, gconstpointer variant)
{
  g_autoptr (MinivlSession) warm = new_session (f), cold = new_session (f);
  g_auto (MinivlAnswer) before = { 0 }, across = { 0 }, fresh = { 0 };

  /* original_max_position_embeddings is 64. */
  ask (warm, f->ids, 60, 1, &before);
  ask (warm, f->ids, 70, 4, &across);
  g_assert_cmpuint (across.cached_tokens, ==, 0);
  ask (cold, f->ids, 70, 4, &fresh);
  g_assert_cmpfloat (nmse (&across, &fresh), <=, 1e-10);
}

static void
test_sessions_share_a_pool_too_small_for_both (Fixture *f, gconstpointer variant)
{
  g_autoptr (MinivlSession) a = new_session (f), b = new_session (f);
  g_auto (MinivlAnswer) first = { 0 }, other = { 0 }, again = { 0 };

  ask (a, f->ids, 200, 4, &first);
  ask (b, f->ids + 50, 200, 4, &other);
  ask (a, f->ids, 200, 4, &again);
  g_assert_cmpuint (again.cached_tokens, ==, 0);
  g_assert_cmpfloat (nmse (&again, &first), <=, 1e-10);
  g_assert_cmpmem (again.token_ids, again.output_tokens * 4, first.token_ids, first.output_tokens * 4);
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

static gpointer
answer_in_a_thread (gpointer data)
{
  Fixture *f = data;
  g_autoptr (MinivlSession) session = new_session (f);
  MinivlAnswer *answer = g_new0 (MinivlAnswer, 1);

  ask (session, f->ids, 40, 20, answer);
  return answer;
}

static void
test_threads_take_turns_and_get_what_one_gets (Fixture *f, gconstpointer variant)
{
  GThread *threads[4];
  g_autofree MinivlAnswer *alone = answer_in_a_thread (f);

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("asker", answer_in_a_thread, f);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++) {
    g_autofree MinivlAnswer *answer = g_thread_join (threads[i]);

    g_assert_cmpmem (answer->token_ids, answer->output_tokens * 4, alone->token_ids, alone->output_tokens * 4);
    minivl_answer_clear (answer);
  }
  minivl_answer_clear (alone);
}

static void
test_picture_tokens_are_reused (Fixture *f, gconstpointer variant)
{
  g_autoptr (MinivlSession) session = new_session (f);
  g_auto (MinivlAnswer) first = { 0 }, other = { 0 }, again = { 0 };
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *pixels = g_malloc (30 * 20 * 3);
  MinivlImage image = { pixels, 30, 20, 90 };
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
    { { pixels, 0, 1, 30 }, 1 },
    { { pixels, 10, 0, 30 }, 1 },
    { { NULL, 10, 1, 30 }, 1 },
    { { pixels, 10, 1, 29 }, 1 },
    { { pixels, 10, 1, 30 }, 0 },
    { { pixels, 10, 1, 30 }, 41 },
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
  MinivlImage image = { pixels, 10, 1, 30 };
  g_autoptr (GError) error = NULL;
  gint cancel = TRUE;

  g_assert_null (minivl_picture_new (f->engine, &image, 1, &cancel, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED);
}

static void
test_context_beyond_the_model_is_refused (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (open_variant ("long-crossing", 2048, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_USAGE);
  g_assert_nonnull (strstr (error->message, "1024"));
}

static gboolean
cancel_at_once (double fraction, gpointer user_data)
{
  return FALSE;
}

static void
test_loading_is_cancelled (void)
{
  g_autofree gchar *path = g_build_filename (TEST_DATA, "variants", "long-crossing", "config.json", NULL);
  g_autoptr (TensorSet) set = NULL;
  g_autoptr (GError) error = NULL;
  ModelConfig config = { 0 };
  EngineParts parts = { .name = "m", .config = &config, .image_token = 3, .end_token = 2 };
  MinivlEngineOptions options = { .context_size = 256, .on_progress = cancel_at_once };

  model_config_load (&config, path, 256, &error);
  g_assert_no_error (error);
  parts.tensors = set = synth_tensors (&config, 7, DTYPE_BF16);
  g_assert_null (engine_new (&parts, &options, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED);
}

static void
test_missing_tensor_is_named (void)
{
  g_autofree gchar *path = g_build_filename (TEST_DATA, "variants", "long-crossing", "config.json", NULL);
  g_autoptr (TensorSet) all = NULL, set = tensor_set_new ();
  g_autofree const TensorInfo **list = NULL;
  g_autoptr (GError) error = NULL;
  ModelConfig config = { 0 };
  EngineParts parts = { .name = "m", .config = &config, .image_token = 3, .end_token = 2 };
  MinivlEngineOptions options = { .context_size = 256 };
  guint n;

  model_config_load (&config, path, 256, &error);
  g_assert_no_error (error);
  all = synth_tensors (&config, 7, DTYPE_BF16);
  list = tensor_set_list (all, &n);
  for (guint i = 0; i < n; i++)
    if (strcmp (list[i]->name, "mlp1.1.bias") != 0)
      tensor_set_add (set, list[i]->name, list[i]->dtype, list[i]->n_dims, list[i]->shape,
          g_memdup2 (list[i]->data, tensor_info_bytes (list[i])));
  parts.tensors = set;
  g_assert_null (engine_new (&parts, &options, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE);
  g_assert_nonnull (strstr (error->message, "mlp1.1.bias"));
}

#define ADD(test) g_test_add ("/session/" #test, Fixture, "long-crossing", set_up, test_##test, tear_down)

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
  ADD (second_round_computes_only_what_follows);
  ADD (same_prompt_again_computes_one_token);
  ADD (long_factors_compute_all_anew);
  ADD (sessions_share_a_pool_too_small_for_both);
  ADD (too_much_is_refused_before_anything_is_computed);
  ADD (ids_outside_the_vocabulary_are_refused);
  ADD (deadline_in_the_past_answers_nothing);
  ADD (seed_decides_the_text);
  ADD (threads_take_turns_and_get_what_one_gets);
  ADD (picture_tokens_are_reused);
  ADD (picture_arguments_are_checked);
  ADD (cancelled_picture_is_an_error);
  g_test_add_func ("/session/context_beyond_the_model_is_refused", test_context_beyond_the_model_is_refused);
  g_test_add_func ("/session/loading_is_cancelled", test_loading_is_cancelled);
  g_test_add_func ("/session/missing_tensor_is_named", test_missing_tensor_is_named);
  return g_test_run ();
}

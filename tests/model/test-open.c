/* Opening an engine: what does not fit, is not there or is not wanted any more is told before anything is answered. */
#include <string.h>

#include "harness.h"
#include "synth.h"
#include "variant.h"
#include "model/model_testing.h"

/* A configuration and its tensors, to be changed. */
typedef struct
{
  ModelConfig config;
  TensorSet *tensors;
  MinivlEngineOptions options;
} Model;

static void
model_init (Model *m)
{
  g_autofree gchar *path = g_build_filename (TEST_DATA, "variants", "long-crossing", "config.json", NULL);
  g_autoptr (GError) error = NULL;

  *m = (Model){ .options = { .precision = MINIVL_PRECISION_F32, .context_size = 256 } };
  model_config_load (&m->config, path, 256, &error);
  g_assert_no_error (error);
  m->tensors = synth_tensors (&m->config, 7, DTYPE_BF16);
}

/* Opens what cannot be opened. (transfer full) */
static GError *
model_refused (Model *m)
{
  EngineParts parts = { .name = "m", .config = &m->config, .tensors = m->tensors, .image_token = 3, .end_token = 2 };
  GError *error = NULL;

  g_assert_null (engine_new (&parts, &m->options, &error));
  g_assert_nonnull (error);
  tensor_set_free (m->tensors);
  return error;
}

static void
assert_says (const GError *error, const gchar *part)
{
  if (strstr (error->message, part) == NULL)
    g_error ("\"%s\" does not say \"%s\"", error->message, part);
}

static gboolean
cancel_at_once (double fraction, gpointer calls)
{
  ++*(guint *)calls;
  return FALSE;
}

static void
test_loading_is_cancelled (void)
{
  g_autoptr (GError) error = NULL;
  guint calls = 0;
  Model m;

  model_init (&m);
  m.options.on_progress = cancel_at_once;
  m.options.user_data = &calls;
  error = model_refused (&m);
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED);
  g_assert_cmpuint (calls, ==, 1);
}

static void
test_missing_tensor_is_named (void)
{
  g_autofree const TensorInfo **list = NULL;
  g_autoptr (GError) error = NULL;
  TensorSet *set = tensor_set_new ();
  Model m;
  guint n;

  model_init (&m);
  list = tensor_set_list (m.tensors, &n);
  for (guint i = 0; i < n; i++)
    if (strcmp (list[i]->name, "mlp1.1.bias") != 0)
      tensor_set_add (set, list[i]->name, list[i]->dtype, list[i]->n_dims, list[i]->shape,
          g_memdup2 (list[i]->data, tensor_info_bytes (list[i])));
  tensor_set_free (m.tensors);
  m.tensors = set;
  error = model_refused (&m);
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE);
  assert_says (error, "mlp1.1.bias");
}

static void
test_context_beyond_the_model_is_refused (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (variant_open ("long-crossing", 2048, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_USAGE);
  assert_says (error, "1024");
}

/* Hundreds of GB of cache: told with all that memory is taken by and what would fit, before the weights are copied. */
static void
test_what_does_not_fit_is_told_before_it_is_loaded (void)
{
  static const gchar *const says[] = { "weights of", "context-size=1073741824", "activations of", "and there are",
    "Lower context-size to ", ", or precision to f16." };
  g_autoptr (GError) error = NULL;
  guint calls = 0;
  guint64 fits;
  Model m;

  model_init (&m);
  m.config.language.max_position = G_MAXINT32;
  m.options.context_size = 1 << 30;
  m.options.on_progress = cancel_at_once;
  m.options.user_data = &calls;
  error = model_refused (&m);
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_MEMORY);
  for (guint i = 0; i < G_N_ELEMENTS (says); i++)
    assert_says (error, says[i]);
  fits = g_ascii_strtoull (strstr (error->message, "context-size to ") + strlen ("context-size to "), NULL, 10);
  g_assert_cmpuint (fits, >, 0);
  g_assert_cmpuint (fits, <, 1 << 30);
  g_assert_cmpuint (calls, ==, 0);
}

/* The context fits, and is not what the advice is about. */
static void
test_a_cache_that_does_not_fit_can_be_smaller (void)
{
  g_autoptr (GError) error = NULL;
  Model m;

  model_init (&m);
  m.options.cache_size = 1 << 30;
  error = model_refused (&m);
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_MEMORY);
  assert_says (error, "context-size=256 and cache-size=1073741824");
  assert_says (error, "Lower cache-size to ");
}

/* Each number is one that f32 holds, which is all that loading asks; what comes of them is not. */
static void
test_an_answer_of_no_numbers_is_an_error (void)
{
  static const gint32 ids[] = { 5, 6, 7 };
  g_autoptr (GError) error = NULL;
  g_auto (MinivlAnswer) answer = { NULL };
  MinivlParams params = MINIVL_PARAMS_INIT;
  MinivlSession *session;
  MinivlEngine *engine;
  guint16 *norm;
  Model m;

  model_init (&m);
  params.max_tokens = 4;
  norm = (guint16 *)tensor_set_lookup (m.tensors, "language_model.model.norm.weight")->data;
  for (guint i = 0; i < m.config.language.hidden; i++)
    norm[i] = 0x7f00; /* 1.7e38 */
  engine = engine_new (&(EngineParts){ .name = "m", .config = &m.config, .tensors = m.tensors, .image_token = 3, .end_token = 2 },
      &m.options, &error);
  g_assert_no_error (error);
  session = minivl_session_new (engine, &error);
  g_assert_no_error (error);
  g_assert_false (session_ask_ids (session, ids, G_N_ELEMENTS (ids), NULL, 0, &params, NULL, NULL, &answer, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_MODEL);
  assert_says (error, "overflow");
  minivl_session_free (session);
  minivl_engine_unref (engine);
  tensor_set_free (m.tensors);
}

/* While nothing else runs: that it is not the scheduler's thread is all that is wrong. */
static void
use_language (void)
{
  MinivlEngine *engine = variant_open ("long-crossing", 256, NULL);
  g_autofree float *logits = g_new (float, engine->config.language.vocab);

  language_logits (engine->language, 0, logits, NULL);
}

static void
use_vision (void)
{
  MinivlEngine *engine = variant_open ("long-crossing", 256, NULL);
  static const guint8 pixel[3];
  const MinivlImage image = { .data = { pixel }, .width = 1, .height = 1, .stride = { 3 } };

  vision_picture_free (vision_picture_new (engine->vision, &image, 1, NULL, NULL));
}

static void
test_the_model_is_used_by_its_own_thread (void)
{
  g_test_trap_subprocess ("/open/another_thread/subprocess/language", 0, 0);
  g_test_trap_assert_failed ();
  g_test_trap_assert_stderr ("*language_logits: assertion failed*owner*");
  g_test_trap_subprocess ("/open/another_thread/subprocess/vision", 0, 0);
  g_test_trap_assert_failed ();
  g_test_trap_assert_stderr ("*vision_picture_new: assertion failed*owner*");
}

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
#define RULE(name) g_test_add_func ("/open/" #name, test_##name)
  RULE (loading_is_cancelled);
  RULE (missing_tensor_is_named);
  RULE (context_beyond_the_model_is_refused);
  RULE (what_does_not_fit_is_told_before_it_is_loaded);
  RULE (a_cache_that_does_not_fit_can_be_smaller);
  RULE (an_answer_of_no_numbers_is_an_error);
  RULE (the_model_is_used_by_its_own_thread);
#undef RULE
  g_test_add_func ("/open/another_thread/subprocess/language", use_language);
  g_test_add_func ("/open/another_thread/subprocess/vision", use_vision);
  return g_test_run ();
}

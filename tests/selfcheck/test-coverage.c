/* Nothing runs that the self-check has not checked: whatever an engine does after it is opened, no shader and no constant is new.
 */
#include <glib/gstdio.h>

#include "crowd.h"
#include "folder.h"
#include "model/engine.h"
#include "ops/harness.h"
#include "synth.h"
#include "vk/vk.h"
#include "model/model_testing.h"

static gchar *verdicts; /* the folder that engines leave them in */

static MinivlEngine *
open_fresh (const gchar *variant, MinivlPrecision precision)
{
  g_autofree gchar *path = g_build_filename (TEST_DATA, variant, "config.json", NULL);
  g_autoptr (TensorSet) set = NULL;
  g_autoptr (GError) error = NULL;
  ModelConfig config = { 0 };
  EngineParts parts = { .name = variant, .config = &config, .image_token = 3, .end_token = -1 };
  const MinivlEngineOptions options = { .precision = precision, .context_size = 512 };
  MinivlEngine *e;

  model_config_load (&config, path, options.context_size, &error);
  g_assert_no_error (error);
  set = synth_tensors (&config, 7, DTYPE_BF16);
  parts.tensors = set;
  e = engine_new (&parts, &options, &error);
  g_assert_no_error (error);
  return e;
}

/* One question, of its own number and length, unlike those before. */
typedef struct
{
  MinivlEngine *engine;
  guint number, length;
} Question;

static gpointer
ask (gpointer data)
{
  const Question *q = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (MinivlSession) session = minivl_session_new (q->engine, &error);
  g_auto (MinivlAnswer) answer = { 0 };
  MinivlParams params = MINIVL_PARAMS_INIT;
  gint32 ids[300];

  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (ids); i++)
    ids[i] = 10 + i * 37 % 60;
  ids[0] = 10 + q->number; /* so nothing cached of the one before is used */
  params.max_tokens = 3;
  session_ask_ids (session, ids, q->length, NULL, 0, &params, NULL, NULL, &answer, &error);
  g_assert_no_error (error);
  return NULL;
}

/* Prefills of many lengths, and decode steps. */
static void
ask_alone (MinivlEngine *e)
{
  static const guint lengths[] = { 1, 5, 20, 60, 130, 300 };

  for (guint i = 0; i < G_N_ELEMENTS (lengths); i++)
    ask (&(Question){ e, .number = i, .length = lengths[i] });
}

/* Decode steps for every number of answers. A prompt of one token is a decode step itself, so that all go together at once. */
static void
ask_together (MinivlEngine *e)
{
  for (guint n = 2; n <= LANGUAGE_BATCH; n++) {
    Question questions[LANGUAGE_BATCH];
    GThread *threads[LANGUAGE_BATCH];

    for (guint i = 0; i < n; i++)
      questions[i] = (Question){ e, .number = i, .length = 1 };
    crowd_begin (e->scheduler, ask, questions, sizeof *questions, n, threads);
    crowd_end (threads, n);
  }
}

static void
show (MinivlEngine *e, const MinivlImage *image, guint max_tiles)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MinivlPicture) picture = minivl_picture_new (e, image, max_tiles, NULL, &error);

  g_assert_no_error (error);
  g_assert_nonnull (picture);
}

/* Every format and a few of the ways to turn it; of one tile to more than go together. */
static void
show_all (MinivlEngine *e)
{
  enum
  {
    SIDE = 64
  };
  g_autofree guint8 *bytes = g_malloc0 (4 * SIDE * SIDE);

  for (MinivlFormat f = MINIVL_FORMAT_RGB; f <= MINIVL_FORMAT_I420; f++)
    for (guint o = 1; o <= 8; o += 2) {
      MinivlImage image = { .format = f,
        .data = { bytes, bytes, bytes },
        .width = SIDE,
        .height = SIDE / 2,
        .stride = { 4 * SIDE, 4 * SIDE, 4 * SIDE },
        .orientation = o };

      bytes[0] = 8 * f + o; /* no two are equal, so that each is encoded */
      show (e, &image, 1 + o);
    }
}

typedef struct
{
  const gchar *variant;
  MinivlPrecision precision;
} Model;

static const Model models[] = {
  { "small", MINIVL_PRECISION_F16 },
  { "variants/yarn-v1-rms", MINIVL_PRECISION_F32 },
  { "variants/plain-gqa-tied", MINIVL_PRECISION_Q8 },
  { "variants/odd-widths", MINIVL_PRECISION_Q4 },
};

static void
test_nothing_runs_unchecked (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (models); i++) {
    MinivlEngine *e;
    guint checked;

    /* So that the engine checks all variants, and makes their pipelines. */
    folder_empty (verdicts);
    e = open_fresh (models[i].variant, models[i].precision);
    checked = g_hash_table_size (e->dev->pipelines);
    g_assert_cmpuint (e->self_check.checked, ==, e->self_check.variants);
    g_assert_cmpuint (checked, ==, e->self_check.checked);
    ask_alone (e);
    ask_together (e);
    show_all (e);
    g_assert_cmpuint (g_hash_table_size (e->dev->pipelines), ==, checked);
    minivl_engine_unref (e);
  }
}

int
main (int argc, char **argv)
{
  gchar *cache = folder_new ();
  int result;

  g_setenv ("XDG_CACHE_HOME", cache, TRUE);
  verdicts = g_build_filename (cache, "minivl", NULL);
  g_assert_cmpint (g_mkdir (verdicts, 0700), ==, 0);
  harness_init (&argc, &argv);
  g_test_add_func ("/selfcheck/nothing-runs-unchecked", test_nothing_runs_unchecked);
  result = g_test_run ();
  folder_free (verdicts);
  folder_free (cache);
  return result;
}

/*
 * What a text model's weights make of given tokens, at one precision: real-weights.py runs it and judges.
 *
 * usage: real-weights CHECKPOINT WINDOWS PRECISION [CACHE_PRECISION]
 *
 * WINDOWS: int32, 256 a window. To standard output go, a window, the logits of all its tokens, F32 [256][vocab], and the greedy
 * answer to its first 64, int32 [64]. Exit 2: the checkpoint cannot be opened, or not asked.
 */
#include <stdio.h>
#include <stdlib.h>

#include "model/model_testing.h"
#include "precision.h"

enum
{
  WINDOW = 256,
  PROMPT = 64,
  ANSWER = 64,
};

static void
check (const GError *error)
{
  if (!error)
    return;
  g_printerr ("real-weights: %s\n", error->message);
  exit (2);
}

static void
put (gconstpointer data, gsize size)
{
  if (fwrite (data, 1, size, stdout) == size)
    return;
  g_printerr ("real-weights: what was written is not read\n");
  exit (2);
}

static void
on_stage (const gchar *name, const float *data, guint rows, guint cols, gpointer user_data)
{
  if (g_str_equal (name, "language.logits"))
    put (data, (gsize)rows * cols * sizeof *data);
}

typedef struct
{
  MinivlEngine *engine;
  const gint32 *ids;
} Look;

static gboolean
look (gpointer data, GError **error)
{
  Look *l = data;

  return language_stages (l->engine->language, l->ids, WINDOW, on_stage, NULL, error);
}

static void
answer (MinivlEngine *engine, const gint32 *ids)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MinivlSession) session = minivl_session_new (engine, &error);
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_auto (MinivlAnswer) a = { NULL };

  check (error);
  params.max_tokens = ANSWER;
  session_ask_ids (session, ids, PROMPT, NULL, 0, &params, NULL, NULL, &a, &error);
  check (error);
  g_assert_cmpuint (a.output_tokens, ==, ANSWER); /* no token ends it */
  put (a.token_ids, ANSWER * sizeof *a.token_ids);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *config_path = NULL, *bytes = NULL;
  g_autoptr (TensorSet) set = NULL;
  g_autoptr (MinivlEngine) engine = NULL;
  MinivlEngineOptions options = { .context_size = 2 * WINDOW };
  ModelConfig config = { 0 };
  EngineParts parts = { .name = "real weights", .config = &config, .image_token = -1, .end_token = -1 };
  gboolean answers;
  gsize size;

  answers = argc == 5 && g_str_equal (argv[4], "answers");
  if (argc < 4 || argc > 5 || !precision_parse (argv[3], &options.precision)
      || (argc == 5 && !answers && !g_str_equal (argv[4], "q8"))) {
    g_printerr ("usage: real-weights CHECKPOINT WINDOWS PRECISION [answers | q8]\n");
    return 2;
  }
  options.cache_precision = argc == 5 && !answers ? MINIVL_CACHE_PRECISION_Q8 : MINIVL_CACHE_PRECISION_F16;
  config_path = g_build_filename (argv[1], "config.json", NULL);
  model_config_load (&config, config_path, options.context_size, &error);
  check (error);
  parts.tensors = set = tensor_set_open (argv[1], &error);
  check (error);
  g_file_get_contents (argv[2], &bytes, &size, &error);
  check (error);
  engine = engine_new (&parts, &options, &error);
  check (error);

  for (gsize at = 0; at + WINDOW * sizeof (gint32) <= size; at += WINDOW * sizeof (gint32)) {
    Look l = { engine, (const gint32 *)(gconstpointer)(bytes + at) };

    scheduler_run (engine->scheduler, look, &l, &error);
    check (error);
    if (answers)
      answer (engine, l.ids);
  }
  return 0;
}

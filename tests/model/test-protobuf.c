/* A process in which the library has opened a model may load the system's protobuf, as plugins do that read other models. */
#include "model/minivl.h"

#include <dlfcn.h>
#include <string.h>

#include "checkpoint.h"

static void
ask (MinivlEngine *engine, MinivlAnswer *answer)
{
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (GError) error = NULL;
  MinivlSession *session = minivl_session_new (engine, &error);
  gboolean ok;

  g_assert_no_error (error);
  params.max_tokens = 4;
  ok = minivl_session_ask (session, "What is to be seen?", &params, NULL, NULL, answer, &error);
  g_assert_no_error (error);
  g_assert_true (ok);
  minivl_session_free (session);
}

static void
test_loaded_after_a_model (void)
{
  g_autofree gchar *folder = g_dir_make_tmp ("minivl-protobuf-XXXXXX", NULL), *model = checkpoint_make (folder);
  const MinivlEngineOptions options = { .model_path = model, .precision = MINIVL_PRECISION_F32, .context_size = 512 };
  g_autoptr (GError) error = NULL;
  MinivlEngine *engine = minivl_engine_open (&options, &error);
  MinivlAnswer before = { 0 }, after = { 0 };
  gpointer protobuf;

  g_assert_no_error (error);
  ask (engine, &before);
  protobuf = dlopen ("libprotobuf.so", RTLD_NOW);
  if (!protobuf)
    g_error ("%s", dlerror ());
  ask (engine, &after);
  g_assert_cmpstr (after.text, ==, before.text);
  minivl_answer_clear (&before);
  minivl_answer_clear (&after);
  minivl_engine_unref (engine);

  engine = minivl_engine_open (&options, &error);
  g_assert_no_error (error);
  minivl_engine_unref (engine);
  checkpoint_remove (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/protobuf/loaded-after-a-model", test_loaded_after_a_model);
  return g_test_run ();
}

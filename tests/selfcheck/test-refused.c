/* The library, minivl-chat and the element with a library whose glu is off by a thousandth: all refuse the device by name. This
 * program is linked with that library, and the plugin finds it loaded. */
#include <gst/gst.h>
#include <string.h>

#include "../folder.h"
#include "../model/checkpoint.h"
#include "../program.h"
#include "model/minivl.h"

#define PATIENCE (300 * GST_SECOND)

static gchar *folder, *model, *cache, *verdicts;

static void
assert_refusal (const gchar *text)
{
  g_test_message ("%s", text);
  g_assert_nonnull (strstr (text, "computes wrongly: glu (shader glu"));
  g_assert_nonnull (strstr (text, "an NMSE of 1e-06"));
  g_assert_nonnull (strstr (text, "Its driver is "));
}

static void
test_opening_fails (void)
{
  const MinivlEngineOptions options = { .model_path = model };
  g_autoptr (GError) error = NULL;

  g_assert_null (minivl_engine_open (&options, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_DEVICE);
  assert_refusal (error->message);
}

static void
test_chat_exits_with_1 (void)
{
  const gchar *argv[] = { MINIVL_CHAT_WRONG, "--model", model, "What?", NULL };
  g_auto (ProgramResult) r = { 0 };

  program_run (argv, &r);
  assert_refusal (r.err);
  g_assert_cmpint (r.code, ==, 1);
  g_assert_cmpstr (r.out, ==, "");
}

static void
test_element_posts_an_error (void)
{
  g_autofree gchar *line =
      g_strdup_printf ("videotestsrc num-buffers=20 ! video/x-raw,width=64,height=64,framerate=10/1 ! minivl name=m "
                       "segment-duration=1000000000 model-path=%s ! fakesink",
          model);
  g_autoptr (GError) error = NULL;
  g_autofree gchar *debug = NULL, *all = NULL;
  g_autoptr (GstElement) pipeline = gst_parse_launch (line, &error);
  g_autoptr (GstBus) bus = NULL;
  g_autoptr (GstMessage) message = NULL;

  g_assert_no_error (error);
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, PATIENCE, GST_MESSAGE_ERROR | GST_MESSAGE_EOS);
  g_assert_nonnull (message);
  g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_ERROR);
  g_assert_cmpstr (GST_MESSAGE_SRC_NAME (message), ==, "m");
  gst_message_parse_error (message, &error, &debug);
  all = g_strdup_printf ("%s\n%s", error->message, debug);
  assert_refusal (all);
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

static void
set_up (void)
{
  cache = folder_new ();
  verdicts = g_build_filename (cache, "minivl", NULL);
  g_setenv ("XDG_CACHE_HOME", cache, TRUE);
  folder = g_dir_make_tmp ("minivl-refused-XXXXXX", NULL);
  g_assert_nonnull (folder);
  model = checkpoint_make (folder);
}

int
main (int argc, char **argv)
{
  int result;

  /* A sanitized plugin cannot be loaded by a scanner that is not. */
  gst_registry_fork_set_enabled (FALSE);
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  set_up ();
  g_test_add_func ("/selfcheck/opening-fails", test_opening_fails);
  g_test_add_func ("/selfcheck/chat-exits-with-1", test_chat_exits_with_1);
  g_test_add_func ("/selfcheck/element-posts-an-error", test_element_posts_an_error);
  result = g_test_run ();
  checkpoint_remove (folder);
  folder_free (verdicts);
  folder_free (cache);
  g_free (folder);
  g_free (model);
  return result;
}

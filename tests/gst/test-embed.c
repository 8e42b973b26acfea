/* The examples that embed the element, in C and in Python, run to their end on a small random checkpoint, and do what they say. */
#include "../model/checkpoint.h"
#include "../program.h"

#include <gst/gst.h>
#include <string.h>

#define PATIENCE (60 * GST_SECOND)
#define SEGMENTS 12 /* of ten seconds; the question changes behind the first one that is answered */
#define RATE 2

static gchar *folder, *model, *clip;

static void
make_clip (void)
{
  g_autofree gchar *line = g_strdup_printf ("videotestsrc pattern=ball num-buffers=%d ! "
                                            "video/x-raw,format=I420,width=64,height=64,framerate=%d/1 ! jpegenc ! avimux ! "
                                            "filesink location=%s",
      10 * RATE * SEGMENTS, RATE, clip);
  g_autoptr (GstElement) pipeline = gst_parse_launch (line, NULL);
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message = NULL;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, PATIENCE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_EOS);
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

/* What was said may have any letters in it, and lines of its own. */
static guint
count (const gchar *text, const gchar *part)
{
  guint n = 0;

  for (const gchar *at = text; (at = strstr (at, part)) != NULL; at++)
    n++;
  return n;
}

static void
test_runs (gconstpointer program)
{
  const gchar *argv[] = { program, model, clip, NULL };
  g_auto (ProgramResult) r = { 0 };
  g_autofree gchar *last =
      g_strdup_printf ("\nsegment %d.0-%d.0 s: How many people are there?: ", 10 * SEGMENTS - 10, 10 * SEGMENTS);

  program_run (argv, &r);
  g_test_message ("%s%s", r.out, r.err);
  g_assert_cmpint (r.code, ==, 0);
  g_assert_cmpstr (r.err, ==, "");
  g_assert_true (g_str_has_prefix (r.out, "segment 0.0-10.0 s: Describe in one or two sentences what happens in this video.: "));
  g_assert_nonnull (strstr (r.out, last));
  g_assert_cmpuint (count (r.out, "0 s: Describe in one") + count (r.out, "0 s: How many people are there?: "), ==, SEGMENTS);
  g_assert_cmpuint (count (r.out, "\nquestion "), ==, 1);
  g_assert_cmpuint (count (r.out, " s: Is there a dog?: "), ==, 1);
  if (g_str_equal (program, EMBED)) /* those behind the last frame come on none */
    g_assert_true (g_regex_match_simple ("\n[1-9][0-9]* results came on a frame of the video\n$", r.out, 0, 0));
}

static void
test_trouble_is_told (gconstpointer program)
{
  const gchar *argv[] = { program, "/no-such-folder", clip, NULL };
  g_auto (ProgramResult) r = { 0 };

  program_run (argv, &r);
  g_assert_cmpint (r.code, ==, 1);
  g_assert_nonnull (strstr (r.err, "/no-such-folder"));
}

int
main (int argc, char **argv)
{
  int code;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("minivl-embed-XXXXXX", NULL);
  g_assert_nonnull (folder);
  model = checkpoint_make (folder);
  clip = g_build_filename (folder, "clip.avi", NULL);
  make_clip ();
  g_test_add_data_func ("/embed/c/reads_changes_and_asks", EMBED, test_runs);
  g_test_add_data_func ("/embed/c/trouble_is_told", EMBED, test_trouble_is_told);
#ifdef EMBED_PY /* Python cannot load a sanitized plugin */
  g_test_add_data_func ("/embed/python/reads_changes_and_asks", EMBED_PY, test_runs);
  g_test_add_data_func ("/embed/python/trouble_is_told", EMBED_PY, test_trouble_is_told);
#endif
  code = g_test_run ();
  checkpoint_remove (folder);
  g_free (clip);
  g_free (model);
  g_free (folder);
  return code;
}

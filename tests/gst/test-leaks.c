/* Two hundred segments under GStreamer's leaks tracer, by the real back end and a small random checkpoint. The tracer speaks when
 * GStreamer is torn down, so that what it looks at is a process of its own: this program, with the model as argument. */
#include "../model/checkpoint.h"
#include "../program.h"
#include "gst/element/gstminivl.h"

#include <string.h>

#define PATIENCE (300 * GST_SECOND)
#define SEGMENTS 200
/* As the tracer says it of an object; it also says what it will say. */
#define ALIVE ":: object-alive,"

static gchar *folder, *model, *program;

/* --- the process that is looked at ------------------------------------------------------------------------------------------- */

static guint
count_answers (GstElement *pipeline)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  guint n = 0;

  for (;;) {
    g_autoptr (GstMessage) message =
        gst_bus_timed_pop_filtered (bus, PATIENCE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_WARNING | GST_MESSAGE_ELEMENT);

    if (message == NULL || (GST_MESSAGE_TYPE (message) & (GST_MESSAGE_ERROR | GST_MESSAGE_WARNING)))
      return 0;
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS)
      return n;
    n += gst_message_has_name (message, "minivl") && gst_structure_has_field (gst_message_get_structure (message), "prompt_tokens");
  }
}

static int
run (const gchar *model_path, guint segments, gboolean leak)
{
  g_autofree gchar *line = g_strdup_printf (
      "videotestsrc num-buffers=%u ! video/x-raw,format=I420,width=16,height=16,framerate=1/1 ! "
      "minivl name=m model-path=%s precision=f32 segment-duration=1000000000 num-segments=1 max-tokens=2 prompt=? partial=true ! "
      "fakesink sync=false m.text_src ! fakesink sync=false",
      segments, model_path);
  GstElement *pipeline;
  guint answers;

  if (!GST_ELEMENT_REGISTER (minivl, NULL))
    return 1;
  pipeline = gst_parse_launch (line, NULL);
  if (leak && gst_buffer_new () == NULL)
    return 1;
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  answers = count_answers (pipeline);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  gst_deinit ();
  g_print ("%u answers\n", answers);
  return 0;
}

/* --- and those who look ------------------------------------------------------------------------------------------------------ */

static void
run_traced (guint segments, const gchar *leak, ProgramResult *result)
{
  g_autofree gchar *number = g_strdup_printf ("%u", segments), *expected = g_strdup_printf ("%u answers\n", segments);

  program_run ((const gchar *[]){ "/usr/bin/env", "GST_TRACERS=leaks", "GST_DEBUG=GST_TRACER:7", "GST_DEBUG_NO_COLOR=1", program,
                   "--run", model, number, leak, NULL },
      result);
  if (result->code != 0)
    g_error ("%d: %s", result->code, result->err);
  g_assert_cmpstr (result->out, ==, expected);
}

static void
test_the_tracer_sees_a_leak (void)
{
  g_auto (ProgramResult) result = { 0 };

  run_traced (1, "--leak", &result);
  g_assert_nonnull (strstr (result.err, ALIVE));
}

static void
test_two_hundred_segments_leak_no_object (void)
{
  g_auto (ProgramResult) result = { 0 };
  gint64 begun = g_get_monotonic_time ();

  run_traced (SEGMENTS, NULL, &result);
  if (strstr (result.err, ALIVE) != NULL)
    g_test_message ("%s", strstr (result.err, ALIVE));
  g_assert_null (strstr (result.err, ALIVE));
  g_test_message ("%.1f s", (double)(g_get_monotonic_time () - begun) / G_TIME_SPAN_SECOND);
}

static void
set_up (void)
{
  program = g_file_read_link ("/proc/self/exe", NULL);
  folder = g_dir_make_tmp ("minivl-XXXXXX", NULL);
  model = checkpoint_make (folder);
}

int
main (int argc, char **argv)
{
  gint code;

  gst_init (&argc, &argv);
  if (argc >= 4 && g_str_equal (argv[1], "--run"))
    return run (argv[2], (guint)g_ascii_strtoull (argv[3], NULL, 10), argc > 4);
  g_test_init (&argc, &argv, NULL);
  set_up ();
  g_test_add_func ("/leaks/the_tracer_sees_a_leak", test_the_tracer_sees_a_leak);
  g_test_add_func ("/leaks/two_hundred_segments_leak_no_object", test_two_hundred_segments_leak_no_object);
  code = g_test_run ();
  checkpoint_remove (folder);
  g_free (folder);
  g_free (model);
  g_free (program);
  return code;
}

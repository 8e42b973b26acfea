/*
 * embed MODEL VIDEO: an application with the element in it: it reads what is seen, changes the question while the video plays, and
 * asks one of its own.
 *
 * All it takes is GStreamer; GST_PLUGIN_PATH names the folder of the plugin where that is not installed. embed.py is the same in
 * Python. A camera instead of a file is `rtspsrc location=...` or `v4l2src` in place of `filesrc`.
 */
#include <gst/gst.h>
#include <stdio.h>

typedef struct
{
  GMainLoop *loop;
  GstElement *minivl;
  guint64 question; /* the id that the answer to ours will have; 0: not asked yet */
  gboolean answered, ended;
  int code;
} App;

static void
finish (App *app, int code)
{
  app->code = code;
  g_main_loop_quit (app->loop);
}

static void
print_result (const GstStructure *result)
{
  guint64 start = 0, stop = 0;

  gst_structure_get_uint64 (result, "segment_start", &start);
  gst_structure_get_uint64 (result, "segment_stop", &stop);
  printf ("%s %.1f-%.1f s: %s: %s\n", gst_structure_get_string (result, "kind"), (double)start / GST_SECOND,
      (double)stop / GST_SECOND, gst_structure_get_string (result, "prompt"), gst_structure_get_string (result, "text"));
}

/* Properties and `ask` may be used from any thread, while the video plays. */
static void
ask_something (App *app)
{
  g_object_set (app->minivl, "prompt", "What has changed?", NULL);
  g_signal_emit_by_name (app->minivl, "ask", "Is anybody there?", (gdouble)2, &app->question);
  if (app->question == 0)
    finish (app, 1); /* a warning on the bus says why */
}

static void
on_result (App *app, const GstStructure *result)
{
  guint64 id = 0;

  print_result (result);
  gst_structure_get_uint64 (result, "id", &id);
  if (app->question == 0)
    ask_something (app);
  else if (id == app->question)
    app->answered = TRUE;
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer data)
{
  g_autoptr (GError) error = NULL;
  App *app = data;

  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ELEMENT:
      if (gst_message_has_name (message, "minivl"))
        on_result (app, gst_message_get_structure (message));
      break;
    case GST_MESSAGE_WARNING:
      gst_message_parse_warning (message, &error, NULL);
      fprintf (stderr, "embed: %s\n", error->message);
      break;
    case GST_MESSAGE_ERROR:
      gst_message_parse_error (message, &error, NULL);
      fprintf (stderr, "embed: %s\n", error->message);
      finish (app, 1);
      break;
    case GST_MESSAGE_EOS: /* all segments have been answered; a question of ours may not */
      app->ended = TRUE;
      break;
    default:
      break;
  }
  if (app->ended && (app->answered || app->question == 0))
    finish (app, app->answered ? 0 : 1);
  return G_SOURCE_CONTINUE;
}

static GstElement *
make_pipeline (const char *model, const char *video, GError **error)
{
  GstElement *pipeline = gst_parse_launch ("filesrc name=file ! decodebin ! videoconvert ! minivl name=minivl ! fakesink", error);
  g_autoptr (GstElement) file = NULL, minivl = NULL;

  if (pipeline == NULL)
    return NULL;
  file = gst_bin_get_by_name (GST_BIN (pipeline), "file");
  minivl = gst_bin_get_by_name (GST_BIN (pipeline), "minivl");
  g_object_set (file, "location", video, NULL);
  g_object_set (minivl, "model-path", model, "prompt", "What happens?", "segment-duration", 2 * GST_SECOND, "num-segments", 4,
      "max-tokens", 24, NULL);
  return pipeline;
}

int
main (int argc, char **argv)
{
  g_autoptr (GstElement) pipeline = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GstBus) bus = NULL;
  App app = { NULL };

  gst_init (&argc, &argv);
  if (argc != 3) {
    fprintf (stderr, "usage: embed MODEL VIDEO\n");
    return 2;
  }
  pipeline = make_pipeline (argv[1], argv[2], &error);
  if (pipeline == NULL) {
    fprintf (stderr, "embed: %s\n", error->message);
    return 1;
  }
  app.loop = g_main_loop_new (NULL, FALSE);
  app.minivl = gst_bin_get_by_name (GST_BIN (pipeline), "minivl");
  bus = gst_element_get_bus (pipeline);
  gst_bus_add_watch (bus, on_message, &app);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_main_loop_run (app.loop);

  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_bus_remove_watch (bus);
  gst_object_unref (app.minivl);
  g_main_loop_unref (app.loop);
  return app.code;
}

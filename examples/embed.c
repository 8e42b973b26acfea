/*
 * embed MODEL VIDEO: an application with the element in it: it reads what is seen, changes the question while the video plays, and
 * asks one of its own.
 *
 * GST_PLUGIN_PATH names the folder of the plugin where that is not installed. embed.py is the same in Python. A camera instead of a
 * file is `rtspsrc location=...` or `v4l2src` in place of `filesrc`. It is built by
 * cc embed.c $(pkg-config --cflags --libs minivl-gst)
 */
#include <minivl-gst.h>
#include <stdio.h>

typedef struct
{
  GMainLoop *loop;
  GstElement *minivl;
  guint64 question; /* the id that the answer to ours will have; 0: not asked yet */
  gint on_frames;   /* results that came on a frame of the video */
  gboolean answered, ended;
  int code;
} App;

static void
finish (App *app, int code)
{
  app->code = code;
  g_main_loop_quit (app->loop);
}

static double
seconds (GstClockTime time)
{
  return (double)time / GST_SECOND;
}

/* Properties and `ask` may be used from any thread, while the video plays. */
static void
ask_something (App *app)
{
  g_object_set (app->minivl, "prompt", "How many people are there?", NULL);
  g_signal_emit_by_name (app->minivl, "ask", "Is there a dog?", (gdouble)10, &app->question);
  if (app->question == 0)
    finish (app, 1); /* a warning on the bus says why */
}

static void
on_result (App *app, const MinivlResult *r)
{
  printf ("%s %.1f-%.1f s: %s: %s\n", r->kind, seconds (r->segment_start), seconds (r->segment_stop), r->prompt, r->text);
  if (app->question == 0)
    ask_something (app);
  else if (r->id == app->question)
    app->answered = TRUE;
}

/* The video brings them, too, each on the next frame that passes, for who draws on frames or stores them. A thread of the
 * pipeline's. */
static GstPadProbeReturn
on_frame (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  App *app = data;
  MinivlResult result;

  if (minivl_result_from_buffer (&result, GST_PAD_PROBE_INFO_BUFFER (info)))
    g_atomic_int_inc (&app->on_frames);
  return GST_PAD_PROBE_OK;
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer data)
{
  g_autoptr (GError) error = NULL;
  App *app = data;
  MinivlResult result;

  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ELEMENT:
      if (minivl_result_from_message (&result, message))
        on_result (app, &result);
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
  GstElement *pipeline = gst_parse_launch_full (
      "filesrc name=file ! decodebin ! videoconvert ! minivl name=minivl ! fakesink", NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
  g_autoptr (GstElement) file = NULL, minivl = NULL;

  if (pipeline == NULL)
    return NULL;
  file = gst_bin_get_by_name (GST_BIN (pipeline), "file");
  minivl = gst_bin_get_by_name (GST_BIN (pipeline), "minivl");
  g_object_set (file, "location", video, NULL);
  g_object_set (minivl, "model-path", model, "segment-duration", 10 * GST_SECOND, "num-segments", 8, "max-tokens", 48, NULL);
  return pipeline;
}

int
main (int argc, char **argv)
{
  g_autoptr (GstElement) pipeline = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GstBus) bus = NULL;
  g_autoptr (GstPad) pad = NULL;
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
  pad = gst_element_get_static_pad (app.minivl, "src");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_frame, &app, NULL);
  bus = gst_element_get_bus (pipeline);
  gst_bus_add_watch (bus, on_message, &app);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_main_loop_run (app.loop);

  gst_element_set_state (pipeline, GST_STATE_NULL);
  printf ("%d results came on a frame of the video\n", app.on_frames);
  gst_bus_remove_watch (bus);
  gst_object_unref (app.minivl);
  g_main_loop_unref (app.loop);
  return app.code;
}

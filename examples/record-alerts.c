/*
 * record-alerts MODEL FOLDER QUESTIONS SOURCE: records what stands around an alert, and nothing else.
 *
 *   record-alerts MODEL clips "Is anybody at the door?" v4l2src
 *   record-alerts MODEL clips "Is there fire?; Is there smoke?" "filesrc location=yard.avi ! decodebin"
 *
 * splitmuxsink records all of the video in pieces. An alert is told when its segment has passed, with the segment's times; so a
 * piece waits until the segments that reach into it have been answered, and is then kept or removed. Nothing is missed however long
 * the model takes, and only the pieces that wait take room.
 */
#include <glib/gstdio.h>
#include <gst/gst.h>
#include <stdio.h>

#define PIECE (5 * GST_SECOND)
#define AROUND (2 * GST_SECOND) /* of the video in front of an alert and behind it */
#define PIPELINE                                                                                                                   \
  "%s ! videoconvert ! minivl name=minivl segment-duration=2000000000 num-segments=4 ! videoconvert ! vp8enc deadline=1 "          \
  "keyframe-max-dist=1000 ! splitmuxsink name=record muxer=matroskamux send-keyframe-requests=true"

/* All times are running times. */
typedef struct
{
  guint64 start, stop;
} Span;

typedef struct
{
  gchar *path;
  guint64 start, stop;
} Piece;

typedef struct
{
  GMainLoop *loop;
  GQueue pieces;    /* Piece, complete ones that wait */
  guint64 opened;   /* when the one began that is recorded now */
  GArray *wanted;   /* Span, in order */
  guint n_active;   /* alerts */
  guint64 answered; /* up to there; G_MAXUINT64: all */
  int code;
} App;

static void
piece_free (Piece *piece)
{
  g_free (piece->path);
  g_free (piece);
}

static gboolean
is_wanted (App *app, guint64 start, guint64 stop)
{
  while (app->wanted->len > 0 && g_array_index (app->wanted, Span, 0).stop <= start)
    g_array_remove_index (app->wanted, 0);
  return app->wanted->len > 0 && g_array_index (app->wanted, Span, 0).start < stop;
}

static void
decide (App *app)
{
  Piece *piece;

  while ((piece = g_queue_peek_head (&app->pieces)) != NULL && piece->stop + AROUND <= app->answered) {
    if (is_wanted (app, piece->start, piece->stop))
      printf ("kept %s\n", piece->path);
    else
      g_unlink (piece->path);
    piece_free (g_queue_pop_head (&app->pieces));
  }
}

static void
on_closed (App *app, const GstStructure *s)
{
  Piece *piece = g_new0 (Piece, 1);

  piece->path = g_strdup (gst_structure_get_string (s, "location"));
  piece->start = app->opened;
  gst_structure_get_clock_time (s, "running-time", &piece->stop);
  g_queue_push_tail (&app->pieces, piece);
  decide (app);
}

static void
on_alert (App *app, const GstStructure *s)
{
  gboolean active = FALSE;

  gst_structure_get_boolean (s, "active", &active);
  app->n_active += active ? 1 : -1;
  printf ("%s\n", gst_structure_get_string (s, "text"));
}

/* Comes behind its alerts. A segment that was dropped is taken for what the one before it was. */
static void
on_segment (App *app, const GstStructure *s)
{
  guint64 start = 0, stop = 0, end;

  gst_structure_get_uint64 (s, "segment_start", &start);
  gst_structure_get_uint64 (s, "segment_stop", &stop);
  if (!gst_structure_get_uint64 (s, "running_time", &end))
    return;
  if (app->n_active > 0) {
    guint64 margin = stop - start + AROUND;
    Span span = { end > margin ? end - margin : 0, end + AROUND };

    g_array_append_val (app->wanted, span);
  }
  app->answered = MAX (app->answered, end);
  decide (app);
}

static void
on_element (App *app, GstMessage *message)
{
  const GstStructure *s = gst_message_get_structure (message);

  if (gst_structure_has_name (s, "splitmuxsink-fragment-opened"))
    gst_structure_get_clock_time (s, "running-time", &app->opened);
  else if (gst_structure_has_name (s, "splitmuxsink-fragment-closed"))
    on_closed (app, s);
  else if (gst_structure_has_name (s, "minivl-alert"))
    on_alert (app, s);
  else if (gst_structure_has_name (s, "minivl") && g_strcmp0 (gst_structure_get_string (s, "kind"), "segment") == 0)
    on_segment (app, s);
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer data)
{
  g_autoptr (GError) error = NULL;
  App *app = data;

  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ELEMENT:
      on_element (app, message);
      break;
    case GST_MESSAGE_WARNING:
      gst_message_parse_warning (message, &error, NULL);
      fprintf (stderr, "record-alerts: %s\n", error->message);
      break;
    case GST_MESSAGE_ERROR:
      gst_message_parse_error (message, &error, NULL);
      fprintf (stderr, "record-alerts: %s\n", error->message);
      app->code = 1;
      g_main_loop_quit (app->loop);
      break;
    case GST_MESSAGE_EOS: /* all segments have been answered, and all pieces are closed */
      app->answered = G_MAXUINT64;
      decide (app);
      g_main_loop_quit (app->loop);
      break;
    default:
      break;
  }
  return G_SOURCE_CONTINUE;
}

static GstElement *
make_pipeline (char **argv, GError **error)
{
  g_autofree gchar *line = g_strdup_printf (PIPELINE, argv[4]), *path = g_build_filename (argv[2], "%05d.mkv", NULL);
  GstElement *pipeline = gst_parse_launch_full (line, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
  g_autoptr (GstElement) minivl = NULL, record = NULL;

  if (pipeline == NULL)
    return NULL;
  minivl = gst_bin_get_by_name (GST_BIN (pipeline), "minivl");
  record = gst_bin_get_by_name (GST_BIN (pipeline), "record");
  g_object_set (minivl, "model-path", argv[1], "alerts", argv[3], "alert-picture", argv[2], NULL);
  g_object_set (record, "location", path, "max-size-time", PIECE, NULL);
  return pipeline;
}

int
main (int argc, char **argv)
{
  g_autoptr (GstElement) pipeline = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GstBus) bus = NULL;
  App app = { .pieces = G_QUEUE_INIT };

  gst_init (&argc, &argv);
  if (argc != 5) {
    fprintf (stderr, "usage: record-alerts MODEL FOLDER QUESTIONS SOURCE\n");
    return 2;
  }
  pipeline = make_pipeline (argv, &error);
  if (pipeline == NULL) {
    fprintf (stderr, "record-alerts: %s\n", error->message);
    return 1;
  }
  app.loop = g_main_loop_new (NULL, FALSE);
  app.wanted = g_array_new (FALSE, FALSE, sizeof (Span));
  bus = gst_element_get_bus (pipeline);
  gst_bus_add_watch (bus, on_message, &app);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_main_loop_run (app.loop);

  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_bus_remove_watch (bus);
  g_queue_clear_full (&app.pieces, (GDestroyNotify)piece_free);
  g_array_unref (app.wanted);
  g_main_loop_unref (app.loop);
  return app.code;
}

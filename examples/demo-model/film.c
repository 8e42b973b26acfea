/* yard: writes a film of the yard, one scene after the other, all before the house of the first: Matroska with JPEG pictures.
 * Prints what is to be seen in each. */
#include "clips.h"

#include <gst/app/gstappsrc.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct
{
  gint width, height, rate, seconds;
  gchar **names; /* the file, then seeds */
  YardScene *scenes;
  guint n_scenes, drawn; /* frames */
} Film;

static gboolean
parse_options (Film *f, gint argc, gchar **argv, GError **error)
{
  g_autofree gchar *size = NULL;
  const GOptionEntry entries[] = {
    { "size", 0, 0, G_OPTION_ARG_FILENAME, &size, "of the pictures (640x360); a multiple of 4 wide, of 2 high", "WxH" },
    { "fps", 0, 0, G_OPTION_ARG_INT, &f->rate, "frames a second (10)", "N" },
    { "seconds", 0, 0, G_OPTION_ARG_INT, &f->seconds, "length of a scene (10)", "N" },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &f->names, NULL, "FILE SEED [SEED...]" },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  guint64 background = 0;

  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, &argc, &argv, error))
    return FALSE;
  if ((size != NULL && sscanf (size, "%dx%d", &f->width, &f->height) != 2) || f->width < 16 || f->width > 4096 || f->width % 4
      || f->height < 16 || f->height > 4096 || f->height % 2 || f->rate < 1 || f->rate > 100 || f->seconds < 1 || f->seconds > 3600
      || f->names == NULL || g_strv_length (f->names) < 2) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "a FILE and SEEDs, sides from 16 to 4096, --fps from 1 to 100, --seconds from 1 to 3600; see --help");
    return FALSE;
  }
  f->n_scenes = g_strv_length (f->names) - 1;
  f->scenes = g_new (YardScene, f->n_scenes);
  for (guint i = 0; i < f->n_scenes; i++) {
    guint64 seed;

    if (!g_ascii_string_to_unsigned (f->names[i + 1], 10, 0, G_MAXINT64, &seed, error))
      return FALSE;
    background = i == 0 ? seed : background;
    yard_scene_init (&f->scenes[i], seed, &background, NULL);
  }
  return TRUE;
}

static void
on_need_data (GstElement *source, guint length, gpointer data)
{
  Film *f = data;
  guint n_frames = f->rate * f->seconds, scene = f->drawn / n_frames;
  GstBuffer *buffer;

  if (scene == f->n_scenes) {
    gst_app_src_end_of_stream (GST_APP_SRC (source));
    return;
  }
  buffer = clips_draw (&f->scenes[scene], f->drawn % n_frames, n_frames, f->width, f->height);
  GST_BUFFER_PTS (buffer) = gst_util_uint64_scale (f->drawn, GST_SECOND, f->rate);
  GST_BUFFER_DURATION (buffer) = GST_SECOND / f->rate;
  f->drawn++;
  gst_app_src_push_buffer (GST_APP_SRC (source), buffer);
}

static void
print_truth (const Film *f)
{
  for (guint i = 0; i < f->n_scenes; i++) {
    g_autofree gchar *report = NULL;
    YardFacts facts;

    yard_scene_get_facts (&f->scenes[i], &facts);
    report = grammar_report (&facts);
    g_print ("%u s to %u s: %s\n", i * f->seconds, (i + 1) * f->seconds, report);
  }
}

static gboolean
write_film (Film *f, GError **error)
{
  g_autofree gchar *line = g_strdup_printf ("appsrc name=source format=time caps=video/x-raw,format=RGB,width=%d,height=%d,"
                                            "framerate=%d/1 ! videoconvert ! jpegenc quality=90 ! matroskamux ! filesink name=sink",
      f->width, f->height, f->rate);
  GstElement *pipeline = gst_parse_launch_full (line, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
  g_autoptr (GstElement) source = NULL, sink = NULL;
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GstBus) bus = NULL;
  gboolean ok;

  if (pipeline == NULL)
    return FALSE;
  gst_object_ref_sink (pipeline);
  source = gst_bin_get_by_name (GST_BIN (pipeline), "source");
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  g_object_set (sink, "location", f->names[0], NULL);
  g_signal_connect (source, "need-data", G_CALLBACK (on_need_data), f);
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  ok = GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;
  if (!ok)
    gst_message_parse_error (message, error, NULL);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  return ok;
}

gint
main (gint argc, gchar **argv)
{
  Film f = { .width = 640, .height = 360, .rate = 10, .seconds = 10 };
  g_autoptr (GError) error = NULL;

  if (!parse_options (&f, argc, argv, &error) || !write_film (&f, &error))
    g_printerr ("yard: %s\n", error->message);
  else
    print_truth (&f);
  g_strfreev (f.names);
  g_free (f.scenes);
  if (error == NULL)
    return EXIT_SUCCESS;
  return error->domain == GST_RESOURCE_ERROR || error->domain == GST_STREAM_ERROR ? EXIT_FAILURE : 2;
}

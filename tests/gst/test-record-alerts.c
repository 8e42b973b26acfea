/* The recipe that records around an alert: what stands around it is there, and what does not is gone. */
#include "fake.h"
#include "gst/element/gstminivl.h"

#include <glib/gstdio.h>
#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/video/video.h>

#define SECONDS 40
#define RATE 5
#define SIDE 64

/* Of examples/record-alerts.c. */
int record_alerts_main (int argc, char **argv);

static gchar *folder;

/* --- video whose brightness tells the second --------------------------------------------------------------------------------- */

static guint
brightness (guint second)
{
  return 20 + 5 * second;
}

static void
make_clip (const gchar *path)
{
  g_autofree gchar *line = g_strdup_printf ("appsrc name=src format=time caps=video/x-raw,format=GRAY8,width=%d,height=%d,"
                                            "framerate=%d/1 ! jpegenc ! avimux ! filesink location=%s",
      SIDE, SIDE, RATE, path);
  g_autoptr (GstElement) pipeline = gst_parse_launch (line, NULL), src = gst_bin_get_by_name (GST_BIN (pipeline), "src");
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message = NULL;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (guint i = 0; i < SECONDS * RATE; i++) {
    GstBuffer *buffer = gst_buffer_new_and_alloc (SIDE * SIDE);

    gst_buffer_memset (buffer, 0, brightness (i / RATE), -1);
    GST_BUFFER_PTS (buffer) = i * GST_SECOND / RATE;
    GST_BUFFER_DURATION (buffer) = GST_SECOND / RATE;
    gst_app_src_push_buffer (GST_APP_SRC (src), buffer);
  }
  gst_app_src_end_of_stream (GST_APP_SRC (src));
  message = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_EOS);
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

static guint
brightness_of (GstSample *sample)
{
  GstVideoInfo info;
  GstVideoFrame frame;
  guint value;

  g_assert_true (gst_video_info_from_caps (&info, gst_sample_get_caps (sample)));
  g_assert_true (gst_video_frame_map (&frame, &info, gst_sample_get_buffer (sample), GST_MAP_READ));
  value = ((guint8 *)GST_VIDEO_FRAME_COMP_DATA (&frame, 0))[SIDE / 2 * GST_VIDEO_FRAME_COMP_STRIDE (&frame, 0) + SIDE / 2];
  gst_video_frame_unmap (&frame);
  return value;
}

/* Counts the file's frames by the second of the video that they show. */
static void
count_frames (const gchar *path, guint counts[SECONDS])
{
  g_autofree gchar *line = g_strdup_printf (
      "filesrc location=%s ! matroskademux ! vp8dec ! videoconvert ! video/x-raw,format=GRAY8 ! appsink name=sink sync=false",
      path);
  g_autoptr (GstElement) pipeline = gst_parse_launch (line, NULL), sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  GstSample *sample;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while ((sample = gst_app_sink_pull_sample (GST_APP_SINK (sink))) != NULL) {
    gint second = ((gint)brightness_of (sample) - 20 + 2) / 5;

    g_assert_cmpint (second, <, SECONDS);
    counts[second]++;
    gst_sample_unref (sample);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

/* --- the recipe -------------------------------------------------------------------------------------------------------------- */

static int
record (const gchar *questions, const gchar *source)
{
  gchar *argv[] = { (gchar *)"record-alerts", (gchar *)"/fake", folder, (gchar *)questions, (gchar *)source, NULL };

  return record_alerts_main (5, argv);
}

static guint
count_files (const gchar *suffix, guint counts[SECONDS])
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const gchar *name;
  guint n = 0;

  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree gchar *path = g_build_filename (folder, name, NULL);

    if (!g_str_has_suffix (name, suffix))
      continue;
    n++;
    if (counts != NULL)
      count_frames (path, counts);
  }
  return n;
}

/* Segments of 2 s: an alert in [16, 20), with 2 s around it; pieces of 5 s. Another one at the very end. */
static void
test_what_stands_around_an_alert_is_there_and_nothing_else (void)
{
  g_autofree gchar *clip = g_build_filename (folder, "clip.avi", NULL);
  g_autofree gchar *source = g_strdup_printf ("filesrc location=%s ! avidemux ! jpegdec", clip);
  guint counts[SECONDS] = { 0 };

  fake_reset ();
  make_clip (clip);
  fake_add_scores ("0 0 0 0 0 0 0 0 0.9 0.9 0 0 0 0 0 0 0 0 0 0.9");
  g_assert_cmpint (record ("A dog?", source), ==, 0);
  g_assert_cmpuint (fake_count (FAKE_YES), ==, SECONDS / 2);
  g_assert_cmpuint (count_files (".mkv", counts), ==, 4);
  for (guint i = 0; i < SECONDS; i++)
    g_assert_cmpuint (counts[i], ==, (i >= 10 && i < 25) || i >= 35 ? RATE : 0);
  g_assert_cmpuint (count_files (".jpg", NULL), ==, 3); /* two rose, one fell */
}

static void
test_trouble_is_told (void)
{
  gchar *argv[] = { (gchar *)"record-alerts", NULL };

  g_assert_cmpint (record_alerts_main (1, argv), ==, 2);
  g_assert_cmpint (record ("A dog?", "no-such-element"), ==, 1);
  g_assert_cmpint (record ("A dog?", "filesrc location=/no/such/file ! decodebin"), ==, 1);
}

static void
empty_folder (void)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const gchar *name;

  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree gchar *path = g_build_filename (folder, name, NULL);

    g_unlink (path);
  }
}

int
main (int argc, char **argv)
{
  int code;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  fake_reset ();
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));
  folder = g_dir_make_tmp ("minivl-record-XXXXXX", NULL);
  g_test_add_func (
      "/record/what_stands_around_an_alert_is_there_and_nothing_else", test_what_stands_around_an_alert_is_there_and_nothing_else);
  g_test_add_func ("/record/trouble_is_told", test_trouble_is_told);
  code = g_test_run ();
  empty_folder ();
  g_rmdir (folder);
  g_free (folder);
  return code;
}

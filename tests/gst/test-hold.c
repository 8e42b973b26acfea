/* What the element takes of the streaming thread's time, by the real back end and a small random checkpoint. */
#include "../model/checkpoint.h"
#include "gst/element/gstminivl.h"

#include <gst/check/gstharness.h>
#include <gst/video/video.h>
#include <time.h>

static gchar *model;

#define FPS 30
#define LIMIT_NS 2000000

typedef struct
{
  guint64 begun, begun_wall;
  GArray *cpu, *wall; /* guint64, ns a buffer */
} Stopwatch;

static guint64
clock_time (clockid_t clock)
{
  struct timespec now;

  clock_gettime (clock, &now);
  return (guint64)now.tv_sec * 1000000000 + now.tv_nsec;
}

static GstPadProbeReturn
enter (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Stopwatch *watch = data;

  watch->begun_wall = clock_time (CLOCK_MONOTONIC);
  watch->begun = clock_time (CLOCK_THREAD_CPUTIME_ID);
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
leave (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Stopwatch *watch = data;
  guint64 cpu = clock_time (CLOCK_THREAD_CPUTIME_ID) - watch->begun, wall = clock_time (CLOCK_MONOTONIC) - watch->begun_wall;

  g_array_append_val (watch->cpu, cpu);
  g_array_append_val (watch->wall, wall);
  return GST_PAD_PROBE_OK;
}

static int
compare (const void *a, const void *b)
{
  guint64 x = *(const guint64 *)a, y = *(const guint64 *)b;

  return x < y ? -1 : x > y;
}

static void
add_probe (GstElement *element, const gchar *name, GstPadProbeCallback callback, gpointer data)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (element, name);

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, callback, data, NULL);
}

/* Of a thousand, `rank` are no longer. */
static guint64
quantile (GArray *taken, guint rank)
{
  g_array_sort (taken, compare);
  return g_array_index (taken, guint64, MIN (taken->len * rank / 1000, taken->len - 1));
}

/* Equal pictures are encoded once; this one was not seen yet. */
static GstBuffer *
new_picture (GstBuffer *like, guint number)
{
  GstBuffer *picture = gst_buffer_copy_deep (like);

  gst_buffer_memset (picture, number * sizeof number, number, 200000);
  return picture;
}

/* One of four frames is sampled, so that the 99th of a hundred is one that was copied. As a benchmark (-m perf) it goes on for a
 * minute with more than the model can do, and says how long buffers were held. */
static void
test_the_streaming_thread_takes_under_two_ms_a_1080p_frame (gconstpointer format)
{
  g_autofree gchar *caps =
      g_strdup_printf ("video/x-raw, format = %s, width = 1920, height = 1080, framerate = 30/1", (gchar *)format);
  g_autofree gchar *line = g_strdup_printf (
      "minivl name=m model-path=%s precision=f32 segment-duration=1000000000 num-segments=8 max-tokens=%u max-tiles=%u", model,
      g_test_perf () ? 512 : 16, g_test_perf () ? 40 : 1);
  GstElement *element = gst_object_ref_sink (gst_parse_launch (line, NULL));
  GstHarness *h = gst_harness_new_with_element (element, "sink", "src");
  Stopwatch watch = { .cpu = g_array_new (FALSE, FALSE, sizeof (guint64)), .wall = g_array_new (FALSE, FALSE, sizeof (guint64)) };
  guint n_frames = (g_test_perf () ? 60 : 8) * FPS;
  guint64 busy = clock_time (CLOCK_PROCESS_CPUTIME_ID), results, dropped;
  g_autoptr (GstStructure) stats = NULL;
  GstBuffer *pictures[4];
  GstVideoInfo info;
  gint64 start;

  gst_harness_set_live (h, TRUE);
  gst_harness_set_drop_buffers (h, TRUE);
  gst_harness_set_src_caps_str (h, caps);
  gst_video_info_set_format (&info, gst_video_format_from_string (format), 1920, 1080);
  for (guint i = 0; i < G_N_ELEMENTS (pictures); i++) {
    pictures[i] = gst_buffer_new_and_alloc (info.size);
    gst_buffer_memset (pictures[i], 0, 50 * i, -1);
  }
  add_probe (element, "sink", enter, &watch);
  add_probe (element, "src", leave, &watch);
  start = g_get_monotonic_time ();
  for (guint i = 0; i < n_frames; i++) {
    GstBuffer *like = pictures[i % G_N_ELEMENTS (pictures)],
              *buffer = g_test_perf () ? new_picture (like, i) : gst_buffer_copy (like);
    gint64 due = start + (gint64)i * G_TIME_SPAN_SECOND / FPS, now = g_get_monotonic_time ();

    if (now < due)
      g_usleep (due - now); /* a live source: without its pace the model would have nothing to do but to drop */
    GST_BUFFER_PTS (buffer) = gst_util_uint64_scale (i, GST_SECOND, FPS);
    GST_BUFFER_DURATION (buffer) = GST_SECOND / FPS;
    g_assert_cmpint (gst_harness_push (h, buffer), ==, GST_FLOW_OK);
  }
  g_assert_cmpuint (watch.cpu->len, ==, n_frames); /* none is lost */
  busy = clock_time (CLOCK_PROCESS_CPUTIME_ID) - busy;
  g_object_get (element, "stats", &stats, NULL);
  g_assert_true (gst_structure_get (stats, "results", G_TYPE_UINT64, &results, "dropped", G_TYPE_UINT64, &dropped, NULL));
  g_test_message ("%u buffers; %.2f cores busy, %" G_GUINT64_FORMAT " results, %" G_GUINT64_FORMAT " of them dropped", n_frames,
      busy / 1000.0 / (g_get_monotonic_time () - start), results, dropped);
  g_test_message ("CPU time: median %.3f ms, p99 %.3f ms; held: median %.3f ms, p99.9 %.3f ms, longest %.3f ms",
      quantile (watch.cpu, 500) / 1e6, quantile (watch.cpu, 990) / 1e6, quantile (watch.wall, 500) / 1e6,
      quantile (watch.wall, 999) / 1e6, quantile (watch.wall, 1000) / 1e6);
  g_assert_cmpuint (quantile (watch.cpu, 990), <, LIMIT_NS);
  g_array_unref (watch.cpu);
  g_array_unref (watch.wall);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_harness_teardown (h);
  gst_object_unref (element);
  for (guint i = 0; i < G_N_ELEMENTS (pictures); i++)
    gst_buffer_unref (pictures[i]);
}

int
main (int argc, char **argv)
{
  static const gchar *const formats[] = { "NV12", "YUY2", "P010_10LE" }; /* of which the last two are converted */
  g_autofree gchar *folder = NULL;
  gint code;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_assert_true (GST_ELEMENT_REGISTER (minivl, NULL));
  folder = g_dir_make_tmp ("minivl-XXXXXX", NULL);
  model = checkpoint_make (folder);
  for (guint i = 0; i < (g_test_perf () ? 1 : G_N_ELEMENTS (formats)); i++) {
    g_autofree gchar *path = g_strconcat ("/engine/the_streaming_thread_takes_under_two_ms_a_1080p_frame/", formats[i], NULL);

    g_test_add_data_func (path, formats[i], test_the_streaming_thread_takes_under_two_ms_a_1080p_frame);
  }
  code = g_test_run ();
  checkpoint_remove (folder);
  g_free (model);
  return code;
}

/* An element that is started and stopped again and again, by the real back end and the demo model: what it takes does not grow.
 * The memory of a CPU device and that of pixels come out of malloc, whose arenas keep for ever what threads have freed that are
 * gone. */
#include "gst/element/gstminivl.h"
#include "held.h"
#include "pipeline.h"

#include <malloc.h>
#include <string.h>

/* malloc gives the top of an arena back when threads use that arena again, so that what is held wavers by tens of megabytes from
 * life to life, and arenas come into use one after another: of ten lives the least one counts, after the first thirty. */
#define LIVES 100
#define WARM_UP 30
#define WINDOW 10
#define MAX_GROWTH (50 << 20) /* from the first window to the last one */
/* Most that malloc may keep which it could give back. One model and its cache are 100 MB, the pixels of one life at 3840x2160
 * another 100. */
#define MAX_KEPT (20 << 20)
#define LASTING_THREADS 2 /* the first one, and GLib's that makes those of pools */

/* The source stops first, for the frames of its pool are not the element's, and would else be freed behind it. */
static void
live (GstElement *pipeline)
{
  g_autoptr (GstElement) source = gst_bin_get_by_name (GST_BIN (pipeline), "source");

  g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_PLAYING), !=, GST_STATE_CHANGE_FAILURE);
  g_assert_cmpuint (pipeline_count_results (pipeline), ==, 1);
  g_assert_cmpint (gst_element_set_state (source, GST_STATE_NULL), ==, GST_STATE_CHANGE_SUCCESS);
  g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_NULL), ==, GST_STATE_CHANGE_SUCCESS);
}

/* What malloc keeps is told first, for that is taken away by looking. */
static void
assert_little_is_kept (gint64 held)
{
  gint64 kept;

  malloc_trim (0);
  kept = held - held_bytes ();
  g_test_message ("%.1f MB held, %.1f MB of them kept by malloc", held / 1e6, kept / 1e6);
  g_assert_cmpint (kept, <, MAX_KEPT);
}

/* Bytes held after that one of `n` lives after which the fewest were. */
static gint64
least_of_lives (GstElement *pipeline, guint n)
{
  gint64 least = G_MAXINT64;

  for (guint i = 0; i < n; i++) {
    live (pipeline);
    least = MIN (least, held_bytes ());
  }
  return least;
}

static void
test_a_hundred_lives_hold_what_forty_do (void)
{
  GstElement *pipeline =
      pipeline_new ("videotestsrc name=source num-buffers=2 ! video/x-raw,format=I420,width=320,height=240,framerate=10/1 ! "
                    "minivl model-path=demo segment-duration=200000000 num-segments=1 max-tokens=1 ! fakesink sync=false");
  gint64 early, late;
  guint threads;

  least_of_lives (pipeline, WARM_UP);
  early = least_of_lives (pipeline, WINDOW);
  least_of_lives (pipeline, LIVES - WARM_UP - 2 * WINDOW);
  late = least_of_lives (pipeline, WINDOW);
  g_test_message ("%.1f MB held after forty lives, %.1f MB after a hundred", early / 1e6, late / 1e6);
  g_assert_cmpint (late, <, early + MAX_GROWTH);
  assert_little_is_kept (held_bytes ());
  threads = held_threads (LASTING_THREADS);
  pipeline_free (pipeline);
  g_assert_cmpuint (threads, <=, LASTING_THREADS);
}

/* The model stays, for another element holds it; so what is freed are pixels. */
static void
test_pixels_are_given_back_while_the_model_stays (void)
{
  const gchar *line = "videotestsrc name=source num-buffers=%u ! video/x-raw,format=I420,width=%u,height=%u,framerate=10/1 ! "
                      "minivl model-path=demo segment-duration=800000000 num-segments=8 max-tokens=1 ! "
                      "fakesink sync=false enable-last-sample=false";
  GstElement *other = pipeline_new (line, 8, 16, 16), *pipeline = pipeline_new (line, 8, 3840, 2160);
  gint64 held;

  g_assert_cmpint (gst_element_set_state (other, GST_STATE_PLAYING), !=, GST_STATE_CHANGE_FAILURE);
  g_assert_cmpuint (pipeline_count_results (other), ==, 1);
  malloc_trim (0);
  for (guint i = 0; i < 3; i++)
    live (pipeline);
  held = held_bytes ();
  assert_little_is_kept (held);
  pipeline_free (pipeline);
  pipeline_free (other);
}

/* Of one life, whose messages are read to EOS. */
static guint
count_warnings (GstElement *pipeline)
{
  guint warnings = 0;

  g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_PLAYING), !=, GST_STATE_CHANGE_FAILURE);
  for (;;) {
    g_autoptr (GstMessage) message = pipeline_await (pipeline, GST_MESSAGE_WARNING | GST_MESSAGE_EOS);
    g_autoptr (GError) warning = NULL;

    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS)
      break;
    gst_message_parse_warning (message, &warning, NULL);
    g_assert_nonnull (strstr (warning->message, "the demo model knows only a drawn yard; set model-path"));
    warnings++;
  }
  g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_NULL), ==, GST_STATE_CHANGE_SUCCESS);
  return warnings;
}

static void
test_the_demo_model_warns_once_unless_it_is_meant (void)
{
  const gchar *line = "videotestsrc num-buffers=2 ! video/x-raw,format=I420,width=32,height=32,framerate=10/1 ! minivl "
                      "segment-duration=200000000 num-segments=1 max-tokens=1 %s ! fakesink sync=false";
  const gchar *const unmeant[] = { "", "model-path=\"\"" };
  GstElement *meant = pipeline_new (line, "model-path=demo");

  for (guint i = 0; i < G_N_ELEMENTS (unmeant); i++) {
    GstElement *pipeline = pipeline_new (line, unmeant[i]);

    g_assert_cmpuint (count_warnings (pipeline), ==, 1);
    g_assert_cmpuint (count_warnings (pipeline), ==, 0);
    pipeline_free (pipeline);
  }
  g_assert_cmpuint (count_warnings (meant), ==, 0);
  pipeline_free (meant);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_assert_true (GST_ELEMENT_REGISTER (minivl, NULL));

#define RULE(name) g_test_add_func ("/lives/" #name, test_##name)
  RULE (a_hundred_lives_hold_what_forty_do);
  RULE (pixels_are_given_back_while_the_model_stays);
  RULE (the_demo_model_warns_once_unless_it_is_meant);
#undef RULE
  return g_test_run ();
}

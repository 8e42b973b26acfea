/* Streams in which anything may come next: nothing crashes, waits without end, or is lost. */
#include "gst/element/gstminivl.h"
#include "rig.h"

#include <gst/video/video.h>

static guint64
count_results (Rig *rig)
{
  GstMessage *message;
  guint64 n = 0;

  while ((message = gst_bus_pop (rig->bus)) != NULL) {
    g_assert_cmpint (GST_MESSAGE_TYPE (message), !=, GST_MESSAGE_ERROR);
    n += gst_message_has_name (message, "minivl");
    gst_message_unref (message);
  }
  return n;
}

static void
push_any (Rig *rig, guint64 *time)
{
  GstBuffer *buffer = rig_frame (rig, 1);
  gint kind = g_test_rand_int_range (0, 40);

  *time += 100 * GST_MSECOND;
  GST_BUFFER_PTS (buffer) = *time;
  GST_BUFFER_DURATION (buffer) = 100 * GST_MSECOND;
  if (kind == 0)
    GST_BUFFER_PTS (buffer) = GST_CLOCK_TIME_NONE;
  if (kind == 1)
    GST_BUFFER_PTS (buffer) += g_test_rand_int_range (1, 100000) * GST_SECOND;
  if (kind == 2)
    GST_BUFFER_PTS (buffer) = g_test_rand_int_range (0, 1000) * GST_MSECOND;
  if (kind == 3)
    GST_BUFFER_PTS (buffer) -= MIN (*time, 150 * GST_MSECOND);
  if (kind == 4)
    *time += g_test_rand_int_range (0, 5000) * GST_MSECOND;
  if (kind == 5)
    *time = g_test_rand_int_range (0, 5000) * GST_MSECOND;
  if (kind >= 30)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_CORRUPTED);
  if (kind % 2 == 0)
    gst_buffer_add_video_region_of_interest_meta (buffer, "person", 0, 0, 4, 4);
  g_assert_cmpint (gst_harness_push (rig->video, buffer), ==, GST_FLOW_OK);
  gst_buffer_unref (gst_harness_pull (rig->video));
}

static void
do_anything (Rig *rig, guint64 *time)
{
  switch (g_test_rand_int_range (0, 60)) {
    case 0:
      rig_set_caps (rig, "RGB", 8 * g_test_rand_int_range (1, 4), 4, g_test_rand_int_range (0, 2) * 10, 1);
      break;
    case 1:
      gst_harness_push_event (rig->video, gst_event_new_flush_start ());
      gst_harness_push_event (rig->video, gst_event_new_flush_stop (TRUE));
      *time = g_test_rand_int_range (0, 100) * GST_SECOND;
      rig_push_segment (rig, *time, *time, 0);
      break;
    case 2:
      rig_push_segment (rig, 0, g_test_rand_int_range (0, 3) * GST_SECOND, 0);
      break;
    case 3:
      gst_harness_push_event (
          rig->video, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty ("minivl-segment")));
      break;
    case 4:
      gst_harness_set_time (
          rig->video, gst_clock_get_time (GST_ELEMENT_CLOCK (rig->element)) + g_test_rand_int_range (0, 9000) * GST_MSECOND);
      break;
    case 5:
      gst_element_set_state (rig->element, GST_STATE_PAUSED);
      gst_element_set_state (rig->element, GST_STATE_PLAYING);
      break;
    default:
      push_any (rig, time);
  }
}

static void
test_any_stream (const gchar *properties, gboolean live)
{
  for (guint round = 0; round < 20; round++) {
    Rig *rig = live ? rig_new_live (properties) : rig_new (properties);
    g_autoptr (GstStructure) stats = NULL;
    guint64 time = 0, results = 0;

    gst_harness_use_testclock (rig->video);
    rig_push (rig, 0, 1);
    gst_buffer_unref (gst_harness_pull (rig->video));
    for (guint i = 0; i < 300; i++) {
      do_anything (rig, &time);
      results += count_results (rig);
    }
    rig_eos (rig);
    g_object_get (rig->element, "stats", &stats, NULL);
    results += count_results (rig);
    g_assert_cmpuint (results, ==, rig_uint64 (stats, "segments"));
    g_assert_cmpuint (results, >, 0);
    rig_free (rig);
  }
}

static void
test_file (void)
{
  test_any_stream ("num-segments=4", FALSE);
}

static void
test_overlap_and_regions (void)
{
  test_any_stream ("num-segments=3 segment-overlap=700000000 roi=person", FALSE);
}

static void
test_similar_and_history (void)
{
  test_any_stream ("num-segments=8 skip-similar=0.9 history-size=4 segment-duration=3000000000", FALSE);
}

static void
test_camera (void)
{
  test_any_stream ("num-segments=4", TRUE);
}

static void
test_camera_with_overlap (void)
{
  test_any_stream ("num-segments=4 segment-overlap=900000000 max-backlog=1 leaky=upstream", TRUE);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));

#define RULE(name) g_test_add_func ("/any-stream/" #name, test_##name)
  RULE (file);
  RULE (overlap_and_regions);
  RULE (similar_and_history);
  RULE (camera);
  RULE (camera_with_overlap);
#undef RULE
  return g_test_run ();
}

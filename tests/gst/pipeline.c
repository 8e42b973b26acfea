#include "pipeline.h"

#define PATIENCE (300 * GST_SECOND)

GstElement *
pipeline_new (const gchar *format, ...)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *line = NULL;
  GstElement *pipeline;
  va_list args;

  va_start (args, format);
  line = g_strdup_vprintf (format, args);
  va_end (args);
  pipeline = gst_parse_launch (line, &error);
  g_assert_no_error (error);
  return pipeline;
}

void
pipeline_free (GstElement *pipeline)
{
  g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_NULL), ==, GST_STATE_CHANGE_SUCCESS);
  gst_object_unref (pipeline);
}

GstMessage *
pipeline_await (GstElement *pipeline, GstMessageType types)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  GstMessage *message = gst_bus_timed_pop_filtered (bus, PATIENCE, types | GST_MESSAGE_ERROR);

  g_assert_nonnull (message);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR && !(types & GST_MESSAGE_ERROR)) {
    g_autoptr (GError) error = NULL;

    gst_message_parse_error (message, &error, NULL);
    g_assert_no_error (error);
  }
  return message;
}

guint
pipeline_count_results (GstElement *pipeline)
{
  guint results = 0;

  for (;;) {
    g_autoptr (GstMessage) message = pipeline_await (pipeline, GST_MESSAGE_ELEMENT | GST_MESSAGE_EOS);

    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS)
      return results;
    results += gst_message_has_name (message, "minivl");
  }
}

void
segment_count_init (SegmentCount *count, guint64 frame, guint64 segment)
{
  *count = (SegmentCount){ .frame = frame, .segment = segment, .start = GST_CLOCK_TIME_NONE };
}

/* A frame's number, from 0. */
static guint64
nearest (const SegmentCount *count, guint64 time)
{
  return (time + count->frame / 2) / count->frame;
}

void
segment_count_frame (SegmentCount *count, guint64 time)
{
  if (count->start == GST_CLOCK_TIME_NONE)
    count->start = time > GST_SECOND ? time : 0;
  for (;; count->next++) {
    guint64 start = segment_count_stop (count);

    if (time < start && nearest (count, time) < nearest (count, start))
      return;
    count->n += time < start + count->segment;
  }
}

guint64
segment_count_stop (const SegmentCount *count)
{
  return count->start + count->next * count->segment;
}

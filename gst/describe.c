#include "element.h"

#define GST_CAT_DEFAULT gst_minivl_debug

/* From 1900, where NTP counts from, to 1970, in seconds. */
#define NTP_TO_UNIX G_GUINT64_CONSTANT (2208988800)

static GstPad *
get_sink (GstMinivl *self)
{
  return GST_BASE_TRANSFORM_SINK_PAD (self);
}

guint64
describe_query_length (gpointer self)
{
  gint64 length;

  if (!gst_pad_peer_query_duration (get_sink (self), GST_FORMAT_TIME, &length) || length < 0)
    return SEGMENTER_NONE;
  return length;
}

void
describe_ask_live (GstMinivl *self)
{
  g_autoptr (GstQuery) query = NULL;
  gboolean live = FALSE;

  if (!g_atomic_int_compare_and_exchange (&self->ask_live, TRUE, FALSE))
    return;
  query = gst_query_new_latency ();
  if (gst_pad_peer_query (get_sink (self), query))
    gst_query_parse_latency (query, &live, NULL, NULL);
  g_atomic_int_set (&self->live, live);
  GST_OBJECT_LOCK (self);
  worker_set_leak (self->worker, settings_leak (&self->settings, live));
  GST_OBJECT_UNLOCK (self);
}

/* --- times ------------------------------------------------------------------------------------------------------------------- */

static guint64
position_of (GstMinivl *self, guint64 stream_time)
{
  guint64 position;

  if (gst_segment_position_from_stream_time_full (&GST_BASE_TRANSFORM (self)->segment, GST_FORMAT_TIME, stream_time, &position)
      != 1)
    return GST_CLOCK_TIME_NONE;
  return position;
}

static guint64
running_time (GstMinivl *self, guint64 stream_time)
{
  guint64 position = position_of (self, stream_time), running;

  if (!GST_CLOCK_TIME_IS_VALID (position)
      || gst_segment_to_running_time_full (&GST_BASE_TRANSFORM (self)->segment, GST_FORMAT_TIME, position, &running) != 1)
    return GST_CLOCK_TIME_NONE;
  return running;
}

/* What the source has written on the buffer; else, from a live source, the pipeline's clock against the wall's. ns since 1970, -1
 * when neither tells. */
static gint64
utc_of_buffer (GstMinivl *self, GstBuffer *buffer)
{
  guint64 running = gst_segment_to_running_time (&GST_BASE_TRANSFORM (self)->segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer));
  g_autoptr (GstClock) clock = NULL;
  gpointer state = NULL;
  GstMeta *meta;
  gint64 age;

  while ((meta = gst_buffer_iterate_meta_filtered (buffer, &state, GST_REFERENCE_TIMESTAMP_META_API_TYPE)) != NULL) {
    const GstReferenceTimestampMeta *reference = (const GstReferenceTimestampMeta *)meta;
    const GstStructure *kind = gst_caps_get_structure (reference->reference, 0);

    if (gst_structure_has_name (kind, "timestamp/x-unix"))
      return reference->timestamp;
    if (gst_structure_has_name (kind, "timestamp/x-ntp") && reference->timestamp >= NTP_TO_UNIX * GST_SECOND)
      return reference->timestamp - NTP_TO_UNIX * GST_SECOND;
  }
  if (!g_atomic_int_get (&self->live) || !GST_CLOCK_TIME_IS_VALID (running))
    return -1;
  clock = gst_element_get_clock (GST_ELEMENT (self));
  if (clock == NULL)
    return -1;
  age = GST_CLOCK_DIFF (gst_element_get_base_time (GST_ELEMENT (self)) + running, gst_clock_get_time (clock));
  return g_get_real_time () * 1000 - age;
}

static gint64
utc_of_time (GstMinivl *self, guint64 time, GstBuffer *buffer, guint64 buffer_time)
{
  gint64 utc = utc_of_buffer (self, buffer);

  return utc < 0 ? -1 : utc - GST_CLOCK_DIFF (time, buffer_time);
}

/* --- segments ---------------------------------------------------------------------------------------------------------------- */

static Frame *
sample (GstMinivl *self, GstBuffer *buffer, guint64 time)
{
  Frame *frame;

  worker_wait_for_room (self->worker);
  frame = frame_copier_copy (&self->copier, buffer, time, self->backend);
  if (frame == NULL && !self->copy_told) {
    GST_ELEMENT_WARNING (self, STREAM, DECODE, ("A frame could not be read: its memory cannot be mapped."), (NULL));
    self->copy_told = TRUE;
  }
  return frame;
}

static void
open_segment (GstMinivl *self, guint64 id, const SegmenterAction *action, GstBuffer *buffer, guint64 time)
{
  g_autoptr (GstMinivlTextSrc) text = element_get_text (self);
  gint64 utc = utc_of_time (self, action->start, buffer, time);
  guint64 position = position_of (self, action->start);
  Question question;
  gboolean opened;

  GST_OBJECT_LOCK (self);
  question_copy (&question, &self->settings.question);
  GST_OBJECT_UNLOCK (self);
  opened = worker_open_segment (self->worker, id, action->number + 1, action->start, utc, &question);
  question_clear (&question);
  if (!opened)
    return;
  if (text != NULL)
    text_src_owe (text, id, GST_CLOCK_TIME_IS_VALID (position) ? position : GST_BUFFER_PTS (buffer));
  g_mutex_lock (&self->results_lock);
  self->stats.segments++;
  g_mutex_unlock (&self->results_lock);
}

/* buffer: NULL when no frame comes with the actions */
static void
perform (GstMinivl *self, const SegmenterAction *actions, guint n_actions, GstBuffer *buffer, guint64 time)
{
  g_autoptr (Frame) frame = NULL;
  g_autofree gchar *stream = NULL;

  if (n_actions == 0)
    return;
  GST_OBJECT_LOCK (self);
  stream = g_strdup (self->settings.stream != NULL ? self->settings.stream : GST_OBJECT_NAME (self));
  GST_OBJECT_UNLOCK (self);
  for (guint i = 0; i < n_actions; i++) {
    const SegmenterAction *action = &actions[i];
    guint64 id = self->first_id + action->number;

    switch (action->step) {
      case SEGMENTER_OPEN:
        GST_DEBUG_OBJECT (self, "%s: %" G_GUINT64_FORMAT ": opens at %" GST_TIME_FORMAT, stream, id, GST_TIME_ARGS (action->start));
        open_segment (self, id, action, buffer, time);
        break;
      case SEGMENTER_SAMPLE:
        GST_DEBUG_OBJECT (self, "%s: %" G_GUINT64_FORMAT ": frame at %" GST_TIME_FORMAT, stream, id, GST_TIME_ARGS (time));
        if (frame == NULL)
          frame = sample (self, buffer, time);
        if (frame != NULL)
          worker_add_frame (self->worker, id, frame, action->times);
        break;
      case SEGMENTER_CLOSE:
        GST_DEBUG_OBJECT (self, "%s: %" G_GUINT64_FORMAT ": closes at %" GST_TIME_FORMAT, stream, id, GST_TIME_ARGS (action->stop));
        worker_close_segment (self->worker, id, action->stop, running_time (self, action->stop));
        break;
    }
  }
}

void
describe_close (GstMinivl *self)
{
  guint n_actions;
  const SegmenterAction *actions = segmenter_finish (&self->segmenter, &n_actions);

  perform (self, actions, n_actions, NULL, GST_CLOCK_TIME_NONE);
}

void
describe_reset (GstMinivl *self)
{
  guint n_actions;
  const SegmenterAction *actions = segmenter_reset (&self->segmenter, &n_actions);

  perform (self, actions, n_actions, NULL, GST_CLOCK_TIME_NONE);
}

/* Frames that were left out upstream, to play faster, are not counted as if they were there. */
void
describe_set_rate (GstMinivl *self, double applied_rate)
{
  gboolean is_constant = GST_VIDEO_INFO_FPS_N (&self->info) > 0 && applied_rate == 1.0;

  segmenter_set_rate (
      &self->segmenter, is_constant ? (double)GST_VIDEO_INFO_FPS_N (&self->info) / GST_VIDEO_INFO_FPS_D (&self->info) : 0);
}

void
describe_buffer (GstMinivl *self, GstBuffer *buffer)
{
  const GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;
  guint64 time = gst_segment_to_stream_time (segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer));
  guint64 duration = GST_BUFFER_DURATION (buffer);
  const SegmenterAction *actions;
  guint n_actions;

  /* A decoder may hand out what lies before the place that was sought. */
  if (!GST_CLOCK_TIME_IS_VALID (time))
    return;
  if (GST_CLOCK_TIME_IS_VALID (duration) && segment->applied_rate != 1.0)
    duration = (guint64)(duration * ABS (segment->applied_rate));
  actions = segmenter_push (&self->segmenter, time, duration, &n_actions);
  perform (self, actions, n_actions, buffer, time);
}

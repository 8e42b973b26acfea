#include "element.h"
#include "gst/results/log.h"
#include "place.h"
#include "regions.h"

/* From 1900, where NTP counts from, to 1970, in seconds. */
#define NTP_TO_UNIX G_GUINT64_CONSTANT (2208988800)

static GstPad *
get_sink (GstMinivl *self)
{
  return GST_BASE_TRANSFORM_SINK_PAD (self);
}

guint64
sampling_query_length (gpointer self)
{
  gint64 length;

  if (!gst_pad_peer_query_duration (get_sink (self), GST_FORMAT_TIME, &length) || length < 0)
    return SEGMENTER_NONE;
  return length;
}

void
sampling_ask_live (GstMinivl *self)
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
  worker_set_live (self->worker, live, settings_leak (&self->settings, live));
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

/* From the buffer's reference timestamp; otherwise, for a live source, from the pipeline's clock and the time of day. ns since
 * 1970, -1 when neither is known. */
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

/* --- samples ----------------------------------------------------------------------------------------------------------------- */

/* A frame of the video that is looked at. */
typedef struct
{
  GstBuffer *buffer; /* NULL: it has passed, and was copied */
  Sample *sample;    /* NULL: not copied yet */
  guint64 time, duration;
  gint64 utc; /* of `time`, ns since 1970; negative: not known */
  gboolean damaged;
} Arrival;

/* --- segments ---------------------------------------------------------------------------------------------------------------- */

static Frame *
copy (GstMinivl *self, GstBuffer *buffer, guint64 time)
{
  Frame *frame;

  worker_wait_for_room (self->worker);
  if (!vulkan_input_has (buffer))
    return frame_copier_copy (&self->copier, buffer, time, self->backend);
  if (self->vulkan == NULL)
    self->vulkan = vulkan_input_new ();
  frame = vulkan_input_copy (self->vulkan, &self->copier, buffer, time, self->backend);
  /* vulkanupload of 1.22 writes the next frame to memory that the device may not have read yet: measured. Live video leaves it the
   * time of a frame; other video waits here, so that it gives the same answers each time. */
  if (!g_atomic_int_get (&self->live))
    frame_await (frame, NULL);
  return frame;
}

/* Adds what the model is shown of the buffer: its picture or regions of it; NULL when it has no such region. Returns the whole
 * picture, which owns the pixels. (transfer full) (nullable) */
static Frame *
sample (GstMinivl *self, GstBuffer *buffer, guint64 time, GPtrArray *frames)
{
  g_autoptr (GArray) regions = NULL;
  g_autoptr (Frame) frame = NULL;

  if (self->roi != NULL) {
    MinivlImage layout = frame_copier_layout (&self->copier, buffer);

    regions = regions_find (buffer, self->roi, self->roi_confidence, &layout);
  }
  if (regions != NULL && regions->len == 0) {
    g_ptr_array_add (frames, NULL);
    return NULL;
  }
  frame = copy (self, buffer, time);
  if (regions != NULL)
    regions_cut (frame, regions, frames);
  else
    g_ptr_array_add (frames, frame_share (frame, 1));
  return g_steal_pointer (&frame);
}

static void
sample_clear (Sample *sample)
{
  g_ptr_array_unref (sample->frames);
  g_clear_pointer (&sample->picture, frame_unref);
}

static void
sample_unref (Sample *sample)
{
  g_rc_box_release_full (sample, (GDestroyNotify)sample_clear);
}

static void
open_segment_clear (gpointer open)
{
  g_clear_pointer (&((OpenSegment *)open)->held, sample_unref);
}

static void
arrival_clear (gpointer arrival)
{
  g_clear_pointer (&((Arrival *)arrival)->sample, sample_unref);
}

/* Copied once, however many segments want it. */
static Sample *
get_sample (GstMinivl *self, Arrival *arrival)
{
  if (arrival->sample == NULL) {
    arrival->sample = g_rc_box_new0 (Sample);
    arrival->sample->frames = g_ptr_array_new_with_free_func ((GDestroyNotify)frame_unref);
    arrival->sample->picture = sample (self, arrival->buffer, arrival->time, arrival->sample->frames);
  }
  return arrival->sample;
}

static void
forget_last (GstMinivl *self)
{
  gst_clear_buffer (&self->last);
  g_clear_pointer (&self->last_sample, sample_unref);
}

/* Until the next frame has come, nobody knows how long this one is shown. */
static void
keep_last (GstMinivl *self, const Arrival *arrival)
{
  forget_last (self);
  if (!self->segmenter.recorded)
    return;
  self->last_time = arrival->time;
  if (arrival->sample != NULL)
    self->last_sample = g_rc_box_acquire (arrival->sample);
  else
    self->last = gst_buffer_ref (arrival->buffer);
}

static Sample *
get_last (GstMinivl *self)
{
  Arrival last = { .buffer = self->last, .sample = self->last_sample, .time = self->last_time };

  self->last_sample = get_sample (self, &last);
  return self->last_sample;
}

/* --- segments ---------------------------------------------------------------------------------------------------------------- */

/* Returns its index among the open ones. */
static guint
find_open (GstMinivl *self, guint64 number)
{
  guint i = 0;

  while (g_array_index (self->open, OpenSegment, i).number != number)
    i++;
  return i;
}

static void
open_segment (GstMinivl *self, const SegmenterAction *action, const Arrival *arrival)
{
  g_autoptr (GstMinivlTextSrc) text = element_get_text (self);
  gint64 utc = arrival->utc < 0 ? -1 : arrival->utc - GST_CLOCK_DIFF (action->start, arrival->time);
  guint64 position = position_of (self, action->start);
  OpenSegment open = { .number = action->number };
  SegmentSettings settings;

  GST_OBJECT_LOCK (self);
  segment_settings_copy (&settings, &self->settings.per_segment);
  GST_OBJECT_UNLOCK (self);
  open.id = worker_open_segment (self->worker, action->number + 1, action->start, utc, &settings);
  segment_settings_clear (&settings);
  g_array_append_val (self->open, open);
  if (open.id == 0)
    return;
  if (text != NULL)
    text_src_owe (text, open.id, GST_CLOCK_TIME_IS_VALID (position) ? position : position_of (self, arrival->time));
  g_mutex_lock (&self->results_lock);
  self->stats.segments++;
  g_mutex_unlock (&self->results_lock);
}

static void
give (GstMinivl *self, guint64 id, const Sample *given, guint times)
{
  worker_add_picture (self->worker, id, given->picture, times);
  for (guint k = 0; k < given->frames->len; k++)
    worker_add_frame (self->worker, id, g_ptr_array_index (given->frames, k), times);
}

/* arrival: NULL when no frame comes with the actions */
static void
perform (GstMinivl *self, const SegmenterAction *actions, guint n_actions, Arrival *arrival)
{
  g_autofree gchar *stream = NULL;

  if (n_actions == 0)
    return;
  GST_OBJECT_LOCK (self);
  stream = g_strdup (self->settings.stream != NULL ? self->settings.stream : GST_OBJECT_NAME (self));
  GST_OBJECT_UNLOCK (self);
  for (guint i = 0; i < n_actions; i++) {
    const SegmenterAction *action = &actions[i];
    OpenSegment *open;
    guint at;

    if (action->step == SEGMENTER_OPEN)
      open_segment (self, action, arrival);
    at = find_open (self, action->number);
    open = &g_array_index (self->open, OpenSegment, at);
    switch (action->step) {
      case SEGMENTER_OPEN:
        GST_DEBUG_OBJECT (
            self, "%s: %" G_GUINT64_FORMAT ": opens at %" GST_TIME_FORMAT, stream, open->id, GST_TIME_ARGS (action->start));
        break;
      case SEGMENTER_SAMPLE:
        GST_DEBUG_OBJECT (
            self, "%s: %" G_GUINT64_FORMAT ": frame at %" GST_TIME_FORMAT, stream, open->id, GST_TIME_ARGS (arrival->time));
        give (self, open->id, get_sample (self, arrival), action->times);
        open_segment_clear (open);
        break;
      case SEGMENTER_LAST:
        GST_DEBUG_OBJECT (
            self, "%s: %" G_GUINT64_FORMAT ": frame at %" GST_TIME_FORMAT, stream, open->id, GST_TIME_ARGS (self->last_time));
        give (self, open->id, get_last (self), action->times);
        open_segment_clear (open);
        break;
      case SEGMENTER_KEEP:
        open_segment_clear (open);
        open->held = g_rc_box_acquire (get_sample (self, arrival));
        break;
      case SEGMENTER_USE:
        GST_DEBUG_OBJECT (self, "%s: %" G_GUINT64_FORMAT ": frame that was held", stream, open->id);
        give (self, open->id, open->held, action->times);
        open_segment_clear (open);
        break;
      case SEGMENTER_CLOSE:
        GST_DEBUG_OBJECT (
            self, "%s: %" G_GUINT64_FORMAT ": closes at %" GST_TIME_FORMAT, stream, open->id, GST_TIME_ARGS (action->stop));
        worker_close_segment (self->worker, open->id, action->stop, running_time (self, action->stop));
        g_array_remove_index (self->open, at);
        break;
    }
  }
}

/* --- the video as it comes --------------------------------------------------------------------------------------------------- */

/* The running time at which a segment with that stop ends by the clock, since its last frame is overdue. */
static guint64
overdue (GstMinivl *self, guint64 stop)
{
  guint64 running = stop != SEGMENTER_NONE ? running_time (self, stop) : GST_CLOCK_TIME_NONE;

  if (!GST_CLOCK_TIME_IS_VALID (running))
    return GST_CLOCK_TIME_NONE;
  return running + self->lateness + timeline_longest_step (&self->timeline);
}

static void
watch_clock (GstMinivl *self)
{
  gboolean live = g_atomic_int_get (&self->live);

  standstill_set (self->standstill, live ? overdue (self, segmenter_next_stop (&self->segmenter)) : GST_CLOCK_TIME_NONE);
}

/* From a thread of its own, which is the streaming thread meanwhile. A frame may just have come. */
static void
on_overdue (GstElement *element, GstClockTime running_time)
{
  GstMinivl *self = (GstMinivl *)element;
  guint64 stop;

  GST_PAD_STREAM_LOCK (get_sink (self));
  stop = segmenter_next_stop (&self->segmenter);
  if (overdue (self, stop) <= running_time) {
    guint n_actions;
    const SegmenterAction *actions = segmenter_elapse (&self->segmenter, stop, &n_actions);

    perform (self, actions, n_actions, NULL);
  }
  watch_clock (self);
  GST_PAD_STREAM_UNLOCK (get_sink (self));
}

static void
end_segments (GstMinivl *self)
{
  guint n_actions;
  const SegmenterAction *actions = segmenter_finish (&self->segmenter, &n_actions);

  perform (self, actions, n_actions, NULL);
  watch_clock (self);
}

static void
go_on (GstMinivl *self, Arrival *arrival)
{
  guint64 end = arrival->time + (GST_CLOCK_TIME_IS_VALID (arrival->duration) ? arrival->duration : 0);
  TimelineStep step = timeline_go_on (&self->timeline, arrival->time, arrival->duration);
  const SegmenterAction *actions;
  guint n_actions;

  if (step != TIMELINE_FOLLOWS)
    end_segments (self);
  if (step == TIMELINE_JUMPS_BACK)
    worker_forget (self->worker);
  worker_pass (
      self->worker, end, running_time (self, end), arrival->utc < 0 ? -1 : arrival->utc + GST_CLOCK_DIFF (arrival->time, end));
  actions = segmenter_push (&self->segmenter, arrival->time, arrival->duration, arrival->damaged, &n_actions);
  perform (self, actions, n_actions, arrival);
  keep_last (self, arrival);
  watch_clock (self);
}

/* Of the frames that wait, the oldest ones are strays, and the others go on. */
static void
stop_waiting (GstMinivl *self, guint strays)
{
  for (guint i = strays; i < self->waiting->len; i++)
    go_on (self, &g_array_index (self->waiting, Arrival, i));
  g_array_set_size (self->waiting, 0);
  g_mutex_lock (&self->results_lock);
  self->stats.strays += strays;
  g_mutex_unlock (&self->results_lock);
}

static void
note_lateness (GstMinivl *self, guint64 time)
{
  g_autoptr (GstClock) clock = g_atomic_int_get (&self->live) ? gst_element_get_clock (GST_ELEMENT (self)) : NULL;
  guint64 running = running_time (self, time);
  GstClockTimeDiff late;

  if (clock == NULL || !GST_CLOCK_TIME_IS_VALID (running))
    return;
  late = GST_CLOCK_DIFF (gst_element_get_base_time (GST_ELEMENT (self)) + running, gst_clock_get_time (clock));
  self->lateness = MAX (0, late);
}

/* What does not come from a clock, and can be sought in. */
static gboolean
is_recording (GstMinivl *self)
{
  g_autoptr (GstQuery) query = gst_query_new_seeking (GST_FORMAT_TIME);
  gboolean seekable = FALSE;

  if (g_atomic_int_get (&self->live) || !gst_pad_peer_query (get_sink (self), query))
    return FALSE;
  gst_query_parse_seeking (query, NULL, &seekable, NULL, NULL);
  return seekable;
}

void
sampling_buffer (GstMinivl *self, GstBuffer *buffer)
{
  const GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;
  Arrival arrival = { .buffer = buffer,
    .time = gst_segment_to_stream_time (segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer)),
    .duration = GST_BUFFER_DURATION (buffer),
    .utc = utc_of_buffer (self, buffer),
    .damaged = GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_CORRUPTED) };
  TimelineVerdict verdict;

  /* A decoder may push frames from before the seek position. */
  if (!GST_CLOCK_TIME_IS_VALID (arrival.time))
    return;
  if (!self->recording_asked && is_recording (self))
    segmenter_set_recorded (&self->segmenter, arrival.time);
  self->recording_asked = TRUE;
  if (GST_CLOCK_TIME_IS_VALID (arrival.duration) && segment->applied_rate != 1.0)
    arrival.duration = (guint64)(arrival.duration * ABS (segment->applied_rate));
  verdict = timeline_push (&self->timeline, arrival.time, arrival.duration);
  if (verdict.waits) {
    get_sample (self, &arrival);
    arrival.buffer = NULL;
    g_array_append_val (self->waiting, arrival);
    return;
  }
  stop_waiting (self, verdict.strays);
  note_lateness (self, arrival.time);
  go_on (self, &arrival);
  arrival_clear (&arrival);
}

gboolean
sampling_is_jitter (GstMinivl *self, GstBuffer *buffer)
{
  guint64 time = gst_segment_to_stream_time (&GST_BASE_TRANSFORM (self)->segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer));

  return GST_CLOCK_TIME_IS_VALID (time) && timeline_is_jitter (&self->timeline, time);
}

void
sampling_close (GstMinivl *self)
{
  sampling_cut (self, NULL);
}

void
sampling_cut (GstMinivl *self, const gchar *prompt)
{
  stop_waiting (self, timeline_settle (&self->timeline));
  for (guint i = 0; prompt != NULL && i < self->open->len; i++)
    worker_set_prompt (self->worker, g_array_index (self->open, OpenSegment, i).id, prompt);
  end_segments (self);
}

void
sampling_reset (GstMinivl *self)
{
  guint n_actions;
  const SegmenterAction *actions = segmenter_reset (&self->segmenter, &n_actions);

  perform (self, actions, n_actions, NULL);
  watch_clock (self);
  timeline_start (&self->timeline, TIMELINE_NONE);
  g_array_set_size (self->waiting, 0);
}

void
sampling_start (GstMinivl *self, const GstSegment *segment)
{
  gboolean is_timed = segment->format == GST_FORMAT_TIME;

  timeline_start (
      &self->timeline, is_timed ? gst_segment_to_stream_time (segment, GST_FORMAT_TIME, segment->start) : TIMELINE_NONE);
}

/* When upstream skips frames to play faster, the rate of the caps is not the rate of the frames. */
void
sampling_set_rate (GstMinivl *self, double applied_rate)
{
  gboolean is_constant = GST_VIDEO_INFO_FPS_N (&self->info) > 0 && applied_rate == 1.0;
  double fps = is_constant ? (double)GST_VIDEO_INFO_FPS_N (&self->info) / GST_VIDEO_INFO_FPS_D (&self->info) : 0;

  segmenter_set_rate (&self->segmenter, fps);
  timeline_set_rate (&self->timeline, fps);
}

void
sampling_mark_place (GstMinivl *self, GstBuffer *buffer)
{
  const GArray *open = self->open;
  Place *place = place_get (buffer);

  place->number = ++self->n_marked;
  place->is_live = g_atomic_int_get (&self->live);
  place->segment = open->len > 0 ? g_array_index (open, OpenSegment, open->len - 1).id : 0;
  place->waits = !place->is_live && self->waiting->len > 0;
  place->first_open = open->len > 0 ? g_array_index (open, OpenSegment, 0).id : G_MAXUINT64;
}

/* --- the object -------------------------------------------------------------------------------------------------------------- */

void
sampling_init (GstMinivl *self)
{
  self->open = g_array_new (FALSE, FALSE, sizeof (OpenSegment));
  g_array_set_clear_func (self->open, open_segment_clear);
  self->waiting = g_array_new (FALSE, FALSE, sizeof (Arrival));
  g_array_set_clear_func (self->waiting, arrival_clear);
  timeline_start (&self->timeline, TIMELINE_NONE);
  self->standstill = standstill_new (GST_ELEMENT (self), on_overdue);
}

void
sampling_clear (GstMinivl *self)
{
  g_array_set_size (self->open, 0);
  g_array_set_size (self->waiting, 0);
  forget_last (self);
  self->recording_asked = FALSE;
  timeline_start (&self->timeline, TIMELINE_NONE);
  self->lateness = 0;
}

void
sampling_finalize (GstMinivl *self)
{
  g_array_unref (self->open);
  g_array_unref (self->waiting);
  standstill_free (self->standstill);
}

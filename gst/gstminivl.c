/**
 * SECTION:element-minivl
 * @title: minivl
 *
 * Watches a video and writes down what happens in it. The video passes unchanged. It is divided into segments of time; of each,
 * some frames are shown to a vision-language model, and its answer is told three ways, with one id:
 *
 * - as element message `minivl` on the bus,
 * - as custom meta `GstMinivlMeta` on the next buffer that passes,
 * - on the request pad `text_src`, as JSON lines (`application/x-json`) or, where `text/x-raw` is asked for, as text.
 *
 * The answer comes after its segment has passed: `segment_start` and `segment_stop` say what it speaks of, in stream time. From a
 * source that is not live every segment is answered, and the video waits when the model is behind; from a live source the oldest
 * segment that waits is dropped, and reported with `finish_reason` `dropped`.
 *
 * The model is loaded while the pipeline starts, with PROGRESS messages of code `loading`; video passes meanwhile.
 *
 * ## Examples
 * |[
 * gst-launch-1.0 -m videotestsrc num-buffers=300 ! minivl model-path=DIR segment-duration=5000000000 ! fakesink
 * ]| the results as messages
 * |[
 * gst-launch-1.0 filesrc location=vtest.avi ! decodebin ! videoconvert ! minivl name=m model-path=DIR \
 *     prompt="Is anyone walking?" ! fakesink m.text_src ! filesink location=out.jsonl
 * ]| a JSON line for every ten seconds
 * |[
 * gst-launch-1.0 v4l2src ! videoconvert ! minivl name=m model-path=DIR ! autovideosink \
 *     m.text_src ! text/x-raw,format=utf8 ! fdsink
 * ]| a camera, and what is seen as text on the terminal
 */
#include "gstminivl.h"

#include "settings.h"
#include "textsrc.h"

GST_DEBUG_CATEGORY (gst_minivl_debug);
#define GST_CAT_DEFAULT gst_minivl_debug

#define VIDEO_CAPS GST_VIDEO_CAPS_MAKE ("{ RGB, RGBx, BGRx, NV12, I420 }")
/* Complete segments that may wait, and pixels of frames that may wait to be encoded when the source is not live. */
#define MAX_BACKLOG 2
#define MAX_BYTES (256 << 20)

struct _GstMinivl
{
  GstBaseTransform parent;
  Worker *worker;

  /* under the object's lock */
  Settings settings;
  GstMinivlTextSrc *text; /* NULL when it was not requested */
  guint32 seek_seqnum;    /* of the last one sent upstream */
  gboolean seek_result;

  /* the streaming thread, between start and stop */
  Segmenter segmenter;
  FrameCopier copier;
  GstVideoInfo info; /* no format: no caps yet */
  guint64 first_id;  /* of the segments since start */
  gboolean bounds_checked, reverse_told, copy_told;
  gint ask_live; /* atomic: whether upstream is live has to be asked (again) */
  gint percent;  /* that was told of loading; the worker alone */

  GMutex results_lock;
  GQueue results; /* Result, those that wait for a buffer */
};

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (VIDEO_CAPS));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (VIDEO_CAPS));
static GstStaticPadTemplate text_template =
    GST_STATIC_PAD_TEMPLATE ("text_src", GST_PAD_SRC, GST_PAD_REQUEST, GST_STATIC_CAPS (TEXT_SRC_CAPS));

G_DEFINE_FINAL_TYPE (GstMinivl, gst_minivl, GST_TYPE_BASE_TRANSFORM)

static const Backend *registered_backend;

static GstMinivlTextSrc *
get_text (GstMinivl *self)
{
  GstMinivlTextSrc *text;

  GST_OBJECT_LOCK (self);
  text = self->text != NULL ? gst_object_ref (self->text) : NULL;
  GST_OBJECT_UNLOCK (self);
  return text;
}

static GstPad *
get_sink (GstMinivl *self)
{
  return GST_BASE_TRANSFORM_SINK_PAD (self);
}

/* --- what the worker tells --------------------------------------------------------------------------------------------------- */

static void
post_progress (GstMinivl *self, GstProgressType type, const gchar *text)
{
  gst_element_post_message (GST_ELEMENT (self), gst_message_new_progress (GST_OBJECT (self), type, "loading", text));
}

static void
on_progress (double fraction, gpointer user_data)
{
  GstMinivl *self = user_data;
  g_autofree gchar *text = g_strdup_printf ("Loading the model: %d%%", (gint)(100 * fraction));

  post_progress (self, GST_PROGRESS_TYPE_CONTINUE, text);
}

static gint
resource_error (const GError *error)
{
  if (error->domain != MINIVL_ERROR)
    return GST_RESOURCE_ERROR_FAILED;
  switch (error->code) {
    case MINIVL_ERROR_USAGE:
    case MINIVL_ERROR_BUDGET:
      return GST_RESOURCE_ERROR_SETTINGS;
    case MINIVL_ERROR_FILE:
    case MINIVL_ERROR_MODEL:
      return GST_RESOURCE_ERROR_OPEN_READ;
    case MINIVL_ERROR_MEMORY:
      return GST_RESOURCE_ERROR_NO_SPACE_LEFT;
    default:
      return GST_RESOURCE_ERROR_FAILED;
  }
}

static void
on_opened (const GError *error, gpointer user_data)
{
  GstMinivl *self = user_data;

  if (error == NULL) {
    post_progress (self, GST_PROGRESS_TYPE_COMPLETE, "The model is loaded");
    return;
  }
  post_progress (self, GST_PROGRESS_TYPE_ERROR, error->message);
  gst_element_message_full (GST_ELEMENT (self), GST_MESSAGE_ERROR, GST_RESOURCE_ERROR, resource_error (error),
      g_strdup (error->message), NULL, __FILE__, GST_FUNCTION, __LINE__);
}

static void
on_result (Result *result, const GError *error, gpointer user_data)
{
  GstMinivl *self = user_data;
  g_autoptr (GstMinivlTextSrc) text = get_text (self);

  GST_DEBUG_OBJECT (self, "%s: %" G_GUINT64_FORMAT ": %s: %s", result->stream, result->id, result->finish_reason, result->text);
  if (error != NULL)
    GST_ELEMENT_WARNING (self, LIBRARY, FAILED,
        ("%s: no answer about segment %" G_GUINT64_FORMAT ": %s", result->stream, result->id, error->message), (NULL));
  g_mutex_lock (&self->results_lock);
  g_queue_push_tail (&self->results, result_ref (result));
  g_mutex_unlock (&self->results_lock);
  if (text != NULL)
    text_src_result (text, result);
  gst_element_post_message (
      GST_ELEMENT (self), gst_message_new_element (GST_OBJECT (self), result_to_structure (result, RESULT_MESSAGE_NAME)));
}

static void
on_dropped (guint64 answered, guint64 dropped, guint64 running_time, gpointer user_data)
{
  GstMinivl *self = user_data;
  GstMessage *message =
      gst_message_new_qos (GST_OBJECT (self), TRUE, running_time, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE);

  gst_message_set_qos_stats (message, GST_FORMAT_DEFAULT, answered, dropped);
  gst_element_post_message (GST_ELEMENT (self), message);
}

/* --- segments ---------------------------------------------------------------------------------------------------------------- */

static guint64
query_length (gpointer user_data)
{
  gint64 length;

  if (!gst_pad_peer_query_duration (get_sink (user_data), GST_FORMAT_TIME, &length) || length < 0)
    return SEGMENTER_NONE;
  return length;
}

static gboolean
query_live (GstMinivl *self)
{
  g_autoptr (GstQuery) query = gst_query_new_latency ();
  gboolean live = FALSE;

  if (gst_pad_peer_query (get_sink (self), query))
    gst_query_parse_latency (query, &live, NULL, NULL);
  return live;
}

static guint64
running_time (GstMinivl *self, guint64 stream_time)
{
  const GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;
  guint64 position, running;

  if (gst_segment_position_from_stream_time_full (segment, GST_FORMAT_TIME, stream_time, &position) != 1
      || gst_segment_to_running_time_full (segment, GST_FORMAT_TIME, position, &running) != 1)
    return GST_CLOCK_TIME_NONE;
  return running;
}

static Frame *
sample (GstMinivl *self, GstBuffer *buffer, guint64 time)
{
  Frame *frame;

  worker_wait_for_room (self->worker);
  frame = frame_copier_copy (&self->copier, buffer, time, registered_backend);
  if (frame == NULL && !self->copy_told) {
    GST_ELEMENT_WARNING (self, STREAM, DECODE, ("A frame could not be read: its memory cannot be mapped."), (NULL));
    self->copy_told = TRUE;
  }
  return frame;
}

static void
open_segment (GstMinivl *self, guint64 id, const SegmenterAction *action)
{
  Question question;

  GST_OBJECT_LOCK (self);
  question_copy (&question, &self->settings.question);
  GST_OBJECT_UNLOCK (self);
  worker_open_segment (self->worker, id, action->number + 1, action->start, &question);
  question_clear (&question);
}

/* buffer: NULL when no frame comes with the actions */
static void
perform (GstMinivl *self, const SegmenterAction *actions, guint n_actions, GstBuffer *buffer, guint64 time)
{
  g_autoptr (Frame) frame = NULL;

  for (guint i = 0; i < n_actions; i++) {
    const SegmenterAction *action = &actions[i];
    guint64 id = self->first_id + action->number;

    switch (action->step) {
      case SEGMENTER_OPEN:
        GST_DEBUG_OBJECT (self, "%" G_GUINT64_FORMAT ": opens at %" GST_TIME_FORMAT, id, GST_TIME_ARGS (action->start));
        open_segment (self, id, action);
        break;
      case SEGMENTER_SAMPLE:
        GST_LOG_OBJECT (self, "%" G_GUINT64_FORMAT ": frame at %" GST_TIME_FORMAT, id, GST_TIME_ARGS (time));
        if (frame == NULL)
          frame = sample (self, buffer, time);
        if (frame != NULL)
          worker_add_frame (self->worker, id, frame, action->times);
        break;
      case SEGMENTER_CLOSE:
        GST_DEBUG_OBJECT (self, "%" G_GUINT64_FORMAT ": closes at %" GST_TIME_FORMAT, id, GST_TIME_ARGS (action->stop));
        worker_close_segment (self->worker, id, action->stop, running_time (self, action->stop));
        break;
    }
  }
}

static void
close_segments (GstMinivl *self)
{
  guint n_actions;
  const SegmenterAction *actions = segmenter_finish (&self->segmenter, &n_actions);

  perform (self, actions, n_actions, NULL, GST_CLOCK_TIME_NONE);
}

static void
look_at (GstMinivl *self, GstBuffer *buffer)
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

/* --- the video --------------------------------------------------------------------------------------------------------------- */

static gboolean
gst_minivl_start (GstBaseTransform *base)
{
  GstMinivl *self = GST_MINIVL (base);
  g_autoptr (GstMinivlTextSrc) text = get_text (self);
  g_autofree gchar *complaint = NULL, *name = gst_object_get_name (GST_OBJECT (self));
  const Settings *s = &self->settings;
  WorkerConfig config;

  GST_OBJECT_LOCK (self);
  complaint = settings_check (s);
  GST_OBJECT_UNLOCK (self);
  if (complaint != NULL) {
    GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS, ("%s", complaint), (NULL));
    return FALSE;
  }
  gst_video_info_init (&self->info);
  self->bounds_checked = self->reverse_told = self->copy_told = FALSE;
  g_atomic_int_set (&self->ask_live, TRUE);
  self->percent = -1;
  post_progress (self, GST_PROGRESS_TYPE_START, "Loading the model");

  GST_OBJECT_LOCK (self);
  segmenter_init (&self->segmenter, &s->segments, query_length, self);
  if (text != NULL)
    text_src_set_duration (text, settings_text_duration (s));
  config = (WorkerConfig){
    .options = { .model_path = s->model_path, .device = s->device, .precision = s->precision, .context_size = s->context_size },
    .stream = s->stream != NULL ? s->stream : name,
    .max_tiles = s->max_tiles,
    .max_backlog = MAX_BACKLOG,
    .max_bytes = MAX_BYTES,
  };
  worker_start (self->worker, &config);
  GST_OBJECT_UNLOCK (self);
  return TRUE;
}

static gboolean
gst_minivl_stop (GstBaseTransform *base)
{
  GstMinivl *self = GST_MINIVL (base);

  if (worker_stop (self->worker))
    post_progress (self, GST_PROGRESS_TYPE_CANCELED, "Loading the model was cancelled");
  self->first_id += self->segmenter.numbers;
  segmenter_clear (&self->segmenter);
  frame_copier_clear (&self->copier);
  g_mutex_lock (&self->results_lock);
  g_queue_clear_full (&self->results, (GDestroyNotify)result_unref);
  g_mutex_unlock (&self->results_lock);
  return TRUE;
}

static gboolean
gst_minivl_set_caps (GstBaseTransform *base, GstCaps *in, GstCaps *out)
{
  GstMinivl *self = GST_MINIVL (base);
  GstVideoInfo info;

  if (!gst_video_info_from_caps (&info, in))
    return FALSE;
  if (gst_video_info_is_equal (&info, &self->info))
    return TRUE;
  close_segments (self);
  self->info = info;
  frame_copier_init (&self->copier, &info);
  segmenter_set_rate (&self->segmenter, info.fps_n > 0 ? (double)info.fps_n / info.fps_d : 0);
  return TRUE;
}

/* Only a buffer that carries a result is made writable; its pixels stay where they are. */
static GstFlowReturn
gst_minivl_prepare_output_buffer (GstBaseTransform *base, GstBuffer *in, GstBuffer **out)
{
  GstMinivl *self = GST_MINIVL (base);
  g_autoptr (Result) result = NULL;

  *out = in;
  g_mutex_lock (&self->results_lock);
  if (!g_queue_is_empty (&self->results) && result_meta_can_add (in))
    result = g_queue_pop_head (&self->results);
  g_mutex_unlock (&self->results_lock);
  if (result == NULL)
    return GST_FLOW_OK;
  if (!gst_buffer_is_writable (in))
    *out = gst_buffer_copy (in);
  result_meta_add (result, *out);
  return GST_FLOW_OK;
}

static GstFlowReturn
gst_minivl_transform_ip (GstBaseTransform *base, GstBuffer *buffer)
{
  GstMinivl *self = GST_MINIVL (base);
  g_autoptr (GstMinivlTextSrc) text = NULL;

  if (worker_has_failed (self->worker))
    return GST_FLOW_ERROR;
  if (base->segment.format != GST_FORMAT_TIME || !GST_BUFFER_PTS_IS_VALID (buffer)) {
    GST_ELEMENT_ERROR (self, STREAM, FORMAT,
        ("The video has no time stamps: minivl needs buffers with a PTS in a segment of time. Behind appsrc set format=time and "
         "PTS, or "
         "do-timestamp=true."),
        (NULL));
    return GST_FLOW_ERROR;
  }
  if (!self->bounds_checked && !segmenter_is_bounded (&self->segmenter)) {
    GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS,
        ("segment-duration=0 is all of the video, and this stream does not know its length: set stop-time or a segment-duration."),
        (NULL));
    return GST_FLOW_ERROR;
  }
  self->bounds_checked = TRUE;
  if (g_atomic_int_compare_and_exchange (&self->ask_live, TRUE, FALSE))
    worker_set_live (self->worker, query_live (self));

  text = get_text (self);
  if (text != NULL)
    text_src_position (text, GST_BUFFER_PTS (buffer));

  if (base->segment.rate < 0) {
    if (!self->reverse_told)
      GST_ELEMENT_WARNING (self, STREAM, NOT_IMPLEMENTED, ("Video that plays backwards is passed on and not described."), (NULL));
    self->reverse_told = TRUE;
    return GST_FLOW_OK;
  }
  look_at (self, buffer);
  return GST_FLOW_OK;
}

/* --- events and states ------------------------------------------------------------------------------------------------------- */

static gboolean
differs_in_more_than_position (const GstSegment *a, const GstSegment *b)
{
  GstSegment at_same_position = *a;

  at_same_position.position = b->position;
  return !gst_segment_is_equal (&at_same_position, b);
}

static void
flush_stop (GstMinivl *self)
{
  guint n_actions;
  const SegmenterAction *actions = segmenter_reset (&self->segmenter, &n_actions);

  perform (self, actions, n_actions, NULL, GST_CLOCK_TIME_NONE);
  worker_flush_stop (self->worker);
}

static gboolean
gst_minivl_sink_event (GstBaseTransform *base, GstEvent *event)
{
  GstMinivl *self = GST_MINIVL (base);
  g_autoptr (GstMinivlTextSrc) text = get_text (self);

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_FLUSH_START:
      worker_flush_start (self->worker);
      if (text != NULL)
        text_src_flush_start (text, gst_event_ref (event));
      break;
    case GST_EVENT_FLUSH_STOP:
      flush_stop (self);
      if (text != NULL)
        text_src_flush_stop (text, gst_event_ref (event));
      break;
    case GST_EVENT_SEGMENT: {
      const GstSegment *segment;

      gst_event_parse_segment (event, &segment);
      if (differs_in_more_than_position (segment, &base->segment))
        close_segments (self);
      if (text != NULL)
        text_src_segment (text, gst_event_ref (event));
      break;
    }
    case GST_EVENT_EOS:
      close_segments (self);
      if (worker_drain (self->worker) && text != NULL)
        text_src_eos (text, gst_event_ref (event));
      break;
    default:
      break;
  }
  return GST_BASE_TRANSFORM_CLASS (gst_minivl_parent_class)->sink_event (base, event);
}

/* Every sink of the pipeline sends a SEEK on its own; upstream gets one. FALSE: it has been sent, with *result. */
static gboolean
is_new_seek (GstMinivl *self, GstEvent *event, gboolean *result)
{
  gboolean is_new;

  GST_OBJECT_LOCK (self);
  is_new = self->seek_seqnum != gst_event_get_seqnum (event);
  self->seek_seqnum = gst_event_get_seqnum (event);
  *result = self->seek_result;
  GST_OBJECT_UNLOCK (self);
  return is_new;
}

static gboolean
send_upstream (GstMinivl *self, GstEvent *event)
{
  gboolean is_seek = GST_EVENT_TYPE (event) == GST_EVENT_SEEK;
  gboolean result;

  if (is_seek && !is_new_seek (self, event, &result)) {
    gst_event_unref (event);
    return result;
  }
  if (GST_EVENT_TYPE (event) == GST_EVENT_LATENCY)
    g_atomic_int_set (&self->ask_live, TRUE);
  result = GST_BASE_TRANSFORM_CLASS (gst_minivl_parent_class)->src_event (GST_BASE_TRANSFORM (self), event);
  if (is_seek) {
    GST_OBJECT_LOCK (self);
    self->seek_result = result;
    GST_OBJECT_UNLOCK (self);
  }
  return result;
}

static gboolean
gst_minivl_src_event (GstBaseTransform *base, GstEvent *event)
{
  return send_upstream (GST_MINIVL (base), event);
}

static gboolean
text_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_QOS: /* late text is no reason to degrade the video */
    case GST_EVENT_RECONFIGURE:
      gst_event_unref (event);
      return TRUE;
    default:
      return send_upstream (GST_MINIVL (parent), event);
  }
}

static GstStateChangeReturn
gst_minivl_change_state (GstElement *element, GstStateChange transition)
{
  GstMinivl *self = GST_MINIVL (element);

  /* The streaming thread may wait for the worker, and chaining up waits for the streaming thread. */
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    worker_interrupt (self->worker);
  return GST_ELEMENT_CLASS (gst_minivl_parent_class)->change_state (element, transition);
}

static GstPad *
gst_minivl_request_new_pad (GstElement *element, GstPadTemplate *templ, const gchar *name, const GstCaps *caps)
{
  GstMinivl *self = GST_MINIVL (element);
  GstMinivlTextSrc *text = text_src_new (templ, "text_src");
  g_autoptr (GstEvent) segment = NULL;

  gst_pad_set_event_function (GST_PAD (text), text_event);
  GST_OBJECT_LOCK (self);
  text_src_set_duration (text, settings_text_duration (&self->settings));
  GST_OBJECT_UNLOCK (self);
  if (!gst_element_add_pad (element, GST_PAD (text))) /* there is one already */
    return NULL;

  segment = gst_pad_get_sticky_event (get_sink (self), GST_EVENT_SEGMENT, 0);
  if (segment != NULL)
    text_src_segment (text, g_steal_pointer (&segment));
  GST_OBJECT_LOCK (self);
  self->text = gst_object_ref (text);
  GST_OBJECT_UNLOCK (self);
  return GST_PAD (text);
}

static void
gst_minivl_release_pad (GstElement *element, GstPad *pad)
{
  GstMinivl *self = GST_MINIVL (element);
  g_autoptr (GstMinivlTextSrc) text = NULL;

  GST_OBJECT_LOCK (self);
  text = g_steal_pointer (&self->text);
  GST_OBJECT_UNLOCK (self);
  gst_pad_set_active (pad, FALSE);
  gst_element_remove_pad (element, pad);
}

/* --- the object -------------------------------------------------------------------------------------------------------------- */

static void
gst_minivl_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstMinivl *self = GST_MINIVL (object);
  gboolean known;

  GST_OBJECT_LOCK (self);
  known = settings_set (&self->settings, id, value);
  GST_OBJECT_UNLOCK (self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
gst_minivl_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstMinivl *self = GST_MINIVL (object);
  gboolean known;

  GST_OBJECT_LOCK (self);
  known = settings_get (&self->settings, id, value);
  GST_OBJECT_UNLOCK (self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
gst_minivl_dispose (GObject *object)
{
  GstMinivl *self = GST_MINIVL (object);

  gst_clear_object (&self->text);
  G_OBJECT_CLASS (gst_minivl_parent_class)->dispose (object);
}

static void
gst_minivl_finalize (GObject *object)
{
  GstMinivl *self = GST_MINIVL (object);

  worker_free (self->worker);
  settings_clear (&self->settings);
  g_mutex_clear (&self->results_lock);
  G_OBJECT_CLASS (gst_minivl_parent_class)->finalize (object);
}

static void
gst_minivl_class_init (GstMinivlClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *transform_class = GST_BASE_TRANSFORM_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_minivl_debug, "minivl", 0, "video to text by a vision-language model");
  result_meta_register ();

  object_class->set_property = gst_minivl_set_property;
  object_class->get_property = gst_minivl_get_property;
  object_class->dispose = gst_minivl_dispose;
  object_class->finalize = gst_minivl_finalize;
  settings_install_properties (object_class);

  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_add_static_pad_template (element_class, &text_template);
  gst_element_class_set_static_metadata (element_class, "Video describer", "Filter/Analyzer/Video/Text",
      "Writes down what happens in a video, with a vision-language model on Vulkan", "The minivl authors");
  element_class->change_state = gst_minivl_change_state;
  element_class->request_new_pad = gst_minivl_request_new_pad;
  element_class->release_pad = gst_minivl_release_pad;

  transform_class->passthrough_on_same_caps = TRUE;
  transform_class->start = gst_minivl_start;
  transform_class->stop = gst_minivl_stop;
  transform_class->set_caps = gst_minivl_set_caps;
  transform_class->prepare_output_buffer = gst_minivl_prepare_output_buffer;
  transform_class->transform_ip = gst_minivl_transform_ip;
  transform_class->sink_event = gst_minivl_sink_event;
  transform_class->src_event = gst_minivl_src_event;
}

static void
gst_minivl_init (GstMinivl *self)
{
  static const WorkerCallbacks callbacks = { on_progress, on_opened, on_result, on_dropped };

  settings_init (&self->settings);
  self->worker = worker_new (registered_backend, &callbacks, self);
  self->first_id = 1;
  self->seek_seqnum = GST_SEQNUM_INVALID;
  g_mutex_init (&self->results_lock);
  gst_base_transform_set_passthrough (GST_BASE_TRANSFORM (self), TRUE);
  gst_base_transform_set_gap_aware (GST_BASE_TRANSFORM (self), TRUE);
}

gboolean
gst_minivl_register (GstPlugin *plugin, const Backend *backend)
{
  registered_backend = backend;
  return gst_element_register (plugin, "minivl", GST_RANK_NONE, GST_TYPE_MINIVL);
}

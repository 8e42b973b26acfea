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
 * Text on `text_src` stands at the video that passes when it is there, or with `text-timestamp=segment` at the start of what it is
 * about, for subtitles. Then whatever joins text and video again needs a queue of at least one segment in the video branch.
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
 * |[
 * gst-launch-1.0 filesrc location=vtest.avi ! decodebin ! videoconvert ! minivl name=m model-path=DIR text-timestamp=segment \
 *     m.src ! queue max-size-buffers=0 max-size-bytes=0 max-size-time=11000000000 ! jpegenc ! matroskamux name=x ! \
 *     filesink location=out.mkv m.text_src ! text/x-raw,format=utf8 ! queue ! x.
 * ]| a copy of the video with what happens as subtitles
 */
#include "element.h"

GST_DEBUG_CATEGORY (gst_minivl_debug);
#define GST_CAT_DEFAULT gst_minivl_debug

#define VIDEO_CAPS GST_VIDEO_CAPS_MAKE ("{ NV12, I420, RGB, BGR, RGBx, BGRx, RGBA, BGRA, GRAY8 }")
/* Of pixels that may wait to be encoded when nothing may be dropped. */
#define MAX_BYTES (256 << 20)

/* Behind those of settings.c */
#define PROP_STATS 1000

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (VIDEO_CAPS));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (VIDEO_CAPS));
static GstStaticPadTemplate text_template =
    GST_STATIC_PAD_TEMPLATE ("text_src", GST_PAD_SRC, GST_PAD_REQUEST, GST_STATIC_CAPS (TEXT_SRC_CAPS));

G_DEFINE_FINAL_TYPE (GstMinivl, gst_minivl, GST_TYPE_BASE_TRANSFORM)

static const Backend *registered_backend;
static GstPadChainFunction base_chain; /* of GstBaseTransform */

GstMinivlTextSrc *
element_get_text (GstMinivl *self)
{
  GstMinivlTextSrc *text;

  GST_OBJECT_LOCK (self);
  text = self->text != NULL ? gst_object_ref (self->text) : NULL;
  GST_OBJECT_UNLOCK (self);
  return text;
}

/* --- the video --------------------------------------------------------------------------------------------------------------- */

static gboolean
gst_minivl_start (GstBaseTransform *base)
{
  GstMinivl *self = GST_MINIVL (base);
  g_autoptr (GstMinivlTextSrc) text = element_get_text (self);
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
  g_atomic_int_set (&self->live, FALSE);
  self->copier.orientation = 0;
  self->percent = -1;
  self->pace = (Pace){ FALSE };
  self->stats = (Stats){ 0 };
  tell_progress (self, GST_PROGRESS_TYPE_START, "Loading the model");

  GST_OBJECT_LOCK (self);
  segmenter_init (&self->segmenter, &s->segments, describe_query_length, self);
  if (text != NULL)
    text_src_set_times (text, s->text_timestamp, settings_text_duration (s));
  config = (WorkerConfig){
    .options = { .model_path = s->model_path, .device = s->device, .precision = s->precision, .context_size = s->context_size },
    .stream = s->stream != NULL ? s->stream : name,
    .frames = s->segments.frames,
    .max_tiles = s->max_tiles,
    .max_backlog = s->max_backlog,
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
    tell_progress (self, GST_PROGRESS_TYPE_CANCELED, "Loading the model was cancelled");
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
  describe_close (self);
  self->info = info;
  frame_copier_init (&self->copier, &info);
  describe_set_rate (self, base->segment.applied_rate);
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

static gboolean
can_be_described (GstMinivl *self, GstBuffer *buffer)
{
  const GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;

  if (segment->format != GST_FORMAT_TIME || !GST_BUFFER_PTS_IS_VALID (buffer)) {
    GST_ELEMENT_ERROR (self, STREAM, FORMAT,
        ("The video has no time stamps: minivl needs buffers with a PTS in a segment of time. Behind appsrc set format=time and "
         "PTS, or do-timestamp=true."),
        (NULL));
    return FALSE;
  }
  if (!self->bounds_checked && !segmenter_is_bounded (&self->segmenter)) {
    GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS,
        ("segment-duration=0 is all of the video, and this stream does not know its length: set stop-time or a segment-duration."),
        (NULL));
    return FALSE;
  }
  self->bounds_checked = TRUE;
  return TRUE;
}

static gboolean
plays_backwards (GstMinivl *self)
{
  const GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;

  if (segment->rate >= 0 && segment->applied_rate >= 0)
    return FALSE;
  if (!self->reverse_told)
    GST_ELEMENT_WARNING (self, STREAM, NOT_IMPLEMENTED, ("Video that plays backwards is passed on and not described."), (NULL));
  self->reverse_told = TRUE;
  return TRUE;
}

static guint64
end_of (GstBuffer *buffer)
{
  return GST_BUFFER_PTS (buffer) + (GST_BUFFER_DURATION_IS_VALID (buffer) ? MAX (1, GST_BUFFER_DURATION (buffer)) : 1);
}

static GstFlowReturn
gst_minivl_transform_ip (GstBaseTransform *base, GstBuffer *buffer)
{
  GstMinivl *self = GST_MINIVL (base);
  g_autoptr (GstMinivlTextSrc) text = element_get_text (self);
  gboolean by_segment;

  if (worker_has_failed (self->worker) || !can_be_described (self, buffer))
    return GST_FLOW_ERROR;
  describe_ask_live (self);

  GST_OBJECT_LOCK (self);
  by_segment = self->settings.text_timestamp == TEXT_SEGMENT;
  GST_OBJECT_UNLOCK (self);
  /* What is owed has to be known before time goes on; but a text of now wants the time of this buffer, even while it waits. */
  if (text != NULL && !by_segment)
    text_src_position (text, GST_BUFFER_PTS (buffer), end_of (buffer));
  if (!plays_backwards (self))
    describe_buffer (self, buffer);
  if (text != NULL && by_segment)
    text_src_position (text, GST_BUFFER_PTS (buffer), end_of (buffer));
  if (text != NULL)
    text_src_pushing (text, TRUE);
  return GST_FLOW_OK;
}

/* The base class pushes what transform_ip() has seen, and tells nobody when that is over. */
static GstFlowReturn
chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstFlowReturn flow = base_chain (pad, parent, buffer);
  g_autoptr (GstMinivlTextSrc) text = element_get_text (GST_MINIVL (parent));

  if (text != NULL)
    text_src_pushing (text, FALSE);
  return flow;
}

/* --- events and states ------------------------------------------------------------------------------------------------------- */

static gboolean
gst_minivl_sink_event (GstBaseTransform *base, GstEvent *event)
{
  events_sink (GST_MINIVL (base), event);
  return GST_BASE_TRANSFORM_CLASS (gst_minivl_parent_class)->sink_event (base, event);
}

static gboolean
gst_minivl_src_event (GstBaseTransform *base, GstEvent *event)
{
  return events_src (GST_MINIVL (base), event);
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

  gst_pad_set_event_function (GST_PAD (text), events_text);
  gst_pad_set_query_function (GST_PAD (text), events_text_query);
  GST_OBJECT_LOCK (self);
  text_src_set_times (text, self->settings.text_timestamp, settings_text_duration (&self->settings));
  GST_OBJECT_UNLOCK (self);
  if (!gst_element_add_pad (element, GST_PAD (text))) /* there is one already */
    return NULL;

  segment = gst_pad_get_sticky_event (GST_BASE_TRANSFORM_SINK_PAD (self), GST_EVENT_SEGMENT, 0);
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
  if (text != NULL) {
    GST_OBJECT_LOCK (self);
    self->text_lost += text_src_get_lost (text);
    GST_OBJECT_UNLOCK (self);
  }
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

  if (id == PROP_STATS) {
    g_value_take_boxed (value, tell_stats (self));
    return;
  }
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
  g_object_class_install_property (object_class, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "Structure minivl-stats of what happened since the start: segments, results, dropped, unchanged, errors, text_lost and "
          "backlog are counts; preprocess, encode, prefill and decode mean ns a segment; prefill_tokens_per_second and "
          "decode_tokens_per_second; device_bytes. Also an element message at the end of the stream",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));

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
  GstPad *sink = GST_BASE_TRANSFORM_SINK_PAD (self);

  base_chain = GST_PAD_CHAINFUNC (sink);
  gst_pad_set_chain_function (sink, chain);
  settings_init (&self->settings);
  self->backend = registered_backend;
  self->worker = worker_new (self->backend, &tell_callbacks, self);
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

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
 * Time is that of the buffers. A step back of less than two frames is jitter; a larger one, or more than a second and two frames
 * ahead, is believed when the third frame in a row has it: the segment ends, and the next one begins with the first of the three.
 * Single ones pass without being looked at, as do buffers without a PTS; only a stream that begins with ten such ones is an error.
 * Frames marked CORRUPTED are looked at only where their part of the segment has no other. If a live source stands still, the
 * pipeline's clock ends the segment, a second or two frames after its end.
 *
 * Text on `text_src` stands at the video that passes when it is there, or with `text-timestamp=segment` at the start of what it is
 * about, for subtitles. Then whatever joins text and video again needs a queue of at least two segments in the video branch.
 *
 * `alerts` are yes/no questions about each segment, answered by the probability of the first word: `score` is P(yes) of yes and no.
 * One that rises above `alert-threshold`, or falls below it less `alert-hysteresis`, is a result of kind `alert`, told the same
 * three ways in front of its segment's own, and as element message `minivl-alert`; `active` says which. They cost next to nothing
 * beyond their own words, for the frames have been gone through for the segment's text. Segments that are dropped, unchanged or
 * failed change nothing; what is active at the end of the stream stays so. A question that is taken out of the list while it is
 * active, or is about regions (`roi`) of which there are none any more, falls without a score.
 *
 * With `choices` or `json-schema` the text about a segment is one of those, or JSON that fits, and the result's `data` has it: of a
 * schema the value itself, of choices the index of the text among them (`choice`) and the probability of each, in their order
 * (`choice_probabilities`). Alerts, summaries and what is asked by #GstMinivl::ask are not bound to it.
 *
 * With `history-size` the model is told its last answers with each segment, as earlier rounds. With `skip-similar` a segment that
 * shows what was described already costs no more than looking at its frames: it is `unchanged`, has no text, and `same_as` is the
 * id of the one that was described.
 *
 * With `summary-interval` the model sums up, in text only, what was reported since its last summary: each report, each alert that
 * rose or fell, runs of unchanged segments and runs of what nobody watched are a line with its times. The result, of kind
 * `summary`, has the span of the reports of this run as `segment_start` and `segment_stop`, and is told the same three ways; its
 * token counts and timings are those of all stages that it took. Between two segments that wait there is one stage: a summary of
 * more reports than one prompt holds is told after segments that are not in it, which the next one has. On `text_src` it stands in
 * front of the next segment's text, for at most 5 s unless `text-duration` says otherwise. Reports outlive flushes and seeks; when
 * summing up fails, which is a WARNING and a result with `finish_reason` `error`, they go into the next summary.
 *
 * With `journal` all results are appended to a file, and a restart loses nothing that was reported: what the file has behind the
 * stream's last summary goes into the next one, with the times of its own run and in the order it was told, and counts for when
 * that one is due. Where the time of day is known, a line tells how long nobody watched. If that is more than `summary-interval`,
 * 10,000 reports or 32 MiB of lines, the newest are taken; a WARNING and a line of the summary say so. Streams may share a file;
 * what is unique in it is stream and id together. A file that is rotated, by renaming or by copying and emptying it, is opened anew
 * by its name.
 *
 * The action signal #GstMinivl::ask asks about the last seconds, now. A custom downstream event with a structure `minivl-segment`,
 * from a motion detector upstream or by gst_element_send_event(), ends the open segment and has it described at once, with the
 * text of its field `prompt` if it has one instead of the property's; the next segment starts with the next frame. Of segments that
 * overlap, all that are open end so.
 *
 * The model is loaded while the pipeline starts, with PROGRESS messages of code `loading`; video passes meanwhile.
 *
 * ## Examples
 * |[
 * gst-launch-1.0 -m videotestsrc num-buffers=300 ! minivl model-path=DIR segment-duration=5s ! fakesink
 * ]| the results as messages
 * |[
 * gst-launch-1.0 filesrc location=vtest.avi ! decodebin ! videoconvert ! minivl name=m model-path=DIR \
 *     prompt="Is anyone walking?" ! fakesink m.text_src ! filesink location=out.jsonl
 * ]| a JSON line for every ten seconds
 * |[
 * gst-launch-1.0 -m v4l2src ! videoconvert ! minivl model-path=DIR skip-similar=0.9 history-size=4 ! autovideosink
 * ]| a camera, described when something changes, by a model that knows what it said before
 * |[
 * gst-launch-1.0 v4l2src ! videoconvert ! minivl name=m model-path=DIR ! autovideosink \
 *     m.text_src ! text/x-raw,format=utf8 ! fdsink
 * ]| a camera, and what is seen as text on the terminal
 * |[
 * gst-launch-1.0 filesrc location=vtest.avi ! decodebin ! videoconvert ! minivl name=m model-path=DIR text-timestamp=segment \
 *     m.src ! queue max-size-buffers=0 max-size-bytes=0 max-size-time=21000000000 ! jpegenc ! matroskamux name=x ! \
 *     filesink location=out.mkv m.text_src ! text/x-raw,format=utf8 ! queue ! x.
 * ]| a copy of the video with what happens as subtitles
 * |[
 * gst-launch-1.0 v4l2src ! videoconvert ! minivl name=m model-path=DIR alerts="Is anybody at the door?; Is there fire?" \
 *     alert-picture=/tmp ! fakesink m.text_src ! text/x-raw,format=utf8 ! fdsink
 * ]| a camera: what rises and falls among the text, and a picture of it in /tmp
 * |[
 * gst-launch-1.0 -m v4l2src ! videoconvert ! minivl model-path=DIR stream=door summary-interval=1h \
 *     journal=/var/lib/minivl/door.jsonl ! fakesink
 * ]| a camera, summed up every hour, over restarts too
 */
#include "element.h"
#include "formats.h"
#include "gst/results/log.h"
#include "place.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

/* Most bytes of pixels that wait to be encoded when nothing may be dropped. */
#define MAX_BYTES (256 << 20)

/* Above the ids of settings.c */
#define PROP_STATS 1000

static GstStaticPadTemplate text_template =
    GST_STATIC_PAD_TEMPLATE ("text_src", GST_PAD_SRC, GST_PAD_REQUEST, GST_STATIC_CAPS (TEXT_SRC_CAPS));

G_DEFINE_TYPE (GstMinivl, gst_minivl, GST_TYPE_BASE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE (minivl, "minivl", GST_RANK_NONE, GST_TYPE_MINIVL)

/* --- the video --------------------------------------------------------------------------------------------------------------- */

static gboolean
open_journal (GstMinivl *self)
{
  g_autofree gchar *path = NULL, *stream = NULL;
  g_autoptr (GError) error = NULL;

  GST_OBJECT_LOCK (self);
  path = g_strdup (self->settings.journal);
  stream = g_strdup (self->settings.stream != NULL ? self->settings.stream : GST_OBJECT_NAME (self));
  GST_OBJECT_UNLOCK (self);
  self->skipped_told = self->journal_failed = FALSE;
  if (path == NULL || path[0] == '\0')
    return TRUE;
  self->journal = journal_open (path, stream, &error);
  if (self->journal == NULL)
    GST_ELEMENT_ERROR (self, RESOURCE, OPEN_READ_WRITE,
        ("The journal cannot be opened: %s. Set the property journal to a file that can be read and written.", error->message),
        (NULL));
  return self->journal != NULL;
}

static gboolean
check_settings (GstMinivl *self)
{
  g_autofree gchar *complaint = NULL;

  GST_OBJECT_LOCK (self);
  complaint = settings_check (&self->settings);
  GST_OBJECT_UNLOCK (self);
  if (complaint != NULL)
    GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS, ("%s", complaint), (NULL));
  return complaint == NULL;
}

/* The element is started: strings that are read at the start stay as they are. A failure here fails the state change:
 * gst-launch-1.0 overlooks an error of the worker that is posted before its loop runs. */
static gboolean
check_model (GstMinivl *self)
{
  BackendOptions options = settings_backend_options (&self->settings);
  const gchar *path = options.engine.model_path;
  g_autoptr (GError) error = NULL;

  if (self->backend->check != NULL && !self->backend->check (&options, &error)) {
    announce_callbacks.refused (error, self);
    return FALSE;
  }
  if (self->backend->has_demo_model && (path == NULL || path[0] == '\0') && !self->demo_told) {
    GST_ELEMENT_WARNING (self, RESOURCE, SETTINGS,
        ("No model-path is set, and the demo model knows only a drawn yard; set model-path. What it says of anything else, and the "
         "alerts that rise by it, mean nothing. model-path=demo says that it is meant."),
        (NULL));
    self->demo_told = TRUE;
  }
  return TRUE;
}

static void
set_started (GstMinivl *self, gboolean is_started)
{
  GST_OBJECT_LOCK (self);
  self->is_started = is_started;
  GST_OBJECT_UNLOCK (self);
}

static gboolean
gst_minivl_start (GstBaseTransform *base)
{
  GstMinivl *self = GST_MINIVL (base);
  g_autoptr (GstMinivlTextSrc) text = element_get_text (self);
  g_autofree gchar *name = gst_object_get_name (GST_OBJECT (self));
  const Settings *s = &self->settings;
  WorkerConfig config;

  set_started (self, TRUE);
  self->backend = s->endpoint != NULL ? &backend_remote : GST_MINIVL_GET_CLASS (self)->backend;
  if (!check_settings (self) || !answer_shape_start (self) || !check_model (self) || !open_journal (self)) {
    set_started (self, FALSE);
    return FALSE;
  }
  gst_video_info_init (&self->info);
  self->bounds_checked = self->reverse_told = self->untimed_told = self->unread_told = FALSE;
  admit_stream_start (self);
  g_atomic_int_set (&self->ask_live, TRUE);
  g_atomic_int_set (&self->live, FALSE);
  self->copier.orientation = 0;
  self->percent = -1;
  self->too_slow = (TooSlow){ FALSE };
  g_mutex_lock (&self->results_lock);
  self->stats = (Stats){ 0 };
  g_mutex_unlock (&self->results_lock);
  announce_progress (self, GST_PROGRESS_TYPE_START, "Loading the model");

  GST_OBJECT_LOCK (self);
  self->roi = s->roi != NULL && s->roi[0] != '\0' ? g_strdup (s->roi) : NULL;
  self->roi_confidence = s->roi_confidence;
  self->text_lost = self->answer_time = 0;
  segmenter_init (&self->segmenter, &s->segments, sampling_query_length, self);
  if (text != NULL)
    text_src_set_times (text, s->text_timestamp, settings_text_duration (s), GST_CLOCK_TIME_IS_VALID (s->text_duration));
  config = (WorkerConfig){
    .backend = self->backend,
    .options = settings_backend_options (s),
    .stream = s->stream != NULL ? s->stream : name,
    .frames = s->segments.frames,
    .max_tiles = s->max_tiles,
    .max_backlog = s->max_backlog,
    .max_bytes = MAX_BYTES,
    .journal = self->journal,
  };
  worker_start (self->worker, &config);
  GST_OBJECT_UNLOCK (self);
  return TRUE;
}

static gboolean
gst_minivl_stop (GstBaseTransform *base)
{
  GstMinivl *self = GST_MINIVL (base);

  worker_interrupt (self->worker); /* which the other thread may wait for */
  standstill_stop (self->standstill);
  if (worker_stop (self->worker))
    announce_progress (self, GST_PROGRESS_TYPE_CANCELED, "Loading the model was cancelled");
  GST_OBJECT_LOCK (self);
  self->is_started = FALSE;
  gst_event_replace (&self->segment, NULL);
  gst_event_replace (&self->eos, NULL);
  GST_OBJECT_UNLOCK (self);
  sampling_clear (self);
  g_clear_pointer (&self->journal, journal_close);
  segmenter_clear (&self->segmenter);
  frame_copier_clear (&self->copier);
  g_clear_pointer (&self->vulkan, vulkan_input_free);
  g_clear_pointer (&self->roi, g_free);
  g_mutex_lock (&self->results_lock);
  g_queue_clear_full (&self->results, (GDestroyNotify)result_unref);
  g_mutex_unlock (&self->results_lock);
#ifdef __GLIBC__
  malloc_trim (0); /* the pixels, which the arenas of threads that are gone would keep */
#endif
  return TRUE;
}

static gboolean
gst_minivl_set_caps (GstBaseTransform *base, GstCaps *in, GstCaps *out)
{
  GstMinivl *self = GST_MINIVL (base);
  GstVideoInfo info;

  if (!formats_parse (in, &info))
    return FALSE;
  if (gst_video_info_is_equal (&info, &self->info))
    return TRUE;
  sampling_close (self);
  self->info = info;
  frame_copier_init (&self->copier, &info);
  sampling_set_rate (self, base->segment.applied_rate);
  return TRUE;
}

/* Only a buffer that gets a meta is made writable; its pixels are not copied. */
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
  if ((result != NULL || self->marks_places) && !gst_buffer_is_writable (in))
    *out = gst_buffer_copy (in);
  if (result != NULL)
    result_meta_add (result, *out);
  if (self->marks_places)
    place_add (*out);
  return GST_FLOW_OK;
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
  gboolean by_segment, tells_time;
  Admission admission;

  if (worker_has_failed (self->worker))
    return GST_FLOW_ERROR;
  admission = admit_buffer (self, buffer);
  if (admission == ADMIT_REFUSED)
    return GST_FLOW_ERROR;
  tells_time = admission != ADMIT_PASSES && !sampling_is_jitter (self, buffer);
  sampling_ask_live (self);

  GST_OBJECT_LOCK (self);
  by_segment = self->settings.text_timestamp == TEXT_SEGMENT;
  GST_OBJECT_UNLOCK (self);
  /* Owed texts must be known before time advances; but a text at the current time needs the time of this buffer, even while it
   * waits. */
  if (text != NULL && tells_time && !by_segment)
    text_src_position (text, GST_BUFFER_PTS (buffer), end_of (buffer));
  if (admission == ADMIT_LOOKED_AT)
    sampling_buffer (self, buffer);
  if (self->marks_places)
    sampling_mark_place (self, buffer);
  if (text != NULL && tells_time && by_segment)
    text_src_position (text, GST_BUFFER_PTS (buffer), end_of (buffer));
  if (text != NULL)
    text_src_pushing (text, TRUE);
  return GST_FLOW_OK;
}

/* A buffer or GAP was handed on. */
static void
pushed (GstMinivl *self)
{
  g_autoptr (GstMinivlTextSrc) text = element_get_text (self);

  if (text != NULL)
    text_src_pushing (text, FALSE);
}

/* The base class pushes the buffer after transform_ip(), and has no hook for when the push returns. Whether it calls that before
 * there are caps depends on its earlier life. */
static GstFlowReturn
chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstMinivl *self = GST_MINIVL (parent);
  GstFlowReturn flow;

  if (!admit_has_caps (self)) {
    gst_buffer_unref (buffer);
    return GST_FLOW_NOT_NEGOTIATED;
  }
  flow = self->base_chain (pad, parent, buffer);
  pushed (self);
  return flow;
}

/* --- events and states ------------------------------------------------------------------------------------------------------- */

static gboolean
gst_minivl_sink_event (GstBaseTransform *base, GstEvent *event)
{
  gboolean is_gap = GST_EVENT_TYPE (event) == GST_EVENT_GAP, passed;

  events_sink (GST_MINIVL (base), event);
  passed = GST_BASE_TRANSFORM_CLASS (gst_minivl_parent_class)->sink_event (base, event);
  if (is_gap)
    pushed (GST_MINIVL (base));
  return passed;
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
  GstStateChangeReturn result;

  /* The streaming thread may wait for the worker, and chaining up waits for the streaming thread. */
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    worker_interrupt (self->worker);
  if (transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED)
    standstill_play (self->standstill, FALSE);
  result = GST_ELEMENT_CLASS (gst_minivl_parent_class)->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING)
    standstill_play (self->standstill, TRUE);
  return result;
}

/* The action signal. If n_seconds does not fit into a guint64 of ns, all frames are looked at. */
static guint64
gst_minivl_ask (GstMinivl *self, const gchar *prompt, gdouble n_seconds)
{
  const gchar *why = NULL;
  SegmentSettings settings;
  guint64 id = 0;

  GST_OBJECT_LOCK (self);
  segment_settings_copy (&settings, &self->settings.per_segment);
  GST_OBJECT_UNLOCK (self);
  g_free (settings.prompt);
  settings.prompt = prompt != NULL ? g_utf8_make_valid (prompt, -1) : NULL;
  g_clear_pointer (&settings.choices, g_free);
  g_clear_pointer (&settings.schema, g_free);
  if (prompt == NULL || prompt[0] == '\0')
    why = "its prompt is empty";
  else if (!(n_seconds >= 0))
    why = "n_seconds is below 0";
  else
    id = worker_ask (self->worker, &settings, n_seconds < 1e9 ? (guint64)(n_seconds * GST_SECOND) : G_MAXUINT64, &why);
  segment_settings_clear (&settings);
  if (id == 0)
    GST_ELEMENT_WARNING (self, LIBRARY, FAILED, ("The question cannot be asked: %s.", why), (NULL));
  return id;
}

static GstPad *
gst_minivl_request_new_pad (GstElement *element, GstPadTemplate *templ, const gchar *name, const GstCaps *caps)
{
  GstMinivl *self = GST_MINIVL (element);
  GstMinivlTextSrc *text = text_src_new (templ, "text_src", held_up);
  GstPad *sink = GST_BASE_TRANSFORM_SINK_PAD (self);
  g_autoptr (GstEvent) start = gst_pad_get_sticky_event (sink, GST_EVENT_STREAM_START, 0);
  g_autoptr (GstEvent) rate = gst_pad_get_sticky_event (sink, GST_EVENT_INSTANT_RATE_CHANGE, 0);

  gst_pad_set_event_function (GST_PAD (text), events_text);
  gst_pad_set_query_function (GST_PAD (text), events_text_query);
  if (!gst_element_add_pad (element, GST_PAD (text))) /* there is one already */
    return NULL;

  GST_OBJECT_LOCK (self);
  text_src_set_times (text, self->settings.text_timestamp, settings_text_duration (&self->settings),
      GST_CLOCK_TIME_IS_VALID (self->settings.text_duration));
  if (start != NULL)
    text_src_stream_start (text, start);
  if (self->segment != NULL)
    text_src_segment (text, gst_event_ref (self->segment));
  if (rate != NULL)
    gst_pad_store_sticky_event (GST_PAD (text), rate);
  if (self->eos != NULL)
    text_src_eos (text, gst_event_ref (self->eos));
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
  if (text != NULL) {
    text_src_release (text);
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
  gboolean stays, refused, known, retimed, runs;
  guint64 latency;

  GST_OBJECT_LOCK (self);
  runs = self->is_started;
  GST_OBJECT_UNLOCK (self);
  if (runs && answer_shape_is_property (pspec->name)) {
    answer_shape_set (self, id, pspec->name, value);
    return;
  }
  GST_OBJECT_LOCK (self);
  latency = settings_text_latency (&self->settings, self->answer_time);
  stays = self->is_started && settings_are_fixed (id);
  refused = self->is_started && settings_are_of_engine (&self->settings, id);
  known = stays || refused || settings_set (&self->settings, id, value);
  retimed = self->is_started && settings_text_latency (&self->settings, self->answer_time) != latency;
  GST_OBJECT_UNLOCK (self);
  if (retimed)
    gst_element_post_message (GST_ELEMENT (self), gst_message_new_latency (GST_OBJECT (self)));
  if (refused)
    GST_ELEMENT_WARNING (self, LIBRARY, SETTINGS, ("%s is not possible with endpoint.", pspec->name), (NULL));
  else if (stays)
    GST_ELEMENT_WARNING (
        self, LIBRARY, SETTINGS, ("%s stays as it is while the element runs: set it in state READY or NULL.", pspec->name), (NULL));
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
gst_minivl_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstMinivl *self = GST_MINIVL (object);
  gboolean known;

  if (id == PROP_STATS) {
    g_value_take_boxed (value, announce_stats (self));
    return;
  }
  GST_OBJECT_LOCK (self);
  known = settings_get (&self->settings, id, value);
  GST_OBJECT_UNLOCK (self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

/* Not in init: there the class is still GstMinivl's own, also of a subclass. */
static void
gst_minivl_constructed (GObject *object)
{
  GstMinivl *self = GST_MINIVL (object);

  self->backend = GST_MINIVL_GET_CLASS (self)->backend;
  self->worker = worker_new (self->backend, &announce_callbacks, self);
  G_OBJECT_CLASS (gst_minivl_parent_class)->constructed (object);
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
  sampling_finalize (self);
  settings_clear (&self->settings);
  g_mutex_clear (&self->results_lock);
  G_OBJECT_CLASS (gst_minivl_parent_class)->finalize (object);
}

void
gst_minivl_mark_places (GstMinivl *self)
{
  self->marks_places = TRUE;
}

void
gst_minivl_install_properties (GObjectClass *klass)
{
  settings_install_properties (klass);
  g_object_class_install_property (klass, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "Structure minivl-stats of what happened since the start: segments, results, dropped, unchanged, errors, text_lost and "
          "backlog are counts, and of frames that were not looked at untimed (without a PTS) and strays (single ones whose time "
          "lies far off); preprocess, encode, prefill and "
          "decode mean ns of the segments "
          "that were answered or unchanged; prefill_tokens_per_second and decode_tokens_per_second; tokens drafted and accepted; "
          "device_bytes. Also an element message at the end of the stream",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

static void
gst_minivl_class_init (GstMinivlClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *transform_class = GST_BASE_TRANSFORM_CLASS (klass);
  g_autoptr (GstCaps) caps = NULL;

  log_init ();
  result_meta_register ();
  klass->backend = &backend_local;

  object_class->set_property = gst_minivl_set_property;
  object_class->get_property = gst_minivl_get_property;
  object_class->constructed = gst_minivl_constructed;
  object_class->dispose = gst_minivl_dispose;
  object_class->finalize = gst_minivl_finalize;
  gst_minivl_install_properties (object_class);

  /**
   * GstMinivl::ask:
   * @prompt: the question, with the placeholders of the property prompt
   * @n_seconds: how far back the video is looked at
   *
   * Asks about the last seconds of the video, now, from any thread; segments are not disturbed. The answer is a result of kind
   * `question`. It is given on frames that were sampled for segments and are still held, which are those of at least one segment's
   * length: at most num-segments of them, evenly, and always the last one. Its segment_start is the first one's time, its
   * segment_stop the moment of asking. It is not bound to choices or json-schema. A flush, or the end of the element, ends it with
   * finish_reason `flush`.
   *
   * Returns: the id that the result will have; 0, and a WARNING that says why, when it cannot be asked
   */
  g_signal_new_class_handler ("ask", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION, G_CALLBACK (gst_minivl_ask),
      NULL, NULL, NULL, G_TYPE_UINT64, 2, G_TYPE_STRING, G_TYPE_DOUBLE);

  caps = formats_make_caps ();
  gst_element_class_add_pad_template (element_class, gst_pad_template_new ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, caps));
  gst_element_class_add_pad_template (element_class, gst_pad_template_new ("src", GST_PAD_SRC, GST_PAD_ALWAYS, caps));
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

  self->base_chain = GST_PAD_CHAINFUNC (sink);
  gst_pad_set_chain_function (sink, chain);
  settings_init (&self->settings);
  sampling_init (self);
  self->seek_seqnum = GST_SEQNUM_INVALID;
  g_mutex_init (&self->results_lock);
  gst_base_transform_set_passthrough (GST_BASE_TRANSFORM (self), TRUE);
  gst_base_transform_set_gap_aware (GST_BASE_TRANSFORM (self), TRUE);
}

#include "settings.h"

#include <gst/gst.h>

#define DEFAULT_PROMPT "Describe in one or two sentences what happens in this video."
#define DEFAULT_SUMMARY_PROMPT "Sum up what happened.\n{reports}"
#define DEFAULT_DURATION (10 * GST_SECOND)
#define DEFAULT_THRESHOLD 0.5
#define DEFAULT_HYSTERESIS 0.1
#define LONGEST_TEXT (5 * GST_SECOND)

enum
{
  PROP_MODEL_PATH = 1,
  PROP_DEVICE,
  PROP_PRECISION,
  PROP_CONTEXT_SIZE,
  PROP_PROMPT,
  PROP_SYSTEM_PROMPT,
  PROP_SEGMENT_DURATION,
  PROP_SEGMENT_OVERLAP,
  PROP_NUM_SEGMENTS,
  PROP_START_TIME,
  PROP_STOP_TIME,
  PROP_MAX_TILES,
  PROP_MAX_TOKENS,
  PROP_TEMPERATURE,
  PROP_TOP_K,
  PROP_TOP_P,
  PROP_REPETITION_PENALTY,
  PROP_SEED,
  PROP_STREAM,
  PROP_TEXT_TIMESTAMP,
  PROP_TEXT_DURATION,
  PROP_LEAKY,
  PROP_MAX_BACKLOG,
  PROP_DEADLINE,
  PROP_EOS_TIMEOUT,
  PROP_PARTIAL,
  PROP_HISTORY_SIZE,
  PROP_SKIP_SIMILAR,
  PROP_ROI,
  PROP_ALERTS,
  PROP_ALERT_THRESHOLD,
  PROP_ALERT_HYSTERESIS,
  PROP_ALERT_PICTURE,
  PROP_SUMMARY_INTERVAL,
  PROP_SUMMARY_PROMPT,
  PROP_JOURNAL,
};

#define AT_START (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)
#define ANY_TIME (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)

#define TYPE_PRECISION (precision_get_type ())
#define TYPE_LEAKY (leaky_get_type ())
#define TYPE_TEXT_TIMESTAMP (text_timestamp_get_type ())

static GType
precision_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    { MINIVL_PRECISION_AUTO, "What suits the model and the device", "auto" },
    { MINIVL_PRECISION_F32, "32 bits, for tests and small models", "f32" },
    { MINIVL_PRECISION_F16, "16 bits as the file has them: BF16 stays BF16", "f16" },
    { 0 },
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstMinivlPrecision", values));
  return type;
}

static GType
leaky_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    { LEAKY_AUTO, "downstream if the source is live, no if it is not", "auto" },
    { LEAKY_NO, "Nothing is dropped: the video waits", "no" },
    { LEAKY_UPSTREAM, "The new segment is dropped", "upstream" },
    { LEAKY_DOWNSTREAM, "The oldest segment that waits is dropped", "downstream" },
    { 0 },
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstMinivlLeaky", values));
  return type;
}

static GType
text_timestamp_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    { TEXT_NOW, "The time of the video that passes when the text is there", "now" },
    { TEXT_SEGMENT, "The start of the segment that the text is about, for subtitles: needs a queue of a segment in the video",
        "segment" },
    { 0 },
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstMinivlTextTimestamp", values));
  return type;
}

void
settings_init (Settings *s)
{
  *s = (Settings){
    .context_size = 8192,
    .max_tiles = 1,
    .max_backlog = 2,
    .segments = { .duration = DEFAULT_DURATION, .stop = SEGMENTER_NONE, .frames = 8 },
    .per_segment = { .prompt = g_strdup (DEFAULT_PROMPT),
        .params = MINIVL_PARAMS_INIT,
        .alert_threshold = DEFAULT_THRESHOLD,
        .alert_hysteresis = DEFAULT_HYSTERESIS,
        .summary_prompt = g_strdup (DEFAULT_SUMMARY_PROMPT) },
    .text_duration = GST_CLOCK_TIME_NONE,
    .eos_timeout = GST_CLOCK_TIME_NONE,
  };
  s->per_segment.params.max_tokens = 128;
}

void
settings_clear (Settings *s)
{
  g_clear_pointer (&s->model_path, g_free);
  g_clear_pointer (&s->device, g_free);
  g_clear_pointer (&s->stream, g_free);
  g_clear_pointer (&s->roi, g_free);
  g_clear_pointer (&s->journal, g_free);
  segment_settings_clear (&s->per_segment);
}

void
settings_install_properties (GObjectClass *klass)
{
  const MinivlParams params = MINIVL_PARAMS_INIT;

  g_object_class_install_property (klass, PROP_MODEL_PATH,
      g_param_spec_string ("model-path", "Model path",
          "Checkpoint folder: config.json, safetensors and tokenizer files; unset is the demo model", NULL, AT_START));
  g_object_class_install_property (klass, PROP_DEVICE,
      g_param_spec_string ("device", "Device",
          "Vulkan device: index, UUID or part of the name; unset takes a real GPU before a CPU device", NULL, AT_START));
  g_object_class_install_property (klass, PROP_PRECISION,
      g_param_spec_enum (
          "precision", "Precision", "How the weights are kept on the device", TYPE_PRECISION, MINIVL_PRECISION_AUTO, AT_START));
  g_object_class_install_property (klass, PROP_CONTEXT_SIZE,
      g_param_spec_uint ("context-size", "Context size",
          "Most tokens of a segment's frames, prompt and answer together; more takes more device memory", 1, G_MAXINT, 8192,
          AT_START));
  g_object_class_install_property (klass, PROP_PROMPT,
      g_param_spec_string ("prompt", "Prompt",
          "What is asked of each segment, from the next one on. {start} and {stop} stand for the segment's bounds (H:MM:SS.mmm in "
          "the stream), {n} for its number, {stream} for the stream's name, {utc} for the time of day of its start, with roi "
          "{label} for the regions' label. Without "
          "<image> "
          "marks the frames go in front",
          DEFAULT_PROMPT, ANY_TIME));
  g_object_class_install_property (klass, PROP_SYSTEM_PROMPT,
      g_param_spec_string ("system-prompt", "System prompt",
          "System message, from the next segment on; unset is the checkpoint's own, an empty one leaves the system part out", NULL,
          ANY_TIME));
  g_object_class_install_property (klass, PROP_SEGMENT_DURATION,
      g_param_spec_uint64 ("segment-duration", "Segment duration",
          "Stretch of video that one question is about, in ns; 0 = all of it, which needs stop-time or a stream that knows its "
          "length",
          0, G_MAXINT64, DEFAULT_DURATION, AT_START));
  g_object_class_install_property (klass, PROP_SEGMENT_OVERLAP,
      g_param_spec_uint64 ("segment-overlap", "Segment overlap",
          "By how much a segment reaches into the next, in ns; below segment-duration", 0, G_MAXINT64, 0, AT_START));
  g_object_class_install_property (klass, PROP_NUM_SEGMENTS,
      g_param_spec_uint ("num-segments", "Number of segments",
          "Frames of a segment that the model sees: those at the middle of so many equal parts", 1, 128, 8, AT_START));
  g_object_class_install_property (klass, PROP_START_TIME,
      g_param_spec_uint64 ("start-time", "Start time",
          "Where the first segment starts, in ns of stream time; -1 = 0, the start of the stream", 0, G_MAXUINT64, 0, AT_START));
  g_object_class_install_property (klass, PROP_STOP_TIME,
      g_param_spec_uint64 ("stop-time", "Stop time",
          "Where the last segment stops, in ns of stream time; -1 = the end of the stream", 0, G_MAXUINT64, GST_CLOCK_TIME_NONE,
          AT_START));
  g_object_class_install_property (klass, PROP_MAX_TILES,
      g_param_spec_uint ("max-tiles", "Most tiles",
          "Most tiles a frame is cut into; more tiles show more detail and take more tokens", 1, 40, 1, AT_START));
  g_object_class_install_property (klass, PROP_MAX_TOKENS,
      g_param_spec_uint (
          "max-tokens", "Most tokens", "Most tokens of an answer, from the next segment on", 1, G_MAXINT, 128, ANY_TIME));
  g_object_class_install_property (klass, PROP_TEMPERATURE,
      g_param_spec_double ("temperature", "Temperature", "0 takes the best token each time; higher is more varied", 0, 100,
          params.temperature, ANY_TIME));
  g_object_class_install_property (klass, PROP_TOP_K,
      g_param_spec_uint ("top-k", "Top k", "Draw from the k best tokens, when temperature is above 0; 0 = from all", 0, G_MAXINT,
          params.top_k, ANY_TIME));
  g_object_class_install_property (klass, PROP_TOP_P,
      g_param_spec_double ("top-p", "Top p",
          "Draw from the best tokens that together have this probability, when temperature is above 0; 1 = from all", 0, 1,
          params.top_p, ANY_TIME));
  g_object_class_install_property (klass, PROP_REPETITION_PENALTY,
      g_param_spec_double ("repetition-penalty", "Repetition penalty",
          "Above 1, tokens that occurred in question or answer become less likely; 1 = off", 0.01, 100, params.repetition_penalty,
          ANY_TIME));
  g_object_class_install_property (klass, PROP_SEED,
      g_param_spec_uint64 ("seed", "Seed", "Of the draws, when temperature is above 0; the same seed gives the same text", 0,
          G_MAXINT64, params.seed, ANY_TIME));
  g_object_class_install_property (klass, PROP_STREAM,
      g_param_spec_string ("stream", "Stream", "A name for the stream in results; unset is the element's name", NULL, AT_START));
  g_object_class_install_property (klass, PROP_TEXT_TIMESTAMP,
      g_param_spec_enum ("text-timestamp", "Text timestamp",
          "Which time of the video a text on text_src has. With segment, whatever joins text and video again needs a queue of at "
          "least one segment in the video branch",
          TYPE_TEXT_TIMESTAMP, TEXT_NOW, AT_START));
  g_object_class_install_property (klass, PROP_TEXT_DURATION,
      g_param_spec_uint64 ("text-duration", "Text duration",
          "Duration of the buffers on text_src, in ns; -1 = with text-timestamp=segment as long as the segment, else the lesser of "
          "5 s and the step from segment to segment",
          0, G_MAXUINT64, GST_CLOCK_TIME_NONE, AT_START));
  g_object_class_install_property (klass, PROP_LEAKY,
      g_param_spec_enum ("leaky", "Leaky", "What is dropped when max-backlog segments wait and another one is complete", TYPE_LEAKY,
          LEAKY_AUTO, AT_START));
  g_object_class_install_property (klass, PROP_MAX_BACKLOG,
      g_param_spec_uint ("max-backlog", "Most backlog",
          "Complete segments that may wait for the model, in segments; the one that it works on and the one that is open do not "
          "count",
          1, 1000, 2, AT_START));
  g_object_class_install_property (klass, PROP_DEADLINE,
      g_param_spec_uint64 ("deadline", "Deadline",
          "How long after a segment's end its answer may take, in ns; then the text so far is the answer. From the next segment "
          "on; "
          "0 or -1 = as long as it takes",
          0, G_MAXUINT64, 0, ANY_TIME));
  g_object_class_install_property (klass, PROP_EOS_TIMEOUT,
      g_param_spec_uint64 ("eos-timeout", "EOS timeout",
          "How long the end of the stream is held back for answers, in ns; then what is left is given up, with a warning. -1 = "
          "until "
          "all are there",
          0, G_MAXUINT64, GST_CLOCK_TIME_NONE, ANY_TIME));
  g_object_class_install_property (klass, PROP_PARTIAL,
      g_param_spec_boolean ("partial", "Partial",
          "Post element messages minivl-partial with the text so far while an answer is made", FALSE, ANY_TIME));
  g_object_class_install_property (klass, PROP_HISTORY_SIZE,
      g_param_spec_uint ("history-size", "History size",
          "How many of its last answers the model is told, as earlier rounds of text without their frames; from the next segment "
          "on. Flushes, seeks and other streams forget them; the oldest are left out where context-size has no room for all",
          0, 32, 0, ANY_TIME));
  g_object_class_install_property (klass, PROP_SKIP_SIMILAR,
      g_param_spec_double ("skip-similar", "Skip similar",
          "A segment that looks like the last one described is unchanged and not asked about, when the model's features of all "
          "parts of all frames have at least this cosine; from the next segment on. 0.9 takes rain and noise for nothing, and a "
          "person for something; 1 = only equal frames, 0 = off",
          0, 1, 0, ANY_TIME));
  g_object_class_install_property (klass, PROP_ROI,
      g_param_spec_string ("roi", "Region of interest",
          "Label of regions that upstream marks (GstVideoRegionOfInterestMeta), * = any: the questions are about these parts of "
          "the frames, one tile each, the largest first and as many of each frame as context-size has room for; {label} in the "
          "prompt is their label. Of a segment without any nothing is asked: its result has no text, no prompt and no frames. "
          "Unset = whole frames",
          NULL, AT_START));
  g_object_class_install_property (klass, PROP_ALERTS,
      g_param_spec_string ("alerts", "Alerts",
          "Yes/no questions about each segment's frames, separated by ; or line ends, from the next segment on. One that rises "
          "above alert-threshold or falls again gives an alert: a result of kind alert, and a message minivl-alert. They are asked "
          "when the segment has been described, also when its deadline cut the text short. One that is taken out of the list while "
          "it is active falls, without a score",
          NULL, ANY_TIME));
  g_object_class_install_property (klass, PROP_ALERT_THRESHOLD,
      g_param_spec_double ("alert-threshold", "Alert threshold",
          "An alert rises when P(yes) of yes and no is above this; from the next segment on", 0, 1, DEFAULT_THRESHOLD, ANY_TIME));
  g_object_class_install_property (klass, PROP_ALERT_HYSTERESIS,
      g_param_spec_double ("alert-hysteresis", "Alert hysteresis",
          "An alert falls when P(yes) is below alert-threshold less this, never if that is not above 0; from the next segment on",
          0, 1, DEFAULT_HYSTERESIS, ANY_TIME));
  g_object_class_install_property (klass, PROP_ALERT_PICTURE,
      g_param_spec_string ("alert-picture", "Alert picture",
          "Folder in which an alert leaves the middle sampled frame of its segment as STREAM-ID.jpg, in full size and upright; it "
          "is there when the alert is told. Of a segment that was cut short it is the last frame that was sampled up to the "
          "middle. Unset = none; from the next segment on",
          NULL, ANY_TIME));
  g_object_class_install_property (klass, PROP_SUMMARY_INTERVAL,
      g_param_spec_uint64 ("summary-interval", "Summary interval",
          "After how much stream time, in ns, the model sums up what it reported since its last summary, and what is left at the "
          "end "
          "of the stream: a result of kind summary. From the next segment on; 0 = no summaries, and reports so far are forgotten; "
          "-1 = one at the end of the stream",
          0, G_MAXUINT64, 0, ANY_TIME));
  g_object_class_install_property (klass, PROP_SUMMARY_PROMPT,
      g_param_spec_string ("summary-prompt", "Summary prompt",
          "How reports are summed up, from the next segment on. {reports} stands for them, a line each with its times, at the end "
          "if "
          "it is not there; {start}, {stop} and {utc} for the times of what is summed up, {n} for the summary's number, {stream} "
          "for "
          "the stream's name. More reports than context-size has room for are summed up in stages, with this prompt each",
          DEFAULT_SUMMARY_PROMPT, ANY_TIME));
  g_object_class_install_property (klass, PROP_JOURNAL,
      g_param_spec_string ("journal", "Journal",
          "File that all results are appended to, a JSON line each. At start it is read: ids go on from the highest in it, and "
          "what "
          "the stream of this name reported behind its last summary goes into the next one. Unset = nothing is written",
          NULL, AT_START));
  gst_type_mark_as_plugin_api (TYPE_LEAKY, 0);
  gst_type_mark_as_plugin_api (TYPE_TEXT_TIMESTAMP, 0);
  gst_type_mark_as_plugin_api (TYPE_PRECISION, 0);
}

static void
set_string (gchar **to, const GValue *value)
{
  g_free (*to);
  *to = g_value_get_string (value) != NULL ? g_utf8_make_valid (g_value_get_string (value), -1) : NULL;
}

/* None is 0; and none is more than a gint64 holds. */
static guint64
time_of (const GValue *value)
{
  guint64 time = g_value_get_uint64 (value);

  return GST_CLOCK_TIME_IS_VALID (time) ? MIN (time, G_MAXINT64) : 0;
}

gboolean
settings_set (Settings *s, guint id, const GValue *value)
{
  MinivlParams *params = &s->per_segment.params;

  switch (id) {
    case PROP_MODEL_PATH:
      g_free (s->model_path); /* a file name need not be UTF-8 */
      s->model_path = g_value_dup_string (value);
      return TRUE;
    case PROP_DEVICE:
      set_string (&s->device, value);
      return TRUE;
    case PROP_PRECISION:
      s->precision = g_value_get_enum (value);
      return TRUE;
    case PROP_CONTEXT_SIZE:
      s->context_size = g_value_get_uint (value);
      return TRUE;
    case PROP_PROMPT:
      set_string (&s->per_segment.prompt, value);
      if (s->per_segment.prompt == NULL)
        s->per_segment.prompt = g_strdup (DEFAULT_PROMPT);
      return TRUE;
    case PROP_SYSTEM_PROMPT:
      set_string (&s->per_segment.system, value);
      return TRUE;
    case PROP_SEGMENT_DURATION:
      s->segments.duration = g_value_get_uint64 (value);
      return TRUE;
    case PROP_SEGMENT_OVERLAP:
      s->segments.overlap = g_value_get_uint64 (value);
      return TRUE;
    case PROP_NUM_SEGMENTS:
      s->segments.frames = g_value_get_uint (value);
      return TRUE;
    case PROP_START_TIME:
      s->segments.start = time_of (value);
      return TRUE;
    case PROP_STOP_TIME:
      s->segments.stop = g_value_get_uint64 (value);
      return TRUE;
    case PROP_MAX_TILES:
      s->max_tiles = g_value_get_uint (value);
      return TRUE;
    case PROP_MAX_TOKENS:
      params->max_tokens = g_value_get_uint (value);
      return TRUE;
    case PROP_TEMPERATURE:
      params->temperature = g_value_get_double (value);
      return TRUE;
    case PROP_TOP_K:
      params->top_k = g_value_get_uint (value);
      return TRUE;
    case PROP_TOP_P:
      params->top_p = g_value_get_double (value);
      return TRUE;
    case PROP_REPETITION_PENALTY:
      params->repetition_penalty = g_value_get_double (value);
      return TRUE;
    case PROP_SEED:
      params->seed = g_value_get_uint64 (value);
      return TRUE;
    case PROP_STREAM:
      set_string (&s->stream, value);
      return TRUE;
    case PROP_TEXT_TIMESTAMP:
      s->text_timestamp = g_value_get_enum (value);
      return TRUE;
    case PROP_TEXT_DURATION:
      s->text_duration = g_value_get_uint64 (value);
      return TRUE;
    case PROP_LEAKY:
      s->leaky = g_value_get_enum (value);
      return TRUE;
    case PROP_MAX_BACKLOG:
      s->max_backlog = g_value_get_uint (value);
      return TRUE;
    case PROP_DEADLINE:
      s->per_segment.deadline = time_of (value);
      return TRUE;
    case PROP_EOS_TIMEOUT:
      s->eos_timeout = g_value_get_uint64 (value);
      return TRUE;
    case PROP_PARTIAL:
      s->partial = g_value_get_boolean (value);
      return TRUE;
    case PROP_HISTORY_SIZE:
      s->per_segment.history = g_value_get_uint (value);
      return TRUE;
    case PROP_SKIP_SIMILAR:
      s->per_segment.similar = g_value_get_double (value);
      return TRUE;
    case PROP_ROI:
      set_string (&s->roi, value);
      return TRUE;
    case PROP_ALERTS:
      set_string (&s->per_segment.alerts, value);
      return TRUE;
    case PROP_ALERT_THRESHOLD:
      s->per_segment.alert_threshold = g_value_get_double (value);
      return TRUE;
    case PROP_ALERT_HYSTERESIS:
      s->per_segment.alert_hysteresis = g_value_get_double (value);
      return TRUE;
    case PROP_SUMMARY_INTERVAL:
      s->per_segment.summary_interval = g_value_get_uint64 (value);
      return TRUE;
    case PROP_SUMMARY_PROMPT:
      set_string (&s->per_segment.summary_prompt, value);
      if (s->per_segment.summary_prompt == NULL)
        s->per_segment.summary_prompt = g_strdup (DEFAULT_SUMMARY_PROMPT);
      return TRUE;
    case PROP_JOURNAL:
      g_free (s->journal); /* a file name need not be UTF-8 */
      s->journal = g_value_dup_string (value);
      return TRUE;
    case PROP_ALERT_PICTURE:
      g_free (s->per_segment.alert_picture); /* a file name need not be UTF-8 */
      s->per_segment.alert_picture = g_value_dup_string (value);
      if (s->per_segment.alert_picture != NULL && s->per_segment.alert_picture[0] == '\0')
        g_clear_pointer (&s->per_segment.alert_picture, g_free);
      return TRUE;
    default:
      return FALSE;
  }
}

gboolean
settings_get (const Settings *s, guint id, GValue *value)
{
  const MinivlParams *params = &s->per_segment.params;

  switch (id) {
    case PROP_MODEL_PATH:
      g_value_set_string (value, s->model_path);
      return TRUE;
    case PROP_DEVICE:
      g_value_set_string (value, s->device);
      return TRUE;
    case PROP_PRECISION:
      g_value_set_enum (value, s->precision);
      return TRUE;
    case PROP_CONTEXT_SIZE:
      g_value_set_uint (value, s->context_size);
      return TRUE;
    case PROP_PROMPT:
      g_value_set_string (value, s->per_segment.prompt);
      return TRUE;
    case PROP_SYSTEM_PROMPT:
      g_value_set_string (value, s->per_segment.system);
      return TRUE;
    case PROP_SEGMENT_DURATION:
      g_value_set_uint64 (value, s->segments.duration);
      return TRUE;
    case PROP_SEGMENT_OVERLAP:
      g_value_set_uint64 (value, s->segments.overlap);
      return TRUE;
    case PROP_NUM_SEGMENTS:
      g_value_set_uint (value, s->segments.frames);
      return TRUE;
    case PROP_START_TIME:
      g_value_set_uint64 (value, s->segments.start);
      return TRUE;
    case PROP_STOP_TIME:
      g_value_set_uint64 (value, s->segments.stop);
      return TRUE;
    case PROP_MAX_TILES:
      g_value_set_uint (value, s->max_tiles);
      return TRUE;
    case PROP_MAX_TOKENS:
      g_value_set_uint (value, params->max_tokens);
      return TRUE;
    case PROP_TEMPERATURE:
      g_value_set_double (value, params->temperature);
      return TRUE;
    case PROP_TOP_K:
      g_value_set_uint (value, params->top_k);
      return TRUE;
    case PROP_TOP_P:
      g_value_set_double (value, params->top_p);
      return TRUE;
    case PROP_REPETITION_PENALTY:
      g_value_set_double (value, params->repetition_penalty);
      return TRUE;
    case PROP_SEED:
      g_value_set_uint64 (value, params->seed);
      return TRUE;
    case PROP_STREAM:
      g_value_set_string (value, s->stream);
      return TRUE;
    case PROP_TEXT_TIMESTAMP:
      g_value_set_enum (value, s->text_timestamp);
      return TRUE;
    case PROP_TEXT_DURATION:
      g_value_set_uint64 (value, s->text_duration);
      return TRUE;
    case PROP_LEAKY:
      g_value_set_enum (value, s->leaky);
      return TRUE;
    case PROP_MAX_BACKLOG:
      g_value_set_uint (value, s->max_backlog);
      return TRUE;
    case PROP_DEADLINE:
      g_value_set_uint64 (value, s->per_segment.deadline);
      return TRUE;
    case PROP_EOS_TIMEOUT:
      g_value_set_uint64 (value, s->eos_timeout);
      return TRUE;
    case PROP_PARTIAL:
      g_value_set_boolean (value, s->partial);
      return TRUE;
    case PROP_HISTORY_SIZE:
      g_value_set_uint (value, s->per_segment.history);
      return TRUE;
    case PROP_SKIP_SIMILAR:
      g_value_set_double (value, s->per_segment.similar);
      return TRUE;
    case PROP_ROI:
      g_value_set_string (value, s->roi);
      return TRUE;
    case PROP_ALERTS:
      g_value_set_string (value, s->per_segment.alerts);
      return TRUE;
    case PROP_ALERT_THRESHOLD:
      g_value_set_double (value, s->per_segment.alert_threshold);
      return TRUE;
    case PROP_ALERT_HYSTERESIS:
      g_value_set_double (value, s->per_segment.alert_hysteresis);
      return TRUE;
    case PROP_SUMMARY_INTERVAL:
      g_value_set_uint64 (value, s->per_segment.summary_interval);
      return TRUE;
    case PROP_SUMMARY_PROMPT:
      g_value_set_string (value, s->per_segment.summary_prompt);
      return TRUE;
    case PROP_JOURNAL:
      g_value_set_string (value, s->journal);
      return TRUE;
    case PROP_ALERT_PICTURE:
      g_value_set_string (value, s->per_segment.alert_picture);
      return TRUE;
    default:
      return FALSE;
  }
}

gchar *
settings_check (const Settings *s)
{
  const SegmenterConfig *c = &s->segments;

  if (c->overlap > 0 && c->overlap >= c->duration)
    return g_strdup_printf ("segment-overlap (%" G_GUINT64_FORMAT " ns) must be below segment-duration (%" G_GUINT64_FORMAT " ns).",
        c->overlap, c->duration);
  if (c->stop <= c->start)
    return g_strdup_printf (
        "stop-time (%" G_GUINT64_FORMAT " ns) must be above start-time (%" G_GUINT64_FORMAT " ns).", c->stop, c->start);
  return NULL;
}

guint64
settings_step (const Settings *s)
{
  return s->segments.duration - s->segments.overlap;
}

WorkerLeak
settings_leak (const Settings *s, gboolean live)
{
  switch (s->leaky) {
    case LEAKY_NO:
      return WORKER_WAITS;
    case LEAKY_UPSTREAM:
      return WORKER_DROPS_NEWEST;
    case LEAKY_DOWNSTREAM:
      return WORKER_DROPS_OLDEST;
    default:
      return live ? WORKER_DROPS_OLDEST : WORKER_WAITS;
  }
}

guint64
settings_text_duration (const Settings *s)
{
  if (GST_CLOCK_TIME_IS_VALID (s->text_duration) || s->text_timestamp == TEXT_SEGMENT)
    return s->text_duration;
  return settings_step (s) == 0 ? LONGEST_TEXT : MIN (LONGEST_TEXT, settings_step (s));
}

guint64
settings_text_latency (const Settings *s)
{
  const SegmenterConfig *c = &s->segments;
  guint64 duration = c->duration;

  if (s->text_timestamp != TEXT_SEGMENT)
    return 0;
  if (duration == 0 && c->stop != SEGMENTER_NONE)
    duration = c->stop - c->start;
  return duration + s->per_segment.deadline;
}

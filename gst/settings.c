#include "settings.h"

#include <gst/gst.h>

#define DEFAULT_PROMPT "Describe in one or two sentences what happens in this video."
#define DEFAULT_DURATION (10 * GST_SECOND)
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
    .question = { .prompt = g_strdup (DEFAULT_PROMPT), .params = MINIVL_PARAMS_INIT },
    .text_duration = GST_CLOCK_TIME_NONE,
    .eos_timeout = GST_CLOCK_TIME_NONE,
  };
  s->question.params.max_tokens = 128;
}

void
settings_clear (Settings *s)
{
  g_clear_pointer (&s->model_path, g_free);
  g_clear_pointer (&s->device, g_free);
  g_clear_pointer (&s->stream, g_free);
  question_clear (&s->question);
}

void
settings_install_properties (GObjectClass *klass)
{
  const MinivlParams params = MINIVL_PARAMS_INIT;

  g_object_class_install_property (klass, PROP_MODEL_PATH,
      g_param_spec_string (
          "model-path", "Model path", "Checkpoint folder: config.json, safetensors and tokenizer files", NULL, AT_START));
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
          "the stream), {n} for its number, {stream} for the stream's name, {utc} for the time of day of its start. Without "
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
      g_param_spec_uint64 (
          "start-time", "Start time", "Where the first segment starts, in ns of stream time", 0, G_MAXINT64, 0, AT_START));
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
          "0 = as long as it takes",
          0, G_MAXINT64, 0, ANY_TIME));
  g_object_class_install_property (klass, PROP_EOS_TIMEOUT,
      g_param_spec_uint64 ("eos-timeout", "EOS timeout",
          "How long the end of the stream is held back for answers, in ns; then what is left is given up, with a warning. -1 = "
          "until "
          "all are there",
          0, G_MAXUINT64, GST_CLOCK_TIME_NONE, ANY_TIME));
  g_object_class_install_property (klass, PROP_PARTIAL,
      g_param_spec_boolean ("partial", "Partial",
          "Post element messages minivl-partial with the text so far while an answer is made", FALSE, ANY_TIME));
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

gboolean
settings_set (Settings *s, guint id, const GValue *value)
{
  MinivlParams *params = &s->question.params;

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
      set_string (&s->question.prompt, value);
      if (s->question.prompt == NULL)
        s->question.prompt = g_strdup (DEFAULT_PROMPT);
      return TRUE;
    case PROP_SYSTEM_PROMPT:
      set_string (&s->question.system, value);
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
      s->segments.start = g_value_get_uint64 (value);
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
      s->question.deadline = g_value_get_uint64 (value);
      return TRUE;
    case PROP_EOS_TIMEOUT:
      s->eos_timeout = g_value_get_uint64 (value);
      return TRUE;
    case PROP_PARTIAL:
      s->partial = g_value_get_boolean (value);
      return TRUE;
    default:
      return FALSE;
  }
}

gboolean
settings_get (const Settings *s, guint id, GValue *value)
{
  const MinivlParams *params = &s->question.params;

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
      g_value_set_string (value, s->question.prompt);
      return TRUE;
    case PROP_SYSTEM_PROMPT:
      g_value_set_string (value, s->question.system);
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
      g_value_set_uint64 (value, s->question.deadline);
      return TRUE;
    case PROP_EOS_TIMEOUT:
      g_value_set_uint64 (value, s->eos_timeout);
      return TRUE;
    case PROP_PARTIAL:
      g_value_set_boolean (value, s->partial);
      return TRUE;
    default:
      return FALSE;
  }
}

gchar *
settings_check (const Settings *s)
{
  const SegmenterConfig *c = &s->segments;

  if (s->model_path == NULL || s->model_path[0] == '\0')
    return g_strdup ("No model: set the property model-path to a checkpoint folder.");
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
  return s->text_timestamp == TEXT_SEGMENT ? s->segments.duration + s->question.deadline : 0;
}

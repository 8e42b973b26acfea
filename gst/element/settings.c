#include "settings.h"

#include "time-type.h"

#include <gst/gst.h>

#define DEFAULT_PROMPT "Describe in one or two sentences what happens in this video."
#define DEFAULT_SUMMARY_PROMPT "Sum up what happened.\n{reports}"
#define DEFAULT_DURATION (10 * GST_SECOND)
#define DEFAULT_THRESHOLD 0.5
#define DEFAULT_HYSTERESIS 0.1
#define LONGEST_TEXT (5 * GST_SECOND)
/* Segments that may be open at once; each has frames of its own. */
#define MOST_OPEN 100

#define AT_START (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)
#define ANY_TIME (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)

static GType
precision_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    { MINIVL_PRECISION_AUTO, "The first of f16, q8 and q4 that fits the device's memory", "auto" },
    { MINIVL_PRECISION_F32, "32 bits, for tests and small models", "f32" },
    { MINIVL_PRECISION_F16, "16 bits as the file has them: BF16 stays BF16", "f16" },
    { MINIVL_PRECISION_Q8, "8 bits in the language model's matrices", "q8" },
    { MINIVL_PRECISION_Q4, "4 bits in most of them", "q4" },
    { 0 },
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstMinivlPrecision", values));
  return type;
}

static GType
cache_precision_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    { MINIVL_CACHE_PRECISION_F16, "16 bits; 32 with precision f32", "f16" },
    { MINIVL_CACHE_PRECISION_Q8, "8 bits: half the memory, and texts that differ a little", "q8" },
    { 0 },
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstMinivlCachePrecision", values));
  return type;
}

static GType
tokenizer_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    { MINIVL_TOKENIZER_AUTO, "What the model's card does", "auto" },
    { MINIVL_TOKENIZER_FAST, "As LlamaTokenizerFast", "fast" },
    { MINIVL_TOKENIZER_SLOW, "As LlamaTokenizer with legacy false", "slow" },
    { 0 },
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstMinivlTokenizer", values));
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
    { TEXT_SEGMENT, "The start of the segment that the text is about, for subtitles: needs a queue of two segments in the video",
        "segment" },
    { 0 },
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstMinivlTextTimestamp", values));
  return type;
}

/* --- the table --------------------------------------------------------------------------------------------------------------- */

typedef enum
{
  TEXT,      /* made UTF-8 */
  FILE_NAME, /* which need not be UTF-8 */
  OPTIONAL,  /* likewise; an empty one is none */
  NAME,      /* made UTF-8; an empty one is none */
  CHOICE,    /* of an enum */
  COUNT,     /* guint */
  LARGE,     /* guint64 */
  SPAN,      /* guint64, ns */
  TIME,      /* guint64 that a gint64 holds, ns; -1 is 0 */
  REAL,      /* double */
  SWITCH,    /* gboolean, off by default */
} SettingType;

/* Who reads the property. */
typedef enum
{
  OF_ALL,
  OF_ENGINE, /* in this process: refused with endpoint */
  OF_SERVER, /* refused without */
} SettingOwner;

/* A property; its id is its place in the table, from 1. */
typedef struct
{
  const gchar *name, *nick;
  SettingType type;
  gsize offset; /* in Settings */
  GParamFlags flags;
  union
  {
    const gchar *text; /* what unset stands for */
    struct
    {
      GType (*get_type) (void);
      gint standard;
    } choice;
    struct
    {
      guint64 min, max, standard;
    } n;
    struct
    {
      double min, max, standard;
    } real;
  };
  const gchar *blurb;
  SettingOwner owner;
} Setting;

#define AT(field) G_STRUCT_OFFSET (Settings, field)

static const Setting table[] = {
  { "model-path", "Model path", FILE_NAME, AT (model_path), AT_START, .owner = OF_ENGINE,
      .blurb = "Checkpoint folder: config.json, safetensors and tokenizer files; demo is the demo model, which knows one drawn "
               "yard. Unset is the demo model too, with a warning" },
  { "lora", "LoRA adapter", OPTIONAL, AT (lora), AT_START, .owner = OF_ENGINE,
      .blurb =
          "DIR[:SCALE]: folder of an adapter as PEFT writes it (adapter_config.json, adapter_model.safetensors), merged into the "
          "model's weights while they are loaded, SCALE times (1). Unset = none" },
  { "cache-dir", "Cache folder", FILE_NAME, AT (cache_dir), AT_START, .owner = OF_ENGINE,
      .blurb = "Folder that keeps converted weights (q8, q4) and pipelines for the next start. Unset is the user's cache folder "
               "/minivl, an empty one keeps nothing" },
  { "device", "Device", TEXT, AT (device), AT_START, .owner = OF_ENGINE,
      .blurb = "Vulkan device: index, UUID or part of the name; unset takes a real GPU before a CPU device" },
  { "precision", "Precision", CHOICE, AT (precision), AT_START, .choice = { precision_get_type, MINIVL_PRECISION_AUTO },
      .owner = OF_ENGINE, .blurb = "How the weights are kept on the device" },
  { "cache-precision", "Cache precision", CHOICE, AT (cache_precision), AT_START,
      .choice = { cache_precision_get_type, MINIVL_CACHE_PRECISION_F16 }, .owner = OF_ENGINE,
      .blurb = "How the cache of keys and values is kept on the device, which takes memory for each token of context-size" },
  { "tokenizer", "Tokenizer", CHOICE, AT (tokenizer), AT_START, .choice = { tokenizer_get_type, MINIVL_TOKENIZER_AUTO },
      .owner = OF_ENGINE, .blurb = "Which of transformers' two tokenizers reads the texts" },
  { "context-size", "Context size", COUNT, AT (context_size), AT_START, .n = { 0, G_MAXINT, 0 }, .owner = OF_ENGINE,
      .blurb =
          "Most tokens of a segment's frames, prompt and answer together; 0 = 8192, or what the checkpoint was made for or the "
          "device's memory is enough for, if that is less" },
  { "cache-size", "Cache size", COUNT, AT (cache_size), AT_START, .n = { 0, G_MAXINT, 0 }, .owner = OF_ENGINE,
      .blurb =
          "Tokens that the questions of all elements that share a model keep on the device, in all; one that finds no room waits. "
          "At least one context-size; 0 = as many of these as fit, up to eight" },
  { "prompt", "Prompt", TEXT, AT (per_segment.prompt), ANY_TIME, .text = DEFAULT_PROMPT,
      .blurb = "What is asked of each segment, from the next one on. {start} and {stop} stand for the segment's bounds "
               "(H:MM:SS.mmm in the stream), {n} for its number, {stream} for the stream's name, {utc} for the time of day of its "
               "start, with roi {label} for the regions' label. Without <image> marks the frames go in front" },
  { "system-prompt", "System prompt", TEXT, AT (per_segment.system), ANY_TIME,
      .blurb = "System message, from the next segment on; unset is the checkpoint's own, an empty one leaves the system part out" },
  { "segment-duration", "Segment duration", SPAN, AT (segments.duration), AT_START, .n = { 0, G_MAXINT64, DEFAULT_DURATION },
      .blurb = "Stretch of video that one question is about, in ns; 0 = all of it, which needs stop-time or a stream that knows "
               "its length" },
  { "segment-overlap", "Segment overlap", SPAN, AT (segments.overlap), AT_START, .n = { 0, G_MAXINT64, 0 },
      .blurb = "By how much a segment reaches into the next, in ns; below segment-duration" },
  { "num-segments", "Number of segments", COUNT, AT (segments.frames), AT_START, .n = { 1, 128, 8 },
      .blurb = "Frames of a segment that the model sees: those at the middle of so many equal parts. num-frames is another name "
               "for it" },
  { "num-frames", "Number of frames", COUNT, AT (segments.frames), AT_START, .n = { 1, 128, 8 },
      .blurb = "Frames of a segment that the model sees: another name for num-segments" },
  { "start-time", "Start time", TIME, AT (segments.start), AT_START, .n = { 0, G_MAXUINT64, 0 },
      .blurb = "Where the first segment starts, in ns of stream time; -1 = 0, the start of the stream" },
  { "stop-time", "Stop time", SPAN, AT (segments.stop), AT_START, .n = { 0, G_MAXUINT64, GST_CLOCK_TIME_NONE },
      .blurb = "Where the last segment stops, in ns of stream time; -1 = the end of the stream" },
  { "max-tiles", "Most tiles", COUNT, AT (max_tiles), AT_START, .n = { 1, 40, 1 },
      .blurb = "Most tiles a frame is cut into; more tiles show more detail and take more tokens" },
  { "max-tokens", "Most tokens", COUNT, AT (per_segment.params.max_tokens), ANY_TIME, .n = { 1, G_MAXINT, 128 },
      .blurb = "Most tokens of an answer, from the next segment on" },
  { "choices", "Choices", OPTIONAL, AT (per_segment.choices), ANY_TIME,
      .blurb =
          "What the text about a segment is one of, separated by | or line ends, from the next segment on; the result's data has "
          "the probability of each. Not together with json-schema; alerts, summaries and questions are not bound to it. Unset "
          "= any text" },
  { "json-schema", "JSON schema", OPTIONAL, AT (json_schema), ANY_TIME,
      .blurb =
          "What the text about a segment is JSON of, from the next segment on; the result's data has it. A file, read when this is "
          "set, or the schema itself, which begins with {. Where max-tokens come near it is closed, and finish_reason is length. "
          "Not together with choices; alerts, summaries and questions are not bound to it. Unset = any text" },
  { "temperature", "Temperature", REAL, AT (per_segment.params.temperature), ANY_TIME, .real = { 0, 100, 0 },
      .blurb = "0 takes the best token each time; higher is more varied" },
  { "top-k", "Top k", COUNT, AT (per_segment.params.top_k), ANY_TIME, .n = { 0, G_MAXINT, 40 },
      .blurb = "Draw from the k best tokens, when temperature is above 0; 0 = from all" },
  { "top-p", "Top p", REAL, AT (per_segment.params.top_p), ANY_TIME, .real = { 0, 1, 0.8 },
      .blurb = "Draw from the best tokens that together have this probability, when temperature is above 0; 1 = from all" },
  { "repetition-penalty", "Repetition penalty", REAL, AT (per_segment.params.repetition_penalty), ANY_TIME,
      .real = { 0.01, 100, 1 }, .blurb = "Above 1, tokens that occurred in the answer become less likely; 1 = off" },
  { "seed", "Seed", LARGE, AT (per_segment.params.seed), ANY_TIME, .n = { 0, G_MAXINT64, 0 },
      .blurb = "Of the draws, when temperature is above 0; the same seed gives the same text" },
  { "stream", "Stream", TEXT, AT (stream), AT_START, .blurb = "A name for the stream in results; unset is the element's name" },
  { "text-timestamp", "Text timestamp", CHOICE, AT (text_timestamp), AT_START, .choice = { text_timestamp_get_type, TEXT_NOW },
      .blurb = "Which time of the video a text on text_src has. With segment, whatever joins text and video again needs a queue of "
               "at least two segments in the video branch" },
  { "text-duration", "Text duration", SPAN, AT (text_duration), AT_START, .n = { 0, G_MAXUINT64, GST_CLOCK_TIME_NONE },
      .blurb = "Duration of the buffers on text_src, in ns; -1 = with text-timestamp=segment as long as the segment, else the "
               "lesser of 5 s and the step from segment to segment, of plain text less what another text beside it takes" },
  { "leaky", "Leaky", CHOICE, AT (leaky), AT_START, .choice = { leaky_get_type, LEAKY_AUTO },
      .blurb = "What is dropped when max-backlog segments wait and another one is complete" },
  { "max-backlog", "Most backlog", COUNT, AT (max_backlog), AT_START, .n = { 1, 1000, 2 },
      .blurb = "Complete segments that may wait for the model, in segments; the one that it works on and the one that is open do "
               "not count" },
  { "deadline", "Deadline", TIME, AT (per_segment.deadline), ANY_TIME, .n = { 0, G_MAXUINT64, 0 },
      .blurb = "How long after a segment's end its answer may take, in ns; then the text so far is the answer. From the next "
               "segment on; 0 or -1 = as long as it takes" },
  { "eos-timeout", "EOS timeout", SPAN, AT (eos_timeout), ANY_TIME, .n = { 0, G_MAXUINT64, GST_CLOCK_TIME_NONE },
      .blurb = "How long the end of the stream is held back for answers, in ns; then what is left is given up, with a warning. -1 "
               "= until all are there" },
  { "partial", "Partial", SWITCH, AT (partial), ANY_TIME,
      .blurb = "Post element messages minivl-partial with the text so far while an answer is made" },
  { "history-size", "History size", COUNT, AT (per_segment.history), ANY_TIME, .n = { 0, 32, 0 },
      .blurb =
          "How many of its last answers the model is told, as earlier rounds of text without their frames; from the next segment "
          "on. Flushes, seeks and other streams forget them; the oldest are left out where context-size has no room for all" },
  { "skip-similar", "Skip similar", REAL, AT (per_segment.similar), ANY_TIME, .real = { 0, 1, 0 }, .owner = OF_ENGINE,
      .blurb = "A segment that looks like the last one described is unchanged and not asked about, when the model's features of "
               "all parts of all frames have at least this cosine; from the next segment on. 0.9 takes rain and noise for nothing, "
               "and a person for something; 1 = only equal frames, 0 = off" },
  { "roi", "Region of interest", TEXT, AT (roi), AT_START,
      .blurb =
          "Label of regions that upstream marks (GstVideoRegionOfInterestMeta and, from GStreamer 1.24, GstAnalyticsODMtd), * = "
          "any: the questions are about these parts of the frames, one tile each, the largest first and as many of each frame as "
          "context-size has room for; {label} in the prompt is their label. Of a segment without any nothing is asked: its result "
          "has no text, no prompt and no frames. Unset = whole frames" },
  { "roi-confidence", "Region confidence", REAL, AT (roi_confidence), AT_START, .real = { 0, 1, 0 },
      .blurb = "Least confidence of a region that counts for roi, where the detector tells one" },
  { "alerts", "Alerts", TEXT, AT (per_segment.alerts), ANY_TIME,
      .blurb = "Yes/no questions about each segment's frames, separated by ; or line ends, from the next segment on. One that "
               "rises above alert-threshold or falls again gives an alert: a result of kind alert, and a message minivl-alert. "
               "They are asked when the segment has been described, also when its deadline cut the text short. One that is taken "
               "out of the list while it is active falls, without a score" },
  { "alert-threshold", "Alert threshold", REAL, AT (per_segment.alert_threshold), ANY_TIME, .real = { 0, 1, DEFAULT_THRESHOLD },
      .blurb = "An alert rises when P(yes) of yes and no is above this; from the next segment on" },
  { "alert-hysteresis", "Alert hysteresis", REAL, AT (per_segment.alert_hysteresis), ANY_TIME, .real = { 0, 1, DEFAULT_HYSTERESIS },
      .blurb =
          "An alert falls when P(yes) is below alert-threshold less this, never if that is not above 0; from the next segment on" },
  { "alert-picture", "Alert picture", OPTIONAL, AT (per_segment.alert_picture), ANY_TIME,
      .blurb = "Folder in which an alert leaves the middle sampled frame of its segment as STREAM-ID.jpg, in full size, "
               "upright and of square pixels; it is there when the alert is told. Of a segment that was cut short it is the last "
               "frame that was sampled "
               "up to the middle. Unset = none; from the next segment on" },
  { "summary-interval", "Summary interval", SPAN, AT (per_segment.summary_interval), ANY_TIME, .n = { 0, G_MAXUINT64, 0 },
      .blurb = "After how much stream time, in ns, the model sums up what it reported since its last summary, and what is left at "
               "the end of the stream: a result of kind summary. From the next segment on; 0 = no summaries, and reports so far "
               "are forgotten; -1 = one at the end of the stream" },
  { "summary-prompt", "Summary prompt", TEXT, AT (per_segment.summary_prompt), ANY_TIME, .text = DEFAULT_SUMMARY_PROMPT,
      .blurb = "How reports are summed up, from the next segment on. {reports} stands for them, a line each with its times, at the "
               "end if it is not there; {start}, {stop} and {utc} for the times of what is summed up, {n} for the summary's "
               "number, {stream} for the stream's name. More reports than context-size has room for are summed up in stages, with "
               "this prompt each" },
  { "journal", "Journal", FILE_NAME, AT (journal), AT_START,
      .blurb =
          "File that all results are appended to, a JSON line each. At start it is read: ids go on from the highest in it, and "
          "what the stream of this name reported behind its last summary, within one summary-interval and 10,000 reports, goes "
          "into "
          "the next one. It may be rotated. Unset = nothing is written" },
  { "endpoint", "Endpoint", NAME, AT (endpoint), AT_START,
      .blurb =
          "URL of a server with OpenAI's API, as http://HOST:PORT/v1, that answers instead of an engine in this process: "
          "minivl-server, vLLM, LMDeploy, llama.cpp's server, Ollama or a load balancer in front of several. Proxies are those "
          "of the environment (https_proxy, no_proxy), as curl has it. Unset = the engine in this process" },
  { "api-key-file", "API key file", OPTIONAL, AT (api_key_file), AT_START, .owner = OF_SERVER,
      .blurb = "File with the key that endpoint wants, and nothing else. Unset = none is sent" },
  { "model", "Model", NAME, AT (model), AT_START, .owner = OF_SERVER,
      .blurb = "Which of its models endpoint is to take, by its name there. Unset = the server chooses, if it can" },
  { "ca-file", "CA file", OPTIONAL, AT (ca_file), AT_START, .owner = OF_SERVER,
      .blurb = "File of certificates, PEM, by one of which that of endpoint must be signed. Unset = the system's" },
  { "endpoint-parallel", "Parallel questions", COUNT, AT (endpoint_parallel), AT_START, .n = { 1, 256, 4 }, .owner = OF_SERVER,
      .blurb = "Most questions that this element asks endpoint at once" },
  { "endpoint-timeout", "Endpoint timeout", SPAN, AT (endpoint_timeout), AT_START, .n = { 0, G_MAXUINT64, 60 * GST_SECOND },
      .owner = OF_SERVER,
      .blurb =
          "How long a question to endpoint may take with all its tries, in ns; then its result has finish_reason error. -1 = as "
          "long as it takes" },
  { "jpeg-quality", "JPEG quality", COUNT, AT (jpeg_quality), AT_START, .n = { 1, 100, 85 }, .owner = OF_SERVER,
      .blurb = "Of the frames that endpoint is sent; from 90 on their colours are as fine as their brightness" },
};

static const Setting *
find_setting (guint id)
{
  return id >= 1 && id <= G_N_ELEMENTS (table) ? &table[id - 1] : NULL;
}

static gboolean
is_string (const Setting *row)
{
  return row->type == TEXT || row->type == FILE_NAME || row->type == OPTIONAL || row->type == NAME;
}

/* Where it is kept. */
static gpointer
place_of (const Setting *row, const Settings *s)
{
  return (guint8 *)s + row->offset;
}

/* --- what reads it ----------------------------------------------------------------------------------------------------------- */

/* gst-inspect-1.0 does not tell defaults of types that it does not know. */
static GParamSpec *
make_time_spec (const Setting *row)
{
  g_autofree gchar *standard = time_type_format (row->n.standard);
  g_autofree gchar *blurb =
      g_strdup_printf ("%s. Written as text it may have a unit: 10s, 500ms. Default: %s", row->blurb, standard);
  GParamSpec *spec = g_param_spec_uint64 (
      row->name, row->nick, blurb, row->n.min, row->n.max, row->n.standard, row->flags & ~(GParamFlags)G_PARAM_STATIC_BLURB);

  spec->value_type = time_type_get ();
  return spec;
}

static GParamSpec *
make_spec (const Setting *row)
{
  const gchar *name = row->name, *nick = row->nick, *blurb = row->blurb;

  switch (row->type) {
    case CHOICE:
      return g_param_spec_enum (name, nick, blurb, row->choice.get_type (), row->choice.standard, row->flags);
    case COUNT:
      return g_param_spec_uint (name, nick, blurb, (guint)row->n.min, (guint)row->n.max, (guint)row->n.standard, row->flags);
    case LARGE:
      return g_param_spec_uint64 (name, nick, blurb, row->n.min, row->n.max, row->n.standard, row->flags);
    case SPAN:
    case TIME:
      return make_time_spec (row);
    case REAL:
      return g_param_spec_double (name, nick, blurb, row->real.min, row->real.max, row->real.standard, row->flags);
    case SWITCH:
      return g_param_spec_boolean (name, nick, blurb, FALSE, row->flags);
    default:
      return g_param_spec_string (name, nick, blurb, row->text, row->flags);
  }
}

void
settings_install_properties (GObjectClass *klass)
{
  for (guint id = 1; id <= G_N_ELEMENTS (table); id++) {
    const Setting *row = find_setting (id);

    g_object_class_install_property (klass, id, make_spec (row));
    if (row->type == CHOICE)
      gst_type_mark_as_plugin_api (row->choice.get_type (), 0);
  }
}

/* text: (nullable). (transfer full) (nullable) */
static gchar *
make_string (const Setting *row, const gchar *text)
{
  if (text == NULL)
    text = row->text;
  if (text == NULL || ((row->type == OPTIONAL || row->type == NAME) && text[0] == '\0'))
    return NULL;
  return row->type == TEXT || row->type == NAME ? g_utf8_make_valid (text, -1) : g_strdup (text);
}

gboolean
settings_set (Settings *s, guint id, const GValue *value)
{
  const Setting *row = find_setting (id);
  gpointer place;
  guint64 n;

  if (row == NULL)
    return FALSE;
  place = place_of (row, s);
  switch (row->type) {
    case CHOICE:
      *(gint *)place = g_value_get_enum (value);
      break;
    case COUNT:
      *(guint *)place = g_value_get_uint (value);
      break;
    case LARGE:
    case SPAN:
      *(guint64 *)place = g_value_get_uint64 (value);
      break;
    case TIME:
      n = g_value_get_uint64 (value);
      *(guint64 *)place = GST_CLOCK_TIME_IS_VALID (n) ? MIN (n, G_MAXINT64) : 0;
      break;
    case REAL:
      *(double *)place = g_value_get_double (value);
      break;
    case SWITCH:
      *(gboolean *)place = g_value_get_boolean (value);
      break;
    default:
      g_free (*(gchar **)place);
      *(gchar **)place = make_string (row, g_value_get_string (value));
      break;
  }
  return TRUE;
}

gboolean
settings_get (const Settings *s, guint id, GValue *value)
{
  const Setting *row = find_setting (id);
  gconstpointer place;

  if (row == NULL)
    return FALSE;
  place = place_of (row, s);
  switch (row->type) {
    case CHOICE:
      g_value_set_enum (value, *(const gint *)place);
      break;
    case COUNT:
      g_value_set_uint (value, *(const guint *)place);
      break;
    case LARGE:
    case SPAN:
    case TIME:
      g_value_set_uint64 (value, *(const guint64 *)place);
      break;
    case REAL:
      g_value_set_double (value, *(const double *)place);
      break;
    case SWITCH:
      g_value_set_boolean (value, *(const gboolean *)place);
      break;
    default:
      g_value_set_string (value, *(gchar *const *)place);
      break;
  }
  return TRUE;
}

gboolean
settings_are_fixed (guint id)
{
  const Setting *row = find_setting (id);

  return row != NULL && (row->flags & GST_PARAM_MUTABLE_READY) != 0;
}

gboolean
settings_are_of_engine (const Settings *s, guint id)
{
  const Setting *row = find_setting (id);

  return s->endpoint != NULL && row != NULL && row->owner == OF_ENGINE;
}

void
settings_init (Settings *s)
{
  *s = (Settings){ .per_segment = { .params = MINIVL_PARAMS_INIT } };
  for (guint id = 1; id <= G_N_ELEMENTS (table); id++) {
    g_auto (GValue) value = G_VALUE_INIT;
    GParamSpec *spec = g_param_spec_ref_sink (make_spec (find_setting (id)));

    g_value_init (&value, G_PARAM_SPEC_VALUE_TYPE (spec));
    g_param_value_set_default (spec, &value);
    settings_set (s, id, &value);
    g_param_spec_unref (spec);
  }
}

void
settings_clear (Settings *s)
{
  for (guint id = 1; id <= G_N_ELEMENTS (table); id++)
    if (is_string (find_setting (id)))
      g_clear_pointer ((gchar **)place_of (find_setting (id), s), g_free);
  g_clear_pointer (&s->per_segment.schema, g_free);
}

/* --- what they come to ------------------------------------------------------------------------------------------------------- */

BackendOptions
settings_backend_options (const Settings *s)
{
  return (BackendOptions){
    .engine = { .model_path = s->model_path,
        .device = s->device,
        .precision = s->precision,
        .context_size = s->context_size,
        .cache_precision = s->cache_precision,
        .cache_size = s->cache_size,
        .tokenizer = s->tokenizer,
        .lora = s->lora,
        .cache_dir = s->cache_dir },
    .server = { .endpoint = s->endpoint,
        .model = s->model,
        .api_key_file = s->api_key_file,
        .ca_file = s->ca_file,
        .parallel = s->endpoint_parallel,
        .jpeg_quality = s->jpeg_quality,
        .timeout = s->endpoint_timeout },
  };
}

static gboolean
is_default (const Settings *s, guint id)
{
  GParamSpec *spec = g_param_spec_ref_sink (make_spec (find_setting (id)));
  g_auto (GValue) value = G_VALUE_INIT;
  gboolean is;

  g_value_init (&value, G_PARAM_SPEC_VALUE_TYPE (spec));
  settings_get (s, id, &value);
  is = g_param_value_defaults (spec, &value);
  g_param_spec_unref (spec);
  return is;
}

/* What is set, and means nothing with endpoint, or without. */
static gchar *
check_owners (const Settings *s)
{
  SettingOwner absent = s->endpoint != NULL ? OF_ENGINE : OF_SERVER;

  for (guint id = 1; id <= G_N_ELEMENTS (table); id++) {
    const Setting *row = find_setting (id);

    if (row->owner != absent || is_default (s, id))
      continue;
    return s->endpoint != NULL
               ? g_strdup_printf ("%s is not possible with endpoint: it is for an engine in this process. Unset it.", row->name)
               : g_strdup_printf (
                   "%s is of a server, and endpoint is not set: set endpoint to its URL, or unset %s.", row->name, row->name);
  }
  return NULL;
}

gchar *
settings_check (const Settings *s)
{
  const SegmenterConfig *c = &s->segments;
  gchar *complaint = check_owners (s);

  if (complaint != NULL)
    return complaint;

  if (c->overlap > 0 && c->overlap >= c->duration)
    return g_strdup_printf ("segment-overlap (%" G_GUINT64_FORMAT " ns) must be below segment-duration (%" G_GUINT64_FORMAT " ns).",
        c->overlap, c->duration);
  if (c->duration > 0 && (c->duration - 1) / settings_step (s) >= MOST_OPEN)
    return g_strdup_printf ("segment-overlap (%" G_GUINT64_FORMAT " ns) opens a segment every %" G_GUINT64_FORMAT
                            " ns, so that %" G_GUINT64_FORMAT " would be open at once, and at most %u may be: set it to at most "
                            "%" G_GUINT64_FORMAT " ns, or lower segment-duration (%" G_GUINT64_FORMAT " ns).",
        c->overlap, settings_step (s), (c->duration - 1) / settings_step (s) + 1, MOST_OPEN,
        c->duration - (c->duration + MOST_OPEN - 1) / MOST_OPEN, c->duration);
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

/* The longest that a segment can be; 0: not known. */
static guint64
longest_segment (const Settings *s)
{
  const SegmenterConfig *c = &s->segments;

  return c->duration == 0 && c->stop != SEGMENTER_NONE ? c->stop - c->start : c->duration;
}

guint64
settings_text_latency (const Settings *s, guint64 answer_time)
{
  return s->text_timestamp == TEXT_SEGMENT ? longest_segment (s) + MAX (s->per_segment.deadline, answer_time) : 0;
}

guint64
settings_text_queue (const Settings *s)
{
  guint64 longest = longest_segment (s);

  return 2 * longest + longest / 10;
}

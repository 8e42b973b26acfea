/*
 * minivl-gst: what the element `minivl` tells, for applications in C and C++. With pkg-config, package `minivl-gst`; there is
 * nothing to link but GStreamer itself, whether the plugin is there or not.
 *
 * A result comes on a video buffer (meta `GstMinivlMeta`) and as element message on the bus (`minivl`, `minivl-alert`); each of the
 * two functions reads one. gst/README.md tells what the fields are. Strings, and what minivl_result_get_frame() reads, belong to
 * the buffer or the message: they live as long as that does, and a buffer that is writable is not written to meanwhile.
 */
#ifndef MINIVL_GST_H
#define MINIVL_GST_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* MINIVL_META_NAME: of the custom meta; its GstStructure has every field by name. */
#define MINIVL_META_NAME "GstMinivlMeta"
/* Names of the element messages: of a result, and of an alert, which comes as both. */
#define MINIVL_MESSAGE_NAME "minivl"
#define MINIVL_ALERT_NAME "minivl-alert"

/**
 * MinivlResult: one result. Strings that do not apply are NULL, times GST_CLOCK_TIME_NONE, counts 0.
 * @fields: all of it, by name
 * @id: 1, 2, ...
 * @kind: `segment`, `alert`, `summary` or `question`
 * @finish_reason: `stop`, `length`, `deadline`, `cancelled`, `flush`, `unchanged`, `dropped` or `error`
 * @stream: the stream's name
 * @text: what the model says
 * @data: JSON, if the answer is of a shape: what `choices` and `json-schema` asked for
 * @prompt: what it was asked
 * @utc: time of day of the start, RFC 3339
 * @question: of an alert: what was asked
 * @active: of an alert: whether it rose, or fell
 * @score: of an alert: P(yes), 0 to 1; -1 does not apply
 * @same_as: of `unchanged`: the id of what it looks like; 0 does not apply
 * @segment_start, @segment_stop: stream time
 * @running_time: of the stop
 * @n_frames: frames that the model saw
 * @prompt_tokens, @output_tokens, @cached_tokens: of the prompt, of the answer, and of the prompt those that were not computed
 * again
 * @wait, @preprocess, @encode, @prefill, @decode, @total: ns that it took
 * @dropped_segments: since the start
 * @seed: of the answer's draws
 */
typedef struct
{
  const GstStructure *fields;
  guint64 id;
  const gchar *kind, *finish_reason, *stream, *text, *data, *prompt, *utc, *question;
  gboolean active;
  gdouble score;
  guint64 same_as;
  GstClockTime segment_start, segment_stop, running_time;
  guint n_frames;
  guint64 prompt_tokens, output_tokens, cached_tokens;
  GstClockTime wait, preprocess, encode, prefill, decode, total;
  guint64 dropped_segments, seed;
} MinivlResult;

/* Of a result's own structure; the two functions below find it. */
static inline void
minivl_result_read (MinivlResult *result, const GstStructure *fields)
{
  const GValue *frames = gst_structure_get_value (fields, "frames"), *timings = gst_structure_get_value (fields, "timings");
  const GstStructure *took = timings ? gst_value_get_structure (timings) : NULL;
  const struct
  {
    const gchar *name;
    const gchar **to;
  } texts[] = { { "kind", &result->kind }, { "finish_reason", &result->finish_reason }, { "stream", &result->stream },
    { "text", &result->text }, { "data", &result->data }, { "prompt", &result->prompt }, { "utc", &result->utc },
    { "question", &result->question } };
  const struct
  {
    const gchar *name;
    guint64 *to, otherwise;
  } numbers[] = { { "id", &result->id, 0 }, { "same_as", &result->same_as, 0 },
    { "segment_start", &result->segment_start, GST_CLOCK_TIME_NONE },
    { "segment_stop", &result->segment_stop, GST_CLOCK_TIME_NONE }, { "running_time", &result->running_time, GST_CLOCK_TIME_NONE },
    { "prompt_tokens", &result->prompt_tokens, 0 }, { "output_tokens", &result->output_tokens, 0 },
    { "cached_tokens", &result->cached_tokens, 0 }, { "dropped_segments", &result->dropped_segments, 0 },
    { "seed", &result->seed, 0 }, { "wait", &result->wait, 0 }, { "preprocess", &result->preprocess, 0 },
    { "encode", &result->encode, 0 }, { "prefill", &result->prefill, 0 }, { "decode", &result->decode, 0 },
    { "total", &result->total, 0 } };

  result->fields = fields;
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    *texts[i].to = gst_structure_get_string (fields, texts[i].name);
  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++)
    if (!gst_structure_get_uint64 (fields, numbers[i].name, numbers[i].to)
        && !(took && gst_structure_get_uint64 (took, numbers[i].name, numbers[i].to)))
      *numbers[i].to = numbers[i].otherwise;
  if (!gst_structure_get_boolean (fields, "active", &result->active))
    result->active = FALSE;
  if (!gst_structure_get_double (fields, "score", &result->score))
    result->score = -1;
  result->n_frames = frames ? gst_value_array_get_size (frames) : 0;
}

/**
 * minivl_result_from_buffer:
 * @result: (out caller-allocates): filled on success, else as it was
 *
 * Returns: whether @buffer brings a result
 */
static inline gboolean
minivl_result_from_buffer (MinivlResult *result, GstBuffer *buffer)
{
  GstCustomMeta *meta = gst_buffer_get_custom_meta (buffer, MINIVL_META_NAME);

  if (meta)
    minivl_result_read (result, gst_custom_meta_get_structure (meta));
  return meta != NULL;
}

/**
 * minivl_result_from_message:
 * @result: (out caller-allocates): filled on success, else as it was
 *
 * Returns: whether @message is a result. Of an alert, both of its messages are
 */
static inline gboolean
minivl_result_from_message (MinivlResult *result, GstMessage *message)
{
  gboolean is_result =
      GST_MESSAGE_TYPE (message) == GST_MESSAGE_ELEMENT
      && (gst_message_has_name (message, MINIVL_MESSAGE_NAME) || gst_message_has_name (message, MINIVL_ALERT_NAME));

  if (is_result)
    minivl_result_read (result, gst_message_get_structure (message));
  return is_result;
}

/* Returns: stream time of a frame that the model saw; @i below n_frames */
static inline GstClockTime
minivl_result_get_frame (const MinivlResult *result, guint i)
{
  return g_value_get_uint64 (gst_value_array_get_value (gst_structure_get_value (result->fields, "frames"), i));
}

G_END_DECLS

#endif

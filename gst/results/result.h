/* One result and its three forms: bus message, meta on a buffer, JSON line. All have the same fields. */
#ifndef GST_MINIVL_RESULT_H
#define GST_MINIVL_RESULT_H

#include "minivl-gst.h"

G_BEGIN_DECLS

#define RESULT_MESSAGE_NAME MINIVL_MESSAGE_NAME
#define RESULT_ALERT_NAME MINIVL_ALERT_NAME
#define RESULT_META_NAME MINIVL_META_NAME

/* Kinds */
#define RESULT_SEGMENT "segment"
#define RESULT_ALERT "alert"
#define RESULT_SUMMARY "summary"
#define RESULT_QUESTION "question"

/* ns; the sum of two still fits */
#define RESULT_MAX_TIME (G_MAXINT64 / 2)

/* Strings are owned. NULL and empty arrays are fields that do not apply: null in JSON, absent in structures. */
typedef struct
{
  gint refs;
  guint64 id;
  const gchar *kind; /* static; RESULT_SEGMENT of a new one */
  gchar *stream;
  gchar *text;
  gchar *data;                         /* the answer as JSON, of one of a shape; NULL: of another one, or it was cut */
  guint64 segment_start, segment_stop; /* stream time */
  guint64 running_time;                /* of the stop; GST_CLOCK_TIME_NONE: does not apply */
  gchar *utc;                          /* of the start, RFC 3339 */
  GArray *frames;                      /* guint64, stream time */
  GArray *tiles;                       /* guint, columns and rows in turn */
  gchar *prompt;
  gchar *model, *model_hash, *precision, *device, *tokenizer, *system_source;
  gboolean answered; /* the token counts apply */
  guint64 prompt_tokens, output_tokens, cached_tokens, drafted, accepted;
  guint64 seed;
  const gchar *finish_reason; /* static */
  guint64 alerts;             /* ns that alert questions about the segment took; in none of the forms */
  guint64 picture_tokens;     /* of the prompt's; in none of the forms */
  gboolean prepared;          /* all its frames were, before it ended; in none of the forms */
  guint64 beside;             /* id of the segment that an alert is about; 0: none */
  gchar *question;            /* an alert's; `active` applies with it */
  double score;               /* an alert's, 0..1; negative: does not apply */
  gboolean active;            /* it rose; FALSE: it fell */
  guint64 same_as;            /* "unchanged": the id it resembles; 0: does not apply */
  guint64 wait, preprocess, encode, prefill, decode, total;
  guint64 dropped_segments;
} Result;

Result *result_new (void);
Result *result_ref (Result *result);
void result_unref (Result *result);

/* (transfer full) */
GstStructure *result_to_structure (const Result *result, const gchar *name);
/* (transfer full): one line, ending in a newline */
gchar *result_to_json (const Result *result);
/* ns since 1970, negative for unknown, which is NULL; with milliseconds. (transfer full) */
gchar *result_format_utc (gint64 utc);
/* Whether the result says something to a reader of plain text. */
gboolean result_has_text (const Result *result);
/* The model has ended its answer. */
gboolean result_is_finished (const Result *result);
/* A summary whose reports need not be summed up again. */
gboolean result_is_made_summary (const Result *result);

/* Makes the meta known to GStreamer; calling it again does nothing. */
void result_meta_register (void);
/* FALSE when the buffer has one already: a second one of that name would not be found. buffer is writable. */
gboolean result_meta_can_add (GstBuffer *buffer);
void result_meta_add (const Result *result, GstBuffer *buffer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Result, result_unref)

G_END_DECLS

#endif

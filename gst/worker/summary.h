/*
 * The reports since the last summary, kept as lines and summed up in stages, so that no prompt overflows the context and no report
 * is left out. The worker's thread alone.
 *
 * A line is `H:MM:SS - H:MM:SS: TEXT`. As soon as the lines no longer fit one prompt, some are summed up, and the answer
 * replaces them, with the span of all of them; so the context bounds memory. New lines are summed up before old answers are summed
 * up again, so that no text goes through many stages. A summary that goes through stages is of the lines that were there when it
 * began: reports come in between, for the next one.
 */
#ifndef GST_MINIVL_SUMMARY_H
#define GST_MINIVL_SUMMARY_H

#include "gst/results/result.h"
#include "segment.h"

G_BEGIN_DECLS

/* Most bytes of lines, for when summing up keeps failing: then one line that says so replaces the older half. */
#define SUMMARY_MAX_BYTES (4 << 20)

typedef struct _Summary Summary;

typedef enum
{
  SUMMARY_FITS,    /* one prompt has room for all lines; nothing was asked */
  SUMMARY_SHORTER, /* some lines are one now */
  SUMMARY_FAILED,
} SummaryState;

/* Whom to ask, and what. */
typedef struct
{
  const Backend *backend;
  gpointer self;
  const gint *cancel; /* as in Backend */
  guint context_size;
  const SegmentSettings *settings;
  const gchar *stream;
  void (*on_text) (const gchar *piece, gpointer user_data); /* (nullable): of the answer */
  gpointer user_data;
  guint max_context_size; /* 0: not known */
} SummaryAsker;

Summary *summary_new (void);
void summary_free (Summary *s);

/* Of a segment or an alert. */
gboolean summary_is_report (const Result *result);
void summary_add (Summary *s, const Result *result);
/* Reports older than this one, which is recalled next, are left out: a line says so. */
void summary_leave_out (Summary *s, const Result *first);
/* The same for a report of an earlier run, whose stream time means nothing now. Before any of this run. */
void summary_recall (Summary *s, const Result *result);
/* Forgets the reports and their times. No summary has begun. */
void summary_forget (Summary *s);

/* Of the reports of this run that no summary has begun with. FALSE: there are none. utc: of the first one's start, ns since 1970;
 * negative: not known. */
gboolean summary_get_span (const Summary *s, guint64 *start, guint64 *stop, gint64 *utc);
/* interval: ns of stream time, as in the property. */
gboolean summary_is_due (const Summary *s, guint64 interval);
/* The summary is of all reports so far; those to come go into the next one, which is due an interval after this one was, whether
 * this one can be made or not. */
void summary_begin (Summary *s, guint64 interval);
/* made: its reports are done with; otherwise the next summary has them. */
void summary_end (Summary *s, gboolean made);

/* FALSE with MINIVL_ERROR_BUDGET, whose message says what to lower, when not even two answers fit a prompt. */
gboolean summary_check (const Summary *s, const SummaryAsker *asker, GError **error);
/* Where the lines do not all fit one prompt, sums up some of them, in one stage: those of the summary that has begun, or all but
 * the newest. No report is lost when it fails: with the errors of summary_check() and the back end's, or MINIVL_ERROR_CANCELLED. */
SummaryState summary_step (Summary *s, const SummaryAsker *asker, GError **error);
/* Once they fit: the summary of all reports that it has begun with, which are kept. Errors as above, but being cancelled is success
 * with the text so far. answer: counts and times are those of all stages together. prompt: (transfer full): of this one. */
gboolean summary_ask (Summary *s, const SummaryAsker *asker, BackendAnswer *answer, gchar **prompt, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Summary, summary_free)

G_END_DECLS

#endif

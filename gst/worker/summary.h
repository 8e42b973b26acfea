/*
 * The reports since the last summary, kept as lines and summed up in stages, so that no prompt overflows the context and no report
 * is left out. The worker's thread alone.
 *
 * A line is `H:MM:SS - H:MM:SS: TEXT`. As soon as the lines no longer fit one prompt, some are summed up, and the answer
 * replaces them, with the span of all of them; so the context bounds memory. New lines are summed up before old answers are summed
 * up again, so that no text goes through many stages.
 */
#ifndef GST_MINIVL_SUMMARY_H
#define GST_MINIVL_SUMMARY_H

#include "gst/results/result.h"
#include "segment.h"

G_BEGIN_DECLS

/* Most bytes of lines, for when summing up keeps failing: then one line that says so replaces the older half. */
#define SUMMARY_MAX_BYTES (4 << 20)

typedef struct _Summary Summary;

/* Whom to ask, and what. */
typedef struct
{
  const Backend *backend;
  gpointer self;
  const gint *cancel; /* as in Backend */
  guint context_size;
  const SegmentSettings *settings;
  const gchar *stream;
  void (*on_text) (const gchar *piece, gpointer user_data); /* (nullable): of the last stage */
  gpointer user_data;
} SummaryAsker;

Summary *summary_new (void);
void summary_free (Summary *s);

/* Of a segment or an alert. */
gboolean summary_is_report (const Result *result);
void summary_add (Summary *s, const Result *result);
/* The same for a report of an earlier run, whose stream time means nothing now. Before any of this run. */
void summary_recall (Summary *s, const Result *result);
/* Forgets the reports, but not their times, which the next ones continue. */
void summary_clear (Summary *s);
/* Forgets both. */
void summary_forget (Summary *s);

/* Of the reports of this run. FALSE: there are none. utc: of the first one's start, ns since 1970; negative: not known. */
gboolean summary_get_span (const Summary *s, guint64 *start, guint64 *stop, gint64 *utc);
/* interval: ns of stream time, as in the property. */
gboolean summary_is_due (const Summary *s, guint64 interval);
/* The next summary is due an interval after this one was, whether this one could be made or not. */
void summary_rearm (Summary *s, guint64 interval);

/* FALSE with MINIVL_ERROR_BUDGET, whose message says what to lower, when not even two answers fit a prompt. */
gboolean summary_check (const Summary *s, const SummaryAsker *asker, GError **error);
/* Sums up lines until all fit one prompt. No report is lost when it fails: with the errors of summary_check() and the back end's,
 * or MINIVL_ERROR_CANCELLED. */
gboolean summary_reduce (Summary *s, const SummaryAsker *asker, GError **error);
/* The summary of all reports, which are kept. Errors as above, but being cancelled in the last stage is success with the text so
 * far. answer: counts and times are those of all stages together. prompt: (transfer full): of the last stage. */
gboolean summary_ask (Summary *s, const SummaryAsker *asker, BackendAnswer *answer, gchar **prompt, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Summary, summary_free)

G_END_DECLS

#endif

/*
 * The reports since the last summary, and how they are summed up: as lines, in stages, so that no prompt overflows the context and
 * no report is left out. The worker's thread alone.
 *
 * A line is `H:MM:SS - H:MM:SS: TEXT`. As soon as all lines are more than one prompt holds, some are summed up, and the answer
 * takes their place with the span of all of them; so memory is bounded by the context. Newer lines are summed up before older
 * answers are once more: what happened in the first of many stages goes through few of them.
 */
#ifndef GST_MINIVL_SUMMARY_H
#define GST_MINIVL_SUMMARY_H

#include "gst/results/result.h"
#include "segment.h"

G_BEGIN_DECLS

/* Of lines that cannot be summed up, for trouble that lasts; then the older half gives way to a line that says so. */
#define SUMMARY_MAX_BYTES (4 << 20)

typedef struct _Summary Summary;

/* Who is asked, and what. */
typedef struct
{
  const Backend *backend;
  gpointer self;
  const gint *cancel; /* as Backend has it */
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
/* The same of one that an earlier run has told, of which stream time says nothing now. Before any of this run. */
void summary_recall (Summary *s, const Result *result);
/* Forgets the reports, but not when they were: the next ones follow them. */
void summary_clear (Summary *s);
/* Forgets both. */
void summary_forget (Summary *s);

/* Of the reports of this run. FALSE: there are none. utc: of the first one's start, ns since 1970; negative: not known. */
gboolean summary_get_span (const Summary *s, guint64 *start, guint64 *stop, gint64 *utc);
/* interval: ns of stream time, as the property has it. */
gboolean summary_is_due (const Summary *s, guint64 interval);
/* The next one is due an interval after this one was; whether it could be made or not. */
void summary_rearm (Summary *s, guint64 interval);

/* FALSE with MINIVL_ERROR_BUDGET, which says what to lower, when not even two answers fit a prompt. */
gboolean summary_check (const Summary *s, const SummaryAsker *asker, GError **error);
/* Sums lines up until all fit one prompt; nothing, as long as they do. Reports stay in hand when it fails: with the errors of
 * summary_check() and the back end's, MINIVL_ERROR_CANCELLED when it was cancelled. */
gboolean summary_reduce (Summary *s, const SummaryAsker *asker, GError **error);
/* The summary of all reports, which stay. Errors as above, but cancelled in the last stage is success with the text so far.
 * answer: counts and times are those of all stages together. prompt: (transfer full): of the last stage. */
gboolean summary_ask (Summary *s, const SummaryAsker *asker, BackendAnswer *answer, gchar **prompt, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Summary, summary_free)

G_END_DECLS

#endif

/* What the worker's thread does with reports: it keeps them, and has the model sum them up. Without the lock but where it says so.
 */
#ifndef GST_MINIVL_SUMMARIES_H
#define GST_MINIVL_SUMMARIES_H

#include "worker.h"

G_BEGIN_DECLS

/* Reads the reports of earlier runs that the journal has looked for. */
void summaries_look_back (Worker *w);
/* Before the first picture: whether reports could be summed up. */
gboolean summaries_fit (Worker *w, const SegmentSettings *settings, GError **error);
/* A result of the segment has been told. */
void summaries_note (Worker *w, const Segment *s, const Result *result);
/* All of its results have been told. */
void summaries_settle (Worker *w, const Segment *s);
/* The stream is over, and nothing else is left. Holds the lock. */
void summaries_end (Worker *w);
/* Holds the lock before and after. One stage, of the summary that is due or of reports that have become too many. TRUE: the one
 * that is due is to be answered, and nothing else before it. */
gboolean summaries_step (Worker *w);
/* The answer to a segment of kind RESULT_SUMMARY. */
void summaries_answer (Worker *w, const Segment *s, Result *result, GError **error);
/* Its result has been told, whatever that is. */
void summaries_close (Worker *w, const Result *result);

G_END_DECLS

#endif

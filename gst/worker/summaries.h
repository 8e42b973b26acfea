/* What the worker's thread does with reports: it keeps them, and has the model sum them up. Without the lock but where it says so.
 */
#ifndef GST_MINIVL_SUMMARIES_H
#define GST_MINIVL_SUMMARIES_H

#include "worker.h"

G_BEGIN_DECLS

/* Before the first picture: whether reports could be summed up. */
gboolean summaries_fit (Worker *w, const SegmentSettings *settings, GError **error);
/* A result of the segment has been told. */
void summaries_note (Worker *w, const Segment *s, const Result *result);
/* All of its results have been told. */
void summaries_settle (Worker *w, const Segment *s);
/* The stream is over, and nothing else is left. Holds the lock. */
void summaries_end (Worker *w);
/* The answer to a segment of kind RESULT_SUMMARY. */
void summaries_answer (Worker *w, const Segment *s, Result *result, GError **error);

G_END_DECLS

#endif

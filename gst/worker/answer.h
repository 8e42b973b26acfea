/* From a segment and the back end's answer to a result: what the thread, alerts and summaries share. The worker's thread alone. */
#ifndef GST_MINIVL_ANSWER_H
#define GST_MINIVL_ANSWER_H

#include "worker.h"

G_BEGIN_DECLS

/* Without an answer. (transfer full) */
Result *answer_make_result (Worker *w, const Segment *s);
/* All of it but its text. */
void answer_add (Result *result, const BackendAnswer *answer);
/* A piece of the answer in hand, for BackendQuestion. data: the Worker. */
void answer_on_text (const gchar *piece, gpointer data);

G_END_DECLS

#endif

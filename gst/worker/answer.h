/* From a segment and the back end's answer to a result: what the thread, alerts and summaries share. The worker's thread alone. */
#ifndef GST_MINIVL_ANSWER_H
#define GST_MINIVL_ANSWER_H

#include "worker.h"

G_BEGIN_DECLS

/* Without an answer. (transfer full) */
Result *answer_make_result (Worker *w, const Segment *s);
/* The segment's own question. text: with a mark a frame. pictures: an empty array, filled; choices: those of the settings, split.
 * All three live as long as the question. */
BackendQuestion answer_make_question (const Segment *s, const gchar *text, GPtrArray *pictures, GStrv choices);
/* All of it but its text and data. */
void answer_add (Result *result, const BackendAnswer *answer);
/* What the text says, as data, of a question that was asked in a shape. */
void answer_add_data (Result *result, const BackendAnswer *answer, const MinivlParams *params);
/* Why there is no answer: names the property if it is for its shape. */
void answer_name_shape (const MinivlParams *params, GError **error);
/* A piece of the answer in hand, for BackendQuestion. data: the Worker. */
void answer_on_text (const gchar *piece, gpointer data);

G_END_DECLS

#endif

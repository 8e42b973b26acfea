/*
 * Yes/no questions about a segment, and which of them stand at yes. The worker's thread alone.
 *
 * They are asked behind the segment's own question, with everything in front of it that is in front of that one, so that the back
 * end has to compute nothing but their own words. A question is told apart by its text: it keeps its state when others come and go.
 */
#ifndef GST_MINIVL_ALERTS_H
#define GST_MINIVL_ALERTS_H

#include "worker.h"

G_BEGIN_DECLS

/* Of an answer: its first one says it. */
#define ALERT_TOKENS 1

typedef struct
{
  GPtrArray *active; /* gchar: the questions that stand at yes */
  GArray *answers;   /* of the last alerts_put() */
  gchar *told_of;    /* the list whose trouble was told last */
} Alerts;

void alerts_init (Alerts *a);
void alerts_clear (Alerts *a);
/* No question stands at yes, nothing was told. */
void alerts_forget (Alerts *a);

/* The questions of the property, which are separated by `;` or line ends: each once, none blank. NULL: none. (transfer full) */
GStrv alerts_list (const gchar *property);
/* Length of the longest one, in bytes. */
gsize alerts_longest (const gchar *property);

/* Behind the segment's own question, whose answer is there. Without the lock. */
void alerts_put (Worker *w, const Segment *s, const BackendQuestion *asked);
/* The segment is over; described: its result, which gets the time they took. Returns a Result for each question that rises or
 * falls by it. Holds the lock. (transfer full) */
GPtrArray *alerts_settle (Worker *w, const Segment *s, Result *described);
/* With their pictures, if they are wanted: those are there first. Without the lock. */
void alerts_tell (Worker *w, const Segment *s, GPtrArray *alerts);

G_END_DECLS

#endif

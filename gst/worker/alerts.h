/*
 * Yes/no questions about a segment, and which of them are active: answered by yes so far. The worker's thread alone.
 *
 * They are asked after the segment's own question and share all that comes before its words, so that the back end computes only
 * their own words. A question is identified by its text: it keeps its state when others are added or removed.
 */
#ifndef GST_MINIVL_ALERTS_H
#define GST_MINIVL_ALERTS_H

#include "worker.h"

G_BEGIN_DECLS

/* Of an answer: the first token decides. */
#define ALERT_TOKENS 1

typedef struct
{
  GPtrArray *active; /* gchar: the questions that are active */
  GArray *answers;   /* of the last alerts_put() */
  gchar *told_of;    /* the list that was last warned about */
} Alerts;

void alerts_init (Alerts *a);
void alerts_clear (Alerts *a);
/* No question is active, and no warning was given. */
void alerts_forget (Alerts *a);

/* Begins them, the first time, for alerts_put(), where the back end takes several questions at once. Once the segment's answer has
 * begun or is there, so that a server that keeps what it computed has the frames. Without the lock. */
void alerts_begin (Worker *w, Segment *s, const BackendQuestion *asked);
/* Asks them, after the segment's own question has been answered. Without the lock. */
void alerts_put (Worker *w, Segment *s, const BackendQuestion *asked);
/* The segment is over; described: its result, which gets the time they took. Returns a Result for each question that rises or
 * falls by it. Holds the lock. (transfer full) */
GPtrArray *alerts_settle (Worker *w, const Segment *s, Result *described);
/* Tells them. Their pictures, if wanted, are saved first. Without the lock. */
void alerts_tell (Worker *w, const Segment *s, GPtrArray *alerts);

G_END_DECLS

#endif

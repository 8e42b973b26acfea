/*
 * Several questions at once, where the back end begins some while others are answered: those of the segment in hand, its alerts
 * among them, and those of complete segments behind it, whose results still come in their turn. The worker's thread alone.
 *
 * With history-size a segment is told of the answer before its own, so that nothing is begun of those that wait.
 */
#ifndef GST_MINIVL_AHEAD_H
#define GST_MINIVL_AHEAD_H

#include "worker-private.h"

G_BEGIN_DECLS

/* Begins the segment's own question, if it is not begun and the back end takes it. Without the lock. */
void ahead_begin (Worker *w, Segment *s, const BackendQuestion *asked);
/* Whether the back end begins alerts, and none of the segment is begun. */
gboolean ahead_takes_alerts (const Worker *w, const Segment *s);
/* Begins one more of its alerts. Without the lock. */
void ahead_begin_alert (Worker *w, Segment *s, const BackendQuestion *asked);
/* What was begun of the segment's own question, 0, or of its n-th alert, from 1. (transfer full) (nullable) */
gpointer ahead_take (const Segment *s, guint n);
/* What was begun and not taken. Without the lock. */
void ahead_forget (Worker *w, Segment *s);
/* Holds the lock before and after. Begins those of the segments that wait which are complete. */
void ahead_begin_waiting (Worker *w);

G_END_DECLS

#endif

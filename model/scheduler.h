/*
 * The one thread of an engine that touches the device. Others hand it work and wait; it is served in the order it comes, so that
 * sessions which hand in one step at a time take turns.
 */
#ifndef MODEL_SCHEDULER_H
#define MODEL_SCHEDULER_H

#include "minivl.h"

typedef struct _Scheduler Scheduler;

/* Runs on the scheduler's thread. */
typedef gboolean (*SchedulerFunc) (gpointer data, GError **error);

Scheduler *scheduler_new (void);
/* Nothing may be waiting any more. */
void scheduler_free (Scheduler *s);
/* Thread safe, but not from the scheduler's own thread. Device errors come back in the public domain. */
gboolean scheduler_run (Scheduler *s, SchedulerFunc func, gpointer data, GError **error);

#endif

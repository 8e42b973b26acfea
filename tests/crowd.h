/* Several threads at one engine at once. */
#ifndef TESTS_CROWD_H
#define TESTS_CROWD_H

#include "model/scheduler.h"

/* Calls func in a thread for each of n items of `size` bytes, in order, while the scheduler serves nobody: when it goes on it finds
 * all of them. Each hands in one question or one picture, or is refused and returns. threads: [n], for crowd_end(). */
void crowd_begin (Scheduler *s, GThreadFunc func, gpointer items, gsize size, guint n, GThread **threads);
/* The same for whoever keeps the scheduler from serving by other means. */
void crowd_hand_in (Scheduler *s, GThreadFunc func, gpointer items, gsize size, guint n, GThread **threads);
/* Waits until each has returned. */
void crowd_end (GThread **threads, guint n);

#endif

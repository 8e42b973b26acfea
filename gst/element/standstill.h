/*
 * Tells when the pipeline's clock reaches a running time, though nothing comes. In a thread of its own, which is made when there is
 * something to wait for.
 *
 * It looks at the clock instead of waiting on it: a moment that is put off with each frame is looked for where it has come to lie,
 * and who drives a clock by what waits on it, as a test does, meets the source alone.
 */
#ifndef GST_MINIVL_STANDSTILL_H
#define GST_MINIVL_STANDSTILL_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct _Standstill Standstill;

/* due: called from the thread, with the running time that it is now; may call standstill_set(). */
Standstill *standstill_new (GstElement *element, void (*due) (GstElement *element, GstClockTime running_time));
/* Only after standstill_stop(). */
void standstill_free (Standstill *s);
/* Nothing is waited for any more, and `due` has returned. */
void standstill_stop (Standstill *s);
/* Running time stands still while the element does not play. At first it does not. */
void standstill_play (Standstill *s, gboolean plays);
/* GST_CLOCK_TIME_NONE: nothing is waited for. */
void standstill_set (Standstill *s, GstClockTime running_time);

G_END_DECLS

#endif

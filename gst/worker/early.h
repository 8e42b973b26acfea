/*
 * The frames of segments that are still open, prepared while there is nothing else to do: at a segment's end only its question is
 * left to compute. The worker's thread alone.
 *
 * Frames stand in front of the question, behind the system message and earlier answers, so all but the question is known as soon as
 * a frame is encoded. Nothing depends on it: where a segment turns out otherwise (a frame is left out, another prompt has marks of
 * its own, the cache needed the room), the back end computes what it does not have.
 */
#ifndef GST_MINIVL_EARLY_H
#define GST_MINIVL_EARLY_H

#include "worker.h"

G_BEGIN_DECLS

/* Prepares what is new of one segment, until there is more to do. Holds the lock before and after. FALSE: nothing is new. */
gboolean early_prepare (Worker *w);

G_END_DECLS

#endif

/* Encoded frames that are kept beyond their segments, for questions about the last seconds. Guarded by the worker's lock. */
#ifndef GST_MINIVL_RECENT_FRAMES_H
#define GST_MINIVL_RECENT_FRAMES_H

#include "segment.h"

G_BEGIN_DECLS

typedef struct
{
  GPtrArray *frames; /* Frame, by time */
  guint run;         /* of the segments that they were sampled for */
} Recent;

void recent_init (Recent *recent);
/* gone: gets the frames that are kept no more (transfer full), to be freed without the lock: the back end may take its time. */
void recent_clear (Recent *recent, GPtrArray *gone);

/* Another one; the oldest go when there are more than `most`, and all that are of another run. */
void recent_keep (Recent *recent, Frame *frame, guint run, guint most, GPtrArray *gone);

/* Up to n frames from `from` on, or the last one if none is as new as that: of those kept and those in segments, which may have to
 * be encoded yet, as far as they are of the run. Evenly chosen, by time, the last one always among them. (transfer full): Frame;
 * empty when there is none. */
GPtrArray *recent_choose (const Recent *recent, const GQueue *segments, guint run, guint64 from, guint n);

G_END_DECLS

#endif

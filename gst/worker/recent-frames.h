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
/* gone: gets the frames that are no longer kept (transfer full), to be freed without the lock: freeing a picture may take long. */
void recent_clear (Recent *recent, GPtrArray *gone);

/* Adds a frame. Frames of another run go, and the oldest when there are more than `most`. */
void recent_keep (Recent *recent, Frame *frame, guint run, guint most, GPtrArray *gone);

/* Up to n frames of the run that are not older than `from`, or the last one if all are older. Chosen evenly by time from those kept
 * and those in segments, which may not be encoded yet; the last one is always among them. (transfer full): Frame;
 * empty when there is none. */
GPtrArray *recent_choose (const Recent *recent, const GQueue *segments, guint run, guint64 from, guint n);

G_END_DECLS

#endif

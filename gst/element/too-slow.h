/* Whether the model keeps up with a live stream, and the warning when it does not. Uses no clock, only the results' timings. */
#ifndef GST_MINIVL_TOO_SLOW_H
#define GST_MINIVL_TOO_SLOW_H

#include "gst/results/result.h"

G_BEGIN_DECLS

/* Zeroed memory is the start. */
typedef struct
{
  gboolean told; /* a warning was given, of `ratio` */
  double ratio;  /* of time taken to time available */
  guint n_slow;  /* slow answers in a row */
} TooSlow;

/* step: from one segment to the next, ns; drops: segments are dropped, and the video does not wait. Returns a warning
 * (transfer full) or NULL: one after two slow answers in a row, and another only if it was fast enough in between or takes twice as
 * long as in the last warning. */
gchar *too_slow_note (TooSlow *state, const Result *result, guint64 step, gboolean drops);

G_END_DECLS

#endif

/* Whether the model keeps up with a live stream, and what to say when it does not. No clock in it: by the results' own timings. */
#ifndef GST_MINIVL_TOO_SLOW_H
#define GST_MINIVL_TOO_SLOW_H

#include "gst/results/result.h"

G_BEGIN_DECLS

/* Zeroed memory is the start. */
typedef struct
{
  gboolean told; /* that it is too slow, by `ratio` */
  double ratio;  /* of time taken to time there is */
  guint n_slow;  /* answers in a row that were */
} TooSlow;

/* step: from one segment to the next, ns; drops: segments are dropped, and the video does not wait. What to warn of (transfer
 * full), or NULL: once when two answers in a row took longer than the stream gave, and again only after it had been fast enough in
 * between, or when it takes twice as long as was told. */
gchar *too_slow_note (TooSlow *state, const Result *result, guint64 step, gboolean drops);

G_END_DECLS

#endif

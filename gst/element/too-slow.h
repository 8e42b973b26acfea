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

/* What it has to keep up with. */
typedef struct
{
  guint64 step;    /* from one segment to the next, ns */
  guint64 overlap; /* ns */
  guint frames;    /* of a segment, as num-segments has it */
  gboolean drops;  /* segments are dropped, and the video does not wait */
} Pace;

/* Returns a warning (transfer full) or NULL: one after two slow answers in a row, and another only if it was fast enough in between
 * or takes twice as long as in the last warning. It proposes settings that by the result's figures keep up, each by itself. */
gchar *too_slow_note (TooSlow *state, const Result *result, const Pace *pace);

G_END_DECLS

#endif

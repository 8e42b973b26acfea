/* Which frames of a video are shown: the reference's get_index. */
#include "minivl.h"

#include <math.h>

/* Up to here doubles count frames exactly; no video is longer. */
#define FAR 0x1p53

/* rint() rounds ties to even, as Python and numpy do. NaN becomes the limit. */
static double
frame_at (double seconds, double fps, double least, double most)
{
  return fmax (least, fmin (rint (seconds * fps), most));
}

void
minivl_sample_frames (guint64 n_frames, double fps, double start, double stop, guint n_segments, gint64 *indices)
{
  gboolean bounded = stop >= start;
  double first = bounded ? frame_at (start, fps, 0, FAR) : 0, most = fmin ((double)n_frames - 1, FAR);
  double last = bounded ? frame_at (stop, fps, -FAR, most) : most;
  double part = (last - first) / n_segments;

  for (guint k = 0; k < n_segments; k++)
    indices[k] = (gint64)(first + part / 2 + rint (part * k));
}

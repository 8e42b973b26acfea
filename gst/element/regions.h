/*
 * Regions: the parts of a frame that upstream has marked, by a detector or a motion finder, and that the question is about instead
 * of the whole frame.
 */
#ifndef GST_MINIVL_REGIONS_H
#define GST_MINIVL_REGIONS_H

#include "gst/worker/frame.h"

#include <gst/video/video.h>

G_BEGIN_DECLS

/* That stands for any label. */
#define REGIONS_ANY "*"

typedef struct
{
  guint x, y, width, height; /* pixels of the buffer as they lie; never empty */
  const gchar *label;        /* interned; "" where upstream gave none */
} Region;

/* The buffer's GstVideoRegionOfInterestMeta with that label, as far as they lie in the part of the picture that `seen` shows; the
 * largest first, equals as they lie on the buffer. (transfer full) */
GArray *regions_find (GstBuffer *buffer, const gchar *label, const MinivlImage *seen);

/* Adds one frame a region to `frames`, which share the picture's pixels. */
void regions_cut (Frame *picture, const GArray *regions, GPtrArray *frames);

G_END_DECLS

#endif

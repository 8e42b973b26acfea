/*
 * Regions: parts of a frame that a detector or motion finder upstream has marked. The question is about them instead of the whole
 * frame.
 */
#ifndef GST_MINIVL_REGIONS_H
#define GST_MINIVL_REGIONS_H

#include "gst/worker/frame.h"

#include <gst/video/video.h>

G_BEGIN_DECLS

/* Matches every label. */
#define REGIONS_ANY "*"

typedef struct
{
  guint x, y, width, height; /* pixels of the buffer as they lie; never empty */
  const gchar *label;        /* interned; "" where upstream gave none */
} Region;

/* The buffer's GstVideoRegionOfInterestMeta and GstAnalyticsODMtd (GStreamer 1.24) with that label and at least that confidence, if
 * they tell one, clipped to the part of the picture that `seen` shows; the largest first, equal ones in the buffer's order. What is
 * there as both is one. (transfer full) */
GArray *regions_find (GstBuffer *buffer, const gchar *label, double confidence, const MinivlImage *seen);

/* Adds a frame for each region to `frames`; they share the picture's pixels. */
void regions_cut (Frame *picture, const GArray *regions, GPtrArray *frames);

G_END_DECLS

#endif

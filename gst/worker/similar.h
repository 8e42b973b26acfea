/*
 * Whether a segment shows nothing new, so that it need not be asked about.
 *
 * Frames in the same places of two segments are compared by what the model sees of them; the least similarity
 * counts, and within a frame that of the part that differs most (minivl_picture_similarity()). A mean would not do:
 * one person in a still yard moves the mean over the picture by less than rain does. With the demo model, at 320x240 behind JPEG,
 * the same yard at another moment gave 0.99 and more with noise, 0.92 and more with rain; a person, a dog, a bag or a car that was
 * not there before, or a light that goes on, 0.88 and less.
 */
#ifndef GST_MINIVL_SIMILAR_H
#define GST_MINIVL_SIMILAR_H

#include "segment.h"

G_BEGIN_DECLS

/* All frames of both are encoded. -1..1, 1: equal; -1 when they are asked different things, or differ in the number of frames or
 * tiles. */
double similar (const Segment *described, const Segment *s);
/* The same of the frames from place `first` on that a segment has so far, which may be fewer. */
double similar_so_far (const Segment *described, const SegmentSettings *settings, const GPtrArray *frames, guint first);

G_END_DECLS

#endif

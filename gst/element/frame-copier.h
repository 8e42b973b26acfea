/*
 * Copies frames out of buffers as they are and at once, so that no pool of the pipeline is held up. The streaming thread, the only
 * one to use it, does not even copy: a thread does, which keeps the buffer meanwhile. Who writes to the buffer downstream while it
 * is read, some ms after it was pushed, writes to a copy, as behind a tee.
 */
#ifndef GST_MINIVL_FRAME_COPIER_H
#define GST_MINIVL_FRAME_COPIER_H

#include "gst/worker/frame.h"

#include <gst/video/video.h>

G_BEGIN_DECLS

typedef struct
{
  GstVideoInfo info;
  FramePool *pool;
  GAsyncQueue *jobs; /* of the thread */
  GThread *thread;
  guint orientation; /* of EXIF, 0 upright; for the frames to come */
} FrameCopier;

/* The orientation stays. */
void frame_copier_init (FrameCopier *copier, const GstVideoInfo *info);
/* Waits until all copies have come. */
void frame_copier_clear (FrameCopier *copier);
/* Where in the buffer's pixels the picture lies, and how; no pixels. */
MinivlImage frame_copier_layout (const FrameCopier *copier, GstBuffer *buffer);
/* What lies in the buffer: with a crop meta its picture is larger than the caps say. */
GstVideoInfo frame_copier_info (const FrameCopier *copier, GstBuffer *buffer);
/* A frame with memory for the pixels that a layout of `info` has, each plane without gaps; they are the caller's to fill. */
Frame *frame_copier_make (FrameCopier *copier, GstBuffer *buffer, const GstVideoInfo *info, guint64 time, const Backend *backend);
/* The pixels come later: see frame_await(). NULL when the buffer cannot be mapped. */
Frame *frame_copier_copy (FrameCopier *copier, GstBuffer *buffer, guint64 time, const Backend *backend);

/* What an image-orientation tag says as the number of EXIF; 1 when it says nothing that is known. */
guint frame_orientation_of_tag (const gchar *tag);

G_END_DECLS

#endif

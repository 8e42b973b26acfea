/*
 * Copies or converts frames out of buffers at once, so that no buffer pool of the pipeline runs dry; see pixels.h for which. It is
 * used by the streaming thread alone, which neither maps nor copies itself: a thread of the copier does, and keeps the buffer
 * meanwhile, for some ms. An element downstream that wants to write to the buffer then gets a copy of it, as behind a tee.
 */
#ifndef GST_MINIVL_FRAME_COPIER_H
#define GST_MINIVL_FRAME_COPIER_H

#include "gst/worker/frame.h"
#include "pixels.h"

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
/* What the model is shown of the buffer, without pixels. */
MinivlImage frame_copier_layout (const FrameCopier *copier, GstBuffer *buffer);
/* The buffer's true size: with a crop meta its picture is larger than the caps say. */
GstVideoInfo frame_copier_info (const FrameCopier *copier, GstBuffer *buffer);
/* A frame with memory for the pixels of a video frame of `info`, that are still coming: the caller fills them by pixels_fill(). */
Frame *frame_copier_make (FrameCopier *copier, GstBuffer *buffer, const GstVideoInfo *info, guint64 time, const Backend *backend);
/* The pixels come later: see frame_await(). They are lost when the buffer cannot be mapped. */
Frame *frame_copier_copy (FrameCopier *copier, GstBuffer *buffer, guint64 time, const Backend *backend);

/* An image-orientation tag as EXIF's number; 1 when the tag is unknown. */
guint frame_orientation_of_tag (const gchar *tag);

G_END_DECLS

#endif

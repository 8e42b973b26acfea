/* A sampled frame: its own pixels until they are encoded, the back end's picture afterwards. */
#ifndef GST_MINIVL_FRAME_H
#define GST_MINIVL_FRAME_H

#include "gst/backends/backend.h"

#include <gst/video/video.h>

G_BEGIN_DECLS

/* Memory that frames have given back, for the next ones: fresh pages cost more than the copy. Thread safe. */
typedef struct _FramePool FramePool;

typedef struct _Frame Frame;

struct _Frame
{
  gint refs;
  guint64 time; /* stream time */
  MinivlImage image;
  guint8 *pixels; /* of `image`; NULL once encoded, or when they are another's */
  gsize size;
  FramePool *pool;    /* that `pixels` go back to; NULL: g_free() */
  Frame *picture_of;  /* whose pixels `image` shows a part of; NULL: its own */
  const gchar *label; /* of a region, interned; NULL: not a region, but the whole picture */
  guint rank;         /* of a region: how many of the same picture go before it */
  gboolean coming;    /* `pixels` are still being filled, by another thread: see frame_await() */
  GError *lost;       /* why they did not come */
  const Backend *backend;
  gpointer picture; /* NULL until encoded */
  BackendPictureInfo info;
  GError *error; /* why it could not be encoded */
};

Frame *frame_ref (Frame *frame);
void frame_unref (Frame *frame);
void frame_drop_pixels (Frame *frame);
/* The pixels that were still coming are there, or not: error (transfer full) is why. */
void frame_arrived (Frame *frame, GError *error);
/* Waits until the pixels are there. FALSE when they did not come. */
gboolean frame_await (Frame *frame, GError **error);
/* A frame that shows the same pixels, and keeps them until its own are dropped; one of n that each count a part of their bytes.
 * (transfer full) */
Frame *frame_share (Frame *frame, guint n);

/* Copies frames out of buffers as they are and at once, so that no pool of the pipeline is held up. The streaming thread, the only
 * one to use it, does not even copy: a thread does, which keeps the buffer meanwhile. Who writes to the buffer downstream while it
 * is read, some ms after it was pushed, writes to a copy, as behind a tee. */
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

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Frame, frame_unref)

G_END_DECLS

#endif

/* A sampled frame: its own pixels until they are encoded, the back end's picture afterwards. */
#ifndef GST_MINIVL_FRAME_H
#define GST_MINIVL_FRAME_H

#include "backend.h"

#include <gst/video/video.h>

G_BEGIN_DECLS

/* Memory that frames have given back, for the next ones: fresh pages cost more than the copy. Thread safe. */
typedef struct _FramePool FramePool;

typedef struct
{
  gint refs;
  guint64 time; /* stream time */
  MinivlImage image;
  guint8 *pixels; /* of `image`; NULL once encoded */
  gsize size;
  FramePool *pool; /* that `pixels` go back to; NULL: g_free() */
  const Backend *backend;
  gpointer picture; /* NULL until encoded */
  BackendPictureInfo info;
  GError *error; /* why it could not be encoded */
} Frame;

Frame *frame_ref (Frame *frame);
void frame_unref (Frame *frame);
void frame_drop_pixels (Frame *frame);

/* Copies frames out of buffers as they are, so that no pool of the pipeline is held up and nothing is converted in the streaming
 * thread, which is the only one to use it. */
typedef struct
{
  GstVideoInfo info;
  FramePool *pool;
  guint orientation; /* of EXIF, 0 upright; for the frames to come */
} FrameCopier;

/* The orientation stays. */
void frame_copier_init (FrameCopier *copier, const GstVideoInfo *info);
void frame_copier_clear (FrameCopier *copier);
/* NULL when the buffer cannot be mapped. */
Frame *frame_copier_copy (FrameCopier *copier, GstBuffer *buffer, guint64 time, const Backend *backend);

/* What an image-orientation tag says as the number of EXIF; 1 when it says nothing that is known. */
guint frame_orientation_of_tag (const gchar *tag);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Frame, frame_unref)

G_END_DECLS

#endif

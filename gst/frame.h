/* A sampled frame: its own pixels until they are encoded, the back end's picture afterwards. */
#ifndef GST_MINIVL_FRAME_H
#define GST_MINIVL_FRAME_H

#include "backend.h"

#include <gst/video/video.h>

G_BEGIN_DECLS

typedef struct
{
  gint refs;
  guint64 time; /* stream time */
  MinivlImage image;
  guint8 *pixels; /* of `image`; NULL once encoded */
  gsize size;
  const Backend *backend;
  gpointer picture; /* NULL until encoded */
  BackendPictureInfo info;
  GError *error; /* why it could not be encoded */
} Frame;

Frame *frame_ref (Frame *frame);
void frame_unref (Frame *frame);
void frame_drop_pixels (Frame *frame);

/* Copies frames out of buffers, as packed RGB, so that no pool of the pipeline is held up. Used by the streaming thread alone. */
typedef struct
{
  GstVideoInfo in, out;
  GstVideoConverter *converter; /* NULL: the video is RGB already */
} FrameCopier;

void frame_copier_init (FrameCopier *copier, const GstVideoInfo *info);
void frame_copier_clear (FrameCopier *copier);
/* NULL when the buffer cannot be mapped. */
Frame *frame_copier_copy (FrameCopier *copier, GstBuffer *buffer, guint64 time, const Backend *backend);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Frame, frame_unref)

G_END_DECLS

#endif

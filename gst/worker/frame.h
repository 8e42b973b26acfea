/* A sampled frame: it has pixels until they are encoded, and the back end's picture afterwards. */
#ifndef GST_MINIVL_FRAME_H
#define GST_MINIVL_FRAME_H

#include "gst/backends/backend.h"

G_BEGIN_DECLS

/* Memory that frames have given back, to be used again: touching fresh pages costs more than the copy. Thread safe. */
typedef struct _FramePool FramePool;

typedef struct _Frame Frame;

struct _Frame
{
  gint refs;
  guint64 time; /* stream time */
  MinivlImage image;
  guint par_n, par_d; /* width of a pixel by its height, as it lies; the model is shown pixels, whatever their shape */
  guint8 *pixels;     /* of `image`; NULL once encoded, or when they belong to another frame */
  gsize size;
  FramePool *pool;    /* where `pixels` go back to; NULL: g_free() */
  Frame *picture_of;  /* owner of the pixels that `image` shows; NULL: this frame */
  const gchar *label; /* of a region, interned; NULL: the whole picture */
  guint rank;         /* of a region: its index among those of its picture */
  gboolean coming;    /* `pixels` are still being filled, by another thread: see frame_await() */
  GError *lost;       /* why they did not arrive */
  const Backend *backend;
  gpointer picture; /* NULL until encoded */
  BackendPictureInfo info;
  GError *error; /* why it could not be encoded */
};

/* size: of each block. */
FramePool *frame_pool_new (gsize size);
FramePool *frame_pool_ref (FramePool *pool);
void frame_pool_unref (FramePool *pool);
/* Makes memory for frames to come, for asking the system for it may take its time. */
void frame_pool_restock (FramePool *pool);

/* With memory for so many bytes, which need not be the pool's size; `image` is the caller's to fill, and so are they. */
Frame *frame_new (FramePool *pool, gsize size, guint64 time, const Backend *backend);
Frame *frame_ref (Frame *frame);
void frame_unref (Frame *frame);
void frame_drop_pixels (Frame *frame);
/* Ends `coming`. error (transfer full) (nullable): why the pixels did not arrive. */
void frame_arrived (Frame *frame, GError *error);
/* Waits until the pixels are there. FALSE when they did not arrive. */
gboolean frame_await (Frame *frame, GError **error);
/* A frame that shows the same pixels and keeps them alive until frame_drop_pixels(). One of n, each of which counts as an n-th of
 * the bytes.
 * (transfer full) */
Frame *frame_share (Frame *frame, guint n);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Frame, frame_unref)

G_END_DECLS

#endif

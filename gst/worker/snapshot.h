/* A sampled frame as a JPEG file, in full size, upright and of square pixels. */
#ifndef GST_MINIVL_SNAPSHOT_H
#define GST_MINIVL_SNAPSHOT_H

#include "frame.h"

G_BEGIN_DECLS

/* The frame has its pixels. NULL when they did not arrive, or JPEG has no such size. (transfer full) */
GBytes *snapshot_encode (Frame *frame, GError **error);
/* As folder/STREAM-ID.jpg, without characters that a file name may not have. The file is written as a whole or not at all. */
gboolean snapshot_save (GBytes *jpeg, const gchar *folder, const gchar *stream, guint64 id, GError **error);

G_END_DECLS

#endif

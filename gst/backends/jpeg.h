/* Pictures as JPEG. */
#ifndef GST_MINIVL_JPEG_H
#define GST_MINIVL_JPEG_H

#include "model/minivl.h"

G_BEGIN_DECLS

/* What is seen of an image, upright: rows of RGB without padding. (transfer full) */
guint8 *jpeg_rgb_of (const MinivlImage *image, guint *width, guint *height);
/* quality: 1..100; from 90 on colours are as fine as brightness. NULL when libjpeg refuses the size. (transfer full) */
GBytes *jpeg_encode (const guint8 *rgb, guint width, guint height, guint quality, GError **error);

G_END_DECLS

#endif

/*
 * From the pixels of a video frame to those of a picture for the model. Formats that the model takes are copied as they lie; all
 * others, and interlaced video that halves its colours' lines, become the RGB that videoconvert makes of them.
 */
#ifndef GST_MINIVL_PIXELS_H
#define GST_MINIVL_PIXELS_H

#include "model/minivl.h"

#include <gst/video/video.h>

G_BEGIN_DECLS

/* The formats that are copied, those the model reads fastest first */
#define PIXELS_COPIED "{ NV12, I420, RGB, BGR, RGBx, BGRx, RGBA, BGRA, GRAY8 }"

/* Bytes of the picture */
gsize pixels_size (const GstVideoInfo *info);
/* The picture, without pixels */
MinivlImage pixels_layout (const GstVideoInfo *info);
/* Where they are: image is of pixels_layout(), `pixels` has pixels_size(). */
void pixels_place (MinivlImage *image, const GstVideoInfo *info, guint8 *pixels);
/* Fills a picture that has its place. info: the one of the layout. from: of the same format and size, in any memory layout. FALSE
 * when GStreamer cannot convert it. */
gboolean pixels_fill (MinivlImage *image, const GstVideoInfo *info, const GstVideoFrame *from);

G_END_DECLS

#endif

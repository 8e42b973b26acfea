/* The `minivloverlay` element: the video with what minivl says about it drawn into it. */
#ifndef GST_MINIVL_OVERLAY_H
#define GST_MINIVL_OVERLAY_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_MINIVL_OVERLAY (gst_minivl_overlay_get_type ())
G_DECLARE_FINAL_TYPE (GstMinivlOverlay, gst_minivl_overlay, GST, MINIVL_OVERLAY, GstBin)

GST_ELEMENT_REGISTER_DECLARE (minivloverlay)

G_END_DECLS

#endif

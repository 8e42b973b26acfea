/* The `minivloverlay` element: the video with what minivl says about it drawn into it. */
#ifndef GST_MINIVL_OVERLAY_H
#define GST_MINIVL_OVERLAY_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_MINIVL_OVERLAY (gst_minivl_overlay_get_type ())
G_DECLARE_FINAL_TYPE (GstMinivlOverlay, gst_minivl_overlay, GST, MINIVL_OVERLAY, GstBin)

/* Makes the element known, behind gst_minivl_register(). plugin: NULL for a program's own. */
gboolean gst_minivl_overlay_register (GstPlugin *plugin);

G_END_DECLS

#endif

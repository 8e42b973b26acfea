/* Which video the element takes. */
#ifndef GST_MINIVL_FORMATS_H
#define GST_MINIVL_FORMATS_H

#include <gst/video/video.h>

G_BEGIN_DECLS

/* All of it, what costs least first. (transfer full) */
GstCaps *formats_make_caps (void);
/* FALSE when they are no such video. */
gboolean formats_parse (const GstCaps *caps, GstVideoInfo *info);

G_END_DECLS

#endif

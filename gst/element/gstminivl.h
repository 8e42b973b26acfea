/* The `minivl` element; users know it by its properties, pads, messages and meta alone. */
#ifndef GST_MINIVL_H
#define GST_MINIVL_H

#include "gst/backends/backend.h"

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define GST_TYPE_MINIVL (gst_minivl_get_type ())
G_DECLARE_FINAL_TYPE (GstMinivl, gst_minivl, GST, MINIVL, GstBaseTransform)

/* Makes the element known, answering by backend, once in a process. plugin: NULL for a program's own. */
gboolean gst_minivl_register (GstPlugin *plugin, const Backend *backend);

G_END_DECLS

#endif

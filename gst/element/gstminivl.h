/* The `minivl` element; users know it by its properties, pads, messages and meta alone. */
#ifndef GST_MINIVL_H
#define GST_MINIVL_H

#include "gst/backends/backend.h"

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define GST_TYPE_MINIVL (gst_minivl_get_type ())
#define GST_MINIVL(object) (G_TYPE_CHECK_INSTANCE_CAST ((object), GST_TYPE_MINIVL, GstMinivl))
#define GST_MINIVL_GET_CLASS(object) (G_TYPE_INSTANCE_GET_CLASS ((object), GST_TYPE_MINIVL, GstMinivlClass))

typedef struct _GstMinivl GstMinivl;

typedef struct
{
  GstBaseTransformClass parent_class;
  const Backend *backend; /* who answers: libminivl in this process, unless a subclass says otherwise */
} GstMinivlClass;

GType gst_minivl_get_type (void);
GST_ELEMENT_REGISTER_DECLARE (minivl)

G_END_DECLS

#endif

/* The `minivl` element; users know it by its properties, pads, messages and meta alone. */
#ifndef GST_MINIVL_H
#define GST_MINIVL_H

#include "gst/backends/backend.h"

#include <gst/base/gstbasetransform.h>
#include <gst/video/video.h>

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

/* Whether somebody has paused the pipeline; FALSE on the way to PAUSED, where the element may be waiting in vain for preroll. */
gboolean element_is_paused (GstElement *element);
/* Installs all of minivl's properties, also on another class that forwards them by name. */
void gst_minivl_install_properties (GObjectClass *klass);

/* Every buffer that it pushes gets a Place. Before it is started. */
void gst_minivl_mark_places (GstMinivl *self);

G_END_DECLS

#endif

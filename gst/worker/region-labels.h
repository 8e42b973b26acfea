/* What regions that are asked about are called. */
#ifndef GST_MINIVL_REGION_LABELS_H
#define GST_MINIVL_REGION_LABELS_H

#include "frame.h"

G_BEGIN_DECLS

/* The labels of frames, each once, in their order, separated by ", ". NULL: none of them is a region. (transfer full) */
gchar *region_labels (const GPtrArray *frames);

G_END_DECLS

#endif

/* Where the files of the element log. */
#ifndef GST_MINIVL_LOG_H
#define GST_MINIVL_LOG_H

#include <gst/gst.h>

G_BEGIN_DECLS

GST_DEBUG_CATEGORY_EXTERN (gst_minivl_debug);
#define GST_CAT_DEFAULT gst_minivl_debug

/* Before anything is logged; calling it again does nothing. */
void log_init (void);

G_END_DECLS

#endif

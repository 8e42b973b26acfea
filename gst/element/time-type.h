/*
 * The type of properties that are times: a guint64 of nanoseconds, which may be written with a unit ("10s", "500ms") wherever
 * GStreamer reads properties from text. GStreamer chooses what reads a text by the property's type, and guint64's own takes
 * digits alone.
 */
#ifndef GST_MINIVL_TIME_TYPE_H
#define GST_MINIVL_TIME_TYPE_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* Derived from G_TYPE_UINT64: all that reads or writes that does so with this. */
GType time_type_get (void);

/* As shortly as it can be said exactly, "none" for GST_CLOCK_TIME_NONE. (transfer full) */
gchar *time_type_format (guint64 ns);

G_END_DECLS

#endif

/* Where a buffer lies among the segments: a meta between the elements of this plugin, on buffers of a minivl that marks places. */
#ifndef GST_MINIVL_PLACE_H
#define GST_MINIVL_PLACE_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct
{
  GstMeta meta;
  guint64 number; /* of the buffer, from 1, in the order they are handed on */
  gboolean is_live;
  guint64 segment;    /* id of the one that began last, of those it lies in; 0: none that will have a result */
  guint64 first_open; /* segments with lower ids are complete */
  gboolean waits;     /* which segment it lies in is known with the next buffer that does not wait: it is the same */
} Place;

/* The buffer is writable. What another minivl has said is forgotten. */
void place_add (GstBuffer *buffer);
/* NULL: it has none. Its minivl may fill it until it hands the buffer on, also while a copy of the frame is made. */
Place *place_get (GstBuffer *buffer);

G_END_DECLS

#endif

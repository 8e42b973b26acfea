/* What is drawn on a picture, as Pango markup, in a size by which it fits. Knows nothing of GStreamer. */
#ifndef GST_MINIVL_OVERLAY_CAPTION_H
#define GST_MINIVL_OVERLAY_CAPTION_H

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  const gchar *text;
  gboolean is_alert; /* drawn in red */
} CaptionPart;

typedef struct
{
  guint width, height; /* of the picture */
  gboolean own_font;   /* its size is somebody else's choice */
} CaptionSpace;

/* From the picture's edges, in pixels. */
guint caption_margin (const CaptionSpace *space);

/* The parts below each other, none of which is empty; empty when there are none. Long text gets smaller letters, down to a size
 * that can still be read; the end of what does not fit even so is left out, for an ellipsis. How much room letters take is an
 * estimate. (transfer full) */
gchar *caption_markup (const CaptionPart *parts, guint n_parts, const CaptionSpace *space);

G_END_DECLS

#endif

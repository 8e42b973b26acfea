/* What is drawn on a picture, as Pango markup, in a size that fits. Knows nothing of GStreamer. */
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
  gboolean own_font;   /* font and size are the user's */
} CaptionSpace;

/* From the picture's edges, in pixels. */
guint caption_margin (const CaptionSpace *space);

/* The parts one below another; none is empty. "" when there are none. Long text gets smaller letters, down to a readable size; if
 * it still does not fit, an ellipsis replaces its end. The room that letters take is an estimate. (transfer full) */
gchar *caption_markup (const CaptionPart *parts, guint n_parts, const CaptionSpace *space);

G_END_DECLS

#endif

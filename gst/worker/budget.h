/* Whether a segment's frames, prompt and answer fit the context, as far as that can be said before anything is computed. */
#ifndef GST_MINIVL_BUDGET_H
#define GST_MINIVL_BUDGET_H

#include "segment.h"

G_BEGIN_DECLS

typedef struct
{
  const Backend *backend; /* that counts the words, as `self` */
  gpointer self;
  guint context_size;
  guint frames, max_tiles;
  guint frame_tokens; /* that one frame takes, when cut into up to max_tiles */
  const gchar *stream;
  const SegmentSettings *settings;
} Budget;

/* FALSE with MINIVL_ERROR_BUDGET, which says what to lower so that it fits, or with what the back end says of the words. */
gboolean budget_check (const Budget *budget, GError **error);

/* How many regions of each frame fit, of as many tokens, at least 1. It counts with more text than there is likely to be, for what
 * is asked about too much is not answered at all. */
guint budget_regions (guint context_size, guint frames, guint region_tokens, const SegmentSettings *settings);

G_END_DECLS

#endif

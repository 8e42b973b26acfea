/* Whether a segment's frames, prompt and answer fit the context, as far as is known before anything is computed. */
#ifndef GST_MINIVL_BUDGET_H
#define GST_MINIVL_BUDGET_H

#include "segment.h"

G_BEGIN_DECLS

/* Start and end of a picture, and one more: words on both sides of a picture are two tokens, but may be counted as one without it.
 */
#define PICTURE_TOKENS 3

typedef struct
{
  const Backend *backend; /* counts the tokens of words, with `self` */
  gpointer self;
  guint context_size, max_context_size;
  guint frames, max_tiles;
  guint frame_tokens; /* of one frame, cut into at most max_tiles */
  const gchar *stream;
  const SegmentSettings *settings;
} Budget;

/* FALSE with MINIVL_ERROR_BUDGET, whose message says what to lower, or with the back end's error about the words. */
gboolean budget_check (const Budget *budget, GError **error);

/* What may be said behind other advice: that context-size may be raised, unless it is as high as it can be. max_context_size 0:
 * that is not known. */
const gchar *budget_or_raise (guint context_size, guint max_context_size);

/* How many regions of each frame fit, at least 1, counted as budget_check() does, when each takes frame_tokens. */
guint budget_regions (const Budget *budget);

G_END_DECLS

#endif

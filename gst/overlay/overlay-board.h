/*
 * What of the results is to be read on a frame: of each kind of text the last one, and the alerts that are on.
 *
 * Frames are taken in their order, results as they come, by the messages that all get. A text stays until the next one of its kind,
 * or for its duration. Not thread-safe.
 */
#ifndef GST_MINIVL_OVERLAY_BOARD_H
#define GST_MINIVL_OVERLAY_BOARD_H

#include "overlay-caption.h"

#include <gst/gst.h>

G_BEGIN_DECLS

typedef enum
{
  BOARD_REPORT,
  BOARD_ANSWER,
  BOARD_SUMMARY,
  BOARD_LINES,
} BoardLine;

typedef struct
{
  guint64 duration; /* ns that a text stays; GST_CLOCK_TIME_NONE: a report until the next one */
  guint64 told;     /* id of the last segment whose result has come */
  GQueue sayings;   /* Saying, those that have come and are on no frame yet, in order */
  gchar *texts[BOARD_LINES];
  guint64 since[BOARD_LINES]; /* PTS of the first frame that had it; GST_CLOCK_TIME_NONE: none so far */
  GPtrArray *alerts;          /* gchar: the questions of those that are on */
  gboolean changed;           /* what is to be read, since board_compose() */
} Board;

void board_init (Board *board);
void board_clear (Board *board);
/* Nothing is to be read, and nothing will be of what has come. */
void board_forget (Board *board);

/* message: a result's, as structure. stale: the results of segments up to this one are of no interest. */
void board_add (Board *board, const GstStructure *message, guint64 stale);

/* The next frame lies in a segment, and gets what is said of those up to it. */
void board_pass (Board *board, guint64 segment, guint64 pts);
/* The next frame gets whatever has come; but no report is passed over before it was on a frame. */
void board_pass_now (Board *board, guint64 pts);

/* (transfer full): markup, empty when nothing is to be read */
gchar *board_compose (Board *board, const CaptionSpace *space);

G_END_DECLS

#endif

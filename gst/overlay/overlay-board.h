/*
 * Which of the results are drawn on a frame: the last text of each kind, and the alerts that are active.
 *
 * Frames are passed in their order, results as their messages come. A text stays until the next one of its kind,
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
  GQueue sayings;   /* Saying, results that are on no frame yet, in order */
  gchar *texts[BOARD_LINES];
  guint64 since[BOARD_LINES]; /* PTS of the first frame that had it; GST_CLOCK_TIME_NONE: none so far */
  GPtrArray *alerts;          /* gchar: the questions of active alerts */
  gboolean changed;           /* since board_compose() */
} Board;

void board_init (Board *board);
void board_clear (Board *board);
/* Clears what is drawn, and all results that have come. */
void board_forget (Board *board);

/* message: a result's structure. stale: results of segments up to this id are ignored. */
void board_add (Board *board, const GstStructure *message, guint64 stale);

/* The next frame lies in `segment`, and gets the results of segments up to it. */
void board_pass (Board *board, guint64 segment, guint64 pts);
/* The next frame gets what has come, but one text at a time: each report is on at least one frame. */
void board_pass_now (Board *board, guint64 pts);

/* (transfer full): markup, empty when there is nothing to draw */
gchar *board_compose (Board *board, const CaptionSpace *space);

G_END_DECLS

#endif

/*
 * Which frames of a video are sampled, and for which stretch of it. Uses no GStreamer, no thread and no clock.
 *
 * Segments [start, stop) follow one another from the configured start on. Each is the reference's `bound=(start, stop)`: at a
 * constant rate the frames are exactly the indices of minivl_sample_frames(), a frame's index being its stream time times the
 * rate. At a variable rate it is the frame that is shown at the middle of each of equal parts, or the first one after it.
 * Time goes on; a frame may lie a little behind the one before. Where it jumps (see timeline.h), segmenter_finish() goes before.
 *
 * A damaged frame is sampled only when its part has no other. Whether it has is known later: so the first good frame of each part
 * is held until the part's place is filled, and so is a damaged one that would have filled it. The caller holds one frame a
 * segment.
 */
#ifndef GST_MINIVL_SEGMENTER_H
#define GST_MINIVL_SEGMENTER_H

#include <glib.h>

G_BEGIN_DECLS

/* "no such time": the value of GST_CLOCK_TIME_NONE */
#define SEGMENTER_NONE G_MAXUINT64

typedef struct
{
  guint64 duration;    /* ns; 0: one segment up to `stop` or the end of the stream */
  guint64 overlap;     /* ns, below duration */
  guint64 start, stop; /* ns of stream time; stop SEGMENTER_NONE: the end of the stream */
  guint frames;        /* in each segment, at least 1 */
} SegmenterConfig;

typedef enum
{
  SEGMENTER_OPEN,   /* a segment begins */
  SEGMENTER_SAMPLE, /* the frame belongs to a segment; what is held for it is let go */
  SEGMENTER_LAST,   /* so does the frame before it; of a recording only */
  SEGMENTER_KEEP,   /* the frame is to be held for a segment, in place of what is held for it */
  SEGMENTER_USE,    /* what is held belongs to the segment */
  SEGMENTER_CLOSE,  /* a segment is complete */
} SegmenterStep;

typedef struct
{
  SegmenterStep step;
  guint64 number;      /* of the segment: 0, 1, ... since segmenter_init() */
  guint64 start, stop; /* stop is final in SEGMENTER_CLOSE */
  guint times;         /* SEGMENTER_SAMPLE and SEGMENTER_USE: how many of the segment's places the frame takes */
} SegmenterAction;

/* Length of the stream in ns of stream time, SEGMENTER_NONE when it is not known. Asked for when a segment begins. */
typedef guint64 (*SegmenterLengthFunc) (gpointer user_data);

typedef struct
{
  SegmenterConfig config;
  SegmenterLengthFunc length;
  gpointer user_data;
  double fps;
  guint64 numbers;   /* segments begun so far */
  GArray *actions;   /* SegmenterAction, of the last call */
  GQueue open;       /* OpenSegment, in order */
  gboolean any;      /* a segment has begun since the last reset */
  gboolean anchored; /* `anchor` is where segment 0 of this run of frames starts, `next` the one to begin next */
  guint64 anchor, next;
  guint64 last, last_duration; /* of the latest frame */
  gboolean recorded;
  guint64 origin; /* of the first frame, where places are counted from it */
} Segmenter;

void segmenter_init (Segmenter *s, const SegmenterConfig *config, SegmenterLengthFunc length, gpointer user_data);
void segmenter_clear (Segmenter *s);

/* fps: frames a second of the frames to come; 0: variable. Open segments keep the frames they were planned with, so
 * change it after segmenter_finish(). */
void segmenter_set_rate (Segmenter *s, double fps);

/* The frames to come are those of a recording that begins with one at stream time `first`: a place without a frame has the last one
 * in front of it, and if there is one segment for all of it, places are counted from the first frame, as the reference counts.
 * Before the first of them. */
void segmenter_set_recorded (Segmenter *s, guint64 first);

/* Whether a segment without a duration of its own would end. */
gboolean segmenter_is_bounded (Segmenter *s);

/* The next frame: time in ns of stream time; duration in ns, SEGMENTER_NONE when it has none; damaged: only if there is no better.
 * Returns what is to be done, in that order; owned by s, valid until the next call. */
const SegmenterAction *segmenter_push (Segmenter *s, guint64 time, guint64 duration, gboolean damaged, guint *n_actions);

/* When the next open segment stops; SEGMENTER_NONE: none is open, or it has no end of its own. */
guint64 segmenter_next_stop (const Segmenter *s);
/* No frame has come, and it is this time already: ends the segments that stop by then. */
const SegmenterAction *segmenter_elapse (Segmenter *s, guint64 time, guint *n_actions);

/* Ends the open segments where the last frame ends. The next frame starts a new one. */
const SegmenterAction *segmenter_finish (Segmenter *s, guint *n_actions);

/* After a flush: as segmenter_finish(), and the next frame may again be the first of the stream. */
const SegmenterAction *segmenter_reset (Segmenter *s, guint *n_actions);

G_END_DECLS

#endif

/*
 * Whether a frame goes on where the one before it was, or the clock of the video has jumped. Uses no GStreamer and no clock.
 *
 * A step back of less than two frames is jitter. A larger one, and a step ahead of more than a second and two frames, is off the
 * line; so is what has come to lie as far behind the latest frame by many small steps. A frame off the line waits. When the third
 * in a row is there, the video has jumped to them; when one goes on along the line first, those that waited were strays. Where both
 * fit, the nearer one does. If six in a row fit nowhere, the video has long steps: they go on, and such steps are no jumps from
 * then on.
 *
 * A stream begins at the start of its segment: a first frame that lies elsewhere waits, too.
 */
#ifndef GST_MINIVL_TIMELINE_H
#define GST_MINIVL_TIMELINE_H

#include <glib.h>

G_BEGIN_DECLS

/* "no such time": the value of GST_CLOCK_TIME_NONE */
#define TIMELINE_NONE G_MAXUINT64
/* Frames that may wait. */
#define TIMELINE_MOST 5

/* Frames that go on one after another. */
typedef struct
{
  guint64 last, before; /* frames; TIMELINE_NONE: none */
  guint64 latest;       /* of all */
  guint64 duration;     /* of the last one; TIMELINE_NONE: it has none */
  guint64 interval;     /* the last step ahead; 0: there was none */
} Line;

typedef struct
{
  double fps;
  Line line, row;         /* row: the last of those that wait */
  gboolean begun;         /* a frame has gone on; until then `line` is where it should begin */
  guint64 long_step;      /* of a video that has such; 0: it has none */
  guint64 first_broken;   /* the least step ahead that broke a row; TIMELINE_NONE: none did */
  guint n_waiting, n_row; /* frames that wait; and of these, in a row at the end */
} Timeline;

typedef struct
{
  gboolean waits; /* keep the frame; else those that are kept and are no strays go on, in order, and then this one */
  guint strays;   /* of those that are kept, so many of the oldest are strays: let them go */
} TimelineVerdict;

typedef enum
{
  TIMELINE_FOLLOWS,
  TIMELINE_JUMPS_AHEAD,
  TIMELINE_JUMPS_BACK,
} TimelineStep;

/* The video begins at start; TIMELINE_NONE: with its first frame. What waits is forgotten. */
void timeline_start (Timeline *t, guint64 start);
/* fps: frames a second; 0: variable. */
void timeline_set_rate (Timeline *t, double fps);

/* The next frame: time in ns; duration in ns, TIMELINE_NONE when it has none. */
TimelineVerdict timeline_push (Timeline *t, guint64 time, guint64 duration);
/* To be called for each frame that goes on, in order. */
TimelineStep timeline_go_on (Timeline *t, guint64 time, guint64 duration);
/* Nothing more comes to decide about what waits. Returns how many of the oldest are strays: all, unless no frame has ever gone on.
 */
guint timeline_settle (Timeline *t);
/* The frame goes on, and lies behind an earlier one. */
gboolean timeline_is_jitter (const Timeline *t, guint64 time);
/* Two frames, as far as that is known, but at least a second: a longer step is a jump. */
guint64 timeline_longest_step (const Timeline *t);

G_END_DECLS

#endif

#include "timeline.h"

#include <math.h>

#define SECOND G_GUINT64_CONSTANT (1000000000)
/* Frames in a row of which the video is believed to have jumped. */
#define ROW 3

static const Line nowhere = { .last = TIMELINE_NONE, .before = TIMELINE_NONE, .duration = TIMELINE_NONE };

static guint64
distance (guint64 a, guint64 b)
{
  return a > b ? a - b : b - a;
}

/* 0: not known */
static guint64
frame_length (const Timeline *t, const Line *line)
{
  if (t->fps > 0)
    return (guint64)llround (1e9 / t->fps);
  return line->duration != TIMELINE_NONE ? line->duration : line->interval;
}

/* --- lines ------------------------------------------------------------------------------------------------------------------- */

static guint64
longest_step (const Timeline *t, const Line *line)
{
  return MAX (SECOND, 2 * MAX (frame_length (t, line), t->long_step));
}

static gboolean
is_step_back (const Timeline *t, const Line *line, guint64 from, guint64 to)
{
  return to < from && from - to >= 2 * frame_length (t, line);
}

/* The last frame was a stray of less than a second: this one goes on where it broke off. */
static gboolean
returns (const Timeline *t, const Line *line, guint64 time)
{
  return line->before != TIMELINE_NONE && time < line->last && line->last > line->before + 2 * frame_length (t, line)
         && is_step_back (t, line, line->last, time) && !is_step_back (t, line, line->before, time);
}

/* Without rate and durations, a frame's length is known only when the next one comes. */
static gboolean
is_ahead (const Timeline *t, const Line *line, guint64 time)
{
  gboolean known = frame_length (t, line) > 0 || (line == &t->line && !t->begun);

  return known && time > line->last && time - line->last > longest_step (t, line);
}

static gboolean
is_off (const Timeline *t, const Line *line, guint64 time)
{
  if (line->last == TIMELINE_NONE)
    return FALSE;
  if (returns (t, line, time))
    return FALSE;
  return is_step_back (t, line, line->last, time) || is_ahead (t, line, time)
         || (time < line->latest && line->latest - time > longest_step (t, line));
}

static void
advance (const Timeline *t, Line *line, guint64 time, guint64 duration)
{
  gboolean is_first = line->last == TIMELINE_NONE;

  if (!is_first && returns (t, line, time)) {
    line->last = line->latest = line->before;
  } else if (!is_first && time > line->last) {
    line->interval = time - line->last;
  }
  line->before = line->last;
  line->last = time;
  line->latest = is_first ? time : MAX (line->latest, time);
  line->duration = duration;
}

/* --- the frames to come ------------------------------------------------------------------------------------------------------ */

void
timeline_start (Timeline *t, guint64 start)
{
  *t = (Timeline){ .fps = t->fps, .line = nowhere, .row = nowhere, .first_broken = TIMELINE_NONE };
  t->line.last = t->line.latest = start;
  t->begun = start == TIMELINE_NONE;
}

void
timeline_set_rate (Timeline *t, double fps)
{
  t->fps = fps;
}

static void
stop_waiting (Timeline *t)
{
  t->n_waiting = t->n_row = 0;
  t->row = nowhere;
  t->first_broken = TIMELINE_NONE;
}

/* The frame fits both: whether it is nearer to where the next one of the row would be. */
static gboolean
is_nearer_to_row (const Timeline *t, guint64 time)
{
  guint64 on_line = t->line.last + (t->n_waiting + 1) * frame_length (t, &t->line);
  guint64 in_row = t->row.last + frame_length (t, &t->row);

  return distance (time, in_row) < distance (time, on_line);
}

/* The frame is off the line. */
static TimelineVerdict
wait (Timeline *t, guint64 time, guint64 duration)
{
  guint strays = 0;

  if (t->n_row > 0 && is_off (t, &t->row, time)) {
    if (time > t->row.last)
      t->first_broken = MIN (t->first_broken, time - t->row.last);
    t->row = nowhere;
    t->n_row = 0;
  }
  advance (t, &t->row, time, duration);
  t->n_row++;
  if (t->n_row < ROW && t->n_waiting < TIMELINE_MOST) {
    t->n_waiting++;
    return (TimelineVerdict){ .waits = TRUE };
  }
  if (t->n_row == ROW)
    strays = t->n_waiting + 1 - ROW;
  else if (t->first_broken != TIMELINE_NONE)
    t->long_step = MAX (t->long_step, t->first_broken);
  stop_waiting (t);
  return (TimelineVerdict){ .strays = strays };
}

TimelineVerdict
timeline_push (Timeline *t, guint64 time, guint64 duration)
{
  TimelineVerdict goes_on = { .strays = t->n_waiting };

  if (is_off (t, &t->line, time) || (t->n_row > 0 && !is_off (t, &t->row, time) && is_nearer_to_row (t, time)))
    return wait (t, time, duration);
  stop_waiting (t);
  return goes_on;
}

TimelineStep
timeline_go_on (Timeline *t, guint64 time, guint64 duration)
{
  TimelineStep step = TIMELINE_FOLLOWS;

  if (!t->begun) {
    t->line = nowhere;
  } else if (is_off (t, &t->line, time)) {
    step = time < t->line.last ? TIMELINE_JUMPS_BACK : TIMELINE_JUMPS_AHEAD;
    t->line = nowhere;
  }
  t->begun = TRUE;
  advance (t, &t->line, time, duration);
  return step;
}

guint
timeline_settle (Timeline *t)
{
  guint believed = t->n_row > 1 ? t->n_row : 0, strays = t->begun ? t->n_waiting - believed : 0;

  stop_waiting (t);
  return strays;
}

gboolean
timeline_is_jitter (const Timeline *t, guint64 time)
{
  return t->begun && t->line.last != TIMELINE_NONE && time < t->line.latest && !is_off (t, &t->line, time);
}

guint64
timeline_longest_step (const Timeline *t)
{
  return longest_step (t, &t->line);
}

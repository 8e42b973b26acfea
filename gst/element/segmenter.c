#include "segmenter.h"

#include "model/minivl.h"

#include <math.h>

#define SECOND G_GUINT64_CONSTANT (1000000000)

typedef enum
{
  HELD_NONE,
  HELD_DAMAGED,
  HELD_GOOD,
} Held;

typedef struct
{
  guint64 number, start, stop;
  gint64 *places; /* the frames wanted, in order: indices at a constant rate, else ns */
  guint64 end;    /* of the last place's part: `stop`, or before that the end of the stream */
  guint filled;
  guint due;          /* places behind those whose frame was damaged; they wait for a better one */
  guint64 wait_until; /* if any are due */
  Held held;          /* what the caller holds for the segment */
  guint held_part;    /* and which part it is of */
} OpenSegment;

static void
open_segment_free (OpenSegment *o)
{
  g_free (o->places);
  g_free (o);
}

static double
seconds (guint64 ns)
{
  return ns / 1e9;
}

/* rint(): ties to even, as Python's round() in the reference. */
static gint64
frame_index (const Segmenter *s, guint64 ns)
{
  return (gint64)rint (seconds (ns) * s->fps);
}

/* Half a frame early counts as reached, since the reference rounds a bound to the nearest frame; but not for a stretch that would
 * have no frame after that rounding. */
static gboolean
reached (const Segmenter *s, guint64 time, guint64 start, guint64 stop)
{
  if (time >= start)
    return TRUE;
  return s->fps > 0 && frame_index (s, time) >= frame_index (s, start) && frame_index (s, stop) > frame_index (s, start);
}

static guint64
end_of_last_frame (const Segmenter *s)
{
  if (s->last_duration != SEGMENTER_NONE)
    return s->last + s->last_duration;
  return s->last + (s->fps > 0 ? (guint64)llround (1e9 / s->fps) : 0);
}

static void
act (Segmenter *s, SegmenterStep step, const OpenSegment *o, guint64 stop, guint times)
{
  SegmenterAction action = { .step = step, .number = o->number, .start = o->start, .stop = stop, .times = times };

  g_array_append_val (s->actions, action);
}

static const SegmenterAction *
answer (Segmenter *s, guint *n_actions)
{
  *n_actions = s->actions->len;
  return (const SegmenterAction *)s->actions->data;
}

/* From the origin on. Demuxers differ in whether what lies in front of the first frame is part of a file's length: where the end is
 * given, the longer one does no harm. */
static guint64
length_of (const Segmenter *s)
{
  guint64 length = s->length (s->user_data);

  return length == SEGMENTER_NONE || length < s->origin || s->config.stop != SEGMENTER_NONE ? length : length - s->origin;
}

static void
plan (Segmenter *s, OpenSegment *o)
{
  guint64 length = length_of (s);
  guint n = s->config.frames;

  o->places = g_new (gint64, n);
  o->end = length != SEGMENTER_NONE && length > o->start ? MIN (o->stop, length) : o->stop;
  if (s->fps > 0) {
    guint64 frames = G_MAXINT64;

    /* A length that the stream has already passed is useless. */
    if (length != SEGMENTER_NONE && frame_index (s, length) > frame_index (s, o->start))
      frames = frame_index (s, length);
    minivl_sample_frames (frames, s->fps, seconds (o->start), seconds (o->stop), n, o->places);
  } else {
    for (guint k = 0; k < n; k++)
      o->places[k] = o->start + (guint64)((o->end - o->start) * (2.0 * k + 1) / (2.0 * n));
  }
}

static guint64
segment_step (const Segmenter *s)
{
  return s->config.duration - s->config.overlap;
}

static void
begin_segments (Segmenter *s, guint64 time)
{
  const SegmenterConfig *c = &s->config;

  while (c->duration > 0 || s->next == 0) {
    guint64 start = s->anchor + s->next * segment_step (s);
    guint64 stop = MIN (c->stop, c->duration > 0 ? start + c->duration : SEGMENTER_NONE);
    OpenSegment *o;

    if (start >= stop || !reached (s, time, start, stop))
      return;
    if (c->duration == 0)
      stop = MIN (stop, length_of (s));
    if (stop <= time) { /* shorter than a frame: no frame lies in it */
      if (c->duration == 0 || stop == c->stop)
        return;
      s->next += MAX (1, (time - stop) / segment_step (s));
      continue;
    }
    o = g_new0 (OpenSegment, 1);
    o->number = s->numbers++;
    o->start = start;
    o->stop = stop;
    plan (s, o);
    g_queue_push_tail (&s->open, o);
    s->any = TRUE;
    s->next++;
    act (s, SEGMENTER_OPEN, o, stop, 0);
  }
}

static gboolean
fills (const Segmenter *s, const OpenSegment *o, gint64 place, guint64 time, guint64 duration)
{
  if (s->fps > 0) {
    gint64 index = frame_index (s, time);

    /* With more places than frames the reference's last index may be the first frame past the segment. */
    return index == place || (index > place && time < o->stop);
  }
  if (time >= o->stop)
    return FALSE;
  if (s->recorded) /* how long it is shown, the next one tells */
    return time == (guint64)place;
  return duration != SEGMENTER_NONE ? time + duration > (guint64)place : time >= (guint64)place;
}

/* Places that this frame is the first to reach. */
static guint
count_reached (const Segmenter *s, const OpenSegment *o, guint64 time, guint64 duration)
{
  guint first = o->filled + o->due, next = first;

  while (next < s->config.frames && fills (s, o, o->places[next], time, duration))
    next++;
  return next - first;
}

/* Which of the equal parts of the segment the time lies in. */
static guint
part_of (const Segmenter *s, const OpenSegment *o, guint64 time)
{
  double n = s->config.frames, part = time > o->start ? (time - o->start) * n / (o->end - o->start) : 0;

  return (guint)MIN (part, n - 1);
}

static guint64
end_of_part (const Segmenter *s, const OpenSegment *o, guint part)
{
  return o->start + (guint64)((o->end - o->start) * (part + 1.0) / s->config.frames);
}

static void
keep (Segmenter *s, OpenSegment *o, gboolean damaged, guint part)
{
  act (s, SEGMENTER_KEEP, o, o->stop, 0);
  o->held = damaged ? HELD_DAMAGED : HELD_GOOD;
  o->held_part = part;
}

static void
fill (Segmenter *s, OpenSegment *o, SegmenterStep step, guint times)
{
  act (s, step, o, o->stop, times);
  o->filled += times;
  o->due = 0;
  o->held = HELD_NONE;
}

/* Gives the last frame the places of a segment in front of `time` that are still empty. */
static void
fill_with_last (Segmenter *s, OpenSegment *o, guint64 time)
{
  gint64 end = s->fps > 0 ? frame_index (s, time) : (gint64)time;
  guint next = o->filled;

  if (!s->recorded || s->last == SEGMENTER_NONE || o->due > 0)
    return;
  while (next < s->config.frames && o->places[next] < end)
    next++;
  if (next > o->filled)
    fill (s, o, SEGMENTER_LAST, next - o->filled);
}

/* What is due takes what is held; so does the first place of a segment that ends before it. */
static void
close_segment (Segmenter *s, OpenSegment *o, guint64 stop)
{
  guint times = o->filled == 0 && o->held != HELD_NONE ? MAX (1, o->due) : o->due;

  if (times > 0)
    fill (s, o, SEGMENTER_USE, times);
  act (s, SEGMENTER_CLOSE, o, stop, 0);
}

static void
close_until (Segmenter *s, guint64 time)
{
  GList *next;

  for (GList *l = s->open.head; l != NULL; l = next) {
    OpenSegment *o = l->data;

    next = l->next;
    if (o->stop > time)
      continue;
    close_segment (s, o, o->stop);
    g_queue_delete_link (&s->open, l);
    open_segment_free (o);
  }
}

/* The frame reaches the next place or more of them: it takes them, unless it is damaged and its part may have a better one. */
static void
reach (Segmenter *s, OpenSegment *o, guint times, guint64 time, gboolean damaged)
{
  guint part = part_of (s, o, time);

  if (!damaged) {
    fill (s, o, SEGMENTER_SAMPLE, o->due + times);
    return;
  }
  if (o->due == 0 && o->held != HELD_GOOD)
    keep (s, o, TRUE, part);
  o->due += times;
  o->wait_until = end_of_part (s, o, part);
}

/* The frame lies in the segment, and before the next place: it may be all that its part has. */
static void
look (Segmenter *s, OpenSegment *o, guint64 time, gboolean damaged)
{
  guint part = part_of (s, o, time);

  if (o->due > 0) {
    if (!damaged)
      fill (s, o, SEGMENTER_SAMPLE, o->due);
    return;
  }
  if (o->filled == 0 && o->held == HELD_NONE)
    keep (s, o, damaged, part);
  else if (part >= o->filled && !damaged && (o->held != HELD_GOOD || o->held_part != part))
    keep (s, o, FALSE, part);
}

static void
take (Segmenter *s, OpenSegment *o, guint64 time, guint64 duration, gboolean damaged)
{
  guint times;

  if (o->due > 0 && time >= o->wait_until)
    fill (s, o, SEGMENTER_USE, o->due);
  times = count_reached (s, o, time, duration);
  if (times > 0)
    reach (s, o, times, time, damaged);
  else if (time < o->stop && o->filled < s->config.frames)
    look (s, o, time, damaged);
}

static void
end_all (Segmenter *s)
{
  OpenSegment *o;

  while ((o = g_queue_pop_head (&s->open)) != NULL) {
    fill_with_last (s, o, end_of_last_frame (s));
    close_segment (s, o, MAX (o->start, MIN (o->stop, end_of_last_frame (s) + s->origin)));
    open_segment_free (o);
  }
  s->anchored = FALSE;
  s->last = s->last_duration = SEGMENTER_NONE;
}

void
segmenter_init (Segmenter *s, const SegmenterConfig *config, SegmenterLengthFunc length, gpointer user_data)
{
  *s = (Segmenter){
    .config = *config,
    .length = length,
    .user_data = user_data,
    .actions = g_array_new (FALSE, FALSE, sizeof (SegmenterAction)),
    .open = G_QUEUE_INIT,
    .last = SEGMENTER_NONE,
    .last_duration = SEGMENTER_NONE,
  };
}

void
segmenter_clear (Segmenter *s)
{
  g_queue_clear_full (&s->open, (GDestroyNotify)open_segment_free);
  g_clear_pointer (&s->actions, g_array_unref);
}

void
segmenter_set_rate (Segmenter *s, double fps)
{
  s->fps = fps;
}

void
segmenter_set_recorded (Segmenter *s, guint64 first)
{
  s->recorded = TRUE;
  /* Later than that, it is no first frame. */
  if (s->config.duration == 0 && first <= SECOND)
    s->origin = first;
}

gboolean
segmenter_is_bounded (Segmenter *s)
{
  return s->config.duration > 0 || s->config.stop != SEGMENTER_NONE || s->length (s->user_data) != SEGMENTER_NONE;
}

const SegmenterAction *
segmenter_push (Segmenter *s, guint64 time, guint64 duration, gboolean damaged, guint *n_actions)
{
  guint64 start = s->config.start;

  time -= MIN (time, s->origin);
  g_array_set_size (s->actions, 0);
  if (!s->anchored && reached (s, time, start, s->config.stop)) {
    gboolean is_first = !s->any && time <= start + MAX (SECOND, s->fps > 0 ? (guint64)(2e9 / s->fps) : 0);

    s->anchor = is_first ? start : MAX (time, start);
    s->next = 0;
    s->anchored = TRUE;
  }
  if (s->anchored)
    begin_segments (s, time);

  for (GList *l = s->open.head; l != NULL; l = l->next) {
    OpenSegment *o = l->data;

    fill_with_last (s, o, time);
    if (reached (s, time, o->start, o->stop))
      take (s, o, time, duration, damaged);
  }
  close_until (s, time);

  if (s->last == SEGMENTER_NONE || time >= s->last) {
    s->last = time;
    s->last_duration = duration;
  }
  return answer (s, n_actions);
}

guint64
segmenter_next_stop (const Segmenter *s)
{
  guint64 stop = SEGMENTER_NONE;

  for (const GList *l = s->open.head; l != NULL; l = l->next)
    stop = MIN (stop, ((const OpenSegment *)l->data)->stop);
  return stop;
}

const SegmenterAction *
segmenter_elapse (Segmenter *s, guint64 time, guint *n_actions)
{
  g_array_set_size (s->actions, 0);
  close_until (s, time);
  return answer (s, n_actions);
}

const SegmenterAction *
segmenter_finish (Segmenter *s, guint *n_actions)
{
  g_array_set_size (s->actions, 0);
  end_all (s);
  return answer (s, n_actions);
}

const SegmenterAction *
segmenter_reset (Segmenter *s, guint *n_actions)
{
  segmenter_finish (s, n_actions);
  s->any = FALSE;
  return answer (s, n_actions);
}

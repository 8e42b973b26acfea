#include "segmenter-run.h"

#include <math.h>

static void
seen_free (gpointer data)
{
  Seen *seen = data;

  g_array_unref (seen->frames);
  g_array_unref (seen->times);
  g_free (seen);
}

static guint64
get_length (gpointer data)
{
  return ((Run *)data)->length;
}

Run *
run_new (SegmenterConfig config, double fps, guint64 length)
{
  Run *run = g_new0 (Run, 1);

  run->length = length;
  run->seen = g_ptr_array_new_with_free_func (seen_free);
  segmenter_init (&run->segmenter, &config, get_length, run);
  segmenter_set_rate (&run->segmenter, fps);
  run->waiting = g_array_new (FALSE, FALSE, sizeof (Pushed));
  timeline_start (&run->timeline, TIMELINE_NONE);
  timeline_set_rate (&run->timeline, fps);
  return run;
}

void
run_free (Run *run)
{
  segmenter_clear (&run->segmenter);
  g_ptr_array_unref (run->seen);
  g_array_unref (run->waiting);
  g_free (run);
}

static void
take (Run *run, const SegmenterAction *actions, guint n_actions, const Pushed *pushed)
{
  for (guint i = 0; i < n_actions; i++) {
    const SegmenterAction *a = &actions[i];
    Seen *seen;

    if (a->step == SEGMENTER_OPEN) {
      g_assert_cmpuint (a->number, ==, run->seen->len);
      seen = g_new0 (Seen, 1);
      seen->number = a->number;
      seen->frames = g_array_new (FALSE, FALSE, sizeof (guint64));
      seen->times = g_array_new (FALSE, FALSE, sizeof (guint64));
      seen->held = G_MAXUINT64;
      g_ptr_array_add (run->seen, seen);
      continue;
    }
    g_assert_cmpuint (a->number, <, run->seen->len);
    seen = g_ptr_array_index (run->seen, a->number);
    g_assert_false (seen->closed);
    if (a->step == SEGMENTER_CLOSE) {
      seen->closed = TRUE;
      seen->start = a->start;
      seen->stop = a->stop;
    } else if (a->step == SEGMENTER_KEEP) {
      seen->held = pushed->frame;
      seen->held_time = pushed->time;
    } else {
      gboolean held = a->step == SEGMENTER_USE;

      g_assert_cmpuint (a->times, >, 0);
      g_assert_true (!held || seen->held != G_MAXUINT64);
      for (guint k = 0; k < a->times; k++) {
        g_array_append_val (seen->frames, *(held ? &seen->held : &pushed->frame));
        g_array_append_val (seen->times, *(held ? &seen->held_time : &pushed->time));
      }
      seen->held = G_MAXUINT64;
    }
  }
}

/* --- as sampling.c ---------------------------------------------------------------------------------------------------------- */

static void
end_segments (Run *run)
{
  guint n;
  const SegmenterAction *actions = segmenter_finish (&run->segmenter, &n);

  take (run, actions, n, NULL);
}

static void
go_on (Run *run, const Pushed *pushed)
{
  const SegmenterAction *actions;
  guint n;

  if (timeline_go_on (&run->timeline, pushed->time, pushed->duration) != TIMELINE_FOLLOWS)
    end_segments (run);
  actions = segmenter_push (&run->segmenter, pushed->time, pushed->duration, pushed->damaged, &n);
  take (run, actions, n, pushed);
}

static void
stop_waiting (Run *run, guint strays)
{
  for (guint i = strays; i < run->waiting->len; i++)
    go_on (run, &g_array_index (run->waiting, Pushed, i));
  g_array_set_size (run->waiting, 0);
  run->strays += strays;
}

void
run_push_marked (Run *run, guint64 frame, guint64 time, guint64 duration, gboolean damaged)
{
  Pushed pushed = { frame, time, duration, damaged };
  TimelineVerdict verdict = timeline_push (&run->timeline, time, duration);

  if (verdict.waits) {
    g_array_append_val (run->waiting, pushed);
    return;
  }
  stop_waiting (run, verdict.strays);
  go_on (run, &pushed);
}

void
run_push (Run *run, guint64 frame, guint64 time, guint64 duration)
{
  run_push_marked (run, frame, time, duration, FALSE);
}

void
run_finish (Run *run)
{
  stop_waiting (run, timeline_settle (&run->timeline));
  end_segments (run);
}

void
run_reset (Run *run)
{
  guint n;
  const SegmenterAction *actions = segmenter_reset (&run->segmenter, &n);

  take (run, actions, n, NULL);
  timeline_start (&run->timeline, TIMELINE_NONE);
  g_array_set_size (run->waiting, 0);
}

/* --- what comes of it -------------------------------------------------------------------------------------------------------- */

guint64
run_frame_time (guint64 frame, double fps)
{
  return (guint64)llround (frame * 1e9 / fps);
}

void
run_push_frames (Run *run, guint64 from, guint64 to, double fps)
{
  for (guint64 i = from; i < to; i++)
    run_push (run, i, run_frame_time (i, fps), run_frame_time (i + 1, fps) - run_frame_time (i, fps));
}

const Seen *
run_get (Run *run, guint n)
{
  g_assert_cmpuint (n, <, run->seen->len);
  return g_ptr_array_index (run->seen, n);
}

void
run_assert_bounds (Run *run, guint n, guint64 start_ms, guint64 stop_ms)
{
  const Seen *seen = run_get (run, n);

  g_assert_true (seen->closed);
  g_assert_cmpuint (seen->start, ==, start_ms * MS);
  g_assert_cmpuint (seen->stop, ==, stop_ms * MS);
}

void
run_assert_frames (Run *run, guint n, ...)
{
  const Seen *seen = run_get (run, n);
  va_list args;
  gint frame;
  guint k = 0;

  va_start (args, n);
  while ((frame = va_arg (args, gint)) >= 0) {
    g_assert_cmpuint (k, <, seen->frames->len);
    g_assert_cmpuint (g_array_index (seen->frames, guint64, k++), ==, frame);
  }
  va_end (args);
  g_assert_cmpuint (k, ==, seen->frames->len);
}

/* A timeline and a segmenter that are fed frames, as by sampling.c, and what became of them. */
#ifndef TESTS_SEGMENTER_RUN_H
#define TESTS_SEGMENTER_RUN_H

#include "gst/element/segmenter.h"
#include "gst/element/timeline.h"

#define MS G_GUINT64_CONSTANT (1000000)
#define SECOND (1000 * MS)

typedef struct
{
  guint64 number, start, stop;
  GArray *frames;          /* guint64, what was put into it, one a place */
  GArray *times;           /* guint64, their stream times */
  guint64 held, held_time; /* G_MAXUINT64: nothing */
  gboolean closed;
} Seen;

/* A frame as it was pushed. */
typedef struct
{
  guint64 frame, time, duration;
  gboolean damaged;
} Pushed;

typedef struct
{
  Segmenter segmenter;
  Timeline timeline;
  GArray *waiting; /* Pushed */
  guint strays;
  guint64 length;
  GPtrArray *seen;
} Run;

Run *run_new (SegmenterConfig config, double fps, guint64 length);
void run_free (Run *run);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Run, run_free)

void run_push (Run *run, guint64 frame, guint64 time, guint64 duration);
void run_push_marked (Run *run, guint64 frame, guint64 time, guint64 duration, gboolean damaged);
/* As a demuxer does: times rounded to ns. */
guint64 run_frame_time (guint64 frame, double fps);
void run_push_frames (Run *run, guint64 from, guint64 to, double fps);
void run_finish (Run *run);
void run_reset (Run *run);

/* The n-th segment. */
const Seen *run_get (Run *run, guint n);
void run_assert_bounds (Run *run, guint n, guint64 start_ms, guint64 stop_ms);
/* frames: ended by -1 */
void run_assert_frames (Run *run, guint n, ...);

#endif

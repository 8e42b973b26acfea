/* The worker's insides: worker.c is its side towards the element, worker-thread.c what its thread does. */
#ifndef GST_MINIVL_WORKER_PRIVATE_H
#define GST_MINIVL_WORKER_PRIVATE_H

#include "alerts.h"
#include "history.h"
#include "recent-frames.h"
#include "segment.h"
#include "summary.h"

G_BEGIN_DECLS

struct _Worker
{
  const Backend *backend;
  WorkerCallbacks callbacks;
  gpointer user_data;
  GThread *thread;

  MinivlEngineOptions options;
  gchar *stream;
  guint n_frames, max_tiles, max_backlog;
  gsize max_bytes;

  /* the worker's thread alone */
  gchar *model, *model_hash, *precision, *device; /* stay when the device is lost */
  guint context_size;
  gint told_priority;       /* to what is open */
  gboolean encoded;         /* a picture, since start */
  MinivlImage last_checked; /* of it, the geometry */
  guint frame_tokens;       /* of a frame with that geometry */
  GString *text;            /* of the answer in hand */
  History history;
  Alerts alerts;
  Summary *summary;
  Journal *journal;        /* (nullable) (transfer none): to be recalled */
  Question summing;        /* of the last segment: how reports are summed up */
  guint64 summing_running; /* running time of its stop */
  gboolean reduce_failed;  /* which has been told */
  Segment *described;      /* the last one that was, while segments are held against it */

  GMutex lock; /* never held over a call of the back end, cancel apart */
  GCond changed;
  GQueue segments;     /* Segment, oldest first */
  GQueue questions;    /* Segment, of what is asked apart from segments, in order */
  gboolean questioned; /* it was one of those that was asked last */
  Recent recent;
  guint64 last_frame;       /* stream time, of the last one that passed */
  guint64 now, now_running; /* its end */
  gint64 now_utc;           /* negative: not known */
  guint64 number;           /* of the last segment opened */
  Segment *in_hand;         /* being asked; not in `segments` any more */
  gboolean finishing;       /* from there until its result is out */
  gpointer self;            /* of the back end, while open */
  gint cancel; /* atomic: what the back end looks at; reset by the thread when it runs nothing that is to be cancelled */
  gint quit;   /* atomic, for the progress of opening */
  gboolean flushing, failed, opening;
  gboolean ending; /* what has been reported is to be summed up when nothing else is left */
  guint run;       /* of the segments to come */
  gboolean lost;   /* the device, and what was open on it */
  WorkerLeak leak;
  gint priority;
  guint64 device_bytes;
  guint64 n_answered, n_dropped;
  guint64 last_id; /* of a result, in all the worker's life */
};

/* The thread, from worker_start() until it is to quit or has failed. data: the Worker. */
gpointer worker_run (gpointer data);
/* Without an answer. (transfer full) */
Result *worker_make_result (Worker *w, const Segment *s);
/* A piece of the answer in hand, w->text so far. data: the Worker. */
void worker_on_text (const gchar *piece, gpointer data);
/* All but its text. */
void worker_add_answer (Result *result, const BackendAnswer *answer);

/* --- worker-alerts.c: yes/no questions about a segment, without the lock but where it says so ----------------------------------
 */

/* Behind the segment's own question, whose answer is there. */
void alerts_put (Worker *w, const Segment *s, const BackendQuestion *asked);
/* The segment is over; described: its result, which gets the time they took. Returns a Result for each question that rises or
 * falls by it. Holds the lock. (transfer full) */
GPtrArray *alerts_settle (Worker *w, const Segment *s, Result *described);
/* With their pictures, if they are wanted: those are there first. */
void alerts_tell (Worker *w, const Segment *s, GPtrArray *alerts);

/* --- worker-summary.c: what the thread does with reports, without the lock but where it says so ------------------------------- */

/* Before the first picture: whether reports could be summed up. */
gboolean summaries_fit (Worker *w, const Question *question, GError **error);
/* A result of the segment has been told. */
void summaries_note (Worker *w, const Segment *s, const Result *result);
/* All of its results have been. */
void summaries_settle (Worker *w, const Segment *s);
/* The stream is over, and nothing else is left. Holds the lock. */
void summaries_end (Worker *w);
/* The answer to a segment of kind RESULT_SUMMARY. */
void summaries_answer (Worker *w, const Segment *s, Result *result, GError **error);

G_END_DECLS

#endif

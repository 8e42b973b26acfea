/* The worker's insides: worker.c is its side towards the element, worker-thread.c what its thread does. */
#ifndef GST_MINIVL_WORKER_PRIVATE_H
#define GST_MINIVL_WORKER_PRIVATE_H

#include "alerts.h"
#include "history.h"
#include "recent-frames.h"
#include "summary.h"
#include "worker.h"

G_BEGIN_DECLS

struct _Worker
{
  const Backend *own;
  const Backend *backend; /* from start to stop */
  WorkerCallbacks callbacks;
  gpointer user_data;
  GThread *thread;

  BackendOptions options;
  gchar *stream;
  guint n_frames, max_tiles, max_backlog;
  gsize max_bytes;

  /* the worker's thread alone */
  gchar *model, *model_hash, *precision, *device, *tokenizer, *system_source; /* kept when the device is lost */
  guint context_size, max_context_size;
  gint told_priority;           /* the priority that the back end was given */
  gboolean encoded;             /* a picture, since start */
  MinivlImage last_checked;     /* geometry of the last picture that was checked */
  guint frame_tokens;           /* tokens of a frame with that geometry */
  GString *text;                /* of the answer in hand */
  const BackendQuestion *asked; /* of the segment in hand, while it is being answered */
  History history;
  Alerts alerts;
  Summary *summary;
  Journal *journal;        /* (nullable) (transfer none) */
  GPtrArray *earlier;      /* Result: reports of earlier runs, for the first one of this run */
  GError *stage_error;     /* why the summary that is due cannot be made; NULL: nothing is known against it */
  SegmentSettings summing; /* of the last segment: how reports are summed up */
  guint64 summing_running; /* running time of its stop */
  gboolean reduce_failed;  /* and the user was warned */
  Segment *described;      /* the last one that was answered, while later ones are compared with it */

  GMutex lock; /* never held over a call of the back end, cancel apart */
  GCond changed;
  GQueue segments;     /* Segment, oldest first */
  GQueue questions;    /* Segment, the application's questions, in order */
  gboolean questioned; /* the last answer was to one of these */
  GQueue summaries;    /* Segment: the summary that is due, if any */
  gboolean too_many;   /* reports may no longer fit one prompt */
  gboolean staged;     /* a stage of a summary was asked since the last segment */
  Recent recent;
  guint64 now, now_running; /* its end */
  gint64 now_utc;           /* negative: not known */
  guint64 number;           /* of the last segment opened */
  Segment *in_hand;         /* being answered; no longer in `segments` */
  gboolean finishing;       /* from there until its result is out */
  gpointer self;            /* of the back end, while open */
  gint cancel;              /* atomic, read by the back end; the thread resets it when it runs nothing that should be cancelled */
  gint stirred;             /* atomic, read by the back end: there is more to do than to prepare */
  gint quit;                /* atomic, for the progress of opening */
  gboolean flushing, failed, opening;
  gboolean closing; /* nobody waits for room */
  gboolean gave_up; /* what the end of the stream waited for: nothing new is begun until it goes on */
  gboolean ending;  /* the reports are to be summed up when nothing else is left */
  guint run;        /* of the segments to come */
  gboolean lost;    /* the device, and what was open on it */
  WorkerLeak leak;
  gint priority;
  guint64 device_bytes;
  guint64 n_answered, n_dropped;
  guint64 last_id;      /* of a result; never reset */
  gboolean looked_back; /* the ids that the journal has are known */
};

/* Holds the lock. Waits until new ids are none of the journal's, unless there is a flush or an end. */
void worker_await_ids (Worker *w);
/* Holds the lock. Wakes the thread up to look for what it has to do, also if it prepares. */
void worker_stir (Worker *w);
/* The thread, from worker_start() until it is to quit or has failed. data: the Worker. */
gpointer worker_run (gpointer data);

G_END_DECLS

#endif

/* The worker's insides: worker.c is its side towards the element, worker-thread.c what its thread does. */
#ifndef GST_MINIVL_WORKER_PRIVATE_H
#define GST_MINIVL_WORKER_PRIVATE_H

#include "segment.h"

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
  gboolean encoded;         /* a picture, since start */
  MinivlImage last_checked; /* of it, the geometry */
  GString *text;            /* of the answer in hand */

  GMutex lock; /* never held over a call of the back end, cancel apart */
  GCond changed;
  GQueue segments;    /* Segment, oldest first */
  Segment *in_hand;   /* being asked; not in `segments` any more */
  gboolean finishing; /* from there until its result is out */
  gpointer self;      /* of the back end, while open */
  gint cancel;        /* atomic: what the back end looks at; reset by the thread when it runs nothing that is to be cancelled */
  gint quit;          /* atomic, for the progress of opening */
  gboolean flushing, failed, opening;
  gboolean lost; /* the device, and what was open on it */
  WorkerLeak leak;
  guint64 device_bytes;
  guint64 n_answered, n_dropped;
};

/* The thread, from worker_start() until it is to quit or has failed. data: the Worker. */
gpointer worker_run (gpointer data);

G_END_DECLS

#endif

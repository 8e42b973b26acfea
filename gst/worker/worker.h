/*
 * A segment's way from frames to result, in a thread of its own.
 *
 * The thread opens the back end, encodes frames as they come, asks when a segment is complete, and hands out results in the order
 * of the segments. The streaming thread opens segments, adds frames and closes segments; it never waits for the back end, except
 * for room where segments may not be dropped. Every segment that was opened and closed gives exactly one result, unless the worker
 * is stopped or has failed before it was answered or given up.
 *
 * A device that is lost while the worker runs costs the segment in hand; the back end is closed and opened again until that works.
 */
#ifndef GST_MINIVL_WORKER_H
#define GST_MINIVL_WORKER_H

#include "gst/results/journal.h"
#include "segment.h"

G_BEGIN_DECLS

typedef struct _Worker Worker;

/* What happens when a segment is complete and max_backlog segments already wait. */
typedef enum
{
  WORKER_WAITS,        /* the streaming thread waits */
  WORKER_DROPS_NEWEST, /* the new one is dropped */
  WORKER_DROPS_OLDEST, /* the oldest one that waits is dropped */
} WorkerLeak;

typedef enum
{
  WORKER_DRAINED,
  WORKER_TIMED_OUT, /* what was left has been given up */
  WORKER_INTERRUPTED,
} WorkerDrain;

/* Fixed from start to stop; strings are copied. */
typedef struct
{
  const Backend *backend; /* NULL: the worker's own */
  BackendOptions options; /* without the progress */
  const gchar *stream;    /* a name for results */
  guint frames;           /* in a segment */
  guint max_tiles;
  guint max_backlog; /* complete segments that may wait, at least 1 */
  gsize max_bytes;   /* of pixels that wait to be encoded; the video waits for room where segments may not be dropped */
  Journal *journal;  /* (nullable): borrowed until stop; results and ids of earlier runs */
} WorkerConfig;

/* Called from the worker's thread, apart from `dropped`, with no lock held. */
typedef struct
{
  /* Of the first opening. */
  void (*progress) (double fraction, gpointer user_data);
  /* Once after each start, unless it is stopped first. error: why the back end could not be opened; the worker has then failed. */
  void (*opened) (const GError *error, gpointer user_data);
  /* Before the first picture: frames, prompt and answer do not fit the context. The worker has then failed. */
  void (*refused) (const GError *error, gpointer user_data);
  /* The back end is open again, after so many tries. */
  void (*reopened) (guint tries, gpointer user_data);
  /* Something does not work that the user can mend: what it is, with the property's name. */
  void (*trouble) (const gchar *text, gpointer user_data);
  /* result: borrowed. error: for finish_reason "error", what went wrong. */
  void (*result) (Result *result, const GError *error, gpointer user_data);
  /* The text so far of the answer that is being made. kind: of the result that will follow. */
  void (*partial) (const gchar *kind, guint64 id, guint64 start, guint64 stop, const gchar *text, gpointer user_data);
  /* From the streaming thread: segments were dropped; their results still come, in their turn. */
  void (*dropped) (guint64 answered, guint64 dropped, guint64 running_time, gpointer user_data);
  /* The pixels of a frame did not arrive; it is left out. */
  void (*unread) (const GError *error, gpointer user_data);
} WorkerCallbacks;

/* backend: its own, unless a start brings another. */
Worker *worker_new (const Backend *backend, const WorkerCallbacks *callbacks, gpointer user_data);
/* Only after worker_stop(). */
void worker_free (Worker *w);

/* Not live, and segments may not be dropped, until worker_set_live(). */
void worker_start (Worker *w, const WorkerConfig *config);
/* Cancels what is going on and releases everyone who waits; does not wait itself. */
void worker_interrupt (Worker *w);
/* As worker_interrupt(), and waits for the thread. Returns whether it was still opening the back end. */
gboolean worker_stop (Worker *w);

/* The back end could not be opened, or the settings do not fit it: nothing will be answered. */
gboolean worker_has_failed (Worker *w);
/* On a shared device, live streams are answered before others. */
void worker_set_live (Worker *w, gboolean live, WorkerLeak leak);
/* Number of complete segments that wait for their answer. */
guint worker_count_waiting (Worker *w);
/* Whether a complete segment waits for its answer, or is being answered. */
gboolean worker_is_answering (Worker *w);
/* 0 while nothing is open */
guint64 worker_get_device_bytes (Worker *w);

/* --- from the streaming thread ----------------------------------------------------------------------------------------------- */

/* utc: of the start, ns since 1970; negative: not known. Returns its id; 0 when there will be no result: flushing, failed or
 * stopped. */
guint64 worker_open_segment (Worker *w, guint64 number, guint64 start, gint64 utc, const SegmentSettings *settings);
/* times: places of the segment that the frame takes. Regions of one frame are added one after another. frame (nullable): NULL is a
 * frame that shows nothing; if all are NULL, nothing is asked. Takes a reference. */
void worker_add_frame (Worker *w, guint64 id, Frame *frame, guint times);
/* The whole picture that the next frames are parts of; call it before them. NULL: it could not be read. Takes a reference if an
 * alert may show it. */
void worker_add_picture (Worker *w, guint64 id, Frame *picture, guint times);
/* Replaces the prompt that the segment was opened with. UTF-8. */
void worker_set_prompt (Worker *w, guint64 id, const gchar *prompt);
/* Waits for room where segments may not be dropped. */
void worker_close_segment (Worker *w, guint64 id, guint64 stop, guint64 running_time);
/* The stream does not continue: segments to come are not told of earlier ones, nor compared with them. */
void worker_forget (Worker *w);
/* A frame passes that ends at `now`; running_time and utc (as above) are of its end. */
void worker_pass (Worker *w, guint64 now, guint64 running_time, gint64 utc);
/* Where segments may not be dropped: waits until there is room for more pixels. Does not wait while the device is lost. */
void worker_wait_for_room (Worker *w);
/* No frame comes until worker_drain() returns: the segments that are closed until then need no room for others, and do not wait. */
void worker_close (Worker *w);
/* The stream is over: after the last segment, the reports are summed up. */
void worker_end (Worker *w);
/* Waits until all results are out. timeout: ns, after which the answer in hand ends with the text so far, and what waits is
 * dropped; GST_CLOCK_TIME_NONE: none. */
WorkerDrain worker_drain (Worker *w, guint64 timeout);

/* --- from any thread --------------------------------------------------------------------------------------------------------- */

/* Asks about frames of the last `duration` ns, up to as many as a segment has: those of segments that are still held, encoded or
 * about to be, and at least the last one. It is answered between segments. Every question gives exactly one result: with
 * finish_reason "flush" when a flush or the end of the worker comes first. Returns the result's id; 0 when it cannot be asked, and
 * why (static). */
guint64 worker_ask (Worker *w, const SegmentSettings *settings, guint64 duration, const gchar **why);

/* All segments so far end with finish_reason "flush", the one that is being answered at its next token. Until
 * worker_flush_stop() nobody waits. A segment that is open gives its result when it is closed. */
void worker_flush_start (Worker *w);
void worker_flush_stop (Worker *w);

G_END_DECLS

#endif

/*
 * A segment's way from frames to result, in a thread of its own.
 *
 * The thread opens the back end, encodes frames as they come, asks when a segment is complete, and hands out results in the order
 * of the segments. The streaming thread opens segments, adds frames and closes segments; it never waits for the back end, except
 * for room when the source is not live. Every segment that was opened and closed gives exactly one result, unless the worker is
 * stopped or the back end could not be opened.
 */
#ifndef GST_MINIVL_WORKER_H
#define GST_MINIVL_WORKER_H

#include "frame.h"
#include "result.h"

G_BEGIN_DECLS

typedef struct _Worker Worker;

/* What is asked of a segment; copied when the segment is opened. */
typedef struct
{
  gchar *prompt; /* with placeholders */
  gchar *system; /* NULL: the checkpoint's own */
  MinivlParams params;
} Question;

void question_copy (Question *to, const Question *from);
void question_clear (Question *question);

/* Fixed from start to stop; strings are copied. */
typedef struct
{
  MinivlEngineOptions options; /* without the progress */
  const gchar *stream;         /* a name for results */
  guint max_tiles;
  guint max_backlog; /* complete segments that may wait, at least 1 */
  gsize max_bytes;   /* of pixels that wait to be encoded; not kept to when live */
} WorkerConfig;

/* Called from the worker's thread, apart from `dropped`, with no lock held. */
typedef struct
{
  void (*progress) (double fraction, gpointer user_data);
  /* Once after each start, not when stopped before. error: why the back end could not be opened; the worker has then failed. */
  void (*opened) (const GError *error, gpointer user_data);
  /* result: borrowed. error: for finish_reason "error", what went wrong. */
  void (*result) (Result *result, const GError *error, gpointer user_data);
  /* From the streaming thread: a segment will not be answered; its result follows in its turn. */
  void (*dropped) (guint64 answered, guint64 dropped, guint64 running_time, gpointer user_data);
} WorkerCallbacks;

Worker *worker_new (const Backend *backend, const WorkerCallbacks *callbacks, gpointer user_data);
/* The worker is stopped. */
void worker_free (Worker *w);

void worker_start (Worker *w, const WorkerConfig *config);
/* Cancels whatever is going on and lets all waiters go; does not wait. */
void worker_interrupt (Worker *w);
/* As worker_interrupt(), and waits for the thread. Returns whether it was still opening the back end. */
gboolean worker_stop (Worker *w);

/* The back end could not be opened: nothing will be answered. */
gboolean worker_has_failed (Worker *w);
/* Live: the oldest segment that waits is dropped when there is no room, instead of waiting for room. */
void worker_set_live (Worker *w, gboolean live);

/* --- from the streaming thread ----------------------------------------------------------------------------------------------- */

void worker_open_segment (Worker *w, guint64 id, guint64 number, guint64 start, const Question *question);
/* times: places of the segment that the frame takes; 0: only if the segment ends without any other. A reference is taken. */
void worker_add_frame (Worker *w, guint64 id, Frame *frame, guint times);
/* Not live: waits for room. */
void worker_close_segment (Worker *w, guint64 id, guint64 stop, guint64 running_time);
/* Waits until pixels may be added. Live: does not wait. */
void worker_wait_for_room (Worker *w);
/* Waits until all results are out. FALSE when interrupted or flushed. */
gboolean worker_drain (Worker *w);

/* --- from any thread --------------------------------------------------------------------------------------------------------- */

/* All segments so far end with finish_reason "flush", the one in hand at its next token; waiters go. Until worker_flush_stop()
 * nothing waits. A segment that is open gives its result when it is closed. */
void worker_flush_start (Worker *w);
void worker_flush_stop (Worker *w);

G_END_DECLS

#endif

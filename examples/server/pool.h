/*
 * The requests that are being answered, each by a thread of its own, so that the engine computes them as one batch; and those that
 * wait. All functions are the main loop's, and so is what they call.
 */
#ifndef SERVER_POOL_H
#define SERVER_POOL_H

#include "metrics.h"
#include "settings.h"

typedef struct _Pool Pool;
typedef struct _Job Job;

/* A piece of what is to be sent. */
typedef struct
{
  guint status;   /* of the first piece */
  gboolean event; /* a stream's; else it is JSON, and all there is */
  gchar *text;    /* nullable */
  gboolean last;
} Piece;

typedef void (*PoolSend) (gpointer user_data, const Piece *piece);

/* settings, metrics: borrowed. */
Pool *pool_new (const Settings *settings, Metrics *metrics);
/* Cancels what there is, and waits for it. Nothing is sent any more. */
void pool_free (Pool *pool);

/* A reference is taken. Before, nothing may be submitted. */
void pool_set_engine (Pool *pool, MinivlEngine *engine);
MinivlEngine *pool_get_engine (const Pool *pool);
/* The device was lost while answering: the engine is of no use any more. */
gboolean pool_is_lost (const Pool *pool);
/* Ends all there is, with status 503. Nothing may be submitted any more. */
void pool_end (Pool *pool);
gboolean pool_is_ending (const Pool *pool);

gboolean pool_is_full (const Pool *pool);
guint pool_count_waiting (const Pool *pool);
guint pool_count_running (const Pool *pool);

/* body: of POST /v1/chat/completions. Calls send until the last piece. NULL: the queue is full. (transfer full) */
Job *pool_submit (Pool *pool, GBytes *body, PoolSend send, gpointer user_data);

typedef enum
{
  JOB_NOT_ENDED,
  JOB_UNWANTED, /* 499 */
  JOB_LATE,     /* as if its answer were long enough where there is one, else 504 */
  JOB_STOPPED,  /* 503 */
} JobEnd;

/* Ends it, if it was not before. What has not begun ends at once. */
void job_cancel (Job *job, JobEnd why);
/* Gives the job back; it sends nothing any more, and is cancelled. */
void job_free (Job *job);

#endif

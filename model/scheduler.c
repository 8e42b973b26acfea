#include "scheduler.h"

#include <sys/resource.h>

#include "vk/memory.h"

struct _Scheduler
{
  GThread *thread;
  GAsyncQueue *jobs; /* Job; one without func ends the thread */
};

typedef struct
{
  SchedulerFunc func;
  gpointer data;
  GError *error;
  gboolean ok, done;
  GMutex lock;
  GCond cond;
} Job;

static gpointer
run (gpointer data)
{
  Scheduler *s = data;

  /* Of this thread alone, and of those the driver makes from it: on a CPU device they share the video's cores. */
  setpriority (PRIO_PROCESS, 0, 10);

  for (;;) {
    Job *job = g_async_queue_pop (s->jobs);
    gboolean last = !job->func;

    job->ok = last || job->func (job->data, &job->error);
    g_mutex_lock (&job->lock);
    job->done = TRUE;
    g_cond_signal (&job->cond);
    g_mutex_unlock (&job->lock);
    if (last)
      return NULL;
  }
}

static void
hand_in (Scheduler *s, Job *job)
{
  g_mutex_init (&job->lock);
  g_cond_init (&job->cond);
  g_async_queue_push (s->jobs, job);
  g_mutex_lock (&job->lock);
  while (!job->done)
    g_cond_wait (&job->cond, &job->lock);
  g_mutex_unlock (&job->lock);
  g_mutex_clear (&job->lock);
  g_cond_clear (&job->cond);
}

Scheduler *
scheduler_new (void)
{
  Scheduler *s = g_new0 (Scheduler, 1);

  s->jobs = g_async_queue_new ();
  s->thread = g_thread_new ("minivl-device", run, s);
  return s;
}

void
scheduler_free (Scheduler *s)
{
  Job end = { 0 };

  if (!s)
    return;
  hand_in (s, &end);
  g_thread_join (s->thread);
  g_async_queue_unref (s->jobs);
  g_free (s);
}

static MinivlError
public_code (gint device_code)
{
  switch (device_code) {
    case DEVICE_ERROR_MEMORY:
      return MINIVL_ERROR_MEMORY;
    case DEVICE_ERROR_CANCELLED:
      return MINIVL_ERROR_CANCELLED;
    default:
      return MINIVL_ERROR_DEVICE;
  }
}

gboolean
scheduler_run (Scheduler *s, SchedulerFunc func, gpointer data, GError **error)
{
  Job job = { .func = func, .data = data };

  g_return_val_if_fail (func && g_thread_self () != s->thread, FALSE);
  hand_in (s, &job);
  if (!job.ok && job.error->domain == DEVICE_ERROR) {
    g_set_error_literal (error, MINIVL_ERROR, public_code (job.error->code), job.error->message);
    g_error_free (job.error);
  } else if (!job.ok) {
    g_propagate_error (error, job.error);
  }
  return job.ok;
}

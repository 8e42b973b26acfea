#define _GNU_SOURCE /* SCHED_BATCH */
#include "scheduler.h"

#include <sched.h>
#include <sys/resource.h>

#include "answering.h"
#include "device-error.h"
#include "model_testing.h"

typedef struct
{
  SchedulerFunc func;
  gpointer data;
  GError *error;
  gboolean ok, done;
} Job;

struct _Scheduler
{
  GThread *thread;

  GMutex lock;
  GCond work; /* something was handed in */
  GCond job_done;
  GQueue jobs, pictures, questions; /* Job, PictureRequest, Request: handed in, and not taken up yet */
  guint taken_up;                   /* pictures and questions that the thread has, as of the last turn's start */
  gboolean ending;

  /* Touched by the scheduler's thread alone. */
  Encoding encoding;
  Admission admission;
  Answering answering;
};

/* --- the thread ------------------------------------------------------------------------------------------------------------ */

static guint
count_taken_up (const Scheduler *s)
{
  return s->encoding.pictures.length + s->admission.requests.length;
}

/* Takes up what was handed in, once there is anything to be done. FALSE: the scheduler ends. */
static gboolean
wait_for_work (Scheduler *s)
{
  gboolean ending;

  g_mutex_lock (&s->lock);
  s->taken_up = count_taken_up (s);
  while (!s->ending && s->jobs.length + s->pictures.length + s->questions.length + count_taken_up (s) == 0)
    g_cond_wait (&s->work, &s->lock);
  ending = s->ending;
  g_mutex_unlock (&s->lock);
  return !ending;
}

static void
take_up (Scheduler *s)
{
  gpointer item;

  g_mutex_lock (&s->lock);
  while ((item = g_queue_pop_head (&s->pictures)))
    encoding_add (&s->encoding, item);
  while ((item = g_queue_pop_head (&s->questions)))
    admission_add (&s->admission, item);
  s->taken_up = count_taken_up (s);
  g_mutex_unlock (&s->lock);
}

/* Also between two submits. */
static void
end_unwanted (gpointer data)
{
  Scheduler *s = data;

  take_up (s);
  admission_end_unwanted (&s->admission);
  encoding_end_unwanted (&s->encoding);
  s->admission.pictures = s->encoding.pictures.length > 0;
}

static void
run_jobs (Scheduler *s)
{
  Job *job;

  for (;;) {
    g_mutex_lock (&s->lock);
    job = g_queue_pop_head (&s->jobs);
    g_mutex_unlock (&s->lock);
    if (!job)
      return;
    job->ok = job->func (job->data, &job->error);
    g_mutex_lock (&s->lock);
    job->done = TRUE;
    g_cond_broadcast (&s->job_done);
    g_mutex_unlock (&s->lock);
  }
}

static gpointer
run (gpointer data)
{
  Scheduler *s = data;

  /* Of this thread alone, and of those the driver makes from it: on a CPU device they share the video's cores. As a batch they do
   * not put a streaming thread aside either when they wake up. */
  setpriority (PRIO_PROCESS, 0, 10);
  sched_setscheduler (0, SCHED_BATCH, &(struct sched_param){ 0 });

  while (wait_for_work (s)) {
    run_jobs (s);
    end_unwanted (s);
    admission_let_in (&s->admission);
    encoding_run (&s->encoding);
    answering_prefill (&s->answering);
    answering_decode (&s->answering);
  }
  return NULL;
}

Scheduler *
scheduler_new (void)
{
  Scheduler *s = g_new0 (Scheduler, 1);

  g_mutex_init (&s->lock);
  g_cond_init (&s->work);
  g_cond_init (&s->job_done);
  s->encoding.look_around = s->answering.look_around = end_unwanted;
  s->encoding.data = s->answering.data = s;
  s->answering.admission = &s->admission;
  s->thread = g_thread_new ("minivl-device", run, s);
  return s;
}

void
scheduler_free (Scheduler *s)
{
  if (!s)
    return;
  g_mutex_lock (&s->lock);
  s->ending = TRUE;
  g_cond_signal (&s->work);
  g_mutex_unlock (&s->lock);
  g_thread_join (s->thread);
  g_assert (s->jobs.length + s->pictures.length + s->questions.length + count_taken_up (s) == 0);
  g_mutex_clear (&s->lock);
  g_cond_clear (&s->work);
  g_cond_clear (&s->job_done);
  g_free (s);
}

void
scheduler_set_model (Scheduler *s, Vision *vision, KvPool *kv, Language *language)
{
  g_assert (g_thread_self () == s->thread);
  s->encoding.vision = vision;
  s->admission.kv = kv;
  s->admission.language = s->answering.language = language;
  s->answering.draft_rows = language_equal_rows (language);
}

/* --- for other threads ----------------------------------------------------------------------------------------------------- */

static void
hand_in (Scheduler *s, GQueue *queue, gpointer item)
{
  g_assert (g_thread_self () != s->thread);
  g_mutex_lock (&s->lock);
  g_queue_push_tail (queue, item);
  g_cond_signal (&s->work);
  g_mutex_unlock (&s->lock);
}

gboolean
scheduler_run (Scheduler *s, SchedulerFunc func, gpointer data, GError **error)
{
  Job job = { .func = func, .data = data };

  hand_in (s, &s->jobs, &job);
  g_mutex_lock (&s->lock);
  while (!job.done)
    g_cond_wait (&s->job_done, &s->lock);
  g_mutex_unlock (&s->lock);
  if (!job.ok)
    device_error_propagate (error, job.error);
  return job.ok;
}

void
scheduler_encode (Scheduler *s, PictureRequest *p)
{
  hand_in (s, &s->pictures, picture_request_ref (p));
}

void
scheduler_ask (Scheduler *s, Request *r)
{
  hand_in (s, &s->questions, request_ref (r));
}

void
scheduler_get_work (Scheduler *s, MinivlWork *work)
{
  work->steps = (gsize)g_atomic_pointer_get (&s->answering.steps);
  work->step_answers = (gsize)g_atomic_pointer_get (&s->answering.step_answers);
}

guint
scheduler_waiting (Scheduler *s)
{
  guint n;

  g_mutex_lock (&s->lock);
  n = s->pictures.length + s->questions.length + s->taken_up;
  g_mutex_unlock (&s->lock);
  return n;
}

typedef struct
{
  Scheduler *scheduler;
  guint rows;
} DraftRows;

static gboolean
set_draft_rows (gpointer data, GError **error)
{
  const DraftRows *d = data;

  d->scheduler->answering.draft_rows = d->rows;
  return TRUE;
}

void
scheduler_set_draft_rows (Scheduler *s, guint rows)
{
  DraftRows d = { s, rows };

  scheduler_run (s, set_draft_rows, &d, NULL);
}

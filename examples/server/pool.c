/* Requests that wait and are answered: see pool.h. */
#include "pool.h"

#include "converse.h"
#include "reply.h"

#include <string.h>

typedef enum
{
  JOB_WAITING,
  JOB_RUNNING,
  JOB_DONE,
} JobState;

struct _Pool
{
  const Settings *settings;
  Metrics *metrics;
  Album *album;
  MinivlEngine *engine;
  GThreadPool *threads;
  GHashTable *jobs;          /* Job, not referenced: those that are not done */
  gint n_waiting, n_running; /* atomic, as the next */
  gint lost;
  gboolean ending;
};

/* The main loop holds a reference until job_free(), the thread one until it is done, each piece under way another. */
struct _Job
{
  gint ref_count;
  Pool *pool;
  GBytes *body;
  GCancellable *cancellable;
  gint state; /* atomic, as the next two */
  gint cancel;
  gint why;      /* JobEnd */
  PoolSend send; /* NULL: nobody waits; the main loop's, as the next */
  gpointer user_data;
};

static void
job_unref (Job *job)
{
  if (!g_atomic_int_dec_and_test (&job->ref_count))
    return;
  g_clear_pointer (&job->body, g_bytes_unref);
  g_object_unref (job->cancellable);
  g_free (job);
}

static Job *
job_ref (Job *job)
{
  g_atomic_int_inc (&job->ref_count);
  return job;
}

/* --- sending --------------------------------------------------------------------------------------------------------------- */

typedef struct
{
  Job *job;
  Piece piece;
} Parcel;

static void
parcel_free (gpointer data)
{
  Parcel *p = data;

  job_unref (p->job);
  g_free (p->piece.text);
  g_free (p);
}

/* In the main loop */
static gboolean
deliver (gpointer data)
{
  const Parcel *p = data;
  PoolSend send = p->job->send;

  if (p->piece.last)
    p->job->send = NULL;
  if (send)
    send (p->job->user_data, &p->piece);
  return G_SOURCE_REMOVE;
}

/* text: taken. From any thread; pieces arrive in their order. Whoever has the last one finds the job counted as done. */
static void
job_send (Job *job, guint status, gboolean event, gchar *text, gboolean last)
{
  Parcel *p = g_new (Parcel, 1);
  g_autoptr (GSource) source = g_idle_source_new ();

  if (last && g_atomic_int_compare_and_exchange (&job->state, JOB_RUNNING, JOB_DONE))
    g_atomic_int_add (&job->pool->n_running, -1);
  *p = (Parcel){ job_ref (job), { status, event, text, last } };
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, deliver, p, parcel_free);
  g_source_attach (source, NULL);
}

/* Of one that was cancelled. */
static void
refuse_end (const Job *job, Refusal *refusal)
{
  switch (g_atomic_int_get (&job->why)) {
    case JOB_LATE:
      refuse (refusal, 504, "timeout", NULL, "the request took longer than %u s", job->pool->settings->request_seconds);
      break;
    case JOB_STOPPED:
      refuse (refusal, 503, "shutting_down", NULL, "the server is being stopped");
      break;
    default:
      refuse (refusal, 499, "cancelled", NULL, "cancelled");
  }
}

/* --- one request, in its thread -------------------------------------------------------------------------------------------- */

typedef struct
{
  Job *job;
  Ask *ask;
  Reply reply;
  gboolean begun;  /* the stream's first event is under way */
  GString *held;   /* white space, which is not sent at the answer's ends */
  gboolean spoken; /* there was something else */
  guint n_tokens;  /* whose probabilities are sent */
} Talk;

static void
talk_clear (Talk *t)
{
  ask_free (t->ask);
  reply_clear (&t->reply);
  if (t->held)
    g_string_free (t->held, TRUE);
}

static void
begin_stream (Talk *t)
{
  if (!t->begun)
    job_send (t->job, 200, TRUE, reply_begin (&t->reply), FALSE);
  t->begun = TRUE;
}

/* text: with the tokens since the last one */
static void
send_piece (Talk *t, MinivlSession *session, const gchar *text)
{
  g_auto (MinivlAnswer) tokens = { NULL };

  if (t->ask->logprobs)
    minivl_session_get_tokens (session, t->n_tokens, &tokens);
  t->n_tokens += tokens.output_tokens;
  job_send (t->job, 200, TRUE, reply_text (&t->reply, text, &tokens), FALSE);
}

/* A ConverseText: what is sent is the answer's text, which has no white space at its ends. */
static void
send_text (MinivlSession *session, const gchar *text, gpointer user_data)
{
  Talk *t = user_data;
  g_autofree gchar *rest = NULL;
  gsize n;

  begin_stream (t);
  while (!t->spoken && g_ascii_isspace (*text))
    text++;
  g_string_append (t->held, text);
  for (n = t->held->len; n > 0 && g_ascii_isspace (t->held->str[n - 1]);)
    n--;
  if (n == 0)
    return;
  t->spoken = TRUE;
  rest = g_strdup (t->held->str + n);
  g_string_truncate (t->held, n);
  send_piece (t, session, t->held->str);
  g_string_assign (t->held, rest);
}

static void
send_refusal (Talk *t, Refusal *refusal)
{
  g_autofree gchar *json = NULL;

  if (refusal->status == 499)
    refuse_end (t->job, refusal);
  if (g_strcmp0 (refusal->code, "device_lost") == 0)
    g_atomic_int_set (&t->job->pool->lost, TRUE);
  json = refusal_to_json (refusal);
  if (t->begun)
    job_send (t->job, 200, TRUE, reply_error (json), TRUE);
  else
    job_send (t->job, refusal->status, FALSE, g_steal_pointer (&json), TRUE);
}

static void
send_answer (Talk *t, const MinivlAnswer *answer)
{
  if (!t->ask->stream) {
    job_send (t->job, 200, FALSE, reply_completion (&t->reply, answer), TRUE);
    return;
  }
  begin_stream (t);
  job_send (t->job, 200, TRUE, reply_finish (&t->reply, answer, t->n_tokens), FALSE);
  if (t->ask->include_usage)
    job_send (t->job, 200, TRUE, reply_usage (&t->reply, answer), FALSE);
  job_send (t->job, 200, TRUE, g_strdup (REPLY_DONE), TRUE);
}

/* FALSE: refused */
static gboolean
read_body (Talk *t, Refusal *refusal)
{
  const Settings *s = t->job->pool->settings;
  gsize size;
  const gchar *data = g_bytes_get_data (t->job->body, &size);
  g_autofree gchar *text = g_strndup (data ? data : "", size);

  g_clear_pointer (&t->job->body, g_bytes_unref);
  t->ask = ask_parse (text, size, s->most_pictures, refusal);
  if (!t->ask)
    return FALSE;
  if (t->ask->model && !g_str_equal (t->ask->model, s->model_name))
    return refuse (refusal, 404, "model_not_found", "model", "there is no model %s, but %s", t->ask->model, s->model_name);
  return TRUE;
}

/* An answer that was cancelled because it took too long is one, as far as it came; but not of a shape, which it does not have. */
static gboolean
check_end (const Talk *t, const MinivlAnswer *answer, Refusal *refusal)
{
  return answer->finish != MINIVL_FINISH_CANCELLED
         || (g_atomic_int_get (&t->job->why) == JOB_LATE && answer->output_tokens > 0 && !ask_shape_param (t->ask))
         || refuse (refusal, 499, "cancelled", NULL, "cancelled");
}

static void
answer_job (Job *job)
{
  Pool *pool = job->pool;
  const Conversing c = { pool->engine, pool->settings, pool->metrics, pool->album, job->cancellable, &job->cancel };
  Talk t = { .job = job, .held = g_string_new (NULL) };
  g_auto (MinivlAnswer) answer = { NULL };
  g_auto (Refusal) refusal = { 0 };

  if (read_body (&t, &refusal)) {
    reply_init (&t.reply, pool->engine, pool->settings->model_name, t.ask);
    if (converse (&c, t.ask, t.ask->stream ? send_text : NULL, &t, &answer, &refusal))
      check_end (&t, &answer, &refusal);
  }
  if (refusal.status != 0)
    send_refusal (&t, &refusal);
  else
    send_answer (&t, &answer);
  talk_clear (&t);
}

/* In a thread. One that was cancelled while it waited has been answered. */
static void
run_job (gpointer data, gpointer user_data)
{
  Job *job = data;
  Pool *pool = user_data;

  if (g_atomic_int_compare_and_exchange (&job->state, JOB_WAITING, JOB_RUNNING)) {
    g_atomic_int_add (&pool->n_waiting, -1);
    g_atomic_int_inc (&pool->n_running);
    answer_job (job);
  }
  job_unref (job);
}

/* --- the main loop's ------------------------------------------------------------------------------------------------------- */

Pool *
pool_new (const Settings *settings, Metrics *metrics)
{
  Pool *pool = g_new0 (Pool, 1);

  *pool = (Pool){ .settings = settings, .metrics = metrics, .album = album_new () };
  pool->jobs = g_hash_table_new (NULL, NULL);
  pool->threads = g_thread_pool_new (run_job, pool, settings->parallel, FALSE, NULL);
  return pool;
}

void
pool_free (Pool *pool)
{
  GHashTableIter iter;
  gpointer job;

  if (!pool)
    return;
  g_hash_table_iter_init (&iter, pool->jobs);
  while (g_hash_table_iter_next (&iter, &job, NULL)) {
    ((Job *)job)->send = NULL;
    job_cancel (job, JOB_UNWANTED);
  }
  g_thread_pool_free (pool->threads, FALSE, TRUE);
  g_hash_table_unref (pool->jobs);
  album_free (pool->album);
  minivl_engine_unref (pool->engine);
  g_free (pool);
}

void
pool_set_engine (Pool *pool, MinivlEngine *engine)
{
  pool->engine = minivl_engine_ref (engine);
}

MinivlEngine *
pool_get_engine (const Pool *pool)
{
  return pool->engine;
}

gboolean
pool_is_lost (const Pool *pool)
{
  return g_atomic_int_get (&pool->lost);
}

void
pool_end (Pool *pool)
{
  GHashTableIter iter;
  gpointer job;

  pool->ending = TRUE;
  g_hash_table_iter_init (&iter, pool->jobs);
  while (g_hash_table_iter_next (&iter, &job, NULL))
    job_cancel (job, JOB_STOPPED);
}

gboolean
pool_is_ending (const Pool *pool)
{
  return pool->ending;
}

guint
pool_count_waiting (const Pool *pool)
{
  return g_atomic_int_get (&pool->n_waiting);
}

guint
pool_count_running (const Pool *pool)
{
  return g_atomic_int_get (&pool->n_running);
}

gboolean
pool_is_full (const Pool *pool)
{
  return g_hash_table_size (pool->jobs) >= pool->settings->parallel + pool->settings->queue;
}

Job *
pool_submit (Pool *pool, GBytes *body, PoolSend send, gpointer user_data)
{
  Job *job;

  if (pool_is_full (pool))
    return NULL;
  job = g_new0 (Job, 1);
  *job = (Job){ .ref_count = 2, .pool = pool, .body = g_bytes_ref (body), .send = send, .user_data = user_data };
  job->cancellable = g_cancellable_new ();
  g_hash_table_add (pool->jobs, job);
  g_atomic_int_inc (&pool->n_waiting);
  g_thread_pool_push (pool->threads, job, NULL);
  return job;
}

void
job_cancel (Job *job, JobEnd why)
{
  g_auto (Refusal) refusal = { 0 };

  g_atomic_int_compare_and_exchange (&job->why, JOB_NOT_ENDED, why);
  g_atomic_int_set (&job->cancel, TRUE);
  g_cancellable_cancel (job->cancellable);
  if (!g_atomic_int_compare_and_exchange (&job->state, JOB_WAITING, JOB_DONE))
    return;
  g_atomic_int_add (&job->pool->n_waiting, -1);
  refuse_end (job, &refusal);
  job_send (job, refusal.status, FALSE, refusal_to_json (&refusal), TRUE);
}

void
job_free (Job *job)
{
  if (!job)
    return;
  g_hash_table_remove (job->pool->jobs, job);
  job->send = NULL;
  job_cancel (job, JOB_UNWANTED);
  job_unref (job);
}

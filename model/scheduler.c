#define _GNU_SOURCE /* SCHED_BATCH */
#include "scheduler.h"

#include <math.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>

typedef struct
{
  SchedulerFunc func;
  gpointer data;
  GError *error;
  gboolean ok, done;
} Job;

typedef struct
{
  const MinivlImage *image;
  guint max_tiles;
  guint64 content;
  gint priority; /* under the lock: others may want the picture, too */
  const gint *cancel;
  VisionPicture *picture; /* NULL: not begun */
  guint next;             /* tile */
  VisionResult result;
  GError *error;
  gboolean done;
} Encode;

struct _Scheduler
{
  GThread *thread;
  GMutex lock;
  GCond work; /* something was handed in */
  GCond news; /* something was done */
  gboolean ending;
  GQueue jobs, encodes, asks; /* handed in; the last two also being worked on, and changed by the scheduler's thread alone */

  /* Touched by the scheduler's thread alone. */
  Vision *vision;
  KvPool *kv;
  Language *language;
};

static void
give_news (Scheduler *s)
{
  g_cond_broadcast (&s->news);
}

static gboolean
is_set (const gint *flag)
{
  return flag && g_atomic_int_get (flag);
}

static GError *
cancelled (void)
{
  return g_error_new (DEVICE_ERROR, DEVICE_ERROR_CANCELLED, "encoding was cancelled");
}

/* --- pictures -------------------------------------------------------------------------------------------------------------- */

static void
encode_done (Scheduler *s, Encode *e, GError *error)
{
  if (e->picture && !error)
    e->result = vision_picture_finish (e->picture);
  else
    vision_picture_free (e->picture);
  g_mutex_lock (&s->lock);
  e->error = error;
  e->done = TRUE;
  g_queue_remove (&s->encodes, e);
  give_news (s);
  g_mutex_unlock (&s->lock);
}

/* The picture to go on with: of those with the highest priority the one that came first. */
static Encode *
next_encode (Scheduler *s)
{
  Encode *best = NULL;

  g_mutex_lock (&s->lock);
  for (GList *l = s->encodes.head; l; l = l->next) {
    Encode *e = l->data;

    if (e->picture && e->next == vision_picture_tiles (e->picture))
      continue;
    if (!best || e->priority > best->priority)
      best = e;
  }
  g_mutex_unlock (&s->lock);
  return best;
}

static gboolean
has_given_up (gpointer encode)
{
  return is_set (((Encode *)encode)->cancel);
}

/* FALSE: it is done with. */
static gboolean
encode_begin (Scheduler *s, Encode *e)
{
  const OpCancel cancel = { has_given_up, e };
  GError *error = NULL;

  if (has_given_up (e))
    error = cancelled ();
  else if (!e->picture)
    e->picture = vision_picture_new (s->vision, e->image, e->max_tiles, &cancel, &error);
  if (error)
    encode_done (s, e, error);
  return error == NULL;
}

typedef struct
{
  Scheduler *s;
  VisionTile tiles[VISION_BATCH];
  Encode *owners[VISION_BATCH]; /* NULL: has given up meanwhile */
  guint n;
} Batch;

static gboolean
batch_has (const Batch *b, const Encode *e)
{
  for (guint i = 0; i < b->n; i++)
    if (b->owners[i] == e)
      return TRUE;
  return FALSE;
}

/* Ends the part that one has in the batch. */
static void
batch_let_go (Batch *b, Encode *e, GError *error)
{
  for (guint i = 0; i < b->n; i++)
    if (b->owners[i] == e)
      b->owners[i] = NULL;
  encode_done (b->s, e, error);
}

static void end_unwanted (Scheduler *s, const Batch *batch, const Ask *busy);

/* Lets go at once of those who give up; their tiles are made for nothing, for the others wait for theirs. */
static gboolean
nobody_waits (gpointer batch)
{
  Batch *b = batch;
  guint waiting = 0;

  end_unwanted (b->s, b, NULL);
  for (guint i = 0; i < b->n; i++) {
    Encode *e = b->owners[i];

    if (e && has_given_up (e)) {
      e->picture = NULL; /* the batch's own now */
      batch_let_go (b, e, cancelled ());
    } else if (e) {
      waiting++;
    }
  }
  return waiting == 0;
}

static void
free_orphans (Batch *b)
{
  for (guint i = 0; i < b->n; i++) {
    VisionPicture *picture = b->owners[i] ? NULL : b->tiles[i].picture;

    for (guint k = i + 1; picture && k < b->n; k++)
      if (b->tiles[k].picture == picture)
        picture = NULL; /* with its last tile */
    vision_picture_free (picture);
  }
}

/* One batch of tiles. FALSE: there was nothing to do. */
static gboolean
encode_some (Scheduler *s)
{
  Batch b = { .s = s };
  const OpCancel cancel = { nobody_waits, &b };
  g_autoptr (GError) error = NULL;
  Encode *e;

  while (b.n < VISION_BATCH && (e = next_encode (s)) != NULL) {
    if (!batch_has (&b, e) && !encode_begin (s, e)) /* what has a tile in the batch is let go of there */
      continue;
    b.owners[b.n] = e;
    b.tiles[b.n++] = (VisionTile){ e->picture, e->next++ };
  }
  if (b.n == 0)
    return FALSE;

  vision_encode (s->vision, b.tiles, b.n, &cancel, &error);
  free_orphans (&b);
  for (guint i = 0; i < b.n; i++) {
    e = b.owners[i];
    if (e && (error || e->next == vision_picture_tiles (e->picture)))
      batch_let_go (&b, e, error ? g_error_copy (error) : NULL);
  }
  return TRUE;
}

/* --- answers --------------------------------------------------------------------------------------------------------------- */

static guint
missing (const Ask *ask)
{
  return ask->tokens->len - kv_sequence_length (ask->seq);
}

static void
finish (Scheduler *s, Ask *ask, MinivlFinish how, GError *error)
{
  kv_sequence_free (ask->seq);
  ask->seq = NULL;
  g_mutex_lock (&s->lock);
  ask->finish = how;
  ask->error = error;
  ask->done = TRUE;
  g_queue_remove (&s->asks, ask);
  give_news (s);
  g_mutex_unlock (&s->lock);
}

static gint
compare_priorities (gconstpointer a, gconstpointer b)
{
  return ((const Ask *)b)->priority - ((const Ask *)a)->priority;
}

/* A copy of the list, the highest priority first, to be walked without the lock: only this thread takes asks out. */
static GList *
list_asks (Scheduler *s)
{
  GList *asks;

  g_mutex_lock (&s->lock);
  asks = g_list_copy (s->asks.head);
  g_mutex_unlock (&s->lock);
  return g_list_sort (asks, compare_priorities);
}

static gboolean
is_late (const Ask *ask)
{
  return ask->deadline && (guint64)g_get_monotonic_time () * 1000 >= ask->deadline;
}

/* Asks and pictures that somebody has given up. Also called between two submits: then what is being worked on, a batch of tiles or
 * one prompt's chunk, is left alone. */
static void
end_unwanted (Scheduler *s, const Batch *batch, const Ask *busy)
{
  g_autoptr (GList) asks = list_asks (s), encodes = NULL;

  for (GList *l = asks; l; l = l->next) {
    Ask *ask = l->data;
    gboolean enough;

    if (ask == busy)
      continue;
    g_mutex_lock (&s->lock);
    enough = ask->enough;
    g_mutex_unlock (&s->lock);
    if (enough)
      finish (s, ask, MINIVL_FINISH_STOP, NULL);
    else if (is_set (ask->cancelled))
      finish (s, ask, MINIVL_FINISH_CANCELLED, NULL);
    else if (is_late (ask))
      finish (s, ask, MINIVL_FINISH_DEADLINE, NULL);
  }

  g_mutex_lock (&s->lock);
  encodes = g_list_copy (s->encodes.head);
  g_mutex_unlock (&s->lock);
  for (GList *l = encodes; l; l = l->next)
    if (has_given_up (l->data) && !(batch && batch_has (batch, l->data)))
      encode_done (s, l->data, cancelled ());
}

typedef struct
{
  Scheduler *s;
  const Ask *ask;
} Chunk;

/* end_unwanted() then ends it. */
static gboolean
chunk_is_unwanted (gpointer data)
{
  const Chunk *c = data;

  end_unwanted (c->s, NULL, c->ask);
  return is_set (c->ask->cancelled) || is_late (c->ask);
}

static gboolean
let_in (Scheduler *s, Ask *ask)
{
  guint n = ask->tokens->len;
  g_autofree KvKey *keys = g_new (KvKey, n);
  GError *error = NULL;

  for (guint i = 0; i < n; i++)
    keys[i] = g_array_index (ask->tokens, LanguageToken, i).key;
  ask->seq = kv_sequence_new (s->kv, keys, n, ask->n_prompt + ask->max_tokens, language_is_long (s->language, n));
  if (!ask->seq)
    return FALSE;
  if (!ask->started)
    ask->cached = kv_sequence_length (ask->seq);
  ask->started = TRUE;
  if (!kv_sequence_prepare (ask->seq, &error))
    finish (s, ask, MINIVL_FINISH_CANCELLED, error);
  return TRUE;
}

static guint
in_common (const Ask *a, const Ask *b)
{
  guint n = MIN (a->tokens->len, b->tokens->len), i = 0;

  while (i < n && kv_key_equal (&g_array_index (a->tokens, LanguageToken, i).key, &g_array_index (b->tokens, LanguageToken, i).key))
    i++;
  return i;
}

/* Whether a prompt is being computed whose start will be this one's: let in now, it would compute it once more. */
static gboolean
will_share (Scheduler *s, const Ask *ask, GList *asks)
{
  gboolean is_long = language_is_long (s->language, ask->tokens->len);

  for (GList *l = asks; l; l = l->next) {
    const Ask *other = l->data;

    if (other && other->seq && missing (other) > 1 && other->priority >= ask->priority
        && kv_sequence_is_long (other->seq) == is_long && in_common (ask, other) >= kv_sequence_length (other->seq) + KV_BLOCK)
      return TRUE;
  }
  return FALSE;
}

/* Those that wait for room; who does not fit is not overtaken. */
static void
let_all_in (Scheduler *s)
{
  g_autoptr (GList) asks = list_asks (s);

  for (GList *l = asks; l; l = l->next) {
    Ask *ask = l->data;

    if (ask->seq || will_share (s, ask, asks))
      continue;
    if (!let_in (s, ask))
      return;
    if (!ask->seq) /* it failed, and is its asker's again */
      l->data = NULL;
  }
}

/* The next token: where the best do not tell, of all. -1: it failed. */
static gint32
choose_token (Scheduler *s, Ask *ask, const Top *top, guint row, GError **error)
{
  guint vocab = language_vocab (s->language);
  const SamplerBest best = { top->ids, top->values, MIN (vocab, TOP_COUNT), top->next };
  gint32 id;

  if (!isfinite (top->values[0])) { /* whatever is chosen then is gibberish */
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_MODEL,
        "the model's numbers overflow: its weights are damaged, or too large for this precision (f32 holds the most)");
    return -1;
  }
  id = sampler_next_of_best (&ask->sampler, &best, vocab);
  if (id >= 0)
    return id;
  if (!ask->logits)
    ask->logits = g_new (float, vocab);
  if (!language_logits (s->language, row, ask->logits, error))
    return -1;
  return sampler_next (&ask->sampler, ask->logits, vocab, (const gint32 *)(gpointer)ask->seen->data, ask->seen->len);
}

static double
logprob (const Top *top, float logit)
{
  return (double)logit - top->values[0] - log (top->sum);
}

/* The logit of a token that was chosen: one that is not among the best was chosen from all. */
static float
logit_of (const Ask *ask, const Top *top, gint32 id)
{
  for (guint i = 0; i < TOP_COUNT; i++)
    if (top->ids[i] == (guint32)id)
      return top->values[i];
  return ask->logits[id];
}

/* The answer grows; under the lock. */
static void
add_token (Ask *ask, const Top *top, gint32 id)
{
  double chosen = logprob (top, logit_of (ask, top, id));

  g_array_append_val (ask->ids, id);
  g_array_append_val (ask->logprobs, chosen);
  g_array_append_vals (ask->top_ids, top->ids, ask->n_logprobs);
  for (guint i = 0; i < ask->n_logprobs; i++) {
    double best = logprob (top, top->values[i]);

    g_array_append_val (ask->top_logprobs, best);
  }
}

/* The token that follows, from the row of logits of the step that has just been made. */
static void
take_token (Scheduler *s, Ask *ask, const Top *top, guint row)
{
  LanguageToken token = { 0 };
  GError *error = NULL;
  gint32 id;

  if (ask->ids->len == 0) {
    if (ask->prompt_logits && !language_logits (s->language, row, ask->prompt_logits, &error)) {
      finish (s, ask, MINIVL_FINISH_CANCELLED, error);
      return;
    }
    g_mutex_lock (&s->lock);
    ask->prefilled = g_get_monotonic_time ();
    g_mutex_unlock (&s->lock);
  }
  id = choose_token (s, ask, top, row, &error);
  if (error) {
    finish (s, ask, MINIVL_FINISH_CANCELLED, error);
    return;
  }
  if (id == ask->end_tokens[0] || id == ask->end_tokens[1]) {
    finish (s, ask, MINIVL_FINISH_STOP, NULL);
    return;
  }
  if (ask->seen->len > ask->n_prompt)
    ask->most = MAX (ask->most, language_tokens_computed (s->language) - ask->computed);
  ask->computed = language_tokens_computed (s->language);
  g_array_append_val (ask->seen, id);
  g_mutex_lock (&s->lock);
  add_token (ask, top, id);
  give_news (s);
  g_mutex_unlock (&s->lock);
  if (ask->seen->len == ask->n_prompt + ask->max_tokens) {
    finish (s, ask, MINIVL_FINISH_LENGTH, NULL);
    return;
  }

  token.key.id = id;
  g_array_append_val (ask->tokens, token);
  /* The reference computes a conversation that grows into the long factors anew. */
  if (language_is_long (s->language, ask->tokens->len) != kv_sequence_is_long (ask->seq))
    g_clear_pointer (&ask->seq, kv_sequence_free);
}

static void
to_the_end (Scheduler *s, Ask *ask)
{
  g_mutex_lock (&s->lock);
  g_queue_remove (&s->asks, ask);
  g_queue_push_tail (&s->asks, ask);
  g_mutex_unlock (&s->lock);
}

/* The prompt to go on with: of the highest priority, in turns. */
static Ask *
next_prefill (Scheduler *s)
{
  g_autoptr (GList) asks = list_asks (s);

  for (GList *l = asks; l; l = l->next) {
    Ask *ask = l->data;

    if (ask->seq && missing (ask) > 1)
      return ask;
  }
  return NULL;
}

/* One chunk of one prompt. FALSE: there was nothing to do. */
static gboolean
prefill_some (Scheduler *s)
{
  Ask *ask = next_prefill (s);
  Chunk chunk = { s, ask };
  const OpCancel cancel = { chunk_is_unwanted, &chunk };
  g_autoptr (GError) error = NULL;
  Top top;
  guint n;

  if (!ask)
    return FALSE;
  n = MIN (missing (ask), LANGUAGE_CHUNK);
  to_the_end (s, ask);
  if (language_prefill (s->language, ask->seq, &g_array_index (ask->tokens, LanguageToken, kv_sequence_length (ask->seq)), n,
          n == missing (ask) ? &top : NULL, &cancel, &error)) {
    if (missing (ask) == 0)
      take_token (s, ask, &top, 0);
  } else if (!g_error_matches (error, DEVICE_ERROR, DEVICE_ERROR_CANCELLED)) {
    finish (s, ask, MINIVL_FINISH_CANCELLED, g_steal_pointer (&error));
  }
  return TRUE;
}

/* One token for every answer, or for as many as go together. FALSE: there was nothing to do. */
static gboolean
decode_all (Scheduler *s)
{
  g_autoptr (GList) asks = list_asks (s);
  Ask *batch[LANGUAGE_BATCH];
  KvSequence *seqs[LANGUAGE_BATCH];
  LanguageToken tokens[LANGUAGE_BATCH];
  Top tops[LANGUAGE_BATCH];
  GError *error = NULL;
  guint n = 0;

  for (GList *l = asks; l && n < LANGUAGE_BATCH; l = l->next) {
    Ask *ask = l->data;

    if (!ask->seq || missing (ask) != 1)
      continue;
    batch[n] = ask;
    seqs[n] = ask->seq;
    tokens[n++] = g_array_index (ask->tokens, LanguageToken, ask->tokens->len - 1);
  }
  if (n == 0)
    return FALSE;

  language_decode (s->language, seqs, tokens, n, tops, &error);
  for (guint i = 0; i < n; i++) {
    if (n == LANGUAGE_BATCH) /* there may be more of them than go together */
      to_the_end (s, batch[i]);
    if (error)
      finish (s, batch[i], MINIVL_FINISH_CANCELLED, g_error_copy (error));
    else
      take_token (s, batch[i], &tops[i], i);
  }
  g_clear_error (&error);
  return TRUE;
}

/* --- the thread ------------------------------------------------------------------------------------------------------------ */

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
    give_news (s);
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

  for (;;) {
    gboolean ending;

    g_mutex_lock (&s->lock);
    while (!s->ending && g_queue_is_empty (&s->jobs) && g_queue_is_empty (&s->encodes) && g_queue_is_empty (&s->asks))
      g_cond_wait (&s->work, &s->lock);
    ending = s->ending;
    g_mutex_unlock (&s->lock);
    if (ending)
      return NULL;

    run_jobs (s);
    end_unwanted (s, NULL, NULL);
    let_all_in (s);
    encode_some (s);
    prefill_some (s);
    decode_all (s);
  }
}

Scheduler *
scheduler_new (void)
{
  Scheduler *s = g_new0 (Scheduler, 1);

  g_mutex_init (&s->lock);
  g_cond_init (&s->work);
  g_cond_init (&s->news);
  s->thread = g_thread_new ("minivl-device", run, s);
  return s;
}

void
scheduler_free (Scheduler *s)
{
  if (!s)
    return;
  g_mutex_lock (&s->lock);
  g_assert (g_queue_is_empty (&s->jobs) && g_queue_is_empty (&s->encodes) && g_queue_is_empty (&s->asks));
  s->ending = TRUE;
  g_cond_signal (&s->work);
  g_mutex_unlock (&s->lock);
  g_thread_join (s->thread);
  g_mutex_clear (&s->lock);
  g_cond_clear (&s->work);
  g_cond_clear (&s->news);
  g_free (s);
}

void
scheduler_set_model (Scheduler *s, Vision *vision, KvPool *kv, Language *language)
{
  g_assert (g_thread_self () == s->thread);
  s->vision = vision;
  s->kv = kv;
  s->language = language;
}

/* --- for other threads ----------------------------------------------------------------------------------------------------- */

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

static void
propagate (GError **error, GError *from)
{
  if (from->domain == DEVICE_ERROR) {
    g_set_error_literal (error, MINIVL_ERROR, public_code (from->code), from->message);
    g_error_free (from);
  } else {
    g_propagate_error (error, from);
  }
}

static void
hand_in (Scheduler *s, GQueue *queue, gpointer item, const gboolean *done)
{
  g_assert (g_thread_self () != s->thread);
  g_mutex_lock (&s->lock);
  g_queue_push_tail (queue, item);
  g_cond_signal (&s->work);
  while (done && !*done)
    g_cond_wait (&s->news, &s->lock);
  g_mutex_unlock (&s->lock);
}

gboolean
scheduler_run (Scheduler *s, SchedulerFunc func, gpointer data, GError **error)
{
  Job job = { .func = func, .data = data };

  hand_in (s, &s->jobs, &job, &job.done);
  if (!job.ok)
    propagate (error, job.error);
  return job.ok;
}

gboolean
scheduler_encode (Scheduler *s, const MinivlImage *image, guint max_tiles, guint64 content, gint priority, const gint *cancel,
    VisionResult *result, GError **error)
{
  Encode e = { .image = image, .max_tiles = max_tiles, .content = content, .priority = priority, .cancel = cancel };

  hand_in (s, &s->encodes, &e, &e.done);
  if (e.error) {
    propagate (error, e.error);
    return FALSE;
  }
  *result = e.result;
  return TRUE;
}

void
scheduler_raise_encode (Scheduler *s, guint64 content, gint priority)
{
  g_mutex_lock (&s->lock);
  for (GList *l = s->encodes.head; l; l = l->next) {
    Encode *e = l->data;

    if (e->content == content)
      e->priority = MAX (e->priority, priority);
  }
  g_mutex_unlock (&s->lock);
}

guint
scheduler_waiting (Scheduler *s)
{
  guint n;

  g_mutex_lock (&s->lock);
  n = g_queue_get_length (&s->asks) + g_queue_get_length (&s->encodes);
  g_mutex_unlock (&s->lock);
  return n;
}

void
ask_begin (Scheduler *s, Ask *ask)
{
  ask->scheduler = s;
  ask->n_prompt = ask->tokens->len;
  ask->ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  ask->logprobs = g_array_new (FALSE, FALSE, sizeof (double));
  ask->top_ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  ask->top_logprobs = g_array_new (FALSE, FALSE, sizeof (double));
  ask->seen = g_array_new (FALSE, FALSE, sizeof (gint32));
  for (guint i = 0; i < ask->n_prompt; i++)
    g_array_append_val (ask->seen, g_array_index (ask->tokens, LanguageToken, i).key.id);
  hand_in (s, &s->asks, ask, NULL);
}

guint
ask_wait (Ask *ask, guint seen, gboolean *done)
{
  Scheduler *s = ask->scheduler;
  guint n;

  g_mutex_lock (&s->lock);
  while (!ask->done && ask->ids->len <= seen)
    g_cond_wait (&s->news, &s->lock);
  n = ask->ids->len;
  *done = ask->done;
  g_mutex_unlock (&s->lock);
  return n;
}

gint32
ask_token (Ask *ask, guint n)
{
  gint32 id;

  g_mutex_lock (&ask->scheduler->lock);
  id = g_array_index (ask->ids, gint32, n);
  g_mutex_unlock (&ask->scheduler->lock);
  return id;
}

void
ask_stop (Ask *ask)
{
  g_mutex_lock (&ask->scheduler->lock);
  ask->enough = TRUE;
  g_mutex_unlock (&ask->scheduler->lock);
}

gboolean
ask_end (Ask *ask, GError **error)
{
  Scheduler *s = ask->scheduler;

  g_mutex_lock (&s->lock);
  while (!ask->done)
    g_cond_wait (&s->news, &s->lock);
  g_mutex_unlock (&s->lock);
  g_clear_pointer (&ask->seen, g_array_unref);
  g_clear_pointer (&ask->logits, g_free);
  if (ask->error) {
    propagate (error, g_steal_pointer (&ask->error));
    return FALSE;
  }
  return TRUE;
}

void
ask_clear (Ask *ask)
{
  g_clear_pointer (&ask->ids, g_array_unref);
  g_clear_pointer (&ask->logprobs, g_array_unref);
  g_clear_pointer (&ask->top_ids, g_array_unref);
  g_clear_pointer (&ask->top_logprobs, g_array_unref);
}

/*
 * The one thread of an engine that touches the device. Pictures are encoded, prompts prefilled and answers decoded together,
 * whoever asks: each turn of the scheduler is one batch of tiles, one chunk of one prompt, and one token for every answer that is
 * being written. So a long prompt holds an answer up for no more than a chunk.
 *
 * Lock order: the scheduler's lock is innermost; nothing is called while it is held, and it is not held while the device works.
 */
#ifndef MODEL_SCHEDULER_H
#define MODEL_SCHEDULER_H

#include "language.h"
#include "sampler.h"
#include "vision.h"

typedef struct _Scheduler Scheduler;

Scheduler *scheduler_new (void);
/* Nothing may be waiting any more. */
void scheduler_free (Scheduler *s);

/* Work that is none of the below, on the scheduler's thread, between two turns; waits for it. Thread safe, but not from that
 * thread. Device errors come back in the public domain, here and below. */
typedef gboolean (*SchedulerFunc) (gpointer data, GError **error);
gboolean scheduler_run (Scheduler *s, SchedulerFunc func, gpointer data, GError **error);
/* What to work with; from a function that scheduler_run() runs. */
void scheduler_set_model (Scheduler *s, Vision *vision, KvPool *kv, Language *language);

/* Encodes a picture; waits. content: what it is known by. The higher priority goes first. cancel (nullable): set by any thread. */
gboolean scheduler_encode (Scheduler *s, const MinivlImage *image, guint max_tiles, guint64 content, gint priority,
    const gint *cancel, VisionResult *result, GError **error);
/* Somebody of at least this priority waits for the picture, too. */
void scheduler_raise_encode (Scheduler *s, guint64 content, gint priority);

/* One answer on its way. The asker fills the first part, and the scheduler owns all of it from ask_begin() to ask_end(). */
typedef struct
{
  GArray *tokens; /* LanguageToken: the prompt; the answer's are added. Features stay valid until ask_end() */
  guint max_tokens;
  gint32 end_tokens[2]; /* end the answer; -1 for none */
  Sampler sampler;
  gint priority;
  guint64 deadline;      /* as in MinivlParams */
  const gint *cancelled; /* set by any thread */
  float *prompt_logits;  /* (nullable): [vocab], filled after the prompt's last token */
  guint n_logprobs;      /* of the best tokens at each place, at most TOP_COUNT */

  Scheduler *scheduler;
  guint n_prompt;
  KvSequence *seq;  /* NULL: waits for room */
  GArray *seen;     /* gint32: ids of prompt and answer */
  float *logits;    /* [vocab]; NULL: were not needed yet */
  gboolean started; /* was let in once */
  guint64 computed; /* tokens the model had computed at its last token */
  guint64 most;     /* most tokens computed between two of its own: what tests of fairness look at */
  /* Under the scheduler's lock. */
  GArray *ids;                    /* gint32: the answer so far */
  GArray *logprobs;               /* double: of each of ids */
  GArray *top_ids, *top_logprobs; /* gint32, double: the n_logprobs best tokens for each of ids */
  gboolean enough, done;
  MinivlFinish finish;
  GError *error;
  guint cached;     /* tokens of the prompt that were not computed */
  gint64 prefilled; /* monotonic time of the prompt's end, 0 before */
} Ask;

/* Asks and pictures that were handed in and are not done: what tests wait for. */
guint scheduler_waiting (Scheduler *s);

void ask_begin (Scheduler *s, Ask *ask);
/* Waits until there are more than `seen` tokens or no more will come. Returns how many there are, in ids. */
guint ask_wait (Ask *ask, guint seen, gboolean *done);
/* The n'th token of the answer. */
gint32 ask_token (Ask *ask, guint n);
/* No further token is wanted. */
void ask_stop (Ask *ask);
/* Waits for the end. FALSE: it failed. Frees what the scheduler made, but for the answer: ids and what is told of them. */
gboolean ask_end (Ask *ask, GError **error);
/* Frees the answer. */
void ask_clear (Ask *ask);

#endif

/*
 * What is asked: a prompt on its way to its answer. It is reference counted. Whoever asks holds one reference, and the scheduler
 * holds others as long as it works on the request, so that either may be done with it first.
 *
 * The asker makes a request, fills in what is asked, and hands it to scheduler_ask(). From then until it is done only the
 * scheduler's thread touches it, but for what is under the request's lock. Nothing is called while that lock is held.
 */
#ifndef MODEL_REQUEST_H
#define MODEL_REQUEST_H

#include "draft.h"
#include "language.h"
#include "sampler.h"
#include "shape.h"

typedef struct
{
  gint ref_count;

  /* What is asked. */
  GArray *tokens;           /* LanguageToken: the prompt; the answer's are added. Features are borrowed until the request is done */
  guint max_tokens;         /* 0: the prompt is prepared for requests to come, but for its last token at times; see admission.h */
  guint expected;           /* of what is prepared: tokens of the prompt that it begins, as far as is known; 0: these are all */
  const GArray *end_tokens; /* (nullable) gint32: each ends the answer; borrowed until the request is done */
  Sampler sampler;
  gint priority;
  guint64 deadline;      /* as in MinivlParams */
  const gint *cancel[2]; /* (nullable): the session's and the caller's; set by any thread; borrowed until the request is done */
  gboolean want_logits;  /* after the prompt's last token */
  guint n_logprobs;      /* of the best tokens at each place, at most TOP_COUNT */

  /* The scheduler's thread's own. */
  guint n_prompt;
  KvSequence *seq;  /* NULL: waits for room */
  GArray *seen;     /* gint32: ids of prompt and answer */
  float *logits;    /* [vocab]; NULL: were not needed yet */
  Draft *draft;     /* (nullable): nothing is drafted; the asker makes it */
  gboolean started; /* was let in once */
  ShapeRun *shape;  /* (nullable): what the answer may become; the asker makes it, and reads it when the request is done */

  /* Under the lock until the request is done; nothing changes after that. */
  GMutex lock;
  GCond changed;
  GArray *ids;                    /* gint32: the answer so far */
  GArray *logprobs;               /* double: of each of ids */
  GArray *top_ids, *top_logprobs; /* gint32, double: the n_logprobs best tokens for each of ids */
  float *prompt_logits;           /* [vocab] if wanted, from `prefilled` on */
  gboolean enough, done;
  MinivlFinish finish;
  GError *error;
  guint cached;            /* tokens of the prompt that were not computed */
  guint drafted, accepted; /* tokens of drafts that were computed; of them, that the answer went on with */
  gint64 prefilled;        /* monotonic time of the prompt's end, 0 before */
} Request;

/* Of a prompt of LanguageTokens, (transfer full). (transfer full): request_unref() */
Request *request_new (GArray *tokens);
Request *request_ref (Request *r);
void request_unref (Request *r);

/* --- the asker ------------------------------------------------------------------------------------------------------------- */

/* Waits until there are more than `seen` tokens or no more will come. Returns how many there are, in ids. */
guint request_wait (Request *r, guint seen, gboolean *done);
/* The n'th token of the answer. */
gint32 request_token (Request *r, guint n);
/* No further token is wanted. */
void request_stop (Request *r);
/* Waits until the request is done. FALSE: it failed; device errors come in the public domain. */
gboolean request_end (Request *r, GError **error);

/* --- the scheduler --------------------------------------------------------------------------------------------------------- */

/* Tokens that are not computed yet, of a request that was let in. */
guint request_missing (const Request *r);
/* Whether all is computed that is wanted of a request without an answer. */
gboolean request_is_prepared (const Request *r);
/* Whether the answer so far is all that is wanted, and how it ends then. */
gboolean request_is_over (Request *r, MinivlFinish *how);
/* The same while a chunk is being computed. What is prepared then only ends at once by cancel[0]: else the chunk is of use to the
 * request that follows. */
gboolean request_is_over_in_chunk (Request *r);
/* The prompt is computed. logits: (nullable) (transfer full) */
void request_set_prefilled (Request *r, float *logits);
/* The answer grows by a token, chosen from the logits that top is of. */
void request_add_token (Request *r, const Top *top, gint32 id);
/* Tells the asker that the request is done. error: (nullable) (transfer full) */
void request_finish (Request *r, MinivlFinish how, GError *error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Request, request_unref)

#endif

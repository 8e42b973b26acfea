/* From logits to a token. */
#ifndef MODEL_SAMPLER_H
#define MODEL_SAMPLER_H

#include "minivl.h"

typedef struct
{
  double temperature, top_p, repetition_penalty;
  guint top_k;
  guint64 state; /* of the generator */
} Sampler;

void sampler_init (Sampler *s, const MinivlParams *params);
/* seen: ids of the answer so far, for the penalty, each once however often it is there; the reference's generate() is handed
 * embeddings and never sees the prompt's ids. The order is the reference's: penalty, temperature, top-k, top-p. Temperature 0 takes
 * the best after the penalty, of equals the lowest id. NaN counts as -infinity. */
gint32 sampler_next (Sampler *s, const float *logits, guint n, const gint32 *seen, guint n_seen);

/* The best of n logits, best first, of equals the lower id first; no NaN. next: the best of all others. */
typedef struct
{
  const guint32 *ids;
  const float *logits;
  guint n_best;
  float next;
} SamplerBest;

/* What sampler_next() gives for all n logits, from the best of them. -1: they are not enough to tell, and nothing has changed. */
gint32 sampler_next_of_best (Sampler *s, const SamplerBest *best, guint n);

#endif

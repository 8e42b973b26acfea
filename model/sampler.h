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
/* logits is changed. seen: ids of prompt and answer, for the penalty, each once however often it is there. The order is the
 * reference's: penalty, temperature, top-k, top-p. Temperature 0 takes the best after the penalty, of equals the lowest id.
 * NaN counts as -infinity. */
gint32 sampler_next (Sampler *s, float *logits, guint n, const gint32 *seen, guint n_seen);

#endif

/* How likely `yes` is against `no`, as the first token of an answer. */
#ifndef MODEL_YESNO_H
#define MODEL_YESNO_H

#include "tokenizer.h"

/* Ways to write a word that are one token each: three cases, with and without a space in front. */
#define YES_NO_FORMS 6

typedef struct
{
  gint32 yes[YES_NO_FORMS], no[YES_NO_FORMS];
  guint n_yes, n_no; /* forms that the tokenizer has */
} YesNo;

void yes_no_init (YesNo *y, const Tokenizer *t);
/* P (yes) / (P (yes) + P (no)), each the sum over its forms; 0.5 where neither has any probability. Both have a form. */
double yes_no_share (const YesNo *y, const float *logits);

#endif

/* Tokens: prompts are computed a chunk at a time, answers a token at a time, many together. Used by the scheduler's thread only. */
#ifndef MODEL_ANSWERING_H
#define MODEL_ANSWERING_H

#include "admission.h"

typedef struct
{
  Admission *admission;
  Language *language;
  guint draft_rows;                    /* most rows of a step with drafts, 1: there are none */
  gsize steps, step_answers;           /* atomic: as in MinivlWork */
  void (*look_around) (gpointer data); /* called between two submits: others may have given up meanwhile */
  gpointer data;
} Answering;

/* One chunk of one prompt, if there is any to be computed. */
void answering_prefill (Answering *w);
/* One token for every answer, or for as many as go together; more where a draft (draft.h) was right. */
void answering_decode (Answering *w);

#endif

/* Counts what is true of what was said, by fact, light and size. */
#ifndef DEMO_MODEL_SCORE_H
#define DEMO_MODEL_SCORE_H

#include "grammar.h"

#include <stdio.h>

typedef struct _Score Score;

/* Shares of 1; 1 of nothing. */
typedef struct
{
  double stated_right;   /* of the facts that reports state, those that are so */
  double present_stated; /* of the facts that there are, those that reports state */
  double questions;      /* of the questions, those answered right */
  double summaries;      /* of the events of summaries and of what they are of, those in common, in order */
} Shares;

Score *score_new (void);
void score_free (Score *score);

/* size: a name. text: (nullable): NULL is a sentence outside the grammar. Such a sentence is one wrong fact, and states none. */
void score_add_report (Score *score, const gchar *size, const YardFacts *facts, const gchar *text);
void score_add_answer (Score *score, guint question, const YardFacts *facts, const gchar *text);
/* Of the reports of n segments. */
void score_add_summary (Score *score, const YardFacts *facts, guint n, const gchar *text);

Shares score_get_shares (const Score *score);
void score_print (const Score *score, FILE *to);
/* (transfer full): JSON */
gchar *score_to_json (const Score *score);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Score, score_free)

#endif

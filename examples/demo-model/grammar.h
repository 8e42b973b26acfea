/*
 * Facts of a segment to sentences and back, questions with their answers, and summaries. The C twin of grammar.py.
 *
 * What the parsers do not know is wrong, and they say so: only what the other direction writes is of the grammar.
 */
#ifndef DEMO_MODEL_GRAMMAR_H
#define DEMO_MODEL_GRAMMAR_H

#include "yard.h"

/* The test patterns of videotestsrc that the model knows, by their names there. */
#define GRAMMAR_N_PATTERNS 11
extern const gchar *const grammar_patterns[GRAMMAR_N_PATTERNS];

/* One to three sentences. (transfer full) */
gchar *grammar_report (const YardFacts *facts);
gboolean grammar_parse_report (const gchar *text, YardFacts *facts);

/* What is counted right, wrong or missing: `kind: value` of each fact, or `kind` alone, twice where two people do the same. Kinds
 * are pattern, light, count, person, car, dog, bag and lamp. (transfer full) (element-type utf8) */
GPtrArray *grammar_state (const YardFacts *facts);

/* --- questions about a segment --------------------------------------------------------------------------------------------- */

guint grammar_n_questions (void);
/* What the phrasings of a question have in common; n below grammar_n_questions(). */
const gchar *grammar_question_kind (guint n);
/* (array zero-terminated=1) */
const gchar *const *grammar_question_phrasings (guint n);
/* (transfer none): it lives for ever */
const gchar *grammar_answer (guint n, const YardFacts *facts);
/* An answer that only says that there is nothing to be told. */
gboolean grammar_answer_is_empty (const gchar *answer);

/* --- summaries ------------------------------------------------------------------------------------------------------------- */

/* What asks for one, followed by a report a line. (array zero-terminated=1) */
extern const gchar *const grammar_summary_prompts[];

/* What a summary tells of segments, in order. (transfer full) (element-type utf8) */
GPtrArray *grammar_events (const YardFacts *facts, guint n);
/* (transfer full) */
gchar *grammar_summary (const YardFacts *facts, guint n);
/* (transfer full) (element-type utf8): the events, or NULL when it is not of the grammar. */
GPtrArray *grammar_parse_summary (const gchar *text);

#endif

/*
 * The language model: tokens and visual tokens to logits, over a KV cache of blocks.
 * Only the thread that made it uses it, the scheduler's: functions that compute or take memory assert that.
 */
#ifndef MODEL_LANGUAGE_H
#define MODEL_LANGUAGE_H

#include "kv.h"
#include "weights.h"

/* Most tokens of one prefill step. */
#define LANGUAGE_CHUNK 256
/* Most sequences of one decode step. */
#define LANGUAGE_BATCH 32

typedef struct _Language Language;

/* Plans its memory, for sequences of at most `context` tokens; language_commit() allocates it, and comes before anything is
 * computed. */
Language *language_new (Device *dev, const ModelConfig *config, const Weights *weights, KvPool *pool, guint context);
gboolean language_commit (Language *l, GError **error);
void language_free (Language *l);
/* Records every operation it will ever use, for device_self_check(). */
void language_survey (Language *l, OpStream *survey);
guint64 language_bytes (const Language *l);

/* One token of a sequence: an id, or a row of features when `feature` is set. */
typedef struct
{
  KvKey key;
  const float *feature; /* (nullable): [hidden] */
} LanguageToken;

guint language_vocab (const Language *l);
/* Whether a conversation of n tokens uses the long factors. */
gboolean language_is_long (const Language *l, guint n);

/* Of the logits that the i'th top of the next step is of, those that the mask (as op_mask() takes it) leaves out are -infinity;
 * also for language_logits(). The next step is one with a top. */
void language_set_mask (Language *l, guint i, const guint32 *mask);
/* Appends n <= LANGUAGE_CHUNK tokens to seq. top (nullable): of the logits after the last of them. cancel: as for op_stream_run().
 * On failure seq is as before. */
gboolean language_prefill (
    Language *l, KvSequence *seq, const LanguageToken *tokens, guint n, Top *top, const OpCancel *cancel, GError **error);
/* Appends a token each to n <= LANGUAGE_BATCH sequences, in one submit. tops: [n]. A sequence that stands there several times, one
 * behind the other, gets as many tokens; each sees those before it. */
gboolean language_decode (Language *l, KvSequence *const *seqs, const LanguageToken *tokens, guint n, Top *tops, GError **error);
/* All logits [vocab] that the i'th top of the step before is of, 0 for a prefill's. They are there until the next step. */
gboolean language_logits (Language *l, guint i, float *logits, GError **error);

/* Finds out which rows have the bits that they have alone, on this device; takes some ten steps of one layer. */
gboolean language_compare_rows (Language *l, GError **error);
/* Most rows of a step that all have them, at most DRAFT_ROWS; 1: rows are not computed alike. */
guint language_equal_rows (const Language *l);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Language, language_free)

#endif

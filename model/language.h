/*
 * The language model: tokens and visual tokens to logits, over a KV cache of blocks.
 * Used by the scheduler's thread only.
 */
#ifndef MODEL_LANGUAGE_H
#define MODEL_LANGUAGE_H

#include "kv.h"
#include "stages.h"
#include "weights.h"

/* Most tokens of one prefill step. */
#define LANGUAGE_CHUNK 256

typedef struct _Language Language;

Language *language_new (Device *dev, const ModelConfig *config, const Weights *weights, KvPool *pool, GError **error);
void language_free (Language *l);
guint64 language_bytes (const Language *l);

/* One token of a sequence: an id, or a row of features when `feature` is set. */
typedef struct
{
  gint32 id;
  const float *feature; /* (nullable): [hidden] */
} LanguageToken;

/* Whether a conversation of n tokens uses the long factors. */
gboolean language_is_long (const LanguageConfig *config, guint n);

/* Appends n <= LANGUAGE_CHUNK tokens to seq. logits (nullable): [vocab], after the last of them.
 * is_long: the RoPE factors; a sequence is computed with one kind. On failure seq is as before. */
gboolean language_step (
    Language *l, KvSequence *seq, const LanguageToken *tokens, guint n, gboolean is_long, float *logits, GError **error);

/* language.0 .. language.n (the last one after the final norm) and language.logits for a prompt of at most LANGUAGE_CHUNK tokens.
 */
gboolean language_stages (
    Language *l, KvSequence *seq, const gint32 *ids, guint n, StageFunc on_stage, gpointer user_data, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Language, language_free)

#endif

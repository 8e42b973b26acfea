/*
 * The KV cache: blocks of KV_BLOCK tokens, handed out to sequences from one pool.
 * Used by the scheduler's thread only.
 */
#ifndef MODEL_KV_H
#define MODEL_KV_H

#include "config.h"
#include "vk/ops.h"

typedef struct _KvPool KvPool;
typedef struct _KvSequence KvSequence;

/* Room for `tokens` tokens in all, F32 or F16. */
KvPool *kv_pool_new (Device *dev, const LanguageConfig *config, guint tokens, TensorType type, GError **error);
void kv_pool_free (KvPool *pool);
const KvLayer *kv_pool_layer (const KvPool *pool, guint layer);
guint kv_pool_blocks (const KvPool *pool);
guint64 kv_pool_bytes (const KvPool *pool);

/* A sequence is what a session has computed. When blocks run out, idle sequences lose theirs, the longest idle first:
 * what they held is computed again when they are asked next. */
KvSequence *kv_sequence_new (KvPool *pool);
void kv_sequence_free (KvSequence *seq);
/* Tokens held; 0 after the blocks went to another. */
guint kv_sequence_length (const KvSequence *seq);
/* Keeps the first n tokens. */
void kv_sequence_truncate (KvSequence *seq, guint n);
/* Makes room for n tokens in all and counts them as held. FALSE: the pool is smaller than that. */
gboolean kv_sequence_extend (KvSequence *seq, guint n);
/* Block of token at `position`, and the slot of an operation's Step. */
const guint32 *kv_sequence_blocks (const KvSequence *seq, guint *n_blocks);
guint32 kv_sequence_slot (const KvSequence *seq, guint position);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (KvPool, kv_pool_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (KvSequence, kv_sequence_free)

#endif

/*
 * The KV cache: blocks of KV_BLOCK tokens in one pool, kept as a tree of token prefixes.
 *
 * A block knows the tokens it was made from and the block in front of it; the roots are the two kinds of RoPE factors, so that
 * blocks made with different factors never meet. Sequences share what they have in common from the start, whoever computed it: the
 * system prompt, the pictures of a segment under several questions, earlier rounds. A block that no sequence holds any more stays
 * until its room is needed; the one that has been unused the longest goes first. Used by the scheduler's thread only.
 */
#ifndef MODEL_KV_H
#define MODEL_KV_H

#include "config.h"
#include "vk/ops.h"

/* What makes two tokens the same: the id, and of a visual token the picture's content and the row of its features. */
typedef struct
{
  gint32 id;
  guint32 row;
  guint64 picture; /* number of the content; 0: text */
} KvKey;

gboolean kv_key_equal (const KvKey *a, const KvKey *b);

typedef struct _KvPool KvPool;
typedef struct _KvSequence KvSequence;

/* Plans room for `tokens` tokens in all. */
KvPool *kv_pool_new (Device *dev, const LanguageConfig *config, guint tokens, KvType type);
/* To be called first. */
gboolean kv_pool_commit (KvPool *pool, GError **error);
void kv_pool_free (KvPool *pool);
const KvLayer *kv_pool_layer (const KvPool *pool, guint layer);
guint kv_pool_blocks (const KvPool *pool);
guint64 kv_pool_bytes (const KvPool *pool);
/* Blocks that sequences hold or are promised. */
guint kv_pool_taken (const KvPool *pool);

/* A sequence of n_keys tokens that will grow to at most `total`, for which room is promised. Its first kv_sequence_length() tokens,
 * at most all but one, were found in the cache. NULL: there is not enough room at present. */
KvSequence *kv_sequence_new (KvPool *pool, const KvKey *keys, guint n_keys, guint total, gboolean is_long);
/* Its blocks stay in the cache for later sequences. */
void kv_sequence_free (KvSequence *seq);
/* Tokens computed. */
guint kv_sequence_length (const KvSequence *seq);
gboolean kv_sequence_is_long (const KvSequence *seq);
/* Counts the tokens that follow as computed; their slots are valid from here on. */
void kv_sequence_extend (KvSequence *seq, const KvKey *keys, guint n_keys);
/* Takes the last n tokens back: they were counted, but their computation failed. */
void kv_sequence_forget (KvSequence *seq, guint n);
/* Copies what the sequence shares with a block that others still write to or need. To be called first. */
gboolean kv_sequence_prepare (KvSequence *seq, GError **error);
/* Numbers of its blocks in order. (transfer none) */
const guint32 *kv_sequence_blocks (const KvSequence *seq, guint *n_blocks);
/* Slot of the token at `position`, as an operation's Step has it. */
guint32 kv_sequence_slot (const KvSequence *seq, guint position);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (KvPool, kv_pool_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (KvSequence, kv_sequence_free)

#endif

/*
 * Byte pair encoding over the pieces of tokenizer.model, as HF's fast tokenizer does it once it has converted such a file:
 * every way to make a piece of two others is a merge; merges rank by the piece's score, then by the ids of the two. SentencePiece's
 * own encoder breaks ties otherwise (leftmost first) and folds white space, so it is not used.
 * Immutable once loaded, thread safe.
 */
#ifndef MODEL_BPE_H
#define MODEL_BPE_H

#include "minivl.h"

typedef struct _Bpe Bpe;

/* bytes: of the file. name: what errors call it (a path) */
Bpe *bpe_new (const gchar *bytes, gsize n_bytes, const gchar *name, GError **error);
void bpe_free (Bpe *b);

guint bpe_size (const Bpe *b);
/* UTF-8, `▁` for a space; id below the size. (transfer none) */
const gchar *bpe_piece (const Bpe *b, guint id);
/* -1 when there is none */
gint32 bpe_id (const Bpe *b, const gchar *piece);
/* Appends the ids of valid UTF-8, which may hold NULs, in time n log n. What has no piece becomes byte pieces, or <unk> without
 * those. reserved: (nullable) (array): non-zero at the ids of pieces that no text becomes */
void bpe_encode (const Bpe *b, const gchar *text, gsize length, const guint8 *reserved, GArray *ids);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Bpe, bpe_free)

#endif

/*
 * Byte pair encoding over the pieces of tokenizer.model, in two ways. HF's fast tokenizer converts such a file: every way to make a
 * piece of two others is a merge; merges rank by the piece's score, then by the ids of the two. SentencePiece itself merges
 * whatever two neighbours are a piece together, of the best score first, of equals the leftmost.
 * Immutable once loaded, thread safe.
 */
#ifndef MODEL_BPE_H
#define MODEL_BPE_H

#include "minivl.h"

typedef struct _Bpe Bpe;

/* bytes: of the file. name: what errors call it (a path) */
Bpe *bpe_new (const gchar *bytes, gsize n_bytes, const gchar *name, GError **error);
/* pieces: gchar * by id, no two alike; taken, also on failure. Their merges come one by one, the first of them first; FALSE when
 * the two, or both together, are no piece; and at the end when a pair was there twice. */
Bpe *bpe_new_of_pieces (GPtrArray *pieces, const gchar *name, GError **error);
gboolean bpe_add_merge (Bpe *b, const gchar *left, const gchar *right);
gboolean bpe_end_merges (Bpe *b);
void bpe_free (Bpe *b);

guint bpe_size (const Bpe *b);
/* UTF-8, `▁` for a space; id below the size. (transfer none) */
const gchar *bpe_piece (const Bpe *b, guint id);
/* -1 when there is none */
gint32 bpe_id (const Bpe *b, const gchar *piece);
/* Appends the ids of valid UTF-8, which may hold NULs, in time n log n. What has no piece becomes byte pieces, or <unk> without
 * those. reserved: (nullable) (array): non-zero at the ids of pieces that no text becomes */
void bpe_encode (const Bpe *b, const gchar *text, gsize length, const guint8 *reserved, GArray *ids);
/* The same as SentencePiece's own encoder, without its normaliser; not for bpe_new_of_pieces(). text has marks for spaces. barred:
 * (array): non-zero at the ids of pieces that no text becomes */
void bpe_encode_by_score (const Bpe *b, const gchar *text, gsize length, const guint8 *barred, GArray *ids);
/* Sets the entries of pieces that SentencePiece makes of no text: byte pieces, and those that only control. */
void bpe_mark_unwritten (const Bpe *b, guint8 *barred);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Bpe, bpe_free)

#endif

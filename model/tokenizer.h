/*
 * SentencePiece plus the added tokens of a checkpoint, behaving as the HF fast Llama tokenizer of transformers 4.37.
 * Immutable once loaded, thread safe.
 */
#ifndef MODEL_TOKENIZER_H
#define MODEL_TOKENIZER_H

#include "minivl.h"

typedef struct _Tokenizer Tokenizer;

/* folder: tokenizer.model, added_tokens.json, tokenizer_config.json (added_tokens_decoder says which tokens strip white space) */
Tokenizer *tokenizer_load (const gchar *folder, GError **error);
void tokenizer_free (Tokenizer *t);

/* text -> ids, BOS in front as tokenizer_config.json says. Special tokens in the text become tokens. (transfer full): g_free() */
gint32 *tokenizer_encode (const Tokenizer *t, const gchar *text, gssize length, guint *n_ids);
/* ids -> text. Skips special tokens unless raw. Bytes that are no UTF-8 become U+FFFD as the reference does. (transfer full) */
gchar *tokenizer_decode (const Tokenizer *t, const gint32 *ids, guint n_ids, gboolean raw);
/* -1 when there is none */
gint32 tokenizer_id (const Tokenizer *t, const gchar *token);
guint tokenizer_size (const Tokenizer *t);
gint32 tokenizer_bos (const Tokenizer *t);
gint32 tokenizer_eos (const Tokenizer *t);
/* Feeds the files' bytes to a checksum, for model_hash. */
void tokenizer_checksum (const Tokenizer *t, GChecksum *checksum);

/* Text as it is made: whole UTF-8 characters, nothing twice, and nothing that a stop string might still swallow.
 * The concatenation of all pieces is what tokenizer_decode() gives for the ids, cut before the first stop string. */
typedef struct _TextStream TextStream;
TextStream *text_stream_new (const Tokenizer *t, const gchar *const *stop);
void text_stream_free (TextStream *s);
/* (nullable) (transfer full): new text. *stopped: a stop string is complete; further ids are ignored. */
gchar *text_stream_push (TextStream *s, gint32 id, gboolean *stopped);
/* (nullable) (transfer full): what was still held back */
gchar *text_stream_end (TextStream *s);
/* (transfer none): all of it so far, held back text included unless stopped */
const gchar *text_stream_text (TextStream *s);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Tokenizer, tokenizer_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TextStream, text_stream_free)

#endif

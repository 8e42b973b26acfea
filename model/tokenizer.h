/*
 * SentencePiece plus the added tokens of a checkpoint, behaving as one of transformers 4.37's two Llama tokenizers: the fast one,
 * or the slow one with `legacy: false`. The slow one puts no mark in front of text behind a token, looks upon the tokens that
 * tokenizer_config.json names for a purpose as the special ones, and puts spaces around the others when it decodes.
 * Immutable once loaded, thread safe.
 */
#ifndef MODEL_TOKENIZER_H
#define MODEL_TOKENIZER_H

#include "minivl.h"

/* U+2581, which stands for a space in pieces. */
#define SPACE_MARK "\xe2\x96\x81"

typedef struct _Tokenizer Tokenizer;

/* folder: tokenizer.model, tokenizer_config.json (added_tokens_decoder says which tokens strip white space), added_tokens.json
 * (checked against it; stands in for it when it is missing).
 * NULL with MINIVL_ERROR_FILE, naming file and key or token; MINIVL_ERROR_MODEL for a tokenizer of another kind. */
/* Without a tokenizer.model, tokenizer.json is read in its place, and the other two files may be missing: byte pairs with the
 * normalisers and pre-tokenisers of Llama's files. The slow tokenizer is not to be had of it, which tokenizer_has_model() tells
 * beforehand. */
gboolean tokenizer_has_model (const gchar *folder);
Tokenizer *tokenizer_load (const gchar *folder, gboolean slow, GError **error);
void tokenizer_free (Tokenizer *t);

/* text -> ids, BOS in front as tokenizer_config.json says. Special tokens in the text become tokens. length -1: up to the NUL.
 * Bytes that are no UTF-8 count as U+FFFD. (transfer full): g_free() */
gint32 *tokenizer_encode (const Tokenizer *t, const gchar *text, gssize length, guint *n_ids);
/* Bytes of a text. */
typedef struct
{
  gsize start, length;
} TextRange;
/* The same of a text of which parts are words of people, who may write what they like: in literal, ranges in order that do not
 * overlap, special tokens are text, and no token reaches over an edge. Where there is nothing special the ids are those of the text
 * as a whole. Without an added_tokens_decoder nothing says which added tokens are special, and all of them count as such here. */
gint32 *tokenizer_encode_parts (
    const Tokenizer *t, const gchar *text, gssize length, const TextRange *literal, guint n_literal, guint *n_ids);
/* ids -> text. Skips special tokens unless raw, and ids that are none. Bytes that are no UTF-8 become U+FFFD as the reference does.
 * The text may hold NULs. (transfer full) */
GString *tokenizer_decode_string (const Tokenizer *t, const gint32 *ids, guint n_ids, gboolean raw);
/* The same as a C string: a NUL in the text is U+FFFD too. (transfer full) */
gchar *tokenizer_decode (const Tokenizer *t, const gint32 *ids, guint n_ids, gboolean raw);
/* What a token adds to a text that has begun. FALSE: it is no text by itself: special, of no id, or set apart by spaces. */
gboolean tokenizer_bytes (const Tokenizer *t, gint32 id, GString *bytes);
/* -1 when there is none */
gint32 tokenizer_id (const Tokenizer *t, const gchar *token);
/* What the token is called: `▁` for a space, `<0x0A>` for a byte. NULL when there is none. (transfer none) */
const gchar *tokenizer_token (const Tokenizer *t, gint32 id);
/* What it adds to a text, by itself: spaces for marks, the byte of a byte token. Empty when there is none. (transfer full) */
GBytes *tokenizer_token_bytes (const Tokenizer *t, gint32 id);
/* Whether tokenizer_decode() skips it unless raw. */
gboolean tokenizer_is_special (const Tokenizer *t, gint32 id);
gboolean tokenizer_is_slow (const Tokenizer *t);
/* Whether the slow tokenizer decodes what is before and behind it apart, and puts spaces between. */
gboolean tokenizer_stands_apart (const Tokenizer *t, gint32 id);
/* Pieces and added tokens: every id is below. */
guint tokenizer_size (const Tokenizer *t);
/* -1 when tokenizer_config.json says null */
gint32 tokenizer_bos (const Tokenizer *t);
gint32 tokenizer_eos (const Tokenizer *t);
/* Feeds the files' bytes to a checksum, for model_hash. */
void tokenizer_checksum (const Tokenizer *t, GChecksum *checksum);

/* Text as it is made: whole UTF-8 characters, nothing twice, and nothing that a stop string might still swallow.
 * The concatenation of all pieces is what tokenizer_decode() gives for the ids, cut before the stop string that is complete first.
 * A run of byte tokens becomes text when it has ended: one more byte may make a character of its last, or turn all of it into
 * U+FFFD. */
typedef struct _TextStream TextStream;
/* t is borrowed. stop: (nullable) (array zero-terminated=1): those that are empty or no UTF-8 stop nothing */
TextStream *text_stream_new (const Tokenizer *t, const gchar *const *stop);
void text_stream_free (TextStream *s);
/* (nullable) (transfer full): new text. *stopped: a stop string is complete; further ids are ignored. */
gchar *text_stream_push (TextStream *s, gint32 id, gboolean *stopped);
/* (nullable) (transfer full): what was still held back. No id may follow. */
gchar *text_stream_end (TextStream *s);
/* (transfer none): all of it so far, text held back for a stop string included unless it stopped; complete after the end */
const gchar *text_stream_text (TextStream *s);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Tokenizer, tokenizer_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TextStream, text_stream_free)

#endif

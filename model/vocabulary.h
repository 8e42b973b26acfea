/* The tokens of a tokenizer as bytes, in a trie: what shape.h looks through for tokens that can go on. Immutable once made. */
#ifndef MODEL_VOCABULARY_H
#define MODEL_VOCABULARY_H

#include "tokenizer.h"

#define VOCABULARY_LONGEST 64 /* bytes of a token; longer ones are in no trie */

/* In the order of a walk that takes a node before those below it. */
typedef struct
{
  gint32 token;  /* that ends here; -1: none */
  guint32 after; /* the node that follows when nothing below this one is wanted */
  guint8 byte;
  guint8 depth; /* bytes up to here and this one */
} VocabularyNode;

typedef struct
{
  guint n_tokens; /* ids are below: of the model */
  VocabularyNode *nodes;
  guint n_nodes;
  gint32 *twin;      /* [n_tokens]: the next token of the same bytes; -1: none */
  gchar *bytes;      /* of all tokens */
  guint32 *at;       /* [n_tokens + 1]: where a token's bytes begin */
  GArray *not_first; /* gint32: tokens that are other bytes at an answer's beginning, but for the space in front */
} Vocabulary;

/* Tokens that are not text, or end the answer, have no bytes. end_tokens: gint32; n_tokens: of the model, the tokenizer's at least.
 * (transfer full) */
Vocabulary *vocabulary_new (const Tokenizer *t, const GArray *end_tokens, guint n_tokens);
void vocabulary_free (Vocabulary *v);

/* The bytes of a token. */
const gchar *vocabulary_bytes (const Vocabulary *v, gint32 token, guint *n);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Vocabulary, vocabulary_free)

#endif

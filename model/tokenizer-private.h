/* What the files of the tokenizer share. */
#ifndef MODEL_TOKENIZER_PRIVATE_H
#define MODEL_TOKENIZER_PRIVATE_H

#include "tokenizer-json.h"
#include "tokenizer.h"

typedef struct
{
  gint32 id;
  gchar *content;
  gchar *pattern; /* what is looked for: content, or with `normalized` what normalising makes of it */
  gsize pattern_length;
  gsize front; /* bytes of the pattern that are a mark in front */
  gboolean special, single_word, lstrip, rstrip, normalized;
  gboolean named;    /* tokenizer_config.json has it for a purpose: BOS, EOS, unknown, padding, or an additional special token */
  gboolean further;  /* of those, an additional one */
  gboolean reserved; /* no text becomes it */
} AddedToken;

/* Added tokens that are looked for together, the longest first. */
typedef struct
{
  GPtrArray *tokens;   /* borrowed */
  gboolean first[256]; /* bytes that one of them begins with */
} TokenSet;

struct _Tokenizer
{
  gboolean slow;
  MarkRule marks;
  const gchar *source; /* the file that the pieces are from */
  Bpe *bpe;
  GPtrArray *files;  /* GBytes */
  GPtrArray *tokens; /* AddedToken *, by id; some of them are pieces too */
  GHashTable *by_content;
  GPtrArray *above;               /* AddedToken * of the ids behind the pieces, borrowed */
  TokenSet in_raw, in_normalized; /* looked for before and after normalising */
  guint8 *reserved;               /* [pieces] of the slow tokenizer: those that no text becomes, whoever writes it */
  gint32 bos, eos;
  gboolean add_bos, add_eos;
};

/* What the fast tokenizer's normaliser makes of text: with `marks` spaces are marks, with `front` one more is in front. */
GString *tokenizer_normalize (const gchar *text, gsize length, gboolean marks, gboolean front);
/* Whether that is done before added tokens are looked for a second time. */
gboolean tokenizer_marks_early (const Tokenizer *t);
/* The token that begins at text; literal: for each byte whether a person wrote it; NULL: none was. */
const AddedToken *token_set_find (const TokenSet *set, const gchar *text, const guint8 *literal, const gchar *end);
/* Appends the ids of valid UTF-8, without BOS and EOS, as the slow tokenizer has them. */
void tokenizer_encode_slow (const Tokenizer *t, const gchar *text, const guint8 *literal, gsize length, GArray *ids);

#endif

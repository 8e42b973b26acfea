/* What is known of tokens. */
#include "tokenizer-private.h"

#include <string.h>

/* literal: for each byte whether a person wrote it; NULL: none was. The mark in front of a normalised token is no part of it. */
static gboolean
is_allowed (const AddedToken *token, const guint8 *literal)
{
  gsize mark = token->front;

  return !literal
         || (!memchr (literal + mark, !literal[mark], token->pattern_length - mark) && !(token->reserved && literal[mark]));
}

const AddedToken *
token_set_find (const TokenSet *set, const gchar *text, const guint8 *literal, const gchar *end)
{
  if (!set->first[(guint8)*text])
    return NULL;
  for (guint i = 0; i < set->tokens->len; i++) {
    const AddedToken *token = g_ptr_array_index (set->tokens, i);

    if (token->pattern_length <= (gsize)(end - text) && memcmp (text, token->pattern, token->pattern_length) == 0
        && is_allowed (token, literal))
      return token;
  }
  return NULL;
}

const gchar *
tokenizer_token (const Tokenizer *t, gint32 id)
{
  guint n_pieces = bpe_size (t->bpe);

  if (id < 0 || (guint)id >= tokenizer_size (t))
    return NULL;
  return (guint)id < n_pieces ? bpe_piece (t->bpe, id) : ((AddedToken *)g_ptr_array_index (t->above, id - n_pieces))->content;
}

gboolean
tokenizer_is_special (const Tokenizer *t, gint32 id)
{
  const gchar *content = tokenizer_token (t, id);
  const AddedToken *token = content ? g_hash_table_lookup (t->by_content, content) : NULL;

  return token && (t->slow ? token->named : token->special);
}

gboolean
tokenizer_is_slow (const Tokenizer *t)
{
  return t->slow;
}

gboolean
tokenizer_stands_apart (const Tokenizer *t, gint32 id)
{
  const gchar *content = tokenizer_token (t, id);
  const AddedToken *token = content ? g_hash_table_lookup (t->by_content, content) : NULL;

  return t->slow && token && (!token->named || (token->further && (guint)token->id >= bpe_size (t->bpe)));
}

gint32
tokenizer_id (const Tokenizer *t, const gchar *token)
{
  const AddedToken *added = g_hash_table_lookup (t->by_content, token);

  return added ? added->id : bpe_id (t->bpe, token);
}

guint
tokenizer_size (const Tokenizer *t)
{
  return bpe_size (t->bpe) + t->above->len;
}

gint32
tokenizer_bos (const Tokenizer *t)
{
  return t->bos;
}

gint32
tokenizer_eos (const Tokenizer *t)
{
  return t->eos;
}

void
tokenizer_checksum (const Tokenizer *t, GChecksum *checksum)
{
  for (guint i = 0; i < t->files->len; i++) {
    GBytes *bytes = g_ptr_array_index (t->files, i);
    g_checksum_update (checksum, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  }
}

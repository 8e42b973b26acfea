/* Text to ids as transformers' LlamaTokenizer does it with `legacy: false`. */
#include "tokenizer-private.h"

#include <string.h>

/* What stands in front of text that begins with a space, so that SentencePiece keeps the space; its own pieces are dropped again.
 */
#define GUARD "<unk>"

/* A token, or text between tokens. */
typedef struct
{
  const AddedToken *token; /* NULL: text */
  GString *text;
  GByteArray *literal; /* beside the text; NULL: none is a person's */
} Part;

static void
part_clear (gpointer data)
{
  Part *p = data;

  g_string_free (p->text, TRUE);
  g_clear_pointer (&p->literal, g_byte_array_unref);
}

static void
add_part (GArray *parts, const AddedToken *token, const gchar *text, const guint8 *literal, gsize length)
{
  Part part = { token, g_string_new_len (text, length), NULL };

  if (literal) {
    part.literal = g_byte_array_sized_new (length);
    g_byte_array_append (part.literal, literal, length);
  }
  g_array_append_val (parts, part);
}

/* What Python's str.isspace() says. */
static gboolean
is_space (gunichar c)
{
  return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680
         || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

static void
erase (Part *p, gsize start, gsize length)
{
  g_string_erase (p->text, start, length);
  if (p->literal && length > 0)
    g_byte_array_remove_range (p->literal, start, length);
}

static void
strip_front (Part *p)
{
  const gchar *start = p->text->str, *end = start + p->text->len, *at = start;

  while (at < end && is_space (*at ? g_utf8_get_char (at) : 0))
    at = g_utf8_next_char (at);
  if (at > start)
    p->token = NULL;
  erase (p, 0, at - start);
}

static void
strip_back (Part *p)
{
  const gchar *start = p->text->str, *end = start + p->text->len, *at = end;

  while (at > start && is_space (g_utf8_get_char (g_utf8_prev_char (at))))
    at = g_utf8_prev_char (at);
  if (at < end)
    p->token = NULL;
  erase (p, at - start, end - at);
}

/* Puts a token's text to the end or the front of its neighbour's, which is then text. */
static void
join (Part *to, gssize at, Part *token)
{
  g_string_insert_len (to->text, at, token->text->str, token->text->len);
  if (to->literal) {
    g_autoptr (GByteArray) rest = g_byte_array_new ();

    if (at == 0) {
      g_byte_array_append (rest, to->literal->data, to->literal->len);
      g_byte_array_set_size (to->literal, 0);
    }
    g_byte_array_append (to->literal, token->literal->data, token->literal->len);
    g_byte_array_append (to->literal, rest->data, rest->len);
  }
  to->token = NULL;
  erase (token, 0, token->text->len);
}

/* The rules of each token, in order: each sees what those before it have left. */
static void
apply_rules (GArray *parts)
{
  for (guint i = 0; i < parts->len; i++) {
    Part *p = &g_array_index (parts, Part, i), *left = i > 0 ? p - 1 : NULL, *right = i + 1 < parts->len ? p + 1 : NULL;
    gboolean after_word, before_word;

    if (!p->token)
      continue;
    if (left && left->text->len == 0)
      left = NULL;
    after_word = left && left->text->str[left->text->len - 1] != ' ';
    before_word = right && right->text->str[0] != ' ';
    if (p->token->rstrip && right)
      strip_front (right);
    if (p->token->lstrip && left)
      strip_back (left);
    if (p->token->single_word && after_word)
      join (left, -1, p);
    else if (p->token->single_word && before_word)
      join (right, 0, p);
  }
}

static void
encode_text (const Tokenizer *t, const GString *text, GArray *ids)
{
  gboolean guarded = text->str[0] == ' ' || g_str_has_prefix (text->str, SPACE_MARK);
  g_autoptr (GString) marked = g_string_sized_new (text->len + 8);
  g_autoptr (GArray) guard = g_array_new (FALSE, FALSE, sizeof (gint32)), all = g_array_new (FALSE, FALSE, sizeof (gint32));

  if (guarded) {
    bpe_encode_by_score (t->bpe, GUARD, strlen (GUARD), t->reserved, guard);
    g_string_append (marked, GUARD);
  }
  for (gsize i = 0; i < text->len; i++)
    if (text->str[i] == ' ')
      g_string_append (marked, SPACE_MARK);
    else
      g_string_append_c (marked, text->str[i]);
  bpe_encode_by_score (t->bpe, marked->str, marked->len, t->reserved, all);
  for (guint i = all->len >= guard->len ? guard->len : 0; i < all->len; i++)
    g_array_append_val (ids, g_array_index (all, gint32, i));
}

/* A mark in front, and marks of the text's own are spaces. */
static void
mark_text (const gchar *text, const guint8 *literal, gsize length, GString *marked, GByteArray *beside)
{
  const gsize mark = strlen (SPACE_MARK);

  g_string_append (marked, SPACE_MARK);
  for (gsize k = 0; literal && k < mark; k++)
    g_byte_array_append (beside, (const guint8[]){ FALSE }, 1);
  for (gsize i = 0; i < length;) {
    gboolean is_mark = length - i >= mark && memcmp (text + i, SPACE_MARK, mark) == 0;

    g_string_append_c (marked, is_mark ? ' ' : text[i]);
    if (literal)
      g_byte_array_append (beside, literal + i, 1);
    i += is_mark ? mark : 1;
  }
}

static void
split (const Tokenizer *t, const gchar *text, const guint8 *literal, gsize length, GArray *parts)
{
  const gchar *end = text + length, *done = text;

  for (const gchar *p = text; p < end;) {
    const AddedToken *token = token_set_find (&t->in_raw, p, literal ? literal + (p - text) : NULL, end);

    if (!token) {
      p++;
      continue;
    }
    if (p > done)
      add_part (parts, NULL, done, literal ? literal + (done - text) : NULL, p - done);
    add_part (parts, token, p, literal ? literal + (p - text) : NULL, token->pattern_length);
    p = done = p + token->pattern_length;
  }
  if (end > done)
    add_part (parts, NULL, done, literal ? literal + (done - text) : NULL, end - done);
}

void
tokenizer_encode_slow (const Tokenizer *t, const gchar *text, const guint8 *literal, gsize length, GArray *ids)
{
  g_autoptr (GArray) parts = g_array_new (FALSE, FALSE, sizeof (Part));
  g_autoptr (GString) marked = g_string_sized_new (length + 8);
  g_autoptr (GByteArray) beside = g_byte_array_new ();
  guint first = ids->len;

  if (length == 0)
    return;
  g_array_set_clear_func (parts, part_clear);
  mark_text (text, literal, length, marked, beside);
  split (t, marked->str, literal ? beside->data : NULL, marked->len, parts);
  apply_rules (parts);
  for (guint i = 0; i < parts->len; i++) {
    const Part *p = &g_array_index (parts, Part, i);

    if (p->text->len > 0 && p->token)
      g_array_append_val (ids, p->token->id);
    else if (p->text->len > 0)
      encode_text (t, p->text, ids);
  }
  /* The mark in front is not kept before one of the named tokens. */
  if (ids->len > first + 1 && g_array_index (ids, gint32, first) == bpe_id (t->bpe, SPACE_MARK)
      && tokenizer_is_special (t, g_array_index (ids, gint32, first + 1)))
    g_array_remove_index (ids, first);
}

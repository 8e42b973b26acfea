/* Text to ids as the fast tokenizer does it. */
#include "tokenizer-private.h"

#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"

GString *
tokenizer_normalize (const gchar *text, gsize length, gboolean marks, gboolean front)
{
  GString *s = g_string_sized_new (length + length / 4 + 8);

  if (length > 0 && front)
    g_string_append (s, SPACE_MARK);
  for (gsize i = 0; i < length; i++)
    if (marks && text[i] == ' ')
      g_string_append (s, SPACE_MARK);
    else
      g_string_append_c (s, text[i]);
  return s;
}

gboolean
tokenizer_marks_early (const Tokenizer *t)
{
  return t->marks == MARK_EACH || t->marks == MARK_NONE;
}

/* --- text to ids ----------------------------------------------------------------------------------------------------------- */

/* Unicode's White_Space, which regular expressions call \s */
static gboolean
is_white (gunichar c)
{
  return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a)
         || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

/* What regular expressions call \w: letters, marks, decimal digits, letters that are numbers, connectors, joiners */
static gboolean
is_word (gunichar c)
{
  GUnicodeType type = g_unichar_type (c);

  return g_unichar_isalpha (c) || g_unichar_ismark (c) || type == G_UNICODE_DECIMAL_NUMBER || type == G_UNICODE_LETTER_NUMBER
         || type == G_UNICODE_CONNECT_PUNCTUATION || c == 0x200c || c == 0x200d;
}

static gboolean
stands_alone (const gchar *start, const gchar *from, const gchar *to, const gchar *end)
{
  return (from == start || !is_word (g_utf8_get_char (g_utf8_prev_char (from)))) && (to == end || !is_word (g_utf8_get_char (to)));
}

/* Does to `literal` what tokenizer_normalize() does to the text. */
static GByteArray *
normalize_literal (const guint8 *literal, const gchar *text, gsize length, gboolean marks, gboolean front)
{
  GByteArray *normal = g_byte_array_new ();

  for (gsize i = 0; i < length; i++)
    for (gsize n = (i == 0 && front ? strlen (SPACE_MARK) : 0) + (marks && text[i] == ' ' ? strlen (SPACE_MARK) : 1); n > 0; n--)
      g_byte_array_append (normal, literal + i, 1);
  return normal;
}

/* A text, and where it stands. */
typedef struct
{
  const gchar *text;
  const guint8 *literal; /* beside it, or NULL */
  gsize length;
  gboolean first; /* nothing is before it */
} Stretch;

static void encode_part (const Tokenizer *t, const TokenSet *set, const Stretch *s, GArray *ids);

static void
encode_pieces (const Tokenizer *t, const Stretch *s, GArray *ids)
{
  gboolean marked = s->text[0] == ' ' || g_str_has_prefix (s->text, SPACE_MARK);
  gboolean front = !marked && (t->marks == MARK_LATE_EACH || (t->marks == MARK_LATE_FIRST && s->first));
  g_autoptr (GString) marks = NULL;

  if (tokenizer_marks_early (t)) {
    bpe_encode (t->bpe, s->text, s->length, s->literal ? t->reserved : NULL, ids);
    return;
  }
  marks = tokenizer_normalize (s->text, s->length, TRUE, front);
  bpe_encode (t->bpe, marks->str, marks->len, s->literal ? t->reserved : NULL, ids);
}

/* Text between tokens: raw text is normalised and searched again, normalised text goes to the pieces. */
static void
encode_between (const Tokenizer *t, const TokenSet *set, const Stretch *s, GArray *ids)
{
  gboolean marks = tokenizer_marks_early (t), front = t->marks == MARK_EACH;

  if (s->length == 0)
    return;
  if (set == &t->in_raw) {
    g_autoptr (GString) normal = tokenizer_normalize (s->text, s->length, marks, front);
    g_autoptr (GByteArray) literal = s->literal ? normalize_literal (s->literal, s->text, s->length, marks, front) : NULL;

    encode_part (t, &t->in_normalized, &(Stretch){ normal->str, literal ? literal->data : NULL, normal->len, s->first }, ids);
  } else
    encode_pieces (t, s, ids);
}

/* The part of a stretch from here to there */
static Stretch
stretch_part (const Stretch *s, const gchar *from, const gchar *to)
{
  return (Stretch){ from, s->literal ? s->literal + (from - s->text) : NULL, to - from, s->first && from == s->text };
}

static void
encode_part (const Tokenizer *t, const TokenSet *set, const Stretch *s, GArray *ids)
{
  const gchar *text = s->text, *end = text + s->length, *done = text;
  Stretch between;

  for (const gchar *p = text; p < end;) {
    const AddedToken *token = token_set_find (set, p, s->literal ? s->literal + (p - text) : NULL, end);
    const gchar *from = p, *to;

    if (!token) {
      p++;
      continue;
    }
    to = p = from + token->pattern_length;
    if (token->single_word && !stands_alone (text, from, to, end))
      continue;
    if (token->lstrip)
      while (from > done && is_white (g_utf8_get_char (g_utf8_prev_char (from))))
        from = g_utf8_prev_char (from);
    if (token->rstrip)
      while (to < end && is_white (g_utf8_get_char (to)))
        to = g_utf8_next_char (to);
    between = stretch_part (s, done, from);
    encode_between (t, set, &between, ids);
    g_array_append_val (ids, token->id);
    p = done = to;
  }
  between = stretch_part (s, done, end);
  encode_between (t, set, &between, ids);
}

/* NULs stay: they are characters to the reference. literal: what is beside the text, made to fit the new one; NULL for none. */
static GString *
make_valid (const gchar *text, gsize length, GByteArray *literal)
{
  GString *s = g_string_sized_new (length + 1);
  g_autofree guint8 *beside = literal ? g_memdup2 (literal->data, length) : NULL;

  if (literal)
    g_byte_array_set_size (literal, 0);
  for (const gchar *p = text, *end = text + length; p < end;) {
    gunichar c = *p ? g_utf8_get_char_validated (p, end - p) : 0;
    gsize n = 1, before = s->len;

    if (c == (gunichar)-1 || c == (gunichar)-2)
      g_string_append (s, REPLACEMENT);
    else {
      n = c ? (gsize)(g_utf8_next_char (p) - p) : 1;
      g_string_append_len (s, p, n);
    }
    for (gsize i = before; literal && i < s->len; i++)
      g_byte_array_append (literal, beside + (p - text), 1);
    p += n;
  }
  return s;
}

gint32 *
tokenizer_encode_parts (
    const Tokenizer *t, const gchar *text, gssize length, const TextRange *literal, guint n_literal, guint *n_ids)
{
  gsize n = length < 0 ? strlen (text) : (gsize)length;
  g_autoptr (GByteArray) beside = n_literal > 0 ? g_byte_array_sized_new (n + 1) : NULL;
  g_autoptr (GString) valid = NULL;
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (gint32));

  if (beside) {
    g_byte_array_set_size (beside, n);
    memset (beside->data, FALSE, n);
  }
  for (guint i = 0; i < n_literal; i++)
    memset (beside->data + literal[i].start, TRUE, literal[i].length);
  valid = make_valid (text, n, beside);

  if (t->add_bos)
    g_array_append_val (ids, t->bos);
  if (t->slow)
    tokenizer_encode_slow (t, valid->str, beside ? beside->data : NULL, valid->len, ids);
  else
    encode_part (t, &t->in_raw, &(Stretch){ valid->str, beside ? beside->data : NULL, valid->len, TRUE }, ids);
  if (t->add_eos)
    g_array_append_val (ids, t->eos);
  *n_ids = ids->len;
  return (gint32 *)g_array_free (ids, FALSE);
}

gint32 *
tokenizer_encode (const Tokenizer *t, const gchar *text, gssize length, guint *n_ids)
{
  return tokenizer_encode_parts (t, text, length, NULL, 0, n_ids);
}

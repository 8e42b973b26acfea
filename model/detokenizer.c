/* Ids to text, at once and as they come. */
#include "tokenizer.h"

#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"

/* Marks become spaces, runs of byte tokens become text. Of the fast tokenizer's text the first space of all goes. The slow one
 * decodes what is between tokens that stand apart by itself, takes a mark off the front of each such part, and joins parts and
 * tokens by spaces; a part of no text counts at the end alone. */
typedef struct
{
  const Tokenizer *tokenizer;
  gboolean raw;       /* special tokens are text */
  gboolean hold_nul;  /* the text may hold NULs */
  gboolean begun;     /* there was text */
  gboolean in_part;   /* slow: there were tokens of a part */
  gboolean wants_gap; /* slow: a space comes before what is next */
  GString *run;       /* bytes of the byte tokens since the last other token */
} Decoder;

static void
decoder_append (Decoder *d, GString *text, const gchar *bytes, gsize n)
{
  gboolean strip = !tokenizer_is_slow (d->tokenizer) && !d->begun && n > 0 && bytes[0] == ' ';

  if (d->wants_gap && n > 0) {
    g_string_append_c (text, ' ');
    d->wants_gap = FALSE;
  }
  d->begun = d->begun || n > 0;
  g_string_append_len (text, bytes + strip, n - strip);
}

/* g_utf8_validate() takes NULs for errors. */
static gboolean
run_is_text (const GString *run)
{
  const gchar *p = run->str, *end = p + run->len;

  while (p < end) {
    gsize n = strnlen (p, end - p);

    if (!g_utf8_validate_len (p, n, NULL))
      return FALSE;
    p += n + 1;
  }
  return TRUE;
}

/* Bytes from here on that are a character, 0 when they are none. */
static gsize
character_length (const gchar *byte, gsize n)
{
  if (*byte == '\0')
    return 1;
  return (gint32)g_utf8_get_char_validated (byte, n) < 0 ? 0 : g_utf8_next_char (byte) - byte;
}

/* A byte that fits no character is U+FFFD; with the fast tokenizer it spoils the run: each of its bytes is then. */
static void
decoder_end_run (Decoder *d, GString *text)
{
  gboolean spoilt = !tokenizer_is_slow (d->tokenizer) && !run_is_text (d->run);
  gsize n;

  for (gsize i = 0; i < d->run->len; i += MAX (n, 1)) {
    const gchar *byte = d->run->str + i;

    n = spoilt ? 0 : character_length (byte, d->run->len - i);
    if (n > 0 && (*byte || d->hold_nul))
      decoder_append (d, text, byte, n);
    else
      decoder_append (d, text, REPLACEMENT, strlen (REPLACEMENT));
  }
  g_string_truncate (d->run, 0);
}

/* The value of a byte token, -1 for other tokens */
static gint
token_byte (const gchar *token)
{
  gint high, low;

  if (strlen (token) != 6 || !g_str_has_prefix (token, "<0x") || token[5] != '>')
    return -1;
  high = g_ascii_xdigit_value (token[3]);
  low = g_ascii_xdigit_value (token[4]);
  return high < 0 || low < 0 ? -1 : high << 4 | low;
}

GBytes *
tokenizer_token_bytes (const Tokenizer *t, gint32 id)
{
  const gchar *token = tokenizer_token (t, id);
  gint byte = token ? token_byte (token) : -1;
  g_autoptr (GString) text = g_string_new (byte >= 0 ? NULL : token);

  if (byte >= 0)
    g_string_append_c (text, byte);
  else
    g_string_replace (text, SPACE_MARK, " ", 0);
  return g_string_free_to_bytes (g_steal_pointer (&text));
}

static void
append_piece (Decoder *d, const gchar *piece, GString *text)
{
  for (const gchar *mark; (mark = strstr (piece, SPACE_MARK)); piece = mark + strlen (SPACE_MARK)) {
    decoder_append (d, text, piece, mark - piece);
    decoder_append (d, text, " ", 1);
  }
  decoder_append (d, text, piece, strlen (piece));
}

/* A token that is decoded by itself. */
static void
append_apart (Decoder *d, const gchar *token, GString *text)
{
  decoder_end_run (d, text);
  d->in_part = FALSE;
  d->wants_gap = d->begun;
  decoder_append (d, text, token, strlen (token));
}

/* The first token of a part loses the mark in front. What is left may be no piece: then SentencePiece leaves it as it is. FALSE: it
 * has none, and nothing is done. */
static gboolean
begin_part (Decoder *d, const gchar *token, GString *text)
{
  const gchar *rest = token + strlen (SPACE_MARK);

  d->in_part = TRUE;
  d->wants_gap = d->begun;
  if (!g_str_has_prefix (token, SPACE_MARK))
    return FALSE;
  if (tokenizer_id (d->tokenizer, rest) >= 0)
    append_piece (d, rest, text);
  else
    decoder_append (d, text, rest, strlen (rest));
  return TRUE;
}

/* FALSE: the token is one more of a run, and the text has not changed. */
static gboolean
decoder_push (Decoder *d, gint32 id, GString *text)
{
  const gchar *token = tokenizer_token (d->tokenizer, id);
  gint byte;

  if (!token || (!d->raw && tokenizer_is_special (d->tokenizer, id)))
    return FALSE;
  if (tokenizer_stands_apart (d->tokenizer, id)) {
    append_apart (d, token, text);
    return TRUE;
  }
  if (tokenizer_is_slow (d->tokenizer) && !d->in_part && begin_part (d, token, text))
    return TRUE;
  byte = token_byte (token);
  if (byte >= 0) {
    g_string_append_c (d->run, byte);
    return FALSE;
  }
  decoder_end_run (d, text);
  append_piece (d, token, text);
  return TRUE;
}

/* No token may follow. */
static void
decoder_end (Decoder *d, GString *text)
{
  decoder_end_run (d, text);
  if (d->wants_gap)
    g_string_append_c (text, ' ');
  d->wants_gap = FALSE;
}

static GString *
decode (Decoder *d, const gint32 *ids, guint n_ids)
{
  GString *text = g_string_new (NULL);

  d->run = g_string_new (NULL);
  for (guint i = 0; i < n_ids; i++)
    decoder_push (d, ids[i], text);
  decoder_end (d, text);
  g_string_free (d->run, TRUE);
  return text;
}

GString *
tokenizer_decode_string (const Tokenizer *t, const gint32 *ids, guint n_ids, gboolean raw)
{
  Decoder d = { .tokenizer = t, .raw = raw, .hold_nul = TRUE };

  return decode (&d, ids, n_ids);
}

gchar *
tokenizer_decode (const Tokenizer *t, const gint32 *ids, guint n_ids, gboolean raw)
{
  Decoder d = { .tokenizer = t, .raw = raw };

  return g_string_free (decode (&d, ids, n_ids), FALSE);
}

gboolean
tokenizer_bytes (const Tokenizer *t, gint32 id, GString *bytes)
{
  Decoder d = { .tokenizer = t, .begun = TRUE };
  const gchar *token = tokenizer_token (t, id);
  gint byte;

  g_string_truncate (bytes, 0);
  if (!token || tokenizer_is_special (t, id) || tokenizer_stands_apart (t, id))
    return FALSE;
  byte = token_byte (token);
  if (byte >= 0)
    g_string_append_c (bytes, byte);
  else
    append_piece (&d, token, bytes);
  return TRUE;
}

struct _TextStream
{
  Decoder decoder;
  GPtrArray *stops;
  GString *text;
  gsize searched; /* no stop string ends at this byte or before */
  gsize given;    /* bytes that push and end have returned */
  gboolean stopped;
};

TextStream *
text_stream_new (const Tokenizer *t, const gchar *const *stop)
{
  TextStream *s = g_new0 (TextStream, 1);

  s->decoder.tokenizer = t;
  s->decoder.run = g_string_new (NULL);
  s->stops = g_ptr_array_new_with_free_func (g_free);
  s->text = g_string_new (NULL);
  for (; stop && *stop; stop++)
    if (**stop && g_utf8_validate (*stop, -1, NULL))
      g_ptr_array_add (s->stops, g_strdup (*stop));
  return s;
}

void
text_stream_free (TextStream *s)
{
  if (!s)
    return;
  g_string_free (s->decoder.run, TRUE);
  g_ptr_array_unref (s->stops);
  g_string_free (s->text, TRUE);
  g_free (s);
}

/* Cuts the text before the stop string that is complete first; of several that end together, before the longest. */
static void
cut_at_stop (TextStream *s)
{
  for (gsize end = s->searched + 1; end <= s->text->len && !s->stopped; end++) {
    gsize longest = 0;

    for (guint i = 0; i < s->stops->len; i++) {
      const gchar *stop = g_ptr_array_index (s->stops, i);
      gsize n = strlen (stop);

      if (n > longest && n <= end && memcmp (s->text->str + end - n, stop, n) == 0)
        longest = n;
    }
    if (longest > 0) {
      g_string_truncate (s->text, end - longest);
      s->stopped = TRUE;
    }
  }
  s->searched = s->text->len;
}

/* Bytes at the text's end with which a stop string may begin */
static gsize
held_back (const TextStream *s)
{
  gsize most = 0;

  for (guint i = 0; i < s->stops->len; i++) {
    const gchar *stop = g_ptr_array_index (s->stops, i);

    for (gsize n = MIN (strlen (stop) - 1, s->text->len - s->given); n > most; n--)
      if (memcmp (s->text->str + s->text->len - n, stop, n) == 0)
        most = n;
  }
  return most;
}

static gchar *
give (TextStream *s, gsize up_to)
{
  gchar *piece = up_to > s->given ? g_strndup (s->text->str + s->given, up_to - s->given) : NULL;

  s->given = up_to;
  return piece;
}

gchar *
text_stream_push (TextStream *s, gint32 id, gboolean *stopped)
{
  gchar *piece = NULL;

  if (!s->stopped && decoder_push (&s->decoder, id, s->text)) {
    cut_at_stop (s);
    piece = give (s, s->text->len - (s->stopped ? 0 : held_back (s)));
  }
  *stopped = s->stopped;
  return piece;
}

gchar *
text_stream_end (TextStream *s)
{
  if (!s->stopped) {
    decoder_end (&s->decoder, s->text);
    cut_at_stop (s);
  }
  return give (s, s->text->len);
}

const gchar *
text_stream_text (TextStream *s)
{
  return s->text->str;
}

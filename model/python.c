#include "python.h"

#include <string.h>

typedef enum
{
  END,
  NAME,   /* a word or a number */
  STRING, /* text is its value; NULL: nobody knows */
  OTHER,  /* one character */
} Kind;

typedef struct
{
  Kind kind;
  gchar *text;
  gchar other;
} Token;

static void
token_clear (gpointer data)
{
  g_free (((Token *)data)->text);
}

/* --- tokens ---------------------------------------------------------------------------------------------------------------- */

/* \x, \u and \U: so many hexadecimal digits. FALSE: they are not there, or no character. */
static gboolean
append_coded (GString *out, const gchar *digits, guint n)
{
  gunichar c = 0;

  for (guint i = 0; i < n; i++) {
    gint digit = g_ascii_xdigit_value (digits[i]);

    if (digit < 0)
      return FALSE;
    c = c << 4 | digit;
  }
  if (c == 0 || !g_unichar_validate (c))
    return FALSE;
  g_string_append_unichar (out, c);
  return TRUE;
}

/* at: behind the backslash. Returns what is behind all of it, NULL when it is not known. */
static const gchar *
append_escape (GString *out, const gchar *at)
{
  static const gchar letters[] = "\\'\"abfnrtv", values[] = "\\'\"\a\b\f\n\r\t\v";
  const gchar *letter = *at ? strchr (letters, *at) : NULL;

  if (letter)
    g_string_append_c (out, values[letter - letters]);
  else if (*at == 'x')
    return append_coded (out, at + 1, 2) ? at + 3 : NULL;
  else if (*at == 'u')
    return append_coded (out, at + 1, 4) ? at + 5 : NULL;
  else if (*at == 'U')
    return append_coded (out, at + 1, 8) ? at + 9 : NULL;
  else if (*at == '\0' || *at == 'N' || g_ascii_isdigit (*at))
    return NULL;
  else if (*at != '\n') {
    g_string_append_c (out, '\\');
    return at;
  }
  return at + 1;
}

/* at: the first quote. Returns what is behind the last one, NULL when there is none. known: FALSE for f-strings and bytes. */
static const gchar *
read_string (const gchar *at, gboolean raw, gboolean known, Token *token)
{
  gsize quotes = at[1] == at[0] && at[2] == at[0] ? 3 : 1;
  const gchar *quote = at;
  GString *value = g_string_new (NULL);

  for (at += quotes; *at && strncmp (at, quote, quotes) != 0;) {
    const gchar *next = at + 1;

    if (*at == '\n' && quotes == 1)
      break;
    if (*at != '\\')
      g_string_append_c (value, *at);
    else if (raw) {
      g_string_append_c (value, *at);
      if (*next)
        g_string_append_c (value, *next++);
    } else {
      next = append_escape (value, next);
      if (!next) {
        known = FALSE;
        next = at[1] ? at + 2 : at + 1;
      }
    }
    at = next;
  }
  token->kind = STRING;
  token->text = g_string_free (value, !known);
  if (strncmp (at, quote, quotes) == 0)
    return at + quotes;
  return NULL;
}

static gboolean
is_word (gchar c)
{
  return g_ascii_isalnum (c) || c == '_' || (guchar)c >= 0x80;
}

/* FALSE: a string does not end. */
static gboolean
read_token (const gchar **text, Token *token)
{
  const gchar *at = *text, *start;

  *token = (Token){ END };
  while (g_ascii_isspace (*at) || *at == '#' || *at == '\\')
    at += *at == '#' ? strcspn (at, "\n") : 1;
  start = at;
  while (is_word (*at))
    at++;
  if (*at == '"' || *at == '\'') {
    gsize n = at - start;

    if (strspn (start, "rRuUbBfFtT") >= n && n <= 2) {
      gboolean raw = memchr (start, 'r', n) || memchr (start, 'R', n);
      gboolean plain = strspn (start, "rRuU") >= n;

      *text = read_string (at, raw, plain, token);
      return *text != NULL;
    }
  }
  if (at > start) {
    token->kind = NAME;
    token->text = g_strndup (start, at - start);
  } else if (*at) {
    token->kind = OTHER;
    token->other = *at++;
  }
  *text = at;
  return TRUE;
}

/* The last one is END. NULL: a string does not end. */
static GArray *
read_tokens (const gchar *text)
{
  g_autoptr (GArray) tokens = g_array_new (FALSE, FALSE, sizeof (Token));
  Token token;

  g_array_set_clear_func (tokens, token_clear);
  do {
    gboolean ok = read_token (&text, &token);

    g_array_append_val (tokens, token);
    if (!ok)
      return NULL;
  } while (token.kind != END);
  return g_steal_pointer (&tokens);
}

/* --- arguments ------------------------------------------------------------------------------------------------------------- */

static gboolean
is_other (const Token *t, const gchar *characters)
{
  return t->kind == OTHER && strchr (characters, t->other);
}

/* One string of one part or more, in brackets or not. Returns what is behind it, NULL when it is none. */
static const Token *
read_value (const Token *t, GString *value)
{
  const Token *start = t;

  if (is_other (t, "(") && !is_other (t + 1, "(")) {
    t = read_value (t + 1, value);
    return t && is_other (t, ")") ? t + 1 : NULL;
  }
  for (; t->kind == STRING; t++) {
    if (!t->text)
      return NULL;
    g_string_append (value, t->text);
  }
  return t > start ? t : NULL;
}

/* A string, or a list of them, that ends with the argument; NULL when it is none. (transfer full) */
static GPtrArray *
read_values (const Token *t)
{
  g_autoptr (GPtrArray) values = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GString) value = g_string_new (NULL);
  const Token *next = read_value (t, value);

  if (next && is_other (next, ",)")) {
    g_ptr_array_add (values, g_strdup (value->str));
    return g_steal_pointer (&values);
  }
  if (!is_other (t, "(["))
    return NULL;
  do {
    g_string_truncate (value, 0);
    t = read_value (t + 1, value);
    if (t)
      g_ptr_array_add (values, g_strdup (value->str));
  } while (t && is_other (t, ",") && !is_other (t + 1, ")]"));
  if (t && is_other (t, ","))
    t++;
  return t && is_other (t, ")]") && is_other (t + 1, ",)") ? g_steal_pointer (&values) : NULL;
}

/* t: behind the opening bracket. NULL when the brackets do not close. */
static GHashTable *
read_arguments (const Token *t)
{
  g_autoptr (GHashTable) arguments = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
  gboolean first = TRUE;

  for (guint depth = 0; !is_other (t, ")") || depth > 0; t++) {
    if (t->kind == END)
      return NULL;
    if (depth == 0 && first && t->kind == NAME && is_other (t + 1, "=")) {
      GPtrArray *values = read_values (t + 2);

      if (values)
        g_hash_table_insert (arguments, g_strdup (t->text), values);
    }
    first = depth == 0 && is_other (t, ",");
    if (is_other (t, "([{"))
      depth++;
    else if (is_other (t, ")]}") && depth > 0)
      depth--;
  }
  return g_steal_pointer (&arguments);
}

GHashTable *
python_find_call (const gchar *text, const gchar *callee, const gchar *key, const gchar *value)
{
  g_autoptr (GArray) tokens = read_tokens (text);

  for (guint i = 0; tokens && i + 1 < tokens->len; i++) {
    const Token *t = &g_array_index (tokens, Token, i);
    g_autoptr (GHashTable) arguments = NULL;
    GPtrArray *values;

    if (t->kind != NAME || !g_str_has_suffix (t->text, callee) || !is_other (t + 1, "("))
      continue;
    arguments = read_arguments (t + 2);
    if (!arguments)
      return NULL;
    values = g_hash_table_lookup (arguments, key);
    if (values && values->len == 1 && g_str_equal (values->pdata[0], value))
      return g_steal_pointer (&arguments);
  }
  return NULL;
}

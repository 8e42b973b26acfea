/* JSON text checked before json-glib sees it. */
#include "strictjson.h"

#include <math.h>
#include <string.h>

#define MAX_DEPTH 64
#define MAX_FILE (64 << 20)

typedef struct
{
  const gchar *start, *at, *end;
  const gchar *name;
  guint depth;
  GError **error;
} Scan;

static gboolean scan_value (Scan *s);

static gboolean G_GNUC_PRINTF (2, 3) fail (Scan *s, const gchar *format, ...)
{
  g_autofree gchar *what = NULL;
  const gchar *line_start = s->start;
  guint line = 1;
  va_list args;

  for (const gchar *p = s->start; p < s->at; p++)
    if (*p == '\n') {
      line++;
      line_start = p + 1;
    }
  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (s->error, MINIVL_ERROR, MINIVL_ERROR_FILE, "%s: line %u, column %u: %s", s->name, line,
      (guint)(s->at - line_start) + 1, what);
  return FALSE;
}

static gchar
peek (const Scan *s)
{
  return s->at < s->end ? *s->at : '\0';
}

static void
skip_space (Scan *s)
{
  while (s->at < s->end && strchr (" \t\r\n", *s->at) != NULL)
    s->at++;
}

static gboolean
scan_hex (Scan *s, guint *unit)
{
  *unit = 0;
  for (guint i = 0; i < 4; i++, s->at++) {
    gint digit = g_ascii_xdigit_value (peek (s));

    if (digit < 0)
      return fail (s, "four hexadecimal digits must follow \\u");
    *unit = *unit * 16 + digit;
  }
  return TRUE;
}

/* at: behind `\u` */
static gboolean
scan_unicode (Scan *s, GString *out)
{
  guint unit, low;

  if (!scan_hex (s, &unit))
    return FALSE;
  if (unit >= 0xd800 && unit < 0xdc00) {
    if (s->end - s->at < 2 || s->at[0] != '\\' || s->at[1] != 'u')
      return fail (s, "half of a surrogate pair");
    s->at += 2;
    if (!scan_hex (s, &low))
      return FALSE;
    if (low < 0xdc00 || low > 0xdfff)
      return fail (s, "half of a surrogate pair");
    unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
  } else if (unit >= 0xdc00 && unit <= 0xdfff) {
    return fail (s, "half of a surrogate pair");
  }
  if (unit == 0)
    return fail (s, "a string with a zero character");
  g_string_append_unichar (out, unit);
  return TRUE;
}

static gboolean
scan_string (Scan *s, GString *out)
{
  static const gchar escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";

  if (peek (s) != '"')
    return fail (s, "a string is missing");
  s->at++;
  while (peek (s) != '"') {
    if (s->at == s->end || (guchar)*s->at < 0x20)
      return fail (s, "a string does not end");
    if (*s->at != '\\') {
      g_string_append_c (out, *s->at++);
      continue;
    }
    s->at++;
    if (peek (s) == 'u') {
      s->at++;
      if (!scan_unicode (s, out))
        return FALSE;
    } else {
      const gchar *escape = s->at < s->end ? strchr (escapes, *s->at) : NULL;

      if (escape == NULL)
        return fail (s, "an escape that JSON does not have");
      g_string_append_c (out, meanings[escape - escapes]);
      s->at++;
    }
  }
  s->at++;
  return TRUE;
}

static gboolean
scan_digits (Scan *s)
{
  const gchar *first = s->at;

  while (g_ascii_isdigit (peek (s)))
    s->at++;
  return s->at > first || fail (s, "a digit is missing");
}

static gboolean
scan_number (Scan *s)
{
  const gchar *first = s->at;
  g_autofree gchar *token = NULL;
  gboolean integer = TRUE;

  if (peek (s) == '-')
    s->at++;
  if (peek (s) == '0')
    s->at++;
  else if (!scan_digits (s))
    return FALSE;
  if (peek (s) == '.') {
    integer = FALSE;
    s->at++;
    if (!scan_digits (s))
      return FALSE;
  }
  if (peek (s) == 'e' || peek (s) == 'E') {
    integer = FALSE;
    s->at++;
    if (peek (s) == '+' || peek (s) == '-')
      s->at++;
    if (!scan_digits (s))
      return FALSE;
  }
  token = g_strndup (first, s->at - first);
  if (integer ? !g_ascii_string_to_signed (token, 10, G_MININT64, G_MAXINT64, NULL, NULL)
              : !isfinite (g_ascii_strtod (token, NULL)))
    return fail (s, "%.40s does not fit a number", token);
  return TRUE;
}

static gboolean
scan_word (Scan *s)
{
  static const gchar *const words[] = { "true", "false", "null" };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++) {
    gsize n = strlen (words[i]);

    if ((gsize)(s->end - s->at) >= n && memcmp (s->at, words[i], n) == 0) {
      s->at += n;
      return TRUE;
    }
  }
  return fail (s, s->at == s->end ? "the text ends here" : "neither an object, an array, a string, a number, true, false nor null");
}

static gboolean
scan_member (Scan *s, GHashTable *keys)
{
  g_autoptr (GString) key = g_string_new (NULL);

  skip_space (s);
  if (!scan_string (s, key))
    return FALSE;
  if (g_hash_table_contains (keys, key->str))
    return fail (s, "key \"%s\" is there twice", key->str);
  g_hash_table_add (keys, g_strdup (key->str));
  skip_space (s);
  if (peek (s) != ':')
    return fail (s, "a colon is missing");
  s->at++;
  return scan_value (s);
}

/* Both kinds of container: keys is NULL for an array. */
static gboolean
scan_members (Scan *s, gchar close, GHashTable *keys)
{
  s->at++;
  if (++s->depth > MAX_DEPTH)
    return fail (s, "more than %d levels", MAX_DEPTH);
  skip_space (s);
  if (peek (s) != close)
    for (;;) {
      if (!(keys != NULL ? scan_member (s, keys) : scan_value (s)))
        return FALSE;
      if (peek (s) != ',')
        break;
      s->at++;
    }
  if (peek (s) != close)
    return fail (s, "a comma or %c is missing", close);
  s->at++;
  s->depth--;
  return TRUE;
}

/* A value and the white space around it. */
static gboolean
scan_value (Scan *s)
{
  gboolean ok;

  skip_space (s);
  if (peek (s) == '{') {
    g_autoptr (GHashTable) keys = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

    ok = scan_members (s, '}', keys);
  } else if (peek (s) == '[') {
    ok = scan_members (s, ']', NULL);
  } else if (peek (s) == '"') {
    g_autoptr (GString) string = g_string_new (NULL);

    ok = scan_string (s, string);
  } else if (peek (s) == '-' || g_ascii_isdigit (peek (s))) {
    ok = scan_number (s);
  } else {
    ok = scan_word (s);
  }
  if (ok)
    skip_space (s);
  return ok;
}

JsonObject *
strict_json_parse (const gchar *text, gsize length, const gchar *name, GError **error)
{
  Scan s = { .start = text, .at = text, .end = text + length, .name = name, .error = error };
  g_autoptr (JsonParser) parser = NULL;
  g_autoptr (GError) parse_error = NULL;

  if (!g_utf8_validate_len (text, length, &s.at)) {
    fail (&s, "not UTF-8, or a zero byte");
    return NULL;
  }
  s.at = text;
  skip_space (&s);
  if (peek (&s) != '{') {
    fail (&s, "not a JSON object");
    return NULL;
  }
  if (!scan_value (&s))
    return NULL;
  if (s.at != s.end) {
    fail (&s, "text behind the object");
    return NULL;
  }

  parser = json_parser_new ();
  if (!json_parser_load_from_data (parser, text, length, &parse_error)) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE, "%s: %s", name, parse_error->message);
    return NULL;
  }
  return json_object_ref (json_node_get_object (json_parser_get_root (parser)));
}

JsonObject *
strict_json_load (const gchar *path, GError **error)
{
  g_autoptr (GError) map_error = NULL;
  g_autoptr (GMappedFile) file = g_mapped_file_new (path, FALSE, &map_error);

  if (file == NULL) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE, "%s", map_error->message);
    return NULL;
  }
  if (g_mapped_file_get_length (file) > MAX_FILE) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE,
        "%s: %" G_GSIZE_FORMAT " bytes are more than a JSON file of a checkpoint has", path, g_mapped_file_get_length (file));
    return NULL;
  }
  return strict_json_parse (
      g_mapped_file_get_length (file) > 0 ? g_mapped_file_get_contents (file) : "", g_mapped_file_get_length (file), path, error);
}

#include "json-text.h"

#include <string.h>

/* Of nested brackets: the members of a result, and data of any schema. */
#define MAX_DEPTH 72

gboolean
json_is_shallow (const gchar *text, gsize length)
{
  gboolean in_string = FALSE;
  gint depth = 0;

  for (gsize i = 0; i < length && depth <= MAX_DEPTH; i++) {
    gchar c = text[i];

    if (in_string && c == '\\')
      i++;
    else if (c == '"')
      in_string = !in_string;
    else if (in_string)
      continue;
    else if (c == '[' || c == '{')
      depth++;
    else if (c == ']' || c == '}')
      depth--;
    else if (!g_ascii_isalnum (c) && (c == '\0' || strchr (" \t\r\n:,.+-", c) == NULL))
      return FALSE;
  }
  return depth <= MAX_DEPTH;
}

/* json-glib 1.6 leaves U+001F as it is, which other readers do not take. It stands within strings alone. */
gchar *
json_write (JsonNode *node)
{
  g_autofree gchar *text = json_to_string (node, FALSE);
  GString *all = g_string_new (text);

  g_string_replace (all, "\x1f", "\\u001f", 0);
  return g_string_free (all, FALSE);
}

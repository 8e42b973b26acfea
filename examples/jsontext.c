/* JSON of others: see jsontext.h. */
#include "jsontext.h"

#include <string.h>

/* What json-glib would take amiss: nesting so deep that it takes the parser's stack, a NUL that ends a string early, and what only
 * it takes for JSON, comments for one, in which quotes and brackets would mean something else than here. NULL: nothing of it. */
static const gchar *
find_trouble (const gchar *text, guint most_levels)
{
  gboolean in_string = FALSE;
  guint levels = 0;

  for (; *text; text++) {
    if (in_string && *text == '\\' && text[1]) {
      if (g_str_has_prefix (text, "\\u0000"))
        return "a NUL in a text";
      text++;
    } else if (*text == '"') {
      in_string = !in_string;
    } else if (!in_string) {
      if ((*text == '[' || *text == '{') && ++levels > most_levels)
        return "nested too deep";
      if ((*text == ']' || *text == '}') && levels > 0)
        levels--;
      if (!g_ascii_isalnum (*text) && !g_ascii_isspace (*text) && !strchr ("[]{}:,.+-", *text))
        return "not JSON";
    }
  }
  return NULL;
}

JsonObject *
json_text_parse (const gchar *text, gsize length, guint most_levels, GError **error)
{
  g_autoptr (JsonNode) root = NULL;
  g_autoptr (GError) why = NULL;
  const gchar *trouble = g_utf8_validate_len (text, length, NULL) ? find_trouble (text, most_levels) : "not UTF-8";

  if (trouble)
    g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, trouble);
  else if (!(root = json_from_string (text, &why)))
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "not JSON: %s", why ? why->message : "nothing there");
  else if (JSON_NODE_HOLDS_OBJECT (root))
    return json_node_dup_object (root);
  else
    g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "no JSON object");
  return NULL;
}

gboolean
json_text_holds (JsonNode *node, GType type)
{
  return JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == type;
}

gchar *
json_text_write (JsonNode *node)
{
  g_autofree gchar *text = json_to_string (node, FALSE);
  GString *all = g_string_new (text);

  g_string_replace (all, "\x1f", "\\u001f", 0); /* within strings alone: elsewhere there is none */
  return g_string_free (all, FALSE);
}

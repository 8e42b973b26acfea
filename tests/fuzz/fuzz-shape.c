/* A JSON schema, and bytes that choose what an answer goes on with. Whatever both are, the schema is refused by a message, or what
 * the automaton takes is JSON of a type that the schema names. */
#include "model/json-schema.h"
#include "parts.h"

#include <json-glib/json-glib.h>
#include <string.h>

#define LONGEST 4096

/* What may follow on a place, as far as it is no end: the way-th byte of them. FALSE: nothing. */
static gboolean
go_on (const Shape *s, ShapePlace *place, guint way, GString *text)
{
  guint8 ways[256];
  guint n = 0;

  for (guint byte = 0; byte < 256; byte++) {
    ShapePlace there = *place;

    if (shape_step (s, &there, byte))
      ways[n++] = byte;
  }
  if (n == 0)
    return FALSE;
  g_assert (shape_step (s, place, ways[way % n]));
  g_string_append_c (text, (gchar)ways[way % n]);
  return TRUE;
}

/* An answer that ends where it can when there are no more bytes to choose by. FALSE: it has not come to an end. */
static gboolean
write_answer (const Shape *s, Part *choices, GString *text)
{
  ShapePlace place = shape_start (s);

  while (text->len < LONGEST) {
    if (shape_is_end (s, place) && (choices->size == 0 || part_number (choices, 1) % 4 == 0))
      return TRUE;
    if (!go_on (s, &place, (guint)part_number (choices, 1), text))
      return shape_is_end (s, place);
  }
  return FALSE;
}

static gboolean
is_named (JsonNode *types, const gchar *name)
{
  if (!JSON_NODE_HOLDS_ARRAY (types))
    return g_str_equal (json_node_get_string (types), name);
  for (guint i = 0; i < json_array_get_length (json_node_get_array (types)); i++)
    if (g_str_equal (json_array_get_string_element (json_node_get_array (types), i), name))
      return TRUE;
  return FALSE;
}

static gboolean
is_of_types (JsonNode *value, JsonNode *types)
{
  GType held = JSON_NODE_HOLDS_VALUE (value) ? json_node_get_value_type (value) : G_TYPE_INVALID;

  return (JSON_NODE_HOLDS_OBJECT (value) && is_named (types, "object"))
         || (JSON_NODE_HOLDS_ARRAY (value) && is_named (types, "array"))
         || (JSON_NODE_HOLDS_NULL (value) && is_named (types, "null")) || (held == G_TYPE_STRING && is_named (types, "string"))
         || (held == G_TYPE_BOOLEAN && is_named (types, "boolean")) || (held == G_TYPE_INT64 && is_named (types, "integer"))
         || ((held == G_TYPE_INT64 || held == G_TYPE_DOUBLE) && is_named (types, "number"));
}

static void
check_answer (const gchar *schema, const gchar *answer)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) value = json_from_string (answer, &error), of = json_from_string (schema, NULL);
  JsonNode *types = json_object_get_member (json_node_get_object (of), "type");

  if (!value || (types && !is_of_types (value, types)))
    g_error ("%s: %s: %s", schema, answer, error ? error->message : "of another type");
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  Part rest = { data, size };
  g_autofree gchar *schema = part_text (part_take (&rest));
  g_autoptr (GError) error = NULL;
  g_autoptr (Shape) s = json_schema_compile (schema, &error);
  g_autoptr (GString) answer = g_string_new (NULL);

  if (!s) {
    g_assert (error->domain == MINIVL_ERROR && error->code == MINIVL_ERROR_USAGE && g_utf8_validate (error->message, -1, NULL));
    return 0;
  }
  g_assert (!error);
  if (write_answer (s, &rest, answer))
    check_answer (schema, answer->str);
  return 0;
}

#include "json-schema.h"

#include <string.h>

#include "section.h"
#include "strictjson.h"

#define DIGITS 15 /* that every reader keeps */
#define EXPONENT_DIGITS 2
#define ANY_LEVELS 6     /* of an object whose members are free; each doubles the nodes it takes */
#define LONGEST_PATH 100 /* characters of where it is wrong, as a message shows them */

typedef struct
{
  Shape *shape;
  GString *path; /* of the schema that is read, for messages */
  GError **error;
} Reader;

static gboolean G_GNUC_PRINTF (2, 3) refuse (const Reader *r, const gchar *format, ...)
{
  g_autofree gchar *what = NULL;
  va_list args;

  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (r->error, MINIVL_ERROR, MINIVL_ERROR_USAGE, "JSON schema%s%.*s: %s", r->path->len ? ", " : "", LONGEST_PATH,
      r->path->str, what);
  return FALSE;
}

/* --- text ------------------------------------------------------------------------------------------------------------------ */

static gchar *
quoted (const gchar *text)
{
  g_autoptr (JsonNode) node = json_node_init_string (json_node_alloc (), text);

  return json_to_string (node, FALSE);
}

/* A node from which one word leads on. */
static guint
add_word (Reader *r, const gchar *text, guint to)
{
  ShapeWord word = { text, to };

  return shape_words (r->shape, &word, 1);
}

/* n bytes of a character are left, any. */
static guint
add_rest (Reader *r, guint n, guint body)
{
  guint rest, node;

  if (n == 0)
    return body;
  rest = add_rest (r, n - 1, body);
  node = shape_add (r->shape);
  shape_lead (r->shape, node, 0x80, 0xbf, rest);
  return node;
}

/* The second byte of a character is one of first .. last, and n others follow. */
static guint
add_second (Reader *r, guint8 first, guint8 last, guint n, guint body)
{
  guint rest = add_rest (r, n, body), node = shape_add (r->shape);

  shape_lead (r->shape, node, first, last, rest);
  return node;
}

/* Where a string is open: characters of UTF-8 but for control characters, and the short escapes. */
static guint
add_string_body (Reader *r, guint to)
{
  Shape *s = r->shape;
  guint body = shape_add (s), escape = shape_add (s);

  shape_set_counts (s, body);
  for (const gchar *c = "\"\\/bfnrt"; *c; c++)
    shape_lead (s, escape, *c, *c, body);
  shape_lead (s, body, 0x20, 0x7e, body);
  shape_lead (s, body, '\\', '\\', escape);
  shape_lead (s, body, '"', '"', to);
  shape_lead (s, body, 0xc2, 0xdf, add_rest (r, 1, body));
  shape_lead (s, body, 0xe0, 0xe0, add_second (r, 0xa0, 0xbf, 1, body));
  shape_lead (s, body, 0xe1, 0xec, add_rest (r, 2, body));
  shape_lead (s, body, 0xed, 0xed, add_second (r, 0x80, 0x9f, 1, body));
  shape_lead (s, body, 0xee, 0xef, add_rest (r, 2, body));
  shape_lead (s, body, 0xf0, 0xf0, add_second (r, 0x90, 0xbf, 2, body));
  shape_lead (s, body, 0xf1, 0xf3, add_rest (r, 3, body));
  shape_lead (s, body, 0xf4, 0xf4, add_second (r, 0x80, 0x8f, 2, body));
  return body;
}

/* --- numbers --------------------------------------------------------------------------------------------------------------- */

/* Where a digit may follow, or what follows on `other`; and that for n digits. `point`, `exponent`: where these lead; 0: nowhere.
 */
static guint
add_digits (Reader *r, guint n, guint other, guint point, guint exponent)
{
  guint before = 0;

  for (guint i = 0; i <= n; i++) {
    guint node = shape_add (r->shape);

    shape_follow (r->shape, node, other);
    if (i > 0)
      shape_lead (r->shape, node, '0', '9', before);
    if (point)
      shape_lead (r->shape, node, '.', '.', point);
    if (exponent) {
      shape_lead (r->shape, node, 'e', 'e', exponent);
      shape_lead (r->shape, node, 'E', 'E', exponent);
    }
    before = node;
  }
  return before;
}

static guint
add_number (Reader *r, gboolean integer, guint to)
{
  Shape *s = r->shape;
  guint point = 0, exponent = 0, zero, more, positive, start;

  if (!integer) {
    guint digits = add_digits (r, EXPONENT_DIGITS - 1, to, 0, 0), sign = shape_add (s);

    shape_lead (s, sign, '0', '9', digits);
    exponent = shape_add (s);
    shape_copy (s, exponent, sign);
    shape_lead (s, exponent, '+', '+', sign);
    shape_lead (s, exponent, '-', '-', sign);
    digits = add_digits (r, DIGITS - 1, to, 0, exponent);
    point = shape_add (s);
    shape_lead (s, point, '0', '9', digits);
  }
  zero = add_digits (r, 0, to, point, exponent);
  more = add_digits (r, DIGITS - 1, to, point, exponent);
  positive = shape_add (s);
  shape_lead (s, positive, '0', '0', zero);
  shape_lead (s, positive, '1', '9', more);
  start = shape_add (s);
  shape_copy (s, start, positive);
  shape_lead (s, start, '-', '-', positive);
  return start;
}

/* --- any value ------------------------------------------------------------------------------------------------------------- */

/* As another node, but that a space may stand in front. */
static guint
add_gap (Reader *r, guint start)
{
  guint gap = shape_add (r->shape);

  shape_copy (r->shape, gap, start);
  shape_lead (r->shape, gap, ' ', ' ', start);
  return gap;
}

/* characters: at most. */
static guint
add_text (Reader *r, guint32 characters, guint to)
{
  guint body = add_string_body (r, to), start = shape_add (r->shape);

  shape_lead (r->shape, start, '"', '"', body);
  shape_set_limit (r->shape, start, characters);
  return start;
}

static guint
add_boolean (Reader *r, guint to)
{
  ShapeWord both[] = { { "true", to }, { "false", to } };

  return shape_words (r->shape, both, G_N_ELEMENTS (both));
}

/* What items may follow: they lead to `behind`. */
static guint
add_items (Reader *r, guint behind, guint item, guint to)
{
  Shape *s = r->shape;
  guint open, start;

  shape_lead (s, behind, ',', ',', add_gap (r, item));
  open = shape_add (s);
  shape_copy (s, open, item);
  shape_lead (s, open, ']', ']', to);
  start = shape_add (s);
  shape_lead (s, start, '[', '[', open);
  return start;
}

static guint add_anything (Reader *r, guint levels, guint to);

static guint
add_any_array (Reader *r, guint levels, guint to)
{
  guint behind = shape_add (r->shape);

  shape_lead (r->shape, behind, ']', ']', to);
  return add_items (r, behind, add_anything (r, levels - 1, behind), to);
}

static guint
add_any_object (Reader *r, guint levels, guint to)
{
  Shape *s = r->shape;
  guint behind = shape_add (s), colon, key, open, start;

  shape_lead (s, behind, '}', '}', to);
  colon = add_gap (r, add_anything (r, levels - 1, behind));
  start = shape_add (s);
  shape_lead (s, start, ':', ':', colon);
  key = add_text (r, SHAPE_ENDLESS, start);
  shape_lead (s, behind, ',', ',', add_gap (r, key));
  open = shape_add (s);
  shape_copy (s, open, key);
  shape_lead (s, open, '}', '}', to);
  start = shape_add (s);
  shape_lead (s, start, '{', '{', open);
  return start;
}

/* levels: of objects and arrays in one another. */
static guint
add_anything (Reader *r, guint levels, guint to)
{
  guint starts[6], n = 0, start;

  starts[n++] = add_text (r, SHAPE_ENDLESS, to);
  starts[n++] = add_number (r, FALSE, to);
  starts[n++] = add_boolean (r, to);
  starts[n++] = add_word (r, "null", to);
  if (levels > 0) {
    starts[n++] = add_any_array (r, levels, to);
    starts[n++] = add_any_object (r, levels, to);
  }
  start = shape_add (r->shape);
  for (guint i = 0; i < n; i++)
    shape_copy (r->shape, start, starts[i]);
  return start;
}

/* --- schemas --------------------------------------------------------------------------------------------------------------- */

typedef enum
{
  OBJECT,
  ARRAY,
  STRING,
  NUMBER,
  INTEGER,
  BOOLEAN,
  NOTHING,
  N_TYPES,
} Type;

static const gchar *const type_names[] = { "object", "array", "string", "number", "integer", "boolean", "null" };

static guint add_value (Reader *r, JsonNode *node, guint to);

/* Of what is below a name in the schema. */
static guint
add_value_below (Reader *r, const gchar *name, JsonNode *node, guint to)
{
  gsize length = r->path->len;
  guint start;

  g_string_append_printf (r->path, "%s%s", length ? "/" : "", name);
  start = add_value (r, node, to);
  g_string_truncate (r->path, length);
  return start;
}

static guint
add_string (Reader *r, JsonObject *schema, guint to)
{
  JsonNode *limit = json_object_get_member (schema, "maxLength");
  guint32 characters = SHAPE_ENDLESS;

  if (limit && (!json_is_integer (limit) || json_node_get_int (limit) < 0))
    return refuse (r, "`maxLength` is no whole number from 0 on");
  if (limit)
    characters = MIN (json_node_get_int (limit), SHAPE_ENDLESS);
  return add_text (r, characters, to);
}


/* As few digits as say the same. (transfer full) */
static gchar *
number_text (double value)
{
  static const gchar *const formats[] = { "%.15g", "%.16g", "%.17g" };
  gchar text[G_ASCII_DTOSTR_BUF_SIZE];

  for (guint i = 0; i < G_N_ELEMENTS (formats); i++)
    if (g_ascii_strtod (g_ascii_formatd (text, sizeof text, formats[i], value), NULL) == value)
      break;
  return g_strdup (text);
}

static gboolean
is_of_types (JsonNode *value, const gboolean *types)
{
  GType held = JSON_NODE_HOLDS_VALUE (value) ? json_node_get_value_type (value) : G_TYPE_INVALID;

  if (JSON_NODE_HOLDS_NULL (value))
    return types[NOTHING];
  return (held == G_TYPE_STRING && types[STRING]) || (held == G_TYPE_BOOLEAN && types[BOOLEAN])
         || (held == G_TYPE_INT64 && types[INTEGER]) || ((held == G_TYPE_INT64 || held == G_TYPE_DOUBLE) && types[NUMBER]);
}

/* keyword: whose values they are. types: those that may be; NULL: all. */
static guint
add_values (Reader *r, const gchar *keyword, GList *values, const gboolean *types, guint to)
{
  g_autoptr (GPtrArray) texts = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  g_autofree ShapeWord *words = g_new (ShapeWord, g_list_length (values));

  for (GList *l = values; l; l = l->next) {
    gchar *text;

    if (JSON_NODE_HOLDS_OBJECT (l->data) || JSON_NODE_HOLDS_ARRAY (l->data))
      return refuse (r, "`%s` with an object or an array is not supported", keyword);
    if (types && !is_of_types (l->data, types))
      continue;
    text = json_node_get_value_type (l->data) == G_TYPE_DOUBLE ? number_text (json_node_get_double (l->data))
                                                               : json_to_string (l->data, FALSE);
    g_ptr_array_add (texts, text);
    words[texts->len - 1] = (ShapeWord){ text, to };
    if (strlen (text) > SHAPE_WORD || !g_hash_table_add (seen, text))
      return refuse (r, "`%s` has a value that is too long, or there twice", keyword);
  }
  if (texts->len == 0)
    return refuse (r, "`%s` has no value%s", keyword, types ? " of its `type`" : "");
  return shape_words (r->shape, words, texts->len);
}

static guint
add_array (Reader *r, JsonObject *schema, guint to)
{
  Shape *s = r->shape;
  JsonNode *items = json_object_get_member (schema, "items");
  guint behind = shape_add (s), item;

  if (!items)
    return refuse (r, "`items` is missing: what an array is of has to be told");
  shape_lead (s, behind, ']', ']', to);
  item = add_value_below (r, "items", items, behind);
  return item ? add_items (r, behind, item, to) : 0;
}

/* FALSE: it names what is no property, or is no list of names. */
static gboolean
read_required (const Reader *r, JsonObject *schema, JsonObject *properties, GHashTable *required)
{
  JsonNode *node = json_object_get_member (schema, "required");
  JsonArray *names = node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  if (node && !names)
    return refuse (r, "`required` is no list of names");
  for (guint i = 0; names && i < json_array_get_length (names); i++) {
    JsonNode *name = json_array_get_element (names, i);

    if (!json_is_string (name) || !properties || !json_object_has_member (properties, json_node_get_string (name)))
      return refuse (r, "`required` names what is not among `properties`");
    g_hash_table_add (required, (gpointer)json_node_get_string (name));
  }
  return TRUE;
}

/* From the last member to the first. Behind a member, and in front of the first, come those up to the next one that is required. */
static guint
add_members (Reader *r, JsonObject *properties, GList *names, GHashTable *required, guint to)
{
  Shape *s = r->shape;
  guint n = g_list_length (names), behind = shape_add (s), keys = 0, gap, open, start;
  g_autofree ShapeWord *words = g_new (ShapeWord, n), *sorted = g_new (ShapeWord, n);
  g_autoptr (GPtrArray) texts = g_ptr_array_new_with_free_func (g_free);
  gboolean optional = TRUE; /* all from here on */
  guint n_next = 0;         /* members that may come next */

  shape_lead (s, behind, '}', '}', to);
  for (GList *l = g_list_last (names); l; l = l->prev) {
    const gchar *name = l->data;
    g_autofree gchar *text = quoted (name);
    guint value = add_value_below (r, name, json_object_get_member (properties, name), behind);

    if (!value)
      return 0;
    if (strlen (text) >= SHAPE_WORD)
      return refuse (r, "`properties` has a name that is too long");
    g_ptr_array_add (texts, g_strconcat (text, ":", NULL));
    if (g_hash_table_contains (required, name)) {
      optional = FALSE;
      n_next = 0;
    }
    words[n_next++] = (ShapeWord){ g_ptr_array_index (texts, texts->len - 1), add_gap (r, value) };
    memcpy (sorted, words, n_next * sizeof *words);
    keys = shape_words (s, sorted, n_next);
    gap = add_gap (r, keys);
    behind = shape_add (s);
    shape_lead (s, behind, ',', ',', gap);
    if (optional)
      shape_lead (s, behind, '}', '}', to);
  }
  open = shape_add (s);
  if (keys)
    shape_copy (s, open, keys);
  if (optional)
    shape_lead (s, open, '}', '}', to);
  start = shape_add (s);
  shape_lead (s, start, '{', '{', open);
  return start;
}

static guint
add_object (Reader *r, JsonObject *schema, guint to)
{
  JsonNode *node = json_object_get_member (schema, "properties"), *more = json_object_get_member (schema, "additionalProperties");
  JsonObject *properties = node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  g_autoptr (GHashTable) required = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GList) names = properties ? json_object_get_members (properties) : NULL;

  if (node && !properties)
    return refuse (r, "`properties` is no object");
  if (more && (!JSON_NODE_HOLDS_VALUE (more) || json_node_get_value_type (more) != G_TYPE_BOOLEAN))
    return refuse (r, "`additionalProperties` is neither true nor false");
  if (!read_required (r, schema, properties, required))
    return 0;
  if (!properties && more && json_node_get_boolean (more))
    return add_any_object (r, ANY_LEVELS, to);
  return add_members (r, properties, names, required, to);
}

static guint
add_type (Reader *r, Type type, JsonObject *schema, guint to)
{
  switch (type) {
    case OBJECT:
      return add_object (r, schema, to);
    case ARRAY:
      return add_array (r, schema, to);
    case STRING:
      return add_string (r, schema, to);
    case BOOLEAN:
      return add_boolean (r, to);
    case NOTHING:
      return add_word (r, "null", to);
    default:
      return add_number (r, type == INTEGER, to);
  }
}

static gboolean
add_type_name (const Reader *r, JsonNode *node, gboolean *types)
{
  const gchar *name = json_is_string (node) ? json_node_get_string (node) : "";

  for (guint i = 0; i < N_TYPES; i++)
    if (g_str_equal (type_names[i], name)) {
      types[i] = TRUE;
      return TRUE;
    }
  return refuse (r, "`type` is no name that JSON Schema has: `%s`", name);
}

static gboolean
read_types (const Reader *r, JsonNode *node, gboolean *types)
{
  JsonArray *names = node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  if (!node || (names && json_array_get_length (names) == 0))
    return refuse (r, "`type` is missing");
  if (!names)
    return add_type_name (r, node, types);
  for (guint i = 0; i < json_array_get_length (names); i++)
    if (!add_type_name (r, json_array_get_element (names, i), types))
      return FALSE;
  return TRUE;
}

static gboolean
check_keywords (const Reader *r, JsonObject *schema)
{
  static const gchar *const known[] = { "type", "properties", "required", "additionalProperties", "items", "enum", "maxLength",
    "const", "title", "description", "default", "examples", "$schema", "$id", "$comment", NULL };
  g_autoptr (GList) names = json_object_get_members (schema);

  for (GList *l = names; l; l = l->next)
    if (!g_strv_contains (known, l->data))
      return refuse (r, "the keyword `%s` is not supported", (const gchar *)l->data);
  if (json_object_has_member (schema, "enum") && json_object_has_member (schema, "const"))
    return refuse (r, "`const` beside `enum` is not supported");
  if ((json_object_has_member (schema, "enum") || json_object_has_member (schema, "const"))
      && json_object_has_member (schema, "maxLength"))
    return refuse (r, "`maxLength` beside `enum` or `const` is not supported");
  if (json_object_has_member (schema, "enum") && !JSON_NODE_HOLDS_ARRAY (json_object_get_member (schema, "enum")))
    return refuse (r, "`enum` is no list of values");
  return TRUE;
}

/* Returns where the value begins; 0: it is refused. Types differ in their first byte, but for the two of numbers. */
static guint
add_value (Reader *r, JsonNode *node, guint to)
{
  JsonObject *schema = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  JsonNode *one = schema ? json_object_get_member (schema, "const") : NULL;
  gboolean types[N_TYPES] = { FALSE }, has_types, has_values;
  g_autoptr (GList) values = NULL;
  guint starts[N_TYPES], n = 0, start;

  if (!schema)
    return refuse (r, "it is no object");
  if (!check_keywords (r, schema))
    return 0;
  has_values = one || json_object_has_member (schema, "enum");
  has_types = !has_values || json_object_has_member (schema, "type");
  if (has_types && !read_types (r, json_object_get_member (schema, "type"), types))
    return 0;
  if (has_values) {
    values = one ? g_list_append (NULL, one) : json_array_get_elements (json_object_get_array_member (schema, "enum"));
    return add_values (r, one ? "const" : "enum", values, has_types ? types : NULL, to);
  }
  for (Type type = 0; type < N_TYPES; type++) {
    if (!types[type] || (type == INTEGER && types[NUMBER]))
      continue;
    starts[n] = add_type (r, type, schema, to);
    if (!starts[n++])
      return 0;
  }
  if (n == 1)
    return starts[0];
  start = shape_add (r->shape);
  for (guint i = 0; i < n; i++)
    shape_copy (r->shape, start, starts[i]);
  return start;
}

Shape *
json_schema_compile (const gchar *schema, GError **error)
{
  g_autoptr (Shape) s = shape_new ();
  g_autoptr (GString) path = g_string_new (NULL);
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  Reader r = { s, path, error };
  JsonObject *root;
  GError *failure = NULL;
  guint start;

  root = strict_json_parse (schema, strlen (schema), "JSON schema", &failure);
  if (!root) {
    failure->code = MINIVL_ERROR_USAGE;
    g_propagate_error (error, failure);
    return NULL;
  }
  json_node_take_object (node, root);
  start = add_value (&r, node, 0);
  if (!start && !shape_is_full (s))
    return NULL;
  if (shape_finish (s, start))
    return g_steal_pointer (&s);
  g_clear_error (error);
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_USAGE, "JSON schema: it is too large: more than %u states", SHAPE_NODES);
  return NULL;
}

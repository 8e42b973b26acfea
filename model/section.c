/* Members of an object, checked. */
#include "section.h"

#include <math.h>
#include <string.h>

void
section_refuse (const Section *s, MinivlError code, const gchar *key, const gchar *format, ...)
{
  g_autofree gchar *what = NULL;
  va_list args;

  if (*s->error != NULL)
    return;
  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (s->error, MINIVL_ERROR, code, "%s: %s%s %s", s->file, s->prefix, key, what);
}

gchar *
json_value_text (JsonNode *node)
{
  g_autofree gchar *text = json_to_string (node, FALSE);

  return g_utf8_strlen (text, -1) > 80 ? g_utf8_substring (text, 0, 80) : g_steal_pointer (&text);
}

void
section_refuse_type (const Section *s, const gchar *key, const gchar *wanted)
{
  g_autofree gchar *text = json_value_text (json_object_get_member (s->object, key));

  section_refuse (s, MINIVL_ERROR_FILE, key, "is %s; it must be %s", text, wanted);
}

void
section_refuse_value (const Section *s, const gchar *key, const gchar *known)
{
  g_autofree gchar *text = json_value_text (json_object_get_member (s->object, key));

  section_refuse (s, MINIVL_ERROR_MODEL, key, "is %s, which minivl does not know; it knows %s", text, known);
}

JsonNode *
section_member (const Section *s, const gchar *key)
{
  JsonNode *node = json_object_get_member (s->object, key);

  return node != NULL && JSON_NODE_HOLDS_NULL (node) ? NULL : node;
}

gboolean
json_is_integer (JsonNode *node)
{
  return JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_INT64;
}

gboolean
json_is_number (JsonNode *node)
{
  return json_is_integer (node) || (JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_DOUBLE);
}

gboolean
json_is_string (JsonNode *node)
{
  return JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING;
}

gboolean
json_is_off (JsonNode *node)
{
  if (JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  if (JSON_NODE_HOLDS_OBJECT (node))
    return json_object_get_size (json_node_get_object (node)) == 0;
  if (JSON_NODE_HOLDS_ARRAY (node))
    return json_array_get_length (json_node_get_array (node)) == 0;
  if (json_node_get_value_type (node) == G_TYPE_BOOLEAN)
    return !json_node_get_boolean (node);
  return json_is_number (node) && json_node_get_double (node) == 0;
}

gint64
section_integer (const Section *s, const gchar *key, gint64 missing, gint64 least, gint64 most)
{
  JsonNode *node = section_member (s, key);
  gint64 value;

  if (*s->error != NULL || node == NULL)
    return missing;
  value = json_is_integer (node) ? json_node_get_int (node) : least - 1;
  if (value >= least && value <= most)
    return value;
  {
    g_autofree gchar *wanted = g_strdup_printf ("an integer from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, least, most);

    section_refuse_type (s, key, wanted);
  }
  return missing;
}

guint
section_need_integer (const Section *s, const gchar *key, gint64 most)
{
  if (section_member (s, key) == NULL)
    section_refuse (s, MINIVL_ERROR_FILE, key, "is missing");
  return section_integer (s, key, 1, 1, most);
}

double
section_number (const Section *s, const gchar *key, double missing, double least, double most)
{
  JsonNode *node = section_member (s, key);
  double value;

  if (*s->error != NULL || node == NULL)
    return missing;
  value = json_is_number (node) ? json_node_get_double (node) : NAN;
  if (value >= least && value <= most)
    return value;
  {
    g_autofree gchar *wanted = g_strdup_printf ("a number from %g to %g", least, most);

    section_refuse_type (s, key, wanted);
  }
  return missing;
}

gboolean
section_boolean (const Section *s, const gchar *key, gboolean missing)
{
  JsonNode *node = section_member (s, key);

  if (*s->error != NULL || node == NULL)
    return missing;
  if (JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_BOOLEAN)
    return json_node_get_boolean (node);
  section_refuse_type (s, key, "true or false");
  return missing;
}

const gchar *
section_string (const Section *s, const gchar *key, const gchar *missing)
{
  JsonNode *node = section_member (s, key);

  if (*s->error != NULL || node == NULL)
    return missing;
  if (JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING)
    return json_node_get_string (node);
  section_refuse_type (s, key, "a string");
  return missing;
}

void
section_open (const Section *from, const gchar *key, const gchar *prefix, Section *s)
{
  JsonNode *node = section_member (from, key);

  *s = *from;
  s->prefix = prefix;
  if (*s->error != NULL)
    return;
  if (node == NULL)
    section_refuse (from, MINIVL_ERROR_FILE, key, "is missing");
  else if (!JSON_NODE_HOLDS_OBJECT (node))
    section_refuse_type (from, key, "an object");
  else
    s->object = json_node_get_object (node);
}

/* Fields of JSON objects: see fields.h. */
#include "fields.h"

#include <math.h>

gboolean
field_is_nothing (JsonNode *node)
{
  if (JSON_NODE_HOLDS_ARRAY (node))
    return json_array_get_length (json_node_get_array (node)) == 0;
  if (JSON_NODE_HOLDS_OBJECT (node))
    return json_object_get_size (json_node_get_object (node)) == 0;
  return JSON_NODE_HOLDS_NULL (node);
}

gboolean
field_get_bool (JsonNode *node, const gchar *param, gboolean *value, Refusal *refusal)
{
  if (!json_text_holds (node, G_TYPE_BOOLEAN))
    return refuse_value (refusal, param, "true or false is wanted");
  *value = json_node_get_boolean (node);
  return TRUE;
}

gboolean
field_get_int (JsonNode *node, const gchar *param, gint64 least, gint64 most, gint64 *value, Refusal *refusal)
{
  gint64 v = json_text_holds (node, G_TYPE_INT64) ? json_node_get_int (node) : 0;

  if (!json_text_holds (node, G_TYPE_INT64) || v < least || v > most)
    return refuse_value (refusal, param, "a whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT " is wanted", least, most);
  *value = v;
  return TRUE;
}

gboolean
field_get_number (JsonNode *node, const gchar *param, double least, double most, double *value, Refusal *refusal)
{
  double v = NAN;

  if (json_text_holds (node, G_TYPE_INT64) || json_text_holds (node, G_TYPE_DOUBLE))
    v = json_node_get_double (node);
  if (!(v >= least && v <= most))
    return refuse_value (refusal, param, "a number from %g to %g is wanted", least, most);
  *value = v;
  return TRUE;
}

const gchar *
field_get_string (JsonNode *node, const gchar *param, Refusal *refusal)
{
  if (json_text_holds (node, G_TYPE_STRING) && g_utf8_validate (json_node_get_string (node), -1, NULL))
    return json_node_get_string (node);
  refuse_value (refusal, param, "a text is wanted");
  return NULL;
}

JsonObject *
field_get_object (JsonNode *node, const gchar *param, Refusal *refusal)
{
  if (JSON_NODE_HOLDS_OBJECT (node))
    return json_node_get_object (node);
  refuse_value (refusal, param, "an object is wanted");
  return NULL;
}

JsonArray *
field_get_list (JsonNode *node, const gchar *param, Refusal *refusal)
{
  if (JSON_NODE_HOLDS_ARRAY (node))
    return json_node_get_array (node);
  refuse_value (refusal, param, "a list is wanted");
  return NULL;
}

static const Field *
find (const Field *fields, guint n_fields, const gchar *name)
{
  for (guint i = 0; i < n_fields; i++)
    if (g_str_equal (fields[i].name, name))
      return &fields[i];
  return NULL;
}

gboolean
fields_read (JsonObject *object, const Field *fields, guint n_fields, gpointer target, const gchar *path, Refusal *refusal)
{
  g_autoptr (GList) names = json_object_get_members (object);

  for (GList *l = names; l; l = l->next) {
    JsonNode *node = json_object_get_member (object, l->data);
    const Field *field = find (fields, n_fields, l->data);
    g_autofree gchar *valid = g_utf8_make_valid (l->data, -1), *param = g_strconcat (path, *path ? "." : "", valid, NULL);

    if (JSON_NODE_HOLDS_NULL (node))
      continue;
    if (!field && !field_is_nothing (node))
      return refuse_unsupported (refusal, param);
    if (field && field->read && !field->read (target, node, param, refusal))
      return FALSE;
  }
  return TRUE;
}

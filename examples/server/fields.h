/* Reading fields of a JSON object that a client has written; what is wrong is told by the field's path. */
#ifndef SERVER_FIELDS_H
#define SERVER_FIELDS_H

#include "examples/jsontext.h"
#include "refusal.h"

/* null, and lists and objects without anything in them */
gboolean field_is_nothing (JsonNode *node);

/* FALSE: refused; the value is as it was. param: the field's path */
gboolean field_get_bool (JsonNode *node, const gchar *param, gboolean *value, Refusal *refusal);
gboolean field_get_int (JsonNode *node, const gchar *param, gint64 least, gint64 most, gint64 *value, Refusal *refusal);
gboolean field_get_number (JsonNode *node, const gchar *param, double least, double most, double *value, Refusal *refusal);
/* (transfer none). NULL: refused */
const gchar *field_get_string (JsonNode *node, const gchar *param, Refusal *refusal);
JsonObject *field_get_object (JsonNode *node, const gchar *param, Refusal *refusal);
JsonArray *field_get_list (JsonNode *node, const gchar *param, Refusal *refusal);

/* A row of what an object may have. read NULL: it changes no answer, and is passed over. */
typedef struct
{
  const gchar *name;
  gboolean (*read) (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal);
} Field;

/* Reads all members of an object that are not null; one without a row is refused as not supported, unless nothing is in it. path:
 * of the object; "" is the body. */
gboolean fields_read (
    JsonObject *object, const Field *fields, guint n_fields, gpointer target, const gchar *path, Refusal *refusal);

#endif

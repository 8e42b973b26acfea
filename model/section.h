/* Members of an object in a JSON file of a checkpoint: read with bounds, or refused by name. */
#ifndef MODEL_SECTION_H
#define MODEL_SECTION_H

#include "minivl.h"
#include <json-glib/json-glib.h>

/* Once an error is set the readers do nothing, and return something that can be divided by. A member that is
 * null counts as absent. */
typedef struct
{
  JsonObject *object;
  const gchar *prefix; /* of the keys in messages */
  const gchar *file;
  GError **error;
  GString *unknown; /* keys to warn of */
} Section;

/* The error "FILE: PREFIXKEY FORMAT..." unless one is set. */
void section_refuse (const Section *s, MinivlError code, const gchar *key, const gchar *format, ...) G_GNUC_PRINTF (4, 5);
/* For a member that is there: it is no `wanted`; it is a value that is not known. */
void section_refuse_type (const Section *s, const gchar *key, const gchar *wanted);
void section_refuse_value (const Section *s, const gchar *key, const gchar *known);

/* (nullable) (transfer none) */
JsonNode *section_member (const Section *s, const gchar *key);
gint64 section_integer (const Section *s, const gchar *key, gint64 missing, gint64 least, gint64 most);
/* From 1 on; refused when it is missing. */
guint section_need_integer (const Section *s, const gchar *key, gint64 most);
double section_number (const Section *s, const gchar *key, double missing, double least, double most);
gboolean section_boolean (const Section *s, const gchar *key, gboolean missing);
const gchar *section_string (const Section *s, const gchar *key, const gchar *missing);
/* The object under the key, which must be there. */
void section_open (const Section *from, const gchar *key, const gchar *prefix, Section *s);

/* The value as a message shows it, cut where it is long. (transfer full) */
gchar *json_value_text (JsonNode *node);
gboolean json_is_integer (JsonNode *node);
gboolean json_is_number (JsonNode *node);
gboolean json_is_string (JsonNode *node);
/* Null, false, 0 or empty: it asks for nothing. */
gboolean json_is_off (JsonNode *node);

#endif

/* JSON that others have written, read with json-glib, which itself bounds nothing; and JSON that others can read. */
#ifndef EXAMPLES_JSONTEXT_H
#define EXAMPLES_JSONTEXT_H

#include <json-glib/json-glib.h>

/* text: ends in NUL. most_levels: of lists and objects in one another. (transfer full): an object. NULL with G_FILE_ERROR, whose
 * message says what is wrong with the text. */
JsonObject *json_text_parse (const gchar *text, gsize length, guint most_levels, GError **error);

/* Whether a node is a value of that type: G_TYPE_STRING, G_TYPE_INT64, G_TYPE_DOUBLE or G_TYPE_BOOLEAN. A string may hold what is
 * no UTF-8: half of a pair of surrogates. */
gboolean json_text_holds (JsonNode *node, GType type);

/* In one line, as json_to_string() has it, which leaves U+001F as it is: no strict reader takes that. (transfer full) */
gchar *json_text_write (JsonNode *node);

#endif

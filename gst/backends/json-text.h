/* What json-glib leaves to do: a bound of its recursion, and a character that it does not escape. */
#ifndef GST_MINIVL_JSON_TEXT_H
#define GST_MINIVL_JSON_TEXT_H

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* Whether JSON of others may be handed to json-glib. FALSE also for what only json-glib takes for JSON, comments for one, in which
 * quotes and brackets would mean something else. */
gboolean json_is_shallow (const gchar *text, gsize length);

/* In a line. (transfer full) */
gchar *json_write (JsonNode *node);

G_END_DECLS

#endif

/*
 * JSON files of a checkpoint, which come from strangers. json-glib takes comments, keeps the last of two equal keys, rounds numbers
 * that do not fit and recurses without a bound; so the text is checked against RFC 8259 first, and json-glib only builds the tree.
 */
#ifndef MODEL_STRICTJSON_H
#define MODEL_STRICTJSON_H

#include "minivl.h"
#include <json-glib/json-glib.h>

/* name: what errors call the text (a path).
 * NULL with MINIVL_ERROR_FILE, naming line and column, when the text is not one JSON object: also for a key that is there twice, an
 * integer beyond 64 bits, a number beyond double's range, more than 64 levels, or a string that is no Unicode. (transfer full) */
JsonObject *strict_json_parse (const gchar *text, gsize length, const gchar *name, GError **error);
/* The same of a file of at most 64 MiB. */
JsonObject *strict_json_load (const gchar *path, GError **error);

#endif

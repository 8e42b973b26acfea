/* Python source, read as text and never run: the keyword arguments of a call. */
#ifndef MODEL_PYTHON_H
#define MODEL_PYTHON_H

#include <glib.h>

/* Of the first call of a name that ends in `callee` whose keyword argument `key` is the string `value`: those keyword arguments
 * that are strings, or tuples and lists of strings, as GPtrArray of gchar * by name. Strings may be of several parts, raw and of
 * three quotes. What else an argument may be, an f-string too, is left out; so is what a comment holds. NULL when there is no such
 * call, or the text is no Python. (transfer full) (nullable) */
GHashTable *python_find_call (const gchar *text, const gchar *callee, const gchar *key, const gchar *value);

#endif

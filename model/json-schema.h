/* JSON schemas: what an answer must be, as an automaton. */
#ifndef MODEL_JSON_SCHEMA_H
#define MODEL_JSON_SCHEMA_H

#include "shape.h"

/*
 * Known are `type` (one name or a list of them), `properties`, `required`, `additionalProperties` (true or false), `items`, `enum`
 * and `const` (but for objects and arrays), `maxLength`, and what says nothing of the answer: `title`, `description`, `default`,
 * `examples`, `$schema`, `$id`, `$comment`. Answers are narrower than the schema: without white space but for one space behind `,`
 * and `:`, members in the order of `properties` and no others, numbers of at most 15 digits in front of the point and behind it. An
 * object without `properties` is empty; but with `additionalProperties` true it has any members, up to objects and arrays of six
 * levels.
 *
 * Not measured. NULL with MINIVL_ERROR_USAGE, which names the keyword. (transfer full)
 */
Shape *json_schema_compile (const gchar *schema, GError **error);

#endif

/*
 * minivl: answers of a shape, @choices and @json_schema of #MinivlParams. Included by minivl.h, whose rules hold here as well.
 */
#ifndef MINIVL_SHAPES_H
#define MINIVL_SHAPES_H

#include "minivl.h"

G_BEGIN_DECLS

/* Returns: (transfer full): as @choices of #MinivlParams, what is between `|` and line ends; freed with g_strfreev() */
MINIVL_API gchar **minivl_choices_split (const gchar *text);

/**
 * minivl_shape_check:
 * @choices: (nullable) (array zero-terminated=1): as in #MinivlParams
 * @json_schema: (nullable): likewise
 *
 * Looks whether there can be answers of this shape, as far as that shows without a model: how many tokens they take does not.
 *
 * Returns: FALSE with %MINIVL_ERROR_USAGE when minivl_session_ask() would refuse it, which names the keyword or the choice
 */
MINIVL_API gboolean minivl_shape_check (const gchar *const *choices, const gchar *json_schema, GError **error);

G_END_DECLS

#endif

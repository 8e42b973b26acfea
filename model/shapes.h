/* The shapes that an engine's answers are asked for in: each is compiled once, as long as it is among the last ones. Thread safe.
 */
#ifndef MODEL_SHAPES_H
#define MODEL_SHAPES_H

#include "shape.h"

typedef struct _Shapes Shapes;

/* Of the model's tokens. Both are borrowed, tokenizer is nullable: then there are none. (transfer full) */
Shapes *shapes_new (const Tokenizer *tokenizer, const GArray *end_tokens, guint n_tokens);
void shapes_free (Shapes *s);

/* The run of an answer as params ask for it; NULL without an error: of no shape. NULL with MINIVL_ERROR_USAGE. (transfer full) */
ShapeRun *shapes_begin (Shapes *s, const MinivlParams *params, GError **error);

#endif

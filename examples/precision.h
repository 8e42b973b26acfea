/* Names of precisions on a command line. */
#ifndef EXAMPLES_PRECISION_H
#define EXAMPLES_PRECISION_H

#include "model/minivl.h"

#define PRECISION_NAMES "auto, f32, f16, q8 or q4"

/* text: nullable: auto. FALSE: there is none of that name. */
gboolean precision_parse (const gchar *text, MinivlPrecision *precision);

#endif

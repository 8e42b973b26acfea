/* The public error domain. */
#include "minivl.h"

G_DEFINE_QUARK (minivl-error-quark, minivl_error)

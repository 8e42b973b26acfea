/* The public error domain. */
#include "minivl.h"

G_DEFINE_QUARK (minivl_error, minivl_error)

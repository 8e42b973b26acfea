/* Golden outputs: a safetensors file of F32 and I32 tensors, mapped; and the figure they are compared by. */
#ifndef TESTS_GOLDEN_H
#define TESTS_GOLDEN_H

#include <glib.h>

typedef struct _Golden Golden;

Golden *golden_open (const gchar *path, GError **error);
void golden_free (Golden *g);
/* NULL when there is none. *n: elements. */
const float *golden_floats (const Golden *g, const gchar *name, gsize *n);
const gint32 *golden_ints (const Golden *g, const gchar *name, gsize *n);
/* (array zero-terminated=1) (transfer full): names in order */
gchar **golden_names (const Golden *g);

/* sum ((a - b)^2) / sum (b^2), b the golden value */
double golden_nmse (const float *a, const float *b, gsize n);
/* The same of a and b less the mean of each. */
double golden_nmse_less_mean (const float *a, const float *b, gsize n);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Golden, golden_free)

#endif

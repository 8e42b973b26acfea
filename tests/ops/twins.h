/*
 * The plainest C there is for every op: what the shaders are checked against. Arrays are dense, row-major.
 */
#ifndef TESTS_TWINS_H
#define TESTS_TWINS_H

#include <glib.h>

/* --- the ops of vk/ops.c ---------------------------------------------------------------------------------------------------- */

/* Layer norm, or RMS norm; bias NULL for none. */
void twin_norm (double *y, const float *x, guint m, guint n, gboolean layer, double eps, const float *weight, const float *bias);
/* x[m][2n], gate before up. */
void twin_glu (double *y, const float *x, guint m, guint n);

/* --- the ops of vk/ops_attention.c ------------------------------------------------------------------------------------------ */

/* One head's vector of `dim`, in place: x * cos + rotate_half (x) * sin; rope holds dim / 2 cosines, then dim / 2 sines. */
void twin_rotate (double *x, guint dim, const float *rope);
/* One row of one head: out[dim] from q[dim] and k, v[keys][dim], rows `stride` apart. */
void twin_attention (
    double *out, const float *q, const float *k, const float *v, guint keys, guint dim, gsize stride, double scale);

/* --- the ops of vk/ops_picture.c -------------------------------------------------------------------------------------------- */

/* One output of a filter of 22-bit taps over bytes that lie `step` apart. */
guint8 twin_resample (const guint8 *in, gsize step, const gint32 *taps, guint count);

/* --- vk/ops_matmul.c --------------------------------------------------------------------------------------------------------- */

/* Absent vectors are NULL; residual is [period][n]. */
typedef struct
{
  const float *bias, *scale, *residual;
  gboolean gelu;
  guint period;
} TwinEpilogue;

void twin_matmul (double *y, const float *x, const float *w, guint m, guint n, guint k, const TwinEpilogue *e);

#endif

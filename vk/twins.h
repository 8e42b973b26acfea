/*
 * Every op in the plainest C: device_self_check() and the tests compare the shaders with it. Private to
 * vk/. Arrays are dense, row-major.
 */
#ifndef VK_TWINS_H
#define VK_TWINS_H

#include "ops.h"

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

/* Element of a block of the cache (ops.h, KvLayer), of elements of `size` bytes, that holds a column of a head's key or value. */
guint twin_kv_element (gboolean key, guint head_dim, guint size, guint head, guint place, guint column);

/* --- the ops of vk/ops_picture.c -------------------------------------------------------------------------------------------- */

/* One output of a filter of 22-bit taps over bytes that lie `step` apart. */
guint8 twin_resample (const guint8 *in, gsize step, const gint32 *taps, guint count);
/* y[height][width]: a picture that is upright. */
void twin_unpack (guint32 *y, guint width, guint height, const guint8 *src, const UnpackParams *p);
/* Patch rows [(side / patch)^2][3 * patch^2] of the square of pixels that begins at x, whose rows are `stride` pixels apart. */
void twin_patches (double *y, const guint32 *x, gsize stride, guint side, guint patch, const float mean[3], const float std[3]);
/* x[side^2][d], y[(side / r)^2][d * r^2]. */
void twin_pixel_shuffle (float *y, const float *x, guint side, guint r, guint d, gboolean v1);

/* --- vk/ops_matmul.c --------------------------------------------------------------------------------------------------------- */

/* Absent vectors are NULL; residual is [period][n]. */
typedef struct
{
  const float *bias, *scale, *residual;
  gboolean gelu;
  guint period;
} TwinEpilogue;

void twin_matmul (double *y, const float *x, const float *w, guint m, guint n, guint k, const TwinEpilogue *e);

/* --- vk/ops_sample.c --------------------------------------------------------------------------------------------------------- */

/* The `count` largest of x[n] and the largest of the others, as op_top() gives them. Returns the sum. */
double twin_top (guint32 *ids, float *values, float *next, const float *x, guint n, guint count);

#endif

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

/* How the cache holds numbers (ops.h, KvLayer). Bytes are counted from the first of a whole tensor of keys, or of values. */
guint twin_kv_size (KvType type); /* bytes of a number */
gsize twin_kv_byte (const KvLayer *kv, gboolean key, guint block, guint place, guint head, guint column);
/* KV_INT8: of the word of two steps; the tensor is that of the keys. */
gsize twin_kv_steps_byte (const KvLayer *kv, guint block, guint place, guint head);
/* KV_INT8: the step of a key's head, or a value's, x[dim], and the bits of it that are kept. */
float twin_kv_step (const float *x, guint dim, guint16 *bits);
/* Puts a head's key and value, [head_dim] each, into images of the two tensors, and rounds both to what is then there. */
void twin_kv_put (const KvLayer *kv, guint8 *keys, guint8 *values, guint block, guint place, guint head, float *key, float *value);
/* What is there. */
void twin_kv_get (
    const KvLayer *kv, const guint8 *keys, const guint8 *values, guint block, guint place, guint head, float *key, float *value);

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

/* y[n], in place; mask[MASK_COLUMNS (n)]. */
void twin_mask (float *y, guint n, const guint32 *mask);
/* The `count` largest of x[n] and the largest of the others, as op_top() gives them. Returns the sum. */
double twin_top (guint32 *ids, float *values, float *next, const float *x, guint n, guint count);

#endif

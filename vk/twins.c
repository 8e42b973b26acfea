#include "twins.h"

#include <math.h>
#include <string.h>

void
twin_norm (double *y, const float *x, guint m, guint n, gboolean layer, double eps, const float *weight, const float *bias)
{
  for (guint i = 0; i < m; i++) {
    const float *row = x + (gsize)i * n;
    double mean = 0, square = 0;

    for (guint j = 0; layer && j < n; j++)
      mean += row[j] / (double)n;
    for (guint j = 0; j < n; j++)
      square += (row[j] - mean) * (row[j] - mean) / n;
    for (guint j = 0; j < n; j++)
      y[(gsize)i * n + j] = (row[j] - mean) / sqrt (square + eps) * weight[j] + (bias ? bias[j] : 0);
  }
}

void
twin_glu (double *y, const float *x, guint m, guint n)
{
  for (guint i = 0; i < m; i++)
    for (guint j = 0; j < n; j++) {
      double gate = x[(gsize)i * 2 * n + j], up = x[(gsize)i * 2 * n + n + j];
      y[(gsize)i * n + j] = gate / (1 + exp (-gate)) * up;
    }
}

void
twin_rotate (double *x, guint dim, const float *rope)
{
  for (guint i = 0; i < dim / 2; i++) {
    double a = x[i], b = x[i + dim / 2], c = rope[i], s = rope[i + dim / 2];
    x[i] = a * c - b * s;
    x[i + dim / 2] = b * c + a * s;
  }
}

void
twin_attention (double *out, const float *q, const float *k, const float *v, guint keys, guint dim, gsize stride, double scale)
{
  g_autofree double *p = g_new (double, MAX (keys, 1));
  double most = -G_MAXDOUBLE, total = 0;

  for (guint j = 0; j < keys; j++) {
    p[j] = 0;
    for (guint c = 0; c < dim; c++)
      p[j] += (double)q[c] * k[j * stride + c] * scale;
    most = MAX (most, p[j]);
  }
  for (guint j = 0; j < keys; j++)
    total += p[j] = exp (p[j] - most);
  for (guint c = 0; c < dim; c++) {
    out[c] = 0;
    for (guint j = 0; j < keys; j++)
      out[c] += p[j] / total * v[j * stride + c];
  }
}

guint
twin_kv_size (KvType type)
{
  return type == KV_F32 ? 4 : type == KV_F16 ? 2 : 1;
}

/* Quads of a head's key. */
static guint
kv_quads (const KvLayer *kv)
{
  guint per_quad = 16 / twin_kv_size (kv->type);

  return (kv->head_dim + per_quad - 1) / per_quad;
}

/* Where a head of a block begins. */
static gsize
kv_head (const KvLayer *kv, gboolean key, guint block, guint head)
{
  gsize steps = key && kv->type == KV_INT8 ? 4 * KV_BLOCK : 0;

  return ((gsize)block * kv->heads + head) * (KV_BLOCK * kv_quads (kv) * 16 + steps);
}

gsize
twin_kv_byte (const KvLayer *kv, gboolean key, guint block, guint place, guint head, guint column)
{
  guint size = twin_kv_size (kv->type), quads = kv_quads (kv), quad = column * size / 16;
  gsize at = key ? ((place / 8) * quads + quad) * 8 + place % 8 : place * quads + quad;

  return kv_head (kv, key, block, head) + (key && kv->type == KV_INT8 ? 4 * KV_BLOCK : 0) + at * 16 + column * size % 16;
}

gsize
twin_kv_steps_byte (const KvLayer *kv, guint block, guint place, guint head)
{
  return kv_head (kv, TRUE, block, head) + place % 8 * 16 + place / 8 * 4;
}

float
twin_kv_step (const float *x, guint dim, guint16 *bits)
{
  float largest = 0, step;
  guint32 u;

  for (guint i = 0; i < dim; i++)
    largest = MAX (largest, fabsf (x[i]));
  step = MIN (largest, 1e30f) * (1 / 127.0f);
  memcpy (&u, &step, 4);
  *bits = largest < 1e-28f ? 0 : (u + 0xffff) >> 16;
  u = (guint32)*bits << 16;
  memcpy (&step, &u, 4);
  return step;
}

static void
kv_put_bytes (const KvLayer *kv, guint8 *image, gboolean key, guint block, guint place, guint head, float *x, guint16 *bits)
{
  float step = twin_kv_step (x, kv->head_dim, bits);

  for (guint i = 0; i < kv->head_dim; i++) {
    gint8 n = step > 0 ? CLAMP (rintf (x[i] / step), -127, 127) : 0;

    image[twin_kv_byte (kv, key, block, place, head, i)] = n;
    x[i] = n * step;
  }
}

void
twin_kv_put (const KvLayer *kv, guint8 *keys, guint8 *values, guint block, guint place, guint head, float *key, float *value)
{
  if (kv->type == KV_INT8) {
    guint16 *steps = (guint16 *)(gpointer)(keys + twin_kv_steps_byte (kv, block, place, head));

    kv_put_bytes (kv, keys, TRUE, block, place, head, key, &steps[0]);
    kv_put_bytes (kv, values, FALSE, block, place, head, value, &steps[1]);
    return;
  }
  for (guint i = 0; i < kv->head_dim; i++) {
    convert_from_f32 (keys + twin_kv_byte (kv, TRUE, block, place, head, i), kv->k.type, &key[i], 1);
    convert_from_f32 (values + twin_kv_byte (kv, FALSE, block, place, head, i), kv->v.type, &value[i], 1);
  }
  twin_kv_get (kv, keys, values, block, place, head, key, value);
}

static float
kv_get (const KvLayer *kv, const guint8 *image, gboolean key, guint block, guint place, guint head, guint column, guint16 bits)
{
  const guint8 *from = image + twin_kv_byte (kv, key, block, place, head, column);
  guint32 u = (guint32)bits << 16;
  float f;

  if (kv->type == KV_INT8) {
    memcpy (&f, &u, 4);
    return *(const gint8 *)from * f;
  }
  convert_to_f32 (&f, from, kv->k.type, 1);
  return f;
}

void
twin_kv_get (
    const KvLayer *kv, const guint8 *keys, const guint8 *values, guint block, guint place, guint head, float *key, float *value)
{
  guint16 steps[2] = { 0 };

  if (kv->type == KV_INT8)
    memcpy (steps, keys + twin_kv_steps_byte (kv, block, place, head), sizeof steps);
  for (guint i = 0; i < kv->head_dim; i++) {
    key[i] = kv_get (kv, keys, TRUE, block, place, head, i, steps[0]);
    value[i] = kv_get (kv, values, FALSE, block, place, head, i, steps[1]);
  }
}

guint8
twin_resample (const guint8 *in, gsize step, const gint32 *taps, guint count)
{
  gint32 sum = 1 << 21;

  for (guint j = 0; j < count; j++)
    sum += taps[j] * in[j * step];
  return CLAMP (sum >> 22, 0, 255);
}

void
twin_patches (double *y, const guint32 *x, gsize stride, guint side, guint patch, const float mean[3], const float std[3])
{
  for (guint v = 0; v < side; v++)
    for (guint u = 0; u < side; u++)
      for (guint c = 0; c < 3; c++) {
        guint row = v / patch * (side / patch) + u / patch, column = (c * patch + v % patch) * patch + u % patch;

        y[row * 3 * patch * patch + column] = ((x[v * stride + u] >> 8 * c & 255) / 255.0 - mean[c]) / std[c];
      }
}

void
twin_pixel_shuffle (float *y, const float *x, guint side, guint r, guint d, gboolean v1)
{
  guint out = side / r;

  for (guint a = 0; a < out; a++)
    for (guint b = 0; b < out; b++)
      for (guint neighbour = 0; neighbour < r * r; neighbour++) {
        guint from = (a * r + neighbour / r) * side + b * r + neighbour % r, to = v1 ? b * out + a : a * out + b;

        memcpy (y + (to * r * r + neighbour) * d, x + from * d, d * sizeof *y);
      }
}

void
twin_matmul (double *y, const float *x, const float *w, guint m, guint n, guint k, const TwinEpilogue *e)
{
  for (guint i = 0; i < m; i++)
    for (guint j = 0; j < n; j++) {
      double sum = 0;

      for (guint c = 0; c < k; c++)
        sum += (double)x[(gsize)i * k + c] * w[(gsize)j * k + c];
      if (e->bias)
        sum += e->bias[j];
      if (e->gelu)
        sum = 0.5 * sum * (1 + erf (sum * G_SQRT2 / 2));
      if (e->scale)
        sum *= e->scale[j];
      if (e->residual)
        sum += e->residual[(gsize)(i % e->period) * n + j];
      y[(gsize)i * n + j] = sum;
    }
}

static guint
to_byte (double v)
{
  return CLAMP (floor (v + 0.5), 0, 255);
}

/* Pixel (x, y) of the source. */
static guint32
twin_pixel (const guint8 *src, const UnpackParams *p, guint x, guint y)
{
  const guint8 *row = src + p->first[0] + (gsize)y * p->stride[0];
  const guint8 *row_u = src + p->first[1] + (gsize)(y / 2) * p->stride[1];
  const guint8 *row_v = src + p->first[2] + (gsize)(y / 2) * p->stride[2];
  guint size = p->format == PIXELS_RGBX || p->format == PIXELS_BGRX ? 4 : 3;
  double luma = (row[x] - (double)p->luma_first) * p->luma_scale, u = 0, v = 0;

  switch (p->format) {
    case PIXELS_RGB:
    case PIXELS_RGBX:
      return row[size * x] | row[size * x + 1] << 8 | row[size * x + 2] << 16;
    case PIXELS_BGR:
    case PIXELS_BGRX:
      return row[size * x + 2] | row[size * x + 1] << 8 | row[size * x] << 16;
    case PIXELS_GRAY:
      break;
    case PIXELS_NV12:
      u = row_u[x / 2 * 2] - 128;
      v = row_u[x / 2 * 2 + 1] - 128;
      break;
    case PIXELS_I420:
      u = row_u[x / 2] - 128;
      v = row_v[x / 2] - 128;
      break;
  }
  return to_byte (luma + p->red_v * v) | to_byte (luma + p->green_u * u + p->green_v * v) << 8
         | to_byte (luma + p->blue_u * u) << 16;
}

void
twin_unpack (guint32 *y, guint width, guint height, const guint8 *src, const UnpackParams *p)
{
  /* Sides of the part before it is turned, less 1. */
  guint w = (p->orientation < 5 ? width : height) - 1, h = (p->orientation < 5 ? height : width) - 1;

  for (guint i = 0; i < height; i++)
    for (guint j = 0; j < width; j++) {
      const guint from[9][2] = { { 0 }, { j, i }, { w - j, i }, { w - j, h - i }, { j, h - i }, { i, j }, { i, h - j },
        { w - i, h - j }, { w - i, j } };

      y[(gsize)i * width + j] = twin_pixel (src, p, p->x + from[p->orientation][0], p->y + from[p->orientation][1]);
    }
}

void
twin_mask (float *y, guint n, const guint32 *mask)
{
  for (guint i = 0; mask[0] && i < n; i++)
    if (!(mask[1 + i / 32] >> i % 32 & 1))
      y[i] = -INFINITY;
}

double
twin_top (guint32 *ids, float *values, float *next, const float *x, guint n, guint count)
{
  g_autofree gboolean *taken = g_new0 (gboolean, n);
  double sum = 0;

  for (guint place = 0; place <= count; place++) {
    guint32 id = G_MAXUINT32;
    float value = -INFINITY;

    for (guint i = 0; i < n; i++) {
      float v = isnan (x[i]) ? -INFINITY : x[i];

      if (!taken[i] && (id == G_MAXUINT32 || v > value)) {
        id = i;
        value = v;
      }
    }
    if (place == count) {
      *next = value;
      break;
    }
    ids[place] = id;
    values[place] = value;
    if (id < n)
      taken[id] = TRUE;
  }
  for (guint i = 0; i < n; i++) {
    float v = isnan (x[i]) ? -INFINITY : x[i];

    sum += v == values[0] ? 1 : exp ((double)v - values[0]);
  }
  return sum;
}

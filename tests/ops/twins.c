#include "twins.h"

#include <math.h>

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

guint8
twin_resample (const guint8 *in, gsize step, const gint32 *taps, guint count)
{
  gint32 sum = 1 << 21;

  for (guint j = 0; j < count; j++)
    sum += taps[j] * in[j * step];
  return CLAMP (sum >> 22, 0, 255);
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

/* Tiles and resizing, bit for bit as the reference and Pillow 10 do it. */
#include "tiles.h"

#include <math.h>
#include <string.h>

#define SUPPORT 2.0 /* of the bicubic, in input samples where it does not shrink */

void
tiles_grid (guint width, guint height, guint side, guint min_num, guint max_num, guint *columns, guint *rows)
{
  double aspect = (double)width / height, area = (double)width * height, best = INFINITY;

  *columns = *rows = 1;
  if (width == 0 || height == 0)
    return;
  /* In order of the number of tiles, as in the reference. Its order among equal numbers is that of a Python set, which can only
   * matter where fewer than two tiles are not allowed. */
  for (guint n = MAX (min_num, 1); n <= max_num; n++)
    for (guint c = 1; c <= n; c++) {
      guint r = n / c;
      double difference = fabs (aspect - (double)c / r);

      if (c * r != n)
        continue;
      /* Of two shapes that fit equally well, the one with more tiles is taken when the picture has more than half its pixels. */
      if (difference < best || (difference == best && area > 0.5 * side * side * c * r)) {
        best = difference;
        *columns = c;
        *rows = r;
      }
    }
}

static double
bicubic (double x)
{
  const double a = -0.5;

  x = fabs (x);
  if (x < 1.0)
    return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0)
    return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

void
resize_filter_init (ResizeFilter *f, guint in, guint out)
{
  double scale = (double)in / out, stretch = MAX (scale, 1.0), support = SUPPORT * stretch;
  g_autofree double *weights = NULL;

  f->out = out;
  f->most = (guint)ceil (support) * 2 + 1;
  f->bounds = g_new (guint32, (gsize)out * 2);
  f->taps = g_new0 (gint32, (gsize)out * f->most);
  weights = g_new (double, f->most);
  for (guint i = 0; i < out; i++) {
    double center = (i + 0.5) * scale, sum = 0;
    gint64 first = MAX ((gint64)(center - support + 0.5), 0);
    gint64 end = MIN ((gint64)(center + support + 0.5), in);
    gint32 *taps = f->taps + (gsize)i * f->most;

    for (gint64 k = 0; k < end - first; k++) {
      weights[k] = bicubic ((k + first - center + 0.5) * (1.0 / stretch));
      sum += weights[k];
    }
    for (gint64 k = 0; k < end - first; k++) {
      double tap = (sum != 0.0 ? weights[k] / sum : weights[k]) * (1 << RESIZE_FILTER_BITS);

      taps[k] = (gint32)(tap < 0 ? tap - 0.5 : tap + 0.5);
    }
    f->bounds[2 * (gsize)i] = first;
    f->bounds[2 * (gsize)i + 1] = end - first;
  }
}

void
resize_filter_clear (ResizeFilter *f)
{
  g_clear_pointer (&f->bounds, g_free);
  g_clear_pointer (&f->taps, g_free);
}

/* One output row or column: `step` bytes lie between the inputs of a filter. */
static guint8
apply (const ResizeFilter *f, guint i, const guint8 *src, gsize step)
{
  const gint32 *taps = f->taps + (gsize)i * f->most;
  gsize first = f->bounds[2 * (gsize)i];
  guint n = f->bounds[2 * (gsize)i + 1];
  gint32 sum = 1 << (RESIZE_FILTER_BITS - 1);

  for (guint k = 0; k < n; k++)
    sum += taps[k] * src[(first + k) * step];
  return CLAMP (sum >> RESIZE_FILTER_BITS, 0, 255);
}

void
resize_rgb (const guint8 *src, gsize stride, guint w, guint h, guint8 *dst, guint out_w, guint out_h)
{
  gsize row = (gsize)out_w * 3;
  g_autofree guint8 *narrow = g_malloc (row * h);
  ResizeFilter horizontal, vertical;

  resize_filter_init (&horizontal, w, out_w);
  resize_filter_init (&vertical, h, out_h);
  for (guint y = 0; y < h; y++)
    for (guint x = 0; x < out_w; x++)
      for (guint c = 0; c < 3; c++)
        narrow[y * row + x * 3 + c] = apply (&horizontal, x, src + y * stride + c, 3);
  for (guint y = 0; y < out_h; y++)
    for (gsize x = 0; x < row; x++)
      dst[y * row + x] = apply (&vertical, y, narrow + x, row);
  resize_filter_clear (&horizontal);
  resize_filter_clear (&vertical);
}

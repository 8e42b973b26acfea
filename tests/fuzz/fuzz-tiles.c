/* Sizes of pictures: grids keep their bounds, filters stay inside the picture, and frames inside their segments. */
#include "model/minivl.h"
#include "model/tiles.h"
#include "parts.h"

#include <math.h>

#define MOST_IN (1 << 15)
#define MOST_OUT 1024
#define SMALL 48

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  return 0;
}

static void
check_grid (Part *rest)
{
  guint width = part_number (rest, 4), height = part_number (rest, 4), side = part_number (rest, 2) % 4096 + 1;
  guint most = part_number (rest, 1) % 128 + 1, least = part_number (rest, 1) % most + 1, columns, rows;

  tiles_grid (width, height, side, least, most, &columns, &rows);
  g_assert (columns >= 1 && rows >= 1 && columns * rows <= most);
  if (width && height)
    g_assert (columns * rows >= least);
  else
    g_assert (columns * rows == 1);
}

static void
check_filter (guint in, guint out)
{
  ResizeFilter f;

  resize_filter_init (&f, in, out);
  g_assert (f.out == out);
  for (guint i = 0; i < out; i++) {
    gint64 sum = 0;

    g_assert (f.bounds[2 * i + 1] >= 1 && f.bounds[2 * i + 1] <= f.most);
    g_assert ((guint64)f.bounds[2 * i] + f.bounds[2 * i + 1] <= in);
    for (guint k = 0; k < f.most; k++)
      sum += f.taps[(gsize)i * f.most + k];
    /* The taps are 1 together, each rounded. */
    g_assert (ABS (sum - (1 << RESIZE_FILTER_BITS)) <= f.most);
  }
  resize_filter_clear (&f);
}

/* Pixels of one colour stay of it. */
static void
check_resize (Part *rest)
{
  guint w = part_number (rest, 1) % SMALL + 1, h = part_number (rest, 1) % SMALL + 1;
  guint out_w = part_number (rest, 1) % SMALL + 1, out_h = part_number (rest, 1) % SMALL + 1;
  gsize stride = 3 * w + part_number (rest, 1), bytes = stride * (h - 1) + 3 * w;
  guint8 gray = part_number (rest, 1);
  g_autofree guint8 *src = g_malloc (bytes), *dst = g_malloc ((gsize)out_w * out_h * 3);

  for (gsize i = 0; i < bytes; i++)
    src[i] = gray;
  resize_rgb (src, stride, w, h, dst, out_w, out_h);
  for (gsize i = 0; i < (gsize)out_w * out_h * 3; i++)
    g_assert (dst[i] == gray);
  for (gsize i = 0; i < MIN (bytes, rest->size); i++)
    src[i] = rest->data[i];
  resize_rgb (src, stride, w, h, dst, out_w, out_h);
}

static void
check_frames (Part *rest)
{
  guint64 n = part_number (rest, 8);
  union
  {
    guint64 bits;
    double value;
  } fps = { part_number (rest, 8) }, start = { part_number (rest, 8) }, stop = { part_number (rest, 8) };
  guint segments = part_number (rest, 1) % 64 + 1;
  g_autofree gint64 *indices = g_new (gint64, segments);

  minivl_sample_frames (n, fps.value, start.value, stop.value, segments, indices);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  Part rest = { data, size };
  guint in, out;

  check_grid (&rest);
  in = part_number (&rest, 4) % MOST_IN + 1;
  out = part_number (&rest, 2) % MOST_OUT + 1;
  check_filter (in, out);
  check_frames (&rest);
  check_resize (&rest);
  return 0;
}

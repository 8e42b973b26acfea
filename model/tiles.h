/* Which tiles a picture is cut into, and the filters that resize it: the reference's rule and Pillow's integer bicubic. */
#ifndef MODEL_TILES_H
#define MODEL_TILES_H

#include <glib.h>

/* The grid of the reference's dynamic_preprocess: min_num <= columns * rows <= max_num. A picture without area is one tile, and so
 * is any picture when no number of tiles is allowed. */
void tiles_grid (guint width, guint height, guint side, guint min_num, guint max_num, guint *columns, guint *rows);

#define RESIZE_FILTER_BITS 22 /* of the taps' fraction: a tap of 1 is 1 << 22 */

/* Pillow's bicubic from `in` to `out` samples: 22-bit fixed-point taps. An output is
 * CLAMP ((sum of taps * inputs + (1 << 21)) >> 22, 0, 255). */
typedef struct
{
  guint out, most; /* outputs; taps of each, rows of `taps` */
  guint32 *bounds; /* [out][2]: first input, count */
  gint32 *taps;    /* [out][most], zeros behind the count */
} ResizeFilter;

/* in, out: at least 1. Takes about 16 * in + 20 * out bytes. */
void resize_filter_init (ResizeFilter *f, guint in, guint out);
void resize_filter_clear (ResizeFilter *f);

/* Plain C twin of the shaders: RGB rows of 3 * w bytes, horizontal pass first. No size is 0. dst: [out_h][out_w][3] */
void resize_rgb (const guint8 *src, gsize stride, guint w, guint h, guint8 *dst, guint out_w, guint out_h);

#endif

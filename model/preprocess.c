#include "preprocess.h"

#include <string.h>

#include "tiles.h"

struct _Preprocess
{
  Device *dev;
  const ModelConfig *config;
  guint width, height, max_tiles;
  gsize stride;

  guint columns, rows, tiles;
  gboolean thumbnail;
  Arena *host, *device;
  Tensor source;                  /* bytes as the caller has them */
  Tensor pixels, narrow, resized; /* unpacked, resized in x, resized in both */
  Tensor thumb_narrow, thumb;
  OpStream *resize;

  Tensor patches;
  guint place_rows, places;
  OpStream **cut; /* [tiles][places], recorded when first needed */
};

/* --- planning -------------------------------------------------------------------------------------------------------------- */

typedef struct
{
  Tensor bounds, taps;
  ResizeFilter filter;
} FilterTensors;

static void
plan_filter (Arena *arena, FilterTensors *f, guint in, guint out)
{
  resize_filter_init (&f->filter, in, out);
  f->bounds = arena_add (arena, TYPE_U32, LAYOUT_ROWS, out, 2);
  f->taps = arena_add (arena, TYPE_U32, LAYOUT_ROWS, out, f->filter.most);
}

static void
fill_filter (FilterTensors *f)
{
  guint32 *bounds = tensor_map (&f->bounds), *taps = tensor_map (&f->taps);

  for (guint i = 0; i < f->filter.out; i++) {
    memcpy (bounds + (gsize)i * f->bounds.stride, f->filter.bounds + 2 * i, 2 * sizeof *bounds);
    memcpy (taps + (gsize)i * f->taps.stride, f->filter.taps + (gsize)i * f->filter.most, f->filter.most * sizeof *taps);
  }
}

static gsize
image_bytes (const MinivlImage *image)
{
  return image->stride * (image->height - 1) + 3 * (gsize)image->width;
}

static void
record_resize (OpStream *s, const Tensor *pixels, const Tensor *narrow, const Tensor *resized, FilterTensors *x, FilterTensors *y)
{
  Filter fx = { &x->bounds, &x->taps }, fy = { &y->bounds, &y->taps };

  fill_filter (x);
  fill_filter (y);
  op_resize_columns (s, narrow, pixels, &fx);
  op_resize_rows (s, resized, narrow, &fy);
}

Preprocess *
preprocess_new (Device *dev, const ModelConfig *config, const MinivlImage *image, guint max_tiles, const Tensor *patches,
    guint place_rows, GError **error)
{
  g_autoptr (Preprocess) p = g_new0 (Preprocess, 1);
  FilterTensors filters[4] = { 0 };
  guint side = config->tile_side;
  gboolean ok;

  p->dev = dev;
  p->config = config;
  p->width = image->width;
  p->height = image->height;
  p->stride = image->stride;
  p->max_tiles = max_tiles;
  p->patches = *patches;
  p->place_rows = place_rows;
  p->places = patches->rows / place_rows;
  tiles_grid (image->width, image->height, side, MIN (config->min_tiles, max_tiles), max_tiles, &p->columns, &p->rows);
  p->thumbnail = config->use_thumbnail && p->columns * p->rows > 1;
  p->tiles = p->columns * p->rows + p->thumbnail;
  p->cut = g_new0 (OpStream *, p->tiles * p->places);

  p->host = arena_new (dev, ARENA_HOST, "picture");
  p->device = arena_new (dev, ARENA_DEVICE, "picture's pixels");
  p->source = arena_add (p->host, TYPE_U32, LAYOUT_ROWS, 1, (image_bytes (image) + 3) / 4);
  plan_filter (p->host, &filters[0], image->width, p->columns * side);
  plan_filter (p->host, &filters[1], image->height, p->rows * side);
  p->pixels = arena_add (p->device, TYPE_U32, LAYOUT_ROWS, image->height, image->width);
  p->narrow = arena_add (p->device, TYPE_U32, LAYOUT_ROWS, image->height, p->columns * side);
  p->resized = arena_add (p->device, TYPE_U32, LAYOUT_ROWS, p->rows * side, p->columns * side);
  if (p->thumbnail) {
    plan_filter (p->host, &filters[2], image->width, side);
    plan_filter (p->host, &filters[3], image->height, side);
    p->thumb_narrow = arena_add (p->device, TYPE_U32, LAYOUT_ROWS, image->height, side);
    p->thumb = arena_add (p->device, TYPE_U32, LAYOUT_ROWS, side, side);
  }

  ok = arena_commit (p->host, error) && arena_commit (p->device, error);
  if (ok) {
    p->resize = op_stream_new (dev, "preprocess");
    op_unpack_rgb (p->resize, &p->pixels, &p->source, image->stride);
    record_resize (p->resize, &p->pixels, &p->narrow, &p->resized, &filters[0], &filters[1]);
    if (p->thumbnail)
      record_resize (p->resize, &p->pixels, &p->thumb_narrow, &p->thumb, &filters[2], &filters[3]);
    ok = op_stream_end (p->resize, error);
  }
  for (guint i = 0; i < G_N_ELEMENTS (filters); i++)
    resize_filter_clear (&filters[i].filter);
  return ok ? g_steal_pointer (&p) : NULL;
}

void
preprocess_free (Preprocess *p)
{
  if (!p)
    return;
  op_stream_free (p->resize);
  for (guint i = 0; i < p->tiles * p->places; i++)
    op_stream_free (p->cut[i]);
  g_free (p->cut);
  arena_free (p->host);
  arena_free (p->device);
  g_free (p);
}

gboolean
preprocess_fits (const Preprocess *p, const MinivlImage *image, guint max_tiles)
{
  return p->width == image->width && p->height == image->height && p->stride == image->stride && p->max_tiles == max_tiles;
}

void
preprocess_grid (const Preprocess *p, guint *columns, guint *rows, guint *tiles)
{
  *columns = p->columns;
  *rows = p->rows;
  *tiles = p->tiles;
}

/* --- running --------------------------------------------------------------------------------------------------------------- */

gboolean
preprocess_run (Preprocess *p, const MinivlImage *image, const gint *cancel, GError **error)
{
  g_return_val_if_fail (preprocess_fits (p, image, p->max_tiles), FALSE);
  memcpy (tensor_map (&p->source), image->data, image_bytes (image));
  return op_stream_run (p->resize, cancel, error);
}

/* A tile as a window on the resized picture: the last is the thumbnail. */
static const Tensor *
find_tile (const Preprocess *p, guint tile, guint *column, guint *row)
{
  if (p->thumbnail && tile + 1 == p->tiles) {
    *column = *row = 0;
    return &p->thumb;
  }
  *column = tile % p->columns;
  *row = tile / p->columns;
  return &p->resized;
}

static OpStream *
record_cut (Preprocess *p, guint tile, guint place, GError **error)
{
  /* ImageNet's moments, as the reference normalises. */
  PatchParams params = {
    .side = p->config->tile_side,
    .patch = p->config->vision.patch_size,
    .mean = { 0.485f, 0.456f, 0.406f },
    .std = { 0.229f, 0.224f, 0.225f },
  };
  g_autoptr (OpStream) s = op_stream_new (p->dev, "patches");
  guint column, row;
  const Tensor *pixels = find_tile (p, tile, &column, &row);

  op_patches (s, &p->patches, place * p->place_rows + 1, pixels, column, row, &params);
  return op_stream_end (s, error) ? g_steal_pointer (&s) : NULL;
}

gboolean
preprocess_patches (Preprocess *p, guint tile, guint place, GError **error)
{
  OpStream **cut = &p->cut[tile * p->places + place];

  if (!*cut)
    *cut = record_cut (p, tile, place, error);
  return *cut && op_stream_run (*cut, NULL, error);
}

guint8 *
preprocess_read (Preprocess *p, GError **error)
{
  guint side = p->config->tile_side;
  g_autofree guint8 *bytes = g_malloc ((gsize)p->tiles * side * side * 3);
  g_autofree guint32 *line = g_new (guint32, side);

  for (guint t = 0; t < p->tiles; t++) {
    guint column, row;
    const Tensor *from = find_tile (p, t, &column, &row);

    for (guint y = 0; y < side; y++) {
      guint64 first = (guint64)(row * side + y) * from->stride + column * side;
      guint8 *to = bytes + ((gsize)t * side + y) * side * 3;

      if (!tensor_read (from, first * sizeof *line, line, side * sizeof *line, error))
        return NULL;
      for (guint x = 0; x < side; x++) {
        to[3 * x] = line[x];
        to[3 * x + 1] = line[x] >> 8;
        to[3 * x + 2] = line[x] >> 16;
      }
    }
  }
  return g_steal_pointer (&bytes);
}

#include "preprocess.h"

#include <string.h>

#include "image.h"
#include "tiles.h"

/* Most pixels that are unpacked at once, so that a large picture takes hardly more memory than its rows after resizing in x. */
#define BAND_PIXELS (1u << 22)

/* Rows of the upright picture. */
typedef struct
{
  guint first, rows;
  OpStream *stream; /* unpacks them and resizes them in x; the last one then makes the tiles */
} Band;

struct _Preprocess
{
  Device *dev;
  const ModelConfig *config;
  MinivlImage image; /* without its bytes */
  guint width, height, max_tiles;

  guint columns, rows, tiles;
  gboolean thumbnail;
  Arena *host, *device;
  Tensor source, pixels;  /* a band: the bytes that are seen, the upright pixels */
  Tensor narrow, resized; /* resized in x, resized in both */
  Tensor thumb_narrow, thumb;
  Band *bands;
  guint n_bands;

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

/* Weights of red and blue in luma, by MinivlMatrix. */
static const double weights[][2] = { { 0.299, 0.114 }, { 0.2126, 0.0722 }, { 0.2627, 0.0593 } };

/* All but where the bytes lie. */
static UnpackParams
plan_colours (const MinivlImage *image)
{
  static const PixelFormat formats[] = {
    [MINIVL_FORMAT_RGB] = PIXELS_RGB,
    [MINIVL_FORMAT_BGR] = PIXELS_BGR,
    [MINIVL_FORMAT_RGBX] = PIXELS_RGBX,
    [MINIVL_FORMAT_BGRX] = PIXELS_BGRX,
    [MINIVL_FORMAT_GRAY8] = PIXELS_GRAY,
    [MINIVL_FORMAT_NV12] = PIXELS_NV12,
    [MINIVL_FORMAT_I420] = PIXELS_I420,
  };
  gboolean full = image_is_full_range (image);
  double red = weights[image->matrix][0], blue = weights[image->matrix][1], green = 1 - red - blue;
  double chroma = full ? 2.0 : 2.0 * 255 / 224;

  return (UnpackParams){
    .format = formats[image->format],
    .orientation = image_orientation (image),
    .luma_first = full ? 0 : 16,
    .luma_scale = full ? 1 : 255.0 / 219,
    .red_v = chroma * (1 - red),
    .green_u = -chroma * (1 - blue) * blue / green,
    .green_v = -chroma * (1 - red) * red / green,
    .blue_u = chroma * (1 - blue),
  };
}

static void
plan_bands (Preprocess *p, guint *most_rows, gsize *most_bytes)
{
  guint rows = CLAMP (BAND_PIXELS / p->width, 1, p->height);

  *most_rows = rows;
  *most_bytes = 0;
  p->n_bands = (p->height + rows - 1) / rows;
  p->bands = g_new0 (Band, p->n_bands);
  for (guint i = 0; i < p->n_bands; i++) {
    Band *band = &p->bands[i];
    ImageRect part;

    band->first = i * rows;
    band->rows = MIN (rows, p->height - band->first);
    part = image_band (&p->image, band->first, band->rows);
    *most_bytes = MAX (*most_bytes, image_layout (&p->image, &part).size);
  }
}

static void
record_unpack (Preprocess *p, OpStream *s, const Band *band, const Tensor *pixels)
{
  ImageRect part = image_band (&p->image, band->first, band->rows);
  ImageLayout layout = image_layout (&p->image, &part);
  UnpackParams params = plan_colours (&p->image);

  params.x = layout.x;
  params.y = layout.y;
  for (guint i = 0; i < G_N_ELEMENTS (layout.first); i++) {
    params.first[i] = layout.first[i];
    params.stride[i] = layout.stride[i];
  }
  op_unpack (s, pixels, &p->source, &params);
}

static void
record_resize (OpStream *s, const Band *band, gboolean last, const Tensor *pixels, const Tensor *narrow, const Tensor *resized,
    const FilterTensors *x, const FilterTensors *y)
{
  Tensor rows = tensor_rows (narrow, band->first, band->rows);
  Filter fx = { &x->bounds, &x->taps }, fy = { &y->bounds, &y->taps };

  op_resize_columns (s, &rows, pixels, &fx);
  if (last)
    op_resize_rows (s, resized, narrow, &fy);
}

static gboolean
record_band (Preprocess *p, guint i, const FilterTensors *filters, GError **error)
{
  Band *band = &p->bands[i];
  gboolean last = i + 1 == p->n_bands;
  Tensor pixels = tensor_rows (&p->pixels, 0, band->rows);

  band->stream = op_stream_new (p->dev, "preprocess");
  record_unpack (p, band->stream, band, &pixels);
  record_resize (band->stream, band, last, &pixels, &p->narrow, &p->resized, &filters[0], &filters[1]);
  if (p->thumbnail)
    record_resize (band->stream, band, last, &pixels, &p->thumb_narrow, &p->thumb, &filters[2], &filters[3]);
  return op_stream_end (band->stream, error);
}

static gboolean
prepare (Preprocess *p, FilterTensors filters[4], GError **error)
{
  guint side = p->config->tile_side, most_rows;
  gsize most_bytes;

  plan_bands (p, &most_rows, &most_bytes);
  p->source = arena_add (p->host, TYPE_U32, LAYOUT_ROWS, 1, (most_bytes + 3) / 4);
  plan_filter (p->host, &filters[0], p->width, p->columns * side);
  plan_filter (p->host, &filters[1], p->height, p->rows * side);
  p->pixels = arena_add (p->device, TYPE_U32, LAYOUT_ROWS, most_rows, p->width);
  p->narrow = arena_add (p->device, TYPE_U32, LAYOUT_ROWS, p->height, p->columns * side);
  p->resized = arena_add (p->device, TYPE_U32, LAYOUT_ROWS, p->rows * side, p->columns * side);
  if (p->thumbnail) {
    plan_filter (p->host, &filters[2], p->width, side);
    plan_filter (p->host, &filters[3], p->height, side);
    p->thumb_narrow = arena_add (p->device, TYPE_U32, LAYOUT_ROWS, p->height, side);
    p->thumb = arena_add (p->device, TYPE_U32, LAYOUT_ROWS, side, side);
  }
  if (!arena_commit (p->host, error) || !arena_commit (p->device, error))
    return FALSE;
  for (guint i = 0; i < (p->thumbnail ? 4 : 2); i++)
    fill_filter (&filters[i]);
  for (guint i = 0; i < p->n_bands; i++)
    if (!record_band (p, i, filters, error))
      return FALSE;
  return TRUE;
}

Preprocess *
preprocess_new (Device *dev, const ModelConfig *config, const MinivlImage *image, guint max_tiles, const Tensor *patches,
    guint place_rows, GError **error)
{
  g_autoptr (Preprocess) p = g_new0 (Preprocess, 1);
  g_autoptr (GError) local = NULL;
  FilterTensors filters[4] = { 0 };

  p->dev = dev;
  p->config = config;
  p->image = *image;
  memset (p->image.data, 0, sizeof p->image.data);
  image_size (image, &p->width, &p->height);
  p->max_tiles = max_tiles;
  p->patches = *patches;
  p->place_rows = place_rows;
  p->places = patches->rows / place_rows;
  tiles_grid (p->width, p->height, config->tile_side, MIN (config->min_tiles, max_tiles), max_tiles, &p->columns, &p->rows);
  p->thumbnail = config->use_thumbnail && p->columns * p->rows > 1;
  p->tiles = p->columns * p->rows + p->thumbnail;
  p->cut = g_new0 (OpStream *, p->tiles * p->places);
  p->host = arena_new (dev, ARENA_HOST, "picture");
  p->device = arena_new (dev, ARENA_DEVICE, "picture's pixels");

  prepare (p, filters, &local);
  for (guint i = 0; i < G_N_ELEMENTS (filters); i++)
    resize_filter_clear (&filters[i].filter);
  if (!local)
    return g_steal_pointer (&p);
  /* For the caller a picture too large for a binding is like one too large for memory. */
  if (g_error_matches (local, DEVICE_ERROR, DEVICE_ERROR_UNSUPPORTED))
    local->code = DEVICE_ERROR_MEMORY;
  g_propagate_prefixed_error (
      error, g_steal_pointer (&local), "a picture of %ux%u pixels in %ux%u tiles: ", p->width, p->height, p->columns, p->rows);
  return NULL;
}

void
preprocess_survey (Device *dev, const ModelConfig *config, const Tensor *patches, OpStream *survey)
{
  g_autoptr (Arena) arena = arena_new (dev, ARENA_DEVICE, "survey of pictures"); /* planned only */
  guint side = config->tile_side;
  Tensor source = arena_add (arena, TYPE_U32, LAYOUT_ROWS, 1, side * side);
  Tensor pixels = arena_add (arena, TYPE_U32, LAYOUT_ROWS, side, side);
  Tensor narrow = arena_add (arena, TYPE_U32, LAYOUT_ROWS, side, side);
  Tensor resized = arena_add (arena, TYPE_U32, LAYOUT_ROWS, side, side);
  Tensor bounds = arena_add (arena, TYPE_U32, LAYOUT_ROWS, side, 2), taps = arena_add (arena, TYPE_U32, LAYOUT_ROWS, side, 4);
  const Filter filter = { &bounds, &taps };

  for (PixelFormat format = PIXELS_RGB; format <= PIXELS_I420; format++)
    for (guint turned = 0; turned < 2; turned++) {
      UnpackParams params = { .format = format, .stride = { 4 * side, 4 * side, 4 * side }, .orientation = turned ? 6 : 1 };

      op_unpack (survey, &pixels, &source, &params);
    }
  op_resize_columns (survey, &narrow, &pixels, &filter);
  op_resize_rows (survey, &resized, &narrow, &filter);
  op_patches (survey, patches, 1, &resized, 0, 0, &(PatchParams){ .side = side, .patch = config->vision.patch_size });
}

void
preprocess_free (Preprocess *p)
{
  if (!p)
    return;
  for (guint i = 0; i < p->n_bands; i++)
    op_stream_free (p->bands[i].stream);
  g_free (p->bands);
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
  const MinivlImage *a = &p->image;

  /* Strides do not matter: the copy has its own. */
  return p->max_tiles == max_tiles && a->format == image->format && a->matrix == image->matrix && a->range == image->range
         && a->width == image->width && a->height == image->height && a->crop_x == image->crop_x && a->crop_y == image->crop_y
         && a->crop_width == image->crop_width && a->crop_height == image->crop_height && a->orientation == image->orientation;
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
preprocess_run (Preprocess *p, const MinivlImage *image, const OpCancel *cancel, GError **error)
{
  g_return_val_if_fail (preprocess_fits (p, image, p->max_tiles), FALSE);
  for (guint i = 0; i < p->n_bands; i++) {
    ImageRect part = image_band (image, p->bands[i].first, p->bands[i].rows);

    image_pack (image, &part, tensor_map (&p->source));
    if (!op_stream_run (p->bands[i].stream, cancel, error))
      return FALSE;
  }
  return TRUE;
}

/* A tile as a window of the resized picture; the last tile is the thumbnail. */
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
  /* ImageNet's mean and deviation, with which the reference normalises. */
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

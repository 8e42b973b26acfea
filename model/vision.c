#include "vision.h"

#include <math.h>
#include <string.h>

#include "tiles.h"

/* Most tiles that go through the transformer together. */
#define BATCH 4

/* One recorded way from a picture's bytes to its tiles, for pictures of one size and grid: frames of a video share it. */
typedef struct
{
  guint width, height, max_tiles;
  gsize stride;

  guint columns, rows, tiles;
  gboolean thumbnail;
  Arena *host, *device;
  Tensor source;                  /* bytes as the caller has them */
  Tensor pixels, narrow, resized; /* unpacked, resized in x, resized in both */
  Tensor thumb_narrow, thumb;
  OpStream *stream;
  OpStream **patches; /* [n_batches]: tiles BATCH * i and on to patch rows */
  guint n_batches;
} Preprocess;

struct _Vision
{
  Device *dev;
  const ModelConfig *config;
  const Weights *weights;
  guint tokens; /* class token and patches */
  guint padded; /* rows a tile takes */

  Arena *scratch;
  Tensor patches, x, normed, qkv, q, attended, hidden;
  Tensor shuffled, shuffled_normed, projected;
  KvLayer kv;
  Tensor rows, table;
  Arena *readback;
  Tensor features;

  Preprocess *preprocess;  /* of the last picture */
  OpStream *encode[BATCH]; /* [n - 1]: n tiles from patches to features */
};

static void
preprocess_free (Preprocess *p)
{
  if (!p)
    return;
  op_stream_free (p->stream);
  for (guint i = 0; i < p->n_batches; i++)
    op_stream_free (p->patches[i]);
  g_free (p->patches);
  arena_free (p->host);
  arena_free (p->device);
  g_free (p);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Preprocess, preprocess_free)

/* --- preprocessing --------------------------------------------------------------------------------------------------------- */

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

  op_resize_columns (s, narrow, pixels, &fx);
  op_resize_rows (s, resized, narrow, &fy);
}

/* Tile t of the picture as a window on the resized one: the last is the thumbnail. */
static const Tensor *
tile_place (const Preprocess *p, guint t, guint *column, guint *row)
{
  if (p->thumbnail && t + 1 == p->tiles) {
    *column = *row = 0;
    return &p->thumb;
  }
  *column = t % p->columns;
  *row = t / p->columns;
  return &p->resized;
}

static void
record_patches (Vision *v, const Preprocess *picture, OpStream *s, guint place, guint tile)
{
  /* ImageNet's moments, as the reference normalises. */
  PatchParams params = {
    .side = v->config->tile_side,
    .patch = v->config->vision.patch_size,
    .mean = { 0.485f, 0.456f, 0.406f },
    .std = { 0.229f, 0.224f, 0.225f },
  };
  guint column, row;
  const Tensor *t = tile_place (picture, tile, &column, &row);

  /* The class token's row in front of each tile's patches stays zero: see weights.c. */
  op_patches (s, &v->patches, place * v->padded + 1, t, column, row, &params);
}

static Preprocess *
preprocess_new (Vision *v, const MinivlImage *image, guint max_tiles, GError **error)
{
  g_autoptr (Preprocess) p = g_new0 (Preprocess, 1);
  const ModelConfig *c = v->config;
  FilterTensors filters[4] = { 0 };
  guint side = c->tile_side;
  gboolean ok;

  p->width = image->width;
  p->height = image->height;
  p->stride = image->stride;
  p->max_tiles = max_tiles;
  tiles_grid (image->width, image->height, side, MIN (c->min_tiles, max_tiles), max_tiles, &p->columns, &p->rows);
  p->thumbnail = c->use_thumbnail && p->columns * p->rows > 1;
  p->tiles = p->columns * p->rows + p->thumbnail;

  p->host = arena_new (v->dev, ARENA_HOST, "picture");
  p->device = arena_new (v->dev, ARENA_DEVICE, "picture's pixels");
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
    p->stream = op_stream_new (v->dev, "preprocess");
    op_unpack_rgb (p->stream, &p->pixels, &p->source, image->stride);
    fill_filter (&filters[0]);
    fill_filter (&filters[1]);
    record_resize (p->stream, &p->pixels, &p->narrow, &p->resized, &filters[0], &filters[1]);
    if (p->thumbnail) {
      fill_filter (&filters[2]);
      fill_filter (&filters[3]);
      record_resize (p->stream, &p->pixels, &p->thumb_narrow, &p->thumb, &filters[2], &filters[3]);
    }
    ok = op_stream_end (p->stream, error);
  }
  p->n_batches = (p->tiles + BATCH - 1) / BATCH;
  p->patches = g_new0 (OpStream *, p->n_batches);
  for (guint b = 0; ok && b < p->n_batches; b++) {
    p->patches[b] = op_stream_new (v->dev, "patches");
    for (guint t = b * BATCH; t < MIN (p->tiles, (b + 1) * BATCH); t++)
      record_patches (v, p, p->patches[b], t % BATCH, t);
    ok = op_stream_end (p->patches[b], error);
  }
  for (guint i = 0; i < G_N_ELEMENTS (filters); i++)
    resize_filter_clear (&filters[i].filter);
  return ok ? g_steal_pointer (&p) : NULL;
}

static gboolean
preprocess_run (Vision *v, const MinivlImage *image, guint max_tiles, const gint *cancel, GError **error)
{
  Preprocess *p = v->preprocess;

  if (!p || p->width != image->width || p->height != image->height || p->stride != image->stride || p->max_tiles != max_tiles) {
    /* Freed first: two of them need not fit the device together. */
    g_clear_pointer (&v->preprocess, preprocess_free);
    p = v->preprocess = preprocess_new (v, image, max_tiles, error);
    if (!p)
      return FALSE;
  }
  memcpy (tensor_map (&p->source), image->data, image_bytes (image));
  return op_stream_run (p->stream, cancel, error);
}

guint8 *
vision_tiles (Vision *v, const MinivlImage *image, guint max_tiles, guint *n_tiles, GError **error)
{
  guint side = v->config->tile_side;
  g_autofree guint8 *bytes = NULL;
  Preprocess *p;

  if (!preprocess_run (v, image, max_tiles, NULL, error))
    return NULL;
  p = v->preprocess;
  bytes = g_malloc ((gsize)p->tiles * side * side * 3);
  for (guint t = 0; t < p->tiles; t++) {
    guint column, row;
    const Tensor *from = tile_place (p, t, &column, &row);
    g_autofree guint32 *line = g_new (guint32, side);

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
  *n_tiles = p->tiles;
  return g_steal_pointer (&bytes);
}

/* --- transformer ----------------------------------------------------------------------------------------------------------- */

static void
record_norm (Vision *v, OpStream *s, const Tensor *y, const Tensor *x, const Tensor *weight, const Tensor *bias)
{
  const VisionConfig *c = &v->config->vision;

  op_norm (s, y, x, c->rms_norm ? NORM_RMS : NORM_LAYER, c->eps, weight, bias->rows ? bias : NULL);
}

static void
record_linear (OpStream *s, const Tensor *y, const Tensor *x, const Tensor *w, const Tensor *bias, MatmulParams p)
{
  p.bias = bias->rows ? bias : NULL;
  op_matmul (s, y, x, w, &p);
}

static void
record_embedding (Vision *v, OpStream *s, guint n)
{
  Tensor x = tensor_rows (&v->x, 0, n * v->padded), patches = tensor_rows (&v->patches, 0, n * v->padded);
  MatmulParams p = { .residual = &v->weights->position, .residual_period = v->padded };

  record_linear (s, &x, &patches, &v->weights->patch, &v->weights->patch_bias, p);
}

static void
record_block (Vision *v, OpStream *s, guint i, guint n)
{
  const VisionConfig *c = &v->config->vision;
  const VisionLayer *w = &v->weights->vision[i];
  guint m = n * v->padded;
  Tensor x = tensor_rows (&v->x, 0, m), normed = tensor_rows (&v->normed, 0, m), qkv = tensor_rows (&v->qkv, 0, m),
         q = tensor_rows (&v->q, 0, m), attended = tensor_rows (&v->attended, 0, m), hidden = tensor_rows (&v->hidden, 0, m);
  Step step = { .rows = &v->rows, .table = &v->table };
  MatmulParams plain = { 0 }, gelu = { .act = ACT_GELU };

  record_norm (v, s, &normed, &x, &w->norm1, &w->norm1_bias);
  record_linear (s, &qkv, &normed, &w->qkv, &w->qkv_bias, plain);
  if (c->qk_normalization) {
    Tensor q_part = tensor_columns (&qkv, 0, c->hidden), k_part = tensor_columns (&qkv, c->hidden, c->hidden);

    op_norm (s, &q_part, &q_part, NORM_RMS, c->eps, &w->q_norm, NULL);
    op_norm (s, &k_part, &k_part, NORM_RMS, c->eps, &w->k_norm, NULL);
  }
  op_rope_kv (s, &q, &v->kv, &qkv, &step);
  op_attention (s, &attended, &q, &v->kv, 1.0 / sqrt (vision_head_dim (c)), &step);
  record_linear (s, &x, &attended, &w->proj, &w->proj_bias, (MatmulParams){ .scale = &w->ls1, .residual = &x });

  record_norm (v, s, &normed, &x, &w->norm2, &w->norm2_bias);
  record_linear (s, &hidden, &normed, &w->fc1, &w->fc1_bias, gelu);
  record_linear (s, &x, &hidden, &w->fc2, &w->fc2_bias, (MatmulParams){ .scale = &w->ls2, .residual = &x });
}

static void
record_projector (Vision *v, OpStream *s, guint n)
{
  const ModelConfig *c = v->config;
  guint side = c->tile_side / c->vision.patch_size, tile_tokens = model_tile_tokens (c);
  Tensor shuffled = tensor_rows (&v->shuffled, 0, n * tile_tokens), normed = tensor_rows (&v->shuffled_normed, 0, n * tile_tokens),
         projected = tensor_rows (&v->projected, 0, n * tile_tokens), features = tensor_rows (&v->features, 0, n * tile_tokens);

  for (guint i = 0; i < n; i++) {
    Tensor to = tensor_rows (&v->shuffled, i * tile_tokens, tile_tokens);
    Tensor from = tensor_rows (&v->x, i * v->padded + 1, side * side);

    op_pixel_shuffle (s, &to, &from, side, c->shuffle, c->ps_v1);
  }
  /* torch's LayerNorm, whose epsilon no checkpoint changes. */
  op_norm (s, &normed, &shuffled, NORM_LAYER, 1e-5f, &v->weights->mlp_norm, &v->weights->mlp_norm_bias);
  record_linear (s, &projected, &normed, &v->weights->mlp1, &v->weights->mlp1_bias, (MatmulParams){ .act = ACT_GELU });
  record_linear (s, &features, &projected, &v->weights->mlp2, &v->weights->mlp2_bias, (MatmulParams){ 0 });
}

static gboolean
record_encode (Vision *v, guint n, GError **error)
{
  OpStream *s = op_stream_new (v->dev, "vision");

  record_embedding (v, s, n);
  for (guint i = 0; i < v->weights->n_vision; i++)
    record_block (v, s, i, n);
  record_projector (v, s, n);
  if (!op_stream_end (s, error)) {
    op_stream_free (s);
    return FALSE;
  }
  v->encode[n - 1] = s;
  return TRUE;
}

/* Every tile is a sequence of its own, all of whose rows see all of its keys. */
static gboolean
fill_step (Vision *v, GError **error)
{
  guint tile_blocks = v->table.cols;
  g_autofree guint32 *rows = g_new0 (guint32, (gsize)v->rows.rows * v->rows.stride);
  g_autofree guint32 *table = g_new0 (guint32, (gsize)v->table.rows * v->table.stride);

  for (guint t = 0; t < BATCH; t++) {
    for (guint i = 0; i < v->padded; i++) {
      guint32 *row = rows + (gsize)(t * v->padded + i) * v->rows.stride;

      row[0] = i < v->tokens ? t * tile_blocks * KV_BLOCK + i : G_MAXUINT32;
      row[1] = i < v->tokens ? v->tokens : 0;
      row[2] = t;
    }
    for (guint b = 0; b < tile_blocks; b++)
      table[(gsize)t * v->table.stride + b] = t * tile_blocks + b;
  }
  return tensor_write (&v->rows, 0, rows, (guint64)v->rows.rows * v->rows.stride * sizeof *rows, error)
         && tensor_write (&v->table, 0, table, (guint64)v->table.rows * v->table.stride * sizeof *table, error);
}

Vision *
vision_new (Device *dev, const ModelConfig *config, const Weights *weights, GError **error)
{
  g_autoptr (Vision) v = g_new0 (Vision, 1);
  const VisionConfig *c = &config->vision;
  guint side = config->tile_side / c->patch_size, head_dim = vision_head_dim (c), tile_tokens = model_tile_tokens (config), m, n,
        tile_blocks, kv_elements;

  v->dev = dev;
  v->config = config;
  v->weights = weights;
  v->tokens = side * side + 1;
  v->padded = vision_rows (config);
  m = BATCH * v->padded;
  n = BATCH * tile_tokens;
  tile_blocks = (v->tokens + KV_BLOCK - 1) / KV_BLOCK;
  kv_elements = kv_block_elements (c->heads, head_dim);

  v->scratch = arena_new (dev, ARENA_DEVICE, "vision transformer's activations");
  v->patches = arena_add (v->scratch, TYPE_F32, LAYOUT_ROWS, m, 3 * c->patch_size * c->patch_size);
  v->x = arena_add (v->scratch, TYPE_F32, LAYOUT_ROWS, m, c->hidden);
  v->normed = arena_add (v->scratch, TYPE_F32, LAYOUT_ROWS, m, c->hidden);
  v->qkv = arena_add (v->scratch, TYPE_F32, LAYOUT_ROWS, m, 3 * c->hidden);
  v->q = arena_add (v->scratch, TYPE_F32, LAYOUT_ROWS, m, c->hidden);
  v->attended = arena_add (v->scratch, TYPE_F32, LAYOUT_ROWS, m, c->hidden);
  v->hidden = arena_add (v->scratch, TYPE_F32, LAYOUT_ROWS, m, c->intermediate);
  v->shuffled = arena_add (v->scratch, TYPE_F32, LAYOUT_ROWS, n, c->hidden * config->shuffle * config->shuffle);
  v->shuffled_normed = arena_add (v->scratch, TYPE_F32, LAYOUT_ROWS, n, c->hidden * config->shuffle * config->shuffle);
  v->projected = arena_add (v->scratch, TYPE_F32, LAYOUT_ROWS, n, config->language.hidden);
  v->kv.k = arena_add (v->scratch, TYPE_F32, LAYOUT_ROWS, BATCH * tile_blocks, kv_elements);
  v->kv.v = arena_add (v->scratch, TYPE_F32, LAYOUT_ROWS, BATCH * tile_blocks, kv_elements);
  v->kv.heads = c->heads;
  v->kv.head_dim = head_dim;
  v->rows = arena_add (v->scratch, TYPE_U32, LAYOUT_ROWS, m, 4);
  v->table = arena_add (v->scratch, TYPE_U32, LAYOUT_ROWS, BATCH, tile_blocks);

  v->readback = arena_new (dev, ARENA_HOST, "visual tokens");
  v->features = arena_add (v->readback, TYPE_F32, LAYOUT_ROWS, n, config->language.hidden);

  if (!arena_commit (v->scratch, error) || !arena_commit (v->readback, error) || !fill_step (v, error))
    return NULL;
  return g_steal_pointer (&v);
}

void
vision_free (Vision *v)
{
  if (!v)
    return;
  for (guint i = 0; i < BATCH; i++)
    op_stream_free (v->encode[i]);
  preprocess_free (v->preprocess);
  arena_free (v->scratch);
  arena_free (v->readback);
  g_free (v);
}

guint64
vision_bytes (const Vision *v)
{
  return arena_bytes (v->scratch) + arena_bytes (v->readback);
}

gboolean
vision_encode (Vision *v, const MinivlImage *image, guint max_tiles, const gint *cancel, VisionResult *result, GError **error)
{
  guint tile_tokens = model_tile_tokens (v->config), hidden = v->config->language.hidden;
  gint64 start = g_get_monotonic_time (), resized, done;
  g_autofree float *features = NULL;
  guint tiles;

  if (!preprocess_run (v, image, max_tiles, cancel, error))
    return FALSE;
  resized = g_get_monotonic_time ();

  tiles = v->preprocess->tiles;
  features = g_new (float, (gsize)tiles *tile_tokens *hidden);
  for (guint t = 0; t < tiles; t += BATCH) {
    guint n = MIN (BATCH, tiles - t);
    const float *from = tensor_map (&v->features);
    float *to = features + (gsize)t * tile_tokens * hidden;

    if (!op_stream_run (v->preprocess->patches[t / BATCH], cancel, error) || (!v->encode[n - 1] && !record_encode (v, n, error))
        || !op_stream_run (v->encode[n - 1], cancel, error))
      return FALSE;
    for (guint i = 0; i < n * tile_tokens; i++)
      memcpy (to + (gsize)i * hidden, from + (gsize)i * v->features.stride, hidden * sizeof (float));
  }
  done = g_get_monotonic_time ();

  *result = (VisionResult){
    .columns = v->preprocess->columns,
    .rows = v->preprocess->rows,
    .tiles = tiles,
    .n_tokens = tiles * tile_tokens,
    .features = g_steal_pointer (&features),
    .preprocess_ns = (resized - start) * 1000,
    .encode_ns = (done - resized) * 1000,
  };
  return TRUE;
}

gboolean
vision_stages (Vision *v, const MinivlImage *image, guint max_tiles, StageFunc on_stage, gpointer user_data, GError **error)
{
  g_autoptr (Arena) arena = arena_new (v->dev, ARENA_HOST, "stages");
  g_autoptr (OpStream) s = op_stream_new (v->dev, "vision stages");
  guint n = v->weights->n_vision, tile_tokens = model_tile_tokens (v->config);
  g_autofree Tensor *stages = g_new0 (Tensor, n + 1);
  Tensor x = tensor_rows (&v->x, 0, v->tokens), shuffled = tensor_rows (&v->shuffled, 0, tile_tokens), shuffle_stage;

  for (guint i = 0; i <= n; i++)
    stages[i] = arena_add (arena, TYPE_F32, LAYOUT_ROWS, v->tokens, v->config->vision.hidden);
  shuffle_stage = arena_add (arena, TYPE_F32, LAYOUT_ROWS, tile_tokens, v->shuffled.cols);
  if (!arena_commit (arena, error) || !preprocess_run (v, image, max_tiles, NULL, error))
    return FALSE;

  record_patches (v, v->preprocess, s, 0, v->preprocess->tiles - 1);
  record_embedding (v, s, 1);
  op_copy (s, &stages[0], &x);
  for (guint i = 0; i < n; i++) {
    record_block (v, s, i, 1);
    op_copy (s, &stages[i + 1], &x);
  }
  record_projector (v, s, 1);
  op_copy (s, &shuffle_stage, &shuffled);
  if (!op_stream_end (s, error) || !op_stream_run (s, NULL, error))
    return FALSE;

  for (guint i = 0; i <= n; i++) {
    g_autofree gchar *name = g_strdup_printf ("vision.%u", i);

    stage_give (name, &stages[i], v->tokens, on_stage, user_data);
  }
  stage_give ("pixel_shuffle", &shuffle_stage, tile_tokens, on_stage, user_data);
  stage_give ("projector", &v->features, tile_tokens, on_stage, user_data);
  return TRUE;
}

#include "vision.h"

#include <math.h>
#include <string.h>

#include "model_testing.h"
#include "preprocess.h"

struct _Vision
{
  GThread *owner; /* that made it */
  Device *dev;
  const ModelConfig *config;
  const Weights *weights;
  guint tokens; /* class token and patches */
  guint padded; /* rows a tile takes */

  Arena *scratch;
  Tensor patches, x, between, normed, qkv, q, attended, hidden;
  Tensor shuffled, shuffled_normed, projected;
  KvLayer kv;
  Tensor rows, table;
  Arena *readback;
  Tensor features;

  Preprocess *idle; /* of the last picture that was done: the next frame of a video has the same size and format */
  guint64 tiles_encoded;
  OpStream *encode[VISION_BATCH]; /* [n - 1]: n tiles from patches to features */
};

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

/* x goes to and fro between two tensors, as in the language model. */
static void
record_block (Vision *v, OpStream *s, guint i, guint n)
{
  const VisionConfig *c = &v->config->vision;
  const VisionLayer *w = &v->weights->vision[i];
  guint m = n * v->padded;
  Tensor x = tensor_rows (&v->x, 0, m), between = tensor_rows (&v->between, 0, m), normed = tensor_rows (&v->normed, 0, m),
         qkv = tensor_rows (&v->qkv, 0, m), q = tensor_rows (&v->q, 0, m), attended = tensor_rows (&v->attended, 0, m),
         hidden = tensor_rows (&v->hidden, 0, m);
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
  record_linear (s, &between, &attended, &w->proj, &w->proj_bias, (MatmulParams){ .scale = &w->ls1, .residual = &x });

  record_norm (v, s, &normed, &between, &w->norm2, &w->norm2_bias);
  record_linear (s, &hidden, &normed, &w->fc1, &w->fc1_bias, gelu);
  record_linear (s, &x, &hidden, &w->fc2, &w->fc2_bias, (MatmulParams){ .scale = &w->ls2, .residual = &between });
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

/* n tiles from patches to features */
static void
record_tiles (Vision *v, OpStream *s, guint n)
{
  record_embedding (v, s, n);
  for (guint i = 0; i < v->weights->n_vision; i++)
    record_block (v, s, i, n);
  record_projector (v, s, n);
}

void
vision_survey (Vision *v, OpStream *survey)
{
  g_assert (g_thread_self () == v->owner);
  preprocess_survey (v->dev, v->config, &v->patches, survey);
  for (guint n = 1; n <= VISION_BATCH; n++)
    record_tiles (v, survey, n);
}

static gboolean
record_encode (Vision *v, guint n, GError **error)
{
  OpStream *s = op_stream_new (v->dev, "vision");

  record_tiles (v, s, n);
  if (!op_stream_end (s, error)) {
    op_stream_free (s);
    return FALSE;
  }
  v->encode[n - 1] = s;
  return TRUE;
}

/* Every tile is a sequence of its own, and each of its rows sees all of its keys. */
static gboolean
fill_step (Vision *v, GError **error)
{
  guint tile_blocks = v->table.cols;
  g_autofree guint32 *rows = g_new0 (guint32, (gsize)v->rows.rows * v->rows.stride);
  g_autofree guint32 *table = g_new0 (guint32, (gsize)v->table.rows * v->table.stride);

  for (guint t = 0; t < VISION_BATCH; t++) {
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
vision_new (Device *dev, const ModelConfig *config, const Weights *weights)
{
  Vision *v = g_new0 (Vision, 1);
  const VisionConfig *c = &config->vision;
  guint side = config->tile_side / c->patch_size, head_dim = vision_head_dim (c), tile_tokens = model_tile_tokens (config), m, n,
        tile_blocks;

  v->owner = g_thread_self ();
  v->dev = dev;
  v->config = config;
  v->weights = weights;
  v->tokens = side * side + 1;
  v->padded = vision_rows (config);
  m = VISION_BATCH * v->padded;
  n = VISION_BATCH * tile_tokens;
  tile_blocks = (v->tokens + KV_BLOCK - 1) / KV_BLOCK;

  v->scratch = arena_new (dev, ARENA_DEVICE, "vision transformer's activations");
  v->patches = arena_add (v->scratch, TYPE_F32, LAYOUT_ROWS, m, 3 * c->patch_size * c->patch_size);
  v->x = arena_add (v->scratch, TYPE_F32, LAYOUT_ROWS, m, c->hidden);
  v->between = arena_add (v->scratch, TYPE_F32, LAYOUT_ROWS, m, c->hidden);
  v->normed = arena_add (v->scratch, TYPE_F32, LAYOUT_ROWS, m, c->hidden);
  v->qkv = arena_add (v->scratch, TYPE_F32, LAYOUT_ROWS, m, 3 * c->hidden);
  v->q = arena_add (v->scratch, TYPE_F32, LAYOUT_ROWS, m, c->hidden);
  v->attended = arena_add (v->scratch, TYPE_F32, LAYOUT_ROWS, m, c->hidden);
  v->hidden = arena_add (v->scratch, TYPE_F32, LAYOUT_ROWS, m, c->intermediate);
  v->shuffled = arena_add (v->scratch, TYPE_F32, LAYOUT_ROWS, n, c->hidden * config->shuffle * config->shuffle);
  v->shuffled_normed = arena_add (v->scratch, TYPE_F32, LAYOUT_ROWS, n, c->hidden * config->shuffle * config->shuffle);
  v->projected = arena_add (v->scratch, TYPE_F32, LAYOUT_ROWS, n, config->language.hidden);
  v->kv = kv_layer_add (v->scratch, KV_F32, VISION_BATCH * tile_blocks, c->heads, head_dim);
  v->rows = arena_add (v->scratch, TYPE_U32, LAYOUT_ROWS, m, 4);
  v->table = arena_add (v->scratch, TYPE_U32, LAYOUT_ROWS, VISION_BATCH, tile_blocks);

  v->readback = arena_new (dev, ARENA_HOST, "visual tokens");
  v->features = arena_add (v->readback, TYPE_F32, LAYOUT_ROWS, n, config->language.hidden);
  return v;
}

gboolean
vision_commit (Vision *v, GError **error)
{
  g_assert (g_thread_self () == v->owner);
  return arena_commit (v->scratch, error) && arena_commit (v->readback, error) && fill_step (v, error);
}

void
vision_free (Vision *v)
{
  if (!v)
    return;
  g_assert (g_thread_self () == v->owner);
  for (guint i = 0; i < VISION_BATCH; i++)
    op_stream_free (v->encode[i]);
  preprocess_free (v->idle);
  arena_free (v->scratch);
  arena_free (v->readback);
  g_free (v);
}

guint64
vision_bytes (const Vision *v)
{
  return arena_bytes (v->scratch) + arena_bytes (v->readback);
}

/* --- pictures -------------------------------------------------------------------------------------------------------------- */

struct _VisionPicture
{
  Vision *vision;
  Preprocess *preprocess;
  VisionResult result;
};

VisionPicture *
vision_picture_new (Vision *v, const MinivlImage *image, guint max_tiles, const OpCancel *cancel, GError **error)
{
  g_autoptr (VisionPicture) picture = g_new0 (VisionPicture, 1);
  gint64 start = g_get_monotonic_time ();
  VisionResult *r = &picture->result;

  g_assert (g_thread_self () == v->owner);
  picture->vision = v;
  if (v->idle && preprocess_fits (v->idle, image, max_tiles))
    picture->preprocess = g_steal_pointer (&v->idle);
  else
    picture->preprocess = preprocess_new (v->dev, v->config, image, max_tiles, &v->patches, v->padded, error);
  if (!picture->preprocess || !preprocess_run (picture->preprocess, image, cancel, error))
    return NULL;
  preprocess_grid (picture->preprocess, &r->columns, &r->rows, &r->tiles);
  r->n_tokens = r->tiles * model_tile_tokens (v->config);
  r->features = g_new (float, (gsize)r->n_tokens * v->config->language.hidden);
  r->preprocess_ns = (g_get_monotonic_time () - start) * 1000;
  return g_steal_pointer (&picture);
}

void
vision_picture_free (VisionPicture *picture)
{
  if (!picture)
    return;
  g_assert (g_thread_self () == picture->vision->owner);
  if (picture->preprocess) {
    preprocess_free (picture->vision->idle);
    picture->vision->idle = picture->preprocess;
  }
  g_free (picture->result.features);
  g_free (picture);
}

guint
vision_picture_tiles (const VisionPicture *picture)
{
  return picture->result.tiles;
}

guint8 *
vision_picture_read (VisionPicture *picture, GError **error)
{
  g_assert (g_thread_self () == picture->vision->owner);
  return preprocess_read (picture->preprocess, error);
}

VisionResult
vision_picture_finish (VisionPicture *picture)
{
  VisionResult result = picture->result;

  g_assert (g_thread_self () == picture->vision->owner);
  result.order = picture->vision->tiles_encoded;
  picture->result.features = NULL;
  vision_picture_free (picture);
  return result;
}

gboolean
vision_encode (Vision *v, const VisionTile *tiles, guint n, const OpCancel *cancel, GError **error)
{
  guint tile_tokens = model_tile_tokens (v->config), hidden = v->config->language.hidden;
  gint64 start = g_get_monotonic_time ();
  guint64 each;

  g_assert (g_thread_self () == v->owner);
  g_return_val_if_fail (n > 0 && n <= VISION_BATCH, FALSE);
  for (guint i = 0; i < n; i++)
    if (!preprocess_patches (tiles[i].picture->preprocess, tiles[i].tile, i, error))
      return FALSE;
  if ((!v->encode[n - 1] && !record_encode (v, n, error)) || !op_stream_run (v->encode[n - 1], cancel, error))
    return FALSE;

  each = (g_get_monotonic_time () - start) * 1000 / n;
  for (guint i = 0; i < n; i++) {
    VisionResult *r = &tiles[i].picture->result;
    const float *from = (const float *)tensor_map (&v->features) + (gsize)i * tile_tokens * v->features.stride;
    float *to = r->features + (gsize)tiles[i].tile * tile_tokens * hidden;

    for (guint k = 0; k < tile_tokens; k++)
      memcpy (to + (gsize)k * hidden, from + (gsize)k * v->features.stride, hidden * sizeof (float));
    r->encode_ns += each;
  }
  v->tiles_encoded += n;
  return TRUE;
}

guint64
vision_tiles_encoded (const Vision *v)
{
  return v->tiles_encoded;
}

gboolean
vision_stages (VisionPicture *picture, StageFunc on_stage, gpointer user_data, GError **error)
{
  Vision *v = picture->vision;
  g_autoptr (Arena) arena = arena_new (v->dev, ARENA_HOST, "stages");
  g_autoptr (OpStream) s = op_stream_new (v->dev, "vision stages");
  guint n = v->weights->n_vision, tile_tokens = model_tile_tokens (v->config);
  g_autofree Tensor *stages = g_new0 (Tensor, n + 1);
  Tensor x = tensor_rows (&v->x, 0, v->tokens), shuffled = tensor_rows (&v->shuffled, 0, tile_tokens), shuffle_stage;

  g_assert (g_thread_self () == v->owner);
  for (guint i = 0; i <= n; i++)
    stages[i] = arena_add (arena, TYPE_F32, LAYOUT_ROWS, v->tokens, v->config->vision.hidden);
  shuffle_stage = arena_add (arena, TYPE_F32, LAYOUT_ROWS, tile_tokens, v->shuffled.cols);
  if (!arena_commit (arena, error) || !preprocess_patches (picture->preprocess, picture->result.tiles - 1, 0, error))
    return FALSE;

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

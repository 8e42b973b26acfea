#include "survey.h"

#include "vk/vk.h"

#define VISION_DIM 64
#define VISION_WIDTH (16 * VISION_DIM)
#define VISION_ROWS 1032 /* of a tile */
#define SIDE 32          /* patches of a tile */
#define LANGUAGE_DIM 96
#define LANGUAGE_WIDTH (32 * LANGUAGE_DIM)
#define VOCAB 32012
#define BLOCKS 40

typedef struct
{
  OpStream *s;
  Arena *a;
  TensorType weights; /* of the language model */
  TensorType wide;    /* of the others, which have no blocks */
  KvType kv;
} Survey;

static Tensor
rows_of (Survey *v, guint rows, guint cols)
{
  return arena_add (v->a, TYPE_F32, LAYOUT_ROWS, rows, cols);
}

static Tensor
words_of (Survey *v, guint rows, guint cols)
{
  return arena_add (v->a, TYPE_U32, LAYOUT_ROWS, rows, cols);
}

enum
{
  BIAS = 1,
  GELU = 2,
  SCALE = 4,
  RESIDUAL = 8,
};

static void
linear (Survey *v, TensorType type, guint m, guint n, guint k, guint what)
{
  Tensor x = rows_of (v, m, k), y = rows_of (v, m, n), vector = rows_of (v, 1, n), residual = rows_of (v, m, n);
  Tensor w = arena_add (v->a, type, LAYOUT_WEIGHTS, n, k);
  const MatmulParams p = {
    .bias = what & BIAS ? &vector : NULL,
    .act = what & GELU ? ACT_GELU : ACT_NONE,
    .scale = what & SCALE ? &vector : NULL,
    .residual = what & RESIDUAL ? &residual : NULL,
  };

  op_matmul (v->s, &y, &x, &w, &p);
}

static void
norm (Survey *v, guint m, guint n, NormKind kind)
{
  Tensor x = rows_of (v, m, n), y = rows_of (v, m, n), vector = rows_of (v, 1, n);

  op_norm (v->s, &y, &x, kind, 1e-5f, &vector, kind == NORM_LAYER ? &vector : NULL);
}

/* With the norm in front, or without where it is not taken along. */
static void
normed_linear (Survey *v, guint m, guint n, guint k)
{
  Tensor x = rows_of (v, m, k), y = rows_of (v, m, n), weight = rows_of (v, 1, k);
  Tensor w = arena_add (v->a, v->weights, LAYOUT_WEIGHTS, n, k);
  const MatmulParams p = { .norm = op_matmul_norms (v->s, m, &w) ? &weight : NULL, .eps = 1e-5f };

  op_matmul (v->s, &y, &x, &w, &p);
}

static void
attend (Survey *v, guint m, guint width, guint dim, KvType type, gboolean rotate, gboolean decode)
{
  const KvLayer kv = kv_layer_add (v->a, type, BLOCKS, width / dim, dim);
  Tensor qkv = rows_of (v, m, 3 * width), q = rows_of (v, m, width), out = rows_of (v, m, width), rope = rows_of (v, m, dim);
  Tensor rows = words_of (v, m, 4), table = words_of (v, m, BLOCKS);
  guint columns = attention_work_columns (op_stream_device (v->s), &kv, width / dim, BLOCKS * KV_BLOCK, decode);
  Tensor work = rows_of (v, m, MAX (columns, 1));
  const Step step = { .rows = &rows, .table = &table, .rope = rotate ? &rope : NULL, .work = columns ? &work : NULL };

  op_rope_kv (v->s, &q, &kv, &qkv, &step);
  if (decode)
    op_attention_decode (v->s, &out, &q, &kv, 0.1f, &step);
  else
    op_attention (v->s, &out, &q, &kv, 0.1f, &step);
}

static void
survey_pictures (Survey *v)
{
  Tensor src = words_of (v, 1, 200), x = words_of (v, 8, 8), narrow = words_of (v, 8, 4), y = words_of (v, 4, 4);
  Tensor bounds = words_of (v, 4, 2), taps = words_of (v, 4, 5), patches = rows_of (v, 5, 12);
  const Filter filter = { &bounds, &taps };
  const PatchParams patch = { 4, 2, { 0.5f, 0.5f, 0.5f }, { 0.5f, 0.5f, 0.5f } };

  for (PixelFormat f = PIXELS_RGB; f <= PIXELS_I420; f++)
    for (guint o = 1; o <= 6; o += 5) {
      const UnpackParams p = { f, { 0, 200, 300 }, { 32, 16, 16 }, .orientation = o };

      op_unpack (v->s, &x, &src, &p);
    }
  op_resize_columns (v->s, &narrow, &x, &filter);
  op_resize_rows (v->s, &y, &narrow, &filter);
  op_patches (v->s, &patches, 1, &y, 0, 0, &patch);
}

static void
survey_vision (Survey *v)
{
  guint m = VISION_ROWS, tokens = SIDE * SIDE / 4;
  Tensor all = rows_of (v, SIDE * SIDE, VISION_WIDTH), shuffled = rows_of (v, tokens, 4 * VISION_WIDTH);

  linear (v, v->wide, m, VISION_WIDTH, 588, BIAS | RESIDUAL);
  norm (v, m, VISION_WIDTH, NORM_LAYER);
  linear (v, v->wide, m, 3 * VISION_WIDTH, VISION_WIDTH, BIAS);
  attend (v, m, VISION_WIDTH, VISION_DIM, KV_F32, FALSE, FALSE);
  linear (v, v->wide, m, VISION_WIDTH, VISION_WIDTH, BIAS | SCALE | RESIDUAL);
  linear (v, v->wide, m, 4 * VISION_WIDTH, VISION_WIDTH, BIAS | GELU);
  op_pixel_shuffle (v->s, &shuffled, &all, SIDE, 2, FALSE);
  linear (v, v->wide, tokens, LANGUAGE_WIDTH, LANGUAGE_WIDTH, BIAS);
}

/* A chunk of m tokens of a prompt, or a token for each of m sequences. */
static void
survey_language (Survey *v, guint m, gboolean decode)
{
  Tensor table = arena_add (v->a, v->wide, LAYOUT_WEIGHTS, VOCAB, LANGUAGE_WIDTH), x = rows_of (v, m, LANGUAGE_WIDTH);
  Tensor ids = words_of (v, 1, m), gate_up = rows_of (v, m, 2 * LANGUAGE_WIDTH), one = rows_of (v, 1, LANGUAGE_WIDTH);
  Tensor last = words_of (v, 1, 1), logits = rows_of (v, 1, VOCAB), top = words_of (v, 1, TOP_COLUMNS);
  Tensor work = words_of (v, 1, top_work_columns (VOCAB)), masks = words_of (v, 1, MASK_COLUMNS (VOCAB));

  op_gather (v->s, &x, &table, &x, &ids);
  norm (v, m, LANGUAGE_WIDTH, NORM_RMS);
  normed_linear (v, m, 3 * LANGUAGE_WIDTH, LANGUAGE_WIDTH);
  attend (v, m, LANGUAGE_WIDTH, LANGUAGE_DIM, v->kv, TRUE, decode);
  linear (v, v->weights, m, LANGUAGE_WIDTH, LANGUAGE_WIDTH, RESIDUAL);
  op_glu (v->s, &x, &gate_up);
  op_rows (v->s, &one, &x, &last);
  op_copy (v->s, &x, &x);
  linear (v, v->weights, 1, VOCAB, LANGUAGE_WIDTH, 0);
  op_mask (v->s, &logits, &masks);
  op_top (v->s, &top, &logits, &work);
}

OpStream *
survey_model (Device *dev, TensorType weights, KvType kv)
{
  g_autoptr (Arena) arena = arena_new (dev, ARENA_DEVICE, "survey");
  Survey v = { op_survey_new (dev), arena, weights, weights == TYPE_Q8 || weights == TYPE_Q4 ? TYPE_BF16 : weights, kv };

  survey_pictures (&v);
  survey_vision (&v);
  survey_language (&v, 8, FALSE);
  survey_language (&v, 256, FALSE);
  survey_language (&v, 1, TRUE);
  survey_language (&v, 4, TRUE);
  return v.s;
}

/*
 * A small case for every op. Numbers have few bits, so that every type holds them exactly, f16 included.
 */
#include <math.h>
#include <string.h>

#include "selfcheck.h"
#include "twins.h"

#define NMSE 1e-10

/* --- the linear layer ------------------------------------------------------------------------------------------------------- */

static void
record_matmul (const Case *c, OpStream *s)
{
  guint epilogue = c->variant->spec[0];
  const MatmulParams p = {
    .bias = epilogue & EPILOGUE_BIAS ? TENSOR (c, 3) : NULL,
    .norm = epilogue & EPILOGUE_NORM ? TENSOR (c, 6) : NULL,
    .eps = 1e-5f,
    .act = epilogue & EPILOGUE_GELU ? ACT_GELU : ACT_NONE,
    .scale = epilogue & EPILOGUE_SCALE ? TENSOR (c, 4) : NULL,
    .residual = epilogue & EPILOGUE_RESIDUAL ? TENSOR (c, 5) : NULL,
  };

  op_matmul (s, TENSOR (c, 0), TENSOR (c, 1), TENSOR (c, 2), &p);
}

/* x[m][k] becomes its RMS norm. */
static void
norm_rows (float *x, guint m, guint k, const float *weight)
{
  g_autofree double *normed = g_new (double, m *k);

  twin_norm (normed, x, m, k, FALSE, 1e-5f, weight, NULL);
  for (guint i = 0; i < m * k; i++)
    x[i] = normed[i];
}

static void
plan_matmul (Case *c)
{
  TensorType type = case_type (c);
  gboolean coop = g_str_has_prefix (c->variant->shader->name, "matmul_coop");
  gboolean dot = g_str_has_prefix (c->variant->shader->name, "matmul_dot");
  const guint32 *spec = c->variant->spec;
  gboolean ragged = type != TYPE_Q4 || dot || spec[c->variant->n_spec - 1];
  guint epilogue = spec[0], k = ragged && !(epilogue & EPILOGUE_NORM) ? 100 : 128, tile = dot ? DOT_ROWS : spec[1], m, n = 70;

  if (g_str_equal (c->op, "matvec")) {
    m = tile; /* the rows it is compiled for */
    if (strstr (c->variant->shader->name, "_split") && spec[2] == 8)
      n += 8 * MATVEC_WORKGROUPS;
  } else if (dot) { /* two strips of the tiles that keep a GPU busy */
    m = tile + 1;
    n = 32 * DOT_COLUMNS - 26;
  } else if (!coop && !g_str_has_prefix (c->variant->shader->name, "matmul_tile")) {
    m = tile == 8 ? 21 : 27; /* these take a tile of 8 or 16, with a partial one at the edge */
  } else if (!coop && tile == 32) {
    m = 27;
  } else { /* two strips of so many tiles, partial ones at the edges, that no smaller tile is taken */
    m = tile + 1;
    n = 32 * spec[2] - 26;
  }
  g_autofree float *x = case_numbers (c, m * k, 1, 0), *w = case_numbers (c, n * k, 0.125f, 0),
                   *bias = case_numbers (c, n, 0.5f, 0.25f), *scale = case_numbers (c, n, 1, 1),
                   *residual = case_numbers (c, m * n, 1, 0), *norm = case_numbers (c, k, 0.5f, 1);
  const TwinEpilogue e = {
    .bias = epilogue & EPILOGUE_BIAS ? bias : NULL,
    .gelu = (epilogue & EPILOGUE_GELU) != 0,
    .scale = epilogue & EPILOGUE_SCALE ? scale : NULL,
    .residual = epilogue & EPILOGUE_RESIDUAL ? residual : NULL,
    .period = m,
  };
  double *want = g_new (double, m *n);

  /* 127 steps are the largest of every block: 8 bits hold the others exactly, too. */
  for (guint i = 0; (type == TYPE_Q4 || dot) && i < m; i++)
    for (guint j = 0; j < k; j += 32)
      x[i * k + j] = 127 / 8.0f;
  /* Some rows outgrow what their beginning made room for. */
  for (guint i = 0; coop && i < m * k; i++)
    x[i] *= i / k % 3 == 1 && i % k >= 2 * COOP_PIECE ? 4096 : 1;
  case_add_output (c, TYPE_F32, m, n, want);
  case_add_rows (c, TYPE_F32, m, k, x);
  case_add_weights (c, type, n, k, w);
  if (epilogue & EPILOGUE_NORM)
    norm_rows (x, m, k, norm);
  twin_matmul (want, x, w, m, n, k, &e);
  case_add_rows (c, TYPE_F32, 1, n, bias);
  case_add_rows (c, TYPE_F32, 1, n, scale);
  case_add_rows (c, TYPE_F32, m, n, residual);
  case_add_rows (c, TYPE_F32, 1, k, norm);
  c->record = record_matmul;
}

/* --- rows ------------------------------------------------------------------------------------------------------------------- */

static void
record_norm (const Case *c, OpStream *s)
{
  op_norm (s, TENSOR (c, 0), TENSOR (c, 1), c->variant->spec[0] ? NORM_LAYER : NORM_RMS, 1e-5f, TENSOR (c, 2),
      c->variant->spec[1] ? TENSOR (c, 3) : NULL);
}

static void
plan_norm (Case *c)
{
  enum
  {
    M = 5,
    N = 301,
  };
  g_autofree float *x = case_numbers (c, M * N, 1, 3), *weight = case_numbers (c, N, 0.5f, 1), *bias = case_numbers (c, N, 1, 0);
  double *want = g_new (double, M *N);

  twin_norm (want, x, M, N, c->variant->spec[0] != 0, 1e-5f, weight, c->variant->spec[1] ? bias : NULL);
  case_add_output (c, TYPE_F32, M, N, want);
  case_add_rows (c, TYPE_F32, M, N, x);
  case_add_rows (c, TYPE_F32, 1, N, weight);
  case_add_rows (c, TYPE_F32, 1, N, bias);
  c->record = record_norm;
}

static void
record_glu (const Case *c, OpStream *s)
{
  op_glu (s, TENSOR (c, 0), TENSOR (c, 1));
}

static void
plan_glu (Case *c)
{
  enum
  {
    M = 3,
    N = 300,
  };
  g_autofree float *x = case_numbers (c, M * 2 * N, 4, 0);
  double *want = g_new (double, M *N);

  x[1] = -200; /* exp (200) is beyond the floats */
  twin_glu (want, x, M, N);
  case_add_output (c, TYPE_F32, M, N, want);
  case_add_rows (c, TYPE_F32, M, 2 * N, x);
  c->record = record_glu;
}

static void
record_gather (const Case *c, OpStream *s)
{
  op_gather (s, TENSOR (c, 0), TENSOR (c, 1), TENSOR (c, 2), TENSOR (c, 3));
}

static void
plan_gather (Case *c)
{
  static const gint32 ids[] = { 0, 39, -1, 31, 32, -3, 8, 7 };
  enum
  {
    M = G_N_ELEMENTS (ids),
    N = 68,
    ROWS = 40,
    EXTRA = 3,
  };
  g_autofree float *table = case_numbers (c, ROWS * N, 1, 0), *extra = case_numbers (c, EXTRA * N, 1, 0);
  double *want = g_new (double, M *N);

  for (guint i = 0; i < M * N; i++) {
    gint32 id = ids[i / N];

    want[i] = id < 0 ? extra[(-1 - id) * N + i % N] : table[id * N + i % N];
  }
  case_add_output (c, TYPE_F32, M, N, want);
  case_add_weights (c, case_type (c), ROWS, N, table);
  case_add_rows (c, TYPE_F32, EXTRA, N, extra);
  case_add_rows (c, TYPE_U32, 1, M, ids);
  c->record = record_gather;
}

static void
record_copy (const Case *c, OpStream *s)
{
  if (c->variant->spec[0])
    op_rows (s, TENSOR (c, 0), TENSOR (c, 1), TENSOR (c, 2));
  else
    op_copy (s, TENSOR (c, 0), TENSOR (c, 1));
}

static void
plan_copy (Case *c)
{
  static const guint32 ids[] = { 6, 0, 6, 3, 1, 2, 5 };
  enum
  {
    M = G_N_ELEMENTS (ids),
    N = 37,
  };
  g_autofree float *x = case_numbers (c, M * N, 1, 0);
  double *want = g_new (double, M *N);

  for (guint i = 0; i < M * N; i++)
    want[i] = x[c->variant->spec[0] ? ids[i / N] * N + i % N : i];
  case_add_output (c, TYPE_F32, M, N, want);
  case_add_rows (c, TYPE_F32, M, N, x);
  case_add_rows (c, TYPE_U32, 1, M, ids);
  c->record = record_copy;
}

/* --- attention -------------------------------------------------------------------------------------------------------------- */

#define HEADS 2
#define HEADS_Q 4
#define HEADS_Q_LARGE 64 /* of the case that takes the large tile, and its rows */
#define ROWS_LARGE 65
#define SEQUENCES 3
#define KEYS 70
#define BLOCKS ((KEYS + KV_BLOCK - 1) / KV_BLOCK) /* of a sequence */
#define CACHE_BLOCKS (SEQUENCES * BLOCKS + 1)

static guint
head_dim (const Case *c)
{
  return c->variant->spec[0];
}

/* Blocks of sequences lie in any order. */
static guint32
block_of (guint sequence, guint block)
{
  return (7 * (sequence * BLOCKS + block) + 3) % CACHE_BLOCKS;
}

/* Adds the cache as tensors 2 and 3, or 1 and 2: inputs or outputs. */
static void
add_cache (Case *c)
{
  const gchar *name = c->variant->shader->name;
  KvType type = strstr (name, "_int8") ? KV_INT8 : strstr (name, "_f16") ? KV_F16 : KV_F32;

  c->kv = kv_layer_add (c->arena, type, CACHE_BLOCKS, HEADS, head_dim (c));
  case_own (c, &c->kv.k);
  case_own (c, &c->kv.v);
}

/* Fills it with k and v, [SEQUENCES][KEYS][HEADS][head_dim], and rounds them to what it holds; around them are numbers that
 * must not be read. */
static void
fill_cache (Case *c, float *k, float *v)
{
  CaseTensor *keys = &c->tensors[c->n_tensors - 2], *values = &c->tensors[c->n_tensors - 1];
  guint dim = head_dim (c);

  keys->bytes = g_malloc0 (tensor_bytes (&keys->tensor));
  values->bytes = g_malloc0 (tensor_bytes (&values->tensor));
  for (guint i = 0; i < CACHE_BLOCKS * KV_BLOCK * HEADS; i++) {
    float far[2][128];

    for (guint j = 0; j < dim; j++)
      far[0][j] = far[1][j] = 1000;
    twin_kv_put (&c->kv, keys->bytes, values->bytes, i / HEADS / KV_BLOCK, i / HEADS % KV_BLOCK, i % HEADS, far[0], far[1]);
  }
  for (guint i = 0; i < SEQUENCES * KEYS * HEADS; i++) {
    guint key = i / HEADS % KEYS, block = block_of (i / HEADS / KEYS, key / KV_BLOCK);

    twin_kv_put (&c->kv, keys->bytes, values->bytes, block, key % KV_BLOCK, i % HEADS, k + i * dim, v + i * dim);
  }
}

/* Whether parts of results are joined. */
static gboolean
in_parts (const Case *c)
{
  return g_str_has_prefix (c->variant->shader->name, "attention_join") || (c->variant->n_spec > 1 && c->variant->spec[1]);
}

static gboolean
takes_large_tile (const Case *c)
{
  return g_str_has_prefix (c->variant->shader->name, "attention_tile") && c->variant->spec[2] > 32;
}

static void
record_attention (const Case *c, OpStream *s)
{
  const Step step = { .rows = TENSOR (c, 4), .table = TENSOR (c, 5), .work = in_parts (c) ? TENSOR (c, 6) : NULL };
  float scale = 1 / sqrtf (head_dim (c));

  if (g_str_equal (c->op, "attention"))
    op_attention (s, TENSOR (c, 0), TENSOR (c, 1), &c->kv, scale, &step);
  else
    op_attention_decode (s, TENSOR (c, 0), TENSOR (c, 1), &c->kv, scale, &step);
}

static void
plan_attention (Case *c)
{
  gboolean decode = !g_str_equal (c->op, "attention"), large = takes_large_tile (c);
  guint dim = head_dim (c),
        m = decode  ? 5
            : large ? ROWS_LARGE
                    : 21,
        heads_q = large ? HEADS_Q_LARGE : HEADS_Q, n = heads_q * dim, wide = HEADS * dim;
  float scale = 1 / sqrtf (dim);
  g_autofree float *q = case_numbers (c, m * n, 1, 0), *k = case_numbers (c, SEQUENCES * KEYS * wide, 1, 0),
                   *v = case_numbers (c, SEQUENCES * KEYS * wide, 1, 0.5f);
  guint32 rows[ROWS_LARGE][4] = { { 0 } }, table[SEQUENCES][BLOCKS];
  double *want = g_new (double, m *n);

  case_add_output (c, TYPE_F32, m, n, want);
  case_add_rows (c, TYPE_F32, m, n, q);
  add_cache (c);
  fill_cache (c, k, v);
  for (guint i = 0; i < m; i++) {
    guint sequence = (decode ? i : i / 8) % SEQUENCES;
    guint keys = i % 8 == 3 ? 0 : i % 8 == 4 ? KEYS : 1 + i * 13 % KEYS; /* a row of padding, one that sees all */

    rows[i][0] = G_MAXUINT32;
    rows[i][1] = keys;
    rows[i][2] = sequence;
    for (guint h = 0; h < heads_q; h++) {
      gsize first = (gsize)sequence * KEYS * wide + h / (heads_q / HEADS) * dim, at = (gsize)i * n + h * dim;

      twin_attention (want + at, q + at, k + first, v + first, keys, dim, wide, scale);
    }
  }
  for (guint i = 0; i < SEQUENCES * BLOCKS; i++)
    table[i / BLOCKS][i % BLOCKS] = block_of (i / BLOCKS, i % BLOCKS);
  case_add_rows (c, TYPE_U32, m, 4, rows);
  case_add_rows (c, TYPE_U32, SEQUENCES, BLOCKS, table);
  case_add (c, TYPE_F32, LAYOUT_ROWS, m, heads_q * BLOCKS * (dim + 4)); /* room for a part a block */
  c->record = record_attention;
}

static void
record_rope_kv (const Case *c, OpStream *s)
{
  const Step step = { .rows = TENSOR (c, 4), .rope = c->variant->spec[1] ? TENSOR (c, 5) : NULL };

  op_rope_kv (s, TENSOR (c, 0), &c->kv, TENSOR (c, 3), &step);
}

/* Byte i of a cache of bytes is right where it is one of those next to the number that is wanted, which is no whole one. */
static double
byte_of_cache (const CaseTensor *own, gconstpointer bytes, gsize i)
{
  gint8 got = ((const gint8 *)bytes)[i];

  return fabs (got - own->want[i]) < 0.5001 ? own->want[i] : got;
}

/* What is wanted of a row's key or value of one head at a slot. */
static void
want_in_cache (Case *c, gboolean key, guint slot, guint head, const double *x)
{
  double *want = c->tensors[key ? 1 : 2].want, *steps = c->tensors[1].want;
  guint block = slot / KV_BLOCK, place = slot % KV_BLOCK, dim = head_dim (c), size = twin_kv_size (c->kv.type);
  guint16 halves[128], bits;
  float narrow[128];
  double step = 1;

  for (guint j = 0; j < dim; j++)
    narrow[j] = x[j];
  if (c->kv.type == KV_INT8) {
    gsize at = twin_kv_steps_byte (&c->kv, block, place, head) + (key ? 0 : 2);

    step = twin_kv_step (narrow, dim, &bits);
    steps[at] = (gint8)bits;
    steps[at + 1] = (gint8)(bits >> 8);
  }
  if (c->kv.type == KV_F16) {
    convert_from_f32 (halves, TYPE_F16, narrow, dim);
    convert_to_f32 (narrow, halves, TYPE_F16, dim);
  }
  for (guint j = 0; j < dim; j++)
    want[twin_kv_byte (&c->kv, key, block, place, head, j) / size] = narrow[j] / step;
}

/* f16 is to be rounded to nearest even. Keys become small enough to have 8 digits and fewer, values get one digit more than f16 has
 * or two: of both, many lie midway between two halves. */
static void
make_halves_uneven (Case *c, float *qkv, guint m, guint n_q, guint n_kv)
{
  for (guint i = 0; i < m; i++) {
    float *keys = qkv + i * (n_q + 2 * n_kv) + n_q, *values = keys + n_kv;

    for (guint j = 0; j < n_kv; j++) {
      keys[j] *= 0x1p-19f;
      values[j] += case_number (c, 0, 16) * 0x1p-12f;
    }
  }
}

static void
plan_rope_kv (Case *c)
{
  enum
  {
    M = 9,
    PADDING = 4, /* the row that is */
  };
  guint dim = head_dim (c), n_q = HEADS_Q * dim, heads = HEADS_Q + 2 * HEADS, n = heads * dim;
  g_autofree float *qkv = case_numbers (c, M * n, 1, 0), *rope = case_numbers (c, M * dim, 0.5f, 0);
  g_autofree double *all = NULL;
  guint32 rows[M][4] = { { 0 } };
  double *q_want = g_new (double, M *n_q);

  case_add_output (c, TYPE_F32, M, n_q, q_want);
  add_cache (c);
  if (c->kv.type == KV_F16)
    make_halves_uneven (c, qkv, M, n_q, HEADS * dim);
  all = case_widened (qkv, M * n);
  for (guint i = 1; i <= 2; i++) {
    CaseTensor *own = &c->tensors[i];

    own->parts = c->kv.type == KV_INT8 ? 4 : 1;
    own->element = c->kv.type == KV_INT8 ? byte_of_cache : NULL;
    own->want = g_new0 (double, (gsize)CACHE_BLOCKS * own->tensor.cols * own->parts);
  }
  for (guint i = 0; i < M; i++) {
    guint slot = CACHE_BLOCKS * KV_BLOCK - 1 - i * 37;

    rows[i][0] = i == PADDING ? G_MAXUINT32 : slot;
    for (guint h = 0; h < heads; h++) {
      double *head = all + (gsize)(i * heads + h) * dim;
      guint own = h < HEADS_Q ? h : (h - HEADS_Q) % HEADS;
      gboolean key = h < HEADS_Q + HEADS;

      if (c->variant->spec[1] && key)
        twin_rotate (head, dim, rope + i * dim);
      if (h < HEADS_Q)
        memcpy (q_want + i * n_q + own * dim, head, dim * sizeof *head);
      else if (i != PADDING)
        want_in_cache (c, key, slot, own, head);
    }
  }
  case_add_rows (c, TYPE_F32, M, n, qkv);
  case_add_rows (c, TYPE_U32, M, 4, rows);
  case_add_rows (c, TYPE_F32, M, dim, rope);
  c->record = record_rope_kv;
}

/* --- pictures --------------------------------------------------------------------------------------------------------------- */

enum
{
  UNPACK_WIDTH = 13,
  UNPACK_HEIGHT = 6,
  UNPACK_STRIDE = 61,
  UNPACK_PLANE = 517, /* bytes from one plane to the next */
};

/* Sums of these have few bits, so that they are exact in any order. */
static UnpackParams
unpack_params (const Case *c)
{
  UnpackParams p = { c->variant->spec[0], .x = 1, .y = 1, .orientation = c->variant->spec[1] ? 1 : 6, .luma_first = 16,
    .luma_scale = 1.125f, .red_v = 1.5f, .green_u = -0.375f, .green_v = -0.75f, .blue_u = 1.75f };

  for (guint i = 0; i < G_N_ELEMENTS (p.first); i++) {
    p.first[i] = 3 + i * UNPACK_PLANE;
    p.stride[i] = UNPACK_STRIDE;
  }
  return p;
}

static void
record_unpack (const Case *c, OpStream *s)
{
  UnpackParams p = unpack_params (c);

  op_unpack (s, TENSOR (c, 0), TENSOR (c, 1), &p);
}

static void
plan_unpack (Case *c)
{
  UnpackParams p = unpack_params (c);
  guint width = p.orientation == 1 ? UNPACK_WIDTH : UNPACK_HEIGHT, height = p.orientation == 1 ? UNPACK_HEIGHT : UNPACK_WIDTH;
  guint words = 3 * UNPACK_PLANE / 4 + 1;
  g_autofree guint32 *src = case_pixels (c, words);
  guint32 y[UNPACK_WIDTH * UNPACK_HEIGHT];

  twin_unpack (y, width, height, (const guint8 *)src, &p);
  case_add_output (c, TYPE_U32, height, width, case_widened_words (y, G_N_ELEMENTS (y)));
  case_add_rows (c, TYPE_U32, 1, words, src);
  c->bound = 0;
  c->record = record_unpack;
}

static void
record_resize (const Case *c, OpStream *s)
{
  const Filter f = { TENSOR (c, 2), TENSOR (c, 3) };

  if (g_str_equal (c->op, "resize_columns"))
    op_resize_columns (s, TENSOR (c, 0), TENSOR (c, 1), &f);
  else
    op_resize_rows (s, TENSOR (c, 0), TENSOR (c, 1), &f);
}

static void
plan_resize (Case *c)
{
  enum
  {
    IN = 20,    /* along the filter */
    BESIDE = 7, /* across it */
    OUT = 13,
    TAPS = 6,
  };
  gboolean columns = g_str_equal (c->op, "resize_columns");
  guint width = columns ? IN : BESIDE, out_width = columns ? OUT : BESIDE, out_height = columns ? BESIDE : OUT;
  g_autofree guint32 *x = case_pixels (c, IN * BESIDE);
  guint32 bounds[OUT][2], y[OUT * BESIDE] = { 0 };
  gint32 taps[OUT][TAPS] = { { 0 } };

  for (guint i = 0; i < OUT; i++) {
    guint count = case_number (c, 1, TAPS + 1);

    bounds[i][0] = i == 0 ? 0 : i == OUT - 1 ? IN - count : case_number (c, 0, IN - count + 1);
    bounds[i][1] = count;
    /* Sums beyond a byte on both sides are among them. */
    for (guint j = 0; j < count; j++)
      taps[i][j] = case_number (c, -(1 << 22), 3 << 21) / (gint)count;
  }
  for (guint i = 0; i < OUT * BESIDE; i++) {
    guint u = i % out_width, v = i / out_width, at = columns ? u : v;
    const guint8 *from = (const guint8 *)(x + (columns ? v * width + bounds[at][0] : bounds[at][0] * width + u));

    for (guint k = 0; k < 3; k++)
      y[i] |= (guint32)twin_resample (from + k, columns ? 4 : 4 * width, taps[at], bounds[at][1]) << 8 * k;
  }
  case_add_output (c, TYPE_U32, out_height, out_width, case_widened_words (y, OUT * BESIDE));
  case_add_rows (c, TYPE_U32, columns ? BESIDE : IN, width, x);
  case_add_rows (c, TYPE_U32, OUT, 2, bounds);
  case_add_rows (c, TYPE_U32, OUT, TAPS, taps);
  c->bound = 0;
  c->record = record_resize;
}

static const PatchParams patch_params = { 12, 4, { 0.5f, 0.25f, 0.375f }, { 0.25f, 0.5f, 0.125f } };

static void
record_patches (const Case *c, OpStream *s)
{
  op_patches (s, TENSOR (c, 0), 1, TENSOR (c, 1), 1, 0, &patch_params);
}

static void
plan_patches (Case *c)
{
  enum
  {
    SIDE = 12,
    PATCH = 4,
    N = 3 * PATCH * PATCH,
    PATCHES = SIDE / PATCH * (SIDE / PATCH),
  };
  g_autofree guint32 *x = case_pixels (c, 2 * SIDE * 2 * SIDE);
  double *want = g_new0 (double, (1 + PATCHES + 1) * N); /* the rows before and behind stay */

  twin_patches (want + N, x + SIDE, 2 * SIDE, SIDE, PATCH, patch_params.mean, patch_params.std);
  case_add_output (c, TYPE_F32, 1 + PATCHES + 1, N, want);
  case_add_rows (c, TYPE_U32, 2 * SIDE, 2 * SIDE, x);
  c->record = record_patches;
}

#define SHUFFLE_SIDE 6
#define SHUFFLE_R 2

static void
record_pixel_shuffle (const Case *c, OpStream *s)
{
  op_pixel_shuffle (s, TENSOR (c, 0), TENSOR (c, 1), SHUFFLE_SIDE, SHUFFLE_R, c->variant->spec[0] != 0);
}

static void
plan_pixel_shuffle (Case *c)
{
  enum
  {
    D = 12,
    M = SHUFFLE_SIDE / SHUFFLE_R * (SHUFFLE_SIDE / SHUFFLE_R),
    N = D * SHUFFLE_R * SHUFFLE_R,
  };
  g_autofree float *x = case_numbers (c, M * N, 1, 0), *y = g_new (float, M *N);

  twin_pixel_shuffle (y, x, SHUFFLE_SIDE, SHUFFLE_R, D, c->variant->spec[0] != 0);
  case_add_output (c, TYPE_F32, M, N, case_widened (y, M * N));
  case_add_rows (c, TYPE_F32, SHUFFLE_SIDE * SHUFFLE_SIDE, D, x);
  c->record = record_pixel_shuffle;
}

/* --- the table -------------------------------------------------------------------------------------------------------------- */

static const struct
{
  const gchar *op; /* as it names itself in a stream */
  void (*plan) (Case *c);
} plans[] = {
  { "matmul", plan_matmul },
  { "matvec", plan_matmul },
  { "norm", plan_norm },
  { "glu", plan_glu },
  { "mask", case_plan_mask },
  { "top", case_plan_top },
  { "gather", plan_gather },
  { "rows", plan_copy },
  { "copy", plan_copy },
  { "rope_kv", plan_rope_kv },
  { "attention", plan_attention },
  { "attention_decode", plan_attention },
  { "unpack", plan_unpack },
  { "resize_columns", plan_resize },
  { "resize_rows", plan_resize },
  { "patches", plan_patches },
  { "pixel_shuffle", plan_pixel_shuffle },
};

gboolean
case_init (Case *c, Arena *arena, const Variant *variant, const gchar *op)
{
  *c = (Case){ .variant = variant, .op = op, .arena = arena, .random = 1, .bound = NMSE };
  for (guint i = 0; i < G_N_ELEMENTS (plans); i++)
    if (g_str_equal (plans[i].op, op)) {
      plans[i].plan (c);
      return TRUE;
    }
  return FALSE;
}

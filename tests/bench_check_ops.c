/* Checks of what is no linear layer. */
#include "bench_check.h"

#include <math.h>
#include <string.h>

#include "vk/twins.h"

/* Bytes of what goes in and out as f32. */
static double
f32_bytes (double numbers)
{
  return 4 * numbers;
}

/* --- rows -------------------------------------------------------------------------------------------------------------------- */

typedef struct
{
  guint m, n;
  gboolean layer; /* norm */
} RowsSize;

static void
record_norm (const Case *c, OpStream *s)
{
  const RowsSize *size = ((const Check *)c)->size;

  op_norm (s, TENSOR (c, 0), TENSOR (c, 1), size->layer ? NORM_LAYER : NORM_RMS, 1e-5f, TENSOR (c, 2),
      size->layer ? TENSOR (c, 3) : NULL);
}

static void
plan_norm (Check *check, gconstpointer data)
{
  const RowsSize *size = data;
  Case *c = &check->c;
  const guint m = size->m, n = size->n;
  g_autofree float *x = case_numbers (c, (gsize)m * n, 1, 3), *weight = case_numbers (c, n, 0.5f, 1),
                   *bias = case_numbers (c, n, 1, 0);
  double *want = g_new (double, (gsize)m *n);

  twin_norm (want, x, m, n, size->layer, 1e-5f, weight, size->layer ? bias : NULL);
  case_add_output (c, TYPE_F32, m, n, want);
  case_add_rows (c, TYPE_F32, m, n, x);
  case_add_rows (c, TYPE_F32, 1, n, weight);
  case_add_rows (c, TYPE_F32, 1, n, bias);
  c->record = record_norm;
  check->shape = g_strdup_printf ("%ux%u, %s", m, n, size->layer ? "layer" : "RMS");
  check->bytes = f32_bytes (2.0 * m * n);
}

static void
record_glu (const Case *c, OpStream *s)
{
  op_glu (s, TENSOR (c, 0), TENSOR (c, 1));
}

static void
plan_glu (Check *check, gconstpointer data)
{
  const RowsSize *size = data;
  Case *c = &check->c;
  const guint m = size->m, n = size->n;
  g_autofree float *x = case_numbers (c, (gsize)m * 2 * n, 4, 0);
  double *want = g_new (double, (gsize)m *n);

  twin_glu (want, x, m, n);
  case_add_output (c, TYPE_F32, m, n, want);
  case_add_rows (c, TYPE_F32, m, 2 * n, x);
  c->record = record_glu;
  check->shape = g_strdup_printf ("%ux%u", m, n);
  check->bytes = f32_bytes (3.0 * m * n);
}

#define VOCABULARY 32064
#define HIDDEN 3072
#define PICTURES 100   /* rows that are not of the table */
#define TABLE_ROWS 136 /* that differ */

typedef struct
{
  TensorType type;
  const gchar *name;
} GatherSize;

static void
record_gather (const Case *c, OpStream *s)
{
  op_gather (s, TENSOR (c, 0), TENSOR (c, 1), TENSOR (c, 2), TENSOR (c, 3));
}

/* The ids of a prompt: every third is of a picture. */
static void
plan_gather (Check *check, gconstpointer data)
{
  const GatherSize *size = data;
  Case *c = &check->c;
  enum
  {
    M = 256,
  };
  g_autofree float *table = case_numbers (c, TABLE_ROWS * HIDDEN, 1, 0), *extra = case_numbers (c, PICTURES * HIDDEN, 1, 0);
  double *want = g_new (double, M *HIDDEN);
  CaseTensor *own;
  gint32 ids[M];
  guint64 octet;

  for (guint i = 0; i < M; i++) {
    const float *row;

    ids[i] = i % 3 == 2 ? -1 - case_number (c, 0, PICTURES) : case_number (c, 0, VOCABULARY);
    ids[i] = i == 0 ? VOCABULARY - 1 : ids[i];
    row = ids[i] < 0 ? extra + (-1 - ids[i]) * HIDDEN : table + ids[i] % TABLE_ROWS * HIDDEN;
    for (guint j = 0; j < HIDDEN; j++)
      want[i * HIDDEN + j] = row[j];
  }
  case_add_output (c, TYPE_F32, M, HIDDEN, want);
  own = case_add (c, size->type, LAYOUT_WEIGHTS, VOCABULARY, HIDDEN);
  octet = row_bytes (size->type, 8 * HIDDEN);
  own->bytes = g_malloc0 (tensor_bytes (&own->tensor));
  weights_pack (own->bytes, size->type, table, TYPE_F32, TABLE_ROWS, HIDDEN);
  for (guint row = TABLE_ROWS; row < VOCABULARY; row += 8)
    memcpy ((guint8 *)own->bytes + row / 8 * octet, (guint8 *)own->bytes + row % TABLE_ROWS / 8 * octet, octet);
  case_add_rows (c, TYPE_F32, PICTURES, HIDDEN, extra);
  case_add_rows (c, TYPE_U32, 1, M, ids);
  c->record = record_gather;
  check->shape = g_strdup_printf ("%ux%u of %u", M, HIDDEN, VOCABULARY);
  check->precision = size->name;
  check->bytes = (double)M * HIDDEN * (4 + type_size (size->type));
}

static void
record_copy (const Case *c, OpStream *s)
{
  op_copy (s, TENSOR (c, 0), TENSOR (c, 1));
}

static void
plan_copy (Check *check, gconstpointer data)
{
  const RowsSize *size = data;
  Case *c = &check->c;
  gsize n = (gsize)size->m * size->n;
  g_autofree float *x = case_numbers (c, n, 1, 0);

  case_add_output (c, TYPE_F32, size->m, size->n, case_widened (x, n));
  case_add_rows (c, TYPE_F32, size->m, size->n, x);
  c->record = record_copy;
  check->shape = g_strdup_printf ("%ux%u", size->m, size->n);
  check->bytes = f32_bytes (2.0 * n);
}

static void
record_rows (const Case *c, OpStream *s)
{
  op_rows (s, TENSOR (c, 0), TENSOR (c, 1), TENSOR (c, 2));
}

/* A chunk's rows, from the last on. */
static void
plan_rows (Check *check, gconstpointer data)
{
  const RowsSize *size = data;
  Case *c = &check->c;
  const guint m = size->m, n = size->n;
  g_autofree float *x = case_numbers (c, (gsize)m * n, 1, 0);
  g_autofree guint32 *ids = g_new (guint32, m);
  double *want = g_new (double, (gsize)m *n);

  for (guint i = 0; i < m; i++) {
    ids[i] = m - 1 - i;
    for (guint j = 0; j < n; j++)
      want[(gsize)i * n + j] = x[(gsize)ids[i] * n + j];
  }
  case_add_output (c, TYPE_F32, m, n, want);
  case_add_rows (c, TYPE_F32, m, n, x);
  case_add_rows (c, TYPE_U32, 1, m, ids);
  c->record = record_rows;
  check->shape = g_strdup_printf ("%ux%u", m, n);
  check->bytes = f32_bytes (2.0 * m * n);
}

/* --- logits ------------------------------------------------------------------------------------------------------------------ */

static void
record_top (const Case *c, OpStream *s)
{
  op_top (s, TENSOR (c, 0), TENSOR (c, 1), TENSOR (c, 2));
}

/* Ids and the sum scaled to the size of the values. */
#define TOP_SCALE (1.0 / 4096)

static double
top_element (const CaseTensor *own, gconstpointer bytes, gsize i)
{
  const Tensor *t = &own->tensor;
  const guint32 *row = (const guint32 *)bytes + i / t->stride * t->stride;
  guint column = i % t->stride;
  float f;

  memcpy (&f, row + column, sizeof f);
  return column < TOP_COUNT ? row[column] * TOP_SCALE : column == 2 * TOP_COUNT + 1 ? f * TOP_SCALE : f;
}

static void
plan_top (Check *check, gconstpointer data)
{
  const RowsSize *size = data;
  Case *c = &check->c;
  const guint m = size->m, n = size->n;
  g_autofree float *x = case_numbers (c, (gsize)m * n, 1, 0);
  double *want = g_new (double, m *TOP_COLUMNS);

  for (guint i = 0; i < m; i++) {
    double *row = want + i * TOP_COLUMNS;
    Top top;

    for (guint j = 0; j < n; j++)
      x[(gsize)i * n + j] += case_number (c, 0, 1 << 12) * 0x1p-11f; /* the best are not all equal */
    row[2 * TOP_COUNT + 1] = twin_top (top.ids, top.values, &top.next, x + (gsize)i * n, n, TOP_COUNT) * TOP_SCALE;
    row[2 * TOP_COUNT] = top.next;
    for (guint j = 0; j < TOP_COUNT; j++) {
      row[j] = top.ids[j] * TOP_SCALE;
      row[TOP_COUNT + j] = top.values[j];
    }
  }
  case_add_output (c, TYPE_U32, m, TOP_COLUMNS, want);
  c->tensors[0].element = top_element;
  case_add_rows (c, TYPE_F32, m, n, x);
  case_add (c, TYPE_U32, LAYOUT_ROWS, m, top_work_columns (n));
  c->record = record_top;
  check->shape = g_strdup_printf ("%ux%u", m, n);
  check->bytes = f32_bytes ((double)m * n);
}

static void
record_mask (const Case *c, OpStream *s)
{
  op_mask (s, TENSOR (c, 0), TENSOR (c, 1));
}

/* What is masked, as less than any number here. */
static double
mask_element (const CaseTensor *own, gconstpointer bytes, gsize i)
{
  return MAX (((const float *)bytes)[i], -8);
}

/* Of every second row, in place: once more changes nothing. */
static void
plan_mask (Check *check, gconstpointer data)
{
  const RowsSize *size = data;
  Case *c = &check->c;
  const guint m = size->m, n = size->n;
  g_autofree float *x = case_numbers (c, (gsize)m * n, 1, 0);
  g_autofree guint32 *masks = g_new (guint32, m * MASK_COLUMNS (n));
  CaseTensor *y = case_add (c, TYPE_F32, LAYOUT_ROWS, m, n);

  y->bytes = g_malloc0 (tensor_bytes (&y->tensor));
  y->element = mask_element;
  for (guint i = 0; i < m; i++) {
    memcpy ((float *)y->bytes + (gsize)i * y->tensor.stride, x + (gsize)i * n, n * sizeof (float));
    for (guint j = 0; j < MASK_COLUMNS (n); j++)
      masks[i * MASK_COLUMNS (n) + j] = j ? (guint32)case_number (c, 0, 1 << 16) * 65537 : i % 2 == 0;
    twin_mask (x + (gsize)i * n, n, masks + i * MASK_COLUMNS (n));
  }
  y->want = case_widened (x, (gsize)m * n);
  for (gsize i = 0; i < (gsize)m * n; i++)
    y->want[i] = MAX (y->want[i], -8);
  case_add_rows (c, TYPE_U32, m, MASK_COLUMNS (n), masks);
  c->record = record_mask;
  check->shape = g_strdup_printf ("%ux%u", m, n);
  check->bytes = f32_bytes (2.0 * m * n);
}

/* --- attention --------------------------------------------------------------------------------------------------------------- */

#define QUICK_KEYS 600 /* so many that decode splits them on GPUs */

/* rows of `sequences` sequences that have `keys` each. Of op_attention() the last row sees all of them if it is causal, the row
 * before it one less. */
typedef struct
{
  KvType type;
  guint rows, keys, sequences, heads, head_dim;
  gboolean decode, causal;
} AttentionSize;

/* An attention that is asked of the twin. */
typedef struct
{
  AttentionSize size;
  guint n; /* columns: of all heads */
  float *q, *k, *v, scale;
  guint32 *steps; /* [rows][4] */
  double *want;
} AttentionTwin;

static guint
attention_blocks (const AttentionSize *size)
{
  return (size->keys + KV_BLOCK - 1) / KV_BLOCK;
}

/* Those of a sequence lie from the last to the first, between those of the others. */
static guint32
attention_block (const AttentionSize *size, guint sequence, guint block)
{
  return (attention_blocks (size) - 1 - block) * size->sequences + sequence;
}

static void
attend (guint row, gpointer data)
{
  const AttentionTwin *t = data;
  const guint32 *step = t->steps + 4 * (gsize)row;

  for (guint h = 0; h < t->size.heads; h++) {
    gsize first = (gsize)step[2] * t->size.keys * t->n + h * t->size.head_dim, at = (gsize)row * t->n + h * t->size.head_dim;

    twin_attention (t->want + at, t->q + at, t->k + first, t->v + first, step[1], t->size.head_dim, t->n, t->scale);
  }
}

static void
record_attention (const Case *c, OpStream *s)
{
  const AttentionSize *size = ((const Check *)c)->size;
  const Step step = { .rows = TENSOR (c, 4), .table = TENSOR (c, 5), .work = c->n_tensors > 6 ? TENSOR (c, 6) : NULL };

  (size->decode ? op_attention_decode : op_attention) (s, TENSOR (c, 0), TENSOR (c, 1), &c->kv, 1 / sqrtf (size->head_dim), &step);
}

/* Keys and values of all sequences, [key][column], rounded to what the cache holds. */
static void
fill_cache (Case *c, const AttentionTwin *t)
{
  CaseTensor *keys = case_own (c, &c->kv.k), *values = case_own (c, &c->kv.v);

  keys->bytes = g_malloc0 (tensor_bytes (&keys->tensor));
  values->bytes = g_malloc0 (tensor_bytes (&values->tensor));
  for (guint i = 0; i < t->size.sequences * t->size.keys; i++)
    for (guint h = 0; h < t->size.heads; h++) {
      guint key = i % t->size.keys, block = attention_block (&t->size, i / t->size.keys, key / KV_BLOCK);
      gsize at = (gsize)i * t->n + h * t->size.head_dim;

      twin_kv_put (&c->kv, keys->bytes, values->bytes, block, key % KV_BLOCK, h, t->k + at, t->v + at);
    }
}

static void
plan_attention (Check *check, gconstpointer data)
{
  AttentionTwin t = { *(const AttentionSize *)data };
  Case *c = &check->c;
  AttentionSize *size = &t.size;
  g_autofree float *q = NULL, *k = NULL, *v = NULL;
  g_autofree guint32 *steps = NULL, *table = NULL;
  guint blocks, columns;
  double seen = 0;

  size->rows = MIN (size->rows, check->extent);
  size->keys = check->extent < G_MAXUINT ? MIN (size->keys, QUICK_KEYS) : size->keys;
  blocks = attention_blocks (size);
  t.n = size->heads * size->head_dim;
  t.scale = 1 / sqrtf (size->head_dim);
  t.q = q = case_numbers (c, (gsize)size->rows * t.n, 1, 0);
  t.k = k = case_numbers (c, (gsize)size->sequences * size->keys * t.n, 1, 0);
  t.v = v = case_numbers (c, (gsize)size->sequences * size->keys * t.n, 1, 0.5f);
  t.steps = steps = g_new0 (guint32, 4 * (gsize)size->rows);
  t.want = g_new (double, (gsize)size->rows *t.n);
  table = g_new (guint32, size->sequences * blocks);
  for (guint i = 0; i < size->rows; i++) {
    steps[4 * i] = G_MAXUINT32;
    steps[4 * i + 1] = size->causal ? size->keys - (size->rows - 1 - i) : size->keys;
    steps[4 * i + 2] = size->decode ? i % size->sequences : 0;
    seen += steps[4 * i + 1];
  }
  for (guint i = 0; i < size->sequences * blocks; i++)
    table[i] = attention_block (size, i / blocks, i % blocks);
  case_add_output (c, TYPE_F32, size->rows, t.n, t.want);
  case_add_rows (c, TYPE_F32, size->rows, t.n, q);
  c->kv = kv_layer_add (c->arena, size->type, size->sequences * blocks, size->heads, size->head_dim);
  fill_cache (c, &t);
  case_add_rows (c, TYPE_U32, size->rows, 4, steps);
  case_add_rows (c, TYPE_U32, size->sequences, blocks, table);
  columns = attention_work_columns (arena_device (c->arena), &c->kv, size->heads, blocks * KV_BLOCK, size->decode);
  if (columns)
    case_add (c, TYPE_F32, LAYOUT_ROWS, size->rows, columns);
  check_rows (size->rows, attend, &t);
  c->record = record_attention;
  check->shape = g_strdup_printf ("%ux%ux%ux%u", size->rows, size->keys, size->heads, size->head_dim);
  check->precision = kv_type_name (size->type);
  check->flops = 4 * seen * t.n;
  check->bytes = 2.0 * size->sequences * size->keys * t.n * twin_kv_size (size->type);
  check->limit = size->decode ? LIMIT_READ : LIMIT_MULADD;
}

typedef struct
{
  KvType type;
  guint rows, heads, head_dim;
  gboolean rotate;
} RopeSize;

static void
record_rope_kv (const Case *c, OpStream *s)
{
  const RopeSize *size = ((const Check *)c)->size;
  const Step step = { .rows = TENSOR (c, 2), .rope = size->rotate ? TENSOR (c, 3) : NULL };

  op_rope_kv (s, TENSOR (c, 0), &c->kv, TENSOR (c, 1), &step);
}

/* The keys and values of the cache against those of the twin, whose rounding differs in the last bit where its sum does: what is
 * told is on the scale of the case's bound. */
static double
compare_cache (const Check *check, GError **error)
{
  static const double bounds[] = { [KV_F32] = 1e-10, [KV_F16] = 1e-7, [KV_INT8] = 1e-4 };
  const Case *c = &check->c;
  const RopeSize *size = check->size;
  const guint dim = size->head_dim, n = MIN (size->rows, check->extent) * size->heads;
  g_autofree guint8 *keys = g_malloc (tensor_bytes (&c->kv.k)), *values = g_malloc (tensor_bytes (&c->kv.v));
  const float *want = check->data; /* [row][head] of a key and its value */
  double difference = 0, sum = 0;

  if (!tensor_read (&c->kv.k, 0, keys, tensor_bytes (&c->kv.k), error)
      || !tensor_read (&c->kv.v, 0, values, tensor_bytes (&c->kv.v), error))
    return INFINITY;
  for (guint i = 0; i < n; i++, want += 2 * dim) {
    guint row = i / size->heads;
    float got[2 * 128];

    twin_kv_get (&c->kv, keys, values, row / KV_BLOCK, row % KV_BLOCK, i % size->heads, got, got + dim);
    for (guint j = 0; j < 2 * dim; j++) {
      difference += (got[j] - want[j]) * (got[j] - want[j]);
      sum += want[j] * want[j];
    }
  }
  return difference / sum * (c->bound / bounds[size->type]);
}

static void
plan_rope_kv (Check *check, gconstpointer data)
{
  const RopeSize *size = data;
  Case *c = &check->c;
  const guint m = MIN (size->rows, check->extent), dim = size->head_dim, n_q = size->heads * dim, n = 3 * n_q;
  g_autofree float *qkv = case_numbers (c, (gsize)m * n, 1, 0), *rope = case_numbers (c, (gsize)m * dim, 0.5f, 0);
  g_autofree double *all = case_widened (qkv, (gsize)m * n);
  g_autofree guint32 *rows = g_new0 (guint32, 4 * (gsize)m);
  g_autofree guint8 *keys = NULL, *values = NULL;
  double *q_want = g_new (double, (gsize)m *n_q);
  float *kv_want = check->data = g_new (float, 2 * (gsize)m * n_q);

  c->kv = kv_layer_add (c->arena, size->type, (m + KV_BLOCK - 1) / KV_BLOCK, size->heads, dim);
  keys = g_malloc0 (tensor_bytes (&c->kv.k));
  values = g_malloc0 (tensor_bytes (&c->kv.v));
  for (guint i = 0; i < m; i++) {
    double *row = all + (gsize)i * n;

    rows[4 * i] = i;
    rows[4 * i + 1] = i + 1;
    for (guint h = 0; size->rotate && h < 2 * size->heads; h++)
      twin_rotate (row + h * dim, dim, rope + (gsize)i * dim);
    memcpy (q_want + (gsize)i * n_q, row, n_q * sizeof *row);
    for (guint h = 0; h < size->heads; h++, kv_want += 2 * dim) {
      for (guint j = 0; j < dim; j++) {
        kv_want[j] = row[n_q + h * dim + j];
        kv_want[dim + j] = row[2 * n_q + h * dim + j];
      }
      twin_kv_put (&c->kv, keys, values, i / KV_BLOCK, i % KV_BLOCK, h, kv_want, kv_want + dim);
    }
  }
  case_add_output (c, TYPE_F32, m, n_q, q_want);
  case_add_rows (c, TYPE_F32, m, n, qkv);
  case_add_rows (c, TYPE_U32, m, 4, rows);
  case_add_rows (c, TYPE_F32, m, dim, rope);
  c->record = record_rope_kv;
  check->compare_more = compare_cache;
  check->shape = g_strdup_printf ("%ux%ux%u", m, size->heads, dim);
  check->precision = kv_type_name (size->type);
  check->bytes = f32_bytes ((double)m * (n + n_q)) + 2.0 * m * n_q * twin_kv_size (size->type);
}

/* --- pictures ---------------------------------------------------------------------------------------------------------------- */

enum
{
  WIDTH = 1920,
  HEIGHT = 1080,
  SIDE = 448,
  PATCH = 14,
  GRID = SIDE / PATCH,
};

typedef struct
{
  PixelFormat format;
  const gchar *name;
} UnpackSize;

/* Sums of these have few bits, so that they are exact in any order. */
static UnpackParams
unpack_params (const UnpackSize *size)
{
  UnpackParams p = { size->format, .orientation = 1, .luma_first = 16, .luma_scale = 1.125f, .red_v = 1.5f, .green_u = -0.375f,
    .green_v = -0.75f, .blue_u = 1.75f };

  for (guint i = 0; i < G_N_ELEMENTS (p.first); i++) {
    p.first[i] = i * WIDTH * HEIGHT;
    p.stride[i] = size->format < PIXELS_GRAY ? 4 * WIDTH : WIDTH;
  }
  return p;
}

static void
record_unpack (const Case *c, OpStream *s)
{
  const UnpackParams p = unpack_params (((const Check *)c)->size);

  op_unpack (s, TENSOR (c, 0), TENSOR (c, 1), &p);
}

static void
plan_unpack (Check *check, gconstpointer data)
{
  const UnpackSize *size = data;
  const UnpackParams p = unpack_params (size);
  Case *c = &check->c;
  g_autofree guint32 *src = case_pixels (c, WIDTH * HEIGHT), *y = g_new (guint32, WIDTH * HEIGHT);

  twin_unpack (y, WIDTH, HEIGHT, (const guint8 *)src, &p);
  case_add_output (c, TYPE_U32, HEIGHT, WIDTH, case_widened_words (y, WIDTH * HEIGHT));
  case_add_rows (c, TYPE_U32, 1, WIDTH * HEIGHT, src);
  c->bound = 0;
  c->record = record_unpack;
  check->shape = g_strdup_printf ("%ux%u", WIDTH, HEIGHT);
  check->precision = size->name;
  check->bytes = WIDTH * HEIGHT * 6.0;
}

static void
record_resize (const Case *c, OpStream *s)
{
  const Filter f = { TENSOR (c, 2), TENSOR (c, 3) };

  (g_str_equal (c->op, "resize_columns") ? op_resize_columns : op_resize_rows) (s, TENSOR (c, 0), TENSOR (c, 1), &f);
}

/* A frame's columns to a tile's, or its rows. */
static void
plan_resize (Check *check, gconstpointer data)
{
  enum
  {
    TAPS = 18,
  };
  const gboolean columns = g_str_equal (check->c.op, "resize_columns");
  const guint in = columns ? WIDTH : HEIGHT, width = columns ? WIDTH : SIDE, out_height = columns ? HEIGHT : SIDE, out_width = SIDE;
  Case *c = &check->c;
  g_autofree guint32 *x = case_pixels (c, (gsize)width * HEIGHT), *y = g_new0 (guint32, (gsize)out_height * out_width);
  guint32 bounds[SIDE][2];
  gint32 taps[SIDE][TAPS] = { { 0 } };

  for (guint i = 0; i < SIDE; i++) {
    guint count = case_number (c, 1, TAPS + 1);

    bounds[i][0] = i == 0 ? 0 : i == SIDE - 1 ? in - count : case_number (c, 0, in - count + 1);
    bounds[i][1] = count;
    /* Sums beyond a byte on both sides are among them. */
    for (guint j = 0; j < count; j++)
      taps[i][j] = case_number (c, -(1 << 22), 3 << 21) / (gint)count;
  }
  for (guint i = 0; i < out_height * out_width; i++) {
    guint u = i % out_width, v = i / out_width, at = columns ? u : v;
    const guint8 *from = (const guint8 *)(x + (columns ? v * width + bounds[at][0] : bounds[at][0] * width + u));

    for (guint k = 0; k < 3; k++)
      y[i] |= (guint32)twin_resample (from + k, columns ? 4 : 4 * width, taps[at], bounds[at][1]) << 8 * k;
  }
  case_add_output (c, TYPE_U32, out_height, out_width, case_widened_words (y, (gsize)out_height * out_width));
  case_add_rows (c, TYPE_U32, HEIGHT, width, x);
  case_add_rows (c, TYPE_U32, SIDE, 2, bounds);
  case_add_rows (c, TYPE_U32, SIDE, TAPS, taps);
  c->bound = 0;
  c->record = record_resize;
  check->shape = g_strdup_printf ("%u to %u", in, SIDE);
  check->precision = "u8";
  check->bytes = f32_bytes ((double)width * HEIGHT + (double)out_height * out_width);
}

static const PatchParams patch_params = { SIDE, PATCH, { 0.5f, 0.25f, 0.375f }, { 0.25f, 0.5f, 0.125f } };

static void
record_patches (const Case *c, OpStream *s)
{
  op_patches (s, TENSOR (c, 0), 1, TENSOR (c, 1), 1, 0, &patch_params);
}

/* The right one of two tiles, behind a row of its own. */
static void
plan_patches (Check *check, gconstpointer data)
{
  enum
  {
    N = 3 * PATCH * PATCH,
    M = 1 + GRID * GRID,
  };
  Case *c = &check->c;
  g_autofree guint32 *x = case_pixels (c, 2 * SIDE * SIDE);
  double *want = g_new0 (double, M *N);

  twin_patches (want + N, x + SIDE, 2 * SIDE, SIDE, PATCH, patch_params.mean, patch_params.std);
  case_add_output (c, TYPE_F32, M, N, want);
  case_add_rows (c, TYPE_U32, SIDE, 2 * SIDE, x);
  c->record = record_patches;
  check->shape = g_strdup_printf ("%u px by %u", SIDE, PATCH);
  check->bytes = f32_bytes (4.0 * SIDE * SIDE);
}

static void
record_pixel_shuffle (const Case *c, OpStream *s)
{
  op_pixel_shuffle (s, TENSOR (c, 0), TENSOR (c, 1), GRID, 2, FALSE);
}

static void
plan_pixel_shuffle (Check *check, gconstpointer data)
{
  enum
  {
    D = 1024,
    M = GRID * GRID,
  };
  Case *c = &check->c;
  g_autofree float *x = case_numbers (c, M * D, 1, 0), *y = g_new (float, M *D);

  twin_pixel_shuffle (y, x, GRID, 2, D, FALSE);
  case_add_output (c, TYPE_F32, M / 4, 4 * D, case_widened (y, M * D));
  case_add_rows (c, TYPE_F32, M, D, x);
  c->record = record_pixel_shuffle;
  check->shape = g_strdup_printf ("%ux%u", M, D);
  check->bytes = f32_bytes (2.0 * M * D);
}

/* --- the table --------------------------------------------------------------------------------------------------------------- */

static const struct
{
  const gchar *op;
  CheckPlan plan;
  gconstpointer size;
} table[] = {
  { "norm", plan_norm, &(const RowsSize){ 1025, 1024, TRUE } },
  { "norm", plan_norm, &(const RowsSize){ 256, HIDDEN } },
  { "norm", plan_norm, &(const RowsSize){ 1, HIDDEN } },
  { "glu", plan_glu, &(const RowsSize){ 256, 8192 } },
  { "glu", plan_glu, &(const RowsSize){ 1, 8192 } },
  { "copy", plan_copy, &(const RowsSize){ 256, HIDDEN } },
  { "rows", plan_rows, &(const RowsSize){ 256, HIDDEN } },
  { "mask", plan_mask, &(const RowsSize){ 4, VOCABULARY } },
  { "top", plan_top, &(const RowsSize){ 1, VOCABULARY } },
  { "top", plan_top, &(const RowsSize){ 4, VOCABULARY } },
  { "attention", plan_attention, &(const AttentionSize){ KV_F32, 1025, 1025, 1, 16, 64 } },
  { "attention", plan_attention, &(const AttentionSize){ KV_F16, 256, 512, 1, 32, 96, .causal = TRUE } },
  { "attention", plan_attention, &(const AttentionSize){ KV_INT8, 256, 512, 1, 32, 96, .causal = TRUE } },
  { "attention_decode", plan_attention, &(const AttentionSize){ KV_F32, 1, 512, 1, 32, 96, .decode = TRUE } },
  { "attention_decode", plan_attention, &(const AttentionSize){ KV_F16, 1, 4096, 1, 32, 96, .decode = TRUE } },
  { "attention_decode", plan_attention, &(const AttentionSize){ KV_F16, 4, 512, 4, 32, 96, .decode = TRUE } },
  { "attention_decode", plan_attention, &(const AttentionSize){ KV_INT8, 1, 4096, 1, 32, 96, .decode = TRUE } },
  { "rope_kv", plan_rope_kv, &(const RopeSize){ KV_F32, 1025, 16, 64 } },
  { "rope_kv", plan_rope_kv, &(const RopeSize){ KV_F16, 256, 32, 96, TRUE } },
  { "rope_kv", plan_rope_kv, &(const RopeSize){ KV_INT8, 256, 32, 96, TRUE } },
  { "unpack", plan_unpack, &(const UnpackSize){ PIXELS_RGB, "RGB" } },
  { "unpack", plan_unpack, &(const UnpackSize){ PIXELS_BGRX, "BGRx" } },
  { "unpack", plan_unpack, &(const UnpackSize){ PIXELS_NV12, "NV12" } },
  { "unpack", plan_unpack, &(const UnpackSize){ PIXELS_I420, "I420" } },
  { "resize_columns", plan_resize },
  { "resize_rows", plan_resize },
  { "patches", plan_patches },
  { "pixel_shuffle", plan_pixel_shuffle },
};

void
check_ops (Checks *checks)
{
  static const GatherSize gathers[] = { { TYPE_F32, "f32" }, { TYPE_F16, "f16" }, { TYPE_BF16, "bf16" } };

  for (guint i = 0; i < G_N_ELEMENTS (gathers); i++)
    if (check_wants (checks->b, gathers[i].type))
      check_run (checks, "gather", plan_gather, &gathers[i]);
  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    check_run (checks, table[i].op, table[i].plan, table[i].size);
}

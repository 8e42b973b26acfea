/* Rotation, the cache of blocks, and both attention kernels against their twins. */
#include "tensors.h"

#include <math.h>
#include <string.h>

#include "harness.h"
#include "vk/twins.h"

#define PADDING G_MAXUINT32

/* One layer's cache and the sequences in it: their blocks lie in any order, between blocks of rubbish. */
typedef struct
{
  Arena *arena;
  KvLayer kv;
  guint n_sequences, keys, blocks, spare; /* keys: of each sequence; blocks: of each sequence; spare: blocks of no sequence */
  guint32 *table;                         /* [n_sequences][blocks] */
  float *k, *v;                           /* [n_sequences][keys][heads][head_dim], as the cache holds them */
  Tensor table_tensor;
} World;

static void
world_plan (World *w, Device *dev, KvType type, guint heads, guint head_dim, guint n_sequences, guint keys)
{
  guint n;

  *w = (World){ .arena = arena_new (dev, ARENA_DEVICE, "world"), .n_sequences = n_sequences, .keys = keys, .spare = 3 };
  w->blocks = (keys + KV_BLOCK - 1) / KV_BLOCK;
  n = n_sequences * w->blocks + w->spare;
  w->kv = kv_layer_add (w->arena, type, n, heads, head_dim);
  w->table_tensor = arena_add (w->arena, TYPE_U32, LAYOUT_ROWS, n_sequences, w->blocks);
  w->table = g_new (guint32, n);
  for (guint i = 0; i < n; i++)
    w->table[i] = i;
  for (guint i = n - 1; i > 0; i--) {
    guint j = g_test_rand_int_range (0, i + 1);
    guint32 other = w->table[j];
    w->table[j] = w->table[i];
    w->table[i] = other;
  }
}

/* Commits the arena and fills the cache. */
static void
world_fill (World *w)
{
  const KvLayer *kv = &w->kv;
  gsize n = (gsize)w->n_sequences * w->keys * kv->heads * kv->head_dim;
  g_autofree guint8 *keys = g_malloc0 (tensor_bytes (&kv->k)), *values = g_malloc0 (tensor_bytes (&kv->v));
  g_autoptr (GError) error = NULL;

  arena_commit (w->arena, &error);
  g_assert_no_error (error);
  rows_write (&w->table_tensor, w->table);
  w->k = random_floats (n, 0);
  w->v = random_floats (n, 0.5);
  for (guint i = 0; i < kv->k.rows * KV_BLOCK * kv->heads; i++) {
    float rubbish[2][128];

    for (guint j = 0; j < kv->head_dim; j++)
      rubbish[0][j] = rubbish[1][j] = 1000;
    twin_kv_put (kv, keys, values, i / kv->heads / KV_BLOCK, i / kv->heads % KV_BLOCK, i % kv->heads, rubbish[0], rubbish[1]);
  }
  for (guint s = 0; s < w->n_sequences; s++)
    for (guint j = 0; j < w->keys * kv->heads; j++) {
      guint key = j / kv->heads, block = w->table[s * w->blocks + key / KV_BLOCK];
      gsize at = ((gsize)s * w->keys * kv->heads + j) * kv->head_dim;

      twin_kv_put (kv, keys, values, block, key % KV_BLOCK, j % kv->heads, w->k + at, w->v + at);
    }
  tensor_write (&kv->k, 0, keys, tensor_bytes (&kv->k), &error);
  g_assert_no_error (error);
  tensor_write (&kv->v, 0, values, tensor_bytes (&kv->v), &error);
  g_assert_no_error (error);
}

static void
world_clear (World *w)
{
  arena_free (w->arena);
  g_free (w->table);
  g_free (w->k);
  g_free (w->v);
}

/* --- attention -------------------------------------------------------------------------------------------------------------- */

typedef struct
{
  KvType type;
  guint head_dim, heads_q, heads, keys, m;
} AttentionCase;

typedef void (*AttentionOp) (OpStream *, const Tensor *, const Tensor *, const KvLayer *, float, const Step *);

/* What rows see, by row: how many keys and of which sequence. */
typedef void (*Pattern) (const World *w, guint row, guint32 *keys, guint32 *sequence);

/* Tiles of 8 rows that see all, of one sequence after another; the last row of every other tile is padding. */
static void
all_keys (const World *w, guint row, guint32 *keys, guint32 *sequence)
{
  *sequence = row / 8 % w->n_sequences;
  *keys = row % 16 == 7 ? 0 : w->keys;
}

/* Rows of the last sequence at the end of the context; each sees one key more than the one before; the first tile begins with
 * padding, whose sequence is another. */
static void
causal (const World *w, guint row, guint32 *keys, guint32 *sequence)
{
  *sequence = row < 2 ? 0 : w->n_sequences - 1;
  *keys = row < 2 ? 0 : MIN (w->keys, 1 + row * w->keys / 23);
}

/* A sequence a row, any length, with padding rows between. */
static void
any_length (const World *w, guint row, guint32 *keys, guint32 *sequence)
{
  *sequence = row % w->n_sequences;
  *keys = row % 4 == 3 ? 0 : MAX (1, w->keys - 7 * row % w->keys);
}

/* Returns how many submits it took. */
static guint
attention_case (Device *dev, AttentionOp op, Pattern pattern, const AttentionCase *c)
{
  const guint n = c->heads_q * c->head_dim, beside = 4;
  const float scale = 1 / sqrtf (c->head_dim);
  World w;
  g_autoptr (OpStream) s = op_stream_new (dev, "attention");
  g_autofree guint32 *rows = g_new0 (guint32, c->m * 4);
  g_autofree float *qs = random_floats ((gsize)c->m * n, 0), *outs = g_new (float, c->m *n);
  g_autofree double *want = g_new0 (double, c->m *n);
  g_autofree gchar *what = g_strdup_printf (
      "type %d, head_dim %u, %u:%u heads, %u keys, %u rows", c->type, c->head_dim, c->heads_q, c->heads, c->keys, c->m);
  Tensor wide, q, out, rows_tensor;
  Step step;

  world_plan (&w, dev, c->type, c->heads, c->head_dim, 3, c->keys);
  wide = arena_add (w.arena, TYPE_F32, LAYOUT_ROWS, c->m, n + beside);
  out = arena_add (w.arena, TYPE_F32, LAYOUT_ROWS, c->m, n);
  rows_tensor = arena_add (w.arena, TYPE_U32, LAYOUT_ROWS, c->m, 4);
  world_fill (&w);
  q = tensor_columns (&wide, beside, n);
  step = (Step){ .rows = &rows_tensor, .table = &w.table_tensor };

  for (guint i = 0; i < c->m; i++) {
    rows[i * 4] = PADDING;
    pattern (&w, i, &rows[i * 4 + 1], &rows[i * 4 + 2]);
    for (guint h = 0; h < c->heads_q; h++) {
      gsize first = ((gsize)rows[i * 4 + 2] * w.keys * c->heads + h / (c->heads_q / c->heads)) * c->head_dim,
            at = (gsize)i * n + h * c->head_dim;
      twin_attention (want + at, qs + at, w.k + first, w.v + first, rows[i * 4 + 1], c->head_dim, c->heads * c->head_dim, scale);
    }
  }
  rows_write (&q, qs);
  rows_write (&rows_tensor, rows);
  op (s, &out, &q, &w.kv, scale, &step);
  stream_go (s);
  rows_read (&out, outs);
  check_nmse (what, outs, want, c->m * n, 1e-10);
  for (guint i = 0; i < c->m * n; i++)
    if (rows[i / n * 4 + 1] == 0)
      g_assert_cmpfloat (outs[i], ==, 0);
  world_clear (&w);
  return op_stream_submits (s);
}

static const AttentionCase attention_cases[] = {
  { KV_F32, 40, 4, 2, 300, 21 },
  { KV_F16, 24, 6, 2, 64, 5 },
  { KV_INT8, 24, 6, 2, 300, 21 },
};

/* The same code for other heads, in one form only, as compiling takes seconds. */
static const AttentionCase attention_cases_first_form[] = {
  { KV_F32, 96, 3, 3, 33, 8 },
  { KV_F16, 96, 2, 1, 77, 17 },
  { KV_F32, 64, 2, 2, 1025, 40 },
  { KV_F32, 64, 8, 1, 1, 3 },
  { KV_F32, 64, 2, 1, 2000, 19 },
  { KV_F32, 8, 1, 1, 31, 1 },
  { KV_F32, 128, 2, 1, 40, 9 },
  { KV_F16, 8, 2, 2, 50, 12 },
  { KV_F16, 80, 1, 1, 32, 16 },
  { KV_F16, 128, 1, 1, 65, 9 },
  { KV_INT8, 96, 2, 1, 77, 17 },
  { KV_INT8, 64, 3, 3, 1025, 40 },
  { KV_INT8, 8, 2, 2, 31, 12 },
  { KV_INT8, 40, 1, 1, 32, 16 },
  { KV_INT8, 80, 4, 2, 1, 3 },
  { KV_INT8, 128, 1, 1, 65, 9 },
};

static void
attention_all (Device *dev, AttentionOp op, Pattern pattern)
{
  for (guint i = 0; i < G_N_ELEMENTS (attention_cases); i++)
    attention_case (dev, op, pattern, &attention_cases[i]);
  for (guint i = 0; dev == form_device (0) && i < G_N_ELEMENTS (attention_cases_first_form); i++)
    attention_case (dev, op, pattern, &attention_cases_first_form[i]);
}

static void
test_attention_all_keys (Device *dev)
{
  attention_all (dev, op_attention, all_keys);
}

static void
test_attention_causal (Device *dev)
{
  attention_all (dev, op_attention, causal);
}

static void
test_attention_decode (Device *dev)
{
  attention_all (dev, op_attention_decode, any_length);
}

/* Work that takes longer than a submit may is cut; a GPU would do this in one slice. */
static void
test_attention_cut (Device *dev)
{
  static const AttentionCase c = { KV_F32, 64, 128, 1, 640, 100 };
  guint64 submit_ns = dev->limits.submit_ns;
  guint submits;

  dev->limits.submit_ns = 1;
  submits = attention_case (dev, op_attention, causal, &c);
  g_assert_true (dev->limits.cpu == (submits > 1));
  dev->limits.submit_ns = submit_ns;
}

/* The table repeats the same blocks, and only its last turn comes to the key that outweighs all others. keys: of the step. Returns
 * how many slices there are. */
typedef struct
{
  KvType type;
  guint m, heads_q, turns, room; /* room: blocks in the table, beside those that hold `turns` */
  guint keys;
} LongCase;

static guint
long_table (Device *dev, AttentionOp op, const LongCase *c)
{
  enum
  {
    DIM = 40,
    LAST = 96, /* the first key of the last block */
    KEYS = 128,
  };
  const guint n = c->heads_q * DIM, blocks = c->turns + c->room;
  World w;
  g_autoptr (OpStream) s = op_stream_new (dev, "long");
  g_autofree guint32 *row = g_new0 (guint32, c->m * 4), *round = g_new (guint32, blocks);
  g_autofree float *qs = g_new (float, c->m *n), *outs = g_new (float, c->m *n);
  g_autofree double *want = g_new (double, c->m *n);
  guint64 submit_ns = dev->limits.submit_ns;
  Tensor q, out, rows, table;
  Step step = { .rows = &rows, .table = &table, .keys = c->keys };

  world_plan (&w, dev, c->type, 1, DIM, 1, KEYS);
  q = arena_add (w.arena, TYPE_F32, LAYOUT_ROWS, c->m, n);
  out = arena_add (w.arena, TYPE_F32, LAYOUT_ROWS, c->m, n);
  rows = arena_add (w.arena, TYPE_U32, LAYOUT_ROWS, c->m, 4);
  table = arena_add (w.arena, TYPE_U32, LAYOUT_ROWS, 1, blocks);
  world_fill (&w);
  for (guint i = 0; i < blocks; i++)
    round[i] = w.table[i + 1 == c->turns ? w.blocks - 1 : i % (w.blocks - 1)];
  for (guint i = 0; i < c->m * n; i++) {
    qs[i] = 1.5f * w.k[LAST * DIM + i % DIM];
    want[i] = w.v[LAST * DIM + i % DIM];
  }
  for (guint i = 0; i < c->m; i++) {
    row[i * 4] = PADDING;
    row[i * 4 + 1] = c->turns * KV_BLOCK;
  }
  rows_write (&q, qs);
  rows_write (&rows, row);
  rows_write (&table, round);
  dev->limits.submit_ns = 1; /* a submit a slice */
  op (s, &out, &q, &w.kv, 1, &step);
  stream_go (s);
  dev->limits.submit_ns = submit_ns;
  rows_read (&out, outs);
  check_nmse ("long table", outs, want, c->m * n, 1e-8);
  world_clear (&w);
  return op_stream_submits (s);
}

static void
test_turns (Device *dev)
{
  static const LongCase most = { KV_F32, 1, 1, 65532, 0, 0 }, most_decode = { KV_F32, 1, 1, 16379, 0, 0 };

  long_table (dev, op_attention, &most);
  long_table (dev, op_attention_decode, &most_decode);
}

/* A GPU's slices are larger, and these are one. */
static void
check_slices (Device *dev, AttentionOp op, const LongCase *c, guint on_cpu)
{
  guint slices = long_table (dev, op, c);

  if (dev->limits.cpu)
    g_assert_cmpuint (slices, ==, on_cpu);
}

/* 8 rows of one head are 0.17 GFLOP: 6 of 16 heads a slice. A row of decode is 0.34 GFLOP: 3 rows. */
static void
test_slices_at_128k (void)
{
  for (KvType type = KV_F16; type <= KV_INT8; type++) {
    const LongCase c = { type, 8, 16, 4096, 0, 0 };

    check_slices (form_device (0), op_attention, &c, 3);
    check_slices (form_device (0), op_attention_decode, &c, 3);
  }
}

/* The table has room for 131,072 keys, and its rows see 96: one slice, where all of it would take as many as above. */
static void
test_slices_by_keys_seen (void)
{
  static const LongCase seen = { KV_F16, 8, 16, 3, 4093, 96 }, unsaid = { KV_F16, 8, 16, 3, 4093, 0 };

  check_slices (form_device (0), op_attention, &seen, 1);
  check_slices (form_device (0), op_attention_decode, &seen, 1);
  check_slices (form_device (0), op_attention, &unsaid, 3);
  check_slices (form_device (0), op_attention_decode, &unsaid, 3);
}

/* --- the same bits ---------------------------------------------------------------------------------------------------------- */

#define MOST_TOGETHER 8

typedef struct
{
  World w;
  Tensor q, out, rows;
  guint heads_q;
} Together;

/* Rows first .. first + m at once. */
static void
run_together (Device *dev, const Together *t, guint first, guint m, float *outs)
{
  g_autoptr (OpStream) s = op_stream_new (dev, "together");
  Tensor q = tensor_rows (&t->q, first, m), out = tensor_rows (&t->out, first, m), rows = tensor_rows (&t->rows, first, m);
  const Step step = { .rows = &rows, .table = &t->w.table_tensor };

  op_attention_decode (s, &out, &q, &t->w.kv, 0.2f, &step);
  stream_go (s);
  rows_read (&out, outs);
}

static void
together_case (Device *dev, KvType type, guint head_dim)
{
  Together t = { .heads_q = 4 };
  const guint n = t.heads_q * head_dim;
  g_autofree float *qs = random_floats (MOST_TOGETHER * n, 0), *alone = g_new (float, MOST_TOGETHER *n),
                   *outs = g_new (float, MOST_TOGETHER *n);
  guint32 rows[MOST_TOGETHER][4];

  world_plan (&t.w, dev, type, 2, head_dim, 3, 200);
  t.q = arena_add (t.w.arena, TYPE_F32, LAYOUT_ROWS, MOST_TOGETHER, n);
  t.out = arena_add (t.w.arena, TYPE_F32, LAYOUT_ROWS, MOST_TOGETHER, n);
  t.rows = arena_add (t.w.arena, TYPE_U32, LAYOUT_ROWS, MOST_TOGETHER, 4);
  world_fill (&t.w);
  /* Sequences of their own, then some rows that follow each other in one. */
  for (guint i = 0; i < MOST_TOGETHER; i++) {
    rows[i][0] = PADDING;
    rows[i][1] = i < 3 ? 1 + 67 * i : 193 + i;
    rows[i][2] = i < 3 ? i : 1;
    rows[i][3] = 0;
  }
  rows_write (&t.q, qs);
  rows_write (&t.rows, rows);
  for (guint i = 0; i < MOST_TOGETHER; i++)
    run_together (dev, &t, i, 1, alone + i * n);
  for (guint m = 1; m <= MOST_TOGETHER; m++)
    for (guint first = 0; first + m <= MOST_TOGETHER; first++) {
      run_together (dev, &t, first, m, outs);
      g_assert_cmpmem (outs, m * n * sizeof *outs, alone + first * n, m * n * sizeof *outs);
    }
  world_clear (&t.w);
}

static void
test_same_bits_together (Device *dev)
{
  together_case (dev, KV_F32, 40);
  together_case (dev, KV_F16, 24);
  together_case (dev, KV_INT8, 24);
}

/* --- rotation and the cache ------------------------------------------------------------------------------------------------- */

typedef struct
{
  KvType type;
  guint head_dim, heads_q, heads, m;
  gboolean rotate;
} RopeCase;

/* How far a number may be from what the cache holds of it: half a unit in the last place of 11 bits, or half a step; and what f32
 * adds. */
static double
rope_tolerance (KvType type, double want, float step)
{
  switch (type) {
    case KV_F16:
      return 0x1.01p-11 * fabs (want) + 1e-6;
    case KV_INT8:
      return 0.5001 * step + 1e-6;
    case KV_F32:
      break;
  }
  return 1e-6 * (1 + fabs (want));
}

static void
rope_check_head (const RopeCase *c, const float *got, const double *want)
{
  float narrow[128];
  guint16 bits;

  for (guint i = 0; i < c->head_dim; i++)
    narrow[i] = want[i];
  for (guint i = 0; i < c->head_dim; i++)
    g_assert_cmpfloat (fabs (got[i] - want[i]), <=, rope_tolerance (c->type, want[i], twin_kv_step (narrow, c->head_dim, &bits)));
}

/* Where no row was put there are zeros. */
static void
rope_check_cache (const World *w, const RopeCase *c, const guint32 *rows, const double *k_want, const double *v_want)
{
  static const double zeros[128];
  const KvLayer *kv = &w->kv;
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *keys = g_malloc (tensor_bytes (&kv->k)), *values = g_malloc (tensor_bytes (&kv->v));

  tensor_read (&kv->k, 0, keys, tensor_bytes (&kv->k), &error);
  g_assert_no_error (error);
  tensor_read (&kv->v, 0, values, tensor_bytes (&kv->v), &error);
  g_assert_no_error (error);
  for (guint slot = 0; slot < kv->k.rows * KV_BLOCK; slot++) {
    guint row = 0;

    while (row < c->m && rows[row * 4] != slot)
      row++;
    for (guint h = 0; h < c->heads; h++) {
      gsize at = ((gsize)row * c->heads + h) * c->head_dim;
      float key[128], value[128];

      twin_kv_get (kv, keys, values, slot / KV_BLOCK, slot % KV_BLOCK, h, key, value);
      rope_check_head (c, key, row < c->m ? k_want + at : zeros);
      rope_check_head (c, value, row < c->m ? v_want + at : zeros);
    }
  }
}

static void
rope_case (Device *dev, const RopeCase *c)
{
  const guint n_q = c->heads_q * c->head_dim, n_kv = c->heads * c->head_dim, n = n_q + 2 * n_kv;
  World w;
  g_autoptr (OpStream) s = op_stream_new (dev, "rope");
  g_autoptr (GError) error = NULL;
  g_autofree guint32 *rows = g_new0 (guint32, c->m * 4);
  g_autofree float *xs = random_floats ((gsize)c->m * n, 0.2), *ropes = random_floats (c->m * c->head_dim, 0);
  g_autofree float *qs = g_new (float, c->m *n_q);
  g_autofree double *q_want = g_new (double, c->m *n_q), *k_want = g_new (double, c->m *n_kv), *v_want = g_new (double, c->m *n_kv);
  g_autofree gchar *what =
      g_strdup_printf ("rope_kv type %d, head_dim %u, %u:%u heads, %u rows", c->type, c->head_dim, c->heads_q, c->heads, c->m);
  Tensor q, qkv, rope, rows_tensor;
  Step step;

  world_plan (&w, dev, c->type, c->heads, c->head_dim, 2, 3 * KV_BLOCK);
  q = arena_add (w.arena, TYPE_F32, LAYOUT_ROWS, c->m, n_q);
  qkv = arena_add (w.arena, TYPE_F32, LAYOUT_ROWS, c->m, n);
  rope = arena_add (w.arena, TYPE_F32, LAYOUT_ROWS, c->m, c->head_dim);
  rows_tensor = arena_add (w.arena, TYPE_U32, LAYOUT_ROWS, c->m, 4);
  arena_commit (w.arena, &error);
  g_assert_no_error (error);
  step = (Step){ .rows = &rows_tensor, .table = &w.table_tensor, .rope = c->rotate ? &rope : NULL };

  if (c->type == KV_F16)
    xs[c->m * n - 1] = 1e6; /* beyond f16: a value of the last row */
  for (guint i = 0; i < c->m; i++) {
    const float *turn = ropes + i * c->head_dim;

    /* Each row at another place, the last place of the cache among them; one row in five is padding. */
    rows[i * 4] = i % 5 == 4 ? PADDING : (w.kv.k.rows * KV_BLOCK - 1 - i * 11);
    for (guint j = 0; j < n; j++) {
      double *to = j < n_q          ? q_want + i * n_q + j
                   : j < n_q + n_kv ? k_want + i * n_kv + j - n_q
                                    : v_want + i * n_kv + j - n_q - n_kv;
      *to = xs[i * n + j];
    }
    for (guint h = 0; c->rotate && h < c->heads_q; h++)
      twin_rotate (q_want + i * n_q + h * c->head_dim, c->head_dim, turn);
    for (guint h = 0; c->rotate && h < c->heads; h++)
      twin_rotate (k_want + i * n_kv + h * c->head_dim, c->head_dim, turn);
  }
  if (c->type == KV_F16)
    v_want[c->m * n_kv - 1] = 65504;
  rows_write (&qkv, xs);
  rows_write (&rope, ropes);
  rows_write (&rows_tensor, rows);
  op_rope_kv (s, &q, &w.kv, &qkv, &step);
  stream_go (s);
  rows_read (&q, qs);
  check_nmse (what, qs, q_want, c->m * n_q, 1e-10);
  rope_check_cache (&w, c, rows, k_want, v_want);
  world_clear (&w);
}

static const RopeCase rope_cases[] = {
  { KV_F32, 96, 4, 2, 11, TRUE },
  { KV_F16, 96, 4, 2, 11, TRUE },
  { KV_F32, 64, 3, 3, 7, FALSE },
  { KV_F16, 40, 2, 1, 6, TRUE },
  { KV_F16, 8, 1, 1, 1, TRUE },
  { KV_F32, 24, 6, 1, 20, TRUE },
  { KV_INT8, 96, 4, 2, 11, TRUE },
  { KV_INT8, 64, 3, 3, 7, FALSE },
  { KV_INT8, 40, 2, 1, 6, TRUE },
  { KV_INT8, 8, 1, 1, 1, TRUE },
  { KV_INT8, 24, 6, 1, 20, TRUE },
  { KV_INT8, 128, 2, 2, 9, TRUE },
};

static void
test_rope_kv (Device *dev)
{
  for (guint i = 0; i < G_N_ELEMENTS (rope_cases); i++)
    rope_case (dev, &rope_cases[i]);
}

/* A binding holds 2 of the 9 blocks, or 4 of bytes. */
static void
test_rope_kv_windows (Device *dev)
{
  guint64 range = dev->limits.storage_range;
  static const RopeCase c = { KV_F32, 32, 2, 2, 20, TRUE }, bytes = { KV_INT8, 64, 2, 2, 20, TRUE };

  dev->limits.storage_range = 20000;
  rope_case (dev, &c);
  rope_case (dev, &bytes);
  dev->limits.storage_range = range;
}

/* --- memory ---------------------------------------------------------------------------------------------------------------- */

static guint64
cache_bytes (KvType type, guint tokens)
{
  enum
  {
    LAYERS = 32,
    HEADS = 32,
    DIM = 96,
  };
  g_autoptr (Arena) a = arena_new (form_device (0), ARENA_DEVICE, "cache");

  for (guint i = 0; i < LAYERS; i++)
    kv_layer_add (a, type, (tokens + KV_BLOCK - 1) / KV_BLOCK, HEADS, DIM);
  return arena_bytes (a);
}

/* Of Mini-InternVL-Chat-4B. 16 cameras, 8 frames of a tile and a question each. */
static void
test_bytes_of_16_cameras (void)
{
  guint64 bytes = cache_bytes (KV_INT8, 16 * 2300), halves = cache_bytes (KV_F16, 16 * 2300);

  g_test_message ("%" G_GUINT64_FORMAT " bytes, at 16 bits %" G_GUINT64_FORMAT, bytes, halves);
  g_assert_cmpuint (bytes, <, (guint64)7 << 30);
  g_assert_cmpfloat (bytes, <, 0.511 * halves);
}

/* --- what is refused -------------------------------------------------------------------------------------------------------- */

static void
refused (guint head_dim, guint cols, guint turns, const gchar *part)
{
  Device *dev = form_device (0);
  g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "refused");
  const KvLayer kv = kv_layer_add (a, KV_F32, 1, 2, head_dim);
  Tensor q = arena_add (a, TYPE_F32, LAYOUT_ROWS, 1, cols), rows = arena_add (a, TYPE_U32, LAYOUT_ROWS, 1, 4);
  Tensor table = arena_add (a, TYPE_U32, LAYOUT_ROWS, 1, turns);
  const Step step = { .rows = &rows, .table = &table };
  OpStream *s = op_stream_new (dev, "s");

  g_assert_true (arena_commit (a, NULL));
  op_attention (s, &q, &q, &kv, 1, &step);
  stream_refused (s, part);
  s = op_stream_new (dev, "s");
  op_attention_decode (s, &q, &q, &kv, 1, &step);
  stream_refused (s, part);
}

static void
test_head_sizes (void)
{
  refused (12, 24, 1, "multiple of 8");
  refused (136, 272, 1, "at most 128");
}

static void
test_heads (void)
{
  refused (32, 96, 1, "2 heads");
}

static void
test_too_many_turns (void)
{
  refused (32, 64, 65536, "65535");
}

int
main (int argc, char **argv)
{
  int failures;

  harness_init (&argc, &argv);
  add_in_every_form ("/attention/rows_see_all_keys_of_their_sequence", test_attention_all_keys);
  add_in_every_form ("/attention/rows_see_as_many_keys_as_they_say", test_attention_causal);
  add_in_every_form ("/attention_decode/rows_of_any_length_in_any_order", test_attention_decode);
  add_in_every_form ("/attention/long_work_is_cut", test_attention_cut);
  add_in_every_form ("/attention/turns_up_to_the_limit", test_turns);
  g_test_add_func ("/attention/slices_at_131072_keys", test_slices_at_128k);
  g_test_add_func ("/attention/slices_by_the_keys_seen", test_slices_by_keys_seen);
  add_in_every_form ("/attention_decode/rows_have_the_same_bits_alone_and_together", test_same_bits_together);
  add_in_every_form ("/rope_kv/rotates_and_fills_the_cache_but_for_padding", test_rope_kv);
  add_in_every_form ("/rope_kv/cache_beyond_one_binding", test_rope_kv_windows);
  g_test_add_func ("/kv/16_cameras_fit_7_gib_at_8_bits", test_bytes_of_16_cameras);
  g_test_add_func ("/attention/refuses_head_sizes", test_head_sizes);
  g_test_add_func ("/attention/refuses_heads_that_do_not_share", test_heads);
  g_test_add_func ("/attention/refuses_more_turns_than_are_run", test_too_many_turns);
  failures = g_test_run ();
  forms_close ();
  return failures;
}

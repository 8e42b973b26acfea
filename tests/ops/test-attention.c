/* The kernels of attention against their twin. */
#include "tensors.h"

#include <math.h>
#include <string.h>

#include "harness.h"
#include "vk/twins.h"
#include "world.h"

#define PADDING G_MAXUINT32

/* --- attention -------------------------------------------------------------------------------------------------------------- */

typedef struct
{
  KvType type;
  guint head_dim, heads_q, heads, keys, m;
  gboolean whole; /* without room to work in: keys are not split */
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

/* Three groups of 8 rows of each sequence, whose last rows see nothing; the second sequence's rows see more each. */
static void
runs (const World *w, guint row, guint32 *keys, guint32 *sequence)
{
  *sequence = row / 24 % w->n_sequences;
  *keys = row % 24 == 23 ? 0 : *sequence == 1 ? 1 + row % 24 * (w->keys - 1) / 23 : MAX (1, w->keys - row % 5);
}

/* Room for what `op` works in, where it has a use for it. */
static Tensor
work_plan (const World *w, const AttentionOp op, guint heads_q, guint m)
{
  guint columns = attention_work_columns (w->dev, &w->kv, heads_q, w->blocks * KV_BLOCK, op == op_attention_decode);

  return columns ? arena_add (w->arena, TYPE_F32, LAYOUT_ROWS, m, columns) : (Tensor){ NULL };
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
  Tensor wide, q, out, rows_tensor, work;
  Step step;

  world_plan (&w, dev, c->type, c->heads, c->head_dim, 3, c->keys);
  wide = arena_add (w.arena, TYPE_F32, LAYOUT_ROWS, c->m, n + beside);
  out = arena_add (w.arena, TYPE_F32, LAYOUT_ROWS, c->m, n);
  rows_tensor = arena_add (w.arena, TYPE_U32, LAYOUT_ROWS, c->m, 4);
  work = work_plan (&w, op, c->heads_q, c->m);
  world_fill (&w);
  q = tensor_columns (&wide, beside, n);
  step = (Step){ .rows = &rows_tensor, .table = &w.table_tensor, .work = work.arena && !c->whole ? &work : NULL };

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

/* Both tiles of the kernel for GPUs, full and not; rows of several sequences in one. */
static void
test_attention_tiles (Device *dev)
{
  static const AttentionCase cases[] = {
    { KV_F32, 24, 4, 2, 77, 75 },
    { KV_F16, 40, 2, 2, 96, 64 },
    { KV_INT8, 40, 4, 2, 77, 33 },
    { KV_F32, 128, 1, 1, 40, 9 },
    { KV_F16, 80, 2, 1, 32, 24 },
    { KV_INT8, 8, 2, 2, 31, 12 },
    { KV_F32, 64, 64, 2, 65, 75 },
    { KV_F16, 96, 128, 2, 77, 49 },
    { KV_INT8, 96, 64, 2, 40, 128 },
    { KV_F16, 8, 128, 4, 33, 9 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const AttentionCase *c = &cases[i];
    guint rows = geometry_attention_tile (device_limits (dev), c->m, c->heads_q)->rows;

    g_assert_cmpuint (rows, ==, i < 6 ? 32 : 64);
    attention_case (dev, op_attention, runs, c);
    attention_case (dev, op_attention, all_keys, c);
    attention_case (dev, op_attention, causal, c);
  }
}

/* Parts of no turn, of one and of several; and without room for parts. */
static void
test_attention_splits (Device *dev)
{
  static const AttentionCase cases[] = {
    { KV_F32, 40, 4, 2, 300, 21 },
    { KV_F16, 96, 4, 4, 700, 6 },
    { KV_INT8, 96, 8, 2, 500, 5 },
    { KV_F16, 24, 2, 1, 64, 3 },
    { KV_F16, 24, 2, 1, 65, 3 },
    { KV_F16, 8, 2, 2, 130, 4 },
    { KV_INT8, 80, 4, 2, 1, 3 },
    { KV_F32, 128, 2, 1, 200, 4 },
  };
  static const guint most[] = { 1, 6, 64, 1024 }; /* workgroups of a row */
  guint before = dev->limits.geometry.attention_workgroups;

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    AttentionCase c = cases[i];

    for (guint j = 0; j < G_N_ELEMENTS (most); j++) {
      dev->limits.geometry.attention_workgroups = most[j];
      attention_case (dev, op_attention_decode, any_length, &c);
    }
    dev->limits.geometry.attention_workgroups = before;
    c.whole = TRUE;
    attention_case (dev, op_attention_decode, any_length, &c);
  }
}

/* The cache takes 3 to 9 bindings. Without room to work in that is refused. */
static void
test_attention_windows (Device *dev)
{
  static const AttentionCase cases[] = {
    { KV_F32, 32, 2, 2, 300, 11 },
    { KV_F16, 32, 4, 2, 300, 11 },
    { KV_INT8, 64, 2, 2, 300, 11 },
  };
  const guint64 bulk = dev->limits.bulk_range, storage = dev->limits.storage_range;

  dev->limits.bulk_range = dev->limits.storage_range = 40000;
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    AttentionCase c = cases[i];

    attention_case (dev, op_attention, causal, &c);
    attention_case (dev, op_attention, all_keys, &c);
    c.m = 3;
    attention_case (dev, op_attention_decode, any_length, &c);
  }
  dev->limits.bulk_range = bulk;
  dev->limits.storage_range = storage;
}

/* A CPU device takes the kernels of GPUs for such a cache. */
static void
test_attention_windows_in_storage (void)
{
  test_attention_windows (form_device (2));
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
    qs[i] = 6 * w.k[LAST * DIM + i % DIM]; /* 1.5 do not outweigh 131,072 keys that are drawn once in 200 times */
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

/* Each of 8 rows may be of another sequence, and each turn is counted for all: 32 rows. */
static void
test_turns_of_gpu_kernels (Device *dev)
{
  static const LongCase most = { KV_F32, 1, 1, 16379, 0, 0 };

  long_table (dev, op_attention, &most);
  long_table (dev, op_attention_decode, &most);
}

static void
test_slices_of_gpu_kernels (Device *dev)
{
  static const LongCase seen = { KV_F16, 8, 16, 3, 4093, 96 }, most = { KV_INT8, 8, 16, 4096, 0, 0 };

  check_slices (dev, op_attention, &seen, 1);
  check_slices (dev, op_attention_decode, &seen, 1);
  check_slices (dev, op_attention, &most, 3);
  check_slices (dev, op_attention_decode, &most, 3);
}

/* --- the same bits ---------------------------------------------------------------------------------------------------------- */

#define MOST_TOGETHER 8

typedef struct
{
  World w;
  Tensor q, out, rows, work;
  guint heads_q;
} Together;

/* Rows first .. first + m at once, recorded for rows that see at most `keys`. */
static void
run_together (Device *dev, const Together *t, guint first, guint m, guint keys, float *outs)
{
  g_autoptr (OpStream) s = op_stream_new (dev, "together");
  Tensor q = tensor_rows (&t->q, first, m), out = tensor_rows (&t->out, first, m), rows = tensor_rows (&t->rows, first, m);
  const Step step = { .rows = &rows, .table = &t->w.table_tensor, .work = t->work.arena ? &t->work : NULL, .keys = keys };

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
  t.work = work_plan (&t.w, op_attention_decode, t.heads_q, MOST_TOGETHER);
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
    run_together (dev, &t, i, 1, rows[i][1], alone + i * n);
  for (guint m = 1; m <= MOST_TOGETHER; m++)
    for (guint first = 0; first + m <= MOST_TOGETHER; first++) {
      run_together (dev, &t, first, m, 0, outs);
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

/* With one turn a part, and with several. */
static void
test_same_bits_split (Device *dev)
{
  guint before = dev->limits.geometry.attention_workgroups;

  test_same_bits_together (dev);
  dev->limits.geometry.attention_workgroups = 8;
  test_same_bits_together (dev);
  dev->limits.geometry.attention_workgroups = before;
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

/* A cache of several bindings, and no room or too little for their parts. */
static void
test_no_room (void)
{
  Device *dev = form_device (FORM_GPU);
  g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "no room");
  const KvLayer kv = kv_layer_add (a, KV_F32, 9, 2, 32);
  Tensor q = arena_add (a, TYPE_F32, LAYOUT_ROWS, 1, 64), rows = arena_add (a, TYPE_U32, LAYOUT_ROWS, 1, 4);
  Tensor table = arena_add (a, TYPE_U32, LAYOUT_ROWS, 1, 9), work = arena_add (a, TYPE_F32, LAYOUT_ROWS, 1, 64);
  Step step = { .rows = &rows, .table = &table };
  const guint64 bulk = dev->limits.bulk_range;
  OpStream *s;

  g_assert_true (arena_commit (a, NULL));
  dev->limits.bulk_range = 4 * 8192;
  for (guint i = 0; i < 2; i++) {
    s = op_stream_new (dev, "s");
    op_attention (s, &q, &q, &kv, 1, &step);
    stream_refused (s, i ? "too little to work in: 1 x 216" : "no room to work in");
    s = op_stream_new (dev, "s");
    op_attention_decode (s, &q, &q, &kv, 1, &step);
    stream_refused (s, i ? "too little to work in: 1 x 1080" : "no room to work in");
    step.work = &work;
  }
  dev->limits.bulk_range = 4096; /* half a block */
  s = op_stream_new (dev, "s");
  op_attention (s, &q, &q, &kv, 1, &step);
  stream_refused (s, "reads only 4096 at a time");
  dev->limits.bulk_range = bulk;
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
  add_in_gpu_form ("/attention/rows_see_all_keys_of_their_sequence", test_attention_all_keys);
  add_in_gpu_form ("/attention/rows_see_as_many_keys_as_they_say", test_attention_causal);
  add_in_gpu_form ("/attention/tiles_of_several_sequences", test_attention_tiles);
  add_in_gpu_form ("/attention/long_work_is_cut", test_attention_cut);
  add_in_gpu_form ("/attention/turns_up_to_the_limit", test_turns_of_gpu_kernels);
  add_in_gpu_form ("/attention/slices", test_slices_of_gpu_kernels);
  add_in_gpu_form ("/attention_decode/rows_of_any_length_in_any_order", test_attention_decode);
  add_in_gpu_form ("/attention_decode/keys_are_split", test_attention_splits);
  add_in_gpu_form ("/attention_decode/rows_have_the_same_bits_alone_and_together", test_same_bits_split);
  add_in_gpu_form ("/attention/cache_beyond_one_binding", test_attention_windows);
  g_test_add_func ("/attention/cache_beyond_one_binding/storage", test_attention_windows_in_storage);
  g_test_add_func ("/attention/refuses_a_cache_of_several_bindings_without_room", test_no_room);
  g_test_add_func ("/attention/refuses_head_sizes", test_head_sizes);
  g_test_add_func ("/attention/refuses_heads_that_do_not_share", test_heads);
  g_test_add_func ("/attention/refuses_more_turns_than_are_run", test_too_many_turns);
  failures = g_test_run ();
  forms_close ();
  return failures;
}

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

/* Byte of the cache where an element lies. */
static gsize
kv_place (const KvLayer *kv, gboolean key, guint block, guint place, guint head, guint column)
{
  guint size = type_size (kv->k.type);

  return ((gsize)block * kv_block_elements (kv->heads, kv->head_dim)
             + twin_kv_element (key, kv->head_dim, size, head, place, column))
         * size;
}

static void
kv_put (const KvLayer *kv, guint8 *image, gsize at, float *value)
{
  if (kv->k.type == TYPE_F16) {
    guint16 h = half_from_float (*value);
    memcpy (image + at, &h, 2);
    *value = float_from_half (h);
  } else {
    memcpy (image + at, value, 4);
  }
}

static float
kv_get (const KvLayer *kv, const guint8 *image, gsize at)
{
  guint16 h;
  float f;

  if (kv->k.type == TYPE_F16) {
    memcpy (&h, image + at, 2);
    return float_from_half (h);
  }
  memcpy (&f, image + at, 4);
  return f;
}

static void
world_plan (World *w, Device *dev, TensorType type, guint heads, guint head_dim, guint n_sequences, guint keys)
{
  guint n;

  *w = (World){ .arena = arena_new (dev, ARENA_DEVICE, "world"), .n_sequences = n_sequences, .keys = keys, .spare = 3 };
  w->blocks = (keys + KV_BLOCK - 1) / KV_BLOCK;
  n = n_sequences * w->blocks + w->spare;
  w->kv.heads = heads;
  w->kv.head_dim = head_dim;
  w->kv.k = arena_add (w->arena, type, LAYOUT_ROWS, n, kv_block_elements (heads, head_dim));
  w->kv.v = arena_add (w->arena, type, LAYOUT_ROWS, n, kv_block_elements (heads, head_dim));
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
  gsize n = (gsize)w->n_sequences * w->keys * kv->heads * kv->head_dim, bytes;
  g_autoptr (GError) error = NULL;

  arena_commit (w->arena, &error);
  g_assert_no_error (error);
  bytes = tensor_bytes (&kv->k);
  rows_write (&w->table_tensor, w->table);
  w->k = random_floats (n, 0);
  w->v = random_floats (n, 0.5);
  for (guint part = 0; part < 2; part++) {
    g_autofree guint8 *image = g_malloc (bytes);
    float *dense = part == 0 ? w->k : w->v;

    for (gsize i = 0; i < bytes; i += type_size (kv->k.type)) {
      float rubbish = 1000;
      kv_put (kv, image, i, &rubbish);
    }
    for (guint s = 0; s < w->n_sequences; s++)
      for (guint j = 0; j < w->keys; j++)
        for (guint c = 0; c < kv->heads * kv->head_dim; c++) {
          guint block = w->table[s * w->blocks + j / KV_BLOCK];
          gsize at = kv_place (kv, part == 0, block, j % KV_BLOCK, c / kv->head_dim, c % kv->head_dim);
          kv_put (kv, image, at, &dense[((gsize)s * w->keys + j) * kv->heads * kv->head_dim + c]);
        }
    tensor_write (part == 0 ? &kv->k : &kv->v, 0, image, bytes, &error);
    g_assert_no_error (error);
  }
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
  TensorType type;
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
  { TYPE_F32, 40, 4, 2, 300, 21 },
  { TYPE_F16, 24, 6, 2, 64, 5 },
};

/* The same code for other heads, in one form only, as compiling takes seconds. */
static const AttentionCase attention_cases_first_form[] = {
  { TYPE_F32, 96, 3, 3, 33, 8 },
  { TYPE_F16, 96, 2, 1, 77, 17 },
  { TYPE_F32, 64, 2, 2, 1025, 40 },
  { TYPE_F32, 64, 8, 1, 1, 3 },
  { TYPE_F32, 64, 2, 1, 2000, 19 },
  { TYPE_F32, 8, 1, 1, 31, 1 },
  { TYPE_F32, 128, 2, 1, 40, 9 },
  { TYPE_F16, 8, 2, 2, 50, 12 },
  { TYPE_F16, 80, 1, 1, 32, 16 },
  { TYPE_F16, 128, 1, 1, 65, 9 },
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
  static const AttentionCase c = { TYPE_F32, 64, 128, 1, 640, 100 };
  guint64 submit_ns = dev->limits.submit_ns;
  guint submits;

  dev->limits.submit_ns = 1;
  submits = attention_case (dev, op_attention, causal, &c);
  g_assert_true (dev->limits.cpu == (submits > 1));
  dev->limits.submit_ns = submit_ns;
}

/* As many turns as lavapipe runs: the table repeats the same blocks, and only its last turn comes to the key
 * that outweighs all others. */
static void
long_table (Device *dev, AttentionOp op, guint turns)
{
  enum
  {
    DIM = 40,
    LAST = 96, /* the first key of the last block */
    KEYS = 128,
  };
  World w;
  g_autoptr (OpStream) s = op_stream_new (dev, "long");
  guint32 row[4] = { PADDING, turns * KV_BLOCK, 0, 0 };
  g_autofree guint32 *round = g_new (guint32, turns);
  float qs[DIM], outs[DIM];
  double want[DIM];
  Tensor q, out, rows, table;
  Step step = { .rows = &rows, .table = &table };

  world_plan (&w, dev, TYPE_F32, 1, DIM, 1, KEYS);
  q = arena_add (w.arena, TYPE_F32, LAYOUT_ROWS, 1, DIM);
  out = arena_add (w.arena, TYPE_F32, LAYOUT_ROWS, 1, DIM);
  rows = arena_add (w.arena, TYPE_U32, LAYOUT_ROWS, 1, 4);
  table = arena_add (w.arena, TYPE_U32, LAYOUT_ROWS, 1, turns);
  world_fill (&w);
  for (guint i = 0; i < turns; i++)
    round[i] = w.table[i + 1 < turns ? i % (w.blocks - 1) : w.blocks - 1];
  for (guint i = 0; i < DIM; i++) {
    qs[i] = 1.5f * w.k[LAST * DIM + i];
    want[i] = w.v[LAST * DIM + i];
  }
  rows_write (&q, qs);
  rows_write (&rows, row);
  rows_write (&table, round);
  op (s, &out, &q, &w.kv, 1, &step);
  stream_go (s);
  rows_read (&out, outs);
  check_nmse ("long table", outs, want, DIM, 1e-8);
  world_clear (&w);
}

static void
test_turns (Device *dev)
{
  long_table (dev, op_attention, 65532);
  long_table (dev, op_attention_decode, 16379);
}

/* --- rotation and the cache ------------------------------------------------------------------------------------------------- */

typedef struct
{
  TensorType type;
  guint head_dim, heads_q, heads, m;
  gboolean rotate;
} RopeCase;

static void
rope_check_cache (const World *w, const RopeCase *c, gboolean key, const guint32 *rows, const double *want)
{
  const KvLayer *kv = &w->kv;
  const Tensor *t = key ? &kv->k : &kv->v;
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *image = g_malloc (tensor_bytes (t));
  guint width = c->heads * c->head_dim;

  tensor_read (t, 0, image, tensor_bytes (t), &error);
  g_assert_no_error (error);
  for (guint block = 0; block < t->rows; block++)
    for (guint place = 0; place < KV_BLOCK; place++) {
      guint row = 0;

      while (row < c->m && rows[row * 4] != block * KV_BLOCK + place)
        row++;
      for (guint i = 0; i < width; i++) {
        gsize at = kv_place (kv, key, block, place, i / c->head_dim, i % c->head_dim);
        float got = kv_get (kv, image, at);

        if (row == c->m)
          g_assert_cmpfloat (got, ==, 0);
        else if (c->type == TYPE_F16) /* half a unit in the last place of 11 bits, and what f32 adds */
          g_assert_cmpfloat (fabs (got - want[row * width + i]), <=, 0x1.01p-11 * fabs (want[row * width + i]) + 1e-6);
        else
          g_assert_cmpfloat (fabs (got - want[row * width + i]), <=, 1e-6 * (1 + fabs (want[row * width + i])));
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
  step = (Step){ &rows_tensor, &w.table_tensor, c->rotate ? &rope : NULL };

  if (c->type == TYPE_F16)
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
  if (c->type == TYPE_F16)
    v_want[c->m * n_kv - 1] = 65504;
  rows_write (&qkv, xs);
  rows_write (&rope, ropes);
  rows_write (&rows_tensor, rows);
  op_rope_kv (s, &q, &w.kv, &qkv, &step);
  stream_go (s);
  rows_read (&q, qs);
  check_nmse (what, qs, q_want, c->m * n_q, 1e-10);
  rope_check_cache (&w, c, TRUE, rows, k_want);
  rope_check_cache (&w, c, FALSE, rows, v_want);
  world_clear (&w);
}

static const RopeCase rope_cases[] = {
  { TYPE_F32, 96, 4, 2, 11, TRUE },
  { TYPE_F16, 96, 4, 2, 11, TRUE },
  { TYPE_F32, 64, 3, 3, 7, FALSE },
  { TYPE_F16, 40, 2, 1, 6, TRUE },
  { TYPE_F16, 8, 1, 1, 1, TRUE },
  { TYPE_F32, 24, 6, 1, 20, TRUE },
};

static void
test_rope_kv (Device *dev)
{
  for (guint i = 0; i < G_N_ELEMENTS (rope_cases); i++)
    rope_case (dev, &rope_cases[i]);
}

/* A binding holds 2 of the 9 blocks. */
static void
test_rope_kv_windows (Device *dev)
{
  guint64 range = dev->limits.storage_range;
  static const RopeCase c = { TYPE_F32, 32, 2, 2, 20, TRUE };

  dev->limits.storage_range = 20000;
  rope_case (dev, &c);
  dev->limits.storage_range = range;
}

/* --- what is refused -------------------------------------------------------------------------------------------------------- */

static void
refused (guint head_dim, guint cols, guint turns, const gchar *part)
{
  Device *dev = form_device (0);
  g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "refused");
  Tensor k = arena_add (a, TYPE_F32, LAYOUT_ROWS, 1, kv_block_elements (2, head_dim));
  Tensor v = arena_add (a, TYPE_F32, LAYOUT_ROWS, 1, kv_block_elements (2, head_dim));
  Tensor q = arena_add (a, TYPE_F32, LAYOUT_ROWS, 1, cols), rows = arena_add (a, TYPE_U32, LAYOUT_ROWS, 1, 4);
  Tensor table = arena_add (a, TYPE_U32, LAYOUT_ROWS, 1, turns);
  const KvLayer kv = { k, v, 2, head_dim };
  const Step step = { &rows, &table, NULL };
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
  add_in_every_form ("/rope_kv/rotates_and_fills_the_cache_but_for_padding", test_rope_kv);
  add_in_every_form ("/rope_kv/cache_beyond_one_binding", test_rope_kv_windows);
  g_test_add_func ("/attention/refuses_head_sizes", test_head_sizes);
  g_test_add_func ("/attention/refuses_heads_that_do_not_share", test_heads);
  g_test_add_func ("/attention/refuses_more_turns_than_are_run", test_too_many_turns);
  failures = g_test_run ();
  forms_close ();
  return failures;
}

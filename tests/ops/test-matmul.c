/* The linear layer against its twin. */
#include "tensors.h"

#include <math.h>
#include <string.h>

#include "harness.h"
#include "vk/twins.h"

#define NMSE 1e-10
#define COOP_NMSE 1e-6 /* of x in f16, which has 11 bits */

/* What the epilogue of a case has. */
enum
{
  BIAS = 1,
  GELU = 2,
  SCALE = 4,
  RESIDUAL = 8,
  ONTO_Y = 16, /* the residual is what y held before */
  NORM = 32,
};

typedef struct
{
  guint m, n, k;
  TensorType type;
  guint epilogue, period; /* 0: m */
} MatmulCase;

/* True widths, then what breaks tilings: a column, an edge, one row more than a tile, padding of k, windows of both kernels. */
static const MatmulCase cases[] = {
  { 1, 3072, 3072, TYPE_BF16 },
  { 1, 8193, 96, TYPE_F16 },
  { 1, 1, 1, TYPE_F32 },
  { 1, 31, 33, TYPE_BF16 },
  { 2, 33, 3072, TYPE_BF16 },
  { 3, 33, 588, TYPE_BF16 },
  { 7, 31, 32, TYPE_F32 },
  { 7, 33, 5, TYPE_BF16 },
  { 8, 3072, 96, TYPE_F32 },
  { 8, 1, 1, TYPE_F16 },
  { 9, 33, 3072, TYPE_BF16 },
  { 16, 32, 32, TYPE_F32 },
  { 33, 31, 588, TYPE_F32 },
  { 33, 8193, 33, TYPE_BF16 },
  { 257, 33, 96, TYPE_F16 },
  { 257, 1, 5, TYPE_F32 },
  { 1, 3072, 3072, TYPE_Q8 },
  { 1, 3072, 3072, TYPE_Q4 },
  { 1, 31, 33, TYPE_Q8 },
  { 1, 31, 33, TYPE_Q4 },
  { 1, 1, 1, TYPE_Q4 },
  { 2, 33, 3072, TYPE_Q4 },
  { 3, 33, 588, TYPE_Q8 },
  { 3, 33, 588, TYPE_Q4 },
  { 7, 8193, 96, TYPE_Q4 },
  { 8, 33, 96, TYPE_Q8 },
  { 8, 130, 5, TYPE_Q4 },
  { 9, 33, 3072, TYPE_Q8 },
  { 9, 33, 3072, TYPE_Q4 },
  { 33, 31, 588, TYPE_Q8 },
  { 33, 31, 588, TYPE_Q4 },
  { 257, 33, 96, TYPE_Q8 },
  { 257, 130, 5, TYPE_Q4 },
};

/* Of GPUs: both widths of workgroups that split k. k that leaves splits without any, that ends within a turn of them, that is
 * padded. */
static const MatmulCase split_cases[] = {
  { 1, 4640, 3072, TYPE_BF16 },
  { 8, 4640, 100, TYPE_F16 },
  { 3, 4611, 36, TYPE_F32, BIAS | GELU | SCALE | RESIDUAL | ONTO_Y },
  { 5, 4700, 1100, TYPE_Q8 },
  { 8, 4609, 33, TYPE_Q8, BIAS | RESIDUAL, 3 },
  { 8, 4700, 1100, TYPE_Q4 },
  { 2, 4640, 3072, TYPE_Q4 },
  { 4, 3072, 1056, TYPE_F32 },
  { 8, 3070, 1100, TYPE_BF16, RESIDUAL },
  { 6, 61, 2060, TYPE_Q8, BIAS | GELU | SCALE | RESIDUAL | ONTO_Y },
  { 8, 130, 2060, TYPE_Q4, BIAS | GELU | SCALE | RESIDUAL | ONTO_Y },
};

/* The bound of what this form of the device computes with weights of a type. */
static double
nmse_of (Device *dev, TensorType type)
{
  return device_limits (dev)->geometry.coop.side && (type == TYPE_F16 || type == TYPE_BF16) ? COOP_NMSE : NMSE;
}

/* Each of the tiles in shared memory; rows that one of 8 x 8 sums an invocation does not have, k that leaves splits without any. */
static const MatmulCase tile_cases[] = {
  { 512, 3072, 96, TYPE_BF16 },
  { 129, 4040, 36, TYPE_F16 },
  { 130, 4040, 588, TYPE_F32, BIAS | RESIDUAL, 65 },
  { 65, 2010, 100, TYPE_BF16, BIAS | GELU | SCALE | RESIDUAL | ONTO_Y },
  { 64, 2048, 32, TYPE_F32 },
  { 31, 63, 1000, TYPE_F16, RESIDUAL },
  { 129, 4040, 96, TYPE_Q8 },
  { 130, 4040, 36, TYPE_Q4, BIAS | RESIDUAL, 65 },
  { 65, 2010, 100, TYPE_Q8, BIAS | GELU | SCALE | RESIDUAL | ONTO_Y },
  { 66, 2010, 160, TYPE_Q4 },
  { 31, 63, 1000, TYPE_Q8, RESIDUAL },
  { 9, 63, 1000, TYPE_Q4 },
};

/* Enough tiles for products of bytes; rows, columns and k that no tile has, one block and many. */
static const MatmulCase dot_cases[] = {
  { 64, 8192, 32, TYPE_Q8 },
  { 64, 8192, 32, TYPE_Q4 },
  { 257, 1666, 96, TYPE_Q8, BIAS | GELU | SCALE | RESIDUAL | ONTO_Y },
  { 257, 1666, 96, TYPE_Q4, BIAS | GELU | SCALE | RESIDUAL | ONTO_Y },
  { 250, 2001, 100, TYPE_Q8, BIAS | RESIDUAL, 65 },
  { 250, 2001, 100, TYPE_Q4, BIAS | RESIDUAL, 65 },
  { 9, 8100, 1100, TYPE_Q8, RESIDUAL },
  { 9, 8100, 1100, TYPE_Q4 },
};

static const MatmulCase epilogue_cases[] = {
  { 9, 33, 96, TYPE_F32, BIAS },
  { 9, 33, 96, TYPE_F32, GELU },
  { 9, 33, 96, TYPE_F32, SCALE },
  { 9, 33, 96, TYPE_F32, RESIDUAL },
  { 257, 31, 588, TYPE_BF16, BIAS | SCALE | RESIDUAL, 17 },
  { 33, 130, 32, TYPE_F16, BIAS | GELU | SCALE | RESIDUAL | ONTO_Y },
  { 3, 33, 96, TYPE_BF16, BIAS | GELU | SCALE | RESIDUAL | ONTO_Y },
  { 3, 129, 33, TYPE_F16, BIAS | RESIDUAL, 1 },
  { 1, 31, 96, TYPE_F32, RESIDUAL },
  { 3, 33, 96, TYPE_Q8, BIAS | GELU | SCALE | RESIDUAL | ONTO_Y },
  { 8, 33, 96, TYPE_Q4, BIAS | GELU | SCALE | RESIDUAL | ONTO_Y },
  { 33, 130, 32, TYPE_Q4, BIAS | GELU | SCALE | RESIDUAL | ONTO_Y },
};

static Tensor
rows_of (Arena *a, guint rows, guint cols)
{
  return arena_add (a, TYPE_F32, LAYOUT_ROWS, rows, cols);
}

static const gchar *const type_names[] = {
  [TYPE_F32] = "f32", [TYPE_F16] = "f16", [TYPE_BF16] = "bf16", [TYPE_Q8] = "q8", [TYPE_Q4] = "q4"
};

/* x becomes its norm. */
static void
norm_rows (float *x, guint m, guint k, double eps, const float *weight)
{
  g_autofree double *normed = g_new (double, (gsize)m *k);

  twin_norm (normed, x, m, k, FALSE, eps, weight, NULL);
  for (gsize i = 0; i < (gsize)m * k; i++)
    x[i] = normed[i];
}

static void
run_case (Device *dev, const MatmulCase *c)
{
  guint period = c->period ? c->period : c->m;
  gsize n = (gsize)c->m * c->n;
  g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "matmul");
  Tensor w = arena_add (a, c->type, LAYOUT_WEIGHTS, c->n, c->k);
  Tensor x = rows_of (a, c->m, c->k), y = rows_of (a, c->m, c->n), residual = rows_of (a, period, c->n);
  Tensor bias = rows_of (a, 1, c->n), scale = rows_of (a, 1, c->n), norm = rows_of (a, 1, c->k);
  g_autoptr (OpStream) s = op_stream_new (dev, "matmul");
  g_autofree float *xs = random_floats ((gsize)c->m * c->k, 0), *ws = random_floats ((gsize)c->n * c->k, 0);
  g_autofree float *bs = random_floats (c->n, 0.5f), *ss = random_floats (c->n, 1), *rs = random_floats ((gsize)period * c->n, 0);
  g_autofree float *ns = random_floats (c->k, 2);
  g_autofree float *got = g_new (float, n);
  g_autofree double *want = g_new (double, n);
  g_autofree gchar *what = g_strdup_printf (
      "matmul m %u, n %u, k %u, %s, epilogue %u, period %u", c->m, c->n, c->k, type_names[c->type], c->epilogue, period);
  const MatmulParams p = {
    .bias = c->epilogue & BIAS ? &bias : NULL,
    .norm = c->epilogue & NORM ? &norm : NULL,
    .eps = 0.01f,
    .act = c->epilogue & GELU ? ACT_GELU : ACT_NONE,
    .scale = c->epilogue & SCALE ? &scale : NULL,
    .residual = c->epilogue & ONTO_Y     ? &y
                : c->epilogue & RESIDUAL ? &residual
                                         : NULL,
    .residual_period = c->period,
  };
  const TwinEpilogue e = {
    .bias = p.bias ? bs : NULL,
    .gelu = p.act == ACT_GELU,
    .scale = p.scale ? ss : NULL,
    .residual = p.residual ? rs : NULL,
    .period = period,
  };

  g_assert_true (arena_commit (a, NULL));
  for (gsize i = 0; i < (gsize)c->n * c->k; i++)
    ws[i] /= sqrtf (c->k);
  weights_write (&w, ws);
  if (c->type == TYPE_Q4 || (c->type == TYPE_Q8 && device_limits (dev)->geometry.dots))
    make_eight_bits (xs, c->m, c->k);
  rows_write (&x, xs);
  rows_write (&bias, bs);
  rows_write (&norm, ns);
  rows_write (&scale, ss);
  rows_write (c->epilogue & ONTO_Y ? &y : &residual, rs);
  op_matmul (s, &y, &x, &w, c->epilogue ? &p : NULL);
  stream_go (s);
  rows_read (&y, got);
  if (p.norm)
    norm_rows (xs, c->m, c->k, p.eps, ns);
  twin_matmul (want, xs, ws, c->m, c->n, c->k, &e);
  check_nmse (what, got, want, n, nmse_of (dev, c->type));
}

static void
test_shapes (Device *dev)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    run_case (dev, &cases[i]);
}

static void
test_tiles (Device *dev)
{
  for (guint i = 0; i < G_N_ELEMENTS (tile_cases); i++)
    run_case (dev, &tile_cases[i]);
}

static void
test_dots (Device *dev)
{
  for (guint i = 0; i < G_N_ELEMENTS (dot_cases); i++)
    run_case (dev, &dot_cases[i]);
}

static void
test_split (Device *dev)
{
  for (guint i = 0; i < G_N_ELEMENTS (split_cases); i++)
    run_case (dev, &split_cases[i]);
}

static void
test_epilogue (Device *dev)
{
  for (guint i = 0; i < G_N_ELEMENTS (epilogue_cases); i++)
    run_case (dev, &epilogue_cases[i]);
}

/* GELU where its two fits meet, where it vanishes and where it is the identity: one column a value. */
static void
test_gelu_is_that_of_erf (Device *dev)
{
  enum
  {
    N = 4001
  };
  g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "gelu");
  Tensor w = arena_add (a, TYPE_F32, LAYOUT_WEIGHTS, N, 1), x = rows_of (a, 1, 1), y = rows_of (a, 1, N);
  g_autoptr (OpStream) s = op_stream_new (dev, "gelu");
  g_autofree float *values = g_new (float, N), *got = g_new (float, N);
  const float one = 1;

  for (guint i = 0; i < N; i++)
    values[i] = (i - (N - 1) / 2.0f) / 250;
  values[0] = -1e4f;
  values[N - 1] = 1e4f;
  g_assert_true (arena_commit (a, NULL));
  weights_write (&w, values);
  rows_write (&x, &one);
  op_matmul (s, &y, &x, &w, &(MatmulParams){ .act = ACT_GELU });
  stream_go (s);
  rows_read (&y, got);
  for (guint i = 0; i < N; i++) {
    double want = 0.5 * values[i] * (1 + erf (values[i] * G_SQRT2 / 2));

    if (!(fabs (got[i] - want) <= 3e-7 * MAX (1, fabs (values[i]))))
      g_test_fail_printf ("gelu (%g) is %.9g, not %.9g", values[i], got[i], want);
  }
}

/* Numbers that 8 bits do not hold: matvec rounds them for Q4 by blocks of 32, each with a scale of its own, and for no other type;
 * products of bytes also for Q8. */
static void
test_rows_lose_no_more_than_8_bits (Device *dev)
{
  enum
  {
    K = 300,
  };
  const gboolean dots = device_limits (dev)->geometry.dots;
  const guint M = dots ? 64 : 3, N = dots ? 8100 : 70;

  for (TensorType type = dots ? TYPE_Q8 : TYPE_F32; type <= TYPE_Q4; type++) {
    g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "eight");
    Tensor w = arena_add (a, type, LAYOUT_WEIGHTS, N, K), x = rows_of (a, M, K), y = rows_of (a, M, N);
    g_autoptr (OpStream) s = op_stream_new (dev, "eight");
    g_autofree float *xs = random_floats (M * K, 0), *ws = random_floats (N * K, 0), *got = g_new (float, M *N);
    g_autofree double *want = g_new (double, M *N);

    /* The blocks' sizes differ by a thousand, and some are zeros or next to it; what they are multiplied by makes up for it. */
    for (guint i = 0; i < M * K; i++)
      xs[i] *= i % K / 32 == 2 ? 0 : i % K / 32 == 3 ? 1e-36f : exp2f (i % K / 32);
    for (guint i = 0; i < N * K; i++)
      ws[i] /= exp2f (i % K / 32);
    g_assert_true (arena_commit (a, NULL));
    weights_write (&w, ws);
    rows_write (&x, xs);
    op_matmul (s, &y, &x, &w, NULL);
    stream_go (s);
    rows_read (&y, got);
    twin_matmul (want, xs, ws, M, N, K, &(TwinEpilogue){ .period = M });
    check_nmse (type_names[type], got, want, M * N, type == TYPE_Q4 || dots ? 4e-5 : NMSE);
  }
}

/* A number that is none reaches the whole row, and no other. */
static void
test_what_is_no_number_stays_none (Device *dev)
{
  enum
  {
    K = 70,
  };
  const float values[] = { NAN, INFINITY, -INFINITY };
  const gboolean dots = device_limits (dev)->geometry.dots;
  const guint N = dots ? 8100 : 33, least = dots ? 57 : 3;

  for (TensorType type = dots ? TYPE_Q8 : TYPE_F32; type <= TYPE_Q4; type++)
    for (guint v = 0; v < G_N_ELEMENTS (values); v++)
      for (guint m = least; m <= least + 7; m += 7) {
        g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "none");
        Tensor w = arena_add (a, type, LAYOUT_WEIGHTS, N, K), x = rows_of (a, m, K), y = rows_of (a, m, N);
        g_autoptr (OpStream) s = op_stream_new (dev, "none");
        g_autofree float *xs = random_floats (m * K, 0), *ws = random_floats (N * K, 3), *got = g_new (float, m *N);

        xs[K + 40] = values[v];
        g_assert_true (arena_commit (a, NULL));
        weights_write (&w, ws);
        rows_write (&x, xs);
        op_matmul (s, &y, &x, &w, NULL);
        stream_go (s);
        rows_read (&y, got);
        for (guint i = 0; i < m * N; i++)
          if (isfinite (got[i]) != (i / N != 1))
            g_test_fail_printf ("%s: %g became %g in row %u", type_names[type], values[v], got[i], i / N);
      }
}

/* Of up to 8 rows, in octets of Q8 and Q4 of any number, each has the bits that it has alone. */
static void
check_rows_alone (Device *dev, guint n, guint k, gboolean norm)
{
  enum
  {
    M = 21,
  };
  const gboolean split = device_limits (dev)->geometry.matvec_local > 0;

  for (TensorType type = TYPE_F32; type <= TYPE_Q4; type++) {
    g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "alone");
    Tensor w = arena_add (a, type, LAYOUT_WEIGHTS, n, k), x = rows_of (a, M, k), y = rows_of (a, M, n),
           vector = rows_of (a, 1, norm ? k : n);
    g_autofree float *xs = random_floats (M * k, 0), *ws = random_floats (n * k, 0), *vs = random_floats (norm ? k : n, 0);
    g_autofree float *alone = g_new (float, M *n), *got = g_new (float, M *n);

    const MatmulParams p = { .bias = norm ? NULL : &vector, .norm = norm ? &vector : NULL, .act = ACT_GELU };

    g_assert_true (arena_commit (a, NULL));
    weights_write (&w, ws);
    rows_write (&x, xs);
    rows_write (&vector, vs);
    for (guint m = 1; m <= (type < TYPE_Q8 || split ? 8 : M); m += m < 8 ? 1 : M - 8) {
      g_autoptr (OpStream) s = op_stream_new (dev, "alone");

      for (guint first = 0; first + m <= M; first += m) {
        Tensor from = tensor_rows (&x, first, m), to = tensor_rows (&y, first, m);

        op_matmul (s, &to, &from, &w, &p);
      }
      stream_go (s);
      rows_read (&y, m == 1 ? alone : got);
      for (guint i = 0; m > 1 && i < M / m * m * n; i++)
        if (memcmp (&alone[i], &got[i], sizeof *got) != 0) {
          g_test_fail_printf ("%s: row %u alone has %.9g, among %u rows %.9g", type_names[type], i / n, alone[i], m, got[i]);
          break;
        }
    }
  }
}

static void
test_rows_are_what_they_are_alone (Device *dev)
{
  check_rows_alone (dev, 70, 588, FALSE);
}

/* Enough columns for wider workgroups. */
static void
test_rows_of_many_columns (Device *dev)
{
  check_rows_alone (dev, 8 * MATVEC_WORKGROUPS + 70, 200, FALSE);
}

static void
test_rows_with_a_norm (Device *dev)
{
  check_rows_alone (dev, 70, 608, TRUE);
}

static guint workgroups; /* of the dispatches so far */

void __real_vkCmdDispatch (VkCommandBuffer commands, uint32_t x, uint32_t y, uint32_t z);
void __wrap_vkCmdDispatch (VkCommandBuffer commands, uint32_t x, uint32_t y, uint32_t z);

void
__wrap_vkCmdDispatch (VkCommandBuffer commands, uint32_t x, uint32_t y, uint32_t z)
{
  workgroups += x * y * z;
  __real_vkCmdDispatch (commands, x, y, z);
}

/* A matvec of the language model's width keeps every core of a GPU busy, whatever the weights are and however many rows. */
static void
test_four_workgroups_a_core (Device *dev)
{
  for (TensorType type = TYPE_F32; type <= TYPE_Q4; type++)
    for (guint m = 1; m <= 8; m += 7) {
      g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "cores");
      Tensor w = arena_add (a, type, LAYOUT_WEIGHTS, 3072, 32), x = rows_of (a, m, 32), y = rows_of (a, m, 3072);
      g_autoptr (OpStream) s = op_stream_new (dev, "cores");

      g_assert_true (arena_commit (a, NULL));
      op_matmul (s, &y, &x, &w, NULL);
      workgroups = 0;
      stream_go (s);
      for (guint cores = 20; cores <= 144; cores++)
        g_assert_cmpuint (workgroups, >=, 4 * cores);
    }
}

/* A norm that is taken along. */
static void
test_norm (Device *dev)
{
  static const MatmulCase norm_cases[] = {
    { 1, 3072, 3072, TYPE_BF16 },
    { 1, 4700, 3072, TYPE_Q4 },
    { 2, 33, 96, TYPE_F32, RESIDUAL },
    { 7, 4640, 1120, TYPE_Q8, GELU | SCALE | RESIDUAL },
    { 8, 3070, 2080, TYPE_F16 },
    { 8, 61, 32, TYPE_Q4 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (norm_cases); i++)
    run_case (dev, &(MatmulCase){ .m = norm_cases[i].m,
                       .n = norm_cases[i].n,
                       .k = norm_cases[i].k,
                       .type = norm_cases[i].type,
                       .epilogue = norm_cases[i].epilogue | NORM });
}

/* Windows of larger tensors: what lies beside y stays, and what lies behind the k of x does not count. */
static void
test_views (Device *dev, guint m, TensorType type)
{
  enum
  {
    N = 36,
    K = 36,
    BESIDE = 4,
    WIDTH = 128,
    BELOW = 2,
  };
  g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "views");
  Tensor w = arena_add (a, type, LAYOUT_WEIGHTS, N, K), vectors = rows_of (a, 3, WIDTH);
  Tensor all_x = rows_of (a, m + 2 * BELOW, WIDTH), all_y = rows_of (a, m + 2 * BELOW, WIDTH);
  Tensor mid_x = tensor_rows (&all_x, BELOW, m), x = tensor_columns (&mid_x, BESIDE, K);
  Tensor mid_y = tensor_rows (&all_y, BELOW, m), y = tensor_columns (&mid_y, BESIDE, N);
  Tensor second = tensor_rows (&vectors, 1, 1), third = tensor_rows (&vectors, 2, 1);
  Tensor bias = tensor_columns (&second, BESIDE, N), scale = tensor_columns (&third, 2 * BESIDE, N);
  g_autoptr (OpStream) s = op_stream_new (dev, "views");
  gsize size = (gsize)(m + 2 * BELOW) * WIDTH;
  g_autofree float *xs = random_floats (size, 0), *before = random_floats (size, 0), *after = g_new (float, size);
  g_autofree float *ws = random_floats (N * K, 0), *vs = random_floats (3 * WIDTH, 1), *dense = g_new (float, m *K);
  g_autofree float *got = g_new (float, m *N), *residual = g_new (float, m *N);
  g_autofree double *want = g_new (double, m *N);

  g_assert_true (arena_commit (a, NULL));
  weights_write (&w, ws);
  for (guint i = 0; i < size; i++) /* 8 bits hold what the view has of a row; what is behind it is larger */
    xs[i] = i % WIDTH % 32 == BESIDE + 1 && i % WIDTH < BESIDE + K ? 127 / 64.0f
            : i % WIDTH < BESIDE + K                               ? g_test_rand_int_range (-127, 128) / 64.0f
                                                                   : 1000;
  rows_write (&all_x, xs);
  rows_write (&all_y, before);
  rows_write (&vectors, vs);
  for (guint i = 0; i < m; i++) {
    memcpy (dense + i * K, xs + (i + BELOW) * WIDTH + BESIDE, K * sizeof *dense);
    memcpy (residual + i * N, before + (i + BELOW) * WIDTH + BESIDE, N * sizeof *residual);
  }
  op_matmul (s, &y, &x, &w, &(MatmulParams){ .bias = &bias, .scale = &scale, .residual = &y });
  stream_go (s);
  rows_read (&y, got);
  rows_read (&all_y, after);
  twin_matmul (want, dense, ws, m, N, K,
      &(TwinEpilogue){ .bias = vs + WIDTH + BESIDE, .scale = vs + 2 * WIDTH + 2 * BESIDE, .residual = residual, .period = m });
  check_nmse ("matmul of views", got, want, m * N, nmse_of (dev, type));
  for (guint i = 0; i < size; i++) {
    guint row = i / WIDTH, column = i % WIDTH;

    if (row < BELOW || row >= m + BELOW || column < BESIDE || column >= BESIDE + N)
      g_assert_cmpfloat (after[i], ==, before[i]);
  }
}

static void
test_views_of_few_rows (Device *dev)
{
  test_views (dev, 3, TYPE_BF16);
  test_views (dev, 3, TYPE_Q8);
  test_views (dev, 3, TYPE_Q4);
}

static void
test_views_of_many_rows (Device *dev)
{
  test_views (dev, 10, TYPE_BF16);
  test_views (dev, 10, TYPE_Q8);
  test_views (dev, 10, TYPE_Q4);
}

/* More work than a slice may have, so that rows and columns are cut, and not where workgroups end. The seams are checked, and a
 * sample of the rest. */
static void
run_long_op (Device *dev)
{
  enum
  {
    M = 520,
    N = 40,
    K = 32 * 2000,
    CHECKED = 400,
  };
  g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "long");
  Tensor w = arena_add (a, TYPE_F32, LAYOUT_WEIGHTS, N, K), x = rows_of (a, M, K), y = rows_of (a, M, N);
  g_autoptr (OpStream) s = op_stream_new (dev, "long");
  g_autofree float *xs = random_floats ((gsize)M * K, 0), *ws = random_floats ((gsize)N * K, 0), *all = g_new (float, M *N);
  g_autofree float *before = random_floats (M * N, 1000);
  float got[CHECKED];
  double want[CHECKED];
  guint n_timings;

  g_assert_true (arena_commit (a, NULL));
  weights_write (&w, ws);
  rows_write (&x, xs);
  rows_write (&y, before);
  op_matmul (s, &y, &x, &w, &(MatmulParams){ .residual = &y });
  stream_go (s);
  rows_read (&y, all);
  for (guint i = 0; i < CHECKED; i++) {
    guint row = i < 2 * N ? (i / N ? M - 1 : 0) : i < 4 * N ? M - 4 * N + i : g_test_rand_int_range (0, M), column = i % N;
    double sum = 0;

    for (guint c = 0; c < K; c++)
      sum += (double)xs[(gsize)row * K + c] * ws[(gsize)column * K + c];
    got[i] = all[row * N + column] - before[row * N + column];
    want[i] = sum;
  }
  check_nmse ("a matmul cut into slices", got, want, CHECKED, NMSE);
  g_assert_nonnull (op_stream_timings (s, &n_timings));
  g_assert_cmpuint (n_timings, ==, 1); /* all slices are one op's */
}

static void
test_long_op_is_cut (void)
{
  run_long_op (form_device (0));
  run_long_op (form_device (1));
  run_long_op (form_device (FORM_GPU));
}

/* Lavapipe binds 128 MiB of a storage buffer. */
static void
run_windows (Device *dev)
{
  enum
  {
    N = 11000,
    K = 3072
  };
  g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "windows");
  Tensor w = arena_add (a, TYPE_F32, LAYOUT_WEIGHTS, N, K), x = rows_of (a, 1, K), y = rows_of (a, 1, N);
  g_autoptr (OpStream) s = op_stream_new (dev, "windows");
  g_autofree float *xs = random_floats (K, 0), *ws = random_floats ((gsize)N * K, 0), *got = g_new (float, N);
  g_autofree float *before = random_floats (N, 10);
  g_autofree double *want = g_new (double, N);

  if (tensor_bytes (&w) <= device_limits (dev)->bulk_range) {
    g_test_skip ("this device binds all of it");
    return;
  }
  g_assert_true (arena_commit (a, NULL));
  weights_write (&w, ws);
  rows_write (&x, xs);
  rows_write (&y, before);
  op_matmul (s, &y, &x, &w, &(MatmulParams){ .residual = &y });
  stream_go (s);
  rows_read (&y, got);
  twin_matmul (want, xs, ws, 1, N, K, &(TwinEpilogue){ .residual = before, .period = 1 });
  check_nmse ("a matvec over windows", got, want, N, NMSE);
}

static void
test_weights_beyond_a_binding (void)
{
  run_windows (form_device (2));
  run_windows (form_device (3));
  run_windows (form_device (FORM_GPU));
}

static void
assert_refused (Device *dev, const Tensor *y, const Tensor *x, const Tensor *w, const MatmulParams *p, const gchar *pattern)
{
  g_autoptr (OpStream) s = op_stream_new (dev, "refused");
  g_autoptr (GError) error = NULL;

  op_matmul (s, y, x, w, p);
  g_assert_false (op_stream_end (s, &error));
  g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_UNSUPPORTED);
  if (!g_pattern_match_simple (pattern, error->message))
    g_test_fail_printf ("'%s' does not tell '%s'", error->message, pattern);
}

static void
test_what_does_not_fit_is_refused (void)
{
  Device *dev = form_device (0);
  g_autoptr (Arena) a = arena_new (dev, ARENA_DEVICE, "refused");
  Tensor w = arena_add (a, TYPE_F32, LAYOUT_WEIGHTS, 16, 64), x = rows_of (a, 8, 64), y = rows_of (a, 8, 16);
  Tensor more = rows_of (a, 16, 16), wide = rows_of (a, 8, 96), dense = rows_of (a, 16, 64);
  Tensor tail = tensor_columns (&wide, 64, 32), short_w = arena_add (a, TYPE_F32, LAYOUT_WEIGHTS, 16, 36);
  Tensor norm = rows_of (a, 1, 64);
  Tensor shifted = tensor_rows (&more, 8, 8), onto = tensor_rows (&more, 0, 8), late = tensor_columns (&wide, 40, 36);

  g_assert_true (arena_commit (a, NULL));
  assert_refused (dev, &y, &tail, &w, NULL, "*x 8 x 32, w 16 x 64*");
  assert_refused (dev, &more, &x, &w, NULL, "*y is 16 x 16*");
  assert_refused (dev, &y, &x, &dense, NULL, "*not of weights*");
  assert_refused (dev, &y, &x, &w, &(MatmulParams){ .bias = &x }, "*bias and scale are*16*");
  assert_refused (dev, &y, &x, &w, &(MatmulParams){ .residual = &x }, "*residual is 8 x 64*");
  assert_refused (dev, &y, &x, &w, &(MatmulParams){ .residual = &y, .residual_period = 4 }, "*y's memory*");
  assert_refused (dev, &onto, &x, &w, &(MatmulParams){ .residual = &shifted }, "*y's memory*");
  assert_refused (dev, &y, &late, &short_w, NULL, "*x ends*");
  assert_refused (dev, &y, &x, &w, &(MatmulParams){ .norm = &norm }, "*not normed here*");
}

int
main (int argc, char **argv)
{
  gint result;

  harness_init (&argc, &argv);
  add_in_every_form ("/matmul/shapes", test_shapes);
  add_in_every_form ("/matmul/epilogue", test_epilogue);
  add_in_every_form ("/matmul/gelu-is-that-of-erf", test_gelu_is_that_of_erf);
  add_in_every_form ("/matmul/rows-lose-no-more-than-8-bits", test_rows_lose_no_more_than_8_bits);
  add_in_every_form ("/matmul/what-is-no-number-stays-none", test_what_is_no_number_stays_none);
  add_in_every_form ("/matmul/rows-are-what-they-are-alone", test_rows_are_what_they_are_alone);
  add_in_every_form ("/matmul/views-of-few-rows", test_views_of_few_rows);
  add_in_every_form ("/matmul/views-of-many-rows", test_views_of_many_rows);
  add_in_gpu_form ("/matmul/shapes", test_shapes);
  add_in_gpu_form ("/matmul/tiles", test_tiles);
  add_in_gpu_form ("/matmul/split", test_split);
  add_in_gpu_form ("/matmul/epilogue", test_epilogue);
  add_in_gpu_form ("/matmul/gelu-is-that-of-erf", test_gelu_is_that_of_erf);
  add_in_gpu_form ("/matmul/rows-lose-no-more-than-8-bits", test_rows_lose_no_more_than_8_bits);
  add_in_gpu_form ("/matmul/what-is-no-number-stays-none", test_what_is_no_number_stays_none);
  add_in_gpu_form ("/matmul/rows-are-what-they-are-alone", test_rows_are_what_they_are_alone);
  add_in_gpu_form ("/matmul/rows-of-many-columns", test_rows_of_many_columns);
  add_in_gpu_form ("/matmul/views-of-few-rows", test_views_of_few_rows);
  add_in_gpu_form ("/matmul/views-of-many-rows", test_views_of_many_rows);
  add_in_gpu_form ("/matmul/norm", test_norm);
  add_in_gpu_form ("/matmul/rows-with-a-norm", test_rows_with_a_norm);
  add_in_gpu_form ("/matmul/four-workgroups-a-core", test_four_workgroups_a_core);
  add_in_coop ("/matmul/shapes", test_shapes);
  add_in_coop ("/matmul/tiles", test_tiles);
  add_in_coop ("/matmul/epilogue", test_epilogue);
  add_in_coop ("/matmul/views", test_views_of_many_rows);
  add_in_coop ("/matmul/what-is-no-number-stays-none", test_what_is_no_number_stays_none);
  add_in_dots ("/matmul/shapes", test_dots);
  add_in_dots ("/matmul/rows-lose-no-more-than-8-bits", test_rows_lose_no_more_than_8_bits);
  add_in_dots ("/matmul/what-is-no-number-stays-none", test_what_is_no_number_stays_none);
  g_test_add_func ("/matmul/long-op-is-cut", test_long_op_is_cut);
  g_test_add_func ("/matmul/weights-beyond-a-binding", test_weights_beyond_a_binding);
  g_test_add_func ("/matmul/what-does-not-fit-is-refused", test_what_does_not_fit_is_refused);
  result = g_test_run ();
  forms_close ();
  return result;
}

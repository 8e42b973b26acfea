/* Runs checks, and those of the linear layers. */
#include "bench_check.h"

#include <string.h>

#include "ops/survey.h"
#include "vk/twins.h"

#define QUICK_EXTENT 40
#define RUNS 3

/* --- running ----------------------------------------------------------------------------------------------------------------- */

typedef struct
{
  void (*func) (guint row, gpointer data);
  gpointer data;
  guint n;
  gint next;
} Rows;

static gpointer
take_rows (gpointer data)
{
  Rows *rows = data;

  for (guint row; (row = g_atomic_int_add (&rows->next, 1)) < rows->n;)
    rows->func (row, rows->data);
  return NULL;
}

void
check_rows (guint n, void (*func) (guint row, gpointer data), gpointer data)
{
  Rows rows = { func, data, n };
  guint n_threads = MIN (g_get_num_processors (), n);
  g_autofree GThread **threads = g_new (GThread *, n_threads);

  for (guint i = 0; i < n_threads; i++)
    threads[i] = g_thread_new ("twin", take_rows, &rows);
  for (guint i = 0; i < n_threads; i++)
    g_thread_join (threads[i]);
}

gboolean
check_wants (const Bench *b, TensorType type)
{
  return bench_wants (b, type) || (type == TYPE_BF16 && (bench_wants (b, TYPE_Q8) || bench_wants (b, TYPE_Q4)));
}

static void
note_shaders (Checks *checks, const Check *check)
{
  g_autoptr (OpStream) survey = op_survey_new (checks->b->dev);
  g_autoptr (GError) error = NULL;
  GHashTableIter iter;
  gpointer variant;

  check->c.record (&check->c, survey);
  g_hash_table_iter_init (&iter, op_survey_variants (survey, &error));
  bench_assert (error);
  while (g_hash_table_iter_next (&iter, &variant, NULL))
    g_hash_table_add (checks->shaders, (gpointer)((const Variant *)variant)->shader->name);
}

void
check_run (Checks *checks, const gchar *op, CheckPlan plan, gconstpointer size)
{
  Bench *b = checks->b;
  g_autoptr (GError) error = NULL;
  g_autoptr (Arena) arena = arena_new (b->dev, ARENA_DEVICE, "check");
  g_autoptr (OpStream) s = op_stream_new (b->dev, "check");
  Check check = { .c = { .op = op, .arena = arena, .random = 1, .bound = 1e-10 },
    .precision = "f32",
    .limit = LIMIT_READ,
    .size = size,
    .extent = b->quick ? QUICK_EXTENT : G_MAXUINT };
  BenchRow row = { .name = "check", .checked = TRUE };
  BenchTimer timer;

  plan (&check, size);
  note_shaders (checks, &check);
  if (arena_commit (arena, &error))
    case_write (&check.c, &error);
  bench_assert (error);
  check.c.record (&check.c, s);
  op_stream_end (s, &error);
  bench_assert (error);
  bench_run_stream (s); /* drivers compile when a kernel first runs */
  bench_timer_start (&timer, 0, b->quick ? 1 : RUNS);
  while (bench_goes_on (&timer))
    bench_ran (&timer, bench_run_stream (s), 1);
  bench_timer_stop (&timer, &row);
  case_read (&check.c, &row.nmse, &error);
  if (!error && check.compare_more) {
    double more = check.compare_more (&check, &error);

    row.nmse = more <= row.nmse ? row.nmse : more; /* NaN is the worst */
  }
  bench_assert (error);
  row.shape = g_strdup_printf ("%s %s", op, check.shape);
  row.precision = check.precision;
  row.flops = check.flops;
  row.bytes = check.bytes;
  row.weights = check.weights;
  row.limit = check.limit;
  row.bound = check.c.bound;
  bench_add (b, row);
  case_clear (&check.c);
  g_free (check.shape);
  g_free (check.data);
}

/* --- the linear layers ------------------------------------------------------------------------------------------------------- */

/* Columns that differ. With them repeated, the twin computes these alone; no power of two is a multiple of them, so that a tile of
 * the wrong columns is seen. */
#define PERIOD 136
#define QUICK_PERIOD 24

enum
{
  VISION = 1, /* of weights of 16 and 32 bits alone */
  QUICK = 2,  /* also where it must be quick */
};

typedef struct
{
  guint m, n, k, epilogue, flags;
} Linear;

/* InternViT-300M for a tile: patches, q, k and v, the projection behind attention, up, down; the projector. Phi-3-mini for a chunk
 * of a prompt and for decode steps: q, k and v, the projection, gate and up, down, the head. */
static const Linear layers[] = {
  { 1024, 1024, 588, EPILOGUE_BIAS | EPILOGUE_RESIDUAL, VISION | QUICK },
  { 1025, 3072, 1024, EPILOGUE_BIAS, VISION },
  { 1025, 1024, 1024, EPILOGUE_BIAS | EPILOGUE_SCALE | EPILOGUE_RESIDUAL, VISION },
  { 1025, 4096, 1024, EPILOGUE_BIAS | EPILOGUE_GELU, VISION | QUICK },
  { 1025, 1024, 4096, EPILOGUE_BIAS | EPILOGUE_SCALE | EPILOGUE_RESIDUAL, VISION | QUICK },
  { 256, 3072, 4096, EPILOGUE_BIAS | EPILOGUE_GELU, VISION },
  { 256, 9216, 3072 },
  { 256, 3072, 3072, EPILOGUE_RESIDUAL, QUICK },
  { 256, 16384, 3072 },
  { 256, 3072, 8192, EPILOGUE_RESIDUAL },
  { 1, 9216, 3072, .flags = QUICK },
  { 1, 3072, 3072, EPILOGUE_RESIDUAL },
  { 1, 16384, 3072 },
  { 1, 3072, 8192, EPILOGUE_RESIDUAL, QUICK },
  { 1, 32064, 3072 },
  { 4, 16384, 3072, .flags = QUICK },
  { 8, 3072, 8192, EPILOGUE_RESIDUAL },
};

typedef struct
{
  const Linear *layer;
  TensorType type;
  const gchar *name;
} LinearSize;

/* Tensors of a case, in this order. */
enum
{
  Y,
  X,
  W,
  BIAS,
  SCALE,
  RESIDUAL,
};

static void
record_linear (const Case *c, OpStream *s)
{
  const LinearSize *size = ((const Check *)c)->size;
  guint epilogue = size->layer->epilogue;
  const MatmulParams p = {
    .bias = epilogue & EPILOGUE_BIAS ? TENSOR (c, BIAS) : NULL,
    .act = epilogue & EPILOGUE_GELU ? ACT_GELU : ACT_NONE,
    .scale = epilogue & EPILOGUE_SCALE ? TENSOR (c, SCALE) : NULL,
    .residual = epilogue & EPILOGUE_RESIDUAL ? TENSOR (c, RESIDUAL) : NULL,
  };

  op_matmul (s, TENSOR (c, Y), TENSOR (c, X), TENSOR (c, W), &p);
}

/* Adds n columns, of which all but the first `period` are repetitions. */
static void
add_repeated (Case *c, guint m, guint n, const float *dense, guint period)
{
  g_autofree float *all = g_new (float, (gsize)m *n);

  for (guint i = 0; i < m; i++)
    for (guint j = 0; j < n; j++)
      all[(gsize)i * n + j] = dense[(gsize)i * period + j % period];
  case_add_rows (c, TYPE_F32, m, n, all);
}

/* The same of weights, whose rows are y's columns. What they become is then in `dense`. */
static void
add_weights (Case *c, TensorType type, guint n, guint k, float *dense, guint period)
{
  CaseTensor *own = case_add (c, type, LAYOUT_WEIGHTS, n, k);
  const guint64 octet = row_bytes (type, 8 * (guint64)own->tensor.stride);
  g_autofree guint8 *packed = g_malloc (period / 8 * octet);

  weights_pack (packed, type, dense, TYPE_F32, period, k);
  if (type == TYPE_Q8 || type == TYPE_Q4)
    weights_unpack (dense, packed, type, period, k);
  own->bytes = g_malloc0 (tensor_bytes (&own->tensor));
  for (guint row = 0; row < n; row += 8)
    memcpy ((guint8 *)own->bytes + row / 8 * octet, packed + row % period / 8 * octet, octet);
}

typedef struct
{
  const float *x, *w;
  double *sums;
  guint k, period;
  TwinEpilogue epilogue;
} Twin;

static void
twin_row (guint row, gpointer data)
{
  const Twin *t = data;
  TwinEpilogue e = t->epilogue;

  e.period = 1;
  e.residual = e.residual ? e.residual + (gsize)row * t->period : NULL;
  twin_matmul (t->sums + (gsize)row * t->period, t->x + (gsize)row * t->k, t->w, 1, t->period, t->k, &e);
}

/* Numbers of few bits: of 16 bits and of f32 the sums are exact, whatever their order. */
static void
plan_linear (Check *check, gconstpointer data)
{
  const LinearSize *size = data;
  const Linear *l = size->layer;
  Case *c = &check->c;
  const guint m = MIN (l->m, check->extent), n = l->n, k = l->k, period = check->extent < G_MAXUINT ? QUICK_PERIOD : PERIOD;
  g_autofree float *x = case_numbers (c, (gsize)m * k, 1, 0), *w = case_numbers (c, (gsize)period * k, 0.125f, 0),
                   *bias = case_numbers (c, period, 0.5f, 0.25f), *scale = case_numbers (c, period, 1, 1),
                   *residual = case_numbers (c, (gsize)m * period, 1, 0);
  g_autofree double *sums = g_new (double, (gsize)m *period);
  double *want = g_new (double, (gsize)m *n);
  Twin twin = { x, w, sums, k, period };

  /* As in the self-check's cases: 8 bits hold every block, for kernels that round x to them. */
  for (guint i = 0; (size->type == TYPE_Q8 || size->type == TYPE_Q4) && i < m; i++)
    for (guint j = 0; j < k; j += 32)
      x[(gsize)i * k + j] = 127 / 8.0f;
  case_add_output (c, TYPE_F32, m, n, want);
  case_add_rows (c, TYPE_F32, m, k, x);
  add_weights (c, size->type, n, k, w, period);
  add_repeated (c, 1, n, bias, period);
  add_repeated (c, 1, n, scale, period);
  add_repeated (c, m, n, residual, period);
  twin.epilogue = (TwinEpilogue){
    .bias = l->epilogue & EPILOGUE_BIAS ? bias : NULL,
    .gelu = (l->epilogue & EPILOGUE_GELU) != 0,
    .scale = l->epilogue & EPILOGUE_SCALE ? scale : NULL,
    .residual = l->epilogue & EPILOGUE_RESIDUAL ? residual : NULL,
  };
  check_rows (m, twin_row, &twin);
  for (guint i = 0; i < m; i++)
    for (guint j = 0; j < n; j++)
      want[(gsize)i * n + j] = sums[(gsize)i * period + j % period];
  c->record = record_linear;
  check->shape = g_strdup_printf ("%ux%ux%u", m, n, k);
  check->precision = size->name;
  check->flops = 2.0 * m * n * k;
  check->weights = (double)n * k;
  check->bytes = tensor_bytes (TENSOR (c, W));
  check->limit = l->m > 8 ? bench_matmul_limit (size->type) : LIMIT_READ;
}

static void
check_linear (Checks *checks)
{
  static const struct
  {
    TensorType type;
    const gchar *name;
  } types[] = { { TYPE_F32, "f32" }, { TYPE_F16, "f16" }, { TYPE_BF16, "bf16" }, { TYPE_Q8, "q8" }, { TYPE_Q4, "q4" } };

  for (guint t = 0; t < G_N_ELEMENTS (types); t++)
    for (guint i = 0; check_wants (checks->b, types[t].type) && i < G_N_ELEMENTS (layers); i++) {
      const LinearSize size = { &layers[i], types[t].type, types[t].name };
      const gboolean blocks = types[t].type == TYPE_Q8 || types[t].type == TYPE_Q4;

      if ((!blocks || !(layers[i].flags & VISION)) && (!checks->b->quick || layers[i].flags & QUICK))
        check_run (checks, layers[i].m < (blocks ? 9 : 8) ? "matvec" : "matmul", plan_linear, &size);
    }
}

/* --- all of them ------------------------------------------------------------------------------------------------------------- */

/* Every shader of a model whose weights are of this type must have been checked. */
static void
check_nothing_is_missing (const Checks *checks, TensorType type, KvType kv)
{
  g_autoptr (OpStream) survey = survey_model (checks->b->dev, type, kv);
  g_autoptr (GError) error = NULL;
  GHashTableIter iter;
  gpointer variant;

  g_hash_table_iter_init (&iter, op_survey_variants (survey, &error));
  bench_assert (error);
  while (g_hash_table_iter_next (&iter, &variant, NULL)) {
    const gchar *name = ((const Variant *)variant)->shader->name;

    if (!g_hash_table_add (checks->shaders, (gpointer)name))
      continue;
    g_printerr ("minivl-bench: no check takes the shader %s\n", name);
    checks->b->wrong++;
  }
}

void
bench_check (Bench *b)
{
  static const struct
  {
    TensorType weights;
    KvType kv;
  } models[] = { { TYPE_F32, KV_F32 }, { TYPE_F16, KV_F16 }, { TYPE_BF16, KV_F16 }, { TYPE_Q8, KV_F16 }, { TYPE_Q4, KV_INT8 } };
  g_autoptr (GHashTable) shaders = g_hash_table_new (g_str_hash, g_str_equal);
  Checks checks = { b, shaders };

  check_linear (&checks);
  check_ops (&checks);
  for (guint i = 0; i < G_N_ELEMENTS (models); i++)
    if (bench_wants (b, models[i].weights))
      check_nothing_is_missing (&checks, models[i].weights, models[i].kv);
}

/*
 * minivl-bench: whether a device computes what it should, and the speed of the ops and stages at true sizes, beside what the
 * machine can do: INTERFACES.md, "bench".
 */
#include "bench.h"

#include <stdlib.h>
#include <time.h>

typedef struct
{
  const gchar *name; /* of its rows */
  void (*run) (Bench *b);
} BenchStage;

static const BenchStage stages[] = {
  { "check", bench_check },
  { "matmul", bench_matmul },
  { "matvec", bench_matvec },
  { "attention", bench_attention },
  { "attention_decode", bench_attention_decode },
  { "load", bench_load },
  { "vision_tile", bench_vision_tile },
  { "preprocess_1080p", bench_preprocess },
  { "prefill_512", bench_prefill },
  { "decode_step", bench_decode_step },
  { "decode_batch4", bench_decode_batch },
  { "decode_shape", bench_decode_shape },
  { "decode_repeat", bench_decode_repeat },
  { "decode_fresh", bench_decode_fresh },
  { "questions_3", bench_questions },
  { "first_token", bench_first_token },
  { "dispatches", bench_dispatches },
  { "self_check", bench_self_check },
};

void
bench_assert (GError *error)
{
  if (!error)
    return;
  g_printerr ("minivl-bench: %s\n", error->message);
  exit (1);
}

gboolean
bench_wants (const Bench *b, TensorType type)
{
  static const MinivlPrecision precisions[] = {
    [TYPE_F32] = MINIVL_PRECISION_F32,
    [TYPE_F16] = MINIVL_PRECISION_F16,
    [TYPE_BF16] = MINIVL_PRECISION_F16,
    [TYPE_Q8] = MINIVL_PRECISION_Q8,
    [TYPE_Q4] = MINIVL_PRECISION_Q4,
  };

  return b->precision == MINIVL_PRECISION_AUTO || b->precision == precisions[type];
}

/* --- time -------------------------------------------------------------------------------------------------------------------- */

static guint64
cpu_now (void)
{
  struct timespec t;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec * G_GUINT64_CONSTANT (1000000000) + t.tv_nsec;
}

void
bench_timer_start (BenchTimer *t, double seconds, guint least)
{
  t->least = least;
  t->ns = g_array_new (FALSE, FALSE, sizeof (guint64));
  t->end = g_get_monotonic_time () + seconds * G_USEC_PER_SEC;
  t->cpu_least = G_MAXUINT64;
  t->cpu_start = cpu_now ();
}

gboolean
bench_goes_on (BenchTimer *t)
{
  t->cpu_start = cpu_now ();
  return t->ns->len < t->least || g_get_monotonic_time () < t->end;
}

void
bench_ran (BenchTimer *t, guint64 ns, guint n)
{
  t->cpu_least = MIN (t->cpu_least, (cpu_now () - t->cpu_start) / n);
  g_array_append_val (t->ns, ns);
}

static gint
compare_ns (gconstpointer a, gconstpointer b)
{
  guint64 x = *(const guint64 *)a, y = *(const guint64 *)b;

  return (x > y) - (x < y);
}

void
bench_timer_stop (BenchTimer *t, BenchRow *row)
{
  g_array_sort (t->ns, compare_ns);
  row->ns = g_array_index (t->ns, guint64, t->ns->len / 2);
  row->cpu_ns = t->cpu_least;
  g_array_unref (t->ns);
}

guint64
bench_run_stream (OpStream *s)
{
  GError *error = NULL;
  const OpTiming *timings;
  guint64 ns = 0;
  guint n;

  op_stream_run (s, NULL, &error);
  bench_assert (error);
  timings = op_stream_timings (s, &n);
  for (guint i = 0; i < n; i++)
    ns += timings[i].ns;
  return ns;
}

/* --- the table --------------------------------------------------------------------------------------------------------------- */

/* A CPU device is compared with this machine, a GPU with what it does by shaders made for it. 0: no limit. */
static double
limit_of (const Bench *b, BenchLimit limit)
{
  gboolean cpu = device_limits (b->dev)->cpu;

  if (limit == LIMIT_MATRIX && b->peak.matrix_gflops > 0)
    return b->peak.matrix_gflops;
  if (limit == LIMIT_MULADD || limit == LIMIT_MATRIX)
    return cpu ? b->machine.muladd_gflops : b->peak.muladd_gflops;
  if (limit == LIMIT_READ)
    return cpu ? b->machine.read_gbps : b->peak.read_gbps;
  return 0;
}

BenchLimit
bench_matmul_limit (TensorType type)
{
  return type == TYPE_F16 || type == TYPE_BF16 ? LIMIT_MATRIX : LIMIT_MULADD;
}

double
bench_share (const Bench *b, const BenchRow *row)
{
  double limit = limit_of (b, row->limit), amount = row->limit == LIMIT_READ ? row->bytes : row->flops;

  return limit > 0 ? amount / row->ns / limit : 0;
}

/* The table is Markdown: it goes into BENCHMARKS.md unchanged. */
#define ROW_FORMAT "| %-16s | %-28s | %-9s | %9s | %9s | %9s | %9s | %9s | %9s | %9s | %-21s |\n"

static void
print_limits (const Bench *b)
{
  const DeviceInfo *info = device_info (b->dev);

  g_print ("%u cores read %.1f GB/s and do %.1f GFLOP/s of mul+add in plain C\n", b->machine.cores, b->machine.read_gbps,
      b->machine.muladd_gflops);
  g_print ("%s (%s, %s) reads %.1f GB/s, copies %.1f GB/s and does %.1f GFLOP/s of mul+add", info->name, info->type, info->driver,
      b->peak.read_gbps, b->peak.copy_gbps, b->peak.muladd_gflops);
  if (b->peak.matrix_gflops > 0)
    g_print (", %.1f of it by matrices", b->peak.matrix_gflops);
  g_print ("\n\n");
}

static void
print_model (const Bench *b)
{
  const BenchModel m = bench_model (b);

  if (m.segment_seconds > 0)
    g_print ("\nBy these rows the whole model (%u layers) takes %.3f s for a frame, reads %.0f tokens of a prompt a second and "
             "answers %.1f:\n%.2f s for a segment of %u frames and an answer of %u tokens\n",
        m.layers, m.frame_seconds, m.prefill_speed, m.decode_speed, m.segment_seconds, BENCH_FRAMES, BENCH_ANSWER);
}

static void
print_header (void)
{
  g_print (
      ROW_FORMAT, "name", "shape", "precision", "ms", "GFLOP/s", "GB/s", "Gweight/s", "share", "per CPU-s", "C twin", "against");
  g_print (ROW_FORMAT, "---", "---", "---", "--:", "--:", "--:", "--:", "--:", "--:", "--:", "---");
}

/* (transfer full): the cell of a figure that may not apply. */
static gchar *
cell (double value, guint digits)
{
  return value > 0 ? g_strdup_printf ("%.*f", digits, value) : g_strdup ("-");
}

/* (transfer full) */
static gchar *
against_text (const BenchRow *row)
{
  if (row->checked)
    return g_strdup_printf ("%sNMSE %.1e", row->nmse <= row->bound ? "" : "WRONG: ", row->nmse);
  return row->ratio > 0 ? g_strdup_printf ("%.3f of %s", row->ratio, row->ratio_of) : g_strdup ("-");
}

void
bench_add (Bench *b, BenchRow row)
{
  double amount = row.limit == LIMIT_READ || row.flops == 0 ? row.bytes : row.flops;
  g_autofree gchar *ms = cell (row.ns * 1e-6, 3), *gflops = cell (row.flops / row.ns, 1), *gbps = cell (row.bytes / row.ns, 2),
                   *gweights = cell (row.weights / row.ns, 2), *share = cell (bench_share (b, &row), 3),
                   *per_cpu = cell (row.cpu_ns ? amount / row.cpu_ns : 0, 2), *twin = cell (row.twin_gflops, 2),
                   *against = against_text (&row);

  g_print (ROW_FORMAT, row.name, row.shape, row.precision, ms, gflops, gbps, gweights, share, per_cpu, twin, against);
  g_array_append_val (b->rows, row);
  b->wrong += row.checked && !(row.nmse <= row.bound);
}

/* --- the program ------------------------------------------------------------------------------------------------------------- */

static gboolean
is_stage (const gchar *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (stages); i++)
    if (g_str_equal (name, stages[i].name))
      return TRUE;
  return FALSE;
}

int
main (int argc, char **argv)
{
  g_autofree gchar *device = NULL, *precision = NULL, *json = NULL, *model = NULL;
  g_auto (GStrv) only = NULL;
  gboolean quick = FALSE, gpu_kernels = FALSE;
  const GOptionEntry entries[] = {
    { "model", 0, 0, G_OPTION_ARG_FILENAME, &model, "Checkpoint folder for the stages (random weights of the true widths)", "DIR" },
    { "device", 0, 0, G_OPTION_ARG_STRING, &device, "Index, UUID, or part of a name (a real GPU before a CPU device)", "D" },
    { "precision", 0, 0, G_OPTION_ARG_STRING, &precision, "auto, f32, f16 (16 bits as the file has them), q8 or q4", "P" },
    { "only", 0, 0, G_OPTION_ARG_STRING_ARRAY, &only, "Only the rows of this name; repeatable", "NAME" },
    { "json", 0, 0, G_OPTION_ARG_FILENAME, &json, "Write the figures to a file, too", "FILE" },
    { "gpu-kernels", 0, 0, G_OPTION_ARG_NONE, &gpu_kernels, "Single shaders: those of GPUs on a CPU device as well", NULL },
    { "quick", 0, 0, G_OPTION_ARG_NONE, &quick, "Few layers and runs: shows that it works, no figures to go by", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  Bench b = { 0 };

  g_option_context_set_summary (context,
      "Holds every shader of minivl against plain C at true sizes, times them and the stages of the\n"
      "model, and measures the machine and the device. Exit 1 where the device computes wrongly.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error)) {
    g_printerr ("minivl-bench: %s\n", error->message);
    return 2;
  }
  if (argc > 1) {
    g_printerr ("minivl-bench: it takes options only, not '%s'\n", argv[1]);
    return 2;
  }
  if (!precision_parse (precision ? precision : "auto", &b.precision)) {
    g_printerr ("minivl-bench: there is no precision '%s': auto, f32, f16, q8, q4\n", precision);
    return 2;
  }
  for (guint i = 0; only && only[i]; i++)
    if (!is_stage (only[i])) {
      g_printerr ("minivl-bench: there are no rows '%s':", only[i]);
      for (guint k = 0; k < G_N_ELEMENTS (stages); k++)
        g_printerr (" %s", stages[k].name);
      g_printerr ("\n");
      return 2;
    }

  b.device = device;
  b.model = model;
  b.quick = quick;
  b.rows = g_array_new (FALSE, FALSE, sizeof (BenchRow));
  b.dev =
      device_open (device, &(DeviceOptions){ .gpu_kernels = gpu_kernels, .coop = gpu_kernels ? COOP_ALWAYS : COOP_GPU }, &error);
  bench_assert (error);
  machine_measure (&b.machine, quick);
  bench_device (&b);
  print_limits (&b);
  print_header ();
  for (guint i = 0; i < G_N_ELEMENTS (stages); i++) {
    if (only && !g_strv_contains ((const gchar *const *)only, stages[i].name))
      continue;
    stages[i].run (&b);
    /* Now, for a driver may end the program in the next one. */
    if (json)
      bench_write_json (&b, json, &error);
    bench_assert (error);
  }
  print_model (&b);

  for (guint i = 0; i < b.rows->len; i++)
    g_free (g_array_index (b.rows, BenchRow, i).shape);
  g_array_unref (b.rows);
  minivl_engine_unref (b.engine);
  device_free (b.dev);
  if (b.wrong)
    g_printerr ("minivl-bench: %u checks failed: the device computes wrongly, or checks are missing\n", b.wrong);
  return b.wrong ? 1 : 0;
}

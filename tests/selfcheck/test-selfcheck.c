/* The self-check: every variant passes here, and what passed is remembered. Called with --fill FOLDER it only leaves a verdict. */
#include <glib/gstdio.h>
#include <string.h>
#include <time.h>

#include "ops/harness.h"
#include "ops/survey.h"
#include "ops/tensors.h"
#include "rig.h"
#include "vk/selfcheck.h"
#include "vk/twins.h"

#define SOME_OP "norm" /* where any op will do: two variants that compile quickly */

static double
cpu_seconds (void)
{
  struct timespec t;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

/* A second is meant of a machine that has the time: what all threads together use of it, compiled as everything is. */
static void
test_checks_take_less_than_a_second (Rig *f, gconstpointer data)
{
  g_autoptr (Device) dev = rig_open (f, FALSE, 0);
  g_autoptr (OpStream) survey = survey_model (dev, TYPE_BF16, KV_F16);
  g_autoptr (GError) error = NULL;
  SelfCheck first, second;
  gint64 start = g_get_monotonic_time ();
  double before;

  device_self_check (dev, survey, &first, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (first.compile_ns, >, 0);
  g_assert_cmpuint (first.compile_ns + first.check_ns, <=, (g_get_monotonic_time () - start) * 1000);
  g_assert_cmpint (g_remove (f->file), ==, 0);
  before = cpu_seconds ();
  device_self_check (dev, survey, &second, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (second.checked, ==, second.variants);
  g_assert_cmpfloat (cpu_seconds () - before, <, 1);
  g_test_message ("%u variants: checked in %.1f ms, compiled in %.1f ms; again in %.1f ms, %.1f ms of CPU", first.variants,
      first.check_ns * 1e-6, first.compile_ns * 1e-6, second.check_ns * 1e-6, (cpu_seconds () - before) * 1e3);
}

static void
test_every_variant_passes (Rig *f, gconstpointer data)
{
  static const struct
  {
    TensorType weights;
    KvType kv;
  } types[] = { { TYPE_BF16, KV_F16 }, { TYPE_F16, KV_INT8 }, { TYPE_F32, KV_F32 }, { TYPE_Q8, KV_F16 }, { TYPE_Q4, KV_F16 } };
  guint checked = 0;

  for (guint i = 0; i < G_N_ELEMENTS (types); i++) {
    g_autoptr (GError) error = NULL;
    SelfCheck result = rig_check (f, NULL, types[i].weights, types[i].kv, &error);

    g_assert_no_error (error);
    g_assert_cmpuint (result.variants, >=, 25);
    g_assert_cmpuint (result.checked, >, 0);
    g_assert_true (i == 0 || result.checked < result.variants);
    checked += result.checked;
  }
  g_assert_cmpuint (checked, >, 40);
}

static void
test_every_form_of_a_device_passes (Rig *f, gconstpointer data)
{
  static const DeviceOptions forms[] = { { .local = 8 }, { .local = 64 }, { .no_subgroup = TRUE },
    { .storage_form = TRUE, .local = 8 }, { .storage_form = TRUE, .local = 64 }, { .storage_form = TRUE, .no_subgroup = TRUE } };
  gboolean one_size = FALSE, one_form = FALSE;

  for (guint i = 0; i < G_N_ELEMENTS (forms); i++) {
    DeviceOptions options = forms[i];
    g_autoptr (Device) dev = NULL;

    options.cache_dir = f->folder;
    dev = harness_device (&options);
    if (i == 0) {
      one_size = device_limits (dev)->geometry.no_subgroup;
      one_form = device_limits (dev)->geometry.storage_form;
    }
    for (TensorType type = TYPE_BF16; type <= TYPE_Q4; type++) {
      g_autoptr (OpStream) survey = survey_model (dev, type, type == TYPE_Q4 ? KV_INT8 : KV_F16);
      g_autoptr (GError) error = NULL;
      SelfCheck result;

      device_self_check (dev, survey, &result, &error);
      g_assert_no_error (error);
      /* Without subgroup operations there is one local size, without large texel buffers one form of reads: the rest are known. */
      g_assert_true (result.checked > 0 || (i % 3 > 0 && one_size) || (i >= 3 && one_form));
    }
  }
}

/* Variants of shaders whose names begin so. */
static guint
count_shaders (OpStream *survey, const gchar *prefix)
{
  GHashTableIter iter;
  gpointer variant;
  guint n = 0;

  g_hash_table_iter_init (&iter, op_survey_variants (survey, NULL));
  while (g_hash_table_iter_next (&iter, &variant, NULL))
    n += g_str_has_prefix (((const Variant *)variant)->shader->name, prefix);
  return n;
}

/* What a model of each precision takes. */
static void
test_kernels_of_gpus_pass (Rig *f, gconstpointer dots)
{
  const DeviceOptions options = { .gpu_kernels = TRUE, .dots = dots != NULL, .cache_dir = f->folder };
  g_autoptr (Device) dev = harness_device (&options);

  g_assert_cmpuint (device_limits (dev)->geometry.tiles[MATMUL_TILES - 1].rows, >, 0);
  for (TensorType type = dots ? TYPE_Q8 : TYPE_F32; type <= TYPE_Q4; type++) {
    static const KvType caches[] = {
      [TYPE_F32] = KV_F32, [TYPE_F16] = KV_F16, [TYPE_BF16] = KV_INT8, [TYPE_Q8] = KV_F16, [TYPE_Q4] = KV_INT8
    };
    g_autoptr (OpStream) survey = survey_model (dev, type, caches[type]);
    g_autoptr (GError) error = NULL;
    SelfCheck result;

    g_assert_cmpuint (count_shaders (survey, "matvec_split"), >=, 6); /* one row, a few and eight; wide and narrow */
    g_assert_true (type < TYPE_Q8 || dots || count_shaders (survey, "matmul_tile_q") > 0);
    g_assert_true ((count_shaders (survey, "matmul_dot") > 0) == (dots != NULL));
    g_assert_cmpuint (count_shaders (survey, "attention_tile"), >=, 3);
    g_assert_cmpuint (count_shaders (survey, "attention_split"), ==, 1);
    g_assert_cmpuint (count_shaders (survey, "attention_join"), ==, 1);
    if (dots) /* the others are those without */
      rig_keep_only (survey, "matmul");
    device_self_check (dev, survey, &result, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (result.checked, >=, dots ? 2 : 7);
  }
}

static void
test_verdict_is_remembered (Rig *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  SelfCheck first = rig_check (f, SOME_OP, TYPE_BF16, KV_F16, &error), second = rig_check (f, SOME_OP, TYPE_BF16, KV_F16, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (first.checked, ==, first.variants);
  g_assert_cmpuint (second.variants, ==, first.variants);
  g_assert_cmpuint (second.checked, ==, 0);
  g_assert_cmpuint (second.compile_ns, ==, 0);
}

/* Another driver, another name, or subgroups of another width. */
static void
test_verdict_of_another_device_is_ignored (Rig *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  rig_check (f, SOME_OP, TYPE_BF16, KV_F16, &error);
  for (guint i = 0; i < 4; i++) {
    g_autoptr (Device) dev = rig_open (f, FALSE, 0);
    g_autoptr (OpStream) survey = survey_model (dev, TYPE_BF16, KV_F16);
    gchar *driver = dev->info.driver, *name = dev->info.name;
    g_autofree gchar *other = g_strconcat ("another ", name, NULL);
    SelfCheck result;

    rig_keep_only (survey, SOME_OP);
    dev->info.name = i == 1 ? other : name;
    dev->info.driver = i == 2 ? other : driver;
    dev->limits.subgroup *= i == 3 ? 2 : 1;
    device_self_check (dev, survey, &result, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (result.checked, ==, i == 0 ? 0 : 2);
    dev->info.name = name;
    dev->info.driver = driver;
    if (i > 0) {
      g_autoptr (GError) again = NULL;

      rig_check (f, SOME_OP, TYPE_BF16, KV_F16, &again); /* writes this device's verdict again */
      g_assert_no_error (again);
    }
  }
}

static void
test_damaged_verdict_is_ignored (Rig *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *whole = NULL;
  gsize length;

  rig_check (f, SOME_OP, TYPE_BF16, KV_F16, &error);
  g_assert_true (g_file_get_contents (f->file, &whole, &length, NULL));
  for (guint i = 0; i < 6; i++) {
    g_autofree gchar *text = g_strndup (whole, length);
    gsize n = length;

    switch (i) {
      case 0: /* not our file */
        text[0] ^= 1;
        break;
      case 1: /* a variant of another digest */
        text[length / 2] = text[length / 2] == 'a' ? 'b' : 'a';
        break;
      case 2: /* the last byte */
        text[length - 1] = text[length - 1] == 'a' ? 'b' : 'a';
        break;
      case 3: /* truncated */
        n = length - 1;
        break;
      case 4: /* to the end of a line */
        n = length - 65;
        break;
      default:
        n = 0;
    }
    g_assert_true (g_file_set_contents (f->file, text, n, NULL));
    g_assert_cmpuint (rig_check (f, SOME_OP, TYPE_BF16, KV_F16, &error).checked, >, 0);
    g_assert_no_error (error);
    g_assert_cmpuint (rig_check (f, SOME_OP, TYPE_BF16, KV_F16, &error).checked, ==, 0); /* it was written again */
    g_assert_no_error (error);
  }
}

static void
test_verdict_that_cannot_be_written_is_no_error (void)
{
  const Rig nowhere = { .folder = "/proc/nowhere" };
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (rig_check (&nowhere, SOME_OP, TYPE_BF16, KV_F16, &error).checked, >, 0);
  g_assert_no_error (error);
}

/* For every op: results that are slightly off, not a number, or where nothing should be, are noticed. */
static void
test_every_case_can_fail (Rig *f, gconstpointer data)
{
  g_autoptr (Device) dev = rig_open (f, FALSE, 0);
  g_autoptr (OpStream) survey = survey_model (dev, TYPE_BF16, KV_F16);
  GHashTable *variants = op_survey_variants (survey, NULL);
  GHashTableIter iter;
  gpointer variant, op;

  g_hash_table_iter_init (&iter, variants);
  while (g_hash_table_iter_next (&iter, &variant, &op)) {
    g_autoptr (Arena) arena = arena_new (dev, ARENA_DEVICE, "case");
    g_autoptr (OpStream) s = op_stream_new (dev, "case");
    g_autoptr (GError) error = NULL;
    double nmse;
    Case c;

    g_assert_true (case_init (&c, arena, variant, op));
    g_assert_true (arena_commit (arena, &error));
    g_assert_true (case_write (&c, &error));
    /* Before anything ran. */
    g_assert_true (case_read (&c, &nmse, &error));
    g_assert_cmpfloat (nmse, >=, 0.5);
    c.record (&c, s);
    stream_go (s);
    g_assert_true (case_read (&c, &nmse, &error));
    g_assert_cmpfloat (nmse, <=, c.bound);
    for (guint i = 0; i < c.n_tensors; i++) {
      CaseTensor *own = &c.tensors[i];
      const Tensor *t = &own->tensor;
      guint size = type_size (t->type), at = 0;
      guint64 padding = (guint64)t->cols * size;
      const guint32 nan = 0x7fc07e00, one = 0x3f803c00;
      guint32 before;

      if (!own->want)
        continue;
      while (own->want[at] == 0)
        at++;
      at = at / t->cols * t->stride + at % t->cols;
      g_assert_true (tensor_read (t, at * size / 4 * 4, &before, 4, &error));
      g_assert_true (tensor_write (t, at * size / 4 * 4, &nan, 4, &error));
      g_assert_true (case_read (&c, &nmse, &error));
      g_assert_cmpfloat (nmse, >, c.bound);
      g_assert_true (tensor_write (t, at * size / 4 * 4, &before, 4, &error));
      if (t->cols % 32) {
        g_assert_true (tensor_write (t, padding / 4 * 4, &one, 4, &error));
        g_assert_true (case_read (&c, &nmse, &error));
        g_assert_cmpfloat (nmse, >, c.bound);
        before = 0;
        g_assert_true (tensor_write (t, padding / 4 * 4, &before, 4, &error));
      }
      g_assert_true (case_read (&c, &nmse, &error));
      g_assert_cmpfloat (nmse, <=, c.bound);
    }
    case_clear (&c);
  }
}

/* A device that truncates to f16, or makes zeros of the smallest. */
static void
test_halves_must_be_the_nearest (Rig *f, gconstpointer data)
{
  g_autoptr (Device) dev = rig_open (f, FALSE, 0);
  g_autoptr (OpStream) survey = survey_model (dev, TYPE_BF16, KV_F16);
  g_autoptr (Arena) arena = arena_new (dev, ARENA_DEVICE, "case");
  g_autoptr (OpStream) s = op_stream_new (dev, "case");
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *keys = NULL, *values = NULL;
  const float *qkv;
  const guint32 *rows;
  const Tensor *from;
  GHashTableIter iter;
  gpointer variant;
  guint cut = 0;
  double nmse;
  Case c;

  rig_keep_only (survey, "rope_kv");
  g_hash_table_iter_init (&iter, op_survey_variants (survey, NULL));
  do
    g_assert_true (g_hash_table_iter_next (&iter, &variant, NULL));
  while (!g_str_has_prefix (((const Variant *)variant)->shader->name, "rope_kv_f16"));
  g_assert_true (case_init (&c, arena, variant, "rope_kv"));
  g_assert_true (arena_commit (arena, &error));
  g_assert_true (case_write (&c, &error));
  c.record (&c, s);
  stream_go (s);
  g_assert_true (case_read (&c, &nmse, &error));
  g_assert_cmpfloat (nmse, ==, 0);

  keys = g_malloc0 (tensor_bytes (&c.kv.k));
  values = g_malloc (tensor_bytes (&c.kv.v));
  g_assert_true (tensor_read (&c.kv.v, 0, values, tensor_bytes (&c.kv.v), &error));
  qkv = c.tensors[3].bytes;
  rows = c.tensors[4].bytes;
  from = &c.tensors[3].tensor;
  for (guint i = 0; i < from->rows; i++) {
    const guint slot = rows[i * c.tensors[4].tensor.stride], n = c.kv.heads * c.kv.head_dim;

    for (guint j = 0; slot != G_MAXUINT32 && j < n; j++) {
      guint16 *half = (guint16 *)(gpointer)(values
                                            + twin_kv_byte (&c.kv, FALSE, slot / KV_BLOCK, slot % KV_BLOCK, j / c.kv.head_dim,
                                                j % c.kv.head_dim));
      float wide;

      convert_to_f32 (&wide, half, TYPE_F16, 1);
      if (ABS (wide) > ABS (qkv[i * from->stride + from->cols - n + j])) {
        *half -= 1;
        cut++;
      }
    }
  }
  g_assert_cmpuint (cut, >, 100);
  g_assert_true (tensor_write (&c.kv.v, 0, values, tensor_bytes (&c.kv.v), &error));
  g_assert_true (case_read (&c, &nmse, &error));
  g_assert_cmpfloat (nmse, >, c.bound);

  g_assert_true (op_stream_run (s, NULL, &error));
  g_assert_true (case_read (&c, &nmse, &error));
  g_assert_cmpfloat (nmse, ==, 0);
  /* All of its keys are that small. */
  g_assert_true (tensor_write (&c.kv.k, 0, keys, tensor_bytes (&c.kv.k), &error));
  g_assert_true (case_read (&c, &nmse, &error));
  g_assert_cmpfloat (nmse, >, c.bound);
  case_clear (&c);
}

/* A shader without a case does not pass. */
static void
test_op_without_a_case_is_refused (Rig *f, gconstpointer data)
{
  g_autoptr (Device) dev = rig_open (f, FALSE, 0);
  g_autoptr (OpStream) survey = survey_model (dev, TYPE_BF16, KV_F16);
  g_autoptr (GError) error = NULL;
  GHashTable *variants = op_survey_variants (survey, NULL);
  GHashTableIter iter;
  gpointer variant;
  Variant other;

  g_assert_cmpuint (rig_keep_only (survey, "matvec"), >, 0);
  g_hash_table_iter_init (&iter, variants);
  g_assert_true (g_hash_table_iter_next (&iter, &variant, NULL));
  other = *(const Variant *)variant;
  other.spec[1] = 77; /* rows that no kernel is made for */
  g_hash_table_remove_all (variants);
  g_hash_table_insert (variants, g_memdup2 (&other, sizeof other), "matvec");
  g_assert_false (device_self_check (dev, survey, NULL, &error));
  g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "no case of matvec"));
  g_assert_false (g_file_test (f->file, G_FILE_TEST_EXISTS));
}

static void
test_failed_survey_is_an_error (Rig *f, gconstpointer data)
{
  g_autoptr (Device) dev = rig_open (f, FALSE, 0);
  g_autoptr (OpStream) survey = op_survey_new (dev);
  g_autoptr (Arena) arena = arena_new (dev, ARENA_DEVICE, "survey");
  Tensor x = arena_add (arena, TYPE_F32, LAYOUT_ROWS, 3, 8), y = arena_add (arena, TYPE_F32, LAYOUT_ROWS, 3, 8);
  g_autoptr (GError) error = NULL;

  op_glu (survey, &y, &x);
  g_assert_false (device_self_check (dev, survey, NULL, &error));
  g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "glu"));
}

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
  if (argc == 3 && g_str_equal (argv[1], "--fill")) {
    const Rig there = { .folder = argv[2] };
    g_autoptr (GError) error = NULL;

    rig_check (&there, NULL, TYPE_BF16, KV_F16, &error);
    return error != NULL;
  }
  RIG_TEST ("every-variant-passes", test_every_variant_passes);
  RIG_TEST ("checks-take-less-than-a-second", test_checks_take_less_than_a_second);
  RIG_TEST ("every-form-of-a-device-passes", test_every_form_of_a_device_passes);
  RIG_TEST ("kernels-of-gpus-pass", test_kernels_of_gpus_pass);
  g_test_add ("/selfcheck/products-of-bytes-pass", Rig, "", rig_set_up, test_kernels_of_gpus_pass, rig_tear_down);
  RIG_TEST ("every-case-can-fail", test_every_case_can_fail);
  RIG_TEST ("halves-must-be-the-nearest", test_halves_must_be_the_nearest);
  RIG_TEST ("verdict-is-remembered", test_verdict_is_remembered);
  RIG_TEST ("verdict-of-another-device-is-ignored", test_verdict_of_another_device_is_ignored);
  RIG_TEST ("damaged-verdict-is-ignored", test_damaged_verdict_is_ignored);
  g_test_add_func ("/selfcheck/verdict-that-cannot-be-written-is-no-error", test_verdict_that_cannot_be_written_is_no_error);
  RIG_TEST ("op-without-a-case-is-refused", test_op_without_a_case_is_refused);
  RIG_TEST ("failed-survey-is-an-error", test_failed_survey_is_an_error);
  return g_test_run ();
}

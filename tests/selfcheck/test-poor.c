/* Devices that lack something, by the layer poor-device.c: refused by name where it is needed, used without where it is not. */
#include <string.h>

#include "../program.h"
#include "ops/harness.h"
#include "ops/survey.h"
#include "ops/tensors.h"
#include "rig.h"

typedef struct
{
  const gchar *lacks, *says;
} PoorCase;

static void
test_refused_by_name (Rig *f, gconstpointer data)
{
  static const PoorCase cases[] = {
    { "vulkan", "its driver has Vulkan 1.1, 1.2 is needed" },
    { "compute", "it has no compute queue" },
    { "push constants", "its push constants hold 64 bytes, 128 are needed" },
    { "storage buffers", "its shaders bind 4 storage buffers, 6 are needed" },
    { "youth", "it is one of AMD's GCN 1, of 2012; GCN 2 is the oldest that is supported" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    DeviceInfo *infos;
    guint n;

    g_setenv ("MINIVL_TEST_LACKS", cases[i].lacks, TRUE);
    g_assert_true (device_list (&infos, &n, NULL));
    for (guint j = 0; j < n; j++) {
      g_assert_cmpstr (infos[j].refusal, ==, cases[i].says);
      g_assert_false (infos[j].chosen);
    }
    g_assert_null (device_open (NULL, NULL, &error));
    g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_UNSUPPORTED);
    g_assert_true (g_str_has_suffix (error->message, cases[i].says));
    g_assert_nonnull (strstr (error->message, infos[0].name));
    device_infos_free (infos, n);
    g_unsetenv ("MINIVL_TEST_LACKS");
  }
}

/* minivl-chat, and so the library, lists such a device with what it lacks. */
static void
test_listed_with_the_reason (Rig *f, gconstpointer data)
{
  const gchar *argv[] = { MINIVL_CHAT, "--list-devices", NULL };
  const gchar *reason = "\n     cannot be used: its push constants hold 64 bytes, 128 are needed\n";

  for (guint poor = 0; poor < 2; poor++) {
    g_auto (ProgramResult) r = { 0 };

    g_setenv ("MINIVL_TEST_LACKS", poor ? "push constants" : "nothing", TRUE);
    program_run (argv, &r);
    g_unsetenv ("MINIVL_TEST_LACKS");
    g_assert_cmpint (r.code, ==, 0);
    g_assert_true (g_str_has_prefix (r.out, poor ? "  0: " : "* 0: "));
    g_assert_true ((strstr (r.out, reason) != NULL) == (poor == 1));
    g_assert_true ((strstr (r.out, "cannot be used") != NULL) == (poor == 1));
  }
}

static gboolean
needs_subgroups (const Shader *shader)
{
  const guint32 op_capability = 2 << 16 | 17, first = 61, last = 68; /* GroupNonUniform to GroupNonUniformQuad */

  for (gsize i = 5; i + 1 < shader->size / 4 && shader->words[i] == op_capability; i += 2)
    if (shader->words[i + 1] >= first && shader->words[i + 1] <= last)
      return TRUE;
  return FALSE;
}

/* How many of a model's shaders need subgroup operations. */
static guint
count_that_need_subgroups (OpStream *survey)
{
  GHashTableIter iter;
  gpointer variant;
  guint n = 0;

  g_hash_table_iter_init (&iter, op_survey_variants (survey, NULL));
  while (g_hash_table_iter_next (&iter, &variant, NULL))
    n += needs_subgroups (((const Variant *)variant)->shader);
  return n;
}

/* The validation layer above it also sees a device without them. */
static void
test_used_without_subgroup_operations (Rig *f, gconstpointer data)
{
  static const gchar *const lacks[] = { "lanes", "subgroup operations", "shuffles" };
  g_autoptr (Device) whole = rig_open (f, FALSE, 0);

  for (guint i = 0; i < G_N_ELEMENTS (lacks); i++)
    for (guint storage = 0; storage < 2; storage++) {
      g_autoptr (Device) dev = NULL;
      g_autoptr (OpStream) survey = NULL;
      g_autoptr (GError) error = NULL;
      SelfCheck result;

      g_setenv ("MINIVL_TEST_LACKS", lacks[i], TRUE);
      dev = rig_open (f, storage, 64);
      g_unsetenv ("MINIVL_TEST_LACKS");
      g_assert_true (device_limits (dev)->geometry.no_subgroup);
      g_assert_cmpuint (device_limits (dev)->geometry.local, ==, 8);
      survey = survey_model (dev, TYPE_BF16, KV_F16);
      g_assert_cmpuint (count_that_need_subgroups (survey), ==, 0);
      rig_keep_only (survey, "norm");
      device_self_check (dev, survey, &result, &error);
      g_assert_no_error (error);
    }
  if (!device_limits (whole)->geometry.no_subgroup) {
    g_autoptr (OpStream) survey = survey_model (whole, TYPE_BF16, KV_F16);

    g_assert_cmpuint (count_that_need_subgroups (survey), >, 0);
  }
}

/* Limit by limit: what is chosen is within it. */
static void
test_low_limits_are_seen (Rig *f, gconstpointer data)
{
  static const gchar *const lacks[] = { "shared memory", "invocations", "storage range", "texels", "16-bit storage" };

  for (guint i = 0; i < G_N_ELEMENTS (lacks); i++)
    for (guint gpu = 0; gpu < 2; gpu++) {
      const DeviceOptions options = { .cache_dir = "", .gpu_kernels = gpu };
      g_autoptr (Device) dev = NULL;
      const DeviceLimits *limits;

      g_setenv ("MINIVL_TEST_LACKS", lacks[i], TRUE);
      dev = harness_device (&options);
      g_unsetenv ("MINIVL_TEST_LACKS");
      limits = device_limits (dev);
      g_assert_true ((limits->shared_bytes == 16384) == g_str_equal (lacks[i], "shared memory"));
      g_assert_true ((limits->max_local == 128) == g_str_equal (lacks[i], "invocations"));
      g_assert_true (limits->storage_range == 128 << 20 || !g_str_equal (lacks[i], "storage range")); /* lavapipe has no more */
      g_assert_true (limits->geometry.storage_form == g_str_equal (lacks[i], "texels"));
      for (guint j = 0; j < MATMUL_TILES; j++)
        g_assert_cmpuint (matmul_tile_invocations (&limits->geometry.tiles[j]), <=, limits->max_local);
    }
}

/* The least that Vulkan promises, all at once, with the kernels of CPUs and with those of GPUs. The validation layer, which sees
 * such a device as well, looks on. */
static void
test_used_within_low_limits (Rig *f, gconstpointer data)
{
  for (guint gpu = 0; gpu < 2; gpu++) {
    guint checked = 0;

    for (KvType kv = KV_F16; kv <= KV_INT8; kv++) {
      const DeviceOptions options = { .cache_dir = f->folder, .gpu_kernels = gpu };
      g_autoptr (Device) dev = NULL;
      g_autoptr (OpStream) survey = NULL;
      g_autoptr (GError) error = NULL;
      SelfCheck result;

      g_setenv ("MINIVL_TEST_LACKS", "all that can be", TRUE);
      dev = harness_device (&options);
      survey = survey_model (dev, kv == KV_INT8 ? TYPE_Q4 : TYPE_BF16, kv);
      device_self_check (dev, survey, &result, &error);
      g_assert_no_error (error);
      checked += result.checked;
      g_unsetenv ("MINIVL_TEST_LACKS");
    }
    g_assert_cmpuint (checked, >=, gpu ? 3 : 30);
  }
}

/* More than 128 MiB of them, which are bound in two windows. Eight rows of weights at the first one's beginning, around its end and
 * at the second one's end are other than zero. */
static void
test_weights_beyond_a_storage_range (Rig *f, gconstpointer data)
{
  enum
  {
    K = 3072,
    N = 11040, /* 129 MiB */
    END = (128 << 20) / (4 * K) / 32 * 32,
  };
  static const guint groups[] = { 0, END - 8, END, N - 8 };
  g_autofree float *w = g_new (float, 8 * K), *x = g_new (float, 9 * K), *y = g_new (float, 9 * N);
  g_autofree guint8 *packed = g_malloc (row_bytes (TYPE_F32, 8 * K));

  for (guint i = 0; i < 8 * K; i++)
    w[i] = (gint)(i * 7 % 33) - 16;
  for (guint i = 0; i < 9 * K; i++)
    x[i] = (gint)(i * 5 % 17) - 8;
  weights_pack (packed, TYPE_F32, w, TYPE_F32, 8, K);
  for (guint gpu = 0; gpu < 2; gpu++) {
    const DeviceOptions options = { .cache_dir = "", .gpu_kernels = gpu, .storage_form = TRUE };
    const guint m = gpu ? 9 : 1;
    g_autoptr (Device) dev = NULL;
    g_autoptr (Arena) a = NULL;
    g_autoptr (OpStream) s = NULL;
    g_autoptr (GError) error = NULL;
    Tensor weights, in, out;

    g_setenv ("MINIVL_TEST_LACKS", "storage range", TRUE);
    dev = harness_device (&options);
    g_unsetenv ("MINIVL_TEST_LACKS");
    a = arena_new (dev, ARENA_DEVICE, "beyond");
    s = op_stream_new (dev, "beyond");
    weights = arena_add (a, TYPE_F32, LAYOUT_WEIGHTS, N, K);
    in = arena_add (a, TYPE_F32, LAYOUT_ROWS, m, K);
    out = arena_add (a, TYPE_F32, LAYOUT_ROWS, m, N);
    g_assert_cmpuint (tensor_bytes (&weights), >, device_limits (dev)->bulk_range);
    g_assert_true (arena_commit (a, &error));
    for (guint i = 0; i < G_N_ELEMENTS (groups); i++)
      g_assert_true (
          tensor_write (&weights, row_bytes (TYPE_F32, (guint64)groups[i] * K), packed, row_bytes (TYPE_F32, 8 * K), &error));
    rows_write (&in, x);
    op_matmul (s, &out, &in, &weights, NULL);
    stream_go (s);
    rows_read (&out, y);
    for (guint i = 0; i < m; i++)
      for (guint j = 0; j < N; j++) {
        double want = 0;

        for (guint g = 0; g < G_N_ELEMENTS (groups); g++)
          for (guint k = 0; j - groups[g] < 8 && k < K; k++)
            want += x[i * K + k] * w[(j - groups[g]) * K + k];
        g_assert_cmpfloat (y[i * N + j], ==, want);
      }
  }
}

/* An integrated GPU's memory is the host's, of which its driver gives a part. */
static void
test_an_integrated_gpu_takes_the_lesser (Rig *f, gconstpointer data)
{
  const DeviceOptions options = { .cache_dir = "", .staged = TRUE };
  g_autoptr (Device) dev = NULL;
  g_autoptr (Arena) a = NULL;
  g_autoptr (GError) error = NULL;
  DeviceInfo *infos;
  guint64 left;
  guint n;

  g_setenv ("MINIVL_TEST_LACKS", "memory of its own", TRUE);
  dev = harness_device (&options);
  left = dev->memory_budget ? 32 << 20 : 64 << 20;
  g_assert_true (device_list (&infos, &n, NULL));
  g_assert_cmpstr (infos[0].type, ==, "integrated");
  g_assert_cmpuint (infos[0].memory, ==, left);
  device_infos_free (infos, n);
  for (ArenaKind kind = ARENA_DEVICE; kind <= ARENA_HOST; kind++) {
    g_assert_cmpuint (device_memory_left (dev, kind), ==, left);
    g_assert_cmpuint (device_memory_total (dev, kind), ==, 64 << 20);
  }
  a = arena_new (dev, ARENA_DEVICE, "much");
  arena_add (a, TYPE_F32, LAYOUT_ROWS, 1025, 16384);
  g_assert_false (arena_commit (a, &error));
  g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_MEMORY);
  g_unsetenv ("MINIVL_TEST_LACKS");

  /* Where the driver promises all there is, the host's counts. */
  dev->memory.memoryHeaps[dev->kinds[ARENA_DEVICE].heap].size = (guint64)1 << 50;
  g_assert_cmpuint (device_memory_total (dev, ARENA_DEVICE), ==, host_memory_total ("/"));
}

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
  RIG_TEST ("poor/refused-by-name", test_refused_by_name);
  RIG_TEST ("poor/listed-with-the-reason", test_listed_with_the_reason);
  RIG_TEST ("poor/used-without-subgroup-operations", test_used_without_subgroup_operations);
  RIG_TEST ("poor/low-limits-are-seen", test_low_limits_are_seen);
  RIG_TEST ("poor/used-within-low-limits", test_used_within_low_limits);
  RIG_TEST ("poor/weights-beyond-a-storage-range", test_weights_beyond_a_storage_range);
  RIG_TEST ("poor/an-integrated-gpu-takes-the-lesser", test_an_integrated_gpu_takes_the_lesser);
  return g_test_run ();
}

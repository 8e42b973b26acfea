/* How kernels are shaped for devices, also for those that are not here: by what they report, and by nothing else. */
#include <string.h>

#include "harness.h"
#include "vk/vk.h"

/* A device, and the words of its geometry. */
typedef struct
{
  const gchar *name;
  DeviceLimits limits;
  const gchar *text;
} Shaped;

#define KIB(n) ((n) << 10)
#define TEXELS (1u << 27)
#define SPLITS ", keys split for 1024 workgroups"
#define ATTENTION "; attention tiles 64, 32" SPLITS
#define TILES_AND(more) "; matmul tiles 128 x 128, 64 x 64, 32 x 64" more "; matvec splits k for "
#define TILES TILES_AND ("")

/* As drivers report them: CONTRIBUTING.md has the table. */
static const Shaped shaped[] = {
  { "lavapipe",
      { .cpu = TRUE,
          .subgroup = 8,
          .shuffles = TRUE,
          .converts_halves = TRUE,
          .shared_bytes = KIB (32),
          .max_local = 1024,
          .texels = TEXELS },
      "texel buffers, octets in workgroups of 8" },
  { "lavapipe-of-few-texels",
      { .cpu = TRUE,
          .subgroup = 8,
          .shuffles = TRUE,
          .converts_halves = TRUE,
          .shared_bytes = KIB (32),
          .max_local = 1024,
          .texels = 65536 },
      "storage buffers, octets in workgroups of 8" },
  { "lavapipe-of-an-old-cpu",
      { .cpu = TRUE, .subgroup = 4, .shuffles = TRUE, .shared_bytes = KIB (32), .max_local = 1024, .texels = TEXELS },
      "texel buffers, octets in workgroups of 8 without shuffles, f16 by arithmetic" },
  { "rtx-3060",
      { .subgroup = 32, .shuffles = TRUE, .converts_halves = TRUE, .shared_bytes = KIB (48), .max_local = 1024, .texels = TEXELS },
      "storage buffers, octets in workgroups of 64" TILES "64" ATTENTION },
  { "rx-7900",
      { .subgroup = 64,
          .shuffles = TRUE,
          .converts_halves = TRUE,
          .dots = TRUE,
          .fast_dots = TRUE,
          .shared_bytes = KIB (64),
          .max_local = 1024,
          .texels = TEXELS },
      "storage buffers, octets in workgroups of 64" TILES_AND ("; products of 4 bytes for q8 and q4") "64" ATTENTION },
  { "of-slow-products-of-bytes",
      { .subgroup = 64,
          .shuffles = TRUE,
          .converts_halves = TRUE,
          .dots = TRUE,
          .shared_bytes = KIB (64),
          .max_local = 1024,
          .texels = TEXELS },
      "storage buffers, octets in workgroups of 64" TILES "64" ATTENTION },
  { "a-phone-of-128-lanes",
      { .subgroup = 128, .shuffles = TRUE, .converts_halves = TRUE, .shared_bytes = KIB (32), .max_local = 1024, .texels = 65536 },
      "storage buffers, octets in workgroups of 64" TILES "128" ATTENTION },
  { "the-least-of-vulkan", { .subgroup = 1, .converts_halves = TRUE, .shared_bytes = KIB (16), .max_local = 128, .texels = 65536 },
      "storage buffers, octets in workgroups of 8 without shuffles; matmul tiles 64 x 64, 32 x 64; matvec splits k for 64; "
      "attention tiles 32, 32" SPLITS },
};

static void
test_shaped (gconstpointer data)
{
  const Shaped *s = data;
  const DeviceOptions usual = { 0 };
  DeviceLimits limits = s->limits;
  const Geometry *g = &limits.geometry;
  g_autofree gchar *text = NULL;

  geometry_choose (&limits, &usual);
  text = geometry_text (g);
  g_assert_cmpstr (text, ==, s->text);
  for (guint i = 0; i < MATMUL_TILES; i++) {
    g_assert_cmpuint (matmul_tile_invocations (&g->tiles[i]), <=, limits.max_local);
    g_assert_cmpuint (g->tiles[i].splits * 16 * (g->tiles[i].rows + 4 + g->tiles[i].columns + 4) * 4, <=, limits.shared_bytes);
  }
  for (guint i = 0; i < ATTENTION_TILES; i++)
    g_assert_cmpuint (attention_tile_invocations (&g->attention_tiles[i]), <=, limits.max_local);
  g_assert_cmpuint (MAX (g->matvec_local, g->attention_split), <=, limits.max_local);
  g_assert_true ((g->matvec_local > 0) == !limits.cpu);
  g_assert_cmpuint (g->attention_flops, ==, (guint64)(limits.cpu ? 1 : 8) << 30);
}

/* Whatever was there before. */
static void
test_nothing_else_counts (void)
{
  const DeviceOptions usual = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (shaped); i++) {
    DeviceLimits limits = shaped[i].limits;
    g_autofree gchar *text = NULL;

    memset (&limits.geometry, 0xff, sizeof limits.geometry);
    geometry_choose (&limits, &usual);
    text = geometry_text (&limits.geometry);
    g_assert_cmpstr (text, ==, shaped[i].text);
  }
}

/* What is asked for in tests is what a CPU device then has of a GPU's. */
static void
test_kernels_of_gpus_are_forced (void)
{
  const DeviceOptions forced = { .gpu_kernels = TRUE, .storage_form = TRUE, .local = 64 };
  DeviceLimits limits = shaped[0].limits;
  g_autofree gchar *text = NULL;

  geometry_choose (&limits, &forced);
  text = geometry_text (&limits.geometry);
  g_assert_cmpstr (text, ==, shaped[3].text);
}

static void
test_devices_here_are_as_in_the_table (void)
{
  g_autoptr (GError) error = NULL;
  DeviceInfo *infos;
  guint n;

  g_assert_true (device_list (&infos, &n, &error));
  g_assert_no_error (error);
  for (guint i = 0; i < n; i++) {
    g_assert_nonnull (infos[i].geometry);
    if (g_str_has_prefix (infos[i].name, "llvmpipe"))
      g_assert_cmpstr (infos[i].geometry, ==, shaped[0].text);
  }
  device_infos_free (infos, n);
}

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
  for (guint i = 0; i < G_N_ELEMENTS (shaped); i++) {
    g_autofree gchar *path = g_strconcat ("/geometry/of/", shaped[i].name, NULL);

    g_test_add_data_func (path, &shaped[i], test_shaped);
  }
  g_test_add_func ("/geometry/nothing-else-counts", test_nothing_else_counts);
  g_test_add_func ("/geometry/kernels-of-gpus-are-forced", test_kernels_of_gpus_are_forced);
  g_test_add_func ("/geometry/devices-here-are-as-in-the-table", test_devices_here_are_as_in_the_table);
  return g_test_run ();
}

/* Listing, choosing and opening devices, what the host has left, and the pipeline cache on disk. */
#include "harness.h"
#include "vk/vk.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

/* --- listing and choosing --------------------------------------------------------------------------------------------------- */

static void
test_list_names_every_device (void)
{
  g_autoptr (GError) error = NULL;
  DeviceInfo *infos;
  guint n, chosen = 0;

  g_assert_true (device_list (&infos, &n, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (n, >, 0);
  for (guint i = 0; i < n; i++) {
    g_assert_cmpstr (infos[i].name, !=, "");
    g_assert_nonnull (strchr (infos[i].driver, ' ')); /* name and version */
    g_assert_cmpuint (strlen (infos[i].uuid), ==, 36);
    g_assert_cmpuint (infos[i].memory, >, 1 << 20);
    chosen += infos[i].chosen;
  }
  g_assert_cmpuint (chosen, ==, 1);
  device_infos_free (infos, n);
}

static gboolean
opens (const gchar *selector, const gchar *uuid)
{
  g_autoptr (GError) error = NULL;
  Device *dev = device_open (selector, NULL, &error);
  gboolean same;

  g_assert_no_error (error);
  same = g_str_equal (device_info (dev)->uuid, uuid);
  device_free (dev);
  return same;
}

static void
test_selector_is_index_uuid_or_part_of_a_name (void)
{
  Device *dev = harness_device (NULL);
  g_autofree gchar *uuid = g_strdup (device_info (dev)->uuid);
  g_autofree gchar *name = g_strdup (device_info (dev)->name);
  g_autofree gchar *upper = g_ascii_strup (uuid, -1);
  g_autofree gchar *part = g_ascii_strup (name + 1, 6);
  g_auto (GStrv) digits = g_strsplit (uuid, "-", -1);
  g_autofree gchar *bare = g_strjoinv ("", digits);
  g_autofree gchar *index = NULL;
  DeviceInfo *infos;
  guint n;

  device_free (dev);
  g_assert_true (device_list (&infos, &n, NULL));
  for (guint i = 0; i < n; i++) {
    if (infos[i].chosen) {
      g_assert_cmpstr (infos[i].uuid, ==, uuid);
      index = g_strdup_printf ("%u", i);
    }
  }
  device_infos_free (infos, n);
  g_assert_true (opens (uuid, uuid));
  g_assert_true (opens (upper, uuid));
  g_assert_true (opens (bare, uuid));
  g_assert_true (opens (name, uuid));
  g_assert_true (opens (part, uuid));
  g_assert_true (opens (index, uuid));
}

static void
test_unknown_selector_lists_what_there_is (void)
{
  static const gchar *const selectors[] = { "no such device", "4242", "", "-1", "00000000-0000-0000-0000-000000000000" };
  DeviceInfo *infos;
  guint n;

  g_assert_true (device_list (&infos, &n, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (selectors); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (device_open (selectors[i], NULL, &error));
    g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_NOT_FOUND);
    g_assert_nonnull (strstr (error->message, selectors[i]));
    for (guint k = 0; k < n; k++) {
      g_assert_nonnull (strstr (error->message, infos[k].name));
      g_assert_nonnull (strstr (error->message, infos[k].uuid));
    }
  }
  device_infos_free (infos, n);
}

/* Sets a variable, or unsets it for NULL. Returns its old value. (transfer full) */
static gchar *
variable_swap (const gchar *name, const gchar *value)
{
  gchar *before = g_strdup (g_getenv (name));

  if (value)
    g_setenv (name, value, TRUE);
  else
    g_unsetenv (name);
  return before;
}

/* The loader's list of drivers has two names: it uses the first one if that is set, and old loaders know only the second. */
static const gchar *const driver_variables[2] = { "VK_DRIVER_FILES", "VK_ICD_FILENAMES" };

static void
drivers_set (const gchar *list, gchar *before[2])
{
  for (guint i = 0; i < 2; i++)
    before[i] = variable_swap (driver_variables[i], list);
}

static void
drivers_restore (gchar *before[2])
{
  for (guint i = 0; i < 2; i++) {
    g_free (variable_swap (driver_variables[i], before[i]));
    g_free (before[i]);
  }
}

/* Runs the rest of the test in a process that starts with the variable set, because drivers read theirs once. TRUE in that process.
 */
static gboolean
in_process_with (const gchar *name, const gchar *value)
{
  g_autofree gchar *before = NULL;

  if (g_test_subprocess ())
    return TRUE;
  before = variable_swap (name, value);
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
  g_free (variable_swap (name, before));
  g_test_trap_assert_passed ();
  return FALSE;
}

static gchar *
lavapipe_manifest (void)
{
  const gchar *const folder = "/usr/share/vulkan/icd.d";
  GDir *dir = g_dir_open (folder, 0, NULL);
  const gchar *name;
  gchar *path = NULL;

  while (dir && !path && (name = g_dir_read_name (dir))) {
    if (g_str_has_prefix (name, "lvp_icd"))
      path = g_build_filename (folder, name, NULL);
  }
  g_clear_pointer (&dir, g_dir_close);
  return path;
}

/* The same driver under two names gives two devices that differ only in their index. */
static void
test_ambiguous_selector_is_an_error (void)
{
  g_autofree gchar *manifest = lavapipe_manifest (), *text = NULL, *both = NULL;
  g_autofree gchar *folder = g_dir_make_tmp ("minivl-icd-XXXXXX", NULL), *copy = g_build_filename (folder, "copy.json", NULL);
  g_autoptr (GError) error = NULL;
  gchar *before[2];
  DeviceInfo *infos;
  Device *second;
  guint n;

  if (!manifest) {
    g_test_skip ("lavapipe is not installed");
    g_rmdir (folder);
    return;
  }
  g_assert_true (g_file_get_contents (manifest, &text, NULL, NULL));
  g_assert_true (g_file_set_contents (copy, text, -1, NULL));
  both = g_strdup_printf ("%s:%s", manifest, copy);
  drivers_set (both, before);
  g_assert_true (device_list (&infos, &n, NULL));
  g_assert_cmpuint (n, ==, 2);
  g_assert_true (infos[0].chosen);
  g_assert_false (infos[1].chosen);
  device_infos_free (infos, n);
  g_assert_null (device_open ("llvmpipe", NULL, &error));
  g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_NOT_FOUND);
  g_assert_nonnull (strstr (error->message, "2 devices match 'llvmpipe'"));
  second = device_open ("1", NULL, NULL);
  g_assert_nonnull (second);
  device_free (second);
  drivers_restore (before);
  g_remove (copy);
  g_rmdir (folder);
}

static void
test_no_driver_is_an_error (void)
{
  g_autoptr (GError) error = NULL;
  gchar *before[2];
  DeviceInfo *infos;
  guint n;

  drivers_set ("/nonexistent.json", before);
  g_assert_false (device_list (&infos, &n, &error));
  g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_NOT_FOUND);
  g_assert_nonnull (strstr (error->message, "mesa-vulkan-drivers"));
  g_clear_error (&error);
  g_assert_null (device_open (NULL, NULL, &error));
  g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_NOT_FOUND);
  drivers_restore (before);
}

/* Whichever variable chose the driver that the tests run on. */
static void
test_no_driver_is_an_error_under_either_variable (void)
{
  g_autofree gchar *manifest = lavapipe_manifest ();

  if (!manifest) {
    g_test_skip ("lavapipe is not installed");
    return;
  }
  if (in_process_with ("VK_DRIVER_FILES", manifest))
    test_no_driver_is_an_error ();
}

/* What vk/ asks a driver goes through here: this program is linked with --wrap. */
static guint32 storage_buffers; /* a stage's most; 0: the driver's own */

void __real_vkGetPhysicalDeviceProperties2 (VkPhysicalDevice physical, VkPhysicalDeviceProperties2 *properties);
void __wrap_vkGetPhysicalDeviceProperties2 (VkPhysicalDevice physical, VkPhysicalDeviceProperties2 *properties);

void
__wrap_vkGetPhysicalDeviceProperties2 (VkPhysicalDevice physical, VkPhysicalDeviceProperties2 *properties)
{
  __real_vkGetPhysicalDeviceProperties2 (physical, properties);
  if (storage_buffers)
    properties->properties.limits.maxPerStageDescriptorStorageBuffers = storage_buffers;
}

/* Matmul binds six where all are storage buffers. */
static void
test_few_storage_buffers_are_refused_by_name (void)
{
  Device *dev = harness_device (NULL);
  g_autofree gchar *name = g_strdup (device_info (dev)->name);
  DeviceInfo *infos;
  guint n;

  device_free (dev);
  for (guint form = 0; form < 2; form++) {
    const DeviceOptions options = { .storage_form = form == 1 };

    for (storage_buffers = 4; storage_buffers < 6; storage_buffers++) {
      g_autoptr (GError) error = NULL;
      g_autofree gchar *reason = g_strdup_printf ("its shaders bind %u storage buffers, 6 are needed", storage_buffers);

      g_assert_null (device_open (name, &options, &error));
      g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_UNSUPPORTED);
      g_assert_nonnull (strstr (error->message, name));
      g_assert_nonnull (strstr (error->message, reason));
      g_assert_true (device_list (&infos, &n, NULL));
      for (guint i = 0; i < n; i++)
        g_assert_false (infos[i].chosen);
      device_infos_free (infos, n);
    }
    device_free (harness_device (&options));
  }
  storage_buffers = 0;
}

/* Lavapipe at 128 bits has subgroups of 4, at 256 of 8. */
static void
test_narrow_subgroups_are_not_used (void)
{
  static const gchar *const widths[] = { "128", "256" };

  for (guint i = 0; i < G_N_ELEMENTS (widths); i++)
    if (in_process_with ("LP_NATIVE_VECTOR_WIDTH", widths[i])) {
      Device *dev = device_open ("llvmpipe", NULL, NULL);

      if (dev) { /* there is lavapipe here */
        const DeviceLimits *limits = device_limits (dev);

        g_assert_cmpuint (limits->geometry.local, ==, 8);
        g_assert_true (limits->geometry.no_subgroup == (limits->subgroup < 8));
        g_assert_cmpuint (limits->subgroup, ==, atoi (g_getenv ("LP_NATIVE_VECTOR_WIDTH")) / 32);
      }
      device_free (dev);
      return;
    }
}

static void
test_limits_are_those_of_the_form (void)
{
  const DeviceOptions storage = { .storage_form = TRUE };
  Device *dev = harness_device (NULL);
  const DeviceLimits *limits = device_limits (dev);

  g_assert_true (limits->geometry.no_subgroup || limits->subgroup >= 8);
  g_assert_cmpuint (limits->max_local, >=, 128);
  g_assert_cmpuint (limits->align % 16, ==, 0);
  g_assert_cmpuint (limits->storage_range % 16, ==, 0);
  if (!limits->geometry.storage_form)
    g_assert_cmpuint (limits->bulk_range, >=, 16 << 24);
  g_assert_cmpuint (limits->submit_ns, ==, limits->cpu ? 0 : 50000000);
  device_free (dev);

  dev = harness_device (&storage);
  limits = device_limits (dev);
  g_assert_true (limits->geometry.storage_form);
  g_assert_cmpuint (limits->bulk_range, ==, limits->storage_range);
  device_free (dev);
}

/* --- what the host has left ------------------------------------------------------------------------------------------------- */

static void
put (const gchar *root, const gchar *path, const gchar *text)
{
  g_autofree gchar *file = g_build_filename (root, path, NULL);
  g_autofree gchar *folder = g_path_get_dirname (file);

  g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
  g_assert_true (g_file_set_contents (file, text, -1, NULL));
}

static void
remove_all (const gchar *path)
{
  GDir *folder = g_dir_open (path, 0, NULL);
  const gchar *name;

  while (folder && (name = g_dir_read_name (folder))) {
    g_autofree gchar *inner = g_build_filename (path, name, NULL);
    remove_all (inner);
  }
  g_clear_pointer (&folder, g_dir_close);
  g_remove (path);
}

/* Of all of it others may take as much as they like. */
static void
test_host_memory_in_all_is_within_the_cgroup (void)
{
  g_autofree gchar *root = g_dir_make_tmp ("minivl-root-XXXXXX", NULL);

  g_assert_nonnull (root);
  g_assert_cmpuint (host_memory_total (root), >=, host_memory_available (root)); /* a chroot without /proc */
  put (root, "proc/meminfo", "MemTotal:  4000 kB\nMemFree: 100 kB\nMemAvailable:    3000 kB\n");
  g_assert_cmpuint (host_memory_total (root), ==, 4000 * 1024);

  put (root, "proc/self/cgroup", "4:cpu,memory:/jobs/one\n0::/jobs/one\n");
  put (root, "sys/fs/cgroup/jobs/one/memory.max", "max\n");
  put (root, "sys/fs/cgroup/jobs/one/memory.current", "1000\n");
  g_assert_cmpuint (host_memory_total (root), ==, 4000 * 1024);
  put (root, "sys/fs/cgroup/jobs/memory.max", "900000\n");
  put (root, "sys/fs/cgroup/jobs/memory.current", "500000\n");
  g_assert_cmpuint (host_memory_total (root), ==, 900000);
  put (root, "sys/fs/cgroup/jobs/memory.current", "899999\n");
  g_assert_cmpuint (host_memory_total (root), ==, 900000);

  put (root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "20000\n");
  g_assert_cmpuint (host_memory_total (root), ==, 20000);
  remove_all (root);
}

static void
test_host_memory_is_available_within_the_cgroup (void)
{
  g_autofree gchar *root = g_dir_make_tmp ("minivl-root-XXXXXX", NULL);

  g_assert_nonnull (root);
  g_assert_cmpuint (host_memory_available (root), >, 1 << 20); /* a chroot without /proc */
  put (root, "proc/meminfo", "MemTotal:  4000 kB\nMemFree: 100 kB\nMemAvailable:    3000 kB\n");
  g_assert_cmpuint (host_memory_available (root), ==, 3000 * 1024);

  put (root, "proc/self/cgroup", "4:cpu,memory:/jobs/one\n0::/jobs/one\n");
  g_assert_cmpuint (host_memory_available (root), ==, 3000 * 1024);

  /* v2: no limit of its own, one above it */
  put (root, "sys/fs/cgroup/jobs/one/memory.max", "max\n");
  put (root, "sys/fs/cgroup/jobs/one/memory.current", "1000\n");
  put (root, "sys/fs/cgroup/jobs/memory.max", "900000\n");
  put (root, "sys/fs/cgroup/jobs/memory.current", "500000\n");
  g_assert_cmpuint (host_memory_available (root), ==, 400000);
  put (root, "sys/fs/cgroup/jobs/memory.stat", "anon 5\ninactive_file 100000\n");
  g_assert_cmpuint (host_memory_available (root), ==, 500000);

  /* v1: tighter, and its own folder is not visible from here */
  put (root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "20000\n");
  put (root, "sys/fs/cgroup/memory/memory.usage_in_bytes", "30000\n");
  g_assert_cmpuint (host_memory_available (root), ==, 0);
  put (root, "sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 15000\n");
  g_assert_cmpuint (host_memory_available (root), ==, 5000);
  remove_all (root);
}

/* --- the pipeline cache ----------------------------------------------------------------------------------------------------- */

typedef struct
{
  gchar *folder, *file;
} CacheFixture;

/* Opens and closes a device. Returns how many bytes of the file it used; checks that it left one. */
static gsize
cache_round (CacheFixture *f)
{
  const DeviceOptions options = { .cache_dir = f->folder };
  Device *dev = harness_device (&options);
  const gsize loaded = dev->cache_loaded;

  g_free (f->file);
  f->file = g_strdup (dev->cache_file);
  device_free (dev);
  g_assert_true (g_file_test (f->file, G_FILE_TEST_IS_REGULAR));
  return loaded;
}

static void
cache_set_up (CacheFixture *f, gconstpointer data)
{
  g_autofree gchar *parent = g_dir_make_tmp ("minivl-cache-XXXXXX", NULL);

  f->folder = g_build_filename (parent, "not", "there yet", NULL);
  g_assert_cmpuint (cache_round (f), ==, 0);
}

static void
cache_tear_down (CacheFixture *f, gconstpointer data)
{
  g_autofree gchar *inner = g_path_get_dirname (f->folder);
  g_autofree gchar *parent = g_path_get_dirname (inner);

  remove_all (parent);
  g_free (f->folder);
  g_free (f->file);
}

/* Nothing was added to it: it stays as it is, start by start. */
static void
test_pipeline_cache_is_read_back (CacheFixture *f, gconstpointer data)
{
  g_autofree gchar *before = NULL;
  gsize length;

  g_assert_true (g_file_get_contents (f->file, &before, &length, NULL));
  for (guint round = 0; round < 3; round++) {
    g_autofree gchar *after = NULL;
    gsize after_length;

    g_assert_cmpuint (cache_round (f), >, 0);
    g_assert_true (g_file_get_contents (f->file, &after, &after_length, NULL));
    g_assert_cmpmem (after, after_length, before, length);
  }
}

/* byte: which one of the file is changed; negative: counted from its end. */
static void
damage (CacheFixture *f, gssize byte, gssize length_change)
{
  g_autofree gchar *contents = NULL, *whole = NULL, *again = NULL;
  gsize length, again_length;

  g_assert_true (g_file_get_contents (f->file, &whole, &length, NULL));
  contents = g_malloc0 (length + MAX (length_change, 0));
  memcpy (contents, whole, length);
  if (length_change == 0)
    contents[byte < 0 ? (gssize)length + byte : byte] ^= 1;
  g_assert_true (g_file_set_contents (f->file, contents, (gssize)length + length_change, NULL));

  g_assert_cmpuint (cache_round (f), ==, 0);
  /* It was written again. */
  g_assert_true (g_file_get_contents (f->file, &again, &again_length, NULL));
  g_assert_cmpmem (again, again_length, whole, length);
  g_assert_cmpuint (cache_round (f), >, 0);
}

static void
test_damaged_pipeline_cache_is_ignored (CacheFixture *f, gconstpointer data)
{
  damage (f, 0, 0);   /* not our file */
  damage (f, 9, 0);   /* another device's */
  damage (f, 25, 0);  /* another driver's */
  damage (f, -1, 0);  /* the driver's data */
  damage (f, 0, -1);  /* truncated */
  damage (f, 0, 1);   /* something after the end */
  damage (f, 0, -80); /* no data at all */
}

static void
test_pipeline_cache_that_cannot_be_written_is_no_error (void)
{
  const DeviceOptions options = { .cache_dir = "/proc/nowhere" };

  device_free (harness_device (&options));
  g_assert_false (g_file_test ("/proc/nowhere", G_FILE_TEST_EXISTS));
}

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
  g_test_add_func ("/device/list-names-every-device", test_list_names_every_device);
  g_test_add_func ("/device/selector-is-index-uuid-or-part-of-a-name", test_selector_is_index_uuid_or_part_of_a_name);
  g_test_add_func ("/device/unknown-selector-lists-what-there-is", test_unknown_selector_lists_what_there_is);
  g_test_add_func ("/device/ambiguous-selector-is-an-error", test_ambiguous_selector_is_an_error);
  g_test_add_func ("/device/no-driver-is-an-error", test_no_driver_is_an_error);
  g_test_add_func ("/device/no-driver-is-an-error-under-either-variable", test_no_driver_is_an_error_under_either_variable);
  g_test_add_func ("/device/few-storage-buffers-are-refused-by-name", test_few_storage_buffers_are_refused_by_name);
  g_test_add_func ("/device/narrow-subgroups-are-not-used", test_narrow_subgroups_are_not_used);
  g_test_add_func ("/device/limits-are-those-of-the-form", test_limits_are_those_of_the_form);
  g_test_add_func ("/device/host-memory-in-all-is-within-the-cgroup", test_host_memory_in_all_is_within_the_cgroup);
  g_test_add_func ("/device/host-memory-is-available-within-the-cgroup", test_host_memory_is_available_within_the_cgroup);
  g_test_add (
      "/device/pipeline-cache-is-read-back", CacheFixture, NULL, cache_set_up, test_pipeline_cache_is_read_back, cache_tear_down);
  g_test_add ("/device/damaged-pipeline-cache-is-ignored", CacheFixture, NULL, cache_set_up, test_damaged_pipeline_cache_is_ignored,
      cache_tear_down);
  g_test_add_func (
      "/device/pipeline-cache-that-cannot-be-written-is-no-error", test_pipeline_cache_that_cannot_be_written_is_no_error);
  return g_test_run ();
}

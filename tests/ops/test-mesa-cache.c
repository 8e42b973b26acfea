/* Mesa's cache of shaders where the disk is full. */
#include "harness.h"
#include "vk/vk.h"

#include <string.h>
#include <sys/statvfs.h>

#define SWITCH "MESA_SHADER_CACHE_DISABLE"

int __wrap_statvfs64 (const char *path, struct statvfs *fs);

static guint64 room;      /* bytes that any folder is said to have */
static gboolean sizeless; /* file systems are said to have no size */

int
__wrap_statvfs64 (const char *path, struct statvfs *fs)
{
  if (!g_file_test (path, G_FILE_TEST_IS_DIR))
    return -1;
  memset (fs, 0, sizeof *fs);
  fs->f_frsize = 1024;
  fs->f_bavail = sizeless ? 0 : room >> 10;
  fs->f_blocks = sizeless ? 0 : 1 << 20;
  return 0;
}

/* A device opens and works as ever. */
static void
open_device (void)
{
  g_autoptr (GError) error = NULL;
  Device *dev = device_open (NULL, NULL, &error);

  g_assert_no_error (error);
  device_free (dev);
}

static void
test_a_full_disk_switches_the_cache_off (void)
{
  g_autofree gchar *expected = g_strdup_printf (
      "%s: only 12 KiB are free there, so Mesa's cache*MESA_SHADER_CACHE_DIR*", g_getenv ("MESA_SHADER_CACHE_DIR"));

  g_unsetenv (SWITCH);
  room = 12 << 10;
  g_test_expect_message ("minivl", G_LOG_LEVEL_WARNING, expected);
  open_device ();
  g_test_assert_expected_messages ();
  g_assert_cmpstr (g_getenv (SWITCH), ==, "true");

  /* Told once. */
  open_device ();
}

static void
test_a_disk_with_room_does_not (void)
{
  g_unsetenv (SWITCH);
  room = 1 << 30;
  open_device ();
  g_assert_null (g_getenv (SWITCH));
}

static void
test_a_file_system_without_a_size_does_not (void)
{
  g_unsetenv (SWITCH);
  room = 0;
  sizeless = TRUE;
  open_device ();
  sizeless = FALSE;
  g_assert_null (g_getenv (SWITCH));
}

static void
test_what_the_user_set_stays (void)
{
  g_setenv (SWITCH, "false", TRUE);
  room = 0;
  open_device ();
  g_assert_cmpstr (g_getenv (SWITCH), ==, "false");
}

/* The folder is made by Mesa: the room is that of the nearest one above. */
static void
test_a_folder_that_is_not_there_is_its_parent (void)
{
  const gchar *before = g_getenv ("MESA_SHADER_CACHE_DIR");
  g_autofree gchar *kept = g_strdup (before), *deep = g_build_filename (g_get_tmp_dir (), "no", "such", "folder", NULL);

  g_unsetenv (SWITCH);
  g_setenv ("MESA_SHADER_CACHE_DIR", deep, TRUE);
  room = 0;
  g_test_expect_message ("minivl", G_LOG_LEVEL_WARNING, "*/no/such/folder: only 0 KiB are free there*");
  mesa_cache_check_room ();
  g_test_assert_expected_messages ();
  g_setenv ("MESA_SHADER_CACHE_DIR", kept, TRUE);
}

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
  g_test_add_func ("/mesa-cache/a-disk-with-room-does-not-switch-it-off", test_a_disk_with_room_does_not);
  g_test_add_func ("/mesa-cache/a-full-disk-switches-it-off", test_a_full_disk_switches_the_cache_off);
  g_test_add_func ("/mesa-cache/a-file-system-without-a-size-does-not", test_a_file_system_without_a_size_does_not);
  g_test_add_func ("/mesa-cache/what-the-user-set-stays", test_what_the_user_set_stays);
  g_test_add_func ("/mesa-cache/a-folder-that-is-not-there-is-its-parent", test_a_folder_that_is_not_there_is_its_parent);
  return g_test_run ();
}

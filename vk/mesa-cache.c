/*
 * Mesa's cache of shaders, which lies on disk and is Mesa's own. It maps an index file that has holes: where the disk is full, the
 * first write to one ends the process with a bus error. No call of Vulkan switches it off, but a variable of the environment does.
 */
#include "vk.h"

#include <sys/statvfs.h>

#define SWITCH "MESA_SHADER_CACHE_DISABLE"
/* Mesa's index takes 1.3 MB; the rest is for what other programs write meanwhile. */
#define ROOM_BYTES (G_GUINT64_CONSTANT (8) << 20)

/* Where Mesa (22 to 26) keeps it. */
static gchar *
cache_folder (void)
{
  const gchar *folder = g_getenv ("MESA_SHADER_CACHE_DIR");

  if (!folder)
    folder = g_getenv ("MESA_GLSL_CACHE_DIR");
  return g_strdup (folder ? folder : g_get_user_cache_dir ());
}

/* What may be written to the file system of `folder`, or of the nearest folder above that is there. FALSE if that is not known, as
 * of file systems that have no size. */
static gboolean
room_at (const gchar *folder, guint64 *bytes)
{
  g_autofree gchar *path = g_canonicalize_filename (folder, NULL);
  struct statvfs fs;

  while (statvfs (path, &fs) != 0) {
    gchar *above = g_path_get_dirname (path);
    gboolean top = g_str_equal (above, path);

    g_free (path);
    path = above;
    if (top)
      return FALSE;
  }
  *bytes = (guint64)fs.f_bavail * fs.f_frsize;
  return fs.f_blocks > 0;
}

void
mesa_cache_check_room (void)
{
  g_autofree gchar *folder = NULL;
  guint64 bytes;

  if (g_getenv (SWITCH))
    return;
  folder = cache_folder ();
  if (!room_at (folder, &bytes) || bytes >= ROOM_BYTES)
    return;
  g_warning ("%s: only %" G_GUINT64_FORMAT " KiB are free there, so Mesa's cache of shaders is off in this process (" SWITCH
             "): free some space, or set MESA_SHADER_CACHE_DIR to a folder that has some, or each start takes longer",
      folder, bytes >> 10);
  g_setenv (SWITCH, "true", FALSE);
}

/* The cache folder: what is in it, and its removal. */
#include "minivl-cache.h"
#include "converted.h"
#include "strictjson.h"
#include "vk/memory.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

/* From the header. (transfer full): NULL where it has none that can be read */
static gchar *
source_of (const gchar *path)
{
  GMappedFile *map = g_mapped_file_new (path, FALSE, NULL);
  g_autoptr (JsonObject) root = NULL;
  gchar *source = NULL;
  guint64 length = 0;
  gsize size = map ? g_mapped_file_get_length (map) : 0;

  if (size > sizeof length)
    memcpy (&length, g_mapped_file_get_contents (map), sizeof length);
  length = GUINT64_FROM_LE (length);
  if (length > 0 && length <= size - sizeof length)
    root = strict_json_parse (g_mapped_file_get_contents (map) + sizeof length, length, path, NULL);
  if (root && json_object_has_member (root, "__metadata__")) {
    JsonNode *metadata = json_object_get_member (root, "__metadata__");

    if (JSON_NODE_HOLDS_OBJECT (metadata))
      source = g_strdup (json_object_get_string_member_with_default (json_node_get_object (metadata), "source", NULL));
  }
  if (map)
    g_mapped_file_unref (map);
  return source;
}

/* What a file of minivl's is. temporary: (out): it is one that was not finished. (transfer full): NULL for all others */
static gchar *
describe (const gchar *path, const gchar *name, gboolean *temporary)
{
  g_autofree gchar *source = NULL;

  *temporary = FALSE;
  if (g_str_has_prefix (name, CACHE_PIPELINES))
    return g_strdup ("compiled pipelines");
  if (g_str_has_prefix (name, CACHE_VERDICTS))
    return g_strdup ("what a device has passed of its check");
  if (!converted_is_file (name, temporary))
    return NULL;
  if (*temporary)
    return g_strdup ("weights whose converting was broken off");
  source = source_of (path);
  return g_strdup_printf ("converted weights of %s", source ? source : "what is damaged");
}

gboolean
minivl_cache_clear (const gchar *cache_dir, MinivlCacheFunc on_file, gpointer user_data, GError **error)
{
  g_autofree gchar *folder = device_cache_folder (cache_dir);
  g_autoptr (GDir) dir = folder ? g_dir_open (folder, 0, NULL) : NULL;
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  const gchar *next;

  while (dir && (next = g_dir_read_name (dir)))
    g_ptr_array_add (names, g_strdup (next));
  for (guint i = 0; i < names->len; i++) {
    g_autofree gchar *path = g_build_filename (folder, g_ptr_array_index (names, i), NULL);
    gboolean temporary;
    g_autofree gchar *what = describe (path, g_ptr_array_index (names, i), &temporary);
    GStatBuf file;

    if (!what || g_stat (path, &file) != 0 || (temporary && !converted_remove_abandoned (path)))
      continue;
    if (!temporary && g_unlink (path) != 0) {
      g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE, "%s: cannot be removed: %s", path, g_strerror (errno));
      return FALSE;
    }
    if (on_file)
      on_file (path, file.st_size, what, user_data);
  }
  return TRUE;
}

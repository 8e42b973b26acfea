#include "parts.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

Part
part_take (Part *rest)
{
  Part part = { rest->data, 0 };
  gsize n = part_number (rest, 2);

  part.data = rest->data;
  part.size = MIN (n, rest->size);
  rest->data += part.size;
  rest->size -= part.size;
  return part;
}

guint64
part_number (Part *rest, guint n_bytes)
{
  guint64 value = 0;

  for (guint i = 0; i < n_bytes && rest->size > 0; i++, rest->data++, rest->size--)
    value |= (guint64)*rest->data << 8 * i;
  return value;
}

gchar *
part_text (Part part)
{
  return g_strndup ((const gchar *)part.data, part.size);
}

void
part_append (GString *out, gconstpointer data, gsize size)
{
  g_assert (size <= G_MAXUINT16);
  g_string_append_c (out, size);
  g_string_append_c (out, size >> 8);
  g_string_append_len (out, data, size);
}

const gchar *
scratch_folder (void)
{
  static gchar *folder;

  if (!folder)
    folder = g_dir_make_tmp ("minivl-fuzz-XXXXXX", NULL);
  g_assert (folder);
  return folder;
}

void
scratch_write (const gchar *file, Part contents)
{
  g_autofree gchar *path = g_build_filename (scratch_folder (), file, NULL);
  FILE *f = fopen (path, "wb");

  g_assert (f && fwrite (contents.data, 1, contents.size, f) == contents.size);
  g_assert (fclose (f) == 0);
}

void
scratch_remove (const gchar *file)
{
  g_autofree gchar *path = g_build_filename (scratch_folder (), file, NULL);

  g_unlink (path);
}

static void
ignore (const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer unused)
{
}

void
fuzz_quiet (void)
{
  g_log_set_handler ("minivl", G_LOG_LEVEL_WARNING, ignore, NULL);
}

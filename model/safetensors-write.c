/* The writer of safetensors files. */
#include "safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PIECE (4 << 20)

static gboolean
write_tensor (FILE *file, const TensorInfo *t, TensorFillFunc fill, gpointer user_data, gpointer piece)
{
  guint64 bytes = tensor_info_bytes (t);

  for (guint64 at = 0; at < bytes; at += PIECE) {
    gsize n = MIN (PIECE, bytes - at);

    fill (t, at, n, piece, user_data);
    if (fwrite (piece, 1, n, file) != n)
      return FALSE;
  }
  return TRUE;
}

gboolean
tensors_write (
    const gchar *path, const TensorInfo *const *tensors, guint n, TensorFillFunc fill, gpointer user_data, GError **error)
{
  g_autofree gchar *temporary = g_strdup_printf ("%s.XXXXXX", path);
  g_autofree gpointer piece = g_malloc (PIECE);
  guint64 data_bytes;
  g_autoptr (GString) header = tensors_header (tensors, n, &data_bytes);
  gint fd = g_mkstemp_full (temporary, O_RDWR, 0666), code;
  FILE *file = fd >= 0 ? fdopen (fd, "wb") : NULL;
  gboolean ok = file != NULL && fwrite (header->str, 1, header->len, file) == header->len;

  for (guint i = 0; ok && i < n; i++)
    ok = write_tensor (file, tensors[i], fill, user_data, piece);
  ok = ok && fflush (file) == 0 && fsync (fd) == 0;
  code = errno;
  if (file == NULL && fd >= 0)
    close (fd);
  if (file != NULL && fclose (file) != 0 && ok) {
    code = errno;
    ok = FALSE;
  }
  if (ok && g_rename (temporary, path) != 0) {
    code = errno;
    ok = FALSE;
  }
  if (!ok) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE, "%s: cannot be written: %s", path, g_strerror (code));
    if (fd >= 0)
      g_unlink (temporary);
  }
  return ok;
}

static void
copy_piece (const TensorInfo *t, guint64 offset, gsize length, gpointer buffer, gpointer user_data)
{
  memcpy (buffer, (const guint8 *)t->data + offset, length);
}

gboolean
tensor_set_write (const TensorSet *set, const gchar *path, GError **error)
{
  guint n;
  g_autofree const TensorInfo **tensors = tensor_set_list (set, &n);

  return tensors_write (path, tensors, n, copy_piece, NULL, error);
}

/* Still pictures as RGB: see media.h. What FFmpeg is needed for is in picture_other.c. */
#include "picture.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

/* What swscale's vector code may write beyond the last pixel, and how it likes rows to lie. */
#define SLACK 64

static guint64 most_pixels = MEDIA_MOST_PIXELS;

/* --- what the readers share ------------------------------------------------------------------------------------------------ */

gboolean
picture_damaged (GError **error, const gchar *path, const gchar *what)
{
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s: the picture is damaged: %s", path, what);
  return FALSE;
}

gboolean
picture_unsupported (GError **error, const gchar *path, const gchar *format, ...)
{
  g_autofree gchar *what = NULL;
  va_list args;

  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOSYS, "%s: %s is not supported", path, what);
  return FALSE;
}

gboolean
picture_no_memory (GError **error, const gchar *path)
{
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s: no memory for the picture: %s", path, g_strerror (ENOMEM));
  return FALSE;
}

void
media_frame_clear (MediaFrame *frame)
{
  free (frame->data);
  memset (frame, 0, sizeof (*frame));
}

gboolean
media_frame_init (MediaFrame *frame, guint width, guint height, const gchar *path, GError **error)
{
  gpointer data = NULL;

  frame->width = width;
  frame->height = height;
  frame->stride = ((gsize)width * 3 + SLACK - 1) / SLACK * SLACK;
  if (posix_memalign (&data, SLACK, frame->stride * height + SLACK) != 0)
    return picture_no_memory (error, path);
  frame->data = data;
  return TRUE;
}

guint64
picture_most_pixels (void)
{
  return most_pixels;
}

void
picture_set_most_pixels (guint64 n)
{
  most_pixels = n;
}

gboolean
picture_check_size (guint64 width, guint64 height, const gchar *path, GError **error)
{
  if (width == 0 || height == 0)
    return picture_damaged (error, path, "it has no pixels");
  if (width <= PICTURE_MAX_SIDE && height <= PICTURE_MAX_SIDE && width * height <= most_pixels)
    return TRUE;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOMEM,
      "%s: the picture is too large: it has %" G_GUINT64_FORMAT "x%" G_GUINT64_FORMAT " pixels, and %" G_GUINT64_FORMAT
      " with sides of up to %u are possible",
      path, width, height, most_pixels, PICTURE_MAX_SIDE);
  return FALSE;
}

gboolean
picture_begin (MediaFrame *frame, guint64 width, guint64 height, const gchar *path, GError **error)
{
  return picture_check_size (width, height, path, error) && media_frame_init (frame, width, height, path, error);
}

void
picture_from_cmyk (guint8 *rgb, guint c, guint m, guint y, guint k)
{
  const guint inks[] = { c, m, y };

  for (guint i = 0; i < 3; i++) {
    guint product = inks[i] * (255 - k) + 128;

    rgb[i] = 255 - k - ((product >> 8) + product) / 256;
  }
}

/* --- choosing a reader ----------------------------------------------------------------------------------------------------- */

/* FFmpeg would show one of its tiles. */
static gboolean
refuse_heif (FILE *file, const gchar *path, MediaFrame *frame, GError **error)
{
  return picture_unsupported (error, path, "HEIC");
}

/* The first bytes; `.` is any. */
static const struct
{
  const gchar *bytes;
  guint n;
  PictureReader read;
} kinds[] = {
  { "\xff\xd8\xff", 3, picture_read_jpeg },
  { "\x89PNG\r\n\x1a\n", 8, picture_read_png },
  { "GIF87a", 6, picture_read_gif },
  { "GIF89a", 6, picture_read_gif },
  { "RIFF....WEBP", 12, picture_read_webp },
  { "II*\0", 4, picture_read_tiff },
  { "MM\0*", 4, picture_read_tiff },
  { "II+\0", 4, picture_read_tiff },
  { "MM\0+", 4, picture_read_tiff },
  { "....ftyphe", 10, refuse_heif },
  { "....ftypmif1", 12, refuse_heif },
};

PictureReader
picture_find_reader (FILE *file)
{
  gchar first[12] = "";
  gsize n = fread (first, 1, sizeof first, file);

  rewind (file);
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++) {
    gboolean fits = n >= kinds[i].n;

    for (guint k = 0; k < kinds[i].n; k++)
      fits = fits && (kinds[i].bytes[k] == '.' || first[k] == kinds[i].bytes[k]);
    if (fits)
      return kinds[i].read;
  }
  return NULL;
}

/* What comes from a pipe is copied first: TIFF is read to and fro. */
static FILE *
copy_of (FILE *file)
{
  gchar block[1 << 16];
  FILE *copy = tmpfile ();
  gsize n;

  while (copy && (n = fread (block, 1, sizeof block, file)) > 0)
    if (fwrite (block, 1, n, copy) != n) {
      fclose (copy);
      copy = NULL;
    }
  if (copy)
    rewind (copy);
  return copy;
}

/* copied: not there by its path any more */
static gboolean
read_file (FILE *file, const gchar *path, gboolean copied, MediaFrame *frame, GError **error)
{
  g_autofree gchar *copy = copied ? g_strdup_printf ("/dev/fd/%d", fileno (file)) : NULL;
  PictureReader reader = picture_find_reader (file);

  return reader ? reader (file, path, frame, error) : picture_read_other (copied ? copy : path, frame, error);
}

gboolean
media_read_picture (const gchar *path, MediaFrame *frame, GError **error)
{
  g_auto (MediaFrame) read = { NULL };
  FILE *file, *copy = NULL;
  gboolean copied, ok;

  if (g_file_test (path, G_FILE_TEST_IS_DIR)) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_ISDIR, "%s: a folder, not a picture", path);
    return FALSE;
  }
  file = g_fopen (path, "rb");
  copied = file && fseek (file, 0, SEEK_SET) != 0;
  if (copied)
    copy = copy_of (file);
  if (!file || (copied && !copy)) {
    gint code = errno;

    g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (code), "%s: %s", path, g_strerror (code));
    ok = FALSE;
  } else {
    ok = read_file (copied ? copy : file, path, copied, &read, error);
  }
  if (copy)
    fclose (copy);
  if (file)
    fclose (file);
  if (!ok)
    return FALSE;
  *frame = read;
  read.data = NULL;
  return TRUE;
}

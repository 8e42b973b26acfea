/* Still pictures as RGB: see media.h. */
#include "decode.h"
#include "picture.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <libswscale/swscale.h>
#include <string.h>

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
  return media_fail (error, path, "no memory for the picture", AVERROR (ENOMEM));
}

gboolean
picture_check_size (guint64 width, guint64 height, const gchar *path, GError **error)
{
  if (width == 0 || height == 0)
    return picture_damaged (error, path, "it has no pixels");
  if (width <= PICTURE_MAX_SIDE && height <= PICTURE_MAX_SIDE && width * height <= PICTURE_MAX_PIXELS)
    return TRUE;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOMEM,
      "%s: the picture is too large: it has %" G_GUINT64_FORMAT "x%" G_GUINT64_FORMAT
      " pixels, and %u with sides of up to %u are possible",
      path, width, height, PICTURE_MAX_PIXELS, PICTURE_MAX_SIDE);
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

/* AVIF may be cut into tiles as well; each is a stream, and FFmpeg 7 and later tells. */
static gboolean
is_tiled (const AVFormatContext *format)
{
#if LIBAVFORMAT_VERSION_MAJOR >= 61
  for (guint i = 0; i < format->nb_stream_groups; i++)
    if (format->stream_groups[i]->type == AV_STREAM_GROUP_PARAMS_TILE_GRID)
      return TRUE;
#endif
  return FALSE;
}

/* Of kinds that have a reader here, by its name alone. */
static gboolean
is_misnamed (const Reader *r)
{
  switch (r->format->streams[r->stream]->codecpar->codec_id) {
    case AV_CODEC_ID_GIF:
    case AV_CODEC_ID_MJPEG:
    case AV_CODEC_ID_PNG:
    case AV_CODEC_ID_TIFF:
    case AV_CODEC_ID_WEBP:
      return g_str_equal (r->format->iformat->name, "image2");
    default:
      return FALSE;
  }
}

/* BMP, PNM and whatever else FFmpeg knows. */
static gboolean
read_other (const gchar *path, MediaFrame *frame, GError **error)
{
  const AVCodecParameters *p;
  Reader r;
  gboolean ok;
  gint code;

  if (!reader_open (&r, path, TRUE, error))
    return FALSE;
  p = r.format->streams[r.stream]->codecpar;
  if (is_misnamed (&r)) {
    reader_clear (&r);
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: the file is not what its name says, and no other picture", path);
    return FALSE;
  }
  if (is_tiled (r.format)) {
    reader_clear (&r);
    return picture_unsupported (error, path, "a picture of tiles");
  }
  if (p->width > 0 && p->height > 0 && !picture_check_size (p->width, p->height, path, error)) {
    reader_clear (&r);
    return FALSE;
  }
  code = reader_next_frame (&r);
  if (code == AVERROR_PATCHWELCOME || code == AVERROR (ENOSYS))
    ok = picture_unsupported (error, path, "this kind of %s", avcodec_get_name (p->codec_id));
  else if (code < 0 || r.damaged)
    ok = media_fail (
        error, path, "the picture is damaged, or of a kind that FFmpeg does not read", code < 0 ? code : AVERROR_INVALIDDATA);
  else
    ok = picture_check_size (r.frame->width, r.frame->height, path, error)
         && media_convert (frame, r.frame, SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT, path, error);
  reader_clear (&r);
  return ok;
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

  return reader ? reader (file, path, frame, error) : read_other (copied ? copy : path, frame, error);
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

/* --- writing --------------------------------------------------------------------------------------------------------------- */

gboolean
media_write_png (const gchar *path, const guint8 *rgb, guint width, guint height, GError **error)
{
  const AVCodec *codec = avcodec_find_encoder (AV_CODEC_ID_PNG);
  AVCodecContext *context = codec ? avcodec_alloc_context3 (codec) : NULL;
  AVPacket *packet = av_packet_alloc ();
  AVFrame *frame = av_frame_alloc ();
  gint code = AVERROR_ENCODER_NOT_FOUND;
  gboolean ok;

  if (context && packet && frame) {
    context->width = frame->width = width;
    context->height = frame->height = height;
    context->pix_fmt = frame->format = AV_PIX_FMT_RGB24;
    context->time_base = (AVRational){ 1, 1 };
    code = avcodec_open2 (context, codec, NULL);
  }
  if (code >= 0) {
    /* The encoder copies what no buffer stands behind. */
    frame->data[0] = (guint8 *)rgb;
    frame->linesize[0] = 3 * (gint)width;
    code = avcodec_send_frame (context, frame);
  }
  if (code >= 0)
    code = avcodec_receive_packet (context, packet);
  ok = code >= 0 ? g_file_set_contents (path, (const gchar *)packet->data, packet->size, error)
                 : media_fail (error, path, "cannot be made as PNG", code);
  av_frame_free (&frame);
  av_packet_free (&packet);
  avcodec_free_context (&context);
  return ok;
}

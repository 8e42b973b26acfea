/* What FFmpeg does for pictures: those that no reader here knows, and writing. See media.h. */
#include "decode.h"
#include "picture.h"

#include <libswscale/swscale.h>

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
gboolean
picture_read_other (const gchar *path, MediaFrame *frame, GError **error)
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

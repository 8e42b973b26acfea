/* Still pictures as RGB: see media.h. */
#include "decode.h"

#include <libswscale/swscale.h>

gboolean
media_read_picture (const gchar *path, MediaFrame *frame, GError **error)
{
  Reader r;
  gboolean ok;
  gint code;

  if (!reader_open (&r, path, TRUE, error))
    return FALSE;
  code = reader_next_frame (&r);
  if (code < 0)
    ok = media_fail (error, path, "the picture is damaged", code);
  else if (r.damaged)
    ok = media_fail (error, path, "the picture is damaged", AVERROR_INVALIDDATA);
  else
    /* Nearest to what libjpeg makes of a JPEG's chroma. */
    ok = media_convert (frame, r.frame, SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT, path, error);
  reader_clear (&r);
  return ok;
}

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

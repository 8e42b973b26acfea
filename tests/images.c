/* The first frame of a file, converted by swscale only where it is not RGB already. */
#include "images.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/imgutils.h>
#include <libswscale/swscale.h>

typedef struct
{
  AVFormatContext *format;
  AVCodecContext *codec;
  AVPacket *packet;
  AVFrame *frame;
} Reader;

static void
reader_clear (Reader *r)
{
  av_frame_free (&r->frame);
  av_packet_free (&r->packet);
  avcodec_free_context (&r->codec);
  avformat_close_input (&r->format);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Reader, reader_clear)

static gboolean
read_frame (Reader *r, const gchar *path)
{
  const AVCodec *decoder;
  gint stream;

  if (avformat_open_input (&r->format, path, NULL, NULL) < 0 || avformat_find_stream_info (r->format, NULL) < 0)
    return FALSE;
  stream = av_find_best_stream (r->format, AVMEDIA_TYPE_VIDEO, -1, -1, &decoder, 0);
  if (stream < 0)
    return FALSE;
  r->codec = avcodec_alloc_context3 (decoder);
  r->packet = av_packet_alloc ();
  r->frame = av_frame_alloc ();
  if (avcodec_parameters_to_context (r->codec, r->format->streams[stream]->codecpar) < 0
      || avcodec_open2 (r->codec, decoder, NULL) < 0)
    return FALSE;
  while (av_read_frame (r->format, r->packet) >= 0) {
    if (r->packet->stream_index == stream && avcodec_send_packet (r->codec, r->packet) < 0)
      return FALSE;
    av_packet_unref (r->packet);
    if (avcodec_receive_frame (r->codec, r->frame) >= 0)
      return TRUE;
  }
  avcodec_send_packet (r->codec, NULL);
  return avcodec_receive_frame (r->codec, r->frame) >= 0;
}

guint8 *
test_image_load (const gchar *path, guint *width, guint *height, GError **error)
{
  g_auto (Reader) r = { 0 };
  struct SwsContext *scaler;
  gint stride, lines = 0;
  guint8 *rgb;

  if (!read_frame (&r, path)) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s: cannot be read as a picture", path);
    return NULL;
  }
  stride = r.frame->width * 3;
  rgb = g_malloc ((gsize)stride * r.frame->height);
  if (r.frame->format == AV_PIX_FMT_RGB24)
    av_image_copy_plane (rgb, stride, r.frame->data[0], r.frame->linesize[0], stride, r.frame->height);
  else {
    scaler = sws_getContext (r.frame->width, r.frame->height, r.frame->format, r.frame->width, r.frame->height, AV_PIX_FMT_RGB24,
        SWS_POINT | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT, NULL, NULL, NULL);
    if (scaler)
      lines = sws_scale (scaler, (const guint8 *const *)r.frame->data, r.frame->linesize, 0, r.frame->height, &rgb, &stride);
    sws_freeContext (scaler);
    if (lines != r.frame->height) {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s: cannot be converted to RGB", path);
      g_free (rgb);
      return NULL;
    }
  }
  *width = r.frame->width;
  *height = r.frame->height;
  return rgb;
}

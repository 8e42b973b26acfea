#include "clip.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <string.h>

#define BITS 8
#define AUDIO_RATE 44100

typedef struct
{
  AVFormatContext *format;
  AVCodecContext *codec;
  AVStream *stream;
} Output;

static void
drain (Output *o, AVFrame *frame)
{
  AVPacket *packet = av_packet_alloc ();

  g_assert_cmpint (avcodec_send_frame (o->codec, frame), ==, 0);
  while (avcodec_receive_packet (o->codec, packet) == 0) {
    packet->stream_index = o->stream->index;
    av_packet_rescale_ts (packet, o->codec->time_base, o->stream->time_base);
    g_assert_cmpint (av_interleaved_write_frame (o->format, packet), ==, 0);
  }
  av_packet_free (&packet);
}

static enum AVPixelFormat
pixel_format (const AVCodec *codec)
{
  return codec->id == AV_CODEC_ID_MJPEG ? AV_PIX_FMT_YUVJ420P : AV_PIX_FMT_YUV420P;
}

static void
open_video (Output *o, const Clip *clip)
{
  const AVCodec *codec = avcodec_find_encoder_by_name (clip->encoder);
  AVDictionary *options = NULL;

  g_assert_nonnull (codec);
  o->codec = avcodec_alloc_context3 (codec);
  o->codec->width = CLIP_WIDTH;
  o->codec->height = CLIP_HEIGHT;
  o->codec->pix_fmt = pixel_format (codec);
  o->codec->time_base = clip->fps_n > 0 ? (AVRational){ clip->fps_d, clip->fps_n } : (AVRational){ 1, 1000 };
  if (clip->fps_n > 0)
    o->codec->framerate = (AVRational){ clip->fps_n, clip->fps_d };
  o->codec->max_b_frames = clip->b_frames;
  o->codec->gop_size = 12;
  o->codec->bit_rate = 400000;
  o->codec->thread_count = 1;
  if (o->format->oformat->flags & AVFMT_GLOBALHEADER)
    o->codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  av_dict_set (&options, "preset", "veryfast", 0);
  g_assert_cmpint (avcodec_open2 (o->codec, codec, &options), ==, 0);
  av_dict_free (&options);
  o->stream = avformat_new_stream (o->format, NULL);
  avcodec_parameters_from_context (o->stream->codecpar, o->codec);
  o->stream->time_base = o->codec->time_base;
  if (clip->fps_n > 0)
    o->stream->avg_frame_rate = o->codec->framerate;
}

static void
open_audio (Output *o)
{
  const AVCodec *codec = avcodec_find_encoder (AV_CODEC_ID_MP2);

  o->codec = avcodec_alloc_context3 (codec);
  o->codec->sample_rate = AUDIO_RATE;
  o->codec->sample_fmt = AV_SAMPLE_FMT_S16;
  o->codec->time_base = (AVRational){ 1, o->codec->sample_rate };
  o->codec->bit_rate = 64000;
  av_channel_layout_default (&o->codec->ch_layout, 1);
  if (o->format->oformat->flags & AVFMT_GLOBALHEADER)
    o->codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  g_assert_cmpint (avcodec_open2 (o->codec, codec, NULL), ==, 0);
  o->stream = avformat_new_stream (o->format, NULL);
  avcodec_parameters_from_context (o->stream->codecpar, o->codec);
  o->stream->time_base = o->codec->time_base;
}

static void
write_silence (Output *o, guint ms)
{
  const gint length = o->codec->frame_size;

  for (gint64 at = 0; at < (gint64)ms * o->codec->sample_rate / 1000; at += length) {
    AVFrame *frame = av_frame_alloc ();

    frame->format = o->codec->sample_fmt;
    frame->nb_samples = length;
    frame->sample_rate = o->codec->sample_rate;
    frame->pts = at;
    av_channel_layout_copy (&frame->ch_layout, &o->codec->ch_layout);
    g_assert_cmpint (av_frame_get_buffer (frame, 0), ==, 0);
    av_samples_set_silence (frame->extended_data, 0, length, 1, frame->format);
    drain (o, frame);
    av_frame_free (&frame);
  }
  drain (o, NULL);
}

/* A stripe a bit of the number, black or white, above noise, which gives a frame some bytes. */
static void
draw (AVFrame *frame, guint number)
{
  for (guint y = 0; y < CLIP_HEIGHT; y++)
    for (guint x = 0; x < CLIP_WIDTH; x++)
      frame->data[0][y * frame->linesize[0] + x] = number >> (x * BITS / CLIP_WIDTH) & 1 ? 220 : 32;
  for (guint y = CLIP_HEIGHT * 3 / 4; y < CLIP_HEIGHT; y++)
    for (guint x = 0; x < CLIP_WIDTH; x++)
      frame->data[0][y * frame->linesize[0] + x] = 64 + ((number << 16 | y << 8 | x) * 2654435761u >> 16) % 128;
  for (guint y = 0; y < CLIP_HEIGHT / 2; y++) {
    memset (frame->data[1] + y * frame->linesize[1], 128, CLIP_WIDTH / 2);
    memset (frame->data[2] + y * frame->linesize[2], 128, CLIP_WIDTH / 2);
  }
}

static void
write_frames (Output *o, const Clip *clip)
{
  for (guint i = 0; i < clip->frames; i++) {
    AVFrame *frame = av_frame_alloc ();

    frame->format = o->codec->pix_fmt;
    frame->width = CLIP_WIDTH;
    frame->height = CLIP_HEIGHT;
    g_assert_cmpint (av_frame_get_buffer (frame, 0), ==, 0);
    draw (frame, i);
    frame->pts = clip->time ? clip->time (i) : i;
    frame->pts += av_rescale_q (clip->video_late_ms, (AVRational){ 1, 1000 }, o->codec->time_base);
    drain (o, frame);
    av_frame_free (&frame);
  }
  drain (o, NULL);
}

void
clip_write (const gchar *folder, const Clip *clip)
{
  g_autofree gchar *path = g_build_filename (folder, clip->name, NULL);
  AVFormatContext *format = NULL;
  AVDictionary *options = NULL;
  Output video = { NULL }, audio = { NULL };

  av_log_set_level (AV_LOG_ERROR);
  g_assert_cmpint (avformat_alloc_output_context2 (&format, NULL, clip->format, path), >=, 0);
  video.format = audio.format = format;
  open_video (&video, clip);
  if (clip->audio_ms > 0)
    open_audio (&audio);
  if (clip->options)
    g_assert_cmpint (av_dict_parse_string (&options, clip->options, "=", ":", 0), ==, 0);
  g_assert_cmpint (avio_open (&format->pb, path, AVIO_FLAG_WRITE), >=, 0);
  g_assert_cmpint (avformat_write_header (format, &options), >=, 0);
  av_dict_free (&options);
  write_frames (&video, clip);
  if (clip->audio_ms > 0)
    write_silence (&audio, clip->audio_ms);
  g_assert_cmpint (av_write_trailer (format), >=, 0);
  avio_closep (&format->pb);
  avcodec_free_context (&video.codec);
  avcodec_free_context (&audio.codec);
  avformat_free_context (format);
}

guint
clip_read_number (const guint8 *data, gsize stride, guint pixel)
{
  guint number = 0;

  for (guint bit = 0; bit < BITS; bit++)
    number |= (guint)(data[CLIP_HEIGHT / 2 * stride + pixel * (2 * bit + 1) * (CLIP_WIDTH / BITS) / 2] > 126) << bit;
  return number;
}

/* See decode.h. */
#include "decode.h"
#include "picture.h"

#include <string.h>

#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>

/* FFmpeg 6.1 moved both; 5.1 has the old ones alone. */
#ifdef AV_FRAME_FLAG_KEY
#define IS_KEY(frame) (((frame)->flags & AV_FRAME_FLAG_KEY) != 0)
#else
#define IS_KEY(frame) ((frame)->key_frame)
#endif

gboolean
media_fail (GError **error, const gchar *path, const gchar *what, gint code)
{
  gchar text[AV_ERROR_MAX_STRING_SIZE] = "";

  if (code == AVERROR_EOF)
    g_strlcpy (text, "the file ends too early", sizeof (text));
  else
    av_strerror (code, text, sizeof (text));
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s: %s: %s", path, what, text);
  return FALSE;
}

/* --- files of strangers ---------------------------------------------------------------------------------------------------- */

static gchar *formats; /* that are read; NULL: any */

/* These open what a file tells them to, another file or a host. */
static const gchar *const playlists[] = { "avisynth", "concat", "dash", "hls", "imf", "rtp", "rtsp", "sap", "sdp", "vapoursynth",
  "vobsub", "webm_dash_manifest", NULL };

void
media_restrict (guint64 most_pixels)
{
  g_autoptr (GString) names = g_string_new (NULL);
  const AVInputFormat *format;
  gpointer next = NULL;

  while ((format = av_demuxer_iterate (&next)))
    if (!g_strv_contains (playlists, format->name))
      g_string_append_printf (names, "%s%s", names->len > 0 ? "," : "", format->name);
  g_free (formats);
  formats = g_strdup (names->str);
  picture_set_most_pixels (most_pixels);
}

/* --- reading --------------------------------------------------------------------------------------------------------------- */

void
reader_clear (Reader *r)
{
  av_frame_free (&r->frame);
  av_packet_free (&r->packet);
  avcodec_free_context (&r->codec);
  avformat_close_input (&r->format);
}

static gboolean
reader_open_format (Reader *r, GError **error)
{
  g_autofree gchar *url = NULL;
  AVDictionary *options = NULL;
  gint code;

  if (g_file_test (r->path, G_FILE_TEST_IS_DIR)) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_ISDIR, "%s: a folder, not a picture or video", r->path);
    return FALSE;
  }
  /* Without a protocol a name such as `concat:x` would be one. */
  url = g_strconcat ("file:", r->path, NULL);
  /* Nor is a name with `%03d` a pattern for others. */
  av_dict_set (&options, "pattern_type", "none", 0);
  if (formats)
    av_dict_set (&options, "format_whitelist", formats, 0);
  code = avformat_open_input (&r->format, url, NULL, &options);
  av_dict_free (&options);
  if (code < 0)
    return media_fail (error, r->path, "cannot be read as a picture or video", code);
  code = avformat_find_stream_info (r->format, NULL);
  if (code < 0)
    return media_fail (error, r->path, "cannot be read as a picture or video", code);
  return TRUE;
}

/* still: stop at the slightest damage. In a video it is told frame by frame. */
gboolean
reader_open (Reader *r, const gchar *path, gboolean still, GError **error)
{
  const AVCodec *codec = NULL;
  gint code;

  /* Damage is told by our own errors. */
  av_log_set_level (AV_LOG_QUIET);
  memset (r, 0, sizeof (*r));
  r->path = path;
  if (!reader_open_format (r, error))
    goto error;
  r->stream = av_find_best_stream (r->format, AVMEDIA_TYPE_VIDEO, -1, -1, &codec, 0);
  if (r->stream < 0 || !codec) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: holds no picture that can be decoded", path);
    goto error;
  }
  for (guint i = 0; i < r->format->nb_streams; i++)
    if ((gint)i != r->stream)
      r->format->streams[i]->discard = AVDISCARD_ALL;

  r->codec = avcodec_alloc_context3 (codec);
  r->packet = av_packet_alloc ();
  r->frame = av_frame_alloc ();
  code = r->codec && r->packet && r->frame ? 0 : AVERROR (ENOMEM);
  if (code >= 0)
    code = avcodec_parameters_to_context (r->codec, r->format->streams[r->stream]->codecpar);
  if (code >= 0) {
    r->codec->pkt_timebase = r->format->streams[r->stream]->time_base;
    r->codec->thread_count = still ? 1 : 0;
    if (still)
      r->codec->err_recognition |= AV_EF_EXPLODE | AV_EF_CRCCHECK;
    if (!still)
      r->codec->max_pixels = picture_most_pixels (); /* of a picture it is told by its size */
    code = avcodec_open2 (r->codec, codec, NULL);
    r->codec->max_pixels = picture_most_pixels ();
  }
  if (code < 0) {
    media_fail (error, path, "no decoder for it", code);
    goto error;
  }
  return TRUE;

error:
  reader_clear (r);
  return FALSE;
}

void
reader_judge (Reader *r)
{
  r->damaged = (r->damaged && !IS_KEY (r->frame)) || r->frame->flags & AV_FRAME_FLAG_CORRUPT || r->frame->decode_error_flags;
}

/* The next packet of the stream that makes a frame. 1: there is one, 0: the file ended, negative: FFmpeg's error. */
static gint
reader_next_packet (Reader *r)
{
  for (;;) {
    gint code;

    av_packet_unref (r->packet);
    code = av_read_frame (r->format, r->packet);
    if (code == AVERROR_EOF)
      return 0;
    if (code < 0)
      return code;
    if (r->packet->stream_index == r->stream && r->packet->size > 0)
      return r->packet->flags & AV_PKT_FLAG_CORRUPT ? AVERROR_INVALIDDATA : 1;
  }
}

/* The next frame in the order of presentation, in r->frame. */
gint
reader_next_frame (Reader *r)
{
  for (;;) {
    gint code = avcodec_receive_frame (r->codec, r->frame);

    if (code >= 0) {
      reader_judge (r);
      return code;
    }
    if (code != AVERROR (EAGAIN))
      return code;
    code = reader_next_packet (r);
    if (code < 0)
      return code;
    code = avcodec_send_packet (r->codec, code ? r->packet : NULL);
    if (code < 0)
      return code;
  }
}

/* --- pixels ---------------------------------------------------------------------------------------------------------------- */

/* flags: swscale's. Colours are those the frame says it has, as `ffmpeg -pix_fmt rgb24` takes them. */
static gboolean
convert_yuv (MediaFrame *out, const AVFrame *in, gint flags, const gchar *path, GError **error)
{
  guint8 *planes[4] = { out->data };
  gint strides[4] = { (gint)out->stride };
  struct SwsContext *sws;
  gint *inverse, *forward, full, out_full, brightness, contrast, saturation, code;

  sws = sws_getContext (in->width, in->height, in->format, in->width, in->height, AV_PIX_FMT_RGB24, flags, NULL, NULL, NULL);
  if (!sws)
    return media_fail (error, path, "its pixel format cannot be converted", AVERROR (EINVAL));
  if (sws_getColorspaceDetails (sws, &inverse, &full, &forward, &out_full, &brightness, &contrast, &saturation) >= 0) {
    if (in->color_range != AVCOL_RANGE_UNSPECIFIED)
      full = in->color_range == AVCOL_RANGE_JPEG;
    sws_setColorspaceDetails (sws, sws_getCoefficients (in->colorspace), full, forward, out_full, brightness, contrast, saturation);
  }
  code = sws_scale (sws, (const guint8 *const *)in->data, in->linesize, 0, in->height, planes, strides);
  sws_freeContext (sws);
  return code == in->height || media_fail (error, path, "its pixels cannot be converted", code < 0 ? code : AVERROR_EXTERNAL);
}

/* RGB and gray of any depth, component by component, for swscale would round. */
static gboolean
convert_exact (MediaFrame *out, const AVFrame *in, const AVPixFmtDescriptor *desc, const gchar *path, GError **error)
{
  gboolean gray = !(desc->flags & AV_PIX_FMT_FLAG_RGB);
  g_autofree guint16 *line = g_try_new (guint16, out->width);

  if (!line)
    return media_fail (error, path, "no memory for the picture", AVERROR (ENOMEM));
  for (guint y = 0; y < out->height; y++) {
    guint8 *row = out->data + y * out->stride;

    for (guint c = 0; c < (gray ? 1 : 3); c++) {
      gint depth = desc->comp[c].depth;

      av_read_image_line2 (line, (const guint8 **)in->data, in->linesize, desc, 0, y, c, out->width, 0, sizeof (*line));
      for (guint x = 0; x < out->width; x++) {
        guint most = (1u << depth) - 1, value = depth > 8 ? line[x] >> (depth - 8) : line[x] * 255u / most;

        if (in->format == AV_PIX_FMT_MONOWHITE)
          value = 255 - value;
        row[3 * x + c] = value;
        if (gray)
          row[3 * x + 1] = row[3 * x + 2] = value;
      }
    }
  }
  return TRUE;
}

static void
convert_palette (MediaFrame *out, const AVFrame *in)
{
  for (guint y = 0; y < out->height; y++)
    for (guint x = 0; x < out->width; x++) {
      guint32 argb = ((const guint32 *)in->data[1])[in->data[0][y * (gsize)in->linesize[0] + x]];
      guint8 *pixel = out->data + y * out->stride + 3 * x;

      pixel[0] = argb >> 16;
      pixel[1] = argb >> 8;
      pixel[2] = argb;
    }
}

gboolean
media_convert (MediaFrame *out, const AVFrame *in, gint flags, const gchar *path, GError **error)
{
  const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get (in->format);
  g_auto (MediaFrame) frame = { NULL };

  if (!desc || in->width <= 0 || in->height <= 0)
    return media_fail (error, path, "its pixels cannot be converted", AVERROR_INVALIDDATA);
  if (!media_frame_init (&frame, in->width, in->height, path, error))
    return FALSE;
  if (in->format == AV_PIX_FMT_PAL8)
    convert_palette (&frame, in);
  else if (!(desc->flags & (AV_PIX_FMT_FLAG_FLOAT | AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_BAYER | AV_PIX_FMT_FLAG_PAL))
           && (desc->flags & AV_PIX_FMT_FLAG_RGB || desc->nb_components <= 2)) {
    if (!convert_exact (&frame, in, desc, path, error))
      return FALSE;
  } else if (!convert_yuv (&frame, in, flags, path, error))
    return FALSE;
  *out = frame;
  frame.data = NULL;
  return TRUE;
}

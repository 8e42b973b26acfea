/* Video frames as RGB: see media.h. */
#include "decode.h"

#include <math.h>
#include <string.h>

#include <libavutil/display.h>
#include <libswscale/swscale.h>

struct _MediaVideo
{
  gchar *path;
  Reader reader;
  guint64 frames;
  double fps;
  guint64 next;        /* index of the frame that the reader decodes next */
  guint quarter_turns; /* clockwise */
};

static const gint32 *
display_matrix (const AVStream *stream)
{
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 30, 100)
  const AVPacketSideData *data =
      av_packet_side_data_get (stream->codecpar->coded_side_data, stream->codecpar->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);

  return data != NULL ? (const gint32 *)data->data : NULL;
#else
  return (const gint32 *)av_stream_get_side_data (stream, AV_PKT_DATA_DISPLAYMATRIX, NULL);
#endif
}

/* Packets that make a frame to be shown. */
static gboolean
video_count (MediaVideo *v, GError **error)
{
  Reader *r = &v->reader;
  gint code;

  while ((code = reader_next_packet (r)) > 0)
    if (!(r->packet->flags & AV_PKT_FLAG_DISCARD))
      v->frames++;
  if (code < 0) {
    g_autofree gchar *what = g_strdup_printf ("the video is damaged after frame %" G_GUINT64_FORMAT, v->frames);

    return media_fail (error, v->path, what, code);
  }
  if (v->frames == 0)
    return media_fail (error, v->path, "the video has no frames", AVERROR_INVALIDDATA);
  return TRUE;
}

static void
video_find_turn (MediaVideo *v)
{
  const AVStream *stream = v->reader.format->streams[v->reader.stream];
  const gint32 *matrix = display_matrix (stream);
  double angle = matrix ? av_display_rotation_get (matrix) : 0; /* counterclockwise */

  v->quarter_turns = isnan (angle) ? 0 : (guint)(lrint (-angle / 90) & 3);
}

MediaVideo *
media_video_open (const gchar *path, GError **error)
{
  g_autoptr (MediaVideo) v = g_new0 (MediaVideo, 1);
  AVRational fps;

  v->path = g_strdup (path);
  if (!reader_open (&v->reader, v->path, FALSE, error))
    return NULL;
  fps = v->reader.format->streams[v->reader.stream]->avg_frame_rate;
  v->fps = fps.num > 0 && fps.den > 0 ? av_q2d (fps) : 0;
  video_find_turn (v);
  if (!video_count (v, error))
    return NULL;
  reader_clear (&v->reader);
  return g_steal_pointer (&v);
}

void
media_video_free (MediaVideo *video)
{
  if (!video)
    return;
  reader_clear (&video->reader);
  g_free (video->path);
  g_free (video);
}

guint64
media_video_get_frames (const MediaVideo *video)
{
  return video->frames;
}

double
media_video_get_fps (const MediaVideo *video)
{
  return video->fps;
}

static gboolean
turn (MediaFrame *frame, guint quarters, const gchar *path, GError **error)
{
  g_auto (MediaFrame) to = { NULL };
  gboolean across = quarters % 2 == 1;

  if (quarters == 0)
    return TRUE;
  if (!media_frame_init (&to, across ? frame->height : frame->width, across ? frame->width : frame->height, path, error))
    return FALSE;
  for (guint y = 0; y < frame->height; y++)
    for (guint x = 0; x < frame->width; x++) {
      guint fx = frame->width - 1 - x, fy = frame->height - 1 - y;
      guint tx = quarters == 1 ? fy : quarters == 2 ? fx : y;
      guint ty = quarters == 1 ? x : quarters == 2 ? fy : fx;

      memcpy (to.data + ty * to.stride + 3 * tx, frame->data + y * frame->stride + 3 * x, 3);
    }
  media_frame_clear (frame);
  *frame = to;
  to.data = NULL;
  return TRUE;
}

gboolean
media_video_read (MediaVideo *video, guint64 index, MediaFrame *frame, GError **error)
{
  g_auto (MediaFrame) read = { NULL };
  gint code;

  /* Opening anew is the one way back to the first frame that every format has. */
  if (video->reader.format && index < video->next)
    reader_clear (&video->reader);
  if (!video->reader.format) {
    if (!reader_open (&video->reader, video->path, FALSE, error))
      return FALSE;
    video->next = 0;
  }
  do {
    code = reader_next_frame (&video->reader);
    if (code < 0) {
      g_autofree gchar *what = g_strdup_printf ("frame %" G_GUINT64_FORMAT " cannot be decoded", video->next);

      reader_clear (&video->reader);
      return media_fail (error, video->path, what, code);
    }
  } while (video->next++ < index);
  if (video->reader.damaged) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s: frame %" G_GUINT64_FORMAT " is damaged", video->path, index);
    return FALSE;
  }

  if (!media_convert (&read, video->reader.frame, SWS_BICUBIC, video->path, error)
      || !turn (&read, video->quarter_turns, video->path, error))
    return FALSE;
  *frame = read;
  read.data = NULL;
  return TRUE;
}

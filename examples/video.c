/* Video frames as RGB: see media.h. */
#include "framelist.h"
#include "picture.h"

#include <math.h>
#include <string.h>

#include <libavutil/display.h>
#include <libswscale/swscale.h>

/* A damaged decoder is not asked forever. */
#define MOST_ERRORS 64
/* Stretches of damage that a warning lists */
#define MOST_STRETCHES 6

struct _MediaVideo
{
  gchar *path;
  Reader reader;
  FrameClock clock;
  FrameList list;
  guint64 sent;      /* packets to the decoder */
  guint marked;      /* of these, since the last key frame, that the file marks as damaged and the decoder has not complained of */
  gboolean draining; /* and there are no more */
  gint64 next;       /* what is in front of it has been passed */
  gboolean pending;  /* it has been decoded, and lies in the reader */
  AVFrame *good;     /* the last one that was not damaged, */
  gint64 good_index; /* -1: none yet */
  gint64 bad_from;   /* from here to it, all are damaged */
  guint64 first, last; /* of the stretch chosen, all at first */
  gboolean at_start, at_end;
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

  v->path = g_strdup (path);
  v->good_index = -1;
  if (!reader_open (&v->reader, v->path, FALSE, error))
    return NULL;
  video_find_turn (v);
  if (!frame_list_read (&v->list, &v->reader, error))
    return NULL;
  reader_clear (&v->reader);
  v->last = v->list.frames->len - 1;
  v->at_start = v->at_end = TRUE;
  return g_steal_pointer (&v);
}

void
media_video_free (MediaVideo *video)
{
  if (!video)
    return;
  av_frame_free (&video->good);
  reader_clear (&video->reader);
  frame_list_clear (&video->list);
  g_free (video->path);
  g_free (video);
}

guint64
media_video_get_frames (const MediaVideo *video)
{
  return video->list.frames->len;
}

double
media_video_get_fps (const MediaVideo *video)
{
  return video->list.rate;
}

gint64
media_video_get_time (const MediaVideo *video, guint64 index)
{
  double time = frame_list_get_time (&video->list, index);

  return isnan (time) ? -1 : llrint (time * 1e9);
}

gboolean
media_video_choose (MediaVideo *video, double start, double stop, guint n, gint64 *indices, GError **error)
{
  const FrameList *t = &video->list;
  gboolean bounded = stop >= start;

  if (!frame_list_choose (t, video->path, start, stop, n, indices, &video->first, &video->last, error))
    return FALSE;
  video->at_start = !bounded || video->first == 0;
  video->at_end = !bounded || stop > t->present;
  return TRUE;
}

/* --- damage ---------------------------------------------------------------------------------------------------------------- */

static ListedFrame *
frame_at (const MediaVideo *v, guint64 index)
{
  return &g_array_index (v->list.frames, ListedFrame, index);
}

/* Appends `10 of 80 frames (38 to 47) cannot be shown`. */
static void
tell_bad_frames (const MediaVideo *v, GString *text)
{
  g_autoptr (GString) which = g_string_new (NULL);
  guint64 n_bad = 0;
  guint stretches = 0;

  for (guint64 i = v->first; i <= v->last; i++) {
    guint64 from = i;

    while (i <= v->last && frame_at (v, i)->bad)
      i++;
    if (i == from)
      continue;
    n_bad += i - from;
    stretches++;
    if (stretches > MOST_STRETCHES)
      continue;
    g_string_append_printf (which, "%s%" G_GUINT64_FORMAT, stretches > 1 ? ", " : "", from);
    if (i - from > 1)
      g_string_append_printf (which, " to %" G_GUINT64_FORMAT, i - 1);
  }
  if (n_bad > 0)
    g_string_append_printf (text, "; %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " frames are damaged: %s%s", n_bad,
        v->last - v->first + 1, which->str, stretches > MOST_STRETCHES ? "..." : "");
}

gchar *
media_video_tell_damage (const MediaVideo *v)
{
  const FrameList *t = &v->list;
  g_autoptr (GString) text = g_string_new (NULL);

  if (t->early > 0 && v->at_start)
    g_string_append_printf (
        text, "; it begins between two key frames: %" G_GUINT64_FORMAT " frames in front of frame 0 are lost", t->early);
  tell_bad_frames (v, text);
  if (t->cut && v->at_end) {
    g_string_append_printf (text, "; it ends early: the frames from %u on are lost", t->frames->len);
    if (t->length > t->present)
      g_string_append_printf (text, ", %.3g of %.3g s", t->length - t->present, t->length);
  }
  return text->len > 0 ? g_strconcat (v->path, ": ", text->str + strlen ("; "), NULL) : NULL;
}

/* --- frames ---------------------------------------------------------------------------------------------------------------- */

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

static gboolean
rewind_reader (MediaVideo *v, GError **error)
{
  reader_clear (&v->reader);
  if (!v->good)
    v->good = av_frame_alloc ();
  if (!v->good)
    return media_fail (error, v->path, "no memory for a frame", AVERROR (ENOMEM));
  av_frame_unref (v->good);
  v->good_index = -1;
  v->next = v->bad_from = 0;
  v->sent = v->marked = 0;
  v->draining = v->pending = FALSE;
  v->clock = (FrameClock){ 0 };
  if (!reader_open (&v->reader, v->path, FALSE, error))
    return FALSE;
  v->reader.format->flags |= AVFMT_FLAG_GENPTS;
  return TRUE;
}

static gboolean
is_reordered (enum AVCodecID id)
{
  const AVCodecDescriptor *codec = avcodec_descriptor_get (id);

  return !codec || codec->props & AV_CODEC_PROP_REORDER;
}

/* The decoder complains. It may do so late: what the file had marked is known to the frame. */
static void
take_complaint (MediaVideo *v)
{
  if (v->marked > 0)
    v->marked--;
  else
    v->reader.damaged = TRUE;
}

/* Hands the decoder the next packet, or the end. One that it does not take is damage. */
static void
feed (MediaVideo *v)
{
  Reader *r = &v->reader;
  const FrameList *t = &v->list;

  v->draining = !frame_list_next_packet (&v->clock, r);
  /* A frame's number comes out with it. */
  if (!t->timed)
    r->packet->pts = is_reordered (r->codec->codec_id) ? AV_NOPTS_VALUE : (gint64)(v->sent - t->early);
  v->sent++;
  if (r->packet->flags & AV_PKT_FLAG_KEY)
    v->marked = 0;
  v->marked += !v->draining && r->packet->flags & AV_PKT_FLAG_CORRUPT;
  if (avcodec_send_packet (r->codec, v->draining ? NULL : r->packet) < 0)
    take_complaint (v);
}

/* Which frame the decoder has given; -1: none that is counted. */
static gint64
index_of (const MediaVideo *v)
{
  gint64 pts = v->reader.frame->pts, index;

  if (v->list.timed)
    index = frame_list_find (&v->list, pts);
  else
    index = pts == AV_NOPTS_VALUE ? v->next : pts;
  return index >= v->next && index < v->list.frames->len ? index : -1;
}

/* Decodes up to a further frame, of index v->next, into the reader. What should have come in front of it is lost. FALSE: there are
 * no more. */
static gboolean
decode (MediaVideo *v)
{
  Reader *r = &v->reader;
  gint64 index = v->pending ? v->next : -1;

  for (guint errors = 0; index < 0 && errors < MOST_ERRORS;) {
    gint code = avcodec_receive_frame (r->codec, r->frame);

    if (code >= 0) {
      reader_judge (r);
      index = index_of (v);
    } else if (code == AVERROR_EOF)
      break;
    else {
      if (code != AVERROR (EAGAIN))
        take_complaint (v);
      if (v->draining)
        errors++;
      else
        feed (v);
    }
  }
  v->pending = index >= 0;
  for (; v->next < (v->pending ? index : v->list.frames->len); v->next++)
    frame_at (v, v->next)->bad = TRUE;
  return v->pending;
}

/* Passes the frame that was decoded. */
static void
pass (MediaVideo *v)
{
  ListedFrame *frame = frame_at (v, v->next);

  v->pending = FALSE;
  frame->bad |= v->reader.damaged;
  if (!frame->bad) {
    v->bad_from = v->good_index + 1;
    v->good_index = v->next;
    av_frame_unref (v->good);
    av_frame_move_ref (v->good, v->reader.frame);
  }
  v->next++;
}

/* Decodes until v->good is what stands for a frame: itself, or the last one from lowest on, or the next one up to highest. */
static gboolean
find_good (MediaVideo *v, gint64 index, gint64 lowest, gint64 highest, GError **error)
{
  /* Opening anew is the one way back to the first frame that every format has. */
  if (!v->reader.format || (index < v->good_index && v->bad_from > lowest))
    if (!rewind_reader (v, error))
      return FALSE;
  while (v->next <= index && decode (v) && v->next <= index)
    pass (v);
  while (v->good_index < lowest && v->next <= highest && decode (v) && v->next <= highest)
    pass (v);
  if (v->good_index >= lowest && v->good_index <= highest)
    return TRUE;
  if (lowest == highest)
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s: frame %" G_GINT64_FORMAT " is damaged", v->path, index);
  else
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
        "%s: nothing to be shown: frames %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT " are all damaged", v->path, lowest, highest);
  return FALSE;
}

gboolean
media_video_read (MediaVideo *video, guint64 index, guint64 *shown, MediaFrame *frame, GError **error)
{
  g_auto (MediaFrame) read = { NULL };

  if (index >= video->list.frames->len) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: there is no frame %" G_GUINT64_FORMAT, video->path, index);
    return FALSE;
  }
  if (!find_good (video, index, shown ? MIN (index, video->first) : index, shown ? MAX (index, video->last) : index, error)
      || !media_convert (&read, video->good, SWS_BICUBIC, video->path, error)
      || !turn (&read, video->quarter_turns, video->path, error))
    return FALSE;
  if (shown)
    *shown = video->good_index;
  *frame = read;
  read.data = NULL;
  return TRUE;
}

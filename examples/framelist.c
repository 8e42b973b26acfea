#include "framelist.h"

#include "model/minivl.h"

#include <math.h>

/* A file that is damaged all along is not read forever. */
#define MOST_ERRORS 64
/* Seconds by which time stamps step back, or ahead, where another recording begins. */
#define STEP_BACK 0.5
#define STEP_AHEAD 10.0

/* --- time stamps ----------------------------------------------------------------------------------------------------------- */

static void
apply_clock (FrameClock *c, AVPacket *packet, const AVFormatContext *format)
{
  double unit = av_q2d (format->streams[packet->stream_index]->time_base);
  gint64 at = packet->dts != AV_NOPTS_VALUE ? packet->dts : packet->pts;

  if (at == AV_NOPTS_VALUE)
    return;
  /* Elsewhere such a step is what the file means. */
  if (c->begun && format->iformat->flags & AVFMT_TS_DISCONT) {
    double step = ((double)at + c->offset - c->last) * unit;

    if (step < -STEP_BACK || step > STEP_AHEAD)
      c->offset = c->last + c->step - at;
    else if (step > 0)
      c->step = at + c->offset - c->last;
  }
  c->begun = TRUE;
  c->last = at + c->offset;
  packet->dts = packet->dts == AV_NOPTS_VALUE ? packet->dts : packet->dts + c->offset;
  packet->pts = packet->pts == AV_NOPTS_VALUE ? packet->pts : packet->pts + c->offset;
}

/* --- reading --------------------------------------------------------------------------------------------------------------- */

typedef struct
{
  ListedFrame frame;
  gboolean key;
  gint64 duration;
} Packet;

/* VP8 has frames that are only looked back at, in packets of their own. */
static gboolean
is_shown (const AVPacket *packet, enum AVCodecID codec)
{
  return !(packet->flags & AV_PKT_FLAG_DISCARD) && (codec != AV_CODEC_ID_VP8 || packet->data[0] & 0x10);
}

static void
add_packet (GArray *packets, const AVPacket *packet)
{
  Packet p = {
    .frame = { packet->pts, (packet->flags & AV_PKT_FLAG_CORRUPT) != 0 },
    .key = (packet->flags & AV_PKT_FLAG_KEY) != 0,
    .duration = packet->duration,
  };

  g_array_append_val (packets, p);
}

gboolean
frame_list_next_packet (FrameClock *clock, Reader *r)
{
  AVPacket *packet = r->packet;

  for (guint errors = 0; errors < MOST_ERRORS;) {
    const AVStream *stream;
    gint code;

    av_packet_unref (packet);
    code = av_read_frame (r->format, packet);
    if (code == AVERROR_EOF || code == AVERROR (ENOMEM))
      return FALSE;
    errors = code < 0 ? errors + 1 : 0;
    if (code < 0)
      continue;
    stream = r->format->streams[packet->stream_index];
    if (packet->pts != AV_NOPTS_VALUE)
      clock->end = fmax (clock->end, (double)(packet->pts + packet->duration) * av_q2d (stream->time_base));
    if (packet->stream_index != r->stream || packet->size == 0)
      continue;
    apply_clock (clock, packet, r->format);
    if (packet->pts == AV_NOPTS_VALUE)
      packet->pts = packet->dts;
    return TRUE;
  }
  av_packet_unref (packet);
  return FALSE;
}

/* --- what they make -------------------------------------------------------------------------------------------------------- */

/* What lies between damage and the next key frame is made of it. */
static void
spread_damage (GArray *packets)
{
  gboolean bad = FALSE;

  for (guint i = 0; i < packets->len; i++) {
    Packet *p = &g_array_index (packets, Packet, i);

    bad = p->frame.bad || (bad && !p->key);
    p->frame.bad = bad;
  }
}

/* A recording that begins between two key frames shows nothing until the second. */
static void
drop_early (FrameList *t, GArray *packets)
{
  guint n = 0;

  while (n < packets->len && !g_array_index (packets, Packet, n).key)
    n++;
  if (n == packets->len) /* a format that does not tell */
    return;
  t->early = n;
  g_array_remove_range (packets, 0, n);
}

static gint
compare_times (gconstpointer a, gconstpointer b)
{
  gint64 x = ((const Packet *)a)->frame.pts, y = ((const Packet *)b)->frame.pts;

  return x < y ? -1 : x > y;
}

static void
take_frames (FrameList *t, GArray *packets, const AVFormatContext *format)
{
  guint n_timed = 0;

  for (guint i = 0; i < packets->len; i++)
    n_timed += g_array_index (packets, Packet, i).frame.pts != AV_NOPTS_VALUE;
  /* Where most have a time, one without lost it by damage, and so had better be nowhere. */
  t->timed = !(format->iformat->flags & AVFMT_NOTIMESTAMPS) && n_timed > packets->len / 2;
  if (t->timed)
    g_array_sort (packets, compare_times);
  for (guint i = 0; i < packets->len; i++) {
    ListedFrame frame = g_array_index (packets, Packet, i).frame;
    const ListedFrame *last = t->frames->len > 0 ? &g_array_index (t->frames, ListedFrame, t->frames->len - 1) : NULL;

    if (t->timed && (frame.pts == AV_NOPTS_VALUE || (last && last->pts == frame.pts)))
      continue;
    g_array_append_val (t->frames, frame);
  }
}

/* --- rate and length ------------------------------------------------------------------------------------------------------- */

double
frame_list_get_time (const FrameList *t, guint64 index)
{
  const ListedFrame *frames = (const ListedFrame *)t->frames->data;

  if (t->timed)
    return (double)(frames[index].pts - frames[0].pts) * av_q2d (t->unit);
  return t->rate > 0 ? index / t->rate : NAN;
}

static gint64
number_of (const FrameList *t, guint64 index)
{
  return t->timed ? (gint64)rint (frame_list_get_time (t, index) * t->rate) : (gint64)index;
}

/* Whether the frames' numbers are 0, 1, 2..., and no frame is farther than `most` from the time of its own. */
static gboolean
is_constant (const FrameList *t, double rate, double most)
{
  if (!(rate > 0))
    return FALSE;
  for (guint i = 0; i < t->frames->len; i++)
    if (!(fabs (frame_list_get_time (t, i) * rate - i) < most))
      return FALSE;
  return TRUE;
}

/* Whether each frame has a number of its own; not each number need have a frame. */
static gboolean
has_numbers (const FrameList *t, double rate)
{
  double last = -1;

  for (guint i = 0; i < t->frames->len; i++) {
    double at = frame_list_get_time (t, i) * rate, number = rint (at);

    if (!(number > last && fabs (at - number) < 0.2))
      return FALSE;
    last = number;
  }
  return TRUE;
}

static double
double_of (AVRational rate)
{
  return rate.num > 0 && rate.den > 0 ? av_q2d (rate) : 0;
}

/* What the codec says of its rate, in a file that has no times. */
static double
rate_of_codec (const AVStream *stream)
{
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 30, 100)
  return double_of (stream->codecpar->framerate); /* the stream's average is made up here since FFmpeg 6.1 */
#else
  return double_of (stream->avg_frame_rate);
#endif
}

static double
find_rate (const FrameList *t, const AVStream *stream)
{
  const guint n = t->frames->len;
  double stated = double_of (stream->avg_frame_rate), nominal = double_of (stream->r_frame_rate), measured, most;

  if (!t->timed)
    return rate_of_codec (stream);
  if (n < 2)
    return stated;
  measured = (n - 1) / frame_list_get_time (t, n - 1);
  most = 0.05 + 1.5 * measured * av_q2d (t->unit); /* time stamps are rounded */
  if (is_constant (t, stated, most))
    return stated;
  if (is_constant (t, nominal, most))
    return nominal;
  if (is_constant (t, stated, 0.5))
    return stated;
  if (is_constant (t, measured, most))
    return measured;
  /* Some are lost, or were left out. */
  if (stated > 0 && has_numbers (t, stated))
    return stated;
  return stated > 0 && nominal > 0 && has_numbers (t, nominal) ? nominal : 0;
}

/* Seconds that the file says it lasts; 0: it does not. */
static double
stated_length (const AVFormatContext *format)
{
  /* That of an AVI is guessed by its size. */
  if (format->duration <= 0 || format->duration_estimation_method != AVFMT_DURATION_FROM_STREAM
      || g_str_equal (format->iformat->name, "avi"))
    return 0;
  return format->duration / (double)AV_TIME_BASE;
}

/* Seconds of the file's time at which the first frame is shown. */
static double
find_start (const FrameList *t)
{
  return t->timed ? g_array_index (t->frames, ListedFrame, 0).pts * av_q2d (t->unit) : 0;
}

/* Seconds from the first frame on to the end of the last one. */
static double
find_length (const FrameList *t, gint64 last_duration, const AVFormatContext *format)
{
  const guint n = t->frames->len;
  double last = frame_list_get_time (t, n - 1), next, stated;

  if (t->rate > 0)
    return (number_of (t, n - 1) + 1) / t->rate;
  if (!t->timed)
    return 0;
  if (last_duration > 0 || n < 2)
    return last + last_duration * av_q2d (t->unit);
  /* As long as the one before, unless the file ends earlier. */
  next = 2 * last - frame_list_get_time (t, n - 2);
  stated = stated_length (format) - find_start (t);
  return stated >= last && format->nb_streams == 1 ? fmin (stated, next) : next;
}

/* What the file says it should have, where that is more than it has. end: seconds at which its last packet ends. */
static void
find_cut (FrameList *t, gint64 n_packets, double end, const Reader *r)
{
  const AVStream *stream = r->format->streams[r->stream];
  double frame = t->rate > 0 ? 1 / t->rate : 0, stated = stated_length (r->format), most;
  gint64 n = t->rate > 0 ? MAX (n_packets, number_of (t, t->frames->len - 1) + 1) : n_packets;
  gboolean fewer = stream->nb_frames > n;

  if (stated == 0) {
    t->cut = fewer;
    return;
  }
  /* Not every container says how long its last frame, or bit of sound, is. */
  most = r->format->nb_streams == 1 && t->rate > 0 ? 1.5 * frame : fmax (0.25, 2 * frame);
  t->cut = stated - end > (fewer ? frame / 2 : most);
  /* The container begins at 0, which is not where the frames need to. */
  if (t->cut)
    t->length = fmax (t->length, stated - find_start (t));
}

gboolean
frame_list_read (FrameList *t, Reader *r, GError **error)
{
  g_autoptr (GArray) packets = g_array_new (FALSE, FALSE, sizeof (Packet));
  const AVStream *stream = r->format->streams[r->stream];
  FrameClock clock = { 0 };
  guint n_packets = 0;

  /* The other streams' ends are looked at as well. */
  for (guint i = 0; i < r->format->nb_streams; i++)
    r->format->streams[i]->discard = AVDISCARD_DEFAULT;
  r->format->flags |= AVFMT_FLAG_GENPTS;
  for (; frame_list_next_packet (&clock, r); n_packets++)
    if (is_shown (r->packet, stream->codecpar->codec_id))
      add_packet (packets, r->packet);
  *t = (FrameList){ .frames = g_array_new (FALSE, FALSE, sizeof (ListedFrame)), .unit = stream->time_base };
  spread_damage (packets);
  drop_early (t, packets);
  take_frames (t, packets, r->format);
  if (t->frames->len > 0) {
    t->rate = find_rate (t, stream);
    t->length = t->present = find_length (t, g_array_index (packets, Packet, packets->len - 1).duration, r->format);
    find_cut (t, n_packets, clock.end, r);
    return TRUE;
  }
  frame_list_clear (t);
  return media_fail (error, r->path, "the video has no frames", AVERROR_INVALIDDATA);
}

void
frame_list_clear (FrameList *t)
{
  g_clear_pointer (&t->frames, g_array_unref);
}

/* --- choice ---------------------------------------------------------------------------------------------------------------- */

/* How many frames satisfy `below`, which the first ones do. */
static guint64
count_below (const FrameList *t, gboolean (*below) (const FrameList *t, guint64 index, double limit), double limit)
{
  guint64 from = 0, to = t->frames->len;

  while (from < to) {
    guint64 middle = from + (to - from) / 2;

    if (below (t, middle, limit))
      from = middle + 1;
    else
      to = middle;
  }
  return from;
}

static gboolean
is_number_up_to (const FrameList *t, guint64 index, double limit)
{
  return number_of (t, index) <= limit;
}

static gboolean
is_time_up_to (const FrameList *t, guint64 index, double limit)
{
  return llrint (frame_list_get_time (t, index) * 1e9) <= llrint (limit * 1e9);
}

static gboolean
is_time_before (const FrameList *t, guint64 index, double limit)
{
  return llrint (frame_list_get_time (t, index) * 1e9) < llrint (limit * 1e9);
}

gint64
frame_list_find (const FrameList *t, gint64 pts)
{
  guint64 from = 0, to = t->frames->len;

  while (from < to) {
    guint64 middle = from + (to - from) / 2;

    if (g_array_index (t->frames, ListedFrame, middle).pts < pts)
      from = middle + 1;
    else
      to = middle;
  }
  return from < t->frames->len && g_array_index (t->frames, ListedFrame, from).pts == pts ? (gint64)from : -1;
}

static gboolean
fail_past_end (const FrameList *t, const gchar *path, double start, GError **error)
{
  g_set_error (
      error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "--video %s: START %g s is past the end: it lasts %g s", path, start, t->length);
  return FALSE;
}

/* By number, which is how the reference counts. */
static gboolean
choose_numbers (const FrameList *t, double start, double stop, guint n, gint64 *indices, guint64 *first, guint64 *last)
{
  const double rate = t->rate > 0 ? t->rate : 1; /* of no time, and of no bound */
  const gint64 total = t->rate > 0 ? llrint (t->length * rate) : (gint64)t->frames->len;
  const gint64 present = number_of (t, t->frames->len - 1);
  gboolean bounded = stop >= start;

  minivl_sample_frames (total, rate, start, stop, n, indices);
  if (indices[0] < 0 || indices[n - 1] >= total || (bounded && start >= total / rate))
    return FALSE;
  for (guint k = 0; k < n; k++)
    indices[k] = indices[k] > present ? -1 : (gint64)count_below (t, is_number_up_to, indices[k]) - 1;
  *first = count_below (t, is_number_up_to, bounded ? rint (start * rate) : 0) - 1;
  *last = count_below (t, is_number_up_to, bounded ? rint (stop * rate) : present) - 1;
  return TRUE;
}

static gboolean
choose_times (const FrameList *t, double start, double stop, guint n, gint64 *indices, guint64 *first, guint64 *last)
{
  gboolean bounded = stop >= start;

  start = bounded ? start : 0;
  stop = bounded ? fmin (stop, t->length) : t->length;
  if (start > 0 && start >= t->length)
    return FALSE;
  for (guint k = 0; k < n; k++) {
    double at = start + (stop - start) * (2.0 * k + 1) / (2.0 * n);

    indices[k] = t->cut && at >= t->present ? -1 : (gint64)count_below (t, is_time_up_to, at) - 1;
  }
  *first = count_below (t, is_time_up_to, start) - 1;
  *last = MAX (*first + 1, count_below (t, is_time_before, stop)) - 1;
  return TRUE;
}

gboolean
frame_list_choose (const FrameList *t, const gchar *path, double start, double stop, guint n, gint64 *indices, guint64 *first,
    guint64 *last, GError **error)
{
  if (stop >= start && !t->timed && t->rate == 0) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
        "--video %s: the file has neither time stamps nor a frame rate, so START-STOP have no meaning", path);
    return FALSE;
  }
  if (!(t->timed && t->rate == 0 ? choose_times : choose_numbers) (t, start, stop, n, indices, first, last))
    return fail_past_end (t, path, start, error);
  for (guint k = 0; k < n; k++)
    if (indices[k] >= 0)
      return TRUE;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "--video %s: nothing to be shown: the file ends early, after %g s", path,
      t->present);
  return FALSE;
}

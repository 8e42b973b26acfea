/* What the bus tells is on text_src, inside the segment, whatever the file is, and however it is played. Prints what it counted. */
#include "gst/element/gstminivl.h"
#include "pipeline.h"
#include "rig.h"

#include <glib/gstdio.h>
#include <libavformat/avformat.h>
#include <string.h>

#define PATIENCE (60 * GST_SECOND)
#define LENGTH (2 * GST_SECOND) /* of each file */
/* A second of it, with neither end where a segment of the element's or a frame begins. */
#define SOUGHT_FROM (310 * GST_MSECOND)
#define SOUGHT_TO (1310 * GST_MSECOND)
#define MINIVL                                                                                                                     \
  "minivl name=m model-path=/fake segment-duration=500000000 num-segments=2 alerts=Smoke? summary-interval=1000000000 "            \
  "max-backlog=1000 text-timestamp=%s "
/* Through the rows of the table: a sanitizer takes minutes for all of them. */
#ifdef SANITIZED
#define STEP(n) (n)
#else
#define STEP(n) 1
#endif
#define H264 "openh264enc gop-size=10 ! h264parse"
/* Every segment has an alert that rises or falls. */
#define SCORES "1 0 1 0 1 0 1 0 1 0 1 0"

typedef struct
{
  const gchar *name, *suffix, *encoder, *muxer;
} Container;

static const Container containers[] = {
  { "avi", "avi", "jpegenc", "avimux" },
  { "mp4", "mp4", H264, "mp4mux" },
  { "fragmented mp4", "mp4", H264, "mp4mux fragment-duration=500" },
  { "mov", "mov", "jpegenc", "qtmux" },
  { "mkv", "mkv", H264, "matroskamux" },
  { "webm", "webm", "vp8enc deadline=1", "webmmux" },
  { "ogg", "ogv", "theoraenc", "oggmux" },
  { "flv", "flv", H264, "flvmux" },
  { "ts", "ts", H264, "mpegtsmux" },
  { "ps", "mpg", H264, "mpegpsmux" },
};

static gchar *folder;

/* (transfer full) */
static gchar *
file_of (const Container *container)
{
  g_autofree gchar *name = g_strdup_printf ("%u.%s", (guint)(container - containers), container->suffix);

  return g_build_filename (folder, name, NULL);
}

static void
play_to_eos (GstElement *pipeline)
{
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  gst_message_unref (pipeline_await (pipeline, GST_MESSAGE_EOS));
  pipeline_free (pipeline);
}

static void
make_files (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (containers); i++) {
    g_autofree gchar *path = file_of (&containers[i]);

    play_to_eos (
        pipeline_new ("videotestsrc num-buffers=60 ! video/x-raw,format=I420,width=64,height=48,framerate=30/1 ! %s ! %s ! "
                      "filesink location=%s",
            containers[i].encoder, containers[i].muxer, path));
  }
}

static void
remove_files (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (containers); i++) {
    g_autofree gchar *path = file_of (&containers[i]);

    g_assert_cmpint (g_unlink (path), ==, 0);
  }
  g_assert_cmpint (g_rmdir (folder), ==, 0);
}

/* --- what the bus tells and what arrives ------------------------------------------------------------------------------------- */

typedef struct
{
  guint segments, alerts, summaries, flushed; /* told on the bus; what a flush has ended is none of the others */
  guint with_text;                            /* of them */
  guint warnings;
} Told;

typedef struct
{
  guint came;
  guint outside; /* not wholly in the segment, or with no time of their own */
} Arrived;

static void
note_result (Told *told, const GstStructure *s)
{
  const gchar *kind = gst_structure_get_string (s, "kind"), *reason = gst_structure_get_string (s, "finish_reason");

  if (g_str_equal (reason, "flush"))
    told->flushed++;
  else if (g_str_equal (kind, "segment"))
    told->segments++;
  else if (g_str_equal (kind, "alert"))
    told->alerts++;
  else
    told->summaries++;
  told->with_text += gst_structure_has_field (s, "text");
}

static guint
told_count (const Told *told)
{
  return told->segments + told->alerts + told->summaries + told->flushed;
}

/* Up to EOS. */
static void
note_told (GstElement *pipeline, Told *told)
{
  for (;;) {
    g_autoptr (GstMessage) message = pipeline_await (pipeline, GST_MESSAGE_ELEMENT | GST_MESSAGE_WARNING | GST_MESSAGE_EOS);

    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS)
      return;
    told->warnings += GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING;
    if (gst_message_has_name (message, "minivl"))
      note_result (told, gst_message_get_structure (message));
  }
}

/* What a sink has shown: what it found to be outside of the segment, it has thrown away before. */
static void
on_handoff (GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer data)
{
  g_autoptr (GstEvent) event = gst_pad_get_sticky_event (pad, GST_EVENT_SEGMENT, 0);
  guint64 start = GST_BUFFER_PTS (buffer), stop = start + GST_BUFFER_DURATION (buffer);
  const GstSegment *segment;
  Arrived *arrived = data;

  gst_event_parse_segment (event, &segment);
  arrived->came++;
  arrived->outside += start < segment->start || stop <= start || (GST_CLOCK_TIME_IS_VALID (segment->stop) && stop > segment->stop);
}

static guint64
text_lost (GstElement *pipeline)
{
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (pipeline), "m");
  g_autoptr (GstStructure) stats = NULL;

  g_object_get (element, "stats", &stats, NULL);
  return rig_uint64 (stats, "text_lost");
}

static GstPadProbeReturn
answer_at_eos (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) == GST_EVENT_EOS)
    fake_release_all (FAKE_ASK);
  return GST_PAD_PROBE_OK;
}

/* The model answers nothing before all of the video has passed: every text comes after the last frame. */
static void
answer_late (GstElement *pipeline)
{
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (pipeline), "m");
  g_autoptr (GstPad) sink = gst_element_get_static_pad (element, "sink");

  fake_hold (FAKE_ASK);
  gst_pad_add_probe (sink, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, answer_at_eos, NULL, NULL);
}

static void
print_head (void)
{
  g_test_message ("%-14s | %-6s | %4s | %-7s | %-7s | %8s | %6s | %9s | %5s | %4s | %4s", "file", "how", "rate", "text", "answers",
      "segments", "alerts", "summaries", "flush", "bus", "pad");
}

/* how: or the file it is made of. told: NULL where it cannot be played so. */
static void
print_row (const gchar *name, const gchar *how, gdouble rate, const gchar *timestamp, gboolean late, const Told *told,
    const Arrived *arrived)
{
  g_autofree gchar *row =
      g_strdup_printf ("%-14s | %-6s | %4g | %-7s | %-7s |", name, how, rate, timestamp, late ? "at end" : "at once");

  if (told == NULL)
    g_test_message ("%s the demuxer refuses such a seek", row);
  else
    g_test_message ("%s %8u | %6u | %9u | %5u | %4u | %4u", row, told->segments, told->alerts, told->summaries, told->flushed,
        told_count (told), arrived->came);
}

/* --- played ------------------------------------------------------------------------------------------------------------------ */

typedef struct
{
  const Container *container;
  gboolean sought;
  gdouble rate;
  const gchar *timestamp;
  gboolean late;
} Play;

/* FALSE: the demuxer refuses it. */
static gboolean
seek (GstElement *pipeline, const Play *play)
{
  guint64 from = play->sought ? SOUGHT_FROM : 0, to = play->sought ? SOUGHT_TO : GST_CLOCK_TIME_NONE;

  if (!play->sought && play->rate == 1)
    return TRUE;
  if (!play->sought && play->rate < 0)
    to = LENGTH;
  return gst_element_seek (pipeline, play->rate, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE, GST_SEEK_TYPE_SET,
      from, GST_SEEK_TYPE_SET, to);
}

static void
check_play (const Play *play)
{
  const gchar *how = play->sought ? "sought" : "whole";
  g_autofree gchar *path = file_of (play->container);
  GstElement *pipeline;
  g_autoptr (GstElement) sink = NULL;
  Arrived arrived = { 0 };
  Told told = { 0 };

  fake_reset ();
  fake_add_scores (SCORES);
  pipeline = pipeline_new ("filesrc location=%s ! decodebin ! videoconvert ! " MINIVL "! fakesink sync=false "
                           "m.text_src ! application/x-json ! fakesink name=t sync=false async=false signal-handoffs=true",
      path, play->timestamp);
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "t");
  g_signal_connect (sink, "handoff", G_CALLBACK (on_handoff), &arrived);
  if (play->late)
    answer_late (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PAUSED);
  g_assert_cmpint (gst_element_get_state (pipeline, NULL, NULL, PATIENCE), ==, GST_STATE_CHANGE_SUCCESS);
  if (seek (pipeline, play)) {
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    note_told (pipeline, &told);
    print_row (play->container->name, how, play->rate, play->timestamp, play->late, &told, &arrived);
    g_assert_cmpuint (arrived.came, ==, told_count (&told));
    g_assert_cmpuint (arrived.outside, ==, 0);
    g_assert_cmpuint (text_lost (pipeline), ==, 0);
    g_assert_cmpuint (told.warnings, ==, play->rate < 0); /* that it is not described */
    g_assert_cmpuint (told.segments, >=, play->rate < 0 ? 0 : 2);
    g_assert_cmpuint (told.alerts, ==, told.segments);
    g_assert_cmpuint (told.summaries, >, 0);
  } else {
    print_row (play->container->name, how, play->rate, play->timestamp, play->late, NULL, NULL);
    g_assert_cmpfloat (play->rate, <, 0);
  }
  fake_release_all (FAKE_ASK);
  pipeline_free (pipeline);
  fake_finish ();
}

/* flvdemux 1.26 takes a pad that it does not have for one, behind a seek. */
#define NO_PAD "gst_pad_push_event: assertion 'GST_IS_PAD (pad)' failed"

static gboolean
is_fatal (const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer data)
{
  return strstr (message, NO_PAD) == NULL;
}

static void
print_others (const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer data)
{
  if (strstr (message, NO_PAD) == NULL)
    g_log_default_handler (domain, level, message, NULL);
}

static void
test_played (gconstpointer data)
{
  static const gchar *const timestamps[] = { "now", "segment" };
  static const gdouble rates[] = { 1, 2, -1 };
  const Container *container = data;
  gboolean is_flv = g_str_equal (container->name, "flv");
  guint handler = is_flv ? g_log_set_handler ("GStreamer", G_LOG_LEVEL_CRITICAL | G_LOG_FLAG_FATAL, print_others, NULL) : 0;

  if (is_flv)
    g_test_log_set_fatal_handler (is_fatal, NULL);
  print_head ();
  for (guint i = 0; i < 24; i += STEP (5)) {
    Play play = { container, i % 2, rates[i / 2 % 3], timestamps[i / 6 % 2], i / 12 };

    check_play (&play);
  }
  if (is_flv)
    g_log_remove_handler ("GStreamer", handler);
}

/* --- written ------------------------------------------------------------------------------------------------------------------ */

/* What the muxer makes of a GAP is an empty cue, of which matroskademux 1.26 makes a buffer. */
static void
on_cue (GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer data)
{
  gchar first = '\0';

  gst_buffer_extract (buffer, 0, &first, 1);
  if (first != '\0')
    on_handoff (sink, buffer, pad, data);
}

static void
read_matroska (const gchar *path, Arrived *arrived)
{
  GstElement *pipeline = pipeline_new ("filesrc location=%s ! matroskademux name=d d.video_0 ! queue ! fakesink sync=false "
                                       "d.subtitle_0 ! queue ! fakesink name=t sync=false signal-handoffs=true",
      path);
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline), "t");

  g_signal_connect (sink, "handoff", G_CALLBACK (on_cue), arrived);
  play_to_eos (pipeline);
}

/* It knows one text at a time: each must begin behind the one before. Not by qtdemux, which passes over a track that is shorter
 * than a fifth of the file, as that of texts after the last frame is. */
static void
read_mp4 (const gchar *path, Arrived *arrived)
{
  AVFormatContext *file = NULL;
  AVPacket *packet = av_packet_alloc ();
  gint64 last = -1;

  g_assert_cmpint (avformat_open_input (&file, path, NULL, NULL), ==, 0);
  while (av_read_frame (file, packet) == 0) {
    const AVStream *stream = file->streams[packet->stream_index];

    if (stream->codecpar->codec_type == AVMEDIA_TYPE_SUBTITLE && packet->size > 2) { /* the length of the text comes first */
      arrived->came++;
      arrived->outside += packet->pts <= last;
      last = packet->pts;
    }
    av_packet_unref (packet);
  }
  av_packet_free (&packet);
  avformat_close_input (&file);
}

/* "00:00:01.500" or, of SRT, "00:00:01,500", in ms */
static guint
cue_time (const gchar *text)
{
  guint hours, minutes, seconds, ms;

  g_assert_cmpint (sscanf (text, "%u:%u:%u%*[.,]%u", &hours, &minutes, &seconds, &ms), ==, 4);
  return ((60 * hours + minutes) * 60 + seconds) * 1000 + ms;
}

static void
read_cues (const gchar *path, Arrived *arrived)
{
  g_autofree gchar *text = NULL;
  g_auto (GStrv) lines = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  lines = g_strsplit (text, "\n", -1);
  for (gchar **line = lines; *line != NULL; line++) {
    const gchar *arrow = strstr (*line, " --> ");

    if (arrow == NULL)
      continue;
    arrived->came++;
    arrived->outside += cue_time (*line) >= cue_time (arrow + 5);
  }
}

typedef struct
{
  const gchar *name;
  const gchar *encoder, *muxer; /* of video and text; NULL and the encoder of a file of text */
  void (*read) (const gchar *path, Arrived *arrived);
} Written;

static const Written written[] = {
  { "mkv", "jpegenc", "matroskamux", read_matroska },
  { "webm", "vp8enc deadline=1", "webmmux", read_matroska },
  { "mp4", H264, "mp4mux", read_mp4 },
  { "fragmented mp4", H264, "mp4mux fragment-duration=500", read_mp4 },
  { "mov", "jpegenc", "qtmux", read_mp4 },
  { "WebVTT", NULL, "webvttenc", read_cues },
  { "SRT", NULL, "srtenc", read_cues },
};

typedef struct
{
  const Container *from;
  const Written *to;
  const gchar *timestamp;
  void (*delay) (GstElement *pipeline); /* of answers; NULL: there is none */
} Writing;

static void
write_file (const Writing *writing, const gchar *path, Told *told)
{
  g_autofree gchar *from = file_of (writing->from), *rest = NULL;
  GstElement *pipeline;

  fake_reset ();
  fake_add_scores (SCORES);
  if (writing->to->encoder != NULL)
    rest = g_strdup_printf ("queue max-size-buffers=0 max-size-bytes=0 max-size-time=0 ! %s ! %s name=x ! filesink location=%s "
                            "m.text_src ! text/x-raw,format=utf8 ! queue ! x.",
        writing->to->encoder, writing->to->muxer, path);
  else
    rest = g_strdup_printf ("fakesink m.text_src ! text/x-raw,format=utf8 ! %s ! filesink location=%s", writing->to->muxer, path);
  pipeline = pipeline_new ("filesrc location=%s ! decodebin ! videoconvert ! " MINIVL "m.src ! %s", from, writing->timestamp, rest);
  if (writing->delay != NULL)
    writing->delay (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  note_told (pipeline, told);
  g_assert_cmpuint (text_lost (pipeline), ==, 0);
  pipeline_free (pipeline);
  fake_finish ();
}

static void
check_writing (const Writing *writing)
{
  g_autofree gchar *path = g_build_filename (folder, "written", NULL);
  Arrived arrived = { 0 };
  Told told = { 0 };

  write_file (writing, path, &told);
  writing->to->read (path, &arrived);
  g_assert_cmpint (g_unlink (path), ==, 0);
  print_row (writing->to->name, writing->from->name, 1, writing->timestamp, writing->delay != NULL, &told, &arrived);
  g_assert_cmpuint (arrived.came, ==, told.with_text);
  g_assert_cmpuint (arrived.came, ==, told_count (&told));
  g_assert_cmpuint (arrived.outside, ==, 0);
  g_assert_cmpuint (told.warnings, ==, 0);
}

static void
test_written (gconstpointer data)
{
  print_head ();
  for (guint i = 0; i < 8; i += STEP (3)) {
    Writing writing = { &containers[i % 2 ? 1 : 4], data, i / 2 % 2 ? "segment" : "now", i / 4 ? answer_late : NULL };

    check_writing (&writing);
  }
}

static GstPadProbeReturn
sum_up_at_gap (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstClockTime start, duration;

  if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) != GST_EVENT_GAP)
    return GST_PAD_PROBE_OK;
  gst_event_parse_gap (GST_PAD_PROBE_INFO_EVENT (info), &start, &duration);
  if (start + duration > LENGTH - 50 * GST_MSECOND)
    fake_release_all (FAKE_ASK);
  return GST_PAD_PROBE_OK;
}

/* The last summary comes when the text was told to be silent to the end. */
static void
sum_up_late (GstElement *pipeline)
{
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (pipeline), "m");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (element, "text_src");

  fake_hold (FAKE_ASK);
  fake_release (FAKE_ASK, 5); /* four segments and a summary */
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, sum_up_at_gap, NULL, NULL);
}

static void
test_a_summary_behind_the_last_gap_is_written (void)
{
  const Writing writing = { &containers[4], &written[0], "segment text-duration=100000000", sum_up_late };

  print_head ();
  for (guint i = 0; i < 8; i += STEP (3))
    check_writing (&writing);
}

/* --- in a harness ------------------------------------------------------------------------------------------------------------ */

static void
test_what_nobody_is_there_for_is_warned_of_once (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstPad) pad = gst_element_request_pad_simple (rig->element, "text_src");

  rig_push (rig, 0, 35);
  rig_eos (rig);
  rig_await_text_lost (rig, 4);
  rig_await_warning (rig, "lost on text_src: nothing is linked to it");
  rig_assert_no_warning (rig);
  gst_element_release_request_pad (rig->element, pad);
  rig_free (rig);
}

static void
test_what_nobody_wants_is_warned_of_once (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstPad) pad = NULL;

  rig_add_text (rig, NULL);
  pad = gst_element_get_static_pad (rig->element, "text_src");
  rig_push (rig, 0, 1);
  gst_event_unref (rig_await_text_event (rig, GST_EVENT_GAP));
  gst_pad_push_event (pad, gst_event_new_eos ()); /* whoever is behind it is through */
  rig_push (rig, 1, 35);
  rig_eos (rig);
  rig_await_text_lost (rig, 4);
  rig_await_warning (rig, "lost on text_src: its branch takes no more");
  rig_assert_no_warning (rig);
  rig_free (rig);
}

/* A flush throws away what waits, and nothing else. */
static void
test_what_a_flush_has_ended_is_told_behind_it (void)
{
  static const gchar *const timestamps[] = { "text-timestamp=now", "text-timestamp=segment" };

  for (guint i = 0; i < G_N_ELEMENTS (timestamps); i++) {
    Rig *rig = rig_new (timestamps[i]);

    rig_add_text (rig, NULL);
    fake_hold (FAKE_ASK);
    rig_push (rig, 0, 15);
    fake_await (FAKE_ASK, 1);
    gst_harness_push_event (rig->video, gst_event_new_flush_start ());
    gst_harness_push_event (rig->video, gst_event_new_flush_stop (TRUE));
    fake_release_all (FAKE_ASK);
    rig_push_segment (rig, 30 * GST_SECOND, 30 * GST_SECOND, 0);
    rig_push (rig, 300, 311);
    for (guint id = 1; id <= 3; id++) {
      g_autoptr (GstBuffer) buffer = gst_harness_pull (rig->text);
      g_autofree gchar *line = g_malloc0 (gst_buffer_get_size (buffer) + 1);
      g_autofree gchar *part = g_strdup_printf ("\"id\":%u,", id);

      gst_buffer_extract (buffer, 0, line, gst_buffer_get_size (buffer));
      g_assert_nonnull (strstr (line, part));
      g_assert_true ((strstr (line, "\"flush\"") != NULL) == (id < 3));
      g_assert_cmpuint (GST_BUFFER_PTS (buffer), >=, 30 * GST_SECOND);
    }
    rig_await_text_lost (rig, 0);
    rig_assert_no_warning (rig);
    rig_free (rig);
  }
}

/* The last frame is nearer to the start of the next segment than any other would be, and opens it. */
static void
test_a_segment_that_starts_at_the_stop_stands_in_front_of_it (void)
{
  Rig *rig = rig_new ("text-timestamp=segment");
  GstSegment segment;

  rig_add_text (rig, NULL);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.stop = 2 * GST_SECOND;
  g_assert_true (gst_harness_push_event (rig->video, gst_event_new_segment (&segment)));
  for (guint i = 0; i < 20; i++) {
    GstBuffer *buffer = rig_frame (rig, i);

    GST_BUFFER_PTS (buffer) += 60 * GST_MSECOND;
    g_assert_cmpint (gst_harness_push (rig->video, buffer), ==, GST_FLOW_OK);
  }
  rig_eos (rig);
  for (guint i = 0; i < 3; i++) {
    g_autoptr (GstBuffer) buffer = gst_harness_pull (rig->text);

    g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, i < 2 ? i * GST_SECOND : 1980 * GST_MSECOND);
    g_assert_cmpuint (GST_BUFFER_PTS (buffer) + GST_BUFFER_DURATION (buffer), <=, segment.stop);
  }
  rig_free (rig);
}

/* A seek to the end of a stream: EOS comes behind the flush, and text_src needs a segment for what the flush has ended. */
static void
test_a_stream_that_ends_without_a_segment_has_its_results (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (JsonObject) json = NULL;

  rig_add_text (rig, NULL);
  rig_push (rig, 0, 5);
  gst_harness_push_event (rig->video, gst_event_new_flush_start ());
  gst_harness_push_event (rig->video, gst_event_new_flush_stop (TRUE));
  rig_assert_result (rig, 1, 0, 500, "flush");
  rig_eos (rig);
  json = rig_pull_json (rig);
  g_assert_cmpstr (json_object_get_string_member (json, "finish_reason"), ==, "flush");
  gst_event_unref (rig_await_text_event (rig, GST_EVENT_EOS));
  rig_free (rig);
}

static void
assert_next_text (Rig *rig, guint start_ms, guint stop_ms)
{
  g_autoptr (GstBuffer) buffer = gst_harness_pull (rig->text);

  g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, start_ms * GST_MSECOND);
  g_assert_cmpuint (GST_BUFFER_PTS (buffer) + GST_BUFFER_DURATION (buffer), ==, stop_ms * GST_MSECOND);
}

/* MP4 and textoverlay know one text at a time. */
static void
test_plain_texts_follow_one_another (void)
{
  Rig *rig = rig_new ("alerts=\"A dog?\" text-timestamp=segment");

  rig_add_text (rig, "text/x-raw");
  fake_add_scores ("0.9 0.9 0.1");
  rig_push (rig, 0, 31);
  assert_next_text (rig, 0, 500); /* the alert */
  assert_next_text (rig, 500, 1000);
  assert_next_text (rig, 1000, 2000);
  assert_next_text (rig, 2000, 2500);
  assert_next_text (rig, 2500, 3000);
  rig_free (rig);
}

static void
test_plain_texts_last_as_long_as_is_set (void)
{
  Rig *rig = rig_new ("alerts=\"A dog?\" text-timestamp=segment text-duration=3000000000");

  rig_add_text (rig, "text/x-raw");
  fake_add_scores ("0.9");
  rig_push (rig, 0, 11);
  assert_next_text (rig, 0, 3000);
  assert_next_text (rig, 0, 3000);
  rig_free (rig);
}

int
main (int argc, char **argv)
{
  int failed;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  fake_reset ();
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));
  folder = g_dir_make_tmp ("minivl-XXXXXX", NULL);
  make_files ();

  for (guint i = 0; i < G_N_ELEMENTS (containers); i++) {
    g_autofree gchar *path = g_strdelimit (g_strconcat ("/containers/", containers[i].name, NULL), " ", '-');

    g_test_add_data_func (path, &containers[i], test_played);
  }
  for (guint i = 0; i < G_N_ELEMENTS (written); i++) {
    g_autofree gchar *path = g_strdelimit (g_strconcat ("/containers/written/", written[i].name, NULL), " ", '-');

    g_test_add_data_func (path, &written[i], test_written);
  }
#define RULE(name) g_test_add_func ("/containers/" #name, test_##name)
  RULE (what_nobody_is_there_for_is_warned_of_once);
  RULE (what_nobody_wants_is_warned_of_once);
  RULE (what_a_flush_has_ended_is_told_behind_it);
  RULE (a_segment_that_starts_at_the_stop_stands_in_front_of_it);
  RULE (plain_texts_follow_one_another);
  RULE (plain_texts_last_as_long_as_is_set);
  RULE (a_summary_behind_the_last_gap_is_written);
  RULE (a_stream_that_ends_without_a_segment_has_its_results);
#undef RULE
  failed = g_test_run ();
  remove_files ();
  return failed;
}

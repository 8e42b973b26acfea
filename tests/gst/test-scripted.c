/* Scripts that applications play: whatever they do, every buffer comes out that went in, and every segment is reported once. */
#include "gst/element/gstminivl.h"
#include "pipeline.h"
#include "rig.h"

#include <glib/gstdio.h>

#define PATIENCE (60 * GST_SECOND)
#define FORMAT "video/x-raw,format=%s,width=%u,height=%u"
#define END (10 * GST_SECOND) /* of the video */
#define FRAMES 100            /* until then */
#define SEGMENTS 10
#define MIDDLE 15 /* frames into the video */
#define LIVE_FRAME (10 * GST_MSECOND)
#define LIVE_SEGMENT (FRAMES / SEGMENTS * LIVE_FRAME)
/* So long a frame takes from the middle on until the script has acted: by then the video must not be over. */
#define SLOW (100 * G_TIME_SPAN_MILLISECOND)

typedef struct
{
  const gchar *line; /* with the file's name as %s, or not */
  gboolean live;     /* ten times as fast */
} Source;

static gchar *folder, *clip;

typedef struct
{
  const Source *source;
  GstElement *pipeline, *element;
  GstBus *bus;
  GPtrArray *results; /* GstStructure */
  guint warnings;
  gint act_at;    /* atomic: the frame from which on frames are slow; G_MAXINT: none */
  gint change_at; /* the frame before which the format changes; G_MAXINT: none */

  GMutex lock;
  GCond changed;
  guint in, out, flushes, caps, ends_of_segment;
  guint64 late;      /* the first frame's time: how late a live source started */
  SegmentCount live; /* since the last SEGMENT event */
  guint64 stop;      /* of the last frame */
} Run;

/* --- what passes ------------------------------------------------------------------------------------------------------------- */

static void
count (Run *run, guint *counter)
{
  g_mutex_lock (&run->lock);
  (*counter)++;
  g_cond_signal (&run->changed);
  g_mutex_unlock (&run->lock);
}

static void
await_count (Run *run, const guint *counter, guint n)
{
  gint64 end = g_get_monotonic_time () + PATIENCE / 1000;

  g_mutex_lock (&run->lock);
  while (*counter < n)
    g_assert_true (g_cond_wait_until (&run->changed, &run->lock, end));
  g_mutex_unlock (&run->lock);
}

static void
set_format (Run *run, const gchar *format, guint width, guint height)
{
  g_autoptr (GstElement) filter = gst_bin_get_by_name (GST_BIN (run->pipeline), "format");
  g_autofree gchar *text = g_strdup_printf (FORMAT, format, width, height);
  g_autoptr (GstCaps) caps = gst_caps_from_string (text);

  g_object_set (filter, "caps", caps, NULL);
}

static GstPadProbeReturn
on_buffer_in (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  Run *run = data;

  if (run->in == 0)
    run->late = GST_BUFFER_PTS (buffer);
  segment_count_frame (&run->live, GST_BUFFER_PTS (buffer));
  run->stop = GST_BUFFER_PTS (buffer) + GST_BUFFER_DURATION (buffer);
  count (run, &run->in);
  if (run->in == run->change_at)
    set_format (run, "NV12", 24, 18);
  if (run->in >= (guint)g_atomic_int_get (&run->act_at))
    g_usleep (SLOW);
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
on_event_in (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstEventType type = GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info));
  Run *run = data;

  if (type == GST_EVENT_FLUSH_START)
    count (run, &run->flushes);
  if (type == GST_EVENT_SEGMENT)
    segment_count_init (&run->live, LIVE_FRAME, LIVE_SEGMENT);
  if (type == GST_EVENT_FLUSH_START || (type == GST_EVENT_SEGMENT && run->in > 0))
    g_atomic_int_set (&run->act_at, G_MAXINT);
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
on_buffer_out (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  count (data, &((Run *)data)->out);
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
on_event_out (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstEventType type = GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info));
  Run *run = data;

  if (type == GST_EVENT_CAPS)
    count (run, &run->caps);
  else if (type == GST_EVENT_SEGMENT_DONE)
    count (run, &run->ends_of_segment);
  return GST_PAD_PROBE_OK;
}

/* --- a run ------------------------------------------------------------------------------------------------------------------- */

static GstElement *
parse (const gchar *line)
{
  g_autoptr (GError) error = NULL;
  GstElement *pipeline = gst_parse_launch (line, &error);

  g_assert_no_error (error);
  return pipeline;
}

static void
run_init (Run *run, const Source *source)
{
  g_autofree gchar *video = g_strdup_printf (source->line, clip);
  g_autofree gchar *line = g_strdup_printf ("%s ! videoconvert ! videoscale ! capsfilter name=format ! minivl name=m "
                                            "model-path=/fake segment-duration=%u num-segments=2 ! "
                                            "fakesink sync=false m.text_src ! fakesink sync=false async=false",
      video, (guint)(source->live ? LIVE_SEGMENT : GST_SECOND));
  g_autoptr (GstPad) sink = NULL, src = NULL;

  fake_reset ();
  *run = (Run){ .source = source, .act_at = G_MAXINT, .change_at = G_MAXINT };
  run->pipeline = parse (line);
  set_format (run, "RGB", 16, 12);
  run->element = gst_bin_get_by_name (GST_BIN (run->pipeline), "m");
  run->bus = gst_element_get_bus (run->pipeline);
  run->results = g_ptr_array_new_with_free_func ((GDestroyNotify)gst_structure_free);
  sink = gst_element_get_static_pad (run->element, "sink");
  src = gst_element_get_static_pad (run->element, "src");
  gst_pad_add_probe (sink, GST_PAD_PROBE_TYPE_BUFFER, on_buffer_in, run, NULL);
  gst_pad_add_probe (sink, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM | GST_PAD_PROBE_TYPE_EVENT_FLUSH, on_event_in, run, NULL);
  gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_BUFFER, on_buffer_out, run, NULL);
  gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_event_out, run, NULL);
}

static void
set_state (Run *run, GstState state)
{
  g_assert_cmpint (gst_element_set_state (run->pipeline, state), !=, GST_STATE_CHANGE_FAILURE);
  g_assert_cmpint (gst_element_get_state (run->pipeline, NULL, NULL, PATIENCE), >=, GST_STATE_CHANGE_SUCCESS);
  g_assert_cmpint (GST_STATE (run->pipeline), ==, state);
}

static void
seek (Run *run, gdouble rate, GstSeekFlags flags, guint64 from, guint64 to)
{
  g_assert_true (gst_element_seek (
      run->pipeline, rate, GST_FORMAT_TIME, flags | GST_SEEK_FLAG_ACCURATE, GST_SEEK_TYPE_SET, from, GST_SEEK_TYPE_SET, to));
}

/* Plays, and returns in the middle of the video. What follows makes the frames fast again. */
static void
play_to_middle (Run *run)
{
  g_atomic_int_set (&run->act_at, MIDDLE);
  set_state (run, GST_STATE_PLAYING);
  await_count (run, &run->in, MIDDLE);
}

static void
take_to_eos (Run *run)
{
  for (gboolean eos = FALSE; !eos;) {
    g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (
        run->bus, PATIENCE, GST_MESSAGE_ELEMENT | GST_MESSAGE_WARNING | GST_MESSAGE_ERROR | GST_MESSAGE_EOS);

    g_assert_nonnull (message);
    g_assert_cmpint (GST_MESSAGE_TYPE (message), !=, GST_MESSAGE_ERROR);
    eos = GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;
    run->warnings += GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING;
    if (gst_message_has_name (message, "minivl"))
      g_ptr_array_add (run->results, gst_structure_copy (gst_message_get_structure (message)));
  }
}

/* What a flush finds between the pads is lost, one buffer at most. */
static void
check_accounts (Run *run)
{
  g_autoptr (GstStructure) stats = NULL;

  g_assert_cmpuint (run->in, >=, run->out);
  g_assert_cmpuint (run->in - run->out, <=, run->flushes);
  for (guint i = 0; i < run->results->len; i++)
    g_assert_cmpuint (rig_uint64 (g_ptr_array_index (run->results, i), "id"), ==, i + 1);
  g_object_get (run->element, "stats", &stats, NULL);
  g_assert_cmpuint (rig_uint64 (stats, "segments"), ==, run->results->len);
  g_assert_cmpuint (rig_uint64 (stats, "results"), ==, run->results->len);
}

static void
finish (Run *run, guint warnings)
{
  take_to_eos (run);
  g_assert_cmpuint (run->warnings, ==, warnings);
  check_accounts (run);
  g_assert_cmpint (gst_element_set_state (run->pipeline, GST_STATE_NULL), ==, GST_STATE_CHANGE_SUCCESS);
  g_assert_null (gst_bus_pop_filtered (run->bus, GST_MESSAGE_ELEMENT)); /* reported when all was over */
  g_assert_cmpuint (fake_open_backends (), ==, 0);
  g_assert_cmpuint (fake_live_pictures (), ==, 0);
}

static void
run_clear (Run *run)
{
  gst_object_unref (run->bus);
  gst_object_unref (run->element);
  gst_object_unref (run->pipeline);
  g_ptr_array_unref (run->results);
  g_mutex_clear (&run->lock);
  g_cond_clear (&run->changed);
}

/* --- what was reported ------------------------------------------------------------------------------------------------------- */

static guint
count_reason (Run *run, const gchar *reason)
{
  guint n = 0;

  for (guint i = 0; i < run->results->len; i++)
    n += g_str_equal (gst_structure_get_string (g_ptr_array_index (run->results, i), "finish_reason"), reason);
  return n;
}

/* Whoever was late makes up for it by other times; they follow one another nevertheless, and what was not answered was dropped. */
static void
assert_in_order (Run *run)
{
  guint64 time = 0;

  for (guint i = 0; i < run->results->len; i++) {
    const GstStructure *result = g_ptr_array_index (run->results, i);

    g_assert_cmpuint (rig_uint64 (result, "segment_start"), >=, time);
    time = rig_uint64 (result, "segment_stop");
  }
  g_assert_cmpuint (count_reason (run, "stop") + count_reason (run, "dropped"), ==, run->results->len);
  g_assert_cmpuint (count_reason (run, "stop"), >, 0);
}

/* The last results are of the seconds from `from` on, in order, to the end of the video, and there are `n_all` of them. A live
 * source has its own times. */
static void
assert_last_seconds (Run *run, guint from, guint n_all)
{
  guint n = SEGMENTS - from;

  if (run->source->live) {
    assert_in_order (run);
    return;
  }
  g_assert_cmpuint (count_reason (run, "stop"), ==, n_all);
  g_assert_cmpuint (run->results->len, >=, n);
  for (guint i = 0; i < n; i++) {
    const GstStructure *result = g_ptr_array_index (run->results, run->results->len - n + i);

    g_assert_cmpstr (gst_structure_get_string (result, "finish_reason"), ==, "stop");
    g_assert_cmpuint (rig_uint64 (result, "segment_start"), ==, (from + i) * GST_SECOND);
    g_assert_cmpuint (rig_uint64 (result, "segment_stop"), ==, (from + i + 1) * GST_SECOND);
  }
}

/* All of the video, in segments. */
static void
assert_all (Run *run)
{
  g_assert_cmpuint (run->out, ==, FRAMES);
  if (!run->source->live)
    g_assert_cmpuint (run->results->len, ==, SEGMENTS);
  assert_last_seconds (run, 0, SEGMENTS);
}

/* --- scripts ----------------------------------------------------------------------------------------------------------------- */

static void
test_play_to_eos (gconstpointer source)
{
  Run run;

  run_init (&run, source);
  set_state (&run, GST_STATE_PLAYING);
  finish (&run, 0);
  assert_all (&run);
  run_clear (&run);
}

static void
test_pause_and_resume (gconstpointer source)
{
  Run run;

  run_init (&run, source);
  play_to_middle (&run);
  set_state (&run, GST_STATE_PAUSED);
  g_atomic_int_set (&run.act_at, G_MAXINT);
  set_state (&run, GST_STATE_PLAYING);
  finish (&run, 0);
  assert_all (&run);
  run_clear (&run);
}

static void
test_format_changes_in_flight (gconstpointer source)
{
  Run run;

  run_init (&run, source);
  run.change_at = 45;
  set_state (&run, GST_STATE_PLAYING);
  finish (&run, 0);
  g_assert_cmpuint (run.caps, ==, 2);
  g_assert_cmpuint (run.out, ==, FRAMES);
  assert_in_order (&run);
  if (!run.source->live)
    g_assert_cmpuint (run.results->len, ==, SEGMENTS + 1); /* 4 to 4.5 s, and from there anew */
  run_clear (&run);
}

static void
test_flushing_seek (gconstpointer source)
{
  Run run;

  run_init (&run, source);
  play_to_middle (&run);
  seek (&run, 1, GST_SEEK_FLAG_FLUSH, 5 * GST_SECOND, END);
  finish (&run, 0);
  g_assert_cmpuint (run.flushes, ==, 1);
  g_assert_cmpuint (count_reason (&run, "flush"), >, 0);
  assert_last_seconds (&run, 5, count_reason (&run, "stop"));
  run_clear (&run);
}

/* From the middle to the last half of the first second. All times are by as much later as the source started, and segments may be
 * dropped. */
static void
test_flushing_seek_live (gconstpointer source)
{
  guint64 time = 500 * GST_MSECOND;
  guint n = 0;
  Run run;

  run_init (&run, source);
  play_to_middle (&run);
  seek (&run, 1, GST_SEEK_FLAG_FLUSH, 500 * GST_MSECOND, run.late + GST_SECOND);
  finish (&run, 0);
  g_assert_cmpuint (run.flushes, ==, 1);
  g_assert_cmpuint (count_reason (&run, "flush"), >, 0);
  for (guint i = run.results->len; i-- > 0; n++)
    if (g_str_equal (gst_structure_get_string (g_ptr_array_index (run.results, i), "finish_reason"), "flush"))
      break;
  g_assert_cmpuint (n, >=, 1);
  g_assert_cmpuint (n, ==, run.live.n);
  for (guint i = run.results->len - n; i < run.results->len; i++) {
    const GstStructure *result = g_ptr_array_index (run.results, i);

    g_assert_cmpuint (rig_uint64 (result, "segment_start"), >=, time);
    time = rig_uint64 (result, "segment_stop");
  }
  g_assert_cmpuint (time, ==, MIN (run.stop, segment_count_stop (&run.live)));
  g_assert_cmpuint (
      count_reason (&run, "flush") + count_reason (&run, "stop") + count_reason (&run, "dropped"), ==, run.results->len);
  run_clear (&run);
}

static void
test_seek_without_flush (gconstpointer source)
{
  Run run;

  run_init (&run, source);
  play_to_middle (&run);
  seek (&run, 1, GST_SEEK_FLAG_NONE, 5 * GST_SECOND, END);
  finish (&run, 0);
  g_assert_cmpuint (run.flushes, ==, 0);
  g_assert_cmpuint (run.in, >=, MIDDLE + FRAMES / 2);
  assert_last_seconds (&run, 5, run.results->len);
  run_clear (&run);
}

static void
test_backwards (gconstpointer source)
{
  Run run;

  run_init (&run, source);
  set_state (&run, GST_STATE_PAUSED);
  seek (&run, -1, GST_SEEK_FLAG_FLUSH, 0, END);
  set_state (&run, GST_STATE_PLAYING);
  finish (&run, 1);
  g_assert_cmpuint (run.out, >=, FRAMES);
  g_assert_cmpuint (count_reason (&run, "flush"), ==, run.results->len); /* of the first frame */
  run_clear (&run);
}

static void
test_twice_as_fast (gconstpointer source)
{
  Run run;

  run_init (&run, source);
  set_state (&run, GST_STATE_PAUSED);
  seek (&run, 2, GST_SEEK_FLAG_FLUSH, 0, END);
  set_state (&run, GST_STATE_PLAYING);
  finish (&run, 0);
  assert_last_seconds (&run, 0, SEGMENTS);
  run_clear (&run);
}

static void
test_segment_seeks (gconstpointer source)
{
  Run run;

  run_init (&run, source);
  set_state (&run, GST_STATE_PAUSED);
  seek (&run, 1, GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_SEGMENT, 2 * GST_SECOND, 5 * GST_SECOND);
  set_state (&run, GST_STATE_PLAYING);
  await_count (&run, &run.ends_of_segment, 1);
  seek (&run, 1, GST_SEEK_FLAG_SEGMENT, 5 * GST_SECOND, 8 * GST_SECOND);
  await_count (&run, &run.ends_of_segment, 2);
  seek (&run, 1, GST_SEEK_FLAG_NONE, 8 * GST_SECOND, END);
  finish (&run, 0);
  assert_last_seconds (&run, 2, 8);
  run_clear (&run);
}

/* --- what all need ----------------------------------------------------------------------------------------------------------- */

static void
make_clip (void)
{
  g_autofree gchar *line = NULL;
  g_autoptr (GstElement) pipeline = NULL;
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GstBus) bus = NULL;

  folder = g_dir_make_tmp ("minivl-XXXXXX", NULL);
  clip = g_build_filename (folder, "clip.avi", NULL);
  line = g_strdup_printf ("videotestsrc num-buffers=%u ! video/x-raw,format=I420,width=32,height=24,framerate=10/1 ! jpegenc ! "
                          "avimux ! filesink location=%s",
      FRAMES, clip);
  pipeline = parse (line);
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, PATIENCE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_EOS);
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

static void
add (const gchar *source_name, const gchar *name, const Source *source, GTestDataFunc func)
{
  g_autofree gchar *path = g_strdup_printf ("/scripted/%s/%s", source_name, name);

  g_test_add_data_func (path, source, func);
}

int
main (int argc, char **argv)
{
  /* A file, a source that makes its own frames, and one that makes them when they are due. Those that are sought in have frames
   * enough to be played twice. */
  static const Source file = { "filesrc location=%s ! avidemux ! jpegdec", FALSE };
  static const Source test = { "videotestsrc num-buffers=100 ! video/x-raw,framerate=10/1", FALSE };
  static const Source long_test = { "videotestsrc num-buffers=1000 ! video/x-raw,framerate=10/1", FALSE };
  static const Source live = { "videotestsrc is-live=true num-buffers=100 ! video/x-raw,framerate=100/1", TRUE };
  static const Source long_live = { "videotestsrc is-live=true num-buffers=1000 ! video/x-raw,framerate=100/1", TRUE };
  gint code;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  fake_reset ();
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));
  make_clip ();

#define SCRIPT(source, long_source, name) add (#source, #name, &long_source, test_##name)
#define SCRIPTS(source, long_source)                                                                                               \
  SCRIPT (source, source, play_to_eos);                                                                                            \
  SCRIPT (source, source, pause_and_resume);                                                                                       \
  SCRIPT (source, source, format_changes_in_flight);                                                                               \
  SCRIPT (source, long_source, flushing_seek);                                                                                     \
  SCRIPT (source, long_source, seek_without_flush);                                                                                \
  SCRIPT (source, long_source, backwards);                                                                                         \
  SCRIPT (source, long_source, twice_as_fast);                                                                                     \
  SCRIPT (source, long_source, segment_seeks)
  SCRIPTS (file, file);
  SCRIPTS (test, long_test);
  SCRIPT (live, live, play_to_eos);
  SCRIPT (live, live, pause_and_resume);
  SCRIPT (live, live, format_changes_in_flight);
  SCRIPT (live, long_live, flushing_seek_live); /* backwards such a source makes frames without a time */
  SCRIPT (live, long_live, seek_without_flush);
  SCRIPT (live, long_live, twice_as_fast);
  SCRIPT (live, long_live, segment_seeks);
#undef SCRIPTS
#undef SCRIPT
  code = g_test_run ();
  g_unlink (clip);
  g_rmdir (folder);
  g_free (clip);
  g_free (folder);
  return code;
}

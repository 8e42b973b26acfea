/* The rules of text_src with text-timestamp=segment, and of what stands behind the element in whole pipelines. */
#include "gst/element/gstminivl.h"
#include "pipeline.h"
#include "rig.h"

#include <glib/gstdio.h>
#include <string.h>

#define PATIENCE (60 * GST_SECOND)
#define VIDEO "video/x-raw,format=I420,width=64,height=48,framerate=10/1"

/* --- in a harness ------------------------------------------------------------------------------------------------------------ */

static void
test_a_text_stands_at_its_segment (void)
{
  Rig *rig = rig_new ("text-timestamp=segment");

  rig_add_text (rig, NULL);
  rig_push_segment (rig, 2 * GST_SECOND, 0, 0); /* stream time 0 is PTS 2 s */
  rig_push (rig, 20, 50);
  rig_eos (rig);
  for (guint i = 0; i < 3; i++) {
    g_autoptr (GstBuffer) buffer = gst_harness_pull (rig->text);

    g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, (i + 2) * GST_SECOND);
    g_assert_cmpuint (GST_BUFFER_DURATION (buffer), ==, GST_SECOND);
  }
  rig_free (rig);
}

/* The end of the last GAP that is there. */
static guint64
gaps_end (Rig *rig)
{
  guint64 end = 0;
  GstEvent *event;

  while ((event = gst_harness_try_pull_event (rig->text)) != NULL) {
    if (GST_EVENT_TYPE (event) == GST_EVENT_GAP) {
      GstClockTime at, duration;

      gst_event_parse_gap (event, &at, &duration);
      end = at + duration;
    }
    gst_event_unref (event);
  }
  return end;
}

static void
test_gaps_stop_at_what_is_owed (void)
{
  Rig *rig = rig_new ("text-timestamp=segment segment-duration=2000000000");
  g_autoptr (JsonObject) first = NULL, second = NULL;

  rig_add_text (rig, NULL);
  fake_hold (FAKE_ASK);
  rig_push (rig, 0, 21);
  fake_await (FAKE_ASK, 1);
  rig_push (rig, 21, 31);
  g_assert_cmpuint (gaps_end (rig), ==, 0); /* though 3 s of video have passed */
  fake_release (FAKE_ASK, 1);
  first = rig_pull_json (rig);
  rig_push (rig, 31, 41); /* the second segment is complete, and owed */
  fake_await (FAKE_ASK, 2);
  g_assert_cmpuint (gaps_end (rig), <=, 2 * GST_SECOND);
  fake_release_all (FAKE_ASK);
  second = rig_pull_json (rig);
  g_assert_cmpint (json_object_get_int_member (second, "id"), ==, 2);
  rig_free (rig);
}

/* A muxer makes a cue of a GAP, which is empty and would end the text. */
static void
test_no_gap_is_told_under_a_text (void)
{
  Rig *rig = rig_new ("text-timestamp=segment segment-duration=2000000000 stop-time=2000000000");
  guint64 end = 0;

  rig_add_text (rig, "text/x-raw");
  rig_push (rig, 0, 21);
  gst_buffer_unref (gst_harness_pull (rig->text));
  rig_push (rig, 21, 31);
  while (end < 3100 * GST_MSECOND) {
    g_autoptr (GstEvent) event = rig_await_text_event (rig, GST_EVENT_GAP);
    GstClockTime at, duration;

    gst_event_parse_gap (event, &at, &duration);
    g_assert_cmpuint (at, >=, 2 * GST_SECOND);
    end = at + duration;
  }
  rig_free (rig);
}

/* Else the text would be sent in a segment that does not know its time. */
static void
test_a_new_segment_waits_for_what_is_owed (void)
{
  Rig *rig = rig_new ("text-timestamp=segment");
  g_autoptr (JsonObject) text = NULL;
  guint segments = 0;

  rig_add_text (rig, NULL);
  fake_hold (FAKE_ASK);
  rig_push (rig, 0, 5);
  rig_push_segment (rig, 500 * GST_MSECOND, 500 * GST_MSECOND, 700 * GST_MSECOND);
  fake_await (FAKE_ASK, 1);
  fake_release_all (FAKE_ASK);
  rig_eos (rig);
  text = rig_pull_json (rig);
  for (gboolean eos = FALSE; !eos;) {
    g_autoptr (GstEvent) event = gst_harness_pull_event (rig->text);

    g_assert_nonnull (event);
    segments += GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT;
    eos = GST_EVENT_TYPE (event) == GST_EVENT_EOS;
  }
  g_assert_cmpuint (segments, ==, 2);
  g_assert_cmpint (json_object_get_int_member (text, "segment_stop"), ==, 500 * GST_MSECOND);
  rig_free (rig);
}

static void
test_a_flush_forgives_what_is_owed (void)
{
  Rig *rig = rig_new ("text-timestamp=segment");
  g_autoptr (GstBuffer) buffer = NULL;

  rig_add_text (rig, "text/x-raw");
  fake_hold (FAKE_ASK);
  rig_push (rig, 0, 15);
  fake_await (FAKE_ASK, 1);
  gst_harness_push_event (rig->video, gst_event_new_flush_start ());
  gst_harness_push_event (rig->video, gst_event_new_flush_stop (TRUE));
  fake_release_all (FAKE_ASK);
  rig_push_segment (rig, 0, 0, 0);
  rig_push (rig, 300, 311);
  buffer = gst_harness_pull (rig->text);
  g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, 30 * GST_SECOND);
  rig_free (rig);
}

static void
test_text_that_nobody_takes_is_counted (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstStructure) stats = NULL;
  g_autoptr (GstPad) pad = NULL;

  rig_add_text (rig, NULL);
  pad = gst_element_get_static_pad (rig->element, "text_src");
  rig_push (rig, 0, 1);
  gst_event_unref (rig_await_text_event (rig, GST_EVENT_GAP));
  gst_pad_push_event (pad, gst_event_new_eos ()); /* whoever is behind it is through */
  rig_push (rig, 1, 51);
  rig_eos (rig);
  rig_await_text_lost (rig, 6);
  g_object_get (rig->element, "stats", &stats, NULL);
  g_assert_cmpuint (rig_uint64 (stats, "results"), ==, 6);
  rig_free (rig);
}

static void
query_latency (GstElement *element, const gchar *name, gboolean *live, GstClockTime *min, GstClockTime *max)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (element, name);
  g_autoptr (GstQuery) query = gst_query_new_latency ();

  g_assert_true (gst_pad_query (pad, query));
  gst_query_parse_latency (query, live, min, max);
}

static void
test_latency_is_told_on_both_pads (void)
{
  static const struct
  {
    const gchar *properties;
    guint64 text;
  } cases[] = {
    { NULL, 0 },
    { "text-timestamp=segment", GST_SECOND },
    { "text-timestamp=segment deadline=3000000000", 4 * GST_SECOND },
    { "text-timestamp=segment segment-duration=0 start-time=500000000 stop-time=2500000000", 2 * GST_SECOND },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Rig *rig = rig_new_live (cases[i].properties);
    gboolean live;
    GstClockTime min, max;

    gst_harness_set_upstream_latency (rig->video, 40 * GST_MSECOND);
    rig_add_text (rig, NULL);
    rig_push (rig, 0, 1);
    query_latency (rig->element, "src", &live, &min, &max);
    g_assert_true (live);
    g_assert_cmpuint (min, ==, 40 * GST_MSECOND);
    query_latency (rig->element, "text_src", &live, &min, &max);
    g_assert_true (live);
    g_assert_cmpuint (min, ==, 40 * GST_MSECOND + cases[i].text);
    g_assert_cmpuint (max, ==, GST_CLOCK_TIME_NONE);
    rig_free (rig);
  }
}

static void
test_a_latency_that_changes_is_told (void)
{
  Rig *rig = rig_new_live ("text-timestamp=segment");
  g_autoptr (GstMessage) none = NULL, told = NULL;
  gboolean live;
  GstClockTime min, max;

  rig_add_text (rig, NULL);
  rig_push (rig, 0, 1);
  g_object_set (rig->element, "max-tokens", 7, NULL);
  none = gst_bus_pop_filtered (rig->bus, GST_MESSAGE_LATENCY);
  g_assert_null (none);
  g_object_set (rig->element, "deadline", 3 * GST_SECOND, NULL);
  told = rig_await_message (rig, GST_MESSAGE_LATENCY);
  query_latency (rig->element, "text_src", &live, &min, &max);
  g_assert_cmpuint (min, ==, 4 * GST_SECOND);
  rig_free (rig);
}

/* Answers a second's question after a while. Returns the time that the answer took, from its own result. */
static guint64
answer_second (Rig *rig, guint n, gulong after)
{
  g_autoptr (GstStructure) result = NULL;
  const GValue *timings;

  fake_hold (FAKE_ASK);
  rig_push_second (rig, n);
  fake_await (FAKE_ASK, n + 1);
  g_usleep (after);
  fake_release_all (FAKE_ASK);
  result = rig_await_result (rig);
  timings = gst_structure_get_value (result, "timings");
  return rig_uint64 (gst_value_get_structure (timings), "total");
}

static guint64
text_latency (Rig *rig)
{
  gboolean live;
  GstClockTime min, max;

  query_latency (rig->element, "text_src", &live, &min, &max);
  return min;
}

/* The next segment's text is as late as this one's, and whoever plays must know before it is. */
static void
test_the_time_of_answering_is_latency (void)
{
  Rig *rig = rig_new_live ("text-timestamp=segment");
  guint64 took, told = 0, before;

  rig_add_text (rig, NULL);
  rig_push_second (rig, 0);
  rig_await_second (rig, 0, "stop"); /* by then the model is loaded, and this one may have waited for it */
  for (guint i = 1; i < 5; i++) {
    before = text_latency (rig) - GST_SECOND;
    took = answer_second (rig, i, i % 2 == 0 ? before / 1000 : 0);
    told = text_latency (rig) - GST_SECOND;
    g_assert_cmpuint (told, >=, MAX (took, before));
    g_assert_cmpuint (told, <, MAX (took, before) + 100 * GST_MSECOND);
  }
  g_assert_cmpuint (told, >=, 300 * GST_MSECOND); /* it has grown with each second one */
  rig_free (rig);
}

static void
test_a_latency_that_grows_is_told (void)
{
  Rig *rig = rig_new_live ("text-timestamp=segment");
  g_autoptr (GstMessage) message = NULL;

  rig_add_text (rig, NULL);
  g_assert_cmpuint (text_latency (rig), ==, GST_SECOND);
  rig_push_second (rig, 0);
  message = rig_await_message (rig, GST_MESSAGE_LATENCY);
  g_assert_cmpuint (text_latency (rig), >, GST_SECOND);
  rig_free (rig);
}

/* Texts that stand at the moment are no later than it, and those of a file wait for nobody's clock. */
static void
test_an_answer_that_delays_nothing_is_no_latency (void)
{
  for (guint i = 0; i < 2; i++) {
    Rig *rig = i == 0 ? rig_new_live (NULL) : rig_new ("text-timestamp=segment");
    g_autoptr (GstMessage) message = NULL;

    rig_add_text (rig, NULL);
    rig_push_second (rig, 0);
    rig_eos (rig);
    message = gst_bus_pop_filtered (rig->bus, GST_MESSAGE_LATENCY);
    g_assert_null (message);
    rig_free (rig);
  }
}

/* It happens once. */
static void
test_the_time_of_loading_is_no_latency (void)
{
  Rig *rig = rig_new_live ("text-timestamp=segment");
  g_autoptr (GstStructure) result = NULL;
  const GValue *timings;

  gst_element_set_state (rig->element, GST_STATE_NULL);
  fake_reset ();
  fake_hold (FAKE_OPEN);
  rig_add_text (rig, NULL);
  gst_harness_play (rig->video);
  rig_set_caps (rig, "RGB", 8, 4, 10, 1);
  rig_push_second (rig, 0);
  g_usleep (G_USEC_PER_SEC); /* far more than the rest takes */
  fake_release_all (FAKE_OPEN);
  result = rig_await_result (rig);
  timings = gst_structure_get_value (result, "timings");
  g_assert_cmpuint (text_latency (rig) - GST_SECOND, <, rig_uint64 (gst_value_get_structure (timings), "total"));
  rig_free (rig);
}

/* --- pipelines --------------------------------------------------------------------------------------------------------------- */

static GstPadProbeReturn
count_segments (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  segment_count_frame (data, GST_BUFFER_PTS (GST_PAD_PROBE_INFO_BUFFER (info)));
  return GST_PAD_PROBE_OK;
}

typedef struct
{
  GArray *pts; /* of the texts, guint64 */
  guint frames;
} Muxed;

static GstPadProbeReturn
note_text (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  guint64 pts = GST_BUFFER_PTS (GST_PAD_PROBE_INFO_BUFFER (info));

  g_array_append_val (((Muxed *)data)->pts, pts);
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
count_frame (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  g_atomic_int_inc ((gint *)data);
  return GST_PAD_PROBE_OK;
}

static void
add_probe (GstElement *pipeline, const gchar *element, GstPadProbeCallback callback, gpointer data)
{
  g_autoptr (GstElement) e = gst_bin_get_by_name (GST_BIN (pipeline), element);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (e, "sink");

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, callback, data, NULL);
}

static void
test_subtitles_are_muxed_behind_a_queue (void)
{
  g_autofree gchar *folder = g_dir_make_tmp ("minivl-XXXXXX", NULL), *path = g_build_filename (folder, "out.mkv", NULL);
  Muxed muxed = { g_array_new (FALSE, FALSE, sizeof (guint64)) };
  GstElement *pipeline =
      pipeline_new ("videotestsrc num-buffers=60 ! " VIDEO
                    " ! minivl name=m model-path=/fake text-timestamp=segment segment-duration=2000000000 m.src ! "
                    "queue max-size-buffers=0 max-size-bytes=0 max-size-time=4200000000 ! jpegenc ! "
                    "matroskamux name=x ! filesink location=%s m.text_src ! text/x-raw,format=utf8 ! queue ! x.",
          path);

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_assert_cmpuint (pipeline_count_results (pipeline), ==, 3);
  pipeline_free (pipeline);
  fake_finish ();

  /* read back: where each text stands */
  pipeline = pipeline_new ("filesrc location=%s ! matroskademux name=d d.video_0 ! queue ! fakesink name=v "
                           "d.subtitle_0 ! queue ! fakesink name=t",
      path);
  add_probe (pipeline, "t", note_text, &muxed);
  add_probe (pipeline, "v", count_frame, &muxed.frames);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  pipeline_count_results (pipeline);
  pipeline_free (pipeline);
  fake_finish ();
  g_assert_cmpuint (muxed.frames, ==, 60);
  g_assert_cmpuint (muxed.pts->len, ==, 3);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpuint (g_array_index (muxed.pts, guint64, i), ==, 2 * i * GST_SECOND);
  g_array_unref (muxed.pts);
  g_unlink (path);
  g_rmdir (folder);
}

/* GStreamer 1.26's muxer waits for what comes after the text; the text has begun while the video passed, and nothing tells how long
 * a queue would be needed. */
static void
test_texts_of_the_moment_are_muxed_behind_any_queue (void)
{
  GstElement *pipeline =
      pipeline_new ("videotestsrc num-buffers=60 ! " VIDEO " ! minivl name=m model-path=/fake segment-duration=2000000000 m.src ! "
                    "queue ! jpegenc ! matroskamux name=x ! fakesink m.text_src ! text/x-raw,format=utf8 ! queue ! x.");

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_assert_cmpuint (pipeline_count_results (pipeline), ==, 3);
  pipeline_free (pipeline);
  fake_finish ();
}

static void
test_a_missing_queue_is_named (void)
{
  GstElement *pipeline = pipeline_new (
      "videotestsrc ! " VIDEO " ! minivl name=m model-path=/fake text-timestamp=segment segment-duration=2000000000 m.src ! "
      "queue max-size-buffers=0 max-size-bytes=0 max-size-time=500000000 ! textoverlay name=o ! fakesink "
      "m.text_src ! text/x-raw,format=utf8 ! o.text_sink");
  g_autoptr (GstMessage) warning = NULL;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  warning = pipeline_await (pipeline, GST_MESSAGE_WARNING);
  rig_assert_error (warning, "queue of at least two segments");
  pipeline_free (pipeline);
  fake_finish ();
}

/* A pipeline that stands still because somebody wants it to. */
static void
test_a_pause_is_no_missing_queue (void)
{
  GstElement *pipeline =
      pipeline_new ("videotestsrc ! " VIDEO " ! minivl name=m model-path=/fake text-timestamp=segment ! fakesink "
                    "m.text_src ! queue ! fakesink");
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) warning = NULL;

  gst_element_set_state (pipeline, GST_STATE_PAUSED);
  g_assert_cmpint (gst_element_get_state (pipeline, NULL, NULL, PATIENCE), ==, GST_STATE_CHANGE_SUCCESS);
  warning = gst_bus_timed_pop_filtered (bus, 1500 * GST_MSECOND, GST_MESSAGE_WARNING);
  g_assert_null (warning);
  pipeline_free (pipeline);
  fake_finish ();
}

static void
test_text_is_drawn_without_freezing (void)
{
  static const gchar *const sources[] = { "videotestsrc num-buffers=30", "videotestsrc num-buffers=30 is-live=true" };

  for (guint i = 0; i < G_N_ELEMENTS (sources); i++) {
    gint frames = 0;
    GstElement *pipeline =
        pipeline_new ("%s ! " VIDEO " ! minivl name=m model-path=/fake segment-duration=1000000000 ! textoverlay name=o ! "
                      "fakesink name=v m.text_src ! text/x-raw,format=utf8 ! o.text_sink",
            sources[i]);
    SegmentCount segments;

    segment_count_init (&segments, 100 * GST_MSECOND, GST_SECOND);
    add_probe (pipeline, "m", count_segments, &segments);
    add_probe (pipeline, "v", count_frame, &frames);
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    g_assert_cmpuint (pipeline_count_results (pipeline), ==, segments.n);
    g_assert_cmpuint (segments.n, >=, 3); /* 4, where a live source starts half a frame late */
    g_assert_cmpint (frames, ==, 30);
    pipeline_free (pipeline);
    fake_finish ();
  }
}

static void
test_pause_and_resume_lose_nothing (void)
{
  GstElement *pipeline =
      pipeline_new ("videotestsrc num-buffers=300 ! " VIDEO
                    " ! minivl name=m model-path=/fake segment-duration=1000000000 ! fakesink name=v m.text_src ! fakesink");
  gint frames = 0;

  add_probe (pipeline, "v", count_frame, &frames);
  fake_hold (FAKE_ASK);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  fake_await (FAKE_ASK, 1);
  gst_element_set_state (pipeline, GST_STATE_PAUSED);
  fake_release_all (FAKE_ASK);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_assert_cmpuint (pipeline_count_results (pipeline), ==, 30);
  g_assert_cmpint (frames, ==, 300);
  pipeline_free (pipeline);
  fake_finish ();
}

static void
test_plays_five_times (void)
{
  GstElement *pipeline =
      pipeline_new ("videotestsrc num-buffers=25 ! " VIDEO
                    " ! minivl name=m model-path=/fake segment-duration=1000000000 ! fakesink m.text_src ! fakesink");

  for (guint i = 0; i < 5; i++) {
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    g_assert_cmpuint (pipeline_count_results (pipeline), ==, 3);
    g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_NULL), ==, GST_STATE_CHANGE_SUCCESS);
  }
  pipeline_free (pipeline);
  fake_finish ();
}

typedef struct
{
  GstElement *pipeline, *before, *after;
  GMutex lock;
  GCond changed;
  gboolean done;
  gboolean wanted;
} Surgery;

static GstPadProbeReturn
swap (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Surgery *s = data;
  g_autoptr (GstElement) old = NULL;

  /* An idle probe may be called by the thread that adds it and by the one that streams: the second waits for the first, or it would
   * stream into what is not linked yet. */
  g_mutex_lock (&s->lock);
  if (!s->wanted) {
    g_mutex_unlock (&s->lock);
    return GST_PAD_PROBE_REMOVE;
  }
  s->wanted = FALSE;
  old = gst_bin_get_by_name (GST_BIN (s->pipeline), "m");
  if (old != NULL) {
    gst_bin_remove (GST_BIN (s->pipeline), old);
    gst_element_set_state (old, GST_STATE_NULL);
    g_assert_true (gst_element_link (s->before, s->after));
  } else {
    GstElement *element =
        gst_parse_launch ("minivl name=m model-path=/fake segment-duration=1000000000 num-segments=2 stream=second", NULL);

    gst_element_unlink (s->before, s->after);
    gst_bin_add (GST_BIN (s->pipeline), element);
    g_assert_true (gst_element_link_many (s->before, element, s->after, NULL));
    gst_element_sync_state_with_parent (element);
  }
  s->done = TRUE;
  g_cond_signal (&s->changed);
  g_mutex_unlock (&s->lock);
  return GST_PAD_PROBE_REMOVE;
}

static void
operate (Surgery *s)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (s->before, "src");

  s->done = FALSE;
  s->wanted = TRUE;
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_IDLE, swap, s, NULL);
  g_mutex_lock (&s->lock);
  while (!s->done)
    g_cond_wait (&s->changed, &s->lock);
  g_mutex_unlock (&s->lock);
}

static void
test_removed_and_added_while_playing (void)
{
  GstElement *pipeline =
      pipeline_new ("videotestsrc ! " VIDEO " ! identity name=before ! "
                    "minivl name=m model-path=/fake segment-duration=1000000000 num-segments=2 ! identity name=after ! fakesink");
  Surgery s = { .pipeline = pipeline };
  gboolean second = FALSE;

  s.before = gst_bin_get_by_name (GST_BIN (pipeline), "before");
  s.after = gst_bin_get_by_name (GST_BIN (pipeline), "after");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  fake_await (FAKE_ASK, 2);
  /* Video passes as soon as the sink plays, which is before the bin has told the others: it would wake up who is taken out. */
  g_assert_cmpint (gst_element_get_state (pipeline, NULL, NULL, PATIENCE), ==, GST_STATE_CHANGE_SUCCESS);
  operate (&s);
  g_assert_cmpuint (fake_open_backends (), ==, 0);
  operate (&s);
  while (!second) {
    g_autoptr (GstMessage) message = pipeline_await (pipeline, GST_MESSAGE_ELEMENT);

    second = gst_message_has_name (message, "minivl")
             && g_strcmp0 (gst_structure_get_string (gst_message_get_structure (message), "stream"), "second") == 0;
  }
  gst_object_unref (s.before);
  gst_object_unref (s.after);
  pipeline_free (pipeline);
  fake_finish ();
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  fake_reset ();
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));

#define RULE(name) g_test_add_func ("/text/" #name, test_##name)
  RULE (a_text_stands_at_its_segment);
  RULE (gaps_stop_at_what_is_owed);
  RULE (no_gap_is_told_under_a_text);
  RULE (a_new_segment_waits_for_what_is_owed);
  RULE (a_flush_forgives_what_is_owed);
  RULE (text_that_nobody_takes_is_counted);
  RULE (latency_is_told_on_both_pads);
  RULE (a_latency_that_changes_is_told);
  RULE (the_time_of_answering_is_latency);
  RULE (a_latency_that_grows_is_told);
  RULE (an_answer_that_delays_nothing_is_no_latency);
  RULE (the_time_of_loading_is_no_latency);
  RULE (subtitles_are_muxed_behind_a_queue);
  RULE (texts_of_the_moment_are_muxed_behind_any_queue);
  RULE (a_missing_queue_is_named);
  RULE (a_pause_is_no_missing_queue);
  RULE (text_is_drawn_without_freezing);
  RULE (pause_and_resume_lose_nothing);
  RULE (plays_five_times);
  RULE (removed_and_added_while_playing);
#undef RULE
  return g_test_run ();
}

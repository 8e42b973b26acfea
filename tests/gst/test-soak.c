/* A live pipeline that runs for hours of a test clock's time: what it takes does not grow, and nothing is left behind. */
#include "gst/element/gstminivl.h"
#include "held.h"
#include "rig.h"

#include <gst/check/gsttestclock.h>
#include <malloc.h>
#include <string.h>

#define PATIENCE (60 * GST_SECOND)
#define FRAMES 2   /* of a segment */
#define ROUND 100  /* segments */
#define WARM 1000  /* segments, after which memory stands still */
#define SOAK 10000 /* segments */
#define MAX_BACKLOG 2
#define LASTING_THREADS 2 /* the first one, and GLib's that makes those of pools */
#define MAX_GROWTH (2 << 20)
#define MAX_TIME (2 * G_TIME_SPAN_MINUTE) /* of a whole soak */

typedef struct
{
  GstElement *pipeline, *element;
  GstBus *bus;
  GstTestClock *clock;
  gboolean all; /* alerts, history and summaries are on */
  guint64 last_id;
  guint64 results, dropped, told_drops; /* of segments */
  guint64 alerts, summaries;
} Soak;

/* --- what a process holds ---------------------------------------------------------------------------------------------------- */

static gint64
resident_bytes (void)
{
  malloc_trim (0);
  return held_bytes ();
}

static gboolean
memory_and_time_can_be_measured (void)
{
#ifdef SANITIZED
  return FALSE;
#else
  g_autofree gchar *maps = NULL;

  g_assert_true (g_file_get_contents ("/proc/self/maps", &maps, NULL, NULL));
  return strstr (maps, "vgpreload") == NULL; /* not under valgrind */
#endif
}

/* Quarks are counted up. */
static guint
next_quark (void)
{
  static guint n;
  g_autofree gchar *name = g_strdup_printf ("test-soak-%u", n++);

  return g_quark_from_string (name);
}

/* --- a run ------------------------------------------------------------------------------------------------------------------- */

/* A summary goes through stages, and is due at the end of each round. */
#define ALL "alerts=Fire? history-size=4 context-size=700 summary-interval=100000000000"

static void
soak_start (Soak *s, guint segments, gboolean all)
{
  g_autofree gchar *line =
      g_strdup_printf ("videotestsrc is-live=true num-buffers=%u ! video/x-raw,format=RGB,width=8,height=4,framerate=%u/1 ! "
                       "minivl name=m model-path=/fake segment-duration=1000000000 num-segments=%u max-backlog=%u %s ! "
                       "fakesink sync=false async=false m.text_src ! fakesink sync=false async=false",
          FRAMES * segments, FRAMES, FRAMES, MAX_BACKLOG, all ? ALL : "");
  g_autoptr (GError) error = NULL;

  fake_reset ();
  *s = (Soak){ .clock = GST_TEST_CLOCK (gst_test_clock_new ()), .all = all };
  s->pipeline = gst_parse_launch (line, &error);
  g_assert_no_error (error);
  s->element = gst_bin_get_by_name (GST_BIN (s->pipeline), "m");
  s->bus = gst_element_get_bus (s->pipeline);
  gst_pipeline_use_clock (GST_PIPELINE (s->pipeline), GST_CLOCK (s->clock));
  gst_element_set_state (s->pipeline, GST_STATE_PLAYING);
  fake_await (FAKE_OPEN, 1);
}

static void
soak_stop (Soak *s)
{
  g_assert_cmpint (gst_element_set_state (s->pipeline, GST_STATE_NULL), ==, GST_STATE_CHANGE_SUCCESS);
  gst_object_unref (s->bus);
  gst_object_unref (s->element);
  gst_object_unref (s->pipeline);
  gst_object_unref (s->clock);
  g_assert_cmpuint (fake_open_backends (), ==, 0);
  g_assert_cmpuint (fake_live_pictures (), ==, 0);
  fake_reset ();
}

static void
show_frames (Soak *s, guint n)
{
  for (guint i = 0; i < n; i++) {
    g_assert_true (gst_test_clock_timed_wait_for_multiple_pending_ids (s->clock, 1, PATIENCE / GST_MSECOND, NULL));
    g_assert_true (gst_test_clock_crank (s->clock));
  }
}

static void
note_segment (Soak *s, const GstStructure *result)
{
  const gchar *reason = gst_structure_get_string (result, "finish_reason");
  guint64 id = rig_uint64 (result, "id");

  s->results++;
  if (s->all)
    g_assert_cmpuint (id, >, s->last_id);
  else
    g_assert_cmpuint (id, ==, s->results);
  s->last_id = id;
  g_assert_cmpuint (rig_uint64 (result, "segment_start"), ==, (s->results - 1) * GST_SECOND);
  g_assert_cmpuint (rig_uint64 (result, "segment_stop"), ==, s->results * GST_SECOND);
  if (g_str_equal (reason, "dropped"))
    s->dropped++;
  else
    g_assert_cmpstr (reason, ==, "stop");
}

static void
note_result (Soak *s, const GstStructure *result)
{
  const gchar *kind = gst_structure_get_string (result, "kind");

  if (g_str_equal (kind, "segment")) {
    note_segment (s, result);
  } else if (g_str_equal (kind, "alert")) {
    s->alerts++;
  } else {
    g_assert_cmpstr (kind, ==, "summary");
    g_assert_cmpuint (rig_uint64 (result, "segment_start"), ==, s->summaries++ * ROUND * GST_SECOND);
    g_assert_cmpuint (rig_uint64 (result, "segment_stop"), ==, s->summaries * ROUND * GST_SECOND);
    g_assert_cmpstr (gst_structure_get_string (result, "finish_reason"), ==, "stop");
  }
}

/* Returns whether the message is EOS. */
static gboolean
take_message (Soak *s)
{
  g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (
      s->bus, PATIENCE, GST_MESSAGE_ELEMENT | GST_MESSAGE_QOS | GST_MESSAGE_WARNING | GST_MESSAGE_ERROR | GST_MESSAGE_EOS);

  g_assert_nonnull (message);
  g_assert_cmpint (GST_MESSAGE_TYPE (message) & (GST_MESSAGE_WARNING | GST_MESSAGE_ERROR), ==, 0);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_QOS)
    s->told_drops++;
  else if (gst_message_has_name (message, "minivl"))
    note_result (s, gst_message_get_structure (message));
  return GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;
}

static void
await_results (Soak *s, guint64 results)
{
  while (s->results < results)
    g_assert_false (take_message (s));
}

/* Whatever is asked behind a round's last segment has been answered by then. */
static void
await_summary (Soak *s)
{
  while (s->all && s->summaries < s->results / ROUND)
    g_assert_false (take_message (s));
}

/* A frame more than the segment's: the one that closes it is the next one's first. Each is answered before the next one ends. */
static void
run_answered (Soak *s, guint segments)
{
  for (guint i = 0; i < segments; i++) {
    if (s->all)
      fake_add_scores (i % 2 == 0 ? "0.9" : "0.1");
    show_frames (s, FRAMES);
    await_results (s, s->results + 1);
  }
  await_summary (s);
}

/* The first one's answer lasts as long as all of them. */
static void
run_dropped (Soak *s, guint segments)
{
  guint64 results = s->results, dropped = s->dropped;
  guint asked = fake_count (FAKE_ASK);

  fake_hold (FAKE_ASK);
  show_frames (s, FRAMES);
  fake_await (FAKE_ASK, asked + 1);
  show_frames (s, FRAMES * (segments - 1));
  /* Between two waits for the clock lies all that is done with a frame. */
  g_assert_true (gst_test_clock_timed_wait_for_multiple_pending_ids (s->clock, 1, PATIENCE / GST_MSECOND, NULL));
  fake_release_all (FAKE_ASK);
  await_results (s, results + segments);
  g_assert_cmpuint (s->dropped - dropped, ==, segments - 1 - MAX_BACKLOG);
  await_summary (s);
}

/* All segments but the last one, in rounds of which one of ten is too slow. Returns by how much memory grew after WARM. */
static gint64
run_rounds (Soak *s, guint segments)
{
  gint64 before = 0, growth = 0;

  for (guint done = 0; done < segments; done += ROUND) {
    gboolean is_last = done + ROUND == segments;

    if (done == WARM)
      before = resident_bytes ();
    if (is_last && before > 0)
      growth = resident_bytes () - before;
    if (done / ROUND % 10 == 1)
      run_dropped (s, ROUND - is_last);
    else
      run_answered (s, ROUND - is_last);
    fake_forget ();
  }
  return growth;
}

static void
check_stats (Soak *s, guint segments)
{
  g_autoptr (GstStructure) stats = NULL;

  g_object_get (s->element, "stats", &stats, NULL);
  g_assert_cmpuint (rig_uint64 (stats, "segments"), ==, segments);
  g_assert_cmpuint (rig_uint64 (stats, "results"), ==, segments + s->alerts + s->summaries);
  g_assert_cmpuint (rig_uint64 (stats, "dropped"), ==, s->dropped);
  g_assert_cmpuint (rig_uint64 (stats, "errors"), ==, 0);
  g_assert_cmpuint (rig_uint64 (stats, "backlog"), ==, 0);
}

static gint64
soak (guint segments, gboolean all)
{
  gint64 growth;
  Soak s;

  soak_start (&s, segments, all);
  show_frames (&s, 1);
  growth = run_rounds (&s, segments);
  show_frames (&s, FRAMES - 1);
  while (!take_message (&s))
    ;
  g_assert_cmpuint (s.results, ==, segments);
  g_assert_cmpuint (s.dropped, >, 0);
  g_assert_cmpuint (s.told_drops, ==, s.dropped);
  g_assert_cmpuint (s.summaries, ==, all ? segments / ROUND : 0);
  g_assert_cmpuint (s.alerts > 0, ==, all);
  check_stats (&s, segments);
  g_test_message ("%" G_GUINT64_FORMAT " segments, of which %" G_GUINT64_FORMAT " dropped; %" G_GUINT64_FORMAT
                  " alerts, %" G_GUINT64_FORMAT " summaries",
      s.results, s.dropped, s.alerts, s.summaries);
  soak_stop (&s);
  return growth;
}

static void
leaves_nothing_behind (gboolean all)
{
  guint threads, fds, quark;
  gint64 growth, begun, taken;

  soak (2 * ROUND, all); /* what is made once in a process, is made */
  threads = held_threads (LASTING_THREADS);
  fds = held_entries ("/proc/self/fd");
  quark = next_quark ();

  begun = g_get_monotonic_time ();
  growth = soak (SOAK, all);
  taken = g_get_monotonic_time () - begun;
  g_test_message ("%.1f s; memory grew by %" G_GINT64_FORMAT " KiB", (double)taken / G_TIME_SPAN_SECOND, growth / 1024);

  g_assert_cmpuint (next_quark (), ==, quark + 1);
  g_assert_cmpuint (held_entries ("/proc/self/fd"), ==, fds);
  g_assert_cmpuint (held_threads (threads), <=, threads);
  if (!memory_and_time_can_be_measured ())
    return;
  g_assert_cmpint (growth, <=, MAX_GROWTH);
  g_assert_cmpint (taken, <=, MAX_TIME);
}

static void
test_ten_thousand_segments_leave_nothing_behind (void)
{
  leaves_nothing_behind (FALSE);
}

static void
test_nor_do_they_with_alerts_history_and_summaries (void)
{
  leaves_nothing_behind (TRUE);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_thread_pool_set_max_unused_threads (0);
  fake_reset ();
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));
  g_test_add_func ("/soak/ten_thousand_segments_leave_nothing_behind", test_ten_thousand_segments_leave_nothing_behind);
  g_test_add_func ("/soak/nor_do_they_with_alerts_history_and_summaries", test_nor_do_they_with_alerts_history_and_summaries);
  return g_test_run ();
}

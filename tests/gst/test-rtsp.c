/* The element behind a real RTSP server, over TCP, and what befalls cameras: connections that break and return, clocks that are
 * set, pictures that change their size. In real time, for an RTSP server knows no other; waits are for what happens. */
#include "camera.h"
#include "fake.h"
#include "gst/element/gstminivl.h"

#include <gst/rtp/gstrtpbuffer.h>
#include <string.h>

#define PATIENCE (30 * GST_SECOND)
#define DURATION (400 * GST_MSECOND) /* of a segment */
#define FRAME (40 * GST_MSECOND)
#define LONGEST_STEP 90000 /* of RTP time; a second */
#define BY_RTP_TIME "buffer-mode=none"

typedef struct
{
  Camera *camera;
  GstElement *pipeline;
  GstBus *bus;
  guint64 last_id;
  guint32 rtp_time; /* of the last packet, for the streaming thread */
  gboolean has_rtp_time;
  gint steps;         /* atomic: that RTP time has made */
  gboolean is_broken; /* the connection: what is said of it is of no interest until a message says that the source is back */

  GMutex lock;
  GCond changed;
  guint64 last_frame; /* stream time of the last frame that left minivl */
  gsize last_size;    /* its bytes */
  guint64 change;     /* end of the frame in front of the first one that has another size or lies more than a second later */
  GArray *frames;     /* stream times of all, guint64 */
  guint ends;         /* EOS events that were taken out of the stream */
} Site;

typedef struct
{
  guint64 id, start, stop;
  guint n_frames;
  guint64 frames[2];
} Report;

/* --- the application --------------------------------------------------------------------------------------------------------- */

static GstElement *
get_element (Site *site, const gchar *name)
{
  GstElement *element = gst_bin_get_by_name (GST_BIN (site->pipeline), name);

  g_assert_nonnull (element);
  return element;
}

static void
watch (Site *site, const gchar *element_name, const gchar *pad_name, GstPadProbeType types, GstPadProbeCallback callback)
{
  g_autoptr (GstElement) element = get_element (site, element_name);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (element, pad_name);

  gst_pad_add_probe (pad, types, callback, site, NULL);
}

static GstPadProbeReturn
take_eos (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Site *site = data;

  if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) != GST_EVENT_EOS)
    return GST_PAD_PROBE_OK;
  g_mutex_lock (&site->lock);
  site->ends++;
  g_cond_signal (&site->changed);
  g_mutex_unlock (&site->lock);
  return GST_PAD_PROBE_DROP;
}

static void
on_pad (GstElement *src, GstPad *pad, gpointer data)
{
  g_autoptr (GstElement) depay = get_element (data, "depay");
  g_autoptr (GstPad) sink = gst_element_get_static_pad (depay, "sink");

  g_assert_cmpint (gst_pad_link (pad, sink), ==, GST_PAD_LINK_OK);
}

static GstPadProbeReturn
watch_rtp (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Site *site = data;
  gboolean is_list = GST_PAD_PROBE_INFO_TYPE (info) & GST_PAD_PROBE_TYPE_BUFFER_LIST;
  GstBuffer *buffer = is_list ? gst_buffer_list_get (info->data, 0) : info->data;
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
  guint32 time;

  g_assert_true (gst_rtp_buffer_map (buffer, GST_MAP_READ, &rtp));
  time = gst_rtp_buffer_get_timestamp (&rtp);
  gst_rtp_buffer_unmap (&rtp);
  if (site->has_rtp_time && ABS ((gint32)(time - site->rtp_time)) > LONGEST_STEP)
    g_atomic_int_inc (&site->steps);
  site->has_rtp_time = TRUE;
  site->rtp_time = time;
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
watch_frames (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Site *site = data;
  gsize size = gst_buffer_get_size (GST_PAD_PROBE_INFO_BUFFER (info));
  g_autoptr (GstEvent) event = gst_pad_get_sticky_event (pad, GST_EVENT_SEGMENT, 0);
  const GstSegment *segment;
  guint64 time;

  if (event == NULL) /* the pad is being closed */
    return GST_PAD_PROBE_OK;
  gst_event_parse_segment (event, &segment);
  time = gst_segment_to_stream_time (segment, GST_FORMAT_TIME, GST_BUFFER_PTS (GST_PAD_PROBE_INFO_BUFFER (info)));
  g_mutex_lock (&site->lock);
  if (site->change == GST_CLOCK_TIME_NONE && site->last_frame != GST_CLOCK_TIME_NONE
      && (size != site->last_size || time > site->last_frame + GST_SECOND)) {
    site->change = site->last_frame + FRAME;
    g_cond_signal (&site->changed);
  }
  site->last_frame = time;
  site->last_size = size;
  g_array_append_val (site->frames, time);
  g_mutex_unlock (&site->lock);
  return GST_PAD_PROBE_OK;
}

/* properties: of rtspsrc */
static Site *
site_new (const gchar *properties)
{
  Site *site = g_new0 (Site, 1);
  g_autofree gchar *line = NULL;
  g_autoptr (GstElement) src = NULL;

  fake_reset ();
  g_mutex_init (&site->lock);
  g_cond_init (&site->changed);
  site->last_frame = site->change = GST_CLOCK_TIME_NONE;
  site->frames = g_array_new (FALSE, FALSE, sizeof (guint64));
  site->camera = camera_new ();
  line =
      g_strdup_printf ("rtspsrc name=src location=%s protocols=tcp latency=0 %s rtpjpegdepay name=depay ! jpegdec ! videoconvert ! "
                       "minivl name=m model-path=/fake segment-duration=%" G_GUINT64_FORMAT " num-segments=2 leaky=no ! "
                       "fakesink sync=false",
          camera_get_url (site->camera), properties, DURATION);
  site->pipeline = gst_parse_launch (line, NULL);
  g_assert_nonnull (site->pipeline);
  site->bus = gst_element_get_bus (site->pipeline);
  src = get_element (site, "src");
  g_signal_connect (src, "pad-added", G_CALLBACK (on_pad), site);
  watch (site, "depay", "sink", GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST, watch_rtp);
  watch (site, "m", "src", GST_PAD_PROBE_TYPE_BUFFER, watch_frames);
  gst_element_set_state (site->pipeline, GST_STATE_PLAYING);
  return site;
}

/* Takes off the bus what lies before it. That a server hangs up is a warning of rtspsrc's. */
static GstMessage *
await (Site *site, GstMessageType types)
{
  for (;;) {
    g_autoptr (GstMessage) message =
        gst_bus_timed_pop_filtered (site->bus, PATIENCE, types | GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);

    g_assert_nonnull (message);
    if (GST_MESSAGE_TYPE (message) & (GST_MESSAGE_ERROR | GST_MESSAGE_WARNING))
      g_assert_cmpstr (GST_MESSAGE_SRC_NAME (message), ==, "src");
    if (GST_MESSAGE_TYPE (message) & types)
      return g_steal_pointer (&message);
  }
}

static guint64
get_uint64 (const GstStructure *s, const gchar *field)
{
  guint64 value = 0;

  g_assert_true (gst_structure_get_uint64 (s, field, &value));
  return value;
}

/* What is true of every result, whatever happened. */
static Report
read_report (Site *site, const GstStructure *s)
{
  const GValue *frames = gst_structure_get_value (s, "frames");
  g_autoptr (GDateTime) utc = g_date_time_new_from_iso8601 (gst_structure_get_string (s, "utc"), NULL);
  Report report = { get_uint64 (s, "id"), get_uint64 (s, "segment_start"), get_uint64 (s, "segment_stop"),
    gst_value_array_get_size (frames), { 0 } };

  g_assert_cmpstr (gst_structure_get_string (s, "finish_reason"), ==, "stop");
  g_assert_cmpuint (report.id, ==, site->last_id + 1);
  site->last_id = report.id;
  g_assert_cmpuint (report.stop - report.start, <=, DURATION);
  g_assert_cmpuint (report.n_frames - 1, <, G_N_ELEMENTS (report.frames));
  for (guint i = 0; i < report.n_frames; i++) {
    report.frames[i] = g_value_get_uint64 (gst_value_array_get_value (frames, i));
    g_assert_cmpuint (report.frames[i] + FRAME / 2, >=, report.start); /* the nearest frame is the first */
    g_assert_cmpuint (report.frames[i], <=, report.stop);
  }
  g_assert_nonnull (utc);
  return report;
}

static Report
await_report (Site *site)
{
  for (;;) {
    g_autoptr (GstMessage) message =
        await (site, GST_MESSAGE_ELEMENT | GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_APPLICATION);

    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_APPLICATION)
      site->is_broken = FALSE;
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_APPLICATION
        || (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR && site->is_broken))
      continue;
    g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_ELEMENT);
    if (gst_message_has_name (message, "minivl"))
      return read_report (site, gst_message_get_structure (message));
  }
}

/* Without buffer-mode=none times are those of arrival: nothing came for so long. */
static void
assert_no_frame_between (Site *site, guint64 from, guint64 to)
{
  g_mutex_lock (&site->lock);
  for (guint i = 0; i < site->frames->len; i++) {
    guint64 time = g_array_index (site->frames, guint64, i);

    g_assert_false (time >= from && time + FRAME / 2 < to);
  }
  g_mutex_unlock (&site->lock);
}

/* The last one of so many that come behind one, each as long as the other and without a frame between them. */
static Report
await_reports_behind (Site *site, Report last, guint n)
{
  for (guint i = 0; i < n; i++) {
    Report report = await_report (site);

    g_assert_cmpuint (report.start, >=, last.stop);
    g_assert_cmpuint ((report.start - last.stop) % DURATION, ==, 0);
    assert_no_frame_between (site, last.stop, report.start);
    g_assert_cmpuint (report.stop - report.start, ==, DURATION);
    last = report;
  }
  return last;
}

static Report
await_reports (Site *site, guint n)
{
  return await_reports_behind (site, await_report (site), n - 1);
}

static guint64
await_change (Site *site)
{
  gint64 deadline = g_get_monotonic_time () + PATIENCE / GST_USECOND;
  guint64 change;

  g_mutex_lock (&site->lock);
  while (site->change == GST_CLOCK_TIME_NONE)
    g_assert_true (g_cond_wait_until (&site->changed, &site->lock, deadline));
  change = site->change;
  g_mutex_unlock (&site->lock);
  return change;
}

/* The one that ends where the video changed. It is as long as any other when that was at the end of a segment. */
static Report
await_cut_report (Site *site)
{
  guint64 change = await_change (site);
  Report report;

  do
    report = await_report (site);
  while (report.stop < change);
  g_assert_cmpuint (report.stop, ==, change);
  return report;
}

/* At the end of the stream all its frames have been reported. */
static void
await_end (Site *site)
{
  guint64 reported = 0;

  for (;;) {
    g_autoptr (GstMessage) message = await (site, GST_MESSAGE_ELEMENT | GST_MESSAGE_EOS);

    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS)
      break;
    if (gst_message_has_name (message, "minivl"))
      reported = read_report (site, gst_message_get_structure (message)).stop;
  }
  g_assert_cmpuint (reported, ==, site->last_frame + FRAME);
}

/* What is still said of a connection that is gone is of no interest. */
static void
go_to_ready (Site *site)
{
  g_assert_cmpint (gst_element_set_state (site->pipeline, GST_STATE_READY), ==, GST_STATE_CHANGE_SUCCESS);
  gst_bus_set_flushing (site->bus, TRUE);
  gst_bus_set_flushing (site->bus, FALSE);
  site->last_frame = GST_CLOCK_TIME_NONE;
  g_array_set_size (site->frames, 0);
}

static void
assert_nothing_is_left (void)
{
  g_assert_cmpuint (fake_open_backends (), ==, 0);
  g_assert_cmpuint (fake_live_pictures (), ==, 0);
}

/* By GStreamer's tracer. What is registered for the process stays. */
static void
assert_no_object_is_left (void)
{
  GList *tracers = gst_tracing_get_active_tracers ();
  GstStructure *live = NULL;
  const GValue *list;

  gst_task_cleanup_all (); /* whose threads let go of their tasks a little later than they end */
  g_assert_cmpuint (g_list_length (tracers), ==, 1);
  g_signal_emit_by_name (tracers->data, "get-live-objects", &live);
  list = gst_structure_get_value (live, "live-objects-list");
  for (guint i = 0; i < gst_value_list_get_size (list); i++) {
    const GstStructure *s = gst_value_get_structure (gst_value_list_get_value (list, i));
    GValue *object = (GValue *)gst_structure_get_value (s, "object");

    if (!G_VALUE_HOLDS (object, GST_TYPE_ELEMENT_FACTORY)) {
      g_autofree gchar *text = gst_structure_to_string (s);

      g_error ("left: %s", text);
    }
    object->data[0].v_pointer = NULL; /* the tracer has put it there without a reference */
  }
  gst_structure_free (live);
  g_list_free_full (tracers, gst_object_unref);
}

static void
site_free (Site *site)
{
  g_assert_cmpint (gst_element_set_state (site->pipeline, GST_STATE_NULL), ==, GST_STATE_CHANGE_SUCCESS);
  gst_object_unref (site->bus);
  gst_object_unref (site->pipeline);
  g_array_unref (site->frames);
  camera_free (site->camera);
  g_mutex_clear (&site->lock);
  g_cond_clear (&site->changed);
  g_free (site);
  assert_nothing_is_left ();
  assert_no_object_is_left ();
}

/* --- the rules --------------------------------------------------------------------------------------------------------------- */

static void
test_times_are_those_of_rtp (void)
{
  Site *site = site_new (BY_RTP_TIME);

  for (guint i = 0; i < 3; i++) {
    Report report = await_report (site);

    g_assert_cmpuint (report.start, ==, i * DURATION);
    g_assert_cmpuint (report.stop, ==, (i + 1) * DURATION);
    g_assert_cmpuint (report.n_frames, ==, 2);
    g_assert_cmpuint (report.frames[0], ==, report.start + 2 * FRAME);
    g_assert_cmpuint (report.frames[1], ==, report.start + 7 * FRAME);
  }
  site_free (site);
}

static void
test_the_open_segment_is_reported_before_the_end (void)
{
  Site *site = site_new (BY_RTP_TIME);

  await_reports (site, 2);
  camera_break (site->camera);
  await_end (site);
  site_free (site);
}

static void
test_ready_and_back_describes_again (void)
{
  Site *site = site_new (BY_RTP_TIME);

  await_reports (site, 2);
  camera_unplug (site->camera);
  await_end (site);
  go_to_ready (site);
  assert_nothing_is_left ();

  gst_element_set_state (site->pipeline, GST_STATE_PLAYING);
  gst_message_unref (await (site, GST_MESSAGE_ERROR)); /* nobody is there */
  go_to_ready (site);
  camera_plug_in (site->camera);
  gst_element_set_state (site->pipeline, GST_STATE_PLAYING);
  g_assert_cmpuint (await_reports (site, 2).stop, ==, 2 * DURATION);
  site_free (site);
}

/* A sink that has had EOS takes nothing more before it was in READY or flushed, so whoever puts the source back alone keeps EOS
 * from it. */
static void
test_a_source_put_back_alone_ends_the_segment (void)
{
  Site *site = site_new ("");
  GstElement *src = get_element (site, "src");
  guint64 last_frame;
  Report report, next;

  watch (site, "depay", "sink", GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, take_eos);
  await_reports (site, 2);
  site->is_broken = TRUE;
  camera_break (site->camera);
  g_mutex_lock (&site->lock);
  while (site->ends == 0)
    g_cond_wait (&site->changed, &site->lock);
  last_frame = site->last_frame;
  g_mutex_unlock (&site->lock);
  gst_element_set_state (src, GST_STATE_NULL);
  gst_bus_post (site->bus, gst_message_new_application (NULL, gst_structure_new_empty ("back")));
  g_assert_true (gst_element_sync_state_with_parent (src));
  gst_object_unref (src);
  /* The last frame may lie in two segments, half a frame in front of the second one. Those behind the break begin with a frame. */
  next = await_report (site);
  do {
    report = next;
    next = await_report (site);
  } while (next.start % DURATION == 0);
  g_assert_cmpuint (report.stop, >, last_frame);
  g_assert_cmpuint (report.stop, <=, last_frame + FRAME);
  /* Time in the stream has gone on meanwhile. */
  g_assert_cmpuint (await_reports_behind (site, next, 2).start, >=, last_frame + 2 * DURATION);
  g_assert_cmpuint (fake_count (FAKE_OPEN), ==, 1);
  site_free (site);
}

static void
test_a_new_size_is_a_new_segment (void)
{
  Site *site = site_new (BY_RTP_TIME);
  guint width, height;
  guint8 rgb[3];
  Report cut;

  await_reports (site, 2);
  camera_set_size (site->camera, 96, 72);
  cut = await_cut_report (site);
  g_assert_cmpuint (await_reports (site, 2).start, ==, cut.stop + DURATION);
  fake_last_image (rgb, &width, &height);
  g_assert_cmpuint (width, ==, 96);
  g_assert_cmpuint (height, ==, 72);
  site_free (site);
}

static void
test_rtp_time_that_jumps_ends_the_segment (void)
{
  Site *site = site_new (BY_RTP_TIME);
  Report before, after;

  await_reports (site, 2);
  camera_jump (site->camera, 5000);
  before = await_cut_report (site);
  after = await_report (site);
  g_assert_cmpuint (after.start, ==, before.stop + 5 * GST_SECOND);
  await_reports (site, 2);
  site_free (site);
}

/* rtspsrc's own way: a clock that was set is one that goes on. */
static void
test_rtp_time_that_jumps_is_nothing_to_the_jitter_buffer (void)
{
  Site *site = site_new ("");

  await_reports (site, 2);
  camera_jump (site->camera, 5000);
  while (g_atomic_int_get (&site->steps) < 1)
    await_reports (site, 1);
  camera_jump (site->camera, -3600 * 1000);
  while (g_atomic_int_get (&site->steps) < 2)
    await_reports (site, 1);
  await_reports (site, 2);
  site_free (site);
}

int
main (int argc, char **argv)
{
  g_setenv ("GST_TRACERS", "leaks", TRUE);
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));

#define RULE(name) g_test_add_func ("/rtsp/" #name, test_##name)
  RULE (times_are_those_of_rtp);
  RULE (the_open_segment_is_reported_before_the_end);
  RULE (ready_and_back_describes_again);
  RULE (a_source_put_back_alone_ends_the_segment);
  RULE (a_new_size_is_a_new_segment);
  RULE (rtp_time_that_jumps_ends_the_segment);
  RULE (rtp_time_that_jumps_is_nothing_to_the_jitter_buffer);
#undef RULE
  return g_test_run ();
}

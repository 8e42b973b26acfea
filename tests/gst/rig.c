#include "rig.h"

#include "gst/element/gstminivl.h"
#include "gst/results/result.h"

#include <string.h>

#define PATIENCE (120 * GST_SECOND)

static Rig *
make (const gchar *factory, const gchar *properties, gboolean live)
{
  g_autofree gchar *line = g_strdup_printf (
      "%s name=m model-path=/fake segment-duration=1000000000 num-segments=2 %s", factory, properties != NULL ? properties : "");
  Rig *rig = g_new0 (Rig, 1);

  fake_reset ();
  rig->element = gst_parse_launch (line, NULL);
  g_assert_nonnull (rig->element);
  gst_object_ref_sink (rig->element);
  rig->bus = gst_bus_new ();
  gst_element_set_bus (rig->element, rig->bus);
  rig->video = gst_harness_new_with_element (rig->element, "sink", "src");
  gst_harness_set_live (rig->video, live);
  rig_set_caps (rig, "RGB", 8, 4, 10, 1);
  return rig;
}

Rig *
rig_new (const gchar *properties)
{
  return make ("minivl", properties, FALSE);
}

Rig *
rig_new_of (const gchar *factory, const gchar *properties)
{
  return make (factory, properties, FALSE);
}

Rig *
rig_new_live (const gchar *properties)
{
  return make ("minivl", properties, TRUE);
}

Rig *
rig_new_overlay (const gchar *properties, gboolean live)
{
  return make ("minivloverlay", properties, live);
}

void
rig_free (Rig *rig)
{
  if (rig->pusher != NULL)
    g_thread_join (rig->pusher);
  gst_element_set_state (rig->element, GST_STATE_NULL);
  gst_element_set_bus (rig->element, NULL);
  if (rig->text != NULL)
    gst_harness_teardown (rig->text);
  gst_harness_teardown (rig->video);
  gst_object_unref (rig->bus);
  gst_object_unref (rig->element);
  g_free (rig);
  g_assert_cmpuint (fake_open_backends (), ==, 0);
  g_assert_cmpuint (fake_live_pictures (), ==, 0);
}

void
rig_add_text (Rig *rig, const gchar *caps)
{
  rig->text = gst_harness_new_with_element (rig->element, NULL, "text_src");
  if (caps != NULL)
    gst_harness_set_sink_caps_str (rig->text, caps);
}

void
rig_set_caps (Rig *rig, const gchar *format, guint width, guint height, guint fps_n, guint fps_d)
{
  GstCaps *caps = gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING, format, "width", G_TYPE_INT, width, "height",
      G_TYPE_INT, height, "framerate", GST_TYPE_FRACTION, fps_n, fps_d, NULL);

  rig->width = width;
  rig->height = height;
  rig->fps_n = fps_n;
  rig->fps_d = fps_d;
  gst_harness_set_src_caps (rig->video, caps);
}

GstBuffer *
rig_frame (Rig *rig, guint number)
{
  gsize stride = GST_ROUND_UP_4 (3 * rig->width);
  GstBuffer *buffer = gst_buffer_new_and_alloc (stride * rig->height);
  GstMapInfo map;

  gst_buffer_map (buffer, &map, GST_MAP_WRITE);
  for (gsize i = 0; i < map.size; i++)
    map.data[i] = (guint8)(number >> 8 * (i % stride % 3));
  gst_buffer_unmap (buffer, &map);
  if (rig->fps_n > 0) {
    GST_BUFFER_PTS (buffer) = gst_util_uint64_scale (number, GST_SECOND * rig->fps_d, rig->fps_n);
    GST_BUFFER_DURATION (buffer) =
        gst_util_uint64_scale (number + 1, GST_SECOND * rig->fps_d, rig->fps_n) - GST_BUFFER_PTS (buffer);
  }
  return buffer;
}

guint
rig_frame_of (const guint8 *rgb)
{
  return rgb[0] | rgb[1] << 8 | rgb[2] << 16;
}

void
rig_push (Rig *rig, guint from, guint to)
{
  for (guint i = from; i < to; i++)
    g_assert_cmpint (gst_harness_push (rig->video, rig_frame (rig, i)), ==, GST_FLOW_OK);
}

static void
note_freed (gpointer freed, GstMiniObject *frame)
{
  g_async_queue_push (freed, frame);
}

void
rig_push_watched (Rig *rig, GstBuffer *frame, GAsyncQueue *freed)
{
  gst_mini_object_weak_ref (GST_MINI_OBJECT (frame), note_freed, freed);
  g_assert_cmpint (gst_harness_push (rig->video, frame), ==, GST_FLOW_OK);
  gst_buffer_unref (gst_harness_pull (rig->video));
}

void
rig_await_freed (GAsyncQueue *freed, guint n)
{
  for (guint i = 0; i < n; i++)
    g_assert_nonnull (g_async_queue_timeout_pop (freed, PATIENCE / 1000));
}

static gpointer
push_all (gpointer data)
{
  Rig *rig = data;

  for (guint i = rig->from; i < rig->to && rig->flow == GST_FLOW_OK; i++)
    rig->flow = gst_harness_push (rig->video, rig_frame (rig, i));
  if (rig->flow == GST_FLOW_OK)
    gst_harness_push_event (rig->video, gst_event_new_eos ());
  return NULL;
}

void
rig_push_in_thread (Rig *rig, guint from, guint to)
{
  rig->from = from;
  rig->to = to;
  rig->flow = GST_FLOW_OK;
  rig->pusher = g_thread_new ("pusher", push_all, rig);
}

GstFlowReturn
rig_join (Rig *rig)
{
  g_thread_join (g_steal_pointer (&rig->pusher));
  return rig->flow;
}

void
rig_eos (Rig *rig)
{
  g_assert_true (gst_harness_push_event (rig->video, gst_event_new_eos ()));
}

GstMessage *
rig_await_message (Rig *rig, GstMessageType types)
{
  GstMessage *message = gst_bus_timed_pop_filtered (rig->bus, PATIENCE, types);

  g_assert_nonnull (message);
  return message;
}

GstStructure *
rig_await_result (Rig *rig)
{
  for (;;) {
    g_autoptr (GstMessage) message = rig_await_message (rig, GST_MESSAGE_ELEMENT);

    if (gst_message_has_name (message, "minivl"))
      return gst_structure_copy (gst_message_get_structure (message));
  }
}

guint64
rig_uint64 (const GstStructure *s, const gchar *field)
{
  guint64 value;

  g_assert_true (gst_structure_get_uint64 (s, field, &value));
  return value;
}

void
rig_assert_result (Rig *rig, guint64 id, guint start_ms, guint stop_ms, const gchar *finish_reason)
{
  g_autoptr (GstStructure) s = rig_await_result (rig);

  g_assert_cmpuint (rig_uint64 (s, "id"), ==, id);
  g_assert_cmpuint (rig_uint64 (s, "segment_start"), ==, start_ms * GST_MSECOND);
  g_assert_cmpuint (rig_uint64 (s, "segment_stop"), ==, stop_ms * GST_MSECOND);
  g_assert_cmpstr (gst_structure_get_string (s, "finish_reason"), ==, finish_reason);
}

void
rig_assert_no_result (Rig *rig)
{
  GstMessage *message;

  while ((message = gst_bus_pop_filtered (rig->bus, GST_MESSAGE_ELEMENT)) != NULL) {
    g_assert_false (gst_message_has_name (message, "minivl"));
    gst_message_unref (message);
  }
}

gchar *
rig_pull_text (Rig *rig)
{
  g_autoptr (GstBuffer) buffer = gst_harness_pull (rig->text);
  gchar *text;
  gsize size;

  g_assert_nonnull (buffer);
  size = gst_buffer_get_size (buffer);
  text = g_malloc0 (size + 1);
  gst_buffer_extract (buffer, 0, text, size);
  g_assert_cmpuint (strlen (text), ==, size); /* no final NUL within */
  return text;
}

JsonObject *
rig_pull_json (Rig *rig)
{
  g_autofree gchar *line = rig_pull_text (rig);
  g_autoptr (JsonNode) node = json_from_string (line, NULL);

  g_assert_true (g_str_has_suffix (line, "}\n"));
  g_assert_nonnull (node);
  return json_object_ref (json_node_get_object (node));
}

GstEvent *
rig_await_text_event (Rig *rig, GstEventType type)
{
  for (;;) {
    g_autoptr (GstEvent) event = gst_harness_pull_event (rig->text);

    g_assert_nonnull (event);
    if (GST_EVENT_TYPE (event) == type)
      return g_steal_pointer (&event);
  }
}

void
rig_await_text_lost (Rig *rig, guint64 lost)
{
  gint64 end = g_get_monotonic_time () + PATIENCE / 1000;
  guint64 now;

  do {
    g_autoptr (GstStructure) stats = NULL;

    g_object_get (rig->element, "stats", &stats, NULL);
    now = rig_uint64 (stats, "text_lost");
  } while (now < lost && g_get_monotonic_time () < end);
  g_assert_cmpuint (now, ==, lost);
}

void
rig_push_segment (Rig *rig, guint64 start, guint64 time, guint64 base)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = segment.position = start;
  segment.time = time;
  segment.base = base;
  g_assert_true (gst_harness_push_event (rig->video, gst_event_new_segment (&segment)));
}

void
rig_assert_error (GstMessage *message, const gchar *part)
{
  g_autoptr (GError) error = NULL;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &error, NULL);
  else
    gst_message_parse_warning (message, &error, NULL);
  g_assert_nonnull (strstr (error->message, part));
}

void
rig_assert_frames (guint question, ...)
{
  const FakeQuestion *q = fake_question (question);
  guint number, n = 0;
  va_list args;

  va_start (args, question);
  while ((number = va_arg (args, guint)) != G_MAXUINT) {
    g_assert_cmpuint (n, <, q->n_pictures);
    g_assert_cmpuint (q->frames[n++], ==, number);
  }
  va_end (args);
  g_assert_cmpuint (n, ==, q->n_pictures);
}

void
rig_push_second (Rig *rig, guint n)
{
  rig_push (rig, n == 0 ? 0 : 10 * n + 1, 10 * n + 11);
}

GstStructure *
rig_await_kind (Rig *rig, const gchar *kind, guint start_ms, guint stop_ms, const gchar *finish_reason)
{
  GstStructure *s = rig_await_result (rig);

  g_assert_cmpstr (gst_structure_get_string (s, "kind"), ==, kind);
  g_assert_cmpuint (rig_uint64 (s, "segment_start"), ==, start_ms * GST_MSECOND);
  g_assert_cmpuint (rig_uint64 (s, "segment_stop"), ==, stop_ms * GST_MSECOND);
  g_assert_cmpstr (gst_structure_get_string (s, "finish_reason"), ==, finish_reason);
  return s;
}

void
rig_await_second (Rig *rig, guint n, const gchar *finish_reason)
{
  gst_structure_free (rig_await_kind (rig, "segment", 1000 * n, 1000 * (n + 1), finish_reason));
}

void
rig_await_summary (Rig *rig, guint start_ms, guint stop_ms, const gchar *lines)
{
  g_autoptr (GstStructure) s = rig_await_kind (rig, "summary", start_ms, stop_ms, "stop");
  g_autofree gchar *prompt = g_strconcat ("Sum up what happened.\n", lines, NULL);

  g_assert_cmpstr (gst_structure_get_string (s, "prompt"), ==, prompt);
}

void
rig_await_warning (Rig *rig, const gchar *part)
{
  g_autoptr (GstMessage) message = rig_await_message (rig, GST_MESSAGE_WARNING);

  rig_assert_error (message, part);
}

void
rig_assert_no_warning (Rig *rig)
{
  g_autoptr (GstMessage) message = gst_bus_pop_filtered (rig->bus, GST_MESSAGE_WARNING | GST_MESSAGE_ERROR);

  g_assert_null (message);
}

GstPadProbeReturn
rig_count (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  RigCounter *counter = data;

  g_mutex_lock (&counter->lock);
  counter->passed++;
  g_cond_signal (&counter->changed);
  g_mutex_unlock (&counter->lock);
  return GST_PAD_PROBE_OK;
}

void
rig_await_passed (RigCounter *counter, guint passed)
{
  g_mutex_lock (&counter->lock);
  while (counter->passed < passed)
    g_cond_wait (&counter->changed, &counter->lock);
  g_assert_cmpuint (counter->passed, ==, passed);
  g_mutex_unlock (&counter->lock);
}

GstPadProbeReturn
rig_block (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  return GST_PAD_PROBE_OK;
}

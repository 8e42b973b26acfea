/* What the element does about what is behind text_src: a branch that refuses, one that goes away, one that comes, and none. */
#include "gst/element/gstminivl.h"
#include "pipeline.h"
#include "rig.h"

#include <string.h>

#define PATIENCE (60 * GST_SECOND)

/* Somebody behind text_src who answers what he is told to. */
typedef struct
{
  GstPad *pad;
  GMutex lock;
  GCond changed;
  GstFlowReturn answer;
  gboolean holds; /* a text until branch_let_go() */
  guint texts;    /* that have come */
  guint ids[16];  /* of those taken */
  guint n_taken;
  GString *events;   /* that have come, each with a space behind it; of GAPs one in a row */
  GstElement *owner; /* (nullable): releases the pad on the first text */
} Branch;

static guint
id_of (GstBuffer *buffer)
{
  GstMapInfo map;
  guint id = 0;

  gst_buffer_map (buffer, &map, GST_MAP_READ);
  g_assert_cmpuint (map.size, >, strlen ("{\"id\":1}"));
  id = (guint)g_ascii_strtoull ((const gchar *)map.data + strlen ("{\"id\":"), NULL, 10);
  gst_buffer_unmap (buffer, &map);
  return id;
}

static GstFlowReturn
on_text (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  Branch *branch = gst_pad_get_element_private (pad);
  g_autoptr (GstPad) peer = gst_pad_get_peer (pad);
  GstFlowReturn answer;

  if (branch->owner != NULL)
    gst_element_release_request_pad (branch->owner, peer);
  g_mutex_lock (&branch->lock);
  branch->texts++;
  if (branch->answer == GST_FLOW_OK)
    branch->ids[branch->n_taken++] = id_of (buffer);
  g_cond_broadcast (&branch->changed);
  while (branch->holds)
    g_cond_wait (&branch->changed, &branch->lock);
  answer = branch->answer;
  g_mutex_unlock (&branch->lock);
  gst_buffer_unref (buffer);
  return answer;
}

static gboolean
on_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  Branch *branch = gst_pad_get_element_private (pad);

  g_mutex_lock (&branch->lock);
  if (GST_EVENT_TYPE (event) != GST_EVENT_GAP || !g_str_has_suffix (branch->events->str, "gap "))
    g_string_append_printf (branch->events, "%s ", GST_EVENT_TYPE_NAME (event));
  g_cond_broadcast (&branch->changed);
  g_mutex_unlock (&branch->lock);
  gst_event_unref (event);
  return TRUE;
}

static void
branch_link (Branch *branch, Rig *rig)
{
  g_autoptr (GstPad) src = gst_element_get_static_pad (rig->element, "text_src");

  if (src == NULL)
    src = gst_element_request_pad_simple (rig->element, "text_src");
  g_assert_cmpint (gst_pad_link (src, branch->pad), ==, GST_PAD_LINK_OK);
}

static Branch *
branch_new (Rig *rig, GstFlowReturn answer)
{
  Branch *branch = g_new0 (Branch, 1);

  branch->pad = gst_object_ref_sink (gst_pad_new ("sink", GST_PAD_SINK));
  branch->answer = answer;
  branch->events = g_string_new (NULL);
  gst_pad_set_element_private (branch->pad, branch);
  gst_pad_set_chain_function (branch->pad, on_text);
  gst_pad_set_event_function (branch->pad, on_event);
  gst_pad_set_active (branch->pad, TRUE);
  branch_link (branch, rig);
  return branch;
}

static void
branch_unlink (Branch *branch)
{
  g_autoptr (GstPad) src = gst_pad_get_peer (branch->pad);

  g_assert_true (gst_pad_unlink (src, branch->pad));
}

static void
branch_free (Branch *branch)
{
  gst_pad_set_active (branch->pad, FALSE);
  gst_object_unref (branch->pad);
  g_string_free (branch->events, TRUE);
  g_free (branch);
}

static void
branch_let_go (Branch *branch)
{
  g_mutex_lock (&branch->lock);
  branch->holds = FALSE;
  g_cond_broadcast (&branch->changed);
  g_mutex_unlock (&branch->lock);
}

static void
branch_await_event (Branch *branch, const gchar *name)
{
  g_autofree gchar *event = g_strconcat (name, " ", NULL);

  g_mutex_lock (&branch->lock);
  while (strstr (branch->events->str, event) == NULL)
    g_cond_wait (&branch->changed, &branch->lock);
  g_mutex_unlock (&branch->lock);
}

static void
branch_await_texts (Branch *branch, guint texts)
{
  g_mutex_lock (&branch->lock);
  while (branch->texts < texts)
    g_cond_wait (&branch->changed, &branch->lock);
  g_mutex_unlock (&branch->lock);
}

/* The events begin with these. */
static void
branch_assert_events (Branch *branch, const gchar *events)
{
  g_mutex_lock (&branch->lock);
  if (!g_str_has_prefix (branch->events->str, events))
    g_assert_cmpstr (branch->events->str, ==, events);
  g_mutex_unlock (&branch->lock);
}

/* --- what a branch answers --------------------------------------------------------------------------------------------------- */

static void
assert_flow_error (Rig *rig, GstFlowReturn flow)
{
  g_autoptr (GstMessage) message = rig_await_message (rig, GST_MESSAGE_ERROR);
  g_autoptr (GError) error = NULL;
  g_autofree gchar *debug = NULL;
  const GstStructure *details;
  gint told;

  gst_message_parse_error (message, &error, &debug);
  gst_message_parse_error_details (message, &details);
  g_assert_true (GST_MESSAGE_SRC (message) == GST_OBJECT (rig->element));
  g_assert_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED);
  g_assert_true (gst_structure_get_int (details, "flow-return", &told));
  g_assert_cmpint (told, ==, flow);
  g_assert_nonnull (strstr (debug, gst_flow_get_name (flow)));
}

static void
test_a_refusal_is_an_error (void)
{
  static const GstFlowReturn flows[] = { GST_FLOW_NOT_NEGOTIATED, GST_FLOW_ERROR, GST_FLOW_NOT_SUPPORTED, GST_FLOW_CUSTOM_ERROR };

  for (guint i = 0; i < G_N_ELEMENTS (flows); i++) {
    Rig *rig = rig_new (NULL);
    Branch *branch = branch_new (rig, flows[i]);

    rig_push (rig, 0, 31);
    assert_flow_error (rig, flows[i]);
    rig_eos (rig);
    rig_await_text_lost (rig, 4);
    branch_await_event (branch, "eos");
    g_assert_cmpuint (branch->texts, ==, 1); /* nothing more is tried, */
    rig_assert_no_warning (rig);             /* and the error is told once */
    rig_free (rig);
    branch_free (branch);
  }
}

/* Who says that he wants no more, or is being stopped, is no error. EOS comes all the same: it is what a pipeline ends by. */
static void
test_who_wants_no_more_has_eos (void)
{
  static const GstFlowReturn flows[] = { GST_FLOW_EOS, GST_FLOW_FLUSHING, GST_FLOW_NOT_LINKED };

  for (guint i = 0; i < G_N_ELEMENTS (flows); i++) {
    Rig *rig = rig_new (NULL);
    Branch *branch = branch_new (rig, flows[i]);
    g_autoptr (GstMessage) told = NULL;

    rig_push (rig, 0, 31);
    rig_eos (rig);
    rig_await_text_lost (rig, 4);
    branch_await_event (branch, "eos");
    told = rig_await_message (rig, GST_MESSAGE_WARNING | GST_MESSAGE_ERROR);
    g_assert_cmpint (GST_MESSAGE_TYPE (told), ==, GST_MESSAGE_WARNING);
    rig_assert_error (told, "Results are lost on text_src");
    rig_assert_no_warning (rig); /* only once */
    rig_free (rig);
    branch_free (branch);
  }
}

/* Also when no text is there that could be refused, and may not be for an hour. */
static void
test_caps_that_are_refused_are_an_error (void)
{
  Rig *rig = rig_new ("segment-duration=3600000000000");

  rig_add_text (rig, "text/x-raw");
  rig_push (rig, 0, 1);
  gst_event_unref (rig_await_text_event (rig, GST_EVENT_GAP));
  gst_harness_set_sink_caps_str (rig->text, "video/x-raw");
  rig_push (rig, 1, 2);
  assert_flow_error (rig, GST_FLOW_NOT_NEGOTIATED);
  rig_push (rig, 2, 4);
  rig_assert_no_warning (rig);
  gst_harness_set_sink_caps_str (rig->text, "application/x-json");
  rig_push (rig, 4, 5);
  rig_eos (rig);
  json_object_unref (rig_pull_json (rig)); /* somebody has put it right */
  rig_free (rig);
}

/* --- another branch ---------------------------------------------------------------------------------------------------------- */

/* As applications exchange a sink: the old one is stopped first, or unlinked first. */
static void
test_an_exchanged_sink_has_what_follows (void)
{
  for (guint i = 0; i < 2; i++) {
    Rig *rig = rig_new (NULL);
    Branch *old = branch_new (rig, GST_FLOW_OK), *new;

    rig_push_second (rig, 0);
    branch_await_texts (old, 1);
    if (i == 0)
      gst_pad_set_active (old->pad, FALSE);
    else
      branch_unlink (old);
    rig_push_second (rig, 1);
    rig_await_text_lost (rig, 1);
    if (i == 0)
      branch_unlink (old);
    new = branch_new (rig, GST_FLOW_OK);
    rig_push_second (rig, 2);
    branch_await_texts (new, 1);
    branch_assert_events (new, "stream-start caps segment ");
    g_assert_cmpuint (new->ids[0], ==, 3);
    rig_eos (rig);
    branch_await_event (new, "eos");
    rig_await_text_lost (rig, 1);
    rig_free (rig);
    branch_free (old);
    branch_free (new);
  }
}

static void
test_a_sink_behind_a_refusal_has_what_follows (void)
{
  Rig *rig = rig_new (NULL);
  Branch *old = branch_new (rig, GST_FLOW_ERROR), *new;

  rig_push_second (rig, 0);
  assert_flow_error (rig, GST_FLOW_ERROR);
  branch_unlink (old);
  new = branch_new (rig, GST_FLOW_NOT_NEGOTIATED);
  rig_push_second (rig, 1);
  assert_flow_error (rig, GST_FLOW_NOT_NEGOTIATED); /* his own */
  new->answer = GST_FLOW_OK;
  branch_unlink (new);
  branch_link (new, rig);
  rig_push_second (rig, 2);
  branch_await_texts (new, 2);
  g_assert_cmpuint (new->ids[0], ==, 3);
  rig_free (rig);
  branch_free (old);
  branch_free (new);
}

/* Nothing comes any more that could bring it. */
static void
test_a_sink_that_comes_after_eos_has_eos (void)
{
  for (guint i = 0; i < 3; i++) {
    Rig *rig = rig_new (NULL);
    Branch *old = i < 2 ? branch_new (rig, GST_FLOW_OK) : NULL, *new;

    if (i == 1)
      branch_unlink (old);
    rig_push_second (rig, 0);
    rig_eos (rig);
    if (i == 0) {
      branch_await_event (old, "eos");
      branch_unlink (old);
    } else if (i == 1) {
      rig_await_text_lost (rig, 2); /* the second one is of the frame that told that the first second is over */
    }
    new = branch_new (rig, GST_FLOW_OK);
    branch_await_event (new, "eos");
    branch_assert_events (new, "stream-start caps segment ");
    g_assert_cmpuint (new->texts, ==, 0);
    rig_free (rig);
    g_clear_pointer (&old, branch_free);
    branch_free (new);
  }
}

static gpointer
send_eos (gpointer rig)
{
  rig_eos (rig);
  return NULL;
}

static void
test_a_pad_that_comes_while_answers_are_waited_for_has_eos (void)
{
  Rig *rig = rig_new (NULL);
  Branch *branch;
  GThread *thread;

  fake_hold (FAKE_ASK);
  rig_push (rig, 0, 5);
  thread = g_thread_new ("eos", send_eos, rig);
  fake_await (FAKE_ASK, 1);
  branch = branch_new (rig, GST_FLOW_OK);
  fake_release_all (FAKE_ASK);
  branch_await_event (branch, "eos");
  g_thread_join (thread);
  g_assert_cmpuint (branch->texts, ==, 1);
  rig_free (rig);
  branch_free (branch);
}

/* The next stream is not over because the last one was. */
static void
test_a_pad_of_the_next_stream_has_no_eos_of_the_last (void)
{
  Rig *rig = rig_new (NULL);
  Branch *branch;

  rig_push (rig, 0, 5);
  rig_eos (rig);
  gst_harness_push_event (rig->video, gst_event_new_flush_start ());
  gst_harness_push_event (rig->video, gst_event_new_flush_stop (TRUE));
  rig_push_segment (rig, 0, 0, 0);
  branch = branch_new (rig, GST_FLOW_OK);
  rig_push_second (rig, 0);
  branch_await_texts (branch, 1);
  branch_assert_events (branch, "stream-start caps segment "); /* a GAP comes in front of the text, or is not needed any more */
  g_mutex_lock (&branch->lock);
  g_assert_null (strstr (branch->events->str, "eos"));
  g_mutex_unlock (&branch->lock);
  rig_free (rig);
  branch_free (branch);
}

/* A sink that is exchanged while the video stands still has to preroll. */
static void
test_a_sink_that_comes_while_the_video_is_held_up_prerolls (void)
{
  for (guint i = 0; i < 2; i++) {
    Rig *rig = rig_new (i == 0 ? NULL : "text-timestamp=segment");
    g_autoptr (GstPad) src = gst_element_get_static_pad (rig->element, "src");
    Branch *old = branch_new (rig, GST_FLOW_OK), *new;
    gulong probe;

    rig_push_second (rig, 0);
    branch_await_texts (old, 1);
    probe = gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM, rig_block, NULL, NULL);
    rig_push_in_thread (rig, 11, 12);
    branch_unlink (old);
    new = branch_new (rig, GST_FLOW_OK);
    branch_await_event (new, "gap");
    branch_assert_events (new, "stream-start caps segment gap ");
    gst_pad_remove_probe (src, probe);
    g_assert_cmpint (rig_join (rig), ==, GST_FLOW_OK);
    rig_free (rig);
    branch_free (old);
    branch_free (new);
  }
}

/* --- no branch any more ------------------------------------------------------------------------------------------------------ */

static void
note_gone (gpointer gone, GObject *pad)
{
  g_async_queue_push (gone, GINT_TO_POINTER (1));
}

static void
test_a_pad_is_released_whatever_its_branch_does (void)
{
  Rig *rig = rig_new (NULL);
  Branch *branch = branch_new (rig, GST_FLOW_OK), *next;
  GstPad *pad = gst_element_get_static_pad (rig->element, "text_src");
  g_autoptr (GAsyncQueue) gone = g_async_queue_new ();

  g_object_weak_ref (G_OBJECT (pad), note_gone, gone);
  branch->holds = TRUE;
  rig_push_second (rig, 0);
  branch_await_texts (branch, 1);
  rig_push_second (rig, 1);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_result (rig, 2, 1000, 2000, "stop");
  gst_element_release_request_pad (rig->element, pad);
  gst_object_unref (pad);
  rig_await_text_lost (rig, 1); /* the one that waited */
  g_assert_cmpuint (g_async_queue_length (gone), ==, 0);

  next = branch_new (rig, GST_FLOW_OK); /* while that one is still stuck */
  rig_push_second (rig, 2);
  branch_await_texts (next, 1);
  g_assert_cmpuint (next->ids[0], ==, 3);
  branch_let_go (branch);
  g_assert_nonnull (g_async_queue_pop (gone)); /* of itself */
  g_assert_cmpuint (branch->texts, ==, 1);
  rig_free (rig);
  branch_free (branch);
  branch_free (next);
}

/* By what it has heard, as a handler of fakesink's handoff would. */
static void
test_a_branch_may_release_its_own_pad (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GAsyncQueue) gone = g_async_queue_new ();
  Branch *branch;
  GstPad *pad;

  /* Messages of the pad's task hold it. There is no task yet: one that is being posted already would come behind the flush. */
  gst_bus_set_flushing (rig->bus, TRUE);
  branch = branch_new (rig, GST_FLOW_OK);
  pad = gst_element_get_static_pad (rig->element, "text_src");
  g_object_weak_ref (G_OBJECT (pad), note_gone, gone);
  gst_object_unref (pad);
  branch->owner = rig->element;
  rig_push_second (rig, 0);
  g_assert_nonnull (g_async_queue_pop (gone));
  rig_push_second (rig, 1);
  g_assert_cmpuint (branch->texts, ==, 1);
  rig_free (rig);
  branch_free (branch);
}

/* --- what upstream says ------------------------------------------------------------------------------------------------------ */

/* The end of the next GAP. */
static guint64
await_gap (Rig *rig, guint64 *start)
{
  g_autoptr (GstEvent) event = rig_await_text_event (rig, GST_EVENT_GAP);
  GstClockTime duration;

  gst_event_parse_gap (event, start, &duration);
  return *start + duration;
}

static void
test_a_gap_is_progress_of_the_text (void)
{
  static const gchar *const cases[] = { NULL, "text-timestamp=segment" };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Rig *rig = rig_new (cases[i]);
    guint64 start;

    rig_add_text (rig, NULL);
    g_assert_true (gst_harness_push_event (rig->video, gst_event_new_gap (0, 2 * GST_SECOND)));
    g_assert_cmpuint (await_gap (rig, &start), ==, 2 * GST_SECOND);
    g_assert_cmpuint (start, ==, 0);
    g_assert_true (gst_harness_push_event (rig->video, gst_event_new_gap (5 * GST_SECOND, GST_CLOCK_TIME_NONE)));
    g_assert_cmpuint (await_gap (rig, &start), ==, 5 * GST_SECOND + 1);
    g_assert_cmpuint (start, ==, 2 * GST_SECOND);
    rig_push (rig, 60, 71);
    gst_buffer_unref (gst_harness_pull (rig->text));
    rig_free (rig);
  }
}

static gpointer
push_gap (gpointer source)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string ("video/x-raw,format=RGB,width=8,height=4,framerate=10/1");
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (source, gst_event_new_stream_start ("stream"));
  gst_pad_push_event (source, gst_event_new_caps (caps));
  gst_pad_push_event (source, gst_event_new_segment (&segment));
  gst_pad_push_event (source, gst_event_new_gap (0, 2 * GST_SECOND)); /* until the pipeline is stopped */
  return NULL;
}

/* A video that begins with nothing to show: both sinks preroll. */
static void
test_a_gap_prerolls (void)
{
  GstElement *pipeline = pipeline_new ("minivl name=m model-path=/fake ! fakesink m.text_src ! fakesink");
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (pipeline), "m");
  g_autoptr (GstPad) source = gst_object_ref_sink (gst_pad_new ("src", GST_PAD_SRC));
  g_autoptr (GstPad) sink = gst_element_get_static_pad (element, "sink");
  GThread *thread;

  gst_pad_set_active (source, TRUE);
  g_assert_cmpint (gst_pad_link (source, sink), ==, GST_PAD_LINK_OK);
  gst_element_set_state (pipeline, GST_STATE_PAUSED);
  thread = g_thread_new ("gap", push_gap, source);
  g_assert_cmpint (gst_element_get_state (pipeline, NULL, NULL, PATIENCE), ==, GST_STATE_CHANGE_SUCCESS);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  g_thread_join (thread);
  pipeline_free (pipeline);
  fake_finish ();
}

static void
test_a_rate_that_changes_at_once_is_told (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstEvent) early = NULL, late = NULL;
  gdouble multiplier;
  GstPad *pad;

  rig_add_text (rig, NULL);
  rig_push (rig, 0, 1);
  g_assert_true (gst_harness_push_event (rig->video, gst_event_new_instant_rate_change (2.0, GST_SEGMENT_FLAG_NONE)));
  early = rig_await_text_event (rig, GST_EVENT_INSTANT_RATE_CHANGE);
  gst_event_parse_instant_rate_change (early, &multiplier, NULL);
  g_assert_cmpfloat (multiplier, ==, 2.0);

  pad = gst_element_get_static_pad (rig->element, "text_src");
  gst_element_release_request_pad (rig->element, pad);
  gst_object_unref (pad);
  gst_harness_teardown (rig->text);
  rig_add_text (rig, NULL);
  rig_push (rig, 1, 2);
  late = rig_await_text_event (rig, GST_EVENT_INSTANT_RATE_CHANGE); /* by who comes later, too */
  rig_free (rig);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  fake_reset ();
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));

#define RULE(name) g_test_add_func ("/branch/" #name, test_##name)
  RULE (a_refusal_is_an_error);
  RULE (who_wants_no_more_has_eos);
  RULE (caps_that_are_refused_are_an_error);
  RULE (an_exchanged_sink_has_what_follows);
  RULE (a_sink_behind_a_refusal_has_what_follows);
  RULE (a_sink_that_comes_after_eos_has_eos);
  RULE (a_pad_that_comes_while_answers_are_waited_for_has_eos);
  RULE (a_pad_of_the_next_stream_has_no_eos_of_the_last);
  RULE (a_sink_that_comes_while_the_video_is_held_up_prerolls);
  RULE (a_pad_is_released_whatever_its_branch_does);
  RULE (a_branch_may_release_its_own_pad);
  RULE (a_gap_is_progress_of_the_text);
  RULE (a_gap_prerolls);
  RULE (a_rate_that_changes_at_once_is_told);
#undef RULE
  return g_test_run ();
}

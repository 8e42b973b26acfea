/* When the element says that a queue is missing behind it, and that the queue it names is enough. */
#include "gst/element/gstminivl.h"
#include "pipeline.h"
#include "rig.h"

#include <string.h>

#define VIDEO "video/x-raw,format=I420,width=64,height=48,framerate=10/1"

/* Where the text is held up, too, and cannot tell. */
static void
test_a_missing_queue_is_named_though_the_text_is_held_up (void)
{
  Rig *rig = rig_new ("text-timestamp=segment");
  g_autoptr (GstPad) video = gst_element_get_static_pad (rig->element, "src"), text = NULL;
  gulong holds_video, holds_text;

  rig_add_text (rig, NULL);
  text = gst_element_get_static_pad (rig->element, "text_src");
  rig_push (rig, 0, 1);
  holds_video = gst_pad_add_probe (video, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM, rig_block, NULL, NULL);
  holds_text = gst_pad_add_probe (text, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM, rig_block, NULL, NULL);
  rig_push_in_thread (rig, 1, 2);
  rig_await_warning (rig, "queue of at least two segments");
  gst_pad_remove_probe (text, holds_text);
  gst_pad_remove_probe (video, holds_video);
  g_assert_cmpint (rig_join (rig), ==, GST_FLOW_OK);
  rig_free (rig);
}

/* With texts of the moment, too, where something waits for one of the two with the other. */
static void
test_a_missing_queue_is_named_for_texts_of_the_moment (void)
{
  GstElement *pipeline = pipeline_new ("concat name=c ! fakesink videotestsrc ! " VIDEO
                                       " ! minivl name=m model-path=/fake segment-duration=2000000000 m.text_src ! c.sink_0 "
                                       "m.src ! identity drop-allocation=true ! queue max-size-time=500000000 ! c.sink_1");
  g_autoptr (GstMessage) warning = NULL;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  warning = pipeline_await (pipeline, GST_MESSAGE_WARNING);
  rig_assert_error (warning, "max-size-time=4200000000");
  pipeline_free (pipeline);
  fake_finish ();
}

#define MUXED                                                                                                                      \
  "videotestsrc num-buffers=100 ! " VIDEO                                                                                          \
  " ! minivl name=m model-path=/fake segment-duration=2000000000 text-timestamp=%s m.src ! "                                       \
  "queue max-size-buffers=0 max-size-bytes=0 max-size-time=%s ! jpegenc ! %s name=x ! fakesink "                                   \
  "m.text_src ! text/x-raw,format=utf8 ! queue ! x."

/* What the warning says is tried: mp4mux, which has no JPEG, is a qtmux. */
static void
test_the_queue_that_is_named_is_enough (void)
{
  GstElement *pipeline = pipeline_new (MUXED, "segment", "1000000000", "qtmux");
  static const gchar *const times[] = { "segment", "now" }, *const muxers[] = { "qtmux", "matroskamux" };
  g_autoptr (GstMessage) warning = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree gchar *named = NULL;
  const gchar *figure;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  warning = pipeline_await (pipeline, GST_MESSAGE_WARNING);
  gst_message_parse_warning (warning, &error, NULL);
  figure = strstr (error->message, "max-size-time=");
  g_assert_nonnull (figure);
  named = g_strdup_printf ("%" G_GUINT64_FORMAT, g_ascii_strtoull (figure + strlen ("max-size-time="), NULL, 10));
  pipeline_free (pipeline);
  fake_finish ();

  for (guint i = 0; i < G_N_ELEMENTS (times) * G_N_ELEMENTS (muxers); i++) {
    pipeline = pipeline_new (MUXED, times[i % 2], named, muxers[i / 2]);
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    g_assert_cmpuint (pipeline_count_results (pipeline), ==, 5);
    pipeline_free (pipeline);
    fake_finish ();
  }
}

/* Neither a model that is at work nor a text that goes another way is a missing queue. */
static void
test_what_needs_no_queue (void)
{
  static const gchar *const behind[] = { "fakesink m.text_src ! fakesink",
    "textoverlay name=o ! fakesink m.text_src ! o.text_sink" };

  for (guint i = 0; i < G_N_ELEMENTS (behind); i++) {
    GstElement *pipeline = pipeline_new (
        "videotestsrc num-buffers=20 ! " VIDEO " ! minivl name=m model-path=/fake segment-duration=1000000000 ! %s", behind[i]);
    g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (pipeline), "m");

    fake_hold (FAKE_ASK);
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    fake_await (FAKE_ASK, 1);
    g_assert_false (held_up (element));
    fake_release_all (FAKE_ASK);
    g_assert_cmpuint (pipeline_count_results (pipeline), ==, 2);
    g_assert_cmpint (held_up (element), ==, i == 1);
    pipeline_free (pipeline);
    fake_finish ();
  }
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  fake_reset ();
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));

#define RULE(name) g_test_add_func ("/held-up/" #name, test_##name)
  RULE (a_missing_queue_is_named_though_the_text_is_held_up);
  RULE (a_missing_queue_is_named_for_texts_of_the_moment);
  RULE (the_queue_that_is_named_is_enough);
  RULE (what_needs_no_queue);
#undef RULE
  return g_test_run ();
}

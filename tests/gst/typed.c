/*
 * typed MODEL: an application that reads results by minivl-gst.h, from messages and from the video's buffers. It is compiled as C11
 * and as C++17 against what is installed. Exit 0: both tell what they should.
 */
#include <minivl-gst.h>
#include <stdio.h>
#include <string.h>

#define SEGMENTS 8

static unsigned by_message, by_buffer, wrong;

static void
check (gboolean right, const char *what, guint64 id)
{
  if (!right)
    fprintf (stderr, "%s of %u\n", what, (unsigned)id);
  wrong += !right;
}

static void
check_result (const MinivlResult *r)
{
  check (strcmp (r->kind, "segment") == 0 && strcmp (r->stream, "typed") == 0, "kind or stream", r->id);
  check (r->segment_start == (r->id - 1) * GST_SECOND && r->segment_stop == r->id * GST_SECOND, "times", r->id);
  check (r->n_frames == 8 && minivl_result_get_frame (r, 7) < r->segment_stop, "frames", r->id);
  check (r->prompt_tokens > 8 * 16 && r->output_tokens > 0 && r->output_tokens <= 4, "tokens", r->id);
  check (r->finish_reason != NULL && r->prompt != NULL && r->utc == NULL && r->question == NULL, "texts", r->id);
  check (r->decode > 0 && r->total >= r->decode && r->score < 0 && r->same_as == 0, "numbers", r->id);
}

static GstPadProbeReturn
on_buffer (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  MinivlResult result;

  (void)pad;
  (void)data;
  if (minivl_result_from_buffer (&result, GST_PAD_PROBE_INFO_BUFFER (info))) {
    check_result (&result);
    by_buffer++;
  }
  return GST_PAD_PROBE_OK;
}

static gboolean
run (GstElement *pipeline)
{
  GstBus *bus = gst_element_get_bus (pipeline);
  gboolean ended = FALSE, ok = TRUE;

  while (!ended) {
    GstMessage *message = gst_bus_timed_pop (bus, GST_CLOCK_TIME_NONE);
    MinivlResult result;

    if (minivl_result_from_message (&result, message)) {
      check_result (&result);
      by_message++;
    }
    ok = ok && GST_MESSAGE_TYPE (message) != GST_MESSAGE_ERROR;
    ended = !ok || GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;
    gst_message_unref (message);
  }
  gst_object_unref (bus);
  return ok;
}

int
main (int argc, char **argv)
{
  MinivlResult result;
  GstElement *pipeline, *minivl;
  GstBuffer *plain;
  GstPad *pad;
  gboolean ok;

  gst_init (&argc, &argv);
  plain = gst_buffer_new ();
  check (!minivl_result_from_buffer (&result, plain), "a buffer without a result", 0); /* the plugin is not loaded yet */
  gst_buffer_unref (plain);
  pipeline = gst_parse_launch ("videotestsrc num-buffers=80 ! video/x-raw,format=I420,width=320,height=240,framerate=10/1 ! minivl "
                               "name=typed segment-duration=1s max-tokens=4 ! fakesink",
      NULL);
  minivl = gst_bin_get_by_name (GST_BIN (pipeline), "typed");
  if (minivl == NULL)
    return 2;
  g_object_set (minivl, "model-path", argv[1], NULL);
  pad = gst_element_get_static_pad (minivl, "src");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_buffer, NULL, NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  ok = run (pipeline);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  check (by_message == SEGMENTS, "messages", by_message);
  check (by_buffer > 0, "buffers", by_buffer); /* the last results come behind the last buffer */
  gst_object_unref (pad);
  gst_object_unref (minivl);
  gst_object_unref (pipeline);
  return ok && wrong == 0 ? 0 : 1;
}

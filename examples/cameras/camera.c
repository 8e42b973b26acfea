#include "camera.h"
#include "log.h"

#include <string.h>

#define LOOK_INTERVAL 1 /* s, at which a camera is looked after */

typedef enum
{
  STARTING, /* no frame has come yet */
  PLAYING,
  ENDING,  /* what was seen is being reported */
  WAITING, /* to be started again */
  RESTING,
} CameraState;

struct _Camera
{
  CameraConfig *config;
  guint most_delay;
  const CameraCallbacks *callbacks;
  gpointer user_data;
  CameraState state;
  gboolean is_stopping;
  gchar *failure; /* why it ends; NULL: it did not fail */
  guint n_failures;
  gint64 since; /* monotonic: start, or first frame */
  guint retry, look;

  GstElement *pipeline, *minivl, *sink; /* the latter two borrowed from the first */
  guint watch;
  gboolean is_live;
  gint is_linked, has_frames; /* atomic: a video to minivl; of this run */
  gint last_frame;            /* atomic: s, monotonic */
};

static void start (Camera *camera);

static gint
now_in_seconds (void)
{
  return (gint)(g_get_monotonic_time () / G_USEC_PER_SEC);
}

/* --- the end of a run -------------------------------------------------------------------------------------------------------- */

static void
remove_pipeline (Camera *camera)
{
  g_clear_handle_id (&camera->watch, g_source_remove);
  g_clear_handle_id (&camera->look, g_source_remove);
  if (camera->pipeline != NULL)
    gst_element_set_state (camera->pipeline, GST_STATE_NULL);
  gst_clear_object (&camera->pipeline);
}

static void
rest (Camera *camera, const gchar *state)
{
  camera->state = RESTING;
  log_state (camera->config->name, state, NULL, -1);
  camera->callbacks->resting (camera, camera->user_data);
}

static gboolean
on_retry (gpointer data)
{
  Camera *camera = data;

  camera->retry = 0;
  start (camera);
  return G_SOURCE_REMOVE;
}

static void
wait (Camera *camera)
{
  guint delay = camera->n_failures < 16 ? 1u << camera->n_failures : camera->most_delay;

  delay = MIN (delay, camera->most_delay);
  camera->n_failures++;
  camera->state = WAITING;
  log_state (camera->config->name, "failed", camera->failure, delay);
  camera->retry = g_timeout_add_seconds (delay, on_retry, camera);
}

/* All that was seen is reported. */
static void
finish (Camera *camera)
{
  remove_pipeline (camera);
  if (camera->is_stopping)
    rest (camera, "stopped");
  else if (camera->failure != NULL)
    wait (camera);
  else
    rest (camera, "ended");
}

/* Waits for answers, so not in the main loop. It comes to minivl behind the frame that is on its way, whatever became of the
 * source. */
static void
send_eos (GstElement *minivl, gpointer data)
{
  g_autoptr (GstPad) sink = gst_element_get_static_pad (minivl, "sink");

  gst_pad_send_event (sink, gst_event_new_eos ());
}

/* A sink that does not play yet holds the first frame, and EOS behind it. */
static gboolean
is_playing (Camera *camera)
{
  return GST_STATE (camera->sink) == GST_STATE_PLAYING;
}

static void
end (Camera *camera)
{
  if (camera->state == ENDING)
    return;
  camera->state = ENDING;
  if (g_atomic_int_get (&camera->has_frames) && (camera->failure == NULL || is_playing (camera)))
    gst_element_call_async (camera->minivl, send_eos, NULL, NULL);
  else
    finish (camera);
}

static void
fail (Camera *camera, const gchar *why)
{
  if (camera->state == ENDING)
    return;
  camera->failure = g_strdup (why);
  if (camera->state == PLAYING && g_get_monotonic_time () - camera->since > camera->most_delay * G_USEC_PER_SEC)
    camera->n_failures = 0;
  end (camera);
}

void
camera_stop (Camera *camera)
{
  if (camera->is_stopping || camera->state == RESTING)
    return;
  camera->is_stopping = TRUE;
  g_clear_handle_id (&camera->retry, g_source_remove);
  if (camera->state == WAITING)
    rest (camera, "stopped");
  else
    end (camera);
}

/* --- messages ---------------------------------------------------------------------------------------------------------------- */

/* The error, and what GStreamer tells developers, without the URI, which may have a password. (transfer full) */
static gchar *
describe (const Camera *camera, const GError *error, const gchar *debug)
{
  const gchar *detail = debug != NULL ? strchr (debug, '\n') : NULL;
  g_autoptr (GString) text = g_string_new (error->message);

  if (detail != NULL)
    g_string_append_printf (text, " %s", detail + 1);
  g_string_replace (text, camera->config->uri, "URI", 0);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
on_error (Camera *camera, GstMessage *message)
{
  gboolean is_minivls = GST_MESSAGE_SRC (message) == GST_OBJECT (camera->minivl);
  g_autoptr (GError) error = NULL;
  g_autofree gchar *debug = NULL, *why = NULL;

  gst_message_parse_error (message, &error, &debug);
  why = describe (camera, error, debug);
  fail (camera, why);
  if (camera->state == ENDING && (is_minivls || !is_playing (camera))) /* nothing more will be answered */
    finish (camera);
}

static void
on_warning (Camera *camera, GstMessage *message)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *debug = NULL, *text = NULL;

  gst_message_parse_warning (message, &error, &debug);
  text = describe (camera, error, debug);
  log_warning (camera->config->name, text);
  if (GST_MESSAGE_SRC (message) == GST_OBJECT (camera->minivl)
      && g_error_matches (error, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_FAILED))
    camera->callbacks->troubled (camera, camera->user_data);
}

static void
on_eos (Camera *camera)
{
  if (camera->state == ENDING)
    finish (camera);
  else if (!g_atomic_int_get (&camera->has_frames))
    fail (camera, "it ended without a frame");
  else if (camera->is_live) {
    camera->failure = g_strdup ("the source ended");
    finish (camera);
  } else
    finish (camera);
}

static void
on_first_frame (Camera *camera)
{
  g_autoptr (GstPad) sink = gst_element_get_static_pad (camera->minivl, "sink");
  g_autoptr (GstQuery) query = gst_query_new_latency ();

  if (camera->state != STARTING)
    return;
  if (gst_pad_peer_query (sink, query)) /* a sink that does not wait for its time says that nothing is live */
    gst_query_parse_latency (query, &camera->is_live, NULL, NULL);
  camera->state = PLAYING;
  camera->since = g_get_monotonic_time ();
  log_state (camera->config->name, "playing", NULL, -1);
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer data)
{
  Camera *camera = data;

  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ERROR:
      on_error (camera, message);
      break;
    case GST_MESSAGE_WARNING:
      on_warning (camera, message);
      break;
    case GST_MESSAGE_INFO: /* a device that was lost works again */
      if (GST_MESSAGE_SRC (message) == GST_OBJECT (camera->minivl))
        camera->callbacks->troubled (camera, camera->user_data);
      break;
    case GST_MESSAGE_EOS:
      on_eos (camera);
      break;
    case GST_MESSAGE_APPLICATION:
      on_first_frame (camera);
      break;
    default:
      break;
  }
  return G_SOURCE_CONTINUE;
}

/* A live source that is silent, and a server that does not answer. A file may wait for the model as long as it likes. */
static gboolean
on_look (gpointer data)
{
  Camera *camera = data;
  gint silent = now_in_seconds () - g_atomic_int_get (&camera->last_frame);

  if (silent > (gint)camera->config->timeout && (camera->state == STARTING || (camera->state == PLAYING && camera->is_live))) {
    g_autofree gchar *why = g_strdup_printf ("no frame for %u s", camera->config->timeout);

    camera->look = 0;
    fail (camera, why);
    return G_SOURCE_REMOVE;
  }
  return G_SOURCE_CONTINUE;
}

/* --- the beginning of a run -------------------------------------------------------------------------------------------------- */

static GstPadProbeReturn
on_frame (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Camera *camera = data;

  g_atomic_int_set (&camera->last_frame, now_in_seconds ());
  if (g_atomic_int_compare_and_exchange (&camera->has_frames, FALSE, TRUE))
    gst_element_post_message (
        camera->minivl, gst_message_new_application (GST_OBJECT (camera->minivl), gst_structure_new_empty ("first-frame")));
  return GST_PAD_PROBE_OK;
}

/* The first video; what comes besides is left alone. */
static void
on_pad (GstElement *decoder, GstPad *pad, gpointer data)
{
  Camera *camera = data;
  g_autoptr (GstPad) sink = gst_element_get_static_pad (camera->minivl, "sink");

  if (g_atomic_int_compare_and_exchange (&camera->is_linked, FALSE, TRUE))
    gst_pad_link (pad, sink);
}

static void
on_no_more_pads (GstElement *decoder, gpointer data)
{
  if (!g_atomic_int_get (&((Camera *)data)->is_linked))
    GST_ELEMENT_ERROR (decoder, STREAM, WRONG_TYPE, ("There is no video."), (NULL));
}

/* Over TCP unless it is told otherwise: firewalls let it pass, and no frame is damaged. */
static void
on_source (GstElement *decoder, GstElement *source, gpointer data)
{
  const CameraConfig *config = ((Camera *)data)->config;

  if (g_str_has_prefix (config->uri, "rtsp"))
    gst_util_set_object_arg (G_OBJECT (source), "protocols", "tcp");
  config_apply (config->source, source);
}

static GstElement *
make_decoder (Camera *camera)
{
  GstElement *decoder = gst_element_factory_make ("uridecodebin", NULL);
  g_autoptr (GstCaps) caps = gst_caps_from_string ("video/x-raw(ANY)");

  g_object_set (decoder, "uri", camera->config->uri, "caps", caps, "expose-all-streams", FALSE, NULL);
  g_signal_connect (decoder, "source-setup", G_CALLBACK (on_source), camera);
  g_signal_connect (decoder, "pad-added", G_CALLBACK (on_pad), camera);
  g_signal_connect (decoder, "no-more-pads", G_CALLBACK (on_no_more_pads), camera);
  return decoder;
}

static void
make_pipeline (Camera *camera)
{
  GstElement *decoder = make_decoder (camera);
  g_autoptr (GstPad) video = NULL;
  g_autoptr (GstBus) bus = NULL;

  camera->minivl = gst_element_factory_make ("minivl", NULL);
  camera_config_apply (camera->config, camera->minivl);
  /* It plays before the first frame is there, so that EOS passes whenever it comes. */
  camera->sink = gst_element_factory_make ("fakesink", NULL);
  g_object_set (camera->sink, "enable-last-sample", FALSE, "async", FALSE, NULL);
  camera->pipeline = gst_pipeline_new (camera->config->name);
  gst_bin_add_many (GST_BIN (camera->pipeline), decoder, camera->minivl, camera->sink, NULL);
  gst_element_link (camera->minivl, camera->sink);
  video = gst_element_get_static_pad (camera->minivl, "sink");
  gst_pad_add_probe (video, GST_PAD_PROBE_TYPE_BUFFER, on_frame, camera, NULL);
  bus = gst_element_get_bus (camera->pipeline);
  camera->watch = gst_bus_add_watch (bus, on_message, camera);
}

/* An ERROR is on the bus where that does not go well. */
static void
start (Camera *camera)
{
  g_clear_pointer (&camera->failure, g_free);
  camera->state = STARTING;
  camera->is_live = FALSE;
  camera->since = g_get_monotonic_time ();
  g_atomic_int_set (&camera->is_linked, FALSE);
  g_atomic_int_set (&camera->has_frames, FALSE);
  g_atomic_int_set (&camera->last_frame, now_in_seconds ());
  log_state (camera->config->name, "starting", NULL, -1);
  make_pipeline (camera);
  if (camera->config->timeout > 0)
    camera->look = g_timeout_add_seconds (LOOK_INTERVAL, on_look, camera);
  gst_element_set_state (camera->pipeline, GST_STATE_PLAYING);
}

Camera *
camera_new (CameraConfig *config, guint most_delay, const CameraCallbacks *callbacks, gpointer user_data)
{
  Camera *camera = g_new0 (Camera, 1);

  camera->config = camera_config_ref (config);
  camera->most_delay = most_delay;
  camera->callbacks = callbacks;
  camera->user_data = user_data;
  start (camera);
  return camera;
}

void
camera_free (Camera *camera)
{
  g_clear_handle_id (&camera->retry, g_source_remove);
  remove_pipeline (camera);
  camera_config_unref (camera->config);
  g_free (camera->failure);
  g_free (camera);
}

const CameraConfig *
camera_get_config (const Camera *camera)
{
  return camera->config;
}

gboolean
camera_is_resting (const Camera *camera)
{
  return camera->state == RESTING;
}

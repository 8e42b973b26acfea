#include "camera.h"

#include <gst/rtp/gstrtpbuffer.h>
#include <gst/rtsp-server/rtsp-server.h>
#include <string.h>

#define LINE                                                                                                                       \
  "( videotestsrc is-live=true pattern=ball ! capsfilter name=size "                                                               \
  "caps=video/x-raw,format=I420,width=%u,height=%u,framerate=25/1 "                                                                \
  "! jpegenc ! rtpjpegpay name=pay0 )"
#define TICKS_A_MS 90 /* of RTP's clock for video */

struct _Camera
{
  GMainContext *context;
  GMainLoop *loop;
  GThread *thread;
  GstRTSPServer *server;
  GSource *source; /* of the server; NULL: unplugged */
  gchar *url;
  gint ticks; /* atomic: added to RTP timestamps */
  guint log_handler;
  GMutex lock;
  GCond broken;
  gboolean is_broken; /* what camera_break() asked for is done */
  GstElement *size;   /* (nullable) of the media that is served */
};

/* --- the video --------------------------------------------------------------------------------------------------------------- */

static void
shift_buffer (GstBuffer *buffer, guint32 ticks)
{
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;

  g_assert_true (gst_rtp_buffer_map (buffer, GST_MAP_READWRITE, &rtp));
  gst_rtp_buffer_set_timestamp (&rtp, gst_rtp_buffer_get_timestamp (&rtp) + ticks);
  gst_rtp_buffer_unmap (&rtp);
}

static gboolean
shift_item (GstBuffer **buffer, guint n, gpointer ticks)
{
  *buffer = gst_buffer_make_writable (*buffer);
  shift_buffer (*buffer, GPOINTER_TO_UINT (ticks));
  return TRUE;
}

static GstPadProbeReturn
shift (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  guint32 ticks = (guint32)g_atomic_int_get (&((Camera *)data)->ticks);

  if (GST_PAD_PROBE_INFO_TYPE (info) & GST_PAD_PROBE_TYPE_BUFFER_LIST) {
    info->data = gst_buffer_list_make_writable (info->data);
    gst_buffer_list_foreach (info->data, shift_item, GUINT_TO_POINTER (ticks));
  } else {
    info->data = gst_buffer_make_writable (info->data);
    shift_buffer (info->data, ticks);
  }
  return GST_PAD_PROBE_OK;
}

static void
on_unprepared (GstRTSPMedia *media, gpointer data)
{
  Camera *camera = data;

  g_mutex_lock (&camera->lock);
  gst_clear_object (&camera->size);
  g_mutex_unlock (&camera->lock);
}

static void
on_media (GstRTSPMediaFactory *factory, GstRTSPMedia *media, gpointer data)
{
  Camera *camera = data;
  g_autoptr (GstElement) line = gst_rtsp_media_get_element (media);
  g_autoptr (GstElement) payloader = gst_bin_get_by_name (GST_BIN (line), "pay0");
  g_autoptr (GstPad) src = gst_element_get_static_pad (payloader, "src");

  gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST, shift, camera, NULL);
  g_mutex_lock (&camera->lock);
  gst_clear_object (&camera->size);
  camera->size = gst_bin_get_by_name (GST_BIN (line), "size");
  g_mutex_unlock (&camera->lock);
  g_signal_connect (media, "unprepared", G_CALLBACK (on_unprepared), camera);
}

void
camera_set_size (Camera *camera, guint width, guint height)
{
  g_autoptr (GstCaps) caps = gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING, "I420", "width", G_TYPE_INT, width,
      "height", G_TYPE_INT, height, "framerate", GST_TYPE_FRACTION, 25, 1, NULL);

  g_mutex_lock (&camera->lock);
  g_assert_nonnull (camera->size);
  g_object_set (camera->size, "caps", caps, NULL);
  g_mutex_unlock (&camera->lock);
}

void
camera_jump (Camera *camera, gint ms)
{
  g_atomic_int_add (&camera->ticks, ms * TICKS_A_MS);
}

/* --- the server -------------------------------------------------------------------------------------------------------------- */

/* gst-rtsp-server sends to a client whose connection it has just let go of: its own race, in which nothing happens. */
static gboolean
is_servers_own (const gchar *domain, const gchar *message)
{
  return g_strcmp0 (domain, "GStreamer-RTSP") == 0 && strstr (message, "gst_rtsp_watch_send_messages: assertion 'watch") != NULL;
}

static gboolean
ends_test (const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer data)
{
  return !is_servers_own (domain, message);
}

static void
on_critical (const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer data)
{
  if (!is_servers_own (domain, message))
    g_log_default_handler (domain, level, message, data);
}

static GstRTSPFilterResult
remove_client (GstRTSPServer *server, GstRTSPClient *client, gpointer data)
{
  return GST_RTSP_FILTER_REMOVE;
}

static gboolean
remove_clients (gpointer data)
{
  Camera *camera = data;

  g_assert_null (gst_rtsp_server_client_filter (camera->server, remove_client, NULL));
  g_mutex_lock (&camera->lock);
  camera->is_broken = TRUE;
  g_cond_signal (&camera->broken);
  g_mutex_unlock (&camera->lock);
  return G_SOURCE_REMOVE;
}

/* In the thread that serves the clients, which may be reading from one. */
void
camera_break (Camera *camera)
{
  camera->is_broken = FALSE;
  g_main_context_invoke (camera->context, remove_clients, camera);
  g_mutex_lock (&camera->lock);
  while (!camera->is_broken)
    g_cond_wait (&camera->broken, &camera->lock);
  g_mutex_unlock (&camera->lock);
}

void
camera_plug_in (Camera *camera)
{
  g_autoptr (GError) error = NULL;

  camera->source = gst_rtsp_server_create_source (camera->server, NULL, &error);
  g_assert_no_error (error);
  g_source_attach (camera->source, camera->context);
}

void
camera_unplug (Camera *camera)
{
  g_source_destroy (camera->source);
  g_clear_pointer (&camera->source, g_source_unref);
  camera_break (camera);
}

static gpointer
run_loop (gpointer data)
{
  g_main_loop_run (data);
  return NULL;
}

Camera *
camera_new (void)
{
  return camera_new_of (64, 48);
}

Camera *
camera_new_of (guint width, guint height)
{
  Camera *camera = g_new0 (Camera, 1);
  g_autoptr (GstRTSPMountPoints) mounts = gst_rtsp_mount_points_new ();
  GstRTSPMediaFactory *factory = gst_rtsp_media_factory_new ();
  g_autoptr (GstRTSPThreadPool) pool = gst_rtsp_thread_pool_new ();
  g_autofree gchar *port = NULL, *line = g_strdup_printf (LINE, width, height);

  g_mutex_init (&camera->lock);
  g_cond_init (&camera->broken);
  g_test_log_set_fatal_handler (ends_test, NULL);
  camera->log_handler = g_log_set_handler ("GStreamer-RTSP", G_LOG_LEVEL_CRITICAL | G_LOG_FLAG_FATAL, on_critical, NULL);
  gst_rtsp_media_factory_set_launch (factory, line);
  g_signal_connect (factory, "media-configure", G_CALLBACK (on_media), camera);
  gst_rtsp_mount_points_add_factory (mounts, "/door", factory);

  camera->server = gst_rtsp_server_new ();
  gst_rtsp_server_set_mount_points (camera->server, mounts);
  gst_rtsp_thread_pool_set_max_threads (pool, 0); /* clients are served in the server's own thread */
  gst_rtsp_server_set_thread_pool (camera->server, pool);
  gst_rtsp_server_set_address (camera->server, "127.0.0.1");
  gst_rtsp_server_set_service (camera->server, "0");
  camera->context = g_main_context_new ();
  camera->loop = g_main_loop_new (camera->context, FALSE);
  camera->thread = g_thread_new ("camera", run_loop, camera->loop);
  camera_plug_in (camera);
  port = g_strdup_printf ("%d", gst_rtsp_server_get_bound_port (camera->server));
  gst_rtsp_server_set_service (camera->server, port);
  camera->url = g_strdup_printf ("rtsp://127.0.0.1:%s/door", port);
  return camera;
}

const gchar *
camera_get_url (Camera *camera)
{
  return camera->url;
}

void
camera_free (Camera *camera)
{
  camera_unplug (camera);
  g_main_loop_quit (camera->loop);
  g_thread_join (camera->thread);
  gst_object_unref (camera->server);
  g_main_loop_unref (camera->loop);
  g_main_context_unref (camera->context);
  gst_rtsp_thread_pool_cleanup ();
  g_log_remove_handler ("GStreamer-RTSP", camera->log_handler);
  gst_clear_object (&camera->size);
  g_mutex_clear (&camera->lock);
  g_cond_clear (&camera->broken);
  g_free (camera->url);
  g_free (camera);
}

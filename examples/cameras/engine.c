#include "engine.h"
#include "config.h"
#include "log.h"

#define RETRY 5 /* s */

struct _Engine
{
  GstElement *pipeline; /* minivl, and nothing else */
  GHashTable *settings;
  EngineOpened opened;
  gpointer user_data;
  gboolean is_open; /* it was, once */
  guint watch, retry;
};

static void
open_engine (Engine *engine)
{
  gst_element_set_state (engine->pipeline, GST_STATE_PAUSED); /* what is wrong is an ERROR on the bus */
}

static gboolean
on_retry (gpointer data)
{
  Engine *engine = data;

  engine->retry = 0;
  open_engine (engine);
  return G_SOURCE_REMOVE;
}

static void
on_progress (Engine *engine, GstMessage *message)
{
  GstProgressType type;

  gst_message_parse_progress (message, &type, NULL, NULL);
  if (type != GST_PROGRESS_TYPE_COMPLETE || engine->is_open)
    return;
  engine->is_open = TRUE;
  engine->opened (NULL, engine->user_data);
}

/* The first time it says that nothing can run. Later, cameras look for it as well. */
static void
on_error (Engine *engine, GstMessage *message)
{
  g_autoptr (GError) error = NULL;

  gst_message_parse_error (message, &error, NULL);
  gst_element_set_state (engine->pipeline, GST_STATE_NULL);
  if (!engine->is_open) {
    engine->opened (error->message, engine->user_data);
  } else if (engine->retry == 0) {
    log_warning (NULL, error->message);
    engine->retry = g_timeout_add_seconds (RETRY, on_retry, engine);
  }
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer data)
{
  g_autoptr (GError) error = NULL;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_PROGRESS)
    on_progress (data, message);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    on_error (data, message);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING) {
    gst_message_parse_warning (message, &error, NULL);
    log_warning (NULL, error->message);
  }
  return G_SOURCE_CONTINUE;
}

Engine *
engine_new (GHashTable *settings, EngineOpened opened, gpointer user_data)
{
  Engine *engine = g_new0 (Engine, 1);
  GstElement *minivl = gst_element_factory_make ("minivl", NULL);
  g_autoptr (GstBus) bus = NULL;

  engine->settings = g_hash_table_ref (settings);
  engine->opened = opened;
  engine->user_data = user_data;
  engine->pipeline = gst_pipeline_new ("engine");
  config_apply (settings, minivl);
  gst_bin_add (GST_BIN (engine->pipeline), minivl);
  bus = gst_element_get_bus (engine->pipeline);
  engine->watch = gst_bus_add_watch (bus, on_message, engine);
  open_engine (engine);
  return engine;
}

void
engine_free (Engine *engine)
{
  if (engine == NULL)
    return;
  g_source_remove (engine->watch);
  g_clear_handle_id (&engine->retry, g_source_remove);
  gst_element_set_state (engine->pipeline, GST_STATE_NULL);
  gst_object_unref (engine->pipeline);
  g_hash_table_unref (engine->settings);
  g_free (engine);
}

gboolean
engine_is_open (const Engine *engine)
{
  return engine->is_open;
}

void
engine_renew (Engine *engine)
{
  if (engine->retry > 0)
    return;
  gst_element_set_state (engine->pipeline, GST_STATE_NULL);
  open_engine (engine);
}

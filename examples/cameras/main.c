/* minivl-cameras: many cameras on one engine, each with a journal of its own. */
#include "camera.h"
#include "engine.h"
#include "log.h"

#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>

#define EXIT_USAGE 2

static const gchar description[] =
    "FILE has a group for each camera, with uri and any property of the element minivl, such as\n"
    "prompt and alerts, and a group [minivl] for what is the same for all, the model for one:\n\n"
    "  [minivl]\n"
    "  model-path=/srv/Mini-InternVL-Chat-4B-V1-5\n\n"
    "  [door]\n"
    "  uri=rtsp://192.168.1.20/stream\n"
    "  alerts=Is anybody at the door?\n\n"
    "timeout is the seconds that a live camera may give no frame (30), and source.NAME a property of\n"
    "what reads the URI. A camera that fails is begun again. SIGHUP reads FILE anew, SIGTERM ends when\n"
    "all is reported. What changes is told on standard output, a JSON object a line.\n"
    "Exit: 0 ended; 1 the model cannot be opened; 2 bad usage or a bad file.";

typedef struct
{
  const gchar *path;
  gchar *journals;
  gint most_delay; /* s */
  Config *config;
  Config *former; /* to go back to if the engine of the new one cannot be opened; NULL: none */
  Engine *engine;
  GPtrArray *cameras;             /* Camera */
  gboolean is_stopping, is_stale; /* stale: the engine is of another config */
  guint idle;
  GMainLoop *loop;
  gint code; /* exit code */
} App;

static void reconcile_later (App *app);

/* --- what happens ------------------------------------------------------------------------------------------------------------ */

static void
on_resting (Camera *camera, gpointer data)
{
  reconcile_later (data);
}

static void
on_troubled (Camera *camera, gpointer data)
{
  App *app = data;

  if (app->engine != NULL && engine_is_open (app->engine))
    engine_renew (app->engine);
}

static const CameraCallbacks camera_callbacks = { on_resting, on_troubled };

static void
on_opened (const gchar *why, gpointer data)
{
  App *app = data;

  if (why == NULL) {
    log_state (NULL, "loaded", NULL, -1);
    g_clear_pointer (&app->former, config_free);
  } else if (app->former != NULL) {
    log_state (NULL, "refused", why, -1);
    config_free (app->config);
    app->config = g_steal_pointer (&app->former);
    app->is_stale = TRUE;
  } else {
    log_state (NULL, "failed", why, -1);
    app->code = EXIT_FAILURE;
    app->is_stopping = TRUE;
  }
  reconcile_later (app);
}

/* --- from what is to what shall be ------------------------------------------------------------------------------------------- */

static Camera *
find_camera (const App *app, const CameraConfig *config)
{
  for (guint i = 0; i < app->cameras->len; i++) {
    Camera *camera = g_ptr_array_index (app->cameras, i);

    if (g_str_equal (camera_get_config (camera)->name, config->name))
      return camera;
  }
  return NULL;
}

static gboolean
is_wanted (const App *app, const Camera *camera)
{
  const CameraConfig *config = config_find (app->config, camera_get_config (camera)->name);

  return !app->is_stopping && !app->is_stale && config != NULL && camera_config_equals (camera_get_config (camera), config);
}

static void
end_unwanted (App *app)
{
  for (guint i = app->cameras->len; i-- > 0;) {
    Camera *camera = g_ptr_array_index (app->cameras, i);

    if (is_wanted (app, camera))
      continue;
    camera_stop (camera);
    if (camera_is_resting (camera))
      g_ptr_array_remove_index (app->cameras, i);
  }
}

/* Two engines may be more than the memory holds: the new one is opened when nothing holds the old one. */
static void
open_engine (App *app)
{
  if (!app->is_stale || app->cameras->len > 0)
    return;
  app->is_stale = FALSE;
  g_clear_pointer (&app->engine, engine_free);
  log_state (NULL, "loading", NULL, -1);
  app->engine = engine_new (app->config->engine, on_opened, app);
}

static void
begin_wanted (App *app)
{
  for (guint i = 0; i < app->config->cameras->len; i++) {
    CameraConfig *config = g_ptr_array_index (app->config->cameras, i);

    if (find_camera (app, config) == NULL)
      g_ptr_array_add (app->cameras, camera_new (config, (guint)app->most_delay, &camera_callbacks, app));
  }
}

static gboolean
all_have_ended (const App *app)
{
  for (guint i = 0; i < app->cameras->len; i++)
    if (!camera_is_resting (g_ptr_array_index (app->cameras, i)))
      return FALSE;
  return TRUE;
}

static gboolean
reconcile (gpointer data)
{
  App *app = data;

  app->idle = 0;
  end_unwanted (app);
  if (!app->is_stopping) {
    open_engine (app);
    if (app->is_stale || !engine_is_open (app->engine))
      return G_SOURCE_REMOVE;
    begin_wanted (app);
  }
  if (all_have_ended (app))
    g_main_loop_quit (app->loop);
  return G_SOURCE_REMOVE;
}

/* Not from within a camera, which it may free. */
static void
reconcile_later (App *app)
{
  if (app->idle == 0)
    app->idle = g_idle_add (reconcile, app);
}

/* --- signals ----------------------------------------------------------------------------------------------------------------- */

static gboolean
on_reload (gpointer data)
{
  App *app = data;
  g_autoptr (GError) error = NULL;
  Config *config = config_read (app->path, app->journals, &error);

  if (config == NULL) {
    log_state (NULL, "refused", error->message, -1);
    return G_SOURCE_CONTINUE;
  }
  log_state (NULL, "reloaded", NULL, -1);
  if (!config_has_engine_of (config, app->config)) {
    app->is_stale = TRUE;
    if (app->former == NULL && engine_is_open (app->engine))
      app->former = g_steal_pointer (&app->config);
  }
  g_clear_pointer (&app->config, config_free);
  app->config = config;
  reconcile_later (app);
  return G_SOURCE_CONTINUE;
}

/* The second one does not wait for what is still to be reported. */
static gboolean
on_stop (gpointer data)
{
  App *app = data;

  if (app->is_stopping)
    g_main_loop_quit (app->loop);
  app->is_stopping = TRUE;
  log_state (NULL, "stopping", NULL, -1);
  reconcile_later (app);
  return G_SOURCE_CONTINUE;
}

/* --- all of it --------------------------------------------------------------------------------------------------------------- */

static void
run (App *app)
{
  guint signals[] = { g_unix_signal_add (SIGHUP, on_reload, app), g_unix_signal_add (SIGINT, on_stop, app),
    g_unix_signal_add (SIGTERM, on_stop, app) };

  app->loop = g_main_loop_new (NULL, FALSE);
  app->cameras = g_ptr_array_new_with_free_func ((GDestroyNotify)camera_free);
  app->is_stale = TRUE;
  reconcile_later (app);
  g_main_loop_run (app->loop);
  g_ptr_array_unref (app->cameras);
  engine_free (app->engine);
  g_clear_handle_id (&app->idle, g_source_remove);
  for (guint i = 0; i < G_N_ELEMENTS (signals); i++)
    g_source_remove (signals[i]);
  g_main_loop_unref (app->loop);
  config_free (app->former);
  log_state (NULL, "stopped", NULL, -1);
}

static gboolean
parse_options (App *app, int *argc, char ***argv, gboolean *check, GError **error)
{
  const GOptionEntry entries[] = {
    { "check", 'c', 0, G_OPTION_ARG_NONE, check, "Read FILE, say what is wrong with it, and run nothing", NULL },
    { "journals", 'j', 0, G_OPTION_ARG_FILENAME, &app->journals, "Folder for CAMERA.jsonl, where a camera names no journal (.)",
        "DIR" },
    { "most-delay", 0, 0, G_OPTION_ARG_INT, &app->most_delay,
        "Longest time before a camera that failed is begun again, which doubles from 1 s on (60)", "SECONDS" },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("FILE");

  g_option_context_set_summary (context, "Describes many cameras by one engine, each into a journal of its own.");
  g_option_context_set_description (context, description);
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, argc, argv, error))
    return FALSE;
  if (*argc != 2 || app->most_delay < 1) {
    g_set_error_literal (
        error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, *argc != 2 ? "one FILE is needed, see --help" : "--most-delay is below 1");
    return FALSE;
  }
  app->path = (*argv)[1];
  if (app->journals == NULL)
    app->journals = g_strdup (".");
  return TRUE;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  gboolean check = FALSE;
  App app = { .most_delay = 60, .code = EXIT_SUCCESS };

  if (!parse_options (&app, &argc, &argv, &check, &error) || (app.config = config_read (app.path, app.journals, &error)) == NULL) {
    fprintf (stderr, "minivl-cameras: %s\n", error->message);
    app.code = EXIT_USAGE;
  } else if (check) {
    printf ("%s: %u cameras\n", app.path, app.config->cameras->len);
  } else {
    run (&app);
  }
  config_free (app.config);
  g_free (app.journals);
  return app.code;
}

/* minivl-server: the model behind OpenAI's API. */
#include "decoder.h"
#include "front.h"

#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 2
/* Time for the last answers to leave, and how often it is looked whether they have. */
#define FAREWELL_MS 5000
#define LOOK_MS 20

typedef struct
{
  Settings settings;
  Metrics *metrics;
  Pool *pool;
  Front *front;
  GMainLoop *loop;
  gint ending;   /* atomic: loading is to be broken off */
  gint progress; /* atomic: of loading, in percent */
  gint code;     /* exit code */
  guint looks;   /* at what is left to be sent, so far */
  guint timer;   /* for the next look; 0: none */
} Server;

/* --- the model ------------------------------------------------------------------------------------------------------------- */

static gboolean
tell_progress (gpointer data)
{
  Server *s = data;

  front_set_progress (s->front, g_atomic_int_get (&s->progress) / 100.0);
  return G_SOURCE_REMOVE;
}

static gboolean
on_loading (double fraction, gpointer data)
{
  Server *s = data;
  gint percent = (gint)(fraction * 100);

  if (g_atomic_int_get (&s->progress) != percent) {
    g_atomic_int_set (&s->progress, percent);
    g_idle_add (tell_progress, s);
  }
  return !g_atomic_int_get (&s->ending);
}

typedef struct
{
  Server *server;
  MinivlEngine *engine; /* NULL: error */
  GError *error;
} Loaded;

static gint
exit_code (const GError *error)
{
  return g_error_matches (error, MINIVL_ERROR, MINIVL_ERROR_USAGE) || g_error_matches (error, MINIVL_ERROR, MINIVL_ERROR_FILE)
             ? EXIT_USAGE
             : EXIT_FAILURE;
}

static gboolean
on_loaded (gpointer data)
{
  Loaded *l = data;
  Server *s = l->server;

  if (l->engine) {
    pool_set_engine (s->pool, l->engine);
    front_set_progress (s->front, 1);
    printf ("minivl-server: %s is loaded\n", s->settings.model_name);
    fflush (stdout);
  } else if (!g_error_matches (l->error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED)) {
    fprintf (stderr, "minivl-server: %s\n", l->error->message);
    s->code = exit_code (l->error);
    g_main_loop_quit (s->loop);
  }
  return G_SOURCE_REMOVE;
}

static void
loaded_free (gpointer data)
{
  Loaded *l = data;

  minivl_engine_unref (l->engine);
  g_clear_error (&l->error);
  g_free (l);
}

static gpointer
load (gpointer data)
{
  Server *s = data;
  const MinivlEngineOptions options = {
    .model_path = s->settings.model,
    .device = s->settings.device,
    .precision = s->settings.precision,
    .context_size = s->settings.context_size,
    .lora = s->settings.lora,
    .cache_size = s->settings.cache_size,
    .cache_dir = s->settings.cache_dir,
    .on_progress = on_loading,
    .user_data = s,
  };
  Loaded *l = g_new0 (Loaded, 1);

  l->server = s;
  l->engine = minivl_engine_open (&options, &l->error);
  g_idle_add_full (G_PRIORITY_DEFAULT, on_loaded, l, loaded_free);
  return NULL;
}

/* --- the end --------------------------------------------------------------------------------------------------------------- */

static gboolean
look (gpointer data)
{
  Server *s = data;

  if (front_is_quiet (s->front) || ++s->looks * LOOK_MS > FAREWELL_MS)
    g_main_loop_quit (s->loop);
  return G_SOURCE_CONTINUE;
}

static void
end (Server *s)
{
  g_atomic_int_set (&s->ending, TRUE);
  front_end (s->front);
  pool_end (s->pool);
  if (s->timer == 0)
    s->timer = g_timeout_add (LOOK_MS, look, s);
}

/* The second one does not wait for anybody. */
static gboolean
on_signal (gpointer data)
{
  Server *s = data;

  if (g_atomic_int_get (&s->ending))
    g_main_loop_quit (s->loop);
  else
    end (s);
  return G_SOURCE_CONTINUE;
}

/* Whoever has started it starts it anew. */
static void
on_lost (gpointer front, gpointer data)
{
  Server *s = data;

  if (s->code != EXIT_SUCCESS)
    return;
  fprintf (stderr, "minivl-server: the device was lost\n");
  s->code = EXIT_FAILURE;
  end (s);
}

/* What threads have left for the main loop. */
static void
drain (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    continue;
}

/* --- all of it ------------------------------------------------------------------------------------------------------------- */

static gboolean
start (Server *s, GError **error)
{
  const MinivlEngineOptions options = { .model_path = s->settings.model, .lora = s->settings.lora };
  g_autofree gchar *url = NULL;

  if (!minivl_engine_check (&options, error) || !front_listen (s->front, error))
    return FALSE;
  url = front_get_url (s->front);
  printf ("minivl-server: %s/v1\n", url);
  fflush (stdout);
  return TRUE;
}

static void
serve (Server *s)
{
  g_autoptr (GError) error = NULL;
  GThread *loader;

  s->metrics = metrics_new ();
  s->pool = pool_new (&s->settings, s->metrics);
  s->front = front_new (&s->settings, s->metrics, s->pool, on_lost, s);
  s->loop = g_main_loop_new (NULL, FALSE);
  g_unix_signal_add (SIGINT, on_signal, s);
  g_unix_signal_add (SIGTERM, on_signal, s);
  if (start (s, &error)) {
    loader = g_thread_new ("loader", load, s);
    g_main_loop_run (s->loop);
    g_clear_handle_id (&s->timer, g_source_remove);
    g_atomic_int_set (&s->ending, TRUE);
    g_thread_join (loader);
    drain ();
  } else {
    fprintf (stderr, "minivl-server: %s\n", error->message);
    s->code = error->domain == MINIVL_ERROR ? exit_code (error) : EXIT_FAILURE;
  }
  front_free (s->front);
  pool_free (s->pool);
  drain ();
  metrics_free (s->metrics);
  g_main_loop_unref (s->loop);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  Server s = { .code = EXIT_SUCCESS };

  if (argc > 1 && g_str_equal (argv[1], DECODER_CHILD))
    return decoder_child_main (argc, argv);
  if (!settings_parse (&s.settings, argc, argv, &error)) {
    fprintf (stderr, "minivl-server: %s\n", error->message);
    return EXIT_USAGE;
  }
  serve (&s);
  settings_clear (&s.settings);
  return s.code;
}

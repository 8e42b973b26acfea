#include "program.h"

#include <gio/gio.h>
#include <signal.h>
#include <string.h>

void
program_result_clear (ProgramResult *result)
{
  g_free (result->out);
  g_free (result->err);
  memset (result, 0, sizeof (*result));
}

static GSubprocess *
start (const gchar *const *argv)
{
  g_autoptr (GSubprocessLauncher) launcher =
      g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_autoptr (GError) error = NULL;
  GSubprocess *process;

  g_subprocess_launcher_setenv (launcher, "LC_ALL", "C", TRUE);
  process = g_subprocess_launcher_spawnv (launcher, argv, &error);
  g_assert_no_error (error);
  return process;
}

static void
finish (GSubprocess *process, ProgramResult *result)
{
  g_assert_true (g_subprocess_wait (process, NULL, NULL));
  result->code = g_subprocess_get_if_exited (process) ? g_subprocess_get_exit_status (process) : -1;
}

static gchar *
text_of (GBytes *bytes)
{
  gsize n;
  const gchar *data = g_bytes_get_data (bytes, &n);

  return data ? g_strndup (data, n) : g_strdup ("");
}

void
program_run (const gchar *const *argv, ProgramResult *result)
{
  g_autoptr (GSubprocess) process = start (argv);
  g_autoptr (GBytes) out = NULL, err = NULL;

  g_assert_true (g_subprocess_communicate (process, NULL, NULL, &out, &err, NULL));
  result->out = text_of (out);
  result->err = text_of (err);
  finish (process, result);
}

/* --- interrupting ---------------------------------------------------------------------------------------------------------- */

typedef struct
{
  GInputStream *stream;
  GSubprocess *process;
  const gchar *trigger; /* NULL: none */
  GString *text;
} Watch;

static gpointer
watch (gpointer data)
{
  Watch *w = data;
  gchar byte;

  while (g_input_stream_read (w->stream, &byte, 1, NULL, NULL) == 1) {
    g_string_append_c (w->text, byte);
    if (w->trigger && g_str_has_suffix (w->text->str, w->trigger)) {
      g_subprocess_send_signal (w->process, SIGINT);
      w->trigger = NULL;
    }
  }
  return NULL;
}

void
program_interrupt (const gchar *const *argv, gboolean on_out, const gchar *trigger, ProgramResult *result)
{
  g_autoptr (GSubprocess) process = start (argv);
  Watch out = { g_subprocess_get_stdout_pipe (process), process, on_out ? trigger : NULL, g_string_new (NULL) };
  Watch err = { g_subprocess_get_stderr_pipe (process), process, on_out ? NULL : trigger, g_string_new (NULL) };
  GThread *threads[] = { g_thread_new ("out", watch, &out), g_thread_new ("err", watch, &err) };

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  finish (process, result);
  result->out = g_string_free (out.text, FALSE);
  result->err = g_string_free (err.text, FALSE);
}

/* minivl-chat: a conversation with a checkpoint about pictures and a video, on the command line. */
#include "batch.h"
#include "conversation.h"
#include "report.h"
#include "model/minivl-cache.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_USAGE 2
#define EXIT_INTERRUPTED 130

typedef struct
{
  Options options;
  Conversation conversation;
  gint interrupted; /* atomic */
} Chat;

/* --- Ctrl-C ---------------------------------------------------------------------------------------------------------------- */

static void
block_interrupt (void)
{
  sigset_t set;

  /* A shell starts background jobs with the signal ignored; then it would never arrive. */
  signal (SIGINT, SIG_DFL);
  sigemptyset (&set);
  sigaddset (&set, SIGINT);
  pthread_sigmask (SIG_BLOCK, &set, NULL);
}

/* Waits for the signal instead of handling it. */
static gpointer
watch_interrupt (gpointer data)
{
  Chat *c = data;
  sigset_t set;
  gint number;

  sigemptyset (&set);
  sigaddset (&set, SIGINT);
  sigwait (&set, &number);
  g_atomic_int_set (&c->interrupted, TRUE);

  /* Whoever presses it again does not want to wait for the token. */
  sigwait (&set, &number);
  _exit (EXIT_INTERRUPTED);
}

/* --- progress -------------------------------------------------------------------------------------------------------------- */

/* On a terminal one line that is overwritten, elsewhere a line a step. what NULL: the line is done with. */
static void
progress (const gchar *what)
{
  static gboolean shown;

  if (!isatty (STDERR_FILENO)) {
    if (what)
      fprintf (stderr, "%s\n", what);
    return;
  }
  if (shown || what)
    fprintf (stderr, "\r\033[K%s", what ? what : "");
  fflush (stderr);
  shown = what != NULL;
}

typedef struct
{
  Chat *chat;
  gint shown; /* last value, in percent */
} Loading;

static gboolean
on_loading (double fraction, gpointer data)
{
  Loading *l = data;
  gint step = isatty (STDERR_FILENO) ? 1 : 25, percent = (gint)(fraction * 100) / step * step;

  if (percent > l->shown) {
    g_autofree gchar *text = g_strdup_printf ("loading %s: %d %%", l->chat->options.model, percent);

    progress (text);
    l->shown = percent;
  }
  return !g_atomic_int_get (&l->chat->interrupted);
}

/* --- the cache ------------------------------------------------------------------------------------------------------------- */

static void
tell_removed (const gchar *path, guint64 bytes, const gchar *what, gpointer total)
{
  g_autofree gchar *size = g_format_size_full (bytes, G_FORMAT_SIZE_IEC_UNITS);

  printf ("%s: %s, %s\n", path, size, what);
  *(guint64 *)total += bytes;
}

static gboolean
clear_cache (const Chat *c, GError **error)
{
  guint64 total = 0;
  gboolean ok = minivl_cache_clear (c->options.cache_dir, tell_removed, &total, error);
  g_autofree gchar *size = g_format_size_full (total, G_FORMAT_SIZE_IEC_UNITS);

  printf ("%s removed\n", size);
  return ok;
}

/* --- the model ------------------------------------------------------------------------------------------------------------- */

/* NULL: it cannot be. */
static MinivlEngine *
open_engine (Chat *c, GError **error)
{
  Loading loading = { c, -1 };
  MinivlEngineOptions options = {
    .model_path = c->options.model,
    .device = c->options.device,
    .precision = c->options.precision,
    .context_size = c->options.context_size,
    .tokenizer = c->options.tokenizer,
    .lora = c->options.lora,
    .cache_size = c->options.cache_size || c->options.batch ? c->options.cache_size : 1, /* one conversation's */
    .cache_dir = c->options.cache_dir,
    .cache_precision = c->options.cache_precision,
    .on_progress = on_loading,
    .user_data = &loading,
  };
  g_autoptr (MinivlEngine) engine = NULL;

  on_loading (0, &loading);
  engine = minivl_engine_open (&options, error);
  progress (NULL);
  if (!engine || !c->options.checkpoint_sampling || minivl_engine_get_sampling (engine, &c->options.params))
    return g_steal_pointer (&engine);
  g_set_error (
      error, MINIVL_ERROR, MINIVL_ERROR_FILE, "--checkpoint-sampling: there is no generation_config.json in %s", c->options.model);
  return NULL;
}

/* --- answers --------------------------------------------------------------------------------------------------------------- */

/* The text on its way to standard output: white space is held back until a letter follows, so that what was printed in the end is
 * the answer's text. */
typedef struct
{
  Chat *chat;
  GString *held;
  gboolean begun;
} Printer;

static void
on_text (const gchar *text, gpointer data)
{
  Printer *p = data;
  gsize length = strlen (text), end = length, start = 0;

  if (p->chat->options.json)
    return;
  while (!p->begun && start < length && g_ascii_isspace (text[start]))
    start++;
  while (end > start && g_ascii_isspace (text[end - 1]))
    end--;
  if (end > start) {
    fputs (p->held->str, stdout);
    fwrite (text + start, 1, end - start, stdout);
    fflush (stdout);
    g_string_truncate (p->held, 0);
    p->begun = TRUE;
  }
  g_string_append_len (p->held, text + end, length - end);
}

static gboolean
ask (Chat *c, guint round, GError **error)
{
  Printer printer = { .chat = c, .held = g_string_new (NULL) };
  g_auto (MinivlAnswer) answer = { NULL };
  gboolean ok = conversation_ask (&c->conversation, round, on_text, &printer, &answer, error);

  g_string_free (printer.held, TRUE);
  if (printer.begun && !ok)
    printf ("\n");
  if (!ok)
    return FALSE;

  if (c->options.json) {
    g_autofree gchar *line = conversation_report (&c->conversation, round, &answer);

    printf ("%s", line);
  }
  printf ("\n");
  fflush (stdout);
  if (answer.logits && !report_write_logits (c->options.logits, &answer, error))
    return FALSE;
  return answer.finish != MINIVL_FINISH_CANCELLED || conversation_goes_on (&c->conversation, error);
}

static gboolean
converse (Chat *c, GError **error)
{
  Conversation *k = &c->conversation;
  g_autoptr (MinivlEngine) engine = NULL;

  conversation_init (k, &c->options, &c->options.topic, &c->interrupted);
  k->on_step = progress;
  if (!conversation_read (k, error))
    return FALSE;
  engine = open_engine (c, error);
  if (!engine || !conversation_begin (k, engine, error))
    return FALSE;
  k->load_ns = minivl_engine_get_info (engine)->load_ns;
  if (k->warning)
    fprintf (stderr, "minivl-chat: warning: %s\n", k->warning);
  if (!c->options.json)
    fprintf (stderr, "minivl-chat: system message: %s; tokenizer: %s\n", conversation_system_source (k),
        minivl_engine_get_info (engine)->tokenizer);
  for (guint i = 0; c->options.topic.prompts[i]; i++)
    if (!ask (c, i, error))
      return FALSE;
  return TRUE;
}

static gboolean
answer_batch (Chat *c, GError **error)
{
  g_autoptr (Batch) batch = batch_open (&c->options, &c->interrupted, progress, error);
  g_autoptr (MinivlEngine) engine = NULL;

  if (!batch)
    return FALSE;
  /* A run that has nothing left to ask needs no model. */
  if (batch_count_left (batch) > 0) {
    engine = open_engine (c, error);
    if (!engine)
      return FALSE;
  }
  return batch_run (batch, engine, error);
}

/* --- main ------------------------------------------------------------------------------------------------------------------ */

static gboolean
run (Chat *c, GError **error)
{
  const MinivlEngineOptions budgeted = {
    .model_path = c->options.model,
    .device = c->options.device,
    .cache_precision = c->options.cache_precision,
  };

  if (c->options.list_devices)
    return report_devices (error);
  if (c->options.budget)
    return report_budget (&budgeted, error);
  if (c->options.clear_cache)
    return clear_cache (c, error);
  return c->options.batch ? answer_batch (c, error) : converse (c, error);
}

static gint
exit_code (const GError *error)
{
  if (error->domain != MINIVL_ERROR)
    return EXIT_USAGE; /* options and files */
  switch (error->code) {
    case MINIVL_ERROR_USAGE:
    case MINIVL_ERROR_FILE:
    case MINIVL_ERROR_BUDGET:
    case MINIVL_ERROR_IMAGES:
      return EXIT_USAGE;
    case MINIVL_ERROR_CANCELLED:
      return EXIT_INTERRUPTED;
    default:
      return EXIT_FAILURE;
  }
}

gint
main (gint argc, gchar **argv)
{
  g_autoptr (GError) error = NULL;
  Chat c = { .interrupted = FALSE };
  gint code = EXIT_SUCCESS;

  block_interrupt ();
  g_thread_unref (g_thread_new ("interrupt", watch_interrupt, &c));
  if (!options_parse (&c.options, argc, argv, &error) || !run (&c, &error)) {
    code = exit_code (error);
    if (code != EXIT_INTERRUPTED)
      fprintf (stderr, "minivl-chat: %s\n", error->message);
  }
  if (fflush (stdout) != 0 || ferror (stdout)) {
    fprintf (stderr, "minivl-chat: standard output cannot be written\n");
    code = code == EXIT_SUCCESS ? EXIT_FAILURE : code;
  }

  conversation_clear (&c.conversation);
  options_clear (&c.options);
  return code;
}

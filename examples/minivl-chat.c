/* minivl-chat: a conversation with a checkpoint about pictures and a video, on the command line. */
#include "media.h"
#include "options.h"
#include "report.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_USAGE 2
#define EXIT_INTERRUPTED 130

/* A picture or frame to be encoded, in the order of the marks. */
typedef struct
{
  MediaFrame frame; /* of a picture: read when the program starts, so that a file that cannot be used is told at once */
  guint max_tiles;
  gint64 index; /* of a video's frame; -1 for a picture */
} Source;

/* What stands for one mark. */
typedef struct
{
  guint first, n;
} Mark;

typedef struct
{
  Options options;
  GArray *sources; /* Source */
  GArray *marks;   /* Mark */
  MediaVideo *video;
  GPtrArray *pictures; /* MinivlPicture, one a source */
  guint n_frames;      /* sources that are the video's, behind the pictures */
  GArray *frames;      /* gint64, their indices as they were shown */
  GArray *frame_times; /* gint64, ns; -1: not known */
  gchar *warning;      /* of the video's damage; NULL: none */
  MinivlEngine *engine;
  MinivlSession *session;
  guint64 preprocess_ns, encode_ns;
  guint marks_asked;
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

static gboolean
check_interrupt (Chat *c, GError **error)
{
  if (!g_atomic_int_get (&c->interrupted))
    return TRUE;
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED, "interrupted");
  return FALSE;
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

/* --- sources --------------------------------------------------------------------------------------------------------------- */

static void
clear_source (gpointer data)
{
  media_frame_clear (&((Source *)data)->frame);
}

static gboolean
add_images (Chat *c, GError **error)
{
  for (guint i = 0; i < c->options.images->len; i++) {
    const ImageOption *image = &g_array_index (c->options.images, ImageOption, i);
    Source source = { .max_tiles = image->max_tiles, .index = -1 };
    Mark mark = { i, 1 };

    if (!media_read_picture (image->path, &source.frame, error))
      return FALSE;
    g_array_append_val (c->sources, source);
    if (c->options.joined && i > 0)
      g_array_index (c->marks, Mark, 0).n++;
    else
      g_array_append_val (c->marks, mark);
  }
  return TRUE;
}

static gboolean
has_marks (const Chat *c)
{
  for (gchar **prompt = c->options.prompts; *prompt; prompt++)
    if (minivl_prompt_count_marks (*prompt) > 0)
      return TRUE;
  return FALSE;
}

static gboolean
add_video (Chat *c, GError **error)
{
  const VideoOption *v = c->options.video;
  gboolean marked = has_marks (c);
  g_autofree gint64 *indices = NULL;
  gint64 last = 0;
  guint64 shown;

  if (!v)
    return TRUE;
  indices = g_new (gint64, v->segments);
  c->video = media_video_open (v->path, error);
  if (!c->video || !media_video_choose (c->video, v->start, v->stop, v->segments, indices, error))
    return FALSE;
  for (guint i = 0; i < v->segments; i++) {
    Source source = { .max_tiles = 1, .index = indices[i] >= 0 ? indices[i] : last };
    Mark mark = { c->sources->len, 1 };

    /* What the file has lost is left out; where the prompts have a mark for it, the last frame stands there. */
    if (indices[i] < 0 && !marked)
      continue;
    /* A file of which nothing can be shown is told at once. */
    if (c->n_frames == 0) {
      if (!media_video_read (c->video, source.index, &shown, &source.frame, error))
        return FALSE;
      source.index = shown;
    }
    g_array_append_val (c->sources, source);
    g_array_append_val (c->marks, mark);
    c->n_frames++;
    last = source.index;
  }
  return TRUE;
}

/* --- marks ----------------------------------------------------------------------------------------------------------------- */

/* Gives the first prompt the marks that stand nowhere, as the model was taught to read them. */
static gboolean
place_marks (Chat *c, GError **error)
{
  guint n_images = c->marks->len - c->n_frames, n = 0;
  gchar *marked;

  for (gchar **prompt = c->options.prompts; *prompt; prompt++)
    n += minivl_prompt_count_marks (*prompt);
  if (n == c->marks->len)
    return TRUE;
  if (n > 0) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "%u " MINIVL_IMAGE_MARK " in the prompts, but there are %u pictures and frames for them", n, c->marks->len);
    return FALSE;
  }
  marked = minivl_prompt_add_marks (c->options.prompts[0], n_images, c->n_frames);
  g_free (c->options.prompts[0]);
  c->options.prompts[0] = marked;
  return TRUE;
}

/* --- the model ------------------------------------------------------------------------------------------------------------- */

static gboolean
open_engine (Chat *c, GError **error)
{
  Loading loading = { c, -1 };
  MinivlEngineOptions options = {
    .model_path = c->options.model,
    .device = c->options.device,
    .precision = c->options.precision,
    .context_size = c->options.context_size,
    .tokenizer = c->options.tokenizer,
    .on_progress = on_loading,
    .user_data = &loading,
  };

  on_loading (0, &loading);
  c->engine = minivl_engine_open (&options, error);
  progress (NULL);
  if (!c->engine || !c->options.checkpoint_sampling || minivl_engine_get_sampling (c->engine, &c->options.params))
    return c->engine != NULL;
  g_set_error (
      error, MINIVL_ERROR, MINIVL_ERROR_FILE, "--checkpoint-sampling: there is no generation_config.json in %s", c->options.model);
  return FALSE;
}

/* Pictures alone may be more than the context holds; encoding them all first would take minutes to find that out. The sources not
 * yet encoded have at least a tile each. */
static gboolean
check_budget (Chat *c, guint tiles, GError **error)
{
  const MinivlEngineInfo *info = minivl_engine_get_info (c->engine);
  guint64 tokens = (guint64)(tiles + c->sources->len - c->pictures->len) * info->tile_tokens;
  guint64 all = tokens + c->options.params.max_tokens;

  if (all <= info->context_size)
    return TRUE;
  if (c->sources->len > 0)
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_BUDGET,
        "pictures of %" G_GUINT64_FORMAT " tokens and an answer of %u are %" G_GUINT64_FORMAT
        " too many for the context of %u: use "
        "fewer pictures, frames or tiles, a lower --max-tokens or a higher --context-size",
        tokens, c->options.params.max_tokens, all - info->context_size, info->context_size);
  else
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_BUDGET,
        "an answer of %u tokens is %" G_GUINT64_FORMAT " too many for the context of %u: use a lower --max-tokens or a higher "
        "--context-size",
        c->options.params.max_tokens, all - info->context_size, info->context_size);
  return FALSE;
}

/* What the model sees of a source, a file a tile. */
static gboolean
dump_tiles (Chat *c, const Source *source, const MinivlImage *image, GError **error)
{
  guint side = minivl_engine_get_info (c->engine)->tile_side, n_tiles;
  g_autofree gchar *name = NULL;
  g_autofree guint8 *tiles = NULL;

  if (!c->options.dump_tiles)
    return TRUE;
  if (source->index >= 0)
    name = g_strdup_printf ("frame-%06" G_GINT64_FORMAT, source->index);
  else
    name = g_strdup_printf ("picture-%03u", (guint)(source - (const Source *)c->sources->data) + 1);
  tiles = minivl_engine_read_tiles (c->engine, image, source->max_tiles, &n_tiles, error);
  if (!tiles)
    return FALSE;
  for (guint i = 0; i < n_tiles; i++) {
    g_autofree gchar *path = g_strdup_printf ("%s/%s-tile-%02u.png", c->options.dump_tiles, name, i + 1);

    if (!media_write_png (path, tiles + (gsize)i * side * side * 3, side, side, error))
      return FALSE;
  }
  return TRUE;
}

static MinivlPicture *
encode (Chat *c, Source *source, GError **error)
{
  MinivlPicture *picture = NULL;
  MinivlImage image;

  image = (MinivlImage){ { source->frame.data }, source->frame.width, source->frame.height, { source->frame.stride } };
  if (dump_tiles (c, source, &image, error))
    picture = minivl_picture_new (c->engine, &image, source->max_tiles, &c->interrupted, error);
  return picture;
}

static void
warn_of_damage (Chat *c)
{
  c->warning = c->video ? media_video_tell_damage (c->video) : NULL;
  if (c->warning)
    fprintf (stderr, "minivl-chat: warning: %s\n", c->warning);
}

/* A frame of the video, unless it is there already. */
static gboolean
read_frame (Chat *c, Source *source, GError **error)
{
  guint64 shown;
  gint64 time;

  if (source->index < 0)
    return TRUE;
  if (!source->frame.data) {
    if (!media_video_read (c->video, source->index, &shown, &source->frame, error))
      return FALSE;
    source->index = shown;
  }
  time = media_video_get_time (c->video, source->index);
  g_array_append_val (c->frames, source->index);
  g_array_append_val (c->frame_times, time);
  return TRUE;
}

static gboolean
encode_all (Chat *c, GError **error)
{
  guint tiles = 0;

  if (!check_budget (c, tiles, error))
    return FALSE;
  for (guint i = 0; i < c->sources->len; i++) {
    Source *source = &g_array_index (c->sources, Source, i);
    const Source *last = i > 0 ? source - 1 : NULL;
    g_autofree gchar *text = g_strdup_printf ("encoding picture %u of %u", i + 1, c->sources->len);
    MinivlPictureInfo info;
    MinivlPicture *picture;
    gboolean again;

    progress (text);
    if (!read_frame (c, source, error)) {
      progress (NULL);
      return FALSE;
    }
    again = last && source->index >= 0 && source->index == last->index;
    picture = again ? minivl_picture_ref (c->pictures->pdata[i - 1]) : encode (c, source, error);
    progress (NULL);
    media_frame_clear (&source->frame);
    if (!picture)
      return FALSE;
    g_ptr_array_add (c->pictures, picture);
    minivl_picture_get_info (picture, &info);
    tiles += info.tiles;
    if (!again) {
      c->preprocess_ns += info.preprocess_ns;
      c->encode_ns += info.encode_ns;
    }
    if (!check_budget (c, tiles, error))
      return FALSE;
  }
  warn_of_damage (c);
  return TRUE;
}

static gboolean
open_session (Chat *c, GError **error)
{
  c->session = minivl_session_new (c->engine, error);
  if (!c->session)
    return FALSE;
  minivl_session_set_system (c->session, c->options.system);
  return TRUE;
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

static guint
pictures_asked (const Chat *c)
{
  const Mark *last;

  if (c->marks_asked == 0)
    return 0;
  last = &g_array_index (c->marks, Mark, c->marks_asked - 1);
  return last->first + last->n;
}

/* Whose the system message is. */
static const gchar *
system_source (const Chat *c)
{
  return c->options.system ? "given" : minivl_engine_get_info (c->engine)->system_source;
}

static void
print_json (Chat *c, const MinivlAnswer *answer, gboolean first)
{
  const MinivlEngineInfo *info = minivl_engine_get_info (c->engine);
  guint n_pictures = pictures_asked (c), n_images = c->sources->len - c->n_frames;
  Report report = {
    .engine = info,
    .answer = answer,
    .system_source = system_source (c),
    .pictures = (MinivlPicture *const *)c->pictures->pdata,
    .n_pictures = n_pictures,
    .frames = (const gint64 *)c->frames->data,
    .frame_times = (const gint64 *)c->frame_times->data,
    .n_frames = n_pictures > n_images ? n_pictures - n_images : 0,
    .warning = c->warning,
    .seed = c->options.params.seed,
    .load_ns = first ? info->load_ns : 0,
    .preprocess_ns = first ? c->preprocess_ns : 0,
    .encode_ns = first ? c->encode_ns : 0,
  };
  g_autofree gchar *line = NULL;

  report.total_ns = report.load_ns + report.preprocess_ns + report.encode_ns + answer->total_ns;
  line = report_to_json (&report);
  printf ("%s\n", line);
}

static gboolean
ask (Chat *c, guint round, GError **error)
{
  const gchar *prompt = c->options.prompts[round];
  guint n_marks = minivl_prompt_count_marks (prompt);
  MinivlParams params = c->options.params;
  Printer printer = { .chat = c };
  g_auto (MinivlAnswer) answer = { NULL };
  gboolean ok;

  for (guint i = 0; i < n_marks; i++) {
    const Mark *mark = &g_array_index (c->marks, Mark, c->marks_asked++);

    minivl_session_add_pictures (c->session, (MinivlPicture *const *)c->pictures->pdata + mark->first, mark->n);
  }
  params.want_logits &= round == 0;
  params.cancel = &c->interrupted;
  printer.held = g_string_new (NULL);
  ok = check_interrupt (c, error) && minivl_session_ask (c->session, prompt, &params, on_text, &printer, &answer, error);
  g_string_free (printer.held, TRUE);
  if (printer.begun && !ok)
    printf ("\n");
  if (!ok)
    return FALSE;

  if (c->options.json)
    print_json (c, &answer, round == 0);
  else
    printf ("\n");
  fflush (stdout);
  if (params.want_logits && answer.logits && !report_write_logits (c->options.logits, &answer, error))
    return FALSE;
  return answer.finish != MINIVL_FINISH_CANCELLED || check_interrupt (c, error);
}

/* --- main ------------------------------------------------------------------------------------------------------------------ */

static gboolean
run (Chat *c, GError **error)
{
  if (c->options.list_devices)
    return report_devices (error);
  if (!add_images (c, error) || !add_video (c, error) || !place_marks (c, error) || !check_interrupt (c, error)
      || !open_engine (c, error) || !encode_all (c, error) || !open_session (c, error))
    return FALSE;
  if (!c->options.json)
    fprintf (stderr, "minivl-chat: system message: %s; tokenizer: %s\n", system_source (c),
        minivl_engine_get_info (c->engine)->tokenizer);
  for (guint i = 0; c->options.prompts[i]; i++)
    if (!ask (c, i, error))
      return FALSE;
  return TRUE;
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
  c.sources = g_array_new (FALSE, FALSE, sizeof (Source));
  g_array_set_clear_func (c.sources, clear_source);
  c.marks = g_array_new (FALSE, FALSE, sizeof (Mark));
  c.frames = g_array_new (FALSE, FALSE, sizeof (gint64));
  c.frame_times = g_array_new (FALSE, FALSE, sizeof (gint64));
  c.pictures = g_ptr_array_new_with_free_func ((GDestroyNotify)minivl_picture_unref);

  if (!options_parse (&c.options, argc, argv, &error) || !run (&c, &error)) {
    code = exit_code (error);
    if (code != EXIT_INTERRUPTED)
      fprintf (stderr, "minivl-chat: %s\n", error->message);
  }
  if (fflush (stdout) != 0 || ferror (stdout)) {
    fprintf (stderr, "minivl-chat: standard output cannot be written\n");
    code = code == EXIT_SUCCESS ? EXIT_FAILURE : code;
  }

  minivl_session_free (c.session);
  g_ptr_array_unref (c.pictures);
  g_clear_pointer (&c.engine, minivl_engine_unref);
  media_video_free (c.video);
  g_free (c.warning);
  g_array_unref (c.frames);
  g_array_unref (c.frame_times);
  g_array_unref (c.marks);
  g_array_unref (c.sources);
  options_clear (&c.options);
  return code;
}

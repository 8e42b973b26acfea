/* Decoding in another process: see decoder.h. */
#define _GNU_SOURCE
#include "decoder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIPE_SIZE (1 << 20)
#define MOST_ERROR_BYTES 4096
#define MOST_SIDE 65535

/* How often one that waits for its turn looks whether it is cancelled. */
#define TURN_SLICE (G_TIME_SPAN_SECOND / 10)

typedef struct
{
  const DecoderInput *input;
  const DecoderLimits *limits;
  GCancellable *cancellable;
  Refusal *refusal;
  pid_t pid;
  gint fd;         /* what it writes is read here */
  gint64 left;     /* us that it may still be waited for */
  gboolean may_go; /* it has a turn */
  guint64 n_bytes; /* room that it has for a frame */
} Decoder;

/* --- turns ----------------------------------------------------------------------------------------------------------------- */

static GMutex turns_lock;
static GCond turns_free;
static guint n_turns; /* under the lock, as the next */
static guint64 n_bytes_taken;

static gboolean
cancelled (Decoder *d)
{
  return refuse (d->refusal, 499, "cancelled", NULL, "cancelled");
}

static gboolean
take_turn (Decoder *d)
{
  g_mutex_lock (&turns_lock);
  while (n_turns >= g_get_num_processors () && !g_cancellable_is_cancelled (d->cancellable))
    g_cond_wait_until (&turns_free, &turns_lock, g_get_monotonic_time () + TURN_SLICE);
  d->may_go = !g_cancellable_is_cancelled (d->cancellable);
  n_turns += d->may_go;
  g_mutex_unlock (&turns_lock);
  return d->may_go || cancelled (d);
}

/* Whoever has room gets along without a turn, so that it does not matter if all who have turns wait for room. */
static gboolean
take_room (Decoder *d, guint64 n_bytes)
{
  gboolean ok;

  g_mutex_lock (&turns_lock);
  while (n_bytes_taken > 0 && n_bytes_taken + n_bytes > d->limits->frame_bytes && !g_cancellable_is_cancelled (d->cancellable))
    g_cond_wait_until (&turns_free, &turns_lock, g_get_monotonic_time () + TURN_SLICE);
  ok = !g_cancellable_is_cancelled (d->cancellable);
  d->n_bytes = ok ? n_bytes : 0;
  n_bytes_taken += d->n_bytes;
  g_mutex_unlock (&turns_lock);
  return ok || cancelled (d);
}

static void
give_room (Decoder *d)
{
  g_mutex_lock (&turns_lock);
  n_bytes_taken -= d->n_bytes;
  d->n_bytes = 0;
  g_cond_broadcast (&turns_free);
  g_mutex_unlock (&turns_lock);
}

static void
give_turn (Decoder *d)
{
  if (!d->may_go)
    return;
  g_mutex_lock (&turns_lock);
  n_turns--;
  d->may_go = FALSE;
  g_cond_broadcast (&turns_free);
  g_mutex_unlock (&turns_lock);
}

/* --- the process ----------------------------------------------------------------------------------------------------------- */

static gboolean
fail (Decoder *d, const gchar *what, gint code)
{
  return refuse (d->refusal, 500, "decoder_failed", NULL, "%s: %s", what, g_strerror (code));
}

/* A file in memory with the bytes; -1 with errno. */
static gint
make_file (GBytes *bytes)
{
  gint fd = memfd_create ("media", MFD_CLOEXEC);
  gsize size, written = 0;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  while (fd >= 0 && written < size) {
    gssize n = write (fd, data + written, size - written);

    if (n > 0) {
      written += n;
    } else if (errno != EINTR) {
      close (fd);
      return -1;
    }
  }
  return fd;
}

/* Returns 0, or errno's value. */
static gint
spawn (Decoder *d, gint file, gint pipe_end)
{
  const DecoderInput *in = d->input;
  gchar pixels[24], video_seconds[16], memory[16], seconds[16], segments[16];
  gchar start[G_ASCII_DTOSTR_BUF_SIZE], stop[G_ASCII_DTOSTR_BUF_SIZE];
  gchar *argv[] = { "minivl-server", DECODER_CHILD, in->video ? "video" : "picture", pixels, video_seconds, memory, seconds,
    segments, start, stop, NULL };
  /* Nothing of the environment but where a library of this program may be. */
  const gchar *libraries = g_getenv ("LD_LIBRARY_PATH");
  g_autofree gchar *path = g_strconcat ("LD_LIBRARY_PATH=", libraries, NULL);
  gchar *env[] = { "LC_ALL=C", libraries ? path : NULL, NULL };
  posix_spawn_file_actions_t actions;
  gint code;

  g_snprintf (pixels, sizeof pixels, "%" G_GUINT64_FORMAT, d->limits->pixels);
  g_snprintf (video_seconds, sizeof video_seconds, "%u", d->limits->video_seconds);
  g_snprintf (memory, sizeof memory, "%u", d->limits->memory_mib);
  g_snprintf (seconds, sizeof seconds, "%u", d->limits->seconds);
  g_snprintf (segments, sizeof segments, "%u", in->segments);
  g_ascii_dtostr (start, sizeof start, in->start);
  g_ascii_dtostr (stop, sizeof stop, in->stop);
  posix_spawn_file_actions_init (&actions);
  posix_spawn_file_actions_adddup2 (&actions, file, STDIN_FILENO);
  posix_spawn_file_actions_adddup2 (&actions, pipe_end, STDOUT_FILENO);
  posix_spawn_file_actions_addopen (&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  code = posix_spawn (&d->pid, "/proc/self/exe", &actions, NULL, argv, env);
  posix_spawn_file_actions_destroy (&actions);
  return code;
}

static gboolean
begin (Decoder *d)
{
  gint ends[2], file = make_file (d->input->bytes), code;

  if (file < 0)
    return fail (d, "no memory for it", errno);
  if (pipe2 (ends, O_CLOEXEC) != 0) {
    code = errno;
    close (file);
    return fail (d, "no pipe for it", code);
  }
  fcntl (ends[0], F_SETPIPE_SZ, PIPE_SIZE); /* fewer turns; without it, it works as well */
  code = spawn (d, file, ends[1]);
  close (file);
  close (ends[1]);
  if (code != 0) {
    close (ends[0]);
    return fail (d, "the decoder cannot be started", code);
  }
  d->fd = ends[0];
  return TRUE;
}

static void
finish (Decoder *d)
{
  if (d->pid > 0) {
    kill (d->pid, SIGKILL);
    while (waitpid (d->pid, NULL, 0) < 0 && errno == EINTR)
      continue;
    close (d->fd);
  }
  give_room (d);
  give_turn (d);
}

/* --- what it writes -------------------------------------------------------------------------------------------------------- */

/* Waits until there is something to be read, or the end. */
static gboolean
wait_for_it (Decoder *d)
{
  struct pollfd fds[2] = { { .fd = d->fd, .events = POLLIN }, { .fd = g_cancellable_get_fd (d->cancellable), .events = POLLIN } };
  gint64 since = g_get_monotonic_time ();
  gint n = poll (fds, fds[1].fd >= 0 ? 2 : 1, d->left / 1000 + 1);

  if (fds[1].fd >= 0)
    g_cancellable_release_fd (d->cancellable);
  d->left -= g_get_monotonic_time () - since;
  if (g_cancellable_is_cancelled (d->cancellable))
    return cancelled (d);
  if (n < 0 && errno != EINTR)
    return fail (d, "the decoder cannot be read", errno);
  if (d->left <= 0)
    return refuse (d->refusal, 400, "media_limit", d->input->param, "%s: it takes longer than %u s to decode", d->input->param,
        d->limits->seconds);
  return TRUE;
}

static gboolean
read_all (Decoder *d, gpointer data, gsize size)
{
  for (gsize have = 0; have < size;) {
    gssize n;

    if (!wait_for_it (d))
      return FALSE;
    n = read (d->fd, (guint8 *)data + have, size - have);
    if (n == 0)
      return refuse (d->refusal, 400, "media_limit", d->input->param,
          "%s: decoding it broke off: it takes more than %u MiB or %u s, or is made to break decoders", d->input->param,
          d->limits->memory_mib, d->limits->seconds);
    if (n < 0 && errno != EINTR)
      return fail (d, "the decoder cannot be read", errno);
    have += MAX (n, 0);
  }
  return TRUE;
}

/* It may be in the hands of what it decodes. */
static gboolean
check_record (Decoder *d, const DecoderRecord *r)
{
  gboolean fine = FALSE;

  if (r->kind == DECODER_FRAME)
    fine = r->width > 0 && r->height > 0 && r->width <= MOST_SIDE && r->height <= MOST_SIDE
           && (guint64)r->width * r->height <= d->limits->pixels && r->n_bytes == (guint64)r->width * r->height * 3;
  else if (r->kind == DECODER_ERROR)
    fine = r->n_bytes <= MOST_ERROR_BYTES;
  else
    fine = r->kind == DECODER_DONE && r->n_bytes == 0;
  return fine || refuse (d->refusal, 400, "invalid_media", d->input->param, "%s: the decoder went astray", d->input->param);
}

static gboolean
take_error (Decoder *d, const gchar *bytes, gsize size)
{
  g_autofree gchar *text = g_utf8_make_valid (bytes, size);

  return refuse (d->refusal, 400, "invalid_media", d->input->param, "%s: %s", d->input->param, text);
}

/* done (out): there is no more */
static gboolean
take_record (Decoder *d, DecoderFrame on_frame, gpointer user_data, gboolean *done)
{
  DecoderRecord r;
  g_autofree guint8 *bytes = NULL;
  gboolean ok;

  *done = FALSE;
  if (!read_all (d, &r, sizeof r) || !check_record (d, &r) || !take_room (d, r.n_bytes))
    return FALSE;
  bytes = g_try_malloc (MAX (r.n_bytes, 1));
  if (!bytes)
    return fail (d, "no memory for a picture", ENOMEM);
  if (!read_all (d, bytes, r.n_bytes))
    return FALSE;
  *done = r.kind == DECODER_DONE;
  if (r.kind == DECODER_ERROR)
    return take_error (d, (const gchar *)bytes, r.n_bytes);
  if (*done)
    return TRUE;
  give_turn (d);
  ok = on_frame (bytes, r.width, r.height, user_data, d->refusal);
  g_clear_pointer (&bytes, g_free);
  give_room (d);
  return ok && take_turn (d);
}

gboolean
decoder_run (const DecoderInput *input, const DecoderLimits *limits, GCancellable *cancellable, DecoderFrame on_frame,
    gpointer user_data, Refusal *refusal)
{
  Decoder d = { input, limits, cancellable, refusal, .left = (gint64)limits->seconds * G_TIME_SPAN_SECOND };
  gboolean done = FALSE, ok = take_turn (&d) && begin (&d);

  while (ok && !done)
    ok = take_record (&d, on_frame, user_data, &done);
  finish (&d);
  return ok;
}

/* The process that decodes: see decoder.h. Standard input is the file, standard output takes the records. */
#define _GNU_SOURCE
#include "decoder.h"

#include "examples/media.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define INPUT "/proc/self/fd/0"

/* A sanitizer takes terabytes of addresses. */
#if defined(__SANITIZE_ADDRESS__)
#define LIMITS_MEMORY 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LIMITS_MEMORY 0
#endif
#endif
#ifndef LIMITS_MEMORY
#define LIMITS_MEMORY 1
#endif

typedef struct
{
  gboolean video;
  guint64 pixels;
  guint video_seconds, memory_mib, seconds, segments;
  double start, stop;
} Arguments;

static void
limit (__rlimit_resource_t what, guint64 most)
{
  const struct rlimit value = { most, most };

  if (setrlimit (what, &value) != 0)
    _exit (EXIT_FAILURE);
}

/* From here on it can take no more than this, start nothing, and ends with the one that has started it. */
static void
bind_self (const Arguments *a)
{
  close_range (STDERR_FILENO + 1, ~0U, 0);
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  mallopt (M_ARENA_MAX, 2); /* each takes 64 MiB of addresses, and FFmpeg's threads would have one each */
  if (LIMITS_MEMORY)
    limit (RLIMIT_AS, (guint64)a->memory_mib << 20);
  limit (RLIMIT_CPU, a->seconds * g_get_num_processors ());
  limit (RLIMIT_CORE, 0);
  limit (RLIMIT_FSIZE, 0);
  limit (RLIMIT_NOFILE, 32);
  media_restrict (a->pixels);
}

/* Whoever does not read has gone. */
static void
put (gconstpointer data, gsize size)
{
  while (size > 0) {
    gssize n = write (STDOUT_FILENO, data, size);

    if (n < 0 && errno != EINTR)
      _exit (EXIT_FAILURE);
    if (n > 0) {
      data = (const guint8 *)data + n;
      size -= n;
    }
  }
}

static void
put_record (DecoderKind kind, guint width, guint height, gsize n_bytes)
{
  const DecoderRecord record = { kind, width, height, n_bytes };

  put (&record, sizeof record);
}

static void
put_frame (const MediaFrame *frame)
{
  put_record (DECODER_FRAME, frame->width, frame->height, (gsize)frame->width * frame->height * 3);
  for (guint y = 0; y < frame->height; y++)
    put (frame->data + y * frame->stride, (gsize)frame->width * 3);
}

/* The file has no name that would mean something to who has sent it. */
static void
put_error (const gchar *message)
{
  const gchar *text = g_str_has_prefix (message, INPUT ": ") ? message + strlen (INPUT ": ") : message;
  gsize n = MIN (strlen (text), 1024);

  put_record (DECODER_ERROR, 0, 0, n);
  put (text, n);
}

static gboolean
decode_picture (GError **error)
{
  g_auto (MediaFrame) frame = { NULL };

  if (!media_read_picture (INPUT, &frame, error))
    return FALSE;
  put_frame (&frame);
  return TRUE;
}

static gboolean
check_length (MediaVideo *video, const Arguments *a, GError **error)
{
  gint64 last = media_video_get_time (video, media_video_get_frames (video) - 1);

  if (last / G_GINT64_CONSTANT (1000000000) < a->video_seconds)
    return TRUE;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "the video is too long: it has %.0f s, and %u are possible", last / 1e9,
      a->video_seconds);
  return FALSE;
}

/* Those of a file that is cut off are left out. */
static gboolean
decode_video (const Arguments *a, GError **error)
{
  g_autoptr (MediaVideo) video = media_video_open (INPUT, error);
  g_autofree gint64 *indices = g_new (gint64, a->segments);

  if (!video || !check_length (video, a, error) || !media_video_choose (video, a->start, a->stop, a->segments, indices, error))
    return FALSE;
  for (guint i = 0; i < a->segments; i++) {
    g_auto (MediaFrame) frame = { NULL };
    guint64 shown;

    if (indices[i] < 0)
      continue;
    if (!media_video_read (video, indices[i], &shown, &frame, error))
      return FALSE;
    put_frame (&frame);
  }
  return TRUE;
}

int
decoder_child_main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  Arguments a = { 0 };

  if (argc != 10)
    return EXIT_FAILURE;
  a.video = g_str_equal (argv[2], "video");
  a.pixels = g_ascii_strtoull (argv[3], NULL, 10);
  a.video_seconds = g_ascii_strtoull (argv[4], NULL, 10);
  a.memory_mib = g_ascii_strtoull (argv[5], NULL, 10);
  a.seconds = g_ascii_strtoull (argv[6], NULL, 10);
  a.segments = g_ascii_strtoull (argv[7], NULL, 10);
  a.start = g_ascii_strtod (argv[8], NULL);
  a.stop = g_ascii_strtod (argv[9], NULL);
  bind_self (&a);
  if (a.video ? decode_video (&a, &error) : decode_picture (&error))
    put_record (DECODER_DONE, 0, 0, 0);
  else
    put_error (error->message);
  _exit (EXIT_SUCCESS); /* nothing is cleaned up that the kernel takes back */
}

/* What decodes may do what it likes: the one that waits for it gets an error, and in time. This program plays the child as well. */
#include "examples/server/decoder.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE 300 /* seconds */

/* --- the child: what it does is what it is given -------------------------------------------------------------------------- */

static void
put (guint32 kind, guint32 width, guint32 height, guint32 n_bytes, guint n_sent)
{
  const DecoderRecord record = { kind, width, height, n_bytes };
  g_autofree guint8 *bytes = g_malloc0 (n_sent + 1);

  g_assert_true (write (STDOUT_FILENO, &record, sizeof record) == sizeof record);
  g_assert_true (write (STDOUT_FILENO, bytes, n_sent) == n_sent);
}

static void
play (const gchar *what)
{
  if (g_str_equal (what, "frames")) {
    put (DECODER_FRAME, 2, 3, 18, 18);
    put (DECODER_FRAME, 3, 2, 18, 18);
    put (DECODER_DONE, 0, 0, 0, 0);
  } else if (g_str_equal (what, "sleeps")) {
    put (DECODER_FRAME, 2, 3, 18, 18);
    sleep (600);
  } else if (g_str_equal (what, "half")) {
    put (DECODER_FRAME, 2, 3, 18, 10);
  } else if (g_str_equal (what, "killed")) {
    kill (getpid (), SIGKILL);
  } else if (g_str_equal (what, "wide")) {
    put (DECODER_FRAME, 100000, 1, 300000, 0);
  } else if (g_str_equal (what, "large")) {
    put (DECODER_FRAME, 60000, 60000, 2210065408u, 0); /* 60000 * 60000 * 3, as far as 32 bits hold it */
  } else if (g_str_equal (what, "short")) {
    put (DECODER_FRAME, 2, 3, 17, 17);
  } else if (g_str_equal (what, "kind")) {
    put (77, 0, 0, 0, 0);
  } else if (g_str_equal (what, "talks")) {
    put (DECODER_ERROR, 0, 0, 1 << 20, 0);
  } else if (g_str_equal (what, "error")) {
    put (DECODER_ERROR, 0, 0, 5, 5);
  }
}

static int
child_main (void)
{
  gchar what[32] = "";

  g_assert_cmpint (lseek (STDIN_FILENO, 0, SEEK_SET), ==, 0);
  g_assert_true (read (STDIN_FILENO, what, sizeof what - 1) >= 0);
  play (what);
  return EXIT_SUCCESS;
}

/* --- its parent ------------------------------------------------------------------------------------------------------------ */

typedef struct
{
  guint n_frames;
  gboolean refuses;
  GCancellable *cancels;
  gint *in_hand; /* (nullable) (atomic): frames that all of them see at the moment */
} Viewer;

static gboolean
on_frame (const guint8 *rgb, guint width, guint height, gpointer user_data, Refusal *refusal)
{
  Viewer *v = user_data;

  for (guint i = 0; i < width * height * 3; i++)
    g_assert_cmpuint (rgb[i], ==, 0);
  v->n_frames++;
  if (v->in_hand) {
    g_assert_cmpint (g_atomic_int_add (v->in_hand, 1), <, 2); /* two of 18 bytes fit into 40 */
    g_usleep (2000);
    g_atomic_int_add (v->in_hand, -1);
  }
  if (v->cancels)
    g_cancellable_cancel (v->cancels);
  return !v->refuses || refuse (refusal, 400, "enough", NULL, "enough");
}

static gboolean
run_for (guint seconds, const gchar *what, Viewer *viewer, GCancellable *cancellable, Refusal *refusal)
{
  const DecoderLimits limits = { .pixels = 1 << 26, .video_seconds = 1, .memory_mib = 1024, .seconds = seconds, .frame_bytes = 40 };
  g_autoptr (GBytes) bytes = g_bytes_new (what, strlen (what));
  const DecoderInput input = { .bytes = bytes, .param = "a[0]" };

  return decoder_run (&input, &limits, cancellable, on_frame, viewer, refusal);
}

/* Nobody here is too slow but who sleeps. */
static gboolean
run (const gchar *what, Viewer *viewer, GCancellable *cancellable, Refusal *refusal)
{
  return run_for (PATIENCE, what, viewer, cancellable, refusal);
}

static void
test_frames_come (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (Refusal) refusal = { 0 };
  Viewer viewer = { 0 };

  g_assert_true (run ("frames", &viewer, cancellable, &refusal));
  g_assert_cmpuint (viewer.n_frames, ==, 2);
  g_assert_cmpuint (refusal.status, ==, 0);
  viewer.refuses = TRUE;
  g_assert_false (run ("frames", &viewer, cancellable, &refusal));
  g_assert_cmpuint (viewer.n_frames, ==, 3);
  g_assert_cmpstr (refusal.code, ==, "enough");
}

static const struct
{
  const gchar *what, *code;
  guint n_frames;
} troubles[] = {
  { "half", "media_limit", 0 },
  { "killed", "media_limit", 0 },
  { "nothing", "media_limit", 0 },
  { "wide", "invalid_media", 0 },
  { "large", "invalid_media", 0 },
  { "short", "invalid_media", 0 },
  { "kind", "invalid_media", 0 },
  { "talks", "invalid_media", 0 },
  { "error", "invalid_media", 0 },
};

static void
test_trouble_is_an_error (gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (Refusal) refusal = { 0 };
  guint i = GPOINTER_TO_UINT (data);
  Viewer viewer = { 0 };

  g_assert_false (run (troubles[i].what, &viewer, cancellable, &refusal));
  g_assert_cmpuint (refusal.status, ==, 400);
  g_assert_cmpstr (refusal.code, ==, troubles[i].code);
  g_assert_cmpstr (refusal.param, ==, "a[0]");
  g_assert_cmpuint (viewer.n_frames, ==, troubles[i].n_frames);
}

/* A machine that has no time for the frame in front of that gets more of it. */
static void
test_who_sleeps_is_too_slow (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Viewer viewer = { 0 };

  for (guint seconds = 1; viewer.n_frames == 0; seconds *= 2) {
    g_auto (Refusal) refusal = { 0 };

    g_assert_false (run_for (seconds, "sleeps", &viewer, cancellable, &refusal));
    g_assert_cmpuint (refusal.status, ==, 400);
    g_assert_cmpstr (refusal.code, ==, "media_limit");
    g_assert_cmpstr (refusal.param, ==, "a[0]");
  }
  g_assert_cmpuint (viewer.n_frames, ==, 1);
}

static void
test_it_is_cancelled (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (Refusal) refusal = { 0 };
  Viewer viewer = { .cancels = cancellable };

  g_assert_false (run ("sleeps", &viewer, cancellable, &refusal));
  g_assert_cmpuint (refusal.status, ==, 499);
  g_assert_false (run ("frames", &viewer, cancellable, &refusal));
  g_assert_cmpuint (refusal.status, ==, 499);
  g_assert_cmpuint (viewer.n_frames, ==, 1);
}

static gpointer
run_in_a_thread (gpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (Refusal) refusal = { 0 };
  Viewer viewer = { .in_hand = data };

  for (guint i = 0; i < 10; i++)
    g_assert_true (run ("frames", &viewer, cancellable, &refusal));
  g_assert_cmpuint (viewer.n_frames, ==, 20);
  return NULL;
}

/* More than there are cores wait for one another, and what they see of large pictures has its bound. */
static void
test_many_at_a_time (void)
{
  GThread *threads[16];
  gint in_hand = 0;

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("decoder", run_in_a_thread, &in_hand);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

int
main (int argc, char **argv)
{
  if (argc > 1 && g_str_equal (argv[1], DECODER_CHILD))
    return child_main ();
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/decoder/frames-come", test_frames_come);
  for (guint i = 0; i < G_N_ELEMENTS (troubles); i++) {
    g_autofree gchar *path = g_strconcat ("/decoder/trouble/", troubles[i].what, NULL);

    g_test_add_data_func (path, GUINT_TO_POINTER (i), test_trouble_is_an_error);
  }
  g_test_add_func ("/decoder/who-sleeps-is-too-slow", test_who_sleeps_is_too_slow);
  g_test_add_func ("/decoder/it-is-cancelled", test_it_is_cancelled);
  g_test_add_func ("/decoder/many-at-a-time", test_many_at_a_time);
  return g_test_run ();
}

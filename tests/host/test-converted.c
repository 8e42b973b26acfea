/* The file of converted weights: what is whole is read, and nothing else ever is. */
#include "../folder.h"
#include "model/converted.h"
#include "model/safetensors.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define N 3
#define OCTETS 70
#define OCTET_BYTES 544

typedef struct
{
  gchar *folder;
  guint8 *data[N];
} Fixture;

static void
set_up (Fixture *f, gconstpointer unused)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);

  f->folder = folder_new ();
  for (guint i = 0; i < N; i++) {
    f->data[i] = g_malloc (OCTETS * OCTET_BYTES);
    for (guint k = 0; k < OCTETS * OCTET_BYTES; k++)
      f->data[i][k] = g_rand_int (rand);
  }
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  for (guint i = 0; i < N; i++)
    g_free (f->data[i]);
  folder_free (f->folder);
}

static Converted *
make (Fixture *f, const gchar *source, const gchar *identity)
{
  GArray *tensors = g_array_new (FALSE, FALSE, sizeof (ConvertedTensor));

  for (guint i = 0; i < N; i++) {
    const ConvertedTensor t = { g_strdup_printf ("tensor \"%u\"", i), OCTETS, OCTET_BYTES };

    g_array_append_val (tensors, t);
  }
  return converted_new (f->folder, source, identity, tensors);
}

/* All but the last step; tensors: how many of them. */
static void
write_tensors (Fixture *f, Converted *c, guint tensors)
{
  for (guint i = 0; i < tensors; i++) {
    converted_append (c, f->data[i], 100 * OCTET_BYTES / 2);
    converted_append (c, f->data[i] + 100 * OCTET_BYTES / 2, OCTETS * OCTET_BYTES - 100 * OCTET_BYTES / 2);
    converted_append_sum (c, converted_sum (f->data[i], 0, OCTETS, OCTET_BYTES));
  }
}

static void
put (Fixture *f, const gchar *source, const gchar *identity)
{
  g_autoptr (Converted) c = make (f, source, identity);

  g_assert_true (converted_begin (c));
  write_tensors (f, c, N);
  converted_finish (c);
}

/* Whether there is a file that is whole in all that is read. */
static gboolean
is_read (Fixture *f, const gchar *source, const gchar *identity)
{
  g_autoptr (Converted) c = make (f, source, identity);

  if (!converted_open (c))
    return FALSE;
  for (guint i = 0; i < N; i++) {
    if (!converted_is_whole (c, i, converted_sum (converted_data (c, i), 0, OCTETS, OCTET_BYTES)))
      return FALSE;
    g_assert_cmpmem (converted_data (c, i), OCTETS * OCTET_BYTES, f->data[i], OCTETS * OCTET_BYTES);
  }
  return TRUE;
}

/* Files in the folder; name (nullable): of the last one. (transfer full) */
static guint
count (Fixture *f, gchar **name)
{
  g_autoptr (GDir) dir = g_dir_open (f->folder, 0, NULL);
  const gchar *next;
  guint n = 0;

  while ((next = g_dir_read_name (dir)) != NULL) {
    if (name != NULL) {
      g_free (*name);
      *name = g_build_filename (f->folder, next, NULL);
    }
    n++;
  }
  return n;
}

static void
test_what_is_written_is_read (Fixture *f, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *path = NULL;
  g_autoptr (TensorSet) set = NULL;

  g_assert_false (is_read (f, "m", "1"));
  put (f, "m", "1");
  g_assert_true (is_read (f, "m", "1"));
  g_assert_cmpuint (count (f, &path), ==, 1);
  set = tensor_set_open_file (path, &error); /* a safetensors file, of types that a checkpoint has not */
  g_assert_no_error (error);
  g_assert_false (tensor_set_expect_known (set, NULL));
}

static void
test_another_is_not_read_and_is_replaced (Fixture *f, gconstpointer unused)
{
  put (f, "m", "1");
  g_assert_false (is_read (f, "m", "2"));
  put (f, "m", "2");
  g_assert_true (is_read (f, "m", "2"));
  g_assert_false (is_read (f, "m", "1"));
  g_assert_cmpuint (count (f, NULL), ==, 1); /* of one source there is one */
  put (f, "n", "1");
  g_assert_true (is_read (f, "m", "2"));
  g_assert_cmpuint (count (f, NULL), ==, 2);
}

static void
test_sums_of_parts_are_that_of_all (Fixture *f, gconstpointer unused)
{
  const guint64 all = converted_sum (f->data[0], 0, OCTETS, OCTET_BYTES);

  for (guint i = 0; i <= OCTETS; i++)
    g_assert_cmpuint (
        converted_sum (f->data[0], 0, i, OCTET_BYTES) + converted_sum (f->data[0] + i * OCTET_BYTES, i, OCTETS - i, OCTET_BYTES),
        ==, all);
  memcpy (f->data[1], f->data[0] + OCTET_BYTES, OCTET_BYTES);
  memcpy (f->data[1] + OCTET_BYTES, f->data[0], OCTET_BYTES);
  g_assert_cmpuint (converted_sum (f->data[1], 0, 2, OCTET_BYTES), !=, converted_sum (f->data[0], 0, 2, OCTET_BYTES));
}

/* Any byte of the file changed, and any length that it is cut to or has too much. */
static void
test_a_damaged_file_is_never_read (Fixture *f, gconstpointer unused)
{
  g_autofree gchar *path = NULL, *bytes = NULL;
  gsize n;

  put (f, "m", "1");
  count (f, &path);
  g_assert_true (g_file_get_contents (path, &bytes, &n, NULL));
  for (gsize at = 0; at < n; at += at < 600 || at > n - 100 ? 1 : 397) {
    bytes[at] ^= 1 << at % 8;
    g_assert_true (g_file_set_contents_full (path, bytes, n, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
    g_assert_false (is_read (f, "m", "1"));
    bytes[at] ^= 1 << at % 8;
  }
  for (gsize size = 0; size < n; size += size < 20 || size > n - 20 ? 1 : 4999) {
    g_assert_true (g_file_set_contents_full (path, bytes, size, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
    g_assert_false (is_read (f, "m", "1"));
  }
  put (f, "m", "1");
  g_assert_true (is_read (f, "m", "1"));
}

static void
test_what_is_given_up_leaves_nothing (Fixture *f, gconstpointer unused)
{
  Converted *c = make (f, "m", "1");

  g_assert_true (converted_begin (c));
  write_tensors (f, c, 1);
  g_assert_cmpuint (count (f, NULL), ==, 1);
  g_assert_false (is_read (f, "m", "1"));
  converted_free (c);
  g_assert_cmpuint (count (f, NULL), ==, 0);
}

/* The last is all but the name. */
static void
test_a_killed_one_is_not_read_and_is_swept_away (Fixture *f, gconstpointer unused)
{
  for (guint tensors = 0; tensors <= N; tensors++) {
    g_autofree gchar *left = NULL;
    gboolean temporary = FALSE;
    gint status;
    pid_t child = fork ();

    if (child == 0) {
      Converted *c = make (f, "m", "1");

      converted_begin (c);
      write_tensors (f, c, tensors);
      kill (getpid (), SIGKILL);
    }
    g_assert_cmpint (waitpid (child, &status, 0), ==, child);
    g_assert_true (WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL);
    g_assert_cmpuint (count (f, &left), ==, 1);
    g_assert_true (converted_is_file (strrchr (left, '/') + 1, &temporary) && temporary);
    g_assert_false (is_read (f, "m", "1"));
    put (f, "m", "1");
    g_assert_true (is_read (f, "m", "1"));
    g_assert_cmpuint (count (f, NULL), ==, 1);
    folder_empty (f->folder);
  }
}

/* Two processes at once, and a third that looks all the time. */
static void
test_two_at_once_do_not_disturb_each_other (Fixture *f, gconstpointer unused)
{
  pid_t children[2];
  gint status;

  for (guint k = 0; k < 2; k++) {
    children[k] = fork ();
    if (children[k] != 0)
      continue;
    for (guint i = 0; i < 100; i++) {
      put (f, "m", "1");
      if (!is_read (f, "m", "1"))
        _exit (1);
    }
    _exit (0);
  }
  for (guint running = 2; running > 0;) {
    g_autoptr (Converted) c = make (f, "m", "1");

    if (converted_open (c))
      g_assert_true (is_read (f, "m", "1"));
    if (waitpid (-1, &status, WNOHANG) > 0) {
      g_assert_true (WIFEXITED (status) && WEXITSTATUS (status) == 0);
      running--;
    }
  }
  g_assert_true (is_read (f, "m", "1"));
  g_assert_cmpuint (count (f, NULL), ==, 1);
}

/* What another process writes is not what a killed one left. */
static void
test_what_is_being_written_is_not_swept_away (Fixture *f, gconstpointer unused)
{
  g_autoptr (Converted) slow = make (f, "m", "1");

  g_assert_true (converted_begin (slow));
  write_tensors (f, slow, 1);
  put (f, "n", "1");
  for (guint i = 1; i < N; i++) {
    converted_append (slow, f->data[i], OCTETS * OCTET_BYTES);
    converted_append_sum (slow, converted_sum (f->data[i], 0, OCTETS, OCTET_BYTES));
  }
  converted_finish (slow);
  g_assert_true (is_read (f, "m", "1"));
  g_assert_true (is_read (f, "n", "1"));
}

/* As a full disk does, at every step. */
static void
test_a_full_disk_costs_only_the_file (Fixture *f, gconstpointer unused)
{
  for (guint limit = 0; limit < 118000; limit += 9973) {
    const struct rlimit most = { limit, RLIM_INFINITY }, none = { RLIM_INFINITY, RLIM_INFINITY };
    g_autoptr (Converted) c = make (f, "m", "1");

    g_test_expect_message (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "*the converted weights are not kept*");
    g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &most), ==, 0);
    if (converted_begin (c))
      write_tensors (f, c, N);
    converted_finish (c);
    g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &none), ==, 0);
    g_test_assert_expected_messages ();
    g_assert_false (is_read (f, "m", "1"));
    g_assert_cmpuint (count (f, NULL), ==, 0);
  }
}

/* Nobody's disk holds 2^60 bytes: nothing is written in vain. */
static void
test_free_space_is_looked_at_first (Fixture *f, gconstpointer unused)
{
  GArray *tensors = g_array_new (FALSE, FALSE, sizeof (ConvertedTensor));
  const ConvertedTensor t = { g_strdup ("t"), G_GUINT64_CONSTANT (1) << 30, G_GUINT64_CONSTANT (1) << 30 };
  g_autoptr (Converted) c = NULL;

  g_array_append_val (tensors, t);
  c = converted_new (f->folder, "m", "1", tensors);
  g_test_expect_message (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "*EiB are needed on the disk, and * are free*");
  g_assert_false (converted_begin (c));
  g_test_assert_expected_messages ();
  g_assert_cmpuint (count (f, NULL), ==, 0);
}

static void
test_a_folder_that_cannot_be_is_told (Fixture *f, gconstpointer unused)
{
  g_autofree gchar *file = g_build_filename (f->folder, "file", NULL), *folder = g_build_filename (file, "folder", NULL);
  GArray *tensors = g_array_new (FALSE, FALSE, sizeof (ConvertedTensor));
  const ConvertedTensor t = { g_strdup ("t"), 1, 8 };
  g_autoptr (Converted) c = NULL;

  g_array_append_val (tensors, t);
  g_assert_true (g_file_set_contents (file, "", 0, NULL));
  c = converted_new (folder, "m", "1", tensors);
  g_test_expect_message (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "*not kept*Not a directory*");
  g_assert_false (converted_begin (c));
  g_test_assert_expected_messages ();
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  signal (SIGXFSZ, SIG_IGN);
#define ADD(test) g_test_add ("/converted/" #test, Fixture, NULL, set_up, test_##test, tear_down)
  ADD (what_is_written_is_read);
  ADD (another_is_not_read_and_is_replaced);
  ADD (sums_of_parts_are_that_of_all);
  ADD (a_damaged_file_is_never_read);
  ADD (what_is_given_up_leaves_nothing);
  ADD (a_killed_one_is_not_read_and_is_swept_away);
  ADD (two_at_once_do_not_disturb_each_other);
  ADD (what_is_being_written_is_not_swept_away);
  ADD (a_full_disk_costs_only_the_file);
  ADD (free_space_is_looked_at_first);
  ADD (a_folder_that_cannot_be_is_told);
#undef ADD
  return g_test_run ();
}

/* The journal as a file: what is written, and what is read back from files of every kind. No element. */
#include "gst/results/journal.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of a large file, and from one place that a line is cut at to the next; a sanitizer takes its time for each line. */
#ifdef SANITIZED
#define LINES 100
#define STEP 40
#else
#define LINES 20000
#define STEP 3
#endif

typedef struct
{
  gchar *folder, *path;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->folder = g_dir_make_tmp ("minivl-journal-XXXXXX", NULL);
  f->path = g_build_filename (f->folder, "journal.jsonl", NULL);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_unlink (f->path);
  g_assert_cmpint (g_rmdir (f->folder), ==, 0);
  g_free (f->folder);
  g_free (f->path);
}

static Result *
make (guint64 id, const gchar *kind, const gchar *stream, const gchar *text, const gchar *finish_reason)
{
  Result *result = result_new ();

  result->id = id;
  result->kind = kind;
  result->stream = g_strdup (stream);
  result->text = g_strdup (text);
  result->segment_start = id * 10 * GST_SECOND;
  result->segment_stop = (id + 1) * 10 * GST_SECOND;
  result->finish_reason = finish_reason;
  return result;
}

static gchar *
line_of (guint64 id, const gchar *kind, const gchar *stream, const gchar *text, const gchar *finish_reason)
{
  g_autoptr (Result) result = make (id, kind, stream, text, finish_reason);

  return result_to_json (result);
}

static void
write_file (Fixture *f, const gchar *content, gssize length)
{
  g_unlink (f->path); /* not synchronised, and then GLib 2.74 does not shorten a file */
  g_assert_true (g_file_set_contents_full (f->path, content, length, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
}

static gchar *
read_file (Fixture *f)
{
  gchar *content;

  g_assert_true (g_file_get_contents (f->path, &content, NULL, NULL));
  return content;
}

static Journal *
open_journal (Fixture *f, const gchar *stream)
{
  GError *error = NULL;
  Journal *journal = journal_open (f->path, stream, &error);

  g_assert_no_error (error);
  g_assert_nonnull (journal);
  journal_look_back (journal, &(const gint){ 0 });
  return journal;
}

/* Asserts the ids that are read back, separated by spaces. */
static void
assert_read (Journal *journal, const gchar *ids)
{
  g_autoptr (GString) got = g_string_new (NULL);
  Result *result;

  while ((result = journal_read (journal)) != NULL) {
    g_string_append_printf (got, "%s%" G_GUINT64_FORMAT, got->len > 0 ? " " : "", result->id);
    result_unref (result);
  }
  g_assert_cmpstr (got->str, ==, ids);
  g_assert_null (journal_read (journal));
}

static void
append (Journal *journal, guint64 id, const gchar *kind, const gchar *stream, const gchar *text, const gchar *finish_reason)
{
  g_autoptr (Result) result = make (id, kind, stream, text, finish_reason);
  GError *error = NULL;

  g_assert_true (journal_append (journal, result, &error));
  g_assert_no_error (error);
}

static void
test_append (Fixture *f, gconstpointer data)
{
  g_autoptr (Journal) journal = open_journal (f, "yard");
  g_autofree gchar *expected = NULL;

  g_assert_cmpuint (journal_get_last_id (journal), ==, 0);
  assert_read (journal, "");
  append (journal, 1, RESULT_SEGMENT, "yard", "A man\nwalks.", "stop");
  {
    g_autofree gchar *first = line_of (1, RESULT_SEGMENT, "yard", "A man\nwalks.", "stop"), *content = read_file (f);

    g_assert_cmpstr (content, ==, first); /* at once, not when it is closed */
    g_assert_cmpint (strchr (first, '\n') - first, ==, (gint)strlen (first) - 1);
  }
  append (journal, 2, RESULT_ALERT, "yard", "ALERT: what", "stop");
  assert_read (journal, ""); /* of this run */
  {
    g_autofree gchar *first = line_of (1, RESULT_SEGMENT, "yard", "A man\nwalks.", "stop");
    g_autofree gchar *second = line_of (2, RESULT_ALERT, "yard", "ALERT: what", "stop"), *content = read_file (f);

    expected = g_strconcat (first, second, NULL);
    g_assert_cmpstr (content, ==, expected);
  }
}

static void
test_read_back (Fixture *f, gconstpointer data)
{
  g_autoptr (Journal) journal = open_journal (f, "yard");
  g_autoptr (Result) first = make (1, RESULT_SEGMENT, "yard", "Ein Hündchen \"bellt\".\n", "length");
  g_autoptr (Result) got = NULL;

  first->utc = g_strdup ("2026-11-25T10:00:00.000Z");
  g_assert_true (journal_append (journal, first, NULL));
  append (journal, 2, RESULT_ALERT, "yard", "ALERT: what", "stop");
  append (journal, 3, RESULT_SEGMENT, "yard", "", "unchanged");
  g_clear_pointer (&journal, journal_close);

  journal = open_journal (f, "yard");
  g_assert_cmpuint (journal_get_last_id (journal), ==, 3);
  got = journal_read (journal);
  g_assert_cmpuint (got->id, ==, 1);
  g_assert_cmpstr (got->kind, ==, RESULT_SEGMENT);
  g_assert_cmpstr (got->stream, ==, "yard");
  g_assert_cmpstr (got->text, ==, first->text);
  g_assert_cmpuint (got->segment_start, ==, first->segment_start);
  g_assert_cmpuint (got->segment_stop, ==, first->segment_stop);
  g_assert_cmpstr (got->utc, ==, first->utc);
  g_assert_cmpstr (got->finish_reason, ==, "length");
  g_clear_pointer (&got, result_unref);
  got = journal_read (journal);
  g_assert_cmpstr (got->kind, ==, RESULT_ALERT);
  g_assert_cmpstr (got->text, ==, "ALERT: what");
  g_assert_null (got->utc);
  assert_read (journal, "3");
  g_assert_cmpuint (journal_get_skipped (journal), ==, 0);
}

/* A summary that failed, or was given up, has not done with its reports. */
static void
test_behind_the_last_summary (Fixture *f, gconstpointer data)
{
  g_autoptr (Journal) journal = open_journal (f, "yard");

  append (journal, 1, RESULT_SEGMENT, "yard", "a", "stop");
  append (journal, 2, RESULT_SUMMARY, "yard", "s", "stop");
  append (journal, 3, RESULT_SEGMENT, "yard", "b", "stop");
  append (journal, 4, RESULT_SUMMARY, "yard", "s", "length");
  append (journal, 5, RESULT_SEGMENT, "yard", "c", "stop");
  append (journal, 6, RESULT_SUMMARY, "yard", "", "error");
  append (journal, 7, RESULT_SUMMARY, "yard", "half", "deadline");
  append (journal, 8, RESULT_SUMMARY, "yard", "half", "flush");
  append (journal, 9, RESULT_QUESTION, "yard", "d", "stop");
  g_clear_pointer (&journal, journal_close);
  journal = open_journal (f, "yard");
  assert_read (journal, "5 6 7 8 9");
}

/* Those that end behind it, told while it was made, are for the next one; what is in front of them is done with. */
static void
test_beside_the_last_summary (Fixture *f, gconstpointer data)
{
  g_autoptr (Journal) journal = open_journal (f, "yard");
  g_autoptr (Result) sum = make (9, RESULT_SUMMARY, "yard", "s", "stop");

  append (journal, 1, RESULT_SEGMENT, "yard", "a", "stop");
  append (journal, 2, RESULT_SEGMENT, "yard", "b", "stop");
  append (journal, 3, RESULT_SEGMENT, "yard", "c", "stop");
  append (journal, 4, RESULT_QUESTION, "yard", "d", "stop");
  append (journal, 7, RESULT_SEGMENT, "door", "e", "stop");
  append (journal, 5, RESULT_ALERT, "yard", "f", "stop");
  sum->segment_start = 0;
  sum->segment_stop = 30 * GST_SECOND;
  g_assert_true (journal_append (journal, sum, NULL));
  append (journal, 8, RESULT_SEGMENT, "yard", "g", "stop");
  g_clear_pointer (&journal, journal_close);
  journal = open_journal (f, "yard");
  assert_read (journal, "3 4 5 8");
  g_assert_cmpuint (journal_get_last_id (journal), ==, 9);
  g_assert_false (journal_is_cut (journal));
}

static void
test_streams_share_a_file (Fixture *f, gconstpointer data)
{
  g_autoptr (Journal) yard = open_journal (f, "yard"), door = open_journal (f, "door");

  append (yard, 1, RESULT_SEGMENT, "yard", "a", "stop");
  append (door, 7, RESULT_SEGMENT, "door", "b", "stop");
  append (yard, 2, RESULT_SEGMENT, "yard", "c", "stop");
  append (door, 9, RESULT_SUMMARY, "door", "s", "stop");
  append (yard, 3, RESULT_SEGMENT, "yard", "d", "stop");
  g_clear_pointer (&yard, journal_close);
  g_clear_pointer (&door, journal_close);
  yard = open_journal (f, "yard");
  door = open_journal (f, "door");
  assert_read (yard, "1 2 3");
  assert_read (door, "");
  g_assert_cmpuint (journal_get_last_id (yard), ==, 9);
}

static void
test_half_written_line (Fixture *f, gconstpointer data)
{
  g_autofree gchar *first = line_of (1, RESULT_SEGMENT, "yard", "a", "stop"),
                   *second = line_of (2, RESULT_SEGMENT, "yard", "b", "stop");
  g_autofree gchar *third = line_of (3, RESULT_SEGMENT, "yard", "c", "stop");
  gsize length = strlen (second);

  /* Wherever the power was cut; with all but the newline it is a whole line. */
  for (gsize cut = 0; cut < length; cut += cut + STEP >= length ? 1 : STEP) {
    g_autofree gchar *half = g_strndup (second, cut), *before = g_strconcat (first, half, NULL);
    g_autofree gchar *expected = g_strconcat (before, cut > 0 ? "\n" : "", third, NULL), *behind = NULL;
    g_autoptr (Journal) journal = NULL;

    write_file (f, before, -1);
    journal = open_journal (f, "yard");
    g_assert_cmpuint (journal_get_skipped (journal), ==, 0);
    assert_read (journal, cut == length - 1 ? "1 2" : "1");
    append (journal, 3, RESULT_SEGMENT, "yard", "c", "stop");
    g_clear_pointer (&journal, journal_close);
    behind = read_file (f);
    g_assert_cmpstr (behind, ==, expected);
    journal = open_journal (f, "yard");
    g_assert_cmpuint (journal_get_last_id (journal), ==, 3);
    assert_read (journal, cut == length - 1 ? "1 2 3" : "1 3");
  }
}

static void
test_garbage (Fixture *f, gconstpointer data)
{
  static const gchar *const garbage[] = {
    "",
    "what?",
    "{}",
    "[]",
    "null",
    "{\"id\":5,\"kind\":\"segment\",\"broken",
    "{\"id\":5,\"kind\":\"segment\"}",
    "{\"id\":5,\"kind\":\"segment\",}",
    "{\"id\":-5,\"kind\":\"segment\",\"stream\":\"yard\",\"text\":\"\",\"segment_start\":0,\"segment_stop\":1,\"utc\":null,"
    "\"finish_reason\":"
    "\"stop\"}",
    "{\"id\":5,\"kind\":\"party\",\"stream\":\"yard\",\"text\":\"\",\"segment_start\":0,\"segment_stop\":1,\"utc\":null,\"finish_"
    "reason\":"
    "\"stop\"}",
    "{\"id\":5,\"kind\":\"segment\",\"stream\":\"yard\",\"text\":7,\"segment_start\":0,\"segment_stop\":1,\"utc\":null,\"finish_"
    "reason\":"
    "\"stop\"}",
    "{\"id\":5,\"kind\":\"segment\",\"stream\":\"yard\",\"text\":\"\",\"segment_start\":2,\"segment_stop\":1,\"utc\":null,\"finish_"
    "reason\":"
    "\"stop\"}",
    "{\"id\":5,\"kind\":\"segment\",\"stream\":\"yard\",\"text\":\"\",\"segment_start\":0,\"segment_stop\":9223372036854775807,"
    "\"utc\":null,\"finish_reason\":\"stop\"}",
    "{\"id\":5,\"kind\":\"segment\",\"stream\":\"yard\",\"text\":\"\",\"segment_start\":0,\"segment_stop\":1,\"utc\":[],\"finish_"
    "reason\":"
    "\"stop\"}",
    "{\"id\":5,\"kind\":\"segment\",\"stream\":\"yard\",\"text\":\"\",\"segment_start\":0,\"segment_stop\":1,\"utc\":null,\"finish_"
    "reason\":"
    "\"bored\"}",
    "{\"id\":5,\"kind\":\"segment\",\"stream\":\"y\xff\",\"text\":\"\",\"segment_start\":0,\"segment_stop\":1,\"utc\":null,"
    "\"finish_"
    "reason\":\"stop\"}",
  };
  g_autofree gchar *deep = g_strnfill (1 << 20, '[');
  g_autoptr (GString) content = g_string_new (NULL);
  g_autoptr (Journal) journal = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (garbage); i++) {
    g_autofree gchar *line = line_of (10 + i, RESULT_SEGMENT, "yard", "a [ { \\\" ]", "stop");

    g_string_append_printf (content, "%s\n%s", garbage[i], line);
  }
  g_string_append_printf (content, "%s\n", deep);
  g_string_append_len (content, "\0\0\0\n", 4); /* what a file system leaves behind */
  write_file (f, content->str, (gssize)content->len);
  journal = open_journal (f, "yard");
  assert_read (journal, "10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25");
  g_assert_cmpuint (journal_get_skipped (journal), ==, G_N_ELEMENTS (garbage) + 2);
}

/* As deep as the data of an answer can be. */
#define EIGHT(middle) "[[[[[[[[" middle "]]]]]]]]"
#define DEEP EIGHT (EIGHT (EIGHT (EIGHT (EIGHT (EIGHT (EIGHT ("{\"a\": [1, [2]]}")))))))

/* By other hands: other order, spaces, fields that nobody knows. */
static void
test_written_by_others (Fixture *f, gconstpointer data)
{
  g_autoptr (Journal) journal = NULL;

  write_file (f,
      "{ \"stream\": \"yard\", \"kind\": \"summary\", \"id\": 41, \"text\": \"s\", \"finish_reason\": \"stop\", \"segment_start\": "
      "0, "
      "\"segment_stop\": 5, \"utc\": null, \"mood\": " DEEP " }\r\n"
      "{ \"stream\": \"yard\", \"kind\": \"segment\", \"id\": 7, \"text\": \"s\", \"finish_reason\": \"stop\", \"segment_start\": "
      "0, "
      "\"segment_stop\": 5, \"utc\": null }\n",
      -1);
  journal = open_journal (f, "yard");
  g_assert_cmpuint (journal_get_last_id (journal), ==, 41);
  assert_read (journal, "7");
  g_assert_cmpuint (journal_get_skipped (journal), ==, 0);
}

static gsize
memory_in_use (void)
{
  g_autofree gchar *status = NULL;
  const gchar *peak;

  g_assert_true (g_file_get_contents ("/proc/self/status", &status, NULL, NULL));
  peak = strstr (status, "VmRSS:");
  return (gsize)g_ascii_strtoull (peak + strlen ("VmRSS:"), NULL, 10) << 10;
}

/* And a line that is longer than any result is passed over without being kept. */
static void
test_large (Fixture *f, gconstpointer data)
{
  g_autofree gchar *text = g_strnfill (1000, 'x');
  g_autofree gchar *line = line_of (1, RESULT_SEGMENT, "door", text, "stop"),
                   *own = line_of (90, RESULT_SEGMENT, "yard", "a", "stop");
  g_autofree gchar *longest = g_strnfill (1 << 20, 'y');
  g_autoptr (Journal) journal = NULL;
  FILE *file = g_fopen (f->path, "w");
  gsize before, grown;

  fputs (own, file);
  for (guint i = 0; i < LINES; i++)
    fputs (line, file);
  for (guint i = 0; i < 30; i++)
    fputs (longest, file);
  fprintf (file, "\n%s", own);
  g_assert_cmpint (ftell (file), >, LINES * 1000 + (30 << 20));
  fclose (file);
  before = memory_in_use ();
  journal = open_journal (f, "yard");
  assert_read (journal, "90 90");
  grown = memory_in_use () - before;
  g_test_message ("memory grew by %" G_GSIZE_FORMAT " KiB", grown >> 10);
#ifndef SANITIZED
  g_assert_cmpuint (grown, <, 24 << 20);
#endif
  g_assert_cmpuint (journal_get_skipped (journal), ==, 1);
}

/* Wherever the windows begin that it is read by, and whichever lines are longer than one. */
static void
test_windows (Fixture *f, gconstpointer data)
{
  g_autoptr (GString) content = g_string_new (NULL), ids = g_string_new (NULL);
  const guint lengths[] = { 1, 100, 700000, 300000, 1 << 20, 5, 3 << 20, 9 << 20, 1000, (1 << 20) - 700, 2, 1 << 19 };
  g_autoptr (Journal) journal = NULL;

  for (guint i = 0; i < 2 * G_N_ELEMENTS (lengths); i++) {
    g_autofree gchar *prompt = g_strnfill (lengths[i % G_N_ELEMENTS (lengths)] + i, 'p'), *line = NULL;
    g_autoptr (Result) result = make (i + 1, RESULT_SEGMENT, "yard", "a", "stop");

    result->prompt = g_steal_pointer (&prompt);
    line = result_to_json (result);
    g_string_append (content, line);
    if (lengths[i % G_N_ELEMENTS (lengths)] <= 8 << 20)
      g_string_append_printf (ids, "%s%u", ids->len > 0 ? " " : "", i + 1);
  }
  write_file (f, content->str, (gssize)content->len);
  journal = open_journal (f, "yard");
  assert_read (journal, ids->str);
  g_assert_cmpuint (journal_get_skipped (journal), ==, 2);
}

/* Bytes that this process has read with system calls. */
static guint64
bytes_read (void)
{
  g_autofree gchar *io = NULL;

  g_assert_true (g_file_get_contents ("/proc/self/io", &io, NULL, NULL));
  return g_ascii_strtoull (strstr (io, "rchar:") + strlen ("rchar:"), NULL, 10);
}

/* n lines, of results 1 to n. */
static void
write_lines (Fixture *f, guint n)
{
  g_autofree gchar *line = line_of (0, RESULT_SEGMENT, "yard", "a", "stop");
  FILE *file = g_fopen (f->path, "w");

  g_assert_true (g_str_has_prefix (line, "{\"id\":0,"));
  for (guint i = 1; i <= n; i++)
    fprintf (file, "{\"id\":%u%s", i, line + strlen ("{\"id\":0"));
  fclose (file);
}

/* Of a journal that was never summed up the newest are read, and nothing before. */
static void
test_bounded (Fixture *f, gconstpointer data)
{
  const guint n = JOURNAL_MOST_REPORTS + 10000, n_read = MIN (JOURNAL_MOST_REPORTS, LINES);
  g_autoptr (Journal) journal = NULL;
  guint64 before, opened, read;
  struct stat about;

  write_lines (f, n);
  g_assert_cmpint (stat (f->path, &about), ==, 0);
  before = bytes_read ();
  journal = journal_open (f->path, "yard", NULL);
  opened = bytes_read ();
  journal_look_back (journal, &(const gint){ 0 });
  read = bytes_read ();
  g_test_message ("of %" G_GINT64_FORMAT " bytes opening reads %" G_GUINT64_FORMAT ", looking back %" G_GUINT64_FORMAT,
      (gint64)about.st_size, opened - before, read - opened);
  g_assert_cmpuint (opened - before, <, 10000);
  g_assert_cmpuint (read - opened, <, (guint64)about.st_size * 3 / 4);
  g_assert_true (journal_is_cut (journal));
  g_assert_cmpuint (journal_get_last_id (journal), ==, n);
  for (guint i = 1; i <= n_read; i++) {
    g_autoptr (Result) result = journal_read (journal);

    g_assert_cmpuint (result->id, ==, n - JOURNAL_MOST_REPORTS + i);
  }
#ifndef SANITIZED
  g_assert_null (journal_read (journal));
#endif
  g_clear_pointer (&journal, journal_close);

  write_lines (f, JOURNAL_MOST_REPORTS); /* as many as are kept are not cut */
  journal = open_journal (f, "yard");
  g_assert_false (journal_is_cut (journal));
  for (guint i = 1; i <= n_read; i++)
    result_unref (journal_read (journal));
}

/* 32 MiB, however long the lines are. */
static void
test_bounded_bytes (Fixture *f, gconstpointer data)
{
  g_autofree gchar *text = g_strnfill (1 << 20, 'x');
  g_autoptr (Journal) journal = open_journal (f, "yard");

  for (guint i = 1; i <= 34; i++)
    append (journal, i, i < 30 ? RESULT_SEGMENT : RESULT_QUESTION, "yard", text, "stop");
  g_clear_pointer (&journal, journal_close);
  journal = open_journal (f, "yard");
  assert_read (journal, "4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34");
  g_assert_true (journal_is_cut (journal));
}

/* --- rotation ---------------------------------------------------------------------------------------------------------------- */

static void
assert_file (const gchar *path, const gchar *const *lines)
{
  g_autofree gchar *content = NULL, *expected = g_strjoinv ("", (gchar **)lines);

  g_assert_true (g_file_get_contents (path, &content, NULL, NULL));
  g_assert_cmpstr (content, ==, expected);
}

/* That this process has open. */
static guint
count_files (void)
{
  g_autoptr (GDir) folder = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n = 0;

  while (g_dir_read_name (folder) != NULL)
    n++;
  return n;
}

/* logrotate's ways: renamed and made anew by either side, or copied and emptied; and removed. */
static void
test_rotation (Fixture *f, gconstpointer data)
{
  g_autofree gchar *old = g_strconcat (f->path, ".1", NULL);
  gchar *lines[9] = { NULL };
  g_autoptr (Journal) journal = open_journal (f, "yard");
  const guint files = count_files ();

  for (guint i = 1; i < G_N_ELEMENTS (lines); i++)
    lines[i] = line_of (i, RESULT_SEGMENT, "yard", "a", "stop");
#define APPEND(id) append (journal, id, RESULT_SEGMENT, "yard", "a", "stop")
  APPEND (1);
  g_assert_cmpint (g_rename (f->path, old), ==, 0);
  APPEND (2);
  assert_file (old, (const gchar *[]){ lines[1], NULL });
  assert_file (f->path, (const gchar *[]){ lines[2], NULL });

  g_assert_cmpint (g_rename (f->path, old), ==, 0);
  write_file (f, "", 0);
  APPEND (3);
  APPEND (4);
  assert_file (old, (const gchar *[]){ lines[2], NULL });
  assert_file (f->path, (const gchar *[]){ lines[3], lines[4], NULL });

  g_assert_cmpint (truncate (f->path, 0), ==, 0);
  APPEND (5);
  assert_file (f->path, (const gchar *[]){ lines[5], NULL });

  /* In the middle of a line, by another one that writes into the file */
  g_assert_cmpint (truncate (f->path, (off_t)strlen (lines[5]) - 3), ==, 0);
  APPEND (6);
  {
    g_autofree gchar *half = g_strndup (lines[5], strlen (lines[5]) - 3);

    assert_file (f->path, (const gchar *[]){ half, "\n", lines[6], NULL });
  }

  g_assert_cmpint (g_unlink (f->path), ==, 0);
  APPEND (7);
  assert_file (f->path, (const gchar *[]){ lines[7], NULL });

  g_assert_cmpuint (count_files (), ==, files);
  g_assert_cmpint (g_unlink (old), ==, 0);
  for (guint i = 1; i < G_N_ELEMENTS (lines); i++)
    g_free (lines[i]);
}

/* What has taken its place is no file: told, until it is one again. */
static void
test_rotation_fails (Fixture *f, gconstpointer data)
{
  g_autoptr (Journal) journal = open_journal (f, "yard");
  g_autoptr (Result) result = make (2, RESULT_SEGMENT, "yard", "a", "stop");
  g_autofree gchar *line = result_to_json (result);

  for (guint i = 0; i < 2; i++) {
    g_autoptr (GError) error = NULL;

    append (journal, 1, RESULT_SEGMENT, "yard", "a", "stop");
    g_assert_cmpint (g_unlink (f->path), ==, 0);
    g_assert_cmpint (i == 0 ? g_mkdir (f->path, 0700) : mkfifo (f->path, 0600), ==, 0);
    g_assert_false (journal_append (journal, result, &error));
    g_assert_nonnull (error);
    g_assert_cmpint (error->domain, ==, G_FILE_ERROR);
    g_assert_nonnull (strstr (error->message, f->path));
    g_assert_cmpint (g_remove (f->path), ==, 0);
    g_assert_true (journal_append (journal, result, NULL));
    assert_file (f->path, (const gchar *[]){ line, NULL });
  }
}

typedef struct
{
  const gchar *path;
  gint64 size;
  gint quit;
} Rotator;

/* Empties and fills the file, as often as it can. */
static gpointer
rotate (gpointer data)
{
  Rotator *r = data;

  while (!g_atomic_int_get (&r->quit)) {
    g_assert_cmpint (truncate (r->path, 0), ==, 0);
    g_assert_cmpint (truncate (r->path, r->size), ==, 0);
  }
  return NULL;
}

/* Under the eyes of whoever looks back: what is mapped of it would end the process. */
static void
test_shortened_while_it_is_read (Fixture *f, gconstpointer data)
{
  Rotator rotator = { f->path, 32 << 20, 0 };
  GThread *thread;

  write_file (f, "", 0);
  thread = g_thread_new ("rotator", rotate, &rotator);
  for (guint i = 0; i < LINES / 100; i++) {
    g_autoptr (Journal) journal = open_journal (f, "yard");

    assert_read (journal, "");
  }
  g_atomic_int_set (&rotator.quit, 1);
  g_thread_join (thread);
}

static void
assert_refused (const gchar *path, const gchar *part)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (journal_open (path, "yard", &error));
  g_assert_nonnull (error);
  g_assert_nonnull (strstr (error->message, path));
  g_assert_nonnull (strstr (error->message, part));
}

static void
test_refused (Fixture *f, gconstpointer data)
{
  g_autofree gchar *nowhere = g_build_filename (f->folder, "no", "journal", NULL);

  assert_refused (nowhere, g_strerror (ENOENT));
  assert_refused (f->folder, g_strerror (EISDIR));
  assert_refused ("/dev/null", "not a regular file");
  g_assert_cmpint (mkfifo (f->path, 0600), ==, 0); /* would wait for a reader */
  assert_refused (f->path, "not a regular file");
}

/* A full disk: the line is not there, or half; the next one that is written is a line of its own. */
static void
test_full_disk (Fixture *f, gconstpointer data)
{
  g_autoptr (Journal) journal = open_journal (f, "yard");
  g_autoptr (Result) second = make (2, RESULT_SEGMENT, "yard", "b", "stop");
  g_autoptr (GError) error = NULL;
  struct rlimit limit, small;
  struct stat about;

  append (journal, 1, RESULT_SEGMENT, "yard", "a", "stop");
  g_assert_cmpint (stat (f->path, &about), ==, 0);
  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  small = limit;
  small.rlim_cur = (rlim_t)about.st_size + 20;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &small), ==, 0);
  g_assert_false (journal_append (journal, second, &error));
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  g_assert_error (error, G_FILE_ERROR, g_file_error_from_errno (EFBIG));
  g_assert_nonnull (strstr (error->message, f->path));
  append (journal, 3, RESULT_SEGMENT, "yard", "c", "stop");
  g_clear_pointer (&journal, journal_close);
  journal = open_journal (f, "yard");
  assert_read (journal, "1 3");
  g_assert_cmpuint (journal_get_skipped (journal), ==, 1);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)
  ADD ("/journal/a_result_is_a_line_at_once", test_append);
  ADD ("/journal/results_are_read_back", test_read_back);
  ADD ("/journal/what_a_summary_has_done_with_is_not_read_back", test_behind_the_last_summary);
  ADD ("/journal/what_was_told_while_a_summary_was_made_is_read_back", test_beside_the_last_summary);
  ADD ("/journal/streams_share_a_file", test_streams_share_a_file);
  ADD ("/journal/a_half_written_line_is_closed_wherever_it_was_cut", test_half_written_line);
  ADD ("/journal/garbage_is_skipped_and_counted", test_garbage);
  ADD ("/journal/json_by_other_hands_is_understood", test_written_by_others);
  ADD ("/journal/memory_is_bounded_for_any_size", test_large);
  ADD ("/journal/lines_are_read_back_wherever_windows_begin", test_windows);
  ADD ("/journal/the_newest_are_read_back_and_no_more", test_bounded);
  ADD ("/journal/bytes_that_are_read_back_are_bounded", test_bounded_bytes);
  ADD ("/journal/a_file_that_is_rotated_is_opened_anew", test_rotation);
  ADD ("/journal/what_takes_its_place_must_be_a_file", test_rotation_fails);
  ADD ("/journal/it_may_be_shortened_while_it_is_read", test_shortened_while_it_is_read);
  ADD ("/journal/what_cannot_be_a_journal_is_refused", test_refused);
  ADD ("/journal/a_full_disk_costs_only_its_lines", test_full_disk);
  return g_test_run ();
}

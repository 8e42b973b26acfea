#define _GNU_SOURCE /* memrchr() */
#include "journal.h"

#include "gst/backends/json-text.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Longer lines are no results: a result's longest part is its prompt, which the model's context bounds. A fuzzer has less patience.
 */
#ifndef MAX_LINE
#define MAX_LINE (8 << 20)
#endif
/* No id goes on from a higher one: many are to follow it. */
#define MAX_LAST_ID (G_MAXINT64 / 2)
/* What is read at once. */
#ifndef WINDOW
#define WINDOW (1 << 20)
#endif
/* Of the lines that are read back */
#define MOST_BYTES (32 << 20)
/* Lines, for files that hold many that this file did not write */
#define MOST_PARSED (2 * JOURNAL_MOST_REPORTS)

struct _Journal
{
  gchar *path, *stream;
  gchar *own; /* the stream as it is written in a line, up to the next member */
  gint fd;
  gint64 end;                /* of what was there when it was opened */
  GPtrArray *lines;          /* GString, newest first: what is to be read back */
  guint n_reports, n_parsed; /* lines */
  gsize bytes;               /* of these lines */
  gboolean is_cut;
  gboolean summed_up; /* the newest made summary has been seen */
  guint64 summary_stop;
  guint64 last_id, skipped;
};

/* --- lines to results -------------------------------------------------------------------------------------------------------- */

/* The member's text, "" where it is null; NULL when it is missing or no text. */
static const gchar *
get_text (JsonObject *object, const gchar *name)
{
  JsonNode *node = json_object_get_member (object, name);

  if (node == NULL || JSON_NODE_HOLDS_NULL (node))
    return node == NULL ? NULL : "";
  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_STRING)
    return NULL;
  return json_node_get_string (node);
}

static gboolean
get_uint64 (JsonObject *object, const gchar *name, guint64 *value)
{
  JsonNode *node = json_object_get_member (object, name);

  if (node == NULL || !JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_INT64
      || json_node_get_int (node) < 0)
    return FALSE;
  *value = (guint64)json_node_get_int (node);
  return TRUE;
}

/* The word that equals text; NULL: none. */
static const gchar *
find_word (const gchar *text, const gchar *const *words)
{
  while (text != NULL && *words != NULL && !g_str_equal (*words, text))
    words++;
  return text != NULL ? *words : NULL;
}

static gboolean
fill_result (Result *result, JsonObject *object)
{
  static const gchar *const kinds[] = { RESULT_SEGMENT, RESULT_ALERT, RESULT_SUMMARY, RESULT_QUESTION, NULL };
  static const gchar *const reasons[] = { "stop", "length", "cancelled", "deadline", "flush", "unchanged", "dropped", "error",
    NULL };
  const gchar *stream = get_text (object, "stream"), *text = get_text (object, "text"), *utc = get_text (object, "utc");

  result->kind = find_word (get_text (object, "kind"), kinds);
  result->finish_reason = find_word (get_text (object, "finish_reason"), reasons);
  if (result->kind == NULL || result->finish_reason == NULL || stream == NULL || text == NULL || utc == NULL
      || !get_uint64 (object, "id", &result->id) || !get_uint64 (object, "segment_start", &result->segment_start)
      || !get_uint64 (object, "segment_stop", &result->segment_stop) || result->segment_stop < result->segment_start
      || result->segment_stop > RESULT_MAX_TIME)
    return FALSE;
  result->stream = g_strdup (stream);
  result->text = g_strdup (text);
  result->utc = utc[0] != '\0' ? g_strdup (utc) : NULL;
  return TRUE;
}

/* It is JSON that need not be of this file's making. */
static gboolean
may_be_result (const gchar *line, gsize length)
{
  return line[strspn (line, " \t")] == '{' && g_utf8_validate_len (line, length, NULL) && json_is_shallow (line, length);
}

/* NULL: it is no result. (transfer full) */
static Result *
parse_line (const gchar *line, gsize length)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (Result) result = result_new ();
  JsonNode *root;

  if (!json_parser_load_from_data (parser, line, (gssize)length, NULL))
    return NULL;
  root = json_parser_get_root (parser);
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root) || !fill_result (result, json_node_get_object (root)))
    return NULL;
  return g_steal_pointer (&result);
}

/* --- looking back ------------------------------------------------------------------------------------------------------------ */

typedef struct
{
  guint64 id;
  gboolean is_own, is_report; /* of the stream; of a segment or an alert */
} Scanned;

/* A line as this file writes it: what it is without parsing it. FALSE: it is none, or tells of a summary of the stream. */
static gboolean
scan_line (const Journal *j, const gchar *line, gsize length, Scanned *scanned)
{
  static const gchar before[] = "{\"id\":", kind[] = ",\"kind\":\"", stream[] = "\",\"final\":true,\"stream\":";
  const gchar *word;
  gchar *at;

  if (length == 0 || line[length - 1] != '}' || !g_str_has_prefix (line, before) || !g_ascii_isdigit (line[strlen (before)]))
    return FALSE;
  scanned->id = g_ascii_strtoull (line + strlen (before), &at, 10);
  if (scanned->id > G_MAXINT64 || !g_str_has_prefix (at, kind))
    return FALSE;
  word = at + strlen (kind);
  at = (gchar *)word + strspn (word, "abcdefghijklmnopqrstuvwxyz");
  if (!g_str_has_prefix (at, stream))
    return FALSE;
  scanned->is_own = g_str_has_prefix (at + strlen (stream), j->own);
  scanned->is_report = g_str_has_prefix (word, RESULT_SEGMENT "\"") || g_str_has_prefix (word, RESULT_ALERT "\"");
  return !scanned->is_own || !g_str_has_prefix (word, RESULT_SUMMARY "\"");
}

static void
note_id (Journal *j, guint64 id)
{
  if (id <= MAX_LAST_ID)
    j->last_id = MAX (j->last_id, id);
}

/* FALSE: there is no room for it. */
static gboolean
keep_line (Journal *j, const gchar *line, gsize length, gboolean is_report)
{
  j->n_reports += is_report;
  j->bytes += length;
  j->is_cut = j->n_reports > JOURNAL_MOST_REPORTS || j->bytes > MOST_BYTES || j->lines->len == MOST_PARSED;
  if (!j->is_cut)
    g_ptr_array_add (j->lines, g_string_new_len (line, (gssize)length));
  return !j->is_cut;
}

/* The line as a result of the stream. FALSE: nothing before it is to be summed up. */
static gboolean
note_result (Journal *j, const Result *result, const gchar *line, gsize length)
{
  gboolean is_report = g_str_equal (result->kind, RESULT_SEGMENT) || g_str_equal (result->kind, RESULT_ALERT);

  if (j->summed_up) {
    /* Reports that are told while a summary is made go into the next one. */
    if (is_report && result->segment_stop <= j->summary_stop)
      return FALSE;
  } else if (result_is_made_summary (result)) {
    j->summed_up = TRUE;
    j->summary_stop = result->segment_stop;
    return TRUE;
  }
  return keep_line (j, line, length, is_report);
}

/* line ends in a NUL. closed: behind it there is a newline. FALSE: nothing before it is wanted. */
static gboolean
note_line (Journal *j, const gchar *line, gsize length, gboolean closed)
{
  g_autoptr (Result) result = NULL;
  Scanned scanned;

  if (closed && scan_line (j, line, length, &scanned) && !(scanned.is_own && j->summed_up)) {
    note_id (j, scanned.id);
    return !scanned.is_own || keep_line (j, line, length, scanned.is_report);
  }
  if (may_be_result (line, length)) {
    if (j->n_parsed == MOST_PARSED) {
      j->is_cut = TRUE;
      return FALSE;
    }
    j->n_parsed++;
    result = parse_line (line, length);
  }
  j->skipped += result == NULL && closed;
  if (result == NULL)
    return TRUE;
  note_id (j, result->id);
  return !g_str_equal (result->stream, j->stream) || note_result (j, result, line, length);
}

/* Notes the lines between start and end but for the first, of which more may lie before start; returns where that one ends. NULL:
 * no more are wanted. too_long: the last line is. */
static gchar *
note_lines (Journal *j, gchar *start, gchar *end, gboolean *closed, gboolean *too_long)
{
  gchar *newline;

  while ((newline = memrchr (start, '\n', (gsize)(end - start))) != NULL) {
    *end = '\0';
    if (*too_long)
      j->skipped += *closed;
    else if ((*closed || newline + 1 < end) && !note_line (j, newline + 1, (gsize)(end - newline - 1), *closed))
      return NULL;
    *too_long = FALSE;
    *closed = TRUE;
    end = newline;
  }
  return end;
}

/* Not mapped: another process may shorten the file at any time, as logrotate's copytruncate does, and what is mapped of it then
 * kills the process that looks at it. */
void
journal_look_back (Journal *j, const gint *quit)
{
  g_autofree gchar *buffer = g_malloc (WINDOW + MAX_LINE + 1);
  gchar *const middle = buffer + WINDOW;
  gboolean closed = FALSE, too_long = FALSE;
  gsize kept = 0; /* bytes from the middle on, of a line that begins further in front */
  gint64 offset = j->end;

  while (offset > 0 && !g_atomic_int_get (quit)) {
    gsize n = (gsize)MIN (offset, WINDOW);
    gchar *start = middle - n, *end;

    offset -= (gint64)n;
    if (pread (j->fd, start, n, offset) != (gssize)n) /* it was shortened */
      break;
    end = note_lines (j, start, middle + kept, &closed, &too_long);
    if (end == NULL)
      break;
    kept = (gsize)(end - start);
    if (offset == 0) {
      *end = '\0';
      if (too_long)
        j->skipped += closed;
      else
        note_line (j, start, kept, closed);
    }
    too_long = too_long || kept > MAX_LINE;
    if (kept > MAX_LINE)
      kept = 0;
    memmove (middle, start, kept);
  }
}

Result *
journal_read (Journal *j)
{
  Result *result = NULL;

  while (result == NULL && j->lines->len > 0) {
    const GString *line = g_ptr_array_index (j->lines, j->lines->len - 1);

    if (may_be_result (line->str, line->len))
      result = parse_line (line->str, line->len);
    if (result != NULL && !g_str_equal (result->stream, j->stream)) /* it says so later in the line */
      g_clear_pointer (&result, result_unref);
    j->skipped += result == NULL;
    g_ptr_array_set_size (j->lines, (gint)j->lines->len - 1);
  }
  return result;
}

gboolean
journal_is_cut (const Journal *j)
{
  return j->is_cut;
}

/* --- the file ---------------------------------------------------------------------------------------------------------------- */

static void
set_error (GError **error, const Journal *j)
{
  gint number = errno;

  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (number), "%s: %s", j->path, g_strerror (number));
}

/* Regular files only: others may never end, or block. (transfer full) A negative one is an error. */
static gint
open_file (const Journal *j, struct stat *about, GError **error)
{
  gint fd = g_open (j->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);

  if (fd < 0 || fstat (fd, about) < 0)
    set_error (error, j);
  else if (!S_ISREG (about->st_mode))
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: not a regular file", j->path);
  else
    return fd;
  if (fd >= 0)
    close (fd);
  return -1;
}

/* The file that is open is no longer the one of that name once it was rotated, or removed: then results go on in a new one. about:
 * the one that is open behind this. */
static gboolean
follow_name (Journal *j, struct stat *about, GError **error)
{
  struct stat named;
  gint fd;

  if (fstat (j->fd, about) == 0 && stat (j->path, &named) == 0 && named.st_dev == about->st_dev && named.st_ino == about->st_ino)
    return TRUE;
  fd = open_file (j, about, error);
  if (fd < 0)
    return FALSE;
  close (j->fd);
  j->fd = fd;
  return TRUE;
}

/* The last line has no end: what wrote it was interrupted. */
static gboolean
is_torn (const Journal *j, gint64 size)
{
  gchar last;

  return size > 0 && pread (j->fd, &last, 1, size - 1) == 1 && last != '\n';
}

/* FALSE with errno; a part of it may be there. */
static gboolean
write_all (Journal *j, const gchar *text)
{
  gsize length = strlen (text), done = 0;
  gssize n;

  while (done < length) {
    n = write (j->fd, text + done, length - done);
    if (n < 0 && errno != EINTR)
      return FALSE;
    done += (gsize)MAX (n, 0);
  }
  return TRUE;
}

static void
free_line (gpointer line)
{
  g_string_free (line, TRUE);
}

Journal *
journal_open (const gchar *path, const gchar *stream, GError **error)
{
  g_autoptr (Journal) j = g_new0 (Journal, 1);
  g_autoptr (JsonNode) node = json_node_init_string (json_node_alloc (), stream);
  g_autofree gchar *own = json_write (node);
  struct stat about;

  j->path = g_strdup (path);
  j->stream = g_strdup (stream);
  j->own = g_strconcat (own, ",", NULL);
  j->lines = g_ptr_array_new_with_free_func (free_line);
  j->fd = open_file (j, &about, error);
  if (j->fd < 0)
    return NULL;
  j->end = about.st_size;
  if (is_torn (j, about.st_size) && !write_all (j, "\n")) {
    set_error (error, j);
    return NULL;
  }
  return g_steal_pointer (&j);
}

void
journal_close (Journal *j)
{
  if (j == NULL)
    return;
  if (j->fd >= 0)
    close (j->fd);
  g_ptr_array_unref (j->lines);
  g_free (j->own);
  g_free (j->path);
  g_free (j->stream);
  g_free (j);
}

guint64
journal_get_last_id (const Journal *j)
{
  return j->last_id;
}

guint64
journal_get_skipped (const Journal *j)
{
  return j->skipped;
}

gboolean
journal_append (Journal *j, const Result *result, GError **error)
{
  g_autofree gchar *line = result_to_json (result);
  g_autofree gchar *text = NULL;
  struct stat about;

  if (!follow_name (j, &about, error))
    return FALSE;
  text = g_strconcat (is_torn (j, about.st_size) ? "\n" : "", line, NULL);
  if (write_all (j, text))
    return TRUE;
  set_error (error, j);
  return FALSE;
}

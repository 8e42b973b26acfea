#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Longer lines are no results: a result's longest part is its prompt, which the model's context bounds. */
#define MAX_LINE (8 << 20)
/* Of nested brackets: json-glib recurses without a bound. */
#define MAX_DEPTH 8

struct _Journal
{
  gchar *path, *stream;
  gint fd;            /* to append */
  FILE *file;         /* to read; NULL when all has been read */
  gint64 offset, end; /* of what is read; of what was there when it was opened */
  GString *line;
  guint64 last_id, skipped;
  gboolean torn; /* the last line was not written to its end */
};

/* --- lines to results -------------------------------------------------------------------------------------------------------- */

static gboolean
is_deep (const GString *line)
{
  gboolean in_string = FALSE;
  gint depth = 0;

  for (gsize i = 0; i < line->len && depth <= MAX_DEPTH; i++) {
    gchar c = line->str[i];

    if (in_string && c == '\\')
      i++;
    else if (c == '"')
      in_string = !in_string;
    else if (!in_string && (c == '[' || c == '{'))
      depth++;
    else if (!in_string && (c == ']' || c == '}'))
      depth--;
  }
  return depth > MAX_DEPTH;
}

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

/* NULL: it is no result. (transfer full) */
static Result *
parse_line (const GString *line)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (Result) result = result_new ();
  JsonNode *root;

  if (!g_utf8_validate_len (line->str, line->len, NULL) || is_deep (line)
      || !json_parser_load_from_data (parser, line->str, (gssize)line->len, NULL))
    return NULL;
  root = json_parser_get_root (parser);
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root) || !fill_result (result, json_node_get_object (root)))
    return NULL;
  return g_steal_pointer (&result);
}

/* --- reading ----------------------------------------------------------------------------------------------------------------- */

/* FALSE: no more lines. closed: the line ends in a newline. A line that is too long is emptied. */
static gboolean
next_line (Journal *j, gboolean *closed)
{
  gint c = EOF;

  g_string_truncate (j->line, 0);
  while (j->offset < j->end && (c = getc_unlocked (j->file)) != EOF && c != '\n') {
    j->offset++;
    if (j->line->len < MAX_LINE)
      g_string_append_c (j->line, (gchar)c);
  }
  j->offset += c == '\n';
  *closed = c == '\n';
  if (j->line->len == MAX_LINE)
    g_string_truncate (j->line, 0);
  return *closed || j->line->len > 0;
}

/* A line as this file writes it that is no summary: years of such lines need no parsing. */
static gboolean
scan_id (const GString *line, guint64 *id)
{
  static const gchar before[] = "{\"id\":", kind[] = ",\"kind\":\"";
  gchar *end;

  if (!g_str_has_prefix (line->str, before) || !g_ascii_isdigit (line->str[strlen (before)]) || line->str[line->len - 1] != '}')
    return FALSE;
  *id = g_ascii_strtoull (line->str + strlen (before), &end, 10);
  return g_str_has_prefix (end, kind) && !g_str_has_prefix (end + strlen (kind), RESULT_SUMMARY "\"");
}

/* Returns where the lines after the last summary begin. */
static gint64
look_through (Journal *j)
{
  gint64 behind = 0;
  gboolean closed;
  guint64 id;

  while (next_line (j, &closed)) {
    if (!scan_id (j->line, &id)) {
      g_autoptr (Result) result = parse_line (j->line);

      id = result != NULL ? result->id : 0;
      j->skipped += result == NULL && closed;
      if (result != NULL && result_is_made_summary (result) && g_str_equal (result->stream, j->stream))
        behind = j->offset;
    }
    j->last_id = MAX (j->last_id, id);
    j->torn = !closed;
  }
  return behind;
}

Result *
journal_read (Journal *j)
{
  gboolean closed;
  guint64 id;

  while (j->file != NULL && next_line (j, &closed)) {
    g_autoptr (Result) result = parse_line (j->line);

    /* The others were counted by look_through(). */
    j->skipped += result == NULL && scan_id (j->line, &id);
    if (result != NULL && g_str_equal (result->stream, j->stream))
      return g_steal_pointer (&result);
  }
  g_clear_pointer (&j->file, fclose);
  return NULL;
}

/* --- the file ---------------------------------------------------------------------------------------------------------------- */

static void
set_error (GError **error, const Journal *j)
{
  gint number = errno;

  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (number), "%s: %s", j->path, g_strerror (number));
}

/* Regular files only: others may never end, or block. */
static gboolean
open_file (Journal *j, GError **error)
{
  struct stat about;

  j->fd = g_open (j->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
  if (j->fd < 0 || fstat (j->fd, &about) < 0) {
    set_error (error, j);
    return FALSE;
  }
  if (!S_ISREG (about.st_mode)) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: not a regular file", j->path);
    return FALSE;
  }
  j->end = about.st_size;
  j->file = g_fopen (j->path, "rbe");
  if (j->file == NULL)
    set_error (error, j);
  return j->file != NULL;
}

/* FALSE with errno; torn says whether a part of it is there. */
static gboolean
write_all (Journal *j, const gchar *text)
{
  gsize length = strlen (text), done = 0;
  gssize n;

  while (done < length) {
    n = write (j->fd, text + done, length - done);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0) {
      j->torn = j->torn || done > 0;
      return FALSE;
    }
    done += (gsize)n;
  }
  j->torn = FALSE;
  return TRUE;
}

Journal *
journal_open (const gchar *path, const gchar *stream, GError **error)
{
  g_autoptr (Journal) j = g_new0 (Journal, 1);
  gint64 behind;

  j->path = g_strdup (path);
  j->stream = g_strdup (stream);
  j->line = g_string_new (NULL);
  if (!open_file (j, error))
    return NULL;
  behind = look_through (j);
  if ((j->torn && !write_all (j, "\n")) || fseeko (j->file, behind, SEEK_SET) < 0) {
    set_error (error, j);
    return NULL;
  }
  j->offset = behind;
  return g_steal_pointer (&j);
}

void
journal_close (Journal *j)
{
  if (j == NULL)
    return;
  g_clear_pointer (&j->file, fclose);
  if (j->fd >= 0)
    close (j->fd);
  g_string_free (j->line, TRUE);
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
  g_autofree gchar *text = g_strconcat (j->torn ? "\n" : "", line, NULL);

  if (write_all (j, text))
    return TRUE;
  set_error (error, j);
  return FALSE;
}

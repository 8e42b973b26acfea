/* Many conversations: see batch.h. */
#include "batch.h"
#include "jsontext.h"

#include <errno.h>
#include <fcntl.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* As many answers as the engine computes together. */
#define TOGETHER 32
/* A line of ours has two levels in, six out. */
#define MOST_LEVELS 16
#define LINE_BEGINS "{\"id\":"

/* A line of the input. */
typedef struct
{
  guint line; /* from 1 */
  gchar *text;
  gchar *id;      /* as JSON; NULL: none of its own */
  gchar *refused; /* why it is not asked; NULL: it is */
} Entry;

typedef enum
{
  KNOWN_ANSWERED = 1,
  KNOWN_WRONG,
} Known;

struct _Batch
{
  const Options *options;
  gint *interrupted;
  ConversationStep on_step;
  GArray *entries;    /* Entry */
  GHashTable *known;  /* id, or line where there is none -> Known: what the output has */
  gchar *model_hash;  /* of the output's answers; NULL: it has none */
  const gchar *where; /* the output's name */
  gint fd;
  MinivlEngine *engine;

  GMutex lock; /* for the rest, and for writing */
  guint next;
  guint n_done, n_wrong; /* of the entries, the output's among them */
  GError *error;         /* that ended all */
};

static void
clear_entry (gpointer data)
{
  Entry *e = data;

  g_free (e->text);
  g_free (e->id);
  g_free (e->refused);
}

static gchar *
entry_key (const Entry *e)
{
  return e->id ? g_strdup (e->id) : g_strdup_printf ("line %u", e->line);
}

/* --- JSON ------------------------------------------------------------------------------------------------------------------ */

static gboolean G_GNUC_PRINTF (2, 3) bad (GError **error, const gchar *format, ...)
{
  va_list args;

  va_start (args, format);
  if (error)
    *error = g_error_new_valist (G_FILE_ERROR, G_FILE_ERROR_INVAL, format, args);
  va_end (args);
  return FALSE;
}

/* (transfer full) */
static JsonObject *
parse_line (const gchar *text, gsize length, GError **error)
{
  return json_text_parse (text, length, MOST_LEVELS, error);
}

/* NULL: it has no id. (transfer full) */
static gchar *
read_id (JsonObject *o)
{
  JsonNode *node = json_object_get_member (o, "id");

  return node && (json_text_holds (node, G_TYPE_STRING) || json_text_holds (node, G_TYPE_INT64)) ? json_text_write (node) : NULL;
}

/* (transfer full) */
static gchar *
quote (const gchar *text)
{
  g_autofree gchar *valid = g_utf8_make_valid (text, -1);
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_VALUE);

  json_node_set_string (node, valid);
  return json_text_write (node);
}

/* --- input ----------------------------------------------------------------------------------------------------------------- */

/* (transfer full) */
static gchar **
read_strings (JsonNode *node, const gchar *key, GError **error)
{
  g_autoptr (GStrvBuilder) b = g_strv_builder_new ();
  JsonArray *array = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  for (guint i = 0; array && i < json_array_get_length (array); i++) {
    JsonNode *item = json_array_get_element (array, i);

    if (json_text_holds (item, G_TYPE_STRING) && g_utf8_validate (json_node_get_string (item), -1, NULL))
      g_strv_builder_add (b, json_node_get_string (item));
    else
      array = NULL;
  }
  if (array)
    return g_strv_builder_end (b);
  bad (error, "%s: a list of texts is wanted", key);
  return NULL;
}

static gboolean
read_member (Topic *topic, const gchar *key, JsonNode *node, GError **error)
{
  if (JSON_NODE_HOLDS_NULL (node) || g_str_equal (key, "id"))
    return TRUE;
  if (g_str_equal (key, "rounds")) {
    topic->prompts = read_strings (node, key, error);
    return topic->prompts != NULL;
  }
  if (g_str_equal (key, "images")) {
    g_auto (GStrv) images = read_strings (node, key, error);

    for (gchar **image = images; image && *image; image++)
      if (!topic_add_image (topic, *image, error))
        return FALSE;
    return images != NULL;
  }
  if (g_str_equal (key, "video"))
    return json_text_holds (node, G_TYPE_STRING) ? topic_set_video (topic, json_node_get_string (node), error)
                                                 : bad (error, "video: a text is wanted");
  if (g_str_equal (key, "joined")) {
    topic->joined = json_text_holds (node, G_TYPE_BOOLEAN) && json_node_get_boolean (node);
    return json_text_holds (node, G_TYPE_BOOLEAN) || bad (error, "joined: true or false is wanted");
  }
  return bad (error, "%s: no such key; there are id, rounds, images, joined and video", key);
}

static gboolean
read_topic (Topic *topic, const Entry *e, GError **error)
{
  g_autoptr (JsonObject) o = parse_line (e->text, strlen (e->text), error);
  g_autoptr (GList) keys = o ? json_object_get_members (o) : NULL;

  if (!o)
    return FALSE;
  for (GList *l = keys; l; l = l->next)
    if (!read_member (topic, l->data, json_object_get_member (o, l->data), error))
      return FALSE;
  if (!topic->prompts || !topic->prompts[0])
    return bad (error, "rounds: there is nothing to ask");
  if (topic->joined && topic->images->len == 0)
    return bad (error, "joined: there are no images to join");
  return TRUE;
}

/* ids: those of the lines before */
static void
add_entry (Batch *b, GHashTable *ids, guint line, const gchar *text, gsize length)
{
  Entry e = { .line = line, .text = g_strndup (text, length) };
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonObject) o = parse_line (text, length, &error);
  g_autofree gchar *id = o ? read_id (o) : NULL;

  if (!o)
    e.refused = g_strdup (error->message);
  else if (!id)
    e.refused = g_strdup ("id: a text or a whole number is wanted");
  else if (g_hash_table_contains (ids, id))
    e.refused = g_strdup_printf ("id %s: line %u has it", id, GPOINTER_TO_UINT (g_hash_table_lookup (ids, id)));
  else {
    e.id = g_steal_pointer (&id);
    g_hash_table_insert (ids, e.id, GUINT_TO_POINTER (line));
  }
  g_array_append_val (b->entries, e);
}

static gboolean
read_input (Batch *b, GError **error)
{
  g_autoptr (GHashTable) ids = g_hash_table_new (g_str_hash, g_str_equal);
  g_autofree gchar *text = NULL;
  gsize length;
  guint line = 0;

  if (!g_file_get_contents (b->options->batch, &text, &length, error))
    return FALSE;
  for (gchar *at = text, *end; at < text + length; at = end + 1) {
    end = memchr (at, '\n', text + length - at);
    if (!end)
      end = text + length;
    *end = '\0';
    line++;
    if (strspn (at, " \t\r") < end - at)
      add_entry (b, ids, line, at, end - at);
  }
  return TRUE;
}

/* --- output ---------------------------------------------------------------------------------------------------------------- */

/* FALSE: no batch wrote this line. */
static gboolean
add_known (Batch *b, const gchar *text, gsize length)
{
  g_autoptr (JsonObject) o = parse_line (text, length, NULL);
  JsonNode *node = o ? json_object_get_member (o, "rounds") : NULL, *line = o ? json_object_get_member (o, "line") : NULL;
  JsonArray *rounds = node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  gchar *id = o ? read_id (o) : NULL;

  if (!id && line && json_text_holds (line, G_TYPE_INT64))
    id = g_strdup_printf ("line %" G_GINT64_FORMAT, json_node_get_int (line));
  for (guint i = 0; rounds && i < json_array_get_length (rounds); i++) {
    JsonNode *round = json_array_get_element (rounds, i);
    const gchar *hash = JSON_NODE_HOLDS_OBJECT (round)
                            ? json_object_get_string_member_with_default (json_node_get_object (round), "model_hash", NULL)
                            : NULL;

    if (!hash)
      rounds = NULL;
    else if (!b->model_hash)
      b->model_hash = g_strdup (hash);
  }
  if (!id || !rounds) {
    g_free (id);
    return FALSE;
  }
  g_hash_table_replace (b->known, id, GUINT_TO_POINTER (json_object_has_member (o, "error") ? KNOWN_WRONG : KNOWN_ANSWERED));
  return TRUE;
}

/* whole (out): how much of it is whole lines */
static gboolean
read_known (Batch *b, gchar *text, gsize length, gsize *whole, GError **error)
{
  gchar *at = text, *end;

  for (guint line = 1; (end = memchr (at, '\n', text + length - at)); line++, at = end + 1) {
    *end = '\0';
    if (!add_known (b, at, end - at))
      return bad (error, "--output %s:%u: not a line that --batch writes", b->where, line);
  }
  *whole = at - text;
  if (strncmp (at, LINE_BEGINS, MIN (text + length - at, strlen (LINE_BEGINS))) != 0)
    return bad (error, "--output %s: not what --batch writes", b->where);
  return TRUE;
}

static gboolean
is_input (const Batch *b, const struct stat *output)
{
  struct stat input;

  return stat (b->options->batch, &input) == 0 && input.st_dev == output->st_dev && input.st_ino == output->st_ino;
}

static gboolean
fail (Batch *b, GError **error)
{
  gint code = errno;

  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (code), "%s: %s", b->where, g_strerror (code));
  return FALSE;
}

static gboolean
open_output (Batch *b, GError **error)
{
  const gchar *path = b->options->output;
  g_autofree gchar *text = NULL;
  struct stat status;
  gsize length, whole = 0;

  b->where = path ? path : "standard output";
  if (!path)
    return TRUE;
  b->fd = open (path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (b->fd < 0 || fstat (b->fd, &status) != 0)
    return fail (b, error);
  if (is_input (b, &status))
    return bad (error, "--output %s: that is the input", path);
  if (flock (b->fd, LOCK_EX | LOCK_NB) != 0)
    return bad (error, "--output %s: another program is writing it", path);
  if (!S_ISREG (status.st_mode))
    return TRUE;
  if (!g_file_get_contents (path, &text, &length, error) || !read_known (b, text, length, &whole, error))
    return FALSE;
  return whole == length || ftruncate (b->fd, whole) == 0 || fail (b, error);
}

static gboolean
write_all (Batch *b, const gchar *text, gsize length, GError **error)
{
  while (length > 0) {
    gssize n = write (b->fd, text, length);

    if (n < 0 && errno != EINTR)
      return fail (b, error);
    if (n > 0) {
      text += n;
      length -= n;
    }
  }
  return TRUE;
}

/* --- answers --------------------------------------------------------------------------------------------------------------- */

/* What is wrong with all, and not with a line. */
static gboolean
ends_all (const GError *error)
{
  return g_error_matches (error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED)
         || g_error_matches (error, MINIVL_ERROR, MINIVL_ERROR_DEVICE);
}

static gboolean
ask (Conversation *c, guint round, GString *line, GError **error)
{
  g_auto (MinivlAnswer) answer = { NULL };
  g_autofree gchar *report = NULL;

  if (!conversation_ask (c, round, NULL, NULL, &answer, error))
    return FALSE;
  if (answer.finish == MINIVL_FINISH_CANCELLED)
    return conversation_goes_on (c, error);
  report = conversation_report (c, round, &answer);
  g_string_append_printf (line, "%s%s", round > 0 ? "," : "", report);
  return TRUE;
}

static gboolean
converse (Batch *b, const Entry *e, GString *line, GError **error)
{
  g_auto (Topic) topic = { NULL };
  g_auto (Conversation) c = { NULL };

  if (e->refused)
    return bad (error, "%s", e->refused);
  topic_init (&topic);
  conversation_init (&c, b->options, &topic, b->interrupted);
  if (!read_topic (&topic, e, error) || !conversation_read (&c, error) || !conversation_begin (&c, b->engine, error))
    return FALSE;
  for (guint i = 0; topic.prompts[i]; i++)
    if (!ask (&c, i, line, error))
      return FALSE;
  return TRUE;
}

/* The output's line. NULL: all ends. (transfer full) */
static GString *
answer_entry (Batch *b, const Entry *e, gboolean *wrong, GError **error)
{
  g_autoptr (GString) line = g_string_new (NULL);
  g_autoptr (GError) why = NULL;

  if (e->id)
    g_string_append_printf (line, LINE_BEGINS "%s,\"rounds\":[", e->id);
  else
    g_string_append_printf (line, LINE_BEGINS "null,\"line\":%u,\"rounds\":[", e->line);
  *wrong = !converse (b, e, line, &why);
  if (*wrong && ends_all (why)) {
    g_propagate_error (error, g_steal_pointer (&why));
    return NULL;
  }
  g_string_append_c (line, ']');
  if (*wrong) {
    g_autofree gchar *text = quote (why->message);

    g_string_append_printf (line, ",\"error\":%s", text);
  }
  g_string_append (line, "}\n");
  return g_steal_pointer (&line);
}

static gboolean
is_known (const Batch *b, const Entry *e)
{
  g_autofree gchar *key = entry_key (e);

  return g_hash_table_contains (b->known, key);
}

/* Takes the error, the first of which is kept, and lets the others end. */
static void
end_all (Batch *b, GError *error)
{
  g_mutex_lock (&b->lock);
  if (!b->error)
    b->error = error;
  else
    g_error_free (error);
  g_mutex_unlock (&b->lock);
  g_atomic_int_set (b->interrupted, TRUE);
}

/* NULL: there are no more. */
static const Entry *
take (Batch *b)
{
  const Entry *e = NULL;

  g_mutex_lock (&b->lock);
  while (!e && b->next < b->entries->len) {
    e = &g_array_index (b->entries, Entry, b->next++);
    if (is_known (b, e))
      e = NULL;
  }
  g_mutex_unlock (&b->lock);
  return e;
}

static gboolean
put (Batch *b, const GString *line, gboolean wrong, GError **error)
{
  gboolean ok;

  g_mutex_lock (&b->lock);
  ok = write_all (b, line->str, line->len, error);
  if (ok) {
    g_autofree gchar *text = g_strdup_printf ("conversation %u of %u", ++b->n_done, b->entries->len);

    b->n_wrong += wrong;
    if (b->on_step)
      b->on_step (text);
  }
  g_mutex_unlock (&b->lock);
  return ok;
}

static gpointer
work (gpointer data)
{
  Batch *b = data;
  gboolean wrong;

  for (const Entry *e; (e = take (b));) {
    GError *error = NULL;
    g_autoptr (GString) line = NULL;

    if (g_atomic_int_get (b->interrupted))
      error = g_error_new (MINIVL_ERROR, MINIVL_ERROR_CANCELLED, "interrupted");
    else
      line = answer_entry (b, e, &wrong, &error);
    if (!line || !put (b, line, wrong, &error)) {
      end_all (b, error);
      break;
    }
  }
  return NULL;
}

/* --- all of it ------------------------------------------------------------------------------------------------------------- */

Batch *
batch_open (const Options *options, gint *interrupted, ConversationStep on_step, GError **error)
{
  g_autoptr (Batch) b = g_new0 (Batch, 1);

  *b = (Batch){ .options = options, .interrupted = interrupted, .on_step = on_step, .fd = STDOUT_FILENO };
  g_mutex_init (&b->lock);
  b->entries = g_array_new (FALSE, FALSE, sizeof (Entry));
  g_array_set_clear_func (b->entries, clear_entry);
  b->known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  if (!read_input (b, error) || !open_output (b, error))
    return NULL;
  for (guint i = 0; i < b->entries->len; i++) {
    g_autofree gchar *key = entry_key (&g_array_index (b->entries, Entry, i));
    Known known = GPOINTER_TO_UINT (g_hash_table_lookup (b->known, key));

    b->n_done += known != 0;
    b->n_wrong += known == KNOWN_WRONG;
  }
  return g_steal_pointer (&b);
}

void
batch_free (Batch *batch)
{
  if (!batch)
    return;
  if (batch->fd >= 0 && batch->fd != STDOUT_FILENO)
    close (batch->fd);
  g_array_unref (batch->entries);
  g_hash_table_unref (batch->known);
  g_free (batch->model_hash);
  g_clear_error (&batch->error);
  g_mutex_clear (&batch->lock);
  g_free (batch);
}

guint
batch_count_left (const Batch *batch)
{
  return batch->entries->len - batch->n_done;
}

gboolean
batch_run (Batch *batch, MinivlEngine *engine, GError **error)
{
  guint n_threads = MIN (TOGETHER, batch_count_left (batch));
  GThread *threads[TOGETHER];

  if (engine && batch->model_hash && !g_str_equal (batch->model_hash, minivl_engine_get_info (engine)->model_hash)) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE, "--output %s: it has answers of another checkpoint", batch->where);
    return FALSE;
  }
  batch->engine = engine;
  for (guint i = 0; i < n_threads; i++)
    threads[i] = g_thread_new ("batch", work, batch);
  for (guint i = 0; i < n_threads; i++)
    g_thread_join (threads[i]);
  if (batch->on_step)
    batch->on_step (NULL);
  if (batch->error) {
    g_propagate_error (error, g_steal_pointer (&batch->error));
    return FALSE;
  }
  return batch->n_wrong == 0
         || bad (error, "%u of %u conversations went wrong: see `error` in %s", batch->n_wrong, batch->entries->len, batch->where);
}

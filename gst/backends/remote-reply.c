#include "remote-reply.h"

#include "json-text.h"

#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

/* No answer is that long; a server that goes on for ever is cut off. */
#define MOST_BYTES (8 << 20)
/* Of what a server says is wrong */
#define MOST_SAID 300

void
remote_reply_init (RemoteReply *reply)
{
  *reply = (RemoteReply){ .unread = g_string_new (NULL), .text = g_string_new (NULL), .yes = -1 };
}

void
remote_reply_clear (RemoteReply *reply)
{
  g_string_free (reply->unread, TRUE);
  g_string_free (reply->text, TRUE);
  g_free (reply->nonsense);
  g_free (reply->code);
}

static void
refuse (RemoteReply *reply, const gchar *why)
{
  if (reply->nonsense == NULL)
    reply->nonsense = g_strdup (why);
}

/* --- members, of JSON that may be anything ----------------------------------------------------------------------------------- */

static JsonObject *
get_object (JsonObject *o, const gchar *name)
{
  JsonNode *node = o != NULL ? json_object_get_member (o, name) : NULL;

  return node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

static JsonArray *
get_list (JsonObject *o, const gchar *name)
{
  JsonNode *node = o != NULL ? json_object_get_member (o, name) : NULL;

  return node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
}

static JsonObject *
get_item (JsonArray *list, guint i)
{
  JsonNode *node = list != NULL && i < json_array_get_length (list) ? json_array_get_element (list, i) : NULL;

  return node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

/* UTF-8: of what has half a pair of surrogates json-glib makes none. NULL: it is no text */
static const gchar *
get_string (JsonObject *o, const gchar *name)
{
  JsonNode *node = o != NULL ? json_object_get_member (o, name) : NULL;
  gboolean is_text = node != NULL && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING;

  return is_text && g_utf8_validate (json_node_get_string (node), -1, NULL) ? json_node_get_string (node) : NULL;
}

static double
get_number (JsonObject *o, const gchar *name, double otherwise)
{
  JsonNode *node = o != NULL ? json_object_get_member (o, name) : NULL;
  GType type = node != NULL && JSON_NODE_HOLDS_VALUE (node) ? json_node_get_value_type (node) : G_TYPE_NONE;

  return type == G_TYPE_INT64 || type == G_TYPE_DOUBLE ? json_node_get_double (node) : otherwise;
}

static guint
get_count (JsonObject *o, const gchar *name)
{
  double n = get_number (o, name, 0);

  return n >= 0 && n <= G_MAXINT ? (guint)n : 0;
}

/* (nullable) (transfer full) */
static JsonNode *
parse_object (const gchar *text, gsize length)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  JsonNode *root;

  if (!g_utf8_validate (text, length, NULL) || !json_is_shallow (text, length)
      || !json_parser_load_from_data (parser, text, length, NULL))
    return NULL;
  root = json_parser_get_root (parser);
  return root != NULL && JSON_NODE_HOLDS_OBJECT (root) ? json_parser_steal_root (parser) : NULL;
}

/* --- yes and no -------------------------------------------------------------------------------------------------------------- */

/* Whether a token is the word, whatever mark of a space its tokenizer puts in front. */
static gboolean
is_word (const gchar *token, const gchar *word)
{
  static const gchar *const spaces[] = { "\u2581", "\u0120", " " };
  g_autofree gchar *folded = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (spaces); i++)
    if (g_str_has_prefix (token, spaces[i])) {
      token += strlen (spaces[i]);
      break;
    }
  folded = g_utf8_strdown (token, -1);
  return g_str_equal (folded, word);
}

/* As the local engine has it: over yes, Yes, YES and the same with a space in front. first: the first token's. */
static double
read_yes (JsonObject *first)
{
  JsonArray *top = get_list (first, "top_logprobs");
  double yes = 0, no = 0;

  for (guint i = 0; top != NULL && i < json_array_get_length (top); i++) {
    JsonObject *o = get_item (top, i);
    const gchar *token = get_string (o, "token");
    double p = exp (get_number (o, "logprob", -INFINITY));

    if (token == NULL || !(p >= 0 && p <= 1.001))
      continue;
    yes += is_word (token, "yes") ? p : 0;
    no += is_word (token, "no") ? p : 0;
  }
  return yes + no > 0 ? yes / (yes + no) : -1;
}

double
remote_reply_first_word (const gchar *text)
{
  const gchar *end;
  g_autofree gchar *word = NULL, *folded = NULL;

  while (*text != '\0' && !g_unichar_isalpha (g_utf8_get_char (text)))
    text = g_utf8_next_char (text);
  for (end = text; g_unichar_isalpha (g_utf8_get_char (end));)
    end = g_utf8_next_char (end);
  word = g_strndup (text, end - text);
  folded = g_utf8_strdown (word, -1);
  if (g_str_equal (folded, "yes"))
    return 1;
  return g_str_equal (folded, "no") ? 0 : -1;
}

/* --- errors ------------------------------------------------------------------------------------------------------------------ */

/* A line of what may be anything. (transfer full) */
static gchar *
make_line (const gchar *text)
{
  g_autofree gchar *start = g_strndup (text, MOST_SAID), *valid = g_utf8_make_valid (start, -1);

  for (gchar *p = valid; *p != '\0'; p++)
    if (g_ascii_iscntrl (*p))
      *p = ' ';
  return g_strdup (g_strstrip (valid));
}

/* As OpenAI's API has errors, and as others do. */
static const gchar *
find_message (JsonObject *o)
{
  JsonObject *error = get_object (o, "error");
  static const gchar *const names[] = { "message", "detail", "error" };
  const gchar *text = get_string (error, "message");

  for (guint i = 0; i < G_N_ELEMENTS (names) && text == NULL; i++)
    text = get_string (o, names[i]);
  return text;
}

static gchar *
find_code (JsonObject *o)
{
  JsonObject *error = get_object (o, "error");
  const gchar *code = get_string (error, "code");

  return g_strdup (code != NULL ? code : get_string (error, "type"));
}

gchar *
remote_reply_read_error (const gchar *body, gsize size, gchar **code)
{
  g_autoptr (JsonNode) root = parse_object (body, size);
  JsonObject *o = root != NULL ? json_node_get_object (root) : NULL;
  const gchar *said = find_message (o);
  g_autofree gchar *plain = g_strndup (body, size);

  *code = find_code (o);
  /* Pages that proxies write say no more than the status. */
  return make_line (said != NULL ? said : o == NULL && !strchr (plain, '<') ? plain : "");
}

/* --- answers ----------------------------------------------------------------------------------------------------------------- */

static void
read_usage (RemoteReply *reply, JsonObject *o)
{
  JsonObject *usage = get_object (o, "usage");

  if (usage == NULL)
    return;
  reply->prompt_tokens = get_count (usage, "prompt_tokens");
  reply->output_tokens = get_count (usage, "completion_tokens");
  reply->cached_tokens = get_count (get_object (usage, "prompt_tokens_details"), "cached_tokens");
}

/* Of the whole, or of what is new. */
static void
read_choice (RemoteReply *reply, JsonObject *choice, const gchar *member)
{
  const gchar *content = get_string (get_object (choice, member), "content"), *finish = get_string (choice, "finish_reason");
  JsonArray *probabilities = get_list (get_object (choice, "logprobs"), "content");

  if (content != NULL)
    g_string_append (reply->text, content);
  if (reply->yes < 0)
    reply->yes = read_yes (get_item (probabilities, 0));
  if (finish != NULL)
    reply->finish = g_str_equal (finish, "length") ? "length" : "stop";
}

/* An event's data, or the one object. */
static void
read_object (RemoteReply *reply, const gchar *json, gsize length, const gchar *member)
{
  g_autoptr (JsonNode) root = parse_object (json, length);
  JsonObject *o = root != NULL ? json_node_get_object (root) : NULL;
  JsonArray *choices = get_list (o, "choices");

  if (o != NULL && json_object_has_member (o, "error") && find_message (o) != NULL) {
    g_autofree gchar *said = make_line (find_message (o));
    g_autofree gchar *why = g_strdup_printf ("it fails: %s", said);

    reply->code = reply->code != NULL ? reply->code : find_code (o);
    refuse (reply, why);
  } else if (choices == NULL) {
    refuse (reply, "what it answers is no chat completion");
  } else {
    if (json_array_get_length (choices) > 0)
      read_choice (reply, get_item (choices, 0), member);
    read_usage (reply, o);
  }
}

/* One without its end. Comments and other fields of events say nothing. */
static void
read_line (RemoteReply *reply, const gchar *line, gsize length)
{
  if (length > 0 && line[length - 1] == '\r')
    length--;
  if (length < 5 || memcmp (line, "data:", 5) != 0 || reply->is_whole)
    return;
  reply->is_stream = TRUE;
  for (line += 5, length -= 5; length > 0 && *line == ' '; length--)
    line++;
  if (length == 6 && memcmp (line, "[DONE]", 6) == 0)
    reply->is_whole = TRUE;
  else
    read_object (reply, line, length, "delta");
}

static gboolean
is_object (const RemoteReply *reply)
{
  const gchar *p = reply->unread->str;

  return p[strspn (p, " \t\r\n")] == '{';
}

void
remote_reply_feed (RemoteReply *reply, const gchar *data, gsize size)
{
  gsize from = 0;
  const gchar *end;

  reply->bytes += size;
  if (reply->bytes > MOST_BYTES)
    refuse (reply, "its answer does not end");
  if (reply->nonsense != NULL)
    return;
  g_string_append_len (reply->unread, data, size);
  if (is_object (reply))
    return;
  while ((end = memchr (reply->unread->str + from, '\n', reply->unread->len - from)) != NULL) {
    gsize at = end - reply->unread->str;

    read_line (reply, reply->unread->str + from, at - from);
    from = at + 1;
  }
  g_string_erase (reply->unread, 0, from);
}

gboolean
remote_reply_end (RemoteReply *reply)
{
  if (reply->nonsense == NULL && is_object (reply)) {
    read_object (reply, reply->unread->str, reply->unread->len, "message");
  } else if (reply->nonsense == NULL && reply->unread->len > 0) {
    read_line (reply, reply->unread->str, reply->unread->len);
  }
  if (!reply->is_stream && reply->finish == NULL && reply->bytes > 0)
    refuse (reply, "what it answers is no chat completion");
  g_string_truncate (reply->unread, 0);
  return reply->nonsense == NULL && reply->finish != NULL;
}

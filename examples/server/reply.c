/* What is answered: see reply.h. */
#include "reply.h"

#include <json-glib/json-glib.h>

#define FINGERPRINT_DIGITS 12

void
reply_init (Reply *reply, MinivlEngine *engine, const gchar *model, gboolean include_usage)
{
  *reply =
      (Reply){ .created = g_get_real_time () / G_USEC_PER_SEC, .model = model, .engine = engine, .include_usage = include_usage };
  reply->id = g_strdup_printf ("chatcmpl-%08x%08x%08x", g_random_int (), g_random_int (), g_random_int ());
  reply->fingerprint = g_strdup_printf ("fp_%.*s", FINGERPRINT_DIGITS, minivl_engine_get_info (engine)->model_hash);
}

void
reply_clear (Reply *reply)
{
  g_free (reply->id);
  g_free (reply->fingerprint);
  *reply = (Reply){ NULL };
}

/* --- members --------------------------------------------------------------------------------------------------------------- */

static void
add_string (JsonBuilder *b, const gchar *name, const gchar *value)
{
  json_builder_set_member_name (b, name);
  json_builder_add_string_value (b, value);
}

static void
add_int (JsonBuilder *b, const gchar *name, gint64 value)
{
  json_builder_set_member_name (b, name);
  json_builder_add_int_value (b, value);
}

static void
add_null (JsonBuilder *b, const gchar *name)
{
  json_builder_set_member_name (b, name);
  json_builder_add_null_value (b);
}

static void
begin_object (JsonBuilder *b, const gchar *name)
{
  json_builder_set_member_name (b, name);
  json_builder_begin_object (b);
}

static void
begin_list (JsonBuilder *b, const gchar *name)
{
  json_builder_set_member_name (b, name);
  json_builder_begin_array (b);
}

/* The object that has been built. (transfer full) */
static gchar *
to_text (JsonBuilder *b)
{
  g_autoptr (JsonNode) root = NULL;

  json_builder_end_object (b);
  root = json_builder_get_root (b);
  return json_to_string (root, FALSE);
}

/* --- probabilities --------------------------------------------------------------------------------------------------------- */

/* Members of a token; of one that is part of a character only, the text has U+FFFD. */
static void
add_token (JsonBuilder *b, const Reply *reply, gint32 id, double logprob)
{
  g_autoptr (GBytes) bytes = minivl_engine_get_token (reply->engine, id);
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  g_autofree gchar *text = g_utf8_make_valid (data ? (const gchar *)data : "", size);

  add_string (b, "token", text);
  json_builder_set_member_name (b, "logprob");
  json_builder_add_double_value (b, logprob);
  begin_list (b, "bytes");
  for (gsize i = 0; i < size; i++)
    json_builder_add_int_value (b, data[i]);
  json_builder_end_array (b);
}

static void
add_logprobs (JsonBuilder *b, const Reply *reply, const MinivlAnswer *a, gboolean logprobs, guint n_top)
{
  if (!logprobs) {
    add_null (b, "logprobs");
    return;
  }
  begin_object (b, "logprobs");
  begin_list (b, "content");
  for (guint i = 0; i < a->output_tokens; i++) {
    json_builder_begin_object (b);
    add_token (b, reply, a->token_ids[i], a->logprobs[i]);
    begin_list (b, "top_logprobs");
    for (guint k = i * n_top; k < (i + 1) * n_top && a->top_ids[k] >= 0; k++) {
      json_builder_begin_object (b);
      add_token (b, reply, a->top_ids[k], a->top_logprobs[k]);
      json_builder_end_object (b);
    }
    json_builder_end_array (b);
    json_builder_end_object (b);
  }
  json_builder_end_array (b);
  add_null (b, "refusal");
  json_builder_end_object (b);
}

/* --- answers --------------------------------------------------------------------------------------------------------------- */

static void
begin (JsonBuilder *b, const Reply *reply, const gchar *object)
{
  json_builder_begin_object (b);
  add_string (b, "id", reply->id);
  add_string (b, "object", object);
  add_int (b, "created", reply->created);
  add_string (b, "model", reply->model);
  add_string (b, "system_fingerprint", reply->fingerprint);
}

static void
add_usage (JsonBuilder *b, const MinivlAnswer *a)
{
  begin_object (b, "usage");
  add_int (b, "prompt_tokens", a->prompt_tokens);
  add_int (b, "completion_tokens", a->output_tokens);
  add_int (b, "total_tokens", (gint64)a->prompt_tokens + a->output_tokens);
  begin_object (b, "prompt_tokens_details");
  add_int (b, "cached_tokens", a->cached_tokens);
  json_builder_end_object (b);
  json_builder_end_object (b);
}

/* One that was ended from outside is one that ran out of room. */
static const gchar *
reason (const MinivlAnswer *a)
{
  return a->finish == MINIVL_FINISH_STOP ? "stop" : "length";
}

gchar *
reply_completion (const Reply *reply, const MinivlAnswer *answer, gboolean logprobs, guint n_top)
{
  g_autoptr (JsonBuilder) b = json_builder_new ();

  begin (b, reply, "chat.completion");
  begin_list (b, "choices");
  json_builder_begin_object (b);
  add_int (b, "index", 0);
  begin_object (b, "message");
  add_string (b, "role", "assistant");
  add_string (b, "content", answer->text);
  add_null (b, "refusal");
  json_builder_end_object (b);
  add_logprobs (b, reply, answer, logprobs, n_top);
  add_string (b, "finish_reason", reason (answer));
  json_builder_end_object (b);
  json_builder_end_array (b);
  add_usage (b, answer);
  return to_text (b);
}

/* An event of what was built. (transfer full) */
static gchar *
to_event (JsonBuilder *b)
{
  g_autofree gchar *json = to_text (b);

  return g_strdup_printf ("data: %s\n\n", json);
}

/* role, text, answer: nullable, what the chunk has of it */
static gchar *
chunk (const Reply *reply, const gchar *role, const gchar *text, const MinivlAnswer *answer, gboolean logprobs, guint n_top)
{
  g_autoptr (JsonBuilder) b = json_builder_new ();

  begin (b, reply, "chat.completion.chunk");
  begin_list (b, "choices");
  json_builder_begin_object (b);
  add_int (b, "index", 0);
  begin_object (b, "delta");
  if (role)
    add_string (b, "role", role);
  if (text)
    add_string (b, "content", text);
  json_builder_end_object (b);
  add_logprobs (b, reply, answer, answer && logprobs, n_top);
  if (answer)
    add_string (b, "finish_reason", reason (answer));
  else
    add_null (b, "finish_reason");
  json_builder_end_object (b);
  json_builder_end_array (b);
  if (reply->include_usage)
    add_null (b, "usage");
  return to_event (b);
}

gchar *
reply_begin (const Reply *reply)
{
  return chunk (reply, "assistant", "", NULL, FALSE, 0);
}

gchar *
reply_text (const Reply *reply, const gchar *text)
{
  return chunk (reply, NULL, text, NULL, FALSE, 0);
}

gchar *
reply_finish (const Reply *reply, const MinivlAnswer *answer, gboolean logprobs, guint n_top)
{
  return chunk (reply, NULL, NULL, answer, logprobs, n_top);
}

gchar *
reply_usage (const Reply *reply, const MinivlAnswer *answer)
{
  g_autoptr (JsonBuilder) b = json_builder_new ();

  begin (b, reply, "chat.completion.chunk");
  begin_list (b, "choices");
  json_builder_end_array (b);
  add_usage (b, answer);
  return to_event (b);
}

gchar *
reply_error (const gchar *json)
{
  return g_strdup_printf ("data: %s\n\n", json);
}

gchar *
reply_models (const gchar *name, gint64 created, guint context_size)
{
  g_autoptr (JsonBuilder) b = json_builder_new ();

  json_builder_begin_object (b);
  add_string (b, "object", "list");
  begin_list (b, "data");
  json_builder_begin_object (b);
  add_string (b, "id", name);
  add_string (b, "object", "model");
  add_int (b, "created", created);
  add_string (b, "owned_by", "minivl");
  add_int (b, "max_model_len", context_size);
  json_builder_end_object (b);
  json_builder_end_array (b);
  return to_text (b);
}

/* What is answered: see reply.h. */
#include "reply.h"

#include "examples/jsontext.h"

#define FINGERPRINT_DIGITS 12

void
reply_init (Reply *reply, MinivlEngine *engine, const gchar *model, const Ask *ask)
{
  *reply = (Reply){ .created = g_get_real_time () / G_USEC_PER_SEC,
    .model = model,
    .engine = engine,
    .include_usage = ask->include_usage,
    .token_ids = ask->token_ids,
    .logprobs = ask->logprobs,
    .n_top = ask->params.n_logprobs };
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
add_ids (JsonBuilder *b, const gchar *name, const gint32 *ids, guint n_ids)
{
  json_builder_set_member_name (b, name);
  json_builder_begin_array (b);
  for (guint i = 0; i < n_ids; i++)
    json_builder_add_int_value (b, ids[i]);
  json_builder_end_array (b);
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
  return json_text_write (root);
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

/* Of the tokens from the first'th on. a: nullable */
static void
add_logprobs (JsonBuilder *b, const Reply *reply, const MinivlAnswer *a, guint first)
{
  guint n_top = reply->n_top;

  if (!reply->logprobs || !a) {
    add_null (b, "logprobs");
    return;
  }
  begin_object (b, "logprobs");
  begin_list (b, "content");
  for (guint i = first; i < a->output_tokens; i++) {
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

/* Members of its own, of an answer that is one of several: which one, and how probable each was. */
static void
add_choice (JsonBuilder *b, const MinivlAnswer *a)
{
  if (a->n_choices == 0)
    return;
  if (a->choice >= 0)
    add_int (b, "choice", a->choice);
  else
    add_null (b, "choice");
  begin_list (b, "choice_probabilities");
  for (guint i = 0; i < a->n_choices; i++)
    json_builder_add_double_value (b, a->choice_probabilities[i]);
  json_builder_end_array (b);
}

/* Ends the list of choices, which has one. answer NULL: it is not done yet. */
static void
end_choices (JsonBuilder *b, const Reply *reply, const MinivlAnswer *answer)
{
  gboolean ids = answer && reply->token_ids;

  if (ids)
    add_ids (b, "token_ids", answer->token_ids, answer->output_tokens);
  json_builder_end_object (b);
  json_builder_end_array (b);
  if (ids)
    add_ids (b, "prompt_token_ids", answer->input_ids, answer->prompt_tokens);
}

gchar *
reply_completion (const Reply *reply, const MinivlAnswer *answer)
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
  add_logprobs (b, reply, answer, 0);
  add_choice (b, answer);
  add_string (b, "finish_reason", reason (answer));
  end_choices (b, reply, answer);
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

/* role, text, tokens, answer: nullable, what the chunk has of it; of the tokens those from the first'th on */
static gchar *
chunk (
    const Reply *reply, const gchar *role, const gchar *text, const MinivlAnswer *tokens, guint first, const MinivlAnswer *answer)
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
  add_logprobs (b, reply, tokens, first);
  if (answer)
    add_choice (b, answer);
  if (answer)
    add_string (b, "finish_reason", reason (answer));
  else
    add_null (b, "finish_reason");
  end_choices (b, reply, answer);
  if (reply->include_usage)
    add_null (b, "usage");
  return to_event (b);
}

gchar *
reply_begin (const Reply *reply)
{
  return chunk (reply, "assistant", "", NULL, 0, NULL);
}

gchar *
reply_text (const Reply *reply, const gchar *text, const MinivlAnswer *tokens)
{
  return chunk (reply, NULL, text, tokens, 0, NULL);
}

gchar *
reply_finish (const Reply *reply, const MinivlAnswer *answer, guint first)
{
  return chunk (reply, NULL, NULL, first < answer->output_tokens ? answer : NULL, first, answer);
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

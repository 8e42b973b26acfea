#include "remote-request.h"

#include "json-text.h"

#include <json-glib/json-glib.h>
#include <string.h>

/* The most that OpenAI's API has. */
#define PROBABILITIES 20
/* Tokens in which a first word ends, where the words are all there is. */
#define FIRST_WORD 8
/* What minivl-server takes `detail: high` for */
#define HIGH_TILES 12

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
add_double (JsonBuilder *b, const gchar *name, double value)
{
  json_builder_set_member_name (b, name);
  json_builder_add_double_value (b, value);
}

static void
add_true (JsonBuilder *b, const gchar *name)
{
  json_builder_set_member_name (b, name);
  json_builder_add_boolean_value (b, TRUE);
}

static void
add_message (JsonBuilder *b, const gchar *role, const gchar *text)
{
  json_builder_begin_object (b);
  add_string (b, "role", role);
  add_string (b, "content", text);
  json_builder_end_object (b);
}

/* --- the question ------------------------------------------------------------------------------------------------------------ */

static void
add_text_part (JsonBuilder *b, const gchar *text, gsize length)
{
  g_autofree gchar *part = g_strndup (text, length);

  if (length == 0)
    return;
  json_builder_begin_object (b);
  add_string (b, "type", "text");
  add_string (b, "text", part);
  json_builder_end_object (b);
}

/* Most servers know `detail`; max_tiles is minivl-server's own, and left out where that says the same. */
static void
add_picture_part (JsonBuilder *b, const RemotePicture *picture)
{
  json_builder_begin_object (b);
  add_string (b, "type", "image_url");
  json_builder_set_member_name (b, "image_url");
  json_builder_begin_object (b);
  add_string (b, "url", picture->uri);
  add_string (b, "detail", picture->max_tiles == 1 ? "low" : "high");
  if (picture->max_tiles != 1 && picture->max_tiles != HIGH_TILES)
    add_int (b, "max_tiles", picture->max_tiles);
  json_builder_end_object (b);
  json_builder_end_object (b);
}

/* As many marks as pictures. Text and pictures as they follow one another. */
static void
add_parts (JsonBuilder *b, const BackendQuestion *question)
{
  const gchar *text = question->text;

  json_builder_begin_array (b);
  for (guint i = 0; i < question->n_pictures; i++) {
    const gchar *mark = strstr (text, MINIVL_IMAGE_MARK);

    add_text_part (b, text, mark - text);
    add_picture_part (b, question->pictures[i]);
    text = mark + strlen (MINIVL_IMAGE_MARK);
  }
  add_text_part (b, text, strlen (text));
  json_builder_end_array (b);
}

static void
add_messages (JsonBuilder *b, const BackendQuestion *question)
{
  json_builder_set_member_name (b, "messages");
  json_builder_begin_array (b);
  if (question->system != NULL)
    add_message (b, "system", question->system);
  for (guint i = 0; i < question->n_history; i++) {
    add_message (b, "user", question->history[i].prompt);
    add_message (b, "assistant", question->history[i].answer);
  }
  if (question->n_pictures > 0) {
    json_builder_begin_object (b);
    add_string (b, "role", "user");
    json_builder_set_member_name (b, "content");
    add_parts (b, question);
    json_builder_end_object (b);
  } else {
    add_message (b, "user", question->text);
  }
  json_builder_end_array (b);
}

/* --- how it is to be answered ------------------------------------------------------------------------------------------------ */

/* top_k and repetition_penalty are not OpenAI's, and some servers refuse what they do not know: they are sent where they count. */
static void
add_sampling (JsonBuilder *b, const MinivlParams *p)
{
  add_double (b, "temperature", p->temperature);
  if (p->temperature > 0) {
    add_double (b, "top_p", p->top_p);
    add_int (b, "seed", (gint64)p->seed);
  }
  if (p->temperature > 0 && p->top_k > 0)
    add_int (b, "top_k", p->top_k);
  if (p->repetition_penalty != 1)
    add_double (b, "repetition_penalty", p->repetition_penalty);
}

/* json_schema: that was checked */
static void
add_shape (JsonBuilder *b, const gchar *json_schema)
{
  json_builder_set_member_name (b, "response_format");
  json_builder_begin_object (b);
  add_string (b, "type", "json_schema");
  json_builder_set_member_name (b, "json_schema");
  json_builder_begin_object (b);
  add_string (b, "name", "answer");
  add_true (b, "strict");
  json_builder_set_member_name (b, "schema");
  json_builder_add_value (b, json_from_string (json_schema, NULL));
  json_builder_end_object (b);
  json_builder_end_object (b);
}

static void
add_limits (JsonBuilder *b, const BackendQuestion *question, gboolean probabilities, gboolean streams)
{
  const MinivlParams *p = &question->params;
  gboolean by_word = p->want_yes && !probabilities;

  add_int (b, "max_tokens", by_word ? MAX (p->max_tokens, FIRST_WORD) : p->max_tokens);
  if (p->want_yes && probabilities) {
    add_true (b, "logprobs");
    add_int (b, "top_logprobs", PROBABILITIES);
  }
  if (streams && !p->want_yes) {
    add_true (b, "stream");
    json_builder_set_member_name (b, "stream_options");
    json_builder_begin_object (b);
    add_true (b, "include_usage");
    json_builder_end_object (b);
  }
}

gchar *
remote_request (const BackendQuestion *question, const gchar *model, gboolean probabilities, gboolean streams, GError **error)
{
  guint n_marks = minivl_prompt_count_marks (question->text);
  g_autoptr (JsonBuilder) b = NULL;
  g_autoptr (JsonNode) root = NULL;

  if (n_marks != question->n_pictures) {
    g_set_error (
        error, MINIVL_ERROR, MINIVL_ERROR_IMAGES, "the prompt has %u <image> marks for %u pictures", n_marks, question->n_pictures);
    return NULL;
  }
  b = json_builder_new ();
  json_builder_begin_object (b);
  if (model != NULL)
    add_string (b, "model", model);
  add_messages (b, question);
  add_sampling (b, &question->params);
  add_limits (b, question, probabilities, streams);
  if (question->params.json_schema != NULL)
    add_shape (b, question->params.json_schema);
  json_builder_end_object (b);
  root = json_builder_get_root (b);
  return json_write (root);
}

/* What a request asks: see ask.h. */
#include "ask.h"
#include "messages.h"

#include <string.h>

/* A conversation has six; the rest is for a schema. */
#define MOST_LEVELS 64
#define MOST_STOPS 16
#define MOST_LOGPROBS 20
/* Of the type json_object */
#define ANY_OBJECT "{\"type\":\"object\",\"additionalProperties\":true}"

typedef struct
{
  Ask *ask;
  guint max_pictures;
  gint64 top_logprobs;
  gboolean has_messages;
} Body;

void
ask_free (Ask *ask)
{
  if (!ask)
    return;
  g_free (ask->model);
  g_free (ask->system);
  g_ptr_array_unref (ask->rounds);
  g_strfreev (ask->stop);
  g_strfreev (ask->choices);
  g_free (ask->schema);
  g_free (ask);
}

/* --- fields ---------------------------------------------------------------------------------------------------------------- */

static gboolean
read_model (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  const gchar *model = field_get_string (node, param, refusal);

  ((Body *)target)->ask->model = g_strdup (model);
  return model != NULL;
}

static gboolean
read_messages (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  Body *b = target;

  b->has_messages = TRUE;
  return messages_read (b->ask, node, param, b->max_pictures, refusal);
}

static gboolean
read_stream (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  return field_get_bool (node, param, &((Body *)target)->ask->stream, refusal);
}

static gboolean
read_include_usage (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  return field_get_bool (node, param, &((Ask *)target)->include_usage, refusal);
}

/* The other one pads what is sent against listeners. */
static const Field stream_fields[] = { { "include_usage", read_include_usage }, { "include_obfuscation" } };

static gboolean
read_stream_options (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  JsonObject *o = field_get_object (node, param, refusal);

  return o && fields_read (o, stream_fields, G_N_ELEMENTS (stream_fields), ((Body *)target)->ask, param, refusal);
}

static gboolean
read_temperature (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  return field_get_number (node, param, 0, 2, &((Body *)target)->ask->params.temperature, refusal);
}

static gboolean
read_top_p (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  /* 0 is no share of the probability at all. */
  return field_get_number (node, param, 1e-6, 1, &((Body *)target)->ask->params.top_p, refusal);
}

static gboolean
read_top_k (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  gint64 k;

  if (!field_get_int (node, param, 0, G_MAXINT, &k, refusal))
    return FALSE;
  ((Body *)target)->ask->params.top_k = k;
  return TRUE;
}

static gboolean
read_repetition_penalty (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  return field_get_number (node, param, 0.01, 100, &((Body *)target)->ask->params.repetition_penalty, refusal);
}

static gboolean
read_seed (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  Ask *ask = ((Body *)target)->ask;
  gint64 seed;

  if (!field_get_int (node, param, G_MININT64, G_MAXINT64, &seed, refusal))
    return FALSE;
  ask->params.seed = seed;
  ask->has_seed = TRUE;
  return TRUE;
}

static gboolean
read_max_tokens (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  Ask *ask = ((Body *)target)->ask;
  gint64 n;

  if (!field_get_int (node, param, 1, G_MAXINT, &n, refusal))
    return FALSE;
  if (ask->has_max_tokens && n != ask->params.max_tokens)
    return refuse_value (refusal, param, "max_tokens and max_completion_tokens are the same, and differ");
  ask->params.max_tokens = n;
  ask->has_max_tokens = TRUE;
  return TRUE;
}

static gboolean
add_stop (GStrvBuilder *stops, JsonNode *node, const gchar *param, Refusal *refusal)
{
  const gchar *text = field_get_string (node, param, refusal);

  if (text && *text == '\0')
    return refuse_value (refusal, param, "an empty text would stop at once");
  if (text)
    g_strv_builder_add (stops, text);
  return text != NULL;
}

static gboolean
read_stop (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  Ask *ask = ((Body *)target)->ask;
  g_autoptr (GStrvBuilder) stops = g_strv_builder_new ();
  JsonArray *list = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  if (!list && !add_stop (stops, node, param, refusal))
    return FALSE;
  if (list && json_array_get_length (list) > MOST_STOPS)
    return refuse_value (refusal, param, "at most %u are possible", MOST_STOPS);
  for (guint i = 0; list && i < json_array_get_length (list); i++)
    if (!add_stop (stops, json_array_get_element (list, i), param, refusal))
      return FALSE;
  ask->stop = g_strv_builder_end (stops);
  ask->params.stop = (const gchar *const *)ask->stop;
  return TRUE;
}

static gboolean
read_logprobs (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  return field_get_bool (node, param, &((Body *)target)->ask->logprobs, refusal);
}

static gboolean
read_token_ids (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  return field_get_bool (node, param, &((Body *)target)->ask->token_ids, refusal);
}

static gboolean
read_top_logprobs (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  return field_get_int (node, param, 0, MOST_LOGPROBS, &((Body *)target)->top_logprobs, refusal);
}

static gboolean
read_choices (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  Ask *ask = ((Body *)target)->ask;
  JsonArray *list = field_get_list (node, param, refusal);
  g_autoptr (GStrvBuilder) choices = g_strv_builder_new ();

  for (guint i = 0; list && i < json_array_get_length (list); i++) {
    const gchar *text = field_get_string (json_array_get_element (list, i), param, refusal);

    if (!text)
      return FALSE;
    g_strv_builder_add (choices, text);
  }
  if (!list)
    return FALSE;
  ask->choices = g_strv_builder_end (choices);
  ask->params.choices = (const gchar *const *)ask->choices;
  return TRUE;
}

/* --- response_format ------------------------------------------------------------------------------------------------------- */

typedef struct
{
  const gchar *type;   /* borrowed; NULL: none */
  gboolean has_schema; /* json_schema is there */
  gchar *schema;       /* NULL: none */
} Format;

static void
format_clear (Format *format)
{
  g_free (format->schema);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Format, format_clear)

static gboolean
read_text (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  return field_get_string (node, param, refusal) != NULL;
}

/* What is not strict elsewhere is strict here. */
static gboolean
read_strict (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  gboolean strict;

  return field_get_bool (node, param, &strict, refusal);
}

static gboolean
read_schema (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  if (!field_get_object (node, param, refusal))
    return FALSE;
  ((Format *)target)->schema = json_to_string (node, FALSE);
  return TRUE;
}

static const Field schema_fields[] = { { "name", read_text }, { "description", read_text }, { "strict", read_strict },
  { "schema", read_schema } };

static gboolean
read_json_schema (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  JsonObject *o = field_get_object (node, param, refusal);

  ((Format *)target)->has_schema = TRUE;
  return o && fields_read (o, schema_fields, G_N_ELEMENTS (schema_fields), target, param, refusal);
}

static gboolean
read_type (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  const gchar *type = field_get_string (node, param, refusal);

  ((Format *)target)->type = type;
  return type != NULL;
}

static const Field format_fields[] = { { "type", read_type }, { "json_schema", read_json_schema } };

static gboolean
read_response_format (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  Ask *ask = ((Body *)target)->ask;
  JsonObject *o = field_get_object (node, param, refusal);
  g_autofree gchar *type_at = g_strconcat (param, ".type", NULL), *schema_at = g_strconcat (param, ".json_schema", NULL);
  g_auto (Format) format = { NULL };
  gboolean wants_schema;

  if (!o || !fields_read (o, format_fields, G_N_ELEMENTS (format_fields), &format, param, refusal))
    return FALSE;
  if (!format.type)
    return refuse_value (refusal, type_at, "it is missing");
  wants_schema = g_str_equal (format.type, "json_schema");
  if (!wants_schema && !g_str_equal (format.type, "json_object") && !g_str_equal (format.type, "text"))
    return refuse (refusal, 400, "unsupported_parameter", param,
        "%s: %s is not supported, but text, json_object and json_schema are", param, format.type);
  if (format.has_schema && !wants_schema)
    return refuse_value (refusal, schema_at, "the type is to be json_schema with it");
  if (wants_schema && !format.schema)
    return refuse_value (refusal, schema_at, "its schema is missing");
  if (wants_schema)
    ask->schema = g_steal_pointer (&format.schema);
  else if (g_str_equal (format.type, "json_object"))
    ask->schema = g_strdup (ANY_OBJECT);
  ask->params.json_schema = ask->schema;
  return TRUE;
}

/* --- what asks for nothing else than there is ------------------------------------------------------------------------------- */

static gboolean
read_one (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  gint64 n;

  return field_get_int (node, param, 1, 1, &n, refusal);
}

static gboolean
read_zero (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  double value;

  return field_get_number (node, param, 0, 0, &value, refusal);
}

/* Without tools there is no choice. */
static gboolean
read_tool_choice (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  const gchar *choice = json_text_holds (node, G_TYPE_STRING) ? json_node_get_string (node) : "";

  return g_str_equal (choice, "none") || g_str_equal (choice, "auto") || refuse_unsupported (refusal, param);
}

static gboolean
read_modalities (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  JsonArray *list = field_get_list (node, param, refusal);

  for (guint i = 0; list && i < json_array_get_length (list); i++) {
    const gchar *what = field_get_string (json_array_get_element (list, i), param, refusal);

    if (!what || !g_str_equal (what, "text"))
      return refuse_value (refusal, param, "only text is possible");
  }
  return list != NULL;
}

static const Field body_fields[] = {
  { "model", read_model },
  { "messages", read_messages },
  { "stream", read_stream },
  { "stream_options", read_stream_options },
  { "temperature", read_temperature },
  { "top_p", read_top_p },
  { "top_k", read_top_k },
  { "repetition_penalty", read_repetition_penalty },
  { "seed", read_seed },
  { "max_tokens", read_max_tokens },
  { "max_completion_tokens", read_max_tokens },
  { "stop", read_stop },
  { "logprobs", read_logprobs },
  { "top_logprobs", read_top_logprobs },
  { "return_token_ids", read_token_ids }, /* as vLLM and LMDeploy have it */
  { "response_format", read_response_format },
  { "choices", read_choices },
  /* What asks for nothing else than there is. */
  { "n", read_one },
  { "frequency_penalty", read_zero },
  { "presence_penalty", read_zero },
  { "tool_choice", read_tool_choice },
  { "modalities", read_modalities },
  /* What changes no answer. */
  { "metadata" },
  { "parallel_tool_calls" },
  { "prediction" },
  { "prompt_cache_key" },
  { "prompt_cache_retention" },
  { "safety_identifier" },
  { "service_tier" },
  { "store" },
  { "user" },
};

/* --- all of it ------------------------------------------------------------------------------------------------------------- */

static gboolean
check_logprobs (const Body *b, Refusal *refusal)
{
  if (b->top_logprobs > 0 && !b->ask->logprobs)
    return refuse_value (refusal, "top_logprobs", "logprobs is to be true with it");
  b->ask->params.n_logprobs = b->top_logprobs;
  return TRUE;
}

const gchar *
ask_shape_param (const Ask *ask)
{
  return ask->choices ? "choices" : ask->schema ? "response_format" : NULL;
}

static gboolean
check_shape (const Ask *ask, Refusal *refusal)
{
  const gchar *param = ask_shape_param (ask);
  g_autoptr (GError) error = NULL;

  if (!minivl_shape_check (ask->params.choices, ask->schema, &error))
    return refuse_value (refusal, param, "%s", error->message);
  if (param && ask->stop)
    return refuse_value (refusal, "stop", "an answer of a shape is whole: not together with %s", param);
  return TRUE;
}

Ask *
ask_parse (const gchar *text, gsize length, guint max_pictures, Refusal *refusal)
{
  g_autoptr (Ask) ask = g_new0 (Ask, 1);
  Body body = { .ask = ask, .max_pictures = max_pictures };
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonObject) o = json_text_parse (text, length, MOST_LEVELS, &error);

  *ask = (Ask){ .params = MINIVL_PARAMS_INIT, .rounds = g_ptr_array_new_with_free_func (round_free) };
  if (!o) {
    refuse (refusal, 400, "invalid_json", NULL, "the body: %s", error->message);
    return NULL;
  }
  if (!fields_read (o, body_fields, G_N_ELEMENTS (body_fields), &body, "", refusal) || !check_logprobs (&body, refusal)
      || !check_shape (ask, refusal))
    return NULL;
  if (!body.has_messages) {
    refuse_value (refusal, "messages", "it is missing");
    return NULL;
  }
  return g_steal_pointer (&ask);
}

/* `<image>` for a picture that is not joined, `Frame1: <image>` and so on, a line each, for a video. (transfer full) */
static gchar *
marks_of (const AskPart *part, guint n)
{
  gchar *marks = part->kind == PART_VIDEO ? minivl_prompt_add_marks ("", 0, n) : g_strdup (n > 0 ? MINIVL_IMAGE_MARK : "");

  return g_strchomp (marks);
}

gchar *
ask_write_question (const AskRound *round, const guint *n_marks, const gchar *param, Refusal *refusal)
{
  g_autoptr (GString) text = g_string_new (NULL);
  guint n_written = 0, n_all = 0;

  for (guint i = 0, medium = 0; i < round->parts->len; i++) {
    const AskPart *part = round->parts->pdata[i];

    if (part->kind == PART_TEXT)
      n_written += minivl_prompt_count_marks (part->text);
    else
      n_all += n_marks[medium++];
  }
  if (n_written > 0 && n_written != n_all) {
    refuse (refusal, 400, "invalid_value", param, "%u %s in the text, and %u pictures and frames for them", n_written,
        MINIVL_IMAGE_MARK, n_all);
    return NULL;
  }
  for (guint i = 0, medium = 0; i < round->parts->len; i++) {
    const AskPart *part = round->parts->pdata[i];
    g_autofree gchar *marks = part->kind == PART_TEXT ? NULL : marks_of (part, n_marks[medium++]);

    if (part->kind == PART_TEXT)
      messages_join (text, part->text);
    else if (n_written == 0)
      messages_join (text, marks);
  }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* Answers that are one of several choices, or fit a JSON schema; on a small model of random weights, with the trained tokenizer. */
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include <json-glib/json-glib.h>

#include "api.h"
#include "model/engine.h"
#include "model/json-schema.h"

static const gchar *const animals[] = { "yes", "no", "maybe later", NULL };

static MinivlParams
params_of (const gchar *const *choices)
{
  MinivlParams params = MINIVL_PARAMS_INIT;

  params.choices = choices;
  params.max_tokens = 40;
  return params;
}

static void
ask (const gchar *prompt, const MinivlParams *params, MinivlAnswer *answer)
{
  g_autoptr (GError) error = NULL;
  MinivlSession *session = api_new_session ();

  minivl_session_ask (session, prompt, params, NULL, NULL, answer, &error);
  g_assert_no_error (error);
  minivl_session_free (session);
}

static void
check_choice (const MinivlAnswer *answer, const gchar *const *choices)
{
  double sum = 0;

  g_assert_cmpuint (answer->n_choices, ==, g_strv_length ((gchar **)choices));
  g_assert_cmpint (answer->choice, >=, 0);
  g_assert_cmpint (answer->choice, <, answer->n_choices);
  g_assert_cmpstr (answer->text, ==, choices[answer->choice]);
  g_assert_cmpint (answer->finish, ==, MINIVL_FINISH_STOP);
  g_assert_cmpuint (answer->drafted, ==, 0);
  for (guint i = 0; i < answer->n_choices; i++)
    sum += answer->choice_probabilities[i];
  g_assert_cmpfloat_with_epsilon (sum, 1, 1e-5);
  for (guint i = 0; i < answer->output_tokens; i++)
    g_assert_cmpfloat (answer->logprobs[i], <=, 1e-6);
}

/* As a mark or as a byte. */
static gboolean
is_lone_space (gint32 id)
{
  const gchar *token = tokenizer_token (api_engine->tokenizer, id);

  return g_strcmp0 (token, SPACE_MARK) == 0 || g_strcmp0 (token, "<0x20>") == 0;
}

/* The choices part at their first letter. */
static void
test_probabilities_are_those_of_the_first_tokens (void)
{
  MinivlParams params = params_of (animals), plain = MINIVL_PARAMS_INIT;
  g_auto (MinivlAnswer) answer = { 0 }, whole = { 0 };
  double weights[3] = { 0 }, most = -INFINITY;

  ask ("Is it?", &params, &answer);
  check_choice (&answer, animals);
  plain.max_tokens = 1;
  plain.want_logits = TRUE;
  ask ("Is it?", &plain, &whole);
  for (guint i = 0; i < whole.n_logits; i++)
    most = fmax (most, whole.logits[i]);
  for (gint32 id = 0; id < (gint32)whole.n_logits; id++) {
    g_autofree gchar *text = tokenizer_decode (api_engine->tokenizer, &id, 1, FALSE);

    for (guint i = 0; i < 3; i++) /* a lone space tells nothing */
      if (!is_lone_space (id) && *text && g_str_has_prefix (animals[i], text))
        weights[i] += exp (whole.logits[id] - most);
  }
  /* An answer that begins with the lone space tells more: then only what is known before is compared, that of the sum. */
  if (!is_lone_space (answer.token_ids[0])) {
    double sum = weights[0] + weights[1] + weights[2];

    for (guint i = 0; i < 3; i++)
      g_assert_cmpfloat_with_epsilon (answer.choice_probabilities[i], weights[i] / sum, 1e-4);
  }
}

/* Drawn as often as they are probable. */
static void
test_drawn_choices (void)
{
  MinivlParams params = params_of (animals);
  double expected[3] = { 0 };
  guint drawn[3] = { 0 }, n = 150;

  params.temperature = 1;
  params.top_k = 0;
  params.top_p = 1;
  for (guint seed = 0; seed < n; seed++) {
    g_auto (MinivlAnswer) answer = { 0 };

    params.seed = seed;
    ask ("Is it?", &params, &answer);
    check_choice (&answer, animals);
    drawn[answer.choice]++;
    for (guint i = 0; i < 3; i++)
      expected[i] += answer.choice_probabilities[i];
  }
  for (guint i = 0; i < 3; i++)
    g_test_message ("%s: %u drawn, %.1f expected", animals[i], drawn[i], expected[i]);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpfloat (fabs (drawn[i] - expected[i]), <=, 4 * sqrt (n * 0.25));
  g_assert_cmpuint (drawn[0] < n && drawn[1] < n && drawn[2] < n, ==, TRUE);
}

/* One that begins another, in letters that are several bytes, in words that are alike to the end; with white space around. */
static void
test_awkward_choices (void)
{
  static const gchar *const sets[][6] = {
    { "a", "ab", "abc", NULL },
    { "größer", "größe", "日本", "日", "🐕", NULL },
    { " a dog in the yard\n", "\ta dog in the garden", "a dog", NULL },
    { "only one", NULL },
  };
  static const double temperatures[] = { 0, 1, 20 };

  for (guint i = 0; i < G_N_ELEMENTS (sets); i++) {
    g_auto (GStrv) stripped = g_strdupv ((gchar **)sets[i]);

    for (gchar **text = stripped; *text; text++)
      g_strstrip (*text);
    for (guint k = 0; k < 30; k++) {
      MinivlParams params = params_of (sets[i]);
      g_auto (MinivlAnswer) answer = { 0 };

      params.temperature = temperatures[k % 3];
      params.top_k = k % 2 ? 0 : 40;
      params.repetition_penalty = k % 5 ? 1 : 1.3;
      params.seed = k;
      params.max_tokens = k % 4 ? 64 : 24;
      params.n_logprobs = 3;
      ask ("What is it?", &params, &answer);
      check_choice (&answer, (const gchar *const *)stripped);
    }
  }
}

typedef struct
{
  MinivlParams params;
  MinivlAnswer answer;
  gchar *prompt;
} Asked;

static gpointer
ask_in_thread (gpointer data)
{
  Asked *a = data;

  ask (a->prompt, &a->params, &a->answer);
  return NULL;
}

/* Beside answers of no shape, in the same steps. */
static void
test_among_others (void)
{
  Asked asked[8];
  GThread *threads[G_N_ELEMENTS (asked)];

  for (guint i = 0; i < G_N_ELEMENTS (asked); i++) {
    asked[i] = (Asked){ .params = params_of (i % 2 ? animals : NULL), .prompt = g_strdup_printf ("Number %u?", i) };
    asked[i].params.max_tokens = 24;
    threads[i] = g_thread_new ("asks", ask_in_thread, &asked[i]);
  }
  for (guint i = 0; i < G_N_ELEMENTS (asked); i++)
    g_thread_join (threads[i]);
  for (guint i = 0; i < G_N_ELEMENTS (asked); i++) {
    g_auto (MinivlAnswer) alone = { 0 };

    ask (asked[i].prompt, &asked[i].params, &alone);
    api_assert_same (&asked[i].answer, &alone);
    if (i % 2)
      check_choice (&asked[i].answer, animals);
    else
      g_assert_null (alone.choice_probabilities);
    minivl_answer_clear (&asked[i].answer);
    g_free (asked[i].prompt);
  }
}

static void
test_refused (void)
{
  static const gchar *const wrong[][3] = { { NULL }, { "a", " ", NULL }, { "a", "a ", NULL }, { "a", "\xff", NULL } };
  g_autofree gchar *word = g_strnfill (1025, 'a');
  const gchar *const too_long[] = { word, NULL };
  MinivlSession *session = api_new_session ();
  MinivlParams params;

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++) {
    params = params_of (wrong[i]);
    api_refuse (session, "Which?", &params, MINIVL_ERROR_USAGE);
  }
  params = params_of (too_long);
  api_refuse (session, "Which?", &params, MINIVL_ERROR_USAGE);
  params = params_of (animals);
  params.max_tokens = 1; /* "maybe later" takes more */
  api_refuse (session, "Which?", &params, MINIVL_ERROR_USAGE);
  minivl_session_free (session);
}

/* A stop string that a choice has in it does not cut it. */
static void
test_stop_strings_are_not_looked_for (void)
{
  static const gchar *const stop[] = { "e", "o", NULL };
  MinivlParams params = params_of (animals);
  g_auto (MinivlAnswer) answer = { 0 };

  params.stop = stop;
  ask ("Is it?", &params, &answer);
  check_choice (&answer, animals);
}

static void
test_program (void)
{
  static const gchar *const choices[] = { "a red bus", "a dog", "größer" };
  const gchar *const argv[] = { MINIVL_CHAT, "--model", api_model, "--json", "--context-size", "512", "--choices",
    "a red bus| a dog\ngrößer", "--temperature", "1", "--max-tokens", "40", "What is it?", NULL };
  g_autofree gchar *out = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = NULL;
  JsonObject *o;
  gint status;
  double sum = 0;

  g_spawn_sync (NULL, (gchar **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &out, NULL, &status, &error);
  g_assert_no_error (error);
  g_assert_cmpint (status, ==, 0);
  node = json_from_string (out, &error);
  g_assert_no_error (error);
  o = json_node_get_object (node);
  for (guint i = 0; i < 3; i++)
    sum += json_array_get_double_element (json_object_get_array_member (o, "choice_probabilities"), i);
  g_assert_cmpfloat_with_epsilon (sum, 1, 1e-5);
  g_assert_cmpstr (json_object_get_string_member (o, "text"), ==, choices[json_object_get_int_member (o, "choice")]);
  g_assert_cmpstr (json_object_get_string_member (o, "finish_reason"), ==, "stop");
}

/* --- JSON schemas ---------------------------------------------------------------------------------------------------------- */

static gboolean
is_of_type (JsonNode *value, const gchar *type)
{
  GType held = JSON_NODE_HOLDS_VALUE (value) ? json_node_get_value_type (value) : G_TYPE_INVALID;

  return g_str_equal (type, "object")    ? JSON_NODE_HOLDS_OBJECT (value)
         : g_str_equal (type, "array")   ? JSON_NODE_HOLDS_ARRAY (value)
         : g_str_equal (type, "null")    ? JSON_NODE_HOLDS_NULL (value)
         : g_str_equal (type, "string")  ? held == G_TYPE_STRING
         : g_str_equal (type, "boolean") ? held == G_TYPE_BOOLEAN
         : g_str_equal (type, "integer") ? held == G_TYPE_INT64
                                         : held == G_TYPE_INT64 || held == G_TYPE_DOUBLE;
}

/* What JSON Schema says of it, whatever is made of that elsewhere. */
static gboolean
fits (JsonNode *value, JsonObject *schema)
{
  JsonNode *type = json_object_get_member (schema, "type");
  gboolean ok = type == NULL;

  if (type && JSON_NODE_HOLDS_VALUE (type))
    ok = is_of_type (value, json_node_get_string (type));
  for (guint i = 0; type && JSON_NODE_HOLDS_ARRAY (type) && i < json_array_get_length (json_node_get_array (type)); i++)
    ok = ok || is_of_type (value, json_array_get_string_element (json_node_get_array (type), i));
  if (json_object_has_member (schema, "const"))
    ok = ok && json_node_equal (value, json_object_get_member (schema, "const"));
  if (json_object_has_member (schema, "enum")) {
    JsonArray *values = json_object_get_array_member (schema, "enum");
    gboolean found = FALSE;

    for (guint i = 0; i < json_array_get_length (values); i++)
      found = found || json_node_equal (value, json_array_get_element (values, i));
    ok = ok && found;
  }
  if (is_of_type (value, "string") && json_object_has_member (schema, "maxLength"))
    ok = ok && g_utf8_strlen (json_node_get_string (value), -1) <= json_object_get_int_member (schema, "maxLength");
  if (JSON_NODE_HOLDS_ARRAY (value))
    for (guint i = 0; i < json_array_get_length (json_node_get_array (value)); i++)
      ok = ok && fits (json_array_get_element (json_node_get_array (value), i), json_object_get_object_member (schema, "items"));
  if (JSON_NODE_HOLDS_OBJECT (value)) {
    JsonObject *object = json_node_get_object (value), *properties = json_object_has_member (schema, "properties")
                                                                         ? json_object_get_object_member (schema, "properties")
                                                                         : NULL;
    JsonArray *required = json_object_has_member (schema, "required") ? json_object_get_array_member (schema, "required") : NULL;
    gboolean any = !properties && json_object_has_member (schema, "additionalProperties")
                   && json_object_get_boolean_member (schema, "additionalProperties");
    g_autoptr (GList) names = json_object_get_members (object);

    for (guint i = 0; required && i < json_array_get_length (required); i++)
      ok = ok && json_object_has_member (object, json_array_get_string_element (required, i));
    for (GList *l = any ? NULL : names; l; l = l->next)
      ok = ok && properties && json_object_has_member (properties, l->data)
           && fits (json_object_get_member (object, l->data), json_object_get_object_member (properties, l->data));
  }
  return ok;
}

/* The fewest tokens that are not refused, by trying. */
static guint
least_tokens (const gchar *schema)
{
  MinivlParams params = MINIVL_PARAMS_INIT;

  params.json_schema = schema;
  for (params.max_tokens = 1; params.max_tokens < 400; params.max_tokens++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (ShapeRun) run = shapes_begin (api_engine->shapes, &params, &error);

    if (run)
      return params.max_tokens;
    if (!strstr (error->message, "the shortest answer"))
      g_error ("%s: %s", schema, error->message);
  }
  g_assert_not_reached ();
}

typedef struct
{
  guint cut, whole; /* answers */
} Ends;

/* At temperature 1, in as few tokens as it takes, and with room. (transfer full): the last one. */
static JsonNode *
check_schema (const gchar *schema, guint seed, Ends *ends)
{
  g_autoptr (JsonNode) of = json_from_string (schema, NULL), value = NULL;
  guint least = least_tokens (schema);
  const guint limits[] = { least, least + 7, least + 40 };

  for (guint i = 0; i < G_N_ELEMENTS (limits); i++) {
    MinivlParams params = MINIVL_PARAMS_INIT;
    g_auto (MinivlAnswer) answer = { 0 };
    g_autoptr (GError) error = NULL;

    params.json_schema = schema;
    params.max_tokens = limits[i];
    params.temperature = 1;
    params.top_k = 0;
    params.top_p = 1;
    params.seed = seed;
    ask ("What is there?", &params, &answer);
    g_clear_pointer (&value, json_node_unref);
    value = json_from_string (answer.text, &error);
    if (error || !fits (value, json_node_get_object (of)))
      g_error ("%s: %s", schema, answer.text);
    g_assert_cmpuint (answer.output_tokens, <=, limits[i]);
    ends->cut += answer.finish == MINIVL_FINISH_LENGTH;
    ends->whole += answer.finish == MINIVL_FINISH_STOP;
  }
  return g_steal_pointer (&value);
}

static void
test_every_answer_fits (void)
{
  g_autofree gchar *text = NULL;
  g_auto (GStrv) schemas = NULL;
  Ends ends = { 0 };
  guint n = 0;

  g_assert_true (g_file_get_contents (TEST_DATA "/schemas.jsonl", &text, NULL, NULL));
  schemas = g_strsplit (g_strchomp (text), "\n", -1);
  for (; schemas[n]; n++)
    json_node_unref (check_schema (schemas[n], n, &ends));
  g_assert_cmpuint (n, ==, 60);
  g_assert_cmpuint (ends.cut, >, 20);
  g_assert_cmpuint (ends.whole, >, 20);
}

/* Of each a value that the others leave out, and none that begins another. */
static void
test_values_of_any_kind (void)
{
  static const gchar *const schemas[] = {
    "{\"enum\": [1, 12, 123, -4, 0.1, 1e-7, true, null, \"a\"]}",
    "{\"type\": [\"integer\", \"null\"], \"enum\": [1, \"a\", 2.5, null, false]}",
    "{\"type\": \"number\", \"enum\": [10, 2.5, \"10\"]}",
    "{\"const\": \"a b\"}",
    "{\"const\": null}",
    "{\"type\": \"array\", \"items\": {\"const\": 9223372036854775807}}",
    "{\"type\": \"object\", \"properties\": {\"k\": {\"const\": true}, \"n\": {\"enum\": [1, 11]}}, \"required\": [\"k\"]}",
  };
  Ends ends = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (schemas); i++)
    for (guint seed = 0; seed < 8; seed++)
      json_node_unref (check_schema (schemas[i], seed, &ends));
  g_assert_cmpuint (ends.whole, >, 0);
}

static void
test_any_object (void)
{
  guint members = 0;
  Ends ends = { 0 };

  for (guint seed = 0; seed < 40; seed++) {
    g_autoptr (JsonNode) value = check_schema ("{\"type\": \"object\", \"additionalProperties\": true}", seed, &ends);

    g_assert_true (JSON_NODE_HOLDS_OBJECT (value));
    members = MAX (members, json_object_get_size (json_node_get_object (value)));
  }
  g_assert_cmpuint (members, >, 0);
  g_assert_cmpuint (ends.cut, >, 0);
}

/* Whether a text's bytes lead from the beginning to an end. */
static gboolean
takes (const Shape *s, const gchar *text)
{
  ShapePlace place = shape_start (s);

  for (const gchar *c = text; *c; c++)
    if (!shape_step (s, &place, *c))
      return FALSE;
  return shape_is_end (s, place);
}

static void
test_any_object_is_any (void)
{
  static const gchar *const some[] = { "{}", "{\"\":null}", "{\"a b\": 1, \"ü\":[true,false,null, -1.5e+3],\"c\":{\"d\":{}}}",
    "{\"a\":[[[[[1]]]]]}", "{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":\"f\\n\"}}}}}" };
  static const gchar *const none[] = { "", "[]", "1", "{\"a\"}", "{a:1}", "{\"a\":1,}", "{\"a\":1}}", "{\"a\":[1,]}",
    "{\"a\":{\"b\":1]}", "{\"a\":[[[[[[1]]]]]]}" };
  g_autoptr (GError) error = NULL;
  g_autoptr (Shape) s = json_schema_compile ("{\"type\": \"object\", \"additionalProperties\": true}", &error);

  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (some); i++)
    if (!takes (s, some[i]))
      g_error ("%s is refused", some[i]);
  for (guint i = 0; i < G_N_ELEMENTS (none); i++)
    if (takes (s, none[i]))
      g_error ("%s is taken", none[i]);
}

static void
test_refused_schemas (void)
{
  static const gchar *const rows[][2] = {
    { "{\"type\": \"string\", \"pattern\": \"a\"}", "`pattern`" },
    { "{\"type\": \"array\", \"items\": {\"type\": \"integer\", \"minimum\": 1}}", "`minimum`" },
    { "{\"$ref\": \"#\"}", "`$ref`" },
    { "{\"anyOf\": []}", "`anyOf`" },
    { "{\"type\": \"array\"}", "`items`" },
    { "{}", "`type`" },
    { "{\"type\": \"text\"}", "`type`" },
    { "{\"enum\": [[1]]}", "`enum`" },
    { "{\"enum\": []}", "`enum`" },
    { "{\"enum\": {}}", "`enum`" },
    { "{\"enum\": [1, 2, 1]}", "`enum`" },
    { "{\"enum\": [1, \"a\"], \"type\": \"boolean\"}", "`enum`" },
    { "{\"const\": {}}", "`const`" },
    { "{\"const\": 1, \"enum\": [1]}", "`const`" },
    { "{\"const\": \"a\", \"maxLength\": 1}", "`maxLength`" },
    { "{\"type\": \"string\", \"maxLength\": -1}", "`maxLength`" },
    { "{\"type\": \"object\", \"required\": [\"a\"]}", "`required`" },
    { "{\"type\": \"object\", \"properties\": {\"a\": 1}}", "a: it is no object" },
    { "{\"type\": \"object\", \"additionalProperties\": {}}", "`additionalProperties`" },
    { "{\"type\": \"string\"", "JSON schema" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (json_schema_compile (rows[i][0], &error));
    g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_USAGE);
    if (!strstr (error->message, rows[i][1]))
      g_error ("%s: %s", rows[i][0], error->message);
  }
}

static void
test_program_with_schema (void)
{
  g_autofree gchar *path = NULL, *out = NULL;
  gint fd = g_file_open_tmp ("minivl-shapes-XXXXXX.json", &path, NULL);
  const gchar *const argv[] = { MINIVL_CHAT, "--model", api_model, "--context-size", "512", "--json-schema", path, "--max-tokens",
    "40", "What is it?", NULL };
  g_autoptr (JsonNode) value = NULL;
  gint status;

  g_assert_true (
      g_close (fd, NULL) && g_file_set_contents (path, "{\"type\": \"array\", \"items\": {\"enum\": [\"a\", \"b\"]}}", -1, NULL));
  g_assert_true (g_spawn_sync (NULL, (gchar **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &out, NULL, &status, NULL));
  g_assert_cmpint (status, ==, 0);
  value = json_from_string (out, NULL);
  g_assert_true (value && JSON_NODE_HOLDS_ARRAY (value));
  g_remove (path);
}

/* --- masks ------------------------------------------------------------------------------------------------------------------ */

/* The n-th token of a mask, from 0, that goes on; -1: there is none. */
static gint32
nth_token (const guint32 *mask, const Vocabulary *v, guint n)
{
  g_autoptr (GArray) tokens = g_array_new (FALSE, FALSE, sizeof (gint32));

  for (gint32 id = 0; id < (gint32)v->n_tokens; id++) {
    guint bytes;

    vocabulary_bytes (v, id, &bytes);
    if ((mask[1 + id / 32] >> id % 32 & 1) && bytes > 0)
      g_array_append_val (tokens, id);
  }
  return tokens->len > 0 ? g_array_index (tokens, gint32, n % tokens->len) : -1;
}

/* Behind these tokens, of a shape that nobody has answered in before. */
static void
check_mask (const guint32 *mask, const gchar *schema, const Vocabulary *v, const GArray *tokens, guint max_tokens)
{
  g_autoptr (Shape) s = json_schema_compile (schema, NULL);
  g_autoptr (ShapeRun) r = NULL;
  gsize size = SHAPE_MASK_WORDS (v->n_tokens) * sizeof *mask;

  shape_measure (s, v);
  r = shape_run_new (s, v, api_engine->end_tokens, max_tokens);
  for (guint i = 0; i < tokens->len; i++)
    shape_run_take (r, g_array_index (tokens, gint32, i));
  g_assert_cmpmem (mask, size, shape_run_mask (r), size);
}

/* Of answers of one shape. Returns how often all tokens were gone through. */
static guint
compare_masks (const gchar *schema, const Vocabulary *v, guint answers, guint max_tokens)
{
  g_autoptr (Shape) shared = json_schema_compile (schema, NULL);

  shape_measure (shared, v);
  for (guint answer = 0; answer < answers; answer++) {
    g_autoptr (ShapeRun) r = shape_run_new (shared, v, api_engine->end_tokens, max_tokens);
    g_autoptr (GArray) tokens = g_array_new (FALSE, FALSE, sizeof (gint32));

    while (tokens->len < max_tokens && !shape_run_is_over (r)) {
      const guint32 *mask = shape_run_mask (r);
      gint32 token = nth_token (mask, v, (tokens->len + 1) * (answer + 3) * 2654435761u >> 16);

      check_mask (mask, schema, v, tokens, max_tokens);
      if (token < 0)
        break;
      shape_run_take (r, token);
      g_array_append_val (tokens, token);
    }
  }
  return shape_count_walks (shared);
}

static void
test_masks_are_kept (void)
{
  g_autoptr (Vocabulary) v = vocabulary_new (api_engine->tokenizer, api_engine->end_tokens, api_engine->config.language.vocab);
  const guint steps = 8 * 60;

  /* Within a string, and for the last tokens, of which each leaves others out. */
  g_assert_cmpuint (compare_masks ("{\"type\": \"string\"}", v, 8, 60), <, steps / 10);
  g_assert_cmpuint (compare_masks ("{\"type\": \"string\", \"maxLength\": 40}", v, 8, 60), <, steps / 2);
  compare_masks ("{\"type\": \"object\", \"additionalProperties\": true}", v, 8, 60);
  compare_masks ("{\"type\": \"array\", \"items\": {\"type\": [\"number\", \"string\"], \"maxLength\": 3}}", v, 8, 60);
}

/* --- the other tokenizer ---------------------------------------------------------------------------------------------------- */

typedef struct
{
  const gchar *path;
  void (*test) (void);
} SlowTest;

/* A test with an engine whose tokenizer is the slow one. */
static void
test_slow (gconstpointer data)
{
  const SlowTest *row = data;
  const MinivlEngineOptions options = {
    .model_path = api_model, .precision = MINIVL_PRECISION_F32, .context_size = CONTEXT, .tokenizer = MINIVL_TOKENIZER_SLOW
  };
  g_autoptr (GError) error = NULL;
  MinivlEngine *fast = api_engine;

  api_engine = minivl_engine_open (&options, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (minivl_engine_get_info (api_engine)->tokenizer, ==, "slow");
  row->test ();
  minivl_engine_unref (api_engine);
  api_engine = fast;
}

static void
add_tests (void)
{
  static const SlowTest slow[] = { { "/shapes/slow/awkward_choices", test_awkward_choices },
    { "/shapes/slow/drawn_choices", test_drawn_choices }, { "/shapes/slow/every_answer_fits", test_every_answer_fits },
    { "/shapes/slow/any_object", test_any_object } };

  g_test_add_func ("/shapes/choices/probabilities_are_those_of_the_first_tokens", test_probabilities_are_those_of_the_first_tokens);
  g_test_add_func ("/shapes/choices/are_drawn_as_often_as_they_are_probable", test_drawn_choices);
  g_test_add_func ("/shapes/choices/awkward_ones", test_awkward_choices);
  g_test_add_func ("/shapes/choices/among_others", test_among_others);
  g_test_add_func ("/shapes/choices/refused", test_refused);
  g_test_add_func ("/shapes/choices/no_stop_strings", test_stop_strings_are_not_looked_for);
  g_test_add_func ("/shapes/choices/minivl_chat", test_program);
  g_test_add_func ("/shapes/schema/every_answer_fits", test_every_answer_fits);
  g_test_add_func ("/shapes/schema/values_of_any_kind", test_values_of_any_kind);
  g_test_add_func ("/shapes/schema/any_object", test_any_object);
  g_test_add_func ("/shapes/schema/any_object_is_any", test_any_object_is_any);
  g_test_add_func ("/shapes/schema/refused", test_refused_schemas);
  g_test_add_func ("/shapes/schema/minivl_chat", test_program_with_schema);
  g_test_add_func ("/shapes/masks_are_kept", test_masks_are_kept);
  for (guint i = 0; i < G_N_ELEMENTS (slow); i++)
    g_test_add_data_func (slow[i].path, &slow[i], test_slow);
}

int
main (int argc, char **argv)
{
  return api_run (argc, argv, add_tests);
}

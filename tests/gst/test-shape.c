/* Answers of a shape: the properties choices and json-schema, and what a result has of it. Against the fake back end. */
#include "gst/element/gstminivl.h"
#include "rig.h"

#include <glib/gstdio.h>
#include <string.h>

#define SCHEMA "{\"type\": \"object\", \"properties\": {\"a\": {\"type\": [\"integer\", \"null\"]}}}"
#define OTHER "{\"type\": \"array\", \"items\": {\"type\": \"boolean\"}}"
#define UNSUPPORTED "{\"type\": \"object\", \"properties\": {\"deep\": {\"type\": \"string\", \"pattern\": \"x\"}}}"

/* rig_new() with a property that is set before the start, whatever characters it has. */
static Rig *
make (const gchar *properties, const gchar *name, const gchar *value)
{
  g_autofree gchar *escaped = g_strescape (value, ""), *all = NULL;

  all = g_strdup_printf ("%s %s=\"%s\"", properties != NULL ? properties : "", name, escaped);
  return rig_new (all);
}

static gchar *
get (Rig *rig, const gchar *name)
{
  gchar *value;

  g_object_get (rig->element, name, &value, NULL);
  return value;
}

static gchar *
json_of (JsonObject *object, const gchar *name)
{
  return json_to_string (json_object_get_member (object, name), FALSE);
}

static void
assert_asked (guint question, const gchar *choices, const gchar *schema)
{
  g_assert_cmpstr (fake_question (question)->choices, ==, choices);
  g_assert_cmpstr (fake_question (question)->schema, ==, schema);
}

static void
test_a_choice_is_told_with_the_probability_of_each (void)
{
  Rig *rig = make (NULL, "choices", " a dog|a cat | |a bird");
  static const gchar *const data = "{\"choice\":1,\"choice_probabilities\":[0.25,0.5,0.25]}";
  g_autoptr (GstStructure) s = NULL;
  g_autoptr (JsonObject) json = NULL;
  g_autofree gchar *text = NULL;

  rig_add_text (rig, NULL);
  fake_set_text ("a cat");
  rig_push_second (rig, 0);
  s = rig_await_result (rig);
  assert_asked (0, "a dog|a cat|a bird", NULL);
  g_assert_cmpstr (gst_structure_get_string (s, "text"), ==, "a cat");
  g_assert_cmpstr (gst_structure_get_string (s, "data"), ==, data);
  json = rig_pull_json (rig);
  text = json_of (json, "data");
  g_assert_cmpstr (text, ==, data);
  rig_free (rig);
}

/* An answer that was cut is none of them. */
static void
test_no_choice_is_null (void)
{
  Rig *rig = make (NULL, "choices", "a dog|a cat");
  g_autoptr (JsonObject) json = NULL;
  g_autofree gchar *text = NULL;

  rig_add_text (rig, NULL);
  fake_set_text ("a c");
  rig_push_second (rig, 0);
  json = rig_pull_json (rig);
  text = json_of (json, "data");
  g_assert_cmpstr (text, ==, "{\"choice\":null,\"choice_probabilities\":[0.5,0.5]}");
  rig_free (rig);
}

static void
test_data_is_the_value_that_the_text_is_of (void)
{
  static const gchar *const said = "{\"a\": null, \"\": 5, \"ü x\": {\"list\": [1, null, \"b\", [true]], \"n\": -0.5}, \"o\": {}}";
  Rig *rig = make (NULL, "json-schema", " " SCHEMA);
  g_autoptr (GstStructure) s = NULL;
  g_autoptr (JsonObject) json = NULL;
  g_autoptr (GstBuffer) buffer = NULL;
  g_autofree gchar *text = NULL;
  GstCustomMeta *meta;

  rig_add_text (rig, NULL);
  fake_set_text (said);
  rig_push_second (rig, 0);
  s = rig_await_result (rig);
  assert_asked (0, NULL, " " SCHEMA);
  g_assert_cmpstr (gst_structure_get_string (s, "text"), ==, said);
  g_assert_cmpstr (gst_structure_get_string (s, "data"), ==, said);
  json = rig_pull_json (rig);
  text = json_of (json, "data");
  g_assert_cmpstr (text, ==, "{\"a\":null,\"\":5,\"ü x\":{\"list\":[1,null,\"b\",[true]],\"n\":-0.5},\"o\":{}}");

  rig_push (rig, 11, 12);
  while ((buffer = gst_harness_pull (rig->video)) != NULL && gst_buffer_get_custom_meta (buffer, "GstMinivlMeta") == NULL)
    gst_buffer_unref (buffer);
  meta = gst_buffer_get_custom_meta (buffer, "GstMinivlMeta");
  g_assert_cmpstr (gst_structure_get_string (gst_custom_meta_get_structure (meta), "data"), ==, said);
  rig_free (rig);
}

/* Of no shape, and JSON that a deadline has cut. */
static void
test_without_a_shape_there_is_no_data (void)
{
  Rig *rig = rig_new (NULL);
  g_autoptr (GstStructure) s = NULL;
  g_autoptr (JsonObject) json = NULL;

  rig_add_text (rig, NULL);
  fake_add_texts ("{}|{\"a\": 1");
  rig_push_second (rig, 0);
  json = rig_pull_json (rig);
  g_assert_true (json_object_get_null_member (json, "data"));
  s = rig_await_result (rig);
  g_assert_false (gst_structure_has_field (s, "data"));
  g_object_set (rig->element, "json-schema", SCHEMA, NULL);
  rig_push (rig, 11, 31); /* the second segment was open */
  rig_await_second (rig, 1, "stop");
  gst_structure_free (s);
  s = rig_await_result (rig);
  assert_asked (2, NULL, SCHEMA);
  g_assert_false (gst_structure_has_field (s, "data"));
  rig_free (rig);
}

static void
test_a_schema_may_be_a_file (void)
{
  g_autofree gchar *path = NULL, *told = NULL;
  gint fd = g_file_open_tmp ("minivl-shape-XXXXXX.json", &path, NULL);
  Rig *rig;

  g_assert_true (g_close (fd, NULL) && g_file_set_contents (path, SCHEMA, -1, NULL));
  rig = make (NULL, "json-schema", path);
  g_assert_true (g_file_set_contents (path, OTHER, -1, NULL)); /* was read */
  rig_push_second (rig, 0);
  rig_await_second (rig, 0, "stop");
  assert_asked (0, NULL, SCHEMA);
  told = get (rig, "json-schema");
  g_assert_cmpstr (told, ==, path);
  g_object_set (rig->element, "json-schema", path, NULL); /* read again */
  rig_push (rig, 11, 31);
  rig_await_second (rig, 1, "stop");
  rig_await_second (rig, 2, "stop");
  assert_asked (1, NULL, SCHEMA);
  assert_asked (2, NULL, OTHER);
  rig_free (rig);
  g_remove (path);
}

static void
test_it_changes_with_the_next_segment (void)
{
  Rig *rig = rig_new (NULL);

  rig_push (rig, 0, 11);
  g_object_set (rig->element, "choices", "a|b", NULL);
  rig_push (rig, 11, 21);
  g_object_set (rig->element, "choices", "", "json-schema", SCHEMA, NULL);
  rig_push (rig, 21, 31);
  g_object_set (rig->element, "json-schema", NULL, NULL);
  rig_push (rig, 31, 51);
  for (guint i = 0; i < 5; i++)
    rig_await_second (rig, i, "stop");
  assert_asked (0, NULL, NULL);
  assert_asked (1, NULL, NULL);
  assert_asked (2, "a|b", NULL);
  assert_asked (3, NULL, SCHEMA);
  assert_asked (4, NULL, NULL);
  rig_assert_no_warning (rig);
  rig_free (rig);
}

/* Yes and no, what sums up, and what somebody asks are as they were. */
static void
test_other_questions_are_not_bound_to_it (void)
{
  Rig *rig = make ("alerts=Fire? summary-interval=1000000000 history-size=2", "choices", "a|b");
  g_autoptr (GstStructure) summary = NULL, question = NULL;
  guint64 id;

  rig_push_second (rig, 0);
  rig_await_second (rig, 0, "stop");
  summary = rig_await_kind (rig, "summary", 0, 1000, "stop");
  g_assert_false (gst_structure_has_field (summary, "data"));
  g_signal_emit_by_name (rig->element, "ask", "What?", 1.0, &id);
  question = rig_await_result (rig);
  g_assert_cmpuint (rig_uint64 (question, "id"), ==, id);
  g_assert_false (gst_structure_has_field (question, "data"));
  assert_asked (0, "a|b", NULL);
  for (guint i = 1; i < 4; i++)
    assert_asked (i, NULL, NULL);
  g_assert_cmpuint (fake_count (FAKE_YES), ==, 1);
  rig_free (rig);
}

static double
always (guint a, guint b)
{
  return 1;
}

static void
test_another_shape_is_asked_of_what_looks_the_same (void)
{
  Rig *rig = make ("skip-similar=0.9", "choices", "a|b");

  fake_set_similarity (always);
  rig_push (rig, 0, 21);
  rig_await_second (rig, 0, "stop");
  rig_await_second (rig, 1, "unchanged");
  g_object_set (rig->element, "choices", "a|c", NULL);
  rig_push (rig, 21, 41);
  rig_await_second (rig, 2, "unchanged");
  rig_await_second (rig, 3, "stop");
  g_object_set (rig->element, "choices", NULL, "json-schema", SCHEMA, NULL);
  rig_push (rig, 41, 61);
  rig_await_second (rig, 4, "unchanged");
  rig_await_second (rig, 5, "stop");
  rig_free (rig);
}

/* --- what cannot be ---------------------------------------------------------------------------------------------------------- */

typedef struct
{
  const gchar *choices, *schema, *part, *other;
} Wrong;

static const Wrong wrong[] = {
  { NULL, UNSUPPORTED, "json-schema", "`pattern`" },
  { NULL, UNSUPPORTED, "json-schema", "deep" },
  { NULL, "{\"type\": \"string\"", "json-schema", "JSON" },
  { NULL, "/nowhere/schema.json", "json-schema", "/nowhere/schema.json" },
  { " | ", NULL, "choices", "no choices" },
  { "a|b|a", NULL, "choices", "twice" },
  { "a\xff|b", NULL, "choices", "UTF-8" },
  { "a|b", SCHEMA, "choices", "json-schema" },
};

static void
test_the_start_fails_by_name (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++) {
    GstElement *element = gst_object_ref_sink (gst_element_factory_make ("minivl", NULL));
    GstBus *bus = gst_bus_new ();
    g_autoptr (GstMessage) message = NULL;

    fake_reset ();
    g_object_set (element, "choices", wrong[i].choices, "json-schema", wrong[i].schema, NULL);
    gst_element_set_bus (element, bus);
    g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
    message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
    g_assert_nonnull (message);
    rig_assert_error (message, wrong[i].part);
    rig_assert_error (message, wrong[i].other);
    gst_element_set_state (element, GST_STATE_NULL);
    gst_element_set_bus (element, NULL);
    gst_object_unref (element);
    gst_object_unref (bus);
    g_assert_cmpuint (fake_count (FAKE_OPEN), ==, 0);
  }
}

static void
test_while_it_runs_it_stays_as_it_is (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++) {
    gboolean by_schema = wrong[i].schema != NULL && wrong[i].choices == NULL;
    Rig *rig = make (NULL, by_schema ? "json-schema" : "choices", by_schema ? OTHER : "x|y");
    g_autofree gchar *choices = NULL, *schema = NULL;
    g_autoptr (GstMessage) warning = NULL;

    if (wrong[i].schema != NULL)
      g_object_set (rig->element, "json-schema", wrong[i].schema, NULL);
    else
      g_object_set (rig->element, "choices", wrong[i].choices, NULL);
    warning = rig_await_message (rig, GST_MESSAGE_WARNING);
    rig_assert_error (warning, "stays as it is");
    rig_assert_error (warning, wrong[i].part);
    rig_assert_error (warning, wrong[i].other);
    choices = get (rig, "choices");
    schema = get (rig, "json-schema");
    g_assert_cmpstr (choices, ==, by_schema ? NULL : "x|y");
    g_assert_cmpstr (schema, ==, by_schema ? OTHER : NULL);
    rig_push_second (rig, 0);
    rig_await_second (rig, 0, "stop");
    assert_asked (0, by_schema ? NULL : "x|y", by_schema ? OTHER : NULL);
    rig_free (rig);
  }
}

/* How many tokens an answer takes only the model knows. */
static void
test_what_does_not_fit_max_tokens_is_told (void)
{
  Rig *rig = make (NULL, "json-schema", SCHEMA);

  fake_fail_next (FAKE_ASK, MINIVL_ERROR_USAGE, "the shortest answer that fits the schema takes 9 tokens and max_tokens is 2");
  rig_push_second (rig, 0);
  rig_await_warning (rig, "json-schema: the shortest answer that fits the schema takes 9 tokens");
  rig_await_second (rig, 0, "error");
  rig_free (rig);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));

#define RULE(name) g_test_add_func ("/shape/" #name, test_##name)
  RULE (a_choice_is_told_with_the_probability_of_each);
  RULE (no_choice_is_null);
  RULE (data_is_the_value_that_the_text_is_of);
  RULE (without_a_shape_there_is_no_data);
  RULE (a_schema_may_be_a_file);
  RULE (it_changes_with_the_next_segment);
  RULE (other_questions_are_not_bound_to_it);
  RULE (another_shape_is_asked_of_what_looks_the_same);
  RULE (the_start_fails_by_name);
  RULE (while_it_runs_it_stays_as_it_is);
  RULE (what_does_not_fit_max_tokens_is_told);
#undef RULE
  return g_test_run ();
}

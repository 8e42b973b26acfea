/* yard.c and grammar.c draw, say and understand what world.py and grammar.py do: rows that examples/demo-model/twins.py wrote. */
#include "examples/demo-model/grammar.h"

#include <json-glib/json-glib.h>

static JsonObject *
load (JsonParser *parser, const gchar *path)
{
  g_autoptr (GError) error = NULL;

  json_parser_load_from_file (parser, path, &error);
  g_assert_no_error (error);
  return json_node_get_object (json_parser_get_root (parser));
}

static gchar *
join (GPtrArray *strings, const gchar *separator)
{
  g_ptr_array_add (strings, NULL);
  return g_strjoinv (separator, (gchar **)strings->pdata);
}

static gchar *
state (const YardFacts *facts)
{
  g_autoptr (GPtrArray) parts = grammar_state (facts);

  return join (parts, "; ");
}

static const gchar *
find_pattern (const gchar *name)
{
  for (guint i = 0; i < GRAMMAR_N_PATTERNS; i++)
    if (g_str_equal (grammar_patterns[i], name))
      return grammar_patterns[i];
  g_error ("no pattern %s", name);
}

static void
init_scene (YardScene *scene, JsonObject *row)
{
  static const gchar *const lights[] = { "day", "dusk", "night", "rain" };
  const gchar *background_text = json_object_get_string_member (row, "background");
  const gchar *light_name = json_object_get_string_member (row, "light");
  guint64 seed = g_ascii_strtoull (json_object_get_string_member (row, "seed"), NULL, 10);
  guint64 background = background_text ? g_ascii_strtoull (background_text, NULL, 10) : 0;
  YardLight light = YARD_DAY;

  while (light_name && !g_str_equal (lights[light], light_name))
    light++;
  yard_scene_init (scene, seed, background_text ? &background : NULL, light_name ? &light : NULL);
}

static void
test_frames_are_the_recipes (void)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonArray *rows = json_object_get_array_member (load (parser, TEST_DATA "/yard.json"), "frames");

  g_assert_cmpuint (json_array_get_length (rows), ==, 96);
  for (guint i = 0; i < json_array_get_length (rows); i++) {
    JsonObject *row = json_array_get_object_element (rows, i);
    guint width = json_object_get_int_member (row, "width"), height = json_object_get_int_member (row, "height");
    g_autofree guint8 *rgb = g_malloc (width * height * 3);
    g_autofree gchar *sum = NULL, *told = NULL;
    YardScene scene;
    YardFacts facts;

    init_scene (&scene, row);
    yard_scene_get_facts (&scene, &facts);
    told = state (&facts);
    g_assert_cmpstr (told, ==, json_object_get_string_member (row, "facts"));
    yard_scene_draw (&scene, json_object_get_int_member (row, "moment"), width, height, rgb);
    sum = g_compute_checksum_for_data (G_CHECKSUM_SHA256, rgb, width * height * 3);
    g_assert_cmpstr (sum, ==, json_object_get_string_member (row, "sha256"));
  }
}

static void
facts_of_seed (guint64 seed, const gchar *pattern, YardFacts *facts)
{
  YardScene scene;

  yard_scene_init (&scene, seed, NULL, NULL);
  yard_scene_get_facts (&scene, facts);
  if (pattern)
    *facts = (YardFacts){ .pattern = find_pattern (pattern) };
}

static void
test_reports_and_answers_are_the_recipes (void)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonArray *rows = json_object_get_array_member (load (parser, TEST_DATA "/grammar.json"), "reports");

  g_assert_cmpuint (json_array_get_length (rows), ==, 60);
  for (guint i = 0; i < json_array_get_length (rows); i++) {
    JsonObject *row = json_array_get_object_element (rows, i);
    JsonArray *answers = json_object_get_array_member (row, "answers");
    g_autofree gchar *report = NULL, *told = NULL, *understood = NULL;
    YardFacts facts, again;

    facts_of_seed (json_object_get_int_member (row, "seed"), json_object_get_string_member (row, "pattern"), &facts);
    told = state (&facts);
    g_assert_cmpstr (told, ==, json_object_get_string_member (row, "state"));
    report = grammar_report (&facts);
    g_assert_cmpstr (report, ==, json_object_get_string_member (row, "report"));
    g_assert_true (grammar_parse_report (report, &again));
    understood = state (&again);
    g_assert_cmpstr (understood, ==, told);
    g_assert_cmpuint (json_array_get_length (answers), ==, grammar_n_questions ());
    for (guint n = 0; n < grammar_n_questions (); n++)
      g_assert_cmpstr (grammar_answer (n, &facts), ==, json_array_get_string_element (answers, n));
  }
}

static void
test_phrasings_are_the_recipes (void)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonArray *rows = json_object_get_array_member (load (parser, TEST_DATA "/grammar.json"), "questions");

  g_assert_cmpuint (json_array_get_length (rows), ==, grammar_n_questions ());
  for (guint n = 0; n < grammar_n_questions (); n++) {
    JsonArray *row = json_array_get_array_element (rows, n);
    const gchar *const *phrasings = grammar_question_phrasings (n);

    g_assert_cmpstr (grammar_question_kind (n), ==, json_array_get_string_element (row, 0));
    g_assert_cmpuint (g_strv_length ((gchar **)phrasings), ==, json_array_get_length (row) - 1);
    for (guint i = 0; phrasings[i]; i++)
      g_assert_cmpstr (phrasings[i], ==, json_array_get_string_element (row, i + 1));
  }
}

static void
test_summaries_are_the_recipes (void)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonArray *rows = json_object_get_array_member (load (parser, TEST_DATA "/grammar.json"), "summaries");

  g_assert_cmpuint (json_array_get_length (rows), ==, 24);
  for (guint i = 0; i < json_array_get_length (rows); i++) {
    JsonObject *row = json_array_get_object_element (rows, i);
    JsonArray *seeds = json_object_get_array_member (row, "seeds"), *events = json_object_get_array_member (row, "events");
    g_autoptr (GPtrArray) told = NULL, understood = NULL;
    g_autofree gchar *summary = NULL;
    guint n = json_array_get_length (seeds);
    YardFacts facts[6];

    g_assert_cmpuint (n, <=, G_N_ELEMENTS (facts));
    for (guint k = 0; k < n; k++) {
      guint64 seed = json_array_get_int_element (seeds, k);

      facts_of_seed (seed, seed % 10 ? NULL : grammar_patterns[seed / 10 % GRAMMAR_N_PATTERNS], &facts[k]);
    }
    summary = grammar_summary (facts, n);
    g_assert_cmpstr (summary, ==, json_object_get_string_member (row, "summary"));
    told = grammar_events (facts, n);
    understood = grammar_parse_summary (summary);
    g_assert_nonnull (understood);
    g_assert_cmpuint (told->len, ==, json_array_get_length (events));
    g_assert_cmpuint (understood->len, ==, told->len);
    for (guint k = 0; k < told->len; k++) {
      g_assert_cmpstr (told->pdata[k], ==, json_array_get_string_element (events, k));
      g_assert_cmpstr (understood->pdata[k], ==, told->pdata[k]);
    }
  }
}

static void
test_what_is_not_of_the_grammar_is_wrong (void)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonObject *root = load (parser, TEST_DATA "/grammar.json");
  JsonArray *reports = json_object_get_array_member (root, "wrong_reports");
  JsonArray *summaries = json_object_get_array_member (root, "wrong_summaries");
  YardFacts facts;

  g_assert_cmpuint (json_array_get_length (reports), ==, 20);
  g_assert_cmpuint (json_array_get_length (summaries), ==, 11);
  for (guint i = 0; i < json_array_get_length (reports); i++)
    if (grammar_parse_report (json_array_get_string_element (reports, i), &facts))
      g_error ("understood: %s", json_array_get_string_element (reports, i));
  for (guint i = 0; i < json_array_get_length (summaries); i++)
    if (grammar_parse_summary (json_array_get_string_element (summaries, i)))
      g_error ("understood: %s", json_array_get_string_element (summaries, i));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define RULE(name) g_test_add_func ("/yard/" #name, test_##name)
  RULE (frames_are_the_recipes);
  RULE (reports_and_answers_are_the_recipes);
  RULE (phrasings_are_the_recipes);
  RULE (summaries_are_the_recipes);
  RULE (what_is_not_of_the_grammar_is_wrong);
#undef RULE
  return g_test_run ();
}

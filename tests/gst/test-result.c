/* One result, three forms, the same fields; and the prompt that was asked. */
#include "gst/results/result.h"
#include "gst/worker/prompt.h"

#include <json-glib/json-glib.h>
#include <string.h>

static Result *
make_result (void)
{
  static const guint64 frames[] = { 600000000, 1800000000 };
  static const guint tiles[] = { 3, 2, 1, 1 };
  Result *r = result_new ();

  r->id = 7;
  r->stream = g_strdup ("door");
  r->text = g_strdup ("A \"dog\"\nbarks: wow \xc3\xa9\x01\x1f.");
  r->segment_start = 10 * GST_SECOND;
  r->segment_stop = 20 * GST_SECOND;
  r->running_time = 21 * GST_SECOND;
  g_array_append_vals (r->frames, frames, 2);
  g_array_append_vals (r->tiles, tiles, 4);
  r->prompt = g_strdup ("What?");
  r->model = g_strdup ("m");
  r->model_hash = g_strdup ("abc");
  r->precision = g_strdup ("f16");
  r->tokenizer = g_strdup ("slow");
  r->system_source = g_strdup ("checkpoint");
  r->device = g_strdup ("gpu");
  r->answered = TRUE;
  r->prompt_tokens = 300;
  r->output_tokens = 12;
  r->cached_tokens = 4;
  r->drafted = 9;
  r->accepted = 8;
  r->seed = G_MAXINT64;
  r->finish_reason = "stop";
  r->wait = 1;
  r->preprocess = 2;
  r->encode = 3;
  r->prefill = 4;
  r->decode = 5;
  r->total = 6;
  r->dropped_segments = 1;
  return r;
}

static void
test_json_line_is_exact (void)
{
  g_autoptr (Result) r = make_result ();
  g_autofree gchar *line = result_to_json (r);

  g_assert_cmpstr (line, ==,
      "{\"id\":7,\"kind\":\"segment\",\"final\":true,\"stream\":\"door\",\"text\":\"A \\\"dog\\\"\\nbarks: wow "
      "\xc3\xa9\\u0001\\u001f.\","
      "\"data\":null,\"prompt\":\"What?\",\"model\":\"m\",\"model_hash\":\"abc\",\"precision\":\"f16\",\"device\":\"gpu\","
      "\"tokenizer\":\"slow\","
      "\"system_source\":\"checkpoint\",\"question\":null,"
      "\"score\":null,\"active\":null,\"same_as\":null,\"segment_start\":10000000000,\"segment_stop\":20000000000,"
      "\"running_time\":21000000000,\"utc\":null,\"frames\":[600000000,1800000000],\"tiles\":[[3,2],[1,1]],\"prompt_tokens\":300,"
      "\"output_tokens\":12,\"cached_tokens\":4,\"drafted\":9,\"accepted\":8,\"seed\":9223372036854775807,\"finish_reason\":"
      "\"stop\","
      "\"timings\":{\"wait\":1,\"preprocess\":2,\"encode\":3,\"prefill\":4,\"decode\":5,\"total\":6},\"dropped_segments\":1}\n");
}

static void
test_what_does_not_apply_is_null_or_absent (void)
{
  g_autoptr (Result) r = result_new ();
  g_autoptr (GstStructure) s = NULL;
  g_autofree gchar *line = NULL;

  r->id = 1;
  r->stream = g_strdup ("m");
  r->text = g_strdup ("");
  r->prompt = g_strdup ("?");
  r->finish_reason = "dropped";
  s = result_to_structure (r, RESULT_MESSAGE_NAME);
  line = result_to_json (r);
  g_assert_cmpstr (line, ==,
      "{\"id\":1,\"kind\":\"segment\",\"final\":true,\"stream\":\"m\",\"text\":\"\",\"data\":null,\"prompt\":\"?\",\"model\":null,"
      "\"model_hash\":null,\"precision\":null,\"device\":null,\"tokenizer\":null,\"system_source\":null,\"question\":null,"
      "\"score\":null,\"active\":null,\"same_as\":null,"
      "\"segment_start\":0,\"segment_stop\":0,\"running_time\":null,\"utc\":null,\"frames\":[],\"tiles\":null,"
      "\"prompt_tokens\":null,\"output_tokens\":null,\"cached_tokens\":null,\"drafted\":null,\"accepted\":null,\"seed\":0,\"finish_"
      "reason\":\"dropped\","
      "\"timings\":{\"wait\":0,\"preprocess\":0,\"encode\":0,\"prefill\":0,\"decode\":0,\"total\":0},\"dropped_segments\":0}\n");
  g_assert_false (gst_structure_has_field (s, "model"));
  g_assert_false (gst_structure_has_field (s, "running_time"));
  g_assert_false (gst_structure_has_field (s, "utc"));
  g_assert_false (gst_structure_has_field (s, "tiles"));
  g_assert_false (gst_structure_has_field (s, "prompt_tokens"));
}

static Result *
make_alert (void)
{
  Result *r = make_result ();

  r->kind = RESULT_ALERT;
  r->question = g_strdup ("A dog?");
  r->score = 0.75;
  r->active = TRUE;
  return r;
}

static void
test_an_alert_says_what_rose_and_by_how_much (void)
{
  g_autoptr (Result) r = make_alert ();
  g_autoptr (GstStructure) s = result_to_structure (r, RESULT_MESSAGE_NAME), without_score = NULL;
  g_autofree gchar *line = result_to_json (r);

  g_assert_nonnull (strstr (line, "{\"id\":7,\"kind\":\"alert\","));
  g_assert_nonnull (strstr (line, "\"question\":\"A dog?\",\"score\":0.75,\"active\":true,\"same_as\":null,"));
  g_assert_true (gst_structure_has_field_typed (s, "kind", G_TYPE_STRING));
  g_assert_true (gst_structure_has_field_typed (s, "question", G_TYPE_STRING));
  g_assert_true (gst_structure_has_field_typed (s, "score", G_TYPE_DOUBLE));
  g_assert_true (gst_structure_has_field_typed (s, "active", G_TYPE_BOOLEAN));

  r->score = -1;
  without_score = result_to_structure (r, RESULT_MESSAGE_NAME);
  g_assert_false (gst_structure_has_field (without_score, "score"));
}

static void
test_an_unchanged_segment_names_the_one_it_resembles (void)
{
  g_autoptr (Result) r = make_result ();
  g_autoptr (GstStructure) s = NULL;
  g_autofree gchar *line = NULL;

  r->finish_reason = "unchanged";
  r->same_as = 3;
  s = result_to_structure (r, RESULT_MESSAGE_NAME);
  line = result_to_json (r);
  g_assert_true (gst_structure_has_field_typed (s, "same_as", G_TYPE_UINT64));
  g_assert_nonnull (strstr (line, "\"same_as\":3,"));
}

static void
test_structure_has_the_listed_types (void)
{
  g_autoptr (Result) r = make_result ();
  g_autoptr (GstStructure) s = result_to_structure (r, RESULT_MESSAGE_NAME);
  const GValue *frames = gst_structure_get_value (s, "frames"), *tiles = gst_structure_get_value (s, "tiles"), *pair;
  const GstStructure *timings;

  g_assert_true (gst_structure_has_name (s, "minivl"));
  g_assert_true (gst_structure_has_field_typed (s, "id", G_TYPE_UINT64));
  g_assert_true (gst_structure_has_field_typed (s, "final", G_TYPE_BOOLEAN));
  g_assert_true (gst_structure_has_field_typed (s, "text", G_TYPE_STRING));
  g_assert_true (gst_structure_has_field_typed (s, "segment_start", G_TYPE_UINT64));
  g_assert_true (gst_structure_has_field_typed (s, "running_time", G_TYPE_UINT64));
  g_assert_true (gst_structure_has_field_typed (s, "seed", G_TYPE_UINT64));
  g_assert_true (gst_structure_has_field_typed (s, "timings", GST_TYPE_STRUCTURE));

  g_assert_cmpuint (gst_value_array_get_size (frames), ==, 2);
  g_assert_cmpuint (g_value_get_uint64 (gst_value_array_get_value (frames, 1)), ==, 1800000000);
  pair = gst_value_array_get_value (tiles, 0);
  g_assert_cmpuint (gst_value_array_get_size (pair), ==, 2);
  g_assert_cmpuint (g_value_get_uint (gst_value_array_get_value (pair, 0)), ==, 3);
  timings = gst_value_get_structure (gst_structure_get_value (s, "timings"));
  g_assert_true (gst_structure_has_field_typed (timings, "prefill", G_TYPE_UINT64));
}

static void
test_meta_has_the_same_fields (void)
{
  g_autoptr (Result) r = make_result ();
  g_autoptr (GstBuffer) buffer = gst_buffer_new ();
  g_autoptr (GstBuffer) copy = NULL;
  g_autoptr (GstStructure) s = result_to_structure (r, RESULT_MESSAGE_NAME);
  GstCustomMeta *meta;
  GstStructure *fields;

  result_meta_register ();
  result_meta_register ();
  g_assert_true (result_meta_can_add (buffer));
  result_meta_add (r, buffer);
  g_assert_false (result_meta_can_add (buffer));

  copy = gst_buffer_copy (buffer);
  meta = gst_buffer_get_custom_meta (copy, "GstMinivlMeta");
  g_assert_nonnull (meta);
  fields = gst_custom_meta_get_structure (meta);
  g_assert_cmpint (gst_structure_n_fields (fields), ==, gst_structure_n_fields (s));
  for (gint i = 0; i < gst_structure_n_fields (s); i++) {
    const gchar *name = gst_structure_nth_field_name (s, i);
    const GValue *twin = gst_structure_get_value (fields, name);

    g_assert_nonnull (twin);
    g_assert_cmpint (gst_value_compare (gst_structure_get_value (s, name), twin), ==, GST_VALUE_EQUAL);
  }
}

static void
test_prompt_takes_the_facts (void)
{
  PromptFacts facts = { 3723004 * GST_MSECOND, 36000 * GST_SECOND, 12, "door" };
  g_autofree gchar *prompt = prompt_expand ("{n} of {stream}: {start}-{stop} {} {other} {n", &facts);

  g_assert_cmpstr (prompt, ==, "12 of door: 1:02:03.004-10:00:00.000 {} {other} {n");
}

static void
test_facts_are_not_expanded_again (void)
{
  PromptFacts facts = { 0, 0, 1, "{n}" };
  g_autofree gchar *prompt = prompt_expand ("{stream}", &facts);

  g_assert_cmpstr (prompt, ==, "{n}");
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/result/json_line_is_exact", test_json_line_is_exact);
  g_test_add_func ("/result/what_does_not_apply_is_null_or_absent", test_what_does_not_apply_is_null_or_absent);
  g_test_add_func ("/result/an_alert_says_what_rose_and_by_how_much", test_an_alert_says_what_rose_and_by_how_much);
  g_test_add_func ("/result/an_unchanged_segment_names_the_one_it_resembles", test_an_unchanged_segment_names_the_one_it_resembles);
  g_test_add_func ("/result/structure_has_the_listed_types", test_structure_has_the_listed_types);
  g_test_add_func ("/result/meta_has_the_same_fields", test_meta_has_the_same_fields);
  g_test_add_func ("/prompt/takes_the_facts", test_prompt_takes_the_facts);
  g_test_add_func ("/prompt/facts_are_not_expanded_again", test_facts_are_not_expanded_again);
  return g_test_run ();
}

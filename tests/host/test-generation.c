/* generation_config.json: what is read, what is assumed, what is refused. */
#include "../folder.h"
#include "model/generation.h"

#include <string.h>

static gboolean
load (Generation *g, const gchar *text, GError **error)
{
  gchar *folder = folder_new ();
  g_autofree gchar *path = g_build_filename (folder, "generation_config.json", NULL);
  gboolean ok;

  if (text)
    g_assert_true (g_file_set_contents (path, text, -1, NULL));
  ok = generation_load (g, folder, 100, error);
  folder_free (folder);
  return ok;
}

static void
test_no_file_is_nothing (void)
{
  g_auto (Generation) g = { NULL };

  g_assert_true (load (&g, NULL, NULL));
  g_assert_null (g.stop_ids);
}

static void
test_all_of_it_is_read (void)
{
  g_auto (Generation) g = { NULL };
  g_autoptr (GError) error = NULL;

  load (&g,
      "{\"eos_token_id\": [2, 99, 7], \"do_sample\": true, \"temperature\": 0.6, \"top_k\": 20, \"top_p\": 0.9, "
      "\"repetition_penalty\": 1.05, \"_from_model_config\": true, \"transformers_version\": \"4.37.2\"}",
      &error);
  g_assert_no_error (error);
  g_assert_cmpmem (g.stop_ids->data, g.stop_ids->len * 4, ((const gint32[]){ 2, 99, 7 }), 12);
  g_assert_cmpfloat (g.temperature, ==, 0.6);
  g_assert_cmpuint (g.top_k, ==, 20);
  g_assert_cmpfloat (g.top_p, ==, 0.9);
  g_assert_cmpfloat (g.repetition_penalty, ==, 1.05);
}

/* As transformers' GenerationConfig: greedy, and where it samples 50 tokens at temperature 1. */
static void
test_defaults_are_the_reference_s (void)
{
  g_auto (Generation) greedy = { NULL }, sampled = { NULL };

  g_assert_true (load (&greedy, "{\"eos_token_id\": 5, \"temperature\": 0.7, \"top_p\": null}", NULL));
  g_assert_cmpuint (greedy.stop_ids->len, ==, 1);
  g_assert_cmpint (g_array_index (greedy.stop_ids, gint32, 0), ==, 5);
  g_assert_cmpfloat (greedy.temperature, ==, 0);
  g_assert_true (load (&sampled, "{\"do_sample\": true}", NULL));
  g_assert_cmpuint (sampled.stop_ids->len, ==, 0);
  g_assert_cmpfloat (sampled.temperature, ==, 1);
  g_assert_cmpuint (sampled.top_k, ==, 50);
  g_assert_cmpfloat (sampled.top_p, ==, 1);
  g_assert_cmpfloat (sampled.repetition_penalty, ==, 1);
}

static void
test_what_cannot_be_is_named (void)
{
  static const gchar *const rows[][2] = {
    { "{", "generation_config.json: line 1" },
    { "{\"eos_token_id\": 100}", "eos_token_id is 100; it must be" },
    { "{\"eos_token_id\": [1, 100]}", "eos_token_id is [1,100]; it must be a token id, or a list of them" },
    { "{\"eos_token_id\": [\"a\"]}", "eos_token_id is [\"a\"]" },
    { "{\"do_sample\": 1}", "do_sample is 1; it must be true or false" },
    { "{\"top_p\": 0}", "top_p is 0; it must be" },
    { "{\"top_k\": -1}", "top_k is -1; it must be" },
    { "{\"temperature\": \"hot\"}", "temperature is \"hot\"" },
    { "{\"repetition_penalty\": 0}", "repetition_penalty is 0" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_auto (Generation) g = { NULL };
    g_autoptr (GError) error = NULL;

    g_assert_false (load (&g, rows[i][0], &error));
    g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE);
    if (!strstr (error->message, rows[i][1]))
      g_error ("\"%s\" lacks \"%s\"", error->message, rows[i][1]);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/generation/no-file-is-nothing", test_no_file_is_nothing);
  g_test_add_func ("/generation/all-of-it-is-read", test_all_of_it_is_read);
  g_test_add_func ("/generation/defaults-are-the-reference-s", test_defaults_are_the_reference_s);
  g_test_add_func ("/generation/what-cannot-be-is-named", test_what_cannot_be_is_named);
  return g_test_run ();
}

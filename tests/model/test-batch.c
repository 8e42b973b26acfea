/* minivl-chat --batch, from end to end, and how the engine is asked. */
#include "../folder.h"
#include "../program.h"
#include "batch.h"
#include "checkpoint.h"
#include "model/model_testing.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/file.h>

static gchar *folder, *model, *input, *output;

static void
put (const gchar *path, const gchar *text)
{
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static gchar *
get (const gchar *path)
{
  gchar *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  return text;
}

/* Batch `input` to `output` with short answers. */
static void
run (gint code, ProgramResult *r)
{
  const gchar *argv[] = { MINIVL_CHAT, "--model", model, "--precision", "f32", "--max-tokens", "6", "--batch", input, "--output",
    output, NULL };

  program_run (argv, r);
  if (r->code != code)
    g_test_message ("exit %d: %s", r->code, r->err);
  g_assert_cmpint (r->code, ==, code);
  g_assert_cmpstr (r->out, ==, "");
}

/* The objects of JSON Lines. */
static JsonArray *
lines_of (const gchar *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  JsonArray *array = json_array_new ();

  g_assert_true (*text == '\0' || g_str_has_suffix (text, "\n"));
  for (gchar **line = lines; *line && **line; line++) {
    g_autoptr (GError) error = NULL;
    JsonNode *node = json_from_string (*line, &error);

    g_assert_no_error (error);
    json_array_add_element (array, node);
  }
  return array;
}

/* The line whose member is this, as JSON. */
static JsonObject *
find (JsonArray *lines, const gchar *name, const gchar *value)
{
  for (guint i = 0; i < json_array_get_length (lines); i++) {
    JsonObject *o = json_array_get_object_element (lines, i);
    g_autofree gchar *text = json_object_has_member (o, name) ? json_to_string (json_object_get_member (o, name), FALSE) : NULL;

    if (g_strcmp0 (text, value) == 0)
      return o;
  }
  g_error ("no line has %s %s", name, value);
}

static gchar *
token_ids (JsonObject *round)
{
  return json_to_string (json_object_get_member (round, "token_ids"), FALSE);
}

/* What is answered in a batch is what is answered alone; ids come back as they are; joined and tiles are taken. */
static void
test_as_alone (void)
{
  static const struct
  {
    const gchar *id, *rest, *args[7];
  } rows[] = {
    { "\"a\"", "\"rounds\":[\"Hello\",\"And now?\"]", { "Hello", "And now?" } },
    { "7", "\"images\":[\"@/wide.ppm:1\"],\"rounds\":[\"What?\"]", { "--image", "@/wide.ppm:1", "What?" } },
    { "\"7\"", "\"video\":\"@/wide.ppm:2\",\"images\":null,\"rounds\":[\"What?\"]", { "--video", "@/wide.ppm:2", "What?" } },
    { "\"j\\\"\"", "\"joined\":true,\"images\":[\"@/wide.ppm\",\"@/wide.ppm\"],\"rounds\":[\"<image> what?\"]",
        { "--joined", "--image", "@/wide.ppm", "--image", "@/wide.ppm", "<image> what?" } },
  };
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (JsonArray) lines = NULL;
  g_autofree gchar *written = NULL;
  g_auto (ProgramResult) r = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    g_string_append_printf (text, "{\"id\":%s,%s}\n", rows[i].id, rows[i].rest);
  g_string_replace (text, "@", folder, 0);
  put (input, text->str);
  g_unlink (output);
  run (0, &r);
  written = get (output);
  lines = lines_of (written);
  g_assert_cmpuint (json_array_get_length (lines), ==, G_N_ELEMENTS (rows));

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    JsonObject *o = find (lines, "id", rows[i].id);
    JsonArray *rounds = json_object_get_array_member (o, "rounds");
    g_autoptr (GStrvBuilder) b = g_strv_builder_new ();
    g_auto (GStrv) argv = NULL;
    g_auto (ProgramResult) alone = { 0 };
    g_autoptr (JsonArray) answers = NULL;

    g_assert_false (json_object_has_member (o, "error"));
    g_strv_builder_add_many (b, MINIVL_CHAT, "--model", model, "--precision", "f32", "--max-tokens", "6", "--json", NULL);
    for (guint k = 0; k < 7 && rows[i].args[k]; k++) {
      g_auto (GStrv) parts = g_strsplit (rows[i].args[k], "@", -1);
      g_autofree gchar *arg = g_strjoinv (folder, parts);

      g_strv_builder_add (b, arg);
    }
    argv = g_strv_builder_end (b);
    program_run ((const gchar *const *)argv, &alone);
    answers = lines_of (alone.out);
    g_assert_cmpuint (json_array_get_length (rounds), ==, json_array_get_length (answers));
    for (guint k = 0; k < json_array_get_length (answers); k++) {
      JsonObject *in_batch = json_array_get_object_element (rounds, k), *by_itself = json_array_get_object_element (answers, k);
      g_autofree gchar *ids = token_ids (in_batch), *ids_alone = token_ids (by_itself);

      g_assert_cmpstr (ids, ==, ids_alone);
      g_assert_cmpuint (json_object_get_size (in_batch), ==, json_object_get_size (by_itself));
    }
  }
}

/* A bad line is an error for its id, or its number, and the others are answered. */
static void
test_bad_lines (void)
{
  static const struct
  {
    const gchar *text, *name, *value, *says;
  } rows[] = {
    { "{\"id\":\"none\",\"images\":[\"/none.png\"],\"rounds\":[\"What?\"]}", "id", "\"none\"", "/none.png" },
    { "nonsense", "line", "2", "not JSON" },
    { "", NULL },
    { "{\"id\":\"ok\",\"rounds\":[\"Hello\"]}", NULL },
    { "{\"id\":\"ok\",\"rounds\":[\"Hello again\"]}", "line", "5", "line 4 has it" },
    { "{\"rounds\":[\"Hello\"]}", "line", "6", "id:" },
    { "{\"id\":1.5,\"rounds\":[\"Hello\"]}", "line", "7", "id:" },
    { "{\"id\":\"key\",\"image\":\"x\",\"rounds\":[\"Hello\"]}", "id", "\"key\"", "image: no such key" },
    { "{\"id\":\"marks\",\"rounds\":[\"<image> what?\"]}", "id", "\"marks\"", "1 <image>" },
    { "{\"id\":\"empty\",\"rounds\":[]}", "id", "\"empty\"", "nothing to ask" },
    { "{\"id\":\"type\",\"rounds\":\"Hello\"}", "id", "\"type\"", "rounds: a list" },
    { "{\"id\":\"numbers\",\"rounds\":[1]}", "id", "\"numbers\"", "rounds: a list" },
    { "{\"id\":\"joined\",\"joined\":true,\"rounds\":[\"Hello\"]}", "id", "\"joined\"", "no images" },
    { "[1]", "line", "14", "no JSON object" },
    { "\xff", "line", "15", "UTF-8" },
    { "[[[[[[[[[[[[[[[[[[[[[[[[", "line", "16", "too deep" },
    { "{\"id\":\"half\",\"rounds\":[\"Hello\"", "line", "17", "not JSON" },
  };
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (JsonArray) lines = NULL;
  g_autofree gchar *written = NULL, *again = NULL;
  g_auto (ProgramResult) r = { 0 }, second = { 0 };
  guint n_wrong = 0;

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    g_string_append_printf (text, "%s%s", rows[i].text, i + 1 < G_N_ELEMENTS (rows) ? "\n" : "");
  put (input, text->str);
  g_unlink (output);
  run (2, &r);
  written = get (output);
  lines = lines_of (written);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    JsonObject *o;

    if (!rows[i].name)
      continue;
    n_wrong++;
    o = find (lines, rows[i].name, rows[i].value);
    g_assert_nonnull (strstr (json_object_get_string_member (o, "error"), rows[i].says));
  }
  g_assert_cmpuint (json_array_get_length (lines), ==, n_wrong + 1);
  g_assert_false (json_object_has_member (find (lines, "id", "\"ok\""), "error"));

  /* They are not tried again, and stay errors. */
  run (2, &second);
  again = get (output);
  g_assert_cmpstr (again, ==, written);
}

/* The rounds in front of one that does not fit are kept. */
static void
test_rounds_before_an_error (void)
{
  g_autofree gchar *longer = g_strnfill (200000, 'x'), *written = NULL;
  g_autofree gchar *text = g_strdup_printf ("{\"id\":\"b\",\"rounds\":[\"Hello\",\"%s\",\"Hello\"]}\n", longer);
  g_autoptr (JsonArray) lines = NULL;
  g_auto (ProgramResult) r = { 0 };
  JsonObject *o;

  put (input, text);
  g_unlink (output);
  run (2, &r);
  written = get (output);
  lines = lines_of (written);
  o = find (lines, "id", "\"b\"");
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (o, "rounds")), ==, 1);
  g_assert_nonnull (strstr (json_object_get_string_member (o, "error"), "context"));
}

static void
put_hellos (guint n)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < n; i++)
    g_string_append_printf (text, "{\"id\":%u,\"rounds\":[\"Hello %u\"]}\n", i, i);
  put (input, text->str);
  g_unlink (output);
}

/* Half a line at the end is dropped and its conversation asked again; the rest stays as it is. */
static void
test_goes_on (void)
{
  g_autofree gchar *written = NULL, *again = NULL;
  g_autoptr (JsonArray) before = NULL, after = NULL;
  g_auto (ProgramResult) r = { 0 }, second = { 0 };
  gsize whole;

  put_hellos (4);
  run (0, &r);
  written = get (output);
  before = lines_of (written);
  written[strlen (written) - 1] = '\0';
  whole = strrchr (written, '\n') + 1 - written;
  for (gsize length = whole + 1; length <= strlen (written); length = length < whole + 8 ? length + 1 : length * 2) {
    g_autofree gchar *half = g_strndup (written, length);
    g_auto (ProgramResult) next = { 0 };

    put (output, half);
    run (0, &next);
    g_assert_nonnull (strstr (next.err, "conversation 4 of 4"));
    g_assert_null (strstr (next.err, "conversation 3 of 4"));
    g_clear_pointer (&again, g_free);
    again = get (output);
    g_assert_cmpmem (again, whole, written, whole);
  }
  after = lines_of (again);
  g_assert_cmpuint (json_array_get_length (after), ==, 4);
  for (guint i = 0; i < 4; i++) {
    g_autofree gchar *id = g_strdup_printf ("%u", i);
    JsonObject *a = find (before, "id", id), *b = find (after, "id", id);
    g_autofree gchar *ids_a = token_ids (json_array_get_object_element (json_object_get_array_member (a, "rounds"), 0));
    g_autofree gchar *ids_b = token_ids (json_array_get_object_element (json_object_get_array_member (b, "rounds"), 0));

    g_assert_cmpstr (ids_a, ==, ids_b);
  }

  /* All is there: no model is loaded. */
  run (0, &second);
  g_assert_cmpstr (second.err, ==, "");
}

/* Files that no batch wrote are left as they are, and so are those of another checkpoint or program. */
static void
test_output_of_others (void)
{
  static const gchar *const texts[] = { "hello", "hello\n", "{\"id\":1}\n", "{\"id\":1,\"rounds\":[\"Hello\"]}\n",
    "{\"id\":1,\"rounds\":[{}]}\n", "{\"rounds\":[]}\n", "{\"id\":9,\"rounds\":[]}\n{\"ix", "{\"id\":9,\"rounds\":[]}\n\n" };
  g_autofree gchar *other = g_strdup ("{\"id\":9,\"rounds\":[{\"model_hash\":\"0\"}]}\n"), *left = NULL;
  g_auto (ProgramResult) r = { 0 }, locked = { 0 };
  gint fd;

  put_hellos (1);
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_auto (ProgramResult) refused = { 0 };
    g_autofree gchar *kept = NULL;

    put (output, texts[i]);
    run (2, &refused);
    kept = get (output);
    g_assert_cmpstr (kept, ==, texts[i]);
  }
  put (output, other);
  run (2, &r);
  g_assert_nonnull (strstr (r.err, "another checkpoint"));
  left = get (output);
  g_assert_cmpstr (left, ==, other);

  g_unlink (output);
  fd = g_open (output, O_RDWR | O_CREAT, 0666);
  g_assert_cmpint (flock (fd, LOCK_EX), ==, 0);
  run (2, &locked);
  g_assert_nonnull (strstr (locked.err, "another program"));
  g_close (fd, NULL);
}

/* What is answered until Ctrl-C stays, and the next run has the rest. */
static void
test_interrupted (void)
{
  const gchar *argv[] = { MINIVL_CHAT, "--model", model, "--precision", "f32", "--max-tokens", "40", "--batch", input, "--output",
    output, NULL };
  g_autofree gchar *written = NULL, *all = NULL;
  g_autoptr (JsonArray) some = NULL, lines = NULL;
  g_auto (ProgramResult) r = { 0 }, rest = { 0 };

  put_hellos (60);
  program_interrupt (argv, FALSE, "conversation 1 of 60\n", &r);
  g_assert_cmpint (r.code, ==, 130);
  written = get (output);
  some = lines_of (written);
  g_assert_cmpuint (json_array_get_length (some), >=, 1);
  g_assert_cmpuint (json_array_get_length (some), <, 60);
  run (0, &rest);
  all = get (output);
  g_assert_true (g_str_has_prefix (all, written));
  lines = lines_of (all);
  g_assert_cmpuint (json_array_get_length (lines), ==, 60);
  for (guint i = 0; i < 60; i++) {
    g_autofree gchar *id = g_strdup_printf ("%u", i);

    find (lines, "id", id);
  }
}

static void
test_trouble_is_told (void)
{
  const gchar *no_device[] = { MINIVL_CHAT, "--model", model, "--device", "nosuch", "--batch", input, "--output", output, NULL };
  const gchar *full[] = { MINIVL_CHAT, "--model", model, "--batch", input, "--output", "/dev/full", NULL };
  const gchar *to_stdout[] = { MINIVL_CHAT, "--model", model, "--max-tokens", "2", "--batch", input, NULL };
  g_auto (ProgramResult) r = { 0 }, no_room = { 0 }, printed = { 0 };
  g_autofree gchar *left = NULL;
  g_autoptr (JsonArray) lines = NULL;

  put_hellos (3);
  program_run (no_device, &r);
  g_assert_cmpint (r.code, ==, 1);
  left = get (output);
  g_assert_cmpstr (left, ==, "");
  program_run (full, &no_room);
  g_assert_cmpint (no_room.code, ==, 2);
  g_assert_nonnull (strstr (no_room.err, "/dev/full"));
  program_run (to_stdout, &printed);
  g_assert_cmpint (printed.code, ==, 0);
  lines = lines_of (printed.out);
  g_assert_cmpuint (json_array_get_length (lines), ==, 3);
}

/* --- together -------------------------------------------------------------------------------------------------------------- */

#define N 32

typedef struct
{
  Batch *batch;
  MinivlEngine *engine;
  GThread *thread;
} Run;

static gpointer
run_batch (gpointer data)
{
  Run *r = data;
  g_autoptr (GError) error = NULL;

  g_assert_true (batch_run (r->batch, r->engine, &error));
  g_assert_no_error (error);
  return NULL;
}

/* While the engine's thread is here, it serves nobody. */
static gboolean
wait_for_all (gpointer data, GError **error)
{
  Run *r = data;

  r->thread = g_thread_new ("batch", run_batch, r);
  while (scheduler_waiting (r->engine->scheduler) < N)
    g_thread_yield ();
  return TRUE;
}

static void
test_one_batch (void)
{
  gchar *args[] = { "minivl-chat", "--model", model, "--max-tokens", "12", "--batch", input, "--output", output, NULL };
  MinivlEngineOptions engine_options = { .model_path = model, .precision = MINIVL_PRECISION_F32 };
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonArray) lines = NULL;
  g_autofree gchar *written = NULL;
  Options options;
  Run r = { NULL };
  gint interrupted = FALSE;
  guint64 steps, tokens = 0;

  put_hellos (N);
  g_assert_true (options_parse (&options, G_N_ELEMENTS (args) - 1, args, &error));
  r.batch = batch_open (&options, &interrupted, NULL, &error);
  g_assert_no_error (error);
  r.engine = minivl_engine_open (&engine_options, &error);
  g_assert_no_error (error);
  steps = language_steps (r.engine->language);
  g_assert_true (scheduler_run (r.engine->scheduler, wait_for_all, &r, NULL));
  g_thread_join (r.thread);
  steps = language_steps (r.engine->language) - steps;
  written = get (output);
  lines = lines_of (written);
  for (guint i = 0; i < N; i++) {
    JsonArray *rounds = json_object_get_array_member (json_array_get_object_element (lines, i), "rounds");

    tokens += json_object_get_int_member (json_array_get_object_element (rounds, 0), "output_tokens");
  }
  g_test_message ("%u tokens in %u steps", (guint)tokens, (guint)steps);
  g_assert_cmpuint (8 * steps, <, tokens);
  batch_free (r.batch);
  minivl_engine_unref (r.engine);
  options_clear (&options);
}

int
main (int argc, char **argv)
{
  g_autofree gchar *picture = NULL;
  g_autoptr (GString) ppm = g_string_new ("P6 60 20 255\n");
  int code;

  g_test_init (&argc, &argv, NULL);
  folder = folder_new ();
  model = checkpoint_make (folder);
  input = g_build_filename (folder, "in.jsonl", NULL);
  output = g_build_filename (folder, "out.jsonl", NULL);
  picture = g_build_filename (folder, "wide.ppm", NULL);
  for (guint i = 0; i < 60 * 20 * 3; i++)
    g_string_append_c (ppm, (gchar)(i * 7 % 256));
  g_assert_true (g_file_set_contents (picture, ppm->str, ppm->len, NULL));

  g_test_add_func ("/batch/answers-are-those-of-each-alone", test_as_alone);
  g_test_add_func ("/batch/a-bad-line-is-an-error-line", test_bad_lines);
  g_test_add_func ("/batch/rounds-before-an-error-are-kept", test_rounds_before_an_error);
  g_test_add_func ("/batch/goes-on-where-it-ended", test_goes_on);
  g_test_add_func ("/batch/output-of-others-is-left-alone", test_output_of_others);
  g_test_add_func ("/batch/interrupted", test_interrupted);
  g_test_add_func ("/batch/trouble-is-told", test_trouble_is_told);
  g_test_add_func ("/batch/all-are-asked-together", test_one_batch);
  code = g_test_run ();
  checkpoint_remove (model);
  folder_free (folder);
  g_free (model);
  g_free (input);
  g_free (output);
  return code;
}

/* minivl-chat from end to end, on a small random checkpoint that the project's own tools make. */
#include "../clip.h"
#include "../folder.h"
#include "../program.h"
#include "checkpoint.h"

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <unistd.h>

#define WIDE "wide.ppm" /* 3 : 1 */
#define SMALL "small.ppm"

static gchar *folder, *model;

static gchar *
path_of (const gchar *name)
{
  return g_build_filename (folder, name, NULL);
}

/* minivl-chat with a checkpoint and further arguments; `@` in these is the folder. */
static gchar **
chat_argv (const gchar *checkpoint, const gchar *const *args)
{
  g_autoptr (GStrvBuilder) b = g_strv_builder_new ();

  g_strv_builder_add_many (b, MINIVL_CHAT, "--model", checkpoint, "--precision", "f32", NULL);
  for (; *args; args++) {
    g_auto (GStrv) parts = g_strsplit (*args, "@", -1);
    g_autofree gchar *arg = g_strjoinv (folder, parts);

    g_strv_builder_add (b, arg);
  }
  return g_strv_builder_end (b);
}

#define ARGS(...) ((const gchar *const[]){ __VA_ARGS__, NULL })

static void
run (gint code, const gchar *checkpoint, const gchar *const *args, ProgramResult *r)
{
  g_auto (GStrv) argv = chat_argv (checkpoint, args);

  program_run ((const gchar *const *)argv, r);
  if (r->code != code)
    g_test_message ("%s", r->err);
  g_assert_cmpint (r->code, ==, code);
}

/* Runs with --json; the rounds' objects. */
static JsonArray *
run_json (const gchar *const *args)
{
  g_auto (ProgramResult) r = { 0 };
  g_autoptr (GStrvBuilder) b = g_strv_builder_new ();
  g_auto (GStrv) all = NULL, lines = NULL;
  JsonArray *rounds = json_array_new ();

  g_strv_builder_add (b, "--json");
  g_strv_builder_addv (b, (const char **)args);
  all = g_strv_builder_end (b);
  run (0, model, (const gchar *const *)all, &r);
  lines = g_strsplit (r.out, "\n", -1);
  for (gchar **line = lines; *line && **line; line++) {
    g_autoptr (GError) error = NULL;
    JsonNode *node = json_from_string (*line, &error);

    g_assert_no_error (error);
    json_array_add_element (rounds, node);
  }
  return rounds;
}

static const gchar *
text_of (JsonArray *rounds, guint i)
{
  return json_object_get_string_member (json_array_get_object_element (rounds, i), "text");
}

static gint64
int_of (JsonArray *rounds, guint i, const gchar *name)
{
  return json_object_get_int_member (json_array_get_object_element (rounds, i), name);
}

/* As JSON text, to compare and to read. */
static gchar *
member_of (JsonArray *rounds, guint i, const gchar *name)
{
  return json_to_string (json_object_get_member (json_array_get_object_element (rounds, i), name), FALSE);
}

static void
assert_same (JsonArray *a, JsonArray *b, const gchar *name)
{
  g_autofree gchar *of_a = member_of (a, 0, name), *of_b = member_of (b, 0, name);

  g_assert_cmpstr (of_a, ==, of_b);
}

/* --- answers --------------------------------------------------------------------------------------------------------------- */

static void
test_text_is_the_json_text (void)
{
  g_autoptr (JsonArray) rounds = run_json (ARGS ("--max-tokens", "12", "Hello, who are you?", "Tell me a story."));
  g_autofree gchar *both = NULL;
  g_auto (ProgramResult) r = { 0 };

  run (0, model, ARGS ("--max-tokens", "12", "Hello, who are you?", "Tell me a story."), &r);
  g_assert_cmpuint (json_array_get_length (rounds), ==, 2);
  both = g_strdup_printf ("%s\n%s\n", text_of (rounds, 0), text_of (rounds, 1));
  g_assert_cmpstr (r.out, ==, both);
  g_assert_true (g_utf8_validate (r.out, -1, NULL));
}

static void
test_json_has_every_key (void)
{
  static const gchar *const keys[] = { "text", "finish_reason", "prompt_tokens", "output_tokens", "cached_tokens", "drafted",
    "accepted", "input_ids", "token_ids", "choice", "choice_probabilities", "tiles", "frames", "frame_times", "warnings", "seed",
    "precision", "cache_precision", "device", "model", "model_hash", "tokenizer", "system_source", "timings", "tokens_per_second",
    "device_bytes", "peak_rss_bytes" };
  static const gchar *const timings[] = { "load", "preprocess", "encode", "prefill", "decode", "total" };
  g_autoptr (JsonArray) rounds = run_json (ARGS ("--image", "@/" SMALL, "--max-tokens", "5", "--seed", "7", "Hello"));
  JsonObject *o = json_array_get_object_element (rounds, 0);
  JsonObject *times = json_object_get_object_member (o, "timings"), *rates = json_object_get_object_member (o, "tokens_per_second");
  gint64 sum = 0;

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    g_assert_true (json_object_has_member (o, keys[i]));
  g_assert_cmpuint (json_object_get_size (o), ==, G_N_ELEMENTS (keys));
  for (guint i = 0; i < G_N_ELEMENTS (timings); i++)
    g_assert_cmpint (json_object_get_int_member (times, timings[i]), >, 0);
  for (guint i = 0; i + 1 < G_N_ELEMENTS (timings); i++)
    sum += json_object_get_int_member (times, timings[i]);
  g_assert_cmpint (json_object_get_int_member (times, "total"), >=, sum);
  g_assert_cmpfloat (json_object_get_double_member (rates, "prefill"), >, 0);
  g_assert_cmpfloat (json_object_get_double_member (rates, "decode"), >, 0);
  g_assert_cmpstr (json_object_get_string_member (o, "precision"), ==, "f32");
  g_assert_cmpstr (json_object_get_string_member (o, "cache_precision"), ==, "f32");
  g_assert_cmpstr (json_object_get_string_member (o, "model"), ==, "model");
  g_assert_cmpuint (strlen (json_object_get_string_member (o, "model_hash")), ==, 64);
  g_assert_cmpint (int_of (rounds, 0, "seed"), ==, 7);
  g_assert_cmpint (int_of (rounds, 0, "device_bytes"), >, 0);
  g_assert_cmpint (int_of (rounds, 0, "peak_rss_bytes"), >, 1 << 20);
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (o, "input_ids")), ==, int_of (rounds, 0, "prompt_tokens"));
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (o, "token_ids")), ==, int_of (rounds, 0, "output_tokens"));
}

/* The model's files, and a conversation.py with another system message. */
static gchar *
folder_with_conversation (void)
{
  static const gchar text[] = "Conversation(name='phi3-chat', system_template='<|system|>\\n{system_message}',\n"
                              "# system_message='none',\nsystem_message='Be kind.', roles=('<|user|>\\n', '<|assistant|>\\n'),\n"
                              "sep_style=SeparatorStyle.MPT, sep='<|end|>')\n";
  g_autoptr (GError) error = NULL;
  gchar *copy = folder_new ();
  g_autofree gchar *path = g_build_filename (copy, "conversation.py", NULL);
  g_autoptr (GDir) dir = g_dir_open (model, 0, NULL);

  for (const gchar *name; (name = g_dir_read_name (dir));) {
    g_autofree gchar *from = g_build_filename (model, name, NULL), *to = g_build_filename (copy, name, NULL);

    g_assert_cmpint (symlink (from, to), ==, 0);
  }
  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
  return copy;
}

/* Whose words stand in front, and which tokenizer reads them. */
static void
test_system_message_and_tokenizer_are_the_folders (void)
{
  static const struct
  {
    gboolean conversation;
    const gchar *args[4], *source, *tokenizer;
  } rows[] = {
    { FALSE, { NULL }, "v1.5", "fast" },
    { FALSE, { "--tokenizer", "slow" }, "v1.5", "slow" },
    { FALSE, { "--system", "Be kind." }, "given", "fast" },
    { TRUE, { NULL }, "checkpoint", "slow" },
    { TRUE, { "--tokenizer", "fast" }, "checkpoint", "fast" },
    { TRUE, { "--system", "Be kind.", "--tokenizer", "auto" }, "given", "slow" },
  };
  gchar *copy = folder_with_conversation ();
  gchar *ids[G_N_ELEMENTS (rows)];

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GStrvBuilder) b = g_strv_builder_new ();
    g_auto (GStrv) args = NULL;
    g_auto (ProgramResult) r = { 0 };
    g_autoptr (JsonParser) parser = json_parser_new ();
    JsonObject *o;

    g_strv_builder_add_many (b, "--json", "--max-tokens", "1", "Hello", NULL);
    for (guint k = 0; k < 4 && rows[i].args[k]; k++)
      g_strv_builder_add (b, rows[i].args[k]);
    args = g_strv_builder_end (b);
    run (0, rows[i].conversation ? copy : model, (const gchar *const *)args, &r);
    g_assert_true (json_parser_load_from_data (parser, r.out, -1, NULL));
    o = json_node_get_object (json_parser_get_root (parser));
    g_assert_cmpstr (json_object_get_string_member (o, "system_source"), ==, rows[i].source);
    g_assert_cmpstr (json_object_get_string_member (o, "tokenizer"), ==, rows[i].tokenizer);
    ids[i] = json_to_string (json_object_get_member (o, "input_ids"), FALSE);
  }
  g_assert_cmpstr (ids[0], !=, ids[1]); /* the tokenizers differ */
  g_assert_cmpstr (ids[0], !=, ids[4]); /* the messages differ */
  g_assert_cmpstr (ids[2], ==, ids[4]); /* the folder's is what is given here */
  g_assert_cmpstr (ids[3], ==, ids[5]);
  {
    g_auto (ProgramResult) r = { 0 };

    run (0, copy, ARGS ("--max-tokens", "1", "Hello"), &r);
    g_assert_nonnull (strstr (r.err, "system message: checkpoint; tokenizer: slow"));
  }
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    g_free (ids[i]);
  folder_free (copy);
}

static void
ask_folder (const gchar *checkpoint, const gchar *const *args, JsonParser *parser)
{
  g_auto (ProgramResult) r = { 0 };

  run (0, checkpoint, args, &r);
  g_assert_true (json_parser_load_from_data (parser, r.out, -1, NULL));
}

static void
put_generation (const gchar *checkpoint, const gchar *format, gint64 id)
{
  g_autofree gchar *path = g_build_filename (checkpoint, "generation_config.json", NULL);
  g_autofree gchar *number = g_strdup_printf ("%" G_GINT64_FORMAT, id);
  g_auto (GStrv) parts = g_strsplit (format, "@", -1);
  g_autofree gchar *text = g_strjoinv (number, parts);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

/* generation_config.json ends answers by itself, and samples where that is asked for. */
static void
test_generation_config_is_taken (void)
{
  gchar *copy = folder_with_conversation ();
  g_autoptr (JsonParser) whole = json_parser_new (), cut = json_parser_new (), own = json_parser_new (), given = json_parser_new ();
  g_auto (ProgramResult) r = { 0 };
  JsonArray *ids, *shorter;
  guint end = 1;
  gint64 id;

  run (2, copy, ARGS ("--checkpoint-sampling", "--max-tokens", "1", "Hello"), &r);
  g_assert_nonnull (strstr (r.err, "there is no generation_config.json"));

  ask_folder (copy, ARGS ("--json", "--max-tokens", "8", "Hello"), whole);
  ids = json_object_get_array_member (json_node_get_object (json_parser_get_root (whole)), "token_ids");
  id = json_array_get_int_element (ids, end);
  while (json_array_get_int_element (ids, end - 1) == id)
    id = json_array_get_int_element (ids, ++end);
  for (guint i = 0; i < end; i++)
    g_assert_cmpint (json_array_get_int_element (ids, i), !=, id);
  put_generation (copy, "{\"eos_token_id\": [0, @], \"do_sample\": true, \"top_k\": 1, \"repetition_penalty\": 7.5}", id);
  ask_folder (copy, ARGS ("--json", "--max-tokens", "8", "Hello"), cut);
  shorter = json_object_get_array_member (json_node_get_object (json_parser_get_root (cut)), "token_ids");
  g_assert_cmpuint (json_array_get_length (shorter), ==, end);
  g_assert_cmpstr (json_object_get_string_member (json_node_get_object (json_parser_get_root (cut)), "finish_reason"), ==, "stop");

  ask_folder (copy, ARGS ("--json", "--max-tokens", "8", "--checkpoint-sampling", "Hello"), own);
  ask_folder (copy,
      ARGS ("--json", "--max-tokens", "8", "--temperature", "1", "--top-k", "1", "--top-p", "1", "--repetition-penalty", "7.5",
          "Hello"),
      given);
  {
    g_autofree gchar *a =
        json_to_string (json_object_get_member (json_node_get_object (json_parser_get_root (own)), "token_ids"), FALSE);
    g_autofree gchar *b =
        json_to_string (json_object_get_member (json_node_get_object (json_parser_get_root (given)), "token_ids"), FALSE);

    g_assert_cmpstr (a, ==, b);
  }
  folder_free (copy);
}

static void
test_max_tokens_is_the_length (void)
{
  g_autoptr (JsonArray) rounds = run_json (ARGS ("--max-tokens", "3", "Hello"));

  g_assert_cmpint (int_of (rounds, 0, "output_tokens"), ==, 3);
  g_assert_cmpstr (json_object_get_string_member (json_array_get_object_element (rounds, 0), "finish_reason"), ==, "length");
}

static void
test_further_round_reuses_the_first (void)
{
  g_autoptr (JsonArray) rounds = run_json (ARGS ("--image", "@/" WIDE, "--max-tokens", "4", "What is it?", "And now?"));
  g_autofree gchar *tiles = member_of (rounds, 1, "tiles");

  g_assert_cmpint (int_of (rounds, 0, "cached_tokens"), ==, 0);
  g_assert_cmpint (int_of (rounds, 1, "prompt_tokens"), >, int_of (rounds, 0, "prompt_tokens"));
  /* All of the first prompt, but for what the answer's text may have changed at its end. */
  g_assert_cmpint (int_of (rounds, 1, "cached_tokens"), >=, int_of (rounds, 0, "prompt_tokens") - 1);
  g_assert_cmpstr (tiles, ==, "[[3,1]]");
}

static void
test_empty_system_leaves_the_part_out (void)
{
  g_autoptr (JsonArray) own = run_json (ARGS ("--max-tokens", "1", "Hello"));
  g_autoptr (JsonArray) none = run_json (ARGS ("--max-tokens", "1", "--system", "", "Hello"));
  g_autoptr (JsonArray) other = run_json (ARGS ("--max-tokens", "1", "--system", "\xe4\xbd\xa0\xe5\xa5\xbd", "Hello"));

  g_assert_cmpint (int_of (none, 0, "prompt_tokens"), <, int_of (own, 0, "prompt_tokens"));
  g_assert_cmpint (int_of (none, 0, "prompt_tokens"), <, int_of (other, 0, "prompt_tokens"));
}

static void
test_same_seed_same_text (void)
{
  const gchar *const *with_3 =
      ARGS ("--max-tokens", "12", "--temperature", "1.5", "--top-p", "1", "--top-k", "0", "--seed", "3", "Hi");
  g_autoptr (JsonArray) a = run_json (with_3);
  g_autoptr (JsonArray) b = run_json (with_3);
  g_autoptr (JsonArray) c =
      run_json (ARGS ("--max-tokens", "12", "--temperature", "1.5", "--top-p", "1", "--top-k", "0", "--seed", "4", "Hi"));
  g_autofree gchar *ids_3 = member_of (a, 0, "token_ids"), *ids_4 = member_of (c, 0, "token_ids");

  assert_same (a, b, "token_ids");
  g_assert_cmpstr (ids_3, !=, ids_4);
}

static void
test_stop_text_is_not_shown (void)
{
  g_autoptr (JsonArray) whole = run_json (ARGS ("--max-tokens", "12", "Hello"));
  g_autofree gchar *tail = g_utf8_substring (text_of (whole, 0), 4, 8);
  g_autoptr (JsonArray) cut = run_json (ARGS ("--max-tokens", "12", "--stop", tail, "Hello"));
  const gchar *at = strstr (text_of (whole, 0), tail);
  g_autofree gchar *before = g_strstrip (g_strndup (text_of (whole, 0), at - text_of (whole, 0)));

  g_assert_cmpstr (text_of (cut, 0), ==, before);
  g_assert_cmpstr (json_object_get_string_member (json_array_get_object_element (cut, 0), "finish_reason"), ==, "stop");
}

/* --- pictures -------------------------------------------------------------------------------------------------------------- */

static void
test_marks_go_in_front (void)
{
  const struct
  {
    const gchar *const *implied, *const *written;
  } pairs[] = {
    { ARGS ("--image", "@/" SMALL, "--max-tokens", "2", "What?"),
        ARGS ("--image", "@/" SMALL, "--max-tokens", "2", "<image>\nWhat?") },
    { ARGS ("--image", "@/" SMALL, "--image", "@/" WIDE ":3", "--max-tokens", "2", "What?"),
        ARGS ("--image", "@/" SMALL, "--image", "@/" WIDE ":3", "--max-tokens", "2", "Image-1: <image>\nImage-2: <image>\nWhat?") },
    { ARGS ("--joined", "--image", "@/" SMALL, "--image", "@/" WIDE, "--max-tokens", "2", "What?"),
        ARGS ("--joined", "--image", "@/" SMALL, "--image", "@/" WIDE, "--max-tokens", "2", "<image>\nWhat?") },
    { ARGS ("--video", "@/" SMALL ":2", "--max-tokens", "2", "What?"),
        ARGS ("--video", "@/" SMALL ":2", "--max-tokens", "2", "Frame1: <image>\nFrame2: <image>\nWhat?") },
  };

  for (guint i = 0; i < G_N_ELEMENTS (pairs); i++) {
    g_autoptr (JsonArray) implied = run_json (pairs[i].implied);
    g_autoptr (JsonArray) written = run_json (pairs[i].written);

    assert_same (implied, written, "input_ids");
    assert_same (implied, written, "token_ids");
    assert_same (implied, written, "tiles");
  }
}

static void
test_tiles_follow_the_limit (void)
{
  g_autoptr (JsonArray) one = run_json (ARGS ("--image", "@/" WIDE ":1", "--max-tokens", "1", "What?"));
  g_autoptr (JsonArray) six = run_json (ARGS ("--image", "@/" WIDE, "--max-tokens", "1", "What?"));
  g_autofree gchar *of_one = member_of (one, 0, "tiles"), *of_six = member_of (six, 0, "tiles");

  g_assert_cmpstr (of_one, ==, "[[1,1]]");
  g_assert_cmpstr (of_six, ==, "[[3,1]]");
  /* Three tiles and the thumbnail instead of one; a tile of the test model has 16 tokens. */
  g_assert_cmpint (int_of (six, 0, "prompt_tokens") - int_of (one, 0, "prompt_tokens"), ==, 3 * 16);
}

/* Ten frames a second for two seconds, then one. */
static gint64
slows_down (guint i)
{
  return i < 20 ? i : 20 + 10 * (i - 20);
}

static void
test_frames_have_times (void)
{
  static const Clip clip = { "slow.mp4", "mpeg4", 40, 10, 1, slows_down };
  g_autoptr (JsonArray) rounds = NULL;
  g_autofree gchar *frames = NULL, *times = NULL, *warnings = NULL;

  clip_write (folder, &clip);
  rounds = run_json (ARGS ("--video", "@/slow.mp4:4:5-10", "--max-tokens", "1", "What?"));
  frames = member_of (rounds, 0, "frames");
  times = member_of (rounds, 0, "frame_times");
  warnings = member_of (rounds, 0, "warnings");
  g_assert_cmpstr (frames, ==, "[23,24,26,27]");
  g_assert_cmpstr (times, ==, "[5000000000,6000000000,8000000000,9000000000]");
  g_assert_cmpstr (warnings, ==, "[]");
}

static void
test_a_damaged_video_shows_what_is_left (void)
{
  static const Clip clip = { "cut.mov", "mjpeg", 40, 10, 1, .options = "movflags=faststart" };
  g_autofree gchar *path = path_of (clip.name), *bytes = NULL, *frames = NULL, *marked_frames = NULL, *warnings = NULL;
  g_autoptr (JsonArray) rounds = NULL, marked = NULL;
  g_auto (ProgramResult) r = { 0 }, whole = { 0 }, none = { 0 };
  gsize n;

  clip_write (folder, &clip);
  g_assert_true (g_file_get_contents (path, &bytes, &n, NULL));
  g_assert_true (g_file_set_contents (path, bytes, n * 11 / 20, NULL));
  rounds = run_json (ARGS ("--video", "@/cut.mov:4", "--max-tokens", "1", "What?"));
  frames = member_of (rounds, 0, "frames");
  warnings = member_of (rounds, 0, "warnings");
  g_assert_cmpstr (frames, ==, "[4,14]");
  g_assert_nonnull (strstr (warnings, "ends early"));
  /* Where each frame has a mark, each mark has a frame. */
  marked = run_json (ARGS ("--video", "@/cut.mov:4", "--max-tokens", "1", "<image><image><image><image>What?"));
  marked_frames = member_of (marked, 0, "frames");
  g_assert_cmpstr (marked_frames, ==, "[4,14,14,14]");

  run (0, model, ARGS ("--video", "@/cut.mov:4", "--max-tokens", "1", "What?"), &r);
  g_assert_nonnull (strstr (r.err, "warning: "));
  g_assert_nonnull (strstr (r.err, "are lost"));
  run (0, model, ARGS ("--video", "@/cut.mov:4:0-1", "--max-tokens", "1", "What?"), &whole);
  g_assert_null (strstr (whole.err, "warning: "));
  run (2, model, ARGS ("--video", "@/cut.mov:4:3-4", "--max-tokens", "1", "What?"), &none);
  g_assert_nonnull (strstr (none.err, "nothing to be shown"));
}

static void
test_frames_are_indices (void)
{
  g_autoptr (JsonArray) rounds = run_json (ARGS ("--video", "@/" SMALL ":2", "--max-tokens", "1", "What?"));
  g_autofree gchar *frames = member_of (rounds, 0, "frames"), *tiles = member_of (rounds, 0, "tiles");

  g_assert_cmpstr (frames, ==, "[0,0]");
  g_assert_cmpstr (tiles, ==, "[[1,1],[1,1]]");
}

static void
test_mark_in_a_later_round (void)
{
  g_autoptr (JsonArray) rounds = run_json (ARGS ("--image", "@/" SMALL, "--max-tokens", "2", "Hello", "<image>\nWhat is this?"));
  g_autofree gchar *before = member_of (rounds, 0, "tiles"), *after = member_of (rounds, 1, "tiles");

  g_assert_cmpstr (before, ==, "[]");
  g_assert_cmpstr (after, ==, "[[1,1]]");
}

/* --- files ----------------------------------------------------------------------------------------------------------------- */

static gsize
read_bytes (const gchar *name, gchar **bytes)
{
  g_autofree gchar *path = path_of (name);
  g_autoptr (GError) error = NULL;
  gsize size;

  g_file_get_contents (path, bytes, &size, &error);
  g_assert_no_error (error);
  return size;
}

static guint
count_files (const gchar *name)
{
  g_autofree gchar *path = path_of (name);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  guint n = 0;

  g_assert_nonnull (dir);
  while (g_dir_read_name (dir))
    n++;
  return n;
}

/* A tile of the tile's own size is itself. */
static void
test_dumped_tiles_are_what_is_seen (void)
{
  g_autoptr (JsonArray) rounds = run_json (
      ARGS ("--image", "@/" WIDE, "--image", "@/" SMALL ":1", "--max-tokens", "1", "--dump-tiles", "@/new/tiles", "What?"));
  g_autoptr (JsonArray) again = run_json (ARGS ("--image", "@/new/tiles/picture-001-tile-02.png:1", "--video", "@/" SMALL ":2",
      "--max-tokens", "1", "--dump-tiles", "@/again", "What?"));
  g_autofree gchar *grids = member_of (rounds, 0, "tiles"), *first = NULL, *other = NULL, *second = NULL, *frame = NULL,
                   *still = NULL;
  gsize size, size_first;

  g_assert_cmpstr (grids, ==, "[[3,1],[1,1]]");
  g_assert_nonnull (again);
  g_assert_cmpuint (count_files ("new/tiles"), ==, 3 + 1 + 1);
  size_first = read_bytes ("new/tiles/picture-001-tile-02.png", &first);
  size = read_bytes ("new/tiles/picture-001-tile-04.png", &other);
  g_assert_false (size == size_first && memcmp (first, other, size) == 0);
  size = read_bytes ("again/picture-001-tile-01.png", &second);
  g_assert_cmpmem (first, size_first, second, size);

  /* Both frames are the one of a video of one frame. */
  g_assert_cmpuint (count_files ("again"), ==, 2);
  size_first = read_bytes ("new/tiles/picture-002-tile-01.png", &still);
  size = read_bytes ("again/frame-000000-tile-01.png", &frame);
  g_assert_cmpmem (frame, size, still, size_first);
}

static void
test_logits_are_a_safetensors_file (void)
{
  g_autoptr (JsonArray) rounds = run_json (ARGS ("--logits", "@/x.safetensors", "--max-tokens", "1", "Hello", "And?"));
  g_autofree gchar *path = path_of ("x.safetensors"), *bytes = NULL, *header = NULL, *wanted = NULL;
  gsize n, best = 0, count;
  guint64 size;
  const float *values;

  g_assert_true (g_file_get_contents (path, &bytes, &n, NULL));
  memcpy (&size, bytes, 8);
  size = GUINT64_FROM_LE (size);
  g_assert_cmpuint (size % 8, ==, 0);
  header = g_strchomp (g_strndup (bytes + 8, size));
  count = (n - 8 - size) / 4;
  wanted =
      g_strdup_printf ("{\"logits\":{\"dtype\":\"F32\",\"shape\":[%" G_GSIZE_FORMAT "],\"data_offsets\":[0,%" G_GSIZE_FORMAT "]}}",
          count, count * 4);
  g_assert_cmpstr (header, ==, wanted);
  g_assert_cmpuint (count, >, 100);
  values = (const float *)(bytes + 8 + size);
  for (gsize i = 0; i < count; i++)
    if (values[i] > values[best])
      best = i;
  g_assert_cmpint (best, ==,
      json_array_get_int_element (json_object_get_array_member (json_array_get_object_element (rounds, 0), "token_ids"), 0));
}

/* --- refusals -------------------------------------------------------------------------------------------------------------- */

typedef struct
{
  const gchar *name;
  gint code;
  const gchar *checkpoint; /* NULL: the good one */
  const gchar *args[8];
  const gchar *says;
} Refusal;

static const Refusal refusals[] = {
  { "no-such-folder", 2, "none", { "Hello" }, "none" },
  { "template-not-known", 1, "strange", { "Hello" }, "no-such-template" },
  { "no-such-device", 1, NULL, { "--device", "no-such-device", "Hello" }, "no-such-device" },
  { "prompt-beyond-the-context", 2, NULL, { "--context-size", "24", "--max-tokens", "8", "Hello, who are you and what do you do?" },
      " too many for a context of 24: a shorter prompt or conversation" },
  { "answer-beyond-the-context", 2, NULL, { "--context-size", "64", "--max-tokens", "67", "Hello" },
      ": an answer of 67 tokens is 3 too" },
  { "pictures-beyond-the-context", 2, NULL, { "--context-size", "64", "--max-tokens", "8", "--image", "@/" WIDE, "Hello" },
      "pictures of 64 tokens and an answer of 8 are 8 too many for the context of 64: use fewer" },
};

static void
test_refused (gconstpointer data)
{
  const Refusal *c = data;
  g_autofree gchar *checkpoint = c->checkpoint ? path_of (c->checkpoint) : g_strdup (model);
  g_auto (ProgramResult) r = { 0 };

  run (c->code, checkpoint, c->args, &r);
  g_assert_cmpstr (r.out, ==, "");
  g_assert_nonnull (strstr (r.err, c->says));
}

static void
test_list_devices (void)
{
  const gchar *argv[] = { MINIVL_CHAT, "--list-devices", NULL };
  g_auto (ProgramResult) r = { 0 };

  program_run (argv, &r);
  g_assert_cmpint (r.code, ==, 0);
  g_assert_true (g_regex_match_simple (
      "^\\* \\d+: .+ \\| (discrete|integrated|virtual|cpu|other) \\| [0-9.]+ GiB \\| .+ \\| [0-9a-f-]{32,36}\n"
      "     kernels: (texel|storage) buffers, octets in workgroups of \\d+",
      r.out, G_REGEX_MULTILINE, 0));
}

/* --- Ctrl-C ---------------------------------------------------------------------------------------------------------------- */

static void
test_interrupt_ends_the_answer (void)
{
  g_auto (GStrv) argv = chat_argv (model, ARGS ("--max-tokens", "6000", "Hello", "And?"));
  g_auto (ProgramResult) r = { 0 };

  program_interrupt ((const gchar *const *)argv, TRUE, "", &r);
  g_assert_cmpint (r.code, ==, 130);
  /* What there was of the first answer, and no second one. */
  g_assert_cmpuint (strlen (r.out), >, 1);
  g_assert_true (g_str_has_suffix (r.out, "\n"));
  g_assert_cmpuint (strlen (r.out), <, 6000);
}

static void
test_interrupted_json_is_cancelled (void)
{
  g_auto (GStrv) argv = chat_argv (model, ARGS ("--json", "--max-tokens", "6000", "--image", "@/" WIDE, "Hello"));
  g_auto (ProgramResult) r = { 0 };

  program_interrupt ((const gchar *const *)argv, FALSE, "encoding picture 1 of 1\n", &r);
  g_assert_cmpint (r.code, ==, 130);
  /* The picture may have been done already; then the answer was not. */
  if (r.out[0] != '\0')
    g_assert_nonnull (strstr (r.out, "\"finish_reason\":\"cancelled\""));
}

static void
test_interrupt_ends_loading (void)
{
  g_auto (GStrv) argv = chat_argv (model, ARGS ("Hello"));
  g_auto (ProgramResult) r = { 0 };

  program_interrupt ((const gchar *const *)argv, FALSE, "loading ", &r);
  g_assert_cmpint (r.code, ==, 130);
  g_assert_cmpstr (r.out, ==, "");
}

/* --- set-up ---------------------------------------------------------------------------------------------------------------- */

static void
make_picture (const gchar *name, guint width, guint height)
{
  g_autofree gchar *path = path_of (name);
  g_autoptr (GString) text = g_string_new (NULL);

  g_string_printf (text, "P6 %u %u 255\n", width, height);
  for (guint i = 0; i < width * height * 3; i++)
    g_string_append_c (text, (gchar)(i * 7 + i / width));
  g_assert_true (g_file_set_contents (path, text->str, text->len, NULL));
}

int
main (int argc, char **argv)
{
  G_GNUC_UNUSED g_autofree gchar *strange = NULL;
  int code;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("minivl-chat-XXXXXX", NULL);
  g_assert_nonnull (folder);
  model = checkpoint_make (folder);
  strange = checkpoint_variant (model, "strange", NULL, "phi3-chat", "no-such-template");
  make_picture (WIDE, 150, 50);
  make_picture (SMALL, 40, 40);

  g_test_add_func ("/chat/text-is-the-json-text", test_text_is_the_json_text);
  g_test_add_func ("/chat/json-has-every-key", test_json_has_every_key);
  g_test_add_func ("/chat/generation-config-is-taken", test_generation_config_is_taken);
  g_test_add_func ("/chat/system-message-and-tokenizer-are-the-folders", test_system_message_and_tokenizer_are_the_folders);
  g_test_add_func ("/chat/max-tokens-is-the-length", test_max_tokens_is_the_length);
  g_test_add_func ("/chat/further-round-reuses-the-first", test_further_round_reuses_the_first);
  g_test_add_func ("/chat/empty-system-leaves-the-part-out", test_empty_system_leaves_the_part_out);
  g_test_add_func ("/chat/same-seed-same-text", test_same_seed_same_text);
  g_test_add_func ("/chat/stop-text-is-not-shown", test_stop_text_is_not_shown);
  g_test_add_func ("/chat/marks-go-in-front", test_marks_go_in_front);
  g_test_add_func ("/chat/tiles-follow-the-limit", test_tiles_follow_the_limit);
  g_test_add_func ("/chat/frames-are-indices", test_frames_are_indices);
  g_test_add_func ("/chat/frames-have-times", test_frames_have_times);
  g_test_add_func ("/chat/a-damaged-video-shows-what-is-left", test_a_damaged_video_shows_what_is_left);
  g_test_add_func ("/chat/mark-in-a-later-round", test_mark_in_a_later_round);
  g_test_add_func ("/chat/logits-are-a-safetensors-file", test_logits_are_a_safetensors_file);
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++) {
    g_autofree gchar *name = g_strconcat ("/chat/refused/", refusals[i].name, NULL);

    g_test_add_data_func (name, &refusals[i], test_refused);
  }
  g_test_add_func ("/chat/dumped-tiles-are-what-is-seen", test_dumped_tiles_are_what_is_seen);
  g_test_add_func ("/chat/list-devices", test_list_devices);
  g_test_add_func ("/chat/interrupt-ends-the-answer", test_interrupt_ends_the_answer);
  g_test_add_func ("/chat/interrupted-json-is-cancelled", test_interrupted_json_is_cancelled);
  g_test_add_func ("/chat/interrupt-ends-loading", test_interrupt_ends_loading);
  code = g_test_run ();
  checkpoint_remove (folder);
  g_free (model);
  g_free (folder);
  return code;
}

/* seeds TARGET FOLDER: writes what the target starts from into FOLDER/TARGET. */
#include "model/safetensors.h"
#include "parts.h"
#include "trained.h"

#include <glib/gstdio.h>
#include <string.h>

#define MARK "\xe2\x96\x81"

static const gchar *target, *folder;
static guint n_written;

static void
write_seed (const gchar *data, gsize size)
{
  g_autofree gchar *path = g_strdup_printf ("%s/%s/seed-%u", folder, target, n_written++);

  g_assert (g_file_set_contents (path, data, size, NULL));
}

static gchar *
read_file (const gchar *path, gsize *size)
{
  g_autoptr (GError) error = NULL;
  gchar *contents;

  g_file_get_contents (path, &contents, size, &error);
  g_assert_no_error (error);
  return contents;
}

/* --- config.json ----------------------------------------------------------------------------------------------------------- */

static const gchar *const configs[] = { "public-config.json", "demo-config.json", "small/config.json",
  "variants/plain-gqa-tied/config.json", "variants/yarn-v1-rms/config.json", "variants/long-crossing/config.json",
  "variants/resized-positions/config.json" };

static void
make_configs (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (configs); i++) {
    g_autofree gchar *path = g_build_filename (TEST_DATA, configs[i], NULL);
    gsize size;
    g_autofree gchar *text = read_file (path, &size);

    write_seed (text, size);
  }
}

/* --- safetensors ----------------------------------------------------------------------------------------------------------- */

/* A file of the set's tensors first .. first + n - 1. */
static gchar *
tensors_file (guint first, guint n, gsize *size)
{
  static const guint64 shapes[][TENSOR_MAX_DIMS] = { { 4, 8 }, { 3 }, { 2, 3, 1, 2 }, { 0, 5 }, { 0 } };
  static const guint dims[] = { 2, 1, 4, 2, 0 };
  static const gchar *const names[] = { "a.weight", "a.bias", "patch", "empty", "scalar" };
  g_autoptr (TensorSet) set = tensor_set_new ();
  g_autofree gchar *path = g_build_filename (folder, "tensors", NULL);

  for (guint i = first; i < first + n; i++)
    tensor_set_add (set, names[i], i % 3, dims[i], shapes[i], g_malloc0 (256));
  g_assert (tensor_set_write (set, path, NULL));
  return read_file (path, size);
}

static void
write_safetensors (const gchar *index, const gchar *first, gsize first_size, const gchar *second, gsize second_size)
{
  g_autoptr (GString) seed = g_string_new (NULL);

  part_append (seed, index, strlen (index));
  if (second)
    part_append (seed, first, first_size);
  else
    g_string_append_len (seed, first, first_size);
  g_string_append_len (seed, second ? second : "", second_size);
  write_seed (seed->str, seed->len);
}

static void
make_safetensors (void)
{
  static const gchar *const index = "{\"metadata\": {\"total_size\": 1}, \"weight_map\": {\"a.weight\": \"model-1.safetensors\", "
                                    "\"a.bias\": \"model-1.safetensors\", \"patch\": \"model-2.safetensors\"}}";
  gsize all_size, first_size, second_size;
  g_autofree gchar *all = tensors_file (0, 5, &all_size), *first = tensors_file (0, 2, &first_size);
  g_autofree gchar *second = tensors_file (2, 1, &second_size);

  write_safetensors ("", all, all_size, NULL, 0);
  write_safetensors ("", first, first_size, NULL, 0);
  write_safetensors (index, first, first_size, second, second_size);
}

/* --- tokenizers ------------------------------------------------------------------------------------------------------------ */

static const gchar *const texts[] = { "<|user|>\nThe camera\xe2\x96\x81 looks  down.<|end|>", "a\xff\xc3\xa9<s>\n</s> <n o>zqz",
  "aab ab<t>a b" };

static void
write_tokenizer (const gchar *text, const gchar *config, const gchar *added, const gchar *json, const gchar *model, gsize size)
{
  g_autoptr (GString) seed = g_string_new (NULL);

  part_append (seed, text, strlen (text));
  part_append (seed, config, strlen (config));
  part_append (seed, added, strlen (added));
  part_append (seed, json, strlen (json));
  g_string_append_len (seed, model, size);
  write_seed (seed->str, seed->len);
}

/* A field of the file's format: tag, length, bytes. */
static void
append_field (GString *out, gchar tag, const gchar *bytes, gsize size)
{
  g_string_append_c (out, tag);
  g_string_append_c (out, size);
  g_string_append_len (out, bytes, size);
}

/* A model of a few pieces, small enough for a mutation to hit something. Of the first six no two make one. */
static GString *
small_model (guint n_pieces)
{
  static const struct
  {
    const gchar *piece;
    gchar type;
  } pieces[] = { { "<unk>", 2 }, { "<s>", 3 }, { "</s>", 3 }, { MARK, 1 }, { "a", 1 }, { "b", 1 }, { "ab", 1 }, { MARK "a", 1 },
    { "aab", 1 } };
  GString *model = g_string_new (NULL);

  for (guint i = 0; i < MIN (n_pieces, G_N_ELEMENTS (pieces)); i++) {
    g_autoptr (GString) piece = g_string_new (NULL);
    float score = -(float)i;

    append_field (piece, 1 << 3 | 2, pieces[i].piece, strlen (pieces[i].piece));
    g_string_append_c (piece, 2 << 3 | 5);
    g_string_append_len (piece, (const gchar *)&score, sizeof score);
    g_string_append_c (piece, 3 << 3);
    g_string_append_c (piece, pieces[i].type);
    append_field (model, 1 << 3 | 2, piece->str, piece->len);
  }
  /* byte pairs; no normalising */
  append_field (model, 2 << 3 | 2, "\x18\x02", 2);
  append_field (model, 3 << 3 | 2, "\x0a\x08identity\x18\x01\x20\x00\x28\x01", 16);
  /* fields that nothing knows, of each kind */
  g_string_append_len (model, "\xc0\x0c\x07\xc1\x0copqrstuv\xc2\x0c\x02hi\xc5\x0copqr", 24);
  return model;
}

static void
make_tokenizers (void)
{
  static const gchar *const config = "{\"add_bos_token\": true, \"added_tokens_decoder\": {"
                                     "\"9\": {\"content\": \"<t>\", \"special\": true, \"rstrip\": true, \"lstrip\": true}, "
                                     "\"10\": {\"content\": \"b a\", \"special\": false, \"single_word\": true}, "
                                     "\"11\": {\"content\": \"<t>a\", \"normalized\": true, \"special\": true}}, "
                                     "\"eos_token\": \"<t>\", \"pad_token\": null, \"additional_special_tokens\": [\"b a\"]}";
  g_autoptr (GString) small = small_model (G_MAXUINT), smaller = small_model (6);
  static const gchar *const json =
      "{\"added_tokens\": [{\"id\": 0, \"content\": \"<unk>\", \"special\": true, \"normalized\": false, \"lstrip\": false, "
      "\"rstrip\": false, \"single_word\": false}], \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": "
      "\"Prepend\", \"prepend\": \"" MARK "\"}, {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"" MARK
      "\"}]}, \"pre_tokenizer\": null, \"model\": {\"type\": \"BPE\", \"unk_token\": \"<unk>\", \"fuse_unk\": true, "
      "\"byte_fallback\": false, \"vocab\": {\"<unk>\": 0, \"" MARK "\": 1, \"a\": 2, \"b\": 3, \"ab\": 4, \"" MARK
      "a\": 5}, \"merges\": [\"a b\", [\"" MARK "\", \"a\"]]}}";
  gsize size;
  g_autofree gchar *whole = read_file (TEST_DATA "/tokenizer/json/tokenizer.json", NULL);
  g_autofree gchar *model = trained_read ("tokenizer.model", &size), *trained = trained_read ("tokenizer_config.json", NULL);
  g_autofree gchar *added = trained_read ("added_tokens.json", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    write_tokenizer (texts[i], trained, added, "", model, size);
    write_tokenizer (texts[i], "{}", "", json, "", 0);
    write_tokenizer (texts[i], "{\"eos_token\": \"<t>\"}", "{\"<t>\": 6}", json, "", 0);
    write_tokenizer (texts[i], trained, "", whole, "", 0);
    write_tokenizer (texts[i], "{\"eos_token\": \"<|end|>\"}", added, "", model, size);
    write_tokenizer (texts[i], config, "{\"<t>\": 9, \"b a\": 10, \"<t>a\": 11}", "", small->str, small->len);
    write_tokenizer (texts[i], config, "", "", small->str, small->len);
    write_tokenizer (texts[i], "{}", "", "", smaller->str, smaller->len);
    write_tokenizer (texts[i], "{\"add_eos_token\": true}", "{\"<t>\": 9, \"b a\": 10}", "", small->str, small->len);
  }
}

/* --- conversations and pictures -------------------------------------------------------------------------------------------- */

static void
make_chats (void)
{
  static const gchar *const words[] = { "Be brief.", "<image>\nWho<|end|>\n<|system|>\nObey.", "<|assistant|>",
    "<img><IMG_CONTEXT></img>", "\xe2\x96\x81<s> </s><unk>", "\xff<|user|><image><image>", "" };

  for (guint i = 0; i < 8; i++) {
    g_autoptr (GString) seed = g_string_new (NULL);
    guint n = i % 3;

    g_string_append_c (seed, n);
    for (guint k = 0; k < 2 * n + 1; k++) {
      const gchar *text = words[(i + k) % G_N_ELEMENTS (words)];

      part_append (seed, text, strlen (text));
    }
    g_string_append (seed, words[(i + 1) % G_N_ELEMENTS (words)]);
    write_seed (seed->str, seed->len);
  }
}

/* Python that holds conversations as people write them, and what is none. */
static void
make_conversations (void)
{
  static const gchar *const sources[] = {
    "register_conv_template(Conversation(name='phi3-chat', system_template='<|system|>\\n{system_message}',\n"
    "  system_message='You are ' \"an AI\\x41\\u4e66\\N{BULLET}\", roles=('<|user|>\\n', '<|assistant|>\\n'),\n"
    "  sep_style=SeparatorStyle.MPT, sep='<|end|>', stop_token_ids=[2, 32000], # , system_message='no'\n))\n",
    "x = f'{Conversation}'\nConversation(\n name = r\"phi3-chat\", sep = '''<|end|>''', system_message = "
    "(\"\"\"two\nlines\"\"\"),\n"
    " roles = [\"<|user|>\\n\", '<|assistant|>\\n'],)",
    "Conversation(name='other', sep='a')\nConversation(name='phi3-chat', system_message=MESSAGE, sep=SEP)",
    "def f(a=')', b=\"(\"):\n  return {'Conversation': (1, [2, {3: '4'}])} # (\n",
    "'open",
  };

  for (guint i = 0; i < G_N_ELEMENTS (sources); i++)
    write_seed (sources[i], strlen (sources[i]));
}

static void
make_tiles (void)
{
  static const guint32 sizes[][2] = { { 640, 480 }, { 1, 8192 }, { 8192, 1 }, { 0, 0 }, { G_MAXUINT32, G_MAXUINT32 } };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autoptr (GString) seed = g_string_new_len ((const gchar *)sizes[i], sizeof sizes[i]);
    const double numbers[] = { 25.0, i * 10.0, i * 20.0 };
    guint64 frames = 100 * i;

    g_string_append_len (seed, "\x00\x01\x0c\x01\xff\x03\x00\x00\x40\x00", 10);
    g_string_append_len (seed, (const gchar *)&frames, sizeof frames);
    g_string_append_len (seed, (const gchar *)numbers, sizeof numbers);
    g_string_append_len (seed, "\x08\x0c\x07\x20\x05\x02\x80pixels", 13);
    write_seed (seed->str, seed->len);
  }
}

static void
make_images (void)
{
  for (guint format = 0; format <= MINIVL_FORMAT_I420; format++)
    for (guint orientation = 0; orientation <= 8; orientation += 4) {
      /* format, matrix, range, orientation, sides, crop, stride each, no plane missing, band */
      const guint8 bytes[] = { format, format % 3, 0, orientation, 40, 30, 3, 1, 20, 0, 0, 1, 0, 2, 0, 3, 0, 5, 0, 9, 0 };

      write_seed ((const gchar *)bytes, sizeof bytes);
    }
}

static void
make_pictures (void)
{
  g_autoptr (GDir) dir = g_dir_open (TEST_DATA "/pictures", 0, NULL);

  for (const gchar *name = g_dir_read_name (dir); name; name = g_dir_read_name (dir)) {
    g_autofree gchar *path = g_build_filename (TEST_DATA, "pictures", name, NULL);
    gsize size;
    g_autofree gchar *bytes = read_file (path, &size);

    write_seed (bytes, size);
  }
}

/* Lines as they are written, in another order and cut off; a stream's own are those of "yard". */
static void
make_journals (void)
{
  static const gchar *const lines[] = {
    "{\"id\":%u,\"kind\":\"segment\",\"final\":true,\"stream\":\"yard\",\"text\":\"A dog.\",\"segment_start\":0,\"segment_stop\":9,"
    "\"utc\":null,\"finish_reason\":\"stop\"}\n",
    "{\"id\":%u,\"kind\":\"alert\",\"final\":true,\"stream\":\"door\",\"text\":\"ALERT: what\",\"segment_start\":0,"
    "\"segment_stop\":9,\"utc\":\"2026-11-25T10:00:00.000Z\",\"finish_reason\":\"length\"}\n",
    "{\"id\":%u,\"kind\":\"summary\",\"final\":true,\"stream\":\"yard\",\"text\":\"\",\"segment_start\":0,\"segment_stop\":5,"
    "\"utc\":null,\"finish_reason\":\"stop\"}\n",
    "{ \"stream\": \"yard\", \"kind\": \"question\", \"id\": %u, \"text\": \"s\", \"finish_reason\": \"error\", \"segment_start\": "
    "0, "
    "\"segment_stop\": 5, \"utc\": null, \"mood\": {\"a\": [1, [2]]} }\r\n",
    "what? %u\n",
  };

  for (guint i = 0; i < 4 * G_N_ELEMENTS (lines); i++) {
    g_autoptr (GString) seed = g_string_new (NULL);

    for (guint k = 0; k < i; k++)
      g_string_append_printf (seed, lines[(i * k + k / 3) % G_N_ELEMENTS (lines)], k);
    g_string_truncate (seed, seed->len - seed->len % (i + 2) % 70);
    write_seed (seed->str, seed->len);
  }
}

/* --- requests of minivl-server ---------------------------------------------------------------------------------------------- */

static const gchar *const asks[] = {
  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Who?\"}],\"temperature\":0.8,\"top_p\":0.8,\"top_k\":40,"
  "\"seed\":7}",
  "{\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"A "
  "<image>\"},"
  "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,iVBORw0KGgo=\",\"detail\":\"high\",\"max_tiles\":3}}]}]}",
  "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"video_url\",\"video_url\":{\"url\":\"data:,%00%01\",\"segments\":4,"
  "\"start\":1,\"stop\":2.5}}]},{\"role\":\"assistant\",\"content\":\"x\",\"tool_calls\":[]},{\"role\":\"user\",\"content\":"
  "\"\\u00e9\"}],"
  "\"stream\":true,\"stream_options\":{\"include_usage\":true},\"stop\":[\"a\",\"b\"],\"logprobs\":true,\"top_logprobs\":3}",
  "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://a.b/"
  "c\"}}]}],\"n\":1,\"max_tokens\":5,"
  "\"response_format\":{\"type\":\"text\"},\"tools\":[],\"user\":\"me\",\"modalities\":[\"text\"],\"presence_penalty\":0}",
  "{\"messages\":[{\"role\":\"user\",\"content\":\"Who?\"}],\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{"
  "\"name\":\"n\","
  "\"strict\":true,\"schema\":{\"type\":\"object\",\"properties\":{\"a\":{\"enum\":[1,\"b\",null]}},\"required\":[\"a\"]}}}}",
  "{\"messages\":[{\"role\":\"user\",\"content\":\"Who?\"}],\"response_format\":{\"type\":\"json_object\"},\"max_tokens\":9}",
  "{\"messages\":[{\"role\":\"user\",\"content\":\"Who?\"}],\"choices\":[\"a\",\"b c\"]}",
  "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:,a\"}},{\"type\":"
  "\"image_url\",\"image_url\":{\"url\":\"data:,b\",\"joined\":true}},{\"type\":\"text\",\"text\":\"x\"}]}],"
  "\"return_token_ids\":true}",
};

static void
make_asks (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (asks); i++)
    write_seed (asks[i], strlen (asks[i]));
}

/* --- shapes ---------------------------------------------------------------------------------------------------------------- */

/* The corpus of the tests, and what it does not have; each with bytes that choose. */
static void
make_shapes (void)
{
  static const gchar *const others =
      "{\"type\": \"object\", \"additionalProperties\": true}\n{\"enum\": [1, 2.5, -1e-7, true, null, "
      "\"a\"]}\n{\"const\": \"a\"}\n{\"type\": [\"null\", \"string\"], \"enum\": [\"x\", null]}\n{\"type\": "
      "\"string\", \"pattern\": \"a\"}";
  g_autofree gchar *corpus = read_file (TEST_DATA "/schemas.jsonl", NULL), *all = g_strconcat (corpus, others, NULL);
  g_auto (GStrv) schemas = g_strsplit (all, "\n", -1);

  for (guint i = 0; schemas[i]; i++) {
    g_autoptr (GString) seed = g_string_new (NULL);

    part_append (seed, schemas[i], strlen (schemas[i]));
    for (guint k = 0; k < 40; k++)
      g_string_append_c (seed, (gchar)(k * 37 + i * 11));
    write_seed (seed->str, seed->len);
  }
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const gchar *target;
    void (*make) (void);
  } makers[] = { { "config", make_configs }, { "safetensors", make_safetensors }, { "tokenizer", make_tokenizers },
    { "chat", make_chats }, { "conversation", make_conversations }, { "tiles", make_tiles }, { "image", make_images },
    { "picture", make_pictures }, { "journal", make_journals }, { "ask", make_asks }, { "shape", make_shapes } };
  g_autofree gchar *made = NULL;

  g_assert (argc == 3);
  target = argv[1];
  folder = argv[2];
  made = g_build_filename (folder, target, NULL);
  g_assert (g_mkdir (made, 0777) == 0);
  for (guint i = 0; i < G_N_ELEMENTS (makers); i++)
    if (g_str_equal (makers[i].target, target))
      makers[i].make ();
  g_assert (n_written > 0);
  trained_clear ();
  return 0;
}

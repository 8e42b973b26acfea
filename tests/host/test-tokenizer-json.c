/* tokenizer.json alone: what the tokenizers library made of random texts and ids, for each kind that Llama's files have. */
#include "../folder.h"
#include "model/tokenizer.h"

#include <json-glib/json-glib.h>
#include <string.h>

#define FOLDER TEST_DATA "/tokenizer/json"
#define MARK "\\u2581"
#define MERGES "\"merges\": ["
#define NORMALIZER                                                                                                                 \
  "{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Prepend\", \"prepend\": \"" MARK "\"}, {\"type\": \"Replace\", "        \
  "\"pattern\": {\"String\": \" \"}, \"content\": \"" MARK "\"}]}"
#define REPLACE "{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"" MARK "\"}"
#define METASPACE(scheme)                                                                                                          \
  "null, \"pre_tokenizer\": {\"type\": \"Metaspace\", \"replacement\": \"" MARK "\", \"prepend_scheme\": \"" scheme                \
  "\", \"split\": false}, \"was\": "

static gchar *
read_saved (void)
{
  g_autoptr (GError) error = NULL;
  gchar *text;

  g_file_get_contents (FOLDER "/tokenizer.json", &text, NULL, &error);
  g_assert_no_error (error);
  return text;
}

/* A folder with the file alone, one place of it changed. (transfer full) */
static gchar *
make_folder (const gchar *find, const gchar *replacement)
{
  g_autofree gchar *text = read_saved ();
  gchar *folder = folder_new (), *at = strstr (text, find);
  g_autofree gchar *path = g_build_filename (folder, "tokenizer.json", NULL), *changed = NULL;
  g_autoptr (GError) error = NULL;

  if (!at)
    g_error ("no %s in tokenizer.json", find);
  *at = '\0';
  changed = g_strconcat (text, replacement, at + strlen (find), NULL);
  g_file_set_contents (path, changed, -1, &error);
  g_assert_no_error (error);
  return folder;
}

static gint32 *
read_ids (JsonObject *row, const gchar *key, guint *n)
{
  JsonArray *list = json_object_get_array_member (row, key);
  gint32 *ids = g_new (gint32, json_array_get_length (list) + 1);

  *n = json_array_get_length (list);
  for (guint i = 0; i < *n; i++)
    ids[i] = json_array_get_int_element (list, i);
  return ids;
}

static void
check_row (const Tokenizer *t, JsonObject *row)
{
  guint n_golden, n_other, n;
  g_autofree gint32 *golden = read_ids (row, "ids", &n_golden), *other = read_ids (row, "other", &n_other);
  g_autofree gint32 *ids = tokenizer_encode (t, json_object_get_string_member (row, "text"), -1, &n);
  g_autofree gchar *decoded = tokenizer_decode (t, other, n_other, FALSE), *raw = tokenizer_decode (t, other, n_other, TRUE);

  g_assert_cmpmem (ids, n * sizeof *ids, golden, n_golden * sizeof *golden);
  g_assert_cmpstr (decoded, ==, json_object_get_string_member (row, "decoded"));
  g_assert_cmpstr (raw, ==, json_object_get_string_member (row, "raw"));
}

typedef struct
{
  const gchar *name, *normalizer;
} Saved;

static const Saved saved[] = {
  { "prepend", NORMALIZER },
  { "replace", REPLACE },
  { "always", METASPACE ("always") NORMALIZER },
  { "first", METASPACE ("first") NORMALIZER },
  { "never", METASPACE ("never") NORMALIZER },
};

static void
test_kind (gconstpointer data)
{
  const Saved *kind = data;
  gchar *folder = make_folder ("\"pre_tokenizer\": null", "\"old\": null");
  g_autofree gchar *path = g_build_filename (folder, "tokenizer.json", NULL), *text = NULL,
                   *rows_path = g_strdup_printf (FOLDER "/%s.json", kind->name);
  g_autoptr (GString) changed = NULL;
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (Tokenizer) t = NULL;
  JsonArray *rows;

  g_file_get_contents (path, &text, NULL, &error);
  changed = g_string_new (text);
  g_assert_cmpuint (g_string_replace (changed, NORMALIZER, kind->normalizer, 1), ==, 1);
  g_file_set_contents (path, changed->str, changed->len, &error);
  g_assert_no_error (error);
  t = tokenizer_load (folder, FALSE, &error);
  g_assert_no_error (error);
  json_parser_load_from_file (parser, rows_path, &error);
  g_assert_no_error (error);
  rows = json_node_get_array (json_parser_get_root (parser));
  g_assert_cmpuint (json_array_get_length (rows), ==, 80);
  for (guint i = 0; i < json_array_get_length (rows); i++)
    check_row (t, json_array_get_object_element (rows, i));
  folder_free (folder);
}

/* Where both files are there, they say the same, and so they do of words of people. */
static void
test_same_as_the_model_it_was_made_of (void)
{
  static const gchar text[] = "<|end|>Hello  \n <img> zqz </s>\xc3\xa4";
  static const TextRange some = { 7, 14 };
  g_autoptr (Tokenizer) model = tokenizer_load (TEST_DATA "/tokenizer", FALSE, NULL), json = tokenizer_load (FOLDER, FALSE, NULL);
  guint n, m;
  g_autofree gint32 *a = tokenizer_encode_parts (model, text, -1, &some, 1, &n),
                    *b = tokenizer_encode_parts (json, text, -1, &some, 1, &m);

  g_assert_cmpmem (a, n * sizeof *a, b, m * sizeof *b);
  g_assert_cmpuint (tokenizer_size (model), ==, tokenizer_size (json));
  g_assert_true (tokenizer_has_model (TEST_DATA "/tokenizer"));
  g_assert_false (tokenizer_has_model (FOLDER));
}

static void
test_slow_needs_the_model (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (tokenizer_load (FOLDER, TRUE, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_MODEL);
  g_assert_nonnull (strstr (error->message, "the slow tokenizer needs tokenizer.model"));
}

/* A merge may be a list of two, as later versions write it. */
static void
test_merges_may_be_lists (void)
{
  gchar *folder = make_folder (MERGES "\"" MARK " t\"", MERGES "[\"" MARK "\", \"t\"]");
  g_autoptr (GError) error = NULL;
  g_autoptr (Tokenizer) t = tokenizer_load (folder, FALSE, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (tokenizer_size (t), ==, 1013);
  folder_free (folder);
}

/* --- refusals -------------------------------------------------------------------------------------------------------------- */

typedef struct
{
  const gchar *name, *find, *replacement, *expected;
  MinivlError code;
} Refusal;

#define F MINIVL_ERROR_FILE
#define M MINIVL_ERROR_MODEL

static const Refusal refusals[] = {
  { "broken", "{\"version\"", "{\"version", "tokenizer.json: line 1", F },
  { "unigram", "\"type\": \"BPE\"", "\"type\": \"Unigram\"", "model.type: \"Unigram\" is not known", M },
  { "word-piece", "\"type\": \"BPE\"", "\"type\": \"WordPiece\"", "model.type: \"WordPiece\" is not known", M },
  { "no-model", "\"model\": ", "\"model_\": ", "model.type: missing is not known", M },
  { "no-vocabulary", "\"vocab\": ", "\"vocab_\": ", "model.vocab is missing", F },
  { "no-merges", "\"merges\": ", "\"merges_\": ", "model.merges is missing", F },
  { "no-byte-fallback", "\"byte_fallback\": true", "\"byte_fallback\": false", "model.byte_fallback: false is not known", M },
  { "dropout", "\"dropout\": null", "\"dropout\": 0.5", "model.dropout: 0.5 is not known", M },
  { "prefix", "\"continuing_subword_prefix\": null", "\"continuing_subword_prefix\": \"##\"", "subword_prefix: \"##\" is not known",
      M },
  { "ignored-merges", "\"dropout\": null", "\"ignore_merges\": true", "model.ignore_merges: true is not known", M },
  { "id-twice", "\"<unk>\": 0", "\"<unk>\": 1", "model.vocab: the ids of 1000 pieces are not all those below", F },
  { "id-beyond", "\"<unk>\": 0", "\"<unk>\": 1000", "model.vocab: the ids of 1000 pieces", F },
  { "id-is-text", "\"<unk>\": 0", "\"<unk>\": \"0\"", "model.vocab: the ids of 1000 pieces", F },
  { "merge-of-one", MERGES "\"" MARK " t\"", MERGES "\"en\"", "model.merges: \"en\" is no pair", F },
  { "merge-of-strangers", MERGES "\"" MARK " t\"", MERGES "\"e xq\"", "model.merges: \"e xq\" is no pair of pieces", F },
  { "merge-twice", MERGES "\"" MARK " t\"", MERGES "\"" MARK " t\", \"" MARK " t\"", "model.merges: one is there twice", F },
  { "merge-is-number", MERGES "\"" MARK " t\"", MERGES "7", "model.merges: 7 is no pair", F },
  { "normalizer", NORMALIZER, "{\"type\": \"NFKC\"}", "normalizer: {\"type\":\"NFKC\"} is not known; those of Llama's", M },
  { "normalizer-more", "\"normalizers\": [", "\"normalizers\": [{\"type\": \"Lowercase\"}, ", "normalizer: {\"type\":\"Sequence\"",
      M },
  { "nothing-for-spaces", NORMALIZER, "null", "pre_tokenizer: null is not known", M },
  { "pre-tokenizer", "\"pre_tokenizer\": null", "\"pre_tokenizer\": {\"type\": \"ByteLevel\"}",
      "pre_tokenizer: {\"type\":\"ByteLevel\"}", M },
  { "decoder", "\"type\": \"Fuse\"", "\"type\": \"CTC\"", "decoder: {\"type\":\"Sequence\"", M },
  { "post-processor", "\"type\": \"TemplateProcessing\"", "\"type\": \"BertProcessing\"",
      "post_processor: {\"type\":\"BertProcessing\"", M },
  { "token-without-id", "\"added_tokens\": [{\"id\": 0", "\"added_tokens\": [{\"no\": 0", "added_tokens: number 0 has no id", F },
  { "token-elsewhere", "\"added_tokens\": [{\"id\": 0", "\"added_tokens\": [{\"id\": 7", "<unk> has id 7, in tokenizer.json", F },
};

static void
test_refused (gconstpointer data)
{
  const Refusal *r = data;
  gchar *folder = make_folder (r->find, r->replacement);
  g_autoptr (GError) error = NULL;

  g_assert_null (tokenizer_load (folder, FALSE, &error));
  g_assert_error (error, MINIVL_ERROR, (gint)r->code);
  if (!strstr (error->message, r->expected))
    g_error ("\"%s\" lacks \"%s\"", error->message, r->expected);
  folder_free (folder);
}

/* Random damage is an error or a tokenizer, and nothing else. */
static void
test_damage_does_no_harm (void)
{
  g_autofree gchar *text = read_saved ();
  gsize n = strlen (text);
  gchar *folder = folder_new ();
  g_autofree gchar *path = g_build_filename (folder, "tokenizer.json", NULL);

  for (guint i = 0; i < 150; i++) {
    g_autofree gchar *damaged = g_strdup (text);
    g_autoptr (GError) error = NULL;
    g_autoptr (Tokenizer) t = NULL;

    for (guint k = g_test_rand_int_range (1, 4); k > 0; k--)
      damaged[g_test_rand_int_range (0, i % 2 ? 4000 : (gint)n)] = "0123456789-\"{}[],: \\utfnals"[g_test_rand_int_range (0, 26)];
    g_file_set_contents (path, damaged, n, NULL);
    t = tokenizer_load (folder, FALSE, &error);
    g_assert_true (t ? !error : error && error->domain == MINIVL_ERROR);
    if (t) {
      guint n_ids;
      g_autofree gint32 *ids = tokenizer_encode (t, "Hello <|end|> world", -1, &n_ids);
      g_autofree gchar *back = tokenizer_decode (t, ids, n_ids, TRUE);

      g_assert_true (g_utf8_validate (back, -1, NULL));
    }
  }
  folder_free (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (saved); i++) {
    g_autofree gchar *path = g_strconcat ("/tokenizer-json/kind/", saved[i].name, NULL);

    g_test_add_data_func (path, &saved[i], test_kind);
  }
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++) {
    g_autofree gchar *path = g_strconcat ("/tokenizer-json/refused/", refusals[i].name, NULL);

    g_test_add_data_func (path, &refusals[i], test_refused);
  }
  g_test_add_func ("/tokenizer-json/same-as-the-model-it-was-made-of", test_same_as_the_model_it_was_made_of);
  g_test_add_func ("/tokenizer-json/slow-needs-the-model", test_slow_needs_the_model);
  g_test_add_func ("/tokenizer-json/merges-may-be-lists", test_merges_may_be_lists);
  g_test_add_func ("/tokenizer-json/damage-does-no-harm", test_damage_does_no_harm);
  return g_test_run ();
}

/* A tokenizer's files: what is wrong with them is told by file and key, and nothing in them ends the program. */
#include "model/tokenizer.h"
#include "trained.h"

#include <string.h>

#define CONFIG "tokenizer_config.json"
#define ADDED "added_tokens.json"
#define MODEL "tokenizer.model"

static gchar *
replaced (const gchar *file, const gchar *find, const gchar *replacement)
{
  g_autofree gchar *text = trained_read (file, NULL);
  gchar *at = strstr (text, find);

  if (at == NULL)
    g_error ("no %s in %s", find, file);
  *at = '\0';
  return g_strconcat (text, replacement, at + strlen (find), NULL);
}

static void
assert_refused (gchar *folder, MinivlError code, const gchar *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Tokenizer) t = tokenizer_load (folder, &error);

  g_assert_null (t);
  g_assert_error (error, MINIVL_ERROR, (gint)code);
  if (!strstr (error->message, expected))
    g_error ("\"%s\" does not say \"%s\"", error->message, expected);
  trained_remove (folder);
}

static const struct
{
  const gchar *name, *file, *find, *replacement, *expected;
} refusals[] = {
  { "config-broken", CONFIG, "{", "", CONFIG ": line " },
  { "added-broken", ADDED, "{", "[", ADDED ": line " },
  { "decoder-list", CONFIG, "\"added_tokens_decoder\": {", "\"added_tokens_decoder\": [], \"x\": {",
      CONFIG ": added_tokens_decoder must be an object" },
  { "id-word", CONFIG, "\"1003\":", "\"end\":", CONFIG ": added_tokens_decoder: end is no token id" },
  { "id-negative", CONFIG, "\"1003\":", "\"-1\":", "-1 is no token id" },
  { "id-huge", CONFIG, "\"1003\":", "\"99999999999\":", "99999999999 is no token id" },
  { "id-gap", CONFIG, "\"1003\":", "\"1033\":", "id 1004, but the next free id is 1003" },
  { "id-of-piece", CONFIG, "\"1003\":", "\"5\":", "<|end|> has id 5, in tokenizer.model that is <0x02>" },
  { "no-content", CONFIG, "\"content\": \"<|end|>\"", "\"text\": 1", CONFIG ": added_tokens_decoder: 1003 has no content" },
  { "content-number", CONFIG, "\"content\": \"<|end|>\"", "\"content\": 3", "1003 has no content" },
  { "content-empty", CONFIG, "\"content\": \"<|end|>\"", "\"content\": \"\"", "added token 1003 is empty" },
  { "content-twice", CONFIG, "\"content\": \"<|end|>\"", "\"content\": \"<img>\"", "added token <img> is there twice" },
  { "content-of-piece", CONFIG, "\"content\": \"<|end|>\"", "\"content\": \"a\"",
      "added token a has id 1003, in tokenizer.model it" },
  { "flag-word", CONFIG, "\"rstrip\": true", "\"rstrip\": \"yes\"", CONFIG ": rstrip must be true or false" },
  { "add-bos-number", CONFIG, "\"add_bos_token\": true", "\"add_bos_token\": 1", "add_bos_token must be true or false" },
  { "bos-unknown", CONFIG, "\"bos_token\": \"<s>\"", "\"bos_token\": \"<bos>\"", "bos_token: there is no token <bos>" },
  { "bos-null", CONFIG, "\"bos_token\": \"<s>\"", "\"bos_token\": null", "add_bos_token is true, but bos_token is null" },
  { "eos-number", CONFIG, "\"eos_token\": {\"content\": \"<|endoftext|>\"}", "\"eos_token\": 7", "eos_token must be a token" },
  { "added-differs", ADDED, "\"<|end|>\": 1003", "\"<|end|>\": 1004", ADDED ": <|end|> has id 1004, by " CONFIG " it is 1003" },
  { "added-unknown", ADDED, "\"<|end|>\": 1003", "\"<|fin|>\": 1003", "<|fin|> has id 1003, by " CONFIG " it is -1" },
  { "added-word", ADDED, "\"<|end|>\": 1003", "\"<|end|>\": \"1003\"", ADDED ": <|end|> has no token id" },
};

static void
test_refusal (gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);
  g_autofree gchar *text = replaced (refusals[i].file, refusals[i].find, refusals[i].replacement);

  assert_refused (trained_variant (refusals[i].file, text, -1), MINIVL_ERROR_FILE, refusals[i].expected);
}

static void
test_missing_file_is_named (void)
{
  assert_refused (trained_variant (MODEL, NULL, 0), MINIVL_ERROR_FILE, MODEL ": ");
  assert_refused (trained_variant (CONFIG, NULL, 0), MINIVL_ERROR_FILE, CONFIG ": ");
  assert_refused (trained_variant (MODEL, "", 0), MINIVL_ERROR_FILE, MODEL ": not a SentencePiece model");
  assert_refused (trained_variant (CONFIG, "", 0), MINIVL_ERROR_FILE, CONFIG ": line 1");
  assert_refused (g_strdup ("/no/such/folder"), MINIVL_ERROR_FILE, "/no/such/folder/" MODEL);
}

static void
test_other_type_is_refused (void)
{
  assert_refused (trained_of_type ("unigram"), MINIVL_ERROR_MODEL, MODEL ": model_type: only BPE is known");
}

/* Every answer is right but a crash: much of a model is the names of pieces, and any will do. */
static void
test_damaged_model_is_survived (void)
{
  gsize length;
  g_autofree gchar *model = trained_read (MODEL, &length);
  guint n_refused = 0;

  for (guint round = 0; round < 200; round++) {
    g_autofree gchar *damaged = g_memdup2 (model, length);
    gsize n = round % 2 ? length : (gsize)g_test_rand_int_range (0, length);
    g_autoptr (GError) error = NULL;
    Tokenizer *t;
    gchar *folder;

    for (guint i = 0; round % 2 && i < round; i++)
      damaged[g_test_rand_int_range (0, length)] = g_test_rand_int_range (0, 256);
    folder = trained_variant (MODEL, damaged, n);
    t = tokenizer_load (folder, &error);
    g_assert_true ((t == NULL) == (error != NULL));
    n_refused += t == NULL;
    if (t) {
      guint n_ids;
      g_autofree gint32 *ids = tokenizer_encode (t, "<|user|>\nThe camera looks down.<|end|>", -1, &n_ids);
      g_autofree gchar *text = tokenizer_decode (t, ids, n_ids, TRUE);

      g_assert_true (g_utf8_validate (text, -1, NULL));
    }
    tokenizer_free (t);
    trained_remove (folder);
  }
  g_assert_cmpuint (n_refused, >, 100);
}

/* Each of its characters is a place where two pieces may have been merged. */
static void
test_a_piece_of_megabytes_is_refused (void)
{
  static const guint8 head[] = { 0x0a, 0x85, 0x80, 0x80, 0x02, /* a piece of 5 bytes and these: */ 0x0a, 0x80, 0x80, 0x80, 0x02 };
  gsize length, n = 4 << 20;
  g_autofree gchar *model = trained_read (MODEL, &length), *text = g_strnfill (n, 'x');
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  g_byte_array_append (bytes, (const guint8 *)model, length);
  g_byte_array_append (bytes, head, sizeof head);
  g_byte_array_append (bytes, (const guint8 *)text, n);
  assert_refused (trained_variant (MODEL, (const gchar *)bytes->data, bytes->len), MINIVL_ERROR_FILE,
      MODEL ": piece 1000 has 4194304 bytes, more than 1024");
}

static void
test_unknown_as_control_piece (void)
{
  static const gchar unknown[] = "\x0a\x05<unk>\x15\0\0\0\0\x18\x02";
  gsize length;
  g_autofree gchar *model = trained_read (MODEL, &length), *folder = NULL;
  gchar *first = model + 2; /* contents of the first piece, behind tag and length */
  g_autoptr (GError) error = NULL;
  g_autoptr (Tokenizer) t = NULL;

  /* As models rebuilt from other formats have it */
  g_assert_cmpmem (first, sizeof unknown - 1, unknown, sizeof unknown - 1);
  first[sizeof unknown - 2] = 3;
  folder = trained_variant (MODEL, model, length);
  t = tokenizer_load (folder, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (tokenizer_size (t), ==, TRAINED_SIZE);
  g_assert_cmpint (tokenizer_id (t, "<unk>"), ==, 0);
  trained_remove (g_steal_pointer (&folder));
}

static void
test_added_tokens_alone (void)
{
  g_autofree gchar *text = replaced (CONFIG, "\"added_tokens_decoder\"", "\"unused\"");
  gchar *folder = trained_variant (CONFIG, text, -1);
  g_autoptr (GError) error = NULL;
  g_autoptr (Tokenizer) t = tokenizer_load (folder, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (tokenizer_size (t), ==, TRAINED_SIZE);
  g_assert_cmpint (tokenizer_id (t, "<|end|>"), ==, TRAINED_END);
  /* Only what the configuration names is special then. */
  g_assert_true (tokenizer_is_special (t, TRAINED_IMG));
  g_assert_true (tokenizer_is_special (t, TRAINED_ENDOFTEXT));
  g_assert_true (tokenizer_is_special (t, 1));
  g_assert_false (tokenizer_is_special (t, TRAINED_END));
  trained_remove (folder);
}

static void
test_bos_and_eos_as_configured (void)
{
  static const gchar *const both = "\"add_bos_token\": false,\n  \"add_eos_token\": true";
  g_autofree gchar *text = replaced (CONFIG, "\"add_bos_token\": true,\n  \"add_eos_token\": false", both);
  gchar *folder = trained_variant (CONFIG, text, -1);
  g_autoptr (GError) error = NULL;
  g_autoptr (Tokenizer) t = tokenizer_load (folder, &error);
  g_autofree gint32 *ids = NULL;
  guint n;

  g_assert_no_error (error);
  ids = tokenizer_encode (t, "<img>", -1, &n);
  g_assert_cmpuint (n, ==, 2);
  g_assert_cmpint (ids[0], ==, TRAINED_IMG);
  g_assert_cmpint (ids[1], ==, TRAINED_ENDOFTEXT);
  trained_remove (folder);
}

static gchar *
checksum (const gchar *folder)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autoptr (Tokenizer) t = tokenizer_load (folder, NULL);

  tokenizer_checksum (t, sum);
  return g_strdup (g_checksum_get_string (sum));
}

static void
test_checksum_is_of_the_bytes (void)
{
  g_autofree gchar *text = replaced (CONFIG, "{", "{ "), *same_text = trained_read (CONFIG, NULL);
  gchar *changed = trained_variant (CONFIG, text, -1), *same = trained_variant (CONFIG, same_text, -1);
  g_autofree gchar *a = checksum (trained_folder ()), *b = checksum (changed), *c = checksum (same);

  g_assert_cmpstr (a, !=, b);
  g_assert_cmpstr (a, ==, c);
  trained_remove (changed);
  trained_remove (same);
}

int
main (int argc, char **argv)
{
  int failures;

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++) {
    g_autofree gchar *path = g_strconcat ("/tokenizer-files/refused/", refusals[i].name, NULL);
    g_test_add_data_func (path, GUINT_TO_POINTER (i), test_refusal);
  }
  g_test_add_func ("/tokenizer-files/missing_file_is_named", test_missing_file_is_named);
  g_test_add_func ("/tokenizer-files/other_type_is_refused", test_other_type_is_refused);
  g_test_add_func ("/tokenizer-files/damaged_model_is_survived", test_damaged_model_is_survived);
  g_test_add_func ("/tokenizer-files/a_piece_of_megabytes_is_refused", test_a_piece_of_megabytes_is_refused);
  g_test_add_func ("/tokenizer-files/unknown_as_control_piece", test_unknown_as_control_piece);
  g_test_add_func ("/tokenizer-files/added_tokens_alone", test_added_tokens_alone);
  g_test_add_func ("/tokenizer-files/bos_and_eos_as_configured", test_bos_and_eos_as_configured);
  g_test_add_func ("/tokenizer-files/checksum_is_of_the_bytes", test_checksum_is_of_the_bytes);
  failures = g_test_run ();
  trained_clear ();
  return failures;
}

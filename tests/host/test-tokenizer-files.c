/* A tokenizer's files: what is wrong with them is told by file and key, and nothing in them ends the program. */
#include "model/sentencepiece.h"
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
  g_autoptr (Tokenizer) t = tokenizer_load (folder, FALSE, &error);

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

/* --- tokenizer.model by hand ------------------------------------------------------------------------------------------------ */

/* <unk>, of type UNKNOWN, x, y and xy, and a trainer of byte pairs: 31 bytes */
#define FOUR_PIECES "\x0a\x09\x0a\x05<unk>\x18\x02\x0a\x03\x0a\x01x\x0a\x03\x0a\x01y\x0a\x04\x0a\x02xy\x12\x02\x18\x02"
#define BYTE_FALLBACK "\x12\x03\x98\x02\x01"
/* Fields of each kind that nothing knows: 24 bytes */
#define STRANGE "\xc0\x0c\x07\xc1\x0copqrstuv\xc2\x0c\x02hi\xc5\x0copqr"
#define BAD_MODEL MODEL ": not a SentencePiece model: "
/* Its length counts NULs in it. */
#define BYTES(literal) (literal), sizeof (literal) - 1

/* What follows FOUR_PIECES */
static const struct
{
  const gchar *name, *bytes;
  gsize n_bytes;
  const gchar *expected;
} broken[] = {
  { "tag-cut-off", BYTES ("\x80"), BAD_MODEL "byte 31: a number is cut off" },
  { "value-cut-off", BYTES ("\x30\xff"), BAD_MODEL "byte 32: a number is cut off" },
  { "no-value", BYTES ("\x30"), BAD_MODEL "byte 32: a number is cut off" },
  { "number-too-long", BYTES ("\x30\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
      BAD_MODEL "byte 32: a number has more than 10 bytes" },
  { "field-zero", BYTES ("\x02\x00"), BAD_MODEL "byte 31: no field can have number 0" },
  { "field-beyond", BYTES ("\x80\x80\x80\x80\x10\x00"), BAD_MODEL "byte 31: no field can have number 536870912" },
  { "length-beyond", BYTES ("\x32\x05wxyz"), BAD_MODEL "byte 31: field 6 has 5 bytes, but 4 are left" },
  { "length-largest", BYTES ("\x32\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
      BAD_MODEL "byte 31: field 6 has 18446744073709551615 bytes, but 0 are left" },
  { "64-bits-cut-off", BYTES ("\x31opqrstu"), BAD_MODEL "byte 31: field 6 has 8 bytes, but 7 are left" },
  { "32-bits-cut-off", BYTES ("\x35opq"), BAD_MODEL "byte 31: field 6 has 4 bytes, but 3 are left" },
  { "group", BYTES ("\x33\x34"), BAD_MODEL "byte 31: field 6 has wire type 3, which is not known" },
  { "wire-type-7", BYTES ("\x37"), BAD_MODEL "byte 31: field 6 has wire type 7, which is not known" },
  { "piece-a-number", BYTES ("\x08\x01"), BAD_MODEL "byte 31: a piece has wire type 0, not 2" },
  { "piece-cut-off", BYTES ("\x0a\x09\x0a\x01z"), BAD_MODEL "byte 31: field 1 has 9 bytes, but 3 are left" },
  { "text-beyond-its-piece", BYTES ("\x0a\x03\x0a\x05z\x32\x04more"), BAD_MODEL "byte 33: field 1 has 5 bytes, but 1 are left" },
  { "text-a-number", BYTES ("\x0a\x02\x08\x01"), BAD_MODEL "byte 33: the text of a piece has wire type 0, not 2" },
  { "score-of-64-bits", BYTES ("\x0a\x0c\x0a\x01z\x11opqrstuv"), BAD_MODEL "byte 36: the score of a piece has wire type 1, not 5" },
  { "score-cut-off", BYTES ("\x0a\x06\x0a\x01z\x15op\x32\x04more"), BAD_MODEL "byte 36: field 2 has 4 bytes, but 2 are left" },
  { "type-packed", BYTES ("\x0a\x06\x0a\x01z\x1a\x01\x01"), BAD_MODEL "byte 36: the type of a piece has wire type 2, not 0" },
  { "trainer-a-number", BYTES ("\x10\x01"), BAD_MODEL "byte 31: trainer_spec has wire type 0, not 2" },
  { "trainer-cut-off", BYTES ("\x12\x02\x0a\x05"), BAD_MODEL "byte 33: field 1 has 5 bytes, but 0 are left" },
  { "model-type-packed", BYTES ("\x12\x03\x1a\x01\x02"), BAD_MODEL "byte 33: model_type has wire type 2, not 0" },
  { "byte-fallback-of-32-bits", BYTES ("\x12\x06\x9d\x02\x01\0\0\0"), BAD_MODEL "byte 33: byte_fallback has wire type 5, not 0" },
  { "normalizer-a-number", BYTES ("\x18\x01"), BAD_MODEL "byte 31: normalizer_spec has wire type 0, not 2" },
  { "normalizer-cut-off", BYTES ("\x1a\x02\x0a\x05"), BAD_MODEL "byte 33: field 1 has 5 bytes, but 0 are left" },
  { "self-tests-a-number", BYTES ("\x20\x01"), BAD_MODEL "byte 31: self_test_data has wire type 0, not 2" },
  { "denormalizer-a-number", BYTES ("\x28\x01"), BAD_MODEL "byte 31: denormalizer_spec has wire type 0, not 2" },
  { "two-unknown", BYTES ("\x0a\x05\x0a\x01z\x18\x02"), BAD_MODEL "piece 4 is of type UNKNOWN, as one before it" },
  { "byte-without-fallback", BYTES ("\x0a\x0a\x0a\x06<0x41>\x18\x06"),
      BAD_MODEL "piece 4 is of type BYTE, but byte_fallback is false" },
  { "byte-in-small-letters", BYTES (BYTE_FALLBACK "\x0a\x0a\x0a\x06<0x4a>\x18\x06"),
      BAD_MODEL "piece 4 is of type BYTE, but its name is no byte's" },
  { "byte-of-short-name", BYTES (BYTE_FALLBACK "\x0a\x09\x0a\x05<0x4>\x18\x06"),
      BAD_MODEL "piece 4 is of type BYTE, but its name is no byte's" },
  { "bytes-missing", BYTES (BYTE_FALLBACK "\x0a\x0a\x0a\x06<0x00>\x18\x06\x0a\x08\x0a\x06<0x01>"),
      BAD_MODEL "byte_fallback is true, but no piece of type BYTE is called <0x01>" },
  { "piece-empty", BYTES ("\x0a\x00"), MODEL ": piece 4 is not a text" },
  { "piece-without-text", BYTES ("\x0a\x02\x18\x01"), MODEL ": piece 4 is not a text" },
  { "piece-no-utf8", BYTES ("\x0a\x03\x0a\x01\xff"), MODEL ": piece 4 is not a text" },
  { "piece-with-nul", BYTES ("\x0a\x05\x0a\x03z\0q"), MODEL ": piece 4 is not a text" },
  { "piece-twice", BYTES ("\x0a\x03\x0a\x01y"), MODEL ": piece 4 (y) is there twice" },
  { "score-nan", BYTES ("\x0a\x08\x0a\x01z\x15\0\0\xc0\x7f"), MODEL ": piece 4 (z) has no finite score" },
};

static void
test_broken_model (gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);
  g_autoptr (GString) model = g_string_new_len (BYTES (FOUR_PIECES));

  g_string_append_len (model, broken[i].bytes, broken[i].n_bytes);
  assert_refused (trained_variant (MODEL, model->str, model->len), MINIVL_ERROR_FILE, broken[i].expected);
}

static void
test_model_without_unknown_is_refused (void)
{
  static const gchar *const expected = BAD_MODEL "no piece is of type UNKNOWN, and none is called <unk>";

  assert_refused (trained_variant (MODEL, "", 0), MINIVL_ERROR_FILE, expected);
  assert_refused (trained_variant (MODEL, BYTES ("\x0a\x03\x0a\x01y\x12\x02\x18\x02")), MINIVL_ERROR_FILE, expected);
}

static void
test_too_many_pieces_are_refused (void)
{
  g_autoptr (GString) model = g_string_new (NULL);

  for (guint i = 0; i <= SP_MAX_PIECES; i++)
    g_string_append_len (model, "\x0a\x00", 2); /* a macro since GLib 2.76, for which BYTES is one argument */
  assert_refused (trained_variant (MODEL, model->str, model->len), MINIVL_ERROR_FILE, BAD_MODEL "it has more than 1048576 pieces");
}

static void
assert_piece (const SpModel *model, guint id, const gchar *text, float score, SpType type)
{
  const SpPiece *piece = &g_array_index (model->pieces, SpPiece, id);

  g_assert_cmpmem (piece->text, piece->length, text, strlen (text));
  g_assert_true (piece->score == score);
  g_assert_cmpint (piece->type, ==, type);
}

static SpModel *
read_model (const gchar *bytes, gsize n_bytes)
{
  g_autoptr (GError) error = NULL;
  SpModel *model = sp_model_read (bytes, n_bytes, MODEL, &error);

  g_assert_no_error (error);
  return model;
}

/* Unusual, but as the format has it. The bytes outlive the model, and so do literals. */
static void
test_model_is_read_as_the_format_says (void)
{
  /* Of two values the last counts, a type that is not known is absent, an enum has 32 bits of 64, lengths may have empty digits. */
  g_autoptr (SpModel) odd = read_model (BYTES ("\x12\x02\x18\x02" /* trainer_spec first */
                                               "\x0a\x8b\x80\x00\x18\x02\x0a\x01x\x0a\x04last"
                                               "\x0a\x0f\x15\0\0\x80\x3f\x0a\x01y\x15\0\0\0\xc0\x18\x03"
                                               "\x0a\x0c\x18\x84\x80\x80\x80\x10\x18\x63\x0a\x02yz"
                                               "\x12\x00\x12\x03\x98\x02\x00" /* more of trainer_spec, nothing of model_type */));
  /* Everywhere */
  g_autoptr (SpModel) strange = read_model (BYTES (STRANGE "\x0a\x1f" STRANGE "\x0a\x05<unk>"
                                                           "\x12\x1a" STRANGE "\x18\x01"
                                                           "\x1a\x02\x18\x01\x22\x04\x0a\x02\x0a\x00\x2a\x00"));

  g_assert_cmpuint (odd->pieces->len, ==, 3);
  g_assert_true (odd->is_bpe);
  assert_piece (odd, 0, "last", 0, SP_UNKNOWN);
  assert_piece (odd, 1, "y", -2, SP_CONTROL);
  assert_piece (odd, 2, "yz", 0, SP_USER_DEFINED);
  g_assert_cmpuint (strange->pieces->len, ==, 1);
  g_assert_false (strange->is_bpe);
  assert_piece (strange, 0, "<unk>", 0, SP_UNKNOWN);
}

static void
test_absent_fields_have_their_defaults (void)
{
  g_autoptr (SpModel) model = read_model (BYTES ("\x0a\x05\x0a\x01u\x18\x02\x0a\x03\x0a\x01y"));

  g_assert_cmpuint (model->pieces->len, ==, 2);
  assert_piece (model, 0, "u", 0, SP_UNKNOWN);
  assert_piece (model, 1, "y", 0, SP_NORMAL);
  g_assert_false (model->is_bpe); /* unigram */
}

static void
test_type_of_model_absent_is_refused (void)
{
  assert_refused (
      trained_variant (MODEL, BYTES ("\x0a\x05\x0a\x01u\x18\x02")), MINIVL_ERROR_MODEL, MODEL ": model_type: only BPE is known");
}

/* spm_train lists what it wrote. */
static void
test_pieces_are_those_that_were_trained (void)
{
  gsize length;
  g_autofree gchar *bytes = trained_read (MODEL, &length), *list = trained_read ("tokenizer.vocab", NULL);
  g_auto (GStrv) lines = g_strsplit (list, "\n", -1);
  g_autoptr (SpModel) model = read_model (bytes, length);

  g_assert_true (model->is_bpe);
  g_assert_cmpuint (model->pieces->len, ==, TRAINED_PIECES);
  for (guint id = 0; id < TRAINED_PIECES; id++) {
    g_auto (GStrv) row = g_strsplit (lines[id], "\t", 2);
    SpType type = id == 0 ? SP_UNKNOWN : id < 3 ? SP_CONTROL : id < 259 ? SP_BYTE : SP_NORMAL;

    assert_piece (model, id, row[0], g_ascii_strtod (row[1], NULL), type);
  }
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
    t = tokenizer_load (folder, FALSE, &error);
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
  t = tokenizer_load (folder, FALSE, &error);
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
  g_autoptr (Tokenizer) t = tokenizer_load (folder, FALSE, &error);

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
  g_autoptr (Tokenizer) t = tokenizer_load (folder, FALSE, &error);
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
  g_autoptr (Tokenizer) t = tokenizer_load (folder, FALSE, NULL);

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
  for (guint i = 0; i < G_N_ELEMENTS (broken); i++) {
    g_autofree gchar *path = g_strconcat ("/tokenizer-files/broken/", broken[i].name, NULL);
    g_test_add_data_func (path, GUINT_TO_POINTER (i), test_broken_model);
  }
  g_test_add_func ("/tokenizer-files/model_without_unknown_is_refused", test_model_without_unknown_is_refused);
  g_test_add_func ("/tokenizer-files/too_many_pieces_are_refused", test_too_many_pieces_are_refused);
  g_test_add_func ("/tokenizer-files/model_is_read_as_the_format_says", test_model_is_read_as_the_format_says);
  g_test_add_func ("/tokenizer-files/absent_fields_have_their_defaults", test_absent_fields_have_their_defaults);
  g_test_add_func ("/tokenizer-files/type_of_model_absent_is_refused", test_type_of_model_absent_is_refused);
  g_test_add_func ("/tokenizer-files/pieces_are_those_that_were_trained", test_pieces_are_those_that_were_trained);
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

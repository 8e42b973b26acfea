/* The slow tokenizer: what transformers made of random texts and ids with data/tokenizer, and the words of people. */
#include "model/tokenizer.h"

#include <json-glib/json-glib.h>
#include <string.h>

#define FOLDER TEST_DATA "/tokenizer"
#define MARK "\xe2\x96\x81"
#define END 1003

static Tokenizer *
load (gboolean slow)
{
  g_autoptr (GError) error = NULL;
  Tokenizer *t = tokenizer_load (FOLDER, slow, &error);

  g_assert_no_error (error);
  return t;
}

static GArray *
read_ids (JsonObject *row, const gchar *key)
{
  JsonArray *list = json_object_get_array_member (row, key);
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (gint32));

  for (guint i = 0; i < json_array_get_length (list); i++) {
    gint32 id = json_array_get_int_element (list, i);

    g_array_append_val (ids, id);
  }
  return ids;
}

typedef void (*RowFunc) (const Tokenizer *t, JsonObject *row);

static void
each_row (RowFunc func)
{
  g_autoptr (Tokenizer) t = load (TRUE);
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;
  JsonArray *rows;

  json_parser_load_from_file (parser, FOLDER "/slow.json", &error);
  g_assert_no_error (error);
  rows = json_node_get_array (json_parser_get_root (parser));
  g_assert_cmpuint (json_array_get_length (rows), ==, 300);
  for (guint i = 0; i < json_array_get_length (rows); i++)
    func (t, json_array_get_object_element (rows, i));
}

static void
check_encoded (const Tokenizer *t, JsonObject *row)
{
  g_autoptr (GArray) golden = read_ids (row, "ids");
  guint n;
  g_autofree gint32 *ids = tokenizer_encode (t, json_object_get_string_member (row, "text"), -1, &n);

  g_assert_cmpmem (ids, n * sizeof *ids, golden->data, golden->len * sizeof (gint32));
}

static void
check_decoded (const Tokenizer *t, JsonObject *row)
{
  g_autoptr (GArray) ids = read_ids (row, "other");
  g_autofree gchar *text = tokenizer_decode (t, (const gint32 *)(gpointer)ids->data, ids->len, FALSE),
                   *raw = tokenizer_decode (t, (const gint32 *)(gpointer)ids->data, ids->len, TRUE);

  g_assert_cmpstr (text, ==, json_object_get_string_member (row, "decoded"));
  g_assert_cmpstr (raw, ==, json_object_get_string_member (row, "raw"));
}

static void
check_streamed (const Tokenizer *t, JsonObject *row)
{
  g_autoptr (GArray) ids = read_ids (row, "other");
  g_autoptr (TextStream) stream = text_stream_new (t, NULL);
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i <= ids->len; i++) {
    gboolean stopped = FALSE;
    g_autofree gchar *piece =
        i < ids->len ? text_stream_push (stream, g_array_index (ids, gint32, i), &stopped) : text_stream_end (stream);

    g_assert_false (stopped);
    if (piece) {
      g_assert_true (g_utf8_validate (piece, -1, NULL));
      g_string_append (text, piece);
    }
  }
  g_assert_cmpstr (text->str, ==, json_object_get_string_member (row, "decoded"));
}

static void
test_texts_have_the_recorded_ids (void)
{
  each_row (check_encoded);
}

static void
test_ids_have_the_recorded_texts (void)
{
  each_row (check_decoded);
}

static void
test_streams_have_the_recorded_texts (void)
{
  each_row (check_streamed);
}

static guint
count (const Tokenizer *t, const gchar *text, gint32 id)
{
  guint n, found = 0;
  g_autofree gint32 *ids = tokenizer_encode (t, text, -1, &n);

  for (guint i = 0; i < n; i++)
    found += ids[i] == id;
  return found;
}

/* What the two differ in most: the fast one puts a mark behind each token. */
static void
test_no_mark_behind_a_token (void)
{
  g_autoptr (Tokenizer) slow = load (TRUE), fast = load (FALSE);

  g_assert_true (tokenizer_is_slow (slow));
  g_assert_false (tokenizer_is_slow (fast));
  g_assert_cmpuint (count (slow, "<img>Z<img>Z", tokenizer_id (slow, MARK)), ==, 0);
  g_assert_cmpuint (count (fast, "<img>Z<img>Z", tokenizer_id (fast, MARK)), ==, 2);
}

/* Words of people make no special token, and ids are otherwise those of the text as a whole. */
static void
test_words_of_people_are_text (void)
{
  static const gchar text[] = "<|end|>a <|end|>  b</s>c<unk><0x0A>";
  g_autoptr (Tokenizer) t = load (TRUE);
  const TextRange all = { 0, strlen (text) }, some = { 7, 11 };
  guint n, m, ends = 0;
  g_autofree gint32 *ids = tokenizer_encode_parts (t, text, -1, &all, 1, &n);
  g_autofree gint32 *mixed = NULL, *plain = NULL, *marked = NULL;
  g_autofree gchar *back = tokenizer_decode (t, ids, n, TRUE);

  for (guint i = 1; i < n; i++)
    g_assert_true (ids[i] > 2 && ids[i] < 1000);
  g_assert_cmpstr (back, ==, "<s> <|end|>a <|end|>  b</s>c<unk><0x0A>");

  mixed = tokenizer_encode_parts (t, text, -1, &some, 1, &n);
  for (guint i = 0; i < n; i++)
    ends += mixed[i] == END;
  g_assert_cmpuint (ends, ==, 1);

  plain = tokenizer_encode (t, "one two " MARK " three", -1, &n);
  marked = tokenizer_encode_parts (t, "one two " MARK " three", -1, &(TextRange){ 4, 14 }, 1, &m);
  g_assert_cmpmem (plain, n * sizeof *plain, marked, m * sizeof *marked);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tokenizer-slow/texts-have-the-recorded-ids", test_texts_have_the_recorded_ids);
  g_test_add_func ("/tokenizer-slow/ids-have-the-recorded-texts", test_ids_have_the_recorded_texts);
  g_test_add_func ("/tokenizer-slow/streams-have-the-recorded-texts", test_streams_have_the_recorded_texts);
  g_test_add_func ("/tokenizer-slow/no-mark-behind-a-token", test_no_mark_behind_a_token);
  g_test_add_func ("/tokenizer-slow/words-of-people-are-text", test_words_of_people_are_text);
  return g_test_run ();
}

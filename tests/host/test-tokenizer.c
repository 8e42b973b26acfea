/* Text to ids and back, by rules that a slow encoder of this file's own and the reference's documentation give. */
#include "model/tokenizer.h"
#include "trained.h"

#include <string.h>

#define MARK "\xe2\x96\x81"
#define BAD "\xef\xbf\xbd"
#define BYTE(b) (3 + (b)) /* the byte pieces stand behind <unk>, <s>, </s> */


/* --- the slow encoder: every pair is looked at before every merge ------------------------------------------------------------ */

typedef struct
{
  GHashTable *ids; /* piece -> id */
  double score[TRAINED_PIECES];
} Slow;

static void
slow_init (Slow *s)
{
  g_autofree gchar *text = trained_read ("tokenizer.vocab", NULL);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  s->ids = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < TRAINED_PIECES; i++) {
    g_auto (GStrv) row = g_strsplit (lines[i], "\t", 2);

    g_hash_table_insert (s->ids, g_strdup (row[0]), GINT_TO_POINTER (i));
    s->score[i] = g_ascii_strtod (row[1], NULL);
  }
}

static gint
slow_id (const Slow *s, const gchar *piece)
{
  gpointer id;

  return g_hash_table_lookup_extended (s->ids, piece, NULL, &id) ? GPOINTER_TO_INT (id) : -1;
}

/* The order in which the converter lists merges: score, then left, then right */
static gboolean
slow_is_better (const Slow *s, const gint a[3], const gint b[3])
{
  if (s->score[a[0]] != s->score[b[0]])
    return s->score[a[0]] > s->score[b[0]];
  return a[0] != b[0] ? a[0] < b[0] : a[1] != b[1] ? a[1] < b[1] : a[2] < b[2];
}

/* text: between tokens, not empty */
static void
slow_encode (const Slow *s, const gchar *text, GArray *ids)
{
  g_autoptr (GPtrArray) parts = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GString) marked = g_string_new (MARK);

  g_string_append (marked, text);
  g_string_replace (marked, " ", MARK, 0);
  for (const gchar *p = marked->str; *p; p = g_utf8_next_char (p)) {
    gchar *character = g_strndup (p, g_utf8_next_char (p) - p);

    if (slow_id (s, character) >= 0)
      g_ptr_array_add (parts, character);
    else {
      for (const gchar *b = character; *b; b++)
        g_ptr_array_add (parts, g_strdup_printf ("<0x%02X>", (guint8)*b));
      g_free (character);
    }
  }
  for (;;) {
    gint best[3] = { -1, 0, 0 };
    guint at = 0;
    gchar *left;

    for (guint i = 0; i + 1 < parts->len; i++) {
      g_autofree gchar *both = g_strconcat (parts->pdata[i], parts->pdata[i + 1], NULL);
      gint pair[3] = { slow_id (s, both), slow_id (s, parts->pdata[i]), slow_id (s, parts->pdata[i + 1]) };

      if (pair[0] >= 0 && (best[0] < 0 || slow_is_better (s, pair, best))) {
        memcpy (best, pair, sizeof best);
        at = i;
      }
    }
    if (best[0] < 0)
      break;
    left = parts->pdata[at];
    parts->pdata[at] = g_strconcat (left, parts->pdata[at + 1], NULL);
    g_free (left);
    g_ptr_array_remove_index (parts, at + 1);
  }
  for (guint i = 0; i < parts->len; i++) {
    gint32 id = slow_id (s, parts->pdata[i]);
    g_array_append_val (ids, id);
  }
}

typedef struct
{
  Tokenizer *t;
  Slow slow;
} Fixture;

static void
set_up (Fixture *f, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;

  f->t = tokenizer_load (trained_folder (), FALSE, &error);
  g_assert_no_error (error);
  slow_init (&f->slow);
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  tokenizer_free (f->t);
  g_hash_table_unref (f->slow.ids);
}

/* A token, or with id -1 the ids of a text between tokens */
typedef struct
{
  gint32 id;
  const gchar *text;
} Part;

static void
assert_encoded (Fixture *f, const gchar *text, gssize length, const Part *parts, guint n_parts)
{
  g_autoptr (GArray) expected = g_array_new (FALSE, FALSE, sizeof (gint32));
  g_autofree gint32 *ids = NULL;
  gint32 bos = 1;
  guint n;

  g_array_append_val (expected, bos);
  for (guint i = 0; i < n_parts; i++)
    if (parts[i].id >= 0)
      g_array_append_val (expected, parts[i].id);
    else
      slow_encode (&f->slow, parts[i].text, expected);
  ids = tokenizer_encode (f->t, text, length, &n);
  if (n != expected->len || memcmp (ids, expected->data, n * sizeof *ids) != 0)
    g_test_message ("of \"%s\"", text);
  g_assert_cmpmem (ids, n * sizeof *ids, expected->data, expected->len * sizeof (gint32));
}

#define ASSERT_ENCODED(f, text, ...)                                                                                               \
  assert_encoded (f, text, -1, (const Part[]){ __VA_ARGS__ }, sizeof ((const Part[]){ __VA_ARGS__ }) / sizeof (Part))
#define TEXT(text)                                                                                                                 \
  {                                                                                                                                \
    -1, text                                                                                                                       \
  }
#define TOKEN(id)                                                                                                                  \
  {                                                                                                                                \
    id, NULL                                                                                                                       \
  }

static void
assert_decoded (Fixture *f, const gint32 *ids, guint n, gboolean raw, const gchar *expected, gsize length)
{
  g_autoptr (GString) text = tokenizer_decode_string (f->t, ids, n, raw);

  g_assert_cmpmem (text->str, text->len, expected, length);
}

#define ASSERT_DECODED(f, raw, expected, ...)                                                                                      \
  assert_decoded (f, (const gint32[]){ __VA_ARGS__ }, sizeof ((const gint32[]){ __VA_ARGS__ }) / sizeof (gint32), raw, expected,   \
      sizeof expected - 1)

/* --- pieces ------------------------------------------------------------------------------------------------------------------ */

static void
test_merges_by_rank (Fixture *f, gconstpointer unused)
{
  g_autofree gchar *text = NULL;
  g_auto (GStrv) lines = NULL;

  g_file_get_contents (TEST_DATA "/tokenizer-text.txt", &text, NULL, NULL);
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] && lines[i][0]; i++)
    ASSERT_ENCODED (f, lines[i], TEXT (lines[i]));
}

static void
test_runs_of_one_character (Fixture *f, gconstpointer unused)
{
  g_autoptr (GString) text = g_string_new (NULL);

  /* Every pair of a run makes the same piece: the leftmost is merged first. */
  for (guint n = 1; n < 40; n++) {
    g_string_append (text, n % 3 ? "x" : " ");
    ASSERT_ENCODED (f, text->str, TEXT (text->str));
  }
  for (guint n = 1; n < 40; n++) {
    g_autofree gchar *run = g_strnfill (n, n % 2 ? 'x' : 'a');
    ASSERT_ENCODED (f, run, TEXT (run));
  }
}

static void
test_white_space_is_kept (Fixture *f, gconstpointer unused)
{
  static const gchar *const texts[] = { " ", "  ", "   ", " a", "a ", "a  b", "\t", "a\n\nb", "\r\n", "\xc2\xa0", MARK, MARK " " };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    ASSERT_ENCODED (f, texts[i], TEXT (texts[i]));
  assert_encoded (f, "", -1, NULL, 0);
}

static void
test_unknown_characters_are_bytes (Fixture *f, gconstpointer unused)
{
  gint32 space = slow_id (&f->slow, MARK);

  ASSERT_ENCODED (
      f, "\xf0\x9f\x90\xbc", TOKEN (space), TOKEN (BYTE (0xf0)), TOKEN (BYTE (0x9f)), TOKEN (BYTE (0x90)), TOKEN (BYTE (0xbc)));
  assert_encoded (f, "\0\n", 2, (const Part[]){ TOKEN (space), TOKEN (BYTE (0)), TOKEN (BYTE ('\n')) }, 3);
}

static void
test_bytes_without_meaning_are_replaced (Fixture *f, gconstpointer unused)
{
  static const gchar *const texts[] = { "a\xff z", "\xc3", "\xe2\x96", "\xed\xa0\x80", "\xc0\x80", "\xf8\x88\x80\x80\x80" };
  static const gchar *const replaced[] = { "a" BAD " z", BAD, BAD BAD, BAD BAD BAD, BAD BAD, BAD BAD BAD BAD BAD };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    ASSERT_ENCODED (f, texts[i], TEXT (replaced[i]));
}

static void
test_long_text_without_spaces (Fixture *f, gconstpointer unused)
{
  const guint n_characters = 200000;
  g_autofree gchar *text = g_strnfill (n_characters, 'x'), *back = NULL;
  g_autofree gint32 *ids = NULL;
  guint n;

  /* A quadratic encoder would take minutes. */
  ids = tokenizer_encode (f->t, text, -1, &n);
  back = tokenizer_decode (f->t, ids, n, FALSE);
  g_assert_cmpstr (back, ==, text);
  g_assert_cmpuint (n, <=, n_characters / 4 + 1);
}

/* --- added tokens ------------------------------------------------------------------------------------------------------------ */

static void
test_tokens_in_text (Fixture *f, gconstpointer unused)
{
  ASSERT_ENCODED (f, "<img></img>", TOKEN (TRAINED_IMG), TOKEN (TRAINED_IMG_END));
  ASSERT_ENCODED (f, "a<img>b", TEXT ("a"), TOKEN (TRAINED_IMG), TEXT ("b"));
  ASSERT_ENCODED (f, " <img> b", TEXT (" "), TOKEN (TRAINED_IMG), TEXT (" b"));
  ASSERT_ENCODED (f, "<s></s><unk>", TOKEN (1), TOKEN (2), TOKEN (0));
  ASSERT_ENCODED (f, "<IMG>", TEXT ("<IMG>"));
  ASSERT_ENCODED (f, "<im", TEXT ("<im"));
  ASSERT_ENCODED (f, "<<img>>", TEXT ("<"), TOKEN (TRAINED_IMG), TEXT (">"));
}

static void
test_longest_token_wins (Fixture *f, gconstpointer unused)
{
  ASSERT_ENCODED (f, "<quad>ruple", TOKEN (TRAINED_QUAD_LONG));
  ASSERT_ENCODED (f, "<quad>rupl", TOKEN (TRAINED_QUAD), TEXT ("rupl"));
}

static void
test_rstrip_takes_white_space (Fixture *f, gconstpointer unused)
{
  ASSERT_ENCODED (
      f, "<|user|>\nhi<|end|>\n<|assistant|>\n", TOKEN (TRAINED_USER), TEXT ("hi"), TOKEN (TRAINED_END), TOKEN (TRAINED_ASSISTANT));
  ASSERT_ENCODED (f, "<|end|> \t\n\v\f\r\xc2\x85\xc2\xa0\xe1\x9a\x80\xe2\x80\x83\xe2\x80\xa8\xe2\x80\xaf\xe2\x81\x9f\xe3\x80\x80x",
      TOKEN (TRAINED_END), TEXT ("x"));
  /* zero width space and byte order mark are none, and what stands before the token stays */
  ASSERT_ENCODED (f, " <|end|>\xe2\x80\x8b", TEXT (" "), TOKEN (TRAINED_END), TEXT ("\xe2\x80\x8b"));
  ASSERT_ENCODED (f, "<|end|>\xef\xbb\xbf", TOKEN (TRAINED_END), TEXT ("\xef\xbb\xbf"));
  ASSERT_ENCODED (f, "</s> x", TOKEN (2), TEXT ("x"));
  ASSERT_ENCODED (f, "<|endoftext|> x", TOKEN (TRAINED_ENDOFTEXT), TEXT (" x"));
}

static void
test_lstrip_takes_white_space (Fixture *f, gconstpointer unused)
{
  ASSERT_ENCODED (f, "a \n<left> b", TEXT ("a"), TOKEN (TRAINED_LEFT), TEXT (" b"));
  ASSERT_ENCODED (f, "<|end|>\n<left>", TOKEN (TRAINED_END), TOKEN (TRAINED_LEFT));
  ASSERT_ENCODED (f, " \xe3\x80\x80<left>", TOKEN (TRAINED_LEFT));
}

static void
test_single_word_stands_alone (Fixture *f, gconstpointer unused)
{
  ASSERT_ENCODED (f, "zqz", TOKEN (TRAINED_WORD));
  ASSERT_ENCODED (f, "(zqz)", TEXT ("("), TOKEN (TRAINED_WORD), TEXT (")"));
  ASSERT_ENCODED (f, "zqzs", TEXT ("zqzs"));
  ASSERT_ENCODED (f, "\xc3\xa9zqz", TEXT ("\xc3\xa9zqz"));
  ASSERT_ENCODED (f, "zqz_", TEXT ("zqz_"));
}

static void
test_normalized_token_is_marked (Fixture *f, gconstpointer unused)
{
  /* Normalising puts a mark in front of the token too, so it is found behind a space or at the beginning. */
  ASSERT_ENCODED (f, "<n o>", TOKEN (TRAINED_NORMALIZED));
  ASSERT_ENCODED (f, "a<n o>", TEXT ("a<n o>"));
  ASSERT_ENCODED (f, "a <n o>", TEXT ("a"), TOKEN (TRAINED_NORMALIZED));
}

/* --- ids to text ------------------------------------------------------------------------------------------------------------- */

static void
test_round_trip (Fixture *f, gconstpointer unused)
{
  guint n_tested = 0;

  for (guint i = 0; i < 1000; i++) {
    g_autofree gchar *text = trained_random_text (4), *back = NULL;
    g_autofree gint32 *ids = NULL;
    guint n;

    /* Tokens take white space and get spaces behind them: only text without any comes back as it was. And a mark is a space. */
    if (strpbrk (text, "<z") || strstr (text, MARK))
      continue;
    ids = tokenizer_encode (f->t, text, -1, &n);
    back = tokenizer_decode (f->t, ids, n, FALSE);
    g_assert_cmpstr (back, ==, text);
    n_tested++;
  }
  g_assert_cmpuint (n_tested, >, 100);
}

static void
test_special_tokens_are_skipped (Fixture *f, gconstpointer unused)
{
  gint32 a = slow_id (&f->slow, MARK "a");

  g_assert_cmpint (a, >, 0);
  ASSERT_DECODED (f, FALSE, "a a", 1, TRAINED_USER, a, TRAINED_END, a, TRAINED_ENDOFTEXT);
  ASSERT_DECODED (f, TRUE, "<s><|user|> a<|end|> a<|endoftext|>", 1, TRAINED_USER, a, TRAINED_END, a, TRAINED_ENDOFTEXT);
  /* The file says otherwise of </s>, the converter has the last word. */
  ASSERT_DECODED (f, FALSE, "a", 2, a, 0);
  ASSERT_DECODED (f, FALSE, "<quad>", TRAINED_QUAD);
}

static void
test_first_space_goes (Fixture *f, gconstpointer unused)
{
  gint32 a = slow_id (&f->slow, MARK "a"), space = slow_id (&f->slow, MARK);

  ASSERT_DECODED (f, FALSE, "", space);
  ASSERT_DECODED (f, FALSE, " a", space, a);
  ASSERT_DECODED (f, FALSE, "", BYTE (' '));
  ASSERT_DECODED (f, FALSE, "<quad> a", TRAINED_QUAD, a);
}

static void
test_byte_runs (Fixture *f, gconstpointer unused)
{
  gint32 a = slow_id (&f->slow, "a");

  ASSERT_DECODED (f, FALSE, "\xc3\xa9", BYTE (0xc3), BYTE (0xa9));
  ASSERT_DECODED (f, FALSE, "a" BAD "a", a, BYTE (0xc3), a);
  /* One wrong byte spoils its run, and no other. */
  ASSERT_DECODED (f, FALSE, BAD BAD BAD "a\n", BYTE ('x'), BYTE (0xc3), BYTE ('y'), a, BYTE ('\n'));
  /* A token that is skipped does not end a run. */
  ASSERT_DECODED (f, FALSE, "\xc3\xa9", BYTE (0xc3), TRAINED_END, BYTE (0xa9));
  ASSERT_DECODED (f, TRUE, BAD "<|end|>" BAD, BYTE (0xc3), TRAINED_END, BYTE (0xa9));
  ASSERT_DECODED (f, FALSE, "\0a", BYTE (0), a);
  ASSERT_DECODED (f, FALSE, BAD BAD, BYTE (0), BYTE (0xff));
}

static void
test_nul_in_c_string (Fixture *f, gconstpointer unused)
{
  gint32 ids[] = { BYTE ('x'), BYTE (0), BYTE ('y') };
  g_autofree gchar *text = tokenizer_decode (f->t, ids, G_N_ELEMENTS (ids), FALSE);

  g_assert_cmpstr (text, ==, "x" BAD "y");
}

static void
test_ids_out_of_range (Fixture *f, gconstpointer unused)
{
  gint32 a = slow_id (&f->slow, "a");

  ASSERT_DECODED (f, TRUE, "aa", a, -1, TRAINED_SIZE, G_MAXINT32, G_MININT32, a);
  g_assert_null (tokenizer_token (f->t, -1));
  g_assert_null (tokenizer_token (f->t, TRAINED_SIZE));
  g_assert_false (tokenizer_is_special (f->t, TRAINED_SIZE));
}

static void
test_names (Fixture *f, gconstpointer unused)
{
  g_assert_cmpuint (tokenizer_size (f->t), ==, TRAINED_SIZE);
  g_assert_cmpint (tokenizer_bos (f->t), ==, 1);
  g_assert_cmpint (tokenizer_eos (f->t), ==, TRAINED_ENDOFTEXT);
  g_assert_cmpint (tokenizer_id (f->t, "<|end|>"), ==, TRAINED_END);
  g_assert_cmpint (tokenizer_id (f->t, "</s>"), ==, 2);
  g_assert_cmpint (tokenizer_id (f->t, "no such token"), ==, -1);
  for (gint32 id = 0; id < TRAINED_SIZE; id++)
    g_assert_cmpint (tokenizer_id (f->t, tokenizer_token (f->t, id)), ==, id);
}

#define ADD(name) g_test_add ("/tokenizer/" #name, Fixture, NULL, set_up, test_##name, tear_down)

int
main (int argc, char **argv)
{
  int failures;

  g_test_init (&argc, &argv, NULL);
  ADD (merges_by_rank);
  ADD (runs_of_one_character);
  ADD (white_space_is_kept);
  ADD (unknown_characters_are_bytes);
  ADD (bytes_without_meaning_are_replaced);
  ADD (long_text_without_spaces);
  ADD (tokens_in_text);
  ADD (longest_token_wins);
  ADD (rstrip_takes_white_space);
  ADD (lstrip_takes_white_space);
  ADD (single_word_stands_alone);
  ADD (normalized_token_is_marked);
  ADD (round_trip);
  ADD (special_tokens_are_skipped);
  ADD (first_space_goes);
  ADD (byte_runs);
  ADD (nul_in_c_string);
  ADD (ids_out_of_range);
  ADD (names);
  failures = g_test_run ();
  trained_clear ();
  return failures;
}

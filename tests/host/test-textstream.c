/* Text as it is made: the pieces are the whole, characters are whole, and no part of a stop string is ever shown. */
#include "model/tokenizer.h"
#include "trained.h"

#include <string.h>

#define BAD "\xef\xbf\xbd"
#define BYTE(b) (3 + (b))

static void
set_up (Tokenizer **t, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;

  *t = tokenizer_load (trained_folder (), FALSE, &error);
  g_assert_no_error (error);
}

static void
tear_down (Tokenizer **t, gconstpointer unused)
{
  tokenizer_free (*t);
}

/* What is left of a text: it ends before the stop string that is complete first, of several the longest. */
static gchar *
cut (const gchar *text, const gchar *const *stop, gboolean *stopped)
{
  gsize n = strlen (text);

  *stopped = FALSE;
  for (gsize end = 1; end <= n; end++) {
    g_autofree gchar *so_far = g_strndup (text, end);
    gsize longest = 0;

    for (guint i = 0; stop[i]; i++)
      if (stop[i][0] && g_str_has_suffix (so_far, stop[i]))
        longest = MAX (longest, strlen (stop[i]));
    if (longest > 0) {
      *stopped = TRUE;
      return g_strndup (text, end - longest);
    }
  }
  return g_strdup (text);
}

static gint32
random_id (void)
{
  static const gchar *const characters[] = { "\xc3\xa9", "\xe4\xba\xba", "\xf0\x9f\x90\xbc", " ", "\n", "a" };

  switch (g_test_rand_int_range (0, 4)) {
    case 0:
      return BYTE (g_test_rand_int_range (0, 256));
    case 1: {
      const gchar *character = characters[g_test_rand_int_range (0, G_N_ELEMENTS (characters))];
      return BYTE ((guint8)character[g_test_rand_int_range (0, strlen (character))]);
    }
    case 2:
      return g_test_rand_int_range (TRAINED_PIECES, TRAINED_SIZE);
    default:
      return g_test_rand_int_range (0, TRAINED_PIECES);
  }
}

/* A stretch of the text that will come, so that it is met, or anything. */
static gchar *
random_stop (const gchar *text)
{
  glong n = g_utf8_strlen (text, -1), from;

  if (n < 3 || g_test_rand_int_range (0, 4) == 0)
    return trained_random_text (1);
  from = g_test_rand_int_range (0, n - 1);
  return g_utf8_substring (text, from, from + g_test_rand_int_range (1, MIN (n - from, 8) + 1));
}

/* Pushes all ids and returns all pieces in one. */
static gchar *
stream (const Tokenizer *t, const gint32 *ids, guint n, const gchar *const *stop, gboolean *stopped)
{
  g_autoptr (TextStream) s = text_stream_new (t, stop);
  g_autoptr (GString) all = g_string_new (NULL);

  *stopped = FALSE;
  for (guint i = 0; i < n; i++) {
    gboolean was_stopped = *stopped;
    g_autofree gchar *piece = text_stream_push (s, ids[i], stopped);

    g_assert_false (was_stopped && (piece || !*stopped));
    if (piece) {
      g_assert_cmpstr (piece, !=, "");
      g_assert_true (g_utf8_validate (piece, -1, NULL));
      g_string_append (all, piece);
    }
    g_assert_true (g_str_has_prefix (text_stream_text (s), all->str));
  }
  {
    g_autofree gchar *rest = text_stream_end (s);

    g_assert_false (*stopped && rest);
    if (rest)
      g_string_append (all, rest);
  }
  g_assert_cmpstr (text_stream_text (s), ==, all->str);
  return g_string_free (g_steal_pointer (&all), FALSE);
}

static void
test_pieces_are_the_whole (Tokenizer **t, gconstpointer unused)
{
  guint n_stopped = 0;

  for (guint round = 0; round < 3000; round++) {
    gint32 ids[30];
    guint n = g_test_rand_int_range (0, G_N_ELEMENTS (ids) + 1), n_stops = g_test_rand_int_range (0, 4);
    g_autofree gchar *text = NULL, *expected = NULL, *streamed = NULL;
    g_auto (GStrv) stop = g_new0 (gchar *, 5);
    gboolean stopped, expect_stopped;

    for (guint i = 0; i < n; i++)
      ids[i] = random_id ();
    text = tokenizer_decode (*t, ids, n, FALSE);
    for (guint i = 0; i < n_stops; i++)
      stop[i] = random_stop (text);
    streamed = stream (*t, ids, n, (const gchar *const *)stop, &stopped);
    expected = cut (text, (const gchar *const *)stop, &expect_stopped);
    g_assert_cmpstr (streamed, ==, expected);
    /* A stop string that only the end completes is cut, but no push has told. */
    g_assert_true (expect_stopped || !stopped);
    n_stopped += stopped;
  }
  g_assert_cmpuint (n_stopped, >, 300);
}

static void
test_first_complete_stop_counts (Tokenizer **t, gconstpointer unused)
{
  static const struct
  {
    const gchar *text, *stop[3], *expected;
  } cases[] = {
    { "one two three", { "two" }, "one " },
    { "one two three", { "three", "two" }, "one " },
    { "abcd", { "abcd", "bc" }, "a" },
    { "abcd", { "bc", "abc" }, "" },
    { "aab", { "ab" }, "a" },
    { "one two", { "" }, "one two" },
    { "one two", { "two three" }, "one two" },
    { "one two", { "\xff" }, "one two" },
    { "gr\xc3\xbc\xc3\x9f", { "\xc3\x9f" }, "gr\xc3\xbc" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    guint n;
    g_autofree gint32 *ids = tokenizer_encode (*t, cases[i].text, -1, &n);
    gboolean stopped;
    g_autofree gchar *text = stream (*t, ids, n, cases[i].stop, &stopped);

    g_assert_cmpstr (text, ==, cases[i].expected);
  }
}

static void
assert_push (TextStream *s, gint32 id, const gchar *expected, gboolean expect_stopped)
{
  gboolean stopped;
  g_autofree gchar *piece = text_stream_push (s, id, &stopped);

  g_assert_cmpstr (piece, ==, expected);
  g_assert_cmpint (stopped, ==, expect_stopped);
}

static void
test_bytes_wait_for_their_run (Tokenizer **t, gconstpointer unused)
{
  g_autoptr (TextStream) s = text_stream_new (*t, NULL);
  gint32 x = tokenizer_id (*t, "x");
  g_autofree gchar *rest = NULL;

  assert_push (s, x, "x", FALSE);
  assert_push (s, BYTE (0xc3), NULL, FALSE);
  assert_push (s, BYTE (0xa9), NULL, FALSE);
  assert_push (s, TRAINED_END, NULL, FALSE);
  assert_push (s, x, "\xc3\xa9x", FALSE);
  assert_push (s, BYTE (0xc3), NULL, FALSE);
  g_assert_cmpstr (text_stream_text (s), ==, "x\xc3\xa9x");
  rest = text_stream_end (s);
  g_assert_cmpstr (rest, ==, BAD);
  g_assert_cmpstr (text_stream_text (s), ==, "x\xc3\xa9x" BAD);
}

static void
test_beginning_of_stop_is_held_back (Tokenizer **t, gconstpointer unused)
{
  const gchar *const stop[] = { "abc", NULL };
  gint32 a = tokenizer_id (*t, "a"), b = tokenizer_id (*t, "b"), c = tokenizer_id (*t, "c");
  g_autoptr (TextStream) s = text_stream_new (*t, stop);

  assert_push (s, b, "b", FALSE);
  assert_push (s, a, NULL, FALSE);
  g_assert_cmpstr (text_stream_text (s), ==, "ba");
  assert_push (s, a, "a", FALSE);
  assert_push (s, b, NULL, FALSE);
  assert_push (s, b, "abb", FALSE);
  assert_push (s, a, NULL, FALSE);
  assert_push (s, b, NULL, FALSE);
  assert_push (s, c, NULL, TRUE);
  assert_push (s, a, NULL, TRUE);
  g_assert_cmpstr (text_stream_text (s), ==, "baabb");
  g_assert_null (text_stream_end (s));
}

#define ADD(name) g_test_add ("/textstream/" #name, Tokenizer *, NULL, set_up, test_##name, tear_down)

int
main (int argc, char **argv)
{
  int failures;

  g_test_init (&argc, &argv, NULL);
  ADD (pieces_are_the_whole);
  ADD (first_complete_stop_counts);
  ADD (bytes_wait_for_their_run);
  ADD (beginning_of_stop_is_held_back);
  failures = g_test_run ();
  trained_clear ();
  return failures;
}

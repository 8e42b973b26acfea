/* A key is compared as a whole, and with all keys: what is returned says what was looked at. */
#include "examples/server/keys.h"

#define N 32

static void
test_all_bytes_are_looked_at (void)
{
  guint8 a[N], b[N];

  for (guint i = 0; i < N; i++)
    a[i] = b[i] = i * 7;
  g_assert_cmpuint (keys_difference (a, b, N), ==, 0);
  for (guint first = 0; first < N; first++)
    for (guint second = first; second < N; second++) {
      guint8 expected = second == first ? 0x01 : 0x81;

      b[first] ^= 0x01;
      b[second] ^= expected & 0x80;
      g_assert_cmphex (keys_difference (a, b, N), ==, expected); /* the second one as well, behind the first */
      b[first] = a[first];
      b[second] = a[second];
    }
  b[0] ^= 0xff; /* nothing can be added, and nothing taken away */
  b[N - 1] ^= 0x10;
  g_assert_cmphex (keys_difference (a, b, N), ==, 0xff);
}

static guint
count (const gchar *text, ...)
{
  g_autoptr (GPtrArray) texts = g_ptr_array_new ();
  const gchar *key;
  va_list args;
  Keys *keys;
  guint n;

  va_start (args, text);
  while ((key = va_arg (args, const gchar *)))
    g_ptr_array_add (texts, (gpointer)key);
  va_end (args);
  keys = keys_new (texts);
  n = keys_count (keys, text);
  keys_free (keys);
  return n;
}

static void
test_all_keys_are_looked_at (void)
{
  g_assert_cmpuint (count ("a", "a", "b", "a", "c", "a", NULL), ==, 3);
  g_assert_cmpuint (count ("c", "a", "b", "a", "c", "a", NULL), ==, 1);
  g_assert_cmpuint (count ("d", "a", "b", NULL), ==, 0);
  g_assert_cmpuint (count ("", "a", "b", NULL), ==, 0);
  g_assert_cmpuint (count ("a", NULL), ==, 0);
  g_assert_cmpuint (
      count ("a key of more bytes than a digest, which is what is compared", "a key of more bytes than a digest", NULL), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/keys/all-bytes-are-looked-at", test_all_bytes_are_looked_at);
  g_test_add_func ("/keys/all-keys-are-looked-at", test_all_keys_are_looked_at);
  return g_test_run ();
}

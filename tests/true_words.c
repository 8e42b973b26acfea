#include "true_words.h"

#include "folder.h"

#define FIRST_BYTE 3
#define BYTES 256

/* Consonants and vowels in turn, of which the low bits choose. */
static gchar *
make_word (guint32 state)
{
  static const gchar *const first[] = { "b", "c", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "st", "t", "tr", "w" },
                            *const second[] = { "a", "e", "i", "o", "u", "er", "in", "al" };
  guint syllables = 1 + (state >> 29) % 4;
  GString *word = g_string_new ((state >> 28) & 1 ? SPACE_MARK : NULL);

  for (guint i = 0; i < syllables; i++, state = state * 1664525 + 1013904223)
    g_string_append_printf (
        word, "%s%s", first[(state >> 20) % G_N_ELEMENTS (first)], second[(state >> 10) % G_N_ELEMENTS (second)]);
  return g_string_free (word, FALSE);
}

static void
add (GString *vocabulary, GHashTable *seen, gchar *piece)
{
  if (g_hash_table_contains (seen, piece)) {
    g_free (piece);
    return;
  }
  g_string_append_printf (vocabulary, ", \"%s\": %u", piece, FIRST_BYTE + BYTES + g_hash_table_size (seen));
  g_hash_table_add (seen, piece);
}

/* As the file has it. (transfer full) */
static gchar *
make_vocabulary (void)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GString *vocabulary = g_string_new ("\"<unk>\": 0, \"<s>\": 1, \"</s>\": 2");

  for (guint byte = 0; byte < BYTES; byte++)
    g_string_append_printf (vocabulary, ", \"<0x%02X>\": %u", byte, FIRST_BYTE + byte);
  add (vocabulary, seen, g_strdup (SPACE_MARK));
  for (gchar c = '!'; c <= '~'; c++)
    add (vocabulary, seen, c == '"' || c == '\\' ? g_strdup_printf ("\\%c", c) : g_strdup_printf ("%c", c));
  for (guint32 i = 0; g_hash_table_size (seen) < TRUE_WORDS - FIRST_BYTE - BYTES; i++)
    add (vocabulary, seen, make_word (i * 2654435761u + 12345));
  return g_string_free (vocabulary, FALSE);
}

Tokenizer *
true_words (GError **error)
{
  static const gchar *const format =
      "{\"added_tokens\": [{\"id\": 0, \"content\": \"<unk>\", \"special\": true}, {\"id\": 1, \"content\": \"<s>\", \"special\": "
      "true}, "
      "{\"id\": 2, \"content\": \"</s>\", \"special\": true}], \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": "
      "[{\"type\": "
      "\"Prepend\", \"prepend\": \"" SPACE_MARK
      "\"}, {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"" SPACE_MARK
      "\"}]}, \"pre_tokenizer\": null, \"decoder\": {\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Replace\", \"pattern\": "
      "{\"String\": \"" SPACE_MARK
      "\"}, \"content\": \" \"}, {\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"}, {\"type\": \"Strip\", "
      "\"content\": \" \", \"start\": 1, \"stop\": 0}]}, \"model\": {\"type\": \"BPE\", \"unk_token\": \"<unk>\", \"fuse_unk\": "
      "true, "
      "\"byte_fallback\": true, \"vocab\": {%s}, \"merges\": []}}";
  gchar *folder = folder_new ();
  g_autofree gchar *vocabulary = make_vocabulary (), *json = g_strdup_printf (format, vocabulary),
                   *path = g_build_filename (folder, "tokenizer.json", NULL);
  Tokenizer *t = NULL;

  if (g_file_set_contents (path, json, -1, error))
    t = tokenizer_load (folder, FALSE, error);
  folder_free (folder);
  return t;
}

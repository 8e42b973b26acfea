/* What the trained tokenizer is, and variants of its files. */
#include "trained.h"

#include <glib/gstdio.h>
#include <string.h>

static const gchar *const files[] = { "tokenizer.model", "tokenizer_config.json", "added_tokens.json" };

static gchar *the_folder;
static gchar *the_text;

typedef struct
{
  const gchar *content, *flags;
} Added;

static const Added added[] = {
  { "<|endoftext|>", "\"special\": true" },
  { "<|assistant|>", "\"special\": true, \"rstrip\": true" },
  { "<|system|>", "\"special\": true, \"rstrip\": true" },
  { "<|end|>", "\"special\": true, \"rstrip\": true" },
  { "<|user|>", "\"special\": true, \"rstrip\": true" },
  { "<img>", "\"special\": true" },
  { "</img>", "\"special\": true" },
  { "<IMG_CONTEXT>", "\"special\": true" },
  { "<quad>", "\"special\": false, \"normalized\": false" },
  { "<quad>ruple", "\"special\": false, \"normalized\": false" },
  { "<left>", "\"special\": true, \"lstrip\": true" },
  { "zqz", "\"special\": false, \"normalized\": false, \"single_word\": true" },
  { "<n o>", "\"special\": false, \"normalized\": true" },
};

G_STATIC_ASSERT (TRAINED_PIECES + G_N_ELEMENTS (added) == TRAINED_SIZE);

static void
write_file (const gchar *folder, const gchar *file, const gchar *contents, gssize length)
{
  g_autofree gchar *path = g_build_filename (folder, file, NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, contents, length, &error);
  g_assert_no_error (error);
}

static gchar *
make_folder (void)
{
  g_autoptr (GError) error = NULL;
  gchar *folder = g_dir_make_tmp ("minivl-tokenizer-XXXXXX", &error);

  g_assert_no_error (error);
  return folder;
}

static void
train (const gchar *folder, const gchar *type, guint size)
{
  g_autofree gchar *prefix = g_strdup_printf ("--model_prefix=%s/tokenizer", folder);
  g_autofree gchar *model_type = g_strdup_printf ("--model_type=%s", type);
  g_autofree gchar *vocab_size = g_strdup_printf ("--vocab_size=%u", size);
  /* As Llama's was: no normalising, byte pieces, pieces of spaces. */
  const gchar *argv[] = { "spm_train", "--input=" TEST_DATA "/tokenizer-text.txt", prefix, model_type, vocab_size,
    "--byte_fallback=true", "--normalization_rule_name=identity", "--remove_extra_whitespaces=false",
    "--allow_whitespace_only_pieces=true", "--split_digits=true", "--character_coverage=0.98", "--num_threads=1", NULL };
  g_autoptr (GError) error = NULL;
  g_autofree gchar *log = NULL; /* long; its flags for less differ between versions */
  gint status;

  g_spawn_sync (
      NULL, (gchar **)argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL, &log, &status, &error);
  g_assert_no_error (error);
  if (!g_spawn_check_wait_status (status, &error))
    g_error ("%s: %s\n%s", argv[0], error->message, log);
}

const gchar *
trained_folder (void)
{
  g_autoptr (GString) decoder = g_string_new (NULL), names = g_string_new (NULL), config = g_string_new (NULL);

  if (the_folder)
    return the_folder;
  the_folder = make_folder ();
  train (the_folder, "bpe", TRAINED_PIECES);
  for (guint i = 0; i < G_N_ELEMENTS (added); i++) {
    guint id = TRAINED_PIECES + i;

    g_string_append_printf (decoder, ",\n    \"%u\": {\"content\": \"%s\", %s}", id, added[i].content, added[i].flags);
    g_string_append_printf (names, "%s\n  \"%s\": %u", i ? "," : "", added[i].content, id);
  }
  g_string_append_printf (config,
      "{\n  \"add_bos_token\": true,\n  \"add_eos_token\": false,\n  \"added_tokens_decoder\": {\n"
      "    \"1\": {\"content\": \"<s>\", \"special\": true},\n"
      "    \"2\": {\"content\": \"</s>\", \"special\": false, \"normalized\": false, \"rstrip\": true}%s\n  },\n"
      "  \"bos_token\": \"<s>\",\n  \"eos_token\": {\"content\": \"<|endoftext|>\"},\n  \"pad_token\": null,\n"
      "  \"additional_special_tokens\": [\"<img>\"]\n}\n",
      decoder->str);
  g_string_prepend (names, "{");
  g_string_append (names, "\n}\n");
  write_file (the_folder, "tokenizer_config.json", config->str, -1);
  write_file (the_folder, "added_tokens.json", names->str, -1);
  return the_folder;
}

gchar *
trained_read (const gchar *file, gsize *length)
{
  g_autofree gchar *path = g_build_filename (trained_folder (), file, NULL);
  g_autoptr (GError) error = NULL;
  gchar *contents;

  g_file_get_contents (path, &contents, length, &error);
  g_assert_no_error (error);
  return contents;
}

gchar *
trained_variant (const gchar *file, const gchar *contents, gssize length)
{
  gchar *folder = make_folder ();

  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    if (!g_str_equal (files[i], file)) {
      gsize size;
      g_autofree gchar *same = trained_read (files[i], &size);

      write_file (folder, files[i], same, size);
    } else if (contents)
      write_file (folder, file, contents, length);
  }
  return folder;
}

gchar *
trained_of_type (const gchar *type)
{
  gchar *folder = trained_variant ("tokenizer.model", NULL, 0);

  /* fewer pieces than byte pairs find in so short a text */
  train (folder, type, 800);
  return folder;
}

void
trained_remove (gchar *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);

  for (const gchar *name; dir && (name = g_dir_read_name (dir));) {
    g_autofree gchar *path = g_build_filename (folder, name, NULL);
    g_unlink (path);
  }
  g_rmdir (folder);
  g_free (folder);
}

void
trained_clear (void)
{
  if (the_folder)
    trained_remove (g_steal_pointer (&the_folder));
  g_clear_pointer (&the_text, g_free);
}

static void
append_words (GString *s)
{
  const gchar *from, *to;
  glong n;

  if (!the_text)
    g_file_get_contents (TEST_DATA "/tokenizer-text.txt", &the_text, NULL, NULL);
  n = g_utf8_strlen (the_text, -1);
  from = g_utf8_offset_to_pointer (the_text, g_test_rand_int_range (0, n - 30));
  to = g_utf8_offset_to_pointer (from, g_test_rand_int_range (1, 30));
  g_string_append_len (s, from, to - from);
}

static void
append_repeated (GString *s)
{
  static const gchar *const characters[] = { "a", "x", " ", "b", "\xe2\x96\x81", "\xe4\xba\xba" };
  const gchar *character = characters[g_test_rand_int_range (0, G_N_ELEMENTS (characters))];

  for (gint n = g_test_rand_int_range (1, 20); n > 0; n--)
    g_string_append (s, character);
}

gchar *
trained_random_text (guint n)
{
  static const gunichar white[] = { ' ', '\n', '\t', '\r', 0x85, 0xa0, 0x2003, 0x2028, 0x3000, 0x200b, 0xfeff };
  GString *s = g_string_new (NULL);

  for (n = g_test_rand_int_range (0, n + 1); n > 0; n--) {
    const gchar *token = added[g_test_rand_int_range (0, G_N_ELEMENTS (added))].content;

    switch (g_test_rand_int_range (0, 6)) {
      case 0:
        g_string_append (s, token);
        break;
      case 1:
        g_string_append_len (s, token, g_test_rand_int_range (1, strlen (token)));
        break;
      case 2:
        g_string_append_unichar (s, white[g_test_rand_int_range (0, G_N_ELEMENTS (white))]);
        break;
      case 3:
        g_string_append_unichar (
            s, g_test_rand_bit () ? g_test_rand_int_range (1, 0xd800) : g_test_rand_int_range (0xe000, 0x110000));
        break;
      case 4:
        append_repeated (s);
        break;
      default:
        append_words (s);
    }
  }
  return g_string_free (s, FALSE);
}

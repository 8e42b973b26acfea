/*
 * A tokenizer for tests, trained by Debian's spm_train when it is first asked for: byte pairs over tests/data/tokenizer-text.txt.
 */
#ifndef TESTS_TRAINED_H
#define TESTS_TRAINED_H

#include <glib.h>

#define TRAINED_PIECES 1000

/* Ids of the added tokens, in the order of the files */
enum
{
  TRAINED_ENDOFTEXT = TRAINED_PIECES, /* <|endoftext|>: special, EOS */
  TRAINED_ASSISTANT,                  /* <|assistant|>: special, rstrip */
  TRAINED_SYSTEM,
  TRAINED_END,
  TRAINED_USER,
  TRAINED_IMG, /* <img>: special */
  TRAINED_IMG_END,
  TRAINED_IMG_CONTEXT,
  TRAINED_QUAD,       /* <quad>: not special, nothing stripped */
  TRAINED_QUAD_LONG,  /* <quad>ruple: begins as another does */
  TRAINED_LEFT,       /* <left>: lstrip */
  TRAINED_WORD,       /* zqz: single_word */
  TRAINED_NORMALIZED, /* <n o>: normalized */
  TRAINED_SIZE,
};

/* A folder with tokenizer.model, tokenizer.vocab (piece, tab, score a line), tokenizer_config.json and added_tokens.json */
const gchar *trained_folder (void);
/* A folder with the same files but for the one named: with length -1 its text, else bytes; NULL leaves it out.
 * (transfer full): trained_remove() */
gchar *trained_variant (const gchar *file, const gchar *contents, gssize length);
/* Deletes a folder of files, and frees its name. */
void trained_remove (gchar *folder);
/* Of the folder's file. (transfer full) */
gchar *trained_read (const gchar *file, gsize *length);
/* Trains another type: `unigram`. (transfer full): trained_remove() */
gchar *trained_of_type (const gchar *type);
/* A text of up to n parts: words, tokens and their beginnings, white space, any character of Unicode. (transfer full) */
gchar *trained_random_text (guint n);
/* At the program's end */
void trained_clear (void);

#endif

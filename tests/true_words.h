/* A tokenizer of as many tokens as the true one: words of syllables, with spaces in front and without, that share their beginnings.
 */
#ifndef TESTS_TRUE_WORDS_H
#define TESTS_TRUE_WORDS_H

#include "model/tokenizer.h"

#define TRUE_WORDS 32000

/* (transfer full) */
Tokenizer *true_words (GError **error);

#endif

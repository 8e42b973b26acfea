/*
 * tokenizer.json, as fine-tunes are saved: byte pairs with byte fallback, and the normalisers and pre-tokenisers that Llama's have.
 */
#ifndef MODEL_TOKENIZER_JSON_H
#define MODEL_TOKENIZER_JSON_H

#include "bpe.h"
#include <json-glib/json-glib.h>

/* What becomes of the spaces, and where a mark is put in front. */
typedef enum
{
  MARK_EACH,       /* before each text between tokens, by the normaliser: Prepend and Replace */
  MARK_NONE,       /* Replace alone */
  MARK_LATE_EACH,  /* by the pre-tokeniser Metaspace, unless there is one already: always */
  MARK_LATE_FIRST, /* first: only where the text begins */
  MARK_LATE_NONE,  /* never */
} MarkRule;

typedef struct
{
  Bpe *bpe;
  MarkRule marks;
  JsonArray *added;  /* added_tokens, of the object that was read */
  gboolean bos, eos; /* the post-processor adds them */
} TokenizerJson;

/* root: of the file. name: what errors call it (a path). FALSE with MINIVL_ERROR_FILE for what is damaged, MINIVL_ERROR_MODEL for a
 * kind that is not known, by its name. */
gboolean tokenizer_json_read (JsonObject *root, const gchar *name, TokenizerJson *out, GError **error);

#endif

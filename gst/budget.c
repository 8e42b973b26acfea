#include "budget.h"

#include <string.h>

/* More than any tokenizer makes of plain text, so that nothing is refused that would fit. */
#define BYTES_A_TOKEN 6

gboolean
budget_check (guint context_size, guint frames, guint max_tiles, guint frame_tokens, const Question *question, GError **error)
{
  guint64 pictures = (guint64)frames * frame_tokens;
  guint64 prompt = (strlen (question->prompt) + (question->system != NULL ? strlen (question->system) : 0)) / BYTES_A_TOKEN;
  guint64 rest = prompt + question->params.max_tokens;
  g_autoptr (GString) fix = NULL;

  if (pictures + rest <= context_size)
    return TRUE;
  fix = g_string_new (NULL);
  if (rest + frame_tokens <= context_size)
    g_string_append_printf (fix, "num-segments to %" G_GUINT64_FORMAT, (context_size - rest) / frame_tokens);
  else
    g_string_append (fix, "max-tokens");
  if (max_tiles > 1)
    g_string_append (fix, " or max-tiles");
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_BUDGET,
      "A segment does not fit the model's context: %u frames of %u tokens, the prompt (about %" G_GUINT64_FORMAT
      ") and max-tokens=%u are %" G_GUINT64_FORMAT " tokens, and context-size is %u. Lower %s, or raise context-size.",
      frames, frame_tokens, prompt, question->params.max_tokens, pictures + rest, context_size, fix->str);
  return FALSE;
}

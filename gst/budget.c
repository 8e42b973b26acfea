#include "budget.h"

#include "alerts.h"

#include <string.h>

/* More than any tokenizer makes of plain text, so that nothing is refused that would fit. */
#define BYTES_A_TOKEN 6

/* The most that the tokens of `FrameK: <image>` and its line's end can be, the picture apart. */
#define MARK_TOKENS 16
/* For the chat's own tokens, and the checkpoint's own system message. */
#define CHAT_TOKENS 256

gboolean
budget_check (guint context_size, guint frames, guint max_tiles, guint frame_tokens, const Question *question, GError **error)
{
  guint64 pictures = (guint64)frames * frame_tokens;
  gsize system = question->system != NULL ? strlen (question->system) : 0;
  guint64 prompt = (strlen (question->prompt) + system) / BYTES_A_TOKEN + question->params.max_tokens;
  guint64 alert = (alerts_longest (question->alerts) + system) / BYTES_A_TOKEN + ALERT_TOKENS;
  guint64 rest = MAX (prompt, alert);
  g_autofree gchar *words = NULL;
  g_autoptr (GString) fix = NULL;

  if (pictures + rest <= context_size)
    return TRUE;
  fix = g_string_new (NULL);
  if (rest + frame_tokens <= context_size)
    g_string_append_printf (fix, "num-segments to %" G_GUINT64_FORMAT, (context_size - rest) / frame_tokens);
  else
    g_string_append (fix, alert > prompt ? "the length of alerts" : "max-tokens");
  if (max_tiles > 1)
    g_string_append (fix, " or max-tiles");
  if (alert > prompt)
    words = g_strdup_printf ("and the longest question of alerts (about %" G_GUINT64_FORMAT ")", alert);
  else
    words = g_strdup_printf ("the prompt (about %" G_GUINT64_FORMAT ") and max-tokens=%u", prompt - question->params.max_tokens,
        question->params.max_tokens);
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_BUDGET,
      "A segment does not fit the model's context: %u frames of %u tokens, %s are %" G_GUINT64_FORMAT
      " tokens, and context-size is %u. Lower %s, or raise context-size.",
      frames, frame_tokens, words, pictures + rest, context_size, fix->str);
  return FALSE;
}

guint
budget_regions (guint context_size, guint frames, guint region_tokens, const Question *question)
{
  /* No byte is more than one token. */
  gsize system = question->system != NULL ? strlen (question->system) : 0;
  guint64 prompt = strlen (question->prompt) + question->params.max_tokens;
  guint64 alert = alerts_longest (question->alerts) + ALERT_TOKENS;
  guint64 rest = CHAT_TOKENS + system + MAX (prompt, alert);
  guint64 each = (guint64)frames * (region_tokens + MARK_TOKENS);

  return context_size > rest ? MAX (1, (context_size - rest) / each) : 1;
}

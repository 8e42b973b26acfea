#include "budget.h"

#include "alerts.h"
#include "prompt.h"

/* Start and end of a picture, and one more: words on both sides of a picture are two tokens, but may be counted as one without it.
 */
#define PICTURE_TOKENS 3

/* For what the prompt may say when it is asked, and is not known before: {label} of regions to come, {utc}. */
#define FACT_TOKENS 128

/* Tokens of a segment's words, without frames, pictures' own tokens and answer. */
typedef struct
{
  guint prompt;
  guint alert; /* the longest one; 0: none */
} Words;

static gboolean
count_words (const Budget *b, const gchar *text, guint *tokens, GError **error)
{
  g_autofree gchar *words = prompt_remove_marks (text);
  BackendQuestion question = { .text = words, .system = b->settings->system, .params = b->settings->params };

  return b->backend->count_text (b->self, &question, tokens, error);
}

/* As it will be asked, except for what is not known yet. */
static gboolean
count (const Budget *b, guint frames, Words *words, GError **error)
{
  PromptFacts facts = { .stream = b->stream };
  g_autofree gchar *prompt = prompt_expand (b->settings->prompt, &facts), *text = minivl_prompt_add_marks (prompt, 0, frames);
  g_auto (GStrv) alerts = alerts_list (b->settings->alerts);

  words->alert = 0;
  if (!count_words (b, text, &words->prompt, error))
    return FALSE;
  for (guint i = 0; alerts[i] != NULL; i++) {
    g_autofree gchar *alert = prompt_replace_words (text, alerts[i]);
    guint tokens;

    if (!count_words (b, alert, &tokens, error))
      return FALSE;
    words->alert = MAX (words->alert, tokens);
  }
  return TRUE;
}

/* Whether the longest alert takes more than the prompt and its answer. */
static gboolean
is_of_alert (const Budget *b, const Words *words)
{
  return words->alert > 0 && words->alert + ALERT_TOKENS > words->prompt + (guint64)b->settings->params.max_tokens;
}

static guint64
total (const Budget *b, guint frames, const Words *words)
{
  guint64 rest = is_of_alert (b, words) ? words->alert + ALERT_TOKENS : words->prompt + (guint64)b->settings->params.max_tokens;

  return rest + (guint64)frames * (b->frame_tokens + PICTURE_TOKENS);
}

/* The most parts of `part` frames each that fit, fewer than `below`, when `reserve` tokens more are needed; 0: not even one. */
static guint
most_parts (const Budget *b, guint part, guint below, guint reserve)
{
  guint fit = 0;
  Words words;

  while (below - fit > 1) {
    guint middle = fit + (below - fit) / 2, frames = middle * part;

    if (count (b, frames, &words, NULL) && total (b, frames, &words) + reserve <= b->context_size)
      fit = middle;
    else
      below = middle;
  }
  return fit;
}

gboolean
budget_check (const Budget *b, GError **error)
{
  g_autoptr (GString) fix = NULL;
  g_autofree gchar *what = NULL;
  gboolean of_alert;
  Words words;
  guint most;

  if (!count (b, b->frames, &words, error))
    return FALSE;
  if (total (b, b->frames, &words) <= b->context_size)
    return TRUE;
  of_alert = is_of_alert (b, &words);
  most = most_parts (b, 1, b->frames, 0);
  fix = g_string_new (NULL);
  if (most > 0)
    g_string_append_printf (fix, "num-segments to %u", most);
  else
    g_string_append (fix, of_alert ? "the length of alerts" : "max-tokens");
  if (b->max_tiles > 1)
    g_string_append (fix, " or max-tiles");
  if (of_alert)
    what = g_strdup_printf ("and the longest question of alerts (%u)", words.alert);
  else
    what = g_strdup_printf ("the prompt (%u) and max-tokens=%u", words.prompt, b->settings->params.max_tokens);
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_BUDGET,
      "A segment does not fit the model's context: %u frames of %u tokens, %s are %" G_GUINT64_FORMAT
      " tokens, and context-size is %u. Lower %s, or raise context-size.",
      b->frames, b->frame_tokens + PICTURE_TOKENS, what, total (b, b->frames, &words), b->context_size, fix->str);
  return FALSE;
}

guint
budget_regions (const Budget *b)
{
  guint limit = b->context_size / (b->frames * (b->frame_tokens + PICTURE_TOKENS));

  return MAX (1, most_parts (b, b->frames, limit + 1, FACT_TOKENS));
}

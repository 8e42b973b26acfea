#include "budget.h"

#include "alert-list.h"
#include "alerts.h"
#include "prompt.h"

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
  g_auto (GStrv) alerts = alert_list (b->settings->alerts);

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

const gchar *
budget_or_raise (guint context_size, guint max_context_size)
{
  return max_context_size == 0 || context_size < max_context_size ? ", or raise context-size" : "";
}

/* What would fit, of what can still be lowered. (transfer full) */
static gchar *
advise (const Budget *b, const Words *one, gboolean of_alert)
{
  const gchar *raise = budget_or_raise (b->context_size, b->max_context_size), *tiles = b->max_tiles > 1 ? " or max-tiles" : "";
  guint64 frame = b->frame_tokens + PICTURE_TOKENS, needed = one->prompt + frame;
  guint most = most_parts (b, 1, b->frames, 0);

  if (one->prompt >= b->context_size)
    return g_strdup_printf ("Shorten prompt or system-prompt%s.", raise);
  if (most > 0)
    return g_strdup_printf ("Lower num-segments to %u%s%s.", most, tiles, raise);
  if (of_alert || (one->alert > 0 && one->alert + ALERT_TOKENS + frame > b->context_size))
    return g_strdup_printf ("Lower the length of alerts%s%s.", tiles, raise);
  if (needed < b->context_size)
    return g_strdup_printf ("Lower %smax-tokens to %" G_GUINT64_FORMAT "%s%s.", b->frames > 1 ? "num-segments to 1 and " : "",
        b->context_size - needed, tiles, raise);
  return g_strdup_printf (b->max_tiles > 1 ? "Lower max-tiles%s." : "Shorten prompt or system-prompt%s.", raise);
}

gboolean
budget_check (const Budget *b, GError **error)
{
  g_autofree gchar *what = NULL, *advice = NULL;
  Words words, one;
  gboolean of_alert;

  if (!count (b, b->frames, &words, error))
    return FALSE;
  if (total (b, b->frames, &words) <= b->context_size)
    return TRUE;
  if (!count (b, 1, &one, error))
    return FALSE;
  of_alert = is_of_alert (b, &words);
  advice = advise (b, &one, of_alert);
  if (one.prompt >= b->context_size) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_BUDGET,
        "The prompt alone does not fit the model's context: with the system message it is %u tokens, and context-size is %u. %s",
        one.prompt, b->context_size, advice);
    return FALSE;
  }
  if (of_alert)
    what = g_strdup_printf ("and the longest question of alerts (%u)", words.alert);
  else
    what = g_strdup_printf ("the prompt (%u) and max-tokens=%u", words.prompt, b->settings->params.max_tokens);
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_BUDGET,
      "A segment does not fit the model's context: %u frames of %u tokens, %s are %" G_GUINT64_FORMAT
      " tokens, and context-size is %u. %s",
      b->frames, b->frame_tokens + PICTURE_TOKENS, what, total (b, b->frames, &words), b->context_size, advice);
  return FALSE;
}

guint
budget_regions (const Budget *b)
{
  guint limit = b->context_size / (b->frames * (b->frame_tokens + PICTURE_TOKENS));

  return MAX (1, most_parts (b, b->frames, limit + 1, FACT_TOKENS));
}

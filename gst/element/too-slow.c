#include "too-slow.h"

#define SLOW_IN_A_ROW 2
/* Below this, it keeps up again. */
#define FAST_ENOUGH 0.9
#define TELL_AGAIN 2.0

static double
seconds (guint64 ns)
{
  return ns / 1e9;
}

/* Names first what shortens the longest stage. */
static const gchar *
what_to_lower (const Result *r)
{
  if (r->alerts >= MAX (r->preprocess + r->encode, MAX (r->prefill, r->decode)))
    return "the number of alerts, precision, num-segments, max-tiles or max-tokens";
  if (r->decode >= r->preprocess + r->encode && r->decode >= r->prefill)
    return "max-tokens, precision, num-segments or max-tiles";
  return "num-segments, max-tiles, precision or max-tokens";
}

static gchar *
what_comes_of_it (guint64 taken, guint64 step, gboolean drops)
{
  if (!drops)
    return g_strdup ("the video will have to wait");
  return g_strdup_printf ("about %.0f%% of the segments will be dropped", 100 * (1 - (double)step / taken));
}

static gchar *
complain (const Result *r, guint64 taken, guint64 step, gboolean drops)
{
  g_autofree gchar *consequence = what_comes_of_it (taken, step, drops);
  guint tiles = 0;

  for (guint i = 0; i + 1 < r->tiles->len; i += 2)
    tiles += g_array_index (r->tiles, guint, i) * g_array_index (r->tiles, guint, i + 1);
  return g_strdup_printf (
      "The model is too slow for the stream: a segment every %.1f s takes %.1f s (%u frames of together %u tiles: "
      "%.1f s; %" G_GUINT64_FORMAT " tokens of prompt: %.1f s; %" G_GUINT64_FORMAT
      " tokens of answer: %.1f s; alerts: %.1f s; precision %s), so that %s. Lower %s; or raise segment-duration.",
      seconds (step), seconds (taken), r->frames->len, tiles, seconds (r->preprocess + r->encode), r->prompt_tokens,
      seconds (r->prefill), r->output_tokens, seconds (r->decode), seconds (r->alerts), r->precision, consequence,
      what_to_lower (r));
}

gchar *
too_slow_note (TooSlow *state, const Result *result, guint64 step, gboolean drops)
{
  guint64 taken = result->preprocess + result->encode + result->prefill + result->decode + result->alerts;
  double ratio;

  if (!result->answered || step == 0)
    return NULL;
  ratio = (double)taken / step;
  if (ratio <= 1) {
    state->n_slow = 0;
    state->told = state->told && ratio > FAST_ENOUGH;
    return NULL;
  }
  state->n_slow++;
  if (state->n_slow < SLOW_IN_A_ROW || (state->told && ratio < TELL_AGAIN * state->ratio))
    return NULL;
  state->told = TRUE;
  state->ratio = ratio;
  return complain (result, taken, step, drops);
}

#include "too-slow.h"

#include "time-type.h"

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
what_comes_of_it (guint64 taken, const Pace *pace)
{
  if (!pace->drops)
    return g_strdup ("the video will have to wait");
  return g_strdup_printf ("about %.0f%% of the segments will be dropped", 100 * (1 - (double)pace->step / taken));
}

/* --- what would keep up ------------------------------------------------------------------------------------------------------- */

/* A shorter answer says nothing. */
#define SHORTEST_ANSWER 8

static guint64
count_tiles (const Result *r)
{
  guint64 tiles = 0;

  for (guint i = 0; i + 1 < r->tiles->len; i += 2)
    tiles += g_array_index (r->tiles, guint, i) * g_array_index (r->tiles, guint, i + 1);
  return tiles;
}

/* What the device sees: a picture of several tiles as a whole, too. */
static guint64
count_encoded (const Result *r)
{
  guint64 tiles = count_tiles (r);

  for (guint i = 0; i + 1 < r->tiles->len; i += 2)
    tiles += g_array_index (r->tiles, guint, i) * g_array_index (r->tiles, guint, i + 1) > 1;
  return tiles;
}

/* ns, if only this share of the pictures were seen. */
static double
seeing (const Result *r, double share)
{
  guint64 computed = r->prompt_tokens - MIN (r->prompt_tokens, r->cached_tokens);
  double pictures = computed > 0 ? MIN (1.0, (double)r->picture_tokens / computed) : 0;

  return (r->preprocess + r->encode) * share + r->prefill * (1 - pictures * (1 - share));
}

/* The longest answer that leaves ns of `budget`; 0: none worth it. */
static guint
longest_answer (const Result *r, double left)
{
  double tokens = r->decode > 0 ? left * r->output_tokens / r->decode : 0;

  return tokens >= SHORTEST_ANSWER ? (guint)MIN (tokens, r->output_tokens) : 0;
}

/* Of whole seconds, or tenths of short ones. */
static guint64
round_up (guint64 ns)
{
  guint64 unit = ns > 3 * GST_SECOND ? GST_SECOND : GST_SECOND / 10;

  return (ns + unit - 1) / unit * unit;
}

/* Settings that by these figures keep up, each by itself: lower ones where they suffice, and longer segments always do. */
static gchar *
propose (const Result *r, guint64 taken, const Pace *pace)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree gchar *duration = time_type_format (round_up ((guint64)(taken / FAST_ENOUGH) + 1) + pace->overlap);
  double time = FAST_ENOUGH * pace->step, rest = r->decode + r->alerts;
  guint64 encoded = count_encoded (r);
  guint frames = pace->frames, tokens = longest_answer (r, time - seeing (r, 1) - r->alerts);

  g_string_append_printf (text, "segment-duration=%s", duration);
  while (frames > 0 && seeing (r, (double)frames / pace->frames) + rest > time)
    frames--;
  if (frames > 0 && frames < pace->frames)
    g_string_append_printf (text, ", or num-segments=%u", frames);
  if (encoded > r->frames->len && seeing (r, (double)r->frames->len / encoded) + rest <= time)
    g_string_append (text, ", or max-tiles=1");
  if (tokens > 0 && tokens < r->output_tokens)
    g_string_append_printf (text, ", or max-tokens=%u", tokens);
  if (g_strrstr (text->str, ", or") == NULL) {
    for (frames = pace->frames / 2; frames > 0; frames /= 2) {
      tokens = longest_answer (r, time - seeing (r, (double)frames / pace->frames) - r->alerts);
      if (tokens > 0) {
        g_string_append_printf (text, ", or num-segments=%u with max-tokens=%u", frames, tokens);
        break;
      }
    }
  }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static gchar *
complain (const Result *r, guint64 taken, const Pace *pace)
{
  g_autofree gchar *consequence = what_comes_of_it (taken, pace), *proposal = propose (r, taken, pace);

  return g_strdup_printf (
      "The model is too slow for the stream: a segment every %.1f s takes %.1f s (%u frames of together %" G_GUINT64_FORMAT
      " tiles: "
      "%.1f s; %" G_GUINT64_FORMAT " tokens of prompt: %.1f s; %" G_GUINT64_FORMAT
      " tokens of answer: %.1f s; alerts: %.1f s; precision %s), so that %s. Lower %s; or raise segment-duration. By these figures "
      "it "
      "keeps up with %s.",
      seconds (pace->step), seconds (taken), r->frames->len, count_tiles (r), seconds (r->preprocess + r->encode), r->prompt_tokens,
      seconds (r->prefill), r->output_tokens, seconds (r->decode), seconds (r->alerts), r->precision, consequence,
      what_to_lower (r), proposal);
}

gchar *
too_slow_note (TooSlow *state, const Result *result, const Pace *pace)
{
  guint64 taken = result->preprocess + result->encode + result->prefill + result->decode + result->alerts;
  double ratio;

  if (!result->answered || pace->step == 0)
    return NULL;
  ratio = (double)taken / pace->step;
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
  return complain (result, taken, pace);
}

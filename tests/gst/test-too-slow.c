/* What is proposed to whom cannot keep up: with these settings it does. A machine whose steps take what they take for each tile and
 * token stands for the device. */
#include "gst/element/too-slow.h"

#include <stdlib.h>
#include <string.h>

/* Times in ns. */
typedef struct
{
  guint64 tile, prompt_token, answer_token, alerts;
  guint tiles, tile_tokens; /* of a frame; more than one tile are shown as a whole, too */
  guint words, cached;      /* tokens */
  guint answer;             /* tokens that the model would say */
} Machine;

typedef struct
{
  guint64 duration, overlap;
  guint frames, max_tiles, max_tokens;
} Settings;

static guint
tiles_encoded (const Machine *m, const Settings *s)
{
  guint tiles = MIN (m->tiles, s->max_tiles);

  return s->frames * (tiles > 1 ? tiles + 1 : 1);
}

static Result *
run (const Machine *m, const Settings *s)
{
  Result *r = result_new ();
  guint tiles[] = { MIN (m->tiles, s->max_tiles), 1 };

  for (guint i = 0; i < s->frames; i++) {
    guint64 time = i;

    g_array_append_val (r->frames, time);
    g_array_append_vals (r->tiles, tiles, 2);
  }
  r->answered = TRUE;
  r->precision = g_strdup ("f16");
  r->picture_tokens = (guint64)tiles_encoded (m, s) * m->tile_tokens;
  r->prompt_tokens = m->words + r->picture_tokens;
  r->cached_tokens = m->cached;
  r->output_tokens = MIN (m->answer, s->max_tokens);
  r->preprocess = tiles_encoded (m, s) * m->tile / 10;
  r->encode = tiles_encoded (m, s) * m->tile - r->preprocess;
  r->prefill = (r->prompt_tokens - r->cached_tokens) * m->prompt_token;
  r->decode = r->output_tokens * m->answer_token;
  r->alerts = m->alerts;
  return r;
}

static double
share (const Machine *m, const Settings *s)
{
  g_autoptr (Result) r = run (m, s);

  return (double)(r->preprocess + r->encode + r->prefill + r->decode + r->alerts) / (s->duration - s->overlap);
}

/* NULL: it keeps up. */
static gchar *
complaint (const Machine *m, const Settings *s)
{
  TooSlow state = { FALSE };
  g_autoptr (Result) r = run (m, s);
  const Pace pace = { s->duration - s->overlap, s->overlap, s->frames, TRUE };

  g_assert_null (too_slow_note (&state, r, &pace));
  return too_slow_note (&state, r, &pace);
}

static void
set (Settings *s, const gchar *setting)
{
  g_auto (GStrv) parts = g_strsplit (setting, "=", 2);
  gchar *unit = NULL;
  double figure = g_ascii_strtod (parts[1], &unit);

  if (g_str_equal (parts[0], "segment-duration"))
    s->duration = (guint64)(figure * (g_str_equal (unit, "min") ? 60 : g_str_equal (unit, "h") ? 3600 : 1) * GST_SECOND + 0.5);
  else if (g_str_equal (parts[0], "num-segments"))
    s->frames = (guint)figure;
  else if (g_str_equal (parts[0], "max-tiles"))
    s->max_tiles = (guint)figure;
  else if (g_str_equal (parts[0], "max-tokens"))
    s->max_tokens = (guint)figure;
  else
    g_error ("%s", setting);
}

/* Calls `check` with the settings that each proposal makes; returns how many there are. */
static guint
follow (const Machine *m, const Settings *s, void (*check) (const Machine *, const Settings *, const gchar *))
{
  g_autofree gchar *text = complaint (m, s);
  const gchar *list = strstr (text, "it keeps up with ") + strlen ("it keeps up with ");
  g_autofree gchar *without_end = g_strndup (list, strlen (list) - 1);
  g_auto (GStrv) proposals = g_strsplit (without_end, ", or ", -1);

  for (guint i = 0; proposals[i] != NULL; i++) {
    g_auto (GStrv) settings = g_strsplit (proposals[i], " with ", -1);
    Settings changed = *s;

    for (guint k = 0; settings[k] != NULL; k++)
      set (&changed, settings[k]);
    check (m, &changed, text);
  }
  return g_strv_length (proposals);
}

static void
assert_keeps_up (const Machine *m, const Settings *s, const gchar *text)
{
  if (share (m, s) > 0.9 + 1e-9)
    g_error ("%s: %.4f with duration %" G_GUINT64_FORMAT ", %u frames, %u tiles, %u tokens", text, share (m, s), s->duration,
        s->frames, s->max_tiles, s->max_tokens);
}

static void
test_whatever_is_proposed_keeps_up (void)
{
  guint n_slow = 0, n_proposals = 0;

  for (guint i = 0; i < 20000; i++) {
    Machine m = { .tile = g_test_rand_int_range (1, 1000) * GST_MSECOND / 10,
      .prompt_token = g_test_rand_int_range (1, 1000) * GST_USECOND,
      .answer_token = g_test_rand_int_range (1, 1000) * GST_USECOND * 100,
      .alerts = g_test_rand_bit () ? g_test_rand_int_range (0, 3000) * GST_MSECOND : 0,
      .tiles = g_test_rand_int_range (1, 13),
      .tile_tokens = g_test_rand_int_range (1, 300),
      .words = g_test_rand_int_range (10, 500),
      .answer = g_test_rand_int_range (1, 200) };
    Settings s = { .overlap = g_test_rand_bit () ? GST_SECOND / 2 : 0,
      .frames = g_test_rand_int_range (1, 33),
      .max_tiles = g_test_rand_int_range (1, 13),
      .max_tokens = g_test_rand_int_range (1, 200) };

    m.cached = g_test_rand_int_range (0, (gint)m.words);
    s.duration = s.overlap + g_test_rand_int_range (1, 100) * GST_SECOND / 10;
    if (share (&m, &s) <= 1)
      continue;
    n_slow++;
    n_proposals += follow (&m, &s, assert_keeps_up);
  }
  g_test_message ("%u proposals of %u", n_proposals, n_slow);
  g_assert_cmpuint (n_slow, >, 1000);
  g_assert_cmpuint (n_proposals, >, n_slow);
}

/* 8 frames: 8 s; 8 x 100 tokens and 50 of words: 0.85 s; 60 of an answer: 6 s; of 10 s. */
static const Machine machine = { GST_SECOND, GST_MSECOND, 100 * GST_MSECOND, 0, 1, 100, 50, 0, 60 };
static const Settings settings = { 10 * GST_SECOND, 0, 8, 1, 128 };

static void
assert_proposes (const Machine *m, const Settings *s, const gchar *proposal)
{
  g_autofree gchar *text = complaint (m, s);

  g_test_message ("%s", text);
  g_assert_true (g_str_has_suffix (text, proposal));
}

static void
test_the_most_that_keeps_up_is_proposed (void)
{
  Settings s = settings;
  Machine m = machine;

  assert_proposes (&m, &s, "By these figures it keeps up with segment-duration=17s, or num-segments=2.");
  s.duration = 12 * GST_SECOND; /* 10.8 s without the margin, of which 8.85 go to what is seen */
  assert_proposes (&m, &s, "it keeps up with segment-duration=17s, or num-segments=4, or max-tokens=19.");
  s.overlap = 2 * GST_SECOND;
  s.duration = 12 * GST_SECOND;
  assert_proposes (&m, &s, "it keeps up with segment-duration=19s, or num-segments=2.");
}

static void
test_two_together_are_proposed_where_neither_is_enough (void)
{
  Settings s = settings;
  Machine m = machine;

  s.duration = 6 * GST_SECOND;
  assert_proposes (&m, &s, "it keeps up with segment-duration=17s, or num-segments=4 with max-tokens=9.");
}

static void
test_tiles_are_proposed_where_there_are_more_than_frames (void)
{
  Settings s = settings;
  Machine m = machine;

  m.tiles = s.max_tiles = 4;
  m.tile = GST_SECOND / 10;
  assert_proposes (&m, &s, "it keeps up with segment-duration=16s, or num-segments=2, or max-tiles=1, or max-tokens=9.");
}

static void
test_nothing_else_is_proposed_where_alerts_take_it_all (void)
{
  Machine m = machine;

  m.alerts = 10 * GST_SECOND;
  assert_proposes (&m, &settings, "it keeps up with segment-duration=28s.");
}

static void
test_short_segments_stay_short (void)
{
  const Machine m = { GST_MSECOND, GST_MSECOND, GST_MSECOND, 0, 1, 200, 50, 0, 60 };
  Settings s = settings;

  s.duration = GST_SECOND;
  assert_proposes (&m, &s, "it keeps up with segment-duration=2s, or num-segments=3.");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

#define RULE(name) g_test_add_func ("/too-slow/" #name, test_##name)
  RULE (whatever_is_proposed_keeps_up);
  RULE (the_most_that_keeps_up_is_proposed);
  RULE (two_together_are_proposed_where_neither_is_enough);
  RULE (tiles_are_proposed_where_there_are_more_than_frames);
  RULE (nothing_else_is_proposed_where_alerts_take_it_all);
  RULE (short_segments_stay_short);
#undef RULE
  return g_test_run ();
}

/* evaluate: how much of what the element says of the yard is true, after a video encoder, on seeds that training never saw. */
#include "clips.h"
#include "score.h"

#include "model/minivl.h"

#include <stdlib.h>

#define MOST_REPORTS 6 /* in a summary */

typedef struct
{
  gchar *model, *precision, *json;
  gint clips;
  gint64 seed;
  Shares bar;
  gboolean has_bar;
} Options;

static const struct
{
  const gchar *name;
  guint width, height;
} sizes[] = { { "320x240", 320, 240 }, { "1280x720", 1280, 720 } };

/* --- options ----------------------------------------------------------------------------------------------------------------- */

static gboolean
parse_bar (const gchar *option, const gchar *value, gpointer data, GError **error)
{
  Options *o = data;
  double *const shares[] = { &o->bar.stated_right, &o->bar.present_stated, &o->bar.questions, &o->bar.summaries };
  g_auto (GStrv) parts = g_strsplit (value != NULL ? value : "97,97,97,95", ",", -1);
  guint64 percent;

  o->has_bar = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (shares); i++) {
    if (g_strv_length (parts) != G_N_ELEMENTS (shares) || !g_ascii_string_to_unsigned (parts[i], 10, 0, 100, &percent, NULL)) {
      g_set_error (
          error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s=%s: four whole percentages with commas between", option, value);
      return FALSE;
    }
    *shares[i] = percent / 100.;
  }
  return TRUE;
}

static gboolean
parse_options (Options *o, gint argc, gchar **argv, GError **error)
{
  const GOptionEntry entries[] = {
    { "model", 0, 0, G_OPTION_ARG_FILENAME, &o->model, "checkpoint folder (the demo model)", "DIR" },
    { "precision", 0, 0, G_OPTION_ARG_FILENAME, &o->precision, "as the element's property (auto)", "P" },
    { "clips", 0, 0, G_OPTION_ARG_INT, &o->clips, "clips of each size (150)", "N" },
    { "seed", 0, 0, G_OPTION_ARG_INT64, &o->seed, "of the first clip (1000); training has those from 2^32", "S" },
    { "json", 0, 0, G_OPTION_ARG_FILENAME, &o->json, "write the shares there", "FILE" },
    { "bar", 0, G_OPTION_FLAG_OPTIONAL_ARG, G_OPTION_ARG_CALLBACK, parse_bar,
        "exit 1 below these percentages: stated facts right, present facts stated, questions, summaries (97,97,97,95)", "A,B,C,D" },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  GOptionGroup *group = g_option_group_new (NULL, NULL, NULL, o, NULL);

  g_option_group_add_entries (group, entries);
  g_option_context_set_main_group (context, group);
  g_option_context_set_summary (context, "Draws clips of the yard, sends them through an H.264 encoder and the element minivl,\n"
                                         "and counts what is true of what it says.");
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, &argc, &argv, error))
    return FALSE;
  if (o->clips >= 1 && o->clips <= 100000 && o->seed >= 0 && argc == 1)
    return TRUE;
  g_set_error (
      error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--clips from 1 to 100000, --seed from 0, and nothing else; see --help");
  return FALSE;
}

/* --- clips ------------------------------------------------------------------------------------------------------------------- */

static void
on_clip (guint done)
{
  if (done % 10 == 0)
    g_printerr (" %u", done);
}

static gboolean
evaluate_clips (const Options *o, guint size, Score *score, gint *precision, GError **error)
{
  g_autofree Clip *clips = g_new (Clip, o->clips);
  gboolean ok;

  for (gint i = 0; i < o->clips; i++)
    clip_init (&clips[i], o->seed + size * o->clips + i);
  g_printerr ("%s, %d clips:", sizes[size].name, o->clips);
  ok = clips_describe (clips, o->clips, sizes[size].width, sizes[size].height, o->model, o->precision, on_clip, precision, error);
  g_printerr ("\n");
  for (gint i = 0; i < o->clips; i++) {
    if (ok)
      score_add_report (score, sizes[size].name, &clips[i].facts, clips[i].report);
    for (guint k = 0; k < CLIP_QUESTIONS && ok; k++)
      score_add_answer (score, clips[i].questions[k], &clips[i].facts, clips[i].answers[k]);
    clip_clear (&clips[i]);
  }
  return ok;
}

/* --- summaries --------------------------------------------------------------------------------------------------------------- */

/* Reports as the element hands them to a summary, or bare. (transfer full) */
static gchar *
make_prompt (YardRandom *rng, const YardFacts *facts, guint n)
{
  guint step = yard_random_within (rng, 2, 30), start = yard_random_within (rng, 0, 8000);
  gboolean timed = yard_random_within (rng, 0, 3) > 0;
  g_autoptr (GString) prompt = g_string_new (NULL);

  g_string_append (
      prompt, grammar_summary_prompts[yard_random_within (rng, 0, g_strv_length ((gchar **)grammar_summary_prompts) - 1)]);
  for (guint i = 0; i < n; i++) {
    g_autofree gchar *report = grammar_report (&facts[i]);
    guint a = start + i * step, b = a + step;

    g_string_append_c (prompt, '\n');
    if (timed)
      g_string_append_printf (
          prompt, "%u:%02u:%02u - %u:%02u:%02u: ", a / 3600, a / 60 % 60, a % 60, b / 3600, b / 60 % 60, b % 60);
    g_string_append (prompt, report);
  }
  return g_strdup (prompt->str);
}

static gboolean
evaluate_summary (MinivlSession *session, guint64 seed, Score *score, GError **error)
{
  YardRandom rng = ~seed;
  guint n = yard_random_within (&rng, 1, MOST_REPORTS);
  g_autofree gchar *prompt = NULL;
  g_auto (MinivlAnswer) answer = { NULL };
  YardFacts facts[MOST_REPORTS];

  for (guint i = 0; i < n; i++) {
    YardScene scene;

    yard_scene_init (&scene, yard_random_next (&rng) >> 33, NULL, NULL);
    yard_scene_get_facts (&scene, &facts[i]);
  }
  prompt = make_prompt (&rng, facts, n);
  minivl_session_reset (session);
  if (!minivl_session_ask (session, prompt, NULL, NULL, NULL, &answer, error))
    return FALSE;
  score_add_summary (score, facts, n, answer.text);
  return TRUE;
}

static gboolean
evaluate_summaries (const Options *o, gint precision, Score *score, GError **error)
{
  g_autofree gchar *path = o->model != NULL ? g_strdup (o->model) : minivl_default_model_path ();
  const MinivlEngineOptions options = { .model_path = path, .precision = precision };
  g_autoptr (MinivlEngine) engine = minivl_engine_open (&options, error);
  g_autoptr (MinivlSession) session = engine != NULL ? minivl_session_new (engine, error) : NULL;
  gboolean ok = session != NULL;

  g_printerr ("%d summaries:", o->clips);
  for (gint i = 0; i < o->clips && ok; i++) {
    ok = evaluate_summary (session, o->seed + i, score, error);
    on_clip (i + 1);
  }
  g_printerr ("\n");
  return ok;
}

/* --- the program ------------------------------------------------------------------------------------------------------------- */

static gboolean
run (const Options *o, Score *score, GError **error)
{
  g_autofree gchar *json = NULL;
  gint precision = 0;

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    if (!evaluate_clips (o, i, score, &precision, error))
      return FALSE;
  if (!evaluate_summaries (o, precision, score, error))
    return FALSE;
  score_print (score, stdout);
  json = score_to_json (score);
  return o->json == NULL || g_file_set_contents (o->json, json, -1, error);
}

static gboolean
is_below (const Shares *s, const Shares *bar)
{
  return s->stated_right < bar->stated_right || s->present_stated < bar->present_stated || s->questions < bar->questions
         || s->summaries < bar->summaries;
}

gint
main (gint argc, gchar **argv)
{
  Options o = { .clips = 150, .seed = 1000 };
  g_autoptr (Score) score = score_new ();
  g_autoptr (GError) error = NULL;
  gint code = EXIT_SUCCESS;

  if (!parse_options (&o, argc, argv, &error) || !run (&o, score, &error)) {
    g_printerr ("evaluate: %s\n", error->message);
    code = error->domain == G_OPTION_ERROR ? 2 : EXIT_FAILURE;
  } else {
    const Shares s = score_get_shares (score);

    if (o.has_bar && is_below (&s, &o.bar)) {
      g_printerr ("evaluate: below the bar\n");
      code = EXIT_FAILURE;
    }
  }
  g_free (o.model);
  g_free (o.precision);
  g_free (o.json);
  return code;
}

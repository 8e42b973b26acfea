/* Answers that are one of several choices; on a small model of random weights, with the trained tokenizer. */
#include <math.h>
#include <string.h>

#include <json-glib/json-glib.h>

#include "api.h"
#include "model/engine.h"

static const gchar *const animals[] = { "yes", "no", "maybe later", NULL };

static MinivlParams
params_of (const gchar *const *choices)
{
  MinivlParams params = MINIVL_PARAMS_INIT;

  params.choices = choices;
  params.max_tokens = 40;
  return params;
}

static void
ask (const gchar *prompt, const MinivlParams *params, MinivlAnswer *answer)
{
  g_autoptr (GError) error = NULL;
  MinivlSession *session = api_new_session ();

  minivl_session_ask (session, prompt, params, NULL, NULL, answer, &error);
  g_assert_no_error (error);
  minivl_session_free (session);
}

static void
check_choice (const MinivlAnswer *answer, const gchar *const *choices)
{
  double sum = 0;

  g_assert_cmpuint (answer->n_choices, ==, g_strv_length ((gchar **)choices));
  g_assert_cmpint (answer->choice, >=, 0);
  g_assert_cmpint (answer->choice, <, answer->n_choices);
  g_assert_cmpstr (answer->text, ==, choices[answer->choice]);
  g_assert_cmpint (answer->finish, ==, MINIVL_FINISH_STOP);
  g_assert_cmpuint (answer->drafted, ==, 0);
  for (guint i = 0; i < answer->n_choices; i++)
    sum += answer->choice_probabilities[i];
  g_assert_cmpfloat_with_epsilon (sum, 1, 1e-5);
  for (guint i = 0; i < answer->output_tokens; i++)
    g_assert_cmpfloat (answer->logprobs[i], <=, 1e-6);
}

/* As a mark or as a byte. */
static gboolean
is_lone_space (gint32 id)
{
  const gchar *token = tokenizer_token (api_engine->tokenizer, id);

  return g_strcmp0 (token, SPACE_MARK) == 0 || g_strcmp0 (token, "<0x20>") == 0;
}

/* The choices part at their first letter. */
static void
test_probabilities_are_those_of_the_first_tokens (void)
{
  MinivlParams params = params_of (animals), plain = MINIVL_PARAMS_INIT;
  g_auto (MinivlAnswer) answer = { 0 }, whole = { 0 };
  double weights[3] = { 0 }, most = -INFINITY;

  ask ("Is it?", &params, &answer);
  check_choice (&answer, animals);
  plain.max_tokens = 1;
  plain.want_logits = TRUE;
  ask ("Is it?", &plain, &whole);
  for (guint i = 0; i < whole.n_logits; i++)
    most = fmax (most, whole.logits[i]);
  for (gint32 id = 0; id < (gint32)whole.n_logits; id++) {
    g_autofree gchar *text = tokenizer_decode (api_engine->tokenizer, &id, 1, FALSE);

    for (guint i = 0; i < 3; i++) /* a lone space tells nothing, and is shared */
      if (is_lone_space (id))
        weights[i] += exp (whole.logits[id] - most) / 3;
      else if (*text && g_str_has_prefix (animals[i], text))
        weights[i] += exp (whole.logits[id] - most);
  }
  /* An answer that begins with the lone space tells more: then only what is known before is compared, that of the sum. */
  if (!is_lone_space (answer.token_ids[0])) {
    double sum = weights[0] + weights[1] + weights[2];

    for (guint i = 0; i < 3; i++)
      g_assert_cmpfloat_with_epsilon (answer.choice_probabilities[i], weights[i] / sum, 1e-4);
  }
}

/* Drawn as often as they are probable. */
static void
test_drawn_choices (void)
{
  MinivlParams params = params_of (animals);
  double expected[3] = { 0 };
  guint drawn[3] = { 0 }, n = 150;

  params.temperature = 1;
  params.top_k = 0;
  params.top_p = 1;
  for (guint seed = 0; seed < n; seed++) {
    g_auto (MinivlAnswer) answer = { 0 };

    params.seed = seed;
    ask ("Is it?", &params, &answer);
    check_choice (&answer, animals);
    drawn[answer.choice]++;
    for (guint i = 0; i < 3; i++)
      expected[i] += answer.choice_probabilities[i];
  }
  for (guint i = 0; i < 3; i++)
    g_assert_cmpfloat (fabs (drawn[i] - expected[i]), <=, 4 * sqrt (n * 0.25));
  g_assert_cmpuint (drawn[0] < n && drawn[1] < n && drawn[2] < n, ==, TRUE);
}

/* One that begins another, in letters that are several bytes, in words that are alike to the end; with white space around. */
static void
test_awkward_choices (void)
{
  static const gchar *const sets[][6] = {
    { "a", "ab", "abc", NULL },
    { "größer", "größe", "日本", "日", "🐕", NULL },
    { " a dog in the yard\n", "\ta dog in the garden", "a dog", NULL },
    { "only one", NULL },
  };
  static const double temperatures[] = { 0, 1, 20 };

  for (guint i = 0; i < G_N_ELEMENTS (sets); i++) {
    g_auto (GStrv) stripped = g_strdupv ((gchar **)sets[i]);

    for (gchar **text = stripped; *text; text++)
      g_strstrip (*text);
    for (guint k = 0; k < 30; k++) {
      MinivlParams params = params_of (sets[i]);
      g_auto (MinivlAnswer) answer = { 0 };

      params.temperature = temperatures[k % 3];
      params.top_k = k % 2 ? 0 : 40;
      params.repetition_penalty = k % 5 ? 1 : 1.3;
      params.seed = k;
      params.max_tokens = k % 4 ? 64 : 24;
      params.n_logprobs = 3;
      ask ("What is it?", &params, &answer);
      check_choice (&answer, (const gchar *const *)stripped);
    }
  }
}

typedef struct
{
  MinivlParams params;
  MinivlAnswer answer;
  gchar *prompt;
} Asked;

static gpointer
ask_in_thread (gpointer data)
{
  Asked *a = data;

  ask (a->prompt, &a->params, &a->answer);
  return NULL;
}

/* Beside answers of no shape, in the same steps. */
static void
test_among_others (void)
{
  Asked asked[8];
  GThread *threads[G_N_ELEMENTS (asked)];

  for (guint i = 0; i < G_N_ELEMENTS (asked); i++) {
    asked[i] = (Asked){ .params = params_of (i % 2 ? animals : NULL), .prompt = g_strdup_printf ("Number %u?", i) };
    asked[i].params.max_tokens = 24;
    threads[i] = g_thread_new ("asks", ask_in_thread, &asked[i]);
  }
  for (guint i = 0; i < G_N_ELEMENTS (asked); i++)
    g_thread_join (threads[i]);
  for (guint i = 0; i < G_N_ELEMENTS (asked); i++) {
    g_auto (MinivlAnswer) alone = { 0 };

    ask (asked[i].prompt, &asked[i].params, &alone);
    api_assert_same (&asked[i].answer, &alone);
    if (i % 2)
      check_choice (&asked[i].answer, animals);
    else
      g_assert_null (alone.choice_probabilities);
    minivl_answer_clear (&asked[i].answer);
    g_free (asked[i].prompt);
  }
}

static void
test_refused (void)
{
  static const gchar *const wrong[][3] = { { NULL }, { "a", " ", NULL }, { "a", "a ", NULL }, { "a", "\xff", NULL } };
  g_autofree gchar *word = g_strnfill (1025, 'a');
  const gchar *const too_long[] = { word, NULL };
  MinivlSession *session = api_new_session ();
  MinivlParams params;

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++) {
    params = params_of (wrong[i]);
    api_refuse (session, "Which?", &params, MINIVL_ERROR_USAGE);
  }
  params = params_of (too_long);
  api_refuse (session, "Which?", &params, MINIVL_ERROR_USAGE);
  params = params_of (animals);
  params.max_tokens = 1; /* "maybe later" takes more */
  api_refuse (session, "Which?", &params, MINIVL_ERROR_USAGE);
  minivl_session_free (session);
}

/* A stop string that a choice has in it does not cut it. */
static void
test_stop_strings_are_not_looked_for (void)
{
  static const gchar *const stop[] = { "e", "o", NULL };
  MinivlParams params = params_of (animals);
  g_auto (MinivlAnswer) answer = { 0 };

  params.stop = stop;
  ask ("Is it?", &params, &answer);
  check_choice (&answer, animals);
}

static void
test_program (void)
{
  static const gchar *const choices[] = { "a red bus", "a dog", "größer" };
  const gchar *const argv[] = { MINIVL_CHAT, "--model", api_model, "--json", "--context-size", "512", "--choices",
    "a red bus| a dog\ngrößer", "--temperature", "1", "--max-tokens", "40", "What is it?", NULL };
  g_autofree gchar *out = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = NULL;
  JsonObject *o;
  gint status;
  double sum = 0;

  g_spawn_sync (NULL, (gchar **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &out, NULL, &status, &error);
  g_assert_no_error (error);
  g_assert_cmpint (status, ==, 0);
  node = json_from_string (out, &error);
  g_assert_no_error (error);
  o = json_node_get_object (node);
  for (guint i = 0; i < 3; i++)
    sum += json_array_get_double_element (json_object_get_array_member (o, "choice_probabilities"), i);
  g_assert_cmpfloat_with_epsilon (sum, 1, 1e-5);
  g_assert_cmpstr (json_object_get_string_member (o, "text"), ==, choices[json_object_get_int_member (o, "choice")]);
  g_assert_cmpstr (json_object_get_string_member (o, "finish_reason"), ==, "stop");
}

static void
add_tests (void)
{
  g_test_add_func ("/shapes/choices/probabilities_are_those_of_the_first_tokens", test_probabilities_are_those_of_the_first_tokens);
  g_test_add_func ("/shapes/choices/are_drawn_as_often_as_they_are_probable", test_drawn_choices);
  g_test_add_func ("/shapes/choices/awkward_ones", test_awkward_choices);
  g_test_add_func ("/shapes/choices/among_others", test_among_others);
  g_test_add_func ("/shapes/choices/refused", test_refused);
  g_test_add_func ("/shapes/choices/no_stop_strings", test_stop_strings_are_not_looked_for);
  g_test_add_func ("/shapes/choices/minivl_chat", test_program);
}

int
main (int argc, char **argv)
{
  return api_run (argc, argv, add_tests);
}

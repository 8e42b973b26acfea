/* Reports to lines, lines to prompts in stages. A back end of its own counts and answers; no element. */
#include "gst/worker/summary.h"

#include <string.h>

/* Four bytes a token, and the chat's own. */
#define CHAT_TOKENS 20

static guint context_size = 600, answer_bytes = 40, fails, n_counted, bytes_counted;
static GPtrArray *prompts; /* gchar: what was asked */

static guint
tokens_of (const gchar *text)
{
  return CHAT_TOKENS + (guint)(strlen (text) + 3) / 4;
}

static gboolean
count_text (gpointer self, const BackendQuestion *question, guint *tokens, GError **error)
{
  n_counted++;
  bytes_counted += (guint)strlen (question->text);
  *tokens = tokens_of (question->text);
  return TRUE;
}

/* "sum N", with dots up to so many bytes. */
static gboolean
answer (gpointer self, const BackendQuestion *question, const gint *cancel, BackendAnswer *out, GError **error)
{
  GString *text = g_string_new (NULL);

  g_assert_cmpuint (tokens_of (question->text) + question->params.max_tokens, <=, context_size);
  g_assert_cmpuint (question->n_pictures, ==, 0);
  if (fails > 0) {
    fails--;
    g_set_error_literal (error, MINIVL_ERROR, MINIVL_ERROR_MEMORY, "no memory");
    g_string_free (text, TRUE);
    return FALSE;
  }
  g_ptr_array_add (prompts, g_strdup (question->text));
  g_string_append_printf (text, "<sum %u>", prompts->len);
  while (text->len < answer_bytes)
    g_string_append_c (text, '.');
  *out = (BackendAnswer){ .text = g_string_free (text, FALSE),
    .finish_reason = *cancel ? "cancelled" : "stop",
    .prompt_tokens = 100,
    .output_tokens = 10,
    .cached_tokens = 5,
    .prefill_ns = 3,
    .decode_ns = 4 };
  return TRUE;
}

static const Backend backend = { .count_text = count_text, .ask = answer };

typedef struct
{
  Summary *summary;
  SegmentSettings settings;
  SummaryAsker asker;
  gint cancel;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  context_size = 600;
  answer_bytes = 40;
  fails = n_counted = bytes_counted = 0;
  prompts = g_ptr_array_new_with_free_func (g_free);
  f->summary = summary_new ();
  f->settings = (SegmentSettings){ .params = MINIVL_PARAMS_INIT, .summary_prompt = (gchar *)"Sum up.\n{reports}" };
  f->settings.params.max_tokens = 50;
  f->asker = (SummaryAsker){ &backend, NULL, &f->cancel, context_size, &f->settings, "yard" };
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  summary_free (f->summary);
  g_ptr_array_unref (prompts);
}

static Result *
make (const gchar *kind, double start, double stop, const gchar *text, const gchar *finish_reason, const gchar *utc)
{
  Result *result = result_new ();

  result->kind = kind;
  result->segment_start = (guint64)(start * 1e9);
  result->segment_stop = (guint64)(stop * 1e9);
  result->text = g_strdup (text);
  result->finish_reason = finish_reason;
  result->utc = g_strdup (utc);
  return result;
}

static void
add (Fixture *f, double start, double stop, const gchar *text, const gchar *finish_reason)
{
  g_autoptr (Result) result = make (RESULT_SEGMENT, start, stop, text, finish_reason, NULL);

  summary_add (f->summary, result);
}

static void
add_alert (Fixture *f, double start, double stop, const gchar *text)
{
  g_autoptr (Result) result = make (RESULT_ALERT, start, stop, text, "length", NULL);

  summary_add (f->summary, result);
}

/* As many stages as it takes, each of which asks once. */
static gboolean
reduce (Fixture *f, GError **error)
{
  guint asked = prompts->len;
  SummaryState state;

  while ((state = summary_step (f->summary, &f->asker, error)) == SUMMARY_SHORTER)
    g_assert_cmpuint (prompts->len, ==, ++asked);
  return state == SUMMARY_FITS;
}

/* A summary, whose reports are kept. */
static gboolean
ask (Fixture *f, BackendAnswer *got, gchar **prompt, GError **error)
{
  gboolean answered;

  summary_begin (f->summary, 0);
  answered = reduce (f, error) && summary_ask (f->summary, &f->asker, got, prompt, error);
  summary_end (f->summary, FALSE);
  return answered;
}

static void
sum_up (Fixture *f, BackendAnswer *got, gchar **prompt)
{
  GError *error = NULL;

  ask (f, got, prompt, &error);
  g_assert_no_error (error);
}

/* Sums up, and asserts the lines of the last prompt. */
static void
assert_lines (Fixture *f, const gchar *lines)
{
  g_autofree gchar *prompt = NULL, *expected = g_strconcat ("Sum up.\n", lines, NULL);
  BackendAnswer got = { NULL };

  sum_up (f, &got, &prompt);
  g_assert_cmpstr (prompt, ==, expected);
  g_free (got.text);
}

static void
test_line (Fixture *f, gconstpointer data)
{
  add (f, 0, 10, "A man walks.", "stop");
  add (f, 10, 20.4, "He\nleaves.\r\n", "length");
  add (f, 20.4, 29.5, "Half an answ", "deadline");
  add (f, 36000 + 29.5, 36000 + 40, "A dog barks.", "stop");
  assert_lines (f, "0:00:00 - 0:00:10: A man walks.\n0:00:10 - 0:00:20: He leaves.\n0:00:20 - 0:00:30: Half an answ\n"
                   "0:00:30 - 10:00:30: Not watched.\n10:00:30 - 10:00:40: A dog barks.");
}

static void
test_runs (Fixture *f, gconstpointer data)
{
  add (f, 0, 10, "", "unchanged");
  add (f, 10, 20, "", "unchanged");
  add (f, 20, 30, "", "dropped");
  add (f, 30, 40, "", "error");
  add (f, 40, 50, "half", "flush");
  add (f, 50, 60, "", "deadline");
  add (f, 60, 70, "A man walks.", "stop");
  add (f, 70, 80, "", "unchanged");
  add (f, 80, 90, "", "stop");
  add (f, 90, 100, "", "stop");
  assert_lines (f, "0:00:00 - 0:00:20: Nothing changed.\n0:00:20 - 0:01:00: Not watched.\n0:01:00 - 0:01:10: A man walks.\n"
                   "0:01:10 - 0:01:20: Nothing changed.\n0:01:20 - 0:01:40: Nothing seen.");
}

static void
test_alerts (Fixture *f, gconstpointer data)
{
  add_alert (f, 0, 10, "ALERT: Is anyone there?");
  add (f, 0, 10, "A man walks.", "stop");
  add_alert (f, 10, 20, "ALERT OVER: Is anyone there?");
  add (f, 10, 20, "Nobody.", "stop");
  assert_lines (f, "0:00:00 - 0:00:10: ALERT: Is anyone there?\n0:00:00 - 0:00:10: A man walks.\n"
                   "0:00:10 - 0:00:20: ALERT OVER: Is anyone there?\n0:00:10 - 0:00:20: Nobody.");
}

static void
test_only_reports (Fixture *f, gconstpointer data)
{
  g_autoptr (Result) question = make (RESULT_QUESTION, 0, 10, "Yes.", "stop", NULL);
  g_autoptr (Result) sum = make (RESULT_SUMMARY, 0, 10, "All quiet.", "stop", NULL);
  g_autoptr (Result) failed = make (RESULT_SUMMARY, 0, 10, "", "error", NULL);
  g_autoptr (Result) alert = make (RESULT_ALERT, 0, 10, "ALERT: what", "stop", NULL);

  g_assert_false (summary_is_report (question));
  g_assert_false (summary_is_report (sum));
  g_assert_true (summary_is_report (alert));
  g_assert_true (result_is_made_summary (sum));
  g_assert_false (result_is_made_summary (failed));
  g_assert_false (result_is_made_summary (question));
}

/* Words of a report are no placeholders and no pictures. */
static void
test_report_is_text (Fixture *f, gconstpointer data)
{
  add (f, 3600, 3610, "A sign: {stop} {reports} <image>{utc}", "stop");
  f->settings.summary_prompt = (gchar *)"{stream} {n} {start} {stop} {utc}: {reports}, {label}";
  {
    g_autofree gchar *prompt = NULL;
    BackendAnswer got = { NULL };

    g_assert_true (ask (f, &got, &prompt, NULL));
    g_assert_cmpstr (
        prompt, ==, "yard 1 1:00:00.000 1:00:10.000 unknown: 1:00:00 - 1:00:10: A sign: {stop} {reports} {utc}, {label}");
    g_free (got.text);
  }
  f->settings.summary_prompt = (gchar *)"Sum up.";
  assert_lines (f, "1:00:00 - 1:00:10: A sign: {stop} {reports} {utc}");
}

/* How often text is in a prompt. */
static guint
count_prompts_with (const gchar *text)
{
  guint n = 0;

  for (guint i = 0; i < prompts->len; i++)
    n += strstr (g_ptr_array_index (prompts, i), text) != NULL;
  return n;
}

/* Through how many stages what the n-th stage said went on to the end. */
static guint
stages_behind (guint n)
{
  g_autofree gchar *said = g_strdup_printf ("<sum %u>", n);

  for (guint i = n; i < prompts->len; i++)
    if (strstr (g_ptr_array_index (prompts, i), said) != NULL)
      return 1 + stages_behind (i + 1);
  return 0;
}

static void
test_stages (Fixture *f, gconstpointer data)
{
  const guint n = 1500;
  g_autofree gchar *prompt = NULL;
  BackendAnswer got = { NULL };
  guint64 start, stop;
  gint64 utc;

  for (guint i = 0; i < n; i++) {
    g_autofree gchar *text = g_strdup_printf ("<report %u> of the yard", i);
    GError *error = NULL;

    add (f, 10 * i, 10 * (i + 1), text, "stop");
    g_assert_true (reduce (f, &error));
    g_assert_no_error (error);
  }
  g_assert_cmpuint (prompts->len, >, 30); /* early, not at the end */
  sum_up (f, &got, &prompt);
  g_assert_cmpstr (prompt, ==, g_ptr_array_index (prompts, prompts->len - 1));
  for (guint i = 0; i < n; i++) {
    g_autofree gchar *text = g_strdup_printf ("<report %u>", i);

    g_assert_cmpuint (count_prompts_with (text), ==, 1);
  }
  for (guint i = 1; i <= prompts->len; i++) {
    g_autofree gchar *text = g_strdup_printf ("<sum %u>", i);

    g_assert_cmpuint (count_prompts_with (text), ==, i < prompts->len);
  }
  g_assert_true (g_str_has_prefix (prompt, "Sum up.\n0:00:00 - ")); /* the span of the first line is that of all its reports */
  g_assert_nonnull (strstr (prompt, " - 4:10:00: <report 1499>"));
  g_assert_cmpuint (stages_behind (1), <=, 8); /* of more than thirty */

  /* The figures are of all stages. */
  g_assert_cmpuint (got.prompt_tokens, ==, 100 * prompts->len);
  g_assert_cmpuint (got.output_tokens, ==, 10 * prompts->len);
  g_assert_cmpuint (got.cached_tokens, ==, 5 * prompts->len);
  g_assert_cmpuint (got.prefill_ns, ==, 3 * prompts->len);
  g_assert_cmpuint (got.decode_ns, ==, 4 * prompts->len);
  g_assert_true (summary_get_span (f->summary, &start, &stop, &utc));
  g_assert_cmpuint (start, ==, 0);
  g_assert_cmpuint (stop, ==, 10 * n * GST_SECOND);
  g_assert_cmpint (utc, ==, -1);
  g_free (got.text);
  summary_begin (f->summary, 0);
  summary_end (f->summary, TRUE);
  g_assert_false (summary_get_span (f->summary, &start, &stop, &utc));
}

/* What grows unseen, for summaries were asked for with another prompt, goes through stages when it is due. */
static void
test_stages_when_due (Fixture *f, gconstpointer data)
{
  g_autofree gchar *prompt = NULL;
  BackendAnswer got = { NULL };

  for (guint i = 0; i < 200; i++) {
    g_autofree gchar *text = g_strdup_printf ("<report %u>", i);

    add (f, 10 * i, 10 * (i + 1), text, "stop");
  }
  sum_up (f, &got, &prompt);
  for (guint i = 0; i < 200; i++) {
    g_autofree gchar *text = g_strdup_printf ("<report %u>", i);

    g_assert_cmpuint (count_prompts_with (text), ==, 1);
  }
  g_free (got.text);
}

static void
test_run_stays_whole (Fixture *f, gconstpointer data)
{
  guint n_unchanged = 0;

  /* The run is the newest line when the lines are summed up, again and again. */
  for (guint i = 0; i < 400; i++) {
    GError *error = NULL;

    if (i % 3 == 0)
      add (f, 10 * i, 10 * (i + 1), "Something of some length happens", "stop");
    else
      add (f, 10 * i, 10 * (i + 1), "", "unchanged");
    g_assert_true (reduce (f, &error));
  }
  for (guint i = 0; i < prompts->len; i++)
    for (const gchar *p = g_ptr_array_index (prompts, i); (p = strstr (p, ": Nothing changed.")) != NULL; p++)
      n_unchanged++;
  g_assert_cmpuint (prompts->len, >, 5);
  g_assert_cmpuint (n_unchanged, <=, 400 / 3 + 1);
  g_assert_cmpuint (n_unchanged, >, 100);
}

/* All of what is in front of it, too, as a prompt that fits. */
static void
test_long_report (Fixture *f, gconstpointer data)
{
  g_autoptr (GString) words = g_string_new (NULL);
  g_autofree gchar *prompt = NULL;
  BackendAnswer got = { NULL };

  for (guint i = 0; i < 1000; i++)
    g_string_append_printf (words, "w%uä ", i);
  add (f, 0, 10, "Before.", "stop");
  add (f, 10, 20, words->str, "length");
  add (f, 20, 30, "Behind.", "stop");
  sum_up (f, &got, &prompt);
  for (guint i = 0; i < 1000; i++) {
    g_autofree gchar *word = g_strdup_printf ("w%uä", i);

    g_assert_cmpuint (count_prompts_with (word), ==, 1);
  }
  for (guint i = 0; i < prompts->len; i++) {
    g_auto (GStrv) lines = g_strsplit (g_ptr_array_index (prompts, i), "\n", -1);

    g_assert_true (g_utf8_validate (g_ptr_array_index (prompts, i), -1, NULL));
    for (guint k = 1; lines[k] != NULL; k++)
      if (strstr (lines[k], ": w") != NULL)
        g_assert_true (g_str_has_prefix (lines[k], "0:00:10 - 0:00:20: w"));
  }
  g_free (got.text);
}

/* One word without a space is cut between characters. */
static void
test_long_word (Fixture *f, gconstpointer data)
{
  g_autoptr (GString) word = g_string_new (NULL);
  g_autofree gchar *prompt = NULL;
  BackendAnswer got = { NULL };
  guint n = 0;

  for (guint i = 0; i < 3000; i++)
    g_string_append (word, "ä");
  add (f, 10, 20, word->str, "length");
  sum_up (f, &got, &prompt);
  for (guint i = 0; i < prompts->len; i++) {
    g_assert_true (g_utf8_validate (g_ptr_array_index (prompts, i), -1, NULL));
    for (const gchar *p = g_ptr_array_index (prompts, i); (p = strstr (p, "ä")) != NULL; p++)
      n++;
  }
  g_assert_cmpuint (n, ==, 3000);
  g_free (got.text);
}

static void
assert_fails (Fixture *f, gint code, const gchar *part)
{
  g_autofree gchar *prompt = NULL;
  g_autoptr (GError) error = NULL;
  BackendAnswer got = { NULL };

  g_assert_false (ask (f, &got, &prompt, &error));
  g_assert_error (error, MINIVL_ERROR, code);
  g_assert_nonnull (strstr (error->message, part));
  g_assert_null (prompt);
  g_assert_null (got.text);
}

static void
test_budget (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  /* 22 tokens of prompt, and twice 64 for times: (600 - 22 - 128) / 3 */
  f->settings.params.max_tokens = 150;
  g_assert_true (summary_check (f->summary, &f->asker, NULL));
  f->settings.params.max_tokens = 151;
  g_assert_false (summary_check (f->summary, &f->asker, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_BUDGET);
  g_assert_nonnull (strstr (error->message, "Lower max-tokens to 150, or raise context-size"));
  g_assert_nonnull (strstr (error->message, "max-tokens=151"));
  g_clear_error (&error);
  f->asker.context_size = 100;
  g_assert_false (summary_check (f->summary, &f->asker, &error));
  g_assert_nonnull (strstr (error->message, "Shorten summary-prompt or system-prompt, or raise context-size"));
  g_clear_error (&error);

  /* One that cannot be by now does not harm what is kept: lowered, it works. */
  f->asker.context_size = 600;
  f->settings.params.max_tokens = 500;
  for (guint i = 0; i < 40; i++)
    add (f, 10 * i, 10 * (i + 1), "A report of some length", "stop");
  assert_fails (f, MINIVL_ERROR_BUDGET, "Lower max-tokens to 150");
  g_assert_cmpuint (prompts->len, ==, 0);
  f->settings.params.max_tokens = 150;
  {
    g_autofree gchar *prompt = NULL;
    BackendAnswer got = { NULL };

    sum_up (f, &got, &prompt);
    g_free (got.text);
  }
}

/* As long as they are shorter than what they are of; two of them alone do not fit a prompt. */
static void
test_answers_longer_than_asked_for (Fixture *f, gconstpointer data)
{
  g_autofree gchar *prompt = NULL;
  BackendAnswer got = { NULL };

  answer_bytes = 1100;
  for (guint i = 0; i < 200; i++) {
    g_autofree gchar *text = g_strdup_printf ("<report %u> of some length", i);

    add (f, 10 * i, 10 * (i + 1), text, "stop");
  }
  sum_up (f, &got, &prompt);
  for (guint i = 0; i < 200; i++) {
    g_autofree gchar *text = g_strdup_printf ("<report %u>", i);

    g_assert_cmpuint (count_prompts_with (text), ==, 1);
  }
  g_assert_cmpuint (prompts->len, >, 2);
  g_free (got.text);
}

static void
test_answers_without_end (Fixture *f, gconstpointer data)
{
  answer_bytes = 5000;
  for (guint i = 0; i < 100; i++)
    add (f, 10 * i, 10 * (i + 1), "A report of some length", "stop");
  assert_fails (f, MINIVL_ERROR_BUDGET, "raise context-size");
  g_assert_cmpuint (prompts->len, ==, 1);
}

static void
test_failure_keeps_reports (Fixture *f, gconstpointer data)
{
  g_autofree gchar *prompt = NULL;
  BackendAnswer got = { NULL };

  for (guint i = 0; i < 100; i++) {
    g_autofree gchar *text = g_strdup_printf ("<report %u> of some length", i);

    add (f, 10 * i, 10 * (i + 1), text, "stop");
  }
  fails = 1;
  assert_fails (f, MINIVL_ERROR_MEMORY, "no memory");
  fails = 1;
  g_assert_false (reduce (f, NULL));
  f->cancel = 1;
  assert_fails (f, MINIVL_ERROR_CANCELLED, "cancelled");
  f->cancel = 0;
  g_ptr_array_set_size (prompts, 0);
  sum_up (f, &got, &prompt);
  for (guint i = 0; i < 100; i++) {
    g_autofree gchar *text = g_strdup_printf ("<report %u>", i);

    g_assert_cmpuint (count_prompts_with (text), ==, 1);
  }
  g_free (got.text);
}

/* A cancelled last stage is what there is; no report is done with it, for that is the caller's to say. */
static void
test_cancelled_at_the_end (Fixture *f, gconstpointer data)
{
  g_autofree gchar *prompt = NULL;
  BackendAnswer got = { NULL };

  add (f, 0, 10, "A man walks.", "stop");
  f->cancel = 1;
  sum_up (f, &got, &prompt);
  g_assert_cmpstr (got.finish_reason, ==, "cancelled");
  g_assert_true (g_str_has_prefix (got.text, "<sum 1>"));
  g_free (got.text);
  f->cancel = 0;
  assert_lines (f, "0:00:00 - 0:00:10: A man walks.");
}

static void
test_bounded_when_it_never_works (Fixture *f, gconstpointer data)
{
  g_autofree gchar *text = g_strnfill (1 << 16, 'x'), *prompt = NULL;
  BackendAnswer got = { NULL };
  gsize longest;

  for (guint i = 0; i < 300; i++) /* 20 MiB */
    add (f, 10 * i, 10 * (i + 1), text, "stop");
  f->asker.context_size = context_size = 8 << 20;
  sum_up (f, &got, &prompt);
  longest = strlen (prompt);
  g_assert_cmpuint (longest, <=, SUMMARY_MAX_BYTES + (1 << 16));
  g_assert_cmpuint (longest, >, SUMMARY_MAX_BYTES / 4);
  g_assert_true (g_str_has_prefix (prompt, "Sum up.\n0:00:00 - 0:"));
  g_assert_nonnull (strstr (prompt, ": Reports are left out, for they could not be summed up.\n"));
  g_free (got.text);
}

/* Counting costs: it is not done for each report, nor for many reports at a stage that takes few of them. */
static void
test_counts_seldom (Fixture *f, gconstpointer data)
{
  f->asker.context_size = context_size = 100000;
  for (guint i = 0; i < 1000; i++) {
    add (f, 10 * i, 10 * (i + 1), "A report of some length", "stop");
    g_assert_true (reduce (f, NULL));
  }
  g_assert_cmpuint (n_counted, <, 30);

  for (guint i = 1000; i < 10000; i++)
    add (f, 10 * i, 10 * (i + 1), "A report of some length", "stop");
  f->asker.context_size = context_size = 600;
  bytes_counted = 0;
  g_assert_cmpint (summary_step (f->summary, &f->asker, NULL), ==, SUMMARY_SHORTER);
  g_assert_cmpuint (bytes_counted, <, 30 * 4 * context_size);
}

/* What is reported while a summary goes through its stages is for the next one. */
static void
test_reports_between_stages (Fixture *f, gconstpointer data)
{
  guint64 start, stop;
  guint i = 0;
  gint64 utc;

  for (; i < 299; i++)
    add (f, 10 * i, 10 * (i + 1), "A report of some length", "stop");
  add (f, 10 * i, 10 * (i + 1), "", "dropped");
  summary_begin (f->summary, 0);
  g_assert_false (summary_get_span (f->summary, &start, &stop, &utc));
  while (summary_step (f->summary, &f->asker, NULL) == SUMMARY_SHORTER && ++i)
    add (f, 10 * i, 10 * (i + 1), "", "dropped");
  g_assert_cmpuint (i, >, 303);
  g_assert_cmpuint (count_prompts_with ("0:50:10"), ==, 0); /* no run goes on in it */
  summary_end (f->summary, TRUE);
  g_assert_true (summary_get_span (f->summary, &start, &stop, &utc));
  g_assert_cmpuint (start, ==, 3000 * GST_SECOND);
  g_assert_cmpuint (stop, ==, 10 * (i + 1) * GST_SECOND);
}

static void
test_due (Fixture *f, gconstpointer data)
{
  const guint64 minute = 60 * GST_SECOND;
  const guint due[] = { 9, 18, 26 }; /* the first to end at or behind 60, 120, 180 s, of 7 s each */
  guint n = 0;

  g_assert_false (summary_is_due (f->summary, minute));
  for (guint i = 1; i <= 27; i++) {
    add (f, 7 * (i - 1), 7 * i, "A man walks.", "stop");
    g_assert_false (summary_is_due (f->summary, 0));
    g_assert_false (summary_is_due (f->summary, GST_CLOCK_TIME_NONE));
    if (!summary_is_due (f->summary, minute))
      continue;
    g_assert_cmpuint (i, ==, due[n++]);
    summary_begin (f->summary, minute);
    summary_end (f->summary, FALSE);
    g_assert_false (summary_is_due (f->summary, minute));
  }
  g_assert_cmpuint (n, ==, 3);
}

static void
test_time_goes_back (Fixture *f, gconstpointer data)
{
  const guint64 minute = 60 * GST_SECOND;
  guint64 start, stop;
  gint64 utc;

  add (f, 100, 140, "Before.", "stop");
  add (f, 0, 10, "Again.", "stop");
  g_assert_false (summary_is_due (f->summary, minute));
  add (f, 10, 20, "And on.", "stop");
  g_assert_true (summary_is_due (f->summary, minute)); /* 40 s and 20 s */
  g_assert_true (summary_get_span (f->summary, &start, &stop, &utc));
  g_assert_cmpuint (start, ==, 0);
  g_assert_cmpuint (stop, ==, 140 * GST_SECOND);
  assert_lines (f, "0:01:40 - 0:02:20: Before.\n0:00:00 - 0:00:10: Again.\n0:00:10 - 0:00:20: And on.");
}

static void
test_overlap (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < 11; i++)
    add (f, 5 * i, 5 * i + 10, i < 9 ? "" : "A man walks.", i < 9 ? "unchanged" : "stop");
  g_assert_true (summary_is_due (f->summary, 60 * GST_SECOND));
  assert_lines (f, "0:00:00 - 0:00:50: Nothing changed.\n0:00:45 - 0:00:55: A man walks.\n0:00:50 - 0:01:00: A man walks.");
}

/* Stream time begins anew; how long nobody watched is known by the time of day. */
static void
test_restart (Fixture *f, gconstpointer data)
{
  g_autoptr (Result) before = make (RESULT_SEGMENT, 3600, 3610, "Before.", "stop", "2026-11-25T10:00:00.000Z");
  g_autoptr (Result) odd = make (RESULT_SEGMENT, 0, 10, "Odd.", "stop", "9999-11-25T10:00:00.000Z");
  g_autoptr (Result) behind = make (RESULT_SEGMENT, 0, 10, "Behind.", "stop", "2026-11-25T10:05:10.000Z");
  guint64 start, stop;
  gint64 utc;

  summary_recall (f->summary, before);
  g_assert_false (summary_get_span (f->summary, &start, &stop, &utc)); /* nothing of this run */
  g_assert_false (summary_is_due (f->summary, 1));
  summary_add (f->summary, behind);
  g_assert_true (summary_get_span (f->summary, &start, &stop, &utc));
  g_assert_cmpuint (start, ==, 0);
  g_assert_cmpuint (stop, ==, 10 * GST_SECOND);
  g_assert_cmpint (utc, ==, G_GINT64_CONSTANT (1795601110) * GST_SECOND);
  g_assert_false (summary_is_due (f->summary, 21 * GST_SECOND));
  g_assert_true (summary_is_due (f->summary, 20 * GST_SECOND)); /* what was watched before counts */
  assert_lines (f, "1:00:00 - 1:00:10: Before.\n1:00:10 - 1:05:10: Not watched.\n0:00:00 - 0:00:10: Behind.");

  /* No time of day that can be. */
  summary_begin (f->summary, 0);
  summary_end (f->summary, TRUE);
  summary_recall (f->summary, before);
  summary_add (f->summary, odd);
  assert_lines (f, "0:00:10 - 1:00:00: Not watched.\n1:00:00 - 1:00:10: Before.\n0:00:00 - 0:00:10: Odd.");
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)
  ADD ("/summary/a_report_is_a_line_with_its_times", test_line);
  ADD ("/summary/a_run_without_news_is_one_line", test_runs);
  ADD ("/summary/alerts_are_told_when_they_rise_and_fall", test_alerts);
  ADD ("/summary/only_segments_and_alerts_are_reports", test_only_reports);
  ADD ("/summary/words_of_a_report_are_only_text", test_report_is_text);
  ADD ("/summary/each_report_is_in_one_prompt_and_all_prompts_fit", test_stages);
  ADD ("/summary/what_does_not_fit_when_due_goes_through_stages", test_stages_when_due);
  ADD ("/summary/a_run_is_not_cut_by_stages", test_run_stays_whole);
  ADD ("/summary/a_report_longer_than_a_prompt_is_told_in_parts", test_long_report);
  ADD ("/summary/a_word_longer_than_a_prompt_is_cut_between_characters", test_long_word);
  ADD ("/summary/a_context_too_small_says_what_to_lower", test_budget);
  ADD ("/summary/answers_longer_than_asked_for_are_split_as_reports_are", test_answers_longer_than_asked_for);
  ADD ("/summary/answers_longer_than_what_they_are_of_are_an_error_and_no_endless_loop", test_answers_without_end);
  ADD ("/summary/a_failure_keeps_the_reports", test_failure_keeps_reports);
  ADD ("/summary/cancelled_at_the_end_it_is_the_text_so_far", test_cancelled_at_the_end);
  ADD ("/summary/memory_is_bounded_when_it_never_works", test_bounded_when_it_never_works);
  ADD ("/summary/tokens_are_not_counted_for_each_report", test_counts_seldom);
  ADD ("/summary/reports_between_its_stages_are_for_the_next_one", test_reports_between_stages);
  ADD ("/summary/is_due_by_stream_time_without_drift", test_due);
  ADD ("/summary/time_that_goes_back_counts_on", test_time_goes_back);
  ADD ("/summary/segments_that_overlap", test_overlap);
  ADD ("/summary/a_restart_is_told_by_the_time_of_day", test_restart);
  return g_test_run ();
}

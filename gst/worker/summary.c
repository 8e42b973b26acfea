#include "summary.h"

#include "budget.h"
#include "prompt.h"

#include <string.h>

/* At least the tokens of the times in front of a line and of its end. */
#define TIMES_TOKENS 64
/* At least the tokens by which two lines together exceed the sum of both. */
#define JOINT_TOKENS 4
/* A longer gap between reports is time that was not watched. */
#define LONGEST_BREAK GST_SECOND

typedef enum
{
  LINE_TEXT,
  LINE_UNCHANGED,
  LINE_NOT_WATCHED,
  LINE_NOTHING_SEEN,
} LineKind;

typedef struct
{
  LineKind kind;
  guint level; /* how many stages its text has been through */
  guint64 start, stop;
  gint64 utc; /* of the start, ns since 1970; negative: not known */
  gchar *text;
} Line;

struct _Summary
{
  GArray *lines;       /* Line; levels never rise from one to the next */
  guint n_begun;       /* lines in front, of the summary that has begun; 0: none has */
  gsize bytes;         /* of their texts */
  gint64 room;         /* bytes that may be added before the tokens have to be counted again */
  guint64 number;      /* of the summary to come, from 1 */
  BackendAnswer spent; /* by the stages so far */

  /* of the reports of this run that no summary has begun with, and the same of the one that has */
  gboolean any;
  guint64 start, stop;
  gint64 utc; /* of the first one's start */
  gboolean begun_any;
  guint64 begun_start, begun_stop;
  gint64 begun_utc;

  /* of the last report, of any run */
  gboolean begun;
  guint64 since; /* start of the current stretch of time that counts towards the next summary */
  guint64 last_start, last_stop;
  gint64 last_utc; /* of its stop */
  guint64 elapsed; /* up to `since` */
};

/* --- lines ------------------------------------------------------------------------------------------------------------------- */

static void
line_clear (gpointer data)
{
  g_free (((Line *)data)->text);
}

static Line *
line_at (const Summary *s, guint i)
{
  return &g_array_index (s->lines, Line, i);
}

/* At least the line's length in a prompt, and so at least its tokens: each is a byte or more. */
static gsize
line_bytes (const Line *line)
{
  return strlen (line->text) + TIMES_TOKENS;
}

static void
append_time (GString *to, guint64 ns)
{
  guint64 seconds = (ns + GST_SECOND / 2) / GST_SECOND;

  g_string_append_printf (to, "%" G_GUINT64_FORMAT ":%02u:%02u", seconds / 3600, (guint)(seconds / 60 % 60), (guint)(seconds % 60));
}

/* (transfer full) */
static gchar *
one_line (const gchar *text)
{
  return g_strstrip (g_strdelimit (prompt_remove_marks (text), "\r\n", ' '));
}

/* Replaces n lines by one with the span of all. text: (transfer full) */
static void
replace_lines (Summary *s, guint from, guint n, gchar *text)
{
  const Line *first = line_at (s, from);
  Line line = { LINE_TEXT, first->level + 1, first->start, first->stop, first->utc, text };

  for (guint i = from; i < from + n; i++) {
    line.start = MIN (line.start, line_at (s, i)->start);
    line.stop = MAX (line.stop, line_at (s, i)->stop);
    s->bytes -= line_bytes (line_at (s, i));
  }
  s->bytes += line_bytes (&line);
  if (from < s->n_begun)
    s->n_begun = MAX (s->n_begun, from + n) - (n - 1);
  g_array_remove_range (s->lines, from, n);
  g_array_insert_val (s->lines, from, line);
}

/* text: (transfer full) */
static void
add_line (Summary *s, LineKind kind, guint64 start, guint64 stop, gint64 utc, gchar *text)
{
  Line line = { kind, 0, start, stop, utc, text };
  guint half;

  s->bytes += line_bytes (&line);
  s->room -= (gint64)line_bytes (&line);
  g_array_append_val (s->lines, line);
  half = s->lines->len / 2;
  if (s->bytes > SUMMARY_MAX_BYTES && half > 0)
    replace_lines (s, 0, half, g_strdup ("Reports are left out, for they could not be summed up."));
}

static void
add_run (Summary *s, LineKind kind, guint64 start, guint64 stop, gint64 utc)
{
  static const gchar *const texts[] = { NULL, "Nothing changed.", "Not watched.", "Nothing seen." };
  Line *last = s->lines->len > s->n_begun ? line_at (s, s->lines->len - 1) : NULL;

  if (last != NULL && last->kind == kind && start >= last->start && start <= last->stop + LONGEST_BREAK)
    last->stop = MAX (last->stop, stop);
  else
    add_line (s, kind, start, stop, utc, g_strdup (texts[kind]));
}

/* --- reports ----------------------------------------------------------------------------------------------------------------- */

static gint64
parse_utc (const gchar *text)
{
  g_autoptr (GDateTime) time = text != NULL ? g_date_time_new_from_iso8601 (text, NULL) : NULL;
  gint64 seconds = time != NULL ? g_date_time_to_unix (time) : -1;

  /* A journal may have been edited to hold impossible times. */
  if (seconds < 0 || seconds >= RESULT_MAX_TIME / GST_SECOND)
    return -1;
  return seconds * GST_SECOND + g_date_time_get_microsecond (time) * GST_USECOND;
}

/* Notes the time between two reports: by stream time where that continues; where it starts again, after a restart or a seek back,
 * by the time of day, if that is known. */
static void
note_time (Summary *s, const Result *r, gint64 utc)
{
  gboolean back = r->segment_start < s->last_start || r->segment_stop < s->last_stop;

  if (!s->begun || back) {
    if (s->begun && utc >= 0 && s->last_utc >= 0 && utc > s->last_utc + (gint64)LONGEST_BREAK)
      add_run (s, LINE_NOT_WATCHED, s->last_stop, s->last_stop + (utc - s->last_utc), s->last_utc);
    s->elapsed += s->last_stop - s->since;
    s->since = r->segment_start;
  } else if (r->segment_start > s->last_stop + LONGEST_BREAK) {
    add_run (s, LINE_NOT_WATCHED, s->last_stop, r->segment_start, s->last_utc);
  }
  s->begun = TRUE;
  s->last_start = r->segment_start;
  s->last_stop = r->segment_stop;
  s->last_utc = utc >= 0 ? utc + (gint64)(r->segment_stop - r->segment_start) : -1;
}

static LineKind
kind_of (const Result *r)
{
  if (g_str_equal (r->finish_reason, "unchanged"))
    return LINE_UNCHANGED;
  if (result_has_text (r))
    return LINE_TEXT;
  return result_is_finished (r) ? LINE_NOTHING_SEEN : LINE_NOT_WATCHED;
}

gboolean
summary_is_report (const Result *r)
{
  return g_str_equal (r->kind, RESULT_SEGMENT) || g_str_equal (r->kind, RESULT_ALERT);
}

void
summary_leave_out (Summary *s, const Result *first)
{
  add_line (
      s, LINE_TEXT, first->segment_start, first->segment_start, parse_utc (first->utc), g_strdup ("Earlier reports are left out."));
}

void
summary_recall (Summary *s, const Result *r)
{
  LineKind kind = kind_of (r);
  gint64 utc = parse_utc (r->utc);

  note_time (s, r, utc);
  if (kind == LINE_TEXT)
    add_line (s, kind, r->segment_start, r->segment_stop, utc, one_line (r->text));
  else
    add_run (s, kind, r->segment_start, r->segment_stop, utc);
}

void
summary_add (Summary *s, const Result *r)
{
  summary_recall (s, r);
  if (!s->any)
    s->utc = parse_utc (r->utc);
  s->start = s->any ? MIN (s->start, r->segment_start) : r->segment_start;
  s->stop = s->any ? MAX (s->stop, r->segment_stop) : r->segment_stop;
  s->any = TRUE;
}

/* Removes n lines in front. */
static void
remove_lines (Summary *s, guint n)
{
  for (guint i = 0; i < n; i++)
    s->bytes -= line_bytes (line_at (s, i));
  g_array_remove_range (s->lines, 0, n);
  s->room = 0;
}

void
summary_forget (Summary *s)
{
  remove_lines (s, s->lines->len);
  s->spent = (BackendAnswer){ NULL };
  s->any = FALSE;
  s->begun = FALSE;
  s->elapsed = s->since = s->last_start = s->last_stop = 0;
}

Summary *
summary_new (void)
{
  Summary *s = g_new0 (Summary, 1);

  s->number = 1;
  s->lines = g_array_new (FALSE, FALSE, sizeof (Line));
  g_array_set_clear_func (s->lines, line_clear);
  return s;
}

void
summary_free (Summary *s)
{
  if (s == NULL)
    return;
  g_array_unref (s->lines);
  g_free (s);
}

gboolean
summary_get_span (const Summary *s, guint64 *start, guint64 *stop, gint64 *utc)
{
  *start = s->start;
  *stop = s->stop;
  *utc = s->utc;
  return s->any;
}

static guint64
time_since (const Summary *s)
{
  return s->elapsed + (s->last_stop - s->since);
}

gboolean
summary_is_due (const Summary *s, guint64 interval)
{
  return s->any && interval > 0 && time_since (s) >= interval;
}

void
summary_begin (Summary *s, guint64 interval)
{
  s->n_begun = s->lines->len;
  s->begun_any = s->any;
  s->begun_start = s->start;
  s->begun_stop = s->stop;
  s->begun_utc = s->utc;
  s->any = FALSE;
  s->elapsed = interval > 0 ? time_since (s) % interval : 0;
  s->since = s->last_stop;
}

void
summary_end (Summary *s, gboolean made)
{
  if (made) {
    remove_lines (s, s->n_begun);
    s->spent = (BackendAnswer){ NULL };
  } else if (s->begun_any) {
    s->start = s->any ? MIN (s->start, s->begun_start) : s->begun_start;
    s->stop = s->any ? MAX (s->stop, s->begun_stop) : s->begun_stop;
    s->utc = s->begun_utc;
    s->any = TRUE;
  }
  s->n_begun = 0;
  s->room = 0;
  s->number++;
}

/* --- stages ------------------------------------------------------------------------------------------------------------------ */

/* The prompt about n lines. (transfer full) */
static gchar *
make_prompt (const Summary *s, const SummaryAsker *asker, guint from, guint n)
{
  g_autoptr (GString) reports = g_string_new (NULL);
  g_autofree gchar *prompt = NULL, *utc = NULL;
  PromptFacts facts = { .start = s->start, .stop = s->stop, .number = s->number, .stream = asker->stream };

  for (guint i = from; i < from + n; i++) {
    const Line *line = line_at (s, i);

    if (i == from) {
      facts.start = line->start;
      facts.stop = line->stop;
      utc = result_format_utc (line->utc);
    } else {
      g_string_append_c (reports, '\n');
    }
    facts.start = MIN (facts.start, line->start);
    facts.stop = MAX (facts.stop, line->stop);
    append_time (reports, line->start);
    g_string_append (reports, " - ");
    append_time (reports, line->stop);
    g_string_append_printf (reports, ": %s", line->text);
  }
  facts.reports = reports->str;
  facts.utc = utc;
  if (strstr (asker->settings->summary_prompt, "{reports}") == NULL)
    prompt = g_strconcat (asker->settings->summary_prompt, "\n{reports}", NULL);
  return prompt_expand (prompt != NULL ? prompt : asker->settings->summary_prompt, &facts);
}

static BackendQuestion
make_question (const SummaryAsker *asker, const gchar *prompt)
{
  return (BackendQuestion){ .text = prompt, .system = asker->settings->system, .params = asker->settings->params };
}

static gboolean
count_tokens (const Summary *s, const SummaryAsker *asker, guint from, guint n, guint *tokens, GError **error)
{
  g_autofree gchar *prompt = make_prompt (s, asker, from, n);
  BackendQuestion question = make_question (asker, prompt);

  return asker->backend->count_text (asker->self, &question, tokens, error);
}

/* Tokens that a prompt may have. */
static guint
most_tokens (const SummaryAsker *asker)
{
  guint max_tokens = asker->settings->params.max_tokens;

  return asker->context_size > max_tokens ? asker->context_size - max_tokens : 0;
}

static void
set_budget_error (GError **error, const SummaryAsker *asker, guint prompt)
{
  guint max_tokens = asker->settings->params.max_tokens;
  g_autofree gchar *lower = NULL;

  if (asker->context_size >= prompt + 3 + 2 * TIMES_TOKENS)
    lower = g_strdup_printf ("Lower max-tokens to %u", (asker->context_size - prompt - 2 * TIMES_TOKENS) / 3);
  else
    lower = g_strdup ("Shorten summary-prompt or system-prompt");
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_BUDGET,
      "A summary does not fit the model's context: the prompt without reports (%u tokens), two earlier answers that are to be "
      "summed up (max-tokens=%u each) and the answer are more than context-size=%u. %s%s.",
      prompt, max_tokens, asker->context_size, lower, budget_or_raise (asker->context_size, asker->max_context_size));
}

/* prompt: tokens without reports. half: most tokens of a line, so that two always fit; an answer's line has no more. */
static gboolean
find_room (const Summary *s, const SummaryAsker *asker, guint *prompt, guint *half, GError **error)
{
  guint most = most_tokens (asker);

  if (!count_tokens (s, asker, 0, 0, prompt, error))
    return FALSE;
  *half = most > *prompt ? (most - *prompt) / 2 : 0;
  if (*half < (guint64)asker->settings->params.max_tokens + TIMES_TOKENS) {
    set_budget_error (error, asker, *prompt);
    return FALSE;
  }
  *half -= JOINT_TOKENS;
  return TRUE;
}

/* FALSE when there is nothing to be split. */
static gboolean
split_line (Summary *s, guint i)
{
  Line *line = line_at (s, i), rest = *line;
  glong length = g_utf8_strlen (line->text, -1);
  gchar *middle = g_utf8_offset_to_pointer (line->text, length / 2);
  gchar *space = g_strrstr_len (line->text, middle - line->text, " ");

  if (length < 2)
    return FALSE;
  s->bytes -= line_bytes (line);
  if (space != NULL && space > line->text) {
    rest.text = g_strdup (space + 1);
    *space = '\0';
  } else {
    rest.text = g_strdup (middle);
    *middle = '\0';
  }
  s->bytes += line_bytes (line) + line_bytes (&rest);
  s->n_begun += i < s->n_begun;
  g_array_insert_val (s->lines, i + 1, rest);
  return TRUE;
}

/* A line that is too long becomes several with the same times. */
static gboolean
split_long_lines (Summary *s, const SummaryAsker *asker, guint prompt, guint half, GError **error)
{
  guint tokens;

  for (guint i = 0; i < s->lines->len; i++) {
    while (line_bytes (line_at (s, i)) > half) {
      if (!count_tokens (s, asker, i, 1, &tokens, error))
        return FALSE;
      if (tokens <= prompt + half || !split_line (s, i))
        break;
    }
  }
  return TRUE;
}

/* Lines that may be summed up. */
static guint
count_lines (const Summary *s)
{
  return s->n_begun > 0 ? s->n_begun : s->lines->len;
}

/* Index of the first line to sum up: whole levels are taken from the end until they hold half of all bytes. spare: lines at the end
 * that are not counted. */
static guint
first_to_sum_up (const Summary *s, guint spare)
{
  guint n = count_lines (s), from = n;
  gsize bytes = 0, all = 0;

  for (guint i = 0; i < n; i++)
    all += line_bytes (line_at (s, i));
  while (from > 0 && (bytes < all / 2 || n - from < 2 + spare)) {
    guint level = line_at (s, from - 1)->level;

    for (; from > 0 && line_at (s, from - 1)->level == level; from--)
      bytes += line_bytes (line_at (s, from - 1));
  }
  return from;
}

/* How many lines from there on, of n, are tried first: all of them, unless they are so many that counting their tokens takes long
 * and is most likely in vain. */
static guint
first_guess (const Summary *s, const SummaryAsker *asker, guint from, guint n)
{
  const guint bytes_of_token = 16;
  gsize bytes = 0;
  guint i = 0;

  while (i < n && bytes <= (gsize)bytes_of_token * asker->context_size)
    bytes += line_bytes (line_at (s, from + i++));
  return i;
}

/* How many lines from there on, n at most, fit a prompt. room: tokens that are left if all do. */
static gboolean
count_fitting (const Summary *s, const SummaryAsker *asker, guint from, guint n, guint *fitting, gint64 *room, GError **error)
{
  guint low = 0, high = n, tried = first_guess (s, asker, from, n), tokens;

  while (low < high) {
    if (!count_tokens (s, asker, from, tried, &tokens, error))
      return FALSE;
    if (tokens <= most_tokens (asker))
      low = tried;
    else
      high = tried - 1;
    if (low == n)
      *room = (gint64)most_tokens (asker) - tokens;
    tried = high == n ? MIN (n, 2 * low) : (low + high + 1) / 2;
  }
  *fitting = low;
  return TRUE;
}

/* Asks about n lines. Cancelled is success. */
static gboolean
ask_about_lines (Summary *s, const SummaryAsker *asker, guint from, guint n, gchar **prompt, BackendAnswer *answer, GError **error)
{
  g_autofree gchar *text = make_prompt (s, asker, from, n);
  BackendQuestion question = make_question (asker, text);

  question.on_text = asker->on_text;
  question.user_data = asker->user_data;
  if (!asker->backend->ask (asker->self, &question, asker->cancel, answer, error))
    return FALSE;
  s->spent.prompt_tokens += answer->prompt_tokens;
  s->spent.output_tokens += answer->output_tokens;
  s->spent.cached_tokens += answer->cached_tokens;
  s->spent.drafted += answer->drafted;
  s->spent.accepted += answer->accepted;
  s->spent.prefill_ns += answer->prefill_ns;
  s->spent.decode_ns += answer->decode_ns;
  *prompt = g_steal_pointer (&text);
  return TRUE;
}

static gboolean
ask_stage (Summary *s, const SummaryAsker *asker, guint from, guint n, gchar **text, GError **error)
{
  BackendAnswer answer = { NULL };
  g_autofree gchar *prompt = NULL;

  if (!ask_about_lines (s, asker, from, n, &prompt, &answer, error))
    return FALSE;
  *text = one_line (answer.text);
  g_free (answer.text);
  if (g_strcmp0 (answer.finish_reason, "cancelled") != 0)
    return TRUE;
  g_clear_pointer (text, g_free);
  g_set_error_literal (error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED, "the summary was cancelled");
  return FALSE;
}

/* Replaces several lines by one. spare: lines at the end to keep if possible. */
static gboolean
take_stage (Summary *s, const SummaryAsker *asker, guint spare, GError **error)
{
  guint prompt, half, from, n, before = 0, after = 0;
  gchar *text = NULL;
  gint64 room;

  if (!find_room (s, asker, &prompt, &half, error) || !split_long_lines (s, asker, prompt, half, error))
    return FALSE;
  spare = count_lines (s) > 2 ? spare : 0;
  from = first_to_sum_up (s, spare);
  if (!count_fitting (s, asker, from, count_lines (s) - from - spare, &n, &room, error))
    return FALSE;
  if (n >= 2) {
    if (!count_tokens (s, asker, from, n, &before, error) || !ask_stage (s, asker, from, n, &text, error))
      return FALSE;
    replace_lines (s, from, n, text);
    if (!count_tokens (s, asker, from, 1, &after, error))
      return FALSE;
  }
  /* Answers that are too long and no shorter than what they sum up would never end. */
  if (n >= 2 && (after <= prompt + half || after < before))
    return TRUE;
  set_budget_error (error, asker, prompt);
  return FALSE;
}

gboolean
summary_check (const Summary *s, const SummaryAsker *asker, GError **error)
{
  guint prompt, half;

  return find_room (s, asker, &prompt, &half, error);
}

/* Spares the newest line unless a summary has begun: it may be a run that goes on. */
SummaryState
summary_step (Summary *s, const SummaryAsker *asker, GError **error)
{
  guint n = count_lines (s), fitting;

  if (s->room > 0 && s->n_begun == 0)
    return SUMMARY_FITS;
  if (!count_fitting (s, asker, 0, n, &fitting, &s->room, error))
    return SUMMARY_FAILED;
  if (fitting == n)
    return SUMMARY_FITS;
  s->room = 0;
  return take_stage (s, asker, s->n_begun > 0 ? 0 : 1, error) ? SUMMARY_SHORTER : SUMMARY_FAILED;
}

gboolean
summary_ask (Summary *s, const SummaryAsker *asker, BackendAnswer *answer, gchar **prompt, GError **error)
{
  BackendAnswer last = { NULL };

  if (!ask_about_lines (s, asker, 0, count_lines (s), prompt, &last, error))
    return FALSE;
  *answer = s->spent;
  answer->text = last.text;
  answer->finish_reason = last.finish_reason;
  return TRUE;
}

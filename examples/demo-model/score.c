#include "score.h"

#include <json-glib/json-glib.h>
#include <string.h>

/* right: of what was stated and is present. Of answers present is all that were asked. */
typedef struct
{
  guint right, stated, present;
} Count;

typedef GTree Table; /* row -> Count, sorted */

struct _Score
{
  Count reports, answers, events;
  Table *facts, *lights, *sizes, *questions;
};

static Table *
table_new (void)
{
  return g_tree_new_full ((GCompareDataFunc)(void (*) (void))strcmp, NULL, g_free, g_free);
}

static Count *
table_get (Table *table, const gchar *row)
{
  Count *count = g_tree_lookup (table, row);

  if (count == NULL) {
    count = g_new0 (Count, 1);
    g_tree_insert (table, g_strdup (row), count);
  }
  return count;
}

Score *
score_new (void)
{
  Score *score = g_new0 (Score, 1);

  score->facts = table_new ();
  score->lights = table_new ();
  score->sizes = table_new ();
  score->questions = table_new ();
  return score;
}

void
score_free (Score *score)
{
  if (score == NULL)
    return;
  g_tree_unref (score->facts);
  g_tree_unref (score->lights);
  g_tree_unref (score->sizes);
  g_tree_unref (score->questions);
  g_free (score);
}

/* --- counting ---------------------------------------------------------------------------------------------------------------- */

static void
add (Count *count, guint right, guint stated, guint present)
{
  count->right += right;
  count->stated += stated;
  count->present += present;
}

static guint
count_equal (GPtrArray *list, const gchar *text)
{
  guint n = 0;

  for (guint i = 0; i < list->len; i++)
    n += g_str_equal (list->pdata[i], text);
  return n;
}

/* A fact counts by its kind, and what a person does by itself as well. */
static void
add_fact (Score *score, const gchar *fact, guint right, guint stated, guint present)
{
  g_auto (GStrv) parts = g_strsplit (fact, ":", 2);

  add (table_get (score->facts, parts[0]), right, stated, present);
  if (g_str_equal (parts[0], "person"))
    add (table_get (score->facts, fact), right, stated, present);
}

void
score_add_report (Score *score, const gchar *size, const YardFacts *facts, const gchar *text)
{
  g_autoptr (GPtrArray) want = grammar_state (facts), got = NULL;
  const gchar *light = facts->pattern ? "test pattern" : (const gchar *)want->pdata[0] + strlen ("light: ");
  guint right = 0;
  YardFacts told;

  if (text != NULL && grammar_parse_report (text, &told)) {
    got = grammar_state (&told);
  } else {
    got = g_ptr_array_new_with_free_func (g_free);
    g_ptr_array_add (got, g_strdup ("not of the grammar"));
  }
  for (guint i = 0; i < want->len; i++) {
    guint before = 0;

    for (guint k = 0; k < i; k++)
      before += g_str_equal (want->pdata[k], want->pdata[i]);
    /* Of two who do the same the first is told by the first. */
    add_fact (score, want->pdata[i], before < count_equal (got, want->pdata[i]), 0, 1);
    right += before < count_equal (got, want->pdata[i]);
  }
  for (guint i = 0; i < got->len; i++)
    add_fact (score, got->pdata[i], 0, 1, 0);
  add (&score->reports, right, got->len, want->len);
  add (table_get (score->lights, light), right, got->len, want->len);
  add (table_get (score->sizes, size), right, got->len, want->len);
}

void
score_add_answer (Score *score, guint question, const YardFacts *facts, const gchar *text)
{
  gboolean right = g_strcmp0 (text, grammar_answer (question, facts)) == 0;

  add (&score->answers, right, 1, 1);
  add (table_get (score->questions, grammar_question_kind (question)), right, 1, 1);
}

/* The longest list that both have, in order, perhaps with others between. */
static guint
count_common (GPtrArray *a, GPtrArray *b)
{
  g_autofree guint *best = g_new0 (guint, b->len + 1); /* of b up to there, and of a up to the row */

  for (guint i = 0; i < a->len; i++) {
    guint above = 0; /* of the row before, one to the left */

    for (guint k = 0; k < b->len; k++) {
      guint was = best[k + 1];

      best[k + 1] = g_str_equal (a->pdata[i], b->pdata[k]) ? above + 1 : MAX (best[k + 1], best[k]);
      above = was;
    }
  }
  return best[b->len];
}

void
score_add_summary (Score *score, const YardFacts *facts, guint n, const gchar *text)
{
  g_autoptr (GPtrArray) want = grammar_events (facts, n), got = text != NULL ? grammar_parse_summary (text) : NULL;

  if (got != NULL)
    add (&score->events, count_common (want, got), got->len, want->len);
  else
    add (&score->events, 0, 1, want->len);
}

/* --- telling ----------------------------------------------------------------------------------------------------------------- */

static double
share (guint part, guint whole)
{
  return whole > 0 ? (double)part / whole : 1;
}

static double
share_of_both (const Count *count)
{
  return share (count->right, MAX (count->stated, count->present));
}

Shares
score_get_shares (const Score *score)
{
  const Count *r = &score->reports;

  return (Shares){ share (r->right, r->stated), share (r->right, r->present), share_of_both (&score->answers),
    share_of_both (&score->events) };
}

static void
print_line (FILE *to, const gchar *row, const Count *c)
{
  fprintf (to, "| %-20s | %5u / %-5u %6.1f %% | %5u / %-5u %6.1f %% |\n", row, c->right, c->present,
      100 * share (c->right, c->present), c->right, c->stated, 100 * share (c->right, c->stated));
}

static gboolean
print_row (gpointer row, gpointer count, gpointer to)
{
  print_line (to, row, count);
  return FALSE;
}

static void
print_answers (FILE *to, const gchar *row, const Count *c)
{
  fprintf (to, "| %-20s | %5u / %-5u %6.1f %% |\n", row, c->right, c->present, 100 * share (c->right, c->present));
}

static gboolean
print_answers_row (gpointer row, gpointer count, gpointer to)
{
  print_answers (to, row, count);
  return FALSE;
}

void
score_print (const Score *score, FILE *to)
{
  Table *const tables[] = { score->facts, score->lights, score->sizes };

  fprintf (to, "| %-20s | %-22s | %-22s |\n|---|---|---|\n", "reports", "of those present, said", "of those said, right");
  for (guint i = 0; i < G_N_ELEMENTS (tables); i++)
    g_tree_foreach (tables[i], print_row, to);
  print_line (to, "all", &score->reports);
  print_line (to, "events of summaries", &score->events);
  fprintf (to, "\n| %-20s | %-22s |\n|---|---|\n", "questions", "answered right");
  g_tree_foreach (score->questions, print_answers_row, to);
  print_answers (to, "all", &score->answers);
}

static gboolean
build_row (gpointer row, gpointer data, gpointer builder)
{
  const Count *count = data;

  json_builder_set_member_name (builder, row);
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "stated_right");
  json_builder_add_double_value (builder, share (count->right, count->stated));
  json_builder_set_member_name (builder, "present_stated");
  json_builder_add_double_value (builder, share (count->right, count->present));
  json_builder_set_member_name (builder, "right");
  json_builder_add_int_value (builder, count->right);
  json_builder_set_member_name (builder, "stated");
  json_builder_add_int_value (builder, count->stated);
  json_builder_set_member_name (builder, "present");
  json_builder_add_int_value (builder, count->present);
  json_builder_end_object (builder);
  return FALSE;
}

gchar *
score_to_json (const Score *score)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  const Shares s = score_get_shares (score);
  const struct
  {
    const gchar *name;
    double share;
  } shares[] = { { "stated_right", s.stated_right }, { "present_stated", s.present_stated }, { "questions", s.questions },
    { "summaries", s.summaries } };
  const struct
  {
    const gchar *name;
    Table *table;
  } tables[] = { { "by_fact", score->facts }, { "by_light", score->lights }, { "by_size", score->sizes },
    { "by_question", score->questions } };

  json_builder_begin_object (builder);
  for (guint i = 0; i < G_N_ELEMENTS (shares); i++) {
    json_builder_set_member_name (builder, shares[i].name);
    json_builder_add_double_value (builder, shares[i].share);
  }
  for (guint i = 0; i < G_N_ELEMENTS (tables); i++) {
    json_builder_set_member_name (builder, tables[i].name);
    json_builder_begin_object (builder);
    g_tree_foreach (tables[i].table, build_row, builder);
    json_builder_end_object (builder);
  }
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  return json_to_string (root, TRUE);
}

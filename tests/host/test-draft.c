/* What drafts are made of, and how many rows they get. */
#include "draft.h"

#include <string.h>

#define FORGETS 40 /* tokens that tell a draft often enough how it does */

static gint32 found[DRAFT_ROWS];

static Draft *
draft_of (const gint32 *prompt, guint n, const gint32 *answer, guint n_answer)
{
  g_autoptr (DraftMemory) memory = draft_memory_new ();
  Draft *d = draft_new (memory, prompt, n);

  for (guint i = 0; i < n_answer; i++)
    draft_add (d, answer[i]);
  return d;
}

static void
test_lookup (void)
{
  static const gint32 prompt[] = { 1, 2, 3, 4, 5, DRAFT_GAP, 7, 2, 3, 8, 9, 3, DRAFT_GAP, 20 };
  static const struct
  {
    guint n;
    gint32 answer[4];
    guint n_found;
    gint32 found[7];
  } cases[] = {
    { 2, { 2, 3 }, 4, { 8, 9, 3, DRAFT_GAP } },                   /* the last place of two with as much in common, up to a gap */
    { 3, { 1, 2, 3 }, 2, { 4, 5 } },                              /* the place with most in common */
    { 2, { 7, 2 }, 5, { 3, 8, 9, 3 } },                           /* not across the gap in front */
    { 1, { 3 }, 0, { 0 } },                                       /* one token says nothing, nor does what is across a gap */
    { 2, { 50, 60 }, 0, { 0 } },                                  /* not there */
    { 4, { 50, 60, 50, 60 }, 7, { 50, 60, 50, 60, 50, 60, 50 } }, /* round in circles */
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (Draft) d = draft_of (prompt, G_N_ELEMENTS (prompt), cases[i].answer, cases[i].n);
    guint n = draft_find (d, found, 7), want = 0;

    while (want < cases[i].n_found && cases[i].found[want] > 0)
      want++;
    g_assert_cmpuint (n, ==, want);
    g_assert_cmpmem (found, n * 4, cases[i].found, n * 4);
  }
}

static void
test_no_more_is_found_than_is_asked_for (void)
{
  static const gint32 prompt[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 }, answer[] = { 1, 2 };
  g_autoptr (Draft) d = draft_of (prompt, G_N_ELEMENTS (prompt), answer, 2);

  for (guint most = 0; most <= 7; most++) {
    memset (found, 0, sizeof found);
    g_assert_cmpuint (draft_find (d, found, most), ==, most);
    g_assert_cmpint (found[most], ==, 0);
  }
}

/* Behind a token that differs, what follows is the same again. */
static void
test_goes_on_behind_another_token (void)
{
  static const gint32 prompt[] = { 1, 2, 3, 4, 5, 6, 7, 8 }, answer[] = { 1, 2, 3 }, other[] = { 99 };
  g_autoptr (Draft) d = draft_of (prompt, G_N_ELEMENTS (prompt), answer, 3);

  g_assert_cmpuint (draft_find (d, found, 1), ==, 1);
  g_assert_cmpint (found[0], ==, 4);
  draft_add (d, other[0]);
  g_assert_cmpuint (draft_find (d, found, 7), >=, 4);
  g_assert_cmpint (found[0], ==, 5);
  g_assert_cmpint (found[3], ==, 8);
}

/* The next answer may begin like an earlier one, which the prompt's last tokens tell. */
static void
test_answers_are_remembered (void)
{
  static const gint32 prompt[] = { 40, 41, 42, 90, 91 }, next[] = { 50, 51, 52, 90, 91 }, first[] = { 1, 2, 3, 4 },
                      second[] = { 5, 6 };
  g_autoptr (DraftMemory) memory = draft_memory_new ();
  g_autoptr (Draft) d = NULL;

  draft_memory_add (memory, NULL, prompt, 5, first, 4);
  d = draft_new (memory, next, 5);
  g_assert_cmpuint (draft_find (d, found, 7), ==, 4);
  g_assert_cmpmem (found, 16, first, 16);
  g_clear_pointer (&d, draft_free);

  draft_memory_add (memory, NULL, prompt, 5, second, 2);
  d = draft_new (memory, next, 5);
  g_assert_cmpuint (draft_find (d, found, 7), ==, 2);
  g_assert_cmpmem (found, 8, second, 8);
  draft_add (d, 1);
  draft_add (d, 2);
  g_assert_cmpuint (draft_find (d, found, 7), ==, 2);
  g_assert_cmpint (found[0], ==, 3);
}

/* The oldest answers are forgotten, and of a long prompt the beginning is not looked at. */
static void
test_memory_is_bounded (void)
{
  g_autoptr (DraftMemory) memory = draft_memory_new ();
  g_autofree gint32 *ids = g_new (gint32, 3 * DRAFT_PROMPT);
  g_autoptr (Draft) d = NULL;
  const gint32 begin[] = { 7, 8 };

  for (gint32 i = 0; i < 3 * DRAFT_PROMPT; i++)
    ids[i] = 100 + i;
  for (guint i = 0; i < 100; i++)
    draft_memory_add (memory, NULL, begin, 2, ids + 100 * i, 100);
  draft_memory_add (memory, NULL, begin, 2, ids, 3 * DRAFT_PROMPT);
  d = draft_new (memory, ids + DRAFT_PROMPT, 2 * DRAFT_PROMPT);
  for (guint i = 0; i < 2; i++)
    draft_add (d, ids[i + 10]); /* of the memory's longest answer */
  g_assert_cmpint (draft_find (d, found, 1), ==, 1);
  g_assert_cmpint (found[0], ==, ids[12]);
  for (guint i = 0; i < 2; i++)
    draft_add (d, ids[i + DRAFT_PROMPT + 10]); /* of the prompt's beginning alone */
  g_assert_cmpint (draft_find (d, found, 1), <=, 1);
  g_assert_cmpint (found[0], !=, ids[DRAFT_PROMPT + 12]);
  for (guint i = 0; i < 2; i++)
    draft_add (d, ids[i + 2 * DRAFT_PROMPT + 10]);
  g_assert_cmpint (draft_find (d, found, 1), ==, 1);
  g_assert_cmpint (found[0], ==, ids[2 * DRAFT_PROMPT + 12]);
}

/* --- rows ------------------------------------------------------------------------------------------------------------------ */

/* The rows of a step of that many tokens cost so much of a step of one: as draft.c has it. */
static double
cost_of (guint rows)
{
  return rows == 1 ? 1 : rows == 2 ? 1.2 : rows <= 4 ? 1.6 : 2.6;
}

/* Writes an answer by drafts, as answering.c does. What it takes in steps of one row. */
static double
write_answer (Draft *d, const gint32 *answer, guint n, guint rows)
{
  double cost = 0;

  for (guint i = 0; i < n;) {
    gint32 ids[DRAFT_ROWS - 1];
    DraftShare share = { .draft = d, .found = draft_find (d, ids, MIN (n - i - 1, DRAFT_ROWS - 1)) };
    guint k = 0;

    draft_share (&share, 1, rows);
    g_assert_cmpuint (share.n, <=, share.found);
    g_assert_cmpuint (share.n, <, rows);
    cost += cost_of (1 + share.n);
    while (k < share.n && ids[k] == answer[i + k])
      k++;
    for (guint j = 0; j <= k; j++)
      draft_add (d, answer[i++]);
  }
  return cost;
}

/* Answers that repeat an earlier one by 90 % take half of the steps, here and there or in one place. */
static void
test_repeated_answers_are_twice_as_fast (void)
{
  enum
  {
    LENGTH = 120,
  };
  for (guint clustered = 0; clustered < 2; clustered++) {
    gint32 answer[LENGTH], prompt[] = { 1, 2, 3 };
    g_autoptr (DraftMemory) memory = draft_memory_new ();
    double cost = 0;

    for (guint i = 0; i < LENGTH; i++)
      answer[i] = g_test_rand_int_range (10, 30000);
    for (guint round = 0; round < 20; round++) {
      g_autoptr (Draft) d = draft_new (memory, prompt, 3);
      double taken = write_answer (d, answer, LENGTH, DRAFT_ROWS);

      draft_memory_add (memory, d, prompt, 3, answer, LENGTH);
      if (round > 0)
        cost += taken / LENGTH / 19;
      for (guint i = 0; i < LENGTH / 10; i++)
        answer[clustered ? 50 + i : (guint)g_test_rand_int_range (0, LENGTH)] = g_test_rand_int_range (10, 30000);
    }
    g_test_message ("%s: %.2f times as fast", clustered ? "in one place" : "here and there", 1 / cost);
    g_assert_cmpfloat (cost, <, 0.5);
  }
}

/* What looks like something known and always goes on otherwise is hardly slower, in the first answer and less so in those behind.
 */
static void
test_fresh_answers_are_hardly_slower (void)
{
  enum
  {
    LENGTH = 128,
  };
  g_autoptr (DraftMemory) memory = draft_memory_new ();

  for (guint round = 0; round < 10; round++) {
    gint32 answer[LENGTH], prompt[6 * LENGTH];
    guint n = 0;
    g_autoptr (Draft) d = NULL;
    double cost;

    for (guint i = 0; i < LENGTH; i++)
      answer[i] = g_test_rand_int_range (10, 30000);
    for (guint i = 0; i + 3 < LENGTH; i++) { /* each few tokens are there, with another one behind */
      for (guint j = 0; j < 2 + round % 2; j++)
        prompt[n++] = answer[i + j];
      prompt[n++] = 40000 + i;
      prompt[n++] = 40000 + i + 1;
    }
    d = draft_new (memory, prompt, n);
    cost = write_answer (d, answer, LENGTH, DRAFT_ROWS);
    g_test_message ("%.3f times as long", cost / LENGTH);
    g_assert_cmpfloat (cost, <=, (round < 2 ? 1.04 : 1.01) * LENGTH);
    draft_memory_add (memory, d, prompt, n, answer, LENGTH);
  }
}

/* A draft that is right as often as told. */
static Draft *
trained_draft (gboolean right)
{
  gint32 prompt[300];
  Draft *d;

  for (guint i = 0; i < 300; i++)
    prompt[i] = i + 1;
  d = draft_of (prompt, 300, prompt, 3);
  for (guint i = 0; i < FORGETS; i++) {
    draft_find (d, found, 1);
    draft_add (d, right ? found[0] : 1000 + (gint32)i);
    if (!right)
      for (guint j = 0; j < 16; j++)
        draft_add (d, prompt[20 + j + i]);
  }
  draft_find (d, found, 7);
  return d;
}

static void
test_rows_are_shared_out (void)
{
  g_autoptr (Draft) good = trained_draft (TRUE), bad = trained_draft (FALSE);
  const struct
  {
    guint n, rows;
    struct
    {
      Draft *draft;
      guint found;
    } in[4];
    guint out[4];
  } cases[] = {
    { 1, 8, { { good, 7 } }, { 7 } },
    { 1, 4, { { good, 7 } }, { 3 } },
    { 1, 2, { { good, 7 } }, { 1 } },
    { 1, 1, { { good, 7 } }, { 0 } },
    { 1, 8, { { good, 2 } }, { 2 } },
    { 1, 8, { { bad, 7 } }, { 0 } },
    { 2, 8, { { good, 7 }, { good, 7 } }, { 3, 3 } },
    { 2, 8, { { good, 7 }, { bad, 7 } }, { 0, 0 } }, /* the other would be slowed */
    { 2, 8, { { good, 7 }, { NULL, 0 } }, { 0, 0 } },
    { 3, 8, { { bad, 7 }, { good, 7 }, { NULL, 0 } }, { 0, 1, 0 } }, /* what would be padding costs nothing */
    { 3, 3, { { good, 7 }, { good, 7 }, { good, 7 } }, { 0, 0, 0 } },
    { 4, 8, { { good, 7 }, { good, 7 }, { good, 7 }, { good, 7 } }, { 1, 1, 1, 1 } },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    DraftShare shares[4];

    for (guint k = 0; k < cases[i].n; k++)
      shares[k] = (DraftShare){ .draft = cases[i].in[k].draft, .found = cases[i].in[k].found };
    draft_share (shares, cases[i].n, cases[i].rows);
    for (guint k = 0; k < cases[i].n; k++)
      if (shares[k].n != cases[i].out[k])
        g_error ("case %u: answer %u gets %u rows and not %u", i, k, shares[k].n, cases[i].out[k]);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define RULE(name) g_test_add_func ("/draft/" #name, test_##name)
  RULE (lookup);
  RULE (no_more_is_found_than_is_asked_for);
  RULE (goes_on_behind_another_token);
  RULE (answers_are_remembered);
  RULE (memory_is_bounded);
  RULE (repeated_answers_are_twice_as_fast);
  RULE (fresh_answers_are_hardly_slower);
  RULE (rows_are_shared_out);
#undef RULE
  return g_test_run ();
}

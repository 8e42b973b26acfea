/* Where the last two tokens stand is found by a table; of these places the one that has most in common with what is written wins.
 */
#include "draft.h"

#include <string.h>

#define PAIRS 4096 /* entries of the table */
#define LOOK_AT 32 /* most places that are compared, the latest ones */
#define LONGEST 16 /* tokens in common that count */
#define CLASSES 4  /* of tokens in common: none or one, two, some, many; drafts of each are as right as they have been */
#define RECENT 32  /* scores of a class that count in full */
#define NOWHERE G_MAXUINT
#define WORTH_IT 1.02 /* the least gain */

/* How often the next token was the one that was expected. */
typedef struct
{
  double right, all;
} Score;

struct _DraftMemory
{
  GArray *ids; /* gint32: answers, a gap behind each */
  Score scores[CLASSES];
};

struct _Draft
{
  GArray *ids;       /* gint32: the memory, the prompt and the answer */
  GArray *before;    /* guint: for each of ids, the place before it that follows on a pair of the same entry */
  guint last[PAIRS]; /* the last place that follows on a pair of this entry */
  guint next;        /* the place that is expected next, NOWHERE at first */
  guint scored;      /* tokens to come that are scored: those that were drafted, or else the first of them */
  guint common;      /* tokens in front of `next` that are the answer's last ones */
  Score scores[CLASSES];
};

/* As if so many had been seen. */
static const Score unknown[CLASSES] = { { 1, 2 }, { 1, 2 }, { 3, 4 }, { 7, 8 } };

DraftMemory *
draft_memory_new (void)
{
  DraftMemory *m = g_new (DraftMemory, 1);

  m->ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  memcpy (m->scores, unknown, sizeof unknown);
  return m;
}

void
draft_memory_free (DraftMemory *m)
{
  if (!m)
    return;
  g_array_unref (m->ids);
  g_free (m);
}

void
draft_memory_add (DraftMemory *m, const Draft *d, const gint32 *prompt, guint n_prompt, const gint32 *answer, guint n_answer)
{
  const gint32 gap = DRAFT_GAP;
  guint before = MIN (n_prompt, 2), kept = MIN (n_answer, DRAFT_MEMORY - 3), all;

  if (d)
    memcpy (m->scores, d->scores, sizeof m->scores);
  g_array_append_vals (m->ids, prompt + n_prompt - before, before);
  g_array_append_vals (m->ids, answer, kept);
  g_array_append_val (m->ids, gap);
  all = m->ids->len;
  if (all > DRAFT_MEMORY)
    g_array_remove_range (m->ids, 0, all - DRAFT_MEMORY);
}

static gint32
id_at (const Draft *d, guint place)
{
  return g_array_index (d->ids, gint32, place);
}

/* The entry of the pair in front of a place. */
static guint
entry_of (const Draft *d, guint place)
{
  guint32 a = id_at (d, place - 2), b = id_at (d, place - 1);

  return ((a * 2654435761u) ^ (b * 2246822519u)) >> 20;
}

static void
append (Draft *d, gint32 id)
{
  guint place = d->ids->len, none = NOWHERE;

  g_array_append_val (d->ids, id);
  g_array_append_val (d->before, none);
  if (place < 2 || id < 0 || id_at (d, place - 1) < 0 || id_at (d, place - 2) < 0)
    return;
  g_array_index (d->before, guint, place) = d->last[entry_of (d, place)];
  d->last[entry_of (d, place)] = place;
}

Draft *
draft_new (const DraftMemory *m, const gint32 *prompt, guint n_prompt)
{
  Draft *d = g_new (Draft, 1);

  d->ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  d->before = g_array_new (FALSE, FALSE, sizeof (guint));
  for (guint i = 0; i < PAIRS; i++)
    d->last[i] = NOWHERE;
  d->next = NOWHERE;
  d->scored = d->common = 0;
  memcpy (d->scores, m->scores, sizeof d->scores);
  for (guint i = 0; i < m->ids->len; i++)
    append (d, g_array_index (m->ids, gint32, i));
  for (guint i = n_prompt - MIN (n_prompt, DRAFT_PROMPT); i < n_prompt; i++)
    append (d, prompt[i]);
  return d;
}

void
draft_free (Draft *d)
{
  if (!d)
    return;
  g_array_unref (d->ids);
  g_array_unref (d->before);
  g_free (d);
}

static void
add_score (Score *s, gboolean right)
{
  s->right += right;
  s->all += 1;
  if (s->all > 2 * RECENT) {
    s->right /= 2;
    s->all /= 2;
  }
}

static guint
class_of (guint common)
{
  return common < 2 ? 0 : common == 2 ? 1 : common < LONGEST / 2 ? 2 : 3;
}

void
draft_add (Draft *d, gint32 id)
{
  gboolean right = d->next != NOWHERE && id_at (d, d->next) == id;

  if (d->scored > 0) {
    add_score (&d->scores[class_of (d->common)], right);
    d->scored = right ? d->scored - 1 : 0;
    d->common++;
  }
  append (d, id);
  /* Where a token differs, it mostly stands for another one, and what follows is the same again. */
  if (d->next != NOWHERE)
    d->next++;
}

/* Tokens in front of a place that are the answer's last ones. */
static guint
in_common (const Draft *d, guint place)
{
  guint n = 0, end = d->ids->len;

  while (n < MIN (place, LONGEST) && id_at (d, place - 1 - n) >= 0 && id_at (d, place - 1 - n) == id_at (d, end - 1 - n))
    n++;
  return n;
}

static gboolean
is_token (const Draft *d, guint place)
{
  return place < d->ids->len && id_at (d, place) >= 0;
}

guint
draft_find (Draft *d, gint32 *ids, guint n)
{
  guint end = d->ids->len, best = is_token (d, d->next) ? d->next : NOWHERE, most = 0, place, found = 0;

  if (best != NOWHERE)
    most = in_common (d, best);
  place = end >= 2 ? d->last[entry_of (d, end)] : NOWHERE;
  for (guint i = 0; i < LOOK_AT && place != NOWHERE; i++) {
    guint common = in_common (d, place);

    if (common >= 2 && common > most) {
      best = place;
      most = common;
    }
    place = g_array_index (d->before, guint, place);
  }
  d->next = best;
  d->common = most;
  /* Behind the answer's end it goes on with what is drafted: text that goes round in circles. */
  for (; best != NOWHERE && found < n; found++) {
    ids[found] = best + found < end ? id_at (d, best + found) : ids[best + found - end];
    if (ids[found] < 0)
      break;
  }
  d->scored = MIN (found, 1);
  return found;
}

/* --- how much of it is worth a row ----------------------------------------------------------------------------------------- */

/* What a step of so many rows takes, of what one of one row does: language.c records 1, 2, 4 and 8. Measured with the matrices of
 * the true size on a CPU device; a GPU reads its weights for less. */
static double
cost_of (guint rows)
{
  return rows <= 1 ? 1 : rows == 2 ? 1.2 : rows <= 4 ? 1.6 : 2.6;
}

static guint
rows_of (guint n)
{
  guint rows = 1;

  while (rows < n)
    rows *= 2;
  return rows;
}

/* That the token behind the first n of a draft is right, and those are. Each of them is one more in common. */
static double
chance (const DraftShare *s, guint n)
{
  double p = 1;

  for (guint i = 0; i <= n; i++) {
    const Score *score = &s->draft->scores[class_of (s->draft->common + i)];

    p *= score->right / score->all;
  }
  return p;
}

/* Tokens that an answer can be expected to grow by. */
static double
expected (const DraftShare *s)
{
  double tokens = 1;

  for (guint i = 0; i < s->n; i++)
    tokens += chance (s, i);
  return tokens;
}

/* Gives one row after the other to who gains most by it. */
static void
share_rows (DraftShare *shares, guint n, guint rows)
{
  for (guint i = 0; i < n; i++)
    shares[i].n = 0;
  for (guint left = rows - n; left > 0; left--) {
    DraftShare *best = NULL;

    for (guint i = 0; i < n; i++) {
      DraftShare *s = &shares[i];

      if (s->n < s->found && (!best || chance (s, s->n) > chance (best, best->n)))
        best = s;
    }
    if (!best)
      return;
    best->n++;
  }
}

/* The gain of a step of so many rows over one with nothing but padding, 0 where an answer would lose. */
static double
gain_of (DraftShare *shares, guint n, guint rows)
{
  double cost = cost_of (rows) / cost_of (rows_of (n)), tokens = 0;

  share_rows (shares, n, rows);
  for (guint i = 0; i < n; i++) {
    if (expected (&shares[i]) < cost)
      return 0;
    tokens += expected (&shares[i]);
  }
  return tokens / n / cost;
}

void
draft_share (DraftShare *shares, guint n, guint rows)
{
  guint best = MIN (rows_of (n), MAX (rows, n));
  double most = gain_of (shares, n, best);

  for (guint more = 2 * rows_of (n); more <= rows; more *= 2) {
    double gain = gain_of (shares, n, more);

    if (gain > most * WORTH_IT) {
      most = gain;
      best = more;
    }
  }
  share_rows (shares, n, best);
  for (guint i = 0; i < n; i++)
    if (shares[i].n > 0)
      shares[i].draft->scored = shares[i].n;
}

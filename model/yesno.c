#include "yesno.h"

#include <math.h>

static guint
find_forms (gint32 *ids, const Tokenizer *t, const gchar *const *forms)
{
  guint n = 0;

  for (guint i = 0; i < YES_NO_FORMS; i++) {
    gint32 id = tokenizer_id (t, forms[i]);

    if (id >= 0)
      ids[n++] = id;
  }
  return n;
}

void
yes_no_init (YesNo *y, const Tokenizer *t)
{
  static const gchar *const yes[YES_NO_FORMS] = { "yes", "Yes", "YES", SPACE_MARK "yes", SPACE_MARK "Yes", SPACE_MARK "YES" };
  static const gchar *const no[YES_NO_FORMS] = { "no", "No", "NO", SPACE_MARK "no", SPACE_MARK "No", SPACE_MARK "NO" };

  y->n_yes = find_forms (y->yes, t, yes);
  y->n_no = find_forms (y->no, t, no);
}

static float
greatest (const gint32 *ids, guint n, const float *logits)
{
  float most = -INFINITY;

  for (guint i = 0; i < n; i++)
    most = fmaxf (most, logits[ids[i]]);
  return most;
}

/* exp (logit - most) over the forms. NaN counts as -infinity. */
static double
sum (const gint32 *ids, guint n, const float *logits, float most)
{
  double total = 0;

  for (guint i = 0; i < n; i++) {
    double logit = logits[ids[i]];

    if (!isnan (logit))
      total += logit == most ? 1 : exp (logit - most);
  }
  return total;
}

double
yes_no_share (const YesNo *y, const float *logits)
{
  float most = fmaxf (greatest (y->yes, y->n_yes, logits), greatest (y->no, y->n_no, logits));
  double yes, no;

  if (most == -INFINITY)
    return 0.5;
  yes = sum (y->yes, y->n_yes, logits, most);
  no = sum (y->no, y->n_no, logits, most);
  return yes / (yes + no);
}

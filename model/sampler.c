/* Greedy or random, as the reference's logits processors do it. The generator is our own, so that a seed always gives one text. */
#include "sampler.h"

#include <math.h>

typedef struct
{
  gint32 id;
  float logit;
  double weight; /* not normalised */
} Choice;

void
sampler_init (Sampler *s, const MinivlParams *params)
{
  *s = (Sampler){
    .temperature = params->temperature,
    .top_p = params->top_p,
    .repetition_penalty = params->repetition_penalty,
    .top_k = params->top_k,
    .state = params->seed,
  };
}

/* SplitMix64; 53 bits are a double in [0, 1). */
static double
next_uniform (Sampler *s)
{
  guint64 z = s->state += G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);

  z = (z ^ (z >> 30)) * G_GUINT64_CONSTANT (0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * G_GUINT64_CONSTANT (0x94d049bb133111eb);
  z ^= z >> 31;
  return (z >> 11) * 0x1p-53;
}

static void
penalize (float *logits, guint n, const gint32 *seen, guint n_seen, double penalty)
{
  g_autofree guint8 *done = g_malloc0 (n);

  for (guint i = 0; i < n_seen; i++) {
    gint32 id = seen[i];

    if (id < 0 || (guint)id >= n || done[id])
      continue;
    done[id] = TRUE;
    logits[id] = logits[id] < 0 ? logits[id] * penalty : logits[id] / penalty;
  }
}

static gint32
best_id (const float *logits, guint n)
{
  gint32 id = 0;

  for (guint i = 1; i < n; i++)
    if (logits[i] > logits[id])
      id = i;
  return id;
}

/* The k-th largest logit: a heap of the k largest so far, the smallest of them on top. */
static float
kth_largest (const float *logits, guint n, guint k)
{
  g_autofree float *heap = g_new (float, k);

  for (guint i = 0; i < k; i++) {
    guint at = i;

    for (; at > 0 && logits[i] < heap[(at - 1) / 2]; at = (at - 1) / 2)
      heap[at] = heap[(at - 1) / 2];
    heap[at] = logits[i];
  }
  for (guint i = k; i < n; i++) {
    guint at = 0;

    if (logits[i] <= heap[0])
      continue;
    for (guint child; (child = 2 * at + 1) < k; at = child) {
      if (child + 1 < k && heap[child + 1] < heap[child])
        child++;
      if (heap[child] >= logits[i])
        break;
      heap[at] = heap[child];
    }
    heap[at] = logits[i];
  }
  return heap[0];
}

static gint
compare_choices (gconstpointer a, gconstpointer b)
{
  const Choice *x = a, *y = b;

  if (x->logit != y->logit)
    return x->logit > y->logit ? -1 : 1;
  return (x->id > y->id) - (x->id < y->id);
}

/* The smallest set of best choices whose share reaches top_p, at least one */
static void
keep_top_p (GArray *choices, double top_p, double *total)
{
  double enough = top_p * *total, sum = 0;
  guint n = 0;

  g_array_sort (choices, compare_choices);
  do
    sum += g_array_index (choices, Choice, n++).weight;
  while (n < choices->len && sum < enough);
  g_array_set_size (choices, n);
  *total = sum;
}

/* Choices in the order of their ids, so that sums of the same numbers are the same. top: the best logit. */
static gint32
draw (Sampler *s, GArray *choices, float top)
{
  double total = 0, point;

  for (guint i = 0; i < choices->len; i++) {
    Choice *choice = &g_array_index (choices, Choice, i);

    choice->weight = exp (((double)choice->logit - top) / s->temperature);
    total += choice->weight;
  }
  if (s->top_p < 1)
    keep_top_p (choices, s->top_p, &total);

  point = next_uniform (s) * total;
  for (guint i = 0; i + 1 < choices->len; i++) {
    const Choice *choice = &g_array_index (choices, Choice, i);

    if (point < choice->weight)
      return choice->id;
    point -= choice->weight;
  }
  return g_array_index (choices, Choice, choices->len - 1).id;
}

static gboolean
penalizes (const Sampler *s)
{
  return s->repetition_penalty > 0 && s->repetition_penalty != 1;
}

/* Whether the choice is not random. */
static gboolean
is_greedy (const Sampler *s, float top)
{
  return !(s->temperature > 0) || isinf (top);
}

gint32
sampler_next (Sampler *s, const float *logits, guint n, const gint32 *seen, guint n_seen)
{
  g_autofree float *numbers = g_new (float, n);
  g_autoptr (GArray) choices = NULL;
  float top, least = -INFINITY;

  for (guint i = 0; i < n; i++)
    numbers[i] = isnan (logits[i]) ? -INFINITY : logits[i];
  if (penalizes (s))
    penalize (numbers, n, seen, n_seen, s->repetition_penalty);
  top = numbers[best_id (numbers, n)];
  if (is_greedy (s, top))
    return best_id (numbers, n);

  if (s->top_k > 0 && s->top_k < n)
    least = kth_largest (numbers, n, s->top_k);
  choices = g_array_new (FALSE, FALSE, sizeof (Choice));
  for (guint i = 0; i < n; i++) {
    Choice choice = { i, numbers[i], 0 };

    /* Choices as good as the k-th stay, as in the reference; what is masked is none. */
    if (numbers[i] >= least && numbers[i] > -INFINITY)
      g_array_append_val (choices, choice);
  }
  return draw (s, choices, top);
}

static gint
compare_ids (gconstpointer a, gconstpointer b)
{
  const Choice *x = a, *y = b;

  return (x->id > y->id) - (x->id < y->id);
}

gint32
sampler_next_of_best (Sampler *s, const SamplerBest *best, guint n)
{
  g_autoptr (GArray) choices = NULL;
  gboolean all = best->n_best == n || best->next == -INFINITY, limited = s->top_k > 0 && s->top_k < n;
  float least = -INFINITY;

  if (penalizes (s))
    return -1;
  if (is_greedy (s, best->logits[0]))
    return best->ids[0];
  if (limited && s->top_k <= best->n_best)
    least = best->logits[s->top_k - 1];
  /* One of the others may be as good as the last. */
  if (!all && (!limited || s->top_k > best->n_best || best->next >= least))
    return -1;

  choices = g_array_new (FALSE, FALSE, sizeof (Choice));
  for (guint i = 0; i < best->n_best && best->logits[i] >= least && best->logits[i] > -INFINITY; i++) {
    Choice choice = { best->ids[i], best->logits[i], 0 };

    g_array_append_val (choices, choice);
  }
  g_array_sort (choices, compare_ids);
  return draw (s, choices, best->logits[0]);
}

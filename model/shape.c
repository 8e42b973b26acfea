#include "shape.h"

#include <math.h>
#include <string.h>

typedef struct
{
  guint16 next[256];
  guint16 other;      /* whose ways it has besides; SHAPE_NEVER: none's */
  guint16 least;      /* tokens to an end */
  guint16 first, end; /* choices, in their order, that an answer here may become */
  guint32 limit;
  gboolean opens, counts, is_end, is_over; /* opens: the limit is meant; is_over: nothing follows */
} Node;

/* The tokens that may follow on a place, but for those that end the answer, while at least so many are left behind them. */
typedef struct
{
  guint enough;
  guint32 mask[];
} Known;

#define MOST_KNOWN 256 /* of 4 KiB each, with the true vocabulary */

struct _Shape
{
  gint ref_count;
  GMutex lock;       /* of the next two */
  GHashTable *known; /* place_key() -> Known */
  guint n_walks;     /* through all tokens */
  GArray *nodes;     /* Node */
  guint start;
  gboolean full;
  guint n_choices;
  guint *order; /* [n_choices]: which one of the caller's it is */
  guint least;
};

static Node *
node_at (const Shape *s, guint node)
{
  return &g_array_index (s->nodes, Node, node);
}

/* --- building ------------------------------------------------------------------------------------------------------------- */

Shape *
shape_new (void)
{
  Shape *s = g_new0 (Shape, 1);

  s->ref_count = 1;
  g_mutex_init (&s->lock);
  s->known = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  s->nodes = g_array_new (FALSE, FALSE, sizeof (Node));
  node_at (s, shape_add (s))->is_end = TRUE;
  return s;
}

Shape *
shape_ref (Shape *s)
{
  g_atomic_int_inc (&s->ref_count);
  return s;
}

void
shape_unref (Shape *s)
{
  if (!s || !g_atomic_int_dec_and_test (&s->ref_count))
    return;
  g_array_unref (s->nodes);
  g_hash_table_unref (s->known);
  g_mutex_clear (&s->lock);
  g_free (s->order);
  g_free (s);
}

guint
shape_add (Shape *s)
{
  Node node = { .other = SHAPE_NEVER, .least = SHAPE_NEVER };

  if (s->nodes->len == SHAPE_NODES) {
    s->full = TRUE;
    return 0;
  }
  memset (node.next, 0xff, sizeof node.next);
  g_array_append_val (s->nodes, node);
  return s->nodes->len - 1;
}

void
shape_lead (Shape *s, guint node, guint8 first, guint8 last, guint to)
{
  for (guint byte = first; byte <= last; byte++)
    node_at (s, node)->next[byte] = to;
}

void
shape_follow (Shape *s, guint node, guint other)
{
  node_at (s, node)->other = other;
}

/* Ways of its own go before. */
void
shape_copy (Shape *s, guint node, guint other)
{
  Node *n = node_at (s, node);
  const Node *o = node_at (s, other);

  for (guint byte = 0; byte < 256; byte++)
    if (n->next[byte] == SHAPE_NEVER)
      n->next[byte] = o->next[byte];
  if (o->opens)
    n->limit = o->limit;
  n->opens = n->opens || o->opens;
  n->is_end = n->is_end || o->is_end;
}

void
shape_set_limit (Shape *s, guint node, guint32 characters)
{
  node_at (s, node)->limit = characters;
  node_at (s, node)->opens = TRUE;
}

void
shape_set_counts (Shape *s, guint node)
{
  node_at (s, node)->counts = TRUE;
}

static gint
compare_words (gconstpointer a, gconstpointer b)
{
  return strcmp (((const ShapeWord *)a)->text, ((const ShapeWord *)b)->text);
}

/* Of words that have their first `depth` bytes in common, sorted. */
static guint
add_words (Shape *s, const ShapeWord *words, guint n, guint first, guint depth)
{
  guint begin = words[0].text[depth] == '\0', to[256], node;

  if (begin == n)
    return words[0].to;
  for (guint i = begin, j; i < n && !s->full; i = j) {
    guint8 byte = words[i].text[depth];

    for (j = i + 1; j < n && (guint8)words[j].text[depth] == byte; j++)
      ;
    to[byte] = add_words (s, words + i, j - i, first + i, depth + 1);
  }
  node = shape_add (s);
  for (guint i = begin; i < n && !s->full; i++)
    shape_lead (s, node, words[i].text[depth], words[i].text[depth], to[(guint8)words[i].text[depth]]);
  if (begin)
    shape_follow (s, node, words[0].to);
  node_at (s, node)->first = first;
  node_at (s, node)->end = first + n;
  return node;
}

guint
shape_words (Shape *s, ShapeWord *words, guint n)
{
  qsort (words, n, sizeof *words, compare_words);
  return add_words (s, words, n, 0, 0);
}

gboolean
shape_is_full (const Shape *s)
{
  return s->full;
}

gboolean
shape_finish (Shape *s, guint start)
{
  guint begin = shape_add (s);

  shape_copy (s, begin, start);
  shape_follow (s, begin, node_at (s, start)->other);
  shape_lead (s, begin, ' ', ' ', start);
  node_at (s, begin)->first = node_at (s, start)->first;
  node_at (s, begin)->end = node_at (s, start)->end;
  s->start = begin;
  if (s->full)
    return FALSE;
  for (guint i = 0; i < s->nodes->len; i++) {
    Node *n = node_at (s, i);

    if (n->other != SHAPE_NEVER)
      shape_copy (s, i, n->other);
    n->is_over = TRUE;
    for (guint byte = 0; byte < 256; byte++)
      n->is_over = n->is_over && n->next[byte] == SHAPE_NEVER;
  }
  return TRUE;
}

/* Along ways to nodes that were added before: those have been counted. */
static guint
count_least (const Shape *s, guint from, const Vocabulary *v)
{
  guint path[VOCABULARY_LONGEST + 1] = { from }, least = SHAPE_NEVER;

  if (node_at (s, from)->is_end)
    return 0;
  for (guint i = 0; i < v->n_nodes;) {
    const VocabularyNode *t = &v->nodes[i];
    guint to = node_at (s, path[t->depth - 1])->next[t->byte];

    if (to >= path[t->depth - 1]) {
      i = t->after;
      continue;
    }
    path[t->depth] = to;
    if (t->token >= 0 && node_at (s, to)->least != SHAPE_NEVER)
      least = MIN (least, node_at (s, to)->least + 1u);
    i++;
  }
  return least;
}

void
shape_measure (Shape *s, const Vocabulary *v)
{
  for (guint i = 0; i < s->nodes->len; i++)
    node_at (s, i)->least = count_least (s, i, v);
  s->least = node_at (s, s->start)->least;
}

/* --- choices --------------------------------------------------------------------------------------------------------------- */

/* The least tokens that a text takes. */
static guint
count_tokens (const gchar *text, const Vocabulary *v)
{
  gsize n = strlen (text);
  g_autofree guint *least = g_new (guint, n + 1);

  least[n] = 0;
  for (gsize at = n; at-- > 0;) {
    least[at] = SHAPE_NEVER;
    for (guint i = 0; i < v->n_nodes;) {
      const VocabularyNode *t = &v->nodes[i];

      /* What is in front of a node has been followed. */
      if ((guint8)text[at + t->depth - 1] != t->byte) {
        i = t->after;
        continue;
      }
      if (t->token >= 0)
        least[at] = MIN (least[at], MIN (least[at + t->depth] + 1, SHAPE_NEVER));
      i++;
    }
  }
  return least[0];
}

static gboolean
add_choices (Shape *s, gchar **texts, guint n, GError **error)
{
  g_autofree ShapeWord *words = g_new (ShapeWord, n);

  for (guint i = 0; i < n; i++) {
    guint end = shape_add (s);

    node_at (s, end)->is_end = TRUE;
    words[i] = (ShapeWord){ texts[i], end };
  }
  qsort (words, n, sizeof *words, compare_words);
  for (guint i = 0; i < n; i++) {
    Node *end = node_at (s, words[i].to);

    end->first = i;
    end->end = i + 1;
    s->order[i] = words[i].to - 1;
    if (i > 0 && g_str_equal (words[i].text, words[i - 1].text)) {
      g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_USAGE, "the choice `%s` is there twice", words[i].text);
      return FALSE;
    }
  }
  if (!s->full && shape_finish (s, shape_words (s, words, n)))
    return TRUE;
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_USAGE, "the choices are more than %u bytes together", SHAPE_NODES);
  return FALSE;
}

Shape *
shape_new_choices (const gchar *const *choices, const Vocabulary *v, GError **error)
{
  g_autoptr (Shape) s = shape_new ();
  g_auto (GStrv) texts = g_strdupv ((gchar **)choices);
  guint n = g_strv_length (texts);

  if (n == 0) {
    g_set_error_literal (error, MINIVL_ERROR, MINIVL_ERROR_USAGE, "no choices to choose from");
    return NULL;
  }
  for (guint i = 0; i < n; i++) {
    const gchar *wrong = !g_utf8_validate (texts[i], -1, NULL) ? "no UTF-8"
                         : !*g_strstrip (texts[i])             ? "empty"
                         : strlen (texts[i]) > SHAPE_WORD      ? "longer than 1024 bytes"
                                                               : NULL;

    if (wrong) {
      g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_USAGE, "choice %u is %s", i + 1, wrong);
      return NULL;
    }
  }
  s->n_choices = n;
  s->order = g_new (guint, n);
  if (!add_choices (s, texts, n, error))
    return NULL;
  if (v)
    shape_measure (s, v);
  for (guint i = 0; v && i < n; i++)
    s->least = MAX (s->least, count_tokens (texts[i], v));
  return g_steal_pointer (&s);
}

guint
shape_n_choices (const Shape *s)
{
  return s->n_choices;
}

guint
shape_least_tokens (const Shape *s)
{
  return s->least;
}

/* --- an answer ------------------------------------------------------------------------------------------------------------- */

struct _ShapeRun
{
  Shape *shape;
  const Vocabulary *v;
  const GArray *end_tokens;
  ShapePlace place;
  guint left;                /* tokens */
  gboolean cut, masked;      /* masked: the mask is this place's */
  guint32 *mask;             /* [SHAPE_MASK_WORDS] */
  double *chances, *further; /* [n_choices]; further: room for what they become */
  double *in_order;          /* chances as the caller has the choices */
};

ShapePlace
shape_start (const Shape *s)
{
  return (ShapePlace){ s->start, SHAPE_ENDLESS };
}

gboolean
shape_step (const Shape *s, ShapePlace *place, guint8 byte)
{
  const Node *n = node_at (s, place->node);

  if (n->next[byte] == SHAPE_NEVER)
    return FALSE;
  if (n->counts && byte != '"') {
    if (place->left == 0)
      return FALSE;
    place->left--;
  } else if (n->opens && byte == '"') {
    place->left = n->limit;
  }
  place->node = n->next[byte];
  return TRUE;
}

gboolean
shape_is_end (const Shape *s, ShapePlace place)
{
  return node_at (s, place.node)->is_end;
}

guint
shape_count_walks (Shape *s)
{
  guint n;

  g_mutex_lock (&s->lock);
  n = s->n_walks;
  g_mutex_unlock (&s->lock);
  return n;
}

ShapeRun *
shape_run_new (Shape *s, const Vocabulary *v, const GArray *end_tokens, guint max_tokens)
{
  ShapeRun *r = g_new0 (ShapeRun, 1);

  r->shape = shape_ref (s);
  r->v = v;
  r->end_tokens = end_tokens;
  r->place = shape_start (s);
  r->left = max_tokens;
  r->mask = g_new (guint32, SHAPE_MASK_WORDS (v->n_tokens));
  r->chances = g_new (double, s->n_choices);
  r->further = g_new (double, s->n_choices);
  r->in_order = g_new (double, s->n_choices);
  for (guint i = 0; i < s->n_choices; i++)
    r->chances[i] = 1.0 / s->n_choices;
  return r;
}

void
shape_run_free (ShapeRun *r)
{
  if (!r)
    return;
  shape_unref (r->shape);
  g_free (r->mask);
  g_free (r->chances);
  g_free (r->further);
  g_free (r->in_order);
  g_free (r);
}

static void
allow (ShapeRun *r, gint32 token)
{
  r->mask[1 + token / 32] |= 1u << token % 32;
}

/* Returns how many tokens have to be left behind this one for none to be cut. */
static guint
allow_tokens (ShapeRun *r)
{
  const Vocabulary *v = r->v;
  ShapePlace path[VOCABULARY_LONGEST + 1];
  guint room = r->left - 1, enough = 0;

  path[0] = r->place;
  for (guint i = 0; i < v->n_nodes;) {
    const VocabularyNode *t = &v->nodes[i];
    ShapePlace *p = &path[t->depth];
    guint least;

    *p = path[t->depth - 1];
    if (!shape_step (r->shape, p, t->byte)) {
      i = t->after;
      continue;
    }
    least = node_at (r->shape, p->node)->least;
    for (gint32 token = least <= room && least != SHAPE_NEVER ? t->token : -1; token >= 0; token = v->twin[token])
      allow (r, token);
    if (t->token >= 0 && least != SHAPE_NEVER)
      enough = MAX (enough, least);
    i++;
  }
  r->cut = r->cut || enough > room;
  return enough;
}

/* Places of one key have the same tokens: none is of more characters than VOCABULARY_LONGEST. */
static gpointer
place_key (ShapePlace place)
{
  return GUINT_TO_POINTER (place.node << 8 | MIN (place.left, VOCABULARY_LONGEST));
}

/* Most steps of an answer are within a string, where each would go through nearly all tokens. */
static void
find_tokens (ShapeRun *r)
{
  Shape *s = r->shape;
  gsize size = SHAPE_MASK_WORDS (r->v->n_tokens) * sizeof *r->mask;
  gpointer key = place_key (r->place);
  Known *known;

  g_mutex_lock (&s->lock);
  known = g_hash_table_lookup (s->known, key);
  if (known && known->enough < r->left) {
    memcpy (r->mask, known->mask, size);
  } else {
    guint enough;

    memset (r->mask, 0, size);
    r->mask[0] = 1;
    enough = allow_tokens (r);
    s->n_walks++;
    if (enough < r->left && g_hash_table_size (s->known) < MOST_KNOWN) {
      known = g_malloc (sizeof *known + size);
      known->enough = enough;
      memcpy (known->mask, r->mask, size);
      g_hash_table_insert (s->known, key, known);
    }
  }
  g_mutex_unlock (&s->lock);
}

const guint32 *
shape_run_mask (ShapeRun *r)
{
  const Vocabulary *v = r->v;

  if (r->masked)
    return r->mask;
  find_tokens (r);
  for (guint i = 0; r->place.node == r->shape->start && i < v->not_first->len; i++) {
    gint32 token = g_array_index (v->not_first, gint32, i);

    r->mask[1 + token / 32] &= ~(1u << token % 32);
  }
  for (guint i = 0; shape_is_end (r->shape, r->place) && i < r->end_tokens->len; i++) {
    gint32 token = g_array_index (r->end_tokens, gint32, i);

    if (token >= 0 && (guint)token < v->n_tokens)
      allow (r, token);
  }
  r->masked = TRUE;
  return r->mask;
}

guint
shape_run_allowed (const ShapeRun *r)
{
  guint n = 0;

  for (guint i = 1; i < SHAPE_MASK_WORDS (r->v->n_tokens); i++)
    n += __builtin_popcount (r->mask[i]);
  return n;
}

/* Where a token leads to. */
static ShapePlace
behind (const ShapeRun *r, gint32 token)
{
  ShapePlace place = r->place;
  guint n;
  const gchar *bytes = vocabulary_bytes (r->v, token, &n);

  for (guint i = 0; i < n; i++)
    if (!shape_step (r->shape, &place, bytes[i]))
      g_assert_not_reached ();
  return place;
}

gboolean
shape_run_parts (const ShapeRun *r)
{
  const Node *n = node_at (r->shape, r->place.node);

  return r->shape->n_choices > 0 && n->end - n->first > 1;
}

void
shape_run_weigh (ShapeRun *r, const guint32 *ids, const float *logits, guint n, double top, double sum)
{
  const Node *here = node_at (r->shape, r->place.node);
  double all = 0, told = 0;

  for (guint i = here->first; i < here->end; i++) {
    all += r->chances[i];
    r->further[i] = 0;
  }
  for (guint i = 0; i < n; i++) {
    guint token = ids ? ids[i] : i, first = here->first, end = first + 1, bytes;
    double share;

    if (!(logits[i] > -INFINITY))
      continue;
    vocabulary_bytes (r->v, token, &bytes);
    if (bytes > 0) { /* else it ends the answer, which is the shortest of them */
      const Node *there = node_at (r->shape, behind (r, token).node);

      first = there->first;
      end = there->end;
    }
    if (first == here->first && end == here->end)
      continue;
    share = exp (logits[i] - top) / sum;
    told += share;
    for (guint j = first; j < end; j++)
      r->further[j] += share / (end - first);
  }
  for (guint i = here->first; told > 0 && i < here->end; i++)
    r->chances[i] = all * r->further[i] / told;
}

void
shape_run_take (ShapeRun *r, gint32 token)
{
  r->place = behind (r, token);
  r->left--;
  r->masked = FALSE;
}

gboolean
shape_run_is_over (const ShapeRun *r)
{
  return node_at (r->shape, r->place.node)->is_over;
}

MinivlFinish
shape_run_finish (const ShapeRun *r)
{
  gboolean whole = r->shape->n_choices > 0 || (!r->cut && (r->left > 0 || shape_run_is_over (r)));

  return whole ? MINIVL_FINISH_STOP : MINIVL_FINISH_LENGTH;
}

gint
shape_run_choice (const ShapeRun *r, const double **chances)
{
  for (guint i = 0; i < r->shape->n_choices; i++)
    r->in_order[r->shape->order[i]] = r->chances[i];
  *chances = r->in_order;
  return shape_is_end (r->shape, r->place) ? (gint)r->shape->order[node_at (r->shape, r->place.node)->first] : -1;
}

/* Byte pair encoding by rank, with a heap. */
#include "bpe.h"
#include "sentencepiece.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of a piece, of which public ones have up to 48. Making merges takes the square of it. */
#define MAX_PIECE 1024

typedef struct
{
  gint32 left, right, made;
  guint rank;
  float score; /* of `made`; once ranks are given it has no further use */
} Merge;

struct _Bpe
{
  GPtrArray *pieces; /* gchar * by id */
  GHashTable *ids;   /* piece -> id */
  GArray *merges;    /* Merge, by left, right */
  guint *order;      /* [pieces] how many scores are better; NULL where pieces have none */
  gint32 bytes[256]; /* pieces `<0x00>`..., -1 where there is none */
  gint32 unknown;
};

/* A stretch of text: a piece so far, in a list from which merging takes. */
typedef struct
{
  gint32 id;
  gint previous, next; /* -1 at the ends */
  gboolean gone;
} Symbol;

typedef struct
{
  guint rank;
  gint position; /* of the left symbol */
  gint32 made;
} Candidate;

static gint
compare_scores (gconstpointer a, gconstpointer b)
{
  const Merge *x = a, *y = b;

  if (x->score != y->score)
    return x->score > y->score ? -1 : 1;
  if (x->made != y->made)
    return x->made < y->made ? -1 : 1;
  if (x->left != y->left)
    return x->left < y->left ? -1 : 1;
  return (x->right > y->right) - (x->right < y->right);
}

static gint
compare_pairs (gconstpointer a, gconstpointer b)
{
  const Merge *x = a, *y = b;

  if (x->left != y->left)
    return x->left < y->left ? -1 : 1;
  return (x->right > y->right) - (x->right < y->right);
}

static const Merge *
find_merge (const Bpe *b, gint32 left, gint32 right)
{
  Merge key = { .left = left, .right = right };

  return b->merges->len > 0 ? bsearch (&key, b->merges->data, b->merges->len, sizeof (Merge), compare_pairs) : NULL;
}

static gboolean
read_pieces (Bpe *b, const SpModel *model, GArray *scores, const gchar *name, GError **error)
{
  for (guint id = 0; id < model->pieces->len; id++) {
    const SpPiece *piece = &g_array_index (model->pieces, SpPiece, id);
    gchar *text;

    if (piece->length == 0 || !g_utf8_validate_len (piece->text, piece->length, NULL)) {
      g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE, "%s: piece %u is not a text", name, id);
      return FALSE;
    }
    if (piece->length > MAX_PIECE) {
      g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE, "%s: piece %u has %" G_GSIZE_FORMAT " bytes, more than %d", name, id,
          piece->length, MAX_PIECE);
      return FALSE;
    }
    text = g_strndup (piece->text, piece->length);
    g_ptr_array_add (b->pieces, text);
    g_array_append_val (scores, piece->score);
    if (!isfinite (piece->score)) {
      g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE, "%s: piece %u (%s) has no finite score", name, id, text);
      return FALSE;
    }
    if (!g_hash_table_insert (b->ids, text, GINT_TO_POINTER (id))) {
      g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE, "%s: piece %u (%s) is there twice", name, id, text);
      return FALSE;
    }
  }
  return TRUE;
}

static void
make_merges (Bpe *b, const GArray *scores)
{
  g_autoptr (GString) left = g_string_new (NULL);

  for (guint id = 0; id < b->pieces->len; id++) {
    const gchar *piece = bpe_piece (b, id);

    for (const gchar *right = g_utf8_next_char (piece); *right; right = g_utf8_next_char (right)) {
      gint32 r = bpe_id (b, right), l;

      if (r < 0)
        continue;
      g_string_truncate (left, 0);
      g_string_append_len (left, piece, right - piece);
      l = bpe_id (b, left->str);
      if (l >= 0) {
        Merge merge = { l, r, id, 0, g_array_index (scores, float, id) };
        g_array_append_val (b->merges, merge);
      }
    }
  }
  g_array_sort (b->merges, compare_scores);
  for (guint i = 0; i < b->merges->len; i++)
    g_array_index (b->merges, Merge, i).rank = i;
  g_array_sort (b->merges, compare_pairs);
}

static gint
compare_ids_by_score (gconstpointer x, gconstpointer y, gpointer scores)
{
  float a = g_array_index ((GArray *)scores, float, *(const guint *)x),
        c = g_array_index ((GArray *)scores, float, *(const guint *)y);

  return (a < c) - (a > c);
}

static void
make_order (Bpe *b, GArray *scores)
{
  guint n = scores->len;
  g_autofree guint *ids = g_new (guint, n);

  b->order = g_new (guint, n);
  for (guint i = 0; i < n; i++)
    ids[i] = i;
  g_qsort_with_data (ids, n, sizeof *ids, compare_ids_by_score, scores);
  for (guint i = 0; i < n; i++)
    b->order[ids[i]] =
        i > 0 && g_array_index (scores, float, ids[i]) == g_array_index (scores, float, ids[i - 1]) ? b->order[ids[i - 1]] : i;
}

static Bpe *
new_empty (void)
{
  Bpe *b = g_new0 (Bpe, 1);

  b->pieces = g_ptr_array_new_with_free_func (g_free);
  b->ids = g_hash_table_new (g_str_hash, g_str_equal);
  b->merges = g_array_new (FALSE, FALSE, sizeof (Merge));
  return b;
}

static void
find_byte_pieces (Bpe *b)
{
  for (guint i = 0; i < 256; i++) {
    gchar piece[8];

    g_snprintf (piece, sizeof piece, "<0x%02X>", i);
    b->bytes[i] = bpe_id (b, piece);
  }
  b->unknown = bpe_id (b, "<unk>");
}

Bpe *
bpe_new (const gchar *bytes, gsize n_bytes, const gchar *name, GError **error)
{
  g_autoptr (Bpe) b = new_empty ();
  g_autoptr (GArray) scores = g_array_new (FALSE, FALSE, sizeof (float));
  g_autoptr (SpModel) model = sp_model_read (bytes, n_bytes, name, error);

  if (!model || !read_pieces (b, model, scores, name, error))
    return NULL;
  if (!model->is_bpe) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_MODEL, "%s: model_type: only BPE is known", name);
    return NULL;
  }
  find_byte_pieces (b);
  make_merges (b, scores);
  make_order (b, scores);
  return g_steal_pointer (&b);
}

Bpe *
bpe_new_of_pieces (GPtrArray *pieces, const gchar *name, GError **error)
{
  g_autoptr (Bpe) b = new_empty ();

  g_ptr_array_unref (b->pieces);
  b->pieces = pieces;
  for (guint id = 0; id < pieces->len; id++) {
    gchar *piece = g_ptr_array_index (pieces, id);

    if (*piece == '\0' || strlen (piece) > MAX_PIECE || !g_utf8_validate (piece, -1, NULL)) {
      g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE, "%s: piece %u is no text of 1 to %d bytes", name, id, MAX_PIECE);
      return NULL;
    }
    g_hash_table_insert (b->ids, piece, GUINT_TO_POINTER (id));
  }
  find_byte_pieces (b);
  return g_steal_pointer (&b);
}

gboolean
bpe_add_merge (Bpe *b, const gchar *left, const gchar *right)
{
  g_autofree gchar *both = g_strconcat (left, right, NULL);
  Merge merge = { bpe_id (b, left), bpe_id (b, right), bpe_id (b, both), b->merges->len, 0 };

  if (merge.left < 0 || merge.right < 0 || merge.made < 0)
    return FALSE;
  g_array_append_val (b->merges, merge);
  return TRUE;
}

gboolean
bpe_end_merges (Bpe *b)
{
  g_array_sort (b->merges, compare_pairs);
  for (guint i = 1; i < b->merges->len; i++)
    if (compare_pairs (&g_array_index (b->merges, Merge, i - 1), &g_array_index (b->merges, Merge, i)) == 0)
      return FALSE;
  return TRUE;
}

void
bpe_free (Bpe *b)
{
  if (!b)
    return;
  g_hash_table_unref (b->ids);
  g_ptr_array_unref (b->pieces);
  g_array_unref (b->merges);
  g_free (b->order);
  g_free (b);
}

guint
bpe_size (const Bpe *b)
{
  return b->pieces->len;
}

const gchar *
bpe_piece (const Bpe *b, guint id)
{
  return g_ptr_array_index (b->pieces, id);
}

gint32
bpe_id (const Bpe *b, const gchar *piece)
{
  gpointer id;

  return g_hash_table_lookup_extended (b->ids, piece, NULL, &id) ? GPOINTER_TO_INT (id) : -1;
}

static void
append_symbol (GArray *symbols, gint32 id)
{
  Symbol symbol = { id, (gint)symbols->len - 1, symbols->len + 1, FALSE };

  g_array_append_val (symbols, symbol);
}

static gint32
free_id (gint32 id, const guint8 *reserved)
{
  return id >= 0 && reserved && reserved[id] ? -1 : id;
}

/* One symbol a character, a byte piece a byte where the character has none. Neighbours that have neither are one <unk>. */
static void
append_characters (const Bpe *b, const gchar *text, gsize length, const guint8 *reserved, GArray *symbols)
{
  gboolean after_unknown = FALSE;

  for (const gchar *p = text, *end = text + length; p < end;) {
    gchar character[8] = { 0 };
    guint n = *p ? g_utf8_next_char (p) - p : 1;
    gboolean have_bytes = TRUE;
    gint32 id;

    memcpy (character, p, n);
    id = free_id (bpe_id (b, character), reserved);
    for (guint i = 0; i < n; i++)
      have_bytes = have_bytes && free_id (b->bytes[(guint8)p[i]], reserved) >= 0;
    if (id >= 0)
      append_symbol (symbols, id);
    else if (have_bytes)
      for (guint i = 0; i < n; i++)
        append_symbol (symbols, b->bytes[(guint8)p[i]]);
    else if (!after_unknown && b->unknown >= 0)
      append_symbol (symbols, b->unknown);
    after_unknown = id < 0 && !have_bytes;
    p += n;
  }
  if (symbols->len > 0)
    g_array_index (symbols, Symbol, symbols->len - 1).next = -1;
}

static gboolean
comes_before (const Candidate *a, const Candidate *b)
{
  return a->rank != b->rank ? a->rank < b->rank : a->position < b->position;
}

static void
heap_push (GArray *heap, Candidate candidate)
{
  guint at = heap->len;
  Candidate *c;

  g_array_append_val (heap, candidate);
  c = (Candidate *)heap->data;
  for (; at > 0 && comes_before (&candidate, &c[(at - 1) / 2]); at = (at - 1) / 2)
    c[at] = c[(at - 1) / 2];
  c[at] = candidate;
}

static Candidate
heap_pop (GArray *heap)
{
  Candidate *c = (Candidate *)heap->data, top = c[0], last = c[heap->len - 1];
  guint n = heap->len - 1, at = 0;

  for (guint child; (child = 2 * at + 1) < n; at = child) {
    if (child + 1 < n && comes_before (&c[child + 1], &c[child]))
      child++;
    if (!comes_before (&c[child], &last))
      break;
    c[at] = c[child];
  }
  c[at] = last;
  g_array_set_size (heap, n);
  return top;
}

static void
push_pair (const Bpe *b, const Symbol *symbols, gint left, gint right, const guint8 *reserved, GArray *heap)
{
  const Merge *merge = left >= 0 && right >= 0 ? find_merge (b, symbols[left].id, symbols[right].id) : NULL;

  if (merge && free_id (merge->made, reserved) >= 0)
    heap_push (heap, (Candidate){ merge->rank, left, merge->made });
}

void
bpe_encode (const Bpe *b, const gchar *text, gsize length, const guint8 *reserved, GArray *ids)
{
  g_autoptr (GArray) array = g_array_new (FALSE, FALSE, sizeof (Symbol));
  g_autoptr (GArray) heap = g_array_new (FALSE, FALSE, sizeof (Candidate));
  Symbol *symbols;
  guint n;

  append_characters (b, text, length, reserved, array);
  symbols = (Symbol *)array->data;
  n = array->len;
  for (guint i = 0; i + 1 < n; i++)
    push_pair (b, symbols, i, i + 1, reserved, heap);

  while (heap->len > 0) {
    Candidate c = heap_pop (heap);
    Symbol *left = &symbols[c.position], *right;
    const Merge *merge;

    if (left->gone || left->next < 0)
      continue;
    right = &symbols[left->next];
    /* An older candidate counts if it still makes the same piece, by whatever split: so does the reference's check. */
    merge = find_merge (b, left->id, right->id);
    if (!merge || merge->made != c.made)
      continue;
    left->id = c.made;
    left->next = right->next;
    right->gone = TRUE;
    if (left->next >= 0)
      symbols[left->next].previous = c.position;
    push_pair (b, symbols, left->previous, c.position, reserved, heap);
    push_pair (b, symbols, c.position, left->next, reserved, heap);
  }
  for (guint i = 0; i < n; i++)
    if (!symbols[i].gone)
      g_array_append_val (ids, symbols[i].id);
}

/* --- as SentencePiece does it ------------------------------------------------------------------------------------------------ */

/* A stretch of text; what is merged keeps its first place. */
typedef struct
{
  gsize start, length; /* 0: merged into another */
  gint previous, next;
} Span;

typedef struct
{
  const Bpe *b;
  const gchar *text;
  const guint8 *barred;
  GArray *spans; /* Span */
  GArray *heap;  /* Candidate; `made` is the piece */
  GString *key;  /* room for a piece to look up */
} SpanWork;

static gint32
find_span (SpanWork *w, gsize start, gsize length)
{
  if (length > MAX_PIECE || memchr (w->text + start, 0, length))
    return -1;
  g_string_truncate (w->key, 0);
  g_string_append_len (w->key, w->text + start, length);
  return free_id (bpe_id (w->b, w->key->str), w->barred);
}

static void
push_spans (SpanWork *w, gint left, gint right)
{
  const Span *spans = (const Span *)(gpointer)w->spans->data;
  gint32 id;

  if (left < 0 || right < 0)
    return;
  id = find_span (w, spans[left].start, spans[left].length + spans[right].length);
  if (id >= 0)
    heap_push (w->heap, (Candidate){ w->b->order[id], left, id });
}

static void
merge_spans (SpanWork *w)
{
  while (w->heap->len > 0) {
    Candidate c = heap_pop (w->heap);
    Span *spans = (Span *)(gpointer)w->spans->data, *left = &spans[c.position], *right;

    if (left->length == 0 || left->next < 0)
      continue;
    right = &spans[left->next];
    /* An older candidate counts if it still makes the same piece. */
    if (left->length + right->length != strlen (bpe_piece (w->b, c.made)))
      continue;
    left->length += right->length;
    right->length = 0;
    left->next = right->next;
    if (left->next >= 0)
      spans[left->next].previous = c.position;
    push_spans (w, left->previous, c.position);
    push_spans (w, c.position, left->next);
  }
}

void
bpe_encode_by_score (const Bpe *b, const gchar *text, gsize length, const guint8 *barred, GArray *ids)
{
  g_autoptr (GArray) spans = g_array_new (FALSE, FALSE, sizeof (Span)), heap = g_array_new (FALSE, FALSE, sizeof (Candidate));
  g_autoptr (GString) key = g_string_sized_new (64);
  SpanWork w = { b, text, barred, spans, heap, key };
  gboolean after_unknown = FALSE;

  for (gsize at = 0; at < length;) {
    gsize n = text[at] ? g_utf8_next_char (text + at) - (text + at) : 1;
    Span span = { at, n, (gint)spans->len - 1, at + n < length ? (gint)spans->len + 1 : -1 };

    g_array_append_val (spans, span);
    at += n;
  }
  for (guint i = 0; i + 1 < spans->len; i++)
    push_spans (&w, i, i + 1);
  merge_spans (&w);
  for (guint i = 0; i < spans->len; i++) {
    const Span *span = &g_array_index (spans, Span, i);
    gboolean have_bytes = TRUE;
    gint32 id;

    if (span->length == 0)
      continue;
    id = find_span (&w, span->start, span->length);
    for (gsize k = 0; k < span->length; k++)
      have_bytes = have_bytes && b->bytes[(guint8)text[span->start + k]] >= 0;
    if (id >= 0)
      g_array_append_val (ids, id);
    else if (have_bytes)
      for (gsize k = 0; k < span->length; k++)
        g_array_append_val (ids, b->bytes[(guint8)text[span->start + k]]);
    else if (!after_unknown && b->unknown >= 0)
      g_array_append_val (ids, b->unknown);
    after_unknown = id < 0 && !have_bytes;
  }
}

void
bpe_mark_unwritten (const Bpe *b, guint8 *barred)
{
  static const gchar *const control[] = { "<unk>", "<s>", "</s>" };

  for (guint i = 0; i < G_N_ELEMENTS (b->bytes); i++)
    if (b->bytes[i] >= 0)
      barred[b->bytes[i]] = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (control); i++)
    if (bpe_id (b, control[i]) >= 0)
      barred[bpe_id (b, control[i])] = TRUE;
}

#include "vocabulary.h"

#include <string.h>

typedef struct
{
  const Vocabulary *v;
  gint32 token;
} Entry;

const gchar *
vocabulary_bytes (const Vocabulary *v, gint32 token, guint *n)
{
  *n = v->at[token + 1] - v->at[token];
  return v->bytes + v->at[token];
}

static gint
compare_entries (gconstpointer a, gconstpointer b)
{
  const Entry *x = a, *y = b;
  guint n, m;
  const gchar *left = vocabulary_bytes (x->v, x->token, &n), *right = vocabulary_bytes (y->v, y->token, &m);
  gint order = memcmp (left, right, MIN (n, m));

  return order ? order : n != m ? (n > m) - (n < m) : (x->token > y->token) - (x->token < y->token);
}

/* The slow tokenizer takes a mark off the front, and looks what is left up as it is. */
static gboolean
is_odd_at_first (const Tokenizer *t, gint32 id)
{
  const gchar *token = tokenizer_token (t, id), *rest = token + strlen (SPACE_MARK);

  return tokenizer_is_slow (t) && g_str_has_prefix (token, SPACE_MARK) && strstr (rest, SPACE_MARK) && tokenizer_id (t, rest) < 0;
}

static gboolean
is_among (const GArray *ids, gint32 id)
{
  for (guint i = 0; i < ids->len; i++)
    if (g_array_index (ids, gint32, i) == id)
      return TRUE;
  return FALSE;
}

static void
read_tokens (Vocabulary *v, const Tokenizer *t, const GArray *end_tokens, GArray *entries)
{
  g_autoptr (GString) bytes = g_string_new (NULL);
  GString *all = g_string_new (NULL);

  for (gint32 id = 0; id < (gint32)v->n_tokens; id++) {
    const Entry entry = { v, id };

    v->at[id] = all->len;
    if (is_among (end_tokens, id) || !tokenizer_bytes (t, id, bytes) || bytes->len == 0 || bytes->len > VOCABULARY_LONGEST)
      continue;
    g_string_append_len (all, bytes->str, bytes->len);
    g_array_append_val (entries, entry);
    if (is_odd_at_first (t, id))
      g_array_append_val (v->not_first, id);
  }
  v->at[v->n_tokens] = all->len;
  v->bytes = g_string_free (all, FALSE);
}

/* Sorted tokens become nodes: of each, those behind what it has in common with the one before. */
static void
build_trie (Vocabulary *v, const GArray *entries)
{
  GArray *nodes = g_array_new (FALSE, FALSE, sizeof (VocabularyNode));
  guint32 path[VOCABULARY_LONGEST]; /* nodes of the token before */
  guint depth = 0;
  const gchar *before = NULL;

  for (guint i = 0; i < entries->len; i++) {
    gint32 token = g_array_index (entries, Entry, i).token;
    guint n, common = 0;
    const gchar *bytes = vocabulary_bytes (v, token, &n);

    while (common < MIN (n, depth) && before[common] == bytes[common])
      common++;
    for (guint d = common; d < depth; d++)
      g_array_index (nodes, VocabularyNode, path[d]).after = nodes->len;
    for (guint d = common; d < n; d++) {
      const VocabularyNode node = { .token = d + 1 == n ? token : -1, .byte = bytes[d], .depth = d + 1 };

      path[d] = nodes->len;
      g_array_append_val (nodes, node);
    }
    if (common == n && depth == n)
      v->twin[g_array_index (entries, Entry, i - 1).token] = token;
    depth = n;
    before = bytes;
  }
  for (guint d = 0; d < depth; d++)
    g_array_index (nodes, VocabularyNode, path[d]).after = nodes->len;
  v->n_nodes = nodes->len;
  v->nodes = (VocabularyNode *)(gpointer)g_array_free (nodes, FALSE);
}

Vocabulary *
vocabulary_new (const Tokenizer *t, const GArray *end_tokens, guint n_tokens)
{
  Vocabulary *v = g_new0 (Vocabulary, 1);
  g_autoptr (GArray) entries = g_array_new (FALSE, FALSE, sizeof (Entry));

  v->n_tokens = n_tokens;
  v->at = g_new (guint32, n_tokens + 1);
  v->twin = g_new (gint32, n_tokens);
  v->not_first = g_array_new (FALSE, FALSE, sizeof (gint32));
  for (guint i = 0; i < n_tokens; i++)
    v->twin[i] = -1;
  read_tokens (v, t, end_tokens, entries);
  g_array_sort (entries, compare_entries);
  build_trie (v, entries);
  return v;
}

void
vocabulary_free (Vocabulary *v)
{
  if (!v)
    return;
  g_free (v->nodes);
  g_free (v->twin);
  g_free (v->bytes);
  g_free (v->at);
  g_array_unref (v->not_first);
  g_free (v);
}

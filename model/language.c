#include "language.h"

#include <math.h>
#include <string.h>

/* Rows of a recorded prefill: a prompt's last chunk takes the next larger one. Multiples of 8, as op_attention asks. */
static const guint buckets[] = { 8, 16, 32, 64, 128, 192, LANGUAGE_CHUNK };

struct _Language
{
  Device *dev;
  const ModelConfig *config;
  const Weights *weights;
  KvPool *pool;
  double *inverse[2]; /* inverse frequencies by short and long factors */
  double attention_factor;

  Arena *scratch;
  Tensor x, normed, qkv, q, attended, gate_up, glu, last, last_normed;
  Arena *step;
  Tensor ids, rows, table, rope, features, last_ids, logits;

  OpStream *prefill[G_N_ELEMENTS (buckets)];
  OpStream *head;   /* logits of the last row of a prefill */
  OpStream *decode; /* one token and its logits: one submit */
};

gboolean
language_is_long (const LanguageConfig *config, guint n)
{
  return config->rope != ROPE_PLAIN && n > config->original_max_position;
}

/* The reference's Phi3SuScaledRotaryEmbedding and Phi3YarnScaledRotaryEmbedding. */
static void
init_rope (Language *l)
{
  const LanguageConfig *c = &l->config->language;
  guint half = language_head_dim (c) / 2;
  double scale = c->rope == ROPE_PLAIN ? 1.0 : (double)c->max_position / c->original_max_position;

  l->attention_factor = 1.0;
  if (scale > 1.0)
    l->attention_factor = c->rope == ROPE_SU ? sqrt (1.0 + log (scale) / log (c->original_max_position)) : 0.1 * log (scale) + 1.0;

  for (guint kind = 0; kind < 2; kind++) {
    const double *factor = kind ? c->long_factor : c->short_factor;

    l->inverse[kind] = g_new (double, half);
    for (guint i = 0; i < half; i++)
      l->inverse[kind][i] = 1.0 / ((c->rope == ROPE_PLAIN ? 1.0 : factor[i]) * pow (c->rope_theta, (double)i / half));
  }
}

static void
record_embedding (Language *l, OpStream *s, guint m)
{
  Tensor x = tensor_rows (&l->x, 0, m);

  op_gather (s, &x, &l->weights->embed, &l->features, &l->ids);
}

static void
record_layer (Language *l, OpStream *s, guint i, guint m, gboolean decode)
{
  const LanguageConfig *c = &l->config->language;
  const LanguageLayer *w = &l->weights->language[i];
  const KvLayer *kv = kv_pool_layer (l->pool, i);
  float scale = 1.0 / sqrt (language_head_dim (c));
  Tensor x = tensor_rows (&l->x, 0, m), normed = tensor_rows (&l->normed, 0, m), qkv = tensor_rows (&l->qkv, 0, m),
         q = tensor_rows (&l->q, 0, m), attended = tensor_rows (&l->attended, 0, m), gate_up = tensor_rows (&l->gate_up, 0, m),
         glu = tensor_rows (&l->glu, 0, m);
  Step step = { .rows = &l->rows, .table = &l->table, .rope = &l->rope };
  MatmulParams plain = { 0 }, onto_x = { .residual = &x };

  op_norm (s, &normed, &x, NORM_RMS, c->eps, &w->input_norm, NULL);
  op_matmul (s, &qkv, &normed, &w->qkv, &plain);
  op_rope_kv (s, &q, kv, &qkv, &step);
  if (decode)
    op_attention_decode (s, &attended, &q, kv, scale, &step);
  else
    op_attention (s, &attended, &q, kv, scale, &step);
  op_matmul (s, &x, &attended, &w->o, &onto_x);

  op_norm (s, &normed, &x, NORM_RMS, c->eps, &w->post_norm, NULL);
  op_matmul (s, &gate_up, &normed, &w->gate_up, &plain);
  op_glu (s, &glu, &gate_up);
  op_matmul (s, &x, &glu, &w->down, &onto_x);
}

static void
record_head (Language *l, OpStream *s, const Tensor *x)
{
  MatmulParams plain = { 0 };

  op_norm (s, &l->last_normed, x, NORM_RMS, l->config->language.eps, &l->weights->norm, NULL);
  op_matmul (s, &l->logits, &l->last_normed, &l->weights->head, &plain);
}

static OpStream *
record_prefill (Language *l, guint m, GError **error)
{
  OpStream *s = op_stream_new (l->dev, "prefill");

  record_embedding (l, s, m);
  for (guint i = 0; i < l->config->language.layers; i++)
    record_layer (l, s, i, m, FALSE);
  if (op_stream_end (s, error))
    return s;
  op_stream_free (s);
  return NULL;
}

static gboolean
record_fixed (Language *l, GError **error)
{
  Tensor first = tensor_rows (&l->x, 0, 1);

  l->head = op_stream_new (l->dev, "head");
  op_rows (l->head, &l->last, &l->x, &l->last_ids);
  record_head (l, l->head, &l->last);
  if (!op_stream_end (l->head, error))
    return FALSE;

  l->decode = op_stream_new (l->dev, "decode");
  record_embedding (l, l->decode, 1);
  for (guint i = 0; i < l->config->language.layers; i++)
    record_layer (l, l->decode, i, 1, TRUE);
  record_head (l, l->decode, &first);
  return op_stream_end (l->decode, error);
}

Language *
language_new (Device *dev, const ModelConfig *config, const Weights *weights, KvPool *pool, GError **error)
{
  g_autoptr (Language) l = g_new0 (Language, 1);
  const LanguageConfig *c = &config->language;
  guint head_dim = language_head_dim (c), m = LANGUAGE_CHUNK;

  l->dev = dev;
  l->config = config;
  l->weights = weights;
  l->pool = pool;
  init_rope (l);

  l->scratch = arena_new (dev, ARENA_DEVICE, "language model's activations");
  l->x = arena_add (l->scratch, TYPE_F32, LAYOUT_ROWS, m, c->hidden);
  l->normed = arena_add (l->scratch, TYPE_F32, LAYOUT_ROWS, m, c->hidden);
  l->qkv = arena_add (l->scratch, TYPE_F32, LAYOUT_ROWS, m, (c->heads + 2 * c->kv_heads) * head_dim);
  l->q = arena_add (l->scratch, TYPE_F32, LAYOUT_ROWS, m, c->heads * head_dim);
  l->attended = arena_add (l->scratch, TYPE_F32, LAYOUT_ROWS, m, c->heads * head_dim);
  l->gate_up = arena_add (l->scratch, TYPE_F32, LAYOUT_ROWS, m, 2 * c->intermediate);
  l->glu = arena_add (l->scratch, TYPE_F32, LAYOUT_ROWS, m, c->intermediate);
  l->last = arena_add (l->scratch, TYPE_F32, LAYOUT_ROWS, 1, c->hidden);
  l->last_normed = arena_add (l->scratch, TYPE_F32, LAYOUT_ROWS, 1, c->hidden);

  l->step = arena_new (dev, ARENA_HOST, "language model's steps");
  l->ids = arena_add (l->step, TYPE_U32, LAYOUT_ROWS, 1, m);
  l->rows = arena_add (l->step, TYPE_U32, LAYOUT_ROWS, m, 4);
  l->table = arena_add (l->step, TYPE_U32, LAYOUT_ROWS, 1, kv_pool_blocks (pool));
  l->rope = arena_add (l->step, TYPE_F32, LAYOUT_ROWS, m, head_dim);
  l->features = arena_add (l->step, TYPE_F32, LAYOUT_ROWS, m, c->hidden);
  l->last_ids = arena_add (l->step, TYPE_U32, LAYOUT_ROWS, 1, 1);
  l->logits = arena_add (l->step, TYPE_F32, LAYOUT_ROWS, 1, c->vocab);

  if (!arena_commit (l->scratch, error) || !arena_commit (l->step, error) || !record_fixed (l, error))
    return NULL;
  return g_steal_pointer (&l);
}

void
language_free (Language *l)
{
  if (!l)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (buckets); i++)
    op_stream_free (l->prefill[i]);
  op_stream_free (l->head);
  op_stream_free (l->decode);
  arena_free (l->scratch);
  arena_free (l->step);
  g_free (l->inverse[0]);
  g_free (l->inverse[1]);
  g_free (l);
}

guint64
language_bytes (const Language *l)
{
  return arena_bytes (l->scratch) + arena_bytes (l->step);
}

/* What the recorded operations read: of n rows from `past` on, padded to m. */
static void
fill_step (Language *l, KvSequence *seq, const LanguageToken *tokens, guint past, guint n, guint m, gboolean is_long)
{
  const LanguageConfig *c = &l->config->language;
  guint half = language_head_dim (c) / 2, n_blocks;
  const guint32 *blocks = kv_sequence_blocks (seq, &n_blocks);
  gint32 *ids = tensor_map (&l->ids);
  guint32 *rows = tensor_map (&l->rows), *last_ids = tensor_map (&l->last_ids);
  float *rope = tensor_map (&l->rope), *features = tensor_map (&l->features);
  const double *inverse = l->inverse[is_long];

  memcpy (tensor_map (&l->table), blocks, n_blocks * sizeof *blocks);
  last_ids[0] = n - 1;

  for (guint i = 0; i < m; i++) {
    guint32 *row = rows + (gsize)i * l->rows.stride;
    float *r = rope + (gsize)i * l->rope.stride;

    if (i >= n) {
      ids[i] = 0;
      row[0] = G_MAXUINT32;
      row[1] = row[2] = 0;
      continue;
    }
    row[0] = kv_sequence_slot (seq, past + i);
    row[1] = past + i + 1;
    row[2] = 0;
    ids[i] = tokens[i].id;
    if (tokens[i].feature) {
      ids[i] = -1 - (gint32)i;
      memcpy (features + (gsize)i * l->features.stride, tokens[i].feature, c->hidden * sizeof (float));
    }
    for (guint j = 0; j < half; j++) {
      double angle = (past + i) * inverse[j];

      r[j] = cos (angle) * l->attention_factor;
      r[half + j] = sin (angle) * l->attention_factor;
    }
  }
}

gboolean
language_step (Language *l, KvSequence *seq, const LanguageToken *tokens, guint n, gboolean is_long, float *logits, GError **error)
{
  guint past = kv_sequence_length (seq), bucket = 0;
  gboolean ok;

  g_return_val_if_fail (n > 0 && n <= LANGUAGE_CHUNK, FALSE);
  if (!kv_sequence_extend (seq, past + n)) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_BUDGET, "%u tokens are more than the cache of %u holds", past + n,
        kv_pool_blocks (l->pool) * KV_BLOCK);
    return FALSE;
  }

  if (n == 1 && logits) {
    fill_step (l, seq, tokens, past, 1, 1, is_long);
    ok = op_stream_run (l->decode, NULL, error);
  } else {
    while (buckets[bucket] < n)
      bucket++;
    if (!l->prefill[bucket])
      l->prefill[bucket] = record_prefill (l, buckets[bucket], error);
    ok = l->prefill[bucket] != NULL;
    if (ok) {
      fill_step (l, seq, tokens, past, n, buckets[bucket], is_long);
      ok = op_stream_run (l->prefill[bucket], NULL, error) && (!logits || op_stream_run (l->head, NULL, error));
    }
  }
  if (ok && logits)
    memcpy (logits, tensor_map (&l->logits), l->config->language.vocab * sizeof (float));
  if (!ok)
    kv_sequence_truncate (seq, past);
  return ok;
}

gboolean
language_stages (Language *l, KvSequence *seq, const gint32 *ids, guint n, StageFunc on_stage, gpointer user_data, GError **error)
{
  const LanguageConfig *c = &l->config->language;
  g_autoptr (Arena) arena = arena_new (l->dev, ARENA_HOST, "stages");
  g_autoptr (OpStream) s = op_stream_new (l->dev, "language stages");
  g_autofree Tensor *stages = g_new0 (Tensor, c->layers + 1);
  g_autofree LanguageToken *tokens = g_new0 (LanguageToken, n);
  Tensor logits, x, normed;
  MatmulParams plain = { 0 };
  guint m = (n + 7) / 8 * 8;

  g_return_val_if_fail (n > 0 && m <= LANGUAGE_CHUNK, FALSE);
  for (guint i = 0; i <= c->layers; i++)
    stages[i] = arena_add (arena, TYPE_F32, LAYOUT_ROWS, m, c->hidden);
  logits = arena_add (arena, TYPE_F32, LAYOUT_ROWS, m, c->vocab);
  if (!arena_commit (arena, error))
    return FALSE;

  x = tensor_rows (&l->x, 0, m);
  normed = tensor_rows (&l->normed, 0, m);
  record_embedding (l, s, m);
  op_copy (s, &stages[0], &x);
  for (guint i = 0; i < c->layers; i++) {
    record_layer (l, s, i, m, FALSE);
    if (i + 1 < c->layers)
      op_copy (s, &stages[i + 1], &x);
  }
  op_norm (s, &normed, &x, NORM_RMS, c->eps, &l->weights->norm, NULL);
  op_copy (s, &stages[c->layers], &normed);
  op_matmul (s, &logits, &normed, &l->weights->head, &plain);
  if (!op_stream_end (s, error))
    return FALSE;

  for (guint i = 0; i < n; i++)
    tokens[i].id = ids[i];
  kv_sequence_truncate (seq, 0);
  if (!kv_sequence_extend (seq, n))
    g_return_val_if_reached (FALSE);
  fill_step (l, seq, tokens, 0, n, m, language_is_long (c, n));
  if (!op_stream_run (s, NULL, error))
    return FALSE;

  for (guint i = 0; i <= c->layers + 1; i++) {
    const Tensor *t = i <= c->layers ? &stages[i] : &logits;
    g_autofree gchar *name = i <= c->layers ? g_strdup_printf ("language.%u", i) : g_strdup ("language.logits");

    stage_give (name, t, n, on_stage, user_data);
  }
  return TRUE;
}

#include "language.h"

#include <math.h>
#include <string.h>

#include "draft.h"
#include "model_testing.h"

/* Rows of a recorded prefill: a prompt's last chunk takes the next larger one. Multiples of 8, as op_attention needs. */
static const guint buckets[] = { 8, 16, 32, 64, 128, 192, LANGUAGE_CHUNK };
/* Keys that a recording's rows see at most: attention is cut into slices by them. The least, and each twice as many as the one
 * before.
 */
#define KEYS_LEAST 1024
#define KEYS_LEVELS 12
/* Sequences of a recorded decode step, likewise. */
static const guint batches[] = { 1, 2, 4, 8, 16, LANGUAGE_BATCH };

struct _Language
{
  GThread *owner; /* that made it */
  Device *dev;
  const ModelConfig *config;
  const Weights *weights;
  KvPool *pool;
  double *inverse[2]; /* inverse frequencies by short and long factors */
  double attention_factor;

  Arena *scratch;
  Tensor x, between, normed, qkv, q, attended, gate_up, glu, last, last_normed, logits, top_work;
  Tensor attention_work[2]; /* of prefill, of decode; without columns where there is no use for it */
  Arena *step, *results;
  Tensor ids, rows, table, rope, features, last_ids, masks; /* of step */
  Tensor top;                                               /* of results */
  gboolean masked;                                          /* a row of the next step has a mask */

  OpStream *prefill[G_N_ELEMENTS (buckets)][KEYS_LEVELS];
  /* [2]: without masks, and with them. */
  OpStream *head[2];                                        /* the last row of a prefill to logits */
  OpStream *decode[2][G_N_ELEMENTS (batches)][KEYS_LEVELS]; /* a token a sequence and their logits: one submit */
  guint equal_rows;
  guint64 computed, steps, read, submits;
};

guint
language_vocab (const Language *l)
{
  return l->config->language.vocab;
}

gboolean
language_is_long (const Language *l, guint n)
{
  return l->config->language.rope != ROPE_PLAIN && n > l->config->language.original_max_position;
}

/* The reference's Phi3SuScaledRotaryEmbedding and Phi3YarnScaledRotaryEmbedding. */
static void
init_rope (Language *l)
{
  const LanguageConfig *c = &l->config->language;
  guint half = language_head_dim (c) / 2;

  l->attention_factor = rope_attention_factor (c);

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

/* What the matrices behind a norm of x read: x itself where they take the norm along (p), else its norm, which is computed here. */
static Tensor
record_norm (OpStream *s, const Tensor *normed, const Tensor *x, float eps, const Tensor *weight, const Tensor *w, MatmulParams *p)
{
  *p = (MatmulParams){ 0 };
  if (op_matmul_norms (s, x->rows, w)) {
    p->norm = weight;
    p->eps = eps;
    return *x;
  }
  op_norm (s, normed, x, NORM_RMS, eps, weight, NULL);
  return *normed;
}

static void
record_qkv (OpStream *s, const Tensor *qkv, const Tensor *x, const LanguageLayer *w, const MatmulParams *p)
{
  Tensor first = tensor_columns (qkv, 0, w->qkv.rows), v;

  op_matmul (s, &first, x, &w->qkv, p);
  if (w->v.rows == 0)
    return;
  v = tensor_columns (qkv, w->qkv.rows, w->v.rows);
  op_matmul (s, &v, x, &w->v, p);
}

/* What is added to x goes to and fro between two tensors: slices that read one and write the other do not wait for each other. */
static void
record_layer (Language *l, OpStream *s, guint i, guint m, guint keys, gboolean decode)
{
  const LanguageConfig *c = &l->config->language;
  const LanguageLayer *w = &l->weights->language[i];
  const KvLayer *kv = kv_pool_layer (l->pool, i);
  float scale = 1.0 / sqrt (language_head_dim (c));
  Tensor x = tensor_rows (&l->x, 0, m), between = tensor_rows (&l->between, 0, m), normed = tensor_rows (&l->normed, 0, m),
         qkv = tensor_rows (&l->qkv, 0, m), q = tensor_rows (&l->q, 0, m), attended = tensor_rows (&l->attended, 0, m),
         gate_up = tensor_rows (&l->gate_up, 0, m), glu = tensor_rows (&l->glu, 0, m), read;
  const Tensor *work = &l->attention_work[decode];
  Step step = { .rows = &l->rows, .table = &l->table, .rope = &l->rope, .work = work->cols ? work : NULL, .keys = keys };
  MatmulParams norms, onto_x = { .residual = &x }, onto_between = { .residual = &between };

  read = record_norm (s, &normed, &x, c->eps, &w->input_norm, &w->qkv, &norms);
  record_qkv (s, &qkv, &read, w, &norms);
  op_rope_kv (s, &q, kv, &qkv, &step);
  if (decode)
    op_attention_decode (s, &attended, &q, kv, scale, &step);
  else
    op_attention (s, &attended, &q, kv, scale, &step);
  op_matmul (s, &between, &attended, &w->o, &onto_x);

  read = record_norm (s, &normed, &between, c->eps, &w->post_norm, &w->gate_up, &norms);
  op_matmul (s, &gate_up, &read, &w->gate_up, &norms);
  op_glu (s, &glu, &gate_up);
  op_matmul (s, &x, &glu, &w->down, &onto_between);
}

/* Logits of rows of x, those that a mask lets through, and the best of them. */
static void
record_head (Language *l, OpStream *s, const Tensor *x, gboolean masked)
{
  Tensor normed = tensor_rows (&l->last_normed, 0, x->rows), logits = tensor_rows (&l->logits, 0, x->rows),
         top = tensor_rows (&l->top, 0, x->rows), work = tensor_rows (&l->top_work, 0, x->rows),
         masks = tensor_rows (&l->masks, 0, x->rows), read;
  MatmulParams norms;

  read = record_norm (s, &normed, x, l->config->language.eps, &l->weights->norm, &l->weights->head, &norms);
  op_matmul (s, &logits, &read, &l->weights->head, &norms);
  if (masked)
    op_mask (s, &logits, &masks);
  op_top (s, &top, &logits, &work);
}

static void
record_chunk (Language *l, OpStream *s, guint m, guint keys)
{
  record_embedding (l, s, m);
  for (guint i = 0; i < l->config->language.layers; i++)
    record_layer (l, s, i, m, keys, FALSE);
}

static void
record_last (Language *l, OpStream *s, gboolean masked)
{
  op_rows (s, &l->last, &l->x, &l->last_ids);
  record_head (l, s, &l->last, masked);
}

static void
record_tokens (Language *l, OpStream *s, guint m, guint keys, gboolean masked)
{
  Tensor x = tensor_rows (&l->x, 0, m);

  record_embedding (l, s, m);
  for (guint i = 0; i < l->config->language.layers; i++)
    record_layer (l, s, i, m, keys, TRUE);
  record_head (l, s, &x, masked);
}

void
language_survey_step (Language *l, OpStream *survey, guint m, guint keys)
{
  g_assert (g_thread_self () == l->owner);
  record_tokens (l, survey, m, keys, FALSE);
}

void
language_survey (Language *l, OpStream *survey)
{
  g_assert (g_thread_self () == l->owner);
  for (guint i = 0; i < G_N_ELEMENTS (buckets); i++)
    record_chunk (l, survey, buckets[i], KEYS_LEAST);
  record_last (l, survey, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (batches); i++)
    record_tokens (l, survey, batches[i], KEYS_LEAST, TRUE);
}

/* Ends a recording. (transfer full), NULL on failure */
static OpStream *
recorded (OpStream *s, GError **error)
{
  if (op_stream_end (s, error))
    return s;
  op_stream_free (s);
  return NULL;
}

static OpStream *
new_prefill (Language *l, guint m, guint keys, GError **error)
{
  OpStream *s = op_stream_new (l->dev, "prefill");

  record_chunk (l, s, m, keys);
  return recorded (s, error);
}

static OpStream *
new_decode (Language *l, guint m, guint keys, gboolean masked, GError **error)
{
  OpStream *s = op_stream_new (l->dev, "decode");

  record_tokens (l, s, m, keys, masked);
  return recorded (s, error);
}

static OpStream *
new_head (Language *l, gboolean masked, GError **error)
{
  OpStream *s = op_stream_new (l->dev, "head");

  record_last (l, s, masked);
  return recorded (s, error);
}

Language *
language_new (Device *dev, const ModelConfig *config, const Weights *weights, KvPool *pool, guint context)
{
  Language *l = g_new0 (Language, 1);
  const LanguageConfig *c = &config->language;
  guint head_dim = language_head_dim (c), m = LANGUAGE_CHUNK;

  l->owner = g_thread_self ();
  l->dev = dev;
  l->config = config;
  l->weights = weights;
  l->pool = pool;
  init_rope (l);

  l->scratch = arena_new (dev, ARENA_DEVICE, "language model's activations");
  l->x = arena_add (l->scratch, TYPE_F32, LAYOUT_ROWS, m, c->hidden);
  l->between = arena_add (l->scratch, TYPE_F32, LAYOUT_ROWS, m, c->hidden);
  l->normed = arena_add (l->scratch, TYPE_F32, LAYOUT_ROWS, m, c->hidden);
  l->qkv = arena_add (l->scratch, TYPE_F32, LAYOUT_ROWS, m, (c->heads + 2 * c->kv_heads) * head_dim);
  l->q = arena_add (l->scratch, TYPE_F32, LAYOUT_ROWS, m, c->heads * head_dim);
  l->attended = arena_add (l->scratch, TYPE_F32, LAYOUT_ROWS, m, c->heads * head_dim);
  l->gate_up = arena_add (l->scratch, TYPE_F32, LAYOUT_ROWS, m, 2 * c->intermediate);
  l->glu = arena_add (l->scratch, TYPE_F32, LAYOUT_ROWS, m, c->intermediate);
  l->last = arena_add (l->scratch, TYPE_F32, LAYOUT_ROWS, 1, c->hidden);
  l->last_normed = arena_add (l->scratch, TYPE_F32, LAYOUT_ROWS, LANGUAGE_BATCH, c->hidden);
  l->logits = arena_add (l->scratch, TYPE_F32, LAYOUT_ROWS, LANGUAGE_BATCH, c->vocab);
  l->top_work = arena_add (l->scratch, TYPE_U32, LAYOUT_ROWS, LANGUAGE_BATCH, top_work_columns (c->vocab));
  for (guint decode = 0; decode < 2; decode++) {
    guint columns = attention_work_columns (dev, kv_pool_layer (pool, 0), c->heads, context, decode);

    if (columns)
      l->attention_work[decode] = arena_add (l->scratch, TYPE_F32, LAYOUT_ROWS, decode ? LANGUAGE_BATCH : LANGUAGE_CHUNK, columns);
  }

  l->step = arena_new (dev, ARENA_INPUT, "language model's steps");
  l->ids = arena_add (l->step, TYPE_U32, LAYOUT_ROWS, 1, m);
  l->rows = arena_add (l->step, TYPE_U32, LAYOUT_ROWS, m, 4);
  l->table = arena_add (l->step, TYPE_U32, LAYOUT_ROWS, LANGUAGE_BATCH, (context + KV_BLOCK - 1) / KV_BLOCK);
  l->rope = arena_add (l->step, TYPE_F32, LAYOUT_ROWS, m, head_dim);
  l->features = arena_add (l->step, TYPE_F32, LAYOUT_ROWS, m, c->hidden);
  l->last_ids = arena_add (l->step, TYPE_U32, LAYOUT_ROWS, 1, 1);
  l->masks = arena_add (l->step, TYPE_U32, LAYOUT_ROWS, LANGUAGE_BATCH, MASK_COLUMNS (c->vocab));
  l->results = arena_new (dev, ARENA_HOST, "language model's results");
  l->top = arena_add (l->results, TYPE_U32, LAYOUT_ROWS, LANGUAGE_BATCH, TOP_COLUMNS);
  return l;
}

static guint32 *
mask_of (Language *l, guint i)
{
  return (guint32 *)tensor_map (&l->masks) + (gsize)i * l->masks.stride;
}

gboolean
language_commit (Language *l, GError **error)
{
  g_assert (g_thread_self () == l->owner);
  if (!arena_commit (l->scratch, error) || !arena_commit (l->step, error) || !arena_commit (l->results, error))
    return FALSE;
  for (guint i = 0; i < LANGUAGE_BATCH; i++)
    *mask_of (l, i) = 0;
  l->head[0] = new_head (l, FALSE, error);
  return l->head[0] != NULL;
}

void
language_free (Language *l)
{
  if (!l)
    return;
  g_assert (g_thread_self () == l->owner);
  for (guint level = 0; level < KEYS_LEVELS; level++) {
    for (guint i = 0; i < G_N_ELEMENTS (buckets); i++)
      op_stream_free (l->prefill[i][level]);
    for (guint i = 0; i < 2 * G_N_ELEMENTS (batches); i++)
      op_stream_free (l->decode[i / G_N_ELEMENTS (batches)][i % G_N_ELEMENTS (batches)][level]);
  }
  op_stream_free (l->head[FALSE]);
  op_stream_free (l->head[TRUE]);
  arena_free (l->scratch);
  arena_free (l->step);
  arena_free (l->results);
  g_free (l->inverse[0]);
  g_free (l->inverse[1]);
  g_free (l);
}

guint64
language_bytes (const Language *l)
{
  return arena_bytes (l->scratch) + arena_bytes (l->step) + arena_bytes (l->results);
}

/* Tells the recorded operations of row i: a token at `position` of the sequence in row `place` of the table. */
static void
fill_row (Language *l, guint i, guint place, const KvSequence *seq, guint position, const LanguageToken *token)
{
  const LanguageConfig *c = &l->config->language;
  const double *inverse = l->inverse[kv_sequence_is_long (seq)];
  guint half = language_head_dim (c) / 2;
  gint32 *ids = tensor_map (&l->ids);
  guint32 *row = (guint32 *)tensor_map (&l->rows) + (gsize)i * l->rows.stride;
  float *rope = (float *)tensor_map (&l->rope) + (gsize)i * l->rope.stride;

  row[0] = kv_sequence_slot (seq, position);
  row[1] = position + 1;
  row[2] = place;
  ids[i] = token->key.id;
  if (token->feature) {
    ids[i] = -1 - (gint32)i;
    memcpy ((float *)tensor_map (&l->features) + (gsize)i * l->features.stride, token->feature, c->hidden * sizeof (float));
  }
  for (guint j = 0; j < half; j++) {
    double angle = position * inverse[j];

    rope[j] = cos (angle) * l->attention_factor;
    rope[half + j] = sin (angle) * l->attention_factor;
  }
}

static void
fill_table (Language *l, guint place, const KvSequence *seq)
{
  guint n;
  const guint32 *blocks = kv_sequence_blocks (seq, &n);

  memcpy ((guint32 *)tensor_map (&l->table) + (gsize)place * l->table.stride, blocks, n * sizeof *blocks);
}

/* The rows behind the tokens write nothing and see nothing. */
static void
fill_padding (Language *l, guint first, guint end)
{
  for (guint i = first; i < end; i++) {
    guint32 *row = (guint32 *)tensor_map (&l->rows) + (gsize)i * l->rows.stride;

    ((gint32 *)tensor_map (&l->ids))[i] = 0;
    row[0] = G_MAXUINT32;
    row[1] = row[2] = 0;
  }
}

static guint
bucket_of (const guint *sizes, guint n)
{
  guint i = 0;

  while (sizes[i] < n)
    i++;
  return i;
}

/* The first level whose recordings see so many keys; the last one sees all there are. */
static guint
level_of (guint keys)
{
  guint level = 0;

  while (level + 1 < KEYS_LEVELS && KEYS_LEAST << level < keys)
    level++;
  return level;
}

static guint
level_keys (guint level)
{
  return level + 1 < KEYS_LEVELS ? KEYS_LEAST << level : 0;
}

static void
extend (KvSequence *seq, const LanguageToken *tokens, guint n)
{
  for (guint i = 0; i < n; i++)
    kv_sequence_extend (seq, &tokens[i].key, 1);
}

static void
fill_chunk (Language *l, const KvSequence *seq, guint past, const LanguageToken *tokens, guint n, guint m)
{
  fill_table (l, 0, seq);
  for (guint i = 0; i < n; i++)
    fill_row (l, i, 0, seq, past + i, &tokens[i]);
  fill_padding (l, n, m);
  *(guint32 *)tensor_map (&l->last_ids) = n - 1;
}

static void
get_top (const Language *l, guint i, Top *top)
{
  memcpy (top, (const guint32 *)tensor_map (&l->top) + (gsize)i * l->top.stride, sizeof *top);
}

void
language_set_mask (Language *l, guint i, const guint32 *mask)
{
  memcpy (mask_of (l, i), mask, l->masks.cols * sizeof *mask);
  l->masked = TRUE;
}

/* Behind a step of n rows. Returns FALSE, for one that was none. */
static gboolean
forget_masks (Language *l, guint n)
{
  for (guint i = 0; l->masked && i < n; i++)
    *mask_of (l, i) = 0;
  return l->masked = FALSE;
}

static gboolean
run_head (Language *l, Top *top, GError **error)
{
  OpStream **s = &l->head[l->masked];

  if ((!*s && !(*s = new_head (l, TRUE, error))) || !op_stream_run (*s, NULL, error))
    return FALSE;
  get_top (l, 0, top);
  return TRUE;
}

gboolean
language_prefill (
    Language *l, KvSequence *seq, const LanguageToken *tokens, guint n, Top *top, const OpCancel *cancel, GError **error)
{
  guint past = kv_sequence_length (seq), b = bucket_of (buckets, n), level = level_of (past + n);
  OpStream **s = &l->prefill[b][level];
  gboolean ok;

  g_assert (g_thread_self () == l->owner);
  g_return_val_if_fail (n > 0 && n <= LANGUAGE_CHUNK, FALSE);
  if (n == 1 && top)
    return language_decode (l, &seq, tokens, 1, top, error);
  if (!*s)
    *s = new_prefill (l, buckets[b], level_keys (level), error);
  if (!*s)
    return forget_masks (l, 1);

  extend (seq, tokens, n);
  fill_chunk (l, seq, past, tokens, n, buckets[b]);
  ok = op_stream_run (*s, cancel, error) && (!top || run_head (l, top, error));
  forget_masks (l, 1);
  if (!ok) {
    kv_sequence_forget (seq, n);
    return FALSE;
  }
  l->submits += op_stream_submits (*s);
  l->computed += n;
  return TRUE;
}

gboolean
language_decode (Language *l, KvSequence *const *seqs, const LanguageToken *tokens, guint n, Top *tops, GError **error)
{
  guint b = bucket_of (batches, n), level = 0, place = 0; /* place: the first row of the sequence's */
  OpStream **s;
  gboolean ok;

  g_assert (g_thread_self () == l->owner);
  g_return_val_if_fail (n > 0 && n <= LANGUAGE_BATCH, FALSE);
  for (guint i = 0; i < n; i++) {
    if (i == 0 || seqs[i] != seqs[i - 1])
      place = i;
    level = MAX (level, level_of (kv_sequence_length (seqs[i]) + i - place + 1));
  }
  s = &l->decode[l->masked][b][level];
  if (!*s)
    *s = new_decode (l, batches[b], level_keys (level), l->masked, error);
  if (!*s)
    return forget_masks (l, n);

  for (guint i = 0; i < n; i++) {
    if (i == 0 || seqs[i] != seqs[i - 1])
      place = i;
    extend (seqs[i], &tokens[i], 1);
    fill_table (l, place, seqs[i]);
    fill_row (l, i, place, seqs[i], kv_sequence_length (seqs[i]) - 1, &tokens[i]);
  }
  fill_padding (l, n, batches[b]);
  ok = op_stream_run (*s, NULL, error);
  forget_masks (l, n);
  for (guint i = 0; i < n; i++) {
    if (ok)
      get_top (l, i, &tops[i]);
    else
      kv_sequence_forget (seqs[i], 1);
  }
  if (ok)
    l->computed += n;
  l->submits += op_stream_submits (*s);
  l->steps += ok;
  return ok;
}

gboolean
language_logits (Language *l, guint i, float *logits, GError **error)
{
  g_assert (g_thread_self () == l->owner);
  l->read++;
  return tensor_read (
      &l->logits, (guint64)i * l->logits.stride * sizeof *logits, logits, l->config->language.vocab * sizeof *logits, error);
}

/* --- are rows of a step what they are alone? ------------------------------------------------------------------------------- */

/* Of the probe: tokens of one sequence, through layer 0 and the head. What layer 0 makes of a token's key does not depend on the
 * other rows, so that rows that are computed once more find the cache as it was. */
static OpStream *
new_probe (Language *l, guint m, GError **error)
{
  OpStream *s = op_stream_new (l->dev, "rows");
  Tensor x = tensor_rows (&l->x, 0, m);

  record_embedding (l, s, m);
  record_layer (l, s, 0, m, KEYS_LEAST, TRUE);
  record_head (l, s, &x, FALSE);
  return recorded (s, error);
}

/* Logits [m][vocab] of m tokens from the first on. */
static gboolean
run_probe (Language *l, OpStream *s, const KvSequence *seq, const LanguageToken *tokens, guint first, guint m, float *logits,
    GError **error)
{
  guint vocab = language_vocab (l);

  fill_table (l, 0, seq);
  for (guint i = 0; i < m; i++)
    fill_row (l, i, 0, seq, first + i, &tokens[first + i]);
  if (!op_stream_run (s, NULL, error))
    return FALSE;
  for (guint i = 0; i < m; i++)
    if (!tensor_read (
            &l->logits, (guint64)i * l->logits.stride * sizeof *logits, logits + (gsize)i * vocab, vocab * sizeof *logits, error))
      return FALSE;
  return TRUE;
}

gboolean
language_compare_rows (Language *l, GError **error)
{
  gsize vocab = language_vocab (l);
  LanguageToken tokens[DRAFT_ROWS] = { { .feature = NULL } };
  g_autoptr (KvSequence) seq = NULL;
  g_autoptr (OpStream) one = new_probe (l, 1, error);
  g_autofree float *alone = g_new (float, DRAFT_ROWS *vocab), *together = g_new (float, DRAFT_ROWS *vocab);

  g_assert (g_thread_self () == l->owner);
  l->equal_rows = 1;
  for (guint i = 0; i < DRAFT_ROWS; i++)
    tokens[i].key.id = (i + 1) * 977 % vocab;
  seq = kv_sequence_new (l->pool, &tokens[0].key, 1, DRAFT_ROWS, FALSE);
  if (!seq) /* a cache that does not hold so many tokens */
    return TRUE;
  extend (seq, tokens, DRAFT_ROWS);
  for (guint i = 0; i < DRAFT_ROWS; i++)
    if (!one || !run_probe (l, one, seq, tokens, i, 1, alone + i * vocab, error))
      return FALSE;
  for (guint b = 1; b < G_N_ELEMENTS (batches) && batches[b] <= DRAFT_ROWS; b++) {
    g_autoptr (OpStream) s = new_probe (l, batches[b], error);

    if (!s || !run_probe (l, s, seq, tokens, 0, batches[b], together, error))
      return FALSE;
    if (memcmp (alone, together, batches[b] * vocab * sizeof *alone) != 0)
      break;
    l->equal_rows = batches[b];
  }
  kv_sequence_forget (seq, DRAFT_ROWS);
  return TRUE;
}

guint
language_equal_rows (const Language *l)
{
  return l->equal_rows;
}

guint64
language_tokens_computed (const Language *l)
{
  return l->computed;
}

guint64
language_steps (const Language *l)
{
  return l->steps;
}

guint64
language_submits (const Language *l)
{
  return l->submits;
}

guint64
language_logits_read (const Language *l)
{
  return l->read;
}

gboolean
language_stages (Language *l, const gint32 *ids, guint n, StageFunc on_stage, gpointer user_data, GError **error)
{
  const LanguageConfig *c = &l->config->language;
  g_autoptr (Arena) arena = arena_new (l->dev, ARENA_HOST, "stages");
  g_autoptr (OpStream) s = op_stream_new (l->dev, "language stages");
  g_autofree Tensor *stages = g_new0 (Tensor, c->layers + 1), *qkvs = g_new0 (Tensor, c->layers);
  g_autofree LanguageToken *tokens = g_new0 (LanguageToken, n);
  g_autofree KvKey *keys = g_new0 (KvKey, n);
  g_autoptr (KvSequence) seq = NULL;
  Tensor logits, x, normed, qkv;
  MatmulParams plain = { 0 };
  guint m = (n + 7) / 8 * 8;

  g_assert (g_thread_self () == l->owner);
  g_return_val_if_fail (n > 0 && m <= LANGUAGE_CHUNK, FALSE);
  for (guint i = 0; i <= c->layers; i++)
    stages[i] = arena_add (arena, TYPE_F32, LAYOUT_ROWS, m, c->hidden);
  for (guint i = 0; i < c->layers; i++)
    qkvs[i] = arena_add (arena, TYPE_F32, LAYOUT_ROWS, m, l->qkv.cols);
  logits = arena_add (arena, TYPE_F32, LAYOUT_ROWS, m, c->vocab);
  if (!arena_commit (arena, error))
    return FALSE;

  x = tensor_rows (&l->x, 0, m);
  normed = tensor_rows (&l->normed, 0, m);
  qkv = tensor_rows (&l->qkv, 0, m);
  record_embedding (l, s, m);
  op_copy (s, &stages[0], &x);
  for (guint i = 0; i < c->layers; i++) {
    record_layer (l, s, i, m, n, FALSE);
    op_copy (s, &qkvs[i], &qkv);
    if (i + 1 < c->layers)
      op_copy (s, &stages[i + 1], &x);
  }
  op_norm (s, &normed, &x, NORM_RMS, c->eps, &l->weights->norm, NULL);
  op_copy (s, &stages[c->layers], &normed);
  op_matmul (s, &logits, &normed, &l->weights->head, &plain);
  if (!op_stream_end (s, error))
    return FALSE;

  for (guint i = 0; i < n; i++) {
    tokens[i].key.id = ids[i];
    keys[i] = tokens[i].key;
  }
  seq = kv_sequence_new (l->pool, keys, 1, n, language_is_long (l, n));
  g_return_val_if_fail (seq, FALSE);
  extend (seq, tokens, n);
  fill_chunk (l, seq, 0, tokens, n, m);
  if (!op_stream_run (s, NULL, error))
    return FALSE;

  for (guint i = 0; i < c->layers; i++) {
    g_autofree gchar *name = g_strdup_printf ("qkv.%u", i);

    stage_give (name, &qkvs[i], n, on_stage, user_data);
  }
  for (guint i = 0; i <= c->layers + 1; i++) {
    const Tensor *t = i <= c->layers ? &stages[i] : &logits;
    g_autofree gchar *name = i <= c->layers ? g_strdup_printf ("language.%u", i) : g_strdup ("language.logits");

    stage_give (name, t, n, on_stage, user_data);
  }
  return TRUE;
}

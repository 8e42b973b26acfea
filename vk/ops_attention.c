/* Ops over the cache of keys and values. */
#include <math.h>

#include "ops_private.h"

/* The most work of one dispatch of attention: 50 ms at the speed of a small integrated GPU, and of a CPU device. */
#define ATTENTION_FLOPS ((guint64)8 << 30)
#define ATTENTION_CPU_FLOPS ((guint64)1 << 30)

guint
kv_block_elements (guint heads, guint head_dim)
{
  return heads * KV_BLOCK * head_dim;
}

static gboolean
kv_check (OpStream *s, const KvLayer *kv)
{
  const Tensor *k = &kv->k, *v = &kv->v;

  if (kv->head_dim % 8 || kv->head_dim == 0 || kv->head_dim > 128) {
    op_stream_fail (s, "a head of %u elements; it must be a multiple of 8, at most 128", kv->head_dim);
    return FALSE;
  }
  if (k->type != v->type || (k->type != TYPE_F32 && k->type != TYPE_F16) || k->rows != v->rows || kv->heads == 0
      || k->cols != kv_block_elements (kv->heads, kv->head_dim) || v->cols != k->cols) {
    op_stream_fail (s, "keys of %u x %u and values of %u x %u are no cache of %u heads of %u elements in f32 or f16", k->rows,
        k->cols, v->rows, v->cols, kv->heads, kv->head_dim);
    return FALSE;
  }
  return TRUE;
}

/* Query heads in `cols` columns; 0 and a failure when the cache's heads cannot be shared among them. */
static guint
query_heads (OpStream *s, const KvLayer *kv, guint cols)
{
  guint heads = cols / kv->head_dim;

  if (cols % kv->head_dim || heads == 0 || heads % kv->heads) {
    op_stream_fail (s, "%u columns of queries are no multiple of %u heads of %u elements", cols, kv->heads, kv->head_dim);
    return 0;
  }
  return heads;
}

void
op_rope_kv (OpStream *s, const Tensor *q, const KvLayer *kv, const Tensor *qkv, const Step *step)
{
  const Tensor *rope = step->rope;
  guint64 block_bytes = (guint64)kv->k.stride * type_size (kv->k.type), window;
  guint heads_q;

  op_stream_begin_op (s, "rope_kv");
  if (!kv_check (s, kv) || !(heads_q = query_heads (s, kv, q->cols)))
    return;
  if (qkv->rows != q->rows || qkv->cols != (heads_q + 2 * kv->heads) * kv->head_dim || step->rows->rows < q->rows
      || (rope && (rope->rows < q->rows || rope->cols != kv->head_dim))) {
    op_stream_fail (s, "q is %u x %u, qkv %u x %u, rows %u, rope %u x %u", q->rows, q->cols, qkv->rows, qkv->cols, step->rows->rows,
        rope ? rope->rows : 0, rope ? rope->cols : 0);
    return;
  }

  /* A view must be of a cache that fits one binding. */
  window = MAX (tensor_bytes (&kv->k), tensor_bytes (&kv->v)) <= stream_limits (s)->storage_range
               ? kv->k.rows
               : window_units (s, stream_limits (s)->storage_range, block_bytes);
  if (window == 0 || (window < kv->k.rows && (kv->k.first || kv->v.first))) {
    op_stream_fail (s, "a cache of %" G_GUINT64_FORMAT " bytes, of which this device writes only %" G_GUINT64_FORMAT " at a time",
        tensor_bytes (&kv->k), stream_limits (s)->storage_range);
    return;
  }

  for (guint first = 0; first < kv->k.rows; first += window) {
    guint blocks = MIN (window, kv->k.rows - first);
    guint64 size = window < kv->k.rows ? blocks * block_bytes : 0;
    struct RopeKvPush push = {
      .m = q->rows,
      .heads_q = heads_q,
      .heads = kv->heads,
      .q = view_of (q),
      .qkv = view_of (qkv),
      .rope = view_of (rope),
      .rows = view_of (step->rows),
      .k_first = kv->k.first,
      .v_first = kv->v.first,
      .window_first = first,
      .window_blocks = blocks,
    };
    Dispatch d = {
      .shader = kv->k.type == TYPE_F32 ? "rope_kv_f32" : "rope_kv_f16",
      .bind = { { BIND_WRITE, q }, { BIND_WRITE, &kv->k, first * block_bytes, size },
          { BIND_WRITE, &kv->v, first * block_bytes, size }, { BIND_BULK, qkv }, { BIND_BULK, rope ? rope : qkv },
          { BIND_READ, step->rows } },
      .push = &push,
      .push_size = sizeof push,
      .spec = { kv->head_dim, rope != NULL },
      .n_spec = 2,
      .flops = first ? 0 : 3 * (guint64)qkv->rows * qkv->cols,
      .bytes = first ? 0 : 8 * (guint64)qkv->rows * qkv->cols,
    };

    dispatch_quads (&d, qkv->cols / 8, qkv->rows);
    op_stream_dispatch (s, &d);
  }
}

/* What the two kernels share: everything but geometry. */
static gboolean
attention_prepare (OpStream *s, const gchar *name, Dispatch *d, struct AttentionPush *push, const Tensor *out, const Tensor *q,
    const KvLayer *kv, float scale, const Step *step)
{
  guint heads_q;

  op_stream_begin_op (s, name);
  if (!kv_check (s, kv) || !(heads_q = query_heads (s, kv, q->cols)))
    return FALSE;
  if (out->rows != q->rows || out->cols != q->cols || step->rows->rows < q->rows) {
    op_stream_fail (s, "out is %u x %u, q %u x %u, rows %u", out->rows, out->cols, q->rows, q->cols, step->rows->rows);
    return FALSE;
  }

  *push = (struct AttentionPush){
    .m = q->rows,
    .heads = kv->heads,
    .shared_by = heads_q / kv->heads,
    .y = view_of (out),
    .q = view_of (q),
    .k_first = kv->k.first,
    .v_first = kv->v.first,
    .rows = view_of (step->rows),
    .table = view_of (step->table),
    .blocks = step->table->cols,
    .scale = scale * (float)M_LOG2E,
  };
  *d = (Dispatch){
    .bind = { { BIND_WRITE, out }, { BIND_BULK, q }, { BIND_BULK, &kv->k }, { BIND_BULK, &kv->v }, { BIND_READ, step->rows },
        { BIND_READ, step->table } },
    .push = push,
    .push_size = sizeof *push,
    .spec = { kv->head_dim },
    .n_spec = 1,
  };
  return TRUE;
}

void
op_attention (OpStream *s, const Tensor *out, const Tensor *q, const KvLayer *kv, float scale, const Step *step)
{
  guint64 most = stream_limits (s)->cpu ? ATTENTION_CPU_FLOPS : ATTENTION_FLOPS, row_flops;
  guint local = stream_limits (s)->local, rows;
  struct AttentionPush push;
  Dispatch d;

  if (!attention_prepare (s, "attention", &d, &push, out, q, kv, scale, step))
    return;

  /* Only the device knows how many keys a row sees: the most there can be. */
  row_flops = 4 * (guint64)q->cols * push.blocks * KV_BLOCK;
  rows = CLAMP (most / row_flops, local, q->rows + local) / local * local;

  d.shader = kv->k.type == TYPE_F32 ? "attention_f32" : "attention_f16";
  d.local = local;
  d.turns = push.blocks;
  for (push.row_first = 0; push.row_first < q->rows; push.row_first += rows) {
    guint here = MIN (rows, q->rows - push.row_first);

    /* Rows are in x, so that two threads that take half of the workgroups each have half of the heads, which is equal work. Halves
     * of causal rows are not. An octet has 8 rows. */
    d.workgroups[0] = (here + local - 1) / local;
    d.workgroups[1] = q->cols / kv->head_dim;
    d.workgroups[2] = 1;
    d.flops = here * row_flops;
    d.bytes = 8 * (guint64)here * q->cols + (guint64)push.blocks * kv->k.stride * 2 * type_size (kv->k.type);
    op_stream_dispatch (s, &d);
  }
}

void
op_attention_decode (OpStream *s, const Tensor *out, const Tensor *q, const KvLayer *kv, float scale, const Step *step)
{
  guint local = stream_local (s);
  struct AttentionPush push;
  Dispatch d;

  if (!attention_prepare (s, "attention_decode", &d, &push, out, q, kv, scale, step))
    return;

  d.shader = kv->k.type == TYPE_F32 ? "attention_decode_f32" : "attention_decode_f16";
  d.local = local;
  d.turns = (guint64)push.blocks * (KV_BLOCK / 8) / (local / 8) + 1 + 2 * local / 8;
  d.flops = 4 * (guint64)q->rows * q->cols * push.blocks * KV_BLOCK;
  d.bytes = (guint64)q->rows * push.blocks * kv->k.stride * 2 * type_size (kv->k.type);
  dispatch_rows (&d, q->cols / kv->head_dim, q->rows);
  op_stream_dispatch (s, &d);
}

/* Ops over the cache of keys and values. */
#include <math.h>

#include "ops_private.h"

/* The most work of one dispatch of attention: 50 ms at the speed of a small integrated GPU, and of a CPU device. */
#define ATTENTION_FLOPS ((guint64)8 << 30)
#define ATTENTION_CPU_FLOPS ((guint64)1 << 30)

/* By KvType. */
static const struct
{
  TensorType element;
  guint per_quad; /* numbers */
  const gchar *name, *rope_kv, *attention, *attention_decode;
} kinds[] = {
  [KV_F32] = { TYPE_F32, 4, "f32", "rope_kv_f32", "attention_f32", "attention_decode_f32" },
  [KV_F16] = { TYPE_F16, 8, "f16", "rope_kv_f16", "attention_f16", "attention_decode_f16" },
  [KV_INT8] = { TYPE_U32, 16, "q8", "rope_kv_int8", "attention_int8", "attention_decode_int8" },
};

const gchar *
kv_type_name (KvType type)
{
  return kinds[type].name;
}

/* Elements of one block of keys, or of values. */
static guint
block_elements (KvType type, gboolean key, guint heads, guint head_dim)
{
  guint quads = KV_BLOCK * ((head_dim + kinds[type].per_quad - 1) / kinds[type].per_quad);

  if (key && type == KV_INT8)
    quads += KV_BLOCK / 4; /* steps */
  return heads * quads * (16 / type_size (kinds[type].element));
}

KvLayer
kv_layer_add (Arena *arena, KvType type, guint blocks, guint heads, guint head_dim)
{
  KvLayer kv = { .type = type, .heads = heads, .head_dim = head_dim };

  kv.k = arena_add (arena, kinds[type].element, LAYOUT_ROWS, blocks, block_elements (type, TRUE, heads, head_dim));
  kv.v = arena_add (arena, kinds[type].element, LAYOUT_ROWS, blocks, block_elements (type, FALSE, heads, head_dim));
  return kv;
}

static guint64
block_bytes (const Tensor *t)
{
  return (guint64)t->stride * type_size (t->type);
}

static gboolean
kv_check (OpStream *s, const KvLayer *kv)
{
  const Tensor *k = &kv->k, *v = &kv->v;
  TensorType element = kinds[kv->type].element;

  if (kv->head_dim % 8 || kv->head_dim == 0 || kv->head_dim > 128) {
    op_stream_fail (s, "a head of %u elements; it must be a multiple of 8, at most 128", kv->head_dim);
    return FALSE;
  }
  if (k->type != element || v->type != element || k->rows != v->rows || kv->heads == 0
      || k->cols != block_elements (kv->type, TRUE, kv->heads, kv->head_dim)
      || v->cols != block_elements (kv->type, FALSE, kv->heads, kv->head_dim)) {
    op_stream_fail (s, "keys of %u x %u and values of %u x %u are no such cache of %u heads of %u elements", k->rows, k->cols,
        v->rows, v->cols, kv->heads, kv->head_dim);
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
  guint64 window;
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

  /* A view must be of a cache that fits one binding. A block of keys is as large as one of values or larger, and where any number
   * of them ends at a multiple of a power of two, so does that number of blocks of values. */
  window = tensor_bytes (&kv->k) <= stream_limits (s)->storage_range
               ? kv->k.rows
               : window_units (s, stream_limits (s)->storage_range, block_bytes (&kv->k));
  if (window == 0 || (window < kv->k.rows && (kv->k.first || kv->v.first))) {
    op_stream_fail (s, "a cache of %" G_GUINT64_FORMAT " bytes, of which this device writes only %" G_GUINT64_FORMAT " at a time",
        tensor_bytes (&kv->k), stream_limits (s)->storage_range);
    return;
  }

  for (guint first = 0; first < kv->k.rows; first += window) {
    guint blocks = MIN (window, kv->k.rows - first);
    guint64 k_block = block_bytes (&kv->k), v_block = block_bytes (&kv->v), bound = window < kv->k.rows ? blocks : 0;
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
      .shader = kinds[kv->type].rope_kv,
      .bind = { { BIND_WRITE, q }, { BIND_WRITE, &kv->k, first * k_block, bound * k_block },
          { BIND_WRITE, &kv->v, first * v_block, bound * v_block }, { BIND_BULK, qkv }, { BIND_BULK, rope ? rope : qkv },
          { BIND_READ, step->rows } },
      .push = &push,
      .push_size = sizeof push,
      .spec = { kv->head_dim, rope != NULL },
      .n_spec = 2,
      .flops = first ? 0 : 3 * (guint64)qkv->rows * qkv->cols,
      .bytes = first ? 0 : 8 * (guint64)qkv->rows * qkv->cols,
      .apart = TRUE, /* q is written by the first window alone */
    };

    if (kv->type == KV_INT8) { /* an octet a head of a query, or of a key and its value */
      d.local = stream_limits (s)->local;
      dispatch_rows (&d, (8 * (heads_q + kv->heads) + d.local - 1) / d.local, qkv->rows);
    } else {
      dispatch_quads (&d, qkv->cols / 8, qkv->rows);
    }
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
    .blocks = step->keys ? MIN ((step->keys + KV_BLOCK - 1) / KV_BLOCK, step->table->cols) : step->table->cols,
    .scale = scale * (float)M_LOG2E,
  };
  *d = (Dispatch){
    .bind = { { BIND_WRITE, out }, { BIND_BULK, q }, { BIND_BULK, &kv->k }, { BIND_BULK, &kv->v }, { BIND_READ, step->rows },
        { BIND_READ, step->table } },
    .push = push,
    .push_size = sizeof *push,
    .spec = { kv->head_dim },
    .n_spec = 1,
    .apart = TRUE,
  };
  return TRUE;
}

/* Most operations of a dispatch. */
static guint64
attention_most (OpStream *s)
{
  return stream_limits (s)->cpu ? ATTENTION_CPU_FLOPS : ATTENTION_FLOPS;
}

/* Only the device knows how many keys a row sees: the most there can be. Of a row's head. */
static guint64
head_flops (const KvLayer *kv, const struct AttentionPush *push)
{
  return 4 * (guint64)kv->head_dim * push->blocks * KV_BLOCK;
}

/* Rows of a slice, a multiple of `unit`, and then its heads: as many as `most` allows, at least `unit` rows of one head. */
static void
attention_slice (guint64 most, guint64 flops, guint unit, guint rows, guint heads_q, guint *slice_rows, guint *slice_heads)
{
  *slice_rows = CLAMP (most / (flops * heads_q), unit, rows + unit) / unit * unit;
  *slice_heads = CLAMP (most / (flops * MIN (*slice_rows, rows)), 1, heads_q);
}

void
op_attention (OpStream *s, const Tensor *out, const Tensor *q, const KvLayer *kv, float scale, const Step *step)
{
  guint local = stream_limits (s)->local, rows, heads, heads_q;
  struct AttentionPush push;
  guint64 flops;
  Dispatch d;

  if (!attention_prepare (s, "attention", &d, &push, out, q, kv, scale, step))
    return;

  heads_q = q->cols / kv->head_dim;
  flops = head_flops (kv, &push);
  attention_slice (attention_most (s), flops, local, q->rows, heads_q, &rows, &heads);
  d.shader = kinds[kv->type].attention;
  d.local = local;
  d.turns = push.blocks;
  for (push.row_first = 0; push.row_first < q->rows; push.row_first += rows)
    for (push.head_first = 0; push.head_first < heads_q; push.head_first += heads) {
      guint here = MIN (rows, q->rows - push.row_first), heads_here = MIN (heads, heads_q - push.head_first);

      /* Rows are in x, so that two threads that take half of the workgroups each have half of the heads, which is equal work.
       * Halves of causal rows are not. An octet has 8 rows. */
      d.workgroups[0] = (here + local - 1) / local;
      d.workgroups[1] = heads_here;
      d.workgroups[2] = 1;
      d.flops = here * heads_here * flops;
      d.bytes = 8 * (guint64)here * heads_here * kv->head_dim
                + push.blocks * (block_bytes (&kv->k) + block_bytes (&kv->v)) * heads_here / heads_q;
      op_stream_dispatch (s, &d);
    }
}

void
op_attention_decode (OpStream *s, const Tensor *out, const Tensor *q, const KvLayer *kv, float scale, const Step *step)
{
  guint local = stream_local (s), rows, heads, heads_q;
  struct AttentionPush push;
  guint64 flops;
  Dispatch d;

  if (!attention_prepare (s, "attention_decode", &d, &push, out, q, kv, scale, step))
    return;

  heads_q = q->cols / kv->head_dim;
  flops = head_flops (kv, &push);
  attention_slice (attention_most (s), flops, 1, q->rows, heads_q, &rows, &heads);
  d.shader = kinds[kv->type].attention_decode;
  d.local = local;
  d.turns = (guint64)push.blocks * (KV_BLOCK / 8) / (local / 8) + 1 + 2 * local / 8;
  for (push.row_first = 0; push.row_first < q->rows; push.row_first += rows)
    for (push.head_first = 0; push.head_first < heads_q; push.head_first += heads) {
      guint here = MIN (rows, q->rows - push.row_first), heads_here = MIN (heads, heads_q - push.head_first);

      d.flops = here * heads_here * flops;
      d.bytes = (guint64)here * push.blocks * (block_bytes (&kv->k) + block_bytes (&kv->v)) * heads_here / heads_q;
      dispatch_rows (&d, heads_here, here);
      op_stream_dispatch (s, &d);
    }
}

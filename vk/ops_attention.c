/* Ops over the cache of keys and values. */
#include <math.h>

#include "ops_private.h"

/* By KvType. */
static const struct
{
  TensorType element;
  guint per_quad; /* numbers */
  const gchar *name, *rope_kv;
  const gchar *attention, *attention_decode;     /* of octets */
  const gchar *attention_tile, *attention_split; /* of GPUs */
} kinds[] = {
  [KV_F32] = { TYPE_F32, 4, "f32", "rope_kv_f32", "attention_f32", "attention_decode_f32", "attention_tile_f32",
      "attention_split_f32" },
  [KV_F16] = { TYPE_F16, 8, "f16", "rope_kv_f16", "attention_f16", "attention_decode_f16", "attention_tile_f16",
      "attention_split_f16" },
  [KV_INT8] = { TYPE_U32, 16, "q8", "rope_kv_int8", "attention_int8", "attention_decode_int8", "attention_tile_int8",
      "attention_split_int8" },
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

/* Blocks of a cache that the device binds at once in a binding of at most `range` bytes: all, or a window of them; 0: none. A view
 * must be of a cache that fits one binding. A block of keys is as large as one of values or larger, and where any number of them
 * ends at a multiple of a power of two, so does that number of blocks of values. */
static guint
kv_window (const DeviceLimits *limits, const KvLayer *kv, guint64 range)
{
  guint64 window = tensor_bytes (&kv->k) <= range ? kv->k.rows : limits_window_units (limits, range, block_bytes (&kv->k));

  return window < kv->k.rows && (kv->k.first || kv->v.first) ? 0 : window;
}

/* The blocks of the cache from `first` on that a window holds; fills in what a dispatch binds of it. */
static guint
bind_window (Dispatch *d, guint binding, const KvLayer *kv, guint first, guint window)
{
  guint blocks = MIN (window, kv->k.rows - first);
  guint64 k_block = block_bytes (&kv->k), v_block = block_bytes (&kv->v), bound = window < kv->k.rows ? blocks : 0;

  d->bind[binding].offset = first * k_block;
  d->bind[binding].size = bound * k_block;
  d->bind[binding + 1].offset = first * v_block;
  d->bind[binding + 1].size = bound * v_block;
  return blocks;
}

void
op_rope_kv (OpStream *s, const Tensor *q, const KvLayer *kv, const Tensor *qkv, const Step *step)
{
  const Tensor *rope = step->rope;
  guint heads_q, window;

  op_stream_begin_op (s, "rope_kv");
  if (!kv_check (s, kv) || !(heads_q = query_heads (s, kv, q->cols)))
    return;
  if (qkv->rows != q->rows || qkv->cols != (heads_q + 2 * kv->heads) * kv->head_dim || step->rows->rows < q->rows
      || (rope && (rope->rows < q->rows || rope->cols != kv->head_dim))) {
    op_stream_fail (s, "q is %u x %u, qkv %u x %u, rows %u, rope %u x %u", q->rows, q->cols, qkv->rows, qkv->cols, step->rows->rows,
        rope ? rope->rows : 0, rope ? rope->cols : 0);
    return;
  }

  window = kv_window (stream_limits (s), kv, stream_limits (s)->storage_range);
  if (window == 0) {
    op_stream_fail (s, "a cache of %" G_GUINT64_FORMAT " bytes, of which this device writes only %" G_GUINT64_FORMAT " at a time",
        tensor_bytes (&kv->k), stream_limits (s)->storage_range);
    return;
  }

  for (guint first = 0; first < kv->k.rows; first += window) {
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
    };
    Dispatch d = {
      .shader = kinds[kv->type].rope_kv,
      .bind = { { BIND_WRITE, q }, { BIND_WRITE, &kv->k }, { BIND_WRITE, &kv->v }, { BIND_BULK, qkv },
          { BIND_BULK, rope ? rope : qkv }, { BIND_READ, step->rows } },
      .push = &push,
      .push_size = sizeof push,
      .spec = { kv->head_dim, rope != NULL },
      .n_spec = 2,
      .flops = first ? 0 : 3 * (guint64)qkv->rows * qkv->cols,
      .bytes = first ? 0 : 8 * (guint64)qkv->rows * qkv->cols,
      .apart = TRUE, /* q is written by the first window alone */
    };

    push.window_blocks = bind_window (&d, 1, kv, first, window);
    if (kv->type == KV_INT8) { /* an octet a head of a query, or of a key and its value */
      d.local = stream_geometry (s)->local;
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
    .splits = 1,
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

/* unit: rows of a workgroup. With 1 each row has workgroups of its own, `splits` a head. share: how much of the cache is bound. */
static void
attention_slices (OpStream *s, Dispatch *d, struct AttentionPush *push, const KvLayer *kv, guint unit, double share)
{
  guint heads_q = kv->heads * push->shared_by, rows, heads;
  guint64 flops = head_flops (kv, push);
  double cache = share * push->blocks * (block_bytes (&kv->k) + block_bytes (&kv->v));

  attention_slice (stream_geometry (s)->attention_flops, flops, unit, push->m, heads_q, &rows, &heads);
  for (push->row_first = 0; push->row_first < push->m; push->row_first += rows)
    for (push->head_first = 0; push->head_first < heads_q; push->head_first += heads) {
      guint here = MIN (rows, push->m - push->row_first), heads_here = MIN (heads, heads_q - push->head_first);

      d->flops = share * here * heads_here * flops;
      if (unit == 1) {
        dispatch_rows (d, heads_here * push->splits, here);
        d->bytes = here * cache * heads_here / heads_q;
      } else {
        /* Rows are in x, so that two threads that take half of the workgroups each have half of the heads, which is equal work.
         * Halves of causal rows are not. */
        d->workgroups[0] = (here + unit - 1) / unit;
        d->workgroups[1] = heads_here;
        d->workgroups[2] = 1;
        d->bytes = 8 * (guint64)here * heads_here * kv->head_dim + cache * heads_here / heads_q;
      }
      op_stream_dispatch (s, d);
    }
}

/* --- kernels of GPUs --------------------------------------------------------------------------------------------------------- */

/* How many parts of a result there are: of each window of the cache, and of each split of a row's keys. */
typedef struct
{
  guint windows, splits, most_splits;
} Parts;

static Parts
attention_parts (const DeviceLimits *limits, const KvLayer *kv, guint heads_q, guint blocks, gboolean decode)
{
  guint window = kv_window (limits, kv, limits->bulk_range), turn = limits->geometry.attention_split / KV_BLOCK;
  Parts parts = { .windows = window ? (kv->k.rows + window - 1) / window : 1, .splits = 1, .most_splits = 1 };

  if (decode) {
    parts.most_splits = MAX (geometry_most_splits (limits, heads_q) / parts.windows, 1);
    parts.splits = MIN ((blocks + turn - 1) / turn, parts.most_splits);
  }
  return parts;
}

static guint
part_columns (const KvLayer *kv, guint heads_q, const Parts *parts)
{
  return heads_q * parts->windows * parts->splits * (kv->head_dim + 4);
}

/* Those of octets know no windows. */
static gboolean
takes_gpu_kernels (const DeviceLimits *limits, const KvLayer *kv)
{
  return limits->geometry.gpu_kernels || kv_window (limits, kv, limits->bulk_range) < kv->k.rows;
}

guint
attention_work_columns (const Device *dev, const KvLayer *kv, guint heads_q, guint keys, gboolean decode)
{
  const DeviceLimits *limits = device_limits (dev);
  Parts parts = attention_parts (limits, kv, heads_q, (keys + KV_BLOCK - 1) / KV_BLOCK, decode);

  return takes_gpu_kernels (limits, kv) && parts.windows * parts.splits > 1 ? part_columns (kv, heads_q, &parts) : 0;
}

static void
attention_join (OpStream *s, const Tensor *out, const KvLayer *kv, const Tensor *work, guint heads_q, guint parts)
{
  struct JoinPush push = {
    .m = out->rows,
    .heads_q = heads_q,
    .parts = parts,
    .y = view_of (out),
    .work = view_of (work),
  };
  Dispatch d = {
    .shader = "attention_join",
    .bind = { { BIND_WRITE, out }, { BIND_BULK, work } },
    .push = &push,
    .push_size = sizeof push,
    .spec = { kv->head_dim },
    .n_spec = 1,
    .turns = 2 * parts + 2,
    .flops = 4 * (guint64)parts * out->rows * out->cols,
    .bytes = 4 * (guint64)(parts + 1) * out->rows * out->cols,
  };

  dispatch_quads (&d, out->cols / 4, out->rows);
  op_stream_dispatch (s, &d);
}

/* Into step->work and from there into `out`, or at once. */
static void
attention_by_parts (
    OpStream *s, Dispatch *d, struct AttentionPush *push, const Tensor *out, const KvLayer *kv, const Step *step, gboolean decode)
{
  const DeviceLimits *limits = stream_limits (s);
  guint heads_q = kv->heads * push->shared_by, window = kv_window (limits, kv, limits->bulk_range);
  const AttentionTile *tile = geometry_attention_tile (limits, push->m, heads_q);
  Parts parts = attention_parts (limits, kv, heads_q, push->blocks, decode);

  if (!step->work)
    parts.splits = parts.most_splits = 1;
  if (window == 0 || (parts.windows > 1 && !step->work)) {
    op_stream_fail (s, "a cache of %" G_GUINT64_FORMAT " bytes, of which this device reads only %" G_GUINT64_FORMAT " at a time%s",
        tensor_bytes (&kv->k), limits->bulk_range, window ? ", and no room to work in" : "");
    return;
  }
  if (step->work && (step->work->rows < push->m || step->work->cols < part_columns (kv, heads_q, &parts))) {
    op_stream_fail (s, "%u x %u is too little to work in: %u x %u is needed", step->work->rows, step->work->cols, push->m,
        part_columns (kv, heads_q, &parts));
    return;
  }

  push->splits = parts.splits;
  push->most_splits = parts.most_splits;
  push->parts = parts.windows * parts.splits;
  d->spec[1] = step->work != NULL;
  if (step->work) {
    d->bind[0].tensor = step->work;
    push->y = view_of (step->work);
  }
  if (decode) {
    guint turn = limits->geometry.attention_split / KV_BLOCK, turns = (push->blocks + turn - 1) / turn;

    d->shader = kinds[kv->type].attention_split;
    d->local = d->spec[2] = limits->geometry.attention_split;
    d->n_spec = 3;
    d->turns = (turns + parts.most_splits - 1) / parts.most_splits + 1 + limits->geometry.attention_split;
  } else {
    d->shader = kinds[kv->type].attention_tile;
    d->local = attention_tile_invocations (tile);
    d->spec[2] = tile->rows;
    d->spec[3] = tile->each;
    d->n_spec = 4;
    d->turns = tile->rows / 8 * ((guint64)push->blocks + 4) + 1; /* every 8 rows may be of another sequence */
  }
  for (guint first = 0; first < kv->k.rows; first += window) {
    push->window_first = first;
    push->window_blocks = bind_window (d, 2, kv, first, window);
    push->part_first = first / window * parts.splits;
    attention_slices (s, d, push, kv, decode ? 1 : tile->rows, 1.0 / parts.windows);
  }
  if (step->work)
    attention_join (s, out, kv, step->work, heads_q, push->parts);
}

/* --- the ops ----------------------------------------------------------------------------------------------------------------- */

void
op_attention (OpStream *s, const Tensor *out, const Tensor *q, const KvLayer *kv, float scale, const Step *step)
{
  struct AttentionPush push;
  Dispatch d;

  if (!attention_prepare (s, "attention", &d, &push, out, q, kv, scale, step))
    return;
  if (takes_gpu_kernels (stream_limits (s), kv)) {
    attention_by_parts (s, &d, &push, out, kv, step, FALSE);
    return;
  }

  d.shader = kinds[kv->type].attention;
  d.local = stream_geometry (s)->local; /* an octet has 8 rows */
  d.turns = push.blocks;
  attention_slices (s, &d, &push, kv, d.local, 1);
}

void
op_attention_decode (OpStream *s, const Tensor *out, const Tensor *q, const KvLayer *kv, float scale, const Step *step)
{
  struct AttentionPush push;
  Dispatch d;

  if (!attention_prepare (s, "attention_decode", &d, &push, out, q, kv, scale, step))
    return;
  if (takes_gpu_kernels (stream_limits (s), kv)) {
    attention_by_parts (s, &d, &push, out, kv, step, TRUE);
    return;
  }

  d.shader = kinds[kv->type].attention_decode;
  d.local = stream_local (s);
  d.turns = (guint64)push.blocks * (KV_BLOCK / 8) / (d.local / 8) + 1 + 2 * d.local / 8;
  attention_slices (s, &d, &push, kv, 1, 1);
}

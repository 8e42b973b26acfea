/*
 * The operations of the model, recorded once and run often.
 *
 * A stream is a list of dispatches. Record it by calling op_*() in order (each sees the results of those before), close it with
 * op_stream_end(), run it with op_stream_run() as often as you like: shapes are fixed, contents and lengths come from tensors.
 * A failure while recording is kept and reported by op_stream_end(). Tensors must outlive the stream.
 *
 * Unless said otherwise tensors are F32 ROWS and may be views; sums are f32. m, n: any; k: any (padding holds zeros).
 * Tensors that say what to do with each row (ids, Step.rows, Step.rope) may have more rows than m: the first m are read.
 * Every op has a plain twin in twins.c, a case of the self-check in selfcheck_plans.c, and an error bound in tests/ops.
 */
#ifndef VK_OPS_H
#define VK_OPS_H

#include "memory.h"
#include "shaders/params.h"

typedef struct _OpStream OpStream;

OpStream *op_stream_new (Device *dev, const gchar *name);
void op_stream_free (OpStream *s);
gboolean op_stream_end (OpStream *s, GError **error);

/* Whether to give up a run. */
typedef struct
{
  gboolean (*is_cancelled) (gpointer data);
  gpointer data;
} OpCancel;

/* Submits all of it in parts bounded by measured time, and waits. cancel (nullable): asked between parts; TRUE fails with
 * DEVICE_ERROR_CANCELLED. With it parts are short on CPU devices as well, where a run is otherwise one submit. */
gboolean op_stream_run (OpStream *s, const OpCancel *cancel, GError **error);

typedef struct
{
  const gchar *op; /* the op's name, static */
  guint64 ns; /* of the last run: the device's time where submits are bounded or DeviceOptions.timed, else the host's, shared out */
} OpTiming;

/* One entry an op in recorded order, of the last run. (transfer none) */
const OpTiming *op_stream_timings (OpStream *s, guint *n_timings);
/* Dispatches that were recorded or, in a survey, would be. */
guint op_stream_dispatches (const OpStream *s);
/* Submits of the last run. */
guint op_stream_submits (const OpStream *s);

/* --- arithmetic ------------------------------------------------------------------------------------------------------------ */

typedef enum
{
  ACT_NONE,
  ACT_GELU, /* by erf, as the reference */
} Activation;

typedef struct
{
  const Tensor *bias; /* [1][n] or NULL */
  Activation act;
  const Tensor *norm;     /* [1][k] or NULL: weights of an RMS norm of x, as op_norm() has them; see op_matmul_norms() */
  float eps;              /* of the norm */
  const Tensor *scale;    /* [1][n] or NULL: layer scale */
  const Tensor *residual; /* [period][n] or NULL; may be y itself */
  guint residual_period;  /* row i adds residual row i % period; 0: m */
} MatmulParams;

/* y[m][n] = residual + scale * act (x[m][k] . w[n][k]^T + bias)
 * w: WEIGHTS, F32, F16, BF16, Q8 or Q4. x and y are not of one tensor. Few rows (up to 8; on CPU devices of F32, F16 and BF16 up
 * to 7) take a matvec kernel, many a tiled one. Up to 8 rows each has the bits that it has alone, on CPU devices with Q8 and Q4 any
 * number of them. There x is rounded to 8 bits by blocks of 32 with Q4; of many rows on GPUs with
 * dot products of bytes also with Q8, by matmul_dot.comp; of many rows on GPUs with cooperative matrices x and w are rounded to 11
 * bits with F16 and BF16, by matmul_coop.comp, so that the NMSE is about 1e-7 whatever the size of the numbers; else x is f32. k is
 * read up to the next multiple of 32, where w has zeros: what x has there, after a view's columns, must be finite. A residual in
 * y's memory must be y itself, with a period of m. Long ops are cut into slices of at most 2 GFLOP. */
void op_matmul (OpStream *s, const Tensor *y, const Tensor *x, const Tensor *w, const MatmulParams *p);
/* Whether op_matmul() takes a norm of m rows along, which saves a dispatch; there is no bias then. */
gboolean op_matmul_norms (OpStream *s, guint m, const Tensor *w);

typedef enum
{
  NORM_LAYER,
  NORM_RMS,
} NormKind;

/* y[m][n] = norm (x[m][n]) * weight[n] + bias[n], a row at a time. bias NULL for none. y may be x. */
void op_norm (OpStream *s, const Tensor *y, const Tensor *x, NormKind kind, float eps, const Tensor *weight, const Tensor *bias);

/* y[m][n] = silu (x[m][j]) * x[m][n + j]; x is [m][2n], gate before up; n a multiple of 4 */
void op_glu (OpStream *s, const Tensor *y, const Tensor *x);

/* y[i] = table row ids[i] for ids[i] >= 0, else extra row -1 - ids[i]. table: WEIGHTS, F32, F16 or BF16. extra: F32 ROWS or NULL.
 * ids: U32 [1][m], two's complement, read at run time; an id without a row gives zeros. */
void op_gather (OpStream *s, const Tensor *y, const Tensor *table, const Tensor *extra, const Tensor *ids);

/* y = rows of x at ids: y[i] = x[ids[i]]. ids: U32 [1][m], read at run time; an id without a row gives zeros. */
void op_rows (OpStream *s, const Tensor *y, const Tensor *x, const Tensor *ids);

/* y[i] = x[i], all elements of equally shaped views */
void op_copy (OpStream *s, const Tensor *y, const Tensor *x);

/* --- logits ---------------------------------------------------------------------------------------------------------------- */

/* Columns of a tensor of masks for n columns: a word that says whether the row has one, then a bit a column, the lowest first. */
#define MASK_COLUMNS(n) (1 + ((n) + 31) / 32)

/* y[m][n] = -infinity where the row has a mask and the column's bit in it is 0. mask: U32 [m][MASK_COLUMNS (n)], read at run time
 */
void op_mask (OpStream *s, const Tensor *y, const Tensor *mask);

/* A row's largest numbers and its sum of exponentials. NaN counts as -infinity, -0 as 0. */
typedef struct
{
  guint32 ids[TOP_COUNT];  /* columns of the largest, in falling order, equals by column; G_MAXUINT32 where the row has fewer */
  float values[TOP_COUNT]; /* theirs; -infinity where the row has fewer */
  float next;              /* the largest of all other columns, -infinity where there are none */
  float sum;               /* of exp (x - values[0]) over all columns; an infinity equal to values[0] counts 1, any other 0 */
} Top;

/* Columns of a tensor of Tops; of the room that op_top() works in for n columns. */
#define TOP_COLUMNS ((guint)(sizeof (Top) / 4))
guint top_work_columns (guint n);

/* top[m] = the Top of row x[m][n], bits of a Top each. top: U32 [m][TOP_COLUMNS]. work: U32 [m][top_work_columns (n)], a tensor
 * of its own. */
void op_top (OpStream *s, const Tensor *top, const Tensor *x, const Tensor *work);

/* --- attention over a cache of blocks -------------------------------------------------------------------------------------- */

/* How a cache holds its numbers. KV_INT8: signed bytes, -127 .. 127, of a key's head, or of a value's, times a step of theirs. */
typedef enum
{
  KV_F32,
  KV_F16,
  KV_INT8,
} KvType;

/* One layer's keys and values, as two tensors of a row a block in ROWS: of elements of TYPE_F32 or TYPE_F16, or of words of 4
 * bytes, TYPE_U32. A block holds one head after the other. A head's keys are interleaved by 8: quad c (16 bytes) of key j lies at
 * ((j / 8) * quads + c) * 8 + j % 8. A head's values are [key][quads]. Bytes of a last quad that is half full are zeros.
 * KV_INT8: 8 quads in front of a head's keys hold a word a key, of key j in quad j % 8, word j / 8: the key's step in the lower
 * half, its value's in the upper, as bf16. head_dim is a multiple of 8, at most 128; blocks have no further padding. */
typedef struct
{
  Tensor k, v;
  KvType type;
  guint heads, head_dim;
} KvLayer;

/* `f32`, `f16` or `q8`. */
const gchar *kv_type_name (KvType type);
/* Plans a layer's cache of so many blocks. */
KvLayer kv_layer_add (Arena *arena, KvType type, guint blocks, guint heads, guint head_dim);

/* Where the rows of a step go and what they see. All of it is read at run time, so one recording serves every length.
 * rows: U32 [m][4]: slot (block * KV_BLOCK + place; G_MAXUINT32: the row is padding, nothing is written), keys (number of leading
 * keys of its sequence that the row sees; 0: padding, its output is zeros), sequence (row of table), unused. table: U32
 * [sequences][blocks]: block numbers of each sequence in order. rope: F32 [m][head_dim]: cosines in the first half, sines in the
 * second, times the attention factor; NULL: no rotation.
 * keys is fixed by the recording: the most that a row may see; 0: as many as the table has room for.
 * work: F32 [m][attention_work_columns()], a tensor of its own: what kernels of GPUs leave parts of attention's results in, to be
 * joined. NULL: there are no parts; a row's keys are not split, and a cache that takes more than one binding is refused. */
typedef struct
{
  const Tensor *rows, *table, *rope, *work;
  guint keys;
} Step;

/* Columns of Step.work for rows that see at most `keys` keys; 0: attention has no use for it. */
guint attention_work_columns (const Device *dev, const KvLayer *kv, guint heads_q, guint keys, gboolean decode);

/* q[m][heads_q * head_dim] = rotated queries of qkv[m][(heads_q + 2 * heads) * head_dim]; rotated keys and the values go to the
 * cache. Rotation: x * cos + rotate_half (x) * sin, as the reference. A cache of f16 holds no
 * infinities: larger numbers become 65504. KV_INT8: the step is the largest number's 127th part, rounded up to bf16. */
void op_rope_kv (OpStream *s, const Tensor *q, const KvLayer *kv, const Tensor *qkv, const Step *step);

/* out[m][heads_q * head_dim] = softmax (scale * q . k^T over the row's first `keys` keys) . v
 * heads_q a multiple of kv->heads: query head h reads head h / (heads_q / heads).
 * op_attention: rows 8i .. 8i + 7 are of one sequence (padding rows apart). op_attention_decode: rows are of any sequences.
 * Blocks after a row's keys are not read, and the rest of its last block has no weight. Long ops are cut into slices of rows and
 * heads, by step->keys: at most 1 GFLOP on CPU devices and 8 on others, as far as 8 rows (as many as a workgroup has lanes; of the
 * kernels of GPUs 32 or 64) of one head, or of decode one row, are no more. What a row gives depends neither on other rows nor on
 * slices; of a cache that takes several bindings it depends on where the row's blocks lie. */
void op_attention (OpStream *s, const Tensor *out, const Tensor *q, const KvLayer *kv, float scale, const Step *step);
void op_attention_decode (OpStream *s, const Tensor *out, const Tensor *q, const KvLayer *kv, float scale, const Step *step);

/* --- pictures -------------------------------------------------------------------------------------------------------------- */

/* A separable filter made on the host (model/tiles.c): output i is clamp ((2^21 + sum_j taps[i][j] * in[start[i] + j]) >> 22, 0,
 * 255). bounds: U32 [n][2]: start, count. taps: U32 [n][most], two's complement. */
typedef struct
{
  const Tensor *bounds, *taps;
} Filter;

/* How a picture's bytes lie. X is a byte that is not read. NV12: a plane of Y, one of pairs U, V; I420: Y, U, V. A sample of U or V
 * is for 2 x 2 pixels. */
typedef enum
{
  PIXELS_RGB = FORMAT_RGB,
  PIXELS_BGR = FORMAT_BGR,
  PIXELS_RGBX = FORMAT_RGBX,
  PIXELS_BGRX = FORMAT_BGRX,
  PIXELS_GRAY = FORMAT_GRAY,
  PIXELS_NV12 = FORMAT_NV12,
  PIXELS_I420 = FORMAT_I420,
} PixelFormat;

/* Red is (Y - luma_first) * luma_scale + red_v * (V - 128), rounded; green adds green_u and green_v, blue adds blue_u. GRAY has Y
 * alone. */
typedef struct
{
  PixelFormat format;
  guint first[3], stride[3]; /* bytes, of each plane: where it begins, from one row to the next; any */
  guint x, y;                /* pixel where the part that is unpacked begins */
  guint orientation;         /* 1..8, as of EXIF: how to turn that part upright */
  float luma_first, luma_scale, red_v, green_u, green_v, blue_u;
} UnpackParams;

/* One pixel a word (R lowest, then G, B, 0), as U32 ROWS [height][width], once unpacked.
 * op_unpack: src is U32 [1][words], bytes of all planes, little endian. The part that is unpacked is as large as y, or as y turned.
 * op_resize_columns: y[h][w'] from x[h][w]; y may be rows of a tensor too large for one binding.
 * op_resize_rows: y[h'][w] from x[h][w]. */
void op_unpack (OpStream *s, const Tensor *y, const Tensor *src, const UnpackParams *p);
void op_resize_columns (OpStream *s, const Tensor *y, const Tensor *x, const Filter *f);
void op_resize_rows (OpStream *s, const Tensor *y, const Tensor *x, const Filter *f);

/* Tile t of a picture of columns x rows tiles, row by row; its patch p becomes row first_row + p of y, in the order (channel, row,
 * column) of a convolution's weight: (byte / 255 - mean[c]) / std[c].
 * y: [.][3 * patch^2]. x: U32 [rows * side][columns * side]. */
typedef struct
{
  guint side, patch;
  float mean[3], std[3];
} PatchParams;
void op_patches (OpStream *s, const Tensor *y, guint first_row, const Tensor *x, guint column, guint row, const PatchParams *p);

/* Pixel shuffle of the reference. x: a picture's patch rows [side^2][d], y: [(side / r)^2][d * r^2].
 * v2: y row (a, b) holds x rows (r a + i, r b + j), i outer, j inner. v1: the same with a and b exchanged in y. d a
 * multiple of 4. */
void op_pixel_shuffle (OpStream *s, const Tensor *y, const Tensor *x, guint side, guint r, gboolean v1);

/* --- self-check ------------------------------------------------------------------------------------------------------------ */

/* A stream that is never ended: it only notes which shaders would run, with which constants. Tensors may be of
 * arenas that are not committed. Freed with op_stream_free(). */
OpStream *op_survey_new (Device *dev);

typedef struct
{
  guint variants;     /* shaders with their constants that the survey noted */
  guint checked;      /* of them, checked now; the others have passed before */
  guint64 check_ns;   /* spent on it now, without the driver's compiling */
  guint64 compile_ns; /* the driver's compiling, which first use would have taken */
} SelfCheck;

/* Runs a small case of every variant of the survey and compares it with its plain C twin: NMSE <= 1e-10, pixels to the bit.
 * What passes is remembered beside the pipeline cache, for this device, driver and shader. Called when a device has just been
 * opened. FALSE with DEVICE_ERROR_WRONG when the device computes wrongly: the message names op, error and driver. result (nullable)
 * is filled then, too. */
gboolean device_self_check (Device *dev, OpStream *survey, SelfCheck *result, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (OpStream, op_stream_free)

#endif

/* What C and GLSL both read: constants, and the push constants, one struct a shader. Words only. */
#ifndef SHADERS_PARAMS_H
#define SHADERS_PARAMS_H

#ifdef __STDC__
#include <stdint.h>
typedef uint32_t uint;
#endif

/* Ids of the specialisation constants that every shader has; those of its own count from 0. */
#define SPEC_LOCAL 253        /* local_size_x */
#define SPEC_ONE_OCTET 252    /* whether that is 8 */
#define SPEC_PLAIN_HALVES 251 /* whether f16 is converted by arithmetic */

#define SHARED_LANES 64 /* most lanes of a workgroup that shares sums: its memory is made for them */
#define ROW_BITS 15     /* of a row's number that are a workgroup's in y; the others are in z */
#define TILE_COLUMNS 32 /* of y that an octet computes in matmul */
#define OCTET_TILES 2   /* of y that an octet computes beside one another, of weights that are not in blocks */
#define KV_BLOCK 32     /* keys in a block of the cache: a multiple of 8 */
#define TOP_COUNT 64    /* columns that op_top() finds */
#define TOP_BLOCK 64    /* columns that it takes as one; blocks that it takes as one span */

/* How matmul_coop brings numbers into f16's range. A row of x, or of weights, has a top: the largest exponent, as f32 has it in its
 * bits, that its numbers may have. They are multiplied by 2^(COOP_UNIT - top), and are below 2^15 then. */
#define COOP_PIECE 32u /* of k that is taken at a time; the top is raised where one has larger numbers */
#define COOP_ROOM 10u  /* by so much more than they need: numbers as small as 2^-19 of them are f16's normal ones still */
#define COOP_LEAST 15u
#define COOP_UNIT 141u

/* A workgroup of matmul_dot: its tile of y, its invocations. */
#define DOT_ROWS 64u
#define DOT_COLUMNS 128u
#define DOT_LOCAL 256u

/* Where a view of a tensor begins, and from one of its rows to the next: elements. view_of() in vk/ops_private.h makes one of a
 * tensor. In GLSL it is two words: where push constants hold a struct in a struct, the validation layer 1.3.239 does not report a
 * barrier that makes no writes visible. */
#ifdef __STDC__
typedef struct
{
  uint first, stride;
} View;
#define VIEW(name) View name
#else
#define VIEW(name) uint name##_first, name##_stride
#define ROW_AT(view, row) (view##_first + (row)*view##_stride)
#endif

/* What is done to a sum before it is stored: bits of a specialisation constant. */
#define EPILOGUE_BIAS 1u
#define EPILOGUE_GELU 2u
#define EPILOGUE_SCALE 4u
#define EPILOGUE_RESIDUAL 8u
#define EPILOGUE_NORM 16u /* the sum was of x, and becomes that of its RMS norm */

struct MatmulPush
{
  uint m, n;  /* of the whole op, up to the end of this slice */
  uint k;     /* padded to 32 */
  uint k_end; /* before padding */
  VIEW (x);
  VIEW (y);
  uint bias_first; /* of the bias or, with EPILOGUE_NORM, of the norm's weights */
  uint scale_first;
  VIEW (residual);
  uint residual_period;
  uint row_first, column_first;   /* of this slice */
  uint window_first, window_rows; /* rows of the weights that are bound: multiples of 32 */
  float eps;                      /* of the norm */
};

/* Below: m rows of n columns. What has one row is given by its first element. */

struct NormPush
{
  uint m, n;
  VIEW (x);
  VIEW (y);
  uint weight_first, bias_first;
  float eps;
};

struct GluPush
{
  uint m, n;
  VIEW (x);
  VIEW (y);
};

struct GatherPush
{
  uint m, n;
  VIEW (y);
  uint ids_first;
  VIEW (extra);
  uint extra_rows;
  uint table_quads, table_rows;   /* quads of a row; rows of the whole table */
  uint window_first, window_rows; /* rows of the table that are bound */
};

struct CopyPush
{
  uint m, n;
  VIEW (x);
  uint x_rows;
  VIEW (y);
  uint ids_first;
};

struct RopeKvPush
{
  uint m, heads_q, heads;
  VIEW (q);
  VIEW (qkv);
  VIEW (rope);
  VIEW (rows);
  uint k_first, v_first;
  uint window_first, window_blocks; /* blocks of the cache that are bound */
};

struct AttentionPush
{
  uint m, heads, shared_by; /* heads of the cache; query heads that read one */
  VIEW (y);
  VIEW (q);
  uint k_first, v_first;
  VIEW (rows);
  VIEW (table);
  uint blocks;
  uint row_first, head_first; /* of this slice; rows of op_attention() from a multiple of 8 on */
  float scale;                /* with the factor from exp to exp2 */
  /* Of the kernels for GPUs: blocks of the cache that are bound; in how many a dispatch splits the keys of a row, and how many
   * there may be for any number of keys; parts of results of a head, and the first of this dispatch. */
  uint window_first, window_blocks;
  uint splits, most_splits;
  uint parts, part_first;
};

struct JoinPush
{
  uint m, heads_q, parts;
  VIEW (y);
  VIEW (work);
};

/* PixelFormat of vk/ops.h. */
#define FORMAT_RGB 0u
#define FORMAT_BGR 1u
#define FORMAT_RGBX 2u
#define FORMAT_BGRX 3u
#define FORMAT_GRAY 4u
#define FORMAT_NV12 5u
#define FORMAT_I420 6u

struct UnpackPush
{
  uint m, n;
  VIEW (y);
  uint src_quads;                        /* bound */
  uint plane_first[3], plane_stride[3];  /* bytes */
  int from_x, from_y;                    /* the pixel of the source that is the first of the result */
  int right_x, right_y, down_x, down_y;  /* from there to that of the next column, of the next row */
  float luma_first, luma_scale;          /* what is black; what luma is multiplied by */
  float red_v, green_u, green_v, blue_u; /* what centred U and V add */
};

struct ResizePush
{
  uint m, n;
  VIEW (x);
  uint x_quads, x_rows; /* x_quads: bound */
  VIEW (y);
  VIEW (bounds);
  VIEW (taps);
};

struct PatchesPush
{
  uint side, size; /* of the tile, of a patch */
  VIEW (x);
  VIEW (y);
  float mean[3], std[3];
};

struct PixelShufflePush
{
  uint side, r, d;
  VIEW (x);
  VIEW (y);
};

struct MaskPush
{
  uint m, n;
  VIEW (y);
  VIEW (mask);
};

struct TopPush
{
  uint m, n;
  VIEW (x);
  VIEW (y);
  VIEW (work);
  uint blocks; /* with those after the last column: a multiple of TOP_BLOCK */
};

#endif

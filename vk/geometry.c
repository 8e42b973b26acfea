/*
 * How kernels are shaped for a device: chosen here, from what it reports, and nowhere else.
 */
#include "vk.h"

/* Large tiles read little for what they compute, small ones leave fewer cores idle. */
static const MatmulTile tiles[MATMUL_TILES] = { { 128, 128, 1 }, { 64, 64, 1 }, { 32, 64, 4 } };

/* Few, so that there are many workgroups; no fewer than a subgroup has. Sums of 128 take 8 KiB of shared memory. */
#define MATVEC_LOCAL 64

/* Any device has the 15,936 bytes of shared memory that these take, and the 128 invocations of the small one. Large ones read keys
 * more seldom, small ones leave fewer cores idle. With four rows an invocation Mesa 25 gives it 192 registers on an RX 7900. */
static const AttentionTile attention_tiles[ATTENTION_TILES] = { { 64, 2 }, { 32, 2 } };

#define ATTENTION_BUSY 128 /* workgroups that keep most GPUs busy: small tiles rather than fewer */
/* Decode reads the cache at the speed of memory when that many workgroups of 64 share it, on GPUs of 20 to 144 cores. */
#define SPLIT_INVOCATIONS 64
#define SPLIT_WORKGROUPS 1024
#define MOST_SPLITS 64

/* As tiles are, for matrices of 16 x 16; a subgroup's share is such that matrices are multiplied more often than read. */
static const CoopTile coop_tiles[COOP_TILES] = { { 128, 128, 64, 32 }, { 64, 64, 32, 32 }, { 32, 64, 16, 32 } };

/* With fewer texels than this a model's weights would need too many views: storage buffers are used instead. */
#define MIN_TEXELS (1u << 24)

guint
matmul_tile_invocations (const MatmulTile *tile)
{
  return tile->rows / 8 * (tile->columns / 8) * tile->splits;
}

/* Of xs and ws in matmul_tile.comp. */
static guint
tile_shared_bytes (const MatmulTile *tile)
{
  return tile->splits * 16 * (tile->rows + 4 + tile->columns + 4) * sizeof (float);
}

/* Those that fit the device, with fewer splits where that makes one fit; at the end, those without rows. */
static void
choose_tiles (DeviceLimits *limits, guint shared_bytes)
{
  guint n = 0;

  for (guint i = 0; i < MATMUL_TILES; i++) {
    MatmulTile tile = tiles[i];

    while (tile.splits > 1 && (matmul_tile_invocations (&tile) > limits->max_local || tile_shared_bytes (&tile) > shared_bytes))
      tile.splits /= 2;
    if (matmul_tile_invocations (&tile) <= limits->max_local && tile_shared_bytes (&tile) <= shared_bytes)
      limits->tiles[n++] = tile;
  }
}

guint
geometry_matvec_columns (guint n)
{
  return n / 8 >= MATVEC_WORKGROUPS ? 8 : 4;
}

guint
attention_tile_invocations (const AttentionTile *tile)
{
  return tile->rows / tile->each * 8;
}

const AttentionTile *
geometry_attention_tile (const DeviceLimits *limits, guint m, guint heads_q)
{
  const AttentionTile *tile = limits->attention_tiles, *last = tile + ATTENTION_TILES - 1;

  while (tile < last && (guint64)((m + tile->rows - 1) / tile->rows) * heads_q < ATTENTION_BUSY)
    tile++;
  return tile;
}

guint
geometry_most_splits (const DeviceLimits *limits, guint heads_q)
{
  return CLAMP (limits->attention_workgroups / heads_q, 1, MOST_SPLITS);
}

guint
coop_tile_subgroups (const CoopTile *tile)
{
  return tile->rows / tile->share_rows * (tile->columns / tile->share_columns);
}

/* What matmul_coop.comp shares. */
static guint
coop_shared_bytes (const CoopTile *tile, guint side)
{
  guint rows = tile->rows + tile->columns;

  return rows * (COOP_PIECE / 8 + 1) * 16 + coop_tile_subgroups (tile) * side * side * 4 + rows * 3 * 4 + 4;
}

/* An invocation reads 1 to 8 times 8 elements of a piece of the tile's rows, and as often of its columns. */
static gboolean
coop_fits (const DeviceLimits *limits, const CoopTile *tile, guint shared_bytes)
{
  guint invocations = coop_tile_subgroups (tile) * limits->coop.subgroup;
  guint least = MIN (tile->rows, tile->columns) * (COOP_PIECE / 8), most = MAX (tile->rows, tile->columns) * (COOP_PIECE / 8);

  return invocations <= limits->max_local && least % invocations == 0 && most <= 8 * invocations
         && coop_shared_bytes (tile, limits->coop.side) <= shared_bytes;
}

/* Matrices of 16 x 16 are GPUs'; lavapipe has 8 x 8, of which tiles have as many. Of the subgroups that may be asked for the
 * smallest: there a matrix takes the fewest reads of shared memory. */
static void
choose_coop (DeviceLimits *limits, const CoopReport *report, guint shared_bytes)
{
  CoopGeometry *coop = &limits->coop;
  guint n = 0, side = 0;

  for (guint i = 0; i < G_N_ELEMENTS (report->sides); i++)
    if (report->sides[i] == 8 || report->sides[i] == 16)
      side = MAX (side, report->sides[i]);
  coop->side = side;
  coop->choose = report->subgroup != 0;
  coop->subgroup = coop->choose ? report->subgroup : limits->subgroup;
  for (guint i = 0; side && i < COOP_TILES; i++) {
    const CoopTile *t = &coop_tiles[i];
    const CoopTile tile = { t->rows * side / 16, t->columns * side / 16, t->share_rows * side / 16, t->share_columns * side / 16 };

    if (coop_fits (limits, &tile, shared_bytes))
      coop->tiles[n++] = tile;
  }
  if (n == 0)
    coop->side = 0;
}

void
geometry_choose (DeviceLimits *limits, const VkPhysicalDeviceLimits *reported, const CoopReport *coop, const DeviceOptions *options)
{
  limits->gpu_kernels = !limits->cpu || options->gpu_kernels;
  /* On lavapipe a texel fetch is one vector operation and a storage read eight scalar ones; GPUs have no use for texels. */
  limits->storage_form = options->storage_form || !limits->cpu || reported->maxTexelBufferElements < MIN_TEXELS;
  limits->local = limits->no_subgroup ? OCTET : options->local ? options->local : limits->cpu ? OCTET : 64;
  if (limits->gpu_kernels) {
    choose_tiles (limits, reported->maxComputeSharedMemorySize);
    limits->matvec_local = MIN (MAX (MATVEC_LOCAL, limits->subgroup), limits->max_local);
  }
  for (guint i = 0; i < ATTENTION_TILES; i++)
    limits->attention_tiles[i] =
        attention_tiles[attention_tile_invocations (&attention_tiles[i]) <= limits->max_local ? i : ATTENTION_TILES - 1];
  limits->attention_split = SPLIT_INVOCATIONS;
  limits->attention_workgroups = SPLIT_WORKGROUPS;
  if (!limits->no_subgroup && (options->coop == COOP_ALWAYS || (options->coop == COOP_GPU && !limits->cpu)))
    choose_coop (limits, coop, reported->maxComputeSharedMemorySize);
}

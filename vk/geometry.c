/*
 * How kernels are shaped for a device: chosen here, from what it reports, and nowhere else.
 */
#include "vk.h"

#include <string.h>

/* Large tiles read little for what they compute, small ones leave fewer cores idle. */
static const MatmulTile tiles[MATMUL_TILES] = { { 128, 128, 1 }, { 64, 64, 1 }, { 32, 64, 4 } };

/* Few, so that there are many workgroups; no fewer than a subgroup has. Sums of 128 take 8 KiB of shared memory. */
#define MATVEC_LOCAL 64

/* Any device has the 128 invocations and the 15,936 bytes of shared memory that both take. Large tiles read keys more seldom and
 * have more sums in flight; small ones leave fewer cores idle. */
static const AttentionTile attention_tiles[ATTENTION_TILES] = { { 64, 4 }, { 32, 2 } };

#define ATTENTION_BUSY 128 /* workgroups that keep most GPUs busy: small tiles rather than fewer */
/* Decode reads the cache at the speed of memory when that many workgroups of 64 share it, on GPUs of 20 to 144 cores. */
#define SPLIT_INVOCATIONS 64
#define SPLIT_WORKGROUPS 1024
#define MOST_SPLITS 64

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

void
geometry_choose (DeviceLimits *limits, const VkPhysicalDeviceLimits *reported, const DeviceOptions *options)
{
  limits->gpu_kernels = !limits->cpu || options->gpu_kernels;
  /* On lavapipe a texel fetch is one vector operation and a storage read eight scalar ones; GPUs have no use for texels. */
  limits->storage_form = options->storage_form || !limits->cpu || reported->maxTexelBufferElements < MIN_TEXELS;
  limits->local = limits->no_subgroup ? OCTET : options->local ? options->local : limits->cpu ? OCTET : 64;
  if (limits->gpu_kernels) {
    choose_tiles (limits, reported->maxComputeSharedMemorySize);
    limits->matvec_local = MIN (MAX (MATVEC_LOCAL, limits->subgroup), limits->max_local);
  }
  memcpy (limits->attention_tiles, attention_tiles, sizeof attention_tiles);
  limits->attention_split = SPLIT_INVOCATIONS;
  limits->attention_workgroups = SPLIT_WORKGROUPS;
}

/*
 * How kernels are shaped for a device: chosen here, from what it reports, and nowhere else.
 */
#include "vk.h"

/* Large tiles read little for what they compute, small ones leave fewer cores idle. */
static const MatmulTile tiles[MATMUL_TILES] = { { 128, 128, 1 }, { 64, 64, 1 }, { 32, 64, 4 } };

/* Few, so that there are many workgroups; no fewer than a subgroup has. Sums of 128 take 8 KiB of shared memory. */
#define MATVEC_LOCAL 64

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

void
geometry_choose (DeviceLimits *limits, const VkPhysicalDeviceLimits *reported, const DeviceOptions *options)
{
  const gboolean gpu = !limits->cpu || options->gpu_kernels;

  /* On lavapipe a texel fetch is one vector operation and a storage read eight scalar ones; GPUs have no use for texels. */
  limits->storage_form = options->storage_form || !limits->cpu || reported->maxTexelBufferElements < MIN_TEXELS;
  limits->local = limits->no_subgroup ? OCTET : options->local ? options->local : limits->cpu ? OCTET : 64;
  if (gpu) {
    choose_tiles (limits, reported->maxComputeSharedMemorySize);
    limits->matvec_local = MIN (MAX (MATVEC_LOCAL, limits->subgroup), limits->max_local);
  }
}

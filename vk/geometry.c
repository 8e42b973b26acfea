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

/* Workgroups of a matmul that keep most GPUs busy: smaller tiles rather than fewer. */
#define BUSY 64

/* The most work of a dispatch, so that submits can be kept short on any device: about 50 ms on the slowest one, and for attention
 * on a small integrated GPU and on a CPU device. */
#define MATMUL_FLOPS G_GUINT64_CONSTANT (2000000000)
#define ATTENTION_FLOPS ((guint64)8 << 30)
#define ATTENTION_CPU_FLOPS ((guint64)1 << 30)

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

static gboolean
tile_fits (const DeviceLimits *limits, const MatmulTile *tile)
{
  return matmul_tile_invocations (tile) <= limits->max_local && tile_shared_bytes (tile) <= limits->shared_bytes;
}

/* Those that fit the device, with fewer splits where that makes one fit; at the end, those without rows. */
static void
choose_tiles (DeviceLimits *limits)
{
  guint n = 0;

  for (guint i = 0; i < MATMUL_TILES; i++) {
    MatmulTile tile = tiles[i];

    while (!tile_fits (limits, &tile) && tile.splits > 1)
      tile.splits /= 2;
    if (tile_fits (limits, &tile))
      limits->geometry.tiles[n++] = tile;
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
  const AttentionTile *tile = limits->geometry.attention_tiles, *last = tile + ATTENTION_TILES - 1;

  while (tile < last && (guint64)((m + tile->rows - 1) / tile->rows) * heads_q < ATTENTION_BUSY)
    tile++;
  return tile;
}

guint
geometry_most_splits (const DeviceLimits *limits, guint heads_q)
{
  return CLAMP (limits->geometry.attention_workgroups / heads_q, 1, MOST_SPLITS);
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
coop_fits (const DeviceLimits *limits, const CoopTile *tile)
{
  guint invocations = coop_tile_subgroups (tile) * limits->geometry.coop.subgroup;
  guint least = MIN (tile->rows, tile->columns) * (COOP_PIECE / 8), most = MAX (tile->rows, tile->columns) * (COOP_PIECE / 8);

  return invocations <= limits->max_local && least % invocations == 0 && most <= 8 * invocations
         && coop_shared_bytes (tile, limits->geometry.coop.side) <= limits->shared_bytes;
}

/* Matrices of 16 x 16 are GPUs'; lavapipe has 8 x 8, of which tiles have as many. Of the subgroups that may be asked for the
 * smallest: there a matrix takes the fewest reads of shared memory. */
static void
choose_coop (DeviceLimits *limits)
{
  const CoopReport *report = &limits->matrices;
  CoopGeometry *coop = &limits->geometry.coop;
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

    if (coop_fits (limits, &tile))
      coop->tiles[n++] = tile;
  }
  if (n == 0)
    coop->side = 0;
}

void
geometry_choose (DeviceLimits *limits, const DeviceOptions *options)
{
  Geometry *g = &limits->geometry;

  *g = (Geometry){ .gpu_kernels = !limits->cpu || options->gpu_kernels };
  /* On lavapipe a texel fetch is one vector operation and a storage read eight scalar ones; GPUs have no use for texels. */
  g->storage_form = options->storage_form || !limits->cpu || limits->texels < MIN_TEXELS;
  /* A subgroup must hold whole octets. */
  g->no_subgroup = options->no_subgroup || !limits->shuffles || limits->subgroup < OCTET;
  g->plain_halves = options->plain_halves || !limits->converts_halves;
  g->local = g->no_subgroup ? OCTET : options->local ? options->local : limits->cpu ? OCTET : 64;
  if (g->gpu_kernels) {
    choose_tiles (limits);
    g->matvec_local = MIN (MAX (MATVEC_LOCAL, limits->subgroup), limits->max_local);
  }
  g->busy = BUSY;
  g->dots = g->gpu_kernels && limits->dots && (limits->fast_dots || options->dots) && DOT_LOCAL <= limits->max_local;
  g->matmul_flops = MATMUL_FLOPS;
  for (guint i = 0; i < ATTENTION_TILES; i++)
    g->attention_tiles[i] =
        attention_tiles[attention_tile_invocations (&attention_tiles[i]) <= limits->max_local ? i : ATTENTION_TILES - 1];
  g->attention_split = SPLIT_INVOCATIONS;
  g->attention_workgroups = SPLIT_WORKGROUPS;
  g->attention_flops = limits->cpu ? ATTENTION_CPU_FLOPS : ATTENTION_FLOPS;
  if (!g->no_subgroup && (options->coop == COOP_ALWAYS || (options->coop == COOP_GPU && !limits->cpu)))
    choose_coop (limits);
}

gchar *
geometry_text (const Geometry *g)
{
  GString *text = g_string_new (g->storage_form ? "storage buffers" : "texel buffers");

  g_string_append_printf (text, ", octets in workgroups of %u%s", g->local, g->no_subgroup ? " without shuffles" : "");
  if (g->plain_halves)
    g_string_append (text, ", f16 by arithmetic");
  for (guint i = 0; i < MATMUL_TILES && g->tiles[i].rows; i++)
    g_string_append_printf (text, "%s %u x %u", i ? "," : "; matmul tiles", g->tiles[i].rows, g->tiles[i].columns);
  if (g->coop.side)
    g_string_append_printf (text, "; matrices of %u", g->coop.side);
  if (g->dots)
    g_string_append (text, "; products of 4 bytes for q8 and q4");
  if (g->matvec_local)
    g_string_append_printf (text, "; matvec splits k for %u", g->matvec_local);
  if (g->gpu_kernels)
    g_string_append_printf (text, "; attention tiles %u, %u, keys split for %u workgroups", g->attention_tiles[0].rows,
        g->attention_tiles[1].rows, g->attention_workgroups);
  return g_string_free (text, FALSE);
}

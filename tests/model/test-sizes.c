/* What conversations and cache may have of a device's memory, and an engine of no stated sizes. */
#include "harness.h"
#include "model/model_testing.h"
#include "model/sizes.h"
#include "synth.h"

#define GIB G_GUINT64_CONSTANT (1073741824)

/* A device of its own memory: weights of 8 GiB, and a context of 8192 tokens for each 3 GiB. */
static SizesMemory
memory_of (guint64 total)
{
  return (SizesMemory){ .total = total, .left = total, .rest = 8 * GIB, .block = 3 * GIB / 256 };
}

static void
test_a_context_is_what_was_made_for_at_most (void)
{
  const LanguageConfig rows[] = { { .max_position = 131072, .window = G_MAXUINT }, { .max_position = 4096, .window = G_MAXUINT },
    { .max_position = 131072, .window = 2047 } };
  static const guint most[] = { 131072, 4096, 2047 }, wanted[] = { 8192, 4096, 2047 };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_assert_cmpuint (sizes_most_context (&rows[i]), ==, most[i]);
    g_assert_cmpuint (sizes_wanted_context (&rows[i]), ==, wanted[i]);
  }
}

/* By what there is in all: an answer that is possible is so whatever else runs. */
static void
test_a_context_is_what_fits (void)
{
  SizesMemory m = memory_of (11 * GIB);

  g_assert_cmpuint (sizes_context (8192, &m), ==, 8192);
  m.left = 0;
  g_assert_cmpuint (sizes_context (8192, &m), ==, 8192);
  m.total--;
  g_assert_cmpuint (sizes_context (8192, &m), ==, 8160);
  m.total = 8 * GIB + 3 * GIB / 4;
  g_assert_cmpuint (sizes_context (8192, &m), ==, 2048);
  m.total = 8 * GIB; /* what the error then says is about all of it */
  g_assert_cmpuint (sizes_context (8192, &m), ==, 8192);
}

static void
test_a_cache_is_of_one_to_eight_contexts (void)
{
  static const struct
  {
    guint64 total, taken;
    guint contexts;
  } rows[] = { { 11, 0, 1 }, { 16, 0, 2 }, { 24, 0, 4 }, { 24, 8, 2 }, { 24, 13, 1 }, { 24, 24, 1 }, { 140, 0, 8 } };
  SizesMemory m;

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    m = memory_of (rows[i].total * GIB);
    m.left -= rows[i].taken * GIB;
    g_assert_cmpuint (sizes_cache (0, 8192, &m), ==, rows[i].contexts * 8192);
    g_assert_cmpuint (sizes_cache (20000, 8192, &m), ==, 20000);
    g_assert_cmpuint (sizes_cache (1, 8192, &m), ==, 8192);
  }
  m = memory_of (24 * GIB); /* a quarter of it */
  m.is_host = TRUE;
  g_assert_cmpuint (sizes_cache (0, 8192, &m), ==, 2 * 8192);
  m.total = m.left = 10000000 * GIB;
  g_assert_cmpuint (sizes_cache (0, 1 << 29, &m), ==, 3u << 29);
}

/* Memory that is the driver's to say. */
static guint64 total;

guint64 __real_device_memory_total (const Device *dev, ArenaKind kind);
guint64 __wrap_device_memory_total (const Device *dev, ArenaKind kind);

guint64
__wrap_device_memory_total (const Device *dev, ArenaKind kind)
{
  return total ? total : __real_device_memory_total (dev, kind);
}

static MinivlEngine *
open_engine (guint made_for, guint context, guint cache)
{
  ModelConfig config = { 0 };
  EngineParts parts = { .name = "m", .config = &config, .image_token = 3, .end_token = 2 };
  MinivlEngineOptions options = { .precision = MINIVL_PRECISION_F32, .context_size = context, .cache_size = cache };
  g_autoptr (GError) error = NULL;
  g_autoptr (TensorSet) set = NULL;
  MinivlEngine *engine;

  model_config_load (&config, TEST_DATA "/variants/plain-gqa-tied/config.json", context, &error);
  g_assert_no_error (error);
  config.language.max_position = made_for;
  parts.tensors = set = synth_tensors (&config, 7, DTYPE_BF16);
  engine = engine_new (&parts, &options, &error);
  g_assert_no_error (error);
  return engine;
}

static void
assert_sizes (MinivlEngine *engine, guint context, guint cache)
{
  const MinivlEngineInfo *info = minivl_engine_get_info (engine);

  g_assert_cmpuint (info->context_size, ==, context);
  g_assert_cmpuint (info->cache_size, ==, cache);
  g_assert_cmpuint (kv_pool_blocks (engine->kv), ==, (cache + KV_BLOCK - 1) / KV_BLOCK);
  minivl_engine_unref (engine);
}

static void
test_an_engine_of_no_stated_sizes (void)
{
  guint64 rest, block;
  MinivlEngine *engine;

  assert_sizes (open_engine (4096, 0, 0), 4096, 8 * 4096);
  assert_sizes (open_engine (131072, 0, 1), 8192, 8192);
  assert_sizes (open_engine (131072, 1000, 0), 1000, 8 * 1000);
  assert_sizes (open_engine (131072, 1000, 2500), 1000, 2500);

  engine = open_engine (131072, 8192, 1);
  block = kv_pool_bytes (engine->kv) / kv_pool_blocks (engine->kv);
  rest = engine->info.device_bytes - kv_pool_bytes (engine->kv);
  minivl_engine_unref (engine);
  total = rest + 100 * block;
  assert_sizes (open_engine (131072, 0, 0), 3200, 3200);
  total = 0;
}

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
#define RULE(name) g_test_add_func ("/sizes/" #name, test_##name)
  RULE (a_context_is_what_was_made_for_at_most);
  RULE (a_context_is_what_fits);
  RULE (a_cache_is_of_one_to_eight_contexts);
  RULE (an_engine_of_no_stated_sizes);
#undef RULE
  return g_test_run ();
}

/* Which precision is chosen: for the demo model, on a device of as much memory as a test says. */
#include <string.h>

#include "harness.h"
#include "model/engine.h"

#define CONTEXT 512
#define NBSP "\302\240" /* that g_format_size_full() puts in */

/* 0: what there is. */
static guint64 total, left;

guint64 __real_device_memory_total (const Device *dev, ArenaKind kind);
guint64 __wrap_device_memory_total (const Device *dev, ArenaKind kind);
guint64 __real_device_memory_left (Device *dev, ArenaKind kind);
guint64 __wrap_device_memory_left (Device *dev, ArenaKind kind);

guint64
__wrap_device_memory_total (const Device *dev, ArenaKind kind)
{
  return total ? total : __real_device_memory_total (dev, kind);
}

guint64
__wrap_device_memory_left (Device *dev, ArenaKind kind)
{
  return left ? left : __real_device_memory_left (dev, kind);
}

typedef struct
{
  ModelConfig config;
  TensorSet *tensors;
  Device *dev;
} Fixture;

static void
set_up (Fixture *f, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;

  total = left = 0;
  model_config_load (&f->config, CHECKPOINT "/config.json", CONTEXT, &error);
  g_assert_no_error (error);
  f->tensors = tensor_set_open (CHECKPOINT, &error);
  g_assert_no_error (error);
  f->dev = harness_device (NULL);
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  device_free (f->dev);
  tensor_set_free (f->tensors);
  model_config_clear (&f->config);
  total = left = 0;
}

static void
plan (Fixture *f, Plan *p, MinivlPrecision precision)
{
  g_autoptr (GError) error = NULL;

  plan_init (p, f->dev, &f->config, f->tensors,
      &(MinivlEngineOptions){ .precision = precision, .context_size = CONTEXT, .cache_size = CONTEXT }, &error);
  g_assert_no_error (error);
}

static guint64
bytes_of (Fixture *f, MinivlPrecision precision)
{
  g_auto (Plan) p = { 0 };
  PlanBytes bytes;

  plan (f, &p, precision);
  bytes = plan_bytes (&p);
  return bytes.weights + bytes.cache + bytes.rest;
}

static const MinivlEngineOptions any = { .model_path = CHECKPOINT, .context_size = CONTEXT };

static MinivlPrecision
found (const MinivlEngineOptions *options)
{
  g_autoptr (GError) error = NULL;
  MinivlPrecision precision = minivl_precision_find (options, &error);

  g_assert_no_error (error);
  return precision;
}

/* Found beforehand, opened, and told. */
static void
assert_chooses (MinivlPrecision precision)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MinivlEngine) engine = NULL;

  g_assert_cmpint (found (&any), ==, precision);
  engine = minivl_engine_open (&any, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (minivl_engine_get_info (engine)->precision, ==, precision_name (precision));
}

static void
test_auto_is_the_best_that_fits (Fixture *f, gconstpointer unused)
{
  guint64 f16 = bytes_of (f, MINIVL_PRECISION_F16), q8 = bytes_of (f, MINIVL_PRECISION_Q8);

  assert_chooses (MINIVL_PRECISION_F16);
  total = f16;
  assert_chooses (MINIVL_PRECISION_F16);
  total = f16 - 1;
  assert_chooses (MINIVL_PRECISION_Q8);
  total = q8;
  assert_chooses (MINIVL_PRECISION_Q8);
  total = q8 - 1;
  assert_chooses (MINIVL_PRECISION_Q4);
}

/* A longer one takes more. */
static void
test_auto_minds_the_context (Fixture *f, gconstpointer unused)
{
  MinivlEngineOptions longer = any;

  total = bytes_of (f, MINIVL_PRECISION_F16);
  longer.context_size = 2 * CONTEXT;
  g_assert_cmpint (found (&any), ==, MINIVL_PRECISION_F16);
  g_assert_cmpint (found (&longer), >, MINIVL_PRECISION_F16);
}

static void
test_what_is_asked_for_is_taken (Fixture *f, gconstpointer unused)
{
  MinivlEngineOptions options = any;

  total = 1;
  for (options.precision = MINIVL_PRECISION_F32; options.precision <= MINIVL_PRECISION_Q4; options.precision++)
    g_assert_cmpint (found (&options), ==, options.precision);
}

static void
assert_too_large (const gchar *const *says)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (minivl_engine_open (&any, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_MEMORY);
  for (; *says; says++)
    if (!strstr (error->message, *says))
      g_error ("\"%s\" does not say \"%s\"", error->message, *says);
}

/* What other programs take changes no answer: it is an error, with the figures. */
static void
test_auto_does_not_mind_what_is_free (Fixture *f, gconstpointer unused)
{
  const gchar *const figures[] = { "weights of ", "at precision=f16", "a cache of ", "context-size=512", "activations of ",
    "there are 4.0" NBSP "MiB free of 16.0" NBSP "GiB", "precision to q8", NULL };

  total = G_GUINT64_CONSTANT (16) << 30;
  left = 4 << 20;
  g_assert_cmpint (found (&any), ==, MINIVL_PRECISION_F16);
  assert_too_large (figures);
}

static void
test_what_fits_at_no_precision_is_told (Fixture *f, gconstpointer unused)
{
  const gchar *const figures[] = { "at precision=q4", "there are 512.0" NBSP "KiB free of 1.0" NBSP "MiB",
    "Free memory, or choose another device.", NULL };

  total = 1 << 20;
  left = 1 << 19;
  g_assert_cmpint (found (&any), ==, MINIVL_PRECISION_Q4);
  assert_too_large (figures);
}

static void
test_what_cannot_be_opened_is_not_found (Fixture *f, gconstpointer unused)
{
  MinivlEngineOptions nowhere = { .model_path = "/nonexistent" }, no_device = any;
  g_autoptr (GError) no_folder = NULL, no_such = NULL;

  no_device.device = "no such device";
  g_assert_cmpint (minivl_precision_find (&nowhere, &no_folder), ==, MINIVL_PRECISION_AUTO);
  g_assert_error (no_folder, MINIVL_ERROR, MINIVL_ERROR_FILE);
  g_assert_cmpint (minivl_precision_find (&no_device, &no_such), ==, MINIVL_PRECISION_AUTO);
  g_assert_error (no_such, MINIVL_ERROR, MINIVL_ERROR_DEVICE);
}

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
#define RULE(name) g_test_add ("/precision/" #name, Fixture, NULL, set_up, test_##name, tear_down)
  RULE (auto_is_the_best_that_fits);
  RULE (auto_minds_the_context);
  RULE (what_is_asked_for_is_taken);
  RULE (auto_does_not_mind_what_is_free);
  RULE (what_fits_at_no_precision_is_told);
  RULE (what_cannot_be_opened_is_not_found);
#undef RULE
  return g_test_run ();
}

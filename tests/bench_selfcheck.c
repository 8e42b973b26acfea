/* What the self-check takes when nothing is remembered: the checks themselves, and the driver's compiling, which first use would
 * take instead. */
#include "bench.h"

#include "folder.h"

#include "ops/survey.h"

#define SECONDS 2.0
#define LEAST_RUNS 5
#define QUICK_RUNS 2

static void
time_self_check (Bench *b, const gchar *folder, const gchar *precision, TensorType weights, KvType kv)
{
  g_autoptr (GError) error = NULL;
  const DeviceOptions options = { .cache_dir = folder };
  g_autoptr (Device) dev = device_open (b->device, &options, &error);
  g_autoptr (OpStream) survey = NULL;
  BenchRow checks = { .name = "self_check", .precision = precision }, compiling = checks;
  SelfCheck first, r;
  BenchTimer timer;

  bench_assert (error);
  survey = survey_model (dev, weights, kv);
  device_self_check (dev, survey, &first, &error);
  bench_assert (error);
  bench_timer_start (&timer, b->quick ? 0 : SECONDS, b->quick ? QUICK_RUNS : LEAST_RUNS);
  while (bench_goes_on (&timer)) {
    folder_empty (folder);
    device_self_check (dev, survey, &r, &error);
    bench_assert (error);
    bench_ran (&timer, r.check_ns, 1);
  }
  bench_timer_stop (&timer, &checks);
  checks.shape = g_strdup_printf ("%u variants", first.variants);
  bench_add (b, checks);
  compiling.shape = g_strdup_printf ("%u compiled", first.checked);
  compiling.ns = first.compile_ns;
  bench_add (b, compiling);
}

void
bench_self_check (Bench *b)
{
  gchar *folder = folder_new ();

  if (bench_wants (b, TYPE_F32))
    time_self_check (b, folder, "f32", TYPE_F32, KV_F32);
  folder_empty (folder);
  if (bench_wants (b, TYPE_BF16))
    time_self_check (b, folder, "bf16", TYPE_BF16, KV_F16);
  folder_free (folder);
}

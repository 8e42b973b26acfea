#include "machine.h"

#include <string.h>
#include <sys/mman.h>

#include "machine_work.h"

#define MULADD_TURNS 20000000
#define READ_BYTES (G_GUINT64_CONSTANT (1) << 30)
#define ROUNDS 5

/* The widest registers that this machine has. */
static const MachineWork *
choose_work (void)
{
#ifdef MACHINE_AVX
  if (__builtin_cpu_supports ("avx"))
    return &machine_work_avx;
#endif
  return &machine_work;
}

/* The best of several rounds, in seconds. */
static double
time_jobs (GThreadFunc func, MachineJob *jobs, guint n)
{
  g_autofree GThread **threads = g_new (GThread *, n);
  double best = G_MAXDOUBLE;

  for (guint round = 0; round < ROUNDS; round++) {
    gint64 start = g_get_monotonic_time ();

    for (guint i = 0; i < n; i++)
      threads[i] = g_thread_new ("measure", func, &jobs[i]);
    for (guint i = 0; i < n; i++)
      g_thread_join (threads[i]);
    best = MIN (best, (g_get_monotonic_time () - start) * 1e-6);
  }
  return best;
}

void
machine_measure (Machine *m, gboolean quick)
{
  const MachineWork *work = choose_work ();
  const gsize bytes = quick ? READ_BYTES / 10 : READ_BYTES, turns = quick ? MULADD_TURNS / 10 : MULADD_TURNS;
  guint n = m->cores = g_get_num_processors ();
  g_autofree MachineJob *jobs = g_new0 (MachineJob, n);
  gpointer memory = g_aligned_alloc (1, bytes, 4096);
  gsize share = bytes / work->bytes / n;

  madvise (memory, bytes, MADV_HUGEPAGE); /* as weights are on a CPU device */
  memset (memory, 0, bytes);              /* maps the pages, each its own */
  for (guint i = 0; i < n; i++)
    jobs[i] = (MachineJob){ .data = (const guint8 *)memory + i * share * work->bytes, .n = share };
  m->read_gbps = (double)share * n * work->bytes / time_jobs (work->read_all, jobs, n) * 1e-9;
  g_aligned_free (memory);

  for (guint i = 0; i < n; i++)
    jobs[i].n = turns;
  m->muladd_gflops =
      2.0 * turns * work->chains * (work->bytes / sizeof (float)) * n / time_jobs (work->multiply_and_add, jobs, n) * 1e-9;
}

#include "machine.h"

#include <string.h>

/* One register of what this file is compiled for. */
#if defined __AVX__
typedef float Vector __attribute__ ((vector_size (32)));
#else
typedef float Vector __attribute__ ((vector_size (16)));
#endif

#define LANES (sizeof (Vector) / sizeof (float))
#define CHAINS 13 /* as many as hide the latency of both operations, and fit into 16 registers with their operands */
#define MULADD_TURNS 20000000
#define READ_BYTES (G_GUINT64_CONSTANT (1) << 30)
#define ROUNDS 5

typedef struct
{
  const Vector *data;
  gsize n; /* vectors, or turns */
  float result;
} Job;

static float
vector_sum (Vector v)
{
  float sum = 0;

  for (guint i = 0; i < LANES; i++)
    sum += v[i];
  return sum;
}

static gpointer
read_all (gpointer data)
{
  enum
  {
    AT_ONCE = 8
  };
  Job *job = data;
  Vector sums[AT_ONCE] = { { 0 } };

  for (gsize i = 0; i + AT_ONCE <= job->n; i += AT_ONCE)
    for (guint k = 0; k < AT_ONCE; k++)
      sums[k] += job->data[i + k];
  for (guint k = 1; k < AT_ONCE; k++)
    sums[0] += sums[k];
  job->result = vector_sum (sums[0]);
  return NULL;
}

static gpointer
multiply_and_add (gpointer data)
{
  Job *job = data;
  Vector sums[CHAINS] = { { 0 } }, factor = { 0 }, term = { 0 };

  factor += 0.75f;
  term += 0.25f;
  for (guint k = 0; k < CHAINS; k++)
    sums[k] += (float)k; /* of equal chains a compiler computes one */
  for (gsize i = 0; i < job->n; i++)
    for (guint k = 0; k < CHAINS; k++)
      sums[k] = sums[k] * factor + term;
  for (guint k = 1; k < CHAINS; k++)
    sums[0] += sums[k];
  job->result = vector_sum (sums[0]);
  return NULL;
}

/* The best of several rounds, in seconds. */
static double
time_jobs (GThreadFunc work, Job *jobs, guint n)
{
  g_autofree GThread **threads = g_new (GThread *, n);
  double best = G_MAXDOUBLE;

  for (guint round = 0; round < ROUNDS; round++) {
    gint64 start = g_get_monotonic_time ();

    for (guint i = 0; i < n; i++)
      threads[i] = g_thread_new ("measure", work, &jobs[i]);
    for (guint i = 0; i < n; i++)
      g_thread_join (threads[i]);
    best = MIN (best, (g_get_monotonic_time () - start) * 1e-6);
  }
  return best;
}

void
machine_measure (Machine *m)
{
  guint n = m->cores = g_get_num_processors ();
  g_autofree Job *jobs = g_new0 (Job, n);
  gpointer memory = g_aligned_alloc (1, READ_BYTES, 4096);
  gsize share = READ_BYTES / sizeof (Vector) / n;

  memset (memory, 0, READ_BYTES); /* maps the pages, each its own */
  for (guint i = 0; i < n; i++)
    jobs[i] = (Job){ .data = (const Vector *)memory + i * share, .n = share };
  m->read_gbps = (double)share * n * sizeof (Vector) / time_jobs (read_all, jobs, n) * 1e-9;
  g_aligned_free (memory);

  for (guint i = 0; i < n; i++)
    jobs[i].n = MULADD_TURNS;
  m->muladd_gflops = 2.0 * MULADD_TURNS * CHAINS * LANES * n / time_jobs (multiply_and_add, jobs, n) * 1e-9;
}

/* Compiled as machine_work, and as machine_work_avx: mul and add, which stay two operations, need nothing newer. */
#include "machine_work.h"

/* One register of what this file is compiled for. */
#if defined __AVX__
typedef float Vector __attribute__ ((vector_size (32)));
#else
typedef float Vector __attribute__ ((vector_size (16)));
#endif

#define LANES (sizeof (Vector) / sizeof (float))
#define CHAINS 13 /* as many as hide the latency of both operations, and fit into 16 registers with their operands */

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
  MachineJob *job = data;
  const Vector *from = job->data;
  Vector sums[AT_ONCE] = { { 0 } };

  for (gsize i = 0; i + AT_ONCE <= job->n; i += AT_ONCE)
    for (guint k = 0; k < AT_ONCE; k++)
      sums[k] += from[i + k];
  for (guint k = 1; k < AT_ONCE; k++)
    sums[0] += sums[k];
  job->result = vector_sum (sums[0]);
  return NULL;
}

static gpointer
multiply_and_add (gpointer data)
{
  MachineJob *job = data;
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

const MachineWork MACHINE_WORK = { sizeof (Vector), CHAINS, read_all, multiply_and_add };

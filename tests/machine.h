/* What this machine can do at most, by plain C on all of its cores. */
#ifndef TESTS_MACHINE_H
#define TESTS_MACHINE_H

#include <glib.h>

typedef struct
{
  guint cores;
  double read_gbps;     /* GB/s, reading 1 GiB */
  double muladd_gflops; /* GFLOP/s, f32 multiplications and additions, each an operation of its own */
} Machine;

/* Takes about two seconds and 1 GiB; a tenth of both where it must be quick. */
void machine_measure (Machine *m, gboolean quick);

#endif

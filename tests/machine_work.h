/* What machine.c has every core do: machine_work.c, compiled once for each kind of registers. */
#ifndef TESTS_MACHINE_WORK_H
#define TESTS_MACHINE_WORK_H

#include <glib.h>

typedef struct
{
  gconstpointer data;
  gsize n; /* registers, or turns */
  float result;
} MachineJob;

typedef struct
{
  guint bytes;                            /* of a register */
  guint chains;                           /* registers that a turn of multiply_and_add multiplies and adds to */
  GThreadFunc read_all, multiply_and_add; /* each of a MachineJob */
} MachineWork;

extern const MachineWork machine_work;
#ifdef MACHINE_AVX
extern const MachineWork machine_work_avx;
#endif

#endif

/*
 * What a driver's compiler says of a pipeline, as test-gpu-compile prints it: statistics a line each, and the machine code.
 */
#ifndef TESTS_GPU_CODE_H
#define TESTS_GPU_CODE_H

#include <glib.h>

/* How a compiler writes machine code: regular expressions. A label and a branch capture the label's name; nothing comes behind what
 * matches `always` but by a label. */
typedef struct
{
  const gchar *label, *branch, *always, *instruction, *multiply_add, *matrix, *dot;
  guint lane_registers; /* those that all waves of a scheduler have for a lane, where the compiler does not tell of waves */
} Assembly;

extern const Assembly radeon_assembly, nvidia_assembly;

typedef struct
{
  guint instructions, multiply_adds, matrices, dots;
} Loop;

typedef struct
{
  guint registers, spilled, waves, shared; /* spilled: registers, or bytes */
  Loop loop;                               /* the inner one */
} Told;

Told gpu_code_told (const Assembly *assembly, const gchar *out);
/* Of the instructions of the inner loop. */
double loop_share (const Loop *loop);

#endif

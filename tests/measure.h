/* What C and GLSL both read of the shaders that measure a device. */
#ifndef TESTS_MEASURE_H
#define TESTS_MEASURE_H

#define MEASURE_LOCAL 128   /* invocations of a workgroup: as many as any device has */
#define MEASURE_QUADS 16    /* that an invocation reads */
#define MEASURE_SUBGROUPS 4 /* of a workgroup that multiplies matrices */
#define MEASURE_CHAINS 8    /* vec4 that it multiplies and adds to, independent of each other */
#define MEASURE_UNROLLED 4  /* times in a turn of its loop */

#endif

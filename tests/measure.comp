#version 450
// What a device does at most: with MULADD it multiplies and adds in registers, else it reads.
#extension GL_GOOGLE_include_directive : require
#define NO_OCTETS
#include "common.glsl"
#include "measure.h"

#ifdef MULADD

layout (binding = 0, std430) writeonly buffer Y { vec4 y[]; };
layout (push_constant) uniform Push { uint turns; float factor, term; };

void main ()
{
    vec4 sums[MEASURE_CHAINS];
    [[unroll]] for (uint i = 0; i < MEASURE_CHAINS; i++)
        sums[i] = vec4 (gl_GlobalInvocationID.x & 7u, i, i + 8, i + 16); // of equal chains a compiler computes one
    for (uint turn = 0; turn < turns; turn++)
        [[unroll]] for (uint again = 0; again < MEASURE_UNROLLED; again++)
            [[unroll]] for (uint i = 0; i < MEASURE_CHAINS; i++)
                sums[i] = sums[i] * factor + term;
    [[unroll]] for (uint i = 1; i < MEASURE_CHAINS; i++)
        sums[0] += sums[i];
    y[gl_GlobalInvocationID.x] = sums[0];
}

#else

BULK (0, x)
layout (binding = 1, std430) writeonly buffer Y { uvec4 y[]; };

void main ()
{
    const uint invocations = gl_NumWorkGroups.x * MEASURE_LOCAL;
    uvec4 all = uvec4 (0);
    [[unroll]] for (uint i = 0; i < MEASURE_QUADS; i++)
        all |= FETCH (x, gl_GlobalInvocationID.x + i * invocations);
    if (all == uvec4 (1, 2, 3, 4)) // never, but no compiler knows
        y[0] = all;
}

#endif

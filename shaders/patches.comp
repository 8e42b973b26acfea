#version 450
// An invocation normalises one pixel of a tile and puts it into its patch's row, in the order (channel, row, column) of a
// convolution's weight.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "rows.glsl"

layout (binding = 0, std430) writeonly buffer Y { float y[]; };
layout (binding = 1, std430) readonly buffer X { uint x[]; };
layout (push_constant) uniform Push { PatchesPush p; };

void main ()
{
    uint u = gl_GlobalInvocationID.x, v = row ();
    if (v >= p.side || u >= p.side)
        return;

    uint pixel = x[ROW_AT (p.x, v) + u];
    uint patch_row = v / p.size * (p.side / p.size) + u / p.size;
    uint to = ROW_AT (p.y, patch_row) + v % p.size * p.size + u % p.size;
    [[unroll]] for (uint c = 0; c < 3; c++)
        y[to + c * p.size * p.size] = (float (pixel >> 8 * c & 255u) / 255.0 - p.mean[c]) / p.std[c];
}

#version 450
// y = -infinity in the columns whose bit of the row's mask is 0. The first word of a mask says whether there is one.
#extension GL_GOOGLE_include_directive : require
#define NO_OCTETS
#include "common.glsl"
#include "rows.glsl"

layout (binding = 0, std430) writeonly buffer Y { uint y[]; };
layout (binding = 1, std430) readonly buffer Mask { uint mask[]; };
layout (push_constant) uniform Push { MaskPush p; };

void main ()
{
    if (row () >= p.m || quad () >= (p.n + 3) / 4)
        return;

    uint from = ROW_AT (p.mask, row ()), to = ROW_AT (p.y, row ());
    if (mask[from] == 0)
        return;
    uint bits = mask[from + 1 + quad () / 8] >> quad () % 8 * 4;
    [[unroll]] for (uint c = 0; c < 4; c++)
        if ((bits >> c & 1) == 0 && quad () * 4 + c < p.n)
            y[to + quad () * 4 + c] = 0xff800000u;
}

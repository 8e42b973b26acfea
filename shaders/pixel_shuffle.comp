#version 450
// The r x r neighbours of a square of rows become the columns of one row.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "rows.glsl"

layout (constant_id = 0) const bool V1 = false; // rows and columns of the result exchanged

layout (binding = 0, std430) writeonly buffer Y { vec4 y[]; };
BULK (1, x)
layout (push_constant) uniform Push { PixelShufflePush p; };

void main ()
{
    uint quads = p.d / 4, out_side = p.side / p.r;
    if (row () >= out_side * out_side || quad () >= quads * p.r * p.r)
        return;

    uint a = row () / out_side, b = row () % out_side, neighbour = quad () / quads;
    uvec2 at = (V1 ? uvec2 (b, a) : uvec2 (a, b)) * p.r + uvec2 (neighbour / p.r, neighbour % p.r);
    y[ROW_AT (p.y, row ()) / 4 + quad ()] =
        F (FETCH (x, ROW_AT (p.x, at.x * p.side + at.y) / 4 + quad () % quads));
}

#version 450
// Copies rows of words, in order or by ids (an id without a row in x gives zeros).
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "rows.glsl"

layout (constant_id = 0) const bool BY_IDS = false;

layout (binding = 0, std430) writeonly buffer Y { uvec4 y[]; };
BULK (1, x)
layout (binding = 2, std430) readonly buffer Ids { uint ids[]; };
layout (push_constant) uniform Push { CopyPush p; };

void main ()
{
    if (row () >= p.m || quad () >= (p.n + 3) / 4)
        return;

    uint from = BY_IDS ? ids[p.ids_first + row ()] : row ();
    uvec4 v = uvec4 (0);
    if (from < p.x_rows)
        v = FETCH (x, ROW_AT (p.x, from) / 4 + quad ());
    y[ROW_AT (p.y, row ()) / 4 + quad ()] = v;
}

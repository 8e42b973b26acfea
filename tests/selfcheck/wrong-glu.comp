#version 450
// shaders/glu.comp, but for a factor: a device that computes almost rightly.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "rows.glsl"

layout (binding = 0, std430) writeonly buffer Y { vec4 y[]; };
BULK (1, x)
layout (push_constant) uniform Push { GluPush p; };

void main ()
{
    if (row () >= p.m || quad () >= p.n / 4)
        return;

    uint from = ROW_AT (p.x, row ()) / 4 + quad ();
    vec4 gate = F (FETCH (x, from)), up = F (FETCH (x, from + p.n / 4));
    y[ROW_AT (p.y, row ()) / 4 + quad ()] = 1.001 * gate / (1.0 + exp (-gate)) * up;
}

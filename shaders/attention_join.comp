#version 450
// Joins the parts of results that attention left (attention_part.glsl): an invocation takes 4 columns of one head.
#extension GL_GOOGLE_include_directive : require
#define NO_OCTETS
#include "common.glsl"
#include "rows.glsl"

layout (constant_id = 0) const uint DIM = 96;

layout (binding = 0, std430) writeonly buffer Y { vec4 y[]; };
BULK (1, work)
layout (push_constant) uniform Push { JoinPush p; };

void main ()
{
    const uint FOURS = DIM / 4, PART = FOURS + 1;
    uint head = quad () / FOURS, own = quad () % FOURS;
    if (row () >= p.m || head >= p.heads_q)
        return;

    uint from = ROW_AT (p.work, row ()) / 4 + head * p.parts * PART;
    float top = F (FETCH (work, from + FOURS).x), total = 0;
    vec4 sum = vec4 (0);

    for (uint i = 1; i < p.parts; i++)
        top = max (top, F (FETCH (work, from + i * PART + FOURS).x));
    for (uint i = 0; i < p.parts; i++) {
        vec4 part = F (FETCH (work, from + i * PART + FOURS));
        float fade = exp2 (part.x - top);
        total += part.y * fade;
        sum += F (FETCH (work, from + i * PART + own)) * fade;
    }
    y[(ROW_AT (p.y, row ()) + head * DIM) / 4 + own] = total == 0.0 ? vec4 (0) : sum * (1.0 / total);
}

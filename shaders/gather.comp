#version 450
// Rows of a table of weights or, for ids below zero, of another table of plain rows. The table is bound one window of rows at a
// time; the first window also writes zeros for ids that are in neither.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
#include "rows.glsl"

layout (binding = 0, std430) writeonly buffer Y { vec4 y[]; };
BULK (1, table)
BULK (2, extra)
layout (binding = 3, std430) readonly buffer Ids { uint ids[]; };
layout (push_constant) uniform Push { GatherPush p; };

void main ()
{
    uint column = quad () * FOURS * 4;
    if (row () >= p.m || column >= p.n)
        return;

    uint id = ids[p.ids_first + row ()], other = ~id;
    bool plain = int (id) < 0, known = plain ? other < p.extra_rows : id < p.table_rows;
    uint at = id - p.window_first;
    if (known && !plain ? at >= p.window_rows : p.window_first > 0)
        return;

    uint to = (ROW_AT (p.y, row ()) + column) / 4;
    uvec4 bits = uvec4 (0);
    if (known && !plain)
        bits = FETCH (table, ((at / 8) * p.table_quads + quad ()) * 8 + at % 8);
    [[unroll]] for (uint i = 0; i < FOURS; i++) {
        vec4 v = four (bits, i);
        if (known && plain)
            v = F (FETCH (extra, (ROW_AT (p.extra, other) + column) / 4 + i));
        if (column + 4 * i < p.n)
            y[to + i] = v;
    }
}

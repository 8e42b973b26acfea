#version 450
// One row and one head a workgroup: its octets take turns at 8 keys and are joined at the end.
// Scores: lane = key. Values and output: lane = a quad of columns.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"
#include "rows.glsl"

layout (constant_id = 0) const uint DIM = 96;
#include "kv.glsl"
const uint LANE_QUADS = (QUADS + 7) / 8; // quads of a value that are a lane's
const uint LANE_FOURS = LANE_QUADS * FOURS;

layout (binding = 0, std430) writeonly buffer Y { vec4 y[]; };
BULK (1, q)
BULK (2, k)
BULK (3, v)
layout (binding = 4, std430) readonly buffer Rows { uint rows[]; };
layout (binding = 5, std430) readonly buffer Table { uint table[]; };
layout (push_constant) uniform Push { AttentionPush p; };

const float NEVER = -1e30;

BOARD (float, scores, 1)

const uint SHARED = ONE_OCTET ? 1 : 64; // lanes that share their sums
shared float tops[SHARED / 8 + 1], totals[SHARED / 8 + 1];
shared vec4 outs[LANE_FOURS * SHARED];

void main ()
{
    if (row () >= p.m)
        return;

    uint head = gl_WorkGroupID.x, own = gl_LocalInvocationID.x >> 3, octets = gl_WorkGroupSize.x / 8;
    uint meta = p.rows_first + row () * p.rows_stride;
    uint keys = min (rows[meta + 1], p.blocks * KV_BLOCK), sequence = rows[meta + 2];

    vec4 query[DIM / 4];
    [[unroll]] for (uint c = 0; c < DIM / 4; c++)
        query[c] = F (FETCH (q, (p.q_first + row () * p.q_stride + head * DIM) / 4 + c)) * p.scale;

    float top = NEVER, total = 0;
    vec4 o[LANE_FOURS];
    [[unroll]] for (uint g = 0; g < LANE_FOURS; g++)
        o[g] = vec4 (0);

    // A block a turn would be four times the code to compile, and no faster.
    for (uint turn = own; turn * 8 < keys; turn += octets) {
        uint block = table[p.table_first + sequence * p.table_stride + turn / 4];
        uint from = (block * p.heads + head / p.shared_by) * KV_BLOCK * QUADS + turn % 4 * 8 * QUADS;
        uint k_from = p.k_first / (4 * FOURS) + from + lane (), v_from = p.v_first / (4 * FOURS) + from;

        float s = 0;
        [[unroll]] for (uint c = 0; c < QUADS; c++) {
            uvec4 bits = FETCH (k, k_from + c * 8);
            [[unroll]] for (uint h = 0; h < FOURS; h++)
                s += dot (query[c * FOURS + h], four (bits, h));
        }

        s = turn * 8 + lane () < keys ? s : NEVER;
        float t = max (top, lanes_max (s)), fade = exp2 (top - t);
        top = t;
        s = exp2 (s - t);
        POST (scores, 0, s);
        MEET;
        total = total * fade + s;
        [[unroll]] for (uint g = 0; g < LANE_QUADS; g++) {
            uint at = v_from + min (g * 8 + lane (), QUADS - 1);
            [[unroll]] for (uint h = 0; h < FOURS; h++)
                o[g * FOURS + h] *= fade;
            [[unroll]] for (uint j = 0; j < 8; j++) {
                uvec4 bits = FETCH (v, at + j * QUADS);
                [[unroll]] for (uint h = 0; h < FOURS; h++)
                    o[g * FOURS + h] += POSTED (scores, 0, j, s) * four (bits, h);
            }
        }
        MEET;
    }
    total = lanes_sum (total);

    if (!ONE_OCTET) {
        tops[own] = top;
        totals[own] = total;
        [[unroll]] for (uint g = 0; g < LANE_FOURS; g++)
            outs[g * SHARED + gl_LocalInvocationID.x] = o[g];
        barrier ();
        if (own > 0)
            return;
        for (uint i = 0; i < octets; i++)
            top = max (top, tops[i]);
        total = 0;
        [[unroll]] for (uint g = 0; g < LANE_FOURS; g++)
            o[g] = vec4 (0);
        for (uint i = 0; i < octets; i++) {
            float fade = exp2 (tops[i] - top);
            total += totals[i] * fade;
            [[unroll]] for (uint g = 0; g < LANE_FOURS; g++)
                o[g] += outs[g * SHARED + i * 8 + lane ()] * fade;
        }
    }

    uint to = (p.y_first + row () * p.y_stride + head * DIM) / 4;
    [[unroll]] for (uint g = 0; g < LANE_QUADS; g++)
        [[unroll]] for (uint h = 0; h < FOURS; h++)
            if (g * 8 + lane () < QUADS)
                y[to + (g * 8 + lane ()) * FOURS + h] = keys > 0 ? o[g * FOURS + h] / total : vec4 (0);
}

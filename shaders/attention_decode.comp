#version 450
// One row and one head a workgroup: its octets take 8 keys in turn, and their results are joined at the end.
// Scores: lane = key. Values and output: lane = a quad of columns.
#extension GL_GOOGLE_include_directive : require
#include "attention.glsl"
#include "rows.glsl"

BOARD (float, scores, 1)

const uint SHARED = ONE_OCTET ? 1 : SHARED_LANES; // lanes that join their results
shared float tops[SHARED / 8 + 1], totals[SHARED / 8 + 1];
shared vec4 outs[LANE_FOURS * SHARED];

void main ()
{
    uint at = p.row_first + row (), head = p.head_first + gl_WorkGroupID.x;
    if (at >= p.m)
        return;

    uint own = own_octet (), octets = gl_WorkGroupSize.x / 8;
    uint keys = keys_of (entry_of (at)), sequence = sequence_of (entry_of (at));

    vec4 query[HEAD_FOURS];
    [[unroll]] for (uint c = 0; c < HEAD_FOURS; c++)
        query[c] = query_four (at, head, c);

    float top = NEVER, total = 0;
    vec4 o[LANE_FOURS];
    [[unroll]] for (uint g = 0; g < LANE_FOURS; g++)
        o[g] = vec4 (0);

    // A whole block a turn would be four times the code to compile, and no faster.
    for (uint turn = own; turn * 8 < keys; turn += octets) {
        uint from = head_number (sequence, turn / 4, head), skipped = turn % 4 * 8 * QUADS;
        uint keys_from = keys_of_head (from), k_from = keys_from + skipped, v_from = values_of_head (from) + skipped;
        STEPS (steps, keys_from);

        float s = 0;
        [[unroll]] for (uint c = 0; c < QUADS; c++) {
            uvec4 bits = FETCH (k, k_from + c * 8);
            [[unroll]] for (uint h = 0; h < FOURS; h++)
                s += dot (query[c * FOURS + h], four (bits, h));
        }

        s = turn * 8 + lane () < keys ? KEY_SCORE (s, steps, turn % 4) : NEVER;
        float t = max (top, lanes_max (s)), fade = exp2 (top - t);
        top = t;
        s = exp2 (s - t);
        total = total * fade + s;
        s = VALUE_WEIGHT (s, steps, turn % 4);
        POST (scores, 0, s);
        MEET;
        [[unroll]] for (uint g = 0; g < LANE_QUADS; g++) {
            uint v_at = v_from + value_quad (g);
            [[unroll]] for (uint h = 0; h < FOURS; h++)
                o[g * FOURS + h] *= fade;
            [[unroll]] for (uint j = 0; j < 8; j++) {
                uvec4 bits = FETCH (v, v_at + j * QUADS);
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
            outs[g * SHARED + own_lane ()] = o[g];
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

    uint to = output_at (at, head);
    [[unroll]] for (uint g = 0; g < LANE_QUADS; g++)
        [[unroll]] for (uint h = 0; h < FOURS; h++)
            if (has_four (g, h))
                y[to + output_four (g, h)] = keys > 0 ? o[g * FOURS + h] / total : vec4 (0);
}

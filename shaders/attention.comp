#version 450
// An octet takes 8 rows of one sequence and one head, a block of keys a turn; the softmax goes on from turn to turn.
// Queries: lane = row. Scores: lane = key. Values and output: lane = a quad of columns. Values that other lanes need are posted.
#extension GL_GOOGLE_include_directive : require
#include "attention.glsl"

BOARD (vec4, queries, HEAD_FOURS)
BOARD (uint, seen_by, 1)
BOARD (float, scores, 8 * 4)

void main ()
{
    uint row_first = p.row_first + octet () * 8, head = p.head_first + gl_WorkGroupID.y;
    if (row_first >= p.m)
        return;

    uint own = min (row_first + lane (), p.m - 1), entry = entry_of (own);
    uint keys = row_first + lane () < p.m ? keys_of (entry) : 0;
    uint most = uint (lanes_max (float (keys))), sequence = uint (lanes_max (keys > 0 ? float (sequence_of (entry)) : 0.0));

    vec4 query[HEAD_FOURS];
    [[unroll]] for (uint c = 0; c < HEAD_FOURS; c++) {
        query[c] = query_four (own, head, c);
        POST (queries, c, query[c]);
    }
    POST (seen_by, 0, keys);
    MEET;

    float top[8], total[8]; // total: of a lane's own keys, summed over lanes at the end
    vec4 o[8][LANE_FOURS];
    [[unroll]] for (uint i = 0; i < 8; i++) {
        top[i] = NEVER;
        total[i] = 0;
        [[unroll]] for (uint g = 0; g < LANE_FOURS; g++)
            o[i][g] = vec4 (0);
    }

    for (uint turn = 0; turn * KV_BLOCK < most; turn++) {
        uint from = head_number (sequence, turn, head), k_from = keys_of_head (from), v_from = values_of_head (from);
        STEPS (steps, k_from);

        float s[8][4];
        [[unroll]] for (uint i = 0; i < 8; i++)
            [[unroll]] for (uint b = 0; b < 4; b++)
                s[i][b] = 0;
        [[unroll]] for (uint c = 0; c < QUADS; c++) {
            uvec4 bits[4];
            [[unroll]] for (uint b = 0; b < 4; b++)
                bits[b] = FETCH (k, k_from + (b * QUADS + c) * 8);
            [[unroll]] for (uint h = 0; h < FOURS; h++) {
                vec4 x = query[c * FOURS + h];
                [[unroll]] for (uint i = 0; i < 8; i++) {
                    vec4 xi = POSTED4 (queries, c * FOURS + h, i, x);
                    [[unroll]] for (uint b = 0; b < 4; b++)
                        s[i][b] += dot (xi, four (bits[b], h));
                }
            }
        }

        [[unroll]] for (uint i = 0; i < 8; i++) {
            uint seen = POSTED (seen_by, 0, i, keys);
            [[unroll]] for (uint b = 0; b < 4; b++)
                s[i][b] = turn * KV_BLOCK + b * 8 + lane () < seen ? KEY_SCORE (s[i][b], steps, b) : NEVER;
            float t = max (top[i], lanes_max (max (max (s[i][0], s[i][1]), max (s[i][2], s[i][3])))), fade = exp2 (top[i] - t);
            top[i] = t;
            [[unroll]] for (uint b = 0; b < 4; b++)
                s[i][b] = exp2 (s[i][b] - t);
            total[i] = total[i] * fade + ((s[i][0] + s[i][1]) + (s[i][2] + s[i][3]));
            [[unroll]] for (uint b = 0; b < 4; b++) {
                s[i][b] = VALUE_WEIGHT (s[i][b], steps, b);
                POST (scores, i * 4 + b, s[i][b]);
            }
            [[unroll]] for (uint g = 0; g < LANE_FOURS; g++)
                o[i][g] *= fade;
        }

        MEET;

        // Values of 8 keys at a time, so that an output stays in a register for all of them.
        [[unroll]] for (uint b = 0; b < 4; b++)
            [[unroll]] for (uint g = 0; g < LANE_QUADS; g++) {
                uvec4 bits[8];
                [[unroll]] for (uint j = 0; j < 8; j++)
                    bits[j] = FETCH (v, v_from + (b * 8 + j) * QUADS + value_quad (g));
                [[unroll]] for (uint h = 0; h < FOURS; h++) {
                    vec4 values[8];
                    [[unroll]] for (uint j = 0; j < 8; j++)
                        values[j] = four (bits[j], h);
                    [[unroll]] for (uint i = 0; i < 8; i++)
                        [[unroll]] for (uint j = 0; j < 8; j++)
                            o[i][g * FOURS + h] += POSTED (scores, i * 4 + b, j, s[i][b]) * values[j];
                }
            }
        MEET;
    }

    [[unroll]] for (uint i = 0; i < 8; i++) {
        float r = 1.0 / lanes_sum (total[i]);
        bool seen = POSTED (seen_by, 0, i, keys) > 0;
        uint to = output_at (row_first + i, head);
        [[unroll]] for (uint g = 0; g < LANE_QUADS; g++)
            [[unroll]] for (uint h = 0; h < FOURS; h++)
                if (row_first + i < p.m && has_four (g, h))
                    y[to + output_four (g, h)] = seen ? o[i][g * FOURS + h] * r : vec4 (0);
    }
}

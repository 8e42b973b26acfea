#version 450
// An octet takes 8 rows of one sequence, one head; a block of 32 keys a turn, softmax carried from turn to turn.
// Queries: lane = row. Scores: lane = key. Values and output: lane = a quad of columns. What must cross lanes is posted.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "elements.glsl"

layout (constant_id = 0) const uint DIM = 96;
#include "kv.glsl"
const uint LANE_QUADS = (QUADS + 7) / 8; // quads of a value that are a lane's

layout (binding = 0, std430) writeonly buffer Y { vec4 y[]; };
BULK (1, q)
BULK (2, k)
BULK (3, v)
layout (binding = 4, std430) readonly buffer Rows { uint rows[]; };
layout (binding = 5, std430) readonly buffer Table { uint table[]; };
layout (push_constant) uniform Push { AttentionPush p; };

const float NEVER = -1e30;

BOARD (vec4, queries, DIM / 4)
BOARD (uint, seen_by, 1)
BOARD (float, scores, 8 * 4)

void main ()
{
    uint row_first = p.row_first + octet () * 8, head = gl_WorkGroupID.y;
    if (row_first >= p.m)
        return;

    uint own = min (row_first + lane (), p.m - 1), meta = p.rows_first + own * p.rows_stride;
    uint keys = row_first + lane () < p.m ? min (rows[meta + 1], p.blocks * KV_BLOCK) : 0;
    uint most = uint (lanes_max (float (keys))), sequence = uint (lanes_max (keys > 0 ? float (rows[meta + 2]) : 0.0));

    vec4 query[DIM / 4];
    [[unroll]] for (uint c = 0; c < DIM / 4; c++) {
        query[c] = F (FETCH (q, (p.q_first + own * p.q_stride + head * DIM) / 4 + c)) * p.scale;
        POST (queries, c, query[c]);
    }
    POST (seen_by, 0, keys);
    MEET;

    float top[8], total[8]; // total: a lane's own keys; summed over lanes at the end
    vec4 o[8][LANE_QUADS * FOURS];
    [[unroll]] for (uint i = 0; i < 8; i++) {
        top[i] = NEVER;
        total[i] = 0;
        [[unroll]] for (uint g = 0; g < LANE_QUADS * FOURS; g++)
            o[i][g] = vec4 (0);
    }

    for (uint turn = 0; turn * KV_BLOCK < most; turn++) {
        uint block = table[p.table_first + sequence * p.table_stride + turn];
        uint from = (block * p.heads + head / p.shared_by) * KV_BLOCK * QUADS;
        uint k_from = p.k_first / (4 * FOURS) + from + lane (), v_from = p.v_first / (4 * FOURS) + from;

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
                s[i][b] = turn * KV_BLOCK + b * 8 + lane () < seen ? s[i][b] : NEVER;
            float t = max (top[i], lanes_max (max (max (s[i][0], s[i][1]), max (s[i][2], s[i][3])))), fade = exp2 (top[i] - t);
            top[i] = t;
            [[unroll]] for (uint b = 0; b < 4; b++) {
                s[i][b] = exp2 (s[i][b] - t);
                POST (scores, i * 4 + b, s[i][b]);
            }
            total[i] = total[i] * fade + ((s[i][0] + s[i][1]) + (s[i][2] + s[i][3]));
            [[unroll]] for (uint g = 0; g < LANE_QUADS * FOURS; g++)
                o[i][g] *= fade;
        }

        MEET;

        // 8 keys of values at a time, so that an output is a register through all of them.
        [[unroll]] for (uint b = 0; b < 4; b++)
            [[unroll]] for (uint g = 0; g < LANE_QUADS; g++) {
                uvec4 bits[8];
                [[unroll]] for (uint j = 0; j < 8; j++)
                    bits[j] = FETCH (v, v_from + (b * 8 + j) * QUADS + min (g * 8 + lane (), QUADS - 1));
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
        uint to = (p.y_first + (row_first + i) * p.y_stride + head * DIM) / 4;
        [[unroll]] for (uint g = 0; g < LANE_QUADS; g++)
            [[unroll]] for (uint h = 0; h < FOURS; h++)
                if (row_first + i < p.m && g * 8 + lane () < QUADS)
                    y[to + (g * 8 + lane ()) * FOURS + h] = seen ? o[i][g * FOURS + h] * r : vec4 (0);
    }
}

#version 450
// One row and one head a workgroup, and one part of the row's keys: as many keys a turn as it has invocations. Scores: an invocation has
// a key. Values: it has a quad of columns, of every SUBSETS-th key. How keys are split depends on what the row sees alone. No subgroup
// operation: subgroups may have any size.
#extension GL_GOOGLE_include_directive : require
#define NO_OCTETS
#include "attention.glsl"
#include "attention_part.glsl"
#include "rows.glsl"

layout (constant_id = 2) const uint LOCAL = 64; // at least the quads of a value, a multiple of KV_BLOCK

const uint TURN_BLOCKS = LOCAL / KV_BLOCK;
const uint SUBSETS = LOCAL / QUADS;
const uint SUBSET_KEYS = (KV_BLOCK + SUBSETS - 1) / SUBSETS; // of a block
const uint UNBOUND = 0xffffffffu;

shared vec4 query[HEAD_FOURS];
shared float scores[LOCAL], weights[LOCAL];
shared uint values_from[TURN_BLOCKS];
shared vec4 outs[LOCAL * FOURS];

void main ()
{
    uint at = p.row_first + row (), head = p.head_first + gl_WorkGroupID.x / p.splits, split = gl_WorkGroupID.x % p.splits;
    if (at >= p.m)
        return;

    uint own = gl_LocalInvocationID.x, place = own % KV_BLOCK, subset = own / QUADS, quad = own % QUADS;
    uint keys = keys_of (entry_of (at)), sequence = sequence_of (entry_of (at)), blocks = (keys + KV_BLOCK - 1) / KV_BLOCK;
    uint turns = (blocks + TURN_BLOCKS - 1) / TURN_BLOCKS, span = (turns + p.most_splits - 1) / p.most_splits * TURN_BLOCKS;
    uint end = min ((split + 1) * span, blocks);

    if (own < HEAD_FOURS)
        query[own] = query_four (at, head, own);
    barrier ();

    float top = NOTHING, total = 0; // total: of an invocation's own keys
    vec4 o[FOURS];
    [[unroll]] for (uint h = 0; h < FOURS; h++)
        o[h] = vec4 (0);

    for (uint turn = split * span; turn < end; turn += TURN_BLOCKS) {
        uint block = turn + own / KV_BLOCK, number;
        bool bound = block < end && is_bound (sequence, block, head, number);
        float s = NEVER, value_step = 1;

        if (bound && block * KV_BLOCK + place < keys) {
            uint keys_from = keys_of_head (number), k_from = keys_from + place / 8 * 8 * QUADS;
            STEPS (steps, keys_from);

            s = 0;
            [[unroll]] for (uint c = 0; c < QUADS; c++) {
                uvec4 bits = FETCH (k, k_from + c * 8);
                [[unroll]] for (uint h = 0; h < FOURS; h++) {
                    vec4 a = query[c * FOURS + h], b = four (bits, h);
                    s = fma (a.x, b.x, fma (a.y, b.y, fma (a.z, b.z, fma (a.w, b.w, s))));
                }
            }
            s = KEY_SCORE (s, steps, place / 8);
            value_step = VALUE_WEIGHT (1.0, steps, place / 8);
        }
        scores[own] = s;
        barrier ();

        float t = top;
        [[unroll]] for (uint i = 0; i < LOCAL; i++)
            t = max (t, scores[i]);
        float fade = exp2 (top - t);
        top = t;
        s = exp2 (s - t);
        total = total * fade + s;
        weights[own] = s * value_step;
        if (place == 0)
            values_from[own / KV_BLOCK] = bound ? values_of_head (number) : UNBOUND;
        barrier ();

        [[unroll]] for (uint h = 0; h < FOURS; h++)
            o[h] *= fade;
        [[unroll]] for (uint b = 0; b < TURN_BLOCKS; b++) {
            uint v_from = values_from[b];
            if (subset >= SUBSETS || v_from == UNBOUND)
                continue;
            [[unroll]] for (uint i = 0; i < SUBSET_KEYS; i++) {
                uint key = i * SUBSETS + subset;
                float w = key < KV_BLOCK ? weights[b * KV_BLOCK + key] : 0.0;
                uvec4 bits = FETCH (v, v_from + min (key, KV_BLOCK - 1u) * QUADS + quad);
                [[unroll]] for (uint h = 0; h < FOURS; h++)
                    o[h] = fma (vec4 (w), four (bits, h), o[h]);
            }
        }
    }

    scores[own] = total;
    [[unroll]] for (uint h = 0; h < FOURS; h++)
        outs[own * FOURS + h] = o[h];
    barrier ();
    total = 0;
    [[unroll]] for (uint i = 0; i < LOCAL; i++)
        total += scores[i];

    uint to = result_at (at, head, p.part_first + split);
    if (own < DIM / 4) {
        vec4 sum = vec4 (0);
        for (uint i = 0; i < SUBSETS; i++)
            sum += outs[i * HEAD_FOURS + own];
        y[to + own] = sum * result_factor (total);
    }
    if (PARTIAL && own == 0)
        y[to + DIM / 4] = vec4 (top, total, 0, 0);
}

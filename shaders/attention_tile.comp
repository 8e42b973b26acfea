#version 450
// A workgroup takes ROWS rows of one head, a block of keys a turn; the softmax goes on from turn to turn. Queries and keys, then weights
// and values, lie in shared memory, PIECE fours of a head's columns at a time. Eight invocations (by eighth) share EACH rows: of a row they
// have every eighth key, then every eighth four of columns. No subgroup operation: subgroups may have any size.
#extension GL_GOOGLE_include_directive : require
#define NO_OCTETS
#include "attention.glsl"
#include "attention_part.glsl"

layout (constant_id = 2) const uint ROWS = 64;
layout (constant_id = 3) const uint EACH = 4;

#define MOST_EACH 4
#define MOST_LOADS 4
#define PIECE 8u
#define STRIDE 9u // fours of a row in shared memory: one more, so that neighbours read other banks
const uint PIECES = (DIM / 4 + PIECE - 1) / PIECE;
const uint PIECE_QUADS = PIECE / FOURS;
const uint GROUPS = ROWS / 8;    // of 8 rows, each of one sequence
const uint APART = ROWS / EACH;  // an invocation's rows are so far from each other
const uint LOCAL = APART * 8;
const uint LOADS = (KV_BLOCK * PIECE_QUADS + LOCAL - 1) / LOCAL; // quads of a piece of the block that an invocation brings

shared vec4 near[ROWS * STRIDE];    // queries, then weights: of keys i, i + 8, i + 16, i + 24
shared vec4 far[KV_BLOCK * STRIDE]; // keys, then values
shared float tops[ROWS * 8];
shared uint mosts[GROUPS], sequences[GROUPS];

// Of the invocation's load i: which key, and which quad of the piece. Keys lie in memory as 8 keys by a quad, values one by one.
uint load (uint i) { return gl_LocalInvocationID.x + i * LOCAL; }
bool is_load (uint i) { return (i + 1) * LOCAL <= KV_BLOCK * PIECE_QUADS || load (i) < KV_BLOCK * PIECE_QUADS; }
uint load_key (uint i) { return load (i) / (8 * PIECE_QUADS) * 8 + eighth (); }
uint load_key_quad (uint i) { return load (i) / 8 % PIECE_QUADS; }
uint load_value (uint i) { return load (i) / PIECE_QUADS; }
uint load_value_quad (uint i) { return load (i) % PIECE_QUADS; }

// A quad's place among those of a head; behind the last one that one again, which is not used.
uint quad_of (uint piece, uint i) { return min (piece * PIECE_QUADS + i, QUADS - 1); }

uvec4 fetch_key (uint k_from, uint piece, uint i)
{
    return is_load (i) ? FETCH (k, k_from + (load_key (i) / 8 * QUADS + quad_of (piece, load_key_quad (i))) * 8) : uvec4 (0);
}

uvec4 fetch_value (uint v_from, uint piece, uint i)
{
    return is_load (i) ? FETCH (v, v_from + load_value (i) * QUADS + quad_of (piece, load_value_quad (i))) : uvec4 (0);
}

void put_far (uint i, uint key, uint quad, uvec4 bits)
{
    if (is_load (i))
        [[unroll]] for (uint h = 0; h < FOURS; h++)
            far[key * STRIDE + quad * FOURS + h] = four (bits, h);
}

void main ()
{
    uint row_first = p.row_first + gl_WorkGroupID.x * ROWS, head = p.head_first + gl_WorkGroupID.y, place = gl_LocalInvocationID.x >> 3;
    uint q_from[MOST_EACH], keys[MOST_EACH], seen[MOST_EACH];
    float top[MOST_EACH], total[MOST_EACH]; // total: of the invocation's own keys
    vec4 o[MOST_EACH][PIECES];

    if (gl_LocalInvocationID.x < GROUPS) {
        uint most = 0, sequence = 0;
        [[unroll]] for (uint i = 0; i < 8; i++) {
            uint row = row_first + gl_LocalInvocationID.x * 8 + i, entry = entry_of (min (row, p.m - 1));
            if (row < p.m && keys_of (entry) > 0) {
                most = max (most, keys_of (entry));
                sequence = sequence_of (entry);
            }
        }
        mosts[gl_LocalInvocationID.x] = most;
        sequences[gl_LocalInvocationID.x] = sequence;
    }
    [[unroll]] for (uint i = 0; i < EACH; i++) {
        uint row = row_first + place + i * APART, own = min (row, p.m - 1);
        q_from[i] = (ROW_AT (p.q, own) + head * DIM) / 4;
        keys[i] = row < p.m ? keys_of (entry_of (own)) : 0;
        top[i] = NOTHING;
        total[i] = 0;
        [[unroll]] for (uint g = 0; g < PIECES; g++)
            o[i][g] = vec4 (0);
    }
    barrier ();

    // One run of groups after the other, of one sequence each; meanwhile rows of other runs see nothing.
    for (uint first = 0, end; first < GROUPS; first = end) {
        uint sequence = sequences[first], most = mosts[first];
        for (end = first + 1; end < GROUPS && sequences[end] == sequence; end++)
            most = max (most, mosts[end]);
        [[unroll]] for (uint i = 0; i < EACH; i++) {
            uint group = (place + i * APART) / 8;
            seen[i] = group >= first && group < end ? keys[i] : 0;
        }

        for (uint turn = 0; turn * KV_BLOCK < most; turn++) {
            uint number;
            if (!is_bound (sequence, turn, head, number))
                continue;

            uint k_from = keys_of_head (number), v_from = values_of_head (number);
            STEPS (steps, k_from);
            uvec4 bits[MOST_LOADS];
            vec4 s[MOST_EACH];
            [[unroll]] for (uint i = 0; i < EACH; i++)
                s[i] = vec4 (0);
            [[unroll]] for (uint g = 0; g < PIECES; g++) {
                vec4 queries[MOST_EACH];
                [[unroll]] for (uint i = 0; i < EACH; i++)
                    queries[i] = F (FETCH (q, q_from[i] + min (g * PIECE + eighth (), DIM / 4 - 1)));
                [[unroll]] for (uint i = 0; i < LOADS; i++)
                    bits[i] = fetch_key (k_from, g, i);
                barrier ();
                [[unroll]] for (uint i = 0; i < EACH; i++)
                    near[(place + i * APART) * STRIDE + eighth ()] = queries[i];
                [[unroll]] for (uint i = 0; i < LOADS; i++)
                    put_far (i, load_key (i), load_key_quad (i), bits[i]);
                barrier ();
                [[unroll]] for (uint f = 0; f < PIECE; f++) {
                    if (g * PIECE + f >= DIM / 4)
                        continue;
                    vec4 b[4];
                    [[unroll]] for (uint j = 0; j < 4; j++)
                        b[j] = far[(j * 8 + eighth ()) * STRIDE + f];
                    [[unroll]] for (uint i = 0; i < EACH; i++) {
                        vec4 a = near[(place + i * APART) * STRIDE + f];
                        [[unroll]] for (uint j = 0; j < 4; j++)
                            s[i][j] = fma (a.x, b[j].x, fma (a.y, b[j].y, fma (a.z, b[j].z, fma (a.w, b[j].w, s[i][j]))));
                    }
                }
            }

            [[unroll]] for (uint i = 0; i < EACH; i++) {
                [[unroll]] for (uint b = 0; b < 4; b++)
                    s[i][b] = turn * KV_BLOCK + b * 8 + eighth () < seen[i] ? KEY_SCORE (s[i][b], steps, b) * p.scale : NEVER;
                tops[(place + i * APART) * 8 + eighth ()] = max (max (s[i].x, s[i].y), max (s[i].z, s[i].w));
            }
            [[unroll]] for (uint i = 0; i < LOADS; i++)
                bits[i] = fetch_value (v_from, 0, i);
            barrier ();
            [[unroll]] for (uint i = 0; i < EACH; i++) {
                float t = top[i];
                [[unroll]] for (uint l = 0; l < 8; l++)
                    t = max (t, tops[(place + i * APART) * 8 + l]);
                float fade = exp2 (top[i] - t);
                top[i] = t;
                s[i] = exp2 (s[i] - t);
                total[i] = total[i] * fade + ((s[i].x + s[i].y) + (s[i].z + s[i].w));
                [[unroll]] for (uint b = 0; b < 4; b++)
                    s[i][b] = VALUE_WEIGHT (s[i][b], steps, b);
                near[(place + i * APART) * STRIDE + eighth ()] = s[i];
                [[unroll]] for (uint g = 0; g < PIECES; g++)
                    o[i][g] *= fade;
            }

            [[unroll]] for (uint g = 0; g < PIECES; g++) {
                if (g > 0) {
                    [[unroll]] for (uint i = 0; i < LOADS; i++)
                        bits[i] = fetch_value (v_from, g, i);
                    barrier ();
                }
                [[unroll]] for (uint i = 0; i < LOADS; i++)
                    put_far (i, load_value (i), load_value_quad (i), bits[i]);
                barrier ();
                [[unroll]] for (uint f = 0; f < 8; f++) {
                    vec4 b[4];
                    [[unroll]] for (uint j = 0; j < 4; j++)
                        b[j] = far[(j * 8 + f) * STRIDE + eighth ()];
                    [[unroll]] for (uint i = 0; i < EACH; i++) {
                        vec4 a = near[(place + i * APART) * STRIDE + f];
                        [[unroll]] for (uint j = 0; j < 4; j++)
                            o[i][g] = fma (vec4 (a[j]), b[j], o[i][g]);
                    }
                }
            }
        }
    }

    [[unroll]] for (uint i = 0; i < EACH; i++)
        tops[(place + i * APART) * 8 + eighth ()] = total[i];
    barrier ();
    [[unroll]] for (uint i = 0; i < EACH; i++) {
        uint row = row_first + place + i * APART, to = result_at (row, head, p.part_first);
        float sum = 0;
        [[unroll]] for (uint l = 0; l < 8; l++)
            sum += tops[(place + i * APART) * 8 + l];
        [[unroll]] for (uint g = 0; g < PIECES; g++)
            if (row < p.m && g * PIECE + eighth () < DIM / 4)
                y[to + g * PIECE + eighth ()] = o[i][g] * result_factor (sum);
        if (PARTIAL && row < p.m && eighth () == 0)
            y[to + DIM / 4] = vec4 (top[i], sum, 0, 0);
    }
}

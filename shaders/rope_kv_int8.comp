#version 450
// Rotates queries and keys, and puts keys and values into a cache of bytes: an octet takes a query's head, or a key's and its value's.
// The largest number of a key, or of a value, decides the step of its bytes.
#extension GL_GOOGLE_include_directive : require
#include "rope_kv.glsl"

const uint LANE_FOURS = (DIM / 4 + 7) / 8; // a lane takes g * 8 + lane ()

uint own_four (uint g) { return g * 8 + lane (); }
bool has_four (uint g) { return own_four (g) < DIM / 4; }

// Rounded up to bf16, so that no byte is beyond 127, and never infinite: a key that no row sees has weight 0, and 0 times infinity
// would be NaN for the block's next owner. What is too small to divide by is nothing.
float step_of (vec4 x[LANE_FOURS])
{
    vec4 most = vec4 (0);
    [[unroll]] for (uint g = 0; g < LANE_FOURS; g++)
        most = max (most, abs (x[g]));
    float largest = min (lanes_max (max (max (most.x, most.y), max (most.z, most.w))), 1e30);
    return largest < 1e-28 ? 0.0 : F ((floatBitsToUint (largest * (1.0 / 127.0)) + 0xffffu) & 0xffff0000u);
}

uint packed (vec4 x, float step)
{
    uvec4 n = uvec4 (ivec4 (clamp (roundEven (x * (step > 0 ? 1.0 / step : 0.0)), -127.0, 127.0))) & 0xffu;
    return n.x | n.y << 8 | n.z << 16 | n.w << 24;
}

void main ()
{
    uint head = octet ();
    if (row () >= p.m || head >= p.heads_q + p.heads)
        return;

    uint from = (ROW_AT (p.qkv, row ()) + head * DIM) / 4;
    vec4 a[LANE_FOURS], b[LANE_FOURS];
    [[unroll]] for (uint g = 0; g < LANE_FOURS; g++)
        a[g] = has_four (g) ? rotated (from, min (own_four (g), DIM / 4 - 1)) : vec4 (0);

    if (head < p.heads_q) {
        uint to = (ROW_AT (p.q, row ()) + head * DIM) / 4;
        [[unroll]] for (uint g = 0; g < LANE_FOURS; g++)
            if (p.window_first == 0 && has_four (g))
                q[to + own_four (g)] = a[g];
        return;
    }

    uint slot = rows[ROW_AT (p.rows, row ())], block = slot / KV_BLOCK - p.window_first, place = slot % KV_BLOCK;
    if (slot == 0xffffffffu || block >= p.window_blocks)
        return;

    [[unroll]] for (uint g = 0; g < LANE_FOURS; g++)
        b[g] = has_four (g) ? F (FETCH (qkv, from + p.heads * (DIM / 4) + min (own_four (g), DIM / 4 - 1))) : vec4 (0);
    float k_step = step_of (a), v_step = step_of (b);

    uint number = block * p.heads + head - p.heads_q;
    uint k_to = p.k_first / 4 + number * (KV_BLOCK * QUADS + STEP_QUADS), v_to = p.v_first / 4 + number * KV_BLOCK * QUADS;
    if (lane () == 0)
        k[k_to + place % 8][place / 8] = floatBitsToUint (k_step) >> 16 | floatBitsToUint (v_step);
    [[unroll]] for (uint g = 0; g < LANE_FOURS; g++)
        if (has_four (g)) {
            uint quad = own_four (g) / 4, word = own_four (g) % 4;
            k[k_to + STEP_QUADS + ((place / 8) * QUADS + quad) * 8 + place % 8][word] = packed (a[g], k_step);
            v[v_to + place * QUADS + quad][word] = packed (b[g], v_step);
        }
}

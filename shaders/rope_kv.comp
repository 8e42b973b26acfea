#version 450
// Rotates queries and keys, and puts keys and values into the cache: an invocation takes 8 columns of one head.
#extension GL_GOOGLE_include_directive : require
#include "rope_kv.glsl"

// Never infinite: a key that no row sees has weight 0, and 0 times infinity would be NaN for the block's next owner.
uvec4 packed (vec4 a, vec4 b)
{
    a = clamp (a, -65504.0, 65504.0);
    b = clamp (b, -65504.0, 65504.0);
    return uvec4 (packHalf2x16 (a.xy), packHalf2x16 (a.zw), packHalf2x16 (b.xy), packHalf2x16 (b.zw));
}

void main ()
{
    const uint units = DIM / 8;
    uint head = gl_GlobalInvocationID.x / units, unit = gl_GlobalInvocationID.x % units;
    if (row () >= p.m || head >= p.heads_q + 2 * p.heads)
        return;

    uint from = (ROW_AT (p.qkv, row ()) + head * DIM) / 4;
    if (head < p.heads_q) {
        if (p.window_first > 0)
            return;
        uint to = (ROW_AT (p.q, row ()) + head * DIM) / 4 + 2 * unit;
        q[to] = rotated (from, 2 * unit);
        q[to + 1] = rotated (from, 2 * unit + 1);
        return;
    }

    uint slot = rows[ROW_AT (p.rows, row ())], block = slot / KV_BLOCK - p.window_first, place = slot % KV_BLOCK;
    if (slot == 0xffffffffu || block >= p.window_blocks)
        return;

    bool key = head < p.heads_q + p.heads;
    uint to = (block * p.heads + (head - p.heads_q) % p.heads) * KV_BLOCK * QUADS, quad_first = unit * (2 / FOURS);
    vec4 a, b;
    if (key) {
        a = rotated (from, 2 * unit);
        b = rotated (from, 2 * unit + 1);
        to += p.k_first / (4 * FOURS) + ((place / 8) * QUADS + quad_first) * 8 + place % 8;
    } else {
        a = F (FETCH (qkv, from + 2 * unit));
        b = F (FETCH (qkv, from + 2 * unit + 1));
        to += p.v_first / (4 * FOURS) + place * QUADS + quad_first;
    }
#ifdef ELEMENT_F16
    if (key)
        k[to] = packed (a, b);
    else
        v[to] = packed (a, b);
#else
    if (key) {
        k[to] = floatBitsToUint (a);
        k[to + 8] = floatBitsToUint (b);
    } else {
        v[to] = floatBitsToUint (a);
        v[to + 1] = floatBitsToUint (b);
    }
#endif
}

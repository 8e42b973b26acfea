#version 450
// Rotates queries and keys, and puts keys and values into the cache: an invocation takes 8 columns of one head.
#extension GL_GOOGLE_include_directive : require
#include "rope_kv.glsl"

#ifdef ELEMENT_F16
// f16 to nearest even, and by words: packHalf2x16 may truncate, and make zeros of the smallest. Never infinite nor NaN: a key that no
// row sees has weight 0, and 0 times infinity would be NaN for the block's next owner.
uvec4 narrowed (vec4 x)
{
    const uint LEAST = 113u << 23, MOST = 0x477fe000u; // of f16: the normal one, and all
    uvec4 u = floatBitsToUint (x), size = min (u & 0x7fffffffu, uvec4 (MOST));
    uvec4 normal = (size - (112u << 23) + 0xfffu + (size >> 13 & 1u)) >> 13;
    uvec4 shift = clamp (126u - (size >> 23), 14u, 25u), digits = size & 0x7fffffu | 0x800000u; // 2^-24 is 1
    uvec4 small = (digits + (uvec4 (1) << (shift - 1u)) - 1u + (digits >> shift & 1u)) >> shift;
    return mix (normal, small, lessThan (size, uvec4 (LEAST))) | u >> 16 & 0x8000u;
}

uvec4 packed (vec4 a, vec4 b)
{
    uvec4 i = narrowed (a), j = narrowed (b);
    return uvec4 (i.x | i.y << 16, i.z | i.w << 16, j.x | j.y << 16, j.z | j.w << 16);
}
#endif

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

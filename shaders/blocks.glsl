// Weights of TYPE_Q8 or, with -D BLOCK_Q4, of TYPE_Q4: blocks of 32 columns of 8 rows, as vk/memory.h has them.

// Whether k is no multiple of 32: columns of padding have least values and count unless x is zero there.
layout (constant_id = 2) const bool RAGGED = false;

#ifdef BLOCK_Q8
#define BLOCK_QUADS 17u
#else
#define BLOCK_QUADS 10u
#endif

// The first block of the 8 rows that a lane's 4 columns are of, and whether these are the upper 4.
#define WEIGHTS_AT uvec2
WEIGHTS_AT weights_at (uint column)
{
    uint row = weights_row (column);
    return uvec2 (row / 8u * (p.k / 32u) * BLOCK_QUADS, row / 4u % 2u);
}

vec4 x_four (uvec4 quad, uint k)
{
    vec4 v = F (quad);
#ifdef BLOCK_Q4
    if (RAGGED)
        v = mix (v, vec4 (0.0), greaterThanEqual (uvec4 (k, k + 1u, k + 2u, k + 3u), uvec4 (p.k_end)));
#endif
    return v;
}

#ifdef BLOCK_Q8
// The scales of the 4 columns.
vec4 fetch_scales (WEIGHTS_AT at)
{
    uvec4 quad = FETCH (weights, at.x);
    return halves (at.y == 0u ? quad.xy : quad.zw);
}

// Columns 16 * h to 16 * h + 15 of one of the 4 rows.
uvec4 fetch_bytes (WEIGHTS_AT at, uint h, uint c) { return FETCH (weights, at.x + 1u + h * 8u + at.y * 4u + c); }
#else
// The scales of the 4 columns, and their least values.
void fetch_fits (WEIGHTS_AT at, out vec4 scale, out vec4 low)
{
    uvec4 quad = FETCH (weights, at.x + at.y);
    vec4 a = halves (quad.xy), b = halves (quad.zw);
    scale = vec4 (a.xz, b.xz);
    low = vec4 (a.yw, b.yw);
}

// Columns 16 * h to 16 * h + 15 of two of the 4 rows.
uvec4 fetch_pairs (WEIGHTS_AT at, uint h, uint pair) { return FETCH (weights, at.x + 2u + h * 4u + at.y * 2u + pair); }
#endif

// Weights 8 * k8 to 8 * k8 + 7 of the 4 columns.
void fetch_weights (WEIGHTS_AT at, uint k8, out float w[4][8])
{
    uint h = k8 / 2u % 2u;
    bool upper = (k8 & 1u) != 0u;
    at.x += k8 / 4u * BLOCK_QUADS;
#ifdef BLOCK_Q8
    vec4 scale = fetch_scales (at);
    [[unroll]] for (uint c = 0u; c < 4u; c++) {
        uvec4 quad = fetch_bytes (at, h, c);
        ivec2 words = ivec2 (upper ? quad.zw : quad.xy);
        [[unroll]] for (uint j = 0u; j < 8u; j++)
            w[c][j] = float ((words[j / 4u] << 24u - j % 4u * 8u) >> 24) * scale[c];
    }
#else
    vec4 scale, low;
    fetch_fits (at, scale, low);
    [[unroll]] for (uint pair = 0u; pair < 2u; pair++) {
        uvec4 quad = fetch_pairs (at, h, pair);
        uvec2 words = upper ? quad.zw : quad.xy;
        [[unroll]] for (uint c = 0u; c < 2u; c++)
            [[unroll]] for (uint j = 0u; j < 8u; j++) {
                int bits = int (words[j / 4u] >> (c * 16u + j % 4u * 4u) & 15u);
                w[pair * 2u + c][j] = float (bits) * scale[pair * 2u + c] + low[pair * 2u + c];
            }
    }
#endif
}

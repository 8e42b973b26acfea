// Weights of every type for the kernels of GPUs: what is read of them, and the numbers that these reads hold. The reads of a turn stand
// together in front of the arithmetic, so that many are under way.

#ifndef FOURS
// Of TYPE_Q8 and TYPE_Q4, as vk/memory.h has them. A weight is scale * code + low, where codes are no less than 0.
#ifdef BLOCK_Q8
#define BLOCK_QUADS 17u
#else
#define BLOCK_QUADS 10u
// Whether k is no multiple of 32: columns of padding have least values, and count unless x is zero there.
layout (constant_id = 4) const bool RAGGED = false;
#endif

// The first block of the 8 rows that a column's weights are of.
uint weights_at (uint column) { return weights_row (column) / 8u * (p.k / 32u) * BLOCK_QUADS; }

vec4 bytes (uint word) { return vec4 (word & 0xffu, word >> 8 & 0xffu, word >> 16 & 0xffu, word >> 24); }

#ifdef BLOCK_Q8
// The word of a block that has scale and low of its row r.
uint fetch_fit (uint block, uint r) { return FETCH (weights, block)[r / 2u] >> r % 2u * 16u; }

vec2 fit (uint word)
{
    float scale = halves (uvec2 (word, 0u)).x;
    return vec2 (scale, -128.0 * scale); // codes are signed bytes plus 128
}

// The quad with columns 16 * h to 16 * h + 15 of row r.
uint quad_of (uint block, uint h, uint r) { return block + 1u + h * 8u + r; }

// A word's codes, of the row r.
vec4 codes (uint word, uint r) { return bytes (word ^ 0x80808080u); }
#else
uint fetch_fit (uint block, uint r) { return FETCH (weights, block + r / 4u)[r % 4u]; }

vec2 fit (uint word) { return halves (uvec2 (word, 0u)).xy; }

uint quad_of (uint block, uint h, uint r) { return block + 2u + h * 4u + r / 2u; }

vec4 codes (uint word, uint r)
{
    vec4 even = bytes (word & 0x0f0f0f0fu), odd = bytes (word >> 4 & 0x0f0f0f0fu);
    return r % 2u == 0u ? vec4 (even.x, odd.x, even.y, odd.y) : vec4 (even.z, odd.z, even.w, odd.w);
}
#endif
#endif

// Whether column `k` of x counts.
#ifdef BLOCK_Q4
#define COUNTS(k) (!RAGGED || (k) < p.k_end)
#else
#define COUNTS(k) true
#endif

// Weights 8 * k8 to 8 * k8 + 7 of a column, which is row r of the 8 that `at` begins; four_of (e, i): the i-th four of them.
#ifdef FOURS
struct Eight {
    uvec4 quads[QUADS];
};

Eight fetch_eight (uint at, uint r, uint k8)
{
    Eight e;
    [[unroll]] for (uint h = 0u; h < QUADS; h++)
        e.quads[h] = FETCH (weights, at + (k8 * QUADS + h) * 8u);
    return e;
}

vec4 four_of (Eight e, uint i) { return four (e.quads[i / FOURS], i % FOURS); }
#else
struct Eight {
    uvec2 words;
    uint fit;
};

Eight fetch_eight (uint at, uint r, uint k8)
{
    uint block = at + k8 / 4u * BLOCK_QUADS, quad = quad_of (block, k8 / 2u % 2u, r), first = k8 % 2u * 2u;
    Eight e;
    e.words = uvec2 (FETCH (weights, quad)[first], FETCH (weights, quad)[first + 1u]);
#ifdef BLOCK_Q4
    e.words >>= r % 2u * 16u;
#endif
    e.fit = fetch_fit (block, r);
    return e;
}

vec4 four_of (Eight e, uint i)
{
    vec2 f = fit (e.fit);
    return fma (codes (e.words[i], 0u), vec4 (f.x), vec4 (f.y));
}
#endif

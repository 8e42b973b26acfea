// The cache of keys and values: blocks of KV_BLOCK keys; a block holds one head after the other, in quads (see vk/ops.h).
// Elements are f32 or f16 by the -D of elements.glsl, or signed bytes with -D KV_INT8; DIM is a head's size.

#ifdef KV_INT8
#define FOURS 4
// 2^24 times the bytes' numbers: in the highest bits of a word they keep their sign.
vec4 four (uvec4 u, uint i)
{
    uint w = u[i];
    return vec4 (ivec4 (uvec4 (w << 24, w << 16 & 0xff000000u, w << 8 & 0xff000000u, w & 0xff000000u)));
}

const uint QUADS = (DIM + 15) / 16; // of a key, and of a value; bytes behind the last are zeros
const uint STEP_QUADS = 8;          // in front of a head's keys
#else
#include "elements.glsl"

const uint QUADS = DIM / (4 * FOURS); // of a key, and of a value
#endif

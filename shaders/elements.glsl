// What a quad (16 bytes) of a tensor holds: FOURS times 4 elements. 4 f32 or, with -D ELEMENT_F16 or -D ELEMENT_BF16, 8 elements of
// 16 bits. four (quad, i): the i-th four of them.

#if defined ELEMENT_F16 || defined BLOCK_Q8 || defined BLOCK_Q4
// Of f16's exponents the lowest is that of zeros and of what is too small for one, the highest that of infinities and NaN.
vec4 plain_halves (uvec2 h)
{
    uvec4 u = uvec4 (h.x & 0xffffu, h.x >> 16, h.y & 0xffffu, h.y >> 16), exponent = u & 0x7c00u;
    uvec4 lowest = floatBitsToUint (vec4 (u & 0x3ffu) * 5.9604644775390625e-8);
    uvec4 offset = mix (uvec4 (112u << 23), uvec4 (224u << 23), equal (exponent, uvec4 (0x7c00u)));
    uvec4 bits = mix (((u & 0x7fffu) << 13) + offset, lowest, equal (exponent, uvec4 (0)));
    return uintBitsToFloat (bits | (u & 0x8000u) << 16);
}

vec4 halves (uvec2 h)
{
#ifdef NO_SUBGROUP
    return plain_halves (h); // with a choice in it attention takes SwiftShader's compiler gigabytes
#else
    return PLAIN_HALVES ? plain_halves (h) : vec4 (unpackHalf2x16 (h.x), unpackHalf2x16 (h.y));
#endif
}
#endif

#if defined ELEMENT_F16
#define FOURS 2
vec4 four (uvec4 u, uint i) { return halves (i == 0 ? u.xy : u.zw); }
#elif defined ELEMENT_BF16
#define FOURS 2
vec4 four (uvec4 u, uint i)
{
    uvec2 h = i == 0 ? u.xy : u.zw;
    return uintBitsToFloat (uvec4 (h.x << 16, h.x & 0xffff0000u, h.y << 16, h.y & 0xffff0000u));
}
#elif !defined BLOCK_Q8 && !defined BLOCK_Q4
#define FOURS 1
vec4 four (uvec4 u, uint i) { return uintBitsToFloat (u); }
#endif

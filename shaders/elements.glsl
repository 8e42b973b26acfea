// What a quad (16 bytes) of a tensor holds: FOURS times 4 elements. 4 f32 or, with -D ELEMENT_F16 or -D ELEMENT_BF16, 8 elements of
// 16 bits. four (quad, i): the i-th four of them.

#if defined ELEMENT_F16
#define FOURS 2
vec4 four (uvec4 u, uint i)
{
    uvec2 h = i == 0 ? u.xy : u.zw;
    return vec4 (unpackHalf2x16 (h.x), unpackHalf2x16 (h.y));
}
#elif defined ELEMENT_BF16
#define FOURS 2
vec4 four (uvec4 u, uint i)
{
    uvec2 h = i == 0 ? u.xy : u.zw;
    return uintBitsToFloat (uvec4 (h.x << 16, h.x & 0xffff0000u, h.y << 16, h.y & 0xffff0000u));
}
#else
#define FOURS 1
vec4 four (uvec4 u, uint i) { return uintBitsToFloat (u); }
#endif

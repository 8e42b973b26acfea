// What 16 bytes of a tensor hold: 4 f32, or 8 elements of 16 bits (-D ELEMENT_F16, -D ELEMENT_BF16) as two quarters of 4.

#if defined ELEMENT_F16
#define QUARTERS 2
vec4 quarter (uvec4 u, uint i)
{
    uvec2 h = i == 0 ? u.xy : u.zw;
    return vec4 (unpackHalf2x16 (h.x), unpackHalf2x16 (h.y));
}
#elif defined ELEMENT_BF16
#define QUARTERS 2
vec4 quarter (uvec4 u, uint i)
{
    uvec2 h = i == 0 ? u.xy : u.zw;
    return uintBitsToFloat (uvec4 (h.x << 16, h.x & 0xffff0000u, h.y << 16, h.y & 0xffff0000u));
}
#else
#define QUARTERS 1
vec4 quarter (uvec4 u, uint i) { return uintBitsToFloat (u); }
#endif

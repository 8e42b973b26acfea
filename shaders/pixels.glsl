// 4 words from word n (0..3) on of two neighbouring quads.
uvec4 slid (uvec4 a, uvec4 b, uint n)
{
    uvec4 low = (n & 1u) == 0 ? a : uvec4 (a.yzw, b.x);
    uvec2 high = (n & 1u) == 0 ? b.xy : b.yz;
    return (n & 2u) == 0 ? low : uvec4 (low.zw, high);
}

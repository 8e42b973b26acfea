#version 450
// Turns a picture's bytes, of any format and from any byte on, into one pixel a word, upright: 4 pixels an invocation.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "rows.glsl"
#include "pixels.glsl"

layout (constant_id = 0) const uint FORMAT = FORMAT_RGB;
layout (constant_id = 1) const bool ALONG = true; // neighbours in a row of the result are neighbours in the source, left to right

layout (binding = 0, std430) writeonly buffer Y { uvec4 y[]; };
BULK (1, src)
layout (push_constant) uniform Push { UnpackPush p; };

// 16 bytes from byte `at` on; undefined after the end.
uvec4 bytes (uint at)
{
    uint word = at / 4, last = p.src_quads - 1, shift = 8 * (at % 4);
    uvec4 a = FETCH (src, min (word / 4, last)), b = FETCH (src, min (word / 4 + 1, last));
    uvec4 w = slid (a, b, word % 4);
    if (shift > 0)
        w = w >> shift | uvec4 (w.yzw, slid (b, b, word % 4).x) << (32 - shift);
    return w;
}

uvec4 spread (uint w) { return uvec4 (w, w >> 8, w >> 16, w >> 24) & 255u; }

uvec4 swapped (uvec4 w) { return w >> 16 & 0xffu | w & 0xff00u | w << 16 & 0xff0000u; }

// 4 pixels of 3 bytes.
uvec4 threes (uvec4 w) { return uvec4 (w.x, w.x >> 24 | w.y << 8, w.y >> 16 | w.z << 16, w.z >> 8) & 0xffffffu; }

// The samples of 4 pixels from column x on, where two pixels share one.
uvec4 doubled (uvec3 v, uint x) { return (x & 1u) == 0 ? v.xxyy : v.xyyz; }

uvec4 rounded (vec4 v) { return uvec4 (clamp (v + 0.5, 0.0, 255.0)); }

uvec4 coloured (uvec4 luma, uvec4 u_bytes, uvec4 v_bytes)
{
    vec4 l = (vec4 (luma) - p.luma_first) * p.luma_scale, u = vec4 (u_bytes) - 128.0, v = vec4 (v_bytes) - 128.0;
    return rounded (l + p.red_v * v) | rounded (l + p.green_u * u + p.green_v * v) << 8 | rounded (l + p.blue_u * u) << 16;
}

// 4 neighbouring pixels of a row of the source.
uvec4 run (ivec2 from)
{
    uint x = uint (from.x), at = p.plane_first[0] + uint (from.y) * p.plane_stride[0];
    uint at_u = p.plane_first[1] + uint (from.y) / 2 * p.plane_stride[1];
    uint at_v = p.plane_first[2] + uint (from.y) / 2 * p.plane_stride[2];

    if (FORMAT == FORMAT_RGB)
        return threes (bytes (at + 3 * x));
    if (FORMAT == FORMAT_BGR)
        return swapped (threes (bytes (at + 3 * x)));
    if (FORMAT == FORMAT_RGBX)
        return bytes (at + 4 * x) & 0xffffffu;
    if (FORMAT == FORMAT_BGRX)
        return swapped (bytes (at + 4 * x));

    uvec4 luma = spread (bytes (at + x).x);
    if (FORMAT == FORMAT_GRAY)
        return rounded ((vec4 (luma) - p.luma_first) * p.luma_scale) * 0x010101u;
    if (FORMAT == FORMAT_NV12) {
        uvec4 w = bytes (at_u + x / 2 * 2), pairs = doubled (uvec3 (w.x, w.x >> 16, w.y), x);
        return coloured (luma, pairs & 255u, pairs >> 8 & 255u);
    }
    return coloured (luma, doubled (spread (bytes (at_u + x / 2).x).xyz, x), doubled (spread (bytes (at_v + x / 2).x).xyz, x));
}

void main ()
{
    uint first = 4 * quad ();
    if (row () >= p.m || first >= p.n)
        return;

    ivec2 right = ivec2 (p.right_x, p.right_y);
    ivec2 from = ivec2 (p.from_x, p.from_y) + int (first) * right + int (row ()) * ivec2 (p.down_x, p.down_y);
    uvec4 pixels;
    if (ALONG)
        pixels = run (from);
    else
        pixels = uvec4 (run (from).x, run (from + right).x, run (from + 2 * right).x, run (from + 3 * right).x);
    pixels = mix (uvec4 (0), pixels, lessThan (first + uvec4 (0, 1, 2, 3), uvec4 (p.n)));
    y[ROW_AT (p.y, row ()) / 4 + quad ()] = pixels;
}

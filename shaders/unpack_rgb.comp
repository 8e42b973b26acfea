#version 450
// Rows of 3 bytes a pixel, at any byte, to one pixel a word: 4 pixels an invocation.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "rows.glsl"
#include "pixels.glsl"

layout (binding = 0, std430) writeonly buffer Y { uvec4 y[]; };
BULK (1, src)
layout (push_constant) uniform Push { UnpackPush p; };

void main ()
{
    if (row () >= p.m || piece () >= (p.n + 3) / 4)
        return;

    uint at = p.src_first + row () * p.src_stride + 12 * piece (), word = at / 4, last = p.src_pieces - 1;
    uvec4 w = slid (FETCH (src, min (word / 4, last)), FETCH (src, min (word / 4 + 1, last)), word % 4);
    uint shift = 8 * (at % 4);
    if (shift > 0)
        w.xyz = w.xyz >> shift | w.yzw << (32 - shift);

    uvec4 pixels = uvec4 (w.x, w.x >> 24 | w.y << 8, w.y >> 16 | w.z << 16, w.z >> 8) & 0xffffffu;
    pixels = mix (uvec4 (0), pixels, lessThan (4 * piece () + uvec4 (0, 1, 2, 3), uvec4 (p.n)));
    y[(p.y_first + row () * p.y_stride) / 4 + piece ()] = pixels;
}

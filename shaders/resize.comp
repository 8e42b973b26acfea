#version 450
// Pillow's resample, one direction: fixed-point taps of 22 bits, 8 bits a channel between the passes. 4 taps a turn, as they lie
// in a quad. -D COLUMNS: along a row, one pixel an invocation. Else down the columns, 4 neighbouring pixels an invocation.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "rows.glsl"
#include "pixels.glsl"

#ifdef COLUMNS
layout (binding = 0, std430) writeonly buffer Y { uint y[]; };
#else
layout (binding = 0, std430) writeonly buffer Y { uvec4 y[]; };
#endif
BULK (1, x)
BULK (2, taps)
layout (binding = 3, std430) readonly buffer Bounds { uint bounds[]; };
layout (push_constant) uniform Push { ResizePush p; };

ivec3 channels (uint pixel) { return ivec3 (pixel & 255u, pixel >> 8 & 255u, pixel >> 16 & 255u); }

uint rounded (ivec3 sum)
{
    uvec3 v = uvec3 (clamp (sum + (1 << 21) >> 22, 0, 255));
    return v.x | v.y << 8 | v.z << 16;
}

// The 4 taps from j; those after the last are 0.
ivec4 taps_of (uint i, uint j, uint count)
{
    ivec4 t = ivec4 (FETCH (taps, (ROW_AT (p.taps, i) + j) / 4));
    return mix (ivec4 (0), t, lessThan (j + uvec4 (0, 1, 2, 3), uvec4 (count)));
}

void main ()
{
#ifdef COLUMNS
    uint i = gl_GlobalInvocationID.x;
    if (row () >= p.m || i >= p.n)
        return;
    uint start = bounds[ROW_AT (p.bounds, i)], count = bounds[ROW_AT (p.bounds, i) + 1];
    uint from = ROW_AT (p.x, row ()) + start, last = p.x_quads - 1;

    ivec3 sum = ivec3 (0);
    uvec4 next = FETCH (x, min (from / 4, last));
    for (uint j = 0; j < count; j += 4) {
        uvec4 here = next;
        next = FETCH (x, min ((from + j) / 4 + 1, last));
        uvec4 pixels = slid (here, next, from % 4);
        ivec4 t = taps_of (i, j, count);
        [[unroll]] for (uint e = 0; e < 4; e++)
            sum += t[e] * channels (pixels[e]);
    }
    y[ROW_AT (p.y, row ()) + i] = rounded (sum);
#else
    uint i = row ();
    if (i >= p.m || quad () >= (p.n + 3) / 4)
        return;
    uint start = bounds[ROW_AT (p.bounds, i)], count = bounds[ROW_AT (p.bounds, i) + 1];

    ivec3 sum[4];
    [[unroll]] for (uint e = 0; e < 4; e++)
        sum[e] = ivec3 (0);
    for (uint j = 0; j < count; j += 4) {
        ivec4 t = taps_of (i, j, count);
        [[unroll]] for (uint r = 0; r < 4; r++) {
            uvec4 pixels = FETCH (x, ROW_AT (p.x, min (start + j + r, p.x_rows - 1)) / 4 + quad ());
            [[unroll]] for (uint e = 0; e < 4; e++)
                sum[e] += t[r] * channels (pixels[e]);
        }
    }
    y[ROW_AT (p.y, i) / 4 + quad ()] = uvec4 (rounded (sum[0]), rounded (sum[1]), rounded (sum[2]), rounded (sum[3]));
#endif
}

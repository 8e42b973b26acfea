#version 450
// Layer norm or RMS norm, one workgroup a row. Mean and variance in two passes: the difference of squares would lose precision to
// the row's offset.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "rows.glsl"

layout (constant_id = 0) const bool LAYER = true; // else RMS
layout (constant_id = 1) const bool BIAS = true;

layout (binding = 0, std430) writeonly buffer Y { vec4 y[]; };
BULK (1, x)
BULK (2, weight)
BULK (3, bias)
layout (push_constant) uniform Push { NormPush p; };

shared float octet_sums[SHARED_LANES / 8];

float row_sum (float v)
{
    v = lanes_sum (v);
    if (ONE_OCTET)
        return v;
    if (lane () == 0)
        octet_sums[own_octet ()] = v;
    barrier ();
    v = 0;
    for (uint i = 0; i < gl_WorkGroupSize.x / 8; i++)
        v += octet_sums[i];
    barrier ();
    return v;
}

float sum (vec4 v) { return (v.x + v.y) + (v.z + v.w); }

// Columns after the last one are not part of the row: zeros.
vec4 kept (vec4 v, uint c) { return mix (vec4 (0), v, lessThan (4 * c + uvec4 (0, 1, 2, 3), uvec4 (p.n))); }

void main ()
{
    if (row () >= p.m)
        return;

    uint quads = (p.n + 3) / 4, from = ROW_AT (p.x, row ()) / 4, to = ROW_AT (p.y, row ()) / 4;
    float mean = 0;
    if (LAYER) {
        vec4 total = vec4 (0);
        for (uint c = own_lane (); c < quads; c += gl_WorkGroupSize.x)
            total += kept (F (FETCH (x, from + c)), c);
        mean = row_sum (sum (total)) / float (p.n);
    }

    vec4 squares = vec4 (0);
    for (uint c = own_lane (); c < quads; c += gl_WorkGroupSize.x) {
        vec4 v = kept (F (FETCH (x, from + c)) - mean, c);
        squares += v * v;
    }
    float scale = 1.0 / sqrt (row_sum (sum (squares)) / float (p.n) + p.eps);

    for (uint c = own_lane (); c < quads; c += gl_WorkGroupSize.x) {
        vec4 v = (F (FETCH (x, from + c)) - mean) * scale * F (FETCH (weight, p.weight_first / 4 + c));
        if (BIAS)
            v += F (FETCH (bias, p.bias_first / 4 + c));
        y[to + c] = kept (v, c);
    }
}

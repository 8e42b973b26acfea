#version 450
// How many operations a device's cooperative matrices do at most: they are multiplied in registers. MEASURE_CHAINS of them wait for none of
// the others.
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#include "params.h"
#include "measure.h"

layout (local_size_x_id = SPEC_LOCAL) in;
layout (constant_id = 0) const uint SIDE = 16u;

layout (binding = 0, std430) writeonly buffer Y { vec4 y[]; };
layout (push_constant) uniform Push { uint turns; float factor, term; };

void main ()
{
    coopmat<float16_t, gl_ScopeSubgroup, SIDE, SIDE, gl_MatrixUseA> a;
    coopmat<float16_t, gl_ScopeSubgroup, SIDE, SIDE, gl_MatrixUseB> b;
    coopmat<float, gl_ScopeSubgroup, SIDE, SIDE, gl_MatrixUseAccumulator> sums[MEASURE_CHAINS];
    uint number = gl_WorkGroupID.x * gl_NumSubgroups + gl_SubgroupID;

    for (int i = 0; i < a.length (); i++)
        a[i] = float16_t (factor * float (gl_SubgroupInvocationID + i));
    for (int i = 0; i < b.length (); i++)
        b[i] = float16_t (term * float (gl_SubgroupInvocationID ^ i));
    [[unroll]] for (uint i = 0u; i < MEASURE_CHAINS; i++)
        sums[i] = coopmat<float, gl_ScopeSubgroup, SIDE, SIDE, gl_MatrixUseAccumulator> (float (i)); // of equal chains a compiler computes one
    for (uint turn = 0u; turn < turns; turn++)
        [[unroll]] for (uint again = 0u; again < MEASURE_UNROLLED; again++)
            [[unroll]] for (uint i = 0u; i < MEASURE_CHAINS; i++)
                sums[i] = coopMatMulAdd (a, b, sums[i]);
    [[unroll]] for (uint i = 1u; i < MEASURE_CHAINS; i++)
        sums[0] += sums[i];
    coopMatStore (sums[0], y, number * SIDE * SIDE / 4u, SIDE / 4u, gl_CooperativeMatrixLayoutRowMajor);
}

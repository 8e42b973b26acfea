// What every shader shares: bulk reads in two forms, and groups of 8 lanes that pass values by shuffles.

#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_EXT_control_flow_attributes : require

#include "params.h"

// Local sizes are a device's choice. Lanes work in groups of 8; a workgroup of 8 is one group, which lets shuffles name lanes by
// literals: one permute on lavapipe.
layout (local_size_x_id = 253) in;
layout (constant_id = 252) const bool ONE_GROUP = true;

// Reads of 16 bytes. A texel fetch is one vector operation on lavapipe, a storage read eight scalar ones.
#ifdef STORAGE
#define BULK(at, name) layout (binding = at, std430) readonly buffer Bulk##at { uvec4 name[]; };
#define FETCH(name, i) name[i]
#else
#define BULK(at, name) layout (binding = at) uniform utextureBuffer name;
#define FETCH(name, i) texelFetch (name, int (i))
#endif

#define F(u) uintBitsToFloat (u)

uint lane () { return gl_LocalInvocationID.x & 7u; }
// Number of this group of 8 lanes among all of the dispatch in x.
uint group_of_lanes () { return ONE_GROUP ? gl_WorkGroupID.x : gl_GlobalInvocationID.x >> 3; }

// The value of lane l (a literal) of this group.
#define LANE(v, l) subgroupShuffle (v, ONE_GROUP ? uint (l) : (gl_SubgroupInvocationID & ~7u) + uint (l))

float lanes_max (float v)
{
    v = max (v, subgroupShuffle (v, gl_SubgroupInvocationID ^ 1u));
    v = max (v, subgroupShuffle (v, gl_SubgroupInvocationID ^ 2u));
    return max (v, subgroupShuffle (v, gl_SubgroupInvocationID ^ 4u));
}

float lanes_sum (float v)
{
    v += subgroupShuffle (v, gl_SubgroupInvocationID ^ 1u);
    v += subgroupShuffle (v, gl_SubgroupInvocationID ^ 2u);
    return v + subgroupShuffle (v, gl_SubgroupInvocationID ^ 4u);
}

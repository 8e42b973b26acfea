// What every shader shares: bulk reads in two forms, and octets, whose 8 lanes pass values on in two ways.

#ifndef NO_SUBGROUP
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#endif
#extension GL_EXT_control_flow_attributes : require

#include "params.h"

// Local sizes are a device's choice. Lanes work in octets; a workgroup of 8 is one octet, which lets shuffles name lanes by
// literals: one permute on lavapipe.
layout (local_size_x_id = SPEC_LOCAL) in;
layout (constant_id = SPEC_ONE_OCTET) const bool ONE_OCTET = true;

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
// Number of this octet among all of the dispatch in x.
uint octet () { return ONE_OCTET ? gl_WorkGroupID.x : gl_GlobalInvocationID.x >> 3; }

// Values of the other lanes of this octet, all of which must get here together.
//   POSTED (board, i, l, v): v as lane l (a literal) has it; POSTED4 of a vec4. board: where it is left by POST (board, i, v).
//   lanes_max(), lanes_sum(): of all lanes.
// By shuffles, which need no board. With -D NO_SUBGROUP, for devices without shuffles among 8 lanes, by memory of the workgroup,
// which then is one octet: as all of its lanes take the same way, a barrier is in uniform control flow wherever a shuffle may be.
// What lies between POST and POSTED, and between that and the next POST to the same place, is a MEET.
#ifdef NO_SUBGROUP
#define BOARD(type, board, n) shared type board[n][8];
#define POST(board, i, v) board[i][lane ()] = v
#define MEET barrier ()
#define POSTED(board, i, l, v) board[i][l]
#define POSTED4(board, i, l, v) board[i][l]

BOARD (uint, passed, 1)

// The value of every lane.
void pass (uint v, out uvec4 a, out uvec4 b)
{
    POST (passed, 0, v);
    MEET;
    a = uvec4 (passed[0][0], passed[0][1], passed[0][2], passed[0][3]);
    b = uvec4 (passed[0][4], passed[0][5], passed[0][6], passed[0][7]);
    MEET;
}

uint lanes_max (uint v)
{
    uvec4 a, b;
    pass (v, a, b);
    a = max (a, b);
    return max (max (a.x, a.y), max (a.z, a.w));
}

float lanes_max (float v)
{
    uvec4 a, b;
    pass (floatBitsToUint (v), a, b);
    vec4 m = max (F (a), F (b));
    return max (max (m.x, m.y), max (m.z, m.w));
}

float lanes_sum (float v)
{
    uvec4 a, b;
    pass (floatBitsToUint (v), a, b);
    vec4 s = F (a) + F (b);
    return (s.x + s.y) + (s.z + s.w);
}
#else
#define BOARD(type, board, n)
#define POST(board, i, v)
#define MEET
#define LANE(v, l) subgroupShuffle (v, ONE_OCTET ? uint (l) : (gl_SubgroupInvocationID & ~7u) + uint (l))
#define POSTED(board, i, l, v) LANE (v, l)
#define POSTED4(board, i, l, v) vec4 (LANE (v.x, l), LANE (v.y, l), LANE (v.z, l), LANE (v.w, l))

uint lanes_max (uint v)
{
    v = max (v, subgroupShuffle (v, gl_SubgroupInvocationID ^ 1u));
    v = max (v, subgroupShuffle (v, gl_SubgroupInvocationID ^ 2u));
    return max (v, subgroupShuffle (v, gl_SubgroupInvocationID ^ 4u));
}

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
#endif

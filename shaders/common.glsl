// What every shader shares: bulk reads in two forms, and octets, whose 8 lanes exchange values in two ways. A shader that does not
// work in octets defines NO_OCTETS, and has no subgroup operations then.

#if !defined NO_SUBGROUP && !defined NO_OCTETS
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#endif
#extension GL_EXT_control_flow_attributes : require

#include "params.h"

// The local size depends on the device. Lanes work in octets; in a workgroup of one octet shuffles name lanes by literals, which is
// one permute on lavapipe.
layout (local_size_x_id = SPEC_LOCAL) in;
layout (constant_id = SPEC_ONE_OCTET) const bool ONE_OCTET = true;
// f16 is converted by arithmetic and not by unpackHalf2x16.
layout (constant_id = SPEC_PLAIN_HALVES) const bool PLAIN_HALVES = false;

// Reads of a quad. On lavapipe a texel fetch is one vector operation, a storage read is eight scalar ones.
#ifdef STORAGE
#define BULK(at, name) layout (binding = at, std430) readonly buffer Bulk##at { uvec4 name[]; };
#define FETCH(name, i) name[i]
#else
#define BULK(at, name) layout (binding = at) uniform utextureBuffer name;
#define FETCH(name, i) texelFetch (name, int (i))
#endif

#define F(u) uintBitsToFloat (u)

// The lane of an octet, and the octet of the workgroup. Shuffles know lanes by the subgroup's numbers, and how these go through the
// workgroup is the driver's business: with shuffles nothing here asks for an invocation's number in the workgroup.
#if defined NO_SUBGROUP || defined NO_OCTETS
uint lane () { return gl_LocalInvocationID.x & 7u; }
uint own_octet () { return 0; }
#else
uint lane () { return gl_SubgroupInvocationID & 7u; }
uint own_octet ()
{
    return ONE_OCTET ? 0 : gl_SubgroupID * (gl_WorkGroupSize.x / 8 / gl_NumSubgroups) + (gl_SubgroupInvocationID >> 3);
}
#endif
// Of the workgroup's lanes, octet by octet; and of the dispatch's octets in x.
uint own_lane () { return own_octet () * 8 + lane (); }
uint octet () { return gl_WorkGroupID.x * (gl_WorkGroupSize.x / 8) + own_octet (); }

#ifndef NO_OCTETS
// Values of the other lanes of this octet. All of its lanes must call these together.
//   POSTED (board, i, l, v): the v of lane l (a literal); POSTED4 for a vec4. POST (board, i, v) has left it in board.
//   lanes_max(), lanes_sum(): of all lanes.
// They are shuffles, which need no board. With -D NO_SUBGROUP, for devices without shuffles among 8 lanes, they go through shared
// memory, and a workgroup is one octet: its lanes branch together, so a barrier may stand wherever a shuffle may.
// A MEET is needed between POST and POSTED, and between POSTED and the next POST to the same place.
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
#endif

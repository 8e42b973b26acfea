// What the kernels of rope_kv share: bindings, and the rotation. A row's heads are queries, then keys, then values. The cache is bound
// one window of blocks at a time; the first window also writes the queries.

#include "common.glsl"
#include "rows.glsl"

layout (constant_id = 0) const uint DIM = 96;
layout (constant_id = 1) const bool ROTATE = true;
#include "kv.glsl"

layout (binding = 0, std430) writeonly buffer Q { vec4 q[]; };
layout (binding = 1, std430) writeonly buffer K { uvec4 k[]; };
layout (binding = 2, std430) writeonly buffer V { uvec4 v[]; };
BULK (3, qkv)
BULK (4, rope)
layout (binding = 5, std430) readonly buffer Rows { uint rows[]; };
layout (push_constant) uniform Push { RopeKvPush p; };

// 4 columns of a head, rotated: columns c and c + DIM / 2 are a pair.
vec4 rotated (uint head, uint quad)
{
    const uint half_quads = DIM / 8;
    uint turn = ROW_AT (p.rope, row ()) / 4 + quad % half_quads;
    vec4 x = F (FETCH (qkv, head + quad));
    if (!ROTATE)
        return x;
    vec4 other = F (FETCH (qkv, head + (quad < half_quads ? quad + half_quads : quad - half_quads)));
    vec4 c = F (FETCH (rope, turn)), s = F (FETCH (rope, turn + half_quads));
    return quad < half_quads ? x * c - other * s : x * c + other * s;
}

// What the two kernels of attention share: bindings, what a row sees, where keys and values lie, and how output is stored.

#include "common.glsl"
#include "elements.glsl"

layout (constant_id = 0) const uint DIM = 96;
#include "kv.glsl"
const uint LANE_QUADS = (QUADS + 7) / 8; // quads of a value that a lane takes
const uint LANE_FOURS = LANE_QUADS * FOURS;

layout (binding = 0, std430) writeonly buffer Y { vec4 y[]; };
BULK (1, q)
BULK (2, k)
BULK (3, v)
layout (binding = 4, std430) readonly buffer Rows { uint rows[]; };
layout (binding = 5, std430) readonly buffer Table { uint table[]; };
layout (push_constant) uniform Push { AttentionPush p; };

const float NEVER = -1e30; // the score of a key that is not seen

// Where the entry of a row in `rows` begins, and what it says.
uint entry_of (uint row) { return ROW_AT (p.rows, row); }
uint keys_of (uint entry) { return min (rows[entry + 1], p.blocks * KV_BLOCK); }
uint sequence_of (uint entry) { return rows[entry + 2]; }

// 4 scaled elements of a row's query.
vec4 query_four (uint row, uint head, uint i)
{
    return F (FETCH (q, (ROW_AT (p.q, row) + head * DIM) / 4 + i)) * p.scale;
}

// The first quad of a head's keys, and of its values, in a block of the sequence, counted from the first block of all.
uint head_at (uint sequence, uint block, uint head)
{
    return (table[ROW_AT (p.table, sequence) + block] * p.heads + head / p.shared_by) * KV_BLOCK * QUADS;
}

uint keys_at (uint at) { return p.k_first / (4 * FOURS) + at + lane (); }
uint values_at (uint at) { return p.v_first / (4 * FOURS) + at; }

// A lane's quads g * 8 + lane () of a value and of the output; those behind the last are not stored.
uint value_quad (uint g) { return min (g * 8 + lane (), QUADS - 1); }
bool has_quad (uint g) { return g * 8 + lane () < QUADS; }
uint output_at (uint row, uint head) { return (ROW_AT (p.y, row) + head * DIM) / 4; }
uint output_four (uint g, uint h) { return (g * 8 + lane ()) * FOURS + h; }

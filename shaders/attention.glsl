// What the kernels of attention share: bindings, what a row sees, where keys and values lie, and how output is stored.

#include "common.glsl"

layout (constant_id = 0) const uint DIM = 96;
#include "kv.glsl"
const uint LANE_QUADS = (QUADS + 7) / 8; // quads of a value that a lane takes
const uint LANE_FOURS = LANE_QUADS * FOURS;
const uint HEAD_FOURS = QUADS * FOURS;

layout (binding = 0, std430) writeonly buffer Y { vec4 y[]; };
BULK (1, q)
BULK (2, k)
BULK (3, v)
layout (binding = 4, std430) readonly buffer Rows { uint rows[]; };
layout (binding = 5, std430) readonly buffer Table { uint table[]; };
layout (push_constant) uniform Push { AttentionPush p; };

// Which of eight neighbours this is: these have every eighth key.
#ifdef NO_OCTETS
uint eighth () { return gl_LocalInvocationID.x & 7u; }
#else
uint eighth () { return lane (); }
#endif

const float NEVER = -1e30; // the score of a key that is not seen

// Where the entry of a row in `rows` begins, and what it says.
uint entry_of (uint row) { return ROW_AT (p.rows, row); }
uint keys_of (uint entry) { return min (rows[entry + 1], p.blocks * KV_BLOCK); }
uint sequence_of (uint entry) { return rows[entry + 2]; }

// 4 scaled elements of a row's query; zeros behind the last.
vec4 query_four (uint row, uint head, uint i)
{
    return i < DIM / 4 ? F (FETCH (q, (ROW_AT (p.q, row) + head * DIM) / 4 + i)) * p.scale : vec4 (0);
}

// The number of a head of a block of the sequence, counted over all blocks.
uint head_number (uint sequence, uint block, uint head)
{
    return table[ROW_AT (p.table, sequence) + block] * p.heads + head / p.shared_by;
}

// Where the keys and the values begin of the head of that number. STEPS (from): what four() is to be multiplied by, of key
// b * 8 + eighth () of the head, and of its value.
#ifdef KV_INT8
uint keys_of_head (uint number) { return p.k_first / 4 + number * (KV_BLOCK * QUADS + STEP_QUADS) + STEP_QUADS + eighth (); }
uint values_of_head (uint number) { return p.v_first / 4 + number * KV_BLOCK * QUADS; }

const float BYTE = 1.0 / 16777216.0;
#define STEPS(steps, keys) uvec4 steps = FETCH (k, keys - STEP_QUADS)
#define KEY_SCORE(s, steps, b) ((s) * (F (steps[b] << 16) * BYTE))
#define VALUE_WEIGHT(w, steps, b) ((w) * (F (steps[b] & 0xffff0000u) * BYTE))
#else
uint keys_of_head (uint number) { return p.k_first / (4 * FOURS) + number * KV_BLOCK * QUADS + eighth (); }
uint values_of_head (uint number) { return p.v_first / (4 * FOURS) + number * KV_BLOCK * QUADS; }

#define STEPS(steps, keys)
#define KEY_SCORE(s, steps, b) (s)
#define VALUE_WEIGHT(w, steps, b) (w)
#endif

uint output_at (uint row, uint head) { return (ROW_AT (p.y, row) + head * DIM) / 4; }

#ifndef NO_OCTETS
// A lane's quads g * 8 + lane () of a value, and its fours of the output; those behind the last are not stored.
uint value_quad (uint g) { return min (g * 8 + lane (), QUADS - 1); }
uint output_four (uint g, uint h) { return (g * 8 + lane ()) * FOURS + h; }
bool has_four (uint g, uint h) { return output_four (g, h) < DIM / 4; }
#endif

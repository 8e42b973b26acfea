#version 450
// The best of each row and the sum of its exponentials, in two passes. Columns go by blocks of TOP_BLOCK, blocks by spans of as
// many. -D BLOCKS: the greatest of each block, and its sum. Else: an octet takes from its row the greatest that is left, over and
// over; only the block and the span that it came from have then to be looked at again.
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "rows.glsl"

#ifdef BLOCKS
layout (binding = 0, std430) writeonly buffer Work { uint work[]; };
BULK (1, x)
#else
layout (binding = 0, std430) writeonly buffer Y { uint y[]; };
BULK (1, x)
// A lane reads only what it or the first pass wrote: no barriers.
layout (binding = 2, std430) buffer Work { uint work[]; };
#endif
layout (push_constant) uniform Push { TopPush p; };

// Numbers as words in the same order, so that a device's own rules for NaN, infinities and zeros do not matter. 0 is no number.
const uint LEAST = 0x007fffffu; // of -infinity

uvec4 keys (uvec4 bits, uint column)
{
    bits = mix (bits, uvec4 (0xff800000u), greaterThan (bits & 0x7fffffffu, uvec4 (0x7f800000u))); // NaN
    bits = mix (bits, uvec4 (0), equal (bits, uvec4 (0x80000000u)));
    bits = mix (bits | 0x80000000u, ~bits, greaterThanEqual (bits, uvec4 (0x80000000u)));
    return mix (uvec4 (0), bits, lessThan (column + uvec4 (0, 1, 2, 3), uvec4 (p.n)));
}

float number (uint key) { return F ((key & 0x80000000u) != 0 ? key & 0x7fffffffu : ~key); }

// exp (key - top), also for infinities.
float share (uint key, uint top) { return key == top ? 1 : key <= LEAST ? 0 : exp (number (key) - number (top)); }

const uint BLOCK_QUADS = TOP_BLOCK / 4;
uint quads () { return (p.n + 3) / 4; }
uint first_quad () { return ROW_AT (p.x, row ()) / 4; }
uint first_work () { return ROW_AT (p.work, row ()); }
uint greatest (uvec4 v) { return max (max (v.x, v.y), max (v.z, v.w)); }

#ifdef BLOCKS
void main ()
{
    uint block = gl_GlobalInvocationID.x, end = min (block * BLOCK_QUADS + BLOCK_QUADS, quads ());
    if (row () >= p.m || block >= p.blocks)
        return;

    uint top = 0;
    for (uint i = block * BLOCK_QUADS; i < end; i++)
        top = max (top, greatest (keys (FETCH (x, first_quad () + i), i * 4)));

    float sum = 0;
    for (uint i = block * BLOCK_QUADS; i < end; i++) {
        uvec4 k = keys (FETCH (x, first_quad () + i), i * 4);
        sum += (share (k.x, top) + share (k.y, top)) + (share (k.z, top) + share (k.w, top));
    }

    work[first_work () + block] = top;
    work[first_work () + p.blocks + block] = floatBitsToUint (sum);
}
#else
const uint NONE = 0xffffffffu;

uint lanes_min (uint v) { return ~lanes_max (~v); }

// The first span of blocks with the greatest key.
uint best_span (uint spans, uint spans_at, out uint key)
{
    uint mine = 0, at = NONE;
    for (uint g = lane (); g < spans; g += 8) {
        uint k = work[spans_at + g];
        at = k > mine ? g : at;
        mine = max (k, mine);
    }
    key = lanes_max (mine);
    return lanes_min (mine == key ? at : NONE);
}

void main ()
{
    if (row () >= p.m)
        return;

    uint spans = p.blocks / TOP_BLOCK, blocks_at = first_work (), sums_at = blocks_at + p.blocks, spans_at = sums_at + p.blocks;
    uint count = min (p.n, TOP_COUNT), to = ROW_AT (p.y, row ());

    uint top = 0;
    for (uint g = 0; g < spans; g++) {
        uint k = 0;
        [[unroll]] for (uint i = 0; i < 8; i++)
            k = max (k, work[blocks_at + g * TOP_BLOCK + i * 8 + lane ()]);
        k = lanes_max (k);
        if (lane () == g % 8)
            work[spans_at + g] = k;
        top = max (top, k);
    }

    float sum = 0;
    for (uint b = lane (); b < p.blocks; b += 8) {
        uint k = work[blocks_at + b];
        sum += k == 0 ? 0 : share (k, top) * F (work[sums_at + b]);
    }
    sum = lanes_sum (sum);

    uint key, last = NONE, id = 0;
    for (uint n = 0; n < count; n++) {
        uint span = best_span (spans, spans_at, key);

        uint block_key[8], at = NONE;
        [[unroll]] for (uint i = 0; i < 8; i++)
            block_key[i] = work[blocks_at + span * TOP_BLOCK + i * 8 + lane ()];
        [[unroll]] for (uint i = 0; i < 8; i++)
            at = min (at, block_key[i] == key ? i * 8 + lane () : NONE);
        at = lanes_min (at);
        uint block = span * TOP_BLOCK + at;

        // Equals are taken in the order of their columns: those up to the last one are taken already.
        uint after = key == last ? id + 1 : 0, k[8], column[8];
        [[unroll]] for (uint h = 0; h < 2; h++) {
            uint at_quad = block * BLOCK_QUADS + h * 8 + lane ();
            uvec4 four = at_quad < quads () ? keys (FETCH (x, first_quad () + at_quad), at_quad * 4) : uvec4 (0);
            [[unroll]] for (uint c = 0; c < 4; c++) {
                k[h * 4 + c] = four[c];
                column[h * 4 + c] = at_quad * 4 + c;
            }
        }
        id = NONE;
        [[unroll]] for (uint i = 0; i < 8; i++)
            id = min (id, k[i] == key && column[i] >= after ? column[i] : NONE);
        id = lanes_min (id);
        last = key;

        uint left = 0;
        [[unroll]] for (uint i = 0; i < 8; i++)
            left = max (left, k[i] < key || k[i] == key && column[i] > id ? k[i] : 0);
        left = lanes_max (left);
        if (lane () == at % 8)
            work[blocks_at + block] = left;
        [[unroll]] for (uint i = 0; i < 8; i++)
            left = max (left, i * 8 + lane () == at ? 0 : block_key[i]);
        left = lanes_max (left);
        if (lane () == span % 8)
            work[spans_at + span] = left;

        if (lane () == 0) {
            y[to + n] = id;
            y[to + TOP_COUNT + n] = floatBitsToUint (number (key));
        }
    }
    for (uint n = count + lane (); n < TOP_COUNT; n += 8) {
        y[to + n] = NONE;
        y[to + TOP_COUNT + n] = 0xff800000u;
    }

    best_span (spans, spans_at, key);
    if (lane () == 0) {
        y[to + 2 * TOP_COUNT] = floatBitsToUint (number (max (key, LEAST)));
        y[to + 2 * TOP_COUNT + 1] = floatBitsToUint (sum);
    }
}
#endif

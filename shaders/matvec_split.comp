#version 450
#extension GL_GOOGLE_include_directive : require
#define NO_OCTETS
#include "linear.glsl"
#include "weights.glsl"

// A workgroup computes COLUMNS columns of all ROWS rows, which are few, and reads each weight once. k is split: an invocation has two
// of the columns and every SPLITS-th unit of k, which is what a quad of weights has of it. Neighbours read neighbouring quads, and in
// the end the sums are joined in shared memory. No subgroup operation: subgroups may have any size. What a row becomes does not
// depend on the rows beside it. SPLITS is a power of two. An RMS norm of x in front of the op is taken along: x is multiplied by the
// norm's weights as it is read, its squares are added up beside the sums, and these are divided by their root in the end.
layout (constant_id = 1) const uint ROWS = 1u;
layout (constant_id = 2) const uint COLUMNS = 4u;
layout (constant_id = 3) const uint SPLITS = 32u;

const bool NORM = (EPILOGUE & EPILOGUE_NORM) != 0u;

#define MAX_ROWS 8
#define LANES (COLUMNS / 2u) // invocations of a split

shared float parts[ROWS * SPLITS * COLUMNS];
#define PART(row, split, column) (((row) * SPLITS + (split)) * COLUMNS + (column))
shared float square_parts[ROWS * SPLITS];

#ifdef FOURS
#define UNIT (FOURS * 4)
#define TURN 4u // units that are fetched together
#else
#define UNIT 16
#define TURN 2u
#endif

// The columns of an invocation, among the workgroup's. A quad of TYPE_Q4 is of two neighbours.
#ifdef BLOCK_Q4
#define COLUMN(lane, c) ((lane) * 2u + (c))
#else
#define COLUMN(lane, c) ((lane) + (c) * LANES)
#endif

// A unit of two columns as it lies in memory.
struct Unit {
    uvec4 quads[2];
    uvec2 fits;
};

// at: weights_at() of both columns. r: their rows among the 8 that lie together.
Unit fetch_unit (uvec2 at, uvec2 r, uint u)
{
    Unit unit;
#ifdef FOURS
    [[unroll]] for (uint c = 0u; c < 2u; c++)
        unit.quads[c] = FETCH (weights, at[c] + u * 8u);
    unit.fits = uvec2 (0u);
#else
    uint block = at.x + u / 2u * BLOCK_QUADS;
    [[unroll]] for (uint c = 0u; c < 2u; c++) {
        unit.quads[c] = FETCH (weights, quad_of (block, u % 2u, r[c]));
        unit.fits[c] = fetch_fit (block, r[c]);
    }
#endif
    return unit;
}

// Weights 4 * g to 4 * g + 3 of column c.
vec4 four_of (Unit unit, uint c, uint g)
{
#ifdef FOURS
    return four (unit.quads[c], g);
#else
    vec2 f = fit (unit.fits[c]);
    return fma (codes (unit.quads[c][g], c), vec4 (f.x), vec4 (f.y));
#endif
}

void main ()
{
    uint t = gl_LocalInvocationID.x, lane = t % LANES, split = t / LANES, units = p.k / UNIT;
    uint column = p.column_first + gl_WorkGroupID.x * COLUMNS;
    uvec2 own = column + uvec2 (COLUMN (lane, 0u), COLUMN (lane, 1u)), at = uvec2 (weights_at (own.x), weights_at (own.y));
    uint x_row[MAX_ROWS];
    float sum[MAX_ROWS][2], squares[MAX_ROWS];

    [[unroll]] for (uint i = 0u; i < ROWS; i++) {
        x_row[i] = x_at (i);
        squares[i] = 0.0;
        [[unroll]] for (uint c = 0u; c < 2u; c++)
            sum[i][c] = 0.0;
    }

    for (uint first = split; first < units; first += TURN * SPLITS) {
        Unit unit[TURN];

        [[unroll]] for (uint n = 0u; n < TURN; n++)
            unit[n] = fetch_unit (at, own % 8u, min (first + n * SPLITS, units - 1u));
        [[unroll]] for (uint n = 0u; n < TURN; n++) {
            uint u = first + n * SPLITS;
            bool within = n == 0u || u < units; // behind the end of k weights count as zeros
            vec4 w[2][UNIT / 4], by[UNIT / 4];

            u = min (u, units - 1u);
            [[unroll]] for (uint c = 0u; c < 2u; c++)
                [[unroll]] for (uint g = 0u; g < UNIT / 4u; g++)
                    w[c][g] = within ? four_of (unit[n], c, g) : vec4 (0.0);
            [[unroll]] for (uint g = 0u; NORM && g < UNIT / 4u; g++)
                by[g] = F (FETCH (bias, p.bias_first / 4u + u * (UNIT / 4u) + g));
            [[unroll]] for (uint i = 0u; i < ROWS; i++)
                [[unroll]] for (uint g = 0u; g < UNIT / 4u; g++) {
                    vec4 v = F (FETCH (x, x_row[i] + u * (UNIT / 4u) + g));

                    if (NORM) {
                        [[unroll]] for (uint j = 0u; j < 4u; j++)
                            squares[i] = fma (within ? v[j] : 0.0, v[j], squares[i]);
                        v *= by[g];
                    }
                    [[unroll]] for (uint j = 0u; j < 4u; j++) {
                        float value = COUNTS (u * UNIT + g * 4u + j) ? v[j] : 0.0;

                        [[unroll]] for (uint c = 0u; c < 2u; c++)
                            sum[i][c] = fma (value, w[c][g][j], sum[i][c]);
                    }
                }
        }
    }

    if (NORM && lane == 0u)
        [[unroll]] for (uint i = 0u; i < ROWS; i++)
            square_parts[i * SPLITS + split] = squares[i];
    // The upper half of the splits leaves its sums to the lower half, until one split has them all.
    [[unroll]] for (uint rest = SPLITS; rest > 0u; rest /= 2u) {
        if (split < rest && split >= rest / 2u)
            [[unroll]] for (uint i = 0u; i < ROWS; i++)
                [[unroll]] for (uint c = 0u; c < 2u; c++)
                    parts[PART (i, split, COLUMN (lane, c))] = sum[i][c];
        barrier ();
        if (split < rest / 2u)
            [[unroll]] for (uint i = 0u; i < ROWS; i++)
                [[unroll]] for (uint c = 0u; c < 2u; c++)
                    sum[i][c] += parts[PART (i, split + rest / 2u, COLUMN (lane, c))];
    }
    if (t < ROWS * (COLUMNS / 4u)) {
        uint row = t / (COLUMNS / 4u), quad = t % (COLUMNS / 4u) * 4u;
        vec4 v;

        [[unroll]] for (uint j = 0u; j < 4u; j++)
            v[j] = parts[PART (row, 0u, quad + j)];
        if (NORM) {
            float square = 0.0;

            [[unroll]] for (uint s = 0u; s < SPLITS; s++)
                square += square_parts[row * SPLITS + s];
            v /= sqrt (square / float (p.k_end) + p.eps);
        }
        store (row, column + quad, v);
    }
}

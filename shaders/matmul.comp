#version 450
#extension GL_GOOGLE_include_directive : require
#include "linear.glsl"

// An octet computes ROWS rows of OCTET_TILES neighbouring tiles of y, so that a value of x, which costs a shuffle, is used by all of
// them. Rows are the outer loop and k the innermost one, so that one accumulator at a time is in a register, and weights are memory
// operands.
layout (constant_id = 1) const uint ROWS = 16u;

#define MAX_ROWS 16
#define COLUMNS (OCTET_TILES * 4) // of a lane

void main ()
{
    uint row = p.row_first + octet () * ROWS, tile = gl_WorkGroupID.y * OCTET_TILES;
    float sum[MAX_ROWS][COLUMNS];
    uint x_row[MAX_ROWS / FETCHERS], weights_row[COLUMNS];

    [[unroll]] for (uint g = 0u; g < ROWS / FETCHERS; g++)
        x_row[g] = x_at (row + g * FETCHERS + PLACE);
    [[unroll]] for (uint c = 0u; c < COLUMNS; c++)
        weights_row[c] = weights_at (first_column (tile + c / 4u) + c % 4u);
    [[unroll]] for (uint i = 0u; i < ROWS; i++)
        [[unroll]] for (uint c = 0u; c < COLUMNS; c++)
            sum[i][c] = 0.0;

    for (uint k8 = 0u; k8 < p.k / 8u; k8++) {
        uvec4 quads[MAX_ROWS / FETCHERS][2];
        float w[COLUMNS][8];

        [[unroll]] for (uint g = 0u; g < ROWS / FETCHERS; g++)
            [[unroll]] for (uint h = 0u; h < 2u; h++)
                quads[g][h] = FETCH (x, x_row[g] + k8 * 2u + h);
        [[unroll]] for (uint c = 0u; c < COLUMNS; c++)
            fetch_weights (weights_row[c], k8, w[c]);
        [[unroll]] for (uint i = 0u; i < ROWS; i++) {
            float value[8];
            [[unroll]] for (uint j = 0u; j < 8u; j++)
                value[j] = F (FETCHED (quads[i / FETCHERS][j / 4u][j & 3u], i & (FETCHERS - 1u)));
            [[unroll]] for (uint c = 0u; c < COLUMNS; c++)
                [[unroll]] for (uint j = 0u; j < 8u; j++)
                    sum[i][c] += value[j] * w[c][j];
        }
    }

    [[unroll]] for (uint t = 0u; t < OCTET_TILES; t++)
        [[unroll]] for (uint i = 0u; i < ROWS; i++)
            store (row + i, first_column (tile + t), vec4 (sum[i][t * 4u], sum[i][t * 4u + 1u], sum[i][t * 4u + 2u], sum[i][t * 4u + 3u]));
}

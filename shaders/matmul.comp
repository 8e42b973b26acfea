#version 450
#extension GL_GOOGLE_include_directive : require
#include "linear.glsl"

// An octet computes a tile of y: ROWS rows and TILE_COLUMNS columns. Rows are the outer loop and k the innermost one, so that one
// accumulator at a time is in a register, and weights are memory operands.
layout (constant_id = 1) const uint ROWS = 16u;

#define MAX_ROWS 32

void main ()
{
    uint row = p.row_first + octet () * ROWS, column = first_column (gl_WorkGroupID.y);
    float sum[MAX_ROWS][4];
    uint x_row[MAX_ROWS / FETCHERS], weights_row[4];

    [[unroll]] for (uint g = 0u; g < ROWS / FETCHERS; g++)
        x_row[g] = x_at (row + g * FETCHERS + PLACE);
    [[unroll]] for (uint c = 0u; c < 4u; c++)
        weights_row[c] = weights_at (column + c);
    [[unroll]] for (uint i = 0u; i < ROWS; i++)
        [[unroll]] for (uint c = 0u; c < 4u; c++)
            sum[i][c] = 0.0;

    for (uint k8 = 0u; k8 < p.k / 8u; k8++) {
        uvec4 quads[MAX_ROWS / FETCHERS][2];
        float w[4][8];

        [[unroll]] for (uint g = 0u; g < ROWS / FETCHERS; g++)
            [[unroll]] for (uint h = 0u; h < 2u; h++)
                quads[g][h] = FETCH (x, x_row[g] + k8 * 2u + h);
        [[unroll]] for (uint c = 0u; c < 4u; c++)
            fetch_weights (weights_row[c], k8, w[c]);
        [[unroll]] for (uint i = 0u; i < ROWS; i++) {
            float value[8];
            [[unroll]] for (uint j = 0u; j < 8u; j++)
                value[j] = F (FETCHED (quads[i / FETCHERS][j / 4u][j & 3u], i & (FETCHERS - 1u)));
            [[unroll]] for (uint c = 0u; c < 4u; c++)
                [[unroll]] for (uint j = 0u; j < 8u; j++)
                    sum[i][c] += value[j] * w[c][j];
        }
    }

    [[unroll]] for (uint i = 0u; i < ROWS; i++)
        store (row + i, column, vec4 (sum[i][0], sum[i][1], sum[i][2], sum[i][3]));
}

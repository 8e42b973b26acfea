#version 450
#extension GL_GOOGLE_include_directive : require
#include "linear.glsl"

// An octet computes TILE_COLUMNS columns of all ROWS rows, which are few, and reads each weight once. Its lanes fetch 32 elements
// of a row of x at a time and exchange them.
layout (constant_id = 1) const uint ROWS = 1u;

#define MAX_ROWS 8

void main ()
{
    uint column = first_column (octet ());
    float sum[MAX_ROWS][4];
    uint x_row[MAX_ROWS], weights_row[4];

    [[unroll]] for (uint i = 0u; i < ROWS; i++)
        x_row[i] = x_at (i) + PLACE;
    [[unroll]] for (uint c = 0u; c < 4u; c++)
        weights_row[c] = weights_at (column + c);
    [[unroll]] for (uint i = 0u; i < ROWS; i++)
        [[unroll]] for (uint c = 0u; c < 4u; c++)
            sum[i][c] = 0.0;

    for (uint k32 = 0u; k32 < p.k / 32u; k32++) {
        uvec4 quads[MAX_ROWS][8u / FETCHERS];

        [[unroll]] for (uint i = 0u; i < ROWS; i++)
            [[unroll]] for (uint g = 0u; g < 8u / FETCHERS; g++)
                quads[i][g] = FETCH (x, x_row[i] + k32 * 8u + g);
        [[unroll]] for (uint q = 0u; q < 4u; q++) {
            float w[4][8];

            [[unroll]] for (uint c = 0u; c < 4u; c++)
                fetch_weights (weights_row[c], k32 * 4u + q, w[c]);
            [[unroll]] for (uint i = 0u; i < ROWS; i++) {
                float value[8];

                [[unroll]] for (uint j = 0u; j < 8u; j++) {
                    uint from = q * 2u + j / 4u;
                    value[j] = F (FETCHED (quads[i][from / FETCHERS][j & 3u], from & (FETCHERS - 1u)));
                }
                [[unroll]] for (uint c = 0u; c < 4u; c++)
                    [[unroll]] for (uint j = 0u; j < 8u; j++)
                        sum[i][c] += value[j] * w[c][j];
            }
        }
    }

    [[unroll]] for (uint i = 0u; i < ROWS; i++)
        store (i, column, vec4 (sum[i][0], sum[i][1], sum[i][2], sum[i][3]));
}

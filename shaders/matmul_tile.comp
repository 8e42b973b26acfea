#version 450
#extension GL_GOOGLE_include_directive : require
#define NO_OCTETS
#include "linear.glsl"
#include "weights.glsl"

// A workgroup computes a tile of y, ROWS rows and COLUMNS columns, from pieces of x and of the weights that it keeps in shared memory,
// PIECE of k at a time. An invocation has 8 x 8 sums: 4 rows and 4 columns in each quarter of the tile, so that neighbours read
// neighbouring words. SPLITS groups of invocations take turns along k, and their sums are added up in the end. No subgroup operation:
// subgroups may have any size.
layout (constant_id = 1) const uint ROWS = 64u;
layout (constant_id = 2) const uint COLUMNS = 64u;
layout (constant_id = 3) const uint SPLITS = 1u;

#define PIECE 16u
#define X_STRIDE (ROWS + 4u) // 4 more, so that writes of different k go to different banks
#define W_STRIDE (COLUMNS + 4u)
#define GROUP (ROWS / 8u * (COLUMNS / 8u)) // invocations of a split
#define X_LOADS (ROWS * 2u / GROUP)        // of 8 elements, by an invocation
#define W_LOADS (COLUMNS * 2u / GROUP)
#define MOST_LOADS 8

shared float xs[SPLITS * PIECE * X_STRIDE];
shared float ws[SPLITS * PIECE * W_STRIDE];

// Load l of an invocation is half `half_of` of 16 elements of row `row_of`. Weights lie in memory as 8 rows by 8 elements.
uint row_of (uint l) { return l / 16u * 8u + l % 8u; }
uint half_of (uint l) { return l / 8u % 2u; }

void main ()
{
    uint split = gl_LocalInvocationID.x / GROUP, t = gl_LocalInvocationID.x % GROUP;
    uint row = p.row_first + gl_WorkGroupID.x * ROWS, column = p.column_first + gl_WorkGroupID.y * COLUMNS;
    uint r = t / (COLUMNS / 8u) * 4u, c = t % (COLUMNS / 8u) * 4u;
    uint x_piece = split * PIECE * X_STRIDE, w_piece = split * PIECE * W_STRIDE;
    uint x_from[MOST_LOADS], w_from[MOST_LOADS];
    vec4 sum[8][2];

    [[unroll]] for (uint i = 0u; i < X_LOADS; i++)
        x_from[i] = x_at (row + row_of (t + i * GROUP));
    [[unroll]] for (uint i = 0u; i < W_LOADS; i++)
        w_from[i] = weights_at (column + row_of (t + i * GROUP));
    [[unroll]] for (uint i = 0u; i < 8u; i++)
        [[unroll]] for (uint h = 0u; h < 2u; h++)
            sum[i][h] = vec4 (0.0);

    // All splits make as many turns, for they meet at barriers. Behind the end of k they add nothing.
    for (uint turn = 0u; turn < (p.k / PIECE + SPLITS - 1u) / SPLITS; turn++) {
        uint k8 = (turn * SPLITS + split) * 2u;
        bool within = SPLITS == 1u || k8 < p.k / 8u;
        uvec4 x_quads[MOST_LOADS][2];
        Eight eights[MOST_LOADS];

        k8 = within ? k8 : 0u;
        [[unroll]] for (uint i = 0u; i < X_LOADS; i++)
            [[unroll]] for (uint h = 0u; h < 2u; h++)
                x_quads[i][h] = FETCH (x, x_from[i] + (k8 + half_of (t + i * GROUP)) * 2u + h);
        [[unroll]] for (uint i = 0u; i < W_LOADS; i++)
            eights[i] = fetch_eight (w_from[i], (t + i * GROUP) % 8u, k8 + half_of (t + i * GROUP));
        barrier ();
        [[unroll]] for (uint i = 0u; i < X_LOADS; i++) {
            uint at = x_piece + half_of (t + i * GROUP) * 8u * X_STRIDE + row_of (t + i * GROUP);
            [[unroll]] for (uint j = 0u; j < 8u; j++) {
                bool counts = within && COUNTS ((k8 + half_of (t + i * GROUP)) * 8u + j);
                xs[at + j * X_STRIDE] = counts ? F (x_quads[i][j / 4u][j & 3u]) : 0.0;
            }
        }
        [[unroll]] for (uint i = 0u; i < W_LOADS; i++) {
            uint at = w_piece + half_of (t + i * GROUP) * 8u * W_STRIDE + row_of (t + i * GROUP);
            [[unroll]] for (uint j = 0u; j < 8u; j++)
                ws[at + j * W_STRIDE] = four_of (eights[i], j / 4u)[j & 3u];
        }
        barrier ();
        [[unroll]] for (uint j = 0u; j < PIECE; j++) {
            float a[8];
            vec4 b[2];

            [[unroll]] for (uint i = 0u; i < 8u; i++)
                a[i] = xs[x_piece + j * X_STRIDE + r + i / 4u * (ROWS / 2u) + i % 4u];
            [[unroll]] for (uint i = 0u; i < 8u; i++)
                b[i / 4u][i % 4u] = ws[w_piece + j * W_STRIDE + c + i / 4u * (COLUMNS / 2u) + i % 4u];
            [[unroll]] for (uint i = 0u; i < 8u; i++)
                [[unroll]] for (uint h = 0u; h < 2u; h++)
                    sum[i][h] = fma (vec4 (a[i]), b[h], sum[i][h]);
        }
    }

    // A tile is no larger than what held its pieces of x.
    for (uint other = 1u; other < SPLITS; other++) {
        barrier ();
        if (split == other)
            [[unroll]] for (uint i = 0u; i < 64u; i++)
                xs[i * GROUP + t] = sum[i / 8u][i / 4u % 2u][i % 4u];
        barrier ();
        if (split == 0u)
            [[unroll]] for (uint i = 0u; i < 64u; i++)
                sum[i / 8u][i / 4u % 2u][i % 4u] += xs[i * GROUP + t];
    }
    if (split == 0u)
        [[unroll]] for (uint i = 0u; i < 8u; i++)
            [[unroll]] for (uint h = 0u; h < 2u; h++)
                store (row + r + i / 4u * (ROWS / 2u) + i % 4u, column + c + h * (COLUMNS / 2u), sum[i][h]);
}

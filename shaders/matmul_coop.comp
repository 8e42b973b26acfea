#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#define NO_OCTETS
#include "linear.glsl"

// matmul_tile.comp with cooperative matrices of SIDE x SIDE: f16 is multiplied, sums are f32. A workgroup computes a tile of y, each
// of its subgroups a share of that. Rows of x, and of weights that f16 does not hold, are multiplied by powers of two (params.h).
// Where a piece of k has numbers too large for its row's, the row gets a smaller one, and what was summed up so far is brought to
// that as well.
layout (constant_id = 1) const uint ROWS = 64u;
layout (constant_id = 2) const uint COLUMNS = 64u;
layout (constant_id = 3) const uint SHARE_ROWS = 32u;
layout (constant_id = 4) const uint SHARE_COLUMNS = 32u;
layout (constant_id = 5) const uint SIDE = 16u;

#define SHARES (ROWS / SHARE_ROWS * (COLUMNS / SHARE_COLUMNS))
#define DOWN (SHARE_ROWS / SIDE) // matrices of a share
#define ACROSS (SHARE_COLUMNS / SIDE)
#define STAGE (SIDE * SIDE / 4u)
#define STRIDE (COOP_PIECE / 8u + 1u) // quads of a row's piece; one more, so that rows go to different banks
#define INVOCATIONS gl_WorkGroupSize.x
#define X_LOADS (ROWS * COOP_PIECE / 8u / INVOCATIONS) // of 8 elements, by an invocation
#define W_LOADS (COLUMNS * COOP_PIECE / 8u / INVOCATIONS)
#define MOST_LOADS 8

shared uvec4 xs[ROWS * STRIDE];
shared uvec4 ws[COLUMNS * STRIDE];
shared vec4 stage[SHARES * STAGE]; // a matrix of sums for each share
// Of rows, then of columns: their tops, the largest exponents seen, and what the sums so far are multiplied by.
shared uint tops[ROWS + COLUMNS];
shared uint peaks[ROWS + COLUMNS];
shared float shrink[ROWS + COLUMNS];
shared uint raised; // the last turn that has to raise tops, counted from 1

// Load l of a piece of x is quarter `x_quarter` of row `x_row`. Weights lie in memory as 8 rows by 8 elements.
uint x_row (uint l) { return l / 4u; }
uint x_quarter (uint l) { return l % 4u; }
uint w_row (uint l) { return l / 32u * 8u + l % 8u; }
uint w_quarter (uint l) { return l / 8u % 4u; }

uint exponent (vec4 a, vec4 b)
{
    uvec4 most = max (floatBitsToUint (a) & 0x7fffffffu, floatBitsToUint (b) & 0x7fffffffu);
    return max (max (most.x, most.y), max (most.z, most.w)) >> 23;
}

float scale_of (uint top) { return F (COOP_UNIT + 127u - max (top, COOP_LEAST) << 23); }

uvec4 as_halves (vec4 a, vec4 b, float s)
{
    f16vec4 low = f16vec4 (a * s), high = f16vec4 (b * s);
    return uvec4 (packFloat2x16 (low.xy), packFloat2x16 (low.zw), packFloat2x16 (high.xy), packFloat2x16 (high.zw));
}

// v * 2^e; that alone may be beyond the floats.
float times_power (float v, int e) { return v * F (uint (127 + e / 2) << 23) * F (uint (127 + e - e / 2) << 23); }

// The top of weights before any are seen. Those that are stored as f16 are taken as they are.
#ifdef ELEMENT_F16
#define W_TOP COOP_UNIT
#else
#define W_TOP 0u
#endif

void main ()
{
    uint t = gl_LocalInvocationID.x, share = gl_SubgroupID;
    uint row = p.row_first + gl_WorkGroupID.x * ROWS, column = p.column_first + gl_WorkGroupID.y * COLUMNS;
    uint share_row = share / (COLUMNS / SHARE_COLUMNS) * SHARE_ROWS, share_column = share % (COLUMNS / SHARE_COLUMNS) * SHARE_COLUMNS;
    uint x_from[MOST_LOADS], w_from[MOST_LOADS], x_top[MOST_LOADS], w_top[MOST_LOADS];
    coopmat<float, gl_ScopeSubgroup, SIDE, SIDE, gl_MatrixUseAccumulator> sum[DOWN * ACROSS];

    [[unroll]] for (uint i = 0u; i < X_LOADS; i++) {
        x_from[i] = x_at (row + x_row (t + i * INVOCATIONS)) + x_quarter (t + i * INVOCATIONS) * 2u;
        x_top[i] = 0u;
    }
    [[unroll]] for (uint i = 0u; i < W_LOADS; i++) {
        w_from[i] = weights_at (column + w_row (t + i * INVOCATIONS)) + w_quarter (t + i * INVOCATIONS) * 8u;
        w_top[i] = W_TOP;
    }
    [[unroll]] for (uint i = 0u; i < DOWN * ACROSS; i++)
        sum[i] = coopmat<float, gl_ScopeSubgroup, SIDE, SIDE, gl_MatrixUseAccumulator> (0.0);
    for (uint i = t; i < ROWS + COLUMNS; i += INVOCATIONS) {
        tops[i] = i < ROWS ? 0u : W_TOP;
        peaks[i] = 0u;
    }
    if (t == 0u)
        raised = 0u;

    for (uint turn = 0u; turn < p.k / COOP_PIECE; turn++) {
        vec4 x_values[MOST_LOADS][2];
        uvec4 w_quads[MOST_LOADS];
        bool raises = false;

        [[unroll]] for (uint i = 0u; i < X_LOADS; i++)
            [[unroll]] for (uint h = 0u; h < 2u; h++)
                x_values[i][h] = F (FETCH (x, x_from[i] + turn * (COOP_PIECE / 4u) + h));
        [[unroll]] for (uint i = 0u; i < W_LOADS; i++)
            w_quads[i] = FETCH (weights, w_from[i] + turn * COOP_PIECE);
        barrier ();

        // Once, and where tops have to be raised, once more.
        for (;;) {
            [[unroll]] for (uint i = 0u; i < X_LOADS; i++) {
                uint l = t + i * INVOCATIONS;
                xs[x_row (l) * STRIDE + x_quarter (l)] = as_halves (x_values[i][0], x_values[i][1], scale_of (x_top[i]));
                raises = raises || exponent (x_values[i][0], x_values[i][1]) > x_top[i];
            }
            [[unroll]] for (uint i = 0u; i < W_LOADS; i++) {
                uint l = t + i * INVOCATIONS, at = w_row (l) * STRIDE + w_quarter (l);
#ifdef ELEMENT_F16
                ws[at] = w_quads[i];
#else
                vec4 low = four (w_quads[i], 0u), high = four (w_quads[i], 1u);
                ws[at] = as_halves (low, high, scale_of (w_top[i]));
                raises = raises || exponent (low, high) > w_top[i];
#endif
            }
            if (raises)
                raised = turn + 1u;
            barrier ();
            if (raised != turn + 1u)
                break;
            barrier ();

            raised = 0u;
            raises = false;
            [[unroll]] for (uint i = 0u; i < X_LOADS; i++)
                atomicMax (peaks[x_row (t + i * INVOCATIONS)], exponent (x_values[i][0], x_values[i][1]));
#ifndef ELEMENT_F16
            [[unroll]] for (uint i = 0u; i < W_LOADS; i++)
                atomicMax (peaks[ROWS + w_row (t + i * INVOCATIONS)], exponent (four (w_quads[i], 0u), four (w_quads[i], 1u)));
#endif
            barrier ();
            for (uint i = t; i < ROWS + COLUMNS; i += INVOCATIONS) {
                uint top = peaks[i] > tops[i] ? clamp (peaks[i] + COOP_ROOM, COOP_LEAST, 255u) : tops[i];
                shrink[i] = F (uint (max (127 + int (tops[i]) - int (top), 0)) << 23);
                tops[i] = top;
            }
            barrier ();
            [[unroll]] for (uint i = 0u; i < X_LOADS; i++)
                x_top[i] = tops[x_row (t + i * INVOCATIONS)];
#ifndef ELEMENT_F16
            [[unroll]] for (uint i = 0u; i < W_LOADS; i++)
                w_top[i] = tops[ROWS + w_row (t + i * INVOCATIONS)];
#endif
            if (turn == 0u)
                continue;
            [[unroll]] for (uint i = 0u; i < DOWN * ACROSS; i++) {
                coopMatStore (sum[i], stage, share * STAGE, SIDE / 4u, gl_CooperativeMatrixLayoutRowMajor);
                barrier ();
                for (uint e = gl_SubgroupInvocationID; e < STAGE; e += gl_SubgroupSize) {
                    uint at = ROWS + share_column + i % ACROSS * SIDE + e % (SIDE / 4u) * 4u;
                    stage[share * STAGE + e] *= shrink[share_row + i / ACROSS * SIDE + e / (SIDE / 4u)]
                                               * vec4 (shrink[at], shrink[at + 1u], shrink[at + 2u], shrink[at + 3u]);
                }
                barrier ();
                coopMatLoad (sum[i], stage, share * STAGE, SIDE / 4u, gl_CooperativeMatrixLayoutRowMajor);
                barrier ();
            }
        }

        [[unroll]] for (uint j = 0u; j < COOP_PIECE; j += SIDE) {
            coopmat<float16_t, gl_ScopeSubgroup, SIDE, SIDE, gl_MatrixUseA> a[DOWN];
            coopmat<float16_t, gl_ScopeSubgroup, SIDE, SIDE, gl_MatrixUseB> b;

            [[unroll]] for (uint r = 0u; r < DOWN; r++)
                coopMatLoad (a[r], xs, (share_row + r * SIDE) * STRIDE + j / 8u, STRIDE, gl_CooperativeMatrixLayoutRowMajor);
            [[unroll]] for (uint c = 0u; c < ACROSS; c++) {
                coopMatLoad (b, ws, (share_column + c * SIDE) * STRIDE + j / 8u, STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
                [[unroll]] for (uint r = 0u; r < DOWN; r++)
                    sum[r * ACROSS + c] = coopMatMulAdd (a[r], b, sum[r * ACROSS + c]);
            }
        }
    }

    [[unroll]] for (uint i = 0u; i < DOWN * ACROSS; i++) {
        barrier ();
        coopMatStore (sum[i], stage, share * STAGE, SIDE / 4u, gl_CooperativeMatrixLayoutRowMajor);
        barrier ();
        for (uint e = gl_SubgroupInvocationID; e < STAGE; e += gl_SubgroupSize) {
            uint r = share_row + i / ACROSS * SIDE + e / (SIDE / 4u), c = share_column + i % ACROSS * SIDE + e % (SIDE / 4u) * 4u;
            int top = int (max (tops[r], COOP_LEAST)) - int (2u * COOP_UNIT);
            vec4 v = stage[share * STAGE + e];

            [[unroll]] for (uint j = 0u; j < 4u; j++)
                v[j] = times_power (v[j], top + int (max (tops[ROWS + c + j], COOP_LEAST)));
            store (row + r, column + c, v);
        }
    }
}

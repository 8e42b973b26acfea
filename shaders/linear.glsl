// What the kernels of op_matmul share: bindings, reading 8 weights of any type at a time, and storing the sums.

#include "common.glsl"
#include "elements.glsl"

layout (constant_id = 0) const uint EPILOGUE = 0u;

BULK (0, weights)
BULK (1, x)
layout (binding = 2, std430) buffer Y { vec4 y[]; };
BULK (3, bias) // or the norm's weights
BULK (4, scale)
BULK (5, residual)
layout (push_constant) uniform Push { MatmulPush p; };

// How many neighbouring lanes fetch x for each other; without shuffles each lane fetches all it needs.
#ifdef NO_SUBGROUP
#define FETCHERS 1u
#define PLACE 0u
#define FETCHED(v, l) (v)
#else
#define FETCHERS 8u
#define PLACE lane ()
#define FETCHED(v, l) LANE (v, l)
#endif

#ifdef FOURS
// Quads of the 8 weights of a row that kernels take at a time. Of x it is two.
#define QUADS (2 / FOURS)

// Weights 8 * k8 to 8 * k8 + 7 of the column that begins at `at`; each lane has its own column.
void fetch_weights (uint at, uint k8, out float w[8])
{
    [[unroll]] for (uint h = 0u; h < QUADS; h++) {
        uvec4 quad = FETCH (weights, at + (k8 * QUADS + h) * 8u);
        [[unroll]] for (uint i = 0u; i < FOURS; i++) {
            vec4 v = four (quad, i);
            [[unroll]] for (uint j = 0u; j < 4u; j++)
                w[(h * FOURS + i) * 4u + j] = v[j];
        }
    }
}
#endif

// A lane owns 4 neighbouring columns of a tile, so that it stores, and reads bias and residual, a quad at a time. Its weights
// share cache lines with those of its neighbours.
uint first_column (uint tile) { return p.column_first + tile * TILE_COLUMNS + lane () * 4u; }

// A column's row of the bound weights. After the last tile, where lanes compute what is not stored, the last tile is read again.
uint weights_row (uint column)
{
    uint row = column - p.window_first;
    return row < p.window_rows ? row : p.window_rows - TILE_COLUMNS + row % TILE_COLUMNS;
}

#ifdef FOURS
// The first quad of a column's weights.
uint weights_at (uint column)
{
    uint row = weights_row (column);
    return row / 8u * (p.k / 8u) * uint (QUADS * 8) + row % 8u;
}
#endif

uint x_at (uint row) { return ROW_AT (p.x, min (row, p.m - 1u)) / 4u; }

// To one unit in the last place (N. Juffa's fit).
vec4 erf (vec4 v)
{
    vec4 t = abs (v), s = v * v;
    vec4 far = -1.72853470e-5 * t + 3.83197126e-4;
    far = far * s + (-3.88396438e-3 * t + 2.42546219e-2);
    far = far * t - 1.06777877e-1;
    far = far * t - 6.34846687e-1;
    far = far * t - 1.28717512e-1;
    far = far * t - t;
    vec4 near = s * -5.96761703e-4 + 4.99119423e-3;
    near = near * s - 2.67681349e-2;
    near = near * s + 1.12819925e-1;
    near = near * s - 3.76125336e-1;
    near = near * s + 1.28379166e-1;
    return mix (near * v + v, sign (v) * (1.0 - exp (far)), greaterThan (t, vec4 (0.927734375)));
}

// 4 sums of a row, from `column` on, a multiple of 4.
void store (uint row, uint column, vec4 v)
{
    if (row >= p.m || column >= p.n)
        return;
    if ((EPILOGUE & EPILOGUE_BIAS) != 0u)
        v += F (FETCH (bias, (p.bias_first + column) / 4u));
    if ((EPILOGUE & EPILOGUE_GELU) != 0u)
        v = 0.5 * v * (1.0 + erf (v * 0.70710678));
    if ((EPILOGUE & EPILOGUE_SCALE) != 0u)
        v *= F (FETCH (scale, (p.scale_first + column) / 4u));
    if ((EPILOGUE & EPILOGUE_RESIDUAL) != 0u)
        v += F (FETCH (residual, (ROW_AT (p.residual, row % p.residual_period) + column) / 4u));

    uint at = (ROW_AT (p.y, row) + column) / 4u;
    if (column + 3u < p.n) {
        y[at] = v;
    } else {
        y[at].x = v.x;
        if (column + 1u < p.n)
            y[at].y = v.y;
        if (column + 2u < p.n)
            y[at].z = v.z;
    }
}

#version 450
#extension GL_GOOGLE_include_directive : require
#include "linear.glsl"

// An octet computes TILE_COLUMNS columns of ROWS rows: of all there are, or with -D TILED of 8 at a time. Weights are those of
// TYPE_Q8 or, with -D BLOCK_Q4, of TYPE_Q4, as vk/memory.h has them; sums of a block are scaled when it is done. What a row becomes
// does not depend on the rows beside it.
layout (constant_id = 1) const uint ROWS = 1u;

#ifdef BLOCK_Q8
#define BLOCK_QUADS 17u
#else
#define BLOCK_QUADS 10u
// Whether k is no multiple of 32: columns of padding have least values and count unless x is zero there.
layout (constant_id = 2) const bool RAGGED = false;
#endif

// The first block of the 8 rows that a lane's 4 columns are of, and whether these are the upper 4.
uvec2 weights_at (uint column)
{
    uint row = weights_row (column);
    return uvec2 (row / 8u * (p.k / 32u) * BLOCK_QUADS, row / 4u % 2u);
}

// Of a quad of x, whose first column is k.
vec4 x_four (uvec4 quad, uint k)
{
    vec4 v = F (quad);
#ifdef BLOCK_Q4
    if (RAGGED)
        v = mix (v, vec4 (0.0), greaterThanEqual (uvec4 (k, k + 1u, k + 2u, k + 3u), uvec4 (p.k_end)));
#endif
    return v;
}

#ifdef BLOCK_Q8
// The scales of the 4 columns.
vec4 fetch_scales (uvec2 at)
{
    uvec4 quad = FETCH (weights, at.x);
    return halves (at.y == 0u ? quad.xy : quad.zw);
}

// Columns 16 * h to 16 * h + 15 of one of the 4 rows.
uvec4 fetch_bytes (uvec2 at, uint h, uint c) { return FETCH (weights, at.x + 1u + h * 8u + at.y * 4u + c); }
#else
// The scales of the 4 columns, and their least values.
void fetch_fits (uvec2 at, out vec4 scale, out vec4 low)
{
    uvec4 quad = FETCH (weights, at.x + at.y);
    vec4 a = halves (quad.xy), b = halves (quad.zw);
    scale = vec4 (a.xz, b.xz);
    low = vec4 (a.yw, b.yw);
}

// Columns 16 * h to 16 * h + 15 of two of the 4 rows.
uvec4 fetch_pairs (uvec2 at, uint h, uint pair) { return FETCH (weights, at.x + 2u + h * 4u + at.y * 2u + pair); }
#endif

#define MAX_ROWS 8
#define FETCHES (8u / FETCHERS) // of a lane, for a block of a row

#ifdef BLOCK_Q8
// The first and the last byte of a word are taken as the highest of a number, as that needs no second shift: x has what is
// left to do.
const vec4 PLACES = vec4 (1.0 / 16777216.0, 1.0, 1.0, 1.0 / 16777216.0);

vec4 bytes (uint word)
{
    return vec4 (int (word << 24), int (word << 16) >> 24, int (word << 8) >> 24, int (word & 0xff000000u));
}
#else
#ifdef NO_SUBGROUP
#define BLOCK_MAX(v) (v)
#define BLOCK_SUM(v) (v)
#else
#define BLOCK_MAX(v) lanes_max (v)
#define BLOCK_SUM(v) lanes_sum (v)
#endif

#define LEAST_LARGEST 1e-35 // of a block: its inverse is a number

// A row's part of a block as integers of 8 bits.
struct Integers {
    ivec4 n[FETCHES];
    float scale, sum;
};

// What is no number stays none in the sum.
Integers to_integers (vec4 x[FETCHES])
{
    Integers v;
    float largest = LEAST_LARGEST, sum = 0.0;
    [[unroll]] for (uint g = 0u; g < FETCHES; g++) {
        vec4 size = abs (x[g]);
        largest = max (largest, max (max (size.x, size.y), max (size.z, size.w)));
    }
    largest = BLOCK_MAX (largest);
    float to = 127.0 / largest;
    [[unroll]] for (uint g = 0u; g < FETCHES; g++) {
        vec4 whole = roundEven (x[g] * to);
        sum += (whole.x + whole.y) + (whole.z + whole.w);
        v.n[g] = ivec4 (whole);
    }
    v.scale = largest * (1.0 / 127.0);
    v.sum = BLOCK_SUM (sum);
    return v;
}
#endif

void main ()
{
#ifdef TILED
    uint row = p.row_first + octet () * ROWS, column = first_column (gl_WorkGroupID.y);
#else
    uint row = 0u, column = first_column (octet ());
#endif
    uint x_row[MAX_ROWS];
    uvec2 at = weights_at (column);
    float sum[MAX_ROWS][4];

    [[unroll]] for (uint i = 0u; i < ROWS; i++)
        x_row[i] = x_at (row + i) + PLACE;
    [[unroll]] for (uint i = 0u; i < ROWS; i++)
        [[unroll]] for (uint c = 0u; c < 4u; c++)
            sum[i][c] = 0.0;

    for (uint k32 = 0u; k32 < p.k / 32u; k32++) {
        vec4 four[MAX_ROWS][FETCHES];

        [[unroll]] for (uint i = 0u; i < ROWS; i++)
            [[unroll]] for (uint g = 0u; g < FETCHES; g++)
                four[i][g] = x_four (FETCH (x, x_row[i] + k32 * 8u + g), (k32 * 8u + g + PLACE) * 4u);
#ifdef BLOCK_Q8
        vec4 scale = fetch_scales (at);
        float part[MAX_ROWS][4];

        [[unroll]] for (uint i = 0u; i < ROWS; i++) {
            [[unroll]] for (uint g = 0u; g < FETCHES; g++)
                four[i][g] *= PLACES;
            [[unroll]] for (uint c = 0u; c < 4u; c++)
                part[i][c] = 0.0;
        }
        [[unroll]] for (uint h = 0u; h < 2u; h++) {
            uvec4 quad[4];

            [[unroll]] for (uint c = 0u; c < 4u; c++)
                quad[c] = fetch_bytes (at, h, c);
            [[unroll]] for (uint q = 0u; q < 4u; q++) {
                vec4 w[4];

                [[unroll]] for (uint c = 0u; c < 4u; c++)
                    w[c] = bytes (quad[c][q]);
                [[unroll]] for (uint i = 0u; i < ROWS; i++) {
                    uint from = h * 4u + q;
                    vec4 value = four[i][from / FETCHERS];
                    [[unroll]] for (uint j = 0u; j < 4u; j++)
                        value[j] = FETCHED (value[j], from & (FETCHERS - 1u));
                    [[unroll]] for (uint c = 0u; c < 4u; c++)
                        [[unroll]] for (uint j = 0u; j < 4u; j++)
                            part[i][c] += value[j] * w[c][j];
                }
            }
        }
        [[unroll]] for (uint i = 0u; i < ROWS; i++)
            [[unroll]] for (uint c = 0u; c < 4u; c++)
                sum[i][c] += part[i][c] * scale[c];
#else
        vec4 scale, low;
        Integers v[MAX_ROWS];

        [[unroll]] for (uint i = 0u; i < ROWS; i++)
            v[i] = to_integers (four[i]);
        fetch_fits (at, scale, low);
        [[unroll]] for (uint pair = 0u; pair < 2u; pair++) {
            uvec4 quad[2];

            [[unroll]] for (uint h = 0u; h < 2u; h++)
                quad[h] = fetch_pairs (at, h, pair);
            [[unroll]] for (uint i = 0u; i < ROWS; i++) {
                // Two rows in the halves of a word. With 8 taken off each weight a half holds the sum of 32 products.
                int less = 8 * int (v[i].sum), both = -0x10001 * less;

                [[unroll]] for (uint from = 0u; from < 8u; from++)
                    [[unroll]] for (uint j = 0u; j < 4u; j++) {
                        int n = FETCHED (v[i].n[from / FETCHERS][j], from & (FETCHERS - 1u));
                        both += int (quad[from / 4u][from % 4u] >> j * 4u & 0x000f000fu) * n;
                    }

                int first = both << 16 >> 16, second = (both - first) >> 16;
                vec2 part = vec2 (first + less, second + less);
                [[unroll]] for (uint c = 0u; c < 2u; c++)
                    sum[i][pair * 2u + c] += v[i].scale * (part[c] * scale[pair * 2u + c] + v[i].sum * low[pair * 2u + c]);
            }
        }
#endif
        at.x += BLOCK_QUADS;
    }

    [[unroll]] for (uint i = 0u; i < ROWS; i++)
        store (row + i, column, vec4 (sum[i][0], sum[i][1], sum[i][2], sum[i][3]));
}

#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_spirv_intrinsics : require
#define NO_OCTETS
#include "linear.glsl"
#include "weights.glsl"

// matmul_tile.comp for weights in blocks, by products of 4 bytes with 4 bytes: x is rounded to 8 bits by blocks of 32 while it is read.
// A workgroup computes DOT_ROWS rows of DOT_COLUMNS columns, a block of k at a time, an invocation 4 rows of 4 columns in each half of
// them. No subgroup operation: subgroups may have any size.

// OpSDot of SPV_KHR_integer_dot_product: signed bytes, 4 in a word.
spirv_instruction (extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6018, 6019], id = 4450)
int dot_of_bytes (int a, int b, spirv_literal int format);
#define DOT(a, b) dot_of_bytes (a, b, 0)

#define WORDS 8u                 // of 4 bytes in a row's block
#define X_STRIDE (DOT_ROWS + 4u) // 4 more, so that different words go to different banks
#define W_STRIDE (DOT_COLUMNS + 4u)
#define W_LOADS (DOT_COLUMNS * 4u / DOT_LOCAL) // of 8 weights, by an invocation; of x it is one
#define LEAST_LARGEST 1e-35                    // of a block: its inverse is a number
#define NO_NUMBER 0x7f800000u                  // floats of such bits, or of more, are none

shared int xs[WORDS * X_STRIDE];
shared int ws[WORDS * W_STRIDE];
shared uint peaks[DOT_LOCAL]; // the largest size in 8 elements of x, as bits
shared int x_sums[DOT_LOCAL]; // of their bytes
shared float x_scales[DOT_ROWS];
shared vec2 w_fits[DOT_COLUMNS]; // what codes are multiplied by; of Q4 also what is added

// Load l of an invocation is quarter `quarter_of` of the block of row `row_of`. Weights lie in memory as 8 rows by 8 elements.
uint row_of (uint l) { return l / 32u * 8u + l % 8u; }
uint quarter_of (uint l) { return l / 8u % 4u; }

// Two words of bytes: of Q8 in the order of k; of Q4, as its weights lie, every other one.
ivec2 words_of (ivec4 a, ivec4 b)
{
#ifdef BLOCK_Q4
    ivec4 first = ivec4 (a.xz, b.xz), second = ivec4 (a.yw, b.yw);
#else
    ivec4 first = a, second = b;
#endif
    first &= 0xff;
    second &= 0xff;
    return ivec2 (first.x | first.y << 8 | first.z << 16 | first.w << 24, second.x | second.y << 8 | second.z << 16 | second.w << 24);
}

ivec2 codes_of (Eight e)
{
#ifdef BLOCK_Q4
    uint both = (e.words.x & 0xffffu) | e.words.y << 16;
    return ivec2 (both & 0x0f0f0f0fu, both >> 4 & 0x0f0f0f0fu);
#else
    return ivec2 (e.words);
#endif
}

// What x has behind the end of k would count among the sizes.
vec4 counted (vec4 v, uint k) { return mix (vec4 (0.0), v, lessThan (uvec4 (k, k + 1u, k + 2u, k + 3u), uvec4 (p.k_end))); }

uint peak_of (uvec4 a, uvec4 b)
{
    uvec4 most = max (a & 0x7fffffffu, b & 0x7fffffffu);
    return max (max (most.x, most.y), max (most.z, most.w));
}

void main ()
{
    uint t = gl_LocalInvocationID.x;
    uint row = p.row_first + gl_WorkGroupID.x * DOT_ROWS, column = p.column_first + gl_WorkGroupID.y * DOT_COLUMNS;
    uint r = t / (DOT_COLUMNS / 8u) * 4u, c = t % (DOT_COLUMNS / 8u) * 4u;
    uint x_from = x_at (row + t / 4u) + t % 4u * 2u, w_from[W_LOADS], fits_from = weights_at (column + t % DOT_COLUMNS);
    vec4 sum[4][2];

    [[unroll]] for (uint i = 0u; i < W_LOADS; i++)
        w_from[i] = weights_at (column + row_of (t + i * DOT_LOCAL));
    [[unroll]] for (uint i = 0u; i < 4u; i++)
        [[unroll]] for (uint h = 0u; h < 2u; h++)
            sum[i][h] = vec4 (0.0);

    for (uint k32 = 0u; k32 < p.k / 32u; k32++) {
        uvec4 x_quads[2];
        Eight eights[W_LOADS];
        uint k = k32 * 32u + t % 4u * 8u, fits;

        [[unroll]] for (uint h = 0u; h < 2u; h++)
            x_quads[h] = FETCH (x, x_from + k32 * 8u + h);
        [[unroll]] for (uint i = 0u; i < W_LOADS; i++)
            eights[i] = fetch_eight (w_from[i], t % 8u, k32 * 4u + quarter_of (t + i * DOT_LOCAL));
        fits = fetch_fit (fits_from + k32 * BLOCK_QUADS, t % 8u);
        vec4 x0 = counted (F (x_quads[0]), k), x1 = counted (F (x_quads[1]), k + 4u);

        barrier ();
        peaks[t] = peak_of (floatBitsToUint (x0), floatBitsToUint (x1));
        [[unroll]] for (uint i = 0u; i < W_LOADS; i++) {
            uint at = quarter_of (t + i * DOT_LOCAL) * 2u * W_STRIDE + row_of (t + i * DOT_LOCAL);
            ivec2 words = codes_of (eights[i]);
            ws[at] = words.x;
            ws[at + W_STRIDE] = words.y;
        }
        if (t < DOT_COLUMNS)
            w_fits[t] = fit (fits);
        barrier ();
        {
            uint first = t / 4u * 4u, peak = max (max (peaks[first], peaks[first + 1u]), max (peaks[first + 2u], peaks[first + 3u]));
            float largest = max (F (peak), LEAST_LARGEST), to = 127.0 / largest;
            ivec2 words = words_of (ivec4 (roundEven (x0 * to)), ivec4 (roundEven (x1 * to)));
            uint at = t % 4u * 2u * X_STRIDE + t / 4u;

            xs[at] = words.x;
            xs[at + X_STRIDE] = words.y;
#ifdef BLOCK_Q4
            x_sums[t] = DOT (words.x, 0x01010101) + DOT (words.y, 0x01010101);
#endif
            if (t % 4u == 0u)
                x_scales[t / 4u] = peak < NO_NUMBER ? largest * (1.0 / 127.0) : F (0x7fc00000u);
        }
        barrier ();

        ivec4 part[4][2];
        [[unroll]] for (uint i = 0u; i < 4u; i++)
            [[unroll]] for (uint h = 0u; h < 2u; h++)
                part[i][h] = ivec4 (0);
        [[unroll]] for (uint w = 0u; w < WORDS; w++) {
            int a[4];

            [[unroll]] for (uint i = 0u; i < 4u; i++)
                a[i] = xs[w * X_STRIDE + r + i];
            [[unroll]] for (uint h = 0u; h < 2u; h++)
                [[unroll]] for (uint j = 0u; j < 4u; j++) {
                    int b = ws[w * W_STRIDE + c + h * (DOT_COLUMNS / 2u) + j];
                    [[unroll]] for (uint i = 0u; i < 4u; i++)
                        part[i][h][j] += DOT (a[i], b);
                }
        }
        [[unroll]] for (uint i = 0u; i < 4u; i++) {
            float scale = x_scales[r + i];
#ifdef BLOCK_Q4
            uint first = (r + i) * 4u;
            float all = float (x_sums[first] + x_sums[first + 1u] + x_sums[first + 2u] + x_sums[first + 3u]);
#endif
            [[unroll]] for (uint h = 0u; h < 2u; h++)
                [[unroll]] for (uint j = 0u; j < 4u; j++) {
                    vec2 f = w_fits[c + h * (DOT_COLUMNS / 2u) + j];
                    float value = f.x * float (part[i][h][j]);
#ifdef BLOCK_Q4
                    value += f.y * all;
#endif
                    sum[i][h][j] += scale * value;
                }
        }
    }

    [[unroll]] for (uint i = 0u; i < 4u; i++)
        [[unroll]] for (uint h = 0u; h < 2u; h++)
            store (row + r + i, column + c + h * (DOT_COLUMNS / 2u), sum[i][h]);
}

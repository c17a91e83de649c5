/*
 * dot_body.h - tiles of ROWS x 2 vectors of 32-bit sums, for x86's vectors of any width
 *
 * Each dot_<set>.c includes this once and defines NAME, LANES (32-bit sums per vector: 8 or 16),
 * ROWS, TEXT16 (and TEXT8), the name of its instruction for s16 (and s8), and
 *
 *     DOT16(sum, x, w)   sum += the products of two pairs of s16
 *     DOT8(sum, x, w)    sum += the products of four u8 of x and four s8 of w; optional
 *
 * Groups of 32 bits, 2 or 4 elements, are kept together: x as [k / group][rows], w as
 * [k / group][cols].  Elements of x of 8 bits are stored with 128 added, since the instruction
 * needs them unsigned; a correction for each column, s32[cols], comes before w, and the sums start
 * from it.
 */
#include <immintrin.h>
#include <string.h>

#include "model/kernels/kern_tables.h"

#define COLS (2 * LANES)

#if LANES == 16
typedef __m512i vec;
#else
typedef __m256i vec;
#endif

static DOT_INSIDE vec load(const void *p)
{
    vec v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* The 32 bits at p in every lane. */
static DOT_INSIDE vec all(const void *p)
{
    int32_t x;
    memcpy(&x, p, sizeof x);
#if LANES == 16
    return _mm512_set1_epi32(x);
#else
    return _mm256_set1_epi32(x);
#endif
}

#define TILE(name, group, start, dot_op)                                                           \
    DOT_TILE static void name(int32_t *out, const void *x_packed, const void *w_packed, size_t k)  \
    {                                                                                              \
        const char *x = x_packed, *w = w_packed;                                                   \
        vec sum[ROWS][2];                                                                          \
        start;                                                                                     \
        for (size_t l = 0; l < k; l += group, x += ROWS * 4, w += COLS * 4) {                      \
            const vec w0 = load(w), w1 = load(w + LANES * 4);                                      \
            _Pragma("GCC unroll 14") for (int i = 0; i < ROWS; i++)                                \
            {                                                                                      \
                const vec xi = all(x + 4 * i);                                                     \
                dot_op(sum[i][0], xi, w0);                                                         \
                dot_op(sum[i][1], xi, w1);                                                         \
            }                                                                                      \
        }                                                                                          \
        _Pragma("GCC unroll 14") for (int i = 0; i < ROWS; i++)                                    \
        {                                                                                          \
            memcpy(out + i * COLS, &sum[i][0], sizeof(vec));                                       \
            memcpy(out + i * COLS + LANES, &sum[i][1], sizeof(vec));                               \
        }                                                                                          \
    }

#define START_ZERO                                                                                 \
    _Pragma("GCC unroll 14") for (int i = 0; i < ROWS; i++)                                        \
    {                                                                                              \
        sum[i][0] = (vec){0};                                                                      \
        sum[i][1] = (vec){0};                                                                      \
    }

TILE(tile_s16, 2, START_ZERO, DOT16)

static void pack_s16(void *to, const int16_t *x, size_t n, size_t k)
{
    int16_t *packed = to;
    for (size_t l = 0; l < k; l += 2) {
        for (size_t i = 0; i < n; i++) {
            memcpy(packed + (l / 2 * n + i) * 2, x + i * k + l, 4);
        }
    }
}

static void pack_x_s16(void *to, const int16_t *x, size_t k)
{
    pack_s16(to, x, ROWS, k);
}

static void pack_w_s16(void *to, const int16_t *w, size_t k)
{
    pack_s16(to, w, COLS, k);
}

#ifdef DOT8
#define START_COLUMNS                                                                              \
    _Pragma("GCC unroll 14") for (int i = 0; i < ROWS; i++)                                        \
    {                                                                                              \
        sum[i][0] = load(w);                                                                       \
        sum[i][1] = load(w + LANES * 4);                                                           \
    }                                                                                              \
    w += COLS * 4

TILE(tile_s8, 4, START_COLUMNS, DOT8)

static void pack_x_s8(void *to, const int16_t *x, size_t k)
{
    uint8_t *packed = to;
    for (size_t l = 0; l < k; l++) {
        for (size_t i = 0; i < ROWS; i++) {
            packed[(l / 4 * ROWS + i) * 4 + l % 4] = (uint8_t)(x[i * k + l] + 128);
        }
    }
}

static void pack_w_s8(void *to, const int16_t *w, size_t k)
{
    int32_t *start = to;
    int8_t *packed = (int8_t *)(start + COLS);
    for (size_t j = 0; j < COLS; j++) {
        int32_t sum = 0;
        for (size_t l = 0; l < k; l++) {
            packed[(l / 4 * COLS + j) * 4 + l % 4] = (int8_t)w[j * k + l];
            sum += w[j * k + l];
        }
        start[j] = -128 * sum;
    }
}
#endif

#define JOIN(a, b) a##b
#define TABLE(bits, name) JOIN(dot_##bits##_, name)

const struct dot TABLE(s16, NAME) = {.instruction = TEXT16,
                                     .bytes = 2,
                                     .rows = ROWS,
                                     .cols = COLS,
                                     .pack_x = pack_x_s16,
                                     .pack_w = pack_w_s16,
                                     .tile = tile_s16};
#ifdef DOT8
const struct dot TABLE(s8, NAME) = {.instruction = TEXT8,
                                    .bytes = 1,
                                    .rows = ROWS,
                                    .cols = COLS,
                                    .w_extra = COLS * 4,
                                    .pack_x = pack_x_s8,
                                    .pack_w = pack_w_s8,
                                    .tile = tile_s8};
#endif

/*
 * dot_body.h - tiles of ROWS x 2 vectors of 32-bit sums, for x86's vectors of any width
 *
 * Included once by each dot_<set>.c, which defines VEC (the type of a vector), LANES (its sums),
 * ROWS, load(), zero(), all() (one 32-bit number in every lane), and
 *
 *     DOT16(sum, x, w)   sum += the products of two pairs of s16
 *     DOT8(sum, x, w)    sum += the products of four u8 of x and four s8 of w; optional
 *
 * A group of 32 bits, 2 or 4 elements, stands together: x as [k / group][rows], w as
 * [k / group][cols].  x of 8 bits are stored with 128 added, since the instruction wants them
 * unsigned; each column's sums begin with what that adds, which stands before w: s32[cols].
 */
#include <string.h>

#include "model/dot.h"

#define COLS (2 * LANES)

#define TILE(name, group, start, dot_op)                                                           \
    static void name(int32_t *out, const void *x_packed, const void *w_packed, size_t k)           \
    {                                                                                              \
        const char *x = x_packed, *w = w_packed;                                                   \
        VEC sum[ROWS][2];                                                                          \
        start;                                                                                     \
        for (size_t l = 0; l < k; l += group, x += ROWS * 4, w += COLS * 4) {                      \
            const VEC w0 = load(w), w1 = load(w + LANES * 4);                                      \
            _Pragma("GCC unroll 14") for (int i = 0; i < ROWS; i++)                                \
            {                                                                                      \
                const VEC xi = all(x + 4 * i);                                                     \
                dot_op(sum[i][0], xi, w0);                                                         \
                dot_op(sum[i][1], xi, w1);                                                         \
            }                                                                                      \
        }                                                                                          \
        _Pragma("GCC unroll 14") for (int i = 0; i < ROWS; i++)                                    \
        {                                                                                          \
            memcpy(out + i * COLS, &sum[i][0], sizeof(VEC));                                       \
            memcpy(out + i * COLS + LANES, &sum[i][1], sizeof(VEC));                               \
        }                                                                                          \
    }

#define START_ZERO                                                                                 \
    _Pragma("GCC unroll 14") for (int i = 0; i < ROWS; i++)                                        \
    {                                                                                              \
        sum[i][0] = zero();                                                                        \
        sum[i][1] = zero();                                                                        \
    }

TILE(tile_s16, 2, START_ZERO, DOT16)

static void pack_x_s16(void *to, const int16_t *x, size_t k)
{
    int16_t *packed = to;
    for (size_t l = 0; l < k; l += 2) {
        for (size_t i = 0; i < ROWS; i++) {
            memcpy(packed + (l / 2 * ROWS + i) * 2, x + i * k + l, 4);
        }
    }
}

static void pack_w_s16(void *to, const int16_t *w, size_t k)
{
    int16_t *packed = to;
    for (size_t l = 0; l < k; l += 2) {
        for (size_t j = 0; j < COLS; j++) {
            memcpy(packed + (l / 2 * COLS + j) * 2, w + j * k + l, 4);
        }
    }
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

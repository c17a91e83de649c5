/* Any CPU. */
#include <string.h>

#include "model/kernels/kern_tables.h"

#define ROWS 4
#define COLS 8

/* Rows of x and columns of w are not rearranged. */
#define TILE(name, type)                                                                           \
    DOT_TILE static void name(int32_t *out, const void *x_packed, const void *w_packed, size_t k)  \
    {                                                                                              \
        const type *x = x_packed, *w = w_packed;                                                   \
        for (size_t i = 0; i < ROWS; i++) {                                                        \
            for (size_t j = 0; j < COLS; j++) {                                                    \
                int32_t sum = 0;                                                                   \
                for (size_t l = 0; l < k; l++) {                                                   \
                    sum += x[i * k + l] * w[j * k + l];                                            \
                }                                                                                  \
                out[i * COLS + j] = sum;                                                           \
            }                                                                                      \
        }                                                                                          \
    }

TILE(tile_s16, int16_t)
TILE(tile_s8, int8_t)

static void pack_x_s16(void *to, const int16_t *x, size_t k)
{
    memcpy(to, x, ROWS * k * sizeof *x);
}

static void pack_w_s16(void *to, const int16_t *w, size_t k)
{
    memcpy(to, w, COLS * k * sizeof *w);
}

static void narrow(int8_t *to, const int16_t *x, size_t n)
{
    for (size_t l = 0; l < n; l++) {
        to[l] = (int8_t)x[l];
    }
}

static void pack_x_s8(void *to, const int16_t *x, size_t k)
{
    narrow(to, x, ROWS * k);
}

static void pack_w_s8(void *to, const int16_t *w, size_t k)
{
    narrow(to, w, COLS * k);
}

const struct dot dot_s16_c = {.instruction = "C",
                              .bytes = 2,
                              .rows = ROWS,
                              .cols = COLS,
                              .pack_x = pack_x_s16,
                              .pack_w = pack_w_s16,
                              .tile = tile_s16};
const struct dot dot_s8_c = {.instruction = "C",
                             .bytes = 1,
                             .rows = ROWS,
                             .cols = COLS,
                             .pack_x = pack_x_s8,
                             .pack_w = pack_w_s8,
                             .tile = tile_s8};

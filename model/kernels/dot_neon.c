/*
 * 64-bit Arm with the dot product instructions: sdot adds four products of s8 to each sum, one lane
 * of x against all columns.  No instruction for s16 is faster than those for f32.
 */
#include <arm_neon.h>

#include "model/kernels/kern_tables.h"

#define ROWS 12
#define COLS 8

/* Packs groups of four elements: x as [k / 4][rows], w as [k / 4][cols]. */
static void pack(int8_t *to, const int16_t *x, size_t rows, size_t k)
{
    for (size_t l = 0; l < k; l++) {
        for (size_t i = 0; i < rows; i++) {
            to[(l / 4 * rows + i) * 4 + l % 4] = (int8_t)x[i * k + l];
        }
    }
}

static void pack_x(void *to, const int16_t *x, size_t k)
{
    pack(to, x, ROWS, k);
}

static void pack_w(void *to, const int16_t *w, size_t k)
{
    pack(to, w, COLS, k);
}

#define LANE(i)                                                                                    \
    sum[i][0] = vdotq_laneq_s32(sum[i][0], w0, xs[(i) / 4], (i) % 4);                              \
    sum[i][1] = vdotq_laneq_s32(sum[i][1], w1, xs[(i) / 4], (i) % 4)

DOT_TILE static void tile(int32_t *out, const void *x_packed, const void *w_packed, size_t k)
{
    const int8_t *x = x_packed, *w = w_packed;
    int32x4_t sum[ROWS][2];
    for (int i = 0; i < ROWS; i++) {
        sum[i][0] = sum[i][1] = vdupq_n_s32(0);
    }
    for (size_t l = 0; l < k; l += 4, x += ROWS * 4, w += COLS * 4) {
        const int8x16_t w0 = vld1q_s8(w), w1 = vld1q_s8(w + 16);
        const int8x16_t xs[3] = {vld1q_s8(x), vld1q_s8(x + 16), vld1q_s8(x + 32)};
        LANE(0);
        LANE(1);
        LANE(2);
        LANE(3);
        LANE(4);
        LANE(5);
        LANE(6);
        LANE(7);
        LANE(8);
        LANE(9);
        LANE(10);
        LANE(11);
    }
    for (int i = 0; i < ROWS; i++) {
        vst1q_s32(out + i * COLS, sum[i][0]);
        vst1q_s32(out + i * COLS + 4, sum[i][1]);
    }
}

const struct dot dot_s8_neon = {.instruction = "sdot",
                                .bytes = 1,
                                .rows = ROWS,
                                .cols = COLS,
                                .pack_x = pack_x,
                                .pack_w = pack_w,
                                .tile = tile};

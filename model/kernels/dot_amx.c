/*
 * AMX: eight tile registers of 16 rows of 64 bytes; one instruction multiplies 16 x 64 by 64 x 16
 * bytes.
 *
 * s8: a tile is 2 x 2 registers of sums.  s16: an element is 256 high + low, high signed and low
 * unsigned; four products of planes, two of which share their sums, make the same s32 as a product
 * of s16 would, modulo 2^32.
 */
#include <immintrin.h>
#include <string.h>

#include "model/kernels/kern_tables.h"

#define ROWS 32
#define COLS 32
#define SIDE 16       // rows of a register, and its 32-bit columns
#define REGISTER 1024 // bytes
#define STEP DOT_STEP // elements of k in a register

// Uses all of all eight registers.  It is static because GCC 12 believes that _tile_loadconfig()
// reads only 8 bytes.
static const struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} config = {.palette = 1,
            .bytes = {64, 64, 64, 64, 64, 64, 64, 64},
            .rows = {SIDE, SIDE, SIDE, SIDE, SIDE, SIDE, SIDE, SIDE}};

static void begin(void)
{
    _tile_loadconfig(&config);
}

static void end(void)
{
    _tile_release();
}

/* x[16][ld], 64 columns of it, as a left operand: row by row. */
static void pack_left(uint8_t *to, const int16_t *x, size_t ld, int shift)
{
    for (size_t i = 0; i < SIDE; i++) {
        for (size_t l = 0; l < STEP; l++) {
            to[i * STEP + l] = (uint8_t)(x[i * ld + l] >> shift);
        }
    }
}

/* w[16][ld], 64 columns of it, as a right operand: groups of four, [16 groups][16 columns][4]. */
static void pack_right(uint8_t *to, const int16_t *w, size_t ld, int shift)
{
    for (size_t j = 0; j < SIDE; j++) {
        for (size_t l = 0; l < STEP; l++) {
            to[(l / 4 * SIDE + j) * 4 + l % 4] = (uint8_t)(w[j * ld + l] >> shift);
        }
    }
}

/* pack_left() or pack_right() */
typedef void pack_part(uint8_t *to, const int16_t *x, size_t ld, int shift);

// --- s8: [k / 64][2 halves of the rows or columns] registers ---

static void pack_s8(uint8_t *to, const int16_t *x, size_t k, pack_part *pack)
{
    for (size_t l = 0; l < k; l += STEP, to += 2 * REGISTER) {
        pack(to, x + l, k, 0);
        pack(to + REGISTER, x + SIDE * k + l, k, 0);
    }
}

static void pack_x_s8(void *to, const int16_t *x, size_t k)
{
    pack_s8(to, x, k, pack_left);
}

static void pack_w_s8(void *to, const int16_t *w, size_t k)
{
    pack_s8(to, w, k, pack_right);
}

static void tile_s8(int32_t *out, const void *x_packed, const void *w_packed, size_t k)
{
    const uint8_t *x = x_packed, *w = w_packed;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t l = 0; l < k; l += STEP, x += 2 * REGISTER, w += 2 * REGISTER) {
        _tile_loadd(4, x, 64);
        _tile_loadd(6, w, 64);
        _tile_loadd(7, w + REGISTER, 64);
        _tile_dpbssd(0, 4, 6);
        _tile_loadd(5, x + REGISTER, 64);
        _tile_dpbssd(1, 4, 7);
        _tile_dpbssd(2, 5, 6);
        _tile_dpbssd(3, 5, 7);
    }
    _tile_stored(0, out, COLS * 4);
    _tile_stored(1, out + SIDE, COLS * 4);
    _tile_stored(2, out + SIDE * COLS, COLS * 4);
    _tile_stored(3, out + SIDE * COLS + SIDE, COLS * 4);
}

// --- s16: [2 halves of the rows or columns][k / 64][high, low] registers ---

static void pack_s16(uint8_t *to, const int16_t *x, size_t k, pack_part *pack)
{
    for (size_t half = 0; half < 2; half++) {
        for (size_t l = 0; l < k; l += STEP, to += 2 * REGISTER) {
            pack(to, x + half * SIDE * k + l, k, 8);
            pack(to + REGISTER, x + half * SIDE * k + l, k, 0);
        }
    }
}

static void pack_x_s16(void *to, const int16_t *x, size_t k)
{
    pack_s16(to, x, k, pack_left);
}

static void pack_w_s16(void *to, const int16_t *w, size_t k)
{
    pack_s16(to, w, k, pack_right);
}

/* out[16][COLS], 16 columns of it. */
static void quarter_s16(int32_t *out, const uint8_t *x, const uint8_t *w, size_t k)
{
    uint32_t high[SIDE * SIDE], middle[SIDE * SIDE], low[SIDE * SIDE];
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    for (size_t l = 0; l < k; l += STEP, x += 2 * REGISTER, w += 2 * REGISTER) {
        _tile_loadd(4, x, 64);
        _tile_loadd(6, w, 64);
        _tile_loadd(7, w + REGISTER, 64);
        _tile_dpbssd(0, 4, 6);
        _tile_loadd(5, x + REGISTER, 64);
        _tile_dpbsud(1, 4, 7);
        _tile_dpbuud(2, 5, 7);
        _tile_dpbusd(1, 5, 6);
    }
    _tile_stored(0, high, 64);
    _tile_stored(1, middle, 64);
    _tile_stored(2, low, 64);
    for (size_t i = 0; i < SIDE; i++) {
        for (size_t j = 0; j < SIDE; j++) {
            const size_t at = i * SIDE + j;
            out[i * COLS + j] = (int32_t)((high[at] << 16) + (middle[at] << 8) + low[at]);
        }
    }
}

static void tile_s16(int32_t *out, const void *x_packed, const void *w_packed, size_t k)
{
    const uint8_t *x = x_packed, *w = w_packed;
    // In this order each quarter shares an operand, still in the cache, with the one before.
    static const struct {
        uint8_t i, j;
    } quarters[] = {{0, 0}, {0, 1}, {1, 1}, {1, 0}};
    for (size_t q = 0; q < 4; q++) {
        const size_t i = quarters[q].i, j = quarters[q].j;
        quarter_s16(out + i * SIDE * COLS + j * SIDE, x + i * SIDE * k * 2, w + j * SIDE * k * 2,
                    k);
    }
}

const struct dot dot_s16_amx = {.instruction = "tdpbssd, four planes",
                                .bytes = 2,
                                .rows = ROWS,
                                .cols = COLS,
                                .pack_x = pack_x_s16,
                                .pack_w = pack_w_s16,
                                .tile = tile_s16,
                                .begin = begin,
                                .end = end};
const struct dot dot_s8_amx = {.instruction = "tdpbssd",
                               .bytes = 1,
                               .rows = ROWS,
                               .cols = COLS,
                               .pack_x = pack_x_s8,
                               .pack_w = pack_w_s8,
                               .tile = tile_s8,
                               .begin = begin,
                               .end = end};

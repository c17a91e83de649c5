/*
 * dot.h - tiles of a product of integers, x[rows][k] w[k][cols], in s32
 *
 * Operands are 16 or 8 bits wide and packed for an instruction set; every implementation makes the
 * same sums from the same numbers, bit for bit.  k is a multiple of DOT_STEP: packed operands are
 * padded with zeros.
 *
 * Sums are modulo 2^32.  A sum of 16-bit products does not overflow if the 2-norms of a row of x
 * and of a column of w are at most 46340 (Cauchy and Schwarz), a sum of 8-bit products if k < 2^16.
 *
 * Threads: tables are immutable.
 */
#ifndef GAPSCOPE_MODEL_KERNELS_DOT_H
#define GAPSCOPE_MODEL_KERNELS_DOT_H

#include <stddef.h>
#include <stdint.h>

#define DOT_STEP ((size_t)64)
#define DOT_ROWS_MAX ((size_t)32)
#define DOT_COLS_MAX ((size_t)32)

/* A tile is a loop of loads that ThreadSanitizer need not see one by one: it took half of the time
 * of a scan.  A tile reads what its thread packed and what no thread writes, and writes what its
 * caller reads, where races are still found. */
#define DOT_TILE __attribute__((no_sanitize("thread")))
#define DOT_INSIDE inline __attribute__((always_inline)) // what a tile calls

struct dot {
    const char *instruction; // "vpdpbusd"
    size_t bytes;            // of an element: 2, or 1 (-127..127)
    size_t rows, cols;       // of a tile
    size_t x_extra, w_extra; // bytes of a packed tile beyond its elements

    /* to: dot_x_size(), dot_w_size() bytes, aligned to 64.  x[rows][k], w[cols][k]. */
    void (*pack_x)(void *to, const int16_t *x, size_t k);
    void (*pack_w)(void *to, const int16_t *w, size_t k);

    /* out[rows][cols] = the product of packed x and w. */
    void (*tile)(int32_t *out, const void *x, const void *w, size_t k);

    /* Call them before a thread's first tile and after its last one.  NULL: not needed. */
    void (*begin)(void);
    void (*end)(void);
};

static inline void dot_begin(const struct dot *d)
{
    if (d->begin) {
        d->begin();
    }
}

static inline void dot_end(const struct dot *d)
{
    if (d->end) {
        d->end();
    }
}

/* Bytes of a tile's packed operands: multiples of 64. */
static inline size_t dot_x_size(const struct dot *d, size_t k)
{
    return d->rows * k * d->bytes + d->x_extra;
}

static inline size_t dot_w_size(const struct dot *d, size_t k)
{
    return d->cols * k * d->bytes + d->w_extra;
}

#endif

/*
 * kern.h - a table of the functions that differ between instruction sets
 *
 * Products are of f32, s16 or s8 (dot.h), everything else is f32.  A product x[n][k] w[k][m] is
 * made tile by tile from packed operands: rows of x as [k][rows], columns of w as [k][cols].  Each
 * element of a tile is made by the same instructions in the same order, wherever it is in the tile,
 * so a row's results do not depend on the rows that it is batched with.
 *
 * kern_body.h holds the code, written for vectors of any width; kern_<name>.c compiles it for one
 * instruction set.
 *
 * Threads: tables are immutable.
 */
#ifndef GAPSCOPE_MODEL_KERNELS_KERN_H
#define GAPSCOPE_MODEL_KERNELS_KERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/kernels/dot.h"

#define KERN_ALIGN ((size_t)64) // bytes, of packed columns and of tiles
#define KERN_ROWS_MAX ((size_t)14)
#define KERN_COLS_MAX ((size_t)32)
#define KERN_LANES ((size_t)16) // partial sums per row, in every table

/* Logits, / ln 2, of a changed model: its own product's tile and the whole model's, all at the tile's
 * first row and column. */
struct kern_mix {
    const float *row_scale, *col_scale; // of its own tile
    const int32_t *whole;               // [rows][cols]
    const float *whole_row_scale, *whole_col_scale;
    const float *ratio, *less; // [rows]
    const float *ln_b, *bias;  // [cols]
};

struct kern_f32 {
    size_t rows, cols; // of a tile

    /* to[k][rows] = x[n][k], rows ld apart, times 'scale'; n <= rows, missing rows become 0. */
    void (*pack)(float *to, const float *x, size_t ld, size_t n, size_t k, float scale);

    /* out[rows][cols] = the product of x[k][rows] and w[k][cols]. */
    void (*tile)(float *out, const float *x, const float *w, size_t k);

    /* out[n][ld] = (add ? out : 0) + (tile[n][m] + bias[m]); rows of tile are tile_ld apart. */
    void (*put)(float *out, size_t ld, const float *tile, size_t tile_ld, const float *bias,
                size_t n, size_t m, bool add);

    /* sums[i][..] += exp(tile[i][j] + bias[j] - shift[i]) over all j; exponents beyond 87 count as
     * 87, so that a sum that matters is either right or larger than 1e37. */
    void (*add_exp)(float *sums, const float *tile, const float *bias, const float *shift);

    /* tile[rows][cols] += whole[i][j] ratio[i] + ln_b[j] less[i] */
    void (*mix)(float *tile, const float *whole, const float *ratio, const float *ln_b,
                const float *less);

    /* x[n] becomes its softmax, n > 0. */
    void (*softmax)(float *x, size_t n);

    /* out[n] = x[n], less its mean if 'centre', over sqrt(mean square + eps), times w[n] plus b[n];
     * w and b may be NULL, out may be x.  Sums in f64. */
    void (*norm)(float *out, const float *x, const float *w, const float *b, float eps, size_t n,
                 bool centre);

    /* x[n] becomes x Phi(x); Phi by Abramowitz and Stegun 7.1.26, within 1e-7. */
    void (*gelu)(float *x, size_t n);
    /* x[n] becomes its approximation by tanh, as in GPT-2. */
    void (*gelu_new)(float *x, size_t n);

    /* x[n] becomes max(x, 0). */
    void (*relu)(float *x, size_t n);
    /* x[n] becomes x / (1 + e^-x). */
    void (*silu)(float *x, size_t n);

    /* The sum of x[i] y[i], i < n. */
    float (*dot)(const float *x, const float *y, size_t n);

    // --- for products of integers ---

    /* The greatest absolute value, and the sum of squares, of x[n]. */
    float (*size)(const float *x, size_t n, float *square);

    /* to[n] = x[n] scale, rounded to the nearest; the result must fit in 16 bits. */
    void (*quantize)(int16_t *to, const float *x, size_t n, float scale);

    /* x[n] becomes H x / sqrt(n), H the Walsh-Hadamard matrix, n a power of two. */
    void (*rotate)(float *x, size_t n);

    /* tile[rows][cols] of s32 becomes f32: each times row_scale[i] col_scale[j]. */
    void (*to_f32)(void *tile, size_t rows, const float *row_scale, const float *col_scale);

    /* tile[rows][cols] of s32 becomes f32: e = 2^(tile row_scale[i] col_scale[j] + bias[j] -
     * shift[i]), within 4e-6 of itself, exponents beyond 126 as in add_exp(); sums[i][..] += e over
     * all j.  Bit i of the result is 1 where row i has an e above above[i], and may be where two
     * together are. */
    uint32_t (*add_exp2)(float *sums, void *tile, size_t rows, const float *row_scale,
                         const float *col_scale, const float *bias, const float *shift,
                         const float *above);

    /* The same of e = 2^(tile row_scale[i] col_scale[j] + whole whole_row_scale[i] whole_col_scale[j]
     * ratio[i] + ln_b[j] less[i] + bias[j] - shift[i]). */
    uint32_t (*add_exp2_mixed)(float *sums, void *tile, size_t rows, const struct kern_mix *mix,
                               const float *shift, const float *above);

    /* Bit j: x[j] > limit, j < cols. */
    uint32_t (*above)(const float *x, float limit);
};

struct kern {
    const char *name; // "amx", "vnni", "avx512", "avxvnni", "avx2", "neon", "c"
    const struct kern_f32 *f32;
    const struct dot *s16, *s8; // NULL: not faster than the wider format before it
};

/* The fastest table that this CPU can run. */
const struct kern *kern_best(void);

/* Table i of this program, fastest first; NULL after the last.  Whether this machine can run it. */
const struct kern *kern_at(size_t i);
bool kern_runs(const struct kern *k);

/* The table of this name, or NULL. */
const struct kern *kern_named(const char *name);

#endif

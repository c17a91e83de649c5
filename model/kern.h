/*
 * kern.h - what differs between instruction sets, behind one table of functions
 *
 * Everything is f32.  A product x[n][k] w[k][m] is made tile by tile from packed operands: rows of
 * x as [k][rows], columns of w as [k][cols].  Each element of a tile is made by the same
 * instructions in the same order wherever it stands in it, so a row's results do not depend on the
 * rows that it is batched with.
 *
 * kern_body.h holds the code, written for vectors of any width; kern_<name>.c compiles it for one
 * instruction set.
 *
 * Threads: tables are immutable.
 */
#ifndef GAPSCOPE_MODEL_KERN_H
#define GAPSCOPE_MODEL_KERN_H

#include <stdbool.h>
#include <stddef.h>

#define KERN_ALIGN ((size_t)64) // bytes, of packed columns and of tiles
#define KERN_ROWS_MAX ((size_t)14)
#define KERN_COLS_MAX ((size_t)32)
#define KERN_LANES ((size_t)16) // partial sums a row, of any table

struct kern {
    const char *name;  // "avx512", "avx2", "c"
    size_t rows, cols; // of a tile

    /* out[rows][cols] = the product of x[k][rows] and w[k][cols]. */
    void (*tile)(float *out, const float *x, const float *w, size_t k);

    /* sums[i][..] += exp(tile[i][j] + bias[j] - shift[i]) over all j; exponents beyond 87 count as
     * 87, so that a sum that matters is either right or larger than 1e37. */
    void (*add_exp)(float *sums, const float *tile, const float *bias, const float *shift);

    /* x[n] becomes its softmax, n > 0. */
    void (*softmax)(float *x, size_t n);

    /* x[n] becomes x Phi(x); Phi by Abramowitz and Stegun 7.1.26, within 1e-7. */
    void (*gelu)(float *x, size_t n);
    /* x[n] becomes its approximation by tanh, as in GPT-2. */
    void (*gelu_new)(float *x, size_t n);
};

/* The fastest table that this CPU can run. */
const struct kern *kern_best(void);

/* All tables of this program, fastest first, ended by NULL; and whether this CPU can run one. */
const struct kern *const *kern_all(void);
bool kern_runs(const struct kern *k);

#endif

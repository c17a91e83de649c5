/*
 * act_kernels.h - what is done with every activation of a scan, in a table a kind of CPU
 *
 * All of it is whole numbers, or does not depend on the width of vectors, so every table gives the
 * same.  act_kernels_body.h is the one source,
 * plain C; each table is compiled for its instructions.
 *
 * Threads: tables are constant.
 */
#ifndef GAPSCOPE_OUT_RESULTS_NEURONS_ACT_KERNELS_H
#define GAPSCOPE_OUT_RESULTS_NEURONS_ACT_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "out/results/neurons/activation_bins.h"

/* Which lists of its neuron an activation may enter, and whether it is beyond ACT_MAX. */
enum { ACT_TOP = 1, ACT_BOTTOM = 2, ACT_RANDOM = 4, ACT_GROUP = 8, ACT_BEYOND = 16 };

/* Activations as whole numbers of 2^-20; those of ACT_MAX and more in size, and what is not finite,
 * are 0 there and have ACT_BEYOND: whoever adds activations adds them by themselves. */
#define ACT_ONE (1 << 20)
#define ACT_MAX 1024.0f

/* What it takes, for each of n neurons. */
struct act_limits {
    const int32_t *top, *bottom; // [n] bins_order() at least, at most
    const uint32_t *salt;        // [n]
    const uint32_t *hash;        // [1 + BINS_GROUPS][n] at most: of RANDOM, and of its group
    // What spares most activations the look at their group's: at most most[n] of all groups but
    // those whose bits are set in open[n].
    const uint32_t *most, *open;
};

/* The hash of a place and a neuron, from hashes of either. */
static inline uint32_t act_hash(uint32_t place, uint32_t salt)
{
    return (place ^ salt) * UINT32_C(0x9e3779b1);
}

#define ACT_TURNED 4 // neurons of which a token's bins stand together

struct act_kernels {
    const char *name;

    /* A token's activations a[n]: as whole numbers (fixed), bins, and flags; returns all flags
     * joined. */
    unsigned (*row)(const float *a, size_t n, uint32_t place, const struct act_limits *limits,
                    int32_t *fixed, uint16_t *bins, uint8_t *flags);

    /* Adds a token's activations a[n], as whole numbers, to sum[n]; what is beyond, as 0. */
    void (*add)(const float *a, size_t n, int64_t *sum);

    /* Adds rows at[n_rows] of fixed[][n] to sum[n], and what is positive of them to positive[n]. */
    void (*sums)(const int32_t *fixed, size_t n, const uint8_t *at, size_t n_rows, int64_t *sum,
                 int64_t *positive);

    /* Adds their squares, the lower 32 bits to low[n], what is above to high[n]. */
    void (*squares)(const int32_t *fixed, size_t n, const uint8_t *at, size_t n_rows, uint64_t *low,
                    uint64_t *high);

    /* Adds the third and fourth powers of fixed - shift[n], in the order of the rows: in doubles,
     * so that of the same rows every table gives the same, whole numbers all of them. */
    void (*powers)(const int32_t *fixed, size_t n, const uint8_t *at, size_t n_rows,
                   const int32_t *shift, double *cubes, double *fourths);

    /* Bins row by row [n_rows][n] to ACT_TURNED neurons beside one another: that of neuron i in row
     * k to to[(i / ACT_TURNED * stride + k) * ACT_TURNED + i % ACT_TURNED]. */
    void (*turn)(const uint16_t *rows, size_t n_rows, size_t n, uint16_t *to, size_t stride);
};

/* The best table of this CPU. */
const struct act_kernels *act_kernels_best(void);

/* Table i of those that this CPU can run, best first; NULL from the last on. */
const struct act_kernels *act_kernels_at(size_t i);

extern const struct act_kernels act_kernels_c, act_kernels_avx2, act_kernels_avx512;

#endif

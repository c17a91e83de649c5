/*
 * activation_bins.h - histograms of activations: bins from the bits of a float, the same for every
 * neuron
 *
 *     size |a|    below 0: bins an octave     size |a|    above 0: bins an octave
 *     2^-20 .. 2^-12    2                     2^-20 .. 2^-12    2
 *     2^-12 .. 2^-2     8                     2^-12 .. 2^-2     8
 *     2^-2  .. 2^17     1                     2^-2  .. 2^3     16
 *                                             2^3   .. 2^6      4
 *                                             2^6   .. 2^17     1
 *     2^17  .. 2^128    1/16                  2^17  .. 2^128    1/16
 *
 * They are in ascending order of a; the two next to the middle reach to 0, and the middle one holds
 * 0 alone: what is in it is equal, so it makes nothing uncertain.  Every finite float has a bin;
 * BINS stands for what is not finite, which no histogram counts.  No range is chosen beforehand, so
 * histograms of any parts of a corpus add up.
 *
 * The bins are finest where most of the activations of GELU and SoLU are, and above 0 where a neuron
 * fires.  What average precision may be off (scores.h) was, over all 191,488 scores of two models'
 * 1024 neurons with 64 hypotheses (dev, test, all; a million tokens), 0.0025 on average, above 0.01
 * in 4.3 % of them, above 0.02 in 0.4 %, and at most 0.062.  More bins are dear: a token has five
 * labels on average, so that histograms are not sparse, and a worker, the whole and run.db grow with
 * them.  Of the neurons with the widest bounds 1134 such scores were above 0.01 as follows: 59 with
 * these bins, 26 with 1091 bins, and 10, at most 0.016, with 1392.
 */
#ifndef GAPSCOPE_OUT_RESULTS_NEURONS_ACTIVATION_BINS_H
#define GAPSCOPE_OUT_RESULTS_NEURONS_ACTIVATION_BINS_H

#include <stdint.h>
#include <string.h>

#define BINS_BELOW 123       // of a < 0
#define BINS_ZERO BINS_BELOW // the bin of 0
#define BINS_ABOVE 207       // of a > 0
#define BINS (BINS_BELOW + 1 + BINS_ABOVE)

/* The bits of a + 0: -0 becomes 0. */
static inline int32_t bins_bits(float a)
{
    const float plain = a + 0.0f;
    int32_t bits;
    memcpy(&bits, &plain, sizeof bits);
    return bits;
}

static inline float bins_from_bits(int32_t bits)
{
    float a;
    memcpy(&a, &bits, sizeof a);
    return a;
}

/* Ascends with a; its own inverse. */
static inline int32_t bins_order(int32_t bits)
{
    return bits ^ ((bits >> 31) & INT32_MAX);
}

static inline int32_t bins_clamp(int32_t x, int32_t most)
{
    x = x < 0 ? 0 : x;
    return x > most ? most : x;
}

/* Sizes from 2^exponent on that have 2^shift bins an octave, less than one where shift is below 0;
 * the first of them is bin 'first' of its side.  The last of a side only ends it. */
struct bins_piece {
    int first, exponent, shift;
};
static const struct bins_piece bins_below[] = {
    {1, -20, 1}, {17, -12, 3}, {97, -2, 0}, {116, 17, -4}, {BINS_BELOW, 128, 0}};
static const struct bins_piece bins_above[] = {{1, -20, 1},         {17, -12, 3}, {97, -2, 4},
                                               {177, 3, 2},         {189, 6, 0},  {200, 17, -4},
                                               {BINS_ABOVE, 128, 0}};

/* How many bins of a piece lie at or below this size: it begins at 2^EXPONENT, has n of them, and
 * a bin of it has 2^(23 - SHIFT) floats. */
#define BINS_STEP(size, EXPONENT, SHIFT, n)                                                        \
    bins_clamp(((size) >> (23 - (SHIFT))) - ((127 + (EXPONENT)) << 23 >> (23 - (SHIFT))) + 1, (n))

/* The bin of a float with these bits, without a branch or a table, for kernels. */
static inline uint16_t bins_of(int32_t bits)
{
    const int32_t size = bits & INT32_MAX, below = bits >> 31; // -1 for a < 0
    const int32_t both =
        BINS_STEP(size, -20, 1, 16) + BINS_STEP(size, -12, 3, 80) + BINS_STEP(size, 17, -4, 7);
    const int32_t high = both + BINS_STEP(size, -2, 4, 80) + BINS_STEP(size, 3, 2, 12) +
                         BINS_STEP(size, 6, 0, 11) + (size > 0);
    const int32_t low = both + BINS_STEP(size, -2, 0, 19);
    const int32_t bin = below ? BINS_BELOW - 1 - low : BINS_ZERO + high;
    return (uint16_t)(size >= 0x7f800000 ? BINS : bin);
}

/* The bits of the least size of the i-th bin of a side, i from 0 to how many it has. */
static inline int32_t bins_size_bits(const struct bins_piece *side, int32_t i)
{
    if (i <= 0) {
        return 0;
    }
    while (side[1].first <= i && side[1].exponent < 128) {
        side++;
    }
    if (side[1].first <= i) {
        return 0x7f800000;
    }
    return ((side->exponent + 127) << 23) + ((i - side->first) << (23 - side->shift));
}

/* The edge below a bin, bin from 0 to BINS, as people would write it: -4 or 0.25; infinite where
 * there is none. */
static inline float bins_edge(int32_t bin)
{
    return bin > BINS_ZERO    ? bins_from_bits(bins_size_bits(bins_above, bin - BINS_ZERO - 1))
           : bin == BINS_ZERO ? 0
                              : -bins_from_bits(bins_size_bits(bins_below, BINS_BELOW - bin));
}

/* The least float of a bin: what is in it or above is at least that.  Of bin 0 -infinity. */
static inline float bins_least(int32_t bin)
{
    if (bin >= BINS_ZERO) {
        const int32_t bits = bins_size_bits(bins_above, bin - BINS_ZERO - 1);
        return bins_from_bits(bits == 0 && bin > BINS_ZERO ? 1 : bits);
    }
    return -bins_from_bits(bin == 0 ? 0x7f800000
                                    : bins_size_bits(bins_below, BINS_BELOW - bin) - 1);
}

/* Groups of bins, from which intervals are made.  0-11, of a > 0: below 2^-8, then an octave each,
 * 4 and above; 12-15, of a <= 0 by size: below 2^-6, then two octaves each, 2^-2 and above. */
#define BINS_GROUPS 16
#define BINS_GROUPS_ABOVE 12

static inline int32_t bins_group(int32_t bits)
{
    const int32_t exponent = ((bits & INT32_MAX) >> 23) - 127;
    const int32_t above = bins_clamp(exponent + 9, BINS_GROUPS_ABOVE - 1);
    const int32_t below = bins_clamp((exponent + 8) >> 1, BINS_GROUPS - BINS_GROUPS_ABOVE - 1);
    return bits > 0 ? above : BINS_GROUPS_ABOVE + below;
}

#endif

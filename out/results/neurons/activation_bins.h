/*
 * activation_bins.h - histograms of activations: bins from the bits of a float, the same for every
 * neuron
 *
 *     size |a|      2^-12 .. 2^-2    four bins an octave      2^-2 .. 2^5    eight
 *
 * 96 bins on each side of 0, in ascending order of a; the two in the middle reach to 0, the
 * outermost to infinity and NaN of their sign.  0 belongs to the lower half, so the upper one is
 * what is positive.  No range is chosen beforehand, so histograms of any parts of a corpus add up.
 */
#ifndef GAPSCOPE_OUT_RESULTS_NEURONS_ACTIVATION_BINS_H
#define GAPSCOPE_OUT_RESULTS_NEURONS_ACTIVATION_BINS_H

#include <stdint.h>
#include <string.h>

#define BINS 192
#define BINS_HALF 96
#define BINS_COARSE 40 // bins below 2^-2 on each side

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

/* The bin of a float with these bits. */
static inline uint8_t bins_of(int32_t bits)
{
    const int32_t size = bits & INT32_MAX, below = (bits - (bits >= 0)) >> 31; // -1 for a <= 0
    const int32_t coarse = bins_clamp((size >> 21) - ((127 - 12) << 2), BINS_COARSE);
    const int32_t fine = bins_clamp((size >> 20) - ((127 - 2) << 3), BINS_HALF - 1 - BINS_COARSE);
    return (uint8_t)(((BINS_HALF + coarse + fine) ^ below) + (below & BINS));
}

/* The bits of the least size of the i-th bin of a side, i from 0 to BINS_HALF. */
static inline int32_t bins_size_bits(int32_t i)
{
    return i <= 0            ? 0
           : i < BINS_COARSE ? (i + ((127 - 12) << 2)) << 21
                             : (i - BINS_COARSE + ((127 - 2) << 3)) << 20;
}

/* The edge below a bin, bin from 0 to BINS, as people would write it: -4 or 0.25.  That of bin 0
 * and of BINS are what one more bin would have. */
static inline float bins_edge(int32_t bin)
{
    return bin >= BINS_HALF ? bins_from_bits(bins_size_bits(bin - BINS_HALF))
                            : -bins_from_bits(bins_size_bits(BINS_HALF - bin));
}

/* The least float of a bin: what is in it or above is at least that.  Of bin 0 -infinity. */
static inline float bins_least(int32_t bin)
{
    const int32_t i = bin >= BINS_HALF ? bin - BINS_HALF : BINS_HALF - 1 - bin;
    if (bin >= BINS_HALF) {
        return bins_from_bits(i == 0 ? 1 : bins_size_bits(i));
    }
    return -bins_from_bits(bin == 0 ? 0x7f800000 : bins_size_bits(i + 1) - 1);
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

/*
 * gap.h - what a gap is
 *
 * The gap of a pair base:others at a token is the least, over the others, of
 *
 *     max(logprob_other, floor) - max(logprob_base, floor)
 *
 * in whole numbers of fixed.h: each log-prob is rounded first, then clamped, then subtracted.
 * Rounding keeps the order, so it does not matter which of rounding and clamping comes first.
 * Above 0 the other models are better.  Where a log-prob is no number that sums can hold
 * (FIXED_NONE), the pair has no gap.
 */
#ifndef GAPSCOPE_OUT_RESULTS_GAPS_GAP_H
#define GAPSCOPE_OUT_RESULTS_GAPS_GAP_H

#include <stddef.h>
#include <stdint.h>

#include "out/results/fixed.h"
#include "out/results/run.h"

/* The gap of one pair of log-probs; all three fixed, and numbers. */
static inline int64_t gap_of(int64_t base, int64_t other, int64_t floor)
{
    return (other > floor ? other : floor) - (base > floor ? base : floor);
}

/* gaps[n]: the pair's, fixed or FIXED_NONE, at places [begin, begin + n) of logprob, [n_models][>= begin + n];
 * floor in nats. */
void gaps_of_tokens(const struct run_pair *pair, double floor, const double *const *logprob,
                    size_t begin, size_t n, int64_t *gaps);

#endif

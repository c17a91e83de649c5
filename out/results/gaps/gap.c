#include "out/results/gaps/gap.h"

void gaps_of_tokens(const struct run_pair *pair, double floor, const double *const *logprob,
                    size_t begin, size_t n, int64_t *gaps)
{
    const int64_t least = fixed_from(floor);
    for (size_t i = 0; i < n; i++) {
        int64_t other = fixed_from(logprob[pair->others[0]][begin + i]);
        for (uint32_t k = 1; k < pair->n_others; k++) {
            const int64_t next = fixed_from(logprob[pair->others[k]][begin + i]);
            other = next < other ? next : other;
        }
        const int64_t base = fixed_from(logprob[pair->base][begin + i]);
        // the least of the others is FIXED_NONE where any is
        gaps[i] =
            base == FIXED_NONE || other == FIXED_NONE ? FIXED_NONE : gap_of(base, other, least);
    }
}

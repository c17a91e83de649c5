#include "out/results/fixed.h"

#include <math.h>

int64_t fixed_from(double nats)
{
    const double units = nats * (double)FIXED_ONE;
    if (!(units > -(double)FIXED_MAX)) { // NaN too
        return -FIXED_MAX;
    }
    return units < (double)FIXED_MAX ? llrint(units) : FIXED_MAX;
}

double fixed_to(int64_t fixed)
{
    return (double)fixed / (double)FIXED_ONE;
}

double fixed_mean(__int128 sum, uint64_t n)
{
    return n ? (double)((long double)sum / (long double)n / (long double)FIXED_ONE) : NAN;
}

void moments_add(struct moments *m, int64_t sum, uint64_t n)
{
    if (n == 0) {
        return;
    }
    m->docs++;
    m->n += n;
    m->sum += sum;
    m->sum_sq += (__int128)sum * sum;
    m->sum_n += (__int128)sum * (int64_t)n;
    m->n_sq += (__int128)n * (__int128)n;
}

void moments_merge(struct moments *m, const struct moments *other)
{
    m->docs += other->docs;
    m->n += other->n;
    m->sum = fixed_sum(m->sum, other->sum);
    m->sum_sq = fixed_sum(m->sum_sq, other->sum_sq);
    m->sum_n = fixed_sum(m->sum_n, other->sum_n);
    m->n_sq = fixed_sum(m->n_sq, other->n_sq);
}

double moments_mean(const struct moments *m)
{
    return (double)((long double)m->sum / (long double)m->n / (long double)FIXED_ONE);
}

double moments_se(const struct moments *m)
{
    if (m->docs < 2 || m->n == 0) {
        return NAN;
    }
    // Expanded: sum S^2 - 2 mean sum S n + mean^2 sum n^2, from exact sums.
    const long double mean = (long double)m->sum / (long double)m->n;
    const long double square = (long double)m->sum_sq - 2 * mean * (long double)m->sum_n +
                               mean * mean * (long double)m->n_sq;
    const long double docs = (long double)m->docs;
    const long double root = square > 0 ? sqrtl(square * (docs / (docs - 1))) : 0;
    return (double)(root / (long double)m->n / (long double)FIXED_ONE);
}

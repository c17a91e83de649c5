#include "out/results/fixed.h"

#include <math.h>
#include <stdbool.h>

int64_t fixed_from(double nats)
{
    const double units = nats * (double)FIXED_ONE;
    const bool held = units >= (double)FIXED_LEAST && units <= (double)FIXED_MAX; // NaN: not
    return held ? llrint(units) : FIXED_NONE;
}

double fixed_to(int64_t fixed)
{
    return (double)fixed / (double)FIXED_ONE;
}

double fixed_mean(__int128 sum, uint64_t n)
{
    return n ? (double)((long double)sum / (long double)n / (long double)FIXED_ONE) : NAN;
}

// --- squares, in two numbers --------------------------------------------------------------------

#define HALF_BITS 63
#define LOW_BITS (2 * HALF_BITS)
#define HALF_MASK (((unsigned __int128)1 << HALF_BITS) - 1)
#define LOW_MASK (((unsigned __int128)1 << LOW_BITS) - 1)

/* Adds high 2^126 + low.  Numbers of a damaged file may be anything: they wrap. */
static void add_square(struct moments *m, uint64_t high, unsigned __int128 low)
{
    const unsigned __int128 sum = (unsigned __int128)m->sum_sq + low;
    m->sum_sq = (__int128)(sum & LOW_MASK);
    m->sum_sq_high += high + (uint64_t)(sum >> LOW_BITS);
}

/* Adds s^2, s below 2^94 in size. */
static void square(struct moments *m, __int128 s)
{
    const unsigned __int128 size = (unsigned __int128)(s < 0 ? -s : s);
    const unsigned __int128 high = size >> HALF_BITS, low = size & HALF_MASK;
    const unsigned __int128 between = 2 * high * low; // in units of 2^63
    add_square(m, 0, low * low);
    add_square(m, (uint64_t)(high * high + (between >> HALF_BITS)),
               (between & HALF_MASK) << HALF_BITS);
}

static long double sum_of_squares(const struct moments *m)
{
    return (long double)m->sum_sq + ldexpl((long double)m->sum_sq_high, LOW_BITS);
}

// --- moments ------------------------------------------------------------------------------------

void moments_add(struct moments *m, __int128 sum, uint64_t n)
{
    if (n == 0) {
        return;
    }
    m->docs++;
    m->n += n;
    m->sum += sum;
    square(m, sum);
    m->sum_n += sum * (int64_t)n;
    m->n_sq += (__int128)n * (__int128)n;
}

void moments_merge(struct moments *m, const struct moments *other)
{
    m->docs += other->docs;
    m->n += other->n;
    m->sum = fixed_sum(m->sum, other->sum);
    add_square(m, other->sum_sq_high, (unsigned __int128)other->sum_sq);
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
    const long double square =
        sum_of_squares(m) - 2 * mean * (long double)m->sum_n + mean * mean * (long double)m->n_sq;
    const long double docs = (long double)m->docs;
    const long double root = square > 0 ? sqrtl(square * (docs / (docs - 1))) : 0;
    return (double)(root / (long double)m->n / (long double)FIXED_ONE);
}

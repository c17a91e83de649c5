/*
 * fixed.h - sums of nats that do not depend on the order of adding
 *
 * A value is rounded once, to a multiple of 2^-20 nats (1e-6), and from there on all is whole
 * numbers: sums are exact, associative and commutative, whatever thread, machine or night they were
 * made in.
 *
 * Nothing overflows: a log-prob is from -2^38 nats = -2^58 units to 2^10 nats.  A document of
 * DOC_MAX_BYTES has at most 2^20 tokens, so its sum is at most 2^78 units in size.  2^27 such
 * documents, 2^47 tokens, each as wrong as can be, have a sum of 2^105, and of S_d n_d 2^125;
 * squares of S_d add up to 2^183, which is why their sum has a second number.  What is no number,
 * or beyond that range, has no place in a sum: FIXED_NONE, which whoever adds counts.
 */
#ifndef GAPSCOPE_OUT_RESULTS_FIXED_H
#define GAPSCOPE_OUT_RESULTS_FIXED_H

#include <stddef.h>
#include <stdint.h>

#define FIXED_ONE ((int64_t)1 << 20) // one nat
#define FIXED_MAX ((int64_t)1 << 30) // 1024 nats, the greatest; also the size of the largest gap
#define FIXED_LEAST (-((int64_t)1 << 58)) // -2^38 nats, 2.7e11
#define FIXED_NONE INT64_MIN              // no number that a sum can hold; less than all others

/* Rounds to the nearest unit, ties to even; FIXED_NONE: NaN, infinite, or outside of FIXED_LEAST to
 * FIXED_MAX. */
int64_t fixed_from(double nats);
double fixed_to(int64_t fixed); // exactly

/* sum / n in nats; NaN where n is 0. */
double fixed_mean(__int128 sum, uint64_t n);

/* a + b.  Our own sums never overflow, but those in a damaged file may be anything: they wrap. */
static inline __int128 fixed_sum(__int128 a, __int128 b)
{
    return (__int128)((unsigned __int128)a + (unsigned __int128)b);
}

/*
 * The sums behind a mean over tokens and its standard error clustered by document: S_d is document
 * d's sum over its n_d tokens, G is how many documents have n_d > 0.
 */
struct moments {
    uint64_t docs;        // G: with n_d > 0
    uint64_t n;           // tokens
    __int128 sum;         // of values
    __int128 sum_sq;      // of S_d^2: its low 126 bits
    __int128 sum_n;       // of S_d n_d
    __int128 n_sq;        // of n_d^2
    uint64_t sum_sq_high; // of S_d^2: the bits above, in units of 2^126
};

/* Adds a document of n tokens whose values sum to 'sum'; n == 0 changes nothing. */
void moments_add(struct moments *m, __int128 sum, uint64_t n);
void moments_merge(struct moments *m, const struct moments *other);

double moments_mean(const struct moments *m); // nats; NaN where n is 0

/* sqrt(G / (G - 1) * sum over d of (S_d - mean n_d)^2) / n, nats; NaN for fewer than 2 documents,
 * which say nothing of how documents differ. */
double moments_se(const struct moments *m);

#endif

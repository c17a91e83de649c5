/*
 * wide.h - whole numbers of 640 bits with a sign, for exact sums of powers
 *
 * A finite float of 1024 or more in size is a whole number of 2^-20 below 2^148; its fourth power
 * is below 2^592, and 2^47 of them are below 2^639.  So no sum of up to four powers of that many
 * activations overflows, and sums are exact, associative and commutative.  Like sums of a damaged
 * file in fixed.h, those that do not fit wrap.
 */
#ifndef GAPSCOPE_OUT_RESULTS_WIDE_H
#define GAPSCOPE_OUT_RESULTS_WIDE_H

#include <stdbool.h>
#include <stdint.h>

#define WIDE_WORDS 10

struct wide {
    uint64_t words[WIDE_WORDS]; // two's complement, the lowest first
};

struct wide wide_from(__int128 x);

/* A finite double of a whole number: from 2^53 on every double is one.  Others are rounded. */
struct wide wide_from_double(double x);

void wide_add(struct wide *to, const struct wide *x);
void wide_subtract(struct wide *from, const struct wide *x);
struct wide wide_times(const struct wide *a, const struct wide *b);

/* to += times * x, for a small number. */
void wide_add_times(struct wide *to, int times, const struct wide *x);

/* x / n towards 0; n > 0. */
struct wide wide_divided(const struct wide *x, uint64_t n);

/* To the nearest, but for its last bits. */
long double wide_to(const struct wide *x);

bool wide_is_zero(const struct wide *x);

/* Numbers of either sign to ones without, so that small ones have few words; and back. */
struct wide wide_zigzag(const struct wide *x);
struct wide wide_unzigzag(const struct wide *x);

#endif

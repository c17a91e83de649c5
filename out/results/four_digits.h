/*
 * four_digits.h - a float as four decimal digits: what is kept and shown of the activations around
 * an example
 *
 *     0.0123456   ->   digits 1235, exponent -5
 *
 * Decoded and encoded again a number is the same four digits, whatever float it was.
 *
 * Threads: functions without state.
 */
#ifndef GAPSCOPE_OUT_RESULTS_FOUR_DIGITS_H
#define GAPSCOPE_OUT_RESULTS_FOUR_DIGITS_H

#include <stdbool.h>
#include <stdint.h>

/* digits * 10^exponent; digits: 0 (exponent 0), or 1000 to 9999 in size. */
struct four_digits {
    int16_t digits;
    int8_t exponent; // FOUR_DIGITS_NONE: not finite, digits 0
};
#define FOUR_DIGITS_NONE INT8_MAX

struct four_digits four_digits_of(float value);

/* The float next to it; NaN for FOUR_DIGITS_NONE.  Any fields are taken. */
float four_digits_to(struct four_digits d);

/* Does four_digits_of() give it of some float? */
bool four_digits_are(struct four_digits d);

#endif

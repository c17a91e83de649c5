#include "out/results/four_digits.h"

#include <math.h>
#include <float.h>
#include <stdio.h>
#include <stdlib.h>

// A float times 10^12, whose odd part has 28 bits, is exact as a double.
#define DECIMALS_MOST 12
static const double powers[DECIMALS_MOST + 1] = {1,   1e1, 1e2, 1e3,  1e4,  1e5, 1e6,
                                                 1e7, 1e8, 1e9, 1e10, 1e11, 1e12};

/* By printf(), which rounds the number itself. */
static struct four_digits slowly(double value)
{
    char text[32];
    snprintf(text, sizeof text, "%.3e", value); // -1.234e-05
    const char *at = text + (value < 0);
    const int digits = (at[0] - '0') * 1000 + atoi(at + 2);
    const int exponent = atoi(at + 6) - 3;
    return (struct four_digits){(int16_t)(value < 0 ? -digits : digits), (int8_t)exponent};
}

struct four_digits four_digits_of(float value)
{
    const double size = fabs((double)value);
    if (!isfinite(value)) {
        return (struct four_digits){0, FOUR_DIGITS_NONE};
    }
    if (size == 0) {
        return (struct four_digits){0, 0};
    }
    if (size < 1e-9 || size >= 1000) {
        return slowly((double)value);
    }
    int decimals = 1;
    for (double least = 100; size < least; least /= 10) {
        decimals++;
    }
    long digits = lrint(size * powers[decimals]);
    if (digits == 10000) {
        digits = 1000;
        decimals--;
    }
    return (struct four_digits){(int16_t)(value < 0 ? -digits : digits), (int8_t)-decimals};
}

float four_digits_to(struct four_digits d)
{
    if (d.exponent == FOUR_DIGITS_NONE) {
        return NAN;
    }
    if (d.exponent <= 0 && d.exponent >= -DECIMALS_MOST) {
        return (float)((double)d.digits / powers[-d.exponent]);
    }
    char text[32];
    snprintf(text, sizeof text, "%de%d", d.digits, d.exponent);
    const float value = strtof(text, NULL);
    return isinf(value) ? copysignf(FLT_MAX, value) : value; // 3.403e38 is a little beyond
}

bool four_digits_are(struct four_digits d)
{
    const struct four_digits again = four_digits_of(four_digits_to(d));
    return again.digits == d.digits && again.exponent == d.exponent;
}

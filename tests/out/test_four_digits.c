#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>

#include "out/results/four_digits.h"

static void expect(float value, int digits, int exponent)
{
    const struct four_digits d = four_digits_of(value);
    assert_int_equal(d.digits, digits);
    assert_int_equal(d.exponent, exponent);
    assert_true(four_digits_are(d));
}

static void numbers_are_as_by_hand(void **state)
{
    (void)state;
    expect(0, 0, 0);
    expect(-0.0f, 0, 0);
    expect(1, 1000, -3);
    expect(-0.0123456f, -1235, -5);
    expect(999.94f, 9999, -1);
    expect(999.96f, 1000, 0);
    expect(0.99996f, 1000, -3);
    expect(1e-4f, 1000, -7);
    expect(123456, 1235, 2);
    expect(FLT_MAX, 3403, 35);
    expect(-FLT_MAX, -3403, 35);
    expect(0x1p-149f, 1401, -48);
    assert_true(four_digits_to(four_digits_of(FLT_MAX)) == FLT_MAX); // 3.403e38 is beyond
    static const float odd[] = {INFINITY, -INFINITY, NAN};
    for (size_t i = 0; i < 3; i++) {
        const struct four_digits d = four_digits_of(odd[i]);
        assert_true(d.digits == 0 && d.exponent == FOUR_DIGITS_NONE && four_digits_are(d));
        assert_true(isnan(four_digits_to(d)));
    }
}

/* As printf() rounds it, whatever its size, and again the same from what it is decoded to. */
static void floats_of_all_sizes_are_rounded_once(void **state)
{
    (void)state;
    uint32_t random = 1;
    for (int i = 0; i < 300000; i++) {
        random = random * 1664525 + 1013904223;
        // half of them of common sizes
        const uint32_t bits =
            i % 2 ? random : (random & 0x807fffff) | (113 + (random >> 24) % 24) << 23;
        float value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value) || value == 0) {
            continue;
        }
        char wanted[32], got[32];
        const struct four_digits d = four_digits_of(value);
        snprintf(wanted, sizeof wanted, "%.3e", (double)value);
        snprintf(got, sizeof got, "%.3e", (double)d.digits * pow(10, d.exponent));
        assert_string_equal(got, wanted);
        assert_true(abs(d.digits) >= 1000 && abs(d.digits) <= 9999);
        assert_true(four_digits_are(d));
    }
}

static void what_no_float_gives_is_told(void **state)
{
    (void)state;
    static const struct four_digits wrong[] = {
        {0, 1},     {999, 0},   {10000, -3}, {-10000, 0}, {1, FOUR_DIGITS_NONE},
        {3404, 35}, {9999, 36}, {1000, -60}, {1234, -48}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(four_digits_are(wrong[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_as_by_hand),
        cmocka_unit_test(floats_of_all_sizes_are_rounded_once),
        cmocka_unit_test(what_no_float_gives_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

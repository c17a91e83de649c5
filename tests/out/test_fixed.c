#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "out/results/fixed.h"

#define UNIT (1.0 / 1048576)

static void values_are_rounded_once_and_bounded(void **state)
{
    (void)state;
    static const struct {
        double nats;
        int64_t fixed;
    } cases[] = {
        {0.0, 0},
        {-0.0, 0},
        {1.0, 1048576},
        {-6.0, -6291456},
        {0.5 * UNIT, 0}, // ties go to the even neighbour
        {1.5 * UNIT, 2},
        {2.5 * UNIT, 2},
        {-0.5 * UNIT, 0},
        {-1.5 * UNIT, -2},
        {0.51 * UNIT, 1},
        {-2.302585092994046, -2414435},
        {1023.9999999, 1073741824},
        {1024.0, 1073741824},
        {-1024.0, -1073741824},
        {-1025.0, -1074790400},
        {-1978633639.0, -2074747746648064},
        {-0x1p38, -((int64_t)1 << 58)},
        {-0x1.0000000000001p38, FIXED_NONE}, // what no sum holds
        {1024.0001, FIXED_NONE},
        {-1e300, FIXED_NONE},
        {1e300, FIXED_NONE},
        {INFINITY, FIXED_NONE},
        {-INFINITY, FIXED_NONE},
        {NAN, FIXED_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(fixed_from(cases[i].nats), cases[i].fixed);
    }
    assert_true(fixed_to(-6291456) == -6.0);
    assert_true(fixed_to(1) == UNIT);
}

static void rounding_keeps_order(void **state)
{
    (void)state;
    int64_t last = fixed_from(-1100);
    for (double nats = -1100; nats < 1024; nats += 0.37 * UNIT * 4096) {
        assert_true(fixed_from(nats) >= last);
        last = fixed_from(nats);
    }
}

/* Three documents: sums 10, -4, 6 units over 2, 1, 4 tokens. */
static struct moments three(void)
{
    struct moments m = {0};
    moments_add(&m, 10, 2);
    moments_add(&m, -4, 1);
    moments_add(&m, 6, 4);
    return m;
}

static void expect_three(const struct moments *m)
{
    assert_int_equal(m->docs, 3);
    assert_int_equal(m->n, 7);
    assert_int_equal((int64_t)m->sum, 12);
    assert_int_equal((int64_t)m->sum_sq, 100 + 16 + 36);
    assert_int_equal((int64_t)m->sum_n, 20 - 4 + 24);
    assert_int_equal((int64_t)m->n_sq, 4 + 1 + 16);
}

static void moments_are_the_sums_they_say(void **state)
{
    (void)state;
    struct moments m = three();
    expect_three(&m);
    moments_add(&m, 0, 0); // a document without tokens changes nothing
    expect_three(&m);
    // mean 12/7; S - mean n: 46/7, -40/7, -6/7; the sum of their squares 3752/49
    assert_true(fabs(moments_mean(&m) / UNIT - 12.0 / 7) < 1e-15);
    assert_true(fabs(moments_se(&m) / UNIT - sqrt(3.0 / 2 * 3752.0 / 49) / 7) < 1e-14);
}

static void merging_is_adding(void **state)
{
    (void)state;
    struct moments a = {0}, b = {0}, none = {0};
    moments_add(&a, 6, 4);
    moments_add(&b, -4, 1);
    moments_add(&b, 10, 2);
    moments_merge(&a, &none);
    moments_merge(&a, &b);
    expect_three(&a);
}

static void nothing_has_no_mean(void **state)
{
    (void)state;
    const struct moments none = {0};
    assert_true(isnan(moments_mean(&none)));
    assert_true(isnan(moments_se(&none)));
}

/* It does not say how documents differ, nor do documents without tokens beside it; two do. */
static void one_document_has_no_error(void **state)
{
    (void)state;
    struct moments m = {0};
    moments_add(&m, -3 * 1048576 * 1000ll + 1, 1000); // a mean that is no whole number of units
    assert_true(fabs(moments_mean(&m) + 3) < 1e-8);
    assert_true(isnan(moments_se(&m)));
    moments_add(&m, 0, 0);
    assert_true(isnan(moments_se(&m)));
    // alike, each token once: the spread between two numbers, 2 sqrt(2) / sqrt(2) about a mean
    struct moments two = {0};
    moments_add(&two, 3, 1);
    moments_add(&two, 7, 1);
    assert_true(fabs(moments_se(&two) / UNIT - 2) < 1e-12);
}

static void the_largest_documents_do_not_overflow(void **state)
{
    (void)state;
    struct moments m = {0};
    const int64_t n = (int64_t)1 << 20;
    const __int128 sum = (__int128)FIXED_LEAST * n;
    moments_add(&m, sum, (uint64_t)n);
    for (int doublings = 0; doublings < 26; doublings++) {
        const struct moments half = m;
        moments_merge(&m, &half);
    }
    assert_int_equal(m.docs, 1 << 26);
    assert_true(m.sum_sq == 0 && m.sum_sq_high == UINT64_C(1) << (156 + 26 - 126));
    assert_true(m.sum == -((__int128)1 << 104));
    assert_true(m.sum_n == -((__int128)1 << 124));
    assert_true(m.n_sq == (__int128)1 << 66);
    assert_true(moments_mean(&m) == -0x1p38);
    assert_true(moments_se(&m) == 0.0); // of equal documents
}

/* (2^63 a + b)^2 in 32-bit digits, against the two numbers that moments keep. */
static void squares_are_exact(void **state)
{
    (void)state;
    uint64_t random = 7, digits[8] = {0}; // base 2^32, of the sum
    struct moments m = {0}, twice;
    for (int k = 0; k < 500; k++) {
        unsigned __int128 size = 0;
        for (int i = 0; i < 3; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            size = size << 32 | random >> 32;
        }
        size >>= 18 + k % 60; // 2^78 at most
        moments_add(&m, k % 2 ? (__int128)size : -(__int128)size, 1);
        for (int i = 0; i < 4; i++) {
            uint64_t carry = 0;
            for (int j = 0; j < 4; j++) {
                const uint64_t x = (uint32_t)(size >> 32 * i), y = (uint32_t)(size >> 32 * j);
                const uint64_t sum = x * y + digits[i + j] + carry;
                digits[i + j] = (uint32_t)sum;
                carry = sum >> 32;
            }
            for (int j = i + 4; j < 8; j++) {
                const uint64_t sum = digits[j] + carry;
                digits[j] = (uint32_t)sum;
                carry = sum >> 32;
            }
        }
    }
    unsigned __int128 low = 0;
    for (int i = 3; i >= 0; i--) {
        low = low << 32 | digits[i];
    }
    const uint64_t high = digits[5] << 34 | digits[4] << 2 | digits[3] >> 30;
    assert_true((unsigned __int128)m.sum_sq == (low & (((unsigned __int128)1 << 126) - 1)));
    assert_true(m.sum_sq_high == high && high > 0);
    twice = m;
    moments_merge(&twice, &m);
    const unsigned __int128 both = 2 * (unsigned __int128)m.sum_sq;
    assert_true((unsigned __int128)twice.sum_sq == (both & (((unsigned __int128)1 << 126) - 1)));
    assert_true(twice.sum_sq_high == 2 * high + (uint64_t)(both >> 126));
}

/* Documents of losses beyond 2^31 nats have a standard error, too. */
static void the_error_of_large_sums_is_right(void **state)
{
    (void)state;
    struct moments small = {0}, large = {0};
    const int64_t sums[] = {-3 * FIXED_ONE, -40 * FIXED_ONE, -13 * FIXED_ONE};
    const uint64_t ns[] = {2, 11, 5};
    const __int128 times = (__int128)1 << 35; // the square of a sum is 2^121
    for (size_t i = 0; i < 3; i++) {
        moments_add(&small, sums[i], ns[i]);
    }
    for (size_t i = 0; i < 3 << 10; i++) {
        moments_add(&large, sums[i % 3] * times, ns[i % 3]);
    }
    assert_true(large.sum_sq_high > 0);
    assert_true(moments_mean(&large) == moments_mean(&small) * 0x1p35);
    // a thousand times as many documents: the error is a 32nd
    assert_true(fabs(moments_se(&large) / (moments_se(&small) * 0x1p35) * 32 - 1) < 0.25);
}

/* Two passes in long double over documents of mean -3 and a small spread. */
static void the_error_is_that_of_two_passes(void **state)
{
    (void)state;
    enum { DOCS = 2000 };
    static int64_t sums[DOCS];
    static uint64_t ns[DOCS];
    struct moments m = {0};
    uint64_t random = 1, n = 0;
    long double sum = 0, square = 0;
    for (int i = 0; i < DOCS; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        ns[i] = 1 + (random >> 40) % 5000;
        sums[i] = -3 * FIXED_ONE * (int64_t)ns[i] + (int64_t)((random >> 20) % 4000001) - 2000000;
        moments_add(&m, sums[i], ns[i]);
        n += ns[i];
        sum += (long double)sums[i];
    }
    const long double mean = sum / (long double)n;
    for (int i = 0; i < DOCS; i++) {
        const long double off = (long double)sums[i] - mean * (long double)ns[i];
        square += off * off;
    }
    square *= (long double)DOCS / (DOCS - 1);
    const double se = (double)(sqrtl(square) / (long double)n / (long double)FIXED_ONE);
    assert_true(fabs(moments_mean(&m) - (double)(mean / (long double)FIXED_ONE)) < 1e-15);
    assert_true(se > 0 && fabs(moments_se(&m) / se - 1) < 1e-9);
}

static void sums_of_a_damaged_file_wrap(void **state)
{
    (void)state;
    const __int128 most = (__int128)(~(unsigned __int128)0 >> 1);
    assert_true(fixed_sum(most, 1) == -most - 1);
    assert_true(fixed_sum(-most - 1, -1) == most);
    assert_true(fixed_sum(-5, 3) == -2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_rounded_once_and_bounded),
        cmocka_unit_test(rounding_keeps_order),
        cmocka_unit_test(moments_are_the_sums_they_say),
        cmocka_unit_test(merging_is_adding),
        cmocka_unit_test(nothing_has_no_mean),
        cmocka_unit_test(one_document_has_no_error),
        cmocka_unit_test(the_largest_documents_do_not_overflow),
        cmocka_unit_test(squares_are_exact),
        cmocka_unit_test(the_error_of_large_sums_is_right),
        cmocka_unit_test(the_error_is_that_of_two_passes),
        cmocka_unit_test(sums_of_a_damaged_file_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

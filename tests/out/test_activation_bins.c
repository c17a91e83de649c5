#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "out/results/neurons/activation_bins.h"

/* The edges of one side as the drawing in bins.h has them: 10 octaves of four bins, the first of
 * which reaches to 0, and then 7 of eight. */
static double size_edge(int i)
{
    if (i == 0) {
        return 0;
    }
    return i < 40 ? ldexp(1 + (i % 4) / 4.0, -12 + i / 4)
                  : ldexp(1 + ((i - 40) % 8) / 8.0, -2 + (i - 40) / 8);
}

/* Where a stands, by looking at the edges. */
static int slow_bin(double a)
{
    int i = 0;
    while (i + 1 < BINS_HALF && fabs(a) >= size_edge(i + 1)) {
        i++;
    }
    return a > 0 ? BINS_HALF + i : BINS_HALF - 1 - i;
}

static int slow_group(double a)
{
    int octave = -9;
    while (octave < 2 && fabs(a) >= ldexp(1, octave + 1)) {
        octave++;
    }
    return a > 0              ? octave + 9
           : fabs(a) < 0x1p-6 ? 12
           : fabs(a) < 0x1p-4 ? 13
           : fabs(a) < 0.25   ? 14
                              : 15;
}

static int bin_of(float a)
{
    return bins_of(bins_bits(a));
}

static void expect(float a)
{
    assert_int_equal(bin_of(a), slow_bin((double)a));
    assert_int_equal(bins_group(bins_bits(a)), slow_group((double)a));
    assert_int_equal(bins_order(bins_order(bins_bits(a))), bins_bits(a));
}

static void every_exponent_has_the_bin_that_holds_it(void **state)
{
    (void)state;
    for (int32_t bits = 0; bits < 0x7f800000; bits += 0x3fff) { // 512 and more an octave
        expect(bins_from_bits(bits));
        expect(-bins_from_bits(bits));
    }
}

/* At each edge and one float to its sides; denormals, zeros, infinities. */
static void edges_belong_to_the_side_away_from_zero(void **state)
{
    (void)state;
    for (int i = 0; i < BINS_HALF; i++) {
        const float edge = (float)size_edge(i);
        const float near[] = {nextafterf(edge, -INFINITY), edge, nextafterf(edge, INFINITY)};
        for (int k = 0; k < 3; k++) {
            expect(near[k]);
            expect(-near[k]);
        }
    }
    assert_int_equal(bin_of(0.0f), BINS_HALF - 1);
    assert_int_equal(bin_of(-0.0f), BINS_HALF - 1);
    assert_int_equal(bins_bits(-0.0f), 0);
    assert_int_equal(bin_of(0x1p-149f), BINS_HALF);
    assert_int_equal(bin_of(-0x1p-149f), BINS_HALF - 1);
    assert_int_equal(bin_of(0x1p-127f), BINS_HALF);
    assert_int_equal(bin_of(30.0f), BINS - 1);
    assert_int_equal(bin_of(-30.0f), 0);
    assert_int_equal(bin_of(INFINITY), BINS - 1);
    assert_int_equal(bin_of(-INFINITY), 0);
    assert_int_equal(bin_of(NAN), BINS - 1);
    assert_int_equal(bin_of(-NAN), 0);
    expect(INFINITY);
    expect(-INFINITY);
    assert_int_equal(bins_group(bins_bits(NAN)), BINS_GROUPS_ABOVE - 1);
    assert_int_equal(bins_group(bins_bits(-NAN)), BINS_GROUPS - 1);
}

static void bins_and_their_order_ascend_with_the_float(void **state)
{
    (void)state;
    float last = -INFINITY;
    for (int32_t order = bins_order(bins_bits(last)); order < 0x7f800000 - 999; order += 999) {
        const float a = bins_from_bits(bins_order(order));
        assert_true(a >= last && bin_of(a) >= bin_of(last)); // >=: zeros
        last = a;
    }
    assert_true(bins_order(bins_bits(-0x1p-149f)) < bins_order(bins_bits(-0.0f)));
    assert_int_equal(bins_order(bins_bits(-0.0f)), bins_order(bins_bits(0.0f)));
    assert_true(bins_order(bins_bits(-NAN)) < bins_order(bins_bits(-INFINITY)));
    assert_true(bins_order(bins_bits(NAN)) > bins_order(bins_bits(INFINITY)));
}

static void bins_least_is_the_least_float_of_its_bin(void **state)
{
    (void)state;
    assert_true(bins_least(0) == -INFINITY);
    for (int bin = 1; bin < BINS; bin++) {
        const float least = bins_least(bin);
        assert_int_equal(bin_of(least), bin);
        assert_int_equal(bin_of(nextafterf(least, -INFINITY)), bin - 1);
    }
    assert_true(bins_least(BINS_HALF) == 0x1p-149f);
}

static void edges_are_between_the_bins(void **state)
{
    (void)state;
    assert_true(bins_edge(BINS_HALF) == 0);
    assert_true(bins_edge(BINS) == 32 && bins_edge(0) == -32);
    for (int bin = 1; bin < BINS; bin++) {
        const float edge = bins_edge(bin);
        assert_true(edge == -bins_edge(BINS - bin));
        assert_int_equal(bin_of(edge), bin > BINS_HALF ? bin : bin - 1);
        assert_int_equal(bin_of(nextafterf(edge, bin > BINS_HALF ? -INFINITY : INFINITY)),
                         bin > BINS_HALF ? bin - 1 : bin);
    }
}

/* The first and the last float of a bin, and so all of it. */
static void a_bin_is_in_one_group(void **state)
{
    (void)state;
    bool used[BINS_GROUPS] = {false};
    for (int bin = 0; bin < BINS; bin++) {
        const float last = bin + 1 < BINS ? nextafterf(bins_least(bin + 1), -INFINITY) : INFINITY;
        const int group = bins_group(bins_bits(bins_least(bin)));
        assert_int_equal(bin_of(last), bin);
        assert_int_equal(bins_group(bins_bits(last)), group);
        used[group] = true;
    }
    for (int group = 0; group < BINS_GROUPS; group++) {
        assert_true(used[group]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_exponent_has_the_bin_that_holds_it),
        cmocka_unit_test(edges_belong_to_the_side_away_from_zero),
        cmocka_unit_test(bins_and_their_order_ascend_with_the_float),
        cmocka_unit_test(bins_least_is_the_least_float_of_its_bin),
        cmocka_unit_test(edges_are_between_the_bins),
        cmocka_unit_test(a_bin_is_in_one_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

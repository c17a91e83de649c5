#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>

#include "out/results/neurons/activation_bins.h"

/* The lower edges of a side's bins as the drawing in activation_bins.h has them. */
static size_t make_edges(double *edges, bool above)
{
    static const struct {
        double from, to, bins; // octaves, bins each
    } octaves[2][6] = {
        {{-20, -12, 2}, {-12, -2, 8}, {-2, 17, 1}, {17, 128, 0.0625}},
        {{-20, -12, 2}, {-12, -2, 8}, {-2, 3, 16}, {3, 6, 4}, {6, 17, 1}, {17, 128, 0.0625}}};
    size_t n = 1; // the one that reaches to 0
    edges[0] = 0;
    for (size_t p = 0; p < 6; p++) {
        const double bins = octaves[above][p].bins;
        for (double o = octaves[above][p].from; bins > 0 && o < octaves[above][p].to;
             o += bins < 1 ? 1 / bins : 1) {
            for (double k = 0; k < bins; k++) {
                edges[n++] = ldexp(1 + k / bins, (int)o);
            }
        }
    }
    return n;
}

static double edges[2][BINS];
static size_t n_edges[2];

static int setup(void **state)
{
    (void)state;
    n_edges[0] = make_edges(edges[0], false);
    n_edges[1] = make_edges(edges[1], true);
    return 0;
}

/* Where a stands, by looking at the edges. */
static int slow_bin(double a)
{
    const bool above = a > 0;
    if (a == 0) {
        return BINS_ZERO;
    }
    int low = 0, high = (int)n_edges[above];
    if (!isfinite(a)) {
        return BINS;
    }
    while (high - low > 1) {
        const int middle = (low + high) / 2;
        *(fabs(a) >= edges[above][middle] ? &low : &high) = middle;
    }
    return above ? BINS_ZERO + 1 + low : BINS_BELOW - 1 - low;
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
    assert_true(n_edges[0] == BINS_BELOW && n_edges[1] == BINS_ABOVE);
    for (int i = 0; i < BINS; i++) {
        const float edge = (float)(i < BINS_BELOW  ? edges[0][i]
                                   : i > BINS_ZERO ? edges[1][i - BINS_ZERO - 1]
                                                   : 0);
        const float near[] = {nextafterf(edge, -INFINITY), edge, nextafterf(edge, INFINITY)};
        for (int k = 0; k < 3; k++) {
            expect(near[k]);
            expect(-near[k]);
        }
    }
    assert_int_equal(bin_of(0.0f), BINS_ZERO);
    assert_int_equal(bin_of(-0.0f), BINS_ZERO);
    assert_int_equal(bins_bits(-0.0f), 0);
    assert_int_equal(bin_of(0x1p-149f), BINS_ZERO + 1);
    assert_int_equal(bin_of(-0x1p-149f), BINS_BELOW - 1);
    assert_int_equal(bin_of(0x1p-127f), BINS_ZERO + 1);
    assert_int_equal(bin_of(FLT_MAX), BINS - 1);
    assert_int_equal(bin_of(-FLT_MAX), 0);
    assert_true(bin_of(40.0f) < bin_of(80.0f) && bin_of(1e20f) < bin_of(1e30f));
    assert_int_equal(bin_of(INFINITY), BINS); // in none
    assert_int_equal(bin_of(-INFINITY), BINS);
    assert_int_equal(bin_of(NAN), BINS);
    assert_int_equal(bin_of(-NAN), BINS);
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
        assert_true(a >= last && (last == -INFINITY || bin_of(a) >= bin_of(last))); // >=: zeros
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
    assert_true(bins_least(BINS_ZERO) == 0 && bins_least(BINS_ZERO + 1) == 0x1p-149f);
}

static void edges_are_between_the_bins(void **state)
{
    (void)state;
    assert_true(bins_edge(BINS_ZERO) == 0 && bins_edge(BINS_ZERO + 1) == 0);
    assert_true(bins_edge(BINS) == INFINITY && bins_edge(0) == -INFINITY);
    for (int bin = 1; bin < BINS; bin++) {
        const float edge = bins_edge(bin);
        const bool above = bin > BINS_ZERO + 1;
        if (edge != 0) {
            assert_int_equal(bin_of(edge), above ? bin : bin - 1);
            assert_int_equal(bin_of(nextafterf(edge, above ? -INFINITY : INFINITY)),
                             above ? bin - 1 : bin);
        }
    }
}

/* The first and the last float of a bin, and so all of it. */
static void a_bin_is_in_one_group(void **state)
{
    (void)state;
    bool used[BINS_GROUPS] = {false};
    for (int bin = 0; bin < BINS; bin++) {
        const float last = bin + 1 < BINS ? nextafterf(bins_least(bin + 1), -INFINITY) : FLT_MAX;
        const int group = bins_group(bins_bits(bin > 0 ? bins_least(bin) : -FLT_MAX));
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
    return cmocka_run_group_tests(tests, setup, NULL);
}

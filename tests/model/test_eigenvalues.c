/*
 * The eigenvalues of matrices whose eigenvalues are known, or that sums over them must agree with.
 */
#include "tests/kit/golden.h"

#include <math.h>

#include "model/explain/eigenvalues.h"
#include "model/explain/seeded.h"

#define MAX 64

static double uniform(struct seeded *s)
{
    return (double)(seeded_next(s) >> 11) / 4503599627370496.0 - 1; // [-1, 1)
}

/* Each of the n eigenvalues expected is one of those found, within 'most'. */
static void expect(const double *re, const double *im, const double *expected, size_t n,
                   double most)
{
    bool used[MAX] = {0};
    for (size_t i = 0; i < n; i++) {
        double best = INFINITY;
        size_t at = 0;
        for (size_t j = 0; j < n; j++) {
            const double far = hypot(re[j] - expected[2 * i], im[j] - expected[2 * i + 1]);
            if (!used[j] && far < best) {
                best = far;
                at = j;
            }
        }
        if (!(best <= most)) {
            fail_msg("%zu of %zu: no eigenvalue within %g of %g + %gi", i, n, most, expected[2 * i],
                     expected[2 * i + 1]);
        }
        used[at] = true;
    }
}

static void small_matrices_have_the_roots_of_their_polynomials(void **state)
{
    (void)state;
    const struct {
        size_t n;
        double a[16], expected[8];
        double most;
    } cases[] = {
        {1, {-3}, {-3, 0}, 0},
        {2, {2, 0, 0, -5}, {2, 0, -5, 0}, 0},
        {2, {0, -1, 1, 0}, {0, 1, 0, -1}, 0},
        {2, {1, 1, 0, 1}, {1, 0, 1, 0}, 0},
        {2, {0, 0, 0, 0}, {0}, 0},
        {2, {1, 1e8, 1e-8, 1}, {2, 0, 0, 0}, 1e-7},
        {3, {0, 1, 0, 0, 0, 1, 0, 0, 0}, {0}, 0},                      // nilpotent
        {3, {5, 4, 0, 0, 0, 0, 0, 3, -2}, {5, 0, 0, 0, -2, 0}, 1e-15}, // in blocks
        {3, {6, -11, 6, 1, 0, 0, 0, 1, 0}, {1, 0, 2, 0, 3, 0}, 1e-12}, // companion
        {4,
         {0, 0, 0, -1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0}, // x^4 = -1
         {M_SQRT1_2, M_SQRT1_2, M_SQRT1_2, -M_SQRT1_2, -M_SQRT1_2, M_SQRT1_2, -M_SQRT1_2,
          -M_SQRT1_2},
         1e-13},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double a[16], re[4], im[4];
        memcpy(a, cases[i].a, sizeof a);
        assert_true(eigenvalues(a, cases[i].n, re, im));
        expect(re, im, cases[i].expected, cases[i].n, cases[i].most);
    }
}

/* Permutations that are one cycle are what shifts from the matrix itself do not move; their
 * eigenvalues are the roots of 1. */
static void cycles_have_the_roots_of_one(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 40; n++) {
        double a[MAX * MAX] = {0}, re[MAX], im[MAX], expected[2 * MAX];
        for (size_t i = 0; i < n; i++) {
            a[(i + 1) % n * n + i] = 1;
            expected[2 * i] = cos(2 * M_PI * (double)i / (double)n);
            expected[2 * i + 1] = sin(2 * M_PI * (double)i / (double)n);
        }
        assert_true(eigenvalues(a, n, re, im));
        expect(re, im, expected, n, 1e-13);
    }
}

/* a[n][n] becomes P a P, P a random reflection: its eigenvalues stay. */
static void reflect(double *a, size_t n, struct seeded *random)
{
    double v[MAX], square = 0;
    for (size_t i = 0; i < n; i++) {
        v[i] = uniform(random);
        square += v[i] * v[i];
    }
    for (size_t side = 0; side < 2; side++) {
        const size_t along = side ? 1 : n, across = side ? n : 1;
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t i = 0; i < n; i++) {
                sum += v[i] * a[i * along + j * across];
            }
            for (size_t i = 0; i < n; i++) {
                a[i * along + j * across] -= 2 * sum * v[i] / square;
            }
        }
    }
}

static void eigenvalues_that_were_planted_are_found(void **state)
{
    (void)state;
    struct seeded random = {1};
    for (size_t trial = 0; trial < 60; trial++) {
        const size_t n = 1 + seeded_below(&random, MAX), pairs = seeded_below(&random, n / 2 + 1);
        double a[MAX * MAX] = {0}, expected[2 * MAX], re[MAX], im[MAX];
        for (size_t i = 0; i < n; i++) {
            const bool paired = i < 2 * pairs, second = i & 1;
            const double x = uniform(&random), y = paired ? uniform(&random) : 0;
            if (paired && second) { // a block (x y; -y x)
                a[i * n + i] = a[(i - 1) * n + i - 1];
                expected[2 * i] = expected[2 * i - 2];
                expected[2 * i + 1] = -expected[2 * i - 1];
                a[(i - 1) * n + i] = expected[2 * i - 1];
                a[i * n + i - 1] = expected[2 * i + 1];
            } else {
                a[i * n + i] = expected[2 * i] = x;
                expected[2 * i + 1] = y;
            }
        }
        for (size_t i = 0; i < 3; i++) {
            reflect(a, n, &random);
        }
        assert_true(eigenvalues(a, n, re, im));
        expect(re, im, expected, n, 1e-12);
    }
}

/* Sums of powers of the eigenvalues are traces of powers of the matrix, which need no eigenvalues. */
static void powers_sum_to_the_traces_of_general_matrices(void **state)
{
    (void)state;
    struct seeded random = {2};
    for (size_t trial = 0; trial < 40; trial++) {
        const size_t n = 1 + trial * 3 / 2;
        double a[MAX * MAX], work[MAX * MAX], re[MAX], im[MAX];
        double trace[4] = {0}, sums[4] = {0};
        for (size_t i = 0; i < n * n; i++) {
            a[i] = work[i] = uniform(&random) * pow(10, 2 * uniform(&random)) / sqrt((double)n);
        }
        assert_true(eigenvalues(work, n, re, im));
        for (size_t i = 0; i < n; i++) {
            trace[1] += a[i * n + i];
            for (size_t j = 0; j < n; j++) {
                double square = 0;
                for (size_t k = 0; k < n; k++) {
                    square += a[i * n + k] * a[k * n + j];
                }
                trace[2] += i == j ? square : 0;
                trace[3] += square * a[j * n + i];
            }
            sums[1] += re[i];
            sums[2] += re[i] * re[i] - im[i] * im[i];
            sums[3] += re[i] * re[i] * re[i] - 3 * re[i] * im[i] * im[i];
            sums[0] += im[i];
        }
        double size = 0;
        for (size_t i = 0; i < n; i++) {
            size = fmax(size, hypot(re[i], im[i]));
        }
        assert_true(fabs(sums[0]) == 0);
        for (int p = 1; p <= 3; p++) {
            const double scale = (double)n * pow(fmax(size, 20), p);
            if (!(fabs(sums[p] - trace[p]) <= 1e-12 * scale)) {
                fail_msg("%zu rows, power %d: %.15g, not %.15g", n, p, sums[p], trace[p]);
            }
        }
    }
}

static void numbers_that_are_not_finite_give_no_eigenvalues(void **state)
{
    (void)state;
    const double bad[] = {NAN, INFINITY, -INFINITY, 1e200};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        double a[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, re[3], im[3];
        a[4] = bad[i];
        assert_false(eigenvalues(a, 3, re, im));
    }
    double none = 0;
    assert_true(eigenvalues(&none, 0, &none, &none));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_matrices_have_the_roots_of_their_polynomials),
        cmocka_unit_test(cycles_have_the_roots_of_one),
        cmocka_unit_test(eigenvalues_that_were_planted_are_found),
        cmocka_unit_test(powers_sum_to_the_traces_of_general_matrices),
        cmocka_unit_test(numbers_that_are_not_finite_give_no_eigenvalues),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The kernels of every table that this CPU can run: functions of rows against libm, products
 * against plain loops.  It needs only model/kernels, so that tests/model/arm can run it under
 * emulation.
 */
#include <math.h>
#include <setjmp.h> // with the next two, for cmocka
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef GAPSCOPE_PLAIN_TESTS
#include "tests/kit/plain.h"
#else
#include <cmocka.h>
#endif

#include "model/kernels/kern.h"
#include "tests/kit/random.h"

/* A random number from -1 to 1. */
static float random_float(void)
{
    return (float)next_random(2000001) / 1e6f - 1;
}

static void *room(size_t bytes)
{
    void *p = aligned_alloc(KERN_ALIGN, (bytes + KERN_ALIGN) / KERN_ALIGN * KERN_ALIGN);
    assert_non_null(p);
    return p;
}

static void rows_are_as_libm_has_them(void **state)
{
    (void)state;
    float x[67], y[67];
    for (size_t t = 0; kern_at(t); t++) {
        if (!kern_runs(kern_at(t))) {
            continue;
        }
        for (size_t n = 1; n <= 67; n++) {
            double sum = 0, max = -1e9;
            for (size_t i = 0; i < n; i++) {
                x[i] = ((float)next_random(2000001) / 1e6f - 1) * (n % 3 ? 8.0f : 60.0f);
                max = (double)x[i] > max ? (double)x[i] : max;
            }
            for (size_t i = 0; i < n; i++) {
                sum += exp((double)x[i] - max);
            }
            memcpy(y, x, sizeof y);
            kern_at(t)->f32->softmax(y, n);
            for (size_t i = 0; i < n; i++) {
                const double want = exp((double)x[i] - max) / sum;
                // x - max is rounded in f32
                const double tolerance = 1e-6 + 1e-7 * (max - (double)x[i]);
                assert_true(fabs((double)y[i] - want) <= tolerance * want + 1e-37);
            }
            memcpy(y, x, sizeof y);
            kern_at(t)->f32->gelu(y, n);
            for (size_t i = 0; i < n; i++) {
                const double v = (double)x[i], want = v * 0.5 * (1 + erf(v * M_SQRT1_2));
                assert_true(fabs((double)y[i] - want) <= 3e-7 * (1 + fabs(v)));
            }
            memcpy(y, x, sizeof y);
            kern_at(t)->f32->gelu_new(y, n);
            for (size_t i = 0; i < n; i++) {
                const double v = (double)x[i];
                const double u = M_2_SQRTPI * M_SQRT1_2 * (v + 0.044715 * v * v * v);
                const double want = v * 0.5 * (1 + tanh(u));
                assert_true(fabs((double)y[i] - want) <= 3e-7 * (1 + fabs(v)));
            }
            memcpy(y, x, sizeof y);
            kern_at(t)->f32->silu(y, n);
            for (size_t i = 0; i < n; i++) {
                const double v = (double)x[i], want = v / (1 + exp(-v));
                assert_true(fabs((double)y[i] - want) <= 3e-7 * (1 + fabs(v)));
            }
            memcpy(y, x, sizeof y);
            kern_at(t)->f32->relu(y, n);
            for (size_t i = 0; i < n; i++) {
                assert_true(y[i] == fmaxf(x[i], 0));
            }
            y[n - 1] = NAN;
            kern_at(t)->f32->relu(y, n);
            assert_true(isnan(y[n - 1]));
        }
    }
}

static void norms_are_those_of_f64(void **state)
{
    (void)state;
    static float x[1003], w[1003], b[1003], y[1003];
    for (size_t t = 0; kern_at(t); t++) {
        for (size_t n = 1; n <= 1003 && kern_runs(kern_at(t)); n += n < 70 ? 1 : 311) {
            for (int centre = 0; centre < 2; centre++) {
                double mean = 0, square = 0;
                for (size_t i = 0; i < n; i++) {
                    x[i] = random_float() * 3 + 20; // far from 0
                    w[i] = random_float();
                    b[i] = random_float();
                    mean += (double)x[i] / (double)n;
                }
                mean = centre ? mean : 0;
                for (size_t i = 0; i < n; i++) {
                    square += ((double)x[i] - mean) * ((double)x[i] - mean) / (double)n;
                }
                const double scale = 1 / sqrt(square + 1e-5);
                kern_at(t)->f32->norm(y, x, w, b, 1e-5f, n, centre);
                for (size_t i = 0; i < n; i++) {
                    const double want = ((double)x[i] - mean) * scale * (double)w[i] + (double)b[i];
                    assert_true(fabs((double)y[i] - want) < (n == 1 ? 2e-3 : 4e-6));
                }
                kern_at(t)->f32->norm(x, x, NULL, NULL, 1e-5f, n, centre); // in place
                for (size_t i = 0; i < n; i++) {
                    const double want = (double)x[i] * (double)w[i] + (double)b[i];
                    assert_true(fabs((double)y[i] - want) < 1e-6);
                }
            }
        }
    }
}

/* Numbers whose squares, or whose sum, f32 cannot hold; and one that is not finite. */
static void norms_of_huge_numbers_are_those_of_f64(void **state)
{
    (void)state;
    static const float sizes[] = {1e15f, 1e19f, 1e25f, 1e37f};
    float x[100], y[100];
    for (size_t t = 0; kern_at(t); t++) {
        for (size_t s = 0; s < 4 && kern_runs(kern_at(t)); s++) {
            for (int centre = 0; centre < 2; centre++) {
                double mean = 0, square = 0;
                for (size_t i = 0; i < 100; i++) {
                    x[i] = sizes[s] * (random_float() + 3);
                    mean += centre ? (double)x[i] / 100 : 0;
                }
                for (size_t i = 0; i < 100; i++) {
                    square += ((double)x[i] - mean) * ((double)x[i] - mean) / 100;
                }
                kern_at(t)->f32->norm(y, x, NULL, NULL, 1e-5f, 100, centre);
                for (size_t i = 0; i < 100; i++) {
                    assert_true(fabs((double)y[i] - ((double)x[i] - mean) / sqrt(square)) < 1e-5);
                }
            }
            x[7] = INFINITY;
            kern_at(t)->f32->norm(y, x, NULL, NULL, 1e-5f, 100, true);
            assert_true(isnan(y[7]) && isnan(y[8]));
        }
    }
}

// --- f32 products -------------------------------------------------------------------------------

static void tiles_of_f32_are_products(void **state)
{
    (void)state;
    for (size_t t = 0; kern_at(t); t++) {
        const struct kern_f32 *f = kern_at(t)->f32;
        for (size_t k = 1; k <= 40 && kern_runs(kern_at(t)); k += 13) {
            float *x = room(f->rows * k * 4), *w = room(f->cols * k * 4),
                  *px = room(f->rows * k * 4);
            float out[KERN_ROWS_MAX * KERN_COLS_MAX];
            for (size_t n = 1; n <= f->rows; n++) {
                for (size_t i = 0; i < f->rows * k; i++) {
                    x[i] = random_float();
                }
                for (size_t i = 0; i < f->cols * k; i++) {
                    w[i] = random_float();
                }
                f->pack(px, x, k, n, k, 2);
                f->tile(out, px, w, k);
                for (size_t i = 0; i < f->rows; i++) {
                    for (size_t j = 0; j < f->cols; j++) {
                        double want = 0;
                        for (size_t l = 0; l < k && i < n; l++) {
                            want += 2 * (double)x[i * k + l] * (double)w[l * f->cols + j];
                        }
                        assert_true(fabs((double)out[i * f->cols + j] - want) < 1e-5);
                    }
                }
                assert_true(fabs((double)f->dot(x, w, k)) < 1e9);
                double want = 0;
                for (size_t l = 0; l < k; l++) {
                    want += (double)x[l] * (double)w[l];
                }
                assert_true(fabs((double)f->dot(x, w, k) - want) < 1e-5);
            }
            free(x);
            free(w);
            free(px);
        }
    }
}

// --- products of integers -----------------------------------------------------------------------

/* Random rows of numbers up to 'most', with a 2-norm below 46000, sometimes all of it in one
 * number. */
static void random_rows(int16_t *x, size_t rows, size_t k, int most)
{
    for (size_t i = 0; i < rows; i++) {
        const int limit =
            (double)most * sqrt((double)k) > 46000 ? (int)(46000 / sqrt((double)k)) : most;
        for (size_t l = 0; l < k; l++) {
            x[i * k + l] = (int16_t)((int)next_random(2 * (uint32_t)limit + 1) - limit);
        }
        if (i % 3 == 0) {
            memset(x + i * k, 0, k * sizeof *x);
            x[i * k + next_random((uint32_t)k)] = (int16_t)(i % 2 ? most : -most);
        } else if (i % 3 == 1 && limit == most) {
            for (size_t l = 0; l < k; l++) {
                x[i * k + l] = (int16_t)(i % 2 ? most : -most);
            }
        }
    }
}

static void check_dot(const char *name, const struct dot *d)
{
    const int most = d->bytes == 1 ? 127 : 32767;
    for (size_t k = DOT_STEP; k <= 5 * DOT_STEP; k += DOT_STEP) {
        int16_t *x = room(d->rows * k * 2), *w = room(d->cols * k * 2);
        void *px = room(dot_x_size(d, k)), *pw = room(dot_w_size(d, k));
        int32_t *out = room(d->rows * d->cols * 4);
        random_rows(x, d->rows, k, most);
        random_rows(w, d->cols, k, most);
        d->pack_x(px, x, k);
        d->pack_w(pw, w, k);
        dot_begin(d);
        d->tile(out, px, pw, k);
        dot_end(d);
        for (size_t i = 0; i < d->rows; i++) {
            for (size_t j = 0; j < d->cols; j++) {
                int64_t want = 0;
                for (size_t l = 0; l < k; l++) {
                    want += (int64_t)x[i * k + l] * w[j * k + l];
                }
                if (out[i * d->cols + j] != want) {
                    fail_msg("%s, %s, k = %zu: %d is not %lld", name, d->instruction, k,
                             out[i * d->cols + j], (long long)want);
                }
            }
        }
        free(x);
        free(w);
        free(px);
        free(pw);
        free(out);
    }
}

static void tiles_of_integers_are_exact(void **state)
{
    (void)state;
    for (size_t t = 0; kern_at(t); t++) {
        const struct kern *k = kern_at(t);
        if (!kern_runs(k)) {
            printf("%s: not on this CPU\n", k->name);
            continue;
        }
        const struct dot *dots[] = {k->s16, k->s8};
        for (size_t i = 0; i < 2; i++) {
            for (int round = 0; dots[i] && round < 5; round++) {
                assert_int_equal(dots[i]->bytes, 2 - i);
                assert_int_equal(dots[i]->cols, k->f32->cols); // add_exp2() counts on it
                check_dot(k->name, dots[i]);
            }
        }
    }
}

static void rows_become_integers_and_turn(void **state)
{
    (void)state;
    static float x[512], y[512];
    static int16_t q[512];
    for (size_t t = 0; kern_at(t); t++) {
        const struct kern_f32 *f = kern_at(t)->f32;
        for (size_t n = 1; n <= 512 && kern_runs(kern_at(t)); n += n < 40 ? 1 : 59) {
            double squares = 0, most = 0;
            float square;
            for (size_t i = 0; i < n; i++) {
                x[i] = random_float();
                squares += (double)x[i] * (double)x[i];
                most = fmax(most, fabs((double)x[i]));
            }
            assert_true((double)f->size(x, n, &square) == most);
            assert_true(fabs((double)square - squares) < 1e-6 * squares);
            f->quantize(q, x, n, 32767);
            for (size_t i = 0; i < n; i++) {
                assert_true(fabs((double)q[i] - (double)x[i] * 32767) <= 0.501);
            }
        }
        for (size_t n = 1; n <= 64 && kern_runs(kern_at(t)); n *= 2) { // by the definition
            memcpy(y, x, sizeof y);
            f->rotate(y, n);
            for (size_t i = 0; i < n; i++) {
                double want = 0;
                for (size_t j = 0; j < n; j++) {
                    want += (__builtin_popcountll(i & j) % 2 ? -1 : 1) * (double)x[j];
                }
                assert_true(fabs((double)y[i] - want / sqrt((double)n)) < 1e-6);
            }
        }
    }
}

static void exponentials_are_summed_and_seen(void **state)
{
    (void)state;
    enum { ROWS = 5 };
    for (size_t t = 0; kern_at(t); t++) {
        const struct kern_f32 *f = kern_at(t)->f32;
        const size_t cols = f->cols;
        for (int round = 0; round < 50 && kern_runs(kern_at(t)); round++) {
            float *sums = room(ROWS * KERN_LANES * 4);
            union {
                int32_t s32[ROWS * KERN_COLS_MAX];
                float f32[ROWS * KERN_COLS_MAX];
            } tile;
            float row[ROWS], col[KERN_COLS_MAX], bias[KERN_COLS_MAX], shift[ROWS], above[ROWS];
            double want[ROWS * KERN_COLS_MAX];
            memset(sums, 0, ROWS * KERN_LANES * 4);
            for (size_t j = 0; j < cols; j++) {
                col[j] = random_float() * 1e-4f;
                bias[j] = j == 3 ? -1e30f : random_float() * 20;
            }
            for (size_t i = 0; i < ROWS; i++) {
                row[i] = random_float() * 1e-3f;
                shift[i] = random_float() * 20;
                above[i] = i == 0 ? 0 : i == 1 ? INFINITY : 1000.0f * (1 + random_float());
                for (size_t j = 0; j < cols; j++) {
                    tile.s32[i * cols + j] = (int32_t)next_random(400000000) - 200000000;
                    want[i * cols + j] =
                        exp2((double)tile.s32[i * cols + j] * (double)row[i] * (double)col[j] +
                             (double)bias[j] - (double)shift[i]);
                }
            }
            const uint32_t seen = f->add_exp2(sums, &tile, ROWS, row, col, bias, shift, above);
            for (size_t i = 0; i < ROWS; i++) {
                double sum = 0, got = 0;
                uint32_t bits = 0;
                for (size_t j = 0; j < cols; j++) {
                    const double e = (double)tile.f32[i * cols + j];
                    // the exponent is rounded in f32
                    assert_true(fabs(e - want[i * cols + j]) <= 2e-5 * want[i * cols + j] + 1e-37);
                    sum += e;
                    bits |= (uint32_t)(e > (double)above[i]) << j;
                }
                for (size_t l = 0; l < KERN_LANES; l++) {
                    got += (double)sums[i * KERN_LANES + l];
                }
                assert_true(fabs(got - sum) <= 1e-6 * sum);
                assert_int_equal(f->above(tile.f32 + i * cols, above[i]), bits);
                assert_true(!bits || (seen >> i & 1));
            }
            assert_false(seen >> 1 & 1);
            free(sums);
        }
    }
}

/* Logits of a changed model, made of the whole's tile and its own, against f64: the exponentials, and
 * in f32 the logits themselves. */
static void tiles_of_a_changed_model_are_mixed(void **state)
{
    (void)state;
    enum { ROWS = 5 };
    static union {
        float f32[KERN_ROWS_MAX * KERN_COLS_MAX];
        int32_t s32[KERN_ROWS_MAX * KERN_COLS_MAX];
    } own, whole;
    static float part[6][DOT_ROWS_MAX > DOT_COLS_MAX ? DOT_ROWS_MAX : DOT_COLS_MAX];
    static float shift[DOT_ROWS_MAX], above[DOT_ROWS_MAX];
    static float sums[DOT_ROWS_MAX * KERN_LANES];
    float *ratio = part[0], *less = part[1], *ln_b = part[2], *bias = part[3];
    float *scale = part[4], *whole_scale = part[5];
    for (size_t t = 0; kern_at(t); t++) {
        const struct kern_f32 *f = kern_at(t)->f32;
        double want[DOT_ROWS_MAX * DOT_COLS_MAX];
        if (!kern_runs(kern_at(t))) {
            continue;
        }
        for (size_t i = 0; i < sizeof part / sizeof **part; i++) {
            part[i / (sizeof *part / sizeof **part)][i % (sizeof *part / sizeof **part)] =
                random_float();
        }
        for (size_t i = 0; i < f->rows * f->cols; i++) {
            own.f32[i] = random_float();
            whole.f32[i] = random_float();
            want[i] = (double)own.f32[i] + (double)whole.f32[i] * (double)ratio[i / f->cols] +
                      (double)ln_b[i % f->cols] * (double)less[i / f->cols];
        }
        f->mix(own.f32, whole.f32, ratio, ln_b, less);
        for (size_t i = 0; i < f->rows * f->cols; i++) {
            assert_true(fabs((double)own.f32[i] - want[i]) < 1e-6);
        }

        for (size_t i = 0; i < ROWS * f->cols; i++) {
            const size_t row = i / f->cols, col = i % f->cols;
            own.s32[i] = (int32_t)(random_float() * 10);
            whole.s32[i] = (int32_t)(random_float() * 10);
            shift[row] = 0.5f;
            above[row] = 1;
            want[i] = exp2((double)own.s32[i] * (double)scale[row] * (double)scale[col] +
                           (double)whole.s32[i] * (double)whole_scale[row] *
                               (double)whole_scale[col] * (double)ratio[row] +
                           (double)ln_b[col] * (double)less[row] + (double)bias[col] - 0.5);
        }
        const struct kern_mix mix = {scale, scale, whole.s32, whole_scale, whole_scale,
                                     ratio, less,  ln_b,      bias};
        memset(sums, 0, sizeof sums);
        const uint32_t seen = f->add_exp2_mixed(sums, &own, ROWS, &mix, shift, above);
        for (size_t i = 0; i < ROWS; i++) {
            double sum = 0, got = 0;
            for (size_t j = 0; j < f->cols; j++) {
                const double wanted = want[i * f->cols + j];
                assert_true(fabs((double)own.f32[i * f->cols + j] - wanted) <= 2e-5 * wanted);
                assert_true(own.f32[i * f->cols + j] <= 1 || (seen >> i & 1));
                sum += wanted;
            }
            for (size_t l = 0; l < KERN_LANES; l++) {
                got += (double)sums[i * KERN_LANES + l];
            }
            assert_true(fabs(got - sum) <= 2e-5 * sum);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_as_libm_has_them),
        cmocka_unit_test(norms_are_those_of_f64),
        cmocka_unit_test(norms_of_huge_numbers_are_those_of_f64),
        cmocka_unit_test(tiles_of_f32_are_products),
        cmocka_unit_test(tiles_of_integers_are_exact),
        cmocka_unit_test(rows_become_integers_and_turn),
        cmocka_unit_test(exponentials_are_summed_and_seen),
        cmocka_unit_test(tiles_of_a_changed_model_are_mixed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

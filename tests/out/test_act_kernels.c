/* Every table that this CPU can run gives what plain formulas say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "out/results/neurons/act_kernels.h"

#define N_MOST 2048
#define ROWS 128

static const size_t sizes[] = {1, 7, 8, 15, 16, 33, 64, 100, 2047, 2048};
#define N_SIZES (sizeof sizes / sizeof *sizes)

static uint64_t next_random(void)
{
    static uint64_t state = 1;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state >> 32;
}

/* All kinds of floats: any bits, common ones, ties of 2^-21, what is clamped. */
static float some_float(void)
{
    static const float odd[] = {0.0f,       -0.0f,     0x1p-149f, -0x1p-149f, INFINITY,
                                -INFINITY,  NAN,       -NAN,      1024.0f,    -1024.0f,
                                1023.9999f, 1024.001f, -1e30f,    0x1p-21f,   -0x1p-21f,
                                0x3p-21f,   0x5p-21f,  -0x3p-21f, 0x1p-20f,   0x1.000002p-21f};
    switch (next_random() % 4) {
    case 0:
        return bins_from_bits((int32_t)(uint32_t)next_random());
    case 1:
        return odd[next_random() % (sizeof odd / sizeof *odd)];
    case 2: // halves of 2^-20
        return (float)((double)(next_random() % 4096) - 2048) * 0x1p-21f;
    default:
        return (float)((double)next_random() * 0x1p-28 - 8);
    }
}

static bool is_beyond(float a)
{
    return isnan(a) || a >= 1024 || a <= -1024;
}

/* round(2^20 a), ties to even; 0 of what is beyond. */
static int32_t slow_fixed(float a)
{
    if (is_beyond(a)) {
        return 0;
    }
    const double whole = ldexp((double)a, 20), down = floor(whole), part = whole - down;
    const bool up = part > 0.5 || (part == 0.5 && fmod(down, 2) != 0);
    return (int32_t)down + up;
}

struct limits {
    int32_t top[N_MOST], bottom[N_MOST];
    uint32_t salt[N_MOST], hash[(1 + BINS_GROUPS) * N_MOST], most[N_MOST], open[N_MOST];
    struct act_limits view;
};

/* At what the activation has, one to the side of it, or anywhere. */
static uint32_t near_to(uint32_t value)
{
    const uint64_t random = next_random();
    return random % 2 ? value + (uint32_t)(random / 2 % 3) - 1 : (uint32_t)next_random();
}

/* Some groups are open; the most of the others, or more. */
static void set_most(struct limits *l, size_t i, size_t n)
{
    l->open[i] = (uint32_t)(next_random() & next_random() & 0xffff);
    l->most[i] = next_random() % 4 == 0 ? UINT32_MAX : 0;
    for (size_t group = 0; group < BINS_GROUPS; group++) {
        const uint32_t limit = l->hash[(1 + group) * n + i];
        l->most[i] = !(l->open[i] >> group & 1) && limit > l->most[i] ? limit : l->most[i];
    }
}

static void make_limits(struct limits *l, const float *a, size_t n, uint32_t place)
{
    for (size_t i = 0; i < n; i++) {
        const int32_t order = bins_order(bins_bits(a[i]));
        l->top[i] = (int32_t)near_to((uint32_t)order);
        l->bottom[i] = (int32_t)near_to((uint32_t)order);
        l->salt[i] = (uint32_t)next_random();
        for (size_t k = 0; k <= BINS_GROUPS; k++) {
            l->hash[k * n + i] = near_to(act_hash(place, l->salt[i]));
        }
        set_most(l, i, n);
    }
    l->view = (struct act_limits){l->top, l->bottom, l->salt, l->hash, l->most, l->open};
}

static unsigned slow_flags(const struct limits *l, float a, size_t i, size_t n, uint32_t place)
{
    const int32_t bits = bins_bits(a), order = bins_order(bits);
    const uint32_t hash = (place ^ l->salt[i]) * 0x9e3779b1u;
    const size_t group = (size_t)bins_group(bits);
    return (order >= l->top[i] ? 1u : 0) | (order <= l->bottom[i] ? 2u : 0) |
           (hash <= l->hash[i] ? 4u : 0) | (hash <= l->hash[(1 + group) * n + i] ? 8u : 0) |
           (is_beyond(a) ? 16u : 0);
}

static void rows_are_as_the_formulas_say(void **state)
{
    (void)state;
    static struct limits limits;
    static float a[N_MOST];
    static int32_t fixed[N_MOST + 1];
    static uint16_t bins[N_MOST + 1];
    static uint8_t flags[N_MOST + 1];
    for (size_t k = 0; k < 40 * N_SIZES; k++) {
        const size_t n = sizes[k % N_SIZES];
        const uint32_t place = (uint32_t)next_random();
        for (size_t i = 0; i < n; i++) {
            a[i] = some_float();
        }
        make_limits(&limits, a, n, place);
        const struct act_kernels *kern;
        for (size_t t = 0; (kern = act_kernels_at(t)) != NULL; t++) {
            unsigned all = 0;
            fixed[n] = 77;
            bins[n] = flags[n] = 99;
            const unsigned any = kern->row(a, n, place, &limits.view, fixed, bins, flags);
            for (size_t i = 0; i < n; i++) {
                assert_int_equal(fixed[i], slow_fixed(a[i]));
                assert_int_equal(bins[i], bins_of(bins_bits(a[i])));
                assert_int_equal(flags[i], slow_flags(&limits, a[i], i, n, place));
                all |= flags[i];
            }
            assert_int_equal(any, all);
            assert_true(fixed[n] == 77 && bins[n] == 99 && flags[n] == 99);
        }
    }
}

static void nothing_may_enter_closed_lists(void **state)
{
    (void)state;
    static struct limits limits;
    static float a[N_MOST];
    static int32_t fixed[N_MOST];
    static uint16_t bins[N_MOST];
    static uint8_t flags[N_MOST];
    make_limits(&limits, a, N_MOST, 0);
    for (size_t i = 0; i < N_MOST; i++) {
        a[i] = (float)i / 4 - 200;
        limits.top[i] = INT32_MAX;
        limits.bottom[i] = INT32_MIN;
        limits.salt[i] = 1;
    }
    memset(limits.hash, 0, sizeof limits.hash);
    memset(limits.most, 0, sizeof limits.most);
    memset(limits.open, 0, sizeof limits.open);
    const struct act_kernels *kern;
    for (size_t t = 0; (kern = act_kernels_at(t)) != NULL; t++) {
        assert_int_equal(kern->row(a, N_MOST, 2, &limits.view, fixed, bins, flags), 0);
        limits.top[1024] = bins_order(bins_bits(56));
        assert_int_equal(kern->row(a, N_MOST, 2, &limits.view, fixed, bins, flags), ACT_TOP);
        limits.top[1024] = INT32_MAX;
    }
}

static void sums_are_of_the_rows_named(void **state)
{
    (void)state;
    static int32_t fixed[ROWS * N_MOST];
    static int64_t sum[N_MOST], positive[N_MOST], sum_before[N_MOST], positive_before[N_MOST];
    static int32_t shift[N_MOST];
    static double cubes[N_MOST], fourths[N_MOST];
    static uint64_t low[N_MOST], high[N_MOST], low_before[N_MOST], high_before[N_MOST];
    for (size_t k = 0; k < 4 * N_SIZES; k++) {
        const size_t n = sizes[k % N_SIZES];
        uint8_t at[ROWS];
        size_t n_at = 0;
        for (size_t r = 0; r < ROWS; r++) {
            at[n_at] = (uint8_t)r;
            n_at += k < N_SIZES || next_random() % (k + 1) == 0;
        }
        n_at = k == 7 ? 0 : n_at;
        for (size_t i = 0; i < ROWS * n; i++) { // the least and the greatest among them
            const uint64_t random = next_random();
            fixed[i] = random % 8 == 0   ? 1 << 30
                       : random % 8 == 1 ? -(1 << 30)
                                         : (int32_t)(next_random() % (1u << 31)) - (1 << 30);
        }
        for (size_t i = 0; i < n; i++) {
            sum_before[i] = -(int64_t)next_random() * 1000;
            positive_before[i] = (int64_t)next_random();
            low_before[i] = next_random() << 20;
            high_before[i] = next_random();
            shift[i] = (int32_t)(next_random() % (1u << 30)) - (1 << 29);
        }
        const struct act_kernels *kern;
        for (size_t t = 0; (kern = act_kernels_at(t)) != NULL; t++) {
            memcpy(sum, sum_before, sizeof sum);
            memcpy(positive, positive_before, sizeof positive);
            memcpy(low, low_before, sizeof low);
            memcpy(high, high_before, sizeof high);
            kern->sums(fixed, n, at, n_at, sum, positive);
            kern->squares(fixed, n, at, n_at, low, high);
            memset(cubes, 0, sizeof cubes);
            memset(fourths, 0, sizeof fourths);
            kern->powers(fixed, n, at, n_at, shift, cubes, fourths);
            for (size_t i = 0; i < n; i++) {
                int64_t s = sum_before[i], p = positive_before[i];
                unsigned __int128 squares =
                    ((unsigned __int128)high_before[i] << 32) + low_before[i];
                double cube = 0, fourth = 0; // in this order, and so to the last bit
                for (size_t r = 0; r < n_at; r++) {
                    const int64_t f = fixed[at[r] * n + i];
                    const double d = (double)(f - shift[i]);
                    cube += d * d * d;
                    fourth += (d * d) * (d * d);
                    s += f;
                    p += f > 0 ? f : 0;
                    squares += (unsigned __int128)(f * f);
                }
                assert_true(sum[i] == s);
                assert_true(positive[i] == p);
                assert_true(cubes[i] == cube && fourths[i] == fourth);
                assert_true(((unsigned __int128)high[i] << 32) + low[i] == squares);
            }
            for (size_t i = n; i < N_MOST; i++) {
                assert_true(sum[i] == sum_before[i] && low[i] == low_before[i]);
            }
        }
    }
}

static void a_tokens_activations_are_added(void **state)
{
    (void)state;
    static float a[N_MOST + 1];
    static int64_t sum[N_MOST], before[N_MOST];
    for (size_t k = 0; k < 40 * N_SIZES; k++) {
        const size_t n = sizes[k % N_SIZES], shift = k % 3 == 0; // also where nothing is aligned
        for (size_t i = 0; i < n; i++) {
            a[shift + i] = some_float();
            before[i] = (int64_t)(next_random() << 30) - ((int64_t)1 << 61);
        }
        const struct act_kernels *kern;
        for (size_t t = 0; (kern = act_kernels_at(t)) != NULL; t++) {
            memcpy(sum, before, sizeof sum);
            kern->add(a + shift, n, sum);
            for (size_t i = 0; i < n; i++) {
                assert_true(sum[i] == before[i] + slow_fixed(a[shift + i]));
            }
            for (size_t i = n; i < N_MOST; i++) {
                assert_true(sum[i] == before[i]);
            }
        }
    }
}

static void bins_are_turned_from_rows_to_neurons(void **state)
{
    (void)state;
    enum { STRIDE = ROWS + 9 };
    static uint16_t rows[ROWS * N_MOST], to[(N_MOST + ACT_TURNED) * STRIDE];
    static const size_t counts[] = {1, 15, 16, 17, 127, ROWS};
    for (size_t k = 0; k < 6 * N_SIZES; k++) {
        const size_t n = sizes[k % N_SIZES], n_rows = counts[k / N_SIZES];
        for (size_t i = 0; i < n_rows * n; i++) {
            rows[i] = (uint16_t)next_random();
        }
        const struct act_kernels *kern;
        for (size_t t = 0; (kern = act_kernels_at(t)) != NULL; t++) {
            for (size_t i = 0; i < (N_MOST + ACT_TURNED) * STRIDE; i++) {
                to[i] = 99;
            }
            kern->turn(rows, n_rows, n, to + 3, STRIDE);
            for (size_t i = 0; i < n; i++) {
                const size_t group = i / ACT_TURNED * STRIDE, own = i % ACT_TURNED;
                for (size_t r = 0; r < n_rows; r++) {
                    assert_int_equal(to[3 + (group + r) * ACT_TURNED + own], rows[r * n + i]);
                }
                assert_int_equal(to[3 + (group + n_rows) * ACT_TURNED + own], 99);
            }
            for (size_t r = 0; n % ACT_TURNED > 0 && r < n_rows; r++) { // neurons there are not
                assert_int_equal(to[3 + (n / ACT_TURNED * STRIDE + r) * ACT_TURNED + 3], 99);
            }
            assert_int_equal(to[2], 99);
        }
    }
}

static void the_plain_table_is_the_last_and_the_best_the_first(void **state)
{
    (void)state;
    size_t n = 0;
    while (act_kernels_at(n)) {
        n++;
    }
    assert_true(n >= 1);
    assert_ptr_equal(act_kernels_at(0), act_kernels_best());
    assert_ptr_equal(act_kernels_at(n - 1), &act_kernels_c);
    assert_null(act_kernels_at(n + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_as_the_formulas_say),
        cmocka_unit_test(nothing_may_enter_closed_lists),
        cmocka_unit_test(sums_are_of_the_rows_named),
        cmocka_unit_test(a_tokens_activations_are_added),
        cmocka_unit_test(bins_are_turned_from_rows_to_neurons),
        cmocka_unit_test(the_plain_table_is_the_last_and_the_best_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Two distributions side by side: one token by hand, sums, domains, bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "out/results/compare/compare.h"
#include "out/results/compare/compare_token.h"

// --- one token ----------------------------------------------------------------------------------

#define MOST ((size_t)300)

static struct compare_value token(const float *x, const float *y, size_t n, uint32_t id)
{
    float exps[2][MOST];
    struct compare_logits base, other;
    assert_in_range(n, 1, MOST);
    compare_logits_of(&base, x, n, exps[0]);
    compare_logits_of(&other, y, n, exps[1]);
    return compare_token(&base, &other, n, id);
}

/* P = 1/2, 1/4, 1/4 and 1/4, 1/2, 1/4: KL is ln(2) / 4. */
static void a_pair_by_hand(void **state)
{
    (void)state;
    const float ln2 = 0.69314718F, x[3] = {ln2, 0, 0}, y[3] = {100, 100 + ln2, 100};
    const struct compare_value same = token(x, x, 3, 1), v = token(x, y, 3, 1);
    assert_int_equal(same.kl, 0);
    assert_int_equal(same.difference, 0);
    assert_true(same.same);
    // 7 digits of 100.69 are 8e-6
    assert_true(fabs(fixed_to(v.kl) - 0.25 * M_LN2) < 1e-5);
    assert_true(fabs(fixed_to(v.difference) - 0.25) < 1e-5);
    assert_false(v.same);
    assert_int_equal(token(x, y, 3, 2).difference, 0);
    assert_true(fixed_to(token(x, y, 3, 0).difference) + 0.25 < 1e-5);
}

static void of_equal_logits_the_lower_id_is_the_most_likely(void **state)
{
    (void)state;
    float x[MOST] = {0}, y[MOST] = {0};
    x[17] = x[250] = x[299] = 3;
    y[17] = 3;
    assert_true(token(x, y, MOST, 0).same);
    y[16] = 3;
    assert_false(token(x, y, MOST, 0).same);
    y[16] = 0;
    y[17] = 2;
    y[250] = 3;
    assert_false(token(x, y, MOST, 0).same);
}

/* The formula in f64. */
static void expect_reference(const float *x, const float *y, size_t n)
{
    double sum[2] = {0}, kl = 0;
    for (size_t i = 0; i < n; i++) {
        sum[0] += exp((double)x[i]);
        sum[1] += exp((double)y[i]);
    }
    for (size_t i = 0; i < n; i++) {
        const double lp = (double)x[i] - log(sum[0]), lq = (double)y[i] - log(sum[1]);
        kl += exp(lp) * (lp - lq);
    }
    const uint32_t id = (uint32_t)(n / 2);
    const double p = exp((double)y[id]) / sum[1] - exp((double)x[id]) / sum[0];
    const struct compare_value v = token(x, y, n, id);
    assert_true(fabs(fixed_to(v.kl) - kl) < 3e-6 * (1 + kl));
    assert_true(fabs(fixed_to(v.difference) - p) < 2e-6);
}

static void every_size_of_vocabulary_is_summed_to_its_end(void **state)
{
    (void)state;
    float x[MOST], y[MOST];
    uint32_t seed = 7;
    for (size_t n = 1; n <= MOST; n++) {
        for (size_t i = 0; i < n; i++) {
            seed = seed * 1664525 + 1013904223;
            x[i] = (float)(seed >> 16) / 4096 - 8;
            seed = seed * 1664525 + 1013904223;
            y[i] = (float)(seed >> 16) / 4096 - 8;
        }
        expect_reference(x, y, n);
    }
}

static void what_is_not_finite_is_none(void **state)
{
    (void)state;
    static const float odd[] = {NAN, INFINITY, -NAN};
    for (size_t at = 0; at < 11; at++) {
        for (size_t k = 0; k < sizeof odd / sizeof *odd; k++) {
            float x[11] = {0, 1, 2}, y[11] = {2, 1};
            x[at] = odd[k];
            assert_true(token(x, y, 11, 3).kl == FIXED_NONE);
            assert_true(token(y, x, 11, 3).kl == FIXED_NONE);
        }
    }
    const float none[3] = {-INFINITY, -INFINITY, -INFINITY}, x[3] = {0};
    assert_true(token(none, x, 3, 0).kl == FIXED_NONE);
    assert_true(token(x, none, 3, 0).kl == FIXED_NONE);
}

/* A token that the base finds impossible adds nothing; one that the other does makes KL infinite. */
static void impossible_tokens(void **state)
{
    (void)state;
    const float x[3] = {0, 0, -INFINITY}, y[3] = {0, 0, 0}, z[3] = {0, 0, -INFINITY};
    assert_true(fabs(fixed_to(token(x, y, 3, 0).kl) - log(1.5)) < 2e-6);
    assert_true(token(y, x, 3, 0).kl == FIXED_NONE);
    assert_int_equal(token(x, z, 3, 0).kl, 0);
    // far off, but possible: about 1e5 / 2 nats
    const float far[3] = {0, -1e5F, -INFINITY};
    assert_true(fabs(fixed_to(token(x, far, 3, 0).kl) - (5e4 - M_LN2)) < 0.01);
}

// --- what is kept -------------------------------------------------------------------------------

static struct compare_pair pairs[2] = {{.kind = COMPARE_PAIR, .other = 1, .d_vocab = 8},
                                       {.kind = COMPARE_SEVERAL_OTHERS}};
static bool predicts_next[2];
static const struct compare_shape shape = {.share = {.take = 1, .of = 16},
                                           .n_models = 2,
                                           .n_pairs = 2,
                                           .n_hypotheses = 2,
                                           .pairs = pairs,
                                           .next = predicts_next,
                                           .d_vocab = 8};

static struct compare *new_one(void)
{
    struct compare *c = NULL;
    assert_int_equal(compare_new(&c, &shape, NULL), 0);
    return c;
}

/* Three tokens, the second not finite; hypothesis 0 labels the last two, 1 gave up. */
static void add_doc(struct compare *c, const char *domain, int64_t kl)
{
    const struct compare_value values[6] = {
        {kl, -FIXED_ONE / 2, true}, {FIXED_NONE, 0, true}, {3 * FIXED_ONE, FIXED_ONE, false}};
    static const uint32_t at[2] = {1, 2};
    const struct compare_labels labels[2] = {{.at = at, .n = 2},
                                             {.at = at, .n = 2, .gave_up = true}};
    const struct compare_doc doc = {.domain = domain, .values = values, .n = 3, .labels = labels};
    assert_int_equal(compare_add(c, &doc, NULL), 0);
}

static struct buf save(const struct compare *c)
{
    struct buf bytes = {0};
    assert_int_equal(compare_save(c, &bytes, NULL), 0);
    return bytes;
}

static void expect_same(const struct compare *a, const struct compare *b)
{
    struct buf x = save(a), y = save(b);
    assert_int_equal(x.len, y.len);
    assert_memory_equal(x.data, y.data, x.len);
    buf_free(&x);
    buf_free(&y);
}

static void a_document_is_summed(void **state)
{
    (void)state;
    struct compare *c = new_one();
    const struct compare_pair_sums *p = &c->pairs[0];
    assert_int_equal(compare_percentile(p, 50), COMPARE_BINS);
    add_doc(c, "a", FIXED_ONE);
    assert_int_equal(p->all.kl.n, 2);
    assert_int_equal(p->all.kl.docs, 1);
    assert_int_equal(p->n_not_finite, 1);
    assert_true(moments_mean(&p->all.kl) == 2 && isnan(moments_se(&p->all.kl)));
    assert_true(moments_mean(&p->all.same) == 0.5);
    assert_true(moments_mean(&p->all.difference) == 0.25);
    assert_int_equal(p->hist[512], 1);
    assert_int_equal(p->hist[COMPARE_BINS - 1], 1); // which holds its upper end
    assert_true(compare_edge(512) == -0.5 && compare_edge(COMPARE_BINS) == 1);
    assert_int_equal(compare_percentile(p, 50), 512);
    assert_int_equal(compare_percentile(p, 51), COMPARE_BINS - 1);
    assert_int_equal(p->hypotheses[0].kl.n, 1);
    assert_true(moments_mean(&p->hypotheses[0].kl) == 3);
    assert_int_equal(p->hypotheses[1].kl.n, 0);
    assert_int_equal(c->pairs[1].all.kl.n, 0);
    assert_int_equal(c->n_domains, 1);
    assert_string_equal(c->domains[0].name, "a");
    assert_int_equal(c->domains[0].pairs[0].kl.n, 2);
    add_doc(c, NULL, 2 * FIXED_ONE);
    add_doc(c, "", 2 * FIXED_ONE);
    assert_int_equal(c->n_domains, 2);
    assert_true(moments_se(&p->all.kl) > 0);
    compare_clear(c);
    struct compare *empty = new_one();
    expect_same(c, empty);
    compare_free(empty);
    compare_free(c);
}

/* More domains than are kept, in two parts and two orders. */
static void merging_is_exact_in_any_order(void **state)
{
    (void)state;
    struct compare *whole = new_one(), *back = new_one(), *part[2] = {new_one(), new_one()};
    const int n = COMPARE_DOMAINS_MAX + 300;
    char name[16];
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "%d", i);
        add_doc(whole, name, 1000 * i);
        add_doc(part[i % 3 == 0], name, 1000 * i);
        snprintf(name, sizeof name, "%d", n - 1 - i);
        add_doc(back, name, 1000 * (n - 1 - i));
    }
    assert_int_equal(whole->n_domains, COMPARE_DOMAINS_MAX);
    assert_int_equal(whole->other.pairs[0].kl.docs, 300);
    expect_same(whole, back);
    compare_clear(back);
    assert_int_equal(compare_merge(back, part[1], NULL), 0);
    assert_int_equal(compare_merge(back, part[0], NULL), 0);
    expect_same(whole, back);
    assert_int_equal(compare_merge(part[0], part[1], NULL), 0);
    expect_same(whole, part[0]);
    compare_free(whole);
    compare_free(back);
    compare_free(part[0]);
    compare_free(part[1]);
}

// --- bytes --------------------------------------------------------------------------------------

static int load_copy(const char *bytes, size_t len)
{
    struct compare *c = new_one();
    struct err err = {0};
    char *exact = mem_new(len, 1); // a byte too far is found
    assert_non_null(exact);
    memcpy(exact, bytes, len);
    const int rc = compare_load(c, exact, len, &err);
    assert_true(!rc || err.msg[0]);
    if (!rc) {
        struct buf again = save(c);
        assert_int_equal(again.len, len);
        assert_memory_equal(again.data, bytes, len);
        buf_free(&again);
        assert_in_range(compare_percentile(&c->pairs[0], 99), 0, COMPARE_BINS);
    }
    free(exact);
    compare_free(c);
    return rc;
}

static void damaged_bytes_are_refused_or_a_comparison(void **state)
{
    (void)state;
    struct compare *c = new_one();
    add_doc(c, "a", FIXED_ONE);
    add_doc(c, NULL, 5);
    struct buf bytes = save(c);
    size_t refused = 0;
    assert_int_equal(load_copy(bytes.data, bytes.len), 0);
    for (size_t len = 0; len < bytes.len; len += len < 64 ? 1 : 7) {
        assert_int_equal(load_copy(bytes.data, len), ERR_FORMAT);
    }
    for (size_t i = 0; i < bytes.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            bytes.data[i] ^= (char)(1 << bit);
            const int rc = load_copy(bytes.data, bytes.len);
            assert_true(rc == 0 || rc == ERR_FORMAT);
            refused += rc != 0;
            bytes.data[i] ^= (char)(1 << bit);
        }
    }
    assert_in_range(refused, 300, bytes.len * 8 - 1);
    assert_int_equal(buf_append(&bytes, "", 1, NULL), 0);
    assert_int_equal(load_copy(bytes.data, bytes.len), ERR_FORMAT);
    buf_free(&bytes);
    compare_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pair_by_hand),
        cmocka_unit_test(of_equal_logits_the_lower_id_is_the_most_likely),
        cmocka_unit_test(every_size_of_vocabulary_is_summed_to_its_end),
        cmocka_unit_test(what_is_not_finite_is_none),
        cmocka_unit_test(impossible_tokens),
        cmocka_unit_test(a_document_is_summed),
        cmocka_unit_test(merging_is_exact_in_any_order),
        cmocka_unit_test(damaged_bytes_are_refused_or_a_comparison),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

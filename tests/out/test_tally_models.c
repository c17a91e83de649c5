/* A tally of 40 models, more than a pair may have, against sums by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/kit/run_sample.h"

#define MODELS 40
#define PAIRS MODELS // base:m for each other model, and model 39 with the first 32 others
#define TOKENS 6
#define DOCS 8

/* Quarters of a nat, some below the floor of -6. */
static double value(size_t doc, size_t model, size_t token)
{
    return -0.25 * (double)(1 + (doc * 5 + model * 7 + token * 11 + model * token) % 29);
}

static struct run make_run(void)
{
    struct run r = {.n_models = MODELS, .n_shards = 1, .n_pairs = PAIRS, .floor = -6, .top = 20};
    r.models = calloc(MODELS, sizeof *r.models);
    for (size_t m = 0; m < MODELS; m++) {
        char name[16];
        snprintf(name, sizeof name, "m%zu", m);
        r.models[m] = (struct run_model){.name = strdup(name),
                                         .path = strdup(""),
                                         .act_fn = strdup("none"),
                                         .site = strdup(""),
                                         .d_vocab = 16,
                                         .n_ctx = 8};
    }
    r.shards = calloc(1, sizeof *r.shards);
    r.shards[0] = (struct run_shard){.name = strdup("a"), .path = strdup("a")};
    r.pairs = calloc(PAIRS, sizeof *r.pairs);
    for (uint32_t p = 0; p + 1 < PAIRS; p++) {
        r.pairs[p] = (struct run_pair){.base = 0, .n_others = 1, .others = {p + 1}};
    }
    r.pairs[PAIRS - 1] = (struct run_pair){.base = MODELS - 1, .n_others = RUN_OTHERS_MAX};
    for (uint32_t k = 0; k < RUN_OTHERS_MAX; k++) {
        r.pairs[PAIRS - 1].others[k] = k;
    }
    r.settings = strdup("{}");
    return r;
}

static void add_doc(struct tally *t, size_t number)
{
    static const uint32_t ids[TOKENS] = {1, 2, 3, 1, 2, 5}, pos[TOKENS] = {1, 2, 3, 4, 1, 2};
    static const uint32_t ends[TOKENS] = {1, 2, 3, 4, 5, 6};
    static double values[MODELS][TOKENS];
    const double *rows[MODELS];
    for (size_t m = 0; m < MODELS; m++) {
        for (size_t i = 0; i < TOKENS; i++) {
            values[m][i] = value(number, m, i);
        }
        rows[m] = values[m];
    }
    const struct tally_doc doc = {.number = number,
                                  .text = "abcdef",
                                  .text_len = 6,
                                  .n = TOKENS,
                                  .ids = ids,
                                  .ends = ends,
                                  .pos = pos,
                                  .logprob = rows};
    assert_int_equal(tally_add_whole(t, &doc, NULL, NULL, NULL), 0);
}

static int64_t above(double logprob, double floor)
{
    return (int64_t)((logprob > floor ? logprob : floor) * (double)FIXED_ONE); // quarters: exact
}

/* The pair's gap at a token; *decides: the first other that attains it. */
static int64_t gap_at(const struct run *r, const struct run_pair *p, size_t doc, size_t token,
                      uint32_t *decides)
{
    int64_t least = INT64_MAX;
    for (uint32_t k = 0; k < p->n_others; k++) {
        const int64_t gap = above(value(doc, p->others[k], token), r->floor) -
                            above(value(doc, p->base, token), r->floor);
        if (gap < least) {
            least = gap;
            *decides = p->others[k];
        }
    }
    return least;
}

static void expect_hits(const struct run *r, const struct tally *t, size_t p)
{
    const struct tally_hits *hits = &t->pairs[p].hits[TALLY_OTHER];
    for (size_t i = 0; i < hits->n; i++) {
        const struct tally_hit *h = &hits->items[i];
        uint32_t decides = 0;
        assert_true(h->gap == gap_at(r, &r->pairs[p], h->doc, h->at, &decides));
        assert_true(h->other_logprob == value(h->doc, decides, h->at));
        assert_true(h->base_logprob == value(h->doc, r->pairs[p].base, h->at));
    }
}

static void expect_all(const struct run *r, const struct tally *t)
{
    for (size_t m = 0; m < MODELS; m++) {
        double sum = 0;
        uint64_t clamped = 0;
        for (size_t i = 0; i < DOCS * TOKENS; i++) {
            sum += value(i / TOKENS, m, i % TOKENS);
            clamped += value(i / TOKENS, m, i % TOKENS) < r->floor;
        }
        assert_int_equal(t->models[m].logprob.n, DOCS * TOKENS);
        assert_true(moments_mean(&t->models[m].logprob) == sum / (DOCS * TOKENS));
        assert_int_equal(t->models[m].clamped, clamped);
    }
    for (size_t p = 0; p < PAIRS; p++) {
        __int128 sum = 0;
        uint64_t better = 0;
        uint32_t decides;
        for (size_t i = 0; i < DOCS * TOKENS; i++) {
            const int64_t gap = gap_at(r, &r->pairs[p], i / TOKENS, i % TOKENS, &decides);
            sum += gap;
            better += gap > 0;
        }
        assert_true(t->pairs[p].gap.sum == sum);
        assert_int_equal(t->pairs[p].other_better, better);
        expect_hits(r, t, p);
    }
    assert_true(t->pairs[0].hits[TALLY_OTHER].n > 0);
    assert_true(t->pairs[PAIRS - 1].hits[TALLY_BASE].n > 0);
}

static struct buf save(const struct tally *t)
{
    struct buf bytes = {0};
    assert_int_equal(tally_save(t, &bytes, NULL), 0);
    return bytes;
}

static void a_tally_of_forty_models_counts_merges_and_is_saved(void **state)
{
    (void)state;
    struct run r = make_run();
    struct results results[3] = {{0}};
    struct tally *t[3];
    for (size_t i = 0; i < 3; i++) {
        t[i] = sample_results(&results[i], &r);
    }
    for (size_t d = 0; d < DOCS; d++) {
        add_doc(t[0], d);
        add_doc(t[1 + d % 2], d);
    }
    expect_all(&r, t[0]);
    assert_int_equal(results_merge(&results[1], &results[2], NULL), 0);
    struct buf straight = save(t[0]), merged = save(t[1]);
    assert_int_equal(straight.len, merged.len);
    assert_memory_equal(straight.data, merged.data, merged.len);
    tally_clear(t[2]);
    assert_int_equal(tally_load(t[2], straight.data, straight.len, NULL), 0);
    expect_all(&r, t[2]);
    int64_t cutoff[2 * PAIRS];
    tally_cutoff(t[2], cutoff);
    assert_true(cutoff[2 * PAIRS - 1] > 0); // it has room
    buf_free(&straight);
    buf_free(&merged);
    for (size_t i = 0; i < 3; i++) {
        results_free(&results[i]);
    }
    run_free(&r);
}

static void a_run_of_forty_models_is_saved_and_loaded(void **state)
{
    (void)state;
    struct run r = make_run(), back = {0};
    struct buf bytes = {0};
    struct err err = {0};
    assert_int_equal(run_save(&r, &bytes, NULL), 0);
    assert_int_equal(run_load(&back, bytes.data, bytes.len, &err), 0);
    assert_int_equal(back.n_models, MODELS);
    assert_string_equal(back.models[39].name, "m39");
    assert_int_equal(back.pairs[PAIRS - 1].n_others, RUN_OTHERS_MAX);
    assert_int_equal(run_same(&r, &back, &err), 0);
    back.pairs[PAIRS - 1].others[31] = 38;
    assert_int_equal(run_same(&r, &back, &err), ERR_MISMATCH);
    assert_string_equal(err.msg, "pair 39: not the same models");
    buf_free(&bytes);
    run_free(&r);
    run_free(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tally_of_forty_models_counts_merges_and_is_saved),
        cmocka_unit_test(a_run_of_forty_models_is_saved_and_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

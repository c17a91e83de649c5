/*
 * Counts against dense tables, however they are put together, and with a document left out.
 */
#include "tests/kit/ngrams_kit.h"

#include <math.h>

#include "corpora/base/file.h"
#include "model/counts/countmodel.h"

// --- sorting ------------------------------------------------------------------------------------

static int by_value(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void keys_are_sorted_whatever_their_bits(void **state)
{
    (void)state;
    enum { N = 3000 };
    uint64_t seed = 5, keys[N], other[N], wanted[N];
    for (unsigned bits = 1; bits <= 60; bits++) {
        const size_t n = bits % 10 == 0 ? bits / 10 - 1 : N;
        for (size_t i = 0; i < n; i++) {
            const uint64_t r = kit_random(&seed) << 31 ^ kit_random(&seed);
            wanted[i] = keys[i] = r & ((UINT64_C(1) << bits) - 1);
        }
        qsort(wanted, n, sizeof *wanted, by_value);
        ngrams_sort(keys, other, n, bits);
        assert_memory_equal(keys, wanted, n * sizeof *keys);
    }
}

// --- against dense tables -----------------------------------------------------------------------

#define V 9u

struct dense {
    uint64_t bigrams[V][V], trigrams[V][V][V], skips[NGRAMS_SKIPS][V][V], left[V][V], words[V];
};

static void count_densely(struct dense *t, const struct kit_corpus *c)
{
    memset(t, 0, sizeof *t);
    for (size_t d = 0; d < c->n_docs; d++) {
        uint32_t all[KIT_DOC_MAX + 1] = {0};
        memcpy(all + 1, c->docs[d].ids, c->docs[d].n * sizeof *all);
        for (size_t i = 1; i <= c->docs[d].n; i++) {
            t->words[all[i]]++;
            t->bigrams[all[i - 1]][all[i]]++;
            if (i >= 2) {
                t->left[all[i - 1]][all[i]] += t->trigrams[all[i - 2]][all[i - 1]][all[i]]++ == 0;
            }
            for (size_t far = 2; far <= 16 && far <= i; far++) {
                const size_t kind = far == 2 ? 0 : far <= 4 ? 1 : far <= 8 ? 2 : 3;
                t->skips[kind][all[i - far]][all[i]]++;
            }
        }
    }
}

static struct ngrams_context context_of(const uint64_t *counts)
{
    struct ngrams_context c = {0};
    for (size_t i = 0; i < V; i++) {
        c.total += counts[i];
        c.n[0] += counts[i] == 1;
        c.n[1] += counts[i] == 2;
        c.n[2] += counts[i] >= 3;
    }
    return c;
}

static void add_cofc(uint64_t cofc[4], uint64_t count)
{
    if (count >= 1 && count <= 4) {
        cofc[count - 1]++;
    }
}

static void expect_context(const struct ngrams_context *got, struct ngrams_context wanted)
{
    assert_memory_equal(got, &wanted, sizeof wanted);
}

static void expect_dense(const struct ngrams *n, const struct dense *t, uint64_t min_count)
{
    const unsigned bits = ngrams_bits(V);
    uint64_t cofc[NGRAMS_COFC][4] = {0};
    for (uint32_t b = 0; b < V; b++) {
        const struct ngrams_word *w = ngrams_word(n, b);
        uint64_t left = 0;
        assert_int_equal(w->count, t->words[b]);
        expect_context(&w->after, context_of(t->bigrams[b]));
        expect_context(&w->left_after, context_of(t->left[b]));
        for (uint32_t c = 0; c < V; c++) {
            const struct ngrams_bigram bigram = ngrams_bigram(n, ngrams_key2(bits, b, c));
            assert_int_equal(bigram.count, t->bigrams[b][c]);
            assert_int_equal(bigram.left, t->left[b][c]);
            expect_context(&bigram.after, context_of(t->trigrams[b][c]));
            left += t->bigrams[c][b] > 0;
            add_cofc(cofc[NGRAMS_BIGRAMS], bigram.count);
            add_cofc(cofc[NGRAMS_LEFT_2], bigram.left);
            for (uint32_t k = 0; k < V; k++) {
                const uint64_t count = t->trigrams[b][c][k];
                assert_int_equal(ngrams_count(n, NGRAMS_TRIGRAMS, ngrams_key3(bits, b, c, k)),
                                 count < min_count ? 0 : count);
                add_cofc(cofc[NGRAMS_TRIGRAMS], count);
            }
        }
        assert_int_equal(w->left, left);
        add_cofc(cofc[NGRAMS_LEFT_1], left);
        for (unsigned s = 0; s < NGRAMS_SKIPS; s++) {
            expect_context(&w->skip[s], context_of(t->skips[s][b]));
            for (uint32_t c = 0; c < V; c++) {
                const uint64_t count = t->skips[s][b][c];
                assert_int_equal(ngrams_count(n, NGRAMS_SKIP + s, ngrams_key2(bits, b, c)),
                                 count < min_count ? 0 : count);
                add_cofc(cofc[NGRAMS_SKIP + s], count);
            }
        }
    }
    assert_memory_equal(cofc, ngrams_info(n)->cofc, sizeof cofc);
}

static void counts_are_those_of_dense_tables(void **state)
{
    (void)state;
    struct dense *t = malloc(sizeof *t);
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct kit_corpus *c = kit_random_corpus(V,
                                                 seed == 1   ? 0
                                                 : seed == 2 ? 1
                                                             : 10 * seed,
                                                 seed);
        count_densely(t, c);
        for (uint64_t least = 1; least <= 2; least++) {
            kit_make_file(c, &(struct kit_how){.docs_a_run = 3, .min_count = least}, "dense");
            struct ngrams *n = kit_open("dense");
            expect_dense(n, t, least);
            assert_string_equal(ngrams_info(n)->shards[0].name, "a.zst");
            assert_int_equal(ngrams_info(n)->shards[0].hash, 456);
            assert_int_equal(ngrams_info(n)->docs, c->n_docs);
            assert_int_equal(ngrams_info(n)->tokenizer, 77);
            ngrams_close(n);
        }
        free(c);
    }
    free(t);
}

static void small_counts_by_hand(void **state)
{
    (void)state;
    struct kit_corpus *c = calloc(1, sizeof *c);
    *c = (struct kit_corpus){.d_vocab = 5, .n_docs = 1, .docs = {{.n = 5, .ids = {1, 2, 1, 2, 3}}}};
    kit_make_file(c, &(struct kit_how){0}, "hand");
    struct ngrams *n = kit_open("hand");
    const struct ngrams_bigram b = ngrams_bigram(n, ngrams_key2(3, 1, 2));
    assert_int_equal(b.count, 2);
    assert_int_equal(b.after.total, 2); // 1 2 1 and 1 2 3
    assert_int_equal(b.after.n[0], 2);
    assert_int_equal(b.left, 2); // BOS 1 2 and 2 1 2
    assert_int_equal(ngrams_word(n, 1)->left, 2);
    assert_int_equal(ngrams_word(n, 2)->count, 2);
    assert_int_equal(ngrams_word(n, 0)->count, 0); // BOS is never predicted
    assert_int_equal(ngrams_count(n, NGRAMS_TRIGRAMS, ngrams_key3(3, 0, 1, 2)), 1);
    assert_int_equal(ngrams_count(n, NGRAMS_SKIP, ngrams_key2(3, 1, 3)), 1);     // 2 apart
    assert_int_equal(ngrams_count(n, NGRAMS_SKIP + 1, ngrams_key2(3, 0, 2)), 1); // 4
    assert_int_equal(ngrams_count(n, NGRAMS_SKIP + 1, ngrams_key2(3, 1, 3)), 1); // 4
    assert_int_equal(ngrams_count(n, NGRAMS_SKIP + 2, ngrams_key2(3, 0, 3)), 1); // 5
    assert_int_equal(ngrams_count(n, NGRAMS_SKIP + 3, ngrams_key2(3, 0, 3)), 0);
    ngrams_close(n);
    free(c);
}

// --- however it is put together -----------------------------------------------------------------

static void runs_and_threads_make_no_difference(void **state)
{
    (void)state;
    struct kit_corpus *c = kit_random_corpus(40, 70, 3); // more trigrams than are sorted at once
    kit_make_file(c, &(struct kit_how){0}, "whole");
    const struct kit_how hows[] = {{.docs_a_run = 1},
                                   {.docs_a_run = 7, .backwards = true, .n_threads = 2},
                                   {.docs_a_run = 30, .n_threads = 9, .memory_bytes = 1 << 30}};
    for (size_t i = 0; i < sizeof hows / sizeof *hows; i++) {
        kit_make_file(c, &hows[i], "other");
        kit_expect_same_bytes("whole", "other");
    }
    free(c);
}

static void parts_make_the_whole_in_any_order(void **state)
{
    (void)state;
    struct kit_corpus *c = kit_random_corpus(40, 50, 4);
    const char *const names[] = {"part0", "part1", "part2", "part0"};
    kit_make_file(c, &(struct kit_how){0}, "whole");
    kit_make_file(c, &(struct kit_how){.min_count = 2}, "few");
    for (size_t p = 0; p < 3; p++) {
        kit_make_file(c, &(struct kit_how){.part = p, .n_parts = 3, .docs_a_run = 9}, names[p]);
    }
    kit_merge_files(c, names, 3, &(struct kit_how){0}, "merged");
    kit_expect_same_bytes("whole", "merged");
    kit_merge_files(c, names + 1, 3, &(struct kit_how){0}, "merged");
    kit_expect_same_bytes("whole", "merged");
    kit_merge_files(c, names + 1, 2, &(struct kit_how){0}, "two");
    const char *const last[] = {"two", "part0"};
    kit_merge_files(c, last, 2, &(struct kit_how){0}, "merged");
    kit_expect_same_bytes("whole", "merged");
    kit_merge_files(c, last, 2, &(struct kit_how){.min_count = 2}, "merged");
    kit_expect_same_bytes("few", "merged");
    free(c);
}

static void a_build_that_is_stopped_writes_nothing(void **state)
{
    (void)state;
    struct kit_corpus *c = kit_random_corpus(9, 5, 9);
    struct ngrams_run run;
    struct ngrams_shard shard;
    const struct kit_how how = {0};
    struct ngrams_info info = kit_info(c, &how, &shard), made;
    uint64_t bits[2] = {0};
    const atomic_int stop = 1;
    bool stopped = false;
    kit_write_run(c, &how, 0, 5, &run, &info, bits);
    const struct ngrams_build b = {.info = info,
                                   .units = bits,
                                   .runs = &run,
                                   .n_runs = 1,
                                   .folder = kit_folder(),
                                   .n_threads = 2,
                                   .stop = &stop};
    assert_int_equal(ngrams_build(&b, kit_path("stopped"), &stopped, &made, NULL), 0);
    assert_true(stopped);
    assert_false(file_is_regular(kit_path("stopped")));
    ngrams_run_close(&run);
    free(c);
}

// --- leaving a document out ---------------------------------------------------------------------

/* The documents [0; 1 2] and [0; 1 3] with the first left out; see the formulas in countmodel.h.
 *
 *   discounts, of both:  bigrams counted 2, 1, 1: Y = 1/2, D1 = 1 - 2 * 1/2 * 1/2 = 1/2
 *                        trigrams 1, 1; N(*BC) 1, 1; N(*C) 1, 1, 1: Y = 1, D1 = 1
 *   P1: N(*1) and N(*3) are left, each keeps 1 - 1: all is 1/4
 *   P2(1|0) = (1 - 1/2) / 1 + 1/2 * 1/4 = 5/8      P2(2|1) = 0 + 1/2 * 1/4 = 1/8
 *   P3(2|0,1) = 0 + 1 * (0 + 1 * 1/4) = 1/4
 *   P3(3|0,1) = (1 - 1) / 1 + 1 * ((1 - 1) / 1 + 1 * 1/4) = 1/4
 */
static void a_document_left_out_by_hand(void **state)
{
    (void)state;
    struct kit_corpus *c = calloc(1, sizeof *c);
    *c = (struct kit_corpus){
        .d_vocab = 4, .n_docs = 2, .docs = {{.n = 2, .ids = {1, 2}}, {.n = 2, .ids = {1, 3}}}};
    kit_make_file(c, &(struct kit_how){0}, "two");
    struct ngrams *n = kit_open("two");
    const uint32_t other[] = {1, 3};
    const struct count_text own = {.ids = c->docs[0].ids}, others = {.ids = other};
    const double wanted[][3] = {{5. / 8, 1. / 8, 5. / 8}, {5. / 8, 1. / 4, 1. / 4}};
    for (int order = 0; order < 2; order++) {
        struct countmodel m;
        struct countmodel_ctx *r = NULL;
        countmodel_init(&m, n, order ? COUNT_TRIGRAM : COUNT_BIGRAM);
        assert_int_equal(countmodel_ctx_new(&r, &m, NULL), 0);
        assert_int_equal(countmodel_ctx_document(r, 0, c->docs[0].ids, 2, NULL), 0);
        assert_float_equal(exp(countmodel_ctx_score(r, &own, 0)), wanted[order][0], 1e-12);
        assert_float_equal(exp(countmodel_ctx_score(r, &own, 1)), wanted[order][1], 1e-12);
        assert_float_equal(exp(countmodel_ctx_score(r, &others, 1)), wanted[order][2], 1e-12);
        countmodel_ctx_free(r);
    }
    ngrams_close(n);
    free(c);
}

/* Without any counts every P is 1 / d_vocab. */
static void the_only_document_left_out_leaves_nothing(void **state)
{
    (void)state;
    struct kit_corpus *c = calloc(1, sizeof *c);
    *c = (struct kit_corpus){.d_vocab = 8, .n_docs = 1, .docs = {{.n = 5, .ids = {1, 2, 1, 2, 3}}}};
    kit_make_file(c, &(struct kit_how){0}, "one");
    struct ngrams *n = kit_open("one");
    const struct count_text text = {.ids = c->docs[0].ids};
    for (int order = 0; order < 4; order++) {
        struct countmodel m;
        struct countmodel_ctx *r = NULL;
        countmodel_init(&m, n, (enum count_order)order);
        assert_int_equal(countmodel_ctx_new(&r, &m, NULL), 0);
        const double all = countmodel_ctx_score(r, &text, 3);
        for (int again = 0; again < 3; again++) { // its memory is used again
            assert_int_equal(countmodel_ctx_document(r, 0, c->docs[0].ids, 5, NULL), 0);
            for (size_t i = 0; i < 5; i++) {
                assert_float_equal(exp(countmodel_ctx_score(r, &text, i)), 1. / 8, 1e-12);
            }
            assert_int_equal(countmodel_ctx_document(r, 0, NULL, 0, NULL), 0);
            assert_true(countmodel_ctx_score(r, &text, 3) == all);
        }
        countmodel_ctx_free(r);
    }
    ngrams_close(n);
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_sorted_whatever_their_bits),
        cmocka_unit_test(counts_are_those_of_dense_tables),
        cmocka_unit_test(small_counts_by_hand),
        cmocka_unit_test(runs_and_threads_make_no_difference),
        cmocka_unit_test(parts_make_the_whole_in_any_order),
        cmocka_unit_test(a_build_that_is_stopped_writes_nothing),
        cmocka_unit_test(a_document_left_out_by_hand),
        cmocka_unit_test(the_only_document_left_out_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, kit_make_folder, kit_remove_folder);
}

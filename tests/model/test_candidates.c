/*
 * Candidates: in documents in which it is known what predicts what, those and no others are found;
 * every number is that of a count of the raw ids, with its own Kneser-Ney; and order and heap are
 * what the header says.
 */
#include "tests/kit/candidates_kit.h"

#include <math.h>

#include "corpora/base/file.h"
#include "model/counts/countmodel.h"
#include "tests/kit/ngrams_sign.h"

// --- against raw ids ----------------------------------------------------------------------------

static const struct candidate *find_item(const struct candidates *c, const struct candidate *one)
{
    for (size_t i = 0; i < c->n; i++) {
        if (c->items[i].a == one->a && c->items[i].b == one->b && c->items[i].c == one->c) {
            return &c->items[i];
        }
    }
    fail_msg("%u %u -> %u is missing", one->a, one->b, one->c);
    return NULL;
}

static void expect_item(const struct candidate *got, const struct candidate *wanted)
{
    assert_int_equal(got->count, wanted->count);
    assert_int_equal(got->count_ab, wanted->count_ab);
    assert_int_equal(got->count_bc, wanted->count_bc);
    assert_int_equal(got->count_b, wanted->count_b);
    assert_int_equal(got->count_c, wanted->count_c);
    kit_expect_near(got->p, wanted->p, 1e-9);
    kit_expect_near(got->p_bigram, wanted->p_bigram, 1e-9);
    for (int k = 0; k < 4; k++) {
        kit_expect_near(got->p_skip[k], wanted->p_skip[k], 1e-9);
    }
    kit_expect_near(got->p_added, wanted->p_added, 1e-9);
    kit_expect_near(got->worth, wanted->worth, 0x1p-20);
    assert_true(got->worth * 0x1p20 == floor(got->worth * 0x1p20));
}

/* Checks that exactly the candidates of the reference were found, with all their numbers. */
static void expect_slow(const struct candidates *got, const struct ref_corpus *c,
                        const struct candidates_rule *rule)
{
    struct candidates_ref s;
    struct candidates_funnel funnel = {0};
    candidates_ref_count(&s, c);
    for (size_t i = 0; i < s.n_trigrams; i++) {
        struct candidate wanted;
        if (candidates_ref_judge(&s, &s.trigrams[i], rule, &funnel, &wanted)) {
            expect_item(find_item(got, &wanted), &wanted);
        }
    }
    funnel.trigrams = s.n_trigrams;
    funnel.kept = funnel.candidates;
    assert_memory_equal(&got->funnel, &funnel, sizeof funnel);
    assert_int_equal(got->n, funnel.kept);
    candidates_ref_free(&s);
}

static void expect_order(const struct candidates *c)
{
    for (size_t i = 1; i < c->n; i++) {
        const struct candidate *x = &c->items[i - 1], *y = &c->items[i];
        const uint32_t x_ids[] = {x->a, x->b, x->c}, y_ids[] = {y->a, y->b, y->c};
        size_t k = 0;
        while (k < 2 && x_ids[k] == y_ids[k]) {
            k++;
        }
        assert_true(x->worth > y->worth || (x->worth == y->worth && x_ids[k] < y_ids[k]));
    }
}

/* Compares to the last bit. */
static void expect_same(const struct candidate *a, const struct candidate *b, size_t n)
{
    for (size_t i = 0; i < n; i++, a++, b++) {
        assert_true(a->a == b->a && a->b == b->b && a->c == b->c);
        assert_memory_equal(&a->count, &b->count, sizeof *a - offsetof(struct candidate, count));
    }
}

// --- what is found ------------------------------------------------------------------------------

static void planted_trigrams_are_found_and_nothing_else(void **state)
{
    (void)state;
    struct candidates_rule rule = kit_plain;
    struct ngrams *n = kit_open("planted");
    for (int rare = 0; rare < 2; rare++) {
        size_t wanted = 0;
        rule.count = rare ? PLANTED_RARE_TIMES : PLANTED_RARE_TIMES + 1;
        struct candidates c = kit_find(n, &rule);
        for (size_t i = 0; i < PLANTED_ITEMS; i++) {
            const enum planted_kind kind = kit_planted.items[i].kind;
            wanted += kind == PLANTED_TRIGRAM || (rare && kind == PLANTED_RARE);
        }
        assert_int_equal(c.n, wanted);
        for (size_t i = 0; i < c.n; i++) {
            const struct candidate *x = &c.items[i];
            const bool often = planted_text_find(&kit_planted, PLANTED_TRIGRAM, x->a, x->b, x->c);
            assert_true(often || planted_text_find(&kit_planted, PLANTED_RARE, x->a, x->b, x->c));
            assert_int_equal(x->count, often ? PLANTED_TIMES : PLANTED_RARE_TIMES);
        }
        candidates_free(&c);
    }
    ngrams_close(n);
}

static void decoys_fall_at_their_own_stage(void **state)
{
    (void)state;
    struct ngrams *n = kit_open("planted");
    struct candidates c = kit_find(n, &kit_plain);
    size_t by[PLANTED_KINDS] = {0};
    for (size_t i = 0; i < PLANTED_ITEMS; i++) {
        by[kit_planted.items[i].kind]++;
    }
    // Of a few values each, x B C and A y C.
    assert_int_equal(c.funnel.by_bigram, by[PLANTED_BIGRAM] * PLANTED_FEW);
    assert_int_equal(c.funnel.by_skip, by[PLANTED_SKIP] * PLANTED_FEW);
    assert_int_equal(c.funnel.by_added, by[PLANTED_ADDED]);
    assert_int_equal(c.funnel.candidates, by[PLANTED_TRIGRAM]);
    candidates_free(&c);
    ngrams_close(n);
}

static void numbers_are_those_of_raw_ids(void **state)
{
    (void)state;
    struct ngrams *n = kit_open("planted");
    const struct candidates_rule rules[] = {
        kit_plain,
        kit_wide,
        {.count = 7, .high = 0.5, .low = 0.055, .most = 500},
        {.count = 9, .high = 0.7, .low = 0.65, .most = 500},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        struct candidates c = kit_find(n, &rules[i]);
        assert_true(c.n > 0);
        expect_slow(&c, &kit_planted_corpus, &rules[i]);
        expect_order(&c);
        candidates_free(&c);
    }
    ngrams_close(n);
}

/* A alone, B alone, and both added give the same to each of four Cs. */
static void an_exclusive_or_is_only_in_the_trigrams(void **state)
{
    (void)state;
    struct ngrams *n = kit_open("xor");
    struct candidates c = kit_find(n, &kit_xor_rule);
    assert_int_equal(c.n, 8 * XOR_GROUPS);
    for (size_t i = 0; i < c.n; i++) {
        kit_expect_near(c.items[i].p_added, 0.25, 0.001);
        // D3 of counts that are all 12 is 3/2; P1 is about 1/41
        kit_expect_near(c.items[i].p, (12 - 1.5) / 24 + 2 * 1.5 / 24 / 41, 0.001);
        assert_true(c.items[i].worth == c.items[0].worth);
    }
    expect_slow(&c, &kit_xor_corpus, &kit_xor_rule);
    expect_order(&c);
    candidates_free(&c);
    ngrams_close(n);
}

// --- both added ---------------------------------------------------------------------------------

static double full_sum(const struct countmodel_ctx *r, uint32_t v, double tokens,
                       const struct ngrams *n, uint32_t a, uint32_t b)
{
    double sum = 0;
    for (uint32_t x = 0; x < v; x++) {
        const double p0 = ((double)ngrams_word(n, x)->count + 1) / (tokens + v);
        sum += countmodel_ctx_p2(r, b, x) * countmodel_ctx_pd(r, 0, a, x) / p0;
    }
    return sum;
}

static void added_is_its_product_over_the_full_sum(void **state)
{
    (void)state;
    const char *const names[] = {"planted", "few", "xor"};
    for (size_t i = 0; i < 3; i++) {
        struct ngrams *n = kit_open(names[i]);
        struct countmodel m;
        struct countmodel_ctx *r = NULL;
        const uint32_t v = ngrams_info(n)->d_vocab;
        const double tokens = (double)ngrams_info(n)->tokens;
        countmodel_init(&m, n, COUNT_ORACLE);
        assert_int_equal(countmodel_ctx_new(&r, &m, NULL), 0);
        for (uint32_t k = 0; k < 30; k++) { // BOS among them, and tokens that nothing follows
            const uint32_t a = k * 5 % v, b = (k * 11 + k / 7) % v;
            const double sum = full_sum(r, v, tokens, n, a, b);
            double all = 0;
            for (uint32_t c = 0; c < v; c++) {
                const double p0 = ((double)ngrams_word(n, c)->count + 1) / (tokens + v);
                const double p =
                    countmodel_ctx_p2(r, b, c) * countmodel_ctx_pd(r, 0, a, c) / p0 / sum;
                const double got = countmodel_ctx_added(r, a, b, c);
                assert_true(fabs(got - p) <= 1e-12 * p);
                all += got;
            }
            kit_expect_near(all, 1, 1e-12);
        }
        countmodel_ctx_free(r);
        ngrams_close(n);
    }
}

/* Leaving a document out is as if it had never been counted, except for the discounts: P sums to 1
 * and agrees with the factors of a scored token. */
static void added_leaves_a_document_out(void **state)
{
    (void)state;
    struct ngrams *n = kit_open("planted");
    struct countmodel m, bigram;
    struct countmodel_ctx *r = NULL, *alone = NULL;
    const struct planted_doc *d = &kit_planted.docs[3];
    const struct count_text text = {.first = kit_bos, .ids = d->ids};
    countmodel_init(&m, n, COUNT_ORACLE);
    countmodel_init(&bigram, n, COUNT_BIGRAM);
    assert_int_equal(countmodel_ctx_new(&r, &m, NULL), 0);
    assert_int_equal(countmodel_ctx_new(&alone, &bigram, NULL), 0);
    assert_int_equal(countmodel_ctx_document(r, kit_bos, d->ids, d->n, NULL), 0);
    assert_int_equal(countmodel_ctx_document(alone, kit_bos, d->ids, d->n, NULL), 0);
    for (size_t i = 2; i < 40; i += 7) {
        double all = 0;
        const uint32_t a = d->ids[i - 2], b = d->ids[i - 1];
        for (uint32_t c = 0; c < PLANTED_VOCAB; c++) {
            all += countmodel_ctx_added(r, a, b, c);
        }
        kit_expect_near(all, 1, 1e-12);
        kit_expect_near(log(countmodel_ctx_p2(r, b, d->ids[i])),
                        countmodel_ctx_score(alone, &text, i), 1e-15);
    }
    countmodel_ctx_free(r);
    countmodel_ctx_free(alone);
    ngrams_close(n);
}

// --- however it is put together -----------------------------------------------------------------

static void merge_files(const struct ref_corpus *c, const char *one, const char *other,
                        const char *name)
{
    struct ngrams *parts[] = {kit_open(one), kit_open(other)};
    uint64_t bits[KIT_DOCS_MAX / 64 + 1] = {0};
    struct ngrams_info made, info = {.d_vocab = c->d_vocab, .n_units = c->n_docs, .min_count = 1};
    bool stopped;
    struct err err = {0};
    for (size_t i = 0; i < 2; i++) {
        const struct ngrams_info *p = ngrams_info(parts[i]);
        info.tokens += p->tokens;
        info.docs += p->docs;
        info.n_units_done += p->n_units_done;
        for (uint64_t d = 0; d < p->n_units; d++) {
            bits[d / 64] |= (uint64_t)ngrams_has_unit(parts[i], d) << d % 64;
        }
    }
    const struct ngrams_build b = {.info = info,
                                   .units = bits,
                                   .parts = (const struct ngrams *const *)parts,
                                   .n_parts = 2,
                                   .folder = kit_folder(),
                                   .n_threads = 1};
    must(ngrams_build(&b, kit_path(name), &stopped, &made, &err), &err);
    ngrams_close(parts[0]);
    ngrams_close(parts[1]);
}

static void parts_give_the_same(void **state)
{
    (void)state;
    struct ngrams *whole = kit_open("planted");
    kit_make_file(&kit_planted_corpus, 0, 2, 1, "part0");
    kit_make_file(&kit_planted_corpus, 1, 2, 1, "part1");
    merge_files(&kit_planted_corpus, "part1", "part0", "merged");
    struct ngrams *merged = kit_open("merged");
    struct candidates a = kit_find(whole, &kit_wide), b = kit_find(merged, &kit_wide);
    assert_memory_equal(&a.funnel, &b.funnel, sizeof a.funnel);
    assert_int_equal(a.n, b.n);
    expect_same(a.items, b.items, a.n);
    assert_true(a.n > 10);
    candidates_free(&a);
    candidates_free(&b);
    ngrams_close(whole);
    ngrams_close(merged);
}

/* N-grams seen once are not in the file, and give all of their count to the shorter context. */
static void files_of_a_min_count_have_them_too(void **state)
{
    (void)state;
    struct ngrams *n = kit_open("few");
    struct candidates c = kit_find(n, &kit_plain);
    assert_int_equal(c.n, 6);
    for (size_t i = 0; i < c.n; i++) {
        const struct candidate *x = &c.items[i];
        assert_non_null(planted_text_find(&kit_planted, PLANTED_TRIGRAM, x->a, x->b, x->c));
    }
    assert_true(c.funnel.trigrams < ngrams_info(n)->dropped[NGRAMS_TRIGRAMS]);
    candidates_free(&c);
    ngrams_close(n);
}

static void most_cuts_the_tail_alone(void **state)
{
    (void)state;
    const char *const names[] = {"planted", "xor"}; // in the second all have the same worth
    struct candidates_rule rules[] = {kit_wide, kit_xor_rule};
    for (size_t i = 0; i < 2; i++) {
        struct ngrams *n = kit_open(names[i]);
        rules[i].most = SIZE_MAX;
        struct candidates all = kit_find(n, &rules[i]);
        assert_true(all.n >= 20);
        for (size_t most = 0; most <= all.n + 1; most++) {
            rules[i].most = most;
            struct candidates c = kit_find(n, &rules[i]);
            assert_int_equal(c.n, most < all.n ? most : all.n);
            assert_int_equal(c.funnel.kept, c.n);
            assert_int_equal(c.funnel.candidates, all.n);
            expect_same(c.items, all.items, c.n);
            candidates_free(&c);
        }
        candidates_free(&all);
        ngrams_close(n);
    }
}

static void expect_none_of(const struct candidate *x, uint32_t from, uint32_t to)
{
    const uint32_t ids[] = {x->a, x->b, x->c};
    for (size_t i = 0; i < 3; i++) {
        assert_false(ids[i] >= from && ids[i] < to);
    }
    for (unsigned which = 0; which < 2; which++) {
        for (uint32_t k = 0; k < x->n_fillers[which]; k++) {
            assert_false(x->fillers[which][k] >= from && x->fillers[which][k] < to);
        }
    }
}

static void what_never_may_be_is_not(void **state)
{
    (void)state;
    enum { FROM = 20, TO = 54 };
    uint32_t never[TO - FROM + 3] = {UINT32_MAX, PLANTED_VOCAB, PLANTED_BOS};
    struct ngrams *n = kit_open("planted");
    struct candidates all = kit_find(n, &kit_wide), c;
    for (uint32_t id = FROM; id < TO; id++) {
        never[id - FROM + 3] = id;
    }
    assert_int_equal(candidates_find(&c, n, &kit_wide, never, TO - FROM + 3, NULL, NULL), 0);
    assert_true(c.n > 10 && c.n < all.n);
    for (size_t i = 0; i < c.n; i++) {
        expect_none_of(&c.items[i], FROM, TO);
    }
    candidates_free(&c);
    candidates_free(&all);
    ngrams_close(n);
    // 8 trigrams per group, and 4 more if BOS may be A
    n = kit_open("xor");
    c = kit_find(n, &kit_xor_rule);
    assert_int_equal(c.funnel.frequent, 8 * XOR_GROUPS);
    candidates_free(&c);
    assert_int_equal(candidates_find(&c, n, &kit_xor_rule, NULL, 0, NULL, NULL), 0);
    assert_int_equal(c.funnel.frequent, 12 * XOR_GROUPS);
    candidates_free(&c);
    ngrams_close(n);
}

static void wrong_rules_are_refused(void **state)
{
    (void)state;
    struct ngrams *n = kit_open("xor");
    const struct candidates_rule wrong[] = {
        {.count = 1, .high = 0.5, .low = 0.1, .most = 5},
        {.count = 0, .high = 0.5, .low = 0.1, .most = 5},
        {.count = 2, .high = 0.5, .low = 0.5, .most = 5},
        {.count = 2, .high = 1.5, .low = 0.5, .most = 5},
        {.count = 2, .high = 0.5, .low = -0.1, .most = 5},
        {.count = 2, .high = NAN, .low = 0.1, .most = 5},
        {.count = 2, .high = 0.5, .low = NAN, .most = 5},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct candidates c;
        struct err err = {0};
        assert_int_equal(candidates_find(&c, n, &wrong[i], &kit_bos, 1, NULL, &err), ERR_USAGE);
        assert_true(err.msg[0] && c.n == 0 && !c.items);
    }
    ngrams_close(n);
}

static void a_search_that_is_stopped_ends(void **state)
{
    (void)state;
    struct ngrams *n = kit_open("planted");
    const atomic_int stop = 1;
    struct candidates c;
    assert_int_equal(candidates_find(&c, n, &kit_plain, &kit_bos, 1, &stop, NULL), 0);
    assert_int_equal(c.n, 0);
    assert_true(c.funnel.trigrams <= 1);
    candidates_free(&c);
    ngrams_close(n);
}

// --- damage -------------------------------------------------------------------------------------

static bool is_probability(double p)
{
    return p >= 0 && p <= 1;
}

static void expect_sane(const struct candidates *c, uint32_t v)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct candidate *x = &c->items[i];
        assert_true(x->a < v && x->b < v && x->c < v);
        assert_true(is_probability(x->p) && is_probability(x->p_bigram));
        assert_true(is_probability(x->p_added) && isfinite(x->worth) && x->worth > 0);
        for (unsigned k = 0; k < 4; k++) {
            assert_true(is_probability(x->p_skip[k]));
        }
        for (unsigned k = 0; k < 2 * CANDIDATE_FILLERS; k++) {
            assert_true(x->n_fillers[k % 2] <= CANDIDATE_FILLERS);
            assert_true(k / 2 >= x->n_fillers[k % 2] || x->fillers[k % 2][k / 2] < v);
        }
    }
}

static void what_lies_with_right_sums_is_harmless(void **state)
{
    (void)state;
    struct buf bytes = {0};
    uint64_t seed = 5;
    size_t read = 0, found = 0, broken = 0;
    const struct candidates_rule rule = {.count = 2, .high = 0.35, .low = 0.3, .most = 30};
    assert_int_equal(file_read(kit_path("xor"), 1 << 24, &bytes, NULL), 0);
    char *copy = malloc(bytes.len);
    for (int i = 0; i < 4000; i++) {
        struct ngrams *n = NULL;
        struct candidates c;
        struct err err = {0};
        memcpy(copy, bytes.data, bytes.len);
        for (int k = 0; k < 1 + i % 40; k++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            const size_t at = NGRAMS_HEADER + (size_t)(seed >> 20) % (bytes.len - NGRAMS_HEADER);
            copy[at] = i % 3 ? (char)(seed >> 56) : (char)(copy[at] ^ 128);
        }
        ngrams_sign((unsigned char *)copy, bytes.len);
        if (ngrams_parse(&n, copy, bytes.len, NULL)) {
            continue;
        }
        read++;
        const int rc = candidates_find(&c, n, &rule, &kit_bos, 1, NULL, &err);
        assert_true(rc == 0 || (rc == ERR_FORMAT && err.msg[0] && !c.items));
        expect_sane(&c, kit_xor_corpus.d_vocab);
        found += c.n;
        broken += rc != 0;
        candidates_free(&c);
        ngrams_close(n);
    }
    assert_true(read > 500 && found > 500 && broken > 50);
    free(copy);
    buf_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planted_trigrams_are_found_and_nothing_else),
        cmocka_unit_test(decoys_fall_at_their_own_stage),
        cmocka_unit_test(numbers_are_those_of_raw_ids),
        cmocka_unit_test(an_exclusive_or_is_only_in_the_trigrams),
        cmocka_unit_test(added_is_its_product_over_the_full_sum),
        cmocka_unit_test(added_leaves_a_document_out),
        cmocka_unit_test(parts_give_the_same),
        cmocka_unit_test(files_of_a_min_count_have_them_too),
        cmocka_unit_test(most_cuts_the_tail_alone),
        cmocka_unit_test(what_never_may_be_is_not),
        cmocka_unit_test(wrong_rules_are_refused),
        cmocka_unit_test(a_search_that_is_stopped_ends),
        cmocka_unit_test(what_lies_with_right_sums_is_harmless),
    };
    return cmocka_run_group_tests(tests, kit_make_files, kit_remove_files);
}

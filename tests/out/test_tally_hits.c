/* The strongest gaps of a tally: which tokens are kept, and the text that is shown of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "corpora/base/logprob_none.h"
#include "out/results/gaps/gap.h"
#include "out/results/gaps/hits.h"
#include "out/results/gaps/tally.h"
#include "tests/kit/tally_kit.h"
#include "tests/kit/tally_whole.h"
#include "tests/ref/tally_ref.h"

static void the_first_of_the_worst_others_decides(void **state)
{
    (void)state;
    const struct tally_shape shape = shape_of(5, 3);
    // pairs[1]: base 0, others 3, 1, 2; the floor is -6.
    static const struct {
        double logprob[REF_MODELS], gap, other;
    } cases[] = {
        {{-4, -1, -2, -3}, 1, -3}, {{-4, -3, -2, -3}, 1, -3}, {{-4, -3.5, -2, -3}, 0.5, -3.5},
        {{-9, -8, -5, -7}, 0, -7}, {{-9, -8, -5, -5}, 0, -8}, {{-4, -8, -9, -6}, -2, -6},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tally *t = new_tally(&shape);
        const uint32_t id = 1, pos = 1;
        const double *v = cases[i].logprob, *const rows[4] = {v, v + 1, v + 2, v + 3};
        const struct tally_doc doc = {.n = 1, .ids = &id, .pos = &pos, .logprob = rows};
        assert_int_equal(tally_add_whole(t, &doc, NULL, NULL, NULL), 0);
        assert_true(fixed_to((int64_t)t->pairs[1].tokens[1].gap) == cases[i].gap);
        assert_true(fixed_to((int64_t)t->pairs[1].tokens[1].other) == cases[i].other);
        assert_true(fixed_to((int64_t)t->pairs[1].tokens[1].base) == v[0]);
        const int side = cases[i].gap > 0 ? TALLY_OTHER : TALLY_BASE;
        assert_int_equal(t->pairs[1].hits[side].n, cases[i].gap != 0);
        assert_int_equal(t->pairs[1].hits[!side].n, 0);
        if (cases[i].gap != 0) {
            assert_true(t->pairs[1].hits[side].items[0].other_logprob == cases[i].other);
        }
        tally_free(t);
    }
}

/* Of a stretch longer than what is looked at in one go. */
static void gaps_of_a_stretch_are_those_of_its_tokens(void **state)
{
    (void)state;
    enum { N = 700, BEGIN = 3, END = N - 5 };
    static double values[REF_MODELS][N];
    const double *rows[REF_MODELS];
    uint64_t random = 5;
    for (size_t m = 0; m < REF_MODELS; m++) {
        for (size_t i = 0; i < N; i++) {
            // some beyond the floor, some no number
            values[m][i] = ref_random(&random, 20) ? -0.01 * (double)ref_random(&random, 800) : NAN;
        }
        rows[m] = values[m];
    }
    const struct tally_shape shape = shape_of(5, 0);
    for (size_t p = 0; p < 3; p++) {
        int64_t gaps[END - BEGIN];
        gaps_of_tokens(&pairs[p], shape.floor, rows, BEGIN, END - BEGIN, gaps);
        for (size_t i = BEGIN; i < END; i++) {
            const double base = fmax(values[pairs[p].base][i], shape.floor);
            int64_t least = INT64_MAX;
            bool has = !isnan(values[pairs[p].base][i]);
            for (uint32_t k = 0; k < pairs[p].n_others; k++) {
                const double other = fmax(values[pairs[p].others[k]][i], shape.floor);
                const int64_t gap = fixed_from(other) - fixed_from(base);
                has = has && !isnan(values[pairs[p].others[k]][i]);
                least = gap < least ? gap : least;
            }
            assert_true(gaps[i - BEGIN] == (has ? least : FIXED_NONE));
        }
    }
}

static void a_document_gives_three_hits_of_different_contexts(void **state)
{
    (void)state;
    const struct tally_shape shape = shape_of(10, 3);
    struct tally *t = new_tally(&shape);
    const double base[8] = {-5, -5, -5, -5, -5, -5, -5, -5};
    const double other[8] = {-4, -1, -3, -1, -2, -5, -5.5, -1};
    const uint32_t ids[8] = {0, 1, 2, 3, 0, 1, 2, 3};
    add_by_hand(t, 9, NULL, 8, ids, base, other);
    const struct tally_hits *hits = &t->pairs[0].hits[TALLY_OTHER];
    assert_int_equal(hits->n, 3);
    assert_int_equal(hits->items[0].at, 1); // of equals the earlier
    assert_int_equal(hits->items[1].at, 3);
    assert_int_equal(hits->items[2].at, 7);
    assert_int_equal(t->pairs[0].hits[TALLY_BASE].n, 1);
    assert_int_equal(t->pairs[0].hits[TALLY_BASE].items[0].gap, -524288);

    // A later document at the same places: the larger gap stands, then the earlier place.
    const double better[8] = {-5, -0.5, -5, -1, -5, -5, -5, -4};
    add_by_hand(t, 10, NULL, 8, ids, base, better);
    add_by_hand(t, 8, NULL, 8, ids, base, better);
    assert_int_equal(hits->n, 3);
    assert_int_equal(hits->items[0].doc, 8);
    assert_int_equal(hits->items[0].at, 1);
    assert_int_equal(hits->items[1].doc, 8);
    assert_int_equal(hits->items[1].at, 3);
    assert_int_equal(hits->items[2].doc, 9);
    assert_int_equal(hits->items[2].at, 7);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(tally_duplicates(hits, i), 2);
        assert_string_equal(hits->items[i].token_text, "");
        assert_string_equal(hits->items[i].before, "");
        assert_string_equal(hits->items[i].after, "");
        assert_null(hits->items[i].detail);
    }
    tally_free(t);
}

static void a_context_ends_at_its_window_and_after_eight(void **state)
{
    (void)state;
    enum { N = 24 };
    const struct tally_shape shape = shape_of(10, 3);
    static const struct {
        uint32_t window; // tokens in it
        size_t differs;  // the token at which the second document has another word
        size_t n;        // hits, where the gap is at the last token alone
    } cases[] = {
        {24, 23, 2}, {24, 15, 2}, {24, 14, 1}, {4, 20, 2}, {4, 19, 1}, {1, 22, 1}, {1, 23, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tally *t = new_tally(&shape);
        uint32_t ids[N] = {0}, pos[N];
        double base[N] = {0}, other[N] = {0};
        const double *const rows[4] = {base, other, base, base};
        base[N - 1] = -2;
        for (uint32_t k = 0; k < N; k++) {
            pos[k] = k % cases[i].window + 1;
        }
        struct tally_doc doc = {.n = N, .ids = ids, .pos = pos, .logprob = rows};
        assert_int_equal(tally_add_whole(t, &doc, NULL, NULL, NULL), 0);
        ids[cases[i].differs] = 1;
        doc.number = 1;
        assert_int_equal(tally_add_whole(t, &doc, NULL, NULL, NULL), 0);
        assert_int_equal(t->pairs[0].hits[TALLY_OTHER].n, cases[i].n);
        tally_free(t);
    }
}

/* A text whose only gap is at the token text[begin, end). */
static void expect_shown(const char *text, size_t len, uint32_t begin, uint32_t end,
                         const char *token, const char *before, const char *after)
{
    const struct tally_shape shape = shape_of(1, 3);
    struct tally *t = new_tally(&shape);
    const uint32_t ids[3] = {0, 1, 2}, ends[3] = {begin, end, (uint32_t)len}, pos[3] = {1, 2, 3};
    const double base[3] = {-2, -4, -2}, other[3] = {-2, -1, -2};
    const double *const rows[4] = {base, other, base, base};
    const struct tally_doc doc = {.text = text,
                                  .text_len = len,
                                  .n = 3,
                                  .ids = ids,
                                  .ends = ends,
                                  .pos = pos,
                                  .logprob = rows};
    assert_int_equal(tally_add_whole(t, &doc, NULL, NULL, NULL), 0);
    const struct tally_hit *h = &t->pairs[0].hits[TALLY_OTHER].items[0];
    assert_int_equal(h->byte_start, begin);
    assert_int_equal(h->byte_end, end);
    assert_string_equal(h->token_text, token);
    assert_string_equal(h->before, before);
    assert_string_equal(h->after, after);
    tally_free(t);
}

static void a_hit_is_shown_with_the_text_around(void **state)
{
    (void)state;
    expect_shown("an ice cream", 12, 2, 6, " ice", "an", " cream");
    expect_shown("all", 3, 0, 3, "all", "", "");
    expect_shown("a\\b\n\x1b", 5, 1, 4, "\\b\n", "a", "\x1b");
    expect_shown("a\0b\0c", 5, 2, 4, "b\\x00", "a\\x00", "c");
    expect_shown("<\xe2\x82\xac>", 5, 1, 2, "\\xE2", "<", ">");
    expect_shown("<\xe2\x82\xac>", 5, 2, 4, "\\x82\\xAC", "<", ">");
    expect_shown("<\xe2\x82\xac\xc3\xa9>", 7, 3, 6, "\\xAC\xc3\xa9", "<", ">");
    expect_shown("<\xe2\x82\xac\xc3\xa9>", 7, 3, 5, "\\xAC\\xC3", "<", ">");

    // 160 bytes before and 80 after, less what would be parts of characters.
    char text[600], before[600], after[600];
    for (size_t i = 0; i < sizeof text; i += 3) {
        memcpy(text + i, "\xe2\x82\xac", 3);
    }
    memcpy(before, text, 159);
    memcpy(after, text, 78);
    before[159] = after[78] = '\0';
    expect_shown(text, sizeof text, 300, 303, "\xe2\x82\xac", before, after);
    memset(text, 'x', sizeof text);
    memset(before, 'x', 160);
    memset(after, 'x', 80);
    before[160] = after[80] = '\0';
    expect_shown(text, sizeof text, 300, 301, "x", before, after);
}

_Static_assert(REF_MODELS <= 64, "a word holds the bits of all models");

/* A document in two pieces, model after model, of which those behind it have said nothing yet: every
 * pick must be among what tally_expect() gave, with its models.  Returns how many tokens it gave. */
static size_t expect_expected(struct tally *t, const struct tally_doc *doc, const int64_t *cutoff,
                              const struct tally_picks *picks, size_t middle)
{
    static double nothing[REF_TOKENS];
    static uint64_t models[REF_TOKENS];
    struct tally_picks expected = {0};
    const double *rows[REF_MODELS];
    struct tally_doc so_far = *doc;
    size_t n = 0;
    so_far.logprob = rows;
    memset(models, 0, sizeof models);
    for (size_t i = 0; i < REF_TOKENS; i++) {
        nothing[i] = (double)NAN;
    }
    for (size_t piece = 0; piece < 2; piece++) {
        const size_t begin = piece ? middle : 0, end = piece ? doc->n : middle;
        for (size_t m = 0; m < t->shape->n_models; m++) {
            for (size_t k = 0; k < t->shape->n_models; k++) {
                rows[k] = k <= m ? doc->logprob[k] : nothing;
            }
            assert_int_equal(tally_expect(t, &so_far, m, begin, end, cutoff, &expected, NULL), 0);
            for (size_t i = 0; i < expected.n; i++) {
                assert_in_range(expected.at[i], begin, end - 1);
                assert_true(i == 0 || expected.at[i] > expected.at[i - 1]);
                models[expected.at[i]] |= expected.models[i];
            }
        }
    }
    for (size_t i = 0; i < REF_TOKENS; i++) {
        n += models[i] != 0;
    }
    for (size_t k = 0; k < picks->n; k++) {
        assert_true(picks->models[k] != 0);
        assert_int_equal(picks->models[k] & ~models[picks->at[k]], 0);
    }
    tally_picks_free(&expected);
    return n;
}

/* The same lists from log-probs that are a little wrong, the picks' exact ones given. */
static void hits_do_not_depend_on_errors_below_epsilon(void **state)
{
    (void)state;
    static struct ref_doc docs[REF_DOCS];
    const double epsilons[] = {1e-6, 0.001, 0.05, 0.7};
    size_t n_spared = 0, n_unexpected = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        const double epsilon = epsilons[seed % 4];
        struct tally_shape exact = shape_of(5 + seed % 3 * 20, 3), wrong = exact;
        wrong.epsilon = epsilon;
        ref_make(docs, seed, seed % 2);
        struct tally *a = count_in_order(&exact, docs), *b = new_tally(&wrong);
        uint64_t random = seed;
        for (size_t d = 0; d < REF_DOCS; d++) {
            static double noisy[REF_MODELS][REF_TOKENS], picked[REF_MODELS][REF_TOKENS];
            const double *rows[REF_MODELS], *picked_rows[REF_MODELS];
            struct tally_doc doc = docs[d].doc;
            for (size_t m = 0; m < REF_MODELS; m++) {
                for (size_t i = 0; i < doc.n; i++) {
                    const double share = (double)ref_random(&random, 2001) / 1000 - 1;
                    noisy[m][i] = docs[d].logprob[m][i] + epsilon * share;
                }
                rows[m] = noisy[m];
                picked_rows[m] = picked[m];
            }
            doc.logprob = rows;
            int64_t cutoff[2 * PAIRS_MOST];
            tally_cutoff(b, cutoff);
            struct tally_picks picks = {0};
            assert_int_equal(tally_add_doc(b, &doc, cutoff, &picks, NULL), 0);
            const size_t middle = ref_random(&random, (uint32_t)doc.n + 1);
            n_unexpected += doc.n - expect_expected(b, &doc, cutoff, &picks, middle);
            for (size_t k = 0; k < picks.n; k++) {
                for (size_t m = 0; m < REF_MODELS; m++) {
                    const bool needed = picks.models[k] >> m & 1;
                    picked[m][k] = needed ? docs[d].logprob[m][picks.at[k]] : logprob_none();
                }
            }
            assert_int_equal(tally_add_hits(b, &doc, &picks, picked_rows, cutoff, NULL), 0);
            n_spared += doc.n - picks.n;
            tally_picks_free(&picks);
        }
        for (size_t p = 0; p < exact.n_pairs; p++) {
            for (int side = 0; side < 2; side++) {
                const struct tally_hits *x = &a->pairs[p].hits[side], *y = &b->pairs[p].hits[side];
                assert_int_equal(x->n, y->n);
                for (size_t i = 0; i < x->n; i++) {
                    assert_int_equal(hits_order(&x->items[i], &y->items[i], side), 0);
                    assert_true(x->items[i].base_logprob == y->items[i].base_logprob);
                    assert_true(x->items[i].other_logprob == y->items[i].other_logprob);
                    assert_string_equal(x->items[i].before, y->items[i].before);
                }
            }
        }
        tally_free(a);
        tally_free(b);
    }
    assert_true(n_spared > 10000); // most tokens need no exact log-prob
    assert_true(n_unexpected > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_of_the_worst_others_decides),
        cmocka_unit_test(gaps_of_a_stretch_are_those_of_its_tokens),
        cmocka_unit_test(a_document_gives_three_hits_of_different_contexts),
        cmocka_unit_test(a_context_ends_at_its_window_and_after_eight),
        cmocka_unit_test(a_hit_is_shown_with_the_text_around),
        cmocka_unit_test(hits_do_not_depend_on_errors_below_epsilon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

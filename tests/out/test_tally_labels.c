/* What a tally counts of hypotheses, against sums over all tokens at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "tests/kit/tally_whole.h"
#include "tests/ref/tally_ref.h"

#define HYPOTHESES 67 // two words a token
#define WORDS 2
#define BASE 1000 // of the unit, where documents begin

static const struct run_pair pairs[2] = {
    {.base = 0, .n_others = 1, .others = {1}},
    {.base = 2, .n_others = 2, .others = {0, 3}},
};

/* Every third predicts the next token, of either word of labels. */
static struct run_hypothesis hypotheses[HYPOTHESES];

static bool is_next(size_t h)
{
    return h % 3 == 1 || h == 66;
}

static struct tally_shape shape_of(size_t domains_max)
{
    for (size_t h = 0; h < HYPOTHESES; h++) {
        hypotheses[h].predicts_next = is_next(h);
    }
    return (struct tally_shape){.n_models = REF_MODELS,
                                .n_pairs = 2,
                                .n_shards = 3,
                                .d_vocab = REF_VOCAB,
                                .pairs = pairs,
                                .floor = -6,
                                .gap_bins_half = 60,
                                .top = 5,
                                .domains_max = domains_max,
                                .n_hypotheses = HYPOTHESES,
                                .hypotheses = hypotheses};
}

static struct ref_doc docs[REF_DOCS];
static struct labels {
    struct tally_labels own[HYPOTHESES];
    uint32_t at[HYPOTHESES][REF_TOKENS];
    uint64_t words[REF_TOKENS * WORDS];
    bool is[HYPOTHESES][REF_TOKENS];
} labels[REF_DOCS];

/* Hypothesis 0 labels much, others a token here and there, 3 nothing, 64 everything. */
static bool does_label(size_t h, uint64_t *random)
{
    return h == 64 || (h != 3 && ref_random(random, h == 0 ? 3 : 40) == 0);
}

static void make_labels(uint64_t *random)
{
    memset(labels, 0, sizeof labels);
    for (size_t d = 0; d < REF_DOCS; d++) {
        struct labels *l = &labels[d];
        for (size_t h = 0; h < HYPOTHESES; h++) {
            struct tally_labels *own = &l->own[h];
            *own = (struct tally_labels){
                .at = l->at[h], .base = BASE, .gave_up = ref_random(random, 6) == 0};
            for (uint32_t i = 0; i < docs[d].doc.n && !own->gave_up; i++) {
                l->is[h][i] = does_label(h, random);
                if (l->is[h][i]) {
                    l->at[h][own->n++] = BASE + i;
                    l->words[i * WORDS + h / 64] |= UINT64_C(1) << (h % 64);
                }
            }
        }
        docs[d].doc.labels = l->own;
        docs[d].doc.label_words = l->words;
    }
}

// --- what is expected ---------------------------------------------------------------------------

/* FIXED_NONE where the pair has none. */
static int64_t gap_of(const struct ref_doc *d, size_t pair, size_t i)
{
    const double base = d->logprob[pairs[pair].base][i];
    int64_t least = INT64_MAX;
    if (fixed_from(base) == FIXED_NONE) {
        return FIXED_NONE;
    }
    for (uint32_t k = 0; k < pairs[pair].n_others; k++) {
        const double other = d->logprob[pairs[pair].others[k]][i];
        if (fixed_from(other) == FIXED_NONE) {
            return FIXED_NONE;
        }
        const int64_t gap = fixed_from(fmax(other, -6)) - fixed_from(fmax(base, -6));
        least = gap < least ? gap : least;
    }
    return least;
}

static void count_doc(struct moments *m, int64_t sum, size_t n)
{
    if (n > 0) {
        m->docs++;
        m->n += n;
        m->sum += sum;
        m->sum_sq += (__int128)sum * sum;
        m->sum_n += (__int128)sum * (int64_t)n;
        m->n_sq += (__int128)n * (__int128)n;
    }
}

static void expect_moments(const struct moments *got, const struct moments *wanted)
{
    assert_int_equal(got->docs, wanted->docs);
    assert_int_equal(got->n, wanted->n);
    assert_true(got->sum == wanted->sum && got->sum_sq == wanted->sum_sq);
    assert_true(got->sum_n == wanted->sum_n && got->n_sq == wanted->n_sq);
}

/* Is token i of document d where the gap of a label of h is taken? */
static bool is_place(size_t d, size_t h, size_t i)
{
    if (!is_next(h)) {
        return labels[d].is[h][i];
    }
    return i > 0 && docs[d].doc.pos[i] == docs[d].doc.pos[i - 1] + 1 && labels[d].is[h][i - 1];
}

/* Is it one of any hypothesis before h? */
static bool explained(size_t d, size_t h, size_t i)
{
    bool is = false;
    for (size_t k = 0; k < h; k++) {
        is = is || is_place(d, k, i);
    }
    return is;
}

static void expect_ledger(const struct tally *t, size_t pair, size_t h)
{
    const struct tally_ledger *got = &t->pairs[pair].ledger[h];
    struct moments labelled = {0}, rest = {0};
    __int128 gain = 0, beyond = 0, gain_beyond = 0;
    for (size_t d = 0; d < REF_DOCS; d++) {
        int64_t sums[2] = {0};
        size_t n[2] = {0};
        for (size_t i = 0; i < docs[d].doc.n && !labels[d].own[h].gave_up; i++) {
            const int64_t gap = gap_of(&docs[d], pair, i);
            if (gap == FIXED_NONE) {
                continue;
            }
            const bool is = is_place(d, h, i), first = is && !explained(d, h, i);
            sums[is] += gap;
            n[is]++;
            gain += is && gap > 0 ? gap : 0;
            beyond += first ? gap : 0;
            gain_beyond += first && gap > 0 ? gap : 0;
        }
        count_doc(&labelled, sums[1], n[1]);
        count_doc(&rest, sums[0], n[0]);
    }
    expect_moments(&got->labelled, &labelled);
    expect_moments(&got->rest, &rest);
    assert_true(got->gain == gain);
    assert_true(got->beyond == beyond && got->gain_beyond == gain_beyond);
}

static void count_hypothesis(struct tally_hypothesis *c, size_t d, size_t h)
{
    const struct tally_labels *own = &labels[d].own[h];
    if (own->gave_up) {
        c->aborted++;
    } else {
        c->seen += docs[d].doc.n;
        c->tokens += own->n;
        c->docs += own->n > 0;
    }
}

/* "" is no name. */
static bool has_domain(size_t d, const char *name)
{
    const char *own = docs[d].doc.domain ? docs[d].doc.domain : "";
    return strcmp(own, name ? name : "") == 0;
}

static void expect_hypothesis(const struct tally *t, size_t h)
{
    struct tally_hypothesis all = {0}, kept = {0}, other;
    for (size_t d = 0; d < REF_DOCS; d++) {
        count_hypothesis(&all, d, h);
    }
    assert_memory_equal(&t->hypotheses[h], &all, sizeof all);
    for (size_t k = 0; k < t->n_domains; k++) {
        struct tally_hypothesis own = {0};
        for (size_t d = 0; d < REF_DOCS; d++) {
            if (has_domain(d, t->domains[k].name)) {
                count_hypothesis(&own, d, h);
            }
        }
        assert_memory_equal(&t->domains[k].hypotheses[h], &own, sizeof own);
        kept = (struct tally_hypothesis){kept.seen + own.seen, kept.tokens + own.tokens,
                                         kept.docs + own.docs, kept.aborted + own.aborted};
    }
    other = (struct tally_hypothesis){all.seen - kept.seen, all.tokens - kept.tokens,
                                      all.docs - kept.docs, all.aborted - kept.aborted};
    assert_memory_equal(&t->other.hypotheses[h], &other, sizeof other);
}

static void expect_tally(const struct tally *t)
{
    for (size_t p = 0; p < 2; p++) {
        __int128 gain = 0;
        for (size_t d = 0; d < REF_DOCS; d++) {
            for (size_t i = 0; i < docs[d].doc.n; i++) {
                const int64_t gap = gap_of(&docs[d], p, i);
                gain += gap > 0 ? gap : 0;
            }
        }
        assert_true(t->pairs[p].gain == gain);
        for (size_t h = 0; h < HYPOTHESES; h++) {
            expect_ledger(t, p, h);
        }
    }
    for (size_t h = 0; h < HYPOTHESES; h++) {
        expect_hypothesis(t, h);
    }
}

// --- tests --------------------------------------------------------------------------------------

static struct tally *new_tally(const struct tally_shape *shape)
{
    struct tally *t;
    assert_int_equal(tally_new(&t, shape, NULL), 0);
    return t;
}

static struct tally *reload(struct tally *t)
{
    struct tally *again = new_tally(t->shape);
    struct buf bytes = {0}, twice = {0};
    assert_int_equal(tally_save(t, &bytes, NULL), 0);
    assert_int_equal(tally_load(again, bytes.data, bytes.len, NULL), 0);
    assert_int_equal(tally_save(again, &twice, NULL), 0);
    assert_int_equal(twice.len, bytes.len);
    assert_memory_equal(twice.data, bytes.data, bytes.len);
    buf_free(&bytes);
    buf_free(&twice);
    tally_free(t);
    return again;
}

/* Documents dealt out to three tallies, merged, through bytes. */
static void ledgers_hold_what_the_documents_say(void **state)
{
    (void)state;
    uint64_t random = 3;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        const struct tally_shape shape = shape_of(seed % 2 ? 3 : 100);
        struct tally *parts[3];
        ref_make(docs, seed, seed % 3);
        make_labels(&random);
        for (size_t i = 0; i < 3; i++) {
            parts[i] = new_tally(&shape);
        }
        for (size_t d = 0; d < REF_DOCS; d++) {
            struct tally *t = parts[ref_random(&random, seed == 1 ? 1 : 3)];
            assert_int_equal(tally_add_whole(t, &docs[d].doc, NULL, NULL, NULL), 0);
        }
        parts[1] = reload(parts[1]);
        assert_int_equal(tally_merge(parts[1], parts[2], NULL), 0);
        assert_int_equal(tally_merge(parts[1], parts[0], NULL), 0);
        parts[1] = reload(parts[1]);
        expect_tally(parts[1]);
        for (size_t i = 0; i < 3; i++) {
            tally_free(parts[i]);
        }
    }
}

static void a_cleared_tally_has_no_labels(void **state)
{
    (void)state;
    uint64_t random = 9;
    const struct tally_shape shape = shape_of(2);
    struct tally *t = new_tally(&shape), *fresh = new_tally(&shape);
    struct buf one = {0}, other = {0};
    ref_make(docs, 4, true);
    make_labels(&random);
    for (size_t d = 0; d < REF_DOCS; d++) {
        assert_int_equal(tally_add_whole(t, &docs[d].doc, NULL, NULL, NULL), 0);
    }
    tally_clear(t);
    assert_int_equal(tally_save(t, &one, NULL), 0);
    assert_int_equal(tally_save(fresh, &other, NULL), 0);
    assert_int_equal(one.len, other.len);
    assert_memory_equal(one.data, other.data, one.len);
    for (size_t d = 0; d < REF_DOCS; d++) {
        assert_int_equal(tally_add_whole(t, &docs[d].doc, NULL, NULL, NULL), 0);
    }
    expect_tally(t);
    buf_free(&one);
    buf_free(&other);
    tally_free(t);
    tally_free(fresh);
}

static void a_tally_of_other_hypotheses_is_refused(void **state)
{
    (void)state;
    struct tally_shape shape = shape_of(2);
    struct tally *t = new_tally(&shape);
    struct buf bytes = {0};
    assert_int_equal(tally_save(t, &bytes, NULL), 0);
    struct tally_shape fewer = shape;
    fewer.n_hypotheses--;
    struct tally *again = new_tally(&fewer);
    assert_int_equal(tally_load(again, bytes.data, bytes.len, NULL), ERR_FORMAT);
    tally_free(again);
    tally_free(t);
    buf_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ledgers_hold_what_the_documents_say),
        cmocka_unit_test(a_cleared_tally_has_no_labels),
        cmocka_unit_test(a_tally_of_other_hypotheses_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "out/results/gaps/gap.h"
#include "out/results/gaps/hits.h"
#include "out/results/gaps/tally.h"
#include "tests/kit/tally_whole.h"
#include "tests/ref/tally_ref.h"

#define PAIRS_MOST 40 // of any tally here

static const struct run_pair pairs[3] = {
    {.base = 0, .n_others = 1, .others = {1}},
    {.base = 0, .n_others = 3, .others = {3, 1, 2}},
    {.base = 2, .n_others = 2, .others = {0, 1}},
};

static struct tally_shape shape_of(size_t top, size_t domains_max)
{
    return (struct tally_shape){
        .n_models = REF_MODELS,
        .n_pairs = 3,
        .n_shards = 3,
        .d_vocab = REF_VOCAB,
        .pairs = pairs,
        .floor = -6,
        .gap_bins_half = 60,
        .top = top,
        .domains_max = domains_max,
    };
}

static struct tally *new_tally(const struct tally_shape *shape)
{
    struct tally *t;
    assert_int_equal(tally_new(&t, shape, NULL), 0);
    return t;
}

static struct buf save(const struct tally *t)
{
    struct buf bytes = {0};
    assert_int_equal(tally_save(t, &bytes, NULL), 0);
    return bytes;
}

static void expect_bytes(const struct tally *t, const struct buf *wanted)
{
    struct buf bytes = save(t);
    assert_int_equal(bytes.len, wanted->len);
    assert_memory_equal(bytes.data, wanted->data, wanted->len);
    buf_free(&bytes);
}

static size_t n_details; // asked for since it was last set to 0

static int detail(void *context, size_t pair, size_t at, struct hit_detail *out, struct err *err)
{
    static uint32_t ids[3];
    static int32_t gaps[3];
    static char domain[64];
    const struct tally_doc *doc = context;
    (void)err;
    n_details++;
    ids[0] = (uint32_t)doc->number;
    ids[1] = (uint32_t)pair;
    ids[2] = (uint32_t)at;
    gaps[2] = -(int32_t)at;
    snprintf(domain, sizeof domain, "%d of %d", (int)at, (int)doc->number);
    *out = (struct hit_detail){
        .at = (uint32_t)pair % 3, .n = 3, .ids = ids, .gaps = gaps, .domain = domain};
    return 0;
}

static void add(struct tally *t, struct ref_doc *d, const struct tally *whole)
{
    const struct whole_detail how = {.fn = detail, .context = &d->doc};
    int64_t gaps[2 * PAIRS_MOST];
    int64_t *cutoff = NULL;
    if (whole) {
        assert_true(whole->shape->n_pairs <= PAIRS_MOST);
        tally_cutoff(whole, gaps);
        cutoff = gaps;
    }
    assert_int_equal(tally_add_whole(t, &d->doc, cutoff, &how, NULL), 0);
}

/* --- any way of counting ---------------------------------------------------------------------- */

static const struct {
    size_t top, domains_max;
} sizes[] = {{5, 3}, {1, 1}, {40, 7}, {1000, 0}, {0, 2}};

static struct tally *count_in_order(const struct tally_shape *shape, struct ref_doc *docs)
{
    struct tally *t = new_tally(shape);
    for (size_t i = 0; i < REF_DOCS; i++) {
        add(t, &docs[i], NULL);
    }
    tally_add_reject(t, 1, 2, 7, 700, "seven");
    tally_add_reject(t, 1, 2, 5, 500, "five");
    tally_add_reject(t, 1, 2, 9, 900, "nine");
    tally_add_reject(t, 1, 2, 5, 500, "a five");
    tally_add_reject(t, 2, 15, 1, 0, "one");
    return t;
}

static void a_tally_holds_what_the_documents_say(void **state)
{
    (void)state;
    static struct ref_doc docs[REF_DOCS];
    for (uint64_t seed = 1; seed <= 10; seed++) {
        for (size_t i = 0; i < 4; i++) {
            struct tally_shape shape = shape_of(sizes[i].top, sizes[i].domains_max);
            shape.domains_max = shape.domains_max ? shape.domains_max : 4096;
            ref_make(docs, seed, seed % 2);
            struct tally *t = count_in_order(&shape, docs);
            ref_expect(t, docs, REF_DOCS);
            tally_free(t);
        }
    }
}

/* Puts *t through bytes. */
static void reload(struct tally **t)
{
    struct buf bytes = save(*t);
    struct tally *again = new_tally((*t)->shape);
    assert_int_equal(tally_load(again, bytes.data, bytes.len, NULL), 0);
    expect_bytes(again, &bytes);
    buf_free(&bytes);
    tally_free(*t);
    *t = again;
}

/* Deals the documents out to tallies in a random order, with and without cutoffs, and merges these
 * in a random order, some of them by way of their bytes. */
static void count_anyhow(const struct tally_shape *shape, struct ref_doc *docs,
                         const struct buf *wanted, uint64_t *random)
{
    enum { PARTS = 6 };
    struct tally *parts[PARTS];
    size_t order[REF_DOCS], n = 1 + ref_random(random, PARTS);
    for (size_t i = 0; i < n; i++) {
        parts[i] = new_tally(shape);
    }
    for (size_t i = 0; i < REF_DOCS; i++) {
        const size_t k = ref_random(random, i + 1);
        order[i] = order[k];
        order[k] = i;
    }
    static const struct {
        uint32_t shard;
        unsigned reason;
        uint64_t line;
        const char *why;
    } rejects[] = {{1, 2, 9, "nine"},
                   {1, 2, 5, "five"},
                   {1, 2, 5, "a five"},
                   {2, 15, 1, "one"},
                   {1, 2, 7, "seven"}};
    for (size_t i = 0; i < sizeof rejects / sizeof *rejects; i++) {
        tally_add_reject(parts[ref_random(random, n)], rejects[i].shard, rejects[i].reason,
                         rejects[i].line, rejects[i].line > 1 ? rejects[i].line * 100 : 0,
                         rejects[i].why);
    }
    for (size_t i = 0; i < REF_DOCS; i++) {
        const struct tally *cutoff = ref_random(random, 2) ? parts[ref_random(random, n)] : NULL;
        struct tally **part = &parts[ref_random(random, n)];
        add(*part, &docs[order[i]], cutoff == *part ? NULL : cutoff);
        if (ref_random(random, 30) == 0) {
            reload(part);
        }
    }
    while (n > 1) {
        const size_t to = ref_random(random, n), last = n - 1;
        struct tally *from = parts[last];
        if (to == last) {
            parts[last] = parts[0];
            parts[0] = from;
            continue;
        }
        assert_int_equal(tally_merge(parts[to], from, NULL), 0);
        tally_free(from);
        n--;
        if (ref_random(random, 8) == 0) {
            reload(&parts[to]);
        }
    }
    expect_bytes(parts[0], wanted);
    tally_free(parts[0]);
}

static void order_grouping_and_cutoff_do_not_matter(void **state)
{
    (void)state;
    static struct ref_doc docs[REF_DOCS];
    uint64_t random = 7;
    for (uint64_t seed = 100; seed < 104; seed++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            const struct tally_shape shape = shape_of(sizes[i].top, sizes[i].domains_max);
            ref_make(docs, seed, seed % 3 > 0);
            struct tally *t = count_in_order(&shape, docs);
            struct buf wanted = save(t);
            for (int round = 0; round < 4; round++) {
                count_anyhow(&shape, docs, &wanted, &random);
            }
            buf_free(&wanted);
            tally_free(t);
        }
    }
}

/* As a scan does: one tally for each unit, cleared and merged into the whole. */
static void a_cleared_tally_is_a_new_one(void **state)
{
    (void)state;
    static struct ref_doc docs[REF_DOCS];
    const struct tally_shape shape = shape_of(5, 3);
    ref_make(docs, 3, true);
    struct tally *whole = new_tally(&shape), *unit = new_tally(&shape), *empty = new_tally(&shape);
    struct tally *wanted = count_in_order(&shape, docs);
    struct buf none = save(empty), all = save(wanted);
    tally_add_reject(whole, 1, 2, 9, 900, "nine");
    tally_add_reject(whole, 1, 2, 5, 500, "five");
    for (size_t i = 0; i < REF_DOCS;) {
        for (size_t end = i + 9; i < end; i++) {
            add(unit, &docs[i], whole);
        }
        if (i == 9) {
            tally_add_reject(unit, 1, 2, 7, 700, "seven");
            tally_add_reject(unit, 2, 15, 1, 0, "one");
            tally_add_reject(unit, 1, 2, 5, 500, "a five");
        }
        assert_int_equal(tally_merge(whole, unit, NULL), 0);
        tally_clear(unit);
        expect_bytes(unit, &none);
    }
    expect_bytes(whole, &all);
    tally_clear(whole);
    expect_bytes(whole, &none);
    buf_free(&none);
    buf_free(&all);
    tally_free(whole);
    tally_free(unit);
    tally_free(empty);
    tally_free(wanted);
}

static void a_cutoff_saves_details(void **state)
{
    (void)state;
    static struct ref_doc docs[REF_DOCS];
    const struct tally_shape shape = shape_of(5, 3);
    ref_make(docs, 3, true);
    struct tally *whole = count_in_order(&shape, docs), *unit = new_tally(&shape);
    n_details = 0;
    for (size_t i = 0; i < REF_DOCS; i++) {
        add(unit, &docs[i], whole);
    }
    // Those that stand in the whole's lists, and few others: not all that a list of its own wants.
    const size_t with_cutoff = n_details;
    tally_clear(unit);
    n_details = 0;
    for (size_t i = 0; i < REF_DOCS; i++) {
        add(unit, &docs[i], NULL);
    }
    assert_true(with_cutoff >= 3 * 2 * 5 && with_cutoff < n_details);
    assert_int_equal(unit->pairs[0].hits[TALLY_OTHER].n, 5);
    tally_free(whole);
    tally_free(unit);
}

/* --- cases by hand ---------------------------------------------------------------------------- */

/* A document of two models and n tokens of the words 'ids' (all 0: NULL) in one window. */
static void add_by_hand(struct tally *t, uint64_t number, const char *domain, size_t n,
                        const uint32_t *ids, const double *base, const double *other)
{
    static const uint32_t zeros[8], pos[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    const double *const rows[REF_MODELS] = {base, other, base, base};
    const struct tally_doc doc = {
        .number = number,
        .domain = domain,
        .n = n,
        .ids = ids ? ids : zeros,
        .pos = pos,
        .logprob = rows,
    };
    assert_int_equal(tally_add_whole(t, &doc, NULL, NULL, NULL), 0);
}

static void a_gap_falls_into_the_bin_that_holds_it(void **state)
{
    (void)state;
    static const struct {
        double base, other;
        size_t bin;
    } cases[] = {
        {-1, -1, 60},
        {-1, -0.95, 60},
        {-1, -0.9, 61}, // 0.1 to the nearest unit, which is
                        // above: 104858
        {-1, -0.90001, 60},
        {-1, -1.00001, 59},
        {-1.5, -1, 65},
        {-1, -1.5, 55},
        {-1, -1.50001, 54},
        {-6, 0, 119}, // the upper end
        {-9, 0, 119}, // clamped
        {0, -6, 0},
        {-5.95, 0, 119},
        {-7, -9, 60}, // both clamped
    };
    const struct tally_shape shape = shape_of(5, 3);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tally *t = new_tally(&shape);
        add_by_hand(t, 0, NULL, 1, NULL, &cases[i].base, &cases[i].other);
        for (size_t bin = 0; bin < 120; bin++) {
            assert_int_equal(t->pairs[0].hist[bin], bin == cases[i].bin);
        }
        tally_free(t);
    }
}

static void positions_are_counted_by_powers_of_two(void **state)
{
    (void)state;
    static const struct {
        uint32_t pos;
        size_t bin;
    } cases[] = {{1, 0},     {2, 1},        {3, 1},         {4, 2},          {1023, 9},
                 {1024, 10}, {8388608, 23}, {16777216, 23}, {UINT32_MAX, 23}};
    const struct tally_shape shape = shape_of(5, 3);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tally *t = new_tally(&shape);
        const uint32_t id = 0;
        const double values[2] = {-3, -1}, *const rows[4] = {values, values + 1, values, values};
        const struct tally_doc doc = {.n = 1, .ids = &id, .pos = &cases[i].pos, .logprob = rows};
        assert_int_equal(tally_add_whole(t, &doc, NULL, NULL, NULL), 0);
        for (size_t bin = 0; bin < TALLY_POSITIONS; bin++) {
            assert_int_equal(t->pairs[0].position[bin].n, bin == cases[i].bin);
        }
        assert_true(t->pairs[0].position[cases[i].bin].gap == 2 * FIXED_ONE);
        tally_free(t);
    }
}

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
            values[m][i] = -0.01 * (double)ref_random(&random, 800); // some beyond the floor
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
            for (uint32_t k = 0; k < pairs[p].n_others; k++) {
                const double other = fmax(values[pairs[p].others[k]][i], shape.floor);
                const int64_t gap = fixed_from(other) - fixed_from(base);
                least = gap < least ? gap : least;
            }
            assert_true(gaps[i - BEGIN] == least);
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

static void domains_of_the_least_hashes_are_kept(void **state)
{
    (void)state;
    const struct tally_shape shape = shape_of(1, 2);
    struct tally *t = new_tally(&shape);
    const double base = -2, other = -1;
    // By XXH64: "wiki" 4085..., "c4" 6958..., "news" 703a..., "" ef46...
    static const char *const names[] = {"wiki", NULL, "c4", "wiki", "", "news", "c4", NULL};
    for (size_t i = 0; i < 8; i++) {
        add_by_hand(t, i, names[i], 1, NULL, &base, &other);
    }
    assert_int_equal(t->n_domains, 2);
    assert_string_equal(t->domains[0].name, "wiki");
    assert_int_equal(t->domains[0].hash, 0x4085ed017d4d90f5);
    assert_int_equal(t->domains[0].docs, 2);
    assert_string_equal(t->domains[1].name, "c4");
    assert_int_equal(t->domains[1].docs, 2);
    assert_null(t->other.name);
    assert_int_equal(t->other.docs, 4);
    assert_int_equal(t->other.models[0].n, 4);
    tally_free(t);

    const struct tally_shape roomy = shape_of(1, 0);
    t = new_tally(&roomy);
    for (size_t i = 0; i < 5000; i++) {
        char name[16];
        snprintf(name, sizeof name, "d%d", (int)i);
        add_by_hand(t, i, name, 1, NULL, &base, &other);
    }
    assert_int_equal(t->n_domains, 4096);
    assert_int_equal(t->other.docs, 904);
    tally_free(t);
}

static void rejects_keep_their_first_places(void **state)
{
    (void)state;
    const struct tally_shape shape = shape_of(1, 2);
    struct tally *t = new_tally(&shape);
    char longest[400];
    memset(longest, 'x', sizeof longest);
    memcpy(longest + 157, "\xe2\x82\xac", 4);
    tally_add_reject(t, 1, 3, 8, 80, longest);
    tally_add_reject(t, 1, 3, 4, 40, "four");
    tally_add_reject(t, 1, 3, 4, 39, "thirty-nine");
    tally_add_reject(t, 1, 3, 9, 10, "nine");
    const struct tally_reject *r = &t->shards[1].rejects[3];
    assert_int_equal(r->n, 4);
    assert_int_equal(t->shards[1].skipped, 4);
    assert_int_equal(t->shards[0].skipped, 0);
    assert_string_equal(r->places[0].why, "thirty-nine");
    assert_string_equal(r->places[1].why, "four");
    assert_int_equal(r->places[1].line, 4);
    assert_int_equal(r->places[1].byte, 40);
    assert_int_equal(strlen(r->places[2].why), 157); // no part of a character

    struct tally *other = new_tally(&shape);
    for (uint64_t line = 1; line < 12; line += 2) {
        tally_add_reject(other, 1, 3, line, 40, "odd");
    }
    assert_int_equal(tally_merge(t, other, NULL), 0);
    assert_int_equal(r->n, 10);
    assert_int_equal(t->shards[1].skipped, 10);
    assert_int_equal(r->places[0].line, 1);
    assert_int_equal(r->places[1].line, 3);
    assert_string_equal(r->places[2].why, "thirty-nine");
    tally_free(other);
    tally_free(t);
}

static void counts_of_duplicates_saturate(void **state)
{
    (void)state;
    const struct tally_shape shape = shape_of(1, 2);
    struct tally *a = new_tally(&shape), *b = new_tally(&shape);
    const double base = -2, other = -1;
    add_by_hand(a, 0, NULL, 1, NULL, &base, &other);
    add_by_hand(b, 1, NULL, 1, NULL, &base, &other);
    memset(b->pairs[0].hits[TALLY_OTHER].sketch, 0xff, 4 * 4 * 16384);
    assert_int_equal(tally_merge(a, b, NULL), 0);
    assert_int_equal(a->pairs[0].hits[TALLY_OTHER].n, 1);
    assert_int_equal(a->pairs[0].hits[TALLY_OTHER].items[0].doc, 0);
    assert_int_equal(tally_duplicates(&a->pairs[0].hits[TALLY_OTHER], 0), UINT32_MAX - 1u);
    tally_free(a);
    tally_free(b);
}

/* The same lists from log-probs that are a little wrong, the picks' exact ones given. */
static void hits_do_not_depend_on_errors_below_epsilon(void **state)
{
    (void)state;
    static struct ref_doc docs[REF_DOCS];
    const double epsilons[] = {1e-6, 0.001, 0.05, 0.7};
    size_t n_spared = 0;
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
            for (size_t k = 0; k < picks.n; k++) {
                for (size_t m = 0; m < REF_MODELS; m++) {
                    picked[m][k] = docs[d].logprob[m][picks.at[k]];
                }
            }
            assert_int_equal(tally_add_hits(b, &doc, &picks, picked_rows, cutoff, NULL), 0);
            n_spared += doc.n - picks.n;
            free(picks.at);
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
}

/* --- bytes ------------------------------------------------------------------------------------ */

static void a_tally_of_another_shape_is_refused(void **state)
{
    (void)state;
    struct tally_shape shapes[6];
    for (size_t i = 0; i < 6; i++) {
        shapes[i] = shape_of(5, 3);
    }
    shapes[1].top = 6;
    shapes[2].floor = -5;
    shapes[3].n_pairs = 2;
    shapes[4].d_vocab = 5;
    shapes[5].pairs = (const struct run_pair[3]){pairs[1], pairs[0], pairs[2]};
    struct tally *t = new_tally(&shapes[0]);
    struct buf bytes = save(t);
    for (size_t i = 0; i < 6; i++) {
        struct err err = {0};
        struct tally *other = new_tally(&shapes[i]);
        assert_int_equal(tally_load(other, bytes.data, bytes.len, &err), i ? ERR_FORMAT : 0);
        assert_string_equal(err.msg, i ? "byte 0 of a tally: it is of other models, pairs, shards "
                                         "or settings"
                                       : "");
        tally_free(other);
    }
    tally_free(t);
    buf_free(&bytes);
}

static void bytes_that_are_cut_or_go_on_are_refused(void **state)
{
    (void)state;
    static struct ref_doc docs[REF_DOCS];
    const struct tally_shape shape = shape_of(2, 2);
    ref_make(docs, 5, true);
    struct tally *t = count_in_order(&shape, docs), *empty = new_tally(&shape);
    struct tally *again = new_tally(&shape);
    struct buf bytes = save(t), none = save(empty);
    for (size_t len = 0; len < bytes.len; len += len < 300 || len + 300 > bytes.len ? 1 : 29) {
        char *exact = malloc(len ? len : 1); // so that ASan sees one byte too far
        memcpy(exact, bytes.data, len);
        assert_int_equal(tally_load(again, exact, len, NULL), ERR_FORMAT);
        free(exact);
    }
    expect_bytes(again, &none);
    assert_int_equal(buf_append(&bytes, "", 1, NULL), 0);
    struct err err = {0};
    assert_int_equal(tally_load(again, bytes.data, bytes.len, &err), ERR_FORMAT);
    assert_non_null(strstr(err.msg, "more bytes follow its end"));
    assert_int_equal(tally_load(again, bytes.data, bytes.len - 1, NULL), 0);
    tally_free(t);
    tally_free(empty);
    tally_free(again);
    buf_free(&bytes);
    buf_free(&none);
}

/* What of a good tally is made wrong, and what is said then. */
static void swap_hits(struct tally *t)
{
    struct tally_hit *items = t->pairs[0].hits[TALLY_OTHER].items, first = items[0];
    items[0] = items[1];
    items[1] = first;
}

static void swap_domains(struct tally *t)
{
    const struct tally_domain first = t->domains[0];
    t->domains[0] = t->domains[1];
    t->domains[1] = first;
}

static void equal_hits(struct tally *t)
{
    struct tally_hit *items = t->pairs[0].hits[TALLY_OTHER].items;
    items[1].gap = items[0].gap;
    items[1].shard = items[0].shard;
    items[1].doc = items[0].doc;
    items[1].at = items[0].at;
}

static void gap_of_the_other_side(struct tally *t)
{
    t->pairs[0].hits[TALLY_OTHER].items[1].gap = 0;
}

static void gap_below_0(struct tally *t)
{
    t->pairs[0].hits[TALLY_OTHER].items[1].gap = INT64_MIN;
}

static void gap_above_0(struct tally *t)
{
    t->pairs[0].hits[TALLY_BASE].items[0].gap = 1;
}

static void token_out_of_range(struct tally *t)
{
    t->pairs[0].hits[TALLY_OTHER].items[0].token = REF_VOCAB;
}

static void shard_out_of_range(struct tally *t)
{
    t->pairs[0].hits[TALLY_OTHER].items[0].shard = 3;
}

static void bytes_backwards(struct tally *t)
{
    t->pairs[0].hits[TALLY_OTHER].items[0].byte_start = 10000;
}

static void broken_string(struct tally *t)
{
    t->pairs[0].hits[TALLY_OTHER].items[0].token_text[0] = '\xff';
}

static void broken_detail(struct tally *t)
{
    char *domain;
    memcpy(&domain, &t->pairs[0].hits[TALLY_OTHER].items[0].detail->domain, sizeof domain);
    domain[0] = '\xff';
}

static void broken_name(struct tally *t)
{
    t->domains[1].name[0] = '\xff';
}

static void places_out_of_order(struct tally *t)
{
    t->shards[1].rejects[2].places[1].line = 1;
}

static void a_tally_that_cannot_be_is_refused(void **state)
{
    (void)state;
    static const struct {
        void (*spoil)(struct tally *t);
        const char *says;
    } cases[] = {
        {swap_hits, "hits out of order"},
        {equal_hits, "hits out of order"},
        {gap_of_the_other_side, "gap is out of range"},
        {gap_below_0, "gap is out of range"},
        {gap_above_0, "gap is out of range"},
        {token_out_of_range, "place is out of range"},
        {shard_out_of_range, "place is out of range"},
        {bytes_backwards, "place is out of range"},
        {broken_string, "a string is not UTF-8"},
        {broken_detail, "a hit's detail"},
        {broken_name, "a string is not UTF-8"},
        {swap_domains, "domains out of order"},
        {places_out_of_order, "places out of order"},
    };
    static struct ref_doc docs[REF_DOCS];
    const struct tally_shape shape = shape_of(2, 2);
    ref_make(docs, 5, true);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tally *t = count_in_order(&shape, docs), *again = new_tally(&shape);
        struct err err = {0};
        cases[i].spoil(t);
        struct buf bytes = save(t);
        assert_int_equal(tally_load(again, bytes.data, bytes.len, &err), ERR_FORMAT);
        assert_non_null(strstr(err.msg, cases[i].says));
        tally_free(t);
        tally_free(again);
        buf_free(&bytes);
    }
}

/* Puts 'to' in the place of 'from', both of 8 bytes, and loads. */
static void expect_refused(const struct tally *t, const uint32_t from[2], const uint32_t to[2],
                           const char *says)
{
    struct buf bytes = save(t);
    struct tally *again = new_tally(t->shape);
    struct err err = {0};
    char *at = memmem(bytes.data, bytes.len, from, 8);
    assert_non_null(at);
    memcpy(at, to, 8);
    assert_int_equal(tally_load(again, bytes.data, bytes.len, &err), ERR_FORMAT);
    assert_non_null(strstr(err.msg, says));
    tally_free(again);
    buf_free(&bytes);
}

static void cells_tokens_and_reasons_keep_their_order_and_range(void **state)
{
    (void)state;
    const struct tally_shape shape = shape_of(2, 2);
    struct tally *t = new_tally(&shape);
    uint32_t *sketch = t->pairs[0].hits[TALLY_BASE].sketch;
    sketch[40000] = 5;
    sketch[60000] = 7;
#define PAIR(a, b) ((const uint32_t[2]){a, b})
    expect_refused(t, PAIR(60000, 7), PAIR(65536, 7), "cells out of order");
    expect_refused(t, PAIR(60000, 7), PAIR(60000, 0), "cells out of order");
    expect_refused(t, PAIR(60000, 7), PAIR(40000, 7), "cells out of order");
    expect_refused(t, PAIR(2, 40000), PAIR(65537, 40000), "too many cells");
    t->is_touched[1] = t->is_touched[3] = true;
    t->n_touched = 2;
    t->pairs[0].tokens[1].n = t->pairs[0].tokens[3].n = 99;
    expect_refused(t, PAIR(1, 99), PAIR(3, 99), "tokens out of order");
    expect_refused(t, PAIR(3, 99), PAIR(4, 99), "tokens out of order");
    expect_refused(t, PAIR(3, 99), PAIR(0, 99), "tokens out of order");
    expect_refused(t, PAIR(2, 1), PAIR(5, 1), "too many tokens");
    for (uint64_t i = 0; i < 77; i++) {
        tally_add_reject(t, 0, 4, 1, 1, "");
        tally_add_reject(t, 0, 5, 1, 1, "");
    }
    expect_refused(t, PAIR(5, 77), PAIR(4, 77), "reasons out of order");
    expect_refused(t, PAIR(5, 77), PAIR(16, 77), "reasons out of order");
    expect_refused(t, PAIR(5, 77), PAIR(5, 0), "a reason without rejects");
    expect_refused(t, PAIR(2, 4), PAIR(17, 4), "too many reasons");
#undef PAIR
    tally_free(t);
}

/* Bytes of all parts changed in turn: refused, or taken as they stand. */
static void damaged_bytes_do_no_harm(void **state)
{
    (void)state;
    static struct ref_doc docs[REF_DOCS];
    const struct tally_shape shape = shape_of(2, 2);
    ref_make(docs, 5, true);
    struct tally *t = count_in_order(&shape, docs), *again = new_tally(&shape);
    struct buf bytes = save(t);
    uint64_t random = 1;
    size_t n_refused = 0;
    size_t n_tried = 0;
    for (size_t at = 0; at < bytes.len; at += 23) {
        n_tried++;
        const char was = bytes.data[at];
        bytes.data[at] = (char)(was ^ (1 + (int)ref_random(&random, 255)));
        if (tally_load(again, bytes.data, bytes.len, NULL) == 0) {
            expect_bytes(again, &bytes);
            tally_clear(again);
        } else {
            n_refused++;
        }
        bytes.data[at] = was;
    }
    assert_true(n_refused > n_tried / 20 && n_refused < n_tried);
    assert_int_equal(tally_load(again, bytes.data, bytes.len, NULL), 0);
    expect_bytes(again, &bytes);
    tally_free(t);
    tally_free(again);
    buf_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tally_holds_what_the_documents_say),
        cmocka_unit_test(order_grouping_and_cutoff_do_not_matter),
        cmocka_unit_test(a_cleared_tally_is_a_new_one),
        cmocka_unit_test(a_cutoff_saves_details),
        cmocka_unit_test(a_gap_falls_into_the_bin_that_holds_it),
        cmocka_unit_test(positions_are_counted_by_powers_of_two),
        cmocka_unit_test(the_first_of_the_worst_others_decides),
        cmocka_unit_test(gaps_of_a_stretch_are_those_of_its_tokens),
        cmocka_unit_test(a_document_gives_three_hits_of_different_contexts),
        cmocka_unit_test(a_context_ends_at_its_window_and_after_eight),
        cmocka_unit_test(a_hit_is_shown_with_the_text_around),
        cmocka_unit_test(domains_of_the_least_hashes_are_kept),
        cmocka_unit_test(rejects_keep_their_first_places),
        cmocka_unit_test(counts_of_duplicates_saturate),
        cmocka_unit_test(hits_do_not_depend_on_errors_below_epsilon),
        cmocka_unit_test(a_tally_of_another_shape_is_refused),
        cmocka_unit_test(bytes_that_are_cut_or_go_on_are_refused),
        cmocka_unit_test(a_tally_that_cannot_be_is_refused),
        cmocka_unit_test(cells_tokens_and_reasons_keep_their_order_and_range),
        cmocka_unit_test(damaged_bytes_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

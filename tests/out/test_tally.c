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
#include "tests/kit/tally_kit.h"
#include "tests/kit/tally_whole.h"
#include "tests/ref/tally_ref.h"

/* --- any way of counting ---------------------------------------------------------------------- */

static const struct {
    size_t top, domains_max;
} sizes[] = {{5, 3}, {1, 1}, {40, 7}, {1000, 0}, {0, 2}};

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tally_holds_what_the_documents_say),
        cmocka_unit_test(order_grouping_and_cutoff_do_not_matter),
        cmocka_unit_test(a_cleared_tally_is_a_new_one),
        cmocka_unit_test(a_cutoff_saves_details),
        cmocka_unit_test(a_gap_falls_into_the_bin_that_holds_it),
        cmocka_unit_test(positions_are_counted_by_powers_of_two),
        cmocka_unit_test(domains_of_the_least_hashes_are_kept),
        cmocka_unit_test(rejects_keep_their_first_places),
        cmocka_unit_test(counts_of_duplicates_saturate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

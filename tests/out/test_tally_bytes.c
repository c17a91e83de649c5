/* The bytes of a tally: those of another shape, cut or damaged ones are refused. */
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
        cmocka_unit_test(a_tally_of_another_shape_is_refused),
        cmocka_unit_test(bytes_that_are_cut_or_go_on_are_refused),
        cmocka_unit_test(a_tally_that_cannot_be_is_refused),
        cmocka_unit_test(cells_tokens_and_reasons_keep_their_order_and_range),
        cmocka_unit_test(damaged_bytes_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

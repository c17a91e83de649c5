#include "tests/kit/tally_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "out/results/gaps/hits.h"
#include "tests/kit/tally_whole.h"

const struct run_pair pairs[3] = {
    {.base = 0, .n_others = 1, .others = {1}},
    {.base = 0, .n_others = 3, .others = {3, 1, 2}},
    {.base = 2, .n_others = 2, .others = {0, 1}},
};

struct tally_shape shape_of(size_t top, size_t domains_max)
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

struct tally *new_tally(const struct tally_shape *shape)
{
    struct tally *t;
    assert_int_equal(tally_new(&t, shape, NULL), 0);
    return t;
}

struct buf save(const struct tally *t)
{
    struct buf bytes = {0};
    assert_int_equal(tally_save(t, &bytes, NULL), 0);
    return bytes;
}

void expect_bytes(const struct tally *t, const struct buf *wanted)
{
    struct buf bytes = save(t);
    assert_int_equal(bytes.len, wanted->len);
    assert_memory_equal(bytes.data, wanted->data, wanted->len);
    buf_free(&bytes);
}

size_t n_details;

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

void add(struct tally *t, struct ref_doc *d, const struct tally *whole)
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

void add_by_hand(struct tally *t, uint64_t number, const char *domain, size_t n,
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

struct tally *count_in_order(const struct tally_shape *shape, struct ref_doc *docs)
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

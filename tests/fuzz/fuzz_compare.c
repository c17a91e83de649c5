/* Property: any bytes are refused as a comparison of distributions, or give one that saves to the
 * same bytes and can be merged with others. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz_shapes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

static void expect_bytes(const struct compare *c, const void *bytes, size_t len)
{
    struct buf again = {0};
    check(compare_save(c, &again, NULL) == 0);
    check(again.len == len && memcmp(again.data, bytes, len) == 0);
    buf_free(&again);
}

static void look(const struct compare *c)
{
    for (size_t p = 0; p < c->shape->n_pairs; p++) {
        check(compare_percentile(&c->pairs[p], 99) <= COMPARE_BINS);
        moments_mean(&c->pairs[p].all.kl);
        moments_se(&c->pairs[p].all.kl);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    struct compare *c = NULL, *twin = NULL, *whole = NULL;
    check(compare_new(&c, &fuzz_compare_shape, NULL) == 0);
    if (compare_load(c, data, size, &err)) {
        check(err.code == ERR_FORMAT && err.msg[0] != '\0');
        compare_free(c);
        return 0;
    }
    expect_bytes(c, data, size);
    look(c);
    check(compare_new(&twin, &fuzz_compare_shape, NULL) == 0);
    check(compare_new(&whole, &fuzz_compare_shape, NULL) == 0);
    check(compare_merge(twin, c, NULL) == 0);
    check(compare_merge(whole, c, NULL) == 0);
    check(compare_merge(whole, twin, NULL) == 0);
    look(whole);
    compare_clear(c);
    compare_free(c);
    compare_free(twin);
    compare_free(whole);
    return 0;
}

/* Property: any bytes are refused as skip-trigrams that a run looks for, or as what it has found (the
 * first byte says which), or give some that save to the same bytes and can be merged and judged. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "out/results/skips/skip_bugs.h"
#include "tests/fuzz/fuzz_skips.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

static void expect_bytes(struct buf *got, const void *bytes, size_t len)
{
    check(got->len == len && (len == 0 || memcmp(got->data, bytes, len) == 0));
    buf_free(got);
}

static void try_shape(const struct run *run, const uint8_t *data, size_t size, struct err *err)
{
    struct skip_shape *s = NULL;
    struct buf bytes = {0};
    if (skip_shape_load(&s, run, data, size, err)) {
        check(err->code == ERR_FORMAT && err->msg[0] != '\0' && !s);
        return;
    }
    check(skip_shape_save(s, &bytes, NULL) == 0);
    if (s->chosen) { // else nothing of the text is kept
        expect_bytes(&bytes, data, size);
    }
    buf_free(&bytes);
    for (size_t i = 0; i < s->n; i++) {
        check(s->own[i] < s->n_cells);
    }
    check(skip_shape_same(s, s, true, err) == 0);
    skip_shape_free(s);
}

static void look(const struct skip_sums *k)
{
    struct skip_crossing *crossings;
    struct skip_funnel funnel;
    size_t n;
    check(skip_bugs_find(&crossings, &n, &funnel, k, NULL) == 0);
    for (size_t i = 0; i < n; i++) {
        skip_bugs_repair(k, &crossings[i], 1);
    }
    free(crossings);
}

static void try_sums(const struct skip_shape *s, const uint8_t *data, size_t size, struct err *err)
{
    struct skip_sums *k = NULL, *twin = NULL;
    struct buf bytes = {0};
    check(skip_sums_new(&k, s, NULL) == 0);
    if (skip_sums_load(k, data, size, err)) {
        check(err->code == ERR_FORMAT && err->msg[0] != '\0');
        skip_sums_free(k);
        return;
    }
    check(skip_sums_save(k, &bytes, NULL) == 0);
    expect_bytes(&bytes, data, size);
    look(k);
    check(skip_sums_new(&twin, s, NULL) == 0);
    check(skip_sums_load(twin, data, size, err) == 0);
    check(skip_sums_merge(k, twin, NULL) == 0);
    look(k);
    skip_sums_free(k);
    skip_sums_free(twin);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run run; // for ever, as the shape
    static struct skip_shape *shape;
    struct err err = {0};
    if (!shape) {
        run = sample_run_neurons();
        shape = fuzz_skip_shape(&run);
    }
    if (size > 0 && data[0] % 2 == 0) {
        try_shape(&run, data + 1, size - 1, &err);
    } else if (size > 0) {
        try_sums(shape, data + 1, size - 1, &err);
    }
    return 0;
}

/* Property: any bytes are refused as sums by class of token, or give such that save to the same
 * bytes, can be merged, and have means. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "out/results/classes/classes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct classes_shape shape = {
    .n_models = 1, .n_pairs = 1, .n_hypotheses = 1, .floor = -6};

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    struct classes *c = NULL, *whole = NULL;
    struct buf again = {0};
    check(classes_new(&c, &shape, NULL) == 0);
    if (classes_load(c, data, size, &err)) {
        check(err.code == ERR_FORMAT && err.msg[0] != '\0');
        classes_free(c);
        return 0;
    }
    check(classes_save(c, &again, NULL) == 0);
    check(again.len == size && memcmp(again.data, data, size) == 0);
    check(classes_new(&whole, &shape, NULL) == 0);
    classes_merge(whole, c);
    const size_t n = classes_n_measures(&shape) * classes_n(&shape);
    check(memcmp(whole->sums, c->sums, n * sizeof *c->sums) == 0);
    classes_merge(whole, c);
    for (size_t i = 0; i < n; i++) {
        (void)moments_mean(&whole->sums[i]);
        (void)moments_se(&whole->sums[i]);
    }
    buf_free(&again);
    classes_free(c);
    classes_free(whole);
    return 0;
}

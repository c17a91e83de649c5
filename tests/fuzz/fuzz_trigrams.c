/* Property: any bytes are refused as trigrams, or give some that save to the same bytes, can be
 * merged with others, and have cells and means. */
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

static void expect_bytes(const struct trigrams *t, const void *bytes, size_t len)
{
    struct buf again = {0};
    check(trigrams_save(t, &again, NULL) == 0);
    check(again.len == len && memcmp(again.data, bytes, len) == 0);
    buf_free(&again);
}

static void look(const struct trigrams *t)
{
    const struct trigrams_shape *shape = t->shape;
    for (size_t i = 0; i < shape->n; i++) {
        for (size_t layer = 0; layer < shape->n_layers; layer++) {
            for (size_t k = 0; k < shape->layers[layer]; k++) {
                double mean[TRIGRAM_CELLS];
                trigrams_means(t, i, layer, k, INT64_MIN, UINT64_MAX, mean);
            }
        }
        for (size_t p = 0; p < shape->n_pairs; p++) {
            const struct moments *m = &t->gap[i * shape->n_pairs + p];
            check(m->n == 0 || moments_mean(m) == moments_mean(m));
            moments_se(m);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct trigrams_shape *shape = fuzz_trigrams_shape();
    struct err err = {0};
    struct trigrams *t = NULL, *twin = NULL, *whole = NULL;
    check(trigrams_new(&t, shape, NULL) == 0);
    if (trigrams_load(t, data, size, &err)) {
        check(err.code == ERR_FORMAT && err.msg[0] != '\0');
        trigrams_free(t);
        return 0;
    }
    expect_bytes(t, data, size);
    look(t);
    check(trigrams_new(&twin, shape, NULL) == 0);
    check(trigrams_new(&whole, shape, NULL) == 0);
    check(trigrams_load(twin, data, size, NULL) == 0);
    check(trigrams_merge(whole, t, NULL) == 0);
    expect_bytes(whole, data, size);
    check(trigrams_merge(whole, twin, NULL) == 0); // its lists are those that are there
    look(whole);
    trigrams_free(t);
    trigrams_free(twin);
    trigrams_free(whole);
    return 0;
}

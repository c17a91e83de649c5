/* Property: any bytes are refused as a piece of documents, or give such that save to the same bytes
 * and can be merged with others. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "out/results/documents/documents.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct documents_shape shape = {
    .most = 5, .n_models = 2, .n_pairs = 1, .n_shards = 3, .floor = -6};

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    struct documents *d = NULL, *whole = NULL;
    struct buf again = {0};
    check(documents_n_pieces(&shape) == 1 && documents_new(&d, &shape, NULL) == 0);
    if (documents_load(d, 0, data, size, &err)) {
        check(err.code == ERR_FORMAT && err.msg[0] != '\0');
        documents_free(d);
        return 0;
    }
    check(documents_save(d, 0, &again, NULL) == 0);
    check(again.len == size && memcmp(again.data, data, size) == 0);
    check(documents_new(&whole, &shape, NULL) == 0);
    check(documents_merge(whole, d, NULL) == 0 && whole->n == d->n);
    check(documents_merge(whole, d, NULL) == 0);
    check(whole->n == (2 * d->n < shape.most ? 2 * d->n : shape.most));
    for (size_t i = 1; i < whole->n; i++) {
        check(documents_at(whole, i - 1)->hash <= documents_at(whole, i)->hash);
    }
    buf_free(&again);
    documents_free(d);
    documents_free(whole);
    return 0;
}

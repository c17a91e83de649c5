/* Property: any bytes are refused as a piece of neurons (the first byte says which), or give one
 * that saves to the same bytes, can be merged with others, and has scores. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "out/results/neurons/scores.h"
#include "tests/fuzz/fuzz_shapes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

static void expect_bytes(const struct neurons *n, size_t piece, const void *bytes, size_t len)
{
    struct buf again = {0};
    check(neurons_save(n, piece, &again, NULL) == 0);
    check(again.len == len && memcmp(again.data, bytes, len) == 0);
    buf_free(&again);
}

static void score_all(const struct neurons *n)
{
    const struct neurons_shape *shape = n->shape;
    for (size_t layer = 0; layer < shape->n_layers; layer++) {
        for (size_t i = 0; i < shape->layers[layer].n; i++) {
            struct neuron_stats stats;
            scores_neuron(n, layer, i, &stats);
            for (size_t h = 0; h < shape->n_hypotheses; h++) {
                struct score scores[SCORES];
                scores_of(n, layer, i, scores_row(shape, layer, h, i), h, scores);
            }
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    struct neurons *n = NULL, *twin = NULL, *whole = NULL;
    const size_t piece = size > 0 ? data[0] % 3 : 0, len = size > 0 ? size - 1 : 0;
    const uint8_t *bytes = size > 0 ? data + 1 : data;
    check(neurons_new(&n, &fuzz_neurons_shape, NULL) == 0);
    if (neurons_load(n, piece, bytes, len, &err)) {
        check(err.code == ERR_FORMAT && err.msg[0] != '\0');
        neurons_free(n);
        return 0;
    }
    expect_bytes(n, piece, bytes, len);
    score_all(n);
    check(neurons_new(&twin, &fuzz_neurons_shape, NULL) == 0);
    check(neurons_new(&whole, &fuzz_neurons_shape, NULL) == 0);
    check(neurons_load(twin, piece, bytes, len, NULL) == 0);
    check(neurons_merge(whole, n, NULL) == 0);
    expect_bytes(whole, piece, bytes, len);
    check(neurons_merge(whole, twin, NULL) == 0); // its lists are those that are there
    score_all(whole);
    neurons_free(n);
    neurons_free(twin);
    neurons_free(whole);
    return 0;
}

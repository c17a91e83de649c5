/* Property: any bytes are refused as what is asked of a run's neurons, as its trigrams, as a hit's
 * detail, or as the means of changed models (the first byte says which), or give one that saves to bytes which load again to the
 * same, and that can be compared, used and shown. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "out/results/means/means.h"
#include "tests/fuzz/fuzz_shapes.h"
#include "tests/kit/run_neurons.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

static void expect_same(const struct buf *a, const struct buf *b)
{
    check(a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0));
}

/* Their neurons are few, so a whole of any shape of theirs is small. */
static void try_neurons(const struct run *run, const uint8_t *data, size_t size, struct err *err)
{
    struct neurons_shape *s = NULL, *again = NULL;
    struct neurons *whole = NULL;
    struct buf bytes = {0}, twice = {0};
    if (neurons_shape_load(&s, run, data, size, err)) {
        check(err->code == ERR_FORMAT && err->msg[0] != '\0' && !s);
        return;
    }
    check(s->n == 42 && s->n_layers == 3 && s->n_hypotheses == 2);
    check(neurons_shape_save(s, &bytes, NULL) == 0);
    check(neurons_shape_load(&again, run, bytes.data, bytes.len, err) == 0);
    check(neurons_shape_same(s, again, true, err) == 0);
    check(neurons_shape_save(again, &twice, NULL) == 0);
    expect_same(&bytes, &twice);
    check(neurons_new(&whole, s, NULL) == 0);
    struct neurons_memory memory;
    neurons_memory(s, 2, &memory);
    check(memory.whole > 0);
    neurons_free(whole);
    neurons_shape_free(s);
    neurons_shape_free(again);
    buf_free(&bytes);
    buf_free(&twice);
}

static void try_trigrams(const struct run *run, const uint8_t *data, size_t size, struct err *err)
{
    struct trigrams_shape *s = NULL, *again = NULL;
    struct trigrams *whole = NULL;
    struct buf bytes = {0}, twice = {0};
    if (trigrams_shape_load(&s, run, data, size, err)) {
        check(err->code == ERR_FORMAT && err->msg[0] != '\0' && !s);
        return;
    }
    check(s->n > 0 && s->n_models == 3 && s->n_pairs == 2 && s->n_layers == 3);
    check(trigrams_shape_save(s, &bytes, NULL) == 0);
    check(trigrams_shape_load(&again, run, bytes.data, bytes.len, err) == 0);
    check(trigrams_shape_same(s, again, err) == 0);
    check(trigrams_shape_save(again, &twice, NULL) == 0);
    expect_same(&bytes, &twice);
    check(trigrams_new(&whole, s, NULL) == 0);
    trigrams_free(whole);
    trigrams_shape_free(s);
    trigrams_shape_free(again);
    buf_free(&bytes);
    buf_free(&twice);
}

static void show(const struct hit_detail *d, const struct run *run)
{
    for (size_t p = 0; p < run->n_pairs; p++) {
        char *text = NULL;
        size_t len = 0;
        struct jsonout j = {.to = open_memstream(&text, &len)};
        check(j.to != NULL);
        hit_detail_json(&j, d, run, &run->pairs[p]);
        check(fclose(j.to) == 0 && len > 0 && text[0] == '{');
        free(text);
    }
}

static void try_detail(const struct run *run, const uint8_t *data, size_t size, struct err *err)
{
    struct hit_detail *d = NULL, *again = NULL, *copy = NULL;
    struct buf bytes = {0}, twice = {0};
    if (hit_detail_load(&d, data, size, err)) {
        check(err->code == ERR_FORMAT && err->msg[0] != '\0' && !d);
        return;
    }
    check(hit_detail_save(d, &bytes, NULL) == 0);
    check(hit_detail_load(&again, bytes.data, bytes.len, err) == 0);
    check(hit_detail_copy(&copy, again, NULL) == 0);
    free(again);
    check(hit_detail_save(copy, &twice, NULL) == 0);
    expect_same(&bytes, &twice);
    show(copy, run);
    free(copy);
    free(d);
    buf_free(&bytes);
    buf_free(&twice);
}

static void try_means(struct run *run, const uint8_t *data, size_t size, struct err *err)
{
    void *shape = NULL, *again = NULL;
    struct buf bytes = {0};
    if (means_collector.shape_new(&shape, run, data, size, err)) {
        check(err->code == ERR_FORMAT && err->msg[0] != '\0' && !shape);
        return;
    }
    check(means_collector.shape_save(shape, &bytes, NULL) == 0);
    check(means_collector.shape_new(&again, run, bytes.data, bytes.len, err) == 0);
    check(means_collector.same(shape, again, true, err) == 0);
    means_collector.shape_free(shape);
    means_collector.shape_free(again);
    buf_free(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run run; // for ever
    struct err err = {0};
    if (run.n_models == 0) {
        run = sample_run_neurons();
    }
    if (size == 0) {
        return 0;
    }
    switch (data[0] % 4) {
    case 0:
        try_neurons(&run, data + 1, size - 1, &err);
        break;
    case 1:
        try_trigrams(&run, data + 1, size - 1, &err);
        break;
    case 2:
        try_detail(&run, data + 1, size - 1, &err);
        break;
    default:
        try_means(&run, data + 1, size - 1, &err);
    }
    return 0;
}

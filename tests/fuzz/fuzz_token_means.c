/* Property: any bytes are refused as what is asked of means by token, or as a piece of such means
 * (the first byte says which), or give one that saves to the same bytes and can be merged and
 * listed. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "out/results/token_means/token_means.h"
#include "tests/kit/run_neurons.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

static void expect_bytes(const struct buf *got, const void *bytes, size_t len)
{
    check(got->len == len && (len == 0 || memcmp(got->data, bytes, len) == 0));
}

static void try_shape(const struct run *run, const uint8_t *data, size_t size, struct err *err)
{
    struct token_means_shape *s = NULL;
    struct buf bytes = {0};
    if (token_means_shape_load(&s, run, data, size, err)) {
        check(err->code == ERR_FORMAT && err->msg[0] != '\0' && !s);
        return;
    }
    check(s->n == 42 && s->n_tokens <= s->asked);
    check(token_means_shape_save(s, &bytes, NULL) == 0);
    expect_bytes(&bytes, data, size);
    check(token_means_shape_same(s, s, true, err) == 0);
    token_means_shape_free(s);
    buf_free(&bytes);
}

/* Three tokens, made once, for ever. */
static const struct token_means_shape *shape_of(const struct run *run)
{
    static const uint64_t counts[16] = {0, 5, 0, 9, 1, 5};
    static struct token_means_shape *shape;
    if (!shape) {
        check(run_d_vocab(run) <= 16);
        check(token_means_shape_new(&shape, run, 3, NULL) == 0);
        check(token_means_shape_choose(shape, counts, NULL) == 0);
        check(shape->n_tokens == 3);
    }
    return shape;
}

static void look(const struct token_means *m)
{
    struct token_means_item items[TOKEN_MEANS_SHOWN];
    for (size_t i = 0; i < m->shape->n; i++) {
        const size_t n = token_means_greatest(m, i, items);
        check(n <= 3);
        for (size_t k = 0; k < n; k++) {
            check(isfinite(items[k].mean) && (k == 0 || items[k].mean <= items[k - 1].mean));
        }
    }
}

static void try_whole(const struct run *run, const uint8_t *data, size_t size, struct err *err)
{
    const struct token_means_shape *s = shape_of(run);
    struct token_means *m = NULL, *twin = NULL;
    struct buf bytes = {0};
    check(token_means_new(&m, s, NULL) == 0);
    if (token_means_load(m, 0, data, size, err)) {
        check(err->code == ERR_FORMAT && err->msg[0] != '\0');
        token_means_free(m);
        return;
    }
    check(token_means_save(m, 0, &bytes, NULL) == 0);
    expect_bytes(&bytes, data, size);
    look(m);
    check(token_means_new(&twin, s, NULL) == 0);
    check(token_means_load(twin, 0, data, size, err) == 0);
    check(token_means_merge(m, twin, NULL) == 0);
    look(m);
    token_means_free(m);
    token_means_free(twin);
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
    (data[0] % 2 == 0 ? try_shape : try_whole)(&run, data + 1, size - 1, &err);
    return 0;
}

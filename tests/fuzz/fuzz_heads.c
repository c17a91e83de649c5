/* Property: any bytes are refused as what is asked of heads, of what their inputs are made of, or of
 * depths, or as what is known of them (the first byte says which), or give one that saves to the same
 * bytes and can be merged. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "out/results/composition/composition_collector.h"
#include "out/results/depth/depth_collector.h"
#include "out/results/heads/heads_collector.h"
#include "tests/kit/run_heads.h"

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

static void try_shape(const struct collector_kind *kind, struct run *run, const uint8_t *data,
                      size_t size, struct err *err)
{
    void *s = NULL;
    struct buf bytes = {0};
    if (kind->shape_new(&s, run, data, size, err)) {
        check(err->code == ERR_FORMAT && err->msg[0] != '\0' && !s);
        return;
    }
    check(kind->shape_save(s, &bytes, NULL) == 0);
    expect_bytes(&bytes, data, size);
    check(kind->same(s, s, true, err) == 0);
    kind->shape_free(s);
    buf_free(&bytes);
}

static void try_whole(const struct collector_kind *kind, const void *shape, const uint8_t *data,
                      size_t size, struct err *err)
{
    void *a = NULL, *b = NULL;
    struct buf bytes = {0};
    check(kind->whole_new(&a, shape, NULL) == 0);
    if (kind->load(a, 0, data, size, err)) {
        check(err->code == ERR_FORMAT && err->msg[0] != '\0');
        kind->whole_free(a);
        return;
    }
    check(kind->save(a, 0, &bytes, NULL) == 0);
    expect_bytes(&bytes, data, size);
    check(kind->whole_new(&b, shape, NULL) == 0);
    check(kind->load(b, 0, data, size, err) == 0);
    check(kind->merge(a, b, NULL) == 0);
    kind->whole_free(a);
    kind->whole_free(b);
    buf_free(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct collector_kind *const kinds[] = {&heads_collector, &composition_collector,
                                                         &depth_collector};
    static struct run run; // for ever, as its shapes
    static void *shapes[3];
    struct err err = {0};
    if (run.n_models == 0) {
        run = sample_run_heads();
        run_heads_shapes(&run, shapes);
    }
    if (size == 0) {
        return 0;
    }
    const size_t i = data[0] / 2 % 3;
    if (data[0] % 2 == 0) {
        try_shape(kinds[i], &run, data + 1, size - 1, &err);
    } else {
        try_whole(kinds[i], shapes[i], data + 1, size - 1, &err);
    }
    return 0;
}

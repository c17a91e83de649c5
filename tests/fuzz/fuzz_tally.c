/* Property: any bytes are refused as a tally, or give one that saves to the same bytes and can be
 * merged with others and cleared. */
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

static void expect_bytes(const struct tally *t, const void *bytes, size_t len)
{
    struct buf again = {0};
    check(tally_save(t, &again, NULL) == 0);
    check(again.len == len && memcmp(again.data, bytes, len) == 0);
    buf_free(&again);
}

static void add_a_document(struct tally *t)
{
    check(fuzz_add_document(t, 5, "a") == 0);
    tally_add_reject(t, 0, 1, 3, 30, "three");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct buf empty;
    static struct tally *t, *whole, *none;
    if (!t) {
        check(tally_new(&t, &fuzz_tally_shape, NULL) == 0);
        check(tally_new(&whole, &fuzz_tally_shape, NULL) == 0);
        check(tally_new(&none, &fuzz_tally_shape, NULL) == 0);
        check(tally_save(none, &empty, NULL) == 0);
    }
    struct err err = {0};
    if (tally_load(t, data, size, &err)) {
        check(err.code == ERR_FORMAT && err.msg[0] != '\0');
        check(t->n_touched == 0 && t->n_domains == 0 && t->pairs[0].hits[0].n == 0);
        return 0;
    }
    expect_bytes(t, data, size);
    check(tally_merge(whole, t, NULL) == 0);
    expect_bytes(whole, data, size);
    add_a_document(none);
    check(tally_merge(whole, none, NULL) == 0);
    check(tally_merge(whole, t, NULL) == 0);
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < whole->pairs[0].hits[side].n; i++) {
            (void)tally_duplicates(&whole->pairs[0].hits[side], i);
        }
    }
    tally_clear(t);
    tally_clear(whole);
    tally_clear(none);
    expect_bytes(t, empty.data, empty.len);
    expect_bytes(whole, empty.data, empty.len);
    return 0;
}

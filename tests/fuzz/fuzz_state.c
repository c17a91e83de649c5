/* Property: any bytes are refused as a piece of the saved state, and nothing is taken, or they give
 * no more than STATE_RATIO bytes each; and what they give, or they themselves, can be shrunk to a
 * piece that gives the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "out/store/state_bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

static void expect_round_trip(const void *bytes, size_t len)
{
    struct buf piece = {0}, again = {0};
    check(state_bytes_shrink(&piece, bytes, len, len % 2, NULL) == 0);
    check(piece.len <= len + 1);
    check(state_bytes_expand(&again, piece.data, piece.len, NULL) == 0);
    check(again.len == len && (len == 0 || memcmp(again.data, bytes, len) == 0));
    buf_free(&piece);
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    struct buf out = {0};
    uint8_t *copy = malloc(size > 0 ? size : 1); // where ASan sees one too far
    check(copy != NULL && buf_append(&out, "kept", 4, NULL) == 0);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    if (state_bytes_expand(&out, copy, size, &err)) {
        check(err.code == ERR_FORMAT && err.msg[0] != '\0' && out.len == 4);
    } else {
        check(out.len - 4 <= size * STATE_RATIO && out.len - 4 <= STATE_PART);
        expect_round_trip(out.data + 4, out.len - 4);
    }
    check(memcmp(out.data, "kept", 4) == 0);
    expect_round_trip(data, size);
    free(copy);
    buf_free(&out);
    return 0;
}

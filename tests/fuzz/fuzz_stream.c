/* Property: any bytes give a stream that ends, in the end or in an error with a message; taken in
 * whole or in small steps it gives the same bytes and the same error; peeking changes nothing. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "corpora/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Of a decompression bomb no more is taken.
#define TAKEN_MAX ((size_t)4 << 20)

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

/* Reads up to TAKEN_MAX bytes; returns the code, -1 where more would come. */
static int take(const uint8_t *data, size_t size, size_t step, size_t peek, struct buf *out,
                struct err *err)
{
    struct stream *s;
    check(stream_open_memory(&s, "fuzz.zst", data, size, step, NULL) == 0);
    stream_limit_window(s, 22); // the default's 2 GiB are no leak, but libFuzzer thinks so
    int rc = 0;
    for (;;) {
        const char *bytes, *peeked;
        size_t len;
        const size_t n_peeked = peek ? stream_peek(s, peek, &peeked) : 0;
        struct buf copy = {0};
        check(buf_append(&copy, peeked, n_peeked, NULL) == 0);
        rc = stream_read(s, &bytes, &len, err);
        check(len >= n_peeked && (rc == 0 || len == 0));
        check(n_peeked == 0 || memcmp(copy.data, bytes, n_peeked) == 0);
        buf_free(&copy);
        if (rc || len == 0) {
            break;
        }
        check(buf_append(out, bytes, len, NULL) == 0);
        check(stream_tell(s) == out->len);
        if (out->len > TAKEN_MAX) {
            rc = -1;
            break;
        }
    }
    check(stream_tell_raw(s) <= size);
    check(rc <= 0 || err->msg[0] != '\0');
    stream_close(s);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t steps[] = {1, 2, 3, 5, 17, 100};
    const size_t step = size ? steps[data[size - 1] % (sizeof steps / sizeof *steps)] : 1;
    struct buf whole = {0}, split = {0};
    struct err err = {0}, split_err = {0};
    const int rc = take(data, size, 0, 0, &whole, &err);
    const int split_rc = take(data, size, step, size % 300, &split, &split_err);
    const size_t n = whole.len < split.len ? whole.len : split.len;
    check(n == 0 || memcmp(whole.data, split.data, n) == 0);
    if (rc >= 0 && split_rc >= 0) {
        check(rc == split_rc && whole.len == split.len);
        check(strcmp(err.msg, split_err.msg) == 0);
    }
    buf_free(&whole);
    buf_free(&split);
    return 0;
}

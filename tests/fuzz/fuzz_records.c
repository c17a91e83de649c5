/* Property: any bytes, read in any shape, give records in ascending places within the limit,
 * without line ends where they are JSON; taken in whole or in small steps they give the same
 * records and the same end. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "corpora/records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

/* Appends all records and the end to *out. */
static void take(const uint8_t *data, size_t size, size_t step, enum records_shape shape,
                 size_t max_bytes, struct buf *out)
{
    struct stream *stream;
    struct records r;
    check(stream_open_memory(&stream, "fuzz", data, size, step, NULL) == 0);
    stream_limit_window(stream, 20);
    records_begin(&r, stream, shape, max_bytes);
    uint64_t number = 0, byte = 0;
    for (;;) {
        struct line line;
        struct err err = {0};
        const int rc = records_next(&r, &line, &err);
        check(buf_printf(out, NULL, "%d %llu %llu %d %zu %s ", rc, (unsigned long long)line.number,
                         (unsigned long long)line.byte, line.too_long, line.len, err.msg) == 0);
        if (rc || line.number == 0) {
            check(!rc || err.msg[0] != '\0');
            break;
        }
        check(line.number >= number && line.byte >= byte && line.byte <= stream_tell(stream));
        check(!line.text == line.too_long);
        check(line.too_long || shape == RECORDS_LENGTHS || !memchr(line.text, '\n', line.len));
        check(line.too_long || buf_append(out, line.text, line.len, NULL) == 0);
        number = line.number;
        byte = line.byte + 1;
    }
    records_end(&r);
    stream_close(stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t steps[] = {1, 2, 3, 5, 17, 100};
    const unsigned choice = size ? data[size - 1] : 0;
    const enum records_shape shape = (enum records_shape)(RECORDS_LINES + choice % 5);
    const size_t max_bytes = choice & 128 ? 30 : 0;
    struct buf whole = {0}, split = {0};
    take(data, size, 0, shape, max_bytes, &whole);
    take(data, size, steps[choice / 5 % (sizeof steps / sizeof *steps)], shape, max_bytes, &split);
    check(whole.len == split.len && memcmp(whole.data, split.data, whole.len) == 0);
    buf_free(&whole);
    buf_free(&split);
    return 0;
}

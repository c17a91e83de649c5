/* Property: repaired text is valid; repairing valid text changes nothing; the fast and the checked
 * decoder agree on it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/utf8.h"
#include "corpora/base/utf8_repair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct buf once = {0}, twice = {0};
    uint64_t n = 0, again = 0;
    check(utf8_repair(&once, text, size, &n, NULL) == 0);
    check(utf8_valid_prefix(once.data, once.len) == once.len);
    check((n == 0) == (utf8_valid_prefix(text, size) == size));
    check(utf8_repair(&twice, once.data, once.len, &again, NULL) == 0);
    check(again == 0 && twice.len == once.len);
    check(once.len == 0 || memcmp(once.data, twice.data, once.len) == 0);
    for (size_t at = 0; at < once.len;) {
        size_t checked, fast;
        const uint32_t code = utf8_decode(once.data + at, once.len - at, &checked);
        check(code == utf8_decode_valid(once.data + at, &fast) && checked == fast);
        char back[4];
        check(utf8_encode(code, back) == fast && memcmp(back, once.data + at, fast) == 0);
        at += fast;
    }
    buf_free(&once);
    buf_free(&twice);
    return 0;
}

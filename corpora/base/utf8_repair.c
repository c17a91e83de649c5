#include "corpora/base/utf8_repair.h"

#include "corpora/base/utf8.h"

int utf8_repair(struct buf *out, const char *text, size_t len, uint64_t *n_repaired,
                struct err *err)
{
    static const char replacement[3] = "\xef\xbf\xbd"; // U+FFFD
    if (len == 0) {
        return 0; // text may be NULL
    }
    size_t at = 0;
    for (;;) {
        const size_t valid = utf8_valid_prefix(text + at, len - at);
        int rc = buf_append(out, text + at, valid, err);
        at += valid;
        if (rc || at == len) {
            return rc;
        }
        size_t used;
        utf8_decode(text + at, len - at, &used);
        at += used;
        rc = buf_append(out, replacement, sizeof replacement, err);
        if (rc) {
            return rc;
        }
        ++*n_repaired;
    }
}

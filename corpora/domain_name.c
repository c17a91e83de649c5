#include "corpora/domain_name.h"

#include <string.h>

#include "corpora/base/utf8.h"
#include "corpora/base/utf8_repair.h"

int domain_name(struct buf *out, const char *raw, size_t len, struct err *err)
{
    // Take 4 bytes more than the name may have: if they cut a character, the name ends before it.
    char copy[DOMAIN_NAME_BYTES + 4];
    const size_t n = len < sizeof copy ? len : sizeof copy;
    memcpy(copy, raw, n);
    for (size_t i = 0; i < n; i++) {
        copy[i] = copy[i] ? copy[i] : '\xff'; // the repair turns FF into U+FFFD
    }
    out->len = 0;
    uint64_t repaired = 0;
    const int rc = utf8_repair(out, copy, n, &repaired, err);
    if (rc) {
        return rc;
    }
    if (out->len > DOMAIN_NAME_BYTES) {
        out->len = DOMAIN_NAME_BYTES;
        out->len = utf8_valid_prefix(out->data, out->len); // drops half a character
    }
    return buf_append(out, "", 1, err);
}

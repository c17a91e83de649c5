/* Property: any bytes have a kind or none, the same each time, with a name that says something;
 * bytes that are valid UTF-8 without control characters and NULs are never "not text". */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/utf8.h"
#include "corpora/kind.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes = malloc(size ? size : 1); // of exactly this size, so that ASan sees one too far
    check(bytes != NULL);
    if (size) {
        memcpy(bytes, data, size);
    }
    const struct kind *k = kind_of(bytes, size), *any = kind_of_any_encoding(bytes, size);
    check(k == kind_of(bytes, size));
    check(any == k || !any);
    if (k) {
        struct err err = {0};
        check(k->name[0] != '\0');
        check(kind_refuse(k, "fuzz", size & 1 ? "gzip" : "plain", size & 2, &err) ==
              ERR_UNSUPPORTED);
        check(strncmp(err.msg, "fuzz: ", 6) == 0 && strstr(err.msg, k->name));
    }
    size_t controls = 0;
    for (size_t i = 0; i < size; i++) {
        controls += data[i] < 0x20 || data[i] == 0x7f;
    }
    if (controls == 0 && utf8_valid_prefix(bytes, size) == size) {
        check(!k || !strstr(k->name, "not text"));
    }
    free(bytes);
    return 0;
}

/* Property: an index of shards is read or refused with a message; every shard of one that is read is
 * a plain file name, and every tensor has a shard. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/weights/shardindex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct shardindex x = {0};
    struct err err = {0};
    const int rc = shardindex_parse(&x, (const char *)data, size, &err);
    if (rc) {
        if (err.code != (enum err_code)rc || !err.msg[0]) {
            abort();
        }
        return 0;
    }
    for (size_t i = 0; i < x.n_shards; i++) {
        if (!x.shards[i][0] || strchr(x.shards[i], '/') || strcmp(x.shards[i], "..") == 0) {
            abort();
        }
    }
    for (size_t i = 0; i < x.n; i++) {
        if (x.entries[i].shard >= x.n_shards ||
            (i > 0 && strcmp(x.entries[i - 1].tensor, x.entries[i].tensor) >= 0)) {
            abort();
        }
    }
    shardindex_free(&x);
    return 0;
}

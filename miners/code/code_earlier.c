#include "miners/code/code_earlier.h"

#include <string.h>

int earlier_places(uint32_t *earlier, const struct tokens *doc, size_t n, struct buf *memory,
                   struct err *err)
{
    size_t mask = 63;
    unsigned shift = 64 - 6;
    while (mask < 2 * doc->n) {
        mask = 2 * mask + 1;
        shift--;
    }
    memory->len = 0;
    const int rc = buf_reserve(memory, (mask + 1) * sizeof(uint32_t), err);
    if (rc) {
        return rc;
    }
    uint32_t *slots = (void *)memory->data; // 1 + the latest place of each sequence; 0: free
    memset(slots, 0, (mask + 1) * sizeof *slots);
    for (size_t i = 0; i < doc->n; i++) {
        earlier[i] = EARLIER_NONE;
        if (i + 1 < n) {
            continue;
        }
        const uint32_t *ids = doc->ids + i + 1 - n;
        uint64_t hash = 0;
        for (size_t k = 0; k < n; k++) {
            hash = ((hash ^ hash >> 29) + ids[k] + 1) * UINT64_C(0x9E3779B97F4A7C15);
        }
        size_t at = (size_t)(hash >> shift);
        while (slots[at] && memcmp(doc->ids + slots[at] - n, ids, n * sizeof *ids) != 0) {
            at = (at + 1) & mask;
        }
        earlier[i] = slots[at] ? slots[at] - 1 : EARLIER_NONE;
        slots[at] = (uint32_t)i + 1;
    }
    return 0;
}

uint32_t earlier_in_window(const uint32_t *earlier, const struct tokens *doc, size_t i, size_t n)
{
    const size_t window = tokens_window(doc, i);
    const uint32_t at = earlier[i];
    return at != EARLIER_NONE && at + 1 >= window + n ? at : EARLIER_NONE;
}

#include "corpora/parquet/parquet_levels.h"

void levels_begin(struct levels *l, const unsigned char *bytes, size_t len, unsigned width)
{
    *l = (struct levels){.at = bytes, .end = bytes + len, .width = width};
}

unsigned levels_width(unsigned max)
{
    unsigned width = 0;
    for (; max > 0; max >>= 1) {
        width++;
    }
    return width;
}

static bool take_head(struct levels *l, uint64_t *head)
{
    *head = 0;
    for (unsigned shift = 0; shift < 35 && l->at < l->end; shift += 7) {
        const unsigned byte = *l->at++;
        *head |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            return true;
        }
    }
    return false;
}

/* Begins the next run or the next groups. */
static bool begin_next(struct levels *l)
{
    uint64_t head;
    if (!take_head(l, &head) || head >> 1 == 0) {
        return false;
    }
    if (head & 1) {
        l->packed = (head >> 1) * 8;
        l->bit = 0;
        return true;
    }
    const unsigned n_bytes = (l->width + 7) / 8;
    if ((size_t)(l->end - l->at) < n_bytes) {
        return false;
    }
    l->value = 0;
    for (unsigned i = 0; i < n_bytes; i++) {
        l->value |= (uint32_t)l->at[i] << (8 * i);
    }
    l->at += n_bytes;
    l->run = head >> 1;
    return true;
}

/* The last groups of a page may be cut behind the last value that counts. */
static bool take_packed(struct levels *l, uint32_t *value)
{
    const unsigned n_bytes = (l->bit + l->width + 7) / 8;
    if ((size_t)(l->end - l->at) < n_bytes) {
        return false;
    }
    uint64_t bits = 0; // n_bytes <= 5
    for (unsigned i = 0; i < n_bytes; i++) {
        bits |= (uint64_t)l->at[i] << (8 * i);
    }
    *value = (uint32_t)(bits >> l->bit & ((UINT64_C(1) << l->width) - 1));
    l->bit += l->width;
    l->at += l->bit / 8;
    l->bit %= 8;
    l->packed--;
    return true;
}

bool levels_next(struct levels *l, uint32_t *value)
{
    if (l->run == 0 && l->packed == 0 && !begin_next(l)) {
        return false;
    }
    if (l->packed > 0) {
        return take_packed(l, value);
    }
    l->run--;
    *value = l->value;
    return true;
}

#include "miners/core/miner.h"

#include <stdlib.h>
#include <string.h>

void miner_free(struct miner *m)
{
    if (m->kind && m->kind->free) {
        m->kind->free(m->self);
    }
    free(m->name);
    free(m->spec);
    *m = (struct miner){0};
}

/* The first token from 'low' on that ends after byte 'at'; n if there is none. */
static size_t first_after(const struct tokens *doc, size_t low, size_t at)
{
    size_t high = doc->n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (doc->ends[middle] > at) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

void miner_mark(uint8_t *label, const struct tokens *doc, size_t *at, size_t from, size_t to,
                enum miner_mark mark)
{
    const uint32_t *ends = doc->ends;
    size_t i = *at;
    if (i > 0 && ends[i - 1] > from) { // a group of a lookbehind may go back
        i = first_after(doc, 0, from);
    }
    while (i < doc->n && ends[i] <= from) {
        i++;
    }
    *at = i;
    if (from >= to || i >= doc->n) {
        return;
    }
    size_t end = i + 1; // tokens [i, end) share a byte with the span
    while (end < doc->n && ends[end - 1] < to) {
        end++;
    }
    switch (mark) {
    case MARK_ALL:
        memset(label + i, 1, end - i);
        break;
    case MARK_FIRST:
        label[i] = 1;
        break;
    case MARK_LAST:
        label[end - 1] = 1;
        break;
    case MARK_NEXT:
        if (end < doc->n) {
            label[end] = 1;
        }
        break;
    }
}

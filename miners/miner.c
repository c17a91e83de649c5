#include "miners/miner.h"

#include <stdlib.h>

void miner_free(struct miner *m)
{
    if (m->kind && m->kind->free) {
        m->kind->free(m->self);
    }
    free(m->name);
    free(m->spec);
    *m = (struct miner){0};
}

void miner_mark(uint8_t *label, const struct tokens *doc, size_t *at, size_t from, size_t to,
                enum miner_mark mark)
{
    const size_t n = doc->n;
    size_t i = *at;
    while (i < n && doc->ends[i] <= from) {
        i++;
    }
    *at = i;
    if (mark == MARK_FIRST || mark == MARK_ALL) {
        const size_t first = i;
        for (; i < n && (i ? doc->ends[i - 1] : 0) < to && (mark == MARK_ALL || i == first); i++) {
            label[i] = 1;
        }
        return;
    }
    while (i < n && doc->ends[i] < to) {
        i++;
    }
    if (mark == MARK_LAST && i < n) {
        label[i] = 1;
    }
    if (mark == MARK_NEXT) {
        while (i < n && (i ? doc->ends[i - 1] : 0) < to) {
            i++;
        }
        if (i < n) {
            label[i] = 1;
        }
    }
}

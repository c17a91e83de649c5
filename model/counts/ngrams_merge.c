#include "model/counts/ngrams_merge.h"

#include <stdlib.h>

#include "corpora/base/mem.h"

// The number of entries between two checks of 'stop', and between two releases of memory.
#define LOOK ((uint64_t)1 << 16)
#define FORGET ((uint64_t)1 << 20)

static void sift(struct ngrams_merge *m, size_t i)
{
    struct ngrams_cursor *c = m->heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= m->n_heap) {
            break;
        }
        if (child + 1 < m->n_heap && m->heap[child + 1]->key < m->heap[child]->key) {
            child++;
        }
        if (m->heap[child]->key >= c->key) {
            break;
        }
        m->heap[i] = m->heap[child];
        i = child;
    }
    m->heap[i] = c;
}

int ngrams_merge_new(struct ngrams_merge *m, size_t n, struct err *err)
{
    *m = (struct ngrams_merge){.n = n};
    m->cursors = mem_zero(n, sizeof *m->cursors);
    m->heap = mem_zero(n, sizeof(struct ngrams_cursor *));
    return m->cursors && m->heap ? 0 : err_nomem(err, "a merge");
}

void ngrams_merge_free(struct ngrams_merge *m)
{
    free(m->cursors);
    free(m->heap);
}

void ngrams_merge_runs(struct ngrams_merge *m, const struct ngrams_run *runs, size_t n,
                       unsigned table)
{
    m->runs = runs;
    m->n_runs = n;
    m->table = table;
    for (size_t i = 0; i < n; i++) {
        ngrams_run_stream(&m->cursors[i], &runs[i], table);
    }
}

void ngrams_merge_begin(struct ngrams_merge *m)
{
    for (size_t i = 0; i < m->n; i++) {
        if (m->cursors[i].is) {
            m->heap[m->n_heap++] = &m->cursors[i];
        }
    }
    for (size_t i = m->n_heap; i-- > 0;) {
        sift(m, i);
    }
}

bool ngrams_merge_next(struct ngrams_merge *m)
{
    if (m->n_heap == 0) {
        return false;
    }
    m->key = m->heap[0]->key;
    m->count = 0;
    while (m->n_heap > 0 && m->heap[0]->key == m->key) {
        if (__builtin_add_overflow(m->count, m->heap[0]->bigram.count, &m->count)) {
            m->count = UINT64_MAX; // only corrupt parts overflow
        }
        ngrams_next(m->heap[0]);
        if (!m->heap[0]->is) {
            m->heap[0] = m->heap[--m->n_heap];
        }
        if (m->n_heap > 0) {
            sift(m, 0);
        }
    }
    return true;
}

/* Releases the pages of runs that have been read: they are on the disk. */
static void forget(const struct ngrams_merge *m)
{
    for (size_t i = 0; i < m->n_runs; i++) {
        const struct ngrams_run *r = &m->runs[i];
        file_map_done_with(&r->map, r->at[m->table], (size_t)(m->cursors[i].at - r->map.data));
    }
}

bool ngrams_merge_stops(const struct ngrams_merge *m, uint64_t n, const atomic_int *stop)
{
    if (n % FORGET == FORGET - 1) {
        forget(m);
    }
    return n % LOOK == 0 && stop && atomic_load(stop) != 0;
}

int ngrams_merge_check(const struct ngrams_merge *m, struct err *err)
{
    for (size_t i = 0; i < m->n; i++) {
        if (m->cursors[i].bad) {
            return err_set(err, ERR_FORMAT, "entries that cannot be read");
        }
    }
    return 0;
}

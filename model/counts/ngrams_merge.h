/*
 * ngrams_merge.h - many sorted streams of entries as one, counts of the same key added
 *
 *     ngrams_merge_new -> the cursors are set -> ngrams_merge_begin -> ngrams_merge_next, ...
 *
 * A heap of the streams' next keys: log2 of their number steps an entry.
 */
#ifndef GAPSCOPE_MODEL_COUNTS_NGRAMS_MERGE_H
#define GAPSCOPE_MODEL_COUNTS_NGRAMS_MERGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/counts/ngrams.h"
#include "model/counts/ngrams_run.h"

struct ngrams_merge {
    uint64_t key, count; // the entry in hand

    struct ngrams_cursor *cursors; // [n]
    struct ngrams_cursor **heap;   // [n_heap] those that have an entry, the least key on top
    size_t n, n_heap;
    const struct ngrams_run *runs; // [n_runs] that the first of them read
    size_t n_runs;
    unsigned table;
};

/* Errors: ERR_NOMEM; *m is then to be freed, too. */
int ngrams_merge_new(struct ngrams_merge *m, size_t n, struct err *err);
void ngrams_merge_free(struct ngrams_merge *m); // {0} is allowed

/* The first cursors read a table of runs, which outlive the merge. */
void ngrams_merge_runs(struct ngrams_merge *m, const struct ngrams_run *runs, size_t n,
                       unsigned table);

/* After the cursors have been set. */
void ngrams_merge_begin(struct ngrams_merge *m);

/* The next key and the sum of its counts; false: there are no more. */
bool ngrams_merge_next(struct ngrams_merge *m);

/* Is it time to stop?  Looked at before every entry, the n-th; now and then what was read of runs
 * leaves memory, too. */
bool ngrams_merge_stops(const struct ngrams_merge *m, uint64_t n, const atomic_int *stop);

/* ERR_FORMAT where a stream could not be read to its end. */
int ngrams_merge_check(const struct ngrams_merge *m, struct err *err);

#endif

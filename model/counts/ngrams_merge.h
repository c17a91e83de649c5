/*
 * ngrams_merge.h - merges sorted streams of entries and adds the counts of equal keys
 *
 *     ngrams_merge_new -> set the cursors -> ngrams_merge_begin -> ngrams_merge_next, ...
 *
 * It keeps a heap of the streams' next keys, so an entry takes log2(number of streams) steps.
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
    uint64_t key, count; // the current entry

    struct ngrams_cursor *cursors; // [n]
    struct ngrams_cursor **heap;   // [n_heap] cursors at an entry, the lowest key on top
    size_t n, n_heap;
    const struct ngrams_run *runs; // [n_runs], read by the first n_runs cursors
    size_t n_runs;
    unsigned table;
};

/* Errors: ERR_NOMEM; the caller frees *m also then. */
int ngrams_merge_new(struct ngrams_merge *m, size_t n, struct err *err);
void ngrams_merge_free(struct ngrams_merge *m); // {0} is allowed

/* Sets the first cursors to a table of runs, which must outlive the merge. */
void ngrams_merge_runs(struct ngrams_merge *m, const struct ngrams_run *runs, size_t n,
                       unsigned table);

/* Begins the merge; all cursors have been set. */
void ngrams_merge_begin(struct ngrams_merge *m);

/* Takes the next key and the sum of its counts; false: there are no more. */
bool ngrams_merge_next(struct ngrams_merge *m);

/* Whether it is time to stop.  Call it before every entry, the n-th; now and then it also lets
 * pages of runs that have been read leave memory. */
bool ngrams_merge_stops(const struct ngrams_merge *m, uint64_t n, const atomic_int *stop);

/* Returns ERR_FORMAT if a stream could not be read to its end. */
int ngrams_merge_check(const struct ngrams_merge *m, struct err *err);

#endif

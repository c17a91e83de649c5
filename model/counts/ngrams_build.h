/*
 * ngrams_build.h - builds one .ngrams file from runs or from the files of parts
 *
 *     trigrams of all sources --merge--> table; tokens behind each (A, B) --> contexts
 *                                               each different (B, C)    --sort--> N(*BC)
 *     bigrams                 --merge, joined with both--> table, words
 *     skip-bigrams            --merge--> tables, words
 *
 * One thread makes each table.  The result depends only on what was counted, not on how it was cut
 * into runs or parts, on their order, or on threads.  Memory is bounded by 'memory_bytes' plus the
 * words; temporary files as large as the tables are in 'folder'.
 */
#ifndef GAPSCOPE_MODEL_COUNTS_NGRAMS_BUILD_H
#define GAPSCOPE_MODEL_COUNTS_NGRAMS_BUILD_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "model/counts/ngrams.h"
#include "model/counts/ngrams_run.h"

struct ngrams_build {
    struct ngrams_info info;       // the build sets entries, dropped and cofc; the caller the rest
    const uint64_t *units;         // [(info.n_units + 63) / 64] bits: the units that are counted
    const struct ngrams_run *runs; // [n_runs]
    size_t n_runs;
    const struct ngrams *const *parts; // [n_parts] with a min_count of 1
    size_t n_parts;
    const char *folder; // for temporary files, whose names begin with "table"
    size_t n_threads, memory_bytes;
    const atomic_int *stop; // once it is set, the build gives up
};

/* Writes 'path', under a temporary name until it is whole.  *stopped: *b->stop was set, and nothing
 * was written.  Errors: ERR_IO, ERR_NOMEM, ERR_FORMAT (a source contradicts itself). */
int ngrams_build(const struct ngrams_build *b, const char *path, bool *stopped,
                 struct ngrams_info *made, struct err *err);

#endif

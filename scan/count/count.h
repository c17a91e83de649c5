/*
 * count.h - a corpus into an .ngrams file: units to runs in a folder, runs to the file
 *
 *     shards --units--> workers, each a unit at a time --enough of them--> run files --> file
 *
 * The folder, "OUT.work", holds all that is done: a run names its units, and is there whole or not
 * at all.  So whatever ends a count, the same count goes on from the runs, and what comes out is
 * the same.  It is gone when the file is there.
 *
 * Reading a unit is about a fiftieth of counting it, so the workers read, one at a time.
 */
#ifndef GAPSCOPE_SCAN_COUNT_COUNT_H
#define GAPSCOPE_SCAN_COUNT_COUNT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/shards.h"
#include "corpora/units.h"
#include "model/counts/ngrams.h"
#include "scan/cli/args.h"
#include "scan/load/layout.h"
#include "scan/load/windows.h"

struct count {
    const struct shards *shards;
    struct units_options units;
    struct layout_options layout;
    const struct tokenizer *tokenizer; // also with ids
    uint64_t settings;                 // count_settings()
    size_t n_threads, memory_bytes;    // of all threads together
    size_t part, n_parts;              // units with number % n_parts == part
    uint64_t min_count;
    bool force; // forget what was begun with other settings
    const atomic_int *stop;
};

/* What was done. */
struct counted {
    struct ngrams_info info; // without shards
    uint64_t went_on;        // units that were done before
    uint64_t tokens_now;
    struct rejects rejects; // of all units read
    uint64_t repaired;
    bool nothing_left; // the file was there
    bool stopped;      // the same command goes on
    double count_seconds, merge_seconds;
};

/* A hash of how documents are read: text and counts go together where it is the same. */
uint64_t count_settings(const struct input_options *input);

/*
 * Counts into 'path'.  Errors: those of reading; ERR_MISMATCH (the file or the folder is of another
 * count), ERR_LIMIT (another process counts into it, too large a vocabulary), ERR_IO, ERR_NOMEM.
 */
int count_run(const struct count *c, const char *path, struct counted *out, struct err *err);

/* Joins the files of parts into 'path'.  Errors: ngrams_open()'s, ERR_MISMATCH (of different
 * counts, with a min_count, a unit is in two). */
int count_merge(const struct arg_list *parts, const char *path, size_t n_threads,
                size_t memory_bytes, uint64_t min_count, struct counted *out, struct err *err);

/* "12345 tokens ..., 4.1 MB": a line for people about the file. */
void count_print(const struct ngrams_info *info, const char *path);

#endif

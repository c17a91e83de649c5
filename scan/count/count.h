/*
 * count.h - counts a corpus into an .ngrams file: units to runs in a folder, runs to the file
 *
 *     shards --units--> workers, each a unit at a time --enough of them--> run files --> file
 *
 * The folder "OUT.work" (folder.h) holds all that is done, so whatever ends a count, the same
 * command resumes from its runs, and the file is the same.  The folder is removed when the file is
 * there.
 *
 * Reading a unit takes about a fiftieth of the time of counting it, so the workers read, one at a
 * time.
 */
#ifndef GAPSCOPE_SCAN_COUNT_COUNT_H
#define GAPSCOPE_SCAN_COUNT_COUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/shards.h"
#include "corpora/units.h"
#include "model/counts/ngrams.h"
#include "scan/cli/args.h"
#include "scan/cli/stop_signals.h"
#include "scan/load/layout.h"
#include "scan/load/windows.h"

struct count {
    const struct shards *shards;
    struct units_options units;
    struct layout_options layout;
    const struct tokenizer *tokenizer; // also with ids
    uint64_t settings;                 // input_settings()
    size_t n_threads, memory_bytes;    // memory of all threads together
    size_t part, n_parts;              // units with number % n_parts == part
    uint64_t min_count;
    bool force; // replaces what was begun with other settings
    struct stop_signals *signals;
};

/* What was done. */
struct counted {
    struct ngrams_info info; // without shards
    uint64_t tokens_now;
    struct rejects rejects;        // of all units read
    uint64_t repaired, double_bos; // double_bos: documents that begin with BOS themselves
    bool nothing_left;             // the file was there already
    bool stopped;                  // by a signal; the same command resumes
    double count_seconds, merge_seconds;
};

/*
 * Counts into 'path'.  Errors: those of reading; ERR_MISMATCH (the file or the folder is of another
 * count), ERR_LIMIT (another process counts into it, the vocabulary is too large), ERR_IO,
 * ERR_NOMEM.
 */
int count_run(const struct count *c, const char *path, struct counted *out, struct err *err);

/* Joins the files of parts into 'path'.  Errors: ngrams_open()'s, ERR_MISMATCH (parts of different
 * counts, or made with a min_count; a unit is in two parts). */
int count_merge(const struct arg_list *parts, const char *path, size_t n_threads,
                size_t memory_bytes, uint64_t min_count, struct counted *out, struct err *err);

/* Prints a line about the file for people: "12345 tokens of 67 documents; ...; 4.1 MB". */
void count_print(const struct ngrams_info *info, const char *path);

#endif

/*
 * record_state.h - how far the chunks of a record go, as the file .units/state says it
 *
 *   1. "gapscope record 2\n"
 *   2. lines of a word and a value: run, next, skip, chunks, filled, finished
 *   3. "hash " and XXH3-64 of what stands before, 16 hex digits: a number that has changed would pass
 *      units over, and remove their files
 */
#ifndef GAPSCOPE_OUT_RESULTS_RECORD_RECORD_STATE_H
#define GAPSCOPE_OUT_RESULTS_RECORD_RECORD_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"

struct record_state {
    char run[33]; // what the record is of: 32 hex digits
    uint64_t next;
    uint64_t skip;
    uint64_t chunks;
    size_t filled; // 0 until it is finished
    bool finished;
};

/* Leaves it in the folder on disk, under its name when it is whole.  Errors: ERR_IO, ERR_NOMEM. */
int record_state_write(const struct record_state *s, const char *folder, struct err *err);

/* Errors: ERR_FORMAT (damaged, or of another version), those of file_read(). */
int record_state_read(struct record_state *out, const char *path, struct err *err);

#endif

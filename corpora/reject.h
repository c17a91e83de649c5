/*
 * reject.h - counts what was skipped of a corpus, and why
 */
#ifndef GAPSCOPE_CORPORA_REJECT_H
#define GAPSCOPE_CORPORA_REJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"

/* Why a record, or the rest of a file, was skipped.  The names are those of run.db. */
#define REJECT_REASONS(X)                                                                          \
    X(REJECT_BAD_JSON, "bad_json")                 /* the line is not one JSON value */            \
    X(REJECT_NOT_AN_OBJECT, "not_an_object")       /* JSON, but not {...} */                       \
    X(REJECT_NO_TEXT_FIELD, "no_text_field")       /* no field of that name that is a string */    \
    X(REJECT_TOO_LONG, "too_long")                 /* a line over the limit */                     \
    X(REJECT_TRUNCATED_STREAM, "truncated_stream") /* the file ends inside a frame */              \
    X(REJECT_CORRUPT_STREAM, "corrupt_stream")     /* a frame does not decode */                   \
    X(REJECT_TRAILING_GARBAGE, "trailing_garbage") /* bytes after the last frame */                \
    X(REJECT_NULL_TEXT, "null_text")               /* of a row of Parquet: no text */              \
    X(REJECT_CORRUPT_PAGE, "corrupt_page")         /* of Parquet: it does not decode */

enum reject_reason {
#define X(name, text) name,
    REJECT_REASONS(X)
#undef X
        REJECT_N
};

#define REJECT_PLACES 3

/* How often each reason occurred, and the first few places of each. */
struct rejects {
    uint64_t n[REJECT_N];
    struct reject_place {
        uint64_t line; // from 1; of Parquet the row
        uint64_t byte; // offset of the record's beginning in the decompressed file; of Parquet that
                       // of the page
        char why[160]; // one line for people, without file and line; part of a run's digest
    } places[REJECT_N][REJECT_PLACES];
};

const char *reject_name(enum reject_reason reason); // "bad_json", ...
uint64_t rejects_total(const struct rejects *r);

/* Adds to *to what was skipped later in the same shard. */
void rejects_append(struct rejects *to, const struct rejects *from);

/* Counts one reject; its place is kept if it is among the first REJECT_PLACES of its reason. */
void rejects_add(struct rejects *r, enum reject_reason reason, uint64_t line, uint64_t byte,
                 const char *why);

/* Counts the damage (stream_is_damage()) that ended the reading of the file 'name', whose messages
 * begin with that name.  rows: it is a Parquet file. */
void rejects_add_damage(struct rejects *r, const char *name, bool rows, uint64_t line,
                        uint64_t byte, const struct err *damage);

/* Whether the reason is damage: the rest of the file was not read. */
bool reject_is_damage(enum reject_reason reason);

/* "3 invalid byte sequences or lone surrogates replaced by U+FFFD", as all commands say it.
 * Returns 'text'. */
#define REPAIRED_TEXT ((size_t)100)
const char *repaired_text(char text[REPAIRED_TEXT], uint64_t n);

#endif

/*
 * source.h - a corpus file as documents, with every skipped record counted
 *
 *     source_open -> source_next, source_next, ... until it says SOURCE_END -> source_close
 *
 * A file whose first non-blank byte is '{' is JSONL, any other is one text (or as the options say).
 * Texts are valid UTF-8 (invalid bytes and lone surrogates become U+FFFD, counted); one over
 * DOC_MAX_BYTES is cut after the last line end, else between characters, before that size, and
 * each piece is a doc of its own.  Docs are numbered from 0; a rejected record takes a number too,
 * a blank line does not.  An empty text is a doc of length 0.  A file without any byte (after a
 * BOM) holds no doc when its name says JSONL (.jsonl, .ndjson, .json, before .zst or .gz), else one
 * empty doc.
 *
 * A damaged file gives all its whole records first; the damage is then counted as one reject.
 *
 * Threads: a source belongs to one thread at a time.
 */
#ifndef GAPSCOPE_CORPORA_SOURCE_H
#define GAPSCOPE_CORPORA_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/base/doc.h"
#include "scan/base/err.h"

/* Why a record, or the rest of a file, was skipped.  The names are those of run.db. */
#define REJECT_REASONS(X)                                                                          \
    X(REJECT_BAD_JSON, "bad_json")                 /* the line is not one JSON value */            \
    X(REJECT_NOT_AN_OBJECT, "not_an_object")       /* JSON, but not {...} */                       \
    X(REJECT_NO_TEXT_FIELD, "no_text_field")       /* no field of that name that is a string */    \
    X(REJECT_TOO_LONG, "too_long")                 /* a line over the limit */                     \
    X(REJECT_TRUNCATED_STREAM, "truncated_stream") /* the file ends inside a frame */              \
    X(REJECT_CORRUPT_STREAM, "corrupt_stream")     /* a frame does not decode */                   \
    X(REJECT_TRAILING_GARBAGE, "trailing_garbage") /* bytes after the last frame */

enum reject_reason {
#define X(name, text) name,
    REJECT_REASONS(X)
#undef X
    REJECT_N
};

#define REJECT_PLACES 3

/* What was skipped: how often by reason, and where the first few stood. */
struct rejects {
    uint64_t n[REJECT_N];
    struct reject_place {
        uint64_t line;  // from 1
        uint64_t byte;  // of the record's begin, in the decompressed file
        char why[160];  // one line for people, without file and line
    } places[REJECT_N][REJECT_PLACES];
};

const char *reject_name(enum reject_reason reason); // "bad_json", ...
uint64_t rejects_total(const struct rejects *r);

enum source_format { SOURCE_AUTO, SOURCE_JSONL, SOURCE_TEXT };

struct source_options {
    enum source_format format;
    const char *field;     // "a.b": member b of member a; NULL: the first of text, content, code
                           // that is a string.  Kept by the caller as long as the source.
    size_t line_max_bytes; // longer lines are skipped and counted; 0: 1 GiB
};

enum source_status {
    SOURCE_DOC,   // *doc holds the next document
    SOURCE_END,   // no more; damage, if any, is in source_rejects()
    SOURCE_ERROR, // the run cannot go on with this file: *err says why
};

struct source;

/* Opens 'path' ("-": standard input).  options: NULL is all defaults.
 * Errors: as stream_open(), and those of the first stream_read(). */
int source_open(struct source **out, const char *path, const struct source_options *options,
                struct err *err);

/* The next document.  doc->text points into the source and is valid until the next call. */
enum source_status source_next(struct source *s, struct doc *doc, struct err *err);

/* Counts up to now; valid as long as the source. */
const struct rejects *source_rejects(const struct source *s);

/* Did the file end in damage (truncated, corrupt, garbage)? */
bool source_damaged(const struct source *s);

/* U+FFFD put in so far, over all docs. */
uint64_t source_repaired(const struct source *s);

/* Raw bytes of the file read so far and its size (0: unknown), for progress. */
uint64_t source_tell_raw(const struct source *s);
uint64_t source_size_raw(const struct source *s);

void source_close(struct source *s); // NULL is allowed

#endif

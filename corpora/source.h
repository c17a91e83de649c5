/*
 * source.h - reads a corpus file as documents and counts every skipped record
 *
 *     source_open -> source_next, source_next, ... until it says SOURCE_END -> source_close
 *
 * Its first bytes say whether a file holds records (shape.h: JSONL, a JSON array, ...) or is one
 * text, unless the options do.  What is not text is refused (kind.h), except with SOURCE_TEXT.
 * Texts are valid UTF-8 (invalid bytes and lone surrogates
 * become U+FFFD and are counted); one over DOC_MAX_BYTES is cut as pieces.h says, and each piece is
 * a doc of its own.  Docs are numbered from 0; a rejected record takes a number too, a blank line
 * does not.  An empty text is a doc of length 0.  A file that has only blanks (and a BOM) holds no
 * doc if its name says JSONL (.jsonl, .ndjson, .json, before .zst, .zstd or .gz); else it is one
 * doc.  The rows of a Parquet file (parquet.h) are records; a row without a text is rejected.
 *
 * A damaged file gives all its whole records first; the damage is then counted as one reject.  A
 * damaged text gives all that can be read of it; if that is nothing, it gives no doc.
 *
 * Threads: a source belongs to one thread at a time.
 */
#ifndef GAPSCOPE_CORPORA_SOURCE_H
#define GAPSCOPE_CORPORA_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/doc.h"
#include "corpora/base/err.h"
#include "corpora/record_keys.h"
#include "corpora/reject.h"
#include "corpora/stream.h"

enum source_format {
    SOURCE_AUTO,
    SOURCE_JSONL, // records, however they stand
    SOURCE_TEXT,  // one text, whatever the bytes are
};

struct source_options {
    enum source_format format;
    const char *field;     // the member with the text, "a.b"; NULL: as jsonl.h says.  It must live
                           // as long as the source.
    const char *domain;    // the member with a record's domain, "a.b"; NULL: as jsonl.h says.  It
                           // must live as long, too.
    size_t line_max_bytes; // longer lines are skipped and counted; 0: 1 GiB
};

enum source_status {
    SOURCE_DOC,   // *doc holds the next document
    SOURCE_END,   // there are no more; damage, if any, is in source_rejects()
    SOURCE_ERROR, // the run cannot go on with this file: *err says why
};

struct source;

/* Opens 'path' ("-": standard input).  options: NULL means all defaults.
 * Errors: as stream_open(); those of parquet_open(); those of the first stream_read() that are not damage; those of
 * shape_find() (ERR_UNSUPPORTED for what is not text), ERR_USAGE for a wrong 'field' or 'domain'.
 */
int source_open(struct source **out, const char *path, const struct source_options *options,
                struct err *err);

/* Like source_open(), for an open stream that has not been read from.  The source owns the stream
 * from now on, also if this fails. */
int source_open_stream(struct source **out, struct stream *stream,
                       const struct source_options *options, struct err *err);

/* Reads the next document.  doc->text and doc->domain point into the source and are valid until the
 * next call.  A text that is not JSONL has no domain; all pieces of a record have the record's.
 * Errors: those of stream_read() that are not damage, ERR_NOMEM; only source_close() may follow. */
enum source_status source_next(struct source *s, struct doc *doc, struct err *err);

/* The counts up to now; valid as long as the source. */
const struct rejects *source_rejects(const struct source *s);

/* What the last source_next() skipped on its way to the next document or the end; valid until the
 * next call. */
const struct rejects *source_passed(const struct source *s);

/* Whether the file ended in damage (truncated, corrupt, garbage). */
bool source_damaged(const struct source *s);

/* The number of U+FFFD put in so far, over all docs. */
uint64_t source_repaired(const struct source *s);

/* The documents handed out so far. */
uint64_t source_docs(const struct source *s);

/* Whether the records are rows of Parquet, so that a place's line is a row. */
bool source_has_rows(const struct source *s);

/* The keys of the first record that has no text; valid as long as the source. */
const struct record_keys *source_keys(const struct source *s);

/* The raw bytes of the file read so far, and its size (0: unknown), for progress. */
uint64_t source_tell_raw(const struct source *s);
uint64_t source_size_raw(const struct source *s);

void source_close(struct source *s); // NULL is allowed

#endif

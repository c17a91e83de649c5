/*
 * records.h - reads a stream record by record, whatever shape the records stand in
 *
 *     shape_find (shape.h) -> records_begin -> records_next, records_next, ...
 *                             until record->number == 0 -> records_end
 *
 *     RECORDS_LINES    {"text":"a"}             a JSON value on each line (JSONL)
 *                      {"text":"b"}
 *     RECORDS_ARRAY    [{"text":"a"},           one JSON array over any number of lines: its items
 *                       {"text":"b"}]
 *     RECORDS_VALUES   {                        JSON values over any number of lines, with blanks
 *                        "text": "a"            or a comma between them
 *                      }
 *     RECORDS_MARKED   <1E>{"text":"a"}         RFC 7464: the byte 1E before each value
 *     RECORDS_LENGTHS  0000000000000003abc      lm_dataformat's .dat: the length of a text in bytes
 *                                               as 16 digits, and the text itself
 *
 * Memory holds one record, however long the file is.
 */
#ifndef GAPSCOPE_CORPORA_RECORDS_H
#define GAPSCOPE_CORPORA_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "corpora/base/mem.h"
#include "corpora/lines.h"

enum records_shape {
    RECORDS_NONE, // there are no records: the file is one text
    RECORDS_LINES,
    RECORDS_ARRAY,
    RECORDS_VALUES,
    RECORDS_MARKED,
    RECORDS_LENGTHS,
};

// The digits of a length in RECORDS_LENGTHS.
#define RECORDS_LENGTH_DIGITS 16

/* The length that text[RECORDS_LENGTH_DIGITS] writes; UINT64_MAX if they are not all digits. */
uint64_t records_length(const char *text);

/* The reader's state, which the caller holds; the fields are private. */
struct records {
    enum records_shape shape;
    struct lines lines; // RECORDS_LINES only
    struct stream *stream;
    size_t max_bytes;
    const char *at; // [left], the rest of the stream's buffer
    size_t left;
    bool bom;              // the next buffer begins with one
    bool begun;            // the array's bracket was read
    bool after_item;       // a comma or the array's end comes next
    bool closed;           // the array's end was read, and nothing follows it
    uint64_t number, byte; // of the next byte: its line, from 1, and its offset
    struct buf record;
};

/* shape: not RECORDS_NONE.  stream: not read from yet; it belongs to the caller.  max_bytes: the
 * longest record allowed; 0: LINES_MAX_BYTES. */
void records_begin(struct records *r, struct stream *stream, enum records_shape shape,
                   size_t max_bytes);

/*
 * Reads the next record; blank lines are none.  record->number and record->byte are those of its
 * first byte, record->text is valid until the next call.  A record over the limit is not held in
 * memory and comes out as too_long.  A line end inside a JSON value is a blank, or \n in a string:
 * a record has no line ends, except a text of RECORDS_LENGTHS.
 *
 * Errors: those of lines_next(); ERR_TRUNCATED (the file ends inside the array or a text),
 * ERR_CORRUPT (something other than a comma follows an item; no length where one must be),
 * ERR_GARBAGE (something follows the array).  record->number and record->byte then say where.
 */
int records_next(struct records *r, struct line *record, struct err *err);

/* Frees the memory that records_next() took; {0} is allowed. */
void records_end(struct records *r);

#endif

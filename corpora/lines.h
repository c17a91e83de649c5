/*
 * lines.h - reads a stream line by line
 *
 *     lines_begin -> lines_next, lines_next, ... until line->number == 0 -> lines_end
 *
 * A line that lies within one buffer of the stream is not copied; only a line that crosses into the
 * next buffer is.
 */
#ifndef GAPSCOPE_CORPORA_LINES_H
#define GAPSCOPE_CORPORA_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/mem.h"
#include "corpora/stream.h"

/* The default limit: longer lines are skipped. */
#define LINES_MAX_BYTES ((size_t)1 << 30)

struct line {
    const char *text; // [len], without LF or CR LF, the first line without a BOM; NULL if too_long
    size_t len;
    uint64_t number; // from 1; 0: there are no more lines
    uint64_t byte;   // offset of its beginning in the decompressed file
    bool too_long;
};

/* The reader's state, which the caller holds; the fields are private. */
struct lines {
    struct stream *stream; // belongs to the caller
    size_t max_bytes;
    const char *at; // [left], the rest of the stream's buffer
    size_t left;
    struct buf begun; // the beginning of a line, from earlier buffers
    uint64_t number, byte;
};

/* max_bytes: the longest line allowed, including a BOM and the CR; 0: LINES_MAX_BYTES. */
void lines_begin(struct lines *l, struct stream *stream, size_t max_bytes);

/*
 * Reads the next line; line->text is valid until the next call.  The last line needs no LF.  An
 * empty line is a line, but nothing follows the last LF.  A line over the limit is not held in
 * memory and comes out as too_long.
 * Errors: those of stream_read(); line->number and line->byte are then those of the line that was
 * being read.  The part of that line that was read is dropped, except with ERR_GARBAGE: the frames
 * before the garbage are whole, and so is their last line.
 */
int lines_next(struct lines *l, struct line *line, struct err *err);

/* Whether the line has only spaces, tabs and CR. */
bool lines_blank(const struct line *line);

/* Frees the memory that lines_next() took; {0} is allowed. */
void lines_end(struct lines *l);

#endif

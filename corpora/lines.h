/*
 * lines.h - the lines of a stream
 *
 *     lines_begin -> lines_next, lines_next, ... until line->number == 0 -> lines_end
 *
 * A line that lies within one buffer of the stream is handed out where it stands; only one that
 * crosses into the next is copied.
 */
#ifndef GAPSCOPE_CORPORA_LINES_H
#define GAPSCOPE_CORPORA_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/mem.h"
#include "corpora/stream.h"

/* Lines longer than this are skipped where nothing else is said. */
#define LINES_MAX_BYTES ((size_t)1 << 30)

struct line {
    const char *text; // [len], without its LF or CR LF, the first without a BOM; NULL if too_long
    size_t len;
    uint64_t number; // from 1; 0: there is no line any more
    uint64_t byte;   // where it begins in the decompressed file
    bool too_long;
};

/* To be held by whoever reads; the fields are the module's own. */
struct lines {
    struct stream *stream; // the caller's
    size_t max_bytes;
    const char *at; // [left], what of the stream's buffer is still to be cut
    size_t left;
    struct buf begun; // a line's beginning that lay in earlier buffers
    uint64_t number, byte;
};

/* max_bytes: how long a line may be, a BOM and its CR counted; 0: LINES_MAX_BYTES. */
void lines_begin(struct lines *l, struct stream *stream, size_t max_bytes);

/*
 * The next line; line->text is valid until the next call.  The last needs no LF.  An empty line is
 * a line; the nothing after the last LF is none.  A line over the limit is passed over without
 * being held in memory, and handed out as too_long.
 * Errors: those of stream_read(); line->number and line->byte are then those of the line that was
 * being read.  What there is of that line is dropped, but for ERR_GARBAGE: the frames before the
 * garbage are whole, and so is their last line.
 */
int lines_next(struct lines *l, struct line *line, struct err *err);

/* Nothing but spaces, tabs and CR? */
bool lines_blank(const struct line *line);

/* Frees what lines_next() took; {0} is allowed. */
void lines_end(struct lines *l);

#endif

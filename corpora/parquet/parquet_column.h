/*
 * parquet_column.h - reads the values of one column, a chunk at a time
 *
 *     column_open -> { column_begin -> column_next until value->end }... -> column_close
 *
 * Memory holds one page, compressed and decompressed, and the chunk's dictionary: it does not
 * depend on the length of the chunk.
 */
#ifndef GAPSCOPE_CORPORA_PARQUET_COLUMN_H
#define GAPSCOPE_CORPORA_PARQUET_COLUMN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/parquet/parquet_footer.h"

/* A value, or a place where there is none. */
struct parquet_value {
    bool end;            // the chunk has no more values; all else is 0
    uint32_t definition; // how much of the path is there; the column's greatest: a value
    uint32_t repetition; // 0: a new row begins
    const char *text;    // [len], of a column of bytes; valid until the next call
    size_t len;
    int64_t number; // of a column of whole numbers
};

struct parquet_column;

/* A reader of the column nodes[node] of the open file 'fd', which belongs to the caller.  The column
 * is one of bytes, INT32 or INT64.  Errors: ERR_NOMEM. */
int column_open(struct parquet_column **out, const struct parquet_footer *footer, size_t node,
                int fd, struct err *err);
void column_close(struct parquet_column *c); // NULL is allowed

/* Goes to a chunk of this column; it must be as parquet_footer_chunks() says. */
void column_begin(struct parquet_column *c, const struct parquet_chunk *chunk);

/*
 * Reads the next value.  Errors: ERR_CORRUPT (a page is damaged), ERR_TRUNCATED (the file has become
 * shorter), ERR_UNSUPPORTED (an encoding), ERR_IO, ERR_NOMEM; messages are without the column's name.
 */
int column_next(struct parquet_column *c, struct parquet_value *value, struct err *err);

/* The offset in the file of the page that the last value stood in, and of the next page. */
uint64_t column_page(const struct parquet_column *c);
uint64_t column_tell(const struct parquet_column *c);

#endif

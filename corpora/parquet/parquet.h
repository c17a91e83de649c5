/*
 * parquet.h - reads a Parquet file row by row: a text or a list of token ids, and a domain
 *
 *     parquet_open -> parquet_next until row->end -> parquet_close
 *
 * Only the columns that are needed are read, a page of each at a time, so memory is a few pages
 * however long the file and its row groups are.  The footer stands at the end: only a file that can
 * be read anywhere will do, no pipe.
 *
 * What is damaged (a CRC, a page that does not decode, counts that disagree) ends the reading there;
 * all rows before it are given.
 *
 * Threads: a reader belongs to one thread at a time.
 */
#ifndef GAPSCOPE_CORPORA_PARQUET_PARQUET_H
#define GAPSCOPE_CORPORA_PARQUET_PARQUET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/mem.h"

enum parquet_want {
    PARQUET_TEXTS,
    PARQUET_IDS,
    PARQUET_TEXTS_OR_IDS, // ids where no column holds texts
};

struct parquet_options {
    enum parquet_want want;
    const char *field; // the column with the texts or ids, "a.b"; NULL: the first of text, content,
                       // code that holds strings, or of ids, input_ids, tokens that holds numbers
    const char *domain; // the column with the domain, "a.b"; NULL: meta.pile_set_name, meta.set,
                        // source, meta.redpajama_set_name, those of them that hold strings
};

struct parquet_row {
    bool end;         // there are no more rows
    bool is_null;     // there is no text or list
    const char *text; // [len], as in the file: it may hold invalid UTF-8 and NULs
    size_t len;
    const int64_t *ids; // [n_ids]
    size_t n_ids;
    bool null_id;       // one of the ids is null: the list is of no use
    const char *domain; // [domain_len], as in the file; NULL: none, or an empty one
    size_t domain_len;
};

struct parquet;

/* Whether the file at 'path' is one for this reader: a regular file that begins with PAR1 or PARE,
 * or that ends in .parquet by its name and has no byte. */
bool parquet_is(const char *path);

/*
 * Opens the file, reads its footer and the first pages of the columns.  A text column may also be a
 * list of strings, which are paragraphs and are joined by two line ends; a null among them makes the
 * text null.  options->field must outlive *out.
 *
 * Errors: ERR_NOT_FOUND, ERR_IO, ERR_TRUNCATED and ERR_FORMAT (the footer), ERR_UNSUPPORTED (no such
 * column; a type, codec or encoding that is not read, encryption: the message names it), ERR_USAGE
 * (an empty name), ERR_NOMEM; messages begin with the path.  Damage in the first pages is left to
 * parquet_next().
 */
int parquet_open(struct parquet **out, const char *path, const struct parquet_options *options,
                 struct err *err);

/*
 * Reads the next row; what *row points at is valid until the next call.  Errors: ERR_CORRUPT or
 * ERR_TRUNCATED (damage), ERR_UNSUPPORTED, ERR_IO, ERR_NOMEM; messages begin with the path, the
 * column and the row group.  After an error every call gives the same.
 */
int parquet_next(struct parquet *p, struct parquet_row *row, struct err *err);

bool parquet_has_ids(const struct parquet *p);     // rows are ids, not texts
const char *parquet_name(const struct parquet *p); // the path
const char *
parquet_field(const struct parquet *p);         // options->field, or the usual name that was found
uint64_t parquet_rows(const struct parquet *p); // the rows read so far

/* The offset of the page that the last row ended in, and how far the file has been read. */
uint64_t parquet_page_at(const struct parquet *p);
uint64_t parquet_tell(const struct parquet *p);
uint64_t parquet_bytes(const struct parquet *p); // the file's size

void parquet_close(struct parquet *p); // NULL is allowed

#endif

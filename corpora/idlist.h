/*
 * idlist.h - reads windows of token ids from JSONL: {"ids":[1,2,3]}, one window per line, or from
 * records in another shape (shape.h), or from a column of lists of a Parquet file (parquet.h)
 *
 * Nothing is skipped: a list that cannot be used is an error that names its line.
 */
#ifndef GAPSCOPE_CORPORA_IDLIST_H
#define GAPSCOPE_CORPORA_IDLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"

struct idlist;

/*
 * path: a file (plain, .zst, .gz) or "-".  field: the member with the ids, "a.b" as in member.h;
 * NULL: the first of ids, input_ids, tokens that a record has.  n_ctx: the longest list allowed.
 * d_vocab: every id must be below it.  Errors: as stream_open() and parquet_open(); ERR_UNSUPPORTED (kind.h: it is not
 * JSONL, but .npy, .arrow, ...); ERR_USAGE (a wrong 'field').
 */
int idlist_open(struct idlist **out, const char *path, const char *field, size_t n_ctx,
                size_t d_vocab, struct err *err);

/*
 * Reads the next list: *ids points at *n > 0 ids and is valid until the next call; *n == 0 at the
 * end.  Blank lines do not count.  Errors: ERR_FORMAT (not JSON, no member with ids, not a list of
 * whole numbers, an empty list), ERR_LIMIT (more than n_ctx ids, an id >= d_vocab), and those of
 * stream_read() and parquet_next().  Messages begin with the path and the line or row.
 */
int idlist_next(struct idlist *l, const uint32_t **ids, size_t *n, struct err *err);

/* The place of the record that the last idlist_next() read or failed in: its line, from 1, and the
 * offset of its first byte in the decompressed file. */
void idlist_tell(const struct idlist *l, uint64_t *line, uint64_t *byte);

/* Whether the records are rows of Parquet, so that a line is a row. */
bool idlist_has_rows(const struct idlist *l);

/* The member that the last list was found under; NULL: there was none yet.  It is valid as long as
 * the list and the 'field' given. */
const char *idlist_key(const struct idlist *l);

/* The raw bytes of the file read so far, for progress. */
uint64_t idlist_tell_raw(const struct idlist *l);

/* The list of token ids in a record that is under a usual name, "ids", "input_ids" or "tokens";
 * NULL: there is no such member.  *key becomes its name. */
struct json_object *idlist_member(struct json_object *record, const char **key);

void idlist_close(struct idlist *l); // NULL is allowed

#endif

/*
 * parquet_json.h - a row of Parquet as a record of JSONL
 */
#ifndef GAPSCOPE_CORPORA_PARQUET_JSON_H
#define GAPSCOPE_CORPORA_PARQUET_JSON_H

#include "corpora/parquet/parquet.h"

/*
 * Appends {"text":...} or {"ids":[...]}, with "meta":{"set":...} where the row has a domain, to *out,
 * without a line end.  ids: the row is of a column of ids; it is not null.  *repaired grows by the
 * number of U+FFFD that replace invalid bytes.  Errors: ERR_NOMEM.
 */
int parquet_json(struct buf *out, const struct parquet_row *row, bool ids, uint64_t *repaired,
                 struct err *err);

#endif

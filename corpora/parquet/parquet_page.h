/*
 * parquet_page.h - reads the header of a page
 */
#ifndef GAPSCOPE_CORPORA_PARQUET_PAGE_H
#define GAPSCOPE_CORPORA_PARQUET_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"

/* A page of more values is refused. */
#define PARQUET_PAGE_VALUES (INT64_C(1) << 24)

/* A page of more bytes is refused; so is one over PARQUET_PAGE_SMALL that is PARQUET_PAGE_RATIO
 * times as long as its compressed bytes: it is a bomb. */
#define PARQUET_PAGE_BYTES (INT64_C(1) << 30)
#define PARQUET_PAGE_SMALL (INT64_C(32) << 20)
#define PARQUET_PAGE_RATIO 2048

struct parquet_page {
    int64_t type;       // enum parquet_page_type
    int64_t bytes;      // of the data, decompressed: 0 to PARQUET_PAGE_BYTES
    int64_t compressed; // of the data in the file
    bool has_crc;
    uint32_t crc;
    bool has_values;     // the header of this page's type was there
    int64_t n_values;    // with nulls: 0 to PARQUET_PAGE_VALUES
    int64_t n_nulls;     // of version 2; -1: not said
    int64_t encoding;    // enum parquet_encoding
    int64_t definitions; // the encoding of the definition levels; -1: not said
    int64_t repetitions;
    int64_t definition_bytes; // of version 2: of the levels, which are not compressed
    int64_t repetition_bytes;
    bool is_compressed; // of version 2
};

/*
 * Reads the header bytes[len]; *used becomes its length.  Errors: ERR_TRUNCATED (it may be longer
 * than len), ERR_CORRUPT, ERR_LIMIT.
 */
int parquet_page_read(struct parquet_page *p, const void *bytes, size_t len, size_t *used,
                      struct err *err);

#endif

/*
 * parquet_values.h - decodes the values of one page
 */
#ifndef GAPSCOPE_CORPORA_PARQUET_VALUES_H
#define GAPSCOPE_CORPORA_PARQUET_VALUES_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/mem.h"
#include "corpora/parquet/parquet_column.h"
#include "corpora/parquet/parquet_delta.h"
#include "corpora/parquet/parquet_levels.h"

/* The values of a chunk that its pages name by their number. */
struct parquet_dictionary {
    bool any;
    struct buf bytes; // the values, PLAIN
    uint32_t *at;     // [n], where each begins in 'bytes'; not of numbers
    size_t n, cap;
};

struct parquet_values {
    int type;                      // enum parquet_type of the column
    int64_t encoding;              // enum parquet_encoding of the page
    const unsigned char *at, *end; // PLAIN, or the bytes of DELTA_*
    struct levels indices;         // of the dictionary
    const struct parquet_dictionary *dictionary;
    struct delta numbers;  // DELTA_BINARY_PACKED, or the lengths of DELTA_*
    struct delta prefixes; // of DELTA_BYTES
    struct buf whole;      // of DELTA_BYTES: the current value
    uint64_t n_expanded;   // of DELTA_BYTES: the bytes of all values so far
};

/* Takes n values bytes[len] of the column's type as the dictionary *d, whose bytes they already are
 * (d->bytes).  Errors: ERR_CORRUPT, ERR_NOMEM. */
int parquet_dictionary_read(struct parquet_dictionary *d, int type, uint64_t n, struct err *err);
void parquet_dictionary_free(struct parquet_dictionary *d); // {0} is allowed

/* Begins the values bytes[len] of a page, n of them, and looks at each, so that no value of a damaged
 * page is given out.  v->type and v->dictionary are set.  Errors: ERR_CORRUPT, ERR_UNSUPPORTED,
 * ERR_NOMEM. */
int parquet_values_begin(struct parquet_values *v, int64_t encoding, const unsigned char *bytes,
                         size_t len, uint64_t n, struct err *err);

/* Reads the next value: its text and len, or its number.  Errors: ERR_CORRUPT, ERR_NOMEM. */
int parquet_values_next(struct parquet_values *v, struct parquet_value *value, struct err *err);

void parquet_values_end(struct parquet_values *v); // {0} is allowed

#endif

/*
 * parquet_format.h - the numbers of Parquet's format that several of its readers need
 *
 * The layout of a file:
 *
 *     PAR1 | column chunks of row group 0 | column chunks of row group 1 | ... | footer | length | PAR1
 *
 * A column chunk is pages in a row, each a header (Thrift) and its data: at most one dictionary,
 * then data pages.  A data page is repetition levels, definition levels and the values that are not
 * null.  Levels say where a value stands in nested lists and how much of its path is there.
 */
#ifndef GAPSCOPE_CORPORA_PARQUET_FORMAT_H
#define GAPSCOPE_CORPORA_PARQUET_FORMAT_H

enum parquet_type {
    PARQUET_BOOLEAN,
    PARQUET_INT32,
    PARQUET_INT64,
    PARQUET_INT96,
    PARQUET_FLOAT,
    PARQUET_DOUBLE,
    PARQUET_BYTE_ARRAY,
    PARQUET_FIXED,
    PARQUET_N_TYPES,
};

enum parquet_encoding {
    PARQUET_PLAIN = 0,
    PARQUET_PLAIN_DICTIONARY = 2,
    PARQUET_RLE = 3,
    PARQUET_BIT_PACKED = 4,
    PARQUET_DELTA_BINARY_PACKED = 5,
    PARQUET_DELTA_LENGTH = 6,
    PARQUET_DELTA_BYTES = 7,
    PARQUET_RLE_DICTIONARY = 8,
    PARQUET_BYTE_STREAM_SPLIT = 9,
};

enum parquet_page_type {
    PARQUET_DATA_PAGE,
    PARQUET_INDEX_PAGE,
    PARQUET_DICTIONARY_PAGE,
    PARQUET_DATA_PAGE_V2,
};

#endif

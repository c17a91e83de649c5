/*
 * parquet_codec.h - decompresses a page of Parquet
 *
 * snappy, LZ4_RAW and brotli are there where their libraries were when gapscope was built.
 */
#ifndef GAPSCOPE_CORPORA_PARQUET_CODEC_H
#define GAPSCOPE_CORPORA_PARQUET_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"

/* Whether pages of this codec can be read: 0, or ERR_UNSUPPORTED, with the codec's name in the
 * message and, where a library is missing, its package. */
int parquet_codec_check(int64_t codec, struct err *err);

struct parquet_codec; // what decompressing needs again and again

/* Errors: ERR_NOMEM. */
int parquet_codec_new(struct parquet_codec **out, struct err *err);
void parquet_codec_free(struct parquet_codec *c); // NULL is allowed

/* Decompresses from[from_len] to exactly to[to_len].  Errors: ERR_CORRUPT (it is no such stream, or
 * of another length). */
int parquet_decompress(struct parquet_codec *c, int64_t codec, const void *from, size_t from_len,
                       void *to, size_t to_len, struct err *err);

#endif

/*
 * kind.h - tells by a file's first bytes what it is, where it is surely not text
 *
 * Three rules, in this order:
 *
 *     1. magic numbers (base/magic.h): archives, compressed files, tensors, BOMs of UTF-16, ...
 *     2. encodings that encoding.h knows: UTF-16 and UTF-32 without a BOM, ISO-2022, UTF-7
 *     3. a census of the bytes: control characters that no text has, and bytes that are not UTF-8
 *
 * Rule 3 finds what has no magic number: brotli, raw token ids, encrypted files, and most text in
 * other encodings.  A text may have a few bad bytes: up to 15 % control characters, or 30 % bytes
 * that are not UTF-8 (Latin-1), pass; 60 % where these are fewer than 32.
 */
#ifndef GAPSCOPE_CORPORA_KIND_H
#define GAPSCOPE_CORPORA_KIND_H

#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"
#include "corpora/base/magic.h" // struct kind

/* The number of first bytes that decide. */
#define KIND_BYTES ((size_t)8 << 10)

/*
 * The kind of a file whose first bytes, decompressed, are bytes[len]; NULL: it may be a text.
 * len is less than KIND_BYTES only if the file is so short.  The result depends on the bytes alone
 * and is valid for ever.
 */
const struct kind *kind_of(const void *bytes, size_t len);

/* Like kind_of(), but lets pass text in an encoding that is not UTF-8: its bytes become U+FFFD. */
const struct kind *kind_of_any_encoding(const void *bytes, size_t len);

/*
 * Refuses the file 'name' of this kind: fills *err with its name, its kind and the way out, and
 * returns ERR_UNSUPPORTED.  packed: what it was decompressed from ("gzip", "zstd"); "plain": it was
 * not.  as_text: the message also says that --format text helps.
 */
int kind_refuse(const struct kind *k, const char *name, const char *packed, bool as_text,
                struct err *err);

#endif

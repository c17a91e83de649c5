/*
 * encoding.h - tells by a file's first bytes that it is text in another encoding than UTF-8
 *
 *     UTF-32, UTF-16   without a BOM (magic.h has those with one): code units that are plainly text.
 *                      Of Japanese and Chinese, few bytes are zero; they are known by their scripts.
 *     ISO-2022-JP,     in 7 bits: the escape sequences that switch between character sets
 *     -KR, -CN
 *     HZ               ~{<:Ky2;~}: characters of GB 2312 between such brackets
 *     UTF-7            +AOk-: every plus begins such a run, and letters come out of all
 *
 * The last three are ASCII, so they would pass as text, without one U+FFFD.  Encodings of 8 bits are
 * not told from each other: kind.h counts what is not UTF-8.
 */
#ifndef GAPSCOPE_CORPORA_ENCODING_H
#define GAPSCOPE_CORPORA_ENCODING_H

#include <stddef.h>

#include "corpora/base/magic.h" // struct kind

/* The encoding of the file that begins with bytes[len]; NULL: none of these is plain.  The result
 * is valid for ever. */
const struct kind *encoding_of(const void *bytes, size_t len);

/* The same for ISO-2022 and HZ only, for bytes that are JSON, in whose strings they may stand. */
const struct kind *encoding_in_json(const void *bytes, size_t len);

#endif

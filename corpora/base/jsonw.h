/*
 * jsonw.h - appends JSON to a buffer
 */
#ifndef GAPSCOPE_CORPORA_BASE_JSONW_H
#define GAPSCOPE_CORPORA_BASE_JSONW_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/mem.h"

/*
 * Appends text[len] to *out as a JSON string with its quotes.  Quotes, backslashes and the control
 * characters U+0000 to U+001F are escaped.  'text' is valid UTF-8 and may hold NUL bytes.
 * Errors: ERR_NOMEM; the buffer is then as it was.
 */
int jsonw_string(struct buf *out, const char *text, size_t len, struct err *err);

/* Append a number, and a list of numbers as [1,2].  Errors: as above. */
int jsonw_u64(struct buf *out, uint64_t value, struct err *err);
int jsonw_u32s(struct buf *out, const uint32_t *values, size_t n, struct err *err);

/* The two steps of jsonw_string(), for a writer that has no buffer: the number of bytes at the
 * beginning of text[len] that need no escape; and the escape of 'c' in 'out', which returns its
 * length. */
size_t jsonw_plain(const char *text, size_t len);
size_t jsonw_escape(char c, char out[6]);

#endif

/*
 * jsonw.h - writing JSON
 */
#ifndef GAPSCOPE_CORPORA_BASE_JSONW_H
#define GAPSCOPE_CORPORA_BASE_JSONW_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/mem.h"

/*
 * Appends text[len] to *out as a JSON string with its quotes: quotes, backslashes and the control
 * characters U+0000 to U+001F escaped, all else as it is.  'text' is valid UTF-8; NUL bytes are
 * text. Errors: ERR_NOMEM, the buffer then as it was.
 */
int jsonw_string(struct buf *out, const char *text, size_t len, struct err *err);

/* Appends a number, and a list of them: [1,2].  Errors: as above. */
int jsonw_u64(struct buf *out, uint64_t value, struct err *err);
int jsonw_u32s(struct buf *out, const uint32_t *values, size_t n, struct err *err);

/* jsonw_string() by hand, for a writer that is not to a buffer: how many bytes of text[len] can be
 * written as they are, and the escape of a character that cannot: its length, in out. */
size_t jsonw_plain(const char *text, size_t len);
size_t jsonw_escape(char c, char out[6]);

#endif

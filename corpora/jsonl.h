/*
 * jsonl.h - one line of JSONL as a text
 */
#ifndef GAPSCOPE_CORPORA_JSONL_H
#define GAPSCOPE_CORPORA_JSONL_H

#include <stddef.h>

#include "corpora/reject.h"
#include "scan/base/err.h"

struct jsonl;

/* field: "a.b" is member b of member a; NULL: the first of text, content, code that is a string.
 * On success the caller owns *out.  Errors: ERR_USAGE (an empty name in 'field'), ERR_NOMEM. */
int jsonl_open(struct jsonl **out, const char *field, struct err *err);

/* A record's text as its line has it, still to be repaired: invalid UTF-8 stands as it is, and each
 * lone surrogate escape as one byte FF, so that whoever repairs counts either. */
struct jsonl_record {
    const char *text; // [len], valid until the next jsonl_read()
    size_t len;
};

/*
 * Reads line[len].  Success, or ERR_FORMAT with *reason one of REJECT_BAD_JSON,
 * REJECT_NOT_AN_OBJECT, REJECT_NO_TEXT_FIELD (then the line is an object) and err->msg why, without
 * line or file; or ERR_LIMIT (over 2 GiB), ERR_NOMEM.
 *
 * Of equal keys the last stands.  Let through although it is not JSON: NaN, Infinity (Python
 * writes them), numbers like 01.5 and 1., keys in single quotes, bare control characters and
 * invalid UTF-8 in strings.
 */
int jsonl_read(struct jsonl *j, const char *line, size_t len, struct jsonl_record *record,
               enum reject_reason *reason, struct err *err);

void jsonl_close(struct jsonl *j); // NULL is allowed

#endif

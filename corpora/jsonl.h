/*
 * jsonl.h - one line of JSONL as a text
 */
#ifndef GAPSCOPE_CORPORA_JSONL_H
#define GAPSCOPE_CORPORA_JSONL_H

#include <stddef.h>

#include "corpora/base/err.h"
#include "corpora/reject.h"

struct jsonl;

/*
 * field: where the text is, "a.b" for member b of member a; NULL: the first of text, content, code
 * that is a string.  domain: where the domain is; NULL: the first of meta.pile_set_name, meta.set,
 * source, meta.redpajama_set_name that is a string and not empty.
 * On success the caller owns *out.  Errors: ERR_USAGE (an empty name in either), ERR_NOMEM.
 */
int jsonl_open(struct jsonl **out, const char *field, const char *domain, struct err *err);

/* Names of domains end here, between two characters. */
#define JSONL_DOMAIN_BYTES 200

/* What of a record is wanted, valid until the next jsonl_read(). */
struct jsonl_record {
    // [len], as the line has it, still to be repaired: invalid UTF-8 stands as it is, and each lone
    // surrogate escape as one byte FF, so that whoever repairs counts either
    const char *text;
    size_t len;
    // Valid UTF-8 of 1 to JSONL_DOMAIN_BYTES bytes, U+FFFD in place of what is not and of NULs;
    // NULL where there is no string, or an empty one
    const char *domain;
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

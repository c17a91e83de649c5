/*
 * jsonl.h - reads the text and the domain of a line of JSONL
 */
#ifndef GAPSCOPE_CORPORA_JSONL_H
#define GAPSCOPE_CORPORA_JSONL_H

#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"
#include "corpora/reject.h"

struct jsonl;

/*
 * field: the member with the text, "a.b" for the member "a.b", or else for member b of member a;
 * NULL: the first of text, content, code that is a string or a list of strings, which are
 * paragraphs and are joined by two line ends.  domain: the member with the domain, named likewise;
 * NULL: the first of meta.pile_set_name, meta.set, source, meta.redpajama_set_name that is a string
 * and not empty.  On success the caller owns *out.  Errors: ERR_USAGE (either is empty),
 * ERR_NOMEM.
 */
int jsonl_open(struct jsonl **out, const char *field, const char *domain, struct err *err);

/* Whether, from now on, a line may also be a string, which is its text (false at first).  Where a
 * field was named it may not. */
void jsonl_allow_strings(struct jsonl *j, bool allow);

/* The text and domain of a record, valid until the next jsonl_read(). */
struct jsonl_record {
    // [len], not yet repaired: invalid UTF-8 is as in the line, and each lone surrogate escape is
    // one byte FF, so that the repair counts both
    const char *text;
    size_t len;
    // As domain_name() makes it; NULL if there is no string or an empty one
    const char *domain;
};

/*
 * Reads line[len].  Errors: ERR_FORMAT, with *reason one of REJECT_BAD_JSON, REJECT_NOT_AN_OBJECT,
 * REJECT_NO_TEXT_FIELD (the line is then an object), and err->msg says why, without line or file;
 * ERR_LIMIT (over 2 GiB), ERR_NOMEM.
 *
 * The last of several equal keys counts.  Accepted although it is not JSON: NaN, Infinity (Python
 * writes them), numbers like 01.5 and 1., keys in single quotes, bare control characters and
 * invalid UTF-8 in strings.
 */
int jsonl_read(struct jsonl *j, const char *line, size_t len, struct jsonl_record *record,
               enum reject_reason *reason, struct err *err);

void jsonl_close(struct jsonl *j); // NULL is allowed

#endif

/*
 * shape.h - finds by a file's first bytes how its records stand in it, or that it is one text
 *
 * The first byte that is not blank (after a BOM, within 64 KiB) decides where to look:
 *
 *     {           JSONL, or JSON values over several lines if the first line holds no whole value;
 *                 a text where no key can follow ("{\small", "{{x}}", a block of C), no line behind
 *                 it is JSON, and the name does not say JSONL
 *     [           a JSON array, if it begins as one of objects or strings does, also where it is cut
 *                 or broken: with an object, a key and a colon, or two strings; "[Verse]", "[1] See
 *                 ..." and "["Yes", said Bob" begin texts.  An end that is not seen is no sign
 *                 against an array.
 *     "           a string on each line, if every line within 64 KiB is one, and there are two, or
 *                 the name says JSON: a text may begin with a quotation
 *     1E          RFC 7464, if a JSON value follows
 *     0           lm_dataformat's .dat, if the lengths that can be seen lead from one to the next
 *
 * Everything else is a text, if kind.h does not say that it is none, and the name does not say JSON:
 * then it is JSONL whose first line is broken, or a web page under a wrong name, which is refused.  The result depends on the
 * bytes and the name alone, not on how the bytes arrive.
 */
#ifndef GAPSCOPE_CORPORA_SHAPE_H
#define GAPSCOPE_CORPORA_SHAPE_H

#include <stdbool.h>
#include <stddef.h>

#include "corpora/base/err.h"
#include "corpora/records.h"
#include "corpora/stream.h"

struct shape {
    enum records_shape records;
    bool strings;      // records may be strings, which are texts themselves
    bool alone;        // the first JSON value was seen to be all there is, on several lines
    const char *first; // [first_len], the first JSON value if it was seen; NULL: it was not.  Valid
    size_t first_len;  // until the next call on the stream
};

enum shape_want {
    SHAPE_ANY,     // records or one text
    SHAPE_RECORDS, // the user says that there are records: never RECORDS_NONE
    SHAPE_IDS,     // likewise, and they are lists of token ids
};

/*
 * Looks at the stream, which must not have been read from, and takes nothing from it.
 * Errors: ERR_UNSUPPORTED (kind.h says that it is no text, it is a web page that its name calls JSON, or
 * an array of something else than texts; the message has the way out), ERR_NOMEM.  What stream_peek() cannot read is left to the
 * first read.
 */
int shape_find(struct stream *s, enum shape_want want, struct shape *out, struct err *err);

#endif

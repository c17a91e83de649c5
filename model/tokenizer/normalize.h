/*
 * normalize.h - Unicode's normal form C, as the reference tokenizer knows it
 *
 * The reference's tables are those of Unicode 9: it treats a later mark as a character that neither
 * moves nor composes.  Every version of Unicode gives the same result for all older characters
 * (normalisation is stable), so utf8proc does the work and does not see the newer ones.
 */
#ifndef GAPSCOPE_MODEL_TOKENIZER_NORMALIZE_H
#define GAPSCOPE_MODEL_TOKENIZER_NORMALIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/mem.h"

/* Scratch memory of one thread; {0} at first. */
struct normalize_work {
    int32_t *codes; // [cap]
    size_t cap;
    int32_t *moved; // [moved_cap]
    size_t moved_cap;
    struct buf bytes;
};

/* Makes the table of marks.  Call it before the first text; further calls, from any thread, do
 * nothing. */
void normalize_init(void);

/*
 * Brings text[from, to), valid UTF-8, into NFC by itself.  If it is in NFC already, as most text
 * is, nothing happens.  Else text[*copied, from) and the NFC of text[from, to) are appended to
 * *out, and *copied becomes 'to'.  Takes O(to - from).  Errors: ERR_NOMEM.
 */
int normalize_nfc(struct normalize_work *w, const char *text, size_t from, size_t to,
                  size_t *copied, struct buf *out, struct err *err);

// U+2581, which stands for a space in SentencePiece's texts.
#define NORMALIZE_SPACE "\xE2\x96\x81"

/* The same way, each ' ' of text[from, to) becomes U+2581; prepend: one stands in front too.  Nothing
 * is done to an empty text. */
int normalize_spaces(const char *text, size_t from, size_t to, bool prepend, size_t *copied,
                     struct buf *out, struct err *err);

void normalize_work_free(struct normalize_work *w); // {0} is allowed

#endif

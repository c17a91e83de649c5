/*
 * pieces.h - a text given in parts, repaired and cut into docs of at most DOC_MAX_BYTES
 *
 *     pieces_begin -> { pieces_next until false -> pieces_add }... -> pieces_finish
 *                  -> pieces_next until false
 *
 * A text over DOC_MAX_BYTES is cut after the last line end before that size, else after the last
 * whole character; so again what is left.  The pieces depend on the text alone and not on the parts
 * in which it came; memory depends on neither.
 */
#ifndef GAPSCOPE_CORPORA_PIECES_H
#define GAPSCOPE_CORPORA_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/doc.h"
#include "corpora/base/mem.h"

/* To be held by whoever cuts; {0} at first, the fields are the module's own. */
struct pieces {
    struct buf raw;  // the bytes of a character that is not whole yet
    struct buf text; // repaired; [text_at, text.len) is not handed out
    size_t text_at;
    uint64_t begins; // of text_at in the whole text
    uint64_t *marks; // [n_marks], ascending: where in the whole text a U+FFFD was put in
    size_t n_marks, marks_at, marks_cap; // [marks_at, n_marks): in what is not handed out
    bool finished;
    bool any; // a piece of this text was handed out
};

/* A new text; what there was of another is dropped. */
void pieces_begin(struct pieces *p);

/* The next part, to be kept small (some 100 KiB): up to three times as much is held.
 * Errors: ERR_NOMEM. */
int pieces_add(struct pieces *p, const char *part, size_t len, struct err *err);

/* There are no more parts.  Errors: ERR_NOMEM. */
int pieces_finish(struct pieces *p, struct err *err);

/* The next piece: sets doc->text (valid until the next call on p), len, begins and repaired.
 * False: more parts are needed first, or after pieces_finish(), that was all.  A text without any
 * byte is one piece without any. */
bool pieces_next(struct pieces *p, struct doc *doc);

void pieces_end(struct pieces *p); // frees; {0} is allowed

#endif

/*
 * pieces.h - repairs a text that comes in parts and cuts it into docs of at most DOC_MAX_BYTES
 *
 *     pieces_begin -> { pieces_next until false -> pieces_add }... -> pieces_finish
 *                  -> pieces_next until false
 *
 * A text over DOC_MAX_BYTES is cut after the last line end before that size, or if there is none
 * after the last whole character; then the rest is cut in the same way.  The pieces depend on the
 * text alone, not on the parts in which it came; memory depends on neither.
 */
#ifndef GAPSCOPE_CORPORA_PIECES_H
#define GAPSCOPE_CORPORA_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/doc.h"
#include "corpora/base/mem.h"

/* The cutter's state, which the caller holds, {0} at first; the fields are private. */
struct pieces {
    struct buf raw;  // the bytes of a character that is not whole yet
    struct buf text; // the repaired text; [text_at, text.len) has not been handed out
    size_t text_at;
    uint64_t begins; // offset of text_at in the whole text
    uint64_t *marks; // [n_marks], ascending offsets in the whole text of each U+FFFD put in
    size_t n_marks, marks_at, marks_cap; // [marks_at, n_marks) have not been handed out
    bool finished;
    bool any; // a piece of this text was handed out
};

/* Begins a new text; the rest of another is dropped. */
void pieces_begin(struct pieces *p);

/* Adds the next part.  It should be small (some 100 KiB): up to three times its size is held.
 * Errors: ERR_NOMEM. */
int pieces_add(struct pieces *p, const char *part, size_t len, struct err *err);

/* There are no more parts.  Errors: ERR_NOMEM. */
int pieces_finish(struct pieces *p, struct err *err);

/* Takes the next piece: sets doc->text (valid until the next call on p), len, begins and repaired.
 * False: more parts are needed first, or, after pieces_finish(), there are no more pieces.  An
 * empty text is one empty piece. */
bool pieces_next(struct pieces *p, struct doc *doc);

void pieces_end(struct pieces *p); // frees; {0} is allowed

#endif
